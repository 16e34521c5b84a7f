/* along.c -- what comes with the root node of a dense object's page table: so that who finds nothing in memory does
 * not wait a round for each level of the table, and one more for the pages that tell which others are needed.
 *
 *   entry -> root node: its children | copies of the nodes below
 *        `-> its delta: copies of the pages whose kinds the type says come along (struct type)
 *
 * Both slots are read at once. They are runs of records, those above before those below:
 *
 *     u64 index, u8 height, u64 location, u32 n, n bytes
 *
 * A copy is no more than that: each part has a slot of its own, and the copy is taken only where the table names the
 * location that it was made of. What is stale, or not sound, is passed over: the part itself will be read.
 *
 * The slot of pages is written again only when one of them has another location than it says; otherwise a new root goes
 * on with that of the root before, which the last checkpoint keeps alive, as it does the pages below (part.c). */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

#define RECORD_BYTES 21
#define NODES_BYTES_MAX (1u << 20) /* Of copies: 50,000 pages, 3 GB; of more their upper nodes. */
#define PAGES_EACH_MAX 1024        /* of a kind: those after them come by themselves */
#define MEMORY_SHARE 64

static void record(buf *out, uint64_t index, unsigned height, location at, size_t n) {
    buf_u64(out, index);
    buf_u8(out, (uint8_t)height);
    buf_u64(out, at);
    buf_u32(out, (uint32_t)n);
}

/* Which pages, and which versions of them: in 32 bits, for a part has no more room. That two are equal by chance does
 * no harm. */
static uint32_t mix(uint32_t sum, uint64_t index, location at) {
    uint64_t h = (sum ^ index) * 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 29 ^ at) * 0xBF58476D1CE4E5B9u;
    return (uint32_t)(h >> 32);
}

/* ---- out --------------------------------------------------------------------------- */

/* The nodes of one height below p; false: the room is used up. Recursion: at most eight levels. */
static bool write_level(const part *p, unsigned height, uint64_t index, buf *out, size_t end) {
    if (p->child == NULL) return true;
    if (p->depth == height) {
        size_t at = out->n;
        record(out, index, height, part__at(p), 0);
        node__write(p, out);
        put_u32(out->p + at + RECORD_BYTES - 4, (uint32_t)(out->n - at - RECORD_BYTES));
        if (out->n <= end) return true;
        out->n = at;
        return false;
    }
    for (size_t i = 0; i < (size_t)1 << p->bits; i++) {
        uint64_t below = index | (uint64_t)i << (8 * (p->depth - 1u));
        if (p->child[i] != NULL && !write_level(p->child[i], height, below, out, end)) return false;
    }
    return true;
}

void along__write_nodes(const part *root, buf *out) {
    size_t end = out->n + NODES_BYTES_MAX;
    for (unsigned height = root->depth - 1u; height > 0; height--)
        if (!write_level(root, height, 0, out, end)) return;
}

struct pages {
    size_t bytes, n;
    uint32_t sum;
    bool cold;
};

/* All of them; out: NULL, or where they go. */
static void each_page(const object *o, struct pages *a, buf *out) {
    *a = (struct pages){0};
    for (uint64_t i = 0; i < 8 * PAGES_EACH_MAX; i++) {
        part *p;
        if ((o->along >> i % 8 & 1) == 0 || trie__dense_find(&o->trie, i, &p) != OK) continue;
        a->cold |= part_is_cold(p);
        a->n++;
        a->sum = mix(a->sum, i, part__at(p));
        a->bytes += RECORD_BYTES + (size_t)p->bytes;
        if (out == NULL) continue;
        record(out, i, 0, part__at(p), p->bytes);
        buf_append(out, p->blob, p->bytes);
    }
}

bool along__write_pages(const keyspace *ks, const object *o, buf *out, location *at, uint32_t *sum) {
    const part *root = o->trie.root;
    struct pages a;
    *at = 0;
    *sum = 0;
    if (o->along == 0 || o->hashed || !o->nodes_ready) return false;
    each_page(o, &a, NULL);
    size_t most = keyspace_maxmemory(ks) / MEMORY_SHARE;
    if (a.n == 0 || a.bytes > (most < PAGE_BYTES_MAX ? most : PAGE_BYTES_MAX)) return false;
    *sum = a.sum;
    if (a.cold || (root->delta != 0 && root->bytes == a.sum)) {
        *at = root->delta;
        *sum = root->bytes;
        return false;
    }
    buf_reserve(out, a.bytes);
    each_page(o, &a, out);
    return true;
}

/* ---- in ---------------------------------------------------------------------------- */

static part *find(part *p, uint64_t index, unsigned height) {
    while (p != NULL && p->depth > height) {
        size_t slot = p->child == NULL ? 0 : index >> (8 * (p->depth - 1u)) & 255;
        p = p->child == NULL || slot >> p->bits != 0 ? NULL : p->child[slot];
    }
    return p;
}

void along__install(keyspace *ks, part *root, slice records, uint32_t *sum) {
    reader r = reader_make(records);
    *sum = 0;
    while (reader_left(&r) != 0) {
        uint64_t index = read_u64(&r);
        unsigned height = read_u8(&r);
        location at = read_u64(&r);
        uint32_t n = read_u32(&r);
        slice bytes = read_raw(&r, n);
        if (r.bad) return;
        *sum = mix(*sum, index, at);
        part *p = height < root->depth ? find(root, index, height) : NULL;
        if (p == NULL || p->base != at || !part_is_cold(p) || p->load != NULL) continue;
        if (load__read(ks, p, bytes, slice_make(NULL, 0)) != OK) return;
    }
}
