/* debug.c -- DEBUG: what test suites ask of a server, and nobody else should.
 *
 * One command and no container, as in Redis: what it does not know, or knows with other arguments,
 * gets one and the same error. debug_data.c has what touches data, debug_background.c what the
 * server does by itself, debug_protocol.c the shapes of replies. */
#include "commands/debug.h"

#include <time.h>

#include "base/num.h"
#include "commands/commands.h"
#include "resp/write.h"

#define SLEEP_MAX_S 3600.0 /* Nobody wants to hold a server up for longer. */

/* Holds the loop, and so every client, up. That is the point: a timer would not. */
static int debug_sleep(call *c) {
    double s = 0;
    if (!num_parse_double(call_arg(c, 2), &s) || !(s > 0)) s = 0; /* As strtod() would. */
    if (s > SLEEP_MAX_S) s = SLEEP_MAX_S;
    struct timespec left = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    while (nanosleep(&left, &left) != 0) continue;
    return reply_ok(c);
}

static bool zero_or_one(call *c, size_t i, bool *on) {
    int64_t v;
    if (!call_int(c, i, &v)) return false;
    *on = v != 0;
    return true;
}

static int debug_set_active_expire(call *c) {
    bool on;
    if (!zero_or_one(c, 2, &on)) return OK;
    exec_set_active_expire(call_exec(c), on);
    return reply_ok(c);
}

static int debug_evict_always(call *c) {
    bool on = call_arg_is(c, 2, "yes");
    if (!on && !call_arg_is(c, 2, "no")) return reply_syntax(c);
    exec_set_evict_always(call_exec(c), on);
    return reply_ok(c);
}

static int debug_pause_cron(call *c) {
    bool on;
    if (!zero_or_one(c, 2, &on)) return OK;
    exec_pause_cron(call_exec(c), on);
    return reply_ok(c);
}

static int debug_change_repl_id(call *c) {
    exec_new_replication_id(call_exec(c));
    log_line(exec_deps(call_exec(c))->log, LOG_NOTICE, "The replication ID was changed by DEBUG");
    return reply_ok(c);
}

static int debug_log(call *c) {
    slice text = call_arg(c, 2);
    log_line(exec_deps(call_exec(c))->log, LOG_WARNING, "DEBUG LOG: %.*s",
             (int)(text.n < 4096 ? text.n : 4096), (const char *)text.p);
    return reply_ok(c);
}

static int debug_error(call *c) {
    buf text = BUF_INIT;
    buf_append_slice(&text, call_arg(c, 2));
    buf_u8(&text, '\0');
    reply_error(c, (char *)text.p);
    buf_free(&text);
    return OK;
}

/* There are no quicklists with plain nodes: the threshold is checked and has nothing to act on. */
static int debug_quicklist_threshold(call *c) {
    uint64_t bytes;
    if (!num_parse_memory(call_arg(c, 2), &bytes)) {
        return reply_error(c, "ERR argument must be a memory value");
    }
    if (bytes > (uint64_t)UINT32_MAX) {
        return reply_error(c, "ERR argument must be 0 or in a valid range");
    }
    return reply_ok(c);
}

/* Reply buffers have one size for a client's life: likewise. */
static int debug_replybuffer(call *c) {
    int64_t v;
    if (call_arg_is(c, 2, "peak-reset-time")) {
        if (call_arg_is(c, 3, "never") || call_arg_is(c, 3, "reset")) return reply_ok(c);
        return call_int(c, 3, &v) ? reply_ok(c) : OK;
    }
    if (call_arg_is(c, 2, "resizing")) return call_int(c, 3, &v) ? reply_ok(c) : OK;
    return reply_syntax(c);
}

static int debug_stringmatch(call *c) {
    return reply_int(c, glob_match(call_arg(c, 2), call_arg(c, 3), false));
}

