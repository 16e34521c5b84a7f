/* hll_fuzz.c -- a string that says it is a HyperLogLog, as any client may store one.
 *
 * The first byte picks a register and a value; the rest is the string, in memory of its own. A string
 * that merges into registers can be raised and made dense, and holds the same registers afterwards; one
 * that does not cannot become dense, and an error changes nothing. */
#include <stdlib.h>

#include "base/hll.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    uint8_t want[HLL_REGISTERS] = {0}, got[HLL_REGISTERS] = {0};
    unsigned reg = data[0] * 64u;
    uint8_t value = (uint8_t)(1 + data[0] % 40);
    buf h = BUF_INIT, text = BUF_INIT;
    buf_append(&h, data + 1, size - 1);
    if (hll_check(slice_of(&h)) == OK) {
        bool whole = hll_merge(want, slice_of(&h)) == OK;
        if (!hll_dense(slice_of(&h))) hll_runs(slice_of(&h), &text);
        buf before = BUF_INIT;
        buf_append_slice(&before, slice_of(&h));
        int rc = hll_raise(&h, reg, value, 3000);
        need(!whole || rc == (value > want[reg]));
        need(rc > 0 || slice_eq(slice_of(&h), slice_of(&before)));
        buf_free(&before);
        if (whole && value > want[reg]) want[reg] = value;
        need((hll_make_dense(&h) == OK) == whole || hll_dense(slice_of(&h)));
        if (whole) {
            need(hll_merge(got, slice_of(&h)) == OK && memcmp(got, want, HLL_REGISTERS) == 0);
            (void)hll_estimate(got);
        }
    }
    buf_free(&text);
    buf_free(&h);
    return 0;
}
