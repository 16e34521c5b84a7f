/* The store in a directory over a file system that loses what was not synced.
 *
 * A history is a random run of requests that ends in a power loss before the k-th system
 * call (or just after it, its answer unseen), then another run over what survived. A
 * model keeps for each name the contents that it may have:
 *
 *   confirmed     exactly that content
 *   unknown       the old or the new, whole
 *   refused       as before
 *
 * After each loss the store is opened anew, everything is read and listed, and compared.
 * The last test takes the fsyncs out one kind at a time and wants the model to notice. */
#include "objstore/file.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/rnd.h"
#include "store_util.h"
#include "test.h"
#include "torture/fsys_lossy.c"

#define NAMES 9
#define CONTENTS_MAX 8 /* that a name may have, at once */
#define BODY_BYTES_MAX 2600
#define RUN_OPS 9

static const char *const names[NAMES] = {"M", "log/0", "log/1", "log/2", "log/3", "log/4",
                                         "data/00/p", "conf", "probe/x"};

struct name_model {
    unsigned may[CONTENTS_MAX]; /* 0: absent */
    size_t n;
    unsigned etag_of;           /* content that etag belongs to; 0: none */
    char etag[OBJ_ETAG_MAX];
};

struct history {
    loop *l;
    clock_manual *clock;
    fsys_lossy *f;
    objstore *s;
    rnd r;
    unsigned next;              /* content */
    struct name_model m[NAMES];
    bool bad;
    char why[200];
};

static void turn(loop *l) { loop_turn(l, 0); }

__attribute__((format(printf, 2, 3))) static void violation(struct history *h,
                                                            const char *fmt, ...) {
    if (h->bad) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(h->why, sizeof(h->why), fmt, ap);
    va_end(ap);
    h->bad = true;
}

/* -- Contents: number, length, and bytes that follow from them ----------------------- */

static size_t content_make(uint8_t *p, unsigned content) {
    size_t n = 8 + content * 7919u % (BODY_BYTES_MAX - 8);
    put_u32(p, content);
    put_u32(p + 4, (uint32_t)n);
    for (size_t i = 8; i < n; i++) p[i] = (uint8_t)(content * 31 + i * 7 + (i >> 8) + 1);
    return n;
}

/* Its number, or UINT_MAX for bytes that nobody wrote. */
static unsigned content_read(slice s) {
    uint8_t want[BODY_BYTES_MAX];
    if (s.n < 8 || s.n > BODY_BYTES_MAX) return UINT32_MAX;
    size_t n = content_make(want, get_u32(s.p));
    return slice_eq(s, slice_make(want, n)) ? get_u32(s.p) : UINT32_MAX;
}

static bool may(const struct name_model *m, unsigned content) {
    for (size_t i = 0; i < m->n; i++) {
        if (m->may[i] == content) return true;
    }
    return false;
}

static void may_set(struct name_model *m, unsigned content) {
    m->may[0] = content;
    m->n = 1;
}

static void may_add(struct name_model *m, unsigned content) {
    if (may(m, content)) return;
    assert(m->n < CONTENTS_MAX);
    m->may[m->n++] = content;
}

static void may_not(struct name_model *m, unsigned content) {
    for (size_t i = 0; i < m->n; i++) {
        if (m->may[i] == content) m->may[i--] = m->may[--m->n];
    }
}

/* -- Requests ------------------------------------------------------------------------ */

static void op_read(struct history *h, size_t i, bool settles) {
    struct name_model *m = &h->m[i];
    struct answer a =
        store_send(h->l, turn, h->s, store_req(OBJ_GET, names[i], SLICE(""), NULL));
    unsigned content = a.rc == ERR_NOTFOUND ? 0 : content_read(slice_of(&a.out));
    if (a.rc == OK || a.rc == ERR_NOTFOUND) {
        if (content == UINT32_MAX) {
            violation(h, "%s holds %zu bytes that nobody wrote", names[i], a.out.n);
        } else if (!may(m, content)) {
            violation(h, "%s holds content %u, expected %u (of %zu)", names[i], content,
                      m->may[0], m->n);
        }
        m->etag_of = content;
        memcpy(m->etag, a.etag, sizeof(a.etag));
        if (settles) may_set(m, content);
    } else if (settles) {
        violation(h, "%s cannot be read: %s", names[i], objstore_why(h->s));
    }
    buf_free(&a.out);
}

