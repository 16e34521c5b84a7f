/* local.c -- the local log of ack disk: what the store has not yet, on one trusted disk.
 *
 *   cache-dir/local-<epoch, 16 hex>-<number, 8 hex>.log
 *   header of 64 bytes: magic u32 | version u32 | epoch u64 | rolling hash before the first record u64 |
 *                       ... | crc32c at 60
 *   then the log's records as they are in segments
 *
 * One write and one fsync are under way at a time; what gathers meanwhile is the next. A file that
 * has grown is left for a new one, and removed when the store has all of it. After a write or an fsync
 * that failed the local log is not used again: the kernel may have dropped the pages, and a
 * later success would prove nothing.
 *
 * At open it counts only if its rolling hash at the store's last LSN is the store's, so that nobody has
 * written in between: then what follows is logged again, first of all, into a new file here before
 * the store sees any of it. Otherwise it is set aside as lost-<epoch>-<number>.log and counted. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "objstore/fsys.h"
#include "tier/tier_internal.h"

#define LOCAL_MAGIC 0x4c4c5643u /* "CVLL" */
#define LOCAL_HEADER 64u
#define LOCAL_FILE_BYTES (64u << 20)
#define LOCAL_FILES_MAX 4096    /* Seen in the folder at open; names are not to be trusted. */
#define LOCAL_PATH 512

struct local_file {
    uint64_t epoch, number, last_lsn;
};

struct local {
    fsys *fs;
    bool off, started, fresh;
    uint64_t number, offset, base_hash; /* of the file that is written to */
    buf pending;                /* records not handed to a write yet */
    uint64_t pending_lsn;
    struct local_file *files;   /* of this epoch, oldest first; the last is written to */
    size_t files_count;
    struct local_write *writing;
    struct local_read *reading;
    void (*opened)(tier *t);    /* waits for the first write of what is logged again */
};

/* One turn of the disk: perhaps a new file, a write, an fsync, removals. */
struct local_write {
    tier *t;
    fsys *fs;
    char dir[LOCAL_PATH];
    bool fresh;                 /* make the file first */
    struct local_file file;
    uint64_t offset;
    buf bytes;
    uint64_t lsn;
    struct local_file *remove;
    size_t remove_count;
    int rc;
    job job;
};

struct local_found {
    struct local_file file;
    bool meets;
    buf bytes;
};

struct local_read {
    tier *t;
    fsys *fs;
    char dir[LOCAL_PATH];
    uint64_t last_lsn, hash, hash_all;
    void (*done)(tier *t);
    struct local_found *found;
    size_t count;
    buf redo;                   /* whole records to be logged again */
    uint64_t lost;
    int rc;
    job job;
};

bool local_on(const tier *t) { return t->local != NULL && !t->local->off; }

static void local_path(char out[LOCAL_PATH + 64], const char *dir, const struct local_file *f) {
    snprintf(out, LOCAL_PATH + 64, "%s/local-%016llx-%08llx.log", dir,
             (unsigned long long)f->epoch, (unsigned long long)f->number);
}

/* ---- finding -------------------------------------------------------------------------------------- */

static int local_seen(void *cookie, const char *name) {
    struct local_read *r = cookie;
    char *end;
    if (strncmp(name, "local-", 6) != 0 || strlen(name) != 6 + 16 + 1 + 8 + 4) return 0;
    struct local_file f = {.epoch = strtoull(name + 6, &end, 16)};
    if (*end != '-') return 0;
    f.number = strtoull(end + 1, &end, 16);
    if (strcmp(end, ".log") != 0) return 0;
    if (r->count == LOCAL_FILES_MAX) return 1;
    r->found = mem_realloc(r->found, (r->count + 1) * sizeof(*r->found));
    r->found[r->count++] = (struct local_found){.file = f};
    return 0;
}

