/* The start-up probe: passes an honest store in any weather, and finds each way of
 * cheating that is known from "compatible" servers. */
#include "objstore/probe.h"

#include <stdlib.h>

#include "base/mem.h"
#include "objstore/mem.h"
#include "store_util.h"
#include "test.h"

enum lie {
    LIE_NONE,
    LIE_IGNORES_ABSENT,  /* If-None-Match is accepted and not looked at */
    LIE_IGNORES_MATCH,
    LIE_CHECKS_FIRST,    /* both are checked when the request comes, and forgotten */
    LIE_CHECKS_MATCH_FIRST,
    LIE_STALE_READS,     /* a read shows the content before the last */
    LIE_EMPTY_LISTS,
    LIE_DENIES,          /* no permission to write */
    LIE_REFUSES_OWN      /* after OK inside, a retry: "exists already" */
};

/* A store in front of an honest one. */
struct liar {
    objstore base;
    objstore *inner;
    enum lie lie;
    buf last[16];        /* contents before the last, by a hash of the name */
};
struct passed {
    struct liar *liar;
    obj_req *outer, r;
};

static void pass_back(obj_req *r);

static size_t slot(const char *name) {
    size_t h = 0;
    for (; *name != '\0'; name++) h = h * 31 + (unsigned char)*name;
    return h % 16;
}

static void pass_checked(obj_req *r) {
    struct passed *p = r->cookie;
    bool holds = p->outer->op == OBJ_PUT_ABSENT
                     ? r->rc == ERR_NOTFOUND
                     : r->rc == OK && strcmp(r->etag, p->outer->etag) == 0;
    if (!holds) {
        r->rc = ERR_PRECOND;
        pass_back(r);
        return;
    }
    p->r.op = OBJ_PUT;
    p->r.done = pass_back;
    objstore_submit(p->liar->inner, &p->r);
}

static void liar_submit(objstore *s, obj_req *r) {
    struct liar *l = (struct liar *)(void *)s;
    struct passed *p = mem_calloc(1, sizeof(*p));
    *p = (struct passed){l, r, *r};
    p->r.done = pass_back;
    p->r.cookie = p;
    if (l->lie == LIE_IGNORES_ABSENT && r->op == OBJ_PUT_ABSENT) p->r.op = OBJ_PUT;
    if (l->lie == LIE_IGNORES_MATCH && r->op == OBJ_PUT_MATCH) p->r.op = OBJ_PUT;
    if (r->op == (l->lie == LIE_CHECKS_FIRST         ? OBJ_PUT_ABSENT
                  : l->lie == LIE_CHECKS_MATCH_FIRST ? OBJ_PUT_MATCH
                                                     : OBJ_LIST) &&
        r->op != OBJ_LIST) {
        p->r.op = OBJ_HEAD;
        p->r.done = pass_checked;
    }
    if (l->lie == LIE_EMPTY_LISTS && r->op == OBJ_LIST) p->r.name = "nothing/";
    objstore_submit(l->inner, &p->r);
}

static void pass_back(obj_req *r) {
    struct passed *p = r->cookie;
    struct liar *l = p->liar;
    obj_req *outer = p->outer;
    outer->rc = r->rc;
    outer->out = r->out;
    outer->size = r->size;
    outer->more = r->more;
    memcpy(outer->etag, r->etag, sizeof(outer->etag));
    if (l->lie == LIE_STALE_READS && r->op == OBJ_GET && r->rc == OK) {
        buf *last = &l->last[slot(r->name)], now = outer->out;
        if (last->n > 0) {
            outer->out = *last;
            *last = BUF_INIT;
        } else {
            outer->out = BUF_INIT;
            buf_append_slice(&outer->out, slice_of(&now));
            buf_append_slice(last, slice_of(&now));
        }
        if (outer->out.p != now.p) buf_free(&now);
    }
    if (l->lie == LIE_DENIES && r->op <= OBJ_PUT_MATCH) {
        outer->rc = ERR_AUTH;
        snprintf(l->base.why, sizeof(l->base.why), "access denied");
    }
    if (l->lie == LIE_REFUSES_OWN && r->rc == OK && r->op <= OBJ_PUT_MATCH) {
        outer->rc = ERR_PRECOND;
    }
    mem_free(p);
    outer->done(outer);
}

