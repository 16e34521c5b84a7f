/* acl_selector.c -- one set of permissions: which commands, on which keys, over which channels.
 *
 * Commands are a bit a row of the table. Beside the bits stand the rules that made them, shortened: a
 * rule takes the place of an earlier one about the same command or category, and what +@all or -@all
 * says already is left out. So what is shown is what was said, and makes the same bits again; a category
 * that has no commands yet is kept, for the day when it has some. */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/num.h"
#include "exec/acl_internal.h"

static const char syntax[] = "Syntax error";
static const char unknown[] = "Unknown command or category name in ACL";
static const char too_many[] = "Too many rules, patterns, passwords, selectors or users";

static size_t words(const commands *t) { return (commands_rows(t) + 63) / 64; }

/* ---- patterns ----------------------------------------------------------------------------------- */

static int pattern_add(struct acl_patterns *l, slice text, unsigned perms, const char **why) {
    for (size_t i = 0; i < l->n; i++) {
        if (!slice_eq(l->v[i].text, text)) continue;
        l->v[i].perms |= perms;
        return OK;
    }
    if (l->n == ACL_ITEMS_MAX) {
        *why = too_many;
        return ERR_LIMIT;
    }
    l->v = mem_realloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n++] = (struct acl_pattern){slice_make(slice_strdup(text), text.n), perms};
    return OK;
}

static void patterns_clear(struct acl_patterns *l) {
    for (size_t i = 0; i < l->n; i++) mem_free((void *)(uintptr_t)l->v[i].text.p);
    mem_free(l->v);
    *l = (struct acl_patterns){NULL, 0};
}

static void patterns_copy(struct acl_patterns *to, const struct acl_patterns *from) {
    const char *why;
    for (size_t i = 0; i < from->n; i++) (void)pattern_add(to, from->v[i].text, from->v[i].perms, &why);
    assert(to->n == from->n);
}

static bool pattern_ok(slice s) { /* What a line of a file can hold as one word. */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\0' || s.p[i] == ' ' || (s.p[i] >= '\t' && s.p[i] <= '\r')) return false;
    }
    return true;
}

/* ---- life --------------------------------------------------------------------------------------- */

struct acl_selector *selector__create(const commands *t, bool all_channels) {
    struct acl_selector *s = mem_calloc(1, sizeof(*s));
    s->allowed = mem_calloc(words(t), sizeof(*s->allowed));
    s->all_channels = all_channels;
    return s;
}

static void rules_clear(struct acl_selector *s) {
    for (size_t i = 0; i < s->rules_n; i++) mem_free(s->rules[i]);
    mem_free(s->rules);
    s->rules = NULL;
    s->rules_n = 0;
}

static void first_args_clear(struct acl_selector *s) {
    for (size_t i = 0; i < s->first_args_n; i++) mem_free(s->first_args[i].arg);
    mem_free(s->first_args);
    s->first_args = NULL;
    s->first_args_n = 0;
}

void selector__free(struct acl_selector *s) {
    if (s == NULL) return;
    mem_free(s->allowed);
    patterns_clear(&s->keys);
    patterns_clear(&s->channels);
    first_args_clear(s);
    rules_clear(s);
    mem_free(s);
}

struct acl_selector *selector__copy(const commands *t, const struct acl_selector *from) {
    struct acl_selector *s = selector__create(t, from->all_channels);
    memcpy(s->allowed, from->allowed, words(t) * sizeof(*s->allowed));
    s->unrestricted = from->unrestricted;
    s->base_all = from->base_all;
    s->all_keys = from->all_keys;
    patterns_copy(&s->keys, &from->keys);
    patterns_copy(&s->channels, &from->channels);
    s->first_args_n = from->first_args_n;
    s->first_args = mem_calloc(s->first_args_n + 1, sizeof(*s->first_args));
    for (size_t i = 0; i < s->first_args_n; i++) {
        s->first_args[i] = (struct acl_first_arg){from->first_args[i].cmd,
                                                  mem_strdup(from->first_args[i].arg)};
    }
    s->rules_n = from->rules_n;
    s->rules = mem_calloc(s->rules_n + 1, sizeof(char *));
    for (size_t i = 0; i < s->rules_n; i++) s->rules[i] = mem_strdup(from->rules[i]);
    return s;
}

/* ---- commands ----------------------------------------------------------------------------------- */

