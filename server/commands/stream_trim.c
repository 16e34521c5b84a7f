/* stream_trim.c -- what a stream loses at its head: the options of XADD and XTRIM, and their plan.
 *
 * A plan is made block by block, as Redis trims: with "~" blocks go as a whole or not at all. Its
 * result is an id, so that the effect means the same however blocks are cut. With ACKED, entries that
 * a group still needs stay where they are, and those behind them are named one by one; nothing is
 * looked at behind the last entry that every group has read. */
#include "commands/stream_trim.h"

bool trim_option(call *c, size_t *i, struct trim *t, bool *taken) {
    if (!stream_refs_option(c, *i, &t->refs, taken)) return false;
    if (*taken) return true;
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

struct planning {
    const struct value *v;
    const struct trim *t;
    struct trim_plan *p;
    uint64_t length;  /* of what would be left */
    bool acked;       /* entries are looked at, each */
    stream_id least;  /* the last one that all groups have read */
    uint64_t seen;    /* entries of blocks that were looked into */
    bool kept, cold;  /* some entry stays; something has to be fetched, and counts as if it went */
};

static bool beyond(const struct planning *a, stream_id id) {
    if (a->acked && stream_id_cmp(id, a->least) > 0) return true;
    if (a->t->by == TRIM_MAXLEN) return a->length <= (uint64_t)a->t->maxlen;
    return stream_id_cmp(id, a->t->minid) >= 0;
}

static int take_entry(struct planning *a, stream_id id) {
    uint8_t raw[STREAM_ID_BYTES];
    bool needed = false;
    int rc = a->acked ? stream_pending_any(a->v, id, 0, &needed) : OK;
    if (rc == ERR_COLD) a->cold = true;
    else if (rc != OK) return rc;
    if (needed) {
        a->kept = true;
        return OK;
    }
    a->length--;
    a->p->gone++;
    if (a->kept) {
        stream_id_put(raw, id);
        buf_append(&a->p->ids, raw, sizeof(raw));
    } else {
        a->p->to = id;
        a->p->head = true;
    }
    return OK;
}

/* The entries of a block up to where the cut is. */
static int take_entries(struct planning *a, const struct stream_block_at *b) {
    struct stream_cursor cursor;
    struct stream_entry e;
    slice lp;
    int rc = stream_block_read(a->v, b, &lp);
    if (rc == OK) rc = stream_block_open(lp, b->id, &cursor);
    while (rc == OK && (rc = stream_block_next(&cursor, &e)) == OK) {
        if (e.deleted) continue;
        if (beyond(a, e.id)) break;
        rc = take_entry(a, e.id);
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* A block at the head, up to where the cut is. *more: it may go on behind it. */
static int take_block(struct planning *a, const struct stream_block_at *b, stream_id last, bool *more) {
    bool whole;
    int rc = OK;
    if (a->t->by == TRIM_MAXLEN) whole = a->length - b->live >= (uint64_t)a->t->maxlen;
    else rc = below(a->v, a->t, b, last, &whole);
    *more = rc == OK && (whole || (a->acked && !a->t->approx));
    if (rc != OK || (!whole && a->t->approx)) return rc;
    a->seen += b->live;
    if (whole && !a->acked) {
        a->length -= b->live;
        a->p->gone += b->live;
        a->p->to = last;
        a->p->head = true;
        return OK;
    }
    rc = take_entries(a, b);
    if (rc != ERR_COLD || !a->acked) return rc;
    a->cold = true;
    a->length -= b->live < a->length ? b->live : a->length;
    return OK;
}

static int take_blocks(struct planning *a) {
    uint64_t limit = limit_of(a->v, a->t);
    struct stream_block_at b, next;
    int rc = stream_block_from(a->v, STREAM_ID_MIN, &b);
    for (; rc == OK; b = next) {
        stream_id last, id = b.id;
        bool more, end = !stream_id_up(&id);
        if (beyond(a, b.id) || (limit != 0 && a->seen + b.live > limit)) return OK;
        if (!end) rc = stream_block_from(a->v, id, &next);
        if (rc == ERR_NOTFOUND) end = true;
        else if (rc != OK) return rc;
        last = end ? stream_head(a->v).last : next.id;
        if (!end) (void)stream_id_down(&last); /* It is above b.id. */
        rc = take_block(a, &b, last, &more);
        if (rc != OK || !more || end) return rc;
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* What groups have pending of that, also of entries in between that were deleted before. When all goes,
 * so does what lies behind the last one: an entry of XADD may come to be there. */
static int plan_unrefs(const struct value *v, struct trim_plan *p) {
    stream_id from, to = p->gone == stream_head(v).length ? STREAM_ID_MAX : p->to;
    int rc = stream_first(v, &from);
    if (rc == OK) rc = stream_pending_ids(v, from, to, &p->unrefs);
    stream_sort_ids(&p->unrefs);
    return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

int trim_plan(const struct value *v, const struct trim *t, struct trim_plan *p) {
    struct stream_head h = stream_head(v);
    struct planning a = {.v = v, .t = t, .p = p, .length = h.length};
    *p = (struct trim_plan){.gone = 0};
    if (t->by == TRIM_NONE) return OK;
    a.acked = t->refs == REFS_ACKED && h.groups > 0;
    int rc = a.acked ? stream_groups_least(v, &a.least) : OK;
    if (rc == OK) rc = take_blocks(&a);
    if (rc == OK && a.cold) rc = ERR_COLD;
    if (rc == OK && p->gone > 0 && t->refs == REFS_DROP && h.groups > 0) rc = plan_unrefs(v, p);
    return rc;
}

void trim_plan_free(struct trim_plan *p) {
    buf_free(&p->ids);
    buf_free(&p->unrefs);
}

int trim_need(const struct value *v, const struct trim_plan *p) {
    uint8_t raw[STREAM_ID_BYTES];
    stream_id_put(raw, p->to);
    slice to = slice_make(raw, sizeof(raw)), ids = slice_of(&p->ids), unrefs = slice_of(&p->unrefs);
    int rc = unrefs.n > 0 ? stream_need(v, STREAM_UNREF, &unrefs, 1) : OK;
    if (rc == OK && p->head) rc = stream_need(v, STREAM_TRIM, &to, 1);
    if (rc == OK && ids.n > 0) rc = stream_need(v, STREAM_DELETE, &ids, 1);
    return rc;
}

int trim_apply(call *c, slice key, const struct trim_plan *p) {
    uint8_t raw[STREAM_ID_BYTES];
    stream_id_put(raw, p->to);
    slice to = slice_make(raw, sizeof(raw)), ids = slice_of(&p->ids), unrefs = slice_of(&p->unrefs);
    int rc = unrefs.n > 0 ? call_value(c, TYPE_STREAM, STREAM_UNREF, key, &unrefs, 1) : OK;
    if (rc == OK && p->head) rc = call_value(c, TYPE_STREAM, STREAM_TRIM, key, &to, 1);
    if (rc == OK && ids.n > 0) rc = call_value(c, TYPE_STREAM, STREAM_DELETE, key, &ids, 1);
    if (rc == OK && p->gone > 0) call_notify(c, 't', "xtrim", key);
    return rc;
}
