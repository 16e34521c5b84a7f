/* keyspace_test.c -- golden bytes of the keyspace: a catalogue, the nodes, pages and deltas that it
 * points at, and DUMP payloads. */
#include "tests/golden/golden.h"

#include "base/hash.h"
#include "modules/files/volume.h"
#include "modules/vector/set.h"
#include "tests/unit/keyspace/ks_util.h"
#include "types/list.h"
#include "types/rdb.h"
#include "types/set.h"
#include "types/stream.h"
#include "types/zset.h"

#define PACK_SLOTS 1000000 /* one pack a checkpoint */

static void hash_set(struct world *w, db *d, slice key, slice field, slice val) {
    slice args[2] = {field, val};
    effect e = {.target = EFFECT_VALUE, .type = TYPE_HASH, .op = HASH_SET, .db = db_id(d),
                .key = key, .args = args, .argc = 2};
    CHECK_INT(world_apply(w, &e), OK);
}

static slice numbered(char tmp[32], const char *word, unsigned i) {
    return slice_make(tmp, (size_t)snprintf(tmp, 32, "%s%u", word, i));
}

static void checkpoint(struct world *w) {
    frozen *f = keyspace_freeze(w->ks);
    (void)world_checkpoint(w, f, PACK_SLOTS, false, NULL, NULL);
    frozen_put(w->ks, f);
}

/* Strings with and without expiry, a small hash, a large one, a fork's worth of databases; then a
 * few changes more, so that some pages have deltas. */
static struct world *fill(void) {
    struct world *w = world_new(1);
    db *d = keyspace_db(w->ks, 0);
    char a[32], b[32];
    for (unsigned i = 0; i < 90; i++) {
        slice key = numbered(a, "key:", i), val = numbered(b, "value ", i * i);
        CHECK_INT(world_set(w, d, key, val, i % 3 == 0 ? 1800000000000 + i : -1), OK);
    }
    CHECK_INT(world_set(w, d, SLICE("string"), SLICE("hello"), -1), OK);
    hash_set(w, d, SLICE("small"), SLICE("f"), SLICE("1"));
    hash_set(w, d, SLICE("small"), SLICE("g"), SLICE("two"));
    for (unsigned i = 0; i < 200; i++)
        hash_set(w, d, SLICE("large"), numbered(a, "field:", i), numbered(b, "v", i));
    CHECK_INT(world_set(w, keyspace_db(w->ks, 3), SLICE("other"), SLICE("3"), -1), OK);
    checkpoint(w);
    CHECK_INT(world_set(w, d, SLICE("key:7"), SLICE("changed"), -1), OK);
    hash_set(w, d, SLICE("large"), SLICE("field:9"), SLICE("changed"));
    checkpoint(w);
    return w;
}

/* varint packs, varint slots, (bytes) each; the catalogue. */
static void save(struct world *w, buf *out) {
    buf_varint(out, w->packs_n);
    for (size_t i = 0; i < w->packs_n; i++) {
        buf_varint(out, w->packs[i].n);
        for (size_t k = 0; k < w->packs[i].n; k++)
            buf_bytes(out, slice_make(w->packs[i].slots[k].p, w->packs[i].slots[k].n));
    }
    buf_bytes(out, slice_of(&w->catalogue));
}

static struct world *world_of_all_types(uint64_t seed) {
    struct world *w = world_new(seed);
    type_add(&w->types, &type_list);
    type_add(&w->types, &type_set);
    type_add(&w->types, &type_zset);
    type_add(&w->types, &type_stream);
    type_add(&w->types, &vset_type);
    type_add(&w->types, &type_volume);
    return w;
}

static struct world *load(slice bytes) {
    struct world *w = world_of_all_types(2);
    reader r = reader_make(bytes);
    uint64_t packs = read_varint(&r);
    for (uint64_t i = 0; i < packs && !r.bad; i++) {
        uint32_t pack = world_pack(w);
        uint64_t slots = read_varint(&r);
        for (uint64_t k = 0; k < slots && !r.bad; k++) world_store(w, pack, read_bytes(&r));
    }
    slice catalogue = read_bytes(&r);
    CHECK(!r.bad && reader_left(&r) == 0);
    CHECK_INT(keyspace_load(w->ks, catalogue), OK);
    return w;
}

static void digests(struct world *w, char hex[48]) {
    uint8_t digest[20];
    CHECK_INT(world_digest(w, digest), OK);
    for (int i = 0; i < 20; i++) snprintf(hex + i * 2, 3, "%02x", digest[i]);
}

