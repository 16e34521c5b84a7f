/* hash_build.c -- making a hash pair by pair. */
#include "types/hash_build.h"

#include "base/listpack.h"
#include "base/num.h"
#include "types/hash.h"
#include "types/table.h"

#define PAIR_OVERHEAD 40 /* of a field in a listpack: headers, lengths and an expiry, at most */

bool hash_build_fits(const struct value *v, uint64_t pairs) {
    return pairs <= (uint64_t)v->config->hash_max_listpack_entries;
}

static bool short_enough(const struct value *v, slice s) {
    return s.n <= (uint64_t)v->config->hash_max_listpack_value;
}

/* Somebody has to look when this time has come. */
static void note_expiry(pager *p, object *o, int64_t expire_ms) {
    struct pager_look *l = p->ops->look(o);
    if (expire_ms < l->at_ms) l->at_ms = expire_ms;
    if (expire_ms < l->least_ms) l->least_ms = expire_ms;
}

static int table_set(struct hash_build *b, slice field, slice val, int64_t expire_ms, bool *added) {
    pager *p = b->v->pager;
    if (expire_ms == HASH_KEEP) {
        slice stored, old;
        bool marked;
        expire_ms = 0;
        int rc = table_get_marked(p, b->table, field, &stored, &marked);
        if (rc == OK) rc = hash__entry(stored, marked, &old, &expire_ms);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
    }
    int rc;
    if (expire_ms == 0) {
        rc = table_put(p, b->table, field, val, added);
    } else {
        uint8_t head[8];
        put_u64(head, (uint64_t)expire_ms);
        rc = table_put_marked(p, b->table, field, slice_make(head, 8), val, added);
        b->aux |= HASH_AUX_EXPIRES;
    }
    if (rc != OK) return rc;
    if (expire_ms != 0) note_expiry(p, b->table, expire_ms);
    b->count += *added;
    return OK;
}

int hash_build_table(struct hash_build *b) {
    pager *p = b->v->pager;
    b->table = p->ops->make(p, true, HASH_META_BYTES);
    if (b->table == NULL) return ERR_NOMEM;
    slice lp = slice_of(&b->lp);
    bool timed = (b->aux & HASH_AUX_EXPIRES) != 0;
    int rc = OK;
    b->count = 0;
    for (size_t at = lp.n == 0 ? 0 : lp_first(lp); rc == OK && at != 0;) {
        char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
        bool added;
        rc = table_set(b, lp_get_bytes(lp, at, field_tmp),
                       lp_get_bytes(lp, lp_next(lp, at), val_tmp), hash__lp_expiry(lp, timed, at),
                       &added);
        at = hash__lp_next(lp, timed, at);
    }
    buf_free(&b->lp);
    return rc;
}

int hash_build_set(struct hash_build *b, slice field, slice val, int64_t expire_ms, bool *added) {
    if (b->table != NULL) {
        if (!short_enough(b->v, field) || !short_enough(b->v, val)) b->aux |= HASH_AUX_TABLE;
        int rc = table_set(b, field, val, expire_ms, added);
        if (!hash_build_fits(b->v, b->count)) b->aux |= HASH_AUX_TABLE;
        return rc;
    }
    if (b->lp.n == 0) lp_new(&b->lp);
    if (expire_ms > 0 && !(b->aux & HASH_AUX_EXPIRES)) {
        hash__lp_make_timed(&b->lp);
        b->aux |= HASH_AUX_EXPIRES;
    }
    bool timed = (b->aux & HASH_AUX_EXPIRES) != 0;
    bool too_long = !short_enough(b->v, field) || !short_enough(b->v, val);
    size_t at = 0;
    if (!too_long) {
        at = hash__lp_find(slice_of(&b->lp), timed, field);
        if (!hash_build_fits(b->v, b->count + (at == 0))) too_long = true;
    }
    if (too_long) b->aux |= HASH_AUX_TABLE;
    if (too_long || b->lp.n + field.n + val.n + PAIR_OVERHEAD > PAGE_BYTES) {
        int rc = hash_build_table(b);
        return rc == OK ? table_set(b, field, val, expire_ms, added) : rc;
    }
    *added = at == 0;
    if (expire_ms == HASH_KEEP) expire_ms = at == 0 ? 0 : hash__lp_expiry(slice_of(&b->lp), timed, at);
    hash__lp_put(&b->lp, timed, at, field, val, expire_ms);
    b->count += *added;
    return OK;
}

/* Is it there, and what is its value? */
static int value_of(struct hash_build *b, slice field, buf *val) {
    if (b->table == NULL) {
        char tmp[NUM_LL_MAX];
        slice lp = slice_of(&b->lp);
        size_t at = hash__lp_find(lp, (b->aux & HASH_AUX_EXPIRES) != 0, field);
        if (at == 0) return ERR_NOTFOUND;
        buf_append_slice(val, lp_get_bytes(lp, lp_next(lp, at), tmp));
        return OK;
    }
    slice stored, bytes;
    bool marked;
    int64_t old;
    int rc = table_get_marked(b->v->pager, b->table, field, &stored, &marked);
    if (rc == OK) rc = hash__entry(stored, marked, &bytes, &old);
    if (rc == OK) buf_append_slice(val, bytes);
    return rc;
}

int hash_build_expire(struct hash_build *b, slice field, int64_t expire_ms) {
    buf val = BUF_INIT;
    bool added;
    int rc = value_of(b, field, &val);
    if (rc == OK && hash_pair_ok(field, slice_of(&val)) == OK) {
        rc = hash_build_set(b, field, slice_of(&val), expire_ms, &added);
    }
    buf_free(&val);
    return rc == ERR_NOTFOUND ? OK : rc;
}

void hash__note_first(struct value *v, slice lp) {
    if (!(v->aux & HASH_AUX_EXPIRES)) return;
    size_t at = lp_first(lp);
    int64_t first = at == 0 ? 0 : hash__lp_expiry(lp, true, at);
    v->pager->ops->look(v->obj)->at_ms = first == 0 ? INT64_MAX : first;
}

int hash_build_end(struct hash_build *b) {
    struct value *v = b->v;
    v->type = TYPE_HASH;
    v->aux = b->aux;
    bool paged = b->table == NULL;
    int rc = value_become(v, b->count, slice_of(&b->lp), &b->table, HASH_OBJECT_LISTPACK, HASH_OBJECT_TABLE);
    if (rc == OK && paged && v->kind == VALUE_OBJECT) hash__note_first(v, slice_of(&b->lp));
    hash_build_drop(b);
    return rc;
}

void hash_build_drop(struct hash_build *b) {
    if (b->table != NULL) b->v->pager->ops->free(b->v->pager, b->table);
    b->table = NULL;
    buf_free(&b->lp);
}
