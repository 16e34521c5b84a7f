/* set_algebra.c -- intersections, unions, differences, told or stored.
 *
 * One walk over one set, with a lookup in the others for each member: for an intersection the smallest
 * set is walked, for a difference the first. A union walks all, and tells a member in the first set that
 * has it. Cold pages are asked for all along the walk before the command waits, so that it waits
 * as often as there are sets, not as there are members.
 *
 * A result to be stored is a payload as RESTORE takes it: one effect, whatever its size. */
#include <stdlib.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/set_commands.h"
#include "resp/write.h"
#include "types/rdb.h"
#include "types/set.h"

enum algebra { INTER, UNION, DIFF };

/* The result as it comes: a reply's elements, a payload's, or only their number. */
struct sink {
    buf *out;    /* NULL: only counted */
    bool stored; /* a payload */
    bool listed; /* each behind its length */
    uint64_t n, limit; /* 0: none */
};

struct operands {
    struct value *sets; /* those that exist; in the keys' order, or (INTER) the smallest first */
    size_t count;
    bool missing, first_missing; /* any key, the first key is not there */
    enum algebra what;
    size_t at;          /* the set that is being walked */
    struct sink *sink;
    bool cold;
};

static int cold_or(int rc, bool *cold) {
    if (rc == ERR_COLD) *cold = true;
    return rc == ERR_COLD || rc == ERR_NOTFOUND ? OK : rc;
}

static int peek_sets(call *c, const slice *keys, size_t n, struct operands *j) {
    struct entry e;
    j->sets = mem_try_alloc(n * sizeof(*j->sets));
    if (j->sets == NULL) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        int rc = call_peek(c, keys[i], &e);
        if (rc == OK) j->sets[j->count++] = e.value;
        else if (rc != ERR_NOTFOUND) return rc;
        else {
            j->missing = true;
            j->first_missing |= i == 0;
        }
    }
    return OK;
}

/* All keys, looked up twice: the first time may remove some whose time has come, and what was found
 * before a change does not count after it. j->sets is the caller's to free. */
static int find_sets(call *c, const slice *keys, size_t n, bool writing, struct operands *j) {
    struct entry e;
    bool cold = false, wrong = false;
    for (size_t i = 0; i < n; i++) {
        int rc = writing ? call_write(c, keys[i], &e) : call_read(c, keys[i], &e);
        if (rc == OK && e.value.type != TYPE_SET) wrong = true;
        if ((rc = cold_or(rc, &cold)) != OK) return rc;
    }
    if (cold) return ERR_COLD;
    return wrong ? ERR_TYPE : peek_sets(c, keys, n, j);
}

static int by_length(const void *a, const void *b) {
    uint64_t x = set_len(a), y = set_len(b);
    return x < y ? -1 : x > y;
}

static void put(struct sink *s, slice member) {
    s->n++;
    if (s->out == NULL) return;
    if (s->listed) buf_bytes(s->out, member);
    else if (s->stored) rdb_write_raw_string(s->out, member);
    else resp_bulk(s->out, member);
}

#define ENOUGH 1 /* ends a walk before its end */

static int weigh(void *cookie, slice member) {
    struct operands *j = cookie;
    bool cold = false, wanted = true;
    size_t from = j->what == UNION ? 0 : 1, until = j->what == UNION ? j->at : j->count;
    for (size_t i = from; i < until && wanted && !cold; i++) {
        int rc = set_has(&j->sets[i], member);
        if (rc == ERR_COLD) cold = true;
        else if (rc == OK || rc == ERR_NOTFOUND) wanted = (rc == OK) == (j->what == INTER);
        else return rc;
    }
    j->cold |= cold;
    if (cold || !wanted) return 0;
    put(j->sink, member);
    return j->sink->n == j->sink->limit && !j->cold ? ENOUGH : 0;
}

/* False: nothing can come of it. */
static bool arrange(struct operands *j) {
    if (j->count == 0 || (j->what == INTER && j->missing) || (j->what == DIFF && j->first_missing))
        return false;
    if (j->what == INTER) qsort(j->sets, j->count, sizeof(*j->sets), by_length);
    return true;
}

static int work(struct operands *j) {
    if (!arrange(j)) return OK;
    for (j->at = 0; j->at < (j->what == UNION ? j->count : 1); j->at++) {
        int rc = set_each(&j->sets[j->at], weigh, j);
        if (rc == ERR_COLD) j->cold = true;
        else if (rc != OK && rc != ENOUGH) return rc;
    }
    return j->cold ? ERR_COLD : OK;
}

/* How many members will be looked at? */
static uint64_t walked(struct operands *j) {
    uint64_t sum = 0;
    if (!arrange(j)) return 0;
    for (size_t i = 0; i < (j->what == UNION ? j->count : 1); i++) sum += set_len(&j->sets[i]);
    return sum;
}

/* Told in steps: the walk over values that are kept. */
struct long_telling {
    struct operands j; /* without values of its own */
    uint64_t cursor, n;
};

