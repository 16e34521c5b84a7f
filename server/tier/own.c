/* own.c -- the manifest as the title deed: written by If-Match only, read back in doubt.
 *
 * Kept here
 *  L7  every write is If-Match on the version last seen, with version + 1 and a fresh nonce.
 *  L11 whoever finds another owner's manifest ends: tier_fatal(3), and serves no more. Who was stopped
 *      for longer than OWN_PAUSE_US answers nothing before it has looked.
 *
 * One write is under way at a time. A write of the serving owner is never given up: its outcome
 * would be unknown, and two truths would be in this process. */
#include "tier/tier_internal.h"

#define OWN_READS_MAX 8 /* Damaged or racing answers before giving up. */
/* A process that was not run for so long may have been stopped while another claimed the store. A turn of
 * the loop is a millisecond and OWN_BEAT_US the longest sleep, so that a healthy one is never near it even
 * on a busy machine; who decides that a server is dead, and starts another, takes longer. A false alarm
 * costs one request. */
#define OWN_PAUSE_US 1000000
#define OWN_BEAT_US 250000
#define OWN_SLOW_LOG_US 60000000
#define OWN_DOUBT_RETRY_US 200000 /* After a validation that came to nothing, beside its own patience. */

struct own_write {
    struct manifest next;
    buf bytes;
    own_done *done;
    unsigned reads;
};

static void own_put_done(io *o);
static void own_read_back(tier *t);
static void own_read_back_done(io *o);

static void own_write_end(tier *t, int rc) {
    struct own_write *w = t->writing;
    own_done *done = w->done;
    t->writing = NULL;
    buf_free(&w->bytes);
    mem_free(w);
    done(t, rc);
}

void own_write(tier *t, struct manifest *m, own_done *done) {
    assert(t->writing == NULL);
    assert(m->checkpoint_lsn <= t->durable || t->state == TIER_OPENING); /* L12 */
    assert(m->window >= t->m.window && m->epoch >= t->m.epoch);
    struct own_write *w = mem_calloc(1, sizeof(*w));
    m->version = t->m.version + 1; /* L7 */
    m->nonce = rnd_u64(t->rnd);
    w->next = *m;
    w->done = done;
    manifest_encode(m, &w->bytes);
    t->writing = w;
    io *o = io_create(t, t->etag[0] == '\0' ? OBJ_PUT_ABSENT : OBJ_PUT_MATCH, MANIFEST_NAME,
                      own_put_done, NULL);
    memcpy(o->match, t->etag, sizeof(o->match));
    o->req.body = slice_of(&w->bytes);
    io_send(o, t->state == TIER_OPENING ? IO_TRIES : IO_FOR_EVER);
}

static void own_took(tier *t, const char *etag) {
    t->m = t->writing->next;
    memcpy(t->etag, etag, sizeof(t->etag));
    own_write_end(t, OK);
}

static void own_put_done(io *o) {
    tier *t = o->t;
    if (o->req.rc == OK) {
        own_took(t, o->req.etag);
    } else if (o->req.rc == ERR_PRECOND ||
               (o->req.rc == ERR_NOTFOUND && o->req.op == OBJ_PUT_MATCH)) {
        own_read_back(t);
    } else {
        own_write_end(t, o->req.rc);
    }
}

static void own_read_back(tier *t) {
    io *o = io_create(t, OBJ_GET, MANIFEST_NAME, own_read_back_done, NULL);
    t->writing->reads++;
    io_send(o, t->state == TIER_OPENING ? IO_TRIES : IO_FOR_EVER);
}

static void own_lost(tier *t, const struct manifest *m) {
    tier_fatal(t, 3, "another owner (epoch %llu, ours is %llu) has claimed the store",
               (unsigned long long)m->epoch, (unsigned long long)t->m.epoch);
}

static void own_read_back_done(io *o) {
    tier *t = o->t;
    struct own_write *w = t->writing;
    struct manifest m;
    int rc = o->req.rc == OK ? manifest_decode(slice_of(&o->req.out), &m) : o->req.rc;
    if (rc == OK && m.nonce == w->next.nonce) {
        own_took(t, o->req.etag);
        return;
    }
    if (rc == ERR_CORRUPT && w->reads < OWN_READS_MAX) {
        own_read_back(t);
        return;
    }
    if (t->state == TIER_OPENING) {
        own_write_end(t, rc == OK ? ERR_PRECOND : rc);
        return;
    }
    if (rc == OK) own_lost(t, &m);
    else tier_fatal(t, 1, "the manifest cannot be read back: %s (%s)", err_text(rc),
                    objstore_why(t->store));
}

/* ---- validation ---------------------------------------------------------------------------- */

struct own_check {
    own_done *done;
    unsigned reads;
};

static void own_check_done(io *o);

static void own_check_send(tier *t, struct own_check *c) {
    io *o = io_create(t, OBJ_GET, MANIFEST_NAME, own_check_done, c);
    o->owned = c;
    c->reads++;
    io_send(o, IO_TRIES);
}

