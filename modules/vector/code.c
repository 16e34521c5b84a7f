/* code.c -- codes of vectors, and blocks of them. */
#include "modules/vector/code.h"

#include <assert.h>
#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "modules/vector/lanes_kernels.h"

/* ---- half floats --------------------------------------------------------------------------- */

#define HALF_MOST 65504.0f

static uint32_t bits_of(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

/* To nearest, ties to even: adding and taking away a power of two rounds to the half's last place. */
static uint16_t half_of(float x) {
    uint32_t sign = bits_of(x) >> 16 & 0x8000;
    float a = fabsf(x);
    if (!(a < HALF_MOST)) a = a >= HALF_MOST ? HALF_MOST : 0; /* What is no number becomes 0. */
    float unit = ldexpf(1.0f, -24);
    if (a >= 0x1p-14f) {
        int e;
        (void)frexpf(a, &e);
        unit = ldexpf(1.0f, e - 11);
    }
    a = rintf(a / unit) * unit;
    /* Of what a half can hold, exactly: its bits, from those of the float times 2^-112. */
    return (uint16_t)(sign | bits_of(a * 0x1p-112f) >> 13);
}

static float half_value(uint16_t h) {
    uint32_t u = (uint32_t)(h & 0x7fff) << 13;
    float v;
    memcpy(&v, &u, 4);
    v *= 0x1p112f;
    return (h & 0x8000) != 0 ? -v : v;
}

void half_from_floats(const float *x, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i++) put_u16(out + 2 * i, half_of(x[i]));
}
void half_to_floats(const uint8_t *p, size_t n, float *out) {
    assert(n % 16 == 0);
    lanes_best()->half_to_floats(p, n, out);
}
float half_l2_square(const float *q, const uint8_t *half, size_t n) {
    assert(n % 16 == 0);
    return lanes_best()->half_l2(q, half, n);
}
float half_dot(const float *q, const uint8_t *half, size_t n) {
    assert(n % 16 == 0);
    return lanes_best()->half_dot(q, half, n);
}

/* ---- one vector -------------------------------------------------------------------------------- */

static void pack(const struct code_shape *s, const uint8_t *numbers, uint8_t *code) {
    size_t n = code_bytes(s);
    switch (s->bits) {
    case 1:
        for (size_t i = 0; i < n; i++, numbers += 8) {
            uint64_t eight = get_u64(numbers) & 0x0101010101010101u;
            code[i] = (uint8_t)(eight * 0x0102040810204080u >> 56);
        }
        return;
    case 2:
        for (size_t i = 0; i < n; i++, numbers += 4)
            code[i] = (uint8_t)(numbers[0] | numbers[1] << 2 | numbers[2] << 4 | numbers[3] << 6);
        return;
    default:
        for (size_t i = 0; i < n; i++, numbers += 2) code[i] = (uint8_t)(numbers[0] | numbers[1] << 4);
    }
}

/* The least half that is not less. */
static float half_above(float x) {
    uint16_t h = half_of(x);
    float v = half_value(h);
    return v >= x || h >= 0x7bff ? v : half_value((uint16_t)(h + 1));
}

/* Never infinite, and never no number: FLT_MAX instead, which is found last. */
static float bounded(double x) {
    if (!(x < (double)FLT_MAX)) return FLT_MAX;
    return x > -(double)FLT_MAX ? (float)x : -FLT_MAX;
}

void code_encode(const struct code_shape *s, const float *o, const float *c, uint8_t *code,
                 struct code_factors *f) {
    float *r = mem_alloc(s->dim * (sizeof(float) + 1));
    uint8_t *numbers = (uint8_t *)(r + s->dim);
    double facts[5];
    assert(s->dim % 16 == 0 && (s->bits == 1 || s->bits == 2 || s->bits == 4));
    lanes_best()->encode(s, o, c, r, numbers, facts);
    double nn = facts[0], rc = facts[1], su = facts[2], uu = facts[3], tu = facts[4];
    if (!(nn > 0 && nn <= (double)FLT_MAX && su > 0)) {
        memset(code, 0, code_bytes(s));
        *f = (struct code_factors){.add = bounded(nn > 0 || !s->product ? nn : -rc)};
    } else {
        pack(s, numbers, code);
        /* What is left over, resc * u + scale * r, with resc as it is stored: that may be far from the best. */
        double scale = s->product ? 1 : 2, resc = (double)half_value(half_of((float)(-scale * nn / su)));
        double left = resc * resc * uu + 2 * scale * resc * su + scale * scale * nn;
        f->resc = (float)resc;
        f->add = bounded((s->product ? -rc : nn) - resc * tu);
        f->err = half_above((float)sqrt((left > 0 ? left : 0) / (s->dim - 1)));
    }
    mem_free(r);
}

