/* acl.c -- the users: found by name, changed by rules, read from text, asked for a decision.
 *
 * Invariants
 *  1. users is in order of names, without doubles; `default` is always there.
 *  2. A user has at least one selector, the root.
 *  3. Changes are all or none: they are made to a copy, which then takes the user's place. The struct
 *     stays where it is, so that who holds it has the new rules at once. */
#include "exec/acl.h"

#include <assert.h>
#include <ctype.h>

#include "base/hash.h"
#include "base/mem.h"
#include "exec/acl_internal.h"

#define HEX 64 /* digits of a SHA-256 */

struct acl_user {
    slice name; /* owned */
    bool on, nopass, sanitize, skip_sanitize, declared;
    char (*passwords)[HEX + 1];
    size_t passwords_n;
    struct acl_selector **selectors;
    size_t selectors_n;
};

struct acl {
    commands *commands;
    const struct acl_config *config;
    acl_user **users;
    size_t count;
};

static const char *const channel_words[] = {"allchannels", "resetchannels", NULL};

#define F(field) offsetof(struct acl_config, field)
const struct option acl_options[] = {
    {"acl-pubsub-default", NULL, OPTION_ENUM, 0, F(pubsub_default), "resetchannels", 0, 0, channel_words,
     NULL, "Channels of a new ACL user: all of them, or none."},
    {"aclfile", NULL, OPTION_STRING, OPTION_IMMUTABLE, F(file), "", 0, 0, NULL, NULL,
     "File of ACL users, a line each; without one, users are lines of this file."},
    {"acllog-max-len", NULL, OPTION_INT, 0, F(log_max_len), "128", 0, INT64_MAX, NULL, NULL,
     "Refused commands and passwords that ACL LOG keeps."},
};
const size_t acl_options_count = sizeof(acl_options) / sizeof(*acl_options);

/* ---- life --------------------------------------------------------------------------------------- */

static void selector_append(acl_user *u, struct acl_selector *s) {
    u->selectors = mem_realloc(u->selectors, (u->selectors_n + 1) * sizeof(*u->selectors));
    u->selectors[u->selectors_n++] = s;
}

static void selectors_cut(acl_user *u, size_t keep) {
    while (u->selectors_n > keep) selector__free(u->selectors[--u->selectors_n]);
}

static acl_user *user_create(const acl *a, slice name) {
    acl_user *u = mem_calloc(1, sizeof(*u));
    u->name = slice_make(slice_strdup(name), name.n);
    selector_append(u, selector__create(a->commands, a->config->pubsub_default == ACL_CHANNELS_ALL));
    return u;
}

static void user_free(acl_user *u) {
    if (u == NULL) return;
    selectors_cut(u, 0);
    mem_free(u->selectors);
    mem_free(u->passwords);
    mem_free((void *)(uintptr_t)u->name.p);
    mem_free(u);
}

static acl_user *user_copy(const acl *a, const acl_user *from) {
    acl_user *u = mem_calloc(1, sizeof(*u));
    *u = *from;
    u->name = slice_make(slice_strdup(from->name), from->name.n);
    u->passwords = mem_calloc(from->passwords_n + 1, sizeof(*u->passwords));
    for (size_t i = 0; i < u->passwords_n; i++) memcpy(u->passwords[i], from->passwords[i], HEX + 1);
    u->selectors = NULL;
    u->selectors_n = 0;
    for (size_t i = 0; i < from->selectors_n; i++) {
        selector_append(u, selector__copy(a->commands, from->selectors[i]));
    }
    return u;
}

/* u becomes what `from` is, where u is. Takes `from`. */
static void user_become(acl_user *u, acl_user *from) {
    acl_user old = *u;
    *u = *from;
    *from = old;
    user_free(from);
}

/* The place of the name, or where it belongs. */
static size_t place(const acl *a, slice name, bool *found) {
    size_t lo = 0, hi = a->count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (slice_cmp(a->users[mid]->name, name) < 0) lo = mid + 1;
        else hi = mid;
    }
    *found = lo < a->count && slice_eq(a->users[lo]->name, name);
    return lo;
}

