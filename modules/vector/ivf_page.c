/* ivf_page.c -- pages of the index: read with their numbers checked, and changed. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/rotate.h"

/* ---- the meta ------------------------------------------------------------------------ */

bool ivf_meta_ok(const uint8_t *m, const struct vset_shape *s) {
    unsigned state = m[IM_STATE], bits = m[IM_BITS];
    if (state == IVF_ABSENT) {
        for (size_t i = 0; i < VSET_INDEX_META; i++)
            if (m[i] != 0) return false;
        return true;
    }
    if (state > IVF_READY || (bits != 1 && bits != 2 && bits != 4)) return false;
    unsigned todo = m[IM_TODO_N] & ~IVF_TODO_MORE;
    if (todo > IVF_TODO_MAX || m[IM_FREE_N] > IVF_FREE_MAX) return false;
    uint32_t next = get_u32(m + IM_NEXT), node_next = get_u32(m + IM_NODE_NEXT);
    for (unsigned i = 0; i < todo; i++)
        if (get_u32(m + IM_TODO + 4 * (size_t)i) >= next) return false;
    for (unsigned i = 0; i < m[IM_FREE_N]; i++)
        if (get_u32(m + IM_FREE + 4 * (size_t)i) >= next) return false;
    return get_u32(m + IM_DIM) == rotate_padded(s->dim) && next <= IVF_CLUSTERS_MAX &&
           node_next <= IVF_CLUSTERS_MAX && get_u32(m + IM_CLUSTERS) <= next &&
           get_u32(m + IM_NODES) <= node_next && get_u64(m + IM_ROWS) <= VALUE_COUNT_MAX;
}

void ivf_read(const struct value *v, struct ivf *out) {
    const uint8_t *m = ivf__meta(v);
    struct vset set;
    vset_read(v, &set);
    *out = (struct ivf){.state = (enum ivf_state)m[IM_STATE],
                        .code = {.dim = get_u32(m + IM_DIM),
                                 .bits = m[IM_BITS],
                                 .product = set.shape.metric == METRIC_IP},
                        .seed = get_u64(m + IM_SEED),
                        .rows = get_u64(m + IM_ROWS),
                        .clusters = get_u32(m + IM_CLUSTERS),
                        .nodes = get_u32(m + IM_NODES),
                        .filled = get_u32(m + IM_FILLED),
                        .todo = m[IM_TODO_N] & ~IVF_TODO_MORE,
                        .missed = (m[IM_TODO_N] & IVF_TODO_MORE) != 0};
}

uint32_t ivf_todo(const struct value *v) {
    const uint8_t *m = ivf__meta(v);
    return (m[IM_TODO_N] & ~IVF_TODO_MORE) == 0 ? IVF_NONE : get_u32(m + IM_TODO);
}

bool ivf_wants(const struct value *v) { return ivf__meta(v)[IM_STATE] != IVF_ABSENT; }

void ivf__todo(struct value *v, uint32_t cluster) {
    uint8_t *m = ivf__meta_mut(v);
    unsigned n = m[IM_TODO_N] & ~IVF_TODO_MORE;
    for (unsigned i = 0; i < n; i++)
        if (get_u32(m + IM_TODO + 4 * (size_t)i) == cluster) return;
    if (n == IVF_TODO_MAX) {
        m[IM_TODO_N] |= IVF_TODO_MORE;
        return;
    }
    put_u32(m + IM_TODO + 4 * (size_t)n, cluster);
    m[IM_TODO_N]++;
}

void ivf__todo_done(struct value *v, uint32_t cluster) {
    uint8_t *m = ivf__meta_mut(v);
    unsigned n = m[IM_TODO_N] & ~IVF_TODO_MORE, kept = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t c = get_u32(m + IM_TODO + 4 * (size_t)i);
        if (c != cluster) put_u32(m + IM_TODO + 4 * (size_t)kept++, c);
    }
    for (unsigned i = kept; i < n; i++) put_u32(m + IM_TODO + 4 * (size_t)i, 0);
    m[IM_TODO_N] = (uint8_t)(kept | (m[IM_TODO_N] & IVF_TODO_MORE));
}

bool ivf__due(slice tail, uint32_t clusters) {
    uint32_t live = get_u32(tail.p + TA_LIVE), all = get_u32(tail.p + TA_BASE) + get_u32(tail.p + TA_TAIL);
    return all > IVF_LEAF_MAX || (live < IVF_LEAF_MIN && clusters > 1) || (all > IVF_LEAF && live < all / 2);
}

