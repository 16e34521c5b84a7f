/* volume_read.c -- looking into a volume: inodes, entries, content, lines. */
#include "modules/files/volume.h"

#include <assert.h>

#include "modules/files/keys.h"

/* ---- records ----------------------------------------------------------------------- */

void inode_write(const struct inode *i, uint8_t out[INODE_BYTES]) {
    out[0] = i->type;
    out[1] = 0;
    put_u16(out + 2, i->mode);
    put_u32(out + 4, i->nlink);
    put_u32(out + 8, i->uid);
    put_u32(out + 12, i->gid);
    put_u64(out + 16, i->size);
    put_u64(out + 24, i->mtime_ns);
    put_u64(out + 32, i->ctime_ns);
    put_u64(out + 40, i->version);
    put_u64(out + 48, i->parent);
}

int inode_read(uint64_t ino, slice val, struct inode *out) {
    if (val.n != INODE_BYTES) return ERR_CORRUPT;
    const uint8_t *p = val.p;
    *out = (struct inode){.ino = ino,
                          .type = p[0],
                          .mode = get_u16(p + 2),
                          .nlink = get_u32(p + 4),
                          .uid = get_u32(p + 8),
                          .gid = get_u32(p + 12),
                          .size = get_u64(p + 16),
                          .mtime_ns = get_u64(p + 24),
                          .ctime_ns = get_u64(p + 32),
                          .version = get_u64(p + 40),
                          .parent = get_u64(p + 48)};
    if (out->type != INODE_FILE && out->type != INODE_DIR) return ERR_CORRUPT;
    return out->type == INODE_FILE && out->size > VOLUME_FILE_MAX ? ERR_CORRUPT : OK;
}

int entry_read(slice val, uint64_t *ino, uint8_t *type) {
    if (val.n != ENTRY_BYTES) return ERR_CORRUPT;
    *ino = get_u64(val.p);
    *type = val.p[8];
    return *ino == 0 || (*type != INODE_FILE && *type != INODE_DIR) ? ERR_CORRUPT : OK;
}

void volume_info(const struct volume *v, struct volume_info *out) {
    *out = (struct volume_info){.next_ino = VOLUME_ROOT + 1, .inodes = 1};
    if (v->obj == NULL) return;
    const uint8_t *meta = v->pager->ops->meta(v->obj);
    out->next_ino = get_u64(meta + META_NEXT);
    out->inodes = get_u64(meta + META_INODES);
    out->bytes = get_u64(meta + META_BYTES);
    out->version = get_u64(meta + META_VERSION);
}

int volume_inode(const struct volume *v, uint64_t ino, struct inode *out) {
    struct key k;
    slice val;
    if (v->obj == NULL) {
        if (ino != VOLUME_ROOT) return ERR_NOTFOUND;
        *out = (struct inode){.ino = ino,
                              .type = INODE_DIR,
                              .mode = VOLUME_MODE_DIR,
                              .nlink = 2,
                              .parent = ino};
        return OK;
    }
    int rc = btree_get(v->pager, v->obj, key_of(&k, ino, KEY_INODE), &val);
    return rc == OK ? inode_read(ino, val, out) : rc;
}

int volume_entry(const struct volume *v, uint64_t dir, slice name, uint64_t *ino,
                 uint8_t *type) {
    struct key k;
    slice val;
    if (v->obj == NULL || name.n > VOLUME_NAME_MAX) return ERR_NOTFOUND;
    int rc = btree_get(v->pager, v->obj, key_entry(&k, dir, name), &val);
    return rc == OK ? entry_read(val, ino, type) : rc;
}

int volume_is_above(const struct volume *v, uint64_t ino, uint64_t dir) {
    struct volume_info info;
    volume_info(v, &info);
    for (uint64_t steps = 0; steps <= info.inodes; steps++) {
        struct inode i;
        if (dir == ino) return 1;
        if (dir == VOLUME_ROOT) return 0;
        int rc = volume_inode(v, dir, &i);
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
        dir = i.parent;
    }
    return ERR_CORRUPT; /* A ring. */
}

/* ---- names ------------------------------------------------------------------------- */

bool path_next(slice *rest, slice *name) {
    while (rest->n > 0 && rest->p[0] == '/') *rest = slice_make(rest->p + 1, rest->n - 1);
    if (rest->n == 0) return false;
    const uint8_t *end = memchr(rest->p, '/', rest->n);
    size_t n = end == NULL ? rest->n : (size_t)(end - rest->p);
    *name = slice_make(rest->p, n);
    *rest = slice_make(rest->p + n, rest->n - n);
    return true;
}

