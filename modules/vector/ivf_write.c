/* ivf_write.c -- vectors come into clusters and leave them; an index begins. */
#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/lanes_kernels.h"
#include "modules/vector/rotate.h"

#define ROUTE_LEAST 4096 /* Clusters looked at for a vector that comes in. */
#define ROUTE_WANT 4    /* Of a large dimension, a page of a cluster may be full. */

/* ---- in ------------------------------------------------------------------------------------- */

/* Has the cluster room for some rows? Asks for what they change. */
static int room(const struct value *v, const struct code_shape *c, uint32_t cluster,
                uint32_t more) {
    slice tail, base;
    int rc = ivf__tail(v, c, cluster, &tail);
    if (rc != OK) return rc;
    uint32_t rows = get_u32(tail.p + TA_BASE);
    if (ivf__base_room(c, rows, more) != OK) return ERR_LIMIT;
    return rows > 0 ? ivf__base(v, c, cluster, rows, &base) : OK;
}

void ivf__encode(const struct code_shape *c, const float *y, const uint8_t *centroid, uint8_t *code,
                 struct code_factors *f) {
    float *mean = mem_alloc(c->dim * sizeof(float));
    half_to_floats(centroid, c->dim, mean);
    code_encode(c, y, mean, code, f);
    mem_free(mean);
    /* What has been drawn nearer is somewhere else: its estimate says nothing, and the row is always looked at. */
    float most = IVF_ROW_MOST * 0.9999f;
    if (lanes_best()->square(y, c->dim) < most * most * (float)c->dim && isfinite(f->add) && isfinite(f->err)) return;
    *f = (struct code_factors){.add = -INFINITY};
}

void ivf__enframe(const struct ivf_frame *f, float *y, uint32_t dim, float most) {
    double square = 0, limit = (double)most * sqrt((double)dim);
    if ((double)lanes_best()->frame(y, f->mean, f->scale, dim) <= limit * limit) return;
    for (uint32_t i = 0; i < dim; i++) square += (double)y[i] * (double)y[i]; /* What a float may not hold. */
    float by = (float)(limit / sqrt(square));
    for (uint32_t i = 0; i < dim; i++) y[i] *= by;
}

void ivf__rotated(const struct vset_shape *s, uint64_t seed, const struct ivf_frame *f, const struct point *p, float *y) {
    float *x = mem_alloc(s->dim * sizeof(float));
    ivf_vector(s, p, x);
    rotate(seed, x, s->dim, y);
    ivf__enframe(f, y, rotate_padded(s->dim), IVF_ROW_MOST);
    mem_free(x);
}

int ivf_plan(const struct value *v, const struct vset_shape *s, const struct point *p,
             uint32_t rows, struct ivf_plan *out) {
    struct ivf ix;
    struct ivf_routes near = {0};
    struct ivf_target target;
    out->cluster = IVF_NONE;
    ivf_read(v, &ix);
    if (ix.state == IVF_ABSENT) return OK;
    slice root;
    struct ivf_frame frame;
    int rc = ivf__root_and_nodes(v, &ix.code, &root);
    if (rc != OK) return rc;
    ivf__frame(root, &frame);
    float *y = mem_alloc(ix.code.dim * sizeof(float));
    ivf__rotated(s, ix.seed, &frame, p, y);
    ivf__target_init(&target, &ix.code, y);
    rc = ivf__route(v, &ix, &target, ROUTE_LEAST, ROUTE_WANT, 0, &near);
    ivf__target_deinit(&target);
    if (rc == OK && near.n == 0) rc = ERR_CORRUPT;
    for (size_t i = 0; rc == OK && i < near.n; i++) {
        rc = room(v, &ix.code, near.r[i].cluster, rows);
        if (rc == ERR_LIMIT && i + 1 < near.n) {
            rc = OK;
            continue;
        }
        if (rc != OK) break;
        out->cluster = near.r[i].cluster;
        out->code.n = 0;
        buf_reserve(&out->code, code_bytes(&ix.code));
        ivf__encode(&ix.code, y, near.r[i].centroid, out->code.p, &out->factors);
        break;
    }
    ivf__routes_free(&near);
    mem_free(y);
    return rc;
}

