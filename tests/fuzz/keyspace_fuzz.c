/* keyspace_fuzz.c -- a catalogue and the slots that it points at, as they come from the store.
 *
 * Packs (varint their count; varint slots, then bytes each), and the catalogue: as the golden file
 * keyspace-1. Loaded, walked as garbage collection does, read through and changed; whatever the
 * bytes say, nothing is read outside of them and nothing runs for ever. */
#include "modules/files/volume.h"
#include "modules/vector/set.h"
#include "tests/unit/keyspace/ks_util.h"
#include "types/list.h"
#include "types/set.h"
#include "types/stream.h"
#include "types/zset.h"

#define PACKS_MAX 8
#define SLOTS_MAX 64
#define FETCHES_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    slice catalogue, slots[PACKS_MAX][SLOTS_MAX];
    size_t count[PACKS_MAX];
    struct fetch *queue[4096];
    size_t queued, fetched;
};

void test_fail(const char *file, int line, const char *fmt, ...) {
    (void)file;
    (void)line;
    (void)fmt;
    abort();
}

static void cut(slice all, struct input *in) {
    reader r = reader_make(all);
    memset(in->count, 0, sizeof(in->count));
    uint64_t packs = read_varint(&r);
    for (uint64_t i = 0; i < packs && i < PACKS_MAX && !r.bad; i++) {
        uint64_t slots = read_varint(&r);
        for (uint64_t k = 0; k < slots && k < SLOTS_MAX && !r.bad; k++)
            in->slots[i][in->count[i]++] = read_bytes(&r);
    }
    in->catalogue = read_bytes(&r);
}

static bool slot_of(const struct input *in, location l, slice *out) {
    size_t pack = location_pack(l), slot = location_slot(l);
    *out = slice_make(NULL, 0);
    if (l == 0) return true;
    if (pack < 1 || pack > PACKS_MAX || slot >= in->count[pack - 1]) return false;
    *out = in->slots[pack - 1][slot];
    return true;
}

static void on_fetch(void *cookie, struct fetch *f) {
    struct input *in = cookie;
    CHECK(in->queued < sizeof(in->queue) / sizeof(in->queue[0]));
    in->queue[in->queued++] = f;
}
static const struct keyspace_hooks hooks = {.fetch = on_fetch};

/* Their ends are watched: each answer is in memory of its own, and gone afterwards. */
static uint8_t *own(slice s) {
    uint8_t *p = malloc(s.n + (s.n == 0));
    CHECK(p != NULL);
    if (s.n > 0) memcpy(p, s.p, s.n);
    return p;
}

static void answer(keyspace *ks, struct input *in) {
    struct fetch *f = in->queue[--in->queued];
    slice base, delta;
    bool there = slot_of(in, f->base, &base) && slot_of(in, f->delta, &delta);
    if (!there || in->fetched++ > FETCHES_MAX) {
        keyspace_fetched(ks, f, ERR_IO, slice_make(NULL, 0), slice_make(NULL, 0));
        return;
    }
    uint8_t *b = own(base), *d = own(delta);
    keyspace_fetched(ks, f, OK, slice_make(b, base.n), slice_make(d, delta.n));
    free(b);
    free(d);
}

/* Fetches what is wanted. False: it cannot be had. */
static bool wait_for(keyspace *ks, struct input *in, ks_wait **held) {
    struct world_done done = {false, OK};
    if (keyspace_wanted(ks) == 0) return false;
    ks_wait *w = keyspace_wait(ks, world_done, &done);
    while (!done.done) {
        if (in->queued > 0) answer(ks, in);
        else (void)keyspace_reap(ks, 100);
    }
    keyspace_wait_end(ks, *held);
    *held = w;
    return done.rc == OK;
}

static const struct type *const types[] = {&type_string, &type_hash, &type_list,   &type_zset,
                                           &type_set,    &vset_type, &type_volume, &type_stream};

#define LONG_STRING (1 << 20) /* A longer one may be all zeros. */

/* What there is to ask of any type. */
static int look(const struct world *w, struct value *v) {
    const struct type *t = w->types.by_id[v->type];
    uint8_t digest[20] = {0};
    char why[160];
    buf out = BUF_INIT;
    (void)t->encoding(v);
    if (t->length(v) > LONG_STRING && t == &type_string) return OK;
    int rc = t->dump(v, &out);
    buf_free(&out);
    if (rc == ERR_COLD) return rc;
    rc = t->digest(v, digest);
    return rc == ERR_COLD ? rc : t->check(v, why);
}

