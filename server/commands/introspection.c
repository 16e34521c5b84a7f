/* introspection.c -- COMMAND and its subcommands, made from the command table. */
#include <stdio.h>

#include "base/mem.h"
#include "base/num.h"
#include "commands/commands.h"
#include "commands/usage.h"
#include "resp/write.h"

static commands *table(call *c) { return exec_commands(call_exec(c)); }

/* "get", or "config|get", any case. */
static const struct command *find_full(call *c, slice name) {
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] != '|') continue;
        const struct command *parent = commands_find(table(c), slice_make(name.p, i));
        return parent == NULL ? NULL
                              : commands_find_sub(parent, slice_make(name.p + i + 1, name.n - i - 1));
    }
    return commands_find(table(c), name);
}

/* ---- COMMAND INFO ------------------------------------------------------------------------------- */

static void reply_flags(call *c, unsigned flags) {
    size_t n = 0;
    for (unsigned b = 0; command_flag_name(b) != NULL; b++) n += flags >> b & 1;
    reply_set(c, n);
    for (unsigned b = 0; command_flag_name(b) != NULL; b++) {
        if ((flags >> b & 1) != 0) reply_status(c, command_flag_name(b));
    }
}

static void reply_categories(call *c, uint64_t cats) {
    char name[32];
    size_t n = 0;
    for (unsigned b = 0; command_category_name(b) != NULL; b++) n += cats >> b & 1;
    reply_set(c, n);
    for (unsigned b = 0; command_category_name(b) != NULL; b++) {
        if ((cats >> b & 1) == 0) continue;
        snprintf(name, sizeof(name), "@%s", command_category_name(b));
        reply_status(c, name);
    }
}

static void reply_tips(call *c, const char *tips) {
    size_t n = tips == NULL ? 0 : 1;
    for (const char *p = tips; p != NULL && *p != '\0'; p++) n += *p == ',';
    reply_set(c, n);
    while (tips != NULL && *tips != '\0') {
        size_t len = strcspn(tips, ",");
        reply_bulk(c, slice_make(tips, len));
        tips += len + (tips[len] == ',');
    }
}

static const char *const key_flag_names[] = {"RO", "RW", "OW", "RM", "access", "update", "insert",
                                             "delete", "not_key", "incomplete", "variable_flags"};

static void reply_key_flags(call *c, unsigned flags) {
    size_t n = 0;
    for (unsigned b = 0; b < 11; b++) n += flags >> b & 1;
    reply_set(c, n);
    for (unsigned b = 0; b < 11; b++) {
        if ((flags >> b & 1) != 0) reply_status(c, key_flag_names[b]);
    }
}

static void pair_int(call *c, const char *name, int v) {
    reply_bulk_str(c, name);
    reply_int(c, v);
}

static void reply_spec_begin(call *c, const struct key_spec *s) {
    reply_bulk_str(c, "begin_search");
    reply_map(c, 2);
    reply_bulk_str(c, "type");
    if (s->begin == KEYS_INDEX) {
        reply_bulk_str(c, "index");
        reply_bulk_str(c, "spec");
        reply_map(c, 1);
        pair_int(c, "index", s->pos);
    } else if (s->begin == KEYS_KEYWORD) {
        reply_bulk_str(c, "keyword");
        reply_bulk_str(c, "spec");
        reply_map(c, 2);
        reply_bulk_str(c, "keyword");
        reply_bulk_str(c, s->keyword);
        pair_int(c, "startfrom", s->pos);
    } else {
        reply_bulk_str(c, "unknown");
        reply_bulk_str(c, "spec");
        reply_map(c, 0);
    }
}

static void reply_spec_find(call *c, const struct key_spec *s) {
    reply_bulk_str(c, "find_keys");
    reply_map(c, 2);
    reply_bulk_str(c, "type");
    if (s->find == KEYS_RANGE) {
        reply_bulk_str(c, "range");
        reply_bulk_str(c, "spec");
        reply_map(c, 3);
        pair_int(c, "lastkey", s->last);
        pair_int(c, "keystep", s->step);
        pair_int(c, "limit", s->limit);
    } else if (s->find == KEYS_KEYNUM) {
        reply_bulk_str(c, "keynum");
        reply_bulk_str(c, "spec");
        reply_map(c, 3);
        pair_int(c, "keynumidx", s->keynum_idx);
        pair_int(c, "firstkey", s->keynum_first);
        pair_int(c, "keystep", s->keynum_step);
    } else {
        reply_bulk_str(c, "unknown");
        reply_bulk_str(c, "spec");
        reply_map(c, 0);
    }
}

