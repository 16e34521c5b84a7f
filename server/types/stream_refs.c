/* stream_refs.c -- what groups still have to do with an entry: who has not come to it, and who has it
 * pending. Before an entry is deleted that may be asked, and references may be dropped in all groups. */
#include "types/stream_internal.h"

/* ---- asking ------------------------------------------------------------------------------- */

static int see_last(void *cookie, slice name, const struct stream_group *g) {
    stream_id *least = cookie;
    (void)name;
    if (stream_id_cmp(g->last, *least) < 0) *least = g->last;
    return OK;
}

int stream_groups_least(const struct value *v, stream_id *least) {
    *least = STREAM_ID_MAX;
    return stream_groups_each(v, see_last, least);
}

#define FOUND 1
struct asking {
    const struct value *v;
    stream_id id;
    uint64_t except;
};

static int see_pending(void *cookie, slice name, const struct stream_group *g) {
    struct asking *a = cookie;
    struct stream_pending p;
    (void)name;
    if (g->pending == 0 || g->number == a->except) return OK;
    int rc = stream_pending_get(a->v, g, a->id, &p);
    return rc == OK ? FOUND : rc == ERR_NOTFOUND ? OK : rc;
}

int stream_pending_any(const struct value *v, stream_id id, uint64_t except, bool *any) {
    struct asking a = {v, id, except};
    int rc = stream_groups_each(v, see_pending, &a);
    *any = rc == FOUND;
    return rc == FOUND ? OK : rc;
}

struct range {
    const struct value *v;
    stream_id from, to;
    buf *ids;
};

static int add_id(void *cookie, const struct stream_pending *p) {
    struct range *r = cookie;
    uint8_t raw[STREAM_ID_BYTES];
    if (stream_id_cmp(p->id, r->to) > 0) return FOUND;
    stream_id_put(raw, p->id);
    buf_append(r->ids, raw, sizeof(raw));
    return OK;
}

static int add_ids(void *cookie, slice name, const struct stream_group *g) {
    struct range *r = cookie;
    (void)name;
    if (g->pending == 0) return OK;
    int rc = stream_pending_each(r->v, g, NULL, r->from, add_id, r);
    return rc == FOUND ? OK : rc;
}

int stream_pending_ids(const struct value *v, stream_id from, stream_id to, buf *ids) {
    struct range r = {v, from, to, ids};
    return stream_groups_each(v, add_ids, &r);
}

/* ---- dropping references ------------------------------------------------------------------ */

struct needing {
    const struct value *v;
    slice ids;
    int cold;
};

static int need_group(void *cookie, slice name, const struct stream_group *g) {
    struct needing *n = cookie;
    (void)name;
    if (g->pending == 0) return OK;
    int rc = stream__need_ack(n->v, g, n->ids);
    if (rc != ERR_COLD) return rc;
    n->cold = rc;
    return OK;
}

int stream__need_unref(const struct value *v, slice ids) {
    struct needing n = {v, ids, OK};
    int rc = stream_groups_each(v, need_group, &n);
    return rc == OK ? n.cold : rc;
}

static int note_name(void *cookie, slice name, const struct stream_group *g) {
    buf *names = cookie;
    if (g->pending == 0) return OK;
    buf_u16(names, (uint16_t)name.n);
    buf_append_slice(names, name);
    return OK;
}

int stream__unref(struct value *v, slice ids) {
    buf names = BUF_INIT; /* Noted first: the rows change. */
    int rc = stream_groups_each(v, note_name, &names);
    reader r = reader_make(slice_of(&names));
    while (rc == OK && reader_left(&r) > 0) {
        uint16_t n = read_u16(&r);
        slice name = read_raw(&r, n);
        struct stream_group g;
        rc = stream_group_get(v, name, &g);
        if (rc == OK) rc = stream__ack(v, name, &g, ids);
    }
    buf_free(&names);
    return rc;
}
