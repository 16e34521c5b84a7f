/* keyspace_test.c -- single behaviours of the keyspace, one sentence each. */
#include "ks_util.h"

static slice key_of(char *tmp, size_t n, unsigned i) {
    int len = snprintf(tmp, n, "key:%u", i);
    return slice_make(tmp, (size_t)len);
}

TEST("a key that was set is read back, counted, deleted, and then not found") {
    struct world *w = world_new(1);
    db *d = keyspace_db(w->ks, 0);
    buf out = BUF_INIT;
    CHECK_INT(world_get(w, d, SLICE("a"), &out), ERR_NOTFOUND);
    CHECK_INT(world_set(w, d, SLICE("a"), SLICE("hello"), -1), OK);
    CHECK_INT(world_set(w, d, SLICE("a"), SLICE("12"), -1), OK);
    CHECK_INT(db_keys(d), 1);
    CHECK_INT(world_get(w, d, SLICE("a"), &out), OK);
    CHECK_SLICE(slice_of(&out), "12");
    CHECK_INT(keyspace_stats(w->ks)->hits, 1);
    CHECK_INT(keyspace_stats(w->ks)->misses, 1);
    CHECK_INT(world_del(w, d, SLICE("a")), OK);
    CHECK_INT(world_del(w, d, SLICE("a")), ERR_NOTFOUND);
    CHECK_INT(db_keys(d), 0);
    CHECK_INT(world_set(w, d, SLICE(""), SLICE(""), -1), OK);
    CHECK_INT(world_get(w, d, SLICE(""), &out), OK);
    CHECK_INT(out.n, 0);
    buf_free(&out);
    world_check(w);
    world_free(w);
}

TEST("a key's hash is filled into its effect, and who knows it may tell") {
    struct world *w = world_new(1);
    db *d = keyspace_db(w->ks, 0);
    slice args[2] = {SLICE("v"), SLICE("")};
    effect e = world_effect(ENTRY_SET, d, SLICE("key"), args, 2);
    CHECK_INT(world_apply(w, &e), OK);
    CHECK(e.hash == keyspace_hash(d, SLICE("key")));
    CHECK(!e.hashed); /* The next one may be of another key. */
    slice keys[2] = {SLICE("key"), SLICE("other")};
    struct keyspace_ahead ahead[2] = {{.db = d, .key = keys[0]}, {.db = d, .key = keys[1]}};
    keyspace_prefetch_many(ahead, 2);
    uint64_t hash[2] = {ahead[0].hash, ahead[1].hash};
    struct entry got;
    for (int i = 0; i < 2; i++) {
        CHECK(hash[i] == keyspace_hash(d, keys[i]));
        CHECK_INT(keyspace_get_hashed(w->ks, d, keys[i], hash[i], 0, &got), i == 0 ? OK : ERR_NOTFOUND);
    }
    effect del = world_effect(ENTRY_DEL, d, keys[0], NULL, 0);
    del.hashed = true;
    del.hash = hash[0];
    CHECK_INT(world_apply(w, &del), OK);
    CHECK_INT(keyspace_get(w->ks, d, keys[0], 0, &got), ERR_NOTFOUND);
    world_free(w);
}

TEST("an expiry hides the key, counts, and PERSIST takes it away") {
    struct world *w = world_new(1);
    db *d = keyspace_db(w->ks, 0);
    buf out = BUF_INIT;
    int64_t now = (int64_t)clock_wall_ms(&w->clock.base);
    CHECK_INT(world_set(w, d, SLICE("a"), SLICE("x"), now + 1000), OK);
    CHECK_INT(world_set(w, d, SLICE("b"), SLICE("y"), -1), OK);
    CHECK_INT(db_expires(d), 1);
    uint8_t tmp[8];
    slice arg = effect_expiry(tmp, now + 2000);
    effect e = world_effect(ENTRY_EXPIRE, d, SLICE("b"), &arg, 1);
    CHECK_INT(world_apply(w, &e), OK);
    CHECK_INT(e.expires, 1);
    CHECK_INT(e.keys, 0);
    clock_manual_advance(&w->clock, 1500000);
    CHECK_INT(world_get(w, d, SLICE("a"), &out), ERR_NOTFOUND);
    CHECK_INT(world_get(w, d, SLICE("b"), &out), OK);
    struct entry en;
    CHECK_INT(keyspace_get(w->ks, d, SLICE("a"), KS_EXPIRED, &en), OK);
    CHECK(en.expired);
    arg = effect_expiry(tmp, -1);
    e = world_effect(ENTRY_EXPIRE, d, SLICE("b"), &arg, 1);
    CHECK_INT(world_apply(w, &e), OK);
    clock_manual_advance(&w->clock, 1500000);
    CHECK_INT(world_get(w, d, SLICE("b"), &out), OK);
    CHECK_INT(db_expires(d), 1);
    buf_free(&out);
    world_check(w);
    world_free(w);
}

struct expired {
    struct world *w;
    size_t n;
};
static void on_expired(void *cookie, db *d, slice key) {
    struct expired *x = cookie;
    buf copy = BUF_INIT;
    buf_append_slice(&copy, key);
    CHECK_INT(world_del(x->w, d, slice_of(&copy)), OK);
    buf_free(&copy);
    x->n++;
}

static void on_inner(void *cookie, db *d, slice key) {
    (void)cookie;
    (void)d;
    test_fail(__FILE__, __LINE__, "%.*s: nothing in it expires", (int)key.n, (const char *)key.p);
}

