/* zset_pop.c -- members with the lowest or highest scores taken out, at once or when there are some.
 *
 * Those that wait try first as their sisters do that do not. When they are run again for a key that has
 * changed, that key alone counts, and one of another type is none. */
#include <assert.h>

#include "commands/commands.h"
#include "commands/keys_turns.h"
#include "commands/keyspecs.h"
#include "commands/zset_commands.h"
#include "resp/write.h"

enum shape {
    FLAT,   /* member, score, ... */
    PAIRS,  /* [member, score]... */
    KEYED,  /* key, member, score */
    NESTED  /* key, [[member, score]...] */
};

struct telling {
    buf *out;
    int proto;
    bool pairs;
};

static int tell(void *cookie, slice member, double score) {
    const struct telling *t = cookie;
    if (t->pairs) resp_array(t->out, 2);
    resp_bulk(t->out, member);
    resp_double(t->out, t->proto, score);
    return 0;
}

static void tell_head(call *c, slice key, uint64_t n, enum shape shape) {
    if (shape == KEYED || shape == NESTED) {
        reply_array(c, shape == KEYED ? 3 : 2);
        reply_bulk(c, key);
    }
    if (shape != KEYED) reply_array(c, (size_t)(shape == FLAT ? 2 * n : n));
}

/* ---- very many, in turns ------------------------------------------------------------------------------ */

#define MAX 1u
#define ALL 2u   /* The key goes with them. */
#define SHAPE(flags) ((enum shape)((flags) >> 2))

/* Takes some out, and tells of them. */
static int pop_part(call *c, struct keys_work *w, size_t i) {
    struct value v;
    size_t mark = w->out.n, left = w->end - i, n = left < ELEMENTS_IN_A_TURN ? left : ELEMENTS_IN_A_TURN;
    bool max = (w->flags & MAX) != 0;
    struct telling t = {&w->out, call_proto(c), SHAPE(w->flags) != FLAT};
    int rc = keys_value(c, w, &v);
    if (rc != OK) return rc;
    uint64_t len = zset_len(&v), ahead = READ_AHEAD * n < left ? READ_AHEAD * n : left;
    rc = zset_each(&v, max ? len - n : 0, n, max, tell, &t);
    if (rc == ERR_COLD) (void)zset_each(&v, max ? len - ahead : 0, ahead, max, tell, &t);
    if (rc == OK) rc = zset_take_ranks(c, w->key, max ? len - n : 0, n);
    if (rc == OK) w->at += n;
    else w->out.n = mark;
    return rc;
}

static int pop_end(call *c, struct keys_work *w) {
    call_notify(c, 'z', (w->flags & MAX) != 0 ? "zpopmax" : "zpopmin", w->key);
    if ((w->flags & ALL) != 0) call_notify(c, 'g', "del", w->key);
    tell_head(c, w->key, w->end, SHAPE(w->flags));
    return OK;
}

/* ---- the commands ------------------------------------------------------------------------------------- */

/* Takes up to `count` members of the first of the keys that has some. ERR_NOTFOUND: none has. */
static int pop(call *c, const slice *keys, size_t keys_n, bool max, int64_t count, enum shape shape) {
    if (call_state(c) != NULL) return keys_go_on(c);
    for (size_t i = 0; i < keys_n; i++) {
        struct entry e;
        int rc = call_write_type(c, keys[i], TYPE_ZSET, &e);
        if (rc == ERR_NOTFOUND) continue;
        if (rc != OK) return rc;
        if (count == 0) return reply_empty_array(c);
        uint64_t len = zset_len(&e.value), n = (uint64_t)count < len ? (uint64_t)count : len;
        uint64_t first = max ? len - n : 0;
        if (elements_are_many(c, n)) {
            struct keys_work w = {.key = keys[i], .end = (size_t)n, .one = pop_part, .finish = pop_end,
                                  .flags = (max ? MAX : 0) | (n == len ? ALL : 0) | (unsigned)shape << 2};
            return keys_in_turns(c, &w);
        }
        struct telling t = {call_out(c), call_proto(c), shape == PAIRS || shape == NESTED};
        tell_head(c, keys[i], n, shape);
        rc = zset_each(&e.value, first, n, max, tell, &t);
        return rc != OK ? rc : zset_remove_ranks(c, keys[i], len, first, n, max ? "zpopmax" : "zpopmin");
    }
    return ERR_NOTFOUND;
}

