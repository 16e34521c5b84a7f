/* btree.c -- a paged B+ tree: looking, walking, putting. Removing is in btree_del.c.
 *
 * Invariants, walked by btree_check():
 *  1. All leaves have the same depth; a node knows its level.
 *  2. The keys of a node ascend, and lie between its entry's key in the parent and the next one's.
 *  3. No node is empty.
 *  4. The count in the meta is the number of entries in leaves.
 *
 * A put needs only the pages of one path, so it asks for nothing after its first change: a node
 * that splits makes a new page. Leaves are not linked: a link would be one more page to have in
 * memory for a split; a scan climbs instead. */
#include "types/btree.h"

#include <assert.h>
#include <stdio.h>

#include "types/btree_internal.h"

#define PAGE_SMALLEST 256

int btree_init(pager *p, object *o) {
    assert(p->ops->meta_bytes(o) >= BTREE_META);
    memset(p->ops->meta_mut(p, o), 0, BTREE_META);
    return OK;
}

uint64_t btree_count(const uint8_t *meta) { return get_u64(meta + BT_AT_COUNT); }

bool btree_meta_ok(const uint8_t *meta) {
    uint64_t next = get_u64(meta + BT_AT_NEXT), count = get_u64(meta + BT_AT_COUNT);
    unsigned height = meta[BT_AT_HEIGHT];
    if (height > BT_HEIGHT_MAX || (height == 0) != (count == 0)) return false;
    if (count > BT_COUNT_MAX || next > BT_COUNT_MAX) return false;
    return get_u64(meta + BT_AT_FREE) <= next && (height == 0 || get_u64(meta + BT_AT_ROOT) < next);
}

/* ---- looking ------------------------------------------------------------------------------ */

int bt__get(pager *p, object *o, uint64_t index, unsigned level, slice *page) {
    int rc = p->ops->get(p, o, index, page);
    if (rc == ERR_NOTFOUND) return ERR_CORRUPT;
    if (rc != OK) return rc;
    return bt_node_ok(*page, level) ? OK : ERR_CORRUPT;
}

int bt__descend(pager *p, object *o, slice key, struct bt_path *path) {
    const uint8_t *meta = p->ops->meta(o);
    path->height = meta[BT_AT_HEIGHT];
    path->exact = false;
    if (path->height == 0) return ERR_NOTFOUND;
    if (path->height > BT_HEIGHT_MAX) return ERR_CORRUPT;
    uint64_t index = get_u64(meta + BT_AT_ROOT);
    slice page;
    for (unsigned level = path->height; level-- > 0;) {
        unsigned pos;
        int rc = bt__get(p, o, index, level, &page);
        if (rc != OK) return rc;
        rc = level == 0 ? bt_search(page, key, &pos, &path->exact) : bt_route(page, key, &pos);
        if (rc != OK) return rc;
        path->at[level].index = index;
        path->at[level].pos = pos;
        if (level > 0 && !bt_child(page, pos, &index)) return ERR_CORRUPT;
    }
    return OK;
}

int btree_get(pager *p, object *o, slice key, slice *val) {
    struct bt_path path;
    struct bt_entry e;
    slice page;
    int rc = bt__descend(p, o, key, &path);
    if (rc != OK) return rc;
    if (!path.exact) return ERR_NOTFOUND;
    rc = bt__get(p, o, path.at[0].index, 0, &page);
    if (rc != OK) return rc;
    if (!bt_at(page, path.at[0].pos, &e)) return ERR_CORRUPT;
    *val = e.val;
    return OK;
}

int btree_need_write(pager *p, object *o, slice key) {
    struct bt_path path;
    int rc = bt__descend(p, o, key, &path);
    return rc == ERR_NOTFOUND ? OK : rc;
}

