/* btree.h -- a paged B+ tree in a dense object: ordered byte-string keys to values.
 *
 * For volumes, and what needs order. Leaves and branches are flat pages of at most PAGE_BYTES;
 * the tree's root index, height, free list and count lie in the first BTREE_META bytes of the
 * object's meta. Other pages of the same object (file chunks) are allocated by btree_page_new, so that
 * one index space serves both. Any function may answer ERR_COLD, having changed nothing. */
#ifndef COVE_TYPES_BTREE_H
#define COVE_TYPES_BTREE_H

#include "types/pager.h"

#define BTREE_META 64
#define BTREE_KEY_MAX 1024
#define BTREE_VAL_MAX 8192

int btree_init(pager *p, object *o); /* an empty tree */
int btree_get(pager *p, object *o, slice key, slice *val); /* ERR_NOTFOUND */
/* The last entry whose key is not above `key`, and the first whose key is not below it. ERR_NOTFOUND. */
int btree_floor(pager *p, object *o, slice key, slice *found, slice *val);
int btree_ceil(pager *p, object *o, slice key, slice *found, slice *val);
/* Asks for all that a put or a removal of the key needs, also after changes of other keys. */
int btree_need_write(pager *p, object *o, slice key);
int btree_put(pager *p, object *o, slice key, slice val);  /* adds or replaces */
int btree_del(pager *p, object *o, slice key);             /* ERR_NOTFOUND */
/* All entries with keys in [from, to), of which the caller knows how many there are. What is asked for,
 * once, is the pages at both ends; leaves in between are freed unseen. ERR_CORRUPT: there were not as many. */
int btree_need_range(pager *p, object *o, slice from, slice to);
int btree_del_range(pager *p, object *o, slice from, slice to, uint64_t count);
/* Those of them that which() picks: all leaves of the range are needed. */
typedef bool btree_which(void *cookie, slice key, slice val);
int btree_need_those(pager *p, object *o, slice from, slice to);
int btree_del_those(pager *p, object *o, slice from, slice to, btree_which *which, void *cookie,
                    uint64_t *gone);
/* From the first key >= from, in order, until each() returns nonzero, which is returned; OK at
 * the end. May answer ERR_COLD after some calls: each() keeps what it needs to go on from there. */
typedef int btree_each(void *cookie, slice key, slice val);
int btree_scan(pager *p, object *o, slice from, btree_each *each, void *cookie);
uint64_t btree_count(const uint8_t *meta);
bool btree_meta_ok(const uint8_t *meta); /* BTREE_META bytes from the store */
uint64_t btree_page_new(pager *p, object *o); /* an unused page index; never cold */
int btree_page_free(pager *p, object *o, uint64_t index);
int btree_check(pager *p, object *o, char why[160]);

#endif
