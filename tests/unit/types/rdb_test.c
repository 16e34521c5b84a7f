/* rdb_test.c -- RDB primitives and LZF: known bytes, both ways, and damage. */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "base/rnd.h"
#include "types/lzf.h"
#include "types/rdb.h"
#include "types/ziplist.h"

static void bytes_are(const buf *b, const char *want, size_t n) {
    CHECK_INT(b->n, n);
    CHECK(memcmp(b->p, want, n) == 0);
}

TEST("lengths take 1, 2, 5 or 9 bytes and read back") {
    struct { uint64_t n; size_t bytes; } cases[] = {
        {0, 1}, {63, 1}, {64, 2}, {16383, 2}, {16384, 5}, {UINT32_MAX, 5},
        {(uint64_t)UINT32_MAX + 1, 9}, {UINT64_MAX, 9}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf b = BUF_INIT;
        rdb_write_len(&b, cases[i].n);
        CHECK_INT(b.n, cases[i].bytes);
        reader r = reader_make(slice_of(&b));
        CHECK(rdb_read_len(&r) == cases[i].n);
        CHECK(!r.bad);
        for (size_t cut = 0; cut < b.n; cut++) {
            reader part = reader_make(slice_make(b.p, cut));
            rdb_read_len(&part);
            CHECK(part.bad);
        }
        buf_free(&b);
    }
    buf b = BUF_INIT;
    rdb_write_len(&b, 300);
    bytes_are(&b, "\x41\x2C", 2);
    rdb_write_len(&b, 70000);
    bytes_are(&b, "\x41\x2C\x80\x00\x01\x11\x70", 7);
    buf_free(&b);
}

TEST("strings that read as integers are written as integers") {
    buf b = BUF_INIT;
    rdb_write_string(&b, SLICE("12"));
    bytes_are(&b, "\xC0\x0C", 2);
    b.n = 0;
    rdb_write_string(&b, SLICE("-300"));
    bytes_are(&b, "\xC1\xD4\xFE", 3);
    b.n = 0;
    rdb_write_string(&b, SLICE("70000"));
    bytes_are(&b, "\xC2\x70\x11\x01\x00", 5);
    b.n = 0;
    rdb_write_string(&b, SLICE("2147483648"));
    bytes_are(&b, "\x0A" "2147483648", 11);
    b.n = 0;
    rdb_write_string(&b, SLICE("012"));
    bytes_are(&b, "\x03" "012", 4);
    b.n = 0;
    rdb_write_ll(&b, 99999999999);
    bytes_are(&b, "\x0B" "99999999999", 12);
    buf_free(&b);
}

TEST("strings read back as they were written; no prefix does") {
    rnd r;
    rnd_seed(&r, 4);
    buf b = BUF_INIT, store = BUF_INIT;
    for (int i = 0; i < 300; i++) {
        uint8_t bytes[600];
        size_t n = rnd_below(&r, sizeof(bytes));
        uint64_t letters = 1 + rnd_below(&r, 5);
        for (size_t k = 0; k < n; k++) bytes[k] = (uint8_t)('0' + rnd_below(&r, letters));
        b.n = 0;
        rdb_write_string(&b, slice_make(bytes, n));
        reader in = reader_make(slice_of(&b));
        slice out;
        CHECK_INT(rdb_read_string(&in, &store, &out), OK);
        CHECK(slice_eq(out, slice_make(bytes, n)));
        CHECK_INT(reader_left(&in), 0);
        for (size_t cut = 0; cut < b.n; cut++) {
            reader part = reader_make(slice_make(b.p, cut));
            CHECK_INT(rdb_read_string(&part, &store, &out), ERR_CORRUPT);
        }
    }
    buf_free(&b);
    buf_free(&store);
}

TEST("a compressed length that its bytes cannot yield is refused before it sizes anything") {
    buf store = BUF_INIT;
    slice out, hostile = SLICE("\xC3\x05\x80\x10\x00\x00\x00" "abcde");
    reader r = reader_make(hostile);
    CHECK_INT(rdb_read_string(&r, &store, &out), ERR_CORRUPT);
    CHECK_INT(store.cap, 0);
    reader r2 = reader_make(SLICE("\x80\x7F\xFF\xFF\xFF" "abcde"));
    CHECK_INT(rdb_read_string(&r2, &store, &out), ERR_CORRUPT);
    reader r3 = reader_make(SLICE("\x7F\xFF"));
    CHECK_INT(rdb_read_count(&r3, 1), 0);
    CHECK(r3.bad);
}

