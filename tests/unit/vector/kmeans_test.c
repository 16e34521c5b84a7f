/* kmeans_test.c -- clusters: no row is lost, none is too large, and they are good. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rnd.h"
#include "modules/vector/kmeans.h"
#include "modules/vector/lanes_kernels.h"

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

/* Returns how many parts have fewer than `few`. */
static size_t check_sizes(const uint32_t *part, size_t n, size_t k, size_t most, size_t few) {
    size_t *count = mem_calloc(k, sizeof(*count)), below = 0;
    for (size_t i = 0; i < n; i++) {
        CHECK(part[i] < k);
        CHECK(++count[part[i]] <= most);
    }
    for (size_t c = 0; c < k; c++) below += count[c] < few;
    mem_free(count);
    return below;
}

/* The mean square of the distance between rows and the means of their parts. */
static double spread(const float *x, size_t n, uint32_t dim, const uint32_t *part, const float *centroids) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += square(x + i * dim, centroids + part[i] * (size_t)dim, dim);
    return sum / (double)n;
}

/* Lloyd's passes from rows by chance, and nothing else. */
static double lloyd(rnd *r, const float *x, size_t n, uint32_t dim, uint32_t k) {
    float *c = mem_alloc(k * dim * sizeof(float));
    uint32_t *part = mem_alloc(n * sizeof(*part));
    size_t *count = mem_alloc(k * sizeof(*count));
    for (uint32_t j = 0; j < k; j++) memcpy(c + j * dim, x + rnd_below(r, n) * dim, dim * sizeof(float));
    for (int pass = 0; pass < 15; pass++) {
        for (size_t i = 0; i < n; i++) {
            double least = INFINITY;
            for (uint32_t j = 0; j < k; j++) {
                double d = square(x + i * dim, c + j * dim, dim);
                if (d >= least) continue;
                least = d;
                part[i] = j;
            }
        }
        memset(count, 0, k * sizeof(*count));
        for (size_t i = 0; i < n; i++)
            if (count[part[i]]++ == 0) memset(c + part[i] * dim, 0, dim * sizeof(float));
        for (size_t i = 0; i < n; i++)
            for (uint32_t d = 0; d < dim; d++) c[part[i] * dim + d] += x[i * dim + d] / (float)count[part[i]];
    }
    double is = spread(x, n, dim, part, c);
    mem_free(c);
    mem_free(part);
    mem_free(count);
    return is;
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
        CHECK_INT(check_sizes(part, n, k, most, 1), 0);
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

TEST("it is as good as Lloyd's passes without bounds, and leaves hardly a small part") {
    const struct { uint32_t dim, centres, k; } shapes[] = {{32, 40, 40}, {24, 60, 40}, {64, 300, 50}, {128, 1, 30}};
    for (size_t s = 0; s < 4; s++) {
        double ours = 0, plain = 0;
        size_t n = 3000, small = 0;
        uint32_t dim = shapes[s].dim, k = shapes[s].k;
        for (unsigned seed = 0; seed < 4; seed++) {
            rnd r;
            rnd_seed(&r, 100 + seed);
            float *x = mixture(&r, n, dim, shapes[s].centres), *c = mem_alloc(k * dim * sizeof(float));
            uint32_t *part = mem_alloc(n * sizeof(*part));
            struct kmeans_rows rows = {x, n, dim};
            kmeans(&rows, k, n / k + n / (2 * k) + 1, 8, seed, part, c);
            small += check_sizes(part, n, k, n, n / k / 4);
            ours += spread(x, n, dim, part, c);
            plain += lloyd(&r, x, n, dim, k);
            mem_free(x);
            mem_free(c);
            mem_free(part);
        }
        if (ours > 1.03 * plain) printf("# %u centres: %f, and Lloyd's %f\n", shapes[s].centres, ours, plain);
        CHECK(ours <= 1.03 * plain);
        CHECK(small <= 2);
    }
}

static void degenerate(float *x, size_t n, uint32_t dim, size_t few) {
    uint32_t *part = mem_alloc(n * sizeof(*part));
    float c[8 * 64];
    struct kmeans_rows rows = {x, n, dim};
    size_t most = n / 8 + n / 16 + 1;
    kmeans(&rows, 8, most, 5, 1, part, c);
    CHECK_INT(check_sizes(part, n, 8, most, few), 0);
    float *centroids;
    size_t parts = kmeans_tree(&rows, 20, 5, 1, part, &centroids);
    CHECK(parts >= n / 40);
    CHECK_INT(check_sizes(part, n, parts, 40, 1), 0);
    mem_free(centroids);
    mem_free(part);
}

TEST("equal rows, rows on a line, one-hot rows and zeros come apart all the same") {
    size_t n = 400;
    uint32_t dim = 64;
    float *x = mem_calloc(n * dim, sizeof(float));
    degenerate(x, n, dim, n / 32);
    for (size_t i = 0; i < n * dim; i++) x[i] = 0.5f;
    degenerate(x, n, dim, n / 32);
    for (size_t i = 0; i < n; i++)
        for (uint32_t d = 0; d < dim; d++) x[i * dim + d] = (float)i;
    degenerate(x, n, dim, n / 32);
    memset(x, 0, n * dim * sizeof(float));
    for (size_t i = 0; i < n; i++) x[i * dim + i % dim] = 1;
    degenerate(x, n, dim, 1); /* Each is as far from any other: a part may be that of one coordinate. */
    memset(x, 0, n * dim * sizeof(float)); /* Fewer distinct rows than parts: three. */
    for (size_t i = 0; i < n; i++) x[i * dim] = (float)(i % 3);
    degenerate(x, n, dim, n / 32);
    mem_free(x);
}

TEST("rows that overflow, or are no numbers, have a part like others") {
    size_t n = 300;
    uint32_t dim = 8;
    const float odd[] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e20f};
    rnd r;
    rnd_seed(&r, 6);
    float *x = mixture(&r, n, dim, 5), c[10 * 8], *centroids;
    uint32_t part[300];
    for (size_t i = 0; i < n; i += 4) x[i * dim + i % dim] = odd[i / 4 % 6];
    struct kmeans_rows rows = {x, n, dim};
    kmeans(&rows, 10, 32, 5, 1, part, c);
    check_sizes(part, n, 10, 32, 0);
    size_t parts = kmeans_tree(&rows, 16, 5, 1, part, &centroids);
    check_sizes(part, n, parts, 32, 0);
    mem_free(centroids);
    mem_free(x);
}

