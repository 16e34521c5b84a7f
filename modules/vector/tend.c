/* tend.c -- VINDEX: keeps a set's index, beside the commands that change the set.
 *
 * The server runs it, and it alone, when a command has left something to do (vset_tend()): an index is begun when the set
 * has grown large, filled in slices, clusters that are too large or too small are split or dissolved, and when the set has
 * changed enough, all clusters are made anew of what is in them (in haste while it goes on changing, well when it rests),
 * and the curve of recall against probes is measured again. Each step looks at the set anew, gathers copies, has them
 * worked on by a worker, and ends in one effect; what has changed in between so that the result does not fit any more is
 * thrown away and comes again. */
#include <assert.h>

#include "modules/vector/commands.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/ivf_job.h"
#include "modules/vector/recall.h"
#include "modules/vector/rotate.h"

#define STEP_US 300 /* Of the loop, less when others have had much of the turn. */
#define EFFECT_US 250 /* What a split takes, which is one effect: it waits for a turn that has so much left, */
#define WAITS_MAX 8   /* not longer than for so many. */
#define GATHER_SLOTS 32 /* between two looks at the clock */
#define GATHER_ROWS 16  /* of a cluster: the same */
#define SAMPLE_BYTES ((size_t)64 << 20) /* Of float rows, from which a new index is made, */
#define SAMPLE_MAX 32768                /* and their number. */
#define FILL_SLOTS 4    /* of one effect */

enum phase { LOOK, GATHER, ROWS, WORKED, NODE, MEASURE };

enum kind { BUILD, SPLIT, HALVE }; /* a new index, a cluster, a node */

struct plan { /* a job on its way: a worker's while it is worked on */
    struct ivf_job job;
    uint64_t uid;      /* of the set */
    enum kind kind;
};

struct tend {
    enum phase phase;
    uint64_t until_us; /* the end of this step */
    struct plan *plan; /* owned; NULL while a worker has it */
    uint32_t cursor, step; /* GATHER: the next slot */
    uint32_t sweep;    /* the next cluster that is to be looked at; IVF_NONE: none is */
    unsigned rested;   /* how many looks in turn have found the set as it was, */
    uint64_t then;     /* with so many changes behind it */
    uint32_t refined;  /* the next cluster that is to be made anew */
    unsigned passes;   /* how often all have been */
    uint64_t since;    /* the changes when the pass began */
    bool hasty;        /* That was begun while it was being filled. */
    bool busy;         /* It changes while it is refined. */
    uint64_t refined_at; /* the version when a cluster was made anew last */
    bool paused;       /* since then */
    recall *recall;    /* MEASURE; owned */
    unsigned waits;    /* for a turn that has time */
    uint64_t uid;      /* of the set that is measured, */
    uint32_t clusters; /* and how many it had when that began: of those that are split meanwhile little is known */
};

static void plan_free(void *cookie) {
    struct plan *p = cookie;
    if (p == NULL) return;
    ivf_job_deinit(&p->job);
    mem_free(p);
}

static void tend_free(void *state) {
    struct tend *t = state;
    plan_free(t->plan);
    recall_free(t->recall);
    mem_free(t);
}

static void work(void *cookie) {
    struct plan *p = cookie;
    switch (p->kind) {
    case BUILD: ivf_job_build(&p->job); return;
    case SPLIT: ivf_job_split(&p->job); return;
    case HALVE: ivf_job_node(&p->job); return;
    }
}

static int tend_run(call *c);

static int again(call *c) {
    parked_resume(call_park(c, tend_run, NULL, NULL));
    return ERR_AGAIN;
}

static bool step_is_over(const call *c, const struct tend *t) { return call_mono_us(c) >= t->until_us; }

static void plan_begin(struct tend *t, const struct vset *set, const struct code_shape *code, uint64_t seed,
                       enum kind kind) {
    plan_free(t->plan);
    t->plan = mem_calloc(1, sizeof(*t->plan));
    ivf_job_init(&t->plan->job, &set->shape, code, seed);
    t->plan->uid = set->shape.uid;
    t->plan->kind = kind;
}

/* Away with it, to a worker. */
static int hand_over(call *c, struct tend *t) {
    struct plan *p = t->plan;
    t->phase = WORKED;
    if (p->job.n == 0 && p->kind == SPLIT) { /* An empty cluster: there is nothing to compute. */
        ivf_job_split(&p->job);
        return again(c);
    }
    t->plan = NULL;
    call_work(c, work, tend_run, p, plan_free);
    return ERR_AGAIN;
}

