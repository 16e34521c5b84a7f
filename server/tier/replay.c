/* replay.c -- applies the tail of the log, in slices, as the commands did when they ran.
 *
 * Effects of keys whose pages are not loaded wait with the keyspace. A snapshot that has no stored
 * pages yet is the one thing that cannot wait: the state at its LSN is needed whole, so what is
 * pending is loaded first; then it is frozen again, as when it was made. */
#include "tier/tier_internal.h"

#define REPLAY_SLICE_US 3000
#define REPLAY_SLICE_RECORDS 512
#define REPLAY_WAIT_US 1000

struct replay {
    tier *t;
    struct tail *tails;
    size_t count, at;
    void (*done)(tier *t, int rc);
    timer *next;
    bool unpacked;
    buf raw;
    reader r;
    buf parts;           /* of a transaction that is cut */
    uint64_t parts_lsn;
    bool held;           /* `effects` wait for what is pending */
    slice effects;
    uint64_t lsn, wall_ms;
    uint64_t hash, records, epoch;
    uint64_t hash_txn;   /* after the last whole transaction */
    uint8_t chain[DIGEST_BYTES];
    buf args;
};

static void replay_step(void *cookie);

replay *replay_start(tier *t, struct tail *tails, size_t count, void (*done)(tier *t, int rc)) {
    replay *r = mem_calloc(1, sizeof(*r));
    r->t = t;
    r->tails = tails;
    r->count = count;
    r->done = done;
    r->hash = r->hash_txn = t->m.log_hash;
    r->records = t->m.log_records;
    r->epoch = t->m.log_epoch;
    memcpy(r->chain, t->m.chain, DIGEST_BYTES);
    t->lsn = t->m.checkpoint_lsn;
    r->next = loop_timer(t->loop, 0, replay_step, r);
    return r;
}

void replay_free(replay *r) {
    if (r == NULL) return;
    if (r->next != NULL) loop_timer_cancel(r->t->loop, r->next);
    buf_free(&r->raw);
    buf_free(&r->parts);
    buf_free(&r->args);
    mem_free(r);
}

uint64_t replay_hash(const replay *r) { return r->hash_txn; }

int replay_effects(tier *t, slice effects, uint64_t lsn, buf *args) {
    reader in = reader_make(effects);
    while (reader_left(&in) > 0) {
        effect e;
        int rc = effect_decode(&in, &e, args);
        if (rc != OK) return rc;
        if (e.target == EFFECT_CATALOGUE && e.op >= CATALOGUE_FORK)
            rc = pin_apply(t, &e, lsn, false);
        else
            rc = keyspace_replay(t->ks, &e, lsn);
        if (rc != OK) return rc;
    }
    return OK;
}

static bool needs_all_loaded(slice effects, buf *args) {
    reader in = reader_make(effects);
    effect e;
    return effect_decode(&in, &e, args) == OK && e.target == EFFECT_CATALOGUE &&
           e.op == CATALOGUE_PIN;
}

static void replay_end_segment(replay *r, const struct tail *s) {
    if (!s->dead) r->epoch = s->h.epoch;
    struct log_mark m = {.seq = s->seq, .epoch = r->epoch,
                         .last_lsn = s->h.records > 0 && !s->dead ? s->h.last_lsn : 0,
                         .bytes = s->h.raw_bytes, .hash = r->hash, .records = r->records,
                         .immortal = s->h.kind != SEGMENT_DATA};
    memcpy(m.chain, r->chain, DIGEST_BYTES);
    log_mark_add(r->t, &m);
    r->t->log.since_checkpoint += m.bytes;
    r->at++;
    r->unpacked = false;
}

/* Makes the next segment's records ready, or passes over one that has none. */
static int replay_begin_segment(replay *r) {
    struct tail *s = &r->tails[r->at];
    if (!s->dead && s->h.kind != SEGMENT_FILL) {
        uint8_t header[SEGMENT_HEADER_BYTES];
        segment_encode_header(&s->h, header);
        segment_digest(header, r->chain);
    }
    if (s->dead || s->h.kind != SEGMENT_DATA) {
        if (s->h.kind == SEGMENT_FENCE && !s->dead) r->parts.n = 0; /* its end never came */
        replay_end_segment(r, s);
        return OK;
    }
    r->raw.n = 0;
    int rc = segment_unpack(slice_of(&s->object), &s->h, &r->raw);
    if (rc != OK) return rc;
    buf_free(&s->object);
    r->r = reader_make(slice_of(&r->raw));
    r->unpacked = true;
    return OK;
}

