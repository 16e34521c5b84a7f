/* tree.c -- page tables: persistent tries with copy on write.
 *
 * Hashed: a node at depth b looks at the hash's bits b..b+bits-1 (bits grows from 1 to 8,
 * doubling the slots, as an extendible hash table does); a page of depth d spans 2^(b +
 * bits - d) slots; under a full node's slot that must be split further, a child node
 * begins at depth b + 8.
 *
 *      hash 10110...      node, bits 3      [p0 p0 p0 p0 p4 p5 p6 p6]
 *           ^^^ slot 5                       `- depth 1 -'  |  `-' depth 2
 *                                                        depth 3
 *
 * Dense: a node of height h looks at the index's h-th byte from below; its slots grow
 * from 8 to 256. A trie of one page has no node.
 *
 * A change first walks from the root and makes each part on the way its own (part__own),
 * which also forgets their locations: so what is dirty hangs together from the root. */
#include "keyspace/keyspace_internal.h"

#include "base/hash.h"
#include "base/mem.h"

#define DENSE_BITS_FIRST 3

uint64_t ks__tpage_hash(void *cookie, slice key) {
    const keyspace *ks = cookie;
    return hash_key(ks->secret, key.p, key.n);
}

/* ---- hashed ------------------------------------------------------------------------ */

bool trie__exclusive(const struct trie *t, uint64_t hash) {
    const part *p = t->root;
    while (p != NULL) {
        if (p->refs != 1) return false;
        if (!part_is_node(p)) return true;
        assert(p->child != NULL);
        p = p->child[node_slot(p, hash)];
    }
    return true;
}

/* Points all slots that a page of this depth spans at `to`. */
static void set_span(part *node, uint64_t hash, unsigned depth, part *to) {
    assert(depth > node->depth && depth <= (unsigned)node->depth + node->bits);
    size_t span = (size_t)1 << (node->depth + node->bits - depth);
    size_t first = node_slot(node, hash) & ~(span - 1);
    for (size_t i = 0; i < span; i++) node->child[first + i] = to;
}

/* Makes the path to the page that covers hash its own. *parent: the node above it, or
 * NULL. */
static part *own_path(keyspace *ks, struct trie *t, uint64_t hash, part **parent) {
    *parent = NULL;
    part *p = t->root = part__own(ks, t->root);
    while (part_is_node(p)) {
        part *child = p->child[node_slot(p, hash)];
        part *own = part__own(ks, child);
        if (own != child) {
            unsigned full = (unsigned)p->depth + p->bits;
            set_span(p, hash, part_is_node(own) ? full : own->depth, own);
        }
        *parent = p;
        p = own;
    }
    return p;
}

part *trie__own(keyspace *ks, struct trie *t, uint64_t hash) {
    if (t->root == NULL) {
        t->root = part__new(ks, t->leaf);
        return t->root;
    }
    part *parent;
    return own_path(ks, t, hash, &parent);
}

static part *new_node(keyspace *ks, uint8_t leaf, uint8_t depth, uint8_t bits) {
    part *n = part__new(ks, leaf | PART_NODE);
    n->depth = depth;
    n->bits = bits;
    n->child = mem_calloc((size_t)1 << bits, sizeof(part *));
    return n;
}

/* Doubles a hashed node's slots. */
static void widen_hashed(part *n) {
    size_t slots = (size_t)1 << n->bits;
    part **wide = mem_alloc(2 * slots * sizeof(part *));
    for (size_t i = 0; i < slots; i++) wide[2 * i] = wide[2 * i + 1] = n->child[i];
    mem_free(n->child);
    n->child = wide;
    n->bits++;
}

