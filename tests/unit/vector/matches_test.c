/* matches_test.c -- what is kept of the answers of filters is what the filters would answer: while elements come, go
 * and change their attributes, with pages that are cold at random, and with more filters than are kept. */
#include "test.h"

#include "modules/vector/matches.h"
#include "tests/model/toy_pager.c"

#define NAMES 900
#define FILTERS (MATCHES_FILTERS + 3)
#define DIM 4

struct fixture {
    struct toy t;
    struct value v;
    rnd r;
    expr *filter[FILTERS];
    char key[FILTERS][MATCHES_KEY];
    uint64_t asked;
};

static void begin(struct fixture *f, uint64_t seed, unsigned cold) {
    memset(f, 0, sizeof(*f));
    toy_init(&f->t, seed, cold);
    rnd_seed(&f->r, seed);
    f->v = toy_value(&f->t, TYPE_VECTORSET);
    for (int i = 0; i < FILTERS; i++) {
        char text[64];
        slice near;
        snprintf(text, sizeof(text), i == 0 ? ".n >= 0" : i == 1 ? "not .n" : ".n %% %d == 1", i);
        f->filter[i] = expr_compile(slice_str(text), &near);
        CHECK(f->filter[i] != NULL);
        matches_key(f->filter[i], f->key[i]);
    }
}

static void finish(struct fixture *f) {
    for (int i = 0; i < FILTERS; i++) expr_free(f->filter[i]);
    if (f->v.kind == VALUE_OBJECT) f->t.base.ops->free(&f->t.base, f->v.obj);
    toy_deinit(&f->t);
}

static void apply(struct fixture *f, uint8_t op, const slice *args, size_t argc) {
    buf store = BUF_INIT;
    int rc = toy_apply(&f->t, &vset_type, &f->v, &store, op, args, argc);
    CHECK(rc == OK || rc == ERR_CORRUPT); /* There is no such element. */
}

/* Some are too long for the page that others share. */
static slice attribute(struct fixture *f, char text[4000]) {
    size_t n = rnd_below(&f->r, 3) == 0 ? 3000 : 1 + (size_t)rnd_below(&f->r, 30);
    snprintf(text, 4000, "{\"fill\":\"%0*d\",\"n\":%d}", (int)n, 0, (int)rnd_below(&f->r, 60));
    return rnd_below(&f->r, 10) == 0 ? slice_make(NULL, 0) : slice_str(text);
}

static void change(struct fixture *f) {
    struct vset_shape shape = {.dim = DIM, .quant = QUANT_F32, .metric = METRIC_L2, .m = 16, .uid = 7};
    uint8_t how[VSET_SHAPE_BYTES];
    char name[16], text[4000];
    float x[DIM] = {1, (float)rnd_below(&f->r, 9), 2, 3};
    vset_shape_write(how, &shape);
    snprintf(name, sizeof(name), "e%u", (unsigned)rnd_below(&f->r, NAMES));
    slice args[4] = {slice_str(name), slice_make(x, sizeof(x)), slice_make(how, sizeof(how)), attribute(f, text)};
    uint64_t what = rnd_below(&f->r, 8);
    if (what < 4 || f->v.kind != VALUE_OBJECT) {
        apply(f, VECTOR_ADD, args, args[3].n > 0 ? 4 : 3);
    } else if (what < 6) {
        args[1] = args[3];
        apply(f, VECTOR_ATTR, args, 2);
    } else {
        apply(f, VECTOR_REM, args, 1);
    }
}

static bool truth(struct fixture *f, int i, uint32_t slot) {
    slice a;
    int rc;
    while ((rc = vset_attribute(&f->v, slot, &a)) == ERR_COLD) toy_warm(&f->t);
    CHECK(rc == OK || rc == ERR_NOTFOUND);
    return rc == OK && expr_match(f->filter[i], a);
}

static void compare_some(struct fixture *f, const struct vset *set, int i) {
    for (int k = 0; k < 20; k++) {
        uint32_t slot = (uint32_t)rnd_below(&f->r, set->slots);
        bool yes;
        int rc;
        while ((rc = matches_ask(matches_of(&f->v, set, f->key[i]), &f->v, f->filter[i], slot, &yes, &f->asked)) == ERR_COLD)
            toy_warm(&f->t);
        CHECK_INT(rc, OK);
        CHECK_INT(yes, truth(f, i, slot));
    }
}

