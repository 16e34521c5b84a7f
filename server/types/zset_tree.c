/* zset_tree.c -- the tree of a large sorted set: finding a place in it, and inserting.
 *
 * An insertion works on the path to one leaf: the leaf changes, perhaps becomes two or three, and the
 * branches above learn of it from below. Removing is in zset_del.c. */
#include <assert.h>

#include "types/zset_internal.h"

bool zset__meta_ok(slice meta) {
    const uint8_t *m = meta.p;
    if (meta.n != ZSET_META_BYTES || m[0] != ZSET_OBJECT || m[ZSET_AT_HEIGHT] > ZSET_HEIGHT_MAX)
        return false;
    uint64_t count = get_u64(m + ZSET_AT_COUNT), next = get_u64(m + ZSET_AT_NEXT);
    uint64_t buckets = get_u64(m + ZSET_AT_BUCKETS);
    unsigned known = get_u16(m + ZSET_AT_FREE_N);
    if (count == 0 || count > VALUE_COUNT_MAX || known > ZSET_FREE_MAX) return false;
    if (next > VALUE_COUNT_MAX / 4 || get_u64(m + ZSET_AT_ROOT) >= next) return false;
    if (buckets == 0 || buckets > ZSET_BUCKETS_MAX || buckets > count / ZSET_LOAD_LEAST + 2) return false;
    /* Every change leaves it so; else the next one would split buckets for a long time. */
    if (buckets < ZSET_BUCKETS_MAX && count > buckets * ZSET_LOAD_MOST) return false;
    for (unsigned i = 0; i < known; i++)
        if (get_u64(m + ZSET_AT_FREE + 8 * (size_t)i) >= next) return false;
    return true;
}

object *zset__make(struct value *v) {
    object *o = v->pager->ops->make(v->pager, false, ZSET_META_BYTES);
    if (o == NULL) return NULL;
    uint8_t *m = v->pager->ops->meta_mut(v->pager, o);
    m[0] = ZSET_OBJECT;
    put_u64(m + ZSET_AT_BUCKETS, 1);
    return o;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static uint64_t index_of(uint64_t page) { return 2 * page + 1; }

int zset__leaf_get(const struct value *v, uint64_t page, slice *b) {
    if (page > VALUE_COUNT_MAX / 4) return ERR_CORRUPT;
    int rc = v->pager->ops->get_ok(v->pager, v->obj, index_of(page), zset__leaf_ok, b);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    /* A damaged tree may name a branch: what passed as that must not be read as a leaf. */
    return b->p[0] == 0 ? OK : ERR_CORRUPT;
}

int zset__branch_get(const struct value *v, uint64_t page, unsigned level, slice *b) {
    if (page > VALUE_COUNT_MAX / 4) return ERR_CORRUPT;
    int rc = v->pager->ops->get_ok(v->pager, v->obj, index_of(page), zset__branch_ok, b);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    return b->p[0] == level ? OK : ERR_CORRUPT;
}

int zset__write_page(struct value *v, uint64_t page, slice bytes) {
    uint8_t *to;
    int rc = v->pager->ops->mut(v->pager, v->obj, index_of(page), bytes.n, &to);
    if (rc == OK) memcpy(to, bytes.p, bytes.n);
    return rc;
}

int zset__leaf_cut(struct value *v, const struct zset_path *path, unsigned count, size_t *left) {
    uint8_t *to;
    int rc = v->pager->ops->mut(v->pager, v->obj, index_of(path->leaf), path->page.n, &to);
    if (rc != OK) return rc;
    *left = zset__leaf_remove(to, path->page.n, path->pos, count);
    return v->pager->ops->mut(v->pager, v->obj, index_of(path->leaf), *left, &to);
}

uint64_t zset__page_new(struct value *v) {
    uint8_t *m = zset__meta_mut(v);
    uint16_t known = get_u16(m + ZSET_AT_FREE_N);
    if (known > 0) {
        put_u16(m + ZSET_AT_FREE_N, (uint16_t)(known - 1));
        return get_u64(m + ZSET_AT_FREE + 8 * (size_t)(known - 1));
    }
    uint64_t page = get_u64(m + ZSET_AT_NEXT);
    put_u64(m + ZSET_AT_NEXT, page + 1);
    return page;
}

void zset__page_drop(struct value *v, uint64_t page) {
    (void)v->pager->ops->drop(v->pager, v->obj, index_of(page)); /* Never cold; it is there. */
    uint8_t *m = zset__meta_mut(v);
    uint16_t known = get_u16(m + ZSET_AT_FREE_N);
    if (known == ZSET_FREE_MAX) return; /* Forgotten: an index is all that is lost. */
    put_u64(m + ZSET_AT_FREE + 8 * (size_t)known, page);
    put_u16(m + ZSET_AT_FREE_N, (uint16_t)(known + 1));
}

/* ---- down ------------------------------------------------------------------------------------ */

bool zset__before(const struct zset_edge *edge, double score, slice member) {
    switch (edge->cut) {
    case ZSET_BELOW_SCORE: return score < edge->score;
    case ZSET_ABOVE_SCORE: return score <= edge->score;
    case ZSET_BELOW_MEMBER: return slice_cmp(member, edge->member) < 0;
    case ZSET_ABOVE_MEMBER: return slice_cmp(member, edge->member) <= 0;
    }
    return false;
}

/* Where to go: to an edge, or to an entry (edge NULL). */
struct goal {
    const struct zset_edge *edge;
    double score;
    slice member;
};

/* Members are looked at where scores are equal. */
static bool goes_right(const struct goal *g, slice b, uint32_t i) {
    if (g->edge != NULL) {
        struct zset_entry key = zset__branch_key(b, i);
        return zset__before(g->edge, key.score, key.member);
    }
    double score = zset__branch_score(b, i);
    return score < g->score || (score == g->score && slice_cmp(zset__branch_key(b, i).member, g->member) <= 0);
}

static uint32_t route(const struct goal *g, slice b) {
    uint32_t low = 1, high = zset__branch_n(b);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (goes_right(g, b, mid)) low = mid + 1;
        else high = mid;
    }
    return low - 1;
}

