/* list_move.c -- elements of lists popped, and moved from one list to another. */
#include <assert.h>

#include "commands/commands.h"
#include "commands/keys_turns.h"
#include "commands/keyspecs.h"
#include "commands/list_commands.h"
#include "resp/write.h"

bool list_side(call *c, size_t i, bool *head) {
    *head = call_arg_is(c, i, "left");
    if (*head || call_arg_is(c, i, "right")) return true;
    reply_syntax(c);
    return false;
}

/* ---- popping ------------------------------------------------------------------------------------ */

int list_remove_range(call *c, slice key, uint64_t len, uint64_t first, uint64_t n) {
    uint8_t range[LIST_RANGE_BYTES];
    put_u64(range, first);
    put_u64(range + 8, n);
    slice arg = slice_make(range, LIST_RANGE_BYTES);
    int rc = call_value(c, TYPE_LIST, LIST_DELETE, key, &arg, 1);
    if (rc != OK) return rc;
    call_notify(c, 'l', first == 0 ? "lpop" : "rpop", key);
    if (n == len) call_notify(c, 'g', "del", key);
    return OK;
}

static int write_one(void *cookie, uint64_t index, slice element) {
    (void)index;
    resp_bulk(cookie, element);
    return 0;
}

int list_pop_bulks(call *c, slice key, const struct value *v, bool head, uint64_t n) {
    uint64_t len = list_len(v), first = head ? 0 : len - n;
    assert(n > 0 && n <= len);
    int rc = list_each(v, first, n, !head, write_one, call_out(c));
    return rc != OK ? rc : list_remove_range(c, key, len, first, n);
}

/* ---- very many, in turns: all are read, then all are removed ---- */

#define FROM_HEAD 1u
#define WITH_KEY 2u /* LMPOP's reply */

static int each_from(const struct value *v, const struct keys_work *w, size_t i, size_t n, struct list_writing *to) {
    bool head = (w->flags & FROM_HEAD) != 0;
    if (n > w->end - i) n = w->end - i;
    return list_each(v, head ? i : list_len(v) - i - n, n, !head, list_write_element, to);
}

static int read_part(call *c, struct keys_work *w, size_t i) {
    struct value v;
    size_t mark = w->out.n;
    struct list_writing to = {.out = &w->out, .limit = mark + READ_PIECE_BYTES}, ask = {.out = &w->out, .limit = SIZE_MAX};
    int rc = keys_value(c, w, &v);
    if (rc == OK) rc = each_from(&v, w, i, ELEMENTS_IN_A_TURN, &to);
    if (rc == ERR_COLD) (void)each_from(&v, w, i, READ_AHEAD * ELEMENTS_IN_A_TURN, &ask);
    if (rc != OK && rc != 1) {
        w->out.n = mark;
        return rc;
    }
    w->at += to.n;
    return OK;
}

static int remove_all(call *c, struct keys_work *w) {
    struct value v;
    int rc = keys_value(c, w, &v);
    if (rc != OK) return rc;
    uint64_t len = list_len(&v), first = (w->flags & FROM_HEAD) != 0 ? 0 : len - w->end;
    if ((rc = list_remove_range(c, w->key, len, first, w->end)) != OK) return rc;
    if ((w->flags & WITH_KEY) != 0) reply_array(c, 2);
    if ((w->flags & WITH_KEY) != 0) reply_bulk(c, w->key);
    return reply_array(c, w->end);
}

static int pop_in_turns(call *c, slice key, bool head, uint64_t n, unsigned flags) {
    struct keys_work w = {.key = key, .end = (size_t)n, .flags = flags | (head ? FROM_HEAD : 0), .one = read_part,
                          .finish = remove_all};
    return keys_in_turns(c, &w);
}

/* ---- the commands ---- */