enum path_error path_check_names(slice names) {
    slice name;
    if (names.n > VOLUME_PATH_MAX) return PATH_TOO_LONG;
    if (names.n != 0 && memchr(names.p, '\0', names.n) != NULL) return PATH_INVALID;
    while (path_next(&names, &name)) {
        if (name.n > VOLUME_NAME_MAX) return PATH_TOO_LONG;
        if (slice_eq(name, SLICE(".")) || slice_eq(name, SLICE("..")))
            return PATH_INVALID;
    }
    return PATH_OK;
}

struct list_walk {
    uint64_t dir;
    slice after;
    volume_each *each;
    void *cookie;
};

static int list_one(void *cookie, slice key, slice val) {
    struct list_walk *w = cookie;
    uint64_t ino;
    uint8_t type;
    if (!key_has(key, w->dir, KEY_ENTRY)) return 1;
    slice name = slice_make(key.p + KEY_HEAD, key.n - KEY_HEAD);
    if (w->after.n != 0 && slice_eq(name, w->after)) return 0;
    int rc = entry_read(val, &ino, &type);
    return rc == OK ? w->each(w->cookie, name, ino, type) : rc;
}

int volume_list(const struct volume *v, uint64_t dir, slice after, volume_each *each,
                void *cookie) {
    struct key k;
    struct list_walk w = {dir, after, each, cookie};
    if (v->obj == NULL) return OK;
    if (after.n > VOLUME_NAME_MAX) after.n = VOLUME_NAME_MAX;
    int rc = btree_scan(v->pager, v->obj, key_entry(&k, dir, after), list_one, &w);
    return rc == 1 ? OK : rc;
}

/* ---- content ----------------------------------------------------------------------- */

int inline_content(const struct volume *v, const struct inode *f, slice *out) {
    struct key k;
    *out = slice_make(NULL, 0);
    if (f->size == 0) return OK;
    int rc = btree_get(v->pager, v->obj, key_of(&k, f->ino, KEY_INLINE), out);
    if (rc == ERR_NOTFOUND || (rc == OK && out->n != f->size)) return ERR_CORRUPT;
    return rc;
}

int chunk_page(const struct volume *v, uint64_t ino, uint64_t index, uint64_t *page) {
    struct key k;
    slice val;
    int rc = btree_get(v->pager, v->obj, key_chunk(&k, ino, index), &val);
    if (rc != OK) return rc;
    if (val.n != CHUNK_BYTES) return ERR_CORRUPT;
    *page = get_u64(val.p);
    return OK;
}

struct chunk_walk {
    uint64_t ino, end;
    buf *out;
};

static int chunk_one(void *cookie, slice key, slice val) {
    struct chunk_walk *w = cookie;
    if (!key_has(key, w->ino, KEY_CHUNK)) return 1;
    if (key.n != KEY_HEAD + 8 || val.n != CHUNK_BYTES) return ERR_CORRUPT;
    uint64_t index = get_be64(key.p + KEY_HEAD);
    if (index >= w->end) return 1;
    buf_u64(w->out, index);
    buf_u64(w->out, get_u64(val.p));
    return OK;
}

static int chunks_between(const struct volume *v, uint64_t ino, uint64_t from,
                          uint64_t end, buf *out) {
    struct key k;
    struct chunk_walk w = {ino, end, out};
    int rc = btree_scan(v->pager, v->obj, key_chunk(&k, ino, from), chunk_one, &w);
    return rc == 1 ? OK : rc;
}

int chunks_list(const struct volume *v, uint64_t ino, uint64_t from, buf *out) {
    return chunks_between(v, ino, from, UINT64_MAX, out);
}

/* The part of chunk `index` that lies in [offset, offset + len), laid over zeros at
 * `to`. */
static int copy_chunk(const struct volume *v, uint64_t index, uint64_t page,
                      uint64_t offset, uint64_t len, uint8_t *to) {
    slice bytes;
    int rc = v->pager->ops->get(v->pager, v->obj, page, &bytes);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    uint64_t start = index * VOLUME_CHUNK;
    uint64_t from = start > offset ? start : offset;
    uint64_t end = start + bytes.n < offset + len ? start + bytes.n : offset + len;
    if (end > from)
        memcpy(to + (from - offset), bytes.p + (from - start), (size_t)(end - from));
    return OK;
}

