/* kernels.c -- the plain twins, and the choice between the kinds. */
#include "modules/vector/kernels.h"

#include <assert.h>

static float f32_at(const uint8_t *p, size_t i) {
    float v;
    memcpy(&v, p + 4 * i, 4);
    return v;
}

/* The lanes' sum: registers first, then halves of the last one, as the wide twin does. */
static float lanes_sum(const float lane[KERNEL_LANES]) {
    float eight[8];
    for (size_t j = 0; j < 8; j++)
        eight[j] = (lane[j] + lane[8 + j]) + (lane[16 + j] + lane[24 + j]);
    float four[4];
    for (size_t j = 0; j < 4; j++) four[j] = eight[j] + eight[4 + j];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

static float dot_f32(const uint8_t *a, const uint8_t *b, size_t n) {
    float lane[KERNEL_LANES] = {0};
    size_t i = 0;
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES)
        for (size_t j = 0; j < KERNEL_LANES; j++)
            lane[j] += f32_at(a, i + j) * f32_at(b, i + j);
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++) lane[j] += f32_at(a, i + j) * f32_at(b, i + j);
    float sum = lanes_sum(lane);
    for (; i < n; i++) sum += f32_at(a, i) * f32_at(b, i);
    return sum;
}

static float square_at(const uint8_t *a, float ka, const uint8_t *b, float kb, size_t i) {
    float d = f32_at(a, i) * ka - f32_at(b, i) * kb;
    return d * d;
}

static float l2_f32(const uint8_t *a, float ka, const uint8_t *b, float kb, size_t n) {
    float lane[KERNEL_LANES] = {0};
    size_t i = 0;
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES)
        for (size_t j = 0; j < KERNEL_LANES; j++)
            lane[j] += square_at(a, ka, b, kb, i + j);
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++) lane[j] += square_at(a, ka, b, kb, i + j);
    float sum = lanes_sum(lane);
    for (; i < n; i++) sum += square_at(a, ka, b, kb, i);
    return sum;
}

static int32_t dot_i8(const uint8_t *a, const uint8_t *b, size_t n) {
    int32_t sum = 0;
    assert(n <= 65536); /* 65,536 products of at most 2^14 stay under 2^31. */
    for (size_t i = 0; i < n; i++) sum += (int32_t)(int8_t)a[i] * (int32_t)(int8_t)b[i];
    return sum;
}

static uint32_t hamming(const uint8_t *a, const uint8_t *b, size_t bytes) {
    uint32_t sum = 0;
    assert(bytes % 8 == 0);
    for (size_t i = 0; i < bytes; i += 8)
        sum += (uint32_t)__builtin_popcountll(get_u64(a + i) ^ get_u64(b + i));
    return sum;
}

const struct kernels kernels_plain = {.name = "plain",
                                      .dot_f32 = dot_f32,
                                      .l2_f32 = l2_f32,
                                      .dot_i8 = dot_i8,
                                      .hamming = hamming};

const struct kernels *kernels_best(void) {
    const struct kernels *wide = kernels_avx2();
    return wide != NULL ? wide : &kernels_plain;
}
