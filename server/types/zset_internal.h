/* zset_internal.h -- the object of a large sorted set, shared by the zset_*.c files.
 *
 * meta:    u8 ZSET_OBJECT, u8 height, u16 free pages known, u64 members, u64 root page, u64 next
 *          unused page, u64 buckets, u64 for each free page known
 * pages:   2 i + 1 is page i of the tree, 2 i bucket i of the index
 * leaf:    u8 0, u8 0, u16 n, f64 scores, u16 where each member begins, members
 * branch:  u8 level, u8 0, u16 0, u32 n, u64 members below each child, u64 page of each, f64 scores and
 *          u32 beginnings of the keys, their first bytes of a member; every member of a child is at or
 *          above its key; that of the first child says nothing. Scores lie together: a search mostly
 *          needs nothing else
 * bucket:  u64 scores, u32 tags: of the members whose tag leads here; not there when empty
 *
 * A page has exactly the bytes that it needs. A leaf of more than ZSET_LEAF_MAX has one entry.
 *
 * The index does not hold members: it says at most a few scores for a tag, and each is tried in the
 * tree. It is a linear hash table: with 2^L + s buckets, those below s and the last s go by L + 1 bits
 * of the tag, the others by L; one bucket is split, or two are joined, as members come and go.
 *
 * Invariants, walked by zset__check():
 *  1. Entries ascend, by score and then bytes, within a leaf and over leaves; keys separate them.
 *  2. A branch counts what is below each child; the meta counts all. No page is empty.
 *  3. For each member there is one pair (tag, score) in the bucket of its tag, and no other. */
#ifndef COVE_TYPES_ZSET_INTERNAL_H
#define COVE_TYPES_ZSET_INTERNAL_H

#include "types/zset.h"

#define ZSET_AUX_SKIPLIST 1u /* of value.aux: OBJECT ENCODING says skiplist */

#define ZSET_OBJECT 1
#define ZSET_FREE_MAX 24
#define ZSET_META_BYTES (36 + 8 * ZSET_FREE_MAX)
#define ZSET_AT_HEIGHT 1
#define ZSET_AT_FREE_N 2
#define ZSET_AT_COUNT 4
#define ZSET_AT_ROOT 12
#define ZSET_AT_NEXT 20
#define ZSET_AT_BUCKETS 28
#define ZSET_AT_FREE 36
#define ZSET_HEIGHT_MAX 24 /* Branches split into parts of two children at least. */
#define ZSET_BUCKETS_MAX ((uint64_t)1 << 31) /* Tags have 32 bits. */
#define ZSET_LOAD_MOST 256                  /* With more pairs a bucket one is split: a page has 2 to 4 KiB. */
#define ZSET_LOAD_LEAST 96                  /* With fewer pairs a bucket buckets are joined. */

#define ZSET_LEAF_MAX 4096   /* One insertion moves half of it. */
#define ZSET_BRANCH_MAX 8192 /* Keys may be long: a branch of few children may be larger. */
#define ZSET_BRANCH_FEW 8
#define ZSET_SLOTS_MAX 300
#define ZSET_LEAF_HEAD 4
#define ZSET_BRANCH_HEAD 8
#define ZSET_BRANCH_SLOT 28 /* of a child, beside the bytes of its key */
#define ZSET_LEAF_SLOT 10   /* of an entry, beside its member */

struct zset_entry {
    double score;
    slice member;
};

static inline double zset__get_score(const uint8_t *p) {
    double d;
    memcpy(&d, p, 8);
    return d;
}
static inline int zset__compare(double a, slice am, double b, slice bm) {
    if (a < b) return -1;
    if (a > b) return 1;
    return slice_cmp(am, bm);
}

/* ---- pages (zset_node.c) ---------------------------------------------------------------------- */

