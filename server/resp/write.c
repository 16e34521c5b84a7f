/* write.c -- replies into a buffer.
 *
 * Most replies are a few bytes. They are written in place: room is reserved once for the
 * longest form, and a pointer walks. */
#include "resp/write.h"

#include <assert.h>

#include "base/num.h"

#define HEAD_MAX (1 + NUM_LL_MAX + 2) /* sigil, number, CRLF */

static inline uint8_t *write_room(buf *b, size_t bytes) {
    if (b->cap - b->n < bytes) buf_reserve(b, bytes);
    return b->p + b->n;
}

static inline void write_end(buf *b, const uint8_t *w) {
    b->n = (size_t)(w - b->p);
    assert(b->n <= b->cap);
}

static inline uint8_t *put_crlf(uint8_t *w) {
    w[0] = '\r';
    w[1] = '\n';
    return w + 2;
}

/* Sigil, number, CRLF; numbers of one digit are what most heads hold. */
static inline uint8_t *put_head(uint8_t *w, char sigil, uint64_t n) {
    *w++ = (uint8_t)sigil;
    if (n < 10) *w++ = (uint8_t)('0' + n);
    else w += num_print_ull((char *)w, n);
    return put_crlf(w);
}

static inline uint8_t *put_bytes(uint8_t *w, const void *p, size_t n) {
    if (n > 0) memcpy(w, p, n);
    return w + n;
}

static void write_head(buf *b, char sigil, size_t n) {
    write_end(b, put_head(write_room(b, HEAD_MAX), sigil, n));
}

/* A line of text that may quote a user: it must not end before its end. */
static void write_line(buf *b, char sigil, slice text) {
    uint8_t *w = write_room(b, text.n + 3);
    *w++ = (uint8_t)sigil;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        *w++ = c == '\r' || c == '\n' ? ' ' : c;
    }
    write_end(b, put_crlf(w));
}

void resp_status(buf *b, const char *text) { write_line(b, '+', slice_str(text)); }
void resp_status_slice(buf *b, slice text) { write_line(b, '+', text); }
void resp_error(buf *b, const char *text) { write_line(b, '-', slice_str(text)); }
void resp_error_slice(buf *b, slice text) { write_line(b, '-', text); }

void resp_int(buf *b, int64_t v) {
    uint8_t *w = write_room(b, HEAD_MAX);
    if (v >= 0) {
        w = put_head(w, ':', (uint64_t)v);
    } else {
        *w++ = ':';
        w += num_print_ll((char *)w, v);
        w = put_crlf(w);
    }
    write_end(b, w);
}

void resp_bulk(buf *b, slice s) {
    uint8_t *w = write_room(b, HEAD_MAX + s.n + 2);
    w = put_head(w, '$', s.n);
    w = put_bytes(w, s.p, s.n);
    write_end(b, put_crlf(w));
}

void resp_bulk_str(buf *b, const char *s) { resp_bulk(b, slice_str(s)); }

void resp_bulk_int(buf *b, int64_t v) {
    char text[NUM_LL_MAX];
    resp_bulk(b, slice_make(text, num_print_ll(text, v)));
}

void resp_bulk_head(buf *b, size_t n) { write_head(b, '$', n); }

void resp_null(buf *b, int proto) {
    buf_append_slice(b, proto >= 3 ? SLICE("_\r\n") : SLICE("$-1\r\n"));
}

void resp_null_array(buf *b, int proto) {
    buf_append_slice(b, proto >= 3 ? SLICE("_\r\n") : SLICE("*-1\r\n"));
}

void resp_array(buf *b, size_t n) { write_head(b, '*', n); }

void resp_map(buf *b, int proto, size_t pairs) {
    assert(pairs <= SIZE_MAX / 2);
    if (proto >= 3) write_head(b, '%', pairs);
    else write_head(b, '*', pairs * 2);
}

void resp_set(buf *b, int proto, size_t n) { write_head(b, proto >= 3 ? '~' : '*', n); }
void resp_push(buf *b, int proto, size_t n) { write_head(b, proto >= 3 ? '>' : '*', n); }
void resp_attribute(buf *b, size_t pairs) { write_head(b, '|', pairs); }

void resp_bool(buf *b, int proto, bool v) {
    if (proto >= 3) buf_append_slice(b, v ? SLICE("#t\r\n") : SLICE("#f\r\n"));
    else buf_append_slice(b, v ? SLICE(":1\r\n") : SLICE(":0\r\n"));
}

/* A double that has been printed: a bulk string, or RESP3's own type. */
static void write_double(buf *b, int proto, const char *text, size_t n) {
    if (proto < 3) {
        resp_bulk(b, slice_make(text, n));
        return;
    }
    uint8_t *w = write_room(b, n + 3);
    *w++ = ',';
    write_end(b, put_crlf(put_bytes(w, text, n)));
}

void resp_double(buf *b, int proto, double v) {
    char text[NUM_DOUBLE_MAX];
    write_double(b, proto, text, num_print_double(text, v));
}

void resp_double_shortest(buf *b, int proto, double v) {
    char text[NUM_DOUBLE_MAX];
    write_double(b, proto, text, num_print_shortest(text, v));
}

void resp_bignum(buf *b, int proto, slice digits) {
    if (proto >= 3) write_line(b, '(', digits);
    else resp_bulk(b, digits);
}

void resp_verbatim(buf *b, int proto, const char *ext, slice s) {
    assert(strlen(ext) == 3);
    if (proto < 3) {
        resp_bulk(b, s);
        return;
    }
    uint8_t *w = write_room(b, HEAD_MAX + 4 + s.n + 2);
    w = put_head(w, '=', s.n + 4);
    w = put_bytes(w, ext, 3);
    *w++ = ':';
    w = put_bytes(w, s.p, s.n);
    write_end(b, put_crlf(w));
}
