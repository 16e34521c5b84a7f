/* hash.c -- the hash type: reading it, and its effects. */
#include "types/hash.h"

#include <assert.h>
#include <stdio.h>

#include "base/listpack.h"
#include "types/digest.h"
#include "types/hash_build.h"
#include "types/table.h"

int hash_pair_ok(slice field, slice value) {
    if (field.n > KEY_BYTES_MAX || value.n > TABLE_ENTRY_MAX - KEY_BYTES_MAX) return ERR_LIMIT;
    return OK;
}

/* ---- looking ------------------------------------------------------------------------------ */

static bool hash_stored_ok(const struct stored_value *s) {
    if (s->aux > HASH_AUX_TABLE || s->kind == VALUE_INT) return false;
    if (s->kind != VALUE_OBJECT) return true;
    if (s->bytes.n != HASH_META_BYTES) return false;
    uint64_t pairs = get_u64(s->bytes.p + 1);
    return s->bytes.p[0] == (s->hashed ? HASH_OBJECT_TABLE : HASH_OBJECT_LISTPACK) && pairs > 0 &&
           pairs <= VALUE_COUNT_MAX;
}

static const uint8_t *object_meta(const struct value *v) {
    assert(v->pager->ops->meta_bytes(v->obj) == HASH_META_BYTES);
    return v->pager->ops->meta(v->obj);
}

static bool is_table(const struct value *v) {
    return v->kind == VALUE_OBJECT && object_meta(v)[0] == HASH_OBJECT_TABLE;
}

int hash__listpack(const struct value *v, slice *lp) {
    if (v->kind == VALUE_NONE || is_table(v)) return ERR_NOTFOUND;
    if (v->kind == VALUE_RAW) {
        *lp = v->raw;
    } else {
        int rc = v->pager->ops->get(v->pager, v->obj, 0, lp);
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    }
    /* It may have come from the store. The check walks it once, as the search does that
     * follows. */
    int rc = lp_check(*lp, true);
    return rc == OK && lp_count(*lp) % 2 != 0 ? ERR_CORRUPT : rc;
}

uint64_t hash_len(const struct value *v) {
    if (v->kind == VALUE_OBJECT) return get_u64(object_meta(v) + 1);
    if (v->kind != VALUE_RAW || lp_check(v->raw, false) != OK) return 0;
    return lp_count(v->raw) / 2;
}

int hash_get(const struct value *v, slice field, slice *val, char tmp[NUM_LL_MAX]) {
    if (is_table(v)) {
        slice unused;
        return table_get(v->pager, v->obj, field, val != NULL ? val : &unused);
    }
    slice lp;
    int rc = hash__listpack(v, &lp);
    if (rc != OK) return rc;
    size_t at = lp_first(lp);
    if (at != 0) at = lp_find(lp, at, field, 1);
    if (at == 0) return ERR_NOTFOUND;
    if (val != NULL) *val = lp_get_bytes(lp, lp_next(lp, at), tmp);
    return OK;
}

int hash_need(const struct value *v, slice field) {
    if (v->kind != VALUE_OBJECT) return OK;
    if (is_table(v)) return table_need(v->pager, v->obj, field);
    return v->pager->ops->need(v->pager, v->obj, 0);
}

int hash_scan(const struct value *v, uint64_t *cursor, size_t count, hash_each_fn *each,
              void *cookie) {
    if (is_table(v)) return table_scan(v->pager, v->obj, cursor, count, each, cookie);
    slice lp;
    int rc = hash__listpack(v, &lp);
    if (rc == ERR_NOTFOUND) {
        *cursor = 0;
        return OK;
    }
    if (rc != OK) return rc;
    for (size_t at = lp_first(lp); at != 0;) {
        char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
        size_t val_at = lp_next(lp, at);
        rc = each(cookie, lp_get_bytes(lp, at, field_tmp), lp_get_bytes(lp, val_at, val_tmp));
        if (rc != 0) return rc;
        at = lp_next(lp, val_at);
    }
    *cursor = 0;
    return OK;
}

