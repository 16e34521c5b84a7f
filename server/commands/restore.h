/* restore.h -- what RESTORE does with a value, in one turn (dump.c) or in steps (restore_steps.c). */
#ifndef COVE_COMMANDS_RESTORE_H
#define COVE_COMMANDS_RESTORE_H

#include "exec/call.h"

struct restore_to {
    bool replace;
    int64_t expire_ms;    /* -1: none */
    int64_t idle_s, freq; /* -1: not given */
};

/* Is it of so many elements, in a form that steps can read? */
bool restore_many(call *c, slice payload);
/* The payload lies before its footer in the command's arguments, and its checksum has not been looked at. */
int restore_in_steps(call *c, const struct restore_to *to, slice payload);
/* The value is at its key: its expiry, its access, its event, and the reply. */
int restore_end(call *c, const struct restore_to *to);

#endif
