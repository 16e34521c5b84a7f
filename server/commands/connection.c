/* connection.c -- PING, ECHO, AUTH, HELLO, RESET, SELECT, QUIT. */
#include <stdio.h>

#include "base/limits.h"
#include "base/num.h"
#include "commands/commands.h"
#include "resp/write.h"

static int cmd_ping(call *c) {
    if (call_argc(c) > 2) return reply_arity(c);
    if (call_argc(c) == 2) return reply_bulk(c, call_arg(c, 1));
    return reply_status(c, "PONG");
}

static int cmd_echo(call *c) { return reply_bulk(c, call_arg(c, 1)); }

static int cmd_quit(call *c) {
    client_close_after_reply(call_client(c));
    return reply_ok(c);
}

/* True: authenticated. Else the reply has been written. */
static bool authenticate(call *c, slice user, slice password, const char *command) {
    if (client_authenticate(call_client(c), user, password, command)) return true;
    reply_error(c, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

static int cmd_auth(call *c) {
    if (call_argc(c) > 3) return reply_syntax(c);
    if (call_argc(c) == 2 && acl_user_nopass(acl_default(exec_acl(call_exec(c))))) {
        return reply_error(c, "ERR AUTH <password> called without any password configured for the "
                              "default user. Are you sure your configuration is correct?");
    }
    slice user = call_argc(c) == 3 ? call_arg(c, 1) : SLICE("default");
    if (!authenticate(c, user, call_arg(c, call_argc(c) - 1), "AUTH")) return OK;
    return reply_ok(c);
}

/* The options after HELLO's version. False: the reply has been written. */
static bool hello_options(call *c, slice *name) {
    for (size_t i = 2; i < call_argc(c); i++) {
        size_t more = call_argc(c) - i - 1;
        if (call_arg_is(c, i, "auth") && more >= 2) {
            if (!authenticate(c, call_arg(c, i + 1), call_arg(c, i + 2), "HELLO")) return false;
            i += 2;
        } else if (call_arg_is(c, i, "setname") && more >= 1) {
            *name = call_arg(c, i + 1);
            if (!client_name_ok(*name)) {
                reply_error(c, "ERR Client names cannot contain spaces, newlines or special "
                               "characters.");
                return false;
            }
            i++;
        } else {
            slice w = call_arg(c, i);
            reply_errorf(c, "ERR Syntax error in HELLO option '%.*s'", (int)(w.n < 128 ? w.n : 128),
                         (const char *)w.p);
            return false;
        }
    }
    return true;
}

static void hello_reply(call *c) {
    buf *o = call_out(c);
    int proto = client_proto(call_client(c));
    resp_map(o, proto, 7);
    resp_bulk_str(o, "server");
    resp_bulk_str(o, "redis");
    resp_bulk_str(o, "version");
    resp_bulk_str(o, REDIS_VERSION);
    resp_bulk_str(o, "proto");
    resp_int(o, proto);
    resp_bulk_str(o, "id");
    resp_int(o, (int64_t)client_id(call_client(c)));
    resp_bulk_str(o, "mode");
    resp_bulk_str(o, "standalone");
    resp_bulk_str(o, "role");
    resp_bulk_str(o, "master");
    resp_bulk_str(o, "modules");
    commands_reply_modules(c);
}

static int cmd_hello(call *c) {
    int64_t version = 0;
    slice name = {NULL, 0};
    if (call_argc(c) >= 2) {
        if (!call_int_in(c, 1, INT64_MIN, INT64_MAX, &version,
                         "ERR Protocol version is not an integer or out of range")) return OK;
        if (version < 2 || version > 3) return reply_error(c, "NOPROTO unsupported protocol version");
    }
    if (!hello_options(c, &name)) return OK;
    if (client_needs_auth(call_client(c))) {
        return reply_error(c, "NOAUTH HELLO must be called with the client already authenticated, "
                              "otherwise the HELLO AUTH <user> <pass> option can be used to "
                              "authenticate the client and select the RESP protocol version at the "
                              "same time");
    }
    if (version != 0) client_set_proto(call_client(c), (int)version);
    if (name.p != NULL) client_set_name(call_client(c), name);
    hello_reply(c);
    return OK;
}

static int cmd_reset(call *c) {
    client_reset(call_client(c));
    return reply_status(c, "RESET");
}

/* A number, or the name of a fork. */
static int cmd_select(call *c) {
    keyspace *ks = call_keyspace(c);
    slice w = call_arg(c, 1);
    int64_t n;
    if (num_parse_ll(w, &n)) {
        if (n < 0 || n >= exec_deps(call_exec(c))->keyspace_config->databases) {
            return reply_error(c, n < INT32_MIN || n > INT32_MAX
                                      ? "ERR value is out of range"
                                      : "ERR DB index is out of range");
        }
        client_select(call_client(c), keyspace_db(ks, (int)n));
        return reply_ok(c);
    }
    db *d = keyspace_db_named(ks, w);
    if (d == NULL) {
        return reply_error(c, w.n == 0 || (w.p[0] >= '0' && w.p[0] <= '9') || w.p[0] == '-'
                                  ? "ERR value is not an integer or out of range"
                                  : "ERR no such database");
    }
    client_select(call_client(c), d);
    return reply_ok(c);
}

#define CONN (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST)
static const struct command rows[] = {
    {.name = "ping", .fn = cmd_ping, .arity = -1, .flags = CMD_FAST,
     .group = GROUP_CONNECTION, .since = "1.0.0", .summary = "Ping the server",
     .complexity = "O(1)", .tips = "request_policy:all_shards,response_policy:all_succeeded"},
    {.name = "echo", .fn = cmd_echo, .arity = 2, .flags = CMD_FAST | CMD_LOADING | CMD_STALE,
     .group = GROUP_CONNECTION, .since = "1.0.0", .summary = "Echo the given string",
     .complexity = "O(1)"},
    {.name = "auth", .fn = cmd_auth, .arity = -2,
     .flags = CONN | CMD_NO_AUTH | CMD_ALLOW_BUSY | CMD_SKIP_MONITOR | CMD_SKIP_SLOWLOG,
     .group = GROUP_CONNECTION, .since = "1.0.0", .summary = "Authenticate to the server",
     .complexity = "O(N) where N is the number of passwords defined for the user"},
    {.name = "hello", .fn = cmd_hello, .arity = -1,
     .flags = CONN | CMD_NO_AUTH | CMD_ALLOW_BUSY | CMD_SKIP_MONITOR | CMD_SKIP_SLOWLOG,
     .group = GROUP_CONNECTION, .since = "6.0.0", .summary = "Handshake with Redis",
     .complexity = "O(1)"},
    {.name = "reset", .fn = cmd_reset, .arity = 1,
     .flags = CONN | CMD_NO_AUTH | CMD_ALLOW_BUSY | CMD_NOT_QUEUED, .group = GROUP_CONNECTION,
     .since = "6.2.0", .summary = "Reset the connection", .complexity = "O(1)"},
    {.name = "quit", .fn = cmd_quit, .arity = -1,
     .flags = CONN | CMD_NO_AUTH | CMD_ALLOW_BUSY | CMD_NOT_QUEUED, .group = GROUP_CONNECTION,
     .since = "1.0.0", .summary = "Close the connection", .complexity = "O(1)"},
    {.name = "select", .fn = cmd_select, .arity = 2, .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .group = GROUP_CONNECTION, .since = "1.0.0",
     .summary = "Change the selected database for the current connection", .complexity = "O(1)"},
};
const struct command_family family_connection = {rows, sizeof(rows) / sizeof(*rows)};
