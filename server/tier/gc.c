/* gc.c -- what nothing reaches is deleted, later.
 *
 * Data objects: mark and sweep. Marked is what the roots of the published manifest reach, their
 * databases and their snapshots: the memory of this owner and the log after these roots refer to
 * nothing else but to names with a counter from `data_pending` on. Everything else under data/ gets
 * a delete intent, which the next roots carry; a later run deletes it when the intent, as published, is
 * older than the grace period.
 *
 * Kept here, L9: unreachable; below the lowest pending counter; intent older than the grace period;
 * ownership validated after the intent was durable; replay complete (the state is SERVING).
 *
 * Then packs that are mostly dead are rewritten: compact.c.
 *
 * The log goes by trim.c. */
#include <stdlib.h>

#include "tier/tier_internal.h"

#define GC_INTERVAL_US 600000000
#define GC_PAUSE_US 10000000   /* at least, between two runs */
#define GC_WRITTEN_MIN (256u << 20) /* this much written, and as much as is stored: a run */
#define GC_DELETES_MAX 8       /* in flight */
#define GC_REACH_SLICE 2048    /* locations a step */
#define GC_QUEUE_MAX 64        /* clients that ask meanwhile; each waits for a run of its own */

struct gc {
    tier *t;
    bool dry, marking;         /* marking: the tree is not through */
    void (*done)(void *cookie, int rc, const struct gc_result *r);
    void *cookie;
    struct manifest m;         /* as published when the run began */
    struct roots roots;
    uint32_t *live;            /* live slots, by line of roots.packs */
    uint8_t *bits;             /* the same slots, a bit each */
    size_t *bits_at;           /* where those of a line begin */
    const struct pack_line **by_name; /* those lines, sorted by name */
    size_t tree;               /* 0: the present; i: snapshot i - 1 */
    reach *reach;
    timer *next;
    struct gc *behind;         /* the one to run after this */
    char after[OBJ_NAME_MAX + 1];
    struct intent_line *found; /* dead objects seen by the listing */
    size_t found_count, found_cap;
    char (*doomed)[DATA_NAME_MAX + 1];
    size_t doomed_count, doomed_at;
    unsigned in_flight;
    struct gc_result result;
};

static void gc_run(void *cookie);
static void gc_got_roots(io *o);
static void gc_mark(void *cookie);
static void gc_got_node(void *cookie, int rc, slice base, slice delta);
static void gc_list(struct gc *g);
static void gc_listed(io *o);
static void gc_sweep(struct gc *g);
static void gc_validated(tier *t, int rc);
static void gc_delete(struct gc *g);
static void gc_deleted(io *o);
static void gc_compact(struct gc *g);
static void gc_compacted(tier *t);
static void gc_swept(tier *t);

static void gc_drop(struct gc *g) {
    if (g->next != NULL) loop_timer_cancel(g->t->loop, g->next);
    reach_free(g->reach);
    roots_deinit(&g->roots);
    mem_free(g->live);
    mem_free(g->bits);
    mem_free(g->bits_at);
    mem_free(g->by_name);
    mem_free(g->found);
    mem_free(g->doomed);
    mem_free(g);
}

void gc_free(tier *t) {
    for (struct gc *g = t->gc, *behind; g != NULL; g = behind) {
        behind = g->behind;
        gc_drop(g);
    }
    t->gc = NULL;
}

static void gc_end(struct gc *g, int rc) {
    tier *t = g->t;
    t->gc = g->behind;
    t->gc_us = loop_now_us(t->loop); /* as gc_consider() will see it in this turn */
    t->gc_stored = 0;
    for (size_t i = 0; i < t->packs.count; i++) t->gc_stored += t->packs.at[i]->line.bytes;
    t->stats.gc_runs++;
    t->stats.gc_live = g->result.objects_live;
    t->stats.gc_dead = g->result.objects_dead;
    t->stats.gc_dead_bytes = g->result.bytes_dead;
    t->stats.gc_deleted += g->result.objects_deleted;
    if (t->gc != NULL) t->gc->next = loop_timer(t->loop, 0, gc_run, t->gc);
    if (g->done != NULL) g->done(g->cookie, rc, &g->result);
    gc_drop(g);
}

static void gc_refused(void *cookie) {
    struct gc *g = cookie;
    g->next = NULL;
    struct gc_result none = {0};
    if (!tier_gone(g->t) && g->done != NULL) g->done(g->cookie, ERR_AGAIN, &none);
    gc_drop(g);
}

