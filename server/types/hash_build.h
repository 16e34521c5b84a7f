/* hash_build.h -- making a hash pair by pair: a listpack first, a table when it has outgrown
 * that. Shared by hash.c and hash_rdb.c. */
#ifndef COVE_TYPES_HASH_BUILD_H
#define COVE_TYPES_HASH_BUILD_H

#include "types/value.h"

#define HASH_AUX_TABLE 1u /* of value.aux: OBJECT ENCODING says hashtable */
#define HASH_META_BYTES 9 /* u8 what the object is, u64 pairs */
#define HASH_OBJECT_LISTPACK 1
#define HASH_OBJECT_TABLE 2

struct hash_build {
    struct value *v; /* whose pager and config are used; nothing in it changes before the end */
    buf lp;          /* while table is NULL */
    object *table;
    uint64_t count;
    uint8_t aux;
};

/* Sets a field; *added says if it is new. OK, ERR_LIMIT, ERR_NOMEM. */
int hash_build_set(struct hash_build *b, slice field, slice val, bool *added);
/* Do the thresholds still allow a listpack of this many pairs? */
bool hash_build_fits(const struct value *v, uint64_t pairs);
/* The pairs of the listpack go to a table. */
int hash_build_table(struct hash_build *b);
/* Puts what was built into the value (which must hold no object any more), and frees the rest. */
int hash_build_end(struct hash_build *b);
void hash_build_drop(struct hash_build *b);

extern const uint8_t hash_rdb_types[];
int hash_dump(struct value *v, buf *out);
int hash_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version);
/* The listpack of a small hash, checked. OK, ERR_COLD, ERR_CORRUPT; ERR_NOTFOUND: it has none. */
int hash__listpack(const struct value *v, slice *lp);

#endif
