/* hash_test.c -- hashes against a naive ordered map, over every representation, with cold pages;
 * dump and restore; what Redis would say of the encoding. */
#include "test.h"

#include "base/listpack.h"
#include "base/mem.h"
#include "tests/model/toy_pager.c"
#include "types/hash.h"
#include "types/rdb.h"

#define FIELDS 400

struct model {
    char val[FIELDS][160];
    int order[FIELDS]; /* position of insertion; 0: not there */
    int next;
    size_t count;
};

static slice field_of(int i, char tmp[64], int width) {
    return slice_make(tmp, (size_t)snprintf(tmp, 64, "%0*d", width, i));
}

static int get(struct toy *t, struct value *v, slice field, slice *val, char *tmp) {
    for (;;) {
        int rc = hash_get(v, field, val, tmp);
        if (rc != ERR_COLD) return rc;
        CHECK(toy_fetch(t) > 0);
    }
}

struct walk {
    struct model *m;
    size_t calls;
    int last;
    bool ordered;
};

static int walk_pair(void *cookie, slice field, slice val) {
    struct walk *w = cookie;
    char text[64] = {0};
    memcpy(text, field.p, field.n);
    int i = (int)strtol(text, NULL, 10);
    CHECK(w->m->order[i] != 0);
    CHECK(slice_eq(val, slice_str(w->m->val[i])));
    if (w->m->order[i] < w->last) w->ordered = false;
    w->last = w->m->order[i];
    w->calls++;
    return 0;
}

