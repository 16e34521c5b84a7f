/* zset.h -- sorted sets: what handlers ask of them, and the effects they make.
 *
 * A small one is a listpack of members and scores in order, inline up to INLINE_BYTES_MAX. Else it is
 * a dense object: a tree of (score, member) under branches that count, and an index from members to
 * their scores (zset_internal.h). What OBJECT ENCODING says is kept apart, in value.aux, and follows
 * the thresholds as in Redis. */
#ifndef COVE_TYPES_ZSET_H
#define COVE_TYPES_ZSET_H

#include "base/num.h"
#include "types/value.h"

enum zset_op {         /* stored: never renumbered */
    ZSET_ADD = 1,      /* 8 bytes of score, member, ...: members, all different, get these scores */
    ZSET_REM = 2,      /* member, member...; the last one gone removes the key */
    ZSET_REM_RANKS = 3 /* u64 first, u64 count: all there */
};

/* May a sorted set hold this member? Else ERR_LIMIT: handlers ask before they make an effect. */
int zset_member_ok(slice member);

static inline slice zset_score_arg(uint8_t tmp[8], double score) {
    memcpy(tmp, &score, 8);
    return slice_make(tmp, 8);
}

/* All of these take a value of kind VALUE_NONE for the empty set. What they answer is valid until
 * the next change; tmp holds numbers. OK, ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT. */
uint64_t zset_len(const struct value *v);
int zset_score(const struct value *v, slice member, double *score);
int zset_rank(const struct value *v, slice member, uint64_t *rank, double *score);
int zset_at(const struct value *v, uint64_t rank, double *score, slice *member, char tmp[NUM_LL_MAX]);

/* Is its encoding that of a listpack, whatever it really is? */
bool zset_packed(const struct value *v);
/* A score as a listpack has it: a whole number that 64 bits hold easily has all its digits. */
size_t zset_packed_text(char out[NUM_DOUBLE_MAX], double score);

/* A cut between members, which are in the order of their scores, and those of one score in that of
 * their bytes. The last two look at members alone: for sets whose scores are all the same. */
enum zset_cut { ZSET_BELOW_SCORE, ZSET_ABOVE_SCORE, ZSET_BELOW_MEMBER, ZSET_ABOVE_MEMBER };
struct zset_edge {
    enum zset_cut cut;
    double score;
    slice member;
};
/* How many members come before the cut. O(log n). */
int zset_seek(const struct value *v, const struct zset_edge *edge, uint64_t *rank);

/* The `n` members from rank `first`, which must be there; backward: the last of them first. Stops
 * when each() is not 0, and returns that. ERR_COLD before the first call; all that is needed is
 * asked for. */
typedef int zset_each_fn(void *cookie, slice member, double score);
int zset_each(const struct value *v, uint64_t first, uint64_t n, bool backward, zset_each_fn *each,
              void *cookie);
/* From *cursor (0 at first; 0 at the end) about `count` members, or all of a small set, in no order.
 * One that stays is met, whatever scores change meanwhile. ERR_COLD before the first call. */
int zset_scan(const struct value *v, uint64_t *cursor, size_t count, zset_each_fn *each, void *cookie);
/* Asks for all that a ZSET_ADD of these needs. */
int zset_need_add(const struct value *v, const slice *args, size_t argc);
/* The same for a ZSET_REM. */
int zset_need_rem(const struct value *v, const slice *members, size_t n);

#endif
