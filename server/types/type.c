/* type.c -- the set of a server's types. */
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
