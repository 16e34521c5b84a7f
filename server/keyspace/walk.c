/* walk.c -- frozen states, and the walk that writes what is dirty under one.
 *
 * To freeze is to take a reference to every database's root: from then on nothing below
 * is changed in place, and the state stays as it was, whoever goes on writing.
 *
 * The walk goes down only where something is dirty (a dirty part's parents are dirty up
 * to the root), writes children before parents, and gives each part that it wrote its new
 * location aside, in `placed`. Packs may be confirmed in any order; parts become clean in
 * the order in which they were written, up to the first whose pack is not confirmed: so
 * that what a clean node names is always there (K2). */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

struct frame {
    part *p;
    size_t at; /* next slot of a node; last entry looked at of a directory page */
    const object *o; /* whose page table p is the root of, or NULL */
    bool asked;      /* what comes along with it is known */
    location along;
    uint32_t along_sum;
};

/* Nodes of a directory, a page, nodes of an object, a page. */
#define WALK_DEPTH_MAX 24
#define SETTLE_CLOCK_EVERY 16 /* Parts made clean between two looks at the clock. */

struct frozen_walk {
    keyspace *ks;
    frozen *f;
    size_t next_db;
    struct frame stack[WALK_DEPTH_MAX];
    size_t depth;
    part *emitted; /* waits for frozen_walk_placed() */
    struct frame *along; /* whose pages that come along wait for it instead */
    bool emitted_delta, ended;
    struct parts placed;
    size_t confirmed; /* of placed, from the front */
    uint32_t *packs;  /* confirmed ones */
    size_t packs_n, packs_cap;
};

/* ---- frozen states ----------------------------------------------------------------- */

static void freeze_db(struct frozen_db *to, const db *d) {
    to->id = d->id;
    to->keys = d->keys;
    to->expires = d->expires;
    to->number = d->number;
    memcpy(to->name, d->name, sizeof(to->name));
    to->root = d->dir.root;
    if (to->root != NULL) part__ref(to->root);
}

frozen *keyspace_freeze(keyspace *ks) {
    assert(keyspace_pending(ks) == 0);
    frozen *f = mem_calloc(1, sizeof(*f) + ks->dbs_count * sizeof(f->dbs[0]));
    f->refs = 1;
    f->next_db_id = ks->next_db_id;
    LIST_FOR(l, &ks->dbs) {
        assert(f->count < ks->dbs_count);
        freeze_db(&f->dbs[f->count++], LIST_ENTRY(l, db, link));
    }
    list_push_back(&ks->frozens, &f->link);
    return f;
}

frozen *frozen_ref(frozen *f) {
    f->refs++;
    return f;
}

void frozen_put(keyspace *ks, frozen *f) {
    if (f == NULL) return;
    assert(f->refs > 0);
    if (--f->refs > 0) return;
    for (size_t i = 0; i < f->count; i++) part__put(ks, f->dbs[i].root);
    list_remove(&f->link);
    mem_free(f);
}

uint64_t frozen_keys(const frozen *f) {
    uint64_t sum = 0;
    for (size_t i = 0; i < f->count; i++) sum += f->dbs[i].keys;
    return sum;
}

void frozen_each_db(frozen *f,
                    void (*each)(void *cookie, uint64_t id, int number, const char *name,
                                 uint64_t keys),
                    void *cookie) {
    for (size_t i = 0; i < f->count; i++)
        each(cookie, f->dbs[i].id, f->dbs[i].number, f->dbs[i].name, f->dbs[i].keys);
}

/* ---- the walk ---------------------------------------------------------------------- */

frozen_walk *frozen_walk_start(keyspace *ks, frozen *f) {
    assert(ks->walk == NULL);
    frozen_walk *w = mem_calloc(1, sizeof(*w));
    w->ks = ks;
    w->f = frozen_ref(f);
    ks->walk = w;
    return w;
}

static void push(frozen_walk *w, part *p, const object *o) {
    assert(w->depth < WALK_DEPTH_MAX);
    w->stack[w->depth++] = (struct frame){.p = p, .o = o};
}

/* The next child of the frame that must be written, or NULL: all are. *of: the object whose root it is, or NULL. */
static part *next_dirty(struct frame *f, const object **of) {
    part *p = f->p;
    *of = NULL;
    if (part_is_node(p)) {
        assert(p->child != NULL);
        for (size_t slots = (size_t)1 << p->bits; f->at < slots;) {
            part *c = p->child[f->at++];
            if (c != NULL && !part__written(c)) return c;
        }
        return NULL;
    }
    if (!(p->flags & PART_ROOTS)) return NULL;
    for (;;) {
        uint32_t off = tpage_next(p->blob, (uint32_t)f->at);
        if (off == TPAGE_NONE) return NULL;
        f->at = off;
        struct head h;
        head_read(tpage_val(p->blob, off), &h);
        if (h.kind != VALUE_OBJECT) continue;
        const object *o = payload_object(h.payload);
        if (o == NULL || o->trie.root == NULL || part__written(o->trie.root)) continue;
        *of = o;
        return o->trie.root;
    }
}

/* Has the frame's object pages that go before its root? */
static bool emit_along(frozen_walk *w, struct frame *f, buf *out) {
    if (f->asked || f->o == NULL || !part_is_node(f->p)) return false;
    f->asked = true;
    if (!along__write_pages(w->ks, f->o, out, &f->along, &f->along_sum)) return false;
    w->along = f;
    return true;
}

