/* stream_trim.c -- what a stream loses at its head: the options of XADD and XTRIM, and their plan.
 *
 * A plan is made block by block, as Redis trims: with "~" blocks go as a whole or not at all. Its
 * result is an id, so that the effect means the same however blocks are cut. */
#include "commands/stream_trim.h"

bool trim_option(call *c, size_t *i, struct trim *t, bool *taken) {
    slice word = call_arg(c, *i);
    bool more = *i + 1 < call_argc(c), len = slice_is(word, "maxlen");
    *taken = more && (len || slice_is(word, "minid") || slice_is(word, "limit"));
    if (!*taken) return true;
    if (slice_is(word, "limit")) {
        t->limited = true;
        ++*i;
        if (!call_int(c, *i, &t->limit)) return false;
        if (t->limit >= 0) return true;
        reply_error(c, "ERR The LIMIT argument must be >= 0.");
        return false;
    }
    if (t->by != TRIM_NONE) {
        reply_error(c, "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
        return false;
    }
    bool sign = *i + 2 < call_argc(c);
    t->approx = sign && slice_eq(call_arg(c, *i + 1), SLICE("~"));
    if (t->approx || (sign && slice_eq(call_arg(c, *i + 1), SLICE("=")))) ++*i;
    ++*i;
    t->by = len ? TRIM_MAXLEN : TRIM_MINID;
    if (!len) return stream_parse_id(c, call_arg(c, *i), 0, &t->minid);
    if (!call_int(c, *i, &t->maxlen)) return false;
    if (t->maxlen >= 0) return true;
    reply_error(c, "ERR The MAXLEN argument must be >= 0.");
    return false;
}

bool trim_options_end(call *c, struct trim *t, bool required) {
    const char *why = NULL;
    if (t->limit != 0 && t->by == TRIM_NONE)
        why = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
    else if (required && t->by == TRIM_NONE)
        why = "ERR syntax error, XTRIM must be called with a trimming strategy";
    else if (t->limited && !t->approx)
        why = "ERR syntax error, LIMIT cannot be used without the special ~ option";
    if (why != NULL) {
        reply_error(c, why);
        return false;
    }
    if (!t->limited && t->approx) t->limit = TRIM_LIMIT_DEFAULT;
    return true;
}

/* Without LIMIT, "~" takes no more than a hundred blocks away. */
static uint64_t limit_of(const struct value *v, const struct trim *t) {
    if (t->limit != TRIM_LIMIT_DEFAULT) return (uint64_t)t->limit;
    int64_t entries = v->config->stream_node_max_entries;
    if (entries <= 0) return 10000;
    return entries > 10000 ? 1000000 : (uint64_t)entries * 100;
}

/* Is all of a block below the least id? last: its last entry's id, or one before the next block's. */
static int below(const struct value *v, const struct trim *t, const struct stream_block_at *b,
                 stream_id last, bool *whole) {
    struct stream_cursor cursor;
    struct stream_entry e;
    slice lp;
    *whole = stream_id_cmp(last, t->minid) < 0;
    if (*whole || t->by != TRIM_MINID || stream_id_cmp(b->id, t->minid) >= 0) return OK;
    int rc = stream_block_read(v, b, &lp);
    if (rc == OK) rc = stream_block_open(lp, b->id, &cursor);
    cursor.at = 0;
    if (rc == OK) rc = stream_block_prev(&cursor, &e);
    if (rc == OK) *whole = stream_id_cmp(e.id, t->minid) < 0;
    return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

/* Where in its block the exact cut is. */
static int cut_block(const struct value *v, const struct trim *t, const struct stream_block_at *b,
                     uint64_t length, struct trim_plan *p) {
    struct stream_cursor cursor;
    struct stream_entry e;
    slice lp;
    int rc = stream_block_read(v, b, &lp);
    if (rc == OK) rc = stream_block_open(lp, b->id, &cursor);
    while (rc == OK && (rc = stream_block_next(&cursor, &e)) == OK) {
        if (t->by == TRIM_MAXLEN ? length <= (uint64_t)t->maxlen : stream_id_cmp(e.id, t->minid) >= 0) break;
        if (e.deleted) continue;
        length--;
        p->gone++;
        p->to = e.id;
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

int trim_plan(const struct value *v, const struct trim *t, struct trim_plan *p) {
    uint64_t length = stream_head(v).length, limit = limit_of(v, t);
    struct stream_block_at b, next;
    *p = (struct trim_plan){.gone = 0};
    int rc = t->by == TRIM_NONE ? ERR_NOTFOUND : stream_block_from(v, STREAM_ID_MIN, &b);
    for (; rc == OK; b = next) {
        stream_id last, id = b.id;
        bool whole, end = !stream_id_up(&id);
        if (t->by == TRIM_MAXLEN && length <= (uint64_t)t->maxlen) break;
        if (limit != 0 && p->gone + b.live > limit) break;
        if (!end) rc = stream_block_from(v, id, &next);
        if (rc == ERR_NOTFOUND) end = true;
        else if (rc != OK) return rc;
        last = end ? stream_head(v).last : next.id;
        if (!end) (void)stream_id_down(&last); /* It is above b.id. */
        rc = OK;
        if (t->by == TRIM_MAXLEN) whole = length - b.live >= (uint64_t)t->maxlen;
        else rc = below(v, t, &b, last, &whole);
        if (rc != OK) return rc;
        if (!whole) return t->approx ? OK : cut_block(v, t, &b, length, p);
        length -= b.live;
        p->gone += b.live;
        p->to = last;
        if (end) break;
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

int trim_need(const struct value *v, const struct trim_plan *p) {
    uint8_t raw[STREAM_ID_BYTES];
    stream_id_put(raw, p->to);
    slice arg = slice_make(raw, sizeof(raw));
    return p->gone == 0 ? OK : stream_need(v, STREAM_TRIM, &arg, 1);
}

int trim_apply(call *c, slice key, const struct trim_plan *p) {
    uint8_t raw[STREAM_ID_BYTES];
    stream_id_put(raw, p->to);
    slice arg = slice_make(raw, sizeof(raw));
    if (p->gone == 0) return OK;
    int rc = call_value(c, TYPE_STREAM, STREAM_TRIM, key, &arg, 1);
    if (rc == OK) call_notify(c, 't', "xtrim", key);
    return rc;
}
