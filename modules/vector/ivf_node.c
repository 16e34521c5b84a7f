/* ivf_node.c -- a node of too many clusters becomes two: work beside the loop, and the effect VECTOR_NODE.
 *
 *   args[0]: u32 node | the index's generation | children, in the order of the node's page
 *   args[1]: the two nodes' own centroids, as half floats
 *   args[2]: for each child: u32 cluster | side, 0 or 1 | code, factors, relative to the centroid of its side
 *
 * It follows the split of a cluster that made the node too large. A centroid never changes under its cluster's number and
 * generation, and each new one counts the index's generation up: so the children are what they were when the work began
 * if that and their numbers are. Those of side 0 stay in the node; the others come to a new one. A split of a node that is
 * lost on the way is made up for by the node's next one. */
#include <string.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/ivf_job.h"
#include "modules/vector/kmeans.h"

#define NODE_FLOATS (128 << 10) /* Of all centroids of a node: half of them are moved in one go. */
#define NODE_LEAST 32           /* But so many clusters may be in one, */
#define NODE_FEW 4              /* as far as a page holds them. */

/* ---- means of centroids ------------------------------------------------------------------------- */

void ivf__mean_init(struct ivf_mean *m, const struct code_shape *c) {
    m->sum = mem_calloc(2 * (size_t)c->dim, sizeof(float));
    m->half = mem_alloc(2 * (size_t)c->dim);
    m->n = 0;
}

void ivf__mean_deinit(struct ivf_mean *m) {
    mem_free(m->sum);
    mem_free(m->half);
}

void ivf__mean_add(struct ivf_mean *m, const struct code_shape *c, const uint8_t *half) {
    float *x = m->sum + c->dim;
    half_to_floats(half, c->dim, x);
    for (uint32_t d = 0; d < c->dim; d++) m->sum[d] += x[d];
    m->n++;
}

const uint8_t *ivf__mean_half(struct ivf_mean *m, const struct code_shape *c) {
    float by = m->n > 0 ? 1 / (float)m->n : 0;
    for (uint32_t d = 0; d < c->dim; d++) m->sum[d] *= by;
    half_from_floats(m->sum, c->dim, m->half);
    return m->half;
}

/* ---- which ones -------------------------------------------------------------------------------- */

/* When the dimension is large a node has fewer children: a page holds fewer, and to move them takes longer. */
static uint32_t node_max(const struct code_shape *c) {
    size_t fit = (PAGE_BYTES_MAX / 4 - ROUTE_HEAD) / route_stride(c), quick = NODE_FLOATS / c->dim;
    if (quick < NODE_LEAST) quick = NODE_LEAST;
    if (fit > quick) fit = quick;
    return fit < NODE_FEW ? NODE_FEW : fit < IVF_NODE_MAX ? (uint32_t)fit : IVF_NODE_MAX;
}

/* With a full root a node grows; there is room for it. */
static bool wide(const struct code_shape *c, slice node, slice root) {
    return route_n(node) > node_max(c) && root.n + 2 * route_stride(c) <= PAGE_BYTES_MAX;
}

/* ---- beside the loop ---------------------------------------------------------------------------- */

int ivf_job_gather_node(struct ivf_job *j, const struct value *v, uint32_t cluster) {
    struct ivf ix;
    slice page, root;
    ivf_read(v, &ix);
    int rc = ivf__parent(v, cluster, &j->cluster);
    if (rc == OK) rc = ivf__node(v, &ix.code, j->cluster, &page);
    if (rc == OK) rc = ivf__root(v, &ix.code, &root);
    if (rc != OK) return rc;
    if (!wide(&ix.code, page, root)) return ERR_NOTFOUND;
    j->generation = get_u32(ivf__meta(v) + IM_GENERATION);
    buf_append_slice(&j->centroids, page);
    return OK;
}

static void append_u32(buf *b, uint32_t n) {
    uint8_t p[4];
    put_u32(p, n);
    buf_append(b, p, 4);
}

