/* list_test.c -- lists against a naive array, inline and as a tree, with cold pages; dump and
 * restore; damaged payloads. */
#include "test.h"

#include "base/listpack.h"
#include "base/mem.h"
#include "tests/model/toy_pager.c"
#include "types/list.h"
#include "types/rdb.h"

#define MODEL_MAX 60000

struct item {
    uint32_t number, len;
};
struct model {
    struct item at[MODEL_MAX];
    size_t n;
    uint32_t next;
};

struct run {
    struct toy t;
    struct value v;
    struct model *m;
    buf store;
    rnd r;
    int longest; /* of most elements */
};

/* An element's bytes: a number, or its digits filled up to a length. */
static slice bytes_of(struct item it, buf *out) {
    out->n = 0;
    buf_printf(out, "%u", it.number);
    if (it.len > 0) {
        buf_u8(out, ':');
        while (out->n < it.len) buf_u8(out, (uint8_t)('a' + it.number % 26));
    }
    return slice_of(out);
}

static struct item new_item(struct run *x) {
    struct item it = {x->m->next++, 0};
    if (rnd_below(&x->r, 3) > 0) it.len = (uint32_t)rnd_below(&x->r, (uint64_t)x->longest);
    if (rnd_below(&x->r, 400) == 0) it.len = (uint32_t)rnd_below(&x->r, 100000);
    return it;
}

static void model_insert(struct model *m, size_t at, struct item it) {
    CHECK(m->n < MODEL_MAX);
    memmove(m->at + at + 1, m->at + at, (m->n - at) * sizeof(it));
    m->at[at] = it;
    m->n++;
}

static void model_delete(struct model *m, size_t at, size_t n) {
    memmove(m->at + at, m->at + at + n, (m->n - at - n) * sizeof(m->at[0]));
    m->n -= n;
}

static void apply(struct run *x, uint8_t op, const slice *args, size_t argc) {
    CHECK_INT(toy_apply(&x->t, &type_list, &x->v, &x->store, op, args, argc), OK);
}

static void push(struct run *x, size_t n, bool head) {
    buf bytes[40] = {{0}};
    slice args[40] = {{0}};
    for (size_t i = 0; i < n; i++) {
        struct item it = new_item(x);
        args[i] = bytes_of(it, &bytes[i]);
        model_insert(x->m, head ? 0 : x->m->n, it);
    }
    apply(x, head ? LIST_PUSH_HEAD : LIST_PUSH_TAIL, args, n);
    for (size_t i = 0; i < n; i++) buf_free(&bytes[i]);
}

static void at_position(struct run *x, bool insert) {
    if (x->m->n == 0) return;
    buf bytes = BUF_INIT;
    uint8_t pos[8];
    size_t at = rnd_below(&x->r, x->m->n + insert);
    struct item it = new_item(x);
    put_u64(pos, at);
    slice args[2] = {slice_make(pos, 8), bytes_of(it, &bytes)};
    if (insert) model_insert(x->m, at, it);
    else x->m->at[at] = it;
    apply(x, insert ? LIST_INSERT : LIST_SET, args, 2);
    buf_free(&bytes);
}

/* Some ranges, the last first. */
static void delete(struct run *x, size_t ranges, size_t most) {
    buf arg = BUF_INIT;
    size_t end = x->m->n;
    for (size_t i = 0; i < ranges && end > 0; i++) {
        size_t n = 1 + rnd_below(&x->r, most), first;
        if (n > end) n = end;
        first = rnd_below(&x->r, 4) == 0 ? end - n : rnd_below(&x->r, end - n + 1);
        if (rnd_below(&x->r, 8) == 0) first = 0;
        buf_u64(&arg, first);
        buf_u64(&arg, n);
        model_delete(x->m, first, n);
        end = first;
    }
    slice args = slice_of(&arg);
    if (arg.n > 0) apply(x, LIST_DELETE, &args, 1);
    buf_free(&arg);
}

struct walk {
    struct model *m;
    uint64_t next, calls;
    bool backward;
};