TEST("the expire cycle finds every expired key, in slices, and no other") {
    struct world *w = world_new(2);
    int64_t now = (int64_t)clock_wall_ms(&w->clock.base);
    char tmp[32];
    for (unsigned n = 0; n < 3; n++)
        for (unsigned i = 0; i < 3000; i++)
            world_set(w, keyspace_db(w->ks, (int)n), key_of(tmp, sizeof(tmp), i),
                      SLICE("value of some bytes"),
                      i % 3 == 0   ? now + 10 + i % 7
                      : i % 3 == 1 ? -1
                                   : now + 100000);
    clock_manual_advance(&w->clock, 50000);
    struct expired x = {w, 0};
    for (int i = 0; i < 2000 && x.n < 3000; i++)
        CHECK(keyspace_expire_cycle(w->ks, 20, on_expired, on_inner, &x) <= 20);
    CHECK_INT(x.n, 3000);
    CHECK_INT(keyspace_expire_cycle(w->ks, 20, on_expired, on_inner, &x), 0);
    for (int n = 0; n < 3; n++) CHECK_INT(db_keys(keyspace_db(w->ks, n)), 2000);
    world_check(w);
    world_free(w);
}

static void hash_effect(struct world *w, db *d, slice key, uint8_t op, const slice *args, size_t n) {
    effect e = world_effect(op, d, key, args, n);
    e.target = EFFECT_VALUE;
    e.type = TYPE_HASH;
    CHECK_INT(world_apply(w, &e), OK);
}

/* A hash of n fields; of each `of` in a row one expires soon, and one later. */
static void timed_hash(struct world *w, db *d, slice key, unsigned n, unsigned of, int64_t now) {
    for (unsigned i = 0; i < n; i++) {
        char tmp[32];
        uint8_t at[8];
        slice set[2] = {key_of(tmp, sizeof(tmp), i), SLICE("value")}, expire[2] = {{0}, set[0]};
        expire[0] = effect_expiry(at, now + (i % of == 0 ? 1000 + (int64_t)i : 1000000));
        hash_effect(w, d, key, HASH_SET, set, 2);
        if (i % of < 2) hash_effect(w, d, key, HASH_EXPIRE, expire, 2);
    }
}

static void on_fields(void *cookie, db *d, slice borrowed) {
    struct expired *x = cookie;
    buf key = BUF_INIT, found = BUF_INIT;
    struct entry e;
    slice fields[50];
    size_t n;
    buf_append_slice(&key, borrowed);
    CHECK_INT(keyspace_get(x->w->ks, d, slice_of(&key), 0, &e), OK);
    CHECK_INT(hash_due(&e.value, (int64_t)clock_wall_ms(&x->w->clock.base), 50, &found, &n), OK);
    reader r = reader_make(slice_of(&found));
    for (size_t i = 0; i < n; i++) fields[i] = read_bytes(&r);
    if (n > 0) hash_effect(x->w, d, slice_of(&key), HASH_DEL, fields, n);
    x->n += n;
    buf_free(&key);
    buf_free(&found);
}

static uint64_t fields_of(struct world *w, db *d, slice key) {
    struct entry e;
    CHECK_INT(keyspace_get(w->ks, d, key, 0, &e), OK);
    return hash_len(&e.value);
}

TEST("the expire cycle finds the fields of hashes, small and large, in every copy") {
    static const unsigned sizes[] = {3, 90, 3000, 3000}, of[] = {3, 3, 3, 150};
    enum { SOON = 2 * (1 + 30 + 1000 + 20) };
    struct world *w = world_new(2);
    db *d = keyspace_db(w->ks, 0);
    int64_t now = (int64_t)clock_wall_ms(&w->clock.base);
    char from[32], to[32];
    uint8_t id[8];
    struct expired x = {w, 0};
    db *other = keyspace_db(w->ks, 1);
    put_u64(id, db_id(other));
    for (unsigned k = 0; k < 4; k++) {
        slice key = key_of(from, sizeof(from), k);
        timed_hash(w, d, key, sizes[k], of[k], now);
        slice args[2] = {slice_make(id, 8), key_of(to, sizeof(to), 10 + k)};
        effect e = world_effect(ENTRY_COPY, d, key, args, 2);
        CHECK_INT(world_apply(w, &e), OK);
    }
    for (int i = 0; i < 20; i++) (void)keyspace_expire_cycle(w->ks, 20, on_expired, on_fields, &x);
    CHECK_INT(x.n, 0);
    clock_manual_advance(&w->clock, 10000000);
    for (int i = 0; i < 2000 && x.n < SOON; i++)
        (void)keyspace_expire_cycle(w->ks, 20, on_expired, on_fields, &x);
    CHECK_INT(x.n, SOON);
    for (unsigned k = 0; k < 4; k++) {
        CHECK_INT(fields_of(w, d, key_of(from, sizeof(from), k)), sizes[k] - sizes[k] / of[k]);
        CHECK_INT(fields_of(w, other, key_of(to, sizeof(to), 10 + k)), sizes[k] - sizes[k] / of[k]);
    }
    clock_manual_advance(&w->clock, 10000000000);
    for (int i = 0; i < 4000 && x.n < 2 * SOON; i++)
        (void)keyspace_expire_cycle(w->ks, 20, on_expired, on_fields, &x);
    CHECK_INT(x.n, 2 * SOON);
    CHECK_INT(keyspace_expire_cycle(w->ks, 20, on_expired, on_fields, &x), 0);
    world_check(w);
    world_free(w);
}

static int mark(void *cookie, const struct entry *e) {
    uint8_t *seen = cookie;
    int64_t n;
    CHECK(num_parse_ll(slice_make(e->key.p + 4, e->key.n - 4), &n));
    seen[n]++;
    return OK;
}

