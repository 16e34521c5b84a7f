/* intset_test.c -- intsets against an array of flags, their bytes, and what is refused. */
#include "test.h"

#include "base/intset.h"
#include "base/rnd.h"

TEST("the bytes are those of Redis") {
    buf b = BUF_INIT;
    intset_new(&b);
    CHECK(b.n == 8 && memcmp(b.p, "\2\0\0\0\0\0\0\0", 8) == 0);
    CHECK(intset_add(&b, 5));
    CHECK(intset_add(&b, -1));
    CHECK(!intset_add(&b, 5));
    CHECK(b.n == 12 && memcmp(b.p, "\2\0\0\0\2\0\0\0\xff\xff\5\0", 12) == 0);
    CHECK(intset_add(&b, 65536));
    CHECK(b.n == 20 && memcmp(b.p, "\4\0\0\0\3\0\0\0\xff\xff\xff\xff\5\0\0\0\0\0\1\0", 20) == 0);
    CHECK(intset_add(&b, INT64_MIN));
    CHECK_INT(b.n, 8 + 4 * 8);
    CHECK_INT(intset_at(slice_of(&b), 0), INT64_MIN);
    CHECK(intset_del(&b, INT64_MIN)); /* It stays as wide as it is. */
    CHECK_INT(b.n, 8 + 3 * 8);
    buf_free(&b);
}

TEST("the widths change at their limits") {
    static const struct { int64_t v; size_t width; } cases[] = {
        {INT16_MAX, 2}, {INT16_MIN, 2}, {INT16_MAX + 1, 4}, {INT16_MIN - 1, 4},
        {INT32_MAX, 4}, {INT32_MIN, 4}, {(int64_t)INT32_MAX + 1, 8}, {(int64_t)INT32_MIN - 1, 8},
        {INT64_MAX, 8}, {INT64_MIN, 8}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        buf b = BUF_INIT;
        intset_new(&b);
        CHECK(intset_add(&b, cases[i].v));
        CHECK_INT(b.n, 8 + cases[i].width);
        CHECK_INT(intset_at(slice_of(&b), 0), cases[i].v);
        CHECK_INT(intset_check(slice_of(&b), true), OK);
        buf_free(&b);
    }
}

static void model(uint64_t seed, int64_t scale) {
    enum { SPAN = 500 };
    bool there[SPAN] = {false};
    size_t count = 0;
    rnd r;
    rnd_seed(&r, seed);
    buf b = BUF_INIT;
    intset_new(&b);
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)rnd_below(&r, SPAN);
        int64_t v = ((int64_t)i - SPAN / 2) * scale;
        CHECK_INT(intset_has(slice_of(&b), v), there[i]);
        if (rnd_below(&r, 2) == 0) {
            CHECK_INT(intset_add(&b, v), !there[i]);
            count += !there[i];
            there[i] = true;
        } else {
            CHECK_INT(intset_del(&b, v), there[i]);
            count -= there[i];
            there[i] = false;
        }
        CHECK_INT(intset_count(slice_of(&b)), count);
        if (step % 100 != 0) continue;
        CHECK_INT(intset_check(slice_of(&b), true), OK);
        size_t at = 0;
        for (int k = 0; k < SPAN; k++)
            if (there[k]) CHECK_INT(intset_at(slice_of(&b), at++), (k - SPAN / 2) * scale);
        CHECK_INT(at, count);
    }
    buf_free(&b);
}

TEST("random changes, elements of 2 bytes") { model(1, 1); }
TEST("random changes, elements of up to 4 bytes") { model(2, 100000); }
TEST("random changes, elements of up to 8 bytes") { model(3, (int64_t)1 << 50); }

TEST("bytes that are none are refused") {
    CHECK_INT(intset_check(slice_make("\2\0\0\0\0\0\0", 7), false), ERR_CORRUPT);
    CHECK_INT(intset_check(slice_make("\2\0\0\0\0\0\0\0", 8), true), OK);
    CHECK_INT(intset_check(slice_make("\3\0\0\0\0\0\0\0", 8), false), ERR_CORRUPT);
    CHECK_INT(intset_check(slice_make("\2\0\0\0\1\0\0\0", 8), false), ERR_CORRUPT);
    CHECK_INT(intset_check(slice_make("\2\0\0\0\0\0\0\0\1\0", 10), false), ERR_CORRUPT);
    CHECK_INT(intset_check(slice_make("\2\0\0\0\xff\xff\xff\xff\1\0", 10), false), ERR_CORRUPT);
    CHECK_INT(intset_check(slice_make("\2\0\0\0\2\0\0\0\1\0\1\0", 12), false), OK);
    CHECK_INT(intset_check(slice_make("\2\0\0\0\2\0\0\0\1\0\1\0", 12), true), ERR_CORRUPT);
    CHECK_INT(intset_check(slice_make("\2\0\0\0\2\0\0\0\2\0\1\0", 12), true), ERR_CORRUPT);
    CHECK_INT(intset_check(slice_make("\2\0\0\0\2\0\0\0\1\0\2\0", 12), true), OK);
}