TEST("a catalogue, nodes, pages and deltas of version 1 are read, and still written like that") {
    buf made = BUF_INIT, kept = BUF_INIT, out = BUF_INIT;
    struct world *was = fill();
    save(was, &made);
    golden_same("keyspace-1", &made, &kept);
    struct world *w = load(slice_of(&kept));
    db *d = keyspace_db(w->ks, 0);
    CHECK_INT(db_keys(d), 93);
    CHECK_INT(db_expires(d), 30 - (7 % 3 == 0));
    CHECK_INT(db_keys(keyspace_db(w->ks, 3)), 1);
    CHECK_INT(world_get(w, d, SLICE("string"), &out), OK);
    CHECK_SLICE(slice_of(&out), "hello");
    CHECK_INT(world_get(w, d, SLICE("key:7"), &out), OK);
    CHECK_SLICE(slice_of(&out), "changed");
    CHECK_INT(world_get(w, d, SLICE("key:89"), &out), OK);
    CHECK_SLICE(slice_of(&out), "value 7921");
    CHECK_INT(world_get(w, keyspace_db(w->ks, 3), SLICE("other"), &out), OK);
    CHECK_SLICE(slice_of(&out), "3");
    char now[48], then[48];
    digests(w, now);
    digests(was, then);
    CHECK_STR(now, then);
    world_check(w);
    world_free(w);
    world_free(was);
    buf_free(&made);
    buf_free(&kept);
    buf_free(&out);
}

static void dump(struct world *w, slice key, buf *out) {
    struct entry e;
    out->n = 0;
    CHECK_INT(keyspace_get(w->ks, keyspace_db(w->ks, 0), key, 0, &e), OK);
    CHECK_INT(w->types.by_id[e.value.type]->dump(&e.value, out), OK);
    buf_u16(out, RDB_VERSION);
    buf_u64(out, crc64(0, out->p, out->n));
}

TEST("DUMP payloads are read, and still written like that") {
    static const char *const keys[] = {"string", "key:12", "small", "large"};
    struct world *w = fill();
    buf made = BUF_INIT, kept = BUF_INIT, again = BUF_INIT;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), "dump-10-%s", i == 1 ? "string-12" : keys[i]);
        dump(w, slice_str(keys[i]), &made);
        golden_same(name, &made, &kept);
        CHECK_INT(get_u64(kept.p + kept.n - 8), crc64(0, kept.p, kept.n - 8));
        slice args[2] = {slice_make(kept.p, kept.n - 10), slice_make(NULL, 0)};
        effect e = world_effect(ENTRY_RESTORE, keyspace_db(w->ks, 0), SLICE("back"), args, 2);
        CHECK_INT(world_apply(w, &e), OK);
        dump(w, SLICE("back"), &again);
        /* The same bytes again, but for the order of a table's fields. */
        CHECK_INT(again.n, kept.n);
        if (i != 3) CHECK(slice_eq(slice_of(&again), slice_of(&kept)));
    }
    buf_free(&made);
    buf_free(&kept);
    buf_free(&again);
    world_free(w);
}

/* ---- the other types: one keyspace each ----------------------------------------------------- */

static void apply(struct world *w, uint8_t type, uint8_t op, const char *key, const slice *args,
                  size_t argc) {
    effect e = {.target = EFFECT_VALUE, .type = type, .op = op, .db = db_id(keyspace_db(w->ks, 0)),
                .key = slice_str(key), .args = args, .argc = argc};
    CHECK_INT(world_apply(w, &e), OK);
}

static void set_time(struct world *w, const char *key, slice field, int64_t expire_ms) {
    uint8_t tmp[8];
    slice args[2] = {effect_expiry(tmp, expire_ms), field};
    apply(w, TYPE_HASH, HASH_EXPIRE, key, args, 2);
}

/* Fields with expiries: inline, in a page of their own, in a table and its delta. */
static void fill_times(struct world *w) {
    static const struct { const char *key; unsigned fields; } keys[] = {{"inline", 2}, {"small", 50}, {"large", 200}};
    db *d = keyspace_db(w->ks, 0);
    char a[32], b[32];
    for (unsigned k = 0; k < 3; k++) {
        for (unsigned i = 0; i < keys[k].fields; i++) {
            slice field = numbered(a, "field:", i);
            hash_set(w, d, slice_str(keys[k].key), field, numbered(b, "v", i));
            if (i % 3 != 1) set_time(w, keys[k].key, field, 1800000000000 + i * 7919 % 1000);
        }
    }
    checkpoint(w);
    set_time(w, "large", SLICE("field:1"), 1800000000000);
    set_time(w, "large", SLICE("field:2"), -1);
    hash_set(w, d, SLICE("large"), SLICE("field:3"), SLICE("changed"));
}

static void fill_list(struct world *w) {
    char tmp[32];
    w->config.types.list_max_listpack_size = 64;
    for (unsigned i = 0; i < 300; i++) {
        slice element = numbered(tmp, i % 3 == 0 ? "" : "e", i);
        if (i < 5) apply(w, TYPE_LIST, LIST_PUSH_HEAD, "small", &element, 1);
        apply(w, TYPE_LIST, LIST_PUSH_TAIL, "large", &element, 1);
    }
}

static void fill_set(struct world *w) {
    char tmp[32];
    for (unsigned i = 0; i < 150; i++) {
        slice number = numbered(tmp, "", i * 100003);
        if (i < 5) apply(w, TYPE_SET, SET_ADD, "string", &number, 1);
        apply(w, TYPE_SET, SET_ADD, "small", &number, 1);
        slice member = numbered(tmp, "member:", i);
        apply(w, TYPE_SET, SET_ADD, "large", &member, 1);
    }
}

