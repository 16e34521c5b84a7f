/* set_test.c -- sets against an array of flags, over every representation, with cold pages; dump
 * and restore; what Redis would say of the encoding. */
#include "test.h"

#include "base/intset.h"
#include "base/listpack.h"
#include "base/mem.h"
#include "tests/model/toy_pager.c"
#include "types/rdb.h"
#include "types/set.h"

#define MEMBERS 3000

struct model {
    bool there[MEMBERS];
    size_t count;
    bool words; /* members are words, else integers */
    int64_t scale;
};

static slice member_of(const struct model *m, int i, char tmp[128]) {
    int n = m->words ? snprintf(tmp, 128, "member-%0*d", i % 7 * 5, i)
                     : snprintf(tmp, 128, "%" PRId64, (i - MEMBERS / 2) * m->scale);
    return slice_make(tmp, (size_t)n);
}

static int index_of(const struct model *m, slice s) {
    char text[128] = {0};
    CHECK(s.n < sizeof(text));
    memcpy(text, s.p, s.n);
    if (m->words) return (int)strtol(text + 7, NULL, 10);
    return (int)(strtoll(text, NULL, 10) / m->scale) + MEMBERS / 2;
}

struct walk {
    const struct model *m;
    bool seen[MEMBERS];
    size_t calls;
};

static int walk_member(void *cookie, slice member) {
    struct walk *w = cookie;
    int i = index_of(w->m, member);
    CHECK(i >= 0 && i < MEMBERS && w->m->there[i] && !w->seen[i]);
    w->seen[i] = true;
    w->calls++;
    return 0;
}

static void compare(struct toy *t, struct value *v, const struct model *m) {
    char tmp[128], why[160] = "";
    CHECK_INT(set_len(v), m->count);
    for (int i = 0; i < MEMBERS; i++) {
        int rc;
        while ((rc = set_has(v, member_of(m, i, tmp))) == ERR_COLD) CHECK(toy_fetch(t) > 0);
        CHECK_INT(rc, m->there[i] ? OK : ERR_NOTFOUND);
    }
    static struct walk w;
    memset(&w, 0, sizeof(w));
    w.m = m;
    int rc;
    while ((rc = set_each(v, walk_member, &w)) == ERR_COLD) {
        CHECK_INT(w.calls, 0);
        CHECK(toy_fetch(t) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(w.calls, m->count);
    toy_chill(t);
    slice s;
    while ((rc = set_random(v, rnd_u64(&t->r), &s, tmp)) == ERR_COLD) CHECK(toy_fetch(t) > 0);
    CHECK_INT(rc, m->count == 0 ? ERR_NOTFOUND : OK);
    if (rc == OK) CHECK(m->there[index_of(m, s)]);
    toy_warm(t);
    rc = v->kind == VALUE_NONE ? OK : type_set.check(v, why);
    if (rc != OK) printf("# %s\n", why);
    CHECK_INT(rc, OK);
}

static void random_op(struct toy *t, struct value *v, buf *store, struct model *m, rnd *r,
                      int members, bool stores) {
    slice args[12];
    char names[12][128];
    size_t n = 1 + rnd_below(r, 12);
    uint64_t what = rnd_below(r, 1000);
    uint8_t op = what < 2 && stores ? SET_STORE : what < 700 ? SET_ADD : SET_REM;
    if (op == SET_STORE) {
        memset(m->there, 0, sizeof(m->there));
        m->count = 0;
    }
    for (size_t k = 0; k < n; k++) {
        int i = (int)rnd_below(r, (uint64_t)members);
        args[k] = member_of(m, i, names[k]);
        if (op == SET_REM) m->count -= m->there[i];
        else m->count += !m->there[i];
        m->there[i] = op != SET_REM;
    }
    CHECK_INT(toy_apply(t, &type_set, v, store, op, args, n), OK);
}

static void run(uint64_t seed, int members, bool words, int64_t scale, int steps,
                const char *encoding, uint8_t kind) {
    struct toy t;
    toy_init(&t, seed, 30);
    if (kind == VALUE_OBJECT) t.config.set_max_intset_entries = 100000;
    static struct model m;
    memset(&m, 0, sizeof(m));
    m.words = words;
    m.scale = scale;
    rnd r;
    rnd_seed(&r, seed + 1);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_SET);
    for (int i = 0; i < steps; i++) {
        random_op(&t, &v, &store, &m, &r, members, i < steps / 2);
        if (i % 50 == 0) compare(&t, &v, &m);
        if (i % 97 == 0) toy_chill(&t);
    }
    compare(&t, &v, &m);
    if (v.kind != VALUE_NONE) CHECK_STR(type_set.encoding(&v), encoding);
    if (kind != VALUE_NONE) CHECK_INT(v.kind, kind);
    for (int i = 0; i < MEMBERS; i++) {
        char tmp[128];
        slice arg = member_of(&m, i, tmp);
        CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_REM, &arg, 1), OK);
    }
    CHECK_INT(v.kind, VALUE_NONE);
    buf_free(&store);
    toy_deinit(&t);
}