static void count_rows(struct value *v, int64_t by) {
    uint8_t *m = ivf__meta_mut(v);
    put_u64(m + IM_ROWS, get_u64(m + IM_ROWS) + (uint64_t)by);
}

int ivf__put_row(struct value *v, const struct code_shape *c, uint32_t cluster, uint32_t slot,
                 const uint8_t *code, const struct code_factors *f) {
    slice tail;
    int rc = ivf__append(v, c, cluster, slot, code, f);
    if (rc == OK) rc = vset_place_set(v, slot, cluster + 1);
    if (rc == OK) rc = ivf__tail(v, c, cluster, &tail);
    if (rc != OK) return rc;
    count_rows(v, 1);
    if (get_u32(tail.p + TA_BASE) + get_u32(tail.p + TA_TAIL) > IVF_LEAF_MAX) ivf__todo(v, cluster);
    return OK;
}

int ivf_put(struct value *v, const struct ivf_plan *p, uint32_t slot) {
    struct ivf ix;
    if (p->cluster == IVF_NONE) return OK;
    ivf_read(v, &ix);
    return ivf__put_row(v, &ix.code, p->cluster, slot, p->code.p, &p->factors);
}

/* ---- out ------------------------------------------------------------------------------------- */

static int place_of(const struct value *v, uint32_t slot, uint32_t *cluster) {
    uint32_t place;
    int rc = vset_place(v, slot, &place);
    if (rc != OK) return rc;
    if (place > get_u32(ivf__meta(v) + IM_NEXT)) return ERR_CORRUPT;
    *cluster = place == 0 ? IVF_NONE : place - 1;
    return OK;
}

/* Where the row is: an offset of its slot number, in the base or the tail. */
static int find_row(const struct value *v, const struct code_shape *c, uint32_t cluster,
                    uint32_t slot, bool *in_tail, size_t *at) {
    slice tail, base;
    int rc = ivf__tail(v, c, cluster, &tail);
    if (rc != OK) return rc;
    for (unsigned i = 0; i < get_u32(tail.p + TA_TAIL); i++) {
        *at = TAIL_HEAD + 4 * (size_t)i;
        *in_tail = true;
        if (get_u32(tail.p + *at) == slot) return OK;
    }
    uint32_t rows = get_u32(tail.p + TA_BASE);
    if (rows == 0) return ERR_CORRUPT;
    rc = ivf__base(v, c, cluster, rows, &base);
    if (rc != OK) return rc;
    *in_tail = false;
    for (uint32_t i = 0; i < rows; i++) {
        *at = BASE_HEAD + i / CODE_ROWS * base_stride(c) + 4 * (size_t)(i % CODE_ROWS);
        if (get_u32(base.p + *at) == slot) return OK;
    }
    return ERR_CORRUPT;
}

int ivf_need_remove(const struct value *v, uint32_t slot) {
    struct ivf ix;
    uint32_t cluster;
    bool in_tail;
    size_t at;
    ivf_read(v, &ix);
    if (ix.state == IVF_ABSENT) return OK;
    int rc = place_of(v, slot, &cluster);
    if (rc != OK || cluster == IVF_NONE) return rc;
    return find_row(v, &ix.code, cluster, slot, &in_tail, &at);
}

