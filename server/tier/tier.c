/* tier.c -- the tier's life: made, opened (open.c), turned, closed, freed; its end by force. */
#include "tier/tier.h"

#include <stdarg.h>
#include <stdio.h>

#include "tier/tier_internal.h"

#define CLOSE_POLL_US 2000
#define CLOSE_PATIENCE_US 60000000 /* A store that is away must not keep a process for ever. */
#define PENDING_STEP_US 1000
#define TICK_US 1000000

static bool tier_turn(void *cookie);
static void tier_tick(void *cookie);

int tier_create(loop *l, pool *p, objstore *store, keyspace *ks, const struct tier_config *config,
                rnd *r, logger *log, const struct tier_hooks *hooks, void *cookie, tier **out) {
    static const struct keyspace_hooks ks_hooks = {.fetch = tier_fetch,
                                                   .want_checkpoint = tier_want_checkpoint};
    if (config->ack == ACK_DISK && config->cache_dir[0] == '\0') {
        log_line(log, LOG_WARNING, "ack disk needs a cache-dir for the local log");
        return ERR_SYNTAX;
    }
    tier *t = mem_calloc(1, sizeof(*t));
    t->loop = l;
    t->pool = p;
    t->store = store;
    t->ks = ks;
    t->config = config;
    t->rnd = r;
    t->logger = log;
    t->hooks = *hooks;
    t->cookie = cookie;
    t->data_held = t->gc_due_ms = UINT64_MAX;
    t->s3 = strncmp(config->store, "s3:", 3) == 0;
    t->undurable = mem_calloc(UNDURABLE_SLOTS, sizeof(*t->undurable));
    list_init(&t->ios);
    list_init(&t->reads);
    list_init(&t->reads_queue);
    list_init(&t->reads_ready);
    t->reads_merge = t->s3 || strncmp(config->store, "mem:", 4) == 0;
    t->reads_max = t->reads_merge ? READS_FAR_MAX : READS_NEAR_MAX;
    keyspace_limit_fetches(ks, t->reads_max, t->reads_merge ? READS_RUN_MAX : 1);
    list_init(&t->hot_pins);
    packs_init(&t->packs);
    if (t->s3) t->packs.request_bytes = PACK_REQUEST_BYTES_S3;
    log_init(t);
    t->created_us = tier_mono_us(t);
    keyspace_set_hooks(ks, &ks_hooks, t);
    loop_before_sleep(l, tier_turn, t);
    t->checkpoint_timer = loop_timer(l, TICK_US, tier_tick, t);
    cache_open(t);
    *out = t;
    return OK;
}

const char *tier_store_name(tier *t) { return t->store->ops->describe(t->store); }

void tier_want_checkpoint(void *cookie) {
    tier *t = cookie;
    t->checkpoint_wanted = true;
}

/* ---- waiters ---------------------------------------------------------------------------------- */

void waiter_add(struct waiter **head, void (*done)(void *cookie, int rc), void *cookie) {
    struct waiter *w = mem_calloc(1, sizeof(*w));
    w->done = done;
    w->cookie = cookie;
    while (*head != NULL) head = &(*head)->next;
    *head = w;
}

void waiters_run(struct waiter *head, int rc) {
    while (head != NULL) {
        struct waiter *w = head;
        head = w->next;
        w->done(w->cookie, rc);
        mem_free(w);
    }
}

void waiters_drop(struct waiter **head) {
    while (*head != NULL) {
        struct waiter *w = *head;
        *head = w->next;
        mem_free(w);
    }
}

/* ---- turns ------------------------------------------------------------------------------------ */

/* The last thing before the loop sleeps: all that this turn's commands wrote is one batch. */
static bool tier_turn(void *cookie) {
    tier *t = cookie;
    if (tier_gone(t)) return false;
    log_pump(t);
    local_pump(t);
    checkpoint_consider(t);
    gc_consider(t);
    read_pump(t);
    if (t->state == TIER_SERVING && t->calm != NULL && tier_calm(t)) {
        /* One a turn: it may cancel others, or begin what they have to wait for. */
        struct waiter *w = t->calm;
        t->calm = w->next;
        w->next = NULL;
        waiters_run(w, OK);
        return true;
    }
    return false;
}

static void tier_tick(void *cookie) {
    tier *t = cookie;
    t->checkpoint_timer = loop_timer(t->loop, TICK_US, tier_tick, t); /* wakes tier_turn */
    log_tick(t);
    if (!tier_gone(t)) trim_start(t);
}

static void pending_step(void *cookie) {
    tier *t = cookie;
    t->pending_timer = NULL;
    if (tier_gone(t) || keyspace_pending(t->ks) == 0) return;
    keyspace_pending_step(t->ks);
    t->pending_timer = loop_timer(t->loop, PENDING_STEP_US, pending_step, t);
}

void tier_pending_start(tier *t) {
    if (t->pending_timer == NULL && keyspace_pending(t->ks) > 0)
        t->pending_timer = loop_timer(t->loop, 0, pending_step, t);
}

void tier_wait(tier *t, void (*done)(void *cookie, int rc), void *cookie) {
    waiter_add(&t->calm, done, cookie);
}

void tier_wait_cancel(tier *t, void *cookie) {
    struct waiter **at = &t->calm;
    while (*at != NULL) {
        struct waiter *w = *at;
        if (w->cookie != cookie) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        mem_free(w);
    }
}

