/* acl.c -- ACL: users and their permissions, as clients see and change them.
 *
 * The rules are in exec/acl.c; this is their reading and writing. Users are changed in memory at once
 * and reach a file by ACL SAVE or CONFIG REWRITE only, as in Redis. */
#include <stdio.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "resp/write.h"

static acl *users(call *c) { return exec_acl(call_exec(c)); }

#define SHOWN(s) (int)((s).n < 128 ? (s).n : 128), (const char *)(s).p

static int acl_whoami(call *c) { return reply_bulk(c, acl_user_name(client_user(call_client(c)))); }

static void users_one(void *cookie, const acl_user *u) { reply_bulk(cookie, acl_user_name(u)); }

static int acl_cmd_users(call *c) {
    reply_array(c, acl_count(users(c)));
    acl_each(users(c), users_one, c);
    return OK;
}

static void list_one(void *cookie, const acl_user *u) {
    buf line = BUF_INIT;
    commands_user_line(u, &line);
    reply_bulk(cookie, slice_make(line.p, line.n - 1));
    buf_free(&line);
}

static int acl_list(call *c) {
    reply_array(c, acl_count(users(c)));
    acl_each(users(c), list_one, c);
    return OK;
}

/* ---- GETUSER ------------------------------------------------------------------------------------ */

static void reply_part(call *c, const char *name, const acl_user *u, size_t selector,
                       void (*print)(const acl_user *u, size_t selector, buf *out)) {
    buf text = BUF_INIT;
    reply_bulk_str(c, name);
    print(u, selector, &text);
    reply_bulk(c, slice_of(&text));
    buf_free(&text);
}

static void reply_parts(call *c, const acl_user *u, size_t selector) {
    reply_part(c, "commands", u, selector, acl_user_commands);
    reply_part(c, "keys", u, selector, acl_user_keys);
    reply_part(c, "channels", u, selector, acl_user_channels);
}

static int acl_getuser(call *c) {
    const acl_user *u = acl_find(users(c), call_arg(c, 2));
    if (u == NULL) return reply_null(c);
    const char *payload = acl_user_payload(u);
    reply_map(c, 6);
    reply_bulk_str(c, "flags");
    reply_set(c, 1 + (size_t)acl_user_nopass(u) + (payload != NULL));
    reply_bulk_str(c, acl_user_on(u) ? "on" : "off");
    if (acl_user_nopass(u)) reply_bulk_str(c, "nopass");
    if (payload != NULL) reply_bulk_str(c, payload);
    reply_bulk_str(c, "passwords");
    reply_array(c, acl_user_passwords(u));
    for (size_t i = 0; i < acl_user_passwords(u); i++) reply_bulk_str(c, acl_user_password(u, i));
    reply_parts(c, u, 0);
    reply_bulk_str(c, "selectors");
    reply_array(c, acl_user_selectors(u) - 1);
    for (size_t i = 1; i < acl_user_selectors(u); i++) {
        reply_map(c, 3);
        reply_parts(c, u, i);
    }
    return OK;
}

/* ---- SETUSER, DELUSER --------------------------------------------------------------------------- */

static int acl_setuser(call *c) {
    const char *why = "";
    buf bad = BUF_INIT;
    slice name = call_arg(c, 2);
    if (!acl_name_ok(name)) return reply_error(c, "ERR Usernames can't contain spaces or null characters");
    int rc = acl_set_user(users(c), name, call_argv(c) + 3, call_argc(c) - 3, &why, &bad);
    if (rc == OK) {
        reply_ok(c);
    } else if (rc == ERR_RANGE) {
        reply_errorf(c, "ERR Unmatched parenthesis in acl selector starting at '%.*s'.", (int)bad.n,
                     (const char *)bad.p);
    } else {
        reply_errorf(c, "ERR Error in ACL SETUSER modifier '%.*s': %s", (int)bad.n, (const char *)bad.p, why);
    }
    buf_free(&bad);
    return OK;
}

