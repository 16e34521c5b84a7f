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
