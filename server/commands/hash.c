/* hash.c -- the hash commands: fields set, read, counted up, walked, drawn by lot (hash_random.c). */
#include "types/hash.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "commands/args_steps.h"
#include "commands/commands.h"
#include "commands/elements.h"
#include "commands/hash_commands.h"
#include "commands/keyspecs.h"
#include "resp/write.h"


/* ---- looking up --------------------------------------------------------------------------------- */

/* For reading. ERR_NOTFOUND: no such key; the caller answers its own nothing. */
static int read_hash(call *c, struct entry *e) {
    return call_read_type(c, call_arg(c, 1), TYPE_HASH, e);
}

int hash_for_writing(call *c, struct entry *e) {
    int rc = call_write_type(c, call_arg(c, 1), TYPE_HASH, e);
    if (rc != ERR_NOTFOUND) return rc;
    memset(&e->value, 0, sizeof(e->value));
    return OK;
}

int hash_need_args(call *c, const struct value *v, size_t first, size_t step) {
    int cold = OK;
    for (size_t i = first; i < call_argc(c); i += step) {
        int rc = hash_need(v, call_arg(c, i));
        if (rc == ERR_COLD) cold = ERR_COLD;
        else if (rc != OK) return rc;
    }
    return cold;
}

/* The number of fields now, after an effect on the key. */
static int length_now(call *c, uint64_t *n) {
    struct entry e;
    *n = 0;
    int rc = call_peek(c, call_arg(c, 1), &e);
    if (rc == OK) *n = hash_len(&e.value);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* ---- setting ------------------------------------------------------------------------------------ */

/* More than an effect can hold are several effects: their pages have been asked for. */
int hash_set_pairs(call *c, uint8_t op, const slice *args, size_t n) {
    assert(n % 2 == 0 && EFFECT_ARGS_MAX % 2 == 0);
    for (size_t at = 0; at < n;) {
        size_t part = n - at < EFFECT_ARGS_MAX ? n - at : EFFECT_ARGS_MAX;
        int rc = call_value(c, TYPE_HASH, op, call_arg(c, 1), args + at, part);
        if (rc != OK) return rc;
        at += part;
    }
    return OK;
}

bool hash_pairs_ok(call *c, size_t first) {
    for (size_t i = first; i + 1 < call_argc(c); i += 2) {
        if (hash_pair_ok(call_arg(c, i), call_arg(c, i + 1)) == OK) continue;
        reply_error(c, "ERR field or value exceeds the maximum size of a hash element");
        return false;
    }
    return true;
}

static int set_all(call *c, bool count) {
    struct entry e;
    uint64_t before, after;
    if (call_argc(c) % 2 != 0) return reply_arity(c);
    int rc = hash_for_writing(c, &e);
    if (rc != OK) return rc;
    if (!hash_pairs_ok(c, 2)) return OK;
    if (args_are_many(c, 2, 2))
        return args_in_steps(c, &(struct args_job){.type = TYPE_HASH, .op = HASH_SET, .first = 2, .per = 2, .class = 'h',
                                                   .answer = count ? ARGS_GROWTH : ARGS_OK, .event = "hset",
                                                   .always = true});
    if (call_argc(c) - 2 > EFFECT_ARGS_MAX && e.value.kind != VALUE_NONE &&
        (rc = hash_need_args(c, &e.value, 2, 2)) != OK) {
        return rc; /* A single effect asks for all that it changes itself. */
    }
    before = e.value.kind == VALUE_NONE ? 0 : hash_len(&e.value);
    if ((rc = hash_set_pairs(c, HASH_SET, call_argv(c) + 2, call_argc(c) - 2)) != OK) return rc;
    call_notify(c, 'h', "hset", call_arg(c, 1));
    if (!count) return reply_ok(c);
    if ((rc = length_now(c, &after)) != OK) return rc;
    assert(after >= before);
    return reply_int(c, (int64_t)(after - before));
}

static int cmd_hset(call *c) { return set_all(c, true); }
static int cmd_hmset(call *c) { return set_all(c, false); }

static int cmd_hsetnx(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    slice old;
    int rc = hash_for_writing(c, &e);
    if (rc != OK) return rc;
    rc = e.value.kind == VALUE_NONE ? ERR_NOTFOUND : hash_get(&e.value, call_arg(c, 2), &old, tmp);
    if (rc == OK) return reply_int(c, 0);
    if (rc != ERR_NOTFOUND) return rc;
    if (!hash_pairs_ok(c, 2)) return OK;
    if ((rc = hash_set_pairs(c, HASH_SET, call_argv(c) + 2, 2)) != OK) return rc;
    call_notify(c, 'h', "hset", call_arg(c, 1));
    return reply_int(c, 1);
}

static int cmd_hdel(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    bool any = false;
    int rc = hash_for_writing(c, &e);
    if (rc != OK) return rc;
    if (e.value.kind == VALUE_NONE) return reply_int(c, 0);
    if (args_are_many(c, 2, 1))
        return args_in_steps(c, &(struct args_job){.type = TYPE_HASH, .op = HASH_DEL, .first = 2, .per = 1,
                                                   .answer = ARGS_LOSS, .class = 'h', .event = "hdel"});
    if ((rc = hash_need_args(c, &e.value, 2, 1)) != OK) return rc;
    e.value.now_ms = 0; /* What has expired is removed like the rest, and counts, as in Redis. */
    for (size_t i = 2; i < call_argc(c) && !any; i++) {
        rc = hash_get(&e.value, call_arg(c, i), NULL, tmp);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        any = rc == OK;
    }
    if (!any) return reply_int(c, 0);
    uint64_t before = hash_len(&e.value), after = before;
    for (size_t at = 2; at < call_argc(c) && after > 0;) {
        size_t part = call_argc(c) - at < EFFECT_ARGS_MAX ? call_argc(c) - at : EFFECT_ARGS_MAX;
        rc = call_value(c, TYPE_HASH, HASH_DEL, call_arg(c, 1), call_argv(c) + at, part);
        if (rc != OK || (rc = length_now(c, &after)) != OK) return rc;
        at += part;
    }
    call_notify(c, 'h', "hdel", call_arg(c, 1));
    if (after == 0) call_notify(c, 'g', "del", call_arg(c, 1));
    assert(after < before);
    return reply_int(c, (int64_t)(before - after));
}

/* ---- counting up -------------------------------------------------------------------------------- */

/* The field's bytes; ERR_NOTFOUND when it, or the key, is not there. */
static int current(call *c, struct entry *e, slice *s, char tmp[NUM_LL_MAX]) {
    int rc = hash_for_writing(c, e);
    if (rc != OK) return rc;
    return e->value.kind == VALUE_NONE ? ERR_NOTFOUND : hash_get(&e->value, call_arg(c, 2), s, tmp);
}

/* A field that is there keeps its expiry. */
static int store_number(call *c, bool there, slice text, const char *event) {
    slice pair[2] = {call_arg(c, 2), text};
    if (hash_pair_ok(pair[0], pair[1]) != OK) {
        return reply_error(c, "ERR field or value exceeds the maximum size of a hash element");
    }
    int rc = hash_set_pairs(c, there ? HASH_SET_KEEP : HASH_SET, pair, 2);
    if (rc != OK) return rc;
    call_notify(c, 'h', event, call_arg(c, 1));
    return OK;
}

static int cmd_hincrby(call *c) {
    struct entry e;
    int64_t delta, now = 0, sum;
    char tmp[NUM_LL_MAX], text[NUM_LL_MAX];
    slice s;
    if (!call_int(c, 3, &delta)) return OK;
    int rc = current(c, &e, &s, tmp);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == OK && !num_parse_ll(s, &now)) return reply_error(c, "ERR hash value is not an integer");
    if (__builtin_add_overflow(now, delta, &sum)) {
        return reply_error(c, "ERR increment or decrement would overflow");
    }
    size_t mark = call_out(c)->n;
    rc = store_number(c, rc == OK, slice_make(text, num_print_ll(text, sum)), "hincrby");
    if (rc != OK || call_out(c)->n != mark) return rc;
    return reply_int(c, sum);
}