TEST("SCAN sees every key that stays, whatever is added and removed meanwhile") {
    struct world *w = world_new(3);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32];
    enum { N = 20000 };
    uint8_t *seen = calloc(1, 2 * N);
    for (unsigned i = 0; i < N; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i), SLICE("v"), -1);
    uint64_t cursor = 0;
    unsigned calls = 0;
    do {
        keyspace_want_reset(w->ks);
        CHECK_INT(keyspace_scan(w->ks, d, &cursor, 10, mark, seen), OK);
        CHECK(cursor < (uint64_t)1 << 48);
        unsigned i = (unsigned)rnd_below(&w->rnd, N / 2);
        if (calls % 2 == 0)
            (void)world_del(w, d, key_of(tmp, sizeof(tmp), N / 2 + i));
        else
            (void)world_set(w, d, key_of(tmp, sizeof(tmp), N + i), SLICE("new"), -1);
        calls++;
    } while (cursor != 0);
    for (unsigned i = 0; i < N / 2; i++) CHECK_INT(seen[i], 1);
    CHECK(calls >= N / 2 / 10);
    free(seen);
    world_free(w);
}

TEST("a random key is any key, hot or cold") {
    struct world *w = world_new(4);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32];
    enum { N = 2000 };
    uint8_t seen[N] = {0};
    for (unsigned i = 0; i < N; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i), SLICE("v"), -1);
    buf out = BUF_INIT;
    unsigned distinct = 0;
    for (int i = 0; i < 8000; i++) {
        CHECK_INT(keyspace_random(w->ks, d, &out), OK);
        int64_t n;
        CHECK(num_parse_ll(slice_make(out.p + 4, out.n - 4), &n));
        distinct += seen[n]++ == 0;
    }
    CHECK(distinct > N * 9 / 10);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 50, false, NULL, NULL);
    frozen_put(w->ks, f);
    CHECK(keyspace_drop_clean(w->ks) > 0);
    CHECK_INT(keyspace_stats(w->ks)->pages_resident, 0);
    keyspace_want_reset(w->ks);
    CHECK_INT(keyspace_random(w->ks, d, &out), ERR_COLD);
    int rc;
    ks_wait *wait = world_wait(w, &rc);
    CHECK_INT(keyspace_random(w->ks, d, &out), OK);
    keyspace_wait_end(w->ks, wait);
    buf_free(&out);
    world_free(w);
}

TEST("a checkpoint after one change writes a delta, a node, and not the rest") {
    struct world *w = world_new(5);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32];
    for (unsigned i = 0; i < 5000; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i),
                  SLICE("some sixty bytes of value, more or less"), -1);
    frozen *f = keyspace_freeze(w->ks);
    size_t slots = world_checkpoint(w, f, 50, false, NULL, NULL);
    frozen_put(w->ks, f);
    CHECK(slots > 20);
    CHECK_INT(keyspace_stats(w->ks)->pages_dirty, 0);
    world_set(w, d, SLICE("key:7"), SLICE("changed"), -1);
    CHECK_INT(keyspace_stats(w->ks)->pages_dirty, 1);
    f = keyspace_freeze(w->ks);
    CHECK_INT(world_checkpoint(w, f, 50, false, NULL, NULL), 2);
    frozen_put(w->ks, f);
    CHECK(w->packs[w->packs_n - 1].slots[0].n < 200);
    keyspace_drop_clean(w->ks);
    buf out = BUF_INIT;
    CHECK_INT(world_get(w, d, SLICE("key:7"), &out), OK);
    CHECK_SLICE(slice_of(&out), "changed");
    f = keyspace_freeze(w->ks);
    CHECK_INT(world_checkpoint(w, f, 50, false, NULL, NULL), 0);
    frozen_put(w->ks, f);
    buf_free(&out);
    world_check(w);
    world_free(w);
}

static void count_keys(void *cookie, uint64_t id, int number, const char *name,
                       uint64_t keys) {
    (void)id;
    (void)number;
    (void)name;
    *(uint64_t *)cookie += keys;
}

TEST("a failed fetch tells every waiter and leaves the page cold; a canceled wait leaves "
     "no trace") {
    struct world *w = world_new(6);
    db *d = keyspace_db(w->ks, 0);
    world_set(w, d, SLICE("a"), SLICE("b"), -1);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 50, false, NULL, NULL);
    frozen_put(w->ks, f);
    CHECK_INT(keyspace_drop_clean(w->ks), 1);
    struct entry e;
    struct world_done one = {false, OK}, two = {false, OK}, three = {false, OK};
    ks_wait *waits[3];
    struct world_done *done[3] = {&one, &two, &three};
    for (int i = 0; i < 3; i++) {
        keyspace_want_reset(w->ks);
        CHECK_INT(keyspace_get(w->ks, d, SLICE("a"), 0, &e), ERR_COLD);
        CHECK_INT(keyspace_wanted(w->ks), 1);
        waits[i] = keyspace_wait(w->ks, world_done, done[i]);
    }
    CHECK_INT(w->queue_n, 1); /* One fetch for all. */
    keyspace_wait_end(w->ks, waits[1]);
    w->fail_percent = 100;
    CHECK(world_pump_one(w));
    CHECK(one.done && three.done && !two.done);
    CHECK_INT(one.rc, ERR_IO);
    keyspace_wait_end(w->ks, waits[0]);
    keyspace_wait_end(w->ks, waits[2]);
    keyspace_want_reset(w->ks);
    CHECK_INT(keyspace_get(w->ks, d, SLICE("a"), 0, &e), ERR_COLD);
    ks_wait *wait = keyspace_wait(w->ks, world_done, &two);
    CHECK_INT(w->queue_n, 1);
    /* The database goes while its page is on the way. */
    uint8_t number[4] = {0}, id[8];
    put_u64(id, keyspace_next_db_id(w->ks));
    slice args[2] = {slice_make(number, 4), slice_make(id, 8)};
    effect flush = {
        .target = EFFECT_CATALOGUE, .op = CATALOGUE_FLUSH, .args = args, .argc = 2};
    CHECK_INT(keyspace_apply(w->ks, &flush, true), OK);
    CHECK_INT(db_keys(d), 0);
    w->fail_percent = 0;
    CHECK(world_pump_one(w));
    CHECK(two.done);
    keyspace_wait_end(w->ks, wait);
    CHECK_INT(keyspace_get(w->ks, d, SLICE("a"), 0, &e), ERR_NOTFOUND);
    uint64_t keys = 0;
    CHECK_INT(catalogue_each_db(slice_of(&w->catalogue), count_keys, &keys), OK);
    CHECK_INT(keys, 1);
    world_check(w);
    world_free(w);
}

