/* hash_rdb.c -- hashes as RDB payloads.
 *
 * Everything that restore takes is built anew, pair by pair, so that nothing of a payload but its
 * strings gets into the server; only a listpack that passed every check is taken as it is. */
#include <assert.h>

#include "base/listpack.h"
#include "base/mem.h"
#include "base/num.h"
#include "types/hash.h"
#include "types/hash_build.h"
#include "types/rdb.h"
#include "types/ziplist.h"

const uint8_t hash_rdb_types[] = {
    RDB_HASH, RDB_HASH_ZIPMAP, RDB_HASH_ZIPLIST, RDB_HASH_LISTPACK, RDB_HASH_METADATA_OLD,
    RDB_HASH_LISTPACK_EX_OLD, RDB_HASH_METADATA, RDB_HASH_LISTPACK_EX, RDB_END};

/* ---- dump --------------------------------------------------------------------------------- */

/* What a dump is about to hold: fields that have expired are left out, unless all have; then the dump is what
 * Redis's would be, a hash of which nothing is seen. */
struct census {
    int64_t now, first; /* first: the least expiry of what is dumped; 0: there is none */
    uint64_t n;
};

static bool dumped(int64_t now, int64_t expire_ms) { return expire_ms == 0 || expire_ms >= now; }

static int count_field(void *cookie, slice field, slice val, int64_t expire_ms) {
    struct census *c = cookie;
    (void)field;
    (void)val;
    if (!dumped(c->now, expire_ms)) return 0;
    c->n++;
    if (expire_ms != 0 && (c->first == 0 || expire_ms < c->first)) c->first = expire_ms;
    return 0;
}

static int take_census(struct value *v, int64_t now, struct census *c) {
    uint64_t cursor = 0;
    *c = (struct census){.now = now};
    return hash__scan(v, &cursor, SIZE_MAX, count_field, c);
}

struct dump {
    buf *out;
    const struct census *census;
    uint64_t left; /* of the fields that the payload promises */
};

static int dump_field(void *cookie, slice field, slice val, int64_t expire_ms) {
    struct dump *d = cookie;
    int64_t first = d->census->first;
    if (!dumped(d->census->now, expire_ms)) return 0;
    if (d->left-- == 0) return ERR_CORRUPT;
    if (first != 0) rdb_write_len(d->out, expire_ms == 0 ? 0 : (uint64_t)(expire_ms - first) + 1);
    rdb_write_string(d->out, field);
    rdb_write_string(d->out, val);
    return 0;
}

static int dump_table(struct value *v, const struct census *c, buf *out) {
    uint64_t cursor = 0;
    size_t start = out->n;
    struct dump d = {out, c, c->n};
    buf_u8(out, c->first != 0 ? RDB_HASH_METADATA : RDB_HASH);
    if (c->first != 0) buf_u64(out, (uint64_t)c->first);
    rdb_write_len(out, d.left);
    int rc = hash__scan(v, &cursor, SIZE_MAX, dump_field, &d);
    if (rc == OK && d.left != 0) rc = ERR_CORRUPT;
    if (rc != OK) out->n = start;
    return rc;
}

/* The listpack without what has expired, as pairs when no field has an expiry. */
static int dump_small(slice lp, bool timed, const struct census *c, buf *out) {
    buf to = BUF_INIT;
    lp_new(&to);
    for (size_t at = lp_first(lp); at != 0; at = hash__lp_next(lp, timed, at)) {
        char field[NUM_LL_MAX], val[NUM_LL_MAX];
        int64_t expire_ms = hash__lp_expiry(lp, timed, at);
        if (!dumped(c->now, expire_ms)) continue;
        lp_append(&to, lp_get_bytes(lp, at, field));
        lp_append(&to, lp_get_bytes(lp, lp_next(lp, at), val));
        if (c->first != 0) lp_append_int(&to, expire_ms);
    }
    buf_u8(out, c->first != 0 ? RDB_HASH_LISTPACK_EX : RDB_HASH_LISTPACK);
    if (c->first != 0) buf_u64(out, (uint64_t)c->first);
    rdb_write_string(out, slice_of(&to));
    buf_free(&to);
    return OK;
}