static uint64_t sum(slice b, uint32_t n) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < n; i++) all += zset__branch_count(b, i);
    return all;
}

/* The place in a leaf: the first entry that is not before the goal. */
static unsigned place(const struct goal *g, slice leaf, bool *found) {
    unsigned low = 0, high = zset__leaf_n(leaf);
    *found = false;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        double score = zset__leaf_score(leaf, mid);
        bool before = score < g->score;
        if (g->edge != NULL) {
            before = zset__before(g->edge, score, zset__leaf_at(leaf, mid).member);
        } else if (score == g->score) {
            int order = slice_cmp(zset__leaf_at(leaf, mid).member, g->member);
            if (order == 0) *found = true;
            before = order < 0;
        }
        if (before) low = mid + 1;
        else high = mid;
    }
    return low;
}

static void take_step(struct zset_path *path, unsigned level, uint64_t page, slice b, uint32_t slot) {
    path->up[level - 1] = (struct zset_step){page, b.n, slot, zset__branch_n(b)};
}

static int descend(const struct value *v, const struct goal *g, bool ranked, struct zset_path *path) {
    const uint8_t *m = zset__meta(v);
    uint64_t page = get_u64(m + ZSET_AT_ROOT);
    path->height = m[ZSET_AT_HEIGHT];
    path->rank = 0;
    for (unsigned level = path->height; level > 0; level--) {
        slice b;
        int rc = zset__branch_get(v, page, level, &b);
        if (rc != OK) return rc;
        uint32_t slot = route(g, b);
        take_step(path, level, page, b, slot);
        if (ranked) path->rank += sum(b, slot);
        page = zset__branch_page(b, slot);
    }
    path->leaf = page;
    int rc = zset__leaf_get(v, page, &path->page);
    if (rc != OK) return rc;
    path->pos = place(g, path->page, &path->found);
    path->rank += path->pos;
    return OK;
}

int zset__find(const struct value *v, double score, slice member, bool ranked, struct zset_path *path) {
    struct goal g = {NULL, score, member};
    return descend(v, &g, ranked, path);
}

