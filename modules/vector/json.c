/* json.c -- a reader that looks for one field.
 *
 * It walks over the fields of the object until the wanted one, jumping over values by
 * their brackets and quotes. It is as lenient as Redis's, since the same attributes must
 * answer the same filters: what follows the field is not looked at, and no value but the
 * wanted one is checked. */
#include "modules/vector/json.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define NESTING_MAX 32        /* Arrays in arrays; each takes a call. */
#define NUMBER_TEXT_MAX 256

struct cursor {
    const uint8_t *p, *end;
};

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static void skip_space(struct cursor *c) {
    while (c->p < c->end && is_space(*c->p)) c->p++;
}

static uint8_t peek(const struct cursor *c) { return c->p < c->end ? *c->p : 0; }

static bool take(struct cursor *c, uint8_t byte) {
    if (c->p >= c->end || *c->p != byte) return false;
    c->p++;
    return true;
}

/* The raw text up to the closing quote, which is passed too. */
static bool raw_string(struct cursor *c, uint8_t quote, slice *out, bool *escaped) {
    const uint8_t *from = c->p;
    *escaped = false;
    while (c->p < c->end && *c->p != quote) {
        if (*c->p == '\\') {
            *escaped = true;
            c->p++;
            if (c->p == c->end) return false;
        }
        c->p++;
    }
    *out = slice_make(from, (size_t)(c->p - from));
    return take(c, quote);
}

static uint8_t decoded(uint8_t c) {
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
    }
}

bool json_string(const uint8_t **p, const uint8_t *end, uint8_t quote, struct arena *a,
                 slice *out) {
    struct cursor c = {*p, end};
    bool escaped;
    bool ended = raw_string(&c, quote, out, &escaped);
    *p = c.p;
    if (!ended || !escaped) return ended;
    uint8_t *to = arena_alloc(a, out->n);
    size_t n = 0;
    for (size_t i = 0; i < out->n; i++) {
        if (out->p[i] == '\\') to[n++] = decoded(out->p[++i]);
        else to[n++] = out->p[i];
    }
    *out = slice_make(to, n);
    return true;
}

static bool number_char(uint8_t c) {
    return is_digit(c) || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

static bool read_number(struct cursor *c, struct json_value *out) {
    char text[NUMBER_TEXT_MAX], *end;
    size_t n = 0;
    while (c->p < c->end && number_char(*c->p) && n < sizeof(text) - 1)
        text[n++] = (char)*c->p++;
    text[n] = '\0';
    out->kind = JSON_NUMBER;
    out->number = strtod(text, &end);
    return n > 0 && end == text + n && (c->p == c->end || !number_char(*c->p));
}

static bool read_word(struct cursor *c, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0) return false;
    c->p += n;
    uint8_t next = peek(c);
    return c->p == c->end || is_space(next) || next == ',' || next == ']' || next == '}';
}

static bool read_value(struct cursor *c, unsigned nesting, struct arena *a,
                       struct json_value *out);

struct item { /* of an array whose length is not known yet */
    struct json_value value;
    struct item *before;
};

static bool read_array(struct cursor *c, unsigned nesting, struct arena *a,
                       struct json_value *out) {
    struct item *last = NULL;
    *out = (struct json_value){.kind = JSON_ARRAY};
    if (nesting == NESTING_MAX) return false;
    skip_space(c);
    while (!take(c, ']')) {
        struct item *it = arena_alloc(a, sizeof(*it));
        it->before = last;
        last = it;
        if (!read_value(c, nesting + 1, a, &it->value)) return false;
        out->count++;
        skip_space(c);
        if (peek(c) != ']' && !take(c, ',')) return false;
        skip_space(c);
    }
    struct json_value *items = arena_alloc(a, out->count * sizeof(*items));
    for (size_t i = out->count; last != NULL; last = last->before) {
        assert(i > 0);
        items[--i] = last->value;
    }
    out->items = items;
    return true;
}

/* Recursion: at most NESTING_MAX deep. */
static bool read_value(struct cursor *c, unsigned nesting, struct arena *a,
                       struct json_value *out) {
    *out = (struct json_value){.kind = JSON_NUMBER};
    uint8_t first = peek(c);
    if (first == '"') {
        c->p++;
        out->kind = JSON_STRING;
        return json_string(&c->p, c->end, '"', a, &out->text);
    }
    if (first == '[') {
        c->p++;
        return read_array(c, nesting, a, out);
    }
    if (first == '-' || first == '+' || is_digit(first)) return read_number(c, out);
    if (first == 't') {
        out->number = 1;
        return read_word(c, "true");
    }
    if (first == 'f') return read_word(c, "false");
    out->kind = JSON_NULL;
    return first == 'n' && read_word(c, "null");
}

/* Over an object or array, whose bracket has not been passed yet. */
static bool skip_nested(struct cursor *c) {
    size_t depth = 0;
    slice ignored;
    bool escaped;
    do {
        if (c->p == c->end) return false;
        uint8_t byte = *c->p++;
        if (byte == '"' && !raw_string(c, '"', &ignored, &escaped)) return false;
        if (byte == '{' || byte == '[') depth++;
        if (byte == '}' || byte == ']') depth--;
    } while (depth > 0);
    return true;
}

static bool skip_value(struct cursor *c) {
    slice ignored;
    bool escaped;
    uint8_t first = peek(c);
    if (first == '{' || first == '[') return skip_nested(c);
    if (first == '"') {
        c->p++;
        return raw_string(c, '"', &ignored, &escaped);
    }
    if (first == 't') return read_word(c, "true");
    if (first == 'f') return read_word(c, "false");
    if (first == 'n') return read_word(c, "null");
    const uint8_t *from = c->p;
    while (c->p < c->end && number_char(*c->p)) c->p++;
    return c->p > from;
}

bool json_field(slice json, slice name, struct arena *a, struct json_value *out) {
    struct cursor c = {json.p, json.p + json.n};
    skip_space(&c);
    if (!take(&c, '{')) return false;
    for (;;) {
        slice key;
        bool escaped;
        skip_space(&c);
        if (!take(&c, '"') || !raw_string(&c, '"', &key, &escaped)) return false;
        skip_space(&c);
        if (!take(&c, ':')) return false;
        skip_space(&c);
        if (slice_eq(key, name)) return read_value(&c, 0, a, out);
        if (!skip_value(&c)) return false;
        skip_space(&c);
        if (!take(&c, ',')) return false; /* The end, or no JSON. */
    }
}
