/* expire.c -- finding keys whose time has come, and values inside of which something's has.
 *
 * Each directory page remembers the earliest expiry among its entries (not stored:
 * counted anew when it is loaded). A cycle goes round over the resident pages of all
 * databases that have expiring keys, a slice at a time, and looks inside only where that
 * time has passed. Cold pages are left cold: an expired key there answers as if it were
 * not, and goes when somebody meets it. */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

#define PAGES_PER_EFFORT 512 /* Descriptors looked at in a cycle: some 50 ns each. */
#define CYCLE_US 400
#define CLOCK_EVERY 32

/* The expired keys of a page, copied: what is done about them changes the page. Before each, whether the key
 * itself has expired, or something in its value. */
static size_t gather(keyspace *ks, const part *p, uint64_t now, size_t max, buf *out) {
    size_t n = 0;
    for (uint32_t off = tpage_next(p->blob, 0); off != TPAGE_NONE && n < max;
         off = tpage_next(p->blob, off)) {
        struct head h;
        head_read(tpage_val(p->blob, off), &h);
        bool whole = h.expire_ms >= 0 && (uint64_t)h.expire_ms <= now;
        if (!whole && (uint64_t)dir__due(ks, &h) >= now) continue;
        buf_u8(out, whole);
        buf_bytes(out, tpage_key(p->blob, off));
        n++;
    }
    return n;
}

struct cycle {
    uint64_t now, start;
    size_t pages, found, max;
    void (*each)(void *cookie, db *d, slice key);
    void (*inner)(void *cookie, db *d, slice key);
    void *cookie;
};

static void expire_page(db *d, uint64_t hash, part *p, struct cycle *c) {
    buf keys = BUF_INIT;
    size_t n = gather(d->ks, p, c->now, c->max - c->found, &keys);
    reader r = reader_make(slice_of(&keys));
    for (size_t i = 0; i < n; i++) {
        bool whole = read_u8(&r) != 0;
        (whole ? c->each : c->inner)(c->cookie, d, read_bytes(&r));
        c->found++;
    }
    buf_free(&keys);
    if (trie_find(&d->dir, hash, &p) == OK && p->blob != NULL) dir__page_scan(d->ks, p);
}

/* Goes on where the last cycle stopped; true: the budget is used up. */
static bool cycle_db(const keyspace *ks, db *d, struct cycle *c) {
    uint64_t began = d->expire_cursor;
    for (bool first = true; first || d->expire_cursor != began; first = false) {
        uint64_t hash = d->expire_cursor;
        part *p;
        int rc = trie_find(&d->dir, hash, &p);
        if (rc == ERR_NOTFOUND) return false;
        uint64_t to = hash | (p->depth == 0 ? UINT64_MAX : UINT64_MAX >> p->depth);
        bool hot = rc == OK && p->blob != NULL;
        if (hot && (uint64_t)p->min_expire <= c->now) expire_page(d, hash, p, c);
        if (c->found >= c->max) return true; /* There may be more in this page. */
        d->expire_cursor = to + 1;
        if (began > hash && began <= to)
            return false; /* Pages have joined over the mark. */
        if (to == UINT64_MAX && began == 0) return false;
        if (c->pages-- <= 1) return true;
        if (c->pages % CLOCK_EVERY == 0 &&
            clock_mono_us(ks->clock) - c->start >= CYCLE_US)
            return true;
    }
    return false;
}

size_t keyspace_expire_cycle(keyspace *ks, size_t max,
                             void (*each)(void *cookie, db *d, slice key),
                             void (*inner)(void *cookie, db *d, slice key), void *cookie) {
    if (!ks->config->active_expire || max == 0 || ks->dbs_count == 0) return 0;
    ks->now_fresh = false;
    int64_t effort = ks->config->active_expire_effort;
    struct cycle c = {.now = ks__now_ms(ks),
                      .start = clock_mono_us(ks->clock),
                      .max = max,
                      .pages = (size_t)(effort < 1 ? 1 : effort) * PAGES_PER_EFFORT,
                      .each = each,
                      .inner = inner,
                      .cookie = cookie};
    for (size_t tried = 0; tried < ks->dbs_count; tried++) {
        list *l = ks->dbs.next;
        for (size_t i = ks->expire_db % ks->dbs_count; i > 0; i--) l = l->next;
        db *d = LIST_ENTRY(l, db, link);
        if ((d->expires != 0 || ks->inner_expiry) && cycle_db(ks, d, &c)) break;
        ks->expire_db++;
    }
    return c.found;
}
