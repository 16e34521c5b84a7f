/* string_read.c -- GET, GETRANGE, MGET; long strings in steps (call_read_in_steps()), very many in turns. */
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keys_turns.h"
#include "commands/string_commands.h"
#include "resp/write.h"
#include "types/string.h"

/* ---- in steps ------------------------------------------------------------------------------------------ */

struct span { /* of one string */
    bool none;
    uint64_t at, left;
};

struct long_read {
    bool array; /* MGET */
    bool begun; /* the head of spans[i] has been written */
    size_t i, n;
    struct span spans[];
};

/* A part of the string, or all of some short ones. */
static int step(call *c, void *work, const struct value *values, size_t n, buf *out, bool *all) {
    struct long_read *l = work;
    size_t until = out->n + READ_PIECE_BYTES;
    for (size_t some = 0; some < n && l->i < l->n && out->n < until; some++) {
        struct span *s = &l->spans[l->i];
        size_t mark = out->n;
        uint64_t part = s->left < READ_PIECE_BYTES ? s->left : READ_PIECE_BYTES;
        if (s->none) resp_null(out, call_proto(c));
        else if (!l->begun) resp_bulk_head(out, (size_t)s->left);
        int rc = s->none ? OK : string_read(&values[l->i], s->at, part, out);
        if (rc == ERR_COLD) (void)string_read(&values[l->i], s->at, READ_AHEAD * part, out); /* It is as cold. */
        if (rc != OK) {
            out->n = mark;
            if (rc == ERR_COLD && some > 0) break;
            return rc;
        }
        l->begun = true;
        s->at += part;
        s->left -= part;
        if (s->left > 0) continue;
        if (!s->none) buf_append(out, "\r\n", 2);
        l->begun = false;
        l->i++;
    }
    *all = l->i == l->n;
    return OK;
}

static void head(call *c, void *work, buf *out) {
    const struct long_read *l = work;
    (void)c;
    if (l->array) resp_array(out, l->n);
}

static int in_steps(call *c, const struct value *values, const struct span *spans, size_t n, bool array) {
    static const struct read_job ops = {.step = step, .head = head, .free = mem_free};
    struct long_read *l = mem_alloc(sizeof(*l) + n * sizeof(*spans));
    *l = (struct long_read){.array = array, .n = n};
    memcpy(l->spans, spans, n * sizeof(*spans));
    return call_read_in_steps(c, &ops, l, values, n);
}

/* ---- the commands -------------------------------------------------------------------------------------- */

static int reply_part(call *c, const struct value *v, uint64_t from, uint64_t n) {
    struct span s = {.at = from, .left = n};
    if (n >= READ_STEPS_FROM_BYTES && call_may_step(c)) return in_steps(c, v, &s, 1, false);
    size_t mark = call_out(c)->n;
    resp_bulk_head(call_out(c), (size_t)n);
    int rc = string_read(v, from, n, call_out(c));
    if (rc == OK) buf_append(call_out(c), "\r\n", 2);
    else call_out(c)->n = mark;
    return rc;
}

int string_reply(call *c, const struct value *v) {
    char tmp[NUM_LL_MAX];
    slice s;
    if (string_slice(v, tmp, &s)) return reply_bulk(c, s);
    uint64_t n = string_len(v);
    size_t mark = call_out(c)->n;
    resp_bulk_head(call_out(c), (size_t)n);
    int rc = string_read(v, 0, n, call_out(c));
    if (rc != OK) {
        call_out(c)->n = mark;
        return rc;
    }
    buf_append(call_out(c), "\r\n", 2);
    return OK;
}

int cmd_get(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    slice s;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    return string_slice(&e.value, tmp, &s) ? reply_bulk(c, s) : reply_part(c, &e.value, 0, string_len(&e.value));
}