static void op_put(struct history *h, size_t i, enum obj_op op) {
    struct name_model *m = &h->m[i];
    uint8_t body[BODY_BYTES_MAX];
    unsigned content = ++h->next;
    size_t n = content_make(body, content);
    struct answer a = store_send(h->l, turn, h->s,
                                 store_req(op, names[i], slice_make(body, n), m->etag));
    switch (a.rc) {
    case OK:
        if (op == OBJ_PUT_ABSENT && !may(m, 0))
            violation(h, "%s was created twice", names[i]);
        if (op == OBJ_PUT_MATCH && !may(m, m->etag_of)) {
            violation(h, "%s was replaced by a stale etag", names[i]);
        }
        may_set(m, content);
        m->etag_of = content;
        memcpy(m->etag, a.etag, sizeof(a.etag));
        break;
    case ERR_TIMEOUT: may_add(m, content); break;
    case ERR_PRECOND:
        if (op == OBJ_PUT_ABSENT) may_not(m, 0);
        if (op == OBJ_PUT_MATCH) may_not(m, m->etag_of);
        if (m->n == 0) violation(h, "%s was refused for no reason", names[i]);
        break;
    case ERR_AGAIN: /* Half deleted. */
        if (!may(m, 0)) violation(h, "%s is hidden", names[i]);
        break;
    default: break; /* Did not happen. */
    }
}

static void op_delete(struct history *h, size_t i) {
    struct name_model *m = &h->m[i];
    struct answer a = store_send(h->l, turn, h->s,
                                 store_req(OBJ_DELETE, names[i], SLICE(""), NULL));
    if (a.rc == OK) may_set(m, 0);
    if (a.rc == ERR_TIMEOUT) may_add(m, 0);
}

/* The manifest is created and replaced, sometimes with an old etag; the log and data are
 * created and deleted; conf is plainly overwritten; the last has everything. */
static void op_random(struct history *h) {
    size_t i = rnd_below(&h->r, 2) == 0 ? 0 : rnd_below(&h->r, NAMES);
    struct name_model *m = &h->m[i];
    uint64_t x = rnd_below(&h->r, 20);
    if (i == 0 || i == NAMES - 1) {
        if (x == 0) op_delete(h, i);
        else if (x == 1 && i != 0) op_put(h, i, OBJ_PUT);
        else if (x < 4) op_read(h, i, false);
        else if (x < 5) op_put(h, i, OBJ_PUT_ABSENT);
        else op_put(h, i, m->etag_of == 0 ? OBJ_PUT_ABSENT : OBJ_PUT_MATCH);
    } else if (i == 7) {
        op_put(h, i, OBJ_PUT);
    } else {
        if (x < 4) op_delete(h, i);
        else if (x < 6) op_read(h, i, false);
        else op_put(h, i, OBJ_PUT_ABSENT);
    }
}

static void check_list(struct history *h) {
    struct answer a =
        store_send(h->l, turn, h->s, store_req(OBJ_LIST, "", SLICE(""), NULL));
    if (a.rc != OK) violation(h, "no list: %s", objstore_why(h->s));
    size_t want = 0, got = 0;
    for (size_t i = 0; i < NAMES; i++) want += h->m[i].may[0] != 0;
    for (size_t at = 0; at < a.out.n; at += strlen((char *)a.out.p + at) + 1) got++;
    if (got != want) violation(h, "the list has %zu names, expected %zu", got, want);
    buf_free(&a.out);
}

static void store_open(struct history *h) {
    char why[256] = "";
    h->s = NULL;
    int rc =
        objstore_file_create(h->l, fsys_lossy_table(h->f), "/store", 0, NULL, &h->s, why);
    if (rc != OK) violation(h, "does not open: %s", why);
}

/* Reads everything; what is there now must be there for good. */
static void check_all(struct history *h) {
    clock_manual_advance(h->clock, 1000000); /* Another life. */
    store_open(h);
    if (h->bad) return;
    if (objstore_file_sync_all(h->s) != OK) violation(h, "sync: %s", objstore_why(h->s));
    for (size_t i = 0; i < NAMES; i++) op_read(h, i, true);
    check_list(h);
    if (fsys_lossy_open_files(h->f) != 0) violation(h, "files are left open");
}

