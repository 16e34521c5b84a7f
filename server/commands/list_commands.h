/* list_commands.h -- what the files of the list commands share. */
#ifndef COVE_COMMANDS_LIST_COMMANDS_H
#define COVE_COMMANDS_LIST_COMMANDS_H

#include "exec/call.h"
#include "types/list.h"

/* Can the arguments from `first` on be elements? False after an error. */
bool list_elements_ok(call *c, size_t first);
/* Elements of list_each() written as bulks, until out has `limit` bytes: then it answers 1. */
struct list_writing {
    buf *out;
    size_t limit, n; /* elements written */
};
int list_write_element(void *writing, uint64_t index, slice element);
/* LEFT or RIGHT in argument i; false after a syntax error. */
bool list_side(call *c, size_t i, bool *head);
/* Removes n elements from position `first`, and tells of it. */
int list_remove_range(call *c, slice key, uint64_t len, uint64_t first, uint64_t n);
/* Replies with n elements of one end, as bulks, and removes them. */
int list_pop_bulks(call *c, slice key, const struct value *v, bool head, uint64_t n);
/* Moves an element and replies with it; ERR_NOTFOUND: there is none, nothing was written. */
int list_move(call *c, slice from, slice to, bool from_head, bool to_head);
/* [COUNT count] from argument i on; false after an error. */
bool list_count_option(call *c, size_t i, int64_t *count);
/* Pops up to `count` elements of the first of the keys that has some: the reply of LMPOP.
 * ERR_NOTFOUND: none has. */
int list_pop_many(call *c, const slice *keys, size_t n, bool head, int64_t count);

/* list_search.c. */
int cmd_linsert(call *c);
int cmd_lrem(call *c);
int cmd_lpos(call *c);

#endif
