/* store.h -- how a vector set keeps its elements: the pages of one dense object.
 *
 * Page i of a kind has index 8 i + kind.
 *
 *   names       a linear hash table of pairs (tag, slot). A name with an equal tag is told from others by the record
 *               in the slot: so a new name meets no page of vectors. 8 bytes a name
 *   vectors     records of vset_rows() slots each: node | norm | range | flags | vector | name
 *   attributes  page 2 i: of VSET_ATTRIBUTE_ROWS slots, a 0 before each; page 2 slot + 1: a long one, alone
 *   places      u32 for each slot, VSET_PLACE_ROWS a page; what is not there is 0
 *   the others  an index's
 *
 * Most bytes are vectors, and they may be cold: an insertion meets the page that is filled, no other.
 *
 * A page of vectors never has all of its slots taken: an element that gets another vector finds a free slot beside
 * its own. A new element goes to the page at the end of a short list of pages that have room (they lost elements), or
 * to the last page, or to a new one behind it. Which one depends on nothing but the value: effects are replayed.
 *
 * The root (meta), little endian:
 *
 *    0     4         8       9        10       11      12  16      24           32          40    48        56      60
 *    | dim | input n | quant | metric | format | roomy | M | count | attributes | last node | uid | version | slots | buckets |
 *    64            128
 *    | roomy pages | an index's | 256
 *
 * Invariants, walked by vset_check():
 *  1. Every slot in use has one pair in the bucket of its name's tag, and there are no other pairs.
 *  2. The root counts elements and attributes; nodes are at most the last, slots below `slots`.
 *  3. What a record says of its attribute is so, and no other slot has one.
 *  4. No page of vectors is full or empty; roomy pages are below the last one, each listed once.
 *  5. The place of a free slot is 0. */
#ifndef COVE_VECTOR_STORE_H
#define COVE_VECTOR_STORE_H

#include "modules/vector/rows.h"
#include "modules/vector/set.h"

enum vset_kind { /* of a page; stored */
    VSET_NAMES = 0, VSET_VECTORS = 1, VSET_ATTRIBUTES = 2, VSET_PLACES = 3, VSET_CLUSTERS = 4,
    VSET_TAILS = 5, VSET_ROUTES = 6, VSET_SPARE = 7
};
static inline uint64_t vset_page(enum vset_kind kind, uint64_t i) { return 8 * i + (uint64_t)kind; }

#define VSET_FORMAT 1
#define VSET_META_BYTES 256
#define VSET_ROOMY_MAX 16
enum { VSET_AT_DIM = 0, VSET_AT_INPUT = 4, VSET_AT_QUANT = 8, VSET_AT_METRIC = 9, VSET_AT_FORMAT = 10,
       VSET_AT_ROOMY_N = 11, VSET_AT_M = 12, VSET_AT_COUNT = 16, VSET_AT_ATTRIBUTES = 24, VSET_AT_NODE = 32,
       VSET_AT_UID = 40, VSET_AT_VERSION = 48, VSET_AT_SLOTS = 56, VSET_AT_BUCKETS = 60, VSET_AT_ROOMY = 64,
       VSET_AT_INDEX = 128 };
_Static_assert(VSET_AT_ROOMY + 4 * VSET_ROOMY_MAX == VSET_AT_INDEX &&
                   VSET_AT_INDEX + VSET_INDEX_META == VSET_META_BYTES && VSET_META_BYTES <= META_BYTES_MAX,
               "the root's parts fit each other");

#define VSET_NAME_GUESS 24                 /* bytes; longer ones make larger pages */
#define VSET_VECTORS_MOST (2 * PAGE_BYTES) /* A page that holds more gets no new element. */
#define VSET_RECORD_BYTES 20               /* before the vector */
#define VSET_ATTRIBUTE_ROWS 256
#define VSET_ATTRIBUTE_APART 1024 /* A longer one has a page of its own, so that one cold page is never large. */
#define VSET_PLACE_ROWS 16384
#define VSET_LOAD_MOST 256 /* With more pairs a bucket one is split: a page has 1 to 2 KiB. */
#define VSET_LOAD_LEAST 96 /* With fewer, buckets are joined. */

static inline const uint8_t *vset__meta(const struct value *v) { return v->pager->ops->meta(v->obj); }
static inline uint8_t *vset__meta_mut(struct value *v) { return v->pager->ops->meta_mut(v->pager, v->obj); }

