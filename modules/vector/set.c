/* set.c -- the vector set type: root, effects. */
#include "modules/vector/ivf.h"
#include "modules/vector/store.h"

#include <assert.h>

#define M_MAX 4096

/* ---- shape and root ---------------------------------------------------------------- */

void vset_shape_write(uint8_t out[VSET_SHAPE_BYTES], const struct vset_shape *s) {
    memset(out, 0, VSET_SHAPE_BYTES);
    put_u32(out, s->dim);
    put_u32(out + 4, s->input_dim);
    out[8] = (uint8_t)s->quant;
    out[9] = (uint8_t)s->metric;
    put_u32(out + 12, s->m);
    put_u64(out + 16, s->uid);
}

static bool shape_ok(const struct vset_shape *s) {
    return s->dim >= 1 && s->dim <= VECTOR_DIM_MAX && s->input_dim <= VECTOR_DIM_MAX &&
           s->quant <= QUANT_BIN && s->metric <= METRIC_IP && s->m <= M_MAX;
}

static bool shape_read(slice in, struct vset_shape *s) {
    if (in.n != VSET_SHAPE_BYTES) return false;
    *s = (struct vset_shape){.dim = get_u32(in.p), .input_dim = get_u32(in.p + 4),
                             .quant = in.p[8], .metric = in.p[9], .m = get_u32(in.p + 12),
                             .uid = get_u64(in.p + 16)};
    return shape_ok(s);
}

static void meta_read(const uint8_t *m, struct vset *out) {
    out->shape = (struct vset_shape){.dim = get_u32(m + VSET_AT_DIM),
                                     .input_dim = get_u32(m + VSET_AT_INPUT),
                                     .quant = m[VSET_AT_QUANT],
                                     .metric = m[VSET_AT_METRIC],
                                     .m = get_u32(m + VSET_AT_M),
                                     .uid = get_u64(m + VSET_AT_UID)};
    out->count = get_u64(m + VSET_AT_COUNT);
    out->attributes = get_u64(m + VSET_AT_ATTRIBUTES);
    out->last_node = get_u64(m + VSET_AT_NODE);
    out->version = get_u64(m + VSET_AT_VERSION);
    out->slots = get_u32(m + VSET_AT_SLOTS);
}

/* What of the root is counted here; its slots, buckets and roomy pages are the store's. */
static void write_counts(struct value *v, const struct vset *s) {
    uint8_t *m = vset__meta_mut(v);
    put_u64(m + VSET_AT_COUNT, s->count);
    put_u64(m + VSET_AT_ATTRIBUTES, s->attributes);
    put_u64(m + VSET_AT_NODE, s->last_node);
    put_u64(m + VSET_AT_VERSION, s->version);
}

void vset_read(const struct value *v, struct vset *out) {
    assert(v->kind == VALUE_OBJECT && v->pager->ops->meta_bytes(v->obj) == VSET_META_BYTES);
    meta_read(vset__meta(v), out);
}

const uint8_t *vset_index_meta(const struct value *v) { return vset__meta(v) + VSET_AT_INDEX; }
uint8_t *vset_index_meta_mut(struct value *v) { return vset__meta_mut(v) + VSET_AT_INDEX; }

static bool vset_stored_ok(const struct stored_value *s) {
    struct vset set;
    const uint8_t *m = s->bytes.p;
    if (s->kind != VALUE_OBJECT || s->aux != 0 || s->hashed || s->bytes.n != VSET_META_BYTES) return false;
    meta_read(m, &set);
    if (m[VSET_AT_FORMAT] != VSET_FORMAT || m[VSET_AT_ROOMY_N] > VSET_ROOMY_MAX || !shape_ok(&set.shape) ||
        set.count == 0 || set.count > set.slots || set.attributes > set.count ||
        !vset__names_stored_ok(set.count, get_u32(m + VSET_AT_BUCKETS)))
        return false;
    for (uint32_t i = 0; i < m[VSET_AT_ROOMY_N]; i++)
        if (get_u32(m + VSET_AT_ROOMY + 4 * (size_t)i) >= vset_pages(&set) - 1) return false;
    return ivf_meta_ok(m + VSET_AT_INDEX, &set.shape);
}

int vset_make(struct value *v, const struct vset_shape *s) {
    object *o = v->pager->ops->make(v->pager, false, VSET_META_BYTES);
    if (o == NULL) return ERR_NOMEM;
    v->kind = VALUE_OBJECT;
    v->obj = o;
    uint8_t *m = vset__meta_mut(v);
    put_u32(m + VSET_AT_DIM, s->dim);
    put_u32(m + VSET_AT_INPUT, s->input_dim);
    m[VSET_AT_QUANT] = (uint8_t)s->quant;
    m[VSET_AT_METRIC] = (uint8_t)s->metric;
    m[VSET_AT_FORMAT] = VSET_FORMAT;
    put_u32(m + VSET_AT_M, s->m);
    put_u64(m + VSET_AT_UID, s->uid);
    put_u32(m + VSET_AT_BUCKETS, 1);
    return OK;
}

