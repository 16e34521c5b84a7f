/* The store in a directory, on the real file system: one request, many threads, many
 * processes, and processes that are stopped between any two system calls. */
#include "objstore/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objstore/probe.h"
#include "store_util.h"
#include "test.h"

struct box {
    char dir[64], sub[128];
    loop *l;
    objstore *s;
};

static void turn(loop *l) { loop_turn(l, 100); }

static int rm_one(const char *path, const struct stat *st, int kind, struct FTW *f) {
    (void)st, (void)kind, (void)f;
    return remove(path);
}

static objstore *store_open(loop *l, fsys *fs, const char *dir, int threads) {
    char why[256] = "";
    objstore *s = NULL;
    int rc = objstore_file_create(l, fs, dir, threads, NULL, &s, why);
    CHECK_STR(why, "");
    CHECK_INT(rc, OK);
    return s;
}

static struct box box_open(int threads) {
    struct box b = {.dir = "/tmp/cove-file-test-XXXXXX"};
    CHECK(mkdtemp(b.dir) != NULL);
    snprintf(b.sub, sizeof(b.sub), "%s/store", b.dir);
    CHECK_INT(loop_create(clock_real(), &b.l), OK);
    b.s = store_open(b.l, fsys_real(), b.sub, threads);
    return b;
}

static void box_close(struct box *b) {
    objstore_free(b->s);
    loop_free(b->l);
    CHECK_INT(nftw(b->dir, rm_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static struct answer ask(struct box *b, enum obj_op op, const char *name,
                         const char *body, const char *etag) {
    return store_send(b->l, turn, b->s, store_req(op, name, slice_str(body), etag));
}

static int ask_rc(struct box *b, enum obj_op op, const char *name, const char *body,
                  const char *etag) {
    struct answer a = ask(b, op, name, body, etag);
    buf_free(&a.out);
    return a.rc;
}

static void check_body(struct box *b, const char *name, const char *want) {
    struct answer a = ask(b, OBJ_GET, name, "", NULL);
    CHECK_INT(a.rc, OK);
    CHECK_INT(a.size, strlen(want));
    CHECK_INT(a.out.n, a.size);
    if (a.out.n > 0) CHECK_SLICE(slice_of(&a.out), want);
    buf_free(&a.out);
}

static int files_count(void *cookie, const char *name) {
    (void)name;
    ++*(size_t *)cookie;
    return 0;
}

static size_t files_in(struct box *b, const char *folder) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", b->sub, folder);
    size_t n = 0;
    int rc = fsys_real()->list(fsys_real(), path, files_count, &n);
    return rc < 0 ? 0 : n;
}

TEST("names that every store takes, and names that none takes") {
    char longest[OBJ_NAME_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[OBJ_NAME_MAX] = '\0';
    CHECK(objstore_name_ok("M"));
    CHECK(objstore_name_ok("log/000000000000002a"));
    CHECK(objstore_name_ok("a.b/..c/_-"));
    CHECK(objstore_name_ok(longest));
    longest[OBJ_NAME_MAX] = 'a';
    longest[OBJ_NAME_MAX + 1] = '\0';
    CHECK(!objstore_name_ok(longest));
    const char *bad[] = {"",     "/",        "/a",     "a/", "a//b",  "..",
                         "a/..", "../a",     "a/../b", ".",  "a/./b", "a b",
                         "a\n",  "\xc3\xa4", "a\\b",   "a:b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!objstore_name_ok(bad[i]));
}

TEST("put-if-absent creates once, and the object reads back whole") {
    struct box b = box_open(0);
    struct answer a = ask(&b, OBJ_PUT_ABSENT, "log/0001", "first", NULL);
    CHECK_INT(a.rc, OK);
    CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "log/0001", "second", NULL), ERR_PRECOND);
    struct answer g = ask(&b, OBJ_GET, "log/0001", "", NULL);
    CHECK_INT(g.rc, OK);
    CHECK_SLICE(slice_of(&g.out), "first");
    CHECK_STR(g.etag, a.etag);
    struct answer h = ask(&b, OBJ_HEAD, "log/0001", "", NULL);
    CHECK_INT(h.rc, OK);
    CHECK_INT(h.size, 5);
    CHECK_STR(h.etag, a.etag);
    CHECK_INT(ask_rc(&b, OBJ_GET, "log/0002", "", NULL), ERR_NOTFOUND);
    CHECK_INT(ask_rc(&b, OBJ_HEAD, "log", "", NULL), ERR_NOTFOUND);
    CHECK_INT(ask_rc(&b, OBJ_GET, "log/0001/x", "", NULL), ERR_NOTFOUND);
    CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "empty", "", NULL), OK);
    check_body(&b, "empty", "");
    CHECK_INT(files_in(&b, "tmp"), 0);
    buf_free(&g.out);
    box_close(&b);
}

