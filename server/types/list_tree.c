/* list_tree.c -- the tree of a large list: leaves that are listpacks under branches that count.
 *
 * Every change works on the path to one leaf: the leaf changes, perhaps gets a neighbour to its
 * right, and the branches above learn of it from below. Leaves are not merged: one that is empty goes
 * away, with the branches that it leaves empty. */
#include <assert.h>
#include <stdio.h>

#include "base/listpack.h"
#include "types/list_internal.h"

#define AT_HEIGHT 1
#define AT_FREE_N 2
#define AT_COUNT 4
#define AT_ROOT 12
#define AT_NEXT 20
#define AT_FREE 28

#define LP_EMPTY 7
#define FILL_SAFE 8192 /* Of a leaf that is limited by a number of elements. */
#define FILL_GUESS 8   /* What an element costs beside its bytes, as Redis guesses. */

static const uint8_t *meta_of(const struct value *v) { return v->pager->ops->meta(v->obj); }
static uint8_t *meta_mut(struct value *v) { return v->pager->ops->meta_mut(v->pager, v->obj); }

bool list__meta_ok(slice meta) {
    const uint8_t *m = meta.p;
    if (meta.n != LIST_META_BYTES || m[0] != LIST_OBJECT || m[AT_HEIGHT] > LIST_HEIGHT_MAX)
        return false;
    uint64_t count = get_u64(m + AT_COUNT), next = get_u64(m + AT_NEXT);
    unsigned known = get_u16(m + AT_FREE_N);
    if (count == 0 || count > VALUE_COUNT_MAX || known > LIST_FREE_MAX) return false;
    if (next > VALUE_COUNT_MAX || get_u64(m + AT_ROOT) >= next) return false;
    for (unsigned i = 0; i < known; i++)
        if (get_u64(m + AT_FREE + 8 * i) >= next) return false;
    return true;
}

/* ---- leaves --------------------------------------------------------------------------------- */

bool list__fits(const struct value *v, size_t leaf_bytes, size_t leaf_count, size_t n) {
    int64_t fill = v->config->list_max_listpack_size;
    size_t bytes = leaf_bytes + n + FILL_GUESS;
    if (fill >= 0) return bytes <= FILL_SAFE && leaf_count < (uint64_t)fill;
    return bytes <= (size_t)4096 << (fill < -5 ? 4 : -fill - 1);
}

static bool leaf_ok(slice page) { return lp_check(page, true) == OK; }

/* The shallow check tells a leaf from a branch each time: a damaged tree may name one page twice. */
int list__leaf(const struct value *v, const struct list_path *path, slice *lp) {
    int rc = v->pager->ops->get_ok(v->pager, v->obj, path->leaf, leaf_ok, lp);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    rc = lp_check(*lp, false);
    return rc == OK && lp_count(*lp) != path->count ? ERR_CORRUPT : rc;
}

/* A page seen as a listpack that has `room` bytes more than it holds: nothing is moved. */
static int open_leaf(struct value *v, uint64_t page, size_t n, size_t room, buf *lp) {
    uint8_t *to;
    int rc = v->pager->ops->mut(v->pager, v->obj, page, n + room, &to);
    if (rc == OK) *lp = (buf){to, n, n + room};
    return rc;
}

static int close_leaf(struct value *v, uint64_t page, const buf *lp) {
    uint8_t *to;
    return lp->n == lp->cap ? OK : v->pager->ops->mut(v->pager, v->obj, page, lp->n, &to);
}

static int write_page(struct value *v, uint64_t page, slice bytes) {
    uint8_t *to;
    int rc = v->pager->ops->mut(v->pager, v->obj, page, bytes.n, &to);
    if (rc == OK) memcpy(to, bytes.p, bytes.n);
    return rc;
}

/* ---- page numbers ---------------------------------------------------------------------------- */

