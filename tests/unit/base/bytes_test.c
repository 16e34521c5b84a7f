/* bytes_test.c -- slices, buffers and readers. */
#include "test.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rnd.h"

TEST("slices compare as memcmp does, the shorter first") {
    CHECK(slice_cmp(SLICE("a"), SLICE("b")) < 0);
    CHECK(slice_cmp(SLICE("b"), SLICE("abc")) > 0);
    CHECK(slice_cmp(SLICE("ab"), SLICE("abc")) < 0);
    CHECK(slice_cmp(SLICE("abc"), SLICE("ab")) > 0);
    CHECK(slice_cmp(SLICE("\xff"), SLICE("a")) > 0);
    CHECK(slice_cmp(SLICE("a\0b"), SLICE("a\0c")) < 0);
    CHECK_INT(slice_cmp(slice_make(NULL, 0), SLICE("")), 0);
    CHECK(slice_eq(slice_make(NULL, 0), SLICE("")));
    CHECK(!slice_eq(SLICE("a"), SLICE("A")));
}

TEST("a word is known in any case, and only whole") {
    CHECK(slice_is(SLICE("GeT"), "get"));
    CHECK(slice_is(SLICE("get"), "GET"));
    CHECK(!slice_is(SLICE("ge"), "get"));
    CHECK(!slice_is(SLICE("gets"), "get"));
    CHECK(!slice_is(SLICE("get\0"), "get"));
    CHECK(!slice_is(SLICE("@"), "`")); /* They differ by the bit of case, and are no letters. */
    CHECK(!slice_is(SLICE("["), "{"));
    CHECK(slice_is(slice_make(NULL, 0), ""));
}

TEST("slice_strdup ends with NUL") {
    char *s = slice_strdup(slice_make("hello", 4));
    CHECK_STR(s, "hell");
    mem_free(s);
    s = slice_strdup(slice_make(NULL, 0));
    CHECK_STR(s, "");
    mem_free(s);
}

TEST("a buffer grows and keeps its bytes") {
    buf b = BUF_INIT;
    for (int i = 0; i < 100000; i++) buf_u8(&b, (uint8_t)(i * 7));
    CHECK_INT(b.n, 100000);
    for (int i = 0; i < 100000; i++) CHECK_INT(b.p[i], (uint8_t)(i * 7));
    buf_free(&b);
    CHECK(b.p == NULL && b.n == 0 && b.cap == 0);
}

TEST("text is appended and printed at any length") {
    buf b = BUF_INIT;
    buf_append_str(&b, "a");
    buf_append_slice(&b, SLICE("bc"));
    buf_append(&b, NULL, 0);
    buf_printf(&b, "-%d-%s", 42, "x");
    CHECK_SLICE(slice_of(&b), "abc-42-x");
    for (int width = 0; width < 300; width++) {
        buf_free(&b);
        buf_printf(&b, "%*s|", width, "");
        CHECK_INT(b.n, width + 1);
        CHECK_INT(b.p[width], '|');
    }
    buf_free(&b);
}

TEST("a buffer gives up its first bytes") {
    buf b = BUF_INIT;
    buf_append_str(&b, "0123456789");
    buf_consume(&b, 0);
    buf_consume(&b, 3);
    CHECK_SLICE(slice_of(&b), "3456789");
    buf_consume(&b, 7);
    CHECK_INT(b.n, 0);
    buf_free(&b);
}

TEST("room that cannot be had is an error, and nothing is lost") {
    buf b = BUF_INIT;
    buf_append_str(&b, "kept");
    CHECK_INT(buf_try_reserve(&b, SIZE_MAX), ERR_NOMEM);
    CHECK_INT(buf_try_reserve(&b, SIZE_MAX - 4), ERR_NOMEM);
    CHECK_INT(buf_try_reserve(&b, SIZE_MAX / 2), ERR_NOMEM);
    mem_fail_at(1);
    CHECK_INT(buf_try_reserve(&b, 1000), ERR_NOMEM);
    CHECK_INT(buf_try_reserve(&b, 1000), OK);
    CHECK(b.cap - b.n >= 1000);
    CHECK_SLICE(slice_of(&b), "kept");
    buf_free(&b);
}