TEST("LZF: any bytes come back, and damage stays within bounds") {
    rnd r;
    rnd_seed(&r, 14);
    int smaller = 0, refused = 0;
    for (int i = 0; i < 2000; i++) {
        size_t n = 4 + rnd_below(&r, i % 100 == 0 ? 60000 : 400);
        uint8_t *in = mem_alloc(n), *out = mem_alloc(n * 2), *back = mem_alloc(n);
        uint64_t letters = 1 + rnd_below(&r, i % 3 == 0 ? 256 : 4);
        for (size_t k = 0; k < n; k++) in[k] = (uint8_t)rnd_below(&r, letters);
        size_t packed = lzf_compress(slice_make(in, n), out, n * 2);
        CHECK(packed > 0);
        CHECK_INT(lzf_decompress(slice_make(out, packed), back, n), OK);
        CHECK(memcmp(in, back, n) == 0);
        smaller += packed < n;
        CHECK_INT(lzf_compress(slice_make(in, n), out, packed - 1), 0);
        CHECK_INT(lzf_compress(slice_make(in, n), out, packed), packed);
        out[rnd_below(&r, packed)] ^= (uint8_t)(1 + rnd_below(&r, 255));
        refused += lzf_decompress(slice_make(out, packed), back, n) != OK;
        mem_free(in);
        mem_free(out);
        mem_free(back);
    }
    CHECK(smaller > 1000);
    CHECK(refused > 300);
    uint8_t out[30];
    slice known = SLICE("\x01" "ab" "\xE0\x08\x01"); /* ab, then 17 bytes from 2 back */
    CHECK_INT(lzf_decompress(known, out, 19), OK);
    CHECK(memcmp(out, "ababababababababababab", 19) == 0);
}

TEST("doubles: as 8 bytes, and the text of old sorted sets") {
    buf b = BUF_INIT;
    rdb_write_double(&b, 3.25);
    reader r = reader_make(slice_of(&b));
    CHECK(rdb_read_double(&r) == 3.25 && !r.bad);
    reader t = reader_make(SLICE("\x04" "1.50" "\xFE\xFF" "\xFD"));
    CHECK(rdb_read_double_text(&t) == 1.5);
    CHECK(rdb_read_double_text(&t) == (double)INFINITY);
    CHECK(rdb_read_double_text(&t) == -(double)INFINITY);
    CHECK(!t.bad);
    rdb_read_double_text(&t);
    CHECK(t.bad);
    buf_free(&b);
}

static int join(void *cookie, slice s) {
    buf_append_slice(cookie, s);
    buf_u8(cookie, ' ');
    return OK;
}

TEST("a ziplist and a zipmap are read, and damaged ones refused") {
    /* "a" 12 "hello" -3 1000 */
    slice zl = SLICE("\x1f\0\0\0" "\x1a\0\0\0" "\x05\0"
                     "\x00\x01" "a" "\x03\xFD" "\x02\x05" "hello" "\x07\xFE\xFD" "\x03\xC0\xE8\x03" "\xFF");
    buf out = BUF_INIT;
    buf z = BUF_INIT;
    buf_append_slice(&z, zl);
    put_u32(z.p, (uint32_t)z.n);
    put_u32(z.p + 4, (uint32_t)z.n - 5);
    CHECK_INT(ziplist_each(slice_of(&z), join, &out), OK);
    CHECK_SLICE(slice_of(&out), "a 12 hello -3 1000 ");
    for (size_t i = 0; i < z.n; i++) { /* No read outside, whatever the damage. */
        for (unsigned v = 0; v < 256; v++) {
            uint8_t *copy = mem_alloc(z.n);
            memcpy(copy, z.p, z.n);
            copy[i] = (uint8_t)v;
            out.n = 0;
            int rc = ziplist_each(slice_make(copy, z.n), join, &out);
            CHECK(rc == OK || rc == ERR_CORRUPT);
            mem_free(copy);
        }
    }
    out.n = 0;
    slice zm = SLICE("\x02\x03" "foo" "\x03\x00" "bar" "\x05" "hello" "\x05\x02" "world" "xx" "\xFF");
    CHECK_INT(zipmap_each(zm, join, &out), OK);
    CHECK_SLICE(slice_of(&out), "foo bar hello world ");
    CHECK_INT(zipmap_each(slice_make(zm.p, zm.n - 1), join, &out), ERR_CORRUPT);
    CHECK_INT(zipmap_each(SLICE("\x01\x03" "foo" "\xFF"), join, &out), ERR_CORRUPT);
    buf_free(&out);
    buf_free(&z);
}
