/* zset_algebra.c -- unions, intersections and differences of sorted sets, and of sets, whose members all have
 * the score 1: told or stored.
 *
 * An intersection walks the smallest set, a difference the first, and looks each member up in the others. A union
 * walks all, and adds up in a table of its own. Cold pages are asked for all along the walk before the command
 * waits, so that it waits as often as there are sets, not as there are members. */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/zset_commands.h"
#include "resp/write.h"
#include "types/set.h"

enum algebra { UNION, INTER, DIFF };
enum aggregate { SUM, MIN, MAX };

struct operand {
    struct value v;
    double weight;
};

struct work {
    enum algebra what;
    enum aggregate how;
    struct operand *in;
    size_t n, at;      /* at: the one that is being walked */
    bool scores;       /* WITHSCORES */
    bool counted;      /* ZINTERCARD: only their number */
    uint64_t limit, count;
    bool cold;
    struct zset_result out;
    uint32_t *table;   /* UNION: members of out by their hash, plus one */
    size_t mask;
    uint64_t seed;
};

static uint64_t length(const struct value *v) {
    if (v->kind == VALUE_NONE) return 0;
    return v->type == TYPE_SET ? set_len(v) : zset_len(v);
}

static int look_up(const struct value *v, slice member, double *score) {
    *score = 1;
    if (v->kind == VALUE_NONE) return ERR_NOTFOUND;
    return v->type == TYPE_SET ? set_has(v, member) : zset_score(v, member, score);
}

static double times(double score, double weight) {
    double product = score * weight;
    return isnan(product) ? 0 : product;
}

static void combine(enum aggregate how, double *target, double score) {
    if (how == SUM) *target += score;
    else if (how == MIN) *target = score < *target ? score : *target;
    else *target = score > *target ? score : *target;
    if (isnan(*target)) *target = 0; /* inf and -inf. */
}

#define ENOUGH 1 /* ends a walk before its end */

/* INTER and DIFF: is it in the others, or not? */
static int compare(struct work *w, slice member, double score) {
    bool cold = false, wanted = true;
    double sum = times(score, w->in[0].weight);
    for (size_t i = 1; i < w->n && wanted && !cold; i++) {
        double other;
        int rc = look_up(&w->in[i].v, member, &other);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
        else wanted = (rc == OK) == (w->what == INTER);
        if (rc == OK && w->what == INTER) combine(w->how, &sum, other * w->in[i].weight);
    }
    w->cold |= cold;
    if (cold || !wanted) return 0;
    w->count++;
    if (!w->counted) zset_result_add(&w->out, member, w->what == DIFF ? score : sum);
    return w->count == w->limit && !w->cold ? ENOUGH : 0;
}

static void grow_table(struct work *w) {
    size_t mask = w->table == NULL ? 255 : 2 * w->mask + 1;
    uint32_t *table = mem_calloc(mask + 1, sizeof(*table));
    for (size_t i = 0; i < w->out.n; i++) {
        slice member = zset_result_member(&w->out, i);
        size_t at = hash_xx(member.p, member.n, w->seed) & mask;
        while (table[at] != 0) at = (at + 1) & mask;
        table[at] = (uint32_t)(i + 1);
    }
    mem_free(w->table);
    w->table = table;
    w->mask = mask;
}

static void add_up(struct work *w, slice member, double score) {
    score = times(score, w->in[w->at].weight);
    if (2 * w->out.n >= w->mask) grow_table(w);
    size_t at = hash_xx(member.p, member.n, w->seed) & w->mask;
    for (; w->table[at] != 0; at = (at + 1) & w->mask) {
        size_t i = w->table[at] - 1;
        if (!slice_eq(zset_result_member(&w->out, i), member)) continue;
        combine(w->how, zset_result_score(&w->out, i), score);
        return;
    }
    zset_result_add(&w->out, member, score);
    w->table[at] = (uint32_t)w->out.n;
}

static int walk(void *cookie, slice member, double score) {
    struct work *w = cookie;
    if (w->what != UNION) return compare(w, member, score);
    if (w->out.n == UINT32_MAX / 2) return ERR_LIMIT; /* More than any memory holds twice. */
    add_up(w, member, score);
    return 0;
}
static int walk_set(void *cookie, slice member) { return walk(cookie, member, 1); }

