/* rotate.c -- random signs, Hadamard transforms and Kac's walk. */
#include "modules/vector/rotate.h"

#include <math.h>

#include "modules/vector/lanes_kernels.h"

uint32_t rotate_padded(uint32_t dim) {
    return dim <= 64 ? 64 : (dim + 15) / 16 * 16;
}

void rotate(uint64_t seed, const float *x, uint32_t dim, float *out) {
    uint32_t n = rotate_padded(dim), k = 64;
    while (2 * k <= n) k *= 2;
    memcpy(out, x, dim * sizeof(float));
    memset(out + dim, 0, (n - dim) * sizeof(float));
    lanes_best()->rotate(seed, out, n, k, 1 / sqrtf((float)k));
}
