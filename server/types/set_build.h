/* set_build.h -- making a set member by member: an intset first, then what it has to be. Shared by
 * set.c and set_rdb.c. */
#ifndef COVE_TYPES_SET_BUILD_H
#define COVE_TYPES_SET_BUILD_H

#include "types/value.h"

#define SET_AUX_TABLE 1u /* of value.aux: OBJECT ENCODING says hashtable; inline: a listpack */
#define SET_META_BYTES VALUE_COUNTED_META
#define SET_OBJECT_INTSET 1
#define SET_OBJECT_TABLE 2

struct set_build {
    struct value *v; /* whose pager and config are used; nothing in it changes before the end */
    buf small;       /* while table is NULL: a listpack with SET_AUX_TABLE, else an intset */
    object *table;
    uint64_t count;
    uint8_t aux;
};

/* Adds a member; *added says if it is new. OK, ERR_LIMIT, ERR_NOMEM. */
int set_build_add(struct set_build *b, slice member, bool *added);
/* Does the threshold still allow an intset of this many? */
bool set_build_fits(const struct value *v, uint64_t count);
/* Puts what was built into the value (which must hold no object any more), and frees the rest. */
int set_build_end(struct set_build *b);
void set_build_drop(struct set_build *b);

extern const uint8_t set_rdb_types[];
int set_dump(struct value *v, buf *out);
int set_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version);

enum set_form { SET_EMPTY, SET_INTSET, SET_LISTPACK, SET_TABLE };
/* What the value is made of; *small is the intset or listpack, checked so that it may be read. OK,
 * ERR_COLD, ERR_CORRUPT. */
int set__form(const struct value *v, enum set_form *form, slice *small);

#endif
