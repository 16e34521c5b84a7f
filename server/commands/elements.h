/* elements.h -- what commands over the elements of a hash, a set or a sorted set share: those that scan
 * (HSCAN, SSCAN, ZSCAN), and those that draw (HRANDFIELD, SRANDMEMBER, ZRANDMEMBER). */
#ifndef COVE_COMMANDS_ELEMENTS_H
#define COVE_COMMANDS_ELEMENTS_H

#include "exec/call.h"

#define SCAN_COUNT_MAX 100000 /* Elements of one SCAN: what stays under a millisecond or so. */

struct scan_options {
    slice pattern;
    bool all;       /* every element matches */
    bool no_values; /* NOVALUES */
    int64_t count;  /* 1 to SCAN_COUNT_MAX */
};
/* The arguments behind the cursor; may_omit: NOVALUES is one of them. False after an error reply. */
bool elements_scan_options(call *c, bool may_omit, struct scan_options *o);
/* The cursor, and n elements that have been written to `found`. */
void elements_scan_reply(call *c, uint64_t cursor, size_t n, slice found);

#define DRAWS_MAX (1 << 20) /* Repeats of one command: it must not hold the loop for seconds. */
/* The chance of this command: the same in every run of it. */
rnd elements_chance(call *c);
/* The count, argument 2: negative ones may repeat. Where the command has a word for pairs (NULL: none), it is
 * argument 3. False after a reply. */
bool elements_draw_options(call *c, const char *word, int64_t *count, bool *pairs);

#endif
