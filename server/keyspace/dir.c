/* dir.c -- the entries of a directory page, and the way to one from its key.
 *
 * An entry is a key and a value of a table page (tpage.h); the value's bytes are
 *
 *     u8 type, u8 kind, u8 aux, u8 flags, u32 access clock, [i64 expiry,] payload
 *
 * payload: 8 bytes for VALUE_INT, the bytes for VALUE_RAW, a root for VALUE_OBJECT
 * (object.c). So key, expiry and small value lie together, and a lookup ends there. */
#include "keyspace/keyspace_internal.h"

#include "base/hash.h"
#include "base/mem.h"

/* With fewer entries a page grows: a split would gain little. */
#define SPLIT_COUNT_MIN 4
/* Deletes of one page in 16 look whether it can be joined. */
#define MERGE_EVERY_MASK 15

int head__check(slice val) {
    if (val.n < HEAD_BYTES) return ERR_CORRUPT;
    unsigned type = val.p[0], kind = val.p[1], flags = val.p[3];
    if (type == 0 || type >= TYPES_MAX || (flags & ~HEAD_EXPIRE) != 0) return ERR_CORRUPT;
    if ((flags & HEAD_EXPIRE) && val.n < HEAD_BYTES + 8) return ERR_CORRUPT;
    struct head h;
    head_read(val, &h);
    if ((flags & HEAD_EXPIRE) && h.expire_ms < 0) return ERR_CORRUPT;
    switch (kind) {
    case VALUE_INT: return h.payload.n == 8 ? OK : ERR_CORRUPT;
    case VALUE_RAW: return h.payload.n <= INLINE_BYTES_MAX ? OK : ERR_CORRUPT;
    case VALUE_OBJECT: return object__root_check(h.payload);
    default: return ERR_CORRUPT;
    }
}

bool head__type_ok(const keyspace *ks, const struct head *h) {
    const struct type *t = ks->types->by_id[h->type];
    struct stored_value s = {.kind = h->kind, .aux = h->aux, .bytes = h->payload};
    if (t == NULL) return false; /* Another build's module may have written it. */
    if (h->kind == VALUE_OBJECT) {
        const object *o = payload_object(h->payload);
        s.hashed = o != NULL ? o->hashed : h->payload.p[ROOT_AT_HASHED] != 0;
        s.bytes = o != NULL ? slice_make(o->meta, o->meta_n)
                            : slice_make(h->payload.p + ROOT_BYTES, h->payload.n - ROOT_BYTES);
    }
    return t->stored_ok(&s);
}

object *dir__object(keyspace *ks, part *page, uint32_t off) {
    slice val = tpage_val(page->blob, off);
    struct head h;
    head_read(val, &h);
    assert(h.kind == VALUE_OBJECT);
    object *o = payload_object(h.payload);
    if (o == NULL) {
        o = object__root_read(ks, h.payload.p);
        o->lasting = ks->types->by_id[h.type]->lasting;
        o->along = ks->types->by_id[h.type]->along;
        memcpy(tpage_val_touch(page->blob, off) + (h.payload.p - val.p), &o, sizeof(o));
        page->flags |= PART_ROOTS;
    }
    o->home = page;
    if (o->lasting != 0) part__last(ks, page); /* They would go with it. */
    return o;
}

void dir__value_init(keyspace *ks, struct value *v) {
    memset(v, 0, sizeof(*v));
    v->pager = &ks->pager;
    v->scratch = &ks->scratch;
    v->config = &ks->config->types;
}

void dir__value(keyspace *ks, part *page, uint32_t off, const struct head *h,
                struct value *v) {
    dir__value_init(ks, v);
    v->type = h->type;
    v->kind = h->kind;
    v->aux = h->aux;
    if (h->kind == VALUE_INT)
        v->num = (int64_t)get_u64(h->payload.p);
    else if (h->kind == VALUE_RAW)
        v->raw = h->payload;
    else
        v->obj = dir__object(ks, page, off);
}

int dir__find(keyspace *ks, db *d, uint64_t hash, slice key, part **page, uint32_t *off) {
    part *p = NULL;
    int rc = trie_find(&d->dir, hash, &p);
    *page = p;
    if (rc == ERR_NOTFOUND) return rc;
    if (rc == ERR_COLD || p->blob == NULL) return ks__want(ks, p, NULL);
    part__seen(ks, p);
    *off = tpage_find(p->blob, hash, key);
    return *off == TPAGE_NONE ? ERR_NOTFOUND : OK;
}

