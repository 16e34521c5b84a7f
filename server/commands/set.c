/* set.c -- the set commands: members added, removed, moved, asked for, walked. */
#include "types/set.h"

#include <assert.h>

#include "base/mem.h"
#include "commands/args_steps.h"
#include "commands/commands.h"
#include "commands/elements.h"
#include "commands/keyspecs.h"
#include "commands/set_commands.h"
#include "resp/write.h"


/* For reading. ERR_NOTFOUND: no such key; the caller answers its own nothing. */
static int read_set(call *c, struct entry *e) {
    return call_read_type(c, call_arg(c, 1), TYPE_SET, e);
}

/* A key that is not there is the empty set. */
static int empty_if_none(int rc, struct entry *e) {
    if (rc != ERR_NOTFOUND) return rc;
    memset(&e->value, 0, sizeof(e->value));
    return OK;
}

/* How many of the arguments from `first` on are members: a cold page of any is asked for before this
 * says ERR_COLD. */
static int count_members(call *c, const struct value *v, size_t first, size_t *n) {
    int cold = OK;
    *n = 0;
    for (size_t i = first; i < call_argc(c); i++) {
        int rc = set_has(v, call_arg(c, i));
        if (rc == ERR_COLD) cold = ERR_COLD;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
        *n += rc == OK;
    }
    return cold;
}

static bool member_fits(call *c, size_t i) {
    if (set_member_ok(call_arg(c, i)) == OK) return true;
    reply_error(c, "ERR member exceeds the maximum size of a set element");
    return false;
}

int set_change(call *c, uint8_t op, slice key, const slice *members, size_t n) {
    for (size_t at = 0; at < n;) {
        size_t part = n - at < EFFECT_ARGS_MAX ? n - at : EFFECT_ARGS_MAX;
        int rc = call_value(c, TYPE_SET, op, key, members + at, part);
        if (rc != OK) return rc;
        if (op == SET_STORE) op = SET_ADD; /* The first part replaces, the others add. */
        at += part;
    }
    return OK;
}

