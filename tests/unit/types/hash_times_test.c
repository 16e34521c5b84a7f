/* hash_times_test.c -- fields with expiries against a naive map, over every representation, with cold
 * pages: what is seen at a time, what is found to have expired, dumps. */
#include "test.h"

#include "base/listpack.h"
#include "base/mem.h"
#include "tests/model/toy_pager.c"
#include "types/hash.h"
#include "types/rdb.h"

#define FIELDS 400
#define START_MS ((int64_t)1700000000000)

struct model {
    struct {
        char val[120];
        int64_t expire_ms;
        bool there;
    } f[FIELDS];
    int64_t now;
};

static slice field_of(int i, char tmp[64]) {
    return slice_make(tmp, (size_t)snprintf(tmp, 64, "field:%d", i));
}

static bool seen(const struct model *m, int i) {
    return m->f[i].there && (m->f[i].expire_ms == 0 || m->f[i].expire_ms >= m->now);
}

static size_t count(const struct model *m, bool live) {
    size_t n = 0;
    for (int i = 0; i < FIELDS; i++) n += live ? seen(m, i) : m->f[i].there;
    return n;
}

static int64_t first_expiry(const struct model *m) {
    int64_t first = INT64_MAX;
    for (int i = 0; i < FIELDS; i++) {
        if (m->f[i].there && m->f[i].expire_ms != 0 && m->f[i].expire_ms < first) first = m->f[i].expire_ms;
    }
    return first;
}

/* When the keyspace would look into the value. */
static int64_t look_at(const struct value *v) {
    if (v->kind == VALUE_NONE) return INT64_MAX;
    struct stored_value s = {.kind = v->kind, .aux = v->aux, .bytes = v->raw};
    int64_t due = type_hash.due(&s);
    return v->kind == VALUE_OBJECT && due != INT64_MAX ? v->pager->ops->look(v->obj)->at_ms : due;
}

struct walk {
    const struct model *m;
    size_t calls;
};

static int walk_pair(void *cookie, slice field, slice val) {
    struct walk *w = cookie;
    char text[64] = {0};
    memcpy(text, field.p, field.n);
    int i = (int)strtol(text + 6, NULL, 10);
    CHECK(seen(w->m, i));
    CHECK(slice_eq(val, slice_str(w->m->f[i].val)));
    w->calls++;
    return 0;
}

static void compare_one(struct toy *t, const struct value *v, const struct model *m, int i) {
    char tmp[64], num[NUM_LL_MAX];
    slice val;
    int64_t expire_ms;
    int rc;
    while ((rc = hash_get_timed(v, field_of(i, tmp), &val, &expire_ms, num)) == ERR_COLD)
        CHECK(toy_fetch(t) > 0);
    CHECK_INT(rc, seen(m, i) ? OK : ERR_NOTFOUND);
    if (rc != OK) return;
    CHECK(slice_eq(val, slice_str(m->f[i].val)));
    CHECK_INT(expire_ms, m->f[i].expire_ms);
}

static void draw_some(const struct value *v, const struct model *m, rnd *r) {
    char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
    for (int i = 0; i < 20; i++) {
        struct walk w = {m, 0};
        slice field, val;
        int rc = hash_random(v, rnd_u64(r), &field, field_tmp, &val, val_tmp);
        CHECK_INT(rc, count(m, true) == 0 ? ERR_NOTFOUND : OK);
        if (rc == OK) walk_pair(&w, field, val);
    }
}

static void compare(struct toy *t, struct value v, const struct model *m, rnd *r) {
    char why[160] = "";
    struct walk w = {m, 0};
    uint64_t live;
    int rc;
    CHECK(look_at(&v) <= first_expiry(m)); /* Nothing is missed. */
    CHECK_INT(hash_len(&v), count(m, false));
    v.now_ms = m->now;
    for (int i = 0; i < FIELDS; i++) compare_one(t, &v, m, i);
    while ((rc = hash_each(&v, walk_pair, &w)) == ERR_COLD) CHECK(toy_fetch(t) > 0);
    CHECK_INT(rc, OK);
    CHECK_INT(w.calls, count(m, true));
    toy_warm(t);
    CHECK_INT(hash_live(&v, &live), OK);
    CHECK_INT(live, count(m, true));
    draw_some(&v, m, r);
    if (v.kind == VALUE_NONE) return;
    rc = type_hash.check(&v, why);
    if (rc != OK) printf("# %s\n", why);
    CHECK_INT(rc, OK);
}