static void gc_run(void *cookie) {
    struct gc *g = cookie;
    tier *t = g->t;
    g->next = NULL;
    if (tier_gone(t)) return;
    if (t->state != TIER_SERVING) {
        gc_end(g, ERR_CANCELED);
        return;
    }
    t->gc_checkpoints = t->stats.checkpoints;
    t->gc_written = t->stats.pack_bytes_written;
    t->gc_due_ms = UINT64_MAX;
    g->m = t->m;
    if (g->m.roots[0] == '\0') {
        gc_list(g);
        return;
    }
    io_send(io_create(t, OBJ_GET, g->m.roots, gc_got_roots, g), IO_TRIES);
}

void tier_gc(tier *t, bool dry_run, void (*done)(void *cookie, int rc, const struct gc_result *r),
             void *cookie) {
    struct gc *g = mem_calloc(1, sizeof(*g)), **last = &t->gc;
    g->t = t;
    g->dry = dry_run;
    g->done = done;
    g->cookie = cookie;
    size_t queued = 0;
    for (; *last != NULL; last = &(*last)->behind) queued++;
    if (queued > GC_QUEUE_MAX || t->state != TIER_SERVING) {
        g->next = loop_timer(t->loop, 0, gc_refused, g);
        return;
    }
    *last = g;
    if (queued == 0) g->next = loop_timer(t->loop, 0, gc_run, g);
}

void gc_consider(tier *t) {
    if (t->state != TIER_SERVING || t->gc != NULL) return;
    /* Idle costs nothing: without a checkpoint there is nothing new to collect. */
    uint64_t since = loop_now_us(t->loop) - t->gc_us;
    if (since < GC_PAUSE_US) return;
    bool due = tier_wall_ms(t) >= t->gc_due_ms;
    if (t->stats.checkpoints != t->gc_checkpoints) {
        uint64_t written = t->stats.pack_bytes_written - t->gc_written;
        due = due || since >= GC_INTERVAL_US || since >= (uint64_t)t->config->gc_grace_s * 1000000 ||
              (written >= GC_WRITTEN_MIN && written >= t->gc_stored);
    }
    if (due) tier_gc(t, false, NULL, NULL);
}

void gc_expect(tier *t, const struct intent_line *intents, size_t count) {
    t->gc_due_ms = UINT64_MAX;
    uint64_t grace = (uint64_t)t->config->gc_grace_s * 1000;
    for (size_t i = 0; i < count; i++) {
        if (t->gc_due_ms > intents[i].time_ms + grace)
            t->gc_due_ms = intents[i].time_ms + grace;
    }
}

/* ---- mark ------------------------------------------------------------------------------------ */

static int line_order(const void *a, const void *b) {
    const struct pack_line *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void gc_got_roots(io *o) {
    struct gc *g = o->cookie;
    int rc = o->req.rc == OK ? roots_decode(slice_of(&o->req.out), &g->roots) : o->req.rc;
    if (rc != OK) {
        gc_end(g, rc);
        return;
    }
    g->live = mem_calloc(g->roots.packs_count + 1, sizeof(*g->live));
    g->by_name = mem_calloc(g->roots.packs_count + 1, sizeof(*g->by_name));
    g->bits_at = mem_calloc(g->roots.packs_count + 1, sizeof(*g->bits_at));
    size_t bytes = 0;
    for (size_t i = 0; i < g->roots.packs_count; i++) {
        g->by_name[i] = &g->roots.packs[i];
        g->bits_at[i] = bytes;
        bytes += (g->roots.packs[i].slots + 7) / 8;
    }
    g->bits = mem_calloc(bytes + 1, 1);
    qsort(g->by_name, g->roots.packs_count, sizeof(*g->by_name), line_order);
    g->next = loop_timer(g->t->loop, 0, gc_mark, g);
}

static void gc_reached(void *cookie, location l) {
    struct gc *g = cookie;
    size_t low = 0, high = g->roots.packs_count;
    uint32_t number = location_pack(l);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (g->roots.packs[mid].number < number) low = mid + 1;
        else high = mid;
    }
    if (low == g->roots.packs_count || g->roots.packs[low].number != number) return;
    uint32_t slot = location_slot(l);
    if (slot >= g->roots.packs[low].slots) return;
    uint8_t *byte = &g->bits[g->bits_at[low] + slot / 8], bit = (uint8_t)(1u << slot % 8);
    if ((*byte & bit) == 0) g->live[low]++;
    *byte |= bit;
}

