/* client.c -- the CLIENT family. Clients probe it: an unknown subcommand must get Redis's exact error,
 * which dispatch makes from the table. */
#include "base/num.h"
#include "commands/commands.h"
#include "resp/write.h"

bool client_name_ok(slice name) {
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < '!' || name.p[i] > '~') return false;
    }
    return true;
}

static int client_cmd_id(call *c) { return reply_int(c, (int64_t)client_id(call_client(c))); }

static int client_cmd_getname(call *c) {
    const char *name = client_name(call_client(c));
    return name[0] == '\0' ? reply_null(c) : reply_bulk_str(c, name);
}

static int client_cmd_setname(call *c) {
    if (!client_name_ok(call_arg(c, 2))) {
        return reply_error(c, "ERR Client names cannot contain spaces, newlines or special "
                              "characters.");
    }
    client_set_name(call_client(c), call_arg(c, 2));
    return reply_ok(c);
}

static int client_cmd_setinfo(call *c) {
    slice value = call_arg(c, 3), none = {NULL, 0};
    bool name = call_arg_is(c, 2, "lib-name");
    if (!name && !call_arg_is(c, 2, "lib-ver")) {
        return reply_errorf(c, "ERR Unrecognized option '%.*s'", (int)call_arg(c, 2).n,
                            (const char *)call_arg(c, 2).p);
    }
    if (!client_name_ok(value)) {
        return reply_errorf(c, "ERR %s cannot contain spaces, newlines or special characters.",
                            name ? "lib-name" : "lib-ver");
    }
    client_set_lib(call_client(c), name ? value : none, name ? none : value);
    return reply_ok(c);
}

static int client_cmd_info(call *c) {
    buf line = BUF_INIT;
    client_describe(call_client(c), &line);
    buf_append_str(&line, "\n");
    reply_verbatim(c, "txt", slice_of(&line));
    buf_free(&line);
    return OK;
}

/* ---- LIST and KILL --------------------------------------------------------------------------- */

static const char *const client_types[] = {"normal", "master", "replica", "slave", "pubsub", NULL};

static int type_index(slice w) {
    for (int i = 0; client_types[i] != NULL; i++) {
        if (slice_is(w, client_types[i])) return i;
    }
    return -1;
}

static void list_one(void *cookie, client *cl) {
    client_describe(cl, cookie);
    buf_append_str(cookie, "\n");
}

static int client_cmd_list(call *c) {
    buf text = BUF_INIT;
    size_t n = call_argc(c);
    if (n == 2) {
        exec_each_client(call_exec(c), list_one, &text);
    } else if (n == 4 && call_arg_is(c, 2, "type")) {
        int type = type_index(call_arg(c, 3));
        if (type < 0) {
            return reply_errorf(c, "ERR Unknown client type '%.*s'", (int)call_arg(c, 3).n,
                                (const char *)call_arg(c, 3).p);
        }
        if (type == 0) exec_each_client(call_exec(c), list_one, &text);
    } else if (n > 3 && call_arg_is(c, 2, "id")) {
        for (size_t i = 3; i < n; i++) {
            int64_t id;
            if (!num_parse_ll(call_arg(c, i), &id) || id < 1) {
                buf_free(&text);
                return reply_error(c, "ERR Invalid client ID");
            }
            client *cl = exec_client_by_id(call_exec(c), (uint64_t)id);
            if (cl != NULL) list_one(&text, cl);
        }
    } else {
        return reply_syntax(c);
    }
    reply_verbatim(c, "txt", slice_of(&text));
    buf_free(&text);
    return OK;
}

struct kill_filter {
    client *self;
    slice addr, laddr, user;
    int64_t id, max_age;
    int type;
    bool skip_me;
    int64_t killed;
};

static void kill_one(void *cookie, client *cl) {
    struct kill_filter *f = cookie;
    if (f->addr.p != NULL && !slice_eq(f->addr, slice_str(client_peer(cl)))) return;
    if (f->laddr.p != NULL && !slice_eq(f->laddr, slice_str(client_self(cl)))) return;
    if (f->id != 0 && (uint64_t)f->id != client_id(cl)) return;
    if (f->type > 0) return; /* Only normal clients are served. */
    if (f->user.p != NULL && !slice_eq(f->user, acl_user_name(client_user(cl)))) return;
    if (f->max_age != 0 && client_age_s(cl) < (uint64_t)f->max_age) return;
    if (cl == f->self) {
        if (f->skip_me) return;
        client_close_after_reply(cl);
    } else {
        client_kill(cl);
    }
    f->killed++;
}

