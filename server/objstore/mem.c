/* mem.c -- an object store in memory, with the weather of a network.
 *
 * A request becomes an event of the world with its own copy of the bytes. What will
 * happen to it is drawn when it is sent: whether and when it takes effect, whether and
 * when an answer comes. The two happen on the loop's timers, so that a loop with a clock
 * moved by hand plays a whole history from one seed.
 *
 *   submitted ----> effect ----> answer        the usual
 *   submitted ----> answer (timeout) ----> effect        late: after its sender gave up
 *
 * An event outlives its handle as long as its effect is still to come. Time is drawn from
 * latency_min_us..latency_max_us; all else is one draw against the faults in their
 * order. */
#include "objstore/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/list.h"
#include "base/mem.h"

#define LATENCY_MIN_US 1000  /* Before anybody sets faults. */
#define LATENCY_MAX_US 2000

struct object {
    char *name;
    buf bytes;
    uint64_t version; /* unique in the world */
};

struct mem_world {
    rnd r;
    struct mem_faults faults;
    struct object *v; /* in name order */
    size_t n, cap;
    uint64_t version;
    list events;      /* all */
};

struct handle {
    objstore base;
    mem_world *w;
    loop *l;
    bool paused;
    list stopped;     /* events whose timer fired while paused, in that order */
};

enum damage { DAMAGE_NONE, DAMAGE_TRUNCATE, DAMAGE_FLIP };

struct event {
    list all;           /* world.events */
    list stopped;       /* handle.stopped */
    mem_world *w;
    loop *l;
    struct handle *h;   /* NULL: freed */
    obj_req *r;         /* NULL: answered */
    timer *effect, *answer;
    bool effect_due, answer_due; /* fired while paused */
    bool effect_done;
    enum obj_op op;
    char *name, *after;
    buf body;
    char etag[OBJ_ETAG_MAX];
    uint64_t offset, length, damage_draw;
    enum damage damage;
    int rc;             /* what the answer says; of the effect, when there is one */
    bool timed_out;     /* the answer is ERR_TIMEOUT whatever the effect */
    buf out;
    uint64_t size;
    bool more;
};

static void mem_submit(objstore *base, obj_req *r);
static void mem_close(objstore *base);
static const char *mem_describe(objstore *base);
static const struct objstore_ops mem_ops = {mem_submit, mem_close, mem_describe};

/* -- The world ----------------------------------------------------------------------- */

static void event_free(struct event *e);

mem_world *mem_world_create(uint64_t seed) {
    mem_world *w = mem_calloc(1, sizeof(*w));
    rnd_seed(&w->r, seed);
    w->faults.latency_min_us = LATENCY_MIN_US;
    w->faults.latency_max_us = LATENCY_MAX_US;
    list_init(&w->events);
    return w;
}

void mem_world_free(mem_world *w) {
    if (w == NULL) return;
    list *node;
    while ((node = list_first(&w->events)) != NULL) {
        struct event *e = LIST_ENTRY(node, struct event, all);
        assert(e->h == NULL); /* The handles are freed first. */
        event_free(e);
    }
    for (size_t i = 0; i < w->n; i++) {
        mem_free(w->v[i].name);
        buf_free(&w->v[i].bytes);
    }
    mem_free(w->v);
    mem_free(w);
}

void mem_world_set_faults(mem_world *w, const struct mem_faults *f) {
    assert(f->latency_min_us <= f->latency_max_us);
    w->faults = *f;
}

/* The first object whose name is not below `name`. */
static size_t world_lower(const mem_world *w, const char *name) {
    size_t low = 0, high = w->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(w->v[mid].name, name) < 0) low = mid + 1;
        else high = mid;
    }
    return low;
}

static struct object *world_find(const mem_world *w, const char *name) {
    size_t i = world_lower(w, name);
    return i < w->n && strcmp(w->v[i].name, name) == 0 ? &w->v[i] : NULL;
}