static void crash(struct history *h) {
    uint64_t seed = rnd_u64(&h->r);
    objstore_free(h->s);
    h->s = NULL;
    fsys_lossy_crash(h->f, seed);
    check_all(h);
}

static void run(struct history *h) {
    for (int i = 0; i < RUN_OPS && !h->bad; i++) op_random(h);
}

/* -- Histories ----------------------------------------------------------------------- */

struct plan {
    uint64_t seed;
    long stop_at;           /* 0: after the run */
    long fail_at;
    int fail_err;
    enum lossy_sync skip;
};

/* The calls of the first run; -1 after a violation, which is in why. */
static long history_play(loop *l, clock_manual *clock, const struct plan *p,
                         char why[200]) {
    struct history h = {.l = l, .clock = clock, .f = fsys_lossy_create()};
    rnd_seed(&h.r, p->seed);
    for (size_t i = 0; i < NAMES; i++) may_set(&h.m[i], 0);
    fsys_lossy_skip(h.f, p->skip);
    store_open(&h);
    long calls = fsys_lossy_calls(h.f);
    fsys_lossy_stop_at(h.f, p->stop_at, (p->seed + (uint64_t)p->stop_at) % 2 == 0);
    fsys_lossy_fail_at(h.f, p->fail_at, p->fail_err);
    if (!h.bad) run(&h);
    calls = fsys_lossy_calls(h.f) - calls;
    if (!h.bad) crash(&h);
    if (!h.bad) run(&h);
    if (!h.bad) crash(&h);
    if (!h.bad) crash(&h); /* All is durable: nothing may change. */
    objstore_free(h.s);
    memcpy(why, h.why, sizeof(h.why));
    if (h.bad && p->skip == LOSSY_SYNC_NONE) fsys_lossy_dump(h.f);
    fsys_lossy_free(h.f);
    return h.bad ? -1 : calls;
}

struct bench {
    loop *l;
    clock_manual clock;
    long histories;
};

static void bench_init(struct bench *b) { /* The loop borrows the clock. */
    b->histories = 0;
    clock_manual_init(&b->clock, 1000000, 1000000);
    CHECK_INT(loop_create(&b->clock.base, &b->l), OK);
}

static long play(struct bench *b, const struct plan *p) {
    char why[200];
    long calls = history_play(b->l, &b->clock, p, why);
    b->histories++;
    if (calls < 0) {
        test_fail(__FILE__, __LINE__, "seed %" PRIu64 ", stop at %ld, fail at %ld: %s",
                  p->seed, p->stop_at, p->fail_at, why);
    }
    return calls;
}

TEST_LONG("nothing confirmed is lost by a power loss at any step", 300) {
    struct bench b;
    bench_init(&b);
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct plan p = {.seed = seed};
        long calls = play(&b, &p);
        /* Every step of the first hundred seeds; of the others some, each time others. */
        long stride = seed <= 100 ? 1 : calls / 20 + 1;
        for (p.stop_at = 1 + (long)seed % stride; p.stop_at <= calls;
             p.stop_at += stride) {
            play(&b, &p);
        }
    }
    printf("# %ld histories\n", b.histories);
    loop_free(b.l);
}

TEST_LONG("a failed system call is answered by an error that is true", 300) {
    struct bench b;
    bench_init(&b);
    const int errs[] = {EIO, ENOSPC, EACCES};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct plan p = {.seed = seed, .fail_err = errs[seed % 3]};
        long calls = play(&b, &p), stride = seed <= 60 ? 1 : calls / 10 + 1;
        for (p.fail_at = 1 + (long)seed % stride; p.fail_at <= calls;
             p.fail_at += stride) {
            play(&b, &p);
        }
    }
    printf("# %ld histories\n", b.histories);
    loop_free(b.l);
}

static const char *const sync_names[LOSSY_SYNC_KINDS] = {"none",
                                                         "bytes of a file",
                                                         "folder after a link",
                                                         "folder after mkdir",
                                                         "new NAME.v before its rename",
                                                         "NAME.v after a version's file",
                                                         "NAME.v after the token"};

