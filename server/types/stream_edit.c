/* stream_edit.c -- entries of a stream added, deleted, and cut off at the head.
 *
 * The last block and its count stand in the meta: an XADD that fits touches its page alone. When
 * another block becomes the last, or none is known to be, the tree has its count. */
#include <assert.h>

#include "types/stream_internal.h"

#define ELEMENT_OVERHEAD 10 /* what a listpack adds to a string, at most */
#define ENTRY_OVERHEAD 128  /* counts, flags, the id */

bool stream_entry_fits(const slice *args, size_t argc) {
    size_t bytes = ENTRY_OVERHEAD;
    for (size_t i = 0; i < argc; i++) {
        if (args[i].n > PAGE_BYTES_MAX) return false;
        bytes += args[i].n + ELEMENT_OVERHEAD;
        if (bytes > PAGE_BYTES_MAX) return false;
    }
    return true;
}

/* ---- blocks ------------------------------------------------------------------------------- */

static slice block_key(struct stream_key *k, stream_id id) {
    stream__key(k, 'b');
    return stream__key_id(k, id);
}

static int put_row(struct value *v, stream_id id, uint64_t page, uint64_t live) {
    struct stream_key k;
    uint8_t val[16];
    put_u64(val, page);
    put_u64(val + 8, live);
    return btree_put(v->pager, v->obj, block_key(&k, id), slice_make(val, 16));
}

static void set_tail(struct value *v, stream_id id, uint64_t page, uint64_t live) {
    stream__meta_set(v, SM_TAIL_PAGE, page + 1);
    stream__meta_set_id(v, SM_TAIL_ID, id);
    stream__meta_set(v, SM_TAIL_LIVE, live);
}

/* The last block, from the meta or the tree. ERR_NOTFOUND: there is none. */
static int tail_block(const struct value *v, struct stream_block_at *b) {
    const uint8_t *m = stream__meta(v);
    if (get_u64(m + SM_TAIL_PAGE) == 0) return stream__block_floor(v, STREAM_ID_MAX, b);
    b->page = get_u64(m + SM_TAIL_PAGE) - 1;
    b->id = stream_id_read(m + SM_TAIL_ID);
    b->live = get_u64(m + SM_TAIL_LIVE);
    return OK;
}

static int write_page(struct value *v, uint64_t page, slice lp) {
    uint8_t *to;
    if (lp.n > PAGE_BYTES_MAX) return ERR_LIMIT;
    int rc = v->pager->ops->mut(v->pager, v->obj, page, lp.n, &to);
    if (rc == OK) memcpy(to, lp.p, lp.n);
    return rc;
}

int stream__block_add(struct value *v, stream_id id, slice lp, uint64_t live) {
    const uint8_t *m = stream__meta(v);
    int rc = OK;
    if (get_u64(m + SM_TAIL_PAGE) != 0) {
        rc = put_row(v, stream_id_read(m + SM_TAIL_ID), get_u64(m + SM_TAIL_PAGE) - 1,
                     get_u64(m + SM_TAIL_LIVE));
    }
    if (rc != OK) return rc;
    uint64_t page = btree_page_new(v->pager, v->obj);
    rc = write_page(v, page, lp);
    if (rc == OK) rc = put_row(v, id, page, live);
    if (rc != OK) return rc;
    set_tail(v, id, page, live);
    stream__meta_set(v, SM_BLOCKS, stream__meta_u64(v, SM_BLOCKS) + 1);
    return OK;
}

static int drop_block(struct value *v, const struct stream_block_at *b) {
    struct stream_key k;
    int rc = btree_del(v->pager, v->obj, block_key(&k, b->id));
    if (rc == OK) rc = btree_page_free(v->pager, v->obj, b->page);
    if (rc != OK) return rc == ERR_NOTFOUND || rc == ERR_RANGE ? ERR_CORRUPT : rc;
    if (stream__meta_u64(v, SM_TAIL_PAGE) == b->page + 1) stream__meta_set(v, SM_TAIL_PAGE, 0);
    stream__meta_set(v, SM_BLOCKS, stream__meta_u64(v, SM_BLOCKS) - 1);
    return OK;
}

