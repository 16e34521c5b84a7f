/* vector_filter_fuzz.c -- a filter and the attribute that it is asked about.
 *
 * The input is the filter, a zero byte, the attribute; both in memory of their own, so
 * that a byte read past an end is seen. A filter answers twice the same; a refused one
 * quotes a part of itself; and what compiles still compiles, to the same answer, in
 * parentheses. */
#include <stdlib.h>

#include "modules/vector/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

static uint8_t *copy(const uint8_t *p, size_t n) {
    uint8_t *to = malloc(n > 0 ? n : 1);
    need(to != NULL);
    if (n > 0) memcpy(to, p, n);
    return to;
}

/* The words null and ")" in one run are not what they are apart. */
static bool ends_in_word(slice filter) {
    return filter.n > 0 && ((filter.p[filter.n - 1] | 0x20) >= 'a' &&
                            (filter.p[filter.n - 1] | 0x20) <= 'z');
}

static void in_parentheses(slice filter, slice json, bool want) {
    slice near;
    buf b = BUF_INIT;
    if (ends_in_word(filter)) return;
    buf_append_str(&b, "(");
    buf_append_slice(&b, filter);
    buf_append_str(&b, ")");
    expr *e = expr_compile(slice_of(&b), &near);
    if (e != NULL) need(expr_match(e, json) == want);
    expr_free(e);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    size_t n = zero == NULL ? size : (size_t)(zero - data),
           rest = zero == NULL ? 0 : size - n - 1;
    uint8_t *f = copy(data, n), *j = copy(data + size - rest, rest);
    slice filter = slice_make(f, n), json = slice_make(j, rest), near = {NULL, 0};
    expr *e = expr_compile(filter, &near);
    if (e == NULL) {
        need(near.p >= f && near.p + near.n == f + n);
    } else {
        bool first = expr_match(e, json);
        need(expr_match(e, json) == first);
        in_parentheses(filter, json, first);
    }
    expr_free(e);
    free(f);
    free(j);
    return 0;
}
