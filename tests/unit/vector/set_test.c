/* set_test.c -- the vector set type against a naive model, over pages that are cold at
 * random. */
#include "test.h"

#include <math.h>

#include "modules/vector/store.h"
#include "tests/model/toy_pager.c"

#define NAMES 120
#define DIM 24

struct model_element {
    bool there, has_attribute;
    float x[DIM];
    char attribute[400];
    uint64_t node;
};
struct model {
    struct model_element e[NAMES];
    uint64_t count, attributes, last_node;
};

static slice name_of(int i, char tmp[32]) {
    return slice_make(tmp, (size_t)snprintf(tmp, 32, "element:%d", i));
}

static struct vset_shape shape_of(enum quant q) {
    return (struct vset_shape){
        .quant = q, .metric = METRIC_COSINE, .dim = DIM, .m = 16, .uid = 99};
}

static void random_vector(rnd *r, float *x) {
    for (int i = 0; i < DIM; i++) x[i] = (float)(rnd_unit(r) * 4 - 2);
    if (rnd_below(r, 20) == 0) memset(x, 0, DIM * sizeof(float));
}

static void add_one(struct toy *t, struct value *v, enum quant q, int i, const float *x,
                const char *attribute) {
    char tmp[32];
    uint8_t shape[VSET_SHAPE_BYTES];
    struct vset_shape s = shape_of(q);
    vset_shape_write(shape, &s);
    slice args[4] = {name_of(i, tmp), slice_make(x, DIM * sizeof(float)),
                     slice_make(shape, sizeof(shape))};
    if (attribute != NULL) args[3] = slice_str(attribute);
    buf store = BUF_INIT;
    CHECK_INT(
        toy_apply(t, &vset_type, v, &store, VECTOR_ADD, args, attribute != NULL ? 4 : 3),
        OK);
}

static void model_attribute(struct model *m, struct model_element *e, bool has,
                            const char *text) {
    m->attributes = m->attributes + has - e->has_attribute;
    e->has_attribute = has;
    if (has) snprintf(e->attribute, sizeof(e->attribute), "%s", text);
}

static void step(struct toy *t, struct value *v, struct model *m, enum quant q, rnd *r) {
    char tmp[32], attribute[400];
    int i = (int)rnd_below(r, NAMES);
    struct model_element *e = &m->e[i];
    buf store = BUF_INIT;
    memset(attribute, 'a', sizeof(attribute));
    attribute[rnd_below(r, 4) == 0 ? 0 : rnd_below(r, sizeof(attribute))] = '\0';
    uint64_t what = rnd_below(r, 10);
    if (what < 5) {
        random_vector(r, e->x);
        bool with = rnd_below(r, 2) == 0;
        add_one(t, v, q, i, e->x, with ? attribute : NULL);
        if (with) model_attribute(m, e, !e->there || attribute[0] != '\0', attribute);
        m->count += !e->there;
        e->there = true;
        e->node = ++m->last_node;
    } else if (what < 8 && e->there) {
        slice arg = name_of(i, tmp);
        CHECK_INT(toy_apply(t, &vset_type, v, &store, VECTOR_REM, &arg, 1), OK);
        model_attribute(m, e, false, "");
        e->there = false;
        if (--m->count == 0) m->last_node = 0;
    } else if (e->there) {
        slice args[2] = {name_of(i, tmp), slice_str(attribute)};
        CHECK_INT(toy_apply(t, &vset_type, v, &store, VECTOR_ATTR, args, 2), OK);
        model_attribute(m, e, attribute[0] != '\0', attribute);
    } else if (v->kind != VALUE_NONE) { /* What makes no sense is refused. */
        slice args[2] = {name_of(i, tmp), slice_str("x")};
        CHECK_INT(toy_apply(t, &vset_type, v, &store, VECTOR_REM, args, 1), ERR_CORRUPT);
        CHECK_INT(toy_apply(t, &vset_type, v, &store, VECTOR_ATTR, args, 2), ERR_CORRUPT);
    }
}

