/* intset.c -- sorted integers of one width in one run of bytes. */
#include "base/intset.h"

#include <assert.h>

static size_t width(slice s) { return get_u32(s.p); }

static size_t width_for(int64_t v) {
    if (v >= INT16_MIN && v <= INT16_MAX) return 2;
    return v >= INT32_MIN && v <= INT32_MAX ? 4 : 8;
}

static int64_t read_at(const uint8_t *elements, size_t w, size_t i) {
    const uint8_t *p = elements + i * w;
    if (w == 2) return (int16_t)get_u16(p);
    if (w == 4) return (int32_t)get_u32(p);
    return (int64_t)get_u64(p);
}

static void write_at(uint8_t *elements, size_t w, size_t i, int64_t v) {
    uint8_t *p = elements + i * w;
    if (w == 2) put_u16(p, (uint16_t)v);
    else if (w == 4) put_u32(p, (uint32_t)v);
    else put_u64(p, (uint64_t)v);
}

void intset_new(buf *b) {
    b->n = 0;
    buf_u32(b, 2);
    buf_u32(b, 0);
}

int intset_check(slice s, bool deep) {
    if (s.n < INTSET_HEAD_BYTES) return ERR_CORRUPT;
    size_t w = width(s), count = get_u32(s.p + 4);
    if (w != 2 && w != 4 && w != 8) return ERR_CORRUPT;
    if (count > INTSET_COUNT_MAX || s.n != INTSET_HEAD_BYTES + w * count) return ERR_CORRUPT;
    for (size_t i = 1; deep && i < count; i++)
        if (intset_at(s, i - 1) >= intset_at(s, i)) return ERR_CORRUPT;
    return OK;
}

size_t intset_count(slice s) { return get_u32(s.p + 4); }

int64_t intset_at(slice s, size_t i) { return read_at(s.p + INTSET_HEAD_BYTES, width(s), i); }

/* The place of the first element that is not less than v. */
static size_t place(slice s, int64_t v) {
    size_t low = 0, high = intset_count(s), w = width(s);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (read_at(s.p + INTSET_HEAD_BYTES, w, mid) < v) low = mid + 1;
        else high = mid;
    }
    return low;
}

bool intset_has(slice s, int64_t v) {
    size_t at = place(s, v);
    return at < intset_count(s) && intset_at(s, at) == v;
}

/* All elements get w bytes; from the last to the first, as each moves up. */
static void widen(buf *b, size_t w) {
    size_t had = width(slice_of(b)), count = intset_count(slice_of(b));
    buf_reserve(b, count * (w - had));
    uint8_t *elements = b->p + INTSET_HEAD_BYTES;
    for (size_t i = count; i-- > 0;) write_at(elements, w, i, read_at(elements, had, i));
    put_u32(b->p, (uint32_t)w);
    b->n = INTSET_HEAD_BYTES + count * w;
}

bool intset_add(buf *b, int64_t v) {
    if (width_for(v) > width(slice_of(b))) widen(b, width_for(v));
    slice s = slice_of(b);
    size_t at = place(s, v), count = intset_count(s), w = width(s);
    if (at < count && intset_at(s, at) == v) return false;
    assert(count < INTSET_COUNT_MAX);
    buf_reserve(b, w);
    uint8_t *to = b->p + INTSET_HEAD_BYTES + at * w;
    memmove(to + w, to, (count - at) * w);
    write_at(b->p + INTSET_HEAD_BYTES, w, at, v);
    b->n += w;
    put_u32(b->p + 4, (uint32_t)count + 1);
    return true;
}

bool intset_del(buf *b, int64_t v) {
    slice s = slice_of(b);
    size_t at = place(s, v), count = intset_count(s), w = width(s);
    if (at == count || intset_at(s, at) != v) return false;
    uint8_t *to = b->p + INTSET_HEAD_BYTES + at * w;
    memmove(to, to + w, (count - at - 1) * w);
    b->n -= w;
    put_u32(b->p + 4, (uint32_t)count - 1);
    return true;
}
