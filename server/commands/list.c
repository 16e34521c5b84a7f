/* list.c -- the list commands: pushed, read, changed in place (list_move.c: moved and popped; list_search.c: found). */
#include "types/list.h"

#include <assert.h>

#include "base/mem.h"
#include "commands/args_steps.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/list_commands.h"
#include "resp/write.h"

/* ---- looking up --------------------------------------------------------------------------------- */

static int read_list(call *c, struct entry *e) {
    return call_read_type(c, call_arg(c, 1), TYPE_LIST, e);
}
static int write_list(call *c, struct entry *e) {
    return call_write_type(c, call_arg(c, 1), TYPE_LIST, e);
}

bool list_elements_ok(call *c, size_t first) {
    for (size_t i = first; i < call_argc(c); i++) {
        if (call_arg(c, i).n <= LIST_ELEMENT_MAX) continue;
        reply_error(c, "ERR element exceeds the maximum size of a list element");
        return false;
    }
    return true;
}

/* From..to as LRANGE and LTRIM take it: false when it is empty. */
static bool clip(int64_t from, int64_t to, uint64_t len, uint64_t *first, uint64_t *n) {
    int64_t end = (int64_t)len;
    if (from < 0) from = from + end < 0 ? 0 : from + end;
    if (to < 0) to += end;
    if (to >= end) to = end - 1;
    if (from > to || from >= end) return false;
    *first = (uint64_t)from;
    *n = (uint64_t)(to - from) + 1;
    return true;
}

/* A position counted from an end when negative. */
static bool position(int64_t index, uint64_t len, uint64_t *pos) {
    if (index < 0) index += (int64_t)len;
    *pos = (uint64_t)index;
    return index >= 0 && *pos < len;
}

/* ---- pushing ------------------------------------------------------------------------------------ */

static int push(call *c, bool head, bool only_existing) {
    struct entry e;
    uint64_t before = 0;
    int rc = write_list(c, &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == ERR_NOTFOUND && only_existing) return reply_int(c, 0);
    if (!list_elements_ok(c, 2)) return OK;
    if (rc == OK) before = list_len(&e.value);
    if (args_are_many(c, 2, 1))
        return args_in_steps(c, &(struct args_job){.type = TYPE_LIST, .op = head ? LIST_PUSH_HEAD : LIST_PUSH_TAIL,
                                                   .first = 2, .per = 1, .answer = ARGS_LENGTH, .class = 'l',
                                                   .event = head ? "lpush" : "rpush"});
    /* The first effect asks for the page that all of them change. */
    size_t n = call_argc(c) - 2;
    for (size_t at = 0; at < n;) {
        size_t part = n - at < EFFECT_ARGS_MAX ? n - at : EFFECT_ARGS_MAX;
        rc = call_value(c, TYPE_LIST, head ? LIST_PUSH_HEAD : LIST_PUSH_TAIL, call_arg(c, 1),
                        call_argv(c) + 2 + at, part);
        if (rc != OK) return rc;
        at += part;
    }
    call_notify(c, 'l', head ? "lpush" : "rpush", call_arg(c, 1));
    return reply_int(c, (int64_t)(before + n));
}

static int cmd_lpush(call *c) { return push(c, true, false); }
static int cmd_rpush(call *c) { return push(c, false, false); }
static int cmd_lpushx(call *c) { return push(c, true, true); }
static int cmd_rpushx(call *c) { return push(c, false, true); }

/* ---- reading ------------------------------------------------------------------------------------ */

static int cmd_llen(call *c) {
    struct entry e;
    int rc = read_list(c, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, (int64_t)list_len(&e.value));
}

