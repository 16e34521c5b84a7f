/* tpage_internal.h -- the layout of a table page, shared by tpage.c, tpage_check.c and
 * tpage_build.c.
 *
 *     0          64                   64 + 64 * buckets         tail        n
 *     | header   | bucket | bucket |..| entry | entry | entry...| free      |
 *
 *     bucket   20 tags (0: empty slot), 20 u16 positions, u16 passed, 2 bytes zero
 *     entry    u16 key bytes, u24 mark and value bytes, u8 flags and slack, key, value, slack
 *
 * Positions count units: 8 bytes in a page up to 512 KiB, and up to 64 bytes in one of 4 MiB, so
 * that 16 bits always suffice. An entry takes whole units. What stood where an entry has moved
 * away is a dead entry: the walk steps over it, and the next rebuild leaves it out.
 *
 * A key lives in the first bucket from its home one that had a free slot; `passed` counts the
 * entries that were turned away at a bucket, so that a search ends at the first bucket where
 * nobody was. (Chains of overflow buckets would be one more thing to check in hostile bytes.) */
#ifndef COVE_TYPES_TPAGE_INTERNAL_H
#define COVE_TYPES_TPAGE_INTERNAL_H

#include "base/limits.h"
#include "types/tpage.h"
#include "types/tpage_tags.h"

#define TPAGE_FORMAT 1

/* The header's fields. */
#define TPAGE_AT_FORMAT 0  /* u8 */
#define TPAGE_AT_SHIFT 1   /* u8: a unit is 8 << shift bytes */
#define TPAGE_AT_BUCKETS 2 /* u16 */
#define TPAGE_AT_BYTES 4   /* u32: of the page */
#define TPAGE_AT_TAIL 8    /* u32: where the free bytes begin */
#define TPAGE_AT_COUNT 12  /* u32: live entries */
#define TPAGE_AT_LIVE 16   /* u32: their bytes */
#define TPAGE_AT_TOMBS 20  /* u32: tombstones */
#define TPAGE_AT_DELTA 24  /* u32: an upper bound of the records of a delta */
#define TPAGE_AT_BASE 28   /* u8: 1 when the page has a base */
#define TPAGE_HEADER 64

#define TPAGE_BUCKET 64
#define TPAGE_BUCKET_AT 20     /* the positions */
#define TPAGE_BUCKET_PASSED 60 /* u16 */

#define TPAGE_ENTRY 6 /* bytes of an entry before its key */
#define TPAGE_VAL_MAX 0x7FFFFFu
#define TPAGE_MARK 0x80u /* in the top byte of the value's length: see tpage_mark() */

#define TPAGE_CHANGED 1u /* differs from the base, or is not in it */
#define TPAGE_TOMB 2u    /* removed since the base; has a key and no value */
#define TPAGE_DEAD 4u    /* garbage */
#define TPAGE_INBASE 8u  /* the base has this key */
#define TPAGE_SLACK_SHIFT 4 /* the high bits: units of slack */
#define TPAGE_SLACK_MAX 15u

/* In a delta a record costs at most this beside its key and value. */
#define TPAGE_RECORD 7
#define TPAGE_DELTA_HEADER 11

static inline uint32_t tpage__unit(const uint8_t *p) { return 8u << p[TPAGE_AT_SHIFT]; }
static inline uint32_t tpage__buckets(const uint8_t *p) { return get_u16(p + TPAGE_AT_BUCKETS); }
static inline uint32_t tpage__bytes(const uint8_t *p) { return get_u32(p + TPAGE_AT_BYTES); }
static inline uint32_t tpage__tail(const uint8_t *p) { return get_u32(p + TPAGE_AT_TAIL); }
static inline uint32_t tpage__first(const uint8_t *p) {
    return TPAGE_HEADER + TPAGE_BUCKET * tpage__buckets(p);
}
static inline void tpage__add(uint8_t *p, unsigned field, uint32_t by) {
    put_u32(p + field, get_u32(p + field) + by);
}
static inline void tpage__sub(uint8_t *p, unsigned field, uint32_t by) {
    put_u32(p + field, get_u32(p + field) - by);
}

static inline uint32_t tpage__klen(const uint8_t *e) { return get_u16(e); }
static inline uint32_t tpage__vlen(const uint8_t *e) {
    return (uint32_t)get_u16(e + 2) | (uint32_t)(e[4] & (TPAGE_MARK - 1)) << 16;
}
static inline bool tpage__marked(const uint8_t *e) { return (e[4] & TPAGE_MARK) != 0; }
static inline uint8_t tpage__flags(const uint8_t *e) { return e[5] & 0xF; }
static inline uint32_t tpage__slack(const uint8_t *e) { return e[5] >> TPAGE_SLACK_SHIFT; }
static inline void tpage__set_vlen(uint8_t *e, uint32_t n) { /* and no mark */
    put_u16(e + 2, (uint16_t)n);
    e[4] = (uint8_t)(n >> 16);
}
static inline void tpage__set_flags(uint8_t *e, unsigned flags, uint32_t slack) {
    e[5] = (uint8_t)(flags | slack << TPAGE_SLACK_SHIFT);
}
static inline uint32_t tpage__round(uint32_t bytes, uint32_t unit) {
    return (bytes + unit - 1) & ~(unit - 1);
}
/* The bytes from this entry to the next. */
static inline uint32_t tpage__extent(const uint8_t *e, uint32_t unit) {
    return tpage__round(TPAGE_ENTRY + tpage__klen(e) + tpage__vlen(e), unit) +
           tpage__slack(e) * unit;
}
static inline uint32_t tpage__record(const uint8_t *e) {
    return TPAGE_RECORD + tpage__klen(e) + tpage__vlen(e);
}

static inline uint8_t tpage__tag(uint64_t hash) {
    uint8_t tag = (uint8_t)hash;
    return tag == 0 ? 1 : tag;
}
/* Any number of buckets, not only powers of two: so the load can be what we want. */
static inline uint32_t tpage__home(uint64_t hash, uint32_t buckets) {
    return (uint32_t)(((hash >> 8 & 0xFFFFFF) * buckets) >> 24);
}
static inline uint32_t tpage__count_max(uint32_t buckets) {
    return buckets == 1 ? TPAGE_SLOTS : buckets * (TPAGE_SLOTS - 2);
}

/* An empty page with this many buckets. */
void tpage__format(uint8_t *p, size_t n, uint32_t buckets);
/* The unit (as a shift) that a page of n bytes needs. */
unsigned tpage__shift(size_t n);
/* Appends an entry whose key is known to be new, without its value, and files it. The caller has
 * made sure of the room. */
uint32_t tpage__append(uint8_t *p, uint64_t hash, slice key, uint32_t vlen, unsigned flags,
                       uint32_t slack);
/* Makes a live or removed entry garbage of the same extent. */
void tpage__bury(uint8_t *p, uint32_t off, uint32_t extent);
/* Turns the tail into one dead entry or more of `bytes`. */
void tpage__fill(uint8_t *p, uint32_t off, uint32_t bytes);

#endif
