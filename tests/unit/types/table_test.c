/* table_test.c -- paged tables against a naive map, with pages that are cold at random. */
#include "test.h"

#include <stdlib.h>

#include "base/limits.h"
#include "tests/model/toy_pager.c"
#include "types/table.h"

#define KEYS 3000

struct model {
    uint8_t val[KEYS]; /* 0: not there; else the value's byte */
    uint32_t n[KEYS];
    size_t count;
};

static slice key_of(int i, char tmp[32]) {
    return slice_make(tmp, (size_t)snprintf(tmp, 32, "field-%d", i));
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
    static uint8_t bytes[PAGE_BYTES_MAX];
    char tmp[32];
    bool added;
    int rc;
    memset(bytes, byte, n);
    UNTIL_WARM(t, rc, table_put(&t->base, o, key_of(i, tmp), slice_make(bytes, n), &added));
    CHECK_INT(rc, OK);
    CHECK_INT(added, m->val[i] == 0);
    m->count += m->val[i] == 0;
    m->val[i] = byte;
    m->n[i] = (uint32_t)n;
}

static void check_one(struct toy *t, object *o, struct model *m, int i) {
    char tmp[32];
    slice val;
    int rc;
    UNTIL_WARM(t, rc, table_get(&t->base, o, key_of(i, tmp), &val));
    CHECK_INT(rc, m->val[i] == 0 ? ERR_NOTFOUND : OK);
    if (rc != OK) return;
    CHECK_INT(val.n, m->n[i]);
    CHECK(val.n == 0 || (val.p[0] == m->val[i] && val.p[val.n - 1] == m->val[i]));
}

static void check_whole(struct toy *t, object *o, struct model *m) {
    char why[160] = "";
    uint64_t count;
    int rc;
    toy_warm(t);
    UNTIL_WARM(t, rc, table_check(&t->base, o, &count, why));
    if (rc != OK) printf("# %s\n", why);
    CHECK_INT(rc, OK);
    CHECK_INT(count, m->count);
    for (int i = 0; i < KEYS; i++) check_one(t, o, m, i);
}