/* How far a stored component may be from the given one. */
static void compare_vector(enum quant q, const struct model_element *want,
                           const struct element *got) {
    float x[DIM], sum = 0, largest = 0;
    quant_decode(q, &got->point, DIM, x);
    for (int i = 0; i < DIM; i++) {
        sum += want->x[i] * want->x[i];
        if (fabsf(want->x[i]) > largest) largest = fabsf(want->x[i]);
    }
    CHECK_INT(got->point.zero, sum == 0);
    CHECK(fabsf(got->point.norm - (sum == 0 ? 1 : sqrtf(sum))) < 1e-5f);
    for (int i = 0; i < DIM; i++) {
        if (q == QUANT_BIN) CHECK((x[i] > 0) == (want->x[i] > 0));
        else CHECK(fabsf(x[i] - want->x[i]) <= (q == QUANT_F32 ? 1e-5f : largest / 250));
    }
}

static void compare(struct toy *t, struct value *v, const struct model *m, enum quant q) {
    char tmp[32], why[160] = "";
    toy_warm(t);
    if (m->count == 0) {
        CHECK_INT(v->kind, VALUE_NONE);
        return;
    }
    struct vset set;
    vset_read(v, &set);
    CHECK_INT(vset_type.check(v, why), OK);
    CHECK_INT(vset_type.length(v), m->count);
    CHECK_INT(set.attributes, m->attributes);
    CHECK_INT(set.last_node, m->last_node);
    for (int i = 0; i < NAMES; i++) {
        struct element e;
        const struct model_element *want = &m->e[i];
        int rc = vset_find(v, &set.shape, name_of(i, tmp), NULL, &e);
        CHECK_INT(rc, want->there ? OK : ERR_NOTFOUND);
        if (rc != OK) continue;
        CHECK_INT(e.node, want->node);
        CHECK_INT(e.has_attribute, want->has_attribute);
        slice attribute = SLICE("");
        CHECK_INT(vset_attribute(v, e.slot, &attribute), want->has_attribute ? OK : ERR_NOTFOUND);
        if (want->has_attribute) CHECK_SLICE(attribute, want->attribute);
        compare_vector(q, want, &e);
    }
}

static void free_value(struct toy *t, struct value *v) {
    if (v->kind == VALUE_OBJECT) t->base.ops->free(&t->base, v->obj);
    v->kind = VALUE_NONE;
}

static void run(enum quant q, uint64_t seed) {
    struct toy t;
    struct model *m = mem_calloc(1, sizeof(*m));
    toy_init(&t, seed, 30);
    struct value v = toy_value(&t, TYPE_VECTORSET);
    rnd r;
    rnd_seed(&r, seed);
    for (int i = 0; i < 4000; i++) {
        step(&t, &v, m, q, &r);
        if (i % 100 == 0) compare(&t, &v, m, q);
    }
    compare(&t, &v, m, q);
    free_value(&t, &v);
    toy_deinit(&t);
    mem_free(m);
}

TEST("a set of floats does what the model does") { run(QUANT_F32, 1); }
TEST("a set of bytes does what the model does") { run(QUANT_INT8, 2); }
TEST("a set of bits does what the model does") { run(QUANT_BIN, 3); }

static int restore(struct toy *t, slice payload, struct value *v) {
    reader r = reader_make(payload);
    *v = toy_value(t, TYPE_VECTORSET);
    int rc = vset_type.restore(v, read_u8(&r), &r, RDB_VERSION);
    if (rc == OK && (r.bad || reader_left(&r) != 0)) {
        free_value(t, v);
        return ERR_CORRUPT;
    }
    return rc;
}