static int read_chunks(const struct volume *v, const struct inode *f, uint64_t offset,
                       uint64_t len, buf *out) {
    buf found = BUF_INIT;
    uint64_t end = (offset + len + VOLUME_CHUNK - 1) / VOLUME_CHUNK;
    int rc = chunks_between(v, f->ino, offset / VOLUME_CHUNK, end, &found);
    /* All of them are asked for before one is looked at. */
    for (size_t i = 0; rc != ERR_CORRUPT && i < found.n; i += 16) {
        int one = v->pager->ops->need(v->pager, v->obj, get_u64(found.p + i + 8));
        if (one != OK) rc = one;
    }
    if (rc == OK && buf_try_reserve(out, (size_t)len) != OK) rc = ERR_NOMEM;
    if (rc == OK) memset(out->p + out->n, 0, (size_t)len);
    for (size_t i = 0; rc == OK && i < found.n; i += 16) {
        rc = copy_chunk(v, get_u64(found.p + i), get_u64(found.p + i + 8), offset, len,
                        out->p + out->n);
    }
    if (rc == OK) out->n += (size_t)len;
    buf_free(&found);
    return rc;
}

int volume_read(const struct volume *v, const struct inode *f, uint64_t offset,
                uint64_t len, buf *out) {
    assert(f->type == INODE_FILE && offset <= f->size && len <= f->size - offset);
    if (len == 0) return OK;
    if (f->size > VOLUME_INLINE_MAX) return read_chunks(v, f, offset, len, out);
    slice all;
    int rc = inline_content(v, f, &all);
    if (rc == OK) buf_append(out, all.p + offset, (size_t)len);
    return rc;
}

/* ---- lines ------------------------------------------------------------------------- */

#define LINES_AHEAD 16 /* Chunks asked for at once: 1 MiB. */

/* Counts newlines of `bytes`, which lie at s->at. True when the end of the last line
 * is found. */
static bool lines_in(struct line_search *s, slice bytes, uint64_t first, uint64_t last) {
    while (bytes.n > 0) {
        const uint8_t *nl = memchr(bytes.p, '\n', bytes.n);
        size_t n = nl == NULL ? bytes.n : (size_t)(nl - bytes.p) + 1;
        s->at += n;
        bytes = slice_make(bytes.p + n, bytes.n - n);
        if (nl == NULL) return false;
        s->line++;
        if (!s->started && s->line + 1 == first) {
            s->start = s->at;
            s->started = true;
        }
        if (s->line == last) return true;
        /* From the start of the first line to the end of the file: no more to look
         * for. */
        if (s->started && last == UINT64_MAX) return false;
    }
    return false;
}

static int lines_in_chunks(const struct volume *v, const struct inode *f, uint64_t first,
                           uint64_t last, struct line_search *s, bool *found) {
    while (s->at < f->size && !(s->started && last == UINT64_MAX)) {
        uint64_t index = s->at / VOLUME_CHUNK, page;
        uint64_t end = (index + 1) * VOLUME_CHUNK;
        if (end > f->size) end = f->size;
        int rc = chunk_page(v, f->ino, index, &page);
        if (rc == ERR_NOTFOUND) { /* A hole has no newlines. */
            s->at = end;
            continue;
        }
        slice bytes = slice_make(NULL, 0);
        if (rc == OK) rc = v->pager->ops->get(v->pager, v->obj, page, &bytes);
        if (rc == ERR_COLD) {
            for (uint64_t i = 1; i < LINES_AHEAD; i++) {
                if (chunk_page(v, f->ino, index + i, &page) != OK) break;
                (void)v->pager->ops->need(v->pager, v->obj,
                                          page); /* It was cold anyway. */
            }
        }
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
        uint64_t skip = s->at - index * VOLUME_CHUNK, there = end - index * VOLUME_CHUNK;
        if (bytes.n < there) there = bytes.n;
        if (there > skip)
            *found = lines_in(s, slice_make(bytes.p + skip, (size_t)(there - skip)),
                              first, last);
        if (*found) return OK;
        if (!(s->started && last == UINT64_MAX)) s->at = end;
    }
    return OK;
}

int volume_lines(const struct volume *v, const struct inode *f, uint64_t first,
                 uint64_t last, struct line_search *state, uint64_t *offset,
                 uint64_t *len) {
    assert(first >= 1 && last >= first);
    struct line_search *s = state;
    /* A key may be made anew with the same numbers while a page is on its way. */
    if (s->ino != f->ino || s->version != f->version || s->size != f->size ||
        s->mtime_ns != f->mtime_ns) {
        *s = (struct line_search){.ino = f->ino,
                                  .version = f->version,
                                  .size = f->size,
                                  .mtime_ns = f->mtime_ns,
                                  .started = first == 1};
    }
    bool found = false;
    int rc = OK;
    if (f->size <= VOLUME_INLINE_MAX) {
        slice all;
        rc = inline_content(v, f, &all);
        if (rc == OK) found = lines_in(s, all, first, last);
    } else {
        rc = lines_in_chunks(v, f, first, last, s, &found);
    }
    if (rc != OK) return rc;
    *offset = s->started ? s->start : f->size;
    *len = (found ? s->at : f->size) - *offset;
    return OK;
}
