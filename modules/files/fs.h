/* fs.h -- what the handlers of FS.* share: opening a volume, walking a path, errors. */
#ifndef COVE_MODULES_FILES_FS_H
#define COVE_MODULES_FILES_FS_H

#include "modules/files/volume.h"

/* The first words of error replies. */
enum fs_error {
    FS_ENOENT,
    FS_EEXIST,
    FS_ENOTDIR,
    FS_EISDIR,
    FS_ENOTEMPTY,
    FS_EINVAL,
    FS_ENAMETOOLONG
};
int fs_error(call *c, enum fs_error e);
int fs_error_version(call *c, uint64_t current);

/* The volume of key argument 1. OK, also when it is not there (v->obj is NULL then),
 * or an error to return. */
int fs_open(call *c, bool write, struct volume *v);
/* Again, after an effect: it is there. */
void fs_reopen(call *c, struct volume *v);

/* A path: absolute, normalised by path_next(). */
struct path {
    slice names;
    bool dir; /* It ends with a slash, so it must be a folder. */
};
/* False after an error reply. */
bool fs_path(call *c, size_t i, struct path *out);

enum fs_found { FS_FOUND, FS_MISSING, FS_NOT_DIR };
struct fs_walk {
    enum fs_found found;
    struct inode at; /* FOUND */
    struct inode
        dir;    /* the folder that it lies in; MISSING: the last folder that is there */
    slice name; /* FOUND: its name in dir; "" for the root. MISSING: the last name */
    slice missing; /* MISSING: the names that are not there */
    size_t missing_n;
};
/* OK or an error to return. A path that must be a folder and is a file is FS_NOT_DIR. */
int fs_walk(const struct volume *v, const struct path *p, struct fs_walk *out);

/* A mode in octal, as chmod takes it; a size or offset of 0 to VOLUME_FILE_MAX. False
 * after an error reply. */
bool fs_mode(call *c, size_t i, uint64_t *out);
bool fs_size(call *c, size_t i, uint64_t *out);

/* One operation, its time first; numbers go in as u64. Up to 5 arguments after the
 * time. */
struct fs_args {
    uint8_t numbers[6][8];
    slice args[6];
    size_t n;
};
void fs_args_begin(call *c, struct fs_args *a);
void fs_args_number(struct fs_args *a, uint64_t v);
void fs_args_bytes(struct fs_args *a, slice s);
int fs_effect(call *c, enum volume_op op, const struct fs_args *a);

/* The version that a change makes of v as it is before. */
uint64_t fs_next_version(const struct volume *v);
void fs_reply_stat(call *c, const struct inode *i);

int cmd_fs_write(call *c);
int cmd_fs_append(call *c);
int cmd_fs_truncate(call *c);
int cmd_fs_read(call *c);
int cmd_fs_stat(call *c);
int cmd_fs_ls(call *c);
int cmd_fs_info(call *c);
int cmd_fs_mkdir(call *c);
int cmd_fs_rm(call *c);
int cmd_fs_mv(call *c);
int cmd_fs_cp(call *c);

#endif
