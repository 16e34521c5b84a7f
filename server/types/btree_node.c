/* btree_node.c -- nodes of a B+ tree. */
#include "types/btree_node.h"

#include <assert.h>

#include "base/mem.h"
#include "types/btree.h"

#define NODE_FORMAT 1
/* Header: u8 format, u8 level (0: a leaf), u16 count, u32 heap (where the entries begin),
 * u32 live (bytes of the entries that count), u32 zero. */
#define AT_LEVEL 1
#define AT_COUNT 2
#define AT_HEAP 4
#define AT_LIVE 8

bool bt_node_ok(slice page, unsigned level) {
    if (page.n < BT_HEADER || page.n > PAGE_BYTES) return false;
    if (page.p[0] != NODE_FORMAT || page.p[AT_LEVEL] != level) return false;
    size_t slots_end = BT_HEADER + 2 * (size_t)bt_count(page);
    size_t heap = get_u32(page.p + AT_HEAP), live = get_u32(page.p + AT_LIVE);
    return slots_end <= heap && heap <= page.n && live <= page.n - heap;
}

size_t bt_live(slice page) {
    return BT_HEADER + 2 * (size_t)bt_count(page) + get_u32(page.p + AT_LIVE);
}

bool bt_at(slice page, unsigned i, struct bt_entry *e) {
    assert(i < bt_count(page));
    size_t off = get_u16(page.p + BT_HEADER + 2 * i);
    if (off < get_u32(page.p + AT_HEAP) || off + BT_ENTRY > page.n) return false;
    size_t klen = get_u16(page.p + off), vlen = get_u16(page.p + off + 2);
    if (klen > BTREE_KEY_MAX || vlen > BTREE_VAL_MAX) return false;
    if (klen + vlen > page.n - off - BT_ENTRY) return false;
    e->key = slice_make(page.p + off + BT_ENTRY, klen);
    e->val = slice_make(page.p + off + BT_ENTRY + klen, vlen);
    return true;
}

bool bt_child(slice page, unsigned i, uint64_t *index) {
    struct bt_entry e;
    if (i >= bt_count(page) || !bt_at(page, i, &e) || e.val.n != 8) return false;
    *index = get_u64(e.val.p);
    return true;
}

int bt_search(slice page, slice key, unsigned *pos, bool *exact) {
    unsigned low = 0, high = bt_count(page);
    *exact = false;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        struct bt_entry e;
        if (!bt_at(page, mid, &e)) return ERR_CORRUPT;
        int order = slice_cmp(e.key, key);
        if (order == 0) *exact = true;
        if (order < 0) low = mid + 1;
        else high = mid;
    }
    *pos = low;
    return OK;
}

int bt_route(slice page, slice key, unsigned *pos) {
    unsigned low = 1, high = bt_count(page);
    if (high == 0) return ERR_CORRUPT;
    while (low < high) { /* the first entry but the first of all whose key is above `key` */
        unsigned mid = low + (high - low) / 2;
        struct bt_entry e;
        if (!bt_at(page, mid, &e)) return ERR_CORRUPT;
        if (slice_cmp(e.key, key) <= 0) low = mid + 1;
        else high = mid;
    }
    *pos = low - 1;
    return OK;
}

bool bt_insert(uint8_t *p, size_t n, unsigned pos, slice key, slice val) {
    unsigned count = get_u16(p + AT_COUNT);
    size_t heap = get_u32(p + AT_HEAP), slots_end = BT_HEADER + 2 * (size_t)count;
    size_t bytes = BT_ENTRY + key.n + val.n;
    assert(pos <= count && heap <= n);
    if (heap - slots_end < bytes + 2 || count == UINT16_MAX) return false;
    heap -= bytes;
    put_u16(p + heap, (uint16_t)key.n);
    put_u16(p + heap + 2, (uint16_t)val.n);
    if (key.n != 0) memcpy(p + heap + BT_ENTRY, key.p, key.n);
    if (val.n != 0) memcpy(p + heap + BT_ENTRY + key.n, val.p, val.n);
    uint8_t *slot = p + BT_HEADER + 2 * (size_t)pos;
    memmove(slot + 2, slot, 2 * (size_t)(count - pos));
    put_u16(slot, (uint16_t)heap);
    put_u16(p + AT_COUNT, (uint16_t)(count + 1));
    put_u32(p + AT_HEAP, (uint32_t)heap);
    put_u32(p + AT_LIVE, get_u32(p + AT_LIVE) + (uint32_t)bytes);
    return true;
}

