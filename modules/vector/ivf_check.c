/* ivf_check.c -- the invariants of the index (ivf_internal.h), walked. */
#include <stdio.h>

#include "modules/vector/ivf_internal.h"

struct seen {
    const struct value *v;
    const struct ivf *ix;
    uint32_t cluster, slots;
    uint64_t rows, live, placed;
    const char *fault;
};

static int check_row(void *cookie, uint32_t position, uint32_t slot, const uint8_t *block,
                     unsigned row) {
    struct seen *s = cookie;
    uint32_t place = 0;
    (void)position;
    (void)block;
    (void)row;
    if (slot >= s->slots) {
        s->fault = "a row of no slot";
        return OK;
    }
    int rc = vset_place(s->v, slot, &place);
    if (rc != OK) return rc;
    if (place != s->cluster + 1) s->fault = "a row whose slot has another place";
    s->live++;
    return OK;
}

static int check_cluster(struct seen *s, const struct ivf *ix, uint32_t cluster, uint32_t node) {
    slice tail;
    uint32_t parent;
    int rc = ivf__tail(s->v, &ix->code, cluster, &tail);
    if (rc != OK) return rc;
    rc = ivf__parent(s->v, cluster, &parent);
    if (rc != OK) return rc;
    if (parent != node) s->fault = "a cluster of another node";
    s->cluster = cluster;
    s->live = 0;
    rc = ivf__rows(s->v, &ix->code, cluster, check_row, s);
    if (s->live != get_u32(tail.p + TA_LIVE)) s->fault = "a cluster that counts its rows wrong";
    s->rows += s->live;
    return rc;
}

static int check_all(struct seen *s, const struct ivf *ix) {
    slice root, node;
    uint64_t clusters = 0;
    int rc = ivf__root(s->v, &ix->code, &root);
    if (rc != OK) return rc;
    if (route_n(root) != ix->nodes) s->fault = "nodes are counted wrong";
    for (uint32_t i = 0; i < route_n(root); i++) {
        uint32_t number = get_u32(route_at(root, &ix->code, i));
        rc = ivf__node(s->v, &ix->code, number, &node);
        if (rc != OK) return rc;
        clusters += route_n(node);
        for (uint32_t k = 0; k < route_n(node); k++) {
            rc = check_cluster(s, ix, node_child(node, &ix->code, k), number);
            if (rc != OK) return rc;
        }
    }
    if (clusters != ix->clusters) s->fault = "clusters are counted wrong";
    return OK;
}

static int check_place(void *cookie, const struct element *e, const slice *attribute) {
    struct seen *s = cookie;
    uint32_t place = 0;
    (void)attribute;
    int rc = vset_place(s->v, e->slot, &place);
    if (rc == OK) rc = ivf_need_remove(s->v, e->slot); /* ERR_CORRUPT: it has no row. */
    if (rc != OK) return rc;
    s->placed += place != 0;
    if (place == 0 && (s->ix->state == IVF_READY || e->slot < s->ix->filled))
        s->fault = "an element in no cluster";
    return OK;
}

int ivf_check(const struct value *v, const struct vset *set, char why[160]) {
    struct ivf ix;
    ivf_read(v, &ix);
    if (!ivf_meta_ok(ivf__meta(v), &set->shape)) {
        snprintf(why, 160, "vector index: a root that makes no sense");
        return ERR_CORRUPT;
    }
    if (ix.state == IVF_ABSENT) return OK;
    struct seen s = {.v = v, .ix = &ix, .slots = set->slots};
    int rc = check_all(&s, &ix);
    if (rc == OK && s.rows != ix.rows) s.fault = "rows are counted wrong";
    if (rc == OK) rc = vset_each(v, check_place, &s);
    /* Each placed element has a row in its cluster, and there are no more rows than those. */
    if (rc == OK && s.placed != s.rows) s.fault = "another number of rows than of elements";
    if (rc != OK) snprintf(why, 160, "vector index: a damaged page");
    if (rc != OK || s.fault == NULL) return rc;
    snprintf(why, 160, "vector index: %s (cluster %u)", s.fault, s.cluster);
    return ERR_CORRUPT;
}