int hash_each(const struct value *v, hash_each_fn *each, void *cookie) {
    uint64_t cursor = 0;
    return hash_scan(v, &cursor, SIZE_MAX, each, cookie);
}

int hash_random(const struct value *v, uint64_t r, slice *field, char field_tmp[NUM_LL_MAX],
                slice *val, char val_tmp[NUM_LL_MAX]) {
    slice unused;
    if (is_table(v))
        return table_random(v->pager, v->obj, r, field, val != NULL ? val : &unused);
    slice lp;
    int rc = hash__listpack(v, &lp);
    if (rc != OK) return rc;
    size_t pairs = lp_count(lp) / 2;
    if (pairs == 0) return ERR_NOTFOUND;
    size_t at = lp_seek(lp, (long)(r % pairs * 2));
    *field = lp_get_bytes(lp, at, field_tmp);
    if (val != NULL) *val = lp_get_bytes(lp, lp_next(lp, at), val_tmp);
    return OK;
}

/* ---- effects ------------------------------------------------------------------------------ */

static void drop_object(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
    v->obj = NULL;
    v->kind = VALUE_NONE;
}

/* Puts the listpack of b back to where the value keeps one: the same page if it has one and still
 * needs it. */
static int put_back(struct value *v, struct hash_build *b) {
    pager *p = v->pager;
    bool stays = v->kind == VALUE_OBJECT && b->table == NULL && b->count > 0 &&
                 b->lp.n > INLINE_BYTES_MAX / 2;
    if (!stays) {
        struct value before = *v;
        int rc = hash_build_end(b);
        if (rc == OK) drop_object(&before);
        else *v = before;
        return rc;
    }
    uint8_t *to;
    int rc = p->ops->mut(p, v->obj, 0, b->lp.n, &to);
    if (rc == OK) {
        memcpy(to, b->lp.p, b->lp.n);
        put_u64(p->ops->meta_mut(p, v->obj) + 1, b->count);
    }
    hash_build_drop(b);
    return rc;
}

static void start_build(struct value *v, slice lp, struct hash_build *b) {
    *b = (struct hash_build){.v = v, .lp = BUF_INIT};
    if (lp.n == 0) return;
    buf_append_slice(&b->lp, lp);
    b->count = lp_count(lp) / 2;
}

static int need_fields(struct value *v, const effect *e, size_t step) {
    int rc = OK;
    for (size_t i = 0; i < e->argc; i += step) {
        int one = hash_need(v, e->args[i]);
        if (one == ERR_COLD) rc = ERR_COLD; /* The others are asked for as well. */
        else if (one != OK) return one;
    }
    return rc;
}

static int set_in_table(struct value *v, const effect *e) {
    pager *p = v->pager;
    struct hash_build b = {.v = v, .table = v->obj, .count = hash_len(v), .aux = v->aux};
    int rc = need_fields(v, e, 2);
    if (rc != OK) return rc;
    for (size_t i = 0; i < e->argc && rc == OK; i += 2) {
        bool added;
        rc = hash_build_set(&b, e->args[i], e->args[i + 1], &added);
    }
    if (b.count != hash_len(v)) put_u64(p->ops->meta_mut(p, v->obj) + 1, b.count);
    v->aux = b.aux;
    return rc;
}

static int apply_set(struct value *v, const effect *e) {
    if (e->argc == 0 || e->argc % 2 != 0) return ERR_CORRUPT;
    for (size_t i = 0; i < e->argc; i += 2)
        if (hash_pair_ok(e->args[i], e->args[i + 1]) != OK) return ERR_CORRUPT;
    if (is_table(v)) return set_in_table(v, e);
    slice lp = slice_make(NULL, 0);
    int rc = hash__listpack(v, &lp);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    struct hash_build b;
    start_build(v, lp, &b);
    for (size_t i = 0; i < e->argc; i += 2) {
        bool added;
        rc = hash_build_set(&b, e->args[i], e->args[i + 1], &added);
        if (rc != OK) {
            hash_build_drop(&b);
            return rc;
        }
    }
    return put_back(v, &b);
}