void trie__split(keyspace *ks, struct trie *t, uint64_t hash, uint8_t *low, size_t low_n,
                 uint8_t *high, size_t high_n, part **low_page, part **high_page) {
    part *node, *page = own_path(ks, t, hash, &node);
    unsigned depth = page->depth;
    assert(depth < 64);
    if (node == NULL) {
        node = new_node(ks, t->leaf, 0, 1);
        t->root = node;
    } else if (depth == (unsigned)node->depth + 8) {
        part *child = new_node(ks, t->leaf, (uint8_t)depth, 1);
        node->child[node_slot(node, hash)] = child;
        node = child;
    } else if (depth == (unsigned)node->depth + node->bits) {
        widen_hashed(node);
    }
    part *l = page, *h = part__new(ks, t->leaf);
    l->depth = h->depth = (uint8_t)(depth + 1);
    l->base = 0; /* It never was this page. */
    h->flags |= l->flags & (PART_ROOTS | PART_USED);
    h->min_expire = l->min_expire;
    uint64_t bit = (uint64_t)1 << (63 - depth);
    set_span(node, hash & ~bit, depth + 1, l);
    set_span(node, hash | bit, depth + 1, h);
    part__set_blob(ks, l, low, low_n);
    part__set_blob(ks, h, high, high_n);
    *low_page = l;
    *high_page = h;
}

/* Copies the entries of `from` into the page in *out; false: they do not fit. */
static bool pour(keyspace *ks, const part *from, buf *out) {
    const uint8_t *p = from->blob;
    for (uint32_t off = tpage_next(p, 0); off != TPAGE_NONE; off = tpage_next(p, off)) {
        slice key = tpage_key(p, off), val = tpage_val(p, off);
        uint32_t at;
        bool added;
        if (tpage_put(out->p, ks__tpage_hash(ks, key), key, val.n, &at, &added) != OK)
            return false;
        if (val.n != 0) memcpy(tpage_val_mut(out->p, at), val.p, val.n);
    }
    return true;
}

/* The last page of a node (owned, all slots name the page) takes its place above. */
static void collapse(keyspace *ks, struct trie *t, part *node, uint64_t hash,
                     part *page) {
    part **at = &t->root;
    while (*at != node) at = &(*at)->child[node_slot(*at, hash)];
    *at = page;
    memset(node->child, 0, ((size_t)1 << node->bits) * sizeof(part *));
    part__put(ks, node);
}

part *trie__merge(keyspace *ks, struct trie *t, uint64_t hash) {
    part *node = NULL, *p = t->root;
    while (part_is_node(p)) {
        node = p;
        p = p->child[node_slot(p, hash)];
    }
    if (node == NULL) return NULL;
    uint64_t bit = (uint64_t)1 << (64 - p->depth);
    part *sib = node->child[node_slot(node, hash ^ bit)];
    if (part_is_node(sib) || sib->depth != p->depth || sib->blob == NULL ||
        sib->pins != 0)
        return NULL;
    if (tpage_used(p->blob) + tpage_used(sib->blob) > TABLE_PAGE_BYTES / 4) return NULL;
    buf out = BUF_INIT;
    tpage_rebuild(p->blob, tpage_used(sib->blob) + TABLE_PAGE_BYTES / 8, ks__tpage_hash,
                  ks, -1, 0, true, &out);
    if (!pour(ks, sib, &out)) { /* The guess of the room was short: another time. */
        buf_free(&out);
        return NULL;
    }
    part *a = own_path(ks, t, hash, &node), *b = own_path(ks, t, hash ^ bit, &node);
    assert(node != NULL); /* Of two pages: there is a node above them. */
    b->flags &= (uint8_t)~PART_ROOTS; /* b's objects are a's now. */
    a->flags |= PART_ROOTS;
    a->base = 0; /* It never was this page. */
    a->depth--;
    if (b->min_expire < a->min_expire) a->min_expire = b->min_expire;
    part__set_blob(ks, a, mem_realloc(out.p, out.n), out.n);
    if (a->depth == node->depth)
        collapse(ks, t, node, hash, a);
    else
        set_span(node, hash, a->depth, a);
    part__put(ks, b);
    return a;
}

/* ---- dense ------------------------------------------------------------------------- */

/* Bits of an index that nodes of heights below `height` look at. */
static unsigned shift_of(unsigned height) {
    return 8 * (height - 1);
}

static bool index_fits(const struct trie *t, uint64_t index) {
    return t->height == HEIGHT_MAX + 1 || index >> (8 * t->height) == 0;
}

