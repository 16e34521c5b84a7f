/* hll_test.c -- HyperLogLog against registers kept in an array, its bytes, and damage. */
#include <stdlib.h>

#include "base/hll.h"
#include "base/rnd.h"
#include "test.h"

static void check_same(const buf *h, const uint8_t want[HLL_REGISTERS]) {
    uint8_t regs[HLL_REGISTERS] = {0};
    CHECK_INT(hll_check(slice_of(h)), OK);
    CHECK_INT(hll_merge(regs, slice_of(h)), OK);
    CHECK(memcmp(regs, want, HLL_REGISTERS) == 0);
}

TEST("an empty one is one run of 16,384 zeros, and estimates 0") {
    buf h = BUF_INIT;
    uint8_t regs[HLL_REGISTERS] = {0};
    uint64_t count = 7;
    hll_new(&h);
    CHECK(slice_eq(slice_of(&h), slice_make("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18)));
    CHECK(hll_cached(slice_of(&h), &count));
    CHECK_INT(count, 0);
    check_same(&h, regs);
    CHECK_INT(hll_estimate(regs), 0);
    buf_free(&h);
}

TEST("raised registers are those of an array, sparse, at its borders, and dense") {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        rnd g;
        rnd_seed(&g, seed);
        buf h = BUF_INIT;
        uint8_t want[HLL_REGISTERS] = {0};
        size_t max = seed % 3 == 0 ? HLL_SPARSE_BYTES_MAX : 200 * (size_t)seed;
        unsigned near = 1 + (unsigned)rnd_below(&g, HLL_REGISTERS);
        hll_new(&h);
        for (unsigned i = 0; i < 3000; i++) {
            unsigned reg = (unsigned)rnd_below(&g, near);
            uint8_t value = (uint8_t)(1 + rnd_below(&g, rnd_below(&g, 100) == 0 && seed % 3 != 0 ? 50 : 4));
            if (rnd_below(&g, 50) == 0) reg = rnd_below(&g, 2) == 0 ? 0 : HLL_REGISTERS - 1;
            CHECK_INT(hll_raise(&h, reg, value, max), value > want[reg]);
            if (value > want[reg]) want[reg] = value;
            if (!hll_dense(slice_of(&h))) CHECK(h.n <= max || max < 18);
            if (i % 100 == 0) check_same(&h, want);
        }
        check_same(&h, want);
        CHECK_INT(hll_make_dense(&h), OK);
        CHECK_INT(h.n, HLL_DENSE_BYTES);
        check_same(&h, want);
        buf_free(&h);
    }
}

TEST("neighbours of one value become one run, of at most four") {
    buf h = BUF_INIT, text = BUF_INIT;
    hll_new(&h);
    for (unsigned i = 10; i < 16; i++) CHECK_INT(hll_raise(&h, i, 2, 3000), 1);
    hll_runs(slice_of(&h), &text);
    CHECK_SLICE(slice_of(&text), "z:10 v:2,4 v:2,2 Z:16368");
    buf_free(&text);
    buf_free(&h);
}

TEST("estimates of a growing number are within five standard errors") {
    buf h = BUF_INIT;
    hll_new(&h);
    for (uint64_t n = 1, next = 1; n <= 1000000; n++) {
        uint8_t element[8], regs[HLL_REGISTERS] = {0};
        put_u64(element, n * 0x9e3779b97f4a7c15u);
        CHECK(hll_add(&h, slice_make(element, 8), 3000) >= 0);
        if (n != next) continue;
        next = next * 3 + 1;
        CHECK_INT(hll_merge(regs, slice_of(&h)), OK);
        double off = (double)hll_estimate(regs) - (double)n;
        if (off > 1 + 0.041 * (double)n || off < -1 - 0.041 * (double)n)
            test_fail(__FILE__, __LINE__, "%g off at %g", off, (double)n);
    }
    CHECK(hll_dense(slice_of(&h)));
    buf_free(&h);
}

TEST("a cached count is valid until it is dropped") {
    buf h = BUF_INIT;
    uint64_t count;
    hll_new(&h);
    hll_cache_drop(&h);
    CHECK(!hll_cached(slice_of(&h), &count));
    hll_cache(&h, 12345);
    CHECK(hll_cached(slice_of(&h), &count));
    CHECK_INT(count, 12345);
    buf_free(&h);
}

static int merged(const char *runs, size_t n) {
    static uint8_t regs[HLL_REGISTERS];
    buf h = BUF_INIT;
    hll_new(&h);
    h.n = HLL_HEAD_BYTES;
    buf_append(&h, runs, n);
    int rc = hll_merge(regs, slice_of(&h));
    buf before = BUF_INIT;
    buf_append_slice(&before, slice_of(&h));
    if (rc != OK) { /* What cannot be done leaves it as it was. */
        CHECK_INT(hll_make_dense(&h), ERR_CORRUPT);
        CHECK_INT(hll_raise(&h, HLL_REGISTERS - 1, 40, 3000), ERR_CORRUPT);
        CHECK(slice_eq(slice_of(&h), slice_of(&before)));
    }
    buf_free(&before);
    buf_free(&h);
    return rc;
}

TEST("what does not cover every register once is damage") {
    CHECK_INT(merged("\x7f\xff", 2), OK);
    CHECK_INT(merged("", 0), ERR_CORRUPT);
    CHECK_INT(merged("\x7f", 1), ERR_CORRUPT);
    CHECK_INT(merged("\x7f\xfe\x40", 3), OK); /* The 0 that is not there. */
    CHECK_INT(merged("\x7f\xfe", 2), ERR_CORRUPT);
    CHECK_INT(merged("\x7f\xff\x00", 3), ERR_CORRUPT);
    CHECK_INT(merged("\x7f\xff\x7f\xff", 4), ERR_CORRUPT);
    CHECK_INT(merged("\x7f\xfe\xfc", 3), OK);
    CHECK_INT(merged("\x7f\xfe\xfd", 3), ERR_CORRUPT);
    CHECK_INT(hll_check(SLICE("HYLL")), ERR_CORRUPT);
    CHECK_INT(hll_check(slice_make("HYLM\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18)), ERR_CORRUPT);
    CHECK_INT(hll_check(slice_make("HYLL\2\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18)), ERR_CORRUPT);
    CHECK_INT(hll_check(slice_make("HYLL\0\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18)), ERR_CORRUPT);
}

TEST("a register is raised in the run that leads to it, whatever is behind") {
    buf h = BUF_INIT, text = BUF_INIT;
    hll_new(&h);
    h.n = HLL_HEAD_BYTES;
    buf_append(&h, "\x04\x7f\xff\x01\x7f", 5);
    CHECK_INT(hll_raise(&h, 7, 3, 3000), 1);
    hll_runs(slice_of(&h), &text);
    CHECK_SLICE(slice_of(&text), "z:5 z:2 v:3,1 Z:16381 z:2 Z:16129");
    CHECK_INT(hll_raise(&h, 7, 3, 3000), 0);
    CHECK_INT(hll_raise(&h, 8, 33, 3000), ERR_CORRUPT);
    h.n = HLL_HEAD_BYTES + 3;
    CHECK_INT(hll_raise(&h, 9, 1, 3000), ERR_CORRUPT);
    buf_free(&text);
    buf_free(&h);
}

TEST("a string that ends within its last run stays good when that is raised") {
    buf h = BUF_INIT;
    uint8_t want[HLL_REGISTERS] = {0};
    hll_new(&h);
    h.n = HLL_HEAD_BYTES;
    buf_append(&h, "\x40\xfe\x7f", 3); /* 255 registers, and 16,129. */
    CHECK_INT(hll_merge(want, slice_of(&h)), OK);
    want[HLL_REGISTERS - 1] = 2;
    CHECK_INT(hll_raise(&h, HLL_REGISTERS - 1, 2, 3000), 1);
    check_same(&h, want);
    buf_free(&h);
}