void tier_job(tier *t, job *j) {
    t->jobs++;
    pool_submit(t->pool, j);
}

bool tier_job_done(tier *t) {
    assert(t->jobs > 0);
    t->jobs--;
    return !tier_gone(t);
}

void tier_data_name(tier *t, char out[DATA_NAME_MAX + 1]) {
    data_name(t->m.epoch, t->data_counter++, rnd_u64(t->rnd), out); /* L8 */
}

/* ---- the end by force --------------------------------------------------------------------------- */

void tier_fatal(tier *t, int status, const char *fmt, ...) {
    char why[512];
    va_list ap;
    if (tier_gone(t)) return;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    if (t->state == TIER_OPENING) {
        open_finish(t, status == 3 ? ERR_FENCED : ERR_IO, "%s", why);
        return;
    }
    t->state = TIER_DEAD; /* L11: from here on nothing is sent, confirmed or answered. */
    if (t->hooks.fatal != NULL) t->hooks.fatal(t->cookie, status, why);
}

void tier_halt(tier *t) { t->halted = true; }

/* ---- closing ------------------------------------------------------------------------------------ */

static void close_step(void *cookie);

static void close_checkpointed(void *cookie, int rc) {
    tier *t = cookie;
    t->closing.checkpointed = true;
    if (rc != OK) t->closing.rc = rc;
}

static void close_released(tier *t, int rc) {
    t->closing.released = true;
    if (rc != OK) t->closing.rc = rc;
}

static void close_end(tier *t, int rc) {
    struct closing *c = &t->closing;
    c->active = false;
    if (t->state == TIER_CLOSING) t->state = TIER_CLOSED;
    c->done(c->cookie, rc);
}

static void close_step(void *cookie) {
    tier *t = cookie;
    struct closing *c = &t->closing;
    c->poll = NULL;
    if (t->halted) return;
    if (t->state != TIER_CLOSING) { /* There is nothing that it could write any more. */
        close_end(t, ERR_FENCED);
        return;
    }
    if (tier_mono_us(t) > c->deadline_us) {
        close_end(t, ERR_TIMEOUT);
        return;
    }
    c->poll = loop_timer(t->loop, CLOSE_POLL_US, close_step, t);
    log_pump(t);
    if (!log_idle(t) || t->checkpoint != NULL || t->writing != NULL) return;
    if (c->checkpoint && !c->checkpointed) {
        if (c->checkpoint_asked) return;
        c->checkpoint_asked = true;
        tier_checkpoint(t, close_checkpointed, t);
        return;
    }
    if (!c->release_asked) {
        struct manifest m = t->m;
        m.state = MANIFEST_RELEASED;
        if (m.lsn_max < t->lsn) m.lsn_max = t->lsn;
        c->release_asked = true;
        own_write(t, &m, close_released);
        return;
    }
    if (!c->released || t->jobs > 0 || !list_empty(&t->ios)) return;
    loop_timer_cancel(t->loop, c->poll);
    c->poll = NULL;
    close_end(t, c->rc);
}

void tier_close(tier *t, bool checkpoint, void (*done)(void *cookie, int rc), void *cookie) {
    assert(!t->closing.active);
    t->closing = (struct closing){.active = true, .checkpoint = checkpoint, .done = done,
                                  .cookie = cookie,
                                  .deadline_us = tier_mono_us(t) + CLOSE_PATIENCE_US};
    if (t->state == TIER_SERVING) t->state = TIER_CLOSING;
    t->closing.poll = loop_timer(t->loop, 0, close_step, t);
}

/* After tier_close() has called done(), or after tier_halt(), objstore_free() and pool_free(): what is
 * still under way would otherwise come back to freed memory. */
void tier_free(tier *t) {
    if (t == NULL) return;
    t->halted = true;
    if (t->jobs > 0) return; /* Workers still look at what they were given. */
    if (t->closing.poll != NULL) loop_timer_cancel(t->loop, t->closing.poll);
    if (t->checkpoint_timer != NULL) loop_timer_cancel(t->loop, t->checkpoint_timer);
    if (t->pending_timer != NULL) loop_timer_cancel(t->loop, t->pending_timer);
    open_free(t);
    checkpoint_free(t);
    compact_free(t);
    gc_free(t);
    trim_free(t);
    read_deinit(t);
    cache_close(t);
    local_close(t);
    own_deinit(t);
    list *n;
    while ((n = list_first(&t->ios)) != NULL) io_free(LIST_ENTRY(n, io, node));
    log_deinit(t);
    pins_deinit(t);
    packs_deinit(&t->packs);
    waiters_drop(&t->calm);
    mem_free(t->intents);
    mem_free(t->undurable);
    buf_free(&t->txn.bytes);
    buf_free(&t->txn.hashes);
    mem_free(t);
}

/* ---- DEBUG RELOAD --------------------------------------------------------------------------------- */

struct reload {
    tier *t;
    void (*done)(void *cookie, int rc);
    void *cookie;
};

static void reload_checkpointed(void *cookie, int rc) {
    struct reload *r = cookie;
    if (rc == OK) keyspace_drop_clean(r->t->ks);
    r->done(r->cookie, rc);
    mem_free(r);
}

void tier_reload(tier *t, void (*done)(void *cookie, int rc), void *cookie) {
    struct reload *r = mem_calloc(1, sizeof(*r));
    *r = (struct reload){t, done, cookie};
    tier_checkpoint(t, reload_checkpointed, r);
}