static void liar_free(objstore *s) {
    struct liar *l = (struct liar *)(void *)s;
    objstore_free(l->inner);
    for (size_t i = 0; i < 16; i++) buf_free(&l->last[i]);
}
static const char *liar_describe(objstore *s) {
    (void)s;
    return "liar:";
}
static const struct objstore_ops liar_ops = {liar_submit, liar_free, liar_describe};

struct verdict {
    int calls, rc;
    char why[256];
    size_t left;         /* objects that the probe did not delete */
    uint64_t requests;
};

static void judged(void *cookie, int rc, const char *why) {
    struct verdict *v = cookie;
    v->calls++;
    v->rc = rc;
    snprintf(v->why, sizeof(v->why), "%s", why);
}

static struct verdict probe(uint64_t seed, enum lie lie, const struct mem_faults *f) {
    clock_manual clock;
    loop *l;
    struct verdict v = {0};
    clock_manual_init(&clock, 1000, 1000);
    CHECK_INT(loop_create(&clock.base, &l), OK);
    mem_world *w = mem_world_create(seed);
    if (f != NULL) mem_world_set_faults(w, f);
    struct liar liar = {
        .base.ops = &liar_ops, .inner = objstore_mem_create(w, l), .lie = lie};
    rnd r;
    rnd_seed(&r, seed);
    objstore_probe(&liar.base, &r, judged, &v);
    CHECK_INT(v.calls, 0);
    for (int i = 0; v.calls == 0; i++) {
        CHECK(i < 1000000);
        clock_manual_advance(&clock, 100);
        loop_turn(l, 0);
    }
    CHECK_INT(v.calls, 1);
    v.left = mem_world_count(w, "");
    for (int i = 0; i < OBJ_OPS; i++) v.requests += liar.inner->stats.requests[i];
    objstore_free(&liar.base);
    mem_world_free(w);
    loop_free(l);
    return v;
}

TEST("an honest store passes, and nothing is left behind") {
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct verdict v = probe(seed, LIE_NONE, NULL);
        CHECK_STR(v.why, "");
        CHECK_INT(v.rc, OK);
        CHECK_INT(v.left, 0);
        CHECK(v.requests < 250);
    }
}

TEST("an honest store is never called a cheat, whatever the weather") {
    int passed = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct mem_faults f = {.latency_min_us = 1000, .latency_max_us = 20000,
                               .late_max_us = 60000, .timeout_us = 30000,
                               .lose_request = 0.03, .lose_reply = 0.03, .late = 0.03,
                               .throttle = 0.05};
        struct verdict v = probe(seed, LIE_NONE, &f);
        if (v.rc == ERR_UNSUPPORTED) {
            test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": %s", seed, v.why);
        }
        passed += v.rc == OK;
    }
    printf("# %d of 300 passed\n", passed);
    CHECK(passed > 250);
}

TEST("a store whose retries refuse their own success passes") {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct verdict v = probe(seed, LIE_REFUSES_OWN, NULL);
        CHECK_STR(v.why, "");
        CHECK_INT(v.rc, OK);
    }
}

static void check_caught(enum lie lie, const char *words) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct verdict v = probe(seed, lie, NULL);
        if (seed == 1) printf("# %s\n", v.why);
        CHECK_INT(v.rc, ERR_UNSUPPORTED);
        if (strstr(v.why, words) == NULL) CHECK_STR(v.why, words);
        CHECK_INT(v.left, 0);
    }
}

TEST("a store that ignores If-None-Match is caught") {
    check_caught(LIE_IGNORES_ABSENT, "If-None-Match");
}
TEST("a store that ignores If-Match is caught") {
    check_caught(LIE_IGNORES_MATCH, "ignores If-Match");
}
TEST("a store that checks If-None-Match first and writes later is caught") {
    check_caught(LIE_CHECKS_FIRST, "created the same object at once");
}
TEST("a store that checks If-Match first and writes later is caught") {
    check_caught(LIE_CHECKS_MATCH_FIRST, "then lost");
}
TEST("a store with stale reads is caught") {
    check_caught(LIE_STALE_READS, "");
}
TEST("a store with stale lists is caught") {
    check_caught(LIE_EMPTY_LISTS, "list");
}
TEST("a store that denies is reported in its own words") {
    struct verdict v = probe(1, LIE_DENIES, NULL);
    CHECK_INT(v.rc, ERR_AUTH);
    CHECK_STR(v.why, "access denied");
}
