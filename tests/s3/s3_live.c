/* s3_live.c -- the S3 store against a real server. tests/s3/live.sh sets what it needs:
 *
 *   S3_ENDPOINT S3_BUCKET S3_CA AWS_*          the server, plain or behind TLS
 *   S3_TLS_ENDPOINT S3_TLS_CA S3_TLS_OTHER_CA  the same behind TLS, its CA, and another
 * one S3_FAULT_ENDPOINT S3_FAULT_CONTROL         the same behind fault_proxy.py
 *   S3_KEYS_PORT                               keys-server.py, with keys that live 4 s
 *
 * A test whose variable is not set fails. Sentences that begin with "store:" run both
 * plain and through TLS. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "objstore/probe.h"
#include "objstore/s3.h"
#include "test.h"
#include "tests/unit/objstore/store_util.h"

struct world {
    loop *l;
    rnd r;
    objstore *s;
    char prefix[64];
    char why[256];
    struct s3_config c;
};

static const char *need_env(const char *name) {
    const char *v = getenv(name);
    if (v == NULL || *v == 0)
        test_fail(__FILE__, __LINE__, "%s is not set: run live.sh", name);
    return v;
}

static void turn(loop *l) {
    loop_turn(l, 100);
}

static void prepare(struct world *w, const char *endpoint, clock_source *clock) {
    memset(w, 0, sizeof(*w));
    CHECK_INT(rnd_seed_os(&w->r), OK);
    CHECK_INT(loop_create(clock, &w->l), OK);
    snprintf(w->prefix, sizeof(w->prefix), "live/%08x", (unsigned)rnd_u64(&w->r));
    const char *ca = getenv("S3_CA");
    w->c = (struct s3_config){.bucket = need_env("S3_BUCKET"),
                              .prefix = w->prefix,
                              .endpoint = endpoint,
                              .region = "",
                              .path_style = "auto",
                              .ca_file = ca == NULL ? "" : ca,
                              .connections_max = 32,
                              .attempts_max = 5,
                              .timeout_ms = 20000};
}

static void begin(struct world *w) {
    int rc = objstore_s3_create(w->l, &w->c, &w->r, NULL, &w->s, w->why);
    if (rc != OK) test_fail(__FILE__, __LINE__, "create: %s: %s", err_name(rc), w->why);
}

static void setup(struct world *w) {
    prepare(w, need_env("S3_ENDPOINT"), clock_real());
    begin(w);
}

static void teardown(struct world *w) {
    objstore_free(w->s);
    loop_free(w->l);
}

static struct answer ask(struct world *w, obj_req r) {
    return store_send(w->l, turn, w->s, r);
}

#define CHECK_RC(w, got, want)                                                           \
    do {                                                                                 \
        int rc_ = (got);                                                                 \
        if (rc_ != (want))                                                               \
            test_fail(__FILE__, __LINE__, "%s, expected %s: %s", err_name(rc_),          \
                      err_name(want), objstore_why((w)->s));                             \
    } while (0)

static void put(struct world *w, const char *name, slice body) {
    CHECK_RC(w, ask(w, store_req(OBJ_PUT, name, body, NULL)).rc, OK);
}

static void check_content(struct world *w, const char *name, const char *want) {
    struct answer a = ask(w, store_req(OBJ_GET, name, (slice){0}, NULL));
    CHECK_RC(w, a.rc, OK);
    CHECK_INT(a.out.n, (int64_t)strlen(want));
    if (a.out.n > 0) CHECK_SLICE(slice_of(&a.out), want);
    CHECK_INT(a.size, (int64_t)strlen(want));
    buf_free(&a.out);
}

TEST("store: what was put is got, whole, in ranges, and by head") {
    struct world w;
    setup(&w);
    put(&w, "a/b.c", SLICE("0123456789"));
    check_content(&w, "a/b.c", "0123456789");
    obj_req r = store_req(OBJ_GET, "a/b.c", (slice){0}, NULL);
    r.offset = 3;
    r.length = 4;
    struct answer a = ask(&w, r);
    CHECK_RC(&w, a.rc, OK);
    CHECK_SLICE(slice_of(&a.out), "3456");
    CHECK_INT(a.size, 10);
    buf_free(&a.out);
    r.length = 100;
    a = ask(&w, r);
    CHECK_SLICE(slice_of(&a.out), "3456789");
    buf_free(&a.out);
    r.offset = 10;
    a = ask(&w, r);
    CHECK_RC(&w, a.rc, OK);
    CHECK_INT(a.out.n, 0);
    CHECK_INT(a.size, 10);
    buf_free(&a.out);
    a = ask(&w, store_req(OBJ_HEAD, "a/b.c", (slice){0}, NULL));
    CHECK_RC(&w, a.rc, OK);
    CHECK_INT(a.size, 10);
    CHECK(a.etag[0] != 0);
    teardown(&w);
}

TEST("store: an empty object is an object") {
    struct world w;
    setup(&w);
    put(&w, "empty", (slice){0});
    check_content(&w, "empty", "");
    obj_req r = store_req(OBJ_GET, "empty", (slice){0}, NULL);
    r.length = 10;
    struct answer a = ask(&w, r);
    CHECK_RC(&w, a.rc, OK);
    CHECK_INT(a.out.n, 0);
    CHECK_INT(a.size, 0);
    buf_free(&a.out);
    teardown(&w);
}

TEST("store: absent objects are not found, and are deleted without complaint") {
    struct world w;
    setup(&w);
    CHECK_RC(&w, ask(&w, store_req(OBJ_GET, "no", (slice){0}, NULL)).rc, ERR_NOTFOUND);
    CHECK_RC(&w, ask(&w, store_req(OBJ_HEAD, "no", (slice){0}, NULL)).rc, ERR_NOTFOUND);
    CHECK_RC(&w, ask(&w, store_req(OBJ_DELETE, "no", (slice){0}, NULL)).rc, OK);
    put(&w, "yes", SLICE("x"));
    CHECK_RC(&w, ask(&w, store_req(OBJ_DELETE, "yes", (slice){0}, NULL)).rc, OK);
    CHECK_RC(&w, ask(&w, store_req(OBJ_GET, "yes", (slice){0}, NULL)).rc, ERR_NOTFOUND);
    teardown(&w);
}

TEST("store: put-if-absent creates once") {
    struct world w;
    setup(&w);
    struct answer a = ask(&w, store_req(OBJ_PUT_ABSENT, "once", SLICE("first"), NULL));
    CHECK_RC(&w, a.rc, OK);
    CHECK(a.etag[0] != 0);
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_ABSENT, "once", SLICE("second"), NULL)).rc,
             ERR_PRECOND);
    check_content(&w, "once", "first");
    teardown(&w);
}

TEST("store: put-if-match takes the right etag only, from the first request on") {
    struct world w;
    setup(&w);
    struct answer a = ask(&w, store_req(OBJ_PUT_ABSENT, "m", SLICE("one"), NULL));
    CHECK_RC(&w, a.rc, OK);
    struct answer b = ask(&w, store_req(OBJ_PUT_MATCH, "m", SLICE("two"), a.etag));
    CHECK_RC(&w, b.rc, OK);
    CHECK(strcmp(a.etag, b.etag) != 0);
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_MATCH, "m", SLICE("x"), a.etag)).rc,
             ERR_PRECOND);
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_MATCH, "m", SLICE("x"), "\"00\"")).rc,
             ERR_PRECOND);
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_MATCH, "m", SLICE("x"), "a\r\nb: c")).rc,
             ERR_PRECOND);
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_MATCH, "no", SLICE("x"), a.etag)).rc,
             ERR_PRECOND);
    check_content(&w, "m", "two");
    /* The etags of HEAD and GET serve as well. */
    a = ask(&w, store_req(OBJ_HEAD, "m", (slice){0}, NULL));
    b = ask(&w, store_req(OBJ_PUT_MATCH, "m", SLICE("three"), a.etag));
    CHECK_RC(&w, b.rc, OK);
    check_content(&w, "m", "three");
    teardown(&w);
}

