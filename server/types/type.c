/* type.c -- the set of a server's types, and what they share. */
#include <assert.h>
#include <string.h>

#include "types/value.h"

#define RDB_TYPES_END 0xFF

const struct type *type_by_rdb(const struct type_set *s, uint8_t rdb_type) {
    if (rdb_type == RDB_TYPES_END) return NULL;
    for (size_t i = 0; i < TYPES_MAX; i++) {
        const struct type *t = s->by_id[i];
        if (t == NULL || t->rdb_types == NULL) continue;
        for (const uint8_t *r = t->rdb_types; *r != RDB_TYPES_END; r++)
            if (*r == rdb_type) return t;
    }
    return NULL;
}

const struct type *type_by_name(const struct type_set *s, slice name) {
    for (size_t i = 0; i < TYPES_MAX; i++)
        if (s->by_id[i] != NULL && slice_is(name, s->by_id[i]->name)) return s->by_id[i];
    return NULL;
}

void type_add(struct type_set *s, const struct type *t) {
    assert(t->id != 0 && t->id < TYPES_MAX);
    assert(s->by_id[t->id] == NULL);
    assert(t->stored_ok != NULL);
    s->by_id[t->id] = t;
}

int value_take_built(struct value *v, struct value *built, buf *scratch, int rc) {
    assert(v->kind == VALUE_NONE && built->scratch == scratch && v->scratch != scratch);
    if (rc != OK && built->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, built->obj);
    if (rc == OK) {
        v->type = built->type;
        v->aux = built->aux;
        v->kind = built->kind;
        v->num = built->num;
        v->obj = built->obj;
    }
    if (rc == OK && v->kind == VALUE_RAW) { /* It may lie in that scratch. */
        v->scratch->n = 0;
        buf_append_slice(v->scratch, built->raw);
        v->raw = slice_of(v->scratch);
    }
    buf_free(scratch);
    return rc;
}

static int one_page(struct value *v, slice bytes) {
    pager *p = v->pager;
    uint8_t *to;
    object *o = p->ops->make(p, false, VALUE_COUNTED_META);
    if (o == NULL) return ERR_NOMEM;
    int rc = p->ops->mut(p, o, 0, bytes.n, &to);
    if (rc != OK) {
        p->ops->free(p, o);
        return rc;
    }
    memcpy(to, bytes.p, bytes.n);
    v->obj = o;
    return OK;
}

int value_become(struct value *v, uint64_t count, slice small, object **table, uint8_t as_page, uint8_t as_table) {
    v->kind = VALUE_NONE;
    if (count == 0) return OK;
    if (*table == NULL && small.n <= INLINE_BYTES_MAX) {
        v->scratch->n = 0;
        buf_append_slice(v->scratch, small);
        v->raw = slice_of(v->scratch);
        v->kind = VALUE_RAW;
        return OK;
    }
    if (*table == NULL) {
        int rc = one_page(v, small);
        if (rc != OK) return rc;
    } else {
        v->obj = *table;
    }
    uint8_t *meta = v->pager->ops->meta_mut(v->pager, v->obj);
    meta[0] = *table == NULL ? as_page : as_table;
    put_u64(meta + 1, count);
    v->kind = VALUE_OBJECT;
    *table = NULL;
    return OK;
}
