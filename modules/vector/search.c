/* search.c -- VSIM, VSEARCH, VLINKS: the nearest elements, exactly.
 *
 * Every element is measured (scan.h), the best k are kept (top.h); the filter is asked
 * only for those that would be kept, and so never costs a result. What HNSW needs to be
 * told (EF, FILTER-EF) is checked and has no effect. All three share one state, which
 * lives across the steps of the walk. */
#include <assert.h>

#include "base/clock.h"
#include "modules/vector/expr.h"
#include "modules/vector/scan.h"
#include "modules/vector/top.h"

#define COUNT_DEFAULT 10
#define EF_MAX 1000000
#define EPSILON_DEFAULT 2.0

enum search_kind { SEARCH_SIM, SEARCH_OWN, SEARCH_LINKS };

struct search {
    enum search_kind kind;
    struct vset_shape shape;
    struct measure measure;
    buf query;               /* what measure.from borrows */
    expr *filter;
    struct scan scan;
    struct top top;
    uint64_t count, offset;
    double bound;            /* largest distance taken */
    bool bounded, scores, attributes, vectors, profile;
    uint64_t without;        /* the node that is left out (VLINKS); 0: none */
    int64_t timeout_ms, began_ms; /* timeout 0: none */
    uint64_t began_us, filtered;
};

static void search_free(void *state) {
    struct search *s = state;
    buf_free(&s->query);
    expr_free(s->filter);
    top_deinit(&s->top);
    mem_free(s);
}

/* ---- the query --------------------------------------------------------------------- */

/* x (dim floats, may be changed) becomes what elements are compared with. */
static void set_query(struct search *s, float *x) {
    struct point p;
    buf_reserve(&s->query, quant_bytes(s->shape.quant, s->shape.dim));
    quant_encode(s->shape.quant, x, s->shape.dim, s->query.p, &p);
    measure_init(&s->measure, s->shape.quant, s->shape.metric, s->shape.dim, &p);
}

/* The stored vector is read back and quantised again, as Redis does: its scores show
 * it. */
static int query_element(call *c, struct search *s, const struct value *v, size_t at,
                         size_t *next) {
    struct element e;
    if (at + 1 >= call_argc(c)) {
        reply_error(c, VECTOR_SYNTAX);
        return ERR_EXISTS;
    }
    int rc = vset_find(v, &s->shape, call_arg(c, at + 1), NULL, &e);
    if (rc != OK) return rc;
    float *x = mem_alloc(s->shape.dim * sizeof(float));
    quant_decode(s->shape.quant, &e.point, s->shape.dim, x);
    set_query(s, x);
    mem_free(x);
    *next = at + 2;
    return OK;
}

/* Projects when the query has the set's input dimension. False after an error reply. */
static bool query_vector(call *c, struct search *s, struct vector_arg *a) {
    const struct vset_shape *shape = &s->shape;
    float *x = (float *)(void *)a->f32.p;
    if (shape->input_dim != 0 && a->dim == shape->input_dim) {
        float *y = mem_alloc(shape->dim * sizeof(float));
        quant_project(x, a->dim, y, shape->dim);
        set_query(s, y);
        mem_free(y);
        return true;
    }
    if (shape->input_dim != 0 && a->dim != shape->dim) {
        reply_errorf(
            c,
            "ERR Input dimension mismatch for projection - got %u but projection "
            "expects %u",
            a->dim, shape->input_dim);
        return false;
    }
    if (a->dim != shape->dim) {
        reply_errorf(c, "ERR Vector dimension mismatch - got %u but set has %u", a->dim,
                     shape->dim);
        return false;
    }
    set_query(s, x);
    return true;
}

/* The query at argument `at`. OK and *next is the argument after it; ERR_EXISTS: a reply has
 * been written; or an error to return. */
static int parse_query(call *c, struct search *s, const struct value *v, size_t at,
                       size_t *next) {
    struct vector_arg a;
    if (call_arg_is(c, at, "ele")) {
        int rc = query_element(c, s, v, at, next);
        if (rc != ERR_NOTFOUND) return rc;
        reply_error(c, "ERR element not found in set");
        return ERR_EXISTS;
    }
    if (at >= call_argc(c) || !vector_arg_parse(c, at, false, &a)) {
        reply_error(c, VECTOR_SYNTAX);
        return ERR_EXISTS;
    }
    *next = a.next;
    bool ok = query_vector(c, s, &a);
    buf_free(&a.f32);
    return ok ? OK : ERR_EXISTS;
}

/* ---- options ----------------------------------------------------------------------- */

