/* along_test.c -- what comes with the page table of a large value: rounds of a cold read, which copies are written
 * again, and that old, stale and damaged ones cost no more than a round. */
#include "tests/unit/keyspace/ks_util.h"

#define CHUNKS 300 /* more than one node has */
#define ALONG 3    /* Chunks whose number modulo 8 is this come along. */
#define KEY SLICE("long")
#define ROOT_VERSION_AT 4
#define ROOT_BYTES_AT 8

static struct type with_along;

static struct world *along_world(uint8_t kinds) {
    struct world *w = world_new(5);
    with_along = type_string;
    with_along.along = kinds;
    w->types.by_id[TYPE_STRING] = &with_along;
    return w;
}

static int change(struct world *w, uint64_t chunk, uint8_t byte) {
    uint8_t at[8];
    put_u64(at, chunk * PAGE_BYTES + byte);
    slice args[2] = {slice_make(at, 8), slice_make(&byte, 1)};
    effect e = {.target = EFFECT_VALUE, .type = TYPE_STRING, .op = STRING_SETRANGE, .db = db_id(keyspace_db(w->ks, 0)),
                .key = KEY, .args = args, .argc = 2};
    return world_apply(w, &e);
}

static void fill(struct world *w) {
    for (uint64_t i = CHUNKS; i > 0; i--) CHECK_INT(change(w, i - 1, (uint8_t)(1 + i % 200)), OK);
}

static size_t store_in(struct world *w, size_t per_pack, bool fail) {
    frozen *f = keyspace_freeze(w->ks);
    size_t slots = world_checkpoint(w, f, per_pack, fail, NULL, NULL);
    frozen_put(w->ks, f);
    return slots;
}

static size_t store(struct world *w) { return store_in(w, 50, false); }

static void restart(struct world *w) {
    keyspace_free(w->ks);
    w->ks = world_keyspace(w);
    CHECK_INT(keyspace_load(w->ks, slice_of(&w->catalogue)), OK);
}

/* Rounds to the store until the chunk is read; it has what fill() gave it, and `more` (0: no more). */
static int rounds(struct world *w, uint64_t chunk, uint8_t more) {
    ks_wait *held = NULL;
    uint8_t byte = (uint8_t)(1 + (chunk + 1) % 200);
    buf out = BUF_INIT;
    for (int n = 0;; n++) {
        struct entry e;
        keyspace_want_reset(w->ks);
        int rc = keyspace_get(w->ks, keyspace_db(w->ks, 0), KEY, 0, &e);
        if (rc == OK) rc = string_read(&e.value, chunk * PAGE_BYTES, PAGE_BYTES, &out);
        if (rc != ERR_COLD) {
            CHECK_INT(rc, OK);
            CHECK(out.n > byte && out.p[byte] == byte);
            if (more != 0) CHECK(out.p[more] == more);
            buf_free(&out);
            keyspace_want_reset(w->ks);
            keyspace_wait_end(w->ks, held);
            return n;
        }
        int fetched;
        ks_wait *next = world_wait(w, &fetched);
        CHECK_INT(fetched, OK);
        keyspace_wait_end(w->ks, held);
        held = next;
    }
}

TEST("a page that comes along takes the rounds of its key and its page table, another one more") {
    struct world *w = along_world(1u << ALONG);
    fill(w);
    store(w);
    restart(w);
    uint64_t before = w->fetched;
    CHECK_INT(rounds(w, ALONG, 0), 2);
    CHECK_INT(w->fetched - before, 2);
    CHECK_INT(rounds(w, 8 * 36 + ALONG, 0), 0);
    CHECK_INT(rounds(w, ALONG + 1, 0), 1);
    restart(w);
    CHECK_INT(rounds(w, CHUNKS - 2, 0), 3);
    world_check(w);
    world_free(w);
}

TEST("without pages that come along the nodes of a page table do") {
    struct world *w = along_world(0);
    fill(w);
    store(w);
    restart(w);
    CHECK_INT(rounds(w, 0, 0), 3);
    world_free(w);
}

TEST("pages that come along are copied again when one of them has changed, and only then") {
    struct world *w = along_world(1u << ALONG);
    fill(w);
    store(w);
    CHECK_INT(change(w, ALONG + 1, 210), OK);
    CHECK_INT(store(w), 4); /* The page, its node, the root, the directory. */
    CHECK_INT(change(w, ALONG, 211), OK);
    CHECK_INT(store(w), 5);
    restart(w); /* What is known of the copies is known again. */
    CHECK_INT(rounds(w, ALONG, 211), 2);
    CHECK_INT(rounds(w, ALONG + 1, 210), 1);
    CHECK_INT(change(w, ALONG + 1, 212), OK);
    CHECK_INT(store(w), 4);
    restart(w);
    CHECK_INT(rounds(w, ALONG, 211), 2);
    world_check(w);
    world_free(w);
}

