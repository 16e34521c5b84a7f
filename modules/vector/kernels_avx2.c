/* kernels_avx2.c -- the kernels in registers of 256 bits.
 *
 * Compiled for any x86-64; only run where the processor says that it has AVX2. */
#include "modules/vector/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define WIDE __attribute__((target("avx2")))

WIDE static inline __m256 load8(const uint8_t *p, size_t i) {
    return _mm256_loadu_ps((const float *)(const void *)(p + 4 * i));
}

WIDE static inline float f32_at(const uint8_t *p, size_t i) {
    float v;
    memcpy(&v, p + 4 * i, 4);
    return v;
}

WIDE static inline float lanes_sum(__m256 s0, __m256 s1, __m256 s2, __m256 s3) {
    __m256 eight = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
    __m128 four =
        _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(two) + _mm_cvtss_f32(_mm_shuffle_ps(two, two, 1));
}

WIDE static float dot_f32(const uint8_t *a, const uint8_t *b, size_t n) {
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES) {
        s0 = _mm256_add_ps(s0, _mm256_mul_ps(load8(a, i), load8(b, i)));
        s1 = _mm256_add_ps(s1, _mm256_mul_ps(load8(a, i + 8), load8(b, i + 8)));
        s2 = _mm256_add_ps(s2, _mm256_mul_ps(load8(a, i + 16), load8(b, i + 16)));
        s3 = _mm256_add_ps(s3, _mm256_mul_ps(load8(a, i + 24), load8(b, i + 24)));
    }
    for (; i + 8 <= n; i += 8)
        s0 = _mm256_add_ps(s0, _mm256_mul_ps(load8(a, i), load8(b, i)));
    float sum = lanes_sum(s0, s1, s2, s3);
    for (; i < n; i++) sum += f32_at(a, i) * f32_at(b, i);
    return sum;
}

WIDE static inline __m256 square8(const uint8_t *a, __m256 ka, const uint8_t *b,
                                  __m256 kb, size_t i) {
    __m256 d =
        _mm256_sub_ps(_mm256_mul_ps(load8(a, i), ka), _mm256_mul_ps(load8(b, i), kb));
    return _mm256_mul_ps(d, d);
}

WIDE static float l2_f32(const uint8_t *a, float ka, const uint8_t *b, float kb,
                         size_t n) {
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    __m256 va = _mm256_set1_ps(ka), vb = _mm256_set1_ps(kb);
    size_t i = 0;
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES) {
        s0 = _mm256_add_ps(s0, square8(a, va, b, vb, i));
        s1 = _mm256_add_ps(s1, square8(a, va, b, vb, i + 8));
        s2 = _mm256_add_ps(s2, square8(a, va, b, vb, i + 16));
        s3 = _mm256_add_ps(s3, square8(a, va, b, vb, i + 24));
    }
    for (; i + 8 <= n; i += 8) s0 = _mm256_add_ps(s0, square8(a, va, b, vb, i));
    float sum = lanes_sum(s0, s1, s2, s3);
    for (; i < n; i++) {
        float d = f32_at(a, i) * ka - f32_at(b, i) * kb;
        sum += d * d;
    }
    return sum;
}

/* Sixteen signed bytes as sixteen words, whose products are summed in pairs. */
WIDE static inline __m256i products16(const uint8_t *a, const uint8_t *b) {
    __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)a));
    __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)b));
    return _mm256_madd_epi16(x, y);
}

WIDE static int32_t sum_i32(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
    return _mm_cvtsi128_si32(s);
}

WIDE static int32_t dot_i8(const uint8_t *a, const uint8_t *b, size_t n) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_add_epi32(s0, products16(a + i, b + i));
        s1 = _mm256_add_epi32(s1, products16(a + i + 16, b + i + 16));
    }
    for (; i + 16 <= n; i += 16) s0 = _mm256_add_epi32(s0, products16(a + i, b + i));
    int32_t sum = sum_i32(_mm256_add_epi32(s0, s1));
    for (; i < n; i++) sum += (int32_t)(int8_t)a[i] * (int32_t)(int8_t)b[i];
    return sum;
}

/* Bits are counted a nibble at a time, by a table of sixteen in a register. */
WIDE static inline __m256i bits_of(__m256i v) {
    const __m256i table =
        _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2,
                         2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    __m256i a = _mm256_shuffle_epi8(table, _mm256_and_si256(v, low));
    __m256i b =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
    return _mm256_sad_epu8(_mm256_add_epi8(a, b), _mm256_setzero_si256());
}

WIDE static uint32_t hamming(const uint8_t *a, const uint8_t *b, size_t bytes) {
    __m256i s = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= bytes; i += 32) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(a + i));
        __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(b + i));
        s = _mm256_add_epi64(s, bits_of(_mm256_xor_si256(x, y)));
    }
    /* Four sums, each under 2^32, in the low halves of 64 bits. */
    uint32_t sum = (uint32_t)sum_i32(s);
    for (; i < bytes; i += 8)
        sum += (uint32_t)__builtin_popcountll(get_u64(a + i) ^ get_u64(b + i));
    return sum;
}

static const struct kernels wide = {.name = "avx2",
                                    .dot_f32 = dot_f32,
                                    .l2_f32 = l2_f32,
                                    .dot_i8 = dot_i8,
                                    .hamming = hamming};

const struct kernels *kernels_avx2(void) {
    return __builtin_cpu_supports("avx2") ? &wide : NULL;
}
#else
const struct kernels *kernels_avx2(void) { return NULL; }
#endif