/* The effect holds the sum's text: adding again on replay could print another last digit. */
static int cmd_hincrbyfloat(call *c) {
    struct entry e;
    long double delta, now = 0;
    char tmp[NUM_LL_MAX], text[NUM_DOUBLE_MAX];
    slice s;
    if (!num_parse_long_double(call_arg(c, 3), &delta)) {
        return reply_error(c, "ERR value is not a valid float");
    }
    if (isnan(delta) || isinf(delta)) return reply_error(c, "ERR value is NaN or Infinity");
    int rc = current(c, &e, &s, tmp);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == OK && !num_parse_long_double(s, &now)) {
        return reply_error(c, "ERR hash value is not a float");
    }
    long double sum = now + delta;
    if (isnan(sum) || isinf(sum)) {
        return reply_error(c, "ERR increment would produce NaN or Infinity");
    }
    s = slice_make(text, num_print_long_double(text, sum));
    size_t mark = call_out(c)->n;
    rc = store_number(c, rc == OK, s, "hincrbyfloat");
    if (rc != OK || call_out(c)->n != mark) return rc;
    return reply_bulk(c, s);
}

/* ---- reading ------------------------------------------------------------------------------------ */

static int cmd_hget(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    slice s;
    int rc = read_hash(c, &e);
    if (rc == OK) rc = hash_get(&e.value, call_arg(c, 2), &s, tmp);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    return rc != OK ? rc : reply_bulk(c, s);
}

