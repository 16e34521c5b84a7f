/* The store in memory: the contract in good weather, each fault, and one history a
 * seed. */
#include "objstore/mem.h"

#include <stdlib.h>

#include "store_util.h"
#include "test.h"

#define STEP_US 100

struct sea {
    clock_manual clock; /* borrowed by the loop: never copied */
    loop *l;
    mem_world *w;
    objstore *s;
};

static void turn(loop *l) {
    clock_manual_advance((clock_manual *)(void *)loop_clock(l), STEP_US);
    loop_turn(l, 0);
}

static void turns(loop *l, int count) {
    for (int i = 0; i < count; i++) turn(l);
}

static void sea_init(struct sea *b, uint64_t seed) {
    clock_manual_init(&b->clock, 1000, 1000);
    CHECK_INT(loop_create(&b->clock.base, &b->l), OK);
    b->w = mem_world_create(seed);
    b->s = objstore_mem_create(b->w, b->l);
}

static void sea_deinit(struct sea *b) {
    objstore_free(b->s);
    mem_world_free(b->w);
    loop_free(b->l);
}

static struct mem_faults calm(void) {
    return (struct mem_faults){.latency_min_us = 1000, .latency_max_us = 3000,
                               .late_max_us = 50000, .timeout_us = 10000};
}

static struct answer ask(struct sea *b, enum obj_op op, const char *name,
                         const char *body, const char *etag) {
    return store_send(b->l, turn, b->s, store_req(op, name, slice_str(body), etag));
}

static int ask_rc(struct sea *b, enum obj_op op, const char *name, const char *body,
                  const char *etag) {
    struct answer a = ask(b, op, name, body, etag);
    buf_free(&a.out);
    return a.rc;
}

static void check_peek(struct sea *b, const char *name, const char *want) {
    bool found;
    slice s = mem_world_peek(b->w, name, &found);
    CHECK(found == (want != NULL));
    if (want != NULL) CHECK_SLICE(s, want);
}

TEST("the contract holds in good weather") {
    struct sea b;
    sea_init(&b, 1);
    struct answer a = ask(&b, OBJ_PUT_ABSENT, "M", "one", NULL);
    CHECK_INT(a.rc, OK);
    CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "M", "two", NULL), ERR_PRECOND);
    struct answer n = ask(&b, OBJ_PUT_MATCH, "M", "three", a.etag);
    CHECK_INT(n.rc, OK);
    CHECK_INT(ask_rc(&b, OBJ_PUT_MATCH, "M", "four", a.etag), ERR_PRECOND);
    struct answer g = ask(&b, OBJ_GET, "M", "", NULL);
    CHECK_INT(g.rc, OK);
    CHECK_SLICE(slice_of(&g.out), "three");
    CHECK_STR(g.etag, n.etag);
    buf_free(&g.out);
    obj_req r = store_req(OBJ_GET, "M", SLICE(""), NULL);
    r.offset = 2;
    r.length = 100;
    g = store_send(b.l, turn, b.s, r);
    CHECK_SLICE(slice_of(&g.out), "ree");
    CHECK_INT(g.size, 5);
    buf_free(&g.out);
    CHECK_INT(ask_rc(&b, OBJ_PUT, "a/2", "x", NULL), OK);
    CHECK_INT(ask_rc(&b, OBJ_PUT, "a/1", "x", NULL), OK);
    r = store_req(OBJ_LIST, "a/", SLICE(""), NULL);
    g = store_send(b.l, turn, b.s, r);
    CHECK_INT(g.out.n, 8);
    CHECK(memcmp(g.out.p, "a/1\0a/2", 8) == 0);
    buf_free(&g.out);
    r.after = "a/1";
    g = store_send(b.l, turn, b.s, r);
    CHECK(g.out.n == 4 && memcmp(g.out.p, "a/2", 4) == 0);
    buf_free(&g.out);
    CHECK_INT(mem_world_count(b.w, "a/"), 2);
    CHECK_INT(ask_rc(&b, OBJ_DELETE, "M", "", NULL), OK);
    CHECK_INT(ask_rc(&b, OBJ_DELETE, "M", "", NULL), OK);
    CHECK_INT(ask_rc(&b, OBJ_GET, "M", "", NULL), ERR_NOTFOUND);
    CHECK_INT(ask_rc(&b, OBJ_HEAD, "M", "", NULL), ERR_NOTFOUND);
    sea_deinit(&b);
}

