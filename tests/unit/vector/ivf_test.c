/* ivf_test.c -- the index against the set that it is of: nothing is lost, however elements come and go, over
 * pages that are cold at random. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "modules/vector/ivf_internal.h"
#include "modules/vector/ivf_job.h"
#include "modules/vector/recall.h"
#include "modules/vector/rotate.h"
#include "tests/model/toy_pager.c"

#define DIM 20
#define NAMES 3000
#define CENTRES 12

struct world {
    struct toy toy;
    struct value v;
    buf store;
    struct vset_shape shape;
    rnd r;
    float centre[CENTRES][DIM];
    bool there[NAMES];
    uint64_t count;
};

static float gauss(rnd *r) {
    double u = 0;
    for (int i = 0; i < 12; i++) u += rnd_unit(r);
    return (float)(u - 6);
}

static void world_init(struct world *w, enum vector_metric metric, enum quant q, uint64_t seed, unsigned cold) {
    memset(w, 0, sizeof(*w));
    toy_init(&w->toy, seed, cold);
    w->v = toy_value(&w->toy, TYPE_VECTORSET);
    w->shape = (struct vset_shape){.quant = q, .metric = metric, .dim = DIM, .m = 16, .uid = 5};
    rnd_seed(&w->r, seed);
    for (int c = 0; c < CENTRES; c++)
        for (int d = 0; d < DIM; d++) w->centre[c][d] = gauss(&w->r) * 3;
}

static void world_deinit(struct world *w) {
    buf_free(&w->store);
    if (w->v.kind == VALUE_OBJECT) w->v.pager->ops->free(w->v.pager, w->v.obj);
    toy_deinit(&w->toy);
}

static int apply(struct world *w, uint8_t op, const slice *args, size_t n) {
    return toy_apply(&w->toy, &vset_type, &w->v, &w->store, op, args, n);
}

static slice name_of(int i, char tmp[32]) {
    return slice_make(tmp, (size_t)snprintf(tmp, 32, "element:%d", i));
}

static void near(struct world *w, float *x) {
    const float *c = w->centre[rnd_below(&w->r, CENTRES)];
    for (int d = 0; d < DIM; d++) x[d] = c[d] + gauss(&w->r);
}

static void put(struct world *w, int i, const float *x) {
    char tmp[32];
    uint8_t shape[VSET_SHAPE_BYTES];
    vset_shape_write(shape, &w->shape);
    slice args[3] = {name_of(i, tmp), slice_make(x, DIM * sizeof(float)), slice_make(shape, sizeof(shape))};
    CHECK_INT(apply(w, VECTOR_ADD, args, 3), OK);
    w->count += !w->there[i];
    w->there[i] = true;
}

static void add_near(struct world *w, int i) {
    float x[DIM];
    near(w, x);
    put(w, i, x);
}

static void rem(struct world *w, int i) {
    char tmp[32];
    slice arg = name_of(i, tmp);
    CHECK_INT(apply(w, VECTOR_REM, &arg, 1), OK);
    w->there[i] = false;
    w->count--;
}

static void sound(struct world *w) {
    char why[160] = "";
    toy_warm(&w->toy);
    int rc = vset_type.check(&w->v, why);
    if (rc != OK) test_fail(__FILE__, __LINE__, "%s", why);
}

static int effect_of(struct world *w, uint8_t op, const struct ivf_job *j) {
    slice args[3] = {slice_of(&j->args[0]), slice_of(&j->args[1]), slice_of(&j->args[2])};
    return apply(w, op, args, 3);
}

static void build(struct world *w) {
    struct ivf_job j;
    struct vset set;
    struct code_shape code = {.dim = 64, .bits = ivf_bits(DIM), .product = w->shape.metric == METRIC_IP};
    toy_warm(&w->toy);
    vset_read(&w->v, &set);
    ivf_job_init(&j, &w->shape, &code, 77);
    for (uint32_t slot = 0; slot < set.slots; slot++) {
        struct element e;
        if (vset_slot(&w->v, &w->shape, slot, &e) == OK) ivf_job_add(&j, slot, &e.point);
    }
    j.of = set.count;
    ivf_job_build(&j);
    CHECK_INT(effect_of(w, VECTOR_INDEX, &j), OK);
    ivf_job_deinit(&j);
}

static void fill(struct world *w, uint32_t most) {
    struct vset set;
    struct ivf ix;
    for (ivf_read(&w->v, &ix); ix.state == IVF_FILLING; ivf_read(&w->v, &ix)) {
        uint8_t arg[4];
        slice args[1] = {slice_make(arg, 4)};
        vset_read(&w->v, &set);
        uint32_t end = set.slots - ix.filled > 16 ? ix.filled + 16 : set.slots;
        put_u32(arg, end);
        CHECK_INT(apply(w, VECTOR_FILL, args, 1), OK);
        if (end >= most) return;
    }
}

static void split_node(struct world *w, uint32_t cluster) {
    struct ivf ix;
    struct ivf_job j;
    int rc;
    toy_warm(&w->toy);
    ivf_read(&w->v, &ix);
    ivf_job_init(&j, &w->shape, &ix.code, ix.seed);
    rc = ivf_job_gather_node(&j, &w->v, cluster);
    if (rc == OK) {
        ivf_job_node(&j);
        CHECK(ivf_job_node_fits(&j, &w->v, &rc));
        CHECK_INT(effect_of(w, VECTOR_NODE, &j), OK);
    } else {
        CHECK_INT(rc, ERR_NOTFOUND);
    }
    ivf_job_deinit(&j);
}

/* Splits whatever waits; `between` elements come and go while the work is away. */
static void settle(struct world *w, int between) {
    for (int n = 0; n < 1000; n++) {
        struct ivf_job j;
        struct vset set;
        struct ivf ix;
        int rc;
        uint32_t cluster = ivf_todo(&w->v);
        if (cluster == IVF_NONE) return;
        toy_warm(&w->toy);
        vset_read(&w->v, &set);
        ivf_read(&w->v, &ix);
        ivf_job_init(&j, &w->shape, &ix.code, ix.seed);
        CHECK_INT(ivf_job_gather(&j, &w->v, cluster), OK);
        toy_chill(&w->toy);
        while ((rc = ivf_job_gather_rows(&j, &w->v, SIZE_MAX)) == ERR_COLD) (void)toy_fetch(&w->toy);
        CHECK_INT(rc, OK);
        for (int i = 0; i < between; i++) {
            int k = (int)rnd_below(&w->r, NAMES);
            if (w->there[k] && rnd_below(&w->r, 8) == 0 && w->count > 1) rem(w, k);
            else add_near(w, k);
        }
        ivf_job_split(&j);
        toy_warm(&w->toy);
        if (ivf_job_fits(&j, &w->v, &rc)) {
            CHECK_INT(effect_of(w, VECTOR_SPLIT, &j), OK);
            if (get_u32(j.args[0].p + 16) > 0) split_node(w, j.cluster);
        }
        CHECK_INT(rc, OK);
        ivf_job_deinit(&j);
    }
    test_fail(__FILE__, __LINE__, "splits without an end");
}