TEST("a range is cut at the object's end, and one past it is empty") {
    struct box b = box_open(2);
    CHECK_INT(ask_rc(&b, OBJ_PUT, "data/p", "0123456789", NULL), OK);
    obj_req r = store_req(OBJ_GET, "data/p", slice_str(""), NULL);
    r.offset = 3;
    r.length = 4;
    struct answer a = store_send(b.l, turn, b.s, r);
    CHECK_INT(a.rc, OK);
    CHECK_SLICE(slice_of(&a.out), "3456");
    CHECK_INT(a.size, 10);
    buf_free(&a.out);
    r.offset = 8;
    r.length = UINT64_MAX;
    a = store_send(b.l, turn, b.s, r);
    CHECK_INT(a.rc, OK);
    CHECK_SLICE(slice_of(&a.out), "89");
    buf_free(&a.out);
    r.offset = 10;
    r.length = 1;
    a = store_send(b.l, turn, b.s, r);
    CHECK_INT(a.rc, OK);
    CHECK_INT(a.out.n, 0);
    CHECK_INT(a.size, 10);
    buf_free(&a.out);
    box_close(&b);
}

TEST("put-if-match replaces by the current etag alone, and old versions go away") {
    struct box b = box_open(0);
    char first[OBJ_ETAG_MAX], last[OBJ_ETAG_MAX], body[16];
    struct answer a = ask(&b, OBJ_PUT_ABSENT, "M", "v0", NULL);
    memcpy(first, a.etag, sizeof(first));
    memcpy(last, a.etag, sizeof(last));
    CHECK_INT(ask_rc(&b, OBJ_PUT_MATCH, "N", "x", first), ERR_PRECOND);
    CHECK_INT(ask_rc(&b, OBJ_PUT_MATCH, "M", "x", "0000000000000000-0"), ERR_PRECOND);
    for (int i = 1; i <= 20; i++) {
        snprintf(body, sizeof(body), "v%d", i);
        a = ask(&b, OBJ_PUT_MATCH, "M", body, last);
        CHECK_INT(a.rc, OK);
        CHECK(strcmp(a.etag, last) != 0);
        CHECK_INT(ask_rc(&b, OBJ_PUT_MATCH, "M", "stale", last), ERR_PRECOND);
        CHECK_INT(ask_rc(&b, OBJ_PUT_MATCH, "M", "stale", first), ERR_PRECOND);
        CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "M", "new", NULL), ERR_PRECOND);
        check_body(&b, "M", body);
        memcpy(last, a.etag, sizeof(last));
        struct answer h = ask(&b, OBJ_HEAD, "M", "", NULL);
        CHECK_STR(h.etag, last);
        CHECK_INT(h.size, strlen(body));
        CHECK(files_in(&b, "M.v") <= 3); /* Two versions and the token. */
    }
    CHECK_INT(ask_rc(&b, OBJ_PUT, "M", "plain", NULL), OK);
    check_body(&b, "M", "plain");
    CHECK_INT(ask_rc(&b, OBJ_PUT_MATCH, "M", "stale", last), ERR_PRECOND);
    objstore_free(b.s);
    b.s = store_open(b.l, fsys_real(), b.sub, 0);
    CHECK_INT(objstore_file_sync_all(b.s), OK);
    check_body(&b, "M", "plain");
    CHECK_INT(files_in(&b, "tmp"), 0);
    box_close(&b);
}