int64_t dir__due(keyspace *ks, const struct head *h) {
    const struct type *type = ks->types->by_id[h->type];
    if (type->due == NULL) return NO_EXPIRY;
    const object *o = h->kind == VALUE_OBJECT ? payload_object(h->payload) : NULL;
    struct stored_value s = {.kind = h->kind, .aux = h->aux, .bytes = h->payload};
    int64_t due = type->due(&s);
    if (due == NO_EXPIRY) return due;
    ks->inner_expiry = true;
    return o != NULL ? o->look.at_ms : due;
}

void dir__page_scan(keyspace *ks, part *p) {
    p->min_expire = NO_EXPIRY;
    p->flags &= (uint8_t)~PART_ROOTS;
    for (uint32_t off = tpage_next(p->blob, 0); off != TPAGE_NONE;
         off = tpage_next(p->blob, off)) {
        struct head h;
        head_read(tpage_val(p->blob, off), &h);
        if (h.expire_ms >= 0 && h.expire_ms < p->min_expire) p->min_expire = h.expire_ms;
        int64_t due = dir__due(ks, &h);
        if (due < p->min_expire) p->min_expire = due;
        if (h.kind != VALUE_OBJECT) continue;
        p->flags |= PART_ROOTS;
        object *o = payload_object(h.payload);
        if (o != NULL) o->home = p;
    }
}

/* ---- room -------------------------------------------------------------------------- */

/* The next of the allocator's usual sizes, which are four to a doubling. */
static size_t size_class(size_t n) {
    size_t step = 64;
    while (n > step * 8) step *= 2;
    return (n + step - 1) & ~(step - 1);
}

static uint8_t *exact(buf *b) {
    return mem_realloc(b->p, b->n);
}

static void grow(keyspace *ks, part *p, size_t need) {
    size_t used = tpage_used(p->blob);
    size_t room = need;
    /* A page that may become a full one gets there in few steps. */
    if (used + need < TABLE_PAGE_BYTES) room = size_class(used + need + used / 8) - used;
    buf out = BUF_INIT;
    /* Tombstones of many long keys: without a base there are none. */
    bool clean =
        p->bytes > PAGE_BYTES && tpage_rebuilt_bytes(p->blob, room) > PAGE_BYTES_MAX / 2;
    if (clean) p->base = 0;
    tpage_rebuild(p->blob, room, ks__tpage_hash, ks, -1, 0, clean, &out);
    size_t n = out.n;
    part__set_blob(ks, p, exact(&out), n);
}

static void split(keyspace *ks, db *d, part *p, uint64_t hash, size_t need) {
    buf side[2] = {BUF_INIT, BUF_INIT};
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        tpage_rebuild(p->blob, need, ks__tpage_hash, ks, i, p->depth, false, &side[i]);
        n[i] = side[i].n;
    }
    part *low, *high;
    trie__split(ks, &d->dir, hash, exact(&side[0]), n[0], exact(&side[1]), n[1], &low,
                &high);
    dir__page_scan(ks, low);
    dir__page_scan(ks, high);
}

/* A place of n value bytes for the key in the page that covers it; owned. */
static part *place(keyspace *ks, db *d, uint64_t hash, slice key, size_t n,
                   uint32_t *off) {
    part *p = trie__own(ks, &d->dir, hash);
    if (p->blob == NULL) { /* The first of its database. */
        size_t first = tpage_min_bytes();
        uint8_t *blob = mem_calloc(1, first);
        tpage_init(blob, first);
        part__set_blob(ks, p, blob, first);
    }
    size_t need = tpage_entry_bytes(key.n, n);
    for (;;) {
        bool added;
        int rc = tpage_put(p->blob, hash, key, n, off, &added);
        if (rc == OK) return p;
        assert(rc == ERR_LIMIT);
        bool full = tpage_used(p->blob) + need > TABLE_PAGE_BYTES;
        if (full && p->depth < HASH_DEPTH_MAX &&
            tpage_count(p->blob) >= SPLIT_COUNT_MIN) {
            split(ks, d, p, hash, need);
            p = trie__own(ks, &d->dir, hash);
        } else {
            grow(ks, p, need);
        }
    }
}

/* ---- writing ----------------------------------------------------------------------- */

