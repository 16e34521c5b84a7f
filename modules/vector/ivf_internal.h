/* ivf_internal.h -- pages of the index, shared by the ivf_*.c files.
 *
 * meta (VSET_INDEX_META bytes of the set's):
 *    0 u8 state | u8 bits | u8 clusters to do, and 0x80: there are more | u8 free clusters known | u32 dim, padded | u64 seed | u64 rows
 *   24 u32 clusters | next cluster | nodes | next node | generation | filled | to do[6] | free[4]
 *   88 u32 rows, u32 clusters, u64 changes there had been when probes were measured, or fewer (tend.c) | u16 probes[3][4] (recall.h)
 *
 * routes:    page 0 the root: u32 n | f32 scale | 8 zero bytes | mean f32[dim] | n times: u32 node, centroid f16[dim].
 *            page 1 + j node j: u32 n | 12 zero bytes | for each 32 clusters: u32 numbers[32], a block of codes of their
 *            centroids, relative to the node's own | n centroids f16[dim]
 * tail:      page c of cluster c: u32 generation | base rows | tail rows | live rows | removals | 12 zero bytes |
 *            u32 slots[32] | a block of codes
 * cluster:   page c: its full blocks. u32 rows | 12 zero bytes | for each block: u32 slots[32], codes. Absent while
 *            there is none
 * spare:     page i: u32 for each cluster from 16384 i on: its node + 1
 *
 * Rows are appended to the tail, which becomes a block of the base when it is full: an insertion changes some kilobytes. A
 * removed row stays in its place, with slot IVF_NONE, until its cluster is made anew. A centroid never changes under its
 * cluster's number and generation: codes are relative to it. Removals are counted, so that work done beside the loop can
 * tell that the rows it saw are still the first ones.
 *
 * Invariants, walked by ivf_check():
 *  1. A slot with place c + 1 has one row, in cluster c; all other rows are removed ones.
 *  2. Each cluster is a child of one node, each node of the root; the spare pages say so.
 *  3. The counts of the meta and of tails are right. */
#ifndef COVE_VECTOR_IVF_INTERNAL_H
#define COVE_VECTOR_IVF_INTERNAL_H

#include "modules/vector/ivf.h"
#include "modules/vector/store.h"

enum { IM_STATE = 0, IM_BITS = 1, IM_TODO_N = 2, IM_FREE_N = 3, IM_DIM = 4, IM_SEED = 8, IM_ROWS = 16,
       IM_CLUSTERS = 24, IM_NEXT = 28, IM_NODES = 32, IM_NODE_NEXT = 36, IM_GENERATION = 40, IM_FILLED = 44,
       IM_TODO = 48, IM_FREE = 72, IM_TUNED_ROWS = 88, IM_TUNED_CLUSTERS = 92, IM_TUNED = 96, IM_PROBES = 104 };
#define IVF_TODO_MAX 6
#define IVF_TODO_MORE 0x80u /* The list was full once: all clusters are to be looked at. */
#define IVF_FREE_MAX 4
#define IVF_PROBES_BYTES 24
#define IVF_CLUSTERS_MAX (1u << 30)
#define IVF_CHILDREN_MAX 512    /* of one split */
#define IVF_NODE_CLUSTERS_MAX 4096
#define IVF_PARENTS 16384 /* of a spare page */

/* The root. */
#define ROUTE_HEAD 16
static inline size_t route_stride(const struct code_shape *c) { return 4 + 2 * (size_t)c->dim; }
static inline uint32_t route_n(slice page) { return get_u32(page.p); }
static inline size_t root_head(const struct code_shape *c) { return ROUTE_HEAD + 4 * (size_t)c->dim; }
static inline const uint8_t *route_at(slice page, const struct code_shape *c, uint32_t i) {
    return page.p + root_head(c) + i * route_stride(c);
}

static inline size_t base_stride(const struct code_shape *c) { return 4 * CODE_ROWS + block_bytes(c); }

