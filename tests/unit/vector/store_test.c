/* store_test.c -- slots, names, attributes and places of a vector set against a naive twin: with names of every
 * length, with tags that are equal, with pages that are cold at random, and with pages that are damaged. */
#include "test.h"

#include "modules/vector/store.h"
#include "tests/model/toy_pager.c"

#define NAMES 500

struct twin {
    bool there, has_attribute;
    float first; /* the others are 1 */
    uint64_t node;
    uint32_t slot, place;
    size_t attribute;
};
struct fixture {
    struct toy t;
    struct value v;
    struct vset_shape shape;
    struct twin e[NAMES];
    uint64_t count, attributes, last_node;
    uint32_t slots_most; /* as few slots as that are enough */
    rnd r;
    size_t name_most, attribute_most;
    float *x;
    uint8_t *name, *attribute;
};

/* As many names share a tag as there are more of them than these. */
static uint64_t few_tags(pager *p, slice key) {
    (void)p;
    return (hash_xx(key.p, key.n, 99) % 40) << 32;
}

static void begin(struct fixture *f, struct vset_shape shape, uint64_t seed, unsigned cold) {
    memset(f, 0, sizeof(*f));
    toy_init(&f->t, seed, cold);
    rnd_seed(&f->r, seed);
    f->v = toy_value(&f->t, TYPE_VECTORSET);
    f->shape = shape;
    f->shape.m = 16;
    f->shape.uid = 7;
    f->name_most = 40;
    f->attribute_most = 200;
    f->x = mem_alloc(shape.dim * sizeof(float));
    for (uint32_t i = 0; i < shape.dim; i++) f->x[i] = 1;
    f->name = mem_alloc(KEY_BYTES_MAX);
    f->attribute = mem_alloc(100000);
    memset(f->attribute, 'a', 100000);
}

static void finish(struct fixture *f) {
    if (f->v.kind == VALUE_OBJECT) f->t.base.ops->free(&f->t.base, f->v.obj);
    mem_free(f->x);
    mem_free(f->name);
    mem_free(f->attribute);
    toy_deinit(&f->t);
}

/* Name i is always of the same length: the square of a fraction of the longest. */
static slice name_of(struct fixture *f, unsigned i) {
    size_t n = i * i * f->name_most / (NAMES * NAMES);
    if (n < 6) n = 6;
    memset(f->name, 'n', n);
    snprintf((char *)f->name, 6, "%05u", i);
    return slice_make(f->name, n);
}

static int apply(struct fixture *f, uint8_t op, const slice *args, size_t argc) {
    buf store = BUF_INIT;
    return toy_apply(&f->t, &vset_type, &f->v, &store, op, args, argc);
}

static void add_one(struct fixture *f, unsigned i, bool given, size_t attribute) {
    struct twin *e = &f->e[i];
    uint8_t shape[VSET_SHAPE_BYTES];
    vset_shape_write(shape, &f->shape);
    e->first = (float)(rnd_unit(&f->r) * 8 - 4);
    f->x[0] = e->first;
    slice args[4] = {name_of(f, i), slice_make(f->x, f->shape.dim * sizeof(float)), slice_make(shape, sizeof(shape)),
                     slice_make(f->attribute, attribute)};
    CHECK_INT(apply(f, VECTOR_ADD, args, given ? 4 : 3), OK);
    bool has = given ? attribute > 0 || !e->there : e->has_attribute;
    if (given) e->attribute = attribute;
    f->attributes = f->attributes + has - e->has_attribute;
    f->count += !e->there;
    e->has_attribute = has;
    e->node = ++f->last_node;
    uint32_t slot, rows = vset_rows(&f->shape);
    struct element got;
    toy_warm(&f->t);
    CHECK_INT(vset_find(&f->v, &f->shape, args[0], &slot, &got), OK);
    CHECK_INT(got.slot, slot);
    if (e->there) CHECK(slot != e->slot && slot / rows == e->slot / rows);
    e->there = true;
    e->slot = slot;
    e->place = 0;
}