static int pop(call *c, bool head) {
    struct entry e;
    int64_t count = 1;
    bool counted = call_argc(c) == 3;
    if (call_state(c) != NULL) return keys_go_on(c);
    if (call_argc(c) > 3) return reply_arity(c);
    if (counted && !call_int_in(c, 2, 0, INT64_MAX, &count,
                                "ERR value is out of range, must be positive")) {
        return OK;
    }
    int rc = call_write_type(c, call_arg(c, 1), TYPE_LIST, &e);
    if (rc == ERR_NOTFOUND) return counted ? reply_null_array(c) : reply_null(c);
    if (rc != OK) return rc;
    if (count == 0) return reply_empty_array(c);
    uint64_t len = list_len(&e.value), n = (uint64_t)count < len ? (uint64_t)count : len;
    if (elements_are_many(c, n)) return pop_in_turns(c, call_arg(c, 1), head, n, 0);
    if (counted) reply_array(c, n);
    return list_pop_bulks(c, call_arg(c, 1), &e.value, head, n);
}

static int cmd_lpop(call *c) { return pop(c, true); }
static int cmd_rpop(call *c) { return pop(c, false); }

int list_pop_many(call *c, const slice *keys, size_t n, bool head, int64_t count) {
    if (call_state(c) != NULL) return keys_go_on(c);
    for (size_t i = 0; i < n; i++) {
        struct entry e;
        int rc = call_write_type(c, keys[i], TYPE_LIST, &e);
        if (rc == ERR_NOTFOUND) continue;
        if (rc != OK) return rc;
        uint64_t len = list_len(&e.value), some = (uint64_t)count < len ? (uint64_t)count : len;
        if (elements_are_many(c, some)) return pop_in_turns(c, keys[i], head, some, WITH_KEY);
        reply_array(c, 2);
        reply_bulk(c, keys[i]);
        reply_array(c, some);
        return list_pop_bulks(c, keys[i], &e.value, head, some);
    }
    return ERR_NOTFOUND;
}

bool list_count_option(call *c, size_t i, int64_t *count) {
    *count = 1;
    if (i == call_argc(c)) return true;
    bool counted = i + 1 < call_argc(c) && call_arg_is(c, i, "count");
    if (counted && !call_int_in(c, i + 1, 1, INT64_MAX, count, "ERR count should be greater than 0")) return false;
    if (counted && i + 2 == call_argc(c)) return true;
    reply_syntax(c);
    return false;
}

static int cmd_lmpop(call *c) {
    int64_t keys, count;
    bool head;
    if (!call_int_in(c, 1, 1, INT64_MAX, &keys, "ERR numkeys should be greater than 0")) return OK;
    if ((uint64_t)keys > call_argc(c) - 3) return reply_syntax(c);
    size_t side = 2 + (size_t)keys;
    if (!list_side(c, side, &head) || !list_count_option(c, side + 1, &count)) return OK;
    int rc = list_pop_many(c, call_argv(c) + 2, (size_t)keys, head, count);
    return rc == ERR_NOTFOUND ? reply_null_array(c) : rc;
}

/* ---- moving ------------------------------------------------------------------------------------- */

/* The push comes first: its pages and those of the pop have been asked for then, and a list that is
 * moved within itself never becomes empty. */
static int push_and_pop(call *c, slice from, slice to, bool from_head, bool to_head, slice element,
                        uint64_t len) {
    bool same = slice_eq(from, to);
    int rc = call_value(c, TYPE_LIST, to_head ? LIST_PUSH_HEAD : LIST_PUSH_TAIL, to, &element, 1);
    if (rc != OK) return rc;
    call_notify(c, 'l', to_head ? "lpush" : "rpush", to);
    uint8_t range[LIST_RANGE_BYTES];
    put_u64(range, (from_head ? 0 : len - 1) + (same && to_head));
    put_u64(range + 8, 1);
    slice arg = slice_make(range, LIST_RANGE_BYTES);
    rc = call_value(c, TYPE_LIST, LIST_DELETE, from, &arg, 1);
    if (rc != OK) return rc;
    call_notify(c, 'l', from_head ? "lpop" : "rpop", from);
    if (len == 1 && !same) call_notify(c, 'g', "del", from);
    return reply_bulk(c, element);
}

