/* log.c -- group commit: many transactions, one PUT.
 *
 *   records -> filling -> (queue) -> packing -> packed -> sent -> confirmed -> durable LSN
 *
 * Kept here
 *  L1  a segment's name is its number, and it is created with put-if-absent only.
 *  L2  a segment's bytes never change once its header is made; sending again sends the same.
 *  L3  the durable LSN is the end of the contiguous run of confirmed segments.
 *  At most `window` numbers, counted from the lowest unconfirmed one, are under way (L4d).
 *
 * A segment is sealed at once when nothing is in flight: the first write after idle goes out
 * immediately, and under load the batch grows by itself to what one round trip gathers. */
#include "tier/tier_internal.h"

#define LOG_FULL_BYTES (8u << 20)  /* A segment is closed here: half of SEGMENT_BYTES_MAX. */
#define LOG_SMALL_BYTES (256u << 10)
#define LOG_SPARE_BYTES (32u << 10) /* From here on a spare buffer is taken, when there is one. */
#define LOG_SOON_BYTES (1u << 20)  /* This much does not wait for the spacing. */
#define LOG_LAZY_US 100000         /* What nobody waits for may gather this long (ack memory). */
#define LOG_INLINE_BYTES 4096      /* Small payloads are packed on the loop: a hand-off costs more. */
#define LOG_CHECK_EVERY 1000       /* Records between two rolling hashes in the log. */
#define LOG_READ_BACK_MAX 8        /* Damaged answers before giving up. */
#define LOG_HEDGE_MS 300
#define LOG_SPARE_US 1000000 /* A large buffer is kept so long after the last segment. */

static void log_send_ready(tier *t);
static void log_put(struct out_segment *s);
static void log_put_done(io *o);
static void log_read_back(struct out_segment *s);
static void log_read_back_done(io *o);
static void log_confirm(struct out_segment *s);

static struct out_segment *out_create(tier *t) {
    struct out_segment *s = mem_calloc(1, sizeof(*s));
    s->t = t;
    s->state = OUT_FILLING;
    list_init(&s->node);
    return s;
}

static void out_free(struct out_segment *s) {
    if (s == NULL) return;
    list_remove(&s->node);
    buf_free(&s->raw);
    buf_free(&s->object);
    mem_free(s);
}

void log_init(tier *t) {
    struct tier_log *g = &t->log;
    list_init(&g->queue);
    list_init(&g->flight);
    g->filling = out_create(t);
    g->window = t->s3 || strncmp(t->config->store, "mem:", 4) == 0 ? 4 : 2;
    int64_t ms = t->config->commit_spacing_ms;
    if (ms < 0) ms = t->s3 ? 50 : 0;
    g->spacing_us = (uint64_t)ms * 1000;
    assert(g->window <= LOG_WINDOW_MAX);
}

void log_deinit(tier *t) {
    struct tier_log *g = &t->log;
    if (g->due != NULL) loop_timer_cancel(t->loop, g->due);
    g->due = NULL;
    list *n;
    while ((n = list_first(&g->queue)) != NULL) out_free(LIST_ENTRY(n, struct out_segment, node));
    while ((n = list_first(&g->flight)) != NULL) out_free(LIST_ENTRY(n, struct out_segment, node));
    out_free(g->filling);
    g->filling = NULL;
    for (int i = 0; i < LOG_SPARES; i++) buf_free(&g->spare[i]);
    mem_free(g->marks);
    g->marks = NULL;
}

void log_start(tier *t, uint64_t next_seq) {
    struct tier_log *g = &t->log;
    assert(!g->started && list_empty(&g->flight));
    g->next_seq = g->confirm_seq = g->first_seq = next_seq;
    g->started = true;
}

/* Under load large buffers are used again and again: a new one is a page fault for each 4 KiB. */
static void log_spare(tier *t, struct out_segment *s) {
    struct tier_log *g = &t->log;
    int i = 0;
    while (i < LOG_SPARES && g->spare[i].cap > 0) i++;
    if (i < LOG_SPARES && s->raw.cap >= LOG_FULL_BYTES && s->raw.cap <= 2 * LOG_FULL_BYTES) {
        g->spare[i] = s->raw;
        g->spare[i].n = 0;
        s->raw = BUF_INIT;
    }
    buf_free(&s->raw);
}

void log_tick(tier *t) {
    if (tier_mono_us(t) - t->log.last_seal_us <= LOG_SPARE_US) return;
    for (int i = 0; i < LOG_SPARES; i++) buf_free(&t->log.spare[i]);
}

