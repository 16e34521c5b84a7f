/* check.c -- a walk over every invariant of what is in memory (K1 to K5), and a digest of
 * all data.
 *
 * Owners are counted from the outside in: databases, frozen states, the running walk and
 * the reap list own roots; each part is entered once and owns its children; a directory
 * page owns the objects it points to. At the end every part and object must have as many
 * references as owners. */
#include "keyspace/keyspace_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"

struct owned { /* a part or an object met on the way */
    const void *p;
    uint32_t owners, refs;
};

struct check {
    keyspace *ks;
    struct owned *slots; /* open addressing */
    size_t n, cap;
    struct parts todo;
    uint64_t resident, dirty, bytes;
    char *why;
    int rc;
};

__attribute__((format(printf, 2, 3))) static void fail(struct check *c, const char *fmt,
                                                       ...) {
    if (c->rc != OK) return; /* The first one says it. */
    c->rc = ERR_CORRUPT;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(c->why, 160, fmt, ap);
    va_end(ap);
}

/* Counts one more owner; true: met for the first time. */
static bool own(struct check *c, const void *p, uint32_t refs) {
    if ((c->n + 1) * 2 > c->cap) {
        struct owned *old = c->slots;
        size_t cap = c->cap;
        c->cap = cap == 0 ? 4096 : cap * 2;
        c->slots = mem_calloc(c->cap, sizeof(*c->slots));
        for (size_t i = 0; i < cap; i++) {
            if (old[i].p == NULL) continue;
            size_t at =
                ((uintptr_t)old[i].p >> 4) * 0x9E3779B97F4A7C15u >> 20 & (c->cap - 1);
            while (c->slots[at].p != NULL) at = (at + 1) & (c->cap - 1);
            c->slots[at] = old[i];
        }
        mem_free(old);
    }
    size_t at = ((uintptr_t)p >> 4) * 0x9E3779B97F4A7C15u >> 20 & (c->cap - 1);
    while (c->slots[at].p != NULL && c->slots[at].p != p) at = (at + 1) & (c->cap - 1);
    bool first = c->slots[at].p == NULL;
    c->n += first;
    c->slots[at].p = p;
    c->slots[at].refs = refs;
    c->slots[at].owners++;
    return first;
}

static void own_part(struct check *c, part *p) {
    if (p != NULL && own(c, p, p->refs)) parts__push(&c->todo, p);
}

static void own_held(void *cookie, part *p) {
    own_part(cookie, p);
}

static void own_kept(void *cookie, object *o) {
    if (own(cookie, o, o->refs)) own_part(cookie, o->trie.root);
}

/* ---- parts ------------------------------------------------------------------------- */

static bool tpage_kind(const part *p) {
    return (p->kind & PART_LEAF) != PART_CHUNK;
}

static void check_slot(struct check *c, const part *n, size_t i) {
    const part *child = n->child[i];
    if (child == NULL) {
        if (tpage_kind(n) && n->refs != 0)
            fail(c, "slot %zu of a hashed node is empty", i);
        return;
    }
    if ((child->kind & PART_LEAF) != (n->kind & PART_LEAF))
        fail(c, "a node's child of another kind");
    if (part_is_clean(n) && !part_is_clean(child))
        fail(c, "a clean node has a dirty child");
    if (!tpage_kind(n)) {
        if (child->depth + 1 != n->depth)
            fail(c, "a dense child at height %u", child->depth);
        return;
    }
    unsigned full = (unsigned)n->depth + n->bits;
    if (part_is_node(child)) {
        if (child->depth != full || n->bits != 8)
            fail(c, "a child node at depth %u", child->depth);
        return;
    }
    if (child->depth <= n->depth || child->depth > full) {
        fail(c, "a page of depth %u in a node %u..%u", child->depth, n->depth, full);
        return;
    }
    size_t span = (size_t)1 << (full - child->depth), first = i & ~(span - 1);
    if (n->child[first] != child) fail(c, "a page does not span its slots");
}

static void check_objects(struct check *c, part *p, const struct head *h) {
    object *o = payload_object(h->payload);
    if (!(p->flags & PART_ROOTS)) fail(c, "a page holds an object and does not know it");
    if (o == NULL) return;
    if (part_is_clean(p) && o->trie.root != NULL && !part_is_clean(o->trie.root))
        fail(c, "a clean page has a dirty object");
    if (h->payload.n != object__root_bytes(o))
        fail(c, "an object's root has another size");
    if (own(c, o, o->refs)) own_part(c, o->trie.root);
}

static void check_dir(struct check *c, part *p) {
    for (uint32_t off = tpage_next(p->blob, 0); off != TPAGE_NONE;
         off = tpage_next(p->blob, off)) {
        struct head h;
        slice val = tpage_val(p->blob, off);
        if (val.n < HEAD_BYTES) {
            fail(c, "an entry of %zu bytes", val.n);
            return;
        }
        head_read(val, &h);
        if (h.expire_ms >= 0 && h.expire_ms < p->min_expire)
            fail(c, "a page's min_expire is late");
        if (h.type == 0 || h.type >= TYPES_MAX) fail(c, "an entry of type %u", h.type);
        if (h.kind == VALUE_OBJECT)
            check_objects(c, p, &h);
        else if (head__check(val) != OK)
            fail(c, "an entry's head is damaged");
        /* What may be stored must be what will be let in. */
        if (c->rc == OK && !head__type_ok(c->ks, &h))
            fail(c, "an entry that its type %u does not take", h.type);
    }
}

