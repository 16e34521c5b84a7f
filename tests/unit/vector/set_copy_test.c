/* set_copy_test.c -- vector sets in a keyspace: a copy shares pages with its original until either changes, and all of it
 * comes back from the store. */
#include "modules/vector/set.h"
#include "tests/unit/keyspace/ks_util.h"

#define DIM 256

static void apply(struct world *w, const char *key, uint8_t op, const slice *args, size_t argc) {
    effect e = {.target = EFFECT_VALUE, .type = TYPE_VECTORSET, .op = op, .db = db_id(keyspace_db(w->ks, 0)),
                .key = slice_str(key), .args = args, .argc = argc};
    CHECK_INT(world_apply(w, &e), OK);
}

static slice name_of(unsigned i, char tmp[32]) {
    return slice_make(tmp, (size_t)snprintf(tmp, 32, "element:%u", i));
}

static void put(struct world *w, const char *key, unsigned i, unsigned version, bool attribute) {
    char name[32], text[32];
    float x[DIM] = {(float)version, (float)i};
    uint8_t shape[VSET_SHAPE_BYTES];
    struct vset_shape s = {.quant = QUANT_F32, .metric = METRIC_COSINE, .dim = DIM, .m = 16, .uid = 9};
    vset_shape_write(shape, &s);
    slice args[4] = {name_of(i, name), slice_make(x, sizeof(x)), slice_make(shape, sizeof(shape)),
                     slice_make(text, (size_t)snprintf(text, 32, "{\"v\":%u}", version))};
    apply(w, key, VECTOR_ADD, args, attribute ? 4 : 3);
}

static void remove_one(struct world *w, const char *key, unsigned i) {
    char name[32];
    slice arg = name_of(i, name);
    apply(w, key, VECTOR_REM, &arg, 1);
}

static void attribute(struct world *w, const char *key, unsigned i, const char *text) {
    char name[32];
    slice args[2] = {name_of(i, name), slice_str(text)};
    apply(w, key, VECTOR_ATTR, args, 2);
}

static void fill(struct world *w, const char *key) {
    for (unsigned i = 0; i < 400; i++) put(w, key, i, 1, i % 3 == 0);
}

static void change(struct world *w, const char *key) {
    for (unsigned i = 0; i < 400; i += 5) put(w, key, i, 2, i % 2 == 0);
    for (unsigned i = 1; i < 400; i += 5) remove_one(w, key, i);
    for (unsigned i = 2; i < 400; i += 5) attribute(w, key, i, i % 4 == 0 ? "" : "another");
    for (unsigned i = 400; i < 450; i++) put(w, key, i, 3, true);
}

/* The digest of a set that passes its check; 20 hexadecimal pairs. */
static void digest(struct world *w, const char *key, char hex[48]) {
    ks_wait *held = NULL;
    uint8_t sum[20];
    char why[160] = "";
    for (;;) {
        struct entry e;
        keyspace_want_reset(w->ks);
        int rc = keyspace_get(w->ks, keyspace_db(w->ks, 0), slice_str(key), 0, &e);
        memset(sum, 0, sizeof(sum));
        if (rc == OK) rc = vset_type.check(&e.value, why);
        if (rc == OK) rc = vset_type.digest(&e.value, sum);
        if (rc != ERR_COLD) {
            if (rc != OK) test_fail(__FILE__, __LINE__, "%s: %d %s", key, rc, why);
            break;
        }
        int fetched;
        ks_wait *next = world_wait(w, &fetched);
        keyspace_wait_end(w->ks, held);
        held = next;
    }
    keyspace_want_reset(w->ks);
    keyspace_wait_end(w->ks, held);
    for (int i = 0; i < 20; i++) snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static void copy(struct world *w, const char *from, const char *to) {
    uint8_t id[8];
    db *d = keyspace_db(w->ks, 0);
    put_u64(id, db_id(d));
    slice args[2] = {slice_make(id, 8), slice_str(to)};
    effect e = world_effect(ENTRY_COPY, d, slice_str(from), args, 2);
    CHECK_INT(world_apply(w, &e), OK);
}

static void checkpoint(struct world *w) {
    frozen *f = keyspace_freeze(w->ks);
    (void)world_checkpoint(w, f, 7, false, NULL, NULL);
    frozen_put(w->ks, f);
}

static void expect(struct world *w, const char *key, const char *want) {
    char got[48];
    digest(w, key, got);
    if (strcmp(got, want) != 0) test_fail(__FILE__, __LINE__, "%s is %s, expected %s", key, got, want);
}

static struct world *world_of_vectors(void) {
    struct world *w = world_new(1);
    type_add(&w->types, &vset_type);
    return w;
}

TEST("a copy and its original change apart, hot or cold") {
    for (int cold = 0; cold < 2; cold++) {
        struct world *w = world_of_vectors();
        char was[48], now[48];
        fill(w, "v");
        fill(w, "changed");
        change(w, "changed");
        digest(w, "v", was);
        digest(w, "changed", now);
        CHECK(strcmp(was, now) != 0);
        copy(w, "v", "copy");
        copy(w, "v", "other");
        if (cold) {
            checkpoint(w);
            CHECK(keyspace_drop_clean(w->ks) > 0);
        }
        change(w, "copy");
        expect(w, "v", was);
        expect(w, "copy", now);
        if (cold) {
            checkpoint(w);
            CHECK(keyspace_drop_clean(w->ks) > 0);
        }
        change(w, "v");
        expect(w, "v", now);
        expect(w, "other", was);
        if (cold) {
            checkpoint(w);
            CHECK(keyspace_drop_clean(w->ks) > 0);
        }
        expect(w, "v", now);
        expect(w, "copy", now);
        expect(w, "other", was);
        world_check(w);
        world_free(w);
    }
}

TEST("what is changed while it is being written is written as it was") {
    struct world *w = world_of_vectors();
    char was[48], now[48];
    fill(w, "v");
    digest(w, "v", was);
    frozen *f = keyspace_freeze(w->ks);
    change(w, "v");
    digest(w, "v", now);
    (void)world_checkpoint(w, f, 7, false, NULL, NULL);
    frozen_put(w->ks, f);
    expect(w, "v", now);
    /* Another keyspace of what was written. */
    keyspace_free(w->ks);
    w->ks = world_keyspace(w);
    CHECK_INT(keyspace_load(w->ks, slice_of(&w->catalogue)), OK);
    expect(w, "v", was);
    change(w, "v");
    expect(w, "v", now);
    world_check(w);
    world_free(w);
}