static int tell_step(call *c, void *work, const struct value *values, size_t n, buf *out, bool *all) {
    struct long_telling *l = work;
    struct sink sink = {.out = out};
    struct operands j = l->j;
    uint64_t cursor = l->cursor;
    (void)c;
    j.sets = (struct value *)(uintptr_t)values;
    j.sink = &sink;
    int rc = set_scan(&j.sets[j.at], &cursor, n, weigh, &j);
    if (rc == ERR_COLD) { /* The pages ahead, too. */
        struct sink none = {.limit = 1};
        struct operands ask = {.sets = j.sets, .count = 1, .what = INTER, .sink = &none};
        uint64_t ahead = l->cursor;
        (void)set_scan(&j.sets[j.at], &ahead, n * READ_AHEAD, weigh, &ask);
    }
    if (rc == OK && j.cold) rc = ERR_COLD;
    if (rc != OK) return rc;
    l->n += sink.n;
    l->cursor = cursor;
    if (cursor == 0) l->j.at++;
    *all = l->j.at == (j.what == UNION ? j.count : 1);
    return OK;
}

static void tell_head(call *c, void *work, buf *out) { resp_set(out, call_proto(c), (size_t)((struct long_telling *)work)->n); }

static int tell_in_steps(call *c, const struct operands *j) {
    static const struct read_job ops = {.step = tell_step, .head = tell_head, .free = mem_free};
    struct long_telling *l = mem_calloc(1, sizeof(*l));
    l->j = (struct operands){.count = j->count, .what = j->what};
    return call_read_in_steps(c, &ops, l, j->sets, j->count);
}

#define KEPT_MAX 1024 /* Each value that is kept takes time, too. */

static int tell(call *c, enum algebra what) {
    struct sink s = {.out = call_out(c)};
    struct operands j = {.what = what, .sink = &s};
    size_t mark = reply_deferred(c);
    int rc = find_sets(c, call_argv(c) + 1, call_argc(c) - 1, false, &j);
    bool many = rc == OK && call_may_step(c) && j.count <= KEPT_MAX && walked(&j) >= READ_STEPS_FROM;
    if (many) rc = tell_in_steps(c, &j);
    else if (rc == OK) rc = work(&j);
    mem_free(j.sets);
    if (rc == OK) reply_deferred_set(c, mark, (size_t)s.n);
    return rc; /* What was written is taken back when this is no success. */
}

int cmd_sinter(call *c) { return tell(c, INTER); }
int cmd_sunion(call *c) { return tell(c, UNION); }
int cmd_sdiff(call *c) { return tell(c, DIFF); }

/* ---- *STORE ------------------------------------------------------------------------------------- */

static int replace(call *c, const struct sink *s, const char *event) {
    slice key = call_arg(c, 1);
    buf payload = BUF_INIT;
    buf_u8(&payload, RDB_SET);
    rdb_write_len(&payload, s->n);
    int rc = buf_try_reserve(&payload, s->out->n);
    if (rc == OK) {
        buf_append_slice(&payload, slice_of(s->out));
        slice args[2] = {slice_of(&payload), slice_make(NULL, 0)};
        effect e = {.target = EFFECT_ENTRY, .op = ENTRY_RESTORE, .db = db_id(call_db(c)),
                    .key = key, .args = args, .argc = 2};
        rc = call_effect(c, &e);
    }
    buf_free(&payload);
    if (rc != OK) return rc;
    call_notify(c, 's', event, key);
    return reply_int(c, (int64_t)s->n);
}

/* The same in steps: the walk of `work`, a part of it at a time, and the members that it finds are added to a
 * set beside the data. */
struct stepping {
    enum algebra what;
    const char *event; /* NULL: the members are only counted */
    size_t keys;       /* from argument 2 on */
    uint64_t limit;
    size_t at;       /* the set that is being walked */
    uint64_t cursor; /* in it */
    uint64_t n;      /* members found */
};

static int add_found(call *c, slice found, uint64_t n) {
    slice *members = mem_try_alloc(n * sizeof(*members));
    if (members == NULL) return ERR_NOMEM;
    reader r = reader_make(found);
    for (uint64_t i = 0; i < n; i++) members[i] = read_bytes(&r);
    int rc = call_steps_value(c, TYPE_SET, SET_ADD, members, n);
    mem_free(members);
    return rc;
}

static int step_through(call *c, struct stepping *s, struct operands *j, bool *done) {
    buf found = BUF_INIT;
    struct sink sink = {.out = s->event != NULL ? &found : NULL, .listed = true};
    uint64_t cursor = s->cursor;
    *done = !arrange(j) || s->at == (j->what == UNION ? j->count : 1) || (s->limit != 0 && s->n >= s->limit);
    if (*done) return OK;
    j->at = s->at;
    j->sink = &sink;
    int rc = set_scan(&j->sets[j->at], &cursor, call_steps_elements(c), weigh, j);
    if (rc == OK && j->cold) rc = ERR_COLD;
    if (rc == OK && sink.n > 0 && s->event != NULL) rc = add_found(c, slice_of(&found), sink.n);
    if (rc == OK) {
        s->n += sink.n;
        s->cursor = cursor;
        if (cursor == 0) s->at++;
    }
    buf_free(&found);
    return rc;
}