static void emit(frozen_walk *w, const struct frame *f, buf *out) {
    part *p = w->emitted = f->p;
    w->emitted_delta = false;
    if (part_is_node(p)) {
        p->along = f->along;
        p->bytes = f->along_sum;
        if (f->o != NULL && !f->o->hashed) node__write_root(p, out);
        else node__write(p, out);
    } else if (part__delta_fits(p)) {
        w->emitted_delta = true;
        page__write_delta(w->ks, p, out);
    } else {
        page__write_full(w->ks, p, out);
    }
}

int frozen_walk_next(frozen_walk *w, buf *out) {
    assert(w->emitted == NULL && w->along == NULL);
    for (;;) {
        if (w->depth == 0) {
            if (w->next_db == w->f->count) {
                w->ended = true;
                return ERR_NOTFOUND;
            }
            part *root = w->f->dbs[w->next_db++].root;
            if (root != NULL && !part__written(root)) push(w, root, NULL);
            continue;
        }
        struct frame *top = &w->stack[w->depth - 1];
        const object *o;
        part *child = next_dirty(top, &o);
        if (child != NULL) {
            push(w, child, o);
            continue;
        }
        if (emit_along(w, top, out)) return OK;
        emit(w, top, out);
        w->depth--;
        return OK;
    }
}

void frozen_walk_placed(frozen_walk *w, location l) {
    part *p = w->emitted;
    assert((p != NULL) != (w->along != NULL) && l != 0);
    if (w->along != NULL) {
        w->along->along = l;
        w->along = NULL;
        return;
    }
    w->emitted = NULL;
    p->placed = l;
    p->flags |= w->emitted_delta ? PART_PLACED_DELTA : PART_PLACED;
    parts__push(&w->placed, part__ref(p));
}

static bool pack_confirmed(const frozen_walk *w, uint32_t pack) {
    for (size_t i = w->packs_n; i > 0; i--) /* The newest is the likely one. */
        if (w->packs[i - 1] == pack) return true;
    return false;
}

/* The part's placed bytes are in the store for good. */
static void make_clean(keyspace *ks, part *p) {
    if (p->flags & PART_PLACED) {
        p->flags &= (uint8_t)~PART_PLACED;
        if (part_is_tpage(p)) tpage_set_base(p->blob);
        part__set_clean(ks, p, p->placed, part_is_node(p) ? p->along : 0);
    } else {
        assert(p->flags & PART_PLACED_DELTA);
        p->flags &= (uint8_t)~PART_PLACED_DELTA;
        part__set_clean(ks, p, p->base, p->placed);
    }
    p->placed = 0;
    part__put(ks, p);
}

/* What it names is in the store? */
static bool part_confirmed(const frozen_walk *w, const part *p) {
    if (!pack_confirmed(w, location_pack(p->placed))) return false;
    return !part_is_node(p) || p->along == 0 || p->along == p->delta || pack_confirmed(w, location_pack(p->along));
}

void frozen_walk_confirmed(frozen_walk *w, uint32_t pack) {
    if (w->packs_n == w->packs_cap) {
        w->packs_cap = w->packs_cap == 0 ? 16 : w->packs_cap * 2;
        w->packs = mem_realloc(w->packs, w->packs_cap * sizeof(*w->packs));
    }
    w->packs[w->packs_n++] = pack;
}

bool frozen_walk_settle(frozen_walk *w, uint64_t budget_us) {
    keyspace *ks = w->ks;
    uint64_t start = clock_mono_us(ks->clock);
    for (size_t i = 1; w->confirmed < w->placed.n; i++) {
        part *p = w->placed.p[w->confirmed];
        if (!part_confirmed(w, p)) return false;
        w->confirmed++;
        make_clean(ks, p);
        if (i % SETTLE_CLOCK_EVERY != 0) continue;
        ks->checkpoint_progress_us = clock_mono_us(ks->clock);
        if (ks->checkpoint_progress_us - start >= budget_us) return true;
    }
    return false;
}

void frozen_walk_free(frozen_walk *w) {
    if (w == NULL) return;
    keyspace *ks = w->ks;
    assert(ks->walk == w);
    (void)frozen_walk_settle(w, UINT64_MAX); /* What is confirmed is clean: it needs no second writing. */
    for (size_t i = w->confirmed; i < w->placed.n; i++) {
        part *p = w->placed.p[i];
        if (part_is_node(p) && p->along != p->delta) p->delta = 0; /* Which has other pages than it knows of. */
        p->flags &= (uint8_t) ~(PART_PLACED | PART_PLACED_DELTA);
        p->placed = 0;
        part__put(ks, p);
    }
    ks->walk = NULL;
    frozen_put(ks, w->f);
    mem_free(w->placed.p);
    mem_free(w->packs);
    mem_free(w);
}

frozen *walk__frozen(const frozen_walk *w) {
    assert(w->ended);
    return w->f;
}

const uint8_t *walk__secret(const frozen_walk *w) {
    return w->ks->secret;
}

void walk__each_held(const keyspace *ks, void (*each)(void *cookie, part *p),
                     void *cookie) {
    const frozen_walk *w = ks->walk;
    if (w == NULL) return;
    for (size_t i = w->confirmed; i < w->placed.n; i++) each(cookie, w->placed.p[i]);
}
