/* hash_small.c -- the listpack of a small hash: pairs, or triples in the order of their expiries. */
#include <assert.h>

#include "base/listpack.h"
#include "base/num.h"
#include "types/hash.h"
#include "types/hash_build.h"

size_t hash__lp_find(slice lp, bool timed, slice field) {
    size_t at = lp.n == 0 ? 0 : lp_first(lp);
    return at == 0 ? 0 : lp_find(lp, at, field, hash__step(timed) - 1);
}

size_t hash__lp_next(slice lp, bool timed, size_t at) {
    for (unsigned i = hash__step(timed); i > 0 && at != 0; i--) at = lp_next(lp, at);
    return at;
}

int64_t hash__lp_expiry(slice lp, bool timed, size_t at) {
    if (!timed) return 0;
    struct lp_value v = lp_get(lp, lp_next(lp, lp_next(lp, at)));
    return v.is_int && v.num > 0 && v.num <= HASH_EXPIRE_MAX ? v.num : 0;
}

static void insert_timed(buf *lp, slice field, slice val, int64_t expire_ms) {
    char text[NUM_LL_MAX];
    slice expiry = slice_make(text, num_print_ll(text, expire_ms)), all = slice_of(lp);
    size_t at = expire_ms == 0 ? 0 : lp_first(all);
    while (at != 0) {
        int64_t there = hash__lp_expiry(all, true, at);
        if (there == 0 || there > expire_ms) break;
        at = hash__lp_next(all, true, at);
    }
    if (at == 0) {
        lp_append(lp, field);
        lp_append(lp, val);
        lp_append(lp, expiry);
        return;
    }
    lp_insert(lp, at, expiry);
    lp_insert(lp, at, val);
    lp_insert(lp, at, field);
}

void hash__lp_put(buf *lp, bool timed, size_t at, slice field, slice val, int64_t expire_ms) {
    assert(timed || expire_ms == 0);
    if (at != 0 && hash__lp_expiry(slice_of(lp), timed, at) == expire_ms) {
        lp_replace(lp, lp_next(slice_of(lp), at), val);
        return;
    }
    if (at != 0) lp_delete(lp, at, 3);
    if (timed) {
        insert_timed(lp, field, val, expire_ms);
        return;
    }
    lp_append(lp, field);
    lp_append(lp, val);
}

void hash__lp_make_timed(buf *lp) {
    buf triples = BUF_INIT;
    slice from = slice_of(lp);
    lp_new(&triples);
    for (size_t at = from.n == 0 ? 0 : lp_first(from); at != 0; at = lp_next(from, lp_next(from, at))) {
        char field[NUM_LL_MAX], val[NUM_LL_MAX];
        lp_append(&triples, lp_get_bytes(from, at, field));
        lp_append(&triples, lp_get_bytes(from, lp_next(from, at), val));
        lp_append_int(&triples, 0);
    }
    buf_free(lp);
    *lp = triples;
}

int hash__entry(slice stored, bool marked, slice *val, int64_t *expire_ms) {
    *val = stored;
    *expire_ms = 0;
    if (!marked) return OK;
    if (stored.n < 8) return ERR_CORRUPT;
    uint64_t at = get_u64(stored.p);
    if (at == 0 || at > (uint64_t)HASH_EXPIRE_MAX) return ERR_CORRUPT;
    *expire_ms = (int64_t)at;
    *val = slice_make(stored.p + 8, stored.n - 8);
    return OK;
}
