/* checkpoint.c -- one frozen moment becomes packs, then roots, then a manifest.
 *
 *   freeze (O(1)) -> walk in slices, slots into packs, at most two packs on their way ->
 *   catalogue -> roots object -> manifest -> the log before is not needed any more
 *
 * Kept here
 *  L12 the manifest is written when everything up to its LSN is durable in the log.
 *  L9  every data name used so far is either in the roots or garbage when `data_pending` passes it.
 *
 * A snapshot that is still a moment in memory goes first: its checkpoint stores exactly its state, so
 * that it becomes a catalogue like any other. What fails leaves dirty what was not confirmed; it is
 * tried again. */
#include "base/hash.h"
#include "tier/tier_internal.h"

#define PACK_SMALL_BYTES (512u << 10)
#define PACK_GROWS_BYTES (64u << 10) /* Above this a pack gets all its memory at once. */
#define PACK_RAW_BYTES (8u << 20)   /* Half of PACK_BYTES_TARGET: three of them are in memory, */
#define PACK_ROOM 2                 /* Half as much more for the last page, which may be large: else all were copied for it. */
#define PACK_MEMORY_SHARE 36        /* which together are an eighth of maxmemory at most. */
#define PACKS_IN_FLIGHT_MAX 2
#define WALK_SLICE_US 400
#define WALK_SLICE_SLOTS 64
#define CHECKPOINT_RETRY_US 5000000

struct pack_out {
    struct checkpoint *cp;
    tier *t; /* When the pack is written: the checkpoint may end before its memory is given back. */
    list node;
    buf raw, lengths, bytes;
    struct pack_line line;
    job encode, leave;
};

struct checkpoint {
    tier *t;
    struct point *point;
    pin *snapshot;           /* whose moment this is, or NULL: then point is ours to free */
    struct waiter *waiters;
    frozen_walk *walk;
    timer *step;
    buf raw, lengths;        /* the pack being filled */
    size_t raw_max;
    uint32_t slots, number;
    list packs;              /* on their way */
    unsigned in_flight;
    bool walked, waits_durable;
    bool filled;             /* a pack has been, and so will be the next */
    buf spare[PACKS_IN_FLIGHT_MAX]; /* Memory of packs before: to touch new memory takes the loop milliseconds. */
    int rc;
    uint64_t start_us;
    buf catalogue;
    struct roots roots;      /* borrows from catalogue and the point's pins; owns packs */
    buf roots_bytes;
    char roots_name[DATA_NAME_MAX + 1];
    uint64_t data_pending;   /* L9: names from here on are not in these roots */
    job encode;
};

static void walk_step(void *cookie);
static void pack_flush(struct checkpoint *cp);
static void pack_encode_work(job *j);
static void pack_encode_done(job *j);
static void pack_put_done(io *o);
static void checkpoint_walked(struct checkpoint *cp);
static void roots_build(struct checkpoint *cp);
static void roots_encode_work(job *j);
static void roots_encode_done(job *j);
static void roots_put_done(io *o);
static void checkpoint_publish(tier *t);
static void checkpoint_published(tier *t, int rc);
static void checkpoint_end(struct checkpoint *cp, int rc);

/* ---- moments ---------------------------------------------------------------------------------- */

bool tier_calm(const tier *t) {
    return !t->txn_open && t->txn_suspended == 0 && keyspace_pending(t->ks) == 0;
}

struct point *point_take(tier *t, uint64_t lsn) {
    struct point *p = mem_calloc(1, sizeof(*p));
    p->f = keyspace_freeze(t->ks);
    p->lsn = lsn;
    p->wall_ms = (uint64_t)tier_now_ms(t);
    memcpy(p->parent, t->parent, sizeof(p->parent));
    p->pins_count = t->pins_count;
    p->pins = mem_calloc(t->pins_count + 1, sizeof(*p->pins));
    for (size_t i = 0; i < t->pins_count; i++) {
        p->pins[i] = t->pins[i];
        p->pins[i]->refs++;
    }
    return p;
}

void point_free(tier *t, struct point *p) {
    if (p == NULL) return;
    frozen_put(t->ks, p->f);
    for (size_t i = 0; i < p->pins_count; i++) pin_put(t, p->pins[i]);
    mem_free(p->pins);
    mem_free(p);
}

/* ---- when ------------------------------------------------------------------------------------- */