TEST("a deleted object is gone without a trace and can be created again") {
    struct box b = box_open(0);
    char etag[OBJ_ETAG_MAX];
    CHECK_INT(ask_rc(&b, OBJ_DELETE, "M", "", NULL), OK);
    CHECK_INT(ask_rc(&b, OBJ_DELETE, "no/such/folder", "", NULL), OK);
    for (int i = 0; i < 3; i++) {
        struct answer a = ask(&b, OBJ_PUT_ABSENT, "M", "zero", NULL);
        CHECK_INT(a.rc, OK);
        a = ask(&b, OBJ_PUT_MATCH, "M", "one", a.etag);
        CHECK_INT(a.rc, OK);
        memcpy(etag, a.etag, sizeof(etag));
        check_body(&b, "M", "one");
        CHECK_INT(ask_rc(&b, OBJ_DELETE, "M", "", NULL), OK);
        CHECK_INT(ask_rc(&b, OBJ_GET, "M", "", NULL), ERR_NOTFOUND);
        CHECK_INT(ask_rc(&b, OBJ_PUT_MATCH, "M", "two", etag), ERR_PRECOND);
        CHECK_INT(files_in(&b, ""), 1); /* tmp/ */
    }
    box_close(&b);
}

static void list_join(const struct answer *a, char *out, size_t cap) {
    size_t n = 0;
    out[0] = '\0';
    for (size_t at = 0; at < a->out.n; at += strlen((char *)a->out.p + at) + 1) {
        const char *gap = at == 0 ? "" : " ";
        n += (size_t)snprintf(out + n, cap - n, "%s%s", gap, a->out.p + at);
        CHECK(n < cap);
    }
}

TEST("a list is in the order of bytes, across folders, without the store's own files") {
    struct box b = box_open(0);
    const char *names[] = {"a0",        "a/2",     "a/1", "a.b",   "a-b",    "a/1.v1",
                           "data/0012", "data/01", "M",   "log/1", "b/c/d/e"};
    char etag[OBJ_ETAG_MAX] = "", text[512];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct answer a = ask(&b, OBJ_PUT_ABSENT, names[i], "x", NULL);
        CHECK_INT(a.rc, OK);
        if (strcmp(names[i], "M") == 0) memcpy(etag, a.etag, sizeof(etag));
    }
    CHECK_INT(ask_rc(&b, OBJ_PUT_MATCH, "M", "y", etag), OK);
    const char *cases[][3] = {
        {"", "", "M a-b a.b a/1 a/1.v1 a/2 a0 b/c/d/e data/0012 data/01 log/1"},
        {"a/", "", "a/1 a/1.v1 a/2"},
        {"a", "a/1", "a/1.v1 a/2 a0"},
        {"data/00", "", "data/0012"},
        {"data/", "data/0012", "data/01"},
        {"", "a/2", "a0 b/c/d/e data/0012 data/01 log/1"},
        {"b/c", "", "b/c/d/e"},
        {"b/c", "b/c/d/e", ""},
        {"none/", "", ""},
        {"M", "", "M"},
        {"log/1", "", "log/1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        obj_req r = store_req(OBJ_LIST, cases[i][0], slice_str(""), NULL);
        r.after = cases[i][1];
        struct answer a = store_send(b.l, turn, b.s, r);
        CHECK_INT(a.rc, OK);
        CHECK(!a.more);
        list_join(&a, text, sizeof(text));
        CHECK_STR(text, cases[i][2]);
        buf_free(&a.out);
    }
    box_close(&b);
}

/* Files put there by hand: a thousand fsyncs would take long, and are tested
 * elsewhere. */