static void reply_key_specs(call *c, const struct command *cmd) {
    size_t n = 0;
    while (n < KEY_SPECS_MAX && cmd->keys[n].begin != KEYS_NONE) n++;
    reply_set(c, n);
    for (size_t i = 0; i < n; i++) {
        reply_map(c, 3);
        reply_bulk_str(c, "flags");
        reply_key_flags(c, cmd->keys[i].flags);
        reply_spec_begin(c, &cmd->keys[i]);
        reply_spec_find(c, &cmd->keys[i]);
    }
}

static void reply_info(call *c, const struct command *cmd) {
    int first, last, step;
    size_t subs = 0;
    if (cmd == NULL) {
        reply_null(c);
        return;
    }
    command_legacy_range(cmd, &first, &last, &step);
    while (cmd->subcommands != NULL && cmd->subcommands[subs].name != NULL) subs++;
    reply_array(c, 10);
    reply_bulk_str(c, commands_full_name(table(c), cmd));
    reply_int(c, cmd->arity);
    reply_flags(c, cmd->flags | (cmd->get_keys != NULL ? CMD_MOVABLEKEYS : 0u));
    reply_int(c, first);
    reply_int(c, last);
    reply_int(c, step);
    reply_categories(c, command_categories(cmd));
    reply_tips(c, cmd->tips);
    reply_key_specs(c, cmd);
    reply_array(c, subs);
    for (size_t i = 0; i < subs; i++) reply_info(c, &cmd->subcommands[i]);
}

static void info_each(void *cookie, const struct command *cmd) {
    call *c = cookie;
    if (commands_parent(table(c), cmd) == NULL) reply_info(c, cmd);
}

static int command_all(call *c) {
    reply_array(c, commands_count(table(c)));
    commands_each(table(c), info_each, c);
    return OK;
}

static int command_info(call *c) {
    if (call_argc(c) == 2) return command_all(c);
    reply_array(c, call_argc(c) - 2);
    for (size_t i = 2; i < call_argc(c); i++) reply_info(c, find_full(c, call_arg(c, i)));
    return OK;
}

static int command_count(call *c) { return reply_int(c, (int64_t)commands_count(table(c))); }

/* ---- COMMAND DOCS -------------------------------------------------------------------------------- */

static void reply_args(call *c, const struct command_arg *args) {
    size_t n = 0;
    while (args[n].name != NULL) n++;
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) {
        const struct command_arg *a = &args[i];
        bool key = strcmp(a->type, "key") == 0;
        size_t fields = 2u + (key ? 1u : 0u) + (a->token != NULL ? 1u : 0u) +
                        (a->flags != 0 ? 1u : 0u) + (a->args != NULL ? 1u : 0u);
        reply_map(c, fields);
        reply_bulk_str(c, "name");
        reply_bulk_str(c, a->name);
        reply_bulk_str(c, "type");
        reply_bulk_str(c, a->type);
        if (key) pair_int(c, "key_spec_index", a->key_spec > 0 ? a->key_spec : 0);
        if (a->token != NULL) {
            reply_bulk_str(c, "token");
            reply_bulk_str(c, a->token);
        }
        if (a->flags != 0) {
            static const char *const names[] = {"optional", "multiple", "multiple_token"};
            reply_bulk_str(c, "flags");
            reply_set(c, (a->flags & 1) + (a->flags >> 1 & 1) + (a->flags >> 2 & 1));
            for (unsigned b = 0; b < 3; b++) {
                if ((a->flags >> b & 1) != 0) reply_status(c, names[b]);
            }
        }
        if (a->args != NULL) {
            reply_bulk_str(c, "arguments");
            reply_args(c, a->args);
        }
    }
}

