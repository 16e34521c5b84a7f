/* ahead.c -- what requests are about to look up comes into the processor's cache, for many of them at a
 * time and step by step for all: so their waits for memory overlap.
 *
 *   keys      descriptors, page headers, buckets, entries
 *   elements  the same in the tables that the keys hold; other objects know their own way (type.ahead)
 *
 * Nothing is asked for, and nothing counts as used. */
#include "keyspace/keyspace_internal.h"

#include "base/hash.h"

void keyspace_prefetch(db *d, slice key) {
    uint64_t hash = keyspace_hash(d, key);
    part *p;
    if (trie_find(&d->dir, hash, &p) == OK && p->blob != NULL)
        tpage_prefetch(p->blob, hash);
}

/* Headers, buckets, entries of resident pages: a miss of each kind for all of them at a time. */
static void prefetch_pages(part **page, const uint64_t *hash, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (page[i] != NULL && page[i]->blob != NULL) __builtin_prefetch(page[i]->blob);
        else page[i] = NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (page[i] != NULL) tpage_prefetch(page[i]->blob, hash[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (page[i] != NULL) tpage_prefetch_entry(page[i]->blob, hash[i]);
    }
}

/* The value that the key holds and that is in memory. */
static bool object_of(const struct keyspace_ahead *a, struct value *v) {
    part *p;
    if (trie_find(&a->db->dir, a->hash, &p) != OK || p->blob == NULL) return false;
    uint32_t off = tpage_find(p->blob, a->hash, a->key);
    if (off == TPAGE_NONE) return false;
    struct head h;
    head_read(tpage_val(p->blob, off), &h);
    if (h.kind != VALUE_OBJECT) return false;
    dir__value_init(a->db->ks, v);
    v->type = h.type;
    v->kind = h.kind;
    v->aux = h.aux;
    v->obj = payload_object(h.payload);
    return v->obj != NULL;
}

static void table_elements(const struct value *v, const struct keyspace_ahead *a, size_t n) {
    part *page[PREFETCH_MAX];
    uint64_t hash[PREFETCH_MAX];
    for (size_t i = 0; i < n; i++) {
        hash[i] = hash_key(a->db->ks->secret, a[i].element.p, a[i].element.n);
        if (trie_find(&v->obj->trie, hash[i], &page[i]) != OK) page[i] = NULL;
        else __builtin_prefetch(page[i]);
    }
    prefetch_pages(page, hash, n);
}

/* Of one key. */
static void elements(const struct keyspace_ahead *a, size_t n) {
    struct value v;
    if (!object_of(a, &v)) return;
    if (v.obj->hashed) {
        table_elements(&v, a, n);
        return;
    }
    const struct type *type = a->db->ks->types->by_id[v.type];
    if (type->ahead == NULL) return;
    slice element[PREFETCH_MAX], score[PREFETCH_MAX];
    for (size_t i = 0; i < n; i++) {
        element[i] = a[i].element;
        score[i] = a[i].score;
    }
    type->ahead(&v, element, score, n);
}

void keyspace_prefetch_many(struct keyspace_ahead *a, size_t n) {
    part *page[PREFETCH_MAX];
    uint64_t hash[PREFETCH_MAX];
    assert(n <= PREFETCH_MAX);
    if (n == 0) return;
    hash[0] = 0; /* For compilers that do not see that there is one. */
    for (size_t i = 0; i < n; i++) {
        a[i].hash = hash[i] = keyspace_hash(a[i].db, a[i].key);
        if (trie_find(&a[i].db->dir, hash[i], &page[i]) != OK) page[i] = NULL;
        else __builtin_prefetch(page[i]);
    }
    prefetch_pages(page, hash, n);
    for (size_t i = 0, end; i < n; i = end) {
        bool same = a[i].element.p != NULL;
        for (end = i + 1; end < n && same; end++) {
            same = a[end].element.p != NULL && a[end].db == a[i].db && slice_eq(a[end].key, a[i].key);
            if (!same) break;
        }
        if (a[i].element.p != NULL) elements(a + i, end - i);
    }
}