void tier_checkpoint(tier *t, void (*done)(void *cookie, int rc), void *cookie) {
    waiter_add(&t->checkpoint_next, done, cookie);
}

bool tier_checkpoint_running(tier *t) { return t->checkpoint != NULL; }
uint64_t tier_checkpoint_time_ms(tier *t) { return t->checkpoint_ms; }
int tier_checkpoint_status(tier *t) { return t->checkpoint_status; }

static bool checkpoint_due(tier *t) {
    if (t->checkpoint_next != NULL) return true;
    uint64_t now = loop_now_us(t->loop);
    if (t->checkpoint_status != OK && now < t->checkpoint_us + CHECKPOINT_RETRY_US) return false;
    if (t->checkpoint_wanted) return true;
    if (t->config->checkpoint_log_bytes > 0 &&
        t->log.since_checkpoint >= (uint64_t)t->config->checkpoint_log_bytes)
        return true;
    return t->config->checkpoint_interval_s > 0 && t->lsn != t->checkpoint_lsn_changed &&
           now >= t->checkpoint_us + (uint64_t)t->config->checkpoint_interval_s * 1000000;
}

static void checkpoint_start(tier *t) {
    struct checkpoint *cp = mem_calloc(1, sizeof(*cp));
    cp->t = t;
    cp->start_us = tier_mono_us(t);
    cp->raw_max = keyspace_maxmemory(t->ks) / PACK_MEMORY_SHARE;
    if (cp->raw_max > PACK_RAW_BYTES) cp->raw_max = PACK_RAW_BYTES;
    if (cp->raw_max < PACK_SMALL_BYTES) cp->raw_max = PACK_SMALL_BYTES;
    list_init(&cp->packs);
    list *n = list_first(&t->hot_pins);
    if (n != NULL) {
        cp->snapshot = LIST_ENTRY(n, pin, hot);
        cp->snapshot->refs++;
        cp->point = cp->snapshot->point;
    } else {
        cp->point = point_take(t, t->lsn);
        cp->waiters = t->checkpoint_next;
        t->checkpoint_next = NULL;
        t->checkpoint_wanted = false;
        t->log.since_checkpoint = 0;
    }
    assert(cp->point->lsn >= t->m.checkpoint_lsn);
    t->checkpoint = cp;
    cp->walk = frozen_walk_start(t->ks, cp->point->f);
    cp->step = loop_timer(t->loop, 0, walk_step, cp);
}

void checkpoint_consider(tier *t) {
    struct checkpoint *cp = t->checkpoint;
    if (cp != NULL) {
        if (cp->waits_durable && t->durable >= cp->point->lsn) {
            cp->waits_durable = false;
            checkpoint_publish(t);
        }
        return;
    }
    if (t->state != TIER_SERVING && t->state != TIER_CLOSING) return;
    if (t->writing != NULL || !checkpoint_due(t) || !tier_calm(t)) return;
    checkpoint_start(t);
}

/* ---- the walk --------------------------------------------------------------------------------- */

static void walk_again(struct checkpoint *cp) {
    if (cp->step == NULL)
        cp->step = loop_timer(cp->t->loop, 0, walk_step, cp);
}

static void walk_step(void *cookie) {
    struct checkpoint *cp = cookie;
    tier *t = cp->t;
    cp->step = NULL;
    if (tier_gone(t)) return;
    uint64_t start = tier_mono_us(t), share = loop_share_us(t->loop, WALK_SLICE_US);
    if (frozen_walk_settle(cp->walk, share)) {
        walk_again(cp);
        return;
    }
    if (cp->walked) {
        checkpoint_walked(cp);
        return;
    }
    for (unsigned i = 0; i < WALK_SLICE_SLOTS; i++) {
        if (tier_mono_us(t) - start > share) break;
        if (cp->raw.n >= cp->raw_max || cp->slots == PACK_SLOTS_MAX) {
            if (cp->in_flight >= PACKS_IN_FLIGHT_MAX) return; /* a pack's end goes on */
            cp->filled = true;
            pack_flush(cp);
        }
        if ((cp->filled || cp->raw.n > PACK_GROWS_BYTES) && cp->raw.cap < cp->raw_max)
            buf_reserve(&cp->raw, cp->raw_max + cp->raw_max / PACK_ROOM - cp->raw.n); /* Not by doubling: that copies. */
        size_t before = cp->raw.n;
        int rc = cp->rc == OK ? frozen_walk_next(cp->walk, &cp->raw) : ERR_NOTFOUND;
        if (rc != OK) {
            cp->walked = true;
            if (rc != ERR_NOTFOUND) cp->rc = rc;
            if (cp->slots > 0 && cp->rc == OK) pack_flush(cp);
            checkpoint_walked(cp);
            return;
        }
        if (cp->slots == 0) cp->number = t->packs.next++;
        size_t n = cp->raw.n - before;
        assert(n > 0 && n <= PAGE_BYTES_MAX);
        buf_u32(&cp->lengths, (uint32_t)n);
        frozen_walk_placed(cp->walk, location_make(cp->number, cp->slots++));
    }
    walk_again(cp);
}

