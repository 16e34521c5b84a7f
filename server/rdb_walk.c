/* rdb_walk.c -- an RDB file, item by item. */
#include <stdio.h>

#include "base/hash.h"
#include "rdb_file.h"
#include "types/rdb.h"
#include "types/rdb_skip.h"

#define MAGIC "REDIS"
#define HEADER_BYTES 9
#define CRC_BYTES 8
#define VERSION_CRC 5 /* the first that ends with a checksum */

enum opcode {
    OP_SLOT_INFO = 0xF4, OP_FUNCTION = 0xF5, OP_FUNCTION_OLD = 0xF6, OP_MODULE_AUX = 0xF7, OP_IDLE = 0xF8,
    OP_FREQ = 0xF9, OP_AUX = 0xFA, OP_RESIZE = 0xFB, OP_EXPIRE_MS = 0xFC, OP_EXPIRE_S = 0xFD,
    OP_SELECT = 0xFE, OP_END = 0xFF
};

static int wrong(struct rdb_walk *w, int rc, const char *what, const uint8_t *at) {
    snprintf(w->why, sizeof(w->why), "%s at byte %zu", what, (size_t)(at - w->bytes.p));
    return rc;
}

static void forget(struct rdb_item *i) {
    i->expire_ms = i->idle_s = -1;
    i->freq = -1;
}

int rdb_walk_start(struct rdb_walk *w, slice bytes) {
    *w = (struct rdb_walk){.bytes = bytes, .r = reader_make(bytes)};
    forget(&w->next);
    slice head = read_raw(&w->r, HEADER_BYTES);
    if (w->r.bad || memcmp(head.p, MAGIC, sizeof(MAGIC) - 1) != 0)
        return wrong(w, ERR_CORRUPT, "no RDB file: its first bytes are not REDIS and a version", bytes.p);
    for (size_t i = sizeof(MAGIC) - 1; i < HEADER_BYTES; i++) {
        if (head.p[i] < '0' || head.p[i] > '9')
            return wrong(w, ERR_CORRUPT, "the version is not a number", head.p + i);
        w->version = w->version * 10 + (unsigned)(head.p[i] - '0');
    }
    if (w->version == 0) return wrong(w, ERR_CORRUPT, "there is no version 0", bytes.p);
    if (w->version <= RDB_FILE_VERSION_MAX) return OK;
    snprintf(w->why, sizeof(w->why), "the file is of RDB version %u, the last one known is %d", w->version,
             RDB_FILE_VERSION_MAX);
    return ERR_UNSUPPORTED;
}

static int check_end(struct rdb_walk *w) {
    const uint8_t *end = w->r.p;
    if (w->version >= VERSION_CRC) {
        uint64_t stored = read_u64(&w->r);
        if (w->r.bad) return wrong(w, ERR_CORRUPT, "the file ends before its checksum", end);
        if (stored != 0 && stored != crc64(0, w->bytes.p, (size_t)(end - w->bytes.p)))
            return wrong(w, ERR_CORRUPT, "the checksum is wrong", end);
    }
    if (reader_left(&w->r) != 0) return wrong(w, ERR_CORRUPT, "there are bytes behind the end", w->r.p);
    return OK;
}

static int read_key(struct rdb_walk *w, uint8_t type, const uint8_t *start, struct rdb_item *item) {
    slice key;
    int rc = rdb_read_string(&w->r, &w->key, &key);
    if (rc != OK || w->r.bad) return wrong(w, ERR_CORRUPT, "a damaged key", start);
    const uint8_t *value = w->r.p;
    rc = rdb_skip(&w->r, type);
    if (rc == ERR_UNSUPPORTED) return wrong(w, rc, "a value of an unknown type", start);
    if (rc != OK) return wrong(w, ERR_CORRUPT, "a damaged value", start);
    *item = w->next;
    item->key = key;
    item->type = type;
    item->payload = slice_make(value, (size_t)(w->r.p - value));
    forget(&w->next);
    return OK;
}

/* All but keys and the end. */
static void read_other(struct rdb_walk *w, uint8_t op) {
    reader *r = &w->r;
    switch ((enum opcode)op) {
    case OP_SELECT: w->next.db = rdb_read_len(r); break;
    case OP_EXPIRE_S: w->next.expire_ms = (int64_t)read_u32(r) * 1000; break;
    case OP_EXPIRE_MS:
        w->next.expire_ms = (int64_t)read_u64(r);
        if (w->next.expire_ms < 0) r->bad = true;
        break;
    case OP_FREQ: w->next.freq = read_u8(r); break;
    case OP_IDLE:
        w->next.idle_s = (int64_t)(rdb_read_len(r) & INT64_MAX);
        break;
    case OP_RESIZE:
        (void)rdb_read_len(r);
        (void)rdb_read_len(r);
        break;
    case OP_SLOT_INFO:
        for (int i = 0; i < 3; i++) (void)rdb_read_len(r);
        break;
    case OP_AUX:
        rdb_skip_string(r);
        rdb_skip_string(r);
        break;
    case OP_FUNCTION:
        rdb_skip_string(r);
        w->functions++;
        break;
    case OP_MODULE_AUX:
        (void)rdb_read_len(r); /* which module */
        rdb_skip_module(r);    /* when, and its parts: all of the same kind */
        w->module_aux++;
        break;
    case OP_FUNCTION_OLD:
    case OP_END: r->bad = true; break;
    }
}

int rdb_walk_next(struct rdb_walk *w, enum rdb_item_kind *kind, struct rdb_item *item) {
    const uint8_t *start = w->r.p;
    uint8_t op = read_u8(&w->r);
    if (w->r.bad) return wrong(w, ERR_CORRUPT, "the file ends in the middle", start);
    if (op == OP_END) {
        *kind = RDB_ITEM_END;
        return check_end(w);
    }
    if (op < OP_SLOT_INFO) {
        *kind = RDB_ITEM_KEY;
        return read_key(w, op, start, item);
    }
    *kind = RDB_ITEM_OTHER;
    read_other(w, op);
    return w->r.bad ? wrong(w, ERR_CORRUPT, "a damaged record", start) : OK;
}

void rdb_walk_end(struct rdb_walk *w) {
    buf_free(&w->key);
}