TEST("a long list comes in pages that neither repeat nor miss a name") {
    struct box b = box_open(1);
    char path[256], after[OBJ_NAME_MAX + 1] = "", want[32];
    CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "log/00000", "x", NULL), OK);
    for (int i = 1; i < 2100; i++) {
        snprintf(path, sizeof(path), "%s/log/%05d", b.sub, i);
        int fd = open(path, O_CREAT | O_WRONLY, 0644);
        CHECK(fd >= 0 && close(fd) == 0);
    }
    int seen = 0, pages = 0;
    bool more = true;
    for (; more; pages++) {
        obj_req r = store_req(OBJ_LIST, "log/", slice_str(""), NULL);
        r.after = after;
        struct answer a = store_send(b.l, turn, b.s, r);
        CHECK_INT(a.rc, OK);
        for (size_t at = 0; at < a.out.n; at += strlen((char *)a.out.p + at) + 1) {
            snprintf(after, sizeof(after), "%s", (char *)a.out.p + at);
            snprintf(want, sizeof(want), "log/%05d", seen++);
            CHECK_STR(after, want);
        }
        more = a.more;
        buf_free(&a.out);
    }
    CHECK_INT(seen, 2100);
    CHECK_INT(pages, 3);
    box_close(&b);
}

TEST("names that leave the directory or are the store's own are refused") {
    struct box b = box_open(0);
    const char *bad[] = {"../x", "/x",    "a/../../x", "tmp/x", "tmp",
                         "M.v",  "M.v/t", "a/M.v/x",   ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_INT(ask_rc(&b, OBJ_PUT, bad[i], "x", NULL), ERR_IO);
        CHECK_INT(ask_rc(&b, OBJ_GET, bad[i], "x", NULL), ERR_IO);
        CHECK(strstr(objstore_why(b.s), "not a name") != NULL);
    }
    CHECK_INT(files_in(&b, ""), 1);
    box_close(&b);
}

TEST("temporary files of dead processes are removed, those of living ones stay") {
    struct box b = box_open(0);
    char path[256];
    pid_t dead = fork();
    if (dead == 0) _exit(0);
    CHECK(waitpid(dead, NULL, 0) == dead);
    const long pids[] = {(long)dead, (long)getppid()};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/tmp/%ld-7-00", b.sub, pids[i]);
        int fd = open(path, O_CREAT | O_WRONLY, 0644);
        CHECK(fd >= 0 && close(fd) == 0);
    }
    snprintf(path, sizeof(path), "%s/tmp/%ld-8-00", b.sub, (long)dead);
    CHECK_INT(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/tmp/%ld-8-00/t-0", b.sub, (long)dead);
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK_INT(files_in(&b, "tmp"), 3);
    objstore_free(b.s);
    b.s = store_open(b.l, fsys_real(), b.sub, 0);
    CHECK_INT(files_in(&b, "tmp"), 1);
    box_close(&b);
}

TEST("a folder that cannot be made is an error with a sentence") {
    loop *l;
    objstore *s = NULL;
    char why[256] = "";
    CHECK_INT(loop_create(clock_real(), &l), OK);
    CHECK_INT(objstore_file_create(l, fsys_real(), "/proc/no/such", 0, NULL, &s, why),
              ERR_IO);
    CHECK(strstr(why, "/proc/no/such") != NULL);
    CHECK(s == NULL);
    loop_free(l);
}

static void probe_done(void *cookie, int rc, const char *why) {
    printf("# probe: %d %s\n", rc, why);
    *(int *)cookie = rc;
}

TEST("the store keeps its promises with several threads at once (probe)") {
    struct box b = box_open(4);
    rnd r;
    int rc = 1;
    rnd_seed(&r, 7);
    objstore_probe(b.s, &r, probe_done, &rc);
    while (rc == 1) turn(b.l);
    CHECK_INT(rc, OK);
    CHECK_INT(files_in(&b, "probe"), 0);
    box_close(&b);
}