/* ---- searching -------------------------------------------------------------------------------------- */

struct nearest {
    struct measure measure;
    double distance[10];
    uint32_t slot[10];
    size_t n, k;
    double unit;
};
static double worst(void *cookie) {
    struct nearest *b = cookie;
    return b->n < b->k ? (double)INFINITY : ivf_distance(b->measure.metric, b->distance[b->k - 1], b->unit);
}
static int take(void *cookie, const struct value *v, const struct element *e) {
    struct nearest *b = cookie;
    double d = measure_distance(&b->measure, &e->point);
    (void)v;
    if (b->n == b->k && !(d < b->distance[b->k - 1])) return OK;
    size_t i = b->n < b->k ? b->n++ : b->k - 1;
    for (; i > 0 && b->distance[i - 1] > d; i--) {
        b->distance[i] = b->distance[i - 1];
        b->slot[i] = b->slot[i - 1];
    }
    b->distance[i] = d;
    b->slot[i] = e->slot;
    return OK;
}

static void search(struct world *w, const struct point *q, uint32_t k, uint32_t probes, struct nearest *out) {
    float x[DIM];
    struct ivf ix;
    uint64_t reranked;
    ivf_read(&w->v, &ix);
    *out = (struct nearest){.k = k};
    measure_init(&out->measure, w->shape.quant, w->shape.metric, DIM, q);
    ivf_vector(&w->shape, q, x);
    struct ivf_search s = {.k = k, .probes = probes < ix.clusters ? probes : ix.clusters, .sigmas = 4};
    int rc;
    do {
        rc = ivf_search(&w->v, &w->shape, x, 500, &s);
        if (rc == OK) {
            if (ivf_rerank_begins(&w->v, &s)) out->n = 0;
            out->unit = s.unit;
            rc = ivf_rerank(&w->v, &w->shape, &s, false, worst, take, out, &reranked);
        }
        if (rc == ERR_COLD) (void)toy_fetch(&w->toy);
    } while (rc == ERR_COLD || rc == ERR_AGAIN);
    CHECK_INT(rc, OK);
    ivf_search_deinit(&s);
}

