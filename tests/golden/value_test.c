/* value_test.c -- golden bytes of values with pages: each type's meta, pages and table entries, in the
 * form that tests/fuzz/value_fuzz.c reads; they are its seeds, too. */
#include "tests/golden/golden.h"

#include <stdarg.h>

#include "modules/files/volume.h"
#include "modules/vector/ivf.h"
#include "modules/vector/rotate.h"
#include "tests/model/toy_pager.c"
#include "types/hash.h"
#include "types/list.h"
#include "types/set.h"
#include "types/stream.h"
#include "types/string.h"
#include "types/table.h"
#include "types/zset.h"

struct saving {
    buf *out;
    bool marks; /* A byte before each entry: whether it is marked. */
};

static int save_entry(void *cookie, slice key, slice val, bool marked) {
    const struct saving *s = cookie;
    CHECK(s->marks || !marked);
    if (s->marks) buf_u8(s->out, marked);
    buf_bytes(s->out, key);
    buf_bytes(s->out, val);
    return 0;
}

static int by_index(const void *a, const void *b) {
    const struct toy_page *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static void save(uint8_t number, const struct value *v, buf *out) {
    /* Bit 1 of the fourth byte: entries may be marked. */
    bool marks = v->type == TYPE_HASH && hash_timed(v);
    struct saving s = {out, marks};
    object *o = v->kind == VALUE_OBJECT ? v->obj : NULL;
    out->n = 0;
    buf_u8(out, number);
    buf_u8(out, (uint8_t)(v->kind - 1));
    buf_u8(out, v->aux);
    buf_u8(out, (uint8_t)((o != NULL && o->hashed) | (marks && o != NULL && o->hashed) << 1));
    buf_bytes(out, o != NULL ? slice_make(o->meta, o->meta_bytes) : v->raw);
    if (o == NULL) return;
    if (o->hashed) {
        uint64_t cursor = 0;
        CHECK_INT(table_scan_marked(v->pager, o, &cursor, SIZE_MAX, save_entry, &s), OK);
        return;
    }
    qsort(o->pages, o->count, sizeof(*o->pages), by_index);
    for (size_t i = 0; i < o->count; i++) {
        buf_varint(out, o->pages[i].index);
        buf_bytes(out, slice_make(o->pages[i].p, o->pages[i].n));
    }
}

struct making {
    struct toy t;
    struct value v;
    buf store;
    const struct type *type;
};

static void start(struct making *m, const struct type *type) {
    toy_init(&m->t, 1, 0);
    m->type = type;
    m->v = toy_value(&m->t, type->id);
    m->store = (buf){NULL, 0, 0};
}

static void apply(struct making *m, uint8_t op, const slice *args, size_t argc) {
    CHECK_INT(toy_apply(&m->t, m->type, &m->v, &m->store, op, args, argc), OK);
}

/* The value is sound, and its bytes are those kept. */
static void finish(struct making *m, const char *name, uint8_t number) {
    char why[160] = "";
    buf made = BUF_INIT, kept = BUF_INIT;
    if (m->type->check(&m->v, why) != OK) test_fail(__FILE__, __LINE__, "%s: %s", name, why);
    save(number, &m->v, &made);
    golden_same(name, &made, &kept);
    if (m->v.kind == VALUE_OBJECT) m->t.base.ops->free(&m->t.base, m->v.obj);
    buf_free(&made);
    buf_free(&kept);
    buf_free(&m->store);
    toy_deinit(&m->t);
}

static slice numbered(char tmp[32], const char *word, unsigned i) {
    return slice_make(tmp, (size_t)snprintf(tmp, 32, "%s%u", word, i));
}

TEST("strings of version 1 are written as they were: chunks, one of them shorter") {
    struct making m;
    start(&m, &type_string);
    uint8_t at[8];
    slice args[2] = {slice_make(at, 8), SLICE("the end")};
    put_u64(at, 3000);
    apply(&m, STRING_SETRANGE, args, 2);
    finish(&m, "value-1-string", 0);
}

TEST("hashes of version 1 are written as they were: inline, one page, a table") {
    static const unsigned pairs[] = {3, 120, 140};
    char name[32], a[32], b[32];
    for (unsigned k = 0; k < 3; k++) {
        struct making m;
        start(&m, &type_hash);
        for (unsigned i = 0; i < pairs[k]; i++) {
            slice args[2] = {i == 0 ? SLICE("f") : numbered(a, "field:", i), numbered(b, "v", i)};
            apply(&m, HASH_SET, args, 2);
        }
        snprintf(name, sizeof(name), "value-1-hash-%u", pairs[k]);
        finish(&m, name, 1);
    }
}

TEST("hashes with expiries of version 1 are written as they were: inline, one page, a table") {
    static const unsigned pairs[] = {3, 60, 140};
    char name[32], a[32], b[32];
    for (unsigned k = 0; k < 3; k++) {
        struct making m;
        start(&m, &type_hash);
        for (unsigned i = 0; i < pairs[k]; i++) {
            uint8_t at[8];
            slice args[2] = {i == 0 ? SLICE("f") : numbered(a, "field:", i), numbered(b, "v", i)};
            slice expire[2] = {slice_make(at, 8), args[0]};
            put_u64(at, 1700000000000 + i * 7919 % 1000);
            apply(&m, HASH_SET, args, 2);
            if (i % 3 != 1) apply(&m, HASH_EXPIRE, expire, 2);
        }
        snprintf(name, sizeof(name), "value-1-hash-times-%u", pairs[k]);
        finish(&m, name, 1);
    }
}

TEST("sets of version 1 are written as they were: intsets, a listpack, a table") {
    char name[32], a[32];
    for (unsigned k = 0; k < 4; k++) {
        struct making m;
        start(&m, &type_set);
        unsigned members = k % 2 == 0 ? 12 : 400;
        for (unsigned i = 0; i < members; i++) {
            slice member = numbered(a, k < 2 ? "7" : "m", i);
            apply(&m, SET_ADD, &member, 1);
        }
        snprintf(name, sizeof(name), "value-1-set-%u", k);
        finish(&m, name, 2);
    }
}

TEST("lists of version 1 are written as they were: inline, a leaf, a tree with a free page") {
    static const unsigned elements[] = {5, 200, 700};
    char name[32], a[32];
    for (unsigned k = 0; k < 3; k++) {
        struct making m;
        start(&m, &type_list);
        m.t.config.list_max_listpack_size = 128;
        for (unsigned i = 0; i < elements[k]; i++) {
            slice element = numbered(a, i % 3 == 0 ? "" : "e", i);
            apply(&m, LIST_PUSH_TAIL, &element, 1);
        }
        uint8_t at[LIST_RANGE_BYTES];
        slice range = slice_make(at, sizeof(at));
        put_u64(at, 0);
        put_u64(at + 8, k == 2 ? 130 : 1);
        apply(&m, LIST_DELETE, &range, 1);
        snprintf(name, sizeof(name), "value-1-list-%u", elements[k]);
        finish(&m, name, 3);
    }
}

TEST("sorted sets of version 1 are written as they were: inline, a leaf, a tree with split buckets and free pages") {
    static const unsigned members[] = {12, 100, 900};
    char name[32], a[32];
    for (unsigned k = 0; k < 3; k++) {
        struct making m;
        uint8_t score[8], first[8], count[8];
        start(&m, &type_zset);
        for (unsigned i = 0; i < members[k]; i++) {
            slice args[2] = {zset_score_arg(score, i % 11 == 0 ? -0.5 : i * 37 % 400),
                             i == 0 ? SLICE("f") : numbered(a, i % 3 == 0 ? "" : "member:", i)};
            apply(&m, ZSET_ADD, args, 2);
        }
        put_u64(first, 2);
        put_u64(count, k == 2 ? 250 : 3);
        slice ranks[2] = {slice_make(first, 8), slice_make(count, 8)};
        apply(&m, ZSET_REM_RANKS, ranks, 2);
        snprintf(name, sizeof(name), "value-1-zset-%u", members[k]);
        finish(&m, name, 6);
    }
}

TEST("vector sets of version 1 are written as they were, in each precision") {
    for (unsigned q = QUANT_F32; q <= QUANT_BIN; q++) {
        struct making m;
        struct vset_shape s = {.quant = (enum quant)q, .metric = (enum vector_metric)q, .dim = 4,
                               .input_dim = q == QUANT_INT8 ? 8 : 0, .m = 16, .uid = 9};
        uint8_t shape[VSET_SHAPE_BYTES];
        char name[32], a[32];
        start(&m, &vset_type);
        vset_shape_write(shape, &s);
        for (unsigned i = 0; i < 6; i++) {
            /* Quarters, and lengths that a float holds: the same on every machine. */
            float x[8] = {i == 5 ? 0 : 3, i == 5 ? 0 : 4};
            slice args[4] = {i == 0 ? SLICE("f") : numbered(a, "e", i),
                             slice_make(x, (s.input_dim != 0 ? 8u : 4u) * sizeof(float)),
                             slice_make(shape, sizeof(shape)), SLICE("{\"year\":1990}")};
            apply(&m, VECTOR_ADD, args, i % 2 == 0 ? 4 : 3);
        }
        snprintf(name, sizeof(name), "value-1-vectors-%u", q);
        finish(&m, name, 4);
    }
}

/* A node of two clusters, of which one has a full block; two elements have gone. */
TEST("vector sets of version 1 with an index are written as they were") {
    struct making m;
    struct vset_shape s = {.quant = QUANT_F32, .metric = METRIC_L2, .dim = 4, .m = 16, .uid = 9};
    struct code_shape c = {.dim = rotate_padded(4), .bits = 4};
    uint8_t shape[VSET_SHAPE_BYTES], bits = 4, end[4], frame[12 + 4 * 64] = {7}, clusters[2 * (4 + 2 * 64)] = {0};
    float scale = 0.5f, x[64];
    char a[32];
    start(&m, &vset_type);
    vset_shape_write(shape, &s);
    memcpy(frame + 8, &scale, 4);
    for (int i = 0; i < 2; i++) {
        for (int d = 0; d < 64; d++) x[d] = i == 0 ? 0.25f : -0.25f;
        half_from_floats(x, c.dim, clusters + i * (4 + 2 * 64) + 4);
    }
    for (unsigned i = 0; i < 48; i++) {
        float v[4] = {i % 8 == 0 ? -3 : 3, 4, (float)(i % 5), (float)(i % 3)};
        slice args[3] = {i == 0 ? SLICE("f") : numbered(a, "e", i), slice_make(v, sizeof(v)),
                         slice_make(shape, sizeof(shape))};
        apply(&m, VECTOR_ADD, args, 3);
        if (i != 40) continue;
        slice index[3] = {slice_make(&bits, 1), slice_make(frame, sizeof(frame)),
                          slice_make(clusters, sizeof(clusters))};
        apply(&m, VECTOR_INDEX, index, 3);
        put_u32(end, 41);
        slice fill = slice_make(end, 4);
        apply(&m, VECTOR_FILL, &fill, 1);
    }
    for (unsigned i = 3; i < 5; i++) {
        slice arg = numbered(a, "e", i);
        apply(&m, VECTOR_REM, &arg, 1);
    }
    finish(&m, "value-1-vectors-index", 4);
}

static void volume_op(struct making *m, uint8_t op, const char *form, ...) {
    uint8_t n[8][8];
    slice args[8];
    size_t argc = 0;
    va_list ap;
    va_start(ap, form);
    for (; form[argc] != '\0'; argc++) {
        if (form[argc] == 's') {
            args[argc] = slice_str(va_arg(ap, const char *));
            continue;
        }
        put_u64(n[argc], va_arg(ap, uint64_t));
        args[argc] = slice_make(n[argc], 8);
    }
    va_end(ap);
    apply(m, op, args, argc);
}

/* Folders, a small file, a file of chunks with a hole, a copy that shares them, and a free page. */
TEST("volumes of version 1 are written as they were") {
    struct making m;
    uint64_t now = 1700000000000000000u, root = 1, plain = VOLUME_NO_MODE;
    start(&m, &type_volume);
    volume_op(&m, VOLUME_MKDIR, "nnsn", now, root, "d/e", (uint64_t)0755);
    volume_op(&m, VOLUME_WRITE, "nnsnns", now, root, "small", plain, (uint64_t)0, "one\ntwo\nthree\n");
    volume_op(&m, VOLUME_WRITE, "nnsnns", now, root, "large", plain, (uint64_t)5000, "far\n");
    volume_op(&m, VOLUME_WRITE, "nnsnns", now, root, "gone", plain, (uint64_t)5000, "away\n");
    volume_op(&m, VOLUME_WRITE, "nnsnns", now, (uint64_t)5, "", plain, (uint64_t)140000, "farther\n");
    volume_op(&m, VOLUME_CP, "nnns", now, (uint64_t)5, root, "copy");
    volume_op(&m, VOLUME_RM, "nnsn", now, root, "gone", (uint64_t)0);
    finish(&m, "value-1-volume", 5);
}

/* Blocks of ten with deleted entries, a group with two consumers, a group without. */
TEST("streams of version 1 are written as they were: a block, many with groups") {
    static const unsigned entries[] = {3, 64};
    char name[32], a[32];
    for (unsigned k = 0; k < 2; k++) {
        struct making m;
        uint8_t id[STREAM_ID_BYTES], times[16] = {9}, cursor[STREAM_ID_BYTES + 8] = {0};
        start(&m, &type_stream);
        m.t.config.stream_node_max_entries = 10;
        for (unsigned i = 1; i <= entries[k]; i++) {
            stream_id_put(id, (stream_id){1700000000000 + i / 3, i});
            slice add[5] = {slice_make(id, sizeof(id)), SLICE("f"), numbered(a, i % 4 == 0 ? "" : "v", i),
                            i % 5 == 0 ? SLICE("other") : SLICE("second"), SLICE("17")};
            apply(&m, STREAM_ADD, add, i % 7 == 0 ? 3 : 5);
        }
        for (unsigned i = 0; k == 1 && i < 2; i++) {
            slice group[3] = {numbered(a, "group", i), slice_make(cursor, STREAM_ID_BYTES), slice_make(times, 8)};
            apply(&m, STREAM_GROUP_SET, group, 3);
        }
        for (unsigned i = 0; k == 1 && i < 6; i++) {
            uint8_t record[STREAM_RECORD_BYTES] = {0};
            stream_id_put(record, (stream_id){1700000000000 + i, 3 * i});
            put_u64(record + STREAM_ID_BYTES, 1700000005000);
            put_u64(record + STREAM_ID_BYTES + 8, i);
            slice pend[5] = {SLICE("group0"), numbered(a, "consumer", i % 2), slice_make(times, 16),
                             slice_make(cursor, i == 3 ? sizeof(cursor) : 0), slice_make(record, sizeof(record))};
            apply(&m, STREAM_PEND, pend, 5);
        }
        stream_id_put(id, (stream_id){1700000000000, 2});
        slice cut = slice_make(id, sizeof(id));
        apply(&m, k == 0 ? STREAM_DELETE : STREAM_TRIM, &cut, 1);
        snprintf(name, sizeof(name), "value-1-stream-%u", entries[k]);
        finish(&m, name, 7);
    }
}
