/* btree_range.c -- many entries of a B+ tree removed at once: all of a range, or some of them.
 *
 * A leaf is written once, however much it loses, and one that lies in the range as a whole is freed
 * unseen: it need not even be in memory. So what a group of a stream has pending goes in a few
 * milliseconds, whether it is a thousand entries or a million.
 *
 * Neighbours under one parent join as after btree_del(), where one of them has lost something. A damaged
 * tree could name a node again and again; the keys of branches are checked against those above them, so
 * that no node is walked twice. */
#include <assert.h>

#include "base/mem.h"
#include "types/btree_internal.h"

struct removal {
    pager *p;
    object *o;
    slice from, to;
    btree_which *which; /* NULL: all */
    void *cookie;
    uint64_t gone, unseen; /* entries; leaves that were freed unseen */
    bool cold;
};

struct span { /* what a node may hold: keys in [low, high); high.p NULL: no end */
    slice low, high;
};

static bool inside(const struct removal *r, struct span s) {
    return r->which == NULL && slice_cmp(s.low, r->from) >= 0 && s.high.p != NULL &&
           slice_cmp(s.high, r->to) <= 0;
}

static struct span child_span(const struct bt_list *l, size_t i, struct span s) {
    if (i > 0) s.low = l->e[i].key;
    if (i + 1 < l->count) s.high = l->e[i + 1].key;
    return s;
}

static int load_branch(struct removal *r, uint64_t index, unsigned level, struct span s, struct bt_list *l) {
    slice page;
    *l = (struct bt_list){.copy = BUF_INIT};
    int rc = bt__get(r->p, r->o, index, level, &page);
    if (rc == OK) rc = bt_list_load(page, l);
    if (rc == OK && l->count == 0) rc = ERR_CORRUPT;
    for (size_t i = 0; rc == OK && i < l->count; i++) {
        slice below = i <= 1 ? s.low : l->e[i - 1].key;
        if (l->e[i].val.n != 8) rc = ERR_CORRUPT;
        if (i > 0 && slice_cmp(l->e[i].key, below) <= 0) rc = ERR_CORRUPT;
        if (i > 0 && s.high.p != NULL && slice_cmp(l->e[i].key, s.high) >= 0) rc = ERR_CORRUPT;
    }
    if (rc != OK) bt_list_free(l);
    return rc;
}

/* The children that may hold keys of the range: [*first, *end). */
static void children(const struct removal *r, const struct bt_list *l, size_t *first, size_t *end) {
    *first = 0;
    while (*first + 1 < l->count && slice_cmp(l->e[*first + 1].key, r->from) <= 0) ++*first;
    *end = *first + 1;
    while (*end < l->count && slice_cmp(l->e[*end].key, r->to) < 0) ++*end;
}

/* ---- asking ------------------------------------------------------------------------------- */

static int need_under(struct removal *r, uint64_t index, unsigned level, struct span s) {
    struct bt_list l;
    slice page;
    size_t first, end;
    bool whole = inside(r, s);
    if (level == 0) {
        int rc = whole ? OK : bt__get(r->p, r->o, index, 0, &page);
        if (rc != ERR_COLD) return rc;
        r->cold = true;
        return OK;
    }
    int rc = load_branch(r, index, level, s, &l);
    if (rc == ERR_COLD) r->cold = true;
    if (rc != OK) return rc == ERR_COLD ? OK : rc;
    children(r, &l, &first, &end);
    if (level == 1 && whole) end = first; /* Its leaves are not looked at. */
    for (size_t i = first; i < end && rc == OK; i++)
        rc = need_under(r, get_u64(l.e[i].val.p), level - 1, child_span(&l, i, s));
    bt_list_free(&l);
    return rc;
}

static int need(struct removal *r) {
    const uint8_t *meta = r->p->ops->meta(r->o);
    unsigned height = meta[BT_AT_HEIGHT];
    if (height > BT_HEIGHT_MAX) return ERR_CORRUPT;
    if (height == 0 || slice_cmp(r->from, r->to) >= 0) return OK;
    struct span all = {SLICE(""), slice_make(NULL, 0)};
    int rc = need_under(r, get_u64(meta + BT_AT_ROOT), height - 1, all);
    return rc == OK && r->cold ? ERR_COLD : rc;
}

