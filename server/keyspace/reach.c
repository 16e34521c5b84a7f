/* reach.c -- every location that a stored catalogue reaches, without a keyspace: for
 * garbage collection.
 *
 * Reads nodes, and directory pages that their parents say may hold objects (their roots
 * are in there); any other page is only named. What was read once is not read again:
 * snapshots and forks share most of their trees. */
#include "keyspace/keyspace_internal.h"

#include "base/hash.h"
#include "base/mem.h"

struct todo {
    location base, delta;
    uint8_t kind, depth;
    bool roots;
};

struct seen { /* an open-addressed set of locations */
    location *slots;
    size_t n, cap;
};

struct reach {
    uint8_t secret[16];
    struct todo *stack;
    size_t n, cap;
    struct seen seen;
    struct todo now; /* what is being read */
    bool reading;
    buf base; /* of a page whose delta is still to come */
    bool has_base;
};

static void push(reach *r, struct todo t) {
    if (r->n == r->cap) {
        r->cap = r->cap == 0 ? 256 : r->cap * 2;
        r->stack = mem_realloc(r->stack, r->cap * sizeof(*r->stack));
    }
    r->stack[r->n++] = t;
}

/* True when it was there already. */
static bool seen_add(struct seen *s, location l) {
    assert(l != 0);
    if ((s->n + 1) * 2 > s->cap) {
        struct seen wide = {NULL, 0, s->cap == 0 ? 1024 : s->cap * 2};
        wide.slots = mem_calloc(wide.cap, sizeof(*wide.slots));
        for (size_t i = 0; i < s->cap; i++)
            if (s->slots[i] != 0) (void)seen_add(&wide, s->slots[i]); /* All are new. */
        mem_free(s->slots);
        *s = wide;
    }
    size_t i = (l * 0x9E3779B97F4A7C15u >> 20) & (s->cap - 1);
    while (s->slots[i] != 0 && s->slots[i] != l) i = (i + 1) & (s->cap - 1);
    if (s->slots[i] == l) return true;
    s->slots[i] = l;
    s->n++;
    return false;
}

reach *reach_create(void) {
    return mem_calloc(1, sizeof(reach));
}

int reach_add(reach *r, slice catalogue) {
    struct catalogue c;
    size_t had = r->n;
    if (catalogue__open(catalogue, &c) != OK) return ERR_CORRUPT;
    memcpy(r->secret, c.secret, sizeof(r->secret));
    struct catalogue_db d;
    int rc;
    while ((rc = catalogue__next(&c, &d)) == OK) {
        if (d.root == ROOT_NONE) continue;
        uint8_t kind = PART_DIR | (d.root == ROOT_NODE ? PART_NODE : 0);
        push(r, (struct todo){d.base, d.delta, kind, 0, d.holds_objects});
    }
    if (rc == ERR_NOTFOUND) return OK;
    r->n = had;
    return ERR_CORRUPT;
}

static bool must_read(const struct todo *t) {
    return (t->kind & PART_NODE) != 0 || (t->kind == PART_DIR && t->roots);
}

int reach_step(reach *r, size_t max, void (*each)(void *cookie, location l), void *cookie,
               location *want) {
    for (size_t i = 0; i < max || max == 0; i++) {
        if (r->reading) {
            *want = r->has_base ? r->now.delta : r->now.base;
            return ERR_COLD;
        }
        if (r->n == 0) return OK;
        r->now = r->stack[--r->n];
        each(cookie, r->now.base);
        if (r->now.delta != 0) each(cookie, r->now.delta);
        /* A page is what its base and its delta say: the later of the two names it. */
        bool page = (r->now.kind & PART_NODE) == 0; /* Of a node the delta is copies, which several may share. */
        location name = page && r->now.delta != 0 ? r->now.delta : r->now.base;
        if (must_read(&r->now) && !seen_add(&r->seen, name)) r->reading = true;
    }
    return ERR_AGAIN;
}

static int feed_node(reach *r, slice bytes) {
    struct node_head head;
    struct node_child children[256];
    if (node__parse(bytes, &head, children, NULL) != OK) return ERR_CORRUPT;
    if (head.kind != r->now.kind || head.depth != r->now.depth) return ERR_CORRUPT;
    for (size_t i = 0; i < head.count; i++) {
        const struct node_child *c = &children[i];
        push(r, (struct todo){c->base, c->delta, c->kind, c->depth, c->roots});
    }
    return OK;
}

static int push_root(reach *r, slice root) {
    if (object__root_check(root) != OK) return ERR_CORRUPT;
    struct todo t = {get_u64(root.p + 24), get_u64(root.p + 32), 0, root.p[9], false};
    if (root.p[12] == ROOT_NONE) return OK;
    t.kind = root.p[8] ? PART_TABLE : PART_CHUNK;
    if (root.p[12] == ROOT_NODE) t.kind |= PART_NODE;
    push(r, t);
    return OK;
}

static int feed_page(reach *r, const uint8_t *page) {
    for (uint32_t off = tpage_next(page, 0); off != TPAGE_NONE;
         off = tpage_next(page, off)) {
        slice val = tpage_val(page, off);
        if (head__check(val) != OK) return ERR_CORRUPT;
        struct head h;
        head_read(val, &h);
        if (h.kind == VALUE_OBJECT && push_root(r, h.payload) != OK) return ERR_CORRUPT;
    }
    return OK;
}

static uint64_t hash_of(void *cookie, slice key) {
    const reach *r = cookie;
    return hash_key(r->secret, key.p, key.n);
}

int reach_feed(reach *r, slice node) {
    assert(r->reading);
    if (r->now.kind & PART_NODE) {
        r->reading = false;
        return feed_node(r, node);
    }
    if (r->now.delta == 0) {
        r->reading = false;
        return tpage_check(node) == OK ? feed_page(r, node.p) : ERR_CORRUPT;
    }
    if (!r->has_base) {
        r->base.n = 0;
        buf_append_slice(&r->base, node);
        r->has_base = true;
        return OK;
    }
    buf page = BUF_INIT;
    int rc = tpage_merge(slice_of(&r->base), node, hash_of, r, &page);
    if (rc == OK) rc = feed_page(r, page.p);
    buf_free(&page);
    buf_free(&r->base);
    r->reading = r->has_base = false;
    return rc;
}

void reach_free(reach *r) {
    if (r == NULL) return;
    buf_free(&r->base);
    mem_free(r->stack);
    mem_free(r->seen.slots);
    mem_free(r);
}
