/* string_commands.h -- what the files of the string family share. */
#ifndef COVE_COMMANDS_STRING_COMMANDS_H
#define COVE_COMMANDS_STRING_COMMANDS_H

#include "exec/call.h"

int cmd_get(call *c); /* string_read.c */
int cmd_getrange(call *c);
int cmd_mget(call *c);

/* The whole string as a bulk reply. OK, or ERR_COLD and nothing written. */
int string_reply(call *c, const struct value *v);
/* Strings that are written in steps (string_steps.c): the first argument's is set to `bytes`, with an expiry that is not
 * over yet (-1: none), or they are appended to what it is; and the reply of SET or APPEND. `return ...` */
#define STRING_STEPS_FROM_BYTES ((size_t)512 << 10) /* half a millisecond */
bool string_is_long(const call *c, slice bytes);
int string_set_in_steps(call *c, slice bytes, int64_t expire_ms);
int string_append_in_steps(call *c, slice bytes);
/* False, and an error reply, when a string of that length may not be made. */
bool string_fits(call *c, uint64_t length);

/* What SET and DELEX may ask of the string that is there. */
enum string_condition { IF_EQ, IF_NE, IF_DIGEST_EQ, IF_DIGEST_NE };
bool string_condition(slice word, enum string_condition *out); /* "ifeq" and so on, any case */
/* OK and *met; ERR_COLD; ERR_SYNTAX: `with` is no digest, and an error reply says so. */
int string_meets(call *c, const struct value *v, enum string_condition how, slice with, bool *met);

#endif
