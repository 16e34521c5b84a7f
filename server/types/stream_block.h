/* stream_block.h -- a block of a stream: some entries in one listpack, byte compatible with a node of a
 * stream in Redis, so that DUMP copies it.
 *
 *     live | deleted | fields n | field 1 .. n | 0        the master entry
 *     flags | ms - master | seq - master | [n] | [field] value ... | elements before this one
 *
 * An entry whose fields are those of the master entry has its values alone. A deleted one stays until
 * the last live one is deleted, and the block with it. The block's id, which the others are told by,
 * stands outside. */
#ifndef COVE_TYPES_STREAM_BLOCK_H
#define COVE_TYPES_STREAM_BLOCK_H

#include "base/listpack.h"
#include "base/num.h"

typedef struct stream_id {
    uint64_t ms, seq;
} stream_id;

#define STREAM_ID_BYTES 16
#define STREAM_ID_MAX ((stream_id){UINT64_MAX, UINT64_MAX})
#define STREAM_ID_MIN ((stream_id){0, 0})

void stream_id_put(uint8_t to[STREAM_ID_BYTES], stream_id id); /* big endian: as bytes they sort */
stream_id stream_id_read(const uint8_t *p);
int stream_id_cmp(stream_id a, stream_id b);
/* The next and the one before; false at the end. */
bool stream_id_up(stream_id *id);
bool stream_id_down(stream_id *id);

struct stream_entry {
    stream_id id;
    uint64_t fields;
    bool deleted;
    /* The block's. */
    bool same;                                /* its fields are the master's */
    slice lp;
    size_t flags_at, field_at, value_at, end; /* end: of the next entry, or 0 */
};
/* The next of its e->fields pairs; tmp holds numbers. False: the bytes are damaged. */
struct stream_pair {
    slice field, value;
    char tmp[2][NUM_LL_MAX];
};
bool stream_entry_pair(struct stream_entry *e, struct stream_pair *out);

/* Walks entries, deleted ones too. */
struct stream_cursor {
    slice lp;
    stream_id master;
    uint64_t live, deleted, fields;
    size_t field_at, first; /* the first field of the master entry, the first entry */
    size_t at;              /* the next entry forward; backward: the one after it; 0: the end */
};
/* ERR_CORRUPT. A block from outside has passed stream_block_ok() or is about to. */
int stream_block_open(slice lp, stream_id master, struct stream_cursor *c);
/* OK, ERR_NOTFOUND at the end, ERR_CORRUPT. */
int stream_block_next(struct stream_cursor *c, struct stream_entry *e);
int stream_block_prev(struct stream_cursor *c, struct stream_entry *e); /* first call: from the end */

/* Every entry is whole, and the counts are those of the entries. */
bool stream_block_ok(slice lp);
/* Ids rise from the master's on, and none is above `last`. */
bool stream_block_ordered(slice lp, stream_id master, stream_id last);

/* A block of one entry, args: field, value, ... */
void stream_block_new(buf *lp, const slice *args, size_t argc);
/* An entry at the end of the block that c was opened on; same: with its fields. grows: how many bytes it
 * takes at most (less where a count was written long-windedly), and whether its fields are the same. */
size_t stream_block_grows(const struct stream_cursor *c, stream_id id, const slice *args, size_t argc,
                          bool *same);
void stream_block_append(buf *lp, const struct stream_cursor *c, stream_id id, const slice *args, size_t argc,
                         bool same);
/* Marks the entry as deleted; ERR_NOTFOUND: it is not there, or was. */
int stream_block_delete(buf *lp, stream_id master, stream_id id);
/* And all entries up to `last`. */
int stream_block_delete_to(buf *lp, stream_id master, stream_id last, uint64_t *deleted);

#endif
