/* lanes.h -- loops over floats, eight at a time: one source for plain C and for wide registers.
 *
 * lanes_plain.c has them as they are; lanes_avx2.c, where LANES_WIDE is what a function of AVX2 and F16C
 * is marked with, compiles them for these, and the few that compilers make badly have instructions of their
 * own there. No sum is reordered and none is fused, so both give the same bits. */
#ifndef COVE_VECTOR_LANES_H
#define COVE_VECTOR_LANES_H

#include <float.h>
#include <string.h>

#include "modules/vector/code.h"

#pragma GCC diagnostic ignored "-Wpsabi" /* Everything here is inlined: no vector is ever passed. */

typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));
typedef uint32_t u8 __attribute__((vector_size(32)));
typedef uint16_t h8 __attribute__((vector_size(16)));
typedef int16_t s8 __attribute__((vector_size(16)));
typedef uint8_t b8 __attribute__((vector_size(8)));
typedef int8_t c8 __attribute__((vector_size(8)));
#ifdef LANES_WIDE
#define LANES LANES_WIDE __attribute__((always_inline)) static inline
#else
#define LANES __attribute__((always_inline)) static inline
#endif

LANES f8 f8_load(const void *p) {
    f8 v;
    memcpy(&v, p, sizeof(v));
    return v;
}
LANES void f8_store(void *p, f8 v) { memcpy(p, &v, sizeof(v)); }
LANES f8 f8_of(float x) { return (f8){x, x, x, x, x, x, x, x}; }
LANES f8 f8_select(i8 mask, f8 yes, f8 no) { return (f8)(((i8)yes & mask) | ((i8)no & ~mask)); }
LANES f8 f8_abs(f8 v) { return (f8)((u8)v & 0x7fffffffu); }
/* A bit for each lane: whether it is below 0. */
LANES uint32_t i8_signs(i8 v) {
#ifdef LANES_WIDE
    return (uint32_t)_mm256_movemask_ps((__m256)v);
#else
    uint32_t bits = 0;
    for (unsigned k = 0; k < 8; k++) bits |= (uint32_t)(v[k] < 0) << k;
    return bits;
#endif
}
LANES float f8_sum(f8 v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/* What a half float's bits say; those of infinities and of no number are taken for the largest. */
LANES f8 f8_half(const uint8_t *p) {
#ifdef LANES_WIDE
    __m128i h = _mm_loadu_si128((const __m128i *)(const void *)p);
    h = _mm_min_epi16(h, _mm_set1_epi16(0x7bff));
    h = _mm_min_epu16(h, _mm_set1_epi16((short)0xfbff));
    return (f8)_mm256_cvtph_ps(h);
#else
    h8 h;
    memcpy(&h, p, sizeof(h));
    h8 size = h & 0x7fff, over = (h8)((s8)size > 0x7bff), sign = h & 0x8000;
    size = (h8)((size & ~over) | (over & 0x7bff));
    f8 v = (f8)(__builtin_convertvector(size, u8) << 13) * f8_of(0x1p112f);
    return (f8)((u8)v | __builtin_convertvector(sign, u8) << 16);
#endif
}

/* ---- vectors as they come from their records: see ivf_vector() and ivf__enframe() --------------- */

/* Signed bytes, each `by` times. */
LANES void lanes_bytes_to_floats(const uint8_t *q, size_t n, float by, float *out) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        c8 b;
        memcpy(&b, q + i, sizeof(b));
        f8_store(out + i, __builtin_convertvector(__builtin_convertvector(b, i8), f8) * f8_of(by));
    }
    for (; i < n; i++) out[i] = (float)(int8_t)q[i] * by;
}

/* Infinities become the largest numbers, what is no number 0. */
LANES f8 f8_finite(f8 v) {
    v = f8_select(v > f8_of(FLT_MAX), f8_of(FLT_MAX), v);
    v = f8_select(v < f8_of(-FLT_MAX), f8_of(-FLT_MAX), v);
    return f8_select(v == v, v, f8_of(0));
}

