/* io.c -- one request to the store, sent again with the same bytes until it has an answer.
 *
 * A timeout is not an answer: the request may have happened or may happen yet. Sending identical
 * bytes again is always right (L2): a conditional PUT then answers ERR_PRECOND, and the caller
 * reads the object back and looks for its nonce.
 *
 * A write that the store has refused for a reason that does not pass by itself (no room, no rights) is
 * sent again as well: its clients wait, as nobody knows better. But as long as there is one such write
 * new ones are refused (tier_admit), so that nobody else begins to wait for what an operator has to do. */
#include "tier/tier_internal.h"

#include <stdio.h>

static void io_again(void *cookie);

static bool io_retryable(const io *o) {
    switch (o->req.rc) {
    case ERR_TIMEOUT:
    case ERR_AGAIN:
    case ERR_IO:
    case ERR_FULL:
        return o->tries == IO_FOR_EVER || o->attempts < o->tries;
    case ERR_AUTH:
        return o->tries == IO_FOR_EVER;
    default:
        return false;
    }
}

static void io_refused(io *o, bool refused) {
    tier *t = o->t;
    if (refused == o->refused) return;
    o->refused = refused;
    assert(refused || t->refused > 0);
    t->refused += refused ? 1 : (size_t)-1;
    if (t->refused == 1 && refused) {
        log_line(t->logger, LOG_WARNING, "The store refuses writes: %s. Clients get -MISCONF until it takes "
                                         "them again.", t->refused_why);
    } else if (t->refused == 0 && (o->req.rc == OK || o->req.rc == ERR_PRECOND)) {
        log_line(t->logger, LOG_NOTICE, "The store takes writes again.");
    }
}

/* A refused write stays so while answers only say that there was none. */
static void io_note_refusal(io *o, bool again) {
    int rc = o->req.rc;
    bool put = o->req.op == OBJ_PUT || o->req.op == OBJ_PUT_ABSENT || o->req.op == OBJ_PUT_MATCH;
    if (put && again && (rc == ERR_FULL || rc == ERR_AUTH)) {
        snprintf(o->t->refused_why, sizeof(o->t->refused_why), "%s", objstore_why(o->t->store));
        io_refused(o, true);
    } else if (!again) {
        io_refused(o, false);
    }
}

static void io_done(obj_req *r) {
    io *o = r->cookie;
    tier *t = o->t;
    if (tier_gone(t)) {
        io_free(o);
        return;
    }
    bool again = io_retryable(o);
    io_note_refusal(o, again);
    if (again) {
        uint64_t us = IO_BACKOFF_MIN_US;
        for (unsigned i = 1; i < o->attempts && us < IO_BACKOFF_MAX_US; i++) us *= 2;
        us = us / 2 + rnd_below(t->rnd, us);
        buf_free(&r->out);
        o->wait = loop_timer(t->loop, us, io_again, o);
        return;
    }
    o->done(o);
    io_free(o);
}

static void io_submit(io *o) {
    o->attempts++;
    o->start_us = tier_mono_us(o->t);
    o->req.rc = OK;
    o->req.impl = NULL;
    o->req.next = NULL;
    if (o->req.op == OBJ_PUT_MATCH) memcpy(o->req.etag, o->match, sizeof(o->match));
    objstore_submit(o->t->store, &o->req);
}

static void io_again(void *cookie) {
    io *o = cookie;
    o->wait = NULL;
    io_submit(o);
}

io *io_create(tier *t, enum obj_op op, const char *name, void (*done)(io *o), void *cookie) {
    io *o = mem_calloc(1, sizeof(*o));
    size_t n = strlen(name);
    assert(n <= OBJ_NAME_MAX);
    o->t = t;
    memcpy(o->name, name, n);
    o->req.op = op;
    o->req.name = o->name;
    o->req.after = "";
    o->req.done = io_done;
    o->req.cookie = o;
    o->done = done;
    o->cookie = cookie;
    list_push_back(&t->ios, &o->node);
    return o;
}

void io_send(io *o, unsigned tries) {
    if (tier_gone(o->t)) {
        io_free(o);
        return;
    }
    o->tries = tries;
    io_submit(o);
}

void io_free(io *o) {
    if (o == NULL) return;
    if (o->wait != NULL) loop_timer_cancel(o->t->loop, o->wait);
    io_refused(o, false);
    list_remove(&o->node);
    buf_free(&o->req.out);
    mem_free(o->owned);
    mem_free(o);
}