static size_t payload_bytes(const struct value *v) {
    if (v->kind == VALUE_INT) return 8;
    if (v->kind == VALUE_RAW) return v->raw.n;
    assert(v->kind == VALUE_OBJECT);
    return object__root_bytes(v->obj);
}

/* Unhooks the entry's object from the page, so that nobody else drops it; NULL: none in
 * memory. */
static object *take_object(part *p, uint32_t off) {
    struct head h;
    slice val = tpage_val(p->blob, off);
    head_read(val, &h);
    if (h.kind != VALUE_OBJECT) return NULL;
    object *o = payload_object(h.payload);
    if (o != NULL && o->home == p) o->home = NULL;
    memset(tpage_val_touch(p->blob, off) + (h.payload.p - val.p), 0, sizeof(o));
    return o;
}

void dir__put(keyspace *ks, db *d, uint64_t hash, slice key, const struct value *v,
              int64_t expire_ms, uint32_t access) {
    struct value copy = *v;
    size_t n = HEAD_BYTES + (expire_ms >= 0 ? 8u : 0u) + payload_bytes(v);
    part *p = trie__own(ks, &d->dir, hash);
    object *old = NULL;
    uint32_t off = p->blob == NULL ? TPAGE_NONE : tpage_find(p->blob, hash, key);
    if (off != TPAGE_NONE) {
        old = take_object(p, off);
        /* What the type left may lie in the page that is going to be changed. */
        if (v->kind == VALUE_RAW && v->raw.p >= p->blob &&
            v->raw.p < p->blob + p->bytes) {
            ks->tmp.n = 0;
            buf_append_slice(&ks->tmp, v->raw);
            copy.raw = slice_of(&ks->tmp);
        }
    }
    uint8_t *at;
    if (off != TPAGE_NONE && tpage_val(p->blob, off).n == n) {
        at = tpage_val_mut(p->blob, off);
    } else {
        p = place(ks, d, hash, key, n, &off);
        at = tpage_val_mut(p->blob, off);
    }
    at[0] = v->type;
    at[1] = v->kind;
    at[2] = v->aux;
    at[3] = expire_ms >= 0 ? HEAD_EXPIRE : 0;
    put_u32(at + 4, access);
    at += HEAD_BYTES;
    if (expire_ms >= 0) {
        put_u64(at, (uint64_t)expire_ms);
        at += 8;
        if (expire_ms < p->min_expire) p->min_expire = expire_ms;
    }
    if (v->kind == VALUE_INT) {
        put_u64(at, (uint64_t)v->num);
    } else if (v->kind == VALUE_RAW) {
        if (copy.raw.n != 0) memcpy(at, copy.raw.p, copy.raw.n);
    } else {
        object__root_write(v->obj, at);
        memcpy(at, &v->obj, sizeof(v->obj));
        v->obj->home = p;
        p->flags |= PART_ROOTS;
    }
    struct head h;
    head_read(tpage_val(p->blob, off), &h);
    int64_t due = dir__due(ks, &h);
    if (due < p->min_expire) p->min_expire = due;
    if (old != NULL && !(v->kind == VALUE_OBJECT && v->obj == old)) object__put(ks, old);
}

void dir__keep(keyspace *ks, db *d, uint64_t hash, part *page, uint32_t off, uint8_t aux) {
    part *p = trie__own(ks, &d->dir, hash);
    assert(p == page);
    tpage_val_mut(p->blob, off)[2] = aux;
    struct head h;
    head_read(tpage_val(p->blob, off), &h);
    assert(h.kind == VALUE_OBJECT);
    int64_t due = dir__due(ks, &h);
    if (due < p->min_expire) p->min_expire = due;
}

void dir__del(keyspace *ks, db *d, uint64_t hash, slice key) {
    part *p = trie__own(ks, &d->dir, hash);
    uint32_t off = tpage_find(p->blob, hash, key);
    assert(off != TPAGE_NONE);
    object__put(ks, take_object(p, off));
    bool had = tpage_del(p->blob, hash, key);
    assert(had);
    size_t count = tpage_count(p->blob);
    if (count == 0 && p == d->dir.root) { /* An empty database costs nothing. */
        part__put(ks, p);
        d->dir.root = NULL;
    } else if ((count & MERGE_EVERY_MASK) == 0) {
        part *joined = trie__merge(ks, &d->dir, hash);
        if (joined != NULL) dir__page_scan(ks, joined);
    }
}
