/* code_test.c -- codes: what they estimate, how they lie in blocks, and that wide registers change nothing. */
#include "test.h"

#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "base/rnd.h"
#include "modules/vector/lanes_kernels.h"

/* About a Gaussian: the sum of eight numbers of 16 bits. */
static float gauss(rnd *r) {
    int64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        uint64_t x = rnd_u64(r);
        sum += (int64_t)((x & 65535) + (x >> 16 & 65535) + (x >> 32 & 65535) + (x >> 48));
    }
    return (float)(sum - 4 * 65535) * (1.2247f / 65536);
}
static void fill(rnd *r, float *x, uint32_t n, float by) {
    for (uint32_t i = 0; i < n; i++) x[i] = gauss(r) * by;
}
static uint8_t *aligned(uint8_t *room) { return room + (32 - (uintptr_t)room % 32) % 32; }

struct set { /* a block of vectors around a centroid, and a query */
    struct code_shape shape;
    float *o, *c, *q;
    uint8_t *block, *codes, *room, *tables;
    struct code_factors f[CODE_ROWS];
    struct code_query query;
};

static void set_make_near(struct set *s, rnd *r, uint32_t dim, uint8_t bits, bool product, float by, float away);
static void set_make(struct set *s, rnd *r, uint32_t dim, uint8_t bits, bool product) {
    set_make_near(s, r, dim, bits, product, 1, 1);
}
/* All times `by`; the query and the centroid are `away` from the origin, and from each other by sqrt(2). */
static void set_make_near(struct set *s, rnd *r, uint32_t dim, uint8_t bits, bool product, float by, float away) {
    s->shape = (struct code_shape){.dim = dim, .bits = bits, .product = product};
    s->o = mem_alloc((CODE_ROWS + 2) * (size_t)dim * sizeof(float));
    s->c = s->o + CODE_ROWS * (size_t)dim;
    s->q = s->c + dim;
    fill(r, s->c, dim, by);
    fill(r, s->q, dim, by);
    for (uint32_t i = 0; i < dim; i++) {
        float shift = gauss(r) * by * sqrtf(away * away - 1);
        s->c[i] += shift;
        s->q[i] += shift;
    }
    for (uint32_t i = 0; i < CODE_ROWS * dim; i++) s->o[i] = s->c[i % dim] + gauss(r) * 0.7f * by;
    s->block = mem_calloc(1, block_bytes(&s->shape));
    s->codes = mem_alloc(CODE_ROWS * code_bytes(&s->shape));
    s->room = mem_alloc(code_groups(&s->shape) * (size_t)16 + 32);
    s->tables = aligned(s->room);
    for (unsigned i = 0; i < CODE_ROWS; i++) {
        uint8_t *code = s->codes + i * code_bytes(&s->shape);
        code_encode(&s->shape, s->o + i * (size_t)dim, s->c, code, &s->f[i]);
        block_put(&s->shape, s->block, i, code, &s->f[i]);
    }
    code_query_init(&s->query, &s->shape, s->q, s->tables);
}
static void set_free(struct set *s) {
    mem_free(s->o);
    mem_free(s->block);
    mem_free(s->codes);
    mem_free(s->room);
}

static double truth(const struct set *s, unsigned i) {
    double d = 0;
    const float *o = s->o + i * (size_t)s->shape.dim;
    for (uint32_t k = 0; k < s->shape.dim; k++) {
        double x = (double)o[k] - (double)s->q[k];
        d += s->shape.product ? -(double)o[k] * (double)s->q[k] : x * x;
    }
    return d;
}
static double g_of(const struct set *s, double *spread) {
    double d = 0, p = 0;
    for (uint32_t k = 0; k < s->shape.dim; k++) {
        double x = (double)s->c[k] - (double)s->q[k];
        d += x * x;
        p -= (double)s->c[k] * (double)s->q[k];
    }
    *spread = sqrt(d);
    return s->shape.product ? p : d;
}