static void gc_mark(void *cookie) {
    struct gc *g = cookie;
    tier *t = g->t;
    g->next = NULL;
    if (tier_gone(t)) return;
    if (t->state != TIER_SERVING) {
        gc_end(g, ERR_CANCELED);
        return;
    }
    if (!g->marking) {
        if (g->tree > g->roots.pins_count) {
            gc_list(g);
            return;
        }
        if (g->reach == NULL) g->reach = reach_create();
        if (reach_add(g->reach, g->tree == 0 ? g->roots.catalogue
                                             : g->roots.pins[g->tree - 1].catalogue) != OK) {
            gc_end(g, corrupt(t->logger, "catalogue", g->m.roots, g->tree));
            return;
        }
        g->marking = true;
    }
    location want = 0;
    int rc = reach_step(g->reach, GC_REACH_SLICE, gc_reached, g, &want);
    if (rc == ERR_COLD) {
        assert(want != 0);
        read_start(t, want, 0, gc_got_node, g);
        return;
    }
    if (rc == OK) {
        g->marking = false;
        g->tree++;
    } else if (rc != ERR_AGAIN) {
        gc_end(g, rc);
        return;
    }
    g->next = loop_timer(t->loop, 0, gc_mark, g);
}

static void gc_got_node(void *cookie, int rc, slice base, slice delta) {
    struct gc *g = cookie;
    (void)delta;
    if (rc == OK) rc = reach_feed(g->reach, base);
    if (rc != OK) {
        gc_end(g, rc);
        return;
    }
    g->next = loop_timer(g->t->loop, 0, gc_mark, g);
}

/* ---- sweep ----------------------------------------------------------------------------------- */

static void gc_list(struct gc *g) {
    io *o = io_create(g->t, OBJ_LIST, "data/", gc_listed, g);
    o->req.after = g->after;
    io_send(o, IO_TRIES);
}

/* The line of the pack table that names this object, or packs_count. */
static size_t gc_line(const struct gc *g, const char *name) {
    size_t low = 0, high = g->roots.packs_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(g->by_name[mid]->name, name) < 0) low = mid + 1;
        else high = mid;
    }
    if (low == g->roots.packs_count || strcmp(g->by_name[low]->name, name) != 0)
        return g->roots.packs_count;
    return (size_t)(g->by_name[low] - g->roots.packs);
}

static void gc_judge(struct gc *g, const char *name) {
    uint64_t epoch, counter;
    if (!data_parse_name(name, &epoch, &counter)) return; /* Not ours to judge. */
    if (epoch > g->m.epoch) return;
    if (epoch == g->m.epoch && counter >= g->m.data_pending) return; /* L9 */
    size_t line = gc_line(g, name);
    if (strcmp(name, g->m.roots) == 0 ||
        (line < g->roots.packs_count && g->live[line] > 0)) {
        g->result.objects_live++;
        return;
    }
    g->result.objects_dead++;
    if (line < g->roots.packs_count) g->result.bytes_dead += g->roots.packs[line].bytes;
    if (g->found_count == g->found_cap) {
        g->found_cap = g->found_cap == 0 ? 64 : g->found_cap * 2;
        g->found = mem_realloc(g->found, g->found_cap * sizeof(*g->found));
    }
    struct intent_line *d = &g->found[g->found_count++];
    *d = (struct intent_line){.time_ms = 0};
    memcpy(d->name, name, strlen(name));
}

static void gc_listed(io *o) {
    struct gc *g = o->cookie;
    if (o->req.rc != OK) { /* An incomplete listing proves nothing. */
        gc_end(g, o->req.rc);
        return;
    }
    slice out = slice_of(&o->req.out);
    const char *last = NULL;
    for (size_t at = 0; at < out.n;) {
        const char *name = (const char *)out.p + at;
        size_t n = strnlen(name, out.n - at);
        if (n == out.n - at || n > DATA_NAME_MAX) {
            gc_end(g, ERR_CORRUPT);
            return;
        }
        if (last != NULL && strcmp(last, name) >= 0) {
            gc_end(g, ERR_CORRUPT);
            return;
        }
        gc_judge(g, name);
        last = name;
        at += n + 1;
    }
    if (o->req.more && last != NULL) {
        memcpy(g->after, last, strlen(last) + 1);
        gc_list(g);
        return;
    }
    gc_sweep(g);
}