static uint64_t page_new(struct value *v) {
    uint8_t *m = meta_mut(v);
    uint16_t known = get_u16(m + AT_FREE_N);
    if (known > 0) {
        put_u16(m + AT_FREE_N, (uint16_t)(known - 1));
        return get_u64(m + AT_FREE + 8 * (known - 1));
    }
    uint64_t page = get_u64(m + AT_NEXT);
    put_u64(m + AT_NEXT, page + 1);
    return page;
}

static void page_drop(struct value *v, uint64_t page) {
    (void)v->pager->ops->drop(v->pager, v->obj, page); /* Never cold; it is there. */
    uint8_t *m = meta_mut(v);
    uint16_t known = get_u16(m + AT_FREE_N);
    if (known == LIST_FREE_MAX) return; /* Forgotten: an index is all that is lost. */
    put_u64(m + AT_FREE + 8 * known, page);
    put_u16(m + AT_FREE_N, (uint16_t)(known + 1));
}

/* ---- down ----------------------------------------------------------------------------------- */

static uint64_t child_page(const uint8_t *branch, size_t i) {
    return get_u64(branch + i * LIST_ENTRY_BYTES);
}
static uint64_t child_count(const uint8_t *branch, size_t i) {
    return get_u64(branch + i * LIST_ENTRY_BYTES + 8);
}

/* No child is empty. Whether the counts add up is seen when one of them changes. */
static bool branch_ok(slice b) {
    for (size_t i = 0; i < b.n / LIST_ENTRY_BYTES; i++)
        if (child_count(b.p, i) == 0) return false;
    return true;
}

static int get_branch(const struct value *v, uint64_t page, slice *b) {
    int rc = v->pager->ops->get_ok(v->pager, v->obj, page, branch_ok, b);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    if (b->n == 0 || b->n % LIST_ENTRY_BYTES != 0) return ERR_CORRUPT;
    /* A listpack ends in 0xFF, a count never does. */
    if (b->p[b->n - 1] != 0) return ERR_CORRUPT;
    return b->n > (size_t)LIST_FANOUT * LIST_ENTRY_BYTES ? ERR_CORRUPT : OK;
}

/* The child that holds pos of `total`, from the nearer end; *first: the position where it begins. */
static uint32_t choose(slice b, uint64_t pos, uint64_t total, uint64_t *first) {
    uint32_t n = (uint32_t)(b.n / LIST_ENTRY_BYTES), i;
    uint64_t at;
    if (pos < total / 2) {
        for (i = 0, at = 0; i < n - 1 && pos - at >= child_count(b.p, i); i++) {
            at += child_count(b.p, i);
        }
    } else {
        i = n - 1;
        for (at = total - child_count(b.p, i); i > 0 && at > pos;) at -= child_count(b.p, --i);
    }
    *first = at;
    return i;
}

int list__descend(const struct value *v, uint64_t pos, struct list_path *path) {
    const uint8_t *m = meta_of(v);
    uint64_t page = get_u64(m + AT_ROOT), total = get_u64(m + AT_COUNT), first = 0;
    path->height = m[AT_HEIGHT];
    if (pos > total) return ERR_CORRUPT;
    for (unsigned i = 0; i < path->height; i++) {
        slice b;
        uint64_t at;
        int rc = get_branch(v, page, &b);
        if (rc != OK) return rc;
        uint32_t slot = choose(b, pos - first, total, &at);
        path->up[i] = (struct list_step){page, total, slot, (uint32_t)(b.n / LIST_ENTRY_BYTES)};
        uint64_t below = child_count(b.p, slot);
        if (below == 0 || below > total || at > pos - first || pos - first - at > below) {
            return ERR_CORRUPT; /* Its counts do not add up. */
        }
        first += at;
        page = child_page(b.p, slot);
        total = below;
    }
    path->leaf = page;
    path->first = first;
    path->count = total;
    return OK;
}

/* ---- up ------------------------------------------------------------------------------------- */

