/* search_filter.c -- how a search with a filter goes, by how many elements the filter lets through.
 *
 * The share is estimated on a sample. The k nearest of those that match are among the k / share nearest of all, if
 * matching has nothing to do with nearness: so many clusters are scanned at first as that many neighbours take, and the
 * filter is asked about what could be among the best. That is a guess, and matching may well have to do with
 * nearness: so twice as many clusters are scanned, and again, until the best have stayed the same but for what the
 * recall allows. When that comes to most of the clusters, the attributes are walked instead and all matches are
 * measured: exact, and without a look at the vectors of the others. What the filter has said of a slot is kept for
 * as long as the search goes on. */
#include <math.h>

#include "modules/vector/recall.h"
#include "modules/vector/search_internal.h"

#define SAMPLE 256
#define SHARE_LEAST 0.002  /* What a sample of that size can tell. */
#define RARE_CLUSTERS 0.5  /* Of all clusters: with more to scan the attributes are walked. */
#define MORE_TIMES 2
#define KNOWN_SLOTS 65536
#define STEP_SLOTS 1024    /* of the walk: some tenths of a millisecond */
#define MEASURE_ROUND 256  /* Vectors asked for together. */

struct search_filter {
    double share;
    bool sampled;
    uint32_t slot[SAMPLE];
    uint8_t **known;         /* owned, for each KNOWN_SLOTS slots, when one of them was asked about: two bits a slot:
                              * asked, yes */
    uint32_t chunks;
    uint64_t *best;          /* owned: nodes of the best of the search before */
    size_t best_n;
    /* The walk. */
    uint32_t next;
    uint32_t *match;         /* owned: slots */
    size_t n, cap, measured;
    bool walking;
};

void search__filter_free(struct search_filter *f) {
    if (f == NULL) return;
    mem_free(f->match);
    for (uint32_t i = 0; i < f->chunks; i++) mem_free(f->known[i]);
    mem_free(f->known);
    mem_free(f->best);
    mem_free(f);
}

static int ask(struct search *s, const struct value *v, uint32_t slot, bool *yes) {
    slice attribute;
    int rc = vset_attribute(v, slot, &attribute);
    *yes = false;
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    s->filtered++;
    *yes = expr_match(s->filter, attribute);
    return OK;
}

int search__filter_sample(call *c, struct search *s, const struct value *v, const struct vset *set) {
    struct search_filter *f = s->plan;
    int answer = OK;
    unsigned hits = 0;
    if (f == NULL) {
        f = s->plan = mem_calloc(1, sizeof(*f));
        for (unsigned i = 0; i < SAMPLE; i++) f->slot[i] = (uint32_t)rnd_below(call_rnd(c), set->slots);
    }
    if (f->sampled) return OK;
    for (unsigned i = 0; i < SAMPLE; i++) {
        bool yes;
        int rc = ask(s, v, f->slot[i], &yes);
        if (rc == ERR_COLD) answer = rc;
        else if (rc != OK) return rc;
        hits += yes;
    }
    if (answer != OK) return answer;
    f->sampled = true;
    /* Slots that are free match nothing: of those in use more do. */
    f->share = (double)hits / SAMPLE * ((double)set->slots / (double)set->count);
    if (f->share > 1) f->share = 1;
    if (f->share < SHARE_LEAST) f->share = SHARE_LEAST;
    return OK;
}

static uint64_t probes_for(const struct search *s, const struct value *v, const struct vset *set, double share,
                           double target) {
    double k = ceil((double)search__kept(s, set) / share);
    if (k > (double)set->count) k = (double)set->count;
    return recall_probes(v, k > (double)UINT32_MAX ? UINT32_MAX : (uint32_t)k, target);
}

uint64_t search__filter_probes(const struct search *s, const struct value *v, const struct vset *set, double target) {
    return probes_for(s, v, set, s->plan->share, target);
}

bool search__filter_rare(const struct search *s, const struct value *v, const struct vset *set) {
    struct ivf ix;
    if (s->plan->walking) return true;
    if (s->probes != 0 || s->index.scan != NULL) return false;
    ivf_read(v, &ix);
    double target = s->recall != 0 ? s->recall : SEARCH_RECALL;
    bool rare = (double)search__filter_probes(s, v, set, target) > RARE_CLUSTERS * (double)ix.clusters;
    if (rare) s->plan->walking = true;
    return rare;
}

int search__filter_wants(void *cookie, uint32_t slot, bool *yes) {
    struct search_asking *a = cookie;
    struct search_filter *f = a->s->plan;
    if (slot / KNOWN_SLOTS >= f->chunks) return ask(a->s, a->v, slot, yes); /* It came after the beginning. */
    uint8_t **chunk = &f->known[slot / KNOWN_SLOTS];
    if (*chunk == NULL) *chunk = mem_calloc(1, KNOWN_SLOTS / 4);
    uint8_t *byte = *chunk + slot % KNOWN_SLOTS / 4;
    unsigned at = slot % 4 * 2;
    if ((*byte >> at & 1) != 0) {
        *yes = (*byte >> at & 2) != 0;
        return OK;
    }
    int rc = ask(a->s, a->v, slot, yes);
    if (rc == OK) *byte |= (uint8_t)((*yes ? 3u : 1u) << at);
    return rc;
}

