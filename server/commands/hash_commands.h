/* hash_commands.h -- what the files of the hash commands share. */
#ifndef COVE_COMMANDS_HASH_COMMANDS_H
#define COVE_COMMANDS_HASH_COMMANDS_H

#include "exec/call.h"

int cmd_hrandfield(call *c); /* hash_random.c */

#endif