TEST("what a confirmed pack held becomes clean in slices, in the order in which it was written") {
    struct world *w = world_new(16);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32];
    buf val = BUF_INIT;
    for (int i = 0; i < 100; i++) buf_append_str(&val, "0123456789");
    for (unsigned i = 0; i < 4000; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i), slice_of(&val), -1);
    struct keyspace_stats *s = keyspace_stats(w->ks);
    uint64_t pages = s->pages_dirty;
    CHECK(pages > 200);
    frozen *f = keyspace_freeze(w->ks);
    frozen_walk *walk = frozen_walk_start(w->ks, f);
    buf out = BUF_INIT;
    uint32_t first = world_pack(w), second = world_pack(w);
    for (size_t slots = 0; frozen_walk_next(walk, &out) == OK; slots++, out.n = 0)
        frozen_walk_placed(walk, world_store(w, slots < 100 ? first : second, slice_of(&out)));
    frozen_walk_confirmed(walk, second);
    CHECK(!frozen_walk_settle(walk, 0)); /* What was written before it is not confirmed. */
    CHECK_INT(s->pages_dirty, pages);
    frozen_walk_confirmed(walk, first);
    CHECK_INT(s->pages_dirty, pages);
    size_t slices = 1;
    for (uint64_t left = pages; frozen_walk_settle(walk, 0); left = s->pages_dirty, slices++)
        CHECK(s->pages_dirty < left && s->pages_dirty + 32 >= left);
    CHECK(slices >= pages / 32);
    CHECK_INT(s->pages_dirty, 0);
    frozen_walk_free(walk);
    frozen_put(w->ks, f);
    buf_free(&out);
    buf_free(&val);
    world_check(w);
    world_free(w);
}

TEST("damaged pages, nodes and catalogues are refused and never trusted") {
    struct world *w = world_new(7);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32];
    buf big = BUF_INIT;
    for (int i = 0; i < 300; i++) buf_append_str(&big, "0123456789");
    for (unsigned i = 0; i < 1000; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i),
                  i % 50 == 0 ? slice_of(&big) : SLICE("v"), -1);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 1000, false, NULL, NULL);
    frozen_put(w->ks, f);
    buf out = BUF_INIT;
    unsigned refused = 0;
    for (int round = 0; round < 400; round++) {
        keyspace_drop_clean(w->ks);
        struct pack *p = &w->packs[0];
        struct slot *s = &p->slots[rnd_below(&w->rnd, p->n)];
        size_t at = (size_t)rnd_below(&w->rnd, s->n);
        uint8_t was = s->p[at];
        s->p[at] ^= (uint8_t)(1u << rnd_below(&w->rnd, 8));
        for (unsigned i = 0; i < 1000; i += 7) {
            int rc = ERR_COLD;
            for (int tries = 0; rc == ERR_COLD && tries < 4; tries++) {
                keyspace_want_reset(w->ks);
                struct entry e;
                rc = keyspace_get(w->ks, d, key_of(tmp, sizeof(tmp), i), 0, &e);
                if (rc != ERR_COLD) break;
                int fetched;
                keyspace_wait_end(w->ks, world_wait(w, &fetched));
                refused += fetched == ERR_CORRUPT;
            }
        }
        s->p[at] = was;
    }
    CHECK(refused > 20);
    for (size_t at = 0; at < w->catalogue.n; at++) {
        w->catalogue.p[at] ^= 0x41;
        keyspace *other = world_keyspace(w);
        (void)keyspace_load(other, slice_of(&w->catalogue)); /* Must not crash. */
        CHECK(keyspace_load(other, slice_make(w->catalogue.p, at)) == ERR_CORRUPT);
        keyspace_free(other);
        w->catalogue.p[at] ^= 0x41;
    }
    buf_free(&out);
    buf_free(&big);
    world_free(w);
}

struct want {
    struct world *w;
    size_t asked, deleted;
};
static void on_want(void *cookie) {
    ((struct want *)cookie)->asked++;
}
static void on_delete(void *cookie, db *d, slice key) {
    struct want *x = cookie;
    CHECK_INT(world_del(x->w, d, key), OK);
    x->deleted++;
}