/* Not by doubling: that copies megabytes. */
static void log_grow(tier *t, struct out_segment *s) {
    struct tier_log *g = &t->log;
    if (g->spare[0].cap == 0) {
        buf_reserve(&s->raw, LOG_FULL_BYTES - s->raw.n);
        return;
    }
    buf_append_slice(&g->spare[0], slice_of(&s->raw));
    buf_free(&s->raw);
    s->raw = g->spare[0];
    for (int i = 1; i < LOG_SPARES; i++) g->spare[i - 1] = g->spare[i];
    g->spare[LOG_SPARES - 1] = BUF_INIT;
}

/* ---- framing ------------------------------------------------------------------------------ */

static void log_frame(tier *t, enum record_kind kind, uint64_t lsn, uint64_t wall_ms, slice body) {
    struct tier_log *g = &t->log;
    struct out_segment *s = g->filling;
    if (s->raw.n > 0 && s->raw.n + RECORD_HEADER_BYTES + body.n > LOG_FULL_BYTES) {
        s->state = OUT_QUEUED;
        list_push_back(&g->queue, &s->node);
        s = g->filling = out_create(t);
    }
    size_t start = s->raw.n;
    size_t small = g->spare[0].cap > 0 ? LOG_SPARE_BYTES : LOG_SMALL_BYTES;
    if (start > small && s->raw.cap < LOG_FULL_BYTES) log_grow(t, s);
    record_append(&s->raw, kind, lsn, wall_ms, body);
    size_t n = s->raw.n - start;
    if (s->h.records++ == 0) {
        s->h.first_lsn = lsn;
        s->born_us = loop_now_us(t->loop);
    }
    s->h.last_lsn = lsn;
    s->h.wall_ms = wall_ms;
    if (kind == RECORD_TXN) s->done_lsn = lsn;
    if (kind != RECORD_CHECK) {
        g->hash = record_hash(g->hash, slice_make(s->raw.p + start, n));
        g->records++;
    }
    s->hash = g->hash;
    s->records = g->records;
    g->backlog += n;
    g->since_checkpoint += n;
    if (kind != RECORD_CHECK && local_on(t))
        local_append(t, slice_make(s->raw.p + start, n), kind == RECORD_TXN ? lsn : 0);
}

void log_record(tier *t, enum record_kind kind, uint64_t lsn, uint64_t wall_ms, slice body) {
    struct tier_log *g = &t->log;
    log_frame(t, kind, lsn, wall_ms, body);
    if (g->records % LOG_CHECK_EVERY == 0) {
        uint8_t check[16];
        put_u64(check, g->records);
        put_u64(check + 8, g->hash);
        log_frame(t, RECORD_CHECK, lsn, wall_ms, slice_make(check, sizeof(check)));
    }
}

/* ---- sealing ------------------------------------------------------------------------------ */

static void log_pack_work(job *j) {
    struct out_segment *s = LIST_ENTRY(j, struct out_segment, pack);
    s->object.n = SEGMENT_HEADER_BYTES;
    segment_pack(&s->h, slice_of(&s->raw), &s->object);
}

static void log_pack_done(job *j) {
    struct out_segment *s = LIST_ENTRY(j, struct out_segment, pack);
    tier *t = s->t;
    if (!tier_job_done(t)) return;
    s->state = OUT_PACKED;
    log_send_ready(t);
}

static void log_seal(tier *t, struct out_segment *s) {
    struct tier_log *g = &t->log;
    assert(s->raw.n > 0);
    assert(g->next_seq < g->confirm_seq + g->window);
    list_remove(&s->node);
    list_push_back(&g->flight, &s->node);
    g->in_flight++;
    s->h.kind = SEGMENT_DATA;
    s->h.epoch = t->m.epoch;
    s->h.seq = g->next_seq++;
    s->h.nonce = rnd_u64(t->rnd);
    s->bytes = s->raw.n;
    s->sealed_us = g->last_seal_us = tier_mono_us(t);
    buf_reserve(&s->object, SEGMENT_HEADER_BYTES + s->raw.n);
    s->state = OUT_PACKING;
    if (s->raw.n <= LOG_INLINE_BYTES) {
        log_pack_work(&s->pack);
        s->state = OUT_PACKED;
        log_send_ready(t);
    } else {
        s->pack.work = log_pack_work;
        s->pack.done = log_pack_done;
        tier_job(t, &s->pack);
    }
}

