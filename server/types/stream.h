/* stream.h -- streams: what handlers ask of them, and the effects they make.
 *
 * A stream is a dense object, however small: its entries lie in blocks (stream_block.h), filled as
 * stream-node-max-* says, and one B+ tree in the same object finds everything. Numbers in its keys are
 * big endian, so that they sort.
 *
 *     'b' id                        -> a block: its page, its live entries
 *     'g' name                      -> a group: its number, last id, entries read, counts
 *     'c' group name                -> a consumer of the group: its number, times, pending entries
 *     'n' group consumer            -> the consumer's name
 *     'p' group id                  -> a pending entry: its consumer, delivery time, deliveries
 *     'q' group consumer id         -> nothing: the pending entries of one consumer, in order
 *
 * The last id and the counts lie in the meta, with the last block, so that XADD touches one page. A
 * stream without entries remains one. */
#ifndef COVE_TYPES_STREAM_H
#define COVE_TYPES_STREAM_H

#include "types/btree.h"
#include "types/stream_block.h"
#include "types/value.h"

#define STREAM_NAME_MAX 1000 /* of a group or a consumer: a key of the tree holds it */
#define STREAM_READ_UNKNOWN (-1)

/* Is an entry of these fields and values small enough for a block of its own? */
bool stream_entry_fits(const slice *args, size_t argc);

enum stream_op {              /* stored: never renumbered. An id is STREAM_ID_BYTES, as in a key. */
    STREAM_ADD = 1,           /* id, above the last one; field, value, ... */
    STREAM_TRIM = 2,          /* id: all entries up to it go */
    STREAM_DELETE = 3,        /* ids of entries, rising, in one argument */
    STREAM_SET = 4,           /* last id, u64 entries added, greatest deleted id */
    STREAM_GROUP_SET = 5,     /* name, last id, u64 entries read; makes what is not there */
    STREAM_GROUP_DROP = 6,    /* name */
    STREAM_PEND = 7,          /* group, consumer (made if it is not there), u64 seen ms and u64 active
                               * ms, the group's last id and u64 entries read or nothing, records */
    STREAM_CONSUMER_DROP = 8, /* group, name */
    STREAM_ACK = 9,           /* group, ids in one argument */
    STREAM_UNREF = 10         /* ids in one argument: no group has them pending any longer */
};
/* A record makes an entry pending, or changes what is: id, u64 delivery ms, u64 deliveries. */
#define STREAM_RECORD_BYTES (STREAM_ID_BYTES + 16)

/* Asks for all that the effect needs, as its apply() does before it changes anything: after OK it
 * cannot be cold. */
int stream_need(const struct value *v, uint8_t op, const slice *args, size_t argc);

struct stream_head {
    uint64_t length, added, groups, blocks;
    stream_id last, max_deleted;
};
struct stream_head stream_head(const struct value *v); /* all zero for VALUE_NONE */

/* The entries between two ids, both included, at most `count` of them (0: all); backward: the greatest
 * first. Stops when each() is not 0, and returns that. Asks for what it needs before the first call. */
typedef int stream_each_fn(void *cookie, struct stream_entry *e);
int stream_each(const struct value *v, stream_id from, stream_id to, uint64_t count, bool backward,
                stream_each_fn *each, void *cookie);
int stream_get(const struct value *v, stream_id id, struct stream_entry *e); /* ERR_NOTFOUND */
/* As stream_get(), for ids that rise: a block is walked once for all of them. Begins as {0}, and is good
 * until something changes. */
struct stream_finder {
    bool open, any;
    stream_id block, last; /* the open block's, and what was looked for last */
    struct stream_cursor cursor;
    struct stream_entry at; /* any: where the walk is */
};
int stream_find(const struct value *v, struct stream_finder *f, stream_id id, struct stream_entry *e);
int stream_first(const struct value *v, stream_id *id); /* ERR_NOTFOUND: there is no entry */
int stream_last(const struct value *v, stream_id *id);
/* The block at or after `id`: what is trimmed is decided block by block. ERR_NOTFOUND. */
struct stream_block_at {
    stream_id id;
    uint64_t page, live;
};
int stream_block_from(const struct value *v, stream_id id, struct stream_block_at *b);
int stream_block_read(const struct value *v, const struct stream_block_at *b, slice *lp);

/* How many entries had been added when `id` was the last one: STREAM_READ_UNKNOWN when nobody can tell. */
int stream_read_at(const struct value *v, stream_id id, int64_t *n);
/* May entries behind `id` have been deleted? Then a count of those read says nothing of those to come. */
int stream_deleted_after(const struct value *v, stream_id id, bool *any);

struct stream_group {
    uint64_t number, pending, consumers, next_consumer;
    int64_t read; /* STREAM_READ_UNKNOWN, or entries */
    stream_id last;
};
struct stream_consumer {
    uint64_t number, seen, active, pending;
};
struct stream_pending {
    stream_id id;
    uint64_t consumer, time, count;
};
int stream_group_get(const struct value *v, slice name, struct stream_group *g); /* ERR_NOTFOUND */
int stream_consumer_get(const struct value *v, const struct stream_group *g, slice name,
                        struct stream_consumer *c);
int stream_consumer_name(const struct value *v, const struct stream_group *g, uint64_t number,
                         slice *name);
int stream_pending_get(const struct value *v, const struct stream_group *g, stream_id id,
                       struct stream_pending *p);
int stream_pending_last(const struct value *v, const struct stream_group *g, stream_id *id);
/* In order, until each() is not 0, which is returned. May be cold after some calls. */
typedef int stream_group_fn(void *cookie, slice name, const struct stream_group *g);
int stream_groups_each(const struct value *v, stream_group_fn *each, void *cookie);
typedef int stream_consumer_fn(void *cookie, slice name, const struct stream_consumer *c);
int stream_consumers_each(const struct value *v, const struct stream_group *g,
                          stream_consumer_fn *each, void *cookie);
/* From `from` on; those of one consumer, or all (NULL). */
typedef int stream_pending_fn(void *cookie, const struct stream_pending *p);
int stream_pending_each(const struct value *v, const struct stream_group *g,
                        const struct stream_consumer *of, stream_id from, stream_pending_fn *each,
                        void *cookie);

/* What keeps an entry. The least last id of the groups: behind it are entries that one of them has not
 * read. STREAM_ID_MAX: there is no group. */
int stream_groups_least(const struct value *v, stream_id *least);
/* Has any group it pending, but the one of this number (0: none)? */
int stream_pending_any(const struct value *v, stream_id id, uint64_t except, bool *any);
/* Appends the ids from `from` to `to` that groups have pending, group by group. */
int stream_pending_ids(const struct value *v, stream_id from, stream_id to, buf *ids);

#endif
