/* zset_apply.c -- the effects of sorted sets.
 *
 * An effect on an object asks for the bucket of each of its members, for the tree's leaf where each stands and
 * where each is to stand, and for the buckets that may be split or joined, before it changes any. */
#include <math.h>

#include "base/listpack.h"
#include "base/mem.h"
#include "types/zset_internal.h"

#define INLINE_AGAIN (INLINE_BYTES_MAX / 2) /* A leaf this small, left alone, is inline again. */

/* ---- putting ------------------------------------------------------------------------------ */

bool zset__listpack_allows(const struct value *v, uint64_t count, size_t member_bytes) {
    return count <= (uint64_t)v->config->zset_max_listpack_entries &&
           member_bytes <= (uint64_t)v->config->zset_max_listpack_value;
}

static int put_new(struct value *v, slice member, double score) {
    int rc = zset__insert(v, score, member);
    if (rc == OK) rc = zset__index_add(v, member, score);
    if (rc == OK) rc = zset__index_grow(v);
    return rc == ERR_EXISTS ? ERR_CORRUPT : rc; /* The index did not know of it. */
}

/* The pairs of the listpack go to an object. */
static int leave_inline(struct value *v, slice lp) {
    object *o = zset__make(v);
    if (o == NULL) return ERR_NOMEM;
    struct value made = *v;
    made.obj = o;
    made.kind = VALUE_OBJECT;
    int rc = OK;
    for (size_t at = lp_first(lp); at != 0 && rc == OK;) {
        char tmp[NUM_LL_MAX];
        size_t score_at = lp_next(lp, at);
        rc = put_new(&made, lp_get_bytes(lp, at, tmp), zset__small_score(lp, score_at));
        at = lp_next(lp, score_at);
    }
    if (rc != OK) {
        v->pager->ops->free(v->pager, o);
        return rc;
    }
    v->obj = o;
    v->kind = VALUE_OBJECT;
    return OK;
}

static void set_inline(struct value *v) {
    v->raw = slice_of(v->scratch);
    v->kind = VALUE_RAW;
    v->obj = NULL;
}

/* To the scratch, if it is not there. */
static void take_inline(struct value *v, slice lp) {
    if (lp.p == v->scratch->p) return;
    v->scratch->n = 0;
    buf_append_slice(v->scratch, lp);
}

static int put_small(struct value *v, slice lp, slice member, double score) {
    size_t at;
    double old;
    bool there = zset__small_find(lp, member, &at, &old) == OK;
    if (there && old == score) return OK;
    if (!there && !zset__listpack_allows(v, lp_count(lp) / 2 + 1, member.n)) v->aux |= ZSET_AUX_SKIPLIST;
    if (!zset__small_fits(lp, there ? SLICE("") : member)) {
        int rc = leave_inline(v, lp);
        return rc == OK ? zset__put(v, member, score) : rc;
    }
    if ((v->aux & ZSET_AUX_SKIPLIST) == 0 && score == 0) score = 0; /* A listpack knows no -0. */
    take_inline(v, lp);
    if (there) lp_delete(v->scratch, at, 2);
    zset__small_put(v->scratch, member, score);
    set_inline(v);
    return OK;
}

struct found { /* what is known of a member before anything changes */
    bool there;
    double score;
    struct zset_path from, to; /* where it stands, and where it goes with its new score */
};

/* The member's old place goes, when it has its new one. */
static int forget(struct value *v, slice member, double from, double to) {
    struct zset_path path;
    int rc = zset__find(v, from, member, false, &path);
    if (rc == OK && !path.found) rc = ERR_CORRUPT;
    if (rc == OK) rc = zset__remove(v, &path, 1);
    return rc == OK ? zset__index_change(v, member, from, to) : rc;
}

/* The same, after it has been put at `to`: where no leaf was split by that, the way to the old place is
 * what it was, but perhaps for the entry's number in its leaf. */
static int forget_found(struct value *v, slice member, double score, struct found *found, bool split) {
    struct zset_path *from = &found->from;
    if (split) return forget(v, member, found->score, score);
    from->pos += from->leaf == found->to.leaf && found->to.pos <= from->pos;
    int rc = zset__leaf_get(v, from->leaf, &from->page);
    if (rc == OK) rc = zset__remove(v, from, 1);
    return rc == OK ? zset__index_change(v, member, found->score, score) : rc;
}