int btree_need_range(pager *p, object *o, slice from, slice to) {
    struct removal r = {.p = p, .o = o, .from = from, .to = to};
    return need(&r);
}

static bool any_entry(void *cookie, slice key, slice val) {
    (void)cookie;
    (void)key;
    (void)val;
    return true;
}

int btree_need_those(pager *p, object *o, slice from, slice to) {
    struct removal r = {.p = p, .o = o, .from = from, .to = to, .which = any_entry};
    return need(&r);
}

/* ---- removing ----------------------------------------------------------------------------- */

static int write_list(struct removal *r, uint64_t index, unsigned level, const struct bt_list *l) {
    buf image = BUF_INIT;
    bt_build(l, 0, l->count, level, bt__page_bytes(bt_list_bytes(l, 0, l->count)), &image);
    int rc = bt__write(r->p, r->o, index, &image);
    buf_free(&image);
    return rc;
}

/* Writes a leaf that loses something. */
static int trim_leaf(struct removal *r, uint64_t index, bool *empty, bool *touched) {
    struct bt_list l = {.copy = BUF_INIT};
    slice page;
    unsigned from, to;
    bool exact;
    int rc = bt__get(r->p, r->o, index, 0, &page);
    if (rc == OK) rc = bt_search(page, r->from, &from, &exact);
    if (rc == OK) rc = bt_search(page, r->to, &to, &exact);
    if (rc != OK || from >= to) return rc;
    rc = bt_list_load(page, &l);
    size_t kept = from;
    for (size_t i = from; rc == OK && r->which != NULL && i < to; i++) {
        struct bt_entry e = l.e[i];
        if (!r->which(r->cookie, e.key, e.val)) l.e[kept++] = e;
    }
    if (rc == OK && kept < to) {
        memmove(l.e + kept, l.e + to, (l.count - to) * sizeof(*l.e));
        l.count -= to - kept;
        r->gone += to - kept;
        *touched = true;
        *empty = l.count == 0;
        if (!*empty) rc = write_list(r, index, 0, &l);
    }
    bt_list_free(&l);
    return rc;
}

static int free_under(struct removal *r, uint64_t index, unsigned level, struct span s) {
    struct bt_list l;
    int rc = OK;
    if (level == 0) {
        r->unseen++;
        return btree_page_free(r->p, r->o, index);
    }
    rc = load_branch(r, index, level, s, &l);
    if (rc != OK) return rc;
    for (size_t i = 0; i < l.count && rc == OK; i++)
        rc = free_under(r, get_u64(l.e[i].val.p), level - 1, child_span(&l, i, s));
    bt_list_free(&l);
    return rc == OK ? btree_page_free(r->p, r->o, index) : rc;
}

/* Do two neighbours become one? One that is cold is not waited for. */
static int may_join(struct removal *r, const struct bt_list *l, size_t left, unsigned level, bool *yes) {
    slice a, b;
    *yes = false;
    int rc = bt__get(r->p, r->o, get_u64(l->e[left].val.p), level, &a);
    if (rc == OK) rc = bt__get(r->p, r->o, get_u64(l->e[left + 1].val.p), level, &b);
    if (rc != OK) return rc == ERR_COLD ? OK : rc;
    size_t one = bt_live(a), other = bt_live(b);
    if (one >= BT_MERGE_UNDER && other >= BT_MERGE_UNDER) return OK;
    *yes = one + other + l->e[left + 1].key.n <= BT_MERGE_MAX;
    return OK;
}

/* Joins what can be joined of the children from `first` - 1 on, of which `n` may have lost something. */
static int join_children(struct removal *r, struct bt_list *l, size_t first, size_t n, unsigned level,
                         bool *changed) {
    size_t i = first > 0 ? first - 1 : 0;
    int rc = OK;
    for (size_t tries = n + 1; tries > 0 && rc == OK && i + 1 < l->count; tries--) {
        bool yes;
        rc = may_join(r, l, i, level, &yes);
        if (rc != OK || !yes) {
            i++;
            continue;
        }
        rc = bt__join(r->p, r->o, get_u64(l->e[i].val.p), get_u64(l->e[i + 1].val.p), level, l->e[i + 1].key);
        l->count--;
        memmove(l->e + i + 1, l->e + i + 2, (l->count - i - 1) * sizeof(*l->e));
        *changed = true;
    }
    return rc;
}