/* What became of the child on the path: its page and count now, and a new one to its right. */
struct change {
    uint64_t page, count;
    bool split;
    uint64_t right, right_count;
};

static void put_child(uint8_t *branch, size_t i, uint64_t page, uint64_t count) {
    put_u64(branch + i * LIST_ENTRY_BYTES, page);
    put_u64(branch + i * LIST_ENTRY_BYTES + 8, count);
}

static uint64_t sum(const uint8_t *branch, size_t n) {
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) all += child_count(branch, i);
    return all;
}

/* The branch of `s` with the right neighbour added to it; split in two when it is full: near the end
 * where it grows, so that lists that grow at an end have full branches. */
static int widen(struct value *v, const struct list_step *s, struct change *c) {
    uint8_t all[(LIST_FANOUT + 1) * LIST_ENTRY_BYTES], *to;
    slice b;
    int rc = get_branch(v, s->page, &b);
    if (rc != OK) return rc;
    if (b.n / LIST_ENTRY_BYTES != s->n) return ERR_CORRUPT; /* It is its own child. */
    if (sum(b.p, s->n) != s->total) return ERR_CORRUPT;
    size_t at = (s->slot + 1) * (size_t)LIST_ENTRY_BYTES, n = s->n + 1;
    memcpy(all, b.p, at);
    memcpy(all + at + LIST_ENTRY_BYTES, b.p + at, b.n - at);
    put_child(all, s->slot, c->page, c->count);
    put_child(all, s->slot + 1, c->right, c->right_count);
    size_t cut = n <= LIST_FANOUT ? n : s->slot + 2 == n ? n - 1 : s->slot == 0 ? 1 : n / 2;
    *c = (struct change){.page = s->page, .count = sum(all, cut), .split = cut < n};
    rc = v->pager->ops->mut(v->pager, v->obj, s->page, cut * LIST_ENTRY_BYTES, &to);
    if (rc != OK) return rc;
    memcpy(to, all, cut * LIST_ENTRY_BYTES);
    if (!c->split) return OK;
    c->right = page_new(v);
    c->right_count = sum(all + cut * LIST_ENTRY_BYTES, n - cut);
    return write_page(v, c->right, slice_make(all + cut * LIST_ENTRY_BYTES,
                                              (n - cut) * LIST_ENTRY_BYTES));
}

static int tell_up(struct value *v, const struct list_path *path, struct change c) {
    uint8_t *to;
    int rc;
    for (unsigned i = path->height; i-- > 0;) {
        const struct list_step *s = &path->up[i];
        if (c.split) {
            rc = widen(v, s, &c);
            if (rc != OK) return rc;
            continue;
        }
        rc = v->pager->ops->mut(v->pager, v->obj, s->page, s->n * (size_t)LIST_ENTRY_BYTES, &to);
        if (rc != OK) return rc;
        uint64_t was = child_count(to, s->slot);
        put_child(to, s->slot, c.page, c.count);
        c = (struct change){.page = s->page, .count = s->total - was + c.count};
    }
    if (c.split) {
        uint8_t two[2 * LIST_ENTRY_BYTES];
        if (path->height == LIST_HEIGHT_MAX) return ERR_LIMIT;
        put_child(two, 0, c.page, c.count);
        put_child(two, 1, c.right, c.right_count);
        c.page = page_new(v);
        rc = write_page(v, c.page, slice_make(two, sizeof(two)));
        if (rc != OK) return rc;
        c.count += c.right_count;
        meta_mut(v)[AT_HEIGHT] = (uint8_t)(path->height + 1);
    }
    put_u64(meta_mut(v) + AT_ROOT, c.page);
    put_u64(meta_mut(v) + AT_COUNT, c.count);
    return OK;
}

