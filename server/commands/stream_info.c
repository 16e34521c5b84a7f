/* stream_info.c -- XINFO: a stream, its groups, their consumers. */
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/stream_commands.h"

struct telling {
    call *c;
    const struct value *v;
    const struct stream_group *g;
    uint64_t most; /* entries of each list; 0: all */
    uint64_t n;
    bool own; /* pending entries of one consumer, whose name goes without saying */
};
#define TOLD_ENOUGH 1

static void field_int(call *c, const char *name, int64_t v) {
    reply_bulk_str(c, name);
    reply_int(c, v);
}

static void field_id(call *c, const char *name, stream_id id) {
    reply_bulk_str(c, name);
    stream_reply_id(c, id);
}

/* What is still to be read, if that can be told. */
static int field_lag(const struct telling *t, const struct stream_group *g) {
    struct stream_head h = stream_head(t->v);
    int64_t read = g->read;
    bool unsure = read == STREAM_READ_UNKNOWN;
    int rc = OK;
    if (h.added == 0) read = 0;
    else if (!unsure) rc = stream_deleted_after(t->v, g->last, &unsure);
    if (rc == OK && unsure && h.added != 0) rc = stream_read_at(t->v, g->last, &read);
    if (rc != OK) return rc;
    reply_bulk_str(t->c, "lag");
    return read == STREAM_READ_UNKNOWN ? reply_null(t->c)
                                       : reply_int(t->c, (int64_t)(h.added - (uint64_t)read));
}

static void field_read(call *c, const struct stream_group *g) {
    reply_bulk_str(c, "entries-read");
    if (g->read == STREAM_READ_UNKNOWN) reply_null(c);
    else reply_int(c, g->read);
}

/* ---- XINFO STREAM ... FULL ---------------------------------------------------------------------- */

static int tell_pending(void *cookie, const struct stream_pending *p) {
    struct telling *t = cookie;
    slice name;
    if (t->most != 0 && t->n == t->most) return TOLD_ENOUGH;
    t->n++;
    int rc = t->own ? OK : stream_consumer_name(t->v, t->g, p->consumer, &name);
    if (rc != OK) return rc;
    reply_array(t->c, t->own ? 3 : 4);
    stream_reply_id(t->c, p->id);
    if (!t->own) reply_bulk(t->c, name);
    reply_int(t->c, (int64_t)p->time);
    return reply_int(t->c, (int64_t)p->count);
}

static int field_pending(struct telling *t, const struct stream_consumer *of) {
    struct telling own = *t;
    reply_bulk_str(t->c, "pending");
    size_t mark = reply_deferred(t->c);
    own.own = of != NULL;
    own.n = 0;
    int rc = stream_pending_each(t->v, t->g, of, STREAM_ID_MIN, tell_pending, &own);
    if (rc != OK && rc != TOLD_ENOUGH) return rc;
    reply_deferred_array(t->c, mark, own.n);
    return OK;
}

static int tell_consumer_full(void *cookie, slice name, const struct stream_consumer *one) {
    struct telling *t = cookie;
    reply_map(t->c, 4);
    reply_bulk_str(t->c, "name");
    reply_bulk(t->c, name);
    field_int(t->c, "seen-time", (int64_t)one->seen);
    field_int(t->c, "pel-count", (int64_t)one->pending);
    return field_pending(t, one);
}

static int tell_group_full(void *cookie, slice name, const struct stream_group *g) {
    struct telling t = *(struct telling *)cookie;
    call *c = t.c;
    t.g = g;
    reply_map(c, 7);
    reply_bulk_str(c, "name");
    reply_bulk(c, name);
    field_id(c, "last-delivered-id", g->last);
    field_read(c, g);
    int rc = field_lag(&t, g);
    if (rc != OK) return rc;
    field_int(c, "pel-count", (int64_t)g->pending);
    rc = field_pending(&t, NULL);
    if (rc != OK) return rc;
    reply_bulk_str(c, "consumers");
    reply_array(c, g->consumers);
    return stream_consumers_each(t.v, g, tell_consumer_full, &t);
}

/* ---- XINFO STREAM ------------------------------------------------------------------------------- */

static int write_edge(void *cookie, struct stream_entry *e) {
    struct telling *t = cookie;
    t->n++;
    return stream_reply_entry(t->c, e);
}

static int field_edge(struct telling *t, const char *name, bool last) {
    t->n = 0;
    reply_bulk_str(t->c, name);
    int rc = stream_each(t->v, STREAM_ID_MIN, STREAM_ID_MAX, 1, last, write_edge, t);
    if (rc == OK && t->n == 0) reply_null(t->c);
    return rc;
}

/* The nodes of a radix tree are Redis's matter; here there are blocks, and the tree over them. */
static int tell_head(struct telling *t, bool full) {
    call *c = t->c;
    struct stream_head h = stream_head(t->v);
    stream_id first = STREAM_ID_MIN;
    int rc = stream_first(t->v, &first);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    reply_map(c, full ? 9 : 10);
    field_int(c, "length", (int64_t)h.length);
    field_int(c, "radix-tree-keys", (int64_t)h.blocks);
    field_int(c, "radix-tree-nodes", (int64_t)h.blocks + 1);
    field_id(c, "last-generated-id", h.last);
    field_id(c, "max-deleted-entry-id", h.max_deleted);
    field_int(c, "entries-added", (int64_t)h.added);
    field_id(c, "recorded-first-entry-id", first);
    return OK;
}