/* A stale etag is the first that the store hears of If-Match. */
TEST("store: the first put-if-match may be one that does not match") {
    struct world w;
    setup(&w);
    struct answer a = ask(&w, store_req(OBJ_PUT_ABSENT, "m", SLICE("one"), NULL));
    put(&w, "m", SLICE("two"));
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_MATCH, "m", SLICE("x"), a.etag)).rc,
             ERR_PRECOND);
    check_content(&w, "m", "two");
    a = ask(&w, store_req(OBJ_HEAD, "m", (slice){0}, NULL));
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_MATCH, "m", SLICE("three"), a.etag)).rc, OK);
    teardown(&w);
}

/* One of many requests under way. */
struct many {
    obj_req r;
    char name[32];
    unsigned *left;
};

static void many_done(obj_req *r) {
    --*((struct many *)r->cookie)->left;
}

TEST_LONG("store: a list is in order and comes in pages, with the prefix cut off", 300) {
    enum { N = 1050 };
    struct world w;
    setup(&w);
    static struct many m[N];
    unsigned left = N;
    for (unsigned i = 0; i < N; i++) {
        snprintf(m[i].name, sizeof(m[i].name), "log/%05u", i * 11 % N);
        m[i].r = store_req(OBJ_PUT, m[i].name, SLICE("x"), NULL);
        m[i].r.done = many_done;
        m[i].r.cookie = &m[i];
        m[i].left = &left;
        objstore_submit(w.s, &m[i].r);
    }
    while (left > 0) turn(w.l);
    for (unsigned i = 0; i < N; i++) CHECK_RC(&w, m[i].r.rc, OK);
    put(&w, "other/1", SLICE("x"));

    unsigned seen = 0;
    char after[32] = "";
    for (bool more = true; more;) {
        obj_req r = store_req(OBJ_LIST, "log/", (slice){0}, NULL);
        r.after = after;
        struct answer a = ask(&w, r);
        CHECK_RC(&w, a.rc, OK);
        CHECK(a.out.n > 0);
        for (const char *p = (const char *)a.out.p; p < (const char *)a.out.p + a.out.n;
             p += strlen(p) + 1) {
            char want[32];
            snprintf(want, sizeof(want), "log/%05u", seen++);
            CHECK_STR(p, want);
            snprintf(after, sizeof(after), "%s", p);
        }
        more = a.more;
        CHECK_INT(more, seen == 1000);
        buf_free(&a.out);
    }
    CHECK_INT(seen, N);
    obj_req r = store_req(OBJ_LIST, "nothing/", (slice){0}, NULL);
    struct answer a = ask(&w, r);
    CHECK_RC(&w, a.rc, OK);
    CHECK_INT(a.out.n, 0);
    CHECK(!a.more);
    buf_free(&a.out);
    teardown(&w);
}