/* ---- a new index ---------------------------------------------------------------------------------- */

static void build_begin(call *c, struct tend *t, const struct vset *set) {
    struct code_shape code = {.dim = rotate_padded(set->shape.dim), .bits = ivf_bits(set->shape.dim),
                              .product = set->shape.metric == METRIC_IP};
    size_t most = SAMPLE_BYTES / (4 * (size_t)code.dim);
    if (most > SAMPLE_MAX) most = SAMPLE_MAX;
    plan_begin(t, set, &code, rnd_u64(call_rnd(c)), BUILD);
    t->plan->job.of = set->count;
    /* Grown step by step it would be copied again and again, some megabytes in one turn. */
    buf_reserve(&t->plan->job.vectors, (most < set->count ? most : set->count + 1) * quant_bytes(set->shape.quant, set->shape.dim));
    t->cursor = 0;
    t->step = (uint32_t)(set->count / most) + 1;
    t->phase = GATHER;
}

/* What has come since it began, and finds no room in the buffer, is not looked at: to have it grow would copy megabytes. */
static int gather(call *c, struct tend *t, const struct value *v, const struct vset *set) {
    struct ivf_job *j = &t->plan->job;
    size_t bytes = quant_bytes(set->shape.quant, set->shape.dim);
    for (unsigned n = 1; (t->cursor = vset_slot_next(v, set, t->cursor)) < set->slots; n++) {
        struct element el;
        int rc = vset_slot(v, &set->shape, t->cursor, &el);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        if (j->vectors.n + bytes > j->vectors.cap) break;
        if (rc == OK) ivf_job_add(j, t->cursor, &el.point);
        t->cursor = set->slots - t->cursor > t->step ? t->cursor + t->step : set->slots;
        if (n % GATHER_SLOTS == 0 && step_is_over(c, t)) return again(c);
    }
    return hand_over(c, t);
}

/* ---- a split --------------------------------------------------------------------------------------- */

static int rows(call *c, struct tend *t, const struct value *v) {
    int rc;
    do {
        rc = ivf_job_gather_rows(&t->plan->job, v, GATHER_ROWS);
    } while (rc == ERR_AGAIN && !step_is_over(c, t));
    if (rc == ERR_NOTFOUND) t->phase = LOOK;
    return rc == OK ? hand_over(c, t) : rc == ERR_NOTFOUND || rc == ERR_AGAIN ? again(c) : rc;
}

static int split_begin(call *c, struct tend *t, const struct value *v, const struct vset *set, const struct ivf *ix,
                       uint32_t cluster) {
    plan_begin(t, set, &ix->code, ix->seed, SPLIT);
    int rc = ivf_job_gather(&t->plan->job, v, cluster);
    if (rc != OK) return rc;
    t->phase = ROWS;
    return rows(c, t, v);
}

/* ---- steps ------------------------------------------------------------------------------------------- */

/* No page has room for what would come of it: it grows on. */
static int leave(call *c, uint32_t cluster) {
    uint8_t number[4];
    put_u32(number, cluster);
    slice arg = slice_make(number, sizeof(number));
    return call_value(c, TYPE_VECTORSET, VECTOR_LEAVE, call_arg(c, 1), &arg, 1);
}

/* Has this turn no time for an effect that takes long? */
static bool wait_for_turn(const call *c, struct tend *t) {
    bool wait = call_share_us(c, EFFECT_US) < EFFECT_US && t->waits < WAITS_MAX;
    t->waits = wait ? t->waits + 1 : 0;
    return wait;
}