/* y becomes (y - mean) * scale; the sum of its squares, perhaps infinite. n: a multiple of 16. */
LANES float lanes_frame(float *y, const uint8_t *mean, float scale, size_t n) {
    f8 s = f8_of(0), t = s;
    for (size_t i = 0; i < n; i += 16) {
        f8 a = f8_finite((f8_load(y + i) - f8_load(mean + 4 * i)) * f8_of(scale));
        f8 b = f8_finite((f8_load(y + i + 8) - f8_load(mean + 4 * i + 32)) * f8_of(scale));
        f8_store(y + i, a);
        f8_store(y + i + 8, b);
        s += a * a;
        t += b * b;
    }
    return f8_sum(s + t);
}

LANES float lanes_square(const float *y, size_t n) {
    f8 s = f8_of(0), t = s;
    for (size_t i = 0; i < n; i += 16) {
        f8 a = f8_load(y + i), b = f8_load(y + i + 8);
        s += a * a;
        t += b * b;
    }
    return f8_sum(s + t);
}

/* ---- rotation: see rotate.c ------------------------------------------------------------------- */

LANES uint64_t lanes_mix(uint64_t *state) { /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

LANES void lanes_flip(float *x, uint32_t n, uint64_t *state) {
    const u8 at = {0, 1, 2, 3, 4, 5, 6, 7};
    uint64_t bits = 0;
    for (uint32_t i = 0; i < n; i += 8, bits >>= 8) {
        if (i % 64 == 0) bits = lanes_mix(state);
        uint32_t b = (uint32_t)(bits & 255);
        u8 sign = ((u8){b, b, b, b, b, b, b, b} >> at) << 31;
        f8_store(x + i, (f8)((u8)f8_load(x + i) ^ sign));
    }
}

LANES void lanes_hadamard(float *x, uint32_t n, float scale) {
    for (uint32_t i = 0; i < n; i += 8) {
        f8 v = f8_load(x + i);
        /* Within eight: sums in one half of each group, differences in the other. */
        v = v * (f8){1, -1, 1, -1, 1, -1, 1, -1} + __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
        v = v * (f8){1, 1, -1, -1, 1, 1, -1, -1} + __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
        v = v * (f8){1, 1, 1, 1, -1, -1, -1, -1} + __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
        f8_store(x + i, v);
    }
    uint32_t half = 8;
    for (; 2 * half < n; half *= 4) /* Two levels at a time. */
        for (uint32_t i = 0; i < n; i += 4 * half)
            for (uint32_t j = i; j < i + half; j += 8) {
                f8 a = f8_load(x + j), b = f8_load(x + j + half);
                f8 c = f8_load(x + j + 2 * half), d = f8_load(x + j + 3 * half);
                f8 ab = a + b, aob = a - b, cd = c + d, cod = c - d;
                f8_store(x + j, ab + cd);
                f8_store(x + j + half, aob + cod);
                f8_store(x + j + 2 * half, ab - cd);
                f8_store(x + j + 3 * half, aob - cod);
            }
    for (; half < n; half *= 2)
        for (uint32_t j = 0; j < half; j += 8) {
            f8 a = f8_load(x + j), b = f8_load(x + j + half);
            f8_store(x + j, a + b);
            f8_store(x + j + half, a - b);
        }
    for (uint32_t i = 0; i < n; i += 8) f8_store(x + i, f8_load(x + i) * f8_of(scale));
}

LANES void lanes_walk(float *x, uint32_t n) {
    const f8 r = f8_of(0.70710678f);
    for (uint32_t j = 0; j < n / 2; j += 8) {
        f8 a = f8_load(x + j), b = f8_load(x + j + n / 2);
        f8_store(x + j, (a + b) * r);
        f8_store(x + j + n / 2, (a - b) * r);
    }
}

/* x: n floats, in place; k: the largest power of two that is not above n. */
LANES void lanes_rotate(uint64_t seed, float *x, uint32_t n, uint32_t k, float scale) {
    for (int round = 0; round < 4; round++) {
        lanes_flip(x, n, &seed);
        lanes_hadamard(round % 2 == 0 ? x : x + (n - k), k, scale);
        if (k != n && round % 2 == 1) lanes_walk(x, n);
    }
}

/* ---- codes: see code.c ------------------------------------------------------------------------- */

#define LEVEL2_LOW 0.4528f
#define LEVEL2_HIGH 1.5104f
#define LEVEL2_EDGE 0.9816f
#define LEVELS4 0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f, 7.5f
#define LEVEL4_MOST 7.5f

struct lanes_sums {
    float nn, rc; /* |r|^2, <r,c> */
};
struct lanes_level {
    float su, uu, tu; /* <r,u>, |u|^2, <c,u> */
};

LANES struct lanes_sums lanes_residual(const float *o, const float *c, uint32_t dim, float *r) {
    f8 nn = f8_of(0), rc = nn;
    for (uint32_t i = 0; i < dim; i += 8) {
        f8 y = f8_load(c + i), v = f8_load(o + i) - y;
        f8_store(r + i, v);
        nn += v * v;
        rc += v * y;
    }
    return (struct lanes_sums){f8_sum(nn), f8_sum(rc)};
}

/* |level| of |a|, which is scaled. */
LANES f8 lanes_magnitude(f8 a, unsigned bits) {
    if (bits == 1) return f8_of(0.5f);
    if (bits == 2) return f8_select(a > f8_of(LEVEL2_EDGE), f8_of(LEVEL2_HIGH), f8_of(LEVEL2_LOW));
    f8 most = f8_select(a > f8_of(7.0f), f8_of(7.0f), a);
    return __builtin_convertvector(__builtin_convertvector(most, i8), f8) + f8_of(0.5f);
}

/* With c: <c,u> too. */
LANES struct lanes_level lanes_levels(const float *r, const float *c, uint32_t dim, unsigned bits, float scale) {
    f8 su = f8_of(0), uu = su, tu = su;
    for (uint32_t i = 0; i < dim; i += 8) {
        f8 v = f8_load(r + i), a = f8_abs(v), u = lanes_magnitude(a * f8_of(scale), bits);
        su += a * u;
        uu += u * u;
        if (c != NULL) tu += f8_load(c + i) * f8_select(v > f8_of(0), u, -u);
    }
    return (struct lanes_level){f8_sum(su), f8_sum(uu), f8_sum(tu)};
}

/* The number of each coordinate's level: one a byte. */
LANES void lanes_numbers(const float *r, uint32_t dim, unsigned bits, float scale, uint8_t *out) {
    const i8 one = {1, 1, 1, 1, 1, 1, 1, 1};
    for (uint32_t i = 0; i < dim; i += 8) {
        f8 v = f8_load(r + i), a = f8_abs(v) * f8_of(scale);
        i8 up = v > f8_of(0), k = one - one;
        if (bits == 2) k = (a > f8_of(LEVEL2_EDGE)) & one;
        if (bits == 4) k = __builtin_convertvector(f8_select(a > f8_of(7.0f), f8_of(7.0f), a), i8);
        int32_t half = 1 << (bits - 1);
        i8 middle = {half, half, half, half, half, half, half, half};
        i8 n = ((middle + k) & up) | ((middle - one - k) & ~up);
        b8 b = __builtin_convertvector(n, b8);
        memcpy(out + i, &b, sizeof(b));
    }
}

/* See struct lanes_kernels. */
LANES void lanes_encode(const struct code_shape *s, const float *o, const float *c, float *r, uint8_t *numbers,
                          double facts[5]) {
    struct lanes_sums sums = lanes_residual(o, c, s->dim, r);
    facts[0] = (double)sums.nn;
    facts[1] = (double)sums.rc;
    facts[2] = facts[3] = facts[4] = 0;
    if (!(sums.nn > 0)) return;
    float one = 1 / __builtin_sqrtf(sums.nn / (float)s->dim), scale = one;
    /* Scales that are tried, in units of a Gaussian's spread: of 2 bits, of 4. */
    const float tries[2][5] = {{0.85f, 0.92f, 1.0f, 1.08f, 1.17f}, {2.2f, 2.5f, 2.8f, 3.1f, 3.4f}};
    if (s->bits > 1) {
        double best = -1;
        for (int i = 0; i < 5; i++) {
            float at = one * tries[s->bits == 4][i];
            struct lanes_level l = s->bits == 2 ? lanes_levels(r, NULL, s->dim, 2, at)
                                                : lanes_levels(r, NULL, s->dim, 4, at);
            double fit = (double)l.su / __builtin_sqrt((double)l.uu);
            if (!(fit > best)) continue;
            best = fit;
            scale = at;
        }
    }
    struct lanes_level l = lanes_levels(r, c, s->dim, s->bits, scale);
    lanes_numbers(r, s->dim, s->bits, scale, numbers);
    facts[2] = (double)l.su;
    facts[3] = (double)l.uu;
    facts[4] = (double)l.tu;
}

#define TABLE_MOST 255.0f
#define TABLE_STEP_LEAST 1e-30f /* so that its reciprocal is a number */

/* The largest difference within a group; *sum: those of all groups together. */
LANES float lanes_spans(const float *q, uint32_t dim, unsigned bits, float *sum) {
    f8 most = f8_of(0), all = most;
    for (uint32_t i = 0; i < dim; i += 8) {
        f8 a = f8_abs(f8_load(q + i));
        all += a;
        if (bits < 4) a += __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6);
        if (bits == 1) a += __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5);
        most = f8_select(a > most, a, most);
    }
    float range = 0, by = 2 * (bits == 1 ? 0.5f : bits == 2 ? LEVEL2_HIGH : LEVEL4_MOST);
    for (unsigned k = 0; k < 8; k++) range = most[k] > range ? most[k] : range;
    *sum = f8_sum(all) * by;
    return range * by;
}