TEST_LONG("store: 70 MiB go up in parts and come back the same", 300) {
    struct world w;
    setup(&w);
    size_t n = ((size_t)70 << 20) + 12345;
    uint8_t *p = mem_alloc(n);
    rnd_bytes(&w.r, p, n);
    struct answer a = ask(&w, store_req(OBJ_PUT, "big", slice_make(p, n), NULL));
    CHECK_RC(&w, a.rc, OK);
    CHECK(a.etag[0] != 0);
    a = ask(&w, store_req(OBJ_GET, "big", (slice){0}, NULL));
    CHECK_RC(&w, a.rc, OK);
    CHECK(slice_eq(slice_of(&a.out), slice_make(p, n)));
    buf_free(&a.out);
    p[0] ^= 1;
    a = ask(&w, store_req(OBJ_PUT_ABSENT, "big", slice_make(p, n), NULL));
    CHECK_RC(&w, a.rc, ERR_PRECOND);
    a = ask(&w, store_req(OBJ_PUT_ABSENT, "big2", slice_make(p, n), NULL));
    CHECK_RC(&w, a.rc, OK);
    obj_req r = store_req(OBJ_GET, "big", (slice){0}, NULL);
    r.length = 1;
    a = ask(&w, r);
    CHECK_RC(&w, a.rc, OK);
    CHECK_INT(a.out.p[0], p[0] ^ 1);
    buf_free(&a.out);
    CHECK_RC(&w, ask(&w, store_req(OBJ_DELETE, "big", (slice){0}, NULL)).rc, OK);
    CHECK_RC(&w, ask(&w, store_req(OBJ_DELETE, "big2", (slice){0}, NULL)).rc, OK);
    mem_free(p);
    teardown(&w);
}

