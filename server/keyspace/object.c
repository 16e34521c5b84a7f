/* object.c -- objects: values with pages of their own, and the pager through which types
 * reach them.
 *
 * An entry of kind OBJECT holds a pointer, and behind it the root as it was stored:
 *
 *     0    8       9       10       12    13      16     24    32     40
 *     | ptr | hashed | height | meta n | root | zero | pages | base | delta | meta |
 *
 * root: 0 none, 1 a page, 2 a node, whose delta is what comes along with it (along.c). A pointer of 0 means that nobody has looked yet: the
 * object is made from the stored root when somebody does. Both forms have the same
 * length, so that a page is stored by copying it (page__write_full).
 *
 * Dense objects have all their nodes in memory before a type sees them, so that drop()
 * never meets a cold one: 2 KiB for each 16 MiB of value. */
#include "keyspace/keyspace_internal.h"

#include "base/hash.h"
#include "base/mem.h"

static keyspace *of(pager *p) {
    return (keyspace *)(void *)p;
}

/* ---- life -------------------------------------------------------------------------- */

static object *object_new(bool hashed, size_t meta_n) {
    assert(meta_n <= META_BYTES_MAX);
    object *o = mem_calloc(1, sizeof(*o) + meta_n);
    o->refs = 1;
    o->hashed = hashed;
    o->nodes_ready = true;
    o->look.at_ms = INT64_MAX;
    o->meta_n = (uint16_t)meta_n;
    o->trie.leaf = hashed ? PART_TABLE : PART_CHUNK;
    return o;
}

object *object__clone(object *o) {
    object *c = object_new(o->hashed, o->meta_n);
    memcpy(c->meta, o->meta, o->meta_n);
    c->nodes_ready = o->nodes_ready;
    c->pages = o->pages;
    c->trie = o->trie;
    c->home = o->home;
    c->lasting = o->lasting;
    c->along = o->along;
    c->look = o->look;
    o->look = (struct pager_look){0}; /* What is done about it is done to the clone. */
    c->note = o->note;
    o->note = (struct pager_note){0};
    if (c->trie.root != NULL) part__ref(c->trie.root);
    return c;
}

void object__put(keyspace *ks, object *o) {
    if (o == NULL) return;
    assert(o->refs > 0);
    if (--o->refs > 0) return;
    part__put(ks, o->trie.root);
    if (o->note.p != NULL) o->note.free(o->note.p);
    mem_free(o);
}

static object *pager_make(pager *p, bool hashed, size_t meta_bytes) {
    object *o = object_new(hashed, meta_bytes);
    o->lasting = of(p)->lasting;
    o->along = of(p)->along;
    return o;
}

/* The entry's own reference is the keyspace's to drop, when it sees what apply() left. */
static void pager_free(pager *p, object *o) {
    keyspace *ks = of(p);
    if (o != NULL && o == ks->applying) return;
    object__put(ks, o);
}

static const uint8_t *pager_meta(const object *o) {
    return o->meta;
}
static size_t pager_meta_bytes(const object *o) {
    return o->meta_n;
}
static struct pager_look *pager_look(object *o) {
    return &o->look;
}
static struct pager_note *pager_note(object *o) {
    return &o->note;
}
static uint64_t pager_pages(const object *o) {
    return o->pages;
}

static uint8_t *pager_meta_mut(pager *p, object *o) {
    (void)p;
    assert(o->refs == 1);
    return o->meta;
}

static uint64_t pager_hash(pager *p, slice key) {
    return hash_key(of(p)->secret, key.p, key.n);
}

/* ---- stored roots ------------------------------------------------------------------ */

size_t object__root_bytes(const object *o) {
    return ROOT_BYTES + o->meta_n;
}

void object__root_write(const object *o, uint8_t *out) {
    const part *root = o->trie.root;
    memset(out, 0, ROOT_BYTES);
    out[ROOT_AT_HASHED] = o->hashed;
    out[9] = o->trie.height;
    put_u16(out + 10, o->meta_n);
    out[12] = root == NULL ? ROOT_NONE : part_is_node(root) ? ROOT_NODE : ROOT_PAGE;
    put_u64(out + ROOT_AT_PAGES, o->pages);
    if (root != NULL) {
        put_u64(out + 24, part__at(root));
        put_u64(out + 32, part__delta_at(root));
    }
    memcpy(out + ROOT_BYTES, o->meta, o->meta_n);
}