/* The sums of a group for its 16 codes, in steps above the least of them, and a half for rounding. */
LANES void lanes_group(const float *q, unsigned bits, float by, f8 *low, f8 *high) {
    if (bits == 1) {
        const f8 p0 = {-.5f, .5f, -.5f, .5f, -.5f, .5f, -.5f, .5f};
        const f8 p1 = {-.5f, -.5f, .5f, .5f, -.5f, -.5f, .5f, .5f};
        const f8 p2 = {-.5f, -.5f, -.5f, -.5f, .5f, .5f, .5f, .5f};
        f8 x = f8_of(q[0] * by), y = f8_of(q[1] * by), z = f8_of(q[2] * by), w = f8_of(q[3] * by) * f8_of(0.5f);
        f8 least = (f8_abs(x) + f8_abs(y) + f8_abs(z)) * f8_of(0.5f) + f8_abs(w) + f8_of(0.5f);
        f8 three = x * p0 + y * p1 + z * p2 + least;
        *low = three - w;
        *high = three + w;
    } else if (bits == 2) {
        const f8 l2 = {-LEVEL2_HIGH, -LEVEL2_LOW, LEVEL2_LOW, LEVEL2_HIGH,
                       -LEVEL2_HIGH, -LEVEL2_LOW, LEVEL2_LOW, LEVEL2_HIGH};
        const f8 down = {-LEVEL2_HIGH, -LEVEL2_HIGH, -LEVEL2_HIGH, -LEVEL2_HIGH,
                         -LEVEL2_LOW,  -LEVEL2_LOW,  -LEVEL2_LOW,  -LEVEL2_LOW};
        const f8 up = {LEVEL2_LOW,  LEVEL2_LOW,  LEVEL2_LOW,  LEVEL2_LOW,
                       LEVEL2_HIGH, LEVEL2_HIGH, LEVEL2_HIGH, LEVEL2_HIGH};
        f8 x = f8_of(q[0] * by), y = f8_of(q[1] * by);
        f8 first = x * l2 + ((f8_abs(x) + f8_abs(y)) * f8_of(LEVEL2_HIGH) + f8_of(0.5f));
        *low = first + y * down;
        *high = first + y * up;
    } else {
        const f8 l4 = {LEVELS4};
        f8 x = f8_of(q[0] * by), least = f8_abs(x) * f8_of(LEVEL4_MOST) + f8_of(0.5f);
        *low = least - x * __builtin_shufflevector(l4, l4, 7, 6, 5, 4, 3, 2, 1, 0);
        *high = least + x * l4;
    }
}

