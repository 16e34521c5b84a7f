/* effect_fuzz.c -- effects from the log: refused, or equal to themselves when encoded again; and
 * applied to a value, whatever they say, they leave it sound. */
#include <stdlib.h>

#include "tests/model/toy_pager.c"
#include "types/effect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

static void again(const effect *e) {
    buf b = BUF_INIT, args = BUF_INIT;
    effect_encode(&b, e);
    reader r = reader_make(slice_of(&b));
    effect f;
    need(effect_decode(&r, &f, &args) == OK && reader_left(&r) == 0);
    need(f.target == e->target && f.type == e->type && f.op == e->op && f.db == e->db);
    need(slice_eq(f.key, e->key) && f.argc == e->argc);
    need(f.keys == e->keys && f.expires == e->expires);
    need(f.src_keys == e->src_keys && f.src_expires == e->src_expires);
    for (size_t i = 0; i < e->argc; i++) need(slice_eq(f.args[i], e->args[i]));
    buf_free(&b);
    buf_free(&args);
}

struct one { /* a key of each type */
    const struct type *type;
    struct value v;
    buf store;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct toy t;
    toy_init(&t, 1, 0);
    t.config.hash_max_listpack_entries = 4; /* A table is soon reached. */
    struct one ones[2] = {{&type_string, toy_value(&t, TYPE_STRING), BUF_INIT},
                          {&type_hash, toy_value(&t, TYPE_HASH), BUF_INIT}};
    reader r = reader_make(slice_make(data, size));
    buf args = BUF_INIT;
    while (reader_left(&r) > 0) {
        effect e;
        if (effect_decode(&r, &e, &args) != OK) break;
        again(&e);
        for (size_t i = 0; i < 2; i++) {
            struct one *o = &ones[i];
            if (e.target != EFFECT_VALUE || e.type != o->type->id) continue;
            /* A write far out is sound, and too large to be tried here. */
            if (e.type == TYPE_STRING && e.op == 2 && e.argc == 2 && e.args[0].n == 8 &&
                get_u64(e.args[0].p) < (uint64_t)1 << 40 && get_u64(e.args[0].p) > 1 << 20)
                continue;
            int rc = toy_apply(&t, o->type, &o->v, &o->store, e.op, e.args, e.argc);
            char why[160];
            need(rc == OK || rc == ERR_CORRUPT);
            need(o->v.kind == VALUE_NONE || o->type->check(&o->v, why) == OK);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (ones[i].v.kind == VALUE_OBJECT) t.base.ops->free(&t.base, ones[i].v.obj);
        buf_free(&ones[i].store);
    }
    buf_free(&args);
    toy_deinit(&t);
    return 0;
}
