/* ivf_job.c -- clusters made of vectors, and vectors encoded. */
#include "modules/vector/ivf_job.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/kernels.h"
#include "modules/vector/kmeans.h"
#include "modules/vector/lanes_kernels.h"
#include "modules/vector/rotate.h"

#define BUILD_CLUSTERS_MAX 512   /* More come by splits: one effect makes these. */
#define BUILD_BYTES_MAX (2 << 20) /* Of centroids, for the same reason. */
#define BUILD_PASSES 6
#define SPLIT_PASSES 6
#define SPLIT_MAX 64             /* Ways at a time. */
#define NODE_CLUSTERS 64         /* Of a node in a new index. */
#define MOVES_MAX 128

/* Few dimensions carry too little in a bit each: see vectors.md's figures for 100 and 768. */
uint8_t ivf_bits(uint32_t dim) {
    return dim >= 384 ? 1 : dim >= 48 ? 2 : 4;
}

void ivf_job_init(struct ivf_job *j, const struct vset_shape *s, const struct code_shape *c,
                  uint64_t seed) {
    *j = (struct ivf_job){.shape = *s, .code = *c, .seed = seed};
}

void ivf_job_deinit(struct ivf_job *j) {
    buf_free(&j->vectors);
    buf_free(&j->mean);
    buf_free(&j->centroids);
    buf_free(&j->slots);
    for (int i = 0; i < 3; i++) buf_free(&j->args[i]);
    mem_free(j->rows);
    mem_free(j->neighbours);
}

void ivf_job_add(struct ivf_job *j, uint32_t slot, const struct point *p) {
    if (j->n == j->cap) {
        j->cap = j->cap == 0 ? 256 : 2 * j->cap;
        j->rows = mem_realloc(j->rows, j->cap * sizeof(*j->rows));
    }
    j->rows[j->n++] = (struct ivf_job_row){slot, p->norm, p->range, p->zero};
    buf_append(&j->vectors, p->bytes, quant_bytes(j->shape.quant, j->shape.dim));
}

/* All rows, rotated: n x code.dim floats; the caller's. With a mean, framed. */
static float *rotated(const struct ivf_job *j) {
    size_t bytes = quant_bytes(j->shape.quant, j->shape.dim);
    float *y = mem_alloc((j->n + 1) * j->code.dim * sizeof(float));
    float *x = mem_alloc(j->shape.dim * sizeof(float));
    struct ivf_frame frame = {.scale = j->scale, .mean = j->mean.p};
    for (size_t i = 0; i < j->n; i++) {
        const struct ivf_job_row *r = &j->rows[i];
        struct point p = {.bytes = j->vectors.p + i * bytes, .norm = r->norm, .range = r->range,
                          .zero = r->zero};
        ivf_vector(&j->shape, &p, x);
        rotate(j->seed, x, j->shape.dim, y + i * j->code.dim);
        if (j->mean.n != 0) ivf__enframe(&frame, y + i * j->code.dim, j->code.dim, IVF_ROW_MOST);
    }
    mem_free(x);
    return y;
}

/* What half floats make of them. */
static void as_stored(float *centroids, size_t k, uint32_t dim) {
    uint8_t *half = mem_alloc(2 * (size_t)dim);
    for (size_t i = 0; i < k; i++) {
        half_from_floats(centroids + i * dim, dim, half);
        half_to_floats(half, dim, centroids + i * dim);
    }
    mem_free(half);
}

static void append_u32(buf *b, uint32_t n) {
    uint8_t p[4];
    put_u32(p, n);
    buf_append(b, p, 4);
}

static void append_half(buf *b, const float *x, uint32_t dim) {
    buf_reserve(b, 2 * (size_t)dim);
    half_from_floats(x, dim, b->p + b->n);
    b->n += 2 * (size_t)dim;
}

/* ---- a new index ------------------------------------------------------------------------------------ */

void ivf_job_build(struct ivf_job *j) {
    uint32_t dim = j->code.dim;
    uint8_t bits = j->code.bits, seed[8];
    float *y = rotated(j), *centroids = NULL;
    j->scale = ivf__frame_find(y, j->n, dim, j->code.product, &j->mean);
    uint32_t *part = mem_alloc((j->n + 1) * sizeof(*part));
    size_t most = BUILD_BYTES_MAX / (2 * (size_t)dim);
    if (most > BUILD_CLUSTERS_MAX) most = BUILD_CLUSTERS_MAX;
    if (most < 1) most = 1;
    /* Rows of a cluster among these, so that it has IVF_LEAF among all; at least a few. */
    size_t target = (size_t)((uint64_t)IVF_LEAF * j->n / (j->of > j->n ? j->of : j->n));
    if (target < 8) target = 8;
    if (j->n / target + 1 > most / 2) target = 2 * j->n / most + 1;
    struct kmeans_rows rows = {.x = y, .n = j->n, .dim = dim};
    size_t k = kmeans_tree(&rows, target, BUILD_PASSES, j->seed, part, &centroids);
    size_t ways = k / NODE_CLUSTERS + 1;
    uint32_t *node = mem_calloc(k, sizeof(*node));
    float *means = mem_alloc(ways * dim * sizeof(float));
    struct kmeans_rows c = {.x = centroids, .n = k, .dim = dim};
    if (ways > 1) kmeans(&c, (uint32_t)ways, 2 * (k / ways + 1), BUILD_PASSES, j->seed, node, means);
    /* Node by node; those that have none are left out. */
    uint32_t number = 0;
    for (size_t w = 0; w < ways; w++) {
        bool any = false;
        for (size_t i = 0; i < k; i++) {
            if (node[i] != w) continue;
            append_u32(&j->args[2], number);
            append_half(&j->args[2], centroids + i * dim, dim);
            any = true;
        }
        number += any;
    }
    buf_append(&j->args[0], &bits, 1);
    put_u64(seed, j->seed);
    buf_append(&j->args[1], seed, 8);
    buf_append(&j->args[1], &j->scale, 4);
    buf_append_slice(&j->args[1], slice_of(&j->mean));
    j->argc = 3;
    mem_free(y);
    mem_free(centroids);
    mem_free(part);
    mem_free(node);
    mem_free(means);
}