static int debug_help(call *c) {
    static const char *const lines[] = {
        "BACKGROUND WORK <milliseconds> <number>", "    Have a worker add one, after a while.",
        "BACKGROUND LATER <COUNT|SLOW|STEPS|FAIL> <key>",
        "    Have the server add to <key> by itself: at once, after a worker's work, or in steps;",
        "    or fail as long as there is one.",
        "CHANGE-REPL-ID", "    Change the replication ID of the instance.",
        "CHECK", "    Walk the invariants of all data in memory.",
        "DIGEST", "    Output a hex signature representing the current DB content.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Output a hex signature of the values of all the specified keys.",
        "DROP-CLEAN [FIRST]", "    Drop all pages that the store has; return how many. FIRST: but those that leave",
        "    memory last, the indexes of vector sets, stay.",
        "ERROR <string>", "    Return an error with <string> as message.",
        "EVICT-ALWAYS <yes|no>",
        "    Store what is dirty and drop everything in memory before each command.",
        "LISTPACK <key>", "    Log what a listpack-encoded <key> takes.",
        "LOADAOF", "    Store what is dirty, drop everything in memory, read it back when needed.",
        "LOG <message>", "    Write <message> to the server log.",
        "OBJECT <key>", "    Show low level info about <key> and its value.",
        "PAUSE-CRON <0|1>", "    Stop periodic work.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Create <count> string keys named key:<num>. If <prefix> is specified then",
        "    it is used instead of the 'key' prefix. Existing keys are left alone.",
        "PROTOCOL <type>", "    Reply with a test value of the specified type. <type> can be: string,",
        "    integer, double, null, array, set, map, attrib, push, verbatim, true, false.",
        "QUICKLIST-PACKED-THRESHOLD <size>", "    Accepted; there are no plain quicklist nodes.",
        "RELOAD [option ...]", "    As LOADAOF. The options MERGE, NOFLUSH and NOSAVE are accepted.",
        "REPLYBUFFER (PEAK-RESET-TIME <NEVER|RESET|time> | RESIZING <0|1>)",
        "    Accepted; reply buffers do not shrink by the clock.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Setting it to 0 disables expiring keys in background when they are not",
        "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the default.",
        "SLEEP <seconds>", "    Stop the server for <seconds>. Decimals allowed.",
        "STRINGMATCH-LEN <pattern> <string>", "    1 if <string> matches the glob <pattern>.", NULL};
    return reply_help(c, lines);
}

static const struct debug_sub subs[] = {
    {"background", debug_background, 5, 5, true},
    {"change-repl-id", debug_change_repl_id, 2, 2, false},
    {"check", debug_check, 2, 2, true},
    {"digest", debug_digest, 2, 2, true},
    {"digest-value", debug_digest_value, 2, SIZE_MAX, true},
    {"drop-clean", debug_drop_clean, 2, 3, true},
    {"error", debug_error, 3, 3, false},
    {"evict-always", debug_evict_always, 3, 3, true},
    {"help", debug_help, 2, 2, false},
    {"listpack", debug_listpack, 3, 3, true},
    {"loadaof", debug_loadaof, 2, 2, true},
    {"log", debug_log, 3, 3, false},
    {"object", debug_object, 3, 4, true},
    {"pause-cron", debug_pause_cron, 3, 3, false},
    {"populate", debug_populate, 3, 5, true},
    {"protocol", debug_protocol, 3, 3, false},
    {"quicklist-packed-threshold", debug_quicklist_threshold, 3, 3, false},
    {"reload", debug_reload, 2, SIZE_MAX, true},
    {"replybuffer", debug_replybuffer, 4, 4, false},
    {"set-active-expire", debug_set_active_expire, 3, 3, false},
    {"sleep", debug_sleep, 3, 3, false},
    {"stringmatch-len", debug_stringmatch, 4, 4, false},
};

static int cmd_debug(call *c) {
    size_t argc = call_argc(c);
    for (size_t i = 0; i < sizeof(subs) / sizeof(*subs); i++) {
        if (!call_arg_is(c, 1, subs[i].name)) continue;
        if (argc < subs[i].argc_min || argc > subs[i].argc_max) break;
        if (subs[i].data && exec_loading(call_exec(c))) {
            return reply_error(c, "LOADING Redis is loading the dataset in memory");
        }
        return subs[i].fn(c);
    }
    slice name = call_arg(c, 1);
    return reply_errorf(c, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try "
                           "DEBUG HELP.",
                        (int)(name.n < 128 ? name.n : 128), (const char *)name.p);
}

static const struct command rows[] = {
    {.name = "debug", .fn = cmd_debug, .arity = -2,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED,
     .group = GROUP_SERVER, .since = "1.0.0", .summary = "A container for debugging commands",
     .complexity = "Depends on subcommand."},
};
const struct command_family family_debug = {rows, sizeof(rows) / sizeof(*rows)};
