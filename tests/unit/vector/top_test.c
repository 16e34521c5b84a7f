/* top_test.c -- the best k against a sort of all. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rnd.h"
#include "modules/vector/top.h"

struct candidate { double distance; uint64_t node; };

static int by_rank(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    bool xn = isnan(x->distance), yn = isnan(y->distance);
    if (xn != yn) return xn ? 1 : -1;
    if (!xn && x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

TEST("the best k come out in order: by distance, then age, NaN last") {
    rnd r;
    rnd_seed(&r, 4);
    for (int round = 0; round < 300; round++) {
        struct candidate all[200];
        size_t n = (size_t)rnd_below(&r, 200), k = (size_t)rnd_below(&r, 40);
        struct top t = {.k = k};
        for (size_t i = 0; i < n; i++) {
            all[i].distance =
                rnd_below(&r, 12) == 0 ? (double)NAN : (double)rnd_below(&r, 30);
            all[i].node = i + 1;
            struct top_item item = {.distance = all[i].distance, .node = i + 1};
            char name[16];
            int len = snprintf(name, sizeof(name), "n%zu", i + 1);
            if (top_wants(&t, item.distance, item.node))
                top_add(&t, &item, slice_make(name, (size_t)len), SLICE("attr"),
                        SLICE(""));
        }
        top_sort(&t);
        qsort(all, n, sizeof(*all), by_rank);
        CHECK_INT(t.n, n < k ? n : k);
        for (size_t i = 0; i < t.n; i++) {
            char name[16];
            CHECK_INT(t.items[i].node, all[i].node);
            snprintf(name, sizeof(name), "n%zu", (size_t)all[i].node);
            CHECK_SLICE(top_name(&t.items[i]), name);
            CHECK_SLICE(top_attribute(&t.items[i]), "attr");
        }
        top_deinit(&t);
    }
}
