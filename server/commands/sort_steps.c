/* sort_steps.c -- SORT of many elements: read, weighed and answered in steps (call_steps()), and ordered on a worker.
 *
 * A result of the elements alone is that of the moment when the last of them had been read. One that goes into a key
 * is that of its end, and so the key with the elements is watched until then. Keys behind BY and GET are as many as
 * the elements: while they are read, any change of anything begins it again. */
#include <assert.h>

#include "base/mem.h"
#include "commands/sort_commands.h"
#include "resp/write.h"
#include "types/list.h"

#define LOADED_IN_A_STEP 4096
#define ANSWERED_IN_A_STEP 2048
#define HEAD_BYTES 12 /* of a bulk string below a megabyte, and its end */

struct sorting {
    struct sorter *s;
    bool weighed, ordered, begun;
    uint64_t lsn;    /* when the first of other keys was read; 0: none has been */
    size_t from;     /* as it was before the first answer */
    buf out;         /* the reply; texts of the new list */
    bool too_long;
};

static void restart(void *work) {
    struct sorting *g = work;
    struct sorter *s = g->s;
    pile_free(s->pile);
    s->pile = NULL;
    s->loaded = false;
    s->cursor = 0;
    s->weighed = 0;
    if (g->begun) s->from = g->from;
    buf_free(&g->out);
    *g = (struct sorting){.s = s};
}

static void sorting_free(void *work) {
    struct sorting *g = work;
    restart(g);
    mem_free(g->s);
    mem_free(g);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static int load_step(call *c, struct sorting *g) {
    struct sorter *s = g->s;
    struct entry e;
    int rc = call_peek(c, call_arg(c, 1), &e);
    if (rc == ERR_NOTFOUND) return ERR_PRECOND;
    if (rc == OK && s->pile == NULL) rc = sort_begin(s);
    if (rc == OK) rc = sort_load(s, &e.value, LOADED_IN_A_STEP);
    if (rc == OK && s->loaded && s->store == 0 && !sort_reads_others(s)) call_steps_settled(c);
    return rc;
}

/* Has anything changed since the first key behind BY or GET was read? */
static bool changed_since(call *c, struct sorting *g) {
    uint64_t now = tier_lsn(call_tier(c));
    if (g->lsn == 0) g->lsn = now;
    return g->lsn != now;
}

static int weigh_step(call *c, struct sorting *g) {
    if (changed_since(c, g)) return ERR_PRECOND;
    int rc = sort_weigh(g->s, STEP_ELEMENTS);
    g->weighed = g->s->weighed == g->s->pile->n;
    return rc;
}

static void ordered(void *work, void *cookie) {
    struct sorting *g = work;
    assert(g->s->pile == NULL);
    g->s->pile = cookie;
    g->ordered = true;
}

/* ---- answering ---------------------------------------------------------------------------------------- */

struct putting {
    struct sorting *g;
    int proto;
    buf found; /* texts of a list */
    size_t n;
};

static void put_reply(struct sorter *s, void *cookie, bool found, slice text) {
    struct putting *to = cookie;
    (void)s;
    if (found) resp_bulk(&to->g->out, text);
    else resp_null(&to->g->out, to->proto);
}

/* An output that grows would be copied again and again. */
static int begin_reply(struct sorting *g) {
    const struct sorter *s = g->s;
    size_t n = s->until - s->from, bytes = 64;
    if (n > s->pile->n / 2 && s->gets_n == 0) bytes += s->pile->bytes + n * HEAD_BYTES;
    int rc = buf_try_reserve(&g->out, bytes);
    if (rc == OK) resp_array(&g->out, (s->until - s->from) * (s->gets_n > 0 ? s->gets_n : 1));
    return rc;
}

static int reply_step(call *c, struct sorting *g) {
    struct putting to = {.g = g, .proto = call_proto(c)};
    size_t mark = g->out.n;
    int rc = sort_give(g->s, g->s->gets_n > 0 ? STEP_ELEMENTS : ANSWERED_IN_A_STEP, put_reply, &to);
    if (rc != OK) g->out.n = mark;
    return rc;
}

static void put_stored(struct sorter *s, void *cookie, bool found, slice text) {
    struct putting *to = cookie;
    (void)s;
    to->g->too_long |= text.n > LIST_ELEMENT_MAX;
    buf_bytes(&to->found, found ? text : SLICE(""));
    to->n++;
}

static int store_step(call *c, struct sorting *g) {
    struct putting to = {.g = g};
    size_t gets = g->s->gets_n > 0 ? g->s->gets_n : 1, from = g->s->from;
    int rc = sort_give(g->s, gets > STEP_ELEMENTS ? 1 : STEP_ELEMENTS / gets, put_stored, &to);
    if (rc == OK && to.n > 0 && !g->too_long) {
        reader r = reader_make(slice_of(&to.found));
        slice *texts = mem_alloc(to.n * sizeof(*texts));
        for (size_t i = 0; i < to.n; i++) texts[i] = read_bytes(&r);
        rc = call_steps_value(c, TYPE_LIST, LIST_PUSH_TAIL, texts, to.n);
        mem_free(texts);
        if (rc == OK && g->lsn != 0) g->lsn++; /* This one's. */
    }
    if (rc != OK) g->s->from = from;
    buf_free(&to.found);
    return rc;
}

/* ---- the job ------------------------------------------------------------------------------------------ */

static int step(call *c, void *work, bool *done) {
    struct sorting *g = work;
    struct sorter *s = g->s;
    s->c = c;
    if (!s->loaded) return load_step(c, g);
    if (!g->weighed && sort_needs_scores(s)) return weigh_step(c, g);
    if (!g->ordered && !s->unordered) {
        struct pile *p = s->pile;
        s->pile = NULL; /* The worker's. */
        return call_steps_work(c, pile_order, p, pile_free, ordered);
    }
    *done = s->pile->bad || g->too_long || (g->begun && s->from == s->until);
    if (*done) return OK;
    if (!g->begun) {
        g->from = s->from;
        g->begun = true;
        return s->store > 0 ? OK : begin_reply(g);
    }
    if (sort_reads_others(s) && changed_since(c, g)) return ERR_PRECOND;
    return s->store > 0 ? store_step(c, g) : reply_step(c, g);
}

static int take(call *c, struct sorting *g) {
    struct entry e;
    slice key = call_arg(c, g->s->store);
    uint64_t n;
    int there = call_write(c, key, &e);
    if (there != OK && there != ERR_NOTFOUND) return there;
    int rc = call_steps_length(c, &n);
    if (rc != OK) return rc;
    if (n > 0) rc = call_steps_take(c, key);
    else if (there == OK) rc = call_del(c, key);
    if (rc != OK) return rc;
    if (n > 0) call_notify(c, 'l', "sortstore", key);
    else if (there == OK) call_notify(c, 'g', "del", key);
    return reply_int(c, (int64_t)n);
}

static int finish(call *c, void *work) {
    struct sorting *g = work;
    if (g->s->pile->bad) return sort_bad_scores(c);
    if (g->too_long) return sort_too_long(c);
    return g->s->store > 0 ? take(c, g) : reply_take(c, &g->out);
}

int sort_in_steps(call *c, struct sorter *s) {
    static const struct steps_job ops = {step, finish, restart, sorting_free};
    struct sorting *g = mem_calloc(1, sizeof(*g));
    g->s = s;
    return call_steps(c, &ops, g, call_argv(c) + 1, 1);
}