/* Slots of a page of vectors; one of them is always free. */
static inline uint32_t vset_rows(const struct vset_shape *s) {
    size_t n = PAGE_BYTES / (VSET_RECORD_BYTES + quant_bytes(s->quant, s->dim) + VSET_NAME_GUESS) + 1;
    return n < 2 ? 2 : n > ROWS_MAX ? ROWS_MAX : (uint32_t)n;
}
/* Pages of vectors up to the last that ever was; some may not be there. */
static inline uint32_t vset_pages(const struct vset *s) {
    uint32_t rows = vset_rows(&s->shape);
    return s->slots / rows + (s->slots % rows != 0);
}

static inline void vset__note(int one, int *rc) { /* Of several reads: damage counts more than cold. */
    if (*rc == OK || (*rc == ERR_COLD && one != OK)) *rc = one;
}

/* Moves *i to the first page of that kind from *i on that is there, cold or not; ERR_NOTFOUND: there is none. All
 * walks go by it, so that they end when the pages do, whatever the root says. */
int vset__next(const struct value *v, enum vset_kind kind, uint64_t *i);

/* ---- vectors (store.c) ---------------------------------------------------------------------------------------- */

/* A page of vectors, sound for this shape. ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT. */
int vset__vectors(const struct value *v, const struct vset_shape *s, uint32_t page, slice *out);
/* False: the row is not there. */
bool vset__row(const struct vset_shape *s, slice vectors, uint32_t page, uint32_t row, struct element *out);

/* Asks for the attributes of all elements of a page of vectors. */
int vset__attributes_need(const struct value *v, const struct vset_shape *s, slice vectors, uint32_t page);

/* A free slot for an element of such a name. ERR_LIMIT: the set is full. */
struct vset_room {
    uint32_t slot;
    bool skip; /* The page at the end of the list has no room for it, and leaves the list. */
};
int vset__room(const struct value *v, const struct vset *s, size_t name, struct vset_room *out);
/* Another free slot in the page of one that is in use. */
int vset__room_beside(const struct value *v, const struct vset_shape *s, uint32_t slot, struct vset_room *out);

/* Changes; pages are in memory, and what e borrows lies in none of them. */
int vset__fill(struct value *v, const struct vset_shape *s, const struct vset_room *at, const struct element *e);
int vset__flag(struct value *v, const struct vset_shape *s, const struct element *e); /* its attribute's flags */
int vset__clear(struct value *v, const struct vset_shape *s, uint32_t slot);
/* The slot's page may be listed as roomy; after an element has gone for good. */
void vset__roomy(struct value *v, const struct vset_shape *s, uint32_t slot);

/* ---- attributes and places (beside.c) ------------------------------------------------------------------------ */

bool vset__apart(size_t attribute);
/* The page of the slot's attribute and its neighbours', but for long ones. ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT. */
int vset__attributes_page(const struct value *v, uint32_t slot, slice *page);
/* Asks for what a change of the slot's attribute meets. ERR_CORRUPT: it has one, or none, against what is said. */
int vset__attribute_look(const struct value *v, uint32_t slot, bool has);
int vset__attribute_put(struct value *v, uint32_t slot, slice attribute); /* The slot has none. */
int vset__attribute_cut(struct value *v, uint32_t slot);                  /* It has one. */

/* For the check: how many pages there are, and rows in them. ERR_CORRUPT and a sentence. */
struct vset_census {
    uint64_t pages, rows;
};
int vset__attributes_check(const struct value *v, const struct vset *s, struct vset_census *out, char why[160]);
int vset__places_check(const struct value *v, const struct vset *s, struct vset_census *out, char why[160]);

/* ---- names (names.c) ------------------------------------------------------------------------------------------ */

uint32_t vset__tag(const struct value *v, slice name);
bool vset__names_stored_ok(uint64_t count, uint32_t buckets);
int vset__names_find(const struct value *v, const struct vset_shape *s, slice name, struct element *out);
/* Ask for what an addition, or a removal, to a set of `count` names changes. */
int vset__names_need_add(const struct value *v, uint32_t tag, uint64_t count);
int vset__names_need_remove(const struct value *v, uint64_t count);
int vset__names_add(struct value *v, uint32_t tag, uint32_t slot);
int vset__names_move(struct value *v, uint32_t tag, uint32_t from, uint32_t to);
int vset__names_remove(struct value *v, uint32_t tag, uint32_t slot);
int vset__names_grow(struct value *v, uint64_t count); /* to how many names there are now */
int vset__names_shrink(struct value *v, uint64_t count);
/* How many pairs there are of exactly this tag and slot. */
int vset__names_count(const struct value *v, uint32_t tag, uint32_t slot, unsigned *n);
int vset__names_check(const struct value *v, const struct vset *s, struct vset_census *out, char why[160]);

#endif