/* What came with which version. */
static void reply_history(call *c, const char *const *history) {
    size_t n = 0;
    while (history[2 * n] != NULL) n++;
    reply_bulk_str(c, "history");
    reply_set(c, n);
    for (size_t i = 0; i < n; i++) {
        reply_array(c, 2);
        reply_bulk_str(c, history[2 * i]);
        reply_bulk_str(c, history[2 * i + 1]);
    }
}

static void reply_docs(call *c, const struct command *cmd) {
    size_t subs = 0, pairs = 3;
    const char *usage = usage_of(commands_declared_name(table(c), cmd));
    while (cmd->subcommands != NULL && cmd->subcommands[subs].name != NULL) subs++;
    pairs += (cmd->complexity != NULL ? 1u : 0u) + (cmd->args != NULL || usage != NULL ? 1u : 0u) +
             (subs > 0 ? 1u : 0u) + (cmd->history != NULL ? 1u : 0u);
    reply_bulk_str(c, commands_full_name(table(c), cmd));
    reply_map(c, pairs);
    reply_bulk_str(c, "summary");
    reply_bulk_str(c, cmd->summary);
    reply_bulk_str(c, "since");
    reply_bulk_str(c, cmd->since);
    reply_bulk_str(c, "group");
    reply_bulk_str(c, command_group_name(cmd->group));
    if (cmd->complexity != NULL) {
        reply_bulk_str(c, "complexity");
        reply_bulk_str(c, cmd->complexity);
    }
    if (cmd->history != NULL) reply_history(c, cmd->history);
    if (cmd->args != NULL) {
        reply_bulk_str(c, "arguments");
        reply_args(c, cmd->args);
    } else if (usage != NULL) {
        reply_bulk_str(c, "arguments");
        usage_reply(c, usage);
    }
    if (subs > 0) {
        reply_bulk_str(c, "subcommands");
        reply_map(c, subs);
        for (size_t i = 0; i < subs; i++) reply_docs(c, &cmd->subcommands[i]);
    }
}

static void docs_each(void *cookie, const struct command *cmd) {
    call *c = cookie;
    if (commands_parent(table(c), cmd) == NULL) reply_docs(c, cmd);
}

static int command_docs(call *c) {
    if (call_argc(c) == 2) {
        reply_map(c, commands_count(table(c)));
        commands_each(table(c), docs_each, c);
        return OK;
    }
    size_t n = 0, mark = reply_deferred(c);
    for (size_t i = 2; i < call_argc(c); i++) {
        const struct command *cmd = find_full(c, call_arg(c, i));
        if (cmd == NULL) continue;
        reply_docs(c, cmd);
        n++;
    }
    reply_deferred_map(c, mark, n);
    return OK;
}

/* ---- COMMAND LIST -------------------------------------------------------------------------------- */

struct list_filter {
    call *call;
    uint64_t category;
    slice pattern, module;
    size_t n;
};

static void list_each(void *cookie, const struct command *cmd) {
    struct list_filter *f = cookie;
    const char *name = commands_full_name(table(f->call), cmd);
    if (f->category != 0 && (command_categories(cmd) & f->category) == 0) return;
    if (f->pattern.p != NULL && !glob_match(f->pattern, slice_str(name), true)) return;
    const char *module = commands_module(table(f->call), cmd);
    if (f->module.p != NULL && (module == NULL || !slice_is(f->module, module))) return;
    reply_bulk_str(f->call, name);
    f->n++;
}

static int command_list(call *c) {
    struct list_filter f = {.call = c};
    if (call_argc(c) != 2) {
        if (call_argc(c) != 5 || !call_arg_is(c, 2, "filterby")) return reply_syntax(c);
        slice v = call_arg(c, 4);
        if (call_arg_is(c, 3, "module")) f.module = v;
        else if (call_arg_is(c, 3, "pattern")) f.pattern = v;
        else if (call_arg_is(c, 3, "aclcat")) {
            for (unsigned b = 0; command_category_name(b) != NULL; b++) {
                if (slice_is(v, command_category_name(b))) f.category = 1ull << b;
            }
            if (f.category == 0) return reply_empty_array(c);
        } else return reply_syntax(c);
    }
    size_t mark = reply_deferred(c);
    commands_each(table(c), list_each, &f);
    reply_deferred_array(c, mark, f.n);
    return OK;
}

