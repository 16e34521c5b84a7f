/* ks_util.h -- a keyspace over a store that is an array: fetches are answered when the
 * test says so, checkpoints are walked into packs of the test, and anything may fail. */
#ifndef COVE_TESTS_KS_UTIL_H
#define COVE_TESTS_KS_UTIL_H

#include <stdlib.h>

#include "base/mem.h"
#include "keyspace/keyspace.h"
#include "tests/test.h"
#include "types/hash.h"
#include "types/string.h"

#define WORLD_DBS 16

struct slot {
    uint8_t *p;
    size_t n;
};
struct pack {
    struct slot *slots;
    size_t n, cap;
};

struct world {
    struct keyspace_config config;
    struct type_set types;
    clock_manual clock;
    rnd ks_rnd, rnd;
    keyspace *ks;
    struct pack *packs; /* number 1 is packs[0] */
    size_t packs_n, packs_cap;
    struct fetch *queue[4096];
    size_t queue_n;
    unsigned fail_percent; /* of fetches */
    buf catalogue;
    uint64_t fetched, checkpoints;
};

static inline uint64_t test_seed(uint64_t otherwise) {
    const char *s = getenv("COVE_SEED");
    return s != NULL && *s != 0 ? strtoull(s, NULL, 10) : otherwise;
}

static void world_fetch(void *cookie, struct fetch *f) {
    struct world *w = cookie;
    CHECK(w->queue_n < sizeof(w->queue) / sizeof(w->queue[0]));
    w->queue[w->queue_n++] = f;
}
static const struct keyspace_hooks world_hooks = {.fetch = world_fetch};

static inline void world_config(struct world *w) {
    options *o = options_create();
    options_add(o, keyspace_options, keyspace_options_count, &w->config, NULL, NULL);
    options_free(o);
}

static inline keyspace *world_keyspace(struct world *w) {
    keyspace *ks =
        keyspace_create(&w->config, &w->types, &w->clock.base, &w->ks_rnd, NULL);
    keyspace_set_hooks(ks, &world_hooks, w);
    return ks;
}

static inline struct world *world_new(uint64_t seed) {
    struct world *w = mem_calloc(1, sizeof(*w));
    rnd_seed(&w->rnd, seed);
    rnd_seed(&w->ks_rnd, seed ^ 77);
    world_config(w);
    type_add(&w->types, &type_string);
    type_add(&w->types, &type_hash);
    clock_manual_init(&w->clock, 1700000000000000u, 5000000);
    w->ks = world_keyspace(w);
    return w;
}

static inline slice world_slot(struct world *w, location l) {
    size_t pack = location_pack(l);
    if (l == 0) return slice_make(NULL, 0);
    CHECK(pack >= 1 && pack <= w->packs_n);
    struct pack *p = &w->packs[pack - 1];
    CHECK(location_slot(l) < p->n);
    return slice_make(p->slots[location_slot(l)].p, p->slots[location_slot(l)].n);
}

/* Answers one fetch, any of those in flight. */
static inline bool world_pump_one(struct world *w) {
    if (w->queue_n == 0) return false;
    size_t i = (size_t)rnd_below(&w->rnd, w->queue_n);
    struct fetch *f = w->queue[i];
    w->queue[i] = w->queue[--w->queue_n];
    w->fetched++;
    if (rnd_below(&w->rnd, 100) < w->fail_percent) {
        keyspace_fetched(w->ks, f, ERR_IO, slice_make(NULL, 0), slice_make(NULL, 0));
        return true;
    }
    /* The bytes are gone after the call. */
    slice base = world_slot(w, f->base), delta = world_slot(w, f->delta);
    uint8_t *b = malloc(base.n + 1), *d = malloc(delta.n + 1);
    memcpy(b, base.p, base.n);
    if (delta.n != 0) memcpy(d, delta.p, delta.n);
    keyspace_fetched(w->ks, f, OK, slice_make(b, base.n), slice_make(d, delta.n));
    free(b);
    free(d);
    return true;
}

struct world_done {
    bool done;
    int rc;
};
static void world_done(void *cookie, int rc) {
    struct world_done *d = cookie;
    CHECK(!d->done);
    d->done = true;
    d->rc = rc;
}

/* Fetches what was wanted and answers the wait, which the caller ends after its next try.
 */
static inline ks_wait *world_wait(struct world *w, int *rc) {
    struct world_done d = {false, OK};
    CHECK(keyspace_wanted(w->ks) > 0);
    ks_wait *wait = keyspace_wait(w->ks, world_done, &d);
    CHECK(!d.done);
    while (!d.done) {
        if (!world_pump_one(w)) keyspace_reap(w->ks, 100);
    }
    *rc = d.rc;
    return wait;
}

/* Applies as a command would: again from the start after each wait. */
static inline int world_apply(struct world *w, effect *e) {
    ks_wait *held = NULL;
    for (int round = 0;; round++) {
        CHECK(round < 1000);
        keyspace_want_reset(w->ks);
        int rc = keyspace_apply(w->ks, e, true);
        if (rc != ERR_COLD) {
            keyspace_want_reset(w->ks);
            keyspace_wait_end(w->ks, held);
            return rc;
        }
        int fetched;
        ks_wait *next = world_wait(w, &fetched);
        keyspace_wait_end(w->ks, held);
        held = next;
    }
}

