/* tpage.c -- a page of a hash table: find, put, delete, walk. The layout is in
 * tpage_internal.h.
 *
 * Invariants, walked by tpage_check():
 *  1. The entries, dead ones included, lie without gaps from the last bucket to the tail.
 *  2. Every live entry has exactly one slot, and every full slot names a live entry.
 *  3. The header's counts are what a walk finds.
 * And those that need hashes, walked by tpage_check_hashes():
 *  4. Every live entry is found by its key.
 *  5. `passed` of a bucket is the number of entries that live past it but come from it or
 *     before it.
 *
 * What was tried in thought and left: chains of overflow buckets (hostile pages could tie them
 * into rings), and 32-bit positions (15 slots in a line instead of 20). */
#include "types/tpage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "types/tpage_internal.h"

#define ENTRY_GUESS 48 /* bytes of an entry, when a page is made before any is known */

struct place { /* where a key's slot is */
    uint32_t bucket;
    uint32_t slot;
};

size_t tpage_min_bytes(void) { return 256; }

unsigned tpage__shift(size_t n) {
    unsigned shift = 0;
    while (n > (size_t)65536 * (8u << shift)) shift++;
    return shift;
}

void tpage__format(uint8_t *p, size_t n, uint32_t buckets) {
    assert(n <= PAGE_BYTES_MAX && buckets >= 1 && buckets <= UINT16_MAX);
    assert(n >= TPAGE_HEADER + (size_t)TPAGE_BUCKET * buckets);
    memset(p, 0, TPAGE_HEADER + (size_t)TPAGE_BUCKET * buckets);
    p[TPAGE_AT_FORMAT] = TPAGE_FORMAT;
    p[TPAGE_AT_SHIFT] = (uint8_t)tpage__shift(n);
    put_u16(p + TPAGE_AT_BUCKETS, (uint16_t)buckets);
    put_u32(p + TPAGE_AT_BYTES, (uint32_t)n);
    put_u32(p + TPAGE_AT_TAIL, tpage__first(p));
}

void tpage_init(uint8_t *p, size_t n) {
    assert(n >= tpage_min_bytes());
    size_t buckets = (n - TPAGE_HEADER) / (TPAGE_BUCKET + 16 * ENTRY_GUESS);
    tpage__format(p, n, buckets == 0 ? 1 : (uint32_t)buckets);
}

size_t tpage_count(const uint8_t *p) { return get_u32(p + TPAGE_AT_COUNT); }

size_t tpage_used(const uint8_t *p) { return tpage__first(p) + get_u32(p + TPAGE_AT_LIVE); }

size_t tpage_entry_bytes(size_t key_bytes, size_t val_bytes) {
    return (TPAGE_ENTRY + key_bytes + val_bytes + 63) & ~(size_t)63;
}

/* ---- looking ------------------------------------------------------------------------------ */

/* The entry's offset, and its slot at *at when that is not NULL. */
static inline uint32_t locate(const uint8_t *p, uint64_t hash, slice key, struct place *at) {
    uint32_t buckets = tpage__buckets(p);
    uint32_t b = tpage__home(hash, buckets);
    unsigned shift = 3u + p[TPAGE_AT_SHIFT];
    uint8_t tag = tpage__tag(hash);
    for (uint32_t seen = 0; seen < buckets; seen++) {
        const uint8_t *bucket = p + TPAGE_HEADER + TPAGE_BUCKET * b;
        uint32_t mask = tpage_tags_match(bucket, tag);
        while (mask != 0) {
            uint32_t slot = (uint32_t)__builtin_ctz(mask);
            mask &= mask - 1;
            uint32_t off = (uint32_t)get_u16(bucket + TPAGE_BUCKET_AT + 2 * slot) << shift;
            const uint8_t *e = p + off;
            if (tpage__klen(e) != key.n || memcmp(e + TPAGE_ENTRY, key.p, key.n) != 0) continue;
            if (at != NULL) *at = (struct place){b, slot};
            return off;
        }
        if (get_u16(bucket + TPAGE_BUCKET_PASSED) == 0) return TPAGE_NONE;
        if (++b == buckets) b = 0;
    }
    return TPAGE_NONE;
}

