/* search_run.c -- a search at work: every element is measured, or the index says which.
 *
 * Without an index (a small set), or when it is asked for, all elements are measured (scan.h). With one, the
 * clusters nearest to the query are scanned and what may be among the best is measured. The filter is asked only
 * about those that would be kept, and never costs a result: while fewer than are asked for have been found, more
 * clusters are scanned, all of them in the end. */
#include <assert.h>
#include <math.h>

#include "base/clock.h"
#include "modules/vector/recall.h"
#include "modules/vector/search_internal.h"

#define COUNT_DEFAULT 10
#define EPSILON_DEFAULT 2.0
#define STEP_CODES 60000    /* scanned in one step: some tenths of a millisecond */
#define SEARCH_US 100       /* A search waits for a turn that has so much left, once: many take little more. */
#define SQUARE_MOST 1e30    /* of a query's length */
#define MORE_TIMES 4        /* So many times the clusters, when too few were found. */
#define EXACT_SHARE 4       /* Whoever wants more than a quarter of a set has it all measured. */

void search__free(void *state) {
    struct search *s = state;
    buf_free(&s->query);
    expr_free(s->filter);
    top_deinit(&s->top);
    ivf_search_deinit(&s->index);
    mem_free(s->x);
    search__filter_free(s->plan);
    mem_free(s);
}

/* ---- running ----------------------------------------------------------------------- */

struct search *search__create(call *c, enum search_kind kind, const struct vset *set) {
    struct search *s = mem_calloc(1, sizeof(*s));
    s->kind = kind;
    s->shape = set->shape;
    s->count = COUNT_DEFAULT;
    s->effort = 1;
    s->began_ms = call_now_ms(c);
    s->began_us = call_mono_us(c);
    if (kind == SEARCH_SIM && set->shape.metric == METRIC_COSINE) {
        s->bounded = true;
        s->bound = 2 * EPSILON_DEFAULT;
    }
    return s;
}

int search__keep(struct search *s, const struct value *v, const struct element *e, expr *filter) {
    slice attribute = slice_make(NULL, 0);
    double d = measure_distance(&s->measure, &e->point);
    if (s->bounded && d > s->bound) return OK;
    if (!top_wants(&s->top, d, e->node) || e->node == s->without) return OK;
    if (e->has_attribute && (s->attributes || filter != NULL)) {
        int rc = vset_attribute(v, e->slot, &attribute);
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    }
    if (filter != NULL) {
        s->filtered++;
        if (!e->has_attribute || !expr_match(filter, attribute)) return OK;
    }
    struct top_item item = {.distance = d, .node = e->node, .norm = e->point.norm,
                            .range = e->point.range, .has_attribute = e->has_attribute};
    size_t bytes = s->vectors ? quant_bytes(s->shape.quant, s->shape.dim) : 0;
    top_add(&s->top, &item, e->name, s->attributes ? attribute : slice_make(NULL, 0),
            slice_make(e->point.bytes, bytes));
    return OK;
}

static int consider(void *cookie, const struct value *v, const struct element *e) {
    struct search *s = cookie;
    return search__keep(s, v, e, s->filter);
}

/* The index has asked the filter already. */
static int consider_found(void *cookie, const struct value *v, const struct element *e) {
    return search__keep(cookie, v, e, NULL);
}

/* What is asked for comes from the client; what there is bounds it. */
size_t search__kept(const struct search *s, const struct vset *set) {
    uint64_t most = set->count, want = s->count < most ? s->count : most;
    return (size_t)(s->offset < most - want ? want + s->offset : most);
}

static int scan_all(call *c, struct search *s, const struct value *v, const struct vset *set, command_fn *again) {
    if (scan_resume(&s->scan, set)) {
        s->top.k = search__kept(s, set);
        top_clear(&s->top);
    }
    s->scan.attributes = s->attributes || s->filter != NULL;
    int rc = scan_step(&s->scan, c, v, set, again, consider, s);
    if (rc == OK) top_sort(&s->top);
    return rc;
}

/* ---- with the index --------------------------------------------------------------------- */

static double worst(void *cookie) {
    const struct search *s = cookie;
    double bound = s->bounded ? ivf_distance(s->shape.metric, s->bound, s->index.unit) : (double)INFINITY;
    if (s->top.n < s->top.k) return bound;
    double d = ivf_distance(s->shape.metric, s->top.items[0].distance, s->index.unit);
    return d < bound ? d : bound;
}

