/* ivf_route.c -- from a vector to the clusters near it.
 *
 * The clusters of a node have codes, as vectors of a cluster have: estimates choose the few whose centroids are
 * measured. A scan of ten thousand centroids' codes costs some microseconds, and so a search looks at all nodes until
 * there are very many; the distance from nodes alone would miss too many clusters. */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/lanes_kernels.h"
#include "modules/vector/rotate.h"

void ivf__routes_free(struct ivf_routes *r) {
    mem_free(r->r);
    *r = (struct ivf_routes){0};
}

static int nearer(const void *a, const void *b) {
    const struct ivf_route *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->cluster < y->cluster ? -1 : x->cluster > y->cluster;
}

void ivf__target_init(struct ivf_target *t, const struct code_shape *c, const float *y) {
    t->room = mem_alloc(code_groups(c) * (size_t)16 + 32);
    t->y = y;
    code_query_init(&t->query, c, y, t->room + (32 - (uintptr_t)t->room % 32) % 32);
    code_query_rounding(&t->query, IVF_SIGMAS);
}

void ivf__target_deinit(struct ivf_target *t) { mem_free(t->room); }

/* What is stored may be none; what is farther than a float can say is still a candidate. */
static float number(float d) { return d < FLT_MAX ? d : FLT_MAX; }

static float square(const struct ivf *ix, const float *y, const uint8_t *centroid) {
    return number(half_l2_square(y, centroid, ix->code.dim));
}

static void add(struct ivf_routes *out, struct ivf_route r) {
    if (out->n == out->cap) {
        out->cap = out->cap == 0 ? 256 : 2 * out->cap;
        out->r = mem_realloc(out->r, out->cap * sizeof(*out->r));
    }
    out->r[out->n++] = r;
}

/* The nodes, the nearest first. */
static int nodes_by_distance(const struct value *v, const struct ivf *ix, const float *y,
                             struct ivf_routes *nodes) {
    slice root;
    int rc = ivf__root_and_nodes(v, &ix->code, &root);
    if (rc != OK) return rc;
    for (uint32_t i = 0; i < route_n(root); i++) {
        const uint8_t *at = route_at(root, &ix->code, i);
        float d = square(ix, y, at + 4), dot = 0;
        if (ix->code.product) dot = number(-half_dot(y, at + 4, ix->code.dim));
        add(nodes, (struct ivf_route){.distance = ix->code.product ? dot : d,
                                      .square = d,
                                      .node = get_u32(at)});
    }
    if (nodes->n > 1) qsort(nodes->r, nodes->n, sizeof(*nodes->r), nearer);
    return OK;
}

#define ROW_BITS 12 /* of a candidate's number: the others say which of the nodes */
#define ROUTE_SIGMAS 1.9f

static void scan_node(const struct ivf *ix, const struct ivf_target *t, const struct ivf_route *node, slice page,
                      uint32_t ordinal, struct ivf_best *best) {
    float est[CODE_ROWS], err[CODE_ROWS], spread = ROUTE_SIGMAS * sqrtf(node->square);
    uint32_t n = route_n(page);
    for (uint32_t from = 0; from < n; from += CODE_ROWS) {
        const uint8_t *at = node_block(page, &ix->code, from / CODE_ROWS);
        uint32_t rows = block_scan(&t->query, at + 4 * CODE_ROWS, node->distance, spread, best->limit, est, err);
        for (; rows != 0; rows &= rows - 1) {
            unsigned i = (unsigned)__builtin_ctz(rows);
            if (from + i >= n || est[i] - err[i] > best->limit) continue;
            ivf__best_add(best, est[i], err[i], ordinal << ROW_BITS | (from + i));
        }
    }
}

#define MEASURE_AHEAD 8

/* From estimates to distances. page: of each node. */
static int measure(const struct value *v, const struct ivf *ix, const struct ivf_target *t,
                   const struct ivf_routes *nodes, const slice *page, struct ivf_best *best, struct ivf_routes *out) {
    uint32_t next = get_u32(ivf__meta(v) + IM_NEXT), mask = (1u << ROW_BITS) - 1;
    ivf__best_prune(best);
    for (size_t i = 0; i < best->n + MEASURE_AHEAD; i++) {
        if (i < best->n) {
            uint32_t found = best->found[i].slot;
            mem_ahead(node_centroid(page[found >> ROW_BITS], &ix->code, found & mask), 2 * (size_t)ix->code.dim);
        }
        if (i < MEASURE_AHEAD) continue;
        uint32_t found = best->found[i - MEASURE_AHEAD].slot, ordinal = found >> ROW_BITS;
        const uint8_t *centroid = node_centroid(page[ordinal], &ix->code, found & mask);
        struct ivf_route r = {.cluster = node_child(page[ordinal], &ix->code, found & mask),
                              .node = nodes->r[ordinal].node,
                              .centroid = centroid};
        r.square = square(ix, t->y, centroid);
        r.distance = ix->code.product ? number(-half_dot(t->y, centroid, ix->code.dim)) : r.square;
        if (r.cluster >= next) return ERR_CORRUPT;
        add(out, r);
    }
    return OK;
}