bool zset__leaf_near(const struct value *v, double score, slice member, uint64_t *index) {
    struct goal g = {NULL, score, member};
    const uint8_t *m = zset__meta(v);
    uint64_t page = get_u64(m + ZSET_AT_ROOT);
    for (unsigned level = m[ZSET_AT_HEIGHT]; level > 0; level--) {
        slice b;
        uint64_t at = index_of(page);
        v->pager->ops->near(v->obj, &at, 1, &b);
        /* As in zset__branch_get(): a damaged tree may name a leaf, or a page that is none. */
        if (b.n < ZSET_BRANCH_HEAD || b.p[0] != level) return false;
        page = zset__branch_page(b, route(&g, b));
        if (page > VALUE_COUNT_MAX / 4) return false;
    }
    *index = index_of(page);
    return true;
}

int zset__descend_edge(const struct value *v, const struct zset_edge *edge, struct zset_path *path) {
    struct goal g = {.edge = edge};
    return descend(v, &g, true, path);
}

int zset__descend_rank(const struct value *v, uint64_t rank, struct zset_path *path) {
    const uint8_t *m = zset__meta(v);
    uint64_t page = get_u64(m + ZSET_AT_ROOT), at = rank, below = get_u64(m + ZSET_AT_COUNT);
    path->height = m[ZSET_AT_HEIGHT];
    path->rank = rank;
    path->found = true;
    path->left = 0;
    for (unsigned level = path->height; level > 0; level--) {
        slice b;
        int rc = zset__branch_get(v, page, level, &b);
        if (rc != OK) return rc;
        uint32_t n = zset__branch_n(b), slot = 0;
        while (slot < n && at >= zset__branch_count(b, slot)) at -= zset__branch_count(b, slot++);
        if (slot == n) return ERR_CORRUPT; /* The counts do not add up. */
        take_step(path, level, page, b, slot);
        page = zset__branch_page(b, slot);
        below = zset__branch_count(b, slot);
    }
    if (at >= below) return ERR_CORRUPT;
    path->leaf = page;
    path->pos = (unsigned)at;
    path->left = below - at;
    int rc = zset__leaf_get(v, page, &path->page);
    if (rc != OK) return rc;
    return zset__leaf_n(path->page) == below ? OK : ERR_CORRUPT;
}

/* ---- up -------------------------------------------------------------------------------------- */

int zset__count_up(struct value *v, const struct zset_path *path, unsigned from, uint64_t by) {
    for (unsigned level = from; level <= path->height; level++) {
        const struct zset_step *s = &path->up[level - 1];
        uint8_t *to;
        int rc = v->pager->ops->mut(v->pager, v->obj, index_of(s->page), s->bytes, &to);
        if (rc != OK) return rc;
        to += ZSET_BRANCH_HEAD + 8 * (size_t)s->slot;
        put_u64(to, get_u64(to) + by);
    }
    uint8_t *m = zset__meta_mut(v);
    put_u64(m + ZSET_AT_COUNT, get_u64(m + ZSET_AT_COUNT) + by);
    return OK;
}

/* What stands in the place of a page that was split: itself and up to two more to its right, whose
 * keys are copied here. */
struct parts {
    unsigned n;
    struct zset_child c[3];
    buf keys;
};

/* The least key that is above `left` and not above `right`. */
static struct zset_entry separator(struct zset_entry left, struct zset_entry right, buf *keys) {
    size_t n = 0;
    if (left.score == right.score) {
        while (n < left.member.n && left.member.p[n] == right.member.p[n]) n++;
        n++; /* The left one is less, so the right one has this byte. */
    }
    assert(n <= right.member.n);
    size_t at = keys->n;
    buf_append(keys, right.member.p, n);
    return (struct zset_entry){right.score, slice_make(keys->p + at, n)};
}

/* Puts the parts in the place of the child of the path's step, and splits the branch in two when that
 * makes it too large: then they become the parts. */
