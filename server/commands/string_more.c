/* string_more.c -- strings in part and as numbers: APPEND, SETRANGE, counters, LCS. */
#include <math.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/string_commands.h"
#include "resp/write.h"
#include "types/string.h"

static int cmd_strlen(call *c) {
    struct entry e;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, (int64_t)string_len(&e.value));
}

static int cmd_append(call *c) {
    struct entry e;
    slice key = call_arg(c, 1), more = call_arg(c, 2);
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    uint64_t length = rc == OK ? string_len(&e.value) : 0;
    if (!string_fits(c, length + more.n)) return OK;
    if (string_is_long(c, more)) return string_append_in_steps(c, more);
    rc = length == 0 && rc == ERR_NOTFOUND ? call_set_string(c, key, more, -1)
                                           : call_value(c, TYPE_STRING, STRING_APPEND, key, &more, 1);
    if (rc != OK) return rc;
    call_notify(c, '$', "append", key);
    return reply_int(c, (int64_t)(length + more.n));
}

static int cmd_setrange(call *c) {
    struct entry e;
    int64_t offset;
    slice key = call_arg(c, 1), bytes = call_arg(c, 3);
    if (!call_int(c, 2, &offset)) return OK;
    if (offset < 0) return reply_error(c, "ERR offset is out of range");
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    uint64_t length = rc == OK ? string_len(&e.value) : 0;
    if (bytes.n == 0) return reply_int(c, (int64_t)length);
    if (!string_fits(c, (uint64_t)offset + bytes.n)) return OK;
    uint8_t at[8];
    put_u64(at, (uint64_t)offset);
    slice args[2] = {slice_make(at, 8), bytes};
    if ((rc = call_value(c, TYPE_STRING, STRING_SETRANGE, key, args, 2)) != OK) return rc;
    call_notify(c, '$', "setrange", key);
    uint64_t end = (uint64_t)offset + bytes.n;
    return reply_int(c, (int64_t)(end > length ? end : length));
}

/* ---- counters ---------------------------------------------------------------------------------- */

static int incr_by(call *c, int64_t delta) {
    struct entry e;
    int64_t now = 0;
    slice key = call_arg(c, 1);
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == OK && !string_number(&e.value, &now)) {
        return reply_error(c, "ERR value is not an integer or out of range");
    }
    int64_t sum;
    if (__builtin_add_overflow(now, delta, &sum)) {
        return reply_error(c, "ERR increment or decrement would overflow");
    }
    uint8_t bytes[8];
    put_u64(bytes, (uint64_t)delta);
    slice arg = slice_make(bytes, 8);
    if ((rc = call_value(c, TYPE_STRING, STRING_INCRBY, key, &arg, 1)) != OK) return rc;
    call_notify(c, '$', "incrby", key);
    return reply_int(c, sum);
}

static int cmd_incr(call *c) { return incr_by(c, 1); }
static int cmd_decr(call *c) { return incr_by(c, -1); }

static int cmd_incrby(call *c) {
    int64_t delta;
    return call_int(c, 2, &delta) ? incr_by(c, delta) : OK;
}

static int cmd_decrby(call *c) {
    int64_t delta;
    if (!call_int(c, 2, &delta)) return OK;
    if (delta == INT64_MIN) return reply_error(c, "ERR decrement would overflow");
    return incr_by(c, -delta);
}

/* The number that a string is, however it is stored: the longest are pages. */
static int float_of(const struct value *v, long double *out) {
    char tmp[NUM_LL_MAX];
    slice s;
    buf text = BUF_INIT;
    int rc = OK;
    if (string_slice(v, tmp, &s)) return num_parse_long_double(s, out) ? OK : ERR_SYNTAX;
    if (string_len(v) >= NUM_DOUBLE_MAX) return ERR_SYNTAX;
    rc = string_read(v, 0, string_len(v), &text);
    if (rc == OK && !num_parse_long_double(slice_of(&text), out)) rc = ERR_SYNTAX;
    buf_free(&text);
    return rc;
}

/* The effect holds the sum's text: adding again on replay could print another last digit. */
static int cmd_incrbyfloat(call *c) {
    struct entry e;
    long double now = 0, delta;
    char text[NUM_DOUBLE_MAX];
    slice key = call_arg(c, 1), s;
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc == OK) rc = float_of(&e.value, &now);
    if (rc == ERR_SYNTAX) return reply_error(c, "ERR value is not a valid float");
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (!num_parse_long_double(call_arg(c, 2), &delta)) {
        return reply_error(c, "ERR value is not a valid float");
    }
    long double sum = now + delta;
    if (isnan(sum) || isinf(sum)) {
        return reply_error(c, "ERR increment would produce NaN or Infinity");
    }
    s = slice_make(text, num_print_long_double(text, sum));
    if ((rc = call_value(c, TYPE_STRING, STRING_SET, key, &s, 1)) != OK) return rc;
    call_notify(c, '$', "incrbyfloat", key);
    return reply_bulk(c, s);
}

