/* edits.h -- a change of a volume as a list: planned by looking, asked for, then made.
 *
 * begin -> add edits, looking at the unchanged volume -> edits_ready() ->
 * edits_commit()
 *
 * Until the commit nothing changes, so that a plan may stop anywhere (a cold page, an
 * operation that makes no sense). edits_ready() asks for every page that the edits
 * touch; after its OK the commit fails for one reason only: the store's pages
 * contradict each other in a way that no single one shows. Edits are made in the order
 * they were added. */
#ifndef COVE_MODULES_FILES_EDITS_H
#define COVE_MODULES_FILES_EDITS_H

#include "modules/files/keys.h"

struct edits {
    struct volume v;
    struct volume_info info; /* as it will be; the plan changes it */
    buf list;                /* of struct edit */
    buf bytes;               /* keys, and values that are not borrowed */
    buf gone;                /* during a commit: keys to remove at its end */
};

void edits_begin(struct edits *e, const struct volume *v);
void edits_free(struct edits *e);

/* Keys and values are copied. */
void edits_put(struct edits *e, slice key, slice val);
void edits_del(struct edits *e, slice key);
void edits_inode(struct edits *e, const struct inode *i);
void edits_inode_del(struct edits *e, uint64_t ino);
void edits_entry(struct edits *e, uint64_t dir, slice name, uint64_t ino, uint8_t type);
void edits_entry_del(struct edits *e, uint64_t dir, slice name);
void edits_inline(struct edits *e, uint64_t ino, slice content); /* empty: none */

/* Writes data, which is borrowed until the commit has ended, at `at` of a chunk.
 * whole: nothing of what the chunk held is needed. */
void edits_chunk(struct edits *e, uint64_t ino, uint64_t index, size_t at, slice data,
                 bool whole);
/* The same at the beginning of a chunk that is not there, with data that is copied. */
void edits_chunk_copy(struct edits *e, uint64_t ino, uint64_t index, slice data);
void edits_chunk_cut(struct edits *e, uint64_t ino, uint64_t index, size_t n);
void edits_chunk_drop(struct edits *e, uint64_t ino, uint64_t index);
/* Chunk `index` of `ino` becomes another user of a page. */
void edits_chunk_share(struct edits *e, uint64_t ino, uint64_t index, uint64_t page);

int edits_ready(struct edits *e); /* OK, ERR_COLD, ERR_CORRUPT */
/* Also writes info to the root bytes. The object is exclusively owned. OK, or
 * ERR_CORRUPT, having changed some of it. */
int edits_commit(struct edits *e);

#endif
