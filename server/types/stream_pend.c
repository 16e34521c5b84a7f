/* stream_pend.c -- groups, consumers and pending entries made, changed and dropped.
 *
 * A pending entry has two rows, 'p' and 'q', and is counted in its group and its consumer. */
#include <assert.h>

#include "base/mem.h"
#include "types/stream_internal.h"

/* ---- asking ------------------------------------------------------------------------------- */

static int need(const struct value *v, slice key) { return btree_need_write(v->pager, v->obj, key); }

static int need_name(const struct value *v, uint8_t kind, const struct stream_group *g, slice name) {
    struct stream_key k;
    stream__key(&k, kind);
    if (g != NULL) stream__key_u64(&k, g->number);
    return need(v, stream__key_name(&k, name));
}

static int need_number(const struct value *v, const struct stream_group *g, uint64_t consumer) {
    struct stream_key k;
    stream__key(&k, 'n');
    stream__key_u64(&k, g->number);
    return need(v, stream__key_u64(&k, consumer));
}

static int need_own(const struct value *v, const struct stream_group *g, uint64_t consumer,
                    stream_id id) {
    struct stream_key k;
    stream__key(&k, 'q');
    stream__key_u64(&k, g->number);
    stream__key_u64(&k, consumer);
    return need(v, stream__key_id(&k, id));
}

