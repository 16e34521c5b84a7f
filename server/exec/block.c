/* block.c -- clients that wait for keys: BLPOP and its like.
 *
 * A handler that finds nothing calls call_block(): its client is parked, and noted under each of the
 * keys, behind those that came before. An effect on such a key makes it ready; after the command (or
 * the whole EXEC) that did it, and before any other, the clients that wait for ready keys have their
 * handlers run again, in order of arrival, each in a transaction of its own. Who still finds nothing
 * keeps its place. What a handler run so does to other keys may make these ready: they are served in
 * the same way, until none is left.
 *
 * The requests that stand behind a served one in its client's batch run at the end of the turn, so
 * that serving does not nest. */
#include <assert.h>
#include <math.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"
#include "exec/exec_internal.h"
#include "resp/write.h"

struct blocked_key {
    list by_hash;
    struct blocked *owner;
    uint64_t hash;
    slice key; /* in the owner's bytes */
};

struct blocked {
    client *client;
    db *db;
    timer *timer;
    bool or_gone;      /* a key that is not there makes it ready too */
    bool expired;      /* its time passed while its handler waited for a page */
    slice ready;
    size_t n;
    struct blocked_key *keys;
    uint8_t *bytes;
};

struct ready_key {
    list link;
    db *db;
    uint64_t hash;
    slice key; /* owned; follows this struct */
};

static uint64_t hash_of(const exec *x, slice key) {
    return hash_xx(key.p, key.n, x->start_mono_us); /* The same in every database. */
}
static list *slot_of(exec *x, uint64_t hash) { return &x->blocked_slots[hash % BLOCKED_SLOTS]; }

void block__init(exec *x) {
    list_init(&x->ready_keys);
    list_init(&x->unblocked);
    for (size_t i = 0; i < BLOCKED_SLOTS; i++) list_init(&x->blocked_slots[i]);
}

/* ---- blocking ---------------------------------------------------------------------------------- */

bool call_timeout(call *c, size_t i, uint64_t *us) {
    long double s;
    if (!num_parse_long_double(call_arg(c, i), &s)) {
        reply_error(c, "ERR timeout is not a float or out of range");
        return false;
    }
    long double ms = ceill(s * 1000);
    if (ms < 0 || ms >= (long double)INT64_MAX) { /* What overflows is negative, to Redis. */
        reply_error(c, "ERR timeout is negative");
        return false;
    }
    uint64_t whole = (uint64_t)ms;
    *us = whole > UINT64_MAX / 4000 ? UINT64_MAX / 4 : whole * 1000;
    return true;
}

static struct blocked *note(client *c, const slice *keys, size_t n) {
    exec *x = c->exec;
    struct blocked *b = mem_calloc(1, sizeof(*b));
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += keys[i].n;
    b->client = c;
    b->db = c->db;
    b->keys = mem_calloc(n, sizeof(*b->keys));
    b->bytes = mem_alloc(bytes + 1);
    uint8_t *to = b->bytes;
    for (size_t i = 0; i < n; i++) {
        struct blocked_key *k = &b->keys[b->n];
        bool twice = false;
        for (size_t j = 0; j < b->n && !twice; j++) twice = slice_eq(b->keys[j].key, keys[i]);
        if (twice) continue;
        if (keys[i].n > 0) memcpy(to, keys[i].p, keys[i].n);
        *k = (struct blocked_key){.owner = b, .hash = hash_of(x, keys[i]),
                                  .key = slice_make(to, keys[i].n)};
        to += keys[i].n;
        list_push_back(slot_of(x, k->hash), &k->by_hash);
        b->n++;
    }
    x->blocked_n++;
    return b;
}

static int reply_timeout(call *c) {
    c->start_us = c->exec->now_us; /* What it waited is not its own time. */
    return reply_null_array(c);
}

