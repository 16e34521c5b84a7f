/* bitop.c -- BITOP: strings combined bit by bit. Short ones go on with zeros. */
#include "base/mem.h"
#include "commands/bitmap_commands.h"
#include "commands/commands.h"
#include "commands/string_commands.h"
#include "types/string.h"

/* Those after NOT, with a first key x and others y: DIFF x and no y; DIFF1 a y and not x; ANDOR x
 * and a y; ONE exactly one of all. */
enum bitop {
    BITOP_AND, BITOP_OR, BITOP_XOR, BITOP_NOT, BITOP_DIFF, BITOP_DIFF1, BITOP_ANDOR, BITOP_ONE
};

static uint64_t word(enum bitop op, uint64_t a, uint64_t b) {
    switch (op) {
    case BITOP_AND: case BITOP_ANDOR: return a & b;
    case BITOP_OR: return a | b;
    case BITOP_XOR: case BITOP_ONE: return a ^ b;
    case BITOP_NOT: return ~b;
    case BITOP_DIFF: return b & ~a;
    case BITOP_DIFF1: return a & ~b;
    }
    return a;
}

/* One more string; with ONE, what was there already is noted in `twice`. */
static void combine(enum bitop op, uint8_t *to, uint8_t *twice, slice s) {
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t a = get_u64(to + i), b = get_u64(s.p + i);
        if (op == BITOP_ONE) put_u64(twice + i, get_u64(twice + i) | (a & b));
        put_u64(to + i, word(op, a, b));
    }
    for (; i < s.n; i++) {
        if (op == BITOP_ONE) twice[i] |= to[i] & s.p[i];
        to[i] = (uint8_t)word(op, to[i], s.p[i]);
    }
}

/* One string's bytes from `from` on into the n bytes of the result. All its cold pages are asked for. */
static int take_in(enum bitop op, const struct value *v, uint64_t from, uint8_t *to, uint8_t *twice, uint64_t n) {
    uint64_t length = string_len(v) > from ? string_len(v) - from : 0;
    int cold = OK;
    buf part = BUF_INIT;
    if (length > n) length = n;
    for (uint64_t at = 0; at < length; at += PAGE_BYTES) {
        part.n = 0;
        int rc = string_read(v, from + at, length - at < PAGE_BYTES ? length - at : PAGE_BYTES, &part);
        if (rc == OK) combine(op, to + at, twice == NULL ? NULL : twice + at, slice_of(&part));
        else cold = rc;
        if (rc != OK && rc != ERR_COLD) break;
    }
    buf_free(&part);
    bool clears = op == BITOP_AND || op == BITOP_ANDOR || op == BITOP_DIFF;
    if (clears && length < n) memset(to + length, 0, (size_t)(n - length));
    return cold;
}

/* Everything is looked up twice: the first time may remove a key whose time has come, and what was found
 * before a change does not count after it. */
static int source_length(call *c, uint64_t *n) {
    struct entry e;
    bool cold = false;
    *n = 0;
    for (size_t i = 3; i < call_argc(c); i++) {
        int rc = call_read_type(c, call_arg(c, i), TYPE_STRING, &e);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
        else if (rc == OK && string_len(&e.value) > *n) *n = string_len(&e.value);
    }
    return cold ? ERR_COLD : OK;
}

static int zeros(buf *b, uint64_t n) {
    if (buf_try_reserve(b, (size_t)n) != OK) return ERR_NOMEM;
    memset(b->p, 0, (size_t)n);
    b->n = (size_t)n;
    return OK;
}

/* DIFF, DIFF1 and ANDOR: the others are united first, then the first key's string has its say. */
static bool first_comes_last(enum bitop op) {
    return op == BITOP_DIFF || op == BITOP_DIFF1 || op == BITOP_ANDOR;
}

static int work(call *c, enum bitop op, uint64_t from, uint64_t n, uint8_t *to, uint8_t *twice) {
    bool cold = false, last = first_comes_last(op);
    size_t keys = call_argc(c) - 3;
    for (size_t k = 0; k < keys; k++) {
        struct entry e;
        size_t i = 3 + (last ? (k + 1) % keys : k);
        enum bitop how = last && i != 3 ? BITOP_OR : op;
        if (op == BITOP_AND && i == 3) how = BITOP_OR; /* A copy. */
        int rc = call_peek(c, call_arg(c, i), &e);
        if (rc == ERR_NOTFOUND) memset(&e.value, 0, sizeof(e.value)); /* an empty string */
        else if (rc != OK) return rc;
        rc = take_in(how, &e.value, from, to, twice, n);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK) return rc;
    }
    return cold ? ERR_COLD : OK;
}