TEST("few integers stay an inline intset") { run(1, 100, false, 1, 1500, "intset", VALUE_RAW); }
TEST("more integers are a page") { run(2, 480, false, 100000, 1500, "intset", VALUE_OBJECT); }
TEST("over 512 integers it is a table") { run(3, 3000, false, 7, 2000, "hashtable", VALUE_NONE); }
TEST("an intset over a page is a table that calls itself intset") {
    struct toy t;
    toy_init(&t, 9, 30);
    t.config.set_max_intset_entries = 100000;
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_SET);
    for (int i = 0; i < 20000; i++) {
        char tmp[NUM_LL_MAX];
        slice arg = slice_make(tmp, num_print_ll(tmp, (int64_t)i << 33));
        if (i % 1000 == 0) toy_chill(&t);
        CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_ADD, &arg, 1), OK);
    }
    toy_warm(&t);
    CHECK_STR(type_set.encoding(&v), "intset");
    CHECK(t.base.ops->pages(v.obj) > 4);
    CHECK_INT(set_len(&v), 20000);
    slice word = SLICE("word");
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_ADD, &word, 1), OK);
    CHECK_STR(type_set.encoding(&v), "hashtable");
    CHECK_INT(set_len(&v), 20001);
    t.base.ops->free(&t.base, v.obj);
    buf_free(&store);
    toy_deinit(&t);
}
TEST("few words are inline") { run(4, 12, true, 1, 1500, "hashtable", VALUE_NONE); }
TEST("many words are a table") { run(5, 3000, true, 1, 2500, "hashtable", VALUE_NONE); }

static void add_one(struct toy *t, struct value *v, buf *store, const char *word) {
    slice arg = slice_str(word);
    CHECK_INT(toy_apply(t, &type_set, v, store, SET_ADD, &arg, 1), OK);
}

TEST("OBJECT ENCODING follows the members and the threshold, and hashtable stays") {
    struct toy t;
    toy_init(&t, 1, 0);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_SET);
    char tmp[32];
    for (int i = 0; i < 512; i++) {
        snprintf(tmp, sizeof(tmp), "%d", i);
        add_one(&t, &v, &store, tmp);
    }
    CHECK_STR(type_set.encoding(&v), "intset");
    add_one(&t, &v, &store, "512");
    CHECK_STR(type_set.encoding(&v), "hashtable");
    slice few[2] = {SLICE("1"), SLICE("2")};
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_STORE, few, 2), OK);
    CHECK_STR(type_set.encoding(&v), "intset");
    CHECK_INT(v.kind, VALUE_RAW);
    add_one(&t, &v, &store, "01");
    CHECK_STR(type_set.encoding(&v), "hashtable");
    CHECK_INT(v.kind, VALUE_RAW);
    slice odd = SLICE("01");
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_REM, &odd, 1), OK);
    CHECK_STR(type_set.encoding(&v), "hashtable");
    CHECK_INT(set_len(&v), 2);
    t.config.set_max_intset_entries = 0;
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_STORE, few, 1), OK);
    CHECK_STR(type_set.encoding(&v), "hashtable");
    buf_free(&store);
    toy_deinit(&t);
}

TEST("effects that make no sense are refused") {
    struct toy t;
    toy_init(&t, 1, 0);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_SET);
    slice huge = slice_make(mem_calloc(1, KEY_BYTES_MAX + 1), KEY_BYTES_MAX + 1);
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_ADD, &huge, 1), ERR_CORRUPT);
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_ADD, &huge, 0), ERR_CORRUPT);
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, 9, &huge, 1), ERR_CORRUPT);
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_REM, &huge, 1), OK);
    CHECK_INT(v.kind, VALUE_NONE);
    huge.n = KEY_BYTES_MAX;
    CHECK_INT(toy_apply(&t, &type_set, &v, &store, SET_ADD, &huge, 1), OK);
    CHECK_INT(set_has(&v, huge), OK);
    t.base.ops->free(&t.base, v.obj);
    mem_free((void *)huge.p);
    toy_deinit(&t);
}

static int restore(struct toy *t, uint8_t type, slice payload, struct value *w) {
    *w = toy_value(t, TYPE_SET);
    t->scratch.n = 0;
    reader r = reader_make(payload);
    return type_set.restore(w, type, &r, RDB_VERSION);
}

static void release(struct toy *t, struct value *w) {
    if (w->kind == VALUE_OBJECT) t->base.ops->free(&t->base, w->obj);
}

