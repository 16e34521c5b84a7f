/* cache.c -- slots read before, in one file on a local disk.
 *
 *   a ring of entries, 64-byte aligned:  header of 128 bytes | the slot as stored
 *   header: magic u32 | version u32 | slot bytes u32 | slot u32 | generation u64 | name, 64 bytes |
 *           ... | crc32c at 124
 *
 * Slots never change and names are never used twice, so nothing can be stale. An entry counts only
 * if its header names the slot asked for and its bytes have the checksum that the pack's footer
 * says: so a torn write, a byte that rotted or a file from elsewhere is a miss and nothing worse.
 * The index is in memory and is found again at start by walking the headers; the oldest entries
 * are overwritten. Any error of the disk switches the cache off; the server goes on without. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/hash.h"
#include "objstore/fsys.h"
#include "tier/tier_internal.h"

#define CACHE_MAGIC 0x53435643u /* "CVCS" */
#define CACHE_HEADER 128u
#define CACHE_ALIGN 64u
#define CACHE_WRITES_MAX 64    /* writes that wait; more are not cached this time */
#define CACHE_SCAN_BYTES (256u << 10)
#define CACHE_BYTES_MIN (1 << 20)

struct cached {
    uint64_t key, offset, generation;
    uint32_t bytes;            /* on disk, with header and padding */
    bool gone;                 /* overwritten, or being so */
};

struct cache {
    fsys *fs;
    int fd;
    bool ready, off;
    uint64_t size, head, generation;
    struct cached *fifo;       /* oldest at first; a ring */
    size_t first, count, cap;  /* cap is a power of two */
    uint32_t *index;           /* position in fifo + 1, by key; open addressing */
    size_t index_cap;
    struct cache_write *writing; /* one at a time, so that the ring stays in order */
    list writes;               /* those that wait for it */
    unsigned writes_count;
    struct cache_scan *scan;
};

struct cache_scan {
    tier *t;
    fsys *fs;
    char path[512];
    int fd, rc;
    uint64_t size;
    struct cached *found;
    size_t count, cap;
    job job;
};

static void cache_scan_work(job *j);
static void cache_scan_done(job *j);

struct cache_write;
static void cache_write_free(struct cache_write *w);

static uint64_t cache_key(const char *name, uint32_t slot) {
    return hash_xx(name, strlen(name), slot) | 1;
}

static uint32_t cache_room(size_t bytes) {
    return (uint32_t)((CACHE_HEADER + bytes + CACHE_ALIGN - 1) / CACHE_ALIGN * CACHE_ALIGN);
}

static void cache_switch_off(tier *t, const char *what, int err) {
    struct cache *c = t->cache;
    if (c->off) return;
    c->off = true;
    t->stats.cache_bytes = 0;
    log_line(t->logger, LOG_WARNING, "the disk cache is switched off: %s: %s", what,
             strerror(err < 0 ? -err : EIO));
}

/* ---- the index ---------------------------------------------------------------------------------- */

static struct cached *fifo_at(struct cache *c, size_t i) {
    return &c->fifo[(c->first + i) & (c->cap - 1)];
}

static void index_put(struct cache *c, size_t position) {
    size_t i = c->fifo[position].key & (c->index_cap - 1);
    while (c->index[i] != 0) i = (i + 1) & (c->index_cap - 1);
    c->index[i] = (uint32_t)position + 1;
}

static size_t index_find(struct cache *c, uint64_t key) { /* a place in index, or index_cap */
    if (c->index_cap == 0) return 0;
    size_t i = key & (c->index_cap - 1);
    for (; c->index[i] != 0; i = (i + 1) & (c->index_cap - 1)) {
        if (c->fifo[c->index[i] - 1].key == key) return i;
    }
    return c->index_cap;
}

static void index_remove(struct cache *c, size_t i) {
    size_t mask = c->index_cap - 1;
    c->index[i] = 0;
    for (size_t j = (i + 1) & mask; c->index[j] != 0; j = (j + 1) & mask) {
        size_t home = c->fifo[c->index[j] - 1].key & mask;
        if (((j - home) & mask) < ((j - i) & mask)) continue;
        c->index[i] = c->index[j];
        c->index[j] = 0;
        i = j;
    }
}

