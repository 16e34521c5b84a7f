/* zset_test.c -- sorted sets against a sorted array, in every representation, with cold pages. */
#include "test.h"

#include <math.h>

#include "base/listpack.h"
#include "base/mem.h"
#include "tests/model/toy_pager.c"
#include "types/rdb.h"
#include "types/zset_internal.h"

#define MEMBERS 4000

struct item {
    bool there;
    double score;
    char name[80];
    size_t n;
    uint8_t *large; /* instead of the name */
};

struct world {
    struct toy t;
    struct value v;
    buf store;
    rnd r;
    struct item items[MEMBERS];
    int order[MEMBERS]; /* those that are there */
    size_t members, count;
    int scores; /* how many different ones */
};

static slice member_of(const struct item *it) {
    return it->large != NULL ? slice_make(it->large, it->n) : slice_make(it->name, it->n);
}

static struct world *sorting; /* qsort has no cookie. */

static int by_order(const void *a, const void *b) {
    const struct item *x = &sorting->items[*(const int *)a], *y = &sorting->items[*(const int *)b];
    return zset__compare(x->score, member_of(x), y->score, member_of(y));
}

static void sort_model(struct world *w) {
    w->count = 0;
    for (size_t i = 0; i < w->members; i++)
        if (w->items[i].there) w->order[w->count++] = (int)i;
    sorting = w;
    qsort(w->order, w->count, sizeof(*w->order), by_order);
}

static struct world *world_new(uint64_t seed, size_t members, int scores, size_t large_every) {
    struct world *w = mem_calloc(1, sizeof(*w));
    toy_init(&w->t, seed, 25);
    rnd_seed(&w->r, seed);
    w->v = toy_value(&w->t, TYPE_ZSET);
    w->members = members;
    w->scores = scores;
    for (size_t i = 0; i < members; i++) {
        struct item *it = &w->items[i];
        if (large_every > 0 && i % large_every == 0) {
            it->n = 500 + rnd_below(&w->r, i % (2 * large_every) == 0 ? 5000 : 60000);
            it->large = mem_calloc(1, it->n);
            put_u32(it->large + it->n - 4, (uint32_t)i); /* They differ at their ends only. */
        } else {
            it->n = (size_t)snprintf(it->name, sizeof(it->name), "member-%0*zu", (int)(i % 30), i);
            if (i % 3 == 0) it->n = (size_t)snprintf(it->name, sizeof(it->name), "%zu", i);
        }
    }
    return w;
}

static void world_free(struct world *w) {
    if (w->v.kind == VALUE_OBJECT) w->t.base.ops->free(&w->t.base, w->v.obj);
    for (size_t i = 0; i < w->members; i++) mem_free(w->items[i].large);
    buf_free(&w->store);
    toy_deinit(&w->t);
    mem_free(w);
}

/* Until it is not cold. */
#define WARM(w, call)                                                                             \
    while ((rc = (call)) == ERR_COLD) CHECK(toy_fetch(&(w)->t) > 0)

struct walk {
    struct world *w;
    size_t at, calls;
    bool backward;
};

static int walk_member(void *cookie, slice member, double score) {
    struct walk *k = cookie;
    const struct item *it = &k->w->items[k->w->order[k->at]];
    CHECK(slice_eq(member, member_of(it)));
    CHECK(score == it->score);
    k->at += k->backward ? (size_t)-1 : 1;
    k->calls++;
    return 0;
}

struct met {
    struct world *w;
    unsigned seen[MEMBERS];
};

static int meet(void *cookie, slice member, double score) {
    struct met *m = cookie;
    for (size_t i = 0; i < m->w->members; i++) {
        if (!slice_eq(member, member_of(&m->w->items[i]))) continue;
        m->seen[i]++;
        CHECK(m->w->items[i].there && score == m->w->items[i].score);
        return 0;
    }
    CHECK(false);
    return 1;
}