static int write_field(const struct value *v, slice field, int proto, buf *out) {
    char tmp[NUM_LL_MAX];
    slice s;
    int rc = hash_get(v, field, &s, tmp);
    if (rc == OK) resp_bulk(out, s);
    else if (rc == ERR_NOTFOUND) resp_null(out, proto);
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int cmd_hmget(call *c) {
    struct entry e;
    int rc = read_hash(c, &e);
    bool there = rc == OK;
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (there && args_are_many(c, 2, 1)) return args_read_in_steps(c, &e.value, write_field);
    if (there && (rc = hash_need_args(c, &e.value, 2, 1)) != OK) return rc;
    reply_array(c, call_argc(c) - 2);
    for (size_t i = 2; i < call_argc(c); i++) {
        char tmp[NUM_LL_MAX];
        slice s;
        rc = there ? hash_get(&e.value, call_arg(c, i), &s, tmp) : ERR_NOTFOUND;
        if (rc == OK) reply_bulk(c, s);
        else if (rc == ERR_NOTFOUND) reply_null(c);
        else return rc; /* What was written is taken back. */
    }
    return OK;
}

static int cmd_hlen(call *c) {
    struct entry e;
    int rc = read_hash(c, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, (int64_t)hash_len(&e.value));
}

static int cmd_hstrlen(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    slice s;
    int rc = read_hash(c, &e);
    if (rc == OK) rc = hash_get(&e.value, call_arg(c, 2), &s, tmp);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, (int64_t)s.n);
}

static int cmd_hexists(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    int rc = read_hash(c, &e);
    if (rc == OK) rc = hash_get(&e.value, call_arg(c, 2), NULL, tmp);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, 1);
}

#define WITH_FIELDS 1u
#define WITH_VALUES 2u