static void pack_flush(struct checkpoint *cp) {
    assert(cp->slots > 0);
    struct pack_out *k = mem_calloc(1, sizeof(*k));
    k->cp = cp;
    k->raw = cp->raw;
    k->lengths = cp->lengths;
    k->line.number = cp->number;
    k->line.slots = cp->slots;
    tier_data_name(cp->t, k->line.name);
    cp->raw = cp->lengths = BUF_INIT;
    for (int i = 0; i < PACKS_IN_FLIGHT_MAX && cp->raw.cap == 0; i++) {
        cp->raw = cp->spare[i];
        cp->spare[i] = BUF_INIT;
    }
    cp->slots = 0;
    cp->in_flight++;
    list_push_back(&cp->packs, &k->node);
    k->encode.work = pack_encode_work;
    k->encode.done = pack_encode_done;
    tier_job(cp->t, &k->encode);
}

static void pack_out_free(struct pack_out *k) {
    list_remove(&k->node);
    buf_free(&k->raw);
    buf_free(&k->lengths);
    buf_free(&k->bytes);
    mem_free(k);
}

static void pack_encode_work(job *j) {
    struct pack_out *k = LIST_ENTRY(j, struct pack_out, encode);
    pack_encode(slice_of(&k->raw), (const uint32_t *)(const void *)k->lengths.p, k->line.slots,
                &k->bytes, &k->line);
    if (k->raw.cap < PACK_SMALL_BYTES) buf_free(&k->raw);
}

/* What finds no place stays with its pack. */
static void spare(struct checkpoint *cp, buf *raw) {
    for (int i = 0; i < PACKS_IN_FLIGHT_MAX && raw->cap > 0; i++) {
        if (cp->spare[i].cap > 0) continue;
        cp->spare[i] = *raw;
        cp->spare[i].n = 0;
        *raw = BUF_INIT;
    }
}

static void pack_leave_work(job *j) {
    struct pack_out *k = LIST_ENTRY(j, struct pack_out, leave);
    buf_free(&k->raw);
    buf_free(&k->bytes);
}

static void pack_leave_done(job *j) {
    struct pack_out *k = LIST_ENTRY(j, struct pack_out, leave);
    (void)tier_job_done(k->t);
    mem_free(k);
}

/* Nobody wants it any more. Megabytes go back to the system when they are freed: not on the loop. */
static void pack_leave(struct pack_out *k) {
    list_remove(&k->node);
    k->t = k->cp->t;
    k->cp = NULL;
    k->leave.work = pack_leave_work;
    k->leave.done = pack_leave_done;
    tier_job(k->t, &k->leave);
}

static void pack_encode_done(job *j) {
    struct pack_out *k = LIST_ENTRY(j, struct pack_out, encode);
    tier *t = k->cp->t;
    if (!tier_job_done(t)) return;
    buf_free(&k->lengths);
    spare(k->cp, &k->raw);
    io *o = io_create(t, OBJ_PUT_ABSENT, k->line.name, pack_put_done, k); /* L8 */
    o->req.body = slice_of(&k->bytes);
    io_send(o, IO_TRIES);
}

