/* fsys.h -- the system calls of the file store behind a table, so that a double can lose
 * what was not synced, reorder, tear, fail, and stop at the k-th step. */
#ifndef COVE_OBJSTORE_FSYS_H
#define COVE_OBJSTORE_FSYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All return >= 0, or -errno. Paths are absolute or relative to the process. */
typedef struct fsys fsys;
struct fsys {
    int (*open)(fsys *f, const char *path, int flags, int mode);
    long (*pwrite)(fsys *f, int fd, const void *p, size_t n, uint64_t offset);
    long (*pread)(fsys *f, int fd, void *p, size_t n, uint64_t offset);
    int (*fsync)(fsys *f, int fd);       /* of a file, or of a folder opened read-only */
    int (*close)(fsys *f, int fd);
    int64_t (*size)(fsys *f, int fd);    /* -EISDIR for a folder */
    int (*link)(fsys *f, const char *from, const char *to);
    int (*rename)(fsys *f, const char *from, const char *to);
    int (*unlink)(fsys *f, const char *path);
    int (*mkdir)(fsys *f, const char *path, int mode);
    int (*rmdir)(fsys *f, const char *path); /* -ENOTEMPTY when it is not empty */
    /* Names in a folder, without . and .., in any order; a folder's name ends in a slash.
     * Stops when each() is not 0. */
    int (*list)(fsys *f, const char *path, int (*each)(void *cookie, const char *name),
                void *cookie);
};

fsys *fsys_real(void); /* Stateless; shared by all; thread safe. */

#endif
