/* set_rdb.c -- vector sets as RDB payloads: those of Redis 8's module, so that its dumps
 * can be loaded.
 *
 *   type 7 | module id | fields, each with its opcode | 0
 *   fields: dim, count, quant | M << 8, flags, [input dim, projection matrix]
 *           per element: name, [attribute], vector, number of parameters, parameters
 *   parameters: id, level, per level the links, last length and range as float bits
 *
 * Of a graph nothing is kept and nothing is written but nodes without links, which a
 * reader links anew. What the format has no place for, a metric other than cosine, is in
 * bits of the flags that are our own. */
#include "modules/vector/set.h"

#include <assert.h>
#include <math.h>

#define RDB_MODULE_2 7
#define MODULE_ID 0xbde72da2bb1eb400u /* "vectorset", encoding version 0 */
enum { FIELD_END = 0, FIELD_UINT = 2, FIELD_STRING = 5 };
#define FLAG_PROJECTION 1u
#define FLAG_ATTRIBUTES 2u
#define FLAG_METRIC_SHIFT 16 /* ours: two bits */
#define PARAMS_MAX 1000000   /* A node of 16 levels with 4,096 links each has fewer. */
#define NODE_MAX ((uint64_t)1 << 62) /* There must be room to count on. */
#define NODE_VERSION ((uint64_t)1 << 24)

const uint8_t vset_rdb_types[] = {RDB_MODULE_2, RDB_END};

/* ---- writing ----------------------------------------------------------------------- */

static void write_uint(buf *out, uint64_t v) {
    rdb_write_len(out, FIELD_UINT);
    rdb_write_len(out, v);
}

static void write_string(buf *out, slice s) {
    rdb_write_len(out, FIELD_STRING);
    rdb_write_raw_string(out, s);
}

static uint64_t float_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}

struct dump {
    const struct vset *set;
    buf *out;
    uint64_t left; /* of the elements that the payload promises */
};

static int dump_one(void *cookie, const struct element *e, const slice *attribute) {
    struct dump *d = cookie;
    const struct vset_shape *s = &d->set->shape;
    if (d->left-- == 0) return ERR_CORRUPT;
    write_string(d->out, e->name);
    if (d->set->attributes > 0) write_string(d->out, attribute != NULL ? *attribute : slice_make(NULL, 0));
    write_string(d->out, slice_make(e->point.bytes, quant_bytes(s->quant, s->dim)));
    write_uint(d->out, 6);
    write_uint(d->out, e->node);
    write_uint(d->out, NODE_VERSION);        /* level 0 */
    write_uint(d->out, 0);                   /* no links */
    write_uint(d->out, (uint64_t)s->m * 2);  /* of at most as many */
    write_uint(d->out, 0);                   /* the worst of them */
    write_uint(d->out, float_bits(e->point.range) << 32 | float_bits(e->point.norm));
    return 0;
}

static int count_one(void *cookie, const struct element *e, const slice *attribute) {
    (void)e;
    (void)attribute;
    ++*(uint64_t *)cookie;
    return OK;
}

static void write_projection(buf *out, const struct vset_shape *s) {
    size_t bytes = (size_t)s->dim * s->input_dim * 4;
    write_uint(out, s->input_dim);
    rdb_write_len(out, FIELD_STRING);
    rdb_write_len(out, bytes);
    buf_reserve(out, bytes);
    for (uint32_t i = 0; i < s->dim; i++) {
        for (uint32_t j = 0; j < s->input_dim; j++) {
            float m = quant_projection_at(i, j, s->input_dim);
            memcpy(out->p + out->n, &m, 4);
            out->n += 4;
        }
    }
}