int object__root_check(slice root) {
    if (root.n < ROOT_BYTES || root.n - ROOT_BYTES != get_u16(root.p + 10))
        return ERR_CORRUPT;
    if (get_u64(root.p) != 0 || root.n - ROOT_BYTES > META_BYTES_MAX) return ERR_CORRUPT;
    unsigned hashed = root.p[ROOT_AT_HASHED], height = root.p[9], kind = root.p[12];
    location base = get_u64(root.p + 24), delta = get_u64(root.p + 32);
    if (hashed > 1 || height > HEIGHT_MAX + 1 || kind > ROOT_NODE) return ERR_CORRUPT;
    if (hashed && height != 0) return ERR_CORRUPT;
    if (!hashed && kind != ROOT_NONE && (kind == ROOT_NODE) != (height != 0))
        return ERR_CORRUPT;
    if ((kind == ROOT_NONE) != (base == 0)) return ERR_CORRUPT;
    if (delta != 0 && kind != (hashed ? ROOT_PAGE : ROOT_NODE)) return ERR_CORRUPT;
    uint64_t pages = get_u64(root.p + ROOT_AT_PAGES);
    if (kind == ROOT_NONE && pages != 0) return ERR_CORRUPT;
    if (kind == ROOT_PAGE && pages != 1) return ERR_CORRUPT;
    return OK;
}

object *object__root_read(keyspace *ks, const uint8_t *root) {
    object *o = object_new(root[ROOT_AT_HASHED] != 0, get_u16(root + 10));
    memcpy(o->meta, root + ROOT_BYTES, o->meta_n);
    o->pages = get_u64(root + ROOT_AT_PAGES);
    o->look.at_ms = 0;
    o->trie.height = root[9];
    if (root[12] == ROOT_NONE) return o;
    uint8_t kind = o->trie.leaf | (root[12] == ROOT_NODE ? PART_NODE : 0);
    o->trie.root =
        part__cold(ks, kind, o->trie.height, get_u64(root + 24), get_u64(root + 32));
    o->nodes_ready = o->hashed || root[12] == ROOT_PAGE;
    return o;
}

int object__make_ready(keyspace *ks, object *o) {
    /* Heights are at most 8, so a stack of the way down is small. */
    struct {
        part *node;
        size_t slot;
    } stack[HEIGHT_MAX + 2];
    size_t depth = 0;
    uint64_t pages = 0;
    bool cold = false;
    stack[depth].node = o->trie.root;
    stack[depth++].slot = 0;
    while (depth > 0) {
        part *n = stack[depth - 1].node;
        if (n->child == NULL) {
            cold = true;
            (void)ks__want(ks, n,
                           o->home); /* Always ERR_COLD; all of them are asked for. */
        }
        /* Below height 1 there are only pages. */
        for (size_t i = 0; n->child != NULL && n->depth <= 1 && i < (size_t)1 << n->bits; i++)
            pages += n->child[i] != NULL;
        size_t slots = n->child == NULL || n->depth <= 1 ? 0 : (size_t)1 << n->bits;
        size_t *at = &stack[depth - 1].slot;
        while (*at < slots && n->child[*at] == NULL) (*at)++;
        if (*at >= slots) {
            depth--;
            continue;
        }
        part *child = n->child[(*at)++];
        assert(depth < HEIGHT_MAX + 2);
        stack[depth].node = child;
        stack[depth++].slot = 0;
    }
    if (cold) return ERR_COLD;
    /* Types end their walks by it. */
    if (pages != o->pages) return ERR_CORRUPT;
    o->nodes_ready = true;
    return OK;
}

static size_t resident_bytes(const part *p) {
    if (p == NULL) return 0;
    if (!part_is_node(p)) return sizeof(*p) + (p->blob == NULL ? 0 : p->bytes);
    size_t sum = sizeof(*p), slots = p->child == NULL ? 0 : (size_t)1 << p->bits;
    sum += slots * sizeof(part *);
    /* Recursion: at most eight levels, by construction and by what node__read() lets in.
     */
    for (size_t i = 0; i < slots; i++)
        if (i == 0 || p->child[i] != p->child[i - 1]) sum += resident_bytes(p->child[i]);
    return sum;
}

size_t object__resident_bytes(const object *o) {
    return sizeof(*o) + o->meta_n + resident_bytes(o->trie.root);
}

