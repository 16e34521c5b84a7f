/* fs.c -- what the handlers of FS.* share. */
#include "modules/files/fs.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- errors ------------------------------------------------------------------------ */

int fs_error(call *c, enum fs_error e) {
    switch (e) {
    case FS_ENOENT: return reply_error(c, "ENOENT no such file or folder");
    case FS_EEXIST: return reply_error(c, "EEXIST there is one already");
    case FS_ENOTDIR: return reply_error(c, "ENOTDIR not a folder");
    case FS_EISDIR: return reply_error(c, "EISDIR it is a folder");
    case FS_ENOTEMPTY: return reply_error(c, "ENOTEMPTY the folder is not empty");
    case FS_EINVAL:
        return reply_error(c, "EINVAL that path, size or place is not possible");
    case FS_ENAMETOOLONG:
        return reply_error(c, "ENAMETOOLONG a name has at most 255 bytes, a path 4096");
    }
    return ERR_CORRUPT;
}

int fs_error_version(call *c, uint64_t current) {
    return reply_errorf(c, "EVERSION cur=%" PRIu64, current);
}

/* ---- volumes ----------------------------------------------------------------------- */

int fs_open(call *c, bool write, struct volume *v) {
    struct entry e;
    slice key = call_arg(c, 1);
    *v = (struct volume){NULL, NULL};
    int rc = write ? call_write_type(c, key, TYPE_VOLUME, &e)
                   : call_read_type(c, key, TYPE_VOLUME, &e);
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    if (e.value.kind != VALUE_OBJECT) return ERR_CORRUPT;
    *v = (struct volume){e.value.pager, e.value.obj};
    return OK;
}

void fs_reopen(call *c, struct volume *v) {
    struct entry e;
    int rc = call_peek(c, call_arg(c, 1), &e);
    assert(rc == OK && e.value.kind == VALUE_OBJECT);
    *v = (struct volume){e.value.pager, e.value.obj};
}

uint64_t fs_next_version(const struct volume *v) {
    struct volume_info info;
    volume_info(v, &info);
    return info.version + 1;
}

/* ---- paths ------------------------------------------------------------------------- */

bool fs_path(call *c, size_t i, struct path *out) {
    slice text = call_arg(c, i);
    if (text.n > VOLUME_PATH_MAX) return (void)fs_error(c, FS_ENAMETOOLONG), false;
    if (text.n == 0 || text.p[0] != '/') return (void)fs_error(c, FS_EINVAL), false;
    switch (path_check_names(text)) {
    case PATH_OK: break;
    case PATH_INVALID: return (void)fs_error(c, FS_EINVAL), false;
    case PATH_TOO_LONG: return (void)fs_error(c, FS_ENAMETOOLONG), false;
    }
    *out = (struct path){text, text.p[text.n - 1] == '/'};
    return true;
}

int fs_walk(const struct volume *v, const struct path *p, struct fs_walk *out) {
    slice rest = p->names, before = rest;
    *out = (struct fs_walk){.found = FS_FOUND};
    int rc = volume_inode(v, VOLUME_ROOT, &out->at);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    out->dir = out->at;
    for (slice name; path_next(&rest, &name); before = rest) {
        uint64_t ino;
        uint8_t type;
        if (out->at.type != INODE_DIR) {
            out->found = FS_NOT_DIR;
            return OK;
        }
        out->dir = out->at;
        out->name = name;
        rc = volume_entry(v, out->dir.ino, name, &ino, &type);
        if (rc == ERR_NOTFOUND) {
            out->found = FS_MISSING;
            out->missing = before;
            out->missing_n = 1;
            while (path_next(&rest, &out->name)) out->missing_n++;
            return OK;
        }
        if (rc == OK) rc = volume_inode(v, ino, &out->at);
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    }
    if (p->dir && out->at.type != INODE_DIR) out->found = FS_NOT_DIR;
    return OK;
}

/* ---- numbers ----------------------------------------------------------------------- */

bool fs_mode(call *c, size_t i, uint64_t *out) {
    slice s = call_arg(c, i);
    uint64_t mode = 0;
    bool good = s.n >= 1 && s.n <= 6;
    for (size_t k = 0; good && k < s.n; k++) {
        good = s.p[k] >= '0' && s.p[k] <= '7';
        mode = mode * 8 + (uint64_t)(s.p[k] - '0');
    }
    if (!good || mode > 07777) {
        (void)reply_error(c, "EINVAL a mode is an octal number of 0 to 7777");
        return false;
    }
    *out = mode;
    return true;
}

bool fs_size(call *c, size_t i, uint64_t *out) {
    int64_t n;
    if (!call_int(c, i, &n)) return false;
    if (n < 0 || (uint64_t)n > VOLUME_FILE_MAX) {
        (void)fs_error(c, FS_EINVAL);
        return false;
    }
    *out = (uint64_t)n;
    return true;
}

/* ---- effects ----------------------------------------------------------------------- */

void fs_args_begin(call *c, struct fs_args *a) {
    a->n = 0;
    fs_args_number(a, (uint64_t)call_now_ms(c) * 1000000u);
}
void fs_args_number(struct fs_args *a, uint64_t v) {
    assert(a->n < 6);
    put_u64(a->numbers[a->n], v);
    a->args[a->n] = slice_make(a->numbers[a->n], 8);
    a->n++;
}
void fs_args_bytes(struct fs_args *a, slice s) {
    assert(a->n < 6);
    a->args[a->n++] = s;
}

int fs_effect(call *c, enum volume_op op, const struct fs_args *a) {
    return call_value(c, TYPE_VOLUME, (uint8_t)op, call_arg(c, 1), a->args, a->n);
}

/* ---- replies ----------------------------------------------------------------------- */

static void pair_int(call *c, const char *name, uint64_t v) {
    reply_bulk_str(c, name);
    reply_int(c, (int64_t)v);
}

void fs_reply_stat(call *c, const struct inode *i) {
    char mode[8];
    snprintf(mode, sizeof(mode), "%04o", (unsigned)(i->mode & 07777));
    reply_map(c, 10);
    pair_int(c, "ino", i->ino);
    reply_bulk_str(c, "type");
    reply_bulk_str(c, i->type == INODE_DIR ? "dir" : "file");
    reply_bulk_str(c, "mode");
    reply_bulk_str(c, mode);
    pair_int(c, "uid", i->uid);
    pair_int(c, "gid", i->gid);
    pair_int(c, "size", i->size);
    pair_int(c, "nlink", i->nlink);
    pair_int(c, "mtime_ns", i->mtime_ns);
    pair_int(c, "ctime_ns", i->ctime_ns);
    pair_int(c, "version", i->version);
}
