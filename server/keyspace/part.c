/* part.c -- the life of pages and nodes: made, shared, cloned, cleaned, detached, freed.
 *
 * Every change of a page's bytes, size or cleanness goes through here, so that the counts
 * of keyspace_stats() and the ring of clean resident pages (which eviction turns) are
 * always exact: account(false) before, account(true) after.
 *
 * Nothing frees a tree at once: a node, or a page that may hold objects, whose last owner
 * went is put on the reap list, and keyspace_reap() takes it apart a part at a time. */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

#define REAP_CLOCK_EVERY 16 /* Parts freed between two looks at the clock. */

/* ---- accounts ---------------------------------------------------------------------- */

static void account(keyspace *ks, part *p, bool add) {
    if (part_is_node(p) || p->blob == NULL) return;
    struct keyspace_stats *s = &ks->stats;
    uint64_t one = add ? 1 : UINT64_MAX, bytes = add ? p->bytes : 0 - (uint64_t)p->bytes;
    s->pages_resident += one;
    s->bytes_pages += bytes;
    if (part_is_clean(p)) {
        bool last = (p->flags & PART_LAST) != 0;
        if (add)
            list_push_back(last ? &ks->clean_last : &ks->clean, &p->ring);
        else
            list_remove(&p->ring);
        if (!last) ks->clean_n += one;
    } else {
        s->pages_dirty += one;
        s->bytes_dirty += bytes;
    }
}

part *part__new(keyspace *ks, uint8_t kind) {
    part *p = mem_calloc(1, sizeof(*p));
    p->refs = 1;
    p->kind = kind;
    if (part_is_node(p)) p->along = 0;
    else p->min_expire = NO_EXPIRY;
    list_init(&p->ring);
    if (!part_is_node(p)) ks->stats.pages_total++;
    return p;
}

part *part__cold(keyspace *ks, uint8_t kind, uint8_t depth, location base,
                 location delta) {
    assert(base != 0);
    part *p = part__new(ks, kind);
    p->depth = depth;
    p->base = base;
    p->delta = delta;
    p->flags = PART_CLEAN;
    return p;
}

void part__set_blob(keyspace *ks, part *p, uint8_t *blob, size_t n) {
    assert(!part_is_node(p));
    assert(n <= UINT32_MAX);
    assert(blob != NULL || part_is_clean(p));
    account(ks, p, false);
    if (blob != p->blob) mem_free(p->blob);
    p->blob = blob;
    p->bytes = (uint32_t)n;
    account(ks, p, true);
}

void part__resize(keyspace *ks, part *p, size_t n) {
    assert(n <= PAGE_BYTES_MAX && p->refs == 1 && !part_is_clean(p));
    size_t had = p->blob == NULL ? 0 : p->bytes;
    if (p->blob == NULL) {
        part__set_blob(ks, p, mem_calloc(1, n == 0 ? 1 : n), n);
        return;
    }
    if (had == n) return;
    if (!mem_same_block(had, n)) p->blob = mem_realloc(p->blob, n == 0 ? 1 : n);
    if (n > had) memset(p->blob + had, 0, n - had);
    p->bytes = (uint32_t)n;
    ks->stats.bytes_pages += (uint64_t)n - had;
    ks->stats.bytes_dirty += (uint64_t)n - had;
}

void part__set_clean(keyspace *ks, part *p, location base, location delta) {
    assert(base != 0);
    account(ks, p, false);
    p->base = base;
    p->delta = delta;
    p->flags |= PART_CLEAN;
    account(ks, p, true);
}

void part__touch(keyspace *ks, part *p) {
    assert(p->refs == 1);
    assert(!(p->flags & (PART_PLACED | PART_PLACED_DELTA)));
    if (!part_is_clean(p)) return;
    assert(p->blob != NULL);
    account(ks, p, false);
    p->flags &= (uint8_t)~PART_CLEAN;
    if (!part_is_node(p)) p->delta = 0;
    if (!part_is_tpage(p)) p->base = 0; /* Only table pages have deltas. */
    account(ks, p, true);
}

void part__last(keyspace *ks, part *p) {
    if (p->flags & PART_LAST) return;
    account(ks, p, false);
    p->flags |= PART_LAST;
    account(ks, p, true);
}

/* ---- sharing ----------------------------------------------------------------------- */

bool part__delta_fits(const part *p) {
    return p->base != 0 && part_is_tpage(p) && tpage_delta_bytes(p->blob) <= p->bytes / 4;
}

static void ref_objects(part *p) {
    for (uint32_t off = tpage_next(p->blob, 0); off != TPAGE_NONE;
         off = tpage_next(p->blob, off)) {
        struct head h;
        head_read(tpage_val(p->blob, off), &h);
        if (h.kind != VALUE_OBJECT) continue;
        object *o = payload_object(h.payload);
        if (o != NULL) o->refs++;
    }
}

