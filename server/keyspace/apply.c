/* apply.c -- effects change entries and values.
 *
 * One path for commands, replay and forks. Every operation first makes sure that all it
 * needs is in memory, and only then makes the path from the root its own and changes it;
 * so ERR_COLD leaves everything as it was. A value is changed by its type: in place when
 * nothing on the way to its object is shared, else in a clone of the object, which
 * becomes the entry's when the type is done.
 *
 * The counts in the effect say what the operation did to its databases' numbers of keys;
 * adding them is keyspace_apply()'s business, so that replay can add them earlier than it
 * applies. */
#include "keyspace/keyspace_internal.h"

#include "types/string.h"

#define REHEARSE_US 1000
#define RDB_VERSION 11 /* Of the payloads in ENTRY_RESTORE: what DUMP writes. */

struct target { /* an entry looked up for changing */
    db *d;
    uint64_t hash;
    slice key;
    part *page;
    uint32_t off;     /* TPAGE_NONE: there is none */
    struct head head; /* when there is one */
};

/* OK whether or not there is an entry; ERR_COLD. */
static int target_find(keyspace *ks, db *d, slice key, uint64_t hash, struct target *t) {
    t->d = d;
    t->key = key;
    t->hash = hash;
    t->off = TPAGE_NONE;
    t->head.expire_ms = -1;
    int rc = dir__find(ks, d, t->hash, key, &t->page, &t->off);
    if (rc == ERR_NOTFOUND) {
        t->off = TPAGE_NONE;
        return OK;
    }
    if (rc == OK) head_read(tpage_val(t->page->blob, t->off), &t->head);
    return rc;
}

static bool present(const struct target *t) {
    return t->off != TPAGE_NONE;
}

static void count_put(const struct target *t, int64_t expire_ms, int8_t *keys,
                      int8_t *expires) {
    *keys = present(t) ? 0 : 1;
    *expires = (int8_t)((expire_ms >= 0) - (t->head.expire_ms >= 0));
}

static void count_del(const struct target *t, int8_t *keys, int8_t *expires) {
    *keys = -1;
    *expires = t->head.expire_ms >= 0 ? -1 : 0;
}

/* An access clock for what is put over t. */
static uint32_t access_for(keyspace *ks, const struct target *t) {
    return present(t) ? access__touched(ks, t->head.access) : access__initial(ks);
}

static int read_expiry(slice arg, int64_t *out) {
    if (arg.n != 0 && arg.n != 8) return ERR_CORRUPT;
    *out = arg.n == 0 ? -1 : (int64_t)get_u64(arg.p);
    return *out < -1 ? ERR_CORRUPT : OK;
}

/* A past or zero expiry is a time like others; but before 1970 there is none. */
static int expiry_arg(const effect *e, size_t i, int64_t *out) {
    return i < e->argc ? read_expiry(e->args[i], out) : ERR_CORRUPT;
}

/* ---- values ------------------------------------------------------------------------ */

static int apply_value(keyspace *ks, db *d, effect *e) {
    const struct type *type = e->type < TYPES_MAX ? ks->types->by_id[e->type] : NULL;
    if (type == NULL) return ERR_CORRUPT;
    struct target t;
    int rc = target_find(ks, d, e->key, e->hash, &t);
    if (rc != OK) return rc;
    struct value v;
    object *mine = NULL; /* A clone that the entry does not have yet. */
    if (present(&t)) {
        if (t.head.type != e->type) return ERR_CORRUPT;
        dir__value(ks, t.page, t.off, &t.head, &v);
    } else {
        dir__value_init(ks, &v);
        v.type = e->type;
    }
    object *had = v.obj;
    if (had != NULL) {
        rc = object__ready(ks, had);
        if (rc != OK) return rc;
        if (had->refs > 1 || !trie__exclusive(&d->dir, t.hash))
            v.obj = mine = object__clone(had);
    }
    object *given = v.obj;
    ks->scratch.n = 0;
    ks->applying = given;
    ks->lasting = type->lasting;
    ks->along = type->along;
    rc = type->apply(&v, e);
    ks->applying = NULL;
    if (rc != OK) {
        assert(v.obj == given || given == NULL);
        object__put(ks, mine);
        return rc;
    }
    bool kept = given != NULL && v.kind == VALUE_OBJECT && v.obj == given;
    if (v.kind == VALUE_NONE) {
        if (present(&t)) {
            count_del(&t, &e->keys, &e->expires);
            dir__del(ks, d, t.hash, e->key);
        }
    } else if (kept && mine == NULL) {
        dir__keep(ks, d, t.hash, t.page, t.off, v.aux);
    } else {
        v.type = e->type;
        count_put(&t, t.head.expire_ms, &e->keys, &e->expires);
        uint32_t access = present(&t) ? t.head.access : access__initial(ks);
        dir__put(ks, d, t.hash, e->key, &v, t.head.expire_ms, access);
    }
    if (!kept) object__put(ks, mine);
    return OK;
}

