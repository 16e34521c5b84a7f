/* args_steps.h -- very many arguments written to one key, or looked up in it, in steps. */
#ifndef COVE_COMMANDS_ARGS_STEPS_H
#define COVE_COMMANDS_ARGS_STEPS_H

#include "exec/call.h"

#define ARGS_STEPS_FROM 2048 /* elements; a millisecond */

enum args_answer {
    ARGS_OK,
    ARGS_LENGTH,  /* elements of the key then */
    ARGS_GROWTH,  /* how many have come; if none, nothing has changed */
    ARGS_LOSS,    /* how many have gone; the same */
    ARGS_COUNTED  /* n, if `changed` */
};

/* What becomes of the key, argument 1: a copy of it, which shares its pages, gets the arguments part by part, and
 * takes its place. The handler has made sure that they can be elements, and that the key has this type or is not
 * there; when it only removes, that it is there. */
struct args_job {
    uint8_t type, op;
    size_t first, per; /* elements are of `per` arguments, from argument `first` on, to the end */
    enum args_answer answer;
    char class;
    const char *event;
    /* Instead of the effect `op`: elements [at, at + some), by one effect or none. May be NULL. */
    int (*apply)(call *c, struct args_job *j, size_t at, size_t some);
    unsigned how; /* apply's own */
    bool always; /* ARGS_GROWTH: it has changed even so */
    uint64_t n;
    bool changed;
    const char *error; /* the reply: nothing is changed */
    /* args_steps.c's. */
    size_t at, step;
    bool begun, empty;
    uint64_t before;
};
/* Are so many arguments, from `first` on, too many for one turn? */
bool args_are_many(const call *c, size_t first, size_t per);
int args_in_steps(call *c, const struct args_job *j); /* `return args_in_steps(...)` */

/* Looks very many arguments, from the second on, up in a value, and answers an array of what `one` writes of each.
 * `return args_read_in_steps(...)`. */
typedef int args_look_fn(const struct value *v, slice arg, int proto, buf *out);
int args_read_in_steps(call *c, const struct value *v, args_look_fn *one);

#endif
