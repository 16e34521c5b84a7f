/* write.c -- VADD, VREM, VSETATTR.
 *
 * No keyspace events: Redis's vector sets make none. */
#include "modules/vector/commands.h"

#define EF_MAX 1000000
#define M_MIN 4
#define M_MAX 4096
#define M_DEFAULT 16

struct add {
    struct vector_arg vector;
    slice element;
    const slice *attribute; /* NULL: not given */
    enum quant quant;
    enum vector_metric metric;
    bool metric_given;
    int64_t m;
};

/* The metric's name, and Redis's default by its own. */
static bool parse_metric(call *c, size_t i, enum vector_metric *out) {
    if (call_arg_is(c, i, "cosine")) *out = METRIC_COSINE;
    else if (call_arg_is(c, i, "l2")) *out = METRIC_L2;
    else if (call_arg_is(c, i, "ip")) *out = METRIC_IP;
    else return false;
    return true;
}

/* NULL, or the error. EF steers the building of a graph, which there is none of here. */
static const char *parse_options(call *c, size_t i, struct add *a) {
    int64_t ef;
    for (; i < call_argc(c); i++) {
        bool more = i + 1 < call_argc(c);
        if (call_arg_is(c, i, "cas")) {
        } else if (call_arg_is(c, i, "noquant")) {
            a->quant = QUANT_F32;
        } else if (call_arg_is(c, i, "q8")) {
            a->quant = QUANT_INT8;
        } else if (call_arg_is(c, i, "bin")) {
            a->quant = QUANT_BIN;
        } else if (call_arg_is(c, i, "ef") && more) {
            if (!num_parse_ll(call_arg(c, ++i), &ef) || ef < 1 || ef > EF_MAX)
                return "ERR invalid EF";
        } else if (call_arg_is(c, i, "m") && more) {
            if (!num_parse_ll(call_arg(c, ++i), &a->m) || a->m < M_MIN || a->m > M_MAX)
                return "ERR invalid M";
        } else if (call_arg_is(c, i, "setattr") && more) {
            a->attribute = &call_argv(c)[++i];
        } else if (call_arg_is(c, i, "xdistance_metric") && more) {
            if (!parse_metric(c, ++i, &a->metric)) return "ERR invalid XDISTANCE_METRIC";
            a->metric_given = true;
        } else {
            return "ERR invalid option after element";
        }
    }
    return NULL;
}

/* Whether the vector may go into the set that is there; false after an error reply. */
static bool suits(call *c, const struct add *a, const struct vset_shape *s) {
    uint32_t dim = a->vector.dim, reduce = a->vector.reduce;
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

static int add_checked(call *c, struct add *a) {
    struct entry e;
    struct vset set;
    slice key = call_arg(c, 1);
    bool found = false;
    size_t attribute = a->attribute == NULL ? 0 : a->attribute->n;
    int rc = call_write_type(c, key, TYPE_VECTORSET, &e);
    if (rc == OK) {
        struct element was;
        vset_read(&e.value, &set);
        if (!suits(c, a, &set.shape)) return OK;
        rc = vset_find(&e.value, &set.shape, a->element, NULL, &was);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        found = rc == OK;
    } else if (rc == ERR_NOTFOUND) {
        uint32_t dim = a->vector.dim, reduce = a->vector.reduce;
        set.shape = (struct vset_shape){.quant = a->quant,
                                        .metric = a->metric,
                                        .dim = reduce != 0 ? reduce : dim,
                                        .input_dim = reduce != 0 ? dim : 0,
                                        .m = (uint32_t)a->m,
                                        .uid = rnd_u64(call_rnd(c)) >> 11};
    } else {
        return rc;
    }
    if (!fits(c, a->element, attribute)) return OK;
    uint8_t shape[VSET_SHAPE_BYTES];
    vset_shape_write(shape, &set.shape);
    slice args[4] = {a->element, slice_of(&a->vector.f32),
                     slice_make(shape, sizeof(shape))};
    if (a->attribute != NULL) args[3] = *a->attribute;
    rc = call_value(c, TYPE_VECTORSET, VECTOR_ADD, key, args,
                    a->attribute != NULL ? 4 : 3);
    if (rc != OK) return rc;
    vset_tend(c, key);
    return reply_bool(c, !found);
}

int cmd_vadd(call *c) {
    struct add a = {.quant = QUANT_INT8, .m = M_DEFAULT};
    if (!vector_arg_parse(c, 2, true, &a.vector)) return reply_error(c, VECTOR_SYNTAX);
    int rc;
    if (a.vector.next >= call_argc(c)) {
        rc = reply_arity(c);
    } else {
        a.element = call_arg(c, a.vector.next);
        const char *error = parse_options(c, a.vector.next + 1, &a);
        rc = error != NULL ? reply_error(c, error) : add_checked(c, &a);
    }
    buf_free(&a.vector.f32);
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
