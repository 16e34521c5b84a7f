/* toy_pager.h -- a pager in memory, for tests of types: pages become cold at random, every change
 * moves its page (so that a stale pointer is found by the sanitizer), and changes are counted (so
 * that a test sees that ERR_COLD changed nothing). Include toy_pager.c in the test. */
#ifndef COVE_TESTS_TOY_PAGER_H
#define COVE_TESTS_TOY_PAGER_H

#include "base/rnd.h"
#include "types/value.h"

struct toy_page {
    uint8_t *p;
    size_t n;
    uint64_t index; /* dense: the index; hashed: the first hash */
    unsigned depth;
    bool cold, wanted, held;
    bool near, got; /* since who asks has cleared them */
};

struct object {
    struct toy *toy;
    struct object *next;
    bool hashed;
    uint8_t *meta;
    size_t meta_bytes;
    struct pager_look look;
    struct pager_note note;
    struct toy_page *pages;
    size_t count, cap;
};

struct toy {
    pager base;
    struct object *objects;
    uint64_t changes;
    size_t wanted;
    size_t held, hold_most; /* by hold(), cold or not, since the last fetch; 0: no limit */
    bool stay; /* A page that keeps its size stays where it is: faster. */
    unsigned cold_percent; /* of pages at toy_chill() */
    rnd r;
    buf scratch;
    struct type_config config;
};

void toy_init(struct toy *t, uint64_t seed, unsigned cold_percent);
void toy_deinit(struct toy *t); /* asserts that no object is left */
void toy_chill(struct toy *t);  /* makes some pages cold */
size_t toy_fetch(struct toy *t); /* makes the wanted ones resident */
size_t toy_fetch_only(struct toy *t); /* and all others leave, but held ones */
void toy_warm(struct toy *t);   /* all */
/* An empty value of this pager. */
struct value toy_value(struct toy *t, uint8_t type);
/* Applies an effect as the keyspace does: chills, runs until it is not cold, checks that cold runs
 * changed nothing, and moves an inline result out of the scratch into *store. */
int toy_apply(struct toy *t, const struct type *type, struct value *v, buf *store, uint8_t op,
              const slice *args, size_t argc);

#endif
