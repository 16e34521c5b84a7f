/* kmeans_test.c -- clusters: no row is lost, none is too large, and they are good. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rnd.h"
#include "modules/vector/kmeans.h"

static float gauss(rnd *r) {
    double u = 0;
    for (int i = 0; i < 12; i++) u += rnd_unit(r);
    return (float)(u - 6);
}

/* n rows about `centres` centres. */
static float *mixture(rnd *r, size_t n, uint32_t dim, size_t centres) {
    float *c = mem_alloc(centres * dim * sizeof(float)), *x = mem_alloc((n + 1) * dim * sizeof(float));
    for (size_t i = 0; i < centres * dim; i++) c[i] = gauss(r) * 5;
    for (size_t i = 0; i < n; i++) {
        const float *at = c + rnd_below(r, centres) * dim;
        for (uint32_t d = 0; d < dim; d++) x[i * dim + d] = at[d] + gauss(r);
    }
    mem_free(c);
    return x;
}

static double square(const float *a, const float *b, uint32_t dim) {
    double s = 0;
    for (uint32_t d = 0; d < dim; d++) s += (double)((a[d] - b[d]) * (a[d] - b[d]));
    return s;
}

static void check_sizes(const uint32_t *part, size_t n, size_t k, size_t most) {
    size_t *count = mem_calloc(k, sizeof(*count));
    for (size_t i = 0; i < n; i++) {
        CHECK(part[i] < k);
        CHECK(++count[part[i]] <= most);
    }
    mem_free(count);
}

TEST("every row has a part, none is larger than it may be, and centroids are the means") {
    rnd r;
    rnd_seed(&r, 1);
    const size_t sizes[] = {1, 2, 31, 193, 1000, 5000};
    for (size_t s = 0; s < 6; s++) {
        size_t n = sizes[s];
        uint32_t dim = 24, k = (uint32_t)(n < 10 ? 1 : n / 90 + 2);
        float *x = mixture(&r, n, dim, 7), *c = mem_alloc(k * dim * sizeof(float));
        uint32_t *part = mem_alloc(n * sizeof(*part));
        struct kmeans_rows rows = {x, n, dim};
        size_t most = n / k + n / (2 * k) + 1;
        kmeans(&rows, k, most, 6, 3, part, c);
        check_sizes(part, n, k, most);
        for (uint32_t p = 0; p < k; p++) {
            double sum = 0;
            size_t m = 0;
            for (size_t i = 0; i < n; i++)
                if (part[i] == p) sum += (double)x[i * dim], m++;
            if (m > 0) CHECK(fabs(sum / (double)m - (double)c[p * dim]) < 1e-3);
        }
        mem_free(x);
        mem_free(c);
        mem_free(part);
    }
}

TEST("well separated centres are found") {
    rnd r;
    rnd_seed(&r, 2);
    size_t n = 3000;
    uint32_t dim = 32, k = 12;
    float *x = mixture(&r, n, dim, 12), *c = mem_alloc(k * dim * sizeof(float));
    uint32_t *part = mem_alloc(n * sizeof(*part));
    struct kmeans_rows rows = {x, n, dim};
    kmeans(&rows, k, n, 10, 5, part, c);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += square(x + i * dim, c + part[i] * dim, dim);
    /* Around its own centre a row is at dim squares in the mean; a missed centre costs a hundred times that. */
    CHECK(sum / (double)n < 3.0 * dim);
    mem_free(x);
    mem_free(c);
    mem_free(part);
}

static void degenerate(float *x, size_t n, uint32_t dim) {
    uint32_t *part = mem_alloc(n * sizeof(*part));
    float c[8 * 64];
    struct kmeans_rows rows = {x, n, dim};
    size_t most = n / 8 + n / 16 + 1;
    kmeans(&rows, 8, most, 5, 1, part, c);
    check_sizes(part, n, 8, most);
    float *centroids;
    size_t parts = kmeans_tree(&rows, 20, 5, 1, part, &centroids);
    CHECK(parts >= n / 40);
    check_sizes(part, n, parts, 40);
    mem_free(centroids);
    mem_free(part);
}

TEST("equal rows, rows on a line, one-hot rows and zeros come apart all the same") {
    size_t n = 400;
    uint32_t dim = 64;
    float *x = mem_calloc(n * dim, sizeof(float));
    degenerate(x, n, dim);
    for (size_t i = 0; i < n * dim; i++) x[i] = 0.5f;
    degenerate(x, n, dim);
    for (size_t i = 0; i < n; i++)
        for (uint32_t d = 0; d < dim; d++) x[i * dim + d] = (float)i;
    degenerate(x, n, dim);
    memset(x, 0, n * dim * sizeof(float));
    for (size_t i = 0; i < n; i++) x[i * dim + i % dim] = 1;
    degenerate(x, n, dim);
    mem_free(x);
}

TEST("the tree's parts are within twice the target, and the same for the same seed") {
    rnd r;
    rnd_seed(&r, 3);
    size_t n = 20000;
    uint32_t dim = 16, *a = mem_alloc(2 * n * sizeof(*a)), *b = a + n;
    float *x = mixture(&r, n, dim, 40), *c0, *c1;
    struct kmeans_rows rows = {x, n, dim};
    size_t k = kmeans_tree(&rows, 96, 5, 9, a, &c0);
    CHECK(k >= n / 192 && k <= n / 24);
    check_sizes(a, n, k, 192);
    CHECK_INT(kmeans_tree(&rows, 96, 5, 9, b, &c1), k);
    CHECK(memcmp(a, b, n * sizeof(*a)) == 0 && memcmp(c0, c1, k * dim * sizeof(float)) == 0);
    mem_free(x);
    mem_free(a);
    mem_free(c0);
    mem_free(c1);
}

TEST("no rows, no parts") {
    float x[4] = {0}, *c;
    uint32_t part[1];
    struct kmeans_rows rows = {x, 0, 4};
    CHECK_INT(kmeans_tree(&rows, 10, 5, 1, part, &c), 0);
    mem_free(c);
}