static int store_step(call *c, void *work, bool *done) {
    struct stepping *s = work;
    struct operands j = {.what = s->what};
    int rc = peek_sets(c, call_argv(c) + 2, s->keys, &j);
    for (size_t i = 0; i < j.count; i++)
        if (rc == OK && j.sets[i].type != TYPE_SET) rc = ERR_PRECOND;
    if (rc == OK) rc = step_through(c, s, &j, done);
    mem_free(j.sets);
    return rc;
}

static int store_finish(call *c, void *work) {
    struct stepping *s = work;
    struct entry e;
    slice key = call_arg(c, 1);
    int rc = OK, there = call_write(c, key, &e);
    if (there != OK && there != ERR_NOTFOUND) return there;
    if (s->n > 0) rc = call_steps_take(c, key);
    else if (there == OK) rc = call_del(c, key);
    if (rc != OK) return rc;
    if (s->n > 0) call_notify(c, 's', s->event, key);
    else if (there == OK) call_notify(c, 'g', "del", key);
    return reply_int(c, (int64_t)s->n);
}

static void store_restart(void *work) {
    struct stepping *s = work;
    s->at = s->cursor = s->n = 0;
}

static int count_finish(call *c, void *work) {
    const struct stepping *s = work;
    return reply_int(c, (int64_t)(s->limit != 0 && s->n > s->limit ? s->limit : s->n));
}

static int in_steps(call *c, struct stepping given) {
    static const struct steps_job store_ops = {store_step, store_finish, store_restart, mem_free};
    static const struct steps_job count_ops = {store_step, count_finish, store_restart, mem_free};
    struct stepping *s = mem_alloc(sizeof(*s));
    *s = given;
    return call_steps(c, s->event != NULL ? &store_ops : &count_ops, s, call_argv(c) + 2, s->keys);
}

int cmd_sintercard(call *c) {
    int64_t keys, limit = 0;
    if (!call_int_in(c, 1, 1, INT64_MAX, &keys, "ERR numkeys should be greater than 0")) return OK;
    if ((uint64_t)keys > call_argc(c) - 2) {
        return reply_error(c, "ERR Number of keys can't be greater than number of args");
    }
    for (size_t i = 2 + (size_t)keys; i < call_argc(c); i++) {
        if (!call_arg_is(c, i, "limit") || i + 1 == call_argc(c)) return reply_syntax(c);
        if (!call_int_in(c, ++i, 0, INT64_MAX, &limit, "ERR LIMIT can't be negative")) return OK;
    }
    struct sink s = {.limit = (uint64_t)limit};
    struct operands j = {.what = INTER, .sink = &s};
    int rc = find_sets(c, call_argv(c) + 2, (size_t)keys, false, &j);
    uint64_t n = rc == OK && call_may_step(c) ? walked(&j) : 0;
    if (limit != 0 && n > (uint64_t)limit) n = (uint64_t)limit; /* As a rule it is found as soon. */
    if (rc == OK && n < STEPS_FROM) rc = work(&j);
    mem_free(j.sets);
    if (n >= STEPS_FROM)
        return in_steps(c, (struct stepping){.what = INTER, .keys = (size_t)keys, .limit = (uint64_t)limit});
    return rc == OK ? reply_int(c, (int64_t)s.n) : rc;
}

static int store(call *c, enum algebra what, const char *event) {
    struct entry e;
    buf body = BUF_INIT;
    struct sink s = {.out = &body, .stored = true};
    int there = call_write(c, call_arg(c, 1), &e); /* whatever it holds */
    struct operands j = {.what = what, .sink = &s};
    int rc = find_sets(c, call_argv(c) + 2, call_argc(c) - 2, true, &j);
    bool many = rc == OK && (there == OK || there == ERR_NOTFOUND) && call_may_step(c) && walked(&j) >= STEPS_FROM;
    if (rc == OK && !many) rc = work(&j);
    mem_free(j.sets);
    if (many) return in_steps(c, (struct stepping){.what = what, .event = event, .keys = call_argc(c) - 2});
    if (rc == OK && there != OK && there != ERR_NOTFOUND) rc = there;
    if (rc == OK && s.n > 0) {
        rc = replace(c, &s, event);
    } else if (rc == OK) {
        if (there == OK && (rc = call_del(c, call_arg(c, 1))) == OK)
            call_notify(c, 'g', "del", call_arg(c, 1));
        if (rc == OK) reply_int(c, 0);
    }
    buf_free(&body);
    return rc;
}

int cmd_sinterstore(call *c) { return store(c, INTER, "sinterstore"); }
int cmd_sunionstore(call *c) { return store(c, UNION, "sunionstore"); }
int cmd_sdiffstore(call *c) { return store(c, DIFF, "sdiffstore"); }
