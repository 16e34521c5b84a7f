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

const uint8_t hash_rdb_types[] = {RDB_HASH, RDB_HASH_ZIPMAP, RDB_HASH_ZIPLIST,
                                  RDB_HASH_LISTPACK, RDB_END};

struct dump {
    buf *out;
    uint64_t left; /* of the pairs that the payload promises */
};

static int dump_pair(void *cookie, slice field, slice val) {
    struct dump *d = cookie;
    if (d->left-- == 0) return ERR_CORRUPT;
    rdb_write_string(d->out, field);
    rdb_write_string(d->out, val);
    return 0;
}

int hash_dump(struct value *v, buf *out) {
    slice lp;
    int rc = hash__listpack(v, &lp);
    if (rc == OK) {
        buf_u8(out, RDB_HASH_LISTPACK);
        rdb_write_string(out, lp);
        return OK;
    }
    if (rc != ERR_NOTFOUND) return rc;
    size_t start = out->n;
    buf_u8(out, RDB_HASH);
    struct dump d = {out, hash_len(v)};
    rdb_write_len(out, d.left);
    rc = hash_each(v, dump_pair, &d);
    if (rc == OK && d.left != 0) rc = ERR_CORRUPT;
    if (rc != OK) out->n = start;
    return rc;
}

/* ---- restore ------------------------------------------------------------------------------ */

static int add_new(struct hash_build *b, slice field, slice val) {
    bool added = false;
    if (hash_pair_ok(field, val) != OK) return ERR_CORRUPT;
    int rc = hash_build_set(b, field, val, &added);
    return rc == OK && !added ? ERR_CORRUPT : rc; /* A field twice. */
}

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
    } else {
        rc = rdb_read_string(r, &store, &blob);
        if (rc == OK && rdb_type == RDB_HASH_LISTPACK) rc = restore_listpack(&b, blob);
        else if (rc == OK && rdb_type == RDB_HASH_ZIPLIST) rc = restore_flat(&b, blob, false);
        else if (rc == OK && rdb_type == RDB_HASH_ZIPMAP) rc = restore_flat(&b, blob, true);
        else if (rc == OK) rc = ERR_CORRUPT;
    }
    buf_free(&store);
    if (rc == OK) return hash_build_end(&b);
    hash_build_drop(&b);
    return rc;
}