static int acl_deluser(call *c) {
    int64_t gone = 0;
    for (size_t i = 2; i < call_argc(c); i++) {
        if (slice_eq(call_arg(c, i), SLICE("default"))) {
            return reply_error(c, "ERR The 'default' user cannot be removed");
        }
    }
    for (size_t i = 2; i < call_argc(c); i++) {
        acl_user *u = acl_find(users(c), call_arg(c, i));
        if (u == NULL) continue;
        exec_drop_user(call_exec(c), u, call_client(c));
        acl_remove(users(c), u);
        gone++;
    }
    return reply_int(c, gone);
}

/* ---- CAT, DRYRUN, GENPASS ----------------------------------------------------------------------- */

static int acl_cat(call *c) {
    commands *t = exec_commands(call_exec(c));
    size_t count = 0;
    if (call_argc(c) > 3) {
        return reply_error(c, "ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.");
    }
    while (command_category_name((unsigned)count) != NULL) count++;
    if (call_argc(c) == 2) {
        reply_array(c, count);
        for (size_t i = 0; i < count; i++) reply_bulk_str(c, command_category_name((unsigned)i));
        return OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!call_arg_is(c, 2, command_category_name((unsigned)i))) continue;
        size_t mark = reply_deferred(c), n = 0;
        for (size_t k = 0; k < commands_rows(t); k++) { /* As rules name them. */
            const struct command *cmd = commands_row(t, k);
            if ((command_categories(cmd) >> i & 1) == 0) continue;
            reply_bulk_str(c, commands_declared_name(t, cmd));
            n++;
        }
        reply_deferred_array(c, mark, n);
        return OK;
    }
    slice name = call_arg(c, 2);
    return reply_errorf(c, "ERR Unknown category '%.*s'", SHOWN(name));
}

static int acl_dryrun(call *c) {
    commands *t = exec_commands(call_exec(c));
    const slice *argv = call_argv(c) + 3;
    size_t argc = call_argc(c) - 3, at;
    slice name = call_arg(c, 2);
    const acl_user *u = acl_find(users(c), name);
    if (u == NULL) return reply_errorf(c, "ERR User '%.*s' not found", SHOWN(name));
    const struct command *cmd = commands_find(t, argv[0]), *sub = NULL;
    if (cmd != NULL && cmd->subcommands != NULL && argc > 1) sub = commands_find_sub(cmd, argv[1]);
    if (sub != NULL) cmd = sub;
    if (cmd == NULL) return reply_errorf(c, "ERR Command '%.*s' not found", SHOWN(argv[0]));
    if (cmd->arity > 0 ? argc != (size_t)cmd->arity : argc < (size_t)-cmd->arity) {
        return reply_errorf(c, "ERR wrong number of arguments for '%s' command", commands_full_name(t, cmd));
    }
    buf text = BUF_INIT;
    enum acl_verdict v = acl_check(users(c), u, cmd, argv, argc, &at);
    if (v == ACL_OK) {
        reply_ok(c);
    } else if (v == ACL_DENIED_KEY) {
        buf_printf(&text, "This user has no permissions to access the '%.*s' key", (int)argv[at].n,
                   (const char *)argv[at].p);
    } else {
        buf_printf(&text, "This user has no permissions to run the '%s' command", commands_full_name(t, cmd));
    }
    if (v != ACL_OK) reply_bulk(c, slice_of(&text));
    buf_free(&text);
    return OK;
}

#define GENPASS_BITS_MAX 4096 /* Redis's. */

static int acl_genpass_cmd(call *c) {
    char digits[GENPASS_BITS_MAX / 4];
    int64_t bits = 256;
    if (call_argc(c) > 3) {
        return reply_error(c,
                           "ERR unknown subcommand or wrong number of arguments for 'GENPASS'. Try ACL HELP.");
    }
    if (call_argc(c) == 3 && !call_int(c, 2, &bits)) return OK;
    if (bits < 1 || bits > GENPASS_BITS_MAX) {
        return reply_errorf(c, "ERR ACL GENPASS argument must be the number of bits for the output password, a "
                               "positive number up to %d", GENPASS_BITS_MAX);
    }
    size_t n = (size_t)(bits + 3) / 4;
    exec_genpass(call_exec(c), digits, n);
    return reply_bulk(c, slice_make(digits, n));
}

