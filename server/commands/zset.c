/* zset.c -- the sorted set commands that name members: added, counted up, removed, asked for, walked. */
#include "types/zset.h"

#include <assert.h>
#include <math.h>

#include "base/hash.h"
#include "base/mem.h"
#include "commands/args_steps.h"
#include "commands/commands.h"
#include "commands/elements.h"
#include "commands/keyspecs.h"
#include "commands/zset_commands.h"
#include "resp/write.h"


static int read_zset(call *c, struct entry *e) {
    return call_read_type(c, call_arg(c, 1), TYPE_ZSET, e);
}

/* A key that is not there is the empty set. */
static int empty_if_none(int rc, struct entry *e) {
    if (rc != ERR_NOTFOUND) return rc;
    memset(&e->value, 0, sizeof(e->value));
    return OK;
}

static int length_now(call *c, uint64_t *n) {
    struct entry e;
    *n = 0;
    int rc = call_peek(c, call_arg(c, 1), &e);
    if (rc == OK) *n = zset_len(&e.value);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* ---- adding ------------------------------------------------------------------------------------- */

/* The pairs of a command as they come to be: what each finds is what those before it have left. */
struct adding {
    const struct zset_add *how;
    slice *args;      /* of the effect: score, member, ... */
    uint8_t *scores;  /* what the first point into */
    size_t n;         /* pairs in it */
    uint32_t *table;  /* pairs by the hash of their member, plus one; NULL for a single pair */
    size_t mask;
    uint64_t seed;
    uint64_t added, updated;
    bool processed, nan;
    double score;     /* of the last pair */
};

/* Where this member's pair is noted, or may be. */
static uint32_t *slot_of(struct adding *a, slice member) {
    size_t at = hash_xx(member.p, member.n, a->seed) & a->mask;
    while (a->table[at] != 0 && !slice_eq(a->args[2 * (a->table[at] - 1) + 1], member)) at = (at + 1) & a->mask;
    return &a->table[at];
}

/* One pair, of which `now` is the score when it is there. */
static void weigh(struct adding *a, slice member, double score, bool there, double now, uint32_t *slot) {
    const struct zset_add *how = a->how;
    if (there ? how->nx : how->xx) return;
    if (there && how->incr) {
        score += now;
        if (isnan(score)) {
            a->nan = true;
            return;
        }
    }
    if (there && ((how->lt && score >= now) || (how->gt && score <= now))) return;
    a->processed = true;
    a->score = score;
    if (there && score == now) return;
    if (there) a->updated++;
    else a->added++;
    size_t at = slot != NULL && *slot != 0 ? *slot - 1 : a->n++;
    a->args[2 * at] = zset_score_arg(a->scores + 8 * at, score);
    a->args[2 * at + 1] = member;
    if (slot != NULL) *slot = (uint32_t)(at + 1);
}

static int weigh_all(struct adding *a, const struct value *v, const double *scores, const slice *members,
                     size_t n) {
    int cold = OK;
    for (size_t i = 0; i < n; i++) {
        double now = 0;
        uint32_t *slot = a->table == NULL ? NULL : slot_of(a, members[i]);
        int rc = OK;
        if (slot != NULL && *slot != 0) memcpy(&now, a->scores + 8 * (size_t)(*slot - 1), 8);
        else rc = zset_score(v, members[i], &now);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
        if (cold == OK) weigh(a, members[i], scores[i], rc == OK, now, slot);
    }
    return cold;
}

static int change(call *c, const struct adding *a, const struct value *v) {
    size_t n = 2 * a->n;
    int rc = n > EFFECT_ARGS_MAX ? zset_need_add(v, a->args, n) : OK;
    for (size_t at = 0; at < n && rc == OK;) {
        size_t part = n - at < EFFECT_ARGS_MAX ? n - at : EFFECT_ARGS_MAX;
        rc = call_value(c, TYPE_ZSET, ZSET_ADD, call_arg(c, 1), a->args + at, part);
        at += part;
    }
    return rc;
}

static int adding_init(call *c, struct adding *a, size_t n, slice one[2], uint8_t one_score[8]) {
    a->args = one;
    a->scores = one_score;
    if (n == 1) return OK;
    for (a->mask = 15; a->mask < 2 * n;) a->mask = 2 * a->mask + 1;
    a->seed = rnd_u64(call_rnd(c));
    a->args = mem_try_alloc(2 * n * sizeof(slice));
    a->scores = mem_try_alloc(8 * n);
    a->table = mem_try_calloc(a->mask + 1, sizeof(*a->table));
    return a->args == NULL || a->scores == NULL || a->table == NULL ? ERR_NOMEM : OK;
}

static void adding_free(struct adding *a, size_t n) {
    if (n == 1) return;
    mem_free(a->args);
    mem_free(a->scores);
    mem_free(a->table);
}

int zset_add_pairs(call *c, const struct zset_add *how, const double *scores, const slice *members, size_t n) {
    struct entry e;
    struct adding a = {.how = how};
    slice one[2];
    uint8_t one_score[8];
    int rc = empty_if_none(call_write_type(c, call_arg(c, 1), TYPE_ZSET, &e), &e);
    if (rc != OK) return rc;
    for (size_t i = 0; i < n; i++) {
        if (zset_member_ok(members[i]) == OK) continue;
        return reply_error(c, "ERR member exceeds the maximum size of a sorted set element");
    }
    rc = adding_init(c, &a, n, one, one_score);
    if (rc == OK) rc = weigh_all(&a, &e.value, scores, members, n);
    if (rc == OK && !a.nan) rc = change(c, &a, &e.value);
    adding_free(&a, n);
    if (rc != OK) return rc;
    if (a.nan) return reply_error(c, "ERR resulting score is not a number (NaN)");
    if (a.added + a.updated > 0) call_notify(c, 'z', how->event, call_arg(c, 1));
    if (!how->incr) return reply_int(c, (int64_t)(how->ch ? a.added + a.updated : a.added));
    return a.processed ? reply_double(c, a.score) : reply_null(c);
}

/* The same of very many pairs, in steps. */
#define ADD_NX 1u
#define ADD_XX 2u
#define ADD_GT 4u
#define ADD_LT 8u
#define ADD_CH 16u

static int add_part(call *c, struct args_job *j, size_t first, size_t n) {
    const struct zset_add how = {.nx = j->how & ADD_NX, .xx = j->how & ADD_XX, .gt = j->how & ADD_GT, .lt = j->how & ADD_LT};
    struct adding a = {.how = &how};
    struct value v;
    slice one[2], *members = mem_alloc(n * sizeof(*members));
    uint8_t one_score[8];
    double *scores = mem_alloc(n * sizeof(*scores));
    int rc = call_steps_look(c, &v);
    for (size_t i = 0; i < n && j->error == NULL; i++) {
        members[i] = call_arg(c, j->first + 2 * (first + i) + 1);
        if (!num_parse_double(call_arg(c, j->first + 2 * (first + i)), &scores[i])) j->error = "ERR value is not a valid float";
        else if (zset_member_ok(members[i]) != OK) j->error = "ERR member exceeds the maximum size of a sorted set element";
    }
    if (rc == OK) rc = adding_init(c, &a, n, one, one_score);
    if (rc == OK && j->error == NULL) rc = weigh_all(&a, &v, scores, members, n);
    if (rc == OK && a.n > 0) rc = call_steps_value(c, TYPE_ZSET, ZSET_ADD, a.args, 2 * a.n);
    if (rc == OK) j->n += a.added + (j->how & ADD_CH ? a.updated : 0);
    if (rc == OK && a.added + a.updated > 0) j->changed = true;
    adding_free(&a, n);
    mem_free(scores);
    mem_free(members);
    return rc;
}

static int add_in_steps(call *c, size_t first, const struct zset_add *how) {
    unsigned flags = (how->nx ? ADD_NX : 0) | (how->xx ? ADD_XX : 0) | (how->gt ? ADD_GT : 0) | (how->lt ? ADD_LT : 0) |
                     (how->ch ? ADD_CH : 0);
    return args_in_steps(c, &(struct args_job){.type = TYPE_ZSET, .first = first, .per = 2, .answer = ARGS_COUNTED,
                                               .class = 'z', .event = how->event, .apply = add_part, .how = flags});
}

static bool add_option(call *c, size_t i, struct zset_add *how) {
    if (call_arg_is(c, i, "nx")) how->nx = true;
    else if (call_arg_is(c, i, "xx")) how->xx = true;
    else if (call_arg_is(c, i, "ch")) how->ch = true;
    else if (call_arg_is(c, i, "incr")) how->incr = true;
    else if (call_arg_is(c, i, "gt")) how->gt = true;
    else if (call_arg_is(c, i, "lt")) how->lt = true;
    else return false;
    return true;
}

static int add(call *c, size_t first, const struct zset_add *how) {
    struct entry e;
    size_t n = (call_argc(c) - first) / 2;
    double one_score, *scores = &one_score;
    slice one, *members = &one;
    if (args_are_many(c, first, 2)) {
        int there = call_write_type(c, call_arg(c, 1), TYPE_ZSET, &e);
        if (there == ERR_COLD) return there;
        if (there == OK || there == ERR_NOTFOUND) return add_in_steps(c, first, how);
    }
    if (n > 1) {
        scores = mem_try_alloc(n * sizeof(*scores));
        members = mem_try_alloc(n * sizeof(*members));
    }
    int rc = scores == NULL || members == NULL ? ERR_NOMEM : OK;
    bool good = true;
    for (size_t i = 0; i < n && rc == OK && good; i++) {
        good = call_double(c, first + 2 * i, &scores[i]);
        members[i] = call_arg(c, first + 2 * i + 1);
    }
    if (rc == OK && good) rc = zset_add_pairs(c, how, scores, members, n);
    if (n > 1) {
        mem_free(scores);
        mem_free(members);
    }
    return rc;
}

static int cmd_zadd(call *c) {
    struct zset_add how = {.event = "zadd"};
    size_t first = 2;
    while (add_option(c, first, &how)) first++;
    size_t n = call_argc(c) - first;
    if (n == 0 || n % 2 != 0) return reply_syntax(c);
    if (how.nx && how.xx) return reply_error(c, "ERR XX and NX options at the same time are not compatible");
    if (how.nx + how.gt + how.lt > 1) {
        return reply_error(c, "ERR GT, LT, and/or NX options at the same time are not compatible");
    }
    if (how.incr && n > 2) return reply_error(c, "ERR INCR option supports a single increment-element pair");
    if (how.incr) how.event = "zincr";
    return add(c, first, &how);
}

static int cmd_zincrby(call *c) {
    static const struct zset_add how = {.incr = true, .event = "zincr"};
    struct zset_add none;
    if (add_option(c, 2, &none)) return reply_syntax(c); /* No number, and Redis reads it as one of ZADD's. */
    return add(c, 2, &how);
}

/* ---- removing ----------------------------------------------------------------------------------- */

static int cmd_zrem(call *c) {
    struct entry e;
    slice key = call_arg(c, 1);
    const slice *members = call_argv(c) + 2;
    size_t n = call_argc(c) - 2;
    bool any = false;
    int rc = call_write_type(c, key, TYPE_ZSET, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc == OK && args_are_many(c, 2, 1))
        return args_in_steps(c, &(struct args_job){.type = TYPE_ZSET, .op = ZSET_REM, .first = 2, .per = 1,
                                                   .answer = ARGS_LOSS, .class = 'z', .event = "zrem"});
    if (rc != OK || (rc = zset_need_rem(&e.value, members, n)) != OK) return rc;
    for (size_t i = 0; i < n && !any; i++) {
        double unused;
        rc = zset_score(&e.value, members[i], &unused);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        any = rc == OK;
    }
    if (!any) return reply_int(c, 0);
    uint64_t before = zset_len(&e.value), after = before;
    for (size_t at = 0; at < n && after > 0;) {
        size_t part = n - at < EFFECT_ARGS_MAX ? n - at : EFFECT_ARGS_MAX;
        rc = call_value(c, TYPE_ZSET, ZSET_REM, key, members + at, part);
        if (rc != OK || (rc = length_now(c, &after)) != OK) return rc;
        at += part;
    }
    call_notify(c, 'z', "zrem", key);
    if (after == 0) call_notify(c, 'g', "del", key);
    assert(after < before);
    return reply_int(c, (int64_t)(before - after));
}

/* ---- reading ------------------------------------------------------------------------------------ */

static int cmd_zcard(call *c) {
    struct entry e;
    int rc = read_zset(c, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, (int64_t)zset_len(&e.value));
}

static int cmd_zscore(call *c) {
    struct entry e;
    double score;
    int rc = read_zset(c, &e);
    if (rc == OK) rc = zset_score(&e.value, call_arg(c, 2), &score);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    return rc != OK ? rc : reply_double(c, score);
}

static int write_score(const struct value *v, slice member, int proto, buf *out) {
    double score;
    int rc = zset_score(v, member, &score);
    if (rc == OK) resp_double(out, proto, score);
    else if (rc == ERR_NOTFOUND) resp_null(out, proto);
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int cmd_zmscore(call *c) {
    struct entry e;
    int rc = empty_if_none(read_zset(c, &e), &e), cold = OK;
    if (rc != OK) return rc;
    if (args_are_many(c, 2, 1)) return args_read_in_steps(c, &e.value, write_score);
    reply_array(c, call_argc(c) - 2);
    for (size_t i = 2; i < call_argc(c); i++) {
        rc = write_score(&e.value, call_arg(c, i), call_proto(c), call_out(c));
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
    }
    return cold; /* What was written is taken back then. */
}

static int rank(call *c, bool backward) {
    struct entry e;
    uint64_t at;
    double score;
    bool with_score = call_argc(c) == 4;
    if (call_argc(c) > 4) return reply_arity(c);
    if (with_score && !call_arg_is(c, 3, "withscore")) return reply_syntax(c);
    int rc = read_zset(c, &e);
    if (rc == OK) rc = zset_rank(&e.value, call_arg(c, 2), &at, &score);
    if (rc == ERR_NOTFOUND) return with_score ? reply_null_array(c) : reply_null(c);
    if (rc != OK) return rc;
    if (backward) at = zset_len(&e.value) - 1 - at;
    if (with_score) reply_array(c, 2);
    reply_int(c, (int64_t)at);
    return with_score ? reply_double(c, score) : OK;
}

static int cmd_zrank(call *c) { return rank(c, false); }
static int cmd_zrevrank(call *c) { return rank(c, true); }

#define PACKED 1u /* of walk.parts */

static int walk_member(void *cookie, slice member, double score) {
    struct walk *w = cookie;
    char text[NUM_DOUBLE_MAX];
    w->seen++;
    if (!w->all && !glob_match(w->pattern, member, false)) return 0;
    resp_bulk(w->out, member);
    size_t text_n = w->parts == PACKED ? zset_packed_text(text, score) : num_print_double(text, score);
    resp_bulk(w->out, slice_make(text, text_n));
    w->n += 2;
    return w->out->n >= w->limit ? WALK_ENDS : 0;
}

static int walk_scan(const struct value *v, uint64_t *cursor, size_t count, struct walk *w) {
    w->parts = zset_packed(v) ? PACKED : 0;
    return zset_scan(v, cursor, count, walk_member, w);
}

static int cmd_zscan(call *c) {
    struct walk w = {.scan = walk_scan};
    return elements_scan(c, read_zset, zset_len, w, 0);
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define G .group = GROUP_SORTED_SET
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
static const char *const zadd_history[] = {
    "2.4.0", "Accepts multiple elements.",
    "3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options.",
    "6.2.0", "Added the `GT` and `LT` options.",
    NULL};
static const char *const zrem_history[] = {
    "2.4.0", "Accepts multiple elements.",
    NULL};
static const char *const rank_history[] = {
    "7.2.0", "Added the optional `WITHSCORE` argument.", NULL};
static const struct command rows[] = {
    {.name = "zadd", .fn = cmd_zadd, .arity = -4, .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .element = 3, .since = "1.2.0",
     .summary = "Add one or more members to a sorted set, or update its score if it already exists",
     .complexity = "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
     .history = zadd_history},
    {.name = "zincrby", .fn = cmd_zincrby, .arity = 4, .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE), .element = 3, .since = "1.2.0",
     .summary = "Increment the score of a member in a sorted set",
     .complexity = "O(log(N)) where N is the number of elements in the sorted set."},
    {.name = "zrem", .fn = cmd_zrem, .arity = -3, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .element = 2, .since = "1.2.0",
     .summary = "Remove one or more members from a sorted set",
     .complexity = "O(M*log(N)) with N being the number of elements in the sorted set and M the number "
                   "of elements to be removed.",
     .history = zrem_history},
    {.name = "zcard", .fn = cmd_zcard, .arity = 2, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RO), .since = "1.2.0",
     .summary = "Get the number of members in a sorted set",
     .complexity = "O(1)"},
    {.name = "zscore", .fn = cmd_zscore, .arity = 3, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = READ, .element = 2, .since = "1.2.0",
     .summary = "Get the score associated with the given member in a sorted set",
     .complexity = "O(1)"},
    {.name = "zmscore", .fn = cmd_zmscore, .arity = -3, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = READ, .element = 2, .since = "6.2.0",
     .summary = "Get the score associated with the given members in a sorted set",
     .complexity = "O(N) where N is the number of members being requested."},
    {.name = "zrank", .fn = cmd_zrank, .arity = -3, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = READ, .element = 2, .since = "2.0.0",
     .summary = "Determine the index of a member in a sorted set",
     .complexity = "O(log(N))",
     .history = rank_history},
    {.name = "zrevrank", .fn = cmd_zrevrank, .arity = -3, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = READ, .element = 2, .since = "2.0.0",
     .summary = "Determine the index of a member in a sorted set, with scores ordered from high to low",
     .complexity = "O(log(N))",
     .history = rank_history},
    {.name = "zscan", .fn = cmd_zscan, .arity = -3, .flags = CMD_READONLY, G,
     .keys = READ, .since = "2.8.0",
     .summary = "Incrementally iterate sorted sets elements and associated scores",
     .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command calls "
                   "for the cursor to return back to 0. N is the number of elements inside the "
                   "collection..",
     .tips = "nondeterministic_output"},
};
const struct command_family family_zset = {rows, sizeof(rows) / sizeof(*rows)};
