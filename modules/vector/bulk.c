/* bulk.c -- VMADD: many elements by one command.
 *
 *   VMADD key [VADD's options] [REDUCE dim] FP32 dim n element blob [element blob ...]
 *
 * All is checked before anything is done: none is put in when one would be refused. Then they go in, some at a time,
 * other commands in between; the reply, how many of them were new, comes after the last. When another
 * command has put a set in the key's place meanwhile that does not take these, it ends with the error. */
#include "modules/vector/add.h"

#define STEP_US 400  /* Less when others have had much of the turn. */
#define STEP_LEAST 2 /* Steps of one would cost as much again. */

struct bulk {
    struct add add;
    size_t first; /* argument of the first element */
    uint64_t n, next, added;
};

static void bulk_free(void *state) { mem_free(state); }

static const char *parse_options(call *c, struct bulk *b, size_t *i) {
    int64_t reduce;
    for (; *i < call_argc(c) && !call_arg_is(c, *i, "fp32"); ++*i) {
        if (!call_arg_is(c, *i, "reduce")) {
            const char *error = add_option(c, i, &b->add);
            if (error != NULL) return "ERR syntax error in VMADD command";
            continue;
        }
        if (++*i >= call_argc(c) || !num_parse_ll(call_arg(c, *i), &reduce) || reduce < 1 ||
            reduce > VECTOR_DIM_MAX)
            return VECTOR_SYNTAX;
        b->add.reduce = (uint32_t)reduce;
    }
    return NULL;
}

/* NULL, or the error. */
static const char *parse(call *c, struct bulk *b) {
    size_t i = 2;
    int64_t dim, n;
    const char *error = parse_options(c, b, &i);
    if (error != NULL) return error;
    if (i + 2 >= call_argc(c)) return "ERR syntax error in VMADD command";
    if (!num_parse_ll(call_arg(c, i + 1), &dim) || dim < 1 || dim > VECTOR_DIM_MAX ||
        b->add.reduce > (uint64_t)dim)
        return VECTOR_SYNTAX;
    if (!num_parse_ll(call_arg(c, i + 2), &n) || n < 1) return "ERR invalid number of elements";
    b->first = i + 3;
    size_t left = call_argc(c) - b->first;
    if (left % 2 != 0 || (uint64_t)n != left / 2) return "ERR number of elements does not match the arguments";
    b->n = (uint64_t)n;
    b->add.dim = (uint32_t)dim;
    for (size_t k = b->first; k < call_argc(c); k += 2)
        if (call_arg(c, k + 1).n != 4 * (size_t)dim) return VECTOR_SYNTAX;
    return NULL;
}

/* ERR_EXISTS: an error has been replied. */
static int begin(call *c, struct bulk **out) {
    struct bulk *b = mem_calloc(1, sizeof(*b));
    b->add = (struct add)ADD_INIT;
    call_set_state(c, b, bulk_free);
    *out = b;
    const char *error = parse(c, b);
    if (error != NULL) {
        reply_error(c, error);
        return ERR_EXISTS;
    }
    for (size_t k = b->first; k < call_argc(c); k += 2)
        if (!add_fits(c, &b->add, call_arg(c, k))) return ERR_EXISTS;
    return OK;
}

int cmd_vmadd(call *c) {
    struct bulk *b = call_state(c);
    struct vset_shape shape;
    int rc = b == NULL ? begin(c, &b) : OK;
    if (rc == OK) rc = add_open(c, &b->add, &shape);
    if (rc != OK) return rc == ERR_EXISTS ? OK : rc;
    uint64_t until_us = call_mono_us(c) + call_share_us(c, STEP_US);
    for (uint64_t done = 0; b->next < b->n; done++) {
        size_t at = b->first + 2 * (size_t)b->next;
        bool added;
        if (done >= STEP_LEAST && call_may_park(c) && call_mono_us(c) >= until_us) {
            vset_tend(c, call_arg(c, 1));
            parked_resume(call_park(c, cmd_vmadd, NULL, NULL));
            return ERR_AGAIN;
        }
        rc = add_one(c, &b->add, &shape, call_arg(c, at), call_arg(c, at + 1), &added);
        if (rc != OK) return rc; /* Cold: those before stay in, and it goes on from here. */
        b->added += added;
        b->next++;
    }
    vset_tend(c, call_arg(c, 1));
    return reply_int(c, (int64_t)b->added);
}