int cmd_getrange(call *c) {
    struct entry e;
    int64_t start, end;
    if (!call_int(c, 2, &start) || !call_int(c, 3, &end)) return OK;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_bulk(c, SLICE(""));
    if (rc != OK) return rc;
    int64_t n = (int64_t)string_len(&e.value);
    if (start < 0 && end < 0 && start > end) return reply_bulk(c, SLICE(""));
    if (start < 0) start = start < -n ? 0 : start + n;
    if (end < 0) end = end < -n ? 0 : end + n;
    if (end >= n) end = n - 1;
    if (start > end || n == 0) return reply_bulk(c, SLICE(""));
    return reply_part(c, &e.value, (uint64_t)start, (uint64_t)(end - start + 1));
}

/* All keys have been read, and so none expires any more: what they hold is kept, and told in steps. */
static int many_in_steps(call *c) {
    size_t n = call_argc(c) - 1;
    struct value *values = mem_calloc(n, sizeof(*values));
    struct span *spans = mem_calloc(n, sizeof(*spans));
    int rc = OK;
    for (size_t i = 0; i < n && rc == OK; i++) {
        struct entry e;
        rc = call_peek(c, call_arg(c, i + 1), &e);
        spans[i].none = rc == ERR_NOTFOUND || (rc == OK && e.value.type != TYPE_STRING);
        if (!spans[i].none && rc == OK) {
            values[i] = e.value;
            spans[i].left = string_len(&e.value);
        }
        if (rc == ERR_NOTFOUND) rc = OK;
    }
    if (rc == OK) rc = in_steps(c, values, spans, n, true);
    mem_free(values);
    mem_free(spans);
    return rc;
}

/* w->inside: the bytes of it that are in the reply. */
static int one_of_many(call *c, struct keys_work *w, size_t i) {
    struct entry e;
    size_t mark = w->out.n;
    int rc = call_read(c, call_arg(c, i), &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == ERR_NOTFOUND || e.value.type != TYPE_STRING) {
        resp_null(&w->out, call_proto(c));
        return OK;
    }
    uint64_t n = string_len(&e.value), left = n - w->inside, part = left < READ_PIECE_BYTES ? left : READ_PIECE_BYTES;
    if (w->inside == 0) resp_bulk_head(&w->out, (size_t)n);
    if ((rc = string_read(&e.value, w->inside, part, &w->out)) != OK) {
        w->out.n = mark;
        return rc;
    }
    w->inside = part < left ? w->inside + part : 0;
    if (part == left) buf_append(&w->out, "\r\n", 2);
    w->bytes += w->out.n - mark;
    return part < left ? ERR_AGAIN : OK;
}

static int many_head(call *c, struct keys_work *w) { return reply_array(c, w->end - w->first); }

int cmd_mget(call *c) {
    size_t mark = call_out(c)->n;
    if (call_state(c) != NULL) return keys_go_on(c);
    if (keys_are_many(call_argc(c) - 1)) {
        struct keys_work w = {.first = 1, .per = 1, .end = call_argc(c), .one = one_of_many, .finish = many_head};
        return keys_in_turns(c, &w);
    }
    bool cold = false, may = call_may_step(c), long_ones = false;
    reply_array(c, call_argc(c) - 1);
    for (size_t i = 1; i < call_argc(c); i++) {
        struct entry e;
        int rc = call_read(c, call_arg(c, i), &e);
        if (rc == OK && e.value.type == TYPE_STRING) {
            size_t n = call_out(c)->n - mark;
            long_ones = long_ones || (may && string_len(&e.value) + n >= READ_STEPS_FROM_BYTES);
            if (!long_ones) rc = string_reply(c, &e.value);
        } else if (rc == OK || rc == ERR_NOTFOUND) {
            rc = reply_null(c);
        }
        if (rc == ERR_COLD) cold = true; /* Ask for the others too, in the same round. */
        else if (rc != OK) {
            call_out(c)->n = mark;
            return rc;
        }
    }
    if (!cold && !long_ones) return OK;
    call_out(c)->n = mark;
    return cold ? ERR_COLD : many_in_steps(c);
}