static void exact(struct world *w, const struct point *q, uint32_t k, struct nearest *out) {
    struct vset set;
    *out = (struct nearest){.k = k};
    measure_init(&out->measure, w->shape.quant, w->shape.metric, DIM, q);
    toy_warm(&w->toy);
    vset_read(&w->v, &set);
    for (uint32_t slot = 0; slot < set.slots; slot++) {
        struct element e;
        if (vset_slot(&w->v, &w->shape, slot, &e) == OK) (void)take(out, &w->v, &e);
    }
}

/* With all clusters, and wide errors, a search is a scan of all. */
static void compare(struct world *w, int queries) {
    for (int i = 0; i < queries; i++) {
        float x[DIM];
        uint8_t bytes[4 * DIM];
        struct point q;
        struct nearest want, got;
        near(w, x);
        quant_encode(w->shape.quant, x, DIM, bytes, &q);
        exact(w, &q, 10, &want);
        toy_chill(&w->toy);
        search(w, &q, 10, UINT32_MAX, &got);
        CHECK_INT(got.n, want.n);
        for (size_t k = 0; k < got.n; k++) CHECK(got.distance[k] == want.distance[k]);
    }
}

/* Every element is the nearest to itself; searched in few clusters. */
static void find_all(struct world *w) {
    struct vset set;
    unsigned lost = 0;
    toy_warm(&w->toy);
    vset_read(&w->v, &set);
    for (uint32_t slot = 0; slot < set.slots; slot++) {
        struct element e;
        struct nearest got;
        uint8_t bytes[4 * DIM];
        int rc = vset_slot(&w->v, &w->shape, slot, &e);
        if (rc == ERR_NOTFOUND) continue;
        CHECK_INT(rc, OK);
        memcpy(bytes, e.point.bytes, quant_bytes(w->shape.quant, DIM));
        e.point.bytes = bytes;
        search(w, &e.point, 1, 4, &got);
        lost += got.n != 1 || got.slot[0] != slot;
    }
    CHECK(lost <= w->count / 100);
}

