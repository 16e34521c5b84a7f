/* lanes_nearest.h -- which of many centres is nearest to each of some rows: the loop of k-means.
 *
 * Like lanes.h: one source for plain C and for wide registers, and the same bits from both.
 *
 * Centres lie in tiles of sixteen, coordinate by coordinate, so that a lane belongs to a centre: products of four
 * rows and sixteen centres are summed in eight registers, six loads serve sixteen operations, and no sum across
 * lanes is needed. A tile stays in the cache while all rows of a block pass by. */
#ifndef COVE_VECTOR_LANES_NEAREST_H
#define COVE_VECTOR_LANES_NEAREST_H

#include "modules/vector/lanes.h"
#include "modules/vector/lanes_kernels.h"

struct lanes_near { /* of one row, lane by lane */
    f8 score;
    i8 centre;
};

LANES void lanes_better(struct lanes_near *n, f8 score, i8 centre) {
    i8 better = score > n->score;
    n->score = f8_select(better, score, n->score);
    n->centre = (centre & better) | (n->centre & ~better);
}

LANES void lanes_tile(const float *const *x, uint32_t dim, const float *tile, const float *less, uint32_t first,
                      struct lanes_near *near) {
    const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    f8 a0 = f8_of(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (uint32_t d = 0; d < dim; d++) {
        f8 a = f8_load(tile + 16 * (size_t)d), b = f8_load(tile + 16 * (size_t)d + 8);
        f8 v0 = f8_of(x0[d]), v1 = f8_of(x1[d]), v2 = f8_of(x2[d]), v3 = f8_of(x3[d]);
        a0 += v0 * a;
        b0 += v0 * b;
        a1 += v1 * a;
        b1 += v1 * b;
        a2 += v2 * a;
        b2 += v2 * b;
        a3 += v3 * a;
        b3 += v3 * b;
    }
    int32_t c = (int32_t)first;
    const i8 ca = {c, c + 1, c + 2, c + 3, c + 4, c + 5, c + 6, c + 7}, cb = ca + 8;
    f8 la = f8_load(less), lb = f8_load(less + 8);
    lanes_better(&near[0], a0 - la, ca);
    lanes_better(&near[0], b0 - lb, cb);
    lanes_better(&near[1], a1 - la, ca);
    lanes_better(&near[1], b1 - lb, cb);
    lanes_better(&near[2], a2 - la, ca);
    lanes_better(&near[2], b2 - lb, cb);
    lanes_better(&near[3], a3 - la, ca);
    lanes_better(&near[3], b3 - lb, cb);
}

/* rows: n, at most NEAREST_ROWS. Of equal scores the lowest centre's; 0 where no score is a number. */
LANES void lanes_nearest(const struct nearest *set, const float *const *rows, size_t n, uint32_t *centre,
                         float *score) {
    const float *x[NEAREST_ROWS];
    struct lanes_near near[NEAREST_ROWS];
    size_t four = (n + 3) & ~(size_t)3;
    for (size_t i = 0; i < four; i++) {
        x[i] = rows[i < n ? i : n - 1];
        near[i] = (struct lanes_near){f8_of(-__builtin_inff()), (i8){0}};
    }
    for (uint32_t first = 0; first < set->count; first += NEAREST_TILE)
        for (size_t i = 0; i < four; i += 4)
            lanes_tile(x + i, set->dim, set->tiles + (size_t)first * set->dim, set->less + first, first, near + i);
    for (size_t i = 0; i < n; i++) {
        int32_t c = near[i].centre[0];
        float best = near[i].score[0];
        for (unsigned l = 1; l < 8; l++) {
            float s = near[i].score[l];
            if (s < best || (s == best && near[i].centre[l] >= c)) continue;
            best = s;
            c = near[i].centre[l];
        }
        centre[i] = (uint32_t)c;
        score[i] = best;
    }
}

#endif