static int walk_one(void *cookie, uint64_t index, slice element) {
    struct walk *w = cookie;
    buf bytes = BUF_INIT;
    CHECK_INT(index, w->next);
    CHECK(slice_eq(element, bytes_of(w->m->at[index], &bytes)));
    buf_free(&bytes);
    w->next += w->backward ? (uint64_t)-1 : 1;
    w->calls++;
    return 0;
}

static void walk(struct run *x, uint64_t first, uint64_t n, bool backward) {
    struct walk w = {x->m, backward ? first + n - 1 : first, 0, backward};
    int rc;
    toy_chill(&x->t);
    while ((rc = list_each(&x->v, first, n, backward, walk_one, &w)) == ERR_COLD) {
        CHECK_INT(w.calls, 0);
        CHECK(toy_fetch(&x->t) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(w.calls, n);
}

static void compare(struct run *x) {
    char why[160] = "", tmp[NUM_LL_MAX];
    size_t n = x->m->n;
    CHECK_INT(list_len(&x->v), n);
    if (n == 0) {
        CHECK_INT(x->v.kind, VALUE_NONE);
        return;
    }
    walk(x, 0, n, false);
    walk(x, 0, n, true);
    size_t first = rnd_below(&x->r, n);
    walk(x, first, rnd_below(&x->r, n - first + 1), rnd_below(&x->r, 2) == 0);
    for (int i = 0; i < 10; i++) {
        uint64_t at = rnd_below(&x->r, n);
        buf bytes = BUF_INIT;
        slice got;
        int rc;
        while ((rc = list_get(&x->v, at, &got, tmp)) == ERR_COLD) CHECK(toy_fetch(&x->t) > 0);
        CHECK_INT(rc, OK);
        CHECK(slice_eq(got, bytes_of(x->m->at[at], &bytes)));
        buf_free(&bytes);
    }
    slice got;
    CHECK_INT(list_get(&x->v, n, &got, tmp), ERR_NOTFOUND);
    toy_warm(&x->t);
    int rc = type_list.check(&x->v, why);
    if (rc != OK) printf("# %s\n", why);
    CHECK_INT(rc, OK);
    CHECK_STR(type_list.encoding(&x->v), "quicklist");
}

static void start(struct run *x, uint64_t seed, unsigned cold, int64_t fill, int longest) {
    memset(x, 0, sizeof(*x));
    toy_init(&x->t, seed, cold);
    x->t.config.list_max_listpack_size = fill;
    x->m = mem_calloc(1, sizeof(*x->m));
    x->v = toy_value(&x->t, TYPE_LIST);
    rnd_seed(&x->r, seed + 1);
    x->longest = longest;
}

static void drop(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
    v->kind = VALUE_NONE;
}

static void end(struct run *x) {
    drop(&x->v);
    buf_free(&x->store);
    mem_free(x->m);
    toy_deinit(&x->t);
}

static void model_run(uint64_t seed, int64_t fill, int longest, int steps, size_t limit) {
    struct run x;
    start(&x, seed, 30, fill, longest);
    bool growing = true;
    for (int i = 0; i < steps; i++) {
        if (x.m->n > limit) growing = false;
        if (x.m->n == 0) growing = true;
        switch (rnd_below(&x.r, 8)) {
        case 0:
        case 1: push(&x, 1 + rnd_below(&x.r, growing ? 40 : 3), true); break;
        case 2:
        case 3: push(&x, 1 + rnd_below(&x.r, growing ? 40 : 3), false); break;
        case 4: at_position(&x, true); break;
        case 5: at_position(&x, false); break;
        case 6: delete(&x, 1 + rnd_below(&x.r, 6), growing ? 4 : 12); break;
        case 7: delete(&x, 1, growing ? 10 : 1 + x.m->n / 2); break;
        }
        if (i % 40 == 0) compare(&x);
    }
    compare(&x);
    delete(&x, 1, x.m->n == 0 ? 1 : 0 + x.m->n); /* Perhaps not all. */
    while (x.m->n > 0) delete(&x, 3, 500);
    CHECK_INT(x.v.kind, VALUE_NONE);
    end(&x);
}

TEST("a small list is inline, and comes back to it") { model_run(1, -2, 12, 4000, 120); }
TEST("leaves of 8 KiB") { model_run(2, -2, 60, 2500, 6000); }
TEST("leaves of three elements: branches split, and go away again") { model_run(3, 3, 20, 2500, 4000); }
TEST("leaves of one element") { model_run(4, 0, 20, 1200, 1200); }
TEST("leaves of 4 KiB and large elements") { model_run(5, -1, 6000, 1200, 400); }
TEST("leaves of 64 KiB") { model_run(6, -5, 40, 1000, 6000); }

TEST("a queue reuses its pages") {
    struct run x;
    start(&x, 7, 10, -2, 40);
    for (int i = 0; i < 3000; i++) {
        push(&x, 20, false);
        if (x.m->n < 4000) continue;
        uint8_t range[16];
        put_u64(range, 0);
        put_u64(range + 8, 20);
        slice arg = slice_make(range, 16);
        model_delete(x.m, 0, 20);
        apply(&x, LIST_DELETE, &arg, 1);
    }
    compare(&x);
    for (size_t i = 0; i < x.v.obj->count; i++) CHECK(x.v.obj->pages[i].index < 200);
    end(&x);
}

TEST("a push or a pop at an end asks for one page a level") {
    struct run x;
    start(&x, 8, 100, 4, 10);
    for (int i = 0; i < 60; i++) push(&x, 40, false);
    CHECK(x.v.obj->count > 600);
    for (int end_of = 0; end_of < 2; end_of++) {
        size_t fetched = 0;
        toy_chill(&x.t);
        while (list_need_push(&x.v, end_of == 0) == ERR_COLD) fetched += toy_fetch(&x.t);
        CHECK(fetched >= 2 && fetched <= 4);
    }
    /* Leaves that go away whole are not fetched. */
    uint8_t range[16];
    put_u64(range, 10);
    put_u64(range + 8, 2300);
    slice arg = slice_make(range, 16);
    effect e = {.target = EFFECT_VALUE, .type = TYPE_LIST, .op = LIST_DELETE, .args = &arg, .argc = 1};
    size_t fetched = 0;
    toy_chill(&x.t);
    while (type_list.apply(&x.v, &e) == ERR_COLD) fetched += toy_fetch(&x.t);
    CHECK(fetched <= 10);
    model_delete(x.m, 10, 2300);
    compare(&x);
    end(&x);
}

TEST("effects that make no sense are refused, and change nothing") {
    struct run x;
    start(&x, 9, 0, -2, 30);
    uint8_t pos[8], range[32];
    slice args[2] = {slice_make(pos, 8), SLICE("x")};
    put_u64(pos, 0);
    CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_SET, args, 2), ERR_CORRUPT);
    CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_INSERT, args, 2), ERR_CORRUPT);
    for (int large = 0; large < 2; large++) {
        push(&x, 3, true);
        for (int i = 0; large && i < 100; i++) push(&x, 40, true);
        put_u64(pos, x.m->n);
        CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_SET, args, 2), ERR_CORRUPT);
        put_u64(pos, x.m->n + 1);
        CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_INSERT, args, 2), ERR_CORRUPT);
        uint64_t bad[][4] = {{0, 0, 0, 0}, {2, x.m->n, 0, 0}, {UINT64_MAX, 2, 0, 0}, {x.m->n, 1, 0, 0},
                             {0, 1, 1, 1}, {1, 2, 0, 2}};
        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
            memcpy(range, bad[i], 32);
            slice arg = slice_make(range, i < 4 ? 16 : 32);
            CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_DELETE, &arg, 1), ERR_CORRUPT);
        }
        slice odd = slice_make(range, 15);
        CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_DELETE, &odd, 1), ERR_CORRUPT);
        CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, 99, args, 2), ERR_CORRUPT);
        compare(&x);
    }
    end(&x);
}

