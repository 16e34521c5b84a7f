/* option_value.c -- reading and printing the value of an option, kind by kind. */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/option_internal.h"

/* --- Numbers. -------------------------------------------------------------------------- */

static bool parse_octal(slice text, int64_t *out) {
    uint64_t v = 0;
    if (text.n == 0 || text.n > 21) return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '7') return false;
        v = v << 3 | (uint64_t)(text.p[i] - '0');
    }
    if (v > INT64_MAX) return false;
    *out = (int64_t)v;
    return true;
}

static bool parse_memory(slice text, int64_t *out) {
    uint64_t v;
    if (!num_parse_memory(text, &v) || v > INT64_MAX) return false;
    *out = (int64_t)v;
    return true;
}

static bool parse_percent(slice text, int64_t *out) {
    if (text.n < 2 || text.p[text.n - 1] != '%') return false;
    if (!num_parse_ll(slice_make(text.p, text.n - 1), out) || *out < 0) return false;
    *out = -*out;
    return true;
}

static int parse_number(const struct option *row, slice text, int64_t *v, const char **why) {
    switch (row->kind) {
    case OPTION_INT:
        *why = "argument couldn't be parsed into an integer";
        return num_parse_ll(text, v) ? OK : ERR_SYNTAX;
    case OPTION_OCTAL:
        *why = "argument couldn't be parsed as an octal number";
        return parse_octal(text, v) ? OK : ERR_SYNTAX;
    case OPTION_MEMORY:
        *why = "argument must be a memory value";
        return parse_memory(text, v) ? OK : ERR_SYNTAX;
    case OPTION_PERCENT_OR_MEMORY:
        *why = "argument must be a memory or percent value";
        return parse_percent(text, v) || parse_memory(text, v) ? OK : ERR_SYNTAX;
    case OPTION_BOOL:
    case OPTION_STRING:
    case OPTION_ENUM:
    case OPTION_CUSTOM: break;
    }
    assert(false);
    return ERR_SYNTAX;
}

static int set_number(const struct bound *b, slice text, const char **why, char *room) {
    const struct option *row = b->row;
    int64_t v;
    int rc = parse_number(row, text, &v, why);
    if (rc != OK) return rc;
    if (v >= row->min && v <= row->max) {
        *(int64_t *)b->field = v;
        return OK;
    }
    if (row->kind == OPTION_PERCENT_OR_MEMORY && v < 0)
        snprintf(room, OPTION_WHY_MAX, "percentage argument must be less or equal to %lld",
                 -row->min);
    else if (row->kind == OPTION_OCTAL)
        snprintf(room, OPTION_WHY_MAX, "argument must be between %llo and %llo inclusive",
                 (unsigned long long)row->min, (unsigned long long)row->max);
    else
        snprintf(room, OPTION_WHY_MAX, "argument must be between %lld and %lld inclusive",
                 row->min, row->max);
    *why = room;
    return ERR_SYNTAX;
}

/* --- Words. ---------------------------------------------------------------------------- */

static int set_bool(const struct bound *b, slice text, const char **why) {
    bool yes = slice_is(text, "yes");
    if (!yes && !slice_is(text, "no")) {
        *why = "argument must be 'yes' or 'no'";
        return ERR_SYNTAX;
    }
    *(bool *)b->field = yes;
    return OK;
}

static int set_enum(const struct bound *b, slice text, const char **why, char *room) {
    const char *const *words = b->row->words;
    for (int i = 0; words[i] != NULL; i++) {
        if (!slice_is(text, words[i])) continue;
        *(int *)b->field = i;
        return OK;
    }
    size_t n = (size_t)snprintf(room, OPTION_WHY_MAX,
                                "argument(s) must be one of the following: ");
    for (int i = 0; words[i] != NULL && n < OPTION_WHY_MAX; i++)
        n += (size_t)snprintf(room + n, OPTION_WHY_MAX - n, "%s%s", i > 0 ? ", " : "", words[i]);
    *why = room;
    return ERR_SYNTAX;
}

/* A line break in a value would become a directive of its own when the file is rewritten,
 * and NUL would cut it. */
static int set_string(const struct bound *b, const slice *words, size_t count,
                      const char **why) {
    buf text = BUF_INIT;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buf_u8(&text, ' ');
        buf_append_slice(&text, words[i]);
    }
    int rc = OK;
    for (size_t i = 0; rc == OK && i < text.n; i++) {
        if (text.p[i] >= 0x20 && text.p[i] != 0x7f) continue;
        *why = "argument must not contain control characters";
        rc = ERR_SYNTAX;
    }
    if (rc == OK) {
        char **field = b->field;
        char *fresh = slice_strdup(slice_of(&text));
        mem_free(*field);
        *field = fresh;
    }
    buf_free(&text);
    return rc;
}

