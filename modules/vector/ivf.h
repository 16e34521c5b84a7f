/* ivf.h -- the index of a vector set: clusters of short codes, found over a tree of centroids.
 *
 *   root -> nodes of some hundred clusters -> clusters of 40 to 320 vectors: slot numbers and codes (code.h)
 *
 * A search scans the codes of all clusters' centroids (of the nearest nodes' only, when there are very many), measures
 * the centroids that may be among the nearest, scans the codes of those clusters, and gives back the slots whose
 * distance may be among the best k, with the estimates; the exact distances, from the vectors in the slots, come after
 * (ivf_rerank()). A set has no index while it is small
 * (IVF_MIN), and one is filled in slices while searches still measure every vector (IVF_FILLING).
 *
 * All of it is pages of the set's object (store.h) and is changed by effects alone, so that it is as durable
 * as what it indexes, and copies, forks and snapshots have it for nothing. The work behind a split (k-means,
 * encoding) runs beside the loop on copies (ivf_job.h), and its effect carries the codes.
 *
 * In the index a vector is what is stored, decoded: with length 1 for cosine, as it is for L2 and products,
 * rotated, and framed (struct ivf_frame). Distances are squared, or negated products. */
#ifndef COVE_VECTOR_IVF_H
#define COVE_VECTOR_IVF_H

#include "modules/vector/code.h"
#include "modules/vector/set.h"

#define IVF_MIN 10000       /* Elements from which on there is an index: up to here a scan of all is short. */
#define IVF_LEAF 160        /* What a cluster is made to have. */
#define IVF_LEAF_MAX 320    /* With more it is to be split. */
#define IVF_LEAF_MIN 40     /* With fewer its rows are to go elsewhere. */
#define IVF_NODE_MAX 192    /* A node of more clusters is split; of fewer, when a page holds no more of them. */
#define IVF_SIGMAS 1.9f     /* RaBitQ's own choice: one in forty estimates is worse. */
#define IVF_SIGMAS_HIGH 2.6f /* for those who want nearly all: one in two hundred */
#define IVF_FILL_MAX 64     /* elements of one effect */
#define IVF_NONE UINT32_MAX

enum ivf_state { IVF_ABSENT = 0, IVF_FILLING = 1, IVF_READY = 2 }; /* stored */

/* What all vectors have had done to them after the rotation: y = (x - mean) * scale. So tables and half floats hold
 * what differs, whatever the unit and however far from 0 all of it lies. Of products there is no mean. */
struct ivf_frame {
    float scale;
    const uint8_t *mean; /* dim floats, any alignment */
};

struct ivf { /* what the meta says, checked */
    enum ivf_state state;
    struct code_shape code;
    uint64_t seed, rows;
    uint32_t clusters, nodes; /* that there are */
    uint32_t filled;          /* IVF_FILLING: slots below have been brought in */
    uint32_t todo;            /* clusters that wait for a split or a merge */
    bool missed;              /* there were more than fit the list: all are to be looked at */
};
bool ivf_meta_ok(const uint8_t *meta, const struct vset_shape *s); /* from the store */
void ivf_read(const struct value *v, struct ivf *out);
uint32_t ivf_todo(const struct value *v); /* The first of those that wait; IVF_NONE: none does. */
bool ivf_wants(const struct value *v); /* Is there an index, that wants to know of elements? */

/* ---- elements come and go, within an effect --------------------------------------------------------------- */

/* Where a vector goes, and its code: made before the first change, used up by ivf_put(). */
struct ivf_plan {
    uint32_t cluster; /* IVF_NONE: there is no index */
    struct code_factors factors;
    buf code;
};
#define IVF_PLAN_INIT {.cluster = IVF_NONE, .code = BUF_INIT}
/* Asks for all pages that ivf_put() needs, `rows` of them in the same effect. ERR_COLD, ERR_CORRUPT. */
int ivf_plan(const struct value *v, const struct vset_shape *s, const struct point *p, uint32_t rows,
             struct ivf_plan *out);
int ivf_put(struct value *v, const struct ivf_plan *p, uint32_t slot);
int ivf_need_remove(const struct value *v, uint32_t slot);
int ivf_remove(struct value *v, uint32_t slot); /* Nothing when it is in no cluster. */

