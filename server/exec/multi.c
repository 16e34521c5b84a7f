/* multi.c -- MULTI, EXEC, DISCARD, WATCH.
 *
 * EXEC runs its queue as one transaction of the tier: one record in the log, all or nothing. A
 * command of the queue that meets a cold page lets EXEC wait between commands: the transaction is set
 * aside, its database admits nobody else, and the queue goes on from the same command. What has run
 * stands; the replies gathered so far are kept beside. A long queue waits in the same way for the next turn.
 *
 * WATCH remembers keys by hash; an effect on a watched key marks its watchers. So does a change of a
 * whole database, but for those keys that were not there when they were watched and still are not. */
#include <assert.h>

#include "base/mem.h"
#include "exec/exec_internal.h"
#include "resp/write.h"

#define EXEC_TURN_US 300 /* Commands of the queue that one turn begins. */

/* ---- the queue --------------------------------------------------------------------------------- */

void multi__queue(client *c, const struct command *cmd, const slice *argv, size_t argc) {
    if (c->queue_n == c->queue_cap) {
        c->queue_cap = c->queue_cap == 0 ? 8 : c->queue_cap * 2;
        c->queue = mem_realloc(c->queue, c->queue_cap * sizeof(*c->queue));
    }
    struct queued *q = &c->queue[c->queue_n++];
    size_t bytes = 0;
    for (size_t i = 0; i < argc; i++) bytes += argv[i].n;
    q->cmd = cmd;
    q->argc = argc;
    q->argv = mem_alloc(argc * sizeof(*q->argv));
    q->bytes = mem_alloc(bytes + 1);
    uint8_t *p = q->bytes;
    for (size_t i = 0; i < argc; i++) {
        if (argv[i].n > 0) memcpy(p, argv[i].p, argv[i].n);
        q->argv[i] = slice_make(p, argv[i].n);
        p += argv[i].n;
    }
    c->queue_bytes += bytes;
    c->queue_flags |= cmd->flags;
}

static void queue_free(struct queued *q, size_t n) {
    for (size_t i = 0; i < n; i++) {
        mem_free(q[i].argv);
        mem_free(q[i].bytes);
    }
    mem_free(q);
}

void multi__discard(client *c) {
    queue_free(c->queue, c->queue_n);
    c->queue = NULL;
    c->queue_n = c->queue_cap = c->queue_bytes = 0;
    c->queue_flags = 0;
    c->multi = c->multi_dirty = false;
}

/* ---- watching ------------------------------------------------------------------------------------- */

static list *watch_slot(exec *x, uint64_t hash) { return &x->watch_slots[hash % WATCH_SLOTS]; }

static void unwatch(exec *x, struct watched_key *w) {
    list_remove(&w->by_owner);
    list_remove(&w->by_hash);
    mem_free((void *)(uintptr_t)w->key.p);
    mem_free(w);
    x->watched--;
}

void multi__unwatch(exec *x, list *owner) {
    while (!list_empty(owner)) unwatch(x, LIST_ENTRY(owner->next, struct watched_key, by_owner));
}

void multi__unwatch_all(client *c) {
    multi__unwatch(c->exec, &c->watch_head);
    c->watch_dirty = false;
}

void multi__touched(exec *x, db *d, slice key) {
    if (x->watched == 0) return;
    uint64_t hash = keyspace_hash(d, key);
    LIST_FOR(n, watch_slot(x, hash)) {
        struct watched_key *w = LIST_ENTRY(n, struct watched_key, by_hash);
        if (w->hash != hash || w->db != d || !slice_eq(w->key, key)) continue;
        struct entry e;
        bool was_expired = w->expired_at_watch;
        w->expired_at_watch = false;
        /* What had expired before it was watched may be removed: nothing has changed by that. */
        if (was_expired && keyspace_get(x->deps.keyspace, d, key, KS_EXPIRED, &e) == ERR_NOTFOUND) {
            continue;
        }
        *w->dirty = true;
    }
}

/* d has other contents than when w was watched. Who created the key before that would have marked w,
 * so it was absent until now. A key that cannot be looked up without waiting counts as there: at worst
 * a transaction is tried again. */
static bool still_absent(exec *x, db *d, struct watched_key *w) {
    struct entry e;
    if (!w->absent_at_watch) return false;
    int rc = keyspace_get(x->deps.keyspace, d, w->key, KS_EXPIRED, &e);
    w->expired_at_watch = rc == OK && e.expired;
    return rc == ERR_NOTFOUND || w->expired_at_watch;
}

