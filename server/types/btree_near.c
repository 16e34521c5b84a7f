/* btree_near.c -- the entry of a B+ tree that is next to a key, on either side. */
#include <assert.h>

#include "types/btree_internal.h"

/* Moves the path to the last entry of the leaf before. ERR_NOTFOUND: there is none. */
static int prev_leaf(pager *p, object *o, struct bt_path *path) {
    slice page;
    uint64_t index = 0;
    unsigned level = 1;
    assert(path->height > 0);
    while (level < path->height && path->at[level].pos == 0) level++;
    if (level == path->height) return ERR_NOTFOUND;
    path->at[level].pos--;
    int rc = bt__get(p, o, path->at[level].index, level, &page);
    if (rc != OK) return rc;
    while (level > 0) {
        if (!bt_child(page, path->at[level].pos, &index)) return ERR_CORRUPT;
        level--;
        rc = bt__get(p, o, index, level, &page);
        if (rc != OK) return rc;
        if (bt_count(page) == 0) return ERR_CORRUPT;
        path->at[level].index = index;
        path->at[level].pos = bt_count(page) - 1;
    }
    return OK;
}

static int entry_at(pager *p, object *o, const struct bt_path *path, slice *found, slice *val) {
    struct bt_entry e;
    slice page;
    int rc = bt__get(p, o, path->at[0].index, 0, &page);
    if (rc != OK) return rc;
    if (!bt_at(page, path->at[0].pos, &e)) return ERR_CORRUPT;
    *found = e.key;
    *val = e.val;
    return OK;
}

int btree_floor(pager *p, object *o, slice key, slice *found, slice *val) {
    struct bt_path path;
    int rc = bt__descend(p, o, key, &path);
    if (rc != OK) return rc;
    if (!path.exact) {
        if (path.at[0].pos > 0) path.at[0].pos--;
        else rc = prev_leaf(p, o, &path);
    }
    if (rc == OK) rc = entry_at(p, o, &path, found, val);
    /* In a damaged tree a walk from key to key could go on for ever. */
    return rc == OK && slice_cmp(*found, key) > 0 ? ERR_CORRUPT : rc;
}

int btree_ceil(pager *p, object *o, slice key, slice *found, slice *val) {
    struct bt_path path;
    slice page;
    int rc = bt__descend(p, o, key, &path);
    if (rc == OK) rc = bt__get(p, o, path.at[0].index, 0, &page);
    if (rc != OK) return rc;
    if (path.at[0].pos >= bt_count(page)) rc = bt__next_leaf(p, o, &path);
    if (rc == OK) rc = entry_at(p, o, &path, found, val);
    return rc == OK && slice_cmp(*found, key) < 0 ? ERR_CORRUPT : rc;
}