static void probe_done(void *cookie, int rc, const char *why) {
    int *out = cookie;
    if (rc != OK) printf("# probe: %s\n", why);
    *out = rc;
}

TEST_LONG("store: the probe finds all promises kept", 120) {
    struct world w;
    setup(&w);
    int rc = 1;
    objstore_probe(w.s, &w.r, probe_done, &rc);
    while (rc == 1) turn(w.l);
    CHECK_INT(rc, OK);
    teardown(&w);
}

TEST("store: what is under way at free is done once, as canceled") {
    enum { N = 100 };
    struct world w;
    setup(&w);
    static struct many m[N];
    unsigned left = N;
    for (unsigned i = 0; i < N; i++) {
        snprintf(m[i].name, sizeof(m[i].name), "c/%u", i);
        m[i].r = store_req(OBJ_PUT, m[i].name, SLICE("x"), NULL);
        m[i].r.done = many_done;
        m[i].r.cookie = &m[i];
        m[i].left = &left;
        objstore_submit(w.s, &m[i].r);
    }
    while (left > N / 2) turn(w.l);
    objstore_free(w.s);
    CHECK_INT(left, 0);
    for (unsigned i = 0; i < N; i++) CHECK(m[i].r.rc == OK || m[i].r.rc == ERR_CANCELED);
    loop_free(w.l);
}

static struct world *free_me;
static void free_done(obj_req *r) {
    (void)r;
    objstore_free(free_me->s);
    free_me->s = NULL;
}

TEST("store: it may be freed from within a callback") {
    struct world w;
    setup(&w);
    free_me = &w;
    obj_req r = store_req(OBJ_HEAD, "no", (slice){0}, NULL);
    r.done = free_done;
    objstore_submit(w.s, &r);
    while (w.s != NULL) turn(w.l);
    loop_free(w.l);
}

/* -- refusals --------------------------------------------------------------------------
 */

static void check_refused(struct world *w, const char *word) {
    CHECK_INT(ask(w, store_req(OBJ_PUT, "x", SLICE("x"), NULL)).rc, ERR_AUTH);
    if (strstr(objstore_why(w->s), word) == NULL) {
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", objstore_why(w->s),
                  word);
    }
}

TEST("an access key that the store does not know is named as the reason") {
    struct world w;
    setenv("AWS_ACCESS_KEY_ID", "nobody", 1);
    setup(&w);
    check_refused(&w, "InvalidAccessKeyId");
    teardown(&w);
}

TEST("a wrong secret is named as the reason, and is not shown") {
    struct world w;
    setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret", 1);
    setup(&w);
    check_refused(&w, "SignatureDoesNotMatch");
    CHECK(strstr(objstore_why(w.s), "wrong-secret") == NULL);
    teardown(&w);
}

TEST("a bucket that is not there is named as the reason") {
    struct world w;
    prepare(&w, need_env("S3_ENDPOINT"), clock_real());
    w.c.bucket = "no-such-bucket";
    begin(&w);
    check_refused(&w, "bucket no-such-bucket does not exist");
    CHECK_INT(ask(&w, store_req(OBJ_GET, "x", (slice){0}, NULL)).rc, ERR_AUTH);
    teardown(&w);
}

