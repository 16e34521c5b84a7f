/* set.h -- sets: what handlers ask of them, and the effects they make.
 *
 * A set of integers is an intset, as long as it is within set-max-intset-entries: inline up to
 * INLINE_BYTES_MAX, else the only page of a dense object. Any other calls itself "hashtable", for
 * ever; while it is small it is really an inline listpack, else a table (table.h) of members with
 * empty values. An intset that outgrows a page (the threshold was raised) is a table, too, which
 * still calls itself an intset. */
#ifndef COVE_TYPES_SET_H
#define COVE_TYPES_SET_H

#include "base/num.h"
#include "types/value.h"

enum set_op {      /* stored: never renumbered */
    SET_ADD = 1,   /* member, member... */
    SET_REM = 2,   /* member, member...; the last one gone removes the key */
    SET_STORE = 3  /* member, member...: these and no others */
};

/* May a set hold this member? Else ERR_LIMIT: handlers ask before they make an effect. */
int set_member_ok(slice member);

/* All of these take a value of kind VALUE_NONE for the empty set. What they answer is valid until
 * the next change; tmp holds numbers. */
uint64_t set_len(const struct value *v);
/* OK, ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT. */
int set_has(const struct value *v, slice member);
/* From *cursor (0 at first; 0 at the end) about `count` members, or all of a small set; stops when
 * each() is not 0, and returns that. ERR_COLD before the first call of each(); all that is needed
 * is asked for. A member is valid during its call. */
typedef int set_each_fn(void *cookie, slice member);
int set_scan(const struct value *v, uint64_t *cursor, size_t count, set_each_fn *each,
             void *cookie);
int set_each(const struct value *v, set_each_fn *each, void *cookie); /* all members */
/* A roughly uniform member, for `r` a random number. ERR_NOTFOUND: it is empty. */
int set_random(const struct value *v, uint64_t r, slice *member, char tmp[NUM_LL_MAX]);

#endif
