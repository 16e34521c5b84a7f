/* value_fuzz.c -- a value of any type as it comes from the store: its head, its meta and its pages.
 *
 *     u8 type | u8 kind | u8 aux | u8 hashed | meta or inline bytes | pages, or entries of a table
 *
 * Byte strings have a varint length before them; before each page stands its varint index; an entry
 * is two strings, and before them a byte that says whether it is marked if `hashed` has 2 in it. What
 * the type's judge lets in is read whole, dumped, checked and changed, whatever the pages say: each
 * step may answer ERR_CORRUPT. A value that passes its check can be dumped and
 * digested, and what can be restored equals it. */
#include <stdlib.h>

#include "modules/files/keys.h"
#include "modules/vector/ivf_job.h"
#include "tests/model/toy_pager.c"
#include "types/hash.h"
#include "types/list.h"
#include "types/rdb.h"
#include "types/set.h"
#include "types/stream.h"
#include "types/string.h"
#include "types/table.h"
#include "types/zset.h"

#define READ_MAX (1 << 20) /* of a string or a file that claims to be longer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

static void touch(slice s) {
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < s.n; i++) sink = sink ^ s.p[i];
    (void)sink;
}

/* Where numbers of the input may say that there are more elements than bytes. */
struct seen {
    struct toy *t;
    size_t n;
};

static int see_pair(void *cookie, slice field, slice val) {
    touch(field);
    touch(val);
    ++((struct seen *)cookie)->n;
    return 0;
}
static int see_member(void *cookie, slice member) { return see_pair(cookie, member, member); }
static int see_item(void *cookie, uint64_t index, slice element) {
    (void)index;
    return see_member(cookie, element);
}

static void settle(struct toy *t, struct value *v, buf *store) {
    if (v->kind != VALUE_RAW) return;
    buf fresh = BUF_INIT;
    buf_append_slice(&fresh, v->raw);
    buf_reserve(&fresh, 1);
    buf_free(store);
    *store = fresh;
    v->raw = slice_of(store);
    t->scratch.n = 0;
}

/* ---- what handlers do with each type ------------------------------------------------------ */

static void change(struct toy *t, const struct type *type, struct value *v, buf *store, uint8_t op,
                   const slice *args, size_t argc) {
    effect e = {.target = EFFECT_VALUE, .type = type->id, .op = op, .key = SLICE("k"),
                .args = args, .argc = argc};
    t->scratch.n = 0;
    if (type->apply(v, &e) == OK) settle(t, v, store);
}

static void use_string(struct toy *t, struct value *v, buf *store) {
    buf out = BUF_INIT;
    uint8_t at[8];
    put_u64(at, string_len(v) / 2);
    (void)string_read(v, 0, 100, &out);
    (void)string_read(v, string_len(v) - 1, 100, &out);
    slice set[2] = {slice_make(at, 8), SLICE("something")};
    change(t, &type_string, v, store, STRING_SETRANGE, set, 2);
    change(t, &type_string, v, store, STRING_APPEND, set + 1, 1);
    buf_free(&out);
}

/* What has expired is found within so many looks, whatever the pages say. */
static void remove_due(struct toy *t, struct value *v, buf *store) {
    buf found = BUF_INIT;
    for (unsigned i = 0; i < 8; i++) {
        size_t n = 0;
        slice fields[16];
        found.n = 0;
        if (hash_due(v, 1700000000500, 16, &found, &n) != OK) break;
        need(n <= 16);
        reader r = reader_make(slice_of(&found));
        for (size_t k = 0; k < n; k++) touch(fields[k] = read_bytes(&r));
        need(!r.bad && reader_left(&r) == 0);
        if (n > 0) change(t, &type_hash, v, store, HASH_DEL, fields, n);
        if (v->kind == VALUE_NONE) break;
    }
    buf_free(&found);
}

