/* digest.h -- mixing a value into 20 bytes, as DEBUG DIGEST-VALUE does.
 *
 * xor: the SHA-1 of the bytes is xored in, so that the order of elements does not matter.
 * mix: xor, then the SHA-1 of the digest itself: the order matters. An element of several parts is
 * mixed on its own, and its digest xored in. */
#ifndef COVE_TYPES_DIGEST_H
#define COVE_TYPES_DIGEST_H

#include "base/bytes.h"
#include "base/hash.h"

/* The numbers that Redis gives its types: every value's digest starts with one. */
enum digest_type {
    DIGEST_STRING = 0, DIGEST_LIST = 1, DIGEST_SET = 2, DIGEST_ZSET = 3, DIGEST_HASH = 4,
    DIGEST_MODULE = 5, DIGEST_STREAM = 6
};

static inline void digest_xor(uint8_t digest[20], const void *p, size_t n) {
    uint8_t sum[20];
    hash_sha1(p, n, sum);
    for (int i = 0; i < 20; i++) digest[i] ^= sum[i];
}

static inline void digest_mix(uint8_t digest[20], const void *p, size_t n) {
    uint8_t sum[20];
    digest_xor(digest, p, n);
    hash_sha1(digest, 20, sum);
    memcpy(digest, sum, 20);
}

static inline void digest_start(uint8_t digest[20], enum digest_type type) {
    uint8_t number[4] = {0, 0, 0, (uint8_t)type};
    digest_mix(digest, number, 4);
}

#endif
