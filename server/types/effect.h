/* effect.h -- what a transaction did to one target, in a form that replays without clock,
 * chance or other keys.
 *
 * Handlers never change data themselves: they make an effect, and keyspace_apply() (through
 * tier_effect()) applies and logs it. Replay applies the same effects. So there is one code path
 * for commands, recovery, forks and replicas.
 *
 * Targets:
 *   ENTRY      a key: set, removed, expiry, moved, copied, restored
 *   VALUE      the value of a key, through its type's apply(); makes the entry when it is not
 *              there; an emptied value removes the entry
 *   CATALOGUE  database numbers and names, snapshots: applied at once on replay            */
#ifndef COVE_TYPES_EFFECT_H
#define COVE_TYPES_EFFECT_H

#include "base/bytes.h"
#include "base/err.h"

enum effect_target { EFFECT_ENTRY = 1, EFFECT_VALUE = 2, EFFECT_CATALOGUE = 3 };

enum entry_op {
    ENTRY_SET = 1,     /* args: bytes, expiry; a string, whatever was there */
    ENTRY_DEL = 2,     /* no args */
    ENTRY_EXPIRE = 3,  /* args: expiry */
    ENTRY_MOVE = 4,    /* args: u64 destination db id, key; replaces the destination */
    ENTRY_COPY = 5,    /* args: u64 destination db id, key; replaces the destination */
    ENTRY_RESTORE = 6  /* args: an RDB object (type byte and payload), expiry; replaces */
};
/* An expiry argument is 8 bytes, unix ms, or empty for none. */

#define EFFECT_ARGS_MAX (1u << 20)

typedef struct effect {
    uint8_t target, type, op; /* type: of the value, for VALUE; else 0 */
    uint64_t db;              /* database id (0 for CATALOGUE) */
    slice key;
    const slice *args;
    size_t argc;
    /* Filled in by keyspace_apply(), logged, and added to the counts on replay before the page is
     * loaded: the change of the database's keys and of its keys with an expiry; for MOVE and
     * COPY those of the destination, and src_* those of the source. */
    int8_t keys, expires, src_keys, src_expires;
    /* keyspace_hash() of the key: filled in by keyspace_apply(), but by the caller when `hashed`, who
     * then has looked the key up. Not logged. */
    uint64_t hash;
    bool hashed;
} effect;

void effect_encode(buf *out, const effect *e);
/* Borrows from r's bytes; args go to *args (cleared and grown as needed; the caller's buf of
 * slices, e->args points into it). ERR_CORRUPT. */
int effect_decode(reader *r, effect *e, buf *args);

static inline slice effect_expiry(uint8_t tmp[8], int64_t ms) { /* ms < 0: none */
    if (ms < 0) return slice_make(NULL, 0);
    put_u64(tmp, (uint64_t)ms);
    return slice_make(tmp, 8);
}

#endif