/* The same for a union without a table: told in the first set that has it, with what the others have of it. */
static int tell_once(void *cookie, slice member, double score) {
    struct work *w = cookie;
    double sum = times(score, w->in[w->at].weight), other;
    for (size_t i = 0; i < w->n; i++) {
        int rc = i == w->at ? ERR_NOTFOUND : look_up(&w->in[i].v, member, &other);
        if (rc == ERR_NOTFOUND) continue;
        if (rc == ERR_COLD) w->cold = true;
        else if (rc != OK) return rc;
        if (rc != OK) continue;
        if (i < w->at) return 0;
        combine(w->how, &sum, times(other, w->in[i].weight));
    }
    if (w->cold) return 0;
    w->count++;
    zset_result_add(&w->out, member, sum);
    return 0;
}
static int tell_once_set(void *cookie, slice member) { return tell_once(cookie, member, 1); }

static int by_length(const void *a, const void *b) {
    const struct operand *x = a, *y = b;
    uint64_t n = length(&x->v), m = length(&y->v);
    return n < m ? -1 : n > m;
}

/* In the order in which they are walked: how many are. */
static size_t arrange(struct work *w) {
    if (w->what != DIFF) qsort(w->in, w->n, sizeof(*w->in), by_length);
    if (w->what == INTER && length(&w->in[0].v) == 0) return 0;
    return w->what == UNION ? w->n : 1;
}

static int run(struct work *w) {
    size_t walked = arrange(w);
    for (w->at = 0; w->at < walked; w->at++) {
        const struct value *v = &w->in[w->at].v;
        if (v->kind == VALUE_NONE) continue;
        int rc = v->type == TYPE_SET ? set_each(v, walk_set, w) : zset_each(v, 0, zset_len(v), false, walk, w);
        if (rc == ERR_COLD) w->cold = true;
        else if (rc != OK && rc != ENOUGH) return rc;
    }
    return w->cold ? ERR_COLD : OK;
}

/* ---- arguments -------------------------------------------------------------------------------------- */

static bool take_weights(call *c, struct work *w, size_t i) {
    for (size_t k = 0; k < w->n; k++) {
        if (num_parse_double(call_arg(c, i + k), &w->in[k].weight)) continue;
        reply_error(c, "ERR weight value is not a float");
        return false;
    }
    return true;
}

static bool take_aggregate(call *c, struct work *w, size_t i) {
    if (call_arg_is(c, i, "sum")) w->how = SUM;
    else if (call_arg_is(c, i, "min")) w->how = MIN;
    else if (call_arg_is(c, i, "max")) w->how = MAX;
    else {
        reply_syntax(c);
        return false;
    }
    return true;
}

static bool take_options(call *c, struct work *w, size_t i, bool store) {
    bool weighs = w->what != DIFF && !w->counted;
    int64_t limit;
    while (i < call_argc(c)) {
        size_t left = call_argc(c) - i;
        if (weighs && left >= w->n + 1 && call_arg_is(c, i, "weights")) {
            if (!take_weights(c, w, i + 1)) return false;
            i += 1 + w->n;
        } else if (weighs && left >= 2 && call_arg_is(c, i, "aggregate")) {
            if (!take_aggregate(c, w, i + 1)) return false;
            i += 2;
        } else if (!store && !w->counted && call_arg_is(c, i, "withscores")) {
            w->scores = true;
            i++;
        } else if (w->counted && left >= 2 && call_arg_is(c, i, "limit")) {
            if (!call_int_in(c, i + 1, 0, INT64_MAX, &limit, "ERR LIMIT can't be negative")) return false;
            w->limit = (uint64_t)limit;
            i += 2;
        } else {
            reply_syntax(c);
            return false;
        }
    }
    return true;
}

static int find_operands(call *c, struct work *w, const slice *keys, bool writing) {
    struct value *values = mem_try_alloc(w->n * sizeof(*values));
    w->in = mem_try_alloc(w->n * sizeof(*w->in));
    int rc = values == NULL || w->in == NULL ? ERR_NOMEM : OK;
    if (rc == OK) rc = zset_find_all(c, keys, w->n, writing, true, values);
    for (size_t i = 0; i < w->n && rc == OK; i++) w->in[i] = (struct operand){values[i], 1};
    mem_free(values);
    return rc;
}

static int answer(call *c, struct work *w, const char *event) {
    if (w->counted) return reply_int(c, (int64_t)w->count);
    zset_result_sort(&w->out);
    if (event != NULL) return zset_result_store(c, call_arg(c, 1), &w->out, event);
    zset_result_reply(c, &w->out, w->scores);
    return OK;
}