static void use_hash(struct toy *t, struct value *v, buf *store) {
    struct seen seen = {t, 0};
    char tmp[NUM_LL_MAX], tmp2[NUM_LL_MAX];
    slice field, val, args[2] = {SLICE("f"), SLICE("a value")};
    slice expire[2] = {SLICE("\x01\0\0\0\0\0\0\0"), SLICE("f")};
    if (hash_get(v, SLICE("f"), &val, tmp) == OK) touch(val);
    if (hash_random(v, 12345, &field, tmp, &val, tmp2) == OK) touch(field), touch(val);
    (void)hash_each(v, see_pair, &seen);
    v->now_ms = 1700000000500;
    if (hash_random(v, 54321, &field, tmp, &val, tmp2) == OK) touch(field), touch(val);
    (void)hash_each(v, see_pair, &seen);
    v->now_ms = 0;
    change(t, &type_hash, v, store, HASH_SET_KEEP, args, 2);
    change(t, &type_hash, v, store, HASH_EXPIRE, expire, 2);
    remove_due(t, v, store);
    change(t, &type_hash, v, store, HASH_SET, args, 2);
    change(t, &type_hash, v, store, HASH_DEL, args, 1);
}

static void use_set(struct toy *t, struct value *v, buf *store) {
    struct seen seen = {t, 0};
    char tmp[NUM_LL_MAX];
    slice member, args[3] = {SLICE("f"), SLICE("12"), SLICE("a member")};
    (void)set_has(v, args[0]);
    (void)set_has(v, args[1]);
    if (set_random(v, 12345, &member, tmp) == OK) touch(member);
    (void)set_each(v, see_member, &seen);
    change(t, &type_set, v, store, SET_ADD, args + 1, 1);
    change(t, &type_set, v, store, SET_REM, args, 2);
    change(t, &type_set, v, store, SET_ADD, args, 3);
}

static void use_list(struct toy *t, struct value *v, buf *store) {
    struct seen seen = {t, 0};
    uint8_t at[LIST_RANGE_BYTES];
    slice element, args[2] = {SLICE("a"), SLICE("some value")};
    char tmp[NUM_LL_MAX];
    for (unsigned i = 0; i < 12; i++) {
        uint64_t len = list_len(v), half = len / 2;
        if (v->kind == VALUE_NONE || len == 0) return;
        if (list_get(v, half, &element, tmp) == OK) touch(element);
        if (list_get(v, len - 1, &element, tmp) == OK) touch(element);
        (void)list_each(v, half, len - half < 300 ? len - half : 300, i % 2, see_item, &seen);
        put_u64(at, half);
        put_u64(at + 8, len - half < 3 ? 1 : 3);
        slice set[2] = {slice_make(at, 8), args[1]}, range = slice_make(at, LIST_RANGE_BYTES);
        switch (i % 6) {
        case 0: change(t, &type_list, v, store, LIST_PUSH_HEAD, args, 2); break;
        case 1: change(t, &type_list, v, store, LIST_PUSH_TAIL, args, 2); break;
        case 2: change(t, &type_list, v, store, LIST_INSERT, set, 2); break;
        case 3: change(t, &type_list, v, store, LIST_SET, set, 2); break;
        default: change(t, &type_list, v, store, LIST_DELETE, &range, 1); break;
        }
    }
}

static int see_scored(void *cookie, slice member, double score) {
    volatile double sink = score;
    (void)sink;
    return see_member(cookie, member);
}

static void use_zset(struct toy *t, struct value *v, buf *store) {
    struct seen seen = {t, 0};
    uint8_t score[8], from[8], count[8];
    char tmp[NUM_LL_MAX];
    double now;
    slice member, args[4] = {zset_score_arg(score, 7.5), SLICE("f"), slice_make(score, 8),
                             SLICE("another member")};
    for (unsigned i = 0; i < 8; i++) {
        uint64_t len = zset_len(v), half = len / 2, rank, cursor = 0;
        if (v->kind == VALUE_NONE || len == 0) return;
        if (zset_at(v, half, &now, &member, tmp) == OK) touch(member);
        (void)zset_rank(v, args[1], &rank, &now);
        struct zset_edge edge = {.cut = (enum zset_cut)(i % 4), .score = 3, .member = args[1]};
        if (zset_seek(v, &edge, &rank) == OK) need(rank <= len);
        (void)zset_each(v, half, len - half < 300 ? len - half : 300, i % 2, see_scored, &seen);
        for (unsigned k = 0; k < 5 && zset_scan(v, &cursor, 100, see_scored, &seen) == OK && cursor != 0; k++) continue;
        put_u64(from, half);
        put_u64(count, len - half < 5 ? 1 : 5);
        slice ranks[2] = {slice_make(from, 8), slice_make(count, 8)};
        if (i % 4 == 0) change(t, &type_zset, v, store, ZSET_ADD, args, i < 4 ? 2 : 4);
        else if (i % 4 == 1) change(t, &type_zset, v, store, ZSET_REM_RANKS, ranks, 2);
        else if (i % 4 == 2) change(t, &type_zset, v, store, ZSET_ADD, args + 2, 2);
        else change(t, &type_zset, v, store, ZSET_REM, args + 1, 1);
        zset_score_arg(score, i);
    }
}