/* ---- a split ------------------------------------------------------------------------------------------ */

struct cut {
    struct ivf_job *j;
    float *y, *centroids; /* of the children, as they will be stored */
    uint32_t *part;
    size_t k;
    uint32_t *move;       /* a neighbour, or IVF_NONE */
};

static const float *row_at(const struct cut *c, size_t i) { return c->y + i * c->j->code.dim; }

static void make_parts(struct cut *c) {
    struct ivf_job *j = c->j;
    uint32_t dim = j->code.dim;
    struct kmeans_rows rows = {.x = c->y, .n = j->n, .dim = dim};
    size_t k = j->n <= IVF_LEAF_MAX ? 1 : (j->n + IVF_LEAF / 2) / IVF_LEAF;
    if (k > SPLIT_MAX) {
        size_t target = j->n / (IVF_CHILDREN_MAX / 4); /* Parts may come out half as large. */
        c->k = kmeans_tree(&rows, target > IVF_LEAF ? target : IVF_LEAF, SPLIT_PASSES, j->seed ^ j->generation, c->part,
                           &c->centroids);
    } else {
        c->k = k;
        c->centroids = mem_calloc(k * dim, sizeof(float));
        size_t most = j->n / k + j->n / (2 * k) + 1;
        if (k == 1) kmeans_mean(&rows, c->centroids);
        else kmeans(&rows, (uint32_t)k, most, SPLIT_PASSES, j->seed ^ j->generation, c->part, c->centroids);
    }
    as_stored(c->centroids, c->k, dim);
}

/* Rows go to the child that is really nearest, if that leaves no child with most of them. */
static void to_nearest(struct cut *c) {
    struct ivf_job *j = c->j;
    uint8_t *half = mem_alloc(c->k * 2 * j->code.dim);
    uint32_t *best = mem_alloc(j->n * sizeof(*best));
    size_t *count = mem_calloc(c->k, sizeof(*count)), most = 0;
    for (size_t k = 0; k < c->k; k++)
        half_from_floats(c->centroids + k * j->code.dim, j->code.dim, half + k * 2 * j->code.dim);
    for (size_t i = 0; i < j->n; i++) {
        best[i] = c->part[i];
        float least = half_l2_square(row_at(c, i), half + best[i] * (size_t)2 * j->code.dim, j->code.dim);
        for (size_t k = 0; k < c->k; k++) {
            float d = half_l2_square(row_at(c, i), half + k * 2 * j->code.dim, j->code.dim);
            if (!(d < least * 0.9999f)) continue; /* Equal rows stay apart. */
            least = d;
            best[i] = (uint32_t)k;
        }
        count[best[i]]++;
    }
    for (size_t k = 0; k < c->k; k++) most = count[k] > most ? count[k] : most;
    if (c->k > 1 && most <= j->n - j->n / 4) memcpy(c->part, best, j->n * sizeof(*best));
    mem_free(half);
    mem_free(best);
    mem_free(count);
}

/* The neighbours' centroids in tiles: *out borrows what is returned, the caller's. */
static float *neighbour_tiles(const struct ivf_job *j, struct nearest *out) {
    uint32_t dim = j->code.dim, n = (uint32_t)j->neighbours_n;
    uint32_t count = (n + NEAREST_TILE - 1) / NEAREST_TILE * NEAREST_TILE;
    float *room = mem_calloc(((size_t)count + 1) * dim + count, sizeof(float));
    float *tiles = room + dim, *less = tiles + (size_t)count * dim;
    for (uint32_t k = 0; k < count; k++) less[k] = INFINITY;
    for (uint32_t k = 0; k < n; k++) {
        half_to_floats(j->centroids.p + k * 2 * (size_t)dim, dim, room);
        less[k] = lanes_best()->square(room, dim) / 2;
        float *tile = tiles + (size_t)(k / NEAREST_TILE) * NEAREST_TILE * dim + k % NEAREST_TILE;
        for (uint32_t d = 0; d < dim; d++) tile[NEAREST_TILE * (size_t)d] = room[d];
    }
    *out = (struct nearest){.dim = dim, .count = count, .tiles = tiles, .less = less};
    return room;
}

