/* file.c -- an object store in a directory: requests, and objects that are not replaced.
 *
 *   DIR/log/000000000000002a      an object is a file of exactly its bytes
 *   DIR/M                         version 0 of a replaced object
 *   DIR/M.v/t-...                 and where its other versions are: file_version.c
 *   DIR/tmp/<pid>-<counter>-<nonce>
 *
 * Invariants
 *  1. A file becomes visible under an object's name (link, rename) only after the fsync
 *     of its data. Whoever sees a name sees whole bytes, after a power loss too.
 *  2. A change is answered OK only after the fsync of the folder that holds the name, and
 *     that folder's own entry is durable by then (folder_ready).
 *  3. "It exists already" is answered only when what exists is durable: a caller who
 *     timed out finds its own bytes behind ERR_PRECOND and counts them as confirmed.
 *  4. From 1 and 2: when a name has been created and its folder synced, all names that
 *     anybody saw in that folder before are durable too. (The log's reader relies on it:
 *     its fence is created after it has read the tail.)
 *
 * After a failed fsync the pages of the file may be marked clean and yet not be stored;
 * so a file whose fsync failed is thrown away, and another attempt writes another
 * file. */
#include "objstore/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "objstore/file_internal.h"

#define WRITE_BYTES_MAX ((size_t)1 << 30) /* The kernel takes at most 2 GB a call. */

static void file_submit(objstore *base, obj_req *r);
static void file_free(objstore *base);
static const char *file_describe(objstore *base);
static const struct objstore_ops file_ops = {file_submit, file_free, file_describe};

static bool dir_make(struct file_call *c, const char *dir) {
    fsys *fs = c->s->fs;
    int e = fs->mkdir(fs, dir, 0777);
    if (e < 0 && e != -EEXIST) {
        (void)file__fail(c, "make folder", dir, e);
        return false;
    }
    return file__sync_folder_of(c, dir) == OK;
}

int objstore_file_create(loop *l, fsys *fs, const char *dir, int threads, logger *log,
                         objstore **out, char why[256]) {
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    if (n == 0 || n > FILE_DIR_MAX) {
        snprintf(why, 256, "the store's folder name is empty or over %d bytes",
                 FILE_DIR_MAX);
        return ERR_IO;
    }
    struct file_store *s = mem_calloc(1, sizeof(*s));
    s->base.ops = &file_ops;
    s->fs = fs;
    s->log = log;
    s->loop = l;
    memcpy(s->dir, dir, n);
    snprintf(s->text, sizeof(s->text), "file:%s", s->dir);
    pthread_mutex_init(&s->lock, NULL);
    /* Nonces have to differ between processes and lives: pid and start time say so. */
    clock_source *clock = loop_clock(l);
    uint64_t start[3] = {(uint64_t)getpid(), clock_wall_us(clock), clock_mono_us(clock)};
    s->seed = hash_xx(start, sizeof(start), 0);

    struct file_call c = {.s = s};
    int rc = ERR_IO;
    char tmp[FILE_PATH_MAX];
    file__path(tmp, "%s/tmp", s->dir);
    if (!dir_make(&c, s->dir) || !dir_make(&c, tmp)) goto fail;
    file__clean_tmp(&c);
    rc = pool_create(l, threads, &s->pool);
    if (rc != OK) {
        snprintf(c.why, sizeof(c.why), "the store's threads did not start");
        goto fail;
    }
    *out = &s->base;
    return OK;
fail:
    if (c.rc == ERR_AUTH) rc = ERR_AUTH;
    memcpy(why, c.why, sizeof(c.why));
    file_free(&s->base);
    return rc;
}