static int finish(call *c, struct tend *t, const struct value *v, const struct vset *set) {
    if (wait_for_turn(c, t)) return again(c);
    static const uint8_t ops[] = {[BUILD] = VECTOR_INDEX, [SPLIT] = VECTOR_SPLIT, [HALVE] = VECTOR_NODE};
    struct ivf ix;
    struct plan *p = t->plan;
    const struct ivf_job *j = &p->job;
    slice args[3] = {slice_of(&j->args[0]), slice_of(&j->args[1]), slice_of(&j->args[2])};
    int rc = OK;
    ivf_read(v, &ix);
    bool fits = set->shape.uid == p->uid && set->shape.dim == j->shape.dim;
    if (fits && p->kind == BUILD) fits = ix.state == IVF_ABSENT && args[2].n > 0;
    else if (fits) fits = ix.state != IVF_ABSENT && (p->kind == SPLIT ? ivf_job_fits : ivf_job_node_fits)(j, v, &rc);
    if (rc != OK) return rc;
    if (fits) rc = call_value(c, TYPE_VECTORSET, ops[p->kind], call_arg(c, 1), args, 3);
    bool more = fits && rc == OK && p->kind == SPLIT && args[1].n > 0;
    if (rc == ERR_LIMIT) rc = leave(c, j->cluster);
    if (rc != OK) return rc;
    t->phase = more ? NODE : LOOK;
    return again(c);
}

/* The node of a cluster that has been split: has it too many now? */
static int look_at_node(call *c, struct tend *t, const struct value *v, const struct vset *set, const struct ivf *ix) {
    uint32_t cluster = t->plan->job.cluster;
    struct ivf_job j; /* Beside the split's: when something is cold this is done again. */
    ivf_job_init(&j, &set->shape, &ix->code, ix->seed);
    int rc = ivf_job_gather_node(&j, v, cluster);
    if (rc != OK) {
        ivf_job_deinit(&j);
        if (rc != ERR_NOTFOUND) return rc;
        t->phase = LOOK;
        return again(c);
    }
    plan_begin(t, set, &ix->code, ix->seed, HALVE);
    ivf_job_deinit(&t->plan->job);
    t->plan->job = j;
    return hand_over(c, t);
}

static int fill(call *c, struct tend *t, const struct value *v, const struct vset *set, const struct ivf *ix) {
    uint32_t end = vset_slot_next(v, set, ix->filled); /* Over what is not there; v is of no use after an effect. */
    do {
        uint8_t arg[4];
        slice args[1] = {slice_make(arg, 4)};
        end = set->slots - end > FILL_SLOTS ? end + FILL_SLOTS : set->slots;
        put_u32(arg, end);
        int rc = call_value(c, TYPE_VECTORSET, VECTOR_FILL, call_arg(c, 1), args, 1);
        if (rc != OK) return rc;
    } while (end < set->slots && !step_is_over(c, t));
    return again(c);
}

/* ---- recall --------------------------------------------------------------------------------------------- */

#define SAMPLES 400 /* A curve from these is right to about half of a hundredth of recall, */
#define SAMPLES_BUSY 160 /* from these to nearly one. */

/* Elements that have come and gone since it was made; another vector for one is both. (What attributes there are is
 * nothing to the index: whoever writes a million of them does not have it made anew.) */
static uint64_t changes(const struct vset *set) { return 2 * set->last_node - set->count; }

/* Has the set changed by so many quarters of its rows, so that what was measured says little? */
static bool stale(const struct value *v, const struct ivf *ix, unsigned quarters) {
    uint64_t then = get_u64(ivf__meta(v) + IM_TUNED);
    uint32_t rows = get_u32(ivf__meta(v) + IM_TUNED_ROWS), clusters = get_u32(ivf__meta(v) + IM_TUNED_CLUSTERS);
    struct vset set;
    vset_read(v, &set);
    return rows == 0 || changes(&set) - then > (uint64_t)rows * quarters / 4 || ix->rows < rows / 2 ||
           ix->clusters / 3 > clusters / 2;
}
/* While a set is being filled it is refined in haste, and seldom; when it rests, well, and after fewer changes. What was
 * done in haste is noted as QUARTERS_HASTE older than it is, so that it is done again when the set rests: once, even if
 * it rests no longer before that is done. */
#define QUARTERS_RESTING 1
#define QUARTERS_BUSY 3
#define QUARTERS_HASTE 1
#define REST_LOOKS 12
#define REST_MS 10 /* between them */