static void change(struct toy *t, struct value *v, buf *store, struct model *m, rnd *r, int fields,
                   int longest) {
    static const uint8_t ops[] = {HASH_SET, HASH_SET, HASH_SET_KEEP, HASH_EXPIRE, HASH_EXPIRE, HASH_DEL};
    slice args[16];
    char names[8][64];
    uint8_t at[8], op = ops[rnd_below(r, sizeof(ops))];
    int64_t expire_ms = rnd_below(r, 4) == 0 ? 0 : m->now - 20 + (int64_t)rnd_below(r, 2000);
    size_t argc = 0, n = 1 + (size_t)rnd_below(r, 6);
    put_u64(at, (uint64_t)expire_ms);
    if (op == HASH_EXPIRE) args[argc++] = slice_make(at, expire_ms == 0 ? 0 : 8);
    for (size_t k = 0; k < n; k++) {
        int i = (int)rnd_below(r, (uint64_t)fields);
        args[argc++] = field_of(i, names[k]);
        if (op == HASH_SET || op == HASH_SET_KEEP) {
            size_t len = (size_t)rnd_below(r, (uint64_t)longest);
            memset(m->f[i].val, (int)('0' + rnd_below(r, 10)), len);
            m->f[i].val[len] = 0;
            args[argc++] = slice_str(m->f[i].val);
            if (op == HASH_SET || !m->f[i].there) m->f[i].expire_ms = 0;
            m->f[i].there = true;
        } else if (op == HASH_EXPIRE) {
            m->f[i].expire_ms = expire_ms;
        } else {
            m->f[i].there = false;
        }
    }
    CHECK_INT(toy_apply(t, &type_hash, v, store, op, args, argc), OK);
}

/* As the cycle does: what is due is removed, a few at a time. */
static void remove_due(struct toy *t, struct value *v, buf *store, struct model *m) {
    buf found = BUF_INIT;
    toy_warm(t);
    for (int round = 0; look_at(v) < m->now; round++) {
        size_t n;
        CHECK(round < 1000);
        found.n = 0;
        toy_warm(t);
        CHECK_INT(hash_due(v, m->now, 7, &found, &n), OK);
        CHECK(n <= 7);
        reader r = reader_make(slice_of(&found));
        slice fields[7];
        for (size_t k = 0; k < n; k++) {
            char text[64] = {0};
            fields[k] = read_bytes(&r);
            memcpy(text, fields[k].p, fields[k].n);
            int i = (int)strtol(text + 6, NULL, 10);
            CHECK(m->f[i].there && !seen(m, i));
            m->f[i].there = false;
        }
        CHECK_INT(reader_left(&r), 0);
        if (n > 0) CHECK_INT(toy_apply(t, &type_hash, v, store, HASH_DEL, fields, n), OK);
    }
    CHECK_INT(count(m, false), count(m, true));
    buf_free(&found);
}

static void run(uint64_t seed, int fields, int longest, int steps, const char *encoding) {
    struct toy t;
    toy_init(&t, seed, 30);
    static struct model m;
    memset(&m, 0, sizeof(m));
    m.now = START_MS;
    rnd r;
    rnd_seed(&r, seed + 1);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_HASH);
    bool told = false;
    for (int i = 0; i < steps; i++) {
        change(&t, &v, &store, &m, &r, fields, longest);
        if (rnd_below(&r, 8) == 0) m.now += (int64_t)rnd_below(&r, 200);
        if (i % 23 == 0) compare(&t, v, &m, &r);
        if (i % 61 == 0) remove_due(&t, &v, &store, &m);
        if (i % 97 == 0) toy_chill(&t);
        told |= v.kind != VALUE_NONE && strcmp(type_hash.encoding(&v), encoding) == 0;
    }
    compare(&t, v, &m, &r);
    CHECK(told);
    m.now += 100000; /* All that has an expiry goes; and what has none, by hand. */
    remove_due(&t, &v, &store, &m);
    compare(&t, v, &m, &r);
    for (int i = 0; i < fields; i++) {
        char tmp[64];
        slice arg = field_of(i, tmp);
        CHECK_INT(toy_apply(&t, &type_hash, &v, &store, HASH_DEL, &arg, 1), OK);
    }
    CHECK_INT(v.kind, VALUE_NONE);
    buf_free(&store);
    toy_deinit(&t);
}

