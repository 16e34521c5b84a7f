/* tpage_check.c -- is this run of bytes a table page? What passes may be read and changed by
 * every function of tpage.h without a look outside of it.
 *
 * What it does not know is the hash, so an entry may stand in a bucket where it is not found:
 * wrong, not dangerous; tpage_check_hashes() finds that. */
#include <assert.h>
#include <string.h>

#include "types/tpage_internal.h"

#define UNITS_MAX 65536

struct walk { /* what a walk over the entries finds */
    uint32_t count, live, tombs, delta;
};

static bool header_ok(slice page) {
    const uint8_t *p = page.p;
    if (page.n < TPAGE_HEADER + TPAGE_BUCKET || page.n > PAGE_BYTES_MAX) return false;
    if (p[TPAGE_AT_FORMAT] != TPAGE_FORMAT || tpage__bytes(p) != page.n) return false;
    if (p[TPAGE_AT_SHIFT] != tpage__shift(page.n) || p[TPAGE_AT_BASE] > 1) return false;
    for (unsigned i = TPAGE_AT_BASE + 1; i < TPAGE_HEADER; i++)
        if (p[i] != 0) return false;
    uint32_t buckets = tpage__buckets(p);
    if (buckets == 0 || tpage__first(p) > page.n) return false;
    uint32_t tail = tpage__tail(p);
    return tail >= tpage__first(p) && tail <= page.n && tail % tpage__unit(p) == 0;
}

static bool flags_ok(const uint8_t *p, const uint8_t *e) {
    unsigned flags = tpage__flags(e);
    if ((flags & (TPAGE_DEAD | TPAGE_TOMB)) && tpage__marked(e)) return false;
    if (flags & TPAGE_DEAD) return flags == TPAGE_DEAD;
    if (flags & TPAGE_TOMB) return flags == TPAGE_TOMB && tpage__vlen(e) == 0 && p[TPAGE_AT_BASE];
    if (!p[TPAGE_AT_BASE]) return flags == TPAGE_CHANGED;
    return flags & (TPAGE_CHANGED | TPAGE_INBASE);
}

/* Walks the entries, and sets the bit of every unit where a live one starts. */
static bool entries_ok(const uint8_t *p, uint64_t *starts, struct walk *w) {
    uint32_t unit = tpage__unit(p), tail = tpage__tail(p);
    uint32_t off = tpage__first(p);
    while (off < tail) {
        const uint8_t *e = p + off;
        uint32_t extent = tpage__extent(e, unit); /* a unit is longer than an entry's head */
        if (extent > tail - off || !flags_ok(p, e)) return false;
        if (tpage__flags(e) & TPAGE_TOMB) w->tombs++;
        if (!(tpage__flags(e) & (TPAGE_TOMB | TPAGE_DEAD))) {
            w->count++;
            w->live += extent;
            uint32_t at = off / unit;
            starts[at / 64] |= (uint64_t)1 << at % 64;
        }
        if (tpage__flags(e) & (TPAGE_TOMB | TPAGE_CHANGED)) w->delta += tpage__record(e);
        off += extent;
    }
    return true;
}

/* Every full slot names a live entry that no other names. */
static bool slots_ok(const uint8_t *p, uint64_t *starts, uint32_t count) {
    uint32_t buckets = tpage__buckets(p), full = 0;
    for (uint32_t b = 0; b < buckets; b++) {
        const uint8_t *bucket = p + TPAGE_HEADER + TPAGE_BUCKET * b;
        if (get_u16(bucket + TPAGE_BUCKET_PASSED + 2) != 0) return false;
        for (unsigned i = 0; i < TPAGE_SLOTS; i++) {
            uint32_t at = get_u16(bucket + TPAGE_BUCKET_AT + 2 * i);
            if (bucket[i] == 0) {
                if (at != 0) return false;
                continue;
            }
            uint64_t bit = (uint64_t)1 << at % 64;
            if (!(starts[at / 64] & bit)) return false;
            starts[at / 64] &= ~bit;
            full++;
        }
    }
    return full == count;
}

int tpage_check(slice page) {
    if (!header_ok(page)) return ERR_CORRUPT;
    const uint8_t *p = page.p;
    uint64_t starts[UNITS_MAX / 64];
    memset(starts, 0, sizeof(starts));
    struct walk w = {0, 0, 0, 0};
    if (!entries_ok(p, starts, &w)) return ERR_CORRUPT;
    if (w.count != tpage_count(p) || w.live != get_u32(p + TPAGE_AT_LIVE) ||
        w.tombs != get_u32(p + TPAGE_AT_TOMBS) || w.delta != get_u32(p + TPAGE_AT_DELTA))
        return ERR_CORRUPT;
    if (w.count > tpage__count_max(tpage__buckets(p))) return ERR_CORRUPT;
    return slots_ok(p, starts, w.count) ? OK : ERR_CORRUPT;
}

/* How many live entries come from bucket b or before it but live past it, by the slots. */
static int passed_ok(const uint8_t *p, tpage_hash_fn *hash, void *cookie) {
    uint32_t buckets = tpage__buckets(p), sum = 0, want = 0;
    for (uint32_t b = 0; b < buckets; b++) {
        const uint8_t *bucket = p + TPAGE_HEADER + TPAGE_BUCKET * b;
        uint32_t passed = get_u16(bucket + TPAGE_BUCKET_PASSED);
        if (passed == UINT16_MAX) return OK; /* It counts no more. */
        sum += passed;
        for (unsigned i = 0; i < TPAGE_SLOTS; i++) {
            if (bucket[i] == 0) continue;
            uint32_t off = get_u16(bucket + TPAGE_BUCKET_AT + 2 * i) * tpage__unit(p);
            uint32_t home = tpage__home(hash(cookie, tpage_key(p, off)), buckets);
            want += b >= home ? b - home : b + buckets - home;
        }
    }
    return sum == want ? OK : ERR_CORRUPT;
}

int tpage_check_hashes(const uint8_t *p, tpage_hash_fn *hash, void *cookie) {
    for (uint32_t off = tpage_next(p, 0); off != TPAGE_NONE; off = tpage_next(p, off)) {
        slice key = tpage_key(p, off);
        if (tpage_find(p, hash(cookie, key), key) != off) return ERR_CORRUPT;
    }
    return passed_ok(p, hash, cookie);
}
