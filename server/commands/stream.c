/* stream.c -- the stream commands about entries: added, read, deleted, cut off. */
#include "types/stream.h"

#include <assert.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/stream_trim.h"

static int read_stream(call *c, struct entry *e) {
    return call_read_type(c, call_arg(c, 1), TYPE_STREAM, e);
}
static int write_stream(call *c, struct entry *e) {
    return call_write_type(c, call_arg(c, 1), TYPE_STREAM, e);
}

/* ---- XADD, XTRIM -------------------------------------------------------------------------------- */

struct adding {
    struct trim trim;
    bool no_stream, given, any_seq;
    stream_id id;
    size_t id_at;
};

static bool add_options(call *c, struct adding *a) {
    size_t i = 2;
    for (; i < call_argc(c); i++) {
        bool taken;
        if (slice_eq(call_arg(c, i), SLICE("*"))) break;
        if (!trim_option(c, &i, &a->trim, &taken)) return false;
        if (taken) continue;
        if (call_arg_is(c, i, "nomkstream")) {
            a->no_stream = true;
            continue;
        }
        if (!stream_parse_new_id(c, call_arg(c, i), &a->id, &a->any_seq)) return false;
        a->given = true;
        break;
    }
    a->id_at = i;
    return trim_options_end(c, &a->trim, false);
}

/* The id of the new entry. False after an error reply. */
static bool new_id(call *c, struct adding *a, stream_id last) {
    uint64_t now = (uint64_t)call_now_ms(c);
    bool above = true;
    if (a->given && a->any_seq && a->id.ms == last.ms) {
        above = last.seq != UINT64_MAX;
        a->id.seq = last.seq + 1;
    } else if (!a->given) {
        a->id = (stream_id){now, 0};
        if (now <= last.ms) {
            a->id = last;
            above = stream_id_up(&a->id);
        }
    }
    if (above && stream_id_cmp(a->id, last) > 0) return true;
    reply_error(c, "ERR The ID specified in XADD is equal or smaller than the target stream top item");
    return false;
}

/* Asks for what the cut after the entry has been added needs: it is there then as it will be but for
 * the new entry. */
static int need_trim_after(const struct value *v, struct trim t) {
    struct trim_plan plan;
    if (t.by == TRIM_MAXLEN && t.maxlen > 0) t.maxlen--;
    int rc = trim_plan(v, &t, &plan);
    if (rc == OK) rc = trim_need(v, &plan);
    trim_plan_free(&plan);
    return rc;
}

static int trim_after(call *c, const struct trim *t) {
    struct entry e;
    struct trim_plan plan = {.gone = 0};
    if (t->by == TRIM_NONE) return OK;
    int rc = call_peek(c, call_arg(c, 1), &e);
    if (rc == OK) rc = trim_plan(&e.value, t, &plan);
    if (rc == OK) rc = trim_apply(c, call_arg(c, 1), &plan);
    assert(rc != ERR_COLD);
    trim_plan_free(&plan);
    return rc;
}

#define ADD_ARGS_FEW 17 /* The id, and eight fields: no allocation. */

static int add(call *c, struct adding *a, const struct value *v) {
    uint8_t raw[STREAM_ID_BYTES];
    size_t n = call_argc(c) - a->id_at;
    slice few[ADD_ARGS_FEW], *all = n <= ADD_ARGS_FEW ? few : mem_try_alloc(n * sizeof(slice));
    if (all == NULL) return ERR_NOMEM;
    stream_id_put(raw, a->id);
    all[0] = slice_make(raw, sizeof(raw));
    memcpy(all + 1, call_argv(c) + a->id_at + 1, (n - 1) * sizeof(slice));
    int rc = OK;
    if (v != NULL && a->trim.by != TRIM_NONE) { /* The effect alone asks for its pages itself. */
        rc = stream_need(v, STREAM_ADD, all, n);
        if (rc == OK) rc = need_trim_after(v, a->trim);
    }
    if (rc == OK) rc = call_value(c, TYPE_STREAM, STREAM_ADD, call_arg(c, 1), all, n);
    if (all != few) mem_free(all);
    return rc;
}

