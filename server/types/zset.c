/* zset.c -- the sorted set type: reading it, and what it is as a whole. Its effects are in zset_apply.c. */
#include "types/zset.h"

#include <assert.h>
#include <stdio.h>

#include "base/listpack.h"
#include "types/digest.h"
#include "types/zset_internal.h"

int zset_member_ok(slice member) { return member.n > KEY_BYTES_MAX ? ERR_LIMIT : OK; }

/* ---- looking ------------------------------------------------------------------------------ */

static bool zset_stored_ok(const struct stored_value *s) {
    if (s->aux > ZSET_AUX_SKIPLIST || s->kind == VALUE_INT) return false;
    return s->kind != VALUE_OBJECT || (!s->hashed && zset__meta_ok(s->bytes));
}

uint64_t zset_len(const struct value *v) {
    if (v->kind == VALUE_OBJECT) return get_u64(zset__meta(v) + ZSET_AT_COUNT);
    if (v->kind != VALUE_RAW || lp_check(v->raw, false) != OK) return 0;
    return lp_count(v->raw) / 2;
}

int zset_score(const struct value *v, slice member, double *score) {
    struct zset_path path;
    slice lp;
    size_t at;
    int rc = zset__inline(v, &lp);
    if (rc == OK) return zset__small_find(lp, member, &at, score);
    if (v->kind != VALUE_OBJECT) return rc;
    return zset__index_find(v, member, score, &path);
}

int zset_rank(const struct value *v, slice member, uint64_t *rank, double *score) {
    struct zset_path path;
    slice lp;
    size_t at;
    int rc = zset__inline(v, &lp);
    if (rc == OK) {
        rc = zset__small_find(lp, member, &at, score);
        if (rc != OK) return rc;
        for (*rank = 0; (at = lp_prev(lp, at)) != 0; ++*rank) at = lp_prev(lp, at);
        return OK;
    }
    if (v->kind != VALUE_OBJECT) return rc;
    rc = zset__index_find(v, member, score, &path);
    if (rc == OK) rc = zset__find(v, *score, member, true, &path);
    if (rc == OK) *rank = path.rank;
    return rc;
}

int zset_at(const struct value *v, uint64_t rank, double *score, slice *member, char tmp[NUM_LL_MAX]) {
    struct zset_path path;
    slice lp;
    if (rank >= zset_len(v)) return ERR_NOTFOUND;
    int rc = zset__inline(v, &lp);
    if (rc == OK) {
        size_t at = lp_seek(lp, (long)(2 * rank));
        if (at == 0) return ERR_CORRUPT;
        *member = lp_get_bytes(lp, at, tmp);
        *score = zset__small_score(lp, lp_next(lp, at));
        return OK;
    }
    if (v->kind != VALUE_OBJECT) return rc;
    rc = zset__descend_rank(v, rank, &path);
    if (rc != OK) return rc;
    struct zset_entry e = zset__leaf_at(path.page, path.pos);
    *score = e.score;
    *member = e.member;
    return OK;
}

int zset_seek(const struct value *v, const struct zset_edge *edge, uint64_t *rank) {
    struct zset_path path;
    slice lp;
    *rank = 0;
    int rc = zset__inline(v, &lp);
    if (rc == ERR_NOTFOUND && v->kind == VALUE_NONE) return OK;
    if (rc == OK) {
        for (size_t at = lp_first(lp); at != 0; ++*rank) {
            char tmp[NUM_LL_MAX];
            size_t score_at = lp_next(lp, at);
            if (!zset__before(edge, zset__small_score(lp, score_at), lp_get_bytes(lp, at, tmp))) break;
            at = lp_next(lp, score_at);
        }
        return OK;
    }
    if (v->kind != VALUE_OBJECT) return rc;
    rc = zset__descend_edge(v, edge, &path);
    if (rc == OK) *rank = path.rank < zset_len(v) ? path.rank : zset_len(v);
    return rc;
}

/* ---- walking ------------------------------------------------------------------------------ */

int zset__need_ranks(const struct value *v, uint64_t first, uint64_t n) {
    uint64_t pages = v->pager->ops->pages(v->obj);
    int cold = OK;
    while (n > 0) {
        struct zset_path path;
        if (pages-- == 0) return ERR_CORRUPT; /* One comes twice: this could go on for ever. */
        int rc = zset__descend_rank(v, first, &path);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
        if (path.left == 0) return cold; /* A branch is cold: what is below is not known yet. */
        if (path.left >= n) break;
        first += path.left;
        n -= path.left;
    }
    return cold;
}