/* ---- in steps --------------------------------------------------------------------------------------- */

struct stepping {
    enum algebra what;
    enum aggregate how;
    const char *event; /* NULL: the members are only counted */
    uint64_t limit;
    size_t at;       /* the operand that is being walked, in the order of arrange() */
    uint64_t cursor; /* in it: a rank, or a set's cursor */
    uint64_t n;      /* members found */
    size_t keys;
    double weights[];
};

/* Are so many members to be walked? */
static bool many(call *c, const struct work *w, uint64_t from) {
    uint64_t sum = 0, least = UINT64_MAX;
    for (size_t i = 0; i < w->n; i++) {
        uint64_t one = length(&w->in[i].v);
        if (i == 0 || w->what == UNION) sum += one;
        least = one < least ? one : least;
    }
    if (w->limit != 0 && w->limit < least) least = w->limit; /* As a rule it is found as soon. */
    return call_may_step(c) && (w->what == INTER ? least : sum) >= from;
}

static int walk_part(struct work *w, uint64_t *cursor, size_t some, bool *end) {
    const struct value *v = &w->in[w->at].v;
    uint64_t len = length(v);
    *end = true;
    if (len == 0) return OK;
    if (v->type == TYPE_SET) {
        int rc = set_scan(v, cursor, some, w->what == UNION ? tell_once_set : walk_set, w);
        *end = *cursor == 0;
        return rc;
    }
    if (*cursor >= len) return ERR_PRECOND;
    uint64_t n = len - *cursor < some ? len - *cursor : some;
    int rc = zset_each(v, *cursor, n, false, w->what == UNION ? tell_once : walk, w);
    *cursor += n;
    *end = *cursor == len;
    return rc;
}

static int step_through(call *c, struct stepping *s, struct work *w, bool *done) {
    uint64_t cursor = s->cursor;
    bool end;
    size_t walked = arrange(w);
    *done = s->at >= walked || (s->limit != 0 && s->n >= s->limit);
    if (*done) return OK;
    w->at = s->at;
    int rc = walk_part(w, &cursor, call_steps_elements(c), &end);
    if ((rc == OK || rc == ENOUGH) && w->cold) rc = ERR_COLD;
    if (rc == OK && w->out.n > 0) rc = zset_result_add_step(c, &w->out);
    if (rc == ENOUGH) rc = OK;
    if (rc != OK) return rc;
    s->n += w->count;
    s->cursor = end ? 0 : cursor;
    if (end) s->at++;
    return OK;
}

/* Behind their number, and a destination. */
static size_t first_key(const char *event) { return event != NULL ? 3 : 2; }

static int algebra_step(call *c, void *work, bool *done) {
    struct stepping *s = work;
    size_t first = first_key(s->event);
    struct work w = {.what = s->what, .how = s->how, .n = s->keys, .counted = s->event == NULL, .in = mem_try_alloc(s->keys * sizeof(*w.in))};
    int rc = w.in == NULL ? ERR_NOMEM : OK;
    for (size_t i = 0; i < w.n && rc == OK; i++) {
        struct entry e = {.value = {.kind = VALUE_NONE}};
        rc = call_peek(c, call_arg(c, first + i), &e);
        if (rc == ERR_NOTFOUND) rc = OK;
        else if (rc == OK && e.value.type != TYPE_SET && e.value.type != TYPE_ZSET) rc = ERR_PRECOND;
        w.in[i] = (struct operand){e.value, s->weights[i]};
    }
    if (rc == OK) rc = step_through(c, s, &w, done);
    mem_free(w.in);
    zset_result_free(&w.out);
    return rc;
}

static int algebra_finish(call *c, void *work) {
    const struct stepping *s = work;
    if (s->event == NULL) return reply_int(c, (int64_t)(s->limit != 0 && s->n > s->limit ? s->limit : s->n));
    return zset_result_take(c, call_arg(c, 1), s->n, s->event);
}

static void algebra_restart(void *work) {
    struct stepping *s = work;
    s->at = s->cursor = s->n = 0;
}

/* What is kept is the arguments': values are looked up again in each step. */
static int in_steps(call *c, const struct work *w, const char *event) {
    static const struct steps_job ops = {algebra_step, algebra_finish, algebra_restart, mem_free};
    struct stepping *s = mem_calloc(1, sizeof(*s) + w->n * sizeof(s->weights[0]));
    s->what = w->what;
    s->how = w->how;
    s->event = event;
    s->keys = w->n;
    for (size_t i = 0; i < w->n; i++) s->weights[i] = w->in[i].weight;
    s->limit = w->limit;
    return call_steps(c, &ops, s, call_argv(c) + first_key(event), w->n);
}