void ivf_job_node(struct ivf_job *j) {
    const struct code_shape *c = &j->code;
    slice page = slice_of(&j->centroids);
    uint32_t n = route_n(page), *part = mem_calloc(n, sizeof(*part));
    size_t half = 2 * (size_t)c->dim;
    float *x = mem_alloc(n * (size_t)c->dim * sizeof(float)), *mean = mem_alloc(2 * (size_t)c->dim * sizeof(float));
    uint8_t *code = mem_alloc(code_bytes(c));
    struct code_factors f;
    for (uint32_t i = 0; i < n; i++) half_to_floats(node_centroid(page, c, i), c->dim, x + i * (size_t)c->dim);
    struct kmeans_rows rows = {.x = x, .n = n, .dim = c->dim};
    kmeans(&rows, 2, n - n / 4, 4, j->seed + n, part, mean);
    for (uint32_t side = 0; side < 2; side++) {
        struct ivf_mean own;
        ivf__mean_init(&own, c);
        for (uint32_t i = 0; i < n; i++)
            if (part[i] == side) ivf__mean_add(&own, c, node_centroid(page, c, i));
        buf_append(&j->args[1], ivf__mean_half(&own, c), half);
        ivf__mean_deinit(&own);
    }
    for (uint32_t i = 0; i < n; i++) {
        append_u32(&j->args[2], node_child(page, c, i));
        append_u32(&j->args[2], part[i]);
        ivf__encode(c, x + i * (size_t)c->dim, j->args[1].p + part[i] * half, code, &f);
        buf_append(&j->args[2], code, code_bytes(c));
        buf_append(&j->args[2], (const uint8_t *)&f.add, 4);
        buf_append(&j->args[2], (const uint8_t *)&f.resc, 4);
        buf_append(&j->args[2], (const uint8_t *)&f.err, 4);
    }
    append_u32(&j->args[0], j->cluster);
    append_u32(&j->args[0], j->generation);
    append_u32(&j->args[0], n);
    j->argc = 3;
    mem_free(x);
    mem_free(mean);
    mem_free(part);
    mem_free(code);
}

/* ---- the effect --------------------------------------------------------------------------------- */

#define CHILD_HEAD 8

static size_t child_bytes(const struct code_shape *c) { return CHILD_HEAD + code_bytes(c) + 12; }

/* Is the page what it was for whoever made the arguments? */
static bool fits(const struct value *v, const struct code_shape *c, const uint8_t *head, slice children, slice page) {
    uint32_t n = get_u32(head + 8);
    if (route_n(page) != n || get_u32(head + 4) != get_u32(ivf__meta(v) + IM_GENERATION)) return false;
    for (uint32_t i = 0; i < n; i++)
        if (get_u32(children.p + i * child_bytes(c)) != node_child(page, c, i)) return false;
    return true;
}

bool ivf_job_node_fits(const struct ivf_job *j, const struct value *v, int *rc) {
    slice page;
    *rc = OK;
    if (j->cluster >= get_u32(ivf__meta(v) + IM_NODE_NEXT)) return false;
    int got = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_ROUTES, 1 + (uint64_t)j->cluster), &page);
    if (got == ERR_NOTFOUND) return false;
    *rc = got == OK ? ivf__node(v, &j->code, j->cluster, &page) : got;
    return *rc == OK && fits(v, &j->code, j->args[0].p, slice_of(&j->args[2]), page);
}

/* All that is to be changed is asked for, and looked at. */
static int look(const struct value *v, const struct code_shape *c, const effect *e, uint32_t *stay) {
    const uint8_t *head = e->args[0].p;
    uint32_t n = get_u32(head + 8), node = get_u32(head);
    slice page, root, children = e->args[2];
    const uint8_t *centroid;
    int answer = ivf__node(v, c, node, &page), rc = ivf__root(v, c, &root);
    if (rc == OK && root.n + 2 * route_stride(c) > PAGE_BYTES_MAX) rc = ERR_CORRUPT;
    if (rc == OK) rc = ivf__root_find(root, c, node, &centroid);
    if (answer == OK && !fits(v, c, head, children, page)) answer = ERR_CORRUPT;
    if (answer == OK || (answer == ERR_COLD && rc != OK)) answer = rc;
    *stay = 0;
    for (uint32_t i = 0; i < n && (answer == OK || answer == ERR_COLD); i++) {
        const uint8_t *p = children.p + i * child_bytes(c);
        uint32_t parent, side = get_u32(p + 4);
        rc = get_u32(p) < get_u32(ivf__meta(v) + IM_NEXT) ? ivf__parent(v, get_u32(p), &parent) : ERR_CORRUPT;
        if (side > 1 || (rc == OK && parent != node)) rc = ERR_CORRUPT;
        if (rc != OK) answer = rc;
        *stay += side == 0;
    }
    return answer == OK && (*stay == 0 || *stay == n) ? ERR_CORRUPT : answer;
}

