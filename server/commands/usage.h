/* usage.h -- the arguments of built-in commands, for COMMAND DOCS. */
#ifndef COVE_COMMANDS_USAGE_H
#define COVE_COMMANDS_USAGE_H

#include "exec/call.h"

/* What a command takes, in the notation of usage.c; by its full name ("config|get"). NULL: no arguments,
 * or not a built-in command. */
const char *usage_of(const char *full_name);
/* Writes it as the array that COMMAND DOCS has under "arguments". */
void usage_reply(call *c, const char *usage);

#endif
