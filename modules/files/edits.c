/* edits.c -- asking for what a list of edits needs, and making them.
 *
 * A commit has two stages, because what btree_need_write() asked for stays enough only
 * as long as no leaf goes away:
 *  1. Everything but removals. A key that goes is given an empty value, which no
 *     record has, and counts as absent. Leaves split, and what is split is resident.
 *  2. The keys that are still empty are removed. Each is there, so its leaf is one of
 *     those asked for; a cold neighbour that a leaf could join is not waited for. */
#include "modules/files/edits.h"

#include <assert.h>

enum edit_kind { EDIT_PUT, EDIT_DEL, EDIT_CHUNK, EDIT_CUT, EDIT_DROP, EDIT_SHARE };

struct edit {
    enum edit_kind kind;
    bool whole;
    uint32_t at;
    size_t key, key_n; /* in bytes */
    /* The value's place in bytes: PUT, and CHUNK with no data. CUT: the new length. */
    size_t val, val_n;
    slice data;    /* CHUNK: borrowed */
    uint64_t page; /* SHARE */
};

/* ---- the list ---------------------------------------------------------------------- */

void edits_begin(struct edits *e, const struct volume *v) {
    *e = (struct edits){.v = *v};
    volume_info(v, &e->info);
}

void edits_free(struct edits *e) {
    buf_free(&e->list);
    buf_free(&e->bytes);
    buf_free(&e->gone);
}

static void add(struct edits *e, struct edit *x, slice key, slice val) {
    x->key = e->bytes.n;
    x->key_n = key.n;
    buf_append_slice(&e->bytes, key);
    if (x->kind == EDIT_PUT || (x->kind == EDIT_CHUNK && x->data.n == 0)) {
        x->val = e->bytes.n;
        x->val_n = val.n;
        buf_append_slice(&e->bytes, val);
    }
    buf_append(&e->list, x, sizeof(*x));
}

void edits_put(struct edits *e, slice key, slice val) {
    add(e, &(struct edit){.kind = EDIT_PUT}, key, val);
}
void edits_del(struct edits *e, slice key) {
    add(e, &(struct edit){.kind = EDIT_DEL}, key, slice_make(NULL, 0));
}

void edits_inode(struct edits *e, const struct inode *i) {
    struct key k;
    uint8_t val[INODE_BYTES];
    inode_write(i, val);
    edits_put(e, key_of(&k, i->ino, KEY_INODE), slice_make(val, sizeof(val)));
}
void edits_inode_del(struct edits *e, uint64_t ino) {
    struct key k;
    edits_del(e, key_of(&k, ino, KEY_INODE));
}
void edits_entry(struct edits *e, uint64_t dir, slice name, uint64_t ino, uint8_t type) {
    struct key k;
    uint8_t val[ENTRY_BYTES];
    put_u64(val, ino);
    val[8] = type;
    edits_put(e, key_entry(&k, dir, name), slice_make(val, sizeof(val)));
}
void edits_entry_del(struct edits *e, uint64_t dir, slice name) {
    struct key k;
    edits_del(e, key_entry(&k, dir, name));
}
void edits_inline(struct edits *e, uint64_t ino, slice content) {
    struct key k;
    assert(content.n <= VOLUME_INLINE_MAX);
    slice key = key_of(&k, ino, KEY_INLINE);
    if (content.n == 0)
        edits_del(e, key);
    else
        edits_put(e, key, content);
}