/* d was emptied, exchanged or replaced. */
void multi__touched_db(exec *x, db *d) {
    if (x->watched == 0) return;
    for (size_t i = 0; i < WATCH_SLOTS; i++) {
        LIST_FOR(n, &x->watch_slots[i]) {
            struct watched_key *w = LIST_ENTRY(n, struct watched_key, by_hash);
            if (w->db == d && !still_absent(x, d, w)) *w->dirty = true;
        }
    }
}

/* A watched key that has expired since counts as changed, also before it is removed. */
static bool watched_expired(client *c, int *rc) {
    *rc = OK;
    LIST_FOR(n, &c->watch_head) {
        struct watched_key *w = LIST_ENTRY(n, struct watched_key, by_owner);
        struct entry e;
        if (w->expired_at_watch) continue;
        int got = keyspace_get(c->exec->deps.keyspace, w->db, w->key, KS_EXPIRED, &e);
        if (got == ERR_COLD) *rc = ERR_COLD;
        else if (got == OK && e.expired) return true;
    }
    return false;
}

static bool watching(client *c, slice key) {
    LIST_FOR(n, &c->watch_head) {
        struct watched_key *w = LIST_ENTRY(n, struct watched_key, by_owner);
        if (w->db == c->db && slice_eq(w->key, key)) return true;
    }
    return false;
}

