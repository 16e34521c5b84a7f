/* segment_test.c -- log objects: what is written is read, and nothing damaged is. */
#include "tier/segment.h"

#include "base/mem.h"
#include "base/rnd.h"
#include "test.h"
#include "tier/codec.h"

static void make(buf *raw, buf *bytes, struct segment_header *h, size_t records, size_t body_bytes) {
    rnd r;
    rnd_seed(&r, records);
    buf body = BUF_INIT;
    for (size_t i = 0; i < records; i++) {
        body.n = 0;
        for (size_t k = 0; k < body_bytes; k++) buf_u8(&body, (uint8_t)(rnd_u64(&r) % 7));
        record_append(raw, RECORD_TXN, 100 + i, 5000 + i, slice_of(&body));
    }
    buf_free(&body);
    *h = (struct segment_header){.kind = SEGMENT_DATA, .epoch = 7, .seq = 42, .nonce = 99,
                                 .first_lsn = 100, .last_lsn = 100 + records - 1,
                                 .records = (uint32_t)records, .wall_ms = 5};
    buf_reserve(bytes, SEGMENT_HEADER_BYTES);
    bytes->n = SEGMENT_HEADER_BYTES;
    segment_pack(h, slice_of(raw), bytes);
    segment_encode_header(h, bytes->p);
}

TEST("a segment reads back as it was written, plain and compressed") {
    for (size_t body = 10; body < 5000; body = body * 10) {
        buf raw = BUF_INIT, bytes = BUF_INIT, back = BUF_INIT;
        struct segment_header h, got;
        make(&raw, &bytes, &h, 20, body);
        CHECK_INT(segment_check(slice_of(&bytes), 42, &got), OK);
        CHECK_INT(got.epoch, 7);
        CHECK_INT(got.codec, raw.n > 4096 ? 1 : 0);
        CHECK_INT(got.records, 20);
        CHECK_INT(segment_unpack(slice_of(&bytes), &got, &back), OK);
        CHECK(slice_eq(slice_of(&raw), slice_of(&back)));
        reader r = reader_make(slice_of(&back));
        struct record x;
        for (size_t i = 0; i < 20; i++) {
            CHECK_INT(record_next(&r, &x), OK);
            CHECK_INT(x.lsn, 100 + i);
            CHECK_INT(x.wall_ms, 5000 + i);
            CHECK_INT(x.body.n, body);
        }
        CHECK_INT(record_next(&r, &x), ERR_NOTFOUND);
        buf_free(&raw);
        buf_free(&bytes);
        buf_free(&back);
    }
}

/* Which of two kinds of bytes each 32 KB has. */
static uint8_t packed_as(bool shrinks, bool also) {
    rnd r;
    rnd_seed(&r, 3);
    buf raw = BUF_INIT, out = BUF_INIT, back = BUF_INIT;
    for (size_t i = 0; i < 1u << 20; i++) {
        bool small = i / 32768 % 2 == 0 ? shrinks : also;
        buf_u8(&raw, (uint8_t)(rnd_u64(&r) % (small ? 7 : 256)));
    }
    struct segment_header h = {.kind = SEGMENT_DATA};
    segment_pack(&h, slice_of(&raw), &out);
    CHECK_INT(h.stored_bytes, out.n);
    CHECK_INT(codec_unpack(h.codec, slice_of(&out), raw.n, &back), OK);
    CHECK(slice_eq(slice_of(&raw), slice_of(&back)));
    buf_free(&raw);
    buf_free(&out);
    buf_free(&back);
    return h.codec;
}

TEST("a large segment is compressed unless pieces of it show that little would be saved") {
    CHECK_INT(packed_as(true, true), CODEC_ZSTD);
    CHECK_INT(packed_as(true, false), CODEC_ZSTD);
    CHECK_INT(packed_as(false, true), CODEC_ZSTD);
    CHECK_INT(packed_as(false, false), CODEC_PLAIN);
    rnd r;
    rnd_seed(&r, 4);
    buf raw = BUF_INIT, out = BUF_INIT;
    for (size_t i = 0; i < 1u << 17; i++) { /* Floats: some of their bits are always the same. */
        float x = (float)(rnd_unit(&r) + rnd_unit(&r) - 1);
        buf_append(&raw, (const uint8_t *)&x, sizeof(x));
    }
    struct segment_header h = {.kind = SEGMENT_DATA};
    segment_pack(&h, slice_of(&raw), &out);
    CHECK_INT(h.codec, CODEC_PLAIN);
    CHECK_INT(codec_pack(NULL, slice_of(&raw), &out), CODEC_ZSTD);
    buf_free(&raw);
    buf_free(&out);
}

TEST("every flipped bit and every shorter length of a segment is found") {
    buf raw = BUF_INIT, bytes = BUF_INIT;
    struct segment_header h, got;
    make(&raw, &bytes, &h, 3, 30);
    for (size_t i = 0; i < bytes.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.p[i] ^= (uint8_t)(1 << bit);
            CHECK(segment_check(slice_of(&bytes), 42, &got) != OK);
            bytes.p[i] ^= (uint8_t)(1 << bit);
        }
    }
    for (size_t n = 0; n < bytes.n; n++)
        CHECK_INT(segment_check(slice_make(bytes.p, n), 42, &got), ERR_CORRUPT);
    CHECK_INT(segment_check(slice_of(&bytes), 42, &got), OK);
    CHECK_INT(segment_check(slice_of(&bytes), 43, &got), ERR_CORRUPT); /* another's name */
    buf_free(&raw);
    buf_free(&bytes);
}

TEST("records with damaged lengths do not read outside") {
    buf raw = BUF_INIT;
    record_append(&raw, RECORD_TXN, 1, 1, SLICE("hello"));
    size_t one = raw.n;
    for (size_t i = 0; i < one; i++) {
        buf copy = BUF_INIT;
        buf_append_slice(&copy, slice_of(&raw));
        copy.p[i] ^= 0xff;
        reader r = reader_make(slice_of(&copy));
        struct record x;
        CHECK_INT(record_next(&r, &x), ERR_CORRUPT);
        buf_free(&copy);
    }
    for (size_t n = 1; n < one; n++) {
        reader r = reader_make(slice_make(raw.p, n));
        struct record x;
        CHECK_INT(record_next(&r, &x), ERR_CORRUPT);
    }
    buf_free(&raw);
}

TEST("names of segments go both ways and nothing else is one") {
    char name[SEGMENT_NAME_BYTES];
    uint64_t seq;
    segment_name(0x123456789abcdef0u, name);
    CHECK_STR(name, "log/123456789abcdef0");
    CHECK(segment_parse_name(name, &seq));
    CHECK(seq == 0x123456789abcdef0u);
    CHECK(!segment_parse_name("log/123456789abcdef", &seq));
    CHECK(!segment_parse_name("log/123456789abcdefg", &seq));
    CHECK(!segment_parse_name("data/23456789abcdef0", &seq));
}
