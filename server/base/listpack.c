/* listpack.c -- many small values in one run of bytes (antirez, listpack.md).
 *
 *     total bytes u32 | count u16 | entry | entry | ... | 0xFF
 *
 *     entry:  encoding and length | bytes | back length
 *
 *     0vvvvvvv                         an integer 0..127
 *     10llllll                         a string of up to 63 bytes
 *     110vvvvv v*8                     an integer of 13 bits, two's complement
 *     1110llll l*8                     a string of up to 4,095 bytes
 *     11110000 u32                     a longer string
 *     11110001 .. 11110100             integers of 16, 24, 32 and 64 bits, little endian
 *
 * The back length is the size of the rest of the entry in groups of 7 bits, the most
 * significant first; all but the first have the top bit set, so that it can be read
 * backwards from the next entry. It takes as many bytes as the format's reference writes:
 * 16,383 takes three though it would fit two, and so on at each border.
 *
 * A count of 65,535 means that nobody knows: it is then found by walking. */
#include "base/listpack.h"

#include <assert.h>

#include "base/num.h"

#define HEAD_BYTES 6
#define EMPTY_BYTES 7
#define END 0xff
#define COUNT_UNKNOWN 0xffff
#define HEAD_MAX 9 /* The most that stands before a string's bytes, or a whole integer. */
#define BACK_MAX 5

/* --- Reading an entry. ----------------------------------------------------------------- */

/* Bytes that the encoding at p needs before the value's length is known; 0: no such
 * encoding (0xFF is the end, not an entry). */
static inline size_t head_bytes(uint8_t first) {
    if (first < 0xe0) return 1; /* Also 13 bits: its length is known. */
    if (first < 0xf0) return 2;
    if (first == 0xf0) return 5;
    return first <= 0xf4 ? 1 : 0;
}

/* The size of an entry without its back length. Its head must be readable. */
static inline size_t body_bytes(const uint8_t *p) {
    uint8_t first = p[0];
    if (first < 0x80) return 1;
    if (first < 0xc0) return 1 + (size_t)(first & 0x3f);
    if (first < 0xe0) return 2;
    if (first < 0xf0) return 2 + ((size_t)(first & 0x0f) << 8 | p[1]);
    switch (first) {
    case 0xf0: return 5 + (size_t)get_u32(p + 1);
    case 0xf1: return 3;
    case 0xf2: return 4;
    case 0xf3: return 5;
    default: return 9;
    }
}

static inline size_t back_bytes(size_t body) {
    if (body <= 127) return 1;
    if (body < 16383) return 2;
    if (body < 2097151) return 3;
    return body < 268435455 ? 4 : 5;
}

static inline size_t entry_bytes(const uint8_t *p) {
    size_t body = body_bytes(p);
    return body + back_bytes(body);
}

/* The back length that ends just before p. */
static inline size_t back_get(const uint8_t *p) {
    size_t v = 0;
    for (unsigned shift = 0; shift < 7 * BACK_MAX; shift += 7) {
        uint8_t byte = *--p;
        v |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80) break;
    }
    return v;
}

static inline size_t back_put(uint8_t *p, size_t body) {
    if (body <= 127) { /* Mostly. */
        p[0] = (uint8_t)body;
        return 1;
    }
    size_t n = back_bytes(body);
    for (size_t i = n; i-- > 0; body >>= 7)
        p[i] = (uint8_t)((body & 0x7f) | (i > 0 ? 0x80 : 0));
    return n;
}

