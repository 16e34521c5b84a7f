/* lanes_kernels.h -- the loops of lanes.h as functions, for what processor there is. */
#ifndef COVE_VECTOR_LANES_KERNELS_H
#define COVE_VECTOR_LANES_KERNELS_H

#include "modules/vector/code.h"

/* Centres for `nearest`: see lanes_nearest.h, and kmeans.c, which makes them. */
#define NEAREST_TILE 16
#define NEAREST_ROWS 48 /* at a time: they pass a tile by while it is in the cache */
struct nearest {
    uint32_t dim, count;      /* count: rounded up to whole tiles */
    const float *tiles, *less; /* less: what is taken from each product; infinite where there is no centre */
};

struct lanes_kernels {
    void (*bytes_to_floats)(const uint8_t *q, size_t n, float by, float *out);
    /* y becomes (y - mean) * scale; the sum of its squares. mean: floats, any alignment. n: a multiple of 16. */
    float (*frame)(float *y, const uint8_t *mean, float scale, size_t n);
    float (*square)(const float *y, size_t n); /* the same sum */
    void (*rotate)(uint64_t seed, float *x, uint32_t n, uint32_t k, float scale);
    /* One code: r is room for dim floats, numbers for the number of each coordinate's level. */
    void (*encode)(const struct code_shape *s, const float *o, const float *c, float *r, uint8_t *numbers,
                   double facts[5]); /* |r|^2, <r,c>, <r,u>, |u|^2, <c,u> */
    /* Of a query: see struct code_query. */
    void (*tables)(const float *q, uint32_t dim, unsigned bits, uint8_t *out, float *step, float *least);
    float (*half_l2)(const float *q, const uint8_t *h, size_t n);
    float (*half_dot)(const float *q, const uint8_t *h, size_t n);
    void (*half_to_floats)(const uint8_t *h, size_t n, float *out);
    uint32_t (*scan)(const struct code_query *query, const uint8_t *block, float g, float spread, float limit,
                     float *est, float *err);
    /* The centre with the highest <x,c> - less, of each row. */
    void (*nearest)(const struct nearest *set, const float *const *rows, size_t n, uint32_t *centre,
                    float *score);
};
extern const struct lanes_kernels lanes_plain;
const struct lanes_kernels *lanes_avx2(void); /* NULL: this processor has none. */
const struct lanes_kernels *lanes_best(void);

#endif