static void cache_grow(struct cache *c) {
    size_t cap = c->cap == 0 ? 1024 : c->cap * 2;
    struct cached *fifo = mem_alloc(cap * sizeof(*fifo));
    for (size_t i = 0; i < c->count; i++) fifo[i] = *fifo_at(c, i);
    mem_free(c->fifo);
    mem_free(c->index);
    c->fifo = fifo;
    c->first = 0;
    c->cap = cap;
    c->index_cap = cap * 2;
    c->index = mem_calloc(c->index_cap, sizeof(*c->index));
    for (size_t i = 0; i < c->count; i++) {
        if (!c->fifo[i].gone) index_put(c, i);
    }
}

static void cache_forget_oldest(tier *t) {
    struct cache *c = t->cache;
    assert(c->count > 0);
    struct cached *e = fifo_at(c, 0);
    if (!e->gone) {
        size_t i = index_find(c, e->key);
        assert(i < c->index_cap);
        index_remove(c, i);
        t->stats.cache_bytes -= e->bytes;
    }
    c->first = (c->first + 1) & (c->cap - 1);
    c->count--;
}

static void cache_add(tier *t, const struct cached *e) {
    struct cache *c = t->cache;
    if (c->count == c->cap) cache_grow(c);
    size_t position = (c->first + c->count) & (c->cap - 1);
    c->fifo[position] = *e;
    c->count++;
    if (e->gone) return;
    if (index_find(c, e->key) < c->index_cap) { /* The same slot twice: one is enough. */
        c->fifo[position].gone = true;
        return;
    }
    index_put(c, position);
    t->stats.cache_bytes += e->bytes;
}

/* ---- life --------------------------------------------------------------------------------------- */

void cache_open(tier *t) {
    if (t->config->cache_dir[0] == '\0' || t->config->cache_size < CACHE_BYTES_MIN) return;
    struct cache *c = mem_calloc(1, sizeof(*c));
    c->fs = fsys_real();
    c->fd = -1;
    list_init(&c->writes);
    c->size = (uint64_t)t->config->cache_size / CACHE_ALIGN * CACHE_ALIGN;
    t->cache = c;
    struct cache_scan *s = mem_calloc(1, sizeof(*s));
    s->t = t;
    s->fs = c->fs;
    s->fd = -1;
    s->size = c->size;
    snprintf(s->path, sizeof(s->path), "%s/slots", t->config->cache_dir);
    (void)c->fs->mkdir(c->fs, t->config->cache_dir, 0700); /* What fails shows at open(). */
    s->job.work = cache_scan_work;
    s->job.done = cache_scan_done;
    c->scan = s;
    tier_job(t, &s->job);
}

static bool header_ok(const uint8_t *h) {
    return get_u32(h) == CACHE_MAGIC && get_u32(h + 4) == FORMAT_CACHE &&
           crc32c(0, h, 124) == get_u32(h + 124) && get_u32(h + 8) <= PAGE_BYTES_MAX + PAGE_BYTES &&
           h[24 + DATA_NAME_MAX] == '\0';
}

/* On a worker: the headers of the whole file, in order of place. */
static void cache_scan_work(job *j) {
    struct cache_scan *s = LIST_ENTRY(j, struct cache_scan, job);
    s->fd = s->fs->open(s->fs, s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->fd < 0) {
        s->rc = s->fd;
        return;
    }
    uint8_t *chunk = mem_alloc(CACHE_SCAN_BYTES);
    uint64_t base = 0, at = 0;
    long have = 0;
    while (at + CACHE_HEADER <= s->size) {
        if (at < base || at + CACHE_HEADER > base + (uint64_t)have) {
            base = at;
            have = s->fs->pread(s->fs, s->fd, chunk, CACHE_SCAN_BYTES, base);
            if (have < (long)CACHE_HEADER) {
                if (have < 0) s->rc = (int)have;
                break;
            }
        }
        const uint8_t *h = chunk + (at - base);
        if (!header_ok(h)) {
            at += CACHE_ALIGN;
            continue;
        }
        uint32_t room = cache_room(get_u32(h + 8));
        if (s->count == s->cap) {
            s->cap = s->cap == 0 ? 1024 : s->cap * 2;
            s->found = mem_realloc(s->found, s->cap * sizeof(*s->found));
        }
        s->found[s->count++] = (struct cached){
            .key = cache_key((const char *)h + 24, get_u32(h + 12)), .offset = at,
            .generation = get_u64(h + 16), .bytes = room};
        at += room;
    }
    mem_free(chunk);
}

