/* recall.c -- recall against probes, measured. */
#include "modules/vector/recall.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"

#define STEP_CODES 5000   /* of one step: a tenth of a millisecond */
#define STEP_RERANKED 200 /* the same */
#define TRUTH_SIGMAS 3.0f /* One in a thousand is missed. */
#define DRAWS_MAX 1000    /* for one sample: most slots may be free */
#define TRUTH_K 100
#define MARGIN 1.2
#define PROBES_LEAST 2

static const double targets[RECALL_TARGETS] = {0.80, 0.90, 0.95, 0.99};
static const uint32_t curve_k[RECALL_KS] = {1, 10, 100};

struct hit {
    double distance;
    uint32_t slot;
};

struct recall {
    uint32_t samples, k, probes, done;
    /* The sample at hand. */
    bool sampled, truth, scanned;
    uint32_t slot;
    buf bytes;
    struct measure measure;
    float *x;
    struct ivf_search search;
    struct hit *hits, *best; /* k + 1 each; best: the true ones */
    size_t hits_n, best_n, want;
    /* How often a true neighbour's cluster had that rank, for each curve; the last: none. */
    uint32_t ranks[RECALL_KS][RECALL_PROBES_MAX + 1];
    uint64_t all[RECALL_KS], found, wanted;
};

recall *recall_create(uint32_t samples, uint32_t k, uint32_t probes) {
    recall *r = mem_calloc(1, sizeof(*r));
    r->samples = samples;
    r->k = k;
    r->probes = probes;
    r->want = (k == 0 ? TRUTH_K : k) + (size_t)1; /* and itself */
    r->hits = mem_calloc(r->want, sizeof(*r->hits));
    r->best = mem_calloc(r->want, sizeof(*r->best));
    return r;
}

void recall_free(recall *r) {
    if (r == NULL) return;
    ivf_search_deinit(&r->search);
    buf_free(&r->bytes);
    mem_free(r->x);
    mem_free(r->hits);
    mem_free(r->best);
    mem_free(r);
}

/* ---- one sample -------------------------------------------------------------------------------- */

/* An element by chance; ERR_NOTFOUND: so few slots are in use that none was met. */
static int draw(recall *r, const struct value *v, const struct vset *set, rnd *chance) {
    struct element e;
    for (int i = 0; i < DRAWS_MAX; i++) {
        uint32_t slot = r->slot != IVF_NONE ? r->slot : (uint32_t)rnd_below(chance, set->slots);
        int rc = slot < set->slots ? vset_slot(v, &set->shape, slot, &e) : ERR_NOTFOUND;
        if (rc == ERR_COLD) r->slot = slot; /* It is drawn when it is there. */
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        r->slot = IVF_NONE;
        if (rc != OK) continue;
        r->slot = slot;
        r->bytes.n = 0;
        buf_append(&r->bytes, e.point.bytes, quant_bytes(set->shape.quant, set->shape.dim));
        e.point.bytes = r->bytes.p;
        measure_init(&r->measure, set->shape.quant, set->shape.metric, set->shape.dim, &e.point);
        r->x = mem_realloc(r->x, set->shape.dim * sizeof(float));
        ivf_vector(&set->shape, &e.point, r->x);
        return OK;
    }
    return ERR_NOTFOUND;
}

static double worst(void *cookie) {
    const recall *r = cookie;
    return r->hits_n < r->want ? INFINITY : r->hits[r->want - 1].distance;
}

/* Sorted by insertion: there are few. */
static int take(void *cookie, const struct value *v, const struct element *e) {
    recall *r = cookie;
    (void)v;
    double d = ivf_distance(r->measure.metric, measure_distance(&r->measure, &e->point), r->search.unit);
    if (!(d < worst(r)) || e->slot == r->slot) return OK;
    size_t i = r->hits_n < r->want ? r->hits_n++ : r->want - 1;
    for (; i > 0 && r->hits[i - 1].distance > d; i--) r->hits[i] = r->hits[i - 1];
    r->hits[i] = (struct hit){d, e->slot};
    return OK;
}

static void search_begin(recall *r, const struct ivf *ix, bool truth) {
    ivf_search_deinit(&r->search);
    uint32_t probes = truth ? RECALL_PROBES_MAX : r->probes;
    if (probes > ix->clusters) probes = ix->clusters;
    r->search = (struct ivf_search){.k = (uint32_t)r->want, .probes = probes, .reranked_most = STEP_RERANKED,
                                    .sigmas = truth ? TRUTH_SIGMAS : IVF_SIGMAS};
    r->truth = truth;
    r->scanned = false;
}

/* Where the true neighbours' clusters stand. */
static int note_ranks(recall *r, const struct value *v) {
    for (size_t i = 0; i < r->hits_n; i++) {
        uint32_t place, rank = IVF_NONE;
        int rc = vset_place(v, r->hits[i].slot, &place);
        if (rc != OK) return rc;
        if (place != 0) rank = ivf_search_rank(&r->search, place - 1);
        if (rank > RECALL_PROBES_MAX) rank = RECALL_PROBES_MAX;
        for (unsigned c = 0; c < RECALL_KS; c++) {
            if (i >= curve_k[c]) continue;
            r->ranks[c][rank]++;
            r->all[c]++;
        }
    }
    return OK;
}