static int length_now(call *c, slice key, uint64_t *n) {
    struct entry e;
    *n = 0;
    int rc = call_peek(c, key, &e);
    if (rc == OK) *n = set_len(&e.value);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* ---- changing ----------------------------------------------------------------------------------- */

static int cmd_sadd(call *c) {
    struct entry e;
    uint64_t before, after;
    size_t had;
    slice key = call_arg(c, 1);
    int rc = empty_if_none(call_write_type(c, key, TYPE_SET, &e), &e);
    if (rc != OK) return rc;
    for (size_t i = 2; i < call_argc(c); i++)
        if (!member_fits(c, i)) return OK;
    if (args_are_many(c, 2, 1))
        return args_in_steps(c, &(struct args_job){.type = TYPE_SET, .op = SET_ADD, .first = 2, .per = 1,
                                                   .answer = ARGS_GROWTH, .class = 's', .event = "sadd"});
    if ((rc = count_members(c, &e.value, 2, &had)) != OK) return rc;
    if (had == call_argc(c) - 2) return reply_int(c, 0);
    before = set_len(&e.value);
    if ((rc = set_change(c, SET_ADD, key, call_argv(c) + 2, call_argc(c) - 2)) != OK) return rc;
    call_notify(c, 's', "sadd", key);
    if ((rc = length_now(c, key, &after)) != OK) return rc;
    assert(after > before);
    return reply_int(c, (int64_t)(after - before));
}

static int cmd_srem(call *c) {
    struct entry e;
    size_t had;
    slice key = call_arg(c, 1);
    int rc = call_write_type(c, key, TYPE_SET, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc == OK && args_are_many(c, 2, 1))
        return args_in_steps(c, &(struct args_job){.type = TYPE_SET, .op = SET_REM, .first = 2, .per = 1,
                                                   .answer = ARGS_LOSS, .class = 's', .event = "srem"});
    if (rc != OK || (rc = count_members(c, &e.value, 2, &had)) != OK) return rc;
    if (had == 0) return reply_int(c, 0);
    uint64_t before = set_len(&e.value), after = before;
    for (size_t at = 2; at < call_argc(c) && after > 0;) {
        size_t part = call_argc(c) - at < EFFECT_ARGS_MAX ? call_argc(c) - at : EFFECT_ARGS_MAX;
        rc = call_value(c, TYPE_SET, SET_REM, key, call_argv(c) + at, part);
        if (rc != OK || (rc = length_now(c, key, &after)) != OK) return rc;
        at += part;
    }
    call_notify(c, 's', "srem", key);
    if (after == 0) call_notify(c, 'g', "del", key);
    assert(after < before);
    return reply_int(c, (int64_t)(before - after));
}

/* The values of both keys are looked up again when both keys have been seen: a lookup may remove a key
 * whose time has come, and so change what was found before. */
static int cmd_smove(call *c) {
    struct entry from, to;
    slice source = call_arg(c, 1), destination = call_arg(c, 2), member = call_arg(c, 3);
    int rc_from = call_write(c, source, &from), rc_to = call_write(c, destination, &to);
    if (rc_from == ERR_COLD || rc_to == ERR_COLD) return ERR_COLD;
    if (rc_from == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc_from != OK) return rc_from;
    if (rc_to != OK && rc_to != ERR_NOTFOUND) return rc_to;
    bool to_exists = rc_to == OK;
    if ((rc_from = call_peek(c, source, &from)) != OK) return rc_from;
    if (from.value.type != TYPE_SET || (to_exists && to.value.type != TYPE_SET)) return ERR_TYPE;
    rc_from = set_has(&from.value, member);
    if (slice_eq(source, destination)) {
        if (rc_from != OK && rc_from != ERR_NOTFOUND) return rc_from;
        return reply_int(c, rc_from == OK);
    }
    rc_to = empty_if_none(call_peek(c, destination, &to), &to);
    if (rc_to == OK) rc_to = set_has(&to.value, member);
    if (rc_from == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc_from != OK) return rc_from;
    if (rc_to != OK && rc_to != ERR_NOTFOUND) return rc_to;
    bool last = set_len(&from.value) == 1;
    int rc = set_change(c, SET_REM, source, &member, 1);
    if (rc != OK) return rc;
    call_notify(c, 's', "srem", source);
    if (last) call_notify(c, 'g', "del", source);
    if (rc_to == OK) return reply_int(c, 1);
    if ((rc = set_change(c, SET_ADD, destination, &member, 1)) != OK) return rc;
    call_notify(c, 's', "sadd", destination);
    return reply_int(c, 1);
}

/* ---- reading ------------------------------------------------------------------------------------ */

static int cmd_scard(call *c) {
    struct entry e;
    int rc = read_set(c, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, (int64_t)set_len(&e.value));
}

static int cmd_sismember(call *c) {
    struct entry e;
    int rc = read_set(c, &e);
    if (rc == OK) rc = set_has(&e.value, call_arg(c, 2));
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, 1);
}

static int write_has(const struct value *v, slice member, int proto, buf *out) {
    (void)proto;
    int rc = set_has(v, member);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    resp_int(out, rc == OK);
    return OK;
}

static int cmd_smismember(call *c) {
    struct entry e;
    size_t had;
    int rc = empty_if_none(read_set(c, &e), &e);
    if (rc == OK && args_are_many(c, 2, 1)) return args_read_in_steps(c, &e.value, write_has);
    if (rc != OK || (rc = count_members(c, &e.value, 2, &had)) != OK) return rc;
    reply_array(c, call_argc(c) - 2);
    for (size_t i = 2; i < call_argc(c); i++) {
        rc = set_has(&e.value, call_arg(c, i));
        if (rc != OK && rc != ERR_NOTFOUND) return rc; /* What was written is taken back. */
        reply_int(c, rc == OK);
    }
    return OK;
}