/* ---- LCS ------------------------------------------------------------------------------------------- */

struct lcs {
    slice a, b;
    uint32_t *table; /* (a.n + 1) x (b.n + 1) */
    bool length_only, idx, with_len;
    int64_t min_len;
};

static uint32_t *cell(const struct lcs *l, size_t i, size_t j) { return &l->table[i * (l->b.n + 1) + j]; }

static void lcs_fill(const struct lcs *l) {
    for (size_t i = 0; i <= l->a.n; i++) {
        for (size_t j = 0; j <= l->b.n; j++) {
            if (i == 0 || j == 0) *cell(l, i, j) = 0;
            else if (l->a.p[i - 1] == l->b.p[j - 1]) *cell(l, i, j) = *cell(l, i - 1, j - 1) + 1;
            else {
                uint32_t up = *cell(l, i - 1, j), left = *cell(l, i, j - 1);
                *cell(l, i, j) = up > left ? up : left;
            }
        }
    }
}

static void lcs_match(call *c, const struct lcs *l, size_t a, size_t b, size_t n, size_t *count) {
    if ((int64_t)n < l->min_len) return;
    reply_array(c, l->with_len ? 3 : 2);
    reply_array(c, 2);
    reply_int(c, (int64_t)a);
    reply_int(c, (int64_t)(a + n - 1));
    reply_array(c, 2);
    reply_int(c, (int64_t)b);
    reply_int(c, (int64_t)(b + n - 1));
    if (l->with_len) reply_int(c, (int64_t)n);
    ++*count;
}

/* Walks back from the end: the common bytes into out (from its end), or runs as matches. */
static void lcs_walk(call *c, const struct lcs *l, uint8_t *out, size_t *matches) {
    size_t i = l->a.n, j = l->b.n, at = *cell(l, i, j), run = 0;
    while (i > 0 && j > 0) {
        if (l->a.p[i - 1] == l->b.p[j - 1]) {
            if (out != NULL) out[--at] = l->a.p[i - 1];
            run++;
            i--;
            j--;
            continue;
        }
        if (run > 0 && matches != NULL) lcs_match(c, l, i, j, run, matches);
        run = 0;
        if (*cell(l, i - 1, j) > *cell(l, i, j - 1)) i--;
        else j--;
    }
    if (run > 0 && matches != NULL) lcs_match(c, l, i, j, run, matches);
}

static int lcs_reply(call *c, const struct lcs *l) {
    uint32_t total = *cell(l, l->a.n, l->b.n);
    if (l->length_only) return reply_int(c, total);
    if (!l->idx) {
        uint8_t *out = mem_alloc(total + 1);
        lcs_walk(c, l, out, NULL);
        reply_bulk(c, slice_make(out, total));
        mem_free(out);
        return OK;
    }
    size_t n = 0;
    reply_map(c, 2);
    reply_bulk_str(c, "matches");
    size_t mark = reply_deferred(c);
    lcs_walk(c, l, NULL, &n);
    reply_deferred_array(c, mark, n);
    reply_bulk_str(c, "len");
    return reply_int(c, total);
}

static int lcs_string(call *c, size_t i, buf *out) {
    struct entry e;
    int rc = call_read(c, call_arg(c, i), &e);
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    if (e.value.type != TYPE_STRING) return ERR_TYPE;
    return string_read(&e.value, 0, string_len(&e.value), out);
}

