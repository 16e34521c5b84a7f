/* zset_runs.c -- results of many steps, each in order, told in the order of all: a heap of the runs' next members. */
#include <assert.h>

#include "base/mem.h"
#include "commands/zset_commands.h"

void zset_runs_add(struct zset_runs *r, struct zset_result *run) {
    assert(r->heap == NULL);
    if (run->n == 0) {
        zset_result_free(run);
        return;
    }
    if (r->n == r->cap) {
        r->cap = r->cap == 0 ? 16 : 2 * r->cap;
        r->runs = mem_realloc(r->runs, r->cap * sizeof(*r->runs));
    }
    zset_result_sort(run);
    r->total += run->n;
    r->runs[r->n++] = (struct zset_run){*run, 0};
    *run = (struct zset_result){.n = 0};
}

static bool before(const struct zset_runs *r, size_t a, size_t b) {
    const struct zset_run *x = &r->runs[r->heap[a]], *y = &r->runs[r->heap[b]];
    double s = *zset_result_score(&x->result, x->next), t = *zset_result_score(&y->result, y->next);
    if (s != t) return s < t;
    return slice_cmp(zset_result_member(&x->result, x->next), zset_result_member(&y->result, y->next)) < 0;
}

static void sift_down(struct zset_runs *r, size_t at) {
    for (;;) {
        size_t least = at, child = 2 * at + 1;
        if (child < r->left && before(r, child, least)) least = child;
        if (child + 1 < r->left && before(r, child + 1, least)) least = child + 1;
        if (least == at) return;
        size_t was = r->heap[at];
        r->heap[at] = r->heap[least];
        r->heap[least] = was;
        at = least;
    }
}

void zset_runs_begin(struct zset_runs *r) {
    assert(r->heap == NULL);
    r->heap = mem_alloc((r->n + 1) * sizeof(*r->heap));
    for (size_t i = 0; i < r->n; i++) r->heap[i] = i;
    r->left = r->n;
    for (size_t i = r->n / 2; i-- > 0;) sift_down(r, i);
}

bool zset_runs_first(const struct zset_runs *r, slice *member, double *score) {
    if (r->left == 0) return false;
    const struct zset_run *run = &r->runs[r->heap[0]];
    *member = zset_result_member(&run->result, run->next);
    *score = *zset_result_score(&run->result, run->next);
    return true;
}

void zset_runs_drop_first(struct zset_runs *r) {
    assert(r->left > 0);
    struct zset_run *run = &r->runs[r->heap[0]];
    if (++run->next == run->result.n) {
        zset_result_free(&run->result);
        r->heap[0] = r->heap[--r->left];
    }
    sift_down(r, 0);
}

void zset_runs_free(struct zset_runs *r) {
    for (size_t i = 0; i < r->n; i++) zset_result_free(&r->runs[i].result);
    mem_free(r->runs);
    mem_free(r->heap);
}