static int put_object(struct value *v, slice member, double score, struct found *found) {
    if (found->there && found->score == score) return OK;
    if (!found->there && !zset__listpack_allows(v, zset_len(v) + 1, member.n)) v->aux |= ZSET_AUX_SKIPLIST;
    if ((v->aux & ZSET_AUX_SKIPLIST) == 0 && score == 0) score = 0;
    /* In first: so the tree is never empty. */
    bool split = zset__insert_splits(&found->to, member);
    int rc = zset__insert_at(v, &found->to, score, member);
    if (rc != OK) return rc == ERR_EXISTS ? ERR_CORRUPT : rc; /* The index did not know of it. */
    if (found->there) return forget_found(v, member, score, found, split);
    rc = zset__index_add(v, member, score);
    return rc == OK ? zset__index_grow(v) : rc;
}

static int need_pair(const struct value *v, slice member, double score, struct found *found);

int zset__put(struct value *v, slice member, double score) {
    slice lp;
    v->type = TYPE_ZSET;
    if (v->kind == VALUE_OBJECT && zset_len(v) == 0) return put_new(v, member, score);
    if (v->kind == VALUE_OBJECT) {
        struct found found;
        int known = need_pair(v, member, score, &found);
        return known == OK ? put_object(v, member, score, &found) : known;
    }
    int rc = zset__inline(v, &lp);
    if (rc == ERR_NOTFOUND) {
        lp_new(v->scratch);
        set_inline(v);
        rc = zset__inline(v, &lp);
    }
    return rc == OK ? put_small(v, lp, member, score) : rc;
}

/* ---- effects ------------------------------------------------------------------------------ */

static void note(int one, int *rc) {
    if (*rc == OK || (*rc == ERR_COLD && one != OK)) *rc = one;
}

/* What one pair needs, and what is there. */
static int need_pair(const struct value *v, slice member, double score, struct found *found) {
    int rc = zset__index_find(v, member, &found->score, &found->from), cold = OK;
    found->there = rc == OK;
    if (rc == ERR_COLD) cold = rc;
    else if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (found->there && found->score == score) return OK;
    rc = zset__find(v, score, member, false, &found->to);
    if (rc == OK && cold == OK && found->to.found) return ERR_CORRUPT; /* In the tree, and not in the index. */
    return rc != OK ? rc : cold;
}

struct old { /* of one of many */
    double score;
    bool there;
};

/* The last pair's goes to *found, each one's to old[] unless that is NULL. */
static int need_pairs(const struct value *v, const slice *args, size_t argc, struct found *found,
                      struct old *old) {
    int rc = OK;
    for (size_t i = 0; i < argc; i += 2) {
        note(need_pair(v, args[i + 1], zset__get_score(args[i].p), found), &rc);
        if (old != NULL) old[i / 2] = (struct old){found->score, found->there};
    }
    note(zset__index_need_grow(v, argc / 2), &rc);
    return rc;
}

int zset_need_add(const struct value *v, const slice *args, size_t argc) {
    struct found found;
    return v->kind == VALUE_OBJECT ? need_pairs(v, args, argc, &found, NULL) : OK;
}

/* No member twice: a small open table of arguments. */
static int members_differ(const struct value *v, const slice *args, size_t argc) {
    size_t size = 16;
    while (size < argc) size *= 2;
    uint32_t *table = mem_try_calloc(size, sizeof(*table));
    if (table == NULL) return ERR_NOMEM;
    int rc = OK;
    for (size_t i = 1; i < argc && rc == OK; i += 2) {
        size_t at = v->pager->ops->hash(v->pager, args[i]) & (size - 1);
        while (table[at] != 0 && !slice_eq(args[table[at]], args[i])) at = (at + 1) & (size - 1);
        if (table[at] != 0) rc = ERR_CORRUPT;
        table[at] = (uint32_t)i;
    }
    mem_free(table);
    return rc;
}

/* All into the tree first, and then what was there before out of it: an insertion after a leaf has gone
 * could need its neighbour. */
