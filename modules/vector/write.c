/* write.c -- VADD, VREM, VSETATTR.
 *
 * No keyspace events: Redis's vector sets make none. */
#include "modules/vector/add.h"

#define EF_MAX 1000000
#define M_MIN 4
#define M_MAX 4096

/* The metric's name, and Redis's default by its own. */
static bool parse_metric(call *c, size_t i, enum vector_metric *out) {
    if (call_arg_is(c, i, "cosine")) *out = METRIC_COSINE;
    else if (call_arg_is(c, i, "l2")) *out = METRIC_L2;
    else if (call_arg_is(c, i, "ip")) *out = METRIC_IP;
    else return false;
    return true;
}

/* EF steers the building of a graph, which there is none of here. */
const char *add_option(call *c, size_t *i, struct add *a) {
    int64_t ef;
    bool more = *i + 1 < call_argc(c);
    if (call_arg_is(c, *i, "cas")) {
    } else if (call_arg_is(c, *i, "noquant")) {
        a->quant = QUANT_F32;
    } else if (call_arg_is(c, *i, "q8")) {
        a->quant = QUANT_INT8;
    } else if (call_arg_is(c, *i, "bin")) {
        a->quant = QUANT_BIN;
    } else if (call_arg_is(c, *i, "ef") && more) {
        if (!num_parse_ll(call_arg(c, ++*i), &ef) || ef < 1 || ef > EF_MAX) return "ERR invalid EF";
    } else if (call_arg_is(c, *i, "m") && more) {
        if (!num_parse_ll(call_arg(c, ++*i), &a->m) || a->m < M_MIN || a->m > M_MAX)
            return "ERR invalid M";
    } else if (call_arg_is(c, *i, "setattr") && more) {
        a->attribute = &call_argv(c)[++*i];
    } else if (call_arg_is(c, *i, "xdistance_metric") && more) {
        if (!parse_metric(c, ++*i, &a->metric)) return "ERR invalid XDISTANCE_METRIC";
        a->metric_given = true;
    } else {
        return "ERR invalid option after element";
    }
    return NULL;
}

/* Whether the vector may go into the set that is there; false after an error reply. */
static bool suits(call *c, const struct add *a, const struct vset_shape *s) {
    uint32_t dim = a->dim, reduce = a->reduce;
    bool projected = s->input_dim != 0;
    if (a->quant != s->quant) {
        reply_error(c, "ERR asked quantization mismatch with existing vector set");
    } else if (a->m != (int64_t)s->m) {
        reply_error(c, "ERR asked M value mismatch with existing vector set");
    } else if (a->metric_given && a->metric != s->metric) {
        reply_error(c, "ERR asked distance metric mismatch with existing vector set");
    } else if ((projected ? reduce : dim) != s->dim) {
        reply_errorf(c, "ERR Vector dimension mismatch - got %u but set has %u", dim,
                     s->dim);
    } else if (!projected && reduce != 0) {
        reply_error(c, "ERR cannot add projection to existing set without projection");
    } else if (projected && dim != s->input_dim) {
        reply_errorf(
            c,
            "ERR Input dimension mismatch for projection - got %u but projection "
            "expects %u",
            dim, s->input_dim);
    } else {
        return true;
    }
    return false;
}

static bool fits(call *c, slice element, size_t attribute) {
    if (vset_fits(element.n, attribute)) return true;
    reply_error(c, "ERR element name or attribute too large");
    return false;
}

int add_open(call *c, const struct add *a, struct vset_shape *shape) {
    struct entry e;
    struct vset set;
    int rc = call_write_type(c, call_arg(c, 1), TYPE_VECTORSET, &e);
    if (rc == OK) {
        vset_read(&e.value, &set);
        *shape = set.shape;
        return suits(c, a, shape) ? OK : ERR_EXISTS;
    }
    if (rc != ERR_NOTFOUND) return rc;
    *shape = (struct vset_shape){.quant = a->quant,
                                 .metric = a->metric,
                                 .dim = a->reduce != 0 ? a->reduce : a->dim,
                                 .input_dim = a->reduce != 0 ? a->dim : 0,
                                 .m = (uint32_t)a->m,
                                 .uid = rnd_u64(call_rnd(c)) >> 11};
    return OK;
}

