/* snapshot.c -- SNAPSHOT CREATE, LIST, INFO, FORK, RESTORE, DELETE, DROPDB, GC.
 *
 * The work is the tier's: a snapshot is a pin on the roots of all databases at one LSN, a fork a new
 * database over the same pages. These handlers check names, run the effect, and make the replies. */
#include "snapshot.h"

/* 1 to 128 of letters, digits, dot, underscore, dash; not all digits, which SELECT reads as a number. */
static bool name_ok(slice name) {
    bool word = false;
    if (name.n == 0 || name.n > NAME_BYTES_MAX) return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t b = name.p[i];
        bool letter = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '.' || b == '_' || b == '-';
        if (!letter && (b < '0' || b > '9')) return false;
        word |= letter;
    }
    return word;
}

static bool check_name(call *c, size_t i) {
    if (name_ok(call_arg(c, i))) return true;
    reply_error(c, "ERR a name has 1 to 128 of A-Z a-z 0-9 . _ - and is not all digits");
    return false;
}

/* OK, or the reply for what the tier refused. ERR_COLD passes. */
static int refused(call *c, int rc, const char *exists) {
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR no such snapshot");
    if (rc == ERR_EXISTS) return reply_error(c, exists);
    if (rc == ERR_UNSUPPORTED) {
        return reply_error(c, "ERR a snapshot is taken between transactions: not after a write inside MULTI");
    }
    if (rc == ERR_LIMIT) return reply_error(c, "ERR too many snapshots or databases");
    return rc;
}

static void pair(call *c, const char *name, uint64_t v) {
    reply_bulk_str(c, name);
    reply_int(c, (int64_t)v);
}

static void pair_str(call *c, const char *name, const char *v) {
    reply_bulk_str(c, name);
    reply_bulk_str(c, v);
}

static void reply_short(call *c, const struct snapshot_info *i) {
    reply_map(c, 4);
    pair_str(c, "name", i->name);
    pair(c, "lsn", i->lsn);
    pair(c, "time", i->time_ms);
    pair(c, "keys", i->keys);
}

static void reply_long(call *c, const struct snapshot_info *i) {
    reply_map(c, 7);
    pair_str(c, "name", i->name);
    pair(c, "lsn", i->lsn);
    pair(c, "time", i->time_ms);
    pair(c, "keys", i->keys);
    pair_str(c, "parent", i->parent);
    pair(c, "databases", i->databases);
    reply_bulk_str(c, "durable");
    reply_int(c, i->durable);
}

static int snapshot_create(call *c) {
    struct snapshot_info info;
    bool nx = call_argc(c) == 4 && call_arg_is(c, 3, "nx");
    if (call_argc(c) > 4 || (call_argc(c) == 4 && !nx)) return reply_syntax(c);
    if (!check_name(c, 2)) return OK;
    int rc = tier_snapshot_create(call_tier(c), call_arg(c, 2), nx, &info);
    if (rc == ERR_EXISTS && nx) return reply_null(c);
    if (rc != OK) return refused(c, rc, "ERR snapshot already exists");
    reply_short(c, &info);
    return OK;
}

struct listing {
    call *call;
    size_t n;
};

static void list_one(void *cookie, const struct snapshot_info *i) {
    struct listing *l = cookie;
    reply_long(l->call, i);
    l->n++;
}

static int snapshot_list(call *c) {
    struct listing l = {.call = c};
    size_t mark = reply_deferred(c);
    tier_snapshot_each(call_tier(c), list_one, &l);
    reply_deferred_array(c, mark, l.n);
    return OK;
}

static int snapshot_info_cmd(call *c) {
    struct snapshot_info info;
    if (!check_name(c, 2)) return OK;
    int rc = tier_snapshot_info(call_tier(c), call_arg(c, 2), &info);
    if (rc != OK) return refused(c, rc, "");
    reply_long(c, &info);
    return OK;
}

static int snapshot_fork(call *c) {
    if (!check_name(c, 2) || !check_name(c, 3)) return OK;
    int rc = tier_snapshot_fork(call_tier(c), call_arg(c, 2), call_db(c), call_arg(c, 3));
    return rc == OK ? reply_ok(c) : refused(c, rc, "ERR database already exists");
}

static int snapshot_restore(call *c) {
    char safety[NAME_BYTES_MAX + 1];
    if (!check_name(c, 2)) return OK;
    int rc = tier_snapshot_restore(call_tier(c), call_arg(c, 2), safety);
    return rc == OK ? reply_bulk_str(c, safety) : refused(c, rc, "ERR snapshot already exists");
}

static int snapshot_delete(call *c) {
    if (!check_name(c, 2)) return OK;
    int rc = tier_snapshot_delete(call_tier(c), call_arg(c, 2));
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc == OK ? reply_int(c, 1) : rc;
}

static int snapshot_dropdb(call *c) {
    if (!check_name(c, 2)) return OK;
    int rc = tier_db_drop(call_tier(c), call_arg(c, 2));
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR no such database");
    return rc == OK ? reply_ok(c) : rc;
}

/* ---- GC ------------------------------------------------------------------------------------------ */

struct gc_wait {
    parked *parked;
    int rc;
    bool gone;
    struct gc_result result;
};

static void gc_done(void *cookie, int rc, const struct gc_result *r) {
    struct gc_wait *w = cookie;
    w->rc = rc;
    if (r != NULL) w->result = *r;
    if (w->gone) mem_free(w);
    else parked_resume(w->parked);
}

