/* read.c -- looking a key up.
 *
 * The way of a hot lookup: hash; root node, child node; page; one bucket; the entry.
 * Nothing is allocated, and no function pointer is followed. */
#include "keyspace/keyspace_internal.h"

#include "base/hash.h"

uint64_t keyspace_hash(db *d, slice key) {
    return hash_key(d->ks->secret, key.p, key.n);
}

static void count(keyspace *ks, unsigned flags, bool hit) {
    if (!(flags & KS_COUNT)) return;
    if (hit)
        ks->stats.hits++;
    else
        ks->stats.misses++;
}

int keyspace_get(keyspace *ks, db *d, slice key, unsigned flags, struct entry *out) {
    return keyspace_get_hashed(ks, d, key, keyspace_hash(d, key), flags, out);
}

int keyspace_get_hashed(keyspace *ks, db *d, slice key, uint64_t hash, unsigned flags, struct entry *out) {
    if (d->pending != 0) {
        int rc = pending__resolve_key(ks, d, hash, key);
        if (rc != OK) return rc;
    }
    part *page;
    uint32_t off;
    int rc = dir__find(ks, d, hash, key, &page, &off);
    if (rc != OK) {
        if (rc == ERR_NOTFOUND) count(ks, flags, false);
        return rc;
    }
    struct head h;
    slice val = tpage_val(page->blob, off);
    head_read(val, &h);
    bool expired = h.expire_ms >= 0 && (uint64_t)h.expire_ms <= ks__now_ms(ks);
    if (expired && !(flags & KS_EXPIRED)) {
        count(ks, flags, false);
        return ERR_NOTFOUND;
    }
    dir__value(ks, page, off, &h, &out->value);
    if (h.kind == VALUE_OBJECT) {
        rc = object__ready(ks, out->value.obj);
        if (rc != OK) return rc;
    }
    count(ks, flags, !expired);
    out->access = h.access;
    out->access_at = tpage_val_touch(page->blob, off) + 4;
    if (flags & KS_TOUCH) {
        out->access = access__touched(ks, h.access);
        if (out->access != h.access) put_u32(out->access_at, out->access);
    }
    out->db = d;
    out->hash = hash;
    out->key = key;
    out->expire_ms = h.expire_ms;
    out->expired = expired;
    return OK;
}

size_t keyspace_entry_bytes(keyspace *ks, const struct entry *e) {
    (void)ks;
    size_t inline_bytes = e->value.kind == VALUE_RAW ? e->value.raw.n : 8;
    size_t sum = tpage_entry_bytes(e->key.n, HEAD_BYTES + inline_bytes);
    if (e->value.kind == VALUE_OBJECT) sum += object__resident_bytes(e->value.obj);
    return sum;
}

void keyspace_entry_kinds(const struct entry *e, size_t bytes[8]) {
    memset(bytes, 0, 8 * sizeof(*bytes));
    if (e->value.kind == VALUE_OBJECT) object__resident_kinds(e->value.obj, bytes);
}
