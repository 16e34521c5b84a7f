/* set.c -- the vector set type: root, records, effects, checks.
 *
 * The root (meta), little endian:
 *
 *    0     4         8   9      10    12   16      24           32          40    48 56
 *    | dim | input n | q | metr | 0   | M  | count | attributes | last node | uid |
 * version | */
#include "modules/vector/set.h"

#include <assert.h>
#include <stdio.h>

#define META_BYTES 56
enum { AT_DIM = 0, AT_INPUT = 4, AT_QUANT = 8, AT_METRIC = 9, AT_M = 12, AT_COUNT = 16,
       AT_ATTRIBUTES = 24, AT_NODE = 32, AT_UID = 40, AT_VERSION = 48 };

#define RECORD_BYTES 20 /* before the vector */
#define RECORD_ATTRIBUTE 1u
#define RECORD_ZERO 2u

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
    out->shape = (struct vset_shape){.dim = get_u32(m + AT_DIM),
                                     .input_dim = get_u32(m + AT_INPUT),
                                     .quant = m[AT_QUANT],
                                     .metric = m[AT_METRIC],
                                     .m = get_u32(m + AT_M),
                                     .uid = get_u64(m + AT_UID)};
    out->count = get_u64(m + AT_COUNT);
    out->attributes = get_u64(m + AT_ATTRIBUTES);
    out->last_node = get_u64(m + AT_NODE);
    out->version = get_u64(m + AT_VERSION);
}

static void meta_write(uint8_t *m, const struct vset *s) {
    put_u32(m + AT_DIM, s->shape.dim);
    put_u32(m + AT_INPUT, s->shape.input_dim);
    m[AT_QUANT] = (uint8_t)s->shape.quant;
    m[AT_METRIC] = (uint8_t)s->shape.metric;
    put_u32(m + AT_M, s->shape.m);
    put_u64(m + AT_COUNT, s->count);
    put_u64(m + AT_ATTRIBUTES, s->attributes);
    put_u64(m + AT_NODE, s->last_node);
    put_u64(m + AT_UID, s->shape.uid);
    put_u64(m + AT_VERSION, s->version);
}

void vset_read(const struct value *v, struct vset *out) {
    assert(v->kind == VALUE_OBJECT && v->pager->ops->meta_bytes(v->obj) == META_BYTES);
    meta_read(v->pager->ops->meta(v->obj), out);
}

static bool vset_stored_ok(const struct stored_value *s) {
    struct vset set;
    if (s->kind != VALUE_OBJECT || s->aux != 0 || !s->hashed || s->bytes.n != META_BYTES)
        return false;
    meta_read(s->bytes.p, &set);
    return shape_ok(&set.shape) && set.count > 0 && set.count <= VALUE_COUNT_MAX &&
           set.attributes <= set.count;
}

object *vset_make(pager *p, const struct vset_shape *s) {
    object *o = p->ops->make(p, true, META_BYTES);
    struct vset set = {.shape = *s};
    if (o != NULL) meta_write(p->ops->meta_mut(p, o), &set);
    return o;
}

/* ---- records ----------------------------------------------------------------------- */

bool vset_fits(const struct vset_shape *s, size_t name, size_t attribute) {
    size_t fixed = RECORD_BYTES + quant_bytes(s->quant, s->dim);
    return name <= KEY_BYTES_MAX && attribute <= TABLE_ENTRY_MAX - fixed - name;
}

static float get_f32(const uint8_t *p) {
    float v;
    memcpy(&v, p, 4);
    return v;
}

bool element_read(const struct vset_shape *s, slice record, struct element *out) {
    size_t bytes = quant_bytes(s->quant, s->dim);
    if (record.n < RECORD_BYTES + bytes) return false;
    uint32_t flags = get_u32(record.p + 16);
    size_t rest = record.n - RECORD_BYTES - bytes;
    if (rest != 0 && (flags & RECORD_ATTRIBUTE) == 0) return false;
    *out =
        (struct element){.node = get_u64(record.p),
                         .point = {.bytes = record.p + RECORD_BYTES,
                                   .norm = get_f32(record.p + 8),
                                   .range = get_f32(record.p + 12),
                                   .zero = (flags & RECORD_ZERO) != 0},
                         .has_attribute = (flags & RECORD_ATTRIBUTE) != 0,
                         .attribute = slice_make(record.p + RECORD_BYTES + bytes, rest)};
    return true;
}

int vset_find(const struct value *v, const struct vset_shape *s, slice name,
              struct element *out) {
    slice record;
    if (name.n > KEY_BYTES_MAX) return ERR_NOTFOUND;
    int rc = table_get(v->pager, v->obj, name, &record);
    if (rc != OK) return rc;
    return element_read(s, record, out) ? OK : ERR_CORRUPT;
}

/* Writes an element; what the point and the attribute point to must not lie in the
 * table. */