TEST("the largest element takes the place of the largest element") {
    struct run x;
    start(&x, 9, 0, -2, 10);
    uint8_t *large = mem_calloc(1, LIST_ELEMENT_MAX), at[8] = {0};
    slice args[2] = {slice_make(at, 8), slice_make(large, LIST_ELEMENT_MAX)};
    CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_PUSH_TAIL, args + 1, 1), OK);
    large[0] = 1;
    CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_SET, args, 2), OK);
    slice got;
    char tmp[NUM_LL_MAX];
    CHECK_INT(list_get(&x.v, 0, &got, tmp), OK);
    CHECK(slice_eq(got, args[1]));
    mem_free(large);
    end(&x);
}

/* Of the root's first child the page or the count is another one. */
static void damage_branch(size_t at, uint64_t number) {
    struct run x;
    uint8_t *branch, range[LIST_RANGE_BYTES];
    slice element = SLICE("an element"), ranges = slice_make(range, sizeof(range));
    start(&x, 10, 0, 3, 10);
    buf out = BUF_INIT;
    for (int i = 0; i < 30; i++)
        CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_PUSH_TAIL, &element, 1), OK);
    put_u64(range, 3);
    put_u64(range + 8, 1);
    CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_DELETE, &ranges, 1), OK);
    uint64_t root = get_u64(x.t.base.ops->meta(x.v.obj) + 12);
    CHECK_INT(x.t.base.ops->mut(&x.t.base, x.v.obj, root, 160, &branch), OK);
    put_u64(branch + at, number);
    char why[160];
    CHECK_INT(type_list.check(&x.v, why), ERR_CORRUPT);
    CHECK_INT(type_list.dump(&x.v, &out), ERR_CORRUPT);
    put_u64(range, 0);
    put_u64(range + 8, 1);
    CHECK_INT(toy_apply(&x.t, &type_list, &x.v, &x.store, LIST_DELETE, &ranges, 1), ERR_CORRUPT);
    buf_free(&out);
    end(&x);
}