TEST("expiries in a listpack that lies inline") { run(1, 6, 8, 2500, "listpackex"); }
TEST("expiries in a listpack with a page") { run(2, 100, 60, 2500, "listpackex"); }
TEST("expiries in a table") { run(3, 400, 30, 4000, "hashtable"); }
TEST("expiries in a table, from a long value on") { run(4, 20, 100, 2500, "hashtable"); }

static void apply(struct toy *t, struct value *v, buf *store, uint8_t op, const slice *args, size_t argc) {
    CHECK_INT(toy_apply(t, &type_hash, v, store, op, args, argc), OK);
}

/* Fields 0..n, each second with an expiry, START_MS and later. */
static struct value made(struct toy *t, buf *store, int n) {
    struct value v = toy_value(t, TYPE_HASH);
    for (int i = 0; i < n; i++) {
        char tmp[64];
        uint8_t at[8];
        slice set[2] = {field_of(i, tmp), SLICE("value")}, expire[2] = {slice_make(at, 8), set[0]};
        put_u64(at, (uint64_t)(START_MS + i));
        apply(t, &v, store, HASH_SET, set, 2);
        if (i % 2 == 0) apply(t, &v, store, HASH_EXPIRE, expire, 2);
    }
    return v;
}

static void drop(struct toy *t, struct value *v) {
    if (v->kind == VALUE_OBJECT) t->base.ops->free(&t->base, v->obj);
    v->kind = VALUE_NONE;
}

TEST("a hash that never had an expiry has none to look for, and one whose last has gone neither") {
    struct toy t;
    toy_init(&t, 1, 0);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_HASH);
    slice pair[2] = {SLICE("a"), SLICE("1")}, persist[2] = {SLICE(""), SLICE("a")};
    apply(&t, &v, &store, HASH_SET, pair, 2);
    apply(&t, &v, &store, HASH_EXPIRE, persist, 2);
    CHECK(!hash_timed(&v));
    CHECK_STR(type_hash.encoding(&v), "listpack");
    CHECK_INT(look_at(&v), INT64_MAX);
    uint8_t at[8];
    put_u64(at, 17);
    persist[0] = slice_make(at, 8);
    apply(&t, &v, &store, HASH_EXPIRE, persist, 2);
    CHECK_INT(look_at(&v), 17);
    persist[0] = SLICE("");
    apply(&t, &v, &store, HASH_EXPIRE, persist, 2);
    CHECK_INT(look_at(&v), INT64_MAX);
    CHECK_STR(type_hash.encoding(&v), "listpackex"); /* For ever, as in Redis. */
    buf_free(&store);
    toy_deinit(&t);
}

TEST("effects that no server makes are refused, and nothing changes") {
    struct toy t;
    toy_init(&t, 1, 0);
    buf store = BUF_INIT;
    struct value v = made(&t, &store, 4);
    uint8_t zero[8] = {0}, late[8], seven[7] = {1};
    put_u64(late, (uint64_t)HASH_EXPIRE_MAX + 1);
    slice bad[][2] = {{slice_make(zero, 8), SLICE("field:1")},
                      {slice_make(late, 8), SLICE("field:1")},
                      {slice_make(seven, 7), SLICE("field:1")}};
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(toy_apply(&t, &type_hash, &v, &store, HASH_EXPIRE, bad[i], 2), ERR_CORRUPT);
    CHECK_INT(toy_apply(&t, &type_hash, &v, &store, HASH_EXPIRE, bad[0], 1), ERR_CORRUPT);
    CHECK_INT(toy_apply(&t, &type_hash, &v, &store, HASH_SET_KEEP, bad[0], 1), ERR_CORRUPT);
    CHECK_INT(hash_len(&v), 4);
    /* One more than there is room for in Redis's 48 bits less 2; and the last one that is. */
    put_u64(late, (uint64_t)HASH_EXPIRE_MAX);
    apply(&t, &v, &store, HASH_EXPIRE, bad[1], 2);
    slice val;
    char tmp[NUM_LL_MAX];
    int64_t expire_ms;
    CHECK_INT(hash_get_timed(&v, SLICE("field:1"), &val, &expire_ms, tmp), OK);
    CHECK_INT(expire_ms, HASH_EXPIRE_MAX);
    drop(&t, &v);
    buf_free(&store);
    toy_deinit(&t);
}