void edits_chunk(struct edits *e, uint64_t ino, uint64_t index, size_t at, slice data,
                 bool whole) {
    struct key k;
    assert(data.n > 0 && at + data.n <= VOLUME_CHUNK && (at == 0 || !whole));
    struct edit x = {
        .kind = EDIT_CHUNK, .whole = whole, .at = (uint32_t)at, .data = data};
    add(e, &x, key_chunk(&k, ino, index), data);
}
void edits_chunk_copy(struct edits *e, uint64_t ino, uint64_t index, slice data) {
    struct key k;
    assert(data.n > 0 && data.n <= VOLUME_CHUNK);
    add(e, &(struct edit){.kind = EDIT_CHUNK, .whole = true}, key_chunk(&k, ino, index),
        data);
}
void edits_chunk_cut(struct edits *e, uint64_t ino, uint64_t index, size_t n) {
    struct key k;
    assert(n > 0 && n < VOLUME_CHUNK);
    add(e, &(struct edit){.kind = EDIT_CUT, .val_n = n}, key_chunk(&k, ino, index),
        slice_make(NULL, 0));
}
void edits_chunk_drop(struct edits *e, uint64_t ino, uint64_t index) {
    struct key k;
    add(e, &(struct edit){.kind = EDIT_DROP}, key_chunk(&k, ino, index),
        slice_make(NULL, 0));
}
void edits_chunk_share(struct edits *e, uint64_t ino, uint64_t index, uint64_t page) {
    struct key k;
    add(e, &(struct edit){.kind = EDIT_SHARE, .page = page}, key_chunk(&k, ino, index),
        slice_make(NULL, 0));
}

static size_t count_of(const struct edits *e) {
    return e->list.n / sizeof(struct edit);
}
static struct edit edit_at(const struct edits *e, size_t i) {
    struct edit x; /* The list's bytes may lie anywhere. */
    memcpy(&x, e->list.p + i * sizeof(x), sizeof(x));
    return x;
}
static slice key_in(const struct edits *e, const struct edit *x) {
    return slice_make(e->bytes.p + x->key, x->key_n);
}

/* ---- pages and their counts -------------------------------------------------------- */

/* As btree_get(), during a commit. */
static int tree_get(const struct volume *v, slice key, slice *val) {
    int rc = btree_get(v->pager, v->obj, key, val);
    return rc == OK && val->n == 0 ? ERR_NOTFOUND : rc;
}

static int page_refs(const struct volume *v, uint64_t page, uint32_t *refs) {
    struct key k;
    slice val;
    int rc = tree_get(v, key_page(&k, page), &val);
    *refs = 1;
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    if (val.n != PAGE_COUNT_BYTES || get_u32(val.p) < 2) return ERR_CORRUPT;
    *refs = get_u32(val.p);
    return OK;
}

/* Asks for the chunk's page, when its bytes are needed, and for what its count needs. */
static int ready_chunk(const struct volume *v, slice key, bool bytes) {
    struct key k;
    slice val;
    uint32_t refs;
    int rc = btree_get(v->pager, v->obj, key, &val);
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    if (val.n != CHUNK_BYTES) return ERR_CORRUPT;
    uint64_t page = get_u64(val.p);
    slice there;
    int page_rc = bytes ? v->pager->ops->get(v->pager, v->obj, page, &there) : OK;
    if (page_rc == ERR_NOTFOUND || (bytes && page_rc == OK && there.n > VOLUME_CHUNK))
        return ERR_CORRUPT;
    rc = btree_need_write(v->pager, v->obj, key_page(&k, page));
    if (rc == OK) rc = page_refs(v, page, &refs);
    return rc != OK ? rc : page_rc;
}

static int ready_one(struct edits *e, const struct edit *x) {
    struct key k;
    uint32_t refs;
    slice key = key_in(e, x);
    int rc = btree_need_write(e->v.pager, e->v.obj, key);
    if (rc != OK) return rc;
    switch (x->kind) {
    case EDIT_PUT:
    case EDIT_DEL: return OK;
    case EDIT_CHUNK: return ready_chunk(&e->v, key, !x->whole);
    case EDIT_CUT: return ready_chunk(&e->v, key, true);
    case EDIT_DROP: return ready_chunk(&e->v, key, false);
    case EDIT_SHARE:
        rc = btree_need_write(e->v.pager, e->v.obj, key_page(&k, x->page));
        return rc == OK ? page_refs(&e->v, x->page, &refs) : rc;
    }
    return ERR_CORRUPT;
}

int edits_ready(struct edits *e) {
    int rc = OK;
    const struct volume_info *info = &e->info;
    if (info->inodes == 0 || info->inodes >= info->next_ino ||
        info->next_ino > VALUE_COUNT_MAX)
        return ERR_CORRUPT; /* The root bytes counted wrong. */
    for (size_t i = 0; i < count_of(e); i++) {
        struct edit x = edit_at(e, i);
        int one = ready_one(e, &x);
        if (one == ERR_COLD)
            rc = ERR_COLD; /* The others are asked for as well. */
        else if (one != OK)
            return one;
    }
    return rc;
}