static void remove_one(struct fixture *f, unsigned i) {
    slice name = name_of(f, i);
    CHECK_INT(apply(f, VECTOR_REM, &name, 1), OK);
    f->attributes -= f->e[i].has_attribute;
    f->e[i] = (struct twin){.there = false};
    if (--f->count == 0) f->last_node = 0;
}

static void set_attribute(struct fixture *f, unsigned i, size_t n) {
    slice args[2] = {name_of(f, i), slice_make(f->attribute, n)};
    CHECK_INT(apply(f, VECTOR_ATTR, args, 2), OK);
    f->attributes = f->attributes + (n > 0) - f->e[i].has_attribute;
    f->e[i].has_attribute = n > 0;
    f->e[i].attribute = n;
}

/* An index would do that. */
static void set_place(struct fixture *f, unsigned i) {
    toy_warm(&f->t);
    f->e[i].place = (uint32_t)rnd_below(&f->r, 3);
    CHECK_INT(vset_place_set(&f->v, f->e[i].slot, f->e[i].place), OK);
}

static size_t random_attribute(struct fixture *f) {
    return rnd_below(&f->r, 4) == 0 ? 0 : (size_t)rnd_below(&f->r, f->attribute_most);
}

static void step(struct fixture *f, unsigned adds) {
    unsigned i = (unsigned)rnd_below(&f->r, NAMES);
    uint64_t what = rnd_below(&f->r, 100);
    if (what < adds) add_one(f, i, rnd_below(&f->r, 2) == 0, random_attribute(f));
    else if (!f->e[i].there) return;
    else if (what < adds + 10) set_place(f, i);
    else if (what < adds + 20) set_attribute(f, i, random_attribute(f));
    else remove_one(f, i);
}

static void compare_one(struct fixture *f, unsigned i) {
    const struct twin *want = &f->e[i];
    struct element got;
    slice attribute, name = name_of(f, i);
    uint32_t slot, place;
    int rc = vset_find(&f->v, &f->shape, name, &slot, &got);
    CHECK_INT(rc, want->there ? OK : ERR_NOTFOUND);
    if (rc != OK) return;
    float x[4096];
    CHECK_INT(slot, want->slot);
    CHECK(slice_eq(got.name, name));
    CHECK_INT(got.node, want->node);
    CHECK_INT(got.has_attribute, want->has_attribute);
    CHECK_INT(vset_attribute(&f->v, slot, &attribute), want->has_attribute ? OK : ERR_NOTFOUND);
    if (want->has_attribute) CHECK_INT(attribute.n, want->attribute);
    CHECK_INT(vset_place(&f->v, slot, &place), OK);
    CHECK_INT(place, want->place);
    quant_decode(f->shape.quant, &got.point, f->shape.dim, x);
    CHECK((x[0] > 0) == (want->first > 0));
}

static int see(void *cookie, const struct element *e, const slice *attribute) {
    struct fixture *f = cookie;
    unsigned i = (unsigned)atoi((const char *)e->name.p);
    CHECK(i < NAMES && f->e[i].there && f->e[i].slot == e->slot);
    CHECK_INT(attribute != NULL, f->e[i].has_attribute);
    f->count++;
    return 0;
}

static void compare(struct fixture *f) {
    char why[160] = "";
    toy_warm(&f->t);
    CHECK_INT(f->v.kind, f->count == 0 ? VALUE_NONE : VALUE_OBJECT);
    if (f->count == 0) return;
    struct vset set;
    vset_read(&f->v, &set);
    if (vset_check(&f->v, why) != OK) test_fail(__FILE__, __LINE__, "%s", why);
    CHECK_INT(set.count, f->count);
    CHECK_INT(set.attributes, f->attributes);
    CHECK_INT(set.last_node, f->last_node);
    for (unsigned i = 0; i < NAMES; i++) compare_one(f, i);
    uint64_t count = f->count;
    f->count = 0;
    CHECK_INT(vset_each(&f->v, see, f), OK);
    CHECK_INT(f->count, count);
}

