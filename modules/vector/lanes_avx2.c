/* lanes_avx2.c -- the kernels of codes in registers of 256 bits.
 *
 * Compiled for any x86-64; only run where the processor says that it has AVX2, and F16C for half floats. */
#include "modules/vector/lanes_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES_WIDE __attribute__((target("avx2,f16c")))
#include "modules/vector/lanes.h"
#include "modules/vector/lanes_nearest.h"

LANES_WIDE static void bytes_to_floats_k(const uint8_t *q, size_t n, float by, float *out) {
    lanes_bytes_to_floats(q, n, by, out);
}
LANES_WIDE static float frame_k(float *y, const uint8_t *mean, float scale, size_t n) {
    return lanes_frame(y, mean, scale, n);
}
LANES_WIDE static float square_k(const float *y, size_t n) { return lanes_square(y, n); }
LANES_WIDE static void rotate_k(uint64_t seed, float *x, uint32_t n, uint32_t k, float scale) {
    lanes_rotate(seed, x, n, k, scale);
}
LANES_WIDE static void encode_k(const struct code_shape *s, const float *o, const float *c, float *r, uint8_t *numbers,
                     double facts[5]) {
    lanes_encode(s, o, c, r, numbers, facts);
}
LANES_WIDE static void tables_k(const float *q, uint32_t dim, unsigned bits, uint8_t *out, float *step,
                     float *least) {
    lanes_tables_of(q, dim, bits, out, step, least);
}
LANES_WIDE static float half_l2_k(const float *q, const uint8_t *h, size_t n) { return lanes_half_l2(q, h, n); }
LANES_WIDE static float half_dot_k(const float *q, const uint8_t *h, size_t n) { return lanes_half_dot(q, h, n); }
LANES_WIDE static void half_to_floats_k(const uint8_t *h, size_t n, float *out) { lanes_half_to_floats(h, n, out); }

LANES_WIDE static void nearest_k(const struct nearest *set, const float *const *rows, size_t n, uint32_t *centre,
                                 float *score) {
    lanes_nearest(set, rows, n, centre, score);
}

#define FLUSH_GROUPS 256 /* of 255 at most: a half has 128 of them, and both together 65,280 */

/* The even bytes of s0 and the odd ones of s1, of both halves, as eight and eight numbers. */
LANES_WIDE static inline void flush(__m256i s0, __m256i s1, __m256i *a, __m256i *b) {
    s0 = _mm256_sub_epi16(s0, _mm256_slli_epi16(s1, 8));
    __m128i even = _mm_add_epi16(_mm256_castsi256_si128(s0), _mm256_extracti128_si256(s0, 1));
    __m128i odd = _mm_add_epi16(_mm256_castsi256_si128(s1), _mm256_extracti128_si256(s1, 1));
    *a = _mm256_add_epi32(*a, _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(even, odd)));
    *b = _mm256_add_epi32(*b, _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(even, odd)));
}

/* 32 codes of two groups are looked up at once. Sums of bytes are kept in words: those of the odd bytes
 * alone, and those of even and odd ones together, from which the odd ones are taken at the end. */
LANES_WIDE static uint32_t scan_k(const struct code_query *query, const uint8_t *block, float g, float spread,
                            float limit, float *est, float *err) {
    uint32_t groups = code_groups(&query->shape), sums[CODE_ROWS];
    const __m256i low = _mm256_set1_epi8(15);
    __m256i t[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                    _mm256_setzero_si256()};
    for (uint32_t i = 0; i < groups;) {
        uint32_t end = groups - i > FLUSH_GROUPS ? i + FLUSH_GROUPS : groups;
        __m256i a0 = _mm256_setzero_si256(), a1 = a0, b0 = a0, b1 = a0;
        for (; i < end; i += 2) {
            __m256i c = _mm256_loadu_si256((const __m256i *)(const void *)(block + 16 * (size_t)i));
            __m256i table = _mm256_load_si256((const __m256i *)(const void *)(query->tables + 16 * (size_t)i));
            __m256i x = _mm256_shuffle_epi8(table, _mm256_and_si256(c, low));
            __m256i y = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(c, 4), low));
            a0 = _mm256_add_epi16(a0, x);
            a1 = _mm256_add_epi16(a1, _mm256_srli_epi16(x, 8));
            b0 = _mm256_add_epi16(b0, y);
            b1 = _mm256_add_epi16(b1, _mm256_srli_epi16(y, 8));
        }
        flush(a0, a1, &t[0], &t[1]);
        flush(b0, b1, &t[2], &t[3]);
    }
    for (int k = 0; k < 4; k++) _mm256_storeu_si256((__m256i *)(void *)(sums + 8 * k), t[k]);
    return lanes_estimate(query, block + 16 * (size_t)groups, sums, g, spread, limit, est, err);
}

static const struct lanes_kernels wide = {.bytes_to_floats = bytes_to_floats_k,
                                          .frame = frame_k,
                                          .square = square_k,
                                          .rotate = rotate_k,
                                          .encode = encode_k,
                                          .tables = tables_k,
                                          .half_l2 = half_l2_k,
                                          .half_dot = half_dot_k,
                                          .half_to_floats = half_to_floats_k,
                                          .scan = scan_k,
                                          .nearest = nearest_k};

#ifdef __clang__
#define F16C "fma" /* Clang's builtin does not know F16C, which all processors with FMA have. */
#else
#define F16C "f16c"
#endif

const struct lanes_kernels *lanes_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports(F16C) ? &wide : NULL;
}
#else
const struct lanes_kernels *lanes_avx2(void) { return NULL; }
#endif
