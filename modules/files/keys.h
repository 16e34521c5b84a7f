/* keys.h -- keys and records of a volume's tree; volume.h says what they are. */
#ifndef COVE_MODULES_FILES_KEYS_H
#define COVE_MODULES_FILES_KEYS_H

#include "modules/files/volume.h"

#define KEY_INODE 'a'
#define KEY_CHUNK 'c'
#define KEY_ENTRY 'd'
#define KEY_PAGE 'r'
#define KEY_INLINE 'x'

#define KEY_HEAD 9 /* inode and tag */
#define INODE_BYTES 56
#define ENTRY_BYTES 9
#define CHUNK_BYTES 8
#define PAGE_COUNT_BYTES 4

/* The root bytes, after those of the tree. */
#define META_FORMAT BTREE_META /* u32, then 4 zero */
#define META_NEXT (BTREE_META + 8)
#define META_INODES (BTREE_META + 16)
#define META_BYTES (BTREE_META + 24)
#define META_VERSION (BTREE_META + 32)
#define META_SIZE (BTREE_META + 40)
#define VOLUME_FORMAT 1

struct key {
    uint8_t bytes[KEY_HEAD + VOLUME_NAME_MAX];
};

static inline uint64_t get_be64(const uint8_t *p) {
    return __builtin_bswap64(get_u64(p));
}
static inline void put_be64(uint8_t *p, uint64_t v) {
    put_u64(p, __builtin_bswap64(v));
}

static inline slice key_of(struct key *k, uint64_t ino, char tag) {
    put_be64(k->bytes, ino);
    k->bytes[8] = (uint8_t)tag;
    return slice_make(k->bytes, KEY_HEAD);
}
static inline slice key_numbered(struct key *k, uint64_t ino, char tag, uint64_t n) {
    (void)key_of(k, ino, tag);
    put_be64(k->bytes + KEY_HEAD, n);
    return slice_make(k->bytes, KEY_HEAD + 8);
}
static inline slice key_chunk(struct key *k, uint64_t ino, uint64_t index) {
    return key_numbered(k, ino, KEY_CHUNK, index);
}
static inline slice key_page(struct key *k, uint64_t page) {
    return key_numbered(k, 0, KEY_PAGE, page);
}
/* name: at most VOLUME_NAME_MAX bytes. */
static inline slice key_entry(struct key *k, uint64_t dir, slice name) {
    (void)key_of(k, dir, KEY_ENTRY);
    if (name.n != 0) memcpy(k->bytes + KEY_HEAD, name.p, name.n);
    return slice_make(k->bytes, KEY_HEAD + name.n);
}
/* Whether a key of the tree begins as (ino, tag, ...). */
static inline bool key_has(slice key, uint64_t ino, char tag) {
    return key.n >= KEY_HEAD && get_be64(key.p) == ino && key.p[8] == (uint8_t)tag;
}

void inode_write(const struct inode *i, uint8_t out[INODE_BYTES]);
int inode_read(uint64_t ino, slice val, struct inode *out); /* ERR_CORRUPT */
int entry_read(slice val, uint64_t *ino, uint8_t *type);    /* ERR_CORRUPT */

/* The chunks of a file from index `from`, as pairs of u64 (index, page), appended to
 * *out. */
int chunks_list(const struct volume *v, uint64_t ino, uint64_t from, buf *out);
/* The page of one chunk, or ERR_NOTFOUND. */
int chunk_page(const struct volume *v, uint64_t ino, uint64_t index, uint64_t *page);
/* The content of an inline file: borrowed. */
int inline_content(const struct volume *v, const struct inode *f, slice *out);

#endif