int list_move(call *c, slice from, slice to, bool from_head, bool to_head) {
    struct entry e, d;
    char tmp[NUM_LL_MAX];
    slice s;
    int rc = call_write_type(c, from, TYPE_LIST, &e);
    if (rc != OK) return rc;
    rc = call_write_type(c, to, TYPE_LIST, &d);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    int cold = rc == OK ? list_need_push(&d.value, to_head) : OK;
    if (cold != OK && cold != ERR_COLD) return cold;
    /* Again: that look may have removed a key whose time had come. */
    rc = call_peek(c, from, &e);
    if (rc != OK) return rc;
    uint64_t len = list_len(&e.value);
    rc = list_get(&e.value, from_head ? 0 : len - 1, &s, tmp);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    if (cold != OK) return cold;
    buf copy = BUF_INIT; /* It lies in a page that the push may change. */
    buf_append_slice(&copy, s);
    rc = push_and_pop(c, from, to, from_head, to_head, slice_of(&copy), len);
    buf_free(&copy);
    return rc;
}

static int cmd_lmove(call *c) {
    bool from_head, to_head;
    if (!list_side(c, 3, &from_head) || !list_side(c, 4, &to_head)) return OK;
    int rc = list_move(c, call_arg(c, 1), call_arg(c, 2), from_head, to_head);
    return rc == ERR_NOTFOUND ? reply_null(c) : rc;
}

static int cmd_rpoplpush(call *c) {
    int rc = list_move(c, call_arg(c, 1), call_arg(c, 2), false, true);
    return rc == ERR_NOTFOUND ? reply_null(c) : rc;
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define W CMD_WRITE | CMD_DENYOOM
#define G .group = GROUP_LIST
#define POPPED KEY_RW | KEY_ACCESS | KEY_DELETE
static const char *const pop_history[] = {"6.2.0", "Added the `count` argument.", NULL};
static const struct command rows[] = {
    {.name = "lpop", .fn = cmd_lpop, .arity = -2, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(POPPED), .since = "1.0.0",
     .summary = "Remove and get the first elements in a list",
     .complexity = "O(N) where N is the number of elements returned", .history = pop_history},
    {.name = "rpop", .fn = cmd_rpop, .arity = -2, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(POPPED), .since = "1.0.0",
     .summary = "Remove and get the last elements in a list",
     .complexity = "O(N) where N is the number of elements returned", .history = pop_history},
    {.name = "lmpop", .fn = cmd_lmpop, .arity = -4, .flags = CMD_WRITE | CMD_MOVABLEKEYS, G,
     .keys = {{.flags = POPPED, .begin = KEYS_INDEX, .pos = 1, .find = KEYS_KEYNUM,
               .keynum_idx = 0, .keynum_first = 1, .keynum_step = 1}},
     .since = "7.0.0", .summary = "Pop elements from a list",
     .complexity = "O(N+M) where N is the number of provided keys and M is the number of elements "
                   "returned."},
    {.name = "lmove", .fn = cmd_lmove, .arity = 5, .flags = W, G,
     .keys = TWO_KEYS(POPPED, KEY_RW | KEY_INSERT), .since = "6.2.0",
     .summary = "Pop an element from a list, push it to another list and return it",
     .complexity = "O(1)"},
    {.name = "rpoplpush", .fn = cmd_rpoplpush, .arity = 3, .flags = W, G,
     .keys = TWO_KEYS(POPPED, KEY_RW | KEY_INSERT), .since = "1.2.0",
     .summary = "Remove the last element in a list, prepend it to another list and return it",
     .complexity = "O(1)"},
};
const struct command_family family_list_move = {rows, sizeof(rows) / sizeof(*rows)};