TEST("a request takes its time and is never answered inside submit") {
    struct sea b;
    sea_init(&b, 2);
    struct mem_faults f = calm();
    mem_world_set_faults(b.w, &f);
    for (int i = 0; i < 50; i++) {
        uint64_t start = b.clock.mono;
        CHECK_INT(ask_rc(&b, OBJ_PUT, "x", "y", NULL), OK);
        uint64_t took = b.clock.mono - start;
        CHECK(took >= 1000 && took <= 3000 + 2 * STEP_US);
    }
    sea_deinit(&b);
}

TEST("a lost request has no effect, a lost reply has one, and both time out") {
    struct sea b;
    sea_init(&b, 3);
    struct mem_faults f = calm();
    f.lose_request = 1;
    mem_world_set_faults(b.w, &f);
    uint64_t start = b.clock.mono;
    CHECK_INT(ask_rc(&b, OBJ_PUT, "x", "y", NULL), ERR_TIMEOUT);
    CHECK(b.clock.mono - start >= f.timeout_us);
    turns(b.l, 2000);
    check_peek(&b, "x", NULL);
    f.lose_request = 0;
    f.lose_reply = 1;
    mem_world_set_faults(b.w, &f);
    CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "x", "y", NULL), ERR_TIMEOUT);
    check_peek(&b, "x", "y");
    CHECK_INT(ask_rc(&b, OBJ_GET, "x", "", NULL), ERR_TIMEOUT);
    sea_deinit(&b);
}

TEST("a late request takes effect after its sender has given up") {
    struct sea b;
    sea_init(&b, 4);
    struct mem_faults f = calm();
    f.late = 1;
    mem_world_set_faults(b.w, &f);
    int late = 0;
    char name[16];
    for (int i = 0; i < 50; i++) {
        bool found;
        snprintf(name, sizeof(name), "n%d", i);
        int rc = ask_rc(&b, OBJ_PUT_ABSENT, name, "y", NULL);
        (void)mem_world_peek(b.w, name, &found);
        if (rc == OK) CHECK(found);
        if (rc == ERR_TIMEOUT) {
            late++;
            CHECK(!found);
        }
    }
    CHECK(late > 20);
    turns(b.l, 1000);
    CHECK_INT(mem_world_count(b.w, "n"), 50);
    sea_deinit(&b);
}

TEST("failed and throttled requests did not happen") {
    struct sea b;
    sea_init(&b, 5);
    struct mem_faults f = calm();
    f.fail = 1;
    mem_world_set_faults(b.w, &f);
    CHECK_INT(ask_rc(&b, OBJ_PUT, "x", "y", NULL), ERR_IO);
    CHECK(objstore_why(b.s)[0] != '\0');
    f.fail = 0;
    f.throttle = 1;
    mem_world_set_faults(b.w, &f);
    CHECK_INT(ask_rc(&b, OBJ_PUT, "x", "y", NULL), ERR_AGAIN);
    turns(b.l, 2000);
    check_peek(&b, "x", NULL);
    CHECK_INT(b.s->stats.requests[OBJ_PUT], 2);
    CHECK_INT(b.s->stats.errors[OBJ_PUT], 2);
    sea_deinit(&b);
}

TEST("damage on the way cuts or flips what is read, not what is stored") {
    struct sea b;
    sea_init(&b, 6);
    CHECK_INT(ask_rc(&b, OBJ_PUT, "x", "0123456789", NULL), OK);
    struct mem_faults f = calm();
    f.truncate = 1;
    mem_world_set_faults(b.w, &f);
    struct answer a = ask(&b, OBJ_GET, "x", "", NULL);
    CHECK_INT(a.rc, OK);
    CHECK(a.out.n < 10);
    CHECK_INT(a.size, 10);
    buf_free(&a.out);
    f.truncate = 0;
    f.flip = 1;
    mem_world_set_faults(b.w, &f);
    a = ask(&b, OBJ_GET, "x", "", NULL);
    CHECK_INT(a.out.n, 10);
    CHECK(memcmp(a.out.p, "0123456789", 10) != 0);
    buf_free(&a.out);
    check_peek(&b, "x", "0123456789");
    CHECK_INT(mem_world_flip(b.w, "x", 3), OK);
    check_peek(&b, "x", "012s456789");
    CHECK_INT(mem_world_flip(b.w, "y", 0), ERR_NOTFOUND);
    CHECK_INT(mem_world_flip(b.w, "x", 10), ERR_NOTFOUND);
    sea_deinit(&b);
}