static int cmd_lindex(call *c) {
    struct entry e;
    int64_t index;
    uint64_t pos;
    char tmp[NUM_LL_MAX];
    slice s;
    int rc = read_list(c, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    if (!call_int(c, 2, &index)) return OK;
    if (!position(index, list_len(&e.value), &pos)) return reply_null(c);
    rc = list_get(&e.value, pos, &s, tmp);
    return rc != OK ? rc : reply_bulk(c, s);
}

#define ENOUGH 1 /* ends a walk before its end */

int list_write_element(void *writing, uint64_t index, slice element) {
    struct list_writing *w = writing;
    (void)index;
    resp_bulk(w->out, element);
    w->n++;
    return w->out->n >= w->limit ? ENOUGH : 0;
}

/* The same of few. */
static int write_here(void *cookie, uint64_t index, slice element) {
    const struct list_writing *w = cookie;
    (void)index;
    resp_bulk(w->out, element);
    return element.n >= READ_LONG_BYTES && w->out->n >= w->limit ? ENOUGH : 0;
}

/* LRANGE of very many, in steps. */
struct long_range {
    uint64_t n, at, left;
};

static int long_step(call *c, void *work, const struct value *v, size_t n, buf *out, bool *all) {
    struct long_range *l = work;
    struct list_writing w = {.out = out, .limit = out->n + READ_PIECE_BYTES};
    uint64_t ahead = READ_AHEAD * n < l->left ? READ_AHEAD * n : l->left;
    (void)c;
    int rc = list_each(v, l->at, n < l->left ? n : l->left, false, list_write_element, &w);
    if (rc == ERR_COLD) (void)list_each(v, l->at, ahead, false, list_write_element, &(struct list_writing){.out = out});
    if (rc != OK && rc != ENOUGH) return rc;
    l->at += w.n;
    l->left -= w.n;
    *all = l->left == 0;
    return OK;
}

static void long_head(call *c, void *work, buf *out) {
    (void)c;
    resp_array(out, ((struct long_range *)work)->n);
}

static int range_in_steps(call *c, const struct value *v, uint64_t first, uint64_t n) {
    static const struct read_job ops = {.step = long_step, .head = long_head, .free = mem_free};
    struct long_range *l = mem_alloc(sizeof(*l));
    *l = (struct long_range){n, first, n};
    return call_read_in_steps(c, &ops, l, v, 1);
}

static int cmd_lrange(call *c) {
    struct entry e;
    int64_t from, to;
    uint64_t first, n;
    if (!call_int(c, 2, &from) || !call_int(c, 3, &to)) return OK;
    int rc = read_list(c, &e);
    if (rc == ERR_NOTFOUND) return reply_empty_array(c);
    if (rc != OK) return rc;
    if (!clip(from, to, list_len(&e.value), &first, &n)) return reply_empty_array(c);
    bool may = call_may_step(c);
    if (may && n >= READ_STEPS_FROM) return range_in_steps(c, &e.value, first, n);
    size_t mark = call_out(c)->n;
    struct list_writing w = {.out = call_out(c), .limit = may ? mark + READ_STEPS_FROM_BYTES : SIZE_MAX};
    reply_array(c, n);
    rc = list_each(&e.value, first, n, false, write_here, &w);
    if (rc != ENOUGH) return rc;
    call_out(c)->n = mark;
    return range_in_steps(c, &e.value, first, n);
}

/* ---- changing in place -------------------------------------------------------------------------- */

static int cmd_lset(call *c) {
    struct entry e;
    int64_t index;
    uint64_t pos;
    uint8_t at[8];
    int rc = write_list(c, &e);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR no such key");
    if (rc != OK) return rc;
    if (!call_int(c, 2, &index)) return OK;
    if (!position(index, list_len(&e.value), &pos)) return reply_error(c, "ERR index out of range");
    if (!list_elements_ok(c, 3)) return OK;
    put_u64(at, pos);
    slice args[2] = {slice_make(at, 8), call_arg(c, 3)};
    rc = call_value(c, TYPE_LIST, LIST_SET, call_arg(c, 1), args, 2);
    if (rc != OK) return rc;
    call_notify(c, 'l', "lset", call_arg(c, 1));
    return reply_ok(c);
}

static int cmd_ltrim(call *c) {
    struct entry e;
    int64_t from, to;
    uint64_t first = 0, n = 0;
    uint8_t ranges[2 * LIST_RANGE_BYTES];
    size_t used = 0;
    if (!call_int(c, 2, &from) || !call_int(c, 3, &to)) return OK;
    int rc = write_list(c, &e);
    if (rc == ERR_NOTFOUND) return reply_ok(c);
    if (rc != OK) return rc;
    uint64_t len = list_len(&e.value);
    if (!clip(from, to, len, &first, &n)) first = n = 0;
    if (first + n < len) {
        put_u64(ranges, first + n);
        put_u64(ranges + 8, len - first - n);
        used += LIST_RANGE_BYTES;
    }
    if (first > 0) {
        put_u64(ranges + used, 0);
        put_u64(ranges + used + 8, first);
        used += LIST_RANGE_BYTES;
    }
    if (used > 0) {
        slice arg = slice_make(ranges, used);
        rc = call_value(c, TYPE_LIST, LIST_DELETE, call_arg(c, 1), &arg, 1);
        if (rc != OK) return rc;
    }
    call_notify(c, 'l', "ltrim", call_arg(c, 1));
    if (n == 0) call_notify(c, 'g', "del", call_arg(c, 1));
    return reply_ok(c);
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define W CMD_WRITE | CMD_DENYOOM
#define G .group = GROUP_LIST
#define PUSHED ONE_KEY(KEY_RW | KEY_INSERT)
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
#define PER_ELEMENT                                                                               \
    "O(1) for each element added, so O(N) to add N elements when the command is called with "     \
    "multiple arguments."
static const char *const many_2_4[] = {"2.4.0", "Accepts multiple `element` arguments.", NULL};
static const char *const many_4_0[] = {"4.0.0", "Accepts multiple `element` arguments.", NULL};
static const struct command rows[] = {
    {.name = "lpush", .fn = cmd_lpush, .arity = -3, .flags = W | CMD_FAST, G, .keys = PUSHED,
     .since = "1.0.0", .summary = "Prepend one or multiple elements to a list",
     .complexity = PER_ELEMENT, .history = many_2_4},
    {.name = "rpush", .fn = cmd_rpush, .arity = -3, .flags = W | CMD_FAST, G, .keys = PUSHED,
     .since = "1.0.0", .summary = "Append one or multiple elements to a list",
     .complexity = PER_ELEMENT, .history = many_2_4},
    {.name = "lpushx", .fn = cmd_lpushx, .arity = -3, .flags = W | CMD_FAST, G, .keys = PUSHED,
     .since = "2.2.0", .summary = "Prepend an element to a list, only if the list exists",
     .complexity = PER_ELEMENT, .history = many_4_0},
    {.name = "rpushx", .fn = cmd_rpushx, .arity = -3, .flags = W | CMD_FAST, G, .keys = PUSHED,
     .since = "2.2.0", .summary = "Append an element to a list, only if the list exists",
     .complexity = PER_ELEMENT, .history = many_4_0},
    {.name = "linsert", .fn = cmd_linsert, .arity = 5, .flags = W, G, .keys = PUSHED,
     .since = "2.2.0", .summary = "Insert an element before or after another element in a list",
     .complexity = "O(N) where N is the number of elements to traverse before seeing the value "
                   "pivot. This means that inserting somewhere on the left end on the list (head) "
                   "can be considered O(1) and inserting somewhere on the right end (tail) is O(N)."},
    {.name = "llen", .fn = cmd_llen, .arity = 2, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RO), .since = "1.0.0", .summary = "Get the length of a list",
     .complexity = "O(1)"},
    {.name = "lindex", .fn = cmd_lindex, .arity = 3, .flags = CMD_READONLY, G, .keys = READ,
     .since = "1.0.0", .summary = "Get an element from a list by its index",
     .complexity = "O(N) where N is the number of elements to traverse to get to the element at "
                   "index. This makes asking for the first or the last element of the list O(1)."},
    {.name = "lrange", .fn = cmd_lrange, .arity = 4, .flags = CMD_READONLY, G, .keys = READ,
     .since = "1.0.0", .summary = "Get a range of elements from a list",
     .complexity = "O(S+N) where S is the distance of start offset from HEAD for small lists, from "
                   "nearest end (HEAD or TAIL) for large lists; and N is the number of elements in "
                   "the specified range."},
    {.name = "lpos", .fn = cmd_lpos, .arity = -3, .flags = CMD_READONLY, G, .keys = READ,
     .since = "6.0.6", .summary = "Return the index of matching elements on a list",
     .complexity = "O(N) where N is the number of elements in the list, for the average case. When "
                   "searching for elements near the head or the tail of the list, or when the "
                   "MAXLEN option is provided, the command may run in constant time."},
    {.name = "lset", .fn = cmd_lset, .arity = 4, .flags = W, G, .keys = ONE_KEY(KEY_RW | KEY_UPDATE),
     .since = "1.0.0", .summary = "Set the value of an element in a list by its index",
     .complexity = "O(N) where N is the length of the list. Setting either the first or the last "
                   "element of the list is O(1)."},
    {.name = "lrem", .fn = cmd_lrem, .arity = 4, .flags = CMD_WRITE, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "1.0.0",
     .summary = "Remove elements from a list",
     .complexity = "O(N+M) where N is the length of the list and M is the number of elements "
                   "removed."},
    {.name = "ltrim", .fn = cmd_ltrim, .arity = 4, .flags = CMD_WRITE, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "1.0.0",
     .summary = "Trim a list to the specified range",
     .complexity = "O(N) where N is the number of elements to be removed by the operation."},
};
const struct command_family family_list = {rows, sizeof(rows) / sizeof(*rows)};
