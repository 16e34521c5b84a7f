/* volume.h -- a volume: a whole tree of folders and files as one value.
 *
 * A dense object. Its pages are the nodes of one B+ tree (types/btree.h) and chunks of
 * content of 64 KiB. The tree's keys, numbers big endian so that they sort:
 *
 *     inode, 'a'                  the inode itself (struct inode)
 *     inode, 'c', chunk index     u64: the page that holds the chunk; absent: a hole
 *     inode, 'd', name            an entry of a folder: u64 inode, u8 type
 *     inode, 'x'                  the content of a file of 1 to VOLUME_INLINE_MAX bytes
 *     0,     'r', page            u32: the chunks that share a page, when several do
 *
 * So all of one inode lies together, and the names of a folder are in order.
 *
 * Invariants (volume_check() walks them)
 *  1. Every inode but the root has exactly one entry, of its type; folders form a
 *     tree.
 *  2. A folder's size is the number of its entries, its nlink 2 and one for each
 *     folder in it.
 *  3. Content of up to VOLUME_INLINE_MAX bytes is inline, longer content in chunks; a
 *     chunk's page may be shorter than the chunk, and what it has past the end of the
 *     file is zero.
 *  4. A page of content is shared by as many chunks as its count says. A shared page
 *     is never changed: the first write to one of its chunks gives that one a page of
 *     its own.
 *  5. The root bytes hold the number of inodes and the sum of the sizes of files.
 *  6. A change raises the volume's version by one, and gives that number to every
 *     inode that it changed. Version 0 is that of what is not there.
 *
 * A change is planned as a list of edits by looking only, then everything that the
 * edits need is asked for, and then they are made (edits.h). */
#ifndef COVE_MODULES_FILES_VOLUME_H
#define COVE_MODULES_FILES_VOLUME_H

#include "module.h"

#define VOLUME_ROOT 1u
#define VOLUME_NAME_MAX 255
#define VOLUME_PATH_MAX 4096
#define VOLUME_INLINE_MAX 4096
#define VOLUME_CHUNK PAGE_BYTES
#define VOLUME_FILE_MAX (1ull << 44) /* 16 TiB: no sum of offset and length wraps. */
#define VOLUME_MODE_FILE 0644
#define VOLUME_MODE_DIR 0755

enum inode_type { INODE_FILE = 1, INODE_DIR = 2 }; /* stored */

struct inode {
    uint64_t ino;
    uint8_t type;
    uint16_t mode;
    uint32_t nlink, uid, gid;
    uint64_t size;
    uint64_t mtime_ns, ctime_ns;
    uint64_t version;
    uint64_t parent; /* of a folder; 0 for a file */
};

struct volume {
    pager *pager;
    object *obj; /* NULL: not there, an empty root */
};

struct volume_info { /* kept in the root bytes */
    uint64_t next_ino, inodes, bytes, version;
};

/* Operations, stored in the log. args[0] is always u64 nanoseconds since 1970. Numbers
 * are u64. names: one or more names, with slashes between. The first operation makes
 * the volume. */
enum volume_op {
    VOLUME_MKDIR = 1,    /* folder, names, mode: makes each; no names: only the volume */
    VOLUME_WRITE = 2,    /* file, "", mode, offset, data
                          * folder, names, mode, offset, data: makes the last as a file */
    VOLUME_TRUNCATE = 3, /* file, size */
    VOLUME_RM = 4,       /* folder, name, 1 for all below; no name: all in the folder */
    VOLUME_MV = 5,       /* folder, name, folder, name, 1 to exchange the two */
    VOLUME_CP = 6        /* inode, folder, name */
};
#define VOLUME_NO_MODE UINT64_MAX /* mode of a WRITE: as it is, or VOLUME_MODE_FILE */
#define VOLUME_REPLACE UINT64_MAX /* offset of a WRITE: the whole content is replaced */

extern const struct type type_volume;

/* ---- looking: OK, ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT ------------------------------ */

void volume_info(const struct volume *v, struct volume_info *out);
int volume_inode(const struct volume *v, uint64_t ino, struct inode *out);
int volume_entry(const struct volume *v, uint64_t dir, slice name, uint64_t *ino,
                 uint8_t *type);
/* Whether `ino` is `dir` or lies above it: 1 or 0, or an error. */
int volume_is_above(const struct volume *v, uint64_t ino, uint64_t dir);

/* The next name of `*rest`, which moves behind it; false at the end. Empty names are
 * skipped. */
bool path_next(slice *rest, slice *name);
enum path_error { PATH_OK, PATH_INVALID, PATH_TOO_LONG };
/* Only names, each of which may be one: not "", ".", "..", no NUL, not too long. */
enum path_error path_check_names(slice names);

/* Appends exactly [offset, offset + len), which lies within the file, to *out. */
int volume_read(const struct volume *v, const struct inode *f, uint64_t offset,
                uint64_t len, buf *out);
/* Where the lines first..last (from 1) of a file lie; last may be UINT64_MAX. `state`
 * goes on after ERR_COLD: zeroed at first. O(bytes before the end of the last line). */
struct line_search {
    uint64_t ino, version, size, mtime_ns; /* what it is about; another: from the start */
    uint64_t at, line;                     /* bytes seen; newlines in them */
    uint64_t start;
    bool started;
};
int volume_lines(const struct volume *v, const struct inode *f, uint64_t first,
                 uint64_t last, struct line_search *state, uint64_t *offset,
                 uint64_t *len);

/* Entries of a folder in name order, those after `after` (empty: all), until each() is
 * not 0, which is returned. */
typedef int volume_each(void *cookie, slice name, uint64_t ino, uint8_t type);
int volume_list(const struct volume *v, uint64_t dir, slice after, volume_each *each,
                void *cookie);

/* ---- as a whole -------------------------------------------------------------------- */

int volume_check(struct value *v, char why[160]);
int volume_digest(struct value *v, uint8_t digest[20]);

#endif
