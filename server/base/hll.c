/* hll.c -- HyperLogLog registers, dense and as runs. */
#include "base/hll.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FORM_AT 4
#define COUNT_AT 8
#define DENSE 0
#define SPARSE 1
#define REGISTER_BITS 14
#define HASH_BITS (64 - REGISTER_BITS) /* that give a register its value */
#define HASH_SEED 0xadc83b19u
#define INVALID 0x80 /* in the last byte of the count */
#define ZERO_MAX 64
#define VALUE_MAX 32 /* of a run */
#define VALUE_RUN_MAX 4
#define RUNS_JOINED 5 /* looked at for neighbours that can be one, after a change */

/* ---- hashing ------------------------------------------------------------------------------------- */

static uint64_t murmur(slice s, uint64_t seed) {
    const uint64_t m = 0xc6a4a7935bd1e995u;
    uint64_t h = seed ^ (s.n * m);
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t k = get_u64(s.p + i) * m;
        h = (h ^ (k ^ k >> 47) * m) * m;
    }
    if (i < s.n) {
        uint64_t tail = 0;
        for (size_t k = s.n; k > i; k--) tail = tail << 8 | s.p[k - 1];
        h = (h ^ tail) * m;
    }
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

/* ---- dense --------------------------------------------------------------------------------------- */

static uint8_t dense_get(const uint8_t *regs, unsigned reg) {
    unsigned bit = reg * 6, shift = bit & 7;
    const uint8_t *p = regs + bit / 8;
    unsigned two = p[0] | (shift > 2 ? (unsigned)p[1] << 8 : 0);
    return (two >> shift) & 63;
}

static void dense_set(uint8_t *regs, unsigned reg, uint8_t value) {
    unsigned bit = reg * 6, shift = bit & 7;
    uint8_t *p = regs + bit / 8;
    p[0] = (uint8_t)((p[0] & ~(63u << shift)) | (unsigned)value << shift);
    if (shift > 2)
        p[1] = (uint8_t)((p[1] & ~(63u >> (8 - shift))) | (unsigned)value >> (8 - shift));
}

/* ---- runs ---------------------------------------------------------------------------------------- */

struct run {
    unsigned n;     /* registers */
    uint8_t value;  /* of each */
    uint8_t bytes;
    bool torn; /* The string ends within it: as if a 0 followed, as in Redis. */
};

static bool run_read(const uint8_t *p, const uint8_t *end, struct run *r) {
    if (p >= end) return false;
    if (*p & 0x80) {
        *r = (struct run){(*p & 3u) + 1, (uint8_t)((*p >> 2 & 31) + 1), 1, false};
    } else if (*p & 0x40) {
        bool torn = end - p < 2;
        *r = (struct run){((*p & 63u) << 8 | (torn ? 0 : p[1])) + 1, 0, torn ? 1 : 2, torn};
    } else {
        *r = (struct run){(*p & 63u) + 1, 0, 1, false};
    }
    return true;
}

static size_t put_zeros(uint8_t *p, unsigned n) {
    if (n == 0) return 0;
    n--;
    if (n < ZERO_MAX) {
        p[0] = (uint8_t)n;
        return 1;
    }
    p[0] = (uint8_t)(0x40 | n >> 8);
    p[1] = (uint8_t)n;
    return 2;
}

static size_t put_values(uint8_t *p, uint8_t value, unsigned n) {
    if (n == 0) return 0;
    p[0] = (uint8_t)(0x80 | (value - 1u) << 2 | (n - 1));
    return 1;
}

void hll_new(buf *h) {
    uint8_t head[HLL_HEAD_BYTES] = {'H', 'Y', 'L', 'L', SPARSE}, runs[2];
    buf_append(h, head, sizeof(head));
    buf_append(h, runs, put_zeros(runs, HLL_REGISTERS));
}

int hll_check(slice h) {
    if (h.n < HLL_HEAD_BYTES || memcmp(h.p, "HYLL", 4) != 0 || h.p[FORM_AT] > SPARSE) return ERR_CORRUPT;
    if (h.p[FORM_AT] == DENSE) return h.n == HLL_DENSE_BYTES ? OK : ERR_CORRUPT;
    return OK;
}

bool hll_dense(slice h) { return h.p[FORM_AT] == DENSE; }

int hll_merge(uint8_t regs[HLL_REGISTERS], slice h) {
    if (hll_dense(h)) {
        for (unsigned i = 0; i < HLL_REGISTERS; i++) {
            uint8_t v = dense_get(h.p + HLL_HEAD_BYTES, i);
            if (v > regs[i]) regs[i] = v;
        }
        return OK;
    }
    const uint8_t *p = h.p + HLL_HEAD_BYTES, *end = h.p + h.n;
    struct run r;
    unsigned at = 0;
    for (; run_read(p, end, &r); p += r.bytes, at += r.n) {
        if (r.n > HLL_REGISTERS - at) return ERR_CORRUPT;
        for (unsigned i = 0; r.value > 0 && i < r.n; i++)
            if (r.value > regs[at + i]) regs[at + i] = r.value;
    }
    return at == HLL_REGISTERS ? OK : ERR_CORRUPT;
}

int hll_make_dense(buf *h) {
    if (hll_dense(slice_of(h))) return OK;
    uint8_t regs[HLL_REGISTERS] = {0};
    int rc = hll_merge(regs, slice_of(h));
    if (rc != OK) return rc;
    buf_reserve(h, HLL_DENSE_BYTES);
    h->n = HLL_DENSE_BYTES;
    h->p[FORM_AT] = DENSE;
    memset(h->p + HLL_HEAD_BYTES, 0, HLL_DENSE_BYTES - HLL_HEAD_BYTES);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) dense_set(h->p + HLL_HEAD_BYTES, i, regs[i]);
    return OK;
}

