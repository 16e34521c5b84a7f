/* hash_commands.h -- what the files of the hash family share. */
#ifndef COVE_COMMANDS_HASH_COMMANDS_H
#define COVE_COMMANDS_HASH_COMMANDS_H

#include "base/num.h"
#include "exec/call.h"

int cmd_hrandfield(call *c);
/* The hash at argument 1: a key that is not there is the empty hash. */
int hash_for_writing(call *c, struct entry *e);
/* Asks for the pages of fields argv[first], argv[first + step]... at once. */
int hash_need_args(call *c, const struct value *v, size_t first, size_t step);
/* False after a reply: argv[first..] has a field or value that no page could hold. */
bool hash_pairs_ok(call *c, size_t first);
/* Sets the pairs args[0..n) with HASH_SET or HASH_SET_KEEP. */
int hash_set_pairs(call *c, uint8_t op, const slice *args, size_t n);

/* "FIELDS n field..." with `at` at FIELDS: the first field and the end, which is that of the
 * arguments. False after a reply; bad_count is what it says of an n that is no positive number. */
#define HASH_BAD_COUNT "ERR Number of fields must be a positive integer"
bool hash_fields_at(call *c, size_t at, const char *bad_count, size_t *first, size_t *end);
/* A time that a client told, in unix ms. False after a reply. */
bool hash_expire_time(call *c, size_t at, bool seconds, bool absolute, int64_t *expire_ms);
/* Looks one field of the key up, as it is after the effects so far. ERR_NOTFOUND: not there, or expired. */
int hash_field_now(call *c, slice field, slice *val, int64_t *expire_ms, char tmp[NUM_LL_MAX]);
/* Gives the field a time (0: none), or removes it when that has passed. */
int hash_expire_field(call *c, slice field, int64_t expire_ms);

#endif
