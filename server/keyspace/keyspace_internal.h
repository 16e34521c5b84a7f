/* keyspace_internal.h -- what the files of keyspace/ share: parts, tries, objects, databases.
 *
 *   db -> root part -> nodes -> directory pages -> entries -> objects -> ... -> pages
 *
 * A part is a node or a page. `refs` counts its owners: slots' holders in trees, frozen
 * states and the running walk. What has more than one owner, or hangs under something
 * that has, is never changed in place but cloned. `pins` counts what merely needs the
 * descriptor to stay: loads and waits; pinned pages are not evicted, and do not force a
 * clone.
 *
 * Invariants (keyspace_check walks them)
 *  K1  A part's refs equal the number of its owners.
 *  K2  A clean node has only clean children; a clean directory page's objects are clean.
 *      (Changes clear the path from the root; a walk confirms children before parents.)
 *  K3  Only clean pages are cold, only clean unpinned pages are evicted.
 *  K4  In a hashed trie a page of depth d under a node that starts at depth b spans
 *      2^(node bits - (d - b)) equal, aligned slots; a child node one slot of a full node.
 *  K5  A pointer in an entry is the only thing by which it differs from its stored form. */
#ifndef COVE_KEYSPACE_INTERNAL_H
#define COVE_KEYSPACE_INTERNAL_H

#include <assert.h>

#include "base/list.h"
#include "keyspace/keyspace.h"
#include "types/tpage.h"

/* Number n starts with id n + 1; ids of others start above. */
#define DB_NUMBERS_MAX 4095
#define DB_WORKSHOP (DB_NUMBERS_MAX - 1) /* The last number, which `databases` does not reach. */
#define DB_ID_FIRST 4096
#define HASH_DEPTH_MAX 48 /* A page deeper than this grows instead of splitting. */
#define HEIGHT_MAX 7      /* Dense: 256^7 pages. */
#define NO_EXPIRY INT64_MAX

/* The leaves' kind, and PART_NODE for the nodes above them. */
enum part_kind {
    PART_DIR = 1,   /* a page of a directory */
    PART_TABLE = 2, /* a page of a hashed object: a tpage */
    PART_CHUNK = 3, /* a page of a dense object: any bytes */
    PART_NODE = 8
};
#define PART_LEAF 7u

#define PART_CLEAN 1u         /* base and delta hold exactly these bytes */
#define PART_USED 2u          /* CLOCK's bit */
#define PART_FRESH 4u         /* fetched, and not yet used */
#define PART_ROOTS 8u         /* a directory page that may hold objects */
#define PART_PLACED 16u       /* written by the running walk as a whole, to `placed` */
#define PART_PLACED_DELTA 32u /* written as a delta to its base */
#define PART_DOUBTED 64u      /* a chunk fetched, which its type has not looked at as a whole */
#define PART_LAST 128u        /* leaves memory after others (evict.c): once known, it stays known */

typedef struct part part;
struct load;
struct part {
    uint32_t refs, pins;
    uint8_t kind, flags;
    uint8_t depth;  /* hashed: hash bits fixed above this part; dense node: its height */
    uint8_t bits;   /* nodes: log2 of the number of slots */
    uint32_t bytes; /* pages: of blob; root nodes: which pages `delta` has (along.c) */
    union {
        uint8_t *blob; /* a page's bytes, NULL when cold */
        part **child;  /* a node's slots, NULL when cold */
    };
    location base, delta, placed; /* delta of an object's root node: pages that come along */
    struct load *load;  /* under way, or NULL */
    list ring;          /* clean resident pages: keyspace.clean, or clean_last with PART_LAST */
    union {
        int64_t min_expire; /* directory: no entry expires before; NO_EXPIRY: none does */
        location along;     /* nodes: their delta when `placed` is their base */
    };
};

static inline bool part_is_node(const part *p) {
    return (p->kind & PART_NODE) != 0;
}
static inline bool part_is_clean(const part *p) {
    return (p->flags & PART_CLEAN) != 0;
}
static inline bool part_is_cold(const part *p) {
    return p->blob == NULL;
}
/* The page is a tpage: it has change marks, and deltas. */
static inline bool part_is_tpage(const part *p) {
    return p->kind == PART_DIR || p->kind == PART_TABLE;
}

struct trie {
    part *root;
    uint8_t leaf;   /* enum part_kind */
    uint8_t height; /* dense: levels of nodes above the pages */
};

