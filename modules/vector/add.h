/* add.h -- elements come into a set: what VADD and VMADD share. */
#ifndef COVE_VECTOR_ADD_H
#define COVE_VECTOR_ADD_H

#include "modules/vector/commands.h"

struct add { /* what is asked for, of the set and of each element */
    uint32_t dim, reduce;   /* reduce 0: no projection */
    const slice *attribute; /* NULL: not given */
    enum quant quant;
    enum vector_metric metric;
    bool metric_given;
    int64_t m;
};
#define ADD_INIT {.quant = QUANT_INT8, .m = 16}

/* One of VADD's options, at *i, which moves to its last argument. NULL, or the error. */
const char *add_option(call *c, size_t *i, struct add *a);
/* The shape of the set at argument 1, or of the one that would be made. ERR_EXISTS: it does not suit, and that has
 * been replied; or an error to return. */
int add_open(call *c, const struct add *a, struct vset_shape *shape);
bool add_fits(call *c, const struct add *a, slice element); /* false: an error has been replied */
/* f32: dim floats, as given. */
int add_one(call *c, const struct add *a, const struct vset_shape *s, slice element, slice f32, bool *added);

#endif