static void file_free(objstore *base) {
    struct file_store *s = (struct file_store *)base;
    if (s->pool != NULL) pool_free(s->pool);
    for (size_t i = 0; i < s->durable_count; i++) mem_free(s->durable[i]);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static const char *file_describe(objstore *base) {
    return ((struct file_store *)base)->text;
}

static void file_work(job *j);
static void file_done(job *j);

static void file_submit(objstore *base, obj_req *r) {
    struct file_store *s = (struct file_store *)base;
    struct file_call *c = mem_calloc(1, sizeof(*c));
    c->job.work = file_work;
    c->job.done = file_done;
    c->s = s;
    c->r = r;
    r->impl = c;
    r->rc = OK;
    r->out = BUF_INIT;
    r->size = 0;
    r->more = false;
    r->worked = false;
    base->stats.requests[r->op]++;
    pool_submit(s->pool, &c->job);
}

static void file_done(job *j) {
    struct file_call *c = (struct file_call *)(void *)j;
    struct file_store *s = c->s;
    obj_req *r = c->r;
    int rc = c->rc;
    r->impl = NULL;
    r->rc = rc;
    if (rc != OK) buf_free(&r->out);
    if (rc != OK && rc != ERR_NOTFOUND && rc != ERR_PRECOND) {
        s->base.stats.errors[r->op]++;
        memcpy(s->base.why, c->why, sizeof(s->base.why));
        uint64_t now = loop_now_us(s->loop);
        if (s->logged_us == 0 || now - s->logged_us >= FILE_LOG_US) {
            log_line(s->log, LOG_WARNING, "store: %s", c->why);
            s->logged_us = now;
        }
    }
    if (r->op == OBJ_GET && rc == OK) s->base.stats.bytes_down += r->out.n;
    if (r->op <= OBJ_PUT_MATCH && rc == OK) s->base.stats.bytes_up += r->body.n;
    mem_free(c);
    r->done(r);
}

/* -- One request, on a worker -------------------------------------------------------- */

static int put_absent(struct file_call *c);
static int put(struct file_call *c);
static int get(struct file_call *c);
static int head(struct file_call *c);
static int del(struct file_call *c);

/* The store's own corner of the name space. */
static bool name_reserved(const char *name) {
    if (strncmp(name, "tmp/", 4) == 0 || strcmp(name, "tmp") == 0) return true;
    size_t n = strlen(name);
    return strstr(name, ".v/") != NULL || (n >= 2 && strcmp(name + n - 2, ".v") == 0);
}

static void file_work(job *j) {
    struct file_call *c = (struct file_call *)(void *)j;
    obj_req *r = c->r;
    if (r->op != OBJ_LIST && (!objstore_name_ok(r->name) || name_reserved(r->name))) {
        snprintf(c->why, sizeof(c->why), "%.200s is not a name that the store takes",
                 r->name);
        c->rc = ERR_IO;
        return;
    }
    switch (r->op) {
    case OBJ_PUT: c->rc = put(c); break;
    case OBJ_PUT_ABSENT: c->rc = put_absent(c); break;
    case OBJ_PUT_MATCH: c->rc = file__match(c, false); break;
    case OBJ_GET: c->rc = get(c); break;
    case OBJ_HEAD: c->rc = head(c); break;
    case OBJ_LIST: c->rc = file__list(c); break;
    case OBJ_DELETE: c->rc = del(c); break;
    }
    if (r->op == OBJ_GET && c->rc == OK && r->work != NULL) {
        r->work(r);
        r->worked = true;
    }
}

static bool folder_known(struct file_store *s, const char *path) {
    bool known = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->durable_count && !known; i++) {
        known = strcmp(s->durable[i], path) == 0;
    }
    pthread_mutex_unlock(&s->lock);
    return known;
}

static void folder_remember(struct file_store *s, const char *path) {
    if (folder_known(s, path)) return;
    pthread_mutex_lock(&s->lock);
    if (s->durable_count < FILE_FOLDERS_MAX)
        s->durable[s->durable_count++] = mem_strdup(path);
    pthread_mutex_unlock(&s->lock);
}

/* Makes the folders on the way to `path` durable, also those that are there already: who
 * made them may not have come to its fsync. Each once in the life of the handle. */
static int folder_ready(struct file_call *c, const char *path) {
    fsys *fs = c->s->fs;
    char part[FILE_PATH_MAX];
    for (const char *p = path + strlen(c->s->dir) + 1; (p = strchr(p, '/')) != NULL;
         p++) {
        file__path(part, "%.*s", (int)(p - path), path);
        if (folder_known(c->s, part)) continue;
        int e = fs->mkdir(fs, part, 0777);
        if (e < 0 && e != -EEXIST) return file__fail(c, "make folder", part, e);
        int rc = file__sync_folder_of(c, part);
        if (rc != OK) return rc;
        folder_remember(c->s, part);
    }
    return OK;
}