LANES f8 lanes_bounded(f8 v) {
    v = f8_select(v > f8_of(TABLE_MOST), f8_of(TABLE_MOST), v);
    return f8_select(v > f8_of(0), v, f8_of(0));
}

/* 32 floats become as many bytes: cut, and bounded. */
LANES void lanes_bytes(const f8 v[4], uint8_t *out) {
#ifdef LANES_WIDE
    __m256i a = _mm256_packs_epi32(_mm256_cvttps_epi32((__m256)v[0]), _mm256_cvttps_epi32((__m256)v[1]));
    __m256i b = _mm256_packs_epi32(_mm256_cvttps_epi32((__m256)v[2]), _mm256_cvttps_epi32((__m256)v[3]));
    __m256i c = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)out, c);
#else
    for (unsigned i = 0; i < 4; i++) {
        b8 b = __builtin_convertvector(__builtin_convertvector(lanes_bounded(v[i]), i8), b8);
        memcpy(out + (size_t)8 * i, &b, sizeof(b));
    }
#endif
}

LANES void lanes_tables(const float *q, uint32_t dim, unsigned bits, uint8_t *out, float *step, float *least) {
    float sum, range = lanes_spans(q, dim, bits, &sum);
    *step = range > TABLE_STEP_LEAST * TABLE_MOST ? range / TABLE_MOST : 1;
    *least = sum * -0.5f;
    float by = 1 / *step;
    const uint32_t wide = 4 / bits; /* coordinates of a group */
    for (uint32_t i = 0; i < dim; i += 2 * wide, out += 32) {
        f8 v[4];
        lanes_group(q + i, bits, by, &v[0], &v[1]);
        lanes_group(q + i + wide, bits, by, &v[2], &v[3]);
        lanes_bytes(v, out);
    }
}

