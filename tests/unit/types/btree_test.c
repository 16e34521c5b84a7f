/* btree_test.c -- paged B+ trees against a sorted array, with pages that are cold at random. */
#include "test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tests/model/toy_pager.c"
#include "types/btree.h"

#define KEYS 5000

struct model {
    uint8_t byte[KEYS]; /* 0: not there */
    uint16_t n[KEYS];
    uint64_t count;
};

static int prefix_bytes; /* how long the keys' common part is */

/* Ordered as the numbers are, of lengths that differ. */
static slice key_of(int i, char tmp[BTREE_KEY_MAX]) {
    memset(tmp, 'p', (size_t)prefix_bytes);
    int n = snprintf(tmp + prefix_bytes, 64, "%05d%.*s", i, i % 17, "/////////////////");
    return slice_make(tmp, (size_t)(n + prefix_bytes));
}

#define UNTIL_WARM(t, rc, call)                                                              \
    do {                                                                                     \
        uint64_t changes_ = (t)->changes;                                                    \
        for (;;) {                                                                           \
            (rc) = (call);                                                                   \
            if ((rc) != ERR_COLD) break;                                                     \
            CHECK_INT((t)->changes, changes_);                                               \
            CHECK(toy_fetch(t) > 0);                                                         \
        }                                                                                    \
    } while (0)

static void put(struct toy *t, object *o, struct model *m, int i, uint8_t byte, size_t n) {
    static uint8_t bytes[BTREE_VAL_MAX];
    char tmp[BTREE_KEY_MAX];
    int rc;
    memset(bytes, byte, n);
    UNTIL_WARM(t, rc, btree_need_write(&t->base, o, key_of(i, tmp)));
    CHECK_INT(rc, OK);
    rc = btree_put(&t->base, o, key_of(i, tmp), slice_make(bytes, n));
    CHECK_INT(rc, OK);
    m->count += m->byte[i] == 0;
    m->byte[i] = byte;
    m->n[i] = (uint16_t)n;
}

static void del(struct toy *t, object *o, struct model *m, int i) {
    char tmp[BTREE_KEY_MAX];
    int rc;
    UNTIL_WARM(t, rc, btree_need_write(&t->base, o, key_of(i, tmp)));
    CHECK_INT(rc, OK);
    rc = btree_del(&t->base, o, key_of(i, tmp)); /* Never cold after that. */
    CHECK_INT(rc, m->byte[i] == 0 ? ERR_NOTFOUND : OK);
    m->count -= m->byte[i] != 0;
    m->byte[i] = 0;
}

/* A range, or those of it with a small first byte. */
static bool has_small_byte(void *cookie, slice key, slice val) {
    (void)key;
    return val.n > 0 && val.p[0] < *(const uint8_t *)cookie;
}

static void del_many(struct toy *t, object *o, struct model *m, rnd *r, int from, int to) {
    char a[BTREE_KEY_MAX], b[BTREE_KEY_MAX];
    uint8_t under = rnd_below(r, 2) == 0 ? 0 : (uint8_t)(1 + rnd_below(r, 255));
    uint64_t gone = 0, told = 0;
    slice low = key_of(from, a), high = to < KEYS ? key_of(to, b) : SLICE("q");
    for (int i = from; i < to; i++) {
        if (m->byte[i] == 0 || (under > 0 && (m->n[i] == 0 || m->byte[i] >= under))) continue;
        m->byte[i] = 0;
        gone++;
    }
    m->count -= gone;
    int rc;
    if (under == 0) {
        UNTIL_WARM(t, rc, btree_need_range(&t->base, o, low, high));
        CHECK_INT(rc, OK);
        CHECK_INT(btree_del_range(&t->base, o, low, high, gone), OK);
        return;
    }
    UNTIL_WARM(t, rc, btree_need_those(&t->base, o, low, high));
    CHECK_INT(rc, OK);
    CHECK_INT(btree_del_those(&t->base, o, low, high, has_small_byte, &under, &told), OK);
    CHECK_INT(told, gone);
}

static void del_random_range(struct toy *t, object *o, struct model *m, rnd *r) {
    int from = (int)rnd_below(r, KEYS), width = 1 + (int)rnd_below(r, rnd_below(r, 4) == 0 ? KEYS : 60);
    del_many(t, o, m, r, from, from + width < KEYS ? from + width : KEYS);
}

