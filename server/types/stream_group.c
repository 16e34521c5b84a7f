/* stream_group.c -- groups of consumers, and what is pending for them: reading. */
#include <assert.h>

#include "types/stream_internal.h"

#define GROUP_BYTES 56    /* number, last id, entries read, pending, consumers, next consumer */
#define CONSUMER_BYTES 32 /* number, seen, active, pending */
#define PENDING_BYTES 24  /* consumer, time, deliveries */
#define STOP 1

/* ---- rows --------------------------------------------------------------------------------- */

static bool read_group(slice val, struct stream_group *g) {
    if (val.n != GROUP_BYTES) return false;
    g->number = get_u64(val.p);
    g->last = stream_id_read(val.p + 8);
    g->read = (int64_t)get_u64(val.p + 24);
    g->pending = get_u64(val.p + 32);
    g->consumers = get_u64(val.p + 40);
    g->next_consumer = get_u64(val.p + 48);
    return g->pending <= VALUE_COUNT_MAX && g->consumers <= VALUE_COUNT_MAX;
}

int stream__put_group(struct value *v, slice name, const struct stream_group *g) {
    struct stream_key k;
    uint8_t val[GROUP_BYTES];
    put_u64(val, g->number);
    stream_id_put(val + 8, g->last);
    put_u64(val + 24, (uint64_t)g->read);
    put_u64(val + 32, g->pending);
    put_u64(val + 40, g->consumers);
    put_u64(val + 48, g->next_consumer);
    stream__key(&k, 'g');
    return btree_put(v->pager, v->obj, stream__key_name(&k, name), slice_make(val, sizeof(val)));
}

static bool read_consumer(slice val, struct stream_consumer *c) {
    if (val.n != CONSUMER_BYTES) return false;
    c->number = get_u64(val.p);
    c->seen = get_u64(val.p + 8);
    c->active = get_u64(val.p + 16);
    c->pending = get_u64(val.p + 24);
    return c->pending <= VALUE_COUNT_MAX;
}

int stream__put_consumer(struct value *v, const struct stream_group *g, slice name,
                         const struct stream_consumer *c) {
    struct stream_key k;
    uint8_t val[CONSUMER_BYTES];
    put_u64(val, c->number);
    put_u64(val + 8, c->seen);
    put_u64(val + 16, c->active);
    put_u64(val + 24, c->pending);
    stream__key(&k, 'c');
    stream__key_u64(&k, g->number);
    return btree_put(v->pager, v->obj, stream__key_name(&k, name), slice_make(val, sizeof(val)));
}

static bool read_pending(slice val, struct stream_pending *p) {
    if (val.n != PENDING_BYTES) return false;
    p->consumer = get_u64(val.p);
    p->time = get_u64(val.p + 8);
    p->count = get_u64(val.p + 16);
    return true;
}

int stream__put_pending(struct value *v, const struct stream_group *g,
                        const struct stream_pending *p) {
    struct stream_key k;
    uint8_t val[PENDING_BYTES];
    put_u64(val, p->consumer);
    put_u64(val + 8, p->time);
    put_u64(val + 16, p->count);
    stream__key(&k, 'p');
    stream__key_u64(&k, g->number);
    return btree_put(v->pager, v->obj, stream__key_id(&k, p->id), slice_make(val, sizeof(val)));
}

int stream__put_own(struct value *v, const struct stream_group *g, const struct stream_pending *p) {
    struct stream_key k;
    stream__key(&k, 'q');
    stream__key_u64(&k, g->number);
    stream__key_u64(&k, p->consumer);
    return btree_put(v->pager, v->obj, stream__key_id(&k, p->id), slice_make(NULL, 0));
}

/* ---- one ---------------------------------------------------------------------------------- */

int stream_group_get(const struct value *v, slice name, struct stream_group *g) {
    struct stream_key k;
    slice val;
    if (v->kind != VALUE_OBJECT || name.n > STREAM_NAME_MAX) return ERR_NOTFOUND;
    stream__key(&k, 'g');
    int rc = btree_get(v->pager, v->obj, stream__key_name(&k, name), &val);
    return rc == OK && !read_group(val, g) ? ERR_CORRUPT : rc;
}

int stream_consumer_get(const struct value *v, const struct stream_group *g, slice name,
                        struct stream_consumer *c) {
    struct stream_key k;
    slice val;
    if (name.n > STREAM_NAME_MAX) return ERR_NOTFOUND;
    stream__key(&k, 'c');
    stream__key_u64(&k, g->number);
    int rc = btree_get(v->pager, v->obj, stream__key_name(&k, name), &val);
    return rc == OK && !read_consumer(val, c) ? ERR_CORRUPT : rc;
}

int stream_consumer_name(const struct value *v, const struct stream_group *g, uint64_t number,
                         slice *name) {
    struct stream_key k;
    stream__key(&k, 'n');
    stream__key_u64(&k, g->number);
    int rc = btree_get(v->pager, v->obj, stream__key_u64(&k, number), name);
    if (rc == ERR_NOTFOUND || (rc == OK && name->n > STREAM_NAME_MAX)) return ERR_CORRUPT;
    return rc;
}