static void check_range(struct world *w) {
    int rc;
    if (w->count == 0) return;
    uint64_t first = rnd_below(&w->r, w->count), n = rnd_below(&w->r, w->count - first) + 1;
    struct walk k = {w, (size_t)first, 0, rnd_below(&w->r, 2) == 0};
    if (k.backward) k.at += (size_t)n - 1;
    toy_chill(&w->t);
    while ((rc = zset_each(&w->v, first, n, k.backward, walk_member, &k)) == ERR_COLD) {
        CHECK_INT(k.calls, 0);
        CHECK(toy_fetch(&w->t) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(k.calls, n);
    double score;
    slice member;
    char tmp[NUM_LL_MAX];
    WARM(w, zset_at(&w->v, first, &score, &member, tmp));
    CHECK_INT(rc, OK);
    CHECK(slice_eq(member, member_of(&w->items[w->order[first]])));
}

static void check_seek(struct world *w) {
    double score = (double)rnd_below(&w->r, (uint64_t)w->scores + 2) - 1;
    for (int cut = ZSET_BELOW_SCORE; cut <= ZSET_ABOVE_MEMBER; cut++) {
        struct zset_edge edge = {.cut = (enum zset_cut)cut, .score = score,
                                 .member = member_of(&w->items[rnd_below(&w->r, w->members)])};
        if (cut >= ZSET_BELOW_MEMBER && w->scores > 1) break;
        uint64_t rank, want = 0;
        int rc;
        toy_chill(&w->t);
        while (want < w->count && zset__before(&edge, w->items[w->order[want]].score,
                                               member_of(&w->items[w->order[want]]))) want++;
        WARM(w, zset_seek(&w->v, &edge, &rank));
        CHECK_INT(rc, OK);
        CHECK_INT(rank, want);
    }
}

static void check_all(struct world *w) {
    char why[160] = "";
    int rc;
    sort_model(w);
    CHECK_INT(zset_len(&w->v), w->count);
    for (size_t k = 0; k < w->count; k++) {
        const struct item *it = &w->items[w->order[k]];
        uint64_t rank;
        double score;
        if (k % 50 == 0) toy_chill(&w->t);
        WARM(w, zset_rank(&w->v, member_of(it), &rank, &score));
        CHECK_INT(rc, OK);
        CHECK_INT(rank, k);
        CHECK(score == it->score);
    }
    for (size_t i = 0; i < w->members; i++) {
        double score;
        WARM(w, zset_score(&w->v, member_of(&w->items[i]), &score));
        CHECK_INT(rc, w->items[i].there ? OK : ERR_NOTFOUND);
    }
    for (int i = 0; i < 5; i++) check_range(w), check_seek(w);
    toy_warm(&w->t);
    rc = w->v.kind == VALUE_NONE ? OK : type_zset.check(&w->v, why);
    if (rc != OK) printf("# %s\n", why);
    CHECK_INT(rc, OK);
}

static void check_scan(struct world *w) {
    struct met m = {.w = w};
    uint64_t cursor = 0;
    unsigned rounds = 0;
    do {
        int rc;
        toy_chill(&w->t);
        WARM(w, zset_scan(&w->v, &cursor, 10, meet, &m));
        CHECK_INT(rc, OK);
        CHECK(++rounds <= w->members + 1);
    } while (cursor != 0);
    for (size_t i = 0; i < w->members; i++) CHECK_INT(m.seen[i], w->items[i].there);
}

static double draw_score(struct world *w) {
    uint64_t i = rnd_below(&w->r, (uint64_t)w->scores);
    return w->scores > 1 && i == 0 ? -INFINITY : (double)i;
}

static void random_op(struct world *w, unsigned adds) {
    slice args[24];
    uint8_t scores[12][8];
    uint64_t what = rnd_below(&w->r, 100);
    size_t n = 1 + rnd_below(&w->r, 12);
    if (what < adds) {
        size_t first = rnd_below(&w->r, w->members), step = 1 + rnd_below(&w->r, 12);
        if (n * step > w->members) n = w->members / step;
        for (size_t k = 0; k < n; k++) {
            struct item *it = &w->items[(first + k * step) % w->members]; /* All different. */
            it->there = true;
            it->score = draw_score(w);
            args[2 * k] = zset_score_arg(scores[k], it->score);
            args[2 * k + 1] = member_of(it);
        }
        CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_ADD, args, 2 * n), OK);
    } else if (what < 97 || w->v.kind == VALUE_NONE) {
        for (size_t k = 0; k < n; k++) {
            struct item *it = &w->items[rnd_below(&w->r, w->members)];
            it->there = false;
            args[k] = member_of(it);
        }
        CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_REM, args, n), OK);
    } else {
        sort_model(w);
        uint64_t first = rnd_below(&w->r, w->count), most = w->count - first;
        uint64_t some = 1 + rnd_below(&w->r, most > 200 && what < 99 ? 200 : most);
        put_u64(scores[0], first);
        put_u64(scores[1], some);
        args[0] = slice_make(scores[0], 8);
        args[1] = slice_make(scores[1], 8);
        for (uint64_t k = first; k < first + some; k++) w->items[w->order[k]].there = false;
        CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_REM_RANKS, args, 2), OK);
    }
}

