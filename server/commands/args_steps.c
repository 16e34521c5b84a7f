/* args_steps.c -- very many arguments written to one key (call_steps()), or looked up in it (call_read_in_steps()).
 *
 * How many elements a step takes is found by the time that the last one took: in a large collection each of them may
 * be in a page of its own, which is copied. */
#include "commands/args_steps.h"

#include "base/mem.h"
#include "resp/write.h"

#define STEP_FIRST 64
#define STEP_MIN 16
#define STEP_MAX 1024
#define STEP_US 250

static size_t elements(const call *c, const struct args_job *j) { return (call_argc(c) - j->first) / j->per; }

/* The key as it is now, if it is there. */
static int begin(call *c, struct args_job *j) {
    struct entry e;
    int rc = call_peek(c, call_arg(c, 1), &e);
    if (rc == OK && e.value.type != j->type) return ERR_PRECOND;
    if (rc == ERR_NOTFOUND && j->answer == ARGS_LOSS) return ERR_PRECOND;
    if (rc == OK) rc = call_steps_copy(c, call_arg(c, 1));
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    j->begun = true;
    return call_steps_length(c, &j->before);
}

static int apply(call *c, struct args_job *j, size_t some) {
    if (j->apply != NULL) return j->apply(c, j, j->at, some);
    return call_steps_value(c, j->type, j->op, call_argv(c) + j->first + j->at * j->per, some * j->per);
}

static void measure(struct args_job *j, uint64_t us) {
    size_t n = us == 0 ? STEP_MAX : j->step * STEP_US / us;
    if (n > 2 * j->step) n = 2 * j->step;
    j->step = n < STEP_MIN ? STEP_MIN : n > STEP_MAX ? STEP_MAX : n;
}

static int step(call *c, void *work, bool *done) {
    struct args_job *j = work;
    struct entry e;
    uint64_t began = call_mono_us(c), length;
    size_t left = elements(c, j) - j->at, some = j->step < left ? j->step : left;
    *done = left == 0 || j->error != NULL;
    if (*done) return OK;
    if (!j->begun) return begin(c, j);
    int rc = call_peek(c, call_arg(c, 1), &e); /* When the last element goes, so does the key, in this turn. */
    if (rc == OK || rc == ERR_NOTFOUND) rc = apply(c, j, some);
    if (rc == OK) rc = call_steps_length(c, &length);
    if (rc != OK) return rc;
    j->at += some;
    *done = j->empty = j->answer == ARGS_LOSS && length == 0;
    measure(j, call_mono_us(c) - began);
    return OK;
}

static int reply(call *c, const struct args_job *j, uint64_t after) {
    switch (j->answer) {
    case ARGS_OK: return reply_ok(c);
    case ARGS_LENGTH: return reply_int(c, (int64_t)after);
    case ARGS_GROWTH: return reply_int(c, (int64_t)(after - j->before));
    case ARGS_LOSS: return reply_int(c, (int64_t)(j->before - after));
    case ARGS_COUNTED: return reply_int(c, (int64_t)j->n);
    }
    return ERR_CORRUPT;
}

static int finish(call *c, void *work) {
    struct args_job *j = work;
    slice key = call_arg(c, 1);
    uint64_t after = 0;
    if (j->error != NULL) return reply_error(c, j->error);
    int rc = j->empty ? OK : call_steps_length(c, &after);
    if (rc != OK) return rc;
    if (j->answer == ARGS_GROWTH || j->answer == ARGS_LOSS) j->changed = after != j->before || j->always;
    if (j->answer == ARGS_OK || j->answer == ARGS_LENGTH) j->changed = true;
    if (!j->changed) return reply(c, j, after);
    rc = j->empty ? call_del(c, key) : call_steps_take(c, key);
    if (rc != OK) return rc;
    call_notify(c, j->class, j->event, key);
    if (j->empty) call_notify(c, 'g', "del", key);
    return reply(c, j, after);
}

static void restart(void *work) {
    struct args_job *j = work;
    j->at = 0;
    j->n = 0;
    j->begun = j->empty = j->changed = false;
    j->error = NULL;
}

bool args_are_many(const call *c, size_t first, size_t per) {
    return call_argc(c) - first >= ARGS_STEPS_FROM * per && call_may_step(c);
}

int args_in_steps(call *c, const struct args_job *how) {
    static const struct steps_job ops = {step, finish, restart, mem_free};
    struct args_job *j = mem_alloc(sizeof(*j));
    *j = *how;
    j->step = STEP_FIRST;
    restart(j);
    return call_steps(c, &ops, j, call_argv(c) + 1, 1);
}

/* ---- looked up ----------------------------------------------------------------------------------------- */

#define LOOKED_UP_FROM 2 /* the first argument that is */

struct looking {
    size_t at;
    args_look_fn *one;
};

static int look_step(call *c, void *work, const struct value *v, size_t n, buf *out, bool *all) {
    struct looking *l = work;
    size_t left = call_argc(c) - l->at, some = 0;
    bool cold = false;
    for (; some < n && some < left; some++) {
        int rc = l->one(v, call_arg(c, l->at + some), call_proto(c), out);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK) return rc;
    }
    for (size_t i = some; cold && i < n * READ_AHEAD && i < left; i++) (void)l->one(v, call_arg(c, l->at + i), 2, out);
    if (cold) return ERR_COLD;
    l->at += some;
    *all = some == left;
    return OK;
}

static void look_head(call *c, void *work, buf *out) {
    (void)work;
    resp_array(out, call_argc(c) - LOOKED_UP_FROM);
}

int args_read_in_steps(call *c, const struct value *v, args_look_fn *one) {
    static const struct read_job ops = {.step = look_step, .head = look_head, .free = mem_free};
    struct looking *l = mem_alloc(sizeof(*l));
    *l = (struct looking){.at = LOOKED_UP_FROM, .one = one};
    return call_read_in_steps(c, &ops, l, v, 1);
}
