/* wait_test.c -- whose page is fetched next: counts and order of the fetches that waits ask for. */
#include "ks_util.h"

#include <stdio.h>

#define KEYS 12000u /* of 200 bytes: some 200 pages */

struct asker { /* as a client does: some keys, one wait */
    ks_wait *wait;
    bool done;
    int rc;
    uint64_t done_at; /* fetches answered by then */
    struct world *w;
};

static void asker_done(void *cookie, int rc) {
    struct asker *a = cookie;
    CHECK(!a->done);
    a->done = true;
    a->rc = rc;
    a->done_at = a->w->fetched;
}

static slice name_of(char tmp[16], unsigned i) {
    return slice_make(tmp, (size_t)snprintf(tmp, 16, "key:%u", i));
}

/* Many pages, all in the store, none in memory; one fetch at a time, so that their order is seen. */
static struct world *world_cold(uint64_t seed) {
    struct world *w = world_new(seed);
    db *d = keyspace_db(w->ks, 0);
    char tmp[16];
    uint8_t val[200] = {0};
    for (unsigned i = 0; i < KEYS; i++)
        CHECK_INT(world_set(w, d, name_of(tmp, i), slice_make(val, sizeof(val)), -1), OK);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 1000, false, NULL, NULL);
    frozen_put(w->ks, f);
    CHECK(keyspace_drop_clean(w->ks) > 150);
    keyspace_limit_fetches(w->ks, 1, 1);
    return w;
}

/* Waits for `pages` cold pages, those of the keys from *key on, which moves behind them. */
static void ask(struct world *w, struct asker *a, unsigned *key, size_t pages) {
    struct entry e;
    char tmp[16];
    *a = (struct asker){.w = w};
    keyspace_want_reset(w->ks);
    for (; keyspace_wanted(w->ks) < pages; ++*key) {
        CHECK(*key < KEYS);
        (void)keyspace_get(w->ks, keyspace_db(w->ks, 0), name_of(tmp, *key), 0, &e);
    }
    a->wait = keyspace_wait(w->ks, asker_done, a);
    CHECK(!a->done);
}

static void end(struct world *w, struct asker *a) {
    keyspace_wait_end(w->ks, a->wait);
    a->wait = NULL;
}

static void pump(struct world *w, size_t n) {
    for (size_t i = 0; i < n; i++) CHECK(world_pump_one(w));
}

static void pump_all(struct world *w) {
    while (world_pump_one(w)) {
    }
}

TEST("one page is fetched soon beside those who ask for many, and they go on in turns") {
    struct world *w = world_cold(1);
    struct asker a, b, one;
    unsigned key = 0;
    ask(w, &a, &key, 40);
    ask(w, &b, &key, 20);
    CHECK_INT(w->queue_n, 1);
    pump(w, 10);
    uint64_t asked_at = w->fetched;
    unsigned last = KEYS - 100;
    ask(w, &one, &last, 1);
    pump(w, 3);
    CHECK(one.done && one.rc == OK);
    /* What was under way, at most one of the others, its own. */
    CHECK(one.done_at <= asked_at + 3);
    end(w, &one);
    pump_all(w);
    CHECK(a.done && b.done);
    /* Both got as many until the shorter had all its own; nothing was fetched twice. */
    CHECK(b.done_at >= 39 && b.done_at <= 43);
    CHECK(w->fetched >= 55 && w->fetched <= 61);
    CHECK_INT(keyspace_stats(w->ks)->fetches, w->fetched);
    end(w, &a);
    end(w, &b);
    world_check(w);
    world_free(w);
}

TEST("a page that a long wait would reach last comes as soon as another asks for it") {
    struct world *w = world_cold(2);
    struct asker many, one;
    unsigned key = 0, before;
    ask(w, &many, &key, 60);
    before = key - 1; /* The key whose page was the last. */
    pump(w, 2);
    ask(w, &one, &before, 1);
    pump(w, 3);
    CHECK(one.done && !many.done);
    end(w, &one);
    pump_all(w);
    CHECK(many.done);
    CHECK_INT(w->fetched, 60);
    end(w, &many);
    world_free(w);
}

TEST("those who ask for one page again and again do not hold up one who asks for many") {
    struct world *w = world_cold(3);
    struct asker many, one[8];
    unsigned key = 0, others = 6000;
    ask(w, &many, &key, 30);
    for (int i = 0; i < 8; i++) ask(w, &one[i], &others, 1);
    while (!many.done) {
        pump(w, 1);
        for (int i = 0; i < 8; i++) {
            if (!one[i].done) continue;
            end(w, &one[i]);
            ask(w, &one[i], &others, 1);
        }
    }
    CHECK(many.done_at <= 30 * 2 + 1); /* Every other page was its own. */
    end(w, &many);
    for (int i = 0; i < 8; i++) end(w, &one[i]);
    world_free(w);
}