static int lcs_run(call *c, struct lcs *l) {
    int64_t max = exec_deps(call_exec(c))->keyspace_config->types.proto_max_bulk_len;
    if (l->a.n >= UINT32_MAX - 1 || l->b.n >= UINT32_MAX - 1) {
        return reply_error(c, "ERR String too long for LCS");
    }
    size_t cells = (l->a.n + 1) * (l->b.n + 1);
    if ((l->a.n + 1) > SIZE_MAX / sizeof(uint32_t) / (l->b.n + 1) ||
        cells * sizeof(uint32_t) > (size_t)max) {
        return reply_error(c, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    }
    l->table = mem_try_alloc(cells * sizeof(uint32_t));
    if (l->table == NULL) return reply_error(c, "ERR Insufficient memory, failed allocating transient memory for LCS");
    lcs_fill(l);
    lcs_reply(c, l);
    mem_free(l->table);
    return OK;
}

/* False after a reply. */
static bool lcs_options(call *c, struct lcs *l) {
    for (size_t i = 3; i < call_argc(c); i++) {
        if (call_arg_is(c, i, "idx")) l->idx = true;
        else if (call_arg_is(c, i, "len")) l->length_only = true;
        else if (call_arg_is(c, i, "withmatchlen")) l->with_len = true;
        else if (call_arg_is(c, i, "minmatchlen") && i + 1 < call_argc(c)) {
            if (!call_int(c, ++i, &l->min_len)) return false;
            if (l->min_len < 0) l->min_len = 0;
        } else {
            reply_syntax(c);
            return false;
        }
    }
    if (!l->idx || !l->length_only) return true;
    reply_error(c, "ERR If you want both the length and indexes, please just use IDX.");
    return false;
}

/* Another type answers before the options are looked at, as in Redis. */
static int cmd_lcs(call *c) {
    struct lcs l = {.min_len = 0};
    buf a = BUF_INIT, b = BUF_INIT;
    int rc = lcs_string(c, 1, &a), rc2 = lcs_string(c, 2, &b);
    if (rc == OK || rc2 == ERR_TYPE) rc = rc2;
    if (rc == ERR_TYPE) {
        reply_error(c, "ERR The specified keys must contain string values");
        rc = OK;
    } else if (rc == OK && lcs_options(c, &l)) {
        l.a = slice_of(&a);
        l.b = slice_of(&b);
        rc = lcs_run(c, &l);
    }
    buf_free(&a);
    buf_free(&b);
    return rc;
}

#define W CMD_WRITE | CMD_DENYOOM
#define G .group = GROUP_STRING
#define RW ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE)
static const struct command rows[] = {
    {.name = "strlen", .fn = cmd_strlen, .arity = 2, .flags = CMD_READONLY | CMD_FAST, G, .keys = ONE_KEY(KEY_RO),
     .since = "2.2.0", .summary = "Get the length of the value stored in a key", .complexity = "O(1)"},
    {.name = "append", .fn = cmd_append, .arity = 3, .flags = W | CMD_FAST, G, .keys = ONE_KEY(KEY_RW | KEY_INSERT),
     .since = "2.0.0", .summary = "Append a value to a key", .complexity = "O(1)"},
    {.name = "setrange", .fn = cmd_setrange, .arity = 4, .flags = W, G, .keys = ONE_KEY(KEY_RW | KEY_UPDATE),
     .since = "2.2.0", .summary = "Overwrite part of a string at key starting at the specified offset",
     .complexity = "O(N) where N is the length of the value"},
    {.name = "getrange", .fn = cmd_getrange, .arity = 4, .flags = CMD_READONLY, G,
     .keys = ONE_KEY(KEY_RO | KEY_ACCESS), .since = "2.4.0",
     .summary = "Get a substring of the string stored at a key",
     .complexity = "O(N) where N is the length of the returned string"},
    {.name = "substr", .fn = cmd_getrange, .arity = 4, .flags = CMD_READONLY, G,
     .keys = ONE_KEY(KEY_RO | KEY_ACCESS), .since = "1.0.0",
     .summary = "Get a substring of the string stored at a key",
     .complexity = "O(N) where N is the length of the returned string"},
    {.name = "incr", .fn = cmd_incr, .arity = 2, .flags = W | CMD_FAST, G, .keys = RW, .since = "1.0.0",
     .summary = "Increment the integer value of a key by one", .complexity = "O(1)"},
    {.name = "decr", .fn = cmd_decr, .arity = 2, .flags = W | CMD_FAST, G, .keys = RW, .since = "1.0.0",
     .summary = "Decrement the integer value of a key by one", .complexity = "O(1)"},
    {.name = "incrby", .fn = cmd_incrby, .arity = 3, .flags = W | CMD_FAST, G, .keys = RW, .since = "1.0.0",
     .summary = "Increment the integer value of a key by the given amount", .complexity = "O(1)"},
    {.name = "decrby", .fn = cmd_decrby, .arity = 3, .flags = W | CMD_FAST, G, .keys = RW, .since = "1.0.0",
     .summary = "Decrement the integer value of a key by the given number", .complexity = "O(1)"},
    {.name = "incrbyfloat", .fn = cmd_incrbyfloat, .arity = 3, .flags = W | CMD_FAST, G, .keys = RW,
     .since = "2.6.0", .summary = "Increment the float value of a key by the given amount", .complexity = "O(1)"},
    {.name = "lcs", .fn = cmd_lcs, .arity = -3, .flags = CMD_READONLY, G,
     .keys = {KEY_AT(KEY_RO | KEY_ACCESS, 1, 1, 1)}, .since = "7.0.0", .summary = "Find longest common substring",
     .complexity = "O(N*M) where N and M are the lengths of s1 and s2, respectively"},
};
const struct command_family family_string_more = {rows, sizeof(rows) / sizeof(*rows)};