static void drop(struct value *v) {
    v->pager->ops->free(v->pager, v->obj);
    v->kind = VALUE_NONE;
    v->obj = NULL;
}

bool vset_fits(size_t name, size_t attribute) { return name <= KEY_BYTES_MAX && attribute <= PAGE_BYTES_MAX; }

/* ---- effects ----------------------------------------------------------------------- */

/* The vector as given becomes the vector as stored, in *store. */
static void encode(const struct vset_shape *s, slice f32, buf *store, struct point *out) {
    uint32_t n = (uint32_t)(f32.n / 4);
    float *x = mem_alloc(((size_t)n + s->dim) * sizeof(float));
    memcpy(x, f32.p, f32.n);
    float *y = x;
    if (s->input_dim != 0) {
        y = x + n;
        quant_project(x, n, y, s->dim);
    }
    buf_reserve(store, quant_bytes(s->quant, s->dim));
    quant_encode(s->quant, y, s->dim, store->p, out);
    mem_free(x);
}

static bool same_shape(const struct vset_shape *a, const struct vset_shape *b) {
    return a->dim == b->dim && a->input_dim == b->input_dim && a->quant == b->quant &&
           a->metric == b->metric && a->m == b->m;
}

/* What the root counts after an element has gained or lost an attribute; false: it counts wrong. */
static bool count_attribute(struct vset *s, bool has, bool had) {
    if (had && s->attributes == 0) return false;
    s->attributes = s->attributes - had + has;
    return s->attributes <= s->count;
}

/* An element that is to be put in: what it replaces, and where it goes. */
struct change {
    struct vset set;
    uint32_t tag;
    bool found, had;
    uint32_t was; /* its slot, when it was there */
    struct vset_room room;
    struct element to;      /* all but its slot, which is the room's */
    const slice *attribute; /* NULL: none */
    buf kept;               /* what that borrows, when it stays */
    struct ivf_plan plan;   /* where the index puts it */
};

/* Asks for all that the change will meet, and looks at it: after this nothing fails. `attribute`: one is given. */
static int change_need(const struct value *v, struct change *c, slice name, bool attribute) {
    struct element old;
    int rc = vset_find(v, &c->set.shape, name, &c->was, &old), room;
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    c->tag = vset__tag(v, name);
    c->found = rc == OK;
    c->had = c->found && old.has_attribute;
    if (c->found) {
        room = vset__room_beside(v, &c->set.shape, c->was, &c->room);
        rc = vset_place_need(v, c->was);
        if (c->had) vset__note(vset__attribute_look(v, c->was, true), &rc);
    } else {
        room = vset__room(v, &c->set, name.n, &c->room);
        rc = vset__names_need_add(v, c->tag, c->set.count);
    }
    if (room == OK && (attribute || c->had)) vset__note(vset__attribute_look(v, c->room.slot, false), &rc);
    vset__note(room, &rc);
    return rc;
}

/* The pages are in memory, and what c borrows lies in none of them. */
static int change_make(struct value *v, struct change *c) {
    const struct vset_shape *s = &c->set.shape;
    struct element *e = &c->to;
    int rc = OK;
    e->slot = c->room.slot;
    e->has_attribute = c->attribute != NULL;
    e->attribute_apart = c->attribute != NULL && vset__apart(c->attribute->n);
    if (c->found) {
        rc = ivf_remove(v, c->was);
        if (rc == OK && c->had) rc = vset__attribute_cut(v, c->was);
        if (rc == OK) rc = vset_place_set(v, c->was, 0);
        if (rc == OK) rc = vset__clear(v, s, c->was);
    }
    if (rc == OK) rc = vset__fill(v, s, &c->room, e);
    if (rc == OK && c->found) rc = vset__names_move(v, c->tag, c->was, e->slot);
    else if (rc == OK) rc = vset__names_add(v, c->tag, e->slot);
    if (rc == OK) rc = vset__names_grow(v, c->set.count);
    if (rc == OK && c->attribute != NULL) rc = vset__attribute_put(v, e->slot, *c->attribute);
    if (rc == OK) rc = ivf_put(v, &c->plan, e->slot);
    if (rc == OK) write_counts(v, &c->set);
    return rc;
}

