/* zset_node.c -- the pages of a sorted set's tree: checked, read, changed in place, built. */
#include <assert.h>
#include <math.h>

#include "types/zset_internal.h"

/* ---- leaves ---------------------------------------------------------------------------------- */

bool zset__leaf_ok(slice page) {
    if (page.n < ZSET_LEAF_HEAD + ZSET_LEAF_SLOT || page.p[0] != 0 || page.p[1] != 0) return false;
    unsigned n = zset__leaf_n(page);
    size_t heap = ZSET_LEAF_HEAD + ZSET_LEAF_SLOT * (size_t)n;
    if (n == 0 || heap > page.n || (n > 1 && page.n > ZSET_LEAF_MAX)) return false;
    size_t bytes = page.n - heap, at = 0;
    for (unsigned i = 0; i < n; i++) {
        size_t from = get_u16(page.p + ZSET_LEAF_HEAD + 8 * (size_t)n + 2 * (size_t)i);
        if (i == 0 ? from != 0 : from < at) return false;
        if (from > bytes) return false;
        at = from;
    }
    struct zset_entry before = zset__leaf_at(page, 0);
    if (isnan(before.score) || before.member.n > KEY_BYTES_MAX) return false;
    for (unsigned i = 1; i < n; i++) {
        struct zset_entry e = zset__leaf_at(page, i);
        if (isnan(e.score) || zset__compare(before.score, before.member, e.score, e.member) >= 0)
            return false;
        before = e;
    }
    return true;
}

/* What lies further back moves first. */
void zset__leaf_insert(uint8_t *p, size_t n, unsigned pos, double score, slice member) {
    size_t had = get_u16(p + 2), i = pos, m = member.n;
    uint8_t *scores = p + ZSET_LEAF_HEAD, *offs = scores + 8 * had, *heap = offs + 2 * had;
    uint8_t *new_offs = offs + 8, *new_heap = heap + ZSET_LEAF_SLOT;
    size_t bytes = n - ZSET_LEAF_HEAD - ZSET_LEAF_SLOT * had, at = i < had ? get_u16(offs + 2 * i) : bytes;
    assert(i <= had && at <= UINT16_MAX);
    memmove(new_heap + at + m, heap + at, bytes - at);
    memmove(new_heap, heap, at);
    if (m > 0) memcpy(new_heap + at, member.p, m);
    memmove(new_offs + 2 * i + 2, offs + 2 * i, 2 * (had - i));
    memmove(new_offs, offs, 2 * i);
    put_u16(new_offs + 2 * i, (uint16_t)at);
    for (size_t k = i + 1; k <= had; k++) put_u16(new_offs + 2 * k, (uint16_t)(get_u16(new_offs + 2 * k) + m));
    memmove(scores + 8 * i + 8, scores + 8 * i, 8 * (had - i));
    memcpy(scores + 8 * i, &score, 8);
    put_u16(p + 2, (uint16_t)(had + 1));
}

/* What lies further in front moves first. */
size_t zset__leaf_remove(uint8_t *p, size_t n, unsigned pos, unsigned count) {
    size_t had = get_u16(p + 2), left = had - count, i = pos;
    assert(count > 0 && count < had && i + count <= had);
    uint8_t *scores = p + ZSET_LEAF_HEAD, *offs = scores + 8 * had, *heap = offs + 2 * had;
    uint8_t *new_offs = scores + 8 * left, *new_heap = new_offs + 2 * left;
    size_t bytes = n - ZSET_LEAF_HEAD - ZSET_LEAF_SLOT * had;
    size_t from = get_u16(offs + 2 * i), to = i + count < had ? get_u16(offs + 2 * (i + count)) : bytes;
    memmove(scores + 8 * i, scores + 8 * (i + count), 8 * (left - i));
    memmove(new_offs, offs, 2 * i);
    memmove(new_offs + 2 * i, offs + 2 * (i + count), 2 * (left - i));
    for (size_t k = i; k < left; k++)
        put_u16(new_offs + 2 * k, (uint16_t)(get_u16(new_offs + 2 * k) - (to - from)));
    memmove(new_heap, heap, from);
    memmove(new_heap + from, heap + to, bytes - to);
    put_u16(p + 2, (uint16_t)left);
    return n - ZSET_LEAF_SLOT * (size_t)count - (to - from);
}