struct walk {
    struct model *m;
    int next;
    buf last;
};

/* Keeps where it is, so that a scan that met a cold page goes on behind the last key. */
static int walk_entry(void *cookie, slice key, slice val) {
    struct walk *w = cookie;
    char tmp[BTREE_KEY_MAX];
    while (w->next < KEYS && w->m->byte[w->next] == 0) w->next++;
    CHECK(w->next < KEYS);
    CHECK(slice_eq(key, key_of(w->next, tmp)));
    CHECK_INT(val.n, w->m->n[w->next]);
    CHECK(val.n == 0 || (val.p[0] == w->m->byte[w->next] &&
                         val.p[val.n - 1] == w->m->byte[w->next]));
    w->last.n = 0;
    buf_append_slice(&w->last, key);
    buf_u8(&w->last, 0);
    w->next++;
    return 0;
}

static void check_scan(struct toy *t, object *o, struct model *m, int from) {
    char tmp[BTREE_KEY_MAX];
    struct walk w = {m, from, BUF_INIT};
    buf_append_slice(&w.last, key_of(from, tmp));
    int rc;
    while ((rc = btree_scan(&t->base, o, slice_of(&w.last), walk_entry, &w)) == ERR_COLD)
        CHECK(toy_fetch(t) > 0);
    CHECK_INT(rc, OK);
    while (w.next < KEYS && m->byte[w.next] == 0) w.next++;
    CHECK_INT(w.next, KEYS);
    buf_free(&w.last);
}

static void check_whole(struct toy *t, object *o, struct model *m) {
    char why[160] = "", tmp[BTREE_KEY_MAX];
    int rc;
    UNTIL_WARM(t, rc, btree_check(&t->base, o, why));
    if (rc != OK) printf("# %s\n", why);
    CHECK_INT(rc, OK);
    CHECK_INT(btree_count(t->base.ops->meta(o)), m->count);
    for (int i = 0; i < KEYS; i += 7) {
        slice val;
        UNTIL_WARM(t, rc, btree_get(&t->base, o, key_of(i, tmp), &val));
        CHECK_INT(rc, m->byte[i] == 0 ? ERR_NOTFOUND : OK);
        if (rc == OK) CHECK_INT(val.n, m->n[i]);
    }
    check_scan(t, o, m, 0);
    check_scan(t, o, m, KEYS / 3);
    for (size_t i = 0; i < o->count; i++) CHECK(o->pages[i].n <= PAGE_BYTES);
}

static object *make_tree(struct toy *t) {
    object *o = t->base.ops->make(&t->base, false, BTREE_META + 16);
    CHECK_INT(btree_init(&t->base, o), OK);
    return o;
}