static void world_put(mem_world *w, const char *name, const buf *body) {
    struct object *o = world_find(w, name);
    if (o == NULL) {
        size_t i = world_lower(w, name);
        if (w->n == w->cap) {
            w->cap = w->cap == 0 ? 64 : w->cap * 2;
            w->v = mem_realloc(w->v, w->cap * sizeof(*w->v));
        }
        memmove(&w->v[i + 1], &w->v[i], (w->n - i) * sizeof(*w->v));
        w->n++;
        o = &w->v[i];
        *o = (struct object){.name = mem_strdup(name)};
    }
    o->bytes.n = 0;
    buf_append(&o->bytes, body->p, body->n);
    o->version = ++w->version;
}

static void world_delete(mem_world *w, const char *name) {
    struct object *o = world_find(w, name);
    if (o == NULL) return;
    mem_free(o->name);
    buf_free(&o->bytes);
    w->n--;
    memmove(o, o + 1, (w->n - (size_t)(o - w->v)) * sizeof(*o));
}

slice mem_world_peek(mem_world *w, const char *name, bool *found) {
    struct object *o = world_find(w, name);
    *found = o != NULL;
    return o == NULL ? slice_make(NULL, 0) : slice_of(&o->bytes);
}

size_t mem_world_count(mem_world *w, const char *prefix) {
    size_t count = 0, n = strlen(prefix);
    for (size_t i = world_lower(w, prefix); i < w->n; i++, count++) {
        if (strncmp(w->v[i].name, prefix, n) != 0) break;
    }
    return count;
}

int mem_world_flip(mem_world *w, const char *name, size_t offset) {
    struct object *o = world_find(w, name);
    if (o == NULL || offset >= o->bytes.n) return ERR_NOTFOUND;
    o->bytes.p[offset] ^= 0x40;
    return OK;
}

/* -- Effects ------------------------------------------------------------------------- */

static void etag_print(char out[OBJ_ETAG_MAX], uint64_t version) {
    snprintf(out, OBJ_ETAG_MAX, "\"m%016" PRIx64 "\"", version);
}

static int effect_put(struct event *e) {
    char etag[OBJ_ETAG_MAX];
    struct object *o = world_find(e->w, e->name);
    if (e->op == OBJ_PUT_ABSENT && o != NULL) return ERR_PRECOND;
    if (e->op == OBJ_PUT_MATCH) {
        if (o == NULL) return ERR_PRECOND;
        etag_print(etag, o->version);
        if (strcmp(etag, e->etag) != 0) return ERR_PRECOND;
    }
    world_put(e->w, e->name, &e->body);
    etag_print(e->etag, e->w->version);
    return OK;
}

static int effect_get(struct event *e) {
    struct object *o = world_find(e->w, e->name);
    if (o == NULL) return ERR_NOTFOUND;
    e->size = o->bytes.n;
    etag_print(e->etag, o->version);
    if (e->op == OBJ_HEAD) return OK;
    uint64_t offset = e->length == 0 ? 0 : e->offset;
    uint64_t n = e->length == 0 ? o->bytes.n : e->length;
    if (offset > o->bytes.n) offset = o->bytes.n;
    if (n > o->bytes.n - offset) n = o->bytes.n - offset;
    if (n > 0) buf_append(&e->out, o->bytes.p + offset, (size_t)n);
    if (e->out.n > 0 && e->damage == DAMAGE_TRUNCATE)
        e->out.n = e->damage_draw % e->out.n;
    if (e->out.n > 0 && e->damage == DAMAGE_FLIP) {
        e->out.p[e->damage_draw % e->out.n] ^= (uint8_t)(1u << (e->damage_draw >> 61));
    }
    return OK;
}

static int effect_list(struct event *e) {
    mem_world *w = e->w;
    size_t n = strlen(e->name), count = 0;
    for (size_t i = world_lower(w, e->name); i < w->n; i++) {
        const char *name = w->v[i].name;
        if (strncmp(name, e->name, n) != 0) break;
        if (strcmp(name, e->after) <= 0) continue;
        if (count++ == OBJ_LIST_MAX) {
            e->more = true;
            break;
        }
        buf_append(&e->out, name, strlen(name) + 1);
    }
    return OK;
}

static void event_effect(struct event *e) {
    assert(!e->effect_done);
    e->effect_done = true;
    switch (e->op) {
    case OBJ_PUT:
    case OBJ_PUT_ABSENT:
    case OBJ_PUT_MATCH: e->rc = effect_put(e); break;
    case OBJ_GET:
    case OBJ_HEAD: e->rc = effect_get(e); break;
    case OBJ_LIST: e->rc = effect_list(e); break;
    case OBJ_DELETE:
        world_delete(e->w, e->name);
        e->rc = OK;
        break;
    }
}

