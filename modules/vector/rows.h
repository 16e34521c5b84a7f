/* rows.h -- a page with a record for some of its rows.
 *
 *     0       4      6      8
 *     | width | rows | live | end of each row's record, u32 | records, in the order of their rows |
 *
 * The record of a row lies between the end of the row before it and its own; a row that is not there has an empty
 * one. So nothing overlaps and there are no holes, an absent row costs four bytes, and a page that is filled from
 * its first row on only grows at its end. `rows` is not more than double of what is used; `live` counts the rows that
 * are there; `width` is a number of the page's owner. A page without any row is dropped. */
#ifndef COVE_VECTOR_ROWS_H
#define COVE_VECTOR_ROWS_H

#include "module.h"

#define ROWS_HEAD 8
#define ROWS_MAX 1024 /* of a page */

/* Whether what rows_get() looks at is sound: every page from the store must pass. */
bool rows_ok(slice page);

static inline uint32_t rows_width(slice page) { return get_u32(page.p); }
static inline uint32_t rows_n(slice page) { return get_u16(page.p + 4); }
static inline uint32_t rows_live(slice page) { return get_u16(page.p + 6); }
/* Empty: the row is not there. */
static inline slice rows_get(slice page, uint32_t row) {
    uint32_t n = rows_n(page);
    if (row >= n) return slice_make(NULL, 0);
    const uint8_t *ends = page.p + ROWS_HEAD, *records = ends + 4 * (size_t)n;
    uint32_t from = row == 0 ? 0 : get_u32(ends + 4 * (size_t)(row - 1)), to = get_u32(ends + 4 * (size_t)row);
    return slice_make(records + from, to - from);
}
/* What rows_get() will read is asked of memory; the page's first line has been. */
static inline void rows_ahead(slice page, uint32_t row) { __builtin_prefetch(page.p + ROWS_HEAD + 4 * (size_t)row); }
/* The first row that is not there; `most`: all are. */
uint32_t rows_free(slice page, uint32_t most);

/* Changes of a page that is in memory, and sound. put: makes room for the n > 0 bytes of a row that is not there, and the
 * page if that is not there either; *to is to be filled at once. cut: of a row that is there. */
int rows_put(pager *p, object *o, uint64_t index, uint32_t width, uint32_t row, uint32_t most, size_t n, uint8_t **to);
int rows_cut(pager *p, object *o, uint64_t index, uint32_t row);

#endif
