/* set_commands.h -- what the files of the set commands share. */
#ifndef COVE_COMMANDS_SET_COMMANDS_H
#define COVE_COMMANDS_SET_COMMANDS_H

#include "exec/call.h"

int cmd_srandmember(call *c); /* set_random.c */
int cmd_spop(call *c);
int cmd_sinter(call *c); /* set_algebra.c */
int cmd_sintercard(call *c);
int cmd_sinterstore(call *c);
int cmd_sunion(call *c);
int cmd_sunionstore(call *c);
int cmd_sdiff(call *c);
int cmd_sdiffstore(call *c);

/* All members as a reply (set.c): a set, or an array. `return set_reply_all(...)`: it may be in steps. */
int set_reply_all(call *c, const struct value *v, bool as_set);
int set_reply_now(call *c, const struct value *v); /* the set, in this turn */
/* One set effect, or, with more members than an effect can hold, several: the pages of all have been
 * asked for. */
int set_change(call *c, uint8_t op, slice key, const slice *members, size_t n);

/* `n` different members of the key's (argument 1) set, n at most all of them, by lot and in no order: answered, as a set
 * or an array, and removed (set_steps.c). `return set_choose_in_steps(...)`. */
struct set_choice {
    uint64_t n;
    bool as_set, pop;
};
#define SET_POP_STEPS_FROM 1024 /* members; three milliseconds */
int set_choose_in_steps(call *c, const struct value *v, struct set_choice how);

#endif