int vset_put(struct value *v, slice name, uint64_t node, const struct point *point, const slice *attribute) {
    struct change c = {.to = {.name = name, .node = node, .point = *point}, .attribute = attribute,
                       .plan = IVF_PLAN_INIT};
    vset_read(v, &c.set);
    assert(!ivf_wants(v)); /* A set that is being restored. */
    int rc = change_need(v, &c, name, attribute != NULL);
    if (rc == OK && c.found) rc = ERR_EXISTS;
    if (rc != OK) return rc;
    if (node > c.set.last_node) c.set.last_node = node;
    c.set.version++;
    c.set.count++;
    c.set.attributes += attribute != NULL;
    return change_make(v, &c);
}

/* Which attribute the element has after VECTOR_ADD. An empty one removes what an element has; a new element keeps
 * even an empty one. */
static int choose_attribute(const struct value *v, struct change *c, const slice *given, slice *kept) {
    c->attribute = given;
    if (given != NULL && given->n == 0 && c->found) c->attribute = NULL;
    if (given != NULL || !c->had) return OK;
    int rc = vset_attribute(v, c->was, kept);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    buf_append_slice(&c->kept, *kept); /* It stays, and moves. */
    *kept = slice_of(&c->kept);
    c->attribute = kept;
    return OK;
}

/* The same for the index: where the vector goes, and where the old one is. */
static int index_need(const struct value *v, struct change *c) {
    if (!ivf_wants(v)) return OK;
    int rc = ivf_plan(v, &c->set.shape, &c->to.point, 1, &c->plan);
    vset__note(vset_place_need(v, c->room.slot), &rc);
    if (c->found) vset__note(ivf_need_remove(v, c->was), &rc);
    return rc;
}

static int add_to(struct value *v, slice name, slice f32, const slice *given) {
    struct change c = {.to.name = name, .plan = IVF_PLAN_INIT};
    slice kept;
    buf bytes = BUF_INIT;
    vset_read(v, &c.set);
    int rc = change_need(v, &c, name, given != NULL);
    if (rc == OK) rc = choose_attribute(v, &c, given, &kept);
    c.set.count += !c.found;
    if (rc == OK && !count_attribute(&c.set, c.attribute != NULL, c.had)) rc = ERR_CORRUPT;
    if (rc == OK) {
        c.set.version++;
        c.to.node = ++c.set.last_node;
        encode(&c.set.shape, f32, &bytes, &c.to.point);
        rc = index_need(v, &c);
    }
    if (rc == OK) rc = change_make(v, &c);
    buf_free(&c.plan.code);
    buf_free(&c.kept);
    buf_free(&bytes);
    return rc;
}

static int apply_add(struct value *v, const effect *e) {
    struct vset_shape shape;
    struct vset set;
    if (e->argc < 3 || e->argc > 4 || !shape_read(e->args[2], &shape)) return ERR_CORRUPT;
    slice name = e->args[0], f32 = e->args[1];
    const slice *attribute = e->argc == 4 ? &e->args[3] : NULL;
    uint32_t n = shape.input_dim != 0 ? shape.input_dim : shape.dim;
    if (f32.n != (size_t)n * 4 || !vset_fits(name.n, attribute == NULL ? 0 : attribute->n)) return ERR_CORRUPT;
    if (v->kind == VALUE_OBJECT) {
        vset_read(v, &set);
        return same_shape(&set.shape, &shape) ? add_to(v, name, f32, attribute) : ERR_CORRUPT;
    }
    if (v->kind != VALUE_NONE) return ERR_CORRUPT;
    int rc = vset_make(v, &shape);
    if (rc == OK) rc = add_to(v, name, f32, attribute);
    if (rc != OK && v->kind == VALUE_OBJECT) drop(v);
    return rc;
}

static int apply_rem(struct value *v, const effect *e) {
    struct vset set;
    struct element was;
    if (e->argc != 1 || v->kind != VALUE_OBJECT) return ERR_CORRUPT;
    vset_read(v, &set);
    const struct vset_shape *s = &set.shape;
    slice name = e->args[0];
    int rc = vset_find(v, s, name, NULL, &was);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    if (set.count == 1) {
        drop(v);
        return OK;
    }
    uint32_t slot = was.slot;
    bool had = was.has_attribute;
    rc = vset__names_need_remove(v, set.count);
    if (had) vset__note(vset__attribute_look(v, slot, true), &rc);
    vset__note(vset_place_need(v, slot), &rc);
    vset__note(ivf_need_remove(v, slot), &rc);
    set.count--;
    if (rc == OK && !count_attribute(&set, false, had)) rc = ERR_CORRUPT;
    if (rc != OK) return rc;
    rc = ivf_remove(v, slot);
    if (rc == OK) rc = vset__names_remove(v, vset__tag(v, name), slot);
    if (rc == OK) rc = vset__names_shrink(v, set.count);
    if (rc == OK && had) rc = vset__attribute_cut(v, slot);
    if (rc == OK) rc = vset_place_set(v, slot, 0);
    if (rc == OK) rc = vset__clear(v, s, slot);
    if (rc != OK) return rc;
    vset__roomy(v, s, slot);
    set.version++;
    write_counts(v, &set);
    return OK;
}