static inline struct lp_value decode(const uint8_t *p) {
    uint8_t first = p[0];
    if (first < 0x80) return (struct lp_value){true, first, {NULL, 0}};
    if (first < 0xc0) return (struct lp_value){false, 0, {p + 1, first & 0x3f}};
    if (first < 0xe0) {
        int64_t v = (int64_t)(first & 0x1f) << 8 | p[1];
        return (struct lp_value){true, v >= 1 << 12 ? v - (1 << 13) : v, {NULL, 0}};
    }
    if (first < 0xf0) {
        size_t n = (size_t)(first & 0x0f) << 8 | p[1];
        return (struct lp_value){false, 0, {p + 2, n}};
    }
    switch (first) {
    case 0xf0: return (struct lp_value){false, 0, {p + 5, get_u32(p + 1)}};
    case 0xf1: return (struct lp_value){true, (int16_t)get_u16(p + 1), {NULL, 0}};
    case 0xf2: {
        int32_t v = (int32_t)((uint32_t)get_u16(p + 1) << 8 | (uint32_t)p[3] << 24);
        return (struct lp_value){true, v >> 8, {NULL, 0}};
    }
    case 0xf3: return (struct lp_value){true, (int32_t)get_u32(p + 1), {NULL, 0}};
    default: assert(first == 0xf4);
        return (struct lp_value){true, (int64_t)get_u64(p + 1), {NULL, 0}};
    }
}

/* --- Walking. -------------------------------------------------------------------------- */

static inline size_t or_none(slice lp, size_t pos) {
    assert(pos < lp.n);
    return lp.p[pos] == END ? 0 : pos;
}

static inline void check_pos(slice lp, size_t pos) {
    assert(pos >= HEAD_BYTES);
    assert(pos < lp.n - 1);
}

size_t lp_first(slice lp) { return or_none(lp, HEAD_BYTES); }

size_t lp_next(slice lp, size_t pos) {
    check_pos(lp, pos);
    return or_none(lp, pos + entry_bytes(lp.p + pos));
}

/* What stands before pos, which may be the end's. */
static inline size_t before(slice lp, size_t pos) {
    if (pos == HEAD_BYTES) return 0;
    size_t body = back_get(lp.p + pos);
    size_t bytes = body + back_bytes(body);
    assert(bytes <= pos - HEAD_BYTES);
    return pos - bytes;
}

size_t lp_prev(slice lp, size_t pos) {
    check_pos(lp, pos);
    return before(lp, pos);
}

size_t lp_last(slice lp) {
    assert(lp.n >= EMPTY_BYTES);
    return before(lp, lp.n - 1);
}

size_t lp_count(slice lp) {
    size_t count = get_u16(lp.p + 4);
    if (count != COUNT_UNKNOWN) return count;
    count = 0;
    for (size_t pos = lp_first(lp); pos != 0; pos = lp_next(lp, pos)) count++;
    return count;
}

size_t lp_seek(slice lp, long index) {
    size_t count = get_u16(lp.p + 4);
    size_t steps = index < 0 ? (size_t)-(index + 1) : (size_t)index;
    bool backward = index < 0;
    if (count != COUNT_UNKNOWN) {
        if (steps >= count) return 0;
        if (steps > count / 2) { /* The other end is nearer. */
            backward = !backward;
            steps = count - 1 - steps;
        }
    }
    size_t pos = backward ? lp_last(lp) : lp_first(lp);
    for (; pos != 0 && steps > 0; steps--) pos = backward ? lp_prev(lp, pos) : lp_next(lp, pos);
    return pos;
}

struct lp_value lp_get(slice lp, size_t pos) {
    check_pos(lp, pos);
    return decode(lp.p + pos);
}

slice lp_get_bytes(slice lp, size_t pos, char *tmp) {
    struct lp_value v = lp_get(lp, pos);
    return v.is_int ? slice_make(tmp, num_print_ll(tmp, v.num)) : v.str;
}

/* A string that looks like an integer may be stored as either, if others wrote the listpack. */
static inline bool value_is(struct lp_value v, slice bytes, bool looks_int, int64_t num) {
    if (v.is_int) return looks_int && v.num == num;
    return slice_eq(v.str, bytes);
}

bool lp_equals(slice lp, size_t pos, slice bytes) {
    int64_t num = 0;
    struct lp_value v = lp_get(lp, pos);
    bool looks_int = v.is_int && num_parse_ll(bytes, &num);
    return value_is(v, bytes, looks_int, num);
}

size_t lp_find(slice lp, size_t pos, slice bytes, unsigned skip) {
    int64_t num = 0;
    bool looks_int = num_parse_ll(bytes, &num);
    while (pos != 0) {
        check_pos(lp, pos);
        if (value_is(decode(lp.p + pos), bytes, looks_int, num)) return pos;
        for (unsigned i = 0; pos != 0 && i <= skip; i++) pos = lp_next(lp, pos);
    }
    return 0;
}