TEST("a dump restores to the same digest, and no damaged one does harm") {
    for (int q = QUANT_F32; q <= QUANT_BIN; q++) {
        struct toy t;
        toy_init(&t, 5, 0);
        struct value v = toy_value(&t, TYPE_VECTORSET), copy;
        rnd r;
        rnd_seed(&r, 5);
        float x[DIM];
        for (int i = 0; i < 30; i++) {
            random_vector(&r, x);
            add_one(&t, &v, (enum quant)q, i, x, i % 3 == 0 ? "{\"a\":1}" : NULL);
        }
        buf dump = BUF_INIT;
        uint8_t one[20] = {0}, two[20] = {0};
        char why[160] = "";
        CHECK_INT(vset_type.dump(&v, &dump), OK);
        CHECK_INT(restore(&t, slice_of(&dump), &copy), OK);
        CHECK_INT(vset_type.check(&copy, why), OK);
        CHECK_INT(vset_type.digest(&v, one), OK);
        CHECK_INT(vset_type.digest(&copy, two), OK);
        CHECK(memcmp(one, two, 20) == 0);
        free_value(&t, &copy);
        for (size_t cut = 1; cut < dump.n; cut++)
            CHECK(restore(&t, slice_make(dump.p, cut), &copy) != OK);
        for (int i = 0; i < 3000; i++) {
            size_t at = 1 + (size_t)rnd_below(&r, dump.n - 1);
            uint8_t was = dump.p[at];
            dump.p[at] = (uint8_t)rnd_u64(&r);
            if (restore(&t, slice_of(&dump), &copy) == OK) {
                CHECK_INT(vset_type.check(&copy, why), OK);
                free_value(&t, &copy);
            }
            dump.p[at] = was;
        }
        buf_free(&dump);
        free_value(&t, &v);
        toy_deinit(&t);
    }
}

TEST("effects that make no sense are refused, and change nothing") {
    struct toy t;
    toy_init(&t, 1, 0);
    struct value v = toy_value(&t, TYPE_VECTORSET);
    float x[DIM] = {1};
    uint8_t shape[VSET_SHAPE_BYTES];
    struct vset_shape s = shape_of(QUANT_INT8);
    add_one(&t, &v, QUANT_INT8, 1, x, NULL);
    vset_shape_write(shape, &s);
    slice args[4] = {SLICE("n"), slice_make(x, sizeof(x)),
                     slice_make(shape, sizeof(shape)), SLICE("")};
    uint64_t changes = t.changes;
    effect e = {.target = EFFECT_VALUE,
                .type = TYPE_VECTORSET,
                .op = VECTOR_ADD,
                .args = args,
                .argc = 2};
    CHECK_INT(vset_type.apply(&v, &e), ERR_CORRUPT);
    e.argc = 5;
    CHECK_INT(vset_type.apply(&v, &e), ERR_CORRUPT);
    e.argc = 3;
    args[1].n -= 4;
    CHECK_INT(vset_type.apply(&v, &e), ERR_CORRUPT);
    args[1].n += 4;
    args[2].n--;
    CHECK_INT(vset_type.apply(&v, &e), ERR_CORRUPT);
    args[2].n++;
    s.quant = QUANT_F32; /* Not that of the set. */
    vset_shape_write(shape, &s);
    CHECK_INT(vset_type.apply(&v, &e), ERR_CORRUPT);
    shape[8] = 9; /* no quantisation at all */
    CHECK_INT(vset_type.apply(&v, &e), ERR_CORRUPT);
    e.op = 77;
    CHECK_INT(vset_type.apply(&v, &e), ERR_CORRUPT);
    CHECK_INT(t.changes, changes);
    free_value(&t, &v);
    toy_deinit(&t);
}