uint32_t tpage_find(const uint8_t *p, uint64_t hash, slice key) {
    if (key.p == NULL) key = SLICE("");
    return locate(p, hash, key, NULL);
}

slice tpage_key(const uint8_t *p, uint32_t off) {
    return slice_make(p + off + TPAGE_ENTRY, tpage__klen(p + off));
}

slice tpage_val(const uint8_t *p, uint32_t off) {
    const uint8_t *e = p + off;
    return slice_make(e + TPAGE_ENTRY + tpage__klen(e), tpage__vlen(e));
}

bool tpage_marked(const uint8_t *p, uint32_t off) { return tpage__marked(p + off); }

void tpage_mark(uint8_t *p, uint32_t off) { p[off + 4] |= TPAGE_MARK; }

uint8_t *tpage_val_touch(uint8_t *p, uint32_t off) {
    return p + off + TPAGE_ENTRY + tpage__klen(p + off);
}

uint8_t *tpage_val_mut(uint8_t *p, uint32_t off) {
    uint8_t *e = p + off;
    if (!(e[5] & TPAGE_CHANGED)) {
        e[5] |= TPAGE_CHANGED;
        tpage__add(p, TPAGE_AT_DELTA, tpage__record(e));
    }
    return tpage_val_touch(p, off);
}

void tpage_prefetch(const uint8_t *p, uint64_t hash) {
    __builtin_prefetch(p + TPAGE_HEADER + TPAGE_BUCKET * tpage__home(hash, tpage__buckets(p)));
}

void tpage_prefetch_entry(const uint8_t *p, uint64_t hash) {
    const uint8_t *bucket = p + TPAGE_HEADER + TPAGE_BUCKET * tpage__home(hash, tpage__buckets(p));
    uint32_t mask = tpage_tags_match(bucket, tpage__tag(hash));
    if (mask == 0) return; /* Absent, or turned away to the next bucket: rare. */
    uint32_t slot = (uint32_t)__builtin_ctz(mask);
    const uint8_t *e = p + ((size_t)get_u16(bucket + TPAGE_BUCKET_AT + 2 * slot)
                            << (3u + p[TPAGE_AT_SHIFT]));
    __builtin_prefetch(e);
    __builtin_prefetch(e + 64); /* An entry of common size spans two lines. */
}

uint32_t tpage_next(const uint8_t *p, uint32_t off) {
    uint32_t unit = tpage__unit(p), tail = tpage__tail(p);
    off = off == 0 ? tpage__first(p) : off + tpage__extent(p + off, unit);
    while (off < tail && (p[off + 5] & (TPAGE_DEAD | TPAGE_TOMB)))
        off += tpage__extent(p + off, unit);
    return off < tail ? off : TPAGE_NONE;
}

/* ---- slots -------------------------------------------------------------------------------- */

/* Gives an entry a slot. There is one: the callers keep the count under tpage__count_max(). */
static void file_entry(uint8_t *p, uint64_t hash, uint32_t off) {
    uint32_t buckets = tpage__buckets(p);
    uint32_t b = tpage__home(hash, buckets);
    for (uint32_t seen = 0; seen < buckets; seen++) {
        uint8_t *bucket = p + TPAGE_HEADER + TPAGE_BUCKET * b;
        uint32_t empty = tpage_tags_match(bucket, 0);
        if (empty != 0) {
            uint32_t slot = (uint32_t)__builtin_ctz(empty);
            bucket[slot] = tpage__tag(hash);
            put_u16(bucket + TPAGE_BUCKET_AT + 2 * slot,
                    (uint16_t)(off >> (3u + p[TPAGE_AT_SHIFT])));
            return;
        }
        uint16_t passed = get_u16(bucket + TPAGE_BUCKET_PASSED);
        if (passed != UINT16_MAX) put_u16(bucket + TPAGE_BUCKET_PASSED, (uint16_t)(passed + 1));
        if (++b == buckets) b = 0;
    }
    abort(); /* The counts that tpage_check() compared were changed by somebody else. */
}