static int walk_member(void *cookie, slice member) {
    struct walk *w = cookie;
    if (!w->all && !glob_match(w->pattern, member, false)) return 0;
    resp_bulk(w->out, member);
    w->n++;
    return member.n >= READ_LONG_BYTES && w->out->n >= w->limit ? WALK_ENDS : 0;
}

static int walk_next(void *cookie, slice member) {
    ((struct walk *)cookie)->seen++;
    return walk_member(cookie, member);
}

static int walk_scan(const struct value *v, uint64_t *cursor, size_t count, struct walk *w) {
    return set_scan(v, cursor, count, walk_next, w);
}

static int write_all(call *c, const struct value *v, struct walk *w) {
    uint64_t n = set_len(v);
    if (w->reply == WALK_SET) reply_set(c, n);
    else reply_array(c, n);
    int rc = set_each(v, walk_member, w);
    return rc == OK && w->n != n ? ERR_CORRUPT : rc; /* The stored count was wrong. */
}

int set_reply_now(call *c, const struct value *v) {
    struct walk w = {.out = call_out(c), .all = true, .reply = WALK_SET, .limit = SIZE_MAX};
    return write_all(c, v, &w);
}

int set_reply_all(call *c, const struct value *v, bool as_set) {
    struct walk w = {.scan = walk_scan, .out = call_out(c), .all = true, .reply = as_set ? WALK_SET : WALK_ARRAY,
                     .limit = walk_limit(c, call_out(c))};
    size_t mark = call_out(c)->n;
    int rc = walk_is_long(c, UINT64_MAX, set_len(v)) ? WALK_ENDS : write_all(c, v, &w);
    if (rc != WALK_ENDS) return rc;
    call_out(c)->n = mark;
    return walk_in_steps(c, v, &w, 0, UINT64_MAX);
}

static int cmd_smembers(call *c) {
    struct entry e;
    int rc = empty_if_none(read_set(c, &e), &e);
    return rc != OK ? rc : set_reply_all(c, &e.value, true);
}