static void compare(struct toy *t, struct value *v, struct model *m, int width) {
    char tmp[64], num[NUM_LL_MAX], why[160] = "";
    CHECK_INT(hash_len(v), m->count);
    for (int i = 0; i < FIELDS; i++) {
        slice val;
        int rc = get(t, v, field_of(i, tmp, width), &val, num);
        CHECK_INT(rc, m->order[i] == 0 ? ERR_NOTFOUND : OK);
        if (rc == OK) CHECK(slice_eq(val, slice_str(m->val[i])));
    }
    struct walk w = {m, 0, 0, true};
    int rc;
    while ((rc = hash_each(v, walk_pair, &w)) == ERR_COLD) {
        CHECK_INT(w.calls, 0);
        CHECK(toy_fetch(t) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(w.calls, m->count);
    if (v->kind != VALUE_NONE && strcmp(type_hash.encoding(v), "listpack") == 0) CHECK(w.ordered);
    toy_warm(t);
    rc = v->kind == VALUE_NONE ? OK : type_hash.check(v, why);
    if (rc != OK) printf("# %s\n", why);
    CHECK_INT(rc, OK);
}

static void random_op(struct toy *t, struct value *v, buf *store, struct model *m, rnd *r,
                      int fields, int width, int longest) {
    slice args[16];
    char names[16][64];
    size_t n = 1 + rnd_below(r, 6);
    bool set = rnd_below(r, 3) > 0;
    size_t argc = 0;
    for (size_t k = 0; k < n; k++) {
        int i = (int)rnd_below(r, (uint64_t)fields);
        args[argc++] = field_of(i, names[k], width);
        if (set) {
            size_t len = rnd_below(r, (uint64_t)longest);
            memset(m->val[i], (int)('0' + rnd_below(r, 10)), len);
            m->val[i][len] = 0;
            args[argc++] = slice_str(m->val[i]);
            if (m->order[i] == 0) {
                m->order[i] = ++m->next;
                m->count++;
            }
        } else {
            m->count -= m->order[i] != 0;
            m->order[i] = 0;
        }
    }
    /* A field that comes twice: the last value counts, and all of its arguments are that one. */
    CHECK_INT(toy_apply(t, &type_hash, v, store, set ? HASH_SET : HASH_DEL, args, argc), OK);
}

static void run(uint64_t seed, int fields, int width, int longest, int steps, const char *encoding) {
    struct toy t;
    toy_init(&t, seed, 30);
    static struct model m;
    memset(&m, 0, sizeof(m));
    rnd r;
    rnd_seed(&r, seed + 1);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_HASH);
    for (int i = 0; i < steps; i++) {
        random_op(&t, &v, &store, &m, &r, fields, width, longest);
        if (i % 25 == 0) compare(&t, &v, &m, width);
        if (i % 97 == 0) toy_chill(&t);
    }
    compare(&t, &v, &m, width);
    CHECK_STR(type_hash.encoding(&v), encoding);
    for (int i = 0; i < fields; i++) {
        char tmp[64];
        slice arg = field_of(i, tmp, width);
        CHECK_INT(toy_apply(&t, &type_hash, &v, &store, HASH_DEL, &arg, 1), OK);
    }
    CHECK_INT(v.kind, VALUE_NONE);
    buf_free(&store);
    toy_deinit(&t);
}

TEST("a hash of few fields stays a listpack, in order") { run(1, 20, 1, 20, 1500, "listpack"); }
TEST("a listpack over the inline size has a page, in order") { run(2, 100, 12, 60, 1500, "listpack"); }
TEST("over 128 fields it is a table") { run(3, 400, 3, 30, 2500, "hashtable"); }
TEST("a value over 64 bytes makes it a table") { run(4, 20, 2, 100, 1500, "hashtable"); }

static void set_one(struct toy *t, struct value *v, buf *store, slice field, slice val) {
    slice args[2] = {field, val};
    CHECK_INT(toy_apply(t, &type_hash, v, store, HASH_SET, args, 2), OK);
}

TEST("OBJECT ENCODING follows the thresholds, and a table stays one") {
    struct toy t;
    toy_init(&t, 1, 0);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_HASH);
    char tmp[64], big[65];
    memset(big, 'x', 65);
    for (int i = 0; i < 128; i++) set_one(&t, &v, &store, field_of(i, tmp, 1), SLICE("v"));
    CHECK_STR(type_hash.encoding(&v), "listpack");
    set_one(&t, &v, &store, SLICE("0"), slice_make(big, 64));
    CHECK_STR(type_hash.encoding(&v), "listpack");
    set_one(&t, &v, &store, SLICE("more"), SLICE("v"));
    CHECK_STR(type_hash.encoding(&v), "hashtable");
    for (int i = 0; i < 128; i++) {
        slice arg = field_of(i, tmp, 1);
        CHECK_INT(toy_apply(&t, &type_hash, &v, &store, HASH_DEL, &arg, 1), OK);
    }
    CHECK_INT(hash_len(&v), 1);
    CHECK_STR(type_hash.encoding(&v), "hashtable");
    slice more = SLICE("more");
    CHECK_INT(toy_apply(&t, &type_hash, &v, &store, HASH_DEL, &more, 1), OK);
    set_one(&t, &v, &store, slice_make(big, 65), SLICE("v"));
    CHECK_STR(type_hash.encoding(&v), "hashtable");
    t.base.ops->free(&t.base, v.obj);
    v = toy_value(&t, TYPE_HASH);
    /* Within generous thresholds, but more than a page: a table that still says listpack. */
    t.config.hash_max_listpack_entries = 10000;
    t.config.hash_max_listpack_value = 10000;
    for (int i = 0; i < 2000; i++) set_one(&t, &v, &store, field_of(i, tmp, 1), slice_make(big, 60));
    CHECK_STR(type_hash.encoding(&v), "listpack");
    CHECK_INT(hash_len(&v), 2000);
    CHECK(t.base.ops->pages(v.obj) > 4);
    t.config.hash_max_listpack_value = 64;
    set_one(&t, &v, &store, SLICE("x"), slice_make(big, 65));
    CHECK_STR(type_hash.encoding(&v), "hashtable");
    t.base.ops->free(&t.base, v.obj);
    buf_free(&store);
    toy_deinit(&t);
}

