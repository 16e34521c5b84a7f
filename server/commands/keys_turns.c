/* keys_turns.c -- commands of very many keys, or that take very many elements out of one: a part of them in each turn of
 * the loop.
 *
 * Why its database is held, and others wait: what other commands of many elements do, to build beside the data
 * (steps.c) or to keep the values that they read (reading.c), costs more for each key than the keys themselves. It is no
 * longer than they would wait for the command in one turn; but other databases' readers, and the store, need not. */
#include "commands/keys_turns.h"

#include "base/mem.h"

#define ASKED_IN_A_TURN 2048 /* Only looked up, and all that are cold come in one round. */
#define DONE_IN_A_TURN 512
#define BYTES_IN_A_TURN ((size_t)128 << 10)
#define PIECE_BYTES ((size_t)64 << 10)
#define ELEMENTS_TURNS_FROM 2048

static void work_free(void *state) {
    struct keys_work *w = state;
    for (size_t i = 0; i < w->pieces_n; i++) buf_free(&w->pieces[i]);
    mem_free(w->pieces);
    buf_free(&w->out);
    mem_free(w);
}

/* Asks for the pages of keys from `i` on: OK or ERR_COLD, or an error. */
static int ask(call *c, const struct keys_work *w, size_t i, size_t n) {
    bool cold = false;
    for (; n > 0 && i < w->end; n--, i += w->per) {
        struct entry e;
        int rc = keyspace_get(call_keyspace(c), call_db(c), call_arg(c, i), KS_EXPIRED, &e);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
    }
    return cold ? ERR_COLD : OK;
}

static void next_phase(call *c, struct keys_work *w) {
    w->at = w->first;
    w->phase = w->phase == KEYS_ASK && w->allowed != NULL ? KEYS_COUNT : KEYS_DO;
    call_hold(c);
}

/* The next keys of the first two phases. */
static int look(call *c, struct keys_work *w) {
    size_t n = ASKED_IN_A_TURN;
    int rc = ask(c, w, w->at, n);
    if (rc != OK) return rc;
    for (; n > 0 && w->at < w->end; n--, w->at += w->per) {
        struct entry e;
        if (w->phase == KEYS_ASK) continue;
        rc = call_peek(c, call_arg(c, w->at), &e);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        w->existing += rc == OK;
    }
    if (w->at < w->end) return call_next_turn(c);
    if (w->phase == KEYS_COUNT && !w->allowed(w)) {
        w->refused = true;
        return w->finish(c, w);
    }
    next_phase(c, w);
    return call_next_turn(c);
}

static void seal(struct keys_work *w) {
    if (w->out.n == 0) return;
    w->pieces = mem_realloc(w->pieces, (w->pieces_n + 1) * sizeof(*w->pieces));
    w->pieces[w->pieces_n++] = w->out;
    w->out = BUF_INIT;
}

static int end(call *c, struct keys_work *w) {
    int rc = w->finish(c, w);
    seal(w);
    for (size_t i = 0; rc == OK && i < w->pieces_n; i++) rc = reply_take(c, &w->pieces[i]);
    return rc;
}

static int go_on_elements(call *c, struct keys_work *w) {
    int rc = w->at < w->end ? w->one(c, w, w->at) : OK;
    if (w->out.n >= PIECE_BYTES) seal(w);
    if (rc != OK) return rc;
    return w->at < w->end ? call_next_turn(c) : end(c, w);
}

static int go_on(call *c, struct keys_work *w) {
    if (w->per == 0) return go_on_elements(c, w);
    if (w->phase != KEYS_DO) return look(c, w);
    w->bytes = 0;
    for (size_t some = 0; some < DONE_IN_A_TURN && w->bytes < BYTES_IN_A_TURN && w->at < w->end; some++) {
        int rc = w->one(c, w, w->at);
        if (w->out.n >= PIECE_BYTES) seal(w);
        if (rc == ERR_AGAIN) continue;
        if (rc == ERR_COLD) (void)ask(c, w, w->at, DONE_IN_A_TURN);
        if (rc != OK) return rc;
        w->at += w->per;
    }
    return w->at < w->end ? call_next_turn(c) : end(c, w);
}

bool elements_are_many(const call *c, uint64_t n) {
    slice ready;
    return n >= ELEMENTS_TURNS_FROM && !call_ready_key(c, &ready);
}

int keys_go_on(call *c) { return go_on(c, call_state(c)); }

int keys_in_turns(call *c, const struct keys_work *how) {
    struct keys_work *w = mem_alloc(sizeof(*w));
    *w = *how;
    w->at = w->first;
    w->phase = KEYS_ASK;
    call_set_state(c, w, work_free);
    if (w->per == 0) call_hold(c);
    return go_on(c, w);
}

/* Its time may come meanwhile: for the command it has not. */
int keys_value(call *c, const struct keys_work *w, struct value *v) {
    struct entry e;
    int rc = keyspace_get(call_keyspace(c), call_db(c), w->key, KS_EXPIRED, &e);
    if (rc == OK) *v = e.value;
    return rc;
}