int trie__dense_find(const struct trie *t, uint64_t index, part **out) {
    part *p = t->root;
    if (p == NULL || !index_fits(t, index)) return ERR_NOTFOUND;
    while (part_is_node(p)) {
        if (p->child == NULL) {
            *out = p;
            return ERR_COLD;
        }
        size_t slot = index >> shift_of(p->depth) & 255;
        if (slot >> p->bits != 0 || p->child[slot] == NULL) return ERR_NOTFOUND;
        p = p->child[slot];
    }
    *out = p;
    return OK;
}

part **trie__dense_slot(struct trie *t, uint64_t index) {
    part **at = &t->root;
    if (*at == NULL || !index_fits(t, index)) return NULL;
    for (unsigned height = t->height; height > 0; height--) {
        part *p = *at;
        if (p == NULL) return NULL;
        assert(part_is_node(p) && p->child != NULL);
        size_t slot = index >> shift_of(height) & 255;
        if (slot >> p->bits != 0) return NULL;
        at = &p->child[slot];
    }
    return at;
}

part *trie__dense_changing(const struct trie *t, uint64_t index) {
    part *p = t->root;
    if (p == NULL || !index_fits(t, index)) return NULL;
    for (;;) {
        if (p->refs != 1 || part_is_clean(p) || part_is_cold(p)) return NULL;
        if (!part_is_node(p)) return p;
        size_t slot = index >> shift_of(p->depth) & 255;
        if (slot >> p->bits != 0 || p->child[slot] == NULL) return NULL;
        p = p->child[slot];
    }
}

/* The same below p of that height, with indexes from p's first one. Recursion: at most eight levels. */
static bool next_below(const part *p, unsigned height, uint64_t index, uint64_t *out) {
    if (p == NULL) return false;
    if (height == 0) {
        *out = 0;
        return true;
    }
    assert(part_is_node(p) && p->child != NULL);
    unsigned shift = shift_of(height);
    uint64_t rest = index & (((uint64_t)1 << shift) - 1);
    for (uint64_t slot = index >> shift; slot >> p->bits == 0; slot++, rest = 0) {
        if (!next_below(p->child[slot], height - 1, rest, out)) continue;
        *out |= slot << shift;
        return true;
    }
    return false;
}

bool trie__dense_next(const struct trie *t, uint64_t index, uint64_t *out) {
    return index_fits(t, index) && next_below(t->root, t->height, index, out);
}

static void widen_dense(part *n, size_t slot) {
    unsigned bits = n->bits;
    while (slot >> bits != 0) bits++;
    n->child = mem_realloc(n->child, ((size_t)1 << bits) * sizeof(part *));
    for (size_t i = (size_t)1 << n->bits; i < (size_t)1 << bits; i++) n->child[i] = NULL;
    n->bits = (uint8_t)bits;
}

part *trie__dense_own(keyspace *ks, struct trie *t, uint64_t index, bool *made) {
    *made = false;
    assert(index >> (8 * HEIGHT_MAX) == 0);
    while (!index_fits(t, index)) {
        if (t->root != NULL) {
            part *up = new_node(ks, t->leaf, (uint8_t)(t->height + 1), DENSE_BITS_FIRST);
            up->child[0] = t->root;
            t->root = up;
        }
        t->height++;
    }
    part **at = &t->root;
    for (unsigned height = t->height;; height--) {
        if (*at == NULL) {
            *at = height == 0 ? part__new(ks, t->leaf)
                              : new_node(ks, t->leaf, (uint8_t)height, DENSE_BITS_FIRST);
            *made = height == 0;
        } else {
            *at = part__own(ks, *at);
        }
        if (height == 0) return *at;
        size_t slot = index >> shift_of(height) & 255;
        if (slot >> (*at)->bits != 0) widen_dense(*at, slot);
        at = &(*at)->child[slot];
    }
}

bool trie__dense_drop(keyspace *ks, struct trie *t, uint64_t index) {
    part *found;
    int rc = trie__dense_find(t, index, &found);
    assert(rc != ERR_COLD);
    if (rc != OK) return false;
    part **at = &t->root;
    while (part_is_node(*at)) {
        *at = part__own(ks, *at);
        at = &(*at)->child[index >> shift_of((*at)->depth) & 255];
    }
    part__put(ks, *at);
    *at = NULL;
    return true;
}