TEST("no more fetches are under way than allowed, and a wait that ends takes back what had not begun") {
    struct world *w = world_cold(4);
    keyspace_limit_fetches(w->ks, 5, 1);
    struct asker a, b;
    unsigned key = 0, again = 0;
    ask(w, &a, &key, 50);
    CHECK_INT(w->queue_n, 5);
    ask(w, &b, &again, 10); /* The same pages as the first ten of a. */
    CHECK_INT(w->queue_n, 5);
    pump(w, 1);
    CHECK_INT(w->queue_n, 5);
    end(w, &a);
    pump_all(w);
    CHECK(b.done && b.rc == OK && !a.done);
    CHECK(w->fetched >= 10 && w->fetched <= 12); /* The ten, and what was under way for a alone. */
    end(w, &b);
    world_check(w);
    world_free(w);
}

TEST("pages of a database that went before they were asked for are not fetched") {
    struct world *w = world_cold(5);
    struct asker a;
    unsigned key = 0;
    ask(w, &a, &key, 20);
    uint8_t number[4] = {0}, id[8];
    put_u64(id, keyspace_next_db_id(w->ks));
    slice args[2] = {slice_make(number, 4), slice_make(id, 8)};
    effect flush = {
        .target = EFFECT_CATALOGUE, .op = CATALOGUE_FLUSH, .args = args, .argc = 2};
    CHECK_INT(keyspace_apply(w->ks, &flush, true), OK);
    while (keyspace_reap(w->ks, 1000)) {
    }
    pump_all(w);
    keyspace_reap(w->ks, 1000);
    CHECK(a.done && a.rc == OK);
    CHECK_INT(w->fetched, 1);
    end(w, &a);
    world_check(w);
    world_free(w);
}

TEST("waits hold a share of maxmemory at most; those beyond it begin when others have ended") {
    struct world *w = world_cold(6);
    keyspace_limit_fetches(w->ks, 1000, 1);
    unsigned key = 0;
    struct asker a[8];
    /* A quarter of this are 32 pages of 16 KiB; none is in memory that could tell another size. */
    w->config.maxmemory = 4 * 32 * 16384;
    for (int i = 0; i < 8; i++) ask(w, &a[i], &key, 10);
    CHECK_INT(w->queue_n, 30);
    keyspace_want_reset(w->ks);
    CHECK(!keyspace_want_more(w->ks)); /* Nothing is asked for ahead now. */
    pump_all(w);
    /* The pages that came are smaller than they were thought to be, so more fit; but not all. */
    CHECK(a[0].done && a[1].done && a[2].done && !a[7].done);
    for (int i = 0; i < 8; i++) {
        CHECK(a[i].done); /* In the order they came, and none is left behind. */
        end(w, &a[i]);
        pump_all(w);
    }
    /* One that needs more than all of it begins alone. */
    key = 8000;
    ask(w, &a[0], &key, 60);
    CHECK_INT(w->queue_n, 60);
    ask(w, &a[1], &key, 60); /* Some of them are others. */
    CHECK_INT(w->queue_n, 60);
    pump_all(w);
    CHECK(a[0].done && !a[1].done);
    end(w, &a[0]);
    pump_all(w);
    CHECK(a[1].done);
    end(w, &a[1]);
    world_free(w);
}

TEST("what is asked for ahead is shared by all who wait, and leaves room for those who need one page") {
    struct world *w = world_cold(7);
    unsigned key = 0;
    char tmp[16];
    struct entry e;
    struct asker a[4];
    size_t ahead[4];
    w->config.maxmemory = 4 * 64 * 16384; /* 64 pages for waits, 32 of them for pages ahead */
    for (int i = 0; i < 4; i++) {
        keyspace_want_reset(w->ks);
        while (keyspace_want_more(w->ks)) {
            CHECK(key < KEYS);
            (void)keyspace_get(w->ks, keyspace_db(w->ks, 0), name_of(tmp, key++), 0, &e);
        }
        ahead[i] = keyspace_wanted(w->ks);
        if (ahead[i] == 0) break;
        a[i] = (struct asker){.w = w};
        a[i].wait = keyspace_wait(w->ks, asker_done, &a[i]);
    }
    CHECK_INT(ahead[0], 32); /* alone: all */
    CHECK_INT(ahead[1], 0);
    struct asker one;
    ask(w, &one, &key, 1);
    pump(w, 3);
    CHECK(one.done && !a[0].done);
    end(w, &one);
    pump_all(w);
    CHECK(a[0].done);
    end(w, &a[0]);
    w->config.maxmemory = 0;
    CHECK(keyspace_want_more(w->ks));
    world_free(w);
}

/* A string of `chunks` pages, which lie one after the other in the store. */
static void set_long(struct world *w, const char *name, size_t chunks) {
    buf v = BUF_INIT;
    while (v.n < chunks * 65536) buf_printf(&v, "%zu,", v.n);
    v.n = chunks * 65536;
    CHECK_INT(world_set(w, keyspace_db(w->ks, 0), slice_str(name), slice_of(&v), -1), OK);
    buf_free(&v);
}