/* One effect on a copy of `had` that shares its pages; the copy goes on to the next one, unless
 * it does not fit any more. */
static object *rehearse_one(keyspace *ks, struct value v, object *copy, const effect *e) {
    effect tried = *e;
    v.obj = copy;
    ks->applying = copy;
    ks->scratch.n = 0;
    ks->lasting = ks->types->by_id[v.type]->lasting;
    ks->along = ks->types->by_id[v.type]->along;
    int rc = ks->types->by_id[v.type]->apply(&v, &tried);
    ks->applying = NULL;
    bool made = rc == OK && v.kind == VALUE_OBJECT && v.obj != copy;
    if (made) object__put(ks, v.obj);
    if ((rc == OK && v.kind == VALUE_OBJECT && !made) || rc == ERR_COLD) return copy;
    object__put(ks, copy);
    return NULL;
}

void ks__rehearse(keyspace *ks, const effect *const *es, size_t n) {
    uint64_t start = clock_mono_us(ks->clock);
    db *d = db__for_effect(ks, es[0]->db);
    struct target t;
    if (d == NULL) return;
    uint64_t hash = keyspace_hash(d, es[0]->key);
    if (target_find(ks, d, es[0]->key, hash, &t) != OK || !present(&t)) return;
    struct value v;
    dir__value(ks, t.page, t.off, &t.head, &v);
    object *had = v.obj, *copy = NULL;
    if (v.kind != VALUE_OBJECT || object__ready(ks, had) != OK) return;
    for (size_t i = 0; i < n && keyspace_want_more(ks); i++) {
        if (es[i]->target != EFFECT_VALUE || es[i]->type != v.type) break;
        if (clock_mono_us(ks->clock) - start >= REHEARSE_US) break;
        if (copy == NULL) copy = object__clone(had);
        copy = rehearse_one(ks, v, copy, es[i]);
    }
    object__put(ks, copy);
}

/* ---- entries ----------------------------------------------------------------------- */

static int apply_set(keyspace *ks, db *d, effect *e) {
    int64_t expire_ms;
    if (e->argc != 2 || expiry_arg(e, 1, &expire_ms) != OK) return ERR_CORRUPT;
    struct target t;
    int rc = target_find(ks, d, e->key, e->hash, &t);
    if (rc != OK) return rc;
    struct value v;
    dir__value_init(ks, &v);
    ks->scratch.n = 0;
    v.type = TYPE_STRING;
    rc = string_set_value(&v, e->args[0]);
    if (rc != OK) return rc;
    v.type = TYPE_STRING;
    count_put(&t, expire_ms, &e->keys, &e->expires);
    dir__put(ks, d, t.hash, e->key, &v, expire_ms, access_for(ks, &t));
    return OK;
}

static int apply_del(keyspace *ks, db *d, effect *e) {
    struct target t;
    int rc = target_find(ks, d, e->key, e->hash, &t);
    if (rc != OK) return rc;
    if (!present(&t)) return ERR_NOTFOUND;
    count_del(&t, &e->keys, &e->expires);
    dir__del(ks, d, t.hash, e->key);
    return OK;
}