LANES void lanes_tables_of(const float *q, uint32_t dim, unsigned bits, uint8_t *out, float *step, float *least) {
    if (bits == 1) lanes_tables(q, dim, 1, out, step, least);
    if (bits == 2) lanes_tables(q, dim, 2, out, step, least);
    if (bits == 4) lanes_tables(q, dim, 4, out, step, least);
}

/* ---- half floats -------------------------------------------------------------------------------- */

/* Of eight: the square of the distance, or the product. */
LANES f8 lanes_half_term(const float *q, const uint8_t *h, bool product) {
    f8 x = f8_load(q), y = f8_half(h), d = x - y;
    return product ? x * y : d * d;
}
LANES float lanes_half(const float *q, const uint8_t *h, size_t n, bool product) {
    f8 s = f8_of(0), t = s, u = s, v = s;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s += lanes_half_term(q + i, h + 2 * i, product);
        t += lanes_half_term(q + i + 8, h + 2 * i + 16, product);
        u += lanes_half_term(q + i + 16, h + 2 * i + 32, product);
        v += lanes_half_term(q + i + 24, h + 2 * i + 48, product);
    }
    if (i < n) { /* Sixteen more. */
        s += lanes_half_term(q + i, h + 2 * i, product);
        t += lanes_half_term(q + i + 8, h + 2 * i + 16, product);
    }
    return f8_sum((s + t) + (u + v));
}
LANES float lanes_half_l2(const float *q, const uint8_t *h, size_t n) { return lanes_half(q, h, n, false); }
LANES float lanes_half_dot(const float *q, const uint8_t *h, size_t n) { return lanes_half(q, h, n, true); }

LANES void lanes_half_to_floats(const uint8_t *h, size_t n, float *out) {
    for (size_t i = 0; i < n; i += 8) f8_store(out + i, f8_half(h + 2 * i));
}

/* ---- estimates ------------------------------------------------------------------------------------ */

/* sums: of the looked-up bytes; p: the factors of a block. */
LANES uint32_t lanes_estimate(const struct code_query *query, const uint8_t *p, const uint32_t *sums, float g,
                              float spread, float limit, float *est, float *err) {
    uint32_t rows = 0;
    for (unsigned i = 0; i < CODE_ROWS; i += 8) {
        u8 s;
        memcpy(&s, sums + i, sizeof(s));
        f8 product = __builtin_convertvector((i8)s, f8) * f8_of(query->step) + f8_of(query->least);
        f8 resc = f8_half(p + 4 * CODE_ROWS + 2 * i);
        f8 e = f8_load(p + 4 * i) + f8_of(g) + resc * product;
        f8 x = f8_half(p + 6 * CODE_ROWS + 2 * i) * f8_of(spread) + f8_abs(resc) * f8_of(query->rounding);
        f8_store(est + i, e);
        f8_store(err + i, x);
        /* A cleared row is infinitely far: not within any limit, even an infinite one. */
        i8 in = (e - x <= f8_of(limit)) & (e < f8_of(__builtin_inff()));
        rows |= i8_signs(in) << i;
    }
    return rows;
}

#endif