static int write_record(pager *p, object *o, const struct vset_shape *s, slice name,
                        uint64_t node, const struct point *point, const slice *attribute,
                        bool *added) {
    uint8_t *to;
    size_t bytes = quant_bytes(s->quant, s->dim);
    size_t rest = attribute == NULL ? 0 : attribute->n, n = RECORD_BYTES + bytes + rest;
    slice was;
    bool removed = false;
    int rc = table_get(p, o, name, &was);
    /* No page has room for two of the largest entries. */
    if (rc == OK && n > PAGE_BYTES && n > was.n) rc = table_del(p, o, name, &removed);
    if (rc == ERR_NOTFOUND) rc = OK;
    if (rc == OK) rc = table_put_space(p, o, name, n, &to, added);
    if (rc != OK) return rc;
    if (removed) *added = false;
    put_u64(to, node);
    memcpy(to + 8, &point->norm, 4);
    memcpy(to + 12, &point->range, 4);
    put_u32(to + 16,
            (attribute != NULL ? RECORD_ATTRIBUTE : 0) | (point->zero ? RECORD_ZERO : 0));
    memcpy(to + RECORD_BYTES, point->bytes, bytes);
    if (rest != 0) memcpy(to + RECORD_BYTES + bytes, attribute->p, rest);
    return OK;
}

int vset_put(pager *p, object *o, slice name, uint64_t node, const struct point *point,
             const slice *attribute) {
    struct vset s;
    bool added;
    meta_read(p->ops->meta(o), &s);
    int rc = write_record(p, o, &s.shape, name, node, point, attribute, &added);
    if (rc != OK) return rc;
    if (node > s.last_node) s.last_node = node;
    s.version++;
    if (added) s.count++;
    if (attribute != NULL && added) s.attributes++;
    meta_write(p->ops->meta_mut(p, o), &s);
    return added ? OK : ERR_EXISTS;
}

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

static int apply_add(struct value *v, const effect *e) {
    struct vset_shape shape;
    struct vset set;
    if (e->argc < 3 || e->argc > 4 || !shape_read(e->args[2], &shape)) return ERR_CORRUPT;
    slice name = e->args[0], f32 = e->args[1];
    const slice *attribute = e->argc == 4 ? &e->args[3] : NULL;
    uint32_t n = shape.input_dim != 0 ? shape.input_dim : shape.dim;
    if (f32.n != (size_t)n * 4 || name.n > KEY_BYTES_MAX) return ERR_CORRUPT;
    pager *p = v->pager;
    buf old = BUF_INIT, bytes = BUF_INIT;
    bool found = false, had = false;
    slice kept;
    if (v->kind == VALUE_OBJECT) {
        vset_read(v, &set);
        if (!same_shape(&set.shape, &shape)) return ERR_CORRUPT;
        struct element was;
        int rc = vset_find(v, &set.shape, name, &was);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        found = rc == OK;
        had = found && was.has_attribute;
        if (had && attribute == NULL) { /* It stays, but its record will move. */
            buf_append_slice(&old, was.attribute);
            kept = slice_of(&old);
            attribute = &kept;
        }
    } else if (v->kind != VALUE_NONE) {
        return ERR_CORRUPT;
    }
    /* Empty removes what an element has; a new element keeps even an empty one. */
    if (found && e->argc == 4 && attribute->n == 0) attribute = NULL;
    if (!vset_fits(&shape, name.n, attribute == NULL ? 0 : attribute->n)) {
        buf_free(&old);
        return ERR_CORRUPT;
    }
    object *o = v->kind == VALUE_OBJECT ? v->obj : vset_make(p, &shape);
    if (o == NULL) return ERR_NOMEM;
    meta_read(p->ops->meta(o), &set);
    set.last_node++;
    set.version++;
    set.count += !found;
    struct point point;
    bool added;
    int rc = ERR_CORRUPT;
    if (count_attribute(&set, attribute != NULL, had)) {
        encode(&shape, f32, &bytes, &point);
        rc = write_record(p, o, &shape, name, set.last_node, &point, attribute, &added);
    }
    buf_free(&old);
    buf_free(&bytes);
    if (rc != OK) { /* Or a page that is larger than a table's gets came from the store. */
        if (v->kind == VALUE_NONE) p->ops->free(p, o);
        return rc;
    }
    assert(added != found);
    meta_write(p->ops->meta_mut(p, o), &set);
    v->kind = VALUE_OBJECT;
    v->obj = o;
    return OK;
}

static int apply_rem(struct value *v, const effect *e) {
    struct vset set;
    struct element was;
    bool removed;
    if (e->argc != 1 || v->kind == VALUE_NONE) return ERR_CORRUPT;
    vset_read(v, &set);
    int rc = vset_find(v, &set.shape, e->args[0], &was);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    bool had = was.has_attribute;
    if (set.count <= 1) {
        v->pager->ops->free(v->pager, v->obj);
        v->kind = VALUE_NONE;
        v->obj = NULL;
        return OK;
    }
    set.count--;
    if (!count_attribute(&set, false, had)) return ERR_CORRUPT;
    rc = table_del(v->pager, v->obj, e->args[0], &removed);
    if (rc != OK) return rc;
    assert(removed);
    set.version++;
    meta_write(v->pager->ops->meta_mut(v->pager, v->obj), &set);
    return OK;
}