/* Fan-outs are multiples of 8, so that the last bits of an index are those of its slot. */
static void resident_kinds(const part *p, size_t slot, size_t bytes[8]) {
    if (p == NULL) return;
    if (!part_is_node(p)) {
        if (p->blob != NULL) bytes[slot % 8] += p->bytes;
        return;
    }
    size_t slots = p->child == NULL ? 0 : (size_t)1 << p->bits;
    for (size_t i = 0; i < slots; i++) resident_kinds(p->child[i], i, bytes);
}

void object__resident_kinds(const object *o, size_t bytes[8]) {
    memset(bytes, 0, 8 * sizeof(*bytes));
    if (!o->hashed) resident_kinds(o->trie.root, 0, bytes);
}

/* ---- pages ------------------------------------------------------------------------- */

static int seen(keyspace *ks, object *o, part *p) {
    if (p->blob == NULL) return ks__want(ks, p, o->home);
    part__seen(ks, p);
    return OK;
}

static void rank(keyspace *ks, const object *o, uint64_t index, part *p) {
    if (o->lasting >> index % 8 & 1) part__last(ks, p);
}

static int dense_seen(keyspace *ks, object *o, uint64_t index, part **p) {
    assert(!o->hashed);
    int rc = object__ready(ks, o);
    if (rc != OK) return rc;
    rc = trie__dense_find(&o->trie, index, p);
    assert(rc != ERR_COLD);
    if (rc != OK) return rc;
    rank(ks, o, index, *p);
    return seen(ks, o, *p);
}

static int pager_get(pager *pg, object *o, uint64_t index, slice *out) {
    part *p;
    int rc = dense_seen(of(pg), o, index, &p);
    if (rc == OK) *out = slice_make(p->blob, p->bytes);
    return rc;
}

/* A page from the store is looked at once. */
static int sound(part *p, bool (*ok)(slice page)) {
    if (!(p->flags & PART_DOUBTED)) return OK;
    if (!ok(slice_make(p->blob, p->bytes))) return ERR_CORRUPT;
    p->flags &= (uint8_t)~PART_DOUBTED;
    return OK;
}

static int pager_get_ok(pager *pg, object *o, uint64_t index, bool (*ok)(slice page),
                        slice *out) {
    part *p;
    int rc = dense_seen(of(pg), o, index, &p);
    if (rc != OK) return rc;
    *out = slice_make(p->blob, p->bytes);
    return sound(p, ok);
}