int ivf_remove(struct value *v, uint32_t slot) {
    struct ivf ix;
    uint32_t cluster;
    bool in_tail;
    size_t at;
    slice page;
    uint8_t *p, *t;
    ivf_read(v, &ix);
    if (ix.state == IVF_ABSENT) return OK;
    const struct code_shape *c = &ix.code;
    int rc = place_of(v, slot, &cluster);
    if (rc != OK || cluster == IVF_NONE) return rc;
    rc = find_row(v, c, cluster, slot, &in_tail, &at);
    if (rc == OK) rc = ivf__tail(v, c, cluster, &page);
    if (rc != OK) return rc;
    pager *pg = v->pager;
    if (!in_tail) {
        size_t n = BASE_HEAD + get_u32(page.p + TA_BASE) / CODE_ROWS * base_stride(c);
        rc = pg->ops->mut(pg, v->obj, vset_page(VSET_CLUSTERS, cluster), n, &p);
        if (rc != OK) return rc;
    }
    rc = pg->ops->mut(pg, v->obj, vset_page(VSET_TAILS, cluster), tail_bytes(c), &t);
    if (rc != OK) return rc;
    if (in_tail) p = t;
    size_t head = in_tail ? TAIL_HEAD : BASE_HEAD, from = at - head;
    size_t block = from / base_stride(c) * base_stride(c);
    put_u32(p + at, IVF_NONE);
    block_clear(c, p + head + block + 4 * CODE_ROWS, (unsigned)((from - block) / 4));
    uint32_t live = get_u32(t + TA_LIVE);
    if (live == 0 || ix.rows == 0) return ERR_CORRUPT;
    put_u32(t + TA_LIVE, live - 1);
    put_u32(t + TA_REMOVALS, get_u32(t + TA_REMOVALS) + 1);
    count_rows(v, -1);
    if (ivf__due(slice_make(t, tail_bytes(c)), ix.clusters)) ivf__todo(v, cluster);
    return vset_place_set(v, slot, 0);
}

/* ---- the beginning -------------------------------------------------------------------------- */

#define INDEX_CLUSTERS_MAX 1024 /* Of one effect: some megabytes of pages. */

/* Into the root, with the mean of its clusters. */
static int new_node(struct value *v, const struct code_shape *c, slice clusters, uint32_t node) {
    struct ivf_mean mean;
    ivf__mean_init(&mean, c);
    for (size_t i = 0; i < clusters.n; i += route_stride(c))
        if (get_u32(clusters.p + i) == node) ivf__mean_add(&mean, c, clusters.p + i + 4);
    int rc = ivf__root_put(v, c, node, ivf__mean_half(&mean, c));
    ivf__mean_deinit(&mean);
    return rc;
}

/* args: u8 bits; u64 seed, f32 scale, mean f32[dim]; for each cluster u32 node, centroid as half floats. Nodes are
 * numbered from 0 on, in order. The mean of its clusters is a node's own centroid. */
static int apply_index(struct value *v, const effect *e) {
    struct vset set;
    struct ivf old;
    vset_read(v, &set);
    ivf_read(v, &old);
    if (e->argc != 3 || e->args[0].n != 1 || e->args[1].n < 12 || old.state != IVF_ABSENT)
        return ERR_CORRUPT;
    struct code_shape c = {.dim = rotate_padded(set.shape.dim), .bits = e->args[0].p[0],
                           .product = set.shape.metric == METRIC_IP};
    size_t one = route_stride(&c), n = e->args[2].n / one;
    if (e->args[2].n % one != 0 || n == 0 || n > INDEX_CLUSTERS_MAX ||
        (c.bits != 1 && c.bits != 2 && c.bits != 4) || e->args[1].n != 12 + 4 * (size_t)c.dim)
        return ERR_CORRUPT;
    struct ivf_frame frame = {.mean = e->args[1].p + 12};
    memcpy(&frame.scale, e->args[1].p + 8, 4);
    if (!(frame.scale > 0) || frame.scale - frame.scale != 0) return ERR_CORRUPT;
    uint32_t nodes = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t node = get_u32(e->args[2].p + i * one);
        if (node > nodes || node + 1 < nodes) return ERR_CORRUPT;
        if (node == nodes) nodes++;
    }
    if (n * one > PAGE_BYTES_MAX / 2) return ERR_CORRUPT;
    uint8_t *m = ivf__meta_mut(v);
    memset(m, 0, VSET_INDEX_META);
    m[IM_STATE] = IVF_FILLING;
    m[IM_BITS] = c.bits;
    put_u32(m + IM_DIM, c.dim);
    put_u64(m + IM_SEED, get_u64(e->args[1].p));
    put_u32(m + IM_CLUSTERS, (uint32_t)n);
    put_u32(m + IM_NEXT, (uint32_t)n);
    put_u32(m + IM_NODES, nodes);
    put_u32(m + IM_NODE_NEXT, nodes);
    put_u32(m + IM_GENERATION, 1);
    int rc = ivf__root_make(v, &c, &frame);
    for (uint32_t i = 0; i < nodes && rc == OK; i++) rc = new_node(v, &c, e->args[2], i);
    for (size_t i = 0; i < n && rc == OK; i++) {
        const uint8_t *at = e->args[2].p + i * one;
        rc = ivf__tail_make(v, &c, (uint32_t)i, 1);
        if (rc == OK) rc = ivf__parent_set(v, (uint32_t)i, get_u32(at));
        if (rc == OK) rc = ivf__node_put(v, &c, get_u32(at), (uint32_t)i, at + 4);
    }
    assert(rc == OK); /* All pages are new. */
    return rc;
}

