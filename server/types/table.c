/* table.c -- a hash table of any size: tpages found by the leading bits of the hash.
 *
 * A page is split when what it uses would exceed TABLE_PAGE_BYTES, again and again until the new
 * entry has room: so one huge entry ends up nearly alone, in a page that is as large as it has to be. At
 * DEPTH_MAX hashes are as good as equal: the page just grows. Pages are not merged; one that has
 * become mostly empty gives its memory back.
 *
 * A scan goes by hash, and within a page too, so that its cursor stays good whatever is split
 * meanwhile. */
#include "types/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "types/tpage.h"

#define DEPTH_MAX 60
#define ROOM_SHARE 4        /* A page made anew has a quarter of its size as free room. */
#define SHRINK_OVER 1024    /* Smaller pages are not worth the work. */
#define PAGE_ENTRIES_GUESS 128 /* in a cold page, when a scan asks for what it will need */
#define RANDOM_TRIES 32

static uint64_t hash_of(void *cookie, slice key) {
    pager *p = cookie;
    return p->ops->hash(p, key);
}

int table_get(pager *p, object *o, slice key, slice *val) {
    bool marked;
    return table_get_marked(p, o, key, val, &marked);
}

int table_get_marked(pager *p, object *o, slice key, slice *val, bool *marked) {
    uint64_t hash = p->ops->hash(p, key);
    slice page;
    unsigned depth;
    int rc = p->ops->hget(p, o, hash, &page, &depth);
    if (rc != OK) return rc;
    uint32_t off = tpage_find(page.p, hash, key);
    if (off == TPAGE_NONE) return ERR_NOTFOUND;
    *val = tpage_val(page.p, off);
    *marked = tpage_marked(page.p, off);
    return OK;
}

