/* kmeans.c -- balanced k-means, and a tree of them.
 *
 * Lloyd's passes over a sample, then one over all rows. A centre that has more rows than its share is made to
 * look farther away, pass by pass, and one that has few nearer; one that has hardly any is given up, and divides the
 * largest part. What is left over at the end is levelled: parts that nobody chose get a share of the
 * largest ones by position (so equal rows come apart), and parts over the limit give rows away.
 *
 * Distances are compared as <x,c> - |c|^2 / 2, sixteen centres at a time (lanes_nearest.h). */
#include "modules/vector/kmeans.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "modules/vector/kernels.h"
#include "modules/vector/lanes_kernels.h"

#define SAMPLE_ROWS 64 /* of a centroid, for the passes; the last one sees all rows */
#define SEED_ROWS 16   /* of a centroid, to find the first ones */
#define SEED_TRIES 3
#define WAYS_MAX 64
/* How far away a part of twice its share seems to be, against the mean distance: a part with more rows than
 * others is no fault in itself, so that this is little in a pass, and sums up. */
#define PENALTY 0.02f
#define PENALTY_SHARES 3 /* Larger parts are treated as if they had so many shares. */
#define FEW 3            /* With less than a third of its share a part is given up. */
#define ASIDE 0.1f       /* of the way to a row */

struct run {
    const struct kmeans_rows *rows;
    uint32_t k;
    uint64_t chance;
    float *centroids, *tiles, *less, *penalty;
    struct nearest set;
    uint32_t *part;
    size_t *count;
    double score; /* the sum of what assign() found, without the penalties */
};

