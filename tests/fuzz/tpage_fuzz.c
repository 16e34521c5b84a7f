/* tpage_fuzz.c -- table pages and deltas from the store.
 *
 * First byte 0: the rest is a page. 1: a delta over a fixed base. 2: two bytes of length, a base, and a
 * delta. What is taken as sound is read, changed, made anew and checked again; a page that
 * tpage_merge() made is also right by its hashes. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "types/tpage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

static uint64_t hash_of(void *cookie, slice key) {
    (void)cookie;
    return hash_xx(key.p, key.n, 7);
}

/* Reads all and changes some; `p` has exactly n bytes of its own. */
static void use_page(uint8_t *p, size_t n) {
    volatile uint8_t sink = 0;
    size_t count = 0;
    for (uint32_t off = tpage_next(p, 0); off != TPAGE_NONE; off = tpage_next(p, off)) {
        slice key = tpage_key(p, off), val = tpage_val(p, off);
        for (size_t i = 0; i < key.n; i++) sink = sink ^ key.p[i];
        for (size_t i = 0; i < val.n; i++) sink = sink ^ val.p[i];
        (void)tpage_find(p, hash_of(NULL, key), key);
        sink = sink ^ tpage_marked(p, off);
        count++;
    }
    (void)sink;
    need(count == tpage_count(p) && tpage_used(p) <= n);
    buf delta = BUF_INIT, larger = BUF_INIT;
    tpage_delta(p, &delta);
    need(delta.n <= tpage_delta_bytes(p));
    for (unsigned i = 0; i < 60; i++) {
        uint8_t name[2] = {(uint8_t)('a' + i % 20), (uint8_t)('0' + i % 7)};
        slice key = slice_make(name, 1 + i % 2);
        uint64_t hash = hash_of(NULL, key);
        uint32_t off;
        bool added;
        if (i % 3 == 0) (void)tpage_del(p, hash, key);
        else if (tpage_put(p, hash, key, i, &off, &added) == OK) {
            memset(tpage_val_mut(p, off), 1, i);
            if (i % 4 == 1) tpage_mark(p, off);
            need(tpage_marked(p, off) == (i % 4 == 1) && tpage_val(p, off).n == i);
        }
    }
    need(tpage_check(slice_make(p, n)) == OK);
    if (tpage_rebuilt_bytes(p, 100) <= PAGE_BYTES_MAX) {
        tpage_rebuild(p, 100, hash_of, NULL, -1, 0, false, &larger);
        need(tpage_check(slice_of(&larger)) == OK);
        tpage_rebuild(p, 100, hash_of, NULL, 1, 0, false, &larger);
        need(tpage_check(slice_of(&larger)) == OK);
    }
    tpage_set_base(p);
    need(tpage_check(slice_make(p, n)) == OK);
    buf_free(&delta);
    buf_free(&larger);
}

static void fixed_base(buf *out) {
    buf_reserve(out, 1024);
    out->n = 1024;
    tpage_init(out->p, out->n);
    for (unsigned i = 0; i < 20; i++) {
        uint8_t name[2] = {(uint8_t)('a' + i), (uint8_t)('0' + i % 7)};
        slice key = slice_make(name, 1 + i % 2);
        uint32_t off;
        bool added;
        need(tpage_put(out->p, hash_of(NULL, key), key, 5, &off, &added) == OK);
        memset(tpage_val_mut(out->p, off), 'v', 5);
    }
}

static void try_merge(slice base, slice delta) {
    buf out = BUF_INIT;
    int rc = tpage_merge(base, delta, hash_of, NULL, &out);
    need(rc == OK || rc == ERR_CORRUPT);
    if (rc == OK) {
        need(tpage_check(slice_of(&out)) == OK);
        use_page(out.p, out.n);
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    slice rest = slice_make(data + 1, size - 1);
    if (data[0] == 0) {
        uint8_t *copy = malloc(rest.n + (rest.n == 0)); /* Its end is watched. */
        need(copy != NULL);
        memcpy(copy, rest.p, rest.n);
        if (tpage_check(slice_make(copy, rest.n)) == OK) use_page(copy, rest.n);
        free(copy);
    } else if (data[0] == 1) {
        buf base = BUF_INIT;
        fixed_base(&base);
        try_merge(slice_of(&base), rest);
        buf_free(&base);
    } else if (rest.n >= 2) {
        size_t n = get_u16(rest.p);
        if (n > rest.n - 2) n = rest.n - 2;
        try_merge(slice_make(rest.p + 2, n), slice_make(rest.p + 2 + n, rest.n - 2 - n));
    }
    return 0;
}
