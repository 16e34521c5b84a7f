/* ivf_search.c -- which slots may be among the k nearest.
 *
 * The query is rotated once and its tables are built once; centroids come into the estimate by two numbers
 * for each cluster. The k least upper bounds (estimate + error) are kept in a heap: what cannot be below the
 * greatest of them is dropped while blocks are scanned. So the answer is a superset of the best k among what
 * was scanned, but for the errors beyond `sigmas`; the exact distances decide. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/rotate.h"

#define ROUTE_LEAST 32768 /* Clusters looked at; those of the nearest nodes when there are more. */
/* Equal vectors have many clusters with one centroid, and what else is in them is in any of them. */
#define TIES 256
#define WANTS_CODES 64   /* A question to a filter takes as long as so many codes. */
#define SLOTS_BYTES (4 * (size_t)CODE_ROWS) /* at the head of a block: few of them are looked at */
#define AHEAD_BYTES 4096 /* on their way from memory */
#define PAGES_KEPT 256   /* clusters, from one look to the other */
#define BEGIN_CODES 16   /* To measure and look up a cluster takes as long as so many codes. */
#define BEGIN_MAX 4      /* After so many beginnings a search goes to its end in one step. */

struct target {
    float distance, square;
    uint32_t cluster;
};

struct ivf_scan {
    struct ivf_target to;
    struct ivf_best best;
    struct target *near; /* owned */
    size_t near_n, next;
    uint32_t generation, begun;
    bool valid;       /* near is what it was, and all before `next` has been scanned */
    float *y;         /* owned: the query, rotated */
};

struct run {
    const struct value *v;
    struct ivf ix;
    struct ivf_search *q;
    struct ivf_scan *scan;
    uint32_t slots;
    uint64_t work; /* of this step, in codes */
};

/* ---- scanning ------------------------------------------------------------------------------- */

static int scan_block(struct run *r, const uint8_t *at, float g, float spread) {
    float est[CODE_ROWS], err[CODE_ROWS];
    struct ivf_scan *s = r->scan;
    uint32_t rows = block_scan(&s->to.query, at + 4 * CODE_ROWS, g, spread, s->best.limit, est, err);
    int answer = OK;
    while (rows != 0) {
        unsigned i = (unsigned)__builtin_ctz(rows);
        rows &= rows - 1;
        uint32_t slot = get_u32(at + 4 * (size_t)i);
        if (slot == IVF_NONE) continue;
        if (slot >= r->slots) return ERR_CORRUPT;
        /* The limit may have come down since the block was scanned. */
        if (est[i] - err[i] > s->best.limit) continue;
        bool yes = true;
        int rc = r->q->wants == NULL ? OK : r->q->wants(r->q->cookie, slot, &yes);
        r->work += r->q->wants == NULL ? 0 : WANTS_CODES;
        if (rc != OK) answer = rc;
        if (rc == OK && yes) ivf__best_add(&s->best, est[i], err[i], slot);
    }
    return answer;
}

/* The blocks of some clusters, one after the other. */
struct blocks {
    const struct ivf_pages *page;
    size_t n, stride;
    size_t cluster;  /* of the next block */
    uint32_t block;
};

/* NULL: there is none. */
static const uint8_t *next_block(struct blocks *b) {
    for (; b->cluster < b->n && b->page[b->cluster].rc == OK; b->cluster++, b->block = 0) {
        const struct ivf_pages *p = &b->page[b->cluster];
        uint32_t whole = p->rows / CODE_ROWS, i = b->block++;
        if (i < whole) return p->base.p + BASE_HEAD + i * b->stride;
        if (i == whole && p->last > 0) return p->tail.p + TAIL_HEAD;
    }
    return NULL;
}

static void fetch_ahead(struct blocks *b) {
    const uint8_t *at = next_block(b);
    if (at != NULL) mem_ahead(at + SLOTS_BYTES, b->stride - SLOTS_BYTES);
}

static int scan_cluster(struct run *r, const struct target *to, const struct ivf_pages *p, struct blocks *ahead) {
    const struct code_shape *c = &r->ix.code;
    float square = c->product ? to->square : to->distance;
    float spread = r->q->sigmas * sqrtf(square > 0 ? square : 0);
    struct blocks own = {.page = p, .n = 1, .stride = base_stride(c)};
    const uint8_t *at;
    int answer = OK;
    while ((at = next_block(&own)) != NULL) {
        fetch_ahead(ahead);
        int rc = scan_block(r, at, to->distance, spread);
        if (rc != OK) answer = rc;
    }
    r->q->codes += p->rows + p->last;
    r->work += p->rows + p->last;
    r->q->probed++;
    return answer;
}

