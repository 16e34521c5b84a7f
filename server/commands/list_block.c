/* list_block.c -- the list commands that wait: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.
 *
 * Each tries first as its sister does that does not wait. When it is run again for a key that has
 * changed, that key alone counts, and one of another type is none. */
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/list_commands.h"

/* Nothing there, and run again: another type is nothing as well. */
static bool nothing(int rc, bool again) { return rc == ERR_NOTFOUND || (again && rc == ERR_TYPE); }

static int block_or_null(call *c, const slice *keys, size_t n, uint64_t timeout_us, bool array) {
    if (call_may_park(c)) return call_block(c, keys, n, timeout_us);
    return array ? reply_null_array(c) : reply_null(c);
}

/* One element of the first key that has some: [key, element]. */
static int pop_first(call *c, const slice *keys, size_t n, bool head) {
    for (size_t i = 0; i < n; i++) {
        struct entry e;
        int rc = call_write_type(c, keys[i], TYPE_LIST, &e);
        if (rc == ERR_NOTFOUND) continue;
        if (rc != OK) return rc;
        reply_array(c, 2);
        reply_bulk(c, keys[i]);
        return list_pop_bulks(c, keys[i], &e.value, head, 1);
    }
    return ERR_NOTFOUND;
}

static int blocking_pop(call *c, bool head) {
    uint64_t timeout_us;
    const slice *keys = call_argv(c) + 1;
    size_t n = call_argc(c) - 2;
    slice ready;
    bool again = call_ready_key(c, &ready);
    if (!call_timeout(c, call_argc(c) - 1, &timeout_us)) return OK;
    int rc = again ? pop_first(c, &ready, 1, head) : pop_first(c, keys, n, head);
    return nothing(rc, again) ? block_or_null(c, keys, n, timeout_us, true) : rc;
}

static int cmd_blpop(call *c) { return blocking_pop(c, true); }
static int cmd_brpop(call *c) { return blocking_pop(c, false); }

static int blocking_move(call *c, bool from_head, bool to_head, size_t timeout_at) {
    uint64_t timeout_us;
    struct entry e;
    slice from = call_arg(c, 1), ready;
    bool again = call_ready_key(c, &ready);
    if (!call_timeout(c, timeout_at, &timeout_us)) return OK;
    int rc = call_write_type(c, from, TYPE_LIST, &e);
    if (nothing(rc, again)) return block_or_null(c, &from, 1, timeout_us, false);
    return rc != OK ? rc : list_move(c, from, call_arg(c, 2), from_head, to_head);
}

static int cmd_blmove(call *c) {
    bool from_head, to_head;
    if (!list_side(c, 3, &from_head) || !list_side(c, 4, &to_head)) return OK;
    return blocking_move(c, from_head, to_head, 5);
}

static int cmd_brpoplpush(call *c) { return blocking_move(c, false, true, 3); }

static int cmd_blmpop(call *c) {
    uint64_t timeout_us;
    int64_t n, count;
    bool head;
    slice ready;
    bool again = call_ready_key(c, &ready);
    if (!call_int_in(c, 2, 1, INT64_MAX, &n, "ERR numkeys should be greater than 0")) return OK;
    if ((uint64_t)n > call_argc(c) - 4) return reply_syntax(c);
    size_t side = 3 + (size_t)n;
    const slice *keys = call_argv(c) + 3;
    if (!list_side(c, side, &head) || !list_count_option(c, side + 1, &count) ||
        !call_timeout(c, 1, &timeout_us)) return OK;
    int rc = again ? list_pop_many(c, &ready, 1, head, count)
                   : list_pop_many(c, keys, (size_t)n, head, count);
    return nothing(rc, again) ? block_or_null(c, keys, (size_t)n, timeout_us, true) : rc;
}

#define B CMD_WRITE | CMD_BLOCKING
#define G .group = GROUP_LIST
#define POPPED KEY_RW | KEY_ACCESS | KEY_DELETE
static const char *const history[] = {
    "6.0.0", "`timeout` is interpreted as a double instead of an integer.", NULL};
static const struct command rows[] = {
    {.name = "blpop", .fn = cmd_blpop, .arity = -3, .flags = B | CMD_NOSCRIPT, G,
     .keys = {KEY_AT(POPPED, 1, -2, 1)}, .since = "2.0.0",
     .summary = "Remove and get the first element in a list, or block until one is available",
     .complexity = "O(N) where N is the number of provided keys.", .history = history},
    {.name = "brpop", .fn = cmd_brpop, .arity = -3, .flags = B | CMD_NOSCRIPT, G,
     .keys = {KEY_AT(POPPED, 1, -2, 1)}, .since = "2.0.0",
     .summary = "Remove and get the last element in a list, or block until one is available",
     .complexity = "O(N) where N is the number of provided keys.", .history = history},
    {.name = "blmove", .fn = cmd_blmove, .arity = 6, .flags = B | CMD_DENYOOM | CMD_NOSCRIPT, G,
     .keys = TWO_KEYS(POPPED, KEY_RW | KEY_INSERT), .since = "6.2.0",
     .summary = "Pop an element from a list, push it to another list and return it; or block until "
                "one is available",
     .complexity = "O(1)"},
    {.name = "brpoplpush", .fn = cmd_brpoplpush, .arity = 4,
     .flags = B | CMD_DENYOOM | CMD_NOSCRIPT, G,
     .keys = TWO_KEYS(POPPED, KEY_RW | KEY_INSERT), .since = "2.2.0",
     .summary = "Pop an element from a list, push it to another list and return it; or block until "
                "one is available",
     .complexity = "O(1)", .history = history},
    {.name = "blmpop", .fn = cmd_blmpop, .arity = -5, .flags = B | CMD_MOVABLEKEYS, G,
     .keys = {{.flags = POPPED, .begin = KEYS_INDEX, .pos = 2, .find = KEYS_KEYNUM,
               .keynum_idx = 0, .keynum_first = 1, .keynum_step = 1}},
     .since = "7.0.0", .summary = "Pop elements from a list, or block until one is available",
     .complexity = "O(N+M) where N is the number of provided keys and M is the number of elements "
                   "returned."},
};
const struct command_family family_list_block = {rows, sizeof(rows) / sizeof(*rows)};
