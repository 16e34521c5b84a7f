/* ziplist.c -- ziplists and zipmaps, read only.
 *
 *     ziplist  u32 bytes, u32 offset of the last entry, u16 count, entries, 0xFF
 *     entry    length of the one before (u8, or 0xFE and u32), encoding, bytes
 *     zipmap   u8 count, then: length, field, length, u8 free, value, free bytes; 0xFF
 *              a length is u8 below 0xFE, or 0xFE and u32 */
#include "types/ziplist.h"

#include "base/num.h"

#define END 0xFF
#define LONG 0xFE
#define ZIPLIST_HEADER 10
#define COUNT_UNKNOWN UINT16_MAX

static uint32_t read_be32(reader *r) { return __builtin_bswap32(read_u32(r)); }

/* One element: a number, or the length of a string. */
static bool read_encoding(reader *r, int64_t *num, uint64_t *length) {
    uint8_t e = read_u8(r);
    *length = 0;
    switch (e >> 6) {
    case 0: *length = e; return false;
    case 1: *length = (uint64_t)(e & 0x3F) << 8 | read_u8(r); return false;
    case 2: *length = read_be32(r); r->bad |= e != 0x80; return false;
    }
    switch (e) {
    case 0xC0: *num = (int16_t)read_u16(r); return true;
    case 0xD0: *num = (int32_t)read_u32(r); return true;
    case 0xE0: *num = (int64_t)read_u64(r); return true;
    case 0xF0: {
        uint32_t low = read_u16(r);
        *num = (int32_t)((low | (uint32_t)read_u8(r) << 16) << 8) >> 8;
        return true;
    }
    case 0xFE: *num = (int64_t)(read_u8(r) ^ 0x80) - 0x80; return true;
    }
    *num = (e & 0xF) - 1;
    r->bad |= e < 0xF1 || e > 0xFD;
    return true;
}

int ziplist_each(slice zl, flat_each *each, void *cookie) {
    reader r = reader_make(zl);
    uint32_t bytes = read_u32(&r), last = read_u32(&r), entry = ZIPLIST_HEADER;
    uint16_t count = read_u16(&r);
    if (r.bad || bytes != zl.n || zl.n < ZIPLIST_HEADER + 1 || zl.p[zl.n - 1] != END)
        return ERR_CORRUPT;
    r.end--; /* Up to the end mark. */
    uint64_t seen = 0, before = 0;
    while (reader_left(&r) > 0) {
        const uint8_t *start = r.p;
        entry = (uint32_t)(start - zl.p);
        uint64_t prev = read_u8(&r), length;
        if (prev == LONG) prev = read_u32(&r);
        else if (prev == END) r.bad = true;
        int64_t num = 0;
        char text[NUM_LL_MAX];
        slice s;
        if (read_encoding(&r, &num, &length)) {
            s = slice_make(text, num_print_ll(text, num));
        } else {
            if (length > reader_left(&r)) return ERR_CORRUPT;
            s = read_raw(&r, (size_t)length);
        }
        if (r.bad || prev != before) return ERR_CORRUPT;
        before = (uint64_t)(r.p - start);
        seen++;
        int rc = each(cookie, s);
        if (rc != OK) return rc;
    }
    if (last != entry || (count != COUNT_UNKNOWN && count != seen)) return ERR_CORRUPT;
    return OK;
}

static slice zipmap_item(reader *r, bool value) {
    uint64_t length = read_u8(r);
    if (length == LONG) length = read_u32(r);
    else if (length == END) r->bad = true;
    uint8_t free = value ? read_u8(r) : 0;
    if (r->bad || length + free > reader_left(r)) {
        r->bad = true;
        return slice_make(NULL, 0);
    }
    slice s = read_raw(r, (size_t)length);
    read_raw(r, free);
    return s;
}

int zipmap_each(slice zm, flat_each *each, void *cookie) {
    reader r = reader_make(zm);
    uint8_t count = read_u8(&r);
    if (zm.n < 2 || zm.p[zm.n - 1] != END) return ERR_CORRUPT;
    r.end--;
    uint64_t seen = 0;
    while (reader_left(&r) > 0) {
        slice field = zipmap_item(&r, false), value = zipmap_item(&r, true);
        if (r.bad) return ERR_CORRUPT;
        seen++;
        int rc = each(cookie, field);
        if (rc == OK) rc = each(cookie, value);
        if (rc != OK) return rc;
    }
    return count < LONG && count != seen ? ERR_CORRUPT : OK;
}