TEST("the largest pair that a hash takes can have an expiry") {
    struct toy t;
    toy_init(&t, 1, 0);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_HASH);
    size_t n = 4 << 20;
    uint8_t *bytes = mem_calloc(1, n), at[8];
    char tmp[NUM_LL_MAX];
    slice field = slice_make(bytes, KEY_BYTES_MAX), val;
    while (hash_pair_ok(field, slice_make(bytes, n)) != OK) n--;
    slice pair[2] = {field, slice_make(bytes, n)}, expire[2] = {slice_make(at, 8), field};
    int64_t expire_ms;
    put_u64(at, 99);
    apply(&t, &v, &store, HASH_SET, pair, 2);
    apply(&t, &v, &store, HASH_EXPIRE, expire, 2);
    CHECK_INT(hash_get_timed(&v, field, &val, &expire_ms, tmp), OK);
    CHECK_INT(expire_ms, 99);
    CHECK(slice_eq(val, pair[1]));
    apply(&t, &v, &store, HASH_SET_KEEP, pair, 2);
    CHECK_INT(hash_get_timed(&v, field, &val, &expire_ms, tmp), OK);
    CHECK_INT(expire_ms, 99);
    drop(&t, &v);
    mem_free(bytes);
    buf_free(&store);
    toy_deinit(&t);
}

/* ---- dumps ---------------------------------------------------------------------------------- */

static int restore(struct toy *t, slice dump, struct value *w) {
    *w = toy_value(t, TYPE_HASH);
    t->scratch.n = 0;
    reader r = reader_make(slice_make(dump.p + 1, dump.n - 1));
    int rc = type_hash.restore(w, dump.p[0], &r, RDB_VERSION_HASH_TIMES);
    if (rc == OK) CHECK_INT(reader_left(&r), 0);
    return rc;
}

static void round_trip(struct toy *t, int fields, uint8_t want_type) {
    buf store = BUF_INIT, dump = BUF_INIT;
    struct value v = made(t, &store, fields), w;
    uint8_t a[20] = {0}, b[20] = {0};
    CHECK_INT(type_hash.dump(&v, &dump), OK);
    CHECK_INT(dump.p[0], want_type);
    CHECK_INT(restore(t, slice_of(&dump), &w), OK);
    CHECK_INT(type_hash.digest(&v, a), OK);
    CHECK_INT(type_hash.digest(&w, b), OK);
    CHECK(memcmp(a, b, 20) == 0);
    CHECK_STR(type_hash.encoding(&w), type_hash.encoding(&v));
    for (int i = 0; i < fields; i++) {
        char tmp[64], num[NUM_LL_MAX];
        int64_t expire_ms;
        CHECK_INT(hash_get_timed(&w, field_of(i, tmp), NULL, &expire_ms, num), OK);
        CHECK_INT(expire_ms, i % 2 == 0 ? START_MS + i : 0);
    }
    CHECK(look_at(&w) <= START_MS);
    drop(t, &w);
    rnd r;
    rnd_seed(&r, 78);
    for (int i = 0; i < 3000; i++) { /* Damage: refused, or sound. */
        char why[160];
        uint8_t *copy = mem_alloc(dump.n);
        memcpy(copy, dump.p, dump.n);
        copy[rnd_below(&r, dump.n)] = (uint8_t)rnd_u64(&r);
        reader in = reader_make(slice_make(copy, dump.n - (rnd_below(&r, 3) == 0 ? rnd_below(&r, dump.n) : 0)));
        uint8_t type = read_u8(&in);
        w = toy_value(t, TYPE_HASH);
        t->scratch.n = 0;
        if (type_hash.restore(&w, type, &in, RDB_VERSION_HASH_TIMES) == OK)
            CHECK_INT(type_hash.check(&w, why), OK);
        drop(t, &w);
        mem_free(copy);
    }
    drop(t, &v);
    buf_free(&store);
    buf_free(&dump);
}

TEST("dump and restore keep the expiries; damaged payloads are refused or sound") {
    struct toy t;
    toy_init(&t, 6, 0);
    round_trip(&t, 5, RDB_HASH_LISTPACK_EX);
    round_trip(&t, 120, RDB_HASH_LISTPACK_EX);
    round_trip(&t, 300, RDB_HASH_METADATA);
    toy_deinit(&t);
}