/* One pair of KILL's new form; false after a reply. */
static bool kill_option(call *c, size_t i, struct kill_filter *f) {
    slice v = call_arg(c, i + 1);
    if (call_arg_is(c, i, "id")) {
        if (num_parse_ll(v, &f->id) && f->id > 0) return true;
        reply_error(c, "ERR client-id should be greater than 0");
    } else if (call_arg_is(c, i, "type")) {
        if ((f->type = type_index(v)) >= 0) return true;
        reply_errorf(c, "ERR Unknown client type '%.*s'", (int)v.n, (const char *)v.p);
    } else if (call_arg_is(c, i, "addr")) {
        f->addr = v;
        return true;
    } else if (call_arg_is(c, i, "laddr")) {
        f->laddr = v;
        return true;
    } else if (call_arg_is(c, i, "user")) {
        f->user = v;
        if (acl_find(exec_acl(call_exec(c)), v) != NULL) return true;
        reply_errorf(c, "ERR No such user '%.*s'", (int)v.n, (const char *)v.p);
    } else if (call_arg_is(c, i, "maxage")) {
        if (num_parse_ll(v, &f->max_age) && f->max_age > 0) return true;
        reply_error(c, "ERR maxage is not an integer or out of range");
    } else if (call_arg_is(c, i, "skipme")) {
        f->skip_me = slice_is(v, "yes");
        if (f->skip_me || slice_is(v, "no")) return true;
        reply_syntax(c);
    } else {
        reply_syntax(c);
    }
    return false;
}

static int client_cmd_kill(call *c) {
    struct kill_filter f = {.self = call_client(c), .skip_me = true};
    size_t n = call_argc(c);
    if (n == 3) { /* The old form: an address, and an error when nobody has it. */
        f.addr = call_arg(c, 2);
        f.skip_me = false;
        exec_each_client(call_exec(c), kill_one, &f);
        return f.killed > 0 ? reply_ok(c) : reply_error(c, "ERR No such client");
    }
    for (size_t i = 2; i < n; i += 2) {
        if (i + 1 == n) return reply_syntax(c);
        if (!kill_option(c, i, &f)) return OK;
    }
    exec_each_client(call_exec(c), kill_one, &f);
    return reply_int(c, f.killed);
}

/* ---- modes -------------------------------------------------------------------------------------- */

static int client_cmd_reply(call *c) {
    if (call_arg_is(c, 2, "on")) {
        client_set_reply(call_client(c), CLIENT_REPLY_ON);
        return reply_ok(c);
    }
    if (call_arg_is(c, 2, "off")) client_set_reply(call_client(c), CLIENT_REPLY_OFF);
    else if (call_arg_is(c, 2, "skip")) client_set_reply(call_client(c), CLIENT_REPLY_SKIP);
    else return reply_syntax(c);
    return reply_ok(c); /* Not sent: dispatch mutes it. */
}

static bool on_off(call *c, size_t i, bool *on) {
    *on = call_arg_is(c, i, "on");
    if (*on || call_arg_is(c, i, "off")) return true;
    reply_syntax(c);
    return false;
}

static int client_cmd_no_evict(call *c) {
    bool on;
    if (!on_off(c, 2, &on)) return OK;
    client_set_no_evict(call_client(c), on);
    return reply_ok(c);
}

static int client_cmd_no_touch(call *c) {
    bool on;
    if (!on_off(c, 2, &on)) return OK;
    client_set_no_touch(call_client(c), on);
    return reply_ok(c);
}

/* CLIENT ACK store|disk|memory: when this client's writes are answered. */
static int client_cmd_ack(call *c) {
    static const char *const words[] = {"memory", "disk", "store"};
    if (call_argc(c) == 2) return reply_status(c, words[client_ack(call_client(c))]);
    for (int i = 0; i < 3; i++) {
        if (!call_arg_is(c, 2, words[i])) continue;
        if (i == ACK_DISK && exec_deps(call_exec(c))->tier_config->cache_dir[0] == '\0') {
            return reply_error(c, "ERR ack disk needs a local log: set cache-dir");
        }
        client_set_ack(call_client(c), (enum ack)i);
        return reply_ok(c);
    }
    return reply_error(c, "ERR the level is one of store, disk, memory");
}

