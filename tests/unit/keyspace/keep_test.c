/* keep_test.c -- a value that is kept stays as it was, whatever becomes of its key. */
#include "tests/unit/keyspace/ks_util.h"

#define FIELDS 3000

static void set_field(struct world *w, db *d, slice key, int i, const char *value) {
    char name[16];
    slice args[2] = {slice_make(name, (size_t)snprintf(name, sizeof(name), "field%d", i)), slice_str(value)};
    effect e = {.target = EFFECT_VALUE, .type = TYPE_HASH, .op = HASH_SET, .db = db_id(d), .key = key, .args = args, .argc = 2};
    CHECK_INT(world_apply(w, &e), OK);
}

struct seen {
    uint64_t n;
    bool same;
};

static int see(void *cookie, slice field, slice val) {
    struct seen *s = cookie;
    (void)field;
    s->n++;
    s->same = s->same && slice_eq(val, SLICE("old"));
    return 0;
}

/* All that is kept, with its cold pages. */
static struct seen all_of(struct world *w, const struct value *v) {
    struct seen s = {0, true};
    uint64_t cursor = 0;
    do {
        keyspace_want_reset(w->ks);
        int rc = hash_scan(v, &cursor, 100, see, &s);
        if (rc == ERR_COLD) {
            ks_wait *wait = world_wait(w, &rc);
            rc = hash_scan(v, &cursor, 100, see, &s);
            keyspace_wait_end(w->ks, wait);
        }
        CHECK_INT(rc, OK);
    } while (cursor != 0);
    keyspace_want_reset(w->ks);
    return s;
}

static ks_kept *keep(struct world *w, db *d, slice key) {
    struct entry e;
    CHECK_INT(keyspace_get(w->ks, d, key, 0, &e), OK);
    return keyspace_keep(w->ks, &e.value);
}

TEST("a kept value stays while its key changes, is stored, leaves memory and goes") {
    struct world *w = world_new(test_seed(1));
    db *d = keyspace_db(w->ks, 0);
    uint8_t before[20], after[20];
    for (int i = 0; i < FIELDS; i++) set_field(w, d, SLICE("h"), i, "old");
    frozen *f = keyspace_freeze(w->ks);
    CHECK(world_checkpoint(w, f, 100, false, NULL, NULL) > 0);
    frozen_put(w->ks, f);
    CHECK_INT(world_digest(w, before), OK);
    ks_kept *k = keep(w, d, SLICE("h"));
    CHECK(keyspace_drop_clean(w->ks) > 0);
    struct seen s = all_of(w, kept_value(k));
    CHECK_INT(s.n, FIELDS);
    for (int i = 0; i < FIELDS; i += 7) set_field(w, d, SLICE("h"), i, "new");
    set_field(w, d, SLICE("h"), FIELDS, "one more");
    world_check(w);
    s = all_of(w, kept_value(k));
    CHECK(s.same);
    CHECK_INT(s.n, FIELDS);
    CHECK_INT(world_digest(w, after), OK);
    CHECK(memcmp(before, after, 20) != 0);
    CHECK_INT(world_del(w, d, SLICE("h")), OK);
    world_check(w);
    s = all_of(w, kept_value(k));
    CHECK(s.same);
    CHECK_INT(s.n, FIELDS);
    uint64_t pages = keyspace_stats(w->ks)->pages_total;
    keyspace_keep_end(k);
    while (keyspace_reap(w->ks, 1000)) {
    }
    CHECK(keyspace_stats(w->ks)->pages_total < pages);
    world_check(w);
    world_free(w);
}

TEST("what lies in its entry is kept as a copy, and what the store may lose is known") {
    struct world *w = world_new(test_seed(2));
    db *d = keyspace_db(w->ks, 0);
    CHECK_INT(world_set(w, d, SLICE("s"), SLICE("before"), -1), OK);
    ks_kept *k = keep(w, d, SLICE("s"));
    CHECK_INT(world_set(w, d, SLICE("s"), SLICE("and after"), -1), OK);
    CHECK(slice_eq(kept_value(k)->raw, SLICE("before")));
    keyspace_keep_anew(w->ks);
    ks_kept *later = keep(w, d, SLICE("s"));
    CHECK(kept_value(k) == NULL);
    CHECK(slice_eq(kept_value(later)->raw, SLICE("and after")));
    keyspace_keep_end(k);
    keyspace_keep_end(later);
    keyspace_keep_end(NULL);
    world_check(w);
    world_free(w);
}