/* --- Checking what comes from outside. ------------------------------------------------- */

/* The entry at p with `left` bytes up to the end byte: its size, or 0 when it is damaged. */
static size_t entry_check(const uint8_t *p, size_t left) {
    size_t head = head_bytes(p[0]);
    if (head == 0 || head > left) return 0;
    size_t body = body_bytes(p);
    if (body > left) return 0;
    size_t back = back_bytes(body);
    if (back > left - body) return 0;
    uint8_t want[BACK_MAX];
    back_put(want, body);
    return memcmp(p + body, want, back) == 0 ? body + back : 0;
}

int lp_check(slice lp, bool deep) {
    if (lp.n < EMPTY_BYTES || lp.n > LP_BYTES_MAX) return ERR_CORRUPT;
    if (get_u32(lp.p) != lp.n || lp.p[lp.n - 1] != END) return ERR_CORRUPT;
    size_t claimed = get_u16(lp.p + 4), count = 0;
    if (!deep && claimed != COUNT_UNKNOWN) return OK; /* Else counting walks. */
    size_t end = lp.n - 1;
    for (size_t pos = HEAD_BYTES; pos < end; count++) {
        size_t bytes = entry_check(lp.p + pos, end - pos);
        if (bytes == 0) return ERR_CORRUPT;
        pos += bytes;
    }
    return claimed == COUNT_UNKNOWN || claimed == count ? OK : ERR_CORRUPT;
}

/* --- Changing. ------------------------------------------------------------------------- */

/* A value ready to be written: a head, the string's bytes if it is one, and the back length. */
struct encoded {
    uint8_t head[HEAD_MAX];
    uint8_t back[BACK_MAX];
    size_t head_n, back_n;
    slice str;
};

/* The bytes of an integer, without its back length. */
static inline size_t int_body(int64_t v) {
    if (v >= 0 && v <= 127) return 1;
    if (v >= -4096 && v <= 4095) return 2;
    if (v >= INT16_MIN && v <= INT16_MAX) return 3;
    if (v >= -(1 << 23) && v < 1 << 23) return 4;
    return v >= INT32_MIN && v <= INT32_MAX ? 5 : 9;
}

static size_t encode_int(uint8_t *p, int64_t v) {
    size_t n = int_body(v);
    if (n == 1) {
        p[0] = (uint8_t)v;
    } else if (n == 2) {
        p[0] = (uint8_t)(0xc0 | ((uint64_t)v >> 8 & 0x1f));
        p[1] = (uint8_t)v;
    } else {
        p[0] = (uint8_t)(n == 9 ? 0xf4 : 0xf1 + n - 3);
        put_u64(p + 1, (uint64_t)v);
    }
    return n;
}

/* The bytes before a string's own. */
static inline size_t str_head(size_t n) { return n < 64 ? 1 : n < 4096 ? 2 : 5; }

/* Where they stand: a copy would read at once what has just been written byte by byte. */
static void encode_str(struct encoded *e, slice s) {
    assert(s.n <= LP_BYTES_MAX);
    if (s.n < 64) {
        e->head[0] = (uint8_t)(0x80 | s.n);
        e->head_n = 1;
    } else if (s.n < 4096) {
        e->head[0] = (uint8_t)(0xe0 | s.n >> 8);
        e->head[1] = (uint8_t)s.n;
        e->head_n = 2;
    } else {
        e->head[0] = 0xf0;
        put_u32(e->head + 1, (uint32_t)s.n);
        e->head_n = 5;
    }
    e->back_n = back_put(e->back, e->head_n + s.n);
    e->str = s;
}

static void encode_num(struct encoded *e, int64_t v) {
    e->head_n = encode_int(e->head, v);
    e->back_n = back_put(e->back, e->head_n);
    e->str = slice_make(NULL, 0);
}

static void encode(struct encoded *e, slice bytes) {
    int64_t num;
    if (num_parse_ll(bytes, &num)) encode_num(e, num);
    else encode_str(e, bytes);
}

static size_t encoded_bytes(const struct encoded *e) { return e->head_n + e->str.n + e->back_n; }