struct object {
    uint32_t refs;
    bool hashed;
    bool nodes_ready; /* dense: all nodes are known to be in memory */
    uint8_t lasting, along; /* its type's */
    uint16_t meta_n;
    uint64_t pages;
    struct trie trie;
    struct pager_look look;
    struct pager_note note; /* owned */
    part *home; /* the directory page it was last reached through, or NULL; weak */
    uint8_t meta[];
};

struct db {
    keyspace *ks;
    list link; /* keyspace.dbs, or keyspace.gone while effects wait for it */
    uint64_t id;
    int number;
    char name[NAME_BYTES_MAX + 1];
    uint64_t keys, expires;
    struct trie dir;
    uint64_t expire_cursor, random_hash;
    bool random_kept, gone, dropped;
    size_t pending; /* effects that wait for keys of this database */
};

/* ---- the keyspace itself ----------------------------------------------------------- */

struct parts {
    part **p;
    size_t n, cap;
};
struct pending_index;
struct keyspace {
    pager pager; /* first: the pager's functions cast */
    const struct keyspace_config *config;
    const struct type_set *types;
    clock_source *clock;
    rnd *rnd;
    logger *log;
    struct keyspace_hooks hooks;
    struct {
        void *fetch, *changed, *changed_db, *want_checkpoint;
    } cookies;
    uint8_t secret[16]; /* keys the hashes of all tables; stored with the catalogue */
    struct keyspace_stats stats;
    db *numbers[DB_NUMBERS_MAX];
    db *last_db;
    list dbs, gone, dropped;
    size_t dbs_count;
    uint64_t next_db_id;
    list clean, clean_last; /* CLOCK's rings; a hand is the head */
    uint64_t clean_n;       /* pages of `clean` */
    uint64_t last_due;      /* evict.c */
    struct parts reap;
    struct parts wanted; /* cold parts that the running command met */
    struct parts homes;  /* pages in memory that it needs besides: directory pages of their objects, held ones */
    list waits_ready;    /* done() is to be called */
    list waits_outside, waits_fresh, waits_begun; /* wait.c: whose turn it is */
    bool turn_of_begun;
    size_t waits, waits_held; /* not ended; parts that the admitted ones hold */
    size_t fetches_max, fetches_begun, fetch_run;
    list loads;
    buf scratch, tmp, slot;
    const object *applying;
    uint8_t lasting, along; /* of the type that is at work: of objects that it makes */
    uint64_t now_ms;
    bool now_fresh;
    frozen_walk *walk;
    list frozens, kept; /* kept: keep.c */
    struct pending_index *pending;
    ks_wait *pending_wait;
    bool pending_ready;
    size_t expire_db;
    bool inner_expiry; /* a value was seen with something inside that expires */
    bool over_limit;
    uint64_t checkpoint_asked_us, checkpoint_progress_us;
};

/* A page was read: counted, and remembered for CLOCK. Writes only what changes. */
static inline void part__seen(keyspace *ks, part *p) {
    if (p->flags & PART_FRESH)
        p->flags &= (uint8_t)~PART_FRESH; /* Counted when fetched. */
    else
        ks->stats.reads_hot++;
    if (!(p->flags & PART_USED)) p->flags |= PART_USED;
}

/* ---- part.c: life of parts --------------------------------------------------------- */

part *part__new(keyspace *ks, uint8_t kind);
part *part__cold(keyspace *ks, uint8_t kind, uint8_t depth, location base,
                 location delta);
/* Takes blob (exactly n bytes; NULL: cold, only for a clean page). */
void part__set_blob(keyspace *ks, part *p, uint8_t *blob, size_t n);
/* Gives an owned page n bytes, keeping what fits; new ones are zero. */
void part__resize(keyspace *ks, part *p, size_t n);
void part__set_clean(keyspace *ks, part *p, location base, location delta);
void part__touch(keyspace *ks,
                 part *p); /* about to be changed in place: not clean any more */
void part__last(keyspace *ks, part *p); /* It leaves memory after others from now on. */
part *part__clone(keyspace *ks, part *p);
/* p for changing: itself when it has one owner, else a clone that takes over the owner's
 * count. */