static int apply_attr(struct value *v, const effect *e) {
    struct vset set;
    struct element el;
    if (e->argc != 2 || v->kind != VALUE_OBJECT || !vset_fits(0, e->args[1].n)) return ERR_CORRUPT;
    vset_read(v, &set);
    int rc = vset_find(v, &set.shape, e->args[0], NULL, &el);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    bool had = el.has_attribute, was_apart = el.attribute_apart;
    el.has_attribute = e->args[1].n > 0;
    el.attribute_apart = vset__apart(e->args[1].n);
    if (el.has_attribute || had) rc = vset__attribute_look(v, el.slot, had);
    if (rc == OK && !count_attribute(&set, el.has_attribute, had)) rc = ERR_CORRUPT;
    if (rc == OK && had) rc = vset__attribute_cut(v, el.slot);
    if (rc == OK && el.has_attribute) rc = vset__attribute_put(v, el.slot, e->args[1]);
    if (rc == OK && (el.has_attribute != had || el.attribute_apart != was_apart)) rc = vset__flag(v, &set.shape, &el);
    if (rc != OK) return rc;
    set.version++;
    write_counts(v, &set);
    return OK;
}

static int vset_apply(struct value *v, const effect *e) {
    switch (e->op) {
    case VECTOR_ADD: return apply_add(v, e);
    case VECTOR_REM: return apply_rem(v, e);
    case VECTOR_ATTR: return apply_attr(v, e);
    default: return v->kind == VALUE_OBJECT ? ivf_apply(v, e) : ERR_CORRUPT; /* The byte may be damaged. */
    }
}

/* ---- the rest of a type ------------------------------------------------------------ */

static const char *vset_encoding(struct value *v) {
    (void)v;
    return "raw";
}

static uint64_t vset_length(struct value *v) {
    struct vset set;
    vset_read(v, &set);
    return set.count;
}

struct digest {
    const struct vset_shape *shape;
    uint8_t *sum;
};

static int digest_one(void *cookie, const struct element *e, const slice *attribute) {
    struct digest *d = cookie;
    uint8_t one[20] = {0};
    digest_mix(one, e->name.p, e->name.n);
    digest_mix(one, e->point.bytes, quant_bytes(d->shape->quant, d->shape->dim));
    digest_mix(one, &e->point.norm, 4);
    digest_mix(one, &e->point.range, 4);
    if (attribute != NULL) digest_mix(one, attribute->p, attribute->n);
    for (int i = 0; i < 20; i++) d->sum[i] ^= one[i];
    return OK;
}

static int vset_digest(struct value *v, uint8_t digest[20]) {
    struct vset set;
    uint8_t shape[VSET_SHAPE_BYTES], sum[20] = {0};
    vset_read(v, &set);
    struct digest d = {.shape = &set.shape, .sum = sum};
    int rc = vset_each(v, digest_one, &d);
    if (rc != OK) return rc;
    digest_start(digest, DIGEST_MODULE);
    set.shape.uid = 0; /* Chance, not content. */
    vset_shape_write(shape, &set.shape);
    digest_mix(digest, shape, sizeof(shape));
    for (int i = 0; i < 20; i++) digest[i] ^= sum[i];
    return OK;
}

/* What the index does changes no element. */
static bool vset_silent(uint8_t op) { return op >= VECTOR_INDEX; }

const struct type vset_type = {
    .id = TYPE_VECTORSET,
    .name = "vectorset",
    .stored_ok = vset_stored_ok,
    .apply = vset_apply,
    .dump = vset_dump,
    .restore = vset_restore,
    .rdb_types = vset_rdb_types,
    .encoding = vset_encoding,
    .length = vset_length,
    .digest = vset_digest,
    .check = vset_check,
    .silent = vset_silent,
    .lasting = (1u << VSET_NAMES) | (1u << VSET_PLACES) | (1u << VSET_CLUSTERS) | (1u << VSET_TAILS) |
               (1u << VSET_ROUTES) | (1u << VSET_SPARE),
    .along = 1u << VSET_ROUTES,
};