int bt__next_leaf(pager *p, object *o, struct bt_path *path) {
    slice page;
    uint64_t index = 0;
    unsigned level = 1;
    assert(path->height > 0);
    for (; level < path->height; level++) {
        int rc = bt__get(p, o, path->at[level].index, level, &page);
        if (rc != OK) return rc;
        if (path->at[level].pos + 1 < bt_count(page)) break;
    }
    if (level == path->height) return ERR_NOTFOUND;
    path->at[level].pos++;
    while (level > 0) {
        if (!bt_child(page, path->at[level].pos, &index)) return ERR_CORRUPT;
        level--;
        path->at[level].index = index;
        path->at[level].pos = 0;
        int rc = bt__get(p, o, index, level, &page);
        if (rc != OK) return rc;
    }
    return OK;
}

/* The entries of a leaf from `pos`. They rise, also from the leaf before: so a damaged tree that
 * names a leaf again and again is not walked for ever. last: the key before them, if any. */
static int scan_leaf(slice page, unsigned pos, bool *any, buf *last, btree_each *each,
                     void *cookie) {
    struct bt_entry e, before = {slice_of(last), slice_of(last)};
    for (unsigned i = pos; i < bt_count(page); i++) {
        if (!bt_at(page, i, &e)) return ERR_CORRUPT;
        if (*any && slice_cmp(e.key, before.key) <= 0) return ERR_CORRUPT;
        int rc = each(cookie, e.key, e.val);
        if (rc != 0) return rc;
        before = e;
        *any = true;
    }
    if (before.key.p == last->p) return OK;
    last->n = 0;
    buf_append_slice(last, before.key);
    return OK;
}

int btree_scan(pager *p, object *o, slice from, btree_each *each, void *cookie) {
    struct bt_path path;
    buf last = BUF_INIT;
    bool any = false, first = true;
    int rc = bt__descend(p, o, from, &path);
    if (rc == ERR_NOTFOUND) return OK;
    for (; rc == OK; first = false) {
        slice page;
        rc = bt__get(p, o, path.at[0].index, 0, &page);
        if (rc == OK && !first && bt_count(page) == 0) rc = ERR_CORRUPT;
        if (rc == OK) rc = scan_leaf(page, path.at[0].pos, &any, &last, each, cookie);
        if (rc != OK) break;
        rc = bt__next_leaf(p, o, &path);
        if (rc == ERR_NOTFOUND) {
            rc = OK;
            break;
        }
    }
    buf_free(&last);
    return rc;
}

/* ---- putting ------------------------------------------------------------------------------ */

size_t bt__page_bytes(size_t bytes) {
    bytes = (bytes + bytes / 2 + 63) & ~(size_t)63;
    if (bytes < PAGE_SMALLEST) return PAGE_SMALLEST;
    return bytes < PAGE_BYTES ? bytes : PAGE_BYTES;
}

int bt__write(pager *p, object *o, uint64_t index, const buf *image) {
    uint8_t *to;
    int rc = p->ops->mut(p, o, index, image->n, &to);
    if (rc == OK) memcpy(to, image->p, image->n);
    return rc;
}

struct split { /* what a node's parent has to take in */
    bool happened;
    buf key;
    uint64_t index;
};

/* The shortest key that is above `left` and not above `right`. */
static size_t separator_bytes(slice left, slice right) {
    size_t n = 0;
    while (n < left.n && n < right.n && left.p[n] == right.p[n]) n++;
    return n < right.n ? n + 1 : n;
}

/* Where to cut a node that is too large: in the middle, but behind everything when the new entry is
 * the last, so that ascending keys fill their pages. */
static size_t cut_at(const struct bt_list *l, size_t added) {
    if (added + 1 == l->count) return added;
    size_t half = bt_list_bytes(l, 0, l->count) / 2, bytes = BT_HEADER, i = 0;
    while (bytes < half && i + 1 < l->count) {
        bytes += bt_entry_bytes(l->e[i].key.n, l->e[i].val.n);
        i++;
    }
    assert(i > 0 && i < l->count);
    return i;
}

static int write_range(pager *p, object *o, uint64_t index, const struct bt_list *l, size_t from,
                       size_t to, unsigned level) {
    buf image = BUF_INIT;
    bt_build(l, from, to, level, bt__page_bytes(bt_list_bytes(l, from, to)), &image);
    int rc = bt__write(p, o, index, &image);
    buf_free(&image);
    return rc;
}