TEST("a certificate of another CA is refused") {
    struct world w;
    prepare(&w, need_env("S3_TLS_ENDPOINT"), clock_real());
    w.c.ca_file = need_env("S3_TLS_OTHER_CA");
    begin(&w);
    check_refused(&w, "no trusted connection");
    teardown(&w);
}

static uint64_t skewed_wall(clock_source *c) {
    (void)c;
    return clock_wall_us(clock_real()) + 3600ull * 1000000;
}
static uint64_t skewed_mono(clock_source *c) {
    (void)c;
    return clock_mono_us(clock_real());
}

TEST("a clock that is an hour off is learnt from the store's") {
    struct world w;
    clock_source skewed = {skewed_wall, skewed_mono};
    prepare(&w, need_env("S3_ENDPOINT"), &skewed);
    begin(&w);
    put(&w, "x", SLICE("late"));
    check_content(&w, "x", "late");
    teardown(&w);
}

TEST("nobody listens: a write did not happen, and the reason says why") {
    struct world w;
    prepare(&w, "http://127.0.0.1:1", clock_real());
    w.c.attempts_max = 2;
    begin(&w);
    CHECK_INT(ask(&w, store_req(OBJ_PUT, "x", SLICE("x"), NULL)).rc, ERR_AGAIN);
    CHECK(strstr(objstore_why(w.s), "cannot connect") != NULL);
    CHECK_INT(w.s->stats.retries, 1);
    teardown(&w);
}

/* -- faults ----------------------------------------------------------------------------
 */

/* One line to a helper on loopback; the end of its answer in reply. */
static void tell(const char *port, const char *line, char reply[256]) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)atoi(need_env(port)))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    CHECK(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
    /* An HTTP/1.0 answer ends with the connection, the fault proxy's with its line. */
    bool to_end = strncmp(line, "GET ", 4) == 0;
    size_t n = 0;
    for (ssize_t got = 1; got > 0 && n < 255;) {
        got = read(fd, reply + n, 255 - n);
        if (got > 0) n += (size_t)got;
        if (!to_end && n > 0 && reply[n - 1] == '\n') break;
    }
    CHECK(n > 0);
    reply[n] = 0;
    close(fd);
}

static void order_ok(const char *line) {
    char reply[256];
    tell("S3_FAULT_CONTROL", line, reply);
    CHECK_STR(reply, "ok\n");
}

static void setup_faults(struct world *w, unsigned timeout_ms) {
    prepare(w, need_env("S3_FAULT_ENDPOINT"), clock_real());
    w->c.timeout_ms = timeout_ms;
    begin(w);
    order_ok("clear\n");
}