static int see_element(void *cookie, const struct element *e, const slice *attribute) {
    struct vset set;
    const struct value *v = cookie;
    vset_read(v, &set);
    touch(e->name);
    if (attribute != NULL) touch(*attribute);
    struct measure m;
    float *x = malloc(set.shape.dim * sizeof(float));
    need(x != NULL);
    measure_init(&m, set.shape.quant, set.shape.metric, set.shape.dim, &e->point);
    volatile double far = metric_score(set.shape.metric, measure_distance(&m, &e->point));
    (void)far;
    quant_decode(set.shape.quant, &e->point, set.shape.dim, x);
    free(x);
    return 0;
}

static int see_found(void *cookie, const struct value *v, const struct element *e) {
    (void)cookie;
    return see_element((void *)(uintptr_t)v, e, NULL);
}
static double no_limit(void *cookie) {
    (void)cookie;
    return 1e300;
}

/* What searches, and VINDEX, do with an index. */
static void use_index(struct toy *t, struct value *v, buf *store) {
    struct vset set;
    struct ivf ix;
    uint64_t reranked;
    uint8_t end[4];
    vset_read(v, &set);
    ivf_read(v, &ix);
    if (ix.state == IVF_ABSENT || set.shape.dim > 4096) return;
    if (ix.state == IVF_FILLING) {
        put_u32(end, set.slots - ix.filled > 20 ? ix.filled + 20 : set.slots);
        slice fill = slice_make(end, 4);
        change(t, &vset_type, v, store, VECTOR_FILL, &fill, 1);
        ivf_read(v, &ix);
    }
    if (ix.state != IVF_READY) return;
    float *x = mem_calloc(set.shape.dim, sizeof(float));
    struct ivf_search q = {.k = 3, .probes = 8, .sigmas = 2};
    if (ivf_search(v, &set.shape, x, SIZE_MAX, &q) == OK)
        (void)ivf_rerank(v, &set.shape, &q, true, no_limit, see_found, v, &reranked);
    ivf_search_deinit(&q);
    mem_free(x);
    for (uint32_t cluster = 0; cluster < 3; cluster++) {
        struct ivf_job j;
        int rc;
        ivf_job_init(&j, &set.shape, &ix.code, ix.seed);
        if (ivf_job_gather(&j, v, cluster) == OK && ivf_job_gather_rows(&j, v, SIZE_MAX) == OK) {
            ivf_job_split(&j);
            slice args[3] = {slice_of(&j.args[0]), slice_of(&j.args[1]), slice_of(&j.args[2])};
            if (ivf_job_fits(&j, v, &rc)) change(t, &vset_type, v, store, VECTOR_SPLIT, args, 3);
        }
        ivf_job_deinit(&j);
        if (v->kind != VALUE_OBJECT) return;
    }
    change(t, &vset_type, v, store, VECTOR_SWEEP, NULL, 0);
    if (v->kind != VALUE_OBJECT) return;
    struct ivf_job j;
    ivf_job_init(&j, &set.shape, &ix.code, ix.seed);
    if (ivf_job_gather_node(&j, v, 0) == OK) {
        ivf_job_node(&j);
        slice args[3] = {slice_of(&j.args[0]), slice_of(&j.args[1]), slice_of(&j.args[2])};
        change(t, &vset_type, v, store, VECTOR_NODE, args, 3);
    }
    ivf_job_deinit(&j);
}