static int set_custom(const struct bound *b, const slice *words, size_t count, bool append,
                      const char **why) {
    /* `save ""` is how a file says "none at all". */
    if (count == 1 && words[0].n == 0) count = 0;
    *why = "argument is not valid";
    return b->row->custom->set(b->field, words, count, append && count > 0, why);
}

/* --- All kinds. ------------------------------------------------------------------------ */

int option__set(struct bound *b, const slice *words, size_t count, bool append,
                const char **why, char room[OPTION_WHY_MAX]) {
    enum option_kind kind = b->row->kind;
    if (kind == OPTION_CUSTOM) return set_custom(b, words, count, append, why);
    bool joined = kind == OPTION_STRING && (b->row->flags & OPTION_MULTI) != 0;
    if (count == 0 || (count > 1 && !joined)) {
        *why = "wrong number of arguments";
        return ERR_SYNTAX;
    }
    switch (kind) {
    case OPTION_BOOL: return set_bool(b, words[0], why);
    case OPTION_ENUM: return set_enum(b, words[0], why, room);
    case OPTION_STRING: return set_string(b, words, count, why);
    case OPTION_INT:
    case OPTION_OCTAL:
    case OPTION_MEMORY:
    case OPTION_PERCENT_OR_MEMORY: return set_number(b, words[0], why, room);
    case OPTION_CUSTOM: break;
    }
    assert(false);
    return ERR_SYNTAX;
}

/* Words between blanks, without quotes: what CONFIG SET takes for a value of several. */
static slice *split_blanks(slice text, size_t *count) {
    slice *words = mem_alloc((text.n / 2 + 1) * sizeof(*words));
    size_t n = 0, at = 0;
    while (at < text.n) {
        size_t start = at;
        while (at < text.n && text.p[at] != ' ') at++;
        if (at > start) words[n++] = slice_make(text.p + start, at - start);
        at++;
    }
    *count = n;
    return words;
}

int option__set_text(struct bound *b, slice text, const char **why, char room[OPTION_WHY_MAX]) {
    if (b->row->kind != OPTION_CUSTOM) return option__set(b, &text, 1, false, why, room);
    size_t count;
    slice *words = split_blanks(text, &count);
    int rc = option__set(b, words, count, false, why, room);
    mem_free(words);
    return rc;
}

void option__init(struct bound *b) {
    const char *why = NULL;
    char room[OPTION_WHY_MAX];
    assert(b->row->kind != OPTION_ENUM || b->row->words != NULL);
    assert(b->row->kind != OPTION_CUSTOM || b->row->custom != NULL);
    if (b->row->kind == OPTION_STRING) *(char **)b->field = NULL;
    if (b->row->kind == OPTION_CUSTOM) {
        if (b->row->initial == NULL) return;
        buf store = BUF_INIT;
        slice *words;
        size_t count;
        int rc = option_split_line(slice_str(b->row->initial), &store, &words, &count);
        assert(rc == OK);
        rc = option__set(b, words, count, false, &why, room);
        assert(rc == OK);
        mem_free(words);
        buf_free(&store);
        return;
    }
    slice initial = slice_str(b->row->initial == NULL ? "" : b->row->initial);
    int rc = option__set(b, &initial, 1, false, &why, room);
    if (rc != OK) fprintf(stderr, "option %s: initial value: %s\n", b->row->name, why);
    assert(rc == OK); /* A table's own initial value has to be valid. */
}

void option__clear(struct bound *b) {
    if (b->row->kind == OPTION_STRING) {
        char **field = b->field;
        mem_free(*field);
        *field = NULL;
    } else if (b->row->kind == OPTION_CUSTOM && b->row->custom->clear != NULL) {
        b->row->custom->clear(b->field);
    }
}

void option__print(const struct bound *b, buf *out) {
    switch (b->row->kind) {
    case OPTION_BOOL: buf_append_str(out, *(const bool *)b->field ? "yes" : "no"); return;
    case OPTION_INT:
    case OPTION_MEMORY: buf_printf(out, "%lld", (long long)*(const int64_t *)b->field); return;
    case OPTION_PERCENT_OR_MEMORY: {
        long long v = *(const int64_t *)b->field;
        buf_printf(out, v < 0 ? "%lld%%" : "%lld", v < 0 ? -v : v);
        return;
    }
    case OPTION_OCTAL:
        buf_printf(out, "%llo", (unsigned long long)*(const int64_t *)b->field);
        return;
    case OPTION_STRING: buf_append_str(out, *(char *const *)b->field); return;
    case OPTION_ENUM: buf_append_str(out, b->row->words[*(const int *)b->field]); return;
    case OPTION_CUSTOM: b->row->custom->print(b->field, out); return;
    }
    assert(false);
}
