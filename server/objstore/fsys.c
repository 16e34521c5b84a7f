/* fsys.c -- the real system calls. */
#include "objstore/fsys.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int result(int rc) { return rc < 0 ? -errno : rc; }

static int real_open(fsys *f, const char *path, int flags, int mode) {
    (void)f;
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return result(fd);
}

static long real_pwrite(fsys *f, int fd, const void *p, size_t n, uint64_t offset) {
    (void)f;
    ssize_t got;
    do {
        got = pwrite(fd, p, n, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : (long)got;
}

static long real_pread(fsys *f, int fd, void *p, size_t n, uint64_t offset) {
    (void)f;
    ssize_t got;
    do {
        got = pread(fd, p, n, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : (long)got;
}

static int real_fsync(fsys *f, int fd) {
    (void)f;
    int rc;
    do {
        rc = fsync(fd);
    } while (rc < 0 && errno == EINTR);
    return result(rc);
}

/* Not repeated on EINTR: Linux has closed it by then. */
static int real_close(fsys *f, int fd) {
    (void)f;
    return result(close(fd));
}

static int64_t real_size(fsys *f, int fd) {
    (void)f;
    struct stat st;
    if (fstat(fd, &st) != 0) return -errno;
    if (S_ISDIR(st.st_mode)) return -EISDIR;
    return st.st_size;
}

static int real_link(fsys *f, const char *from, const char *to) {
    (void)f;
    return result(link(from, to));
}

static int real_rename(fsys *f, const char *from, const char *to) {
    (void)f;
    return result(rename(from, to));
}

static int real_unlink(fsys *f, const char *path) {
    (void)f;
    return result(unlink(path));
}

static int real_mkdir(fsys *f, const char *path, int mode) {
    (void)f;
    return result(mkdir(path, (mode_t)mode));
}

static int real_rmdir(fsys *f, const char *path) {
    (void)f;
    return result(rmdir(path));
}

static bool is_folder(DIR *d, const struct dirent *e) {
    if (e->d_type != DT_UNKNOWN && e->d_type != DT_LNK) return e->d_type == DT_DIR;
    struct stat st;
    return fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int real_list(fsys *f, const char *path,
                     int (*each)(void *cookie, const char *name), void *cookie) {
    (void)f;
    DIR *d = opendir(path);
    if (d == NULL) return -errno;
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (e == NULL) {
            rc = -errno;
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char name[sizeof(e->d_name) + 1];
        int n =
            snprintf(name, sizeof(name), "%s%s", e->d_name, is_folder(d, e) ? "/" : "");
        assert(n > 0 && (size_t)n < sizeof(name));
        if (each(cookie, name) != 0) break;
    }
    closedir(d);
    return rc;
}

/* The table has no state; it is not const only because a double's has. */
fsys *fsys_real(void) {
    static const fsys table = {
        .open = real_open,     .pwrite = real_pwrite, .pread = real_pread,
        .fsync = real_fsync,   .close = real_close,   .size = real_size,
        .link = real_link,     .rename = real_rename, .unlink = real_unlink,
        .mkdir = real_mkdir,   .rmdir = real_rmdir,   .list = real_list,
    };
    return (fsys *)(uintptr_t)&table;
}
