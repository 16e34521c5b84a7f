/* tpage_test.c -- table pages against a naive map, deltas against their base, and damage. */
#include "test.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rnd.h"
#include "types/tpage.h"
#include "types/tpage_tags.h"

#define KEYS 300

static uint64_t test_hash(void *cookie, slice key) {
    (void)cookie;
    return hash_xx(key.p, key.n, 7);
}
static uint64_t same_hash(void *cookie, slice key) {
    (void)cookie;
    (void)key;
    return 0x1234;
}

struct model {
    buf vals[KEYS];
    bool has[KEYS], marked[KEYS];
};

static slice key_of(int i, char tmp[64]) {
    int n = snprintf(tmp, 64, "key:%d:%.*s", i, i % 40, "........................................");
    return slice_make(tmp, (size_t)n);
}

static void model_copy(struct model *to, const struct model *from) {
    for (int i = 0; i < KEYS; i++) {
        to->vals[i].n = 0;
        to->has[i] = from->has[i];
        to->marked[i] = from->marked[i];
        if (from->has[i]) buf_append_slice(&to->vals[i], slice_of(&from->vals[i]));
    }
}

static void model_free(struct model *m) {
    for (int i = 0; i < KEYS; i++) {
        buf_free(&m->vals[i]);
        m->has[i] = false;
    }
}

static void compare(const buf *page, const struct model *m, tpage_hash_fn *hash) {
    CHECK_INT(tpage_check(slice_of(page)), OK);
    CHECK_INT(tpage_check_hashes(page->p, hash, NULL), OK);
    size_t count = 0;
    char tmp[64];
    for (int i = 0; i < KEYS; i++) {
        slice key = key_of(i, tmp);
        uint32_t off = tpage_find(page->p, hash(NULL, key), key);
        CHECK_INT(off != TPAGE_NONE, m->has[i]);
        if (off == TPAGE_NONE) continue;
        count++;
        CHECK(slice_eq(tpage_key(page->p, off), key));
        CHECK(slice_eq(tpage_val(page->p, off), slice_of(&m->vals[i])));
        CHECK_INT(tpage_marked(page->p, off), m->marked[i]);
    }
    CHECK_INT(tpage_count(page->p), count);
    size_t walked = 0;
    for (uint32_t o = tpage_next(page->p, 0); o != TPAGE_NONE; o = tpage_next(page->p, o)) walked++;
    CHECK_INT(walked, count);
    CHECK(tpage_used(page->p) <= page->n);
}