static void insert(acl *a, acl_user *u) {
    bool found;
    size_t at = place(a, u->name, &found);
    assert(!found);
    a->users = mem_realloc(a->users, (a->count + 1) * sizeof(*a->users));
    memmove(a->users + at + 1, a->users + at, (a->count - at) * sizeof(*a->users));
    a->users[at] = u;
    a->count++;
}

static acl_user *open_default(const acl *a) {
    const char *why;
    acl_user *u = user_create(a, SLICE("default"));
    static const char *const rules[] = {"allcommands", "allkeys", "allchannels"};
    u->on = u->nopass = true;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        int rc = selector__rule(u->selectors[0], a->commands, slice_str(rules[i]), &why);
        assert(rc == OK);
        (void)rc;
    }
    return u;
}

acl *acl_create(commands *t, const struct acl_config *config) {
    acl *a = mem_calloc(1, sizeof(*a));
    a->commands = t;
    a->config = config;
    insert(a, open_default(a));
    return a;
}

void acl_free(acl *a) {
    if (a == NULL) return;
    for (size_t i = 0; i < a->count; i++) user_free(a->users[i]);
    mem_free(a->users);
    mem_free(a);
}

acl_user *acl_find(const acl *a, slice name) {
    bool found;
    size_t at = place(a, name, &found);
    return found ? a->users[at] : NULL;
}

acl_user *acl_default(const acl *a) {
    acl_user *u = acl_find(a, SLICE("default"));
    assert(u != NULL);
    return u;
}

bool acl_name_ok(slice name) {
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '\0' || isspace(name.p[i])) return false;
    }
    return name.n > 0;
}

void acl_remove(acl *a, acl_user *u) {
    bool found;
    size_t at = place(a, u->name, &found);
    assert(found && a->users[at] == u && u != acl_default(a));
    memmove(a->users + at, a->users + at + 1, (a->count - at - 1) * sizeof(*a->users));
    a->count--;
    user_free(u);
}

void acl_each(const acl *a, void (*each)(void *cookie, const acl_user *u), void *cookie) {
    for (size_t i = 0; i < a->count; i++) each(cookie, a->users[i]);
}
size_t acl_count(const acl *a) { return a->count; }

/* ---- rules of a user ---------------------------------------------------------------------------- */

static bool hash_ok(slice s) {
    for (size_t i = 0; i < s.n; i++) {
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f')) return false;
    }
    return s.n == HEX;
}

static int password_add(acl_user *u, const char hex[HEX + 1], const char **why) {
    u->nopass = false;
    for (size_t i = 0; i < u->passwords_n; i++) {
        if (memcmp(u->passwords[i], hex, HEX) == 0) return OK;
    }
    if (u->passwords_n == ACL_ITEMS_MAX) {
        *why = "Too many passwords";
        return ERR_LIMIT;
    }
    u->passwords = mem_realloc(u->passwords, (u->passwords_n + 1) * sizeof(*u->passwords));
    memcpy(u->passwords[u->passwords_n++], hex, HEX + 1);
    return OK;
}

static int password_remove(acl_user *u, const char hex[HEX + 1], const char **why) {
    for (size_t i = 0; i < u->passwords_n; i++) {
        if (memcmp(u->passwords[i], hex, HEX) != 0) continue;
        memmove(u->passwords + i, u->passwords + i + 1, (u->passwords_n - i - 1) * sizeof(*u->passwords));
        u->passwords_n--;
        return OK;
    }
    *why = "The password you are trying to remove from the user does not exist";
    return ERR_NOTFOUND;
}

/* >password #hash <password !hash */
static int rule_password(acl_user *u, slice rule, const char **why) {
    char hex[HEX + 1];
    slice text = slice_make(rule.p + 1, rule.n - 1);
    if (rule.p[0] == '>' || rule.p[0] == '<') {
        hash_sha256_hex(text.p, text.n, hex);
    } else if (hash_ok(text)) {
        memcpy(hex, text.p, HEX);
        hex[HEX] = '\0';
    } else {
        *why = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
               "characters";
        return ERR_SYNTAX;
    }
    bool add = rule.p[0] == '>' || rule.p[0] == '#';
    return add ? password_add(u, hex, why) : password_remove(u, hex, why);
}