static void round_trip(struct toy *t, int fields, int len, uint8_t want_type) {
    buf store = BUF_INIT, dump = BUF_INIT;
    struct value v = toy_value(t, TYPE_HASH), w = toy_value(t, TYPE_HASH);
    static struct model m;
    memset(&m, 0, sizeof(m));
    char tmp[64];
    for (int i = 0; i < fields; i++) {
        snprintf(m.val[i], 160, "%0*d", len, i * 37);
        m.order[i] = i + 1;
        set_one(t, &v, &store, field_of(i, tmp, 1), slice_str(m.val[i]));
    }
    m.count = (size_t)fields;
    CHECK_INT(type_hash.dump(&v, &dump), OK);
    CHECK_INT(dump.p[0], want_type);
    reader r = reader_make(slice_make(dump.p + 1, dump.n - 1));
    t->scratch.n = 0;
    CHECK_INT(type_hash.restore(&w, dump.p[0], &r, RDB_VERSION), OK);
    CHECK_INT(reader_left(&r), 0);
    compare(t, &w, &m, 1);
    CHECK_STR(type_hash.encoding(&w), type_hash.encoding(&v));
    uint8_t a[20] = {0}, b[20] = {0};
    CHECK_INT(type_hash.digest(&v, a), OK);
    CHECK_INT(type_hash.digest(&w, b), OK);
    CHECK(memcmp(a, b, 20) == 0);
    if (w.kind == VALUE_OBJECT) t->base.ops->free(&t->base, w.obj);
    /* Damage: taken or refused, and nothing is lost (toy_deinit and the sanitizer see). */
    rnd rn;
    rnd_seed(&rn, 77);
    for (int i = 0; i < 3000; i++) {
        uint8_t *copy = mem_alloc(dump.n);
        memcpy(copy, dump.p, dump.n);
        copy[rnd_below(&rn, dump.n)] = (uint8_t)rnd_u64(&rn);
        size_t n = rnd_below(&rn, 3) == 0 ? rnd_below(&rn, dump.n) : dump.n;
        reader in = reader_make(slice_make(copy, n));
        uint8_t type = read_u8(&in);
        w = toy_value(t, TYPE_HASH);
        t->scratch.n = 0;
        int rc = type_hash.restore(&w, type, &in, RDB_VERSION);
        char why[160];
        if (rc == OK) CHECK_INT(type_hash.check(&w, why), OK);
        if (rc == OK && w.kind == VALUE_OBJECT) t->base.ops->free(&t->base, w.obj);
        mem_free(copy);
    }
    if (v.kind == VALUE_OBJECT) t->base.ops->free(&t->base, v.obj);
    buf_free(&store);
    buf_free(&dump);
}

TEST("dump and restore give the same hash; damaged payloads are refused or sound") {
    struct toy t;
    toy_init(&t, 6, 0);
    round_trip(&t, 5, 3, RDB_HASH_LISTPACK);
    round_trip(&t, 120, 40, RDB_HASH_LISTPACK);
    round_trip(&t, 300, 10, RDB_HASH);
    round_trip(&t, 3, 100, RDB_HASH);
    toy_deinit(&t);
}

static int restore(struct toy *t, uint8_t type, slice payload, struct value *w) {
    *w = toy_value(t, TYPE_HASH);
    t->scratch.n = 0;
    reader r = reader_make(payload);
    return type_hash.restore(w, type, &r, RDB_VERSION);
}

