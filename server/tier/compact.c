/* compact.c -- packs that are mostly dead are written anew: the same slot numbers, only the live ones.
 *
 *   footer -> worth it? -> the range of the live slots -> a worker checks, copies, checks -> PUT under
 *   a new name (L8) -> the line of the pack table is exchanged in memory -> the next roots carry it
 *
 * What lives is what the collection has just marked from the published roots; what it did not mark is
 * dead for good, as nothing refers to a slot again. Locations do not change, so neither pages nor
 * snapshots notice. Until roots with the new line are published the old object is the one that the
 * store knows, whatever happens to this process; then nothing names it any more and it is deleted like
 * any other. Reads that are under way on it end there, or begin again with the new line (read.c).
 *
 * One pack at a time, and a bounded number of bytes a run. */
#include "tier/tier_internal.h"

#define COMPACT_RUN_BYTES (1u << 30)  /* read by one run; the next collection goes on */
#define COMPACT_SAVES_MIN 65536u      /* less is not worth three requests */
#define COMPACT_LOOKS 4096            /* lines a step */
#define COMPACT_ATTEMPTS 4            /* damaged answers for one pack */
#define COMPACT_WAIT_US 10000

struct compact {
    tier *t;
    struct live_map map;
    void (*done)(tier *t);
    size_t at;               /* the line looked at */
    uint64_t bytes;          /* read so far */
    bool changed;
    timer *next;
    /* the pack under way */
    struct pack_line old, line;
    struct pack_use use;
    buf footer, stored, object;
    unsigned attempts;
    int rc;
    job work;
};

static void compact_step(void *cookie);
static void compact_look(struct compact *c);
static void compact_got_footer(io *o);
static void compact_judge(struct compact *c);
static void compact_read(struct compact *c);
static void compact_got_slots(io *o);
static void compact_work(job *j);
static void compact_worked(job *j);
static void compact_put(io *o);
static void compact_swap(void *cookie);

static void compact_clear(struct compact *c) {
    buf_free(&c->footer);
    buf_free(&c->stored);
    buf_free(&c->object);
    c->attempts = 0;
    c->t->data_held = UINT64_MAX;
}

void compact_free(tier *t) {
    struct compact *c = t->compact;
    if (c == NULL) return;
    if (c->next != NULL) loop_timer_cancel(t->loop, c->next);
    compact_clear(c);
    t->compact = NULL;
    mem_free(c);
}

static void compact_end(struct compact *c) {
    tier *t = c->t;
    void (*done)(tier *t) = c->done;
    if (c->changed) t->checkpoint_wanted = true; /* publishes the new lines */
    compact_free(t);
    done(t);
}

static void compact_later(struct compact *c, uint64_t us, void (*step)(void *cookie)) {
    c->next = loop_timer(c->t->loop, us, step, c);
}

/* The pack under way is done with, well or not. */
static void compact_next(struct compact *c) {
    compact_clear(c);
    c->at++;
    compact_later(c, 0, compact_step);
}

static void compact_failed(struct compact *c, const char *what) {
    c->t->stats.compact_failures++;
    log_line(c->t->logger, LOG_WARNING, "%s is not compacted: %s", c->old.name, what);
    compact_next(c);
}

void compact_start(tier *t, const struct live_map *map, void (*done)(tier *t)) {
    assert(t->compact == NULL);
    struct compact *c = mem_calloc(1, sizeof(*c));
    c->t = t;
    c->map = *map;
    c->done = done;
    t->compact = c;
    compact_later(c, 0, compact_step);
}

/* Something in it is dead, the table still has this object, and it has not been found to be worth
 * nothing before. */
static struct pack *compact_candidate(const struct compact *c) {
    const struct pack_line *line = &c->map.packs[c->at];
    uint32_t live = c->map.live[c->at];
    if (live == 0 || live >= line->slots) return NULL;
    struct pack *k = packs_find(&c->t->packs, line->number);
    if (k == NULL || k->judged == live || strcmp(k->line.name, line->name) != 0) return NULL;
    return k;
}

static void compact_step(void *cookie) {
    struct compact *c = cookie;
    tier *t = c->t;
    c->next = NULL;
    if (tier_gone(t)) return;
    if (t->state != TIER_SERVING || t->config->gc_compact_percent == 0 ||
        c->bytes >= COMPACT_RUN_BYTES) {
        compact_end(c);
        return;
    }
    for (unsigned n = 0; n < COMPACT_LOOKS; n++, c->at++) {
        if (c->at == c->map.count) {
            compact_end(c);
            return;
        }
        struct pack *k = compact_candidate(c);
        if (k == NULL) continue;
        c->old = k->line;
        buf_append_slice(&c->footer, slice_of(&k->footer));
        compact_look(c);
        return;
    }
    compact_later(c, 0, compact_step);
}