static void own_check_done(io *o) {
    tier *t = o->t;
    struct own_check *c = o->cookie;
    struct manifest m;
    int rc = o->req.rc == OK ? manifest_decode(slice_of(&o->req.out), &m) : o->req.rc;
    if (rc == ERR_CORRUPT && c->reads < OWN_READS_MAX) {
        o->owned = NULL;
        own_check_send(t, c);
        return;
    }
    own_done *done = c->done;
    if (rc == OK && (m.epoch != t->m.epoch || m.owner != t->m.owner)) {
        if (t->state == TIER_OPENING) {
            done(t, ERR_FENCED);
            return;
        }
        own_lost(t, &m);
        return;
    }
    if (rc == ERR_NOTFOUND) {
        tier_fatal(t, 1, "the manifest is gone from the store");
        return;
    }
    /* Counted from the start of the request: a slow store eats the lease. */
    if (rc == OK) t->validated_us = o->start_us;
    done(t, rc);
}

void own_validate(tier *t, own_done *done) {
    struct own_check *c = mem_calloc(1, sizeof(*c));
    c->done = done;
    own_check_send(t, c);
}

static void own_lease_fire(void *cookie);

static void own_lease_checked(tier *t, int rc) {
    (void)rc; /* Not validated: the lease runs out by itself. */
    uint64_t us = (uint64_t)t->config->read_lease_ms * 1000 / 3;
    t->lease = loop_timer(t->loop, us, own_lease_fire, t);
}

static void own_lease_fire(void *cookie) {
    tier *t = cookie;
    t->lease = NULL;
    if (t->state != TIER_SERVING) return;
    own_validate(t, own_lease_checked);
}

/* ---- stopped, and run again ---------------------------------------------------------------------- */

/* Replies that were ready before a stop are as old as the stop: what they say was true of a store that
 * may be another's now. They are held until the manifest has been read after it. Whatever reads the clock
 * here looks for a stop first, so none gets lost between two of them.
 *
 * So it is when the read-lease is over before a validation has come back: nobody knows that the store is
 * another's, so nothing is refused; what is ready waits. */
static void own_doubt_send(void *cookie);

static bool own_lease_over(tier *t, uint64_t now) {
    return t->config->read_lease_ms > 0 && t->state == TIER_SERVING && now > t->validated_us &&
           now - t->validated_us > (uint64_t)t->config->read_lease_ms * 1000;
}

static void own_look(tier *t) {
    struct own_doubt *d = &t->doubt;
    uint64_t now = tier_mono_us(t), gap = now - d->seen_us;
    bool stopped = gap > OWN_PAUSE_US;
    d->seen_us = now;
    if (stopped) d->stops++;
    if (d->open || (!stopped && !own_lease_over(t, now))) return;
    d->open = true;
    if (stopped)
        log_line(t->logger, LOG_NOTICE, "Not run for %llu ms: nothing is answered before it is sure that the "
                                        "store is still ours", (unsigned long long)(gap / 1000));
    else
        log_line(t->logger, LOG_VERBOSE, "The read-lease is over, and the store has not answered: replies wait");
    d->again = loop_timer(t->loop, 0, own_doubt_send, t);
}

static void own_doubt_checked(tier *t, int rc) {
    struct own_doubt *d = &t->doubt;
    own_look(t); /* Stopped again meanwhile: then this answer is too old as well. */
    uint64_t now = tier_mono_us(t);
    if (rc == OK && d->sent_stops == d->stops && !own_lease_over(t, now)) {
        d->open = false;
        return;
    }
    if (rc == OK && d->sent_stops == d->stops && now - d->slow_logged_us >= OWN_SLOW_LOG_US) {
        d->slow_logged_us = now;
        log_line(t->logger, LOG_WARNING, "read-lease is shorter than the store takes to answer: replies wait "
                                         "until an answer comes within %lld ms",
                 (long long)t->config->read_lease_ms);
    }
    d->again = loop_timer(t->loop, rc == OK ? 0 : OWN_DOUBT_RETRY_US, own_doubt_send, t);
}

static void own_doubt_send(void *cookie) {
    tier *t = cookie;
    t->doubt.again = NULL;
    if (tier_gone(t)) return;
    t->doubt.sent_stops = t->doubt.stops;
    own_validate(t, own_doubt_checked);
}

static void own_beat(void *cookie) {
    tier *t = cookie;
    t->doubt.beat = NULL;
    if (tier_gone(t)) return;
    own_look(t);
    t->doubt.beat = loop_timer(t->loop, OWN_BEAT_US, own_beat, t);
}

bool tier_may_answer(tier *t) {
    if (tier_gone(t)) return false; /* L11 */
    if (t->state != TIER_SERVING && t->state != TIER_CLOSING) return true;
    own_look(t);
    return !t->doubt.open;
}

void own_serve(tier *t) {
    t->doubt.seen_us = tier_mono_us(t);
    own_beat(t);
    if (t->config->read_lease_ms > 0) own_lease_checked(t, OK);
}

void own_deinit(tier *t) {
    if (t->doubt.beat != NULL) loop_timer_cancel(t->loop, t->doubt.beat);
    if (t->doubt.again != NULL) loop_timer_cancel(t->loop, t->doubt.again);
    t->doubt.beat = t->doubt.again = NULL;
    if (t->lease != NULL) loop_timer_cancel(t->loop, t->lease);
    t->lease = NULL;
    if (t->writing != NULL) {
        buf_free(&t->writing->bytes);
        mem_free(t->writing);
        t->writing = NULL;
    }
}
