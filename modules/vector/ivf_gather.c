/* ivf_gather.c -- what a split needs of the set is copied for a worker; what it made is looked at again. */
#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/ivf_job.h"

#define NEIGHBOURS 32
#define NEIGHBOURS_OF 4096 /* clusters looked at for them */

struct gathering {
    struct ivf_job *job;
    const struct value *v;
    const struct vset *set;
    int answer;
};

static int gather_row(void *cookie, uint32_t position, uint32_t slot, const uint8_t *block,
                      unsigned row) {
    struct gathering *g = cookie;
    struct element el;
    (void)position;
    (void)block;
    (void)row;
    int rc = vset_slot(g->v, &g->set->shape, slot, &el);
    if (rc == ERR_NOTFOUND) rc = ERR_CORRUPT;
    if (rc == OK && g->answer == OK) ivf_job_add(g->job, slot, &el.point);
    if (rc == OK || rc == ERR_COLD) g->answer = g->answer != OK ? g->answer : rc;
    return rc == ERR_COLD ? OK : rc;
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

int ivf_job_gather(struct ivf_job *j, const struct value *v, const struct vset *set, uint32_t cluster) {
    slice tail;
    struct ivf ix;
    struct gathering g = {.job = j, .v = v, .set = set};
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
    rc = ivf__rows(v, &ix.code, cluster, gather_row, &g);
    if (rc == OK) rc = g.answer;
    int more = gather_neighbours(j, v, &ix);
    if (rc == OK) rc = more;
    /* Where would its rows go? */
    return rc == OK && j->n == 0 && j->neighbours_n == 0 ? ERR_CORRUPT : rc;
}

bool ivf_job_fits(const struct ivf_job *j, const struct value *v, int *rc) {
    slice tail;
    struct ivf ix;
    ivf_read(v, &ix);
    *rc = OK;
    if (ix.state == IVF_ABSENT || j->cluster >= get_u32(ivf__meta(v) + IM_NEXT)) return false;
    int got = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_TAILS, j->cluster), &tail);
    if (got == ERR_NOTFOUND) return false;
    *rc = got;
    if (got != OK) return false;
    if (get_u32(tail.p + TA_GENERATION) != j->generation ||
        get_u32(tail.p + TA_REMOVALS) != j->removals)
        return false;
    uint32_t rows = get_u32(tail.p + TA_BASE) + get_u32(tail.p + TA_TAIL);
    if (get_u32(j->args[0].p + 16) == 0 && (ix.clusters < 2 || rows != j->seen)) return false;
    size_t one = 12 + code_bytes(&j->code) + 12;
    for (size_t i = 0; i < j->args[2].n; i += one) {
        uint32_t to = get_u32(j->args[2].p + i + 4);
        got = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_TAILS, to), &tail);
        if (got == ERR_NOTFOUND) return false;
        if (got != OK) *rc = got;
        else if (get_u32(tail.p + TA_GENERATION) != get_u32(j->args[2].p + i + 8)) return false;
    }
    return *rc == OK;
}

