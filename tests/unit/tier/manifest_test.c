/* manifest_test.c -- the manifest's bytes, and the names of data objects. */
#include "tier/manifest.h"

#include "test.h"

static struct manifest sample(void) {
    struct manifest m = {.version = 3, .nonce = 4, .epoch = 5, .owner = 6,
                         .state = MANIFEST_RELEASED, .window = 4, .lease_ms = 7,
                         .log_start = 8, .log_epoch = 9, .log_hash = 10, .log_records = 11,
                         .log_floor = 12, .trim_seq = 13, .trim_ms = 14, .checkpoint_lsn = 15,
                         .checkpoint_ms = 16, .lsn_max = 17, .data_pending = 18,
                         .roots_bytes = 19, .roots_hash = 20};
    memset(m.chain, 21, sizeof(m.chain));
    data_name(5, 6, 7, m.roots);
    return m;
}

TEST("a manifest reads back as it was written") {
    struct manifest m = sample(), got;
    memset(&got, 0, sizeof(got));
    buf b = BUF_INIT;
    manifest_encode(&m, &b);
    CHECK_INT(manifest_decode(slice_of(&b), &got), OK);
    CHECK_INT(got.version, 3);
    CHECK_INT(got.state, MANIFEST_RELEASED);
    CHECK_INT(got.log_records, 11);
    CHECK_INT(got.data_pending, 18);
    CHECK_INT(got.roots_hash, 20);
    CHECK(memcmp(got.chain, m.chain, sizeof(m.chain)) == 0);
    CHECK_STR(got.roots, m.roots);
    buf_free(&b);
}

TEST("every flipped bit and every shorter manifest is found") {
    struct manifest m = sample(), got;
    buf b = BUF_INIT;
    manifest_encode(&m, &b);
    for (size_t i = 0; i < b.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            b.p[i] ^= (uint8_t)(1 << bit);
            CHECK_INT(manifest_decode(slice_of(&b), &got), ERR_CORRUPT);
            b.p[i] ^= (uint8_t)(1 << bit);
        }
    }
    for (size_t n = 0; n < b.n; n++)
        CHECK_INT(manifest_decode(slice_make(b.p, n), &got), ERR_CORRUPT);
    buf_free(&b);
}

TEST("names of data objects go both ways and nothing else is one") {
    char name[DATA_NAME_MAX + 1];
    uint64_t epoch, counter;
    data_name(0x1ffffffffu, 0x123456789u, UINT64_MAX, name);
    CHECK(data_parse_name(name, &epoch, &counter));
    CHECK(epoch == 0x1ffffffffu && counter == 0x123456789u);
    CHECK(!data_parse_name("data/00000001-00000002", NULL, NULL));
    CHECK(!data_parse_name("data/00000001-00000002-000000000000000", NULL, NULL));
    CHECK(!data_parse_name("log/000000000000000000000000", NULL, NULL));
    CHECK(!data_parse_name("data/0000000x-00000002-0000000000000003", NULL, NULL));
}
