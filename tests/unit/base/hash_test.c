/* hash_test.c -- hashes against published vectors and plain twins. */
#include "test.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"

/* SipHash-c-d byte by byte, as the paper has it. */
static uint64_t rotl(uint64_t x, int k) { return x << k | x >> (64 - k); }

static void rounds(uint64_t v[4], int n) {
    while (n-- > 0) {
        v[0] += v[1], v[1] = rotl(v[1], 13), v[1] ^= v[0], v[0] = rotl(v[0], 32);
        v[2] += v[3], v[3] = rotl(v[3], 16), v[3] ^= v[2];
        v[0] += v[3], v[3] = rotl(v[3], 21), v[3] ^= v[0];
        v[2] += v[1], v[1] = rotl(v[1], 17), v[1] ^= v[2], v[2] = rotl(v[2], 32);
    }
}

static uint64_t siphash(int c, int d, const uint8_t k[16], const uint8_t *p, size_t n) {
    uint64_t k0 = get_u64(k), k1 = get_u64(k + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                     k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    for (size_t at = 0; at <= n / 8; at++) {
        uint64_t m = at == n / 8 ? (uint64_t)(n & 255) << 56 : 0;
        for (size_t i = 0; i < 8 && at * 8 + i < n; i++) m |= (uint64_t)p[at * 8 + i] << (8 * i);
        v[3] ^= m;
        rounds(v, c);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    rounds(v, d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static const uint8_t secret[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

TEST("the twin gives the vector of the SipHash paper") {
    CHECK(siphash(2, 4, secret, secret, 15) == 0xa129ca6149be45e5u);
}

TEST("hash_key is SipHash-1-2 at every length and alignment") {
    uint8_t bytes[320];
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t from = 0; from < 9; from++)
        for (size_t n = 0; n < 300; n++)
            CHECK(hash_key(secret, bytes + from, n) == siphash(1, 2, secret, bytes + from, n));
}

TEST("hash_key reads only what it was given") {
    for (size_t n = 0; n < 40; n++) {
        uint8_t *p = mem_alloc(n); /* A sanitizer sees a read outside. */
        memset(p, 0x5a, n);
        (void)hash_key(secret, p, n);
        mem_free(p);
    }
    CHECK(hash_key(secret, NULL, 0) == siphash(1, 2, secret, secret, 0));
}

TEST("another secret is another hash") {
    uint8_t other[16];
    memcpy(other, secret, 16);
    other[15] ^= 1;
    CHECK(hash_key(secret, "key", 3) != hash_key(other, "key", 3));
}

TEST("hash_xx is XXH3-64") {
    CHECK(hash_xx("", 0, 0) == 0x2d06800538d394c2u);
    CHECK(hash_xx("abc", 3, 0) == 0x78af5f94892f3950u);
    CHECK(hash_xx("abc", 3, 1) != hash_xx("abc", 3, 0));
}

TEST("SHA-1 gives the vectors of FIPS 180") {
    char hex[41];
    hash_sha1_hex("abc", 3, hex);
    CHECK_STR(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    hash_sha1_hex("", 0, hex);
    CHECK_STR(hex, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    hash_sha1_hex(two, strlen(two), hex);
    CHECK_STR(hex, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    char *million = mem_alloc(1000000);
    memset(million, 'a', 1000000);
    hash_sha1_hex(million, 1000000, hex);
    CHECK_STR(hex, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    mem_free(million);
}

TEST("SHA-1 pads every length of the last block") {
    /* The digest of the digests of 0..199 times 'x', from another implementation. */
    char text[200];
    uint8_t all[200 * 20];
    char hex[41];
    memset(text, 'x', sizeof(text));
    for (size_t n = 0; n < 200; n++) hash_sha1(text, n, all + 20 * n);
    hash_sha1_hex(all, sizeof(all), hex);
    CHECK_STR(hex, "bbd580c3a0c872a603baa084a09981df9eb680e5");
}
