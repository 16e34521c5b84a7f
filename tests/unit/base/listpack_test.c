/* listpack_test.c -- the bytes of listpacks as Redis writes them, their borders, and damage. */
#include "test.h"

#include "base/listpack.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/rnd.h"

static void check_bytes(const buf *lp, const void *want, size_t n) {
    CHECK_INT(lp->n, n);
    for (size_t i = 0; i < n; i++)
        if (lp->p[i] != ((const uint8_t *)want)[i])
            test_fail(__FILE__, __LINE__, "byte %zu is %02x, expected %02x", i, lp->p[i],
                      ((const uint8_t *)want)[i]);
    CHECK_INT(lp_check(slice_of(lp), true), OK);
}

TEST("an empty listpack is seven bytes") {
    buf lp = BUF_INIT;
    lp_new(&lp);
    check_bytes(&lp, "\x07\0\0\0\0\0\xff", 7);
    slice s = slice_of(&lp);
    CHECK_INT(lp_count(s), 0);
    CHECK_INT(lp_first(s), 0);
    CHECK_INT(lp_last(s), 0);
    CHECK_INT(lp_seek(s, 0), 0);
    CHECK_INT(lp_seek(s, -1), 0);
    CHECK_INT(lp_find(s, lp_first(s), SLICE("x"), 0), 0);
    buf_free(&lp);
}

TEST("five short values, byte by byte") {
    /* "a", 1, "hello", -1 and 4095, worked out from the format. */
    buf lp = BUF_INIT;
    lp_new(&lp);
    lp_append(&lp, SLICE("a"));
    lp_append(&lp, SLICE("1"));
    lp_append(&lp, SLICE("hello"));
    lp_append(&lp, SLICE("-1"));
    lp_append_int(&lp, 4095);
    check_bytes(&lp, "\x19\0\0\0\x05\0" "\x81" "a\x02" "\x01\x01" "\x85hello\x06" "\xdf\xff\x02"
                     "\xcf\xff\x02" "\xff", 25);
    buf_free(&lp);
}

TEST("integers at each border of their encodings") {
    static const struct { int64_t v; const char *bytes; size_t n; } cases[] = {
        {0, "\x00", 1}, {127, "\x7f", 1},
        {128, "\xc0\x80", 2}, {4095, "\xcf\xff", 2}, {-1, "\xdf\xff", 2}, {-4096, "\xd0\x00", 2},
        {4096, "\xf1\x00\x10", 3}, {-4097, "\xf1\xff\xef", 3}, {32767, "\xf1\xff\x7f", 3},
        {-32768, "\xf1\x00\x80", 3},
        {32768, "\xf2\x00\x80\x00", 4}, {-32769, "\xf2\xff\x7f\xff", 4},
        {8388607, "\xf2\xff\xff\x7f", 4}, {-8388608, "\xf2\x00\x00\x80", 4},
        {8388608, "\xf3\x00\x00\x80\x00", 5}, {-8388609, "\xf3\xff\xff\x7f\xff", 5},
        {2147483647, "\xf3\xff\xff\xff\x7f", 5}, {-2147483647 - 1, "\xf3\x00\x00\x00\x80", 5},
        {2147483648, "\xf4\x00\x00\x00\x80\x00\x00\x00\x00", 9},
        {-2147483649, "\xf4\xff\xff\xff\x7f\xff\xff\xff\xff", 9},
        {INT64_MAX, "\xf4\xff\xff\xff\xff\xff\xff\xff\x7f", 9},
        {INT64_MIN, "\xf4\x00\x00\x00\x00\x00\x00\x00\x80", 9},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        buf lp = BUF_INIT, want = BUF_INIT;
        char text[NUM_LL_MAX];
        lp_new(&lp);
        lp_append(&lp, slice_make(text, num_print_ll(text, cases[i].v)));
        buf_u32(&want, (uint32_t)(8 + cases[i].n));
        buf_u16(&want, 1);
        buf_append(&want, cases[i].bytes, cases[i].n);
        buf_u8(&want, (uint8_t)cases[i].n);
        buf_u8(&want, 0xff);
        check_bytes(&lp, want.p, want.n);
        struct lp_value v = lp_get(slice_of(&lp), lp_first(slice_of(&lp)));
        CHECK(v.is_int);
        CHECK_INT(v.num, cases[i].v);
        lp_new(&lp);
        lp_append_int(&lp, cases[i].v);
        check_bytes(&lp, want.p, want.n);
        buf_free(&lp);
        buf_free(&want);
    }
}

