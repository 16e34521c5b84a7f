/* replay.c -- effects whose pages are not in memory yet.
 *
 * At open the log's tail is replayed before anything is loaded. The counts of the
 * databases change at once, from what the effects say; an effect whose pages are cold
 * waits in a list of its key, and so does every later one of that key. Whoever reaches
 * for the key, or for a page as a whole, first has what waits for it applied
 * (pending__resolve_*): so nobody sees a state in between.
 *
 *   buckets by the hash's top 16 bits -> key (database, hash, bytes) -> effects by LSN
 *
 * MOVE and COPY wait in the lists of both their keys, and are applied when they are the
 * first of both. What an effect waits for always has a lower LSN, so the dependencies
 * have no rings; they may be long chains, so they are followed with a stack of our own.
 *
 * An effect that does not fit what it meets (the key it removes is not there) is damage:
 * it is reported and stays, so that nobody reads the key as if nothing had been. */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

#define BUCKETS 65536
#define STEP_COLD_MAX 32 /* keys that wait for pages at once */
#define AHEAD_MAX 256    /* effects of one key whose pages are asked for together */
#define STEP_US 400

struct pending_key;
struct pending_effect {
    list order; /* pending_index.order: by LSN */
    uint64_t lsn;
    effect e;
    struct pending_key *keys[2];    /* the second one: of MOVE and COPY, or NULL */
    struct pending_effect *next[2]; /* in the list of keys[i] */
};

struct pending_key {
    struct pending_key *next; /* in the bucket */
    uint64_t db, hash;
    struct pending_effect *first, *last;
    size_t n;
    uint8_t bytes[];
};

struct pending_index {
    struct pending_key *buckets[BUCKETS];
    list order;
    size_t count;
};

size_t keyspace_pending(const keyspace *ks) {
    return ks->pending == NULL ? 0 : ks->pending->count;
}

/* ---- the index --------------------------------------------------------------------- */

static struct pending_key **bucket_of(keyspace *ks, uint64_t hash) {
    return &ks->pending->buckets[hash >> 48];
}

static struct pending_key *find_key(keyspace *ks, uint64_t id, uint64_t hash, slice key) {
    if (ks->pending == NULL) return NULL;
    for (struct pending_key *k = *bucket_of(ks, hash); k != NULL; k = k->next)
        if (k->hash == hash && k->db == id && slice_eq(slice_make(k->bytes, k->n), key))
            return k;
    return NULL;
}

static void enqueue(keyspace *ks, struct pending_effect *p, int side, db *d, slice key) {
    uint64_t hash = keyspace_hash(d, key);
    struct pending_key *k = find_key(ks, d->id, hash, key);
    if (k == NULL) {
        k = mem_calloc(1, sizeof(*k) + key.n);
        k->db = d->id;
        k->hash = hash;
        k->n = key.n;
        if (key.n != 0) memcpy(k->bytes, key.p, key.n);
        k->next = *bucket_of(ks, hash);
        *bucket_of(ks, hash) = k;
    }
    p->keys[side] = k;
    if (k->last == NULL)
        k->first = p;
    else
        k->last->next[k->last->keys[0] == k ? 0 : 1] = p;
    k->last = p;
    d->pending++;
}

/* Takes an effect, which is the first of all its keys, out of everything. */
static void dequeue(keyspace *ks, struct pending_effect *p) {
    db *dbs[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        struct pending_key *k = p->keys[i];
        if (k == NULL) continue;
        assert(k->first == p);
        dbs[i] = db__for_effect(ks, k->db);
        assert(dbs[i] != NULL && dbs[i]->pending > 0);
        dbs[i]->pending--;
        k->first = p->next[i];
        if (k->first != NULL) continue;
        struct pending_key **at = bucket_of(ks, k->hash);
        while (*at != k) at = &(*at)->next;
        *at = k->next;
        mem_free(k);
    }
    list_remove(&p->order);
    ks->pending->count--;
    mem_free(p);
    /* A database that was dropped while its effects waited can go now. */
    if (dbs[1] != NULL && dbs[1] != dbs[0]) db__settle(ks, dbs[1]);
    db__settle(ks, dbs[0]);
    if (ks->pending->count > 0) return;
    mem_free(ks->pending);
    ks->pending = NULL;
}