TEST("a table is a map: random changes with cold pages") {
    struct toy t;
    toy_init(&t, 21, 20);
    static struct model m;
    object *o = t.base.ops->make(&t.base, true, 8);
    rnd r;
    rnd_seed(&r, 22);
    for (int step = 0; step < 20000; step++) {
        int i = (int)rnd_below(&r, KEYS);
        char tmp[32];
        if (step % 10 == 0) toy_chill(&t);
        if (rnd_below(&r, step < 12000 ? 4 : 2) > 0) {
            uint64_t kind = rnd_below(&r, 100);
            size_t n = kind == 0 ? rnd_below(&r, 30000) : rnd_below(&r, 100);
            put(&t, o, &m, i, (uint8_t)(1 + rnd_below(&r, 255)), n);
        } else {
            bool removed;
            int rc;
            UNTIL_WARM(&t, rc, table_del(&t.base, o, key_of(i, tmp), &removed));
            CHECK_INT(rc, OK);
            CHECK_INT(removed, m.val[i] != 0);
            m.count -= removed;
            m.val[i] = 0;
        }
        if (step % 4000 == 0) check_whole(&t, o, &m);
    }
    check_whole(&t, o, &m);
    CHECK(t.base.ops->pages(o) > 8);
    for (int i = 0; i < KEYS; i++) {
        char tmp[32];
        bool removed;
        int rc;
        UNTIL_WARM(&t, rc, table_del(&t.base, o, key_of(i, tmp), &removed));
        m.count -= removed;
        m.val[i] = 0;
    }
    check_whole(&t, o, &m);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

TEST("pages stay near their size, and one huge entry makes only its own page huge") {
    struct toy t;
    toy_init(&t, 23, 0);
    static struct model m;
    object *o = t.base.ops->make(&t.base, true, 8);
    for (int i = 0; i < KEYS; i++) put(&t, o, &m, i, 7, 40);
    size_t bytes = 0;
    for (size_t i = 0; i < o->count; i++) {
        CHECK(o->pages[i].n <= TABLE_PAGE_BYTES * 3 / 2);
        bytes += o->pages[i].n;
    }
    printf("# %zu pages, %zu bytes an entry of 50\n", o->count, bytes / KEYS);
    CHECK(bytes / KEYS < 90);
    put(&t, o, &m, 5, 9, 3 << 20);
    put(&t, o, &m, 6, 9, 3 << 20);
    put(&t, o, &m, 7, 9, TABLE_ENTRY_MAX - 10);
    int huge = 0;
    for (size_t i = 0; i < o->count; i++) huge += o->pages[i].n > TABLE_PAGE_BYTES * 3 / 2;
    CHECK_INT(huge, 3);
    check_whole(&t, o, &m);
    bool added;
    static uint8_t much[PAGE_BYTES_MAX];
    CHECK_INT(table_put(&t.base, o, SLICE("x"), slice_make(much, sizeof(much)), &added), ERR_LIMIT);
    CHECK_INT(table_put(&t.base, o, slice_make(much, 70000), SLICE("x"), &added), ERR_LIMIT);
    put(&t, o, &m, 7, 9, 10);
    check_whole(&t, o, &m);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

struct seen {
    uint8_t times[KEYS * 2];
    size_t calls;
};

static int see(void *cookie, slice key, slice val) {
    struct seen *s = cookie;
    char text[32] = {0};
    (void)val;
    memcpy(text, key.p, key.n);
    s->times[strtol(text + 6, NULL, 10)]++;
    s->calls++;
    return 0;
}

TEST("a scan sees what stays exactly once, though pages are split and changed meanwhile") {
    struct toy t;
    toy_init(&t, 25, 10);
    static struct model m;
    static struct seen s;
    object *o = t.base.ops->make(&t.base, true, 8);
    for (int i = 0; i < 1000; i++) put(&t, o, &m, i, 1, 30);
    uint64_t cursor = 0;
    int next = 1000, rounds = 0;
    do {
        toy_chill(&t);
        size_t before;
        int rc;
        for (;;) {
            before = s.calls;
            rc = table_scan(&t.base, o, &cursor, 20, see, &s);
            if (rc != ERR_COLD) break;
            CHECK_INT(s.calls, before);
            CHECK(toy_fetch(&t) > 0);
        }
        CHECK_INT(rc, OK);
        CHECK(cursor == 0 || s.calls - before >= 20);
        CHECK(s.calls - before <= 40);
        for (int k = 0; k < 60 && next < KEYS; k++) put(&t, o, &m, next++, 1, 30);
        rounds++;
    } while (cursor != 0);
    for (int i = 0; i < 1000; i++) CHECK_INT(s.times[i], 1);
    for (int i = 1000; i < KEYS; i++) CHECK(s.times[i] <= 1);
    CHECK(rounds > 20);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

static int stop(void *cookie, slice key, slice val) {
    (void)key;
    (void)val;
    return --*(int *)cookie == 0 ? 77 : 0;
}

TEST("a scan that each() stops answers its number; an empty table has nothing") {
    struct toy t;
    toy_init(&t, 25, 0);
    static struct model m;
    object *o = t.base.ops->make(&t.base, true, 8);
    uint64_t cursor = 0;
    int left = 3;
    slice key, val;
    CHECK_INT(table_scan(&t.base, o, &cursor, 10, stop, &left), OK);
    CHECK_INT(cursor, 0);
    CHECK_INT(table_random(&t.base, o, 1, &key, &val), ERR_NOTFOUND);
    for (int i = 0; i < 10; i++) put(&t, o, &m, i, 1, 30);
    CHECK_INT(table_scan(&t.base, o, &cursor, 10, stop, &left), 77);
    CHECK_INT(left, 0);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

TEST("random entries reach all of the table, none of them much too often") {
    struct toy t;
    toy_init(&t, 26, 0);
    static struct model m;
    static int hits[KEYS];
    object *o = t.base.ops->make(&t.base, true, 8);
    for (int i = 0; i < 1000; i++) put(&t, o, &m, i, 1, 30);
    rnd r;
    rnd_seed(&r, 1);
    for (int i = 0; i < 40000; i++) {
        slice key, val;
        CHECK_INT(table_random(&t.base, o, rnd_u64(&r), &key, &val), OK);
        char text[32] = {0};
        memcpy(text, key.p, key.n);
        hits[strtol(text + 6, NULL, 10)]++;
    }
    for (int i = 0; i < 1000; i++) CHECK(hits[i] > 5 && hits[i] < 150);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

TEST("table_page visits every entry once") {
    struct toy t;
    toy_init(&t, 27, 0);
    static struct model m;
    object *o = t.base.ops->make(&t.base, true, 8);
    for (int i = 0; i < 2000; i++) put(&t, o, &m, i, 1, 30);
    uint64_t cursor = 0, pages = 0;
    size_t entries = 0;
    do {
        slice page;
        CHECK_INT(table_page(&t.base, o, &cursor, &page), OK);
        pages++;
        entries += get_u32(page.p + 12);
    } while (cursor != 0);
    CHECK_INT(entries, 2000);
    CHECK_INT(pages, t.base.ops->pages(o));
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}
