/* stream_steps.c -- commands over very many entries of a stream in steps (call_steps()).
 *
 * First all is gathered, a part in each step: the reply, and what becomes pending, is pending no longer, or goes. Then
 * that is done to a copy of the stream, which shares its pages, part by part; the copy takes the stream's place. What
 * is little is done to the stream itself, at the end. */
#include "base/mem.h"
#include "commands/stream_commands.h"

#define AT_ONCE (2 * STEP_ELEMENTS)

static void restart(void *work) {
    struct stream_job *j = work;
    j->d.records.n = j->d.gone.n = j->unrefs.n = j->ids.n = j->out.n = 0;
    j->d.moved = false;
    j->n = j->at = 0;
    j->gathered = j->copied = false;
    j->restart(j);
}

static void job_free(void *work) {
    struct stream_job *j = work;
    stream_delivery_free(&j->d);
    buf_free(&j->unrefs);
    buf_free(&j->ids);
    buf_free(&j->out);
    j->free(j);
}

static int gather(call *c, struct stream_job *j) {
    struct entry e;
    buf *out = call_out(c);
    struct stream_delivery was = j->d;
    size_t mark = out->n, ids = j->ids.n, unrefs = j->unrefs.n, n = j->n, records = j->d.records.n, gone = j->d.gone.n;
    bool all = false;
    int rc = call_peek(c, *j->key, &e);
    if (rc == ERR_NOTFOUND || (rc == OK && e.value.type != TYPE_STREAM)) return ERR_PRECOND;
    if (rc == OK) rc = j->gather(c, j, &e.value, &all);
    if (rc == OK) {
        buf_append(&j->out, out->p + mark, out->n - mark);
        j->gathered = all;
    } else {
        was.records = j->d.records; /* They may lie elsewhere now. */
        was.gone = j->d.gone;
        j->d = was;
        j->d.records.n = records;
        j->d.gone.n = gone;
        j->ids.n = ids;
        j->unrefs.n = unrefs;
        j->n = n;
    }
    out->n = mark;
    return rc;
}

/* ---- applying -------------------------------------------------------------------------------------------- */

static slice part(const buf *all, size_t at, size_t step) {
    size_t left = all->n - at, most = STEP_ELEMENTS * step;
    return slice_make(all->p + at, left < most ? left : most);
}

/* Does the next part of it to the copy. */
static int apply_part(call *c, struct stream_job *j) {
    size_t at = j->at;
    slice args[5];
    int rc;
    if (at < j->d.gone.n) {
        args[0] = j->d.group;
        args[1] = part(&j->d.gone, at, STREAM_ID_BYTES);
        j->at += args[1].n;
        rc = call_steps_value(c, TYPE_STREAM, STREAM_ACK, args, 2);
    } else if ((at -= j->d.gone.n) < j->d.records.n) {
        stream_delivery_args(&j->d, args);
        args[4] = part(&j->d.records, at, STREAM_RECORD_BYTES);
        j->at += args[4].n;
        rc = call_steps_value(c, TYPE_STREAM, STREAM_PEND, args, 5);
    } else if ((at -= j->d.records.n) < j->unrefs.n) {
        args[0] = part(&j->unrefs, at, STREAM_ID_BYTES);
        j->at += args[0].n;
        rc = call_steps_value(c, TYPE_STREAM, STREAM_UNREF, args, 1);
    } else {
        args[0] = part(&j->ids, at - j->unrefs.n, STREAM_ID_BYTES);
        j->at += args[0].n;
        rc = call_steps_value(c, TYPE_STREAM, STREAM_DELETE, args, 1);
    }
    return rc;
}

static size_t elements(const struct stream_job *j) {
    return (j->d.gone.n + j->unrefs.n + j->ids.n) / STREAM_ID_BYTES + j->d.records.n / STREAM_RECORD_BYTES;
}

static int step(call *c, void *work, bool *done) {
    struct stream_job *j = work;
    if (!j->gathered) return gather(c, j);
    *done = elements(j) <= AT_ONCE || j->at == j->d.gone.n + j->d.records.n + j->unrefs.n + j->ids.n;
    if (*done) return OK;
    if (!j->copied) {
        int rc = call_steps_copy(c, *j->key);
        j->copied = rc == OK;
        return rc == ERR_NOTFOUND ? ERR_PRECOND : rc;
    }
    size_t at = j->at;
    int rc = apply_part(c, j);
    if (rc != OK) j->at = at;
    return rc;
}

/* ---- the end --------------------------------------------------------------------------------------------- */

/* Little of it: to the stream itself. */
static int apply_here(call *c, struct stream_job *j) {
    struct entry e;
    slice gone[2] = {j->d.group, slice_of(&j->d.gone)}, unrefs = slice_of(&j->unrefs), ids = slice_of(&j->ids);
    int rc = call_peek(c, *j->key, &e);
    if (rc != OK) return rc;
    if (j->pend) {
        rc = stream_delivery_need(&e.value, &j->d);
        return rc == OK ? stream_delivery_apply(c, &j->d) : rc;
    }
    bool several = (gone[1].n > 0) + (unrefs.n > 0) + (ids.n > 0) > 1; /* One effect asks for what it needs itself. */
    if (several && gone[1].n > 0) rc = stream_need(&e.value, STREAM_ACK, gone, 2);
    if (rc == OK && several && unrefs.n > 0) rc = stream_need(&e.value, STREAM_UNREF, &unrefs, 1);
    if (rc == OK && several && ids.n > 0) rc = stream_need(&e.value, STREAM_DELETE, &ids, 1);
    if (rc == OK && gone[1].n > 0) rc = call_value(c, TYPE_STREAM, STREAM_ACK, *j->key, gone, 2);
    if (rc == OK && unrefs.n > 0) rc = call_value(c, TYPE_STREAM, STREAM_UNREF, *j->key, &unrefs, 1);
    if (rc == OK && ids.n > 0) rc = call_value(c, TYPE_STREAM, STREAM_DELETE, *j->key, &ids, 1);
    return rc;
}

static int take(call *c, struct stream_job *j) {
    int rc = call_steps_take(c, *j->key);
    if (rc == OK && j->pend && j->d.fresh) call_notify(c, 't', "xgroup-createconsumer", *j->key);
    return rc;
}

/* The head is known last: what was written is moved up behind it, and not written again. */
static void put_in_front(call *c, struct stream_job *j, size_t mark) {
    buf *head = call_out(c);
    size_t n = head->n - mark;
    buf_reserve(&j->out, n);
    if (j->out.n > 0) memmove(j->out.p + n, j->out.p, j->out.n);
    memcpy(j->out.p, head->p + mark, n);
    j->out.n += n;
    head->n = mark;
}

static int finish(call *c, void *work) {
    struct stream_job *j = work;
    size_t mark = call_out(c)->n;
    int rc = j->copied ? take(c, j) : apply_here(c, j);
    if (rc != OK) return rc;
    if (j->ids.n > 0) call_notify(c, 't', "xdel", *j->key);
    j->head(c, j);
    put_in_front(c, j, mark);
    if (j->tail != NULL) {
        j->tail(c, j);
        buf_append(&j->out, call_out(c)->p + mark, call_out(c)->n - mark);
        call_out(c)->n = mark;
    }
    return reply_take(c, &j->out);
}

int stream_in_steps(call *c, struct stream_job *j) {
    static const struct steps_job ops = {step, finish, restart, job_free};
    return call_steps(c, &ops, j, j->key, 1);
}
