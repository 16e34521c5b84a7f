/* server.c -- the server as a whole: time, sizes, checkpoints, emptying, waiting, shutting down. */
#include "base/mem.h"
#include "base/num.h"
#include "commands/commands.h"
#include "resp/write.h"

static int cmd_time(call *c) {
    uint64_t us = clock_wall_us(loop_clock(exec_deps(call_exec(c))->loop));
    reply_array(c, 2);
    reply_bulk_int(c, (int64_t)(us / 1000000));
    return reply_bulk_int(c, (int64_t)(us % 1000000));
}

static int cmd_dbsize(call *c) { return reply_int(c, (int64_t)db_keys(call_db(c))); }

static int cmd_lastsave(call *c) {
    return reply_int(c, (int64_t)(tier_checkpoint_time_ms(call_tier(c)) / 1000));
}

static int cmd_role(call *c) {
    reply_array(c, 3);
    reply_bulk_str(c, "master");
    reply_int(c, (int64_t)tier_durable(call_tier(c), ACK_STORE));
    return reply_array(c, 0);
}

/* ---- checkpoints ------------------------------------------------------------------------------ */

struct save_wait {
    parked *parked;
    int rc;
    bool gone;
};

static void save_done(void *cookie, int rc) {
    struct save_wait *w = cookie;
    w->rc = rc;
    if (w->gone) mem_free(w);
    else parked_resume(w->parked);
}

static int save_reply(call *c) {
    struct save_wait *w = call_cookie(c);
    int rc = w->rc;
    mem_free(w);
    return rc == OK ? reply_ok(c) : reply_errorf(c, "ERR the checkpoint failed: %s", err_text(rc));
}

static void save_canceled(void *cookie) { ((struct save_wait *)cookie)->gone = true; }

static void ignore_done(void *cookie, int rc) {
    (void)cookie;
    (void)rc; /* INFO has the outcome. */
}

/* SAVE answers when the checkpoint stands; inside MULTI it cannot wait and only starts one. */
static int cmd_save(call *c) {
    if (!call_may_park(c)) {
        tier_checkpoint(call_tier(c), ignore_done, NULL);
        return reply_ok(c);
    }
    struct save_wait *w = mem_calloc(1, sizeof(*w));
    w->parked = call_park(c, save_reply, w, save_canceled);
    tier_checkpoint(call_tier(c), save_done, w);
    return ERR_AGAIN;
}

static int cmd_bgsave(call *c) {
    if (call_argc(c) > 2 || (call_argc(c) == 2 && !call_arg_is(c, 1, "schedule"))) return reply_syntax(c);
    tier_checkpoint(call_tier(c), ignore_done, NULL);
    return reply_status(c, "Background saving started");
}

static int cmd_bgrewriteaof(call *c) {
    tier_checkpoint(call_tier(c), ignore_done, NULL);
    return reply_status(c, "Background append only file rewriting started");
}

static int cmd_shutdown(call *c) {
    bool save = true, nosave = false, yes = false, now = false, abort_it = false;
    for (size_t i = 1; i < call_argc(c); i++) {
        if (call_arg_is(c, i, "nosave")) nosave = true;
        else if (call_arg_is(c, i, "save")) yes = true;
        else if (call_arg_is(c, i, "now") || call_arg_is(c, i, "force")) now = true;
        else if (call_arg_is(c, i, "abort")) abort_it = true;
        else return reply_syntax(c);
    }
    if (yes && nosave) return reply_syntax(c);
    save = !nosave;
    if (abort_it) {
        return call_argc(c) != 2 ? reply_syntax(c) : reply_error(c, "ERR No shutdown in progress.");
    }
    client_close_after_reply(call_client(c)); /* Redis answers by closing the connection. */
    exec_request_shutdown(call_exec(c), save, now);
    return OK;
}

/* ---- emptying --------------------------------------------------------------------------------- */

static bool flush_options(call *c) {
    if (call_argc(c) == 1) return true;
    if (call_argc(c) == 2 && (call_arg_is(c, 1, "sync") || call_arg_is(c, 1, "async"))) return true;
    reply_syntax(c);
    return false;
}

static int cmd_flushdb(call *c) {
    if (!flush_options(c)) return OK;
    int rc = tier_db_flush(call_tier(c), call_db(c));
    return rc == OK ? reply_ok(c) : rc;
}

static int cmd_flushall(call *c) {
    if (!flush_options(c)) return OK;
    keyspace *ks = call_keyspace(c);
    for (int i = 0; i < (int)exec_deps(call_exec(c))->keyspace_config->databases; i++) {
        db *d = keyspace_db(ks, i);
        int rc = db_keys(d) > 0 ? tier_db_flush(call_tier(c), d) : OK;
        if (rc != OK) return rc;
    }
    return reply_ok(c);
}