/* ---- reading --------------------------------------------------------------------------- */

static bool routes_ok(slice page) { return page.n >= ROUTE_HEAD; }
static bool tail_ok(slice page) {
    return page.n >= TAIL_HEAD + 4 * CODE_ROWS && get_u32(page.p + TA_TAIL) < CODE_ROWS &&
           get_u32(page.p + TA_BASE) % CODE_ROWS == 0;
}
static bool base_ok(slice page) {
    return page.n >= BASE_HEAD && get_u32(page.p) % CODE_ROWS == 0;
}
static bool parents_ok(slice page) { return page.n == 4 * IVF_PARENTS; }

static int get(const struct value *v, enum vset_kind kind, uint64_t i,
               bool (*ok)(slice page), slice *out) {
    int rc = v->pager->ops->get_ok(v->pager, v->obj, vset_page(kind, i), ok, out);
    /* Another page said that it is there. */
    return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

int ivf__root(const struct value *v, const struct code_shape *c, slice *out) {
    int rc = get(v, VSET_ROUTES, 0, routes_ok, out);
    if (rc != OK) return rc;
    uint64_t n = route_n(*out);
    struct ivf_frame f;
    if (out->n < root_head(c) || out->n - root_head(c) != n * route_stride(c)) return ERR_CORRUPT;
    ivf__frame(*out, &f);
    return f.scale > 0 && f.scale - f.scale == 0 ? OK : ERR_CORRUPT;
}

#define NODES_AT_ONCE 1024

int ivf__root_and_nodes(const struct value *v, const struct code_shape *c, slice *out) {
    int rc = ivf__root(v, c, out);
    uint32_t n = rc == ERR_COLD ? get_u32(ivf__meta(v) + IM_NODE_NEXT) : 0;
    for (uint32_t i = 0; i < n && i < NODES_AT_ONCE; i++)
        (void)v->pager->ops->need(v->pager, v->obj, vset_page(VSET_ROUTES, 1 + (uint64_t)i));
    return rc;
}

void ivf__frame(slice root, struct ivf_frame *out) {
    memcpy(&out->scale, root.p + 4, 4);
    out->mean = root.p + ROUTE_HEAD;
}

int ivf__node(const struct value *v, const struct code_shape *c, uint32_t node, slice *out) {
    if (node >= get_u32(ivf__meta(v) + IM_NODE_NEXT)) return ERR_CORRUPT;
    int rc = get(v, VSET_ROUTES, 1 + (uint64_t)node, routes_ok, out);
    if (rc != OK) return rc;
    uint32_t n = route_n(*out);
    if (n > PAGE_BYTES_MAX || n > IVF_NODE_CLUSTERS_MAX) return ERR_CORRUPT;
    return out->n == node_centroid_at(c, n, n) ? OK : ERR_CORRUPT;
}

int ivf__tail(const struct value *v, const struct code_shape *c, uint32_t cluster,
              slice *out) {
    int rc = get(v, VSET_TAILS, cluster, tail_ok, out);
    return rc == OK && out->n != tail_bytes(c) ? ERR_CORRUPT : rc;
}

static bool base_fits(const struct code_shape *c, slice page, uint32_t rows) {
    return get_u32(page.p) == rows && page.n == BASE_HEAD + rows / CODE_ROWS * base_stride(c);
}

int ivf__base(const struct value *v, const struct code_shape *c, uint32_t cluster,
              uint32_t rows, slice *out) {
    int rc = get(v, VSET_CLUSTERS, cluster, base_ok, out);
    return rc != OK || base_fits(c, *out, rows) ? rc : ERR_CORRUPT;
}

void ivf__clusters(const struct value *v, const struct code_shape *c, const uint32_t *cluster, size_t n,
                   struct ivf_pages *out) {
    uint64_t tail[IVF_PAGES_MANY] = {0}, base[IVF_PAGES_MANY] = {0};
    struct pager_got tails[IVF_PAGES_MANY], bases[IVF_PAGES_MANY];
    assert(n <= IVF_PAGES_MANY);
    for (size_t i = 0; i < n; i++) {
        tail[i] = vset_page(VSET_TAILS, cluster[i]);
        base[i] = vset_page(VSET_CLUSTERS, cluster[i]);
    }
    v->pager->ops->get_many(v->pager, v->obj, tail, n, tail_ok, tails);
    v->pager->ops->get_many(v->pager, v->obj, base, n, base_ok, bases);
    for (size_t i = 0; i < n; i++) {
        struct ivf_pages *o = &out[i];
        *o = (struct ivf_pages){.rc = tails[i].rc == ERR_NOTFOUND ? ERR_CORRUPT : tails[i].rc};
        if (o->rc == OK && bases[i].rc != ERR_NOTFOUND) o->rc = bases[i].rc;
        if (o->rc == OK && tails[i].page.n != tail_bytes(c)) o->rc = ERR_CORRUPT;
        if (o->rc != OK) continue;
        o->tail = tails[i].page;
        o->rows = get_u32(o->tail.p + TA_BASE);
        o->last = get_u32(o->tail.p + TA_TAIL);
        if (o->rows == 0) continue;
        o->base = bases[i].page;
        if (bases[i].rc == ERR_NOTFOUND || !base_fits(c, o->base, o->rows)) o->rc = ERR_CORRUPT;
    }
}

int ivf__parent(const struct value *v, uint32_t cluster, uint32_t *node) {
    slice page;
    int rc = get(v, VSET_SPARE, cluster / IVF_PARENTS, parents_ok, &page);
    if (rc != OK) return rc;
    uint32_t n = get_u32(page.p + 4 * (size_t)(cluster % IVF_PARENTS));
    if (n == 0 || n > get_u32(ivf__meta(v) + IM_NODE_NEXT)) return ERR_CORRUPT;
    *node = n - 1;
    return OK;
}

/* ---- changing ---------------------------------------------------------------------------- */

static int mut(struct value *v, enum vset_kind kind, uint64_t i, size_t n, uint8_t **out) {
    return v->pager->ops->mut(v->pager, v->obj, vset_page(kind, i), n, out);
}

int ivf__parent_set(struct value *v, uint32_t cluster, uint32_t node) {
    uint8_t *p;
    int rc = mut(v, VSET_SPARE, cluster / IVF_PARENTS, 4 * IVF_PARENTS, &p);
    if (rc == OK)
        put_u32(p + 4 * (size_t)(cluster % IVF_PARENTS), node == IVF_NONE ? 0 : node + 1);
    return rc;
}

int ivf__root_find(slice root, const struct code_shape *c, uint32_t node, const uint8_t **centroid) {
    for (uint32_t i = 0; i < route_n(root); i++) {
        *centroid = route_at(root, c, i) + 4;
        if (get_u32(route_at(root, c, i)) == node) return OK;
    }
    return ERR_CORRUPT;
}

int ivf__root_make(struct value *v, const struct code_shape *c, const struct ivf_frame *f) {
    uint8_t *p;
    int rc = mut(v, VSET_ROUTES, 0, root_head(c), &p);
    if (rc != OK) return rc;
    memset(p, 0, ROUTE_HEAD);
    memcpy(p + 4, &f->scale, 4);
    memcpy(p + ROUTE_HEAD, f->mean, 4 * (size_t)c->dim);
    return OK;
}

int ivf__root_put(struct value *v, const struct code_shape *c, uint32_t node, const uint8_t *centroid) {
    slice old;
    uint8_t *p;
    int rc = ivf__root(v, c, &old);
    if (rc != OK) return rc;
    uint32_t n = route_n(old);
    size_t at = root_head(c) + n * route_stride(c);
    if (at + route_stride(c) > PAGE_BYTES_MAX) return ERR_LIMIT;
    rc = mut(v, VSET_ROUTES, 0, at + route_stride(c), &p);
    if (rc != OK) return rc;
    put_u32(p, n + 1);
    put_u32(p + at, node);
    memcpy(p + at + 4, centroid, 2 * (size_t)c->dim);
    return OK;
}

int ivf__root_remove(struct value *v, const struct code_shape *c, uint32_t node) {
    slice old;
    uint8_t *p;
    const uint8_t *centroid;
    int rc = ivf__root(v, c, &old);
    if (rc == OK) rc = ivf__root_find(old, c, node, &centroid);
    if (rc != OK) return rc;
    size_t stride = route_stride(c), at = (size_t)(centroid - 4 - old.p);
    uint32_t n = route_n(old) - 1;
    rc = mut(v, VSET_ROUTES, 0, old.n, &p);
    if (rc != OK) return rc;
    put_u32(p, n);
    memmove(p + at, p + root_head(c) + n * stride, stride);
    return mut(v, VSET_ROUTES, 0, root_head(c) + n * stride, &p);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

int ivf__node_room(slice page, const struct code_shape *c, uint32_t more) {
    uint64_t n = (uint64_t)route_n(page) + more;
    if (n > IVF_NODE_CLUSTERS_MAX) return ERR_LIMIT;
    return node_centroid_at(c, (uint32_t)n, (uint32_t)n) <= PAGE_BYTES_MAX ? OK : ERR_LIMIT;
}

int ivf__base_room(const struct code_shape *c, uint32_t rows, uint32_t more) {
    uint64_t blocks = rows / CODE_ROWS + (uint64_t)more / CODE_ROWS + 2;
    return blocks <= (PAGE_BYTES_MAX - BASE_HEAD) / base_stride(c) ? OK : ERR_LIMIT;
}

int ivf__node_find(slice page, const struct code_shape *c, uint32_t cluster, uint32_t *at) {
    for (uint32_t i = 0; i < route_n(page); i++) {
        if (node_child(page, c, i) != cluster) continue;
        *at = i;
        return OK;
    }
    return ERR_CORRUPT;
}

void ivf__clear_rows(const struct code_shape *c, uint8_t *at) {
    for (unsigned i = 0; i < CODE_ROWS; i++) {
        put_u32(at + 4 * (size_t)i, IVF_NONE);
        block_clear(c, at + 4 * CODE_ROWS, i);
    }
}

int ivf__node_put(struct value *v, const struct code_shape *c, uint32_t node, uint32_t cluster,
                  const uint8_t *centroid) {
    slice old, root;
    uint8_t *p;
    const uint8_t *own;
    uint32_t n = 0;
    int rc = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_ROUTES, 1 + (uint64_t)node), &old);
    if (rc == OK) n = route_n(old);
    else if (rc != ERR_NOTFOUND) return rc;
    rc = ivf__root(v, c, &root);
    if (rc == OK) rc = ivf__root_find(root, c, node, &own);
    if (rc != OK) return rc;
    size_t half = 2 * (size_t)c->dim, bytes = node_centroid_at(c, n + 1, n + 1);
    if (bytes > PAGE_BYTES_MAX || n >= IVF_NODE_CLUSTERS_MAX) return ERR_LIMIT;
    float *y = mem_alloc(c->dim * sizeof(float));
    uint8_t *code = mem_alloc(code_bytes(c));
    struct code_factors f;
    half_to_floats(centroid, c->dim, y);
    ivf__encode(c, y, own, code, &f);
    mem_free(y);
    rc = mut(v, VSET_ROUTES, 1 + (uint64_t)node, bytes, &p);
    if (rc == OK) {
        if (n % CODE_ROWS == 0) { /* A block more: the centroids move up. */
            memmove(p + node_centroid_at(c, n + 1, 0), p + node_centroid_at(c, n, 0), n * half);
            ivf__clear_rows(c, p + ROUTE_HEAD + n / CODE_ROWS * base_stride(c));
        }
        uint8_t *block = p + ROUTE_HEAD + n / CODE_ROWS * base_stride(c);
        put_u32(p, n + 1);
        put_u32(block + 4 * (size_t)(n % CODE_ROWS), cluster);
        block_put(c, block + 4 * CODE_ROWS, n % CODE_ROWS, code, &f);
        memcpy(p + node_centroid_at(c, n + 1, n), centroid, half);
    }
    mem_free(code);
    return rc;
}

