/* search_options.c -- the query of a search, and its options.
 *
 * What HNSW needs to be told beyond EF (FILTER-EF) is checked and has no effect; EF, which is 100 there when it is
 * not given, says how many times the usual clusters are scanned. */
#include "modules/vector/search_internal.h"

#define EF_MAX 1000000
#define EF_DEFAULT 100

/* ---- the query --------------------------------------------------------------------- */

/* x (dim floats, may be changed) becomes what elements are compared with. */
static void set_query(struct search *s, float *x) {
    struct point p;
    buf_reserve(&s->query, quant_bytes(s->shape.quant, s->shape.dim));
    quant_encode(s->shape.quant, x, s->shape.dim, s->query.p, &p);
    measure_init(&s->measure, s->shape.quant, s->shape.metric, s->shape.dim, &p);
}

void search__set_point(struct search *s, const struct point *p) {
    struct point own = *p;
    buf_append(&s->query, p->bytes, quant_bytes(s->shape.quant, s->shape.dim));
    own.bytes = s->query.p;
    measure_init(&s->measure, s->shape.quant, s->shape.metric, s->shape.dim, &own);
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

int search__query(call *c, struct search *s, const struct value *v, size_t at,
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

bool search__sim_options(call *c, size_t i, struct search *s) {
    int64_t n;
    double d;
    for (; i < call_argc(c); i++) {
        bool more = i + 1 < call_argc(c);
        if (parse_columns(c, i, s) || call_arg_is(c, i, "nothread")) continue;
        if (call_arg_is(c, i, "truth")) {
            s->exact = true;
            continue;
        }
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
            s->effort = (double)n / EF_DEFAULT;
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

/* RECALL, PROBES, EXACT, each once, and EXACT alone. PROBES says how many clusters are scanned; RECALL beside it, how
 * sure the estimates must be that leave an element out. NULL: none of them; else "" or the error. *i moves to its
 * argument. */
static const char *effort_option(call *c, size_t *i, struct search *s, unsigned *seen) {
    bool more = *i + 1 < call_argc(c);
    int64_t n;
    double d;
    unsigned bit;
    if (call_arg_is(c, *i, "exact")) {
        s->exact = true;
        bit = 2 | 4;
    } else if (call_arg_is(c, *i, "recall") && more) {
        if (!num_parse_double(call_arg(c, ++*i), &d) || d <= 0 || d > 1)
            return "ERR invalid RECALL";
        s->recall = d;
        s->exact = d == 1;
        bit = 2;
    } else if (call_arg_is(c, *i, "probes") && more) {
        if (!positive(c, ++*i, INT64_MAX, &n)) return "ERR invalid PROBES";
        s->probes = (uint64_t)n;
        s->probes_given = true;
        bit = 4;
    } else {
        return NULL;
    }
    bool again = (*seen & bit) != 0;
    *seen |= bit;
    return again ? "ERR syntax error in VSEARCH command" : "";
}

const char *search__number_option(call *c, size_t *i, struct search *s) {
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

bool search__own_options(call *c, size_t i, struct search *s) {
    unsigned efforts = 0;
    for (; i < call_argc(c); i++) {
        if (parse_columns(c, i, s)) continue;
        const char *error = effort_option(c, &i, s, &efforts);
        if (error == NULL) error = search__number_option(c, &i, s);
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

