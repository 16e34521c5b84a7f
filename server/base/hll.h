/* hll.h -- HyperLogLog: how many different elements a string has seen, in at most 12 KiB.
 *
 * A string of 16 bytes of head and the registers, byte compatible with Redis's:
 *
 *     "HYLL" | u8 form (0 dense, 1 sparse) | 3 x 0 | u64 cached count, its top bit: not valid
 *
 * dense: 16,384 registers of 6 bits, the low bits of a byte first. sparse: runs, as one of
 *
 *     00nnnnnn           n + 1 registers of 0
 *     01nnnnnn nnnnnnnn  the same, up to 16,384
 *     1vvvvvnn           n + 1 registers of v + 1
 *
 * Any client may store such a string: what a function reads, it checks first (ERR_CORRUPT). Of runs that
 * cover too little or too much, those are read and changed that lead to the register, as in Redis. The
 * estimator is that of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017),
 * the hash MurmurHash64A; the standard error is 0.81 %. */
#ifndef COVE_BASE_HLL_H
#define COVE_BASE_HLL_H

#include "base/bytes.h"
#include "base/err.h"

#define HLL_REGISTERS 16384u
#define HLL_HEAD_BYTES 16u
#define HLL_DENSE_BYTES (HLL_HEAD_BYTES + HLL_REGISTERS / 4 * 3)
/* No sparse string that covers every register once is longer. Damaged ones may be. */
#define HLL_SPARSE_BYTES_MAX (HLL_HEAD_BYTES + 2 * HLL_REGISTERS)

void hll_new(buf *h);                 /* appends an empty one, sparse, its count valid */
int hll_check(slice h);               /* the head and the length: OK or ERR_CORRUPT */
bool hll_dense(slice h);
/* Changes that an element or a register's value makes: 1 changed, 0 not, or ERR_CORRUPT (no run has the
 * register, or what should become dense does not have each of them once), and h is as it was. What is over
 * sparse_max bytes or over 32 becomes dense. The cached count is not touched. */
int hll_add(buf *h, slice element, size_t sparse_max);
int hll_raise(buf *h, unsigned reg, uint8_t value, size_t sparse_max);
int hll_make_dense(buf *h);
/* Raises each of the registers to what h has: one byte a register. */
int hll_merge(uint8_t regs[HLL_REGISTERS], slice h);
uint64_t hll_estimate(const uint8_t regs[HLL_REGISTERS]);
bool hll_cached(slice h, uint64_t *count);
void hll_cache(buf *h, uint64_t count);
void hll_cache_drop(buf *h);
/* The runs of a sparse one as text, "z:12 v:3,1 Z:16371", into an empty out, however many there are. */
void hll_runs(slice h, buf *out);

#endif
