/* pack_test.c -- packs: slots, footers and the table, whole and damaged. */
#include "tier/pack.h"

#include "base/rnd.h"
#include "test.h"

static uint32_t make(buf *raw, uint32_t lengths[64], buf *bytes, struct pack_line *line) {
    rnd r;
    rnd_seed(&r, 3);
    for (uint32_t i = 0; i < 64; i++) {
        lengths[i] = 1 + (uint32_t)rnd_below(&r, i % 8 == 0 ? 60000 : 900);
        for (uint32_t k = 0; k < lengths[i]; k++) buf_u8(raw, (uint8_t)(i + k / 50));
    }
    *line = (struct pack_line){.number = 9};
    data_name(1, 2, 3, line->name);
    pack_encode(slice_of(raw), lengths, 64, bytes, line);
    return 64;
}

static slice footer_of(const struct pack_line *line, const buf *bytes) {
    return slice_make(bytes->p + line->footer_offset, (size_t)(line->bytes - line->footer_offset));
}

TEST("every slot of a pack reads back alone") {
    buf raw = BUF_INIT, bytes = BUF_INIT;
    uint32_t lengths[64];
    struct pack_line line;
    uint32_t n = make(&raw, lengths, &bytes, &line);
    CHECK_INT(pack_line_check(&line), OK);
    CHECK_INT(line.bytes, bytes.n);
    slice footer = footer_of(&line, &bytes);
    CHECK_INT(pack_footer_check(&line, footer), OK);
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t offset;
        uint32_t stored, crc;
        buf out = BUF_INIT;
        CHECK_INT(pack_slot(&line, footer, i, &offset, &stored, &crc), OK);
        CHECK_INT(pack_slot_unpack(slice_make(bytes.p + offset, stored), crc, &out), OK);
        CHECK(slice_eq(slice_of(&out), slice_make(raw.p + at, lengths[i])));
        at += lengths[i];
        buf_free(&out);
    }
    uint64_t offset;
    uint32_t stored, crc;
    CHECK_INT(pack_slot(&line, footer, n, &offset, &stored, &crc), ERR_CORRUPT);
    buf_free(&raw);
    buf_free(&bytes);
}

TEST("a damaged slot or footer is found") {
    buf raw = BUF_INIT, bytes = BUF_INIT, out = BUF_INIT;
    uint32_t lengths[64];
    struct pack_line line;
    make(&raw, lengths, &bytes, &line);
    slice footer = footer_of(&line, &bytes);
    uint64_t offset;
    uint32_t stored, crc;
    CHECK_INT(pack_slot(&line, footer, 5, &offset, &stored, &crc), OK);
    for (uint32_t i = 0; i < stored; i++) {
        bytes.p[offset + i] ^= 0x10;
        CHECK_INT(pack_slot_unpack(slice_make(bytes.p + offset, stored), crc, &out), ERR_CORRUPT);
        bytes.p[offset + i] ^= 0x10;
    }
    CHECK_INT(pack_slot_unpack(slice_make(bytes.p + offset, stored - 1), crc, &out), ERR_CORRUPT);
    for (size_t i = 0; i < footer.n; i++) {
        bytes.p[line.footer_offset + i] ^= 0x10;
        CHECK_INT(pack_footer_check(&line, footer), ERR_CORRUPT);
        bytes.p[line.footer_offset + i] ^= 0x10;
    }
    line.slots++;
    CHECK_INT(pack_line_check(&line), ERR_CORRUPT);
    buf_free(&raw);
    buf_free(&bytes);
    buf_free(&out);
}

TEST("a rewritten pack has the live slots under their numbers, and no others") {
    buf raw = BUF_INIT, bytes = BUF_INIT, made = BUF_INIT;
    uint32_t lengths[64];
    struct pack_line line, now = {.number = 9};
    make(&raw, lengths, &bytes, &line);
    data_name(1, 3, 4, now.name);
    uint8_t live[8] = {0};
    live[1] = 0x90; /* 12 and 15 */
    live[7] = 0x01; /* 56 */
    slice footer = footer_of(&line, &bytes);
    struct pack_use use = pack_measure(&line, footer, live);
    CHECK_INT(use.live_slots, 3);
    CHECK(use.live_bytes < use.all_bytes && use.first > PACK_HEADER_BYTES);
    slice range = slice_make(bytes.p + use.first, (size_t)(use.end - use.first));
    CHECK_INT(pack_compact(&line, footer, live, &use, range, &made, &now), OK);
    CHECK_INT(pack_line_check(&now), OK);
    CHECK_INT(now.bytes, PACK_HEADER_BYTES + use.live_bytes + 64 * PACK_LINE_BYTES);
    slice lines = footer_of(&now, &made);
    CHECK_INT(pack_footer_check(&now, lines), OK);
    size_t at = 0;
    for (uint32_t i = 0; i < 64; i++) {
        uint64_t offset;
        uint32_t stored, crc;
        buf out = BUF_INIT;
        bool there = i == 12 || i == 15 || i == 56;
        CHECK_INT(pack_slot(&now, lines, i, &offset, &stored, &crc), there ? OK : ERR_CORRUPT);
        if (there) {
            CHECK_INT(pack_slot_unpack(slice_make(made.p + offset, stored), crc, &out), OK);
            CHECK(slice_eq(slice_of(&out), slice_make(raw.p + at, lengths[i])));
        }
        at += lengths[i];
        buf_free(&out);
    }
    /* Damage in a live slot is found, damage between them does not matter; a short range is refused. */
    uint64_t offset;
    uint32_t stored, crc;
    CHECK_INT(pack_slot(&line, footer, 15, &offset, &stored, &crc), OK);
    for (int round = 0; round < 2; round++) {
        made.n = 0;
        bytes.p[offset + 7] ^= 1;
        CHECK_INT(pack_compact(&line, footer, live, &use, range, &made, &now),
                  round == 0 ? ERR_CORRUPT : OK);
    }
    CHECK_INT(pack_slot(&line, footer, 20, &offset, &stored, &crc), OK);
    bytes.p[offset + 7] ^= 1;
    made.n = 0;
    CHECK_INT(pack_compact(&line, footer, live, &use, range, &made, &now), OK);
    made.n = 0;
    range.n--;
    CHECK_INT(pack_compact(&line, footer, live, &use, range, &made, &now), ERR_CORRUPT);
    buf_free(&raw);
    buf_free(&bytes);
    buf_free(&made);
}