/* ---- making them ------------------------------------------------------------------- */

static int tree_put(struct edits *e, slice key, slice val) {
    return btree_put(e->v.pager, e->v.obj, key, val);
}

static int tree_del(struct edits *e, slice key) {
    slice val;
    int rc = tree_get(&e->v, key, &val);
    if (rc != OK) return rc == ERR_NOTFOUND ? OK : rc;
    rc = tree_put(e, key, slice_make(NULL, 0));
    buf_bytes(&e->gone, key);
    return rc;
}

static int remove_gone(struct edits *e) {
    reader r = reader_make(slice_of(&e->gone));
    int rc = OK;
    while (rc == OK && reader_left(&r) > 0) {
        slice key = read_bytes(&r), val;
        /* Listed twice, and gone already: then its place may be cold. */
        if (btree_get(e->v.pager, e->v.obj, key, &val) != OK || val.n != 0) continue;
        rc = btree_del(e->v.pager, e->v.obj, key);
    }
    return rc;
}

static int set_refs(struct edits *e, uint64_t page, uint32_t refs) {
    struct key k;
    uint8_t val[PAGE_COUNT_BYTES];
    slice key = key_page(&k, page);
    put_u32(val, refs);
    return refs > 1 ? tree_put(e, key, slice_make(val, sizeof(val))) : tree_del(e, key);
}

static int release(struct edits *e, uint64_t page) {
    uint32_t refs;
    int rc = page_refs(&e->v, page, &refs);
    if (rc != OK) return rc;
    return refs > 1 ? set_refs(e, page, refs - 1)
                    : btree_page_free(e->v.pager, e->v.obj, page);
}

static int set_page(struct edits *e, slice key, uint64_t page) {
    uint8_t val[CHUNK_BYTES];
    put_u64(val, page);
    return tree_put(e, key, slice_make(val, sizeof(val)));
}

/* A new page for the chunk, with the first `keep` bytes of another, n bytes long. */
static int fresh_page(struct edits *e, slice key, uint64_t old, size_t keep, size_t n,
                      uint8_t **to) {
    pager *p = e->v.pager;
    buf copy = BUF_INIT;
    slice bytes;
    int rc = keep > 0 ? p->ops->get(p, e->v.obj, old, &bytes) : OK;
    if (rc == OK && keep > 0) {
        assert(keep <= bytes.n && keep <= n);
        buf_append(&copy, bytes.p, keep);
    }
    uint64_t page = 0;
    if (rc == OK) {
        page = btree_page_new(p, e->v.obj);
        rc = set_page(e, key, page);
    }
    if (rc == OK) rc = p->ops->mut(p, e->v.obj, page, n, to);
    if (rc == OK && keep > 0) memcpy(*to, copy.p, keep);
    buf_free(&copy);
    return rc;
}

static int page_now(const struct edits *e, slice key, uint64_t *page) {
    slice val;
    int rc = tree_get(&e->v, key, &val);
    if (rc == OK && val.n != CHUNK_BYTES) rc = ERR_CORRUPT;
    if (rc == OK) *page = get_u64(val.p);
    return rc;
}

/* The chunk's page and its count; *refs 0: there is no such chunk. */
static int chunk_now(const struct edits *e, slice key, uint64_t *page, uint32_t *refs) {
    int rc = page_now(e, key, page);
    *refs = 0;
    if (rc == ERR_NOTFOUND) return OK;
    return rc == OK ? page_refs(&e->v, *page, refs) : rc;
}

static int chunk_bytes(const struct edits *e, uint64_t page, slice *bytes) {
    int rc = e->v.pager->ops->get(e->v.pager, e->v.obj, page, bytes);
    return rc == OK && bytes->n > VOLUME_CHUNK ? ERR_CORRUPT : rc;
}

/* How long a page gets that must hold `end` bytes: one that grows gets more, for the
 * next time, so that a log is not moved with each line. */
#define GROW_ROUND 512
static size_t page_size(size_t had, size_t end) {
    if (end <= had) return had;
    if (had > 0) end += end / 8;
    end = (end + GROW_ROUND - 1) / GROW_ROUND * GROW_ROUND;
    return end < VOLUME_CHUNK ? end : VOLUME_CHUNK;
}

