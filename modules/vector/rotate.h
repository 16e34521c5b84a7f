/* rotate.h -- a seeded orthogonal rotation of vectors, cheap in any dimension.
 *
 * Four rounds of: random signs, and a fast Hadamard transform over the first (even rounds) or last (odd
 * rounds) 2^k coordinates, scaled by 2^(-k/2); and where 2^k is less than the padded dimension, after each odd
 * round a step of Kac's walk, which mixes coordinate j with j + D/2 (source: RaBitQ's library, FHT + Kac
 * rotator, which walks after every round: there a coordinate from 2^k on, whose other one is not among the last
 * 2^k, keeps half of itself each time, and 1/16 of its square remains in one place at the end. First and last
 * together cover all of them). Norms and products stay what they were, within float's rounding; a single
 * coordinate comes out spread like a Gaussian. The same seed gives the same bits on every
 * machine: it stands in the root of a set and must never change for it. O(D log D), no memory of its own. */
#ifndef COVE_VECTOR_ROTATE_H
#define COVE_VECTOR_ROTATE_H

#include "base/bytes.h"

/* dim padded with zeros: a multiple of 16, at least 64. */
uint32_t rotate_padded(uint32_t dim);
/* x: dim floats; out: rotate_padded(dim) floats, 32-byte aligned, not x. */
void rotate(uint64_t seed, const float *x, uint32_t dim, float *out);

#endif