static void run(struct fixture *f, int steps) {
    for (int i = 0; i < steps; i++) {
        step(f, i / (steps / 4) % 2 == 0 ? 60 : 25); /* It grows, shrinks, and grows again. */
        if (i % 250 == 0) compare(f);
    }
    compare(f);
    for (unsigned i = 0; i < NAMES; i++)
        if (f->e[i].there) remove_one(f, i);
    compare(f);
}

static struct fixture fixture;

TEST("many small vectors do what the twin does") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_BIN, .dim = 4}, 1, 30);
    run(&fixture, 6000);
    finish(&fixture);
}

TEST("vectors of which few fit a page do what the twin does") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_F32, .dim = 3000}, 2, 30);
    CHECK(vset_rows(&fixture.shape) < 8);
    run(&fixture, 4000);
    finish(&fixture);
}

TEST("a vector larger than a page has one for itself and its successor") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_INT8, .dim = VECTOR_DIM_MAX}, 3, 30);
    CHECK_INT(vset_rows(&fixture.shape), 2);
    for (unsigned i = 0; i < 6; i++) add_one(&fixture, i, i % 2 == 0, 10);
    for (unsigned i = 0; i < 6; i += 2) add_one(&fixture, i, false, 0);
    char why[160];
    CHECK_INT(vset_check(&fixture.v, why), OK);
    struct vset set;
    vset_read(&fixture.v, &set);
    CHECK_INT(vset_pages(&set), 6);
    finish(&fixture);
}

TEST("names of every length do what the twin does, and make no page too large") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_INT8, .dim = 64}, 4, 30);
    fixture.name_most = KEY_BYTES_MAX;
    run(&fixture, 1500);
    for (unsigned i = NAMES - 100; i < NAMES; i++)
        add_one(&fixture, i, false, 0);
    for (size_t i = 0; i < fixture.v.obj->count; i++)
        CHECK(fixture.v.obj->pages[i].n <= VSET_VECTORS_MOST);
    compare(&fixture);
    finish(&fixture);
}

TEST("attributes of every length do what the twin does") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_INT8, .dim = 8}, 5, 30);
    fixture.attribute_most = 3 * VSET_ATTRIBUTE_APART;
    run(&fixture, 3000);
    finish(&fixture);
}

TEST("names of equal tags are told apart") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_INT8, .dim = 8}, 6, 30);
    struct pager_ops ops = *fixture.t.base.ops;
    ops.hash = few_tags;
    fixture.t.base.ops = &ops;
    run(&fixture, 3000);
    finish(&fixture);
}

/* ---- slots and pages --------------------------------------------------------------------------------------------- */

static struct vset set_of(struct fixture *f) {
    struct vset set;
    vset_read(&f->v, &set);
    return set;
}

TEST("the slots of elements that went are taken again") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_F32, .dim = 1000}, 7, 0);
    for (unsigned i = 0; i < 300; i++) add_one(&fixture, i, false, 0);
    uint32_t slots = set_of(&fixture).slots;
    CHECK(slots >= 300 && slots <= 340); /* One in 17 is kept free. */
    for (unsigned i = 0; i < 5000; i++) {
        unsigned old = (unsigned)rnd_below(&fixture.r, NAMES), young = (unsigned)rnd_below(&fixture.r, NAMES);
        if (!fixture.e[old].there || fixture.e[young].there) continue;
        remove_one(&fixture, old);
        add_one(&fixture, young, false, 0);
    }
    for (unsigned i = 0; i < 3000; i++) {
        unsigned same = (unsigned)rnd_below(&fixture.r, NAMES);
        if (fixture.e[same].there) add_one(&fixture, same, false, 0);
    }
    CHECK(set_of(&fixture).slots <= slots + vset_rows(&fixture.shape));
    compare(&fixture);
    finish(&fixture);
}

static struct toy_page *page_at(struct fixture *f, uint64_t index) {
    for (size_t i = 0; i < f->v.obj->count; i++)
        if (f->v.obj->pages[i].index == index) return &f->v.obj->pages[i];
    return NULL;
}

