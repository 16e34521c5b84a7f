/* rdb.c -- RDB primitives.
 *
 *     00llllll                         a length of 6 bits
 *     01llllll llllllll                14 bits
 *     10000000 + 4 bytes big endian    32 bits
 *     10000001 + 8 bytes big endian    64 bits
 *     110000ee                         an encoded string: int8, int16, int32, LZF       */
#include "types/rdb.h"

#include <math.h>

#include "base/mem.h"
#include "base/num.h"
#include "types/lzf.h"

#define LEN_32 0x80
#define LEN_64 0x81
enum { ENC_INT8 = 0, ENC_INT16 = 1, ENC_INT32 = 2, ENC_LZF = 3 };
#define ENCODED 0xC0
#define COMPRESS_OVER 20 /* bytes; shorter strings stay as they are */
#define INT_TEXT_MAX 11  /* "-2147483648" */

void rdb_write_len(buf *out, uint64_t n) {
    if (n < 64) {
        buf_u8(out, (uint8_t)n);
    } else if (n < 16384) {
        buf_u8(out, (uint8_t)(0x40 | n >> 8));
        buf_u8(out, (uint8_t)n);
    } else if (n <= UINT32_MAX) {
        buf_u8(out, LEN_32);
        buf_u32(out, __builtin_bswap32((uint32_t)n));
    } else {
        buf_u8(out, LEN_64);
        buf_u64(out, __builtin_bswap64(n));
    }
}

/* As an encoded integer of up to 32 bits; false: it is longer. */
static bool write_int(buf *out, int64_t v) {
    if (v >= INT8_MIN && v <= INT8_MAX) {
        buf_u8(out, ENCODED | ENC_INT8);
        buf_u8(out, (uint8_t)v);
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        buf_u8(out, ENCODED | ENC_INT16);
        buf_u16(out, (uint16_t)v);
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        buf_u8(out, ENCODED | ENC_INT32);
        buf_u32(out, (uint32_t)v);
    } else {
        return false;
    }
    return true;
}

void rdb_write_raw_string(buf *out, slice s) {
    rdb_write_len(out, s.n);
    buf_append_slice(out, s);
}

static bool write_compressed(buf *out, slice s) {
    uint8_t *packed = mem_try_alloc(s.n);
    if (packed == NULL) return false; /* It is written as it is, then. */
    size_t n = lzf_compress(s, packed, s.n - 4);
    if (n != 0) {
        buf_u8(out, ENCODED | ENC_LZF);
        rdb_write_len(out, n);
        rdb_write_len(out, s.n);
        buf_append(out, packed, n);
    }
    mem_free(packed);
    return n != 0;
}

void rdb_write_string(buf *out, slice s) {
    int64_t v;
    if (s.n <= INT_TEXT_MAX && num_parse_ll(s, &v) && write_int(out, v)) return;
    if (s.n > COMPRESS_OVER && write_compressed(out, s)) return;
    rdb_write_raw_string(out, s);
}

void rdb_write_ll(buf *out, int64_t v) {
    if (write_int(out, v)) return;
    char text[NUM_LL_MAX];
    rdb_write_raw_string(out, slice_make(text, num_print_ll(text, v)));
}

void rdb_write_double(buf *out, double v) {
    uint64_t bits;
    memcpy(&bits, &v, 8);
    buf_u64(out, bits);
}

/* ---- reading ------------------------------------------------------------------------------ */

static uint64_t read_len(reader *r, bool *encoded) {
    uint8_t first = read_u8(r);
    *encoded = false;
    switch (first >> 6) {
    case 0: return first;
    case 1: return (uint64_t)(first & 0x3F) << 8 | read_u8(r);
    case 2:
        if (first == LEN_32) return __builtin_bswap32(read_u32(r));
        if (first == LEN_64) return __builtin_bswap64(read_u64(r));
        r->bad = true;
        return 0;
    }
    *encoded = true;
    return first & 0x3F;
}

uint64_t rdb_read_len(reader *r) {
    bool encoded;
    uint64_t n = read_len(r, &encoded);
    if (encoded) r->bad = true;
    return r->bad ? 0 : n;
}

uint64_t rdb_read_count(reader *r, size_t bytes) {
    uint64_t n = rdb_read_len(r);
    if (!r->bad && n > reader_left(r) / bytes) r->bad = true;
    return r->bad ? 0 : n;
}

static int read_int(reader *r, int64_t v, buf *store, slice *out) {
    if (r->bad) return ERR_CORRUPT;
    char text[NUM_LL_MAX];
    buf_append(store, text, num_print_ll(text, v));
    *out = slice_of(store);
    return OK;
}

static int read_compressed(reader *r, buf *store, slice *out) {
    uint64_t packed = rdb_read_len(r), n = rdb_read_len(r);
    if (r->bad || packed > reader_left(r)) return ERR_CORRUPT;
    /* Both come from outside. No input of this length yields more, so a short payload does
     * not ask for much memory. */
    if (n == 0 || n > RDB_STRING_MAX || n > packed * LZF_RATIO_MAX) return ERR_CORRUPT;
    if (buf_try_reserve(store, (size_t)n) != OK) return ERR_NOMEM;
    slice in = read_raw(r, (size_t)packed);
    if (lzf_decompress(in, store->p, (size_t)n) != OK) return ERR_CORRUPT;
    store->n = (size_t)n;
    *out = slice_of(store);
    return OK;
}

int rdb_read_string(reader *r, buf *store, slice *out) {
    bool encoded;
    store->n = 0;
    uint64_t n = read_len(r, &encoded);
    if (r->bad) return ERR_CORRUPT;
    if (!encoded) {
        if (n > reader_left(r) || n > RDB_STRING_MAX) return ERR_CORRUPT;
        *out = read_raw(r, (size_t)n);
        return OK;
    }
    switch (n) {
    case ENC_INT8: return read_int(r, (int8_t)read_u8(r), store, out);
    case ENC_INT16: return read_int(r, (int16_t)read_u16(r), store, out);
    case ENC_INT32: return read_int(r, (int32_t)read_u32(r), store, out);
    case ENC_LZF: return read_compressed(r, store, out);
    }
    return ERR_CORRUPT;
}

void rdb_skip_string(reader *r) {
    bool encoded;
    uint64_t n = read_len(r, &encoded);
    if (encoded) {
        switch (n) {
        case ENC_INT8: n = 1; break;
        case ENC_INT16: n = 2; break;
        case ENC_INT32: n = 4; break;
        case ENC_LZF:
            n = rdb_read_len(r);
            (void)rdb_read_len(r); /* what it unpacks to */
            break;
        default: r->bad = true;
        }
    }
    if (r->bad || n > reader_left(r)) r->bad = true;
    else (void)read_raw(r, (size_t)n);
}

double rdb_read_double(reader *r) {
    uint64_t bits = read_u64(r);
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

double rdb_read_double_text(reader *r) {
    uint8_t n = read_u8(r);
    double v = 0;
    if (n == 255) return -(double)INFINITY;
    if (n == 254) return (double)INFINITY;
    if (n == 253) r->bad = true; /* Not a number: no type has a use for it. */
    slice text = read_raw(r, r->bad ? 0 : n);
    if (r->bad || !num_parse_double(text, &v)) {
        r->bad = true;
        return 0;
    }
    return v;
}