/* The error in units of what the code says it is. */
struct spread {
    double sum, squares;
    uint64_t n, over19, over30;
};
static void measure(struct spread *p, const struct set *s) {
    float est[CODE_ROWS], err[CODE_ROWS];
    double spread, g = g_of(s, &spread);
    (void)block_scan(&s->query, s->block, (float)g, (float)spread, INFINITY, est, err);
    for (unsigned i = 0; i < CODE_ROWS; i++) {
        CHECK(err[i] > 0);
        double z = ((double)est[i] - truth(s, i)) / (double)err[i];
        p->sum += z;
        p->squares += z * z;
        p->n++;
        p->over19 += z > 1.9;
        p->over30 += z > 3.0;
    }
}

struct outcome {
    double mean, sd, over19, over30;
};
static struct outcome measured(uint32_t dim, uint8_t bits, bool product, int sets, float by, float away) {
    rnd r;
    struct spread p = {0};
    rnd_seed(&r, dim + bits);
    for (int i = 0; i < sets; i++) {
        struct set s;
        set_make_near(&s, &r, dim, bits, product, by, away);
        measure(&p, &s);
        set_free(&s);
    }
    double n = (double)p.n, mean = p.sum / n;
    struct outcome o = {mean, sqrt(p.squares / n - mean * mean), (double)p.over19 / n, (double)p.over30 / n};
    printf("# %u x %u, times %g, away %g: mean %.3f, deviation %.3f, over 1.9: %.4f, over 3: %.4f\n", dim, bits,
           (double)by, (double)away, o.mean, o.sd, o.over19, o.over30);
    return o;
}

/* A Gaussian is above 1.9 deviations in 0.0287 of the cases, above 3 in 0.00135. */
static void estimates(uint32_t dim, uint8_t bits, bool product) {
    struct outcome o = measured(dim, bits, product, 1000, 1, 1);
    CHECK(fabs(o.mean) < 0.02);
    CHECK(o.sd > 0.9 && o.sd < 1.05);
    CHECK(o.over19 > 0.02 && o.over19 < 0.036);
    CHECK(o.over30 > 0.0003 && o.over30 < 0.003);
}

TEST("estimates of distances are right in the mean, and their errors as large as is said") {
    const uint32_t dims[] = {64, 112, 128, 768, 1536};
    for (int i = 0; i < 5; i++)
        for (uint8_t bits = 1; bits <= 4; bits *= 2) estimates(dims[i], bits, false);
}

TEST("estimates of products too") {
    const uint32_t dims[] = {64, 128, 768};
    for (int i = 0; i < 3; i++)
        for (uint8_t bits = 1; bits <= 4; bits *= 2) estimates(dims[i], bits, true);
}

TEST("of vectors so small that halves cannot tell their scale, errors are said to be larger") {
    for (int e = -32; e <= 12; e += e < -8 ? 3 : 10) {
        for (uint8_t bits = 1; bits <= 4; bits *= 2) {
            struct outcome o = measured(128, bits, e % 2 == 0, 60, ldexpf(1, e), 1);
            CHECK(o.sd < 1.1);
            CHECK(o.over30 < 0.006);
            CHECK(e < -12 || o.sd > 0.85);
        }
    }
}

TEST("far from the origin, the steps of tables stay below what a code gets wrong anyway") {
    const float away[] = {64, 16, 4}; /* of 1, 2 and 4 bits: about half of what code.h names */
    for (uint32_t dim = 112; dim <= 768; dim += 656)
        for (int b = 0; b < 3; b++) CHECK(measured(dim, (uint8_t)(1 << b), false, 100, 1, away[b]).sd < 1.2);
}

TEST("a bit more halves the error, about") {
    rnd r;
    double sum[3] = {0};
    rnd_seed(&r, 4);
    for (int i = 0; i < 50; i++) {
        for (int b = 0; b < 3; b++) {
            struct set s;
            set_make(&s, &r, 256, (uint8_t)(1 << b), false);
            for (unsigned k = 0; k < CODE_ROWS; k++) sum[b] += (double)s.f[k].err;
            set_free(&s);
        }
    }
    CHECK(sum[1] < 0.65 * sum[0]);
    CHECK(sum[2] < 0.35 * sum[1]);
}