static void check_part(struct check *c, part *p) {
    if (p->blob == NULL && !part_is_clean(p)) fail(c, "a dirty part is cold");
    if (part_is_clean(p) && p->base == 0) fail(c, "a clean part is nowhere");
    if (p->blob == NULL) return;
    if (part_is_node(p)) {
        size_t slots = (size_t)1 << p->bits;
        for (size_t i = 0; i < slots && c->rc == OK; i++) {
            check_slot(c, p, i);
            if (i == 0 || p->child[i] != p->child[i - 1]) own_part(c, p->child[i]);
        }
        return;
    }
    c->resident++;
    c->bytes += p->bytes;
    c->dirty += !part_is_clean(p);
    if (!part_is_tpage(p)) return;
    if (tpage_check(slice_make(p->blob, p->bytes)) != OK) {
        fail(c, "a page of %u bytes is damaged", p->bytes);
        return;
    }
    if (tpage_check_hashes(p->blob, ks__tpage_hash, c->ks) != OK)
        fail(c, "a page loses keys");
    if (p->kind == PART_DIR) check_dir(c, p);
}

/* ---- databases --------------------------------------------------------------------- */

/* The keys of a database lie where their hashes say, and are as many as it counts. */
static void check_db(struct check *c, db *d) {
    uint64_t keys = 0, expires = 0, from = 0;
    bool cold = false;
    for (bool more = d->dir.root != NULL; more && c->rc == OK;) {
        part *p;
        int rc = trie_find(&d->dir, from, &p);
        uint64_t to = from | (p->depth == 0 ? UINT64_MAX : UINT64_MAX >> p->depth);
        if (rc != OK || p->blob == NULL) cold = true;
        for (uint32_t off = cold ? TPAGE_NONE : tpage_next(p->blob, 0); off != TPAGE_NONE;
             off = tpage_next(p->blob, off)) {
            uint64_t hash = ks__tpage_hash(c->ks, tpage_key(p->blob, off));
            if (hash < from || hash > to) fail(c, "a key lies in a page of other hashes");
            struct head h;
            head_read(tpage_val(p->blob, off), &h);
            keys++;
            expires += h.expire_ms >= 0;
        }
        more = to != UINT64_MAX && !cold;
        from = to + 1;
    }
    if (cold || d->pending != 0 || c->rc != OK) return;
    if (keys != d->keys)
        fail(c, "database %llu has %llu keys and counts %llu", (unsigned long long)d->id,
             (unsigned long long)keys, (unsigned long long)d->keys);
    if (expires != d->expires)
        fail(c, "database %llu has %llu expiries and counts %llu",
             (unsigned long long)d->id, (unsigned long long)expires,
             (unsigned long long)d->expires);
}

static int check_value(void *cookie, const struct entry *e) {
    struct check *c = cookie;
    struct value v = e->value;
    const struct type *t = c->ks->types->by_id[v.type];
    if (t == NULL || t->check == NULL) return OK;
    int rc = v.kind == VALUE_OBJECT ? object__ready(c->ks, v.obj) : OK;
    if (rc == ERR_CORRUPT) snprintf(c->why, 160, "an object's nodes do not hold its pages");
    if (rc == OK) rc = t->check(&v, c->why);
    if (rc == ERR_CORRUPT) c->rc = rc;
    return rc == ERR_CORRUPT ? rc : OK;
}

static void check_values(struct check *c, db *d) {
    if (d->pending != 0) return;
    uint64_t cursor = 0;
    do {
        if (keyspace_scan(c->ks, d, &cursor, 1000, check_value, c) != OK) return;
    } while (cursor != 0);
}

static uint64_t check_ring(struct check *c, list *ring, unsigned last) {
    uint64_t n = 0;
    LIST_FOR(l, ring) {
        const part *p = LIST_ENTRY(l, part, ring);
        n++;
        if (!part_is_clean(p) || p->blob == NULL || (p->flags & PART_LAST) != last)
            fail(c, "a clean ring has another page");
    }
    return n;
}

