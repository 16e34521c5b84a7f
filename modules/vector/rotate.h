/* rotate.h -- a seeded orthogonal rotation of vectors, cheap in any dimension.
 *
 * Four rounds of: random signs, a fast Hadamard transform over the first (even rounds) or last (odd
 * rounds) 2^k coordinates, scaled by 2^(-k/2); and where 2^k is less than the padded dimension, a step of
 * Kac's walk that mixes coordinate j with j + D/2 (source: RaBitQ's library, FHT + Kac rotator). Norms
 * and products stay what they were, within float's rounding. The same seed gives the same bits on every
 * machine: it stands in the root of a set and must never change for it. O(D log D), no memory of its own. */
#ifndef COVE_VECTOR_ROTATE_H
#define COVE_VECTOR_ROTATE_H

#include "base/bytes.h"

/* dim padded with zeros: a multiple of 16, at least 64. */
uint32_t rotate_padded(uint32_t dim);
/* x: dim floats; out: rotate_padded(dim) floats, 32-byte aligned, not x. */
void rotate(uint64_t seed, const float *x, uint32_t dim, float *out);

#endif