static int write_tmp(struct file_call *c, char tmp[FILE_PATH_MAX]) {
    int rc = ERR_EXISTS;
    for (int i = 0; i < FILE_TRIES_MAX && rc == ERR_EXISTS; i++) {
        file__tmp_path(c->s, tmp);
        rc = file__write(c, tmp, c->r->body);
    }
    return rc == ERR_EXISTS ? file__fail(c, "create", tmp, -EEXIST) : rc;
}

/* A delete that a crash cut short hides the name until it is deleted again: see
 * file__bury. */
static int half_deleted(struct file_call *c) {
    snprintf(c->why, sizeof(c->why), "%.100s is half deleted: delete it again",
             c->r->name);
    return ERR_AGAIN;
}

static int put_absent(struct file_call *c) {
    obj_req *r = c->r;
    fsys *fs = c->s->fs;
    struct file_token t;
    char path[FILE_PATH_MAX], tmp[FILE_PATH_MAX];
    file__path(path, "%s/%s", c->s->dir, r->name);
    int rc = file__token_read(c, r->name, &t);
    if (rc == OK && t.found && t.dead) rc = half_deleted(c);
    if (rc == OK && t.found) {
        file__path(tmp, "%s.v", path); /* Invariant 3. */
        return file__sync(c, tmp, O_RDONLY | O_DIRECTORY) == OK ? ERR_PRECOND
                                                                : ERR_TIMEOUT;
    }
    if (rc == OK) rc = folder_ready(c, path);
    if (rc == OK) rc = write_tmp(c, tmp);
    if (rc != OK) return rc;
    int e = fs->link(fs, tmp, path);
    if (e == -EEXIST) { /* Invariant 3. */
        rc = file__sync(c, path, O_RDONLY) != OK || file__sync_folder_of(c, path) != OK
                 ? ERR_TIMEOUT : ERR_PRECOND;
    } else if (e < 0) {
        rc = file__fail_commit(c, "link", path, e);
    } else {
        rc = file__sync_folder_of(c, path) == OK ? OK : ERR_TIMEOUT;
    }
    (void)fs->unlink(fs, tmp); /* A failure leaves a file that the next start removes. */
    if (rc == OK) file__etag(r->etag, 0, file__hash(0, r->body.p, r->body.n));
    return rc;
}

static int put(struct file_call *c) {
    obj_req *r = c->r;
    fsys *fs = c->s->fs;
    struct file_token t;
    char path[FILE_PATH_MAX], tmp[FILE_PATH_MAX];
    file__path(path, "%s/%s", c->s->dir, r->name);
    int rc = file__token_read(c, r->name, &t);
    if (rc == OK && t.found && !t.dead) return file__match(c, true);
    if (rc == OK && t.found) rc = half_deleted(c);
    if (rc == OK) rc = folder_ready(c, path);
    if (rc == OK) rc = write_tmp(c, tmp);
    if (rc != OK) return rc;
    int e = fs->rename(fs, tmp, path);
    if (e < 0) {
        (void)fs->unlink(fs, tmp); /* As above. */
        return file__fail_commit(c, "rename to", path, e);
    }
    if (file__sync_folder_of(c, path) != OK) return ERR_TIMEOUT;
    file__etag(r->etag, 0, file__hash(0, r->body.p, r->body.n));
    return OK;
}

static long read_full(fsys *fs, int fd, uint8_t *p, size_t n, uint64_t offset) {
    size_t got = 0;
    while (got < n) {
        size_t want = n - got < WRITE_BYTES_MAX ? n - got : WRITE_BYTES_MAX;
        long k = fs->pread(fs, fd, p + got, want, offset + got);
        if (k < 0) return k;
        if (k == 0) break;
        got += (size_t)k;
    }
    return (long)got;
}

