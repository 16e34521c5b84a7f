/* roots_test.c -- the roots object, whole and damaged. */
#include "tier/roots.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/rnd.h"
#include "test.h"

static void make(buf *out, size_t packs) {
    struct pack_line *lines = mem_calloc(packs, sizeof(*lines));
    for (size_t i = 0; i < packs; i++) {
        lines[i] = (struct pack_line){.number = (uint32_t)i * 2 + 1, .slots = 10, .bytes = 1160,
                                      .footer_offset = 1000, .footer_crc = 5};
        data_name(1, i, i * 77, lines[i].name);
    }
    struct pin_line pins[2] = {
        {.name = SLICE("one"), .parent = SLICE(""), .catalogue = SLICE("abc"), .lsn = 3, .keys = 9},
        {.name = SLICE("two"), .parent = SLICE("one"), .catalogue = SLICE("def"), .lsn = 5}};
    struct intent_line intent = {.time_ms = 77};
    data_name(2, 3, 4, intent.name);
    struct roots r = {.lsn = 10, .time_ms = 11, .next_pack = (uint32_t)packs * 2 + 9,
                      .parent = SLICE("p"), .catalogue = SLICE("the catalogue"), .packs = lines,
                      .packs_count = packs, .pins = pins, .pins_count = 2, .intents = &intent,
                      .intents_count = 1};
    roots_encode(&r, out);
    mem_free(lines);
}

TEST("roots read back as they were written, small and large") {
    for (size_t packs = 1; packs < 10000; packs *= 100) {
        buf b = BUF_INIT;
        make(&b, packs);
        struct roots r;
        CHECK_INT(roots_decode(slice_of(&b), &r), OK);
        CHECK_INT(r.lsn, 10);
        CHECK_INT(r.packs_count, packs);
        CHECK_INT(r.packs[packs - 1].number, packs * 2 - 1);
        CHECK_INT(r.pins_count, 2);
        CHECK_SLICE(r.pins[1].name, "two");
        CHECK_SLICE(r.pins[1].parent, "one");
        CHECK_SLICE(r.catalogue, "the catalogue");
        CHECK_SLICE(r.parent, "p");
        CHECK_INT(r.intents_count, 1);
        CHECK_INT(r.intents[0].time_ms, 77);
        roots_deinit(&r);
        buf_free(&b);
    }
}

TEST("damaged roots are found") {
    buf b = BUF_INIT;
    make(&b, 3);
    struct roots r;
    for (size_t i = 0; i < b.n; i++) {
        if (i >= 40 && i < 60) continue; /* Room that nothing uses; the header's sum covers it. */
        b.p[i] ^= 0x20;
        CHECK(roots_decode(slice_of(&b), &r) != OK);
        b.p[i] ^= 0x20;
    }
    for (size_t n = 0; n < b.n; n++) CHECK_INT(roots_decode(slice_make(b.p, n), &r), ERR_CORRUPT);
    buf_free(&b);
}

TEST("hostile roots with right checksums do not read outside or ask for much memory") {
    for (uint64_t seed = 0; seed < 3000; seed++) {
        buf b = BUF_INIT;
        rnd rng;
        rnd_seed(&rng, seed);
        make(&b, 3);
        for (int k = 0; k < 3; k++) {
            size_t at = ROOTS_HEADER_BYTES + rnd_below(&rng, b.n - ROOTS_HEADER_BYTES);
            b.p[at] = (uint8_t)rnd_u64(&rng);
        }
        put_u64(b.p + 32, hash_xx(b.p + ROOTS_HEADER_BYTES, b.n - ROOTS_HEADER_BYTES, 0));
        put_u32(b.p + 60, crc32c(0, b.p, 60));
        struct roots r;
        if (roots_decode(slice_of(&b), &r) == OK) roots_deinit(&r);
        buf_free(&b);
    }
}
