/* hash_fields.c -- hash commands whose fields are counted: "FIELDS n field...". */
#include "base/num.h"
#include "commands/commands.h"
#include "commands/hash_commands.h"
#include "commands/keyspecs.h"
#include "types/hash.h"

/* "FIELDS n field..." with `at` at FIELDS: the first field and the end, which is that of the
 * arguments. False after a reply. */
static bool fields_at(call *c, size_t at, size_t *first, size_t *end) {
    int64_t n;
    if (!call_arg_is(c, at, "fields") || at + 1 >= call_argc(c)) {
        reply_error(c, "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!call_int_in(c, at + 1, 1, INT32_MAX, &n, "ERR Number of fields must be a positive integer")) {
        return false;
    }
    *first = at + 2;
    *end = call_argc(c);
    if ((uint64_t)n == *end - *first) return true;
    reply_error(c, "ERR The `numfields` parameter must match the number of arguments");
    return false;
}

/* Each field is told and removed before the next is looked at: told twice, it is nil the second time. */
static int cmd_hgetdel(call *c) {
    struct entry e;
    size_t first, end;
    bool any = false;
    int rc = hash_for_writing(c, &e);
    if (rc != OK || !fields_at(c, 2, &first, &end)) return rc;
    if (e.value.kind != VALUE_NONE && (rc = hash_need_args(c, &e.value, first, 1)) != OK) return rc;
    reply_array(c, end - first);
    for (size_t i = first; i < end; i++) {
        char tmp[NUM_LL_MAX];
        slice s, field = call_arg(c, i);
        rc = call_peek(c, call_arg(c, 1), &e);
        if (rc == OK) rc = hash_get(&e.value, field, &s, tmp);
        if (rc == ERR_NOTFOUND) {
            reply_null(c);
            continue;
        }
        if (rc != OK) return rc;
        reply_bulk(c, s);
        if ((rc = call_value(c, TYPE_HASH, HASH_DEL, call_arg(c, 1), &field, 1)) != OK) return rc;
        any = true;
    }
    if (any) call_notify(c, 'h', "hdel", call_arg(c, 1));
    if (any && call_peek(c, call_arg(c, 1), &e) == ERR_NOTFOUND) call_notify(c, 'g', "del", call_arg(c, 1));
    return OK;
}

#define G .group = GROUP_HASH
static const struct command rows[] = {
    {.name = "hgetdel", .fn = cmd_hgetdel, .arity = -5, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_DELETE), .since = "8.0.0",
     .summary = "Returns the value of a field and deletes it from the hash.",
     .complexity = "O(N) where N is the number of specified fields"},
};
const struct command_family family_hash_fields = {rows, sizeof(rows) / sizeof(*rows)};