static int get(struct file_call *c) {
    obj_req *r = c->r;
    fsys *fs = c->s->fs;
    struct file_token t;
    int fd;
    int rc = file__open_current(c, r->name, &t, &fd);
    if (rc != OK) return rc;
    int64_t size = fs->size(fs, fd);
    rc = ERR_NOTFOUND;
    if (size == -EISDIR) goto out; /* "log" is no object when "log/1" is one. */
    rc = file__fail(c, "read", r->name, size < 0 ? (int)size : -EIO);
    if (size < 0) goto out;
    r->size = (uint64_t)size;
    uint64_t offset = r->length == 0 ? 0 : r->offset;
    uint64_t n = r->length == 0 ? r->size : r->length;
    if (offset > r->size) offset = r->size; /* Nothing there, and that is an answer. */
    if (n > r->size - offset) n = r->size - offset;
    rc = ERR_NOMEM;
    snprintf(c->why, sizeof(c->why), "no memory to read %.100s", r->name);
    if (buf_try_reserve(&r->out, (size_t)n) != OK) goto out;
    long got = read_full(fs, fd, r->out.p, (size_t)n, offset);
    rc = file__fail(c, "read", r->name, got < 0 ? (int)got : -EIO);
    if (got < 0 || (uint64_t)got != n) goto out;
    int synced = r->durable ? fs->fsync(fs, fd) : 0;
    if (synced < 0) {
        rc = file__fail(c, "sync", r->name, synced);
        goto out;
    }
    r->out.n = (size_t)n;
    r->etag[0] = '\0';
    if (t.found) {
        file__etag(r->etag, t.version, t.nonce);
    } else if (n == r->size) {
        file__etag(r->etag, 0, file__hash(0, r->out.p, r->out.n));
    }
    rc = OK;
out:
    (void)fs->close(fs, fd); /* It was only read. */
    return rc;
}

static int head(struct file_call *c) {
    obj_req *r = c->r;
    fsys *fs = c->s->fs;
    struct file_token t;
    int fd;
    int rc = file__open_current(c, r->name, &t, &fd);
    if (rc != OK) return rc;
    uint64_t hash = 0;
    int64_t size = fs->size(fs, fd);
    if (size == -EISDIR) {
        rc = ERR_NOTFOUND;
    } else if (size < 0) {
        rc = file__fail(c, "read", r->name, (int)size);
    } else if (t.found) {
        r->size = (uint64_t)size;
        file__etag(r->etag, t.version, t.nonce);
    } else {
        rc = file__hash_file(c, fd, &r->size, &hash);
        file__etag(r->etag, 0, hash);
    }
    (void)fs->close(fs, fd); /* It was only read. */
    return rc;
}

static int del(struct file_call *c) {
    obj_req *r = c->r;
    fsys *fs = c->s->fs;
    struct file_token t;
    char path[FILE_PATH_MAX];
    int rc = file__token_read(c, r->name, &t);
    if (rc != OK) return rc;
    if (t.found) {
        rc = file__remove(c, r->name, &t);
        /* The object is gone whatever becomes of its remains. */
        if (rc == OK) (void)file__bury(c, r->name, &t);
        return rc;
    }
    file__path(path, "%s/%s", c->s->dir, r->name);
    int e = fs->unlink(fs, path);
    if (e == -ENOTDIR || e == -EISDIR) return OK;
    if (e < 0 && e != -ENOENT) return file__fail_commit(c, "delete", path, e);
    /* Perhaps an earlier unlink whose fsync failed: go on, if there is a folder. */
    if (e == -ENOENT) {
        char folder[FILE_PATH_MAX];
        file__path(folder, "%.*s", (int)(strrchr(path, '/') - path), path);
        int fd = fs->open(fs, folder, O_RDONLY | O_DIRECTORY, 0);
        if (fd == -ENOENT || fd == -ENOTDIR) return OK;
        if (fd >= 0) (void)fs->close(fs, fd); /* Opened only to see that it is there. */
    }
    return file__sync_folder_of(c, path) == OK ? OK : ERR_TIMEOUT;
}

/* -- Helpers that the other files share ---------------------------------------------- */

void file__path(char out[FILE_PATH_MAX], const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out, FILE_PATH_MAX, fmt, ap);
    va_end(ap);
    assert(n > 0 && n < FILE_PATH_MAX);
}

int file__fail(struct file_call *c, const char *what, const char *path, int err) {
    assert(err < 0);
    char text[96];
    /* The GNU form: it may answer a constant instead of filling text. */
    snprintf(c->why, sizeof(c->why), "cannot %s %.120s: %s", what, path,
             strerror_r(-err, text, sizeof(text)));
    c->rc = err == -EACCES || err == -EPERM || err == -EROFS ? ERR_AUTH
            : err == -ENOSPC || err == -EDQUOT || err == -EFBIG ? ERR_FULL
            : err == -ENOMEM                                    ? ERR_NOMEM
                                                                : ERR_IO;
    return c->rc;
}