part *part__own(keyspace *ks, part *p);
static inline part *part__ref(part *p) {
    p->refs++;
    return p;
}
void part__put(keyspace *ks, part *p); /* NULL is fine */
void part__pin(part *p);
void part__unpin(keyspace *ks, part *p);
bool part__delta_fits(const part *p); /* would be written as a delta to its base */
location part__at(const part *p);     /* where a slot that names it should point */
location part__delta_at(const part *p);
bool part__written(const part *p);  /* clean, or placed by the running walk */
bool part__reap_step(keyspace *ks); /* frees one detached part; false: none left */
void parts__push(struct parts *v, part *p);
void part__drop_objects(keyspace *ks, part *p);

/* ---- tree.c: tries ----------------------------------------------------------------- */

static inline size_t node_slot(const part *node, uint64_t hash) { /* hashed */
    return (size_t)((hash << node->depth) >> (64 - node->bits));
}
/* OK and the page that covers hash, which may be cold itself; ERR_NOTFOUND: an empty
 * trie; ERR_COLD: *out is a cold node. */
static inline int trie_find(const struct trie *t, uint64_t hash, part **out) {
    part *p = t->root;
    if (p == NULL) return ERR_NOTFOUND;
    while (part_is_node(p)) {
        if (p->child == NULL) {
            *out = p;
            return ERR_COLD;
        }
        p = p->child[node_slot(p, hash)];
    }
    *out = p;
    return OK;
}
bool trie__exclusive(const struct trie *t,
                     uint64_t hash); /* nothing on the path is shared */
/* The page for changing; the path must be resident. Makes a page of depth 0 in an empty
 * trie, without bytes. */
part *trie__own(keyspace *ks, struct trie *t, uint64_t hash);
/* Replaces the page (owned, resident) by two that take the blobs. */
void trie__split(keyspace *ks, struct trie *t, uint64_t hash, uint8_t *low, size_t low_n,
                 uint8_t *high, size_t high_n, part **low_page, part **high_page);
/* Joins the page that covers hash with its sibling, if both are resident and small
 * together. The joined page (whose min_expire and roots are to be scanned), or NULL. */
part *trie__merge(keyspace *ks, struct trie *t, uint64_t hash);
/* Dense. OK, ERR_NOTFOUND, ERR_COLD (*out: the cold node). */
int trie__dense_find(const struct trie *t, uint64_t index, part **out);
/* Where the page's part is, which is not looked at; NULL: nowhere. All nodes are in memory. */
part **trie__dense_slot(struct trie *t, uint64_t index);
/* The page, when it is in memory and the path to it is changed already: what trie__dense_own()
 * would answer. Else NULL, which says nothing. */
part *trie__dense_changing(const struct trie *t, uint64_t index);
/* The first index from `index` on that has a page, cold or not; all nodes are resident. */
bool trie__dense_next(const struct trie *t, uint64_t index, uint64_t *out);
part *trie__dense_own(keyspace *ks, struct trie *t, uint64_t index, bool *made);
bool trie__dense_drop(keyspace *ks, struct trie *t,
                      uint64_t index); /* false: was absent */
uint64_t ks__tpage_hash(void *cookie, slice key);

/* ---- object.c ---------------------------------------------------------------------- */

extern const struct pager_ops object__pager_ops;
/* of an object in an entry, before its meta; the pointer comes first */
#define ROOT_BYTES 40
#define ROOT_AT_HASHED 8
#define ROOT_AT_PAGES 16
object *object__clone(object *o);
void object__put(keyspace *ks, object *o);
/* Dense objects have all their nodes in memory before a type sees them. OK, ERR_COLD;
 * ERR_CORRUPT: they do not hold as many pages as the root says. */
int object__make_ready(keyspace *ks, object *o);
static inline int object__ready(keyspace *ks, object *o) {
    return o->nodes_ready ? OK : object__make_ready(ks, o);
}
size_t object__root_bytes(const object *o);
void object__root_write(const object *o,
                        uint8_t *out); /* all but the pointer, which is 0 */
int object__root_check(slice root);
object *object__root_read(keyspace *ks, const uint8_t *root); /* checked before */
size_t object__resident_bytes(const object *o);
void object__resident_kinds(const object *o, size_t bytes[8]);

/* ---- dir.c: entries of a directory ------------------------------------------------- */