/* What waits of a search that has scanned: until all is measured, nothing but what was asked for stays in memory. Rounds. */
static int measure_alone(struct world *w, struct ivf_search *s, struct nearest *out, int change_at) {
    uint64_t reranked;
    int rounds = 0, rc;
    for (;; rounds++) {
        CHECK(rounds < 400);
        if (rounds == change_at) add_near(w, 0);
        if (rounds == change_at) toy_fetch_only(&w->toy);
        bool begins = ivf_rerank_begins(&w->v, s);
        CHECK_INT(begins, rounds == 0 || rounds == change_at || s->measured == 0);
        if (begins) out->n = 0;
        rc = ivf_rerank(&w->v, &w->shape, s, false, worst, take, out, &reranked);
        if (rc != ERR_COLD) break;
        CHECK(w->toy.held <= w->toy.hold_most && w->toy.wanted > 0);
        CHECK(toy_fetch_only(&w->toy) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK(reranked >= out->n);
    return rounds;
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void life(enum vector_metric metric, enum quant q, uint64_t seed) {
    struct world w;
    world_init(&w, metric, q, seed, 10);
    for (int i = 0; i < 900; i++) add_near(&w, i);
    build(&w);
    sound(&w);
    for (int i = 0; i < 200; i++) add_near(&w, (int)rnd_below(&w.r, NAMES)); /* before it is full */
    fill(&w, 300);
    sound(&w);
    for (int i = 0; i < 100; i++) {
        int k = (int)rnd_below(&w.r, NAMES);
        if (w.there[k]) rem(&w, k);
    }
    fill(&w, UINT32_MAX);
    sound(&w);
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 500; i++) {
            int k = (int)rnd_below(&w.r, NAMES);
            if (w.there[k] && rnd_below(&w.r, 3) == 0) rem(&w, k);
            else add_near(&w, k);
        }
        settle(&w, round % 2 == 0 ? 5 : 0);
        settle(&w, 0);
        sound(&w);
        compare(&w, 10);
    }
    if (metric == METRIC_L2) find_all(&w);
    for (int i = 0; i < NAMES && w.count > 2; i++)
        if (w.there[i]) rem(&w, i);
    for (int i = 0; i < 20; i++) settle(&w, 0);
    sound(&w);
    compare(&w, 2);
    world_deinit(&w);
}

TEST_LONG("distances: elements come and go, and a search of all clusters finds what a scan finds", 120) {
    life(METRIC_L2, QUANT_INT8, 1);
}
TEST_LONG("cosines of floats", 120) { life(METRIC_COSINE, QUANT_F32, 2); }
TEST_LONG("cosines of signs", 120) { life(METRIC_COSINE, QUANT_BIN, 3); }
TEST_LONG("products", 120) { life(METRIC_IP, QUANT_F32, 4); }

TEST_LONG("equal vectors are kept, split, and all of them are there", 120) {
    struct world w;
    float x[DIM] = {1, 2, 3};
    world_init(&w, METRIC_L2, QUANT_F32, 6, 0);
    for (int i = 0; i < 1500; i++) put(&w, i, x);
    build(&w);
    fill(&w, UINT32_MAX);
    settle(&w, 0);
    for (int i = 1500; i < 2500; i++) put(&w, i, x);
    settle(&w, 0);
    sound(&w);
    struct ivf ix;
    ivf_read(&w.v, &ix);
    CHECK(ix.rows == 2500 && ix.clusters >= 2500 / IVF_LEAF_MAX);
    memset(x, 0, sizeof(x));
    for (int i = 2500; i < 2900; i++) { /* one-hot, and zeros */
        x[i % DIM] = i % 3 == 0 ? 0 : 1;
        put(&w, i, x);
        x[i % DIM] = 0;
    }
    settle(&w, 0);
    sound(&w);
    compare(&w, 5);
    world_deinit(&w);
}

/* Few clusters must do, wherever the vectors lie: what is searched for in a sixth of them. */
static double share_found(float offset, float unit) {
    struct world w;
    unsigned found = 0, all = 0;
    world_init(&w, METRIC_L2, QUANT_F32, 11, 0);
    for (int c = 0; c < CENTRES; c++)
        for (int d = 0; d < DIM; d++) w.centre[c][d] = w.centre[c][d] / 3 * 0.7f;
    for (int i = 0; i < 2000; i++) {
        float x[DIM];
        near(&w, x);
        for (int d = 0; d < DIM; d++) x[d] = (x[d] + offset) * unit;
        put(&w, i, x);
    }
    build(&w);
    fill(&w, UINT32_MAX);
    settle(&w, 0);
    struct ivf ix;
    ivf_read(&w.v, &ix);
    for (int i = 0; i < 40; i++) {
        float x[DIM];
        uint8_t bytes[4 * DIM];
        struct point q;
        struct nearest want, got;
        near(&w, x);
        for (int d = 0; d < DIM; d++) x[d] = (x[d] + offset) * unit;
        quant_encode(w.shape.quant, x, DIM, bytes, &q);
        exact(&w, &q, 10, &want);
        search(&w, &q, 10, ix.clusters / 3, &got);
        for (size_t k = 0; k < want.n; k++, all++)
            for (size_t j = 0; j < got.n; j++) found += got.slot[j] == want.slot[k];
    }
    world_deinit(&w);
    return (double)found / all;
}

TEST_LONG("far from zero, and in large and small units, a search finds as much", 120) {
    double usual = share_found(0, 1), far = share_found(500, 1), large = share_found(0, 1e6f),
           small = share_found(50, 1e-6f);
    printf("# found %.3f, far %.3f, large %.3f, small %.3f\n", usual, far, large, small);
    CHECK(usual > 0.8);
    CHECK(far > usual - 0.03 && large > usual - 0.03 && small > usual - 0.03);
}

TEST("a search and a split go on, a few pages at a time, while all others leave memory") {
    struct world w;
    struct ivf ix;
    struct vset set;
    world_init(&w, METRIC_L2, QUANT_F32, 14, 100);
    for (int i = 0; i < NAMES; i++) add_near(&w, i);
    toy_warm(&w.toy);
    build(&w);
    fill(&w, UINT32_MAX);
    settle(&w, 0);
    toy_warm(&w.toy);
    ivf_read(&w.v, &ix);
    vset_read(&w.v, &set);
    w.toy.hold_most = 3;
    for (int change = -1; change <= 1; change += 2) {
        float x[DIM], y[DIM];
        uint8_t bytes[4 * DIM];
        struct point q;
        struct nearest want, got = {.k = 10};
        near(&w, x);
        quant_encode(w.shape.quant, x, DIM, bytes, &q);
        measure_init(&got.measure, w.shape.quant, w.shape.metric, DIM, &q);
        ivf_vector(&w.shape, &q, y);
        struct ivf_search s = {.k = 10, .probes = ix.clusters, .sigmas = 4};
        toy_warm(&w.toy);
        while (ivf_search(&w.v, &w.shape, y, SIZE_MAX, &s) == ERR_COLD) (void)toy_fetch(&w.toy);
        got.unit = s.unit;
        toy_chill(&w.toy);
        CHECK(measure_alone(&w, &s, &got, change) > (change < 0 ? 0 : change));
        ivf_search_deinit(&s);
        if (change >= 0) continue;
        exact(&w, &q, 10, &want);
        CHECK_INT(got.n, want.n);
        for (size_t k = 0; k < got.n; k++) CHECK(got.distance[k] == want.distance[k]);
    }
    struct ivf_job j;
    int rc;
    unsigned rounds = 0;
    w.toy.hold_most = 1;
    ivf_job_init(&j, &w.shape, &ix.code, ix.seed);
    toy_warm(&w.toy);
    CHECK_INT(ivf_job_gather(&j, &w.v, 0), OK);
    toy_chill(&w.toy);
    while ((rc = ivf_job_gather_rows(&j, &w.v, SIZE_MAX)) == ERR_COLD) {
        CHECK(++rounds < 400);
        CHECK(toy_fetch_only(&w.toy) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(j.n, j.slots.n / 4);
    CHECK(rounds > 2);
    ivf_job_deinit(&j);
    /* Warm, and some rows at a time. */
    ivf_job_init(&j, &w.shape, &ix.code, ix.seed);
    toy_warm(&w.toy);
    CHECK_INT(ivf_job_gather(&j, &w.v, 0), OK);
    for (rounds = 0; (rc = ivf_job_gather_rows(&j, &w.v, 7)) == ERR_AGAIN;) CHECK_INT(j.n, ++rounds * 7);
    CHECK_INT(rc, OK);
    CHECK(j.n == j.slots.n / 4 && rounds == (j.n - 1) / 7 && j.n > 7);
    for (size_t i = 0; i < j.n; i++) CHECK_INT(j.rows[i].slot, get_u32(j.slots.p + 4 * i));
    ivf_job_deinit(&j);
    /* A row that has gone since. */
    ivf_job_init(&j, &w.shape, &ix.code, ix.seed);
    toy_warm(&w.toy);
    CHECK_INT(ivf_job_gather(&j, &w.v, 0), OK);
    for (int i = 1; i < NAMES; i++) rem(&w, i);
    toy_warm(&w.toy);
    CHECK_INT(ivf_job_gather_rows(&j, &w.v, SIZE_MAX), ERR_NOTFOUND);
    ivf_job_deinit(&j);
    world_deinit(&w);
}

TEST("a walk over slots passes what is not there") {
    struct world w;
    struct vset set;
    world_init(&w, METRIC_L2, QUANT_F32, 12, 0);
    for (int i = 0; i < NAMES; i++) add_near(&w, i);
    for (int i = 0; i < NAMES - 30; i++) rem(&w, i);
    vset_read(&w.v, &set);
    unsigned steps = 0, met = 0;
    for (uint32_t slot = 0; (slot = vset_slot_next(&w.v, &set, slot)) < set.slots; slot++, steps++) {
        struct element e;
        met += vset_slot(&w.v, &w.shape, slot, &e) == OK;
    }
    CHECK_INT(met, 30);
    CHECK(steps < NAMES / 2);
    build(&w);
    fill(&w, UINT32_MAX); /* in steps of sixteen slots, most of which are free */
    sound(&w);
    compare(&w, 3);
    world_deinit(&w);
}

TEST("a cluster that is left as it is waits no more") {
    struct world w;
    uint8_t number[4];
    world_init(&w, METRIC_L2, QUANT_INT8, 13, 0);
    for (int i = 0; i < 600; i++) add_near(&w, i);
    build(&w);
    fill(&w, UINT32_MAX);
    settle(&w, 0);
    for (int i = 600; i < NAMES && ivf_todo(&w.v) == IVF_NONE; i++) add_near(&w, i);
    uint32_t cluster = ivf_todo(&w.v);
    CHECK(cluster != IVF_NONE);
    put_u32(number, cluster);
    slice arg = slice_make(number, 4);
    CHECK_INT(apply(&w, VECTOR_LEAVE, &arg, 1), OK);
    CHECK(ivf_todo(&w.v) != cluster);
    sound(&w);
    world_deinit(&w);
}

TEST("effects that do not fit are refused, and change nothing") {
    struct world w;
    world_init(&w, METRIC_L2, QUANT_INT8, 7, 0);
    for (int i = 0; i < 600; i++) add_near(&w, i);
    build(&w);
    fill(&w, UINT32_MAX);
    sound(&w);
    uint8_t head[24] = {0}, bytes[64] = {0};
    slice args[3] = {slice_make(head, 24), slice_make(bytes, 0), slice_make(bytes, 0)};
    CHECK_INT(apply(&w, VECTOR_SPLIT, args, 3), ERR_CORRUPT); /* It would lose its rows. */
    put_u32(head, 0xffffff);
    CHECK_INT(apply(&w, VECTOR_SPLIT, args, 3), ERR_CORRUPT);
    args[0].n = 7;
    CHECK_INT(apply(&w, VECTOR_SPLIT, args, 3), ERR_CORRUPT);
    args[0] = slice_make(bytes, 1);
    args[1] = slice_make(bytes, 8);
    args[2] = slice_make(bytes, 64);
    CHECK_INT(apply(&w, VECTOR_INDEX, args, 3), ERR_CORRUPT); /* There is one. */
    args[0] = slice_make(bytes, 4);
    CHECK_INT(apply(&w, VECTOR_FILL, args, 1), ERR_CORRUPT);  /* It is full. */
    CHECK_INT(apply(&w, VECTOR_PROBES, args, 2), ERR_CORRUPT);
    CHECK_INT(apply(&w, 99, args, 1), ERR_CORRUPT);
    CHECK_INT(apply(&w, VECTOR_LEAVE, args, 2), ERR_CORRUPT);
    for (uint32_t children = 1; children < 600; children += 97) {
        put_u32(head, 0);
        put_u32(head + 16, children);
        args[0] = slice_make(head, 24);
        args[1] = slice_make(bytes, 64);
        args[2] = slice_make(bytes, 0);
        CHECK_INT(apply(&w, VECTOR_SPLIT, args, 3), ERR_CORRUPT);
    }
    sound(&w);
    compare(&w, 3);
    world_deinit(&w);
}

TEST("the curve of recall says how many clusters are enough") {
    struct world w;
    struct vset set;
    uint16_t probes[RECALL_KS][RECALL_TARGETS];
    world_init(&w, METRIC_L2, QUANT_F32, 8, 0);
    for (int i = 0; i < NAMES; i++) add_near(&w, i);
    build(&w);
    fill(&w, UINT32_MAX);
    settle(&w, 0);
    vset_read(&w.v, &set);
    recall *r = recall_create(30, 0, 0);
    int rc;
    while ((rc = recall_step(r, &w.v, &set, &w.r)) == ERR_AGAIN) {}
    CHECK_INT(rc, OK);
    CHECK_INT(recall_samples(r), 30);
    recall_curves(r, probes);
    for (int k = 0; k < RECALL_KS; k++)
        for (int t = 0; t + 1 < RECALL_TARGETS; t++) CHECK(probes[k][t] >= 1 && probes[k][t] <= probes[k][t + 1]);
    recall_free(r);
    r = recall_create(50, 10, probes[1][2]);
    while ((rc = recall_step(r, &w.v, &set, &w.r)) == ERR_AGAIN) {}
    printf("# %u probes for 0.95: recall %.3f\n", probes[1][2], recall_mean(r));
    CHECK(recall_mean(r) > 0.88);
    recall_free(r);
    world_deinit(&w);
}

/* A job over n rows of DIM coordinates, with so many neighbours; y: the rows as the job sees them. */
static void job_by_hand(struct ivf_job *j, rnd *r, size_t n, size_t neighbours, float *y) {
    struct vset_shape shape = {.quant = QUANT_F32, .metric = METRIC_L2, .dim = DIM};
    struct code_shape code = {.dim = 64, .bits = 4};
    uint8_t half[2 * 64], bytes[4 * DIM];
    float x[DIM];
    ivf_job_init(j, &shape, &code, 9);
    for (size_t i = 0; i < n + neighbours; i++) {
        for (int d = 0; d < DIM; d++) x[d] = gauss(r) / 4;
        if (i < n) {
            struct point p;
            rotate(9, x, DIM, y + i * 64);
            quant_encode(QUANT_F32, x, DIM, bytes, &p);
            ivf_job_add(j, (uint32_t)i, &p);
        } else {
            float c[64];
            rotate(9, x, DIM, c);
            half_from_floats(c, 64, half);
            buf_append(&j->centroids, half, sizeof(half));
        }
    }
    j->neighbours = mem_calloc(neighbours, sizeof(*j->neighbours));
    j->neighbours_n = neighbours;
    for (uint32_t k = 0; k < neighbours; k++) j->neighbours[k] = (struct ivf_neighbour){k, 7};
    ivf_job_split(j);
}

/* To which neighbour a row goes; IVF_NONE: to none. */
static uint32_t moved_to(const struct ivf_job *j, uint32_t slot) {
    size_t one = 12 + code_bytes(&j->code) + 12;
    for (size_t at = 0; at < j->args[2].n; at += one)
        if (get_u32(j->args[2].p + at) == slot) return get_u32(j->args[2].p + at + 4);
    return IVF_NONE;
}

TEST("rows of a split go to a neighbour where one is nearer, and all rows of a small cluster to the nearest") {
    rnd r;
    rnd_seed(&r, 12);
    for (size_t n = 20; n <= 100; n += 80) {
        struct ivf_job j;
        float y[100 * 64];
        size_t moved = 0;
        job_by_hand(&j, &r, n, 33, y);
        const uint8_t *own = n == 20 ? NULL : j.args[1].p; /* one child */
        CHECK_INT(get_u32(j.args[0].p + 16), n == 20 ? 0 : 1);
        for (uint32_t i = 0; i < n; i++) {
            float least = own == NULL ? INFINITY : half_l2_square(y + i * 64, own, 64);
            uint32_t to = moved_to(&j, i);
            for (size_t k = 0; k < 33; k++) {
                float d = half_l2_square(y + i * 64, j.centroids.p + k * 128, 64);
                if (d < least * 0.999f) least = d;
            }
            float got = half_l2_square(y + i * 64, to == IVF_NONE ? own : j.centroids.p + to * (size_t)128, 64);
            CHECK(got <= least * 1.002f);
            moved += to != IVF_NONE;
        }
        CHECK(n == 20 ? moved == 20 : moved > 0 && moved < n);
        ivf_job_deinit(&j);
    }
}

/* A new index with so many clusters, all of them in node 0. */
static void build_wide(struct world *w, uint32_t clusters) {
    uint8_t bits = 4, head[12 + 4 * 64] = {0}, half[2 * 64], number[4] = {0};
    float y[64], one = 1;
    buf all = BUF_INIT;
    memcpy(head + 8, &one, 4);
    for (uint32_t i = 0; i < clusters; i++) {
        for (int d = 0; d < 64; d++) y[d] = gauss(&w->r) * 3;
        half_from_floats(y, 64, half);
        buf_append(&all, number, 4);
        buf_append(&all, half, sizeof(half));
    }
    slice args[3] = {slice_make(&bits, 1), slice_make(head, sizeof(head)), slice_of(&all)};
    CHECK_INT(apply(w, VECTOR_INDEX, args, 3), OK);
    buf_free(&all);
}

static void check_child(const struct code_shape *c, slice a, slice b, uint32_t i) {
    uint8_t x[64], y[64];
    struct code_factors f, g;
    CHECK(code_bytes(c) <= sizeof(x));
    CHECK_INT(node_child(a, c, i), node_child(b, c, i));
    CHECK(memcmp(node_centroid(a, c, i), node_centroid(b, c, i), 2 * (size_t)c->dim) == 0);
    block_get(c, node_block(a, c, i / CODE_ROWS) + 4 * CODE_ROWS, i % CODE_ROWS, x, &f);
    block_get(c, node_block(b, c, i / CODE_ROWS) + 4 * CODE_ROWS, i % CODE_ROWS, y, &g);
    CHECK(memcmp(x, y, code_bytes(c)) == 0 && f.add == g.add && f.resc == g.resc && f.err == g.err);
}

/* Is the node's page as if its clusters had come to it one by one? */
static uint32_t check_node(struct world *w, uint32_t node) {
    struct ivf ix;
    slice page;
    buf was = BUF_INIT;
    ivf_read(&w->v, &ix);
    CHECK_INT(ivf__node(&w->v, &ix.code, node, &page), OK);
    buf_append_slice(&was, page);
    uint32_t n = route_n(page);
    CHECK_INT(w->v.pager->ops->drop(w->v.pager, w->v.obj, vset_page(VSET_ROUTES, 1 + (uint64_t)node)), OK);
    for (uint32_t i = 0; i < n; i++)
        CHECK_INT(ivf__node_put(&w->v, &ix.code, node, node_child(slice_of(&was), &ix.code, i),
                                node_centroid(slice_of(&was), &ix.code, i)), OK);
    CHECK_INT(ivf__node(&w->v, &ix.code, node, &page), OK);
    CHECK_INT(page.n, was.n);
    for (uint32_t i = 0; i < n; i++) check_child(&ix.code, page, slice_of(&was), i);
    buf_free(&was);
    return n;
}

TEST("a node of too many clusters becomes two, and all that is in them is found") {
    struct world w;
    struct ivf ix;
    struct ivf_job j;
    uint32_t clusters = IVF_NODE_MAX + 8;
    int rc;
    world_init(&w, METRIC_L2, QUANT_INT8, 22, 40);
    for (int i = 0; i < 800; i++) add_near(&w, i);
    build_wide(&w, clusters);
    fill(&w, UINT32_MAX);
    toy_warm(&w.toy);
    ivf_read(&w.v, &ix);
    ivf_job_init(&j, &w.shape, &ix.code, ix.seed);
    CHECK_INT(ivf_job_gather_node(&j, &w.v, 7), OK);
    ivf_job_node(&j);
    put_u32(j.args[0].p + 4, j.generation + 1); /* Of another time. */
    CHECK(!ivf_job_node_fits(&j, &w.v, &rc));
    CHECK_INT(effect_of(&w, VECTOR_NODE, &j), ERR_CORRUPT);
    put_u32(j.args[0].p + 4, j.generation);
    toy_warm(&w.toy);
    for (size_t at = 0; at < j.args[2].n; at += 61) { /* Numbers, sides, and codes, which may be any. */
        uint8_t was = j.args[2].p[at];
        j.args[2].p[at] = (uint8_t)(was ^ 0x55);
        size_t in = at % (8 + code_bytes(&ix.code) + 12);
        if (in < 8) CHECK_INT(effect_of(&w, VECTOR_NODE, &j), ERR_CORRUPT);
        j.args[2].p[at] = was;
    }
    j.args[2].n--;
    CHECK_INT(effect_of(&w, VECTOR_NODE, &j), ERR_CORRUPT);
    j.args[2].n++;
    toy_warm(&w.toy);
    CHECK_INT(get_u32(ivf__meta(&w.v) + IM_NODES), 1);
    CHECK_INT(effect_of(&w, VECTOR_NODE, &j), OK);
    sound(&w);
    CHECK_INT(get_u32(ivf__meta(&w.v) + IM_NODES), 2);
    uint32_t stay = check_node(&w, 0), gone = check_node(&w, 1);
    CHECK(stay >= clusters / 4 && gone >= clusters / 4);
    CHECK_INT(stay + gone, clusters);
    CHECK(!ivf_job_node_fits(&j, &w.v, &rc));
    CHECK_INT(effect_of(&w, VECTOR_NODE, &j), ERR_CORRUPT); /* It has been done. */
    toy_warm(&w.toy);
    ivf_job_deinit(&j);
    ivf_job_init(&j, &w.shape, &ix.code, ix.seed);
    CHECK_INT(ivf_job_gather_node(&j, &w.v, 7), ERR_NOTFOUND);
    ivf_job_deinit(&j);
    compare(&w, 5);
    world_deinit(&w);
}

static int by_estimate(const void *a, const void *b) {
    const struct ivf_candidate *x = a, *y = b;
    if (x->est != y->est) return x->est < y->est ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* What kinds of order there are before: by chance, with many equal ones, rising, falling, the highest in the middle. */
static float estimate_of(rnd *r, unsigned kind, size_t i, size_t n) {
    switch (kind) {
    case 0: return gauss(r);
    case 1: return (float)rnd_below(r, 4);
    case 2: return (float)i;
    case 3: return -(float)i;
    default: return (float)(i < n / 2 ? i : n - i);
    }
}

TEST("the least of many candidates come first, in order") {
    enum { N = 3000 };
    struct ivf_candidate c[N], sorted[N];
    rnd r;
    rnd_seed(&r, 13);
    for (int round = 0; round < 400; round++) {
        size_t n = round < 40 ? (size_t)round : (size_t)rnd_below(&r, N), want = (size_t)rnd_below(&r, n + 2);
        for (size_t i = 0; i < n; i++)
            c[i] = (struct ivf_candidate){.est = estimate_of(&r, (unsigned)round % 5, i, n), .slot = (uint32_t)i};
        if (n > 3) c[n / 3].est = -INFINITY;
        memcpy(sorted, c, n * sizeof(*c));
        if (n > 0) qsort(sorted, n, sizeof(*sorted), by_estimate);
        ivf__least_first(c, n, want);
        size_t first = want < n ? want : n;
        CHECK(memcmp(c, sorted, first * sizeof(*c)) == 0);
        if (n > 0) qsort(c, n, sizeof(*c), by_estimate); /* None is lost. */
        CHECK(memcmp(c, sorted, n * sizeof(*c)) == 0);
    }
}