static int cmd_swapdb(call *c) {
    int64_t a, b, n = exec_deps(call_exec(c))->keyspace_config->databases;
    if (!call_int_in(c, 1, INT32_MIN, INT32_MAX, &a, "ERR invalid first DB index") ||
        !call_int_in(c, 2, INT32_MIN, INT32_MAX, &b, "ERR invalid second DB index")) return OK;
    if (a < 0 || a >= n || b < 0 || b >= n) return reply_error(c, "ERR DB index is out of range");
    if (a == b) return reply_ok(c);
    int rc = tier_db_swap(call_tier(c), (int)a, (int)b);
    return rc == OK ? reply_ok(c) : rc;
}

/* ---- waiting for durability ---------------------------------------------------------------------- */

/* WAIT n ms: the store is the replica: 1 once all that this connection wrote is there. */
struct wait_state {
    uint64_t lsn, deadline_ms;
    parked *parked;
    bool aof;
};

static int wait_reply(call *c, const struct wait_state *w) {
    bool stored = tier_durable(call_tier(c), ACK_STORE) >= w->lsn;
    if (!w->aof) return reply_int(c, stored);
    bool disk = tier_durable(call_tier(c), ACK_DISK) >= w->lsn;
    reply_array(c, 2);
    reply_int(c, disk);
    return reply_int(c, stored);
}

static int wait_again(call *c);

#define WAIT_POLL_MS 2 /* Looks at the durable position this often while a client waits. */

static int wait_on(call *c, struct wait_state *w) {
    bool over = tier_durable(call_tier(c), ACK_STORE) >= w->lsn ||
                (w->deadline_ms != 0 && (uint64_t)call_now_ms(c) >= w->deadline_ms);
    if (over || !call_may_park(c)) {
        wait_reply(c, w);
        mem_free(w);
        return OK;
    }
    tier_want_durable(call_tier(c), w->lsn);
    w->parked = call_park(c, wait_again, w, mem_free);
    parked_timeout(w->parked, WAIT_POLL_MS);
    return ERR_AGAIN;
}

static int wait_again(call *c) { return wait_on(c, call_cookie(c)); }

static int wait_start(call *c, int64_t wanted, int64_t timeout, bool aof) {
    struct wait_state now = {.lsn = tier_lsn(call_tier(c)), .aof = aof};
    if (wanted == 0) return wait_reply(c, &now);
    struct wait_state *w = mem_alloc(sizeof(*w));
    *w = now;
    if (timeout > 0) w->deadline_ms = (uint64_t)(call_now_ms(c) + timeout);
    return wait_on(c, w);
}

static int cmd_wait(call *c) {
    int64_t n, timeout;
    if (!call_int(c, 1, &n)) return OK;
    if (!num_parse_ll(call_arg(c, 2), &timeout)) {
        return reply_error(c, "ERR timeout is not an integer or out of range");
    }
    if (timeout < 0) return reply_error(c, "ERR timeout is negative");
    if (timeout > INT64_MAX / 2) return reply_error(c, "ERR timeout is out of range");
    return wait_start(c, n, timeout, false);
}

