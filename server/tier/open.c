/* open.c -- taking the store over (L4), in this order:
 *
 *   (a) win the manifest by If-Match with epoch + 1            claim
 *       read the roots it names
 *   (b) read the log from its start to the first absent number f  probe
 *   (c) create a FENCE at f                                    fence
 *   (d) create FILL at f + 1 .. f + window - 1                 fill
 *   (e) read the manifest again and still own it               validate
 *   (f) replay what is valid below f                           replay.c
 *
 * Nothing is served and nothing is written to the log before (f) has ended. The first data of this
 * owner goes to f + window: a writer of a former epoch can have had nothing under way there. */
#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "tier/tier_internal.h"

#define OPEN_CLAIMS_MAX 10   /* A living owner's checkpoints may win the race for M a few times. */
#define OPEN_READS_MAX 6     /* Damaged answers for one object before it counts as damaged. */
#define OPEN_PROBES 8        /* Segments read in parallel. */
#define OPEN_LSN_GAP ((uint64_t)1 << 32) /* L13 */

enum probe_state { PROBE_IDLE, PROBE_SENT, PROBE_THERE, PROBE_ABSENT };
struct probe {
    enum probe_state state;
    unsigned reads;
    buf object;
};

struct opening {
    void (*done)(void *cookie, int rc, const char *why);
    void *cookie;
    struct manifest old;     /* that was claimed over; epoch 0: there was none */
    unsigned claims, reads;
    uint64_t start_us, serve_us;
    /* (b) */
    struct probe probe[OPEN_PROBES];
    unsigned probes_sent;
    uint64_t next;           /* the number to be looked at next; in the end, f */
    bool found_end;
    struct tail *tails;
    size_t tails_count, tails_cap;
    uint64_t epoch, lsn_max; /* highest so far: L5, L13 */
    uint8_t chain[DIGEST_BYTES];
    /* (c), (d) */
    uint8_t fence[SEGMENT_HEADER_BYTES];
    uint8_t fills[LOG_WINDOW_MAX][SEGMENT_HEADER_BYTES];
    bool fill_late[LOG_WINDOW_MAX]; /* a late writer had the number first */
    unsigned fills_left;
    uint64_t first_lsn;
    replay *replay;
    timer *wait;
};

static void open_read_manifest(tier *t);
static void open_got_manifest(io *o);
static void open_claimed(tier *t, int rc);
static void open_read_roots(tier *t);
static void open_got_roots(io *o);
static void open_probe(tier *t);
static void open_got_probe(io *o);
static void open_fence(tier *t);
static void open_fenced(io *o);
static void open_fence_read(io *o);
static void open_fill(tier *t);
static void open_fills_done(tier *t);
static void open_filled(io *o);
static void open_fill_read(io *o);
static void open_validated(tier *t, int rc);
static void open_replayed(tier *t, int rc);
static void open_recovered(tier *t);
static void open_serve(void *cookie);

static void opening_free(tier *t) {
    struct opening *o = t->opening;
    if (o == NULL) return;
    t->opening = NULL;
    for (size_t i = 0; i < OPEN_PROBES; i++) buf_free(&o->probe[i].object);
    for (size_t i = 0; i < o->tails_count; i++) buf_free(&o->tails[i].object);
    mem_free(o->tails);
    replay_free(o->replay);
    if (o->wait != NULL) loop_timer_cancel(t->loop, o->wait);
    mem_free(o);
}

void open_free(tier *t) { opening_free(t); }