static int local_order(const void *a, const void *b) {
    const struct local_file *x = &((const struct local_found *)a)->file;
    const struct local_file *y = &((const struct local_found *)b)->file;
    if (x->epoch != y->epoch) return x->epoch < y->epoch ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int local_load(struct local_read *r, struct local_found *f) {
    char path[LOCAL_PATH + 64];
    local_path(path, r->dir, &f->file);
    int fd = r->fs->open(r->fs, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return fd;
    int64_t size = r->fs->size(r->fs, fd);
    int rc = OK;
    if (size < 0 || size > INT32_MAX || buf_try_reserve(&f->bytes, (size_t)size) != OK) {
        rc = ERR_LIMIT;
    } else if (size > 0) {
        long n = r->fs->pread(r->fs, fd, f->bytes.p, (size_t)size, 0);
        if (n < 0) rc = ERR_IO;
        else f->bytes.n = (size_t)n;
    }
    r->fs->close(r->fs, fd);
    return rc;
}

static bool local_header_ok(const struct local_found *f) {
    const uint8_t *h = f->bytes.p;
    return f->bytes.n >= LOCAL_HEADER && get_u32(h) == LOCAL_MAGIC && get_u32(h + 4) == 1 &&
           get_u64(h + 8) == f->file.epoch && crc32c(0, h, 60) == get_u32(h + 60);
}

/* One epoch's files, found[from..to): the records beyond the store's log, as whole transactions, into
 * *redo. True when they meet it. A torn end is where a file ends. */
static bool local_compare(struct local_read *r, size_t from, size_t to, buf *redo,
                          uint64_t *txns) {
    bool meets = false;
    uint64_t hash = 0;
    *txns = 0;
    for (size_t i = from; i < to; i++) {
        const struct local_found *f = &r->found[i];
        if (!local_header_ok(f)) break;
        if (i > from && get_u64(f->bytes.p + 16) != hash) break; /* a gap between files */
        hash = get_u64(f->bytes.p + 16);
        /* A file begins where the log stood, with or without a transaction that was cut short. */
        if (hash == r->hash || hash == r->hash_all) {
            meets = true;
            redo->n = 0;
            *txns = 0;
        }
        reader in = reader_make(slice_make(f->bytes.p + LOCAL_HEADER, f->bytes.n - LOCAL_HEADER));
        size_t whole = redo->n;
        struct record x;
        while (record_next(&in, &x) == OK) {
            hash = record_hash(hash, x.bytes);
            buf_append_slice(redo, x.bytes);
            if (x.kind != RECORD_TXN) continue;
            ++*txns;
            whole = redo->n;
            if (x.lsn == r->last_lsn && hash == r->hash) { /* The store has it up to here. */
                meets = true;
                redo->n = whole = 0;
                *txns = 0;
            }
        }
        redo->n = whole;
    }
    return meets;
}

/* Files whose transactions are elsewhere are removed; those that meet nothing are set aside. */
static void local_put_away(struct local_read *r, size_t from, size_t to, bool lost) {
    for (size_t i = from; i < to; i++) {
        char path[LOCAL_PATH + 64], aside[LOCAL_PATH + 64];
        const struct local_file *f = &r->found[i].file;
        local_path(path, r->dir, f);
        snprintf(aside, sizeof(aside), "%s/lost-%016llx-%08llx.log", r->dir,
                 (unsigned long long)f->epoch, (unsigned long long)f->number);
        /* What fails stays and is met again at the next start. */
        if (lost) (void)r->fs->rename(r->fs, path, aside);
        else (void)r->fs->unlink(r->fs, path);
    }
}

/* The epochs' files meet the store's log or do not. Two may: an opening that logged the rest again and
 * ended before the store had any of it. The longer holds the other. */
static void local_choose(struct local_read *r) {
    uint64_t best = 0;
    for (size_t from = 0, to; from < r->count; from = to) {
        buf redo = BUF_INIT;
        uint64_t txns;
        for (to = from; to < r->count && r->found[to].file.epoch == r->found[from].file.epoch;) to++;
        if (local_compare(r, from, to, &redo, &txns)) {
            for (size_t i = from; i < to; i++) r->found[i].meets = true;
            if (txns > best) {
                best = txns;
                buf swap = r->redo;
                r->redo = redo;
                redo = swap;
            }
        } else {
            r->lost += txns;
            local_put_away(r, from, to, txns > 0);
        }
        buf_free(&redo);
    }
}

static void local_read_work(job *j) {
    struct local_read *r = LIST_ENTRY(j, struct local_read, job);
    (void)r->fs->mkdir(r->fs, r->dir, 0700);
    r->rc = r->fs->list(r->fs, r->dir, local_seen, r);
    if (r->rc < 0) return;
    r->rc = OK;
    if (r->count > 0) qsort(r->found, r->count, sizeof(*r->found), local_order);
    for (size_t i = 0; i < r->count; i++) {
        r->rc = local_load(r, &r->found[i]);
        if (r->rc != OK) return;
    }
    local_choose(r);
}

static void local_log_again(tier *t, struct local_read *r) {
    reader in = reader_make(slice_of(&r->redo));
    struct record x;
    buf parts = BUF_INIT, args = BUF_INIT;
    uint64_t n = 0;
    while (record_next(&in, &x) == OK) {
        buf_append_slice(&parts, x.body);
        if (x.kind != RECORD_TXN) continue;
        uint64_t lsn = ++t->lsn;
        int rc = replay_effects(t, slice_of(&parts), lsn, &args);
        if (rc != OK) {
            t->lsn--;
            log_line(t->logger, LOG_WARNING, "a transaction of the local log cannot be applied: %s",
                     err_text(rc));
            break;
        }
        if (x.wall_ms > t->log_wall_ms) t->log_wall_ms = x.wall_ms;
        txn_log(t, slice_of(&parts), lsn, x.wall_ms);
        parts.n = 0;
        n++;
    }
    buf_free(&parts);
    buf_free(&args);
    t->catalogue_lsn = t->lsn;
    log_line(t->logger, LOG_NOTICE, "%llu transactions of the local log are logged again",
             (unsigned long long)n);
}

static void local_opened(tier *t) {
    void (*done)(tier *t) = t->local->opened;
    t->local->opened = NULL;
    if (done != NULL) done(t);
}

static void local_read_free(struct local_read *r) {
    for (size_t i = 0; i < r->count; i++) buf_free(&r->found[i].bytes);
    mem_free(r->found);
    buf_free(&r->redo);
    mem_free(r);
}

static void local_read_done(job *j) {
    struct local_read *r = LIST_ENTRY(j, struct local_read, job);
    tier *t = r->t;
    if (!tier_job_done(t)) return; /* local_close() frees it */
    struct local *d = t->local;
    d->reading = NULL;
    d->opened = r->done;
    d->started = true;
    d->fresh = true;
    d->base_hash = t->log.hash;
    if (r->rc != OK) {
        d->off = true;
        log_line(t->logger, LOG_WARNING, "the local log in %s cannot be used: %s", r->dir,
                 err_text(r->rc));
    }
    t->stats.local_lost = r->lost;
    if (r->lost > 0)
        log_line(t->logger, LOG_WARNING,
                 "a local log does not meet the store's: %llu transactions set aside in %s/lost-*.log",
                 (unsigned long long)r->lost, r->dir);
    /* Older files go once the new one, which repeats them, is on the disk. */
    for (size_t i = 0; i < r->count && !d->off; i++) {
        if (!r->found[i].meets) continue;
        d->files = mem_realloc(d->files, (d->files_count + 1) * sizeof(*d->files));
        d->files[d->files_count++] = r->found[i].file;
    }
    if (!d->off && r->redo.n > 0) local_log_again(t, r);
    local_read_free(r);
    local_pump(t);
    if (d->writing == NULL) local_opened(t);
}

void local_recover(tier *t, uint64_t last_lsn, uint64_t hash,
                   void (*done)(tier *t)) {
    if (t->config->cache_dir[0] == '\0' || t->config->ack != ACK_DISK) {
        done(t);
        return;
    }
    struct local *d = mem_calloc(1, sizeof(*d));
    d->fs = fsys_real();
    t->local = d;
    struct local_read *r = mem_calloc(1, sizeof(*r));
    r->t = t;
    r->fs = d->fs;
    snprintf(r->dir, sizeof(r->dir), "%s", t->config->cache_dir);
    r->last_lsn = last_lsn;
    r->hash = hash;
    r->hash_all = t->log.hash;
    r->done = done;
    r->job.work = local_read_work;
    r->job.done = local_read_done;
    d->reading = r;
    tier_job(t, &r->job);
}

/* ---- writing --------------------------------------------------------------------------------------- */

void local_append(tier *t, slice record, uint64_t lsn) {
    struct local *d = t->local;
    if (!d->started) return;
    buf_append_slice(&d->pending, record);
    if (lsn != 0) d->pending_lsn = lsn;
}

static int local_write_file(struct local_write *w) {
    char path[LOCAL_PATH + 64];
    fsys *fs = w->fs;
    local_path(path, w->dir, &w->file);
    int fd = fs->open(fs, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return fd;
    long n = fs->pwrite(fs, fd, w->bytes.p, w->bytes.n, w->offset);
    int rc = n == (long)w->bytes.n ? fs->fsync(fs, fd) : n < 0 ? (int)n : -ENOSPC;
    fs->close(fs, fd);
    if (rc < 0 || !w->fresh) return rc;
    int dir = fs->open(fs, w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0) return dir;
    rc = fs->fsync(fs, dir); /* The name must survive too. */
    fs->close(fs, dir);
    return rc;
}

static void local_write_work(job *j) {
    struct local_write *w = LIST_ENTRY(j, struct local_write, job);
    w->rc = local_write_file(w);
    for (size_t i = 0; i < w->remove_count && w->rc >= 0; i++) {
        char path[LOCAL_PATH + 64];
        local_path(path, w->dir, &w->remove[i]);
        (void)w->fs->unlink(w->fs, path); /* Stays until the next start: harmless. */
    }
}

static void local_write_free(struct local_write *w) {
    buf_free(&w->bytes);
    mem_free(w->remove);
    mem_free(w);
}

static void local_write_done(job *j) {
    struct local_write *w = LIST_ENTRY(j, struct local_write, job);
    tier *t = w->t;
    if (!tier_job_done(t)) return;
    struct local *d = t->local;
    d->writing = NULL;
    if (w->rc < 0) {
        d->off = true;
        log_line(t->logger, LOG_WARNING,
                 "the local log failed and is not used again, writes wait for the store: %s",
                 strerror(-w->rc));
    } else if (w->lsn > t->durable_disk) {
        t->durable_disk = w->lsn;
        if (t->hooks.durable != NULL) t->hooks.durable(t->cookie);
    }
    local_write_free(w);
    local_opened(t);
}

/* Files that the store has all of. The one that is written to stays. */
static void local_removals(tier *t, struct local_write *w) {
    struct local *d = t->local;
    size_t n = 0;
    while (n + 1 < d->files_count && d->files[n].last_lsn <= t->durable) n++;
    if (n == 0) return;
    w->remove = mem_alloc(n * sizeof(*w->remove));
    memcpy(w->remove, d->files, n * sizeof(*w->remove));
    w->remove_count = n;
    memmove(d->files, d->files + n, (d->files_count - n) * sizeof(*d->files));
    d->files_count -= n;
}

void local_pump(tier *t) {
    struct local *d = t->local;
    if (!local_on(t) || !d->started || d->writing != NULL || d->pending.n == 0) return;
    struct local_write *w = mem_calloc(1, sizeof(*w));
    w->t = t;
    w->fs = d->fs;
    snprintf(w->dir, sizeof(w->dir), "%s", t->config->cache_dir);
    if (d->fresh || d->offset > LOCAL_FILE_BYTES) {
        w->fresh = true;
        d->files = mem_realloc(d->files, (d->files_count + 1) * sizeof(*d->files));
        d->files[d->files_count++] = (struct local_file){.epoch = t->m.epoch, .number = d->number++};
        d->offset = 0;
        d->fresh = false;
        buf_reserve(&w->bytes, LOCAL_HEADER);
        uint8_t *h = w->bytes.p;
        memset(h, 0, LOCAL_HEADER);
        put_u32(h, LOCAL_MAGIC);
        put_u32(h + 4, 1);
        put_u64(h + 8, t->m.epoch);
        put_u64(h + 16, d->base_hash);
        put_u32(h + 60, crc32c(0, h, 60));
        w->bytes.n = LOCAL_HEADER;
    }
    buf_append_slice(&w->bytes, slice_of(&d->pending));
    d->pending.n = 0;
    if (d->pending.cap > (1u << 20)) buf_free(&d->pending);
    d->base_hash = t->log.hash; /* for the file after this one */
    w->lsn = d->pending_lsn;
    w->offset = d->offset;
    d->offset += w->bytes.n;
    d->files[d->files_count - 1].last_lsn = w->lsn;
    w->file = d->files[d->files_count - 1];
    local_removals(t, w);
    w->job.work = local_write_work;
    w->job.done = local_write_done;
    d->writing = w;
    tier_job(t, &w->job);
}

void local_close(tier *t) {
    struct local *d = t->local;
    if (d == NULL) return;
    if (d->reading != NULL) local_read_free(d->reading);
    if (d->writing != NULL) local_write_free(d->writing);
    buf_free(&d->pending);
    mem_free(d->files);
    mem_free(d);
    t->local = NULL;
}