int vset_dump(struct value *v, buf *out) {
    struct vset set;
    size_t start = out->n;
    vset_read(v, &set);
    const struct vset_shape *s = &set.shape;
    if ((uint64_t)s->dim * s->input_dim * 4 > RDB_STRING_MAX) return ERR_LIMIT;
    /* A matrix may take half a gigabyte: all pages first, and no damage that can be seen. */
    uint64_t count = 0;
    int rc = vset_each(v, count_one, &count);
    if (rc == OK && count != set.count) rc = ERR_CORRUPT;
    if (rc != OK) return rc;
    buf_u8(out, RDB_MODULE_2);
    rdb_write_len(out, MODULE_ID);
    write_uint(out, s->dim);
    write_uint(out, set.count);
    write_uint(out, (uint64_t)s->m << 8 | s->quant);
    write_uint(out, (s->input_dim != 0 ? FLAG_PROJECTION : 0) |
                        (set.attributes > 0 ? FLAG_ATTRIBUTES : 0) |
                        (uint64_t)s->metric << FLAG_METRIC_SHIFT);
    if (s->input_dim != 0) write_projection(out, s);
    struct dump d = {&set, out, set.count};
    rc = vset_each(v, dump_one, &d);
    if (rc == OK && d.left != 0) rc = ERR_CORRUPT;
    rdb_write_len(out, FIELD_END);
    if (rc != OK) out->n = start;
    return rc;
}

/* ---- reading: every byte is hostile ------------------------------------------------ */

static uint64_t read_uint(reader *r) {
    if (rdb_read_len(r) != FIELD_UINT) r->bad = true;
    return rdb_read_len(r);
}

static int read_string(reader *r, buf *store, slice *out) {
    if (rdb_read_len(r) != FIELD_STRING || r->bad) return ERR_CORRUPT;
    return rdb_read_string(r, store, out);
}

/* Only Redis's own matrix is taken: it is not kept, but computed. */
static bool known_matrix(slice m, const struct vset_shape *s) {
    if (m.n != (size_t)s->dim * s->input_dim * 4) return false;
    const uint8_t *p = m.p;
    for (uint32_t i = 0; i < s->dim; i++) {
        for (uint32_t j = 0; j < s->input_dim; j++, p += 4) {
            float f, want = quant_projection_at(i, j, s->input_dim);
            memcpy(&f, p, 4);
            if (!(fabsf(f - want) <= fabsf(want) * 1e-5f)) return false;
        }
    }
    return true;
}

static int restore_head(reader *r, struct vset_shape *s, uint64_t *count,
                        bool *attributes) {
    if (rdb_read_len(r) != MODULE_ID) return ERR_CORRUPT;
    uint64_t dim = read_uint(r);
    *count = read_uint(r);
    uint64_t config = read_uint(r), flags = read_uint(r), input_dim = 0;
    uint64_t quant = config & 0xFF, m = config >> 8, metric = flags >> FLAG_METRIC_SHIFT;
    if (r->bad || dim < 1 || dim > VECTOR_DIM_MAX || quant > QUANT_BIN || m > 4096 ||
        metric > METRIC_IP || (flags & 0xFFFC) != 0 || *count < 1)
        return ERR_CORRUPT;
    *s = (struct vset_shape){.dim = (uint32_t)dim,
                             .quant = (enum quant)quant,
                             .m = (uint32_t)m,
                             .metric = (enum vector_metric)metric};
    *attributes = (flags & FLAG_ATTRIBUTES) != 0;
    if ((flags & FLAG_PROJECTION) == 0) return OK;
    buf store = BUF_INIT;
    slice matrix;
    input_dim = read_uint(r);
    int rc = ERR_CORRUPT;
    if (!r->bad && input_dim >= 1 && input_dim <= VECTOR_DIM_MAX) {
        s->input_dim = (uint32_t)input_dim;
        rc = read_string(r, &store, &matrix);
        if (rc == OK && !known_matrix(matrix, s)) rc = ERR_CORRUPT;
    }
    buf_free(&store);
    return rc;
}

static float bits_float(uint64_t bits) {
    uint32_t half = (uint32_t)bits;
    float f;
    memcpy(&f, &half, 4);
    return f;
}