void open_finish(tier *t, int rc, const char *fmt, ...) {
    struct opening *o = t->opening;
    char why[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    size_t n = strlen(why); /* A store that has no more to say leaves its brackets empty. */
    if (n > 3 && strcmp(why + n - 3, " ()") == 0) why[n - 3] = '\0';
    void (*done)(void *cookie, int rc, const char *why) = o->done;
    void *cookie = o->cookie;
    if (rc == OK) {
        t->stats.open_us = tier_mono_us(t) - o->start_us;
        log_line(t->logger, LOG_NOTICE, "%s", why);
    }
    opening_free(t);
    if (rc != OK) t->state = TIER_DEAD;
    done(cookie, rc, why);
}

void tier_open(tier *t, void (*done)(void *cookie, int rc, const char *why), void *cookie) {
    assert(t->state == TIER_NEW);
    t->state = TIER_OPENING;
    struct opening *o = mem_calloc(1, sizeof(*o));
    o->done = done;
    o->cookie = cookie;
    o->start_us = tier_mono_us(t);
    t->opening = o;
    t->m.owner = rnd_u64(t->rnd);
    open_read_manifest(t);
}

/* ---- (a) claim ----------------------------------------------------------------------------- */

static void open_read_manifest(tier *t) {
    io_send(io_create(t, OBJ_GET, MANIFEST_NAME, open_got_manifest, NULL), IO_TRIES);
}

static void open_got_manifest(io *r) {
    tier *t = r->t;
    struct opening *o = t->opening;
    struct manifest m = {0};
    uint64_t owner = t->m.owner;
    if (r->req.rc == ERR_NOTFOUND) {
        o->old = (struct manifest){0};
        t->m = (struct manifest){.owner = owner};
        t->etag[0] = '\0';
        m.epoch = 1;
    } else {
        int rc = r->req.rc == OK ? manifest_decode(slice_of(&r->req.out), &m) : r->req.rc;
        if (rc == ERR_CORRUPT && ++o->reads < OPEN_READS_MAX) {
            open_read_manifest(t);
            return;
        }
        if (rc == ERR_CORRUPT) (void)corrupt(t->logger, "manifest", MANIFEST_NAME, 0);
        if (rc != OK) {
            open_finish(t, rc, "the manifest of %s cannot be read: %s (%s)",
                        tier_store_name(t), err_text(rc), objstore_why(t->store));
            return;
        }
        o->old = m;
        t->m = m;
        memcpy(t->etag, r->req.etag, sizeof(t->etag));
        m.epoch++;
    }
    m.owner = owner;
    m.state = MANIFEST_OWNED;
    if (m.window < t->log.window) m.window = t->log.window;
    m.lease_ms = t->config->read_lease_ms > 0 ? (uint64_t)t->config->read_lease_ms : 0;
    m.data_pending = 0; /* a new epoch counts its names from the start */
    own_write(t, &m, open_claimed);
}

static void open_claim_again(void *cookie) {
    tier *t = cookie;
    t->opening->wait = NULL;
    t->opening->reads = 0;
    open_read_manifest(t);
}

static void open_claimed(tier *t, int rc) {
    struct opening *o = t->opening;
    if (rc == ERR_PRECOND && ++o->claims < OPEN_CLAIMS_MAX) {
        uint64_t us = 20000 + rnd_below(t->rnd, 100000);
        t->m.owner = rnd_u64(t->rnd);
        o->wait = loop_timer(t->loop, us, open_claim_again, t);
        return;
    }
    if (rc != OK) {
        open_finish(t, rc, "the store %s cannot be claimed: %s (%s)", tier_store_name(t),
                    err_text(rc), objstore_why(t->store));
        return;
    }
    o->serve_us = tier_mono_us(t);
    if (o->old.epoch != 0 && o->old.state != MANIFEST_RELEASED)
        o->serve_us += o->old.lease_ms * 1010; /* its clock may be 1 % slow */
    o->next = t->m.log_start;
    o->epoch = t->m.log_epoch;
    o->lsn_max = t->m.lsn_max;
    memcpy(o->chain, t->m.chain, DIGEST_BYTES);
    o->reads = 0;
    open_read_roots(t);
}

static void open_read_roots(tier *t) {
    if (t->m.roots[0] == '\0') {
        open_probe(t);
        return;
    }
    io_send(io_create(t, OBJ_GET, t->m.roots, open_got_roots, NULL), IO_TRIES);
}

static int open_take_roots(tier *t, slice bytes) {
    struct roots r;
    int rc = roots_decode(bytes, &r);
    if (rc != OK) return rc;
    if (r.lsn != t->m.checkpoint_lsn) {
        roots_deinit(&r);
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < r.packs_count && rc == OK; i++) rc = packs_add(&t->packs, &r.packs[i]);
    t->packs.next = r.next_pack;
    for (size_t i = 0; i < r.pins_count; i++) {
        const struct pin_line *line = &r.pins[i];
        pin *p = pin_create(line->name, line->parent, line->lsn);
        p->time_ms = line->time_ms;
        p->keys = line->keys;
        p->databases = line->databases;
        p->listed = true;
        buf_append_slice(&p->catalogue, line->catalogue);
        pin_add(t, p);
    }
    if (r.parent.n > 0) memcpy(t->parent, r.parent.p, r.parent.n);
    t->parent[r.parent.n] = '\0';
    t->intents = r.intents;
    t->intents_count = r.intents_count;
    r.intents = NULL;
    r.intents_count = 0;
    t->checkpoint_ms = r.time_ms;
    if (rc == OK) rc = keyspace_load(t->ks, r.catalogue);
    roots_deinit(&r);
    return rc;
}

static void open_got_roots(io *r) {
    tier *t = r->t;
    struct opening *o = t->opening;
    int rc = r->req.rc;
    slice bytes = slice_of(&r->req.out);
    if (rc == OK && (bytes.n != t->m.roots_bytes ||
                     hash_xx(bytes.p, bytes.n, 0) != t->m.roots_hash))
        rc = ERR_CORRUPT;
    if (rc == ERR_CORRUPT && ++o->reads < OPEN_READS_MAX) {
        open_read_roots(t);
        return;
    }
    if (rc == OK) rc = open_take_roots(t, bytes);
    if (rc == ERR_CORRUPT) (void)corrupt(t->logger, "roots", t->m.roots, 0);
    if (rc != OK) {
        open_finish(t, rc, "the roots %s cannot be read: %s (%s)", t->m.roots, err_text(rc),
                    objstore_why(t->store));
        return;
    }
    open_probe(t);
}

/* ---- (b) the tail --------------------------------------------------------------------------- */

/* Keeps OPEN_PROBES reads under way until the first absent number is known. */
static void open_probe(tier *t) {
    struct opening *o = t->opening;
    for (uint64_t seq = o->next; seq < o->next + OPEN_PROBES && !o->found_end; seq++) {
        struct probe *p = &o->probe[seq % OPEN_PROBES];
        if (p->state != PROBE_IDLE) continue;
        char name[SEGMENT_NAME_BYTES];
        segment_name(seq, name);
        io *r = io_create(t, OBJ_GET, name, open_got_probe, p);
        r->req.durable = true; /* What is built upon must not be lost below the fence. */
        p->state = PROBE_SENT;
        o->probes_sent++;
        io_send(r, IO_TRIES);
    }
}

static void tail_add(struct opening *o, uint64_t seq, const struct segment_header *h, bool dead,
                     buf *bytes) {
    if (o->tails_count == o->tails_cap) {
        o->tails_cap = o->tails_cap == 0 ? 64 : o->tails_cap * 2;
        o->tails = mem_realloc(o->tails, o->tails_cap * sizeof(*o->tails));
    }
    o->tails[o->tails_count++] = (struct tail){.seq = seq, .h = *h, .dead = dead,
                                               .object = *bytes};
    *bytes = BUF_INIT;
}

/* L5: does the segment at `seq` count? OK when it has been taken or passed over. */
static int open_take_segment(tier *t, uint64_t seq, buf *bytes) {
    struct opening *o = t->opening;
    struct segment_header h;
    int rc = segment_decode_header(slice_of(bytes), &h);
    if (rc != OK) return rc;
    if (h.seq != seq) return ERR_CORRUPT;
    if (h.epoch > t->m.epoch) return ERR_FENCED;
    if (h.epoch < o->epoch) {
        tail_add(o, seq, &h, true, bytes);
        return OK;
    }
    rc = segment_check(slice_of(bytes), seq, &h);
    if (rc != OK) return rc;
    if (memcmp(h.chain, o->chain, DIGEST_BYTES) != 0) return ERR_CORRUPT;
    o->epoch = h.epoch;
    if (h.last_lsn > o->lsn_max) o->lsn_max = h.last_lsn;
    if (h.kind != SEGMENT_FILL) segment_digest(bytes->p, o->chain);
    tail_add(o, seq, &h, false, bytes);
    return OK;
}

static void open_got_probe(io *r) {
    tier *t = r->t;
    struct opening *o = t->opening;
    struct probe *p = r->cookie;
    o->probes_sent--;
    if (r->req.rc == OK) {
        p->state = PROBE_THERE;
        p->object = r->req.out;
        r->req.out = BUF_INIT;
    } else if (r->req.rc == ERR_NOTFOUND) {
        p->state = PROBE_ABSENT;
    } else {
        open_finish(t, r->req.rc, "%s cannot be read: %s (%s)", r->name, err_text(r->req.rc),
                    objstore_why(t->store));
        return;
    }
    while (!o->found_end) {
        p = &o->probe[o->next % OPEN_PROBES];
        if (p->state == PROBE_ABSENT) o->found_end = true;
        if (p->state != PROBE_THERE) break;
        int rc = open_take_segment(t, o->next, &p->object);
        if (rc == ERR_CORRUPT && ++p->reads < OPEN_READS_MAX) {
            buf_free(&p->object); /* Damaged on the way? Read it again. */
            p->state = PROBE_IDLE;
            break;
        }
        if (rc != OK) {
            char name[SEGMENT_NAME_BYTES];
            segment_name(o->next, name);
            if (rc == ERR_CORRUPT) (void)corrupt(t->logger, "log", name, 0);
            open_finish(t, rc, rc == ERR_FENCED ? "another owner has claimed the store: %s: %s"
                                                : "the log is damaged at %s: %s",
                        name, err_text(rc));
            return;
        }
        p->state = PROBE_IDLE;
        p->reads = 0;
        o->next++;
    }
    if (!o->found_end) {
        open_probe(t);
    } else if (o->probes_sent == 0) {
        for (size_t i = 0; i < OPEN_PROBES; i++) {
            buf_free(&o->probe[i].object);
            o->probe[i].state = PROBE_IDLE;
            o->probe[i].reads = 0;
        }
        open_fence(t);
    }
}

/* ---- (c) the fence -------------------------------------------------------------------------- */

static void open_fence(tier *t) {
    struct opening *o = t->opening;
    uint64_t lsn = o->lsn_max > t->m.lsn_max ? o->lsn_max : t->m.lsn_max;
    o->first_lsn = lsn + OPEN_LSN_GAP; /* L13 */
    struct segment_header h = {.kind = SEGMENT_FENCE, .epoch = t->m.epoch, .seq = o->next,
                               .nonce = rnd_u64(t->rnd), .first_lsn = o->first_lsn,
                               .last_lsn = o->first_lsn, .payload_hash = hash_xx(NULL, 0, 0),
                               .wall_ms = tier_wall_ms(t)};
    memcpy(h.chain, o->chain, DIGEST_BYTES);
    segment_encode_header(&h, o->fence);
    char name[SEGMENT_NAME_BYTES];
    segment_name(o->next, name);
    io *r = io_create(t, OBJ_PUT_ABSENT, name, open_fenced, NULL);
    r->req.body = slice_make(o->fence, SEGMENT_HEADER_BYTES);
    io_send(r, IO_TRIES);
}

static void open_fence_won(tier *t) {
    struct opening *o = t->opening;
    struct segment_header h;
    int rc = segment_decode_header(slice_make(o->fence, SEGMENT_HEADER_BYTES), &h);
    assert(rc == OK);
    buf none = BUF_INIT;
    tail_add(o, o->next, &h, false, &none);
    o->epoch = t->m.epoch;
    segment_digest(o->fence, o->chain);
    open_fill(t);
}

static void open_fenced(io *r) {
    tier *t = r->t;
    if (r->req.rc == OK) {
        open_fence_won(t);
    } else if (r->req.rc == ERR_PRECOND) {
        io_send(io_create(t, OBJ_GET, r->name, open_fence_read, NULL), IO_TRIES);
    } else {
        open_finish(t, r->req.rc, "the fence %s cannot be written: %s (%s)", r->name,
                    err_text(r->req.rc), objstore_why(t->store));
    }
}

static void open_fence_read(io *r) {
    tier *t = r->t;
    struct opening *o = t->opening;
    if (r->req.rc == OK && r->req.out.n >= SEGMENT_HEADER_BYTES &&
        memcmp(r->req.out.p, o->fence, SEGMENT_HEADER_BYTES) == 0) {
        open_fence_won(t);
        return;
    }
    if (r->req.rc != OK && r->req.rc != ERR_NOTFOUND) {
        open_finish(t, r->req.rc, "%s cannot be read: %s (%s)", r->name, err_text(r->req.rc),
                    objstore_why(t->store));
        return;
    }
    /* Somebody took the number first: a late segment that counts, or another claimant's fence.
     * Read on from here. */
    o->found_end = false;
    open_probe(t);
}

/* ---- (d) fill the window -------------------------------------------------------------------- */

static void open_fill(tier *t) {
    struct opening *o = t->opening;
    assert(t->m.window >= 1 && t->m.window <= LOG_WINDOW_MAX);
    o->fills_left = t->m.window - 1;
    o->reads = 0;
    for (unsigned i = 1; i < t->m.window; i++) {
        struct segment_header h = {.kind = SEGMENT_FILL, .epoch = t->m.epoch, .seq = o->next + i,
                                   .nonce = rnd_u64(t->rnd), .first_lsn = o->first_lsn,
                                   .last_lsn = o->first_lsn, .payload_hash = hash_xx(NULL, 0, 0),
                                   .wall_ms = tier_wall_ms(t)};
        memcpy(h.chain, o->chain, DIGEST_BYTES);
        segment_encode_header(&h, o->fills[i]);
        char name[SEGMENT_NAME_BYTES];
        segment_name(o->next + i, name);
        io *r = io_create(t, OBJ_PUT_ABSENT, name, open_filled, &o->fills[i]);
        r->req.body = slice_make(o->fills[i], SEGMENT_HEADER_BYTES);
        io_send(r, IO_TRIES);
    }
    if (o->fills_left == 0) open_fills_done(t);
}

static void open_fills_done(tier *t) {
    struct opening *o = t->opening;
    for (unsigned i = 1; i < t->m.window; i++) {
        struct segment_header h;
        int rc = segment_decode_header(slice_make(o->fills[i], SEGMENT_HEADER_BYTES), &h);
        assert(rc == OK);
        if (o->fill_late[i]) h.kind = SEGMENT_DATA;
        buf none = BUF_INIT;
        tail_add(o, o->next + i, &h, o->fill_late[i], &none);
    }
    own_validate(t, open_validated);
}

static void open_fill_settled(tier *t) {
    struct opening *o = t->opening;
    assert(o->fills_left > 0);
    if (--o->fills_left == 0) open_fills_done(t);
}

static void open_filled(io *r) {
    tier *t = r->t;
    if (r->req.rc == OK) {
        open_fill_settled(t);
    } else if (r->req.rc == ERR_PRECOND) {
        io *g = io_create(t, OBJ_GET, r->name, open_fill_read, r->cookie);
        g->req.length = SEGMENT_HEADER_BYTES;
        io_send(g, IO_TRIES);
    } else {
        open_finish(t, r->req.rc, "%s cannot be filled: %s (%s)", r->name, err_text(r->req.rc),
                    objstore_why(t->store));
    }
}

static void open_fill_read(io *r) {
    tier *t = r->t;
    struct opening *o = t->opening;
    struct segment_header h;
    int rc = r->req.rc == OK ? segment_decode_header(slice_of(&r->req.out), &h) : r->req.rc;
    if (rc == ERR_CORRUPT && ++o->reads < OPEN_READS_MAX) {
        io *g = io_create(t, OBJ_GET, r->name, open_fill_read, r->cookie);
        g->req.length = SEGMENT_HEADER_BYTES;
        io_send(g, IO_TRIES);
        return;
    }
    if (rc == OK && h.epoch > t->m.epoch) rc = ERR_FENCED;
    if (rc != OK) {
        open_finish(t, rc, "%s: %s (%s)", r->name, err_text(rc), objstore_why(t->store));
        return;
    }
    /* Ours after all, or a late writer's: dead by L5, as the fence before it is of our epoch. */
    uint8_t (*mine)[SEGMENT_HEADER_BYTES] = r->cookie;
    if (memcmp(r->req.out.p, *mine, SEGMENT_HEADER_BYTES) != 0)
        o->fill_late[(size_t)(mine - o->fills)] = true;
    open_fill_settled(t);
}

/* ---- (e) validate, (f) replay ----------------------------------------------------------------- */

static void open_validated(tier *t, int rc) {
    struct opening *o = t->opening;
    if (rc != OK) {
        open_finish(t, rc, rc == ERR_FENCED
                               ? "another owner has claimed the store meanwhile: %s (%s)"
                               : "the manifest cannot be validated: %s (%s)",
                    err_text(rc), objstore_why(t->store));
        return;
    }
    memcpy(t->log.chain, o->chain, DIGEST_BYTES);
    o->replay = replay_start(t, o->tails, o->tails_count, open_replayed);
}

static void open_replayed(tier *t, int rc) {
    struct opening *o = t->opening;
    uint64_t hash = replay_hash(o->replay);
    replay_free(o->replay);
    o->replay = NULL;
    if (rc != OK) {
        open_finish(t, rc, "the log cannot be replayed: %s", err_text(rc));
        return;
    }
    assert(t->lsn < o->first_lsn);
    uint64_t last = t->lsn;
    t->lsn = t->durable = t->durable_disk = o->first_lsn - 1;
    t->checkpoint_lsn_changed = last > t->m.checkpoint_lsn ? 0 : t->lsn;
    local_recover(t, last, hash, open_recovered);
}

static void open_recovered(tier *t) {
    struct opening *o = t->opening;
    log_start(t, o->next + t->m.window);
    uint64_t now = tier_mono_us(t);
    if (now >= o->serve_us) {
        open_serve(t);
    } else { /* The former owner may still answer reads under its lease. */
        o->wait = loop_timer(t->loop, o->serve_us - now, open_serve, t);
    }
}

static void open_serve(void *cookie) {
    tier *t = cookie;
    struct opening *o = t->opening;
    o->wait = NULL;
    t->state = TIER_SERVING;
    t->validated_us = tier_mono_us(t);
    t->checkpoint_us = t->gc_us = loop_now_us(t->loop);
    gc_expect(t, t->intents, t->intents_count);
    t->stats.open_segments = o->tails_count;
    own_serve(t);
    tier_pending_start(t);
    open_finish(t, OK, "%s is ours: epoch %llu, %zu log segments read, fence at %llx, pending %zu",
                tier_store_name(t), (unsigned long long)t->m.epoch, o->tails_count,
                (unsigned long long)o->next, keyspace_pending(t->ks));
}