static void use_vset(struct toy *t, struct value *v, buf *store) {
    struct vset set;
    struct element e;
    slice attribute;
    uint32_t slot, place;
    uint8_t shape[VSET_SHAPE_BYTES];
    vset_read(v, &set);
    (void)vset_each(v, see_element, v);
    use_index(t, v, store);
    vset_read(v, &set);
    if (vset_find(v, &set.shape, SLICE("f"), &slot, &e) == OK) {
        touch(e.name);
        if (vset_attribute(v, slot, &attribute) == OK) touch(attribute);
        if (vset_place(v, slot, &place) == OK) (void)vset_place_set(v, slot, 0);
    }
    uint32_t n = set.shape.input_dim != 0 ? set.shape.input_dim : set.shape.dim;
    float *x = calloc(n, sizeof(float));
    need(x != NULL);
    x[0] = 1;
    vset_shape_write(shape, &set.shape);
    slice args[4] = {SLICE("f"), slice_make(x, n * sizeof(float)), slice_make(shape, sizeof(shape)),
                     SLICE("{\"a\":1}")};
    slice attr[2] = {args[0], args[3]};
    change(t, &vset_type, v, store, VECTOR_ATTR, attr, 2);
    change(t, &vset_type, v, store, VECTOR_ADD, args, n <= 4096 ? 4 : 0);
    change(t, &vset_type, v, store, VECTOR_REM, args, 1);
    free(x);
}

/* ---- streams ------------------------------------------------------------------------------ */

static int see_stream_entry(void *cookie, struct stream_entry *e) {
    struct seen *s = cookie;
    struct stream_pair pair;
    for (uint64_t i = 0; i < e->fields && stream_entry_pair(e, &pair); i++) {
        touch(pair.field);
        touch(pair.value);
    }
    return ++s->n > 1000;
}

struct seen_groups {
    struct value *v;
    uint8_t name[STREAM_NAME_MAX], consumer[STREAM_NAME_MAX];
    slice group, one; /* the last that were seen */
    const struct stream_group *g;
    size_t n;
};

static int see_stream_pending(void *cookie, const struct stream_pending *p) {
    struct seen_groups *s = cookie;
    slice name;
    if (stream_consumer_name(s->v, s->g, p->consumer, &name) == OK) touch(name);
    return ++s->n > 1000;
}

static int see_consumer(void *cookie, slice name, const struct stream_consumer *c) {
    struct seen_groups *s = cookie;
    if (name.n > 0) memcpy(s->consumer, name.p, name.n);
    s->one = slice_make(s->consumer, name.n);
    (void)stream_pending_each(s->v, s->g, c, STREAM_ID_MIN, see_stream_pending, s);
    return ++s->n > 1000;
}

static int see_group(void *cookie, slice name, const struct stream_group *g) {
    struct seen_groups *s = cookie;
    int64_t read;
    if (name.n > 0) memcpy(s->name, name.p, name.n);
    s->group = slice_make(s->name, name.n);
    s->g = g;
    (void)stream_read_at(s->v, g->last, &read);
    (void)stream_pending_each(s->v, g, NULL, STREAM_ID_MIN, see_stream_pending, s);
    (void)stream_consumers_each(s->v, g, see_consumer, s);
    return ++s->n > 1000;
}

