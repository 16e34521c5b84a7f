/* hash_build.c -- making a hash pair by pair. */
#include "types/hash_build.h"

#include "base/listpack.h"
#include "base/num.h"
#include "types/table.h"

#define PAIR_OVERHEAD 24 /* of a pair in a listpack: two headers and two lengths, at most */

bool hash_build_fits(const struct value *v, uint64_t pairs) {
    return pairs <= (uint64_t)v->config->hash_max_listpack_entries;
}

static bool short_enough(const struct value *v, slice s) {
    return s.n <= (uint64_t)v->config->hash_max_listpack_value;
}

static int table_set(struct hash_build *b, slice field, slice val, bool *added) {
    int rc = table_put(b->v->pager, b->table, field, val, added);
    if (rc == OK) b->count += *added;
    return rc;
}

int hash_build_table(struct hash_build *b) {
    pager *p = b->v->pager;
    b->table = p->ops->make(p, true, HASH_META_BYTES);
    if (b->table == NULL) return ERR_NOMEM;
    slice lp = slice_of(&b->lp);
    int rc = OK;
    b->count = 0;
    for (size_t at = lp.n == 0 ? 0 : lp_first(lp); rc == OK && at != 0;) {
        char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
        size_t val_at = lp_next(lp, at);
        bool added;
        rc = table_set(b, lp_get_bytes(lp, at, field_tmp), lp_get_bytes(lp, val_at, val_tmp),
                       &added);
        at = lp_next(lp, val_at);
    }
    buf_free(&b->lp);
    return rc;
}

int hash_build_set(struct hash_build *b, slice field, slice val, bool *added) {
    if (b->table != NULL) {
        if (!short_enough(b->v, field) || !short_enough(b->v, val)) b->aux |= HASH_AUX_TABLE;
        int rc = table_set(b, field, val, added);
        if (!hash_build_fits(b->v, b->count)) b->aux |= HASH_AUX_TABLE;
        return rc;
    }
    if (b->lp.n == 0) lp_new(&b->lp);
    bool too_long = !short_enough(b->v, field) || !short_enough(b->v, val);
    size_t at = 0;
    if (!too_long) {
        slice lp = slice_of(&b->lp);
        size_t first = lp_first(lp);
        at = first == 0 ? 0 : lp_find(lp, first, field, 1);
        if (!hash_build_fits(b->v, b->count + (at == 0))) too_long = true;
    }
    if (too_long) b->aux |= HASH_AUX_TABLE;
    if (too_long || b->lp.n + field.n + val.n + PAIR_OVERHEAD > PAGE_BYTES) {
        int rc = hash_build_table(b);
        return rc == OK ? table_set(b, field, val, added) : rc;
    }
    *added = at == 0;
    if (at != 0) {
        lp_replace(&b->lp, lp_next(slice_of(&b->lp), at), val);
        return OK;
    }
    lp_append(&b->lp, field);
    lp_append(&b->lp, val);
    b->count++;
    return OK;
}

/* The listpack as the only page of an object. */
static int make_page(struct hash_build *b) {
    struct value *v = b->v;
    pager *p = v->pager;
    uint8_t *to;
    object *o = p->ops->make(p, false, HASH_META_BYTES);
    if (o == NULL) return ERR_NOMEM;
    int rc = p->ops->mut(p, o, 0, b->lp.n, &to);
    if (rc != OK) {
        p->ops->free(p, o);
        return rc;
    }
    memcpy(to, b->lp.p, b->lp.n);
    v->obj = o;
    return OK;
}

int hash_build_end(struct hash_build *b) {
    struct value *v = b->v;
    pager *p = v->pager;
    int rc = OK;
    v->type = TYPE_HASH;
    v->aux = b->aux;
    v->kind = VALUE_NONE;
    if (b->count == 0) goto out;
    if (b->table == NULL && b->lp.n <= INLINE_BYTES_MAX) {
        v->scratch->n = 0;
        buf_append_slice(v->scratch, slice_of(&b->lp));
        v->raw = slice_of(v->scratch);
        v->kind = VALUE_RAW;
        goto out;
    }
    if (b->table != NULL) v->obj = b->table;
    else rc = make_page(b);
    if (rc != OK) goto out;
    uint8_t *meta = p->ops->meta_mut(p, v->obj);
    meta[0] = b->table != NULL ? HASH_OBJECT_TABLE : HASH_OBJECT_LISTPACK;
    put_u64(meta + 1, b->count);
    v->kind = VALUE_OBJECT;
    b->table = NULL;
out:
    hash_build_drop(b);
    return rc;
}

void hash_build_drop(struct hash_build *b) {
    if (b->table != NULL) b->v->pager->ops->free(b->v->pager, b->table);
    b->table = NULL;
    buf_free(&b->lp);
}
