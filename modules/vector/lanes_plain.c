/* lanes_plain.c -- the kernels of codes for any processor, and the choice among them. */
#include "modules/vector/lanes_kernels.h"

#include "modules/vector/lanes.h"
#include "modules/vector/lanes_nearest.h"

static void bytes_to_floats_k(const uint8_t *q, size_t n, float by, float *out) {
    lanes_bytes_to_floats(q, n, by, out);
}
static float frame_k(float *y, const uint8_t *mean, float scale, size_t n) {
    return lanes_frame(y, mean, scale, n);
}
static float square_k(const float *y, size_t n) { return lanes_square(y, n); }
static void rotate_k(uint64_t seed, float *x, uint32_t n, uint32_t k, float scale) {
    lanes_rotate(seed, x, n, k, scale);
}
static void encode_k(const struct code_shape *s, const float *o, const float *c, float *r, uint8_t *numbers,
                     double facts[5]) {
    lanes_encode(s, o, c, r, numbers, facts);
}
static void tables_k(const float *q, uint32_t dim, unsigned bits, uint8_t *out, float *step,
                     float *least) {
    lanes_tables_of(q, dim, bits, out, step, least);
}
static float half_l2_k(const float *q, const uint8_t *h, size_t n) { return lanes_half_l2(q, h, n); }
static float half_dot_k(const float *q, const uint8_t *h, size_t n) { return lanes_half_dot(q, h, n); }
static void half_to_floats_k(const uint8_t *h, size_t n, float *out) { lanes_half_to_floats(h, n, out); }

static void nearest_k(const struct nearest *set, const float *const *rows, size_t n, uint32_t *centre,
                      float *score) {
    lanes_nearest(set, rows, n, centre, score);
}

static uint32_t scan_k(const struct code_query *query, const uint8_t *block, float g, float spread, float limit,
                       float *est, float *err) {
    uint32_t groups = code_groups(&query->shape), sums[CODE_ROWS] = {0};
    for (uint32_t i = 0; i < groups; i++) {
        const uint8_t *t = query->tables + 16 * (size_t)i, *b = block + 16 * (size_t)i;
        for (unsigned j = 0; j < 16; j++) {
            sums[j] += t[b[j] & 15];
            sums[j + 16] += t[b[j] >> 4];
        }
    }
    return lanes_estimate(query, block + 16 * (size_t)groups, sums, g, spread, limit, est, err);
}

const struct lanes_kernels lanes_plain = {.bytes_to_floats = bytes_to_floats_k,
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

const struct lanes_kernels *lanes_best(void) {
    const struct lanes_kernels *wide = lanes_avx2();
    return wide != NULL ? wide : &lanes_plain;
}
