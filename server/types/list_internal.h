/* list_internal.h -- the tree of a list, shared by list.c, list_tree.c and list_rdb.c.
 *
 * meta:    u8 LIST_OBJECT, u8 height, u16 free pages known, u64 elements, u64 root page,
 *          u64 next unused page, u64 for each free page known
 * branch:  u64 page, u64 elements, for each child; at most LIST_FANOUT
 * leaf:    a listpack, never empty
 *
 * Height 0: the root is a leaf. Pages that are dropped are used again first, as far as the meta
 * remembers them, so that a queue does not walk through all indexes. */
#ifndef COVE_TYPES_LIST_INTERNAL_H
#define COVE_TYPES_LIST_INTERNAL_H

#include "types/list.h"

#define LIST_OBJECT 1
#define LIST_FREE_MAX 24
#define LIST_META_BYTES (28 + 8 * LIST_FREE_MAX)
#define LIST_FANOUT 256
#define LIST_ENTRY_BYTES 16
#define LIST_HEIGHT_MAX 12 /* Even half full, more than any memory holds. */

struct list_step { /* a branch on the way down */
    uint64_t page, total;
    uint32_t slot, n;
};
struct list_path {
    unsigned height;
    struct list_step up[LIST_HEIGHT_MAX]; /* the root first */
    uint64_t leaf, first, count;          /* its page, the position of its first element */
};

bool list__meta_ok(slice meta); /* from the store */
/* Does the rule of list-max-listpack-size let an element of n bytes into this leaf? */
bool list__fits(const struct value *v, size_t leaf_bytes, size_t leaf_count, size_t n);

/* The way to the leaf that holds `pos`; the last leaf for pos == count. OK, ERR_COLD, ERR_CORRUPT. */
int list__descend(const struct value *v, uint64_t pos, struct list_path *path);
int list__leaf(const struct value *v, const struct list_path *path, slice *lp);

/* Changes of an object whose pages on the way are all in memory. */
object *list__make(struct value *v, slice leaf); /* of one leaf; NULL: no memory */
int list__push(struct value *v, const slice *args, size_t argc, bool head);
int list__append_leaf(struct value *v, slice leaf);
int list__insert(struct value *v, uint64_t pos, slice element);
int list__replace(struct value *v, uint64_t pos, slice element);
int list__delete(struct value *v, uint64_t first, uint64_t n); /* not all of the list */
int list__need_delete(struct value *v, uint64_t first, uint64_t n);
int list__check(struct value *v, char why[160]);

/* Puts the elements at an end, whatever the value is now. */
int list__grow(struct value *v, const slice *args, size_t argc, bool head);
/* The inline bytes of a small list, checked; ERR_NOTFOUND: it has none. */
int list__inline(const struct value *v, slice *lp);

extern const uint8_t list_rdb_types[];
int list_dump(struct value *v, buf *out);
int list_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version);

#endif