/* -- Several processes --------------------------------------------------------------- */

/* Adds one to the number in M; the answer of the replacement. */
static int increment(struct box *b) {
    char body[32];
    struct answer a = ask(b, OBJ_GET, "M", "", NULL);
    CHECK_INT(a.rc, OK);
    snprintf(body, sizeof(body), "%.*s", (int)a.out.n, (char *)a.out.p);
    snprintf(body, sizeof(body), "%ld", strtol(body, NULL, 10) + 1);
    buf_free(&a.out);
    return ask_rc(b, OBJ_PUT_MATCH, "M", body, a.etag);
}

TEST("increments by four processes are all there") {
    struct box b = box_open(0);
    CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "M", "0", NULL), OK);
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        CHECK(pids[i] >= 0);
        if (pids[i] != 0) continue;
        struct box own = b;
        CHECK_INT(loop_create(clock_real(), &own.l), OK);
        own.s = store_open(own.l, fsys_real(), own.sub, 0);
        for (int wins = 0; wins < 25;) {
            int rc = increment(&own);
            if (rc == OK) wins++;
            else CHECK_INT(rc, ERR_PRECOND);
        }
        _exit(0);
    }
    for (int i = 0; i < 4; i++) {
        int status = 1;
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        CHECK_INT(status, 0);
    }
    check_body(&b, "M", "100");
    CHECK(files_in(&b, "M.v") <= 3);
    box_close(&b);
}

/* The real file system, that stops its process before the k-th call. */
struct stopping {
    fsys table;
    long calls, stop_at;
};
static fsys *step(fsys *f) {
    struct stopping *s = (struct stopping *)(void *)f;
    if (++s->calls == s->stop_at) raise(SIGSTOP);
    return fsys_real();
}
static int st_open(fsys *f, const char *p, int flags, int mode) {
    f = step(f);
    return f->open(f, p, flags, mode);
}
static long st_pwrite(fsys *f, int fd, const void *p, size_t n, uint64_t at) {
    f = step(f);
    return f->pwrite(f, fd, p, n, at);
}
static long st_pread(fsys *f, int fd, void *p, size_t n, uint64_t at) {
    f = step(f);
    return f->pread(f, fd, p, n, at);
}
static int st_fsync(fsys *f, int fd) {
    f = step(f);
    return f->fsync(f, fd);
}
static int st_close(fsys *f, int fd) {
    f = step(f);
    return f->close(f, fd);
}
static int64_t st_size(fsys *f, int fd) {
    f = step(f);
    return f->size(f, fd);
}
static int st_link(fsys *f, const char *from, const char *to) {
    f = step(f);
    return f->link(f, from, to);
}
static int st_rename(fsys *f, const char *from, const char *to) {
    f = step(f);
    return f->rename(f, from, to);
}
static int st_unlink(fsys *f, const char *p) {
    f = step(f);
    return f->unlink(f, p);
}
static int st_mkdir(fsys *f, const char *p, int mode) {
    f = step(f);
    return f->mkdir(f, p, mode);
}
static int st_rmdir(fsys *f, const char *p) {
    f = step(f);
    return f->rmdir(f, p);
}
static int st_list(fsys *f, const char *p, int (*each)(void *, const char *),
                   void *cookie) {
    f = step(f);
    return f->list(f, p, each, cookie);
}

/* A child that has opened the store and sends one request; it is stopped before its k-th
 * call, *stopped says whether it came to that. */
static pid_t child_stopped_at(struct box *b, long k, obj_req r, bool *stopped) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct stopping s = {.table = {st_open, st_pwrite, st_pread, st_fsync, st_close,
                                       st_size, st_link, st_rename, st_unlink, st_mkdir,
                                       st_rmdir, st_list}};
        struct box own = *b;
        CHECK_INT(loop_create(clock_real(), &own.l), OK);
        own.s = store_open(own.l, &s.table, own.sub, 0);
        s.stop_at = s.calls + k;
        struct answer a = store_send(own.l, turn, own.s, r);
        if (r.op == OBJ_GET && a.rc == OK)
            _exit(a.out.n == 1 ? 10 + a.out.p[0] - '0' : 2);
        _exit(a.rc == OK ? 0 : a.rc == ERR_PRECOND ? 1 : 2);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    *stopped = WIFSTOPPED(status);
    if (!*stopped && r.op != OBJ_GET) CHECK_INT(status, 0);
    return pid;
}

