/* trim.c -- the log goes when the roots hold it, and a grace period later.
 *
 * The manifest carries the delete intent as a range. FENCE and FILL are never deleted (L6); nothing
 * else stays below the floor, and whatever is found there all the same was made again by a former owner
 * that slept: its own segment, sent once more, which nobody reads. A sweep deletes that, too. */
#include "tier/tier_internal.h"

#define TRIM_IN_FLIGHT_MAX 8

struct trim {
    uint64_t next, end;
    unsigned in_flight;
    bool failed;
};

static void trim_validated(tier *t, int rc);
static void trim_step(tier *t);
static void trim_got_header(io *o);
static void trim_deleted(io *o);

void trim_intend(tier *t, struct manifest *m) {
    m->log_floor = t->trim_done > m->log_floor ? t->trim_done : m->log_floor;
    if (m->trim_seq <= m->log_floor) { /* The intent before has been carried out. */
        m->trim_seq = m->log_start;
        m->trim_ms = tier_wall_ms(t);
    }
    assert(m->trim_seq <= m->log_start);
}

void trim_start(tier *t) {
    if (t->trim != NULL || t->state != TIER_SERVING) return;
    if (t->trim_done < t->m.log_floor) t->trim_done = t->m.log_floor;
    if (t->trim_done >= t->m.trim_seq) return;
    if (tier_wall_ms(t) < t->m.trim_ms + (uint64_t)t->config->gc_grace_s * 1000) return;
    t->trim = mem_calloc(1, sizeof(*t->trim));
    t->trim->next = t->trim_done;
    t->trim->end = t->m.trim_seq;
    own_validate(t, trim_validated);
}

static void trim_end(tier *t) {
    struct trim *x = t->trim;
    struct tier_log *g = &t->log;
    if (!x->failed && x->next == x->end) t->trim_done = x->end;
    t->trim = NULL;
    mem_free(x);
    size_t n = 0;
    while (n < g->marks_count && g->marks[n].seq < t->trim_done) n++;
    memmove(g->marks, g->marks + n, (g->marks_count - n) * sizeof(*g->marks));
    g->marks_count -= n;
}

static void trim_validated(tier *t, int rc) {
    if (rc != OK) {
        t->trim->failed = true;
        trim_end(t);
        return;
    }
    trim_step(t);
}

static const struct log_mark *mark_find(const tier *t, uint64_t seq) {
    const struct tier_log *g = &t->log;
    size_t low = 0, high = g->marks_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (g->marks[mid].seq < seq) low = mid + 1;
        else high = mid;
    }
    return low < g->marks_count && g->marks[low].seq == seq ? &g->marks[low] : NULL;
}

static void trim_delete(tier *t, uint64_t seq) {
    char name[SEGMENT_NAME_BYTES];
    assert(seq < t->m.log_start && seq < t->m.trim_seq); /* L9 */
    segment_name(seq, name);
    io_send(io_create(t, OBJ_DELETE, name, trim_deleted, NULL), IO_TRIES);
}

static void trim_step(tier *t) {
    struct trim *x = t->trim;
    while (x->in_flight < TRIM_IN_FLIGHT_MAX && x->next < x->end && t->state == TIER_SERVING) {
        uint64_t seq = x->next++;
        const struct log_mark *m = mark_find(t, seq);
        if (m != NULL && m->immortal) continue; /* L6 */
        x->in_flight++;
        if (m != NULL || seq >= t->log.first_seq) {
            trim_delete(t, seq);
            continue;
        }
        /* Not of this process's time: its header says whether it is a fence. */
        char name[SEGMENT_NAME_BYTES];
        segment_name(seq, name);
        io *o = io_create(t, OBJ_GET, name, trim_got_header, NULL);
        o->req.length = SEGMENT_HEADER_BYTES;
        io_send(o, IO_TRIES);
    }
    if (x->in_flight == 0) trim_end(t);
}

static void trim_got_header(io *o) {
    tier *t = o->t;
    uint64_t seq;
    struct segment_header h;
    bool named = segment_parse_name(o->name, &seq);
    assert(named);
    if (o->req.rc == OK && segment_decode_header(slice_of(&o->req.out), &h) == OK &&
        h.kind == SEGMENT_DATA) {
        trim_delete(t, seq);
        return;
    }
    if (o->req.rc != OK && o->req.rc != ERR_NOTFOUND) t->trim->failed = true;
    t->trim->in_flight--;
    trim_step(t);
}

static void trim_deleted(io *o) {
    tier *t = o->t;
    if (o->req.rc == OK) t->stats.log_deleted++;
    else t->trim->failed = true;
    t->trim->in_flight--;
    trim_step(t);
}

/* ---- the sweep below the floor -------------------------------------------------------------- */

struct numbers {
    uint64_t *at;
    size_t n, cap;
};

struct sweep {
    tier *t;
    void (*done)(tier *t);
    uint64_t floor;
    char after[OBJ_NAME_MAX + 1];
    struct numbers found, doomed;
    size_t looked, deleted;  /* so many of them are sent */
    unsigned in_flight;
};

static void sweep_list(struct sweep *w);
static void sweep_listed(io *o);
static void sweep_look(struct sweep *w);
static void sweep_got_header(io *o);
static void sweep_validated(tier *t, int rc);
static void sweep_delete(struct sweep *w);
static void sweep_deleted(io *o);

