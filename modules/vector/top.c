/* top.c -- the best k of a stream of candidates. */
#include "modules/vector/top.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* <0: a is the better one. A total order, for nodes are unique. */
static int compare(double da, uint64_t na, double db, uint64_t nb) {
    bool a_nan = isnan(da), b_nan = isnan(db);
    if (a_nan != b_nan) return a_nan ? 1 : -1;
    if (!a_nan && da != db) return da < db ? -1 : 1;
    return na < nb ? -1 : na > nb;
}

static bool better(const struct top_item *a, const struct top_item *b) {
    return compare(a->distance, a->node, b->distance, b->node) < 0;
}

void top_clear(struct top *t) {
    for (size_t i = 0; i < t->n; i++) mem_free(t->items[i].bytes);
    t->n = 0;
}

void top_deinit(struct top *t) {
    top_clear(t);
    mem_free(t->items);
    t->items = NULL;
    t->cap = 0;
}

bool top_wants(const struct top *t, double distance, uint64_t node) {
    if (t->n < t->k) return true;
    if (t->k == 0) return false;
    return compare(distance, node, t->items[0].distance, t->items[0].node) < 0;
}

static void swap(struct top_item *a, struct top_item *b) {
    struct top_item tmp = *a;
    *a = *b;
    *b = tmp;
}

static void sift_up(struct top_item *h, size_t i) {
    while (i > 0 && better(&h[(i - 1) / 2], &h[i])) {
        swap(&h[(i - 1) / 2], &h[i]);
        i = (i - 1) / 2;
    }
}

static void sift_down(struct top_item *h, size_t n, size_t i) {
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (better(&h[worst], &h[child])) worst = child;
        if (worst == i) return;
        swap(&h[worst], &h[i]);
        i = worst;
    }
}

static uint8_t *copy_parts(slice a, slice b, slice c) {
    uint8_t *p = mem_alloc(a.n + b.n + c.n + 1), *to = p;
    if (a.n > 0) memcpy(to, a.p, a.n);
    to += a.n;
    if (b.n > 0) memcpy(to, b.p, b.n);
    to += b.n;
    if (c.n > 0) memcpy(to, c.p, c.n);
    return p;
}

void top_add(struct top *t, const struct top_item *facts, slice name, slice attribute,
             slice vector) {
    struct top_item item = *facts;
    assert(t->k > 0 && t->n <= t->k);
    item.bytes = copy_parts(name, attribute, vector);
    item.name_n = name.n;
    item.attribute_n = attribute.n;
    item.vector_n = vector.n;
    if (t->n == t->k) {
        mem_free(t->items[0].bytes);
        t->items[0] = item;
        sift_down(t->items, t->n, 0);
        return;
    }
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 16 : t->cap * 2;
        t->items = mem_realloc(t->items, t->cap * sizeof(*t->items));
    }
    t->items[t->n] = item;
    sift_up(t->items, t->n++);
}

static int by_rank(const void *a, const void *b) {
    const struct top_item *x = a, *y = b;
    return compare(x->distance, x->node, y->distance, y->node);
}

void top_sort(struct top *t) {
    if (t->n > 1) qsort(t->items, t->n, sizeof(*t->items), by_rank);
}
