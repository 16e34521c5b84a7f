/* reading.c -- reads of many elements, done in steps while the loop goes on.
 *
 * Such a command keeps the values as it has found them (keyspace_keep()), and writes a part of its reply in each turn
 * of the loop; so its reply is that of the moment at which it was run, whatever others write meanwhile, and they wait
 * for nothing. The reply comes in pieces, which are sent and freed one by one.
 *
 * Why not as steps.c does, which watches the keys and begins again when one changes: a list that is always pushed to
 * would be read three times, and at last in one turn. What is kept here cannot be had there, where a write depends on
 * the latest values. */
#include <assert.h>

#include "base/mem.h"
#include "exec/exec_internal.h"

#define READ_ELEMENTS_FIRST 256 /* How large they are is not known. */
#define READ_ELEMENTS_MIN 8
#define READ_ELEMENTS_MAX 2048
#define READ_STEP_US 250

struct reading {
    const struct read_job *ops;
    void *work;
    struct value *values;
    ks_kept **kept;
    size_t n;
    list pieces, *part; /* part: the last piece before this part's */
    buf out;         /* the next piece */
    size_t elements; /* of the next step */
};

static void reading_free(void *state) {
    struct reading *r = state;
    for (size_t i = 0; i < r->n; i++) keyspace_keep_end(r->kept[i]);
    for (list *l; (l = list_first(&r->pieces)) != NULL;) {
        struct piece *p = LIST_ENTRY(l, struct piece, link);
        list_remove(l);
        buf_free(&p->bytes);
        mem_free(p);
    }
    r->ops->free(r->work);
    buf_free(&r->out);
    mem_free(r->values);
    mem_free(r->kept);
    mem_free(r);
}

static bool stale(const struct reading *r) {
    for (size_t i = 0; i < r->n; i++)
        if (kept_value(r->kept[i]) == NULL) return true;
    return false;
}

static void seal(struct reading *r, list *behind) {
    if (r->out.n == 0) return;
    struct piece *p = mem_alloc(sizeof(*p));
    p->bytes = r->out;
    r->out = BUF_INIT;
    list_push_front(behind, &p->link);
}

/* True: that was the last part. */
static bool end_part(call *c, struct reading *r) {
    seal(r, r->pieces.prev);
    r->ops->head(c, r->work, &r->out);
    seal(r, r->part);
    r->part = r->pieces.prev;
    return r->ops->next == NULL || !r->ops->next(r->work);
}

static int finish(call *c, struct reading *r) {
    assert(!list_empty(&r->pieces));
    LIST_FOR(l, &r->pieces) reply_take(c, &LIST_ENTRY(l, struct piece, link)->bytes);
    return OK;
}

/* As many elements in the next step as fill a piece, or the time that it may take. */
static void measure(struct reading *r, size_t bytes, uint64_t us) {
    size_t n = bytes == 0 ? READ_ELEMENTS_MAX : r->elements * READ_PIECE_BYTES / bytes;
    if (us > 0 && n > r->elements * READ_STEP_US / us) n = r->elements * READ_STEP_US / us;
    if (n > 2 * r->elements) n = 2 * r->elements;
    r->elements = n < READ_ELEMENTS_MIN ? READ_ELEMENTS_MIN : n > READ_ELEMENTS_MAX ? READ_ELEMENTS_MAX : n;
}

static int go_on(call *c) {
    struct reading *r = c->state;
    bool all = false;
    if (stale(r)) {
        c->resume_fn = NULL;
        call_set_state(c, NULL, NULL);
        return c->cmd->fn(c);
    }
    if (r->out.n == 0) buf_reserve(&r->out, READ_PIECE_BYTES + READ_PIECE_BYTES / 4);
    size_t mark = r->out.n;
    uint64_t began = call_mono_us(c);
    int rc = r->ops->step(c, r->work, r->values, r->elements, &r->out, &all);
    if (rc != OK) {
        r->out.n = mark;
        return rc;
    }
    measure(r, r->out.n - mark, call_mono_us(c) - began);
    if (r->out.n >= READ_PIECE_BYTES) seal(r, r->pieces.prev);
    if (all && end_part(c, r)) return finish(c, r);
    parked_resume(call_park(c, go_on, NULL, NULL));
    return ERR_AGAIN;
}

int call_read_in_steps(call *c, const struct read_job *ops, void *work, const struct value *values, size_t n) {
    assert(call_may_step(c));
    struct reading *r = mem_calloc(1, sizeof(*r));
    *r = (struct reading){.ops = ops, .work = work, .n = n, .elements = READ_ELEMENTS_FIRST};
    list_init(&r->pieces);
    r->part = &r->pieces;
    r->values = mem_alloc((n + 1) * sizeof(*r->values));
    r->kept = mem_alloc((n + 1) * sizeof(ks_kept *));
    for (size_t i = 0; i < n; i++) {
        r->kept[i] = keyspace_keep(c->exec->deps.keyspace, &values[i]);
        r->values[i] = *kept_value(r->kept[i]);
    }
    call_set_state(c, r, reading_free);
    parked_resume(call_park(c, go_on, NULL, NULL));
    return ERR_AGAIN;
}