static const struct intent_line *intent_find(const struct intent_line *list_, size_t count,
                                             const char *name) {
    size_t low = 0, high = count; /* A listing is in name order, and so is what is made of it. */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(list_[mid].name, name) < 0) low = mid + 1;
        else high = mid;
    }
    return low < count && strcmp(list_[low].name, name) == 0 ? &list_[low] : NULL;
}

/* Lines of packs without a live slot leave the table, so that nothing can be placed there. */
static void gc_drop_lines(struct gc *g) {
    tier *t = g->t;
    for (size_t i = 0; i < g->roots.packs_count; i++) {
        if (g->live[i] > 0) continue;
        struct pack *k = packs_find(&t->packs, g->roots.packs[i].number);
        if (k != NULL && !k->fetching && list_empty(&k->waiting))
            packs_remove(&t->packs, k->line.number);
    }
}

static void gc_sweep(struct gc *g) {
    tier *t = g->t;
    if (g->dry || t->state != TIER_SERVING) {
        gc_end(g, g->dry ? OK : ERR_CANCELED);
        return;
    }
    gc_drop_lines(g);
    uint64_t now = tier_wall_ms(t), grace = (uint64_t)t->config->gc_grace_s * 1000;
    struct intent_line *intents = mem_calloc(g->found_count + 1, sizeof(*intents));
    size_t count = 0;
    size_t fresh = 0;
    struct intent_line *young = mem_calloc(g->found_count + 1, sizeof(*young));
    size_t young_count = 0;
    g->doomed = mem_calloc(g->found_count + 1, sizeof(*g->doomed));
    for (size_t i = 0; i < g->found_count; i++) {
        const char *name = g->found[i].name;
        /* Only an intent that the published roots carry counts for deleting. */
        const struct intent_line *stored =
            intent_find(g->roots.intents, g->roots.intents_count, name);
        const struct intent_line *known = intent_find(t->intents, t->intents_count, name);
        if (stored != NULL && now >= stored->time_ms + grace) {
            memcpy(g->doomed[g->doomed_count++], name, sizeof(g->doomed[0]));
        } else if (stored != NULL) {
            young[young_count++] = *stored;
        }
        intents[count] = g->found[i];
        intents[count].time_ms = stored != NULL ? stored->time_ms
                                 : known != NULL ? known->time_ms : now;
        fresh += stored == NULL && known == NULL;
        count++;
    }
    gc_expect(t, young, young_count);
    mem_free(young);
    mem_free(t->intents);
    t->intents = intents;
    t->intents_count = count;
    /* Publishes them. Each checkpoint leaves the roots before it: that alone is no reason for another,
     * or an idle owner would never come to rest. */
    if (fresh > 1) t->checkpoint_wanted = true;
    if (g->doomed_count == 0) gc_compact(g);
    else own_validate(t, gc_validated);
}

static void gc_validated(tier *t, int rc) {
    struct gc *g = t->gc;
    if (rc != OK) gc_end(g, rc);
    else gc_delete(g);
}

static void gc_delete(struct gc *g) {
    tier *t = g->t;
    /* What commands have kept may need what has been unreachable for as long as the grace period. */
    if (g->doomed_at == 0 && g->doomed_count > 0) keyspace_keep_anew(t->ks);
    while (g->in_flight < GC_DELETES_MAX && g->doomed_at < g->doomed_count &&
           t->state == TIER_SERVING) {
        const char *name = g->doomed[g->doomed_at++];
        assert(strcmp(name, t->m.roots) != 0); /* L9 */
        g->in_flight++;
        io_send(io_create(t, OBJ_DELETE, name, gc_deleted, g), IO_TRIES);
    }
    if (g->in_flight == 0) gc_compact(g);
}

static void gc_compact(struct gc *g) {
    struct live_map map = {.packs = g->roots.packs, .count = g->roots.packs_count,
                           .live = g->live, .bits = g->bits, .bits_at = g->bits_at};
    compact_start(g->t, &map, gc_compacted);
}

static void gc_compacted(tier *t) { sweep_start(t, gc_swept); }
static void gc_swept(tier *t) { gc_end(t->gc, OK); }

static void gc_deleted(io *o) {
    struct gc *g = o->cookie;
    g->in_flight--;
    if (o->req.rc == OK) g->result.objects_deleted++;
    gc_delete(g);
}