static int cmd_xadd(call *c) {
    struct adding a = {.given = false};
    struct entry e;
    if (!add_options(c, &a)) return OK;
    size_t fields = call_argc(c) > a.id_at ? call_argc(c) - a.id_at - 1 : 0;
    if (fields < 2 || fields % 2 == 1) return reply_arity(c);
    if (a.given && !a.any_seq && a.id.ms == 0 && a.id.seq == 0) {
        return reply_error(c, "ERR The ID specified in XADD must be greater than 0-0");
    }
    int rc = write_stream(c, &e);
    if (rc == ERR_NOTFOUND && a.no_stream) return reply_null(c);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    bool there = rc == OK;
    stream_id last = there ? stream_head(&e.value).last : STREAM_ID_MIN;
    if (stream_id_cmp(last, STREAM_ID_MAX) == 0) {
        return reply_error(c, "ERR The stream has exhausted the last possible ID, unable to add more items");
    }
    if (!new_id(c, &a, last)) return OK;
    if (!stream_entry_fits(call_argv(c) + a.id_at + 1, fields)) {
        return reply_error(c, "ERR Elements are too large to be stored");
    }
    rc = add(c, &a, there ? &e.value : NULL);
    if (rc != OK) return rc;
    call_notify(c, 't', "xadd", call_arg(c, 1));
    rc = trim_after(c, &a.trim);
    return rc == OK ? stream_reply_id(c, a.id) : rc;
}

static int cmd_xtrim(call *c) {
    struct trim t = {.by = TRIM_NONE};
    struct trim_plan plan = {.gone = 0};
    struct entry e;
    for (size_t i = 2; i < call_argc(c); i++) {
        bool taken;
        if (!trim_option(c, &i, &t, &taken)) return OK;
        if (!taken) return reply_syntax(c);
    }
    if (!trim_options_end(c, &t, true)) return OK;
    int rc = write_stream(c, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc == OK) rc = trim_plan(&e.value, &t, &plan);
    if (rc == OK) rc = trim_need(&e.value, &plan);
    if (rc == OK) rc = trim_apply(c, call_arg(c, 1), &plan);
    trim_plan_free(&plan);
    return rc == OK ? reply_int(c, (int64_t)plan.gone) : rc;
}

/* ---- reading ------------------------------------------------------------------------------------ */

static int cmd_xlen(call *c) {
    struct entry e;
    int rc = read_stream(c, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, (int64_t)stream_head(&e.value).length);
}

static int range(call *c, bool backward) {
    struct entry e;
    stream_id from, to;
    int64_t count = -1;
    if (!stream_parse_from(c, call_arg(c, backward ? 3 : 2), &from)) return OK;
    if (!stream_parse_to(c, call_arg(c, backward ? 2 : 3), &to)) return OK;
    for (size_t i = 4; i < call_argc(c); i += 2) {
        if (i + 1 >= call_argc(c) || !call_arg_is(c, i, "count")) return reply_syntax(c);
        if (!call_int(c, i + 1, &count)) return OK;
        if (count < 0) count = 0;
    }
    int rc = read_stream(c, &e);
    if (rc == ERR_NOTFOUND) return reply_empty_array(c);
    if (rc != OK) return rc;
    if (count == 0) return reply_null_array(c);
    return stream_reply_range(c, &e.value, from, to, count < 0 ? 0 : (uint64_t)count, backward);
}

static int cmd_xrange(call *c) { return range(c, false); }
static int cmd_xrevrange(call *c) { return range(c, true); }

/* ---- changing ----------------------------------------------------------------------------------- */

/* Keeps those ids that entries have. */
static int existing(const struct value *v, buf *ids) {
    struct stream_finder finder = {.any = false};
    size_t kept = 0;
    int cold = OK;
    for (size_t i = 0; i < ids->n; i += STREAM_ID_BYTES) {
        struct stream_entry e;
        int rc = stream_find(v, &finder, stream_id_read(ids->p + i), &e);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
        if (rc != OK) continue;
        memmove(ids->p + kept, ids->p + i, STREAM_ID_BYTES);
        kept += STREAM_ID_BYTES;
    }
    ids->n = kept;
    return cold;
}