static int measure(call *c, struct tend *t, const struct value *v, const struct vset *set, const struct ivf *ix) {
    uint16_t probes[RECALL_KS][RECALL_TARGETS];
    uint8_t rows[16], curves[IVF_PROBES_BYTES];
    if (t->recall == NULL) t->recall = recall_create(t->busy ? SAMPLES_BUSY : SAMPLES, 0, 0);
    int rc;
    do {
        rc = recall_step(t->recall, v, set, call_rnd(c));
    } while (rc == ERR_AGAIN && !step_is_over(c, t));
    if (rc == ERR_AGAIN) return again(c);
    if (rc != OK) return rc;
    recall_curves(t->recall, probes);
    put_u32(rows, (uint32_t)ix->rows);
    put_u32(rows + 4, t->clusters);
    uint64_t haste = t->hasty ? (uint64_t)ix->rows * QUARTERS_HASTE / 4 + 1 : 0;
    put_u64(rows + 8, changes(set) - haste);
    for (unsigned i = 0; i < RECALL_KS * RECALL_TARGETS; i++)
        put_u16(curves + 2 * (size_t)i, probes[i / RECALL_TARGETS][i % RECALL_TARGETS]);
    slice args[2] = {slice_make(rows, sizeof(rows)), slice_make(curves, sizeof(curves))};
    rc = call_value(c, TYPE_VECTORSET, VECTOR_PROBES, call_arg(c, 1), args, 2);
    if (rc != OK) return rc;
    t->phase = LOOK;
    return again(c);
}

/* ---- clusters that the list had no room for -------------------------------------------------------------- */

#define SWEEP_CLUSTERS 512 /* looked at in one step */

static int sweep(call *c, struct tend *t, const struct value *v, const struct vset *set, const struct ivf *ix) {
    if (t->sweep == IVF_NONE) {
        int rc = call_value(c, TYPE_VECTORSET, VECTOR_SWEEP, call_arg(c, 1), NULL, 0);
        if (rc != OK) return rc;
        t->sweep = 0;
        return again(c);
    }
    uint32_t next = get_u32(ivf__meta(v) + IM_NEXT);
    for (uint32_t n = 0; n < SWEEP_CLUSTERS && t->sweep < next; n++) {
        slice tail;
        uint32_t cluster = t->sweep;
        int rc = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_TAILS, cluster), &tail);
        if (rc == OK) rc = ivf__tail(v, &ix->code, cluster, &tail);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        t->sweep++;
        if (rc == OK && ivf__due(tail, ix->clusters)) return split_begin(c, t, v, set, ix, cluster);
    }
    if (t->sweep >= next) t->sweep = IVF_NONE;
    return again(c);
}

/* ---- a pass of k-means over all clusters ------------------------------------------------------------------ */

/* Splits look at few clusters, and centroids stay where they were when rows come and go: after much of that twice as many
 * codes are to be scanned for the same recall. So each cluster's centroid becomes the mean of its rows again, and rows
 * go where they are nearer, as in Lloyd's passes. What is cold is not worth to be fetched for it. */
#define REFINE_PASSES 4
#define REFINE_BUSY 64 /* One part in so many has changed during a pass: it is the last one. */
/* Between two clusters when others write: so that it takes a fifth of a worker, which has splits and the log to do, and
 * less of the loop. */
#define REFINE_PAUSE_MS 4

static int refine(call *c, struct tend *t, const struct value *v, const struct vset *set, const struct ivf *ix) {
    uint32_t next = get_u32(ivf__meta(v) + IM_NEXT);
    if (t->refined == 0) t->since = changes(set);
    if (set->version != t->refined_at && !t->paused) {
        t->paused = true;
        parked_timeout(call_park(c, tend_run, NULL, NULL), REFINE_PAUSE_MS);
        return ERR_AGAIN;
    }
    t->refined_at = set->version;
    t->paused = false;
    for (uint32_t n = 0; n < SWEEP_CLUSTERS && t->refined < next; n++) {
        slice tail;
        int rc = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_TAILS, t->refined), &tail);
        if (rc == ERR_NOTFOUND) {
            t->refined++;
            continue;
        }
        if (rc == OK) rc = split_begin(c, t, v, set, ix, t->refined++);
        if (rc != ERR_COLD) return rc;
        t->phase = LOOK;
        t->passes = REFINE_PASSES;
        return again(c);
    }
    if (t->refined >= next) {
        t->refined = 0;
        t->passes++;
        if (changes(set) - t->since > ix->rows / REFINE_BUSY) t->busy = true;
        if (t->busy) t->passes = REFINE_PASSES;
    }
    return again(c);
}