static void pack_put_done(io *o) {
    struct pack_out *k = o->cookie;
    struct checkpoint *cp = k->cp;
    tier *t = cp->t;
    /* The name was drawn at random for these bytes alone: that it exists means it is ours. */
    int rc = o->req.rc == ERR_PRECOND ? OK : o->req.rc;
    cp->in_flight--;
    if (rc == OK) {
        rc = packs_add(&t->packs, &k->line);
        assert(rc == OK);
        frozen_walk_confirmed(cp->walk, k->line.number);
        buf footer = BUF_INIT;
        buf_append(&footer, k->bytes.p + k->line.footer_offset,
                   (size_t)(k->line.bytes - k->line.footer_offset));
        packs_keep_footer(&t->packs, packs_find(&t->packs, k->line.number), &footer);
        t->stats.packs_written++;
        t->stats.slots_written += k->line.slots;
        t->stats.pack_bytes_written += k->line.bytes;
    } else if (cp->rc == OK) {
        cp->rc = rc;
    }
    assert(k->lengths.cap == 0);
    pack_leave(k);
    walk_again(cp);
}

/* ---- roots and manifest ------------------------------------------------------------------------- */

static void checkpoint_walked(struct checkpoint *cp) {
    if (cp->in_flight > 0) return;
    if (cp->rc != OK) {
        checkpoint_end(cp, cp->rc);
        return;
    }
    frozen_catalogue(cp->walk, &cp->catalogue);
    roots_build(cp);
}

static void roots_build(struct checkpoint *cp) {
    tier *t = cp->t;
    struct roots *r = &cp->roots;
    r->lsn = cp->point->lsn;
    r->time_ms = cp->point->wall_ms;
    r->next_pack = t->packs.next;
    cp->data_pending = t->data_held < t->data_counter ? t->data_held : t->data_counter;
    r->parent = slice_str(cp->point->parent);
    r->catalogue = slice_of(&cp->catalogue);
    r->packs = mem_calloc(t->packs.count + 1, sizeof(*r->packs));
    r->packs_count = t->packs.count;
    for (size_t i = 0; i < t->packs.count; i++) r->packs[i] = t->packs.at[i]->line;
    r->pins = mem_calloc(cp->point->pins_count + 1, sizeof(*r->pins));
    for (size_t i = 0; i < cp->point->pins_count; i++) {
        const pin *p = cp->point->pins[i];
        assert(p->point == NULL && p->catalogue.n > 0); /* older moments were stored first */
        r->pins[r->pins_count++] = (struct pin_line){
            .name = slice_str(p->name), .parent = slice_str(p->parent),
            .catalogue = slice_of(&p->catalogue), .lsn = p->lsn, .time_ms = p->time_ms,
            .keys = p->keys, .databases = p->databases};
    }
    r->intents = mem_calloc(t->intents_count + 1, sizeof(*r->intents));
    r->intents_count = t->intents_count;
    if (t->intents_count > 0)
        memcpy(r->intents, t->intents, t->intents_count * sizeof(*r->intents));
    cp->encode.work = roots_encode_work;
    cp->encode.done = roots_encode_done;
    tier_job(t, &cp->encode);
}

static void roots_encode_work(job *j) {
    struct checkpoint *cp = LIST_ENTRY(j, struct checkpoint, encode);
    roots_encode(&cp->roots, &cp->roots_bytes);
    for (int i = 0; i < PACKS_IN_FLIGHT_MAX; i++) buf_free(&cp->spare[i]); /* Megabytes: not on the loop. */
    buf_free(&cp->raw);
}

static void roots_encode_done(job *j) {
    struct checkpoint *cp = LIST_ENTRY(j, struct checkpoint, encode);
    tier *t = cp->t;
    if (!tier_job_done(t)) return;
    tier_data_name(t, cp->roots_name);
    io *o = io_create(t, OBJ_PUT_ABSENT, cp->roots_name, roots_put_done, cp);
    o->req.body = slice_of(&cp->roots_bytes);
    io_send(o, IO_TRIES);
}

static void roots_put_done(io *o) {
    struct checkpoint *cp = o->cookie;
    int rc = o->req.rc == ERR_PRECOND ? OK : o->req.rc;
    if (rc != OK) {
        checkpoint_end(cp, rc);
        return;
    }
    cp->waits_durable = true;
    tier_want_durable(cp->t, cp->point->lsn);
    checkpoint_consider(cp->t);
}

