/* fs_write.c -- FS.WRITE, FS.APPEND, FS.TRUNCATE: the content of one file. */
#include "modules/files/fs.h"

#include <inttypes.h>

struct write_options {
    bool nx, xx, ifver, parents, offset_given, trunc;
    uint64_t version, offset, mode;
};

/* [OFFSET o | TRUNC] [NX | XX | IFVER v] [PARENTS] [MODE m]. False after an error
 * reply. */
static bool write_options(call *c, struct write_options *w) {
    *w = (struct write_options){.offset = VOLUME_REPLACE, .mode = VOLUME_NO_MODE};
    for (size_t i = 4; i < call_argc(c); i++) {
        bool more = i + 1 < call_argc(c);
        if (call_arg_is(c, i, "nx")) {
            w->nx = true;
        } else if (call_arg_is(c, i, "xx")) {
            w->xx = true;
        } else if (call_arg_is(c, i, "trunc")) {
            w->trunc = true;
        } else if (call_arg_is(c, i, "parents")) {
            w->parents = true;
        } else if (call_arg_is(c, i, "offset") && more) {
            if (!fs_size(c, ++i, &w->offset)) return false;
            w->offset_given = true;
        } else if (call_arg_is(c, i, "mode") && more) {
            if (!fs_mode(c, ++i, &w->mode)) return false;
        } else if (call_arg_is(c, i, "ifver") && more) {
            int64_t v;
            if (!call_int_in(c, ++i, 0, INT64_MAX, &v, NULL)) return false;
            w->version = (uint64_t)v;
            w->ifver = true;
        } else {
            (void)reply_syntax(c);
            return false;
        }
    }
    if ((w->trunc && w->offset_given) || w->nx + w->xx + w->ifver > 1) {
        (void)reply_syntax(c);
        return false;
    }
    return true;
}

/* Whether a file can be written at the path, as far as the tree goes. False after an
 * error. */
static bool may_write(call *c, const struct path *p, const struct fs_walk *w,
                      bool parents) {
    switch (w->found) {
    case FS_NOT_DIR: (void)fs_error(c, FS_ENOTDIR); return false;
    case FS_FOUND:
        if (w->at.type == INODE_FILE) return true;
        (void)fs_error(c, FS_EISDIR);
        return false;
    case FS_MISSING:
        if (w->missing_n > 1 && !parents) {
            (void)fs_error(c, FS_ENOENT);
            return false;
        }
        if (!p->dir) return true;
        (void)fs_error(c, FS_EISDIR);
        return false;
    }
    return false;
}

static int write_effect(call *c, const struct fs_walk *w, uint64_t mode, uint64_t offset,
                        slice data) {
    struct fs_args a;
    bool there = w->found == FS_FOUND;
    fs_args_begin(c, &a);
    fs_args_number(&a, there ? w->at.ino : w->dir.ino);
    fs_args_bytes(&a, there ? slice_make(NULL, 0) : w->missing);
    fs_args_number(&a, mode);
    fs_args_number(&a, offset);
    fs_args_bytes(&a, data);
    return fs_effect(c, VOLUME_WRITE, &a);
}

int cmd_fs_write(call *c) {
    struct volume v;
    struct path p;
    struct fs_walk w;
    struct write_options o;
    slice data = call_arg(c, 3);
    if (!write_options(c, &o) || !fs_path(c, 2, &p)) return OK;
    if (data.n > VOLUME_FILE_MAX - (o.offset_given ? o.offset : 0))
        return fs_error(c, FS_EINVAL);
    int rc = fs_open(c, true, &v);
    if (rc == OK) rc = fs_walk(&v, &p, &w);
    if (rc != OK) return rc;
    bool there = w.found == FS_FOUND;
    if (there && o.nx) return fs_error(c, FS_EEXIST);
    if (!may_write(c, &p, &w, o.parents)) return OK;
    if (!there && o.xx) return fs_error(c, FS_ENOENT);
    uint64_t size = there ? w.at.size : 0, version = there ? w.at.version : 0;
    if (o.ifver && o.version != version) return fs_error_version(c, version);
    uint64_t next = fs_next_version(&v);
    rc = write_effect(c, &w, o.mode, o.offset, data);
    if (rc != OK) return rc;
    if (!o.offset_given)
        size = data.n;
    else if (data.n > 0 && o.offset + data.n > size)
        size = o.offset + data.n;
    call_notify(c, 'd', "fs.write", call_arg(c, 1));
    reply_array(c, 2);
    reply_int(c, (int64_t)next);
    return reply_int(c, (int64_t)size);
}

int cmd_fs_append(call *c) {
    struct volume v;
    struct path p;
    struct fs_walk w;
    uint64_t expected = UINT64_MAX;
    slice data = call_arg(c, 3);
    if (call_argc(c) != 4) {
        if (call_argc(c) != 6 || !call_arg_is(c, 4, "ifsize")) return reply_syntax(c);
        if (!fs_size(c, 5, &expected)) return OK;
    }
    if (!fs_path(c, 2, &p)) return OK;
    int rc = fs_open(c, true, &v);
    if (rc == OK) rc = fs_walk(&v, &p, &w);
    if (rc != OK) return rc;
    if (!may_write(c, &p, &w, false)) return OK;
    bool there = w.found == FS_FOUND;
    uint64_t size = there ? w.at.size : 0, version = there ? w.at.version : 0;
    if (expected != UINT64_MAX && expected != size) {
        return reply_errorf(c, "EVERSION cur=%" PRIu64 " size=%" PRIu64, version, size);
    }
    if (data.n > VOLUME_FILE_MAX - size) return fs_error(c, FS_EINVAL);
    uint64_t next = fs_next_version(&v);
    rc = write_effect(c, &w, VOLUME_NO_MODE, size, data);
    if (rc != OK) return rc;
    call_notify(c, 'd', "fs.append", call_arg(c, 1));
    reply_array(c, 2);
    reply_int(c, (int64_t)size);
    return reply_int(c, (int64_t)next);
}

int cmd_fs_truncate(call *c) {
    struct volume v;
    struct path p;
    struct fs_walk w;
    struct fs_args a;
    uint64_t size;
    if (!fs_size(c, 3, &size) || !fs_path(c, 2, &p)) return OK;
    int rc = fs_open(c, true, &v);
    if (rc == OK) rc = fs_walk(&v, &p, &w);
    if (rc != OK) return rc;
    if (w.found == FS_MISSING) return fs_error(c, FS_ENOENT);
    if (!may_write(c, &p, &w, false)) return OK;
    uint64_t next = fs_next_version(&v);
    fs_args_begin(c, &a);
    fs_args_number(&a, w.at.ino);
    fs_args_number(&a, size);
    rc = fs_effect(c, VOLUME_TRUNCATE, &a);
    if (rc != OK) return rc;
    call_notify(c, 'd', "fs.truncate", call_arg(c, 1));
    return reply_int(c, (int64_t)next);
}