/* (rules): one more selector. */
static int rule_selector(const acl *a, acl_user *u, slice rule, const char **why) {
    if (u->selectors_n == ACL_ITEMS_MAX) {
        *why = "Too many selectors";
        return ERR_LIMIT;
    }
    struct acl_selector *s =
        selector__create(a->commands, a->config->pubsub_default == ACL_CHANNELS_ALL);
    int rc = OK;
    for (size_t i = 1; i < rule.n - 1 && rc == OK;) {
        size_t end = i;
        while (end < rule.n - 1 && rule.p[end] != ' ') end++;
        if (end > i) rc = selector__rule(s, a->commands, slice_make(rule.p + i, end - i), why);
        i = end + 1;
    }
    if (rc == OK) selector_append(u, s);
    else selector__free(s);
    return rc;
}

static void user_reset(const acl *a, acl_user *u) {
    acl_user *fresh = user_create(a, u->name);
    fresh->declared = u->declared;
    fresh->sanitize = true; /* Redis's: it decides nothing here, where every payload is checked. */
    user_become(u, fresh);
}

static int user_rule(const acl *a, acl_user *u, slice rule, const char **why) {
    if (rule.n == 0) return OK;
    if (slice_is(rule, "on") || slice_is(rule, "off")) {
        u->on = slice_is(rule, "on");
    } else if (slice_is(rule, "nopass") || slice_is(rule, "resetpass")) {
        u->nopass = slice_is(rule, "nopass");
        u->passwords_n = 0;
    } else if (slice_is(rule, "sanitize-payload") || slice_is(rule, "skip-sanitize-payload")) {
        u->sanitize = slice_is(rule, "sanitize-payload");
        u->skip_sanitize = !u->sanitize;
    } else if (slice_is(rule, "clearselectors")) {
        selectors_cut(u, 1);
    } else if (slice_is(rule, "reset")) {
        user_reset(a, u);
    } else if (strchr("><#!", rule.p[0]) != NULL) {
        return rule_password(u, rule, why);
    } else if (rule.p[0] == '(' && rule.p[rule.n - 1] == ')') {
        return rule_selector(a, u, rule, why);
    } else {
        return selector__rule(u->selectors[0], a->commands, rule, why);
    }
    return OK;
}

/* The next rule: a word, or all words of a selector, which may be spread over several. */
static int next_rule(const slice *rules, size_t n, size_t *i, buf *out, const char **why) {
    size_t first = *i;
    out->n = 0;
    buf_append_slice(out, rules[(*i)++]);
    if (out->n == 0 || out->p[0] != '(') return OK;
    while (out->p[out->n - 1] != ')') {
        if (*i == n) {
            out->n = 0;
            buf_append_slice(out, rules[first]);
            *why = "Unmatched parenthesis in acl selector";
            return ERR_RANGE;
        }
        buf_u8(out, ' ');
        buf_append_slice(out, rules[(*i)++]);
    }
    return OK;
}

static int apply(acl *a, slice name, bool anew, const slice *rules, size_t n, const char **why, buf *bad) {
    acl_user *u = acl_find(a, name), *next;
    int rc = OK;
    bad->n = 0;
    if (u == NULL && a->count == ACL_ITEMS_MAX) {
        *why = "Too many users";
        return ERR_LIMIT;
    }
    next = u == NULL || anew ? user_create(a, name) : user_copy(a, u);
    for (size_t i = 0; i < n && rc == OK;) {
        rc = next_rule(rules, n, &i, bad, why);
        if (rc == OK) rc = user_rule(a, next, slice_of(bad), why);
    }
    if (rc != OK) {
        user_free(next);
    } else if (u == NULL) {
        insert(a, next);
    } else {
        user_become(u, next);
    }
    return rc;
}

int acl_set_user(acl *a, slice name, const slice *rules, size_t n, const char **why, buf *bad) {
    return apply(a, name, false, rules, n, why, bad);
}

int acl_declare_user(acl *a, slice name, const slice *rules, size_t n, const char **why, buf *bad) {
    const acl_user *u = acl_find(a, name);
    if (u != NULL && u->declared) {
        *why = "Duplicate user found. A user can only be defined once in config files";
        bad->n = 0;
        return ERR_EXISTS;
    }
    int rc = apply(a, name, true, rules, n, why, bad);
    if (rc == OK) acl_find(a, name)->declared = true;
    return rc;
}

