/* stream_range.c -- entries between two ids as a reply, very many of them in steps (call_read_in_steps()). */
#include "base/mem.h"
#include "commands/stream_commands.h"
#include "resp/write.h"

#define ENOUGH 1 /* ends a walk before its end */

struct range_reply {
    buf *out;
    size_t limit, n; /* bytes of out at which it ends; entries written */
    stream_id last;
};

static int write_entry(void *cookie, struct stream_entry *e) {
    struct range_reply *r = cookie;
    r->n++;
    r->last = e->id;
    int rc = stream_write_entry(r->out, e);
    return rc != OK ? rc : r->out->n >= r->limit ? ENOUGH : OK;
}

int stream_reply_now(call *c, const struct value *v, stream_id from, stream_id to, uint64_t count, bool backward) {
    struct range_reply r = {.out = call_out(c), .limit = SIZE_MAX};
    size_t mark = reply_deferred(c);
    int rc = stream_each(v, from, to, count, backward, write_entry, &r);
    if (rc == OK) reply_deferred_array(c, mark, r.n);
    return rc;
}

/* ---- in steps ------------------------------------------------------------------------------------------ */

struct long_range {
    bool backward, named; /* named: XREAD's, with the keys of the streams */
    size_t at, count;
    struct stream_part parts[];
};

/* `part` entries from where it has come to. */
static int write_part(const struct long_range *l, const struct value *v, uint64_t part, struct range_reply *r) {
    const struct stream_part *p = &l->parts[l->at];
    return stream_each(v, p->from, p->to, part < p->left ? part : p->left, l->backward, write_entry, r);
}

static int step(call *c, void *work, const struct value *values, size_t n, buf *out, bool *all) {
    struct long_range *l = work;
    struct stream_part *p = &l->parts[l->at];
    struct range_reply r = {.out = out, .limit = out->n + READ_PIECE_BYTES}, ask = {.out = out};
    (void)c;
    int rc = write_part(l, &values[l->at], n, &r);
    if (rc == ERR_COLD) (void)write_part(l, &values[l->at], n * READ_AHEAD, &ask);
    if (rc != OK && rc != ENOUGH) return rc;
    p->told += r.n;
    p->left -= r.n;
    *all = p->left == 0 || (rc == OK && r.n < n);
    if (*all) return OK;
    if (l->backward) {
        p->to = r.last;
        *all = !stream_id_down(&p->to);
    } else {
        p->from = r.last;
        *all = !stream_id_up(&p->from);
    }
    return OK;
}

static void head(call *c, void *work, buf *out) {
    const struct long_range *l = work;
    if (l->named && l->at == 0) {
        if (call_proto(c) == 2) resp_array(out, l->count);
        else resp_map(out, call_proto(c), l->count);
    }
    if (l->named && call_proto(c) == 2) resp_array(out, 2);
    if (l->named) resp_bulk(out, l->parts[l->at].key);
    resp_array(out, l->parts[l->at].told);
}

static bool next(void *work) {
    struct long_range *l = work;
    return ++l->at < l->count;
}

static int in_steps(call *c, const struct value *values, const struct stream_part *parts, size_t n, bool backward,
                    bool named) {
    static const struct read_job ops = {.step = step, .head = head, .next = next, .free = mem_free};
    struct long_range *l = mem_calloc(1, sizeof(*l) + n * sizeof(*parts));
    l->count = n;
    l->backward = backward;
    l->named = named;
    memcpy(l->parts, parts, n * sizeof(*parts));
    return call_read_in_steps(c, &ops, l, values, n);
}

int stream_read_in_steps(call *c, const struct value *values, const struct stream_part *parts, size_t n) {
    return in_steps(c, values, parts, n, false, true);
}

int stream_reply_range(call *c, const struct value *v, stream_id from, stream_id to, uint64_t count, bool backward) {
    struct stream_part p = {.from = from, .to = to, .left = count == 0 ? UINT64_MAX : count};
    if (!call_may_step(c)) return stream_reply_now(c, v, from, to, count, backward);
    size_t mark = reply_deferred(c);
    struct range_reply r = {.out = call_out(c), .limit = mark + READ_STEPS_FROM_BYTES};
    uint64_t some = p.left < READ_STEPS_FROM ? p.left : READ_STEPS_FROM;
    int rc = stream_each(v, from, to, some, backward, write_entry, &r);
    if (rc == OK && (r.n < some || some == p.left)) {
        reply_deferred_array(c, mark, r.n);
        return OK;
    }
    if (rc != OK && rc != ENOUGH) return rc;
    call_out(c)->n = mark;
    return in_steps(c, v, &p, 1, backward, false);
}