/* Very many of them, in steps. */
struct long_delete {
    struct stream_job job;
    buf ids;
    size_t at;
};

static int delete_gather(call *c, struct stream_job *j, const struct value *v, bool *all) {
    struct long_delete *d = (struct long_delete *)j;
    size_t left = d->ids.n - d->at, most = STEP_ELEMENTS * STREAM_ID_BYTES, n = left < most ? left : most;
    buf some = BUF_INIT;
    (void)c;
    buf_append(&some, d->ids.p + d->at, n);
    int rc = existing(v, &some);
    if (rc == OK) {
        buf_append_slice(&j->ids, slice_of(&some));
        d->at += n;
        *all = d->at == d->ids.n;
    }
    buf_free(&some);
    return rc;
}

static void delete_head(call *c, struct stream_job *j) { reply_int(c, (int64_t)(j->ids.n / STREAM_ID_BYTES)); }
static void delete_restart(struct stream_job *j) { ((struct long_delete *)j)->at = 0; }
static void delete_free(struct stream_job *j) {
    buf_free(&((struct long_delete *)j)->ids);
    mem_free(j);
}

static int delete_in_steps(call *c, buf *ids) {
    struct long_delete *d = mem_calloc(1, sizeof(*d));
    d->job = (struct stream_job){.gather = delete_gather, .head = delete_head, .restart = delete_restart,
                                 .free = delete_free, .key = call_argv(c) + 1};
    d->ids = *ids;
    *ids = BUF_INIT;
    return stream_in_steps(c, &d->job);
}

static int delete(call *c, buf *ids) {
    struct entry e;
    int rc = write_stream(c, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK || !stream_parse_ids(c, 2, call_argc(c) - 2, ids)) return rc;
    stream_sort_ids(ids);
    if (ids->n >= STREAM_STEPS_FROM * STREAM_ID_BYTES && call_may_step(c)) return delete_in_steps(c, ids);
    rc = existing(&e.value, ids);
    if (rc != OK) return rc;
    slice arg = slice_of(ids);
    if (ids->n > 0) rc = call_value(c, TYPE_STREAM, STREAM_DELETE, call_arg(c, 1), &arg, 1);
    if (rc != OK) return rc;
    if (ids->n > 0) call_notify(c, 't', "xdel", call_arg(c, 1));
    return reply_int(c, (int64_t)(ids->n / STREAM_ID_BYTES));
}

static int cmd_xdel(call *c) {
    buf ids = BUF_INIT;
    int rc = delete(c, &ids);
    buf_free(&ids);
    return rc;
}

