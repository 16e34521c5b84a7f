/* string_test.c -- strings against plain bytes, with chunks that are cold at random. */
#include "test.h"

#include "base/limits.h"
#include "base/mem.h"
#include "tests/model/toy_pager.c"
#include "types/rdb.h"
#include "types/string.h"

static void read_all(struct toy *t, struct value *v, uint64_t offset, uint64_t len, buf *out) {
    for (;;) {
        out->n = 0;
        int rc = string_read(v, offset, len, out);
        if (rc == OK) return;
        CHECK_INT(rc, ERR_COLD);
        CHECK_INT(out->n, 0);
        CHECK(toy_fetch(t) > 0);
    }
}

static void set(struct toy *t, struct value *v, buf *store, const char *s) {
    slice arg = slice_str(s);
    CHECK_INT(toy_apply(t, &type_string, v, store, STRING_SET, &arg, 1), OK);
}

TEST("OBJECT ENCODING says what Redis says") {
    struct toy t;
    toy_init(&t, 1, 0);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_STRING);
    char text[60];
    memset(text, 'x', sizeof(text));
    slice ten = SLICE("10"), x = SLICE("x"), empty = SLICE("");

    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_APPEND, &ten, 1), OK);
    CHECK_STR(type_string.encoding(&v), "int");
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_APPEND, &ten, 1), OK);
    CHECK_STR(type_string.encoding(&v), "raw");
    CHECK_INT(string_len(&v), 4);
    uint8_t by[8];
    put_u64(by, 5);
    slice incr = slice_make(by, 8);
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_INCRBY, &incr, 1), OK);
    CHECK_STR(type_string.encoding(&v), "int");
    CHECK_INT(v.num, 1015);
    set(&t, &v, &store, "-0");
    CHECK_STR(type_string.encoding(&v), "embstr");
    set(&t, &v, &store, "9223372036854775807");
    CHECK_STR(type_string.encoding(&v), "int");
    set(&t, &v, &store, "9223372036854775808");
    CHECK_STR(type_string.encoding(&v), "embstr");
    text[44] = 0;
    set(&t, &v, &store, text);
    CHECK_STR(type_string.encoding(&v), "embstr");
    text[44] = 'x';
    text[45] = 0;
    set(&t, &v, &store, text);
    CHECK_STR(type_string.encoding(&v), "raw");
    set(&t, &v, &store, "short");
    uint8_t zero[8] = {0};
    slice range[2] = {slice_make(zero, 8), x};
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_SETRANGE, range, 2), OK);
    CHECK_STR(type_string.encoding(&v), "raw");
    CHECK_SLICE(v.raw, "xhort");
    set(&t, &v, &store, "again");
    CHECK_STR(type_string.encoding(&v), "embstr");
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_APPEND, &empty, 1), OK);
    CHECK_STR(type_string.encoding(&v), "raw");
    buf_free(&store);
    toy_deinit(&t);
}

struct model {
    uint8_t *p;
    size_t n;
};
#define MODEL_MAX 400000

static void model_write(struct model *m, size_t offset, slice s) {
    if (s.n == 0) return;
    if (offset > m->n) memset(m->p + m->n, 0, offset - m->n);
    memcpy(m->p + offset, s.p, s.n);
    if (offset + s.n > m->n) m->n = offset + s.n;
}

static void random_op(struct toy *t, struct value *v, buf *store, struct model *m, rnd *r) {
    static uint8_t bytes[100000];
    size_t n = rnd_below(r, rnd_below(r, 3) == 0 ? sizeof(bytes) : 300);
    rnd_bytes(r, bytes, n);
    slice s = slice_make(bytes, n);
    uint64_t what = rnd_below(r, 20);
    if (what == 0) {
        CHECK_INT(toy_apply(t, &type_string, v, store, STRING_SET, &s, 1), OK);
        m->n = 0;
        model_write(m, 0, s);
    } else if (what < 10) {
        if (m->n + n > MODEL_MAX) return;
        CHECK_INT(toy_apply(t, &type_string, v, store, STRING_APPEND, &s, 1), OK);
        model_write(m, m->n, s);
    } else {
        uint64_t offset = rnd_below(r, rnd_below(r, 2) ? MODEL_MAX - sizeof(bytes) : m->n + 10);
        if (offset + n > MODEL_MAX) return;
        uint8_t tmp[8];
        put_u64(tmp, offset);
        slice args[2] = {slice_make(tmp, 8), s};
        CHECK_INT(toy_apply(t, &type_string, v, store, STRING_SETRANGE, args, 2), OK);
        model_write(m, offset, s);
    }
}

