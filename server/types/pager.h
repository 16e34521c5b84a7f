/* pager.h -- how a type reaches the pages of a large value.
 *
 * An object is a value that has pages: a small root (`meta`, the type's own bytes, at most
 * META_BYTES_MAX, position independent) and a page table. keyspace implements objects, shares
 * their pages between copies, forks and checkpoints (copy on write), evicts clean pages and
 * fetches cold ones. A page is a flat, position-independent run of bytes: what lies in memory is
 * what is stored.
 *
 * Pages are addressed in one of two ways, fixed when the object is made:
 *   dense   by index 0, 1, 2, ... (chunks of a string, nodes of a tree)
 *   hashed  by the leading bits of a 64-bit hash: an extendible hash table; a page covers all
 *           hashes that share its first `depth` bits, and is split alone
 *
 * Every function that needs a page that is not in memory asks for it and returns ERR_COLD,
 * having changed nothing: ask for all the pages that an operation needs before the first
 * change; then return ERR_COLD, and be run again from the start when they are there.
 * Pointers into pages are valid until the next call that changes any page or object. */
#ifndef COVE_TYPES_PAGER_H
#define COVE_TYPES_PAGER_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

typedef struct object object;
typedef struct pager pager;

/* When there is something to do inside the value as time goes by: a note beside the object, never stored. */
struct pager_look {
    int64_t at_ms;    /* look then; INT64_MAX: not before something is put in; 0: nobody knows (it was
                       * loaded) */
    uint64_t cursor;  /* of a look that goes on, else 0 */
    int64_t least_ms; /* what it has found so far */
};

/* What a type keeps beside an object while it is in memory, never stored: it may be gone at any time between two
 * commands, and goes with who changes the object when that is shared. */
struct pager_note {
    void *p;                /* NULL: nothing */
    void (*free)(void *p);
};

#define PAGER_MANY 32
struct pager_got {
    int rc;
    slice page;
};

struct pager_ops {
    /* Makes an empty object, refs 1. */
    object *(*make)(pager *p, bool hashed, size_t meta_bytes);
    void (*free)(pager *p, object *o); /* Drops one reference. */

    const uint8_t *(*meta)(const object *o);
    uint8_t *(*meta_mut)(pager *p, object *o); /* o must be exclusively owned (see value.h) */
    size_t (*meta_bytes)(const object *o);
    struct pager_look *(*look)(object *o);
    struct pager_note *(*note)(object *o);

    /* Dense. get: ERR_NOTFOUND when there is no such page. mut: makes the page when it is
     * absent, resizes it to n bytes keeping what fits, new bytes zero. need: asks for the page if
     * it is cold (ERR_COLD) without looking at it; OK also when absent. */
    int (*get)(pager *p, object *o, uint64_t index, slice *out);
    /* As get(), and a page that has come from the store since it was last asked for in this way must
     * pass ok(): ERR_CORRUPT. What the type has written itself it has to trust. */
    int (*get_ok)(pager *p, object *o, uint64_t index, bool (*ok)(slice page), slice *out);
    /* get_ok() of n pages, at most PAGER_MANY, with a result each. They are looked up side by side, so that waits for
     * memory overlap: several times as fast as one by one, when the pages are many and not in the processor's cache. */
    void (*get_many)(pager *p, object *o, const uint64_t *index, size_t n, bool (*ok)(slice page), struct pager_got *out);
    /* For n pages, at most PAGER_MANY, looked up side by side: those that are in memory, and have been looked at if they
     * came from the store; for others p is NULL. They come into the processor's cache, beginning with their first bytes.
     * Nothing is asked for, and nothing counts as used: for what may be looked at soon. */
    void (*near)(object *o, const uint64_t *index, size_t n, slice *out);
    int (*need)(pager *p, object *o, uint64_t index);
    /* As need(), for who asks when something is cold already: a page that is in memory will still be there when the
     * command has waited and runs again. ERR_LIMIT, never for the first: others would have no room any more; do with
     * those asked for so far, and come back. */
    int (*hold)(pager *p, object *o, uint64_t index);
    int (*mut)(pager *p, object *o, uint64_t index, size_t n, uint8_t **out);
    int (*drop)(pager *p, object *o, uint64_t index); /* never cold */
    uint64_t (*pages)(const object *o);               /* number of pages */
    /* The first page from `index` on that is there, cold or not; ERR_NOTFOUND: there is none. A walk by it
     * takes as long as there are pages, whatever numbers the store says. */
    int (*next)(pager *p, object *o, uint64_t index, uint64_t *out);

    /* Hashed. hget: the page that covers `hash` and its depth (also set with ERR_COLD when it is known,
     * else left alone); an object without pages answers ERR_NOTFOUND. hmut: as mut, at depth 0 when the object has no page. hsplit: replaces
     * the page covering `hash`, of depth d, by two of depth d + 1 that take low (next bit 0)
     * and high; the page must be resident. */
    int (*hget)(pager *p, object *o, uint64_t hash, slice *out, unsigned *depth);
    int (*hmut)(pager *p, object *o, uint64_t hash, size_t n, uint8_t **out);
    int (*hsplit)(pager *p, object *o, uint64_t hash, slice low, slice high);

    uint64_t (*hash)(pager *p, slice key); /* keyed by the database's secret */
};
struct pager {
    const struct pager_ops *ops;
};

#endif