bool add_fits(call *c, const struct add *a, slice element) {
    return fits(c, element, a->attribute == NULL ? 0 : a->attribute->n);
}

int add_one(call *c, const struct add *a, const struct vset_shape *s, slice element, slice f32, bool *added) {
    struct entry e;
    struct element was;
    uint8_t shape[VSET_SHAPE_BYTES];
    slice key = call_arg(c, 1);
    int rc = call_write_type(c, key, TYPE_VECTORSET, &e);
    if (rc == OK) rc = vset_find(&e.value, s, element, NULL, &was);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    *added = rc == ERR_NOTFOUND;
    vset_shape_write(shape, s);
    slice args[4] = {element, f32, slice_make(shape, sizeof(shape))};
    if (a->attribute != NULL) args[3] = *a->attribute;
    return call_value(c, TYPE_VECTORSET, VECTOR_ADD, key, args, a->attribute != NULL ? 4 : 3);
}

static int add_checked(call *c, const struct add *a, slice element, slice f32) {
    struct vset_shape shape;
    bool added;
    int rc = add_open(c, a, &shape);
    if (rc == ERR_EXISTS || (rc == OK && !add_fits(c, a, element))) return OK;
    if (rc == OK) rc = add_one(c, a, &shape, element, f32, &added);
    if (rc != OK) return rc;
    vset_tend(c, call_arg(c, 1));
    return reply_bool(c, added);
}

int cmd_vadd(call *c) {
    struct add a = ADD_INIT;
    struct vector_arg vector;
    if (!vector_arg_parse(c, 2, true, &vector)) return reply_error(c, VECTOR_SYNTAX);
    a.dim = vector.dim;
    a.reduce = vector.reduce;
    int rc;
    if (vector.next >= call_argc(c)) {
        rc = reply_arity(c);
    } else {
        const char *error = NULL;
        for (size_t i = vector.next + 1; error == NULL && i < call_argc(c); i++) error = add_option(c, &i, &a);
        rc = error != NULL ? reply_error(c, error)
                           : add_checked(c, &a, call_arg(c, vector.next), slice_of(&vector.f32));
    }
    buf_free(&vector.f32);
    return rc;
}

/* The element at argument 2 of a set that is to be changed. */
static int open_element(call *c, struct entry *e, struct vset *set, struct element *el) {
    int rc = call_write_type(c, call_arg(c, 1), TYPE_VECTORSET, e);
    if (rc != OK) return rc;
    vset_read(&e->value, set);
    return vset_find(&e->value, &set->shape, call_arg(c, 2), NULL, el);
}

int cmd_vrem(call *c) {
    struct entry e;
    struct vset set;
    struct element el;
    int rc = open_element(c, &e, &set, &el);
    if (rc == ERR_NOTFOUND) return reply_bool(c, false);
    if (rc != OK) return rc;
    slice args[1] = {call_arg(c, 2)};
    rc = call_value(c, TYPE_VECTORSET, VECTOR_REM, call_arg(c, 1), args, 1);
    if (rc != OK) return rc;
    vset_tend(c, call_arg(c, 1));
    return reply_bool(c, true);
}

int cmd_vsetattr(call *c) {
    struct entry e;
    struct vset set;
    struct element el;
    int rc = open_element(c, &e, &set, &el);
    if (rc == ERR_NOTFOUND) return reply_bool(c, false);
    if (rc != OK) return rc;
    if (!fits(c, call_arg(c, 2), call_arg(c, 3).n)) return OK;
    slice args[2] = {call_arg(c, 2), call_arg(c, 3)};
    rc = call_value(c, TYPE_VECTORSET, VECTOR_ATTR, call_arg(c, 1), args, 2);
    return rc != OK ? rc : reply_bool(c, true);
}