static int cmd_waitaof(call *c) {
    int64_t local, replicas, timeout;
    if (!call_int_in(c, 1, 0, 1, &local, "ERR value is out of range, value must between 0 and 1") ||
        !call_int_in(c, 2, 0, INT64_MAX, &replicas, "ERR value is out of range, must be positive")) return OK;
    if (!num_parse_ll(call_arg(c, 3), &timeout)) {
        return reply_error(c, "ERR timeout is not an integer or out of range");
    }
    if (timeout < 0) return reply_error(c, "ERR timeout is negative");
    if (timeout > INT64_MAX / 2) return reply_error(c, "ERR timeout is out of range");
    if (local > 0 && exec_deps(call_exec(c))->tier_config->cache_dir[0] == '\0') {
        return reply_error(c, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    }
    return wait_start(c, local + replicas, timeout, true);
}

/* ---- modules ---------------------------------------------------------------------------------------- */

void commands_reply_modules(call *c) {
    const struct exec_deps *d = exec_deps(call_exec(c));
    buf *o = call_out(c);
    int proto = client_proto(call_client(c));
    resp_array(o, d->modules_count);
    for (size_t i = 0; i < d->modules_count; i++) {
        resp_map(o, proto, 4);
        resp_bulk_str(o, "name");
        resp_bulk_str(o, d->modules[i].name);
        resp_bulk_str(o, "ver");
        resp_int(o, d->modules[i].version);
        resp_bulk_str(o, "path");
        resp_bulk_str(o, "");
        resp_bulk_str(o, "args");
        resp_array(o, 0);
    }
}

static int cmd_module_list(call *c) {
    commands_reply_modules(c);
    return OK;
}

static const struct command module_subcommands[] = {
    {.name = "list", .fn = cmd_module_list, .arity = 2, .flags = CMD_ADMIN | CMD_NOSCRIPT,
     .group = GROUP_SERVER, .since = "4.0.0", .summary = "List all modules loaded by the server",
     .complexity = "O(N) where N is the number of loaded modules.", .tips = "nondeterministic_output_order"},
    {.name = NULL},
};

#define ADMIN CMD_ADMIN | CMD_NOSCRIPT
static const struct command rows[] = {
    {.name = "time", .fn = cmd_time, .arity = 1, .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .group = GROUP_SERVER, .since = "2.6.0", .summary = "Return the current server time",
     .complexity = "O(1)", .tips = "nondeterministic_output"},
    {.name = "dbsize", .fn = cmd_dbsize, .arity = 1, .flags = CMD_READONLY | CMD_FAST | CMD_WHOLE_DB,
     .categories = CAT_KEYSPACE, .group = GROUP_SERVER, .since = "1.0.0",
     .summary = "Return the number of keys in the selected database", .complexity = "O(1)",
     .tips = "request_policy:all_shards,response_policy:agg_sum"},
    {.name = "lastsave", .fn = cmd_lastsave, .arity = 1, .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .categories = CAT_ADMIN | CAT_DANGEROUS, .group = GROUP_SERVER, .since = "1.0.0",
     .summary = "Get the UNIX time stamp of the last successful save to disk", .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "role", .fn = cmd_role, .arity = 1,
     .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST, .categories = CAT_ADMIN | CAT_DANGEROUS,
     .group = GROUP_SERVER, .since = "2.8.12",
     .summary = "Return the role of the instance in the context of replication", .complexity = "O(1)"},
    {.name = "save", .fn = cmd_save, .arity = 1, .flags = ADMIN | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI,
     .group = GROUP_SERVER, .since = "1.0.0", .summary = "Synchronously save the dataset to the store",
     .complexity = "O(N) where N is the number of changes since the last save"},
    {.name = "bgsave", .fn = cmd_bgsave, .arity = -1, .flags = ADMIN | CMD_NO_ASYNC_LOADING,
     .group = GROUP_SERVER, .since = "1.0.0", .summary = "Save the dataset to the store in the background",
     .complexity = "O(1)"},
    {.name = "bgrewriteaof", .fn = cmd_bgrewriteaof, .arity = 1, .flags = ADMIN | CMD_NO_ASYNC_LOADING,
     .group = GROUP_SERVER, .since = "1.0.0", .summary = "Start a checkpoint, which shortens the log",
     .complexity = "O(1)"},
    {.name = "shutdown", .fn = cmd_shutdown, .arity = -1,
     .flags = ADMIN | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY, .group = GROUP_SERVER,
     .since = "1.0.0", .summary = "Checkpoint to the store and then shut down the server",
     .complexity = "O(N) when saving, where N is the number of changes since the last save, otherwise O(1)"},
    {.name = "flushdb", .fn = cmd_flushdb, .arity = -1, .flags = CMD_WRITE | CMD_WHOLE_DB,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS, .group = GROUP_SERVER, .since = "1.0.0",
     .summary = "Remove all keys from the current database", .complexity = "O(1)",
     .tips = "request_policy:all_shards,response_policy:all_succeeded"},
    {.name = "flushall", .fn = cmd_flushall, .arity = -1, .flags = CMD_WRITE | CMD_WHOLE_DB,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS, .group = GROUP_SERVER, .since = "1.0.0",
     .summary = "Remove all keys from all numbered databases", .complexity = "O(1)",
     .tips = "request_policy:all_shards,response_policy:all_succeeded"},
    {.name = "swapdb", .fn = cmd_swapdb, .arity = 3, .flags = CMD_WRITE | CMD_FAST | CMD_WHOLE_DB,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS, .group = GROUP_SERVER, .since = "4.0.0",
     .summary = "Swaps two databases", .complexity = "O(1)"},
    {.name = "wait", .fn = cmd_wait, .arity = 3, .flags = CMD_NOSCRIPT | CMD_BLOCKING,
     .group = GROUP_GENERIC, .since = "3.0.0",
     .summary = "Wait until the writes of the current connection are in the store",
     .complexity = "O(1)", .tips = "request_policy:all_shards,response_policy:agg_min"},
    {.name = "waitaof", .fn = cmd_waitaof, .arity = 4, .flags = CMD_NOSCRIPT | CMD_BLOCKING,
     .group = GROUP_GENERIC, .since = "7.2.0",
     .summary = "Wait until the writes of the current connection are in the local log and in the store",
     .complexity = "O(1)", .tips = "request_policy:all_shards,response_policy:agg_min"},
    {.name = "module", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_SERVER, .since = "4.0.0",
     .summary = "A container for module commands", .complexity = "Depends on subcommand.",
     .subcommands = module_subcommands},
};
const struct command_family family_server = {rows, sizeof(rows) / sizeof(*rows)};