bool zset__leaf_ok(slice page);
bool zset__branch_ok(slice page);
static inline unsigned zset__leaf_n(slice page) { return get_u16(page.p + 2); }
static inline double zset__leaf_score(slice page, unsigned i) {
    return zset__get_score(page.p + ZSET_LEAF_HEAD + 8 * (size_t)i);
}
static inline struct zset_entry zset__leaf_at(slice page, unsigned i) {
    unsigned n = zset__leaf_n(page);
    const uint8_t *offs = page.p + ZSET_LEAF_HEAD + 8 * (size_t)n, *heap = offs + 2 * (size_t)n;
    size_t from = get_u16(offs + 2 * (size_t)i);
    size_t to = i + 1 < n ? get_u16(offs + 2 * (size_t)i + 2) : (size_t)(page.p + page.n - heap);
    return (struct zset_entry){zset__leaf_score(page, i), slice_make(heap + from, to - from)};
}
static inline size_t zset__entry_bytes(slice member) { return ZSET_LEAF_SLOT + member.n; }
/* p has been given the bytes of the new entry; n: the bytes before. */
void zset__leaf_insert(uint8_t *p, size_t n, unsigned pos, double score, slice member);
/* Returns the bytes that are left. */
size_t zset__leaf_remove(uint8_t *p, size_t n, unsigned pos, unsigned count);
void zset__leaf_build(const struct zset_entry *e, size_t n, buf *out);

static inline uint32_t zset__branch_n(slice page) { return get_u32(page.p + 4); }
static inline uint64_t zset__branch_count(slice page, uint32_t i) {
    return get_u64(page.p + ZSET_BRANCH_HEAD + 8 * (size_t)i);
}
static inline uint64_t zset__branch_page(slice page, uint32_t i) {
    return get_u64(page.p + ZSET_BRANCH_HEAD + 8 * ((size_t)zset__branch_n(page) + i));
}
static inline double zset__branch_score(slice page, uint32_t i) {
    return zset__get_score(page.p + ZSET_BRANCH_HEAD + 8 * (2 * (size_t)zset__branch_n(page) + i));
}
struct zset_entry zset__branch_key(slice page, uint32_t i);

struct zset_child {
    uint64_t count, page;
    struct zset_entry key;
};
struct zset_branch { /* a branch that is being changed */
    unsigned level;
    uint32_t n;
    struct zset_child c[ZSET_SLOTS_MAX + 4];
    buf copy; /* what its keys borrow */
};
void zset__branch_load(slice page, struct zset_branch *b);
size_t zset__branch_bytes(const struct zset_branch *b, uint32_t from, uint32_t to);
void zset__branch_build(const struct zset_branch *b, uint32_t from, uint32_t to, buf *out);

/* ---- the tree (zset_tree.c, zset_del.c) -------------------------------------------------------- */

struct zset_step {
    uint64_t page;
    size_t bytes;
    uint32_t slot, n;
};
struct zset_path {
    unsigned height;
    struct zset_step up[ZSET_HEIGHT_MAX]; /* [level - 1]: the branch of that level */
    uint64_t leaf, rank;                  /* rank: of pos, when it was asked for */
    uint64_t left;                        /* descend_rank: entries from pos on; also of a cold leaf */
    slice page;                           /* of the leaf */
    unsigned pos;
    bool found;
};