static int gc_reply(call *c) {
    struct gc_wait *w = call_cookie(c);
    struct gc_result r = w->result;
    int rc = w->rc;
    mem_free(w);
    if (rc != OK) return reply_errorf(c, "ERR the collection failed: %s", err_text(rc));
    reply_map(c, 4);
    pair(c, "objects_live", r.objects_live);
    pair(c, "objects_dead", r.objects_dead);
    pair(c, "bytes_dead", r.bytes_dead);
    pair(c, "objects_deleted", r.objects_deleted);
    return OK;
}

static void gc_canceled(void *cookie) { ((struct gc_wait *)cookie)->gone = true; }

static int snapshot_gc(call *c) {
    bool dry = call_argc(c) == 3 && call_arg_is(c, 2, "dryrun");
    if (call_argc(c) > 3 || (call_argc(c) == 3 && !dry)) return reply_syntax(c);
    struct gc_wait *w = mem_calloc(1, sizeof(*w));
    w->parked = call_park(c, gc_reply, w, gc_canceled);
    tier_gc(call_tier(c), dry, gc_done, w);
    return ERR_AGAIN;
}

static int snapshot_help(call *c) {
    static const char *const lines[] = {
        "CREATE <name> [NX]", "    Pin all databases as they are now: keys, vectors and files.",
        "LIST", "    Return the snapshots, oldest first.",
        "INFO <name>", "    Return what is known of a snapshot.",
        "FORK <name> <newdb>", "    Make <newdb> a writable copy of the selected database as it was then.",
        "    Use it with SELECT <newdb>.",
        "RESTORE <name>", "    Put all numbered databases back to that moment. Returns the name of a",
        "    snapshot of what was there before.",
        "DELETE <name>", "    Forget a snapshot. Forks made from it stay.",
        "DROPDB <newdb>", "    Remove a fork.",
        "GC [DRYRUN]", "    Remove objects from the store that nothing reaches any more, or count them.",
        NULL};
    return reply_help(c, lines);
}

#define ROW(n, f, a, fl, text, cost)                                                         \
    {.name = n, .fn = f, .arity = a, .flags = (fl) | CMD_MODULE, .categories = CAT_ADMIN | CAT_DANGEROUS, \
     .group = GROUP_MODULE, .since = "1.0.0", .summary = text, .complexity = cost}
static const struct command_arg name_arg[] = {{.name = "name", .type = "string"}, {.name = NULL}};
static const struct command_arg fork_args[] = {
    {.name = "name", .type = "string"}, {.name = "newdb", .type = "string"}, {.name = NULL}};
static const struct command_arg create_args[] = {
    {.name = "name", .type = "string"},
    {.name = "nx", .type = "pure-token", .token = "NX", .flags = ARG_OPTIONAL},
    {.name = NULL}};
static const struct command subcommands[] = {
    {.name = "create", .fn = snapshot_create, .arity = -3, .flags = CMD_WRITE | CMD_MODULE | CMD_WHOLE_DB,
     .group = GROUP_MODULE, .since = "1.0.0", .summary = "Pin all databases at this moment",
     .complexity = "O(1)", .args = create_args},
    {.name = "delete", .fn = snapshot_delete, .arity = 3, .flags = CMD_WRITE | CMD_MODULE,
     .group = GROUP_MODULE, .since = "1.0.0", .summary = "Forget a snapshot", .complexity = "O(1)",
     .args = name_arg},
    {.name = "dropdb", .fn = snapshot_dropdb, .arity = 3, .flags = CMD_WRITE | CMD_MODULE,
     .group = GROUP_MODULE, .since = "1.0.0", .summary = "Remove a fork", .complexity = "O(1)",
     .args = name_arg},
    {.name = "fork", .fn = snapshot_fork, .arity = 4, .flags = CMD_WRITE | CMD_MODULE | CMD_NO_MULTI,
     .group = GROUP_MODULE, .since = "1.0.0",
     .summary = "Make a writable database from the selected one as a snapshot holds it",
     .complexity = "O(1)", .args = fork_args},
    ROW("gc", snapshot_gc, -2, CMD_NO_MULTI, "Remove unreachable objects from the store",
        "O(N) where N is the number of pages"),
    {.name = "help", .fn = snapshot_help, .arity = 2, .flags = CMD_LOADING | CMD_STALE | CMD_MODULE,
     .group = GROUP_MODULE, .since = "1.0.0", .summary = "Show helpful text about the different subcommands",
     .complexity = "O(1)"},
    {.name = "info", .fn = snapshot_info_cmd, .arity = 3, .flags = CMD_READONLY | CMD_MODULE,
     .group = GROUP_MODULE, .since = "1.0.0", .summary = "Describe a snapshot", .complexity = "O(1)",
     .args = name_arg},
    {.name = "list", .fn = snapshot_list, .arity = 2, .flags = CMD_READONLY | CMD_MODULE,
     .group = GROUP_MODULE, .since = "1.0.0", .summary = "List the snapshots, oldest first",
     .complexity = "O(N) where N is the number of snapshots"},
    {.name = "restore", .fn = snapshot_restore, .arity = 3,
     .flags = CMD_WRITE | CMD_MODULE | CMD_NO_MULTI | CMD_WHOLE_DB, .categories = CAT_DANGEROUS,
     .group = GROUP_MODULE, .since = "1.0.0", .summary = "Put all numbered databases back to a snapshot",
     .complexity = "O(1)", .args = name_arg},
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "snapshot", .fn = NULL, .arity = -2, .flags = CMD_MODULE, .group = GROUP_MODULE,
     .since = "1.0.0", .summary = "A container for snapshot commands",
     .complexity = "Depends on subcommand.", .subcommands = subcommands},
};

const module snapshot_module = {
    .name = "snapshot", .version = 1, .commands = rows, .commands_count = sizeof(rows) / sizeof(*rows)};
