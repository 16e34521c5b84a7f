/* file.h -- an object store in a directory: the embedded default.
 *
 * Durable before done: temporary file, fsync, link(2) (EEXIST is ERR_PRECOND), fsync of the
 * folder. Put-if-match keeps versions side by side: an object replaced by If-Match lives as
 * NAME.v/<16 hex version>; the next version is created with link(2), which only one writer
 * can win, and the highest is the object. There is no lock that a stopped process could hold.
 * Works between processes. Requests run on the store's own threads. */
#ifndef COVE_OBJSTORE_FILE_H
#define COVE_OBJSTORE_FILE_H

#include "base/log.h"
#include "event/pool.h"
#include "objstore/fsys.h"
#include "objstore/objstore.h"

/* dir is made when absent (its parent must exist). threads 0: requests run on the loop in
 * later turns (tests). fs, clock and log are borrowed. ERR_IO/ERR_AUTH with *why a sentence. */
int objstore_file_create(loop *l, fsys *fs, const char *dir, int threads, logger *log,
                         objstore **out, char why[256]);
/* The first fsync of the directory tree at open: names that a crash left half durable are
 * made durable before anybody relies on having seen them. Blocking; call before the loop runs. */
int objstore_file_sync_all(objstore *s);

#endif
