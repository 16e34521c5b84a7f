/* vectors_data.c -- clustered vectors from a seed, about as hard to search as real ones.
 *
 *   vectors_data sift|text|word ROWS QUERIES SEED PREFIX
 *
 * writes PREFIX.base.f32 and PREFIX.query.f32 (rows of floats) and PREFIX.cluster.i32
 * (the cluster of each row of base). `sift` is 128 dimensions of whole numbers 0..255, to
 * be compared by L2, after local image features; `text` is 768 dimensions of unit length,
 * by cosine, after embeddings of text; `word` is the same in 96 dimensions.
 *
 *      offset (text: one direction that all share)
 *        + topic (100 or 150)
 *          + cluster (4,000 or 6,000, few large, many small: a power law)
 *            + 12 to 32 directions, each weaker than the one before
 *              + a little noise in all dimensions
 *
 * Three of four directions come from a pool that the clusters of a topic share, so that
 * clusters lie along common sheets and a query's neighbours in several of them: without
 * this, one probe would find everything. A factor for each row spreads it more or less,
 * which makes some queries hard. Queries are further draws of the same mixture.
 *
 * Row i depends on the seed and i alone: a smaller set is the head of a larger one. */
#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rnd.h"

#define DIM_MAX 768
#define DIRECTIONS_MAX 32
#define THREADS 2
#define QUERY_STREAM (1ULL << 40) /* Above every row's number. */

struct preset {
    const char *name;
    uint32_t dim, clusters, topics, pool;
    uint32_t directions_min, directions_max;
    double skew;                         /* a cluster's weight is (rank + 10)^-skew */
    double decay;                        /* the j-th direction's is j^-decay */
    double topic, cluster, local, noise; /* standard deviations */
    double offset;                       /* length of what all share */
    double level;                        /* added to each dimension */
    bool unit; /* rows have length 1; else they are whole numbers 0..255 */
};

/* Where rows have length 1, lengths of topics and clusters are those of whole vectors, whatever dim is. */
static const struct preset presets[] = {
    {"sift", 128, 4000, 100, 40, 12, 24, .7, .55, 6, 6, 76, 5, 0, 28, false},
    {"text", 768, 6000, 150, 48, 16, 32, .8, .5, .14, .11, .27, .012, .75, 0, true},
    {"word", 96, 20000, 200, 48, 12, 24, .8, .5, .14, .11, .27, .02, .75, 0, true},
};

struct cluster {
    uint32_t directions;
    double weights_until; /* of this and all before it */
    const float *direction[DIRECTIONS_MAX];
};

