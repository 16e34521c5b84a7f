/* volume_check.c -- a volume as a whole: its invariants, and its digest. */
#include "modules/files/volume.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "modules/files/keys.h"

/* ---- check: one pass over the tree gathers, then what was gathered is compared ----- */

struct seen_inode {
    struct inode i;
    uint64_t content;                 /* bytes inline */
    uint64_t entries, folders, named; /* entries in it; how many entries name it */
};
struct seen_entry {
    uint64_t dir, ino;
    uint8_t type;
};
struct seen_chunk {
    uint64_t ino, index, page;
};
struct seen_count {
    uint64_t page, refs;
};
struct check {
    const struct volume *v;
    buf inodes, entries, chunks, counts; /* of the structs above; inodes by number */
    uint64_t keys;
    char *why;
};

static int bad(struct check *k, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int bad(struct check *k, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(k->why, 160, fmt, ap);
    va_end(ap);
    return ERR_CORRUPT;
}
typedef unsigned long long ull; /* for printf */

static struct seen_inode *last_inode(struct check *k) {
    if (k->inodes.n == 0) return NULL;
    return (struct seen_inode *)(void *)(k->inodes.p + k->inodes.n) - 1;
}

static int gather_inode(struct check *k, uint64_t ino, slice key, slice val) {
    struct seen_inode s = {0};
    if (key.n != KEY_HEAD || inode_read(ino, val, &s.i) != OK)
        return bad(k, "volume: inode %llu is not one", (ull)ino);
    buf_append(&k->inodes, &s, sizeof(s));
    return OK;
}

static int gather_entry(struct check *k, uint64_t ino, slice key, slice val) {
    struct seen_entry e = {.dir = ino};
    slice name = slice_make(key.p + KEY_HEAD, key.n - KEY_HEAD);
    bool good =
        name.n > 0 && name.n <= VOLUME_NAME_MAX && memchr(name.p, '/', name.n) == NULL;
    if (!good || path_check_names(name) != PATH_OK ||
        entry_read(val, &e.ino, &e.type) != OK)
        return bad(k, "volume: folder %llu has an entry that is not one", (ull)ino);
    buf_append(&k->entries, &e, sizeof(e));
    return OK;
}

static int gather_numbered(struct check *k, uint64_t ino, char tag, slice key,
                           slice val) {
    size_t want = tag == KEY_CHUNK ? CHUNK_BYTES : PAGE_COUNT_BYTES;
    if (key.n != KEY_HEAD + 8 || val.n != want)
        return bad(k, "volume: a chunk or count of inode %llu is not one", (ull)ino);
    uint64_t n = get_be64(key.p + KEY_HEAD);
    if (tag == KEY_CHUNK) {
        struct seen_chunk c = {ino, n, get_u64(val.p)};
        buf_append(&k->chunks, &c, sizeof(c));
    } else {
        struct seen_count c = {n, get_u32(val.p)};
        buf_append(&k->counts, &c, sizeof(c));
    }
    return OK;
}

/* In order of keys, an inode comes before all that belongs to it. */
static int gather(void *cookie, slice key, slice val) {
    struct check *k = cookie;
    if (key.n < KEY_HEAD) return bad(k, "volume: a key of %zu bytes", key.n);
    uint64_t ino = get_be64(key.p);
    char tag = (char)key.p[8];
    struct seen_inode *at = last_inode(k);
    k->keys++;
    if (ino == 0 && tag == KEY_PAGE) return gather_numbered(k, 0, tag, key, val);
    if (ino != 0 && tag == KEY_INODE) return gather_inode(k, ino, key, val);
    if (at == NULL || at->i.ino != ino)
        return bad(k, "volume: something of inode %llu, which is not there", (ull)ino);
    if (tag == KEY_ENTRY && at->i.type == INODE_DIR)
        return gather_entry(k, ino, key, val);
    if (tag == KEY_CHUNK && at->i.type == INODE_FILE)
        return gather_numbered(k, ino, tag, key, val);
    if (tag == KEY_INLINE && at->i.type == INODE_FILE && key.n == KEY_HEAD) {
        at->content = val.n;
        return OK;
    }
    return bad(k, "volume: inode %llu has a key of kind %d", (ull)ino, tag);
}

static struct seen_inode *inode_seen(struct check *k, uint64_t ino) {
    struct seen_inode *all = (struct seen_inode *)(void *)k->inodes.p;
    size_t from = 0, to = k->inodes.n / sizeof(*all);
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (all[mid].i.ino < ino)
            from = mid + 1;
        else
            to = mid;
    }
    bool found = from < k->inodes.n / sizeof(*all) && all[from].i.ino == ino;
    return found ? &all[from] : NULL;
}