/* Entries of a block are gone: what is left of it is `lp`. */
static int block_lost(struct value *v, const struct stream_block_at *b, slice lp, uint64_t gone) {
    uint64_t length = stream__meta_u64(v, SM_LENGTH);
    if (gone > b->live || gone > length) return ERR_CORRUPT;
    stream__meta_set(v, SM_LENGTH, length - gone);
    if (gone == b->live) return drop_block(v, b);
    int rc = write_page(v, b->page, lp);
    if (rc != OK) return rc;
    if (stream__meta_u64(v, SM_TAIL_PAGE) == b->page + 1) {
        stream__meta_set(v, SM_TAIL_LIVE, b->live - gone);
        return OK;
    }
    return put_row(v, b->id, b->page, b->live - gone);
}

/* ---- adding ------------------------------------------------------------------------------- */

/* Does an entry go into the last block, as Redis judges it? */
static bool block_takes(const struct value *v, stream_id master, slice lp, const slice *args, size_t argc,
                        struct stream_cursor *c) {
    uint64_t bytes_max = (uint64_t)v->config->stream_node_max_bytes;
    uint64_t entries_max = (uint64_t)v->config->stream_node_max_entries;
    size_t bytes = 0;
    if (bytes_max == 0 || bytes_max > PAGE_BYTES) bytes_max = PAGE_BYTES;
    for (size_t i = 0; i < argc; i++) bytes += args[i].n;
    if (lp.n + bytes >= bytes_max) return false;
    /* Many small ones: the rule above does not count what goes around each. */
    if (lp.n + bytes + argc * ELEMENT_OVERHEAD + ENTRY_OVERHEAD > PAGE_BYTES_MAX) return false;
    if (stream_block_open(lp, master, c) != OK) return false;
    return entries_max == 0 || c->live + c->deleted < entries_max;
}

/* The last block, when it is there and takes the entry: OK, and c opened on it. ERR_NOTFOUND: the entry
 * needs another one, and what that changes is in memory. */
static int find_room(const struct value *v, stream_id id, const slice *args, size_t argc,
                     struct stream_block_at *b, struct stream_cursor *c) {
    struct stream_key k;
    slice lp;
    int rc = tail_block(v, b);
    if (rc == OK) rc = stream_block_read(v, b, &lp);
    if (rc == OK && block_takes(v, b->id, lp, args, argc, c)) return OK;
    if (rc == OK) rc = btree_need_write(v->pager, v->obj, block_key(&k, b->id));
    if (rc == OK || rc == ERR_NOTFOUND) rc = btree_need_write(v->pager, v->obj, block_key(&k, id));
    return rc == OK ? ERR_NOTFOUND : rc;
}