static int apply_expire(keyspace *ks, db *d, effect *e) {
    int64_t expire_ms;
    if (e->argc != 1 || expiry_arg(e, 0, &expire_ms) != OK) return ERR_CORRUPT;
    struct target t;
    int rc = target_find(ks, d, e->key, e->hash, &t);
    if (rc != OK) return rc;
    if (!present(&t)) return ERR_NOTFOUND;
    count_put(&t, expire_ms, &e->keys, &e->expires);
    if ((expire_ms >= 0) == (t.head.expire_ms >= 0)) { /* The entry keeps its size. */
        if (expire_ms < 0) return OK;
        part *p = trie__own(ks, &d->dir, t.hash);
        put_u64(tpage_val_mut(p->blob, t.off) + HEAD_BYTES, (uint64_t)expire_ms);
        if (expire_ms < p->min_expire) p->min_expire = expire_ms;
        return OK;
    }
    struct value v;
    dir__value(ks, t.page, t.off, &t.head, &v);
    dir__put(ks, d, t.hash, e->key, &v, expire_ms, t.head.access);
    return OK;
}

/* COPY and MOVE. The object itself is shared: whoever writes first clones it. */
static int apply_transfer(keyspace *ks, db *d, effect *e) {
    uint64_t to_id;
    slice to_key;
    if (!effect__two_keys(e, &to_id, &to_key)) return ERR_CORRUPT;
    db *to = db__for_effect(ks, to_id);
    if (to == NULL) return ERR_CORRUPT;
    struct target from, dest;
    int rc = target_find(ks, d, e->key, e->hash, &from);
    int rc2 = target_find(ks, to, to_key, keyspace_hash(to, to_key), &dest); /* Both are asked for at once. */
    if (rc != OK || rc2 != OK) return rc != OK ? rc : rc2;
    if (!present(&from)) return ERR_NOTFOUND;
    if (to == d && slice_eq(to_key, e->key)) return OK;
    count_put(&dest, from.head.expire_ms, &e->keys, &e->expires);
    struct value v;
    dir__value(ks, from.page, from.off, &from.head, &v);
    /* After a COPY both entries may have one object, which a MOVE then puts over itself.
     */
    bool same = v.obj != NULL && present(&dest) && dest.head.kind == VALUE_OBJECT &&
                payload_object(dest.head.payload) == v.obj;
    buf bytes = BUF_INIT;
    if (v.kind == VALUE_RAW) {
        buf_append_slice(&bytes, v.raw);
        v.raw = slice_of(&bytes);
    }
    if (v.obj != NULL) v.obj->refs++;
    if (e->op == ENTRY_MOVE) {
        count_del(&from, &e->src_keys, &e->src_expires);
        dir__del(ks, d, from.hash, e->key);
    }
    uint32_t access = e->op == ENTRY_MOVE ? from.head.access : access__initial(ks);
    dir__put(ks, to, dest.hash, to_key, &v, from.head.expire_ms, access);
    if (same) object__put(ks, v.obj);
    buf_free(&bytes);
    return OK;
}

static int apply_restore(keyspace *ks, db *d, effect *e) {
    int64_t expire_ms;
    if (e->argc != 2 || expiry_arg(e, 1, &expire_ms) != OK || e->args[0].n == 0)
        return ERR_CORRUPT;
    struct target t;
    int rc = target_find(ks, d, e->key, e->hash, &t);
    if (rc != OK) return rc;
    reader r = reader_make(e->args[0]);
    uint8_t rdb_type = read_u8(&r);
    const struct type *type = type_by_rdb(ks->types, rdb_type);
    if (type == NULL) return ERR_CORRUPT;
    struct value v;
    dir__value_init(ks, &v);
    v.type = type->id;
    ks->scratch.n = 0;
    ks->lasting = type->lasting;
    ks->along = type->along;
    rc = type->restore(&v, rdb_type, &r, RDB_VERSION);
    if (rc != OK) return rc;
    if (r.bad || reader_left(&r) != 0 || v.kind == VALUE_NONE) {
        if (v.kind == VALUE_OBJECT) object__put(ks, v.obj);
        return ERR_CORRUPT;
    }
    v.type = type->id;
    count_put(&t, expire_ms, &e->keys, &e->expires);
    dir__put(ks, d, t.hash, e->key, &v, expire_ms, access_for(ks, &t));
    return OK;
}