/* ---- effects of its own (ops of the type) ------------------------------------------------------------------- */

enum ivf_op {               /* stored; after those of enum vset_op */
    VECTOR_INDEX = 8,       /* args: see ivf_write.c: an empty index; slots are to be filled in */
    VECTOR_FILL = 9,        /* args: u32 end: slots from `filled` to it, of which IVF_FILL_MAX at most want a cluster */
    VECTOR_SPLIT = 10,      /* args: see ivf_split.c */
    VECTOR_PROBES = 11,     /* args: u32 rows, u32 clusters, u64 changes, u16 probes of each curve and target: see recall.h */
    VECTOR_SWEEP = 12,      /* no args: a look at all clusters begins */
    VECTOR_LEAVE = 13,      /* args: u32 cluster: it stays as it is, for a page has no room for what would come of it */
    VECTOR_NODE = 14        /* args: see ivf_node.c: a node of too many clusters becomes two */
};
int ivf_apply(struct value *v, const effect *e); /* the set is there */

/* ---- searching ------------------------------------------------------------------------------------------- */

struct ivf_candidate {
    float est, err;
    uint32_t slot;
};
struct ivf_search {
    /* Asked. */
    uint32_t k, probes;
    float sigmas;          /* how many standard deviations an estimate may be wrong */
    size_t reranked_most;  /* ivf_rerank() calls each() so often, more or less, then ERR_AGAIN; 0: there is no most */
    /* A filter, or NULL: asked about slots that could count. ERR_COLD: what it needs has been asked for. */
    int (*wants)(void *cookie, uint32_t slot, bool *yes);
    void *cookie;
    /* Answered. */
    struct ivf_candidate *found; /* the k least estimates first, in order; its own */
    size_t n, measured;    /* and how many of them ivf_rerank() is done with */
    uint64_t version;      /* of the set, when it began with them */
    uint64_t codes;        /* scanned */
    uint32_t probed;       /* clusters scanned */
    double unit;           /* of the index: what a distance of 1 is there, squared for L2 */
    struct ivf_scan *scan; /* its own: ivf_search_deinit() */
};
/* A search in steps, between which other commands may run: x is what the index sees of the query (ivf_vector()).
 * ERR_AGAIN: about `codes` more have been scanned (SIZE_MAX: no end before the end), call again; OK; ERR_COLD, having
 * asked for all that it knew to need: call again when it is there; ERR_CORRUPT. What splits in between makes it
 * begin anew, some times at most. */
int ivf_search(const struct value *v, const struct vset_shape *s, const float *x, size_t codes,
               struct ivf_search *q);
void ivf_search_deinit(struct ivf_search *q);
/* After it: calls each() for the elements found, as long as one may still be nearer than worst() (in the index's
 * unit), which each() brings down. ERR_COLD, perhaps after some calls, having asked for vectors that it may need (all of
 * them, but for a great many), and attributes if they are wanted: call again when they are there, for the rest; but
 * ask ivf_rerank_begins() before each call. True: it will begin with the first one, for what has been called may have
 * changed since: what each() has kept is to be forgotten. */
bool ivf_rerank_begins(const struct value *v, struct ivf_search *q);
typedef int ivf_each(void *cookie, const struct value *v, const struct element *e);
int ivf_rerank(const struct value *v, const struct vset_shape *s, struct ivf_search *q, bool attributes,
               double (*worst)(void *cookie), ivf_each *each, void *cookie, uint64_t *reranked);
/* Of the clusters in the order in which the last search took them: where this one stands; IVF_NONE: not among them. */
uint32_t ivf_search_rank(const struct ivf_search *q, uint32_t cluster);
/* A stored vector, or a query, as the index sees it: x has s->dim floats. */
void ivf_vector(const struct vset_shape *s, const struct point *p, float *x);
/* An exact distance of measure_distance() as estimates are; unit: ivf_search.unit. */
double ivf_distance(enum vector_metric m, double distance, double unit);

int ivf_check(const struct value *v, const struct vset *set, char why[160]);

#endif
