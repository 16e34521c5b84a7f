/* zset_commands.h -- what the files of the sorted set commands, and those of GEO, share. */
#ifndef COVE_COMMANDS_ZSET_COMMANDS_H
#define COVE_COMMANDS_ZSET_COMMANDS_H

#include "exec/call.h"
#include "types/zset.h"

/* ---- ZADD (zset.c), of pairs that are not its arguments too ------------------------------------- */

struct zset_add {
    bool nx, xx, gt, lt, ch, incr;
    const char *event; /* "zadd" */
};
/* The rest of ZADD, from the lookup on: `n` pairs of scores and members, and the reply. */
int zset_add_pairs(call *c, const struct zset_add *how, const double *scores, const slice *members, size_t n);

/* Removes members by rank, of `len` (zset_range.c), and tells of it. */
int zset_remove_ranks(call *c, slice key, uint64_t len, uint64_t first, uint64_t n, const char *event);
int zset_take_ranks(call *c, slice key, uint64_t first, uint64_t n); /* and tells nobody */

/* ---- replies -------------------------------------------------------------------------------------- */

/* The head of an array of n members, with their scores: pairs in RESP3, flat before it. */
void zset_reply_head(call *c, bool scores, uint64_t n);
void zset_reply_member(call *c, bool scores, slice member, double score);
void zset_write_member(buf *out, int proto, bool scores, slice member, double score);

/* ---- results that are gathered, ordered, answered or stored (zset_result.c) ------------------------- */

struct zset_result {
    buf text, items;
    size_t n;
};
/* The i-th member; borrowed until something is added. */
slice zset_result_member(const struct zset_result *r, size_t i);
double *zset_result_score(const struct zset_result *r, size_t i);
void zset_result_add(struct zset_result *r, slice member, double score);
int zset_result_each(void *cookie, slice member, double score); /* adds; a zset_each_fn */
void zset_result_sort(struct zset_result *r);
void zset_result_free(struct zset_result *r);
void zset_result_reply(call *c, const struct zset_result *r, bool scores);
/* Results that come in parts, told in the order of all (zset_runs.c). Begins as {0}. */
struct zset_run {
    struct zset_result result;
    size_t next;
};
struct zset_runs {
    struct zset_run *runs;
    size_t n, cap, *heap, left;
    uint64_t total; /* members of all */
};
void zset_runs_add(struct zset_runs *r, struct zset_result *run); /* orders it, and takes it */
void zset_runs_begin(struct zset_runs *r);                        /* All have been added. */
bool zset_runs_first(const struct zset_runs *r, slice *member, double *score); /* of those that are left */
void zset_runs_drop_first(struct zset_runs *r);
void zset_runs_free(struct zset_runs *r);
/* Stores it in the place of whatever the key holds, or removes the key when it is empty; tells of it, and
 * answers with its size. */
int zset_result_store(call *c, slice key, const struct zset_result *r, const char *event);
/* The same in steps (call_steps()): adds these to what is made, and takes it over: n members. */
int zset_result_add_step(call *c, const struct zset_result *r);
int zset_result_take(call *c, slice key, uint64_t n, const char *event);
/* n ranks of the key, which is an argument of the command: removed, not all of them, or stored under the first
 * argument. In steps (zset_steps.c). */
int zset_remove_in_steps(call *c, const slice *key, uint64_t first, uint64_t n, const char *event);
int zset_store_in_steps(call *c, const slice *from, uint64_t first, uint64_t n, const char *event);

/* Looks up the keys of a command, first for all of them and then for good: the first look may remove one whose
 * time has come, and what was found before that does not count any more. A key that is not there, or is `cold`
 * still, has kind VALUE_NONE. ERR_COLD once all have been asked for; then the first wrong type: `set` says
 * whether a set will do. */
int zset_find_all(call *c, const slice *keys, size_t n, bool writing, bool set, struct value *values);

/* A range of scores, as in ZRANGEBYSCORE: false when min or max is no number. */
struct zset_span {
    struct zset_edge min, max;
    bool none, from_start, to_end; /* lexical: '-' and '+' */
};
bool zset_score_span(slice min, slice max, struct zset_span *out);

#endif
