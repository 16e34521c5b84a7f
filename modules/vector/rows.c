/* rows.c -- a page with a record for some of its rows. */
#include "modules/vector/rows.h"

#include <assert.h>

#define ROWS_FEWEST 4 /* A set of one element need not have a long row of ends. */

static uint8_t *end_at(uint8_t *page, uint32_t row) { return page + ROWS_HEAD + 4 * (size_t)row; }

bool rows_ok(slice page) {
    if (page.n < ROWS_HEAD) return false;
    uint32_t rows = rows_n(page), live = 0, last = 0;
    size_t head = ROWS_HEAD + 4 * (size_t)rows;
    if (rows == 0 || rows > ROWS_MAX || page.n < head) return false;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t end = get_u32(page.p + ROWS_HEAD + 4 * (size_t)i);
        if (end < last) return false;
        live += end > last;
        last = end;
    }
    return last == page.n - head && live > 0 && live == rows_live(page);
}

uint32_t rows_free(slice page, uint32_t most) {
    uint32_t rows = rows_n(page), live = rows_live(page);
    /* Mostly they have been filled from the first on. */
    if (live < rows && rows_get(page, live).n == 0) return live;
    for (uint32_t i = 0; i < rows; i++)
        if (rows_get(page, i).n == 0) return i;
    return rows < most ? rows : most;
}

/* How many ends a page has that must have one for `row`. */
static uint32_t rows_for(uint32_t row, uint32_t most) {
    uint32_t n = ROWS_FEWEST;
    while (n <= row) n *= 2;
    return n < most ? n : most;
}

int rows_put(pager *p, object *o, uint64_t index, uint32_t width, uint32_t row, uint32_t most, size_t n, uint8_t **to) {
    slice was = {NULL, 0};
    uint8_t *page;
    int rc = p->ops->get(p, o, index, &was);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    assert(row < most && most <= ROWS_MAX && n > 0);
    uint32_t had = was.n == 0 ? 0 : rows_n(was), rows = row < had ? had : rows_for(row, most);
    size_t records = was.n == 0 ? 0 : was.n - ROWS_HEAD - 4 * (size_t)had;
    size_t bytes = ROWS_HEAD + 4 * (size_t)rows + records + n;
    if (bytes > PAGE_BYTES_MAX) return ERR_LIMIT;
    rc = p->ops->mut(p, o, index, bytes, &page);
    if (rc != OK) return rc;
    uint8_t *first = end_at(page, rows);
    if (rows != had) {
        if (records > 0) memmove(first, end_at(page, had), records);
        for (uint32_t i = had; i < rows; i++) put_u32(end_at(page, i), (uint32_t)records);
        put_u32(page, width);
        put_u16(page + 4, (uint16_t)rows);
    }
    size_t at = row == 0 ? 0 : get_u32(end_at(page, row - 1));
    assert(get_u32(end_at(page, row)) == at && at <= records);
    if (at < records) memmove(first + at + n, first + at, records - at);
    for (uint32_t i = row; i < rows; i++) put_u32(end_at(page, i), get_u32(end_at(page, i)) + (uint32_t)n);
    put_u16(page + 6, (uint16_t)(get_u16(page + 6) + 1));
    *to = first + at;
    return OK;
}

int rows_cut(pager *p, object *o, uint64_t index, uint32_t row) {
    slice was;
    uint8_t *page;
    int rc = p->ops->get(p, o, index, &was);
    if (rc != OK) return rc;
    if (rows_live(was) == 1) return p->ops->drop(p, o, index);
    uint32_t rows = rows_n(was);
    rc = p->ops->mut(p, o, index, was.n, &page);
    if (rc != OK) return rc;
    uint8_t *first = end_at(page, rows), *end = page + was.n;
    uint32_t at = row == 0 ? 0 : get_u32(end_at(page, row - 1)), n = get_u32(end_at(page, row)) - at;
    assert(row < rows && n > 0);
    memmove(first + at, first + at + n, (size_t)(end - first) - at - n);
    for (uint32_t i = row; i < rows; i++) put_u32(end_at(page, i), get_u32(end_at(page, i)) - n);
    put_u16(page + 6, (uint16_t)(get_u16(page + 6) - 1));
    return p->ops->mut(p, o, index, was.n - n, &page);
}