TEST("make_room drops clean pages, asks for a checkpoint, refuses, or deletes by the "
     "policy") {
    struct world *w = world_new(8);
    struct want x = {w, 0, 0};
    static const struct keyspace_hooks hooks = {.want_checkpoint = on_want};
    keyspace_set_hooks(w->ks, &hooks, &x);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32];
    buf val = BUF_INIT;
    for (int i = 0; i < 100; i++) buf_append_str(&val, "0123456789");
    int64_t later = (int64_t)clock_wall_ms(&w->clock.base) + 1000000;
    size_t before = mem_used();
    for (unsigned i = 0; i < 8000; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i), slice_of(&val), i % 2 ? later : -1);
    size_t grown = mem_used() - before;
    CHECK_INT(keyspace_make_room(w->ks, on_delete, &x), OK); /* No limit. */
    CHECK_INT(x.asked, 0);
    w->config.cache_bytes = (int64_t)(before + grown / 2);
    CHECK_INT(keyspace_make_room(w->ks, on_delete, &x), OK); /* Nothing is refused for that. */
    CHECK(x.asked > 0);
    x.asked = 0;
    w->config.maxmemory = (int64_t)(before + grown / 2);
    CHECK_INT(keyspace_make_room(w->ks, on_delete, &x), ERR_AGAIN); /* All is dirty. */
    CHECK(x.asked > 0);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 1000, false, NULL, NULL);
    frozen_put(w->ks, f);
    int rc;
    while ((rc = keyspace_make_room(w->ks, on_delete, &x)) == ERR_AGAIN) {
    }
    CHECK_INT(rc, OK);
    CHECK(mem_used() <= (size_t)w->config.maxmemory);
    CHECK_INT(x.deleted, 0);
    CHECK_INT(db_keys(d), 8000);
    /* Without maxmemory clean pages leave all the same. */
    w->config.maxmemory = 0;
    w->config.cache_bytes = (int64_t)(before + grown / 4);
    CHECK_INT(keyspace_maxmemory(w->ks), w->config.cache_bytes);
    for (int i = 0; i < 1000 && mem_used() > (size_t)w->config.cache_bytes; i++)
        CHECK_INT(keyspace_make_room(w->ks, on_delete, &x), OK);
    CHECK(mem_used() <= (size_t)w->config.cache_bytes);
    /* Without a tier nothing can leave. */
    w->config.tiering = false;
    w->config.maxmemory = (int64_t)(before + grown / 8);
    CHECK_INT(keyspace_make_room(w->ks, on_delete, &x), ERR_LIMIT);
    w->config.maxmemory_policy = POLICY_VOLATILE_LRU;
    while ((rc = keyspace_make_room(w->ks, on_delete, &x)) == ERR_AGAIN) {
    }
    CHECK(x.deleted > 100);
    CHECK_INT(db_keys(d), 8000 - x.deleted);
    CHECK(db_keys(d) - db_expires(d) >= 4000); /* Only volatile ones went. */
    w->config.maxmemory_policy = POLICY_ALLKEYS_LFU;
    w->config.maxmemory = (int64_t)(before + grown / 16);
    size_t deleted = x.deleted;
    while ((rc = keyspace_make_room(w->ks, on_delete, &x)) == ERR_AGAIN) {
    }
    CHECK(x.deleted >= deleted);
    buf_free(&val);
    world_check(w);
    world_free(w);
}

TEST("LRU and LFU clocks move as Redis's do, and touching dirties nothing") {
    struct world *w = world_new(9);
    db *d = keyspace_db(w->ks, 0);
    world_set(w, d, SLICE("a"), SLICE("b"), -1);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 10, false, NULL, NULL);
    frozen_put(w->ks, f);
    clock_manual_advance(&w->clock, 10000000);
    keyspace_want_reset(w->ks);
    struct entry e;
    CHECK_INT(keyspace_get(w->ks, d, SLICE("a"), 0, &e), OK);
    CHECK_INT(keyspace_idle_s(w->ks, &e), 10);
    CHECK_INT(keyspace_get(w->ks, d, SLICE("a"), KS_TOUCH, &e), OK);
    CHECK_INT(keyspace_idle_s(w->ks, &e), 0);
    keyspace_set_access(w->ks, &e, 500, -1);
    CHECK_INT(keyspace_get(w->ks, d, SLICE("a"), 0, &e), OK);
    CHECK_INT(keyspace_idle_s(w->ks, &e), 500);
    w->config.maxmemory_policy = POLICY_ALLKEYS_LFU;
    keyspace_set_access(w->ks, &e, -1, 100);
    CHECK_INT(keyspace_freq(w->ks, &e), 100);
    clock_manual_advance(&w->clock, 10 * 60000000);
    keyspace_want_reset(w->ks);
    CHECK_INT(keyspace_freq(w->ks, &e), 90);
    CHECK_INT(keyspace_stats(w->ks)->pages_dirty, 0);
    world_free(w);
}

TEST("numbers, names and ids: flush renews, swap exchanges, drop forgets") {
    struct world *w = world_new(10);
    db *zero = keyspace_db(w->ks, 0), *one = keyspace_db(w->ks, 1);
    CHECK_INT(db_id(zero), 1);
    CHECK_INT(db_id(one), 2);
    world_set(w, zero, SLICE("a"), SLICE("zero"), -1);
    world_set(w, one, SLICE("a"), SLICE("one"), -1);
    uint8_t a[4] = {0, 0, 0, 0}, b[4] = {1, 0, 0, 0};
    slice args[2] = {slice_make(a, 4), slice_make(b, 4)};
    effect swap = {
        .target = EFFECT_CATALOGUE, .op = CATALOGUE_SWAP, .args = args, .argc = 2};
    CHECK_INT(keyspace_apply(w->ks, &swap, true), OK);
    buf out = BUF_INIT;
    CHECK_INT(world_get(w, keyspace_db(w->ks, 0), SLICE("a"), &out), OK);
    CHECK_SLICE(slice_of(&out), "one");
    CHECK_INT(db_id(keyspace_db(w->ks, 0)), 2);
    CHECK(keyspace_db_id(w->ks, 2) == keyspace_db(w->ks, 0));
    frozen *f = keyspace_freeze(w->ks);
    CHECK_INT(frozen_keys(f), 2);
    CHECK_INT(keyspace_fork_frozen(w->ks, f, 2, keyspace_next_db_id(w->ks), "branch", -1),
              OK);
    CHECK_INT(keyspace_fork_frozen(w->ks, f, 2, keyspace_next_db_id(w->ks), "branch", -1),
              ERR_EXISTS);
    db *fork = keyspace_db_named(w->ks, SLICE("branch"));
    CHECK(fork != NULL);
    CHECK_INT(db_number(fork), -1);
    CHECK_INT(db_id(fork), 4096);
    world_set(w, fork, SLICE("a"), SLICE("fork"), -1);
    CHECK_INT(world_get(w, keyspace_db(w->ks, 0), SLICE("a"), &out), OK);
    CHECK_SLICE(slice_of(&out), "one");
    CHECK_INT(world_get(w, fork, SLICE("a"), &out), OK);
    CHECK_SLICE(slice_of(&out), "fork");
    frozen_put(w->ks, f);
    slice name = SLICE("branch");
    effect drop = {
        .target = EFFECT_CATALOGUE, .op = CATALOGUE_DROP, .args = &name, .argc = 1};
    CHECK_INT(keyspace_apply(w->ks, &drop, true), OK);
    CHECK(keyspace_db_named(w->ks, name) == NULL);
    CHECK_INT(keyspace_next_db_id(w->ks), 4097);
    buf_free(&out);
    world_check(w);
    world_free(w);
}

