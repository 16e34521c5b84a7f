/* file.h -- an object store in a directory: the embedded default.
 *
 * Durable before done: temporary file, fsync, link(2) (EEXIST is ERR_PRECOND), fsync of
 * the folder. Put-if-match keeps versions side by side: the versions of a replaced object
 * live in the folder NAME.v, next to an empty file, the token, whose name says which one
 * is current. A writer wins by rename(2) of the token that it read; the name of a token
 * never comes back, so only one writer can win, and one with a stale etag never (proof:
 * file_version.c). There is no lock that a stopped process could hold. Works between
 * processes of one machine. Requests run on the store's own threads.
 *
 * Names that begin with "tmp/", and folders that end in ".v", are the store's own and
 * refused. A range of an object that was never replaced comes without an etag (that would
 * read it all). OBJ_PUT and OBJ_DELETE must not race with the first OBJ_PUT_MATCH of the
 * same name, nor OBJ_DELETE with OBJ_PUT_ABSENT of a name that was replaced; all else may
 * race. A replaced object whose delete was cut short by a crash is absent, and its name
 * answers ERR_AGAIN to writes until it is deleted again. */
#ifndef COVE_OBJSTORE_FILE_H
#define COVE_OBJSTORE_FILE_H

#include "base/log.h"
#include "event/loop.h"
#include "objstore/fsys.h"
#include "objstore/objstore.h"

/* dir, at most 1024 bytes, is made when absent (its parent must exist). threads 0:
 * requests run on the loop in later turns (tests). fs and log are borrowed. Removes what
 * dead processes left in tmp/. ERR_IO/ERR_AUTH with *why a sentence. */
int objstore_file_create(loop *l, fsys *fs, const char *dir, int threads, logger *log,
                         objstore **out, char why[256]);
/* The first fsync of the directory tree at open: names that a crash left half durable are
 * made durable before anybody relies on having seen them. Of the bytes only those of replaced
 * objects and at the top; others were synced before their names (obj_req.durable for the rest).
 * Blocking; call before the loop runs. */
int objstore_file_sync_all(objstore *s);

#endif