static double looked_up(const struct set *s, unsigned row) {
    const uint8_t *code = s->codes + row * code_bytes(&s->shape);
    double sum = 0;
    for (uint32_t g = 0; g < code_groups(&s->shape); g++)
        sum += s->tables[16 * (size_t)g + (code[g / 2] >> (g % 2 * 4) & 15)];
    return sum;
}

TEST("sums of looked-up bytes are exact, however many groups there are") {
    rnd r;
    rnd_seed(&r, 5);
    const struct { uint32_t dim; uint8_t bits; } cases[] = {{64, 1}, {112, 2}, {64, 4}, {1024, 1}, {1040, 1},
                                                            {4096, 1}, {512, 2}, {528, 2}, {512, 4}, {65536, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct set s;
        float est[CODE_ROWS], err[CODE_ROWS];
        set_make(&s, &r, cases[i].dim, cases[i].bits, false);
        (void)block_scan(&s.query, s.block, 0, 1, INFINITY, est, err);
        for (unsigned k = 0; k < CODE_ROWS; k++) {
            float product = (float)looked_up(&s, k) * s.query.step + s.query.least;
            float want = s.f[k].add + 0.0f + s.f[k].resc * product;
            CHECK(memcmp(&want, &est[k], 4) == 0);
        }
        set_free(&s);
    }
}

TEST("sums are exact where every looked-up byte is as large as can be") {
    const struct { uint32_t dim; uint8_t bits; } cases[] = {{1024, 1}, {2048, 1}, {65536, 1}, {512, 2}, {528, 2},
                                                            {1040, 4}, {16384, 4}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t dim = cases[i].dim;
        struct code_shape shape = {.dim = dim, .bits = cases[i].bits};
        float *q = mem_alloc(dim * sizeof(float)), est[CODE_ROWS], err[CODE_ROWS];
        uint8_t *code = mem_alloc(code_bytes(&shape)), *block = mem_calloc(1, block_bytes(&shape));
        uint8_t *room = mem_alloc(code_groups(&shape) * (size_t)16 + 32);
        struct code_query query;
        const struct code_factors f = {.add = 0, .resc = 1};
        for (uint32_t k = 0; k < dim; k++) q[k] = 1;
        memset(code, 0xff, code_bytes(&shape));
        for (unsigned k = 0; k < CODE_ROWS; k++) block_put(&shape, block, k, code, &f);
        code_query_init(&query, &shape, q, aligned(room));
        CHECK_INT(query.tables[15], 255);
        float want = (float)(255 * code_groups(&shape)) * query.step + query.least;
        (void)block_scan(&query, block, 0, 1, INFINITY, est, err);
        for (unsigned k = 0; k < CODE_ROWS; k++) CHECK(est[k] == want);
        (void)block_scan_plain(&query, block, 0, 1, INFINITY, est, err);
        for (unsigned k = 0; k < CODE_ROWS; k++) CHECK(est[k] == want);
        mem_free(q);
        mem_free(code);
        mem_free(block);
        mem_free(room);
    }
}

TEST("plain and wide give the same bits") {
    rnd r;
    rnd_seed(&r, 6);
    for (uint32_t dim = 64; dim <= 65536; dim = dim > 1600 ? 16 * dim : dim + 16 * (1 + dim / 100)) {
        for (uint8_t bits = 1; bits <= 4; bits *= 2) {
            struct set s;
            float a[4][CODE_ROWS];
            set_make(&s, &r, dim, bits, dim % 32 == 0);
            uint32_t x = block_scan(&s.query, s.block, 3, 2, 900, a[0], a[1]);
            CHECK_INT(x, block_scan_plain(&s.query, s.block, 3, 2, 900, a[2], a[3]));
            CHECK(memcmp(a[0], a[2], sizeof(a[0])) == 0 && memcmp(a[1], a[3], sizeof(a[1])) == 0);
            uint8_t *block = mem_alloc(block_bytes(&s.shape) + 3);
            memcpy(block + 3, s.block, block_bytes(&s.shape));
            CHECK_INT(x, block_scan(&s.query, block + 3, 3, 2, 900, a[2], a[3]));
            CHECK(memcmp(a[0], a[2], sizeof(a[0])) == 0 && memcmp(a[1], a[3], sizeof(a[1])) == 0);
            size_t bytes = 16 * (size_t)code_groups(&s.shape);
            uint8_t *t = mem_alloc(2 * bytes);
            float step[2], least[2];
            lanes_plain.tables(s.q, dim, bits, t, &step[0], &least[0]);
            lanes_best()->tables(s.q, dim, bits, t + bytes, &step[1], &least[1]);
            CHECK(memcmp(&step[0], &step[1], 4) == 0 && memcmp(&least[0], &least[1], 4) == 0);
            CHECK(memcmp(t, t + bytes, bytes) == 0);
            double f0[5], f1[5];
            float *o = mem_alloc((dim + 1) * sizeof(float)), *v = mem_alloc(dim * sizeof(float));
            uint8_t *n0 = mem_alloc(2 * (size_t)dim), *n1 = n0 + dim;
            memcpy(o + 1, s.o, dim * sizeof(float));
            lanes_plain.encode(&s.shape, s.o, s.c, v, n0, f0);
            lanes_best()->encode(&s.shape, o + 1, s.c, v, n1, f1);
            CHECK(memcmp(f0, f1, sizeof(f0)) == 0 && memcmp(n0, n1, dim) == 0);
            mem_free(block);
            mem_free(t);
            mem_free(o);
            mem_free(v);
            mem_free(n0);
            set_free(&s);
        }
    }
}

/* What a level stands for: the stored bytes' meaning, which must stay what it is. */
static double level(unsigned bits, unsigned number) {
    static const double two[] = {-1.5104, -0.4528, 0.4528, 1.5104};
    return bits == 1 ? number - 0.5 : bits == 2 ? two[number] : number - 7.5;
}

TEST("each bit of a code means the coordinate and the level that it always did") {
    const uint32_t dim = 64;
    for (uint8_t bits = 1; bits <= 4; bits *= 2) {
        struct code_shape shape = {.dim = dim, .bits = bits};
        uint8_t *room = mem_alloc(code_groups(&shape) * (size_t)16 + 32), *block = mem_calloc(1, block_bytes(&shape));
        struct code_query query;
        for (uint32_t at = 0; at < dim; at++) { /* A query along one axis sees one coordinate. */
            float q[64] = {0}, est[CODE_ROWS], err[CODE_ROWS];
            q[at] = 2;
            code_query_init(&query, &shape, q, aligned(room));
            for (unsigned row = 0; row < CODE_ROWS; row++) {
                uint8_t code[32] = {0};
                unsigned number = row & ((1u << bits) - 1), bit = at * bits;
                code[bit / 8] = (uint8_t)(number << bit % 8);
                block_put(&shape, block, row, code, &(struct code_factors){.add = 100, .resc = -1});
            }
            (void)block_scan(&query, block, 10, 0, INFINITY, est, err);
            for (unsigned row = 0; row < CODE_ROWS; row++)
                CHECK(fabs((double)est[row] - (110 - 2 * level(bits, row & ((1u << bits) - 1)))) < 0.06);
        }
        mem_free(room);
        mem_free(block);
    }
}

TEST("what is infinite, no number or too large to square is found last, and never as NaN") {
    const float values[] = {INFINITY, -INFINITY, NAN, 3e38f, -1e25f};
    for (int i = 0; i < 5; i++) {
        for (int product = 0; product < 2; product++) {
            for (uint8_t bits = 1; bits <= 4; bits *= 2) {
                struct code_shape shape = {.dim = 64, .bits = bits, .product = product};
                float o[64], c[64] = {0};
                uint8_t code[32];
                struct code_factors f;
                for (int k = 0; k < 64; k++) o[k] = (float)k;
                o[17] = values[i];
                code_encode(&shape, o, c, code, &f);
                CHECK(f.add == FLT_MAX && f.resc == 0 && f.err == 0);
            }
        }
    }
}

TEST("a vector that is the centroid, and zero ones, are known exactly") {
    rnd r;
    rnd_seed(&r, 8);
    for (int product = 0; product < 2; product++) {
        struct set s;
        float est[CODE_ROWS], err[CODE_ROWS];
        double spread;
        set_make(&s, &r, 128, 2, product);
        memcpy(s.o, s.c, 128 * sizeof(float));
        code_encode(&s.shape, s.o, s.c, s.codes, &s.f[0]);
        block_put(&s.shape, s.block, 0, s.codes, &s.f[0]);
        (void)block_scan(&s.query, s.block, (float)g_of(&s, &spread), 2, INFINITY, est, err);
        CHECK(err[0] == 0);
        CHECK(fabs((double)est[0] - truth(&s, 0)) < 1e-3 * fabs(truth(&s, 0)) + 1e-3);
        float zero[128] = {0};
        code_encode(&s.shape, zero, zero, s.codes, &s.f[0]);
        CHECK(s.f[0].add == 0 && s.f[0].resc == 0 && s.f[0].err == 0);
        set_free(&s);
    }
}

TEST("rows come back from a block as they were put; cleared ones are never found") {
    rnd r;
    rnd_seed(&r, 9);
    for (uint8_t bits = 1; bits <= 4; bits *= 2) {
        struct set s;
        set_make(&s, &r, 96, bits, false);
        size_t n = code_bytes(&s.shape);
        uint8_t *code = mem_alloc(n);
        for (unsigned i = 0; i < CODE_ROWS; i++) {
            struct code_factors f;
            block_get(&s.shape, s.block, i, code, &f);
            CHECK(memcmp(code, s.codes + i * n, n) == 0);
            CHECK(f.add == s.f[i].add && f.resc == s.f[i].resc && f.err == s.f[i].err);
        }
        block_clear(&s.shape, s.block, 3);
        block_clear(&s.shape, s.block, 31);
        float est[CODE_ROWS], err[CODE_ROWS];
        CHECK_INT(block_scan(&s.query, s.block, 0, 1, 1e30f, est, err), ~(1u << 3 | 1u << 31));
        CHECK_INT(block_scan(&s.query, s.block, 0, 1, INFINITY, est, err), ~(1u << 3 | 1u << 31));
        CHECK_INT(block_scan_plain(&s.query, s.block, 0, 1, INFINITY, est, err), ~(1u << 3 | 1u << 31));
        CHECK_INT(block_scan(&s.query, s.block, NAN, 1, INFINITY, est, err), 0);
        mem_free(code);
        set_free(&s);
    }
}

TEST("half floats: every one comes back, others go to the nearest, ties to even") {
    for (uint32_t h = 0; h < 65536; h++) {
        uint8_t in[32], out[2];
        float x[16];
        for (int i = 0; i < 16; i++) put_u16(in + 2 * i, (uint16_t)h);
        float plain[16];
        half_to_floats(in, 16, x);
        lanes_plain.half_to_floats(in, 16, plain);
        CHECK(memcmp(x, plain, sizeof(x)) == 0);
        if ((h & 0x7c00) == 0x7c00) { /* Infinite, or no number: never written. */
            CHECK(x[0] == ((h & 0x8000) != 0 ? -65504.0f : 65504.0f));
            continue;
        }
        half_from_floats(x, 1, out);
        CHECK_INT(get_u16(out), h);
        double m = h & 1023, e = h >> 10 & 31;
        double want = e == 0 ? ldexp(m, -24) : ldexp(1024 + m, (int)e - 25);
        CHECK((double)x[0] == ((h & 0x8000) != 0 ? -want : want));
    }
    const struct { float x; uint16_t h; } cases[] = {
        {1.0f, 0x3c00}, {1.0f + 0x1p-11f, 0x3c00}, {1.0f + 3 * 0x1p-11f, 0x3c02}, {65504, 0x7bff},
        {1e9f, 0x7bff}, {-INFINITY, 0xfbff}, {NAN, 0}, {0x1p-25f, 0}, {0x1.8p-24f, 2}, {2047.5f, 0x6800}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t out[2];
        half_from_floats(&cases[i].x, 1, out);
        CHECK_INT(get_u16(out) & (cases[i].x != cases[i].x ? 0x7fff : 0xffff), cases[i].h);
    }
}

TEST("distances to half floats: plain and wide the same bits, at any alignment") {
    rnd r;
    rnd_seed(&r, 10);
    float q[1040];
    uint8_t h[2 * 1040 + 8];
    for (size_t n = 16; n <= 1040; n += 16) {
        for (size_t shift = 0; shift < 3; shift++) {
            fill(&r, q, (uint32_t)n, 1);
            half_from_floats(q, n, h + shift);
            fill(&r, q, (uint32_t)n, 1);
            float a = lanes_plain.half_l2(q, h + shift, n), b = half_l2_square(q, h + shift, n);
            float c = lanes_plain.half_dot(q, h + shift, n), d = half_dot(q, h + shift, n);
            CHECK(memcmp(&a, &b, 4) == 0 && memcmp(&c, &d, 4) == 0);
        }
    }
}

TEST("stored bytes and frames: plain and wide the same bits, whatever the numbers") {
    rnd r;
    rnd_seed(&r, 11);
    const float odd[] = {INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, 0, -0.0f, 1e-40f};
    uint8_t q[1040], mean[4 * 1040 + 1];
    float y[2][1040], m[1040];
    for (size_t n = 1; n <= 1040; n += n < 40 ? 1 : 8) {
        for (size_t i = 0; i < n; i++) q[i] = (uint8_t)rnd_below(&r, 256);
        lanes_plain.bytes_to_floats(q, n, 0.37f, y[0]);
        lanes_best()->bytes_to_floats(q, n, 0.37f, y[1]);
        CHECK(memcmp(y[0], y[1], n * sizeof(float)) == 0);
        for (size_t i = 0; i < n; i++) CHECK(y[0][i] == (float)(int8_t)q[i] * 0.37f);
    }
    for (size_t n = 16; n <= 1040; n += 16) {
        fill(&r, m, (uint32_t)n, 1);
        memcpy(mean + 1, m, n * sizeof(float));
        fill(&r, y[0], (uint32_t)n, 1);
        for (size_t i = 0; n % 32 == 0 && i < 8; i++) y[0][rnd_below(&r, n)] = odd[i];
        memcpy(y[1], y[0], n * sizeof(float));
        float a = lanes_plain.frame(y[0], mean + 1, 3, n), b = lanes_best()->frame(y[1], mean + 1, 3, n);
        float c = lanes_plain.square(y[0], n), d = lanes_best()->square(y[0], n);
        CHECK(memcmp(y[0], y[1], n * sizeof(float)) == 0 && memcmp(&a, &b, 4) == 0 && memcmp(&c, &d, 4) == 0);
        CHECK(memcmp(&a, &c, 4) == 0);
        for (size_t i = 0; i < n; i++) CHECK(fabsf(y[0][i]) <= FLT_MAX);
    }
}

TEST("far from the origin the rounding of tables is part of the error, near to it hardly any") {
    rnd r;
    rnd_seed(&r, 23);
    for (int round = 0; round < 2; round++) {
        struct spread without = {0}, with = {0};
        float most = 0;
        for (int i = 0; i < 60; i++) {
            struct set s;
            float est[CODE_ROWS], plain[CODE_ROWS], err[CODE_ROWS];
            set_make_near(&s, &r, 96, 2, false, 1, round == 0 ? 100 : 1.001f);
            measure(&without, &s);
            (void)block_scan(&s.query, s.block, 0, 14, INFINITY, est, plain);
            code_query_rounding(&s.query, 1);
            measure(&with, &s);
            (void)block_scan(&s.query, s.block, 0, 14, INFINITY, est, err);
            for (unsigned k = 0; k < CODE_ROWS; k++)
                if (err[k] / plain[k] > most) most = err[k] / plain[k];
            set_free(&s);
        }
        printf("# %s: over 1.9 deviations %.3f, with rounding %.3f; errors are at most %.3f times as large\n",
               round == 0 ? "far" : "near", (double)without.over19 / (double)without.n,
               (double)with.over19 / (double)with.n, (double)most);
        CHECK((double)with.over19 < 0.04 * (double)with.n);
        if (round == 0) CHECK((double)without.over19 > 0.1 * (double)without.n);
        else CHECK(most < 1.05f);
    }
}