/* ---- told in steps: parts of the result, each in order, and then all of them merged ------------------- */

struct telling {
    struct work w; /* w.in: values that are kept, with weights; w.at: the one that is being walked */
    size_t walked;
    uint64_t cursor;
    bool merging;
    struct zset_runs runs;
};

static int gather(struct telling *t, const struct value *values, size_t n) {
    struct work w = t->w;
    uint64_t cursor = t->cursor;
    bool end;
    for (size_t i = 0; i < w.n; i++) w.in[i].v = values[i];
    int rc = walk_part(&w, &cursor, n, &end);
    if (rc == OK && w.cold) rc = ERR_COLD;
    if (rc == OK) {
        zset_runs_add(&t->runs, &w.out);
        t->cursor = end ? 0 : cursor;
        if (end) t->w.at++;
    }
    zset_result_free(&w.out);
    return rc;
}

static int tell_step(call *c, void *work, const struct value *values, size_t n, buf *out, bool *all) {
    struct telling *t = work;
    size_t until = out->n + READ_PIECE_BYTES;
    slice member;
    double score;
    if (t->w.at < t->walked) return gather(t, values, n);
    if (!t->merging) zset_runs_begin(&t->runs);
    t->merging = true;
    for (; n > 0 && out->n < until && zset_runs_first(&t->runs, &member, &score); n--) {
        zset_write_member(out, call_proto(c), t->w.scores, member, score);
        zset_runs_drop_first(&t->runs);
    }
    *all = !zset_runs_first(&t->runs, &member, &score);
    return OK;
}

static void tell_head(call *c, void *work, buf *out) {
    const struct telling *t = work;
    resp_array(out, (size_t)(t->w.scores && call_proto(c) < 3 ? t->runs.total * 2 : t->runs.total));
}

static void telling_free(void *work) {
    struct telling *t = work;
    zset_runs_free(&t->runs);
    mem_free(t->w.in);
    mem_free(t);
}

/* Takes the operands. */
static int tell_in_steps(call *c, struct work *w) {
    static const struct read_job ops = {.step = tell_step, .head = tell_head, .free = telling_free};
    struct telling *t = mem_calloc(1, sizeof(*t));
    struct value *values = mem_alloc(w->n * sizeof(*values));
    t->w = *w;
    w->in = NULL;
    t->walked = arrange(&t->w);
    for (size_t i = 0; i < t->w.n; i++) values[i] = t->w.in[i].v;
    int rc = call_read_in_steps(c, &ops, t, values, t->w.n);
    mem_free(values);
    return rc;
}

#define KEPT_MAX 1024 /* Each value that is kept takes time, too. */

/* event: of a command that stores what comes out under its first key; else NULL. */
static int algebra(call *c, enum algebra what, const char *event, bool counted) {
    int64_t n;
    struct entry old;
    size_t at = event != NULL ? 2 : 1;
    struct work w = {.what = what, .counted = counted};
    if (!call_int(c, at, &n)) return OK;
    if (n < 1) {
        return reply_errorf(c, "ERR at least 1 input key is needed for '%s' command", call_command(c)->name);
    }
    if ((uint64_t)n > call_argc(c) - at - 1) return reply_syntax(c);
    w.n = (size_t)n;
    int there = event != NULL ? call_write(c, call_arg(c, 1), &old) : OK; /* whatever it holds */
    int rc = find_operands(c, &w, call_argv(c) + at + 1, event != NULL);
    bool good = rc == OK && take_options(c, &w, at + 1 + w.n, event != NULL);
    if (rc == OK && there != OK && there != ERR_NOTFOUND) rc = there;
    if (good && rc == OK && (event != NULL || counted) && many(c, &w, STEPS_FROM)) {
        rc = in_steps(c, &w, event);
    } else if (good && rc == OK && event == NULL && !counted && w.n <= KEPT_MAX && many(c, &w, READ_STEPS_FROM)) {
        rc = tell_in_steps(c, &w);
    } else if (good && rc == OK) {
        w.seed = rnd_u64(call_rnd(c));
        rc = run(&w);
        if (rc == OK) rc = answer(c, &w, event);
    }
    mem_free(w.in);
    mem_free(w.table);
    zset_result_free(&w.out);
    return rc;
}