static void ask_long(struct world *w, struct asker *a, const char *name) {
    struct entry e;
    buf out = BUF_INIT;
    *a = (struct asker){.w = w};
    keyspace_want_reset(w->ks);
    CHECK_INT(keyspace_get(w->ks, keyspace_db(w->ks, 0), slice_str(name), 0, &e), OK);
    CHECK_INT(string_read(&e.value, 0, UINT64_MAX, &out), ERR_COLD);
    buf_free(&out);
    a->wait = keyspace_wait(w->ks, asker_done, a);
}

/* How often a fetch is not for the slot behind that of the fetch before, with two who read `chunks`
 * pages each, one fetch at a time. */
static size_t jumps(size_t chunks, size_t run) {
    struct world *w = world_new(9);
    set_long(w, "a", chunks);
    set_long(w, "b", chunks);
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 1000, false, NULL, NULL);
    frozen_put(w->ks, f);
    CHECK(keyspace_drop_clean(w->ks) >= 2 * chunks);
    struct entry e;
    while (keyspace_get(w->ks, keyspace_db(w->ks, 0), SLICE("a"), 0, &e) == ERR_COLD ||
           keyspace_get(w->ks, keyspace_db(w->ks, 0), SLICE("b"), 0, &e) == ERR_COLD) {
        int rc;
        keyspace_wait_end(w->ks, world_wait(w, &rc));
        keyspace_want_reset(w->ks);
    }
    keyspace_limit_fetches(w->ks, 1, run);
    struct asker a, b;
    ask_long(w, &a, "a");
    ask_long(w, &b, "b");
    size_t count = 0;
    uint32_t before = 0;
    while (w->queue_n > 0) {
        CHECK_INT(w->queue_n, 1);
        uint32_t slot = location_slot(w->queue[0]->base);
        count += slot != before + 1;
        before = slot;
        pump(w, 1);
    }
    CHECK(a.done && b.done && a.rc == OK && b.rc == OK);
    end(w, &a);
    end(w, &b);
    world_free(w);
    return count;
}

TEST("slots that lie together are asked for together where they are one request, but not for ever") {
    CHECK(jumps(32, 1) >= 60); /* by turns, page by page */
    size_t runs = jumps(32, 8);
    CHECK(runs >= 8 && runs <= 10); /* by turns, eight at a time */
}

static void no_checkpoint(void *cookie) { ++*(int *)cookie; }

TEST("memory that waits or a checkpoint hold comes back: commands wait for it and are not refused") {
    struct world *w = world_cold(8);
    int asked = 0;
    static const struct keyspace_hooks hooks = {.want_checkpoint = no_checkpoint};
    keyspace_set_hooks(w->ks, &hooks, &asked);
    keyspace_limit_fetches(w->ks, 1000, 1);
    struct asker a;
    unsigned key = 0;
    size_t without = mem_used();
    ask(w, &a, &key, 100);
    pump_all(w);
    CHECK(a.done);
    size_t with = mem_used();
    CHECK(with > without + 500000);
    /* All that is over the limit is held by the wait: nothing is dirty, nothing can be dropped. */
    w->config.maxmemory = (int64_t)(with - 200000);
    CHECK_INT(keyspace_stats(w->ks)->bytes_dirty, 0);
    CHECK_INT(keyspace_make_room(w->ks, NULL, NULL), ERR_AGAIN);
    CHECK_INT(asked, 0); /* A checkpoint would not help. */
    /* But not for ever. */
    clock_manual_advance(&w->clock, 11000000);
    CHECK_INT(keyspace_make_room(w->ks, NULL, NULL), ERR_LIMIT);
    end(w, &a);
    CHECK_INT(keyspace_make_room(w->ks, NULL, NULL), OK);
    /* Other memory is in the way. */
    w->config.maxmemory = (int64_t)(without / 4);
    CHECK_INT(keyspace_make_room(w->ks, NULL, NULL), ERR_LIMIT);
    /* Nothing clean is left. What a checkpoint has gathered to write is such memory, too, but
     * goes with its end. */
    size_t least = mem_used();
    frozen *f = keyspace_freeze(w->ks);
    frozen_walk *walk = frozen_walk_start(w->ks, f);
    clock_manual_advance(&w->clock, 1000000);
    w->config.maxmemory = (int64_t)(2 * with);
    CHECK_INT(keyspace_make_room(w->ks, NULL, NULL), OK);
    w->config.maxmemory = (int64_t)(least / 4 * 3);
    CHECK_INT(keyspace_make_room(w->ks, NULL, NULL), ERR_AGAIN);
    w->config.maxmemory = (int64_t)(least / 4); /* It cannot be that much. */
    CHECK_INT(keyspace_make_room(w->ks, NULL, NULL), ERR_LIMIT);
    w->config.maxmemory = (int64_t)(least / 4 * 3);
    frozen_walk_free(walk);
    CHECK_INT(keyspace_make_room(w->ks, NULL, NULL), ERR_LIMIT);
    frozen_put(w->ks, f);
    world_free(w);
}