static void bit_set(struct acl_selector *s, size_t row, bool allow) {
    if (allow) s->allowed[row / 64] |= 1ull << row % 64;
    else s->allowed[row / 64] &= ~(1ull << row % 64);
}

static bool bit(const struct acl_selector *s, size_t row) { return s->allowed[row / 64] >> row % 64 & 1; }

static void set_all(struct acl_selector *s, const commands *t, bool allow) {
    for (size_t i = 0; i < commands_rows(t); i++) bit_set(s, i, allow);
    s->base_all = s->unrestricted = allow;
    first_args_clear(s);
    rules_clear(s);
}

static void settle(struct acl_selector *s, const commands *t) {
    size_t set = 0;
    for (size_t i = 0; i < commands_rows(t); i++) set += bit(s, i);
    s->unrestricted = set == commands_rows(t);
}

static void rule_drop(struct acl_selector *s, size_t i) {
    mem_free(s->rules[i]);
    memmove(s->rules + i, s->rules + i + 1, (s->rules_n - i - 1) * sizeof(char *));
    s->rules_n--;
}

/* `name`: of the command ("config|set") or category ("@read"). Earlier rules about it, or about a part
 * of it, mean nothing any more. */
static int rule_keep(struct acl_selector *s, char sign, const char *name, const char **why) {
    size_t n = strlen(name);
    for (size_t i = 0; i < s->rules_n;) {
        const char *old = s->rules[i] + 1;
        if (strncmp(old, name, n) == 0 && (old[n] == '\0' || old[n] == '|')) rule_drop(s, i);
        else i++;
    }
    while (s->rules_n > 0 && (s->rules[0][0] == '+') == s->base_all) rule_drop(s, 0);
    if (s->rules_n == 0 && (sign == '+') == s->base_all) return OK; /* +@all +get: nothing is new. */
    if (s->rules_n == ACL_ITEMS_MAX) {
        *why = too_many;
        return ERR_LIMIT;
    }
    buf text = BUF_INIT;
    buf_printf(&text, "%c%s", sign, name);
    s->rules = mem_realloc(s->rules, (s->rules_n + 1) * sizeof(char *));
    s->rules[s->rules_n++] = slice_strdup(slice_of(&text));
    buf_free(&text);
    return OK;
}

static void first_args_drop(struct acl_selector *s, const struct command *cmd) {
    size_t kept = 0;
    for (size_t i = 0; i < s->first_args_n; i++) {
        if (s->first_args[i].cmd == cmd) mem_free(s->first_args[i].arg);
        else s->first_args[kept++] = s->first_args[i];
    }
    s->first_args_n = kept;
}

static int rule_category(struct acl_selector *s, commands *t, char sign, slice name, const char **why) {
    for (unsigned b = 0; command_category_name(b) != NULL; b++) {
        if (!slice_is(name, command_category_name(b))) continue;
        char text[48];
        for (size_t i = 0; i < commands_rows(t); i++) {
            const struct command *cmd = commands_row(t, i);
            if ((command_categories(cmd) >> b & 1) == 0) continue;
            bit_set(s, i, sign == '+');
            first_args_drop(s, cmd);
        }
        snprintf(text, sizeof(text), "@%s", command_category_name(b));
        int rc = rule_keep(s, sign, text, why);
        settle(s, t);
        return rc;
    }
    *why = unknown;
    return ERR_NOTFOUND;
}

/* The command as a whole, or the subcommand; with a command go its subcommands. */
static int rule_command(struct acl_selector *s, commands *t, char sign, const struct command *cmd,
                        const char **why) {
    for (size_t i = 0; i < commands_rows(t); i++) {
        const struct command *row = commands_row(t, i);
        if (row == cmd || commands_parent(t, row) == cmd) bit_set(s, i, sign == '+');
    }
    first_args_drop(s, cmd);
    int rc = rule_keep(s, sign, commands_declared_name(t, cmd), why);
    settle(s, t);
    return rc;
}

