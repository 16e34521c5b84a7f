/* debug_background.c -- DEBUG BACKGROUND: has work done by a worker, and by the server itself.
 *
 * What modules do with call_work() and call_later(), in a form that tests can see: the commands below are in no
 * table, and count their runs in the value of their key. */
#include <time.h>

#include "base/mem.h"
#include "commands/debug.h"
#include "types/string.h"

#define WORK_MS_MAX 60000
#define SLOW_MS 150 /* Long enough to meet it under way. */
#define STEPS 40    /* of a run in steps, each parked once, and */
#define STEP_MS 5   /* for so long */

struct nap {
    int64_t ms, in, out; /* the worker's */
};

static void nap_work(void *cookie) {
    struct nap *n = cookie;
    struct timespec left = {(time_t)(n->ms / 1000), (long)(n->ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) continue;
    n->out = n->in + 1;
}

static int nap_begin(call *c, int64_t ms, int64_t in, command_fn *again) {
    struct nap *n = mem_calloc(1, sizeof(*n));
    *n = (struct nap){.ms = ms, .in = in};
    call_work(c, nap_work, again, n, mem_free);
    return ERR_AGAIN;
}

static int work_reply(call *c) {
    struct nap *n = call_cookie(c);
    int64_t out = n->out;
    mem_free(n);
    return reply_int(c, out);
}

static int work(call *c) {
    int64_t ms, in;
    if (!call_int_in(c, 3, 0, WORK_MS_MAX, &ms, NULL) || !call_int_in(c, 4, 0, INT32_MAX, &in, NULL)) return OK;
    if (!call_may_park(c)) return reply_error(c, "ERR work for a worker is not possible inside MULTI");
    return nap_begin(c, ms, in, work_reply);
}

/* ---- commands that the server runs by itself ------------------------------------------------------ */

/* One more; a key that has gone, or is no number, is left alone. */
static int count_run(call *c) {
    struct entry e;
    int64_t v;
    uint8_t one[8];
    int rc = call_write_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND || rc == ERR_TYPE || (rc == OK && !string_number(&e.value, &v))) return reply_ok(c);
    if (rc != OK) return rc;
    put_u64(one, 1);
    slice arg = slice_make(one, sizeof(one));
    rc = call_value(c, TYPE_STRING, STRING_INCRBY, call_arg(c, 1), &arg, 1);
    return rc == OK ? reply_ok(c) : rc;
}

/* Run once more after each cold page, with the same cookie: the call's state owns it from here on. */
static int slow_again(call *c) {
    call_set_state(c, call_cookie(c), mem_free);
    return count_run(c);
}

static int slow_run(call *c) { return nap_begin(c, SLOW_MS, 0, slow_again); }

/* Counts in each of its steps, as work that is done in slices. */
static int steps_run(call *c) {
    unsigned *left = call_state(c);
    if (left == NULL) {
        left = mem_alloc(sizeof(*left));
        *left = STEPS;
        call_set_state(c, left, mem_free);
    }
    size_t mark = call_out(c)->n;
    int rc = count_run(c);
    if (rc != OK || --*left == 0) return rc;
    call_out(c)->n = mark;
    parked_timeout(call_park(c, steps_run, NULL, NULL), STEP_MS);
    return ERR_AGAIN;
}

/* An error while the key is there. */
static int fail_run(call *c) {
    struct entry e;
    int rc = call_write(c, call_arg(c, 1), &e);
    if (rc == OK) return reply_error(c, "ERR the key is still there");
    return rc == ERR_NOTFOUND ? reply_ok(c) : rc;
}

static const struct command rows[] = {
    {.name = "debug-count", .fn = count_run, .arity = 2, .flags = CMD_WRITE, .group = GROUP_SERVER},
    {.name = "debug-slow", .fn = slow_run, .arity = 2, .flags = CMD_WRITE, .group = GROUP_SERVER},
    {.name = "debug-steps", .fn = steps_run, .arity = 2, .flags = CMD_WRITE, .group = GROUP_SERVER},
    {.name = "debug-fail", .fn = fail_run, .arity = 2, .flags = CMD_WRITE, .group = GROUP_SERVER},
};

static int later(call *c) {
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (!call_arg_is(c, 3, rows[i].name + sizeof("debug-") - 1)) continue;
        call_later(c, &rows[i], call_arg(c, 4));
        return reply_ok(c);
    }
    return reply_syntax(c);
}

int debug_background(call *c) {
    if (call_arg_is(c, 2, "work")) return work(c);
    if (call_arg_is(c, 2, "later")) return later(c);
    return reply_syntax(c);
}