TEST("a branch that names no page, itself, or counts wrong is refused at use") {
    damage_branch(0, 1000);
    damage_branch(0, 2); /* The second leaf has two elements and not three. */
    damage_branch(8, 4);
    damage_branch(8, 0);
    damage_branch(8, UINT64_MAX);
}

static int restore(struct toy *t, uint8_t type, slice payload, struct value *w) {
    *w = toy_value(t, TYPE_LIST);
    t->scratch.n = 0;
    reader r = reader_make(payload);
    int rc = type_list.restore(w, type, &r, RDB_VERSION);
    return rc == OK && reader_left(&r) != 0 ? ERR_CORRUPT : rc;
}

static void damage(struct toy *t, const buf *dump) {
    rnd rn;
    rnd_seed(&rn, 77);
    for (int i = 0; i < 3000; i++) {
        uint8_t *copy = mem_alloc(dump->n);
        memcpy(copy, dump->p, dump->n);
        copy[rnd_below(&rn, dump->n)] = (uint8_t)rnd_u64(&rn);
        size_t n = rnd_below(&rn, 3) == 0 ? 1 + rnd_below(&rn, dump->n - 1) : dump->n;
        struct value w;
        char why[160];
        int rc = restore(t, dump->p[0], slice_make(copy + 1, n - 1), &w);
        if (rc == OK) CHECK_INT(type_list.check(&w, why), OK);
        drop(&w);
        mem_free(copy);
    }
}