TEST("one that has left memory is not fetched to be copied: the old copies stay, and their changed pages come alone") {
    struct world *w = along_world(1u << ALONG);
    fill(w);
    store(w);
    restart(w);
    CHECK_INT(rounds(w, ALONG + 1, 0), 3);
    keyspace_drop_clean(w->ks);
    CHECK_INT(rounds(w, ALONG + 1, 0), 3);
    CHECK_INT(change(w, ALONG, 213), OK);
    keyspace_drop_clean(w->ks); /* The others of its kind. */
    CHECK_INT(store(w), 4);
    restart(w);
    CHECK_INT(rounds(w, 8 + ALONG, 0), 2);
    CHECK_INT(rounds(w, ALONG, 213), 1);
    world_check(w);
    world_free(w);
}

TEST("a checkpoint that failed leaves no copies that were not stored") {
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world *w = along_world(1u << ALONG);
        rnd_seed(&w->rnd, seed);
        fill(w);
        store(w);
        CHECK_INT(change(w, ALONG, 214), OK);
        for (int i = 0; i < 4; i++) store_in(w, 1, true); /* Of some the first slots are there for good. */
        store(w);
        restart(w);
        CHECK_INT(rounds(w, ALONG, 214), 2);
        CHECK_INT(rounds(w, 8 + ALONG, 0), 0);
        world_check(w);
        world_free(w);
    }
}

TEST("copies are shared by what was copied, and each side goes on with its own") {
    struct world *w = along_world(1u << ALONG);
    fill(w);
    store(w);
    uint8_t to[8];
    put_u64(to, db_id(keyspace_db(w->ks, 0)));
    slice copy[2] = {slice_make(to, 8), SLICE("twin")};
    effect e = world_effect(ENTRY_COPY, keyspace_db(w->ks, 0), KEY, copy, 2);
    CHECK_INT(world_apply(w, &e), OK);
    CHECK_INT(change(w, ALONG, 215), OK);
    store(w);
    restart(w);
    CHECK_INT(rounds(w, ALONG, 215), 2);
    world_check(w);
    world_free(w);
}

/* Each root of a page table in the store, as found(). */
static void each_root(struct world *w, void (*found)(struct slot *s, size_t children_end)) {
    unsigned n = 0;
    for (size_t i = 0; i < w->packs_n; i++) {
        for (size_t k = 0; k < w->packs[i].n; k++) {
            struct slot *s = &w->packs[i].slots[k];
            if (s->n < 10 || memcmp(s->p, "CVND", 4) != 0 || s->p[ROOT_VERSION_AT] != 2) continue;
            found(s, 10 + (size_t)get_u16(s->p + ROOT_BYTES_AT) * 20);
            n++;
        }
    }
    CHECK(n > 0);
}

static void make_old(struct slot *s, size_t end) {
    s->n = end;
    s->p[ROOT_VERSION_AT] = 1;
}
static void cut(struct slot *s, size_t end) { s->n = end + 100; }
static void lengthen(struct slot *s, size_t end) { memset(s->p + end + 17, 0xFF, 4); }
static void lift(struct slot *s, size_t end) { s->p[end + 8] = 200; }
static void mislead(struct slot *s, size_t end) { s->p[end]++, s->p[end + 9]++; }
static void spoil(struct slot *s, size_t end) { memset(s->p + end + 21, 0xEE, s->n - end - 21); }

TEST("page tables of older stores are read, and copies that are not sound are passed over") {
    void (*const how[])(struct slot *s, size_t end) = {make_old, cut, lengthen, lift, mislead, spoil};
    for (size_t i = 0; i < sizeof(how) / sizeof(*how); i++) {
        struct world *w = along_world(i % 2 == 0 ? 0 : 1u << ALONG);
        fill(w);
        store(w);
        each_root(w, how[i]);
        restart(w);
        CHECK(rounds(w, ALONG, 0) > 2);
        for (uint64_t k = 0; k < CHUNKS; k++) rounds(w, k, 0);
        CHECK_INT(change(w, 7, 216), OK);
        store(w);
        restart(w);
        CHECK_INT(rounds(w, 7, 216), 3);
        world_check(w);
        world_free(w);
    }
}