TEST("where most rows overflow, parts are within their bounds all the same") {
    const float odd[] = {3e38f, -3e38f, INFINITY, NAN};
    size_t n = 100;
    uint32_t dim = 4;
    for (unsigned seed = 0; seed < 120; seed++) {
        rnd r;
        rnd_seed(&r, seed);
        uint32_t k = 2 + seed % 5, part[100];
        float *x = mixture(&r, n, dim, k), c[6 * 4];
        for (size_t i = 0; i < n; i++)
            if (rnd_below(&r, 100) < 40 + seed % 60) x[i * dim + i % dim] = odd[seed / 5 % 4];
        struct kmeans_rows rows = {x, n, dim};
        kmeans(&rows, k, n / k + 1, 4, seed, part, c);
        check_sizes(part, n, k, n / k + 1, 0);
        mem_free(x);
    }
}

TEST("fewer rows than parts: each has one of its own") {
    float x[3 * 4] = {1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 9, 0}, c[7 * 4] = {0};
    uint32_t part[3];
    struct kmeans_rows rows = {x, 3, 4};
    kmeans(&rows, 7, 1, 5, 1, part, c);
    check_sizes(part, 3, 7, 1, 0);
    for (size_t i = 0; i < 3; i++) CHECK(memcmp(c + 4 * part[i], x + 4 * i, sizeof(float) * 4) == 0);
}