/* A copy by its payload, which must be the same set. */
static void check_dump(struct world *w) {
    buf dump = BUF_INIT, again = BUF_INIT;
    uint8_t one[20] = {0}, two[20] = {0};
    if (w->v.kind == VALUE_NONE) return;
    toy_warm(&w->t);
    CHECK_INT(type_zset.dump(&w->v, &dump), OK);
    CHECK_INT(dump.p[0], w->v.aux != 0 ? RDB_ZSET_2 : RDB_ZSET_LISTPACK);
    struct value copy = toy_value(&w->t, TYPE_ZSET);
    reader r = reader_make(slice_of(&dump));
    uint8_t type = read_u8(&r);
    w->t.scratch.n = 0;
    CHECK_INT(type_zset.restore(&copy, type, &r, RDB_VERSION), OK);
    CHECK_INT(zset_len(&copy), zset_len(&w->v));
    CHECK_INT(type_zset.digest(&w->v, one), OK);
    CHECK_INT(type_zset.digest(&copy, two), OK);
    CHECK(memcmp(one, two, 20) == 0);
    if (copy.kind == VALUE_OBJECT) w->t.base.ops->free(&w->t.base, copy.obj);
    buf_free(&dump);
    buf_free(&again);
}

static void run(uint64_t seed, size_t members, int scores, size_t large_every, int steps, uint8_t kind,
                const char *encoding) {
    struct world *w = world_new(seed, members, scores, large_every);
    for (int i = 0; i < steps; i++) {
        random_op(w, i < steps * 2 / 3 ? 75 : 35);
        if (i % 100 == 0) check_all(w);
        if (i == steps * 2 / 3) {
            if (kind != VALUE_NONE) CHECK_INT(w->v.kind, kind);
            if (encoding != NULL) CHECK_STR(type_zset.encoding(&w->v), encoding);
            check_scan(w);
            check_dump(w);
        }
    }
    check_all(w);
    check_scan(w);
    check_dump(w);
    for (size_t i = 0; i < members; i++) {
        slice member = member_of(&w->items[i]);
        w->items[i].there = false;
        CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_REM, &member, 1), OK);
        if (i % 500 == 0) check_all(w);
    }
    CHECK_INT(w->v.kind, VALUE_NONE);
    world_free(w);
}