void part__drop_objects(keyspace *ks, part *p) {
    if (!(p->flags & PART_ROOTS) || p->blob == NULL) return;
    for (uint32_t off = tpage_next(p->blob, 0); off != TPAGE_NONE;
         off = tpage_next(p->blob, off)) {
        struct head h;
        slice val = tpage_val(p->blob, off);
        head_read(val, &h);
        if (h.kind != VALUE_OBJECT) continue;
        object *o = payload_object(h.payload);
        if (o == NULL) continue;
        if (o->home == p) o->home = NULL;
        uint8_t *at = tpage_val_touch(p->blob, off) + (h.payload.p - val.p);
        memset(at, 0, sizeof(o));
        object__put(ks, o);
    }
}

part *part__clone(keyspace *ks, part *p) {
    assert(p->blob != NULL);
    part *q = part__new(ks, p->kind);
    q->depth = p->depth;
    q->bits = p->bits;
    if (part_is_node(p)) {
        size_t slots = (size_t)1 << p->bits;
        q->child = mem_alloc(slots * sizeof(part *));
        memcpy(q->child, p->child, slots * sizeof(part *));
        for (size_t i = 0; i < slots; i++)
            if (q->child[i] != NULL && (i == 0 || q->child[i] != q->child[i - 1]))
                q->child[i]->refs++;
        if (part_is_clean(p)) { /* Else it is about to be written with others. */
            q->delta = p->delta;
            q->bytes = p->bytes;
        }
        return q;
    }
    /* The clone may go on with its original's base as long as that base stays part of the
     * next checkpoint: not when the original is about to be written as a base of its own.
     */
    if (part_is_tpage(p) && p->base != 0 && (part_is_clean(p) || part__delta_fits(p)))
        q->base = p->base;
    q->min_expire = p->min_expire;
    q->flags = p->flags & (PART_ROOTS | PART_USED | PART_DOUBTED | PART_LAST);
    uint8_t *blob = mem_alloc(p->bytes == 0 ? 1 : p->bytes);
    memcpy(blob, p->blob, p->bytes);
    part__set_blob(ks, q, blob, p->bytes);
    if (q->flags & PART_ROOTS) ref_objects(q);
    return q;
}

part *part__own(keyspace *ks, part *p) {
    if (p->refs == 1) {
        part__touch(ks, p);
        return p;
    }
    part *q = part__clone(ks, p);
    p->refs--;
    return q;
}

location part__at(const part *p) {
    return p->flags & PART_PLACED ? p->placed : p->base;
}

location part__delta_at(const part *p) {
    if (p->flags & PART_PLACED) return part_is_node(p) ? p->along : 0;
    return p->flags & PART_PLACED_DELTA ? p->placed : p->delta;
}

bool part__written(const part *p) {
    return (p->flags & (PART_CLEAN | PART_PLACED | PART_PLACED_DELTA)) != 0;
}

/* ---- the end ----------------------------------------------------------------------- */

void parts__push(struct parts *v, part *p) {
    if (v->n == v->cap) {
        v->cap = v->cap == 0 ? 64 : v->cap * 2;
        v->p = mem_realloc(v->p, v->cap * sizeof(*v->p));
    }
    v->p[v->n++] = p;
}

static void free_page(keyspace *ks, part *p) {
    part__drop_objects(ks, p);
    account(ks, p, false);
    ks->stats.pages_total--;
    mem_free(p->blob);
    mem_free(p);
}

static void dispose(keyspace *ks, part *p) {
    if (p->refs != 0 || p->pins != 0) return;
    assert(p->load == NULL);
    if (part_is_node(p) || ((p->flags & PART_ROOTS) && p->blob != NULL))
        parts__push(&ks->reap, p);
    else
        free_page(ks, p);
}

void part__put(keyspace *ks, part *p) {
    if (p == NULL) return;
    assert(p->refs > 0);
    p->refs--;
    dispose(ks, p);
}

void part__pin(part *p) {
    p->pins++;
}

void part__unpin(keyspace *ks, part *p) {
    assert(p->pins > 0);
    p->pins--;
    dispose(ks, p);
}

bool part__reap_step(keyspace *ks) {
    if (ks->reap.n == 0) return false;
    part *p = ks->reap.p[--ks->reap.n];
    if (!part_is_node(p)) {
        free_page(ks, p);
        return true;
    }
    size_t slots = p->child == NULL ? 0 : (size_t)1 << p->bits;
    for (size_t i = 0; i < slots; i++)
        if (p->child[i] != NULL && (i == 0 || p->child[i] != p->child[i - 1]))
            part__put(ks, p->child[i]);
    mem_free(p->child);
    mem_free(p);
    return true;
}

bool keyspace_reap(keyspace *ks, uint64_t budget_us) {
    ks->now_fresh = false;
    wait__call_ready(ks);
    if (ks->reap.n == 0) return false;
    uint64_t start = clock_mono_us(ks->clock);
    for (size_t i = 1; part__reap_step(ks); i++)
        if (i % REAP_CLOCK_EVERY == 0 && clock_mono_us(ks->clock) - start >= budget_us)
            break;
    return ks->reap.n != 0;
}