static void cache_scan_done(job *j) {
    struct cache_scan *s = LIST_ENTRY(j, struct cache_scan, job);
    tier *t = s->t;
    if (!tier_job_done(t)) return; /* cache_close() frees it */
    struct cache *c = t->cache;
    c->scan = NULL;
    c->fd = s->fd;
    if (s->rc != 0) {
        cache_switch_off(t, s->path, s->rc);
    } else {
        /* In order of place the file is two runs of rising generations: after the newest entry
         * comes the oldest. */
        size_t oldest = 0;
        for (size_t i = 1; i < s->count; i++) {
            if (s->found[i].generation < s->found[i - 1].generation) oldest = i;
        }
        for (size_t i = 0; i < s->count; i++) {
            const struct cached *e = &s->found[(oldest + i) % s->count];
            cache_add(t, e);
            if (e->generation >= c->generation) {
                c->generation = e->generation + 1;
                c->head = e->offset + e->bytes;
            }
        }
        c->ready = true;
    }
    mem_free(s->found);
    mem_free(s);
}

/* ---- reading ------------------------------------------------------------------------------------ */

struct cache_read {
    tier *t;
    fsys *fs;
    int fd;
    uint64_t offset;
    uint32_t slot, bytes, crc;
    char name[DATA_NAME_MAX + 1];
    buf out;
    bool hit;
    cache_done *done;
    void *cookie;
    job job;
};

static void cache_read_work(job *j) {
    struct cache_read *r = LIST_ENTRY(j, struct cache_read, job);
    if (r->fd < 0) return;
    size_t n = CACHE_HEADER + (size_t)r->bytes;
    buf_reserve(&r->out, n);
    if (r->fs->pread(r->fs, r->fd, r->out.p, n, r->offset) != (long)n) return;
    const uint8_t *h = r->out.p;
    r->out.n = n;
    r->hit = header_ok(h) && get_u32(h + 8) == r->bytes && get_u32(h + 12) == r->slot &&
             strcmp((const char *)h + 24, r->name) == 0 &&
             crc32c(0, h + CACHE_HEADER, r->bytes) == r->crc;
}

static void cache_read_done(job *j) {
    struct cache_read *r = LIST_ENTRY(j, struct cache_read, job);
    if (tier_job_done(r->t)) {
        if (r->hit)
            r->done(r->cookie, OK, slice_make(r->out.p + CACHE_HEADER, r->bytes));
        else
            r->done(r->cookie, ERR_NOTFOUND, slice_make(NULL, 0));
    }
    buf_free(&r->out);
    mem_free(r);
}