/* n bytes of the result, from `from` on. */
static int compute(call *c, enum bitop op, uint64_t from, uint64_t n, buf *result) {
    buf twice = BUF_INIT;
    int rc = zeros(result, n);
    if (rc == OK && op == BITOP_ONE) rc = zeros(&twice, n);
    if (rc == OK) rc = work(c, op, from, n, result->p, twice.p);
    for (size_t i = 0; rc == OK && i < twice.n; i++) result->p[i] &= (uint8_t)~twice.p[i];
    buf_free(&twice);
    return rc;
}

/* Redis calls what BITOP has made "raw", however short it is, and so does a string that was changed in
 * place. */
static int store(call *c, slice key, slice result) {
    bool twice = result.n <= STRING_EMBSTR_MAX;
    int rc = call_set_string(c, key, twice ? SLICE("") : result, -1);
    if (rc == OK && twice) rc = call_value(c, TYPE_STRING, STRING_APPEND, key, &result, 1);
    if (rc == OK) call_notify(c, '$', "set", key);
    return rc;
}

static int remove_old(call *c, slice key) {
    struct entry e;
    int rc = call_write(c, key, &e);
    if (rc == OK && (rc = call_del(c, key)) == OK) call_notify(c, 'g', "del", key);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* ---- very long ones, in steps -------------------------------------------------------------------------- */

#define COMBINED_IN_A_STEP ((size_t)128 << 10) /* bytes of the result */
#define COMBINED_IN_A_STEP_MIN ((size_t)4 << 10) /* when there are many strings */

struct long_op {
    enum bitop op;
    uint64_t n, at;
};

static int long_step(call *c, void *w, bool *done) {
    struct long_op *l = w;
    size_t most = COMBINED_IN_A_STEP / (call_argc(c) - 3);
    buf part = BUF_INIT;
    int rc = l->at == 0 ? source_length(c, &l->n) : OK;
    if (rc != OK) return rc;
    if (l->n == 0) return ERR_PRECOND;
    *done = l->at == l->n;
    if (*done) return OK;
    if (most < COMBINED_IN_A_STEP_MIN) most = COMBINED_IN_A_STEP_MIN;
    rc = compute(c, l->op, l->at, l->n - l->at < most ? l->n - l->at : most, &part);
    if (rc == OK) {
        slice bytes = slice_of(&part);
        rc = call_steps_value(c, TYPE_STRING, STRING_APPEND, &bytes, 1);
    }
    if (rc == OK) l->at += part.n;
    buf_free(&part);
    return rc;
}

static int long_finish(call *c, void *w) {
    const struct long_op *l = w;
    int rc = call_steps_take(c, call_arg(c, 2));
    if (rc != OK) return rc;
    call_notify(c, '$', "set", call_arg(c, 2));
    return reply_int(c, (int64_t)l->n);
}

static void long_restart(void *w) { ((struct long_op *)w)->at = 0; }

static int in_steps(call *c, enum bitop op) {
    static const struct steps_job ops = {long_step, long_finish, long_restart, mem_free};
    struct long_op *l = mem_alloc(sizeof(*l));
    *l = (struct long_op){.op = op};
    return call_steps(c, &ops, l, call_argv(c) + 3, call_argc(c) - 3);
}

/* ---- the command --------------------------------------------------------------------------------------- */

int cmd_bitop(call *c) {
    static const char *const names[] = {"and", "or", "xor", "not", "diff", "diff1", "andor", "one"};
    unsigned op = 0, count = sizeof(names) / sizeof(*names);
    uint64_t n;
    while (op < count && !call_arg_is(c, 1, names[op])) op++;
    if (op == count) return reply_syntax(c);
    if (op == BITOP_NOT && call_argc(c) != 4) {
        return reply_error(c, "ERR BITOP NOT must be called with a single source key.");
    }
    if (first_comes_last((enum bitop)op) && call_argc(c) < 5) {
        const char *name = op == BITOP_DIFF ? "DIFF" : op == BITOP_DIFF1 ? "DIFF1" : "ANDOR";
        return reply_errorf(c, "ERR BITOP %s must be called with at least two source keys.", name);
    }
    buf result = BUF_INIT;
    int rc = source_length(c, &n);
    if (rc == OK && n * (call_argc(c) - 3) >= STRING_STEPS_FROM_BYTES && call_may_step(c)) return in_steps(c, (enum bitop)op);
    if (rc == OK && n > 0) rc = compute(c, (enum bitop)op, 0, n, &result);
    if (rc == OK) {
        rc = n > 0 ? store(c, call_arg(c, 2), slice_of(&result)) : remove_old(c, call_arg(c, 2));
    }
    buf_free(&result);
    return rc == OK ? reply_int(c, (int64_t)n) : rc;
}
