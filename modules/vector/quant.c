/* quant.c -- normalising, quantising, projecting, measuring.
 *
 * Values are the same on every machine: this runs when effects are replayed. So sums go
 * from the first component to the last, in single precision, and no compiler flag lets
 * them be reordered. */
#include "modules/vector/quant.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"

/* Above this many products a projection goes by the fast transform: about a
 * millisecond. */
#define PROJECT_DIRECT_MAX ((uint64_t)1 << 20)

size_t quant_bytes(enum quant q, uint32_t dim) {
    switch (q) {
    case QUANT_F32: return (size_t)dim * 4;
    case QUANT_INT8: return dim;
    case QUANT_BIN: return ((size_t)dim + 63) / 64 * 8;
    }
    return 0;
}

const char *quant_name(enum quant q) {
    switch (q) {
    case QUANT_F32: return "f32";
    case QUANT_INT8: return "int8";
    case QUANT_BIN: return "bin";
    }
    return "?";
}

#define STRIDE 8 /* Inner loops of a known length: compilers make vectors of them. */

static float normalise(float *x, uint32_t dim) {
    float sum = 0;
    size_t i = 0;
    for (size_t k = 0; k < dim; k++) sum += x[k] * x[k];
    if (sum == 0) return 0;
    float norm = sqrtf(sum);
    for (; i + STRIDE <= dim; i += STRIDE)
        for (size_t k = 0; k < STRIDE; k++) x[i + k] /= norm;
    for (; i < dim; i++) x[i] /= norm;
    return norm;
}

static int32_t magnitude(const float *x) { /* Ordered as |x| is; a NaN is above all. */
    int32_t bits;
    memcpy(&bits, x, 4);
    return bits & INT32_MAX;
}

static float largest(const float *x, uint32_t dim) {
    int32_t most[STRIDE] = {0};
    size_t i = 0;
    float range;
    for (; i + STRIDE <= dim; i += STRIDE) {
        for (size_t k = 0; k < STRIDE; k++) {
            int32_t m = magnitude(x + i + k);
            most[k] = m > most[k] ? m : most[k];
        }
    }
    for (; i < dim; i++)
        if (magnitude(x + i) > most[0]) most[0] = magnitude(x + i);
    for (uint32_t k = 1; k < STRIDE; k++)
        if (most[k] > most[0]) most[0] = most[k];
    memcpy(&range, &most[0], 4);
    return range;
}

