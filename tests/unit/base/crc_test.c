/* crc_test.c -- checksums against published vectors and a bit-by-bit twin. */
#include "test.h"

#include "base/hash.h"
#include "base/rnd.h"

static uint64_t bitwise(uint64_t poly, uint64_t crc, const uint8_t *p, size_t n) {
    while (n-- > 0) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++) crc = crc >> 1 ^ ((crc & 1) != 0 ? poly : 0);
    }
    return crc;
}

TEST("CRC-32C gives the vectors of RFC 3720") {
    uint8_t bytes[32];
    memset(bytes, 0, 32);
    CHECK_INT(crc32c(0, bytes, 32), 0x8a9136aa);
    CHECK_INT(crc32c_plain(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    CHECK_INT(crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    CHECK_INT(crc32c(0, bytes, 32), 0x46dd794e);
    CHECK_INT(crc32c(0, "123456789", 9), 0xe3069283);
}

TEST("CRC-64 gives the vector of its kind") {
    CHECK(crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9cau);
    CHECK(crc64(0, "", 0) == 0);
}

TEST("all forms agree at every length and alignment") {
    uint8_t bytes[200];
    rnd r;
    rnd_seed(&r, 11);
    rnd_bytes(&r, bytes, sizeof(bytes));
    for (size_t from = 0; from < 9; from++) {
        for (size_t n = 0; n < 180; n++) {
            uint32_t want = ~(uint32_t)bitwise(0x82f63b78, 0xffffffff, bytes + from, n);
            CHECK_INT(crc32c(0, bytes + from, n), want);
            CHECK_INT(crc32c_plain(0, bytes + from, n), want);
            CHECK(crc64(0, bytes + from, n) ==
                  bitwise(0x95ac9329ac4bc9b5u, 0, bytes + from, n));
        }
    }
}

TEST("a checksum may be continued") {
    uint8_t bytes[100];
    rnd r;
    rnd_seed(&r, 12);
    rnd_bytes(&r, bytes, sizeof(bytes));
    for (size_t cut = 0; cut <= 100; cut++) {
        CHECK_INT(crc32c(crc32c(0, bytes, cut), bytes + cut, 100 - cut), crc32c(0, bytes, 100));
        CHECK_INT(crc32c_plain(crc32c_plain(0, bytes, cut), bytes + cut, 100 - cut),
                  crc32c(0, bytes, 100));
        CHECK(crc64(crc64(0, bytes, cut), bytes + cut, 100 - cut) == crc64(0, bytes, 100));
    }
}