/* The node has no room where it is: write it anew, larger or as two. */
static int insert_anew(pager *p, object *o, uint64_t index, slice page, unsigned level,
                       unsigned pos, slice key, slice val, struct split *s) {
    struct bt_list l;
    int rc = bt_list_load(page, &l);
    if (rc != OK) goto out;
    bt_list_add(&l, pos, key, val);
    if (bt_list_bytes(&l, 0, l.count) <= PAGE_BYTES) {
        rc = write_range(p, o, index, &l, 0, l.count, level);
        goto out;
    }
    size_t cut = cut_at(&l, pos);
    slice right = l.e[cut].key;
    size_t n = level == 0 ? separator_bytes(l.e[cut - 1].key, right) : right.n;
    s->key.n = 0;
    buf_append(&s->key, right.p, n);
    s->index = btree_page_new(p, o);
    s->happened = true;
    rc = write_range(p, o, s->index, &l, cut, l.count, level);
    if (rc == OK) rc = write_range(p, o, index, &l, 0, cut, level);
out:
    bt_list_free(&l);
    return rc;
}

static int insert_entry(pager *p, object *o, uint64_t index, unsigned level, unsigned pos,
                        slice key, slice val, struct split *s) {
    slice page;
    uint8_t *to;
    s->happened = false;
    int rc = bt__get(p, o, index, level, &page);
    if (rc != OK) return rc;
    rc = p->ops->mut(p, o, index, page.n, &to);
    if (rc != OK || bt_insert(to, page.n, pos, key, val)) return rc;
    return insert_anew(p, o, index, slice_make(to, page.n), level, pos, key, val, s);
}

/* A root over the old one and its new neighbour; or a first leaf. */
static int new_root(pager *p, object *o, unsigned height, struct bt_list *l) {
    uint64_t index = btree_page_new(p, o);
    int rc = write_range(p, o, index, l, 0, l->count, height);
    if (rc != OK) return rc;
    uint8_t *meta = p->ops->meta_mut(p, o);
    put_u64(meta + BT_AT_ROOT, index);
    meta[BT_AT_HEIGHT] = (uint8_t)(height + 1);
    return OK;
}

static int grow_up(pager *p, object *o, const struct bt_path *path, const struct split *s) {
    if (path->height == BT_HEIGHT_MAX) return ERR_LIMIT;
    uint8_t low[8], high[8];
    put_u64(low, path->at[path->height - 1].index);
    put_u64(high, s->index);
    struct bt_list l = {.copy = BUF_INIT};
    bt_list_add(&l, 0, SLICE(""), slice_make(low, 8));
    bt_list_add(&l, 1, slice_of(&s->key), slice_make(high, 8));
    int rc = new_root(p, o, path->height, &l);
    bt_list_free(&l);
    return rc;
}

static int insert_first(pager *p, object *o, slice key, slice val) {
    struct bt_list l = {.copy = BUF_INIT};
    bt_list_add(&l, 0, key, val);
    int rc = new_root(p, o, 0, &l);
    bt_list_free(&l);
    return rc;
}

/* Takes the entry that is to be replaced away; or writes over it, and says so. */
static int replace_entry(pager *p, object *o, uint64_t index, unsigned pos, slice val, bool *done) {
    slice page;
    struct bt_entry e;
    uint8_t *to;
    int rc = bt__get(p, o, index, 0, &page);
    if (rc != OK) return rc;
    rc = p->ops->mut(p, o, index, page.n, &to);
    if (rc != OK) return rc;
    if (!bt_at(slice_make(to, page.n), pos, &e)) return ERR_CORRUPT;
    *done = e.val.n == val.n;
    if (!*done) return bt_remove(to, page.n, pos);
    if (val.n != 0) memcpy(to + (e.val.p - to), val.p, val.n);
    return OK;
}