static int write_chunk(struct edits *e, const struct edit *x) {
    pager *p = e->v.pager;
    slice key = key_in(e, x), bytes, data = x->data;
    if (data.n == 0) data = slice_make(e->bytes.p + x->val, x->val_n);
    size_t end = x->at + data.n;
    uint32_t refs;
    uint64_t page = 0;
    uint8_t *to = NULL;
    int rc = chunk_now(e, key, &page, &refs);
    if (rc != OK) return rc;
    if (refs == 0 || x->whole) {
        if (refs > 0) rc = release(e, page);
        if (rc == OK) rc = fresh_page(e, key, 0, 0, end, &to);
    } else {
        rc = chunk_bytes(e, page, &bytes);
        if (rc != OK) return rc;
        size_t had = bytes.n;
        if (refs > 1) {
            rc = fresh_page(e, key, page, had, page_size(had, end), &to);
            if (rc == OK) rc = release(e, page);
            /* The page of the chunk has moved: look again. It is the chunk's alone, and where
             * its count would stand was not asked for. */
            if (rc == OK) rc = page_now(e, key, &page);
        }
        if (rc == OK) rc = p->ops->mut(p, e->v.obj, page, page_size(had, end), &to);
    }
    if (rc == OK) memcpy(to + x->at, data.p, data.n);
    return rc;
}

static int cut_chunk(struct edits *e, const struct edit *x) {
    pager *p = e->v.pager;
    slice key = key_in(e, x), bytes;
    uint32_t refs;
    uint64_t page = 0;
    uint8_t *to;
    int rc = chunk_now(e, key, &page, &refs);
    if (rc != OK || refs == 0) return rc;
    rc = chunk_bytes(e, page, &bytes);
    if (rc != OK || bytes.n <= x->val_n) return rc;
    if (refs == 1) return p->ops->mut(p, e->v.obj, page, x->val_n, &to);
    rc = fresh_page(e, key, page, x->val_n, x->val_n, &to);
    return rc == OK ? release(e, page) : rc;
}

static int drop_chunk(struct edits *e, slice key) {
    uint32_t refs;
    uint64_t page = 0;
    int rc = chunk_now(e, key, &page, &refs);
    if (rc != OK || refs == 0) return rc;
    rc = tree_del(e, key);
    return rc == OK ? release(e, page) : rc;
}

static int share_chunk(struct edits *e, slice key, uint64_t page) {
    uint32_t refs;
    int rc = page_refs(&e->v, page, &refs);
    if (rc == OK && refs == UINT32_MAX) rc = ERR_CORRUPT;
    if (rc == OK) rc = set_refs(e, page, refs + 1);
    return rc == OK ? set_page(e, key, page) : rc;
}

static int commit_one(struct edits *e, const struct edit *x) {
    slice key = key_in(e, x);
    switch (x->kind) {
    case EDIT_PUT: return tree_put(e, key, slice_make(e->bytes.p + x->val, x->val_n));
    case EDIT_DEL: return tree_del(e, key);
    case EDIT_CHUNK: return write_chunk(e, x);
    case EDIT_CUT: return cut_chunk(e, x);
    case EDIT_DROP: return drop_chunk(e, key);
    case EDIT_SHARE: return share_chunk(e, key, x->page);
    }
    return ERR_CORRUPT;
}

int edits_commit(struct edits *e) {
    int rc = OK;
    for (size_t i = 0; rc == OK && i < count_of(e); i++) {
        struct edit x = edit_at(e, i);
        rc = commit_one(e, &x);
    }
    if (rc == OK) rc = remove_gone(e);
    /* All was asked for and looked at. What fails now is a tree that names a page twice. */
    if (rc != OK) return ERR_CORRUPT;
    uint8_t *meta = e->v.pager->ops->meta_mut(e->v.pager, e->v.obj);
    put_u64(meta + META_NEXT, e->info.next_ino);
    put_u64(meta + META_INODES, e->info.inodes);
    put_u64(meta + META_BYTES, e->info.bytes);
    put_u64(meta + META_VERSION, e->info.version);
    return OK;
}
