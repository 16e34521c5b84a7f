/* stream.c -- the stream type: its parts, reading its entries, and its effects. */
#include "types/stream.h"

#include <assert.h>
#include <stdio.h>

#include "types/digest.h"
#include "types/stream_internal.h"

/* ---- keys of the tree --------------------------------------------------------------------- */

slice stream__key(struct stream_key *k, uint8_t kind) {
    k->p[0] = kind;
    k->n = 1;
    return slice_make(k->p, k->n);
}

slice stream__key_u64(struct stream_key *k, uint64_t v) {
    assert(k->n + 8 <= STREAM_KEY_MAX);
    put_u64(k->p + k->n, __builtin_bswap64(v));
    k->n += 8;
    return slice_make(k->p, k->n);
}

slice stream__key_id(struct stream_key *k, stream_id id) {
    stream__key_u64(k, id.ms);
    return stream__key_u64(k, id.seq);
}

slice stream__key_name(struct stream_key *k, slice name) {
    assert(name.n <= STREAM_NAME_MAX && k->n + name.n <= STREAM_KEY_MAX);
    if (name.n > 0) memcpy(k->p + k->n, name.p, name.n);
    k->n += name.n;
    return slice_make(k->p, k->n);
}

bool stream__has_prefix(slice key, slice prefix) {
    return key.n >= prefix.n && memcmp(key.p, prefix.p, prefix.n) == 0;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static bool stream_stored_ok(const struct stored_value *s) {
    if (s->kind != VALUE_OBJECT || s->aux != 0 || s->hashed) return false;
    const uint8_t *m = s->bytes.p;
    if (s->bytes.n != STREAM_META_BYTES || !btree_meta_ok(m)) return false;
    if (get_u64(m + SM_FORMAT) != STREAM_FORMAT) return false;
    return get_u64(m + SM_LENGTH) <= VALUE_COUNT_MAX && get_u64(m + SM_BLOCKS) <= VALUE_COUNT_MAX &&
           get_u64(m + SM_TAIL_LIVE) <= VALUE_COUNT_MAX && get_u64(m + SM_GROUPS) <= VALUE_COUNT_MAX;
}

struct stream_head stream_head(const struct value *v) {
    struct stream_head h = {0};
    if (v->kind != VALUE_OBJECT) return h;
    const uint8_t *m = stream__meta(v);
    h.length = get_u64(m + SM_LENGTH);
    h.added = get_u64(m + SM_ADDED);
    h.groups = get_u64(m + SM_GROUPS);
    h.blocks = get_u64(m + SM_BLOCKS);
    h.last = stream_id_read(m + SM_LAST);
    h.max_deleted = stream_id_read(m + SM_DELETED);
    return h;
}

int stream__make(struct value *v) {
    if (v->kind == VALUE_OBJECT) return OK;
    assert(v->kind == VALUE_NONE);
    object *o = v->pager->ops->make(v->pager, false, STREAM_META_BYTES);
    if (o == NULL) return ERR_NOMEM;
    memset(v->pager->ops->meta_mut(v->pager, o), 0, STREAM_META_BYTES);
    v->obj = o;
    v->type = TYPE_STREAM;
    v->kind = VALUE_OBJECT;
    stream__meta_set(v, SM_FORMAT, STREAM_FORMAT);
    stream__meta_set(v, SM_NEXT_GROUP, 1);
    return btree_init(v->pager, o);
}

/* ---- blocks ------------------------------------------------------------------------------- */

/* What the tree answered, if it is a block at all. */
static int take_block(const struct value *v, int rc, slice key, slice val,
                      struct stream_block_at *b) {
    if (rc != OK) return rc;
    if (key.n == 0 || key.p[0] != 'b') return ERR_NOTFOUND;
    if (key.n != 1 + STREAM_ID_BYTES || val.n != 16) return ERR_CORRUPT;
    b->id = stream_id_read(key.p + 1);
    b->page = get_u64(val.p);
    b->live = get_u64(val.p + 8);
    uint64_t tail = stream__meta_u64(v, SM_TAIL_PAGE);
    if (tail != 0 && tail - 1 == b->page) b->live = stream__meta_u64(v, SM_TAIL_LIVE);
    return b->live == 0 || b->live > stream__meta_u64(v, SM_LENGTH) ? ERR_CORRUPT : OK;
}

int stream__block_floor(const struct value *v, stream_id id, struct stream_block_at *b) {
    struct stream_key k;
    slice key, val;
    if (v->kind != VALUE_OBJECT) return ERR_NOTFOUND;
    stream__key(&k, 'b');
    int rc = btree_floor(v->pager, v->obj, stream__key_id(&k, id), &key, &val);
    return take_block(v, rc, key, val, b);
}

int stream_block_from(const struct value *v, stream_id id, struct stream_block_at *b) {
    struct stream_key k;
    slice key, val;
    if (v->kind != VALUE_OBJECT) return ERR_NOTFOUND;
    stream__key(&k, 'b');
    int rc = btree_ceil(v->pager, v->obj, stream__key_id(&k, id), &key, &val);
    return take_block(v, rc, key, val, b);
}

int stream_block_read(const struct value *v, const struct stream_block_at *b, slice *lp) {
    int rc = v->pager->ops->get_ok(v->pager, v->obj, b->page, stream_block_ok, lp);
    return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

/* ---- reading entries ---------------------------------------------------------------------- */

struct range {
    const struct value *v;
    stream_id from, to;
    uint64_t count; /* entries still wanted; UINT64_MAX: all */
    bool backward;
    stream_each_fn *each; /* NULL: they are counted only */
    void *cookie;
};

/* The block where the range begins: where its first entry is, or would be. */
static int first_block(const struct range *r, struct stream_block_at *b) {
    int rc = stream__block_floor(r->v, r->backward ? r->to : r->from, b);
    if (rc == ERR_NOTFOUND && !r->backward) rc = stream_block_from(r->v, r->from, b);
    return rc;
}

/* The next one, unless it lies outside of the range as a whole. */
static int next_block(const struct range *r, struct stream_block_at *b) {
    stream_id id = b->id;
    if (r->backward) {
        if (stream_id_cmp(b->id, r->from) <= 0 || !stream_id_down(&id)) return ERR_NOTFOUND;
        return stream__block_floor(r->v, id, b);
    }
    if (!stream_id_up(&id)) return ERR_NOTFOUND;
    int rc = stream_block_from(r->v, id, b);
    return rc == OK && stream_id_cmp(b->id, r->to) > 0 ? ERR_NOTFOUND : rc;
}

static int range_in_block(struct range *r, slice lp, stream_id master) {
    struct stream_cursor c;
    struct stream_entry e;
    int rc = stream_block_open(lp, master, &c);
    if (rc == OK && r->backward) c.at = 0;
    while (rc == OK && r->count > 0) {
        rc = r->backward ? stream_block_prev(&c, &e) : stream_block_next(&c, &e);
        if (rc != OK) break;
        if (stream_id_cmp(e.id, r->backward ? r->from : r->to) * (r->backward ? -1 : 1) > 0) break;
        if (e.deleted || stream_id_cmp(e.id, r->from) < 0 || stream_id_cmp(e.id, r->to) > 0) continue;
        if (r->count != UINT64_MAX) r->count--;
        if (r->each != NULL) rc = r->each(r->cookie, &e);
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* Asks for the blocks of the range: the first is looked into, the others have as many entries as the
 * tree says. A count from a damaged tree asks for too little, and the rest comes in a later round. */
static int need_range(struct range r) {
    struct stream_block_at b;
    slice lp;
    int cold = OK, rc = first_block(&r, &b);
    r.each = NULL;
    for (bool first = true; rc == OK && r.count > 0; first = false) {
        if (first) {
            rc = stream_block_read(r.v, &b, &lp);
            if (rc == OK) rc = range_in_block(&r, lp, b.id);
        } else {
            rc = r.v->pager->ops->need(r.v->pager, r.v->obj, b.page);
            if (r.count != UINT64_MAX) r.count -= b.live < r.count ? b.live : r.count;
        }
        if (rc == ERR_COLD) {
            cold = rc;
            rc = OK;
        }
        if (rc == OK && r.count > 0) rc = next_block(&r, &b);
    }
    return rc == OK || rc == ERR_NOTFOUND ? cold : rc;
}

int stream_each(const struct value *v, stream_id from, stream_id to, uint64_t count, bool backward,
                stream_each_fn *each, void *cookie) {
    struct range r = {v, from, to, count == 0 ? UINT64_MAX : count, backward, each, cookie};
    struct stream_block_at b;
    slice lp;
    if (stream_head(v).length == 0 || stream_id_cmp(from, to) > 0) return OK;
    int rc = need_range(r);
    if (rc == OK) rc = first_block(&r, &b);
    while (rc == OK && r.count > 0) {
        rc = stream_block_read(v, &b, &lp);
        if (rc == OK) rc = range_in_block(&r, lp, b.id);
        if (rc == OK) rc = next_block(&r, &b);
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

struct one {
    struct stream_entry *e;
    bool found;
};

static int see_one(void *cookie, struct stream_entry *e) {
    struct one *o = cookie;
    *o->e = *e;
    o->found = true;
    return 0;
}

int stream_get(const struct value *v, stream_id id, struct stream_entry *e) {
    struct one o = {e, false};
    int rc = stream_each(v, id, id, 1, false, see_one, &o);
    return rc != OK ? rc : o.found ? OK : ERR_NOTFOUND;
}

static int edge(const struct value *v, bool last, stream_id *id) {
    struct stream_entry e;
    struct one o = {&e, false};
    int rc = stream_each(v, STREAM_ID_MIN, STREAM_ID_MAX, 1, last, see_one, &o);
    if (rc != OK) return rc;
    if (!o.found) return ERR_NOTFOUND;
    *id = e.id;
    return OK;
}

int stream_first(const struct value *v, stream_id *id) { return edge(v, false, id); }
int stream_last(const struct value *v, stream_id *id) { return edge(v, true, id); }

/* ---- effects ------------------------------------------------------------------------------ */

static bool names_ok(const slice *args, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (args[i].n > STREAM_NAME_MAX) return false;
    return true;
}

/* Does it make sense, whatever it is applied to? It may come from a damaged log. */
static bool args_ok(uint8_t op, const slice *a, size_t n) {
    switch (op) {
    case STREAM_ADD:
        return n >= 3 && n % 2 == 1 && a[0].n == STREAM_ID_BYTES && stream_entry_fits(a + 1, n - 1);
    case STREAM_TRIM: return n == 1 && a[0].n == STREAM_ID_BYTES;
    case STREAM_DELETE: return n == 1 && a[0].n % STREAM_ID_BYTES == 0;
    case STREAM_SET:
        return n == 3 && a[0].n == STREAM_ID_BYTES && a[1].n == 8 && a[2].n == STREAM_ID_BYTES;
    case STREAM_GROUP_SET:
        return n == 3 && names_ok(a, 1) && a[1].n == STREAM_ID_BYTES && a[2].n == 8;
    case STREAM_GROUP_DROP: return n == 1 && names_ok(a, 1);
    case STREAM_CONSUMER_DROP: return n == 2 && names_ok(a, 2);
    case STREAM_PEND:
        return n == 5 && names_ok(a, 2) && a[2].n == 16 &&
               (a[3].n == 0 || a[3].n == STREAM_ID_BYTES + 8) && a[4].n % STREAM_RECORD_BYTES == 0;
    case STREAM_UNREF: return n == 1 && a[0].n % STREAM_ID_BYTES == 0;
    case STREAM_ACK: return n == 2 && names_ok(a, 1) && a[1].n % STREAM_ID_BYTES == 0;
    }
    return false;
}

int stream_need(const struct value *v, uint8_t op, const slice *args, size_t argc) {
    if (!args_ok(op, args, argc)) return ERR_CORRUPT;
    if (v->kind == VALUE_NONE) {
        if (op == STREAM_ADD) return stream_id_cmp(stream_id_read(args[0].p), STREAM_ID_MIN) > 0 ? OK : ERR_CORRUPT;
        return op == STREAM_GROUP_SET ? OK : ERR_CORRUPT;
    }
    switch (op) {
    case STREAM_ADD: return stream__need_add(v, args, argc);
    case STREAM_TRIM: return stream__need_trim(v, stream_id_read(args[0].p));
    case STREAM_DELETE: return stream__need_delete(v, args[0]);
    case STREAM_SET: return OK;
    case STREAM_UNREF: return stream__need_unref(v, args[0]);
    default: return stream__need_group(v, op, args);
    }
}

/* Asks for its pages itself: this is what streams are for. */
static int apply_add(struct value *v, const slice *args, size_t argc) {
    stream_id id = stream_id_read(args[0].p);
    if (stream_id_cmp(id, stream_head(v).last) <= 0) return ERR_CORRUPT;
    return stream__add(v, id, args + 1, argc - 1);
}

static int stream_apply(struct value *v, const effect *e) {
    const slice *a = e->args;
    if (e->op == STREAM_ADD && v->kind == VALUE_OBJECT) {
        return args_ok(e->op, a, e->argc) ? apply_add(v, a, e->argc) : ERR_CORRUPT;
    }
    int rc = stream_need(v, e->op, a, e->argc);
    if (rc == OK) rc = stream__make(v);
    if (rc != OK) return rc;
    switch (e->op) {
    case STREAM_ADD: return stream__add(v, stream_id_read(a[0].p), a + 1, e->argc - 1);
    case STREAM_TRIM: return stream__trim(v, stream_id_read(a[0].p));
    case STREAM_DELETE: return stream__delete(v, a[0]);
    case STREAM_SET:
        stream__meta_set_id(v, SM_LAST, stream_id_read(a[0].p));
        stream__meta_set(v, SM_ADDED, get_u64(a[1].p));
        stream__meta_set_id(v, SM_DELETED, stream_id_read(a[2].p));
        return OK;
    case STREAM_UNREF: return stream__unref(v, a[0]);
    default: return stream__apply_group(v, e->op, a);
    }
}

/* ---- as a whole --------------------------------------------------------------------------- */

static const char *stream_encoding(struct value *v) {
    (void)v;
    return "stream";
}

static uint64_t stream_length(struct value *v) { return stream_head(v).length; }

static int digest_entry(void *cookie, struct stream_entry *e) {
    struct stream_pair pair;
    char id[48];
    int n = snprintf(id, sizeof(id), "%llu.%llu", (unsigned long long)e->id.ms,
                     (unsigned long long)e->id.seq);
    digest_mix(cookie, id, (size_t)n);
    for (uint64_t i = 0; i < e->fields; i++) {
        if (!stream_entry_pair(e, &pair)) return ERR_CORRUPT;
        digest_mix(cookie, pair.field.p, pair.field.n);
        digest_mix(cookie, pair.value.p, pair.value.n);
    }
    return 0;
}

static int stream_digest(struct value *v, uint8_t digest[20]) {
    uint8_t sum[20];
    memcpy(sum, digest, 20);
    digest_start(sum, DIGEST_STREAM);
    int rc = stream_each(v, STREAM_ID_MIN, STREAM_ID_MAX, 0, false, digest_entry, sum);
    if (rc == OK) memcpy(digest, sum, 20);
    return rc;
}

const struct type type_stream = {
    .id = TYPE_STREAM,
    .name = "stream",
    .stored_ok = stream_stored_ok,
    .apply = stream_apply,
    .dump = stream_dump,
    .restore = stream_restore,
    .rdb_types = stream_rdb_types,
    .encoding = stream_encoding,
    .length = stream_length,
    .digest = stream_digest,
    .check = stream__check,
};