void pending__free(keyspace *ks) {
    keyspace_wait_end(ks, ks->pending_wait);
    ks->pending_wait = NULL;
    while (ks->pending != NULL)
        dequeue(ks, LIST_ENTRY(ks->pending->order.next, struct pending_effect, order));
}

/* One allocation: the struct, the argument slices, the bytes. */
static struct pending_effect *copy_effect(const effect *e, uint64_t lsn) {
    size_t bytes = e->key.n;
    for (size_t i = 0; i < e->argc; i++) bytes += e->args[i].n;
    size_t head = sizeof(struct pending_effect) + e->argc * sizeof(slice);
    struct pending_effect *p = mem_calloc(1, head + bytes);
    slice *args = (slice *)(void *)(p + 1);
    uint8_t *at = (uint8_t *)p + head;
    p->lsn = lsn;
    p->e = *e;
    p->e.args = args;
    p->e.key = slice_make(at, e->key.n);
    if (e->key.n != 0) memcpy(at, e->key.p, e->key.n);
    at += e->key.n;
    for (size_t i = 0; i < e->argc; i++) {
        args[i] = slice_make(at, e->args[i].n);
        if (e->args[i].n != 0) memcpy(at, e->args[i].p, e->args[i].n);
        at += e->args[i].n;
    }
    return p;
}

/* ---- applying ---------------------------------------------------------------------- */

/* Applies without counting, and compares: what the effect says it did is what it did. */
static int apply_quiet(keyspace *ks, const effect *e) {
    effect done = *e;
    int rc = ks__apply(ks, &done);
    if (rc == ERR_COLD) return rc;
    if (rc != OK) return corrupt(ks->log, "replay", "an effect does not apply", e->op);
    if (done.keys != e->keys || done.expires != e->expires ||
        done.src_keys != e->src_keys || done.src_expires != e->src_expires)
        return corrupt(ks->log, "replay", "an effect counted otherwise", e->op);
    return OK;
}

/* The first effect of k is cold. One page after the other would take a round trip for each: the
 * pages of those behind it are asked for with its own. */
static void look_ahead(keyspace *ks, const struct pending_key *k) {
    const effect *es[AHEAD_MAX];
    size_t n = 0;
    const struct pending_effect *p = k->first;
    while (p != NULL && n < AHEAD_MAX && p->keys[1] == NULL) {
        es[n++] = &p->e;
        p = p->next[0];
    }
    if (n > 1) ks__rehearse(ks, es + 1, n - 1);
}

/* Applies p after all that it waits for. */
static int resolve(keyspace *ks, struct pending_effect *p) {
    struct pending_effect **stack = NULL;
    size_t n = 0, cap = 0;
    int rc = OK;
    while (p != NULL) {
        struct pending_effect *before = NULL;
        for (int i = 0; i < 2; i++)
            if (p->keys[i] != NULL && p->keys[i]->first != p) before = p->keys[i]->first;
        if (before != NULL) {
            assert(before->lsn <= p->lsn);
            if (n == cap) {
                cap = cap == 0 ? 16 : cap * 2;
                stack = mem_realloc(stack, cap * sizeof(struct pending_effect *));
            }
            stack[n++] = p;
            p = before;
            continue;
        }
        rc = apply_quiet(ks, &p->e);
        if (rc == ERR_COLD) look_ahead(ks, p->keys[0]);
        if (rc != OK) break;
        dequeue(ks, p);
        p = n == 0 ? NULL : stack[--n];
    }
    mem_free(stack);
    return rc;
}

int pending__resolve_key(keyspace *ks, db *d, uint64_t hash, slice key) {
    uint64_t id = d->id;
    for (;;) {
        struct pending_key *k = find_key(ks, id, hash, key);
        if (k == NULL) return OK;
        int rc = resolve(ks, k->first);
        if (rc != OK) return rc;
    }
}

int pending__resolve_range(keyspace *ks, db *d, uint64_t from, uint64_t to) {
    uint64_t id = d->id;
    int result = OK;
    for (uint64_t b = from >> 48; ks->pending != NULL && b <= to >> 48; b++) {
        struct pending_key *k = ks->pending->buckets[b];
        while (k != NULL) {
            if (k->db != id || k->hash < from || k->hash > to) {
                k = k->next;
                continue;
            }
            int rc = resolve(ks, k->first);
            if (rc == OK) { /* Keys may have gone: from the front again. */
                if (ks->pending == NULL) return result;
                k = ks->pending->buckets[b];
                continue;
            }
            result = rc;
            if (rc != ERR_COLD) return rc;
            k = k->next; /* Ask for what the others need, too. */
        }
    }
    return result;
}