/* ---- blocks --------------------------------------------------------------------------------------- */

static size_t factors_at(const struct code_shape *s) { return (size_t)code_groups(s) * 16; }

void block_put(const struct code_shape *s, uint8_t *block, unsigned row, const uint8_t *code,
               const struct code_factors *f) {
    assert(row < CODE_ROWS);
    uint8_t *p = block + row % 16, *q = block + factors_at(s);
    size_t n = code_bytes(s);
    if (row < 16) {
        for (size_t i = 0; i < n; i++, p += 32) {
            p[0] = (uint8_t)((p[0] & 0xf0) | (code[i] & 15));
            p[16] = (uint8_t)((p[16] & 0xf0) | code[i] >> 4);
        }
    } else {
        for (size_t i = 0; i < n; i++, p += 32) {
            p[0] = (uint8_t)((p[0] & 15) | (code[i] & 15) << 4);
            p[16] = (uint8_t)((p[16] & 15) | (code[i] & 0xf0));
        }
    }
    memcpy(q + 4 * (size_t)row, &f->add, 4);
    put_u16(q + 4 * CODE_ROWS + 2 * (size_t)row, half_of(f->resc));
    put_u16(q + 6 * CODE_ROWS + 2 * (size_t)row, half_of(f->err));
}

void block_get(const struct code_shape *s, const uint8_t *block, unsigned row, uint8_t *code,
               struct code_factors *f) {
    assert(row < CODE_ROWS);
    const uint8_t *p = block + row % 16, *q = block + factors_at(s);
    unsigned by = row < 16 ? 0 : 4;
    for (size_t i = 0; i < code_bytes(s); i++, p += 32)
        code[i] = (uint8_t)((p[0] >> by & 15) | (p[16] >> by & 15) << 4);
    memcpy(&f->add, q + 4 * (size_t)row, 4);
    f->resc = half_value(get_u16(q + 4 * CODE_ROWS + 2 * (size_t)row));
    f->err = half_value(get_u16(q + 6 * CODE_ROWS + 2 * (size_t)row));
}

void block_clear(const struct code_shape *s, uint8_t *block, unsigned row) {
    const float never = INFINITY;
    assert(row < CODE_ROWS);
    uint8_t *q = block + factors_at(s);
    memcpy(q + 4 * (size_t)row, &never, 4);
    put_u16(q + 4 * CODE_ROWS + 2 * (size_t)row, 0);
    put_u16(q + 6 * CODE_ROWS + 2 * (size_t)row, 0);
}

/* ---- queries ---------------------------------------------------------------------------------------- */

void code_query_init(struct code_query *query, const struct code_shape *s, const float *q, uint8_t *tables) {
    assert((uintptr_t)tables % 32 == 0);
    *query = (struct code_query){.shape = *s, .tables = tables};
    lanes_best()->tables(q, s->dim, s->bits, tables, &query->step, &query->least);
}

void code_query_rounding(struct code_query *query, float sigmas) {
    query->rounding = sigmas * query->step * sqrtf((float)code_groups(&query->shape) / 12);
}

uint32_t block_scan(const struct code_query *query, const uint8_t *block, float g, float spread,
                    float limit, float est[CODE_ROWS], float err[CODE_ROWS]) {
    return lanes_best()->scan(query, block, g, spread, limit, est, err);
}
uint32_t block_scan_plain(const struct code_query *query, const uint8_t *block, float g, float spread,
                          float limit, float est[CODE_ROWS], float err[CODE_ROWS]) {
    return lanes_plain.scan(query, block, g, spread, limit, est, err);
}