TEST("a few members are inline") { run(1, 20, 10, 0, 1500, VALUE_RAW, "listpack"); }
TEST("a hundred are a tree that calls itself a listpack") { run(2, 120, 1000, 0, 1500, VALUE_OBJECT, "listpack"); }
TEST("many members, few of them with one score") { run(3, 4000, 100000, 0, 3000, VALUE_OBJECT, "skiplist"); }
TEST("many members of few scores") { run(4, 4000, 3, 0, 2000, VALUE_OBJECT, "skiplist"); }
TEST("many members of one score") { run(5, 4000, 1, 0, 2000, VALUE_OBJECT, "skiplist"); }
TEST("large members, which differ at their ends") { run(6, 400, 5, 3, 800, VALUE_OBJECT, "skiplist"); }
TEST("large members alone") { run(7, 300, 1, 1, 600, VALUE_OBJECT, "skiplist"); }

static void add_one(struct world *w, double score, slice member) {
    uint8_t tmp[8];
    slice args[2] = {zset_score_arg(tmp, score), member};
    CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_ADD, args, 2), OK);
}

/* Pages that a change has looked at, and of these those that had not come near. */
static void count_far(object *o, size_t *got, size_t *far) {
    for (size_t i = 0; i < o->count; i++) {
        struct toy_page *g = &o->pages[i];
        *got += g->got;
        *far += g->got && !g->near;
        g->got = g->near = false;
    }
}

TEST("what a change of a score is going to look at comes near") {
    struct world *w = world_new(11, MEMBERS, 100000, 0);
    slice members[MEMBERS], texts[MEMBERS];
    char text[MEMBERS][16];
    size_t got = 0, far = 0;
    w->t.cold_percent = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        uint8_t score[8];
        members[i] = member_of(&w->items[i]);
        slice args[2] = {zset_score_arg(score, (double)rnd_below(&w->r, 100000)), members[i]};
        CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_ADD, args, 2), OK);
        texts[i] = slice_make(text[i], (size_t)snprintf(text[i], 16, "%d", (int)rnd_below(&w->r, 100000)));
    }
    count_far(w->v.obj, &got, &far);
    CHECK(far > 0);
    got = far = 0;
    for (size_t i = 0; i + 100 <= MEMBERS; i += 100) {
        type_zset.ahead(&w->v, members + i, texts + i, 100);
        for (size_t k = i; k < i + 100; k++) {
            double score;
            slice args[2] = {{(uint8_t *)&score, 8}, members[k]};
            CHECK_INT(zset_score(&w->v, members[k], &score), OK);
            CHECK(num_parse_double(texts[k], &score));
            CHECK_INT(zset_need_add(&w->v, args, 2), OK);
        }
        count_far(w->v.obj, &got, &far);
        CHECK_INT(far, 0);
    }
    CHECK(got > MEMBERS / 100);
    world_free(w);
}

TEST("coming near asks for no page, and takes any score, and any state") {
    struct world *w = world_new(12, 1000, 1000, 0);
    static const char *const scores[] = {"1", "nan", "", "x", "-inf", "1e300", "0x10"};
    slice members[100], texts[100];
    w->t.cold_percent = 50;
    for (size_t i = 0; i < 1000; i++) {
        uint8_t score[8];
        slice args[2] = {zset_score_arg(score, (double)(i * 7 % 1000)), member_of(&w->items[i])};
        CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_ADD, args, 2), OK);
        toy_chill(&w->t);
        for (size_t k = 0; k < 100; k++) {
            members[k] = member_of(&w->items[(i + 13 * k) % 1000]);
            texts[k] = k % 8 == 7 ? slice_make(NULL, 0) : slice_str(scores[k % 8]);
        }
        size_t wanted = w->t.wanted;
        uint64_t changes = w->t.changes;
        type_zset.ahead(&w->v, members, texts, 100);
        CHECK_INT(w->t.wanted, wanted);
        CHECK_INT(w->t.changes, changes);
        toy_warm(&w->t);
    }
    world_free(w);
}

