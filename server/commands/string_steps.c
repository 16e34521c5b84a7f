/* string_steps.c -- long strings written in steps (call_steps()): set, and appended to others. */
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/string_commands.h"
#include "types/string.h"

#define WRITTEN_IN_A_STEP ((size_t)128 << 10)

struct long_write {
    slice bytes;
    size_t at;
    bool append, begun; /* begun: what the key holds is there already */
    uint64_t before, most; /* append: its length; the longest that a string may be */
    int64_t expire_ms;
};

/* What it is appended to, as it is now. */
static int take_old(call *c, struct long_write *w) {
    struct entry e;
    int rc = call_peek(c, call_arg(c, 1), &e);
    w->before = 0;
    w->begun = rc == ERR_NOTFOUND;
    if (rc != OK) return w->begun ? OK : rc;
    if (e.value.type != TYPE_STRING || string_len(&e.value) + w->bytes.n > w->most) return ERR_PRECOND;
    w->before = string_len(&e.value);
    rc = w->before > 0 ? call_steps_copy(c, call_arg(c, 1)) : OK;
    w->begun = rc == OK;
    return rc;
}

static int step(call *c, void *work, bool *done) {
    struct long_write *w = work;
    size_t left = w->bytes.n - w->at;
    slice part = slice_make(w->bytes.p + w->at, left < WRITTEN_IN_A_STEP ? left : WRITTEN_IN_A_STEP);
    *done = left == 0;
    if (*done) return OK;
    if (w->append && !w->begun) return take_old(c, w);
    int rc = call_steps_value(c, TYPE_STRING, STRING_APPEND, &part, 1);
    if (rc == OK) w->at += part.n;
    return rc;
}

static int finish(call *c, void *work) {
    const struct long_write *w = work;
    slice key = call_arg(c, 1);
    int rc = call_steps_take(c, key);
    if (rc == OK && w->expire_ms >= 0) rc = call_expire(c, key, w->expire_ms);
    if (rc != OK) return rc;
    call_notify(c, '$', w->append ? "append" : "set", key);
    if (w->expire_ms >= 0) call_notify(c, 'g', "expire", key);
    return w->append ? reply_int(c, (int64_t)(w->before + w->bytes.n)) : reply_ok(c);
}

static void restart(void *work) {
    struct long_write *w = work;
    w->at = 0;
    w->begun = false;
}

static int begin(call *c, struct long_write how) {
    static const struct steps_job ops = {step, finish, restart, mem_free};
    struct long_write *w = mem_alloc(sizeof(*w));
    *w = how;
    return call_steps(c, &ops, w, call_argv(c) + 1, how.append ? 1 : 0);
}

bool string_is_long(const call *c, slice bytes) { return bytes.n >= STRING_STEPS_FROM_BYTES && call_may_step(c); }

int string_set_in_steps(call *c, slice bytes, int64_t expire_ms) {
    return begin(c, (struct long_write){.bytes = bytes, .expire_ms = expire_ms});
}

int string_append_in_steps(call *c, slice bytes) {
    int64_t most = exec_deps(call_exec(c))->keyspace_config->types.proto_max_bulk_len;
    return begin(c, (struct long_write){.bytes = bytes, .append = true, .most = (uint64_t)most, .expire_ms = -1});
}
