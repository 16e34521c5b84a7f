/* command.c -- the command table: lookup, key extraction, derived properties. */
#include "exec/command.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>

#include "base/mem.h"

#define NAME_MAX_BYTES 128 /* Of a renamed command too: 512 bits in hex. */

struct row {
    const struct command *cmd, *parent;
    char *full;     /* as clients know it; NULL: removed */
    char *declared; /* the same before any renaming */
    const char *module;
    struct command_stats stats;
};
struct commands {
    struct row *rows; /* stable order of registration; containers before their subcommands */
    size_t count, cap;
    uint32_t *by_name; /* open addressing over top-level rows: index + 1 */
    uint32_t *by_ptr;  /* the same over all rows, by address */
    size_t slots;
};

static const char *const flag_names[] = {
    "write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking", "loading", "stale",
    "skip_monitor", "skip_slowlog", "asking", "fast", "no_auth", "may_replicate",
    "no_async_loading", "no_multi", "movablekeys", "allow_busy", "module", "protected"};
static const char *const category_names[] = {
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
    "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous",
    "connection", "transaction", "scripting"};
static const char *const group_names[] = {
    "generic", "string", "list", "set", "sorted-set", "hash", "pubsub", "transactions",
    "connection", "server", "scripting", "hyperloglog", "cluster", "sentinel", "geo", "stream",
    "bitmap", "module"};

static uint64_t name_hash(const uint8_t *p, size_t n) { /* FNV-1a over lower case. */
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++) {
        uint8_t b = p[i];
        if (b >= 'A' && b <= 'Z') b = (uint8_t)(b + 32);
        h = (h ^ b) * 1099511628211u;
    }
    return h ^ h >> 29;
}

static uint64_t ptr_hash(const void *p) { return ((uint64_t)(uintptr_t)p >> 3) * 0x9E3779B97F4A7C15u >> 20; }

commands *commands_create(void) {
    commands *t = mem_calloc(1, sizeof(*t));
    t->slots = 2048; /* Redis has about 400 rows in all: an eighth of the slots. */
    t->by_name = mem_calloc(t->slots, sizeof(*t->by_name));
    t->by_ptr = mem_calloc(t->slots, sizeof(*t->by_ptr));
    return t;
}

void commands_free(commands *t) {
    if (t == NULL) return;
    for (size_t i = 0; i < t->count; i++) {
        mem_free(t->rows[i].full);
        mem_free(t->rows[i].declared);
    }
    mem_free(t->rows);
    mem_free(t->by_name);
    mem_free(t->by_ptr);
    mem_free(t);
}

static void name_slot(commands *t, uint32_t row) {
    const char *name = t->rows[row].full;
    size_t i = name_hash((const uint8_t *)name, strlen(name)) & (t->slots - 1);
    while (t->by_name[i] != 0) i = (i + 1) & (t->slots - 1);
    t->by_name[i] = row + 1;
}

static void add_row(commands *t, const struct command *cmd, const struct command *parent) {
    assert(t->count + 1 < t->slots / 2);
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->rows = mem_realloc(t->rows, t->cap * sizeof(*t->rows));
    }
    struct row *r = &t->rows[t->count++];
    *r = (struct row){.cmd = cmd, .parent = parent};
    char full[2 * NAME_MAX_BYTES + 2];
    if (parent == NULL) snprintf(full, sizeof(full), "%s", cmd->name);
    else snprintf(full, sizeof(full), "%s|%s", parent->name, cmd->name);
    r->full = mem_strdup(full);
    r->declared = mem_strdup(full);
    size_t i = ptr_hash(cmd) & (t->slots - 1);
    while (t->by_ptr[i] != 0) i = (i + 1) & (t->slots - 1);
    t->by_ptr[i] = (uint32_t)t->count;
    if (parent == NULL) name_slot(t, (uint32_t)t->count - 1);
}

void commands_add(commands *t, const struct command *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert(commands_find(t, slice_str(rows[i].name)) == NULL);
        add_row(t, &rows[i], NULL);
        for (const struct command *s = rows[i].subcommands; s != NULL && s->name != NULL; s++) {
            add_row(t, s, &rows[i]);
        }
    }
}

void commands_add_module(commands *t, const char *module, const struct command *rows, size_t count) {
    size_t first = t->count;
    commands_add(t, rows, count);
    for (size_t i = first; i < t->count; i++) t->rows[i].module = module;
}

