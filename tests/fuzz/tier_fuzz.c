/* tier_fuzz.c -- the tier's stored objects: segments, packs, roots, manifests.
 *
 * The first byte says which, and (8) that checksums are to be made right, so that what lies behind
 * them is reached. What is taken as sound is read whole. */
#include <stdlib.h>

#include "base/hash.h"
#include "tier/pack.h"
#include "tier/roots.h"
#include "tier/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

static void try_segment(uint8_t *p, size_t n, bool repair) {
    if (repair && n >= SEGMENT_HEADER_BYTES) {
        size_t payload = n - SEGMENT_HEADER_BYTES;
        put_u64(p + 72, payload);
        put_u64(p + 80, hash_xx(payload > 0 ? p + SEGMENT_HEADER_BYTES : NULL, payload, 0));
        put_u32(p + 124, crc32c(0, p, 124));
    }
    struct segment_header h;
    slice object = slice_make(p, n);
    if (segment_decode_header(object, &h) != OK) return;
    uint64_t seq = h.seq;
    if (h.raw_bytes > 1 << 24) return; /* Sound, and too large to be tried here. */
    if (segment_check(object, seq, &h) != OK) return;
    buf out = BUF_INIT;
    if (segment_unpack(object, &h, &out) == OK) {
        need(out.n == h.raw_bytes);
        reader r = reader_make(slice_of(&out));
        struct record x;
        volatile uint64_t sink = 0;
        while (record_next(&r, &x) == OK) sink = record_hash(sink, x.bytes);
        (void)sink;
    }
    buf_free(&out);
}

/* The first object's header stands for the line that roots hold of it. */
static void try_pack(uint8_t *p, size_t n, bool repair) {
    if (n < PACK_HEADER_BYTES) return;
    struct pack_line line = {.number = 1, .slots = get_u32(p + 12), .bytes = n,
                             .footer_offset = get_u64(p + 16), .footer_crc = get_u32(p + 24)};
    data_name(1, 2, 3, line.name);
    if (pack_line_check(&line) != OK) return;
    slice footer = slice_make(p + line.footer_offset, n - (size_t)line.footer_offset);
    if (repair) line.footer_crc = crc32c(0, footer.p, footer.n);
    if (pack_footer_check(&line, footer) != OK) return;
    buf out = BUF_INIT;
    uint8_t *live = calloc(1, line.slots / 8 + 1);
    for (uint32_t i = 0; i < line.slots && out.n < 1 << 24; i++) {
        uint64_t offset;
        uint32_t bytes, crc;
        if (pack_slot(&line, footer, i, &offset, &bytes, &crc) != OK) continue;
        if (repair) crc = crc32c(0, p + offset, bytes);
        if (pack_slot_unpack(slice_make(p + offset, bytes), crc, &out) == OK && i % 2 == 0)
            live[i / 8] |= (uint8_t)(1 << i % 8);
    }
    struct pack_use use = pack_measure(&line, footer, live);
    if (use.live_slots > 0) {
        need(use.first <= use.end && use.end <= line.footer_offset);
        struct pack_line now = line;
        buf packed = BUF_INIT;
        slice range = slice_make(p + use.first, (size_t)(use.end - use.first));
        int rc = pack_compact(&line, footer, live, &use, range, &packed, &now);
        need(rc == OK || rc == ERR_CORRUPT || rc == ERR_NOMEM);
        buf_free(&packed);
    }
    free(live);
    buf_free(&out);
}

static void try_roots(uint8_t *p, size_t n, bool repair) {
    if (repair && n >= ROOTS_HEADER_BYTES) {
        size_t body = n - ROOTS_HEADER_BYTES;
        put_u64(p + 24, body);
        put_u64(p + 32, hash_xx(p + ROOTS_HEADER_BYTES, body, 0));
        put_u32(p + 60, crc32c(0, p, 60));
    }
    if (n >= 24 && get_u64(p + 16) > 1 << 24) return; /* Bounded by ROOTS_BYTES_MAX there. */
    struct roots r, again;
    if (roots_decode(slice_make(p, n), &r) != OK) return;
    buf out = BUF_INIT;
    roots_encode(&r, &out);
    need(roots_decode(slice_of(&out), &again) == OK);
    need(again.packs_count == r.packs_count && again.pins_count == r.pins_count &&
         again.intents_count == r.intents_count && slice_eq(again.catalogue, r.catalogue));
    roots_deinit(&again);
    roots_deinit(&r);
    buf_free(&out);
}

static void try_manifest(uint8_t *p, size_t n, bool repair) {
    if (repair && n >= 12) put_u64(p + n - 8, hash_xx(p, n - 8, get_u32(p)));
    struct manifest m, again;
    if (manifest_decode(slice_make(p, n), &m) != OK) return;
    buf out = BUF_INIT;
    manifest_encode(&m, &out);
    need(manifest_decode(slice_of(&out), &again) == OK);
    need(again.epoch == m.epoch && again.roots_hash == m.roots_hash);
    need(strcmp(again.roots, m.roots) == 0);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    size_t n = size - 1;
    uint8_t *copy = malloc(n + (n == 0)); /* Its end is watched. */
    need(copy != NULL);
    if (n > 0) memcpy(copy, data + 1, n);
    bool repair = (data[0] & 8) != 0;
    switch (data[0] & 3) {
    case 0: try_segment(copy, n, repair); break;
    case 1: try_pack(copy, n, repair); break;
    case 2: try_roots(copy, n, repair); break;
    default: try_manifest(copy, n, repair); break;
    }
    free(copy);
    return 0;
}