static void fill_zset(struct world *w) {
    char tmp[32];
    uint8_t score[8];
    for (unsigned i = 0; i < 700; i++) {
        slice args[2] = {zset_score_arg(score, i % 7 == 0 ? 0.5 : i * 31 % 500), numbered(tmp, i % 3 == 0 ? "" : "m:", i)};
        if (i < 5) apply(w, TYPE_ZSET, ZSET_ADD, "small", args, 2);
        apply(w, TYPE_ZSET, ZSET_ADD, "large", args, 2);
    }
}

static void fill_vectors(struct world *w) {
    char tmp[32];
    uint8_t shape[VSET_SHAPE_BYTES];
    struct vset_shape s = {.quant = QUANT_INT8, .metric = METRIC_COSINE, .dim = 4, .m = 16, .uid = 9};
    vset_shape_write(shape, &s);
    for (unsigned i = 0; i < 8; i++) {
        float x[4] = {i == 5 ? 0 : 3, i == 5 ? 0 : 4};
        slice args[4] = {i == 0 ? SLICE("f") : numbered(tmp, "e", i), slice_make(x, sizeof(x)),
                         slice_make(shape, sizeof(shape)), SLICE("{\"year\":1990}")};
        apply(w, TYPE_VECTORSET, VECTOR_ADD, "large", args, i % 2 == 0 ? 4 : 3);
    }
}

static void fill_volume(struct world *w) {
    uint8_t n[4][8];
    slice num[4];
    uint64_t numbers[] = {1700000000000000000u, VOLUME_ROOT, VOLUME_MODE_DIR, 0};
    uint8_t content[4200] = "one\ntwo\nthree\n";
    for (int i = 0; i < 4; i++) {
        put_u64(n[i], numbers[i]);
        num[i] = slice_make(n[i], 8);
    }
    slice mkdir[] = {num[0], num[1], SLICE("d"), num[2]};
    apply(w, TYPE_VOLUME, VOLUME_MKDIR, "large", mkdir, 4);
    slice small[] = {num[0], num[1], SLICE("e/small"), num[2], num[3], slice_make(content, 14)};
    apply(w, TYPE_VOLUME, VOLUME_WRITE, "large", small, 6);
    slice large[] = {num[0], num[1], SLICE("large"), num[2], num[3], slice_make(content, 4200)};
    apply(w, TYPE_VOLUME, VOLUME_WRITE, "large", large, 6);
    put_u64(n[2], 5);
    slice cp[] = {num[0], num[2], num[1], SLICE("copy")};
    apply(w, TYPE_VOLUME, VOLUME_CP, "large", cp, 4);
}

static void fill_stream(struct world *w) {
    char tmp[32];
    uint8_t id[STREAM_ID_BYTES], times[16] = {9};
    for (unsigned i = 1; i <= 150; i++) {
        stream_id_put(id, (stream_id){1700000000000, i});
        slice add[3] = {slice_make(id, sizeof(id)), SLICE("field"), numbered(tmp, i % 4 == 0 ? "" : "v", i)};
        apply(w, TYPE_STREAM, STREAM_ADD, "large", add, 3);
    }
    slice group[3] = {SLICE("group"), slice_make(id, sizeof(id)), slice_make(times, 8)};
    apply(w, TYPE_STREAM, STREAM_GROUP_SET, "large", group, 3);
    uint8_t record[STREAM_RECORD_BYTES] = {0};
    memcpy(record, id, sizeof(id));
    slice pend[5] = {SLICE("group"), SLICE("consumer"), slice_make(times, 16), SLICE(""),
                     slice_make(record, sizeof(record))};
    apply(w, TYPE_STREAM, STREAM_PEND, "large", pend, 5);
}

TEST("lists, sets, sorted sets, streams, vector sets, volumes and hashes with expiries of version 1 are read, and still written like that") {
    static const struct {
        const char *name;
        void (*fill)(struct world *w);
    } kinds[] = {{"keyspace-1-hash-times", fill_times},
                 {"keyspace-1-list", fill_list},
                 {"keyspace-1-set", fill_set},
                 {"keyspace-1-zset", fill_zset},
                 {"keyspace-1-stream", fill_stream},
                 {"keyspace-1-vectors", fill_vectors},
                 {"keyspace-1-volume", fill_volume}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        buf made = BUF_INIT, kept = BUF_INIT;
        char now[48], then[48];
        struct world *was = world_of_all_types(1);
        kinds[i].fill(was);
        checkpoint(was);
        save(was, &made);
        golden_same(kinds[i].name, &made, &kept);
        struct world *w = load(slice_of(&kept));
        digests(w, now);
        digests(was, then);
        CHECK_STR(now, then);
        world_check(w);
        world_free(w);
        world_free(was);
        buf_free(&made);
        buf_free(&kept);
    }
}