/* The log that is still needed begins with the first segment that goes beyond `lsn`. */
static void manifest_log_start(tier *t, struct manifest *m, uint64_t lsn) {
    const struct tier_log *g = &t->log;
    m->log_start = g->confirm_seq;
    for (size_t i = 0; i < g->marks_count; i++) {
        const struct log_mark *k = &g->marks[i];
        if (k->last_lsn > lsn) {
            m->log_start = k->seq;
            break;
        }
        if (k->seq < t->m.log_start) continue;
        m->log_epoch = k->epoch;
        m->log_hash = k->hash;
        m->log_records = k->records;
        memcpy(m->chain, k->chain, DIGEST_BYTES);
    }
    assert(m->log_start >= t->m.log_start);
}

static void checkpoint_publish(tier *t) {
    struct checkpoint *cp = t->checkpoint;
    assert(t->durable >= cp->point->lsn); /* L12 */
    struct manifest m = t->m;
    m.checkpoint_lsn = cp->point->lsn;
    m.checkpoint_ms = cp->point->wall_ms;
    if (m.lsn_max < t->lsn) m.lsn_max = t->lsn;
    m.data_pending = cp->data_pending; /* L9 */
    memcpy(m.roots, cp->roots_name, sizeof(m.roots));
    m.roots_bytes = cp->roots_bytes.n;
    m.roots_hash = hash_xx(cp->roots_bytes.p, cp->roots_bytes.n, 0);
    manifest_log_start(t, &m, cp->point->lsn);
    trim_intend(t, &m);
    own_write(t, &m, checkpoint_published);
}

static void checkpoint_published(tier *t, int rc) {
    struct checkpoint *cp = t->checkpoint;
    if (rc == OK) {
        t->checkpoint_ms = cp->point->wall_ms;
        t->checkpoint_lsn_changed = cp->point->lsn;
        t->stats.checkpoints++;
        for (size_t i = 0; i < cp->point->pins_count; i++) cp->point->pins[i]->listed = true;
        if (cp->snapshot != NULL) {
            pin *p = cp->snapshot;
            p->catalogue = cp->catalogue;
            cp->catalogue = BUF_INIT;
            p->point = NULL;
            list_remove(&p->hot);
            t->checkpoint_wanted = true; /* the next one lists it */
        }
        log_line(t->logger, LOG_VERBOSE, "checkpoint at LSN %llu: %s, log from %llx",
                 (unsigned long long)cp->point->lsn, cp->roots_name,
                 (unsigned long long)t->m.log_start);
    }
    checkpoint_end(cp, rc);
    if (rc != OK) return;
    log_marks_prune(t);
    trim_start(t);
}

static void checkpoint_drop(struct checkpoint *cp, bool stored) {
    tier *t = cp->t;
    if (cp->step != NULL) loop_timer_cancel(t->loop, cp->step);
    frozen_walk_free(cp->walk);
    if (cp->snapshot == NULL || stored) point_free(t, cp->point);
    if (cp->snapshot != NULL) pin_put(t, cp->snapshot);
    list *n;
    while ((n = list_first(&cp->packs)) != NULL)
        pack_out_free(LIST_ENTRY(n, struct pack_out, node));
    buf_free(&cp->raw);
    for (int i = 0; i < PACKS_IN_FLIGHT_MAX; i++) buf_free(&cp->spare[i]);
    buf_free(&cp->lengths);
    buf_free(&cp->catalogue);
    buf_free(&cp->roots_bytes);
    mem_free(cp->roots.packs);
    mem_free(cp->roots.pins);
    mem_free(cp->roots.intents);
    waiters_drop(&cp->waiters);
    mem_free(cp);
}

static void checkpoint_end(struct checkpoint *cp, int rc) {
    tier *t = cp->t;
    struct waiter *waiters = cp->waiters;
    cp->waiters = NULL;
    t->checkpoint = NULL;
    t->checkpoint_us = loop_now_us(t->loop);
    t->checkpoint_status = rc;
    if (rc != OK) {
        t->stats.checkpoint_failures++;
        t->checkpoint_wanted = true;
        log_line(t->logger, LOG_WARNING, "checkpoint failed: %s (%s)", err_text(rc),
                 objstore_why(t->store));
        if (cp->snapshot != NULL) { /* they asked for all of it */
            waiters = t->checkpoint_next;
            t->checkpoint_next = NULL;
        }
    }
    checkpoint_drop(cp, rc == OK);
    waiters_run(waiters, rc);
}

void checkpoint_free(tier *t) {
    if (t->checkpoint != NULL) checkpoint_drop(t->checkpoint, false);
    t->checkpoint = NULL;
    waiters_drop(&t->checkpoint_next);
}
