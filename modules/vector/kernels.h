/* kernels.h -- the inner loops of vector distances.
 *
 * Each kernel exists in plain C and, where the processor allows, with AVX2. Both give the
 * same bits: the float kernels sum in the same lanes and the same order, without fused
 * multiply-add, so that an answer does not depend on the machine. Pointers need no
 * alignment. */
#ifndef COVE_VECTOR_KERNELS_H
#define COVE_VECTOR_KERNELS_H

#include "base/bytes.h"

/* The lanes of the float kernels: four registers of eight. */
#define KERNEL_LANES 32

struct kernels {
    const char *name;
    float (*dot_f32)(const uint8_t *a, const uint8_t *b, size_t n);
    /* The sum of (a * ka - b * kb)^2. */
    float (*l2_f32)(const uint8_t *a, float ka, const uint8_t *b, float kb, size_t n);
    int32_t (*dot_i8)(const uint8_t *a, const uint8_t *b,
                      size_t n); /* n at most 65,536 */
    uint32_t (*hamming)(const uint8_t *a, const uint8_t *b,
                        size_t bytes); /* bytes: times 8 */
};

extern const struct kernels kernels_plain;
const struct kernels *kernels_best(void); /* what this processor runs fastest */
/* NULL: this build or this processor has none. */
const struct kernels *kernels_avx2(void);

#endif