TEST("members that come in order fill their leaves, from both ends") {
    for (int down = 0; down < 2; down++) {
        struct world *w = world_new(1, 0, 1, 0);
        w->t.cold_percent = 0;
        char tmp[NUM_LL_MAX];
        size_t bytes = 0;
        for (int i = 0; i < 20000; i++) {
            add_one(w, down ? -i : i, slice_make(tmp, num_print_ll(tmp, 1000000 + i)));
        }
        for (size_t i = 0; i < w->v.obj->count; i++) bytes += w->v.obj->pages[i].n;
        CHECK(bytes < 20000 * 31); /* 17 in a leaf, 12 in the index */
        CHECK(bytes > 20000 * 29);
        world_free(w);
    }
}

TEST("OBJECT ENCODING follows the thresholds, and skiplist stays") {
    struct world *w = world_new(1, 0, 1, 0);
    char tmp[80];
    for (int i = 0; i < 128; i++) add_one(w, i, slice_make(tmp, num_print_ll(tmp, i)));
    CHECK_STR(type_zset.encoding(&w->v), "listpack");
    add_one(w, 5, SLICE("0"));
    CHECK_STR(type_zset.encoding(&w->v), "listpack");
    add_one(w, 5, SLICE("another"));
    CHECK_STR(type_zset.encoding(&w->v), "skiplist");
    uint8_t first[8], n[8];
    put_u64(first, 1);
    put_u64(n, 127);
    slice args[2] = {slice_make(first, 8), slice_make(n, 8)};
    CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_REM_RANKS, args, 2), OK);
    CHECK_INT(zset_len(&w->v), 2);
    CHECK_INT(w->v.kind, VALUE_RAW);
    CHECK_STR(type_zset.encoding(&w->v), "skiplist");
    put_u64(first, 0);
    put_u64(n, 2);
    CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_REM_RANKS, args, 2), OK);
    CHECK_INT(w->v.kind, VALUE_NONE);
    memset(tmp, 'x', sizeof(tmp));
    add_one(w, 1, slice_make(tmp, 64));
    CHECK_STR(type_zset.encoding(&w->v), "listpack");
    add_one(w, 1, slice_make(tmp, 65));
    CHECK_STR(type_zset.encoding(&w->v), "skiplist");
    CHECK_INT(w->v.kind, VALUE_RAW);
    world_free(w);
}

TEST("a listpack knows no -0, a skiplist does") {
    struct world *w = world_new(1, 0, 1, 0);
    double score;
    add_one(w, -0.0, SLICE("a"));
    CHECK_INT(zset_score(&w->v, SLICE("a"), &score), OK);
    CHECK(!signbit(score));
    w->t.config.zset_max_listpack_entries = 0;
    add_one(w, -0.0, SLICE("b"));
    CHECK_INT(zset_score(&w->v, SLICE("b"), &score), OK);
    CHECK(signbit(score) && score == 0);
    for (int i = 0; i < 100; i++) {
        char tmp[NUM_LL_MAX];
        add_one(w, i, slice_make(tmp, num_print_ll(tmp, i)));
    }
    int rc;
    WARM(w, zset_score(&w->v, SLICE("b"), &score));
    CHECK(signbit(score) && score == 0);
    add_one(w, 0, SLICE("b")); /* That is no change. */
    WARM(w, zset_score(&w->v, SLICE("b"), &score));
    CHECK(signbit(score) && score == 0);
    world_free(w);
}