/* args: u32 end. Each slot below it that is in no cluster yet comes into one; IVF_FILL_MAX at most. */
static int apply_fill(struct value *v, const effect *e) {
    struct vset set;
    struct ivf ix;
    vset_read(v, &set);
    ivf_read(v, &ix);
    if (e->argc != 1 || e->args[0].n != 4 || ix.state != IVF_FILLING) return ERR_CORRUPT;
    uint32_t end = get_u32(e->args[0].p), n = 0, slots[IVF_FILL_MAX];
    if (end < ix.filled || end > set.slots) return ERR_CORRUPT;
    struct ivf_plan plans[IVF_FILL_MAX];
    int answer = OK;
    for (uint32_t slot = vset_slot_next(v, &set, ix.filled); slot < end; slot = vset_slot_next(v, &set, slot + 1)) {
        struct element el;
        uint32_t place;
        int rc = vset_slot(v, &set.shape, slot, &el);
        if (rc == ERR_NOTFOUND) continue;
        if (rc == OK) rc = vset_place(v, slot, &place);
        if (rc == OK && place != 0) continue;
        if (n == IVF_FILL_MAX) {
            answer = ERR_CORRUPT;
            break;
        }
        plans[n] = (struct ivf_plan)IVF_PLAN_INIT;
        if (rc == OK) rc = ivf_plan(v, &set.shape, &el.point, IVF_FILL_MAX, &plans[n]);
        slots[n++] = slot;
        if (rc != OK) answer = answer == OK || answer == ERR_COLD ? rc : answer;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (answer == OK) {
            int rc = ivf_put(v, &plans[i], slots[i]);
            assert(rc == OK || rc == ERR_CORRUPT);
            if (rc != OK) answer = rc;
        }
        buf_free(&plans[i].code);
    }
    if (answer != OK) return answer;
    uint8_t *m = ivf__meta_mut(v);
    put_u32(m + IM_FILLED, end);
    if (end == set.slots) {
        m[IM_STATE] = IVF_READY;
        m[IM_TODO_N] |= IVF_TODO_MORE; /* Clusters that got no rows say nothing. */
    }
    return OK;
}

static int apply_probes(struct value *v, const effect *e) {
    if (e->argc != 2 || e->args[0].n != 16 || e->args[1].n != IVF_PROBES_BYTES) return ERR_CORRUPT;
    uint8_t *m = ivf__meta_mut(v);
    if (m[IM_STATE] == IVF_ABSENT) return ERR_CORRUPT;
    memcpy(m + IM_TUNED_ROWS, e->args[0].p, 16);
    memcpy(m + IM_PROBES, e->args[1].p, IVF_PROBES_BYTES);
    return OK;
}

int ivf_apply(struct value *v, const effect *e) {
    switch (e->op) {
    case VECTOR_INDEX: return apply_index(v, e);
    case VECTOR_FILL: return apply_fill(v, e);
    case VECTOR_SPLIT: return ivf__apply_split(v, e);
    case VECTOR_NODE: return ivf__apply_node(v, e);
    case VECTOR_PROBES: return apply_probes(v, e);
    case VECTOR_LEAVE:
        if (e->argc != 1 || e->args[0].n != 4) return ERR_CORRUPT;
        ivf__todo_done(v, get_u32(e->args[0].p));
        return OK;
    case VECTOR_SWEEP:
        ivf__meta_mut(v)[IM_TODO_N] &= (uint8_t)~IVF_TODO_MORE;
        return OK;
    default: return ERR_CORRUPT;
    }
}
