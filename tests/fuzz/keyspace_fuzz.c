/* keyspace_fuzz.c -- a catalogue and the slots that it points at, as they come from the store.
 *
 * Packs (varint their count; varint slots, then bytes each), and the catalogue: as the golden file
 * keyspace-1. Loaded, walked as garbage collection does, read through and changed; whatever the
 * bytes say, nothing is read outside of them and nothing runs for ever. */
#include "tests/unit/keyspace/ks_util.h"

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

static void use(keyspace *ks, struct input *in, uint64_t id, slice key, const char *what) {
    static const char *const names[] = {"f", "g"};
    ks_wait *held = NULL;
    for (int i = 0; i < 40; i++) {
        /* Each try asks for its database anew. */
        db *d = keyspace_db_id(ks, id);
        if (d == NULL) break;
        int rc = OK;
        keyspace_want_reset(ks);
        if (*what == 'g') {
            struct entry e;
            buf out = BUF_INIT;
            rc = keyspace_get(ks, d, key, KS_TOUCH, &e);
            if (rc == OK) {
                const struct type *t = e.value.type == TYPE_HASH ? &type_hash : &type_string;
                if (e.value.type == t->id) rc = t->dump(&e.value, &out);
            }
            buf_free(&out);
        } else if (*what == 'h') {
            slice args[2] = {slice_str(names[i % 2]), SLICE("v")};
            effect e = {.target = EFFECT_VALUE, .type = TYPE_HASH, .op = HASH_SET, .db = id,
                        .key = key, .args = args, .argc = 2};
            struct entry x;
            rc = keyspace_get(ks, d, key, 0, &x);
            if (rc == OK && x.value.type == TYPE_HASH) rc = keyspace_apply(ks, &e, true);
        } else if (*what == 'd') {
            effect e = {.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = id, .key = key};
            rc = keyspace_apply(ks, &e, true);
        } else {
            uint8_t digest[20];
            rc = keyspace_digest(ks, digest);
        }
        if (rc != ERR_COLD || !wait_for(ks, in, &held)) break;
    }
    keyspace_want_reset(ks);
    keyspace_wait_end(ks, held);
}

static void on_location(void *cookie, location l) {
    *(uint64_t *)cookie += l;
}

static void walk(struct input *in) {
    reach *r = reach_start(in->catalogue);
    if (r == NULL) return;
    uint64_t sum = 0;
    for (int i = 0; i < FETCHES_MAX; i++) {
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
    type_add(&w->types, &type_string);
    type_add(&w->types, &type_hash);
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
            use(ks, &in, ids.at[i], SLICE("string"), "get");
            use(ks, &in, ids.at[i], SLICE("small"), "get");
            use(ks, &in, ids.at[i], SLICE("large"), "get");
            use(ks, &in, ids.at[i], SLICE("small"), "hset");
            use(ks, &in, ids.at[i], SLICE("large"), "hset");
            use(ks, &in, ids.at[i], SLICE("large"), "del");
        }
        if (ids.n > 0) use(ks, &in, ids.at[0], SLICE(""), "all");
        char why[160];
        (void)keyspace_check(ks, why);
    }
    free(copy);
    while (in.queued > 0) answer(ks, &in);
    keyspace_free(ks);
    mem_free(w);
    return 0;
}
