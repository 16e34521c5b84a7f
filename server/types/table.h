/* table.h -- a paged hash table in a hashed object: tpages behind a pager.
 *
 * For hashes, sets, vector sets: keys and values are byte strings. The count of entries is the
 * type's to keep in its meta. Any function may answer ERR_COLD, having changed nothing. */
#ifndef COVE_TYPES_TABLE_H
#define COVE_TYPES_TABLE_H

#include "types/pager.h"

/* The largest key and value together; what is more is ERR_LIMIT. A key is at most KEY_BYTES_MAX. */
#define TABLE_ENTRY_MAX ((size_t)PAGE_BYTES_MAX - 65536)

int table_get(pager *p, object *o, slice key, slice *val); /* ERR_NOTFOUND */
/* Asks for the page of key if it is cold; OK when resident or absent. */
int table_need(pager *p, object *o, slice key);
int table_put(pager *p, object *o, slice key, slice val, bool *added);
/* A marked entry (tpage_mark()) says that its value begins with something of the type's own: `head`, which is
 * at most TABLE_MARK_BYTES, which an entry may have on top. Put in any other way, an entry has no mark. */
#define TABLE_MARK_BYTES 8
int table_get_marked(pager *p, object *o, slice key, slice *val, bool *marked);
int table_put_marked(pager *p, object *o, slice key, slice head, slice val, bool *added);
/* As put, but the caller writes the n bytes at *val before its next call. */
int table_put_space(pager *p, object *o, slice key, size_t n, uint8_t **val, bool *added);
int table_del(pager *p, object *o, slice key, bool *removed);
/* In hash order from *cursor (0 at first), at least `count` entries if there are as many; *cursor is 0
 * at the end. An entry that stays is seen; none that is unchanged is seen twice. Stops early when
 * each() returns nonzero, which is returned. */
typedef int table_each(void *cookie, slice key, slice val);
int table_scan(pager *p, object *o, uint64_t *cursor, size_t count, table_each *each, void *cookie);
typedef int table_each_marked(void *cookie, slice key, slice val, bool marked);
int table_scan_marked(pager *p, object *o, uint64_t *cursor, size_t count, table_each_marked *each,
                      void *cookie);
/* Asks at once for the pages of about the next `count` entries (SIZE_MAX: all). */
int table_need_from(pager *p, object *o, uint64_t cursor, size_t count);
/* A roughly uniform entry, for `r` a random number. ERR_NOTFOUND when empty. */
int table_random(pager *p, object *o, uint64_t r, slice *key, slice *val);
int table_random_marked(pager *p, object *o, uint64_t r, slice *key, slice *val, bool *marked);
/* The page as a whole, for scans that read every value (exact vector search): the page that
 * covers *cursor; *cursor moves to the next page, 0 after the last. */
int table_page(pager *p, object *o, uint64_t *cursor, slice *page);
int table_check(pager *p, object *o, uint64_t *count, char why[160]);

#endif