static bool setid_options(call *c, stream_id id, int64_t *added, stream_id *deleted) {
    for (size_t i = 3; i < call_argc(c); i += 2) {
        bool more = i + 1 < call_argc(c);
        if (more && call_arg_is(c, i, "entriesadded")) {
            if (!call_int(c, i + 1, added)) return false;
            if (*added >= 0) continue;
            reply_error(c, "ERR entries_added must be positive");
            return false;
        } else if (more && call_arg_is(c, i, "maxdeletedid")) {
            if (!stream_parse_id(c, call_arg(c, i + 1), 0, deleted)) return false;
            if (stream_id_cmp(id, *deleted) >= 0) continue;
            reply_error(c, "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
            return false;
        }
        reply_syntax(c);
        return false;
    }
    return true;
}

static int cmd_xsetid(call *c) {
    struct entry e;
    stream_id id, deleted = STREAM_ID_MIN, top;
    int64_t added = -1;
    uint8_t last[STREAM_ID_BYTES], count[8], gone[STREAM_ID_BYTES];
    if (!stream_parse_id(c, call_arg(c, 2), 0, &id)) return OK;
    if (!setid_options(c, id, &added, &deleted)) return OK;
    int rc = write_stream(c, &e);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR no such key");
    if (rc != OK) return rc;
    struct stream_head h = stream_head(&e.value);
    if (h.length > 0) {
        rc = stream_last(&e.value, &top);
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
        if (stream_id_cmp(id, top) < 0)
            return reply_error(c, "ERR The ID specified in XSETID is smaller than the target stream top item");
        if (added != -1 && h.length > (uint64_t)added)
            return reply_error(c, "ERR The entries_added specified in XSETID is smaller than the target stream length");
    }
    bool given = deleted.ms != 0 || deleted.seq != 0;
    stream_id_put(last, id);
    put_u64(count, added == -1 ? h.added : (uint64_t)added);
    stream_id_put(gone, given ? deleted : h.max_deleted);
    slice args[3] = {slice_make(last, sizeof(last)), slice_make(count, 8), slice_make(gone, sizeof(gone))};
    rc = call_value(c, TYPE_STREAM, STREAM_SET, call_arg(c, 1), args, 3);
    if (rc != OK) return rc;
    call_notify(c, 't', "xsetid", call_arg(c, 1));
    return reply_ok(c);
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define G .group = GROUP_STREAM
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
#define CHANCE .tips = "nondeterministic_output"
static const char *const xadd_history[] = {
    "6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option.",
    "7.0.0", "Added support for the `<ms>-*` explicit ID form.",
    "8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options.", NULL};
static const char *const range_history[] = {"6.2.0", "Added exclusive ranges.", NULL};
static const char *const xtrim_history[] = {
    "6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option.",
    "8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options.", NULL};
static const char *const xsetid_history[] = {
    "7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.", NULL};
static const struct command rows[] = {
    {.name = "xadd", .fn = cmd_xadd, .arity = -5, .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST, G, CHANCE,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = "5.0.0", .history = xadd_history,
     .summary = "Appends a new entry to a stream",
     .complexity = "O(1) when adding a new entry, O(N) when trimming where N being the number of "
                   "entries evicted."},
    {.name = "xlen", .fn = cmd_xlen, .arity = 2, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RO), .since = "5.0.0", .summary = "Return the number of entries in a stream",
     .complexity = "O(1)"},
    {.name = "xrange", .fn = cmd_xrange, .arity = -4, .flags = CMD_READONLY, G, .keys = READ,
     .since = "5.0.0", .history = range_history,
     .summary = "Return a range of elements in a stream, with IDs matching the specified IDs interval",
     .complexity = "O(N) with N being the number of elements being returned. If N is constant (e.g. "
                   "always asking for the first 10 elements with COUNT), you can consider it O(1)."},
    {.name = "xrevrange", .fn = cmd_xrevrange, .arity = -4, .flags = CMD_READONLY, G, .keys = READ,
     .since = "5.0.0", .history = range_history,
     .summary = "Return a range of elements in a stream, with IDs matching the specified IDs interval, "
                "in reverse order (from greater to smaller IDs) compared to XRANGE",
     .complexity = "O(N) with N being the number of elements returned. If N is constant (e.g. always "
                   "asking for the first 10 elements with COUNT), you can consider it O(1)."},
    {.name = "xdel", .fn = cmd_xdel, .arity = -3, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "5.0.0",
     .summary = "Removes the specified entries from the stream. Returns the number of items actually "
                "deleted, that may be different from the number of IDs passed in case certain IDs do "
                "not exist.",
     .complexity = "O(1) for each single item to delete in the stream, regardless of the stream size."},
    {.name = "xtrim", .fn = cmd_xtrim, .arity = -4, .flags = CMD_WRITE, G, CHANCE,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "5.0.0", .history = xtrim_history,
     .summary = "Trims the stream to (approximately if '~' is passed) a certain size",
     .complexity = "O(N), with N being the number of evicted entries. Constant times are very small "
                   "however, since entries are organized in macro nodes containing multiple entries "
                   "that can be released with a single deallocation."},
    {.name = "xsetid", .fn = cmd_xsetid, .arity = -3, .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = "5.0.0", .history = xsetid_history,
     .summary = "An internal command for replicating stream values", .complexity = "O(1)"},
};
const struct command_family family_stream = {rows, sizeof(rows) / sizeof(*rows)};
