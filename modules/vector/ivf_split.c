/* ivf_split.c -- a cluster is replaced by others, or dissolved: the effect VECTOR_SPLIT.
 *
 *   args[0]: u32 cluster | generation | removals | rows seen | children | moves
 *   args[1]: for each child: centroid as half floats | u32 rows | of each: u32 slot, code, factors
 *   args[2]: for each move: u32 slot | u32 cluster | u32 its generation | code, factors
 *
 * What was computed beside the loop (ivf_job.c) saw the first `rows seen` rows of the cluster, and no row has
 * gone since (removals). Rows that have come later are given to the nearest child here; there are few. The first child
 * takes the cluster's number, with a new generation. Without children the cluster goes away. ERR_LIMIT, having changed
 * nothing: a page has no room for what would come of it. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"

#define SPLIT_HEAD 24

struct child {
    const uint8_t *centroid, *rows; /* in the effect */
    uint32_t n, cluster;
};

struct late { /* a row that came after the work was begun */
    uint32_t slot, child;
    struct code_factors f;
    uint8_t *code; /* owned */
};

struct split {
    struct value *v;
    struct vset set;
    struct ivf ix;
    uint32_t cluster, generation, seen, node;
    struct child child[IVF_CHILDREN_MAX];
    uint32_t children, moves;
    const uint8_t *move;
    struct late *late; /* owned */
    size_t late_n, late_cap, known;
    int answer;
};

static size_t row_bytes(const struct code_shape *c) { return 4 + code_bytes(c) + 12; }
static size_t move_bytes(const struct code_shape *c) { return 8 + row_bytes(c); }

static struct code_factors factors_at(const uint8_t *p) {
    struct code_factors f;
    memcpy(&f.add, p, 4);
    memcpy(&f.resc, p + 4, 4);
    memcpy(&f.err, p + 8, 4);
    return f;
}

/* Lengths before anything else. */
static bool parse(struct split *s, const effect *e) {
    const struct code_shape *c = &s->ix.code;
    if (e->argc != 3 || e->args[0].n != SPLIT_HEAD || s->ix.state == IVF_ABSENT) return false;
    const uint8_t *h = e->args[0].p;
    s->cluster = get_u32(h);
    s->generation = get_u32(h + 4);
    s->seen = get_u32(h + 12);
    s->children = get_u32(h + 16);
    s->moves = get_u32(h + 20);
    if (s->cluster >= get_u32(ivf__meta(s->v) + IM_NEXT) || s->children > IVF_CHILDREN_MAX) return false;
    slice in = e->args[1];
    size_t head = 2 * (size_t)c->dim + 4;
    for (uint32_t i = 0; i < s->children; i++) {
        if (in.n < head) return false;
        struct child *k = &s->child[i];
        k->centroid = in.p;
        k->n = get_u32(in.p + head - 4);
        k->rows = in.p + head;
        in = slice_make(in.p + head, in.n - head);
        if (k->n > in.n / row_bytes(c)) return false;
        in = slice_make(in.p + k->n * row_bytes(c), in.n - k->n * row_bytes(c));
        s->known += k->n;
    }
    s->move = e->args[2].p;
    s->known += s->moves;
    return in.n == 0 && e->args[2].n == s->moves * move_bytes(c);
}

static void want(struct split *s, int rc) {
    if (rc != OK && (s->answer == OK || s->answer == ERR_COLD)) s->answer = rc;
}

/* A row of the cluster: it is known, or late. */
static int meet(void *cookie, uint32_t position, uint32_t slot, const uint8_t *block, unsigned row) {
    struct split *s = cookie;
    (void)block;
    (void)row;
    uint32_t place;
    int rc = vset_place(s->v, slot, &place);
    if (rc == OK && place != s->cluster + 1) rc = ERR_CORRUPT;
    want(s, rc);
    if (position < s->seen) {
        if (s->known == 0) return ERR_CORRUPT;
        s->known--;
        return OK;
    }
    if (s->late_n == s->late_cap) {
        s->late_cap = s->late_cap == 0 ? 16 : 2 * s->late_cap;
        s->late = mem_realloc(s->late, s->late_cap * sizeof(*s->late));
    }
    s->late[s->late_n++] = (struct late){.slot = slot};
    return OK;
}

/* Late rows are few: they get their codes here. */
static void encode_late(struct split *s) {
    const struct code_shape *c = &s->ix.code;
    slice root;
    struct ivf_frame frame;
    int got = ivf__root(s->v, c, &root);
    want(s, got);
    if (got != OK) return;
    ivf__frame(root, &frame);
    float *y = mem_alloc(c->dim * sizeof(float));
    for (size_t i = 0; i < s->late_n; i++) {
        struct late *l = &s->late[i];
        struct element el;
        int rc = vset_slot(s->v, &s->set.shape, l->slot, &el);
        want(s, rc == ERR_NOTFOUND ? ERR_CORRUPT : rc);
        if (rc != OK) continue;
        ivf__rotated(&s->set.shape, s->ix.seed, &frame, &el.point, y);
        float best = 0;
        for (uint32_t k = 0; k < s->children; k++) {
            float d = half_l2_square(y, s->child[k].centroid, c->dim);
            if (k > 0 && !(d < best)) continue;
            best = d;
            l->child = k;
        }
        l->code = mem_alloc(code_bytes(c));
        ivf__encode(c, y, s->child[l->child].centroid, l->code, &l->f);
    }
    mem_free(y);
}