static int replay_apply(replay *r) {
    tier *t = r->t;
    r->held = false;
    int rc = replay_effects(t, r->effects, r->lsn, &r->args);
    r->parts.n = 0;
    if (rc != OK) return rc;
    t->lsn = r->lsn;
    if (r->wall_ms > t->log_wall_ms) t->log_wall_ms = r->wall_ms;
    t->stats.open_records++;
    return OK;
}

/* OK; ERR_AGAIN: held; or an error. */
static int replay_record(replay *r, const struct record *x) {
    tier *t = r->t;
    if (x->kind == RECORD_CHECK) {
        bool same = get_u64(x->body.p) == r->records && get_u64(x->body.p + 8) == r->hash;
        return same ? OK : ERR_CORRUPT;
    }
    r->hash = record_hash(r->hash, x->bytes);
    r->records++;
    if (x->kind == RECORD_TXN) r->hash_txn = r->hash;
    if (x->lsn <= t->m.checkpoint_lsn) return OK; /* in the roots */
    if (x->lsn <= t->lsn) return ERR_CORRUPT;
    if (r->parts.n > 0 && r->parts_lsn != x->lsn) return ERR_CORRUPT;
    r->parts_lsn = r->lsn = x->lsn;
    r->wall_ms = x->wall_ms;
    if (x->kind == RECORD_PART) {
        if (buf_try_reserve(&r->parts, x->body.n) != OK) return ERR_NOMEM;
        buf_append_slice(&r->parts, x->body);
        return OK;
    }
    r->effects = x->body;
    if (r->parts.n > 0) {
        buf_append_slice(&r->parts, x->body);
        r->effects = slice_of(&r->parts);
    }
    if (keyspace_pending(t->ks) > 0 && needs_all_loaded(r->effects, &r->args)) {
        r->held = true;
        return ERR_AGAIN;
    }
    return replay_apply(r);
}

static int replay_slice(replay *r) {
    tier *t = r->t;
    uint64_t start = tier_mono_us(t);
    if (r->held) {
        if (keyspace_pending(t->ks) > 0) {
            keyspace_pending_step(t->ks);
            if (keyspace_pending(t->ks) > 0) return ERR_AGAIN;
        }
        int rc = replay_apply(r);
        if (rc != OK) return rc;
    }
    for (unsigned n = 0; n < REPLAY_SLICE_RECORDS; n++) {
        if (tier_mono_us(t) - start > REPLAY_SLICE_US) break;
        if (!r->unpacked) {
            if (r->at == r->count) return ERR_NOTFOUND;
            int rc = replay_begin_segment(r);
            if (rc != OK) return rc;
            continue;
        }
        struct record x;
        int rc = record_next(&r->r, &x);
        if (rc == ERR_NOTFOUND) replay_end_segment(r, &r->tails[r->at]);
        else if (rc == OK) rc = replay_record(r, &x);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
    }
    return OK;
}

static void replay_step(void *cookie) {
    replay *r = cookie;
    tier *t = r->t;
    r->next = NULL;
    if (tier_gone(t)) return;
    int rc = replay_slice(r);
    if (rc == OK || rc == ERR_AGAIN) {
        r->next = loop_timer(t->loop, rc == OK ? 0 : REPLAY_WAIT_US, replay_step, r);
        return;
    }
    if (rc == ERR_NOTFOUND) {
        t->log.hash = r->hash;
        t->log.records = r->records;
        rc = OK;
    } else {
        char name[SEGMENT_NAME_BYTES] = "the log";
        if (r->at < r->count) segment_name(r->tails[r->at].seq, name);
        if (rc == ERR_CORRUPT) rc = corrupt(t->logger, "log", name, 0);
    }
    r->done(t, rc);
}
