/* sort_pile.c -- elements to be ordered: copies of their bytes, and qsort(). Strings are ordered by their bytes,
 * whatever the locale.
 *
 * The copies lie in parts that never move: one text that grows would be copied whole, again and again, on the loop. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "commands/sort_commands.h"

#define PART_BYTES ((size_t)64 << 10)
#define PART_BYTES_FIRST 512 /* Most SORTs are of few elements. */

struct part {
    struct part *next;
    size_t n, cap;
    uint8_t bytes[];
};

struct pile *pile_create(size_t cap) {
    struct pile *p = mem_calloc(1, sizeof(*p));
    p->items = mem_try_alloc((cap + 1) * sizeof(*p->items));
    p->cap = cap;
    if (p->items != NULL) return p;
    mem_free(p);
    return NULL;
}

void pile_free(void *pile) {
    struct pile *p = pile;
    if (p == NULL) return;
    for (struct part *next; p->parts != NULL; p->parts = next) {
        next = p->parts->next;
        mem_free(p->parts);
    }
    mem_free(p->items);
    mem_free(p);
}

slice pile_keep(struct pile *p, slice text) {
    struct part *last = p->parts;
    if (last == NULL || text.n > last->cap - last->n) {
        size_t cap = last == NULL ? PART_BYTES_FIRST : PART_BYTES;
        if (cap < text.n) cap = text.n;
        last = mem_alloc(sizeof(*last) + cap);
        *last = (struct part){.next = p->parts, .cap = cap};
        p->parts = last;
    }
    uint8_t *at = last->bytes + last->n;
    if (text.n > 0) memcpy(at, text.p, text.n);
    last->n += text.n;
    p->bytes += text.n;
    return slice_make(at, text.n);
}

void pile_add(struct pile *p, slice element) {
    assert(p->n < p->cap);
    p->items[p->n] = (struct item){.element = pile_keep(p, element), .nth = p->n};
    p->n++;
}

bool pile_score(slice text, double *score) {
    char small[64], *copy = text.n < sizeof(small) ? small : mem_alloc(text.n + 1), *end;
    if (text.n > 0) memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    errno = 0;
    *score = strtod(copy, &end);
    bool good = *end == 0 && errno != ERANGE && !isnan(*score);
    if (copy != small) mem_free(copy);
    return good;
}

static int compare(const void *x, const void *y, void *pile) {
    const struct item *a = x, *b = y;
    const struct pile *p = pile;
    int cmp;
    if (p->alpha && p->by) {
        bool both = a->by.p != NULL && b->by.p != NULL;
        cmp = both ? slice_cmp(a->by, b->by) : (a->by.p != NULL) - (b->by.p != NULL);
    } else {
        cmp = p->alpha ? 0 : (a->score > b->score) - (a->score < b->score);
        if (cmp == 0) cmp = slice_cmp(a->element, b->element);
    }
    if (cmp == 0) return (a->nth > b->nth) - (a->nth < b->nth);
    return p->descending ? (cmp < 0 ? 1 : -1) : cmp;
}

void pile_order(void *pile) {
    struct pile *p = pile;
    for (size_t i = 0; i < p->n && !p->alpha && !p->by; i++)
        p->bad |= !pile_score(p->items[i].element, &p->items[i].score);
    if (!p->bad) qsort_r(p->items, p->n, sizeof(*p->items), compare, p);
}