TEST("503 is tried again until it passes") {
    struct world w;
    setup_faults(&w, 10000);
    order_ok("rule PUT * 2 503\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_ABSENT, "x", SLICE("one"), NULL)).rc, OK);
    CHECK_INT(w.s->stats.retries, 2);
    check_content(&w, "x", "one");
    teardown(&w);
}

TEST("503 without end: a write did not happen") {
    struct world w;
    prepare(&w, need_env("S3_FAULT_ENDPOINT"), clock_real());
    w.c.attempts_max = 2;
    begin(&w);
    order_ok("clear\n");
    order_ok("rule PUT * 100 503\n");
    CHECK_INT(ask(&w, store_req(OBJ_PUT_ABSENT, "x", SLICE("one"), NULL)).rc, ERR_AGAIN);
    CHECK(strstr(objstore_why(w.s), "SlowDown") != NULL);
    order_ok("clear\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_HEAD, "x", (slice){0}, NULL)).rc, ERR_NOTFOUND);
    teardown(&w);
}

TEST("a lost answer to put-if-absent ends as PRECOND, with our own bytes in place") {
    struct world w;
    setup_faults(&w, 10000);
    order_ok("rule PUT * 1 drop-response\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_ABSENT, "x", SLICE("one"), NULL)).rc,
             ERR_PRECOND);
    check_content(&w, "x", "one");
    teardown(&w);
}

TEST("a lost request is sent again") {
    struct world w;
    setup_faults(&w, 10000);
    order_ok("rule PUT * 1 drop-request\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_ABSENT, "x", SLICE("one"), NULL)).rc, OK);
    check_content(&w, "x", "one");
    teardown(&w);
}

TEST("errors after the effect: the outcome of a write is not known") {
    struct world w;
    setup_faults(&w, 10000);
    order_ok("rule PUT * 100 late-500\n");
    CHECK_INT(ask(&w, store_req(OBJ_PUT, "x", SLICE("one"), NULL)).rc, ERR_TIMEOUT);
    order_ok("clear\n");
    check_content(&w, "x", "one");
    teardown(&w);
}

TEST("an unknown outcome stays unknown when later attempts are throttled") {
    struct world w;
    prepare(&w, need_env("S3_FAULT_ENDPOINT"), clock_real());
    w.c.attempts_max = 2;
    begin(&w);
    order_ok("clear\n");
    order_ok("rule PUT * 1 drop-response\n");
    order_ok("rule PUT * 100 503\n");
    CHECK_INT(ask(&w, store_req(OBJ_PUT, "x", SLICE("one"), NULL)).rc, ERR_TIMEOUT);
    order_ok("clear\n");
    check_content(&w, "x", "one");
    teardown(&w);
}

TEST("a request that is held past the timeout lands later, and the retry is in time") {
    struct world w;
    setup_faults(&w, 500);
    order_ok("rule PUT * 1 hold 2\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT, "x", SLICE("one"), NULL)).rc, OK);
    CHECK_INT(w.s->stats.retries, 1);
    CHECK_RC(&w, ask(&w, store_req(OBJ_DELETE, "x", (slice){0}, NULL)).rc, OK);
    for (int i = 0; i < 30; i++) turn(w.l);
    check_content(&w, "x", "one"); /* Nothing but names that are used once helps here. */
    teardown(&w);
}

TEST("a silent first attempt is overtaken by the hedge") {
    struct world w;
    setup_faults(&w, 10000);
    put(&w, "x", SLICE("one"));
    order_ok("rule GET * 1 delay 5\n");
    uint64_t t0 = clock_mono_us(clock_real());
    obj_req r = store_req(OBJ_GET, "x", (slice){0}, NULL);
    r.hedge_ms = 100;
    struct answer a = ask(&w, r);
    uint64_t took = clock_mono_us(clock_real()) - t0;
    CHECK_RC(&w, a.rc, OK);
    CHECK_SLICE(slice_of(&a.out), "one");
    buf_free(&a.out);
    CHECK_INT(w.s->stats.hedges, 1);
    CHECK_INT(w.s->stats.retries, 0);
    CHECK(took >= 100000 && took < 4000000);
    teardown(&w);
}

TEST("an answer that is cut off is fetched again") {
    struct world w;
    setup_faults(&w, 10000);
    put(&w, "x", SLICE("0123456789"));
    order_ok("rule GET * 2 truncate\n");
    check_content(&w, "x", "0123456789");
    CHECK_INT(w.s->stats.retries, 2);
    teardown(&w);
}

TEST("a duplicated put-if-absent is OK once") {
    struct world w;
    setup_faults(&w, 10000);
    order_ok("rule PUT * 1 duplicate\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_ABSENT, "x", SLICE("one"), NULL)).rc, OK);
    check_content(&w, "x", "one");
    teardown(&w);
}

TEST("a conflict (409) says nothing about the object, and is tried again") {
    struct world w;
    setup_faults(&w, 10000);
    order_ok("rule PUT * 2 409\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_ABSENT, "x", SLICE("one"), NULL)).rc, OK);
    order_ok("rule PUT * 100 409\n");
    CHECK_INT(ask(&w, store_req(OBJ_PUT_ABSENT, "y", SLICE("one"), NULL)).rc, ERR_AGAIN);
    order_ok("clear\n");
    teardown(&w);
}

TEST("put-if-match on an absent name is PRECOND, when the store says 404 too") {
    struct world w;
    setup_faults(&w, 10000);
    order_ok("rule PUT * 1 404\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT_MATCH, "x", SLICE("x"), "\"00\"")).rc,
             ERR_PRECOND);
    teardown(&w);
}

TEST_LONG("parts: an error inside a 200, a lost part, and a lost end", 120) {
    struct world w;
    setup_faults(&w, 20000);
    size_t n = (size_t)65 << 20;
    uint8_t *p = mem_calloc(1, n);
    order_ok("rule PUT partNumber=2 1 drop-request\n");
    order_ok("rule POST uploadId 1 200-error\n");
    CHECK_RC(&w, ask(&w, store_req(OBJ_PUT, "big", slice_make(p, n), NULL)).rc, OK);
    CHECK_INT(w.s->stats.retries, 2);
    struct answer a = ask(&w, store_req(OBJ_HEAD, "big", (slice){0}, NULL));
    CHECK_INT(a.size, (int64_t)n);
    /* The end took effect and its answer is lost: known to be there, or not known. */
    order_ok("rule POST uploadId 1 drop-response\n");
    int rc = ask(&w, store_req(OBJ_PUT, "big2", slice_make(p, n), NULL)).rc;
    if (rc != OK) CHECK_RC(&w, rc, ERR_TIMEOUT);
    CHECK_RC(&w, ask(&w, store_req(OBJ_HEAD, "big2", (slice){0}, NULL)).rc, OK);
    /* Parts that are refused for good: an error, and no object. */
    order_ok("rule PUT partNumber=3 100 404\n");
    CHECK_INT(ask(&w, store_req(OBJ_PUT, "big3", slice_make(p, n), NULL)).rc, ERR_AGAIN);
    order_ok("clear\n");
    CHECK_INT(ask(&w, store_req(OBJ_HEAD, "big3", (slice){0}, NULL)).rc, ERR_NOTFOUND);
    CHECK_RC(&w, ask(&w, store_req(OBJ_DELETE, "big", (slice){0}, NULL)).rc, OK);
    CHECK_RC(&w, ask(&w, store_req(OBJ_DELETE, "big2", (slice){0}, NULL)).rc, OK);
    mem_free(p);
    teardown(&w);
}

TEST("keys that expire are renewed while requests go on") {
    struct world w;
    char url[64], reply[256];
    snprintf(url, sizeof(url), "http://127.0.0.1:%s/keys", need_env("S3_KEYS_PORT"));
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    setenv("HOME", "/nonexistent", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    setup(&w);
    uint64_t end = clock_mono_us(clock_real()) + 9000000;
    while (clock_mono_us(clock_real()) < end) {
        put(&w, "x", SLICE("x"));
        turn(w.l);
    }
    tell("S3_KEYS_PORT", "GET /count HTTP/1.0\r\n\r\n", reply);
    const char *body = strstr(reply, "\r\n\r\n");
    CHECK(body != NULL);
    CHECK(atoi(body + 4) >= 3); /* 9 s of keys that live 4 s. */
    CHECK_INT(w.s->stats.errors[OBJ_PUT], 0);
    teardown(&w);
}

TEST_LONG("errors all the time do not make a storm of retries", 120) {
    enum { N = 300 };
    struct world w;
    setup_faults(&w, 10000);
    static struct many m[N];
    unsigned left = N;
    order_ok("rule * * 100000 500\n");
    for (unsigned i = 0; i < N; i++) {
        snprintf(m[i].name, sizeof(m[i].name), "s/%u", i);
        m[i].r = store_req(OBJ_GET, m[i].name, (slice){0}, NULL);
        m[i].r.done = many_done;
        m[i].r.cookie = &m[i];
        m[i].left = &left;
        objstore_submit(w.s, &m[i].r);
    }
    while (left > 0) turn(w.l);
    order_ok("clear\n");
    for (unsigned i = 0; i < N; i++) CHECK_INT(m[i].r.rc, ERR_IO);
    CHECK(w.s->stats.retries <= 100); /* 500 tokens, 5 each. */
    CHECK_INT(w.s->stats.errors[OBJ_GET], N);
    teardown(&w);
}