int hash_dump(struct value *v, buf *out) {
    slice lp;
    struct census c = {.n = hash_len(v)};
    int rc = hash_timed(v) ? take_census(v, v->now_ms, &c) : OK;
    if (rc == OK && c.n == 0) rc = take_census(v, 0, &c);
    if (rc != OK) return rc;
    rc = hash__listpack(v, &lp);
    if (rc == ERR_NOTFOUND) return dump_table(v, &c, out);
    if (rc != OK) return rc;
    if (hash_timed(v)) return dump_small(lp, true, &c, out);
    buf_u8(out, RDB_HASH_LISTPACK);
    rdb_write_string(out, lp);
    return OK;
}

/* ---- restore ------------------------------------------------------------------------------ */

static int add_timed(struct hash_build *b, slice field, slice val, int64_t expire_ms) {
    bool added = false;
    if (hash_pair_ok(field, val) != OK) return ERR_CORRUPT;
    int rc = hash_build_set(b, field, val, expire_ms, &added);
    return rc == OK && !added ? ERR_CORRUPT : rc; /* A field twice. */
}

static int add_new(struct hash_build *b, slice field, slice val) { return add_timed(b, field, val, 0); }

static int restore_pairs(struct hash_build *b, reader *r) {
    uint64_t pairs = rdb_read_count(r, 2);
    if (r->bad || pairs == 0) return ERR_CORRUPT;
    buf field_store = BUF_INIT, val_store = BUF_INIT;
    int rc = OK;
    for (uint64_t i = 0; i < pairs && rc == OK; i++) {
        slice field, val;
        rc = rdb_read_string(r, &field_store, &field);
        if (rc == OK) rc = rdb_read_string(r, &val_store, &val);
        if (rc == OK) rc = add_new(b, field, val);
    }
    buf_free(&field_store);
    buf_free(&val_store);
    return rc;
}

/* An expiry of 0 is none; what is later than can be is wrong. */
static bool expiry_ok(uint64_t expire_ms) { return expire_ms <= (uint64_t)HASH_EXPIRE_MAX; }

/* The expiry of a field is told against the least of all, or, in the older form, as it is. */
static int restore_metadata(struct hash_build *b, reader *r, bool old) {
    uint64_t first = old ? 0 : read_u64(r), fields = rdb_read_count(r, 3);
    if (r->bad || fields == 0 || !expiry_ok(first)) return ERR_CORRUPT;
    buf field_store = BUF_INIT, val_store = BUF_INIT;
    int rc = OK;
    for (uint64_t i = 0; i < fields && rc == OK; i++) {
        slice field, val;
        uint64_t at = rdb_read_len(r);
        if (r->bad || !expiry_ok(at)) rc = ERR_CORRUPT;
        if (at != 0 && !old) at += first - 1;
        if (rc == OK && !expiry_ok(at)) rc = ERR_CORRUPT;
        if (rc == OK) rc = rdb_read_string(r, &field_store, &field);
        if (rc == OK) rc = rdb_read_string(r, &val_store, &val);
        if (rc == OK) rc = add_timed(b, field, val, (int64_t)at);
    }
    buf_free(&field_store);
    buf_free(&val_store);
    return rc;
}

/* Built anew: the order of the fields is ours to keep. */
static int restore_triples(struct hash_build *b, slice lp) {
    if (lp.n > LP_BYTES_MAX || lp_check(lp, true) != OK) return ERR_CORRUPT;
    size_t count = lp_count(lp);
    if (count == 0 || count % 3 != 0) return ERR_CORRUPT;
    int rc = OK;
    for (size_t at = lp_first(lp); at != 0 && rc == OK; at = hash__lp_next(lp, true, at)) {
        char field[NUM_LL_MAX], val[NUM_LL_MAX];
        size_t val_at = lp_next(lp, at);
        struct lp_value expiry = lp_get(lp, lp_next(lp, val_at));
        if (!expiry.is_int || expiry.num < 0 || !expiry_ok((uint64_t)expiry.num)) return ERR_CORRUPT;
        rc = add_timed(b, lp_get_bytes(lp, at, field), lp_get_bytes(lp, val_at, val), expiry.num);
    }
    return rc;
}

struct flat { /* elements that come one by one: a field, its value, a field... */
    struct hash_build *b;
    buf field;
    bool has_field;
};

