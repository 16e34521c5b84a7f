/* evict.c -- staying under maxmemory.
 *
 * First clean pages leave: CLOCK turns over the ring of clean resident pages, which a
 * page joins when it was fetched or confirmed and leaves when it is changed; one that was
 * used since the hand last passed gets another round. Nothing is lost by that: they are
 * fetched again. When nothing clean is left, a checkpoint makes more; and only when that
 * does not help either, a deleting maxmemory-policy picks keys, by samples, as Redis
 * does.
 *
 * Pages that their type calls lasting (an index, over what it finds), and the directory
 * pages that lead to them, have a ring of their own. Its hand passes a byte for each
 * LAST_SHARE bytes that leave the other ring: what is in use is met again before the hand
 * comes round, whatever streams through the other ring; and an index that nobody asks any
 * more leaves in the end. When the other ring has nothing to give, all come from this. */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

#define SLICE_US 400
#define CLOCK_EVERY 16         /* Pages between two looks at clock and memory. */
/* One that shows no progress for so long does not help. */
#define CHECKPOINT_US 10000000
#define LAST_SHARE 256
#define PAGE_TRIES 32          /* Random places looked at for a resident page. */
/* When those find nothing: pages walked through in one go. */
#define PAGES_WALKED_MAX 2048

size_t keyspace_maxmemory(const keyspace *ks) {
    if (ks->config->maxmemory > 0) return (size_t)ks->config->maxmemory;
    return ks->config->tiering && ks->config->cache_bytes > 0 ? (size_t)ks->config->cache_bytes
                                                              : SIZE_MAX;
}

/* Eviction begins above the limit less 1/64, and stops at the limit less 1/32: what a
 * turn of the loop allocates still fits under it. */
static size_t high_mark(const keyspace *ks) {
    size_t limit = keyspace_maxmemory(ks);
    return limit - limit / 64;
}

static size_t low_mark(const keyspace *ks) {
    size_t limit = keyspace_maxmemory(ks);
    return limit - limit / 32;
}

/* ---- clean pages ------------------------------------------------------------------- */

/* A directory page goes together with the objects it holds: when they are clean, too. */
static bool evictable(const part *p) {
    assert(part_is_clean(p) && p->blob != NULL && p->load == NULL);
    if (p->pins != 0 || (p->flags & (PART_PLACED | PART_PLACED_DELTA))) return false;
    if (!(p->flags & PART_ROOTS) || p->kind != PART_DIR) return true;
    for (uint32_t off = tpage_next(p->blob, 0); off != TPAGE_NONE;
         off = tpage_next(p->blob, off)) {
        struct head h;
        head_read(tpage_val(p->blob, off), &h);
        if (h.kind != VALUE_OBJECT) continue;
        const object *o = payload_object(h.payload);
        if (o != NULL && o->trie.root != NULL && !part_is_clean(o->trie.root))
            return false;
    }
    return true;
}

static void evict(keyspace *ks, part *p) {
    if (p->kind == PART_DIR) part__drop_objects(ks, p);
    part__set_blob(ks, p, NULL, 0);
    p->flags &= (uint8_t) ~(PART_USED | PART_FRESH);
    if (p->kind == PART_DIR) p->flags &= (uint8_t)~PART_LAST; /* Until its objects are seen again. */
    ks->stats.evicted_pages++;
}

/* Whose turn it is. `stuck`: the other ring gives nothing. */
static list *next_ring(keyspace *ks, bool stuck) {
    list *l = list_first(&ks->clean_last);
    if (list_empty(&ks->clean) || stuck) return &ks->clean_last;
    if (l == NULL) ks->last_due = 0;
    if (l == NULL || ks->last_due / LAST_SHARE < LIST_ENTRY(l, part, ring)->bytes) return &ks->clean;
    ks->last_due -= (uint64_t)LIST_ENTRY(l, part, ring)->bytes * LAST_SHARE;
    return &ks->clean_last;
}

/* Turns a hand by one page. False: the ring is empty. */
static bool turn(keyspace *ks, bool stuck, bool *evicted) {
    list *ring = next_ring(ks, stuck), *l = list_first(ring);
    *evicted = false;
    if (l == NULL) return false;
    part *p = LIST_ENTRY(l, part, ring);
    if ((p->flags & PART_USED) || !evictable(p)) {
        p->flags &= (uint8_t)~PART_USED;
        list_remove(l);
        list_push_back(ring, l);
        return true;
    }
    if (ring == &ks->clean) ks->last_due += p->bytes;
    evict(ks, p);
    *evicted = true;
    return true;
}

/* True: memory is at the low mark. False: the time is over, or nothing can go:
 * *exhausted. */
