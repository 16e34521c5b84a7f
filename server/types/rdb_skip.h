/* rdb_skip.h -- where a value in an RDB file ends, without building it.
 *
 * For whole files: a value's bytes are handed on as they are, to be read once, by its type's restore().
 * Formats: Redis's rdb.c up to version 12 (7.4), and module values, whose parts name themselves. */
#ifndef COVE_TYPES_RDB_SKIP_H
#define COVE_TYPES_RDB_SKIP_H

#include "base/bytes.h"
#include "base/err.h"

/* Moves r past a value of this RDB type. OK; ERR_CORRUPT: it goes past r's end, or makes no sense (r->bad
 * is set); ERR_UNSUPPORTED: no such type is known. O(elements that have bytes of their own). */
int rdb_skip(reader *r, uint8_t type);
/* Past the parts of a module's value, up to and with its end. */
void rdb_skip_module(reader *r);

#endif
