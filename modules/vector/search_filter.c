/* search_filter.c -- how a search with a filter goes, by how many elements the filter lets through.
 *
 * How many that are is known when the same filter has listed them before (matches.h), else their share is estimated on a
 * sample. The k nearest of those that match are among the k / share nearest of all, if matching has nothing to do with
 * nearness: so many clusters are scanned at first as that many neighbours take, and the filter is asked about what
 * could be among the best. Matching may well have to do with nearness: but what share of those that were asked about
 * matches, is the share near to the query. If so many neighbours as that share says take no more clusters, this was
 * it; else more are scanned, twice as many at most, and again, until that holds, or the best have stayed the same but for
 * what the recall allows (alone that decides where few match, for the curves of recall end there). When that comes to most
 * of the clusters and few match, the matches are listed instead and all of them are measured: exact, and without a look
 * at the vectors of the others. The same is done at once where the matches are few and known, or the filter has come so
 * often that it pays to know them, and the vectors are in memory. */
#include <math.h>

#include "modules/vector/matches.h"
#include "modules/vector/recall.h"
#include "modules/vector/search_internal.h"
#include "modules/vector/store.h"

#define SAMPLE 256
#define SHARE_LEAST 0.002  /* What a sample of that size can tell. */
#define SHARE_FEW 0.05     /* So few that to measure them all takes less than to scan the codes of all. */
#define FEW 1000           /* So few take no time at all, */
#define FEW_HERE 5000      /* and so many in memory less than clusters scanned twice or more, */
#define FEW_COLD 100       /* and so few may be fetched. */
#define RARE_CLUSTERS 0.5  /* Of all clusters: with more to scan few matches are listed. */
#define MORE_TIMES 2
#define MORE_LEAST 1.1     /* So few more are not worth another search. */
#define NEIGHBOURS_MOST 1000.0 /* The curves of recall go to 100. */
#define STEP_SLOTS 1024    /* of the list: attributes read in some tenths of a millisecond */
#define MEASURE_ROUND 256  /* Vectors asked for together, */
#define MEASURE_STEP 2048  /* and measured in a step: some tenths of a millisecond. */

struct search_filter {
    double share;
    bool sampled, counted; /* estimated; or as the set was then */
    uint32_t slot[SAMPLE];
    char key[MATCHES_KEY];
    struct matches *matches; /* of this step; borrowed */
    uint64_t asked, matched; /* in this search of the index: those that could be among the best */
    uint64_t *best;          /* owned: nodes of the best of the search before */
    size_t best_n;
    /* The list. */
    uint32_t next;
    buf match;               /* u32 slots */
    size_t measured;
    bool walking;
};

void search__filter_free(struct search_filter *f) {
    if (f == NULL) return;
    buf_free(&f->match);
    mem_free(f->best);
    mem_free(f);
}

static int sample(struct search *s, const struct value *v, const struct vset *set) {
    struct search_filter *f = s->plan;
    int answer = OK;
    unsigned hits = 0;
    for (unsigned i = 0; i < SAMPLE; i++) {
        bool yes = false;
        int rc = f->slot[i] < set->slots ? matches_ask(f->matches, v, s->filter, f->slot[i], &yes, &s->filtered) : OK;
        if (rc == ERR_COLD) answer = rc;
        else if (rc != OK) return rc;
        hits += yes;
    }
    /* Slots that are free match nothing: of those in use more do. */
    f->share = (double)hits / SAMPLE * ((double)set->slots / (double)set->count);
    if (f->share < SHARE_LEAST) f->share = SHARE_LEAST;
    return answer;
}

int search__filter_step(call *c, struct search *s, const struct value *v, const struct vset *set) {
    struct search_filter *f = s->plan;
    uint64_t matching;
    if (f == NULL) {
        f = s->plan = mem_calloc(1, sizeof(*f));
        matches_key(s->filter, f->key);
        for (unsigned i = 0; i < SAMPLE; i++) f->slot[i] = (uint32_t)rnd_below(call_rnd(c), set->slots);
    }
    f->matches = matches_of(v, set, f->key);
    if (f->sampled) return OK;
    f->counted = matches_count(f->matches, &matching);
    f->share = (double)matching / (double)set->count;
    bool known = f->counted || matches_share(f->matches, set, &f->share);
    int rc = known ? OK : sample(s, v, set);
    if (rc != OK) return rc;
    f->sampled = true;
    if (f->share > 1) f->share = 1;
    if (!known) matches_share_set(f->matches, f->share);
    return OK;
}

static uint64_t probes_for(const struct search *s, const struct value *v, const struct vset *set, double share,
                           double target) {
    double k = share > 0 ? ceil((double)search__kept(s, set) / share) : (double)set->count;
    if (k > (double)set->count) k = (double)set->count;
    return recall_probes(v, k > (double)UINT32_MAX ? UINT32_MAX : (uint32_t)k, target);
}

uint64_t search__filter_probes(const struct search *s, const struct value *v, const struct vset *set, double target) {
    return probes_for(s, v, set, s->plan->share, target);
}

/* Are those that match known, or worth to be, and soon measured? */
static bool few_known(const struct search_filter *f, const struct value *v, const struct vset *set) {
    double n = f->share * (double)set->count;
    if ((!f->counted && !matches_asked_often(f->matches, set)) || n > FEW_HERE) return false;
    return n <= FEW_COLD || vset_slots_here(v, &set->shape, f->slot, VSET_MANY) == VSET_MANY;
}

