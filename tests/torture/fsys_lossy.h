/* fsys_lossy.h -- a file system in memory that loses what was not synced.
 *
 * Every file has volatile and durable bytes, every folder volatile and durable entries.
 * fsync of a file makes its bytes durable; fsync of a folder makes the entries made,
 * moved into and removed from it durable, and nothing else: not the folder's own entry,
 * not the bytes. At a crash each unsynced 512-byte sector and each unsynced change of an
 * entry is kept or lost on its own, by a seed (a rename is one change); so a kept entry
 * may name torn or empty bytes.
 *
 * Paths are absolute. Not for threads. */
#ifndef COVE_TESTS_FSYS_LOSSY_H
#define COVE_TESTS_FSYS_LOSSY_H

#include "objstore/fsys.h"

#include <stdbool.h>

/* What an fsync is for; told from the folder's name and its youngest unsynced change. */
enum lossy_sync {
    LOSSY_SYNC_NONE,
    LOSSY_SYNC_FILE,  /* bytes of a file */
    LOSSY_SYNC_ENTRY, /* a folder after a link, rename or unlink of an object in it */
    LOSSY_SYNC_MADE,  /* a folder after the making of a folder in it */
    LOSSY_SYNC_VERSION_INIT,  /* a folder in tmp/ before it is moved to NAME.v */
    LOSSY_SYNC_VERSION_DATA,  /* NAME.v after a version's file was made */
    LOSSY_SYNC_VERSION_TOKEN, /* NAME.v after the rename of the token */
    LOSSY_SYNC_KINDS
};

typedef struct fsys_lossy fsys_lossy;

fsys_lossy *fsys_lossy_create(void); /* Holds "/" only. */
void fsys_lossy_free(fsys_lossy *f);
fsys *fsys_lossy_table(fsys_lossy *f);
long fsys_lossy_calls(const fsys_lossy *f); /* so far */
/* The k-th call from now (1: the next) fails with -err, having done nothing; 0: never. */
void fsys_lossy_fail_at(fsys_lossy *f, long k, int err);
/* From the k-th call on all fail with EIO. The k-th itself takes effect, unseen, if
 * `effect`. */
void fsys_lossy_stop_at(fsys_lossy *f, long k, bool effect);
/* This kind of fsync does nothing and says that it did. */
void fsys_lossy_skip(fsys_lossy *f, enum lossy_sync kind);
long fsys_lossy_skipped(const fsys_lossy *f);
/* Power loss: what was not synced is kept or lost by the seed; open files are closed,
 * limits and failures lifted. */
void fsys_lossy_crash(fsys_lossy *f, uint64_t seed);
/* Prints the tree as the process sees it, as TAP comments. */
void fsys_lossy_dump(const fsys_lossy *f);
int fsys_lossy_open_files(const fsys_lossy *f);

#endif