/* ---- COMMAND GETKEYS ------------------------------------------------------------------------------ */

#define GETKEYS_MAX 1024

static int getkeys_generic(call *c, bool with_flags) {
    const slice *argv = call_argv(c) + 2;
    size_t argc = call_argc(c) - 2;
    const struct command *cmd = commands_find(table(c), argv[0]);
    if (cmd != NULL && cmd->subcommands != NULL && argc > 1) cmd = commands_find_sub(cmd, argv[1]);
    if (cmd == NULL) return reply_error(c, "ERR Invalid command specified");
    if (cmd->keys[0].begin == KEYS_NONE && cmd->get_keys == NULL) {
        return reply_error(c, "ERR The command has no key arguments");
    }
    if (cmd->arity > 0 ? argc != (size_t)cmd->arity : argc < (size_t)-cmd->arity) {
        return reply_error(c, "ERR Invalid number of arguments specified for command");
    }
    struct key_ref *keys = mem_alloc(GETKEYS_MAX * sizeof(*keys));
    int n = command_keys(cmd, argv, argc, keys, GETKEYS_MAX);
    if (n <= 0) {
        reply_error(c, "ERR Invalid arguments specified for command");
    } else {
        if (n > GETKEYS_MAX) n = GETKEYS_MAX;
        reply_array(c, (size_t)n);
        for (int i = 0; i < n; i++) {
            if (with_flags) reply_array(c, 2);
            reply_bulk(c, argv[keys[i].pos]);
            if (with_flags) reply_key_flags(c, keys[i].flags);
        }
    }
    mem_free(keys);
    return OK;
}

static int command_getkeys(call *c) { return getkeys_generic(c, false); }
static int command_getkeysandflags(call *c) { return getkeys_generic(c, true); }

static int command_help(call *c) {
    static const char *const lines[] = {
        "(no subcommand)", "    Return details about all Redis commands.",
        "COUNT", "    Return the total number of commands in this Redis server.",
        "LIST", "    Return a list of all commands in this Redis server.",
        "INFO [<command-name> ...]", "    Return details about multiple Redis commands.",
        "    If no command names are given, documentation details for all", "    commands are returned.",
        "DOCS [<command-name> ...]", "    Return documentation details about multiple Redis commands.",
        "    If no command names are given, documentation details for all", "    commands are returned.",
        "GETKEYS <full-command>", "    Return the keys from a full Redis command.",
        "GETKEYSANDFLAGS <full-command>", "    Return the keys and the access flags from a full Redis command.",
        NULL};
    return reply_help(c, lines);
}

#define ROW(n, f, a, s, text)                                                                \
    {.name = n, .fn = f, .arity = a, .flags = CMD_LOADING | CMD_STALE, .categories = CAT_CONNECTION, \
     .group = GROUP_SERVER, .since = s, .summary = text, .complexity = "O(N) where N is the number of commands"}
static const struct command subcommands[] = {
    ROW("count", command_count, 2, "2.8.13", "Get total number of Redis commands"),
    ROW("docs", command_docs, -2, "7.0.0", "Get array of specific Redis command documentation"),
    ROW("getkeys", command_getkeys, -4, "2.8.13", "Extract keys given a full Redis command"),
    ROW("getkeysandflags", command_getkeysandflags, -4, "7.0.0",
        "Extract keys and access flags given a full Redis command"),
    ROW("help", command_help, 2, "5.0.0", "Show helpful text about the different subcommands"),
    ROW("info", command_info, -2, "2.8.13", "Get array of specific Redis command details, or all when no argument is given."),
    ROW("list", command_list, -2, "7.0.0", "Get an array of Redis command names"),
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "command", .fn = command_all, .arity = -1, .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION, .group = GROUP_SERVER, .since = "2.8.13",
     .summary = "Get array of Redis command details", .complexity = "O(N) where N is the total number of Redis commands",
     .tips = "nondeterministic_output_order", .subcommands = subcommands},
};
const struct command_family family_introspection = {rows, sizeof(rows) / sizeof(*rows)};