static int reply_unblocked(call *c) {
    c->start_us = c->exec->now_us;
    return reply_error(c, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
}

static void time_passed(void *cookie) {
    struct blocked *b = cookie;
    parked *p = b->client->parked;
    b->timer = NULL;
    b->expired = true;
    if (p == NULL || p->resuming) return; /* Its handler is on its way: call_block() sees it. */
    p->fn = reply_timeout;
    parked_resume(p);
}

static int block(call *c, const slice *keys, size_t n, uint64_t timeout_us, bool or_gone) {
    client *cl = c->client;
    assert(call_may_park(c));
    if (cl->blocked == NULL) {
        cl->blocked = note(cl, keys, n);
        cl->blocked->or_gone = or_gone;
        if (timeout_us != 0) {
            cl->blocked->timer = loop_timer(c->exec->deps.loop, timeout_us, time_passed, cl->blocked);
        }
    }
    if (cl->blocked->expired) return reply_timeout(c);
    call_park(c, c->cmd->fn, cl->blocked, NULL);
    return ERR_AGAIN;
}

int call_block(call *c, const slice *keys, size_t n, uint64_t timeout_us) {
    return block(c, keys, n, timeout_us, false);
}

int call_block_or_gone(call *c, const slice *keys, size_t n, uint64_t timeout_us) {
    return block(c, keys, n, timeout_us, true);
}

bool call_ready_key(const call *c, slice *key) {
    const struct blocked *b = c->in_multi ? NULL : c->client->blocked;
    if (b == NULL) return false;
    *key = b->ready;
    return true;
}

void block__forget(client *c) {
    struct blocked *b = c->blocked;
    exec *x = c->exec;
    if (b == NULL) return;
    c->blocked = NULL;
    if (b->timer != NULL) loop_timer_cancel(x->deps.loop, b->timer);
    for (size_t i = 0; i < b->n; i++) list_remove(&b->keys[i].by_hash);
    x->blocked_n--;
    mem_free(b->keys);
    mem_free(b->bytes);
    mem_free(b);
}

bool block__unblock(client *c, bool with_error) {
    parked *p = c->parked;
    if (p == NULL || p->resuming) return false;
    p->fn = with_error ? reply_unblocked : reply_timeout;
    parked_resume(p);
    return true;
}

/* ---- readiness --------------------------------------------------------------------------------- */

static void make_ready(exec *x, db *d, uint64_t hash, slice key) {
    LIST_FOR(n, &x->ready_keys) {
        struct ready_key *r = LIST_ENTRY(n, struct ready_key, link);
        if (r->hash == hash && r->db == d && slice_eq(r->key, key)) return;
    }
    struct ready_key *r = mem_alloc(sizeof(*r) + key.n);
    r->db = d;
    r->hash = hash;
    r->key = slice_make(r + 1, key.n);
    if (key.n > 0) memcpy(r + 1, key.p, key.n);
    list_push_back(&x->ready_keys, &r->link);
}

static bool waits_for(const struct blocked_key *k, db *d, uint64_t hash, slice key) {
    return k->hash == hash && k->owner->db == d && slice_eq(k->key, key);
}

void block__touched(exec *x, db *d, slice key) {
    if (x->blocked_n == 0) return;
    uint64_t hash = hash_of(x, key);
    LIST_FOR(n, slot_of(x, hash)) {
        struct blocked_key *k = LIST_ENTRY(n, struct blocked_key, by_hash);
        if (!waits_for(k, d, hash, key)) continue;
        make_ready(x, d, hash, key);
        return;
    }
}

/* Another database stands behind a number: all that is waited for may be there now. A client that
 * waits goes with its number, not with the database that stood there. */
void block__touched_db(exec *x) {
    if (x->blocked_n == 0) return;
    for (size_t i = 0; i < BLOCKED_SLOTS; i++) {
        LIST_FOR(n, &x->blocked_slots[i]) {
            struct blocked_key *k = LIST_ENTRY(n, struct blocked_key, by_hash);
            k->owner->db = k->owner->client->db;
            make_ready(x, k->owner->db, k->hash, k->key);
        }
    }
}

/* ---- serving ------------------------------------------------------------------------------------ */

static void run_again(struct blocked *b, slice key) {
    client *c = b->client;
    exec *x = c->exec;
    parked *p = c->parked;
    c->parked = NULL;
    dispatch__count_blocked(c, false);
    c->call.resume_fn = p->fn;
    c->call.cookie = p->cookie;
    c->call.start_us = x->now_us;
    mem_free(p);
    b->ready = key;
    assert(!c->in_process);
    c->in_process = true; /* What comes after it in its batch waits for the end of the turn. */
    bool ended = dispatch__again(c);
    c->in_process = false;
    if (!ended || c->dead) return;
    client__queue_out(c);
    list_push_back(&x->unblocked, &c->wait_link);
}

/* The next one of another client. Two keys of one client may lie in one slot, and what it waited for
 * goes as a whole once it has been served. */
static list *next_client(list *slot, list *n) {
    const struct blocked *owner = LIST_ENTRY(n, struct blocked_key, by_hash)->owner;
    do {
        n = n->next;
    } while (n != slot && LIST_ENTRY(n, struct blocked_key, by_hash)->owner == owner);
    return n;
}

static void serve_key(exec *x, const struct ready_key *r) {
    list *slot = slot_of(x, r->hash);
    for (list *n = slot->next, *next; n != slot; n = next) {
        struct blocked_key *k = LIST_ENTRY(n, struct blocked_key, by_hash);
        next = n->next;
        if (!waits_for(k, r->db, r->hash, r->key)) continue;
        client *c = k->owner->client;
        struct entry e;
        bool gone = keyspace_get(x->deps.keyspace, r->db, r->key, 0, &e) == ERR_NOTFOUND;
        if (gone && !k->owner->or_gone) continue;
        if (c->state != CLIENT_PARKED || c->parked == NULL || c->parked->resuming) continue;
        next = next_client(slot, n);
        run_again(k->owner, k->key);
    }
}

void block__serve(exec *x) {
    if (x->serving || list_empty(&x->ready_keys)) return;
    if (x->locked_by != NULL) return; /* Before the loop sleeps this is called again. */
    if (x->pause_until_ms != 0 && (uint64_t)x->wall_ms < x->pause_until_ms) return;
    x->serving = true;
    while (!list_empty(&x->ready_keys) && x->locked_by == NULL) {
        struct ready_key *r = LIST_ENTRY(x->ready_keys.next, struct ready_key, link);
        list_remove(&r->link);
        serve_key(x, r);
        mem_free(r);
    }
    x->serving = false;
}

void block__go_on_later(client *c) {
    assert(c->state == CLIENT_READY && list_empty(&c->wait_link));
    list_push_back(&c->exec->unblocked, &c->wait_link);
}

bool block__go_on(exec *x) {
    bool any = false;
    block__serve(x);
    if (list_empty(&x->unblocked)) return false;
    exec__refresh_time(x);
    /* Each goes on as far as there is time: were they to take turns, the replies of all would leave in small pieces. */
    x->go_on_until_us = x->now_us + loop_share_us(x->deps.loop, GO_ON_US);
    while (!list_empty(&x->unblocked) && (!any || x->now_us < x->go_on_until_us)) {
        client *c = LIST_ENTRY(x->unblocked.next, client, wait_link);
        list_remove(&c->wait_link);
        client__process(c);
        any = true;
    }
    x->go_on_until_us = 0;
    return any;
}

/* A client whose requests wait for the end of the turn: they run before more is read. */
void block__process_first(client *c) {
    if (c->state != CLIENT_READY || list_empty(&c->wait_link)) return;
    list_remove(&c->wait_link);
    client__process(c);
}

void block__free(exec *x) {
    while (!list_empty(&x->ready_keys)) {
        struct ready_key *r = LIST_ENTRY(x->ready_keys.next, struct ready_key, link);
        list_remove(&r->link);
        mem_free(r);
    }
}