size_t lp_entry_bytes(slice bytes) {
    int64_t num;
    size_t body = num_parse_ll(bytes, &num) ? int_body(num) : str_head(bytes.n) + bytes.n;
    return body + back_bytes(body);
}

size_t lp_entry_bytes_int(int64_t v) {
    size_t body = int_body(v);
    return body + back_bytes(body);
}

/* Puts e in place of the `old` bytes at pos; the count grows by `more`, which may wrap. */
static void splice(buf *lp, size_t pos, size_t old, const struct encoded *e, int more) {
    size_t fresh = e == NULL ? 0 : encoded_bytes(e);
    assert(lp->n >= EMPTY_BYTES);
    assert(pos >= HEAD_BYTES);
    assert(pos + old <= lp->n - 1);
    /* What is added must not lie in the listpack: it may move. */
    assert(e == NULL || e->str.n == 0 || e->str.p + e->str.n <= lp->p ||
           e->str.p >= lp->p + lp->cap);
    if (fresh > old) buf_reserve(lp, fresh - old);
    uint8_t *p = lp->p + pos;
    if (fresh != old) memmove(p + fresh, p + old, lp->n - pos - old);
    lp->n = lp->n - old + fresh;
    assert(lp->n <= LP_BYTES_MAX);
    if (e != NULL) {
        memcpy(p, e->head, e->head_n);
        p += e->head_n;
        if (e->str.n > 0) memcpy(p, e->str.p, e->str.n);
        memcpy(p + e->str.n, e->back, e->back_n);
    }
    put_u32(lp->p, (uint32_t)lp->n);
    int count = get_u16(lp->p + 4);
    if (count == COUNT_UNKNOWN) return;
    count += more;
    assert(count >= 0);
    put_u16(lp->p + 4, (uint16_t)(count < COUNT_UNKNOWN ? count : COUNT_UNKNOWN));
}

void lp_new(buf *lp) {
    static const uint8_t empty[EMPTY_BYTES] = {EMPTY_BYTES, 0, 0, 0, 0, 0, END};
    lp->n = 0;
    buf_append(lp, empty, sizeof(empty));
}

void lp_append(buf *lp, slice bytes) {
    struct encoded e;
    encode(&e, bytes);
    splice(lp, lp->n - 1, 0, &e, 1);
}

void lp_append_int(buf *lp, int64_t v) {
    struct encoded e;
    encode_num(&e, v);
    splice(lp, lp->n - 1, 0, &e, 1);
}

void lp_prepend(buf *lp, slice bytes) {
    struct encoded e;
    encode(&e, bytes);
    splice(lp, HEAD_BYTES, 0, &e, 1);
}

void lp_insert(buf *lp, size_t pos, slice bytes) {
    check_pos(slice_of(lp), pos);
    struct encoded e;
    encode(&e, bytes);
    splice(lp, pos, 0, &e, 1);
}

void lp_insert_after(buf *lp, size_t pos, slice bytes) {
    check_pos(slice_of(lp), pos);
    struct encoded e;
    encode(&e, bytes);
    splice(lp, pos + entry_bytes(lp->p + pos), 0, &e, 1);
}

void lp_replace(buf *lp, size_t pos, slice bytes) {
    check_pos(slice_of(lp), pos);
    struct encoded e;
    encode(&e, bytes);
    splice(lp, pos, entry_bytes(lp->p + pos), &e, 0);
}

void lp_replace_int(buf *lp, size_t pos, int64_t v) {
    check_pos(slice_of(lp), pos);
    struct encoded e;
    encode_num(&e, v);
    splice(lp, pos, entry_bytes(lp->p + pos), &e, 0);
}

size_t lp_delete(buf *lp, size_t pos, size_t count) {
    check_pos(slice_of(lp), pos);
    size_t end = pos, gone = 0;
    while (gone < count && lp->p[end] != END) {
        end += entry_bytes(lp->p + end);
        gone++;
    }
    /* Where the count is unknown, more than an int may go; it stays unknown. */
    splice(lp, pos, end - pos, NULL, gone <= COUNT_UNKNOWN ? -(int)gone : 0);
    return or_none(slice_of(lp), pos);
}