void search__filter_begin(struct search *s, const struct vset *set) {
    struct search_filter *f = s->plan;
    if (f->known != NULL) return;
    f->chunks = set->slots / KNOWN_SLOTS + 1;
    f->known = mem_calloc(f->chunks, sizeof(*f->known));
}

/* How many of the best were so before. */
static size_t stayed(const struct search_filter *f, const struct search *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->top.n; i++)
        for (size_t k = 0; k < f->best_n; k++) n += f->best[k] == s->top.items[i].node;
    return n;
}

void search__filter_widened(struct search *s, const struct value *v) {
    struct ivf ix;
    ivf_read(v, &ix);
    if ((double)s->probes > RARE_CLUSTERS * (double)ix.clusters) s->plan->walking = true;
}

bool search__filter_more(struct search *s, const struct value *v, double target) {
    struct search_filter *f = s->plan;
    double least = target + (1 - target) / 2;
    if (f->best_n > 0 && (double)stayed(f, s) >= least * (double)s->top.n) return false;
    f->best = mem_realloc(f->best, (s->top.n + 1) * sizeof(*f->best));
    f->best_n = s->top.n;
    for (size_t i = 0; i < s->top.n; i++) f->best[i] = s->top.items[i].node;
    s->probes *= MORE_TIMES;
    search__filter_widened(s, v);
    return true;
}

/* ---- few ------------------------------------------------------------------------------------------------ */

static int find_matches(call *c, struct search *s, const struct value *v, const struct vset *set,
                        command_fn *again) {
    struct search_filter *f = s->plan;
    while ((f->next = vset_slot_next(v, set, f->next)) < set->slots) {
        uint32_t end = set->slots - f->next > STEP_SLOTS ? f->next + STEP_SLOTS : set->slots;
        int answer = OK;
        for (uint32_t slot = f->next; slot < end; slot++) { /* All pages of the step in one round. */
            int rc = vset_attribute_need(v, slot);
            if (rc == ERR_COLD) answer = rc;
            else if (rc != OK) return rc;
        }
        if (answer != OK) return answer;
        for (; f->next < end; f->next++) {
            bool yes;
            int rc = ask(s, v, f->next, &yes);
            if (rc != OK) return rc;
            if (!yes) continue;
            if (f->n == f->cap) {
                f->cap = f->cap == 0 ? 64 : 2 * f->cap;
                f->match = mem_realloc(f->match, f->cap * sizeof(*f->match));
            }
            f->match[f->n++] = f->next;
        }
        if (f->next < set->slots && call_may_park(c)) return search__yield(c, again);
    }
    return OK;
}

/* All of them up to *end, or fewer. */
static int need_matches(const struct search *s, const struct value *v, const struct vset *set, size_t *end) {
    const struct search_filter *f = s->plan;
    int answer = OK;
    for (size_t i = f->measured; i < *end; i++) {
        int rc = vset_slot_hold(v, &set->shape, f->match[i]);
        if (rc == ERR_LIMIT) *end = i;
        else if (rc == OK && s->attributes) rc = vset_attribute_need(v, f->match[i]);
        if (rc == ERR_COLD) answer = rc;
        else if (rc != OK && rc != ERR_LIMIT) return rc;
    }
    return answer;
}

static int measure_matches(call *c, struct search *s, const struct value *v, const struct vset *set,
                           command_fn *again) {
    struct search_filter *f = s->plan;
    while (f->measured < f->n) {
        size_t end = f->n - f->measured > MEASURE_ROUND ? f->measured + MEASURE_ROUND : f->n;
        int answer = need_matches(s, v, set, &end);
        if (answer != OK) return answer;
        for (; f->measured < end; f->measured++) {
            struct element e;
            int rc = vset_slot(v, &set->shape, f->match[f->measured], &e);
            /* It may have gone, or have become another, since it matched. */
            if (rc == OK) rc = search__keep(s, v, &e, s->filter);
            if (rc != OK && rc != ERR_NOTFOUND) return rc;
        }
        if (f->measured < f->n && call_may_park(c)) return search__yield(c, again);
    }
    return OK;
}

int search__filter_walk(call *c, struct search *s, const struct value *v, const struct vset *set,
                        command_fn *again) {
    int rc = find_matches(c, s, v, set, again);
    if (rc != OK) return rc;
    if (s->plan->measured == 0) {
        s->top.k = search__kept(s, set);
        top_clear(&s->top);
    }
    rc = measure_matches(c, s, v, set, again);
    s->reranked = s->plan->measured;
    if (rc == OK) top_sort(&s->top);
    return rc;
}