static void use_stream(struct toy *t, struct value *v, buf *store) {
    struct seen seen = {t, 0};
    static struct seen_groups groups;
    uint8_t first[STREAM_ID_BYTES], next[STREAM_ID_BYTES], record[STREAM_RECORD_BYTES] = {0}, times[16] = {0};
    stream_id id, last = stream_head(v).last;
    groups = (struct seen_groups){.v = v, .group = SLICE("g"), .one = SLICE("c")};
    (void)stream_each(v, STREAM_ID_MIN, STREAM_ID_MAX, 0, false, see_stream_entry, &seen);
    seen.n = 0;
    (void)stream_each(v, STREAM_ID_MIN, STREAM_ID_MAX, 0, true, see_stream_entry, &seen);
    (void)stream_groups_each(v, see_group, &groups);
    if (stream_first(v, &id) != OK) id = STREAM_ID_MIN;
    stream_id_put(first, id);
    memcpy(record, first, sizeof(first));
    slice ids = slice_make(first, sizeof(first)), group = groups.group;
    slice set[3] = {group, ids, slice_make(times, 8)};
    slice pend[5] = {group, SLICE("new"), slice_make(times, 16), SLICE(""), slice_make(record, sizeof(record))};
    slice ack[2] = {group, ids}, gone[2] = {group, groups.one};
    change(t, &type_stream, v, store, STREAM_GROUP_SET, set, 3);
    change(t, &type_stream, v, store, STREAM_PEND, pend, 5);
    change(t, &type_stream, v, store, STREAM_CONSUMER_DROP, gone, 2);
    change(t, &type_stream, v, store, STREAM_ACK, ack, 2);
    change(t, &type_stream, v, store, STREAM_UNREF, &ids, 1);
    if (stream_id_up(&last)) {
        stream_id_put(next, last);
        slice add[5] = {slice_make(next, sizeof(next)), SLICE("f"), SLICE("17"), SLICE("h"), SLICE("a value")};
        change(t, &type_stream, v, store, STREAM_ADD, add, 5);
    }
    change(t, &type_stream, v, store, STREAM_DELETE, &ids, 1);
    change(t, &type_stream, v, store, STREAM_TRIM, &ids, 1);
    change(t, &type_stream, v, store, STREAM_GROUP_DROP, &group, 1);
    slice all = slice_make("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16);
    change(t, &type_stream, v, store, STREAM_TRIM, &all, 1);
}

/* ---- volumes ------------------------------------------------------------------------------ */

static int see_entry(void *cookie, slice name, uint64_t ino, uint8_t type) {
    (void)ino;
    (void)type;
    touch(name);
    return ++((struct seen *)cookie)->n > 1000;
}

static void read_volume(struct toy *t, const struct volume *at) {
    struct seen seen = {t, 0};
    struct inode i;
    buf out = BUF_INIT;
    uint64_t offset, len;
    for (uint64_t ino = 1; ino < 12; ino++) {
        struct line_search search = {0};
        (void)volume_list(at, ino, slice_make(NULL, 0), see_entry, &seen);
        (void)volume_is_above(at, VOLUME_ROOT, ino);
        if (volume_inode(at, ino, &i) != OK || i.type != INODE_FILE) continue;
        uint64_t n = i.size < READ_MAX ? i.size : READ_MAX;
        out.n = 0;
        (void)volume_read(at, &i, 0, n, &out);
        (void)volume_read(at, &i, i.size - n / 2, n / 2, &out);
        if (i.size <= READ_MAX * 4)
            (void)volume_lines(at, &i, 2, 1000, &search, &offset, &len);
    }
    buf_free(&out);
}

static void change_volume(struct toy *t, struct value *v, buf *store) {
    static const uint64_t numbers[] = {1700000000000000000u, 1, 2, 3, 4, 5, 6, 0, 70000, 9000};
    uint8_t n[10][8];
    slice num[10];
    static uint8_t data[70000];
    for (int i = 0; i < 10; i++) {
        put_u64(n[i], numbers[i]);
        num[i] = slice_make(n[i], 8);
    }
    uint8_t replace[8], no_mode[8];
    put_u64(replace, VOLUME_REPLACE);
    put_u64(no_mode, VOLUME_NO_MODE);
    slice keep = slice_make(no_mode, 8), new_name = SLICE("new"), none = SLICE("");
    slice small = slice_make(data, 10), large = slice_make(data, sizeof(data));
    slice mkdir[] = {num[0], num[1], SLICE("d/e"), num[7]};
    change(t, &type_volume, v, store, VOLUME_MKDIR, mkdir, 4);
    for (int file = 2; file < 7; file++) {
        slice cp[] = {num[0], num[file], num[1], new_name};
        change(t, &type_volume, v, store, VOLUME_CP, cp, 4);
        slice over[] = {num[0], num[file], none, keep, num[9], small};
        change(t, &type_volume, v, store, VOLUME_WRITE, over, 6);
        slice cut[] = {num[0], num[file], num[8]};
        change(t, &type_volume, v, store, VOLUME_TRUNCATE, cut, 3);
        slice whole[] = {num[0], num[file], none, keep, slice_make(replace, 8), large};
        change(t, &type_volume, v, store, VOLUME_WRITE, whole, 6);
        slice shorter[] = {num[0], num[file], num[file]};
        change(t, &type_volume, v, store, VOLUME_TRUNCATE, shorter, 3);
        slice mv[] = {num[0], num[1], new_name, num[file], SLICE("old"), num[7]};
        change(t, &type_volume, v, store, VOLUME_MV, mv, 6);
        slice rm[] = {num[0], num[1], new_name, num[1]};
        change(t, &type_volume, v, store, VOLUME_RM, rm, 4);
    }
    slice rm[] = {num[0], num[1], none, num[1]};
    change(t, &type_volume, v, store, VOLUME_RM, rm, 4);
}

/* ---- any type ----------------------------------------------------------------------------- */

static void drop(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
}

/* Can be made from its own dump, if it passes its check. */
static void look(struct toy *t, const struct type *type, struct value *v) {
    char why[160];
    uint8_t one[20] = {0}, two[20] = {0};
    buf dump = BUF_INIT;
    (void)type->encoding(v);
    uint64_t length = type->length(v);
    bool long_string = type == &type_string && length > READ_MAX; /* It may be all zeros. */
    bool sound = !long_string && type->check(v, why) == OK;
    int digest = long_string ? ERR_LIMIT : type->digest(v, one);
    int rc = long_string ? ERR_LIMIT : type->dump(v, &dump);
    if (sound && type != &type_volume) {
        need(digest == OK && rc == OK);
        struct value again = toy_value(t, type->id);
        reader r = reader_make(slice_of(&dump));
        uint8_t rdb_type = read_u8(&r);
        if (type->restore(&again, rdb_type, &r, RDB_VERSION) == OK) {
            need(type->length(&again) == length);
            need(type->digest(&again, two) == OK);
            if (type != &vset_type) need(memcmp(one, two, 20) == 0);
            drop(&again);
        }
    }
    buf_free(&dump);
}

static void use(struct toy *t, const struct type *type, struct value *v) {
    buf store = BUF_INIT;
    look(t, type, v);
    if (type == &type_string) use_string(t, v, &store);
    if (type == &type_hash) use_hash(t, v, &store);
    if (type == &type_set) use_set(t, v, &store);
    if (type == &type_list) use_list(t, v, &store);
    if (type == &type_zset) use_zset(t, v, &store);
    if (type == &vset_type) use_vset(t, v, &store);
    if (type == &type_stream) use_stream(t, v, &store);
    if (type == &type_volume) {
        read_volume(t, &(struct volume){v->pager, v->obj});
        change_volume(t, v, &store);
    }
    if (v->kind != VALUE_NONE) look(t, type, v);
    drop(v);
    buf_free(&store);
}

/* An entry of a table; its mark says that what the value begins with is the type's. */
static void fill_entry(struct toy *t, object *o, bool marks, reader *r) {
    bool added, marked = marks && (read_u8(r) & 1);
    slice key = read_bytes(r), val = read_bytes(r);
    size_t head = val.n < TABLE_MARK_BYTES ? val.n : TABLE_MARK_BYTES;
    if (r->bad) return;
    if (!marked || head == 0) (void)table_put(&t->base, o, key, val, &added);
    else
        (void)table_put_marked(&t->base, o, key, slice_make(val.p, head),
                               slice_make(val.p + head, val.n - head), &added);
}

static void fill(struct toy *t, object *o, bool marks, reader *r) {
    while (!r->bad && reader_left(r) > 0) {
        uint8_t *to;
        if (o->hashed) {
            fill_entry(t, o, marks, r);
            continue;
        }
        uint64_t index = read_varint(r);
        slice page = read_bytes(r);
        if (r->bad || page.n > PAGE_BYTES_MAX) return;
        need(t->base.ops->mut(&t->base, o, index, page.n, &to) == OK);
        if (page.n != 0) memcpy(to, page.p, page.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct type *const types[] = {
        &type_string, &type_hash, &type_set, &type_list, &vset_type, &type_volume, &type_zset, &type_stream};
    if (size < 4) return 0;
    const struct type *type = types[data[0] % 8];
    reader r = reader_make(slice_make(data + 4, size - 4));
    slice bytes = read_bytes(&r);
    struct stored_value s = {1 + data[1] % 3, data[2], data[3] & 1, bytes};
    /* The keyspace has looked at these sizes before it asks. */
    if (r.bad || bytes.n > (s.kind == VALUE_RAW ? INLINE_BYTES_MAX : META_BYTES_MAX)) return 0;
    if (!type->stored_ok(&s)) return 0;
    struct toy t;
    toy_init(&t, 1, 0);
    t.stay = true;
    struct value v = toy_value(&t, type->id);
    v.kind = s.kind;
    v.aux = s.aux;
    v.num = -17;
    buf raw = BUF_INIT;
    buf_append_slice(&raw, bytes);
    v.raw = slice_of(&raw);
    if (v.kind == VALUE_OBJECT) {
        v.obj = t.base.ops->make(&t.base, s.hashed, bytes.n);
        memcpy(v.obj->meta, bytes.p, bytes.n);
        fill(&t, v.obj, data[3] & 2, &r);
    }
    use(&t, type, &v);
    while (t.objects != NULL) t.base.ops->free(&t.base, t.objects);
    buf_free(&raw);
    toy_deinit(&t);
    return 0;
}