TEST("texts that are almost integers stay texts") {
    static const char *texts[] = {"", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "1e3",
                                  "9223372036854775808", "-9223372036854775809"};
    buf lp = BUF_INIT;
    lp_new(&lp);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        lp_append(&lp, slice_str(texts[i]));
        struct lp_value v = lp_get(slice_of(&lp), lp_last(slice_of(&lp)));
        CHECK(!v.is_int);
        CHECK_SLICE(v.str, texts[i]);
    }
    CHECK_INT(lp_check(slice_of(&lp), true), OK);
    buf_free(&lp);
}

TEST("strings at each border of their heads and back lengths") {
    /* Length of the string, bytes of its head, bytes of its back length. */
    static const struct { size_t n, head, back; } cases[] = {
        {0, 1, 1}, {63, 1, 1}, {64, 2, 1}, {125, 2, 1}, {126, 2, 2}, {4095, 2, 2}, {4096, 5, 2},
        {16377, 5, 2}, {16378, 5, 3}, {2097145, 5, 3}, {2097146, 5, 4},
    };
    char *text = mem_alloc(2097146);
    memset(text, 'x', 2097146);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        buf lp = BUF_INIT;
        lp_new(&lp);
        lp_append(&lp, SLICE("before"));
        lp_append(&lp, slice_make(text, cases[i].n));
        CHECK_INT(lp.n, 7 + 8 + cases[i].head + cases[i].n + cases[i].back);
        lp_append(&lp, SLICE("after"));
        slice s = slice_of(&lp);
        CHECK_INT(lp_check(s, true), OK);
        size_t pos = lp_next(s, lp_first(s));
        CHECK(slice_eq(lp_get(s, pos).str, slice_make(text, cases[i].n)));
        CHECK_INT(lp_prev(s, lp_last(s)), pos);
        CHECK_INT(lp_prev(s, pos), lp_first(s));
        CHECK_INT(lp_prev(s, lp_first(s)), 0);
        CHECK_INT(lp_next(s, lp_last(s)), 0);
        buf_free(&lp);
    }
    mem_free(text);
}

TEST("values are sought as bytes, whichever way they are stored") {
    buf lp = BUF_INIT;
    lp_new(&lp);
    static const char *values[] = {"f1", "10", "f2", "f1", "10", "x"};
    for (size_t i = 0; i < 6; i++) lp_append(&lp, slice_str(values[i]));
    slice s = slice_of(&lp);
    CHECK_INT(lp_find(s, lp_first(s), SLICE("f1"), 1), lp_seek(s, 0));
    CHECK_INT(lp_find(s, lp_first(s), SLICE("f2"), 1), lp_seek(s, 2));
    CHECK_INT(lp_find(s, lp_first(s), SLICE("10"), 1), lp_seek(s, 4));
    CHECK_INT(lp_find(s, lp_first(s), SLICE("10"), 0), lp_seek(s, 1));
    CHECK_INT(lp_find(s, lp_first(s), SLICE("x"), 1), 0);
    CHECK_INT(lp_find(s, lp_seek(s, 1), SLICE("x"), 1), lp_seek(s, 5));
    CHECK_INT(lp_find(s, lp_first(s), SLICE("010"), 0), 0);
    CHECK(lp_equals(s, lp_seek(s, 1), SLICE("10")) && !lp_equals(s, lp_seek(s, 1), SLICE("1")));
    CHECK(lp_equals(s, lp_seek(s, 0), SLICE("f1")) && !lp_equals(s, lp_seek(s, 0), SLICE("f")));
    buf_free(&lp);
    /* Written by another program: the text "10" as a string. */
    slice odd = SLICE("\x0b\0\0\0\x01\0\x82" "10\x03\xff");
    CHECK_INT(lp_check(odd, true), OK);
    CHECK_INT(lp_find(odd, lp_first(odd), SLICE("10"), 0), 6);
    CHECK(lp_equals(odd, 6, SLICE("10")));
}

