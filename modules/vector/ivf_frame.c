/* ivf_frame.c -- the frame of an index: the mean of its vectors, and the scale that makes what is left of a
 * coordinate about 1, so that half floats hold centroids well.
 *
 * Outliers are left aside: one row far off would make all others look equal. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"

#define FRAME_PASSES 8
#define FAR_SQUARE 4096.0 /* Against the median of the squares: a row so far away says nothing of the others. */
#define NOISE 1e-6        /* What is left after rounding, of rows that are all equal. */

struct frame_rows {
    const float *y;
    size_t n;
    uint32_t dim;
    double *square, *sorted; /* of a row's distance to the mean */
    float *mean;
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the rows whose square is at most `most`. */
static void frame_mean(struct frame_rows *r, double most) {
    double *sum = mem_calloc(r->dim, sizeof(*sum));
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (!(r->square[i] <= most)) continue;
        for (uint32_t d = 0; d < r->dim; d++) sum[d] += (double)r->y[i * r->dim + d];
        n++;
    }
    for (uint32_t d = 0; d < r->dim; d++) r->mean[d] = n > 0 ? (float)(sum[d] / (double)n) : 0;
    mem_free(sum);
}

/* Returns up to where rows are no outliers. */
static double frame_squares(struct frame_rows *r) {
    for (size_t i = 0; i < r->n; i++) {
        double sum = 0;
        for (uint32_t d = 0; d < r->dim; d++) {
            double x = (double)r->y[i * r->dim + d] - (double)r->mean[d];
            sum += x * x;
        }
        r->square[i] = r->sorted[i] = sum == sum ? sum : INFINITY;
    }
    qsort(r->sorted, r->n, sizeof(*r->sorted), by_value);
    return FAR_SQUARE * r->sorted[r->n / 2];
}

static float frame_scale(const struct frame_rows *r, double most) {
    double squares = 0, size = 0;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (!(r->square[i] <= most)) continue;
        squares += r->square[i];
        n++;
    }
    for (uint32_t d = 0; d < r->dim; d++) size += (double)r->mean[d] * (double)r->mean[d];
    double spread = sqrt(squares / ((double)(n > 0 ? n : 1) * r->dim));
    size = sqrt(size / r->dim);
    if (!(spread > NOISE * size)) spread = size;
    return spread > 1e-15 && spread < 1e15 ? (float)(1 / spread) : 1;
}

float ivf__frame_find(float *y, size_t n, uint32_t dim, bool product, buf *mean) {
    struct frame_rows r = {.y = y, .n = n, .dim = dim};
    r.square = mem_calloc(n + 1, sizeof(double));
    r.sorted = mem_calloc(n + 1, sizeof(double));
    r.mean = mem_calloc(dim, sizeof(float));
    double most = INFINITY;
    for (unsigned p = 0; p < FRAME_PASSES && n > 0; p++) {
        double before = most;
        if (!product) frame_mean(&r, most);
        most = frame_squares(&r);
        if (p > 0 && most >= before) break;
    }
    struct ivf_frame f = {.scale = frame_scale(&r, most), .mean = (const uint8_t *)r.mean};
    for (size_t i = 0; i < n; i++) ivf__enframe(&f, y + i * dim, dim, IVF_ROW_MOST);
    buf_append(mean, (const uint8_t *)r.mean, 4 * (size_t)dim);
    mem_free(r.square);
    mem_free(r.sorted);
    mem_free(r.mean);
    return f.scale;
}