#define HEAD_BYTES 8
#define HEAD_EXPIRE 1u
struct head {
    uint8_t type, kind, aux, flags;
    uint32_t access;
    int64_t expire_ms; /* -1: none */
    slice payload;
};
static inline void head_read(slice val, struct head *h) {
    h->type = val.p[0];
    h->kind = val.p[1];
    h->aux = val.p[2];
    h->flags = val.p[3];
    h->access = get_u32(val.p + 4);
    size_t n = HEAD_BYTES;
    h->expire_ms = -1;
    if (h->flags & HEAD_EXPIRE) {
        h->expire_ms = (int64_t)get_u64(val.p + n);
        n += 8;
    }
    h->payload = slice_make(val.p + n, val.n - n);
}
int head__check(slice val); /* bytes from the store */
/* Whether its type, which this build must know, takes it; an object as it is now. */
bool head__type_ok(const keyspace *ks, const struct head *h);
static inline object *payload_object(slice payload) {
    object *o;
    memcpy(&o, payload.p, sizeof(o));
    return o;
}
/* The object of an entry at `off`, made from its stored root when that is still all there
 * is. */
object *dir__object(keyspace *ks, part *page, uint32_t off);
/* Fills v from the entry; an object is made ready to be read. */
void dir__value(keyspace *ks, part *page, uint32_t off, const struct head *h,
                struct value *v);
/* When something inside the entry's value expires first; NO_EXPIRY. */
int64_t dir__due(keyspace *ks, const struct head *h);
void dir__value_init(keyspace *ks, struct value *v);
/* OK: page and offset; ERR_NOTFOUND: *page may be NULL (no page at all); ERR_COLD:
 * wanted. */
int dir__find(keyspace *ks, db *d, uint64_t hash, slice key, part **page, uint32_t *off);
/* Writes the entry (v's object's reference is taken); the path must be resident. */
void dir__put(keyspace *ks, db *d, uint64_t hash, slice key, const struct value *v,
              int64_t expire_ms, uint32_t access);
/* The entry keeps its object, and nothing on the way to it is shared: the page learns that it
 * changed, and the entry its type's byte. */
void dir__keep(keyspace *ks, db *d, uint64_t hash, part *page, uint32_t off, uint8_t aux);
void dir__del(keyspace *ks, db *d, uint64_t hash, slice key);
void dir__page_scan(keyspace *ks, part *page); /* after loading or splitting: min_expire, PART_ROOTS */

/* ---- access clocks (access.c) ------------------------------------------------------ */

uint64_t ks__now_ms(keyspace *ks);
uint32_t access__initial(keyspace *ks);
uint32_t access__touched(keyspace *ks, uint32_t access);

/* ---- db.c -------------------------------------------------------------------------- */

db *db__create(keyspace *ks, uint64_t id, int number, const char *name);
void db__release(keyspace *ks,
                 db *d); /* leaves all tables; freed when nothing waits for it */
void db__settle(keyspace *ks, db *d); /* frees a gone database that nothing waits for */
db *db__for_effect(keyspace *ks, uint64_t id);
int db__catalogue(keyspace *ks, const effect *e);
void db__tell(keyspace *ks, db *d); /* the hook: all of it changed */
void db__clear_all(keyspace *ks);   /* every database is empty, and there are no forks */
db *db__numbered(keyspace *ks, int number, uint64_t id); /* an empty one gets this id */
/* A new empty database: a name's, or the number's from now on. ERR_EXISTS, ERR_RANGE. */
int db__attach(keyspace *ks, uint64_t id, const char *name, int number, db **out);

/* ---- apply.c ----------------------------------------------------------------------- */

/* As keyspace_apply, but leaves the databases' counts and the hooks alone. */
int ks__apply(keyspace *ks, effect *e);
/* Wants the pages that these effects on one key's value would use, as far as that can be told before
 * others have been applied: a copy of the value, sharing its pages, takes them and is dropped.
 * Changes nothing; at most REHEARSE_US and a command's share of memory. */
void ks__rehearse(keyspace *ks, const effect *const *es, size_t n);
/* Adds to a database's count what an effect says. */
void ks__count(uint64_t *count, int8_t by);
bool effect__two_keys(const effect *e, uint64_t *other_db, slice *other_key);

/* ---- wait.c ------------------------------------------------------------------------ */

/* Asks for a cold part; home (may be NULL): the directory page to keep meanwhile.
 * ERR_COLD. */