static int add_all(struct value *v, const effect *e, const struct old *old) {
    uint64_t members = zset_len(v);
    int rc = OK;
    for (size_t i = 0; i < e->argc && rc == OK; i += 2) {
        const struct old *o = &old[i / 2];
        slice member = e->args[i + 1];
        double score = zset__get_score(e->args[i].p);
        if (o->there && o->score == score) continue;
        if (!o->there && !zset__listpack_allows(v, ++members, member.n)) v->aux |= ZSET_AUX_SKIPLIST;
        if ((v->aux & ZSET_AUX_SKIPLIST) == 0 && score == 0) score = 0;
        rc = zset__insert(v, score, member);
    }
    for (size_t i = 0; i < e->argc && rc == OK; i += 2) {
        const struct old *o = &old[i / 2];
        slice member = e->args[i + 1];
        double score = zset__get_score(e->args[i].p);
        if (!o->there) rc = zset__index_add(v, member, score);
        else if (o->score != score) rc = forget(v, member, o->score, score);
    }
    if (rc == ERR_EXISTS) rc = ERR_CORRUPT; /* The index did not know of it. */
    return rc == OK ? zset__index_grow(v) : rc;
}

static int add_many(struct value *v, const effect *e) {
    struct found found;
    struct old *old = mem_try_alloc(e->argc / 2 * sizeof(*old));
    if (old == NULL) return ERR_NOMEM;
    int rc = need_pairs(v, e->args, e->argc, &found, old);
    if (rc == OK) rc = add_all(v, e, old);
    mem_free(old);
    return rc;
}

static int add_one(struct value *v, const effect *e) {
    struct found found;
    int rc = need_pairs(v, e->args, e->argc, &found, NULL);
    return rc == OK ? put_object(v, e->args[1], zset__get_score(e->args[0].p), &found) : rc;
}

static int apply_add(struct value *v, const effect *e) {
    if (e->argc == 0 || e->argc % 2 != 0) return ERR_CORRUPT;
    for (size_t i = 0; i < e->argc; i += 2) {
        if (e->args[i].n != 8 || isnan(zset__get_score(e->args[i].p))) return ERR_CORRUPT;
        if (zset_member_ok(e->args[i + 1]) != OK) return ERR_CORRUPT;
    }
    if (v->kind == VALUE_NONE) v->aux = 0;
    int rc = e->argc > 2 ? members_differ(v, e->args, e->argc) : OK;
    if (rc == OK && v->kind == VALUE_OBJECT) return e->argc == 2 ? add_one(v, e) : add_many(v, e);
    for (size_t i = 0; i < e->argc && rc == OK; i += 2)
        rc = zset__put(v, e->args[i + 1], zset__get_score(e->args[i].p));
    return rc;
}

static void drop_all(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
    v->obj = NULL;
    v->kind = VALUE_NONE;
}

/* A set that is one small leaf goes back to the directory page. */
static int come_inline(struct value *v) {
    slice leaf;
    if (zset__meta(v)[ZSET_AT_HEIGHT] > 0) return OK;
    if (zset__leaf_get(v, get_u64(zset__meta(v) + ZSET_AT_ROOT), &leaf) != OK) return OK;
    if (leaf.n > INLINE_AGAIN) return OK;
    lp_new(v->scratch);
    for (unsigned i = 0; i < zset__leaf_n(leaf); i++) {
        char text[NUM_DOUBLE_MAX];
        struct zset_entry e = zset__leaf_at(leaf, i);
        lp_append(v->scratch, e.member);
        lp_append(v->scratch, slice_make(text, zset_packed_text(text, e.score)));
    }
    if (v->scratch->n > INLINE_BYTES_MAX) return OK;
    v->pager->ops->free(v->pager, v->obj);
    set_inline(v);
    return OK;
}

int zset_need_rem(const struct value *v, const slice *members, size_t n) {
    int rc = OK;
    for (size_t i = 0; i < n && v->kind == VALUE_OBJECT; i++) {
        struct zset_path path;
        double score;
        int one = zset__index_find(v, members[i], &score, &path);
        note(one == ERR_NOTFOUND ? OK : one, &rc);
    }
    if (v->kind == VALUE_OBJECT) note(zset__index_need_shrink(v, n), &rc);
    return rc;
}