TEST("the largest attribute can be replaced by another as large") {
    struct toy t;
    toy_init(&t, 1, 0);
    struct value v = toy_value(&t, TYPE_VECTORSET);
    float x[DIM] = {1};
    struct vset_shape s = shape_of(QUANT_INT8);
    size_t most = 3 << 20;
    while (vset_fits(9, most + 1)) most++;
    char *big = mem_alloc(most + 1), why[160] = "";
    memset(big, 'x', most);
    big[most] = '\0';
    add_one(&t, &v, QUANT_INT8, 0, x, NULL);
    for (int round = 0; round < 3; round++) {
        big[most - 1000000] = '\0';
        add_one(&t, &v, QUANT_INT8, 1, x, big);
        big[most - 1000000] = 'x';
        add_one(&t, &v, QUANT_INT8, 1, x, big);
        add_one(&t, &v, QUANT_INT8, 1, x, NULL); /* It stays. */
        CHECK_INT(vset_type.check(&v, why), OK);
    }
    struct element e;
    slice attribute;
    CHECK_INT(vset_find(&v, &s, SLICE("element:1"), NULL, &e), OK);
    CHECK_INT(vset_attribute(&v, e.slot, &attribute), OK);
    CHECK_INT(attribute.n, most);
    mem_free(big);
    free_value(&t, &v);
    toy_deinit(&t);
}

/* The root of a set of three, with one number of it another. */
static bool stored_ok(size_t at, uint32_t number) {
    uint8_t meta[VSET_META_BYTES] = {0};
    put_u32(meta, DIM);
    meta[VSET_AT_QUANT] = QUANT_INT8;
    meta[VSET_AT_FORMAT] = VSET_FORMAT;
    put_u32(meta + VSET_AT_M, 16);
    put_u64(meta + VSET_AT_COUNT, 3);
    put_u64(meta + VSET_AT_ATTRIBUTES, 2);
    put_u32(meta + VSET_AT_SLOTS, 5000);
    put_u32(meta + VSET_AT_BUCKETS, 1);
    put_u32(meta + VSET_AT_ROOMY, 3);
    meta[VSET_AT_ROOMY_N] = 1;
    if (at == VSET_AT_QUANT || at == VSET_AT_METRIC || at == VSET_AT_FORMAT || at == VSET_AT_ROOMY_N)
        meta[at] = (uint8_t)number;
    else put_u32(meta + at, number);
    struct stored_value s = {VALUE_OBJECT, 0, false, slice_make(meta, sizeof(meta))};
    bool ok = vset_type.stored_ok(&s);
    struct stored_value hashed = s, raw = s, cut = s;
    hashed.hashed = true;
    raw.kind = VALUE_RAW;
    cut.bytes.n--;
    CHECK(!vset_type.stored_ok(&hashed) && !vset_type.stored_ok(&raw));
    CHECK(!vset_type.stored_ok(&cut));
    return ok;
}

TEST("a stored vector set has pages by index, and a shape and counts that may be") {
    CHECK(stored_ok(VSET_AT_DIM, DIM));
    CHECK(!stored_ok(VSET_AT_DIM, 0));
    CHECK(!stored_ok(VSET_AT_DIM, VECTOR_DIM_MAX + 1));
    CHECK(!stored_ok(VSET_AT_INPUT, VECTOR_DIM_MAX + 1));
    CHECK(!stored_ok(VSET_AT_QUANT, 3));
    CHECK(!stored_ok(VSET_AT_METRIC, 3));
    CHECK(!stored_ok(VSET_AT_FORMAT, VSET_FORMAT + 1));
    CHECK(!stored_ok(VSET_AT_M, 5000));
    CHECK(!stored_ok(VSET_AT_COUNT, 0));
    CHECK(!stored_ok(VSET_AT_COUNT + 4, 1 << 30)); /* more elements than slots */
    CHECK(!stored_ok(VSET_AT_ATTRIBUTES, 4));      /* more attributes than elements */
    CHECK(!stored_ok(VSET_AT_SLOTS, 2));
    CHECK(!stored_ok(VSET_AT_BUCKETS, 0));
    CHECK(!stored_ok(VSET_AT_BUCKETS, 2)); /* for three names */
    CHECK(!stored_ok(VSET_AT_ROOMY_N, VSET_ROOMY_MAX + 1));
    CHECK(!stored_ok(VSET_AT_ROOMY, 100)); /* a page that never was */
}
