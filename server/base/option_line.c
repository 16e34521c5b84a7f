/* option_line.c -- option_split_line: a line of a configuration file into words.
 *
 * Words are parted by blanks. "..." knows \n \r \t \b \a \xHH, and a backslash before any
 * other byte gives that byte; '...' knows only \'. A closing quote must end its word. */
#include <ctype.h>

#include "base/mem.h"
#include "base/option.h"

/* Where one word was put: offsets, for the store moves while it grows. */
struct word {
    size_t at, n;
};

static int hex(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t escaped(uint8_t c) {
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

static bool blank(slice line, size_t at) { return at == line.n || isspace(line.p[at]); }

/* From just after the opening quote; the place after the closing one, or 0. */
static size_t take_double(slice line, size_t at, buf *store) {
    for (; at < line.n; at++) {
        uint8_t c = line.p[at];
        if (c == '"') return blank(line, at + 1) ? at + 1 : 0;
        if (c == '\\' && line.n - at > 3 && line.p[at + 1] == 'x' && hex(line.p[at + 2]) >= 0 &&
            hex(line.p[at + 3]) >= 0) {
            c = (uint8_t)(hex(line.p[at + 2]) << 4 | hex(line.p[at + 3]));
            at += 3;
        } else if (c == '\\' && line.n - at > 1) {
            c = escaped(line.p[++at]);
        }
        buf_u8(store, c);
    }
    return 0;
}

static size_t take_single(slice line, size_t at, buf *store) {
    for (; at < line.n; at++) {
        uint8_t c = line.p[at];
        if (c == '\'') return blank(line, at + 1) ? at + 1 : 0;
        if (c == '\\' && line.n - at > 1 && line.p[at + 1] == '\'') c = line.p[++at];
        buf_u8(store, c);
    }
    return 0;
}

/* One word from a place that is not blank; the place after it, or 0 on unbalanced quotes. */
static size_t take_word(slice line, size_t at, buf *store) {
    while (!blank(line, at)) {
        uint8_t c = line.p[at++];
        if (c == '"') return take_double(line, at, store);
        if (c == '\'') return take_single(line, at, store);
        buf_u8(store, c);
    }
    return at;
}

int option_split_line(slice line, buf *store, slice **words, size_t *count) {
    buf places = BUF_INIT;
    size_t n = 0;
    *words = NULL;
    *count = 0;
    for (size_t at = 0;;) {
        while (at < line.n && isspace(line.p[at])) at++;
        if (at == line.n) break;
        struct word w = {store->n, 0};
        at = take_word(line, at, store);
        if (at == 0) {
            buf_free(&places);
            return ERR_SYNTAX;
        }
        w.n = store->n - w.at;
        buf_append(&places, &w, sizeof(w));
        n++;
    }
    slice *out = mem_alloc((n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        struct word w;
        memcpy(&w, places.p + i * sizeof(w), sizeof(w));
        out[i] = slice_make(store->p + w.at, w.n);
    }
    buf_free(&places);
    *words = out;
    *count = n;
    return OK;
}
