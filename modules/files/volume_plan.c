/* volume_plan.c -- what a change of a file's content means for the tree: inline or in
 * chunks. */
#include "modules/files/volume_plan.h"

#include <assert.h>

static void set_size(struct edits *e, struct inode *f, uint64_t size) {
    e->info.bytes += size - f->size; /* Modulo 2^64, as the sum is. */
    f->size = size;
}

static bool is_inline(uint64_t size) {
    return size <= VOLUME_INLINE_MAX;
}

/* The content of a small file, now `size` bytes, with data laid over it. */
static int write_inline(struct edits *e, struct inode *f, uint64_t size, uint64_t offset,
                        slice data) {
    uint8_t content[VOLUME_INLINE_MAX] = {0};
    slice old;
    assert(is_inline(size) && is_inline(f->size));
    int rc = inline_content(&e->v, f, &old);
    if (rc != OK) return rc;
    if (old.n != 0) memcpy(content, old.p, old.n < size ? old.n : (size_t)size);
    assert(data.n == 0 || offset + data.n <= size);
    if (data.n != 0) memcpy(content + offset, data.p, data.n);
    if (size != 0 || f->size != 0)
        edits_inline(e, f->ino, slice_make(content, (size_t)size));
    return OK;
}

/* A small file is about to be large: its content becomes the beginning of chunk 0,
 * together with what is written there, so that no chunk is changed twice by one
 * commit. *data is what is left to write, from *offset on. */
static int inline_to_chunk(struct edits *e, const struct inode *f, uint64_t *offset,
                           slice *data) {
    slice old;
    buf head = BUF_INIT;
    int rc = inline_content(&e->v, f, &old);
    if (rc != OK) return rc;
    buf_append_slice(&head, old);
    if (*offset < VOLUME_CHUNK && data->n > 0) {
        size_t at = (size_t)*offset, n = VOLUME_CHUNK - at;
        if (n > data->n) n = data->n;
        size_t end = at + n > head.n ? at + n : head.n;
        buf_reserve(&head, end - head.n);
        memset(head.p + head.n, 0, end - head.n);
        memcpy(head.p + at, data->p, n);
        head.n = end;
        *offset += n;
        *data = slice_make(data->p + n, data->n - n);
    }
    if (head.n > 0) edits_chunk_copy(e, f->ino, 0, slice_of(&head));
    if (f->size > 0) edits_inline(e, f->ino, slice_make(NULL, 0));
    buf_free(&head);
    return OK;
}

/* had: the bytes of the file that are kept. A chunk of which none are is written as a
 * whole. */
static void write_chunks(struct edits *e, const struct inode *f, uint64_t offset,
                         slice data, uint64_t had) {
    while (data.n > 0) {
        uint64_t index = offset / VOLUME_CHUNK;
        size_t at = (size_t)(offset % VOLUME_CHUNK), n = VOLUME_CHUNK - at;
        if (n > data.n) n = data.n;
        bool whole = at == 0 && (n == VOLUME_CHUNK || offset + n >= had);
        edits_chunk(e, f->ino, index, at, slice_make(data.p, n), whole);
        data = slice_make(data.p + n, data.n - n);
        offset += n;
    }
}

static int drop_chunks(struct edits *e, uint64_t ino, uint64_t from) {
    buf found = BUF_INIT;
    int rc = chunks_list(&e->v, ino, from, &found);
    for (size_t i = 0; rc == OK && i < found.n; i += 16) {
        edits_chunk_drop(e, ino, get_u64(found.p + i));
    }
    buf_free(&found);
    return rc;
}

int plan_write(struct edits *e, struct inode *f, uint64_t offset, slice data) {
    uint64_t size = offset + data.n > f->size ? offset + data.n : f->size;
    int rc = OK;
    if (data.n == 0) return OK;
    if (is_inline(size)) {
        rc = write_inline(e, f, size, offset, data);
    } else {
        if (is_inline(f->size)) rc = inline_to_chunk(e, f, &offset, &data);
        if (rc == OK) write_chunks(e, f, offset, data, f->size);
    }
    if (rc == OK) set_size(e, f, size);
    return rc;
}

int plan_replace(struct edits *e, struct inode *f, slice data) {
    int rc = OK;
    if (!is_inline(f->size))
        rc = drop_chunks(e, f->ino, 0);
    else if (f->size > 0 && !is_inline(data.n))
        edits_inline(e, f->ino, slice_make(NULL, 0));
    if (rc != OK) return rc;
    if (!is_inline(data.n))
        write_chunks(e, f, 0, data, 0);
    else if (data.n > 0 || (f->size > 0 && is_inline(f->size)))
        edits_inline(e, f->ino, data);
    set_size(e, f, data.n);
    return OK;
}

/* A large file is about to be small. */
static int chunks_to_inline(struct edits *e, struct inode *f, uint64_t size) {
    buf head = BUF_INIT;
    int rc = volume_read(&e->v, f, 0, size, &head);
    if (rc == OK) rc = drop_chunks(e, f->ino, 0);
    if (rc == OK && size > 0) edits_inline(e, f->ino, slice_of(&head));
    buf_free(&head);
    return rc;
}

int plan_resize(struct edits *e, struct inode *f, uint64_t size) {
    int rc = OK;
    if (is_inline(f->size) && is_inline(size)) {
        rc = write_inline(e, f, size, 0, slice_make(NULL, 0));
    } else if (is_inline(f->size)) {
        uint64_t at = 0;
        slice none = slice_make(NULL, 0);
        rc = inline_to_chunk(e, f, &at, &none);
    } else if (is_inline(size)) {
        rc = chunks_to_inline(e, f, size);
    } else if (size < f->size) {
        uint64_t whole = size / VOLUME_CHUNK;
        size_t part = (size_t)(size % VOLUME_CHUNK);
        rc = drop_chunks(e, f->ino, part == 0 ? whole : whole + 1);
        if (rc == OK && part != 0) edits_chunk_cut(e, f->ino, whole, part);
    }
    if (rc == OK) set_size(e, f, size);
    return rc;
}

int plan_drop(struct edits *e, const struct inode *f) {
    if (!is_inline(f->size)) return drop_chunks(e, f->ino, 0);
    if (f->size > 0) edits_inline(e, f->ino, slice_make(NULL, 0));
    return OK;
}

int plan_clone(struct edits *e, const struct inode *from, struct inode *to) {
    int rc = OK;
    if (is_inline(from->size)) {
        slice content;
        rc = inline_content(&e->v, from, &content);
        if (rc == OK && content.n > 0) edits_inline(e, to->ino, content);
    } else {
        buf found = BUF_INIT;
        rc = chunks_list(&e->v, from->ino, 0, &found);
        for (size_t i = 0; rc == OK && i < found.n; i += 16) {
            edits_chunk_share(e, to->ino, get_u64(found.p + i), get_u64(found.p + i + 8));
        }
        buf_free(&found);
    }
    if (rc == OK) set_size(e, to, from->size);
    return rc;
}