/* Is it time for that? ERR_AGAIN: the set is looked at again in a while. ERR_NOTFOUND: no. */
static int rests(call *c, struct tend *t, const struct value *v, const struct vset *set, const struct ivf *ix) {
    if (!stale(v, ix, QUARTERS_RESTING)) return ERR_NOTFOUND;
    t->hasty = t->busy = stale(v, ix, QUARTERS_BUSY);
    if (t->busy) return OK;
    if (t->rested > 0 && changes(set) != t->then) return ERR_NOTFOUND; /* Who changes it will ask again. */
    if (t->rested == REST_LOOKS) return OK;
    t->rested++;
    t->then = changes(set);
    parked_timeout(call_park(c, tend_run, NULL, NULL), REST_MS);
    return ERR_AGAIN;
}

/* ---- all ------------------------------------------------------------------------------------------------ */

static int look(call *c, struct tend *t, const struct value *v, const struct vset *set, const struct ivf *ix) {
    recall_free(t->recall);
    t->recall = NULL;
    switch (ix->state) {
    case IVF_ABSENT:
        if (set->count < IVF_MIN) return reply_ok(c);
        build_begin(c, t, set);
        return gather(c, t, v, set);
    case IVF_FILLING: /* No cluster is to grow without bounds while it is filled. */
    case IVF_READY: break;
    }
    if (ix->todo > 0) return split_begin(c, t, v, set, ix, ivf_todo(v));
    if (ix->state == IVF_FILLING) return fill(c, t, v, set, ix);
    if (t->sweep != IVF_NONE || ix->missed) return sweep(c, t, v, set, ix);
    if (t->passes == 0 && t->refined == 0) {
        int rc = rests(c, t, v, set, ix);
        if (rc != OK) return rc == ERR_NOTFOUND ? reply_ok(c) : rc;
    }
    if (t->passes < REFINE_PASSES) return refine(c, t, v, set, ix);
    t->rested = t->passes = t->refined = 0;
    t->uid = set->shape.uid;
    t->clusters = ix->clusters;
    t->phase = MEASURE;
    return measure(c, t, v, set, ix);
}

static int tend_run(call *c) {
    struct entry e;
    struct vset set;
    struct ivf ix;
    struct tend *t = call_state(c);
    if (t == NULL) {
        t = mem_calloc(1, sizeof(*t));
        t->sweep = IVF_NONE;
        call_set_state(c, t, tend_free);
    }
    if (t->phase == WORKED && t->plan == NULL) t->plan = call_cookie(c);
    t->until_us = call_mono_us(c) + call_share_us(c, STEP_US);
    int rc = call_write_type(c, call_arg(c, 1), TYPE_VECTORSET, &e);
    if (rc == ERR_NOTFOUND || rc == ERR_TYPE) return reply_ok(c);
    if (rc != OK) return rc;
    vset_read(&e.value, &set);
    ivf_read(&e.value, &ix);
    if (t->phase == GATHER && (set.shape.uid != t->plan->uid || ix.state != IVF_ABSENT)) t->phase = LOOK;
    if ((t->phase == ROWS || t->phase == NODE) && (set.shape.uid != t->plan->uid || ix.state == IVF_ABSENT)) t->phase = LOOK;
    if (t->phase == MEASURE && (set.shape.uid != t->uid || ix.state != IVF_READY)) t->phase = LOOK;
    switch (t->phase) {
    case LOOK: return look(c, t, &e.value, &set, &ix);
    case GATHER: return gather(c, t, &e.value, &set);
    case ROWS: return rows(c, t, &e.value);
    case WORKED: return finish(c, t, &e.value, &set);
    case NODE: return look_at_node(c, t, &e.value, &set, &ix);
    case MEASURE: return measure(c, t, &e.value, &set, &ix);
    }
    return ERR_CORRUPT;
}

static const struct command tend_row = {.name = "VINDEX", .fn = tend_run, .arity = 2, .flags = CMD_WRITE | CMD_MODULE,
                                        .group = GROUP_MODULE};

bool vset_due(const struct value *v) {
    struct ivf ix;
    struct vset set;
    ivf_read(v, &ix);
    vset_read(v, &set);
    if (ix.state == IVF_ABSENT) return set.count >= IVF_MIN;
    return ix.state == IVF_FILLING || ix.todo > 0 || ix.missed || stale(v, &ix, QUARTERS_RESTING);
}

void vset_tend(call *c, slice key) {
    struct entry e;
    if (call_peek(c, key, &e) == OK && e.value.type == TYPE_VECTORSET && vset_due(&e.value)) call_later(c, &tend_row, key);
}
