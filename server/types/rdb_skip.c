/* rdb_skip.c -- the shapes of RDB values: how many lengths, strings and plain bytes each has. */
#include "types/rdb_skip.h"

#include "types/rdb.h"

#define STREAM_ID_BYTES 16
#define TIME_BYTES 8
enum module_part { PART_END = 0, PART_SINT = 1, PART_UINT = 2, PART_FLOAT = 3, PART_DOUBLE = 4, PART_STRING = 5 };
enum { RDB_MODULE_2 = 7 };

static void skip_strings(reader *r, uint64_t n) {
    for (uint64_t i = 0; i < n && !r->bad; i++) rdb_skip_string(r);
}

static void skip_lengths(reader *r, unsigned n) {
    for (unsigned i = 0; i < n; i++) (void)rdb_read_len(r);
}

static void skip_zset(reader *r, bool text) {
    uint64_t n = rdb_read_count(r, 2);
    for (uint64_t i = 0; i < n && !r->bad; i++) {
        rdb_skip_string(r);
        if (text) (void)rdb_read_double_text(r);
        else (void)rdb_read_double(r);
    }
}

static void skip_nodes(reader *r) {
    uint64_t n = rdb_read_count(r, 2);
    for (uint64_t i = 0; i < n && !r->bad; i++) {
        skip_lengths(r, 1); /* what the node holds: a listpack or one element */
        rdb_skip_string(r);
    }
}

static void skip_hash_metadata(reader *r, bool old) {
    if (!old) (void)read_raw(r, TIME_BYTES); /* the least expiry */
    uint64_t n = rdb_read_count(r, 3);
    for (uint64_t i = 0; i < n && !r->bad; i++) {
        skip_lengths(r, 1);
        skip_strings(r, 2);
    }
}

static void skip_consumers(reader *r, uint8_t type) {
    uint64_t n = rdb_read_count(r, 1 + TIME_BYTES);
    for (uint64_t i = 0; i < n && !r->bad; i++) {
        rdb_skip_string(r);
        (void)read_raw(r, type == RDB_STREAM_LISTPACKS_3 ? 2 * TIME_BYTES : TIME_BYTES);
        (void)read_raw(r, rdb_read_count(r, STREAM_ID_BYTES) * STREAM_ID_BYTES);
    }
}

static void skip_groups(reader *r, uint8_t type) {
    uint64_t n = rdb_read_count(r, 4);
    for (uint64_t i = 0; i < n && !r->bad; i++) {
        rdb_skip_string(r);
        skip_lengths(r, type == RDB_STREAM_LISTPACKS ? 2 : 3); /* last id, entries read */
        uint64_t pending = rdb_read_count(r, STREAM_ID_BYTES + TIME_BYTES + 1);
        for (uint64_t k = 0; k < pending && !r->bad; k++) {
            (void)read_raw(r, STREAM_ID_BYTES + TIME_BYTES);
            skip_lengths(r, 1);
        }
        skip_consumers(r, type);
    }
}

static void skip_stream(reader *r, uint8_t type) {
    uint64_t blocks = rdb_read_count(r, 2);
    skip_strings(r, 2 * blocks);
    /* length, last id; later also first id, greatest deleted id, entries added */
    skip_lengths(r, type == RDB_STREAM_LISTPACKS ? 3 : 8);
    skip_groups(r, type);
}

void rdb_skip_module(reader *r) {
    while (!r->bad) {
        switch (rdb_read_len(r)) {
        case PART_END: return;
        case PART_SINT:
        case PART_UINT: skip_lengths(r, 1); break;
        case PART_FLOAT: (void)read_raw(r, 4); break;
        case PART_DOUBLE: (void)read_raw(r, 8); break;
        case PART_STRING: rdb_skip_string(r); break;
        default: r->bad = true;
        }
    }
}

int rdb_skip(reader *r, uint8_t type) {
    switch (type) {
    case RDB_STRING:
    case RDB_HASH_ZIPMAP:
    case RDB_LIST_ZIPLIST:
    case RDB_SET_INTSET:
    case RDB_ZSET_ZIPLIST:
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK:
    case RDB_HASH_LISTPACK_EX_OLD:
    case RDB_ZSET_LISTPACK:
    case RDB_SET_LISTPACK: rdb_skip_string(r); break;
    case RDB_LIST:
    case RDB_SET:
    case RDB_LIST_QUICKLIST: skip_strings(r, rdb_read_count(r, 1)); break;
    case RDB_HASH: skip_strings(r, 2 * rdb_read_count(r, 2)); break;
    case RDB_ZSET: skip_zset(r, true); break;
    case RDB_ZSET_2: skip_zset(r, false); break;
    case RDB_LIST_QUICKLIST_2: skip_nodes(r); break;
    case RDB_STREAM_LISTPACKS:
    case RDB_STREAM_LISTPACKS_2:
    case RDB_STREAM_LISTPACKS_3: skip_stream(r, type); break;
    case RDB_HASH_METADATA:
    case RDB_HASH_METADATA_OLD: skip_hash_metadata(r, type == RDB_HASH_METADATA_OLD); break;
    case RDB_HASH_LISTPACK_EX:
        (void)read_raw(r, TIME_BYTES);
        rdb_skip_string(r);
        break;
    case RDB_MODULE_2:
        skip_lengths(r, 1); /* which module */
        rdb_skip_module(r);
        break;
    default: return ERR_UNSUPPORTED;
    }
    return r->bad ? ERR_CORRUPT : OK;
}
