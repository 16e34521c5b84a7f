/* btree_del.c -- removing from a B+ tree, and its free pages.
 *
 * A removal is planned first, from the leaf up: a node that would be empty goes away; one that
 * would be under a quarter of a page joins a neighbour if both together stay under three
 * quarters; and its parent loses an entry then, so that the question is asked again there. A node
 * that finds no neighbour small enough, or only cold ones, stays as it is: so a removal needs no
 * pages but those of its key's path, as a put does.
 *
 * Free pages are a list of list pages: u32 format, u32 count, u64 next list page plus one, u64
 * indexes. When the first of them is cold, no page is waited for: a new index is taken from the
 * end, and a page that becomes free becomes the first list page itself. */
#include <assert.h>

#include "types/btree_internal.h"

#define LIST_FORMAT 0x7472656Cu
#define LIST_HEADER 16
#define LIST_MAX 1000 /* indexes in a list page */
#define LIST_ROUND 512
#define SHRINK_OVER 2048 /* A larger node that is mostly empty gives its memory back. */

/* ---- free pages --------------------------------------------------------------------------- */

static bool list_ok(slice page) {
    if (page.n < LIST_HEADER || get_u32(page.p) != LIST_FORMAT) return false;
    uint32_t count = get_u32(page.p + 4);
    return count <= LIST_MAX && LIST_HEADER + 8 * (size_t)count <= page.n;
}

/* The first list page, if it is resident and sound. */
static bool first_list(pager *p, object *o, uint64_t *index, slice *page) {
    uint64_t head = get_u64(p->ops->meta(o) + BT_AT_FREE);
    if (head == 0) return false;
    *index = head - 1;
    return p->ops->get(p, o, *index, page) == OK && list_ok(*page);
}

uint64_t btree_page_new(pager *p, object *o) {
    uint64_t list, index;
    slice page;
    uint8_t *to;
    if (first_list(p, o, &list, &page)) {
        uint32_t count = get_u32(page.p + 4);
        if (count == 0) { /* The list page itself. */
            uint64_t next = get_u64(page.p + 8);
            put_u64(p->ops->meta_mut(p, o) + BT_AT_FREE, next);
            (void)p->ops->drop(p, o, list); /* It is resident; its bytes are not wanted. */
            return list;
        }
        if (p->ops->mut(p, o, list, page.n, &to) == OK) {
            index = get_u64(to + LIST_HEADER + 8 * (size_t)(count - 1));
            put_u32(to + 4, count - 1);
            return index;
        }
    }
    uint8_t *meta = p->ops->meta_mut(p, o);
    index = get_u64(meta + BT_AT_NEXT);
    put_u64(meta + BT_AT_NEXT, index + 1);
    return index;
}

int btree_page_free(pager *p, object *o, uint64_t index) {
    uint64_t list;
    slice page;
    uint8_t *to;
    if (index >= get_u64(p->ops->meta(o) + BT_AT_NEXT)) return ERR_RANGE;
    int rc = p->ops->drop(p, o, index);
    if (rc != OK) return rc;
    if (first_list(p, o, &list, &page) && get_u32(page.p + 4) < LIST_MAX) {
        uint32_t count = get_u32(page.p + 4);
        size_t bytes = LIST_HEADER + 8 * ((size_t)count + 1);
        bytes = (bytes + LIST_ROUND - 1) & ~(size_t)(LIST_ROUND - 1);
        rc = p->ops->mut(p, o, list, bytes, &to);
        if (rc != OK) return rc;
        put_u64(to + LIST_HEADER + 8 * (size_t)count, index);
        put_u32(to + 4, count + 1);
        return OK;
    }
    rc = p->ops->mut(p, o, index, LIST_ROUND, &to);
    if (rc != OK) return rc;
    put_u32(to, LIST_FORMAT);
    put_u32(to + 4, 0);
    put_u64(to + 8, get_u64(p->ops->meta(o) + BT_AT_FREE));
    put_u64(p->ops->meta_mut(p, o) + BT_AT_FREE, index + 1);
    return OK;
}

/* ---- removing ----------------------------------------------------------------------------- */

enum plan { PLAN_KEEP, PLAN_DROP, PLAN_JOIN };

struct step {
    enum plan plan;
    uint64_t left, right; /* PLAN_JOIN: the right one goes into the left one */
    unsigned right_pos;   /* the right one's entry in the parent */
};

