/* listpack_model_test.c -- listpacks against an array of strings, after random operations.
 * It mirrors no file: server/base/listpack.c has listpack_test.c, and this is its model.
 *
 * After every operation the whole listpack must equal, byte for byte, what a plain encoder
 * makes of the array. COVE_SEED repeats a run. */
#include "test.h"

#include <stdlib.h>

#include "base/listpack.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/rnd.h"

#define ITEMS_MAX 400

struct model {
    slice items[ITEMS_MAX]; /* Owned. */
    size_t count;
};

static void model_insert(struct model *m, size_t at, slice bytes) {
    memmove(m->items + at + 1, m->items + at, (m->count - at) * sizeof(slice));
    m->items[at] = slice_make(slice_strdup(bytes), bytes.n);
    m->count++;
}

static void model_delete(struct model *m, size_t at, size_t n) {
    for (size_t i = at; i < at + n; i++) mem_free((void *)(uintptr_t)m->items[i].p);
    memmove(m->items + at, m->items + at + n, (m->count - at - n) * sizeof(slice));
    m->count -= n;
}

/* The format's tables, read in the plainest way. */
static void encode_plain(buf *out, slice s) {
    size_t start = out->n;
    char text[32] = "", *end = text;
    long long v = 0;
    if (s.n > 0 && s.n < 21) {
        memcpy(text, s.p, s.n);
        v = strtoll(text, &end, 10);
    }
    char again[32];
    snprintf(again, sizeof(again), "%lld", v);
    if (s.n > 0 && s.n < 21 && strcmp(text, again) == 0 && strlen(text) == s.n) {
        int bytes = v >= -32768 && v <= 32767 ? 2 : v >= -8388608 && v <= 8388607 ? 3
                    : v >= INT32_MIN && v <= INT32_MAX ? 4 : 8;
        if (v >= 0 && v <= 127) {
            buf_u8(out, (uint8_t)v);
        } else if (v >= -4096 && v <= 4095) {
            unsigned bits = (unsigned)(v + 8192) % 8192;
            buf_u8(out, (uint8_t)(192 + bits / 256));
            buf_u8(out, (uint8_t)(bits % 256));
        } else {
            buf_u8(out, (uint8_t)(bytes == 8 ? 0xf4 : 0xef + bytes));
            for (int i = 0; i < bytes; i++) buf_u8(out, (uint8_t)((uint64_t)v >> (8 * i)));
        }
    } else {
        if (s.n < 64) buf_u8(out, (uint8_t)(128 + s.n));
        else if (s.n < 4096) buf_u8(out, (uint8_t)(224 + s.n / 256)), buf_u8(out, (uint8_t)(s.n % 256));
        else buf_u8(out, 0xf0), buf_u32(out, (uint32_t)s.n);
        buf_append_slice(out, s);
    }
    size_t body = out->n - start;
    if (body > 127) {
        if (body >= 16383) buf_u8(out, (uint8_t)(body / 16384)), buf_u8(out, (uint8_t)(128 + body / 128 % 128));
        else buf_u8(out, (uint8_t)(body / 128));
        buf_u8(out, (uint8_t)(128 + body % 128));
    } else {
        buf_u8(out, (uint8_t)body);
    }
}

static void check_same(const buf *lp, const struct model *m) {
    buf want = BUF_INIT;
    buf_u32(&want, 0);
    buf_u16(&want, (uint16_t)m->count);
    for (size_t i = 0; i < m->count; i++) encode_plain(&want, m->items[i]);
    buf_u8(&want, 0xff);
    put_u32(want.p, (uint32_t)want.n);
    CHECK_INT(lp->n, want.n);
    CHECK(memcmp(lp->p, want.p, want.n) == 0);
    buf_free(&want);
    slice s = slice_of(lp);
    CHECK_INT(lp_check(s, true), OK);
    CHECK_INT(lp_count(s), m->count);
    size_t pos = lp_first(s), before = 0;
    for (size_t i = 0; i < m->count; i++) {
        char tmp[NUM_LL_MAX];
        CHECK(pos != 0);
        CHECK(slice_eq(lp_get_bytes(s, pos, tmp), m->items[i]));
        CHECK(lp_equals(s, pos, m->items[i]));
        CHECK_INT(lp_prev(s, pos), before);
        before = pos;
        pos = lp_next(s, pos);
    }
    CHECK_INT(pos, 0);
    CHECK_INT(lp_last(s), before);
}

/* Numbers of every size, short texts that repeat, and long ones near the borders. */
static slice random_bytes(rnd *r, uint8_t *room) {
    uint64_t kind = rnd_below(r, 10);
    if (kind < 4) {
        int64_t v = (int64_t)(rnd_u64(r) >> rnd_below(r, 64));
        return slice_make(room, num_print_ll((char *)room, rnd_below(r, 2) == 0 ? v : -v));
    }
    static const size_t borders[] = {63, 64, 125, 126, 127, 128, 4095, 4096, 16377, 16378};
    size_t n = kind < 8 ? (size_t)rnd_below(r, 6) : kind == 8 ? (size_t)rnd_below(r, 300)
                        : borders[rnd_below(r, 10)];
    for (size_t i = 0; i < n; i++) room[i] = (uint8_t)"01-ab\0\xff"[rnd_below(r, 7)];
    return slice_make(room, n);
}

