/* toy_pager.c -- see toy_pager.h. */
#include "toy_pager.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

static struct toy *toy_of(pager *p) { return (struct toy *)(void *)p; }

static object *toy_make(pager *p, bool hashed, size_t meta_bytes) {
    struct toy *t = toy_of(p);
    assert(meta_bytes <= META_BYTES_MAX);
    object *o = mem_calloc(1, sizeof(*o));
    o->toy = t;
    o->hashed = hashed;
    o->look.at_ms = INT64_MAX;
    o->meta = mem_calloc(1, meta_bytes + 1);
    o->meta_bytes = meta_bytes;
    o->next = t->objects;
    t->objects = o;
    t->changes++;
    return o;
}

static void toy_free(pager *p, object *o) {
    struct toy *t = toy_of(p);
    object **at = &t->objects;
    while (*at != o) at = &(*at)->next;
    *at = o->next;
    for (size_t i = 0; i < o->count; i++) mem_free(o->pages[i].p);
    mem_free(o->pages);
    if (o->note.p != NULL) o->note.free(o->note.p);
    mem_free(o->meta);
    mem_free(o);
    t->changes++;
}

static const uint8_t *toy_meta(const object *o) { return o->meta; }
static uint8_t *toy_meta_mut(pager *p, object *o) {
    toy_of(p)->changes++;
    return o->meta;
}
static size_t toy_meta_bytes(const object *o) { return o->meta_bytes; }
static struct pager_look *toy_look(object *o) { return &o->look; }
static struct pager_note *toy_note(object *o) { return &o->note; }
static uint64_t toy_pages(const object *o) { return o->count; }

static uint64_t span(const struct toy_page *g) {
    return g->depth == 0 ? UINT64_MAX : UINT64_MAX >> g->depth;
}

static struct toy_page *find(object *o, uint64_t at) {
    for (size_t i = 0; i < o->count; i++) {
        struct toy_page *g = &o->pages[i];
        if (o->hashed ? at >= g->index && at - g->index <= span(g) : g->index == at) return g;
    }
    return NULL;
}

static int warm_page(struct toy *t, struct toy_page *g) {
    if (!g->cold) return OK;
    if (!g->wanted) t->wanted++;
    g->wanted = true;
    return ERR_COLD;
}

static int toy_get(pager *p, object *o, uint64_t index, slice *out) {
    struct toy_page *g = find(o, index);
    if (g == NULL) return ERR_NOTFOUND;
    int rc = warm_page(toy_of(p), g);
    if (rc == OK) *out = slice_make(g->p, g->n);
    g->got = true;
    return rc;
}

/* Every page is doubted every time. */
static int toy_get_ok(pager *p, object *o, uint64_t index, bool (*ok)(slice page), slice *out) {
    int rc = toy_get(p, o, index, out);
    return rc == OK && !ok(*out) ? ERR_CORRUPT : rc;
}

static void toy_get_many(pager *p, object *o, const uint64_t *index, size_t n, bool (*ok)(slice page),
                         struct pager_got *out) {
    for (size_t i = 0; i < n; i++) out[i].rc = toy_get_ok(p, o, index[i], ok, &out[i].page);
}

static void toy_near(object *o, const uint64_t *index, size_t n, slice *out) {
    for (size_t i = 0; i < n; i++) {
        struct toy_page *g = find(o, index[i]);
        if (g != NULL) g->near = true;
        out[i] = g == NULL || g->cold ? slice_make(NULL, 0) : slice_make(g->p, g->n);
    }
}

static int toy_need(pager *p, object *o, uint64_t index) {
    struct toy_page *g = find(o, index);
    return g == NULL ? OK : warm_page(toy_of(p), g);
}

static int toy_hold(pager *p, object *o, uint64_t index) {
    struct toy *t = toy_of(p);
    struct toy_page *g = find(o, index);
    if (g == NULL) return OK;
    if (!g->held && t->hold_most != 0 && t->held >= t->hold_most) return ERR_LIMIT;
    t->held += !g->held;
    g->held = true;
    return warm_page(t, g);
}

static struct toy_page *add(object *o, uint64_t index, unsigned depth) {
    if (o->count == o->cap) {
        o->cap = o->cap * 2 + 4;
        o->pages = mem_realloc(o->pages, o->cap * sizeof(*o->pages));
    }
    struct toy_page *g = &o->pages[o->count++];
    *g = (struct toy_page){.index = index, .depth = depth};
    return g;
}

static int resize(struct toy *t, struct toy_page *g, size_t n, uint8_t **out) {
    int rc = warm_page(t, g);
    if (rc != OK) return rc;
    assert(n <= PAGE_BYTES_MAX);
    if (t->stay && g->p != NULL && g->n == n) {
        t->changes++;
        *out = g->p;
        return OK;
    }
    uint8_t *fresh = mem_calloc(1, n + (n == 0));
    if (g->p != NULL) memcpy(fresh, g->p, g->n < n ? g->n : n);
    mem_free(g->p);
    g->p = fresh;
    g->n = n;
    t->changes++;
    *out = fresh;
    return OK;
}

static int toy_mut(pager *p, object *o, uint64_t index, size_t n, uint8_t **out) {
    assert(!o->hashed);
    struct toy_page *g = find(o, index);
    return resize(toy_of(p), g != NULL ? g : add(o, index, 0), n, out);
}

static int toy_drop(pager *p, object *o, uint64_t index) {
    struct toy_page *g = find(o, index);
    if (g == NULL) return OK;
    mem_free(g->p);
    *g = o->pages[--o->count];
    toy_of(p)->changes++;
    return OK;
}

