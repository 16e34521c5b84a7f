/* stream_rdb.c -- streams as RDB payloads.
 *
 * A block of a payload that passes every check stays a block; one that is larger than a page is added
 * entry by entry. What is written is type 19, as Redis 7.0 does; 15 (5.0) knows less, 21 (7.2) more. */
#include <assert.h>

#include "types/rdb.h"
#include "types/stream_internal.h"

#define TIME_BYTES 8

const uint8_t stream_rdb_types[] = {RDB_STREAM_LISTPACKS, RDB_STREAM_LISTPACKS_2,
                                    RDB_STREAM_LISTPACKS_3, RDB_END};

/* ---- dump --------------------------------------------------------------------------------- */

static void write_id(buf *out, stream_id id) {
    rdb_write_len(out, id.ms);
    rdb_write_len(out, id.seq);
}

static void write_raw_id(buf *out, stream_id id) {
    uint8_t raw[STREAM_ID_BYTES];
    stream_id_put(raw, id);
    buf_append(out, raw, sizeof(raw));
}

/* The blocks; out NULL: asks for them. */
static int dump_blocks(const struct value *v, buf *out) {
    struct stream_block_at b;
    stream_id id = STREAM_ID_MIN;
    uint64_t n = 0;
    int cold = OK, rc;
    while ((rc = stream_block_from(v, id, &b)) == OK) {
        uint8_t raw[STREAM_ID_BYTES];
        slice lp;
        rc = stream_block_read(v, &b, &lp);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
        stream_id_put(raw, b.id);
        if (rc == OK && out != NULL) {
            rdb_write_raw_string(out, slice_make(raw, sizeof(raw)));
            rdb_write_string(out, lp);
        }
        n++;
        id = b.id;
        if (!stream_id_up(&id)) break;
    }
    if (rc < 0 && rc != ERR_NOTFOUND && rc != ERR_COLD) return rc;
    if (rc == ERR_COLD || cold != OK) return ERR_COLD;
    return n == stream_head(v).blocks ? OK : ERR_CORRUPT;
}

struct dumping {
    const struct value *v;
    const struct stream_group *g;
    buf *out;
    bool ids_only;
    uint64_t n;
};

static int dump_pending(void *cookie, const struct stream_pending *p) {
    struct dumping *d = cookie;
    write_raw_id(d->out, p->id);
    d->n++;
    if (d->ids_only) return OK;
    buf_u64(d->out, p->time);
    rdb_write_len(d->out, p->count);
    return OK;
}

static int dump_pendings(struct dumping *d, const struct stream_consumer *of, uint64_t count) {
    rdb_write_len(d->out, count);
    d->n = 0;
    d->ids_only = of != NULL;
    int rc = stream_pending_each(d->v, d->g, of, STREAM_ID_MIN, dump_pending, d);
    return rc == OK && d->n != count ? ERR_CORRUPT : rc;
}

static int dump_consumer(void *cookie, slice name, const struct stream_consumer *c) {
    struct dumping *d = cookie;
    rdb_write_string(d->out, name);
    buf_u64(d->out, c->seen);
    return dump_pendings(d, c, c->pending);
}

static int dump_group(void *cookie, slice name, const struct stream_group *g) {
    struct dumping d = *(struct dumping *)cookie;
    d.g = g;
    rdb_write_string(d.out, name);
    write_id(d.out, g->last);
    rdb_write_len(d.out, (uint64_t)g->read);
    int rc = dump_pendings(&d, NULL, g->pending);
    if (rc != OK) return rc;
    rdb_write_len(d.out, g->consumers);
    return stream_consumers_each(d.v, g, dump_consumer, &d);
}

static int dump_all(const struct value *v, buf *out) {
    struct stream_head h = stream_head(v);
    struct dumping d = {.v = v, .out = out};
    stream_id first = STREAM_ID_MIN;
    int rc = dump_blocks(v, NULL);
    if (rc == OK && h.length > 0) rc = stream_first(v, &first);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    buf_u8(out, RDB_STREAM_LISTPACKS_2);
    rdb_write_len(out, h.blocks);
    rc = dump_blocks(v, out);
    if (rc != OK) return rc;
    rdb_write_len(out, h.length);
    write_id(out, h.last);
    write_id(out, first);
    write_id(out, h.max_deleted);
    rdb_write_len(out, h.added);
    rdb_write_len(out, h.groups);
    return stream_groups_each(v, dump_group, &d);
}

int stream_dump(struct value *v, buf *out) {
    size_t mark = out->n;
    if (v->kind != VALUE_OBJECT) return ERR_CORRUPT;
    int rc = dump_all(v, out);
    if (rc != OK) out->n = mark;
    return rc;
}

/* ---- restore ------------------------------------------------------------------------------ */

struct loading {
    struct value v;
    reader *r;
    uint8_t type;
    buf store;
    stream_id last; /* of the entries so far */
};