/* A new leaf beside the one of the path. */
static int add_leaf(struct value *v, const struct list_path *path, slice leaf, bool before) {
    uint64_t page = page_new(v), count = lp_count(leaf);
    int rc = write_page(v, page, leaf);
    if (rc != OK) return rc;
    struct change after = {path->leaf, path->count, true, page, count};
    struct change ahead = {page, count, true, path->leaf, path->count};
    return tell_up(v, path, before ? ahead : after);
}

/* A new leaf of one element. */
static int add_single(struct value *v, const struct list_path *path, slice element, bool before) {
    buf lp = BUF_INIT;
    lp_new(&lp);
    lp_append(&lp, element);
    int rc = add_leaf(v, path, slice_of(&lp), before);
    buf_free(&lp);
    return rc;
}

/* ---- changes --------------------------------------------------------------------------------- */

object *list__make(struct value *v, slice leaf) {
    object *o = v->pager->ops->make(v->pager, false, LIST_META_BYTES);
    if (o == NULL) return NULL;
    struct value made = *v;
    made.obj = o;
    uint8_t *m = meta_mut(&made);
    m[0] = LIST_OBJECT;
    put_u64(m + AT_COUNT, lp_count(leaf));
    put_u64(m + AT_NEXT, 1);
    if (write_page(&made, 0, leaf) == OK) return o;
    v->pager->ops->free(v->pager, o);
    return NULL;
}

int list__append_leaf(struct value *v, slice leaf) {
    struct list_path path;
    int rc = list__descend(v, get_u64(meta_of(v) + AT_COUNT), &path);
    return rc == OK ? add_leaf(v, &path, leaf, false) : rc;
}

int list__push(struct value *v, const slice *args, size_t argc, bool head) {
    for (size_t done = 0; done < argc;) {
        struct list_path path;
        slice lp;
        int rc = list__descend(v, head ? 0 : get_u64(meta_of(v) + AT_COUNT), &path);
        if (rc == OK) rc = list__leaf(v, &path, &lp);
        if (rc != OK) return rc;
        size_t bytes = lp.n, n = 0;
        while (done + n < argc && list__fits(v, bytes, path.count + n, args[done + n].n)) {
            bytes += lp_entry_bytes(args[done + n++]);
        }
        if (n == 0) {
            rc = add_single(v, &path, args[done++], head);
            if (rc != OK) return rc;
            continue;
        }
        buf leaf;
        rc = open_leaf(v, path.leaf, lp.n, bytes - lp.n, &leaf);
        if (rc != OK) return rc;
        for (size_t i = 0; i < n; i++) {
            if (head) lp_prepend(&leaf, args[done + i]);
            else lp_append(&leaf, args[done + i]);
        }
        assert(leaf.n == leaf.cap);
        rc = tell_up(v, &path, (struct change){.page = path.leaf, .count = path.count + n});
        if (rc != OK) return rc;
        done += n;
    }
    return OK;
}

/* Cuts a leaf before its element `off`. */
static int split_leaf(struct value *v, const struct list_path *path, slice lp, uint64_t off) {
    buf right = BUF_INIT, left;
    buf_append_slice(&right, lp);
    size_t at = lp_seek(lp, (long)off);
    lp_delete(&right, lp_first(lp), off);
    int rc = open_leaf(v, path->leaf, lp.n, 0, &left);
    if (rc == OK) {
        lp_delete(&left, at, path->count - off);
        rc = close_leaf(v, path->leaf, &left);
    }
    uint64_t page = page_new(v);
    if (rc == OK) rc = write_page(v, page, slice_of(&right));
    buf_free(&right);
    if (rc != OK) return rc;
    struct change c = {path->leaf, off, true, page, path->count - off};
    return tell_up(v, path, c);
}