bool acl_user_declared(const acl_user *u) { return u->declared; }

void acl_requirepass(acl *a, const char *password) {
    acl_user *u = acl_default(a);
    const char *why;
    char hex[HEX + 1];
    u->passwords_n = 0;
    u->nopass = true;
    if (password[0] == '\0') return;
    hash_sha256_hex(password, strlen(password), hex);
    int rc = password_add(u, hex, &why);
    assert(rc == OK);
    (void)rc;
}

/* ---- a file ------------------------------------------------------------------------------------- */

static void parse_line(acl *a, slice line, const char *path, int number, buf *errors) {
    buf store = BUF_INIT, bad = BUF_INIT;
    slice *words = NULL;
    size_t n = 0;
    const char *why = "";
    while (line.n > 0 && isspace(line.p[line.n - 1])) line.n--;
    while (line.n > 0 && isspace(line.p[0])) line = slice_make(line.p + 1, line.n - 1);
    if (line.n == 0 || line.p[0] == '#') return;
    if (option_split_line(line, &store, &words, &n) != OK || n < 2 ||
        !slice_eq(words[0], SLICE("user"))) {
        buf_printf(errors, "%s:%d: line should start with user keyword. ", path, number);
    } else if (!acl_name_ok(words[1])) {
        buf_printf(errors, "%s:%d: username '%.*s' contains invalid characters. ", path, number,
                   (int)words[1].n, (const char *)words[1].p);
    } else {
        int rc = acl_declare_user(a, words[1], words + 2, n - 2, &why, &bad);
        if (rc == ERR_EXISTS && bad.n == 0) {
            buf_printf(errors, "WARNING: Duplicate user '%.*s' found on line %d. ", (int)words[1].n,
                       (const char *)words[1].p, number);
        } else if (rc != OK) {
            buf_printf(errors, "%s:%d: %s. ", path, number, why);
        }
    }
    mem_free(words);
    buf_free(&store);
    buf_free(&bad);
}

acl *acl_parse(const acl *like, slice text, const char *path, buf *errors) {
    acl *a = acl_create(like->commands, like->config);
    int number = 0;
    size_t before = errors->n;
    for (size_t at = 0; at < text.n;) {
        const uint8_t *end = memchr(text.p + at, '\n', text.n - at);
        size_t n = end == NULL ? text.n - at : (size_t)(end - (text.p + at));
        parse_line(a, slice_make(text.p + at, n), path, ++number, errors);
        at += n + 1;
    }
    if (errors->n == before) return a;
    acl_free(a);
    return NULL;
}

void acl_adopt(acl *a, acl *fresh) {
    acl_user *u = acl_default(a);
    for (size_t i = 0; i < a->count; i++) {
        if (a->users[i] != u) user_free(a->users[i]);
    }
    for (size_t i = 0; i < fresh->count; i++) {
        if (fresh->users[i] != acl_default(fresh)) continue;
        user_become(u, fresh->users[i]);
        fresh->users[i] = u; /* Those who hold `default` go on. */
        break;
    }
    mem_free(a->users);
    a->users = fresh->users;
    a->count = fresh->count;
    fresh->users = NULL;
    fresh->count = 0;
    acl_free(fresh);
}

/* ---- one user ----------------------------------------------------------------------------------- */

slice acl_user_name(const acl_user *u) { return u->name; }
bool acl_user_on(const acl_user *u) { return u->on; }
bool acl_user_nopass(const acl_user *u) { return u->nopass; }
const char *acl_user_payload(const acl_user *u) {
    return u->sanitize ? "sanitize-payload" : u->skip_sanitize ? "skip-sanitize-payload" : NULL;
}
size_t acl_user_passwords(const acl_user *u) { return u->passwords_n; }
const char *acl_user_password(const acl_user *u, size_t i) {
    assert(i < u->passwords_n);
    return u->passwords[i];
}
size_t acl_user_selectors(const acl_user *u) { return u->selectors_n; }

static const struct acl_selector *selector(const acl_user *u, size_t i) {
    assert(i < u->selectors_n);
    return u->selectors[i];
}
void acl_user_commands(const acl_user *u, size_t i, buf *out) { selector__commands(selector(u, i), out); }
void acl_user_keys(const acl_user *u, size_t i, buf *out) { selector__keys(selector(u, i), out); }
void acl_user_channels(const acl_user *u, size_t i, buf *out) { selector__channels(selector(u, i), out); }

