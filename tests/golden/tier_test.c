/* tier_test.c -- golden bytes of the tier: log segments, packs, roots, manifest. */
#include "tests/golden/golden.h"

#include "tier/manifest.h"
#include "tier/pack.h"
#include "tier/roots.h"
#include "tier/segment.h"

/* Records that look like nothing in particular; the same ones always. */
static void records(buf *raw, unsigned count, unsigned bytes) {
    buf body = BUF_INIT;
    for (unsigned i = 0; i < count; i++) {
        body.n = 0;
        for (unsigned k = 0; k < bytes + i; k++) buf_u8(&body, (uint8_t)(i * 7 + k % 13));
        record_append(raw, RECORD_TXN, 100 + i, 5000 + i,
                      slice_of(&body));
    }
    buf_free(&body);
}

static void segment(unsigned count, unsigned bytes, buf *out) {
    buf raw = BUF_INIT;
    records(&raw, count, bytes);
    struct segment_header h = {.kind = SEGMENT_DATA, .epoch = 7, .seq = 42, .nonce = 99,
                               .first_lsn = 100, .last_lsn = 100 + count - 1,
                               .records = count, .wall_ms = 1700000000000u};
    memset(h.chain, 5, sizeof(h.chain));
    buf_reserve(out, SEGMENT_HEADER_BYTES);
    out->n = SEGMENT_HEADER_BYTES;
    segment_pack(&h, slice_of(&raw), out);
    segment_encode_header(&h, out->p);
    buf_free(&raw);
}

static void segment_reads(const buf *kept, unsigned count, unsigned bytes) {
    struct segment_header h;
    buf back = BUF_INIT, raw = BUF_INIT;
    records(&raw, count, bytes);
    CHECK_INT(segment_check(slice_of(kept), 42, &h), OK);
    CHECK_INT(h.kind, SEGMENT_DATA);
    CHECK_INT(h.epoch, 7);
    CHECK_INT(h.nonce, 99);
    CHECK_INT(h.first_lsn, 100);
    CHECK_INT(h.last_lsn, 100 + count - 1);
    CHECK_INT(h.records, count);
    CHECK_INT(h.wall_ms, 1700000000000);
    CHECK_INT(h.chain[15], 5);
    CHECK_INT(segment_unpack(slice_of(kept), &h, &back), OK);
    CHECK(slice_eq(slice_of(&back), slice_of(&raw)));
    reader r = reader_make(slice_of(&back));
    struct record x;
    for (unsigned i = 0; i < count; i++) {
        CHECK_INT(record_next(&r, &x), OK);
        CHECK_INT(x.lsn, 100 + i);
        CHECK_INT(x.wall_ms, 5000 + i);
        CHECK_INT(x.body.n, bytes + i);
    }
    CHECK_INT(record_next(&r, &x), ERR_NOTFOUND);
    buf_free(&back);
    buf_free(&raw);
}

TEST("a log segment of version 1 is read, and still written like that") {
    buf made = BUF_INIT, kept = BUF_INIT;
    segment(3, 20, &made);
    golden_same("segment-1", &made, &kept);
    segment_reads(&kept, 3, 20);
    buf_free(&made);
    buf_free(&kept);
}

TEST("a compressed log segment of version 1 is read") {
    buf made = BUF_INIT, kept = BUF_INIT;
    segment(40, 300, &made);
    golden_file("segment-1-zstd", &made, &kept);
    CHECK_INT(kept.p[13], 1); /* zstd; what it makes of the same bytes may change */
    segment_reads(&kept, 40, 300);
    buf_free(&made);
    buf_free(&kept);
}

TEST("a pack of version 1 is read, and still written like that") {
    uint32_t lengths[3] = {50, 1, 1000};
    buf raw = BUF_INIT, made = BUF_INIT, kept = BUF_INIT, out = BUF_INIT;
    for (unsigned i = 0; i < 1051; i++) buf_u8(&raw, (uint8_t)(i * i));
    struct pack_line line = {.number = 9};
    data_name(1, 2, 3, line.name);
    pack_encode(slice_of(&raw), lengths, 3, &made, &line);
    golden_same("pack-1", &made, &kept);
    /* What the roots of that version say of it. */
    struct pack_line said = {.number = 9, .slots = 3, .bytes = 1178, .footer_offset = 1130,
                             .footer_crc = get_u32(kept.p + 24)};
    data_name(1, 2, 3, said.name);
    CHECK_INT(kept.n, 1178);
    CHECK_INT(get_u64(kept.p + 16), 1130);
    CHECK_INT(pack_line_check(&said), OK);
    slice footer = slice_make(kept.p + 1130, 48);
    CHECK_INT(pack_footer_check(&said, footer), OK);
    size_t at = 0;
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t offset;
        uint32_t bytes, crc;
        CHECK_INT(pack_slot(&said, footer, i, &offset, &bytes, &crc), OK);
        out.n = 0;
        CHECK_INT(pack_slot_unpack(slice_make(kept.p + offset, bytes), crc, &out), OK);
        CHECK(slice_eq(slice_of(&out), slice_make(raw.p + at, lengths[i])));
        at += lengths[i];
    }
    buf_free(&raw);
    buf_free(&made);
    buf_free(&kept);
    buf_free(&out);
}