/* All are skipped but the first and the last. */
static int read_params(reader *r, uint64_t *node, struct point *p) {
    uint64_t n = read_uint(r), last = 0;
    if (r->bad || n < 3 || n > PARAMS_MAX) return ERR_CORRUPT;
    *node = read_uint(r);
    for (uint64_t i = 1; i < n && !r->bad; i++) last = read_uint(r);
    p->norm = bits_float(last);
    p->range = bits_float(last >> 32);
    return r->bad || *node == 0 || *node > NODE_MAX ? ERR_CORRUPT : OK;
}

static bool all_zero(slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != 0) return false;
    return true;
}

/* A payload says nothing of zero vectors. In a binary set, a zero vector and one without
 * positive components of length 1 look alike; only the distances of L2 and IP would
 * know. */
static int fix_point(const struct vset_shape *s, slice vector, buf *copy,
                     struct point *p) {
    if (vector.n != quant_bytes(s->quant, s->dim)) return ERR_CORRUPT;
    copy->n = 0;
    buf_append_slice(copy, vector);
    p->bytes = copy->p;
    p->zero = all_zero(vector) && p->norm == 1;
    if (s->quant != QUANT_INT8) p->range = 0;
    if (s->quant == QUANT_BIN && s->dim % 64 != 0) { /* Bits past the end would count. */
        uint64_t last = get_u64(copy->p + vector.n - 8);
        put_u64(copy->p + vector.n - 8, last & (((uint64_t)1 << s->dim % 64) - 1));
    }
    for (size_t i = 0; s->quant == QUANT_INT8 && i < vector.n; i++)
        if (copy->p[i] == 0x80) copy->p[i] = 0x81; /* -127 is the least there is. */
    return OK;
}

struct stores {
    buf name, attribute, vector, copy;
};

static int restore_one(reader *r, struct value *v, const struct vset_shape *s, bool attributes,
                       struct stores *st) {
    slice name, vector, attribute = slice_make(NULL, 0);
    struct point point = {0};
    uint64_t node;
    int rc = read_string(r, &st->name, &name);
    if (rc == OK && attributes) rc = read_string(r, &st->attribute, &attribute);
    if (rc == OK) rc = read_string(r, &st->vector, &vector);
    if (rc == OK) rc = read_params(r, &node, &point);
    if (rc == OK) rc = fix_point(s, vector, &st->copy, &point);
    if (rc == OK && !vset_fits(name.n, attribute.n)) rc = ERR_CORRUPT;
    if (rc != OK) return rc;
    rc = vset_put(v, name, node, &point, attribute.n > 0 ? &attribute : NULL);
    return rc == ERR_EXISTS ? ERR_CORRUPT : rc; /* A name twice. */
}

int vset_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version) {
    struct vset_shape s;
    uint64_t count;
    bool attributes;
    (void)rdb_version;
    assert(v->kind == VALUE_NONE);
    if (rdb_type != RDB_MODULE_2) return ERR_CORRUPT;
    int rc = restore_head(r, &s, &count, &attributes);
    if (rc != OK) return rc;
    /* No chance here: the first bytes of what is restored make its uid. */
    s.uid = hash_xx(r->p, reader_left(r) < 4096 ? reader_left(r) : 4096, count) >> 11;
    rc = vset_make(v, &s);
    if (rc != OK) return rc;
    struct stores st = {BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT};
    for (uint64_t i = 0; i < count && rc == OK; i++)
        rc = restore_one(r, v, &s, attributes, &st);
    if (rc == OK && (rdb_read_len(r) != FIELD_END || r->bad)) rc = ERR_CORRUPT;
    buf_free(&st.name);
    buf_free(&st.attribute);
    buf_free(&st.vector);
    buf_free(&st.copy);
    if (rc == OK) return OK;
    v->pager->ops->free(v->pager, v->obj);
    v->kind = VALUE_NONE;
    v->obj = NULL;
    return rc;
}