static int pop_one_key(call *c, bool max) {
    int64_t count = 1;
    bool counted = call_argc(c) == 3;
    if (call_argc(c) > 3) return reply_syntax(c);
    if (counted && !call_int_in(c, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return OK;
    int rc = pop(c, call_argv(c) + 1, 1, max, count, counted && call_proto(c) >= 3 ? PAIRS : FLAT);
    return rc == ERR_NOTFOUND ? reply_empty_array(c) : rc;
}

static int cmd_zpopmin(call *c) { return pop_one_key(c, false); }
static int cmd_zpopmax(call *c) { return pop_one_key(c, true); }

/* ---- several keys ----------------------------------------------------------------------------------- */

/* numkeys key... MIN|MAX [COUNT count], from argument `at` on. */
static bool parse_many(call *c, size_t at, size_t *keys_n, bool *max, int64_t *count) {
    int64_t n;
    *count = -1;
    if (!call_int_in(c, at, 1, INT64_MAX, &n, "ERR numkeys should be greater than 0")) return false;
    size_t where = at + 1;
    bool good = (uint64_t)n < call_argc(c) - where;
    if (good) where += (size_t)n;
    *keys_n = (size_t)n;
    *max = good && call_arg_is(c, where, "max");
    good = good && (*max || call_arg_is(c, where, "min"));
    for (size_t i = where + 1; good && i < call_argc(c); i += 2) {
        good = *count == -1 && i + 1 < call_argc(c) && call_arg_is(c, i, "count");
        if (good && !call_int_in(c, i + 1, 1, INT64_MAX, count, "ERR count should be greater than 0")) return false;
    }
    if (!good) reply_syntax(c);
    if (*count == -1) *count = 1;
    return good;
}

static int cmd_zmpop(call *c) {
    size_t n;
    bool max;
    int64_t count;
    if (!parse_many(c, 1, &n, &max, &count)) return OK;
    int rc = pop(c, call_argv(c) + 2, n, max, count, NESTED);
    return rc == ERR_NOTFOUND ? reply_null_array(c) : rc;
}

/* ---- waiting ---------------------------------------------------------------------------------------- */

static int pop_or_wait(call *c, const slice *keys, size_t n, bool max, int64_t count, enum shape shape,
                       uint64_t timeout_us) {
    slice ready;
    bool again = call_ready_key(c, &ready);
    int rc = again ? pop(c, &ready, 1, max, count, shape) : pop(c, keys, n, max, count, shape);
    if (rc != ERR_NOTFOUND && !(again && rc == ERR_TYPE)) return rc;
    return call_may_park(c) ? call_block(c, keys, n, timeout_us) : reply_null_array(c);
}

static int blocking_pop(call *c, bool max) {
    uint64_t timeout_us;
    if (!call_timeout(c, call_argc(c) - 1, &timeout_us)) return OK;
    return pop_or_wait(c, call_argv(c) + 1, call_argc(c) - 2, max, 1, KEYED, timeout_us);
}

static int cmd_bzpopmin(call *c) { return blocking_pop(c, false); }
static int cmd_bzpopmax(call *c) { return blocking_pop(c, true); }

static int cmd_bzmpop(call *c) {
    uint64_t timeout_us;
    size_t n;
    bool max;
    int64_t count;
    if (!parse_many(c, 2, &n, &max, &count) || !call_timeout(c, 1, &timeout_us)) return OK;
    return pop_or_wait(c, call_argv(c) + 3, n, max, count, NESTED, timeout_us);
}

/* ---- the table -------------------------------------------------------------------------------------- */

#define G .group = GROUP_SORTED_SET
#define COUNTED(f, at)                                                                            \
    {.flags = (f), .begin = KEYS_INDEX, .pos = (at), .find = KEYS_KEYNUM, .keynum_idx = 0,            \
     .keynum_first = 1, .keynum_step = 1}
#define POPPED KEY_RW | KEY_ACCESS | KEY_DELETE
static const char *const wait_history[] = {
    "6.0.0", "`timeout` is interpreted as a double instead of an integer.",
    NULL};
static const struct command rows[] = {
    {.name = "zpopmin", .fn = cmd_zpopmin, .arity = -2, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(POPPED), .since = "5.0.0",
     .summary = "Remove and return members with the lowest scores in a sorted set",
     .complexity = "O(log(N)*M) with N being the number of elements in the sorted set, and M being the "
                   "number of elements popped."},
    {.name = "zpopmax", .fn = cmd_zpopmax, .arity = -2, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(POPPED), .since = "5.0.0",
     .summary = "Remove and return members with the highest scores in a sorted set",
     .complexity = "O(log(N)*M) with N being the number of elements in the sorted set, and M being the "
                   "number of elements popped."},
    {.name = "zmpop", .fn = cmd_zmpop, .arity = -4, .flags = CMD_WRITE | CMD_MOVABLEKEYS, G,
     .keys = {COUNTED(POPPED, 1)}, .since = "7.0.0",
     .summary = "Remove and return members with scores in a sorted set",
     .complexity = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of "
                   "elements in the sorted set, and M being the number of elements popped."},
    {.name = "bzpopmin", .fn = cmd_bzpopmin, .arity = -3, .flags = CMD_WRITE | CMD_NOSCRIPT | CMD_BLOCKING | CMD_FAST, G,
     .keys = {KEY_AT(POPPED, 1, -2, 1)}, .since = "5.0.0",
     .summary = "Remove and return the member with the lowest score from one or more sorted sets, or "
                "block until one is available",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .history = wait_history},
    {.name = "bzpopmax", .fn = cmd_bzpopmax, .arity = -3, .flags = CMD_WRITE | CMD_NOSCRIPT | CMD_BLOCKING | CMD_FAST, G,
     .keys = {KEY_AT(POPPED, 1, -2, 1)}, .since = "5.0.0",
     .summary = "Remove and return the member with the highest score from one or more sorted sets, or "
                "block until one is available",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .history = wait_history},
    {.name = "bzmpop", .fn = cmd_bzmpop, .arity = -5, .flags = CMD_WRITE | CMD_BLOCKING | CMD_MOVABLEKEYS, G,
     .keys = {COUNTED(POPPED, 2)}, .since = "7.0.0",
     .summary = "Remove and return members with scores in a sorted set or block until one is available",
     .complexity = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of "
                   "elements in the sorted set, and M being the number of elements popped."},
};
const struct command_family family_zset_pop = {rows, sizeof(rows) / sizeof(*rows)};
