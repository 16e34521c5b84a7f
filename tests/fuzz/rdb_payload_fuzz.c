/* rdb_payload_fuzz.c -- what RESTORE takes: a type byte and a payload.
 *
 * A payload is refused, or gives a value that passes its check, can be read, dumped, restored to an equal
 * one and changed. The flat encodings are also read alone. */
#include <stdlib.h>

#include "modules/vector/set.h"
#include "tests/model/toy_pager.c"
#include "types/hash.h"
#include "types/list.h"
#include "types/rdb.h"
#include "types/set.h"
#include "types/stream.h"
#include "types/string.h"
#include "types/ziplist.h"
#include "types/zset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

static int count_element(void *cookie, slice bytes) {
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < bytes.n; i++) sink = sink ^ bytes.p[i];
    (void)sink;
    ++*(size_t *)cookie;
    return OK;
}

static int count_pair(void *cookie, slice field, slice val) {
    count_element(cookie, field);
    return count_element(cookie, val);
}

static int count_scored(void *cookie, slice member, double score) {
    volatile double sink = score;
    (void)sink;
    return count_element(cookie, member);
}

static int count_item(void *cookie, uint64_t index, slice element) {
    (void)index;
    return count_element(cookie, element);
}

/* Keeps inline bytes when the scratch is used again. */
static void settle(struct toy *t, struct value *v, buf *store) {
    if (v->kind != VALUE_RAW) return;
    store->n = 0;
    buf_append_slice(store, v->raw);
    v->raw = slice_of(store);
    t->scratch.n = 0;
}

static void drop(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
}

struct seen_name {
    uint8_t p[KEY_BYTES_MAX];
    size_t n;
};

static int take_name(void *cookie, const struct element *e, const slice *attribute) {
    struct seen_name *s = cookie;
    (void)attribute;
    if (e->name.n > 0) memcpy(s->p, e->name.p, e->name.n);
    s->n = e->name.n;
    return 1;
}

