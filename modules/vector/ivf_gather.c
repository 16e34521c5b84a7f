/* ivf_gather.c -- what a split needs of the set is copied for a worker; what it made is looked at again.
 *
 * The rows of a cluster lie in as many pages as it has rows, mostly cold ones where a set is larger than memory. To have
 * them in memory at once would take many times what they are (and where memory is small, drive out the index that led to
 * them, so that it would never be done): they are copied as they come, GATHER_ROWS at a time. */
#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/ivf_job.h"

#define NEIGHBOURS 32
#define NEIGHBOURS_OF 4096 /* clusters looked at for them */
#define ROOM_MOST ((size_t)1 << 20) /* for their vectors, before they are there */
#define GATHER_ROWS 64     /* Four megabytes of pages mostly, and enough requests at once. */

static int note_slot(void *cookie, uint32_t position, uint32_t slot, const uint8_t *block,
                     unsigned row) {
    struct ivf_job *j = cookie;
    uint8_t p[4];
    (void)position;
    (void)block;
    (void)row;
    put_u32(p, slot);
    buf_append(&j->slots, p, sizeof(p));
    return OK;
}

/* Those whose centroids are nearest to the cluster's own. */
static int gather_neighbours(struct ivf_job *j, const struct value *v, const struct ivf *ix) {
    struct ivf_routes near = {0};
    slice page, tail;
    uint32_t node, at;
    int rc = ivf__parent(v, j->cluster, &node);
    if (rc == OK) rc = ivf__node(v, &ix->code, node, &page);
    if (rc == OK) rc = ivf__node_find(page, &ix->code, j->cluster, &at);
    if (rc != OK) return rc;
    struct ivf_target target;
    float *y = mem_alloc(ix->code.dim * sizeof(float));
    half_to_floats(node_centroid(page, &ix->code, at), ix->code.dim, y);
    ivf__target_init(&target, &ix->code, y);
    rc = ivf__route(v, ix, &target, NEIGHBOURS_OF, NEIGHBOURS + 1, 0, &near);
    ivf__target_deinit(&target);
    mem_free(y);
    j->neighbours = mem_calloc(NEIGHBOURS + 1, sizeof(*j->neighbours));
    for (size_t i = 0; i < near.n && rc == OK; i++) {
        uint32_t cluster = near.r[i].cluster;
        if (cluster == j->cluster || j->neighbours_n == NEIGHBOURS) continue;
        rc = ivf__tail(v, &ix->code, cluster, &tail);
        if (rc != OK) break;
        j->neighbours[j->neighbours_n++] =
            (struct ivf_neighbour){cluster, get_u32(tail.p + TA_GENERATION)};
        buf_append(&j->centroids, near.r[i].centroid, 2 * (size_t)ix->code.dim);
    }
    ivf__routes_free(&near);
    return rc;
}

int ivf_job_gather(struct ivf_job *j, const struct value *v, uint32_t cluster) {
    slice tail;
    struct ivf ix;
    ivf_read(v, &ix);
    slice root;
    struct ivf_frame frame;
    int rc = ivf__root(v, &ix.code, &root);
    if (rc != OK) return rc;
    ivf__frame(root, &frame);
    j->scale = frame.scale;
    j->mean.n = 0;
    buf_append(&j->mean, frame.mean, 4 * (size_t)ix.code.dim);
    rc = ivf__tail(v, &ix.code, cluster, &tail);
    if (rc != OK) return rc;
    j->cluster = cluster;
    j->generation = get_u32(tail.p + TA_GENERATION);
    j->removals = get_u32(tail.p + TA_REMOVALS);
    j->seen = get_u32(tail.p + TA_BASE) + get_u32(tail.p + TA_TAIL);
    rc = ivf__rows(v, &ix.code, cluster, note_slot, j);
    int more = gather_neighbours(j, v, &ix);
    if (rc == OK) rc = more;
    size_t rows = j->slots.n / 4, bytes = quant_bytes(j->shape.quant, j->shape.dim);
    buf_reserve(&j->vectors, rows < ROOM_MOST / bytes ? rows * bytes : ROOM_MOST);
    /* Where would its rows go? */
    return rc == OK && j->slots.n == 0 && j->neighbours_n == 0 ? ERR_CORRUPT : rc;
}

/* Are the first rows of its cluster, which has so many now, still those that were seen? */
static bool same(const struct ivf_job *j, const struct value *v, uint32_t *rows, int *rc) {
    slice tail;
    struct ivf ix;
    ivf_read(v, &ix);
    *rc = OK;
    if (ix.state == IVF_ABSENT || j->cluster >= get_u32(ivf__meta(v) + IM_NEXT)) return false;
    int got = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_TAILS, j->cluster), &tail);
    if (got == ERR_NOTFOUND) return false;
    *rc = got;
    if (got != OK) return false;
    *rows = get_u32(tail.p + TA_BASE) + get_u32(tail.p + TA_TAIL);
    return get_u32(tail.p + TA_GENERATION) == j->generation && get_u32(tail.p + TA_REMOVALS) == j->removals;
}

int ivf_job_gather_rows(struct ivf_job *j, const struct value *v, size_t most) {
    bool cold = false;
    for (size_t done = 0; 4 * j->n < j->slots.n && !cold;) {
        struct vset_got got[PAGER_MANY];
        uint32_t slot[PAGER_MANY], rows;
        size_t n = 0;
        if (done >= most) return ERR_AGAIN;
        for (size_t at = 4 * j->n; n < PAGER_MANY && done + n < most && at < j->slots.n; at += 4)
            slot[n++] = get_u32(j->slots.p + at);
        vset_slots(v, &j->shape, slot, n, got);
        for (size_t i = 0; i < n && !cold; i++, done++) {
            int rc = got[i].rc;
            cold = rc == ERR_COLD;
            if (rc == ERR_NOTFOUND) /* It has gone since then. */
                return same(j, v, &rows, &rc) ? ERR_CORRUPT : rc == OK ? ERR_NOTFOUND : rc;
            if (rc != OK && !cold) return rc;
            if (!cold) ivf_job_add(j, slot[i], &got[i].e.point);
        }
    }
    if (4 * j->n == j->slots.n) return OK;
    for (size_t i = j->n; 4 * i < j->slots.n && i - j->n < GATHER_ROWS; i++) {
        int rc = vset_slot_hold(v, &j->shape, get_u32(j->slots.p + 4 * i));
        if (rc == ERR_LIMIT) break;
        if (rc != OK && rc != ERR_COLD) return rc;
    }
    return ERR_COLD;
}

bool ivf_job_fits(const struct ivf_job *j, const struct value *v, int *rc) {
    slice tail;
    struct ivf ix;
    uint32_t rows;
    if (!same(j, v, &rows, rc)) return false;
    ivf_read(v, &ix);
    if (get_u32(j->args[0].p + 16) == 0 && (ix.clusters < 2 || rows != j->seen)) return false;
    size_t one = 12 + code_bytes(&j->code) + 12;
    for (size_t i = 0; i < j->args[2].n; i += one) {
        uint32_t to = get_u32(j->args[2].p + i + 4);
        int got = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_TAILS, to), &tail);
        if (got == ERR_NOTFOUND) return false;
        if (got != OK) *rc = got;
        else if (get_u32(tail.p + TA_GENERATION) != get_u32(j->args[2].p + i + 8)) return false;
    }
    return *rc == OK;
}

