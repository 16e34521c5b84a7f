/* sort_commands.h -- what the files of SORT share: the elements and their order (sort_pile.c), reading them and what
 * other keys say of them (sort.c), and doing that in steps (sort_steps.c). */
#ifndef COVE_COMMANDS_SORT_COMMANDS_H
#define COVE_COMMANDS_SORT_COMMANDS_H

#include "exec/call.h"

/* ---- elements: nothing here knows of keys, so that a worker may order them ----------------------------- */

struct item {
    slice element;
    union {
        slice by;     /* ALPHA with BY; p is NULL: there is none */
        double score; /* not ALPHA */
    };
    size_t nth;       /* as they came */
};

struct pile {
    bool alpha, by, descending;
    bool bad;         /* a score is no number */
    struct item *items;
    size_t n, cap, bytes; /* bytes: of all texts */
    struct part *parts; /* of the texts, the last one first */
};

struct pile *pile_create(size_t cap); /* NULL: no memory */
void pile_free(void *pile);           /* NULL is fine */
void pile_add(struct pile *p, slice element); /* n < cap */
slice pile_keep(struct pile *p, slice text);  /* a copy that lives as long as the pile */
/* Redis's idea of a number: strtod's, spaces before it too, up to a NUL. */
bool pile_score(slice text, double *score);
void pile_order(void *pile);          /* scores too, unless they were found BY other keys */

/* ---- the command --------------------------------------------------------------------------------------- */

#define GETS_MAX 1024 /* patterns of one SORT: far above any use */

struct sorter {
    call *c;
    bool alpha, descending, unordered;
    size_t by, store, gets_n; /* argument numbers; 0: none */
    size_t gets[GETS_MAX];
    int64_t skip, limit;
    struct pile *pile;
    uint64_t first, want;     /* what is read: elements of a list, ranks; all of a set */
    bool backward, loaded;
    uint64_t cursor;          /* where a set goes on */
    size_t weighed;
    size_t from, until;       /* what of it is answered */
};

bool sort_needs_scores(const struct sorter *s); /* or texts, from other keys */
bool sort_reads_others(const struct sorter *s); /* keys that are no arguments */
int sort_begin(struct sorter *s); /* makes the pile */
/* From where the last one ended, at most `most` elements. ERR_COLD: nothing is done. */
int sort_load(struct sorter *s, const struct value *v, uint64_t most);
int sort_weigh(struct sorter *s, size_t most);
/* Calls put() for each thing that is answered of `most` elements from s->from on, which moves on; after ERR_COLD
 * that is where it was, and what was put is to be dropped. */
typedef void sort_put_fn(struct sorter *s, void *cookie, bool found, slice text);
int sort_give(struct sorter *s, size_t most, sort_put_fn *put, void *cookie);
int sort_bad_scores(call *c);
int sort_too_long(call *c);
/* Takes the sorter, whose elements are measured (first, want). */
int sort_in_steps(call *c, struct sorter *s);

#endif