/* Does the node at `level`, which will have `bytes`, join the neighbour at entry `pos` of its parent? */
static int plan_join(pager *p, object *o, const struct bt_path *path, unsigned level,
                     slice parent, unsigned pos, size_t bytes, struct step *s) {
    uint64_t other;
    slice page;
    struct bt_entry e;
    if (!bt_child(parent, pos, &other)) return ERR_CORRUPT;
    int rc = bt__get(p, o, other, level, &page);
    if (rc != OK) return rc;
    unsigned own = path->at[level + 1].pos;
    s->right_pos = pos > own ? pos : own;
    s->left = pos > own ? path->at[level].index : other;
    s->right = pos > own ? other : path->at[level].index;
    if (!bt_at(parent, s->right_pos, &e)) return ERR_CORRUPT;
    /* A branch takes the parent's key for the first of the right one. */
    if (bytes + bt_live(page) + e.key.n <= BT_MERGE_MAX) s->plan = PLAN_JOIN;
    return OK;
}

/* What the removal of entry path.at[level].pos does to the nodes, from the leaf up. */
static int make_plan(pager *p, object *o, const struct bt_path *path, struct step *steps) {
    unsigned gone = path->at[0].pos; /* the entry that the node loses */
    for (unsigned level = 0; level < path->height; level++)
        steps[level] = (struct step){.plan = PLAN_KEEP};
    for (unsigned level = 0; level < path->height; level++) {
        slice page, parent;
        struct bt_entry e;
        struct step *s = &steps[level];
        int rc = bt__get(p, o, path->at[level].index, level, &page);
        if (rc != OK) return rc;
        if (gone >= bt_count(page) || !bt_at(page, gone, &e)) return ERR_CORRUPT;
        size_t bytes = bt_live(page), less = bt_entry_bytes(e.key.n, e.val.n);
        if (bytes < less + BT_HEADER) return ERR_CORRUPT;
        bytes -= less;
        if (bt_count(page) == 1) s->plan = PLAN_DROP;
        if (level + 1 == path->height) return OK;
        unsigned own = path->at[level + 1].pos;
        if (s->plan == PLAN_KEEP && bytes < BT_MERGE_UNDER) {
            rc = bt__get(p, o, path->at[level + 1].index, level + 1, &parent);
            if (rc != OK) return rc;
            /* A cold neighbour is not waited for: a removal needs what a put needs. */
            if (own > 0)
                rc = plan_join(p, o, path, level, parent, own - 1, bytes, s);
            if ((rc == OK || rc == ERR_COLD) && s->plan == PLAN_KEEP && own + 1 < bt_count(parent))
                rc = plan_join(p, o, path, level, parent, own + 1, bytes, s);
            if (rc != OK && rc != ERR_COLD) return rc;
        }
        if (s->plan == PLAN_KEEP) return OK;
        gone = s->plan == PLAN_DROP ? own : s->right_pos;
    }
    return OK;
}

int bt__join(pager *p, object *o, uint64_t left_index, uint64_t right_index, unsigned level, slice separator) {
    struct bt_list left = {.copy = BUF_INIT}, right = {.copy = BUF_INIT};
    buf image = BUF_INIT;
    slice page;
    int rc = bt__get(p, o, left_index, level, &page);
    if (rc == OK) rc = bt_list_load(page, &left);
    if (rc == OK) rc = bt__get(p, o, right_index, level, &page);
    if (rc == OK) rc = bt_list_load(page, &right);
    if (rc != OK) goto out;
    for (size_t i = 0; i < right.count; i++)
        bt_list_add(&left, left.count, level > 0 && i == 0 ? separator : right.e[i].key,
                    right.e[i].val);
    size_t bytes = bt_list_bytes(&left, 0, left.count);
    if (bytes > PAGE_BYTES) {
        rc = ERR_CORRUPT; /* The sizes in the headers were not true. */
        goto out;
    }
    bt_build(&left, 0, left.count, level, bt__page_bytes(bytes), &image);
    rc = bt__write(p, o, left_index, &image);
    if (rc == OK) rc = btree_page_free(p, o, right_index);
out:
    bt_list_free(&left);
    bt_list_free(&right);
    buf_free(&image);
    return rc;
}