static int client_cmd_pause(call *c) {
    int64_t ms;
    bool writes = false;
    if (call_argc(c) == 4) {
        writes = call_arg_is(c, 3, "write");
        if (!writes && !call_arg_is(c, 3, "all")) {
            return reply_error(c, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        }
    }
    if (!num_parse_ll(call_arg(c, 2), &ms)) {
        return reply_error(c, "ERR timeout is not an integer or out of range");
    }
    if (ms < 0) return reply_error(c, "ERR timeout is negative");
    if (ms > INT64_MAX - call_now_ms(c)) return reply_error(c, "ERR timeout is out of range");
    exec_pause(call_exec(c), (uint64_t)(call_now_ms(c) + ms), writes);
    return reply_ok(c);
}

static int client_cmd_unpause(call *c) {
    exec_unpause(call_exec(c));
    return reply_ok(c);
}

static int client_cmd_unblock(call *c) {
    int64_t id;
    bool error = false;
    if (call_argc(c) == 4) {
        error = call_arg_is(c, 3, "error");
        if (!error && !call_arg_is(c, 3, "timeout")) {
            return reply_error(c, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        }
    }
    if (!call_int(c, 2, &id)) return OK;
    client *cl = exec_client_by_id(call_exec(c), (uint64_t)id);
    return reply_int(c, cl != NULL && client_unblock(cl, error));
}

static int client_cmd_getredir(call *c) { return reply_int(c, -1); }

static int client_cmd_trackinginfo(call *c) {
    buf *o = call_out(c);
    int proto = call_proto(c);
    resp_map(o, proto, 3);
    resp_bulk_str(o, "flags");
    resp_set(o, proto, 1);
    resp_bulk_str(o, "off");
    resp_bulk_str(o, "redirect");
    resp_int(o, -1);
    resp_bulk_str(o, "prefixes");
    resp_array(o, 0);
    return OK;
}

static int client_cmd_help(call *c) {
    static const char *const lines[] = {
        "ACK [STORE|DISK|MEMORY]", "    When writes of this connection are answered.",
        "GETNAME", "    Return the name of the current connection.",
        "GETREDIR", "    Return the client ID we are redirecting to when tracking is enabled.",
        "ID", "    Return the ID of the current connection.",
        "INFO", "    Return information about the current client connection.",
        "KILL <ip:port>", "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]", "    Kill connections. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0), LADDR, TYPE, USER, SKIPME (YES|NO), ID, MAXAGE",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> ...]",
        "    Return information about client connections.",
        "NO-EVICT (ON|OFF)", "    Protect current client connection from eviction.",
        "NO-TOUCH (ON|OFF)", "    Commands of this connection do not touch the access clock.",
        "PAUSE <timeout> [WRITE|ALL]", "    Suspend all, or just write, clients for <timeout> ms.",
        "REPLY (ON|OFF|SKIP)", "    Control the replies sent to the current connection.",
        "SETINFO <lib-name|lib-ver> <value>", "    Name the client library.",
        "SETNAME <name>", "    Assign the name <name> to the current connection.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]", "    Unblock the specified blocked client.",
        "UNPAUSE", "    Stop the current client pause, resuming traffic.", NULL};
    return reply_help(c, lines);
}

#define SUB CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
#define ROW(n, f, a, fl, s, text)                                                            \
    {.name = n, .fn = f, .arity = a, .flags = fl, .group = GROUP_CONNECTION, .since = s,     \
     .summary = text, .complexity = "O(1)"}
static const struct command subcommands[] = {
    ROW("ack", client_cmd_ack, -2, SUB, "1.0.0", "Get or set when writes of the connection are answered"),
    ROW("getname", client_cmd_getname, 2, SUB, "2.6.9", "Get the current connection name"),
    ROW("getredir", client_cmd_getredir, 2, SUB, "6.0.0", "Get tracking notifications redirection client ID if any"),
    ROW("help", client_cmd_help, 2, CMD_LOADING | CMD_STALE, "5.0.0", "Show helpful text about the different subcommands"),
    ROW("id", client_cmd_id, 2, SUB, "5.0.0", "Returns the client ID for the current connection"),
    ROW("info", client_cmd_info, 2, SUB, "6.2.0", "Returns information about the current client connection."),
    ROW("kill", client_cmd_kill, -3, CMD_ADMIN | SUB, "2.4.0", "Kill the connection of a client"),
    ROW("list", client_cmd_list, -2, CMD_ADMIN | SUB, "2.4.0", "Get the list of client connections"),
    ROW("no-evict", client_cmd_no_evict, 3, CMD_ADMIN | SUB, "7.0.0", "Set client eviction mode for the current connection"),
    ROW("no-touch", client_cmd_no_touch, 3, SUB, "7.2.0", "Controls whether commands sent by the client affect the LRU/LFU of accessed keys"),
    ROW("pause", client_cmd_pause, -3, CMD_ADMIN | SUB, "2.9.50", "Stop processing commands from clients for some time"),
    ROW("reply", client_cmd_reply, 3, SUB, "3.2.0", "Instruct the server whether to reply to commands"),
    ROW("setinfo", client_cmd_setinfo, 4, SUB, "7.2.0", "Set client or connection specific info"),
    ROW("setname", client_cmd_setname, 3, SUB, "2.6.9", "Set the current connection name"),
    ROW("trackinginfo", client_cmd_trackinginfo, 2, SUB, "6.2.0", "Return information about server assisted client side caching for the current connection"),
    ROW("unblock", client_cmd_unblock, -3, CMD_ADMIN | SUB, "5.0.0", "Unblock a client blocked in a blocking command from a different connection"),
    ROW("unpause", client_cmd_unpause, 2, CMD_ADMIN | SUB, "6.2.0", "Resume processing of clients that were paused"),
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "client", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_CONNECTION,
     .since = "2.4.0", .summary = "A container for client connection commands",
     .complexity = "Depends on subcommand.", .subcommands = subcommands},
};
const struct command_family family_client = {rows, sizeof(rows) / sizeof(*rows)};