static void log_due_fire(void *cookie) {
    tier *t = cookie;
    t->log.due = NULL;
    log_pump(t);
}

static bool log_due(tier *t) {
    struct tier_log *g = &t->log;
    const struct out_segment *s = g->filling;
    if (t->state == TIER_CLOSING || s->raw.n >= LOG_SOON_BYTES) return true;
    bool wanted = g->wanted_lsn >= s->h.first_lsn;
    if (g->in_flight == 0 && wanted) return true;
    uint64_t now = tier_mono_us(t);
    uint64_t at = wanted ? g->last_seal_us + g->spacing_us : s->born_us + LOG_LAZY_US;
    if (now >= at) return true;
    if (g->due != NULL && wanted && g->due_at > at) {
        loop_timer_cancel(t->loop, g->due);
        g->due = NULL;
    }
    if (g->due == NULL) {
        g->due = loop_timer(t->loop, at - now, log_due_fire, t);
        g->due_at = at;
    }
    return false;
}

void log_pump(tier *t) {
    struct tier_log *g = &t->log;
    if (tier_gone(t) || !g->started) return;
    while (g->next_seq < g->confirm_seq + g->window) {
        list *n = list_first(&g->queue);
        if (n != NULL) {
            log_seal(t, LIST_ENTRY(n, struct out_segment, node));
            continue;
        }
        if (g->filling->raw.n == 0 || !log_due(t)) break;
        struct out_segment *s = g->filling;
        g->filling = out_create(t);
        log_seal(t, s);
    }
}

/* Headers are made in order of numbers: each holds the digest of the one before. */
static void log_send_ready(tier *t) {
    struct tier_log *g = &t->log;
    LIST_FOR(n, &g->flight) {
        struct out_segment *s = LIST_ENTRY(n, struct out_segment, node);
        if (s->state == OUT_PACKING) break;
        if (s->state != OUT_PACKED) continue;
        assert(s->object.n == SEGMENT_HEADER_BYTES + s->h.stored_bytes);
        memcpy(s->h.chain, g->chain, DIGEST_BYTES);
        segment_encode_header(&s->h, s->object.p);
        segment_digest(s->object.p, g->chain);
        log_spare(t, s);
        s->state = OUT_SENT;
        log_put(s);
    }
}

/* ---- PUT, and what its answer means --------------------------------------------------------- */

static void log_put(struct out_segment *s) {
    tier *t = s->t;
    char name[SEGMENT_NAME_BYTES];
    segment_name(s->h.seq, name); /* L1 */
    io *o = io_create(t, OBJ_PUT_ABSENT, name, log_put_done, s);
    o->req.body = slice_of(&s->object); /* L2 */
    if (t->s3) o->req.hedge_ms = LOG_HEDGE_MS;
    io_send(o, IO_FOR_EVER);
}

static void log_put_done(io *o) {
    struct out_segment *s = o->cookie;
    tier *t = s->t;
    if (o->req.rc == OK) {
        log_confirm(s);
    } else if (o->req.rc == ERR_PRECOND) {
        log_read_back(s);
    } else {
        tier_fatal(t, 1, "the log cannot be written: %s: %s (%s)", o->name, err_text(o->req.rc),
                   objstore_why(t->store));
    }
}

/* The name exists. Whose it is stands in the header. */
static void log_read_back(struct out_segment *s) {
    char name[SEGMENT_NAME_BYTES];
    segment_name(s->h.seq, name);
    io *o = io_create(s->t, OBJ_GET, name, log_read_back_done, s);
    o->req.length = SEGMENT_HEADER_BYTES;
    s->reads++;
    io_send(o, IO_FOR_EVER);
}

static void log_read_back_done(io *o) {
    struct out_segment *s = o->cookie;
    tier *t = s->t;
    if (o->req.rc == ERR_NOTFOUND) {
        /* Trimmed meanwhile by a successor: so the lowest of ours will meet a fence, which is
         * never deleted (L6); sending again settles it. */
        log_put(s);
        return;
    }
    if (o->req.rc != OK) {
        tier_fatal(t, 1, "the log cannot be read back: %s: %s (%s)", o->name,
                   err_text(o->req.rc), objstore_why(t->store));
        return;
    }
    slice got = slice_of(&o->req.out);
    if (got.n >= SEGMENT_HEADER_BYTES &&
        memcmp(got.p, s->object.p, SEGMENT_HEADER_BYTES) == 0) {
        log_confirm(s);
        return;
    }
    struct segment_header h;
    int rc = segment_decode_header(got, &h);
    if (rc == ERR_CORRUPT) { /* On the way, or in the store: the next answer tells. */
        if (s->reads < LOG_READ_BACK_MAX) log_read_back(s);
        else tier_fatal(t, 1, "%s is not ours and is damaged", o->name);
        return;
    }
    if (rc == OK && h.epoch < t->m.epoch) {
        /* L4 fills every name that a former owner could still create. */
        tier_fatal(t, 1, "%s belongs to the former epoch %llu: the log is damaged", o->name,
                   (unsigned long long)h.epoch);
        return;
    }
    tier_fatal(t, 3, "another owner (epoch %llu, ours is %llu) has written %s",
               (unsigned long long)(rc == OK ? h.epoch : 0), (unsigned long long)t->m.epoch, o->name);
}