int multi__watch(exec *x, list *owner, bool *dirty, db *d, slice key) {
    struct entry e;
    int rc = keyspace_get(x->deps.keyspace, d, key, KS_EXPIRED, &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    struct watched_key *w = mem_calloc(1, sizeof(*w));
    uint8_t *copy = mem_alloc(key.n + 1);
    if (key.n > 0) memcpy(copy, key.p, key.n);
    w->dirty = dirty;
    w->db = d;
    w->hash = keyspace_hash(d, key);
    w->key = slice_make(copy, key.n);
    w->expired_at_watch = rc == OK && e.expired;
    w->absent_at_watch = rc == ERR_NOTFOUND || w->expired_at_watch;
    list_push_back(owner, &w->by_owner);
    list_push_back(watch_slot(x, w->hash), &w->by_hash);
    x->watched++;
    return OK;
}

int cmd_watch(call *k) {
    client *c = k->client;
    exec *x = k->exec;
    if (c->multi) return reply_error(k, "ERR WATCH inside MULTI is not allowed");
    bool cold = false;
    for (size_t i = 1; i < k->argc; i++) {
        struct entry e;
        int rc = keyspace_get(x->deps.keyspace, c->db, k->argv[i], KS_EXPIRED, &e);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
    }
    if (cold) return ERR_COLD;
    if (c->watch_dirty) return reply_ok(k); /* The transaction fails anyway. */
    for (size_t i = 1; i < k->argc; i++) {
        slice key = k->argv[i];
        if (watching(c, key)) continue;
        (void)multi__watch(x, &c->watch_head, &c->watch_dirty, c->db, key); /* It is hot. */
    }
    return reply_ok(k);
}

int cmd_unwatch(call *k) {
    multi__unwatch_all(k->client);
    return reply_ok(k);
}

/* ---- MULTI ... EXEC ---------------------------------------------------------------------------------- */

int cmd_multi(call *k) {
    if (k->client->multi) return reply_error(k, "ERR MULTI calls can not be nested");
    k->client->multi = true;
    return reply_ok(k);
}

int cmd_discard(call *k) {
    if (!k->client->multi) return reply_error(k, "ERR DISCARD without MULTI");
    multi__discard(k->client);
    multi__unwatch_all(k->client);
    return reply_ok(k);
}

struct exec_state {
    struct queued *queue;
    size_t n, next;
    struct call inner;   /* of queue[next] when it is waiting */
    bool waiting;
    buf replies;
};

static void exec_state_free(void *p) {
    struct exec_state *s = p;
    if (s->waiting && s->inner.state != NULL && s->inner.state_free != NULL) {
        s->inner.state_free(s->inner.state);
    }
    queue_free(s->queue, s->n);
    buf_free(&s->replies);
    mem_free(s);
}

static void run_queued_start(call *outer, struct exec_state *s) {
    struct queued *q = &s->queue[s->next];
    s->inner = (struct call){.exec = outer->exec, .client = outer->client, .cmd = q->cmd,
                             .argv = q->argv, .argc = q->argc, .out = &s->replies,
                             .in_multi = true, .now_ms = outer->now_ms,
                             .start_us = outer->exec->now_us};
}

/* What it was queued with may have been taken away since. */
static void refuse_queued(struct call *in, enum acl_verdict v) {
    reply_errorf(in, "NOPERM ACLs rules changed between the moment the transaction was accumulated and the "
                     "EXEC call. This command is no longer allowed for the following reason: %s",
                 v == ACL_DENIED_KEY ? "no permission to touch the specified keys"
                                     : "no permission to execute the command or subcommand");
}

/* One command of the queue: OK, or ERR_COLD. */
static int run_queued(call *outer, struct exec_state *s) {
    exec *x = outer->exec;
    if (!s->waiting) run_queued_start(outer, s);
    struct call *in = &s->inner;
    enum acl_verdict allowed = s->waiting ? ACL_OK : access__ask(in);
    int rc;
    if (outer->fault != OK) { /* Its page cannot be read: an error in its place. */
        in->cmd = s->queue[s->next].cmd;
        reply_errorf(in, "IOERR the store could not be read: %s", err_text(outer->fault));
        outer->fault = OK;
        rc = OK;
    } else if (allowed != ACL_OK) {
        refuse_queued(in, allowed);
        rc = OK;
    } else {
        rc = dispatch__run(in);
        assert(rc != ERR_AGAIN);
    }
    if (in->gate > outer->gate) outer->gate = in->gate;
    s->waiting = rc == ERR_COLD;
    if (rc == ERR_COLD) return rc;
    if ((in->cmd->flags & CMD_WHOLE_DB) != 0) {
        uint64_t last = tier_lsn(x->deps.tier);
        if (outer->client->ack != ACK_MEMORY && last > outer->gate) outer->gate = last;
    }
    if (in->state != NULL && in->state_free != NULL) in->state_free(in->state);
    in->state = NULL;
    struct command_stats *st = commands_stats(x->commands, in->cmd);
    exec__refresh_time(x);
    st->calls++;
    uint64_t usec = x->now_us > in->start_us ? x->now_us - in->start_us : 0;
    st->usec += usec;
    observe__slow(in, usec);
    if (in->errored) st->failed++;
    x->stats.commands++;
    s->next++;
    return OK;
}

/* Checks, and takes the queue over. NULL after a reply, or with *rc ERR_COLD. */
static struct exec_state *exec_begin(call *k, int *rc) {
    client *c = k->client;
    *rc = OK;
    if (!c->multi) {
        reply_error(k, "ERR EXEC without MULTI");
        return NULL;
    }
    if (c->multi_dirty) {
        multi__discard(c);
        multi__unwatch_all(c);
        reply_error(k, "EXECABORT Transaction discarded because of previous errors.");
        return NULL;
    }
    bool expired = watched_expired(c, rc);
    if (!c->watch_dirty && !expired && *rc == ERR_COLD) return NULL;
    *rc = OK;
    if (c->watch_dirty || expired) {
        multi__discard(c);
        multi__unwatch_all(c);
        reply_null_array(k);
        return NULL;
    }
    struct exec_state *s = mem_calloc(1, sizeof(*s));
    s->queue = c->queue;
    s->n = c->queue_n;
    c->queue = NULL;
    c->queue_n = c->queue_cap = 0;
    multi__discard(c);
    multi__unwatch_all(c);
    call_set_state(k, s, exec_state_free);
    return s;
}

int cmd_exec(call *k) {
    int rc;
    struct exec_state *s = call_state(k);
    if (s == NULL) {
        s = exec_begin(k, &rc);
        if (s == NULL) return rc;
    }
    k->keep_txn = true;
    while (s->next < s->n) {
        rc = run_queued(k, s);
        if (rc == ERR_COLD) return rc;
        if (s->next < s->n && k->exec->now_us - k->run_us >= EXEC_TURN_US) return call_next_turn(k);
    }
    k->keep_txn = false;
    resp_array(k->out, s->n);
    return s->n > 0 ? reply_take(k, &s->replies) : OK;
}

bool client_in_multi(const client *c) { return c->multi; }