TEST("freeing a large database is cut into slices") {
    struct world *w = world_new(11);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32];
    for (unsigned i = 0; i < 30000; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i),
                  SLICE("some bytes of a value to fill the pages"), -1);
    uint8_t number[4] = {0}, id[8];
    put_u64(id, keyspace_next_db_id(w->ks));
    slice args[2] = {slice_make(number, 4), slice_make(id, 8)};
    effect flush = {
        .target = EFFECT_CATALOGUE, .op = CATALOGUE_FLUSH, .args = args, .argc = 2};
    uint64_t pages = keyspace_stats(w->ks)->pages_total;
    CHECK(pages > 100);
    CHECK_INT(keyspace_apply(w->ks, &flush, true), OK);
    CHECK_INT(keyspace_stats(w->ks)->pages_total, pages);
    while (keyspace_reap(w->ks, 100)) {
    }
    CHECK_INT(keyspace_stats(w->ks)->pages_total, 0);
    CHECK_INT(db_keys(d), 0);
    world_free(w);
}

TEST("a directory of many levels is stored, dropped, fetched, emptied and joined again") {
    struct world *w = world_new(12);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32];
    enum { N = 250000 };
    buf out = BUF_INIT;
    for (unsigned i = 0; i < N; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i),
                  SLICE("forty bytes of value are enough for that"), -1);
    frozen *f = keyspace_freeze(w->ks);
    size_t slots = world_checkpoint(w, f, 500, false, NULL, NULL);
    frozen_put(w->ks, f);
    CHECK(slots > 1000);
    keyspace_free(w->ks);
    w->ks = world_keyspace(w);
    CHECK_INT(keyspace_load(w->ks, slice_of(&w->catalogue)), OK);
    d = keyspace_db(w->ks, 0);
    CHECK_INT(db_keys(d), N);
    for (unsigned i = 0; i < N; i += 997)
        CHECK_INT(world_get(w, d, key_of(tmp, sizeof(tmp), i), &out), OK);
    world_check(w);
    for (unsigned i = 0; i < N; i++)
        if (i % 500 != 0) CHECK_INT(world_del(w, d, key_of(tmp, sizeof(tmp), i)), OK);
    uint64_t pages = keyspace_stats(w->ks)->pages_total;
    if (pages * 4 > slots)
        test_fail(__FILE__, __LINE__, "%u pages are left", (unsigned)pages);
    for (unsigned i = 0; i < N; i += 500)
        CHECK_INT(world_get(w, d, key_of(tmp, sizeof(tmp), i), &out), OK);
    CHECK_INT(db_keys(d), N / 500);
    buf_free(&out);
    world_check(w);
    world_free(w);
}

TEST("a value of 40 MiB goes cold page by page, is copied in no time, and comes back") {
    struct world *w = world_new(13);
    db *d = keyspace_db(w->ks, 0);
    buf big = BUF_INIT, out = BUF_INIT;
    for (unsigned i = 0; i < 10u << 20; i++) buf_u32(&big, i * 2654435761u);
    CHECK_INT(world_set(w, d, SLICE("big"), slice_of(&big), -1), OK);
    uint64_t pages = keyspace_stats(w->ks)->pages_total;
    CHECK(pages >= 640);
    uint8_t id[8];
    put_u64(id, db_id(d));
    slice args[2] = {slice_make(id, 8), SLICE("copy")};
    effect e = world_effect(ENTRY_COPY, d, SLICE("big"), args, 2);
    CHECK_INT(world_apply(w, &e), OK);
    CHECK_INT(keyspace_stats(w->ks)->pages_total, pages);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 100, false, NULL, NULL);
    frozen_put(w->ks, f);
    keyspace_drop_clean(w->ks);
    CHECK_INT(keyspace_stats(w->ks)->pages_resident, 0);
    slice more = SLICE("more");
    e = world_effect(STRING_APPEND, d, SLICE("copy"), &more, 1);
    e.target = EFFECT_VALUE;
    e.type = TYPE_STRING;
    CHECK_INT(world_apply(w, &e), OK);
    CHECK(keyspace_stats(w->ks)->pages_resident <=
          3); /* The directory's, and the last one. */
    CHECK_INT(world_get(w, d, SLICE("big"), &out), OK);
    CHECK(slice_eq(slice_of(&out), slice_of(&big)));
    buf_append_slice(&big, more);
    CHECK_INT(world_get(w, d, SLICE("copy"), &out), OK);
    CHECK(slice_eq(slice_of(&out), slice_of(&big)));
    world_check(w);
    f = keyspace_freeze(w->ks);
    CHECK(world_checkpoint(w, f, 100, false, NULL, NULL) <= 6);
    frozen_put(w->ks, f);
    CHECK_INT(world_del(w, d, SLICE("big")), OK);
    CHECK_INT(world_del(w, d, SLICE("copy")), OK);
    while (keyspace_reap(w->ks, 1000)) {
    }
    CHECK_INT(keyspace_stats(w->ks)->pages_total, 0);
    buf_free(&big);
    buf_free(&out);
    world_check(w);
    world_free(w);
}