static bool drop_pages(keyspace *ks, uint64_t start, bool *exhausted) {
    uint64_t idle = 0; /* turns since something went */
    *exhausted = false;
    for (size_t i = 1;; i++) {
        bool gone = false;
        if (!part__reap_step(ks)) {
            uint64_t all = ks->stats.pages_resident - ks->stats.pages_dirty;
            if (idle > 2 * (all + ks->clean_n) || !turn(ks, idle > 2 * ks->clean_n, &gone)) {
                *exhausted = true;
                return mem_used() <= low_mark(ks);
            }
            idle = gone ? 0 : idle + 1;
        }
        if (i % CLOCK_EVERY != 0) continue;
        if (mem_used() <= low_mark(ks)) return true;
        if (clock_mono_us(ks->clock) - start >= SLICE_US) return false;
    }
}

static size_t drop_ring(keyspace *ks, list *ring) {
    size_t dropped = 0;
    /* Objects go with their directory page; their pages may have gone before. */
    for (size_t left = ks->stats.pages_resident - ks->stats.pages_dirty; left > 0;
         left--) {
        list *l = list_first(ring);
        if (l == NULL) break;
        part *p = LIST_ENTRY(l, part, ring);
        if (evictable(p)) {
            evict(ks, p);
            dropped++;
        } else {
            list_remove(l);
            list_push_back(ring, l);
        }
        while (part__reap_step(ks)) {
        }
    }
    return dropped;
}

size_t keyspace_drop_clean_first(keyspace *ks) { return drop_ring(ks, &ks->clean); }

size_t keyspace_drop_clean(keyspace *ks) {
    size_t dropped = drop_ring(ks, &ks->clean);
    return dropped + drop_ring(ks, &ks->clean_last);
}

/* ---- what helps by itself ----------------------------------------------------------- */

/* True: memory comes back without a key being lost, wait for it. Dirty pages do by a checkpoint, which
 * this asks for; a running one also frees what it gathered to write; pages that waits hold can go when
 * those have ended. But not if all of that together is far from enough, or when nothing has come of it
 * for long: then it is other memory that is in the way. */
static bool help_comes(keyspace *ks, size_t excess) {
    if (!ks->config->tiering || ks->hooks.want_checkpoint == NULL) return false;
    /* None is possible while replayed effects wait; one comes as soon as they do not. */
    if (keyspace_pending(ks) != 0) return true;
    uint64_t may_go = ks->stats.bytes_dirty + wait__held_bytes(ks);
    /* What a checkpoint has gathered is not counted anywhere, but it is a share of the limit. */
    bool gathered = ks->walk != NULL && excess <= keyspace_maxmemory(ks) / 2;
    if (!gathered && may_go < excess - excess / 8) return false;
    uint64_t now = clock_mono_us(ks->clock);
    if (ks->checkpoint_asked_us == 0) ks->checkpoint_asked_us = now;
    uint64_t since = ks->checkpoint_asked_us > ks->checkpoint_progress_us
                         ? ks->checkpoint_asked_us
                         : ks->checkpoint_progress_us;
    if (ks->stats.bytes_dirty >= excess / 2)
        ks->hooks.want_checkpoint(ks->cookies.want_checkpoint);
    return now - since < CHECKPOINT_US;
}

/* ---- keys to delete ---------------------------------------------------------------- */

static bool volatile_only(int policy) {
    return policy <= POLICY_VOLATILE_TTL;
}

struct victim {
    db *d;
    buf key;
    uint64_t score; /* the highest goes */
};

static uint64_t score_of(keyspace *ks, const struct head *h) {
    struct entry e = {.access = h->access};
    switch ((enum maxmemory_policy)ks->config->maxmemory_policy) {
    case POLICY_VOLATILE_LRU:
    case POLICY_ALLKEYS_LRU: return keyspace_idle_s(ks, &e) + 1;
    case POLICY_VOLATILE_LFU:
    case POLICY_ALLKEYS_LFU: return 256u - keyspace_freq(ks, &e);
    case POLICY_VOLATILE_TTL: return UINT64_MAX - (uint64_t)h->expire_ms;
    case POLICY_VOLATILE_RANDOM:
    case POLICY_ALLKEYS_RANDOM:
    case POLICY_NOEVICTION: break;
    }
    return 1;
}

/* A random entry of the page that the policy may take; false: there is none. */
static bool sample(keyspace *ks, db *d, part *p, struct victim *best) {
    bool only = volatile_only(ks->config->maxmemory_policy);
    size_t count = tpage_count(p->blob);
    if (count == 0 || (only && p->min_expire == NO_EXPIRY)) return false;
    uint64_t skip = rnd_below(ks->rnd, count);
    uint32_t off = 0;
    /* From a random entry on, and from the start again if that finds nothing. */
    for (size_t i = 0; i < 2 * count; i++) {
        off = tpage_next(p->blob, off);
        if (off == TPAGE_NONE) {
            off = 0;
            continue;
        }
        struct head h;
        head_read(tpage_val(p->blob, off), &h);
        if (i < skip || (only && h.expire_ms < 0)) continue;
        uint64_t score = score_of(ks, &h);
        if (best->d != NULL && score <= best->score) return true;
        best->d = d;
        best->score = score;
        best->key.n = 0;
        buf_append_slice(&best->key, tpage_key(p->blob, off));
        return true;
    }
    return false;
}