static void damage(struct toy *t, slice dump) {
    rnd rn;
    rnd_seed(&rn, 77);
    for (int i = 0; i < 3000; i++) {
        struct value w;
        char why[160];
        uint8_t *copy = mem_alloc(dump.n);
        memcpy(copy, dump.p, dump.n);
        copy[rnd_below(&rn, dump.n)] = (uint8_t)rnd_u64(&rn);
        size_t n = rnd_below(&rn, 3) == 0 ? 1 + rnd_below(&rn, dump.n - 1) : dump.n;
        int rc = restore(t, copy[0], slice_make(copy + 1, n - 1), &w);
        if (rc == OK) CHECK_INT(type_set.check(&w, why), OK);
        if (rc == OK) release(t, &w);
        mem_free(copy);
    }
}

static void round_trip(struct toy *t, int members, bool words, uint8_t want_type) {
    buf store = BUF_INIT, dump = BUF_INIT;
    struct value v = toy_value(t, TYPE_SET), w;
    static struct model m;
    memset(&m, 0, sizeof(m));
    m.words = words;
    m.scale = 1000;
    m.count = (size_t)members;
    for (int i = 0; i < members; i++) {
        char tmp[128];
        slice arg = member_of(&m, i, tmp);
        m.there[i] = true;
        CHECK_INT(toy_apply(t, &type_set, &v, &store, SET_ADD, &arg, 1), OK);
    }
    toy_warm(t);
    CHECK_INT(type_set.dump(&v, &dump), OK);
    CHECK_INT(dump.p[0], want_type);
    CHECK_INT(restore(t, dump.p[0], slice_make(dump.p + 1, dump.n - 1), &w), OK);
    buf kept = BUF_INIT; /* as the keyspace does with what is inline */
    if (w.kind == VALUE_RAW) {
        buf_append_slice(&kept, w.raw);
        w.raw = slice_of(&kept);
    }
    compare(t, &w, &m);
    CHECK_STR(type_set.encoding(&w), type_set.encoding(&v));
    uint8_t a[20] = {0}, b[20] = {0};
    CHECK_INT(type_set.digest(&v, a), OK);
    CHECK_INT(type_set.digest(&w, b), OK);
    CHECK(memcmp(a, b, 20) == 0);
    release(t, &w);
    damage(t, slice_of(&dump));
    release(t, &v);
    buf_free(&kept);
    buf_free(&store);
    buf_free(&dump);
}

TEST("dump and restore give the same set; damaged payloads are refused or sound") {
    struct toy t;
    toy_init(&t, 6, 0);
    round_trip(&t, 3, false, RDB_SET_INTSET);
    round_trip(&t, 500, false, RDB_SET_INTSET);
    round_trip(&t, 700, false, RDB_SET);
    round_trip(&t, 3, true, RDB_SET);
    round_trip(&t, 300, true, RDB_SET);
    toy_deinit(&t);
}

TEST("restore takes intsets, members and listpacks; not empty ones, nor members that come twice") {
    struct toy t;
    toy_init(&t, 6, 0);
    struct value w;
    CHECK_INT(restore(&t, RDB_SET, SLICE("\x00"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_SET, SLICE("\x02\x01" "a\x01" "a"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_SET, SLICE("\x02\x01" "7\xC0\x07"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_SET, SLICE("\x02\x01" "a\xC0\x07"), &w), OK);
    CHECK_STR(type_set.encoding(&w), "hashtable");
    CHECK_INT(set_has(&w, SLICE("7")), OK);
    CHECK_INT(restore(&t, RDB_SET, SLICE("\x02\x01" "8\xC0\x07"), &w), OK);
    CHECK_STR(type_set.encoding(&w), "intset");
    CHECK_INT(restore(&t, RDB_SET_INTSET, SLICE("\x08\2\0\0\0\0\0\0\0"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_SET_INTSET, SLICE("\x0C\2\0\0\0\2\0\0\0\1\0\1\0"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_SET_INTSET, SLICE("\x0C\2\0\0\0\2\0\0\0\1\0\2\0"), &w), OK);
    CHECK_STR(type_set.encoding(&w), "intset");
    t.config.set_max_intset_entries = 1;
    CHECK_INT(restore(&t, RDB_SET_INTSET, SLICE("\x0C\2\0\0\0\2\0\0\0\1\0\2\0"), &w), OK);
    CHECK_STR(type_set.encoding(&w), "hashtable");
    const char *tries[][3] = {{NULL, NULL, NULL}, {"a", "b", "a"}, {"a", "b", "12"}};
    for (int i = 0; i < 3; i++) {
        buf lp = BUF_INIT, payload = BUF_INIT;
        lp_new(&lp);
        for (int k = 0; k < 3 && tries[i][k] != NULL; k++) lp_append(&lp, slice_str(tries[i][k]));
        rdb_write_string(&payload, slice_of(&lp));
        int rc = restore(&t, RDB_SET_LISTPACK, slice_of(&payload), &w);
        CHECK_INT(rc, i == 2 ? OK : ERR_CORRUPT);
        if (rc == OK) CHECK_INT(set_has(&w, SLICE("12")), OK);
        buf_free(&lp);
        buf_free(&payload);
    }
    toy_deinit(&t);
}