static int widen(struct value *v, const struct zset_step *s, unsigned level, struct parts *p) {
    slice page;
    struct zset_branch b;
    buf image = BUF_INIT;
    int rc = zset__branch_get(v, s->page, level, &page);
    if (rc != OK) return rc;
    zset__branch_load(page, &b);
    unsigned more = p->n - 1;
    memmove(b.c + s->slot + p->n, b.c + s->slot + 1, (b.n - s->slot - 1) * sizeof(b.c[0]));
    b.n += more;
    p->c[0].key = b.c[s->slot].key;
    memcpy(b.c + s->slot, p->c, p->n * sizeof(b.c[0]));
    size_t bytes = zset__branch_bytes(&b, 0, b.n);
    uint32_t cut = b.n;
    if (b.n > ZSET_SLOTS_MAX || (bytes > ZSET_BRANCH_MAX && b.n >= ZSET_BRANCH_FEW)) {
        bool last = s->slot + p->n == b.n;
        cut = last ? b.n - b.n / 8 : b.n / 2; /* Sets that grow at the end have full branches. */
        if (cut > b.n - 2) cut = b.n - 2;
    }
    struct parts up = {.n = cut < b.n ? 2 : 1};
    up.c[0].page = s->page;
    for (uint32_t i = 0; i < cut; i++) up.c[0].count += b.c[i].count;
    zset__branch_build(&b, 0, cut, &image);
    rc = zset__write_page(v, s->page, slice_of(&image));
    if (rc == OK && up.n == 2) {
        struct zset_entry key = b.c[cut].key;
        buf_append_slice(&up.keys, key.member);
        up.c[1].key = (struct zset_entry){key.score, slice_of(&up.keys)};
        up.c[1].page = zset__page_new(v);
        for (uint32_t i = cut; i < b.n; i++) up.c[1].count += b.c[i].count;
        zset__branch_build(&b, cut, b.n, &image);
        rc = zset__write_page(v, up.c[1].page, slice_of(&image));
    }
    buf_free(&image);
    buf_free(&b.copy);
    buf_free(&p->keys);
    *p = up;
    return rc;
}

/* The branches above a leaf that has become these parts. Takes p's keys. */
static int tell_up(struct value *v, const struct zset_path *path, struct parts *p) {
    int rc = OK;
    unsigned level = 1;
    for (; level <= path->height && p->n > 1 && rc == OK; level++)
        rc = widen(v, &path->up[level - 1], level, p);
    if (rc == OK && p->n > 1) {
        struct zset_branch b = {.level = path->height + 1, .n = p->n};
        buf image = BUF_INIT;
        uint64_t root = zset__page_new(v);
        if (b.level > ZSET_HEIGHT_MAX) rc = ERR_LIMIT;
        memcpy(b.c, p->c, p->n * sizeof(b.c[0]));
        zset__branch_build(&b, 0, b.n, &image);
        if (rc == OK) rc = zset__write_page(v, root, slice_of(&image));
        buf_free(&image);
        if (rc == OK) {
            put_u64(zset__meta_mut(v) + ZSET_AT_ROOT, root);
            zset__meta_mut(v)[ZSET_AT_HEIGHT] = (uint8_t)b.level;
        }
    }
    buf_free(&p->keys);
    if (rc != OK) return rc;
    return zset__count_up(v, path, level, 1); /* Where nothing was split any more. */
}

/* Where to cut entries that are too many for a leaf: behind all but the new one where that is the last
 * of all, or in front of all but it where it is the first, so that sets that grow at an end have full
 * leaves; else in the middle. */
static size_t cut_at(const struct zset_path *path, const struct zset_entry *e, size_t n) {
    bool first = path->pos == 0, last = path->pos == n - 1;
    for (unsigned level = 1; level <= path->height; level++) {
        first = first && path->up[level - 1].slot == 0;
        last = last && path->up[level - 1].slot + 1 == path->up[level - 1].n;
    }
    if (first) return 1;
    if (last) return n - 1;
    size_t bytes = 0, half = 0, i = 0;
    for (size_t k = 0; k < n; k++) bytes += zset__entry_bytes(e[k].member);
    while (i < n - 1 && (i == 0 || 2 * half + zset__entry_bytes(e[i].member) < bytes))
        half += zset__entry_bytes(e[i++].member);
    return i;
}

