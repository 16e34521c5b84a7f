/* quant.h -- vectors as they are stored, and distances between them.
 *
 * A vector is normalised, its length kept beside it, and stored in one of three ways:
 *   f32   dim floats
 *   int8  dim bytes, q = round(x * 127 / range), with range the largest |x|
 *   bin   a bit each, 64 in a word: x > 0
 * A query goes the same way before it is compared, so that scores are those of stored
 * pairs. */
#ifndef COVE_VECTOR_QUANT_H
#define COVE_VECTOR_QUANT_H

#include "base/bytes.h"
#include "modules/vector/kernels.h"

#define VECTOR_DIM_MAX 65536

enum quant { QUANT_F32 = 0, QUANT_INT8 = 1, QUANT_BIN = 2 }; /* stored */
enum vector_metric { METRIC_COSINE = 0, METRIC_L2 = 1, METRIC_IP = 2 }; /* stored */

/* One stored vector. */
struct point {
    const uint8_t *bytes; /* no alignment */
    float norm, range;    /* range: int8 only, else 0 */
    bool zero;            /* all components were 0; norm is 1 then */
};

size_t quant_bytes(enum quant q, uint32_t dim);
const char *quant_name(enum quant q); /* "f32", "int8", "bin" */

/* Normalises x in place, writes quant_bytes() to `to`, and fills p, which borrows
 * `to`. */
void quant_encode(enum quant q, float *x, uint32_t dim, uint8_t *to, struct point *p);
/* The vector that is stored, with its length again (bin: only signs). */
void quant_decode(enum quant q, const struct point *p, uint32_t dim, float *x);

/* The fixed projection to `dim` components: m[i][j] = (popcount(i & j) even ? 1 : -1) /
 * sqrt(n). */
void quant_project(const float *x, uint32_t n, float *out, uint32_t dim);
float quant_projection_at(uint32_t i, uint32_t j, uint32_t n);

/* Distances are ascending: cosine 1 - cos in 0..2, L2 the distance, IP the product,
 * negated. */
struct measure {
    const struct kernels *kernels;
    enum quant quant;
    enum vector_metric metric;
    uint32_t dim;
    struct point from;
    double from_square; /* int8 and L2: the sum of its squares */
};
void measure_init(struct measure *m, enum quant q, enum vector_metric k, uint32_t dim,
                  const struct point *from);
double measure_distance(const struct measure *m, const struct point *to);
double metric_score(enum vector_metric k, double distance);

#endif
