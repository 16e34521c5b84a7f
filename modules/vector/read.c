/* read.c -- VCARD, VDIM, VEMB, VINFO, VGETATTR, VISMEMBER: a root, or one element. */
#include "modules/vector/commands.h"
#include "modules/vector/recall.h"
#include "modules/vector/search_internal.h"
#include "modules/vector/store.h"

#define FULL_FACTS 12 /* of VINFO key FULL */

int cmd_vcard(call *c) {
    struct entry e;
    struct vset set;
    int rc = vset_open(c, false, &e, &set);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : reply_int(c, (int64_t)set.count);
}

int cmd_vdim(call *c) {
    struct entry e;
    struct vset set;
    int rc = vset_open(c, false, &e, &set);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR key does not exist");
    return rc != OK ? rc : reply_int(c, set.shape.dim);
}

/* What VINFO key FULL adds. */
static void reply_index(call *c, const struct entry *e) {
    static const char *const states[] = {"none", "filling", "ready"};
    struct ivf ix;
    size_t kinds[8];
    ivf_read(&e->value, &ix);
    keyspace_entry_kinds(e, kinds);
    const struct { const char *name; uint64_t value; } facts[] = {
        {"index-bits", ix.state == IVF_ABSENT ? 0 : ix.code.bits},
        {"clusters", ix.clusters},
        {"nodes", ix.nodes},
        {"probes", ix.state == IVF_READY ? recall_probes(&e->value, 10, SEARCH_RECALL) : 0},
        {"measured-size", recall_rows(&e->value)},
        {"resident-bytes", keyspace_entry_bytes(call_keyspace(c), e)},
        {"resident-index", kinds[VSET_CLUSTERS] + kinds[VSET_TAILS] + kinds[VSET_ROUTES]},
        {"resident-vectors", kinds[VSET_VECTORS]},
        {"settled", !vset_due(&e->value)},
        {"pages", e->value.pager->ops->pages(e->value.obj)},
    };
    reply_status(c, "index");
    reply_status(c, states[ix.state]);
    reply_status(c, "recall-target");
    reply_double(c, SEARCH_RECALL);
    for (size_t i = 0; i < FULL_FACTS - 2; i++) {
        reply_status(c, facts[i].name);
        reply_int(c, (int64_t)facts[i].value);
    }
}

int cmd_vinfo(call *c) {
    struct entry e;
    struct vset set;
    bool full = call_argc(c) == 3 && call_arg_is(c, 2, "full");
    if (call_argc(c) > 2 && !full) return reply_arity(c);
    int rc = vset_open(c, false, &e, &set);
    if (rc == ERR_NOTFOUND) return reply_null_array(c);
    if (rc != OK) return rc;
    const struct { const char *name; uint64_t value; } facts[] = {
        {"hnsw-m", set.shape.m},
        {"vector-dim", set.shape.dim},
        {"projection-input-dim", set.shape.input_dim},
        {"size", set.count},
        {"max-level", 0}, /* No graph, so no levels above the one. */
        {"attributes-count", set.attributes},
        {"vset-uid", set.shape.uid},
        {"hnsw-max-node-uid", set.last_node},
    };
    size_t n = sizeof(facts) / sizeof(*facts);
    reply_map(c, n + 1 + (full ? FULL_FACTS : 0));
    reply_status(c, "quant-type");
    reply_status(c, quant_name(set.shape.quant));
    for (size_t i = 0; i < n; i++) {
        reply_status(c, facts[i].name);
        reply_int(c, (int64_t)facts[i].value);
    }
    if (full) reply_index(c, &e);
    vset_tend(c, call_arg(c, 1)); /* A server that has just started finds out here that a set wants its index. */
    return OK;
}

/* The element at argument 2. */
static int open_element(call *c, struct entry *e, struct vset *set, struct element *el) {
    int rc = vset_open(c, false, e, set);
    return rc != OK ? rc : vset_find(&e->value, &set->shape, call_arg(c, 2), NULL, el);
}

static void reply_raw(call *c, const struct vset_shape *s, const struct point *p) {
    bool ranged = s->quant == QUANT_INT8;
    reply_array(c, ranged ? 4 : 3);
    reply_status(c, quant_name(s->quant));
    reply_bulk(c, slice_make(p->bytes, quant_bytes(s->quant, s->dim)));
    resp_double_shortest(call_out(c), call_proto(c), (double)p->norm);
    if (ranged) resp_double_shortest(call_out(c), call_proto(c), (double)p->range);
}

int cmd_vemb(call *c) {
    struct entry e;
    struct vset set;
    struct element el;
    if (call_argc(c) > 4) return reply_arity(c);
    bool raw = call_argc(c) == 4;
    if (raw && !call_arg_is(c, 3, "raw")) return reply_error(c, "ERR invalid option");
    int rc = open_element(c, &e, &set, &el);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    if (raw) {
        reply_raw(c, &set.shape, &el.point);
        return OK;
    }
    float *x = mem_alloc(set.shape.dim * sizeof(float));
    quant_decode(set.shape.quant, &el.point, set.shape.dim, x);
    reply_array(c, set.shape.dim);
    for (uint32_t i = 0; i < set.shape.dim; i++)
        resp_double_shortest(call_out(c), call_proto(c), (double)x[i]);
    mem_free(x);
    return OK;
}

int cmd_vgetattr(call *c) {
    struct entry e;
    struct vset set;
    struct element el;
    int rc = open_element(c, &e, &set, &el);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    slice attribute;
    rc = el.has_attribute ? vset_attribute(&e.value, el.slot, &attribute) : ERR_NOTFOUND;
    if (rc == ERR_NOTFOUND) return reply_null(c);
    return rc != OK ? rc : reply_bulk(c, attribute);
}

int cmd_vismember(call *c) {
    struct entry e;
    struct vset set;
    struct element el;
    int rc = open_element(c, &e, &set, &el);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    return reply_bool(c, rc == OK);
}
