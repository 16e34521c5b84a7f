/* scan.c -- walks over a database: KEYS, SCAN. (HSCAN is with the hashes.) */
#include "base/mem.h"
#include "base/num.h"
#include "commands/commands.h"
#include "commands/elements.h"
#include "commands/keyspecs.h"
#include "resp/write.h"

#define KEYS_STEP 1000        /* Keys between two looks at the clock. */

/* ---- SCAN --------------------------------------------------------------------------------------- */

/* Redis prints cursors of 64 bits; a malformed one is an error of its own. */
bool command_scan_cursor(call *c, size_t i, uint64_t *cursor) {
    if (num_parse_ull(call_arg(c, i), cursor)) return true;
    reply_error(c, "ERR invalid cursor");
    return false;
}

struct scan {
    slice pattern;
    const struct type *type;
    bool typed, all;
    buf *out;
    size_t n;
};

static int scan_one(void *cookie, const struct entry *e) {
    struct scan *s = cookie;
    if (s->typed && (s->type == NULL || s->type->id != e->value.type)) return 0;
    if (!s->all && !glob_match(s->pattern, e->key, false)) return 0;
    resp_bulk(s->out, e->key);
    s->n++;
    return 0;
}

static int cmd_scan(call *c) {
    uint64_t cursor;
    int64_t count = 10;
    buf found = BUF_INIT;
    struct scan s = {.all = true, .out = &found};
    if (!command_scan_cursor(c, 1, &cursor)) return OK;
    for (size_t i = 2; i < call_argc(c); i += 2) {
        if (i + 1 >= call_argc(c)) return reply_syntax(c);
        if (call_arg_is(c, i, "count")) {
            if (!call_int(c, i + 1, &count)) return OK;
            if (count < 1) return reply_syntax(c);
        } else if (call_arg_is(c, i, "match")) {
            s.pattern = call_arg(c, i + 1);
            s.all = slice_eq(s.pattern, SLICE("*"));
        } else if (call_arg_is(c, i, "type")) {
            s.typed = true;
            s.type = type_by_name(exec_deps(call_exec(c))->types, call_arg(c, i + 1));
        } else {
            return reply_syntax(c);
        }
    }
    if (count > SCAN_COUNT_MAX) count = SCAN_COUNT_MAX;
    int rc = keyspace_scan(call_keyspace(c), call_db(c), &cursor, (size_t)count, scan_one, &s);
    if (rc == OK) elements_scan_reply(c, cursor, s.n, slice_of(&found));
    buf_free(&found);
    return rc;
}

/* ---- KEYS: in steps, so that cold pages do not pile up ------------------------------------------- */

struct keys_state {
    struct scan scan;
    buf found;
    uint64_t cursor;
    bool begun;
};

static void keys_free(void *p) {
    struct keys_state *k = p;
    buf_free(&k->found);
    mem_free(k);
}

static int cmd_keys(call *c) {
    struct keys_state *k = call_state(c);
    if (k == NULL) {
        k = mem_calloc(1, sizeof(*k));
        k->scan.out = &k->found;
        call_set_state(c, k, keys_free);
    }
    k->scan.pattern = call_arg(c, 1);
    k->scan.all = slice_eq(k->scan.pattern, SLICE("*"));
    while (!k->begun || k->cursor != 0) {
        uint64_t at = k->cursor;
        size_t n = k->scan.n, bytes = k->found.n;
        int rc = keyspace_scan(call_keyspace(c), call_db(c), &k->cursor, KEYS_STEP, scan_one, &k->scan);
        if (rc != OK) { /* The step is repeated when its page is there. */
            k->cursor = at;
            k->scan.n = n;
            k->found.n = bytes;
            return rc;
        }
        k->begun = true;
    }
    reply_array(c, k->scan.n);
    buf_append(call_out(c), k->found.p, k->found.n);
    return OK;
}

static const struct command rows[] = {
    {.name = "scan", .fn = cmd_scan, .arity = -2, .flags = CMD_READONLY | CMD_WHOLE_DB, .categories = CAT_KEYSPACE,
     .group = GROUP_GENERIC, .since = "2.8.0", .summary = "Incrementally iterate the keys space",
     .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command calls for "
                   "the cursor to return back to 0. N is the number of elements inside the collection.",
     .tips = "nondeterministic_output,request_policy:special"},
    {.name = "keys", .fn = cmd_keys, .arity = 2, .flags = CMD_READONLY | CMD_WHOLE_DB,
     .categories = CAT_DANGEROUS, .group = GROUP_GENERIC, .since = "1.0.0",
     .summary = "Find all keys matching the given pattern",
     .complexity = "O(N) with N being the number of keys in the database",
     .tips = "request_policy:all_shards,nondeterministic_output_order"},
};
const struct command_family family_scan = {rows, sizeof(rows) / sizeof(*rows)};
