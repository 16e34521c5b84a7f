/* zset_range.c -- the sorted set commands that name a range: of ranks, of scores, or of members' bytes. All
 * of them turn it into ranks first. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/zset_commands.h"
#include "resp/write.h"
#include "types/rdb.h"

/* ---- what a range is ------------------------------------------------------------------------------ */

/* A number as strtod reads it, spaces before it too, up to a NUL; after "(", the edge leaves it out. */
static bool score_edge(slice s, bool max, struct zset_edge *edge) {
    char *end;
    bool open = s.n > 0 && s.p[0] == '(';
    buf text = BUF_INIT;
    buf_append(&text, s.p + open, s.n - open);
    buf_u8(&text, 0);
    edge->score = strtod((const char *)text.p, &end);
    bool good = *end == 0 && !isnan(edge->score);
    buf_free(&text);
    edge->cut = open == max ? ZSET_BELOW_SCORE : ZSET_ABOVE_SCORE;
    return good;
}

bool zset_score_span(slice min, slice max, struct zset_span *out) {
    *out = (struct zset_span){.none = false};
    return score_edge(min, false, &out->min) && score_edge(max, true, &out->max);
}

/* "[member", "(member", or "-" and "+" for the ends. */
static bool lex_edge(slice s, bool max, struct zset_span *out) {
    struct zset_edge *edge = max ? &out->max : &out->min;
    if (slice_eq(s, SLICE("-")) || slice_eq(s, SLICE("+"))) {
        bool low = s.p[0] == '-';
        if (low == max) out->none = true;
        else if (max) out->to_end = true;
        else out->from_start = true;
        return true;
    }
    if (s.n == 0 || (s.p[0] != '[' && s.p[0] != '(')) return false;
    edge->cut = (s.p[0] == '(') == max ? ZSET_BELOW_MEMBER : ZSET_ABOVE_MEMBER;
    edge->member = slice_make(s.p + 1, s.n - 1);
    return true;
}

static bool lex_span(slice min, slice max, struct zset_span *out) {
    *out = (struct zset_span){.none = false};
    return lex_edge(min, false, out) && lex_edge(max, true, out);
}

/* The ranks of a span: from *first on, *n. */
static int find_span(const struct value *v, const struct zset_span *s, uint64_t *first, uint64_t *n) {
    uint64_t end = zset_len(v);
    *first = *n = 0;
    if (s->none) return OK;
    int rc = s->from_start ? OK : zset_seek(v, &s->min, first);
    int rc2 = s->to_end ? OK : zset_seek(v, &s->max, &end);
    if (rc != OK || rc2 != OK) return rc != OK && rc != ERR_COLD ? rc : rc2 != OK ? rc2 : rc;
    if (end > *first) *n = end - *first;
    return OK;
}

/* From..to as ZRANGE takes ranks. */
static void clip(int64_t from, int64_t to, uint64_t len, uint64_t *first, uint64_t *n) {
    int64_t end = (int64_t)len;
    if (from < 0) from = from + end < 0 ? 0 : from + end;
    if (to < 0) to += end;
    if (to >= end) to = end - 1;
    *first = *n = 0;
    if (from > to || from >= end) return;
    *first = (uint64_t)from;
    *n = (uint64_t)(to - from) + 1;
}

enum by { BY_ANY, BY_RANK, BY_SCORE, BY_LEX };

static const char *const bad_score = "ERR min or max is not a float";
static const char *const bad_lex = "ERR min or max not valid string range item";

struct range {
    enum by by;
    bool backward, scores;
    int64_t from, to;        /* BY_RANK */
    struct zset_span span;
    int64_t skip, limit;
};

static bool parse_span(call *c, enum by by, slice min, slice max, struct zset_span *out) {
    bool good = by == BY_SCORE ? zset_score_span(min, max, out) : lex_span(min, max, out);
    if (!good) reply_error(c, by == BY_SCORE ? bad_score : bad_lex);
    return good;
}