/* How many pages of each kind a change has asked for, all of them being cold. */
static void count_wanted(struct fixture *f, uint8_t op, const slice *args, size_t argc, size_t wanted[8]) {
    effect e = {.target = EFFECT_VALUE, .type = TYPE_VECTORSET, .op = op, .key = SLICE("k"), .args = args, .argc = argc};
    memset(wanted, 0, 8 * sizeof(*wanted));
    for (size_t i = 0; i < f->v.obj->count; i++) f->v.obj->pages[i].cold = true;
    for (int round = 0; vset_type.apply(&f->v, &e) == ERR_COLD; round++) {
        CHECK(round < 5);
        for (size_t i = 0; i < f->v.obj->count; i++) wanted[f->v.obj->pages[i].index % 8] += f->v.obj->pages[i].wanted;
        toy_fetch(&f->t);
    }
    toy_warm(&f->t);
}

TEST("a new element meets one bucket, the page that is filled, and nothing else") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_F32, .dim = 1000}, 8, 0);
    for (unsigned i = 0; i < 300; i++) add_one(&fixture, i, true, 5);
    uint8_t shape[VSET_SHAPE_BYTES];
    vset_shape_write(shape, &fixture.shape);
    size_t wanted[8];
    slice args[4] = {SLICE("a new one"), slice_make(fixture.x, 4000), slice_make(shape, sizeof(shape)), SLICE("x")};
    count_wanted(&fixture, VECTOR_ADD, args, 3, wanted);
    CHECK_INT(wanted[VSET_NAMES], 1);
    CHECK_INT(wanted[VSET_VECTORS], 1);
    CHECK_INT(wanted[VSET_ATTRIBUTES] + wanted[VSET_PLACES], 0);
    args[0] = SLICE("another");
    count_wanted(&fixture, VECTOR_ADD, args, 4, wanted);
    CHECK_INT(wanted[VSET_VECTORS], 1);
    CHECK_INT(wanted[VSET_ATTRIBUTES], 1);
    args[0] = SLICE("a new one"); /* another vector: its own page */
    count_wanted(&fixture, VECTOR_ADD, args, 3, wanted);
    CHECK_INT(wanted[VSET_NAMES], 1);
    CHECK_INT(wanted[VSET_VECTORS], 1);
    CHECK_INT(wanted[VSET_ATTRIBUTES] + wanted[VSET_PLACES], 0);
    count_wanted(&fixture, VECTOR_REM, args, 1, wanted);
    CHECK_INT(wanted[VSET_NAMES], 1);
    CHECK_INT(wanted[VSET_VECTORS], 1);
    finish(&fixture);
}

TEST("the pages of a set are near 64 KiB, and of a small set small") {
    begin(&fixture, (struct vset_shape){.quant = QUANT_INT8, .dim = 768}, 9, 0);
    fixture.name_most = 24;
    add_one(&fixture, 0, false, 0);
    CHECK(page_at(&fixture, vset_page(VSET_VECTORS, 0))->n < 900);
    for (unsigned i = 1; i < NAMES; i++) add_one(&fixture, i, false, 0);
    size_t first = page_at(&fixture, vset_page(VSET_VECTORS, 0))->n;
    CHECK(first > PAGE_BYTES * 9 / 10 && first <= PAGE_BYTES);
    finish(&fixture);
}

/* ---- damage ------------------------------------------------------------------------------------------------------- */

static void fill_damaged(struct fixture *f) {
    begin(f, (struct vset_shape){.quant = QUANT_INT8, .dim = 600}, 10, 0);
    f->t.stay = true;
    for (unsigned i = 0; i < 400; i++) add_one(f, i, i % 2 == 0, i % 6 == 0 ? 2000 : 7);
    for (unsigned i = 0; i < 400; i += 3) remove_one(f, i);
    set_place(f, 1);
    CHECK_INT(vset_place_set(&f->v, f->e[2].slot, 5), OK);
    toy_warm(&f->t);
}