static void compare_all(struct fixture *f, const struct vset *set, int i) {
    buf out = BUF_INIT;
    uint32_t slot = 0, at = 0;
    uint64_t count = 0, counted;
    while (slot < set->slots) {
        struct matches *m = matches_of(&f->v, set, f->key[i]);
        int rc = matches_list(m, &f->v, set, f->filter[i], &slot, 300, &out, &f->asked);
        if (rc == ERR_COLD) toy_warm(&f->t);
        else CHECK_INT(rc, OK);
    }
    for (slot = 0; slot < set->slots; slot++) {
        if (!truth(f, i, slot)) continue;
        CHECK(4 * (size_t)at < out.n);
        uint32_t got;
        memcpy(&got, out.p + 4 * (size_t)at++, 4);
        CHECK_INT(got, slot);
        count++;
    }
    CHECK_INT(out.n, 4 * count);
    CHECK(matches_count(matches_of(&f->v, set, f->key[i]), &counted));
    CHECK_INT(counted, count);
    CHECK(matches_asked_often(matches_of(&f->v, set, f->key[i]), set));
    buf_free(&out);
}

static void run(uint64_t seed, unsigned cold) {
    struct fixture f;
    begin(&f, seed, cold);
    for (int i = 0; i < 2000; i++) change(&f);
    for (int step = 0; step < 300; step++) {
        struct vset set;
        int i = (int)rnd_below(&f.r, FILTERS);
        for (uint64_t n = rnd_below(&f.r, 40); n > 0; n--) change(&f);
        vset_read(&f.v, &set);
        if (cold > 0) toy_chill(&f.t);
        if (rnd_below(&f.r, 2) == 0) compare_some(&f, &set, i);
        else compare_all(&f, &set, i);
    }
    finish(&f);
}

TEST("filters answer from memory what they would answer anew") {
    for (uint64_t seed = 1; seed <= 4; seed++) run(seed, 0);
}

TEST("filters answer from memory what they would answer anew, with cold pages") {
    for (uint64_t seed = 5; seed <= 8; seed++) run(seed, 20);
}

TEST("attributes are read once, and after a change those of its page alone") {
    struct fixture f;
    struct vset set;
    begin(&f, 9, 0);
    for (int i = 0; i < 4000; i++) change(&f);
    vset_read(&f.v, &set);
    CHECK(!matches_asked_often(matches_of(&f.v, &set, f.key[2]), &set));
    compare_all(&f, &set, 2);
    CHECK(f.asked > 300);
    f.asked = 0;
    compare_all(&f, &set, 2);
    CHECK_INT(f.asked, 0);
    char name[] = "e0", n[] = "{\"n\":3}";
    slice x = slice_make((float[DIM]){1, 2, 3, 4}, DIM * sizeof(float)), args[2] = {slice_str(name), slice_str(n)};
    struct vset_shape shape = set.shape;
    uint8_t how[VSET_SHAPE_BYTES];
    vset_shape_write(how, &shape);
    apply(&f, VECTOR_ADD, (slice[3]){args[0], x, slice_make(how, sizeof(how))}, 3);
    vset_read(&f.v, &set);
    compare_all(&f, &set, 2);
    f.asked = 0;
    apply(&f, VECTOR_ATTR, args, 2);
    vset_read(&f.v, &set);
    compare_all(&f, &set, 2);
    CHECK(f.asked > 0 && f.asked < 256 + NAMES / 2); /* And the long ones, which are read again. */
    f.asked = 0;
    compare_all(&f, &set, 2);
    CHECK_INT(f.asked, 0);
    finish(&f);
}

TEST("a sampled share stays while few elements have changed") {
    struct fixture f;
    struct vset set;
    double share = 0;
    begin(&f, 10, 0);
    for (int i = 0; i < 4000; i++) change(&f);
    vset_read(&f.v, &set);
    CHECK(!matches_share(matches_of(&f.v, &set, f.key[2]), &set, &share));
    matches_share_set(matches_of(&f.v, &set, f.key[2]), .25);
    CHECK(!matches_share(matches_of(&f.v, &set, f.key[3]), &set, &share));
    for (int i = 0; i < 8; i++) change(&f);
    vset_read(&f.v, &set);
    CHECK(matches_share(matches_of(&f.v, &set, f.key[2]), &set, &share));
    CHECK(share == .25);
    for (int i = 0; i < 100; i++) change(&f);
    vset_read(&f.v, &set);
    CHECK(!matches_share(matches_of(&f.v, &set, f.key[2]), &set, &share));
    finish(&f);
}