/* +debug|object, +select|0: a command without such a subcommand, with this first argument only. */
static int rule_first_arg(struct acl_selector *s, commands *t, slice name, size_t bar, const char **why) {
    slice head = slice_make(name.p, bar), arg = slice_make(name.p + bar + 1, name.n - bar - 1);
    const struct command *cmd = commands_find_declared(t, head);
    *why = unknown;
    if (cmd == NULL) return ERR_NOTFOUND;
    if (commands_parent(t, cmd) != NULL) {
        *why = "Allowing first-arg of a subcommand is not supported";
        return ERR_UNSUPPORTED;
    }
    if (arg.n == 0 || !pattern_ok(arg)) {
        *why = syntax;
        return ERR_SYNTAX;
    }
    if (cmd->subcommands != NULL) return ERR_NOTFOUND;
    for (size_t i = 0; i < s->first_args_n; i++) {
        if (s->first_args[i].cmd == cmd && slice_is(arg, s->first_args[i].arg)) return OK;
    }
    char *text = slice_strdup(name), *kept = slice_strdup(arg);
    memcpy(text, cmd->name, bar); /* As the table spells it. */
    int rc = rule_keep(s, '+', text, why);
    mem_free(text);
    if (rc != OK) {
        mem_free(kept);
        return rc;
    }
    s->first_args = mem_realloc(s->first_args, (s->first_args_n + 1) * sizeof(*s->first_args));
    s->first_args[s->first_args_n++] = (struct acl_first_arg){cmd, kept};
    settle(s, t);
    return OK;
}

static int rule_sign(struct acl_selector *s, commands *t, slice rule, const char **why) {
    char sign = (char)rule.p[0];
    slice name = slice_make(rule.p + 1, rule.n - 1);
    *why = unknown;
    if (name.n > 0 && name.p[0] == '@') {
        name = slice_make(name.p + 1, name.n - 1);
        if (!slice_is(name, "all")) return rule_category(s, t, sign, name, why);
        set_all(s, t, sign == '+');
        return OK;
    }
    const struct command *cmd = commands_find_declared(t, name);
    if (cmd != NULL) return rule_command(s, t, sign, cmd, why);
    size_t bar = name.n;
    while (bar > 0 && name.p[bar - 1] != '|') bar--;
    if (bar == 0 || sign == '-') return ERR_NOTFOUND;
    return rule_first_arg(s, t, name, bar - 1, why);
}

/* ---- rules -------------------------------------------------------------------------------------- */

/* %R~pattern, %W~pattern, %RW~pattern. */
static int rule_key_perms(struct acl_selector *s, slice rule, const char **why) {
    unsigned perms = 0;
    size_t i = 1;
    for (; i < rule.n && rule.p[i] != '~'; i++) {
        unsigned p = (rule.p[i] | 32) == 'r' ? ACL_READ : (rule.p[i] | 32) == 'w' ? ACL_WRITE : 0;
        if (p == 0 || (perms & p) != 0) {
            *why = syntax;
            return ERR_SYNTAX;
        }
        perms |= p;
    }
    if (i < rule.n) i++;
    if (perms == 0 || !pattern_ok(rule)) {
        *why = syntax;
        return ERR_SYNTAX;
    }
    return pattern_add(&s->keys, slice_make(rule.p + i, rule.n - i), perms, why);
}

static int rule_key(struct acl_selector *s, slice rule, const char **why) {
    if (s->all_keys) {
        *why = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not "
               "have any effect. Try 'resetkeys' to start with an empty list of patterns";
        return ERR_EXISTS;
    }
    if (rule.p[0] == '%') return rule_key_perms(s, rule, why);
    if (!pattern_ok(rule)) {
        *why = syntax;
        return ERR_SYNTAX;
    }
    return pattern_add(&s->keys, slice_make(rule.p + 1, rule.n - 1), ACL_READ | ACL_WRITE, why);
}

static int rule_channel(struct acl_selector *s, slice rule, const char **why) {
    if (s->all_channels) {
        *why = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does "
               "not have any effect. Try 'resetchannels' to start with an empty list of channels";
        return ERR_EXISTS;
    }
    if (!pattern_ok(rule)) {
        *why = syntax;
        return ERR_SYNTAX;
    }
    return pattern_add(&s->channels, slice_make(rule.p + 1, rule.n - 1), 0, why);
}