/* Ties of distance count: which of them come is chance. */
static void note_found(recall *r) {
    size_t n = r->best_n < r->k ? r->best_n : r->k;
    r->wanted += n;
    for (size_t i = 0; i < n && i < r->hits_n; i++)
        r->found += r->hits[i].distance <= r->best[n - 1].distance;
}

/* A search has ended, with its exact distances. OK: so has the sample. */
static int ended(recall *r, const struct value *v, const struct ivf *ix) {
    int rc = OK;
    if (r->k == 0) {
        rc = note_ranks(r, v);
    } else if (r->truth) {
        struct hit *best = r->best;
        r->best = r->hits;
        r->best_n = r->hits_n;
        r->hits = best;
        search_begin(r, ix, false);
        return ERR_AGAIN;
    } else {
        note_found(r);
    }
    if (rc != OK) return rc;
    r->sampled = false;
    r->slot = IVF_NONE;
    r->done++;
    return OK;
}

int recall_step(recall *r, const struct value *v, const struct vset *set, rnd *chance) {
    struct ivf ix;
    uint64_t reranked = 0;
    ivf_read(v, &ix);
    assert(ix.state == IVF_READY);
    if (r->done >= r->samples) return OK;
    if (!r->sampled) {
        if (r->done == 0 && r->x == NULL) r->slot = IVF_NONE;
        int rc = draw(r, v, set, chance);
        if (rc == ERR_NOTFOUND) {
            r->samples = r->done;
            return OK;
        }
        if (rc != OK) return rc;
        r->sampled = true;
        search_begin(r, &ix, true);
    }
    int rc = OK;
    if (!r->scanned) {
        rc = ivf_search(v, &set->shape, r->x, STEP_CODES, &r->search);
        r->scanned = rc == OK;
        r->hits_n = 0;
        if (rc == OK) rc = ERR_AGAIN;
    } else {
        /* What changes between two steps is a few of very many elements, and this is a sample: it does not begin anew. */
        rc = ivf_rerank(v, &set->shape, &r->search, false, worst, take, r, &reranked);
    }
    if (rc == OK) rc = ended(r, v, &ix);
    if (rc != OK) return rc;
    return r->done >= r->samples ? OK : ERR_AGAIN;
}

/* ---- results ------------------------------------------------------------------------------------ */

void recall_curves(const recall *r, uint16_t probes[RECALL_KS][RECALL_TARGETS]) {
    for (unsigned c = 0; c < RECALL_KS; c++) {
        uint64_t sum = 0;
        unsigned t = 0;
        for (uint32_t p = 0; p < RECALL_PROBES_MAX; p++) {
            sum += r->ranks[c][p];
            while (t < RECALL_TARGETS && (double)sum >= targets[t] * (double)r->all[c])
                probes[c][t++] = (uint16_t)(p + 1);
        }
        for (; t < RECALL_TARGETS; t++) probes[c][t] = RECALL_PROBES_MAX;
    }
}

double recall_mean(const recall *r) {
    return r->wanted == 0 ? 1 : (double)r->found / (double)r->wanted;
}
uint32_t recall_samples(const recall *r) { return r->done; }

/* ---- what has been measured ------------------------------------------------------------------------ */

static double curve_at(const uint8_t *m, unsigned curve, double target) {
    const uint8_t *p = m + IM_PROBES + 2 * (size_t)RECALL_TARGETS * curve;
    unsigned t = 0;
    while (t + 1 < RECALL_TARGETS && targets[t + 1] <= target) t++;
    double low = get_u16(p + 2 * (size_t)t);
    if (target <= targets[0]) return low;
    if (t + 1 == RECALL_TARGETS) /* Beyond the last: each halving of what is missed costs as much again. */
        return target >= 1 ? RECALL_PROBES_MAX : low * (1 + log2((1 - targets[t]) / (1 - target)));
    double high = get_u16(p + 2 * (size_t)t + 2), a = log(1 - targets[t]), b = log(1 - targets[t + 1]);
    return low + (high - low) * (log(1 - target) - a) / (b - a);
}

uint32_t recall_probes(const struct value *v, uint32_t k, double target) {
    struct ivf ix;
    ivf_read(v, &ix);
    const uint8_t *m = ivf__meta(v);
    uint32_t then = get_u32(m + IM_TUNED_ROWS), clusters = get_u32(m + IM_TUNED_CLUSTERS);
    double probes;
    if (then == 0) { /* Not measured yet. */
        probes = 8 + sqrt((double)ix.clusters) * (target < 0.97 ? 0.5 : 2) * (k > 50 ? 2 : 1);
    } else {
        double decades = k <= 1 ? 0 : log10((double)k);
        unsigned low = decades >= 1 ? 1 : 0;
        double a = curve_at(m, low, target), b = curve_at(m, low + 1, target);
        probes = a + (b - a) * (decades - low);
        /* More rows, or the same ones in more clusters: where it is filled faster than clusters are split. */
        double rows = (double)ix.rows / then, split = clusters == 0 ? rows : (double)ix.clusters / clusters;
        double more = rows > split ? rows : split;
        if (more > 1) probes *= sqrt(more);
        probes = probes * MARGIN + PROBES_LEAST; /* What was measured is a sample. */
    }
    probes = ceil(probes);
    if (!(probes >= 1)) probes = 1;
    return probes < ix.clusters ? (uint32_t)probes : ix.clusters;
}

uint32_t recall_rows(const struct value *v) { return get_u32(ivf__meta(v) + IM_TUNED_ROWS); }