int ks__want(keyspace *ks, part *p, part *home);
/* The same, or keeps one that is in memory for who waits: OK. ERR_LIMIT: there is no room for it. */
int ks__hold(keyspace *ks, part *p, part *home);
void wait__drop_all(keyspace *ks);
void wait__call_ready(keyspace *ks);
uint64_t wait__held_bytes(const keyspace *ks); /* about: pages that waits keep in memory */

/* ---- load.c, node.c: bytes from the store ------------------------------------------ */

int load__install(keyspace *ks, part *p, slice base, slice delta);
/* The same, and what is damaged is no news. */
int load__read(keyspace *ks, part *p, slice base, slice delta);
void node__write(const part *n, buf *out);
void node__write_root(const part *n, buf *out); /* of a dense object's page table */
int node__read(keyspace *ks, part *n, slice bytes);
/* A node's children as stored, for reading without a keyspace. */
struct node_child {
    location base, delta;
    uint8_t index, kind, depth;
    bool roots;
};
struct node_head {
    uint8_t kind, depth, bits;
    size_t count;
};
/* along: what stands behind the children; may be NULL. */
int node__parse(slice bytes, struct node_head *head, struct node_child children[256], slice *along);
/* A page as stored, from its memory form: pointers zero, roots fresh. */
void page__write_full(keyspace *ks, const part *p, buf *out);
void page__write_delta(keyspace *ks, const part *p, buf *out);

/* ---- along.c: what comes with the root node of a dense object's page table ------------ */

void along__write_nodes(const part *root, buf *out); /* behind the root's children */
/* True: the pages that come along have been appended to out, and are to have a slot. False: there are none (*at is 0),
 * or the slot at *at has them. sum: what the root is to know of them. All below the root has been written. */
bool along__write_pages(const keyspace *ks, const object *o, buf *out, location *at, uint32_t *sum);
/* From the store, below a root that has just come; only cold parts are given what they lack. */
void along__install(keyspace *ks, part *root, slice records, uint32_t *sum);

/* ---- walk.c, catalogue.c ----------------------------------------------------------- */

struct frozen_db {
    uint64_t id, keys, expires;
    int number;
    char name[NAME_BYTES_MAX + 1];
    part *root;
};
struct frozen {
    list link;
    uint32_t refs;
    size_t count;
    uint64_t next_db_id;
    struct frozen_db dbs[];
};
frozen *walk__frozen(const frozen_walk *w); /* of a walk that has ended */
/* The objects that keyspace_keep() holds (keep.c). */
void keep__each(keyspace *ks, void (*each)(void *cookie, object *o), void *cookie);
/* The parts that the running walk owns. */
void walk__each_held(const keyspace *ks, void (*each)(void *cookie, part *p),
                     void *cookie);

const uint8_t *walk__secret(const frozen_walk *w);

enum root_kind { ROOT_NONE = 0, ROOT_PAGE = 1, ROOT_NODE = 2, ROOT_HOLDS_OBJECTS = 4 };
struct catalogue { /* being read */
    reader r;
    uint8_t secret[16];
    uint64_t next_db_id, left;
};
struct catalogue_db {
    uint64_t id, keys, expires;
    int number;
    char name[NAME_BYTES_MAX + 1];
    unsigned root;
    bool holds_objects;
    location base, delta;
};
int catalogue__open(slice bytes, struct catalogue *c);
int catalogue__next(struct catalogue *c,
                    struct catalogue_db *d); /* ERR_NOTFOUND: the end */

/* ---- replay.c ---------------------------------------------------------------------- */

/* Applies what waits for this key, or for the hashes [from, to]; OK, ERR_COLD,
 * ERR_CORRUPT. */
int pending__resolve_key(keyspace *ks, db *d, uint64_t hash, slice key);
int pending__resolve_range(keyspace *ks, db *d, uint64_t from, uint64_t to);
void pending__free(keyspace *ks);

/* ---- scan.c ------------------------------------------------------------------------ */

/* The page that covers `hash`, with the hashes it spans; wanted when cold. */
int scan__page(keyspace *ks, db *d, uint64_t hash, part **page, uint64_t *from,
               uint64_t *to);
/* All live entries of such a page; *next: the cursor behind it. */
int scan__whole_page(keyspace *ks, db *d, part *page, uint64_t from, uint64_t to,
                     keyspace_each *each, void *cookie, uint64_t *next);

#endif