/* ---- LOG ---------------------------------------------------------------------------------------- */

static void log_one(void *cookie, const struct acl_refusal *r) {
    static const char *const reasons[] = {"", "command", "key", "channel", "auth"};
    call *c = cookie;
    reply_map(c, 7);
    reply_bulk_str(c, "count");
    reply_int(c, (int64_t)r->count);
    reply_bulk_str(c, "reason");
    reply_bulk_str(c, reasons[r->verdict]);
    reply_bulk_str(c, "context");
    reply_bulk_str(c, r->in_multi ? "multi" : "toplevel");
    reply_bulk_str(c, "object");
    reply_bulk(c, r->object);
    reply_bulk_str(c, "username");
    reply_bulk(c, r->user);
    reply_bulk_str(c, "age-seconds");
    reply_double(c, (double)r->age_ms / 1000);
    reply_bulk_str(c, "client-info");
    reply_bulk_str(c, r->client);
}

static int acl_log(call *c) {
    int64_t most = 10;
    exec *x = call_exec(c);
    if (call_argc(c) > 3) {
        return reply_error(c, "ERR unknown subcommand or wrong number of arguments for 'LOG'. Try ACL HELP.");
    }
    if (call_arg_is(c, 2, "reset")) {
        exec_forget_refusals(x);
        return reply_ok(c);
    }
    if (call_argc(c) == 3 && !call_int(c, 2, &most)) return OK;
    if (most < 0) most = 0;
    reply_array(c, exec_each_refusal(x, (size_t)most, NULL, NULL));
    exec_each_refusal(x, (size_t)most, log_one, c);
    return OK;
}

/* ---- the file ----------------------------------------------------------------------------------- */

int commands_load_users(acl *a, const struct acl_config *config, const char *requirepass,
                        void (*before)(void *cookie), void *cookie, buf *why) {
    buf text = BUF_INIT;
    if (config->file[0] == '\0') return OK;
    int rc = commands_read_file(config->file, &text);
    if (rc != OK) {
        buf_printf(why, "Error loading ACLs, opening file '%s': %s", config->file, err_text(rc));
        return rc;
    }
    acl *fresh = acl_parse(a, slice_of(&text), config->file, why);
    buf_free(&text);
    if (fresh == NULL) {
        buf_append_str(why, "WARNING: ACL errors detected, no change to the previously active ACL rules was "
                            "performed");
        return ERR_SYNTAX;
    }
    /* A file that says nothing about the default user does not make an open server of one that has a
     * password. */
    if (!acl_user_declared(acl_default(fresh))) acl_requirepass(fresh, requirepass);
    if (before != NULL) before(cookie);
    acl_adopt(a, fresh);
    return OK;
}

static bool file_given(call *c) {
    if (exec_deps(call_exec(c))->acl_config->file[0] != '\0') return true;
    reply_error(c, "ERR This Redis instance is not configured to use an ACL file. You may want to specify "
                   "users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a "
                   "Redis configuration file set) in order to store users in the Redis configuration.");
    return false;
}

static void drop_all(void *cookie) { exec_drop_user(call_exec(cookie), NULL, call_client(cookie)); }

static int acl_load(call *c) {
    const struct exec_deps *d = exec_deps(call_exec(c));
    buf why = BUF_INIT;
    if (!file_given(c)) return OK;
    int rc = commands_load_users(d->acl, d->acl_config, d->config->requirepass, drop_all, c, &why);
    if (rc == OK) reply_ok(c);
    else reply_errorf(c, "ERR %.*s", (int)why.n, (const char *)why.p);
    buf_free(&why);
    return OK;
}

static void save_one(void *cookie, const acl_user *u) { commands_user_line(u, cookie); }

