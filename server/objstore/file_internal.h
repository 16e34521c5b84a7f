/* file_internal.h -- what the files of the directory store share. */
#ifndef COVE_OBJSTORE_FILE_INTERNAL_H
#define COVE_OBJSTORE_FILE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "event/pool.h"
#include "objstore/fsys.h"
#include "objstore/objstore.h"

#define FILE_DIR_MAX 1024
#define FILE_PATH_MAX 2048    /* dir, a name, ".v/" and a version's name. */
#define FILE_FOLDERS_MAX 64   /* Folders remembered as durable; a store has about four. */
#define FILE_HASH_CHUNK ((size_t)1 << 20)
#define FILE_LOG_US 1000000   /* A full disk must not fill the log as well. */
#define FILE_TRIES_MAX 1000   /* Of anything that only a racing writer makes us repeat. */

struct file_store {
    objstore base;
    fsys *fs;
    logger *log;
    pool *pool;
    loop *loop;
    uint64_t logged_us;                    /* when a failure was last logged */
    char dir[FILE_DIR_MAX + 1];
    char text[FILE_DIR_MAX + 8];           /* "file:" dir */
    uint64_t seed;
    atomic_uint_fast64_t counter;
    pthread_mutex_t lock;                  /* for the following two */
    char *durable[FILE_FOLDERS_MAX]; /* folders whose own entry is known to be synced */
    size_t durable_count;
};

/* One request on a worker. */
struct file_call {
    job job;
    struct file_store *s;
    obj_req *r;
    int rc;
    char why[256];
};

/* The token of a replaced object; version 0 is the file NAME itself. */
struct file_token {
    bool found;  /* else: never replaced */
    bool dead;   /* the object has been deleted */
    uint64_t version, nonce;
};

/* file.c */
void file__path(char out[FILE_PATH_MAX], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Text in c->why; ERR_AUTH, ERR_FULL, ERR_NOMEM or ERR_IO for -errno. */
int file__fail(struct file_call *c, const char *what, const char *path, int err);
/* The same at the step that makes a change visible: EIO leaves the outcome unknown. */
int file__fail_commit(struct file_call *c, const char *what, const char *path, int err);
uint64_t file__nonce(struct file_store *s);
void file__tmp_path(struct file_store *s, char out[FILE_PATH_MAX]);
int file__sync(struct file_call *c, const char *path, int flags);
int file__sync_folder_of(struct file_call *c, const char *path);
/* A new file with these bytes, synced; its entry is not. ERR_EXISTS: the path is
 * taken. */
int file__write(struct file_call *c, const char *path, slice body);
uint64_t file__hash(uint64_t h, const uint8_t *p, size_t n);
int file__hash_file(struct file_call *c, int fd, uint64_t *size, uint64_t *hash);
void file__etag(char out[OBJ_ETAG_MAX], uint64_t version, uint64_t nonce);

/* file_version.c */
int file__token_read(struct file_call *c, const char *name, struct file_token *t);
/* The file that holds the current bytes; ERR_NOTFOUND. */
int file__open_current(struct file_call *c, const char *name, struct file_token *t,
                       int *fd);
/* If-Match, or `any` etag of an object that has been replaced before. */
int file__match(struct file_call *c, bool any);
/* Both want a token that was found. remove: the object is gone; bury: and no trace is
 * left. */
int file__remove(struct file_call *c, const char *name, struct file_token *t);
int file__bury(struct file_call *c, const char *name, const struct file_token *t);

/* file_list.c */
int file__list(struct file_call *c);
void file__clean_tmp(struct file_call *c);
int file__sync_tree(struct file_call *c);

#endif
