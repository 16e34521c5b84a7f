/* btree_internal.h -- the root of a B+ tree, shared by btree.c (looking, putting),
 * btree_del.c (removing, free pages) and btree_range.c (removing many). */
#ifndef COVE_TYPES_BTREE_INTERNAL_H
#define COVE_TYPES_BTREE_INTERNAL_H

#include "types/btree.h"
#include "types/btree_node.h"

/* The tree's part of the meta. */
#define BT_AT_ROOT 0    /* u64 page of the root */
#define BT_AT_COUNT 8   /* u64 entries */
#define BT_AT_NEXT 16   /* u64 first index never used */
#define BT_AT_FREE 24   /* u64 head of the free list, plus one; 0: none */
#define BT_AT_HEIGHT 32 /* u8 levels; 0: the tree is empty */
/* The rest of BTREE_META is zero. */

#define BT_COUNT_MAX ((uint64_t)1 << 48) /* More pages or entries no store holds. */
#define BT_HEIGHT_MAX 20 /* A branch has over 60 children before it splits. */
#define BT_MERGE_UNDER (PAGE_BYTES / 4)    /* A smaller node looks for one to join. */
#define BT_MERGE_MAX (PAGE_BYTES / 4 * 3)  /* Joined, it may not be larger: it would split soon. */

struct bt_path { /* from the root, [height - 1], to the leaf, [0] */
    unsigned height;
    struct {
        uint64_t index;
        unsigned pos; /* in a branch: the entry followed; in the leaf: where the key belongs */
    } at[BT_HEIGHT_MAX];
    bool exact; /* the leaf has the key */
};

/* A node's page, its header checked. */
int bt__get(pager *p, object *o, uint64_t index, unsigned level, slice *page);
/* OK, ERR_COLD, ERR_CORRUPT; ERR_NOTFOUND: the tree is empty. */
int bt__descend(pager *p, object *o, slice key, struct bt_path *path);
/* Moves the path to the first entry of the next leaf. ERR_NOTFOUND: there is none. */
int bt__next_leaf(pager *p, object *o, struct bt_path *path);
/* Writes a node's image over a page. */
int bt__write(pager *p, object *o, uint64_t index, const buf *image);
/* The right node goes into the left one, its neighbour; separator: the right one's key in the parent. */
int bt__join(pager *p, object *o, uint64_t left, uint64_t right, unsigned level, slice separator);
/* A root with one child gives its place to it. */
int bt__lower_root(pager *p, object *o);
/* The size for a node whose entries take `bytes`. */
size_t bt__page_bytes(size_t bytes);

#endif