static int rem_in_object(struct value *v, const effect *e) {
    int rc = zset_need_rem(v, e->args, e->argc);
    for (size_t i = 0; i < e->argc && rc == OK; i++) {
        struct zset_path path;
        double score;
        rc = zset__index_find(v, e->args[i], &score, &path);
        if (rc == ERR_NOTFOUND) {
            rc = OK;
            continue;
        }
        if (rc == OK && zset_len(v) == 1) {
            drop_all(v);
            return OK;
        }
        if (rc == OK) rc = zset__index_remove(v, e->args[i], score);
        if (rc == OK) rc = zset__remove(v, &path, 1);
    }
    if (rc == OK) rc = zset__index_shrink(v);
    return rc == OK ? come_inline(v) : rc;
}

static int apply_rem(struct value *v, const effect *e) {
    slice lp;
    if (e->argc == 0) return ERR_CORRUPT;
    if (v->kind == VALUE_NONE) return OK;
    if (v->kind == VALUE_OBJECT) return rem_in_object(v, e);
    int rc = zset__inline(v, &lp);
    if (rc != OK) return rc;
    take_inline(v, lp);
    for (size_t i = 0; i < e->argc; i++) {
        size_t at;
        double score;
        if (zset__small_find(slice_of(v->scratch), e->args[i], &at, &score) == OK) lp_delete(v->scratch, at, 2);
    }
    if (lp_count(slice_of(v->scratch)) == 0) drop_all(v);
    else set_inline(v);
    return OK;
}

static int need_member(void *cookie, slice member, double score) {
    (void)score;
    int rc = zset__index_need(cookie, member);
    return rc == ERR_COLD ? OK : rc;
}

static int any_cold(void *cookie, slice member, double score) {
    (void)score;
    return zset__index_need(cookie, member);
}

static int remove_ranks(struct value *v, uint64_t first, uint64_t n) {
    int rc = zset__need_ranks(v, first, n);
    if (rc != OK) return rc;
    rc = zset_each(v, first, n, false, need_member, v);
    if (rc == OK) rc = zset_each(v, first, n, false, any_cold, v);
    int shrink = zset__index_need_shrink(v, n);
    if (rc != OK || shrink != OK) return rc != OK ? rc : shrink;
    while (n > 0 && rc == OK) {
        struct zset_path path;
        rc = zset__descend_rank(v, first, &path);
        if (rc != OK) return rc;
        uint64_t some = zset__leaf_n(path.page) - path.pos;
        if (some > n) some = n;
        for (unsigned i = 0; i < some && rc == OK; i++) {
            struct zset_entry e = zset__leaf_at(path.page, path.pos + i);
            rc = zset__index_remove(v, e.member, e.score);
            /* That changed a page: no slice is good after it. */
            if (rc == OK) rc = zset__leaf_get(v, path.leaf, &path.page);
        }
        if (rc == OK) rc = zset__remove(v, &path, (unsigned)some);
        n -= some;
    }
    if (rc == OK) rc = zset__index_shrink(v);
    return rc == OK ? come_inline(v) : rc;
}

static int apply_rem_ranks(struct value *v, const effect *e) {
    slice lp;
    if (e->argc != 2 || e->args[0].n != 8 || e->args[1].n != 8 || v->kind == VALUE_NONE) return ERR_CORRUPT;
    uint64_t first = get_u64(e->args[0].p), n = get_u64(e->args[1].p), len = zset_len(v);
    if (n == 0 || first >= len || n > len - first) return ERR_CORRUPT;
    if (n == len) {
        drop_all(v);
        return OK;
    }
    if (v->kind == VALUE_OBJECT) return remove_ranks(v, first, n);
    int rc = zset__inline(v, &lp);
    if (rc != OK) return rc;
    take_inline(v, lp);
    lp_delete(v->scratch, lp_seek(lp, (long)(2 * first)), (size_t)(2 * n));
    set_inline(v);
    return OK;
}

int zset_apply(struct value *v, const effect *e) {
    switch (e->op) {
    case ZSET_ADD: return apply_add(v, e);
    case ZSET_REM: return apply_rem(v, e);
    case ZSET_REM_RANKS: return apply_rem_ranks(v, e);
    }
    return ERR_CORRUPT;
}