static int apply_attr(struct value *v, const effect *e) {
    struct vset set;
    struct element was;
    bool added;
    if (e->argc != 2 || v->kind == VALUE_NONE) return ERR_CORRUPT;
    vset_read(v, &set);
    slice name = e->args[0], attribute = e->args[1];
    if (!vset_fits(&set.shape, name.n, attribute.n)) return ERR_CORRUPT;
    int rc = vset_find(v, &set.shape, name, &was);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    bool has = attribute.n > 0, had = was.has_attribute;
    if (!count_attribute(&set, has, had)) return ERR_CORRUPT;
    buf bytes = BUF_INIT; /* The vector lies in the page that changes. */
    buf_append(&bytes, was.point.bytes, quant_bytes(set.shape.quant, set.shape.dim));
    was.point.bytes = bytes.p;
    rc = write_record(v->pager, v->obj, &set.shape, name, was.node, &was.point,
                      has ? &attribute : NULL, &added);
    buf_free(&bytes);
    if (rc != OK) return rc;
    assert(!added);
    set.version++;
    meta_write(v->pager->ops->meta_mut(v->pager, v->obj), &set);
    return OK;
}

static int vset_apply(struct value *v, const effect *e) {
    switch (e->op) {
    case VECTOR_ADD: return apply_add(v, e);
    case VECTOR_REM: return apply_rem(v, e);
    case VECTOR_ATTR: return apply_attr(v, e);
    default: return ERR_CORRUPT; /* The byte may come from a damaged log. */
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

struct walk {
    struct vset_shape shape;
    uint8_t *digest;
    uint64_t count, attributes, last_node;
    bool damaged;
};

static int digest_one(void *cookie, slice name, slice record) {
    struct walk *w = cookie;
    struct element e;
    uint8_t one[20] = {0};
    if (!element_read(&w->shape, record, &e)) return ERR_CORRUPT;
    digest_mix(one, name.p, name.n);
    digest_mix(one, e.point.bytes, quant_bytes(w->shape.quant, w->shape.dim));
    digest_mix(one, &e.point.norm, 4);
    digest_mix(one, &e.point.range, 4);
    if (e.has_attribute) digest_mix(one, e.attribute.p, e.attribute.n);
    for (int i = 0; i < 20; i++) w->digest[i] ^= one[i];
    return 0;
}

static int vset_digest(struct value *v, uint8_t digest[20]) {
    struct vset set;
    uint64_t cursor = 0;
    uint8_t shape[VSET_SHAPE_BYTES];
    vset_read(v, &set);
    int rc = table_need_from(v->pager, v->obj, 0, SIZE_MAX);
    if (rc != OK) return rc;
    digest_start(digest, DIGEST_MODULE);
    set.shape.uid = 0; /* Chance, not content. */
    vset_shape_write(shape, &set.shape);
    digest_mix(digest, shape, sizeof(shape));
    struct walk w = {.shape = set.shape, .digest = digest};
    return table_scan(v->pager, v->obj, &cursor, SIZE_MAX, digest_one, &w);
}

static int check_one(void *cookie, slice name, slice record) {
    struct walk *w = cookie;
    struct element e;
    (void)name;
    if (!element_read(&w->shape, record, &e)) {
        w->damaged = true;
        return 0;
    }
    w->count++;
    w->attributes += e.has_attribute;
    if (e.node > w->last_node) w->last_node = e.node;
    if (w->shape.quant != QUANT_INT8) return 0;
    for (uint32_t i = 0; i < w->shape.dim; i++)
        if (e.point.bytes[i] == 0x80) w->damaged = true;
    return 0;
}

static int vset_check(struct value *v, char why[160]) {
    struct vset set;
    uint64_t cursor = 0, entries;
    vset_read(v, &set);
    int rc = table_check(v->pager, v->obj, &entries, why);
    if (rc != OK) return rc;
    struct walk w = {.shape = set.shape};
    rc = table_scan(v->pager, v->obj, &cursor, SIZE_MAX, check_one, &w);
    if (rc != OK) return rc;
    if (!w.damaged && entries == set.count && w.count == set.count && set.count > 0 &&
        w.attributes == set.attributes && w.last_node <= set.last_node)
        return OK;
    snprintf(why, 160, "vector set: %llu of %llu elements, %llu of %llu attributes%s",
             (unsigned long long)w.count, (unsigned long long)set.count,
             (unsigned long long)w.attributes, (unsigned long long)set.attributes,
             w.damaged ? ", a damaged record" : "");
    return ERR_CORRUPT;
}

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
};
