/* string_commands.h -- what the files of the string family share. */
#ifndef COVE_COMMANDS_STRING_COMMANDS_H
#define COVE_COMMANDS_STRING_COMMANDS_H

#include "exec/call.h"

/* The whole string as a bulk reply. OK, or ERR_COLD and nothing written. */
int string_reply(call *c, const struct value *v);
/* False, and an error reply, when a string of that length may not be made. */
bool string_fits(call *c, uint64_t length);

#endif