/* ---- steps ------------------------------------------------------------------------------------ */

/* Pages of the next clusters, of as many as fit. */
static size_t look_up(const struct run *r, size_t from, struct ivf_pages *out, size_t most) {
    uint32_t cluster[IVF_PAGES_MANY];
    size_t all = r->scan->near_n - from < most ? r->scan->near_n - from : most;
    for (size_t done = 0; done < all;) {
        size_t n = all - done < IVF_PAGES_MANY ? all - done : IVF_PAGES_MANY;
        for (size_t i = 0; i < n; i++) cluster[i] = r->scan->near[from + done + i].cluster;
        ivf__clusters(r->v, &r->ix.code, cluster, n, out + done);
        done += n;
    }
    return all;
}

/* All are asked for at once, so that what is cold comes in one round; what the first ones are is kept. */
static int need_clusters(const struct run *r, struct ivf_pages *kept, size_t *n) {
    struct ivf_pages pages[IVF_PAGES_MANY];
    bool cold = false;
    *n = look_up(r, 0, kept, PAGES_KEPT);
    for (size_t i = 0; i < *n; i++) cold |= kept[i].rc == ERR_COLD;
    for (size_t from = *n; from < r->scan->near_n;) {
        size_t more = look_up(r, from, pages, IVF_PAGES_MANY);
        for (size_t i = 0; i < more; i++) cold |= pages[i].rc == ERR_COLD;
        from += more;
    }
    return cold ? ERR_COLD : OK;
}

static int begin(struct run *r) {
    struct ivf_routes near = {0};
    struct ivf_scan *s = r->scan;
    int rc = ivf__route(r->v, &r->ix, &s->to, ROUTE_LEAST, r->q->probes, TIES, &near);
    if (rc == OK) {
        s->near = mem_realloc(s->near, (near.n + 1) * sizeof(*s->near));
        for (size_t i = 0; i < near.n; i++)
            s->near[i] = (struct target){near.r[i].distance, near.r[i].square, near.r[i].cluster};
        s->near_n = near.n;
        s->next = 0;
        ivf__best_clear(&s->best);
        s->generation = get_u32(ivf__meta(r->v) + IM_GENERATION);
        s->begun++;
        s->valid = true;
        r->q->n = r->q->measured = 0;
        r->q->codes = r->q->probed = 0;
        r->work += BEGIN_CODES * near.n;
    }
    ivf__routes_free(&near);
    return rc;
}

static int prepare(struct run *r, const struct vset_shape *shape, const float *x) {
    slice root;
    struct ivf_frame frame;
    int rc = ivf__root_and_nodes(r->v, &r->ix.code, &root);
    if (rc != OK) return rc;
    ivf__frame(root, &frame);
    r->q->unit = (double)frame.scale * (double)frame.scale;
    const struct code_shape *c = &r->ix.code;
    struct ivf_scan *s = mem_calloc(1, sizeof(*s));
    s->y = mem_alloc(c->dim * sizeof(float));
    rotate(r->ix.seed, x, shape->dim, s->y);
    ivf__enframe(&frame, s->y, c->dim, IVF_QUERY_MOST);
    ivf__target_init(&s->to, c, s->y);
    ivf__best_init(&s->best, r->q->k);
    r->q->scan = r->scan = s;
    return OK;
}

static void fetch_first(const struct run *r, struct blocks *ahead, const struct ivf_pages *pages, size_t n) {
    *ahead = (struct blocks){.page = pages, .n = n, .stride = base_stride(&r->ix.code)};
    for (size_t bytes = 0; bytes < AHEAD_BYTES; bytes += ahead->stride) fetch_ahead(ahead);
}