static void unfile_entry(uint8_t *p, uint64_t hash, struct place at) {
    uint32_t buckets = tpage__buckets(p);
    for (uint32_t b = tpage__home(hash, buckets); b != at.bucket; b = b + 1 == buckets ? 0 : b + 1) {
        uint8_t *passed = p + TPAGE_HEADER + TPAGE_BUCKET * b + TPAGE_BUCKET_PASSED;
        uint16_t n = get_u16(passed);
        /* A counter that once reached its end stays there: longer searches, never wrong ones. */
        if (n != 0 && n != UINT16_MAX) put_u16(passed, (uint16_t)(n - 1));
    }
    uint8_t *bucket = p + TPAGE_HEADER + TPAGE_BUCKET * at.bucket;
    bucket[at.slot] = 0;
    put_u16(bucket + TPAGE_BUCKET_AT + 2 * at.slot, 0);
}

/* ---- changing ----------------------------------------------------------------------------- */

void tpage__fill(uint8_t *p, uint32_t off, uint32_t bytes) {
    assert(bytes % tpage__unit(p) == 0 && bytes <= TPAGE_VAL_MAX);
    if (bytes == 0) return;
    uint8_t *e = p + off;
    put_u16(e, 0);
    tpage__set_vlen(e, bytes - TPAGE_ENTRY);
    tpage__set_flags(e, TPAGE_DEAD, 0);
}

void tpage__bury(uint8_t *p, uint32_t off, uint32_t extent) {
    if (off + extent == tpage__tail(p))
        put_u32(p + TPAGE_AT_TAIL, off);
    else
        tpage__fill(p, off, extent);
}

uint32_t tpage__append(uint8_t *p, uint64_t hash, slice key, uint32_t vlen, unsigned flags,
                       uint32_t slack) {
    uint32_t off = tpage__tail(p), unit = tpage__unit(p);
    uint8_t *e = p + off;
    put_u16(e, (uint16_t)key.n);
    tpage__set_vlen(e, vlen);
    tpage__set_flags(e, flags, slack);
    if (key.n != 0) memcpy(e + TPAGE_ENTRY, key.p, key.n);
    uint32_t extent = tpage__extent(e, unit);
    assert(tpage__bytes(p) - off >= extent);
    put_u32(p + TPAGE_AT_TAIL, off + extent);
    if (flags & TPAGE_TOMB) {
        tpage__add(p, TPAGE_AT_TOMBS, 1);
    } else {
        file_entry(p, hash, off);
        tpage__add(p, TPAGE_AT_COUNT, 1);
        tpage__add(p, TPAGE_AT_LIVE, extent);
    }
    if (flags & (TPAGE_CHANGED | TPAGE_TOMB)) tpage__add(p, TPAGE_AT_DELTA, tpage__record(e));
    return off;
}

/* Gives the value n bytes where it stands, when its extent, or the free bytes behind it,
 * suffice. */
static bool resize_in_place(uint8_t *p, uint32_t off, uint32_t n) {
    uint8_t *e = p + off;
    uint32_t unit = tpage__unit(p);
    uint32_t had = tpage__extent(e, unit);
    uint32_t need = tpage__round(TPAGE_ENTRY + tpage__klen(e) + n, unit);
    bool last = off + had == tpage__tail(p);
    if (need > had && !(last && tpage__bytes(p) - off >= need)) return false;
    if (e[5] & TPAGE_CHANGED) tpage__sub(p, TPAGE_AT_DELTA, tpage__record(e));
    unsigned flags = tpage__flags(e) | TPAGE_CHANGED;
    uint32_t slack = need >= had || last ? 0 : (had - need) / unit;
    if (slack > TPAGE_SLACK_MAX) slack = TPAGE_SLACK_MAX;
    tpage__set_vlen(e, n);
    tpage__set_flags(e, flags, slack);
    uint32_t has = need + slack * unit;
    if (last)
        put_u32(p + TPAGE_AT_TAIL, off + has);
    else
        tpage__fill(p, off + has, had - has);
    tpage__add(p, TPAGE_AT_LIVE, has - had);
    tpage__add(p, TPAGE_AT_DELTA, tpage__record(e));
    return true;
}