TEST("the pack table finds its lines and keeps footers within bounds") {
    struct packs p;
    packs_init(&p);
    struct pack_line line = {.number = 0, .slots = 1};
    CHECK_INT(packs_add(&p, &line), ERR_CORRUPT);
    for (uint32_t i = 1; i <= 2000; i++) {
        line.number = i * 7 % 2003;
        CHECK_INT(packs_add(&p, &line), OK);
    }
    CHECK_INT(packs_add(&p, &line), ERR_CORRUPT);
    packs_check(&p);
    CHECK_INT(p.count, 2000);
    CHECK_INT(p.next, 2003);
    for (uint32_t i = 1; i <= 100; i++) {
        buf footer = BUF_INIT;
        buf_reserve(&footer, 1 << 20);
        footer.n = 1 << 20;
        packs_keep_footer(&p, p.at[i], &footer);
    }
    packs_check(&p);
    CHECK(p.footer_bytes <= PACKS_FOOTER_BYTES_MAX);
    CHECK(p.at[100]->footer.n > 0);
    CHECK_INT(p.at[1]->footer.n, 0);
    uint32_t first = p.at[0]->line.number;
    packs_remove(&p, first);
    CHECK(packs_find(&p, first) == NULL);
    packs_check(&p);
    packs_deinit(&p);
}

TEST("where not all footers fit, lines are read alone until the whole is as cheap") {
    struct packs p;
    packs_init(&p);
    struct pack_line line = {.number = 1, .slots = 1000}; /* a footer of 16,000 bytes */
    CHECK_INT(packs_add(&p, &line), OK);
    line.number = 2;
    CHECK_INT(packs_add(&p, &line), OK);
    CHECK(!packs_line_alone(&p, p.at[0])); /* It fits. */
    p.footer_bytes_max = 20000;
    buf footer = BUF_INIT;
    buf_reserve(&footer, 16000);
    footer.n = 16000;
    packs_keep_footer(&p, p.at[0], &footer);
    for (int i = 0; i < 3; i++) CHECK(packs_line_alone(&p, p.at[1]));
    CHECK(!packs_line_alone(&p, p.at[1]));
    buf_reserve(&footer, 16000);
    footer.n = 16000;
    packs_keep_footer(&p, p.at[1], &footer);
    packs_check(&p);
    CHECK_INT(p.at[0]->footer.n, 0); /* It made place, and its lines are counted anew. */
    CHECK(packs_line_alone(&p, p.at[0]));
    p.request_bytes = 1 << 20;
    CHECK(!packs_line_alone(&p, p.at[0])); /* A request costs more than all of it. */
    p.request_bytes = 4096;
    p.at[0]->fetching = true;
    CHECK(!packs_line_alone(&p, p.at[0])); /* It is coming anyway. */
    p.at[0]->fetching = false;
    packs_deinit(&p);
}

TEST("a line of a footer that is read alone is checked against the pack") {
    struct pack_line line = {.number = 1, .slots = 4, .footer_offset = 5000, .bytes = 5064};
    uint8_t l[PACK_LINE_BYTES];
    uint64_t offset;
    uint32_t bytes, crc;
    const struct {
        uint64_t offset;
        uint32_t bytes;
        int rc;
    } cases[] = {{64, 100, OK}, {4900, 100, OK}, {63, 100, ERR_CORRUPT}, {4901, 100, ERR_CORRUPT},
                 {5001, 5, ERR_CORRUPT}, {UINT64_MAX, 5, ERR_CORRUPT}, {64, 4, ERR_CORRUPT},
                 {64, UINT32_MAX, ERR_CORRUPT}, {64, 0, ERR_CORRUPT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_u64(l, cases[i].offset);
        put_u32(l + 8, cases[i].bytes);
        put_u32(l + 12, 7);
        CHECK_INT(pack_footer_line(&line, slice_make(l, sizeof(l)), &offset, &bytes, &crc), cases[i].rc);
        if (cases[i].rc != OK) continue;
        CHECK_INT(offset, cases[i].offset);
        CHECK_INT(bytes, cases[i].bytes);
        CHECK_INT(crc, 7);
    }
    CHECK_INT(pack_footer_line(&line, slice_make(l, 15), &offset, &bytes, &crc), ERR_CORRUPT);
}
