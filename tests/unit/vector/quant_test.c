/* quant_test.c -- stored vectors and distances: Redis's numbers, and arithmetic. */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/rnd.h"
#include "modules/vector/quant.h"

struct stored {
    uint8_t bytes[4096];
    struct point p;
};

static void store(enum quant q, const float *x, uint32_t n, struct stored *s) {
    float copy[1024];
    memcpy(copy, x, n * sizeof(float));
    quant_encode(q, copy, n, s->bytes, &s->p);
}

static double distance(enum quant q, enum vector_metric k, const float *a, const float *b,
                       uint32_t n) {
    struct stored x, y;
    struct measure m;
    store(q, a, n, &x);
    store(q, b, n, &y);
    measure_init(&m, q, k, n, &x.p);
    return measure_distance(&m, &y.p);
}

#define CHECK_SCORE(q, a, b, n, want)                                                    \
    do {                                                                                 \
        char text_[NUM_DOUBLE_MAX];                                                      \
        double d_ = metric_score(METRIC_COSINE, distance(q, METRIC_COSINE, a, b, n));    \
        CHECK_SLICE(slice_make(text_, num_print_shortest(text_, d_)), want);             \
    } while (0)

TEST("scores are those that Redis answered, to the last digit") {
    const float e[2] = {1.262185f, 1.958231f}, f[2] = {-1, 0.3f}, zero[2] = {0, 0},
                one[2] = {1, 1};
    CHECK_SCORE(QUANT_INT8, one, e, 2, "0.9890467524528503");
    CHECK_SCORE(QUANT_INT8, one, f, 2, "0.2626834511756897");
    CHECK_SCORE(QUANT_INT8, one, zero, 2, "0.5");
    CHECK_SCORE(QUANT_F32, one, e, 2, "0.9887152314186096");
    CHECK_SCORE(QUANT_F32, one, f, 2, "0.26295006275177");
    CHECK_SCORE(QUANT_F32, zero, zero, 2, "0.5");
    CHECK_SCORE(QUANT_BIN, one, e, 2, "1");
    CHECK_SCORE(QUANT_BIN, one, f, 2, "0.5");
    CHECK_SCORE(QUANT_BIN, one, zero, 2, "0");
}

TEST("what is stored is what Redis stores") {
    const float e[2] = {1.262185f, 1.958231f};
    struct stored s;
    float x[2];
    store(QUANT_INT8, e, 2, &s);
    CHECK_INT((int8_t)s.bytes[0], 82);
    CHECK_INT((int8_t)s.bytes[1], 127);
    CHECK(s.p.norm == 2.3297595977783203f);
    CHECK(s.p.range == 0.840529203414917f);
    quant_decode(QUANT_INT8, &s.p, 2, x);
    CHECK(x[0] == 1.2643694877624512f && x[1] == 1.958230972290039f);
    store(QUANT_F32, e, 2, &s);
    quant_decode(QUANT_F32, &s.p, 2, x);
    CHECK(x[0] == 1.262184977531433f && x[1] == 1.958230972290039f);
}

TEST("infinities and NaN are stored without harm") {
    const float bad[4] = {INFINITY, 1, -INFINITY, NAN}, good[4] = {1, 2, 3, 4};
    for (int q = QUANT_F32; q <= QUANT_BIN; q++) {
        double d = distance((enum quant)q, METRIC_COSINE, bad, good, 4);
        if (q == QUANT_F32) CHECK(isnan(d));
        else CHECK(d >= 0 && d <= 2);
    }
}

static double real_l2(const float *a, const float *b, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}
static double real_ip(const float *a, const float *b, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

TEST("L2 and IP are the true ones, up to quantisation") {
    rnd r;
    rnd_seed(&r, 1);
    float a[100], b[100], zero[100] = {0};
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 100; i++) {
            a[i] = (float)(rnd_unit(&r) * 10 - 5);
            b[i] = (float)(rnd_unit(&r) * 10 - 5);
        }
        double l2 = real_l2(a, b, 100), ip = real_ip(a, b, 100);
        CHECK(fabs(distance(QUANT_F32, METRIC_L2, a, b, 100) - l2) < 1e-4 * l2);
        CHECK(fabs(distance(QUANT_INT8, METRIC_L2, a, b, 100) - l2) < 1e-2 * l2);
        CHECK(fabs(-distance(QUANT_F32, METRIC_IP, a, b, 100) - ip) < 1e-3);
        CHECK(fabs(-distance(QUANT_INT8, METRIC_IP, a, b, 100) - ip) < 5);
        for (int q = QUANT_F32; q <= QUANT_INT8; q++) {
            CHECK(distance((enum quant)q, METRIC_L2, a, a, 100) == 0);
            CHECK(fabs(distance((enum quant)q, METRIC_L2, zero, a, 100) -
                       real_l2(zero, a, 100)) < 0.5);
            CHECK(distance((enum quant)q, METRIC_IP, zero, a, 100) == 0);
        }
        CHECK(distance(QUANT_BIN, METRIC_L2, a, a, 100) < 1e-3);
        CHECK(fabs(distance(QUANT_BIN, METRIC_L2, zero, a, 100) - real_l2(zero, a, 100)) <
              1e-3);
    }
}

TEST("the fast projection gives what the matrix gives") {
    rnd r;
    rnd_seed(&r, 2);
    static float x[4096], got[3000], want[3000];
    static const struct {
        uint32_t n, dim;
    } sizes[] = {{4, 2}, {300, 64}, {1100, 1000}, {4096, 3000}};
    for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
        uint32_t n = sizes[k].n, dim = sizes[k].dim;
        for (uint32_t i = 0; i < n; i++) x[i] = (float)(rnd_unit(&r) - 0.5);
        for (uint32_t i = 0; i < dim; i++) {
            double sum = 0;
            for (uint32_t j = 0; j < n; j++)
                sum += (double)(quant_projection_at(i, j, n) * x[j]);
            want[i] = (float)sum;
        }
        quant_project(x, n, got, dim);
        for (uint32_t i = 0; i < dim; i++) CHECK(fabsf(got[i] - want[i]) < 1e-5f);
    }
}

TEST("bytes are what rounding away from zero makes of every component") {
    static const float odd[] = {0, -0.0f, 1e-45f, -1e-38f, 1e-30f, 3e19f, 1.0f / 3, 63.5f / 127, -63.5f / 127};
    rnd r;
    rnd_seed(&r, 3);
    for (int round = 0; round < 3000; round++) {
        float x[75], norm = 0, range = 0;
        struct stored s;
        uint32_t n = 1 + (uint32_t)rnd_below(&r, 75);
        bool few = rnd_below(&r, 3) == 0;
        for (uint32_t i = 0; i < n; i++)
            x[i] = few ? odd[rnd_below(&r, sizeof(odd) / sizeof(*odd))] : (float)(rnd_unit(&r) * 4 - 2);
        if (round % 10 == 1) x[rnd_below(&r, n)] = round % 20 == 1 ? (float)NAN : -(float)INFINITY;
        store(QUANT_INT8, x, n, &s);
        for (uint32_t i = 0; i < n; i++) norm += x[i] * x[i];
        norm = norm == 0 ? 1 : sqrtf(norm);
        for (uint32_t i = 0; i < n; i++) range = fabsf(x[i] / norm) > range ? fabsf(x[i] / norm) : range;
        CHECK(s.p.range == range);
        for (uint32_t i = 0; i < n; i++)
            CHECK_INT((int8_t)s.bytes[i], range == 0 ? 0 : (int)roundf(x[i] / norm * 127 / range));
    }
}
