/* bitop.c -- BITOP: strings combined bit by bit. Short ones go on with zeros. */
#include "base/mem.h"
#include "commands/bitmap_commands.h"
#include "commands/commands.h"
#include "types/string.h"

enum bitop { BITOP_AND, BITOP_OR, BITOP_XOR, BITOP_NOT };

static void combine(enum bitop op, uint8_t *to, slice s) {
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t a = get_u64(to + i), b = get_u64(s.p + i);
        switch (op) {
        case BITOP_AND: a &= b; break;
        case BITOP_OR: a |= b; break;
        case BITOP_XOR: a ^= b; break;
        case BITOP_NOT: a = ~b; break;
        }
        put_u64(to + i, a);
    }
    for (; i < s.n; i++) {
        switch (op) {
        case BITOP_AND: to[i] &= s.p[i]; break;
        case BITOP_OR: to[i] |= s.p[i]; break;
        case BITOP_XOR: to[i] ^= s.p[i]; break;
        case BITOP_NOT: to[i] = (uint8_t)~s.p[i]; break;
        }
    }
}

/* One string into the n bytes of the result; the first is copied. All its cold pages are asked for. */
static int take_in(enum bitop op, bool first, const struct value *v, uint8_t *to, uint64_t n) {
    uint64_t length = string_len(v);
    int cold = OK;
    buf part = BUF_INIT;
    for (uint64_t at = 0; at < length; at += PAGE_BYTES) {
        part.n = 0;
        int rc = string_read(v, at, PAGE_BYTES, &part);
        if (rc == OK) combine(first && op != BITOP_NOT ? BITOP_OR : op, to + at, slice_of(&part));
        else cold = rc;
        if (rc != OK && rc != ERR_COLD) break;
    }
    buf_free(&part);
    if (op == BITOP_AND && length < n) memset(to + length, 0, (size_t)(n - length));
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

static int work(call *c, enum bitop op, uint64_t n, buf *result) {
    bool cold = false;
    if (buf_try_reserve(result, (size_t)n) != OK) return ERR_NOMEM;
    memset(result->p, 0, (size_t)n);
    result->n = (size_t)n;
    for (size_t i = 3; i < call_argc(c); i++) {
        struct entry e;
        int rc = call_peek(c, call_arg(c, i), &e);
        if (rc == ERR_NOTFOUND) memset(&e.value, 0, sizeof(e.value)); /* an empty string */
        else if (rc != OK) return rc;
        rc = take_in(op, i == 3, &e.value, result->p, n);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK) return rc;
    }
    return cold ? ERR_COLD : OK;
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

int cmd_bitop(call *c) {
    static const char *const names[] = {"and", "or", "xor", "not"};
    int op = 0;
    uint64_t n;
    while (op < 4 && !call_arg_is(c, 1, names[op])) op++;
    if (op == 4) return reply_syntax(c);
    if (op == BITOP_NOT && call_argc(c) != 4) {
        return reply_error(c, "ERR BITOP NOT must be called with a single source key.");
    }
    buf result = BUF_INIT;
    int rc = source_length(c, &n);
    if (rc == OK && n > 0) rc = work(c, (enum bitop)op, n, &result);
    if (rc == OK) {
        rc = n > 0 ? store(c, call_arg(c, 2), slice_of(&result)) : remove_old(c, call_arg(c, 2));
    }
    buf_free(&result);
    return rc == OK ? reply_int(c, (int64_t)n) : rc;
}
