/* tpage_build.c -- table pages made anew: compact copies, halves, and base plus delta.
 *
 *     delta    u8 format, varint removals, varint changes,
 *              removal: varint key bytes, key
 *              change:  varint key bytes, varint value bytes, key, value
 *
 * Removals come first: a key that was removed and then put again is in both lists. A delta with a
 * marked entry has the second format: the value bytes are doubled, and 1 more where it is marked. */
#include <assert.h>
#include <string.h>

#include "types/tpage_internal.h"

#define DELTA_FORMAT 1
#define DELTA_FORMAT_MARKS 2
#define LOAD 16 /* slots of a bucket that a new page means to fill */

struct shape { /* of a page to be made */
    size_t bytes;
    uint32_t buckets;
};

struct taken { /* the entries that go into it */
    uint32_t count, tombs;
    size_t bytes[4]; /* live and removed ones, in whole units of each size */
};

static bool takes(const uint8_t *p, uint32_t off, tpage_hash_fn *hash, void *cookie, int side,
                  unsigned bit, uint64_t *h) {
    *h = hash(cookie, tpage_key(p, off));
    return side < 0 || (int)(*h >> (63 - bit) & 1) == side;
}

/* The size of a page for what was taken and `room` bytes more. */
static struct shape shape_for(const struct taken *t, size_t room) {
    size_t average = t->count == 0 ? 48 : t->bytes[0] / (t->count + t->tombs);
    size_t more = room / average;
    if (more > t->count + LOAD) more = t->count + LOAD; /* The room is for one huge entry. */
    size_t count = t->count + more + 1;
    size_t buckets = (count + LOAD - 1) / LOAD;
    if (buckets > UINT16_MAX) buckets = UINT16_MAX;
    struct shape s = {0, (uint32_t)buckets};
    for (unsigned shift = 0; shift < 4; shift++) {
        s.bytes = TPAGE_HEADER + TPAGE_BUCKET * buckets + t->bytes[shift] + room;
        s.bytes = (s.bytes + 63) & ~(size_t)63;
        if (tpage__shift(s.bytes) <= shift) break;
    }
    return s;
}

static void measure(const uint8_t *p, tpage_hash_fn *hash, void *cookie, int side, unsigned bit,
                    bool marks, struct taken *t) {
    uint32_t unit = tpage__unit(p), tail = tpage__tail(p);
    for (uint32_t off = tpage__first(p); off < tail; off += tpage__extent(p + off, unit)) {
        const uint8_t *e = p + off;
        uint64_t h;
        if (tpage__flags(e) & TPAGE_DEAD) continue;
        if ((tpage__flags(e) & TPAGE_TOMB) && !marks) continue;
        if (side >= 0 && !takes(p, off, hash, cookie, side, bit, &h)) continue;
        if (tpage__flags(e) & TPAGE_TOMB) t->tombs++;
        else t->count++;
        for (unsigned i = 0; i < 4; i++)
            t->bytes[i] += tpage__round(TPAGE_ENTRY + tpage__klen(e) + tpage__vlen(e), 8u << i);
    }
}

size_t tpage_rebuilt_bytes(const uint8_t *p, size_t room) {
    struct taken t = {0, 0, {0, 0, 0, 0}};
    measure(p, NULL, NULL, -1, 0, true, &t);
    return shape_for(&t, room).bytes;
}

void tpage_rebuild(const uint8_t *p, size_t room, tpage_hash_fn *hash, void *cookie, int side,
                   unsigned bit, bool clean, buf *out) {
    bool marks = side < 0 && !clean;
    struct taken t = {0, 0, {0, 0, 0, 0}};
    measure(p, hash, cookie, side, bit, marks, &t);
    struct shape s = shape_for(&t, room);
    out->n = 0;
    buf_reserve(out, s.bytes);
    memset(out->p, 0, s.bytes);
    out->n = s.bytes;
    uint8_t *to = out->p;
    tpage__format(to, s.bytes, s.buckets);
    if (marks) to[TPAGE_AT_BASE] = p[TPAGE_AT_BASE];
    uint32_t unit = tpage__unit(p), tail = tpage__tail(p);
    for (uint32_t off = tpage__first(p); off < tail; off += tpage__extent(p + off, unit)) {
        const uint8_t *e = p + off;
        uint64_t h;
        unsigned flags = tpage__flags(e);
        if (flags & TPAGE_DEAD || ((flags & TPAGE_TOMB) && !marks)) continue;
        if (!takes(p, off, hash, cookie, side, bit, &h)) continue;
        slice val = tpage_val(p, off);
        uint32_t at = tpage__append(to, h, tpage_key(p, off), (uint32_t)val.n,
                                    marks ? flags : TPAGE_CHANGED, 0);
        if (val.n != 0) memcpy(tpage_val_touch(to, at), val.p, val.n);
        if (tpage__marked(e)) tpage_mark(to, at);
    }
}

/* ---- base and delta ----------------------------------------------------------------------- */

size_t tpage_delta_bytes(const uint8_t *p) {
    return TPAGE_DELTA_HEADER + get_u32(p + TPAGE_AT_DELTA);
}