int ivf_search(const struct value *v, const struct vset_shape *shape, const float *x, size_t codes,
               struct ivf_search *q) {
    struct run r = {.v = v, .q = q, .scan = q->scan};
    struct vset set;
    ivf_read(v, &r.ix);
    vset_read(v, &set);
    r.slots = set.slots;
    assert(r.ix.state == IVF_READY && q->k > 0 && q->probes > 0);
    int rc = r.scan == NULL ? prepare(&r, shape, x) : OK;
    if (rc != OK) return rc;
    struct ivf_scan *s = r.scan;
    bool scanned = false;
    struct ivf_pages pages[PAGES_KEPT];
    struct blocks ahead = {0};
    size_t have = 0, at = 0;
    if (!s->valid || s->generation != get_u32(ivf__meta(v) + IM_GENERATION)) {
        rc = begin(&r);
        if (rc == OK) rc = need_clusters(&r, pages, &have);
        fetch_first(&r, &ahead, pages, have);
    }
    uint64_t end = s->begun > BEGIN_MAX ? UINT64_MAX : codes;
    while (rc == OK && s->next < s->near_n) {
        if (r.work >= end) return ERR_AGAIN;
        scanned = true;
        if (at == have) {
            have = look_up(&r, s->next, pages, IVF_PAGES_MANY);
            at = 0;
            fetch_first(&r, &ahead, pages, have);
        }
        rc = pages[at].rc;
        if (rc == OK) rc = scan_cluster(&r, &s->near[s->next], &pages[at], &ahead);
        if (rc != OK) break;
        s->next++;
        at++;
    }
    /* What was evicted, or what a filter met cold in the middle of a cluster, begins it all anew. */
    if (rc == ERR_COLD && s->next < s->near_n && s->valid && scanned) s->valid = false;
    if (rc != OK) return rc;
    ivf__best_prune(&s->best);
    q->found = s->best.found;
    q->n = s->best.n;
    ivf__least_first(q->found, q->n, q->k);
    return OK;
}

uint32_t ivf_search_rank(const struct ivf_search *q, uint32_t cluster) {
    for (size_t i = 0; i < q->scan->near_n; i++)
        if (q->scan->near[i].cluster == cluster) return (uint32_t)i;
    return IVF_NONE;
}

void ivf_search_deinit(struct ivf_search *q) {
    struct ivf_scan *s = q->scan;
    if (s != NULL) {
        mem_free(s->near);
        mem_free(s->y);
        ivf__target_deinit(&s->to);
        ivf__best_deinit(&s->best);
        mem_free(s);
    }
    q->scan = NULL;
    q->found = NULL;
    q->n = 0;
}

/* ---- exact distances ----------------------------------------------------------------------------- */

bool ivf_rerank_begins(const struct value *v, struct ivf_search *q) {
    struct vset set;
    vset_read(v, &set);
    if (q->version != set.version) q->measured = 0;
    q->version = set.version;
    return q->measured == 0;
}

/* What is asked for in one round, when something is cold. */
static int need_vectors(const struct value *v, const struct vset_shape *s, const struct ivf_search *q, bool attributes) {
    int answer = OK;
    for (size_t i = q->measured; i < q->n; i++) {
        int rc = vset_slot_hold(v, s, q->found[i].slot);
        if (rc == ERR_LIMIT) break;
        if (attributes && rc == OK) rc = vset_attribute_need(v, q->found[i].slot);
        if (rc == ERR_COLD) answer = rc;
        else if (rc != OK) return rc;
    }
    return answer;
}

#define BATCH 16 /* Vectors on their way from memory at a time. */

int ivf_rerank(const struct value *v, const struct vset_shape *s, struct ivf_search *q, bool attributes,
               double (*worst)(void *cookie), ivf_each *each, void *cookie, uint64_t *reranked) {
    if (q->measured == 0) *reranked = 0;
    size_t done = 0;
    for (size_t i = q->measured; i < q->n;) {
        if (q->reranked_most > 0 && done >= q->reranked_most) return ERR_AGAIN;
        struct vset_got got[BATCH];
        uint32_t slot[BATCH];
        double lower[BATCH];
        size_t at[BATCH], n = 0;
        for (; n < BATCH && i < q->n; i++) {
            const struct ivf_candidate *f = &q->found[i];
            lower[n] = (double)f->est - (double)f->err;
            if (lower[n] > worst(cookie)) continue;
            at[n] = i;
            slot[n++] = f->slot;
        }
        vset_slots(v, s, slot, n, got);
        for (size_t k = 0; k < n; k++) {
            int rc = got[k].rc;
            if (rc == ERR_NOTFOUND || lower[k] > worst(cookie)) continue; /* Since it was found it has gone. */
            q->measured = at[k]; /* Those before are done with: while this one is fetched, they may leave. */
            if (rc == OK) rc = each(cookie, v, &got[k].e);
            if (rc == ERR_COLD) return need_vectors(v, s, q, attributes);
            if (rc != OK) return rc;
            ++*reranked;
            done++;
        }
        q->measured = i;
    }
    return OK;
}