TEST("a long chain of renames waits for its pages and is applied in order") {
    struct world *w = world_new(14);
    db *d = keyspace_db(w->ks, 0);
    char tmp[32], tmp2[32];
    for (unsigned i = 0; i < 2000; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i + 100000), SLICE("x"), -1);
    world_set(w, d, SLICE("key:0"), SLICE("traveller"), -1);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 100, false, NULL, NULL);
    frozen_put(w->ks, f);
    keyspace_drop_clean(w->ks);
    enum { N = 20000 };
    uint8_t id[8];
    put_u64(id, db_id(d));
    for (unsigned i = 0; i < N; i++) {
        slice args[2] = {slice_make(id, 8), key_of(tmp2, sizeof(tmp2), i + 1)};
        effect e = world_effect(ENTRY_MOVE, d, key_of(tmp, sizeof(tmp), i), args, 2);
        e.keys = 1;
        e.src_keys = -1;
        CHECK_INT(keyspace_replay(w->ks, &e, i + 1), OK);
    }
    CHECK_INT(keyspace_pending(w->ks), N);
    CHECK_INT(db_keys(d), 2001);
    buf out = BUF_INIT;
    CHECK_INT(world_get(w, d, key_of(tmp, sizeof(tmp), N), &out), OK);
    CHECK_SLICE(slice_of(&out), "traveller");
    CHECK_INT(keyspace_pending(w->ks), 0);
    /* And what cannot be is refused. */
    effect e = world_effect(ENTRY_DEL, d, SLICE("nobody"), NULL, 0);
    e.keys = -1;
    CHECK_INT(keyspace_replay(w->ks, &e, N + 1), ERR_CORRUPT);
    buf_free(&out);
    world_check(w);
    world_free(w);
}

static void put_fields(struct world *w, db *d, unsigned from, unsigned step, unsigned n,
                       uint64_t lsn) {
    char field[16], val[104];
    for (unsigned i = 0; i < n; i++) {
        unsigned f = from + i * step;
        memset(val, 'a' + (char)(step % 26), sizeof(val));
        slice args[2] = {slice_make(field, (size_t)snprintf(field, sizeof(field), "f%u", f)),
                         slice_make(val, sizeof(val))};
        effect e = world_effect(HASH_SET, d, SLICE("h"), args, 2);
        e.target = EFFECT_VALUE;
        e.type = TYPE_HASH;
        CHECK_INT(lsn == 0 ? world_apply(w, &e) : keyspace_replay(w->ks, &e, lsn + i), OK);
    }
}

TEST("effects that wait on one large value ask for their pages together") {
    struct world *w = world_new(15);
    db *d = keyspace_db(w->ks, 0);
    put_fields(w, d, 0, 1, 20000, 0);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 100, false, NULL, NULL);
    frozen_put(w->ks, f);
    CHECK(keyspace_stats(w->ks)->pages_total > 120);
    keyspace_drop_clean(w->ks);
    put_fields(w, d, 7, 97, 200, 1);
    CHECK_INT(keyspace_pending(w->ks), 200);
    struct entry e;
    ks_wait *held = NULL;
    int rc, fetched, rounds = 0;
    for (;; rounds++) {
        keyspace_want_reset(w->ks);
        rc = keyspace_get(w->ks, d, SLICE("h"), 0, &e);
        if (rc != ERR_COLD) break;
        ks_wait *next = world_wait(w, &fetched);
        keyspace_wait_end(w->ks, held);
        held = next;
    }
    CHECK_INT(rc, OK);
    CHECK_INT(keyspace_pending(w->ks), 0);
    if (rounds > 12) test_fail(__FILE__, __LINE__, "%d rounds", rounds);
    keyspace_want_reset(w->ks);
    keyspace_wait_end(w->ks, held);
    world_check(w);
    world_free(w);
}