static int info_stream(call *c) {
    struct entry e;
    size_t argc = call_argc(c);
    int64_t count = 10;
    bool full = argc > 3;
    int rc = call_read_type(c, call_arg(c, 2), TYPE_STREAM, &e);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR no such key");
    if (rc != OK) return rc;
    if (full && ((argc != 4 && argc != 6) || !call_arg_is(c, 3, "full"))) return stream_reply_subcommand_syntax(c);
    if (argc == 6 && !call_arg_is(c, 4, "count")) return stream_reply_subcommand_syntax(c);
    if (argc == 6 && !call_int(c, 5, &count)) return OK;
    struct telling t = {.c = c, .v = &e.value, .most = count < 0 ? 10 : (uint64_t)count};
    rc = tell_head(&t, full);
    if (rc != OK) return rc;
    uint64_t groups = stream_head(t.v).groups;
    if (!full) {
        field_int(c, "groups", (int64_t)groups);
        rc = field_edge(&t, "first-entry", false);
        return rc == OK ? field_edge(&t, "last-entry", true) : rc;
    }
    reply_bulk_str(c, "entries");
    rc = stream_reply_now(c, t.v, STREAM_ID_MIN, STREAM_ID_MAX, t.most, false);
    if (rc != OK) return rc;
    reply_bulk_str(c, "groups");
    reply_array(c, groups);
    return stream_groups_each(t.v, tell_group_full, &t);
}

/* ---- XINFO GROUPS, CONSUMERS -------------------------------------------------------------------- */

static int tell_group(void *cookie, slice name, const struct stream_group *g) {
    struct telling *t = cookie;
    call *c = t->c;
    reply_map(c, 6);
    reply_bulk_str(c, "name");
    reply_bulk(c, name);
    field_int(c, "consumers", (int64_t)g->consumers);
    field_int(c, "pending", (int64_t)g->pending);
    field_id(c, "last-delivered-id", g->last);
    field_read(c, g);
    return field_lag(t, g);
}

static int info_groups(call *c) {
    struct entry e;
    int rc = call_read_type(c, call_arg(c, 2), TYPE_STREAM, &e);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR no such key");
    if (rc != OK) return rc;
    struct telling t = {.c = c, .v = &e.value};
    reply_array(c, stream_head(t.v).groups);
    return stream_groups_each(t.v, tell_group, &t);
}

static int tell_consumer(void *cookie, slice name, const struct stream_consumer *one) {
    struct telling *t = cookie;
    int64_t idle = call_now_ms(t->c) - (int64_t)one->seen;
    reply_map(t->c, 3);
    reply_bulk_str(t->c, "name");
    reply_bulk(t->c, name);
    field_int(t->c, "pending", (int64_t)one->pending);
    field_int(t->c, "idle", idle < 0 ? 0 : idle);
    return OK;
}

static int info_consumers(call *c) {
    struct entry e;
    struct stream_group g;
    slice key = call_arg(c, 2), group = call_arg(c, 3);
    int rc = call_read_type(c, key, TYPE_STREAM, &e);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR no such key");
    if (rc != OK) return rc;
    rc = stream_group_get(&e.value, group, &g);
    if (rc == ERR_NOTFOUND)
        return reply_errorf(c, "NOGROUP No such consumer group '%.*s' for key name '%.*s'", (int)group.n,
                            (const char *)group.p, (int)key.n, (const char *)key.p);
    if (rc != OK) return rc;
    struct telling t = {.c = c, .v = &e.value};
    reply_array(c, g.consumers);
    return stream_consumers_each(t.v, &g, tell_consumer, &t);
}

static int info_help(call *c) {
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>", "    Show consumers of <groupname>.", "GROUPS <key>",
        "    Show the stream consumer groups.", "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.", NULL};
    return reply_help(c, lines);
}

#define G .group = GROUP_STREAM
#define SUB .flags = CMD_READONLY, .categories = CAT_STREAM, G, .keys = SUB_KEY(KEY_RO | KEY_ACCESS)
#define MORE_FIELDS \
    "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` fields"
static const char *const stream_history[] = {"6.0.0", "Added the `FULL` modifier.", "7.0.0", MORE_FIELDS, NULL};
static const char *const groups_history[] = {"7.0.0", "Added the `entries-read` and `lag` fields", NULL};
static const struct command info_subcommands[] = {
    {.name = "consumers", .fn = info_consumers, .arity = 4, SUB, .since = "5.0.0",
     .tips = "nondeterministic_output", .summary = "List the consumers in a consumer group",
     .complexity = "O(1)"},
    {.name = "groups", .fn = info_groups, .arity = 3, SUB, .since = "5.0.0", .history = groups_history,
     .summary = "List the consumer groups of a stream", .complexity = "O(1)"},
    {.name = "help", .fn = info_help, .arity = 2, .flags = CMD_LOADING | CMD_STALE, .categories = CAT_STREAM,
     G, .since = "5.0.0", .summary = "Show helpful text about the different subcommands",
     .complexity = "O(1)"},
    {.name = "stream", .fn = info_stream, .arity = -3, SUB, .since = "5.0.0", .history = stream_history,
     .summary = "Get information about a stream", .complexity = "O(1)"},
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "xinfo", .fn = NULL, .arity = -2, .flags = 0, G, .since = "5.0.0",
     .summary = "A container for stream introspection commands", .complexity = "Depends on subcommand.",
     .subcommands = info_subcommands},
};
const struct command_family family_stream_info = {rows, sizeof(rows) / sizeof(*rows)};
