/* code.h -- short codes of vectors, from which distances to a query are estimated.
 *
 * RaBitQ (Gao, Long: SIGMOD 2024; multi-bit: 2025): a rotated vector o is seen from the centroid c of its
 * cluster, r = o - c, and each coordinate of r becomes 1, 2 or 4 bits, which stand for a level u_i. Levels
 * are scaled per vector so that u points as nearly as possible the way r does. With n = |r|, s = <r,u>,
 * t = <c,u>, the estimate of the squared distance to the rotated query q is
 *
 *     add + G + resc * <u,q>      add = n^2 + 2 n^2 t / s   resc = -2 n^2 / s   G = |q - c|^2
 *
 * and is unbiased; its error has about the standard deviation err * |q - c|, with
 * err = |resc u + 2 r| / sqrt(D - 1) = 2 n sqrt((n^2 |u|^2 / s^2 - 1) / (D - 1)). For inner products (smaller is better, so negated):
 * add = -<r,c> + n^2 t / s, resc = -n^2 / s, err half of that, G = -<q,c>. With s = 0 (o is c) the code is 0,
 * resc and err are 0, add is n^2 or -<r,c>: exact. The radicand is clamped at 0.
 *
 * resc and err are halves: with n / sqrt(D) between about 1e-4 and 1e4 nothing is lost. Below, err grows to
 * what resc no longer says; above, both stop at 65504 and err is too small: who has such vectors scales them.
 * A table's steps grow with |q|, so o, c and q should have been moved to where their mean is near 0: where |q| is
 * 80 times |q - c| (1 bit; 2 bits: 30; 4 bits: 6), the error of the steps is as large as the code's.
 *
 * Levels: 1 bit: -1/2, 1/2. 2 bits: those of a Gaussian's best quantiser (Lloyd, Max), 4 bits: 16 levels,
 * (c - 7.5), with the scale that maximises <r,u>/|u| among a few tried. A table could hold any 16 points. Tried at
 * 100 dimensions (20,000 rows of a Gaussian mixture; the true 10 within the best 10 to 100 estimates): the best 16
 * points of the plane for 2 bits have 4 % less error, a Gaussian's best 16 levels for 4 bits 10 % less; neither
 * found measurably more of the ten. The best 16 points of 4 dimensions for 1 bit have 4 % less, and found 81
 * instead of 78 of 100 within the best 15, 94 instead of 93 within 25, as many within 50. All are more work to encode.
 *
 * Fast scan (Andre et al.; FAISS): a nibble holds the bits of 4, 2 or 1 coordinates, a group. 32 vectors lie
 * in a block, group after group: byte j of the 16 of a group has the code of vector j in its low half and
 * of vector 16 + j in its high half (a layout of its own is fine, block_put and block_get alone know it).
 * A query becomes one table of 16 bytes for each group, in units of `step` above `least`; a register holds
 * it, pshufb looks 32 codes up at once, and 16-bit sums are flushed before they overflow (every 256 groups).
 *
 *   block:  groups x 16 bytes | add f32[32] | resc f16[32] | err f16[32]
 *
 * Plain C and AVX2 give the same bits. */
#ifndef COVE_VECTOR_CODE_H
#define COVE_VECTOR_CODE_H

#include "base/bytes.h"

#define CODE_ROWS 32

struct code_shape {
    uint32_t dim;    /* padded: a multiple of 16 */
    uint8_t bits;    /* 1, 2 or 4 */
    bool product;    /* estimates negated inner products instead of squared distances */
};

struct code_factors {
    float add, resc, err;
};

static inline uint32_t code_groups(const struct code_shape *s) { return s->dim * s->bits / 4; }
/* Of one vector outside of a block: two groups a byte, the first in the low half. */
static inline size_t code_bytes(const struct code_shape *s) { return code_groups(s) / 2; }
/* Of a block. Divisible by 16. */
static inline size_t block_bytes(const struct code_shape *s) {
    return (size_t)code_groups(s) * 16 + CODE_ROWS * 8;
}

/* o and c: rotated, dim floats each (any alignment of 4); code: code_bytes(). resc and err are already
 * rounded to what f16 holds (err up). Of what is infinite or no number, or has such a square, add is FLT_MAX. */
void code_encode(const struct code_shape *s, const float *o, const float *c, uint8_t *code,
                 struct code_factors *f);

void block_put(const struct code_shape *s, uint8_t *block, unsigned row, const uint8_t *code,
               const struct code_factors *f);
void block_get(const struct code_shape *s, const uint8_t *block, unsigned row, uint8_t *code,
               struct code_factors *f);
/* A row that no query finds, not even one whose limit is infinite: add is +infinity, resc and err are 0. */
void block_clear(const struct code_shape *s, uint8_t *block, unsigned row);

/* A query, prepared once for all clusters. */
struct code_query {
    struct code_shape shape;
    uint8_t *tables;    /* code_groups() x 16 bytes, 32-byte aligned */
    float step, least;  /* <u,q> = step * sum of the looked-up bytes + least */
    float rounding;     /* So far that may be off, for the bytes are rounded; 0: it is left aside. */
};
/* q: rotated. tables: code_groups() * 16 bytes, aligned to 32, the caller's. */
void code_query_init(struct code_query *query, const struct code_shape *s, const float *q, uint8_t *tables);
/* Sets `rounding`, to so many standard deviations. A byte stands for a part of what the largest coordinates make: that
 * is little against err, unless the query is many times as far from 0 as from its neighbours. */
void code_query_rounding(struct code_query *query, float sigmas);

/* For each of the 32 rows: est = add + g + resc * <u,q>, err = its err * spread (|q - c| times the number of
 * standard deviations that the caller wants) + |resc| * the query's rounding. Returns the rows (bit i: row i) with est - err <= limit; one whose
 * est is infinite or NaN never. Writes est and err for all. block: any alignment. */
uint32_t block_scan(const struct code_query *query, const uint8_t *block, float g, float spread,
                    float limit, float est[CODE_ROWS], float err[CODE_ROWS]);
/* The twin that every machine has. */
uint32_t block_scan_plain(const struct code_query *query, const uint8_t *block, float g, float spread,
                          float limit, float est[CODE_ROWS], float err[CODE_ROWS]);

/* ---- half floats: centroids -------------------------------------------------------------------- */

/* n: any here, a multiple of 16 below. To nearest, ties to even; what is over 65504 becomes that, both ways;
 * NaN becomes 0. Bytes that stand for infinities or NaN are read as 65504, too: no distance is NaN. */
void half_from_floats(const float *x, size_t n, uint8_t *out);
void half_to_floats(const uint8_t *p, size_t n, float *out);
float half_l2_square(const float *q, const uint8_t *half, size_t n); /* |q - h|^2 */
float half_dot(const float *q, const uint8_t *half, size_t n);

#endif