int file__fail_commit(struct file_call *c, const char *what, const char *path, int err) {
    int rc = file__fail(c, what, path, err);
    return err == -EIO ? ERR_TIMEOUT : rc;
}

uint64_t file__nonce(struct file_store *s) {
    uint64_t n = atomic_fetch_add(&s->counter, 1);
    return hash_xx(&n, sizeof(n), s->seed);
}

void file__tmp_path(struct file_store *s, char out[FILE_PATH_MAX]) {
    uint64_t n = atomic_fetch_add(&s->counter, 1);
    file__path(out, "%s/tmp/%ld-%" PRIu64 "-%016" PRIx64, s->dir, (long)getpid(), n,
               file__nonce(s));
}

int file__sync(struct file_call *c, const char *path, int flags) {
    fsys *fs = c->s->fs;
    int fd = fs->open(fs, path, flags, 0);
    if (fd < 0) return file__fail(c, "open", path, fd);
    int e = fs->fsync(fs, fd);
    (void)fs->close(fs, fd); /* Nothing was written through it. */
    return e < 0 ? file__fail(c, "sync", path, e) : OK;
}

int file__sync_folder_of(struct file_call *c, const char *path) {
    char folder[FILE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        file__path(folder, ".");
    } else {
        file__path(folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    }
    return file__sync(c, folder, O_RDONLY | O_DIRECTORY);
}

int file__write(struct file_call *c, const char *path, slice body) {
    fsys *fs = c->s->fs;
    int fd = fs->open(fs, path, O_CREAT | O_EXCL | O_WRONLY, 0666);
    if (fd == -EEXIST) return ERR_EXISTS;
    if (fd < 0) return file__fail(c, "create", path, fd);
    long e = 0;
    for (size_t at = 0; at < body.n && e >= 0;) {
        size_t n = body.n - at < WRITE_BYTES_MAX ? body.n - at : WRITE_BYTES_MAX;
        e = fs->pwrite(fs, fd, body.p + at, n, at);
        if (e == 0) e = -EIO;
        if (e > 0) at += (size_t)e;
    }
    int rc = e < 0 ? file__fail(c, "write", path, (int)e) : OK;
    int synced = rc == OK ? fs->fsync(fs, fd) : 0;
    if (synced < 0) rc = file__fail(c, "sync", path, synced);
    int closed = fs->close(fs, fd);
    if (rc == OK && closed < 0) rc = file__fail(c, "close", path, closed);
    if (rc != OK) (void)fs->unlink(fs, path); /* The next start, or winner, removes it. */
    return rc;
}

/* XXH3 chunk by chunk, each seeded by the one before, so that HEAD need not hold it
 * all. */
uint64_t file__hash(uint64_t h, const uint8_t *p, size_t n) {
    for (size_t at = 0; at < n; at += FILE_HASH_CHUNK) {
        size_t k = n - at < FILE_HASH_CHUNK ? n - at : FILE_HASH_CHUNK;
        h = hash_xx(p + at, k, h);
    }
    return h;
}

int file__hash_file(struct file_call *c, int fd, uint64_t *size, uint64_t *hash) {
    uint8_t *chunk = mem_alloc(FILE_HASH_CHUNK);
    long got = 0;
    *size = 0;
    *hash = 0;
    do {
        got = read_full(c->s->fs, fd, chunk, FILE_HASH_CHUNK, *size);
        if (got > 0) *hash = file__hash(*hash, chunk, (size_t)got);
        if (got > 0) *size += (uint64_t)got;
    } while (got == (long)FILE_HASH_CHUNK);
    mem_free(chunk);
    return got < 0 ? file__fail(c, "read", c->r->name, (int)got) : OK;
}

void file__etag(char out[OBJ_ETAG_MAX], uint64_t version, uint64_t nonce) {
    snprintf(out, OBJ_ETAG_MAX, "%016" PRIx64 "-%016" PRIx64, version, nonce);
}
