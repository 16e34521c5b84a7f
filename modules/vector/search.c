/* search.c -- VSIM, VSEARCH, VLINKS: the nearest elements.
 *
 * All three share one state (search_internal.h), which lives across the steps of a search. */
#include <assert.h>

#include "base/clock.h"
#include "modules/vector/search_internal.h"

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
        {"probes", s->index.probed},
        {"scanned", s->scan.elements + s->index.codes},
        {"reranked", s->reranked},
        {"filtered", s->filtered},
        {"steps", s->scan.steps},
        {"store-rounds", call_cold_rounds(c)},
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
        s = search__create(c, kind, &set);
        if (kind == SEARCH_OWN && call_arg_is(c, 2, "k")) { /* K may stand before the query. */
            const char *error = search__number_option(c, &at, s);
            if (error == NULL || error[0] != '\0') {
                search__free(s);
                return reply_error(c, error != NULL ? error : VECTOR_SYNTAX);
            }
            at++;
        }
        rc = search__query(c, s, &e.value, at, &next);
        if (rc == OK &&
            !(kind == SEARCH_SIM ? search__sim_options(c, next, s) : search__own_options(c, next, s)))
            rc = ERR_EXISTS;
        if (rc != OK) {
            search__free(s);
            return rc == ERR_EXISTS ? OK : rc;
        }
        call_set_state(c, s, search__free);
    }
    if (s->timeout_ms != 0 && call_now_ms(c) - s->began_ms >= s->timeout_ms)
        return reply_error(c, "TIMEOUT the search took longer than was allowed");
    rc = search__step(c, s, &e.value, &set, again);
    if (rc != OK) return rc;
    vset_tend(c, call_arg(c, 1)); /* A set that was restored, or opened, may want its index. */
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
        s = search__create(c, SEARCH_LINKS, &set);
        s->count = (uint64_t)set.shape.m * 2;
        s->without = el.node;
        s->scores = scores;
        search__set_point(s, &el.point);
        call_set_state(c, s, search__free);
    }
    rc = search__step(c, s, &e.value, &set, cmd_vlinks);
    if (rc != OK) return rc;
    reply_array(c, 1);
    reply_results(c, s);
    return OK;
}
