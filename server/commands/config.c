/* config.c -- CONFIG GET, SET, RESETSTAT, REWRITE over the option tables. */
#include <assert.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "resp/write.h"

struct get {
    call *call;
    size_t pairs;
    buf seen; /* names answered so far, each with a NUL: once, however many patterns match */
};

static bool seen_before(struct get *g, slice name) {
    for (size_t at = 0; at < g->seen.n;) {
        size_t n = strlen((char *)g->seen.p + at);
        if (n == name.n && slice_is(name, (char *)g->seen.p + at)) return true;
        at += n + 1;
    }
    buf_append_slice(&g->seen, name);
    buf_u8(&g->seen, 0);
    return false;
}

static void get_one(void *cookie, const char *name, slice value) {
    struct get *g = cookie;
    if (seen_before(g, slice_str(name))) return;
    resp_bulk_str(call_out(g->call), name);
    resp_bulk(call_out(g->call), value);
    g->pairs++;
}

static bool glob_is(slice s) {
    return memchr(s.p, '*', s.n) != NULL || memchr(s.p, '?', s.n) != NULL || memchr(s.p, '[', s.n) != NULL;
}

static int config_get(call *c) {
    struct get g = {.call = c};
    size_t mark = reply_deferred(c);
    options *o = exec_deps(call_exec(c))->options;
    for (size_t i = 2; i < call_argc(c); i++) {
        slice want = call_arg(c, i);
        const struct option *row = options_find(o, want);
        if (row == NULL || glob_is(want)) {
            options_match(o, &want, 1, get_one, &g);
        } else if (!seen_before(&g, want)) { /* A plain name is answered as it was asked. */
            buf value = BUF_INIT;
            options_print(o, row, &value);
            resp_bulk(call_out(c), want);
            resp_bulk(call_out(c), slice_of(&value));
            buf_free(&value);
            g.pairs++;
        }
    }
    buf_free(&g.seen);
    reply_deferred_map(c, mark, g.pairs);
    return OK;
}

static bool protected_allowed(call *c) {
    int setting = exec_deps(call_exec(c))->config->enable_protected_configs;
    return setting == ENABLE_YES || (setting == ENABLE_LOCAL && client_local(call_client(c)));
}

#define CONFIG_NAME_SHOWN 512 /* Bytes of a name that is none which the error quotes. */

static int config_set(call *c) {
    size_t n = call_argc(c) - 2, bad = 0;
    const char *why = "unknown";
    if (n % 2 != 0) return reply_syntax(c);
    int rc = options_set_many(exec_deps(call_exec(c))->options, call_argv(c) + 2, n,
                              protected_allowed(c), &bad, &why);
    if (rc == OK) return reply_ok(c);
    assert(bad < n);
    slice name = call_arg(c, 2 + bad);
    int shown = (int)(name.n < CONFIG_NAME_SHOWN ? name.n : CONFIG_NAME_SHOWN);
    if (rc == ERR_NOTFOUND) {
        return reply_errorf(c, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'", shown,
                            (const char *)name.p);
    }
    return reply_errorf(c, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s", shown,
                        (const char *)name.p, why);
}

static int config_resetstat(call *c) {
    exec *x = call_exec(c);
    struct exec_stats *s = exec_stats(x), keep = *s;
    *s = (struct exec_stats){.clients = keep.clients, .clients_blocked = keep.clients_blocked};
    struct keyspace_stats *k = keyspace_stats(call_keyspace(c));
    k->hits = k->misses = k->expired_keys = k->expired_fields = k->evicted_keys = k->evicted_pages = 0;
    k->reads_hot = k->reads_cold = k->fetches = k->fetch_errors = 0;
    commands_reset_stats(exec_commands(x));
    exec_reset_errors(x);
    loop_reset_stats(exec_deps(x)->loop);
    return reply_ok(c);
}

static int config_rewrite(call *c) {
    const struct exec_deps *d = exec_deps(call_exec(c));
    if (d->config_file[0] == '\0') return reply_error(c, "ERR The server is running without a config file");
    int rc = commands_rewrite_config(d);
    return rc == OK ? reply_ok(c) : reply_errorf(c, "ERR Rewriting config file: %s", err_text(rc));
}

static int config_help(call *c) {
    static const char *const lines[] = {
        "GET <pattern>", "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>", "    Set the configuration <directive> to <value>.",
        "RESETSTAT", "    Reset statistics reported by the INFO command.",
        "REWRITE", "    Rewrite the configuration file.", NULL};
    return reply_help(c, lines);
}

#define FLAGS CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
static const struct command subcommands[] = {
    {.name = "get", .fn = config_get, .arity = -3, .flags = FLAGS, .group = GROUP_SERVER, .since = "2.0.0",
     .summary = "Get the values of configuration parameters",
     .complexity = "O(N) when N is the number of configuration parameters provided"},
    {.name = "help", .fn = config_help, .arity = 2, .flags = CMD_LOADING | CMD_STALE, .group = GROUP_SERVER,
     .since = "5.0.0", .summary = "Show helpful text about the different subcommands", .complexity = "O(1)"},
    {.name = "resetstat", .fn = config_resetstat, .arity = 2, .flags = FLAGS, .group = GROUP_SERVER,
     .since = "2.0.0", .summary = "Reset the stats returned by INFO", .complexity = "O(1)"},
    {.name = "rewrite", .fn = config_rewrite, .arity = 2, .flags = FLAGS, .group = GROUP_SERVER,
     .since = "2.8.0", .summary = "Rewrite the configuration file with the in memory configuration",
     .complexity = "O(1)"},
    {.name = "set", .fn = config_set, .arity = -4, .flags = FLAGS, .group = GROUP_SERVER, .since = "2.0.0",
     .summary = "Set configuration parameters to the given values",
     .complexity = "O(N) when N is the number of configuration parameters provided",
     .tips = "request_policy:all_nodes,response_policy:all_succeeded"},
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "config", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_SERVER, .since = "2.0.0",
     .summary = "A container for server configuration commands", .complexity = "Depends on subcommand.",
     .subcommands = subcommands},
};
const struct command_family family_config = {rows, sizeof(rows) / sizeof(*rows)};