static int check_entries(struct check *k) {
    struct seen_entry *all = (struct seen_entry *)(void *)k->entries.p;
    for (size_t i = 0; i < k->entries.n / sizeof(*all); i++) {
        struct seen_inode *dir = inode_seen(k, all[i].dir),
                          *in = inode_seen(k, all[i].ino);
        if (dir == NULL || in == NULL || in->i.type != all[i].type)
            return bad(
                k, "volume: an entry of folder %llu names %llu, of another type or gone",
                (ull)all[i].dir, (ull)all[i].ino);
        dir->entries++;
        in->named++;
        if (in->i.type == INODE_DIR) dir->folders++;
        if (in->i.parent != (in->i.type == INODE_DIR ? all[i].dir : 0))
            return bad(k, "volume: inode %llu has the wrong parent", (ull)all[i].ino);
    }
    return OK;
}

static int check_inodes(struct check *k, const struct volume_info *info) {
    struct seen_inode *all = (struct seen_inode *)(void *)k->inodes.p;
    size_t n = k->inodes.n / sizeof(*all);
    uint64_t bytes = 0;
    if (n == 0 || all[0].i.ino != VOLUME_ROOT || all[0].i.type != INODE_DIR)
        return bad(k, "volume: no root");
    for (size_t i = 0; i < n; i++) {
        const struct seen_inode *s = &all[i];
        if (s->named != (s->i.ino == VOLUME_ROOT ? 0 : 1))
            return bad(k, "volume: inode %llu has %llu names", (ull)s->i.ino,
                       (ull)s->named);
        if (s->i.ino >= info->next_ino || s->i.version > info->version ||
            s->i.version == 0)
            return bad(k, "volume: inode %llu or its version is too new", (ull)s->i.ino);
        if (s->i.type == INODE_DIR) {
            if (s->i.size != s->entries || s->i.nlink != 2 + s->folders)
                return bad(k,
                           "volume: folder %llu has %llu entries, %llu of them folders",
                           (ull)s->i.ino, (ull)s->entries, (ull)s->folders);
            /* Up to the root: one name each and no ring make it a tree. */
            if (volume_is_above(k->v, VOLUME_ROOT, s->i.ino) != 1)
                return bad(k, "volume: folder %llu hangs nowhere", (ull)s->i.ino);
            continue;
        }
        bytes += s->i.size;
        if (s->content != (s->i.size <= VOLUME_INLINE_MAX ? s->i.size : 0) ||
            s->i.nlink != 1)
            return bad(k, "volume: file %llu of %llu bytes has %llu inline",
                       (ull)s->i.ino, (ull)s->i.size, (ull)s->content);
    }
    if (n != info->inodes || bytes != info->bytes)
        return bad(k, "volume: %llu inodes and %llu bytes, counted %zu and %llu",
                   (ull)info->inodes, (ull)info->bytes, n, (ull)bytes);
    return OK;
}

/* A page that is not in memory is not looked into. */
static int check_page(struct check *k, const struct seen_chunk *c,
                      const struct inode *f) {
    slice bytes;
    int rc = k->v->pager->ops->get(k->v->pager, k->v->obj, c->page, &bytes);
    if (rc == ERR_NOTFOUND) return bad(k, "volume: page %llu is not there", (ull)c->page);
    if (rc != OK) return rc == ERR_COLD ? OK : rc;
    uint64_t left = f->size - c->index * VOLUME_CHUNK;
    bool clean = bytes.n > 0 && bytes.n <= VOLUME_CHUNK;
    for (uint64_t i = left; clean && i < bytes.n; i++) clean = bytes.p[i] == 0;
    return clean
               ? OK
               : bad(k,
                     "volume: file %llu, chunk %llu: %zu bytes, or not zero past the end",
                     (ull)c->ino, (ull)c->index, bytes.n);
}

