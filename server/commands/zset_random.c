/* zset_random.c -- ZRANDMEMBER: one member, several different ones, or several with repeats.
 *
 * A draw is a rank, so every member is as likely as any other. It may meet a cold page, and then the command
 * runs again: so that it asks for the same pages each time, its chance is drawn once and kept with the call. */
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/zset_commands.h"
#include "commands/elements.h"

#define WALK_MEMBERS 1024     /* A set of at most this many is walked. */

/* The member of a rank; a cold page is noted, so that those of the other draws are asked for with it. */
static int tell_rank(call *c, const struct value *v, uint64_t rank, bool scores, int *cold) {
    char tmp[NUM_LL_MAX];
    double score;
    slice member;
    int rc = zset_at(v, rank, &score, &member, tmp);
    if (rc == ERR_COLD) *cold = rc;
    else if (rc != OK) return rc;
    else if (*cold == OK) zset_reply_member(c, scores, member, score);
    return OK;
}

static int with_repeats(call *c, const struct value *v, uint64_t n, bool scores) {
    rnd r = elements_chance(c);
    int rc = OK, cold = OK;
    zset_reply_head(c, scores, n);
    for (uint64_t i = 0; i < n && rc == OK; i++)
        rc = tell_rank(c, v, rnd_below(&r, zset_len(v)), scores, &cold);
    return rc != OK ? rc : cold;
}

static int draw_one(const struct value *v, rnd *r, bool pairs, int proto, buf *out) {
    char tmp[NUM_LL_MAX];
    double score;
    slice member;
    int rc = zset_at(v, rnd_below(r, zset_len(v)), &score, &member, tmp);
    if (rc == OK) zset_write_member(out, proto, pairs, member, score);
    return rc;
}

struct selection {
    call *c;
    rnd rnd;
    bool scores;
    uint64_t left, wanted; /* members to come, and of these to be taken (Knuth's algorithm S) */
};

static int select_member(void *cookie, slice member, double score) {
    struct selection *s = cookie;
    if (rnd_below(&s->rnd, s->left--) >= s->wanted) return 0;
    s->wanted--;
    zset_reply_member(s->c, s->scores, member, score);
    return 0;
}

/* Different ranks, kept in an open table that is at most half full; 0 is free. */
static int by_draws(call *c, const struct value *v, uint64_t n, bool scores) {
    rnd r = elements_chance(c);
    size_t mask = 15;
    while (mask < 2 * n) mask = 2 * mask + 1;
    uint64_t *drawn = mem_try_calloc(mask + 1, sizeof(*drawn)), len = zset_len(v);
    if (drawn == NULL) return ERR_NOMEM;
    int rc = OK, cold = OK;
    for (uint64_t got = 0; got < n && rc == OK;) {
        uint64_t rank = rnd_below(&r, len);
        size_t at = (size_t)(rank * 0x9E3779B97F4A7C15u >> 20) & mask;
        while (drawn[at] != 0 && drawn[at] != rank + 1) at = (at + 1) & mask;
        if (drawn[at] != 0) continue;
        drawn[at] = rank + 1;
        got++;
        rc = tell_rank(c, v, rank, scores, &cold);
    }
    mem_free(drawn);
    return rc != OK ? rc : cold;
}

static int different(call *c, const struct value *v, uint64_t n, bool scores) {
    uint64_t len = zset_len(v);
    if (n > len) n = len;
    zset_reply_head(c, scores, n);
    if (len > WALK_MEMBERS && n <= len / 3) return by_draws(c, v, n, scores);
    struct selection s = {.c = c, .rnd = elements_chance(c), .scores = scores, .left = len, .wanted = n};
    return zset_each(v, 0, len, false, select_member, &s);
}

static int one(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    double score;
    slice member;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_ZSET, &e);
    if (rc == OK) {
        rnd r = elements_chance(c);
        rc = zset_at(&e.value, rnd_below(&r, zset_len(&e.value)), &score, &member, tmp);
    }
    if (rc == ERR_NOTFOUND) return reply_null(c);
    return rc != OK ? rc : reply_bulk(c, member);
}

static int cmd_zrandmember(call *c) {
    struct entry e;
    int64_t count;
    bool scores;
    if (call_argc(c) == 2) return one(c);
    if (!elements_draw_options(c, "withscores", &count, &scores)) return OK;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_ZSET, &e);
    if (rc == ERR_NOTFOUND || (rc == OK && count == 0)) return reply_empty_array(c);
    if (rc != OK) return rc;
    if (count < 0 && elements_draws_are_many(c, (uint64_t)-count))
        return elements_draw_in_steps(c, &e.value, (uint64_t)-count, scores, draw_one);
    return count < 0 ? with_repeats(c, &e.value, (uint64_t)-count, scores)
                     : different(c, &e.value, (uint64_t)count, scores);
}

#define G .group = GROUP_SORTED_SET
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
static const struct command rows[] = {
    {.name = "zrandmember", .fn = cmd_zrandmember, .arity = -2, .flags = CMD_READONLY, G,
     .keys = READ, .since = "6.2.0",
     .summary = "Get one or multiple random elements from a sorted set",
     .complexity = "O(N) where N is the number of elements returned",
     .tips = "nondeterministic_output"},
};
const struct command_family family_zset_random = {rows, sizeof(rows) / sizeof(*rows)};