int table_need(pager *p, object *o, slice key) {
    slice page;
    unsigned depth;
    int rc = p->ops->hget(p, o, p->ops->hash(p, key), &page, &depth);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* ---- changing ----------------------------------------------------------------------------- */

/* Halves the page of hash, until it has room for `need` bytes more or cannot be halved. */
static int split_for(pager *p, object *o, uint64_t hash, size_t need) {
    buf low = BUF_INIT, high = BUF_INIT;
    int rc = OK;
    for (;;) {
        slice page;
        unsigned depth;
        rc = p->ops->hget(p, o, hash, &page, &depth);
        if (rc != OK) break;
        if (depth > DEPTH_MAX || tpage_count(page.p) == 0) break;
        if (tpage_used(page.p) + need <= TABLE_PAGE_BYTES) break;
        size_t room = tpage_used(page.p) / 2 / ROOM_SHARE;
        if (room > TABLE_PAGE_BYTES / ROOM_SHARE) room = TABLE_PAGE_BYTES / ROOM_SHARE;
        tpage_rebuild(page.p, room, hash_of, p, 0, depth, false, &low);
        tpage_rebuild(page.p, room, hash_of, p, 1, depth, false, &high);
        rc = p->ops->hsplit(p, o, hash, slice_of(&low), slice_of(&high));
        if (rc != OK) break;
    }
    buf_free(&low);
    buf_free(&high);
    return rc;
}

/* Puts a page made anew in the place of the one of hash: with room for `need` bytes. */
static int replace_page(pager *p, object *o, uint64_t hash, const uint8_t *page, size_t need,
                        uint8_t **out) {
    size_t room = tpage_used(page) / ROOM_SHARE;
    if (room > TABLE_PAGE_BYTES / ROOM_SHARE) room = TABLE_PAGE_BYTES / ROOM_SHARE;
    if (room < need) room = need;
    /* Tombstones of long keys may be too much; without a base there are none. */
    bool clean = tpage_rebuilt_bytes(page, room) > PAGE_BYTES_MAX;
    if (clean && tpage_used(page) + room > PAGE_BYTES_MAX - TABLE_PAGE_BYTES) return ERR_LIMIT;
    buf b = BUF_INIT;
    tpage_rebuild(page, room, hash_of, p, -1, 0, clean, &b);
    int rc = p->ops->hmut(p, o, hash, b.n, out);
    if (rc == OK) memcpy(*out, b.p, b.n);
    buf_free(&b);
    return rc;
}

/* An entry in the page of hash, which is made if there is none; it is not split any more. */
static int put_in_page(pager *p, object *o, uint64_t hash, slice key, size_t n, bool mark,
                       uint8_t **val, bool *added) {
    slice page;
    unsigned depth;
    uint8_t *to;
    uint32_t off;
    size_t need = tpage_entry_bytes(key.n, n);
    int rc = p->ops->hget(p, o, hash, &page, &depth);
    if (rc == ERR_NOTFOUND) {
        size_t bytes = tpage_min_bytes() + need;
        rc = p->ops->hmut(p, o, hash, bytes, &to);
        if (rc != OK) return rc;
        tpage_init(to, bytes);
    } else {
        if (rc == OK) rc = p->ops->hmut(p, o, hash, page.n, &to);
        if (rc != OK) return rc;
    }
    rc = tpage_put(to, hash, key, n, &off, added);
    if (rc == ERR_LIMIT) {
        rc = replace_page(p, o, hash, to, need, &to);
        if (rc == OK) rc = tpage_put(to, hash, key, n, &off, added);
    }
    if (rc != OK) return rc;
    if (mark) tpage_mark(to, off);
    *val = tpage_val_mut(to, off);
    return OK;
}

/* Another value of the same size, where it stands. */
static int put_over(pager *p, object *o, uint64_t hash, size_t page_bytes, uint32_t off, uint8_t **val,
                    bool *added) {
    uint8_t *to;
    int rc = p->ops->hmut(p, o, hash, page_bytes, &to);
    if (rc != OK) return rc;
    *val = tpage_val_mut(to, off);
    *added = false;
    return OK;
}

static int put_space(pager *p, object *o, slice key, size_t n, bool mark, uint8_t **val,
                     bool *added) {
    size_t most = TABLE_ENTRY_MAX + (mark ? TABLE_MARK_BYTES : 0);
    if (key.n > KEY_BYTES_MAX || n > most || key.n + n > most) return ERR_LIMIT;
    uint64_t hash = p->ops->hash(p, key);
    slice page;
    unsigned depth;
    int rc = p->ops->hget(p, o, hash, &page, &depth);
    if (rc == OK) {
        uint32_t off = tpage_find(page.p, hash, key);
        size_t had = off == TPAGE_NONE ? 0 : key.n + tpage_val(page.p, off).n;
        if (had == key.n + n && off != TPAGE_NONE && !mark && !tpage_marked(page.p, off))
            return put_over(p, o, hash, page.n, off, val, added);
        /* A replacement that does not grow needs nothing. */
        if (had < key.n + n) rc = split_for(p, o, hash, tpage_entry_bytes(key.n, n) - had);
    }
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    return put_in_page(p, o, hash, key, n, mark, val, added);
}

int table_put_space(pager *p, object *o, slice key, size_t n, uint8_t **val, bool *added) {
    return put_space(p, o, key, n, false, val, added);
}

int table_put_marked(pager *p, object *o, slice key, slice head, slice val, bool *added) {
    uint8_t *to;
    assert(head.n > 0 && head.n <= TABLE_MARK_BYTES);
    int rc = put_space(p, o, key, head.n + val.n, true, &to, added);
    if (rc != OK) return rc;
    memcpy(to, head.p, head.n);
    if (val.n != 0) memcpy(to + head.n, val.p, val.n);
    return OK;
}

int table_put(pager *p, object *o, slice key, slice val, bool *added) {
    uint8_t *to;
    int rc = table_put_space(p, o, key, val.n, &to, added);
    if (rc == OK && val.n != 0) memcpy(to, val.p, val.n);
    return rc;
}

int table_del(pager *p, object *o, slice key, bool *removed) {
    uint64_t hash = p->ops->hash(p, key);
    slice page;
    unsigned depth;
    uint8_t *to;
    *removed = false;
    int rc = p->ops->hget(p, o, hash, &page, &depth);
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    if (tpage_find(page.p, hash, key) == TPAGE_NONE) return OK;
    rc = p->ops->hmut(p, o, hash, page.n, &to);
    if (rc != OK) return rc;
    *removed = tpage_del(to, hash, key);
    assert(*removed);
    if (page.n > SHRINK_OVER && tpage_used(to) < page.n / 4 &&
        tpage_rebuilt_bytes(to, tpage_used(to) / ROOM_SHARE) < page.n / 2)
        rc = replace_page(p, o, hash, to, 0, &to);
    return rc;
}

/* ---- walking ------------------------------------------------------------------------------ */

/* The last hash of the page that covers `hash`. */
static uint64_t page_end(uint64_t hash, unsigned depth) {
    return depth == 64 ? hash : hash | UINT64_MAX >> depth;
}

/* How many entries of the page a scan from `cursor` still meets. */
static size_t count_from(pager *p, slice page, uint64_t from, uint64_t cursor) {
    size_t count = 0;
    if (from == cursor) return tpage_count(page.p);
    for (uint32_t off = tpage_next(page.p, 0); off != TPAGE_NONE; off = tpage_next(page.p, off))
        count += p->ops->hash(p, tpage_key(page.p, off)) >= cursor;
    return count;
}

int table_need_from(pager *p, object *o, uint64_t cursor, size_t count) {
    int answer = OK;
    while (count > 0) {
        slice page;
        unsigned depth = UINT32_MAX;
        int rc = p->ops->hget(p, o, cursor, &page, &depth);
        if (rc == ERR_NOTFOUND) break;
        if (rc != OK && rc != ERR_COLD) return rc;
        if (rc == ERR_COLD) answer = ERR_COLD;
        if (depth > 64) return ERR_COLD; /* What covers this hash is not known yet. */
        if (count != SIZE_MAX) {
            uint64_t from = depth == 64 ? cursor : cursor & ~(UINT64_MAX >> depth);
            size_t has = rc == OK ? count_from(p, page, from, cursor) : PAGE_ENTRIES_GUESS;
            count -= has < count ? has : count;
        }
        uint64_t end = page_end(cursor, depth);
        if (end == UINT64_MAX) break;
        cursor = end + 1;
    }
    return answer;
}

struct found {
    uint64_t hash;
    uint32_t off;
};

static int by_hash(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->off < y->off ? -1 : x->off > y->off;
}

/* Emits what the page has from *cursor; *cursor moves behind it. *count is what is still wanted;
 * it goes down to 0, and entries of equal hashes stay together. */
static int scan_page(pager *p, slice page, uint64_t end, uint64_t *cursor, size_t *count,
                     table_each_marked *each, void *cookie) {
    size_t n = 0;
    struct found *list = mem_alloc((tpage_count(page.p) + 1) * sizeof(*list));
    for (uint32_t off = tpage_next(page.p, 0); off != TPAGE_NONE; off = tpage_next(page.p, off)) {
        uint64_t hash = p->ops->hash(p, tpage_key(page.p, off));
        if (hash >= *cursor) list[n++] = (struct found){hash, off};
    }
    qsort(list, n, sizeof(*list), by_hash);
    int rc = OK;
    size_t i = 0;
    for (; i < n && rc == OK; i++) {
        if (*count == 0 && i > 0 && list[i].hash != list[i - 1].hash) break;
        uint32_t off = list[i].off;
        rc = each(cookie, tpage_key(page.p, off), tpage_val(page.p, off), tpage_marked(page.p, off));
        if (*count > 0) --*count;
    }
    if (rc == OK) *cursor = i < n ? list[i].hash : end + 1; /* 0 after the last page */
    mem_free(list);
    return rc;
}

struct unmarked {
    table_each *each;
    void *cookie;
};

static int each_unmarked(void *cookie, slice key, slice val, bool marked) {
    const struct unmarked *u = cookie;
    (void)marked;
    return u->each(u->cookie, key, val);
}

int table_scan(pager *p, object *o, uint64_t *cursor, size_t count, table_each *each,
               void *cookie) {
    struct unmarked u = {each, cookie};
    return table_scan_marked(p, o, cursor, count, each_unmarked, &u);
}

int table_scan_marked(pager *p, object *o, uint64_t *cursor, size_t count, table_each_marked *each,
                      void *cookie) {
    if (count == 0) count = 1;
    int rc = table_need_from(p, o, *cursor, count);
    if (rc != OK) return rc;
    uint64_t at = *cursor;
    do {
        slice page;
        unsigned depth;
        rc = p->ops->hget(p, o, at, &page, &depth);
        if (rc == ERR_NOTFOUND) { /* no page at all */
            at = 0;
            break;
        }
        if (rc == OK) rc = scan_page(p, page, page_end(at, depth), &at, &count, each, cookie);
        if (rc != OK) return rc;
    } while (at != 0 && count > 0);
    *cursor = at;
    return OK;
}

static void entry_at(slice page, uint64_t r, slice *key, slice *val, bool *marked) {
    uint64_t skip = r % tpage_count(page.p);
    uint32_t off = tpage_next(page.p, 0);
    while (skip-- > 0) off = tpage_next(page.p, off);
    *key = tpage_key(page.p, off);
    *val = tpage_val(page.p, off);
    *marked = tpage_marked(page.p, off);
}

int table_random(pager *p, object *o, uint64_t r, slice *key, slice *val) {
    bool marked;
    return table_random_marked(p, o, r, key, val, &marked);
}

int table_random_marked(pager *p, object *o, uint64_t r, slice *key, slice *val, bool *marked) {
    slice page;
    unsigned depth;
    for (unsigned i = 0; i < RANDOM_TRIES; i++) {
        int rc = p->ops->hget(p, o, r, &page, &depth);
        if (rc != OK) return rc;
        uint64_t next = r * 6364136223846793005u + 1442695040888963407u;
        if (tpage_count(page.p) > 0) {
            entry_at(page, next >> 32, key, val, marked);
            return OK;
        }
        r = next;
    }
    uint64_t cursor = 0; /* Nearly empty: take the first there is. */
    do {
        int rc = table_page(p, o, &cursor, &page);
        if (rc != OK) return rc;
        if (tpage_count(page.p) > 0) {
            entry_at(page, r >> 32, key, val, marked);
            return OK;
        }
    } while (cursor != 0);
    return ERR_NOTFOUND;
}

int table_page(pager *p, object *o, uint64_t *cursor, slice *page) {
    unsigned depth;
    int rc = p->ops->hget(p, o, *cursor, page, &depth);
    if (rc == OK) *cursor = page_end(*cursor, depth) + 1;
    return rc;
}

int table_check(pager *p, object *o, uint64_t *count, char why[160]) {
    uint64_t cursor = 0;
    *count = 0;
    int rc = table_need_from(p, o, 0, SIZE_MAX);
    if (rc != OK) return rc;
    do {
        uint64_t from = cursor;
        slice page;
        rc = table_page(p, o, &cursor, &page);
        if (rc == ERR_NOTFOUND && from == 0) return OK;
        if (rc != OK) return rc;
        if (tpage_check(page) != OK || tpage_check_hashes(page.p, hash_of, p) != OK) {
            snprintf(why, 160, "table: the page of hash %016llx is damaged",
                     (unsigned long long)from);
            return ERR_CORRUPT;
        }
        *count += tpage_count(page.p);
        for (uint32_t off = tpage_next(page.p, 0); off != TPAGE_NONE;
             off = tpage_next(page.p, off)) {
            uint64_t hash = p->ops->hash(p, tpage_key(page.p, off));
            if (hash >= from && (cursor == 0 || hash < cursor)) continue;
            snprintf(why, 160, "table: an entry of hash %016llx in the page of %016llx",
                     (unsigned long long)hash, (unsigned long long)from);
            return ERR_CORRUPT;
        }
    } while (cursor != 0);
    return OK;
}
