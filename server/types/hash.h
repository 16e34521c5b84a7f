/* hash.h -- hashes: what handlers ask of them, and the effects they make.
 *
 * A small hash is a listpack of fields and values in the order in which they came: inline up to
 * INLINE_BYTES_MAX, else the only page of a dense object. Past the thresholds of Redis (then it calls itself
 * "hashtable", for ever), or when the listpack would exceed a page, it is a table (table.h). */
#ifndef COVE_TYPES_HASH_H
#define COVE_TYPES_HASH_H

#include "base/num.h"
#include "types/value.h"

enum hash_op {    /* stored: never renumbered */
    HASH_SET = 1, /* field, value, field, value... */
    HASH_DEL = 2  /* field, field...; the last one gone removes the key */
};

/* May a hash hold this pair? Else ERR_LIMIT: handlers ask before they make a HASH_SET. */
int hash_pair_ok(slice field, slice value);

/* All of these take a value of kind VALUE_NONE for the empty hash. What they answer is valid until the
 * next change; tmp holds numbers. */
uint64_t hash_len(const struct value *v);
/* OK, ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT. val may be NULL. */
int hash_get(const struct value *v, slice field, slice *val, char tmp[NUM_LL_MAX]);
/* Asks for what hash_get(field) needs: for commands of several fields, before the first get. */
int hash_need(const struct value *v, slice field);

/* From *cursor (0 at first; 0 at the end) about `count` pairs, or all of a small hash; stops when each()
 * is not 0, and returns that. ERR_COLD before the first call of each(); all that is needed is asked for.
 * A pair is valid during its call. */
typedef int hash_each_fn(void *cookie, slice field, slice val);
int hash_scan(const struct value *v, uint64_t *cursor, size_t count, hash_each_fn *each,
              void *cookie);
int hash_each(const struct value *v, hash_each_fn *each, void *cookie); /* all pairs */
/* A roughly uniform pair, for `r` a random number; val may be NULL. ERR_NOTFOUND: it is empty. */
int hash_random(const struct value *v, uint64_t r, slice *field, char field_tmp[NUM_LL_MAX],
                slice *val, char val_tmp[NUM_LL_MAX]);

#endif
