/* zset_del.c -- removing from the tree of a sorted set, and checking it.
 *
 * A leaf that becomes empty goes away, with the branches that it leaves empty. One that becomes small joins
 * a neighbour under the same branch if that is in memory and both are small: so a removal needs no pages
 * but those of its path. */
#include <assert.h>
#include <stdio.h>

#include "types/zset_internal.h"

#define JOIN_UNDER (ZSET_LEAF_MAX / 4)
#define JOIN_MAX (ZSET_LEAF_MAX * 3 / 4)

/* Takes child `slot` out of the branch, and puts `count` at the place of the one before it (or, for
 * `merged` false, does not). */
static int drop_child(struct value *v, const struct zset_step *s, unsigned level, uint32_t slot, bool merged,
                      uint64_t count) {
    slice page;
    struct zset_branch b;
    buf image = BUF_INIT;
    int rc = zset__branch_get(v, s->page, level, &page);
    if (rc != OK) return rc;
    zset__branch_load(page, &b);
    assert(b.n > 1 && slot < b.n && (!merged || slot > 0));
    if (merged) b.c[slot - 1].count = count;
    memmove(b.c + slot, b.c + slot + 1, (b.n - slot - 1) * sizeof(b.c[0]));
    b.n--;
    zset__branch_build(&b, 0, b.n, &image);
    rc = zset__write_page(v, s->page, slice_of(&image));
    buf_free(&image);
    buf_free(&b.copy);
    return rc;
}

static void read_leaf(slice page, struct zset_entry *e) {
    for (unsigned i = 0; i < zset__leaf_n(page); i++) e[i] = zset__leaf_at(page, i);
}

static int join_leaves(struct value *v, uint64_t left, uint64_t right, slice a, slice b) {
    struct zset_entry e[ZSET_LEAF_MAX / 10];
    unsigned n = zset__leaf_n(a), m = zset__leaf_n(b);
    buf image = BUF_INIT;
    read_leaf(a, e);
    read_leaf(b, e + n);
    if (zset__compare(e[n - 1].score, e[n - 1].member, e[n].score, e[n].member) >= 0) return ERR_CORRUPT;
    zset__leaf_build(e, n + m, &image);
    int rc = zset__write_page(v, left, slice_of(&image));
    buf_free(&image);
    zset__page_drop(v, right);
    return rc;
}

/* The children `slot` and `slot + 1` of the lowest branch become one, if they may. */
static int try_join(struct value *v, const struct zset_path *path, uint32_t slot, bool *joined) {
    const struct zset_step *s = &path->up[0];
    slice branch, a, b;
    *joined = false;
    int rc = zset__branch_get(v, s->page, 1, &branch);
    if (rc != OK) return rc;
    if (slot + 1 >= zset__branch_n(branch)) return OK;
    uint64_t left = zset__branch_page(branch, slot), right = zset__branch_page(branch, slot + 1);
    if (left == right) return ERR_CORRUPT;
    rc = zset__leaf_get(v, left, &a);
    if (rc == OK) rc = zset__leaf_get(v, right, &b);
    if (rc != OK || a.n + b.n > JOIN_MAX) return rc == ERR_COLD ? OK : rc;
    uint64_t count = (uint64_t)zset__leaf_n(a) + zset__leaf_n(b);
    rc = join_leaves(v, left, right, a, b);
    if (rc != OK) return rc;
    *joined = true;
    return drop_child(v, s, 1, slot + 1, true, count);
}

/* A root with one child gives its place to it, down to one that is cold. */
static int lower_root(struct value *v) {
    while (zset__meta(v)[ZSET_AT_HEIGHT] > 0) {
        unsigned height = zset__meta(v)[ZSET_AT_HEIGHT];
        uint64_t root = get_u64(zset__meta(v) + ZSET_AT_ROOT);
        slice b;
        int rc = zset__branch_get(v, root, height, &b);
        if (rc != OK || zset__branch_n(b) > 1) return rc == ERR_COLD ? OK : rc;
        uint64_t only = zset__branch_page(b, 0);
        zset__page_drop(v, root);
        put_u64(zset__meta_mut(v) + ZSET_AT_ROOT, only);
        zset__meta_mut(v)[ZSET_AT_HEIGHT] = (uint8_t)(height - 1);
    }
    return OK;
}

/* The leaf of the path, of `count` entries, goes away. */
static int drop_leaf(struct value *v, const struct zset_path *path, unsigned count) {
    uint64_t gone = path->leaf;
    for (unsigned level = 1; level <= path->height; level++) {
        const struct zset_step *s = &path->up[level - 1];
        zset__page_drop(v, gone);
        gone = s->page;
        if (s->n == 1) continue;
        int rc = drop_child(v, s, level, s->slot, false, 0);
        if (rc == OK) rc = zset__count_up(v, path, level + 1, 0 - (uint64_t)count);
        return rc == OK ? lower_root(v) : rc;
    }
    return ERR_CORRUPT; /* It counts others, which it does not have. */
}