/* The children of a side, in a page that has room for n of them, whose centroids are there. */
static void put_children(const struct code_shape *c, uint8_t *page, uint32_t n, slice children, uint32_t side) {
    uint32_t to = 0;
    put_u32(page, n);
    for (size_t b = 0; b < node_blocks(n); b++) ivf__clear_rows(c, page + ROUTE_HEAD + b * base_stride(c));
    for (const uint8_t *p = children.p; p < children.p + children.n; p += child_bytes(c)) {
        if (get_u32(p + 4) != side) continue;
        struct code_factors f;
        uint8_t *block = page + ROUTE_HEAD + to / CODE_ROWS * base_stride(c);
        memcpy(&f.add, p + CHILD_HEAD + code_bytes(c), 4);
        memcpy(&f.resc, p + CHILD_HEAD + code_bytes(c) + 4, 4);
        memcpy(&f.err, p + CHILD_HEAD + code_bytes(c) + 8, 4);
        put_u32(block + 4 * (size_t)(to % CODE_ROWS), get_u32(p));
        block_put(c, block + 4 * CODE_ROWS, to++ % CODE_ROWS, p + CHILD_HEAD, &f);
    }
}

static int mut(struct value *v, uint32_t node, size_t n, uint8_t **out) {
    return v->pager->ops->mut(v->pager, v->obj, vset_page(VSET_ROUTES, 1 + (uint64_t)node), n, out);
}

/* The new node's page is made of the old one's, which then shrinks: its centroids move down, none over one that is
 * still to be moved. */
static int move(struct value *v, const struct code_shape *c, uint32_t node, uint32_t other, slice children, uint32_t stay) {
    uint32_t n = (uint32_t)(children.n / child_bytes(c)), gone = 0, kept = 0;
    size_t half = 2 * (size_t)c->dim;
    slice old;
    uint8_t *p;
    int rc = mut(v, other, node_centroid_at(c, n - stay, n - stay), &p);
    if (rc == OK) rc = ivf__node(v, c, node, &old);
    if (rc != OK) return rc;
    memset(p, 0, ROUTE_HEAD);
    for (uint32_t i = 0; i < n; i++)
        if (get_u32(children.p + i * child_bytes(c) + 4) == 1)
            memcpy(p + node_centroid_at(c, n - stay, gone++), node_centroid(old, c, i), half);
    put_children(c, p, n - stay, children, 1);
    rc = mut(v, node, old.n, &p);
    if (rc != OK) return rc;
    for (uint32_t i = 0; i < n; i++)
        if (get_u32(children.p + i * child_bytes(c) + 4) == 0)
            memmove(p + node_centroid_at(c, stay, kept++), p + node_centroid_at(c, n, i), half);
    put_children(c, p, stay, children, 0);
    return mut(v, node, node_centroid_at(c, stay, stay), &p);
}

int ivf__apply_node(struct value *v, const effect *e) {
    struct ivf ix;
    ivf_read(v, &ix);
    const struct code_shape *c = &ix.code;
    size_t half = 2 * (size_t)c->dim;
    uint32_t stay;
    if (ix.state == IVF_ABSENT || e->argc != 3 || e->args[0].n != 12 || e->args[1].n != 2 * half) return ERR_CORRUPT;
    uint32_t node = get_u32(e->args[0].p), n = get_u32(e->args[0].p + 8);
    slice children = e->args[2];
    if (n > IVF_NODE_CLUSTERS_MAX || children.n != n * child_bytes(c)) return ERR_CORRUPT;
    int rc = look(v, c, e, &stay);
    if (rc != OK) return rc;
    uint8_t *m = ivf__meta_mut(v);
    uint32_t other = get_u32(m + IM_NODE_NEXT);
    put_u32(m + IM_NODE_NEXT, other + 1);
    put_u32(m + IM_NODES, get_u32(m + IM_NODES) + 1);
    rc = move(v, c, node, other, children, stay);
    if (rc == OK) rc = ivf__root_remove(v, c, node);
    if (rc == OK) rc = ivf__root_put(v, c, node, e->args[1].p);
    if (rc == OK) rc = ivf__root_put(v, c, other, e->args[1].p + half);
    for (const uint8_t *p = children.p; rc == OK && p < children.p + children.n; p += child_bytes(c))
        if (get_u32(p + 4) == 1) rc = ivf__parent_set(v, get_u32(p), other);
    return rc;
}
