/* fs_tree.c -- FS.MKDIR, FS.RM, FS.MV, FS.CP: the shape of the tree. */
#include "modules/files/fs.h"

#include <assert.h>

/* ---- MKDIR ------------------------------------------------------------------------- */

int cmd_fs_mkdir(call *c) {
    struct volume v;
    struct path p;
    struct fs_walk w;
    struct fs_args a;
    bool parents = false;
    uint64_t mode = VOLUME_MODE_DIR;
    for (size_t i = 3; i < call_argc(c); i++) {
        if (call_arg_is(c, i, "parents")) {
            parents = true;
        } else if (call_arg_is(c, i, "mode") && i + 1 < call_argc(c)) {
            if (!fs_mode(c, ++i, &mode)) return OK;
        } else {
            return reply_syntax(c);
        }
    }
    if (!fs_path(c, 2, &p)) return OK;
    int rc = fs_open(c, true, &v);
    if (rc == OK) rc = fs_walk(&v, &p, &w);
    if (rc != OK) return rc;
    if (w.found == FS_NOT_DIR) return fs_error(c, FS_ENOTDIR);
    if (w.found == FS_FOUND && v.obj != NULL) {
        if (!parents || w.at.type != INODE_DIR) return fs_error(c, FS_EEXIST);
        return reply_int(c, (int64_t)w.at.version);
    }
    if (w.missing_n > 1 && !parents) return fs_error(c, FS_ENOENT);
    uint64_t next = fs_next_version(&v);
    fs_args_begin(c, &a);
    fs_args_number(&a, w.dir.ino);
    fs_args_bytes(&a, w.missing); /* None: "/" of a volume that is not there. */
    fs_args_number(&a, mode);
    rc = fs_effect(c, VOLUME_MKDIR, &a);
    if (rc != OK) return rc;
    call_notify(c, 'd', "fs.mkdir", call_arg(c, 1));
    return reply_int(c, (int64_t)next);
}

/* ---- RM ---------------------------------------------------------------------------- */

int cmd_fs_rm(call *c) {
    struct volume v;
    struct path p;
    struct fs_walk w;
    struct fs_args a;
    struct volume_info before, after;
    bool recursive = call_argc(c) == 4 && call_arg_is(c, 3, "recursive");
    if (call_argc(c) > 4 || (call_argc(c) == 4 && !recursive)) return reply_syntax(c);
    if (!fs_path(c, 2, &p)) return OK;
    int rc = fs_open(c, true, &v);
    if (rc == OK) rc = fs_walk(&v, &p, &w);
    if (rc != OK) return rc;
    if (w.found == FS_NOT_DIR) return fs_error(c, FS_ENOTDIR);
    if (w.found == FS_MISSING || v.obj == NULL) return fs_error(c, FS_ENOENT);
    if (w.at.type == INODE_DIR && w.at.size > 0 && !recursive)
        return fs_error(c, FS_ENOTEMPTY);
    if (w.at.ino == VOLUME_ROOT && !recursive) return fs_error(c, FS_EINVAL);
    volume_info(&v, &before);
    fs_args_begin(c, &a);
    fs_args_number(&a, w.dir.ino);
    fs_args_bytes(&a, w.name); /* None: all that the root holds. */
    fs_args_number(&a, recursive);
    rc = fs_effect(c, VOLUME_RM, &a);
    if (rc != OK) return rc;
    fs_reopen(c, &v);
    volume_info(&v, &after);
    assert(after.inodes <= before.inodes && after.version == before.version + 1);
    call_notify(c, 'd', "fs.rm", call_arg(c, 1));
    return reply_int(c, (int64_t)(before.inodes - after.inodes));
}

/* ---- MV and CP --------------------------------------------------------------------- */

/* Both ends of a move or a copy. False after an error reply, or with an error in *rc. */
static bool two_paths(call *c, struct volume *v, struct path *from_path,
                      struct path *to_path, struct fs_walk *from, struct fs_walk *to,
                      int *rc) {
    *rc = OK;
    if (!fs_path(c, 2, from_path) || !fs_path(c, 3, to_path)) return false;
    *rc = fs_open(c, true, v);
    if (*rc == OK) *rc = fs_walk(v, from_path, from);
    if (*rc == OK) *rc = fs_walk(v, to_path, to);
    if (*rc != OK) return false;
    bool not_dir = from->found == FS_NOT_DIR;
    bool missing = from->found == FS_MISSING || v->obj == NULL;
    if (!not_dir && !missing) {
        bool as_dir =
            to->found == FS_MISSING && to_path->dir && from->at.type == INODE_FILE;
        missing = to->found == FS_MISSING && to->missing_n > 1;
        not_dir = to->found == FS_NOT_DIR || (as_dir && !missing);
    }
    if (not_dir)
        (void)fs_error(c, FS_ENOTDIR);
    else if (missing)
        (void)fs_error(c, FS_ENOENT);
    return !not_dir && !missing;
}

