/* intset.h -- sorted sets of integers, byte compatible with Redis.
 *
 *     u32 width of an element (2, 4 or 8) | u32 count | elements, rising      (little endian)
 *
 * The width is that of the widest element there ever was. Like a listpack, an intset lives in a buf of
 * the caller's; functions that read take a slice that passed intset_check() (shallow is enough to
 * stay inside; deep also says that the order is right). */
#ifndef COVE_BASE_INTSET_H
#define COVE_BASE_INTSET_H

#include "base/bytes.h"
#include "base/err.h"

#define INTSET_HEAD_BYTES 8
#define INTSET_COUNT_MAX ((size_t)1 << 30)

void intset_new(buf *b); /* an empty one */
int intset_check(slice s, bool deep); /* OK or ERR_CORRUPT */
size_t intset_count(slice s);
int64_t intset_at(slice s, size_t i); /* i < count; rising */
bool intset_has(slice s, int64_t v);
bool intset_add(buf *b, int64_t v); /* false: it is there already */
bool intset_del(buf *b, int64_t v); /* false: it is not there */

#endif