/* ---- all --------------------------------------------------------------------------- */

bool effect__two_keys(const effect *e, uint64_t *other_db, slice *other_key) {
    if (e->target != EFFECT_ENTRY || (e->op != ENTRY_MOVE && e->op != ENTRY_COPY))
        return false;
    if (e->argc != 2 || e->args[0].n != 8 || e->args[1].n > KEY_BYTES_MAX) return false;
    *other_db = get_u64(e->args[0].p);
    *other_key = e->args[1];
    return true;
}

/* e's key has been hashed. */
static int apply_to(keyspace *ks, db *d, effect *e) {
    e->keys = e->expires = e->src_keys = e->src_expires = 0;
    if (e->target == EFFECT_VALUE) return apply_value(ks, d, e);
    if (e->target != EFFECT_ENTRY) return ERR_CORRUPT;
    switch (e->op) {
    case ENTRY_SET: return apply_set(ks, d, e);
    case ENTRY_DEL: return apply_del(ks, d, e);
    case ENTRY_EXPIRE: return apply_expire(ks, d, e);
    case ENTRY_MOVE:
    case ENTRY_COPY: return apply_transfer(ks, d, e);
    case ENTRY_RESTORE: return apply_restore(ks, d, e);
    default: return ERR_CORRUPT; /* The byte may come from a damaged log. */
    }
}

static void hash_target(db *d, effect *e) {
    if (!e->hashed) e->hash = keyspace_hash(d, e->key);
}

int ks__apply(keyspace *ks, effect *e) {
    db *d = db__for_effect(ks, e->db);
    if (d == NULL || e->key.n > KEY_BYTES_MAX) return ERR_CORRUPT;
    hash_target(d, e);
    return apply_to(ks, d, e);
}

/* A catalogue that counts too few does not wrap. */
void ks__count(uint64_t *count, int8_t by) {
    if (by >= 0) *count += (uint64_t)by;
    else *count -= *count < (uint64_t)-by ? *count : (uint64_t)-by;
}

static void tell(keyspace *ks, db *d, slice key) {
    if (ks->hooks.changed != NULL) ks->hooks.changed(ks->cookies.changed, d, key);
}

static bool silent(const keyspace *ks, const effect *e) {
    if (e->target != EFFECT_VALUE) return false;
    const struct type *t = ks->types->by_id[e->type];
    return t->silent != NULL && t->silent(e->op);
}

int keyspace_apply(keyspace *ks, effect *e, bool live) {
    if (e->target == EFFECT_CATALOGUE) return db__catalogue(ks, e);
    db *d = db__for_effect(ks, e->db), *to = d;
    if (d == NULL || e->key.n > KEY_BYTES_MAX) return ERR_CORRUPT;
    hash_target(d, e);
    uint64_t to_id;
    slice to_key = e->key;
    bool two = effect__two_keys(e, &to_id, &to_key);
    if (two) to = db__for_effect(ks, to_id);
    if (to == NULL) return ERR_CORRUPT;
    if (d->pending != 0 || to->pending != 0) {
        int rc = pending__resolve_key(ks, d, e->hash, e->key);
        if (rc == OK && two)
            rc = pending__resolve_key(ks, to, keyspace_hash(to, to_key), to_key);
        if (rc != OK) return rc;
    }
    int rc = apply_to(ks, d, e);
    if (rc != OK) return rc;
    ks__count(&to->keys, e->keys);
    ks__count(&to->expires, e->expires);
    ks__count(&d->keys, e->src_keys);
    ks__count(&d->expires, e->src_expires);
    if (!live || silent(ks, e)) return OK;
    if (!two || e->op == ENTRY_MOVE) tell(ks, d, e->key);
    if (two) tell(ks, to, to_key);
    return OK;
}
