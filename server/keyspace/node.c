/* node.c -- nodes as stored.
 *
 *     u32 magic, u8 version, u8 kind, u8 depth, u8 bits, u16 children,
 *     child: u8 slot, u8 kind, u8 depth, u8 flags, u64 base, u64 delta
 *     version 2, the root of a dense object's table: copies of nodes below (along.c)
 *
 * The children stand in the order of their slots; in a hashed node they cover all slots,
 * each as many as its depth says. A node says its own kind and depth, and whoever follows
 * a location knows which they must be: so a ring of locations cannot be followed for
 * ever. */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

#define NODE_MAGIC 0x444E5643u /* "CVND" */
#define NODE_VERSION 1
#define NODE_VERSION_ALONG 2
#define NODE_HEAD 10
#define NODE_CHILD 20
#define CHILD_ROOTS 1u

static void write_node(const part *n, uint8_t version, buf *out) {
    assert(part_is_node(n) && n->child != NULL);
    size_t slots = (size_t)1 << n->bits, count = 0;
    for (size_t i = 0; i < slots; i++)
        count += n->child[i] != NULL && (i == 0 || n->child[i] != n->child[i - 1]);
    buf_reserve(out, NODE_HEAD + count * NODE_CHILD);
    buf_u32(out, NODE_MAGIC);
    buf_u8(out, version);
    buf_u8(out, n->kind);
    buf_u8(out, n->depth);
    buf_u8(out, n->bits);
    buf_u16(out, (uint16_t)count);
    for (size_t i = 0; i < slots; i++) {
        const part *c = n->child[i];
        if (c == NULL || (i > 0 && c == n->child[i - 1])) continue;
        assert(part__written(c));
        buf_u8(out, (uint8_t)i);
        buf_u8(out, c->kind);
        buf_u8(out, c->depth);
        buf_u8(out, c->flags & PART_ROOTS ? CHILD_ROOTS : 0);
        buf_u64(out, part__at(c));
        /* What comes along with a node is its own only while it is the root. */
        buf_u64(out, part_is_node(c) ? 0 : part__delta_at(c));
    }
}

void node__write(const part *n, buf *out) { write_node(n, NODE_VERSION, out); }

void node__write_root(const part *n, buf *out) {
    if (n->depth == 1) {
        node__write(n, out);
        return;
    }
    write_node(n, NODE_VERSION_ALONG, out);
    along__write_nodes(n, out);
}

static bool hashed_kind(unsigned kind) {
    return (kind & PART_LEAF) != PART_CHUNK;
}

static int check_head(const struct node_head *h) {
    unsigned leaf = h->kind & PART_LEAF;
    if ((h->kind & ~PART_LEAF) != PART_NODE || leaf < PART_DIR || leaf > PART_CHUNK)
        return ERR_CORRUPT;
    if (h->bits < 1 || h->bits > 8 || h->count > (size_t)1 << h->bits) return ERR_CORRUPT;
    if (hashed_kind(h->kind))
        return h->depth % 8 == 0 && h->depth <= 56 ? OK : ERR_CORRUPT;
    return h->depth >= 1 && h->depth <= HEIGHT_MAX + 1 ? OK : ERR_CORRUPT;
}

/* at: the first slot that is not covered yet; moves on. */
static int check_child(const struct node_head *h, const struct node_child *c,
                       size_t *at) {
    bool node = (c->kind & PART_NODE) != 0;
    if ((c->kind & ~PART_NODE) != (h->kind & PART_LEAF) || c->base == 0)
        return ERR_CORRUPT;
    if (c->delta != 0 && (node || c->kind == PART_CHUNK)) return ERR_CORRUPT;
    if (c->roots && (c->kind & PART_LEAF) != PART_DIR) return ERR_CORRUPT;
    if (!hashed_kind(h->kind)) {
        if (c->index < *at || c->index >> h->bits != 0) return ERR_CORRUPT;
        if (node != (h->depth > 1) || c->depth != h->depth - 1) return ERR_CORRUPT;
        *at = (size_t)c->index + 1;
        return OK;
    }
    if (c->index != *at) return ERR_CORRUPT;
    unsigned full = (unsigned)h->depth + h->bits;
    if (node) {
        if (h->bits != 8 || c->depth != full) return ERR_CORRUPT;
        *at += 1;
        return OK;
    }
    if (c->depth <= h->depth || c->depth > full) return ERR_CORRUPT;
    size_t span = (size_t)1 << (full - c->depth);
    if (*at % span != 0) return ERR_CORRUPT;
    *at += span;
    return OK;
}

int node__parse(slice bytes, struct node_head *head, struct node_child children[256], slice *along) {
    reader r = reader_make(bytes);
    if (read_u32(&r) != NODE_MAGIC) return ERR_CORRUPT;
    unsigned version = read_u8(&r);
    if (version != NODE_VERSION && version != NODE_VERSION_ALONG) return ERR_CORRUPT;
    head->kind = read_u8(&r);
    head->depth = read_u8(&r);
    head->bits = read_u8(&r);
    head->count = read_u16(&r);
    if (r.bad || check_head(head) != OK) return ERR_CORRUPT;
    size_t need = head->count * NODE_CHILD, left = reader_left(&r);
    if (left < need || (left > need && (version == NODE_VERSION || hashed_kind(head->kind)))) return ERR_CORRUPT;
    size_t at = 0;
    for (size_t i = 0; i < head->count; i++) {
        struct node_child *c = &children[i];
        c->index = read_u8(&r);
        c->kind = read_u8(&r);
        c->depth = read_u8(&r);
        c->roots = (read_u8(&r) & CHILD_ROOTS) != 0;
        c->base = read_u64(&r);
        c->delta = read_u64(&r);
        if (check_child(head, c, &at) != OK) return ERR_CORRUPT;
    }
    if (r.bad || (hashed_kind(head->kind) && at != (size_t)1 << head->bits))
        return ERR_CORRUPT;
    if (along != NULL) *along = read_raw(&r, left - need);
    return OK;
}

int node__read(keyspace *ks, part *n, slice bytes) {
    struct node_head head;
    struct node_child children[256];
    slice along;
    int rc = node__parse(bytes, &head, children, &along);
    if (rc != OK || head.kind != n->kind || head.depth != n->depth) return ERR_CORRUPT;
    size_t slots = (size_t)1 << head.bits;
    n->bits = head.bits;
    n->child = mem_calloc(slots, sizeof(part *));
    for (size_t i = 0; i < head.count; i++) {
        const struct node_child *c = &children[i];
        part *p = part__cold(ks, c->kind, c->depth, c->base, c->delta);
        if (c->roots) p->flags |= PART_ROOTS;
        size_t span = 1;
        if (hashed_kind(head.kind) && !part_is_node(p))
            span = (size_t)1 << ((unsigned)head.depth + head.bits - c->depth);
        for (size_t k = 0; k < span; k++) n->child[c->index + k] = p;
    }
    uint32_t sum;
    along__install(ks, n, along, &sum);
    return OK;
}
