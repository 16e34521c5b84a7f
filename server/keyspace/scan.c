/* scan.c -- walks in hash order: SCAN's cursor, and a random key.
 *
 * A cursor is the top 48 bits of the next hash: small enough that every client's numbers
 * hold it, and independent of how pages split, join, leave memory and come back. Entries
 * whose hashes share those bits lie in one page (HASH_DEPTH_MAX) and are answered
 * together. */
#include "keyspace/keyspace_internal.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

#define CURSOR_SHIFT 16
/* Cold pages asked for at once: a scan from S3 takes one round for them. */
#define READ_AHEAD_MAX 16
#define KEYS_PER_PAGE 64 /* A guess, to see how many pages a count may need. */
#define RANDOM_TRIES 64

struct found {
    uint64_t hash;
    uint32_t off;
};

_Static_assert(64 - CURSOR_SHIFT >= HASH_DEPTH_MAX, "what shares a cursor shares a page");

/* The hashes that a part at this depth spans. */
static void range_of(uint64_t hash, unsigned depth, uint64_t *from, uint64_t *to) {
    uint64_t rest = depth == 0 ? UINT64_MAX : UINT64_MAX >> depth;
    if (depth >= 64) rest = 0;
    *from = hash & ~rest;
    *to = hash | rest;
}

/* Any part, also a cold one; ERR_COLD: a cold node. */
static int covering(db *d, uint64_t hash, part **p, uint64_t *from, uint64_t *to) {
    int rc = trie_find(&d->dir, hash, p);
    if (rc == ERR_NOTFOUND) return rc;
    range_of(hash, (*p)->depth, from, to);
    return rc;
}

int scan__page(keyspace *ks, db *d, uint64_t hash, part **page, uint64_t *from,
               uint64_t *to) {
    int rc = covering(d, hash, page, from, to);
    if (rc == ERR_NOTFOUND) {
        *page = NULL;
        *from = 0;
        *to = UINT64_MAX;
        if (d->pending == 0) return rc;
        rc = pending__resolve_range(ks, d, *from, *to);
        if (rc != OK) return rc;
        rc = covering(d, hash, page, from, to);
        if (rc == ERR_NOTFOUND) return rc;
    }
    if (rc == ERR_COLD || (*page)->blob == NULL) return ks__want(ks, *page, NULL);
    if (d->pending != 0) {
        rc = pending__resolve_range(ks, d, *from, *to);
        if (rc != OK) return rc;
        rc = covering(d, hash, page, from, to); /* It may have been split or cloned. */
        if (rc != OK) return rc;
        assert((*page)->blob != NULL);
    }
    part__seen(ks, *page);
    return OK;
}

/* Asks for the cold pages that follow, too. */
static void read_ahead(keyspace *ks, db *d, uint64_t hash, size_t count) {
    size_t pages = count / KEYS_PER_PAGE;
    if (pages > READ_AHEAD_MAX) pages = READ_AHEAD_MAX;
    for (size_t i = 0; i < pages && hash != 0; i++) {
        part *p;
        uint64_t from, to;
        int rc = covering(d, hash, &p, &from, &to);
        if (rc == ERR_NOTFOUND) return;
        if (part_is_cold(p)) (void)ks__want(ks, p, NULL); /* Always ERR_COLD. */
        if (rc == ERR_COLD) return;
        hash = to + 1;
    }
}