static stream_id read_id(reader *r) {
    uint64_t ms = rdb_read_len(r);
    return (stream_id){ms, rdb_read_len(r)};
}

static int add_again(struct loading *l, struct stream_entry *e) {
    buf bytes = BUF_INIT, args = BUF_INIT;
    struct stream_entry copy = *e;
    struct stream_pair pair;
    int rc = OK;
    for (uint64_t i = 0; i < e->fields; i++) {
        if (!stream_entry_pair(e, &pair)) return ERR_CORRUPT;
        buf_append_slice(&bytes, pair.field);
        buf_append_slice(&bytes, pair.value);
    }
    const uint8_t *at = bytes.p; /* They do not move any more. */
    for (uint64_t i = 0; i < e->fields && stream_entry_pair(&copy, &pair); i++) {
        slice both[2] = {slice_make(at, pair.field.n), slice_make(at + pair.field.n, pair.value.n)};
        at += pair.field.n + pair.value.n;
        buf_append(&args, both, sizeof(both));
    }
    size_t n = 2 * (size_t)e->fields;
    slice *all = (slice *)(void *)args.p;
    if (n == 0 || !stream_entry_fits(all, n)) rc = ERR_CORRUPT;
    if (rc == OK) rc = stream__add(&l->v, e->id, all, n);
    buf_free(&bytes);
    buf_free(&args);
    return rc;
}

