/* zset_ahead.c -- what commands on single members are going to look at comes into the processor's cache
 * for many of them at a time, so that their waits for memory overlap.
 *
 *   member -> tag -> bucket of the index -> score \
 *                                                  -> branches -> leaf
 *                 score to be given ------------- /
 *
 * Each step is done for all before the next one. The branches are few, and mostly in the cache. Pages from
 * the store that nobody has looked at are left alone; others are as their lengths say. */
#include <assert.h>
#include <math.h>

#include "types/pager.h"
#include "types/zset_internal.h"

#define LINE 64

struct near_leaf {
    uint64_t page[2 * PAGER_MANY]; /* as the pager numbers them */
    size_t n;
};

static void near_lines(const uint8_t *p, size_t from, size_t to) {
    for (size_t at = from; at < to; at += LINE) __builtin_prefetch(p + at);
}

/* The scores of these leaves, where a search begins, and where their members are. */
static void near_scores(const struct value *v, struct near_leaf *l) {
    slice page[PAGER_MANY];
    for (size_t done = 0; done < l->n;) {
        size_t n = l->n - done < PAGER_MANY ? l->n - done : PAGER_MANY;
        v->pager->ops->near(v->obj, l->page + done, n, page);
        for (size_t i = 0; i < n; i++) {
            if (page[i].n < ZSET_LEAF_HEAD) continue;
            size_t end = ZSET_LEAF_HEAD + ZSET_LEAF_SLOT * (size_t)zset__leaf_n(page[i]);
            near_lines(page[i].p, LINE, end < page[i].n ? end : page[i].n);
        }
        done += n;
    }
    l->n = 0;
}

static void add_leaf(const struct value *v, struct near_leaf *l, double score, slice member) {
    if (!isnan(score) && zset__leaf_near(v, score, member, &l->page[l->n])) l->n++;
}

static void ahead(const struct value *v, const slice *member, const slice *score, size_t n) {
    uint64_t bucket[PAGER_MANY];
    uint32_t tag[PAGER_MANY];
    const uint8_t *at[PAGER_MANY];
    slice page[PAGER_MANY];
    struct near_leaf leaves = {.n = 0};
    assert(n > 0 && n <= PAGER_MANY);
    for (size_t i = 0; i < n; i++) bucket[i] = zset__index_page(v, member[i], &tag[i]);
    v->pager->ops->near(v->obj, bucket, n, page);
    for (size_t i = 0; i < n; i++) {
        size_t pairs = page[i].n / ZSET_PAIR;
        if (page[i].p != NULL) near_lines(page[i].p, 8 * pairs, page[i].n);
    }
    for (size_t i = 0; i < n; i++) {
        double to;
        if (score[i].p != NULL && num_parse_double(score[i], &to)) add_leaf(v, &leaves, to, member[i]);
    }
    near_scores(v, &leaves);
    for (size_t i = 0; i < n; i++) {
        at[i] = page[i].p == NULL ? NULL : zset__index_near(page[i], tag[i]);
        if (at[i] != NULL) __builtin_prefetch(at[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (at[i] != NULL) add_leaf(v, &leaves, zset__get_score(at[i]), member[i]);
    near_scores(v, &leaves);
}

void zset_ahead(const struct value *v, const slice *member, const slice *score, size_t n) {
    if (v->kind != VALUE_OBJECT || zset_len(v) == 0) return;
    for (size_t done = 0; done < n; done += PAGER_MANY) {
        size_t some = n - done < PAGER_MANY ? n - done : PAGER_MANY;
        ahead(v, member + done, score + done, some);
    }
}