/* From the run at `at` on, neighbours of one value become one run, where one can be that long. */
static void join_runs(buf *h, size_t at) {
    struct run a, b;
    for (unsigned left = RUNS_JOINED; left > 0 && run_read(h->p + at, h->p + h->n, &a); left--) {
        bool both = a.value > 0 && run_read(h->p + at + 1, h->p + h->n, &b) && b.value == a.value;
        if (!both || a.n + b.n > VALUE_RUN_MAX) {
            at += a.bytes;
            continue;
        }
        put_values(h->p + at, a.value, a.n + b.n);
        memmove(h->p + at + 1, h->p + at + 2, h->n - at - 2);
        h->n--; /* The longer run may grow on. */
    }
}

static int dense_raise(buf *h, unsigned reg, uint8_t value) {
    if (dense_get(h->p + HLL_HEAD_BYTES, reg) >= value) return 0;
    dense_set(h->p + HLL_HEAD_BYTES, reg, value);
    return 1;
}

static int promote(buf *h, unsigned reg, uint8_t value) {
    int rc = hll_make_dense(h);
    return rc == OK ? dense_raise(h, reg, value) : rc;
}

int hll_raise(buf *h, unsigned reg, uint8_t value, size_t sparse_max) {
    assert(reg < HLL_REGISTERS && value > 0 && value < 64);
    if (hll_dense(slice_of(h))) return dense_raise(h, reg, value);
    if (value > VALUE_MAX) return promote(h, reg, value);
    size_t at = HLL_HEAD_BYTES, before = at;
    unsigned first = 0;
    struct run r;
    for (;; before = at, at += r.bytes, first += r.n) {
        if (!run_read(h->p + at, h->p + h->n, &r)) return ERR_CORRUPT;
        if (reg - first < r.n) break;
    }
    if (r.value >= value) return 0;
    /* The run is cut in up to three. */
    uint8_t cut[5];
    size_t n = 0;
    unsigned left = reg - first, right = r.n - left - 1;
    n += r.value > 0 ? put_values(cut, r.value, left) : put_zeros(cut, left);
    n += put_values(cut + n, value, 1);
    n += r.value > 0 ? put_values(cut + n, r.value, right) : put_zeros(cut + n, right);
    size_t was = r.torn ? 2 : r.bytes;
    if (n > was && h->n + (n - was) > sparse_max) return promote(h, reg, value);
    size_t behind = h->n - at - r.bytes;
    buf_reserve(h, n);
    memmove(h->p + at + n, h->p + at + r.bytes, behind);
    memcpy(h->p + at, cut, n);
    h->n = at + n + behind;
    /* Redis replaces two bytes of a torn run, so that the last new one falls off. What is good stays good here. */
    if (r.torn && first + r.n != HLL_REGISTERS) h->n--;
    join_runs(h, before);
    return 1;
}

int hll_add(buf *h, slice element, size_t sparse_max) {
    uint64_t hash = murmur(element, HASH_SEED);
    unsigned reg = (unsigned)(hash & (HLL_REGISTERS - 1));
    uint64_t rest = hash >> REGISTER_BITS | (uint64_t)1 << HASH_BITS;
    return hll_raise(h, reg, (uint8_t)(__builtin_ctzll(rest) + 1), sparse_max);
}

void hll_runs(slice h, buf *out) {
    assert(!hll_dense(h));
    const uint8_t *p = h.p + HLL_HEAD_BYTES, *end = h.p + h.n;
    struct run r;
    for (; run_read(p, end, &r); p += r.bytes) {
        char text[32];
        int n = r.value > 0 ? snprintf(text, sizeof(text), "v:%u,%u ", r.value, r.n)
                            : snprintf(text, sizeof(text), *p & 0x40 ? "Z:%u " : "z:%u ", r.n);
        buf_append(out, text, (size_t)n);
    }
    if (out->n > 0) out->n--; /* the last space */
}

/* ---- counting ------------------------------------------------------------------------------------ */

/* Ertl's sigma and tau: corrections for registers that are 0, and those that are full. */
static double sigma(double x) {
    if (x == 1.0) return INFINITY;
    double y = 1, z = x, last;
    do {
        x *= x;
        last = z;
        z += x * y;
        y += y;
    } while (z != last);
    return z;
}

static double tau(double x) {
    if (x == 0.0 || x == 1.0) return 0.0;
    double y = 1, z = 1 - x, last;
    do {
        x = sqrt(x);
        last = z;
        y *= 0.5;
        z -= pow(1 - x, 2) * y;
    } while (z != last);
    return z / 3;
}

uint64_t hll_estimate(const uint8_t regs[HLL_REGISTERS]) {
    unsigned with[64] = {0}; /* registers with each value */
    const double m = HLL_REGISTERS, alpha = 0.721347520444481703680;
    for (unsigned i = 0; i < HLL_REGISTERS; i++) with[regs[i] & 63]++;
    double z = m * tau((m - with[HASH_BITS + 1]) / m);
    for (int k = HASH_BITS; k >= 1; k--) z = (z + with[k]) * 0.5;
    z += m * sigma(with[0] / m);
    return (uint64_t)llroundl((long double)(alpha * m * m / z));
}

bool hll_cached(slice h, uint64_t *count) {
    *count = get_u64(h.p + COUNT_AT);
    return (h.p[HLL_HEAD_BYTES - 1] & INVALID) == 0;
}

void hll_cache(buf *h, uint64_t count) { put_u64(h->p + COUNT_AT, count); }

void hll_cache_drop(buf *h) { h->p[HLL_HEAD_BYTES - 1] |= INVALID; }