struct mixture {
    const struct preset *preset;
    uint64_t seed;
    float *centres, *pool, *own; /* rows of dim */
    struct cluster *clusters;
    float offset[DIM_MAX];
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *must(void *p) {
    if (p == NULL) fail("memory");
    return p;
}

/* ---- chance ------------------------------------------------------------------------ */

struct draws {
    rnd r;
    bool has_spare;
    double spare;
};

static void draws_init(struct draws *d, uint64_t seed, uint64_t stream) {
    d->has_spare = false;
    rnd_seed(&d->r, seed * 0x9e3779b97f4a7c15u ^ stream * 0xd1342543de82ef95u);
}

/* Marsaglia's polar method: two at a time. */
static double normal(struct draws *d) {
    double x, y, square;
    if (d->has_spare) {
        d->has_spare = false;
        return d->spare;
    }
    do {
        x = 2 * rnd_unit(&d->r) - 1;
        y = 2 * rnd_unit(&d->r) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    double f = sqrt(-2 * log(square) / square);
    d->has_spare = true;
    d->spare = y * f;
    return x * f;
}

static void scale_to(float *x, uint32_t dim, double length) {
    double square = 0;
    for (uint32_t i = 0; i < dim; i++) square += (double)x[i] * (double)x[i];
    double f = length / sqrt(square);
    for (uint32_t i = 0; i < dim; i++) x[i] = (float)((double)x[i] * f);
}

static void direction(struct draws *d, float *x, uint32_t dim) {
    for (uint32_t i = 0; i < dim; i++) x[i] = (float)normal(d);
    scale_to(x, dim, 1);
}

/* ---- the mixture ------------------------------------------------------------------- */

static void mixture_clusters(struct mixture *m, struct draws *d, const float *topics,
                             double unit) {
    const struct preset *p = m->preset;
    double weights = 0;
    for (uint32_t c = 0; c < p->clusters; c++) {
        uint32_t topic = (uint32_t)rnd_below(&d->r, p->topics);
        struct cluster *to = &m->clusters[c];
        for (uint32_t i = 0; i < p->dim; i++) {
            double x = (double)topics[(size_t)topic * p->dim + i];
            x += p->level + p->cluster * unit * normal(d);
            m->centres[(size_t)c * p->dim + i] = (float)x;
        }
        weights += pow(c + 10, -p->skew);
        to->weights_until = weights;
        to->directions =
            p->directions_min +
            (uint32_t)rnd_below(&d->r, p->directions_max - p->directions_min + 1);
        for (uint32_t j = 0; j < to->directions; j++) {
            float *own = m->own + ((size_t)c * p->directions_max + j) * p->dim;
            direction(d, own, p->dim);
            to->direction[j] =
                j % 4 == 3 ? own
                           : m->pool + (size_t)((topic * 37 + j) % p->pool) * p->dim;
        }
    }
}

static void mixture_init(struct mixture *m, const struct preset *p, uint64_t seed) {
    assert(p->dim <= DIM_MAX && p->directions_max <= DIRECTIONS_MAX);
    struct draws d;
    draws_init(&d, seed, ~0ULL);
    double unit = p->unit ? 1 / sqrt(p->dim) : 1;
    m->preset = p;
    m->seed = seed;
    float *topics = must(calloc((size_t)p->topics * p->dim, sizeof(float)));
    for (size_t i = 0; i < (size_t)p->topics * p->dim; i++)
        topics[i] = (float)(p->topic * unit * normal(&d));
    m->pool = must(calloc((size_t)p->pool * p->dim, sizeof(float)));
    for (uint32_t i = 0; i < p->pool; i++)
        direction(&d, m->pool + (size_t)i * p->dim, p->dim);
    m->centres = must(calloc((size_t)p->clusters * p->dim, sizeof(float)));
    m->own =
        must(calloc((size_t)p->clusters * p->directions_max * p->dim, sizeof(float)));
    m->clusters = must(calloc(p->clusters, sizeof(*m->clusters)));
    mixture_clusters(m, &d, topics, unit);
    free(topics);
    memset(m->offset, 0, sizeof(m->offset));
    if (p->offset == 0) return;
    /* Few dimensions carry most of it, as in what networks make. */
    for (uint32_t i = 0; i < p->dim; i++)
        m->offset[i] = (float)(normal(&d) * exp(normal(&d)));
    scale_to(m->offset, p->dim, p->offset);
}

static void mixture_free(struct mixture *m) {
    free(m->centres);
    free(m->pool);
    free(m->own);
    free(m->clusters);
}

static uint32_t draw_cluster(const struct mixture *m, struct draws *d) {
    uint32_t low = 0, high = m->preset->clusters - 1;
    double at = rnd_unit(&d->r) * m->clusters[high].weights_until;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (m->clusters[mid].weights_until < at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Row `stream`, into x; the cluster that it is of. */
static uint32_t row(const struct mixture *m, uint64_t stream, float *x) {
    const struct preset *p = m->preset;
    struct draws d;
    draws_init(&d, m->seed, stream);
    uint32_t c = draw_cluster(m, &d);
    const struct cluster *of = &m->clusters[c];
    memcpy(x, m->centres + (size_t)c * p->dim, p->dim * sizeof(float));
    double spread = p->local * exp(.35 * normal(&d));
    for (uint32_t j = 0; j < of->directions; j++) {
        float a = (float)(spread * pow(j + 1, -p->decay) * normal(&d));
        for (uint32_t i = 0; i < p->dim; i++) x[i] += a * of->direction[j][i];
    }
    for (uint32_t i = 0; i < p->dim; i++)
        x[i] += (float)(p->noise * normal(&d)) + m->offset[i];
    if (p->unit) {
        scale_to(x, p->dim, 1);
        return c;
    }
    for (uint32_t i = 0; i < p->dim; i++) x[i] = floorf(fminf(fmaxf(x[i], 0), 255) + .5f);
    return c;
}

/* ---- files ------------------------------------------------------------------------- */

struct part {
    const struct mixture *m;
    uint64_t from, to, stream;
    float *rows;
    int32_t *clusters; /* NULL: not wanted */
};

static void *part_run(void *cookie) {
    struct part *p = cookie;
    for (uint64_t i = p->from; i < p->to; i++) {
        uint32_t c = row(p->m, p->stream + i, p->rows + i * p->m->preset->dim);
        if (p->clusters != NULL) p->clusters[i] = (int32_t)c;
    }
    return NULL;
}

/* Maps a new file of so many bytes for writing. */
static void *file_map(const char *prefix, const char *suffix, size_t bytes) {
    char path[4096];
    if ((size_t)snprintf(path, sizeof(path), "%s.%s", prefix, suffix) >= sizeof(path)) {
        fprintf(stderr, "the prefix is too long\n");
        exit(2);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) fail(path);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) fail(path);
    (void)close(fd); /* The mapping stays. */
    return p;
}

static void emit(const struct mixture *m, const char *prefix, const char *suffix,
                 uint64_t rows, uint64_t stream, bool with_clusters) {
    pthread_t threads[THREADS];
    struct part parts[THREADS];
    size_t bytes = rows * m->preset->dim * sizeof(float);
    float *to = file_map(prefix, suffix, bytes);
    int32_t *clusters =
        with_clusters ? file_map(prefix, "cluster.i32", rows * sizeof(int32_t)) : NULL;
    for (uint64_t t = 0; t < THREADS; t++) {
        parts[t] = (struct part){
            m, rows * t / THREADS, rows * (t + 1) / THREADS, stream, to, clusters};
        if (pthread_create(&threads[t], NULL, part_run, &parts[t]) != 0) fail("thread");
    }
    for (uint64_t t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    (void)munmap(to, bytes);
    if (clusters != NULL) (void)munmap(clusters, rows * sizeof(int32_t));
}

static uint64_t number(const char *s) {
    char *end;
    unsigned long long n = strtoull(s, &end, 10);
    if (*s < '0' || *s > '9' || *end != '\0' || n == 0 || n >= QUERY_STREAM) {
        fprintf(stderr, "%s is not a number above 0\n", s);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv) {
    const struct preset *p = NULL;
    struct mixture m;
    for (size_t i = 0; argc == 6 && i < sizeof(presets) / sizeof(*presets); i++)
        if (strcmp(argv[1], presets[i].name) == 0) p = &presets[i];
    if (p == NULL) {
        fprintf(stderr, "usage: vectors_data sift|text|word ROWS QUERIES SEED PREFIX\n");
        return 2;
    }
    uint64_t rows = number(argv[2]), queries = number(argv[3]);
    mixture_init(&m, p, number(argv[4]));
    emit(&m, argv[5], "base.f32", rows, 0, true);
    emit(&m, argv[5], "query.f32", queries, QUERY_STREAM, false);
    mixture_free(&m);
    return 0;
}