#define NEARER 0.9999f /* Equal distances, but for rounding, are no reason to move. */
#define ROUGH 1e-4f    /* How wrong a difference of products may be, of the row's square. */

/* Is the neighbour nearer than the row's own centroid? score: their product, less half the centroid's square. */
static bool is_nearer(const struct cut *c, size_t i, uint32_t neighbour, float score) {
    const struct ivf_job *j = c->j;
    uint32_t dim = j->code.dim;
    const float *x = row_at(c, i), *m = c->centroids + c->part[i] * (size_t)dim;
    float square = lanes_best()->square(x, dim);
    float mine = kernels_best()->l2_f32((const uint8_t *)x, 1, (const uint8_t *)m, 1, dim);
    if (square - 2 * score - ROUGH * square > mine * NEARER) return false;
    return half_l2_square(x, j->centroids.p + neighbour * 2 * (size_t)dim, dim) < mine * NEARER;
}

/* Rows that a neighbour is nearer to; all of them when the cluster goes away. */
static void to_neighbours(struct cut *c, bool all) {
    struct ivf_job *j = c->j;
    struct nearest set;
    size_t moves = 0, n = 0;
    for (size_t i = 0; i < j->n; i++) c->move[i] = IVF_NONE;
    if (j->neighbours_n == 0) return;
    float *room = neighbour_tiles(j, &set);
    for (size_t from = 0; from < j->n && (all || moves < MOVES_MAX); from += n) {
        const float *x[NEAREST_ROWS];
        uint32_t to[NEAREST_ROWS];
        float score[NEAREST_ROWS];
        for (n = 0; n < NEAREST_ROWS && from + n < j->n; n++) x[n] = row_at(c, from + n);
        lanes_best()->nearest(&set, x, n, to, score);
        for (size_t i = 0; i < n && (all || moves < MOVES_MAX); i++) {
            if (!all && !is_nearer(c, from + i, to[i], score[i])) continue;
            c->move[from + i] = to[i];
            moves++;
        }
    }
    mem_free(room);
}

static void append_row(struct cut *c, buf *out, size_t i, const uint8_t *centroid) {
    const struct code_shape *s = &c->j->code;
    struct code_factors f;
    buf_reserve(out, code_bytes(s) + 12);
    ivf__encode(s, row_at(c, i), centroid, out->p + out->n, &f);
    out->n += code_bytes(s);
    buf_append(out, (const uint8_t *)&f.add, 4);
    buf_append(out, (const uint8_t *)&f.resc, 4);
    buf_append(out, (const uint8_t *)&f.err, 4);
}

static void append_child(struct cut *c, size_t k, uint32_t *children) {
    struct ivf_job *j = c->j;
    buf *out = &j->args[1];
    uint32_t n = 0;
    for (size_t i = 0; i < j->n; i++) n += c->part[i] == k && c->move[i] == IVF_NONE;
    if (n == 0) return;
    size_t at = out->n;
    append_half(out, c->centroids + k * j->code.dim, j->code.dim);
    append_u32(out, n);
    uint8_t *half = mem_alloc(2 * (size_t)j->code.dim);
    memcpy(half, out->p + at, 2 * (size_t)j->code.dim);
    for (size_t i = 0; i < j->n; i++) {
        if (c->part[i] != k || c->move[i] != IVF_NONE) continue;
        append_u32(out, j->rows[i].slot);
        append_row(c, out, i, half);
    }
    mem_free(half);
    (*children)++;
}

static uint32_t append_moves(struct cut *c) {
    struct ivf_job *j = c->j;
    uint32_t moves = 0;
    for (size_t i = 0; i < j->n; i++) {
        uint32_t to = c->move[i];
        if (to == IVF_NONE) continue;
        append_u32(&j->args[2], j->rows[i].slot);
        append_u32(&j->args[2], j->neighbours[to].cluster);
        append_u32(&j->args[2], j->neighbours[to].generation);
        append_row(c, &j->args[2], i, j->centroids.p + to * (size_t)2 * j->code.dim);
        moves++;
    }
    return moves;
}

void ivf_job_split(struct ivf_job *j) {
    struct cut c = {.j = j, .y = rotated(j)};
    bool away = j->n < IVF_LEAF_MIN && j->neighbours_n > 0;
    uint32_t children = 0;
    c.part = mem_calloc(j->n + 1, sizeof(*c.part));
    c.move = mem_alloc((j->n + 1) * sizeof(*c.move));
    if (!away) {
        assert(j->n > 0);
        make_parts(&c);
        to_nearest(&c);
    }
    to_neighbours(&c, away);
    for (size_t k = 0; k < c.k; k++) append_child(&c, k, &children);
    uint32_t moves = append_moves(&c);
    const uint32_t head[] = {j->cluster, j->generation, j->removals, j->seen, children, moves};
    for (size_t i = 0; i < 6; i++) append_u32(&j->args[0], head[i]);
    j->argc = 3;
    mem_free(c.y);
    mem_free(c.centroids);
    mem_free(c.part);
    mem_free(c.move);
}