static void compact_look(struct compact *c) {
    if (c->footer.n > 0) {
        compact_judge(c);
        return;
    }
    io *o = io_create(c->t, OBJ_GET, c->old.name, compact_got_footer, c);
    o->req.offset = c->old.footer_offset;
    o->req.length = c->old.bytes - c->old.footer_offset;
    c->attempts++;
    io_send(o, IO_TRIES);
}

static void compact_got_footer(io *o) {
    struct compact *c = o->cookie;
    int rc = o->req.rc;
    if (rc == OK) rc = pack_footer_check(&c->old, slice_of(&o->req.out));
    if (rc == ERR_CORRUPT && c->attempts < COMPACT_ATTEMPTS) {
        compact_look(c);
        return;
    }
    if (rc != OK) {
        compact_failed(c, err_text(rc));
        return;
    }
    c->attempts = 0;
    c->footer = o->req.out;
    o->req.out = BUF_INIT;
    compact_judge(c);
}

static void compact_judge(struct compact *c) {
    tier *t = c->t;
    uint64_t percent = (uint64_t)t->config->gc_compact_percent;
    c->use = pack_measure(&c->old, slice_of(&c->footer), c->map.bits + c->map.bits_at[c->at]);
    uint64_t saves = c->use.all_bytes - c->use.live_bytes;
    bool worth = percent == 100 ? saves > 0
                                : saves >= COMPACT_SAVES_MIN &&
                                      c->use.live_bytes * 100 < c->use.all_bytes * percent;
    if (worth && c->use.live_slots > 0) {
        compact_read(c);
        return;
    }
    struct pack *k = packs_find(&t->packs, c->old.number);
    if (k != NULL) k->judged = c->map.live[c->at];
    compact_next(c);
}

static void compact_read(struct compact *c) {
    io *o = io_create(c->t, OBJ_GET, c->old.name, compact_got_slots, c);
    o->req.offset = c->use.first;
    o->req.length = c->use.end - c->use.first;
    c->bytes += o->req.length;
    c->attempts++;
    io_send(o, IO_TRIES);
}

static void compact_got_slots(io *o) {
    struct compact *c = o->cookie;
    if (o->req.rc != OK) {
        compact_failed(c, err_text(o->req.rc));
        return;
    }
    c->stored = o->req.out;
    o->req.out = BUF_INIT;
    c->line = (struct pack_line){.number = c->old.number};
    c->t->data_held = c->t->data_counter; /* L9: not garbage, though no roots name it yet */
    tier_data_name(c->t, c->line.name);   /* L8 */
    c->work.work = compact_work;
    c->work.done = compact_worked;
    tier_job(c->t, &c->work);
}

static void compact_work(job *j) {
    struct compact *c = LIST_ENTRY(j, struct compact, work);
    c->rc = pack_compact(&c->old, slice_of(&c->footer), c->map.bits + c->map.bits_at[c->at],
                         &c->use, slice_of(&c->stored), &c->object, &c->line);
}

static void compact_worked(job *j) {
    struct compact *c = LIST_ENTRY(j, struct compact, work);
    tier *t = c->t;
    if (!tier_job_done(t)) return;
    if (c->rc != OK) {
        buf_free(&c->stored);
        buf_free(&c->object);
        if (c->rc == ERR_CORRUPT && c->attempts < COMPACT_ATTEMPTS) compact_read(c);
        else compact_failed(c, err_text(c->rc));
        return;
    }
    io *o = io_create(t, OBJ_PUT_ABSENT, c->line.name, compact_put, c);
    o->req.body = slice_of(&c->object);
    io_send(o, IO_TRIES);
}

static void compact_put(io *o) {
    struct compact *c = o->cookie;
    /* The name was drawn at random for these bytes alone: that it exists means it is ours. */
    int rc = o->req.rc == ERR_PRECOND ? OK : o->req.rc;
    if (rc != OK) compact_failed(c, err_text(rc));
    else compact_swap(c);
}

static void compact_swap(void *cookie) {
    struct compact *c = cookie;
    tier *t = c->t;
    c->next = NULL;
    if (tier_gone(t)) return;
    struct pack *k = packs_find(&t->packs, c->old.number);
    assert(k != NULL && strcmp(k->line.name, c->old.name) == 0); /* who else would change it */
    if (k->fetching || !list_empty(&k->waiting)) { /* for the footer of the old object */
        compact_later(c, COMPACT_WAIT_US, compact_swap);
        return;
    }
    buf footer = BUF_INIT;
    buf_append(&footer, c->object.p + c->line.footer_offset,
               (size_t)(c->line.bytes - c->line.footer_offset));
    packs_swap(&t->packs, k, &c->line, &footer);
    k->judged = c->map.live[c->at];
    c->changed = true;
    t->stats.compact_packs++;
    t->stats.compact_bytes_saved += c->old.bytes - c->line.bytes;
    log_line(t->logger, LOG_VERBOSE, "pack %u: %s (%llu bytes) is now %s (%llu bytes)",
             c->line.number, c->old.name, (unsigned long long)c->old.bytes, c->line.name,
             (unsigned long long)c->line.bytes);
    compact_next(c);
}