/* What comes into another row has been in the cluster. */
static void need_row(struct split *s, uint32_t slot) {
    uint32_t place;
    int rc = slot < s->set.slots ? vset_place(s->v, slot, &place) : ERR_CORRUPT;
    want(s, rc == OK && place != s->cluster + 1 ? ERR_CORRUPT : rc);
}

static void need_children(struct split *s) {
    const struct code_shape *c = &s->ix.code;
    for (uint32_t i = 0; i < s->children; i++) {
        const struct child *k = &s->child[i];
        /* Late rows may all come to this one. */
        want(s, ivf__base_room(c, k->n, (uint32_t)s->late_n));
        for (uint32_t r = 0; r < k->n; r++) need_row(s, get_u32(k->rows + r * row_bytes(c)));
    }
}

static void need_moves(struct split *s) {
    const struct code_shape *c = &s->ix.code;
    const uint8_t *p = s->move;
    for (uint32_t i = 0; i < s->moves; i++, p += move_bytes(c)) {
        uint32_t to = get_u32(p + 4);
        slice tail, base;
        if (to >= get_u32(ivf__meta(s->v) + IM_NEXT) || to == s->cluster) {
            want(s, ERR_CORRUPT);
            continue;
        }
        int rc = ivf__tail(s->v, c, to, &tail);
        if (rc == OK && get_u32(tail.p + TA_GENERATION) != get_u32(p + 8)) rc = ERR_CORRUPT;
        if (rc == OK) rc = ivf__base_room(c, get_u32(tail.p + TA_BASE), s->moves);
        if (rc == OK && get_u32(tail.p + TA_BASE) > 0)
            rc = ivf__base(s->v, c, to, get_u32(tail.p + TA_BASE), &base);
        want(s, rc);
        need_row(s, get_u32(p));
    }
}

static void need_parent(struct split *s, uint32_t cluster) {
    uint64_t page = vset_page(VSET_SPARE, cluster / IVF_PARENTS);
    want(s, s->v->pager->ops->need(s->v->pager, s->v->obj, page));
}

/* Asks for all pages, checks all facts; nothing is changed. */
static void prepare(struct split *s, const effect *e) {
    const struct code_shape *c = &s->ix.code;
    slice tail, page;
    uint32_t at;
    int rc = ivf__tail(s->v, c, s->cluster, &tail);
    if (rc == OK && (get_u32(tail.p + TA_GENERATION) != s->generation ||
                     get_u32(tail.p + TA_REMOVALS) != get_u32(e->args[0].p + 8)))
        rc = ERR_CORRUPT;
    want(s, rc);
    if (rc == OK) rc = ivf__rows(s->v, c, s->cluster, meet, s);
    want(s, rc);
    if (rc == OK && s->known != 0) want(s, ERR_CORRUPT);
    rc = ivf__parent(s->v, s->cluster, &s->node);
    want(s, rc);
    if (rc == OK) rc = ivf__node(s->v, c, s->node, &page);
    if (rc == OK) rc = ivf__node_find(page, c, s->cluster, &at);
    if (rc == OK) rc = ivf__node_room(page, c, s->children);
    want(s, rc);
    const uint8_t *m = ivf__meta(s->v);
    for (unsigned i = 0; i < m[IM_FREE_N]; i++) need_parent(s, get_u32(m + IM_FREE + 4 * (size_t)i));
    need_parent(s, get_u32(m + IM_NEXT));
    need_parent(s, get_u32(m + IM_NEXT) + s->children);
    want(s, ivf__root(s->v, c, &page));
    need_moves(s);
    need_children(s);
    if (s->children == 0 && (s->late_n > 0 || s->ix.clusters < 2)) want(s, ERR_CORRUPT);
    if (s->answer == OK && s->children > 0) encode_late(s);
}

/* ---- doing it ------------------------------------------------------------------------------------ */

static uint32_t number_new(struct value *v) {
    uint8_t *m = ivf__meta_mut(v);
    unsigned n = m[IM_FREE_N];
    if (n > 0) {
        uint32_t c = get_u32(m + IM_FREE + 4 * (size_t)(n - 1));
        put_u32(m + IM_FREE + 4 * (size_t)(n - 1), 0);
        m[IM_FREE_N] = (uint8_t)(n - 1);
        return c;
    }
    uint32_t c = get_u32(m + IM_NEXT);
    assert(c < IVF_CLUSTERS_MAX);
    put_u32(m + IM_NEXT, c + 1);
    return c;
}