/* -- Events -------------------------------------------------------------------------- */

static void event_free(struct event *e) {
    if (e->effect != NULL) loop_timer_cancel(e->l, e->effect);
    if (e->answer != NULL) loop_timer_cancel(e->l, e->answer);
    list_remove(&e->all);
    list_remove(&e->stopped);
    mem_free(e->name);
    mem_free(e->after);
    buf_free(&e->body);
    buf_free(&e->out);
    mem_free(e);
}

static void event_free_if_over(struct event *e) {
    bool effect_to_come = e->effect != NULL || e->effect_due;
    if (e->r == NULL && !effect_to_come) event_free(e);
}

static const char *reason(int rc) {
    return rc == ERR_TIMEOUT  ? "no answer in time"
           : rc == ERR_AGAIN  ? "throttled"
           : rc == ERR_CANCELED ? "the store was closed"
           : rc == ERR_FULL || rc == ERR_AUTH ? err_text(rc)
                              : "the store failed";
}

/* Gives the request back. It may be sent again, or the handle freed, by its callback. */
static void event_answer(struct event *e, int rc) {
    obj_req *r = e->r;
    objstore *s = &e->h->base;
    e->r = NULL;
    r->impl = NULL;
    r->rc = rc;
    if (rc == OK) {
        r->out = e->out;
        e->out = BUF_INIT;
        r->size = e->size;
        r->more = e->more;
        if (e->op != OBJ_LIST && e->op != OBJ_DELETE)
            memcpy(r->etag, e->etag, sizeof(r->etag));
        if (e->op == OBJ_GET) s->stats.bytes_down += r->out.n;
        if (e->op <= OBJ_PUT_MATCH) s->stats.bytes_up += e->body.n;
    } else if (rc != ERR_NOTFOUND && rc != ERR_PRECOND) {
        s->stats.errors[e->op]++;
        snprintf(s->why, sizeof(s->why), "%.100s: %s", e->name, reason(rc));
    }
    event_free_if_over(e);
    r->done(r);
}

static bool event_stopped(struct event *e) {
    if (e->h == NULL || !e->h->paused) return false;
    if (list_empty(&e->stopped)) list_push_back(&e->h->stopped, &e->stopped);
    return true;
}

static void effect_fired(void *cookie) {
    struct event *e = cookie;
    e->effect = NULL;
    e->effect_due = event_stopped(e);
    if (e->effect_due) return;
    event_effect(e);
    event_free_if_over(e);
}

/* The timer of an effect drawn for the same moment may fire second; it is taken first. */
static void answer_fired(void *cookie) {
    struct event *e = cookie;
    e->answer = NULL;
    e->answer_due = event_stopped(e);
    if (e->answer_due) return;
    if (!e->timed_out && e->effect != NULL) {
        loop_timer_cancel(e->l, e->effect);
        effect_fired(e);
    }
    event_answer(e, e->timed_out ? ERR_TIMEOUT : e->rc);
}

static uint64_t draw_between(rnd *r, uint64_t low, uint64_t high) {
    return low >= high ? low : low + rnd_below(r, high - low + 1);
}

/* Three draws a request, whatever they decide, so that histories stay comparable. */
static void event_draw(struct event *e, bool *effect, uint64_t *effect_us,
                       uint64_t *answer_us) {
    mem_world *w = e->w;
    const struct mem_faults *f = &w->faults;
    *answer_us = draw_between(&w->r, f->latency_min_us, f->latency_max_us);
    e->damage_draw = rnd_u64(&w->r);
    *effect_us = e->damage_draw % (*answer_us + 1);
    *effect = true;
    double x = rnd_unit(&w->r);
    if ((x -= f->lose_request) < 0) {
        *effect = false;
        e->timed_out = true;
        *answer_us = f->timeout_us;
    } else if ((x -= f->lose_reply) < 0) {
        e->timed_out = true;
        *answer_us = f->timeout_us;
    } else if ((x -= f->late) < 0) {
        *effect_us = e->damage_draw % (f->late_max_us + 1);
        e->timed_out = *effect_us > f->timeout_us;
        *answer_us = e->timed_out ? f->timeout_us : *effect_us;
    } else if ((x -= f->fail) < 0) {
        *effect = false;
        e->rc = ERR_IO;
    } else if ((x -= f->throttle) < 0) {
        *effect = false;
        e->rc = ERR_AGAIN;
    } else if (e->op <= OBJ_PUT_MATCH && (x -= f->full) < 0) {
        *effect = false;
        e->rc = ERR_FULL;
    } else if (e->op <= OBJ_PUT_MATCH && (x -= f->denied) < 0) {
        *effect = false;
        e->rc = ERR_AUTH;
    } else if ((x -= f->truncate) < 0) {
        e->damage = DAMAGE_TRUNCATE;
    } else if (x - f->flip < 0) {
        e->damage = DAMAGE_FLIP;
    }
}