TEST("an entry that is replaced stays where it is") {
    buf lp = BUF_INIT;
    char tmp[NUM_LL_MAX];
    lp_new(&lp);
    lp_append(&lp, SLICE("a"));
    lp_append(&lp, SLICE("b"));
    lp_append(&lp, SLICE("c"));
    size_t pos = lp_seek(slice_of(&lp), 1);
    static const char *values[] = {"a much longer value than before", "7", "", "123456789012"};
    for (size_t i = 0; i < 4; i++) {
        lp_replace(&lp, pos, slice_str(values[i]));
        CHECK_INT(lp_check(slice_of(&lp), true), OK);
        CHECK_SLICE(lp_get_bytes(slice_of(&lp), pos, tmp), values[i]);
        CHECK_SLICE(lp_get_bytes(slice_of(&lp), lp_next(slice_of(&lp), pos), tmp), "c");
        CHECK_INT(lp_count(slice_of(&lp)), 3);
    }
    buf_free(&lp);
}

TEST("deleting tells what follows") {
    buf lp = BUF_INIT;
    lp_new(&lp);
    for (int i = 0; i < 10; i++) lp_append_int(&lp, i);
    size_t pos = lp_delete(&lp, lp_seek(slice_of(&lp), 2), 3);
    CHECK_INT(lp_get(slice_of(&lp), pos).num, 5);
    CHECK_INT(lp_count(slice_of(&lp)), 7);
    CHECK_INT(lp_delete(&lp, lp_seek(slice_of(&lp), -2), 100), 0);
    CHECK_INT(lp_count(slice_of(&lp)), 5);
    pos = lp_first(slice_of(&lp));
    CHECK_INT(lp_delete(&lp, pos, 0), pos);
    CHECK_INT(lp_delete(&lp, pos, 5), 0);
    check_bytes(&lp, "\x07\0\0\0\0\0\xff", 7);
    buf_free(&lp);
}

TEST("over 65,534 entries the count is found by walking") {
    buf lp = BUF_INIT;
    lp_new(&lp);
    for (int i = 0; i < 65534; i++) lp_append_int(&lp, 1);
    CHECK_INT(get_u16(lp.p + 4), 65534);
    CHECK_INT(lp_count(slice_of(&lp)), 65534);
    lp_append_int(&lp, 2);
    CHECK_INT(get_u16(lp.p + 4), 65535);
    CHECK_INT(lp_count(slice_of(&lp)), 65535);
    lp_append_int(&lp, 3);
    slice s = slice_of(&lp);
    CHECK_INT(lp_count(s), 65536);
    CHECK_INT(lp_get(s, lp_seek(s, 65535)).num, 3);
    CHECK_INT(lp_get(s, lp_seek(s, -2)).num, 2);
    CHECK_INT(lp_seek(s, 65536), 0);
    CHECK_INT(lp_seek(s, -65537), 0);
    CHECK_INT(lp_check(s, true), OK);
    CHECK_INT(lp_delete(&lp, lp_first(slice_of(&lp)), 65530), lp_first(slice_of(&lp)));
    CHECK_INT(lp_count(slice_of(&lp)), 6);
    CHECK_INT(lp_check(slice_of(&lp), true), OK);
    buf_free(&lp);
}

