/* kmeans.c -- balanced k-means, and a tree of them. */
#include "modules/vector/kmeans.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "modules/vector/kernels.h"

#define SAMPLE_ROWS 64 /* of a centroid, for the passes; the last one sees all rows */
#define WAYS_MAX 64

static uint64_t mix(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static const float *row(const struct kmeans_rows *r, size_t i) { return r->x + i * r->dim; }

static float square(const float *a, const float *b, uint32_t dim) {
    return kernels_best()->l2_f32((const uint8_t *)a, 1, (const uint8_t *)b, 1, dim);
}

/* Each next one by chance, the likelier the farther from those that there are (Arthur, Vassilvitskii 2007). */
static void seeds(const struct kmeans_rows *r, const size_t *sample, size_t n, uint32_t k, uint64_t *chance,
                  float *centroids) {
    float *least = mem_alloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++) least[i] = INFINITY;
    size_t at = (size_t)(mix(chance) % n);
    for (uint32_t c = 0; c < k; c++) {
        memcpy(centroids + (size_t)c * r->dim, row(r, sample[at]), r->dim * sizeof(float));
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            float d = square(row(r, sample[i]), centroids + (size_t)c * r->dim, r->dim);
            if (d < least[i]) least[i] = d;
            sum += (double)least[i];
        }
        double stop = sum * ((double)(mix(chance) >> 11) * 0x1p-53);
        at = (size_t)(mix(chance) % n);
        for (size_t i = 0; sum > 0 && i < n; i++) {
            stop -= (double)least[i];
            if (stop > 0) continue;
            at = i;
            break;
        }
    }
    mem_free(least);
}

