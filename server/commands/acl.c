/* acl.c -- the part of ACL that reads: there is one user, default, who may do everything; its password
 * is requirepass, shown as its SHA-256. */
#include "base/hash.h"
#include "commands/commands.h"
#include "resp/write.h"

static const char *password(call *c) { return exec_deps(call_exec(c))->config->requirepass; }

static int acl_whoami(call *c) { return reply_bulk(c, SLICE("default")); }

static int acl_users(call *c) {
    reply_array(c, 1);
    return reply_bulk(c, SLICE("default"));
}

static int acl_list(call *c) {
    buf line = BUF_INIT;
    char hex[65];
    buf_append_str(&line, "user default on ");
    if (password(c)[0] == '\0') {
        buf_append_str(&line, "nopass");
    } else {
        hash_sha256_hex(password(c), strlen(password(c)), hex);
        buf_printf(&line, "#%s", hex);
    }
    buf_append_str(&line, " sanitize-payload ~* &* +@all");
    reply_array(c, 1);
    reply_bulk(c, slice_of(&line));
    buf_free(&line);
    return OK;
}

static int acl_getuser(call *c) {
    bool open = password(c)[0] == '\0';
    char hex[65];
    if (!slice_eq(call_arg(c, 2), SLICE("default"))) return reply_null(c);
    reply_map(c, 6);
    reply_bulk_str(c, "flags");
    reply_set(c, open ? 3 : 2);
    reply_bulk_str(c, "on");
    if (open) reply_bulk_str(c, "nopass");
    reply_bulk_str(c, "sanitize-payload"); /* Every payload is checked, whoever sends it. */
    reply_bulk_str(c, "passwords");
    reply_array(c, open ? 0 : 1);
    if (!open) {
        hash_sha256_hex(password(c), strlen(password(c)), hex);
        reply_bulk_str(c, hex);
    }
    reply_bulk_str(c, "commands");
    reply_bulk_str(c, "+@all");
    reply_bulk_str(c, "keys");
    reply_bulk_str(c, "~*");
    reply_bulk_str(c, "channels");
    reply_bulk_str(c, "&*");
    reply_bulk_str(c, "selectors");
    return reply_array(c, 0);
}

struct category {
    call *call;
    uint64_t bit;
    size_t n;
};

static void cat_one(void *cookie, const struct command *cmd) {
    struct category *k = cookie;
    if ((command_categories(cmd) & k->bit) == 0) return;
    reply_bulk_str(k->call, commands_full_name(exec_commands(call_exec(k->call)), cmd));
    k->n++;
}

static int acl_cat(call *c) {
    size_t count = 0;
    if (call_argc(c) > 3) return reply_arity(c);
    while (command_category_name((unsigned)count) != NULL) count++;
    if (call_argc(c) == 2) {
        reply_array(c, count);
        for (size_t i = 0; i < count; i++) reply_bulk_str(c, command_category_name((unsigned)i));
        return OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!call_arg_is(c, 2, command_category_name((unsigned)i))) continue;
        struct category k = {.call = c, .bit = 1ull << i};
        size_t mark = reply_deferred(c);
        commands_each(exec_commands(call_exec(c)), cat_one, &k);
        reply_deferred_array(c, mark, k.n);
        return OK;
    }
    slice name = call_arg(c, 2);
    return reply_errorf(c, "ERR Unknown category '%.*s'", (int)(name.n < 128 ? name.n : 128),
                        (const char *)name.p);
}

static int acl_help(call *c) {
    static const char *const lines[] = {
        "CAT [<category>]", "    List all commands that belong to <category>, or all command categories",
        "    when no category is specified.", "GETUSER <username>", "    Get the user's details.",
        "LIST", "    Show users details in config file format.", "USERS",
        "    List all the registered usernames.", "WHOAMI",
        "    Return the current connection username.", NULL};
    return reply_help(c, lines);
}

#define ADMIN CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
#define OPEN CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
#define ROW(n, f, a, fl, s, text)                                                            \
    {.name = n, .fn = f, .arity = a, .flags = fl, .group = GROUP_SERVER, .since = s,         \
     .summary = text, .complexity = "O(1)"}
static const struct command subcommands[] = {
    ROW("cat", acl_cat, -2, OPEN, "6.0.0", "List the ACL categories or the commands inside a category"),
    ROW("getuser", acl_getuser, 3, ADMIN, "6.0.0", "Get the rules for a specific ACL user"),
    ROW("help", acl_help, 2, CMD_LOADING | CMD_STALE, "6.0.0",
        "Show helpful text about the different subcommands"),
    ROW("list", acl_list, 2, ADMIN, "6.0.0", "List the current ACL rules in ACL config file format"),
    ROW("users", acl_users, 2, ADMIN, "6.0.0", "List the username of all the configured ACL rules"),
    ROW("whoami", acl_whoami, 2, OPEN, "6.0.0",
        "Return the name of the user associated to the current connection"),
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "acl", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_SERVER, .since = "6.0.0",
     .summary = "A container for Access List Control commands",
     .complexity = "Depends on subcommand.", .subcommands = subcommands},
};
const struct command_family family_acl = {rows, sizeof(rows) / sizeof(*rows)};