TEST("plain C and wide registers find the same nearest centres, to the bit, and the nearest ones") {
    const struct lanes_kernels *wide = lanes_best();
    rnd r;
    rnd_seed(&r, 4);
    const uint32_t dims[] = {1, 3, 8, 50, 129};
    for (size_t s = 0; s < 5; s++) {
        uint32_t dim = dims[s], count = 3 * NEAREST_TILE, real = count - 5;
        float tiles[3 * NEAREST_TILE * 129], less[3 * NEAREST_TILE], scores[2][NEAREST_ROWS];
        float x[NEAREST_ROWS * 129];
        const float *rows[NEAREST_ROWS];
        uint32_t centre[2][NEAREST_ROWS];
        for (size_t i = 0; i < (size_t)count * dim; i++) tiles[i] = gauss(&r);
        for (uint32_t c = 0; c < count; c++) less[c] = c < real ? gauss(&r) : INFINITY;
        for (size_t i = 0; i < NEAREST_ROWS * dim; i++) x[i] = gauss(&r);
        struct nearest set = {.dim = dim, .count = count, .tiles = tiles, .less = less};
        for (size_t n = 1; n <= NEAREST_ROWS; n += n < 6 ? 1 : 7) {
            for (size_t i = 0; i < n; i++) rows[i] = x + i * dim;
            lanes_plain.nearest(&set, rows, n, centre[0], scores[0]);
            wide->nearest(&set, rows, n, centre[1], scores[1]);
            CHECK(memcmp(centre[0], centre[1], n * sizeof(uint32_t)) == 0);
            CHECK(memcmp(scores[0], scores[1], n * sizeof(float)) == 0);
            for (size_t i = 0; i < n; i++) {
                double best = -INFINITY;
                for (uint32_t c = 0; c < real; c++) {
                    double d = -(double)less[c];
                    for (uint32_t j = 0; j < dim; j++)
                        d += (double)rows[i][j] * (double)tiles[(c / 16 * dim + j) * 16 + c % 16];
                    if (d > best) best = d;
                }
                CHECK(centre[0][i] < real && fabs(best - (double)scores[0][i]) < 1e-3);
            }
        }
    }
}

TEST("of equal centres it is the first") {
    float tiles[2 * NEAREST_TILE] = {0}, less[2 * NEAREST_TILE] = {0}, x[1] = {1}, score[1];
    const float *rows[1] = {x};
    uint32_t centre[1];
    struct nearest set = {.dim = 1, .count = 2 * NEAREST_TILE, .tiles = tiles, .less = less};
    tiles[5] = tiles[9] = tiles[13] = tiles[21] = 2;
    lanes_best()->nearest(&set, rows, 1, centre, score);
    CHECK_INT(centre[0], 5);
    tiles[5] = 0;
    lanes_best()->nearest(&set, rows, 1, centre, score);
    CHECK_INT(centre[0], 9);
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
    CHECK(check_sizes(a, n, k, 192, 24) <= k / 20);
    /* The order of the tree: next in number is near. */
    double next = 0, any = 0;
    for (size_t i = 0; i + 1 < k; i++) {
        next += square(c0 + i * dim, c0 + (i + 1) * dim, dim);
        any += square(c0 + i * dim, c0 + (i * 7919 + 13) % k * dim, dim);
    }
    CHECK(next < 0.8 * any);
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

TEST("the mean of rows, and of none") {
    const float x[] = {1, 2, 3, 5, -4, 1};
    struct kmeans_rows rows = {.x = x, .n = 3, .dim = 2};
    float mean[2];
    kmeans_mean(&rows, mean);
    CHECK(mean[0] == 0 && mean[1] == (float)(8.0 / 3));
    rows.n = 0;
    kmeans_mean(&rows, mean);
    CHECK(mean[0] == 0 && mean[1] == 0);
}