static void round_trip(int64_t fill, int pushes, int longest) {
    struct run x;
    start(&x, 10, 30, fill, longest);
    for (int i = 0; i < pushes; i++) push(&x, 10, i % 3 == 0);
    buf dump = BUF_INIT;
    int rc;
    toy_chill(&x.t);
    while ((rc = type_list.dump(&x.v, &dump)) == ERR_COLD) {
        CHECK_INT(dump.n, 0);
        CHECK(toy_fetch(&x.t) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(dump.p[0], RDB_LIST_QUICKLIST_2);
    toy_warm(&x.t);
    x.t.cold_percent = 0;
    uint8_t a[20] = {0}, b[20] = {0};
    CHECK_INT(type_list.digest(&x.v, a), OK);
    drop(&x.v);
    CHECK_INT(restore(&x.t, dump.p[0], slice_make(dump.p + 1, dump.n - 1), &x.v), OK);
    if (x.v.kind == VALUE_RAW) {
        x.store.n = 0;
        buf_append_slice(&x.store, x.v.raw);
        x.v.raw = slice_of(&x.store);
    }
    compare(&x);
    CHECK_INT(type_list.digest(&x.v, b), OK);
    CHECK(memcmp(a, b, 20) == 0);
    buf again = BUF_INIT;
    CHECK_INT(type_list.dump(&x.v, &again), OK);
    CHECK(slice_eq(slice_of(&again), slice_of(&dump)));
    damage(&x.t, &dump);
    buf_free(&again);
    buf_free(&dump);
    end(&x);
}

TEST("dump and restore give the same list, node by node; damaged payloads are refused or sound") {
    round_trip(-2, 1, 10);
    round_trip(-2, 40, 60);
    round_trip(5, 6, 10);
    round_trip(-2, 3, 3000);
}

static void expect_all(struct toy *t, struct value *v, const char *const *want) {
    char tmp[NUM_LL_MAX];
    slice got;
    uint64_t n = 0;
    (void)t;
    for (; want[n] != NULL; n++) {
        CHECK_INT(list_get(v, n, &got, tmp), OK);
        CHECK_SLICE(got, want[n]);
    }
    CHECK_INT(list_len(v), n);
}

TEST("older forms are read: plain lists, ziplists, runs of ziplists, plain nodes") {
    struct toy t;
    struct value w;
    toy_init(&t, 1, 0);
    static const char *const want[] = {"a", "7", "bc", NULL};
    static const char *const twice[] = {"a", "7", "bc", "a", "7", "bc", NULL};
    CHECK_INT(restore(&t, RDB_LIST, SLICE("\x03\x01" "a" "\xC0\x07" "\x02" "bc"), &w), OK);
    expect_all(&t, &w, want);
    /* u32 bytes, u32 offset of the last entry, u16 entries; the length before, encoding, bytes. */
    slice ziplist = SLICE("\x14\0\0\0\x0f\0\0\0\x03\0" "\0\x01" "a" "\x03\xf8" "\x02\x02" "bc" "\xff");
    buf one = BUF_INIT, two = BUF_INIT;
    buf_u8(&two, 2);
    buf_u8(&one, (uint8_t)ziplist.n);
    buf_append_slice(&one, ziplist);
    buf_append_slice(&two, slice_of(&one));
    buf_append_slice(&two, slice_of(&one));
    CHECK_INT(restore(&t, RDB_LIST_ZIPLIST, slice_of(&one), &w), OK);
    expect_all(&t, &w, want);
    CHECK_INT(restore(&t, RDB_LIST_QUICKLIST, slice_of(&two), &w), OK);
    expect_all(&t, &w, twice);
    drop(&w);
    CHECK_INT(restore(&t, RDB_LIST_QUICKLIST_2, SLICE("\x03\x01\x01" "a\x01\xC0\x07\x01\x02" "bc"), &w), OK);
    expect_all(&t, &w, want);
    buf_free(&one);
    buf_free(&two);
    toy_deinit(&t);
}

TEST("empty lists, unknown containers and counts that are too large are refused") {
    struct toy t;
    struct value w;
    toy_init(&t, 1, 0);
    CHECK_INT(restore(&t, RDB_LIST, SLICE("\x00"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_LIST_QUICKLIST_2, SLICE("\x00"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_LIST_QUICKLIST_2, SLICE("\x01\x03\x01" "a"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_LIST_QUICKLIST_2, SLICE("\x01\x02\x07\x07\0\0\0\0\0\xff"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_LIST_QUICKLIST_2, SLICE("\x01\x02\x03" "abc"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_LIST, SLICE("\x80\x7f\xff\xff\xff\x01" "a"), &w), ERR_CORRUPT);
    CHECK_INT(restore(&t, RDB_LIST_ZIPLIST, SLICE(""), &w), ERR_CORRUPT);
    toy_deinit(&t);
}
