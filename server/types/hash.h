/* hash.h -- hashes: what handlers ask of them, and the effects they make.
 *
 * A small hash is a listpack of fields and values in the order in which they came: inline up to
 * INLINE_BYTES_MAX, else the only page of a dense object. Past the thresholds of Redis (then it calls itself
 * "hashtable", for ever), or when the listpack would exceed a page, it is a table (table.h). Fields may have
 * an expiry each: hash_build.h. */
#ifndef COVE_TYPES_HASH_H
#define COVE_TYPES_HASH_H

#include "base/num.h"
#include "types/value.h"

enum hash_op {    /* stored: never renumbered */
    HASH_SET = 1, /* field, value, field, value... */
    HASH_DEL = 2, /* field, field...; the last one gone removes the key */
    HASH_SET_KEEP = 3, /* as HASH_SET, which takes fields' expiries away, and this one does not */
    HASH_EXPIRE = 4 /* expiry (8 bytes, unix ms, or empty: none), field...; those that are there */
};
#define HASH_EXPIRE_MAX (((int64_t)1 << 46) - 1) /* The latest time, as in Redis. */

/* May a hash hold this pair? Else ERR_LIMIT: handlers ask before they make a HASH_SET. */
int hash_pair_ok(slice field, slice value);

/* All of these take a value of kind VALUE_NONE for the empty hash. What they answer is valid until the
 * next change; tmp holds numbers. A field whose expiry was before v->now_ms is not there, but hash_len()
 * counts it until it is removed. */
uint64_t hash_len(const struct value *v);
bool hash_timed(const struct value *v); /* May fields have expiries? */
/* How many fields are there now. O(1) unless hash_timed(). */
int hash_live(const struct value *v, uint64_t *n);
/* Fields that expired before `now`, at most `max`, to *fields (as buf_bytes), as far as a short look at what is in
 * memory finds them; *n: how many. The next look goes on from there: see pager_look. What has expired is
 * removed by the caller. */
int hash_due(const struct value *v, int64_t now, size_t max, buf *fields, size_t *n);
/* OK, ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT. val may be NULL; *expire_ms: 0 for none. */
int hash_get_timed(const struct value *v, slice field, slice *val, int64_t *expire_ms,
                   char tmp[NUM_LL_MAX]);
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