static int acl_save(call *c) {
    const struct exec_deps *d = exec_deps(call_exec(c));
    buf text = BUF_INIT;
    if (!file_given(c)) return OK;
    acl_each(d->acl, save_one, &text);
    int rc = commands_write_file(d->acl_config->file, slice_of(&text));
    buf_free(&text);
    if (rc == OK) return reply_ok(c);
    log_line(d->log, LOG_WARNING, "The ACL file %s could not be written: %s", d->acl_config->file,
             err_text(rc));
    return reply_error(c, "ERR There was an error trying to save the ACLs. Please check the server logs for "
                          "more information");
}

static int acl_help(call *c) {
    static const char *const lines[] = {
        "CAT [<category>]", "    List all commands that belong to <category>, or all command categories",
        "    when no category is specified.", "DELUSER <username> [<username> ...]",
        "    Delete a list of users.", "DRYRUN <username> <command> [<arg> ...]",
        "    Returns whether the user can execute the given command without executing the command.",
        "GETUSER <username>", "    Get the user's details.", "GENPASS [<bits>]",
        "    Generate a secure 256-bit user password. The optional `bits` argument can",
        "    be used to specify a different size.", "LIST", "    Show users details in config file format.",
        "LOAD", "    Reload users from the ACL file.", "LOG [<count> | RESET]",
        "    Show the ACL log entries.", "SAVE", "    Save the current config to the ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Create or modify a user with the specified attributes.", "USERS",
        "    List all the registered usernames.", "WHOAMI", "    Return the current connection username.",
        NULL};
    return reply_help(c, lines);
}

#define ADMIN CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
#define OPEN CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
#define ROW(n, f, a, fl, s, o, text)                                                         \
    {.name = n, .fn = f, .arity = a, .flags = fl, .group = GROUP_SERVER, .since = s,         \
     .summary = text, .complexity = o}
static const struct command subcommands[] = {
    ROW("cat", acl_cat, -2, OPEN, "6.0.0", "O(1)", "List the ACL categories or the commands inside a category"),
    ROW("deluser", acl_deluser, -3, ADMIN, "6.0.0", "O(1) amortized time considering the typical user.",
        "Remove the specified ACL users and the associated rules"),
    ROW("dryrun", acl_dryrun, -4, ADMIN, "7.0.0", "O(1).",
        "Returns whether the user can execute the given command without executing the command."),
    ROW("genpass", acl_genpass_cmd, -2, OPEN, "6.0.0", "O(1)",
        "Generate a pseudorandom secure password to use for ACL users"),
    ROW("getuser", acl_getuser, 3, ADMIN, "6.0.0", "O(N). Where N is the number of password, command and pattern rules that the user has.",
        "Get the rules for a specific ACL user"),
    ROW("help", acl_help, 2, CMD_LOADING | CMD_STALE, "6.0.0", "O(1)",
        "Show helpful text about the different subcommands"),
    ROW("list", acl_list, 2, ADMIN, "6.0.0", "O(N). Where N is the number of configured users.",
        "List the current ACL rules in ACL config file format"),
    ROW("load", acl_load, 2, ADMIN, "6.0.0", "O(N). Where N is the number of configured users.",
        "Reload the ACLs from the configured ACL file"),
    ROW("log", acl_log, -2, ADMIN, "6.0.0", "O(N) with N being the number of entries shown.",
        "List latest events denied because of ACLs in place"),
    ROW("save", acl_save, 2, ADMIN, "6.0.0", "O(N). Where N is the number of configured users.",
        "Save the current ACL rules in the configured ACL file"),
    ROW("setuser", acl_setuser, -3, ADMIN, "6.0.0", "O(N). Where N is the number of rules provided.",
        "Modify or create the rules for a specific ACL user"),
    ROW("users", acl_cmd_users, 2, ADMIN, "6.0.0", "O(N). Where N is the number of configured users.",
        "List the username of all the configured ACL rules"),
    ROW("whoami", acl_whoami, 2, OPEN, "6.0.0", "O(1)",
        "Return the name of the user associated to the current connection"),
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "acl", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_SERVER, .since = "6.0.0",
     .summary = "A container for Access List Control commands",
     .complexity = "Depends on subcommand.", .subcommands = subcommands},
};
const struct command_family family_acl = {rows, sizeof(rows) / sizeof(*rows)};