bool cache_get(tier *t, const struct pack_line *line, uint32_t slot, uint32_t bytes, uint32_t crc,
               cache_done *done, void *cookie) {
    struct cache *c = t->cache;
    if (c == NULL || !c->ready || c->off || c->count == 0) return false;
    size_t i = index_find(c, cache_key(line->name, slot));
    if (i == c->index_cap) return false;
    const struct cached *e = &c->fifo[c->index[i] - 1];
    if (cache_room(bytes) != e->bytes) return false;
    struct cache_read *r = mem_calloc(1, sizeof(*r));
    *r = (struct cache_read){.t = t, .fs = c->fs, .fd = c->fd, .offset = e->offset, .slot = slot,
                             .bytes = bytes, .crc = crc, .done = done, .cookie = cookie};
    memcpy(r->name, line->name, sizeof(r->name));
    r->job.work = cache_read_work;
    r->job.done = cache_read_done;
    tier_job(t, &r->job);
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------ */

struct cache_write {
    tier *t;
    list node;
    fsys *fs;
    int fd;
    struct cached entry;
    buf bytes;
    long rc;
    job job;
};

static void cache_write_next(tier *t);

static void cache_write_free(struct cache_write *w) {
    list_remove(&w->node);
    buf_free(&w->bytes);
    mem_free(w);
}

static void cache_write_work(job *j) {
    struct cache_write *w = LIST_ENTRY(j, struct cache_write, job);
    w->rc = w->fs->pwrite(w->fs, w->fd, w->bytes.p, w->bytes.n, w->entry.offset);
}

static void cache_write_done(job *j) {
    struct cache_write *w = LIST_ENTRY(j, struct cache_write, job);
    tier *t = w->t;
    if (tier_job_done(t)) {
        struct cache *c = t->cache;
        c->writes_count--;
        c->writing = NULL;
        if (w->rc != (long)w->bytes.n) cache_switch_off(t, "write", (int)(w->rc < 0 ? w->rc : 0));
        else if (!c->off) cache_add(t, &w->entry);
        cache_write_next(t);
    }
    cache_write_free(w);
}

static void cache_write_next(tier *t) {
    struct cache *c = t->cache;
    list *n = list_first(&c->writes);
    if (c->writing != NULL || n == NULL) return;
    c->writing = LIST_ENTRY(n, struct cache_write, node);
    list_remove(n);
    tier_job(t, &c->writing->job);
}

void cache_put(tier *t, const struct pack_line *line, uint32_t slot, slice stored) {
    struct cache *c = t->cache;
    if (c == NULL || !c->ready || c->off || c->writes_count >= CACHE_WRITES_MAX) return;
    uint32_t room = cache_room(stored.n);
    if (room > c->size / 8) return;
    if (c->head + room > c->size) {
        while (c->count > 0 && fifo_at(c, 0)->offset >= c->head) cache_forget_oldest(t);
        c->head = 0;
    }
    /* Entries are in order of place around the ring: what lies where this goes is the oldest. */
    while (c->count > 0 && fifo_at(c, 0)->offset < c->head + room &&
           c->head < fifo_at(c, 0)->offset + fifo_at(c, 0)->bytes)
        cache_forget_oldest(t);
    struct cache_write *w = mem_calloc(1, sizeof(*w));
    w->t = t;
    w->fs = c->fs;
    w->fd = c->fd;
    w->entry = (struct cached){.key = cache_key(line->name, slot), .offset = c->head,
                               .generation = c->generation++, .bytes = room};
    buf_reserve(&w->bytes, room);
    uint8_t *h = w->bytes.p;
    memset(h, 0, room);
    put_u32(h, CACHE_MAGIC);
    put_u32(h + 4, FORMAT_CACHE);
    put_u32(h + 8, (uint32_t)stored.n);
    put_u32(h + 12, slot);
    put_u64(h + 16, w->entry.generation);
    memcpy(h + 24, line->name, sizeof(line->name));
    put_u32(h + 124, crc32c(0, h, 124));
    memcpy(h + CACHE_HEADER, stored.p, stored.n);
    w->bytes.n = room;
    c->head += room;
    c->writes_count++;
    w->job.work = cache_write_work;
    w->job.done = cache_write_done;
    list_push_back(&c->writes, &w->node);
    cache_write_next(t);
}

void cache_close(tier *t) {
    struct cache *c = t->cache;
    if (c == NULL) return;
    if (c->scan != NULL) {
        if (c->scan->fd >= 0) c->fs->close(c->fs, c->scan->fd);
        mem_free(c->scan->found);
        mem_free(c->scan);
    }
    list *n;
    while ((n = list_first(&c->writes)) != NULL)
        cache_write_free(LIST_ENTRY(n, struct cache_write, node));
    if (c->fd >= 0) c->fs->close(c->fs, c->fd);
    mem_free(c->fifo);
    mem_free(c->index);
    mem_free(c);
    t->cache = NULL;
}