static bool positive(call *c, size_t i, int64_t max, int64_t *out) {
    return num_parse_ll(call_arg(c, i), out) && *out >= 1 && *out <= max;
}

static bool parse_filter(call *c, size_t i, struct search *s) {
    slice near;
    expr_free(s->filter);
    s->filter = expr_compile(call_arg(c, i), &near);
    if (s->filter != NULL) return true;
    reply_errorf(c, "ERR syntax error in FILTER expression near: %.*s",
                 (int)(near.n < 900 ? near.n : 900), (const char *)near.p);
    return false;
}

/* What both have: WITHSCORES, WITHATTRIBS. */
static bool parse_columns(call *c, size_t i, struct search *s) {
    if (call_arg_is(c, i, "withscores")) s->scores = true;
    else if (call_arg_is(c, i, "withattribs")) s->attributes = true;
    else return false;
    return true;
}

static bool sim_options(call *c, size_t i, struct search *s) {
    int64_t n;
    double d;
    for (; i < call_argc(c); i++) {
        bool more = i + 1 < call_argc(c);
        if (parse_columns(c, i, s) || call_arg_is(c, i, "truth") ||
            call_arg_is(c, i, "nothread"))
            continue;
        if (call_arg_is(c, i, "count") && more) {
            if (!positive(c, ++i, INT64_MAX, &n))
                return reply_error(c, "ERR invalid COUNT"), false;
            s->count = (uint64_t)n;
        } else if (call_arg_is(c, i, "epsilon") && more) {
            if (!num_parse_double(call_arg(c, ++i), &d) || d <= 0)
                return reply_error(c, "ERR invalid EPSILON"), false;
            /* Of a product there is no largest distance. */
            s->bounded = s->shape.metric != METRIC_IP;
            s->bound = s->shape.metric == METRIC_COSINE ? 2 * d : d;
        } else if (call_arg_is(c, i, "ef") && more) {
            if (!positive(c, ++i, EF_MAX, &n))
                return reply_error(c, "ERR invalid EF"), false;
        } else if (call_arg_is(c, i, "filter") && more) {
            if (!parse_filter(c, ++i, s)) return false;
        } else if (call_arg_is(c, i, "filter-ef") && more) {
            if (!positive(c, ++i, INT64_MAX, &n))
                return reply_error(c, "ERR invalid FILTER-EF"), false;
        } else {
            return reply_error(c, "ERR syntax error in VSIM command"), false;
        }
    }
    return true;
}

/* RADIUS is in the score's unit. */
static double bound_of(enum vector_metric m, double radius) {
    switch (m) {
    case METRIC_COSINE: return 2 * (1 - radius);
    case METRIC_L2: return radius;
    case METRIC_IP: return -radius;
    }
    return 0;
}

/* RECALL, PROBES, EXACT: every search is exact; at most one of them may be given. NULL:
 * none of them; else "" or the error. *i moves to its argument. */
static const char *effort_option(call *c, size_t *i, unsigned *seen) {
    bool more = *i + 1 < call_argc(c);
    int64_t n;
    double d;
    if (call_arg_is(c, *i, "exact")) {
    } else if (call_arg_is(c, *i, "recall") && more) {
        if (!num_parse_double(call_arg(c, ++*i), &d) || d <= 0 || d > 1)
            return "ERR invalid RECALL";
    } else if (call_arg_is(c, *i, "probes") && more) {
        if (!positive(c, ++*i, INT64_MAX, &n)) return "ERR invalid PROBES";
    } else {
        return NULL;
    }
    return ++*seen > 1 ? "ERR syntax error in VSEARCH command" : "";
}

/* One option of VSEARCH with a number: NULL: it is none; else "" or the error. */
static const char *number_option(call *c, size_t *i, struct search *s) {
    int64_t n = 0;
    double d;
    if (*i + 1 >= call_argc(c)) return NULL;
    if (call_arg_is(c, *i, "k")) {
        if (!positive(c, ++*i, INT64_MAX, &n)) return "ERR invalid K";
        s->count = (uint64_t)n;
    } else if (call_arg_is(c, *i, "offset")) {
        if (!num_parse_ll(call_arg(c, ++*i), &n) || n < 0) return "ERR invalid OFFSET";
        s->offset = (uint64_t)n;
    } else if (call_arg_is(c, *i, "timeout")) {
        if (!positive(c, ++*i, INT32_MAX, &s->timeout_ms)) return "ERR invalid TIMEOUT";
    } else if (call_arg_is(c, *i, "radius")) {
        if (!num_parse_double(call_arg(c, ++*i), &d)) return "ERR invalid RADIUS";
        s->bounded = true;
        s->bound = bound_of(s->shape.metric, d);
    } else {
        return NULL;
    }
    return "";
}

