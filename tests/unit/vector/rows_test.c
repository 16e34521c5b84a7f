/* rows_test.c -- pages of rows against an array of records. */
#include "test.h"

#include "modules/vector/rows.h"
#include "tests/model/toy_pager.c"

#define MOST 37
#define INDEX 9

struct twin {
    size_t n[MOST]; /* 0: not there */
    uint8_t first[MOST];
    uint32_t live;
};

static void compare(struct toy *t, object *o, const struct twin *m) {
    slice page;
    int rc = t->base.ops->get(&t->base, o, INDEX, &page);
    CHECK_INT(rc, m->live == 0 ? ERR_NOTFOUND : OK);
    if (rc != OK) return;
    size_t records = 0;
    CHECK(rows_ok(page));
    CHECK_INT(rows_live(page), m->live);
    CHECK_INT(rows_width(page), 5);
    for (uint32_t i = 0; i < MOST; i++) {
        slice r = rows_get(page, i);
        CHECK_INT(r.n, m->n[i]);
        for (size_t k = 0; k < r.n; k++) CHECK_INT(r.p[k], (uint8_t)(m->first[i] + k));
        records += r.n;
    }
    CHECK_INT(page.n, ROWS_HEAD + 4 * rows_n(page) + records);
    uint32_t row = rows_free(page, MOST);
    CHECK(m->live == MOST ? row == MOST : row < MOST && m->n[row] == 0);
}

static void step(struct toy *t, object *o, struct twin *m, rnd *r, unsigned puts) {
    uint32_t row = (uint32_t)rnd_below(r, MOST);
    uint8_t *to;
    if (m->n[row] != 0) {
        if (rnd_below(r, 100) < puts) return;
        CHECK_INT(rows_cut(&t->base, o, INDEX, row), OK);
        m->n[row] = 0;
        m->live--;
        return;
    }
    m->n[row] = 1 + (size_t)rnd_below(r, rnd_below(r, 20) == 0 ? 20000 : 50);
    m->first[row] = (uint8_t)rnd_u64(r);
    m->live++;
    CHECK_INT(rows_put(&t->base, o, INDEX, 5, row, MOST, m->n[row], &to), OK);
    for (size_t k = 0; k < m->n[row]; k++) to[k] = (uint8_t)(m->first[row] + k);
}

TEST("rows come and go in any order, and the page has no byte too many") {
    struct toy t;
    struct twin m = {{0}, {0}, 0};
    rnd r;
    rnd_seed(&r, 1);
    toy_init(&t, 1, 0);
    object *o = t.base.ops->make(&t.base, false, 0);
    for (int i = 0; i < 6000; i++) {
        step(&t, o, &m, &r, i / 1000 % 2 == 0 ? 90 : 0);
        if (i % 7 == 0) compare(&t, o, &m);
    }
    compare(&t, o, &m);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

TEST("filled from the first row on, a page grows at its end, and free rows are found") {
    struct toy t;
    toy_init(&t, 1, 0);
    object *o = t.base.ops->make(&t.base, false, 0);
    for (uint32_t i = 0; i < MOST; i++) {
        slice page;
        uint8_t *to;
        CHECK_INT(rows_put(&t.base, o, INDEX, 5, i, MOST, 10, &to), OK);
        memset(to, (int)i, 10);
        CHECK_INT(t.base.ops->get(&t.base, o, INDEX, &page), OK);
        CHECK(to + 10 == page.p + page.n);
        CHECK_INT(rows_free(page, MOST), i + 1);
        CHECK(rows_n(page) == MOST || rows_n(page) <= 2 * (i + 2));
    }
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

TEST("a record that would make the page too large is refused, and nothing changes") {
    struct toy t;
    toy_init(&t, 1, 0);
    object *o = t.base.ops->make(&t.base, false, 0);
    uint8_t *to;
    CHECK_INT(rows_put(&t.base, o, INDEX, 0, 0, 2, 100, &to), OK);
    memset(to, 1, 100);
    uint64_t changes = t.changes;
    CHECK_INT(rows_put(&t.base, o, INDEX, 0, 1, 2, PAGE_BYTES_MAX - 100, &to), ERR_LIMIT);
    CHECK_INT(t.changes, changes);
    t.base.ops->free(&t.base, o);
    toy_deinit(&t);
}

/* Whatever passes can be read whole: the sanitizers see to the rest. */
TEST("a damaged page either does not pass, or is read within its bytes") {
    rnd r;
    size_t refused = 0;
    rnd_seed(&r, 4);
    for (int i = 0; i < 40000; i++) {
        size_t n = (size_t)rnd_below(&r, 120);
        uint8_t *p = mem_calloc(1, n + 1);
        slice page = slice_make(p, n);
        uint32_t rows = 1 + (uint32_t)rnd_below(&r, 8), live = 0, end = 0;
        if (n >= ROWS_HEAD + 4 * (size_t)rows) { /* A sound one ... */
            size_t left = n - ROWS_HEAD - 4 * (size_t)rows;
            put_u16(p + 4, (uint16_t)rows);
            for (uint32_t k = 0; k < rows; k++) {
                uint32_t one = k + 1 == rows ? (uint32_t)left : (uint32_t)rnd_below(&r, left + 1);
                live += one > 0;
                left -= one;
                put_u32(p + ROWS_HEAD + 4 * (size_t)k, end += one);
            }
            put_u16(p + 6, (uint16_t)live);
            CHECK_INT(rows_ok(page), live > 0);
        }
        if (n > 0) p[rnd_below(&r, n < 40 ? n : 40)] ^= (uint8_t)(1u << rnd_below(&r, 8)); /* ... until now. */
        bool ok = rows_ok(page);
        refused += !ok;
        uint32_t seen = 0;
        for (uint32_t k = 0; ok && k < 2 * ROWS_MAX; k++) {
            slice record = rows_get(page, k);
            CHECK(record.n == 0 || (record.p >= p && record.p + record.n <= p + n));
            seen += record.n > 0;
        }
        CHECK(!ok || seen == rows_live(page));
        mem_free(p);
    }
    CHECK(refused > 10000);
}
