/* io.c -- one request to the store, sent again with the same bytes until it has an answer.
 *
 * A timeout is not an answer: the request may have happened or may happen yet. Sending identical
 * bytes again is always right (L2): a conditional PUT then answers ERR_PRECOND, and the caller
 * reads the object back and looks for its nonce. */
#include "tier/tier_internal.h"

static void io_again(void *cookie);

static bool io_retryable(const io *o) {
    switch (o->req.rc) {
    case ERR_TIMEOUT:
    case ERR_AGAIN:
    case ERR_IO:
        return o->tries == IO_FOR_EVER || o->attempts < o->tries;
    case ERR_AUTH:
        return o->tries == IO_FOR_EVER;
    default:
        return false;
    }
}

static void io_done(obj_req *r) {
    io *o = r->cookie;
    tier *t = o->t;
    if (tier_gone(t)) {
        io_free(o);
        return;
    }
    bool put = r->op == OBJ_PUT || r->op == OBJ_PUT_ABSENT || r->op == OBJ_PUT_MATCH;
    if (r->rc == ERR_AUTH) t->refused = true;
    else if (put && r->rc != ERR_TIMEOUT && r->rc != ERR_AGAIN && r->rc != ERR_IO)
        t->refused = false;
    if (io_retryable(o)) {
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
    list_remove(&o->node);
    buf_free(&o->req.out);
    mem_free(o->owned);
    mem_free(o);
}
