/* hash_build.h -- making a hash pair by pair: a listpack first, a table when it has outgrown
 * that. Shared by hash*.c.
 *
 * The listpack of a hash that was given an expiry for a field once (HASH_AUX_EXPIRES) has three elements for a
 * field: field, value, expiry (unix ms, 0: none), in the order of the expiries, those without behind. So
 * what expires first is at its head. In a table an entry with an expiry is marked, and its value begins with
 * the 8 bytes of the expiry; an entry without costs nothing. */
#ifndef COVE_TYPES_HASH_BUILD_H
#define COVE_TYPES_HASH_BUILD_H

#include "types/value.h"

#define HASH_AUX_TABLE 1u /* of value.aux: OBJECT ENCODING says hashtable */
#define HASH_AUX_EXPIRES 2u /* fields may have an expiry; OBJECT ENCODING of a small one: listpackex */
#define HASH_META_BYTES VALUE_COUNTED_META
#define HASH_OBJECT_LISTPACK 1
#define HASH_OBJECT_TABLE 2

struct hash_build {
    struct value *v; /* whose pager and config are used; nothing in it changes before the end */
    buf lp;          /* while table is NULL */
    object *table;
    uint64_t count;
    uint8_t aux;
};

/* Sets a field with its expiry (0: none, HASH_KEEP: what it had); *added says if it is new. Neither slice may
 * lie in the build. OK, ERR_LIMIT, ERR_NOMEM, ERR_CORRUPT. */
#define HASH_KEEP (-1)
int hash_build_set(struct hash_build *b, slice field, slice val, int64_t expire_ms, bool *added);
/* Gives a field another expiry, if it is there. */
int hash_build_expire(struct hash_build *b, slice field, int64_t expire_ms);
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
/* As hash_each_fn, of all fields, those that have expired as well. */
typedef int hash__each_fn(void *cookie, slice field, slice val, int64_t expire_ms);
int hash__scan(const struct value *v, uint64_t *cursor, size_t count, hash__each_fn *each, void *cookie);

bool hash__is_table(const struct value *v);
int hash__apply(struct value *v, const effect *e);
int64_t hash__due(const struct stored_value *s); /* type.due */

/* ---- a listpack of fields (hash_small.c); `at` is the position of a field ---------------------- */

static inline unsigned hash__step(bool timed) { return timed ? 3 : 2; }
size_t hash__lp_find(slice lp, bool timed, slice field);
size_t hash__lp_next(slice lp, bool timed, size_t at);
int64_t hash__lp_expiry(slice lp, bool timed, size_t at); /* 0: none */
/* Puts a field: at 0, a new one. */
void hash__lp_put(buf *lp, bool timed, size_t at, slice field, slice val, int64_t expire_ms);
void hash__lp_make_timed(buf *lp);
/* The object with this listpack has to be looked at when its first field expires. */
void hash__note_first(struct value *v, slice lp);
/* The value of a table's entry without its expiry. ERR_CORRUPT. */
int hash__entry(slice stored, bool marked, slice *val, int64_t *expire_ms);

#endif
