/* bytes.h -- borrowed byte strings, growing buffers, and little-endian readers.
 *
 * slice: borrowed bytes; may hold any byte; .p may be NULL when .n is 0.
 * buf:   owned, growing; zero-initialise or BUF_INIT; buf_free() when done.
 * reader: walks borrowed bytes with bounds checked: after the first read past the end
 *         `bad` stays true and all reads answer zero or empty, so that a decoder may check
 *         once at the end. Nothing read is trusted: the caller checks counts before they
 *         size anything. */
#ifndef COVE_BASE_BYTES_H
#define COVE_BASE_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct slice {
    const uint8_t *p;
    size_t n;
} slice;

typedef struct buf {
    uint8_t *p;
    size_t n, cap;
} buf;

typedef struct reader {
    const uint8_t *p, *end;
    bool bad;
} reader;

#define BUF_INIT ((buf){NULL, 0, 0})
#define SLICE(literal) ((slice){(const uint8_t *)(literal), sizeof(literal) - 1})

static inline slice slice_make(const void *p, size_t n) { return (slice){p, n}; }
static inline slice slice_str(const char *s) { return (slice){(const uint8_t *)s, strlen(s)}; }
static inline slice slice_of(const buf *b) { return (slice){b->p, b->n}; }
static inline bool slice_eq(slice a, slice b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* memcmp order, the shorter first. */
int slice_cmp(slice a, slice b);
/* Equal to the NUL-terminated ASCII word, letters in any case. */
bool slice_is(slice a, const char *word);
/* A NUL-terminated copy; mem_free() it. */
char *slice_strdup(slice a);

void buf_free(buf *b);                 /* Frees and zeroes. */
void buf_grow(buf *b, size_t more);    /* For buf_reserve(). */
int buf_try_reserve(buf *b, size_t more);
/* Room for `more` bytes past n. */
static inline void buf_reserve(buf *b, size_t more) {
    assert(b->n <= b->cap);
    if (__builtin_expect(more > b->cap - b->n, 0)) buf_grow(b, more);
}
static inline void buf_append(buf *b, const void *p, size_t n) {
    if (n == 0) return;
    buf_reserve(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}
static inline void buf_append_slice(buf *b, slice s) { buf_append(b, s.p, s.n); }
void buf_append_str(buf *b, const char *s);
void buf_printf(buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void buf_u8(buf *b, uint8_t v) {
    buf_reserve(b, 1);
    b->p[b->n++] = v;
}
void buf_u16(buf *b, uint16_t v); /* These are little endian. */
void buf_u32(buf *b, uint32_t v);
void buf_u64(buf *b, uint64_t v);
#define VARINT_MAX 10
/* LEB128, at most VARINT_MAX bytes. Returns the byte after it. */
static inline uint8_t *put_varint(uint8_t *p, uint64_t v) {
    for (; v >= 0x80; v >>= 7) *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}
void buf_varint(buf *b, uint64_t v);
void buf_bytes(buf *b, slice s);         /* varint length, then the bytes. */
void buf_consume(buf *b, size_t n);      /* Drops the first n bytes (memmove). */

static inline void put_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }
static inline void put_u32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void put_u64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }
static inline uint16_t get_u16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t get_u32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t get_u64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored bytes are little endian");

static inline reader reader_make(slice s) { return (reader){s.p, s.p + s.n, false}; }
static inline size_t reader_left(const reader *r) { return (size_t)(r->end - r->p); }
uint8_t read_u8(reader *r);
uint16_t read_u16(reader *r);
uint32_t read_u32(reader *r);
uint64_t read_u64(reader *r);
uint64_t read_varint(reader *r);
slice read_bytes(reader *r);            /* varint length, then that many bytes; borrowed. */
slice read_raw(reader *r, size_t n);    /* n bytes; borrowed. */

#endif