int list__insert(struct value *v, uint64_t pos, slice element) {
    struct list_path path;
    slice lp;
    int rc = list__descend(v, pos, &path);
    if (rc == OK) rc = list__leaf(v, &path, &lp);
    if (rc != OK) return rc;
    uint64_t off = pos - path.first;
    if (!list__fits(v, lp.n, path.count, element.n)) {
        if (off == 0 || off == path.count) return add_single(v, &path, element, off == 0);
        rc = split_leaf(v, &path, lp, off);
        return rc == OK ? list__insert(v, pos, element) : rc; /* Now it is at a leaf's start. */
    }
    buf leaf;
    rc = open_leaf(v, path.leaf, lp.n, lp_entry_bytes(element), &leaf);
    if (rc != OK) return rc;
    if (off == path.count) lp_append(&leaf, element);
    else lp_insert(&leaf, lp_seek(slice_of(&leaf), (long)off), element);
    return tell_up(v, &path, (struct change){.page = path.leaf, .count = path.count + 1});
}

int list__replace(struct value *v, uint64_t pos, slice element) {
    struct list_path path;
    slice lp;
    int rc = list__descend(v, pos, &path);
    if (rc == OK) rc = list__leaf(v, &path, &lp);
    if (rc != OK) return rc;
    size_t at = lp_seek(lp, (long)(pos - path.first)), more = lp_entry_bytes(element);
    if (at == 0) return ERR_CORRUPT;
    if (path.count > 1 && lp.n + more > PAGE_BYTES) { /* It goes to a leaf of its own. */
        rc = list__insert(v, pos, element);
        return rc == OK ? list__delete(v, pos + 1, 1) : rc;
    }
    buf leaf = BUF_INIT;
    if (path.count == 1) { /* No page has room for two of the largest. */
        lp_new(&leaf);
        lp_append(&leaf, element);
        rc = write_page(v, path.leaf, slice_of(&leaf));
        buf_free(&leaf);
        return rc;
    }
    rc = open_leaf(v, path.leaf, lp.n, more, &leaf);
    if (rc != OK) return rc;
    lp_replace(&leaf, at, element);
    return close_leaf(v, path.leaf, &leaf);
}

/* ---- deleting -------------------------------------------------------------------------------- */

static int drop_leaf(struct value *v, const struct list_path *path) {
    uint8_t *to;
    unsigned i = path->height, alone = 0;
    uint64_t gone = path->leaf;
    while (alone < path->height && path->up[path->height - 1 - alone].n == 1) alone++;
    if (alone == path->height) return ERR_CORRUPT; /* It counts others, which it does not have. */
    for (;; gone = path->up[i].page) {
        page_drop(v, gone);
        if (path->up[--i].n > 1) break;
    }
    const struct list_step *s = &path->up[i];
    size_t bytes = s->n * (size_t)LIST_ENTRY_BYTES, at = s->slot * (size_t)LIST_ENTRY_BYTES;
    int rc = v->pager->ops->mut(v->pager, v->obj, s->page, bytes, &to);
    if (rc != OK) return rc;
    memmove(to + at, to + at + LIST_ENTRY_BYTES, bytes - at - LIST_ENTRY_BYTES);
    uint64_t only = child_page(to, 0);
    rc = v->pager->ops->mut(v->pager, v->obj, s->page, bytes - LIST_ENTRY_BYTES, &to);
    if (rc != OK) return rc;
    struct list_path above = *path;
    above.height = i;
    rc = tell_up(v, &above, (struct change){.page = s->page, .count = s->total - path->count});
    if (rc == OK && i == 0 && s->n == 2) { /* A root with one child. */
        page_drop(v, s->page);
        put_u64(meta_mut(v) + AT_ROOT, only);
        meta_mut(v)[AT_HEIGHT]--;
    }
    return rc;
}