TEST("what is written is read back, and numbers are little endian") {
    buf b = BUF_INIT;
    buf_u8(&b, 0xab);
    buf_u16(&b, 0x0102);
    buf_u32(&b, 0x01020304);
    buf_u64(&b, 0x0102030405060708);
    buf_bytes(&b, SLICE("text"));
    buf_append_str(&b, "raw");
    CHECK(memcmp(b.p, "\xab\x02\x01\x04\x03\x02\x01\x08\x07\x06\x05\x04\x03\x02\x01\x04text", 20) == 0);
    reader r = reader_make(slice_of(&b));
    CHECK_INT(read_u8(&r), 0xab);
    CHECK_INT(read_u16(&r), 0x0102);
    CHECK_INT(read_u32(&r), 0x01020304);
    CHECK_INT(read_u64(&r), 0x0102030405060708);
    CHECK_SLICE(read_bytes(&r), "text");
    CHECK_SLICE(read_raw(&r, 3), "raw");
    CHECK_INT(reader_left(&r), 0);
    CHECK_INT(read_raw(&r, 0).n, 0);
    CHECK(!r.bad);
    buf_free(&b);
}

TEST("varints of every size come back") {
    for (int bits = 0; bits <= 64; bits++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t v = (bits == 64 ? 0 : (uint64_t)1 << bits) + (uint64_t)(int64_t)delta;
            buf b = BUF_INIT;
            buf_varint(&b, v);
            CHECK(b.n <= 10);
            reader r = reader_make(slice_of(&b));
            CHECK(read_varint(&r) == v);
            CHECK(!r.bad && reader_left(&r) == 0);
            /* A byte less must not be enough. */
            r = reader_make(slice_make(b.p, b.n - 1));
            CHECK_INT(read_varint(&r), 0);
            CHECK(r.bad);
            buf_free(&b);
        }
    }
}

TEST("a varint of more than 64 bits is bad") {
    reader r = reader_make(SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
    CHECK_INT(read_varint(&r), 0);
    CHECK(r.bad);
    r = reader_make(SLICE("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"));
    CHECK_INT(read_varint(&r), 0);
    CHECK(r.bad);
}

TEST("after the first read past the end all reads are empty") {
    reader r = reader_make(SLICE("\x01\x02\x03"));
    CHECK_INT(read_u32(&r), 0);
    CHECK(r.bad);
    CHECK_INT(read_u8(&r), 0);
    CHECK_INT(read_u16(&r), 0);
    CHECK_INT(read_u64(&r), 0);
    CHECK_INT(read_bytes(&r).n, 0);
    CHECK_INT(read_raw(&r, 1).n, 0);
    CHECK_INT(reader_left(&r), 0);
}

TEST("a length beyond the end is bad, however large") {
    reader r = reader_make(SLICE("\x05" "abcd"));
    CHECK_INT(read_bytes(&r).n, 0);
    CHECK(r.bad);
    r = reader_make(SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" "abcd"));
    CHECK_INT(read_bytes(&r).n, 0);
    CHECK(r.bad);
    r = reader_make(SLICE("abcd"));
    CHECK_INT(read_raw(&r, SIZE_MAX).n, 0);
    CHECK(r.bad);
}

TEST("readers of random bytes never leave them") {
    rnd random;
    rnd_seed(&random, 7);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)rnd_below(&random, 24);
        uint8_t *bytes = mem_alloc(n); /* Exact, so that a sanitizer sees each step outside. */
        rnd_bytes(&random, bytes, n);
        reader r = reader_make(slice_make(bytes, n));
        while (!r.bad && reader_left(&r) > 0) {
            slice s = {NULL, 0};
            switch (rnd_below(&random, 6)) {
            case 0: read_u8(&r); break;
            case 1: read_u16(&r); break;
            case 2: read_u64(&r); break;
            case 3: read_varint(&r); break;
            case 4: s = read_bytes(&r); break;
            default: s = read_raw(&r, (size_t)rnd_below(&random, 9)); break;
            }
            CHECK(s.n == 0 || (s.p >= bytes && s.p + s.n <= bytes + n));
        }
        mem_free(bytes);
    }
}