TEST("a dump leaves out what has expired; of a hash where all has, it has all; without expiries it is an old one") {
    struct toy t;
    toy_init(&t, 6, 0);
    for (int fields = 7; fields <= 300; fields += 293) {
        buf store = BUF_INIT, dump = BUF_INIT;
        struct value v = made(&t, &store, fields), w;
        v.now_ms = START_MS + 3; /* field:0 and field:2 have expired. */
        CHECK_INT(type_hash.dump(&v, &dump), OK);
        CHECK_INT(restore(&t, slice_of(&dump), &w), OK);
        CHECK_INT(hash_len(&w), (uint64_t)fields - 2);
        CHECK_INT(hash_get(&w, SLICE("field:2"), NULL, (char[NUM_LL_MAX]){0}), ERR_NOTFOUND);
        CHECK_INT(hash_get(&w, SLICE("field:4"), NULL, (char[NUM_LL_MAX]){0}), OK);
        drop(&t, &w);
        dump.n = 0;
        v.now_ms = START_MS + fields;
        CHECK_INT(type_hash.dump(&v, &dump), OK);
        CHECK_INT(dump.p[0], fields == 7 ? RDB_HASH_LISTPACK : RDB_HASH);
        CHECK_INT(restore(&t, slice_of(&dump), &w), OK);
        CHECK_INT(hash_len(&w), (uint64_t)fields / 2);
        drop(&t, &w);
        for (int i = 1; i < fields; i += 2) {
            char tmp[64];
            slice field = field_of(i, tmp);
            apply(&t, &v, &store, HASH_DEL, &field, 1);
        }
        dump.n = 0;
        CHECK_INT(type_hash.dump(&v, &dump), OK);
        CHECK_INT(restore(&t, slice_of(&dump), &w), OK);
        CHECK_INT(hash_len(&w), ((uint64_t)fields + 1) / 2);
        drop(&t, &w);
        drop(&t, &v);
        buf_free(&store);
        buf_free(&dump);
    }
    toy_deinit(&t);
}

/* Recorded from Redis 8.2.3, but for the two forms that it had before 7.4 was done. */
TEST("payloads of Redis are taken, older forms too, and wrong expiries refused") {
    struct toy t;
    toy_init(&t, 6, 0);
    static const int64_t T = 4000000000000;
    struct value w;
    char tmp[NUM_LL_MAX];
    int64_t expire_ms;
    slice ok[] = {
        SLICE("\x18\x00\x40\x94\x52\xa3\x03\x00\x00\x02\x01\x01" "a\xc0\x01\x00\x01" "b\xc0\x02"),
        SLICE("\x16\x02\x81\x00\x00\x03\xa3\x52\x94\x40\x00\x01" "a\xc0\x01\x00\x01" "b\xc0\x02"),
        SLICE("\x19\x00\x40\x94\x52\xa3\x03\x00\x00\x1d\x1d\x00\x00\x00\x06\x00\x81" "a\x02\x01\x01\xf4\x00\x40"
              "\x94\x52\xa3\x03\x00\x00\x09\x81" "b\x02\x02\x01\x00\x01\xff"),
        SLICE("\x17\x1d\x1d\x00\x00\x00\x06\x00\x81" "a\x02\x01\x01\xf4\x00\x40"
              "\x94\x52\xa3\x03\x00\x00\x09\x81" "b\x02\x02\x01\x00\x01\xff")};
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(restore(&t, ok[i], &w), OK);
        CHECK_INT(hash_len(&w), 2);
        CHECK_INT(hash_get_timed(&w, SLICE("a"), NULL, &expire_ms, tmp), OK);
        CHECK_INT(expire_ms, T);
        CHECK_INT(hash_get_timed(&w, SLICE("b"), NULL, &expire_ms, tmp), OK);
        CHECK_INT(expire_ms, 0);
        drop(&t, &w);
    }
    slice bad[] = {
        /* A field twice; none; later than can be; an odd number of elements; an expiry that is a word. */
        SLICE("\x18\x00\x40\x94\x52\xa3\x03\x00\x00\x02\x01\x01" "a\xc0\x01\x00\x01" "a\xc0\x02"),
        SLICE("\x18\x00\x40\x94\x52\xa3\x03\x00\x00\x00"),
        SLICE("\x18\xff\xff\xff\xff\xff\x3f\x00\x00\x02\x02\x01" "a\xc0\x01\x00\x01" "b\xc0\x02"),
        SLICE("\x18\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01\x01" "a\xc0\x01\x00\x01" "b\xc0\x02"),
        SLICE("\x17\x0c\x0c\x00\x00\x00\x02\x00\x81" "a\x02\x01\x01\xff"),
        SLICE("\x17\x0f\x0f\x00\x00\x00\x03\x00\x81" "a\x02\x01\x01\x81" "x\x02\xff")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) CHECK_INT(restore(&t, bad[i], &w), ERR_CORRUPT);
    toy_deinit(&t);
}
