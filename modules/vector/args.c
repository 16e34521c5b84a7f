/* args.c -- vectors among the arguments, and keys that hold vector sets. */
#include "modules/vector/commands.h"

static bool parse_values(call *c, size_t at, struct vector_arg *out) {
    int64_t n;
    if (at + 1 >= call_argc(c) || !num_parse_ll(call_arg(c, at + 1), &n)) return false;
    if (n < 1 || n > VECTOR_DIM_MAX || (uint64_t)n > call_argc(c) - at - 2) return false;
    buf_reserve(&out->f32, (size_t)n * 4);
    for (size_t i = 0; i < (size_t)n; i++) {
        double d;
        if (!num_parse_double(call_arg(c, at + 2 + i), &d)) return false;
        float f = (float)d;
        memcpy(out->f32.p + 4 * i, &f, 4);
    }
    out->f32.n = (size_t)n * 4;
    out->dim = (uint32_t)n;
    out->next = at + 2 + (size_t)n;
    return true;
}

static bool parse_blob(call *c, size_t at, struct vector_arg *out) {
    if (at + 1 >= call_argc(c)) return false;
    slice blob = call_arg(c, at + 1);
    if (blob.n == 0 || blob.n % 4 != 0 || blob.n / 4 > VECTOR_DIM_MAX) return false;
    buf_append_slice(&out->f32, blob);
    out->dim = (uint32_t)(blob.n / 4);
    out->next = at + 2;
    return true;
}

bool vector_arg_parse(call *c, size_t at, bool may_reduce, struct vector_arg *out) {
    int64_t reduce = 0;
    *out = (struct vector_arg){.f32 = BUF_INIT};
    if (may_reduce && call_arg_is(c, at, "reduce")) {
        if (at + 1 >= call_argc(c) || !num_parse_ll(call_arg(c, at + 1), &reduce))
            return false;
        if (reduce < 1 || reduce > VECTOR_DIM_MAX) return false;
        at += 2;
    }
    bool ok = false;
    if (call_arg_is(c, at, "values")) ok = parse_values(c, at, out);
    else if (call_arg_is(c, at, "fp32")) ok = parse_blob(c, at, out);
    if (!ok || reduce > out->dim) {
        buf_free(&out->f32);
        return false;
    }
    out->reduce = (uint32_t)reduce;
    return true;
}

int vset_open(call *c, bool again, struct entry *e, struct vset *set) {
    int rc = again ? call_peek(c, call_arg(c, 1), e) : call_read(c, call_arg(c, 1), e);
    if (rc == OK && e->value.type != TYPE_VECTORSET) rc = ERR_TYPE;
    if (rc == OK) vset_read(&e->value, set);
    return rc;
}