static int by_hash(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* The page's entries from hash `from` on, in hash order, into the keyspace's slot buffer.
 */
static struct found *gather(keyspace *ks, const part *page, uint64_t from,
                            size_t *count) {
    struct found *f = mem_alloc((tpage_count(page->blob) + 1) * sizeof(*f));
    size_t n = 0;
    for (uint32_t off = tpage_next(page->blob, 0); off != TPAGE_NONE;
         off = tpage_next(page->blob, off)) {
        uint64_t hash = ks__tpage_hash(ks, tpage_key(page->blob, off));
        if (hash < from) continue;
        f[n].hash = hash;
        f[n++].off = off;
    }
    qsort(f, n, sizeof(*f), by_hash);
    *count = n;
    return f;
}

/* Fills *e from an entry; false: its time has come. */
static bool load_entry(keyspace *ks, db *d, part *page, const struct found *f,
                       struct entry *e) {
    struct head h;
    head_read(tpage_val(page->blob, f->off), &h);
    if (h.expire_ms >= 0 && (uint64_t)h.expire_ms <= ks__now_ms(ks)) return false;
    e->db = d;
    e->hash = f->hash;
    e->key = tpage_key(page->blob, f->off);
    dir__value(ks, page, f->off, &h, &e->value);
    e->expire_ms = h.expire_ms;
    e->expired = false;
    e->access = h.access;
    e->access_at = tpage_val_touch(page->blob, f->off) + 4;
    return true;
}

/* One page of a scan. *cursor moves behind what was answered. */
static int scan_page(keyspace *ks, db *d, part *page, uint64_t to, uint64_t *cursor,
                     size_t *left, keyspace_each *each, void *cookie) {
    size_t count;
    struct found *f = gather(ks, page, *cursor << CURSOR_SHIFT, &count);
    int rc = OK;
    size_t i = 0;
    for (; i < count; i++) {
        uint64_t at = f[i].hash >> CURSOR_SHIFT;
        if (*left == 0 && at != *cursor) break;
        *cursor = at;
        struct entry e;
        if (!load_entry(ks, d, page, &f[i], &e)) continue;
        rc = each(cookie, &e);
        if (rc != OK) break;
        if (*left > 0) (*left)--;
    }
    if (i < count) {
        if (rc == OK) *cursor = f[i].hash >> CURSOR_SHIFT;
    } else {
        *cursor = (to >> CURSOR_SHIFT) + 1;
        if (*cursor >> (64 - CURSOR_SHIFT) != 0) *cursor = 0;
    }
    mem_free(f);
    return rc;
}

int scan__whole_page(keyspace *ks, db *d, part *page, uint64_t from, uint64_t to,
                     keyspace_each *each, void *cookie, uint64_t *next) {
    size_t left = SIZE_MAX;
    *next = from >> CURSOR_SHIFT;
    return scan_page(ks, d, page, to, next, &left, each, cookie);
}

int keyspace_scan(keyspace *ks, db *d, uint64_t *cursor, size_t count,
                  keyspace_each *each, void *cookie) {
    *cursor &= UINT64_MAX >> CURSOR_SHIFT; /* It came from a client. */
    size_t left = count;
    bool first = true;
    while (left > 0) {
        part *page;
        uint64_t from, to, hash = *cursor << CURSOR_SHIFT;
        int rc = scan__page(ks, d, hash, &page, &from, &to);
        if (rc == ERR_NOTFOUND) {
            *cursor = 0;
            return OK;
        }
        /* What is there is an answer: the next call begins at the cold page. */
        if (rc == ERR_COLD && !first) return OK;
        if (rc == ERR_COLD) read_ahead(ks, d, to + 1, count);
        if (rc != OK) return rc;
        rc = scan_page(ks, d, page, to, cursor, &left, each, cookie);
        if (rc != OK) return rc;
        first = false;
        if (*cursor == 0) break;
    }
    return OK;
}

/* ---- a random key ------------------------------------------------------------------ */

static bool random_of_page(keyspace *ks, part *page, buf *out) {
    size_t count = tpage_count(page->blob);
    if (count == 0) return false;
    uint64_t nth = rnd_below(ks->rnd, count);
    uint32_t off = tpage_next(page->blob, 0);
    while (nth-- > 0) off = tpage_next(page->blob, off);
    struct head h;
    head_read(tpage_val(page->blob, off), &h);
    if (h.expire_ms >= 0 && (uint64_t)h.expire_ms <= ks__now_ms(ks)) return false;
    out->n = 0;
    buf_append_slice(out, tpage_key(page->blob, off));
    return true;
}

static int first_key(void *cookie, const struct entry *e) {
    buf *out = cookie;
    out->n = 0;
    buf_append_slice(out, e->key);
    return 1;
}

int keyspace_random(keyspace *ks, db *d, buf *out) {
    if (d->keys == 0) return ERR_NOTFOUND;
    part *page;
    uint64_t from, to;
    for (int i = 0; i < RANDOM_TRIES; i++) {
        uint64_t hash = rnd_u64(ks->rnd);
        /* After a fetch: the page that it was for, or a large cold keyspace would never
         * answer. */
        if (d->random_kept) hash = d->random_hash;
        d->random_kept = false;
        int rc = covering(d, hash, &page, &from, &to);
        bool cold = rc == ERR_COLD || (rc == OK && page->blob == NULL);
        if (cold && i + 1 < RANDOM_TRIES) continue;
        rc = scan__page(ks, d, hash, &page, &from, &to);
        if (rc == ERR_COLD) {
            d->random_kept = true;
            d->random_hash = hash;
        }
        if (rc != OK) return rc;
        if (random_of_page(ks, page, out)) return OK;
    }
    /* Nearly all of it is empty or expired: walk once around. */
    for (uint64_t cursor = rnd_u64(ks->rnd) >> CURSOR_SHIFT, rounds = 0; rounds < 2;) {
        int rc = keyspace_scan(ks, d, &cursor, 1, first_key, out);
        if (rc == 1) return OK;
        if (rc != OK) return rc;
        if (cursor == 0) rounds++;
    }
    return ERR_NOTFOUND;
}