int stream__need_add(const struct value *v, const slice *args, size_t argc) {
    struct stream_block_at b;
    struct stream_cursor c;
    stream_id id = stream_id_read(args[0].p);
    if (stream_id_cmp(id, stream_head(v).last) <= 0) return ERR_CORRUPT;
    int rc = find_room(v, id, args + 1, argc - 1, &b, &c);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* In the page itself, which is given the bytes first: nothing is copied. */
static int append(struct value *v, const struct stream_block_at *b, const struct stream_cursor *c, stream_id id,
                  const slice *args, size_t argc) {
    uint8_t *to;
    bool same;
    size_t had = c->lp.n, n = had + stream_block_grows(c, id, args, argc, &same);
    if (n > PAGE_BYTES_MAX) return ERR_LIMIT;
    int rc = v->pager->ops->mut(v->pager, v->obj, b->page, n, &to);
    if (rc != OK) return rc;
    buf lp = {to, had, n};
    stream_block_append(&lp, c, id, args, argc, same);
    assert(lp.p == to && lp.n <= n);
    if (lp.n < n) rc = v->pager->ops->mut(v->pager, v->obj, b->page, lp.n, &to);
    if (rc == OK) set_tail(v, b->id, b->page, b->live + 1);
    return rc;
}

static int add_to_block(struct value *v, stream_id id, const slice *args, size_t argc) {
    struct stream_block_at b;
    struct stream_cursor c;
    int rc = find_room(v, id, args, argc, &b, &c);
    if (rc == OK) return append(v, &b, &c, id, args, argc);
    if (rc != ERR_NOTFOUND) return rc;
    buf lp = BUF_INIT;
    stream_block_new(&lp, args, argc);
    rc = stream__block_add(v, id, slice_of(&lp), 1);
    buf_free(&lp);
    return rc;
}

int stream__add(struct value *v, stream_id id, const slice *args, size_t argc) {
    int rc = add_to_block(v, id, args, argc);
    if (rc != OK) return rc;
    stream__meta_set(v, SM_LENGTH, stream__meta_u64(v, SM_LENGTH) + 1);
    stream__meta_set(v, SM_ADDED, stream__meta_u64(v, SM_ADDED) + 1);
    stream__meta_set_id(v, SM_LAST, id);
    return OK;
}

/* ---- cutting off the head ----------------------------------------------------------------- */

/* Does the block go as a whole? Its own page need not be read then. */
static int goes_whole(const struct value *v, const struct stream_block_at *b, stream_id to,
                      bool *whole) {
    struct stream_block_at next;
    stream_id id = b->id;
    *whole = stream_id_cmp(to, stream_head(v).last) >= 0;
    if (*whole || !stream_id_up(&id)) return OK;
    int rc = stream_block_from(v, id, &next);
    if (rc == OK && stream_id_down(&next.id)) *whole = stream_id_cmp(next.id, to) <= 0;
    return rc == ERR_NOTFOUND ? OK : rc;
}

int stream__need_trim(const struct value *v, stream_id to) {
    struct stream_block_at b;
    struct stream_key k;
    slice lp;
    stream_id id = STREAM_ID_MIN;
    uint64_t left = stream__meta_u64(v, SM_LENGTH);
    int rc;
    while ((rc = stream_block_from(v, id, &b)) == OK && stream_id_cmp(b.id, to) <= 0) {
        bool whole;
        if (b.live > left) return ERR_CORRUPT;
        left -= b.live;
        rc = btree_need_write(v->pager, v->obj, block_key(&k, b.id));
        if (rc == OK) rc = goes_whole(v, &b, to, &whole);
        if (rc == OK && !whole) return stream_block_read(v, &b, &lp);
        id = b.id;
        if (rc != OK || !stream_id_up(&id)) return rc;
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

int stream__trim(struct value *v, stream_id to) {
    struct stream_block_at b;
    buf copy = BUF_INIT;
    slice lp;
    int rc;
    while ((rc = stream_block_from(v, STREAM_ID_MIN, &b)) == OK && stream_id_cmp(b.id, to) <= 0) {
        bool whole;
        uint64_t gone = 0;
        rc = goes_whole(v, &b, to, &whole);
        if (rc != OK) break;
        if (whole) {
            rc = block_lost(v, &b, slice_make(NULL, 0), b.live);
            if (rc != OK) break;
            continue;
        }
        rc = stream_block_read(v, &b, &lp);
        if (rc != OK) break;
        buf_append_slice(&copy, lp);
        rc = stream_block_delete_to(&copy, b.id, to, &gone);
        if (rc == OK && gone > 0) rc = block_lost(v, &b, slice_of(&copy), gone);
        break;
    }
    buf_free(&copy);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* ---- deleting ----------------------------------------------------------------------------- */

/* The ids rise, and each is an entry's: so a block that goes is not asked for again. */
int stream__need_delete(const struct value *v, slice ids) {
    struct stream_finder finder = {.any = false};
    int cold = OK;
    for (size_t i = 0; i < ids.n; i += STREAM_ID_BYTES) {
        struct stream_block_at b;
        struct stream_key k;
        struct stream_entry e;
        stream_id id = stream_id_read(ids.p + i);
        if (i > 0 && memcmp(ids.p + i - STREAM_ID_BYTES, ids.p + i, STREAM_ID_BYTES) >= 0) {
            return ERR_CORRUPT;
        }
        int rc = stream__block_floor(v, id, &b);
        if (rc == OK) rc = btree_need_write(v->pager, v->obj, block_key(&k, b.id));
        if (rc == OK) rc = stream_find(v, &finder, id, &e);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return ERR_CORRUPT;
    }
    return cold;
}

static int delete_one(struct value *v, stream_id id, buf *copy) {
    struct stream_block_at b;
    slice lp;
    int rc = stream__block_floor(v, id, &b);
    if (rc == OK) rc = stream_block_read(v, &b, &lp);
    if (rc != OK) return rc;
    copy->n = 0;
    buf_append_slice(copy, lp);
    rc = stream_block_delete(copy, b.id, id);
    if (rc == OK) rc = block_lost(v, &b, slice_of(copy), 1);
    if (rc == OK && stream_id_cmp(id, stream_head(v).max_deleted) > 0) {
        stream__meta_set_id(v, SM_DELETED, id);
    }
    return rc;
}

int stream__delete(struct value *v, slice ids) {
    buf copy = BUF_INIT;
    int rc = OK;
    for (size_t i = 0; i < ids.n && rc == OK; i += STREAM_ID_BYTES) {
        rc = delete_one(v, stream_id_read(ids.p + i), &copy);
    }
    buf_free(&copy);
    return rc;
}
