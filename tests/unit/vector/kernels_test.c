/* kernels_test.c -- the wide kernels against their plain twins, bit for bit. */
#include "test.h"

#include "base/mem.h"
#include "base/rnd.h"
#include "modules/vector/kernels.h"

#define DIM_MAX 1100

static void fill(rnd *r, uint8_t *p, size_t n, bool floats) {
    if (!floats) {
        rnd_bytes(r, p, n);
        return;
    }
    for (size_t i = 0; i + 4 <= n; i += 4) {
        float v = (float)(rnd_unit(r) * 2 - 1);
        memcpy(p + i, &v, 4);
    }
}

static bool same_bits(float a, float b) { return memcmp(&a, &b, 4) == 0; }

static void compare(const struct kernels *wide, const uint8_t *a, const uint8_t *b,
                    size_t n) {
    const struct kernels *plain = &kernels_plain;
    CHECK(same_bits(wide->dot_f32(a, b, n), plain->dot_f32(a, b, n)));
    CHECK(same_bits(wide->l2_f32(a, 1.5f, b, 0.75f, n),
                    plain->l2_f32(a, 1.5f, b, 0.75f, n)));
    CHECK_INT(wide->dot_i8(a, b, n), plain->dot_i8(a, b, n));
    CHECK_INT(wide->hamming(a, b, n / 8 * 8), plain->hamming(a, b, n / 8 * 8));
}

TEST("the wide kernels give the bits of the plain ones, for every length and alignment") {
    const struct kernels *wide = kernels_best();
    printf("# kernels: %s\n", wide->name);
    rnd r;
    rnd_seed(&r, 7);
    uint8_t *a = mem_alloc(4 * DIM_MAX + 8), *b = mem_alloc(4 * DIM_MAX + 8);
    for (int round = 0; round < 2; round++) {
        for (size_t n = 0; n < DIM_MAX; n += n < 140 ? 1 : 37) {
            for (size_t shift = 0; shift < 5; shift++) {
                fill(&r, a + shift, 4 * n, true);
                fill(&r, b, 4 * n, true);
                compare(wide, a + shift, b, n);
                fill(&r, a + shift, n, false);
                fill(&r, b, n, false);
                CHECK_INT(wide->dot_i8(a + shift, b, n),
                          kernels_plain.dot_i8(a + shift, b, n));
            }
        }
    }
    mem_free(a);
    mem_free(b);
}

TEST("extreme bytes do not overflow") {
    size_t n = 65536;
    uint8_t *a = mem_alloc(n), *b = mem_alloc(n);
    static const uint8_t values[] = {0x7F, 0x80, 0x81, 0xFF, 0};
    for (size_t i = 0; i < sizeof(values); i++) {
        for (size_t j = 0; j < sizeof(values); j++) {
            memset(a, values[i], n);
            memset(b, values[j], n);
            int64_t want = (int64_t)n * (int8_t)values[i] * (int8_t)values[j];
            CHECK_INT(kernels_plain.dot_i8(a, b, n), want);
            CHECK_INT(kernels_best()->dot_i8(a, b, n), want);
            CHECK_INT(kernels_best()->hamming(a, b, n),
                      (int64_t)n * __builtin_popcount(values[i] ^ values[j]));
        }
    }
    mem_free(a);
    mem_free(b);
}

TEST("small sums are what arithmetic says") {
    float a[3] = {1, 2, 3}, b[3] = {4, -5, 6};
    const uint8_t *p = (const uint8_t *)a, *q = (const uint8_t *)b;
    CHECK(kernels_best()->dot_f32(p, q, 3) == 12.0f);
    CHECK(kernels_best()->l2_f32(p, 1, q, 1, 3) == 9.0f + 49.0f + 9.0f);
    CHECK(kernels_best()->l2_f32(p, 2, q, 0, 3) == 4.0f + 16.0f + 36.0f);
}