int bt_remove(uint8_t *p, size_t n, unsigned pos) {
    unsigned count = get_u16(p + AT_COUNT);
    struct bt_entry e;
    if (!bt_at(slice_make(p, n), pos, &e)) return ERR_CORRUPT;
    uint32_t bytes = (uint32_t)(BT_ENTRY + e.key.n + e.val.n), live = get_u32(p + AT_LIVE);
    if (live < bytes) return ERR_CORRUPT;
    uint8_t *slot = p + BT_HEADER + 2 * (size_t)pos;
    if (get_u16(slot) == get_u32(p + AT_HEAP))
        put_u32(p + AT_HEAP, get_u32(p + AT_HEAP) + bytes); /* Nothing of it stays behind. */
    memmove(slot, slot + 2, 2 * (size_t)(count - pos - 1));
    put_u16(p + AT_COUNT, (uint16_t)(count - 1));
    put_u32(p + AT_LIVE, live - bytes);
    return OK;
}

/* ---- whole nodes -------------------------------------------------------------------------- */

int bt_list_load(slice page, struct bt_list *l) {
    unsigned count = bt_count(page);
    *l = (struct bt_list){.copy = BUF_INIT};
    buf_append_slice(&l->copy, page);
    l->cap = (size_t)count + 1;
    l->e = mem_alloc(l->cap * sizeof(*l->e));
    for (; l->count < count; l->count++)
        if (!bt_at(slice_of(&l->copy), (unsigned)l->count, &l->e[l->count])) return ERR_CORRUPT;
    return OK;
}

void bt_list_add(struct bt_list *l, size_t pos, slice key, slice val) {
    assert(pos <= l->count);
    if (l->count == l->cap) {
        l->cap = l->cap * 2 + 4;
        l->e = mem_realloc(l->e, l->cap * sizeof(*l->e));
    }
    memmove(l->e + pos + 1, l->e + pos, (l->count - pos) * sizeof(*l->e));
    l->e[pos] = (struct bt_entry){key, val};
    l->count++;
}

void bt_list_free(struct bt_list *l) {
    buf_free(&l->copy);
    mem_free(l->e);
    *l = (struct bt_list){.copy = BUF_INIT};
}

size_t bt_list_bytes(const struct bt_list *l, size_t from, size_t to) {
    size_t bytes = BT_HEADER;
    for (size_t i = from; i < to; i++) bytes += bt_entry_bytes(l->e[i].key.n, l->e[i].val.n);
    return bytes;
}

void bt_build(const struct bt_list *l, size_t from, size_t to, unsigned level, size_t bytes,
              buf *out) {
    assert(bytes <= PAGE_BYTES && bytes >= bt_list_bytes(l, from, to));
    out->n = 0;
    buf_reserve(out, bytes);
    memset(out->p, 0, bytes);
    out->n = bytes;
    out->p[0] = NODE_FORMAT;
    out->p[AT_LEVEL] = (uint8_t)level;
    put_u32(out->p + AT_HEAP, (uint32_t)bytes);
    for (size_t i = from; i < to; i++) {
        bool fits = bt_insert(out->p, bytes, (unsigned)(i - from), l->e[i].key, l->e[i].val);
        assert(fits);
        (void)fits; /* Asserts stay on; a compiler does not know that. */
    }
}