static bool too_large(const struct zset_entry *e, size_t n) {
    size_t bytes = ZSET_LEAF_HEAD;
    for (size_t i = 0; i < n; i++) bytes += zset__entry_bytes(e[i].member);
    return n > 1 && bytes > ZSET_LEAF_MAX;
}

static int write_part(struct value *v, struct parts *p, uint64_t page, const struct zset_entry *e, size_t n,
                      struct zset_entry key) {
    buf image = BUF_INIT;
    zset__leaf_build(e, n, &image);
    int rc = zset__write_page(v, page, slice_of(&image));
    buf_free(&image);
    p->c[p->n++] = (struct zset_child){n, page, key};
    return rc;
}

static int split_leaf(struct value *v, const struct zset_path *path, double score, slice member) {
    struct zset_entry e[ZSET_LEAF_MAX / 10 + 2];
    size_t had = zset__leaf_n(path->page), n = had + 1;
    buf copy = BUF_INIT;
    buf_append_slice(&copy, path->page);
    assert(had <= ZSET_LEAF_MAX / 10);
    for (size_t i = 0, k = 0; i < n; i++) {
        if (i == path->pos) e[i] = (struct zset_entry){score, member};
        else e[i] = zset__leaf_at(slice_of(&copy), (unsigned)k++);
    }
    /* With a large entry a part may still be too large. What was there fitted into one leaf, so it is the
     * part with the new entry, which then stands at the cut. */
    size_t cuts[3] = {cut_at(path, e, n), n, n};
    if (too_large(e, cuts[0])) {
        cuts[1] = cuts[0]--;
    } else if (too_large(e + cuts[0], n - cuts[0])) {
        cuts[1] = cuts[0] + 1;
    }
    struct parts p = {.n = 0};
    /* The keys are borrowed from it: it must not move. */
    buf_reserve(&p.keys, 1 + e[cuts[0]].member.n + (cuts[1] < n ? e[cuts[1]].member.n : 0));
    int rc = OK;
    for (size_t from = 0, k = 0; from < n && rc == OK; from = cuts[k++]) {
        struct zset_entry key = {0};
        if (from > 0) key = separator(e[from - 1], e[from], &p.keys);
        rc = write_part(v, &p, from == 0 ? path->leaf : zset__page_new(v), e + from, cuts[k] - from, key);
    }
    buf_free(&copy);
    if (rc == OK) return tell_up(v, path, &p);
    buf_free(&p.keys);
    return rc;
}

static int insert_first(struct value *v, double score, slice member) {
    struct zset_entry e = {score, member};
    buf image = BUF_INIT;
    uint64_t page = zset__page_new(v);
    zset__leaf_build(&e, 1, &image);
    int rc = zset__write_page(v, page, slice_of(&image));
    buf_free(&image);
    if (rc != OK) return rc;
    put_u64(zset__meta_mut(v) + ZSET_AT_ROOT, page);
    put_u64(zset__meta_mut(v) + ZSET_AT_COUNT, 1);
    return OK;
}

int zset__insert(struct value *v, double score, slice member) {
    struct zset_path path;
    if (get_u64(zset__meta(v) + ZSET_AT_COUNT) == 0) return insert_first(v, score, member);
    int rc = zset__find(v, score, member, false, &path);
    return rc == OK ? zset__insert_at(v, &path, score, member) : rc;
}

bool zset__insert_splits(const struct zset_path *path, slice member) {
    return path->page.n + zset__entry_bytes(member) > ZSET_LEAF_MAX;
}

int zset__insert_at(struct value *v, const struct zset_path *path, double score, slice member) {
    uint8_t *to;
    if (path->found) return ERR_EXISTS;
    size_t n = path->page.n, more = zset__entry_bytes(member);
    if (zset__insert_splits(path, member)) return split_leaf(v, path, score, member);
    int rc = v->pager->ops->mut(v->pager, v->obj, index_of(path->leaf), n + more, &to);
    if (rc != OK) return rc;
    zset__leaf_insert(to, n, path->pos, score, member);
    return zset__count_up(v, path, 1, 1);
}