struct near {
    float gain; /* what it would cost to go elsewhere */
    size_t i;
};
static int by_gain(const void *a, const void *b) {
    const struct near *x = a, *y = b;
    if (x->gain != y->gain) return x->gain < y->gain ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

/* Rows of parts that are too large go to the next nearest part with room, those first to which it makes the
 * least difference. */
static void level(const struct kmeans_rows *r, uint32_t k, size_t most, const float *centroids, uint32_t *part,
                  size_t *count) {
    for (uint32_t c = 0; c < k; c++) {
        if (count[c] <= most) continue;
        struct near *all = mem_alloc(count[c] * sizeof(*all));
        size_t n = 0;
        for (size_t i = 0; i < r->n; i++) {
            if (part[i] != c) continue;
            float own = square(row(r, i), centroids + (size_t)c * r->dim, r->dim), least = INFINITY;
            for (uint32_t o = 0; o < k; o++) {
                if (o == c || count[o] >= most) continue;
                float d = square(row(r, i), centroids + (size_t)o * r->dim, r->dim);
                if (d < least) least = d;
            }
            all[n++] = (struct near){least - own, i};
        }
        qsort(all, n, sizeof(*all), by_gain);
        for (size_t j = 0; j < n && count[c] > most; j++) {
            size_t i = all[j].i;
            uint32_t to = k;
            float least = INFINITY;
            for (uint32_t o = 0; o < k; o++) {
                if (o == c || count[o] >= most) continue;
                float d = square(row(r, i), centroids + (size_t)o * r->dim, r->dim);
                if (to != k && !(d < least)) continue;
                least = d;
                to = o;
            }
            if (to == k) break;
            part[i] = to;
            count[c]--;
            count[to]++;
        }
        mem_free(all);
    }
}

static void means(const struct kmeans_rows *r, const size_t *rows, size_t n, uint32_t k, const uint32_t *part,
                  float *centroids) {
    size_t *count = mem_calloc(k, sizeof(*count));
    float *sum = mem_calloc((size_t)k * r->dim, sizeof(float));
    for (size_t j = 0; j < n; j++) {
        size_t i = rows == NULL ? j : rows[j];
        uint32_t c = part[i];
        float *s = sum + (size_t)c * r->dim;
        const float *x = row(r, i);
        for (uint32_t d = 0; d < r->dim; d++) s[d] += x[d];
        count[c]++;
    }
    for (uint32_t c = 0; c < k; c++) {
        if (count[c] == 0) continue; /* It stays where it was. */
        float by = 1 / (float)count[c];
        for (uint32_t d = 0; d < r->dim; d++)
            centroids[(size_t)c * r->dim + d] = sum[(size_t)c * r->dim + d] * by;
    }
    mem_free(count);
    mem_free(sum);
}

static void assign(const struct kmeans_rows *r, const size_t *rows, size_t n, uint32_t k, const float *centroids,
                   uint32_t *part) {
    float *half = mem_alloc(k * sizeof(float));
    const struct kernels *kn = kernels_best();
    for (uint32_t c = 0; c < k; c++) {
        const uint8_t *p = (const uint8_t *)(centroids + (size_t)c * r->dim);
        half[c] = kn->dot_f32(p, p, r->dim) / 2;
    }
    for (size_t j = 0; j < n; j++) {
        size_t i = rows == NULL ? j : rows[j];
        const uint8_t *x = (const uint8_t *)row(r, i);
        float best = -INFINITY;
        part[i] = 0;
        for (uint32_t c = 0; c < k; c++) {
            float s = kn->dot_f32(x, (const uint8_t *)(centroids + (size_t)c * r->dim), r->dim) - half[c];
            if (!(s > best)) continue;
            best = s;
            part[i] = c;
        }
    }
    mem_free(half);
}

void kmeans(const struct kmeans_rows *r, uint32_t k, size_t most, unsigned passes, uint64_t seed, uint32_t *part,
            float *centroids) {
    assert(k > 0 && k * most >= r->n);
    uint64_t chance = seed;
    size_t n = r->n, take = (size_t)k * SAMPLE_ROWS < n ? (size_t)k * SAMPLE_ROWS : n;
    if (n == 0) return;
    size_t *sample = mem_alloc(n * sizeof(*sample));
    for (size_t i = 0; i < n; i++) sample[i] = i;
    for (size_t i = 0; take < n && i < take; i++) {
        size_t j = i + (size_t)(mix(&chance) % (n - i)), t = sample[i];
        sample[i] = sample[j];
        sample[j] = t;
    }
    seeds(r, sample, take, k, &chance, centroids);
    for (unsigned p = 0; p < passes; p++) {
        assign(r, sample, take, k, centroids, part);
        means(r, sample, take, k, part, centroids);
    }
    assign(r, NULL, n, k, centroids, part);
    size_t *count = mem_calloc(k, sizeof(*count));
    for (size_t i = 0; i < n; i++) count[part[i]]++;
    level(r, k, most, centroids, part, count);
    means(r, NULL, n, k, part, centroids);
    mem_free(count);
    mem_free(sample);
}

/* ---- the tree ---------------------------------------------------------------------------------- */

struct tree {
    const struct kmeans_rows *rows;
    size_t target, parts, cap;
    unsigned passes;
    uint64_t seed;
    uint32_t *part;
    float *centroids;
};

static void leaf(struct tree *t, const size_t *at, size_t n, const float *mean) {
    uint32_t dim = t->rows->dim;
    if (t->parts == t->cap) {
        t->cap = t->cap == 0 ? 64 : 2 * t->cap;
        t->centroids = mem_realloc(t->centroids, t->cap * dim * sizeof(float));
    }
    memcpy(t->centroids + t->parts * dim, mean, dim * sizeof(float));
    for (size_t i = 0; i < n; i++) t->part[at[i]] = (uint32_t)t->parts;
    t->parts++;
}

/* Recursion: each level has at most two thirds of the rows of the one above. */
static void grow(struct tree *t, const size_t *at, size_t n, const float *mean) {
    uint32_t dim = t->rows->dim;
    if (n <= 2 * t->target && mean != NULL) {
        leaf(t, at, n, mean);
        return;
    }
    size_t ways = (n + t->target - 1) / t->target;
    if (ways > WAYS_MAX) ways = WAYS_MAX;
    if (ways < 1) ways = 1;
    float *x = mem_alloc((n + 1) * dim * sizeof(float));
    for (size_t i = 0; i < n; i++) memcpy(x + i * dim, row(t->rows, at[i]), dim * sizeof(float));
    struct kmeans_rows rows = {.x = x, .n = n, .dim = dim};
    uint32_t *part = mem_calloc(n + 1, sizeof(*part));
    float *centroids = mem_calloc(ways * dim, sizeof(float));
    kmeans(&rows, (uint32_t)ways, ways == 1 ? n : n / ways + n / (2 * ways) + 1, t->passes, t->seed + n, part,
           centroids);
    mem_free(x);
    size_t *mine = mem_alloc((n + 1) * sizeof(*mine));
    for (size_t w = 0; w < ways; w++) {
        size_t m = 0;
        for (size_t i = 0; i < n; i++)
            if (part[i] == w) mine[m++] = at[i];
        if (m > 0) grow(t, mine, m, centroids + w * dim);
    }
    mem_free(mine);
    mem_free(part);
    mem_free(centroids);
}

size_t kmeans_tree(const struct kmeans_rows *rows, size_t target, unsigned passes, uint64_t seed, uint32_t *part,
                   float **centroids) {
    struct tree t = {.rows = rows, .target = target, .passes = passes, .seed = seed, .part = part};
    size_t *at = mem_alloc((rows->n + 1) * sizeof(*at));
    for (size_t i = 0; i < rows->n; i++) at[i] = i;
    if (rows->n > 0) grow(&t, at, rows->n, NULL);
    mem_free(at);
    *centroids = t.centroids;
    return t.parts;
}