/* A consumer by its number, and what a change of its row needs. */
static int need_consumer(const struct value *v, const struct stream_group *g, uint64_t number) {
    struct stream_consumer c;
    slice name;
    int rc = stream_consumer_name(v, g, number, &name);
    if (rc == OK) rc = stream_consumer_get(v, g, name, &c);
    return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

/* What is pending under `id`, if something is: both its rows and its consumer's, unless that was asked for
 * just before (*known, 0: none was). `to`: whose it becomes. */
static int need_pending(const struct value *v, const struct stream_group *g, stream_id id,
                        const struct stream_consumer *to, uint64_t *known) {
    struct stream_pending p;
    int rc = OK;
    if (to != NULL) rc = need_own(v, g, to->number, id);
    if (rc == OK) rc = stream_pending_get(v, g, id, &p);
    if (rc == ERR_NOTFOUND) return OK; /* The leaf where it belongs has been looked at. */
    if (rc == OK && (to == NULL || p.consumer != to->number)) rc = need_own(v, g, p.consumer, id);
    if (rc != OK || p.consumer == *known) return rc;
    rc = need_consumer(v, g, p.consumer);
    if (rc == OK) *known = p.consumer;
    return rc;
}

static int need_list(const struct value *v, const struct stream_group *g, slice list, size_t step,
                     const struct stream_consumer *to) {
    uint64_t known = 0;
    int cold = OK;
    for (size_t i = 0; i < list.n; i += step) {
        int rc = need_pending(v, g, stream_id_read(list.p + i), to, &known);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
    }
    return cold;
}

int stream__need_ack(const struct value *v, const struct stream_group *g, slice ids) {
    return need_list(v, g, ids, STREAM_ID_BYTES, NULL);
}

struct needing {
    const struct value *v;
    const struct stream_group *g;
    uint64_t known;
};

static int need_row(void *cookie, const struct stream_pending *p) {
    struct needing *n = cookie;
    return need_pending(n->v, n->g, p->id, NULL, &n->known);
}

/* All rows of one kind of a group, or of one consumer's (0: of all). */
struct rows {
    struct stream_key from, to;
};

static void rows_of(struct rows *r, uint8_t kind, const struct stream_group *g, uint64_t consumer) {
    stream__key(&r->from, kind);
    stream__key(&r->to, kind);
    if (consumer != 0) {
        stream__key_u64(&r->from, g->number);
        stream__key_u64(&r->to, g->number);
    }
    uint64_t number = consumer != 0 ? consumer : g->number;
    stream__key_u64(&r->from, number);
    stream__key_u64(&r->to, number + 1); /* Numbers are counted up from 1. */
}

static slice key_slice(const struct stream_key *k) { return slice_make(k->p, k->n); }

static int need_rows(const struct value *v, uint8_t kind, const struct stream_group *g, uint64_t consumer) {
    struct rows r;
    rows_of(&r, kind, g, consumer);
    return btree_need_range(v->pager, v->obj, key_slice(&r.from), key_slice(&r.to));
}

static const uint8_t group_kinds[] = {'c', 'n', 'p', 'q'};

static int need_all(const struct value *v, const struct stream_group *g, slice name) {
    int cold = OK;
    for (size_t i = 0; i < sizeof(group_kinds); i++) {
        int rc = need_rows(v, group_kinds[i], g, 0);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
    }
    return cold == OK ? need_name(v, 'g', NULL, name) : cold;
}

/* What a consumer has pending goes row by row, or, when it is much of what the group has, leaf by leaf. */
#define MUCH_OF 16
static bool has_much(const struct stream_group *g, const struct stream_consumer *c) {
    return c->pending > 64 && c->pending >= g->pending / MUCH_OF;
}

static int need_own_all(const struct value *v, const struct stream_group *g, const struct stream_consumer *c) {
    struct needing n = {.v = v, .g = g};
    struct rows r;
    if (!has_much(g, c)) return stream_pending_each(v, g, c, STREAM_ID_MIN, need_row, &n);
    rows_of(&r, 'p', g, 0);
    int rc = btree_need_those(v->pager, v->obj, key_slice(&r.from), key_slice(&r.to));
    return rc == OK ? need_rows(v, 'q', g, c->number) : rc;
}

int stream__need_group(const struct value *v, uint8_t op, const slice *a) {
    struct stream_group g;
    struct stream_consumer c;
    int rc = stream_group_get(v, a[0], &g);
    if (op == STREAM_GROUP_SET && rc == ERR_NOTFOUND) return need_name(v, 'g', NULL, a[0]);
    if (op == STREAM_GROUP_SET || rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    if (op == STREAM_GROUP_DROP) return need_all(v, &g, a[0]);
    if (op == STREAM_ACK) return stream__need_ack(v, &g, a[1]);
    rc = stream_consumer_get(v, &g, a[1], &c);
    if (op == STREAM_PEND && rc == ERR_NOTFOUND) {
        c = (struct stream_consumer){.number = g.next_consumer};
        rc = need_name(v, 'c', &g, a[1]);
        if (rc == OK) rc = need_number(v, &g, c.number);
    }
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    if (op == STREAM_PEND) return need_list(v, &g, a[4], STREAM_RECORD_BYTES, &c);
    assert(op == STREAM_CONSUMER_DROP);
    rc = need_number(v, &g, c.number);
    return rc == OK ? need_own_all(v, &g, &c) : rc;
}

/* ---- changing ----------------------------------------------------------------------------- */

static int del(struct value *v, slice key) {
    int rc = btree_del(v->pager, v->obj, key);
    return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

int stream__new_consumer(struct value *v, struct stream_group *g, slice name, uint64_t seen,
                         uint64_t active, struct stream_consumer *c) {
    struct stream_key k;
    *c = (struct stream_consumer){.number = g->next_consumer++, .seen = seen, .active = active};
    g->consumers++;
    stream__key(&k, 'n');
    stream__key_u64(&k, g->number);
    int rc = btree_put(v->pager, v->obj, stream__key_u64(&k, c->number), name);
    return rc == OK ? stream__put_consumer(v, g, name, c) : rc;
}

/* Pending entries that a consumer has no longer: its row is written once for those that come in a row. */
struct taken {
    uint64_t consumer, n;
};

static int take_now(struct value *v, const struct stream_group *g, struct taken *t) {
    struct stream_consumer c;
    uint8_t bytes[STREAM_NAME_MAX];
    slice name;
    if (t->n == 0) return OK;
    int rc = stream_consumer_name(v, g, t->consumer, &name);
    if (rc == OK) rc = stream_consumer_get(v, g, name, &c);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    if (c.number != t->consumer || c.pending < t->n) return ERR_CORRUPT;
    c.pending -= t->n;
    t->n = 0;
    if (name.n > 0) memcpy(bytes, name.p, name.n); /* The page that holds it may change. */
    return stream__put_consumer(v, g, slice_make(bytes, name.n), &c);
}

static int take_from_consumer(struct value *v, const struct stream_group *g, uint64_t consumer,
                              struct taken *t) {
    int rc = t->consumer == consumer ? OK : take_now(v, g, t);
    t->consumer = consumer;
    t->n++;
    return rc;
}

static int drop_own(struct value *v, const struct stream_group *g, const struct stream_pending *p) {
    struct stream_key k;
    stream__key(&k, 'q');
    stream__key_u64(&k, g->number);
    stream__key_u64(&k, p->consumer);
    return del(v, stream__key_id(&k, p->id));
}

static int drop_pending(struct value *v, struct stream_group *g, const struct stream_pending *p) {
    struct stream_key k;
    if (g->pending == 0) return ERR_CORRUPT;
    g->pending--;
    stream__key(&k, 'p');
    stream__key_u64(&k, g->number);
    int rc = del(v, stream__key_id(&k, p->id));
    return rc == OK ? drop_own(v, g, p) : rc;
}

int stream__ack(struct value *v, slice name, struct stream_group *g, slice ids) {
    uint64_t before = g->pending;
    struct taken taken = {0, 0};
    int rc = OK;
    for (size_t i = 0; i < ids.n && rc == OK; i += STREAM_ID_BYTES) {
        struct stream_pending p;
        rc = stream_pending_get(v, g, stream_id_read(ids.p + i), &p);
        if (rc == ERR_NOTFOUND) {
            rc = OK;
            continue;
        }
        if (rc == OK) rc = drop_pending(v, g, &p);
        if (rc == OK) rc = take_from_consumer(v, g, p.consumer, &taken);
    }
    if (rc == OK) rc = take_now(v, g, &taken);
    return rc == OK && g->pending != before ? stream__put_group(v, name, g) : rc;
}

static int pend_one(struct value *v, struct stream_group *g, struct stream_consumer *c,
                    const struct stream_pending *now, struct taken *taken) {
    struct stream_pending before;
    int rc = stream_pending_get(v, g, now->id, &before);
    bool fresh = rc == ERR_NOTFOUND;
    if (!fresh && rc != OK) return rc;
    rc = stream__put_pending(v, g, now);
    if (rc != OK || (!fresh && before.consumer == c->number)) return rc;
    if (fresh) {
        g->pending++;
    } else {
        rc = drop_own(v, g, &before);
        if (rc == OK) rc = take_from_consumer(v, g, before.consumer, taken);
    }
    c->pending++;
    return rc == OK ? stream__put_own(v, g, now) : rc;
}

static int pend(struct value *v, const slice *a, struct stream_group *g) {
    struct stream_consumer c;
    struct taken taken = {0, 0};
    uint64_t seen = get_u64(a[2].p), active = get_u64(a[2].p + 8);
    int rc = stream_consumer_get(v, g, a[1], &c);
    if (rc == ERR_NOTFOUND) rc = stream__new_consumer(v, g, a[1], seen, active, &c);
    c.seen = seen;
    c.active = active;
    for (size_t i = 0; i < a[4].n && rc == OK; i += STREAM_RECORD_BYTES) {
        const uint8_t *p = a[4].p + i;
        struct stream_pending now = {stream_id_read(p), c.number, get_u64(p + STREAM_ID_BYTES),
                                     get_u64(p + STREAM_ID_BYTES + 8)};
        rc = pend_one(v, g, &c, &now, &taken);
    }
    if (rc == OK) rc = take_now(v, g, &taken);
    if (rc == OK && a[3].n > 0) {
        g->last = stream_id_read(a[3].p);
        g->read = (int64_t)get_u64(a[3].p + STREAM_ID_BYTES);
    }
    if (rc == OK) rc = stream__put_consumer(v, g, a[1], &c);
    return rc == OK ? stream__put_group(v, a[0], g) : rc;
}

/* The keys that begin with a prefix, each behind its u16 length: looked up before the first of their
 * rows goes, since what is beside it may be cold. */
struct gathering {
    slice prefix;
    buf *keys;
};

static int gather(void *cookie, slice key, slice val) {
    struct gathering *g = cookie;
    (void)val;
    if (!stream__has_prefix(key, g->prefix)) return 1;
    assert(key.n <= BTREE_KEY_MAX);
    buf_u16(g->keys, (uint16_t)key.n);
    buf_append_slice(g->keys, key);
    return 0;
}

static int gather_keys(const struct value *v, slice prefix, buf *keys) {
    struct gathering g = {prefix, keys};
    int rc = btree_scan(v->pager, v->obj, prefix, gather, &g);
    return rc == 1 ? OK : rc;
}

static slice next_key(reader *r) {
    uint16_t n = read_u16(r);
    return read_raw(r, n);
}

static int del_rows(struct value *v, uint8_t kind, const struct stream_group *g, uint64_t consumer,
                    uint64_t count) {
    struct rows r;
    rows_of(&r, kind, g, consumer);
    return btree_del_range(v->pager, v->obj, key_slice(&r.from), key_slice(&r.to), count);
}

static int drop_group(struct value *v, slice name, const struct stream_group *g) {
    struct stream_key k;
    int rc = OK;
    for (size_t i = 0; i < sizeof(group_kinds) && rc == OK; i++) {
        bool pending = group_kinds[i] == 'p' || group_kinds[i] == 'q';
        rc = del_rows(v, group_kinds[i], g, 0, pending ? g->pending : g->consumers);
    }
    if (rc != OK) return rc;
    uint64_t groups = stream__meta_u64(v, SM_GROUPS);
    if (groups == 0) return ERR_CORRUPT;
    stream__meta_set(v, SM_GROUPS, groups - 1);
    stream__key(&k, 'g');
    return del(v, stream__key_name(&k, name));
}

static bool is_of(void *cookie, slice key, slice val) {
    const struct stream_consumer *c = cookie;
    (void)key;
    return val.n >= 8 && get_u64(val.p) == c->number; /* As stream__put_pending() writes it. */
}

static int drop_much(struct value *v, struct stream_group *g, struct stream_consumer *c) {
    struct rows r;
    uint64_t gone;
    rows_of(&r, 'p', g, 0);
    int rc = btree_del_those(v->pager, v->obj, key_slice(&r.from), key_slice(&r.to), is_of, c, &gone);
    if (rc != OK) return rc;
    if (gone != c->pending || gone > g->pending) return ERR_CORRUPT;
    g->pending -= gone;
    return del_rows(v, 'q', g, c->number, gone);
}

static int drop_own_all(struct value *v, struct stream_group *g, struct stream_consumer *c) {
    if (has_much(g, c)) return drop_much(v, g, c);
    struct stream_key own;
    buf keys = BUF_INIT;
    stream__key(&own, 'q');
    stream__key_u64(&own, g->number);
    slice prefix = stream__key_u64(&own, c->number);
    int rc = gather_keys(v, prefix, &keys);
    reader r = reader_make(slice_of(&keys));
    while (rc == OK && reader_left(&r) > 0) {
        slice key = next_key(&r);
        if (key.n != prefix.n + STREAM_ID_BYTES) {
            rc = ERR_CORRUPT;
            break;
        }
        struct stream_pending p = {.consumer = c->number, .id = stream_id_read(key.p + prefix.n)};
        rc = drop_pending(v, g, &p);
    }
    buf_free(&keys);
    return rc;
}

static int drop_consumer(struct value *v, const slice *a, struct stream_group *g,
                         struct stream_consumer *c) {
    struct stream_key k;
    int rc = drop_own_all(v, g, c);
    if (rc != OK) return rc;
    if (g->consumers == 0) return ERR_CORRUPT;
    g->consumers--;
    stream__key(&k, 'n');
    stream__key_u64(&k, g->number);
    rc = del(v, stream__key_u64(&k, c->number));
    if (rc != OK) return rc;
    stream__key(&k, 'c');
    stream__key_u64(&k, g->number);
    rc = del(v, stream__key_name(&k, a[1]));
    return rc == OK ? stream__put_group(v, a[0], g) : rc;
}

static int set_group(struct value *v, const slice *a) {
    struct stream_group g;
    int rc = stream_group_get(v, a[0], &g);
    if (rc == ERR_NOTFOUND) {
        uint64_t number = stream__meta_u64(v, SM_NEXT_GROUP);
        stream__meta_set(v, SM_NEXT_GROUP, number + 1);
        stream__meta_set(v, SM_GROUPS, stream__meta_u64(v, SM_GROUPS) + 1);
        g = (struct stream_group){.number = number, .next_consumer = 1};
    } else if (rc != OK) {
        return rc;
    }
    g.last = stream_id_read(a[1].p);
    g.read = (int64_t)get_u64(a[2].p);
    return stream__put_group(v, a[0], &g);
}

int stream__apply_group(struct value *v, uint8_t op, const slice *a) {
    struct stream_group g;
    struct stream_consumer c;
    if (op == STREAM_GROUP_SET) return set_group(v, a);
    int rc = stream_group_get(v, a[0], &g);
    if (rc != OK) return rc;
    if (op == STREAM_GROUP_DROP) return drop_group(v, a[0], &g);
    if (op == STREAM_ACK) return stream__ack(v, a[0], &g, a[1]);
    if (op == STREAM_PEND) return pend(v, a, &g);
    assert(op == STREAM_CONSUMER_DROP);
    rc = stream_consumer_get(v, &g, a[1], &c);
    return rc == OK ? drop_consumer(v, a, &g, &c) : rc;
}