static int flat_next(void *cookie, slice bytes) {
    struct flat *f = cookie;
    f->has_field = !f->has_field;
    if (!f->has_field) return add_new(f->b, slice_of(&f->field), bytes);
    f->field.n = 0;
    buf_append_slice(&f->field, bytes);
    return OK;
}

static int restore_flat(struct hash_build *b, slice blob, bool zipmap) {
    struct flat f = {b, BUF_INIT, false};
    int rc = zipmap ? zipmap_each(blob, flat_next, &f) : ziplist_each(blob, flat_next, &f);
    buf_free(&f.field);
    return rc == OK && (f.has_field || b->count == 0) ? ERR_CORRUPT : rc;
}

/* No field twice? A small open table of positions; the hash is keyed, so that nobody can choose
 * fields that meet. */
static int fields_differ(pager *p, slice lp) {
    size_t pairs = lp_count(lp) / 2, size = 16;
    while (size < pairs * 2) size *= 2;
    uint32_t *table = mem_try_calloc(size, sizeof(*table));
    if (table == NULL) return ERR_NOMEM;
    int rc = OK;
    for (size_t at = lp_first(lp); at != 0 && rc == OK;) {
        char tmp[NUM_LL_MAX];
        slice field = lp_get_bytes(lp, at, tmp);
        size_t i = p->ops->hash(p, field) & (size - 1);
        while (table[i] != 0 && !lp_equals(lp, table[i], field)) i = (i + 1) & (size - 1);
        if (table[i] != 0) rc = ERR_CORRUPT;
        table[i] = (uint32_t)at;
        at = lp_next(lp, lp_next(lp, at));
    }
    mem_free(table);
    return rc;
}

static int restore_listpack(struct hash_build *b, slice lp) {
    if (lp.n > LP_BYTES_MAX || lp_check(lp, true) != OK) return ERR_CORRUPT;
    size_t count = lp_count(lp);
    if (count == 0 || count % 2 != 0) return ERR_CORRUPT;
    int rc = fields_differ(b->v->pager, lp);
    if (rc != OK) return rc;
    if (hash_build_fits(b->v, count / 2) && lp.n <= PAGE_BYTES) {
        buf_append_slice(&b->lp, lp);
        b->count = count / 2;
        return OK;
    }
    for (size_t at = lp_first(lp); at != 0 && rc == OK;) {
        char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
        size_t val_at = lp_next(lp, at);
        rc = add_new(b, lp_get_bytes(lp, at, field_tmp), lp_get_bytes(lp, val_at, val_tmp));
        at = lp_next(lp, val_at);
    }
    return rc;
}

int hash_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version) {
    (void)rdb_version; /* A type byte always meant the same. */
    assert(v->kind == VALUE_NONE);
    struct hash_build b = {.v = v, .lp = BUF_INIT};
    buf store = BUF_INIT;
    slice blob;
    int rc;
    if (rdb_type == RDB_HASH) {
        rc = restore_pairs(&b, r);
    } else if (rdb_type == RDB_HASH_METADATA || rdb_type == RDB_HASH_METADATA_OLD) {
        rc = restore_metadata(&b, r, rdb_type == RDB_HASH_METADATA_OLD);
    } else {
        if (rdb_type == RDB_HASH_LISTPACK_EX) (void)read_u64(r); /* The least expiry: it is found again. */
        rc = rdb_read_string(r, &store, &blob);
        if (rc == OK && rdb_type == RDB_HASH_LISTPACK) rc = restore_listpack(&b, blob);
        else if (rc == OK && (rdb_type == RDB_HASH_LISTPACK_EX || rdb_type == RDB_HASH_LISTPACK_EX_OLD))
            rc = restore_triples(&b, blob);
        else if (rc == OK && rdb_type == RDB_HASH_ZIPLIST) rc = restore_flat(&b, blob, false);
        else if (rc == OK && rdb_type == RDB_HASH_ZIPMAP) rc = restore_flat(&b, blob, true);
        else if (rc == OK) rc = ERR_CORRUPT;
    }
    buf_free(&store);
    if (rc == OK) return hash_build_end(&b);
    hash_build_drop(&b);
    return rc;
}
