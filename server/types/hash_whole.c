/* hash_whole.c -- the hash type as the keyspace sees it: judged, told about, digested, checked. */
#include <stdio.h>

#include "base/listpack.h"
#include "types/digest.h"
#include "types/hash.h"
#include "types/hash_build.h"
#include "types/table.h"

static bool hash_stored_ok(const struct stored_value *s) {
    if (s->aux > (HASH_AUX_TABLE | HASH_AUX_EXPIRES) || s->kind == VALUE_INT) return false;
    if (s->kind != VALUE_OBJECT) return true;
    if (s->bytes.n != HASH_META_BYTES) return false;
    uint64_t pairs = get_u64(s->bytes.p + 1);
    return s->bytes.p[0] == (s->hashed ? HASH_OBJECT_TABLE : HASH_OBJECT_LISTPACK) && pairs > 0 &&
           pairs <= VALUE_COUNT_MAX;
}

static const char *hash_encoding(struct value *v) {
    if (v->aux & HASH_AUX_TABLE) return "hashtable";
    return hash_timed(v) ? "listpackex" : "listpack";
}

static uint64_t hash_length(struct value *v) { return hash_len(v); }

/* As Redis does it: that there is an expiry counts, and not when. */
static int digest_field(void *cookie, slice field, slice val, int64_t expire_ms) {
    uint8_t pair[20] = {0};
    digest_mix(pair, field.p, field.n);
    digest_mix(pair, val.p, val.n);
    if (expire_ms != 0) digest_xor(pair, "!!hexpire!!", 11);
    digest_xor(cookie, pair, 20);
    return 0;
}

static int hash_digest(struct value *v, uint8_t digest[20]) {
    uint8_t sum[20];
    uint64_t cursor = 0;
    memcpy(sum, digest, 20); /* A cold page may end the walk. */
    digest_start(sum, DIGEST_HASH);
    int rc = hash__scan(v, &cursor, SIZE_MAX, digest_field, sum);
    if (rc == OK) memcpy(digest, sum, 20);
    return rc;
}

struct order { /* of a small hash's expiries; of a table's, only whether there may be any */
    bool timed, small;
    int64_t last; /* INT64_MAX: the fields without have begun */
};

static int check_expiry(void *cookie, slice field, slice val, int64_t expire_ms) {
    struct order *o = cookie;
    (void)field;
    (void)val;
    if (expire_ms != 0 && !o->timed) return ERR_CORRUPT;
    if (!o->small) return 0;
    int64_t at = expire_ms == 0 ? INT64_MAX : expire_ms;
    if (at < o->last) return ERR_CORRUPT;
    o->last = at;
    return 0;
}

/* What is no expiry reads as none: it has to be 0 then. */
static bool expiries_are_numbers(slice lp) {
    for (size_t at = lp_first(lp); at != 0; at = hash__lp_next(lp, true, at)) {
        struct lp_value e = lp_get(lp, lp_next(lp, lp_next(lp, at)));
        if (!e.is_int || e.num < 0 || e.num > HASH_EXPIRE_MAX) return false;
    }
    return true;
}

static int hash_check(struct value *v, char why[160]) {
    uint64_t count = 0, cursor = 0;
    slice lp;
    bool table = hash__is_table(v);
    struct order order = {hash_timed(v), !table, 0};
    int rc = table ? table_check(v->pager, v->obj, &count, why) : hash__listpack(v, &lp);
    if (rc == OK && !table && hash_timed(v) && !expiries_are_numbers(lp)) rc = ERR_CORRUPT;
    if (rc == ERR_CORRUPT && !table) snprintf(why, 160, "hash: its listpack is damaged");
    if (rc != OK) return rc;
    if (!table) count = lp_count(lp) / hash__step(hash_timed(v));
    rc = hash__scan(v, &cursor, SIZE_MAX, check_expiry, &order);
    if (rc == ERR_CORRUPT) snprintf(why, 160, "hash: its expiries make no sense");
    if (rc != OK) return rc;
    if (count == hash_len(v) && count > 0) return OK;
    snprintf(why, 160, "hash: %llu pairs found, %llu expected", (unsigned long long)count,
             (unsigned long long)hash_len(v));
    return ERR_CORRUPT;
}

const struct type type_hash = {
    .id = TYPE_HASH,
    .name = "hash",
    .stored_ok = hash_stored_ok,
    .apply = hash__apply,
    .dump = hash_dump,
    .restore = hash_restore,
    .rdb_types = hash_rdb_types,
    .encoding = hash_encoding,
    .length = hash_length,
    .due = hash__due,
    .digest = hash_digest,
    .check = hash_check,
};
