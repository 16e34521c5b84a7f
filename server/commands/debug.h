/* debug.h -- what the files of DEBUG share. */
#ifndef COVE_COMMANDS_DEBUG_H
#define COVE_COMMANDS_DEBUG_H

#include "exec/exec.h"

struct debug_sub {
    const char *name;
    command_fn *fn;
    size_t argc_min, argc_max; /* of the whole request; others are an unknown subcommand */
    bool data;                 /* not before the store is open */
};

int debug_protocol(call *c); /* debug_protocol.c */
int debug_background(call *c); /* debug_background.c */
int debug_populate(call *c); /* debug_data.c, like the rest */
int debug_reload(call *c);
int debug_loadaof(call *c);
int debug_object(call *c);
int debug_listpack(call *c);
int debug_digest(call *c);
int debug_digest_value(call *c);
int debug_check(call *c);
int debug_drop_clean(call *c);

#endif
