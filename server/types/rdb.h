/* rdb.h -- the primitives of RDB payloads: lengths, strings, doubles.
 *
 * DUMP writes and RESTORE reads them; so do the payloads of ENTRY_RESTORE. What is read is hostile: every
 * length is checked before it sizes anything, and no read goes past the reader's end. */
#ifndef COVE_TYPES_RDB_H
#define COVE_TYPES_RDB_H

#include "base/bytes.h"
#include "base/err.h"

#define RDB_VERSION 10 /* What DUMP writes: that of Redis 7.0. */
#define RDB_VERSION_HASH_TIMES 12 /* With the types RDB_HASH_METADATA and RDB_HASH_LISTPACK_EX: Redis 7.4. */
#define RDB_STRING_MAX ((uint64_t)512 << 20)

enum rdb_type {
    RDB_STRING = 0, RDB_LIST = 1, RDB_SET = 2, RDB_ZSET = 3, RDB_HASH = 4, RDB_ZSET_2 = 5,
    RDB_HASH_ZIPMAP = 9, RDB_LIST_ZIPLIST = 10, RDB_SET_INTSET = 11, RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13, RDB_LIST_QUICKLIST = 14, RDB_STREAM_LISTPACKS = 15,
    RDB_HASH_LISTPACK = 16, RDB_ZSET_LISTPACK = 17, RDB_LIST_QUICKLIST_2 = 18,
    RDB_STREAM_LISTPACKS_2 = 19, RDB_SET_LISTPACK = 20, RDB_STREAM_LISTPACKS_3 = 21,
    /* Hashes whose fields have expiries, before Redis 7.4 was done and since. */
    RDB_HASH_METADATA_OLD = 22, RDB_HASH_LISTPACK_EX_OLD = 23, RDB_HASH_METADATA = 24,
    RDB_HASH_LISTPACK_EX = 25,
    RDB_END = 0xFF
};

void rdb_write_len(buf *out, uint64_t n);
/* A string; as an integer when it reads as one of up to 32 bits, compressed when it is longer
 * than 20 bytes and gets shorter. */
void rdb_write_string(buf *out, slice s);
void rdb_write_raw_string(buf *out, slice s); /* never compressed, never an integer */
void rdb_write_ll(buf *out, int64_t v);       /* an integer as a string */
void rdb_write_double(buf *out, double v);    /* 8 bytes */

/* A length; bytes that are none (an encoded string's) set r->bad. */
uint64_t rdb_read_len(reader *r);
/* A count of elements of at least `bytes` bytes each: more than the reader has left is bad. */
uint64_t rdb_read_count(reader *r, size_t bytes);
/* Borrowed from r, or, when it was encoded, built in *store (which is cleared first). OK,
 * ERR_CORRUPT or ERR_NOMEM. */
int rdb_read_string(reader *r, buf *store, slice *out);
void rdb_skip_string(reader *r);        /* in whatever encoding */
double rdb_read_double(reader *r);      /* 8 bytes */
double rdb_read_double_text(reader *r); /* as in RDB_ZSET: a length byte and digits */

#endif