int btree_put(pager *p, object *o, slice key, slice val) {
    if (key.n > BTREE_KEY_MAX || val.n > BTREE_VAL_MAX) return ERR_LIMIT;
    struct bt_path path;
    int rc = bt__descend(p, o, key, &path);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    bool empty = rc == ERR_NOTFOUND;
    if (!empty && path.exact) {
        bool done = false;
        rc = replace_entry(p, o, path.at[0].index, path.at[0].pos, val, &done);
        if (rc != OK || done) return rc;
    }
    if (empty) {
        rc = insert_first(p, o, key, val);
    } else {
        struct split now = {.key = BUF_INIT}, next = {.key = BUF_INIT};
        rc = insert_entry(p, o, path.at[0].index, 0, path.at[0].pos, key, val, &now);
        for (unsigned level = 1; rc == OK && now.happened && level < path.height; level++) {
            uint8_t child[8];
            put_u64(child, now.index);
            rc = insert_entry(p, o, path.at[level].index, level, path.at[level].pos + 1,
                              slice_of(&now.key), slice_make(child, 8), &next);
            struct split swap = now;
            now = next;
            next = swap;
        }
        if (rc == OK && now.happened) rc = grow_up(p, o, &path, &now);
        buf_free(&now.key);
        buf_free(&next.key);
    }
    if (rc == OK && (empty || !path.exact)) {
        uint8_t *meta = p->ops->meta_mut(p, o);
        put_u64(meta + BT_AT_COUNT, get_u64(meta + BT_AT_COUNT) + 1);
    }
    return rc;
}

/* ---- check -------------------------------------------------------------------------------- */

struct checking {
    pager *p;
    object *o;
    uint64_t count;
    char *why;
};

static int bad(struct checking *c, uint64_t index, const char *what) {
    snprintf(c->why, 160, "btree: node %llu %s", (unsigned long long)index, what);
    return ERR_CORRUPT;
}

/* Keys are in [low, high); high.p NULL: no bound. */
static int check_node(struct checking *c, uint64_t index, unsigned level, slice low, slice high) {
    slice page;
    int rc = bt__get(c->p, c->o, index, level, &page);
    if (rc == ERR_CORRUPT) return bad(c, index, "is not one of its level");
    if (rc != OK) return rc;
    unsigned count = bt_count(page);
    struct bt_entry e, before = {low, low};
    size_t bytes = BT_HEADER;
    if (count == 0) return bad(c, index, "is empty");
    if (level == 0) c->count += count;
    for (unsigned i = 0; i < count; i++) {
        if (!bt_at(page, i, &e)) return bad(c, index, "has an entry outside");
        bytes += bt_entry_bytes(e.key.n, e.val.n);
        bool first = level > 0 && i == 0; /* Its key counts as the lowest. */
        int order = slice_cmp(e.key, before.key);
        if (!first && (order < 0 || (order == 0 && (i > 0 || level > 0))))
            return bad(c, index, "has keys out of order");
        if (!first && high.p != NULL && slice_cmp(e.key, high) >= 0) return bad(c, index, "has a high key");
        before = e;
        if (first) before.key = low;
    }
    if (bytes != bt_live(page)) return bad(c, index, "counts its bytes wrong");
    for (unsigned i = 0; level > 0 && i < count; i++) {
        uint64_t child;
        struct bt_entry after = {high, high};
        bool whole = bt_at(page, i, &e) && bt_child(page, i, &child);
        if (i + 1 < count) whole = whole && bt_at(page, i + 1, &after);
        if (!whole) return bad(c, index, "has an entry that names no child");
        rc = check_node(c, child, level - 1, i == 0 ? low : e.key, after.key);
        if (rc != OK) return rc;
    }
    return OK;
}

int btree_check(pager *p, object *o, char why[160]) {
    const uint8_t *meta = p->ops->meta(o);
    struct checking c = {p, o, 0, why};
    unsigned height = meta[BT_AT_HEIGHT];
    if (height > BT_HEIGHT_MAX) return bad(&c, get_u64(meta + BT_AT_ROOT), "is too high");
    if (height > 0) {
        uint64_t root = get_u64(meta + BT_AT_ROOT);
        int rc = check_node(&c, root, height - 1, SLICE(""), slice_make(NULL, 0));
        if (rc != OK) return rc;
    }
    if (c.count == btree_count(meta)) return OK;
    snprintf(why, 160, "btree: %llu entries found, %llu expected", (unsigned long long)c.count,
             (unsigned long long)btree_count(meta));
    return ERR_CORRUPT;
}