static void expect_damage(struct fixture *f, uint8_t *at, uint32_t number, size_t bytes, const char *what) {
    char why[160] = "";
    uint8_t was[4];
    memcpy(was, at, bytes);
    memcpy(at, &number, bytes);
    CHECK(memcmp(was, at, bytes) != 0);
    if (vset_check(&f->v, why) != ERR_CORRUPT) test_fail(__FILE__, __LINE__, "not seen: %s", what);
    CHECK(why[0] != '\0');
    memcpy(at, was, bytes);
    CHECK_INT(vset_check(&f->v, why), OK);
}

TEST("the check finds whatever does not fit") {
    struct fixture *f = &fixture;
    fill_damaged(f);
    uint8_t *meta = f->v.obj->meta, *names = page_at(f, vset_page(VSET_NAMES, 0))->p;
    uint8_t *vectors = page_at(f, vset_page(VSET_VECTORS, 0))->p, *shared = page_at(f, vset_page(VSET_ATTRIBUTES, 0))->p;
    size_t pairs = page_at(f, vset_page(VSET_NAMES, 0))->n / 8;
    uint8_t *record = vectors + ROWS_HEAD + 4 * (size_t)get_u16(vectors + 4);
    uint32_t slots = get_u32(meta + VSET_AT_SLOTS);
    expect_damage(f, meta + VSET_AT_COUNT, 4, 4, "too few elements");
    expect_damage(f, meta + VSET_AT_ATTRIBUTES, 3, 4, "too few attributes");
    expect_damage(f, meta + VSET_AT_NODE, 3, 4, "a node that was never given");
    expect_damage(f, meta + VSET_AT_SLOTS, slots / 2, 4, "slots that never were");
    expect_damage(f, meta + VSET_AT_BUCKETS, 1, 4, "another number of buckets");
    CHECK(meta[VSET_AT_ROOMY_N] >= 2);
    expect_damage(f, meta + VSET_AT_ROOMY, get_u32(meta + VSET_AT_ROOMY + 4), 4, "a page listed twice");
    expect_damage(f, meta + VSET_AT_ROOMY, 1000, 4, "a page listed that never was");
    expect_damage(f, names, get_u32(names) ^ 1u << 31, 4, "another tag");
    expect_damage(f, names, get_u32(names) ^ 1u, 4, "a tag of another bucket");
    expect_damage(f, names + 4 * pairs, get_u32(names + 4 * pairs + 4), 4, "two names of one slot");
    expect_damage(f, names + 4 * pairs, slots, 4, "a name of no slot");
    expect_damage(f, vectors, 599, 4, "vectors of another length");
    expect_damage(f, vectors + 4, get_u16(vectors + 4) - 1u, 2, "another number of rows");
    expect_damage(f, vectors + 6, get_u16(vectors + 6) + 1u, 2, "another number of elements in a page");
    expect_damage(f, vectors + ROWS_HEAD + 8, 0, 4, "a row that ends before it begins");
    expect_damage(f, record + 16, get_u16(record + 16) + 1u, 2, "a name longer than it is");
    expect_damage(f, record + 18, get_u16(record + 18) ^ 1u, 2, "an attribute, or none");
    expect_damage(f, record + 20 + 600, 'x', 1, "another name");
    expect_damage(f, record + 20, 0x80, 1, "a component that is none");
    expect_damage(f, shared, 1, 4, "a page that is not one of attributes");
    expect_damage(f, shared + ROWS_HEAD + 4, UINT32_MAX, 4, "an attribute without end");
    finish(f);
}