static int toy_next(pager *p, object *o, uint64_t index, uint64_t *out) {
    int rc = ERR_NOTFOUND;
    (void)p;
    assert(!o->hashed);
    for (size_t i = 0; i < o->count; i++) {
        uint64_t at = o->pages[i].index;
        if (at < index || (rc == OK && at >= *out)) continue;
        *out = at;
        rc = OK;
    }
    return rc;
}

static int toy_hget(pager *p, object *o, uint64_t hash, slice *out, unsigned *depth) {
    assert(o->hashed);
    struct toy_page *g = find(o, hash);
    if (g == NULL) return ERR_NOTFOUND;
    *depth = g->depth;
    int rc = warm_page(toy_of(p), g);
    if (rc == OK) *out = slice_make(g->p, g->n);
    return rc;
}

static int toy_hmut(pager *p, object *o, uint64_t hash, size_t n, uint8_t **out) {
    assert(o->hashed);
    struct toy_page *g = find(o, hash);
    return resize(toy_of(p), g != NULL ? g : add(o, 0, 0), n, out);
}

static int toy_hsplit(pager *p, object *o, uint64_t hash, slice low, slice high) {
    struct toy *t = toy_of(p);
    struct toy_page *g = find(o, hash);
    uint8_t *to;
    assert(g != NULL && !g->cold && g->depth < 64);
    unsigned depth = ++g->depth;
    uint64_t second = g->index | (uint64_t)1 << (64 - depth);
    resize(t, g, low.n, &to);
    memcpy(to, low.p, low.n);
    g = add(o, second, depth);
    resize(t, g, high.n, &to);
    memcpy(to, high.p, high.n);
    return OK;
}

static uint64_t toy_hash(pager *p, slice key) {
    (void)p;
    return hash_xx(key.p, key.n, 99);
}

static const struct pager_ops toy_ops = {
    .make = toy_make, .free = toy_free, .meta = toy_meta, .meta_mut = toy_meta_mut,
    .meta_bytes = toy_meta_bytes, .look = toy_look, .note = toy_note, .get = toy_get,
    .get_ok = toy_get_ok, .get_many = toy_get_many, .near = toy_near, .need = toy_need, .hold = toy_hold, .mut = toy_mut,
    .drop = toy_drop, .pages = toy_pages, .next = toy_next, .hget = toy_hget, .hmut = toy_hmut,
    .hsplit = toy_hsplit, .hash = toy_hash,
};

void toy_init(struct toy *t, uint64_t seed, unsigned cold_percent) {
    memset(t, 0, sizeof(*t));
    t->base.ops = &toy_ops;
    t->cold_percent = cold_percent;
    rnd_seed(&t->r, seed);
    t->config = (struct type_config){
        .hash_max_listpack_entries = 128, .hash_max_listpack_value = 64,
        .list_max_listpack_size = -2, .set_max_intset_entries = 512,
        .set_max_listpack_entries = 128, .set_max_listpack_value = 64,
        .zset_max_listpack_entries = 128, .zset_max_listpack_value = 64,
        .hll_sparse_max_bytes = 3000, .stream_node_max_bytes = 4096,
        .stream_node_max_entries = 100, .proto_max_bulk_len = 512 << 20,
    };
}

void toy_deinit(struct toy *t) {
    assert(t->objects == NULL);
    buf_free(&t->scratch);
}

void toy_chill(struct toy *t) {
    for (object *o = t->objects; o != NULL; o = o->next)
        for (size_t i = 0; i < o->count; i++)
            if (rnd_below(&t->r, 100) < t->cold_percent) o->pages[i].cold = true;
}

size_t toy_fetch(struct toy *t) {
    size_t fetched = 0;
    for (object *o = t->objects; o != NULL; o = o->next) {
        for (size_t i = 0; i < o->count; i++) {
            struct toy_page *g = &o->pages[i];
            g->held = false;
            if (!g->wanted) continue;
            g->wanted = g->cold = false;
            fetched++;
        }
    }
    t->wanted = t->held = 0;
    return fetched;
}

size_t toy_fetch_only(struct toy *t) {
    for (object *o = t->objects; o != NULL; o = o->next)
        for (size_t i = 0; i < o->count; i++)
            if (!o->pages[i].held) o->pages[i].cold = true;
    return toy_fetch(t);
}

void toy_warm(struct toy *t) {
    for (object *o = t->objects; o != NULL; o = o->next)
        for (size_t i = 0; i < o->count; i++) o->pages[i].cold = o->pages[i].wanted = false;
    t->wanted = 0;
}

struct value toy_value(struct toy *t, uint8_t type) {
    return (struct value){.type = type, .pager = &t->base, .scratch = &t->scratch,
                          .config = &t->config};
}

int toy_apply(struct toy *t, const struct type *type, struct value *v, buf *store, uint8_t op,
              const slice *args, size_t argc) {
    effect e = {.target = EFFECT_VALUE, .type = type->id, .op = op, .key = SLICE("k"),
                .args = args, .argc = argc};
    toy_chill(t);
    for (int round = 0;; round++) {
        assert(round < 100);
        t->scratch.n = 0;
        uint64_t changes = t->changes;
        struct value before = *v;
        int rc = type->apply(v, &e);
        if (rc == ERR_COLD) {
            assert(t->changes == changes && memcmp(&before, v, sizeof(before)) == 0);
            size_t fetched = toy_fetch(t);
            assert(fetched > 0);
            continue;
        }
        if (rc == OK && v->kind == VALUE_RAW && v->raw.p != store->p) {
            buf fresh = BUF_INIT;
            buf_append_slice(&fresh, v->raw);
            buf_reserve(&fresh, 1);
            buf_free(store);
            *store = fresh;
            v->raw = slice_of(store);
        }
        return rc;
    }
}
