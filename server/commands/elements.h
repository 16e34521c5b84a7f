/* elements.h -- what commands over the elements of a hash, a set or a sorted set share: those that scan
 * (HSCAN, SSCAN, ZSCAN), and those that draw (HRANDFIELD, SRANDMEMBER, ZRANDMEMBER). */
#ifndef COVE_COMMANDS_ELEMENTS_H
#define COVE_COMMANDS_ELEMENTS_H

#include "exec/call.h"

#define SCAN_COUNT_MAX 100000 /* Elements of one SCAN: what stays under a millisecond or so. */

/* The cursor, and n elements that have been written to `found`. */
void elements_scan_reply(call *c, uint64_t cursor, size_t n, slice found);

/* A walk over the elements of one value, each of which is written to the reply. */
struct walk {
    /* From the cursor on about `count` elements; ends as they do when the limit is met, having written one. */
    int (*scan)(const struct value *v, uint64_t *cursor, size_t count, struct walk *w);
    buf *out;
    size_t n, seen; /* bulks written; elements met */
    size_t limit;   /* bytes of out at which it ends, WALK_ENDS */
    unsigned parts; /* the type's own */
    slice pattern;
    bool all;       /* every element matches */
    enum walk_reply { WALK_ARRAY, WALK_MAP, WALK_SET, WALK_SCAN } reply;
};
#define WALK_ENDS 1
/* Are at most `count` of so many too many for one turn, and are steps possible? */
bool walk_is_long(const call *c, uint64_t count, uint64_t len);
/* Where one in one turn ends, and is begun again in steps. */
size_t walk_limit(const call *c, const buf *out);
/* HSCAN, SSCAN, ZSCAN: `return elements_scan(...)`. read() finds the value, or replies and tells; w has the scan and the parts,
 * and with NOVALUES, where fewer is not 0, the parts are `fewer`. */
int elements_scan(call *c, int (*read)(call *c, struct entry *e), uint64_t (*len)(const struct value *v), struct walk w,
                  unsigned fewer);
/* Answers about `count` elements from the cursor on (UINT64_MAX: all). `return walk_in_steps(...)`. */
int walk_in_steps(call *c, const struct value *v, const struct walk *w, uint64_t cursor, uint64_t count);

#define DRAWS_MAX (1 << 20) /* Repeats of one command: it must not hold the loop for seconds. */
/* The chance of this command: the same in every run of it. */
rnd elements_chance(call *c);
/* The count, argument 2: negative ones may repeat. Where the command has a word for pairs (NULL: none), it is
 * argument 3. False after a reply. */
bool elements_draw_options(call *c, const char *word, int64_t *count, bool *pairs);
/* Very many draws with repeats, in steps: `return elements_draw_in_steps(...)`. One draw, written: as often as it is made
 * with the same chance, it comes to the same page; ERR_NOTFOUND: there is nothing. */
typedef int elements_draw_fn(const struct value *v, rnd *r, bool pairs, int proto, buf *out);
bool elements_draws_are_many(const call *c, uint64_t n);
int elements_draw_in_steps(call *c, const struct value *v, uint64_t n, bool pairs, elements_draw_fn *one);

#endif
