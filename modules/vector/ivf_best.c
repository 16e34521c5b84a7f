/* ivf_best.c -- what may be among the k least, of estimates with errors.
 *
 * The k least upper bounds (estimate + error) are kept in a heap; its greatest is the limit: nothing whose lower
 * bound is above it can be among the k least. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"

#define PRUNE_AT 1024 /* candidates, at least */

void ivf__best_init(struct ivf_best *b, size_t k) {
    *b = (struct ivf_best){.k = k, .limit = INFINITY, .prune_at = PRUNE_AT};
    b->uppers = mem_alloc((k + 1) * sizeof(float));
}

void ivf__best_deinit(struct ivf_best *b) {
    mem_free(b->found);
    mem_free(b->uppers);
    *b = (struct ivf_best){.k = b->k};
}

void ivf__best_clear(struct ivf_best *b) {
    b->n = b->uppers_n = 0;
    b->limit = INFINITY;
    b->prune_at = PRUNE_AT;
}

void ivf__best_prune(struct ivf_best *b) {
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++)
        if (!(b->found[i].est - b->found[i].err > b->limit)) b->found[kept++] = b->found[i];
    b->n = kept;
    b->prune_at = 2 * kept > PRUNE_AT ? 2 * kept : PRUNE_AT;
}

static void bound(struct ivf_best *b, float upper) {
    size_t k = b->k, i = 0;
    float *h = b->uppers;
    if (b->uppers_n < k) {
        for (i = b->uppers_n++; i > 0 && h[(i - 1) / 2] < upper; i = (i - 1) / 2) h[i] = h[(i - 1) / 2];
        h[i] = upper;
    } else if (upper < h[0]) {
        for (;;) {
            size_t c = 2 * i + 1;
            if (c >= k) break;
            if (c + 1 < k && h[c + 1] > h[c]) c++;
            if (h[c] <= upper) break;
            h[i] = h[c];
            i = c;
        }
        h[i] = upper;
    }
    if (b->uppers_n == k) b->limit = h[0];
}

void ivf__best_add(struct ivf_best *b, float est, float err, uint32_t id) {
    if (b->n == b->cap) {
        b->cap = b->cap == 0 ? 256 : 2 * b->cap;
        b->found = mem_realloc(b->found, b->cap * sizeof(*b->found));
    }
    b->found[b->n++] = (struct ivf_candidate){.est = est, .err = err, .slot = id};
    if (est > -INFINITY) bound(b, est + err);
    if (b->n >= b->prune_at) ivf__best_prune(b);
}

/* ---- order ------------------------------------------------------------------------------------------ */

#define FEW 16
#define ROUNDS_MAX 64 /* Of partitions within each other; with good ones there are as many as n has bits. */

static bool less(const struct ivf_candidate *a, const struct ivf_candidate *b) {
    return a->est < b->est || (!(b->est < a->est) && a->slot < b->slot);
}

static int compare(const void *a, const void *b) { return less(a, b) ? -1 : less(b, a); }

static void swap(struct ivf_candidate *a, struct ivf_candidate *b) {
    struct ivf_candidate t = *a;
    *a = *b;
    *b = t;
}

/* Those less than one from the middle come before it, and the others behind; returns where it is. */
static size_t part(struct ivf_candidate *c, size_t n) {
    size_t at = 0;
    swap(&c[n / 2], &c[n - 1]);
    for (size_t i = 0; i + 1 < n; i++)
        if (less(&c[i], &c[n - 1])) swap(&c[i], &c[at++]);
    swap(&c[at], &c[n - 1]);
    return at;
}

static void order(struct ivf_candidate *c, size_t n, size_t want, unsigned rounds) {
    while (n > FEW && want > 0) {
        if (rounds-- == 0) {
            qsort(c, n, sizeof(*c), compare);
            return;
        }
        size_t at = part(c, n);
        if (want > at + 1) order(c + at + 1, n - at - 1, want - at - 1, rounds);
        n = at;
    }
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && less(&c[k], &c[k - 1]); k--) swap(&c[k], &c[k - 1]);
}

void ivf__least_first(struct ivf_candidate *c, size_t n, size_t want) { order(c, n, want, ROUNDS_MAX); }