void zset__leaf_build(const struct zset_entry *e, size_t n, buf *out) {
    size_t at = 0, bytes = ZSET_LEAF_HEAD;
    for (size_t i = 0; i < n; i++) bytes += zset__entry_bytes(e[i].member);
    out->n = 0;
    buf_reserve(out, bytes);
    uint8_t *scores = out->p + ZSET_LEAF_HEAD, *offs = scores + 8 * n, *heap = offs + 2 * n;
    put_u16(out->p, 0);
    put_u16(out->p + 2, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        slice member = e[i].member;
        assert(at <= UINT16_MAX);
        memcpy(scores + 8 * i, &e[i].score, 8);
        put_u16(offs + 2 * i, (uint16_t)at);
        if (member.n > 0) memcpy(heap + at, member.p, member.n);
        at += member.n;
    }
    out->n = bytes;
}

/* ---- branches -------------------------------------------------------------------------------- */

static const uint8_t *key_offs(slice page) {
    return page.p + ZSET_BRANCH_HEAD + 24 * (size_t)zset__branch_n(page);
}

struct zset_entry zset__branch_key(slice page, uint32_t i) {
    uint32_t n = zset__branch_n(page);
    const uint8_t *offs = key_offs(page), *heap = offs + 4 * (size_t)n;
    size_t from = get_u32(offs + 4 * (size_t)i);
    size_t to = i + 1 < n ? get_u32(offs + 4 * (size_t)i + 4) : (size_t)(page.p + page.n - heap);
    return (struct zset_entry){zset__branch_score(page, i), slice_make(heap + from, to - from)};
}

bool zset__branch_ok(slice page) {
    if (page.n < ZSET_BRANCH_HEAD || page.p[0] == 0 || page.p[0] > ZSET_HEIGHT_MAX) return false;
    uint32_t n = zset__branch_n(page);
    if (n == 0 || n > ZSET_SLOTS_MAX) return false;
    size_t heap = ZSET_BRANCH_HEAD + (size_t)ZSET_BRANCH_SLOT * n;
    if (heap > page.n) return false;
    size_t bytes = page.n - heap, at = 0;
    uint64_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t from = get_u32(key_offs(page) + 4 * (size_t)i);
        if (i == 0 ? from != 0 : from < at) return false;
        if (from > bytes) return false;
        at = from;
        uint64_t below = zset__branch_count(page, i);
        if (below == 0 || below > VALUE_COUNT_MAX || zset__branch_page(page, i) > VALUE_COUNT_MAX)
            return false;
        count += below;
    }
    for (uint32_t i = 1; i < n; i++) {
        struct zset_entry key = zset__branch_key(page, i), before = zset__branch_key(page, i - 1);
        if (isnan(key.score) || key.member.n > KEY_BYTES_MAX) return false;
        if (i > 1 && zset__compare(before.score, before.member, key.score, key.member) >= 0)
            return false;
    }
    return zset__branch_key(page, 0).member.n <= KEY_BYTES_MAX && count <= VALUE_COUNT_MAX;
}

void zset__branch_load(slice page, struct zset_branch *b) {
    b->level = page.p[0];
    b->n = zset__branch_n(page);
    b->copy = BUF_INIT;
    buf_append_slice(&b->copy, page);
    page = slice_of(&b->copy);
    for (uint32_t i = 0; i < b->n; i++) {
        b->c[i] = (struct zset_child){zset__branch_count(page, i), zset__branch_page(page, i),
                                      zset__branch_key(page, i)};
    }
}

size_t zset__branch_bytes(const struct zset_branch *b, uint32_t from, uint32_t to) {
    size_t bytes = ZSET_BRANCH_HEAD;
    for (uint32_t i = from; i < to; i++) bytes += ZSET_BRANCH_SLOT + b->c[i].key.member.n;
    return bytes;
}

void zset__branch_build(const struct zset_branch *b, uint32_t from, uint32_t to, buf *out) {
    uint32_t n = to - from, at = 0;
    out->n = 0;
    buf_reserve(out, zset__branch_bytes(b, from, to));
    uint8_t *counts = out->p + ZSET_BRANCH_HEAD, *pages = counts + 8 * (size_t)n, *scores = pages + 8 * (size_t)n;
    uint8_t *offs = scores + 8 * (size_t)n, *heap = offs + 4 * (size_t)n;
    put_u32(out->p, b->level);
    put_u32(out->p + 4, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct zset_child *c = &b->c[from + i];
        /* The first key says nothing. */
        struct zset_entry key = i == 0 ? (struct zset_entry){0} : c->key;
        put_u64(counts + 8 * (size_t)i, c->count);
        put_u64(pages + 8 * (size_t)i, c->page);
        memcpy(scores + 8 * (size_t)i, &key.score, 8);
        put_u32(offs + 4 * (size_t)i, at);
        if (key.member.n > 0) memcpy(heap + at, key.member.p, key.member.n);
        at += (uint32_t)key.member.n;
    }
    out->n = (size_t)(heap + at - out->p);
}