TEST("a fork of a stored catalogue equals its source, shares its pages, and goes its own "
     "way") {
    struct world *w = world_new(15);
    db *d = keyspace_db(w->ks, 2);
    char tmp[32];
    buf out = BUF_INIT;
    for (unsigned i = 0; i < 3000; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i), SLICE("stored"), -1);
    frozen *f = keyspace_freeze(w->ks);
    size_t slots = world_checkpoint(w, f, 100, false, NULL, NULL);
    frozen_put(w->ks, f);
    for (unsigned i = 0; i < 3000; i++)
        world_set(w, d, key_of(tmp, sizeof(tmp), i), SLICE("later"), -1);
    slice cat = slice_of(&w->catalogue);
    uint64_t id = keyspace_next_db_id(w->ks);
    CHECK_INT(keyspace_fork_catalogue(w->ks, cat, db_id(d), id, "then", -1), OK);
    CHECK_INT(w->fetched, 0);
    CHECK_INT(keyspace_fork_catalogue(w->ks, cat, db_id(d), id + 1, "then", -1),
              ERR_EXISTS);
    CHECK_INT(keyspace_fork_catalogue(w->ks, cat, 777, id + 1, "empty", -1),
              ERR_NOTFOUND);
    CHECK_INT(db_keys(keyspace_db_named(w->ks, SLICE("empty"))), 0);
    db *then = keyspace_db_named(w->ks, SLICE("then"));
    CHECK_INT(db_keys(then), 3000);
    for (unsigned i = 0; i < 3000; i += 7) {
        CHECK_INT(world_get(w, then, key_of(tmp, sizeof(tmp), i), &out), OK);
        CHECK_SLICE(slice_of(&out), "stored");
        CHECK_INT(world_get(w, d, key_of(tmp, sizeof(tmp), i), &out), OK);
        CHECK_SLICE(slice_of(&out), "later");
    }
    /* The fork costs the next checkpoint nothing but its line. */
    f = keyspace_freeze(w->ks);
    CHECK(world_checkpoint(w, f, 100, false, NULL, NULL) <= slots);
    frozen_put(w->ks, f);
    world_set(w, then, SLICE("key:1"), SLICE("own"), -1);
    f = keyspace_freeze(w->ks);
    CHECK(world_checkpoint(w, f, 100, false, NULL, NULL) <= 2);
    frozen_put(w->ks, f);
    /* Number 2 goes back to where the fork is. */
    id = keyspace_next_db_id(w->ks);
    CHECK_INT(
        keyspace_fork_catalogue(w->ks, slice_of(&w->catalogue), db_id(then), id, "", 2),
        OK);
    CHECK(keyspace_db(w->ks, 2) == d);
    CHECK_INT(db_id(d), id);
    CHECK_INT(world_get(w, d, SLICE("key:1"), &out), OK);
    CHECK_SLICE(slice_of(&out), "own");
    buf_free(&out);
    world_check(w);
    world_free(w);
}

TEST("a fork that is cleared is empty, under its name and a new id; its source is as it was") {
    struct world *w = world_new(16);
    CHECK_INT(world_set(w, keyspace_db(w->ks, 0), SLICE("a"), SLICE("1"), -1), OK);
    frozen *f = keyspace_freeze(w->ks);
    CHECK_INT(keyspace_fork_frozen(w->ks, f, 1, keyspace_next_db_id(w->ks), "x", -1), OK);
    frozen_put(w->ks, f);
    db *d = keyspace_db_named(w->ks, SLICE("x"));
    uint64_t was = db_id(d);
    uint8_t id[8];
    put_u64(id, keyspace_next_db_id(w->ks));
    slice args[2] = {SLICE("x"), slice_make(id, 8)};
    effect e = {.target = EFFECT_CATALOGUE, .op = CATALOGUE_CLEAR, .args = args, .argc = 2};
    CHECK_INT(keyspace_apply(w->ks, &e, true), OK);
    CHECK(keyspace_db_named(w->ks, SLICE("x")) == d);
    CHECK(!db_dropped(d));
    CHECK(db_id(d) != was && db_id(d) == get_u64(id));
    CHECK(keyspace_db_id(w->ks, was) == NULL);
    CHECK_INT(db_keys(d), 0);
    CHECK_INT(keyspace_apply(w->ks, &e, true), ERR_CORRUPT); /* ids are not used again */
    args[0] = SLICE("y");
    CHECK_INT(keyspace_apply(w->ks, &e, true), ERR_NOTFOUND);
    CHECK_INT(world_set(w, d, SLICE("b"), SLICE("2"), -1), OK);
    CHECK_INT(db_keys(d), 1);
    CHECK_INT(db_keys(keyspace_db(w->ks, 0)), 1);
    world_check(w);
    world_free(w);
}

TEST("a dropped fork's pointer stays good, is empty, and takes no effect") {
    struct world *w = world_new(16);
    frozen *f = keyspace_freeze(w->ks);
    (void)keyspace_db(w->ks, 0);
    frozen_put(w->ks, f);
    f = keyspace_freeze(w->ks);
    CHECK_INT(keyspace_fork_frozen(w->ks, f, 1, keyspace_next_db_id(w->ks), "x", -1), OK);
    frozen_put(w->ks, f);
    db *d = keyspace_db_named(w->ks, SLICE("x"));
    CHECK_INT(world_set(w, d, SLICE("a"), SLICE("b"), -1), OK);
    slice name = SLICE("x");
    effect drop = {
        .target = EFFECT_CATALOGUE, .op = CATALOGUE_DROP, .args = &name, .argc = 1};
    CHECK_INT(keyspace_apply(w->ks, &drop, true), OK);
    CHECK(db_dropped(d));
    struct entry e;
    CHECK_INT(keyspace_get(w->ks, d, SLICE("a"), 0, &e), ERR_NOTFOUND);
    CHECK_INT(world_set(w, d, SLICE("a"), SLICE("b"), -1), ERR_CORRUPT);
    CHECK_INT(db_keys(d), 0);
    world_check(w);
    world_free(w);
}

TEST("the option table fits its struct, and its defaults are Redis's") {
    struct world *w = world_new(17);
    CHECK_INT(w->config.maxmemory, 0);
    CHECK_INT(w->config.maxmemory_policy, POLICY_NOEVICTION);
    CHECK_INT(w->config.databases, 16);
    CHECK(w->config.tiering && w->config.active_expire);
    CHECK_INT(w->config.types.hash_max_listpack_entries, 512);
    CHECK_INT(w->config.types.list_max_listpack_size, -2);
    CHECK_INT(w->config.types.proto_max_bulk_len, 512 << 20);
    for (size_t i = 0; i < keyspace_metrics_count; i++)
        CHECK(keyspace_metrics[i].offset < sizeof(struct keyspace_stats));
    world_free(w);
}