int list__delete(struct value *v, uint64_t first, uint64_t n) {
    while (n > 0) {
        struct list_path path;
        slice lp;
        int rc = list__descend(v, first, &path);
        if (rc != OK) return rc;
        uint64_t off = first - path.first, some = path.count - off < n ? path.count - off : n;
        if (some == 0) return ERR_CORRUPT;
        n -= some;
        if (some == path.count) {
            rc = drop_leaf(v, &path);
            if (rc != OK) return rc;
            continue;
        }
        rc = list__leaf(v, &path, &lp);
        size_t at = rc == OK ? lp_seek(lp, (long)off) : 0;
        if (rc == OK && at == 0) rc = ERR_CORRUPT;
        buf leaf;
        if (rc == OK) rc = open_leaf(v, path.leaf, lp.n, 0, &leaf);
        if (rc != OK) return rc;
        lp_delete(&leaf, at, some);
        rc = close_leaf(v, path.leaf, &leaf);
        struct change c = {.page = path.leaf, .count = path.count - some};
        if (rc == OK) rc = tell_up(v, &path, c);
        if (rc != OK) return rc;
    }
    return OK;
}

/* Leaves that go away whole need not be in memory. */
int list__need_delete(struct value *v, uint64_t first, uint64_t n) {
    uint64_t pages = v->pager->ops->pages(v->obj);
    int cold = OK;
    while (n > 0) {
        struct list_path path;
        if (pages-- == 0) return ERR_CORRUPT; /* One comes twice. */
        int rc = list__descend(v, first, &path);
        if (rc != OK) return rc;
        uint64_t off = first - path.first, some = path.count - off < n ? path.count - off : n;
        if (some == 0) return ERR_CORRUPT;
        if (some < path.count) {
            slice lp;
            rc = list__leaf(v, &path, &lp);
            if (rc == ERR_COLD) cold = ERR_COLD;
            else if (rc != OK) return rc;
        }
        first += some;
        n -= some;
    }
    return cold;
}

/* ---- checking -------------------------------------------------------------------------------- */

struct check {
    struct value *v;
    uint64_t pages;
    bool cold;
    char *why;
};

static int wrong(struct check *c, const char *what, uint64_t page) {
    snprintf(c->why, 160, "list: page %llu: %s", (unsigned long long)page, what);
    return ERR_CORRUPT;
}

static int see_page(struct check *c, uint64_t page, slice *out) {
    return c->v->pager->ops->get(c->v->pager, c->v->obj, page, out);
}

/* Recursion: at most LIST_HEIGHT_MAX levels. */
static int check_page(struct check *c, uint64_t page, unsigned height, uint64_t count) {
    slice b;
    int rc = see_page(c, page, &b);
    if (rc == ERR_COLD) {
        c->cold = true;
        return OK;
    }
    if (rc != OK) return rc == ERR_NOTFOUND ? wrong(c, "it is not there", page) : rc;
    c->pages++;
    if (c->pages > c->v->pager->ops->pages(c->v->obj)) return wrong(c, "it comes twice", page);
    if (height == 0) {
        if (lp_check(b, true) != OK) return wrong(c, "its listpack is damaged", page);
        return lp_count(b) != count || count == 0 ? wrong(c, "its count is not that above", page) : OK;
    }
    if (get_branch(c->v, page, &b) != OK) return wrong(c, "it is no branch", page);
    size_t n = b.n / LIST_ENTRY_BYTES;
    if (sum(b.p, n) != count) return wrong(c, "its counts do not add up", page);
    for (size_t i = 0; i < n; i++) {
        rc = see_page(c, page, &b);
        if (rc == OK) rc = check_page(c, child_page(b.p, i), height - 1, child_count(b.p, i));
        if (rc != OK) return rc;
    }
    return OK;
}

int list__check(struct value *v, char why[160]) {
    struct check c = {v, 0, false, why};
    const uint8_t *m = meta_of(v);
    int rc = check_page(&c, get_u64(m + AT_ROOT), m[AT_HEIGHT], get_u64(m + AT_COUNT));
    if (rc != OK) return rc;
    if (c.cold) return ERR_COLD;
    if (c.pages == v->pager->ops->pages(v->obj)) return OK;
    return wrong(&c, "pages that nothing leads to", c.pages);
}