void acl_user_describe(const acl_user *u, buf *out) {
    buf_append_str(out, u->on ? "on" : "off");
    if (u->nopass) buf_append_str(out, " nopass");
    if (acl_user_payload(u) != NULL) buf_printf(out, " %s", acl_user_payload(u));
    for (size_t i = 0; i < u->passwords_n; i++) buf_printf(out, " #%s", u->passwords[i]);
    for (size_t i = 0; i < u->selectors_n; i++) {
        buf_append_str(out, i == 0 ? " " : " (");
        selector__describe(u->selectors[i], out);
        if (i > 0) buf_u8(out, ')');
    }
}

/* ---- decisions ---------------------------------------------------------------------------------- */

acl_user *acl_authenticate(const acl *a, slice name, slice password) {
    acl_user *u = acl_find(a, name);
    if (u == NULL || !u->on) return NULL;
    if (u->nopass) return u;
    char hex[HEX + 1];
    bool fits = false;
    hash_sha256_hex(password.p, password.n, hex);
    for (size_t i = 0; i < u->passwords_n; i++) {
        unsigned diff = 0;
        for (size_t k = 0; k < HEX; k++) diff |= (unsigned)(hex[k] ^ u->passwords[i][k]);
        fits |= diff == 0;
    }
    return fits ? u : NULL;
}

#define KEYS_INLINE 64 /* Most commands have fewer keys: no allocation for those. */

/* The keys of a command, in `few` or, when they are more, in memory of their own. n < 0: not told. */
static struct key_ref *keys_of(const struct command *cmd, const slice *argv, size_t argc, struct key_ref *few,
                               int *n) {
    *n = command_keys(cmd, argv, argc, few, KEYS_INLINE);
    if (*n <= KEYS_INLINE) return few;
    struct key_ref *keys = mem_alloc((size_t)*n * sizeof(*keys));
    *n = command_keys(cmd, argv, argc, keys, (size_t)*n);
    return keys;
}

enum acl_verdict acl_check(const acl *a, const acl_user *u, const struct command *cmd, const slice *argv,
                           size_t argc, size_t *at) {
    const struct acl_selector *root = u->selectors[0];
    struct key_ref few[KEYS_INLINE];
    int n;
    *at = 0;
    if (root->unrestricted && root->all_keys) return ACL_OK;
    struct key_ref *keys = keys_of(cmd, argv, argc, few, &n);
    /* Of several refusals that one is told which came furthest. */
    enum acl_verdict worst = ACL_DENIED_COMMAND;
    for (size_t i = 0; i < u->selectors_n; i++) {
        size_t here;
        enum acl_verdict v = selector__check(u->selectors[i], a->commands, cmd, argv, argc, keys, n, &here);
        if (v == ACL_OK) {
            worst = v;
            break;
        }
        if (v > worst || (v == worst && here > *at)) {
            worst = v;
            *at = here;
        }
    }
    if (keys != few) mem_free(keys);
    return worst;
}

bool acl_reads_all_keys(const acl *a, const acl_user *u, const struct command *cmd, const slice *argv,
                        size_t argc) {
    struct key_ref few[KEYS_INLINE];
    int n;
    struct key_ref *keys = keys_of(cmd, argv, argc, few, &n);
    bool all = false;
    for (size_t i = 0; i < u->selectors_n && !all; i++) {
        size_t here;
        const struct acl_selector *s = u->selectors[i];
        all = selector__reads_all(s) &&
              selector__check(s, a->commands, cmd, argv, argc, keys, n, &here) == ACL_OK;
    }
    if (keys != few) mem_free(keys);
    return all;
}

void acl_genpass(const uint8_t secret[32], uint64_t *counter, char *out, size_t n) {
    for (size_t at = 0; at < n; at += HEX) {
        uint8_t in[40];
        char hex[HEX + 1];
        memcpy(in, secret, 32);
        put_u64(in + 32, (*counter)++);
        hash_sha256_hex(in, sizeof(in), hex);
        memcpy(out + at, hex, n - at < HEX ? n - at : HEX);
    }
}