static bool own_options(call *c, size_t i, struct search *s) {
    unsigned efforts = 0;
    for (; i < call_argc(c); i++) {
        if (parse_columns(c, i, s)) continue;
        const char *error = effort_option(c, &i, &efforts);
        if (error == NULL) error = number_option(c, &i, s);
        if (error != NULL) {
            if (error[0] == '\0') continue;
            return reply_error(c, error), false;
        }
        if (call_arg_is(c, i, "withvectors")) {
            s->vectors = true;
        } else if (call_arg_is(c, i, "profile")) {
            s->profile = true;
        } else if (call_arg_is(c, i, "filter") && i + 1 < call_argc(c)) {
            if (!parse_filter(c, ++i, s)) return false;
        } else {
            return reply_error(c, "ERR syntax error in VSEARCH command"), false;
        }
    }
    return true;
}

/* ---- running ----------------------------------------------------------------------- */

static struct search *search_create(call *c, enum search_kind kind,
                                    const struct vset *set) {
    struct search *s = mem_calloc(1, sizeof(*s));
    s->kind = kind;
    s->shape = set->shape;
    s->count = COUNT_DEFAULT;
    s->began_ms = call_now_ms(c);
    s->began_us = call_mono_us(c);
    if (kind == SEARCH_SIM && set->shape.metric == METRIC_COSINE) {
        s->bounded = true;
        s->bound = 2 * EPSILON_DEFAULT;
    }
    return s;
}

static int consider(void *cookie, const struct value *v, const struct element *e) {
    struct search *s = cookie;
    slice attribute = slice_make(NULL, 0);
    double d = measure_distance(&s->measure, &e->point);
    if (s->bounded && d > s->bound) return OK;
    if (!top_wants(&s->top, d, e->node) || e->node == s->without) return OK;
    if (e->has_attribute && s->scan.attributes) {
        int rc = vset_attribute(v, e->slot, &attribute);
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    }
    if (s->filter != NULL) {
        s->filtered++;
        if (!e->has_attribute || !expr_match(s->filter, attribute)) return OK;
    }
    struct top_item item = {.distance = d, .node = e->node, .norm = e->point.norm,
                            .range = e->point.range, .has_attribute = e->has_attribute};
    size_t bytes = s->vectors ? quant_bytes(s->shape.quant, s->shape.dim) : 0;
    top_add(&s->top, &item, e->name, s->attributes ? attribute : slice_make(NULL, 0),
            slice_make(e->point.bytes, bytes));
    return OK;
}

/* One step of the walk; OK: the best are in s->top, sorted. */
static int search_step(call *c, struct search *s, const struct entry *e,
                       const struct vset *set, command_fn *again) {
    if (scan_resume(&s->scan, set)) {
        /* What is asked for comes from the client; what there is bounds it. */
        uint64_t most = set->count, want = s->count < most ? s->count : most;
        s->top.k = (size_t)(s->offset < most - want ? want + s->offset : most);
        top_clear(&s->top);
    }
    s->scan.attributes = s->attributes || s->filter != NULL;
    int rc = scan_step(&s->scan, c, &e->value, set, again, consider, s);
    if (rc == OK) top_sort(&s->top);
    return rc;
}

/* The state of an earlier step, or NULL: there is none, or another set has taken the
 * key. */
static struct search *earlier(call *c, const struct vset *set) {
    struct search *s = call_state(c);
    if (s == NULL || s->shape.uid == set->shape.uid) return s;
    call_set_state(c, NULL, NULL);
    return NULL;
}

/* ---- replies ----------------------------------------------------------------------- */

static void reply_score(call *c, double score) {
    resp_double_shortest(call_out(c), call_proto(c), score);
}

static void reply_vector(call *c, const struct search *s, const struct top_item *i,
                         float *x) {
    struct point p = {.bytes = top_vector(i), .norm = i->norm, .range = i->range};
    quant_decode(s->shape.quant, &p, s->shape.dim, x);
    reply_array(c, s->shape.dim);
    for (uint32_t k = 0; k < s->shape.dim; k++) reply_score(c, (double)x[k]);
}