static void put(buf *page, tpage_hash_fn *hash, slice key, slice val, bool want_added) {
    uint32_t off;
    bool added;
    int rc = tpage_put(page->p, hash(NULL, key), key, val.n, &off, &added);
    if (rc == ERR_LIMIT) {
        buf larger = BUF_INIT;
        size_t room = tpage_entry_bytes(key.n, val.n);
        CHECK_INT(tpage_rebuilt_bytes(page->p, room) <= PAGE_BYTES_MAX, 1);
        tpage_rebuild(page->p, room, hash, NULL, -1, 0, false, &larger);
        buf_free(page);
        *page = larger;
        rc = tpage_put(page->p, hash(NULL, key), key, val.n, &off, &added);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(added, want_added);
    if (val.n != 0) memcpy(tpage_val_mut(page->p, off), val.p, val.n);
}

static void random_change(buf *page, struct model *m, rnd *r, tpage_hash_fn *hash) {
    char tmp[64];
    int i = (int)rnd_below(r, KEYS);
    slice key = key_of(i, tmp);
    switch (rnd_below(r, 4)) {
    case 0:
    case 1: {
        size_t most = rnd_below(r, 20) == 0 ? 3000 : 60;
        m->vals[i].n = 0;
        size_t n = rnd_below(r, most);
        buf_reserve(&m->vals[i], n + 1);
        rnd_bytes(r, m->vals[i].p, n);
        m->vals[i].n = n;
        put(page, hash, key, slice_of(&m->vals[i]), !m->has[i]);
        m->has[i] = true;
        m->marked[i] = rnd_below(r, 3) == 0;
        if (m->marked[i]) tpage_mark(page->p, tpage_find(page->p, hash(NULL, key), key));
        break;
    }
    case 2:
        CHECK_INT(tpage_del(page->p, hash(NULL, key), key), m->has[i]);
        m->has[i] = false;
        break;
    case 3:
        if (m->has[i] && m->vals[i].n > 0) {
            uint32_t off = tpage_find(page->p, hash(NULL, key), key);
            CHECK(off != TPAGE_NONE);
            m->vals[i].p[0] ^= 1;
            tpage_val_mut(page->p, off)[0] ^= 1;
        }
        break;
    }
}

static void run_model(uint64_t seed, tpage_hash_fn *hash, int steps) {
    rnd r;
    rnd_seed(&r, seed);
    static struct model m, at_base; /* Each test is a process of its own. */
    buf page = BUF_INIT, base = BUF_INIT;
    buf_reserve(&page, tpage_min_bytes());
    page.n = tpage_min_bytes();
    tpage_init(page.p, page.n);
    bool has_base = false;
    for (int step = 0; step < steps; step++) {
        random_change(&page, &m, &r, hash);
        if (rnd_below(&r, 50) == 0) compare(&page, &m, hash);
        if (rnd_below(&r, 200) == 0) {
            base.n = 0;
            buf_append_slice(&base, slice_of(&page));
            tpage_set_base(page.p);
            model_copy(&at_base, &m);
            has_base = true;
        }
        if (rnd_below(&r, 300) == 0) {
            buf again = BUF_INIT;
            bool clean = rnd_below(&r, 4) == 0;
            tpage_rebuild(page.p, 500, hash, NULL, -1, 0, clean, &again);
            buf_free(&page);
            page = again;
            if (clean) has_base = false;
        }
        if (has_base && rnd_below(&r, 100) == 0) {
            buf delta = BUF_INIT, merged = BUF_INIT;
            tpage_delta(page.p, &delta);
            CHECK(delta.n <= tpage_delta_bytes(page.p));
            CHECK_INT(tpage_merge(slice_of(&base), slice_of(&delta), hash, NULL, &merged), OK);
            compare(&merged, &m, hash);
            /* The marks are as they were: the delta of the merged page is as good. */
            buf delta2 = BUF_INIT, merged2 = BUF_INIT;
            tpage_delta(merged.p, &delta2);
            CHECK_INT(tpage_merge(slice_of(&base), slice_of(&delta2), hash, NULL, &merged2), OK);
            compare(&merged2, &m, hash);
            if (rnd_below(&r, 2) == 0) { /* Go on with the merged page. */
                buf_free(&page);
                page = merged;
                merged = BUF_INIT;
            }
            buf none = BUF_INIT;
            CHECK_INT(tpage_merge(slice_of(&base), slice_of(&none), hash, NULL, &merged2), OK);
            compare(&merged2, &at_base, hash);
            buf_free(&delta);
            buf_free(&merged);
            buf_free(&delta2);
            buf_free(&merged2);
        }
    }
    compare(&page, &m, hash);
    buf_free(&page);
    buf_free(&base);
    model_free(&m);
    model_free(&at_base);
}

TEST("a page is a map: 20,000 random changes, deltas, merges and rebuilds") {
    for (uint64_t seed = 1; seed <= 4; seed++) run_model(seed, test_hash, 5000);
}
TEST("a page is a map though all hashes are equal") { run_model(9, same_hash, 3000); }

TEST("the two ways of comparing tags agree") {
    rnd r;
    rnd_seed(&r, 3);
    uint8_t bucket[64];
    for (int i = 0; i < 10000; i++) {
        for (int j = 0; j < 64; j++) bucket[j] = (uint8_t)rnd_below(&r, 4);
        uint8_t tag = (uint8_t)rnd_below(&r, 4);
        CHECK_INT(tpage_tags_match(bucket, tag), tpage_tags_plain(bucket, tag));
    }
}

TEST("a split by a bit makes two pages that hold all entries once") {
    buf page = BUF_INIT, low = BUF_INIT, high = BUF_INIT;
    buf_reserve(&page, 256);
    page.n = 256;
    tpage_init(page.p, page.n);
    char tmp[64];
    for (int i = 0; i < KEYS; i++) put(&page, test_hash, key_of(i, tmp), SLICE("value"), true);
    for (unsigned bit = 0; bit < 3; bit++) {
        tpage_rebuild(page.p, 100, test_hash, NULL, 0, bit, false, &low);
        tpage_rebuild(page.p, 100, test_hash, NULL, 1, bit, false, &high);
        CHECK_INT(tpage_check(slice_of(&low)), OK);
        CHECK_INT(tpage_check(slice_of(&high)), OK);
        CHECK_INT(tpage_count(low.p) + tpage_count(high.p), KEYS);
        for (int i = 0; i < KEYS; i++) {
            slice key = key_of(i, tmp);
            uint64_t h = test_hash(NULL, key);
            CHECK((h >> (63 - bit) & 1 ? tpage_find(high.p, h, key) : tpage_find(low.p, h, key)) !=
                  TPAGE_NONE);
        }
    }
    buf_free(&page);
    buf_free(&low);
    buf_free(&high);
}

TEST("a page of 4 MiB holds large entries and small ones") {
    buf page = BUF_INIT;
    buf_reserve(&page, 256);
    page.n = 256;
    tpage_init(page.p, page.n);
    buf big = BUF_INIT;
    buf_reserve(&big, 600000);
    memset(big.p, 'b', 600000);
    big.n = 600000;
    char tmp[64];
    for (int i = 0; i < 6; i++) put(&page, test_hash, key_of(i, tmp), slice_of(&big), true);
    for (int i = 6; i < 200; i++) put(&page, test_hash, key_of(i, tmp), SLICE("small"), true);
    CHECK_INT(tpage_check(slice_of(&page)), OK);
    for (int i = 0; i < 200; i++) {
        slice key = key_of(i, tmp);
        uint32_t off = tpage_find(page.p, test_hash(NULL, key), key);
        CHECK(off != TPAGE_NONE);
        CHECK_INT(tpage_val(page.p, off).n, i < 6 ? 600000 : 5);
    }
    buf_free(&page);
    buf_free(&big);
}

TEST("header and buckets cost at most 12 bytes an entry, beside alignment") {
    buf page = BUF_INIT, fit = BUF_INIT;
    buf_reserve(&page, 256);
    page.n = 256;
    tpage_init(page.p, page.n);
    size_t bytes = 0;
    for (int i = 0; i < 240; i++) { /* key and value: 26 bytes, 32 with the header */
        char key[32];
        snprintf(key, sizeof(key), "user:%013d", i);
        put(&page, test_hash, slice_str(key), SLICE("valuevax"), true);
        bytes += 26;
    }
    tpage_rebuild(page.p, 0, test_hash, NULL, -1, 0, false, &fit);
    CHECK_INT(tpage_check(slice_of(&fit)), OK);
    size_t over = (fit.n - bytes) * 100 / 240;
    printf("# %zu.%02zu bytes an entry\n", over / 100, over % 100);
    CHECK(over <= 1200);
    buf_free(&page);
    buf_free(&fit);
}

TEST("a touched value is not a change; a changed one is in the delta alone") {
    buf page = BUF_INIT, delta = BUF_INIT;
    buf_reserve(&page, 1024);
    page.n = 1024;
    tpage_init(page.p, page.n);
    put(&page, test_hash, SLICE("a"), SLICE("1"), true);
    put(&page, test_hash, SLICE("b"), SLICE("2"), true);
    tpage_set_base(page.p);
    size_t none = tpage_delta_bytes(page.p);
    tpage_val_touch(page.p, tpage_find(page.p, test_hash(NULL, SLICE("a")), SLICE("a")))[0] = '9';
    CHECK_INT(tpage_delta_bytes(page.p), none);
    tpage_delta(page.p, &delta);
    CHECK_INT(delta.n, 3);
    delta.n = 0;
    tpage_val_mut(page.p, tpage_find(page.p, test_hash(NULL, SLICE("b")), SLICE("b")))[0] = '8';
    CHECK(tpage_delta_bytes(page.p) > none);
    tpage_delta(page.p, &delta);
    CHECK_INT(delta.n, 7);
    buf_free(&page);
    buf_free(&delta);
}

TEST("what tpage_check lets pass can be read and changed, whatever bytes were damaged") {
    rnd r;
    rnd_seed(&r, 11);
    char tmp[64];
    buf page = BUF_INIT;
    buf_reserve(&page, 256);
    page.n = 256;
    tpage_init(page.p, page.n);
    for (int i = 0; i < 60; i++) put(&page, test_hash, key_of(i, tmp), SLICE("value"), true);
    tpage_set_base(page.p);
    for (int i = 0; i < 20; i++) {
        slice key = key_of(i, tmp);
        tpage_del(page.p, test_hash(NULL, key), key);
    }
    int passed = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t *copy = mem_alloc(page.n); /* Its end is watched by the sanitizer. */
        memcpy(copy, page.p, page.n);
        for (uint64_t k = rnd_below(&r, 3) + 1; k > 0; k--)
            copy[rnd_below(&r, page.n)] = (uint8_t)rnd_u64(&r);
        if (tpage_check(slice_make(copy, page.n)) == OK) {
            passed++;
            for (int i = 0; i < 70; i++) {
                slice key = key_of(i, tmp);
                uint64_t h = test_hash(NULL, key);
                uint32_t off = tpage_find(copy, h, key);
                if (off != TPAGE_NONE) CHECK(tpage_val(copy, off).n <= page.n);
                bool added;
                if (i % 3 == 0) tpage_del(copy, h, key);
                else if (tpage_put(copy, h, key, (size_t)i, &off, &added) == OK)
                    memset(tpage_val_mut(copy, off), 1, (size_t)i);
            }
            CHECK_INT(tpage_check(slice_make(copy, page.n)), OK);
        }
        mem_free(copy);
    }
    CHECK(passed > 0);
    buf_free(&page);
}