static void numbers_add(struct numbers *x, uint64_t seq) {
    if (x->n == x->cap) {
        x->cap = x->cap == 0 ? 64 : x->cap * 2;
        x->at = mem_realloc(x->at, x->cap * sizeof(*x->at));
    }
    x->at[x->n++] = seq;
}

static void sweep_drop(tier *t) {
    struct sweep *w = t->sweep;
    if (w == NULL) return;
    mem_free(w->found.at);
    mem_free(w->doomed.at);
    t->sweep = NULL;
    mem_free(w);
}

static void sweep_end(struct sweep *w) {
    tier *t = w->t;
    void (*done)(tier *t) = w->done;
    sweep_drop(t);
    done(t);
}

/* Fences that were looked at before: each is read once. */
static size_t fence_index(const tier *t, uint64_t seq) {
    size_t low = 0, high = t->fences_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->fences[mid] < seq) low = mid + 1;
        else high = mid;
    }
    return low;
}

static bool fence_known(const tier *t, uint64_t seq) {
    size_t i = fence_index(t, seq);
    return i < t->fences_count && t->fences[i] == seq;
}

static void fence_add(tier *t, uint64_t seq) {
    size_t i = fence_index(t, seq);
    t->fences = mem_realloc(t->fences, (t->fences_count + 1) * sizeof(*t->fences));
    memmove(t->fences + i + 1, t->fences + i, (t->fences_count - i) * sizeof(*t->fences));
    t->fences[i] = seq;
    t->fences_count++;
}

void sweep_start(tier *t, void (*done)(tier *t)) {
    assert(t->sweep == NULL);
    struct sweep *w = mem_calloc(1, sizeof(*w));
    w->t = t;
    w->done = done;
    w->floor = t->trim_done > t->m.log_floor ? t->trim_done : t->m.log_floor;
    assert(w->floor <= t->m.log_start);
    t->sweep = w;
    if (w->floor == 0) sweep_end(w);
    else sweep_list(w);
}

static void sweep_list(struct sweep *w) {
    io *o = io_create(w->t, OBJ_LIST, "log/", sweep_listed, w);
    o->req.after = w->after;
    io_send(o, IO_TRIES);
}

static void sweep_listed(io *o) {
    struct sweep *w = o->cookie;
    slice out = slice_of(&o->req.out);
    const char *last = NULL;
    bool more = o->req.more;
    for (size_t at = 0; at < out.n && o->req.rc == OK;) {
        const char *name = (const char *)out.p + at;
        size_t n = strnlen(name, out.n - at);
        uint64_t seq;
        if (n == out.n - at || n > OBJ_NAME_MAX || (last != NULL && strcmp(last, name) >= 0)) {
            more = false; /* Not a listing. */
            break;
        }
        last = name;
        at += n + 1;
        if (!segment_parse_name(name, &seq)) continue; /* Not ours to judge. */
        if (seq >= w->floor) {
            more = false;
            break;
        }
        if (!fence_known(w->t, seq)) numbers_add(&w->found, seq);
    }
    if (o->req.rc == OK && more && last != NULL) {
        memcpy(w->after, last, strlen(last) + 1);
        sweep_list(w);
        return;
    }
    sweep_look(w);
}

static void sweep_look(struct sweep *w) {
    tier *t = w->t;
    while (w->in_flight < TRIM_IN_FLIGHT_MAX && w->looked < w->found.n &&
           t->state == TIER_SERVING) {
        char name[SEGMENT_NAME_BYTES];
        segment_name(w->found.at[w->looked++], name);
        io *o = io_create(t, OBJ_GET, name, sweep_got_header, w);
        o->req.length = SEGMENT_HEADER_BYTES;
        w->in_flight++;
        io_send(o, IO_TRIES);
    }
    if (w->in_flight > 0) return;
    if (w->doomed.n > 0 && t->state == TIER_SERVING) own_validate(t, sweep_validated);
    else sweep_end(w);
}

static void sweep_got_header(io *o) {
    struct sweep *w = o->cookie;
    uint64_t seq;
    struct segment_header h;
    bool named = segment_parse_name(o->name, &seq);
    assert(named && seq < w->floor);
    if (o->req.rc == OK && segment_decode_header(slice_of(&o->req.out), &h) == OK) {
        if (h.kind == SEGMENT_DATA) numbers_add(&w->doomed, seq);
        else fence_add(o->t, seq); /* L6 */
    }
    w->in_flight--;
    sweep_look(w);
}

static void sweep_validated(tier *t, int rc) {
    if (rc != OK) sweep_end(t->sweep);
    else sweep_delete(t->sweep);
}

static void sweep_delete(struct sweep *w) {
    tier *t = w->t;
    while (w->in_flight < TRIM_IN_FLIGHT_MAX && w->deleted < w->doomed.n &&
           t->state == TIER_SERVING) {
        char name[SEGMENT_NAME_BYTES];
        uint64_t seq = w->doomed.at[w->deleted++];
        assert(seq < t->m.log_start); /* L9 */
        segment_name(seq, name);
        w->in_flight++;
        io_send(io_create(t, OBJ_DELETE, name, sweep_deleted, w), IO_TRIES);
    }
    if (w->in_flight == 0) sweep_end(w);
}

static void sweep_deleted(io *o) {
    struct sweep *w = o->cookie;
    w->in_flight--;
    if (o->req.rc == OK) o->t->stats.log_swept++;
    sweep_delete(w);
}

void trim_free(tier *t) {
    mem_free(t->trim);
    t->trim = NULL;
    sweep_drop(t);
    mem_free(t->fences);
    t->fences = NULL;
    t->fences_count = 0;
}