TEST("a page or an attribute that is gone, or one too many, is found") {
    struct fixture *f = &fixture;
    char why[160];
    fill_damaged(f);
    CHECK_INT(f->t.base.ops->drop(&f->t.base, f->v.obj, vset_page(VSET_NAMES, 1)), OK);
    CHECK_INT(vset_check(&f->v, why), ERR_CORRUPT);
    finish(f);
    fill_damaged(f);
    CHECK_INT(f->t.base.ops->drop(&f->t.base, f->v.obj, vset_page(VSET_VECTORS, 1)), OK);
    CHECK_INT(vset_check(&f->v, why), ERR_CORRUPT);
    finish(f);
    fill_damaged(f);
    CHECK_INT(f->t.base.ops->drop(&f->t.base, f->v.obj, vset_page(VSET_ATTRIBUTES, 0)), OK);
    CHECK_INT(vset_check(&f->v, why), ERR_CORRUPT);
    finish(f);
    uint8_t *to;
    fill_damaged(f);
    CHECK_INT(f->t.base.ops->mut(&f->t.base, f->v.obj, vset_page(VSET_ATTRIBUTES, 2 * (uint64_t)f->e[1].slot + 1), 1500, &to), OK);
    CHECK_INT(vset_check(&f->v, why), ERR_CORRUPT);
    CHECK_INT(vset_place_set(&f->v, f->e[1].slot, 9), OK);
    finish(f);
    fill_damaged(f);
    uint32_t slot = f->e[1].slot;
    remove_one(f, 1);
    CHECK_INT(vset_place_set(&f->v, slot, 9), OK);
    CHECK_INT(vset_check(&f->v, why), ERR_CORRUPT);
    finish(f);
}

TEST("pages of the highest numbers there are make no walk longer, and are found") {
    struct fixture *f = &fixture;
    for (uint64_t back = 0; back < 17; back++) {
        char why[160];
        uint8_t *to, digest[20];
        fill_damaged(f);
        CHECK_INT(f->t.base.ops->mut(&f->t.base, f->v.obj, UINT64_MAX - back, 1, &to), OK);
        CHECK_INT(vset_check(&f->v, why), ERR_CORRUPT);
        CHECK_INT(vset_type.digest(&f->v, digest), OK);
        finish(f);
    }
}

/* One change, whatever the pages say: what is refused has changed nothing. */
static void try_change(struct fixture *f, uint8_t op, const slice *args, size_t argc) {
    effect e = {.target = EFFECT_VALUE, .type = TYPE_VECTORSET, .op = op, .key = SLICE("k"), .args = args, .argc = argc};
    uint64_t changes = f->t.changes;
    int rc = vset_type.apply(&f->v, &e);
    CHECK(rc == OK || rc == ERR_CORRUPT || rc == ERR_LIMIT);
    if (rc != OK) CHECK_INT(f->t.changes, changes);
}

TEST_LONG("whatever is damaged, nothing is read outside of a page and nothing is half changed", 120) {
    struct fixture *f = &fixture;
    size_t refused = 0;
    for (int round = 0; round < 60; round++) {
        char why[160];
        uint8_t shape[VSET_SHAPE_BYTES], digest[20] = {0};
        fill_damaged(f);
        rnd_seed(&f->r, (uint64_t)round);
        vset_shape_write(shape, &f->shape);
        for (int hits = 0; hits < 4; hits++) {
            struct toy_page *g = &f->v.obj->pages[rnd_below(&f->r, f->v.obj->count)];
            size_t most = rnd_below(&f->r, 2) == 0 ? 600 : g->n;
            g->p[rnd_below(&f->r, most < g->n ? most : g->n)] ^= (uint8_t)(1u << rnd_below(&f->r, 8));
        }
        refused += vset_check(&f->v, why) != OK;
        (void)vset_type.digest(&f->v, digest);
        for (int k = 0; k < 150 && f->v.kind == VALUE_OBJECT; k++) {
            slice args[4] = {name_of(f, (unsigned)rnd_below(&f->r, NAMES)), slice_make(f->x, 600 * sizeof(float)),
                             slice_make(shape, sizeof(shape)), slice_make(f->attribute, random_attribute(f) * 10)};
            slice attr[2] = {args[0], args[3]};
            switch (rnd_below(&f->r, 4)) {
            case 0: try_change(f, VECTOR_REM, args, 1); break;
            case 1: try_change(f, VECTOR_ATTR, attr, 2); break;
            case 2: try_change(f, VECTOR_ADD, args, 3); break;
            case 3: try_change(f, VECTOR_ADD, args, 4); break;
            }
        }
        finish(f);
    }
    CHECK(refused > 20);
}