/* ---- replay ------------------------------------------------------------------------ */

/* Would the count stay a count? */
static bool can_add(uint64_t count, int8_t by) {
    return by >= 0 || count >= (uint64_t)-by;
}

static int add_counts(db *d, db *to, const effect *e) {
    if (!can_add(to->keys, e->keys) || !can_add(to->expires, e->expires))
        return ERR_CORRUPT;
    if (!can_add(d->keys, e->src_keys) || !can_add(d->expires, e->src_expires))
        return ERR_CORRUPT;
    ks__count(&to->keys, e->keys);
    ks__count(&to->expires, e->expires);
    ks__count(&d->keys, e->src_keys);
    ks__count(&d->expires, e->src_expires);
    return OK;
}

int keyspace_replay(keyspace *ks, const effect *e, uint64_t lsn) {
    if (e->target == EFFECT_CATALOGUE) {
        int rc = db__catalogue(ks, e);
        return rc == OK ? OK : corrupt(ks->log, "replay", "a catalogue effect", lsn);
    }
    db *d = db__for_effect(ks, e->db), *to = d;
    uint64_t to_id;
    slice to_key = e->key;
    bool two = effect__two_keys(e, &to_id, &to_key);
    if (two && d != NULL) to = db__for_effect(ks, to_id);
    if (d == NULL || to == NULL || e->key.n > KEY_BYTES_MAX)
        return corrupt(ks->log, "replay", "no such database", lsn);
    bool waits =
        d->pending != 0 && find_key(ks, d->id, keyspace_hash(d, e->key), e->key) != NULL;
    if (two && to->pending != 0)
        waits = waits || find_key(ks, to->id, keyspace_hash(to, to_key), to_key) != NULL;
    if (!waits) {
        int rc = apply_quiet(ks, e);
        if (rc == OK) return add_counts(d, to, e);
        keyspace_want_reset(ks); /* Nobody waits yet. */
        if (rc != ERR_COLD) return rc;
    }
    if (add_counts(d, to, e) != OK)
        return corrupt(ks->log, "replay", "counts below zero", lsn);
    if (ks->pending == NULL) {
        ks->pending = mem_calloc(1, sizeof(*ks->pending));
        list_init(&ks->pending->order);
    }
    struct pending_effect *p = copy_effect(e, lsn);
    list_push_back(&ks->pending->order, &p->order);
    ks->pending->count++;
    enqueue(ks, p, 0, d, e->key);
    if (two && !(to == d && slice_eq(to_key, e->key))) enqueue(ks, p, 1, to, to_key);
    return OK;
}

/* ---- in the background ------------------------------------------------------------- */

static void step_done(void *cookie, int rc) {
    keyspace *ks = cookie;
    (void)rc; /* What could not be fetched is asked for again. */
    ks->pending_ready = true;
    keyspace_pending_step(ks);
}

void keyspace_pending_step(keyspace *ks) {
    if (ks->pending_wait != NULL && !ks->pending_ready) return;
    ks_wait *held = ks->pending_wait;
    ks->pending_wait = NULL;
    ks->pending_ready = false;
    keyspace_want_reset(ks);
    uint64_t start = clock_mono_us(ks->clock);
    size_t cold = 0;
    list *at = ks->pending == NULL ? NULL : ks->pending->order.next;
    while (ks->pending != NULL && at != &ks->pending->order && cold < STEP_COLD_MAX) {
        struct pending_effect *p = LIST_ENTRY(at, struct pending_effect, order);
        at = at->next; /* Resolving takes away only p and what is older. */
        /* Of a key that waits, the first effect has been met already. */
        if (p->keys[0]->first == p && resolve(ks, p) != OK) cold++;
        if (clock_mono_us(ks->clock) - start >= STEP_US) break;
    }
    if (ks->wanted.n != 0) ks->pending_wait = keyspace_wait(ks, step_done, ks);
    keyspace_wait_end(ks, held);
}