TEST_LONG("each kind of fsync is needed: without it the checker finds a loss", 300) {
    struct bench b;
    bench_init(&b);
    for (int kind = LOSSY_SYNC_FILE; kind < LOSSY_SYNC_KINDS; kind++) {
        struct plan p = {.skip = (enum lossy_sync)kind};
        char why[200] = "";
        long calls = 0;
        for (p.seed = 1; p.seed <= 1000 && calls >= 0; p.seed++) {
            p.stop_at = 0;
            calls = history_play(b.l, &b.clock, &p, why);
            for (p.stop_at = 5; calls >= 0 && p.stop_at <= 100; p.stop_at += 19) {
                if (history_play(b.l, &b.clock, &p, why) < 0) calls = -1;
            }
        }
        printf("# without fsync of %s: seed %" PRIu64 ": %s\n", sync_names[kind],
               p.seed - 1, why);
        CHECK(calls < 0);
    }
    loop_free(b.l);
}

TEST("no room, no rights and other errors are told apart, each with a sentence") {
    struct bench b;
    bench_init(&b);
    fsys_lossy *f = fsys_lossy_create();
    objstore *s = NULL;
    char why[256] = "";
    CHECK_INT(objstore_file_create(b.l, fsys_lossy_table(f), "/store", 0, NULL, &s, why),
              OK);
    obj_req r = store_req(OBJ_PUT_ABSENT, "x", SLICE("bytes"), NULL);
    static const struct { int err, rc; const char *why; } cases[] = {
        {ENOSPC, ERR_FULL, "No space left"}, {EDQUOT, ERR_FULL, "quota"}, {EFBIG, ERR_FULL, "too large"},
        {EROFS, ERR_AUTH, "Read-only"}, {EIO, ERR_IO, "Input/output"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fsys_lossy_fail_at(f, 3, cases[i].err); /* list M.v, open, write */
        CHECK_INT(store_send(b.l, turn, s, r).rc, cases[i].rc);
        CHECK(strstr(objstore_why(s), cases[i].why) != NULL);
    }
    fsys_lossy_fail_at(f, 2, EACCES);
    CHECK_INT(store_send(b.l, turn, s, r).rc, ERR_AUTH);
    CHECK(strstr(objstore_why(s), "Permission denied") != NULL);
    CHECK_INT(store_send(b.l, turn, s, r).rc, OK);
    objstore_free(s);
    fsys_lossy_free(f);
    loop_free(b.l);
}

/* A folder that was copied into place: its names are seen, its bytes are in no disk yet. */
TEST("what a durable GET has answered survives, though another program had written it") {
    const uint8_t bytes[1500] = {7};
    int lost[2] = {0, 0};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bench b;
        bench_init(&b);
        fsys_lossy *f = fsys_lossy_create();
        fsys *fs = fsys_lossy_table(f);
        objstore *s = NULL;
        char why[256] = "";
        CHECK_INT(objstore_file_create(b.l, fs, "/store", 0, NULL, &s, why), OK);
        CHECK_INT(fs->mkdir(fs, "/store/log", 0777), 0);
        int fd = fs->open(fs, "/store/log/7", O_CREAT | O_WRONLY, 0666);
        CHECK_INT(fs->pwrite(fs, fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        CHECK_INT(fs->close(fs, fd), 0);
        CHECK_INT(objstore_file_sync_all(s), OK); /* The entry; not the bytes. */
        obj_req r = store_req(OBJ_GET, "log/7", slice_make(NULL, 0), NULL);
        r.durable = seed % 2 == 0;
        struct answer a = store_send(b.l, turn, s, r);
        CHECK_INT(a.rc, OK);
        buf_free(&a.out);
        objstore_free(s);
        fsys_lossy_crash(f, seed);
        CHECK_INT(objstore_file_create(b.l, fs, "/store", 0, NULL, &s, why), OK);
        a = store_send(b.l, turn, s, store_req(OBJ_GET, "log/7", slice_make(NULL, 0), NULL));
        if (a.rc != OK || !slice_eq(slice_of(&a.out), slice_make(bytes, sizeof(bytes))))
            lost[seed % 2]++;
        buf_free(&a.out);
        objstore_free(s);
        fsys_lossy_free(f);
        loop_free(b.l);
    }
    CHECK_INT(lost[0], 0);
    CHECK(lost[1] > 0); /* The double does lose them. */
}
