/* commands.h -- the handlers of the V* commands, and what they share. */
#ifndef COVE_VECTOR_COMMANDS_H
#define COVE_VECTOR_COMMANDS_H

#include "modules/vector/set.h"

/* write.c */
int cmd_vadd(call *c);
int cmd_vrem(call *c);
int cmd_vsetattr(call *c);
/* bulk.c */
int cmd_vmadd(call *c);
/* measure.c */
int cmd_vrecall(call *c);
/* read.c */
int cmd_vcard(call *c);
int cmd_vdim(call *c);
int cmd_vemb(call *c);
int cmd_vinfo(call *c);
int cmd_vgetattr(call *c);
int cmd_vismember(call *c);
/* list.c */
int cmd_vrandmember(call *c);
int cmd_vrange(call *c);
/* search.c */
int cmd_vsim(call *c);
int cmd_vsearch(call *c);
int cmd_vlinks(call *c);

/* tend.c: after a command that has read or changed the set: what its index needs is done soon. */
void vset_tend(call *c, slice key);
bool vset_due(const struct value *v); /* Is there something to do? */

/* A vector among the arguments: [REDUCE dim] FP32 blob | VALUES n v1 .. vn */
struct vector_arg {
    buf f32;         /* owned */
    uint32_t dim;
    uint32_t reduce; /* 0: not asked */
    size_t next;     /* the argument after it */
};
#define VECTOR_SYNTAX "ERR invalid vector specification"
/* False: there is none at `at`, and nothing has been replied. */
bool vector_arg_parse(call *c, size_t at, bool may_reduce, struct vector_arg *out);

/* The vector set at argument 1, for reading. OK, ERR_NOTFOUND, ERR_TYPE, ERR_COLD, ...
 * `again`: in a further step of a command, which counts no hit any more. */
int vset_open(call *c, bool again, struct entry *e, struct vset *set);

#endif