/* A node. */
static inline size_t node_blocks(uint32_t n) { return (n + CODE_ROWS - 1) / CODE_ROWS; }
static inline const uint8_t *node_block(slice page, const struct code_shape *c, size_t i) {
    return page.p + ROUTE_HEAD + i * base_stride(c);
}
static inline size_t node_centroid_at(const struct code_shape *c, uint32_t n, uint32_t i) {
    return ROUTE_HEAD + node_blocks(n) * base_stride(c) + i * 2 * (size_t)c->dim;
}
static inline const uint8_t *node_centroid(slice page, const struct code_shape *c, uint32_t i) {
    return page.p + node_centroid_at(c, route_n(page), i);
}
static inline uint32_t node_child(slice page, const struct code_shape *c, uint32_t i) {
    return get_u32(node_block(page, c, i / CODE_ROWS) + 4 * (size_t)(i % CODE_ROWS));
}

#define TAIL_HEAD 32
enum { TA_GENERATION = 0, TA_BASE = 4, TA_TAIL = 8, TA_LIVE = 12, TA_REMOVALS = 16 };
static inline size_t tail_bytes(const struct code_shape *c) {
    return TAIL_HEAD + 4 * CODE_ROWS + block_bytes(c);
}
#define BASE_HEAD 16

static inline const uint8_t *ivf__meta(const struct value *v) { return vset_index_meta(v); }
static inline uint8_t *ivf__meta_mut(struct value *v) { return vset_index_meta_mut(v); }

/* ---- pages (ivf_page.c): sizes and numbers are checked against the shape; ERR_CORRUPT --------------- */

int ivf__root(const struct value *v, const struct code_shape *c, slice *out);
/* The same; when the root is cold, the nodes are asked for too, so that they come in one round with it. */
int ivf__root_and_nodes(const struct value *v, const struct code_shape *c, slice *out);
int ivf__root_make(struct value *v, const struct code_shape *c, const struct ivf_frame *f);
/* Of a root. */
void ivf__frame(slice root, struct ivf_frame *out);
int ivf__node(const struct value *v, const struct code_shape *c, uint32_t node, slice *out);
int ivf__tail(const struct value *v, const struct code_shape *c, uint32_t cluster, slice *out);
/* Of a cluster whose tail says that it has base rows; `rows` is what it says. */
int ivf__base(const struct value *v, const struct code_shape *c, uint32_t cluster, uint32_t rows, slice *out);
/* Both pages of n clusters, looked up side by side; the base is absent when there are no rows in it. ERR_COLD: both have
 * been asked for. */
#define IVF_PAGES_MANY (PAGER_MANY / 2)
struct ivf_pages {
    int rc;
    uint32_t rows, last; /* in the base, in the tail */
    slice tail, base;
};
void ivf__clusters(const struct value *v, const struct code_shape *c, const uint32_t *cluster, size_t n,
                   struct ivf_pages *out);
int ivf__parent(const struct value *v, uint32_t cluster, uint32_t *node);
int ivf__parent_set(struct value *v, uint32_t cluster, uint32_t node);
int ivf__root_put(struct value *v, const struct code_shape *c, uint32_t node, const uint8_t *centroid);
int ivf__root_remove(struct value *v, const struct code_shape *c, uint32_t node);
int ivf__root_find(slice root, const struct code_shape *c, uint32_t node, const uint8_t **centroid);
/* A cluster with its centroid comes into a node that stands in the root; its page is made when it is absent. The last
 * one takes the place of one that is taken out. */
int ivf__node_put(struct value *v, const struct code_shape *c, uint32_t node, uint32_t cluster,
                  const uint8_t *centroid);
int ivf__node_remove(struct value *v, const struct code_shape *c, uint32_t node, uint32_t cluster);
/* ERR_LIMIT: the node's page does not hold so many more clusters. */
int ivf__node_room(slice page, const struct code_shape *c, uint32_t more);
/* ERR_LIMIT: the pages of a cluster with so many rows do not hold so many more. */
int ivf__base_room(const struct code_shape *c, uint32_t rows, uint32_t more);
int ivf__node_find(slice page, const struct code_shape *c, uint32_t cluster, uint32_t *at);

/* A block of no rows, with its slots or clusters, which lie before it. */
void ivf__clear_rows(const struct code_shape *c, uint8_t *at);

/* Rows of a cluster: new ones go to the end. */
int ivf__tail_make(struct value *v, const struct code_shape *c, uint32_t cluster, uint32_t generation);
int ivf__append(struct value *v, const struct code_shape *c, uint32_t cluster, uint32_t slot, const uint8_t *code,
                const struct code_factors *f);
/* Calls each() for every row that is not removed, with its position; ends with what is not OK. */
typedef int ivf_each_row(void *cookie, uint32_t position, uint32_t slot, const uint8_t *block, unsigned row);
int ivf__rows(const struct value *v, const struct code_shape *c, uint32_t cluster, ivf_each_row *each,
              void *cookie);