static int cmd_sscan(call *c) {
    struct walk w = {.scan = walk_scan};
    return elements_scan(c, read_set, set_len, w, 0);
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define W CMD_WRITE | CMD_DENYOOM
#define R CMD_READONLY
#define G .group = GROUP_SET
#define RO ONE_KEY(KEY_RO)
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
#define INTER_COST "O(N*M) worst case where N is the cardinality of the smallest set and M is the " \
                   "number of sets."
#define TOTAL_COST "O(N) where N is the total number of elements in all given sets."
static const struct command rows[] = {
    {.name = "sadd", .fn = cmd_sadd, .arity = -3, .flags = W | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_INSERT), .element = 2, .since = "1.0.0",
     .summary = "Add one or more members to a set",
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is "
                   "called with multiple arguments."},
    {.name = "srem", .fn = cmd_srem, .arity = -3, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .element = 2, .since = "1.0.0",
     .summary = "Remove one or more members from a set",
     .complexity = "O(N) where N is the number of members to be removed."},
    {.name = "smove", .fn = cmd_smove, .arity = 4, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = TWO_KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_RW | KEY_INSERT), .since = "1.0.0",
     .summary = "Move a member from one set to another", .complexity = "O(1)"},
    {.name = "scard", .fn = cmd_scard, .arity = 2, .flags = R | CMD_FAST, G, .keys = RO,
     .since = "1.0.0", .summary = "Get the number of members in a set", .complexity = "O(1)"},
    {.name = "sismember", .fn = cmd_sismember, .arity = 3, .flags = R | CMD_FAST, G, .keys = RO,
     .element = 2, .since = "1.0.0", .summary = "Determine if a given value is a member of a set",
     .complexity = "O(1)"},
    {.name = "smismember", .fn = cmd_smismember, .arity = -3, .flags = R | CMD_FAST, G,
     .keys = READ, .element = 2, .since = "6.2.0",
     .summary = "Returns the membership associated with the given elements for a set",
     .complexity = "O(N) where N is the number of elements being checked for membership"},
    {.name = "smembers", .fn = cmd_smembers, .arity = 2, .flags = R, G, .keys = READ,
     .since = "1.0.0", .summary = "Get all the members in a set",
     .complexity = "O(N) where N is the set cardinality.",
     .tips = "nondeterministic_output_order"},
    {.name = "spop", .fn = cmd_spop, .arity = -2, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_DELETE), .since = "1.0.0",
     .summary = "Remove and return one or multiple random members from a set",
     .complexity = "Without the count argument O(1), otherwise O(N) where N is the value of the "
                   "passed count.",
     .tips = "nondeterministic_output"},
    {.name = "srandmember", .fn = cmd_srandmember, .arity = -2, .flags = R, G, .keys = READ,
     .since = "1.0.0", .summary = "Get one or multiple random members from a set",
     .complexity = "Without the count argument O(1), otherwise O(N) where N is the absolute value "
                   "of the passed count.",
     .tips = "nondeterministic_output"},
    {.name = "sinter", .fn = cmd_sinter, .arity = -2, .flags = R, G,
     .keys = ALL_KEYS(KEY_RO | KEY_ACCESS), .since = "1.0.0", .summary = "Intersect multiple sets",
     .complexity = INTER_COST, .tips = "nondeterministic_output_order"},
    {.name = "sintercard", .fn = cmd_sintercard, .arity = -3, .flags = R | CMD_MOVABLEKEYS, G,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 1, .find = KEYS_KEYNUM,
               .keynum_idx = 0, .keynum_first = 1, .keynum_step = 1}}, .since = "7.0.0",
     .summary = "Intersect multiple sets and return the cardinality of the result",
     .complexity = INTER_COST},
    {.name = "sinterstore", .fn = cmd_sinterstore, .arity = -3, .flags = W, G,
     .keys = {KEY_AT(KEY_RW | KEY_UPDATE, 1, 0, 1), KEY_AT(KEY_RO | KEY_ACCESS, 2, -1, 1)},
     .since = "1.0.0", .summary = "Intersect multiple sets and store the resulting set in a key",
     .complexity = INTER_COST},
    {.name = "sunion", .fn = cmd_sunion, .arity = -2, .flags = R, G,
     .keys = ALL_KEYS(KEY_RO | KEY_ACCESS), .since = "1.0.0", .summary = "Add multiple sets",
     .complexity = TOTAL_COST, .tips = "nondeterministic_output_order"},
    {.name = "sunionstore", .fn = cmd_sunionstore, .arity = -3, .flags = W, G,
     .keys = {KEY_AT(KEY_OW | KEY_UPDATE, 1, 0, 1), KEY_AT(KEY_RO | KEY_ACCESS, 2, -1, 1)},
     .since = "1.0.0", .summary = "Add multiple sets and store the resulting set in a key",
     .complexity = TOTAL_COST},
    {.name = "sdiff", .fn = cmd_sdiff, .arity = -2, .flags = R, G,
     .keys = ALL_KEYS(KEY_RO | KEY_ACCESS), .since = "1.0.0", .summary = "Subtract multiple sets",
     .complexity = TOTAL_COST, .tips = "nondeterministic_output_order"},
    {.name = "sdiffstore", .fn = cmd_sdiffstore, .arity = -3, .flags = W, G,
     .keys = {KEY_AT(KEY_OW | KEY_UPDATE, 1, 0, 1), KEY_AT(KEY_RO | KEY_ACCESS, 2, -1, 1)},
     .since = "1.0.0", .summary = "Subtract multiple sets and store the resulting set in a key",
     .complexity = TOTAL_COST},
    {.name = "sscan", .fn = cmd_sscan, .arity = -3, .flags = R, G, .keys = READ, .since = "2.8.0",
     .summary = "Incrementally iterate Set elements",
     .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command "
                   "calls for the cursor to return back to 0. N is the number of elements inside "
                   "the collection.",
     .tips = "nondeterministic_output"},
};
const struct command_family family_set = {rows, sizeof(rows) / sizeof(*rows)};
