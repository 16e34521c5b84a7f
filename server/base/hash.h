/* hash.h -- hashes and checksums.
 *
 * hash_key(): SipHash-1-2 (Aumasson and Bernstein) keyed by 16 secret bytes: for tables
 * whose keys clients choose. crc32c: Castagnoli, hardware where there is any; for log
 * records and pages. crc64: the Jones polynomial, as in RDB and DUMP. hash_xx: XXH3-64,
 * not keyed, for whole objects and digests. */
#ifndef COVE_BASE_HASH_H
#define COVE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_key(const uint8_t secret[16], const void *p, size_t n);
uint32_t crc32c(uint32_t crc, const void *p, size_t n); /* Start with 0; may be chained. */
/* The same without special instructions. */
uint32_t crc32c_plain(uint32_t crc, const void *p, size_t n);
uint64_t crc64(uint64_t crc, const void *p, size_t n);  /* Start with 0; may be chained. */
uint64_t hash_xx(const void *p, size_t n, uint64_t seed);
void hash_sha1(const void *p, size_t n, uint8_t out[20]);
void hash_sha1_hex(const void *p, size_t n, char out[41]);
void hash_sha256_hex(const void *p, size_t n, char out[65]);

#endif
