/* option.c -- the registry of options: finds, sets and prints them.
 *
 * Rows stay in the order they were added, which is the order of the sample file. Names and
 * older names (aliases) are found through one open-addressed table by their lower-case
 * hash. How a value of each kind is read and written is in option_value.c.
 *
 * Setting several at once is all or none: every old value is first printed, and when one of
 * the new ones is refused the old texts are set again. So a kind must read what it prints;
 * the test of each kind checks that. */
#include "base/option.h"

#include <assert.h>
#include <ctype.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/option_internal.h"

#define NAME_MAX_BYTES 64
#define SLOTS_MIN 64

struct options {
    struct bound *rows; /* In the order they were added. */
    size_t count, cap;
    uint32_t *slots; /* Row number + 1; 0 is free. Both names of a row lead to it. */
    size_t slots_n;  /* A power of two. */
    size_t names;
    char why[OPTION_WHY_MAX];
};

/* --- Finding. -------------------------------------------------------------------------- */

static size_t name_hash(slice name) {
    uint8_t lower[NAME_MAX_BYTES];
    for (size_t i = 0; i < name.n; i++) lower[i] = (uint8_t)tolower(name.p[i]);
    return (size_t)hash_xx(lower, name.n, 0);
}

static bool row_named(const struct option *row, slice name) {
    return slice_is(name, row->name) || (row->alias != NULL && slice_is(name, row->alias));
}

static struct bound *find(options *o, slice name) {
    if (o->slots_n == 0 || name.n == 0 || name.n > NAME_MAX_BYTES) return NULL;
    for (size_t at = name_hash(name);; at++) {
        uint32_t slot = o->slots[at & (o->slots_n - 1)];
        if (slot == 0) return NULL;
        struct bound *b = &o->rows[slot - 1];
        if (row_named(b->row, name)) return b;
    }
}

static void slot_put(options *o, const char *name, uint32_t row) {
    slice s = slice_str(name);
    assert(s.n > 0);
    assert(s.n <= NAME_MAX_BYTES);
    size_t at = name_hash(s) & (o->slots_n - 1);
    while (o->slots[at] != 0) at = (at + 1) & (o->slots_n - 1);
    o->slots[at] = row + 1;
    o->names++;
}

static void slots_grow(options *o) {
    if (o->slots_n > 0 && (o->names + 2) * 2 <= o->slots_n) return;
    mem_free(o->slots);
    o->slots_n = o->slots_n == 0 ? SLOTS_MIN : o->slots_n * 2;
    o->slots = mem_calloc(o->slots_n, sizeof(*o->slots));
    o->names = 0;
    for (size_t i = 0; i < o->count; i++) {
        slot_put(o, o->rows[i].row->name, (uint32_t)i);
        if (o->rows[i].row->alias != NULL) slot_put(o, o->rows[i].row->alias, (uint32_t)i);
    }
}

const struct option *options_find(options *o, slice name) {
    struct bound *b = find(o, name);
    return b == NULL ? NULL : b->row;
}

/* --- Building. ------------------------------------------------------------------------- */

options *options_create(void) { return mem_calloc(1, sizeof(options)); }

void options_free(options *o) {
    if (o == NULL) return;
    for (size_t i = 0; i < o->count; i++) option__clear(&o->rows[i]);
    mem_free(o->rows);
    mem_free(o->slots);
    mem_free(o);
}

void options_add(options *o, const struct option *table, size_t count, void *config,
                 int (*changed)(void *cookie, const struct option *row, const char **why),
                 void *cookie) {
    for (size_t i = 0; i < count; i++) {
        const struct option *row = &table[i];
        assert(find(o, slice_str(row->name)) == NULL);
        assert(row->alias == NULL || find(o, slice_str(row->alias)) == NULL);
        slots_grow(o);
        if (o->count == o->cap) {
            o->cap = o->cap == 0 ? 64 : o->cap * 2;
            o->rows = mem_realloc(o->rows, o->cap * sizeof(*o->rows));
        }
        struct bound *b = &o->rows[o->count];
        *b = (struct bound){row, (char *)config + row->offset, changed, cookie, false};
        option__init(b);
        slot_put(o, row->name, (uint32_t)o->count);
        if (row->alias != NULL) slot_put(o, row->alias, (uint32_t)o->count);
        o->count++;
    }
}

/* --- Setting. -------------------------------------------------------------------------- */

/* May a client change it while the server runs? */
static int check_allowed(const struct option *row, bool allow_protected, const char **why) {
    if ((row->flags & OPTION_IMMUTABLE) != 0) {
        *why = "can't set immutable config";
        return ERR_AUTH;
    }
    if ((row->flags & OPTION_PROTECTED) != 0 && !allow_protected) {
        *why = "can't set protected config";
        return ERR_AUTH;
    }
    return OK;
}

static int tell_owner(const struct bound *b, const char **why) {
    return b->changed == NULL ? OK : b->changed(b->cookie, b->row, why);
}

/* Puts a printed value back. It was accepted before, so it is now. */
static void put_back(options *o, struct bound *b, const buf *old) {
    const char *why;
    int rc = option__set_text(b, slice_of(old), &why, o->why);
    assert(rc == OK);
    (void)rc;
}