static void reply_results(call *c, const struct search *s) {
    size_t columns = (size_t)s->scores + s->attributes + s->vectors;
    size_t from = s->offset < s->top.n ? (size_t)s->offset : s->top.n,
           n = s->top.n - from;
    if (n > s->count) n = (size_t)s->count;
    bool flat = call_proto(c) < 3;
    float *x = s->vectors ? mem_alloc(s->shape.dim * sizeof(float)) : NULL;
    if (columns == 0) reply_array(c, n);
    else if (flat) reply_array(c, n * (columns + 1));
    else reply_map(c, n);
    for (size_t i = from; i < from + n; i++) {
        const struct top_item *item = &s->top.items[i];
        reply_bulk(c, top_name(item));
        if (columns > 1 && !flat) reply_array(c, columns);
        if (s->scores) reply_score(c, metric_score(s->shape.metric, item->distance));
        if (s->attributes && item->has_attribute) reply_bulk(c, top_attribute(item));
        else if (s->attributes) reply_null(c);
        if (s->vectors) reply_vector(c, s, item, x);
    }
    mem_free(x);
}

static void reply_profile(call *c, const struct search *s) {
    const struct { const char *name; uint64_t value; } facts[] = {
        {"probes", 0},
        {"scanned", s->scan.elements},
        {"reranked", 0},
        {"filtered", s->filtered},
        {"steps", s->scan.steps},
        {"store-rounds", s->scan.cold_rounds},
        {"microseconds", call_mono_us(c) - s->began_us},
    };
    size_t n = sizeof(facts) / sizeof(*facts);
    reply_map(c, n);
    for (size_t i = 0; i < n; i++) {
        reply_bulk_str(c, facts[i].name);
        reply_int(c, (int64_t)facts[i].value);
    }
}

/* ---- VSIM and VSEARCH -------------------------------------------------------------- */

static int search(call *c, enum search_kind kind, command_fn *again) {
    struct entry e;
    struct vset set;
    int rc = vset_open(c, call_state(c) != NULL, &e, &set);
    if (rc == ERR_NOTFOUND) return reply_empty_array(c);
    if (rc != OK) return rc;
    struct search *s = earlier(c, &set);
    if (s == NULL) {
        size_t next, at = 2;
        s = search_create(c, kind, &set);
        if (kind == SEARCH_OWN && call_arg_is(c, 2, "k")) { /* K may stand before the query. */
            const char *error = number_option(c, &at, s);
            if (error == NULL || error[0] != '\0') {
                search_free(s);
                return reply_error(c, error != NULL ? error : VECTOR_SYNTAX);
            }
            at++;
        }
        rc = parse_query(c, s, &e.value, at, &next);
        if (rc == OK &&
            !(kind == SEARCH_SIM ? sim_options(c, next, s) : own_options(c, next, s)))
            rc = ERR_EXISTS;
        if (rc != OK) {
            search_free(s);
            return rc == ERR_EXISTS ? OK : rc;
        }
        call_set_state(c, s, search_free);
    }
    if (s->timeout_ms != 0 && call_now_ms(c) - s->began_ms >= s->timeout_ms)
        return reply_error(c, "TIMEOUT the search took longer than was allowed");
    rc = search_step(c, s, &e, &set, again);
    if (rc != OK) return rc;
    if (s->profile) reply_array(c, 2);
    reply_results(c, s);
    if (s->profile) reply_profile(c, s);
    return OK;
}

int cmd_vsim(call *c) { return search(c, SEARCH_SIM, cmd_vsim); }
int cmd_vsearch(call *c) { return search(c, SEARCH_OWN, cmd_vsearch); }

/* ---- VLINKS ------------------------------------------------------------------------ */

/* There is no graph: the links are the nearest others, as many as a node of level 0 may
 * have. */
int cmd_vlinks(call *c) {
    struct entry e;
    struct vset set;
    struct element el;
    bool scores = call_argc(c) == 4 && call_arg_is(c, 3, "withscores");
    if (call_argc(c) > 4 || (call_argc(c) == 4 && !scores)) return reply_arity(c);
    int rc = vset_open(c, call_state(c) != NULL, &e, &set);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    struct search *s = earlier(c, &set);
    if (s == NULL) {
        rc = vset_find(&e.value, &set.shape, call_arg(c, 2), NULL, &el);
        if (rc == ERR_NOTFOUND) return reply_null(c);
        if (rc != OK) return rc;
        s = search_create(c, SEARCH_LINKS, &set);
        s->count = (uint64_t)set.shape.m * 2;
        s->without = el.node;
        s->scores = scores;
        buf_append(&s->query, el.point.bytes,
                   quant_bytes(set.shape.quant, set.shape.dim));
        el.point.bytes = s->query.p;
        measure_init(&s->measure, set.shape.quant, set.shape.metric, set.shape.dim,
                     &el.point);
        call_set_state(c, s, search_free);
    }
    rc = search_step(c, s, &e, &set, cmd_vlinks);
    if (rc != OK) return rc;
    reply_array(c, 1);
    reply_results(c, s);
    return OK;
}