static void check_lookups(const buf *lp, const struct model *m, rnd *r, slice bytes) {
    slice s = slice_of(lp);
    unsigned skip = (unsigned)rnd_below(r, 3);
    size_t from = m->count == 0 ? 0 : (size_t)rnd_below(r, m->count), hit = from;
    while (hit < m->count && !slice_eq(m->items[hit], bytes)) hit += skip + 1;
    size_t want = hit < m->count ? lp_seek(s, (long)hit) : 0;
    CHECK_INT(lp_find(s, lp_seek(s, (long)from), bytes, skip), want);
    long index = (long)rnd_below(r, m->count + 3) - (long)rnd_below(r, m->count + 3);
    size_t at = index < 0 ? m->count + (size_t)index : (size_t)index;
    size_t pos = lp_seek(s, index);
    CHECK_INT(pos != 0, at < m->count);
    char tmp[NUM_LL_MAX];
    if (pos != 0) CHECK(slice_eq(lp_get_bytes(s, pos, tmp), m->items[at]));
}

static void step(buf *lp, struct model *m, rnd *r, slice bytes) {
    size_t at = m->count == 0 ? 0 : (size_t)rnd_below(r, m->count);
    size_t pos = lp_seek(slice_of(lp), (long)at);
    uint64_t op = rnd_below(r, m->count == 0 ? 3 : m->count == ITEMS_MAX ? 2 : 9);
    if (m->count == ITEMS_MAX) op += 7; /* Only what deletes. */
    int64_t num;
    switch (op) {
    case 0: lp_append(lp, bytes); model_insert(m, m->count, bytes); break;
    case 1: lp_prepend(lp, bytes); model_insert(m, 0, bytes); break;
    case 2:
        if (num_parse_ll(bytes, &num)) lp_append_int(lp, num);
        else lp_append(lp, bytes);
        model_insert(m, m->count, bytes);
        break;
    case 3: lp_insert(lp, pos, bytes); model_insert(m, at, bytes); break;
    case 4: lp_insert_after(lp, pos, bytes); model_insert(m, at + 1, bytes); break;
    case 5:
    case 6:
        lp_replace(lp, pos, bytes);
        model_delete(m, at, 1);
        model_insert(m, at, bytes);
        CHECK_INT(lp_seek(slice_of(lp), (long)at), pos);
        break;
    default: {
        size_t n = op == 7 ? 1 : (size_t)rnd_below(r, 12);
        size_t gone = n < m->count - at ? n : m->count - at;
        CHECK_INT(lp_delete(lp, pos, n), at + gone < m->count ? pos : 0);
        model_delete(m, at, gone);
        break;
    }
    }
}

TEST_LONG("random operations leave the listpack and the array alike", 120) {
    const char *env = getenv("COVE_SEED");
    uint64_t seed = env == NULL || env[0] == 0 ? 20240601 : strtoull(env, NULL, 10);
    printf("# COVE_SEED=%" PRIu64 "\n", seed);
    rnd r;
    rnd_seed(&r, seed);
    static uint8_t room[20000];
    for (int round = 0; round < 60; round++) {
        buf lp = BUF_INIT;
        struct model m = {.count = 0};
        lp_new(&lp);
        for (int i = 0; i < 400; i++) {
            slice bytes = random_bytes(&r, room);
            step(&lp, &m, &r, bytes);
            if (i % 4 == 0) check_same(&lp, &m);
            check_lookups(&lp, &m, &r, random_bytes(&r, room));
        }
        check_same(&lp, &m);
        model_delete(&m, 0, m.count);
        buf_free(&lp);
    }
}

/* Damage one byte: either the check refuses, or every accessor still stays inside. */
TEST_LONG("a damaged listpack is refused, or can be walked all the same", 120) {
    rnd r;
    rnd_seed(&r, 99);
    static uint8_t room[20000];
    int refused = 0, passed = 0;
    for (int round = 0; round < 20000; round++) {
        buf lp = BUF_INIT;
        lp_new(&lp);
        for (uint64_t n = rnd_below(&r, 8); n > 0; n--) {
            slice bytes = random_bytes(&r, room);
            if (bytes.n < 300) lp_append(&lp, bytes);
        }
        for (uint64_t n = 1 + rnd_below(&r, 3); n > 0; n--)
            lp.p[rnd_below(&r, lp.n)] = (uint8_t)rnd_u64(&r);
        uint8_t *exact = mem_alloc(lp.n); /* A sanitizer sees each step outside. */
        memcpy(exact, lp.p, lp.n);
        slice s = slice_make(exact, lp.n);
        if (lp_check(s, true) != OK) {
            refused++;
        } else {
            passed++;
            size_t n = 0, back = 0;
            char tmp[NUM_LL_MAX];
            for (size_t pos = lp_first(s); pos != 0; pos = lp_next(s, pos), n++) {
                slice v = lp_get_bytes(s, pos, tmp);
                CHECK(lp_equals(s, pos, v));
            }
            for (size_t pos = lp_last(s); pos != 0; pos = lp_prev(s, pos)) back++;
            CHECK_INT(back, n);
            CHECK_INT(lp_count(s), n);
        }
        mem_free(exact);
        buf_free(&lp);
    }
    CHECK(refused > 1000 && passed > 1000);
}