int options_set(options *o, const slice *words, size_t count, bool boot, bool allow_protected,
                const char **why) {
    const char *ignored;
    if (why == NULL) why = &ignored;
    *why = NULL;
    if (count == 0) return ERR_NOTFOUND;
    struct bound *b = find(o, words[0]);
    if (b == NULL) return ERR_NOTFOUND;
    if (boot) {
        /* The first line takes the place of the initial value, the next ones add to it. */
        bool append = b->seen && (b->row->flags & OPTION_MULTI) != 0;
        int rc = option__set(b, words + 1, count - 1, append, why, o->why);
        if (rc == OK) b->seen = true;
        return rc;
    }
    int rc = check_allowed(b->row, allow_protected, why);
    if (rc != OK) return rc;
    buf old = BUF_INIT;
    option__print(b, &old);
    rc = option__set(b, words + 1, count - 1, false, why, o->why);
    if (rc == OK && (rc = tell_owner(b, why)) != OK) put_back(o, b, &old);
    buf_free(&old);
    return rc;
}

/* Checks the names of all pairs before any is set. */
static int find_all(options *o, const slice *pairs, size_t count, bool allow_protected,
                    struct bound **rows, size_t *bad, const char **why) {
    for (size_t i = 0; i < count; i++) {
        *bad = 2 * i;
        rows[i] = find(o, pairs[2 * i]);
        if (rows[i] == NULL) return ERR_NOTFOUND;
        int rc = check_allowed(rows[i]->row, allow_protected, why);
        if (rc != OK) return rc;
        for (size_t j = 0; j < i; j++) {
            if (rows[j] != rows[i]) continue;
            *why = "duplicate parameter";
            return ERR_SYNTAX;
        }
    }
    return OK;
}

/* Sets all, then tells the owners. On failure all is as before, and the owners that had
 * accepted their new value hear of the old one. */
static int set_all(options *o, const slice *pairs, size_t count, struct bound **rows,
                   const buf *old, size_t *bad, const char **why) {
    size_t set = 0, told = 0;
    int rc = OK;
    while (rc == OK && set < count) {
        *bad = 2 * set;
        rc = option__set_text(rows[set], pairs[2 * set + 1], why, o->why);
        if (rc == OK) set++;
    }
    while (rc == OK && told < count) {
        *bad = 2 * told;
        rc = tell_owner(rows[told], why);
        if (rc == OK) told++;
    }
    if (rc == OK) return OK;
    /* The sentence may be in o->why, which putting back must not touch. */
    char keep[OPTION_WHY_MAX];
    memcpy(keep, o->why, sizeof(keep));
    for (size_t i = 0; i < set; i++) put_back(o, rows[i], &old[i]);
    for (size_t i = 0; i < told; i++) {
        const char *again = NULL;
        /* It ran with this value a moment ago; there is nothing to fall back to. */
        (void)tell_owner(rows[i], &again);
    }
    memcpy(o->why, keep, sizeof(keep));
    return rc;
}

int options_set_many(options *o, const slice *pairs, size_t count, bool allow_protected,
                     size_t *bad, const char **why) {
    *why = NULL;
    *bad = 0;
    if (count % 2 != 0) {
        *why = "wrong number of arguments";
        return ERR_SYNTAX;
    }
    count /= 2;
    if (count > o->count) {
        /* Some name comes twice or is unknown; find_all would say so, in quadratic time. */
        *why = "duplicate parameter";
        return ERR_SYNTAX;
    }
    struct bound **rows = mem_calloc(count + 1, sizeof(struct bound *));
    buf *old = mem_calloc(count + 1, sizeof(*old));
    int rc = find_all(o, pairs, count, allow_protected, rows, bad, why);
    if (rc == OK) {
        for (size_t i = 0; i < count; i++) option__print(rows[i], &old[i]);
        rc = set_all(o, pairs, count, rows, old, bad, why);
    }
    for (size_t i = 0; i < count; i++) buf_free(&old[i]);
    mem_free(old);
    mem_free(rows);
    return rc;
}

/* --- Reading. -------------------------------------------------------------------------- */

static bool is_glob(slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '*' || s.p[i] == '?' || s.p[i] == '[') return true;
    return false;
}

static bool name_wanted(const struct option *row, const char *name, const slice *globs,
                        size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!is_glob(globs[i])) {
            if (slice_is(globs[i], name)) return true;
        } else if ((row->flags & OPTION_HIDDEN) == 0 &&
                   glob_match(globs[i], slice_str(name), true)) {
            return true;
        }
    }
    return false;
}

void options_match(options *o, const slice *globs, size_t count,
                   void (*each)(void *cookie, const char *name, slice value), void *cookie) {
    buf value = BUF_INIT;
    for (size_t i = 0; i < o->count; i++) {
        const struct bound *b = &o->rows[i];
        const char *names[2] = {b->row->name, b->row->alias};
        for (int k = 0; k < 2; k++) {
            if (names[k] == NULL || !name_wanted(b->row, names[k], globs, count)) continue;
            value.n = 0;
            option__print(b, &value);
            each(cookie, names[k], slice_of(&value));
        }
    }
    buf_free(&value);
}

void options_print(options *o, const struct option *row, buf *out) {
    struct bound *b = find(o, slice_str(row->name));
    assert(b != NULL);
    assert(b->row == row);
    option__print(b, out);
}

void options_print_initial(options *o, const struct option *row, buf *out) {
    union {
        int64_t i;
        int e;
        bool b;
        char *s;
        void *p[4];
    } field = {0};
    struct bound b = {.row = row, .field = &field};
    (void)o; /* A field of its own: the value in use is not looked at. */
    option__init(&b);
    option__print(&b, out);
    option__clear(&b);
}

void options_each(options *o, void (*each)(void *cookie, const struct option *row),
                  void *cookie) {
    for (size_t i = 0; i < o->count; i++) each(cookie, o->rows[i].row);
}