static int remove_entry(pager *p, object *o, uint64_t index, unsigned level, unsigned pos) {
    slice page;
    uint8_t *to;
    int rc = bt__get(p, o, index, level, &page);
    if (rc == OK) rc = p->ops->mut(p, o, index, page.n, &to);
    if (rc == OK) rc = bt_remove(to, page.n, pos);
    if (rc != OK) return rc;
    slice now = slice_make(to, page.n);
    if (page.n < SHRINK_OVER || bt_live(now) > page.n / 3) return OK;
    struct bt_list l;
    buf image = BUF_INIT;
    rc = bt_list_load(now, &l);
    size_t bytes = bt_list_bytes(&l, 0, l.count);
    if (rc == OK) bt_build(&l, 0, l.count, level, bt__page_bytes(bytes), &image);
    if (rc == OK) rc = bt__write(p, o, index, &image);
    bt_list_free(&l);
    buf_free(&image);
    return rc;
}

/* The parent's key of the right node, copied: the join changes pages. */
static int separator_of(pager *p, object *o, const struct bt_path *path, unsigned level,
                        unsigned pos, buf *key) {
    slice parent;
    struct bt_entry e;
    int rc = bt__get(p, o, path->at[level + 1].index, level + 1, &parent);
    if (rc != OK) return rc;
    if (!bt_at(parent, pos, &e)) return ERR_CORRUPT;
    key->n = 0;
    buf_append_slice(key, e.key);
    return OK;
}

static int follow_plan(pager *p, object *o, const struct bt_path *path, const struct step *steps) {
    unsigned gone = path->at[0].pos;
    buf key = BUF_INIT;
    int rc = OK;
    for (unsigned level = 0; level < path->height && rc == OK; level++) {
        const struct step *s = &steps[level];
        uint64_t index = path->at[level].index;
        if (s->plan == PLAN_DROP) {
            rc = btree_page_free(p, o, index);
            if (level + 1 == path->height) p->ops->meta_mut(p, o)[BT_AT_HEIGHT] = 0;
            else gone = path->at[level + 1].pos;
            continue;
        }
        rc = remove_entry(p, o, index, level, gone);
        if (rc != OK || s->plan == PLAN_KEEP) break;
        rc = separator_of(p, o, path, level, s->right_pos, &key);
        if (rc == OK) rc = bt__join(p, o, s->left, s->right, level, slice_of(&key));
        gone = s->right_pos;
    }
    buf_free(&key);
    return rc;
}

/* When the one child is cold it is not looked at: it may have one child itself, until the next removal. */
int bt__lower_root(pager *p, object *o) {
    for (;;) {
        const uint8_t *meta = p->ops->meta(o);
        unsigned height = meta[BT_AT_HEIGHT];
        uint64_t root = get_u64(meta + BT_AT_ROOT), child;
        slice page;
        if (height <= 1) return OK;
        int rc = bt__get(p, o, root, height - 1, &page);
        if (rc == ERR_COLD) return OK;
        if (rc != OK) return rc;
        if (bt_count(page) != 1) return OK;
        if (!bt_child(page, 0, &child)) return ERR_CORRUPT;
        uint8_t *to = p->ops->meta_mut(p, o);
        put_u64(to + BT_AT_ROOT, child);
        to[BT_AT_HEIGHT] = (uint8_t)(height - 1);
        rc = btree_page_free(p, o, root);
        if (rc != OK) return rc;
    }
}

int btree_del(pager *p, object *o, slice key) {
    struct bt_path path;
    struct step steps[BT_HEIGHT_MAX];
    int rc = bt__descend(p, o, key, &path);
    if (rc != OK) return rc;
    if (!path.exact) return ERR_NOTFOUND;
    assert(path.height > 0);
    rc = make_plan(p, o, &path, steps);
    if (rc != OK) return rc;
    /* Without entries there is no tree, and the other way round. */
    bool last = steps[path.height - 1].plan == PLAN_DROP;
    if (last != (btree_count(p->ops->meta(o)) == 1)) return ERR_CORRUPT;
    if (rc == OK) rc = follow_plan(p, o, &path, steps);
    if (rc == OK) rc = bt__lower_root(p, o);
    if (rc != OK) return rc;
    uint8_t *meta = p->ops->meta_mut(p, o);
    put_u64(meta + BT_AT_COUNT, get_u64(meta + BT_AT_COUNT) - 1);
    return OK;
}