static double target_of(const struct search *s) { return s->recall != 0 ? s->recall : SEARCH_RECALL; }

static void begin(struct search *s, const struct value *v, const struct vset *set) {
    struct ivf ix;
    ivf_read(v, &ix);
    s->top.k = search__kept(s, set);
    double target = target_of(s);
    if (s->probes == 0) {
        uint64_t usual = s->filter != NULL ? search__filter_probes(s, v, set, target)
                                           : recall_probes(v, (uint32_t)s->top.k, target);
        double n = s->effort * (double)usual;
        s->probes = n < 1 ? 1 : n > (double)UINT32_MAX ? UINT32_MAX : (uint64_t)n;
    }
    if (s->probes > ix.clusters) s->probes = ix.clusters;
    ivf_search_deinit(&s->index);
    s->index = (struct ivf_search){.k = (uint32_t)s->top.k,
                                   .probes = (uint32_t)s->probes,
                                   .sigmas = target > 0.97 ? IVF_SIGMAS_HIGH : IVF_SIGMAS};
}

int search__yield(call *c, command_fn *again) {
    parked_resume(call_park(c, again, NULL, NULL));
    return ERR_AGAIN;
}

/* Is another search with more clusters to be made? Clusters may be empty, and a filter lets few through: what is asked
 * for is found as long as it is there. */
static bool more(struct search *s, const struct value *v) {
    struct ivf ix;
    ivf_read(v, &ix);
    if (s->index.probes >= ix.clusters) return false;
    if (s->index.n < s->top.k) {
        s->probes *= MORE_TIMES;
        if (s->filter != NULL) search__filter_widened(s, v);
        return true;
    }
    return s->filter != NULL && !s->probes_given && search__filter_more(s, v, target_of(s));
}

static int search_index(call *c, struct search *s, const struct value *v, const struct vset *set,
                        command_fn *again) {
    struct search_asking asking = {s, v};
    int rc = OK;
    if (!s->waited && call_may_park(c) && call_share_us(c, SEARCH_US) < SEARCH_US) {
        s->waited = true;
        return search__yield(c, again);
    }
    s->waited = true;
    s->scan.steps++;
    do {
        if (s->filter != NULL) rc = search__filter_step(c, s, v, set);
        if (rc != OK) return rc;
        if (s->filter != NULL && search__filter_rare(s, v, set)) return search__filter_walk(c, s, v, set, again);
        if (s->index.scan == NULL) begin(s, v, set);
        if (s->filter != NULL) s->index.wants = search__filter_wants;
        s->index.cookie = &asking;
        do {
            rc = ivf_search(v, &s->shape, s->x, STEP_CODES, &s->index);
            if (rc == ERR_AGAIN && call_may_park(c)) return search__yield(c, again);
        } while (rc == ERR_AGAIN);
        if (rc == OK && ivf_rerank_begins(v, &s->index)) top_clear(&s->top);
        if (rc == OK) rc = ivf_rerank(v, &s->shape, &s->index, s->attributes, worst, consider_found, s, &s->reranked);
        if (rc != OK) return rc;
        if (!more(s, v)) break;
        ivf_search_deinit(&s->index);
        if (call_may_park(c)) return search__yield(c, again);
    } while (true);
    top_sort(&s->top);
    return OK;
}

/* Whose squares no float holds, is measured against all. */
static bool beyond(struct search *s) {
    if (s->x == NULL) {
        s->x = mem_alloc(s->shape.dim * sizeof(float));
        ivf_vector(&s->shape, &s->measure.from, s->x);
    }
    double sum = 0;
    for (uint32_t i = 0; i < s->shape.dim; i++) sum += (double)s->x[i] * (double)s->x[i];
    return !(sum < SQUARE_MOST);
}

int search__step(call *c, struct search *s, const struct value *v, const struct vset *set, command_fn *again) {
    struct ivf ix;
    ivf_read(v, &ix);
    bool all = ix.state != IVF_READY || s->exact || s->scan.begun || search__kept(s, set) > set->count / EXACT_SHARE ||
               (s->index.scan == NULL && beyond(s));
    return all ? scan_all(c, s, v, set, again) : search_index(c, s, v, set, again);
}