/* The resident page that covers hash, or NULL; *to: where its range ends. */
static part *resident(db *d, uint64_t hash, uint64_t *to) {
    part *p;
    int rc = trie_find(&d->dir, hash, &p);
    *to = UINT64_MAX;
    if (rc == ERR_NOTFOUND) return NULL;
    *to = hash | (p->depth == 0 ? UINT64_MAX : UINT64_MAX >> p->depth);
    return rc == OK && p->blob != NULL ? p : NULL;
}

static bool sample_db(keyspace *ks, db *d, struct victim *best) {
    uint64_t to;
    for (int i = 0; i < PAGE_TRIES; i++) {
        part *p = resident(d, rnd_u64(ks->rnd), &to);
        if (p != NULL && sample(ks, d, p, best)) return true;
    }
    uint64_t hash = rnd_u64(ks->rnd);
    for (int i = 0; i < PAGES_WALKED_MAX; i++, hash = to + 1) {
        part *p = resident(d, hash, &to);
        if (p != NULL && sample(ks, d, p, best)) return true;
    }
    return false;
}

static uint64_t candidates(const keyspace *ks, const db *d) {
    return volatile_only(ks->config->maxmemory_policy) ? d->expires : d->keys;
}

static db *random_db(keyspace *ks) {
    uint64_t sum = 0;
    LIST_FOR(l, &ks->dbs) sum += candidates(ks, LIST_ENTRY(l, db, link));
    if (sum == 0) return NULL;
    uint64_t at = rnd_below(ks->rnd, sum);
    LIST_FOR(l, &ks->dbs) {
        db *d = LIST_ENTRY(l, db, link);
        if (at < candidates(ks, d)) return d;
        at -= candidates(ks, d);
    }
    return NULL;
}

/* One key by the policy. False: there is none, or each() did not delete it. */
static bool delete_one(keyspace *ks, void (*each)(void *cookie, db *d, slice key),
                       void *cookie) {
    struct victim best = {NULL, BUF_INIT, 0};
    for (int64_t i = 0; i < ks->config->maxmemory_samples; i++) {
        db *d = random_db(ks);
        if (d != NULL) (void)sample_db(ks, d, &best); /* Finding none is an answer. */
    }
    bool gone = false;
    if (best.d != NULL) {
        uint64_t before = best.d->keys;
        each(cookie, best.d, slice_of(&best.key));
        gone = best.d->keys < before;
    }
    buf_free(&best.key);
    return gone;
}

/* ---- all --------------------------------------------------------------------------- */

static int delete_keys(keyspace *ks, uint64_t start,
                       void (*each)(void *cookie, db *d, slice key), void *cookie) {
    if (ks->config->maxmemory_policy == POLICY_NOEVICTION || each == NULL)
        return ERR_LIMIT;
    for (;;) {
        if (!delete_one(ks, each, cookie)) return ERR_LIMIT;
        while (part__reap_step(ks)) {
        }
        if (mem_used() <= high_mark(ks)) return OK;
        if (clock_mono_us(ks->clock) - start >= SLICE_US) return ERR_AGAIN;
    }
}

int keyspace_make_room(keyspace *ks, void (*each)(void *cookie, db *d, slice key),
                       void *cookie) {
    size_t limit = keyspace_maxmemory(ks);
    bool hard = ks->config->maxmemory > 0;
    if (limit == SIZE_MAX) return OK;
    if (hard) mem_limit(limit);
    ks->now_fresh = false;
    /* Half of memory dirty: clean pages may soon run short. */
    bool half = ks->stats.bytes_dirty > limit / 2;
    if (half) (void)help_comes(ks, 0); /* Asks for a checkpoint; whether it helps is asked below. */
    if (mem_used() <= high_mark(ks)) {
        if (!half) ks->checkpoint_asked_us = 0;
        return OK;
    }
    uint64_t start = clock_mono_us(ks->clock);
    bool exhausted = true;
    if (ks->config->tiering) {
        if (drop_pages(ks, start, &exhausted)) return OK;
    } else {
        while (part__reap_step(ks) && clock_mono_us(ks->clock) - start < SLICE_US) {
        }
    }
    size_t used = mem_used();
    if (used <= limit) return OK;
    if (!hard) {
        (void)help_comes(ks, used - limit); /* Asks for a checkpoint. */
        return OK;
    }
    if (!exhausted || ks->reap.n != 0) return ERR_AGAIN;
    if (help_comes(ks, used - limit)) return ERR_AGAIN;
    return delete_keys(ks, start, each, cookie);
}