static int each_inline(slice lp, uint64_t first, uint64_t n, bool backward, zset_each_fn *each, void *cookie) {
    size_t at = lp_seek(lp, (long)(2 * (backward ? first + n - 1 : first)));
    for (; n > 0; n--) {
        char tmp[NUM_LL_MAX];
        if (at == 0) return ERR_CORRUPT;
        size_t score_at = lp_next(lp, at);
        int rc = each(cookie, lp_get_bytes(lp, at, tmp), zset__small_score(lp, score_at));
        if (rc != 0) return rc;
        if (!backward) at = lp_next(lp, score_at);
        else if (n > 1) at = lp_prev(lp, lp_prev(lp, at));
    }
    return OK;
}

int zset_each(const struct value *v, uint64_t first, uint64_t n, bool backward, zset_each_fn *each,
              void *cookie) {
    slice lp;
    assert(first + n <= zset_len(v));
    if (n == 0) return OK;
    int rc = zset__inline(v, &lp);
    if (rc == OK) return each_inline(lp, first, n, backward, each, cookie);
    if (v->kind != VALUE_OBJECT) return rc;
    rc = zset__need_ranks(v, first, n);
    while (rc == OK && n > 0) {
        struct zset_path path;
        rc = zset__descend_rank(v, backward ? first + n - 1 : first, &path);
        if (rc != OK) return rc;
        uint64_t some = backward ? path.pos + 1u : zset__leaf_n(path.page) - path.pos;
        if (some > n) some = n;
        for (unsigned i = 0; i < some; i++) {
            struct zset_entry e = zset__leaf_at(path.page, backward ? path.pos - i : path.pos + i);
            rc = each(cookie, e.member, e.score);
            if (rc != 0) return rc;
        }
        n -= some;
        if (!backward) first += some;
    }
    return rc;
}

int zset_scan(const struct value *v, uint64_t *cursor, size_t count, zset_each_fn *each, void *cookie) {
    if (v->kind == VALUE_OBJECT) return zset__index_scan(v, cursor, count, each, cookie);
    int rc = zset_each(v, 0, zset_len(v), false, each, cookie);
    if (rc == OK) *cursor = 0;
    return rc;
}

/* ---- as a whole --------------------------------------------------------------------------- */

bool zset_packed(const struct value *v) { return (v->aux & ZSET_AUX_SKIPLIST) == 0; }

static const char *zset_encoding(struct value *v) { return zset_packed(v) ? "listpack" : "skiplist"; }

static uint64_t zset_length(struct value *v) { return zset_len(v); }

static int digest_member(void *cookie, slice member, double score) {
    uint8_t one[20] = {0};
    char text[NUM_DOUBLE_MAX];
    digest_mix(one, member.p, member.n);
    digest_mix(one, text, num_print_double(text, score));
    for (int i = 0; i < 20; i++) ((uint8_t *)cookie)[i] ^= one[i];
    return 0;
}

static int zset_digest(struct value *v, uint8_t digest[20]) {
    uint8_t sum[20];
    memcpy(sum, digest, 20); /* A cold page may end the walk. */
    digest_start(sum, DIGEST_ZSET);
    int rc = zset_each(v, 0, zset_len(v), false, digest_member, sum);
    if (rc == OK) memcpy(digest, sum, 20);
    return rc;
}

/* In order, no member twice, each score a number. */
static int check_inline(slice lp) {
    double before = 0;
    char tmp[NUM_LL_MAX], tmp2[NUM_LL_MAX];
    slice last = {NULL, 0};
    bool any = false;
    for (size_t at = lp_first(lp); at != 0; any = true) {
        size_t score_at = lp_next(lp, at), next = lp_next(lp, score_at);
        struct lp_value n = lp_get(lp, score_at);
        double score;
        slice member = lp_get_bytes(lp, at, tmp);
        if (!n.is_int && !num_parse_double(n.str, &score)) return ERR_CORRUPT;
        score = zset__small_score(lp, score_at);
        if (any && zset__compare(before, last, score, member) >= 0) return ERR_CORRUPT;
        if (next != 0 && lp_find(lp, next, member, 1) != 0) return ERR_CORRUPT;
        before = score;
        last = member;
        if (member.p == (const uint8_t *)tmp) { /* A number's text: it must outlive the next one. */
            memcpy(tmp2, tmp, member.n);
            last = slice_make(tmp2, member.n);
        }
        at = next;
    }
    return any ? OK : ERR_CORRUPT;
}

static int zset_check(struct value *v, char why[160]) {
    slice lp;
    if (v->kind == VALUE_OBJECT) return zset__check(v, why);
    if (zset__inline(v, &lp) == OK && check_inline(lp) == OK) return OK;
    snprintf(why, 160, "zset: its listpack is damaged");
    return ERR_CORRUPT;
}

const struct type type_zset = {
    .id = TYPE_ZSET,
    .name = "zset",
    .stored_ok = zset_stored_ok,
    .apply = zset_apply,
    .dump = zset_dump,
    .restore = zset_restore,
    .rdb_types = zset_rdb_types,
    .encoding = zset_encoding,
    .length = zset_length,
    .digest = zset_digest,
    .check = zset_check,
    .ahead = zset_ahead,
};