/* Whether the folder `i` is `dir` or lies above it; *rc as volume_is_above(). */
static bool lies_above(const struct volume *v, const struct inode *i, uint64_t dir,
                       int *rc) {
    int above = i->type == INODE_DIR ? volume_is_above(v, i->ino, dir) : 0;
    *rc = above < 0 ? above : OK;
    return above == 1;
}

/* As rename(2). False after an error reply, or with an error in *rc. */
static bool may_move(call *c, const struct volume *v, const struct fs_walk *from,
                     const struct fs_walk *to, bool nx, bool exchange, int *rc) {
    bool there = to->found == FS_FOUND;
    *rc = OK;
    if (from->at.ino == VOLUME_ROOT) return (void)fs_error(c, FS_EINVAL), false;
    if (there && nx) return (void)fs_error(c, FS_EEXIST), false;
    if (!there && exchange) return (void)fs_error(c, FS_ENOENT), false;
    if (there && to->at.ino == from->at.ino) return true;
    bool below = lies_above(v, &from->at, to->dir.ino, rc);
    if (*rc == OK && !below && exchange)
        below = lies_above(v, &to->at, from->dir.ino, rc);
    if (*rc != OK) return false;
    if (below || (there && exchange && to->at.ino == VOLUME_ROOT)) {
        (void)fs_error(c, FS_EINVAL);
        return false;
    }
    if (!there || exchange) return true;
    bool dir = from->at.type == INODE_DIR, onto_dir = to->at.type == INODE_DIR;
    if (dir && !onto_dir) return (void)fs_error(c, FS_ENOTDIR), false;
    if (!dir && onto_dir) return (void)fs_error(c, FS_EISDIR), false;
    if (onto_dir && to->at.size > 0) return (void)fs_error(c, FS_ENOTEMPTY), false;
    /* An empty root: nothing that lies in it can be moved onto it, so it is from's
     * folder. */
    assert(to->at.ino != VOLUME_ROOT);
    return true;
}

int cmd_fs_mv(call *c) {
    struct volume v;
    struct path from_path, to_path;
    struct fs_walk from, to;
    struct fs_args a;
    int rc;
    bool nx = call_argc(c) == 5 && call_arg_is(c, 4, "nx");
    bool exchange = call_argc(c) == 5 && call_arg_is(c, 4, "exchange");
    if (call_argc(c) > 5 || (call_argc(c) == 5 && !nx && !exchange))
        return reply_syntax(c);
    if (!two_paths(c, &v, &from_path, &to_path, &from, &to, &rc)) return rc;
    if (!may_move(c, &v, &from, &to, nx, exchange, &rc)) return rc;
    if (to.found == FS_FOUND &&
        to.at.ino == from.at.ino) { /* Onto itself: nothing to do. */
        return reply_int(c, (int64_t)from.at.version);
    }
    uint64_t next = fs_next_version(&v);
    fs_args_begin(c, &a);
    fs_args_number(&a, from.dir.ino);
    fs_args_bytes(&a, from.name);
    fs_args_number(&a, to.dir.ino);
    fs_args_bytes(&a, to.name);
    fs_args_number(&a, exchange);
    rc = fs_effect(c, VOLUME_MV, &a);
    if (rc != OK) return rc;
    call_notify(c, 'd', "fs.mv", call_arg(c, 1));
    return reply_int(c, (int64_t)next);
}

int cmd_fs_cp(call *c) {
    struct volume v;
    struct path from_path, to_path;
    struct fs_walk from, to;
    struct fs_args a;
    int rc;
    bool recursive = call_argc(c) == 5 && call_arg_is(c, 4, "recursive");
    if (call_argc(c) > 5 || (call_argc(c) == 5 && !recursive)) return reply_syntax(c);
    if (!two_paths(c, &v, &from_path, &to_path, &from, &to, &rc)) return rc;
    bool dir = from.at.type == INODE_DIR, there = to.found == FS_FOUND;
    if (dir && !recursive) return fs_error(c, FS_EISDIR);
    if (there && to.at.ino == from.at.ino) return fs_error(c, FS_EINVAL);
    bool below = lies_above(&v, &from.at, to.dir.ino, &rc);
    if (rc != OK) return rc;
    if (below) return fs_error(c, FS_EINVAL);
    if (there && dir)
        return fs_error(c, to.at.type == INODE_DIR ? FS_EEXIST : FS_ENOTDIR);
    if (there && to.at.type == INODE_DIR) return fs_error(c, FS_EISDIR);
    uint64_t next = fs_next_version(&v);
    fs_args_begin(c, &a);
    fs_args_number(&a, from.at.ino);
    fs_args_number(&a, to.dir.ino);
    fs_args_bytes(&a, to.name);
    rc = fs_effect(c, VOLUME_CP, &a);
    if (rc != OK) return rc;
    call_notify(c, 'd', "fs.cp", call_arg(c, 1));
    return reply_int(c, (int64_t)next);
}