int ivf__node_remove(struct value *v, const struct code_shape *c, uint32_t node, uint32_t cluster) {
    slice old;
    uint8_t *p;
    uint32_t at;
    int rc = ivf__node(v, c, node, &old);
    if (rc == OK) rc = ivf__node_find(old, c, cluster, &at);
    if (rc != OK) return rc;
    uint32_t n = route_n(old) - 1;
    size_t half = 2 * (size_t)c->dim, stride = base_stride(c);
    /* At its length first: a page that shrinks loses its end. */
    rc = mut(v, VSET_ROUTES, 1 + (uint64_t)node, old.n, &p);
    if (rc != OK) return rc;
    uint8_t *last = p + ROUTE_HEAD + n / CODE_ROWS * stride, *to = p + ROUTE_HEAD + at / CODE_ROWS * stride;
    struct code_factors f;
    uint8_t *code = mem_alloc(code_bytes(c));
    block_get(c, last + 4 * CODE_ROWS, n % CODE_ROWS, code, &f);
    block_put(c, to + 4 * CODE_ROWS, at % CODE_ROWS, code, &f);
    mem_free(code);
    put_u32(to + 4 * (size_t)(at % CODE_ROWS), get_u32(last + 4 * (size_t)(n % CODE_ROWS)));
    put_u32(last + 4 * (size_t)(n % CODE_ROWS), IVF_NONE);
    block_clear(c, last + 4 * CODE_ROWS, n % CODE_ROWS);
    memmove(p + node_centroid_at(c, n + 1, at), p + node_centroid_at(c, n + 1, n), half);
    if (n % CODE_ROWS == 0) memmove(p + node_centroid_at(c, n, 0), p + node_centroid_at(c, n + 1, 0), n * half);
    put_u32(p, n);
    return mut(v, VSET_ROUTES, 1 + (uint64_t)node, node_centroid_at(c, n, n), &p);
}

