/* hash_commands.h -- what the files of the hash family share. */
#ifndef COVE_COMMANDS_HASH_COMMANDS_H
#define COVE_COMMANDS_HASH_COMMANDS_H

#include "exec/call.h"

int cmd_hrandfield(call *c);
/* The hash at argument 1: a key that is not there is the empty hash. */
int hash_for_writing(call *c, struct entry *e);
/* Asks for the pages of fields argv[first], argv[first + step]... at once. */
int hash_need_args(call *c, const struct value *v, size_t first, size_t step);

#endif