static void run_ranges(uint64_t seed, int prefix, size_t longest, int steps, int ranges) {
    struct toy t;
    toy_init(&t, seed, 20);
    prefix_bytes = prefix;
    static struct model m;
    memset(&m, 0, sizeof(m));
    object *o = make_tree(&t);
    rnd r;
    rnd_seed(&r, seed);
    for (int step = 0; step < steps; step++) {
        int i = (int)rnd_below(&r, KEYS);
        if (step % 8 == 0) toy_chill(&t);
        /* It grows, then shrinks, then grows again. */
        bool growing = step < steps * 2 / 5 || step > steps * 4 / 5;
        if (rnd_below(&r, 10) < (growing ? 8u : 2u))
            put(&t, o, &m, i, (uint8_t)(1 + rnd_below(&r, 255)), rnd_below(&r, longest + 1));
        else
            del(&t, o, &m, i);
        if (ranges > 0 && rnd_below(&r, (uint64_t)ranges) == 0) {
            del_random_range(&t, o, &m, &r);
            check_whole(&t, o, &m);
        }
        if (step % 3000 == 0) check_whole(&t, o, &m);
    }
    check_whole(&t, o, &m);
    int start = (int)rnd_below(&r, KEYS);
    for (int k = 0; k < KEYS; k++) del(&t, o, &m, (start + k) % KEYS);
    check_whole(&t, o, &m);
    CHECK_INT(m.count, 0);
    put(&t, o, &m, 5, 5, 5);
    check_whole(&t, o, &m);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

static void run(uint64_t seed, int prefix, size_t longest, int steps) {
    run_ranges(seed, prefix, longest, steps, 0);
}

TEST("ranges and parts of them go at once: small values") { run_ranges(11, 0, 40, 12000, 150); }
TEST("ranges and parts of them go at once: large values") { run_ranges(12, 0, BTREE_VAL_MAX, 9000, 200); }
TEST("ranges and parts of them go at once: a high tree") { run_ranges(13, 900, 100, 12000, 150); }

TEST("a range's leaves are not needed, only those at its ends; another number than it has is refused") {
    struct toy t;
    static struct model m;
    char a[BTREE_KEY_MAX], b[BTREE_KEY_MAX];
    prefix_bytes = 0;
    memset(&m, 0, sizeof(m));
    toy_init(&t, 5, 100);
    object *o = make_tree(&t);
    for (int i = 0; i < KEYS; i++) put(&t, o, &m, i, 1, 1000);
    toy_chill(&t);
    size_t fetched = 0;
    slice low = key_of(100, a), high = key_of(KEYS - 100, b);
    while (btree_need_range(&t.base, o, low, high) == ERR_COLD) fetched += toy_fetch(&t);
    CHECK(fetched <= 4); /* The root and two leaves, of over a hundred. */
    CHECK_INT(btree_del_range(&t.base, o, low, high, KEYS - 200), OK);
    toy_warm(&t);
    for (int i = 100; i < KEYS - 100; i++) m.byte[i] = 0;
    m.count = 200;
    check_whole(&t, o, &m);
    CHECK_INT(btree_del_range(&t.base, o, key_of(0, a), SLICE("q"), 200), OK);
    CHECK_INT(btree_count(t.base.ops->meta(o)), 0);
    CHECK_INT(o->count, 1); /* The free list is left. */
    for (int i = 0; i < 10; i++) put(&t, o, &m, i, 1, 10);
    CHECK_INT(btree_del_range(&t.base, o, key_of(0, a), key_of(5, b), 4), ERR_CORRUPT);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

TEST("a tree is a sorted map: small values") { run(1, 0, 40, 20000); }
TEST("a tree is a sorted map: values of up to 8 KiB") { run(2, 0, BTREE_VAL_MAX, 9000); }
TEST("a tree is a sorted map: keys with a long common part, so that it is high") {
    run(3, BTREE_KEY_MAX - 30, 100, 15000);
}

TEST("ascending keys fill their pages; removing all of them frees all pages but the list's") {
    struct toy t;
    toy_init(&t, 7, 0);
    prefix_bytes = 0;
    static struct model m;
    object *o = make_tree(&t);
    size_t bytes = 0, pages = 0;
    for (int i = 0; i < KEYS; i++) put(&t, o, &m, i, 1, 100);
    for (size_t i = 0; i < o->count; i++) bytes += o->pages[i].n;
    pages = o->count;
    printf("# %zu pages, %zu bytes an entry of 113 and 6\n", pages, bytes / KEYS);
    CHECK(bytes / KEYS < 150);
    check_whole(&t, o, &m);
    for (int i = KEYS - 1; i >= 0; i--) del(&t, o, &m, i);
    check_whole(&t, o, &m);
    CHECK_INT(o->count, 1);
    for (int i = 0; i < KEYS; i++) put(&t, o, &m, i, 1, 100);
    CHECK(o->count <= pages + 1); /* The same indexes again. */
    for (size_t i = 0; i < o->count; i++) CHECK(o->pages[i].index <= pages);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

TEST("pages of others share the index space: no index is given twice") {
    struct toy t;
    toy_init(&t, 8, 30);
    prefix_bytes = 0;
    static struct model m;
    static uint64_t own[2000];
    size_t owned = 0;
    object *o = make_tree(&t);
    rnd r;
    rnd_seed(&r, 9);
    for (int step = 0; step < 12000; step++) {
        if (step % 5 == 0) toy_chill(&t);
        uint64_t what = rnd_below(&r, 4);
        if (what == 0 && owned < 2000) {
            uint8_t *p;
            uint64_t index = btree_page_new(&t.base, o);
            CHECK(find(o, index) == NULL);
            CHECK_INT(t.base.ops->mut(&t.base, o, index, 16, &p), OK);
            put_u64(p, ~index);
            own[owned++] = index;
        } else if (what == 1 && owned > 0) {
            size_t k = rnd_below(&r, owned);
            CHECK_INT(btree_page_free(&t.base, o, own[k]), OK);
            own[k] = own[--owned];
        } else if (what == 2) {
            put(&t, o, &m, (int)rnd_below(&r, KEYS), 3, 500);
        } else {
            del(&t, o, &m, (int)rnd_below(&r, KEYS));
        }
    }
    toy_warm(&t);
    check_whole(&t, o, &m);
    for (size_t k = 0; k < owned; k++) {
        slice page;
        CHECK_INT(t.base.ops->get(&t.base, o, own[k], &page), OK);
        CHECK(get_u64(page.p) == ~own[k]);
    }
    CHECK_INT(btree_page_free(&t.base, o, 1 << 30), ERR_RANGE);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

TEST("a stopped scan answers what stopped it; too long keys and values are refused") {
    struct toy t;
    toy_init(&t, 8, 0);
    static uint8_t bytes[BTREE_VAL_MAX + 1];
    object *o = make_tree(&t);
    slice val;
    CHECK_INT(btree_get(&t.base, o, SLICE("a"), &val), ERR_NOTFOUND);
    CHECK_INT(btree_del(&t.base, o, SLICE("a")), ERR_NOTFOUND);
    CHECK_INT(btree_put(&t.base, o, slice_make(bytes, BTREE_KEY_MAX + 1), SLICE("")), ERR_LIMIT);
    CHECK_INT(btree_put(&t.base, o, SLICE(""), slice_make(bytes, BTREE_VAL_MAX + 1)), ERR_LIMIT);
    CHECK_INT(btree_put(&t.base, o, SLICE(""), SLICE("empty key")), OK);
    CHECK_INT(btree_put(&t.base, o, SLICE("a"), SLICE("x")), OK);
    CHECK_INT(btree_put(&t.base, o, SLICE("a"), SLICE("y")), OK);
    CHECK_INT(btree_get(&t.base, o, SLICE("a"), &val), OK);
    CHECK_SLICE(val, "y");
    CHECK_INT(btree_get(&t.base, o, SLICE(""), &val), OK);
    CHECK_SLICE(val, "empty key");
    CHECK_INT(btree_count(t.base.ops->meta(o)), 2);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

static int nothing(void *cookie, slice key, slice val) {
    (void)cookie;
    (void)key;
    (void)val;
    return 0;
}

TEST("damaged nodes are found or do no harm") {
    prefix_bytes = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct toy t;
        toy_init(&t, seed, 0);
        static struct model m;
        memset(&m, 0, sizeof(m));
        rnd r;
        rnd_seed(&r, seed);
        object *o = make_tree(&t);
        for (int i = 0; i < 600; i++) put(&t, o, &m, i * 8, 1, 300);
        for (size_t i = 0; i < o->count; i++)
            for (int k = 0; k < 4; k++) {
                size_t n = o->pages[i].n;
                size_t at = rnd_below(&r, rnd_below(&r, 2) && n > 600 ? 600 : n);
                o->pages[i].p[at] ^= (uint8_t)(1 + rnd_below(&r, 255));
            }
        char why[160], tmp[BTREE_KEY_MAX];
        (void)btree_check(&t.base, o, why);
        for (int i = 0; i < 1000; i++) {
            slice key = key_of((int)rnd_below(&r, KEYS), tmp), val;
            int rc;
            switch (rnd_below(&r, 3)) {
            case 0: rc = btree_put(&t.base, o, key, SLICE("value")); break;
            case 1: rc = btree_del(&t.base, o, key); break;
            default: rc = btree_get(&t.base, o, key, &val); break;
            }
            CHECK(rc == OK || rc == ERR_NOTFOUND || rc == ERR_CORRUPT || rc == ERR_RANGE);
        }
        int rc = btree_scan(&t.base, o, SLICE(""), nothing, NULL);
        CHECK(rc == OK || rc == ERR_CORRUPT);
        t.base.ops->free(&t.base, o);
        toy_deinit(&t);
    }
}