int stream_pending_get(const struct value *v, const struct stream_group *g, stream_id id,
                       struct stream_pending *p) {
    struct stream_key k;
    slice val;
    stream__key(&k, 'p');
    stream__key_u64(&k, g->number);
    int rc = btree_get(v->pager, v->obj, stream__key_id(&k, id), &val);
    p->id = id;
    return rc == OK && !read_pending(val, p) ? ERR_CORRUPT : rc;
}

int stream_pending_last(const struct value *v, const struct stream_group *g, stream_id *id) {
    struct stream_key k;
    slice key, val;
    stream__key(&k, 'p');
    slice prefix = stream__key_u64(&k, g->number);
    slice most = stream__key_id(&k, STREAM_ID_MAX);
    int rc = btree_floor(v->pager, v->obj, most, &key, &val);
    if (rc != OK) return rc;
    if (!stream__has_prefix(key, prefix)) return ERR_NOTFOUND;
    if (key.n != most.n) return ERR_CORRUPT;
    *id = stream_id_read(key.p + prefix.n);
    return OK;
}

/* ---- all ---------------------------------------------------------------------------------- */

struct walk {
    slice prefix; /* what the keys begin with, and end */
    const struct value *v;
    const struct stream_group *g;
    uint64_t consumer;
    stream_group_fn *group;
    stream_consumer_fn *one;
    stream_pending_fn *pending;
    void *cookie;
    int rc; /* what the caller's function said */
};

static int walk(struct walk *w, slice from, btree_each *each) {
    w->rc = OK;
    int rc = btree_scan(w->v->pager, w->v->obj, from, each, w);
    return w->rc != OK ? w->rc : rc == STOP ? OK : rc;
}

static int tell(struct walk *w, int rc) {
    w->rc = rc;
    return rc == OK ? 0 : STOP;
}

static int see_group(void *cookie, slice key, slice val) {
    struct walk *w = cookie;
    struct stream_group g;
    if (!stream__has_prefix(key, w->prefix)) return STOP;
    if (!read_group(val, &g) || key.n > 1 + STREAM_NAME_MAX) return tell(w, ERR_CORRUPT);
    return tell(w, w->group(w->cookie, slice_make(key.p + 1, key.n - 1), &g));
}

int stream_groups_each(const struct value *v, stream_group_fn *each, void *cookie) {
    struct stream_key k;
    if (v->kind != VALUE_OBJECT) return OK;
    struct walk w = {.prefix = stream__key(&k, 'g'), .v = v, .group = each, .cookie = cookie};
    return walk(&w, w.prefix, see_group);
}

static int see_consumer(void *cookie, slice key, slice val) {
    struct walk *w = cookie;
    struct stream_consumer c;
    if (!stream__has_prefix(key, w->prefix)) return STOP;
    slice name = slice_make(key.p + w->prefix.n, key.n - w->prefix.n);
    if (!read_consumer(val, &c) || name.n > STREAM_NAME_MAX) return tell(w, ERR_CORRUPT);
    return tell(w, w->one(w->cookie, name, &c));
}

int stream_consumers_each(const struct value *v, const struct stream_group *g,
                          stream_consumer_fn *each, void *cookie) {
    struct stream_key k;
    stream__key(&k, 'c');
    struct walk w = {.prefix = stream__key_u64(&k, g->number), .v = v, .one = each, .cookie = cookie};
    return walk(&w, w.prefix, see_consumer);
}

static int see_pending(void *cookie, slice key, slice val) {
    struct walk *w = cookie;
    struct stream_pending p;
    if (!stream__has_prefix(key, w->prefix)) return STOP;
    if (key.n != w->prefix.n + STREAM_ID_BYTES) return tell(w, ERR_CORRUPT);
    p.id = stream_id_read(key.p + w->prefix.n);
    if (w->prefix.p[0] == 'p') return tell(w, read_pending(val, &p) ? w->pending(w->cookie, &p) : ERR_CORRUPT);
    int rc = stream_pending_get(w->v, w->g, p.id, &p);
    if (rc == ERR_NOTFOUND || (rc == OK && p.consumer != w->consumer)) rc = ERR_CORRUPT;
    return tell(w, rc == OK ? w->pending(w->cookie, &p) : rc);
}

int stream_pending_each(const struct value *v, const struct stream_group *g,
                        const struct stream_consumer *of, stream_id from, stream_pending_fn *each,
                        void *cookie) {
    struct stream_key k;
    stream__key(&k, of == NULL ? 'p' : 'q');
    slice prefix = stream__key_u64(&k, g->number);
    if (of != NULL) prefix = stream__key_u64(&k, of->number);
    struct walk w = {.prefix = prefix, .v = v, .g = g, .consumer = of == NULL ? 0 : of->number,
                     .pending = each, .cookie = cookie};
    return walk(&w, stream__key_id(&k, from), see_pending);
}
