/* search_internal.h -- one search: what is asked, and how far it has come. Shared by search.c (commands,
 * replies), search_options.c and search_run.c. */
#ifndef COVE_VECTOR_SEARCH_INTERNAL_H
#define COVE_VECTOR_SEARCH_INTERNAL_H

#include "modules/vector/expr.h"
#include "modules/vector/ivf.h"
#include "modules/vector/scan.h"
#include "modules/vector/top.h"

#define SEARCH_RECALL 0.95 /* where nothing else is asked for */

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
    /* With an index: */
    struct ivf_search index;
    float *x;                /* the query as the index sees it */
    bool waited;             /* for a turn that has time, or need not */
    bool exact;              /* every element is measured all the same */
    double recall;           /* that is asked for; 0: SEARCH_RECALL */
    uint64_t probes;         /* that are asked for, or tried; 0: as many as the recall takes */
    bool probes_given;
    double effort;           /* of EF, which is 100 when it is not given: so many times the probes */
    uint64_t reranked;
    /* With a filter and the index: */
    struct search_filter *plan;
};

struct search *search__create(call *c, enum search_kind kind, const struct vset *set);
void search__free(void *state);
/* The stored vector becomes the query, as it is. */
void search__set_point(struct search *s, const struct point *p);
/* The query at argument `at`. OK and *next is the argument after it; ERR_EXISTS: a reply has
 * been written; or an error to return. */
int search__query(call *c, struct search *s, const struct value *v, size_t at, size_t *next);
/* The options from argument i on; false after an error reply. */
bool search__sim_options(call *c, size_t i, struct search *s);
bool search__own_options(call *c, size_t i, struct search *s);
/* One option of VSEARCH with a number: NULL: it is none; else "" or the error. */
const char *search__number_option(call *c, size_t *i, struct search *s);
/* Puts the element among the best if it belongs there; `filter` (may be NULL) has not been asked about it. */
int search__keep(struct search *s, const struct value *v, const struct element *e, expr *filter);
size_t search__kept(const struct search *s, const struct vset *set); /* how many are to be kept */
int search__yield(call *c, command_fn *again);

/* ---- filters (search_filter.c) -------------------------------------------------------------------- */

void search__filter_free(struct search_filter *f);
/* At the beginning of each step; the first one learns what share of the elements matches. ERR_COLD. */
int search__filter_step(call *c, struct search *s, const struct value *v, const struct vset *set);
/* So few that all of them are looked for, and measured? Then this is done, in steps. */
bool search__filter_rare(const struct search *s, const struct value *v, const struct vset *set);
int search__filter_walk(call *c, struct search *s, const struct value *v, const struct vset *set,
                        command_fn *again);
/* The probes to begin with, for the share that the filter is known to let through. */
uint64_t search__filter_probes(const struct search *s, const struct value *v, const struct vset *set, double target);
/* Asked about a slot: see ivf_search.wants. */
int search__filter_wants(void *cookie, uint32_t slot, bool *yes);
struct search_asking { /* its cookie */
    struct search *s;
    const struct value *v;
};
/* A search has ended that has found enough: is another with more probes to be made, or a walk? Then that is noted. */
bool search__filter_more(struct search *s, const struct value *v, double target);
/* Before that other search: are its probes so many that a walk is cheaper? */
void search__filter_widened(struct search *s, const struct value *v);

/* One step; OK: the best are in s->top, sorted. */
int search__step(call *c, struct search *s, const struct value *v, const struct vset *set, command_fn *again);

#endif