static int walk_pair(void *cookie, slice field, slice val) {
    struct walk *w = cookie;
    if (!w->all && !glob_match(w->pattern, field, false)) return 0;
    if ((w->parts & WITH_FIELDS) != 0) resp_bulk(w->out, field);
    if ((w->parts & WITH_VALUES) != 0) resp_bulk(w->out, val);
    w->n += w->parts == (WITH_FIELDS | WITH_VALUES) ? 2 : 1;
    return field.n + val.n >= READ_LONG_BYTES && w->out->n >= w->limit ? WALK_ENDS : 0;
}

static int walk_next(void *cookie, slice field, slice val) {
    ((struct walk *)cookie)->seen++;
    return walk_pair(cookie, field, val);
}

static int walk_scan(const struct value *v, uint64_t *cursor, size_t count, struct walk *w) {
    return hash_scan(v, cursor, count, walk_next, w);
}

/* How many fields have not expired is known at the end of the walk. */
static int walk_timed(call *c, const struct value *v, struct walk *w, bool map) {
    size_t mark = reply_deferred(c);
    int rc = hash_each(v, walk_pair, w);
    if (rc != OK) return rc;
    if (map) reply_deferred_map(c, mark, w->n / 2);
    else reply_deferred_array(c, mark, w->n);
    return OK;
}

static int walk_here(call *c, const struct value *v, struct walk *w) {
    bool map = w->reply == WALK_MAP;
    uint64_t n = v == NULL ? 0 : hash_len(v);
    if (n > 0 && hash_timed(v)) return walk_timed(c, v, w, map);
    if (map) reply_map(c, n);
    else reply_array(c, n);
    if (n == 0) return OK;
    int rc = hash_each(v, walk_pair, w);
    if (rc != OK) return rc;
    return w->n == (map ? 2 * n : n) ? OK : ERR_CORRUPT; /* The stored count was wrong. */
}

static int walk_all(call *c, unsigned parts) {
    struct entry e;
    size_t mark = call_out(c)->n;
    struct walk w = {.scan = walk_scan, .out = call_out(c), .parts = parts, .all = true, .limit = walk_limit(c, call_out(c)),
                     .reply = parts == (WITH_FIELDS | WITH_VALUES) ? WALK_MAP : WALK_ARRAY};
    int rc = read_hash(c, &e);
    if (rc == ERR_NOTFOUND) return walk_here(c, NULL, &w);
    if (rc != OK) return rc;
    rc = walk_is_long(c, UINT64_MAX, hash_len(&e.value)) ? WALK_ENDS : walk_here(c, &e.value, &w);
    if (rc != WALK_ENDS) return rc;
    call_out(c)->n = mark;
    return walk_in_steps(c, &e.value, &w, 0, UINT64_MAX);
}

static int cmd_hgetall(call *c) { return walk_all(c, WITH_FIELDS | WITH_VALUES); }
static int cmd_hkeys(call *c) { return walk_all(c, WITH_FIELDS); }
static int cmd_hvals(call *c) { return walk_all(c, WITH_VALUES); }

/* ---- HSCAN -------------------------------------------------------------------------------------- */