static inline effect world_effect(uint8_t op, db *d, slice key, const slice *args,
                                  size_t argc) {
    return (effect){.target = EFFECT_ENTRY,
                    .op = op,
                    .db = db_id(d),
                    .key = key,
                    .args = args,
                    .argc = argc};
}

static inline int world_set(struct world *w, db *d, slice key, slice val,
                            int64_t expire_ms) {
    uint8_t tmp[8];
    slice args[2] = {val, effect_expiry(tmp, expire_ms)};
    effect e = world_effect(ENTRY_SET, d, key, args, 2);
    return world_apply(w, &e);
}

static inline int world_del(struct world *w, db *d, slice key) {
    effect e = world_effect(ENTRY_DEL, d, key, NULL, 0);
    return world_apply(w, &e);
}

/* The string of a key into out. */
static inline int world_get(struct world *w, db *d, slice key, buf *out) {
    ks_wait *held = NULL;
    for (;;) {
        keyspace_want_reset(w->ks);
        struct entry e;
        int rc = keyspace_get(w->ks, d, key, KS_TOUCH | KS_COUNT, &e);
        out->n = 0;
        if (rc == OK) rc = string_read(&e.value, 0, UINT64_MAX, out);
        if (rc != ERR_COLD) {
            keyspace_want_reset(w->ks);
            keyspace_wait_end(w->ks, held);
            return rc;
        }
        int fetched;
        ks_wait *next = world_wait(w, &fetched);
        keyspace_wait_end(w->ks, held);
        held = next;
        if (fetched != OK && w->fail_percent == 0) return fetched;
    }
}

static inline int world_digest(struct world *w, uint8_t digest[20]) {
    ks_wait *held = NULL;
    for (;;) {
        keyspace_want_reset(w->ks);
        int rc = keyspace_digest(w->ks, digest);
        if (rc != ERR_COLD) {
            keyspace_wait_end(w->ks, held);
            return rc;
        }
        int fetched;
        ks_wait *next = world_wait(w, &fetched);
        keyspace_wait_end(w->ks, held);
        held = next;
    }
}

static inline uint32_t world_pack(struct world *w) {
    if (w->packs_n == w->packs_cap) {
        w->packs_cap = w->packs_cap == 0 ? 64 : w->packs_cap * 2;
        w->packs = realloc(w->packs, w->packs_cap * sizeof(*w->packs));
    }
    memset(&w->packs[w->packs_n], 0, sizeof(w->packs[0]));
    return (uint32_t)++w->packs_n;
}

static inline location world_store(struct world *w, uint32_t pack, slice bytes) {
    struct pack *p = &w->packs[pack - 1];
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 16 : p->cap * 2;
        p->slots = realloc(p->slots, p->cap * sizeof(*p->slots));
    }
    struct slot *s = &p->slots[p->n++];
    s->n = bytes.n;
    s->p = malloc(bytes.n + 1);
    memcpy(s->p, bytes.p, bytes.n);
    return location_make(pack, (uint32_t)(p->n - 1));
}

/* Walks what is dirty under f into new packs of `per_pack` slots. between() runs after
 * each slot: the world goes on meanwhile. fail: the walk is given up after some slots.
 * Packs are confirmed late and in any order. On success the catalogue is f's. Returns
 * slots written. */
static inline size_t world_checkpoint(struct world *w, frozen *f, size_t per_pack,
                                      bool fail, void (*between)(void *cookie),
                                      void *cookie) {
    frozen_walk *walk = frozen_walk_start(w->ks, f);
    uint32_t first = 0, pack = 0;
    size_t slots = 0;
    buf out = BUF_INIT;
    size_t give_up = fail ? 1 + (size_t)rnd_below(&w->rnd, 20) : SIZE_MAX;
    while (slots < give_up && frozen_walk_next(walk, &out) == OK) {
        if (slots % per_pack == 0) {
            pack = world_pack(w);
            if (first == 0) first = pack;
        }
        frozen_walk_placed(walk, world_store(w, pack, slice_of(&out)));
        out.n = 0;
        slots++;
        if (between != NULL) between(cookie);
    }
    buf_free(&out);
    if (slots < give_up) {
        buf cat = BUF_INIT;
        frozen_catalogue(walk, &cat);
        buf_free(&w->catalogue);
        w->catalogue = cat;
        /* The last pack first. */
        for (uint32_t p = pack; p >= first && p != 0; p--) frozen_walk_confirmed(walk, p);
        w->checkpoints++;
    } else if (first != 0 && pack > first) {
        frozen_walk_confirmed(walk, first); /* Some of it stays. */
    }
    frozen_walk_free(walk);
    return slots;
}

static inline void world_check(struct world *w) {
    char why[160];
    if (keyspace_check(w->ks, why) != OK) test_fail(__FILE__, __LINE__, "check: %s", why);
}

static inline void world_free(struct world *w) {
    keyspace_free(w->ks);
    for (size_t i = 0; i < w->packs_n; i++) {
        for (size_t k = 0; k < w->packs[i].n; k++) free(w->packs[i].slots[k].p);
        free(w->packs[i].slots);
    }
    free(w->packs);
    buf_free(&w->catalogue);
    mem_free(w);
}

#endif