/* As roundf() does, half away from zero; |x| is small. */
static int32_t round_small(float x) {
    int32_t whole = (int32_t)x;
    float rest = x - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

/* A vector with an infinite or NaN component has become NaNs and zeros: its range is
 * 0. */
static float encode_int8(const float *restrict x, uint32_t dim, uint8_t *restrict to) {
    float range = largest(x, dim);
    size_t i = 0;
    if (range == 0 || isnan(range)) {
        memset(to, 0, dim);
        return 0;
    }
    assert(!isinf(range)); /* It is normalised. */
    for (; i + STRIDE <= dim; i += STRIDE)
        for (size_t k = 0; k < STRIDE; k++) to[i + k] = (uint8_t)round_small(x[i + k] * 127 / range);
    for (; i < dim; i++) to[i] = (uint8_t)round_small(x[i] * 127 / range);
    return range;
}

void quant_encode(enum quant q, float *x, uint32_t dim, uint8_t *to, struct point *p) {
    float norm = normalise(x, dim);
    *p = (struct point){.bytes = to, .norm = norm == 0 ? 1 : norm, .zero = norm == 0};
    switch (q) {
    case QUANT_F32: memcpy(to, x, (size_t)dim * 4); return;
    case QUANT_INT8: p->range = encode_int8(x, dim, to); return;
    case QUANT_BIN:
        memset(to, 0, quant_bytes(q, dim));
        for (uint32_t i = 0; i < dim; i++)
            if (x[i] > 0) to[i / 8] |= (uint8_t)(1u << i % 8);
        return;
    }
}

void quant_decode(enum quant q, const struct point *p, uint32_t dim, float *x) {
    for (uint32_t i = 0; i < dim; i++) {
        switch (q) {
        case QUANT_F32:
            memcpy(&x[i], p->bytes + 4 * (size_t)i, 4);
            x[i] *= p->norm;
            break;
        case QUANT_INT8:
            x[i] = (float)(int8_t)p->bytes[i] * p->range / 127;
            x[i] *= p->norm;
            break;
        case QUANT_BIN: x[i] = p->bytes[i / 8] >> i % 8 & 1 ? 1.0f : -1.0f; break;
        }
    }
}

/* ---- projection -------------------------------------------------------------------- */

float quant_projection_at(uint32_t i, uint32_t j, uint32_t n) {
    float scale = 1.0f / sqrtf((float)n);
    return __builtin_popcount(i & j) % 2 == 0 ? scale : -scale;
}

/* The matrix is a corner of Hadamard's: all of them in place, in n log n. */
static void transform(float *x, size_t n) {
    for (size_t half = 1; half < n; half *= 2) {
        for (size_t i = 0; i < n; i += 2 * half) {
            for (size_t j = i; j < i + half; j++) {
                float a = x[j], b = x[j + half];
                x[j] = a + b;
                x[j + half] = a - b;
            }
        }
    }
}

void quant_project(const float *x, uint32_t n, float *out, uint32_t dim) {
    assert(n > 0 && n <= VECTOR_DIM_MAX && dim > 0 && dim <= VECTOR_DIM_MAX);
    float scale = 1.0f / sqrtf((float)n);
    if ((uint64_t)n * dim <= PROJECT_DIRECT_MAX) {
        for (uint32_t i = 0; i < dim; i++) {
            float sum = 0;
            for (uint32_t j = 0; j < n; j++)
                sum += (__builtin_popcount(i & j) % 2 == 0 ? scale : -scale) * x[j];
            out[i] = sum;
        }
        return;
    }
    size_t size = 1;
    while (size < n || size < dim) size *= 2;
    float *all = mem_calloc(size, sizeof(float));
    for (uint32_t j = 0; j < n; j++) all[j] = x[j] * scale;
    transform(all, size);
    memcpy(out, all, dim * sizeof(float));
    mem_free(all);
}

/* ---- measuring --------------------------------------------------------------------- */

void measure_init(struct measure *m, enum quant q, enum vector_metric k, uint32_t dim,
                  const struct point *from) {
    *m = (struct measure){.kernels = kernels_best(), .quant = q, .metric = k, .dim = dim,
                          .from = *from};
    if (q == QUANT_INT8 && k == METRIC_L2)
        m->from_square = m->kernels->dot_i8(from->bytes, from->bytes, dim);
}

static float cosine(const struct measure *m, const struct point *to) {
    const struct kernels *k = m->kernels;
    const struct point *from = &m->from;
    switch (m->quant) {
    case QUANT_F32: return 1.0f - k->dot_f32(from->bytes, to->bytes, m->dim);
    case QUANT_INT8: {
        if (from->range == 0 || to->range == 0) return 1;
        float scale = (from->range / 127) * (to->range / 127);
        float d = 1.0f - (float)k->dot_i8(from->bytes, to->bytes, m->dim) * scale;
        return d < 0 ? 0 : d > 2 ? 2 : d;
    }
    case QUANT_BIN:
        return (float)k->hamming(from->bytes, to->bytes, quant_bytes(QUANT_BIN, m->dim)) *
               2 / (float)m->dim;
    }
    return 0;
}

/* The factor that makes stored components real ones. */
static double int8_unit(const struct point *p) {
    return (double)p->range / 127 * (double)p->norm;
}

static double product(const struct measure *m, const struct point *to) {
    if (m->from.zero || to->zero) return 0;
    if (m->quant == QUANT_INT8)
        return int8_unit(&m->from) * int8_unit(to) *
               m->kernels->dot_i8(m->from.bytes, to->bytes, m->dim);
    double cos = m->quant == QUANT_F32
                     ? (double)m->kernels->dot_f32(m->from.bytes, to->bytes, m->dim)
                     : 1 - (double)cosine(m, to);
    return cos * (double)m->from.norm * (double)to->norm;
}

static double l2(const struct measure *m, const struct point *to) {
    const struct point *from = &m->from;
    double square;
    if (m->quant == QUANT_F32) {
        square = (double)m->kernels->l2_f32(from->bytes, from->norm, to->bytes, to->norm,
                                            m->dim);
    } else if (m->quant == QUANT_INT8) {
        double a = int8_unit(from), b = int8_unit(to);
        double to_square = m->kernels->dot_i8(to->bytes, to->bytes, m->dim);
        double both = m->kernels->dot_i8(from->bytes, to->bytes, m->dim);
        square = a * a * m->from_square + b * b * to_square - 2 * a * b * both;
    } else {
        double a = from->zero ? 0 : (double)from->norm,
               b = to->zero ? 0 : (double)to->norm;
        square = a * a + b * b - 2 * product(m, to);
    }
    return square < 0 ? 0 : sqrt(square);
}

double measure_distance(const struct measure *m, const struct point *to) {
    switch (m->metric) {
    case METRIC_COSINE: return (double)cosine(m, to);
    case METRIC_L2: return l2(m, to);
    case METRIC_IP: return -product(m, to);
    }
    return 0;
}

double metric_score(enum vector_metric k, double distance) {
    switch (k) {
    case METRIC_COSINE: return 1.0 - distance / 2.0;
    case METRIC_L2: return distance;
    case METRIC_IP: return -distance;
    }
    return 0;
}
