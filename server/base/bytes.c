/* bytes.c -- borrowed byte strings, growing buffers, and little-endian readers. */
#include "base/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

#define CAP_MIN 32          /* A buffer's first allocation: a short reply or a key. */
#define CAP_DOUBLE (1 << 20) /* Below it buffers double; above they grow by a half. */

/* --- Slices. --------------------------------------------------------------------------- */

int slice_cmp(slice a, slice b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (c != 0) return c;
    return (a.n > b.n) - (a.n < b.n);
}

static inline unsigned lower(unsigned c) { return c - 'A' < 26u ? c | 0x20 : c; }

bool slice_is(slice a, const char *word) {
    for (size_t i = 0; i < a.n; i++) {
        unsigned w = (unsigned char)word[i];
        if (w == 0 || lower(a.p[i]) != lower(w)) return false;
    }
    return word[a.n] == 0;
}

char *slice_strdup(slice a) {
    char *s = mem_alloc(a.n + 1);
    if (a.n > 0) memcpy(s, a.p, a.n);
    s[a.n] = 0;
    return s;
}

/* --- Buffers. -------------------------------------------------------------------------- */

void buf_free(buf *b) {
    mem_free(b->p);
    *b = BUF_INIT;
}

/* The capacity for `need` bytes; 0 when there can be none. */
static size_t grown(size_t cap, size_t need) {
    if (need > PTRDIFF_MAX) return 0;
    size_t next = cap < CAP_MIN ? CAP_MIN : cap < CAP_DOUBLE ? cap * 2 : cap + cap / 2;
    return next < need ? need : next;
}

int buf_try_reserve(buf *b, size_t more) {
    assert(b->n <= b->cap);
    if (more <= b->cap - b->n) return OK;
    size_t cap = more > SIZE_MAX - b->n ? 0 : grown(b->cap, b->n + more);
    if (cap == 0) return ERR_NOMEM;
    uint8_t *p = mem_try_realloc(b->p, cap);
    if (p == NULL) return ERR_NOMEM;
    b->p = p;
    b->cap = cap;
    return OK;
}

void buf_grow(buf *b, size_t more) {
    size_t cap = more > SIZE_MAX - b->n ? 0 : grown(b->cap, b->n + more);
    if (cap == 0) abort();
    b->p = mem_realloc(b->p, cap);
    b->cap = cap;
}

void buf_append_str(buf *b, const char *s) { buf_append(b, s, strlen(s)); }

void buf_printf(buf *b, const char *fmt, ...) {
    buf_reserve(b, 64);
    for (;;) {
        size_t room = b->cap - b->n;
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf((char *)b->p + b->n, room, fmt, ap);
        va_end(ap);
        assert(n >= 0);
        if ((size_t)n < room) {
            b->n += (size_t)n;
            return;
        }
        buf_reserve(b, (size_t)n + 1);
    }
}

void buf_u16(buf *b, uint16_t v) {
    buf_reserve(b, 2);
    put_u16(b->p + b->n, v);
    b->n += 2;
}

void buf_u32(buf *b, uint32_t v) {
    buf_reserve(b, 4);
    put_u32(b->p + b->n, v);
    b->n += 4;
}

void buf_u64(buf *b, uint64_t v) {
    buf_reserve(b, 8);
    put_u64(b->p + b->n, v);
    b->n += 8;
}

void buf_varint(buf *b, uint64_t v) {
    buf_reserve(b, VARINT_MAX);
    b->n = (size_t)(put_varint(b->p + b->n, v) - b->p);
}

void buf_bytes(buf *b, slice s) {
    buf_varint(b, s.n);
    buf_append_slice(b, s);
}

void buf_consume(buf *b, size_t n) {
    assert(n <= b->n);
    b->n -= n;
    if (n > 0 && b->n > 0) memmove(b->p, b->p + n, b->n);
}

/* --- Readers. -------------------------------------------------------------------------- */

/* The next n bytes, or NULL and bad. A bad reader stays at its end: nothing more comes. */
static const uint8_t *step(reader *r, size_t n) {
    if (r->bad || n > reader_left(r)) {
        r->bad = true;
        r->p = r->end;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

uint8_t read_u8(reader *r) {
    const uint8_t *p = step(r, 1);
    return p == NULL ? 0 : *p;
}

uint16_t read_u16(reader *r) {
    const uint8_t *p = step(r, 2);
    return p == NULL ? 0 : get_u16(p);
}

uint32_t read_u32(reader *r) {
    const uint8_t *p = step(r, 4);
    return p == NULL ? 0 : get_u32(p);
}

uint64_t read_u64(reader *r) {
    const uint8_t *p = step(r, 8);
    return p == NULL ? 0 : get_u64(p);
}

uint64_t read_varint(reader *r) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t *p = step(r, 1);
        if (p == NULL) return 0;
        uint64_t bits = *p & 0x7f;
        /* The tenth byte holds the one bit that is left. */
        if (shift == 63 && *p > 1) break;
        v |= bits << shift;
        if (*p < 0x80) return v;
    }
    r->bad = true;
    r->p = r->end;
    return 0;
}

slice read_bytes(reader *r) {
    uint64_t n = read_varint(r);
    if (n > reader_left(r)) {
        r->bad = true;
        r->p = r->end;
        return slice_make(NULL, 0);
    }
    return read_raw(r, (size_t)n);
}

slice read_raw(reader *r, size_t n) {
    if (n == 0 && !r->bad) return slice_make(r->p, 0);
    const uint8_t *p = step(r, n);
    return slice_make(p, p == NULL ? 0 : n);
}