void ivf__todo(struct value *v, uint32_t cluster); /* is to be split or merged */
void ivf__todo_done(struct value *v, uint32_t cluster);
/* Is a cluster of this tail to be split, compacted or dissolved? */
bool ivf__due(slice tail, uint32_t clusters);

/* ---- the best of many estimates (ivf_best.c) ----------------------------------------------------- */

struct ivf_best {
    struct ivf_candidate *found; /* owned: what may be among the k least */
    size_t n, cap, prune_at;
    float *uppers; /* owned: the k least upper bounds, a heap */
    size_t k, uppers_n;
    float limit;   /* the greatest of them; infinite while there are fewer than k */
};
void ivf__best_init(struct ivf_best *b, size_t k);
void ivf__best_deinit(struct ivf_best *b);
void ivf__best_clear(struct ivf_best *b);
/* An estimate of -infinity says nothing: it is kept, and bounds nothing. */
void ivf__best_add(struct ivf_best *b, float est, float err, uint32_t id);
void ivf__best_prune(struct ivf_best *b); /* drops what the limit has overtaken */
/* The `want` least estimates come first, in order; of equal ones the lower slot. */
void ivf__least_first(struct ivf_candidate *c, size_t n, size_t want);

/* ---- routing (ivf_route.c) ------------------------------------------------------------------------------ */

struct ivf_route {
    float distance; /* squared, or the negated product */
    float square;   /* of a product: the squared distance too */
    uint32_t cluster, node;
    const uint8_t *centroid; /* half floats in the node's page */
};
struct ivf_routes {
    struct ivf_route *r; /* owned */
    size_t n, cap;
};
void ivf__routes_free(struct ivf_routes *r);
/* A rotated vector with its tables. */
struct ivf_target {
    struct code_query query;
    const float *y;
    uint8_t *room; /* owned */
};
void ivf__target_init(struct ivf_target *t, const struct code_shape *c, const float *y);
void ivf__target_deinit(struct ivf_target *t);
/* The `want` clusters nearest to the target, in order, of those in the nodes nearest to it that have `least` clusters
 * together: by estimates, then by their centroids. At most `ties` more follow that are as near as the last one. */
int ivf__route(const struct value *v, const struct ivf *ix, const struct ivf_target *t, size_t least, size_t want,
               size_t ties, struct ivf_routes *out);

/* ---- effects (ivf_write.c, ivf_split.c, ivf_node.c) ---------------------------------------------------------------- */

/* A row for a slot whose pages are all there: the cluster's, and the slot's place. */
int ivf__put_row(struct value *v, const struct code_shape *c, uint32_t cluster, uint32_t slot,
                 const uint8_t *code, const struct code_factors *f);
/* y: rotated floats; centroid: half floats. */
void ivf__encode(const struct code_shape *c, const float *y, const uint8_t *centroid, uint8_t *code,
                 struct code_factors *f);
/* Rotated and framed: code.dim floats. */
void ivf__rotated(const struct vset_shape *s, uint64_t seed, const struct ivf_frame *f, const struct point *p, float *y);
/* A vector's coordinates are about 1. One that is farther off than so many times sqrt(dim) is drawn nearer on its line, so
 * that an outlier does not draw a centroid away from all other rows; queries as far as floats can tell apart. */
#define IVF_ROW_MOST 1024.0f
#define IVF_QUERY_MOST 1e4f
void ivf__enframe(const struct ivf_frame *f, float *y, uint32_t dim, float most);
/* Of n rotated rows, which are framed then: returns the scale, and appends the mean. */
float ivf__frame_find(float *y, size_t n, uint32_t dim, bool product, buf *mean);

struct ivf_mean { /* of centroids */
    float *sum;
    uint8_t *half;
    size_t n;
};
void ivf__mean_init(struct ivf_mean *m, const struct code_shape *c);
void ivf__mean_deinit(struct ivf_mean *m);
void ivf__mean_add(struct ivf_mean *m, const struct code_shape *c, const uint8_t *half);
const uint8_t *ivf__mean_half(struct ivf_mean *m, const struct code_shape *c); /* once */

int ivf__apply_split(struct value *v, const effect *e);
int ivf__apply_node(struct value *v, const effect *e);

#endif