static uint32_t count_changed(const uint8_t *p, bool *marks) {
    uint32_t count = 0;
    *marks = false;
    for (uint32_t off = tpage_next(p, 0); off != TPAGE_NONE; off = tpage_next(p, off)) {
        if (!(p[off + 5] & TPAGE_CHANGED)) continue;
        count++;
        *marks |= tpage__marked(p + off);
    }
    return count;
}

void tpage_delta(const uint8_t *p, buf *out) {
    size_t start = out->n;
    bool marks;
    uint32_t changed = count_changed(p, &marks);
    buf_reserve(out, tpage_delta_bytes(p));
    buf_u8(out, marks ? DELTA_FORMAT_MARKS : DELTA_FORMAT);
    buf_varint(out, get_u32(p + TPAGE_AT_TOMBS));
    buf_varint(out, changed);
    uint32_t unit = tpage__unit(p), tail = tpage__tail(p);
    for (uint32_t off = tpage__first(p); off < tail; off += tpage__extent(p + off, unit))
        if (tpage__flags(p + off) & TPAGE_TOMB) buf_bytes(out, tpage_key(p, off));
    for (uint32_t off = tpage_next(p, 0); off != TPAGE_NONE; off = tpage_next(p, off)) {
        if (!(p[off + 5] & TPAGE_CHANGED)) continue;
        slice key = tpage_key(p, off), val = tpage_val(p, off);
        buf_varint(out, key.n);
        buf_varint(out, marks ? val.n << 1 | tpage__marked(p + off) : val.n);
        buf_append_slice(out, key);
        buf_append_slice(out, val);
    }
    assert(out->n - start <= tpage_delta_bytes(p));
}

void tpage_set_base(uint8_t *p) {
    uint32_t unit = tpage__unit(p), tail = tpage__tail(p);
    for (uint32_t off = tpage__first(p); off < tail; off += tpage__extent(p + off, unit)) {
        uint8_t *e = p + off;
        if (tpage__flags(e) & TPAGE_DEAD) continue;
        unsigned flags = tpage__flags(e) & TPAGE_TOMB ? TPAGE_DEAD : TPAGE_INBASE;
        tpage__set_flags(e, flags, tpage__slack(e));
    }
    put_u32(p + TPAGE_AT_TOMBS, 0);
    put_u32(p + TPAGE_AT_DELTA, 0);
    p[TPAGE_AT_BASE] = 1;
}

/* Puts one changed entry, making the page in *out larger when it has to be. */
static int merge_put(buf *out, slice key, slice val, bool marked, uint64_t h, tpage_hash_fn *hash,
                     void *cookie) {
    uint32_t off;
    bool added;
    int rc = tpage_put(out->p, h, key, val.n, &off, &added);
    if (rc == ERR_LIMIT) {
        size_t room = tpage_entry_bytes(key.n, val.n) + tpage_used(out->p) / 4;
        if (tpage_rebuilt_bytes(out->p, room) > PAGE_BYTES_MAX) return ERR_CORRUPT;
        buf larger = BUF_INIT;
        tpage_rebuild(out->p, room, hash, cookie, -1, 0, false, &larger);
        buf_free(out);
        *out = larger;
        rc = tpage_put(out->p, h, key, val.n, &off, &added);
        assert(rc == OK);
    }
    if (rc == OK && val.n != 0) memcpy(tpage_val_mut(out->p, off), val.p, val.n);
    if (rc == OK && marked) tpage_mark(out->p, off);
    return rc;
}

int tpage_merge(slice base, slice delta, tpage_hash_fn *hash, void *cookie, buf *out) {
    if (tpage_check(base) != OK) return ERR_CORRUPT;
    if (tpage_rebuilt_bytes(base.p, delta.n) > PAGE_BYTES_MAX) return ERR_CORRUPT;
    tpage_rebuild(base.p, delta.n, hash, cookie, -1, 0, true, out);
    tpage_set_base(out->p);
    if (delta.n == 0) return OK;
    reader r = reader_make(delta);
    uint8_t format = read_u8(&r);
    bool marks = format == DELTA_FORMAT_MARKS;
    if (!marks && format != DELTA_FORMAT) return ERR_CORRUPT;
    uint64_t removals = read_varint(&r), changes = read_varint(&r);
    /* Each takes at least one byte, so the loops end with the delta. */
    if (r.bad || removals > delta.n || changes > delta.n) return ERR_CORRUPT;
    for (uint64_t i = 0; i < removals; i++) {
        slice key = read_bytes(&r);
        if (r.bad || !tpage_del(out->p, hash(cookie, key), key)) return ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < changes; i++) {
        uint64_t klen = read_varint(&r), vlen = read_varint(&r);
        bool marked = marks && (vlen & 1);
        if (marks) vlen >>= 1;
        if (r.bad || klen > KEY_BYTES_MAX || vlen > reader_left(&r)) return ERR_CORRUPT;
        slice key = read_raw(&r, (size_t)klen), val = read_raw(&r, (size_t)vlen);
        if (r.bad) return ERR_CORRUPT;
        int rc = merge_put(out, key, val, marked, hash(cookie, key), hash, cookie);
        if (rc != OK) return rc;
    }
    return reader_left(&r) == 0 ? OK : ERR_CORRUPT;
}