static void number_free(struct value *v, uint32_t cluster) {
    uint8_t *m = ivf__meta_mut(v);
    unsigned n = m[IM_FREE_N];
    if (n == IVF_FREE_MAX) return; /* Four bytes of a spare page are lost. */
    put_u32(m + IM_FREE + 4 * (size_t)n, cluster);
    m[IM_FREE_N] = (uint8_t)(n + 1);
}

static int drop(struct value *v, enum vset_kind kind, uint64_t i) {
    return v->pager->ops->drop(v->pager, v->obj, vset_page(kind, i));
}

static void put_u32_add(uint8_t *p, int32_t by) { put_u32(p, get_u32(p) + (uint32_t)by); }

static int make_child(struct split *s, uint32_t i) {
    const struct code_shape *c = &s->ix.code;
    struct value *v = s->v;
    struct child *k = &s->child[i];
    uint8_t *m = ivf__meta_mut(v);
    uint32_t generation = get_u32(m + IM_GENERATION) + 1;
    put_u32(m + IM_GENERATION, generation);
    k->cluster = i == 0 ? s->cluster : number_new(v);
    int rc = ivf__tail_make(v, c, k->cluster, generation);
    if (rc == OK) rc = ivf__parent_set(v, k->cluster, s->node);
    if (rc == OK) rc = ivf__node_put(v, c, s->node, k->cluster, k->centroid);
    const uint8_t *p = k->rows;
    for (uint32_t r = 0; rc == OK && r < k->n; r++, p += row_bytes(c)) {
        struct code_factors f = factors_at(p + 4 + code_bytes(c));
        rc = ivf__put_row(v, c, k->cluster, get_u32(p), p + 4, &f);
    }
    return rc;
}

static int dissolve_node(struct split *s) {
    slice page;
    const struct code_shape *c = &s->ix.code;
    int rc = ivf__node(s->v, c, s->node, &page);
    if (rc != OK || route_n(page) > 0) return rc;
    rc = drop(s->v, VSET_ROUTES, 1 + (uint64_t)s->node);
    if (rc == OK) rc = ivf__root_remove(s->v, c, s->node);
    put_u32_add(ivf__meta_mut(s->v) + IM_NODES, -1);
    return rc;
}

static int perform(struct split *s) {
    const struct code_shape *c = &s->ix.code;
    struct value *v = s->v;
    slice tail;
    int rc = ivf__tail(v, c, s->cluster, &tail);
    if (rc != OK) return rc;
    uint32_t base = get_u32(tail.p + TA_BASE), live = get_u32(tail.p + TA_LIVE);
    uint8_t *m = ivf__meta_mut(v);
    put_u64(m + IM_ROWS, get_u64(m + IM_ROWS) - live); /* They are put in again. */
    put_u32_add(m + IM_CLUSTERS, (int32_t)s->children - 1);
    ivf__todo_done(v, s->cluster);
    if (base > 0) rc = drop(v, VSET_CLUSTERS, s->cluster);
    if (rc == OK) rc = ivf__node_remove(v, c, s->node, s->cluster);
    for (uint32_t i = 0; rc == OK && i < s->children; i++) rc = make_child(s, i);
    for (size_t i = 0; rc == OK && i < s->late_n; i++) {
        struct late *l = &s->late[i];
        rc = ivf__put_row(v, c, s->child[l->child].cluster, l->slot, l->code, &l->f);
    }
    const uint8_t *p = s->move;
    for (uint32_t i = 0; rc == OK && i < s->moves; i++, p += move_bytes(c)) {
        struct code_factors f = factors_at(p + 12 + code_bytes(c));
        rc = ivf__put_row(v, c, get_u32(p + 4), get_u32(p), p + 12, &f);
    }
    if (rc != OK || s->children > 0) return rc;
    rc = drop(v, VSET_TAILS, s->cluster);
    if (rc == OK) rc = ivf__parent_set(v, s->cluster, IVF_NONE);
    number_free(v, s->cluster);
    return rc == OK ? dissolve_node(s) : rc;
}

int ivf__apply_split(struct value *v, const effect *e) {
    struct split *s = mem_calloc(1, sizeof(*s));
    s->v = v;
    vset_read(v, &s->set);
    ivf_read(v, &s->ix);
    int rc = ERR_CORRUPT;
    if (parse(s, e)) {
        prepare(s, e);
        rc = s->answer;
        if (rc == OK) {
            rc = perform(s);
            assert(rc == OK || rc == ERR_CORRUPT);
        }
    }
    for (size_t i = 0; i < s->late_n; i++) mem_free(s->late[i].code);
    mem_free(s->late);
    mem_free(s);
    return rc;
}