/* One change, of whatever type the value is. */
static int change(keyspace *ks, uint64_t id, slice key, const struct value *v, int round) {
    static const char *const names[] = {"f", "g"};
    uint8_t now[8], one[8], zero[8], shape[VSET_SHAPE_BYTES];
    float x[4] = {3, 4};
    slice s = slice_str(names[round % 2]), args[6] = {s, SLICE("v")};
    effect e = {.target = EFFECT_VALUE, .type = v->type, .db = id, .key = key, .args = args,
                .argc = 1};
    put_u64(now, 1700000000000000000u);
    put_u64(one, 1);
    put_u64(zero, 0);
    switch (v->type) {
    case TYPE_STRING: e.op = STRING_APPEND; break;
    case TYPE_HASH: e.op = HASH_SET; e.argc = 2; break;
    case TYPE_LIST: e.op = round % 2 == 0 ? LIST_PUSH_HEAD : LIST_PUSH_TAIL; break;
    case TYPE_SET: e.op = SET_ADD; break;
    case TYPE_ZSET:
        args[1] = s;
        args[0] = zset_score_arg(zero, round);
        e.op = ZSET_ADD;
        e.argc = 2;
        break;
    case TYPE_STREAM:
        e.op = STREAM_GROUP_SET;
        args[1] = slice_make(x, STREAM_ID_BYTES);
        args[2] = slice_make(now, 8);
        e.argc = 3;
        break;
    case TYPE_VECTORSET: {
        struct vset set;
        vset_read(v, &set);
        vset_shape_write(shape, &set.shape);
        args[1] = slice_make(x, sizeof(x));
        args[2] = slice_make(shape, sizeof(shape));
        e.op = VECTOR_ADD;
        e.argc = 3;
        break;
    }
    case TYPE_VOLUME: {
        slice write[6] = {slice_make(now, 8), slice_make(one, 8), SLICE("new"), slice_make(zero, 8),
                          slice_make(zero, 8), SLICE("content")};
        memcpy(args, write, sizeof(write));
        e.op = VOLUME_WRITE;
        e.argc = 6;
        break;
    }
    }
    return keyspace_apply(ks, &e, true);
}

static int step(const struct world *w, keyspace *ks, db *d, uint64_t id, slice key, char what,
                int round) {
    struct entry x;
    if (what == 'a') {
        uint8_t digest[20];
        return keyspace_digest(ks, digest);
    }
    if (what == 'd') {
        effect e = {.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = id, .key = key};
        return keyspace_apply(ks, &e, true);
    }
    int rc = keyspace_get(ks, d, key, KS_TOUCH, &x);
    if (rc != OK) return rc;
    return what == 'g' ? look(w, &x.value) : change(ks, id, key, &x.value, round);
}

static void use(const struct world *w, keyspace *ks, struct input *in, uint64_t id, slice key,
                const char *what) {
    ks_wait *held = NULL;
    for (int i = 0; i < 40; i++) {
        /* Each try asks for its database anew. */
        db *d = keyspace_db_id(ks, id);
        if (d == NULL) break;
        keyspace_want_reset(ks);
        int rc = step(w, ks, d, id, key, *what, i);
        if (rc != ERR_COLD || !wait_for(ks, in, &held)) break;
    }
    keyspace_want_reset(ks);
    keyspace_wait_end(ks, held);
}

static void on_location(void *cookie, location l) {
    *(uint64_t *)cookie += l;
}

static void walk(struct input *in) {
    reach *r = reach_create();
    bool added = reach_add(r, in->catalogue) == OK;
    uint64_t sum = 0;
    for (int i = 0; added && i < FETCHES_MAX; i++) {
        location want;
        slice s;
        int rc = reach_step(r, 100, on_location, &sum, &want);
        if (rc == ERR_AGAIN) continue;
        if (rc != ERR_COLD || !slot_of(in, want, &s)) break;
        uint8_t *p = own(s);
        rc = reach_feed(r, slice_make(p, s.n));
        free(p);
        if (rc != OK) break;
    }
    reach_free(r);
}

struct ids {
    uint64_t at[8];
    size_t n;
};
static void on_db(void *cookie, uint64_t id, int number, const char *name, uint64_t keys) {
    struct ids *ids = cookie;
    (void)number;
    (void)name;
    (void)keys;
    if (ids->n < 8) ids->at[ids->n++] = id;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct input in;
    struct world *w = mem_calloc(1, sizeof(*w));
    in.queued = in.fetched = 0;
    cut(slice_make(data, size), &in);
    rnd_seed(&w->ks_rnd, 7);
    world_config(w);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) type_add(&w->types, types[i]);
    clock_manual_init(&w->clock, 1700000000000000u, 5000000);
    keyspace *ks = keyspace_create(&w->config, &w->types, &w->clock.base, &w->ks_rnd, NULL);
    keyspace_set_hooks(ks, &hooks, &in);
    walk(&in);
    uint8_t *copy = own(in.catalogue);
    slice catalogue = slice_make(copy, in.catalogue.n);
    if (keyspace_load(ks, catalogue) == OK) {
        struct ids ids = {{0}, 0};
        CHECK_INT(catalogue_each_db(catalogue, on_db, &ids), OK);
        for (size_t i = 0; i < ids.n; i++) {
            use(w, ks, &in, ids.at[i], SLICE("string"), "get");
            use(w, ks, &in, ids.at[i], SLICE("small"), "get");
            use(w, ks, &in, ids.at[i], SLICE("large"), "get");
            use(w, ks, &in, ids.at[i], SLICE("small"), "change");
            use(w, ks, &in, ids.at[i], SLICE("large"), "change");
            use(w, ks, &in, ids.at[i], SLICE("large"), "get");
            use(w, ks, &in, ids.at[i], SLICE("large"), "del");
        }
        if (ids.n > 0) use(w, ks, &in, ids.at[0], SLICE(""), "all");
        char why[160];
        (void)keyspace_check(ks, why);
    }
    free(copy);
    while (in.queued > 0) answer(ks, &in);
    keyspace_free(ks);
    mem_free(w);
    return 0;
}
