/* keep.c -- values kept as they are while what their keys hold changes: for who reads one in many turns.
 *
 * To keep an object is to hold one more reference to it, as a COPY does: whoever changes the key's value then makes a
 * clone first. A value that lies in its entry is copied; it is small. A kept value is no data: no checkpoint sees it,
 * and the store keeps its pages for as long as the data it was taken from have been stored with them. So the tier says
 * when it begins to look for what can be deleted (keyspace_keep_anew()), and what was kept before that is worth
 * nothing from then on. */
#include "base/mem.h"
#include "keyspace/keyspace_internal.h"

struct ks_kept {
    list link; /* keyspace.kept */
    keyspace *ks;
    bool stale;
    struct value value;
    uint8_t raw[];
};

ks_kept *keyspace_keep(keyspace *ks, const struct value *v) {
    size_t n = v->kind == VALUE_RAW ? v->raw.n : 0;
    ks_kept *k = mem_calloc(1, sizeof(*k) + n);
    k->ks = ks;
    k->value = *v;
    if (n > 0) memcpy(k->raw, v->raw.p, n);
    if (v->kind == VALUE_RAW) k->value.raw = slice_make(k->raw, n);
    if (v->kind == VALUE_OBJECT) v->obj->refs++;
    list_push_back(&ks->kept, &k->link);
    return k;
}

const struct value *kept_value(const ks_kept *k) { return k->stale ? NULL : &k->value; }

void keyspace_keep_end(ks_kept *k) {
    if (k == NULL) return;
    list_remove(&k->link);
    if (k->value.kind == VALUE_OBJECT) object__put(k->ks, k->value.obj);
    mem_free(k);
}

void keyspace_keep_anew(keyspace *ks) {
    LIST_FOR(l, &ks->kept) LIST_ENTRY(l, ks_kept, link)->stale = true;
}

void keep__each(keyspace *ks, void (*each)(void *cookie, object *o), void *cookie) {
    LIST_FOR(l, &ks->kept) {
        const ks_kept *k = LIST_ENTRY(l, ks_kept, link);
        if (k->value.kind == VALUE_OBJECT) each(cookie, k->value.obj);
    }
}