static int cmd_hscan(call *c) {
    struct walk w = {.scan = walk_scan, .parts = WITH_FIELDS | WITH_VALUES};
    return elements_scan(c, read_hash, hash_len, w, WITH_FIELDS);
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define W CMD_WRITE | CMD_DENYOOM
#define R CMD_READONLY
#define G .group = GROUP_HASH
#define RO ONE_KEY(KEY_RO)
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
static const struct command rows[] = {
    {.name = "hset", .fn = cmd_hset, .arity = -4, .flags = W | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .element = 2, .since = "2.0.0",
     .summary = "Set the string value of a hash field",
     .complexity = "O(1) for each field/value pair added, so O(N) to add N field/value pairs when "
                   "the command is called with multiple field/value pairs."},
    {.name = "hmset", .fn = cmd_hmset, .arity = -4, .flags = W | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .element = 2, .since = "2.0.0",
     .summary = "Set multiple hash fields to multiple values",
     .complexity = "O(N) where N is the number of fields being set."},
    {.name = "hsetnx", .fn = cmd_hsetnx, .arity = 4, .flags = W | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_INSERT), .element = 2, .since = "2.0.0",
     .summary = "Set the value of a hash field, only if the field does not exist",
     .complexity = "O(1)"},
    {.name = "hdel", .fn = cmd_hdel, .arity = -3, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .element = 2, .since = "2.0.0",
     .summary = "Delete one or more hash fields",
     .complexity = "O(N) where N is the number of fields to be removed."},
    {.name = "hincrby", .fn = cmd_hincrby, .arity = 4, .flags = W | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE), .element = 2, .since = "2.0.0",
     .summary = "Increment the integer value of a hash field by the given number",
     .complexity = "O(1)"},
    {.name = "hincrbyfloat", .fn = cmd_hincrbyfloat, .arity = 4, .flags = W | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE), .element = 2, .since = "2.6.0",
     .summary = "Increment the float value of a hash field by the given amount",
     .complexity = "O(1)"},
    {.name = "hget", .fn = cmd_hget, .arity = 3, .flags = R | CMD_FAST, G, .keys = READ,
     .element = 2, .since = "2.0.0", .summary = "Get the value of a hash field", .complexity = "O(1)"},
    {.name = "hmget", .fn = cmd_hmget, .arity = -3, .flags = R | CMD_FAST, G, .keys = READ,
     .element = 2, .since = "2.0.0", .summary = "Get the values of all the given hash fields",
     .complexity = "O(N) where N is the number of fields being requested."},
    {.name = "hgetall", .fn = cmd_hgetall, .arity = 2, .flags = R, G, .keys = READ,
     .since = "2.0.0", .summary = "Get all the fields and values in a hash",
     .complexity = "O(N) where N is the size of the hash.",
     .tips = "nondeterministic_output_order"},
    {.name = "hkeys", .fn = cmd_hkeys, .arity = 2, .flags = R, G, .keys = READ, .since = "2.0.0",
     .summary = "Get all the fields in a hash",
     .complexity = "O(N) where N is the size of the hash.",
     .tips = "nondeterministic_output_order"},
    {.name = "hvals", .fn = cmd_hvals, .arity = 2, .flags = R, G, .keys = READ, .since = "2.0.0",
     .summary = "Get all the values in a hash",
     .complexity = "O(N) where N is the size of the hash.",
     .tips = "nondeterministic_output_order"},
    {.name = "hlen", .fn = cmd_hlen, .arity = 2, .flags = R | CMD_FAST, G, .keys = RO,
     .since = "2.0.0", .summary = "Get the number of fields in a hash", .complexity = "O(1)"},
    {.name = "hstrlen", .fn = cmd_hstrlen, .arity = 3, .flags = R | CMD_FAST, G, .keys = RO,
     .element = 2, .since = "3.2.0", .summary = "Get the length of the value of a hash field",
     .complexity = "O(1)"},
    {.name = "hexists", .fn = cmd_hexists, .arity = 3, .flags = R | CMD_FAST, G, .keys = RO,
     .element = 2, .since = "2.0.0", .summary = "Determine if a hash field exists", .complexity = "O(1)"},
    {.name = "hrandfield", .fn = cmd_hrandfield, .arity = -2, .flags = R, G, .keys = READ,
     .since = "6.2.0", .summary = "Get one or multiple random fields from a hash",
     .complexity = "O(N) where N is the number of fields returned",
     .tips = "nondeterministic_output"},
    {.name = "hscan", .fn = cmd_hscan, .arity = -3, .flags = R, G, .keys = READ, .since = "2.8.0",
     .summary = "Incrementally iterate hash fields and associated values",
     .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command "
                   "calls for the cursor to return back to 0. N is the number of elements inside "
                   "the collection.",
     .tips = "nondeterministic_output"},
};
const struct command_family family_hash = {rows, sizeof(rows) / sizeof(*rows)};
