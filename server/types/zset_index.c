/* zset_index.c -- from members to scores: a linear hash table of (tag, score) pairs. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "types/zset_internal.h"

#define PAIR ZSET_PAIR
#define LOAD_LEAST ZSET_LOAD_LEAST
#define WALK_SHARE 64  /* ZSCAN of a set of equal scores takes at least this part of it. */

uint32_t zset__tag(const struct value *v, slice member) {
    return (uint32_t)(v->pager->ops->hash(v->pager, member) >> 32);
}

static uint64_t buckets(const struct value *v) { return get_u64(zset__meta(v) + ZSET_AT_BUCKETS); }
/* No bucket but a very few is empty: so a number from the store that is far too high ends no loop late. */
static bool too_many(const struct value *v) {
    return buckets(v) > 4 * v->pager->ops->pages(v->obj) + 64;
}
static void set_buckets(struct value *v, uint64_t n) { put_u64(zset__meta_mut(v) + ZSET_AT_BUCKETS, n); }

/* The greatest power of two that is not above n. */
static uint64_t power(uint64_t n) { return (uint64_t)1 << (63 - __builtin_clzll(n)); }

static uint64_t bucket_of(uint32_t tag, uint64_t n) {
    uint64_t half = power(n), b = tag & (2 * half - 1);
    return b < n ? b : tag & (half - 1);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static bool bucket_ok(slice page) {
    if (page.n == 0 || page.n % PAIR != 0) return false;
    for (size_t i = 0; i < page.n / PAIR; i++)
        if (isnan(zset__get_score(page.p + 8 * i))) return false;
    return true;
}

static int get_bucket(const struct value *v, uint64_t b, slice *page) {
    int rc = v->pager->ops->get_ok(v->pager, v->obj, 2 * b, bucket_ok, page);
    if (rc != ERR_NOTFOUND) return rc;
    *page = slice_make(NULL, 0);
    return OK;
}

static uint32_t tag_at(slice page, size_t i) { return get_u32(page.p + 8 * (page.n / PAIR) + 4 * i); }
static double score_at(slice page, size_t i) { return zset__get_score(page.p + 8 * i); }

/* The first pair from i on with this tag; the number of pairs when there is none. */
static size_t next_match(slice page, uint32_t tag, size_t i) {
    size_t n = page.n / PAIR;
    const uint8_t *tags = page.p + 8 * n;
    for (; i + 8 <= n; i += 8) { /* This is the inner loop of every lookup: compilers make vectors of it. */
        uint32_t any = 0, t[8];
        memcpy(t, tags + 4 * i, sizeof(t));
        for (unsigned k = 0; k < 8; k++) any |= (uint32_t)(t[k] == tag);
        if (any != 0) break;
    }
    for (; i < n; i++)
        if (get_u32(tags + 4 * i) == tag) break;
    return i;
}

static int put_pair(struct value *v, uint64_t b, uint32_t tag, double score) {
    slice page;
    uint8_t *to;
    int rc = get_bucket(v, b, &page);
    if (rc != OK) return rc;
    size_t n = page.n / PAIR;
    if (page.n + PAIR > PAGE_BYTES_MAX) return ERR_LIMIT;
    rc = v->pager->ops->mut(v->pager, v->obj, 2 * b, page.n + PAIR, &to);
    if (rc != OK) return rc;
    memmove(to + 8 * n + 8, to + 8 * n, 4 * n);
    memcpy(to + 8 * n, &score, 8);
    put_u32(to + 8 * (n + 1) + 4 * n, tag);
    return OK;
}

static int write_bucket(struct value *v, uint64_t b, const buf *scores, const buf *tags) {
    uint8_t *to;
    if (scores->n == 0) return v->pager->ops->drop(v->pager, v->obj, 2 * b);
    int rc = v->pager->ops->mut(v->pager, v->obj, 2 * b, scores->n + tags->n, &to);
    if (rc != OK) return rc;
    memcpy(to, scores->p, scores->n);
    memcpy(to + scores->n, tags->p, tags->n);
    return OK;
}

/* ---- looking --------------------------------------------------------------------------------- */

int zset__index_find(const struct value *v, slice member, double *score, struct zset_path *path) {
    slice page;
    uint32_t tag = zset__tag(v, member);
    int rc = get_bucket(v, bucket_of(tag, buckets(v)), &page);
    if (rc != OK) return rc;
    int cold = ERR_NOTFOUND;
    for (size_t i = next_match(page, tag, 0); i < page.n / PAIR; i = next_match(page, tag, i + 1)) {
        *score = score_at(page, i);
        rc = zset__find(v, *score, member, false, path);
        if (rc == OK && path->found) {
            /* As the tree has it: of 0 and -0 it knows which. */
            *score = zset__leaf_at(path->page, path->pos).score;
            return OK;
        }
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
    }
    return cold;
}

uint64_t zset__index_page(const struct value *v, slice member, uint32_t *tag) {
    *tag = zset__tag(v, member);
    return 2 * bucket_of(*tag, buckets(v));
}

const uint8_t *zset__index_near(slice page, uint32_t tag) {
    size_t i = next_match(page, tag, 0);
    return i < page.n / PAIR ? page.p + 8 * i : NULL;
}

int zset__index_need(const struct value *v, slice member) {
    return v->pager->ops->need(v->pager, v->obj, 2 * bucket_of(zset__tag(v, member), buckets(v)));
}

/* ---- changing -------------------------------------------------------------------------------- */

int zset__index_add(struct value *v, slice member, double score) {
    uint32_t tag = zset__tag(v, member);
    return put_pair(v, bucket_of(tag, buckets(v)), tag, score);
}

/* The pair of this tag and score. Another one that is the same does as well. */
static int locate(const struct value *v, uint32_t tag, double score, uint64_t *b, slice *page, size_t *at) {
    *b = bucket_of(tag, buckets(v));
    int rc = get_bucket(v, *b, page);
    if (rc != OK) return rc;
    size_t i = next_match(*page, tag, 0), n = page->n / PAIR;
    while (i < n && score_at(*page, i) != score) i = next_match(*page, tag, i + 1);
    *at = i;
    return i < n ? OK : ERR_CORRUPT;
}

int zset__index_change(struct value *v, slice member, double from, double to) {
    slice page;
    uint64_t b;
    size_t at;
    uint8_t *p;
    int rc = locate(v, zset__tag(v, member), from, &b, &page, &at);
    if (rc == OK) rc = v->pager->ops->mut(v->pager, v->obj, 2 * b, page.n, &p);
    if (rc == OK) memcpy(p + 8 * at, &to, 8);
    return rc;
}

int zset__index_remove(struct value *v, slice member, double score) {
    slice page;
    uint64_t b;
    size_t at;
    uint8_t *p;
    int rc = locate(v, zset__tag(v, member), score, &b, &page, &at);
    if (rc != OK) return rc;
    size_t last = page.n / PAIR - 1;
    if (last == 0) return v->pager->ops->drop(v->pager, v->obj, 2 * b);
    rc = v->pager->ops->mut(v->pager, v->obj, 2 * b, page.n, &p);
    if (rc != OK) return rc;
    /* The last pair comes into its place. */
    memcpy(p + 8 * at, p + 8 * last, 8);
    uint8_t *tags = p + 8 * (last + 1);
    memcpy(tags + 4 * at, tags + 4 * last, 4);
    memmove(p + 8 * last, tags, 4 * last);
    return v->pager->ops->mut(v->pager, v->obj, 2 * b, page.n - PAIR, &p);
}

/* ---- growing and shrinking ------------------------------------------------------------------- */

static bool too_full(uint64_t count, uint64_t n) { return count > n * ZSET_LOAD_MOST && n < ZSET_BUCKETS_MAX; }
static bool too_empty(uint64_t count, uint64_t n) { return n > 1 && count < n * LOAD_LEAST; }

int zset__index_need_grow(const struct value *v, uint64_t more) {
    uint64_t had = buckets(v), count = zset_len(v) + more;
    int cold = OK;
    for (uint64_t n = had; too_full(count, n); n++) {
        uint64_t from = n - power(n);
        if (from >= had) continue; /* It comes of one that is there. */
        int rc = v->pager->ops->need(v->pager, v->obj, 2 * from);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
    }
    return cold;
}

int zset__index_need_shrink(const struct value *v, uint64_t less) {
    uint64_t all = zset_len(v), count = all > less ? all - less : 0;
    int cold = OK;
    for (uint64_t n = buckets(v); too_empty(count, n); n--) {
        uint64_t last = n - 1, pair[2] = {last, last - power(last)};
        for (unsigned i = 0; i < 2; i++) {
            int rc = v->pager->ops->need(v->pager, v->obj, 2 * pair[i]);
            if (rc == ERR_COLD) cold = rc;
            else if (rc != OK) return rc;
        }
    }
    return cold;
}

static void take_pair(buf *scores, buf *tags, slice page, size_t i) {
    double score = score_at(page, i);
    buf_append(scores, &score, 8);
    buf_u32(tags, tag_at(page, i));
}

static int split(struct value *v, uint64_t n) {
    uint64_t bit = power(n), from = n - bit;
    buf scores[2] = {BUF_INIT, BUF_INIT}, tags[2] = {BUF_INIT, BUF_INIT};
    slice page;
    int rc = get_bucket(v, from, &page);
    if (rc != OK) return rc;
    for (size_t i = 0; i < page.n / PAIR; i++) {
        unsigned side = (tag_at(page, i) & bit) != 0;
        take_pair(&scores[side], &tags[side], page, i);
    }
    for (unsigned side = 0; side < 2 && rc == OK; side++)
        rc = write_bucket(v, side == 0 ? from : n, &scores[side], &tags[side]);
    for (unsigned side = 0; side < 2; side++) {
        buf_free(&scores[side]);
        buf_free(&tags[side]);
    }
    if (rc == OK) set_buckets(v, n + 1);
    return rc;
}

static int join(struct value *v, uint64_t n) {
    uint64_t pair[2] = {n - 1 - power(n - 1), n - 1};
    buf scores = BUF_INIT, tags = BUF_INIT;
    int rc = OK;
    for (unsigned k = 0; k < 2 && rc == OK; k++) {
        slice page;
        rc = get_bucket(v, pair[k], &page);
        for (size_t i = 0; rc == OK && i < page.n / PAIR; i++) take_pair(&scores, &tags, page, i);
    }
    if (rc == OK && scores.n + tags.n > PAGE_BYTES_MAX) rc = ERR_CORRUPT;
    if (rc == OK) rc = write_bucket(v, pair[0], &scores, &tags);
    if (rc == OK) rc = v->pager->ops->drop(v->pager, v->obj, 2 * pair[1]);
    buf_free(&scores);
    buf_free(&tags);
    if (rc == OK) set_buckets(v, n - 1);
    return rc;
}

int zset__index_grow(struct value *v) {
    int rc = OK;
    while (rc == OK && too_full(zset_len(v), buckets(v))) rc = split(v, buckets(v));
    return rc;
}

int zset__index_shrink(struct value *v) {
    int rc = OK;
    while (rc == OK && too_empty(zset_len(v), buckets(v))) rc = join(v, buckets(v));
    return rc;
}

/* ---- scanning --------------------------------------------------------------------------------
 *
 * A walk goes by tags, their bits reversed: so a bucket covers a range, whatever is split or joined
 * meanwhile, and a member keeps its place when its score changes. A pair does not name its member: the
 * members of its score are walked, and those whose tag is wanted are told. Where very many have one
 * score, a call takes a share of them, so that a whole scan walks them a fixed number of times. */

struct pair {
    double score;
    uint32_t place; /* the tag reversed */
};

static uint32_t reversed(uint32_t x) {
    x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
    x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
    x = (x >> 4 & 0x0F0F0F0Fu) | (x & 0x0F0F0F0Fu) << 4;
    return __builtin_bswap32(x);
}

static int by_place(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}
static int by_score(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return by_place(a, b);
}

/* The pairs from *cursor on, about `count`: whole tags. *cursor moves behind them; 2^32: the end. */
static int gather(const struct value *v, uint64_t *cursor, size_t count, buf *out) {
    uint64_t n = buckets(v), half = power(n), left = n;
    int cold = OK;
    if (too_many(v)) return ERR_CORRUPT;
    while (*cursor <= UINT32_MAX && out->n / sizeof(struct pair) < count) {
        uint32_t tag = reversed((uint32_t)*cursor);
        uint64_t b = bucket_of(tag, n), bits = b >= half || b + half < n ? 2 * half : half;
        uint64_t end = (*cursor | (((uint64_t)UINT32_MAX + 1) / bits - 1)) + 1; /* where the bucket ends */
        slice page;
        if (left-- == 0) return ERR_CORRUPT;
        int rc = get_bucket(v, b, &page);
        if (rc != OK && rc != ERR_COLD) return rc;
        size_t start = out->n / sizeof(struct pair);
        for (size_t i = 0; rc == OK && i < page.n / PAIR; i++) {
            struct pair p = {score_at(page, i), reversed(tag_at(page, i))};
            if (p.place >= *cursor && p.place < end) buf_append(out, &p, sizeof(p));
        }
        size_t now = out->n / sizeof(struct pair);
        struct pair *all = (struct pair *)(void *)out->p;
        if (now > start) qsort(all + start, now - start, sizeof(*all), by_place);
        *cursor = end;
        if (rc == ERR_COLD) {
            cold = rc;
            count -= count < ZSET_LOAD_MOST ? count : ZSET_LOAD_MOST; /* As many as may be in it. */
            if (count == 0) break;
        } else if (now > count) {
            size_t keep = count > start ? count : start + 1;
            while (keep < now && all[keep].place == all[keep - 1].place) keep++;
            if (keep < now) *cursor = all[keep].place;
            out->n = keep * sizeof(struct pair);
        }
    }
    return cold;
}

struct scan {
    const struct value *v;
    const struct pair *pairs; /* of one score */
    size_t n;
    zset_each_fn *each;
    void *cookie;
};

static int scan_member(void *cookie, slice member, double score) {
    struct scan *s = cookie;
    struct pair want = {.place = reversed(zset__tag(s->v, member))};
    if (bsearch(&want, s->pairs, s->n, sizeof(want), by_place) == NULL) return 0;
    return s->each(s->cookie, member, score);
}

/* How many members have this score, from which rank on. */
static int run_of(const struct value *v, double score, uint64_t *first, uint64_t *n) {
    struct zset_edge below = {.cut = ZSET_BELOW_SCORE, .score = score};
    struct zset_edge above = {.cut = ZSET_ABOVE_SCORE, .score = score};
    uint64_t end;
    int rc = zset_seek(v, &below, first), rc2 = zset_seek(v, &above, &end);
    if (rc == OK) rc = rc2;
    if (rc == OK && end < *first) rc = ERR_CORRUPT;
    if (rc == OK) *n = end - *first;
    return rc;
}

static size_t same_score(const struct pair *p, size_t n) {
    size_t i = 1;
    while (i < n && p[i].score == p[0].score) i++;
    return i;
}

/* Walks the members of all pairs; without each: only asks for what that needs, and finds the longest run. */
static int tell_pairs(struct scan *s, const struct pair *pairs, size_t n, uint64_t *longest) {
    int cold = OK;
    for (size_t at = 0; at < n; at += s->n) {
        uint64_t first, members;
        s->pairs = pairs + at;
        s->n = same_score(pairs + at, n - at);
        int rc = run_of(s->v, pairs[at].score, &first, &members);
        if (rc == OK && members > *longest) *longest = members;
        if (rc == OK && s->each != NULL) rc = zset_each(s->v, first, members, false, scan_member, s);
        else if (rc == OK) rc = zset__need_ranks(s->v, first, members);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
    }
    return cold;
}

static int gather_sorted(const struct value *v, uint64_t *cursor, size_t count, buf *out) {
    out->n = 0;
    int rc = gather(v, cursor, count, out);
    if (out->n > 0) qsort(out->p, out->n / sizeof(struct pair), sizeof(struct pair), by_score);
    return rc;
}

int zset__index_scan(const struct value *v, uint64_t *cursor, size_t count, zset_each_fn *each, void *cookie) {
    struct scan s = {.v = v};
    buf found = BUF_INIT;
    uint64_t from = *cursor > UINT32_MAX ? 0 : *cursor, at = from, longest = 0;
    int rc = gather_sorted(v, &at, count, &found);
    if (rc == OK) rc = tell_pairs(&s, (const struct pair *)(const void *)found.p, found.n / sizeof(struct pair), &longest);
    if (rc == OK && longest / WALK_SHARE > count) {
        at = from;
        rc = gather_sorted(v, &at, (size_t)(longest / WALK_SHARE), &found);
        if (rc == OK) rc = tell_pairs(&s, (const struct pair *)(const void *)found.p, found.n / sizeof(struct pair), &longest);
    }
    s.each = each;
    s.cookie = cookie;
    if (rc == OK) rc = tell_pairs(&s, (const struct pair *)(const void *)found.p, found.n / sizeof(struct pair), &longest);
    buf_free(&found);
    if (rc == OK) *cursor = at > UINT32_MAX ? 0 : at;
    return rc;
}

/* ---- checking -------------------------------------------------------------------------------- */

struct check {
    struct value *v;
    char *why;
};

static int check_member(void *cookie, slice member, double score) {
    struct check *c = cookie;
    slice page;
    uint64_t b;
    size_t at;
    int rc = locate(c->v, zset__tag(c->v, member), score, &b, &page, &at);
    if (rc == ERR_CORRUPT) snprintf(c->why, 160, "zset: bucket %llu does not know a member", (unsigned long long)b);
    return rc;
}

int zset__index_check(struct value *v, char why[160]) {
    struct check c = {v, why};
    uint64_t pairs = 0;
    int cold = OK;
    if (too_many(v)) {
        snprintf(why, 160, "zset: too many buckets");
        return ERR_CORRUPT;
    }
    for (uint64_t b = 0; b < buckets(v); b++) {
        slice page;
        int rc = get_bucket(v, b, &page);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) {
            snprintf(why, 160, "zset: bucket %llu is damaged", (unsigned long long)b);
            return rc;
        }
        for (size_t i = 0; rc == OK && i < page.n / PAIR; i++) {
            if (bucket_of(tag_at(page, i), buckets(v)) == b) continue;
            snprintf(why, 160, "zset: bucket %llu has a pair of another", (unsigned long long)b);
            return ERR_CORRUPT;
        }
        if (rc == OK) pairs += page.n / PAIR;
    }
    int rc = zset_each(v, 0, zset_len(v), false, check_member, &c);
    if (rc != OK || cold != OK) return rc != OK ? rc : cold;
    if (pairs == zset_len(v)) return OK;
    snprintf(why, 160, "zset: %llu pairs, %llu members", (unsigned long long)pairs,
             (unsigned long long)zset_len(v));
    return ERR_CORRUPT;
}