static void log_confirm(struct out_segment *s) {
    tier *t = s->t;
    struct tier_log *g = &t->log;
    assert(s->state == OUT_SENT && g->in_flight > 0);
    s->state = OUT_CONFIRMED;
    g->in_flight--;
    bool moved = false;
    list *n;
    while ((n = list_first(&g->flight)) != NULL) {
        s = LIST_ENTRY(n, struct out_segment, node);
        if (s->state != OUT_CONFIRMED) break;
        assert(s->h.seq == g->confirm_seq); /* L3 */
        assert(s->done_lsn == 0 || s->done_lsn > t->durable);
        g->confirm_seq++;
        if (s->done_lsn != 0) {
            t->durable = s->done_lsn;
            moved = true;
        }
        assert(g->backlog >= s->bytes);
        g->backlog -= s->bytes;
        struct log_mark m = {.seq = s->h.seq, .epoch = s->h.epoch, .last_lsn = s->h.last_lsn,
                             .bytes = s->bytes, .hash = s->hash, .records = s->records};
        segment_digest(s->object.p, m.chain);
        log_mark_add(t, &m);
        t->stats.segments++;
        t->stats.log_bytes += s->object.n;
        out_free(s);
    }
    if (moved && t->hooks.durable != NULL) t->hooks.durable(t->cookie);
    if (tier_gone(t)) return;
    log_pump(t);
    checkpoint_consider(t);
}

/* ---- positions ----------------------------------------------------------------------------- */

bool log_idle(const tier *t) {
    const struct tier_log *g = &t->log;
    return g->in_flight == 0 && g->filling->raw.n == 0 && list_empty(&g->queue);
}

uint64_t log_oldest_us(const tier *t) {
    const struct tier_log *g = &t->log;
    if (list_empty(&g->flight)) return 0;
    return LIST_ENTRY(g->flight.next, struct out_segment, node)->sealed_us;
}

void log_mark_add(tier *t, const struct log_mark *m) {
    struct tier_log *g = &t->log;
    assert(g->marks_count == 0 || g->marks[g->marks_count - 1].seq < m->seq);
    if (g->marks_count == g->marks_cap) {
        g->marks_cap = g->marks_cap == 0 ? 64 : g->marks_cap * 2;
        g->marks = mem_realloc(g->marks, g->marks_cap * sizeof(*g->marks));
    }
    g->marks[g->marks_count++] = *m;
}

/* What this owner wrote and the roots hold needs no mark: it is data, all of it. */
void log_marks_prune(tier *t) {
    struct tier_log *g = &t->log;
    size_t kept = 0;
    for (size_t i = 0; i < g->marks_count; i++) {
        const struct log_mark *m = &g->marks[i];
        if (m->seq >= g->first_seq && m->seq < t->m.log_start && !m->immortal) continue;
        g->marks[kept++] = *m;
    }
    g->marks_count = kept;
}

void log_check(const tier *t) {
    const struct tier_log *g = &t->log;
    uint64_t seq = g->confirm_seq;
    unsigned in_flight = 0;
    size_t bytes = g->filling->raw.n;
    LIST_FOR(n, &g->flight) {
        const struct out_segment *s = LIST_ENTRY(n, struct out_segment, node);
        assert(s->h.seq == seq);
        seq++;
        bytes += s->bytes;
        in_flight += s->state != OUT_CONFIRMED;
    }
    assert(seq == g->next_seq);
    assert(seq <= g->confirm_seq + g->window);
    assert(in_flight == g->in_flight);
    LIST_FOR(n, &g->queue) bytes += LIST_ENTRY(n, struct out_segment, node)->raw.n;
    assert(bytes == g->backlog);
    assert(t->durable <= t->lsn);
}