TEST("damage is found") {
    const struct { const char *what; slice bytes; } cases[] = {
        {"nothing", slice_make(NULL, 0)},
        {"too short", SLICE("\x06\0\0\0\0\xff")},
        {"another total", SLICE("\x08\0\0\0\0\0\xff")},
        {"no end", SLICE("\x07\0\0\0\0\0\xfe")},
        {"a count too high", SLICE("\x09\0\0\0\x02\0\x01\x01\xff")},
        {"a count too low", SLICE("\x09\0\0\0\0\0\x01\x01\xff")},
        {"an end inside", SLICE("\x09\0\0\0\x01\0\xff\x01\xff")},
        {"no such encoding", SLICE("\x09\0\0\0\x01\0\xf5\x01\xff")},
        {"a wrong back length", SLICE("\x09\0\0\0\x01\0\x01\x02\xff")},
        {"a string beyond the end", SLICE("\x0a\0\0\0\x01\0\x83" "ab\xff")},
        {"a string up to the end", SLICE("\x0a\0\0\0\x01\0\x82" "ab\xff")},
        {"a head beyond the end", SLICE("\x08\0\0\0\x01\0\xe1\xff")},
        {"a long head beyond the end", SLICE("\x0a\0\0\0\x01\0\xf0\x01\x00\xff")},
        {"a length of four gigabytes", SLICE("\x0d\0\0\0\x01\0\xf0\xff\xff\xff\xff\x01\xff")},
        {"an integer beyond the end", SLICE("\x09\0\0\0\x01\0\xf4\x00\xff")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t *exact = mem_alloc(cases[i].bytes.n);
        if (cases[i].bytes.n > 0) memcpy(exact, cases[i].bytes.p, cases[i].bytes.n);
        if (lp_check(slice_make(exact, cases[i].bytes.n), true) != ERR_CORRUPT)
            test_fail(__FILE__, __LINE__, "%s was not found", cases[i].what);
        mem_free(exact);
    }
}

TEST("the shallow check looks at the frame alone") {
    CHECK_INT(lp_check(SLICE("\x09\0\0\0\x01\0\x01\x02\xff"), false), OK);
    CHECK_INT(lp_check(SLICE("\x08\0\0\0\0\0\xff"), false), ERR_CORRUPT);
}

TEST("an entry takes the bytes that were told before") {
    static char long_text[20000];
    static const int64_t ints[] = {0, 1, 127, 128, -1, 4095, 4096, -4096, -4097, INT16_MAX, INT16_MIN - 1, 1 << 23,
                                   INT32_MAX, INT32_MIN, (int64_t)INT32_MAX + 1, INT64_MAX, INT64_MIN};
    static const size_t lengths[] = {0, 1, 62, 63, 64, 126, 127, 128, 4095, 4096, 16380, 16384, 20000};
    buf lp = BUF_INIT;
    memset(long_text, 'x', sizeof(long_text));
    lp_new(&lp);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        size_t before = lp.n;
        slice text = slice_make(long_text, lengths[i]);
        lp_append(&lp, text);
        CHECK_INT(lp.n - before, lp_entry_bytes(text));
    }
    size_t at = lp_first(slice_of(&lp));
    for (size_t i = 0; i < sizeof(ints) / sizeof(*ints); i++) {
        char tmp[NUM_LL_MAX];
        slice text = slice_make(tmp, num_print_ll(tmp, ints[i]));
        size_t before = lp.n;
        lp_append_int(&lp, ints[i]);
        CHECK_INT(lp.n - before, lp_entry_bytes_int(ints[i]));
        CHECK_INT(lp_entry_bytes(text), lp_entry_bytes_int(ints[i]));
        lp_replace_int(&lp, at, ints[i]);
        CHECK(lp_equals(slice_of(&lp), at, text));
        CHECK_INT(lp_check(slice_of(&lp), true), OK);
    }
    buf_free(&lp);
}