static void use_value(struct toy *t, const struct type *type, struct value *v) {
    char why[160];
    uint8_t before[20] = {0}, after[20] = {0};
    buf store = BUF_INIT, dump = BUF_INIT;
    settle(t, v, &store);
    need(type->check(v, why) == OK);
    need(type->digest(v, before) == OK);
    need(type->dump(v, &dump) == OK);
    reader r = reader_make(slice_of(&dump));
    uint8_t rdb_type = read_u8(&r);
    struct value again = toy_value(t, type->id);
    need(type->restore(&again, rdb_type, &r, RDB_VERSION) == OK && reader_left(&r) == 0);
    need(type->digest(&again, after) == OK);
    /* The bits of a vector that Redis does not have are what it would have made of them. */
    need(type == &vset_type || memcmp(before, after, 20) == 0);
    need(type->length(&again) == type->length(v));
    drop(&again);
    if (type == &type_hash) {
        size_t seen = 0;
        need(hash_each(v, count_pair, &seen) == OK && seen == 2 * hash_len(v));
    }
    slice args[2] = {SLICE("a"), SLICE("some value")};
    if (type == &type_list) {
        size_t seen = 0;
        uint64_t len = list_len(v);
        need(list_each(v, 0, len, true, count_item, &seen) == OK && seen == len);
        uint8_t at[LIST_RANGE_BYTES];
        put_u64(at, len / 2);
        put_u64(at + 8, 1);
        slice set[2] = {slice_make(at, 8), args[1]}, range = slice_make(at, LIST_RANGE_BYTES);
        need(toy_apply(t, type, v, &store, LIST_SET, set, 2) == OK);
        need(toy_apply(t, type, v, &store, LIST_INSERT, set, 2) == OK);
        need(toy_apply(t, type, v, &store, LIST_PUSH_HEAD, args, 2) == OK);
        need(toy_apply(t, type, v, &store, LIST_PUSH_TAIL, args, 2) == OK);
        need(type->check(v, why) == OK && list_len(v) == len + 5);
        need(toy_apply(t, type, v, &store, LIST_DELETE, &range, 1) == OK);
        need(type->check(v, why) == OK);
    } else if (type == &type_hash) {
        need(toy_apply(t, type, v, &store, HASH_SET, args, 2) == OK);
        need(type->check(v, why) == OK);
        need(toy_apply(t, type, v, &store, HASH_DEL, args, 1) == OK);
    } else if (type == &type_set) {
        need(toy_apply(t, type, v, &store, SET_ADD, args, 2) == OK);
        need(type->check(v, why) == OK);
        need(toy_apply(t, type, v, &store, SET_REM, args, 1) == OK);
    } else if (type == &type_zset) {
        size_t seen = 0;
        uint64_t len = zset_len(v);
        uint8_t score[8];
        slice add[2] = {zset_score_arg(score, 0.5), args[1]};
        need(zset_each(v, 0, len, true, count_scored, &seen) == OK && seen == len);
        need(toy_apply(t, type, v, &store, ZSET_ADD, add, 2) == OK);
        need(type->check(v, why) == OK);
        need(toy_apply(t, type, v, &store, ZSET_REM, args, 2) == OK);
        need(v->kind == VALUE_NONE || type->check(v, why) == OK);
    } else if (type == &type_stream) {
        uint8_t id[STREAM_ID_BYTES], times[16] = {0}, record[STREAM_RECORD_BYTES] = {0};
        struct stream_head h = stream_head(v);
        stream_id next = h.last;
        slice set[3] = {SLICE("a"), slice_make(times, 16), slice_make(times, 8)};
        slice pend[5] = {args[0], args[1], slice_make(times, 16), SLICE(""), slice_make(record, sizeof(record))};
        need(toy_apply(t, type, v, &store, STREAM_GROUP_SET, set, 3) == OK);
        need(toy_apply(t, type, v, &store, STREAM_PEND, pend, 5) == OK);
        need(type->check(v, why) == OK);
        bool more = stream_id_up(&next);
        stream_id_put(id, next);
        slice add[3] = {slice_make(id, sizeof(id)), args[0], args[1]};
        if (more) need(toy_apply(t, type, v, &store, STREAM_ADD, add, 3) == OK);
        need(type->check(v, why) == OK && stream_head(v).length == h.length + more);
        if (more) need(toy_apply(t, type, v, &store, STREAM_DELETE, add, 1) == OK);
        need(toy_apply(t, type, v, &store, STREAM_GROUP_DROP, args, 1) == OK);
        need(type->check(v, why) == OK);
        need(toy_apply(t, type, v, &store, STREAM_TRIM, add, 1) == OK);
        need(type->check(v, why) == OK && (!more || stream_head(v).length == 0));
    } else if (type == &vset_type) {
        struct seen_name first = {.n = 0};
        need(vset_each(v, take_name, &first) == 1);
        slice name = slice_make(first.p, first.n), attr[2] = {name, SLICE("{}")};
        need(toy_apply(t, type, v, &store, VECTOR_ATTR, attr, 2) == OK);
        need(type->check(v, why) == OK);
        need(toy_apply(t, type, v, &store, VECTOR_REM, &name, 1) == OK);
        need(v->kind == VALUE_NONE || type->check(v, why) == OK);
    } else {
        need(toy_apply(t, type, v, &store, STRING_APPEND, args, 1) == OK);
        need(type->check(v, why) == OK);
    }
    drop(v);
    buf_free(&store);
    buf_free(&dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    struct toy t;
    struct type_set set = {0};
    toy_init(&t, 1, 0);
    t.stay = true;
    type_add(&set, &type_string);
    type_add(&set, &type_hash);
    type_add(&set, &type_list);
    type_add(&set, &type_set);
    type_add(&set, &type_zset);
    type_add(&set, &type_stream);
    type_add(&set, &vset_type);
    const struct type *type = type_by_rdb(&set, data[0]);
    slice rest = slice_make(data + 1, size - 1);
    if (type != NULL) {
        struct value v = toy_value(&t, type->id);
        reader r = reader_make(rest);
        if (type->restore(&v, data[0], &r, RDB_VERSION) == OK) use_value(&t, type, &v);
    } else {
        size_t seen = 0;
        (void)ziplist_each(rest, count_element, &seen);
        (void)zipmap_each(rest, count_element, &seen);
        reader r = reader_make(rest);
        (void)rdb_read_double_text(&r);
    }
    toy_deinit(&t);
    return 0;
}