/* -- Handles ------------------------------------------------------------------------- */

objstore *objstore_mem_create(mem_world *w, loop *l) {
    struct handle *h = mem_calloc(1, sizeof(*h));
    h->base.ops = &mem_ops;
    h->w = w;
    h->l = l;
    list_init(&h->stopped);
    return &h->base;
}

static const char *mem_describe(objstore *base) {
    (void)base;
    return "mem:";
}

static void mem_submit(objstore *base, obj_req *r) {
    struct handle *h = (struct handle *)base;
    struct event *e = mem_calloc(1, sizeof(*e));
    assert(r->op == OBJ_LIST || objstore_name_ok(r->name));
    e->w = h->w;
    e->l = h->l;
    e->h = h;
    e->r = r;
    e->op = r->op;
    e->name = mem_strdup(r->name);
    e->after = mem_strdup(r->op == OBJ_LIST && r->after != NULL ? r->after : "");
    if (r->op <= OBJ_PUT_MATCH) buf_append(&e->body, r->body.p, r->body.n);
    if (r->op == OBJ_PUT_MATCH) memcpy(e->etag, r->etag, sizeof(e->etag));
    e->offset = r->offset;
    e->length = r->length;
    list_push_back(&h->w->events, &e->all);
    list_init(&e->stopped);
    r->impl = e;
    r->rc = OK;
    r->out = BUF_INIT;
    r->size = 0;
    r->more = false;
    base->stats.requests[r->op]++;
    bool effect;
    uint64_t effect_us, answer_us;
    event_draw(e, &effect, &effect_us, &answer_us);
    if (effect) e->effect = loop_timer(h->l, effect_us, effect_fired, e);
    e->answer = loop_timer(h->l, answer_us, answer_fired, e);
}

/* What fired meanwhile fires again, in order. */
static void handle_wake(struct handle *h) {
    list *node;
    while ((node = list_first(&h->stopped)) != NULL) {
        struct event *e = LIST_ENTRY(node, struct event, stopped);
        list_remove(&e->stopped);
        if (e->effect_due) e->effect = loop_timer(e->l, 0, effect_fired, e);
        if (e->answer_due) e->answer = loop_timer(e->l, 0, answer_fired, e);
        e->effect_due = e->answer_due = false;
    }
}

void objstore_mem_pause(objstore *base, bool paused) {
    struct handle *h = (struct handle *)base;
    assert(base->ops == &mem_ops);
    h->paused = paused;
    if (!paused) handle_wake(h);
}

/* Each request that is still out is answered ERR_CANCELED; its effect may still come. */
static void mem_close(objstore *base) {
    struct handle *h = (struct handle *)base;
    h->paused = false;
    handle_wake(h);
    bool again = true;
    /* From the start after each: a callback may do anything to the list. */
    while (again) {
        again = false;
        LIST_FOR(node, &h->w->events) {
            struct event *e = LIST_ENTRY(node, struct event, all);
            if (e->h != h || e->r == NULL) continue;
            if (e->answer != NULL) loop_timer_cancel(e->l, e->answer);
            e->answer = NULL;
            event_answer(e, ERR_CANCELED);
            again = true;
            break;
        }
    }
    LIST_FOR(node, &h->w->events) {
        struct event *e = LIST_ENTRY(node, struct event, all);
        if (e->h == h) e->h = NULL;
    }
    mem_free(h);
}
