/* rotate_test.c -- a rotation keeps lengths and products, and is the same everywhere. */
#include "test.h"

#include <math.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rnd.h"
#include "modules/vector/lanes_kernels.h"
#include "modules/vector/rotate.h"

static const uint32_t dims[] = {1, 2, 3, 7, 63, 64, 65, 100, 127, 128, 256, 768, 1000, 1025, 1536, 4096};
#define DIMS (sizeof(dims) / sizeof(*dims))

static void fill(rnd *r, float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) x[i] = (float)(rnd_unit(r) * 2 - 1);
}
static double dot(const float *a, const float *b, uint32_t n) {
    double s = 0;
    for (uint32_t i = 0; i < n; i++) s += (double)a[i] * (double)b[i];
    return s;
}

TEST("lengths and products stay what they were") {
    rnd r;
    rnd_seed(&r, 1);
    for (size_t k = 0; k < DIMS; k++) {
        uint32_t d = dims[k], p = rotate_padded(d);
        float *a = mem_alloc(2 * (d + p) * sizeof(float)), *b = a + d, *x = b + d, *y = x + p;
        CHECK(p >= d && p % 16 == 0 && p >= 64);
        fill(&r, a, d);
        fill(&r, b, d);
        rotate(99, a, d, x);
        rotate(99, b, d, y);
        double scale = sqrt(dot(a, a, d) * dot(b, b, d));
        CHECK(fabs(dot(a, a, d) - dot(x, x, p)) <= 1e-5 * dot(a, a, d));
        CHECK(fabs(dot(a, b, d) - dot(x, y, p)) <= 1e-5 * scale);
        mem_free(a);
    }
}

/* The mean fourth power, where the mean square is 1: 3 for a Gaussian, 1 / (places) for what lies in few places. */
static double peak(const float *y, uint32_t n) {
    double fourth = 0;
    for (uint32_t i = 0; i < n; i++) fourth += pow((double)y[i], 4);
    return fourth * n;
}

TEST("every coordinate is spread over all of them, and so are constant and alternating ones") {
    const uint32_t wide[] = {64, 65, 100, 200, 384, 768, 1000, 1536};
    for (int k = 0; k < 8; k++) {
        uint32_t d = wide[k], p = rotate_padded(d);
        float *x = mem_calloc(d + p, sizeof(float)), *y = x + d;
        double sum = 0;
        for (uint32_t i = 0; i < d; i++) {
            x[i] = 1;
            rotate(5, x, d, y);
            CHECK(peak(y, p) < 6);
            sum += peak(y, p);
            x[i] = 0;
        }
        CHECK(sum / d > 2.5 && sum / d < 3.2);
        for (uint32_t step = 1; step <= 4; step *= 2) {
            for (uint32_t i = 0; i < d; i++) x[i] = (i / step % 2 == 0 || step == 4 ? 1 : -1) / sqrtf((float)d);
            rotate(5, x, d, y);
            CHECK(peak(y, p) < 6);
        }
        mem_free(x);
    }
}

TEST("plain and wide give the same bits") {
    rnd r;
    rnd_seed(&r, 2);
    const struct lanes_kernels *wide = lanes_best();
    for (size_t i = 0; i < DIMS; i++) {
        uint32_t n = rotate_padded(dims[i]), k = 64;
        while (2 * k <= n) k *= 2;
        float *a = mem_alloc(2 * n * sizeof(float)), *b = a + n;
        fill(&r, a, n);
        memcpy(b, a, n * sizeof(float));
        lanes_plain.rotate(7, a, n, k, 1 / sqrtf((float)k));
        wide->rotate(7, b, n, k, 1 / sqrtf((float)k));
        CHECK(memcmp(a, b, n * sizeof(float)) == 0);
        mem_free(a);
    }
}

TEST("a seed means the same rotation for ever") {
    float x[100], y[112];
    for (int i = 0; i < 100; i++) x[i] = (float)(i % 7) - 3;
    rotate(12345, x, 100, y);
    CHECK_INT(hash_xx(y, sizeof(y), 0) >> 1, 3928265598960430150);
}