const struct command *commands_find(commands *t, slice name) {
    if (name.n == 0 || name.n > NAME_MAX_BYTES) return NULL;
    size_t i = name_hash(name.p, name.n) & (t->slots - 1);
    for (; t->by_name[i] != 0; i = (i + 1) & (t->slots - 1)) {
        const struct row *r = &t->rows[t->by_name[i] - 1];
        if (slice_is(name, r->full)) return r->cmd;
    }
    return NULL;
}

const struct command *commands_find_sub(const struct command *container, slice name) {
    for (const struct command *s = container->subcommands; s != NULL && s->name != NULL; s++) {
        if (slice_is(name, s->name)) return s;
    }
    return NULL;
}

static struct row *row_of(commands *t, const struct command *cmd) {
    for (size_t i = ptr_hash(cmd) & (t->slots - 1); t->by_ptr[i] != 0;
         i = (i + 1) & (t->slots - 1)) {
        if (t->rows[t->by_ptr[i] - 1].cmd == cmd) return &t->rows[t->by_ptr[i] - 1];
    }
    return NULL;
}

static void full_set(struct row *r, slice name, const char *sub) {
    buf full = BUF_INIT;
    mem_free(r->full);
    r->full = NULL;
    if (name.n == 0) return;
    buf_append_slice(&full, name);
    if (sub != NULL) buf_printf(&full, "|%s", sub);
    r->full = slice_strdup(slice_of(&full));
    buf_free(&full);
}

int commands_rename(commands *t, slice from, slice to) {
    const struct command *cmd = commands_find(t, from);
    if (cmd == NULL) return ERR_NOTFOUND;
    if (to.n > NAME_MAX_BYTES || memchr(to.p, 0, to.n) != NULL) return ERR_LIMIT;
    const struct command *taken = commands_find(t, to);
    if (taken != NULL && taken != cmd) return ERR_EXISTS;
    for (size_t i = 0; i < t->count; i++) {
        struct row *r = &t->rows[i];
        if (r->cmd == cmd) full_set(r, to, NULL);
        else if (r->parent == cmd) full_set(r, to, r->cmd->name);
    }
    memset(t->by_name, 0, t->slots * sizeof(*t->by_name));
    for (size_t i = 0; i < t->count; i++) {
        if (t->rows[i].parent == NULL && t->rows[i].full != NULL) name_slot(t, (uint32_t)i);
    }
    return OK;
}

const struct command *commands_find_declared(commands *t, slice name) {
    for (size_t i = 0; i < t->count; i++) {
        if (slice_is(name, t->rows[i].declared)) return t->rows[i].cmd;
    }
    return NULL;
}

size_t commands_rows(const commands *t) { return t->count; }

const struct command *commands_row(const commands *t, size_t i) {
    assert(i < t->count);
    return t->rows[i].cmd;
}

size_t commands_index(commands *t, const struct command *cmd) {
    struct row *r = row_of(t, cmd);
    assert(r != NULL);
    return (size_t)(r - t->rows);
}

struct command_stats *commands_stats(commands *t, const struct command *cmd) {
    struct row *r = row_of(t, cmd);
    assert(r != NULL);
    return &r->stats;
}

const char *commands_full_name(commands *t, const struct command *cmd) {
    struct row *r = row_of(t, cmd);
    return r == NULL || r->full == NULL ? cmd->name : r->full;
}

const char *commands_declared_name(commands *t, const struct command *cmd) {
    struct row *r = row_of(t, cmd);
    return r == NULL ? cmd->name : r->declared;
}

const struct command *commands_parent(commands *t, const struct command *cmd) {
    struct row *r = row_of(t, cmd);
    return r == NULL ? NULL : r->parent;
}

const char *commands_module(commands *t, const struct command *cmd) {
    struct row *r = row_of(t, cmd);
    return r == NULL ? NULL : r->module;
}

void commands_reset_stats(commands *t) {
    for (size_t i = 0; i < t->count; i++) t->rows[i].stats = (struct command_stats){0};
}

size_t commands_count(const commands *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++) n += t->rows[i].parent == NULL && t->rows[i].full != NULL;
    return n;
}