/* The options behind the range, which ends with argument `at` - 1. */
static bool range_options(call *c, size_t at, bool store, bool any_order, struct range *r) {
    bool any = r->by == BY_ANY;
    for (size_t i = at; i < call_argc(c); i++) {
        if (!store && call_arg_is(c, i, "withscores")) {
            r->scores = true;
        } else if (i + 2 < call_argc(c) && call_arg_is(c, i, "limit")) {
            if (!call_int(c, i + 1, &r->skip) || !call_int(c, i + 2, &r->limit)) return false;
            i += 2;
        } else if (any_order && call_arg_is(c, i, "rev")) {
            r->backward = true;
            any_order = false;
        } else if (any && call_arg_is(c, i, "bylex")) {
            r->by = BY_LEX;
            any = false;
        } else if (any && call_arg_is(c, i, "byscore")) {
            r->by = BY_SCORE;
            any = false;
        } else {
            reply_syntax(c);
            return false;
        }
    }
    if (r->by == BY_ANY) r->by = BY_RANK;
    if (r->limit != -1 && r->by == BY_RANK) {
        reply_error(c, "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
        return false;
    }
    if (r->scores && r->by == BY_LEX) {
        reply_error(c, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    return true;
}

static bool parse_range(call *c, size_t key, bool store, bool any_order, struct range *r) {
    r->limit = -1;
    if (!range_options(c, key + 3, store, any_order, r)) return false;
    if (r->by == BY_RANK) return call_int(c, key + 1, &r->from) && call_int(c, key + 2, &r->to);
    size_t min = key + (r->backward ? 2 : 1), max = key + (r->backward ? 1 : 2);
    return parse_span(c, r->by, call_arg(c, min), call_arg(c, max), &r->span);
}

/* The ranks that a range names in this set, LIMIT and all. */
static int find_range(const struct value *v, const struct range *r, uint64_t *first, uint64_t *n) {
    uint64_t len = zset_len(v);
    if (r->by == BY_RANK) {
        clip(r->from, r->to, len, first, n);
        if (r->backward && *n > 0) *first = len - *first - *n;
        return OK;
    }
    int rc = find_span(v, &r->span, first, n);
    if (rc != OK) return rc;
    uint64_t skip = (uint64_t)r->skip; /* One that is negative is more than there are. */
    if (skip > *n) skip = *n;
    uint64_t some = *n - skip;
    if (r->limit >= 0 && (uint64_t)r->limit < some) some = (uint64_t)r->limit;
    *first = r->backward ? *first + *n - skip - some : *first + skip;
    *n = some;
    return OK;
}

/* ---- ZRANGE and its kin --------------------------------------------------------------------------- */

#define ENOUGH 1 /* ends a walk before its end */

struct telling {
    buf *out;
    int proto;
    bool scores;
    size_t limit, n; /* bytes of out at which it ends; members told */
};

static int tell(void *cookie, slice member, double score) {
    struct telling *t = cookie;
    zset_write_member(t->out, t->proto, t->scores, member, score);
    t->n++;
    return t->out->n >= t->limit ? ENOUGH : 0;
}

/* The same of few. */
static int tell_here(void *cookie, slice member, double score) {
    const struct telling *t = cookie;
    zset_write_member(t->out, t->proto, t->scores, member, score);
    return member.n >= READ_LONG_BYTES && t->out->n >= t->limit ? ENOUGH : 0;
}

/* Very many members, in steps: `n` from rank `first` on; `told` of them have been. */
struct long_range {
    uint64_t first, n, told;
    bool scores, backward;
};

/* The next `part` of them. */
static int tell_part(const struct long_range *l, const struct value *v, uint64_t part, struct telling *t) {
    uint64_t left = l->n - l->told;
    if (part > left) part = left;
    return zset_each(v, l->backward ? l->first + left - part : l->first + l->told, part, l->backward, tell, t);
}

static int long_step(call *c, void *work, const struct value *v, size_t n, buf *out, bool *all) {
    struct long_range *l = work;
    struct telling t = {out, call_proto(c), l->scores, out->n + READ_PIECE_BYTES, 0}, ask = {.out = out};
    int rc = tell_part(l, v, n, &t);
    if (rc == ERR_COLD) (void)tell_part(l, v, n * READ_AHEAD, &ask);
    if (rc != OK && rc != ENOUGH) return rc;
    l->told += t.n;
    *all = l->told == l->n;
    return OK;
}

static void long_head(call *c, void *work, buf *out) {
    const struct long_range *l = work;
    resp_array(out, (size_t)(l->scores && call_proto(c) < 3 ? l->n * 2 : l->n));
}

static int tell_in_steps(call *c, const struct value *v, struct long_range how) {
    static const struct read_job ops = {.step = long_step, .head = long_head, .free = mem_free};
    struct long_range *l = mem_alloc(sizeof(*l));
    *l = how;
    return call_read_in_steps(c, &ops, l, v, 1);
}

static int range(call *c, enum by by, bool any_order, bool backward) {
    struct entry e;
    uint64_t first, n;
    struct range r = {.by = by, .backward = backward};
    if (!parse_range(c, 1, false, any_order, &r)) return OK;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_ZSET, &e);
    if (rc == ERR_NOTFOUND) return reply_empty_array(c);
    if (rc == OK) rc = find_range(&e.value, &r, &first, &n);
    if (rc != OK) return rc;
    bool may = call_may_step(c);
    struct long_range l = {.first = first, .n = n, .scores = r.scores, .backward = r.backward};
    if (may && n >= READ_STEPS_FROM) return tell_in_steps(c, &e.value, l);
    size_t mark = call_out(c)->n;
    struct telling t = {call_out(c), call_proto(c), r.scores, may ? mark + READ_STEPS_FROM_BYTES : SIZE_MAX, 0};
    zset_reply_head(c, r.scores, n);
    rc = zset_each(&e.value, first, n, r.backward, tell_here, &t);
    if (rc != ENOUGH) return rc;
    call_out(c)->n = mark;
    return tell_in_steps(c, &e.value, l);
}

static int cmd_zrange(call *c) { return range(c, BY_ANY, true, false); }
static int cmd_zrevrange(call *c) { return range(c, BY_RANK, false, true); }
static int cmd_zrangebyscore(call *c) { return range(c, BY_SCORE, false, false); }
static int cmd_zrevrangebyscore(call *c) { return range(c, BY_SCORE, false, true); }
static int cmd_zrangebylex(call *c) { return range(c, BY_LEX, false, false); }
static int cmd_zrevrangebylex(call *c) { return range(c, BY_LEX, false, true); }

static int cmd_zrangestore(call *c) {
    struct entry old;
    struct value v;
    uint64_t first = 0, n = 0;
    slice to = call_arg(c, 1), from = call_arg(c, 2);
    struct range r = {.by = BY_ANY};
    struct zset_result result = {.n = 0};
    if (!parse_range(c, 2, true, true, &r)) return OK;
    int there = call_write(c, to, &old); /* whatever it holds */
    int rc = zset_find_all(c, &from, 1, true, false, &v);
    if (rc == OK && there != OK && there != ERR_NOTFOUND) rc = there;
    if (rc == OK) rc = find_range(&v, &r, &first, &n);
    if (rc == OK && n >= STEPS_FROM && call_may_step(c))
        return zset_store_in_steps(c, call_argv(c) + 2, first, n, "zrangestore");
    if (rc == OK) rc = zset_each(&v, first, n, r.backward, zset_result_each, &result);
    if (rc == OK) rc = zset_result_store(c, to, &result, "zrangestore");
    zset_result_free(&result);
    return rc;
}

/* ---- counting ------------------------------------------------------------------------------------- */

static int count(call *c, enum by by) {
    struct entry e;
    struct zset_span span;
    uint64_t first, n;
    if (!parse_span(c, by, call_arg(c, 2), call_arg(c, 3), &span)) return OK;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_ZSET, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc == OK) rc = find_span(&e.value, &span, &first, &n);
    return rc != OK ? rc : reply_int(c, (int64_t)n);
}

static int cmd_zcount(call *c) { return count(c, BY_SCORE); }
static int cmd_zlexcount(call *c) { return count(c, BY_LEX); }

/* ---- removing ------------------------------------------------------------------------------------- */

int zset_take_ranks(call *c, slice key, uint64_t first, uint64_t n) {
    uint8_t at[2][8];
    put_u64(at[0], first);
    put_u64(at[1], n);
    slice args[2] = {slice_make(at[0], 8), slice_make(at[1], 8)};
    return call_value(c, TYPE_ZSET, ZSET_REM_RANKS, key, args, 2);
}

int zset_remove_ranks(call *c, slice key, uint64_t len, uint64_t first, uint64_t n, const char *event) {
    int rc = zset_take_ranks(c, key, first, n);
    if (rc != OK) return rc;
    call_notify(c, 'z', event, key);
    if (n == len) call_notify(c, 'g', "del", key);
    return OK;
}

static int remove_range(call *c, enum by by, const char *event) {
    struct entry e;
    uint64_t first, n;
    struct range r = {.by = by, .limit = -1};
    slice key = call_arg(c, 1);
    if (by == BY_RANK ? !call_int(c, 2, &r.from) || !call_int(c, 3, &r.to)
                      : !parse_span(c, by, call_arg(c, 2), call_arg(c, 3), &r.span)) return OK;
    int rc = call_write_type(c, key, TYPE_ZSET, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc == OK) rc = find_range(&e.value, &r, &first, &n);
    if (rc == OK && n >= STEPS_FROM && n < zset_len(&e.value) && call_may_step(c))
        return zset_remove_in_steps(c, call_argv(c) + 1, first, n, event);
    if (rc == OK && n > 0) rc = zset_remove_ranks(c, key, zset_len(&e.value), first, n, event);
    return rc != OK ? rc : reply_int(c, (int64_t)n);
}

static int cmd_zremrangebyrank(call *c) { return remove_range(c, BY_RANK, "zremrangebyrank"); }
static int cmd_zremrangebyscore(call *c) { return remove_range(c, BY_SCORE, "zremrangebyscore"); }
static int cmd_zremrangebylex(call *c) { return remove_range(c, BY_LEX, "zremrangebylex"); }

/* ---- the table ------------------------------------------------------------------------------------ */

#define G .group = GROUP_SORTED_SET
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
static const char *const zrange_history[] = {
    "6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.",
    NULL};
static const char *const zrangebyscore_history[] = {
    "2.0.0", "Added the `WITHSCORES` modifier.",
    NULL};
static const char *const zrevrangebyscore_history[] = {
    "2.1.6", "`min` and `max` can be exclusive.",
    NULL};
static const struct command rows[] = {
    {.name = "zrange", .fn = cmd_zrange, .arity = -4, .flags = CMD_READONLY, G,
     .keys = READ, .since = "1.2.0",
     .summary = "Return a range of members in a sorted set",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements returned.",
     .history = zrange_history},
    {.name = "zrevrange", .fn = cmd_zrevrange, .arity = -4, .flags = CMD_READONLY, G,
     .keys = READ, .since = "1.2.0",
     .summary = "Return a range of members in a sorted set, by index, with scores ordered from high to "
                "low",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements returned."},
    {.name = "zrangebyscore", .fn = cmd_zrangebyscore, .arity = -4, .flags = CMD_READONLY, G,
     .keys = READ, .since = "1.0.5",
     .summary = "Return a range of members in a sorted set, by score",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements being returned. If M is constant (e.g. always asking for the first 10 "
                   "elements with LIMIT), you can consider it O(log(N)).",
     .history = zrangebyscore_history},
    {.name = "zrevrangebyscore", .fn = cmd_zrevrangebyscore, .arity = -4, .flags = CMD_READONLY, G,
     .keys = READ, .since = "2.2.0",
     .summary = "Return a range of members in a sorted set, by score, with scores ordered from high to "
                "low",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements being returned. If M is constant (e.g. always asking for the first 10 "
                   "elements with LIMIT), you can consider it O(log(N)).",
     .history = zrevrangebyscore_history},
    {.name = "zrangebylex", .fn = cmd_zrangebylex, .arity = -4, .flags = CMD_READONLY, G,
     .keys = READ, .since = "2.8.9",
     .summary = "Return a range of members in a sorted set, by lexicographical range",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements being returned. If M is constant (e.g. always asking for the first 10 "
                   "elements with LIMIT), you can consider it O(log(N))."},
    {.name = "zrevrangebylex", .fn = cmd_zrevrangebylex, .arity = -4, .flags = CMD_READONLY, G,
     .keys = READ, .since = "2.8.9",
     .summary = "Return a range of members in a sorted set, by lexicographical range, ordered from "
                "higher to lower strings.",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements being returned. If M is constant (e.g. always asking for the first 10 "
                   "elements with LIMIT), you can consider it O(log(N))."},
    {.name = "zrangestore", .fn = cmd_zrangestore, .arity = -5, .flags = CMD_WRITE | CMD_DENYOOM, G,
     .keys = {KEY_AT(KEY_OW | KEY_UPDATE, 1, 0, 1), KEY_AT(KEY_RO | KEY_ACCESS, 2, 0, 1)}, .since = "6.2.0",
     .summary = "Store a range of members from sorted set into another key",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements stored into the destination key."},
    {.name = "zcount", .fn = cmd_zcount, .arity = 4, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = READ, .since = "2.0.0",
     .summary = "Count the members in a sorted set with scores within the given values",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set."},
    {.name = "zlexcount", .fn = cmd_zlexcount, .arity = 4, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = READ, .since = "2.8.9",
     .summary = "Count the number of members in a sorted set between a given lexicographical range",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set."},
    {.name = "zremrangebyrank", .fn = cmd_zremrangebyrank, .arity = 4, .flags = CMD_WRITE, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "2.0.0",
     .summary = "Remove all members in a sorted set within the given indexes",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements removed by the operation."},
    {.name = "zremrangebyscore", .fn = cmd_zremrangebyscore, .arity = 4, .flags = CMD_WRITE, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "1.2.0",
     .summary = "Remove all members in a sorted set within the given scores",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements removed by the operation."},
    {.name = "zremrangebylex", .fn = cmd_zremrangebylex, .arity = 4, .flags = CMD_WRITE, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "2.8.9",
     .summary = "Remove all members in a sorted set between the given lexicographical range",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the number "
                   "of elements removed by the operation."},
};
const struct command_family family_zset_range = {rows, sizeof(rows) / sizeof(*rows)};