static uint64_t mix(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static const float *row(const struct kmeans_rows *r, size_t i) { return r->x + i * r->dim; }
static float *centroid(const struct run *w, uint32_t c) { return w->centroids + (size_t)c * w->rows->dim; }

static float square(const float *a, const float *b, uint32_t dim) {
    return kernels_best()->l2_f32((const uint8_t *)a, 1, (const uint8_t *)b, 1, dim);
}
static float dot(const float *a, const float *b, uint32_t dim) {
    return kernels_best()->dot_f32((const uint8_t *)a, (const uint8_t *)b, dim);
}

static void run_init(struct run *w, const struct kmeans_rows *r, uint32_t k, uint64_t seed, uint32_t *part,
                     float *centroids) {
    uint32_t count = (k + NEAREST_TILE - 1) / NEAREST_TILE * NEAREST_TILE;
    *w = (struct run){.rows = r, .k = k, .chance = seed, .centroids = centroids, .part = part};
    w->tiles = mem_calloc((size_t)count * r->dim, sizeof(float));
    w->less = mem_alloc(count * sizeof(float));
    for (uint32_t c = 0; c < count; c++) w->less[c] = INFINITY;
    w->penalty = mem_calloc(k, sizeof(float));
    w->count = mem_calloc(k, sizeof(*w->count));
    w->set = (struct nearest){.dim = r->dim, .count = count, .tiles = w->tiles, .less = w->less};
}

static void run_deinit(struct run *w) {
    mem_free(w->tiles);
    mem_free(w->less);
    mem_free(w->penalty);
    mem_free(w->count);
}

/* ---- the first centres ------------------------------------------------------------------------ */

/* The first n of `all` are drawn by chance. */
static void draw(struct run *w, size_t *all, size_t of, size_t n) {
    for (size_t i = 0; n < of && i < n; i++) {
        size_t j = i + (size_t)(mix(&w->chance) % (of - i)), t = all[i];
        all[i] = all[j];
        all[j] = t;
    }
}

/* By chance, the likelier the farther from the centres that there are. */
static size_t draw_far(struct run *w, const float *least, size_t n, double sum) {
    double stop = sum * ((double)(mix(&w->chance) >> 11) * 0x1p-53);
    size_t at = (size_t)(mix(&w->chance) % n);
    for (size_t i = 0; sum > 0 && i < n; i++) {
        stop -= (double)least[i];
        if (stop <= 0) return i;
    }
    return at;
}

/* Each next one is the best of a few that are drawn, by what it leaves of all distances (greedy k-means++: Arthur,
 * Vassilvitskii 2007). The few are tried side by side: what this costs is to read the rows. */
static void seeds(struct run *w, const size_t *sample, size_t n) {
    const struct kmeans_rows *r = w->rows;
    float *least = mem_alloc(n * sizeof(float)), *tried = mem_alloc(SEED_TRIES * n * sizeof(float));
    for (size_t i = 0; i < n; i++) least[i] = INFINITY;
    double sum = 0;
    for (uint32_t c = 0; c < w->k; c++) {
        unsigned tries = c == 0 ? 1 : SEED_TRIES, best = 0;
        const float *x[SEED_TRIES];
        double left[SEED_TRIES] = {0};
        for (unsigned t = 0; t < tries; t++) x[t] = row(r, sample[draw_far(w, least, n, sum)]);
        for (size_t i = 0; i < n; i++) {
            const float *y = row(r, sample[i]);
            for (unsigned t = 0; t < tries; t++) {
                float d = square(y, x[t], r->dim);
                tried[t * n + i] = d < least[i] ? d : least[i];
                left[t] += (double)tried[t * n + i];
            }
        }
        for (unsigned t = 1; t < tries; t++)
            if (left[t] < left[best]) best = t;
        memcpy(centroid(w, c), x[best], r->dim * sizeof(float));
        memcpy(least, tried + best * n, n * sizeof(float));
        sum = left[best];
    }
    mem_free(least);
    mem_free(tried);
}

/* ---- passes ------------------------------------------------------------------------------------- */

static void pack(struct run *w) {
    uint32_t dim = w->rows->dim;
    for (uint32_t c = 0; c < w->k; c++) {
        const float *x = centroid(w, c);
        float *tile = w->tiles + (size_t)(c / NEAREST_TILE) * NEAREST_TILE * dim + c % NEAREST_TILE;
        for (uint32_t d = 0; d < dim; d++) tile[NEAREST_TILE * (size_t)d] = x[d];
        w->less[c] = dot(x, x, dim) / 2 + w->penalty[c];
    }
}

#define FEW_CENTRES 4 /* A tile of sixteen costs as much as four or five by themselves. */

/* As the kernel `nearest` does: the lowest of equal ones. */
static void nearest_of_few(const struct run *w, const float *const *x, size_t n, uint32_t *centre, float *score) {
    for (size_t j = 0; j < n; j++) {
        centre[j] = 0;
        score[j] = -INFINITY;
        for (uint32_t c = 0; c < w->k; c++) {
            float s = dot(x[j], centroid(w, c), w->rows->dim) - w->less[c];
            if (!(s > score[j])) continue;
            score[j] = s;
            centre[j] = c;
        }
    }
}

/* rows: their numbers; NULL: the first n. */
static void assign(struct run *w, const size_t *rows, size_t n) {
    const struct lanes_kernels *kernels = lanes_best();
    memset(w->count, 0, w->k * sizeof(*w->count));
    w->score = 0;
    for (size_t from = 0; from < n; from += NEAREST_ROWS) {
        size_t m = n - from < NEAREST_ROWS ? n - from : NEAREST_ROWS;
        const float *x[NEAREST_ROWS];
        uint32_t centre[NEAREST_ROWS];
        float score[NEAREST_ROWS];
        for (size_t j = 0; j < m; j++) x[j] = row(w->rows, rows == NULL ? from + j : rows[from + j]);
        if (w->k <= FEW_CENTRES) nearest_of_few(w, x, m, centre, score);
        else kernels->nearest(&w->set, x, m, centre, score);
        for (size_t j = 0; j < m; j++) {
            w->part[rows == NULL ? from + j : rows[from + j]] = centre[j];
            w->count[centre[j]]++;
            w->score += (double)score[j] + (double)w->penalty[centre[j]];
        }
    }
}

#define STRIDE 8 /* Inner loops of a known length: compilers make vectors of them. */

static void add(float *restrict sum, const float *restrict x, uint32_t dim) {
    size_t d = 0;
    for (; d + STRIDE <= dim; d += STRIDE)
        for (size_t k = 0; k < STRIDE; k++) sum[d + k] += x[d + k];
    for (; d < dim; d++) sum[d] += x[d];
}

static void means(struct run *w, const size_t *rows, size_t n) {
    uint32_t dim = w->rows->dim;
    float *sum = mem_calloc((size_t)w->k * dim, sizeof(float));
    for (size_t j = 0; j < n; j++) {
        size_t i = rows == NULL ? j : rows[j];
        float *s = sum + (size_t)w->part[i] * dim;
        const float *x = row(w->rows, i);
        add(s, x, dim);
    }
    for (uint32_t c = 0; c < w->k; c++) {
        if (w->count[c] == 0) continue; /* It stays where it was. */
        float by = 1 / (float)w->count[c], *to = centroid(w, c);
        for (uint32_t d = 0; d < dim; d++) to[d] = sum[(size_t)c * dim + d] * by;
    }
    mem_free(sum);
}

static uint32_t largest(const struct run *w) {
    uint32_t big = 0;
    for (uint32_t c = 1; c < w->k; c++)
        if (w->count[c] > w->count[big]) big = c;
    return big;
}

/* A centre with few rows, and that of the largest part: to either side of where the latter is. On a row itself it
 * would stay alone: where there are many dimensions, a row is farther from other rows than their mean is. */
static void settle_anew(struct run *w, const size_t *rows, size_t n) {
    uint32_t dim = w->rows->dim;
    for (uint32_t c = 0; c < w->k; c++) {
        if (w->count[c] * w->k * FEW >= n) continue;
        uint32_t big = largest(w);
        if (w->count[big] * w->k * 2 < 3 * n) return;
        size_t nth = (size_t)(mix(&w->chance) % n), at = n;
        for (size_t j = 0; j < n && at == n; j++)
            if (w->part[rows[(nth + j) % n]] == big) at = (nth + j) % n;
        if (at == n) return; /* All of its rows are from before it was split. */
        const float *x = row(w->rows, rows[at]);
        float *to = centroid(w, c), *from = centroid(w, big);
        for (uint32_t d = 0; d < dim; d++) {
            float off = (x[d] - from[d]) * ASIDE;
            to[d] = from[d] + off;
            from[d] -= off;
        }
        w->count[c] = w->count[big] /= 2;
        w->penalty[c] = w->penalty[big];
    }
}

/* mean: of half the squares of the rows. */
static void penalise(struct run *w, size_t n, double mean) {
    float distance = (float)(mean - w->score / (double)n);
    if (!(distance > 0) || !isfinite(distance)) return;
    for (uint32_t c = 0; c < w->k; c++) {
        float shares = (float)w->count[c] * (float)w->k / (float)n;
        if (shares > PENALTY_SHARES) shares = PENALTY_SHARES;
        w->penalty[c] += PENALTY * distance * (shares - 1);
    }
}

/* ---- levelling ---------------------------------------------------------------------------------- */

/* Parts that have no rows get some of the largest ones, by position. */
static void fill(struct run *w) {
    uint32_t *pieces = mem_alloc(w->k * sizeof(*pieces)), *take = mem_alloc(w->k * sizeof(*take));
    uint32_t *next = mem_alloc(w->k * sizeof(*next)); /* the part that takes the next piece, after this one's */
    size_t *all = mem_alloc(w->k * sizeof(*all)), *seen = mem_calloc(w->k, sizeof(*seen));
    memcpy(all, w->count, w->k * sizeof(*all));
    for (uint32_t c = 0; c < w->k; c++) {
        pieces[c] = 1;
        next[c] = take[c] = c;
    }
    bool any = false;
    for (uint32_t c = 0; c < w->k; c++) {
        if (all[c] > 0) continue;
        uint32_t big = largest(w);
        if (w->count[big] < 2) break;
        next[c] = next[big];
        next[big] = c;
        w->count[big] = all[big] / ++pieces[big];
        any = true;
    }
    for (size_t i = 0; any && i < w->rows->n; i++) {
        uint32_t c = w->part[i];
        size_t piece = seen[c]++;
        /* The first row of each piece but the first begins it. */
        if (piece > 0 && piece * pieces[c] / all[c] != (piece - 1) * pieces[c] / all[c]) take[c] = next[take[c]];
        w->part[i] = take[c];
    }
    memset(w->count, 0, w->k * sizeof(*w->count));
    for (size_t i = 0; i < w->rows->n; i++) w->count[w->part[i]]++;
    mem_free(pieces);
    mem_free(take);
    mem_free(next);
    mem_free(all);
    mem_free(seen);
}

struct near {
    float loss; /* what it costs to go elsewhere */
    uint32_t to;
    size_t i;
};
static int by_loss(const void *a, const void *b) {
    const struct near *x = a, *y = b;
    if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

/* Where the rows of c would go, of the parts with room. Returns how many rows there are. */
static size_t elsewhere(struct run *w, uint32_t c, size_t most, struct near *out) {
    const struct lanes_kernels *kernels = lanes_best();
    const float *x[NEAREST_ROWS];
    uint32_t centre[NEAREST_ROWS], room = 0;
    float score[NEAREST_ROWS], own = dot(centroid(w, c), centroid(w, c), w->rows->dim) / 2;
    size_t n = 0, m = 0;
    for (uint32_t o = w->k; o-- > 0;) {
        bool full = o == c || w->count[o] >= most;
        w->less[o] = full ? INFINITY : dot(centroid(w, o), centroid(w, o), w->rows->dim) / 2;
        if (!full) room = o;
    }
    for (size_t i = 0; i < w->rows->n; i++) {
        if (w->part[i] == c) {
            x[m++] = row(w->rows, i);
            out[n++].i = i;
        }
        if (m == 0 || (m < NEAREST_ROWS && i + 1 < w->rows->n)) continue;
        kernels->nearest(&w->set, x, m, centre, score);
        for (size_t j = 0; j < m; j++) {
            struct near *o = &out[n - m + j];
            o->loss = dot(x[j], centroid(w, c), w->rows->dim) - own - score[j];
            o->to = isfinite(score[j]) ? centre[j] : room; /* What overflows is near to nothing. */
            if (!isfinite(o->loss)) o->loss = INFINITY;
        }
        m = 0;
    }
    return n;
}

/* Rows of parts that are too large go to the next nearest part with room, those first to which it makes the
 * least difference. Each round ends it, or fills another part. */
static void level(struct run *w, size_t most) {
    for (uint32_t c = 0; c < w->k; c++) {
        if (w->count[c] <= most) continue;
        struct near *all = mem_alloc(w->count[c] * sizeof(*all));
        while (w->count[c] > most) {
            size_t n = elsewhere(w, c, most, all);
            qsort(all, n, sizeof(*all), by_loss);
            for (size_t j = 0; j < n && w->count[c] > most; j++) {
                if (w->count[all[j].to] >= most) continue;
                w->part[all[j].i] = all[j].to;
                w->count[all[j].to]++;
                w->count[c]--;
            }
        }
        mem_free(all);
    }
}

static void add_exactly(double *restrict sum, const float *restrict x, uint32_t dim) {
    size_t d = 0;
    for (; d + STRIDE <= dim; d += STRIDE)
        for (size_t k = 0; k < STRIDE; k++) sum[d + k] += (double)x[d + k];
    for (; d < dim; d++) sum[d] += (double)x[d];
}

void kmeans_mean(const struct kmeans_rows *r, float *out) {
    double *sum = mem_calloc(r->dim, sizeof(*sum));
    for (size_t i = 0; i < r->n; i++) add_exactly(sum, row(r, i), r->dim);
    for (uint32_t d = 0; d < r->dim; d++) out[d] = r->n > 0 ? (float)(sum[d] / (double)r->n) : 0;
    mem_free(sum);
}

void kmeans(const struct kmeans_rows *r, uint32_t k, size_t most, unsigned passes, uint64_t seed, uint32_t *part,
            float *centroids) {
    assert(k > 0 && k * most >= r->n);
    size_t n = r->n, take = (size_t)k * SAMPLE_ROWS < n ? (size_t)k * SAMPLE_ROWS : n;
    if (n == 0) return;
    struct run w;
    run_init(&w, r, k, seed, part, centroids);
    size_t *sample = mem_alloc(n * sizeof(*sample));
    for (size_t i = 0; i < n; i++) sample[i] = i;
    draw(&w, sample, n, take);
    seeds(&w, sample, (size_t)k * SEED_ROWS < take ? (size_t)k * SEED_ROWS : take);
    double mean = 0;
    for (size_t i = 0; i < take; i++) mean += (double)dot(row(r, sample[i]), row(r, sample[i]), r->dim) / 2;
    mean /= (double)take;
    for (unsigned p = 0; p < passes; p++) {
        pack(&w);
        assign(&w, sample, take);
        means(&w, sample, take);
        penalise(&w, take, mean);
        settle_anew(&w, sample, take);
    }
    pack(&w);
    assign(&w, NULL, n);
    fill(&w);
    level(&w, most);
    means(&w, NULL, n);
    mem_free(sample);
    run_deinit(&w);
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
