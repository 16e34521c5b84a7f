/* slowlog.c -- SLOWLOG over what exec has noted. */
#include "commands/commands.h"
#include "resp/write.h"

#define GET_DEFAULT 10

static void write_one(void *cookie, const struct slow_command *s) {
    call *c = cookie;
    reply_array(c, 6);
    reply_int(c, (int64_t)s->id);
    reply_int(c, (int64_t)s->time_s);
    reply_int(c, (int64_t)s->usec);
    reply_array(c, s->argc);
    for (size_t i = 0; i < s->argc; i++) reply_bulk(c, s->argv[i]);
    reply_bulk_str(c, s->client);
    reply_bulk_str(c, s->name);
}

static int slowlog_get(call *c) {
    int64_t count = GET_DEFAULT;
    size_t there = exec_slow_count(call_exec(c));
    if (call_argc(c) > 3) return reply_arity(c);
    if (call_argc(c) == 3 && !call_int_in(c, 2, -1, INT64_MAX, &count,
                                          "ERR count should be greater than or equal to -1")) {
        return OK;
    }
    size_t n = count == -1 || (uint64_t)count > there ? there : (size_t)count;
    reply_array(c, n);
    exec_each_slow(call_exec(c), n, write_one, c);
    return OK;
}

static int slowlog_len(call *c) { return reply_int(c, (int64_t)exec_slow_count(call_exec(c))); }

static int slowlog_reset(call *c) {
    exec_slow_reset(call_exec(c));
    return reply_ok(c);
}

static int slowlog_help(call *c) {
    static const char *const lines[] = {
        "GET [<count>]", "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name", "LEN", "    Return the length of the slowlog.", "RESET",
        "    Reset the slowlog.", NULL};
    return reply_help(c, lines);
}

#define SUB CMD_ADMIN | CMD_LOADING | CMD_STALE
static const struct command subcommands[] = {
    {.name = "get", .fn = slowlog_get, .arity = -2, .flags = SUB, .group = GROUP_SERVER,
     .since = "2.2.12", .summary = "Get the slow log's entries",
     .complexity = "O(N) where N is the number of entries returned",
     .tips = "request_policy:all_nodes,nondeterministic_output"},
    {.name = "help", .fn = slowlog_help, .arity = 2, .flags = CMD_LOADING | CMD_STALE,
     .group = GROUP_SERVER, .since = "6.2.0",
     .summary = "Show helpful text about the different subcommands", .complexity = "O(1)"},
    {.name = "len", .fn = slowlog_len, .arity = 2, .flags = SUB, .group = GROUP_SERVER,
     .since = "2.2.12", .summary = "Get the slow log's length", .complexity = "O(1)",
     .tips = "request_policy:all_nodes,response_policy:agg_sum,nondeterministic_output"},
    {.name = "reset", .fn = slowlog_reset, .arity = 2, .flags = SUB, .group = GROUP_SERVER,
     .since = "2.2.12", .summary = "Clear all entries from the slow log",
     .complexity = "O(N) where N is the number of entries in the slowlog",
     .tips = "request_policy:all_nodes,response_policy:all_succeeded"},
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "slowlog", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_SERVER,
     .since = "2.2.12", .summary = "A container for slow log commands",
     .complexity = "Depends on subcommand.", .subcommands = subcommands},
};
const struct command_family family_slowlog = {rows, sizeof(rows) / sizeof(*rows)};