static int child_resume(pid_t pid) {
    int status = 0;
    CHECK_INT(kill(pid, SIGCONT), 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool child_won(pid_t pid) {
    int status = child_resume(pid);
    CHECK(status < 2);
    return status == 0;
}

/* From the first replacement of an object, and from a later one. */
static void stop_replacing(int before) {
    long k = 1;
    int won = 0, lost = 0;
    for (bool stopped = true; stopped; k++) {
        struct box b = box_open(0);
        char want[16], body[16];
        CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "M", "0", NULL), OK);
        for (int i = 0; i < before; i++) CHECK_INT(increment(&b), OK);
        struct answer a = ask(&b, OBJ_HEAD, "M", "", NULL);
        snprintf(body, sizeof(body), "%d", before + 1);
        pid_t pid = child_stopped_at(
            &b, k, store_req(OBJ_PUT_MATCH, "M", slice_str(body), a.etag), &stopped);
        if (stopped) {
            /* Enough for the versions that the child knows to be removed. */
            for (int i = 0; i < 4; i++) CHECK_INT(increment(&b), OK);
            bool child = child_won(pid);
            won += child;
            lost += !child;
            snprintf(want, sizeof(want), "%d", before + 4 + child);
            check_body(&b, "M", want);
            CHECK_INT(increment(&b), OK);
        }
        box_close(&b);
    }
    printf("# %ld calls; stopped before one of them, %d won, %d lost\n", k, won, lost);
    CHECK(won > 2 && lost > 5);
}

TEST("a writer stopped before any call of a first replacement wins only if first") {
    stop_replacing(0);
}

TEST("a writer stopped before any call of a later replacement wins only if first") {
    stop_replacing(3);
}

/* The object was `before` when the child asked, and `before` + 4 when it went on. */
TEST("a reader stopped before any call never sees less than was there when it asked") {
    for (int before = 0; before <= 3; before++) {
        bool stopped = true;
        for (long k = 1; stopped; k++) {
            struct box b = box_open(0);
            CHECK_INT(ask_rc(&b, OBJ_PUT_ABSENT, "M", "0", NULL), OK);
            for (int i = 0; i < before; i++) CHECK_INT(increment(&b), OK);
            pid_t pid = child_stopped_at(&b, k, store_req(OBJ_GET, "M", SLICE(""), NULL),
                                         &stopped);
            if (stopped) {
                for (int i = 0; i < 4; i++) CHECK_INT(increment(&b), OK);
                int seen = child_resume(pid) - 10;
                CHECK(seen >= before && seen <= before + 4);
            }
            box_close(&b);
        }
    }
}

TEST("a writer stopped before any call of a put-if-absent creates only what was absent") {
    int won = 0, lost = 0;
    for (long k = 1; k < 1000; k++) {
        struct box b = box_open(0);
        bool stopped;
        pid_t pid = child_stopped_at(
            &b, k, store_req(OBJ_PUT_ABSENT, "log/1", SLICE("child"), NULL), &stopped);
        if (stopped) {
            int rc = ask_rc(&b, OBJ_PUT_ABSENT, "log/1", "parent", NULL);
            bool child = child_won(pid);
            CHECK_INT(rc, child ? ERR_PRECOND : OK);
            check_body(&b, "log/1", child ? "child" : "parent");
            won += child;
            lost += !child;
        }
        box_close(&b);
        if (!stopped) break;
    }
    printf("# %d won, %d lost\n", won, lost);
    CHECK(won > 2 && lost > 2);
}