TEST("roots of version 1 are read, and still written like that") {
    struct pack_line packs[2] = {
        {.number = 1, .slots = 10, .bytes = 1160, .footer_offset = 1000, .footer_crc = 5},
        {.number = 3, .slots = 2, .bytes = 5000, .footer_offset = 4968, .footer_crc = 6}};
    data_name(1, 1, 77, packs[0].name);
    data_name(1, 2, 78, packs[1].name);
    struct pin_line pins[2] = {
        {.name = SLICE("one"), .parent = SLICE(""), .catalogue = SLICE("abc"), .lsn = 3,
         .time_ms = 4, .keys = 9, .databases = 2},
        {.name = SLICE("two"), .parent = SLICE("one"), .catalogue = SLICE("def"), .lsn = 5}};
    struct intent_line intent = {.time_ms = 77};
    data_name(2, 3, 4, intent.name);
    struct roots made_of = {.lsn = 10, .time_ms = 11, .next_pack = 9, .parent = SLICE("one"),
                            .catalogue = SLICE("the catalogue"), .packs = packs,
                            .packs_count = 2, .pins = pins, .pins_count = 2,
                            .intents = &intent, .intents_count = 1};
    buf made = BUF_INIT, kept = BUF_INIT;
    roots_encode(&made_of, &made);
    golden_same("roots-1", &made, &kept);
    struct roots r;
    CHECK_INT(roots_decode(slice_of(&kept), &r), OK);
    CHECK_INT(r.lsn, 10);
    CHECK_INT(r.time_ms, 11);
    CHECK_INT(r.next_pack, 9);
    CHECK_SLICE(r.parent, "one");
    CHECK_SLICE(r.catalogue, "the catalogue");
    CHECK_INT(r.packs_count, 2);
    CHECK_INT(r.packs[1].number, 3);
    CHECK_INT(r.packs[1].footer_offset, 4968);
    CHECK_STR(r.packs[1].name, packs[1].name);
    CHECK_INT(r.pins_count, 2);
    CHECK_SLICE(r.pins[0].catalogue, "abc");
    CHECK_INT(r.pins[0].keys, 9);
    CHECK_SLICE(r.pins[1].parent, "one");
    CHECK_INT(r.intents_count, 1);
    CHECK_STR(r.intents[0].name, intent.name);
    roots_deinit(&r);
    buf_free(&made);
    buf_free(&kept);
}

TEST("a manifest of version 1 is read, and still written like that") {
    struct manifest m = {.version = 3, .nonce = 4, .epoch = 5, .owner = 6,
                         .state = MANIFEST_OWNED, .window = 4, .lease_ms = 7, .log_start = 8,
                         .log_epoch = 9, .log_hash = 10, .log_records = 11, .log_floor = 12,
                         .trim_seq = 13, .trim_ms = 14, .checkpoint_lsn = 15,
                         .checkpoint_ms = 16, .lsn_max = 17, .data_pending = 18,
                         .roots_bytes = 19, .roots_hash = 20};
    memset(m.chain, 21, sizeof(m.chain));
    data_name(5, 6, 7, m.roots);
    buf made = BUF_INIT, kept = BUF_INIT;
    manifest_encode(&m, &made);
    golden_same("manifest-1", &made, &kept);
    struct manifest got;
    CHECK_INT(manifest_decode(slice_of(&kept), &got), OK);
    uint64_t want[] = {3, 4, 5, 6, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    uint64_t read[] = {got.version, got.nonce, got.epoch, got.owner, got.window, got.lease_ms,
                       got.log_start, got.log_epoch, got.log_hash, got.log_records,
                       got.log_floor, got.trim_seq, got.trim_ms, got.checkpoint_lsn,
                       got.checkpoint_ms, got.lsn_max, got.data_pending, got.roots_bytes,
                       got.roots_hash};
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) CHECK_INT(read[i], want[i]);
    CHECK_INT(got.state, MANIFEST_OWNED);
    CHECK_INT(got.chain[0], 21);
    CHECK_STR(got.roots, m.roots);
    buf_free(&made);
    buf_free(&kept);
}