/* The `want` nearest come first, in order. room: for as many as there are. */
static void nearest_first(struct ivf_routes *out, size_t want, struct ivf_candidate *room) {
    struct ivf_route *r = mem_alloc((out->n + 1) * sizeof(*r));
    for (size_t i = 0; i < out->n; i++) room[i] = (struct ivf_candidate){.est = out->r[i].distance, .slot = (uint32_t)i};
    ivf__least_first(room, out->n, want);
    for (size_t i = 0; i < out->n; i++) r[i] = out->r[room[i].slot];
    mem_free(out->r);
    out->r = r;
    out->cap = out->n + 1;
}

/* Those as near as the last wanted one come behind it. */
static size_t with_ties(struct ivf_routes *out, size_t want, size_t most) {
    if (want == 0) return 0;
    float last = out->r[want - 1].distance;
    for (size_t i = want; i < out->n && want < most; i++) {
        if (out->r[i].distance != last) continue;
        struct ivf_route r = out->r[want];
        out->r[want++] = out->r[i];
        out->r[i] = r;
    }
    return want;
}

int ivf__route(const struct value *v, const struct ivf *ix, const struct ivf_target *t, size_t least, size_t want,
               size_t ties, struct ivf_routes *out) {
    struct ivf_routes nodes = {0};
    struct ivf_best best;
    size_t seen = 0;
    int answer = OK;
    out->n = 0;
    int rc = nodes_by_distance(v, ix, t->y, &nodes);
    slice *page = mem_alloc((nodes.n + 1) * sizeof(*page));
    ivf__best_init(&best, want);
    for (size_t i = 0; rc == OK && i < nodes.n && i < 1u << (32 - ROW_BITS) && seen < least; i++) {
        rc = ivf__node(v, &ix->code, nodes.r[i].node, &page[i]);
        if (rc == ERR_COLD) { /* As if it had some clusters: one round asks for all nodes. */
            answer = rc;
            rc = OK;
            seen += IVF_NODE_MAX / 2;
        } else if (rc == OK) {
            scan_node(ix, t, &nodes.r[i], page[i], (uint32_t)i, &best);
            seen += route_n(page[i]);
        }
    }
    if (rc == OK) rc = answer;
    if (rc == OK) rc = measure(v, ix, t, &nodes, page, &best, out);
    if (rc == OK) {
        if (want > out->n) want = out->n;
        assert(out->n == best.n); /* One was measured for each that was found. */
        if (out->n > 0) nearest_first(out, want, best.found);
        out->n = with_ties(out, want, want + ties);
    }
    mem_free(page);
    ivf__best_deinit(&best);
    ivf__routes_free(&nodes);
    return rc;
}

/* ---- vectors as the index sees them ----------------------------------------------------- */

/* Of bytes, most vectors are products that need no look at each. */
static bool vector_of_bytes(const struct vset_shape *s, const struct point *p, float *x) {
    float by = p->zero ? 0 : p->range / 127;
    if (s->metric != METRIC_COSINE) by *= p->norm;
    if (!(fabsf(by) <= FLT_MAX / 128)) return false;
    lanes_best()->bytes_to_floats(p->bytes, s->dim, by, x);
    return true;
}

void ivf_vector(const struct vset_shape *s, const struct point *p, float *x) {
    if (s->quant == QUANT_INT8 && vector_of_bytes(s, p, x)) return;
    quant_decode(s->quant, p, s->dim, x);
    float scale = 1;
    if (p->zero) {
        scale = 0;
    } else if (s->quant == QUANT_BIN) { /* Signs: of length sqrt(dim). */
        scale = 1 / sqrtf((float)s->dim);
        if (s->metric != METRIC_COSINE) scale *= p->norm;
    } else if (s->metric == METRIC_COSINE) {
        scale = 1 / p->norm;
    }
    for (uint32_t i = 0; i < s->dim; i++) {
        float y = scale == 0 ? 0 : x[i] * scale;
        x[i] = y - y == 0 ? y : 0; /* Infinite, or not a number: it is never near to anything. */
    }
}

double ivf_distance(enum vector_metric m, double distance, double unit) {
    switch (m) {
    case METRIC_COSINE: return 2 * distance * unit;
    case METRIC_L2: return distance * distance * unit;
    case METRIC_IP: return distance * unit;
    }
    return 0;
}