/* ---- rows -------------------------------------------------------------------------------------- */

int ivf__tail_make(struct value *v, const struct code_shape *c, uint32_t cluster,
                   uint32_t generation) {
    uint8_t *p;
    int rc = mut(v, VSET_TAILS, cluster, tail_bytes(c), &p);
    if (rc != OK) return rc;
    memset(p, 0, tail_bytes(c));
    put_u32(p + TA_GENERATION, generation);
    ivf__clear_rows(c, p + TAIL_HEAD);
    return OK;
}

/* The tail is full: its rows become a block of the base. */
static int settle(struct value *v, const struct code_shape *c, uint32_t cluster,
                  uint32_t rows) {
    uint8_t *b, *t;
    size_t stride = base_stride(c), at = BASE_HEAD + rows / CODE_ROWS * stride;
    if (at + stride > PAGE_BYTES_MAX) return ERR_LIMIT;
    int rc = mut(v, VSET_CLUSTERS, cluster, at + stride, &b);
    if (rc == OK) rc = mut(v, VSET_TAILS, cluster, tail_bytes(c), &t);
    if (rc != OK) return rc;
    put_u32(b, rows + CODE_ROWS);
    memcpy(b + at, t + TAIL_HEAD, stride);
    put_u32(t + TA_BASE, rows + CODE_ROWS);
    put_u32(t + TA_TAIL, 0);
    ivf__clear_rows(c, t + TAIL_HEAD);
    return OK;
}