TEST("effects that make no sense are refused") {
    struct world *w = world_new(1, 0, 1, 0);
    uint8_t tmp[8], n[8], *large = mem_calloc(1, KEY_BYTES_MAX + 1);
    slice args[3] = {zset_score_arg(tmp, NAN), SLICE("m"), SLICE("m")};
    struct { uint8_t op; size_t argc; } none[] = {{ZSET_ADD, 0}, {ZSET_ADD, 1}, {ZSET_ADD, 2}, {ZSET_ADD, 3},
                                                  {ZSET_REM, 0}, {ZSET_REM_RANKS, 2}, {9, 2}};
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, none[i].op, args, none[i].argc), ERR_CORRUPT);
    slice twice[4] = {zset_score_arg(tmp, 1), SLICE("m"), args[0], SLICE("m")};
    CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_ADD, twice, 4), ERR_CORRUPT);
    args[0] = zset_score_arg(tmp, 1);
    args[1] = slice_make(large, KEY_BYTES_MAX + 1);
    CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_ADD, args, 2), ERR_CORRUPT);
    CHECK_INT(w->v.kind, VALUE_NONE);
    add_one(w, 1, slice_make(large, KEY_BYTES_MAX));
    for (int i = 0; i < 4; i++) {
        put_u64(tmp, i == 0 ? 1 : i == 1 ? UINT64_MAX : 0);
        put_u64(n, i < 2 ? 1 : i == 2 ? 0 : 2);
        args[0] = slice_make(tmp, 8);
        args[1] = slice_make(n, 8);
        CHECK_INT(toy_apply(&w->t, &type_zset, &w->v, &w->store, ZSET_REM_RANKS, args, 2), ERR_CORRUPT);
    }
    CHECK_INT(zset_len(&w->v), 1);
    mem_free(large);
    world_free(w);
}

static int restore(struct world *w, slice payload, uint8_t type) {
    reader r = reader_make(payload);
    w->t.scratch.n = 0;
    if (w->v.kind == VALUE_OBJECT) w->t.base.ops->free(&w->t.base, w->v.obj);
    w->v.kind = VALUE_NONE;
    return type_zset.restore(&w->v, type, &r, RDB_VERSION);
}

TEST("payloads of every type are read, and sorted; bad ones are refused") {
    struct world *w = world_new(1, 0, 1, 0);
    double score;
    slice member;
    char tmp[NUM_LL_MAX];
    CHECK_INT(restore(w, SLICE("\x02\x01z\x01" "2" "\x01y\xff"), RDB_ZSET), OK);
    CHECK_INT(zset_at(&w->v, 0, &score, &member, tmp), OK);
    CHECK(slice_eq(member, SLICE("y")) && score == -INFINITY);
    CHECK_INT(restore(w, SLICE("\x02\x01z\x01" "2" "\x01z\x01" "3"), RDB_ZSET), ERR_CORRUPT); /* twice */
    CHECK_INT(restore(w, SLICE("\x01\x01z\xfd"), RDB_ZSET), ERR_CORRUPT);                     /* no number */
    CHECK_INT(restore(w, SLICE("\x00"), RDB_ZSET), ERR_CORRUPT);                              /* empty */
    buf b = BUF_INIT, lp = BUF_INIT;
    rdb_write_len(&b, 1);
    rdb_write_string(&b, SLICE("m"));
    rdb_write_double(&b, 2.5);
    CHECK_INT(restore(w, slice_of(&b), RDB_ZSET_2), OK);
    CHECK_INT(zset_score(&w->v, SLICE("m"), &score), OK);
    CHECK(score == 2.5);
    b.n -= 8;
    rdb_write_double(&b, NAN);
    CHECK_INT(restore(w, slice_of(&b), RDB_ZSET_2), ERR_CORRUPT);
    for (int odd = 0; odd < 3; odd++) {
        lp_new(&lp);
        lp_append(&lp, SLICE("b"));
        lp_append(&lp, SLICE("3"));
        lp_append(&lp, SLICE("a"));
        if (odd != 1) lp_append(&lp, odd == 0 ? SLICE("1.5") : SLICE("x"));
        b.n = 0;
        rdb_write_string(&b, slice_of(&lp));
        CHECK_INT(restore(w, slice_of(&b), RDB_ZSET_LISTPACK), odd == 0 ? OK : ERR_CORRUPT);
        if (odd == 0) CHECK_INT(zset_at(&w->v, 0, &score, &member, tmp), OK);
        if (odd == 0) CHECK(slice_eq(member, SLICE("a")) && score == 1.5);
    }
    buf_free(&b);
    buf_free(&lp);
    w->v.kind = VALUE_NONE;
    world_free(w);
}