void commands_each(commands *t, void (*each)(void *cookie, const struct command *cmd),
                   void *cookie) {
    for (size_t i = 0; i < t->count; i++) {
        if (t->rows[i].full != NULL) each(cookie, t->rows[i].cmd);
    }
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* Where the keys of `s` begin, or -1 when the keyword is not there. */
static long spec_begin(const struct key_spec *s, const slice *argv, size_t argc) {
    if (s->begin == KEYS_INDEX) return s->pos;
    if (s->begin != KEYS_KEYWORD) return -1;
    if (s->pos >= 0) {
        for (size_t i = (size_t)s->pos; i + 1 < argc; i++) {
            if (slice_is(argv[i], s->keyword)) return (long)i + 1;
        }
    } else {
        for (long i = (long)argc + s->pos; i > 0; i--) {
            if (slice_is(argv[i], s->keyword) && (size_t)i + 1 < argc) return i + 1;
        }
    }
    return -1;
}

static bool small_int(slice s, long *out) {
    if (s.n == 0 || s.n > 9) return false;
    long v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *out = v;
    return true;
}

/* First, last and step of the run of keys; false when there are none, ERR in *rc when the
 * arguments make no sense. */
static bool spec_run(const struct key_spec *s, const slice *argv, size_t argc, long *first,
                     long *last, long *step, int *rc) {
    long begin = spec_begin(s, argv, argc);
    if (begin < 0) return false;
    if (s->find == KEYS_RANGE) {
        *first = begin;
        *step = s->step > 0 ? s->step : 1;
        if (s->last >= 0) {
            *last = begin + s->last;
        } else if (s->limit <= 1) {
            *last = (long)argc + s->last;
        } else {
            *last = begin + ((long)argc - begin) / s->limit + s->last;
        }
    } else if (s->find == KEYS_KEYNUM) {
        long n;
        if (begin + s->keynum_idx >= (long)argc || !small_int(argv[begin + s->keynum_idx], &n) ||
            n > (long)argc) {
            *rc = ERR_SYNTAX;
            return false;
        }
        if (n == 0) return false;
        *step = s->keynum_step > 0 ? s->keynum_step : 1;
        *first = begin + s->keynum_first;
        *last = *first + (n - 1) * *step;
    } else {
        return false;
    }
    if (*last >= (long)argc || *last < *first || *first < 1) {
        *rc = ERR_SYNTAX;
        return false;
    }
    return true;
}

int command_keys(const struct command *cmd, const slice *argv, size_t argc, struct key_ref *out,
                 size_t max) {
    int count = 0, rc = OK;
    if (cmd->get_keys != NULL) return cmd->get_keys(argv, argc, out, max);
    for (int k = 0; k < KEY_SPECS_MAX; k++) {
        const struct key_spec *s = &cmd->keys[k];
        long first, last, step;
        if (s->begin == KEYS_NONE) break;
        if ((s->flags & KEY_NOT_KEY) != 0) continue;
        if (!spec_run(s, argv, argc, &first, &last, &step, &rc)) {
            if (rc != OK) return rc;
            continue;
        }
        unsigned flags = cmd->key_flags != NULL ? cmd->key_flags(argv, argc) : s->flags;
        for (long i = first; i <= last; i += step, count++) {
            if ((size_t)count < max) out[count] = (struct key_ref){(int)i, flags};
        }
    }
    return count;
}

void command_legacy_range(const struct command *cmd, int *first, int *last, int *step) {
    *first = *last = *step = 0;
    for (int k = 0; k < KEY_SPECS_MAX; k++) {
        const struct key_spec *s = &cmd->keys[k];
        if (s->begin != KEYS_INDEX || s->find != KEYS_RANGE) continue;
        if (*first == 0) {
            *first = s->pos;
            *last = s->last >= 0 ? s->pos + s->last : s->last;
            *step = s->step > 0 ? s->step : 1;
        } else if (*step == 1 && s->pos == *last + 1) {
            *last = s->last >= 0 ? s->pos + s->last : s->last;
        }
    }
}

/* ---- names --------------------------------------------------------------------------------------- */

uint64_t command_categories(const struct command *cmd) {
    static const uint64_t by_group[] = {
        [GROUP_GENERIC] = CAT_KEYSPACE, [GROUP_STRING] = CAT_STRING, [GROUP_LIST] = CAT_LIST,
        [GROUP_SET] = CAT_SET, [GROUP_SORTED_SET] = CAT_SORTEDSET, [GROUP_HASH] = CAT_HASH,
        [GROUP_PUBSUB] = CAT_PUBSUB, [GROUP_TRANSACTIONS] = CAT_TRANSACTION,
        [GROUP_CONNECTION] = CAT_CONNECTION, [GROUP_SERVER] = 0, [GROUP_SCRIPTING] = CAT_SCRIPTING,
        [GROUP_HYPERLOGLOG] = CAT_HYPERLOGLOG, [GROUP_CLUSTER] = 0, [GROUP_SENTINEL] = 0,
        [GROUP_GEO] = CAT_GEO, [GROUP_STREAM] = CAT_STREAM, [GROUP_BITMAP] = CAT_BITMAP,
        [GROUP_MODULE] = 0};
    uint64_t c = cmd->categories | by_group[cmd->group];
    if ((cmd->flags & CMD_WRITE) != 0) c |= CAT_WRITE;
    if ((cmd->flags & CMD_READONLY) != 0 && cmd->group != GROUP_SCRIPTING) c |= CAT_READ;
    if ((cmd->flags & CMD_ADMIN) != 0) c |= CAT_ADMIN | CAT_DANGEROUS;
    if ((cmd->flags & CMD_PUBSUB) != 0) c |= CAT_PUBSUB;
    if ((cmd->flags & CMD_FAST) != 0) c |= CAT_FAST;
    if ((cmd->flags & CMD_BLOCKING) != 0) c |= CAT_BLOCKING;
    if ((c & CAT_FAST) == 0) c |= CAT_SLOW;
    return c;
}

const char *command_category_name(unsigned bit) {
    return bit < sizeof(category_names) / sizeof(*category_names) ? category_names[bit] : NULL;
}

const char *command_flag_name(unsigned bit) {
    return bit < sizeof(flag_names) / sizeof(*flag_names) ? flag_names[bit] : NULL;
}

const char *command_group_name(enum command_group g) { return group_names[g]; }

/* ---- the table against itself --------------------------------------------------------------------- */

static int check_row(const struct row *r, char why[256]) {
    const struct command *c = r->cmd;
    const char *fault = NULL;
    unsigned rw = c->flags & (CMD_WRITE | CMD_READONLY);
    if (c->fn == NULL && c->subcommands == NULL) fault = "has neither a handler nor subcommands";
    else if (c->arity == 0) fault = "has no arity";
    else if (c->since == NULL || c->summary == NULL) fault = "lacks since or summary";
    else if (rw == (CMD_WRITE | CMD_READONLY)) fault = "is both write and readonly";
    for (int k = 0; k < KEY_SPECS_MAX && fault == NULL; k++) {
        const struct key_spec *s = &c->keys[k];
        unsigned access = s->flags & (KEY_RO | KEY_RW | KEY_OW | KEY_RM);
        if (s->begin == KEYS_NONE) continue;
        if ((s->flags & KEY_NOT_KEY) == 0 && (access & (access - 1)) != 0) fault = "has a key spec with two accesses";
        else if ((s->flags & KEY_NOT_KEY) == 0 && access == 0) fault = "has a key spec without access";
        else if (((s->flags & KEY_VARIABLE_FLAGS) != 0) != (c->key_flags != NULL)) fault = "has variable flags and no function for them, or the other way round";
        else if (s->begin == KEYS_INDEX && s->pos < 1) fault = "has a key spec at the name";
        else if (s->begin == KEYS_KEYWORD && s->keyword == NULL) fault = "has a key spec without keyword";
        else if (s->begin == KEYS_INDEX && s->find == KEYS_RANGE && c->arity > 0 && s->last >= 0 &&
                 s->pos + s->last >= c->arity) fault = "has a key past its arity";
        else if (rw == CMD_READONLY && (c->flags & CMD_MAY_REPLICATE) == 0 &&
                 (access & (KEY_RW | KEY_OW | KEY_RM)) != 0)
            fault = "is readonly but writes a key";
    }
    if (fault == NULL) return OK;
    snprintf(why, 256, "command %s %s", r->declared, fault);
    return ERR_SYNTAX;
}

int commands_check(commands *t, char why[256]) {
    for (size_t i = 0; i < t->count; i++) {
        int rc = check_row(&t->rows[i], why);
        if (rc != OK) return rc;
    }
    return OK;
}