static int load_block(struct loading *l) {
    slice key, lp;
    struct stream_cursor c;
    struct stream_entry e;
    int rc = rdb_read_string(l->r, &l->store, &key);
    if (rc != OK || key.n != STREAM_ID_BYTES) return rc == OK ? ERR_CORRUPT : rc;
    stream_id id = stream_id_read(key.p);
    bool any = stream_head(&l->v).length > 0;
    rc = rdb_read_string(l->r, &l->store, &lp);
    if (rc != OK) return rc;
    if (!stream_block_ok(lp) || !stream_block_ordered(lp, id, STREAM_ID_MAX)) return ERR_CORRUPT;
    if (any && stream_id_cmp(id, l->last) <= 0) return ERR_CORRUPT;
    rc = stream_block_open(lp, id, &c);
    if (rc != OK) return rc;
    bool whole = lp.n <= PAGE_BYTES_MAX;
    if (whole) rc = stream__block_add(&l->v, id, lp, c.live);
    if (rc == OK && whole) {
        stream__meta_set(&l->v, SM_LENGTH, stream__meta_u64(&l->v, SM_LENGTH) + c.live);
    }
    while (rc == OK && (rc = stream_block_next(&c, &e)) == OK) {
        l->last = e.id;
        if (!whole && !e.deleted) rc = add_again(l, &e);
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int load_head(struct loading *l) {
    struct value *v = &l->v;
    uint64_t length = rdb_read_len(l->r), added = length;
    stream_id last = read_id(l->r), deleted = STREAM_ID_MIN;
    if (l->type != RDB_STREAM_LISTPACKS) {
        (void)read_id(l->r); /* The first one's: it is looked up. */
        deleted = read_id(l->r);
        added = rdb_read_len(l->r);
    }
    if (l->r->bad || length != stream_head(v).length) return ERR_CORRUPT;
    if (length > 0 && stream_id_cmp(last, l->last) < 0) return ERR_CORRUPT;
    stream__meta_set_id(v, SM_LAST, last);
    stream__meta_set_id(v, SM_DELETED, deleted);
    stream__meta_set(v, SM_ADDED, added);
    return OK;
}

static int load_name(struct loading *l, buf *name) {
    slice s;
    int rc = rdb_read_string(l->r, &l->store, &s);
    if (rc == OK && s.n > STREAM_NAME_MAX) rc = ERR_CORRUPT;
    if (rc != OK) return rc;
    name->n = 0;
    buf_append_slice(name, s);
    return OK;
}

static int load_pending(struct loading *l, const struct stream_group *g) {
    struct stream_pending p = {.consumer = 0}, before;
    slice raw = read_raw(l->r, STREAM_ID_BYTES);
    p.time = read_u64(l->r);
    p.count = rdb_read_len(l->r);
    if (l->r->bad) return ERR_CORRUPT;
    p.id = stream_id_read(raw.p);
    int rc = stream_pending_get(&l->v, g, p.id, &before);
    if (rc != ERR_NOTFOUND) return rc == OK ? ERR_CORRUPT : rc; /* It comes twice. */
    return stream__put_pending(&l->v, g, &p);
}

/* Which of the group's pending entries are this consumer's. */
static int load_own(struct loading *l, const struct stream_group *g, struct stream_consumer *c) {
    uint64_t n = rdb_read_count(l->r, STREAM_ID_BYTES);
    int rc = l->r->bad ? ERR_CORRUPT : OK;
    for (uint64_t i = 0; i < n && rc == OK; i++) {
        struct stream_pending p;
        slice raw = read_raw(l->r, STREAM_ID_BYTES);
        if (l->r->bad) return ERR_CORRUPT;
        rc = stream_pending_get(&l->v, g, stream_id_read(raw.p), &p);
        if (rc == ERR_NOTFOUND || (rc == OK && p.consumer != 0)) return ERR_CORRUPT;
        p.consumer = c->number;
        c->pending++;
        if (rc == OK) rc = stream__put_pending(&l->v, g, &p);
        if (rc == OK) rc = stream__put_own(&l->v, g, &p);
    }
    return rc;
}

static int load_consumer(struct loading *l, struct stream_group *g, buf *name, uint64_t *owned) {
    struct stream_consumer c;
    int rc = load_name(l, name);
    if (rc != OK) return rc;
    uint64_t seen = read_u64(l->r), active = seen;
    if (l->type == RDB_STREAM_LISTPACKS_3) active = read_u64(l->r);
    if (l->r->bad) return ERR_CORRUPT;
    rc = stream_consumer_get(&l->v, g, slice_of(name), &c);
    if (rc != ERR_NOTFOUND) return rc == OK ? ERR_CORRUPT : rc;
    rc = stream__new_consumer(&l->v, g, slice_of(name), seen, active, &c);
    if (rc == OK) rc = load_own(l, g, &c);
    *owned += c.pending;
    return rc == OK ? stream__put_consumer(&l->v, g, slice_of(name), &c) : rc;
}

static int load_group_parts(struct loading *l, struct stream_group *g, buf *name) {
    uint64_t owned = 0;
    g->pending = rdb_read_count(l->r, STREAM_ID_BYTES + TIME_BYTES + 1);
    int rc = l->r->bad ? ERR_CORRUPT : OK;
    for (uint64_t i = 0; i < g->pending && rc == OK; i++) rc = load_pending(l, g);
    uint64_t consumers = rdb_read_count(l->r, 2 + TIME_BYTES);
    if (rc == OK && l->r->bad) rc = ERR_CORRUPT;
    for (uint64_t i = 0; i < consumers && rc == OK; i++) rc = load_consumer(l, g, name, &owned);
    return rc == OK && owned != g->pending ? ERR_CORRUPT : rc;
}

static int load_group(struct loading *l, buf *name) {
    struct value *v = &l->v;
    uint64_t number = stream__meta_u64(v, SM_NEXT_GROUP);
    struct stream_group g, new = {.number = number, .next_consumer = 1};
    buf consumer = BUF_INIT;
    int rc = load_name(l, name);
    if (rc != OK) return rc;
    new.last = read_id(l->r);
    if (l->type == RDB_STREAM_LISTPACKS) rc = stream_read_at(v, new.last, &new.read);
    else new.read = (int64_t)rdb_read_len(l->r);
    if (rc != OK || l->r->bad) return rc == OK ? ERR_CORRUPT : rc;
    rc = stream_group_get(v, slice_of(name), &g);
    if (rc != ERR_NOTFOUND) return rc == OK ? ERR_CORRUPT : rc;
    rc = load_group_parts(l, &new, &consumer);
    buf_free(&consumer);
    if (rc != OK) return rc;
    stream__meta_set(v, SM_NEXT_GROUP, number + 1);
    stream__meta_set(v, SM_GROUPS, stream__meta_u64(v, SM_GROUPS) + 1);
    return stream__put_group(v, slice_of(name), &new);
}

static int load_all(struct loading *l) {
    buf name = BUF_INIT;
    int rc = stream__make(&l->v);
    uint64_t blocks = rdb_read_count(l->r, 2);
    if (rc == OK && l->r->bad) rc = ERR_CORRUPT;
    for (uint64_t i = 0; i < blocks && rc == OK; i++) rc = load_block(l);
    if (rc == OK) rc = load_head(l);
    uint64_t groups = rdb_read_count(l->r, 6);
    if (rc == OK && l->r->bad) rc = ERR_CORRUPT;
    for (uint64_t i = 0; i < groups && rc == OK; i++) rc = load_group(l, &name);
    buf_free(&name);
    return rc;
}

int stream_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version) {
    (void)rdb_version; /* A type byte always meant the same. */
    assert(v->kind == VALUE_NONE);
    struct loading l = {.v = *v, .r = r, .type = rdb_type};
    int rc = load_all(&l);
    buf_free(&l.store);
    if (rc != OK) {
        if (l.v.kind == VALUE_OBJECT) v->pager->ops->free(v->pager, l.v.obj);
        return rc == ERR_COLD ? ERR_CORRUPT : rc;
    }
    v->type = TYPE_STREAM;
    v->kind = VALUE_OBJECT;
    v->obj = l.v.obj;
    return OK;
}