static void check_all(struct check *c) {
    keyspace *ks = c->ks;
    LIST_FOR(l, &ks->dbs) own_part(c, LIST_ENTRY(l, db, link)->dir.root);
    LIST_FOR(l, &ks->gone) own_part(c, LIST_ENTRY(l, db, link)->dir.root);
    LIST_FOR(l, &ks->frozens) {
        const frozen *f = LIST_ENTRY(l, frozen, link);
        for (size_t i = 0; i < f->count; i++) own_part(c, f->dbs[i].root);
    }
    walk__each_held(ks, own_held, c);
    keep__each(ks, own_kept, c);
    for (size_t i = 0; i < ks->reap.n; i++) /* Nobody owns those. */
        if (own(c, ks->reap.p[i], 1)) parts__push(&c->todo, ks->reap.p[i]);
    while (c->todo.n > 0 && c->rc == OK) check_part(c, c->todo.p[--c->todo.n]);
    for (size_t i = 0; i < c->cap && c->rc == OK; i++)
        if (c->slots[i].owners != c->slots[i].refs)
            fail(c, "%u owners, %u references", c->slots[i].owners, c->slots[i].refs);
    /* Parts that only a wait or a load still knows are not met; else these are equal. */
    if (c->resident > ks->stats.pages_resident || c->dirty > ks->stats.pages_dirty ||
        c->bytes > ks->stats.bytes_pages)
        fail(c, "the counts of pages are too low");
    uint64_t n = check_ring(c, &ks->clean, 0);
    if (n != ks->clean_n) fail(c, "the clean ring's length is not what was counted");
    if (n + check_ring(c, &ks->clean_last, PART_LAST) != ks->stats.pages_resident - ks->stats.pages_dirty)
        fail(c, "a clean page is in no ring");
    LIST_FOR(l, &ks->dbs) check_db(c, LIST_ENTRY(l, db, link));
}

int keyspace_check(keyspace *ks, char why[160]) {
    struct check c = {.ks = ks, .why = why};
    why[0] = 0;
    check_all(&c);
    LIST_FOR(l, &ks->dbs) {
        if (c.rc == OK) check_values(&c, LIST_ENTRY(l, db, link));
    }
    keyspace_want_reset(ks); /* What was cold was not looked at. */
    mem_free(c.slots);
    mem_free(c.todo.p);
    return c.rc;
}

/* ---- digest ------------------------------------------------------------------------ */

static void xor_hash(uint8_t digest[20], const void *p, size_t n) {
    uint8_t h[20];
    hash_sha1(p, n, h);
    for (int i = 0; i < 20; i++) digest[i] ^= h[i];
}

/* Order counts: what was there is hashed together with what comes. */
static void mix(uint8_t digest[20], const void *p, size_t n) {
    uint8_t h[20];
    xor_hash(digest, p, n);
    hash_sha1(digest, 20, h);
    memcpy(digest, h, 20);
}

struct digest {
    keyspace *ks;
    uint8_t *out;
    bool cold;
};

static int digest_entry(void *cookie, const struct entry *e) {
    struct digest *d = cookie;
    uint8_t one[20] = {0};
    struct value v = e->value;
    mix(one, e->key.p, e->key.n);
    const struct type *t = d->ks->types->by_id[v.type];
    assert(t != NULL);
    int rc = v.kind == VALUE_OBJECT ? object__ready(d->ks, v.obj) : OK;
    if (rc == OK) rc = t->digest(&v, one);
    if (rc == ERR_COLD) { /* Ask for what the others need, too. */
        d->cold = true;
        return OK;
    }
    if (rc != OK) return rc;
    if (e->expire_ms >= 0) xor_hash(one, "!!expire!!", 10);
    for (int i = 0; i < 20; i++) d->out[i] ^= one[i];
    return OK;
}

static int digest_db(keyspace *ks, db *d, uint8_t digest[20], bool *cold) {
    if (d->keys == 0) return OK;
    uint8_t number[4] = {0, 0, (uint8_t)(d->number >> 8), (uint8_t)d->number};
    if (d->number >= 0)
        mix(digest, number, sizeof(number));
    else
        mix(digest, d->name, strlen(d->name));
    struct digest x = {ks, digest, false};
    uint64_t cursor = 0;
    do {
        uint64_t hash = cursor, from, to;
        part *p;
        /* Not through keyspace_scan's read-ahead: every cold page is asked for at once.
         */
        int rc = scan__page(ks, d, hash << 16, &p, &from, &to);
        if (rc == ERR_NOTFOUND) return OK;
        if (rc == ERR_COLD) {
            x.cold = true;
            if (d->pending != 0) break;
            cursor = (to >> 16) + 1 == (uint64_t)1 << 48 ? 0 : (to >> 16) + 1;
            continue;
        }
        if (rc == OK)
            rc = scan__whole_page(ks, d, p, from, to, digest_entry, &x, &cursor);
        if (rc != OK) return rc;
    } while (cursor != 0);
    *cold = *cold || x.cold;
    return OK;
}

int keyspace_digest(keyspace *ks, uint8_t digest[20]) {
    memset(digest, 0, 20);
    bool cold = false;
    int rc = OK;
    for (int i = 0; i < DB_NUMBERS_MAX && rc == OK; i++)
        if (ks->numbers[i] != NULL) rc = digest_db(ks, ks->numbers[i], digest, &cold);
    LIST_FOR(l, &ks->dbs) {
        db *d = LIST_ENTRY(l, db, link);
        if (d->number < 0 && rc == OK) rc = digest_db(ks, d, digest, &cold);
    }
    if (rc == OK && cold) return ERR_COLD;
    return rc;
}