int zset__remove(struct value *v, const struct zset_path *path, unsigned count) {
    unsigned n = zset__leaf_n(path->page);
    uint64_t all = get_u64(zset__meta(v) + ZSET_AT_COUNT);
    assert(count > 0 && path->pos + count <= n);
    if (count >= all) return ERR_CORRUPT;
    bool alone = false;
    for (unsigned level = 1; level <= path->height; level++) { /* Counts from the store do not wrap. */
        slice b;
        int rc = zset__branch_get(v, path->up[level - 1].page, level, &b);
        if (rc != OK) return rc;
        uint64_t below = zset__branch_count(b, path->up[level - 1].slot);
        if (below < count || (below == count) != (level == 1 ? count == n : path->up[level - 2].n == 1 && alone))
            return ERR_CORRUPT;
        alone = below == count;
    }
    if (count == n) return drop_leaf(v, path, count);
    size_t left;
    int rc = zset__leaf_cut(v, path, count, &left);
    if (rc == OK) rc = zset__count_up(v, path, 1, 0 - (uint64_t)count);
    bool small = rc == OK && left < JOIN_UNDER, joined = false;
    if (rc != OK || !small || path->height == 0) return rc;
    uint32_t slot = path->up[0].slot;
    if (slot > 0) rc = try_join(v, path, slot - 1, &joined);
    if (rc == OK && !joined) rc = try_join(v, path, slot, &joined);
    return rc == OK && joined ? lower_root(v) : rc;
}

/* ---- checking -------------------------------------------------------------------------------- */

struct check {
    struct value *v;
    uint64_t pages, members;
    bool cold;
    char *why;
};

static int wrong(struct check *c, const char *what, uint64_t page) {
    snprintf(c->why, 160, "zset: page %llu: %s", (unsigned long long)page, what);
    return ERR_CORRUPT;
}

/* `low`, `high`: NULL for no bound; the page's entries are from low on and below high. */
static bool within(const struct zset_entry *low, const struct zset_entry *high, struct zset_entry e) {
    if (low != NULL && zset__compare(e.score, e.member, low->score, low->member) < 0) return false;
    return high == NULL || zset__compare(e.score, e.member, high->score, high->member) < 0;
}

static int check_leaf(struct check *c, uint64_t page, slice b, uint64_t count, const struct zset_entry *low,
                      const struct zset_entry *high) {
    unsigned n = zset__leaf_n(b);
    if (n != count) return wrong(c, "its count is not that above", page);
    if (!within(low, high, zset__leaf_at(b, 0)) || !within(low, high, zset__leaf_at(b, n - 1)))
        return wrong(c, "its entries are outside of its keys", page);
    c->members += n;
    return OK;
}

/* Recursion: at most ZSET_HEIGHT_MAX levels. */
static int check_page(struct check *c, uint64_t page, unsigned level, uint64_t count,
                      const struct zset_entry *low, const struct zset_entry *high) {
    slice b;
    int rc = level == 0 ? zset__leaf_get(c->v, page, &b) : zset__branch_get(c->v, page, level, &b);
    if (rc == ERR_COLD) {
        c->cold = true;
        return OK;
    }
    if (rc != OK) return rc == ERR_CORRUPT ? wrong(c, "it is damaged, or not there", page) : rc;
    if (++c->pages > c->v->pager->ops->pages(c->v->obj)) return wrong(c, "it comes twice", page);
    if (level == 0) return check_leaf(c, page, b, count, low, high);
    uint64_t all = 0;
    for (uint32_t i = 0; i < zset__branch_n(b); i++) all += zset__branch_count(b, i);
    if (all != count) return wrong(c, "its counts do not add up", page);
    for (uint32_t i = 0; i < zset__branch_n(b) && rc == OK; i++) {
        bool last = i + 1 == zset__branch_n(b);
        struct zset_entry from = zset__branch_key(b, i), to = from;
        if (!last) to = zset__branch_key(b, i + 1);
        if (i > 0 && !within(low, high, from)) return wrong(c, "its keys are outside of the one above", page);
        rc = check_page(c, zset__branch_page(b, i), level - 1, zset__branch_count(b, i), i == 0 ? low : &from,
                        last ? high : &to);
        if (rc == OK) rc = zset__branch_get(c->v, page, level, &b);
    }
    return rc;
}

int zset__check(struct value *v, char why[160]) {
    struct check c = {.v = v, .why = why};
    const uint8_t *m = zset__meta(v);
    uint64_t all = get_u64(m + ZSET_AT_COUNT);
    int rc = check_page(&c, get_u64(m + ZSET_AT_ROOT), m[ZSET_AT_HEIGHT], all, NULL, NULL);
    if (rc != OK) return rc;
    if (!c.cold && c.members != all) return wrong(&c, "members are missing", 0);
    rc = zset__index_check(v, why);
    return rc == OK && c.cold ? ERR_COLD : rc;
}