/* Moves an entry that has outgrown its place to the tail, with slack for the next time. */
static int move_to_tail(uint8_t *p, uint32_t *off, struct place at, uint32_t n) {
    uint32_t unit = tpage__unit(p), tail = tpage__tail(p), free = tpage__bytes(p) - tail;
    uint8_t *old = p + *off, *e = p + tail;
    uint32_t klen = tpage__klen(old), had = tpage__extent(old, unit);
    uint32_t need = tpage__round(TPAGE_ENTRY + klen + n, unit);
    if (need > free) return ERR_LIMIT;
    uint32_t slack = need / unit / 8;
    if (slack > TPAGE_SLACK_MAX) slack = TPAGE_SLACK_MAX;
    if (need + slack * unit > free) slack = 0;
    if (old[5] & TPAGE_CHANGED) tpage__sub(p, TPAGE_AT_DELTA, tpage__record(old));
    memcpy(e, old, TPAGE_ENTRY + klen);
    tpage__set_vlen(e, n);
    tpage__set_flags(e, tpage__flags(old) | TPAGE_CHANGED, slack);
    put_u32(p + TPAGE_AT_TAIL, tail + need + slack * unit);
    put_u16(p + TPAGE_HEADER + TPAGE_BUCKET * at.bucket + TPAGE_BUCKET_AT + 2 * at.slot,
            (uint16_t)(tail >> (3u + p[TPAGE_AT_SHIFT])));
    tpage__add(p, TPAGE_AT_LIVE, need + slack * unit - had);
    tpage__add(p, TPAGE_AT_DELTA, tpage__record(e));
    tpage__bury(p, *off, had);
    *off = tail;
    return OK;
}

int tpage_put(uint8_t *p, uint64_t hash, slice key, size_t n, uint32_t *off, bool *added) {
    if (key.p == NULL) key = SLICE("");
    if (key.n > KEY_BYTES_MAX || n > tpage__bytes(p)) return ERR_LIMIT;
    struct place at = {0, 0};
    uint32_t found = locate(p, hash, key, &at);
    if (found != TPAGE_NONE) {
        *added = false;
        *off = found;
        if (resize_in_place(p, found, (uint32_t)n)) return OK;
        return move_to_tail(p, off, at, (uint32_t)n);
    }
    uint32_t need = tpage__round(TPAGE_ENTRY + (uint32_t)key.n + (uint32_t)n, tpage__unit(p));
    if (need > tpage__bytes(p) - tpage__tail(p)) return ERR_LIMIT;
    if (tpage_count(p) >= tpage__count_max(tpage__buckets(p))) return ERR_LIMIT;
    *added = true;
    *off = tpage__append(p, hash, key, (uint32_t)n, TPAGE_CHANGED, 0);
    return OK;
}

bool tpage_del(uint8_t *p, uint64_t hash, slice key) {
    if (key.p == NULL) key = SLICE("");
    struct place at = {0, 0};
    uint32_t off = locate(p, hash, key, &at);
    if (off == TPAGE_NONE) return false;
    uint8_t *e = p + off;
    uint32_t unit = tpage__unit(p), extent = tpage__extent(e, unit);
    unfile_entry(p, hash, at);
    tpage__sub(p, TPAGE_AT_COUNT, 1);
    tpage__sub(p, TPAGE_AT_LIVE, extent);
    if (e[5] & TPAGE_CHANGED) tpage__sub(p, TPAGE_AT_DELTA, tpage__record(e));
    if (!(e[5] & TPAGE_INBASE)) {
        tpage__bury(p, off, extent);
        return true;
    }
    /* The key stays for the delta, the value's bytes do not. A key that is put again lives beside
     * its tombstone: in a delta the removals come first. */
    tpage__set_vlen(e, 0);
    tpage__set_flags(e, TPAGE_TOMB, 0);
    tpage__add(p, TPAGE_AT_TOMBS, 1);
    tpage__add(p, TPAGE_AT_DELTA, tpage__record(e));
    uint32_t has = tpage__extent(e, unit);
    if (has != extent) tpage__bury(p, off + has, extent - has);
    return true;
}
