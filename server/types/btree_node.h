/* btree_node.h -- one node of a B+ tree: a flat page of sorted entries.
 *
 *     header 16 | u16 slots, in key order -> | free | <- entries: u16 key, u16 value, bytes |
 *
 * In a branch the value is the u64 page index of a child that holds the keys from this key to the next
 * entry's; the first key is never looked at: what is below the second key goes there. An entry may leave garbage behind it; `live`
 * is what a compact copy would take. Pages come from the store: bt_node_ok() checks the header, and
 * every entry is checked when it is looked at. */
#ifndef COVE_TYPES_BTREE_NODE_H
#define COVE_TYPES_BTREE_NODE_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

#define BT_HEADER 16
#define BT_ENTRY 4   /* bytes of an entry before its key */
#define BT_PER_ENTRY 6 /* and with its slot */

struct bt_entry {
    slice key, val;
};

/* The entries of a node, over a copy of its bytes, so that the node may be written meanwhile. */
struct bt_list {
    buf copy;
    struct bt_entry *e;
    size_t count, cap;
};

bool bt_node_ok(slice page, unsigned level);
static inline unsigned bt_count(slice page) { return get_u16(page.p + 2); }
size_t bt_live(slice page); /* bytes of a compact copy */
static inline size_t bt_entry_bytes(size_t key_bytes, size_t val_bytes) {
    return BT_PER_ENTRY + key_bytes + val_bytes;
}
/* False: the bytes are damaged. */
bool bt_at(slice page, unsigned i, struct bt_entry *e);
bool bt_child(slice page, unsigned i, uint64_t *index);
/* The first entry whose key is not below `key`. OK or ERR_CORRUPT. */
int bt_search(slice page, slice key, unsigned *pos, bool *exact);
/* In a branch: the entry whose child covers `key`. */
int bt_route(slice page, slice key, unsigned *pos);

/* False: there is no room between slots and entries. */
bool bt_insert(uint8_t *p, size_t n, unsigned pos, slice key, slice val);
int bt_remove(uint8_t *p, size_t n, unsigned pos);

int bt_list_load(slice page, struct bt_list *l);  /* ERR_CORRUPT */
void bt_list_add(struct bt_list *l, size_t pos, slice key, slice val); /* borrows both */
void bt_list_free(struct bt_list *l);
size_t bt_list_bytes(const struct bt_list *l, size_t from, size_t to); /* as a node */
/* A node of entries [from, to) in `bytes` bytes, into out (emptied first). */
void bt_build(const struct bt_list *l, size_t from, size_t to, unsigned level, size_t bytes,
              buf *out);

#endif