static int del_in_table(struct value *v, const effect *e) {
    pager *p = v->pager;
    uint64_t count = hash_len(v);
    int rc = need_fields(v, e, 1);
    if (rc != OK) return rc;
    /* A count that is too low, from the store, does not wrap. */
    for (size_t i = 0; i < e->argc && rc == OK && count > 0; i++) {
        bool removed;
        rc = table_del(p, v->obj, e->args[i], &removed);
        count -= removed;
    }
    if (count == 0) drop_object(v);
    else if (count != hash_len(v)) put_u64(p->ops->meta_mut(p, v->obj) + 1, count);
    return rc;
}

static int apply_del(struct value *v, const effect *e) {
    if (v->kind == VALUE_NONE) return OK;
    if (is_table(v)) return del_in_table(v, e);
    slice lp;
    int rc = hash__listpack(v, &lp);
    if (rc != OK) return rc;
    struct hash_build b;
    start_build(v, lp, &b);
    uint64_t had = b.count;
    for (size_t i = 0; i < e->argc && b.count > 0; i++) {
        size_t at = lp_find(slice_of(&b.lp), lp_first(slice_of(&b.lp)), e->args[i], 1);
        if (at == 0) continue;
        lp_delete(&b.lp, at, 2);
        b.count--;
    }
    if (b.count == had) {
        hash_build_drop(&b);
        return OK;
    }
    return put_back(v, &b);
}

static int hash_apply(struct value *v, const effect *e) {
    switch (e->op) {
    case HASH_SET: return apply_set(v, e);
    case HASH_DEL: return apply_del(v, e);
    }
    return ERR_CORRUPT;
}

/* ---- as a whole --------------------------------------------------------------------------- */

static const char *hash_encoding(struct value *v) {
    return v->aux & HASH_AUX_TABLE ? "hashtable" : "listpack";
}

static uint64_t hash_length(struct value *v) { return hash_len(v); }

static int digest_pair(void *cookie, slice field, slice val) {
    uint8_t pair[20] = {0};
    digest_mix(pair, field.p, field.n);
    digest_mix(pair, val.p, val.n);
    digest_xor(cookie, pair, 20);
    return 0;
}

static int hash_digest(struct value *v, uint8_t digest[20]) {
    uint8_t sum[20];
    memcpy(sum, digest, 20); /* A cold page may end the walk. */
    digest_start(sum, DIGEST_HASH);
    int rc = hash_each(v, digest_pair, sum);
    if (rc == OK) memcpy(digest, sum, 20);
    return rc;
}

static int hash_check(struct value *v, char why[160]) {
    uint64_t count = 0;
    slice lp;
    bool table = is_table(v);
    int rc = table ? table_check(v->pager, v->obj, &count, why) : hash__listpack(v, &lp);
    if (rc == ERR_CORRUPT && !table) snprintf(why, 160, "hash: its listpack is damaged");
    if (rc != OK) return rc;
    if (!table) count = lp_count(lp) / 2;
    if (count == hash_len(v) && count > 0) return OK;
    snprintf(why, 160, "hash: %llu pairs found, %llu expected", (unsigned long long)count,
             (unsigned long long)hash_len(v));
    return ERR_CORRUPT;
}

const struct type type_hash = {
    .id = TYPE_HASH,
    .name = "hash",
    .stored_ok = hash_stored_ok,
    .apply = hash_apply,
    .dump = hash_dump,
    .restore = hash_restore,
    .rdb_types = hash_rdb_types,
    .encoding = hash_encoding,
    .length = hash_length,
    .digest = hash_digest,
    .check = hash_check,
};