static int cmd_zunion(call *c) { return algebra(c, UNION, NULL, false); }
static int cmd_zinter(call *c) { return algebra(c, INTER, NULL, false); }
static int cmd_zdiff(call *c) { return algebra(c, DIFF, NULL, false); }
static int cmd_zintercard(call *c) { return algebra(c, INTER, NULL, true); }
static int cmd_zunionstore(call *c) { return algebra(c, UNION, "zunionstore", false); }
static int cmd_zinterstore(call *c) { return algebra(c, INTER, "zinterstore", false); }
static int cmd_zdiffstore(call *c) { return algebra(c, DIFF, "zdiffstore", false); }

/* ---- the table -------------------------------------------------------------------------------------- */

#define G .group = GROUP_SORTED_SET
#define COUNTED(f, at)                                                                            \
    {.flags = (f), .begin = KEYS_INDEX, .pos = (at), .find = KEYS_KEYNUM, .keynum_idx = 0,            \
     .keynum_first = 1, .keynum_step = 1}
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
static const struct command rows[] = {
    {.name = "zunion", .fn = cmd_zunion, .arity = -3, .flags = CMD_READONLY | CMD_MOVABLEKEYS, G,
     .keys = {COUNTED(KEY_RO | KEY_ACCESS, 1)}, .since = "6.2.0",
     .summary = "Add multiple sorted sets",
     .complexity = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M "
                   "being the number of elements in the resulting sorted set."},
    {.name = "zinter", .fn = cmd_zinter, .arity = -3, .flags = CMD_READONLY | CMD_MOVABLEKEYS, G,
     .keys = {COUNTED(KEY_RO | KEY_ACCESS, 1)}, .since = "6.2.0",
     .summary = "Intersect multiple sorted sets",
     .complexity = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being "
                   "the number of input sorted sets and M being the number of elements in the resulting "
                   "sorted set."},
    {.name = "zdiff", .fn = cmd_zdiff, .arity = -3, .flags = CMD_READONLY | CMD_MOVABLEKEYS, G,
     .keys = {COUNTED(KEY_RO | KEY_ACCESS, 1)}, .since = "6.2.0",
     .summary = "Subtract multiple sorted sets",
     .complexity = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the "
                   "sets, N is the size of the first set, and K is the size of the result set."},
    {.name = "zintercard", .fn = cmd_zintercard, .arity = -3, .flags = CMD_READONLY | CMD_MOVABLEKEYS, G,
     .keys = {COUNTED(KEY_RO | KEY_ACCESS, 1)}, .since = "7.0.0",
     .summary = "Intersect multiple sorted sets and return the cardinality of the result",
     .complexity = "O(N*K) worst case with N being the smallest input sorted set, K being the number of "
                   "input sorted sets."},
    {.name = "zunionstore", .fn = cmd_zunionstore, .arity = -4, .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS, G,
     .keys = {KEY_AT(KEY_OW | KEY_UPDATE, 1, 0, 1), COUNTED(KEY_RO | KEY_ACCESS, 2)}, .since = "2.0.0",
     .summary = "Add multiple sorted sets and store the resulting sorted set in a new key",
     .complexity = "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M "
                   "being the number of elements in the resulting sorted set."},
    {.name = "zinterstore", .fn = cmd_zinterstore, .arity = -4, .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS, G,
     .keys = {KEY_AT(KEY_OW | KEY_UPDATE, 1, 0, 1), COUNTED(KEY_RO | KEY_ACCESS, 2)}, .since = "2.0.0",
     .summary = "Intersect multiple sorted sets and store the resulting sorted set in a new key",
     .complexity = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being "
                   "the number of input sorted sets and M being the number of elements in the resulting "
                   "sorted set."},
    {.name = "zdiffstore", .fn = cmd_zdiffstore, .arity = -4, .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS, G,
     .keys = {KEY_AT(KEY_OW | KEY_UPDATE, 1, 0, 1), COUNTED(KEY_RO | KEY_ACCESS, 2)}, .since = "6.2.0",
     .summary = "Subtract multiple sorted sets and store the resulting sorted set in a new key",
     .complexity = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the "
                   "sets, N is the size of the first set, and K is the size of the result set."},
};
const struct command_family family_zset_algebra = {rows, sizeof(rows) / sizeof(*rows)};