int selector__rule(struct acl_selector *s, commands *t, slice rule, const char **why) {
    if (slice_is(rule, "allkeys") || slice_is(rule, "~*")) {
        patterns_clear(&s->keys);
        s->all_keys = true;
    } else if (slice_is(rule, "resetkeys")) {
        patterns_clear(&s->keys);
        s->all_keys = false;
    } else if (slice_is(rule, "allchannels") || slice_is(rule, "&*")) {
        patterns_clear(&s->channels);
        s->all_channels = true;
    } else if (slice_is(rule, "resetchannels")) {
        patterns_clear(&s->channels);
        s->all_channels = false;
    } else if (slice_is(rule, "allcommands")) {
        set_all(s, t, true);
    } else if (slice_is(rule, "nocommands")) {
        set_all(s, t, false);
    } else if (rule.n > 0 && (rule.p[0] == '~' || rule.p[0] == '%')) {
        return rule_key(s, rule, why);
    } else if (rule.n > 0 && rule.p[0] == '&') {
        return rule_channel(s, rule, why);
    } else if (rule.n > 1 && (rule.p[0] == '+' || rule.p[0] == '-')) {
        return rule_sign(s, t, rule, why);
    } else {
        *why = syntax;
        return ERR_SYNTAX;
    }
    return OK;
}

/* ---- as text ------------------------------------------------------------------------------------ */

void selector__commands(const struct acl_selector *s, buf *out) {
    buf_append_str(out, s->base_all ? "+@all" : "-@all");
    for (size_t i = 0; i < s->rules_n; i++) buf_printf(out, " %s", s->rules[i]);
}

void selector__keys(const struct acl_selector *s, buf *out) {
    static const char *const prefix[] = {"", "%R~", "%W~", "~"};
    if (s->all_keys) buf_append_str(out, "~*");
    for (size_t i = 0; i < s->keys.n; i++) {
        if (i > 0) buf_u8(out, ' ');
        buf_append_str(out, prefix[s->keys.v[i].perms]);
        buf_append_slice(out, s->keys.v[i].text);
    }
}

void selector__channels(const struct acl_selector *s, buf *out) {
    if (s->all_channels) buf_append_str(out, "&*");
    for (size_t i = 0; i < s->channels.n; i++) {
        if (i > 0) buf_u8(out, ' ');
        buf_u8(out, '&');
        buf_append_slice(out, s->channels.v[i].text);
    }
}

void selector__describe(const struct acl_selector *s, buf *out) {
    selector__keys(s, out);
    if (s->all_keys || s->keys.n > 0) buf_u8(out, ' ');
    if (!s->all_channels) buf_append_str(out, "resetchannels ");
    selector__channels(s, out);
    if (s->all_channels || s->channels.n > 0) buf_u8(out, ' ');
    selector__commands(s, out);
}

/* ---- decisions ---------------------------------------------------------------------------------- */

static bool command_allowed(const struct acl_selector *s, commands *t, const struct command *cmd,
                            const slice *argv, size_t argc) {
    if (s->unrestricted || (cmd->flags & CMD_NO_AUTH) != 0 || bit(s, commands_index(t, cmd))) return true;
    for (size_t i = 0; i < s->first_args_n && argc > 1; i++) {
        if (s->first_args[i].cmd == cmd && slice_is(argv[1], s->first_args[i].arg)) return true;
    }
    return false;
}

/* What only looks whether a key is there needs any of the rights. */
static bool key_allowed(const struct acl_selector *s, slice key, unsigned flags) {
    unsigned perms = ((flags & KEY_ACCESS) != 0 ? ACL_READ : 0) |
                     ((flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE)) != 0 ? ACL_WRITE : 0);
    for (size_t i = 0; i < s->keys.n; i++) {
        if ((s->keys.v[i].perms & perms) == perms && glob_match(s->keys.v[i].text, key, false)) return true;
    }
    return false;
}

enum acl_verdict selector__check(const struct acl_selector *s, commands *t, const struct command *cmd,
                                 const slice *argv, size_t argc, const struct key_ref *keys, int n,
                                 size_t *at) {
    *at = 0;
    if (!command_allowed(s, t, cmd, argv, argc)) return ACL_DENIED_COMMAND;
    if (s->all_keys) return ACL_OK;
    if (n < 0) return ACL_DENIED_KEY;
    for (int i = 0; i < n; i++) {
        if (key_allowed(s, argv[keys[i].pos], keys[i].flags)) continue;
        *at = (size_t)keys[i].pos;
        return ACL_DENIED_KEY;
    }
    return ACL_OK;
}

bool selector__reads_all(const struct acl_selector *s) {
    bool all = s->all_keys;
    for (size_t i = 0; i < s->keys.n; i++)
        all |= (s->keys.v[i].perms & ACL_READ) != 0 && slice_eq(s->keys.v[i].text, SLICE("*"));
    return all;
}