struct noted {
    int calls, rc;
};
static void note(obj_req *r) {
    struct noted *n = r->cookie;
    n->calls++;
    n->rc = r->rc;
    buf_free(&r->out);
}

TEST("a stopped handle does nothing until it is resumed, and then what it had begun") {
    struct sea b;
    sea_init(&b, 7);
    objstore *other = objstore_mem_create(b.w, b.l);
    struct noted n = {0, 0};
    obj_req r = store_req(OBJ_PUT_ABSENT, "x", SLICE("stopped"), NULL);
    r.done = note;
    r.cookie = &n;
    objstore_submit(b.s, &r);
    objstore_mem_pause(b.s, true);
    turns(b.l, 1000);
    CHECK_INT(n.calls, 0);
    check_peek(&b, "x", NULL);
    objstore *stopped = b.s;
    b.s = other;
    CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "x", "other", NULL), OK);
    objstore_mem_pause(stopped, false);
    turns(b.l, 10);
    CHECK_INT(n.calls, 1);
    CHECK_INT(n.rc, ERR_PRECOND);
    check_peek(&b, "x", "other");
    objstore_free(stopped);
    sea_deinit(&b);
}

TEST("a freed handle answers ERR_CANCELED, and its requests may still take effect") {
    for (int paused = 0; paused < 2; paused++) {
        struct sea b;
        sea_init(&b, 8);
        struct mem_faults f = calm();
        f.late = 1;
        f.late_max_us = 5000;
        mem_world_set_faults(b.w, &f);
        struct noted n = {0, 0};
        obj_req r[20];
        char name[20][8];
        for (int i = 0; i < 20; i++) {
            snprintf(name[i], sizeof(name[i]), "n%d", i);
            r[i] = store_req(OBJ_PUT, name[i], SLICE("x"), NULL);
            r[i].done = note;
            r[i].cookie = &n;
            objstore_submit(b.s, &r[i]);
        }
        if (paused) {
            objstore_mem_pause(b.s, true);
            turns(b.l, 1000);
        }
        objstore_free(b.s);
        CHECK_INT(n.calls, 20);
        CHECK_INT(n.rc, ERR_CANCELED);
        CHECK_INT(mem_world_count(b.w, "n"), 0);
        turns(b.l, 100);
        CHECK_INT(mem_world_count(b.w, "n"), 20);
        b.s = objstore_mem_create(b.w, b.l);
        sea_deinit(&b);
    }
}

TEST("a world may be freed with requests under way") {
    struct sea b;
    sea_init(&b, 9);
    struct noted n = {0, 0};
    obj_req r = store_req(OBJ_PUT, "x", SLICE("x"), NULL);
    r.done = note;
    r.cookie = &n;
    objstore_submit(b.s, &r);
    sea_deinit(&b);
    CHECK_INT(n.calls, 1);
}

/* The answers and their times, in order, of a run in all weathers. */
static void history(uint64_t seed, buf *out) {
    struct sea b;
    sea_init(&b, seed);
    struct mem_faults f = calm();
    f.lose_request = f.lose_reply = f.late = f.fail = f.throttle = f.truncate = f.flip =
        0.1;
    mem_world_set_faults(b.w, &f);
    char name[8], etag[OBJ_ETAG_MAX] = "";
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "n%d", i % 7);
        struct answer a = ask(&b, (enum obj_op)(i % OBJ_OPS), name, "body", etag);
        memcpy(etag, a.etag, sizeof(etag));
        buf_printf(out, "%d %d %zu %s at %" PRIu64 "\n", i, a.rc, a.out.n, a.etag,
                   b.clock.mono);
        buf_append_slice(out, slice_of(&a.out));
        buf_free(&a.out);
    }
    sea_deinit(&b);
}

TEST("one seed is one history, another seed another") {
    buf a = BUF_INIT, b = BUF_INIT, c = BUF_INIT;
    history(42, &a);
    history(42, &b);
    history(43, &c);
    CHECK(slice_eq(slice_of(&a), slice_of(&b)));
    CHECK(!slice_eq(slice_of(&a), slice_of(&c)));
    buf_free(&a);
    buf_free(&b);
    buf_free(&c);
}
