/* sha256.c -- SHA-256 of a whole, by OpenSSL: how ACL shows passwords. */
#include <openssl/sha.h>

#include "base/hash.h"

void hash_sha256_hex(const void *p, size_t n, char out[65]) {
    uint8_t sum[SHA256_DIGEST_LENGTH];
    SHA256(p, n, sum);
    for (size_t i = 0; i < sizeof(sum); i++) {
        out[2 * i] = "0123456789abcdef"[sum[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
    }
    out[64] = 0;
}