/* Step by step for all: the slots above them, the parts, what these say. */
static void pager_get_many(pager *pg, object *o, const uint64_t *index, size_t n, bool (*ok)(slice page),
                           struct pager_got *out) {
    keyspace *ks = of(pg);
    part **slot[PAGER_MANY];
    assert(n <= PAGER_MANY && !o->hashed);
    int ready = object__ready(ks, o);
    for (size_t i = 0; i < n; i++) {
        slot[i] = ready == OK ? trie__dense_slot(&o->trie, index[i]) : NULL;
        if (slot[i] != NULL) __builtin_prefetch(slot[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (slot[i] != NULL && *slot[i] != NULL) __builtin_prefetch(*slot[i]);
    for (size_t i = 0; i < n; i++) {
        part *p = slot[i] == NULL ? NULL : *slot[i];
        out[i].rc = ready != OK ? ready : p == NULL ? ERR_NOTFOUND : seen(ks, o, p);
        if (out[i].rc != OK) continue;
        rank(ks, o, index[i], p);
        out[i].page = slice_make(p->blob, p->bytes);
        __builtin_prefetch(p->blob);
        out[i].rc = sound(p, ok);
    }
}

static void pager_near(object *o, const uint64_t *index, size_t n, slice *out) {
    part **slot[PAGER_MANY];
    assert(n <= PAGER_MANY && !o->hashed);
    for (size_t i = 0; i < n; i++) {
        slot[i] = o->nodes_ready ? trie__dense_slot(&o->trie, index[i]) : NULL;
        if (slot[i] != NULL) __builtin_prefetch(slot[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (slot[i] != NULL && *slot[i] != NULL) __builtin_prefetch(*slot[i]);
    for (size_t i = 0; i < n; i++) {
        const part *p = slot[i] == NULL ? NULL : *slot[i];
        out[i] = slice_make(NULL, 0);
        if (p == NULL || p->blob == NULL || (p->flags & PART_DOUBTED)) continue;
        out[i] = slice_make(p->blob, p->bytes);
        __builtin_prefetch(p->blob);
    }
}

static int pager_need(pager *pg, object *o, uint64_t index) {
    part *p;
    int rc = dense_seen(of(pg), o, index, &p);
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int pager_hold(pager *pg, object *o, uint64_t index) {
    keyspace *ks = of(pg);
    part *p;
    int rc = object__ready(ks, o);
    if (rc == OK) rc = trie__dense_find(&o->trie, index, &p);
    return rc == OK ? ks__hold(ks, p, o->home) : rc == ERR_NOTFOUND ? OK : rc;
}

static int pager_mut(pager *pg, object *o, uint64_t index, size_t n, uint8_t **out) {
    keyspace *ks = of(pg);
    assert(o->refs == 1);
    if (index >> (8 * HEIGHT_MAX) != 0) return ERR_CORRUPT; /* A page said so. */
    part *p = o->nodes_ready ? trie__dense_changing(&o->trie, index) : NULL;
    if (p != NULL) {
        part__seen(ks, p);
    } else {
        bool made;
        int rc = dense_seen(ks, o, index, &p);
        if (rc == ERR_COLD) return rc;
        p = trie__dense_own(ks, &o->trie, index, &made);
        if (made) o->pages++;
        rank(ks, o, index, p);
    }
    p->flags |= PART_USED;
    part__resize(ks, p, n);
    *out = p->blob;
    return OK;
}

static int pager_drop(pager *pg, object *o, uint64_t index) {
    assert(o->refs == 1 && !o->hashed && o->nodes_ready);
    if (trie__dense_drop(of(pg), &o->trie, index)) o->pages--;
    return OK;
}

static int pager_next(pager *pg, object *o, uint64_t index, uint64_t *out) {
    assert(!o->hashed);
    int rc = object__ready(of(pg), o);
    if (rc != OK) return rc;
    return trie__dense_next(&o->trie, index, out) ? OK : ERR_NOTFOUND;
}

static int hashed_seen(keyspace *ks, object *o, uint64_t hash, part **p) {
    assert(o->hashed);
    int rc = trie_find(&o->trie, hash, p);
    if (rc == ERR_COLD) return ks__want(ks, *p, o->home);
    return rc == OK ? seen(ks, o, *p) : rc;
}

static int pager_hget(pager *pg, object *o, uint64_t hash, slice *out, unsigned *depth) {
    part *p = NULL;
    int rc = hashed_seen(of(pg), o, hash, &p);
    if (rc == ERR_COLD && !part_is_node(p)) *depth = p->depth;
    if (rc != OK) return rc;
    *out = slice_make(p->blob, p->bytes);
    *depth = p->depth;
    return OK;
}

static int pager_hmut(pager *pg, object *o, uint64_t hash, size_t n, uint8_t **out) {
    keyspace *ks = of(pg);
    assert(o->refs == 1);
    part *p;
    int rc = hashed_seen(ks, o, hash, &p);
    if (rc == ERR_COLD) return rc;
    if (rc == ERR_NOTFOUND) o->pages++;
    p = trie__own(ks, &o->trie, hash);
    p->flags |= PART_USED;
    part__resize(ks, p, n);
    *out = p->blob;
    return OK;
}

static int pager_hsplit(pager *pg, object *o, uint64_t hash, slice low, slice high) {
    keyspace *ks = of(pg);
    assert(o->refs == 1);
    part *p;
    int rc = hashed_seen(ks, o, hash, &p);
    if (rc != OK) return rc;
    if (p->depth >= 64) return ERR_LIMIT;
    uint8_t *l = mem_alloc(low.n), *h = mem_alloc(high.n);
    memcpy(l, low.p, low.n);
    memcpy(h, high.p, high.n);
    part *lp, *hp;
    trie__split(ks, &o->trie, hash, l, low.n, h, high.n, &lp, &hp);
    o->pages++;
    return OK;
}

const struct pager_ops object__pager_ops = {
    .make = pager_make,
    .free = pager_free,
    .meta = pager_meta,
    .meta_mut = pager_meta_mut,
    .meta_bytes = pager_meta_bytes,
    .look = pager_look,
    .note = pager_note,
    .get = pager_get,
    .get_ok = pager_get_ok,
    .get_many = pager_get_many,
    .near = pager_near,
    .need = pager_need,
    .hold = pager_hold,
    .mut = pager_mut,
    .drop = pager_drop,
    .pages = pager_pages,
    .next = pager_next,
    .hget = pager_hget,
    .hmut = pager_hmut,
    .hsplit = pager_hsplit,
    .hash = pager_hash,
};
