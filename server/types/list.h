/* list.h -- lists: what handlers ask of them, and the effects they make.
 *
 * A small list is one listpack, inline up to INLINE_BYTES_MAX. Else it is a dense object: a tree
 * whose leaves are listpacks, filled as list-max-listpack-size says, and whose branches count the
 * elements below each of their children. So an operation at a position touches one page a level. */
#ifndef COVE_TYPES_LIST_H
#define COVE_TYPES_LIST_H

#include "base/num.h"
#include "types/value.h"

#define LIST_ELEMENT_MAX ((size_t)PAGE_BYTES_MAX - 64) /* A leaf holds one at least. */

enum list_op {          /* stored: never renumbered */
    LIST_PUSH_HEAD = 1, /* elements, each before the one pushed last */
    LIST_PUSH_TAIL = 2, /* elements */
    LIST_INSERT = 3,    /* u64 position, element: it is at that position then */
    LIST_SET = 4,       /* u64 position, element */
    LIST_DELETE = 5     /* ranges: u64 first, u64 count, for each; the last range first */
};
#define LIST_RANGE_BYTES 16

/* All of these take a value of kind VALUE_NONE for the empty list. What they answer is valid until
 * the next change; tmp holds numbers. */
uint64_t list_len(const struct value *v);
/* OK, ERR_NOTFOUND past the end, ERR_COLD, ERR_CORRUPT. */
int list_get(const struct value *v, uint64_t index, slice *out, char tmp[NUM_LL_MAX]);
/* Asks for what a push at this end needs. */
int list_need_push(const struct value *v, bool head);
/* The `n` elements from position `first`, which must be there; backward: the last of them first.
 * Stops when each() is not 0, and returns that. ERR_COLD before the first call; all that is needed
 * is asked for. */
typedef int list_each_fn(void *cookie, uint64_t index, slice element);
int list_each(const struct value *v, uint64_t first, uint64_t n, bool backward,
              list_each_fn *each, void *cookie);

#endif