static int trim_under(struct removal *r, uint64_t index, unsigned level, struct span s, bool *empty,
                      bool *touched);

/* The children of a branch: those that are empty leave the list. *lost: how many that are left have lost
 * something, or stand beside one that went. */
static int trim_children(struct removal *r, struct bt_list *l, size_t first, size_t end, unsigned level,
                         struct span s, size_t *lost) {
    size_t kept = first;
    int rc = OK;
    *lost = 0;
    for (size_t i = first; i < end; i++) {
        struct span inner = child_span(l, i, s); /* Of entries that are still where they were. */
        uint64_t child = get_u64(l->e[i].val.p);
        bool empty = true, touched = true, whole = inside(r, inner);
        rc = whole ? free_under(r, child, level, inner) : trim_under(r, child, level, inner, &empty, &touched);
        if (rc == OK && empty && !whole) rc = btree_page_free(r->p, r->o, child);
        if (rc != OK) return rc;
        if (!empty && touched) *lost = kept - first + 1;
        if (!empty) l->e[kept++] = l->e[i];
    }
    memmove(l->e + kept, l->e + end, (l->count - end) * sizeof(*l->e));
    l->count -= end - kept;
    return OK;
}

/* Takes the entries of the range away from what is under a node; it is for the caller to free it when
 * nothing is left. */
static int trim_under(struct removal *r, uint64_t index, unsigned level, struct span s, bool *empty,
                      bool *touched) {
    struct bt_list l;
    size_t first, end, lost;
    *empty = *touched = false;
    if (level == 0) return trim_leaf(r, index, empty, touched);
    int rc = load_branch(r, index, level, s, &l);
    if (rc != OK) return rc;
    size_t before = l.count;
    children(r, &l, &first, &end);
    rc = trim_children(r, &l, first, end, level - 1, s, &lost);
    bool changed = l.count != before;
    if (rc == OK && (lost > 0 || changed)) rc = join_children(r, &l, first, lost, level - 1, &changed);
    *touched = changed;
    *empty = l.count == 0;
    if (rc == OK && changed && !*empty) rc = write_list(r, index, level, &l);
    bt_list_free(&l);
    return rc;
}

static int finish(struct removal *r, bool empty, uint64_t gone) {
    uint8_t *meta = r->p->ops->meta_mut(r->p, r->o);
    uint64_t count = get_u64(meta + BT_AT_COUNT);
    if (gone > count || (gone == count) != empty) return ERR_CORRUPT;
    put_u64(meta + BT_AT_COUNT, count - gone);
    if (!empty) return bt__lower_root(r->p, r->o);
    int rc = btree_page_free(r->p, r->o, get_u64(meta + BT_AT_ROOT));
    r->p->ops->meta_mut(r->p, r->o)[BT_AT_HEIGHT] = 0;
    return rc;
}

static int removal(struct removal *r, const uint64_t *count) {
    bool empty, touched;
    int rc = need(r);
    if (rc != OK) return rc;
    const uint8_t *meta = r->p->ops->meta(r->o);
    unsigned height = meta[BT_AT_HEIGHT];
    if (height == 0 || slice_cmp(r->from, r->to) >= 0) return count == NULL || *count == 0 ? OK : ERR_CORRUPT;
    struct span all = {SLICE(""), slice_make(NULL, 0)};
    rc = trim_under(r, get_u64(meta + BT_AT_ROOT), height - 1, all, &empty, &touched);
    if (rc != OK) return rc;
    uint64_t gone = count != NULL ? *count : r->gone;
    if (gone < r->gone + r->unseen || (r->unseen == 0 && gone != r->gone)) return ERR_CORRUPT;
    return gone == 0 && !empty ? OK : finish(r, empty, gone);
}

int btree_del_range(pager *p, object *o, slice from, slice to, uint64_t count) {
    struct removal r = {.p = p, .o = o, .from = from, .to = to};
    return removal(&r, &count);
}

int btree_del_those(pager *p, object *o, slice from, slice to, btree_which *which, void *cookie,
                    uint64_t *gone) {
    struct removal r = {.p = p, .o = o, .from = from, .to = to, .which = which, .cookie = cookie};
    assert(which != NULL);
    int rc = removal(&r, NULL);
    *gone = r.gone;
    return rc;
}