TEST("a string is its bytes, whatever is written where, with cold chunks") {
    struct toy t;
    toy_init(&t, 5, 30);
    rnd r;
    rnd_seed(&r, 6);
    buf store = BUF_INIT, out = BUF_INIT;
    struct value v = toy_value(&t, TYPE_STRING);
    struct model m = {mem_alloc(MODEL_MAX), 0};
    char why[160];
    for (int i = 0; i < 1500; i++) {
        random_op(&t, &v, &store, &m, &r);
        CHECK_INT(string_len(&v), m.n);
        toy_chill(&t);
        read_all(&t, &v, 0, UINT64_MAX, &out);
        CHECK(slice_eq(slice_of(&out), slice_make(m.p, m.n)));
        size_t from = rnd_below(&r, m.n + 2), n = rnd_below(&r, m.n + 2);
        read_all(&t, &v, from, n, &out);
        size_t want = from >= m.n ? 0 : n > m.n - from ? m.n - from : n;
        CHECK_INT(out.n, want);
        if (want != 0) CHECK(memcmp(out.p, m.p + from, want) == 0);
        toy_warm(&t);
        CHECK_INT(v.kind == VALUE_NONE ? OK : type_string.check(&v, why), OK);
    }
    if (v.kind == VALUE_OBJECT) t.base.ops->free(&t.base, v.obj);
    buf_free(&store);
    buf_free(&out);
    mem_free(m.p);
    toy_deinit(&t);
}

static void round_trip(struct toy *t, slice s) {
    buf store = BUF_INIT, dump = BUF_INIT, out = BUF_INIT;
    struct value v = toy_value(t, TYPE_STRING), w = toy_value(t, TYPE_STRING);
    CHECK_INT(toy_apply(t, &type_string, &v, &store, STRING_SET, &s, 1), OK);
    toy_warm(t);
    CHECK_INT(type_string.dump(&v, &dump), OK);
    reader r = reader_make(slice_of(&dump));
    uint8_t type = read_u8(&r);
    CHECK_INT(type, RDB_STRING);
    CHECK_INT(type_string.restore(&w, type, &r, RDB_VERSION), OK);
    CHECK_INT(reader_left(&r), 0);
    CHECK_STR(type_string.encoding(&w), type_string.encoding(&v));
    CHECK_INT(string_read(&w, 0, UINT64_MAX, &out), OK);
    CHECK(slice_eq(slice_of(&out), s));
    uint8_t a[20] = {0}, b[20] = {0};
    CHECK_INT(type_string.digest(&v, a), OK);
    CHECK_INT(type_string.digest(&w, b), OK);
    CHECK(memcmp(a, b, 20) == 0);
    if (v.kind == VALUE_OBJECT) t->base.ops->free(&t->base, v.obj);
    if (w.kind == VALUE_OBJECT) t->base.ops->free(&t->base, w.obj);
    buf_free(&store);
    buf_free(&dump);
    buf_free(&out);
}

TEST("dump and restore give the same string") {
    struct toy t;
    toy_init(&t, 5, 0);
    const char *words[] = {"", "0", "-1", "127", "128", "-129", "32768", "2147483648", "-2147483648",
                           "99999999999999", "007", "word", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) round_trip(&t, slice_str(words[i]));
    size_t n = 200000;
    uint8_t *big = mem_alloc(n);
    for (size_t i = 0; i < n; i++) big[i] = (uint8_t)(i / 7 % 90);
    round_trip(&t, slice_make(big, n));
    rnd r;
    rnd_seed(&r, 8);
    rnd_bytes(&r, big, n);
    round_trip(&t, slice_make(big, n));
    mem_free(big);
    toy_deinit(&t);
}

TEST("an effect that makes no sense is refused") {
    struct toy t;
    toy_init(&t, 5, 0);
    buf store = BUF_INIT;
    struct value v = toy_value(&t, TYPE_STRING);
    set(&t, &v, &store, "text");
    uint8_t by[8] = {1};
    slice args[2] = {slice_make(by, 8), SLICE("x")};
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_INCRBY, args, 1), ERR_CORRUPT);
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_INCRBY, args + 1, 1), ERR_CORRUPT);
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_APPEND, args, 2), ERR_CORRUPT);
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, 99, args, 1), ERR_CORRUPT);
    memset(by, 0xFF, 8);
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_SETRANGE, args, 2), ERR_CORRUPT);
    CHECK_SLICE(v.raw, "text");
    set(&t, &v, &store, "9223372036854775807");
    put_u64(by, 1);
    CHECK_INT(toy_apply(&t, &type_string, &v, &store, STRING_INCRBY, args, 1), ERR_CORRUPT);
    buf_free(&store);
    toy_deinit(&t);
}
