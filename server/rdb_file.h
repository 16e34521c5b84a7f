/* rdb_file.h -- whole RDB files in and out: cove-server --import FILE, --export FILE.
 *
 *   "REDIS" and four digits | (opcode ...)* | 0xFF | CRC-64 of all before it (version 5 and up; 0: none)
 *
 * Format: Redis's rdb.c, versions 1 to 12 (7.4; Redis 8's vector sets as its module writes them). A file
 * is read through a mapping: it must not be cut short meanwhile. */
#ifndef COVE_RDB_FILE_H
#define COVE_RDB_FILE_H

#include "base/log.h"
#include "inner_client.h"

#define RDB_FILE_VERSION_MAX 12

/* ---- the items of a file ---- */

enum rdb_item_kind { RDB_ITEM_KEY, RDB_ITEM_OTHER, RDB_ITEM_END };
struct rdb_item { /* a key; slices are of the file, or valid until the next item */
    uint64_t db;
    slice key;
    uint8_t type;
    slice payload;     /* behind the type byte */
    int64_t expire_ms; /* -1: none */
    int64_t idle_s;    /* -1: not told */
    int freq;          /* -1: not told */
};
struct rdb_walk {
    slice bytes;
    reader r;
    unsigned version;
    struct rdb_item next;
    buf key;
    uint64_t functions, module_aux; /* met so far, and passed over */
    char why[128];                  /* what is wrong */
};
/* Looks at the header. OK, ERR_CORRUPT, ERR_UNSUPPORTED (a later version); walk->why tells. */
int rdb_walk_start(struct rdb_walk *walk, slice bytes);
/* OK and *kind, with KEY *item; ERR_CORRUPT, ERR_UNSUPPORTED: `why` tells. At END the checksum is right. */
int rdb_walk_next(struct rdb_walk *walk, enum rdb_item_kind *kind, struct rdb_item *item);
void rdb_walk_end(struct rdb_walk *walk);

/* ---- import ---- */

struct rdb_import;
/* Maps and walks the whole file, so that one that is damaged changes nothing. databases: how many there
 * may be. OK, or an error and a sentence in why. log is borrowed. */
int rdb_import_open(const char *path, int64_t databases, logger *log, struct rdb_import **out, char why[256]);
/* Sends every key to the server. Keys of the same name are replaced, others stay; a key whose time has come
 * is left out. Ends with a checkpoint; then done() once, not inside: OK, or the first error, which has been
 * logged. */
void rdb_import_start(struct rdb_import *m, loop *l, inner_client *client, void (*done)(void *cookie, int rc),
                      void *cookie);
void rdb_import_free(struct rdb_import *m);

/* ---- export ---- */

struct rdb_export;
/* Writes path.tmp, and renames it once it is whole and on the disk. Numbered databases only. done() as
 * above; ERR_UNSUPPORTED: the file is there, without the keys that RDB has no type for (volumes). */
int rdb_export_open(const char *path, int64_t databases, logger *log, struct rdb_export **out, char why[256]);
void rdb_export_start(struct rdb_export *x, loop *l, inner_client *client, void (*done)(void *cookie, int rc),
                      void *cookie);
void rdb_export_free(struct rdb_export *x);

#endif