static int by_page(const void *a, const void *b) {
    uint64_t x = ((const struct seen_chunk *)a)->page,
             y = ((const struct seen_chunk *)b)->page;
    return (x > y) - (x < y);
}

static int check_chunks(struct check *k) {
    struct seen_chunk *all = (struct seen_chunk *)(void *)k->chunks.p;
    const struct seen_count *counts =
        (const struct seen_count *)(const void *)k->counts.p;
    size_t n = k->chunks.n / sizeof(*all), counts_n = k->counts.n / sizeof(*counts),
           at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct seen_inode *s = inode_seen(k, all[i].ino);
        if (s == NULL || s->i.size <= VOLUME_INLINE_MAX ||
            all[i].index >= (s->i.size + VOLUME_CHUNK - 1) / VOLUME_CHUNK)
            return bad(k, "volume: file %llu has a chunk %llu", (ull)all[i].ino,
                       (ull)all[i].index);
        int rc = check_page(k, &all[i], &s->i);
        if (rc != OK) return rc;
    }
    if (n > 0) qsort(all, n, sizeof(*all), by_page);
    for (size_t i = 0, users; i < n; i += users) {
        for (users = 1; i + users < n && all[i + users].page == all[i].page;) users++;
        if (users == 1) continue;
        if (at >= counts_n || counts[at].page != all[i].page || counts[at].refs != users)
            return bad(k, "volume: page %llu has %zu users, and another count",
                       (ull)all[i].page, users);
        at++;
    }
    return at == counts_n ? OK : bad(k, "volume: a count of a page that is not shared");
}

int volume_check(struct value *v, char why[160]) {
    struct volume at = {v->pager, v->obj};
    struct check k = {.v = &at, .why = why};
    struct volume_info info;
    volume_info(&at, &info);
    int rc = btree_check(v->pager, v->obj, why);
    if (rc == OK) rc = btree_scan(v->pager, v->obj, slice_make(NULL, 0), gather, &k);
    if (rc == OK) rc = check_entries(&k);
    if (rc == OK) rc = check_inodes(&k, &info);
    if (rc == OK) rc = check_chunks(&k);
    if (rc == OK && btree_count(v->pager->ops->meta(v->obj)) != k.keys)
        rc = bad(&k, "volume: %llu keys", (ull)k.keys);
    buf_free(&k.inodes);
    buf_free(&k.entries);
    buf_free(&k.chunks);
    buf_free(&k.counts);
    return rc;
}

/* ---- digest ------------------------------------------------------------------------ */

struct digest {
    struct volume v;
    uint8_t *sum;
    bool cold;
};

static void mix(uint8_t sum[20], slice s) {
    uint8_t one[20];
    hash_sha1(s.p, s.n, one);
    for (int i = 0; i < 20; i++) one[i] ^= sum[i];
    hash_sha1(one, 20, sum);
}

/* Where a page lies is nobody's business, nor how many zeros it ends with. */
static int digest_chunk(struct digest *d, slice key, uint64_t page) {
    slice bytes;
    int rc = d->v.pager->ops->get(d->v.pager, d->v.obj, page, &bytes);
    if (rc == ERR_COLD) {
        d->cold = true; /* The others are asked for as well. */
        return OK;
    }
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    while (bytes.n > 0 && bytes.p[bytes.n - 1] == 0) bytes.n--;
    if (bytes.n == 0) return OK;
    mix(d->sum, key);
    mix(d->sum, bytes);
    return OK;
}

static int digest_one(void *cookie, slice key, slice val) {
    struct digest *d = cookie;
    if (key.n < KEY_HEAD) return ERR_CORRUPT;
    if (key_has(key, 0, KEY_PAGE)) return OK;
    if (key.p[8] == KEY_CHUNK) {
        return val.n == CHUNK_BYTES ? digest_chunk(d, key, get_u64(val.p)) : ERR_CORRUPT;
    }
    mix(d->sum, key);
    mix(d->sum, val);
    return OK;
}

int volume_digest(struct value *v, uint8_t digest[20]) {
    struct digest d = {.v = {v->pager, v->obj}, .sum = digest};
    mix(digest, SLICE("volume"));
    int rc = btree_scan(v->pager, v->obj, slice_make(NULL, 0), digest_one, &d);
    return rc == OK && d.cold ? ERR_COLD : rc;
}
