/* object_test.c -- what the pager of a keyspace says of the pages of an object that has few among many numbers. */
#include "tests/unit/keyspace/ks_util.h"

#define PAGES 300

static pager *pager_of(struct world *w) {
    struct entry e;
    slice args[2] = {SLICE("f"), SLICE("v")};
    effect set = {.target = EFFECT_VALUE, .type = TYPE_HASH, .op = HASH_SET, .db = db_id(keyspace_db(w->ks, 0)),
                  .key = SLICE("any"), .args = args, .argc = 2};
    CHECK_INT(world_apply(w, &set), OK);
    CHECK_INT(keyspace_get(w->ks, keyspace_db(w->ks, 0), SLICE("any"), 0, &e), OK);
    return e.value.pager;
}

/* The least of the numbers that is not below `from`. */
static int least(const uint64_t *numbers, uint64_t from, uint64_t *out) {
    int rc = ERR_NOTFOUND;
    for (int i = 0; i < PAGES; i++) {
        if (numbers[i] < from || numbers[i] == UINT64_MAX || (rc == OK && numbers[i] >= *out)) continue;
        *out = numbers[i];
        rc = OK;
    }
    return rc;
}

static void compare(pager *p, object *o, const uint64_t *numbers, uint64_t from) {
    uint64_t want = 0, got = 0;
    int rc = least(numbers, from, &want);
    CHECK_INT(p->ops->next(p, o, from, &got), rc);
    if (rc == OK) CHECK_INT(got, want);
}

static bool any_page(slice page) { return page.n > 0; }

/* Pages looked up side by side are those that are found one by one. */
static void compare_many(struct world *w, pager *p, object *o, const uint64_t *numbers) {
    uint64_t index[PAGER_MANY];
    struct pager_got got[PAGER_MANY];
    size_t n = (size_t)rnd_below(&w->rnd, PAGER_MANY + 1);
    for (size_t i = 0; i < n; i++) {
        index[i] = rnd_below(&w->rnd, 4) == 0 ? rnd_u64(&w->rnd) : numbers[rnd_below(&w->rnd, PAGES)];
    }
    p->ops->get_many(p, o, index, n, any_page, got);
    for (size_t i = 0; i < n; i++) {
        slice page = {NULL, 0};
        CHECK_INT(got[i].rc, p->ops->get(p, o, index[i], &page));
        if (got[i].rc == OK) CHECK(got[i].page.p == page.p && got[i].page.n == page.n);
    }
    slice near[PAGER_MANY];
    p->ops->near(o, index, n, near);
    for (size_t i = 0; i < n; i++) {
        CHECK(got[i].rc == OK ? near[i].p == got[i].page.p && near[i].n == got[i].page.n : near[i].p == NULL);
    }
}

TEST("the next page that is there is found, whatever lies between") {
    for (unsigned bits = 0; bits <= 56; bits += 7) {
        struct world *w = world_new(bits);
        pager *p = pager_of(w);
        object *o = p->ops->make(p, false, 0);
        uint64_t numbers[PAGES], at;
        memset(numbers, 0xFF, sizeof(numbers));
        CHECK_INT(p->ops->next(p, o, 0, &at), ERR_NOTFOUND);
        for (int i = 0; i < 3 * PAGES; i++) {
            uint64_t *n = &numbers[rnd_below(&w->rnd, PAGES)];
            uint8_t *to;
            if (*n != UINT64_MAX) {
                for (int k = 0; k < PAGES; k++) /* Another may have the same. */
                    if (n != &numbers[k] && *n == numbers[k]) numbers[k] = UINT64_MAX;
                CHECK_INT(p->ops->drop(p, o, *n), OK);
                *n = UINT64_MAX;
            } else {
                *n = rnd_below(&w->rnd, (uint64_t)1 << rnd_below(&w->rnd, bits + 1));
                CHECK_INT(p->ops->mut(p, o, *n, 1, &to), OK);
            }
            const uint64_t *some = &numbers[rnd_below(&w->rnd, PAGES)];
            if (*some != UINT64_MAX) {
                compare(p, o, numbers, *some);
                compare(p, o, numbers, *some + 1);
            }
            compare_many(w, p, o, numbers);
            compare(p, o, numbers, 0);
            compare(p, o, numbers, rnd_below(&w->rnd, (uint64_t)1 << bits));
            compare(p, o, numbers, rnd_u64(&w->rnd));
        }
        p->ops->free(p, o);
        world_free(w);
    }
}
