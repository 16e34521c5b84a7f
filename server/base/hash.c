/* hash.c -- keyed and plain hashes, and SHA-1 (which scripts are named by).
 *
 * SipHash with one round a word and two at the end keeps a client that does not know the
 * secret from choosing keys that collide, at half the cost of SipHash-2-4 on short keys. */
#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

#include "base/bytes.h"

static inline uint64_t rotl64(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

struct sip {
    uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *v) {
    v->a += v->b;
    v->c += v->d;
    v->b = rotl64(v->b, 13) ^ v->a;
    v->d = rotl64(v->d, 16) ^ v->c;
    v->a = rotl64(v->a, 32) + v->d;
    v->c += v->b;
    v->d = rotl64(v->d, 21) ^ v->a;
    v->b = rotl64(v->b, 17) ^ v->c;
    v->c = rotl64(v->c, 32);
}

/* The last n < 8 bytes as a number; `whole` bytes before them may be read as well. */
static inline uint64_t tail(const uint8_t *p, size_t n, size_t whole) {
    if (n == 0) return 0;
    if (whole >= 8) return get_u64(p + n - 8) >> (64 - 8 * n);
    if (n >= 4) {
        /* Two loads that overlap; both put the same bits in the overlap. */
        return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + n - 4) << (8 * (n - 4));
    }
    return (uint64_t)p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) |
           (uint64_t)p[n - 1] << (8 * (n - 1));
}

uint64_t hash_key(const uint8_t secret[16], const void *data, size_t n) {
    const uint8_t *p = data;
    uint64_t k0 = get_u64(secret), k1 = get_u64(secret + 8);
    struct sip v = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                    k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    for (size_t left = n; left >= 8; left -= 8, p += 8) {
        uint64_t m = get_u64(p);
        v.d ^= m;
        sip_round(&v);
        v.a ^= m;
    }
    uint64_t m = (uint64_t)n << 56 | tail(p, n & 7, n & ~(size_t)7);
    v.d ^= m;
    sip_round(&v);
    v.a ^= m;
    v.c ^= 0xff;
    sip_round(&v);
    sip_round(&v);
    return v.a ^ v.b ^ v.c ^ v.d;
}

uint64_t hash_xx(const void *p, size_t n, uint64_t seed) {
    return XXH3_64bits_withSeed(p, n, seed);
}

/* --- SHA-1 (FIPS 180-4). --------------------------------------------------------------- */

static inline uint32_t rotl32(uint32_t x, int k) { return (x << k) | (x >> (32 - k)); }

static void sha1_block(uint32_t h[5], const uint8_t *p) {
    uint32_t w[80];
    for (int i = 0; i < 16; i++) w[i] = __builtin_bswap32(get_u32(p + 4 * i));
    for (int i = 16; i < 80; i++)
        w[i] = rotl32(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
        uint32_t mix, k;
        if (i < 20) {
            mix = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (i < 40) {
            mix = b ^ c ^ d;
            k = 0x6ed9eba1;
        } else if (i < 60) {
            mix = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        } else {
            mix = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        uint32_t t = rotl32(a, 5) + mix + e + k + w[i];
        e = d;
        d = c;
        c = rotl32(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void hash_sha1(const void *data, size_t n, uint8_t out[20]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint8_t *p = data;
    size_t left = n;
    for (; left >= 64; left -= 64, p += 64) sha1_block(h, p);
    /* The rest, a one bit, zeros, and the length in bits as the last 8 bytes of a block. */
    uint8_t last[128] = {0};
    if (left > 0) memcpy(last, p, left);
    last[left] = 0x80;
    size_t bytes = left + 9 <= 64 ? 64 : 128;
    put_u64(last + bytes - 8, __builtin_bswap64((uint64_t)n * 8));
    sha1_block(h, last);
    if (bytes == 128) sha1_block(h, last + 64);
    for (int i = 0; i < 5; i++) put_u32(out + 4 * i, __builtin_bswap32(h[i]));
}

void hash_sha1_hex(const void *p, size_t n, char out[41]) {
    uint8_t digest[20];
    hash_sha1(p, n, digest);
    for (int i = 0; i < 20; i++) {
        out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    out[40] = 0;
}