static inline const uint8_t *zset__meta(const struct value *v) { return v->pager->ops->meta(v->obj); }
static inline uint8_t *zset__meta_mut(struct value *v) {
    return v->pager->ops->meta_mut(v->pager, v->obj);
}
bool zset__meta_ok(slice meta); /* from the store */
object *zset__make(struct value *v);
/* To where the entry is or would be. */
int zset__find(const struct value *v, double score, slice member, bool ranked, struct zset_path *path);
/* The pager's number of the leaf for that, when its branches are in memory: for what may be looked at soon. */
bool zset__leaf_near(const struct value *v, double score, slice member, uint64_t *index);
int zset__descend_edge(const struct value *v, const struct zset_edge *edge, struct zset_path *path);
/* With ERR_COLD: path->left is 0 when it was a branch. */
int zset__descend_rank(const struct value *v, uint64_t rank, struct zset_path *path);
bool zset__before(const struct zset_edge *edge, double score, slice member);
/* Changes of an object whose pages on the path are all in memory. */
int zset__insert(struct value *v, double score, slice member); /* ERR_EXISTS */
/* Whether it would change more than its leaf and the counts above. */
bool zset__insert_splits(const struct zset_path *path, slice member);
/* The same, where find() has just been for it and has not found it. */
int zset__insert_at(struct value *v, const struct zset_path *path, double score, slice member);
int zset__remove(struct value *v, const struct zset_path *path, unsigned count);
/* Adds to the counts of the path's branches of level `from` and above, and of the meta. */
int zset__count_up(struct value *v, const struct zset_path *path, unsigned from, uint64_t by);
int zset__write_page(struct value *v, uint64_t page, slice bytes);
uint64_t zset__page_new(struct value *v);
void zset__page_drop(struct value *v, uint64_t page);
int zset__branch_get(const struct value *v, uint64_t page, unsigned level, slice *b);
int zset__leaf_get(const struct value *v, uint64_t page, slice *b);
/* Takes `count` entries from the path on out of its leaf, in place; *left: the bytes of what is left. */
int zset__leaf_cut(struct value *v, const struct zset_path *path, unsigned count, size_t *left);
int zset__check(struct value *v, char why[160]);

/* ---- the index (zset_index.c) ------------------------------------------------------------------ */

#define ZSET_PAIR 12 /* bytes of a pair in a bucket */
uint32_t zset__tag(const struct value *v, slice member);
/* The pager's number of the member's bucket; and in that the score of the first pair of this tag, or NULL. */
uint64_t zset__index_page(const struct value *v, slice member, uint32_t *tag);
const uint8_t *zset__index_near(slice page, uint32_t tag);
/* The member's score, seen in the tree as well. ERR_NOTFOUND. */
int zset__index_find(const struct value *v, slice member, double *score, struct zset_path *path);
int zset__index_add(struct value *v, slice member, double score);
int zset__index_remove(struct value *v, slice member, double score);
int zset__index_change(struct value *v, slice member, double from, double to);
int zset__index_need(const struct value *v, slice member);
/* Asks for what `more` additions, or removals, may split or join. */
int zset__index_need_grow(const struct value *v, uint64_t more);
int zset__index_need_shrink(const struct value *v, uint64_t less);
int zset__index_grow(struct value *v);   /* after additions to the tree */
int zset__index_shrink(struct value *v); /* after removals */
int zset__index_scan(const struct value *v, uint64_t *cursor, size_t count, zset_each_fn *each,
                     void *cookie);
int zset__index_check(struct value *v, char why[160]);

/* Asks for the leaves of these ranks. */
int zset__need_ranks(const struct value *v, uint64_t first, uint64_t n);

void zset_ahead(const struct value *v, const slice *member, const slice *score, size_t n); /* zset_ahead.c */

/* ---- small ones (zset_small.c) ------------------------------------------------------------------ */

/* The inline bytes, checked; ERR_NOTFOUND: it has none. */
int zset__inline(const struct value *v, slice *lp);
double zset__small_score(slice lp, size_t at); /* of the element at `at`, which is a score */
/* OK with its position, ERR_NOTFOUND. */
int zset__small_find(slice lp, slice member, size_t *at, double *score);
void zset__small_put(buf *lp, slice member, double score); /* one that is not there */
bool zset__small_fits(slice lp, slice member);

/* ---- effects (zset_apply.c) --------------------------------------------------------------------- */

int zset_apply(struct value *v, const effect *e);
/* Whatever the value is now: puts the member, in a value whose pages have been asked for. */
int zset__put(struct value *v, slice member, double score);
bool zset__listpack_allows(const struct value *v, uint64_t count, size_t member_bytes);

extern const uint8_t zset_rdb_types[];
int zset_dump(struct value *v, buf *out);
int zset_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version);

#endif