static bool few(const struct search_filter *f, const struct vset *set) {
    return f->share <= SHARE_FEW || f->share * (double)set->count <= FEW;
}

bool search__filter_rare(const struct search *s, const struct value *v, const struct vset *set) {
    struct search_filter *f = s->plan;
    struct ivf ix;
    if (f->walking) return true;
    if (s->probes != 0 || s->index.scan != NULL) return false;
    if (few_known(f, v, set)) return f->walking = true;
    if (!few(f, set)) return false;
    ivf_read(v, &ix);
    double target = s->recall != 0 ? s->recall : SEARCH_RECALL;
    f->walking = (double)probes_for(s, v, set, f->share, target) > RARE_CLUSTERS * (double)ix.clusters;
    return f->walking;
}

int search__filter_wants(void *cookie, uint32_t slot, bool *yes) {
    struct search_asking *a = cookie;
    struct search_filter *f = a->s->plan;
    int rc = matches_ask(f->matches, a->v, a->s->filter, slot, yes, &a->s->filtered);
    f->asked += rc == OK;
    f->matched += rc == OK && *yes;
    return rc;
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
    struct vset set;
    ivf_read(v, &ix);
    vset_read(v, &set);
    s->plan->asked = s->plan->matched = 0;
    if ((double)s->probes > RARE_CLUSTERS * (double)ix.clusters && few(s->plan, &set)) s->plan->walking = true;
}

bool search__filter_more(struct search *s, const struct value *v, double target) {
    struct search_filter *f = s->plan;
    struct vset set;
    vset_read(v, &set);
    double least = target + (1 - target) / 2, share = f->asked > 0 ? (double)f->matched / (double)f->asked : 0;
    double enough = s->effort * (double)probes_for(s, v, &set, share, target);
    if (share * NEIGHBOURS_MOST >= (double)s->top.k && enough <= MORE_LEAST * (double)s->probes) return false;
    if (f->best_n > 0 && (double)stayed(f, s) >= least * (double)s->top.n) return false;
    f->best = mem_realloc(f->best, (s->top.n + 1) * sizeof(*f->best));
    f->best_n = s->top.n;
    for (size_t i = 0; i < s->top.n; i++) f->best[i] = s->top.items[i].node;
    s->probes *= MORE_TIMES;
    search__filter_widened(s, v);
    return true;
}

/* ---- few ------------------------------------------------------------------------------------------------ */

static size_t listed(const struct search_filter *f) { return f->match.n / sizeof(uint32_t); }

static uint32_t match_at(const struct search_filter *f, size_t i) {
    uint32_t slot;
    memcpy(&slot, f->match.p + i * sizeof(slot), sizeof(slot));
    return slot;
}

static int find_matches(call *c, struct search *s, const struct value *v, const struct vset *set,
                        command_fn *again) {
    struct search_filter *f = s->plan;
    while (f->next < set->slots) {
        int rc = matches_list(f->matches, v, set, s->filter, &f->next, STEP_SLOTS, &f->match, &s->filtered);
        if (rc != OK) return rc;
        if (f->next < set->slots && call_may_park(c)) return search__yield(c, again);
    }
    return OK;
}

/* What is asked for in one round, when something is cold. */
static int need_matches(const struct search *s, const struct value *v, const struct vset *set) {
    const struct search_filter *f = s->plan;
    for (size_t i = f->measured; i < listed(f) && i < f->measured + MEASURE_ROUND; i++) {
        int rc = vset_slot_hold(v, &set->shape, match_at(f, i));
        if (rc == ERR_LIMIT) break;
        if ((rc == OK || rc == ERR_COLD) && s->attributes) vset__note(vset_attribute_need(v, match_at(f, i)), &rc);
        if (rc != OK && rc != ERR_COLD) return rc;
    }
    return ERR_COLD; /* One at least was. */
}

static int measure_some(struct search *s, const struct value *v, const struct vset *set) {
    struct search_filter *f = s->plan;
    struct vset_got got[VSET_MANY];
    uint32_t slot[VSET_MANY];
    size_t n = 0;
    for (; n < VSET_MANY && f->measured + n < listed(f); n++) slot[n] = match_at(f, f->measured + n);
    vset_slots(v, &set->shape, slot, n, got);
    for (size_t i = 0; i < n; i++, f->measured++) {
        int rc = got[i].rc;
        /* It may have gone, or have become another, since it matched. */
        if (rc == OK) rc = search__keep(s, v, &got[i].e, s->filter);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
    }
    return OK;
}

static int measure_matches(call *c, struct search *s, const struct value *v, const struct vset *set,
                           command_fn *again) {
    struct search_filter *f = s->plan;
    for (size_t end = f->measured + MEASURE_STEP; f->measured < listed(f);) {
        int rc = measure_some(s, v, set);
        if (rc == ERR_COLD) return need_matches(s, v, set);
        if (rc != OK) return rc;
        if (f->measured < end || f->measured >= listed(f)) continue;
        if (call_may_park(c)) return search__yield(c, again);
        end = f->measured + MEASURE_STEP;
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