TEST("restore refuses empty hashes, odd ones and fields that come twice") {
    struct toy t;
    toy_init(&t, 6, 0);
    struct value w;
    slice val;
    char tmp[NUM_LL_MAX];
    CHECK_INT(restore(&t, RDB_HASH, SLICE("\x00"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_HASH, SLICE("\x02\x01" "a\x01" "1\x01" "a\x01" "2"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_HASH, SLICE("\x02\x01" "a\x01" "1\x01" "b\xC0\x07"), &w), OK);
    CHECK_INT(hash_get(&w, SLICE("b"), &val, tmp), OK);
    CHECK_SLICE(val, "7");
    const char *bad[][3] = {{"a", "b", "c"}, {"a", "b", "a"}, {NULL, NULL, NULL}};
    for (int i = 0; i < 3; i++) {
        buf lp = BUF_INIT, payload = BUF_INIT;
        lp_new(&lp);
        for (int k = 0; k < 3 && bad[i][k] != NULL; k++) lp_append(&lp, slice_str(bad[i][k]));
        if (i == 1) lp_append(&lp, SLICE("d"));
        rdb_write_string(&payload, slice_of(&lp));
        CHECK_INT(restore(&t, RDB_HASH_LISTPACK, slice_of(&payload), &w), ERR_CORRUPT);
        buf_free(&lp);
        buf_free(&payload);
    }
    /* A ziplist of two pairs, and a zipmap of one. */
    slice zl = SLICE("\x19\x17\0\0\0" "\x14\0\0\0" "\x04\0" "\x00\x01" "a" "\x03\x01" "b"
                     "\x03\x01" "c" "\x03\xFE\xFD" "\xFF");
    CHECK_INT(restore(&t, RDB_HASH_ZIPLIST, slice_make(zl.p, zl.n), &w), ERR_CORRUPT);
    buf z = BUF_INIT, payload = BUF_INIT;
    buf_append(&z, zl.p + 1, zl.n - 1);
    put_u32(z.p, (uint32_t)z.n);
    put_u32(z.p + 4, (uint32_t)z.n - 4);
    rdb_write_string(&payload, slice_of(&z));
    CHECK_INT(restore(&t, RDB_HASH_ZIPLIST, slice_of(&payload), &w), OK);
    CHECK_INT(hash_len(&w), 2);
    CHECK_INT(hash_get(&w, SLICE("c"), &val, tmp), OK);
    CHECK_SLICE(val, "-3");
    payload.n = 0;
    rdb_write_string(&payload, SLICE("\x01\x03" "foo" "\x03\x00" "bar" "\xFF"));
    CHECK_INT(restore(&t, RDB_HASH_ZIPMAP, slice_of(&payload), &w), OK);
    CHECK_INT(hash_get(&w, SLICE("foo"), &val, tmp), OK);
    CHECK_SLICE(val, "bar");
    buf_free(&z);
    buf_free(&payload);
    toy_deinit(&t);
}

TEST("the digest of a hash does not depend on the order") {
    struct toy t;
    toy_init(&t, 6, 0);
    buf s1 = BUF_INIT, s2 = BUF_INIT;
    struct value v = toy_value(&t, TYPE_HASH), w = toy_value(&t, TYPE_HASH);
    set_one(&t, &v, &s1, SLICE("a"), SLICE("1"));
    set_one(&t, &v, &s1, SLICE("b"), SLICE("2"));
    set_one(&t, &w, &s2, SLICE("b"), SLICE("2"));
    set_one(&t, &w, &s2, SLICE("a"), SLICE("1"));
    uint8_t a[20] = {0}, b[20] = {0};
    CHECK_INT(type_hash.digest(&v, a), OK);
    CHECK_INT(type_hash.digest(&w, b), OK);
    CHECK(memcmp(a, b, 20) == 0);
    set_one(&t, &w, &s2, SLICE("a"), SLICE("3"));
    memset(b, 0, 20);
    CHECK_INT(type_hash.digest(&w, b), OK);
    CHECK(memcmp(a, b, 20) != 0);
    buf_free(&s1);
    buf_free(&s2);
    toy_deinit(&t);
}

TEST("random pairs come from all of the hash, small or large") {
    struct toy t;
    toy_init(&t, 6, 0);
    for (int fields = 5; fields <= 300; fields += 295) {
        buf store = BUF_INIT;
        struct value v = toy_value(&t, TYPE_HASH);
        char tmp[64], ft[NUM_LL_MAX], vt[NUM_LL_MAX];
        static int hits[FIELDS];
        memset(hits, 0, sizeof(hits));
        for (int i = 0; i < fields; i++)
            set_one(&t, &v, &store, field_of(i, tmp, 1), field_of(i, tmp, 1));
        rnd r;
        rnd_seed(&r, 3);
        for (int i = 0; i < fields * 40; i++) {
            slice field, val;
            CHECK_INT(hash_random(&v, rnd_u64(&r), &field, ft, &val, vt), OK);
            CHECK(slice_eq(field, val));
            int64_t n;
            CHECK(num_parse_ll(field, &n));
            hits[n]++;
        }
        for (int i = 0; i < fields; i++) CHECK(hits[i] > 5);
        if (v.kind == VALUE_OBJECT) t.base.ops->free(&t.base, v.obj);
        buf_free(&store);
    }
    toy_deinit(&t);
}