int ivf__append(struct value *v, const struct code_shape *c, uint32_t cluster,
                uint32_t slot, const uint8_t *code, const struct code_factors *f) {
    uint8_t *t;
    int rc = mut(v, VSET_TAILS, cluster, tail_bytes(c), &t);
    if (rc != OK) return rc;
    uint32_t n = get_u32(t + TA_TAIL);
    assert(n < CODE_ROWS);
    put_u32(t + TAIL_HEAD + 4 * (size_t)n, slot);
    block_put(c, t + TAIL_HEAD + 4 * CODE_ROWS, n, code, f);
    put_u32(t + TA_TAIL, n + 1);
    put_u32(t + TA_LIVE, get_u32(t + TA_LIVE) + 1);
    return n + 1 < CODE_ROWS ? OK : settle(v, c, cluster, get_u32(t + TA_BASE));
}

int ivf__rows(const struct value *v, const struct code_shape *c, uint32_t cluster,
              ivf_each_row *each, void *cookie) {
    slice tail, base;
    int rc = ivf__tail(v, c, cluster, &tail);
    if (rc != OK) return rc;
    uint32_t rows = get_u32(tail.p + TA_BASE), last = get_u32(tail.p + TA_TAIL);
    if (rows > 0 && (rc = ivf__base(v, c, cluster, rows, &base)) != OK) return rc;
    for (uint32_t from = 0; from < rows + last; from += CODE_ROWS) {
        const uint8_t *at = from < rows
                                ? base.p + BASE_HEAD + from / CODE_ROWS * base_stride(c)
                                : tail.p + TAIL_HEAD;
        uint32_t n = from < rows ? CODE_ROWS : last;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t slot = get_u32(at + 4 * (size_t)i);
            if (slot == IVF_NONE) continue;
            rc = each(cookie, from + i, slot, at + 4 * CODE_ROWS, i);
            if (rc != OK) return rc;
        }
    }
    return OK;
}
