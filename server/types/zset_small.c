/* zset_small.c -- a small sorted set: one listpack of members and scores, in order, as Redis has it. */
#include <math.h>

#include "base/listpack.h"
#include "types/zset_internal.h"

#define PAIR_OVERHEAD (24 + 9) /* of a pair: headers and lengths, and a score that is a number */
#define SCORE_TEXT_MAX 24      /* "-1.7976931348623157e+308" */

int zset__inline(const struct value *v, slice *lp) {
    if (v->kind == VALUE_NONE || v->kind == VALUE_OBJECT) return ERR_NOTFOUND;
    if (v->kind != VALUE_RAW) return ERR_CORRUPT;
    *lp = v->raw;
    int rc = lp_check(*lp, true); /* It may have come from the store. */
    return rc == OK && lp_count(*lp) % 2 != 0 ? ERR_CORRUPT : rc;
}

double zset__small_score(slice lp, size_t at) {
    struct lp_value n = lp_get(lp, at);
    double score = 0;
    if (n.is_int) return (double)n.num;
    return num_parse_double(n.str, &score) ? score : 0; /* Only a damaged store has text that is none. */
}

int zset__small_find(slice lp, slice member, size_t *at, double *score) {
    size_t first = lp_first(lp);
    *at = first == 0 ? 0 : lp_find(lp, first, member, 1);
    if (*at == 0) return ERR_NOTFOUND;
    *score = zset__small_score(lp, lp_next(lp, *at));
    return OK;
}

bool zset__small_fits(slice lp, slice member) {
    return lp.n + member.n + PAIR_OVERHEAD + SCORE_TEXT_MAX <= INLINE_BYTES_MAX;
}

size_t zset_packed_text(char out[NUM_DOUBLE_MAX], double score) {
    const int64_t most = INT64_MAX / 2;
    bool whole = score >= -(double)most && score <= (double)most && score == trunc(score);
    if (whole && !(score == 0 && signbit(score))) return num_print_ll(out, (int64_t)score);
    return num_print_double(out, score);
}

void zset__small_put(buf *lp, slice member, double score) {
    char text[NUM_DOUBLE_MAX], tmp[NUM_LL_MAX];
    slice s = slice_make(text, zset_packed_text(text, score)), all = slice_of(lp);
    size_t at = lp_first(all);
    while (at != 0) {
        size_t score_at = lp_next(all, at);
        double other = zset__small_score(all, score_at);
        if (other >= score && zset__compare(other, lp_get_bytes(all, at, tmp), score, member) > 0) break;
        at = lp_next(all, score_at);
    }
    if (at == 0) {
        lp_append(lp, member);
        lp_append(lp, s);
    } else {
        lp_insert(lp, at, s);
        lp_insert(lp, at, member);
    }
}
