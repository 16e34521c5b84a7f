/* model_test.c -- the whole keyspace against a naive map: random changes, checkpoints
 * that fail and succeed while the changes go on, eviction, fetches in any order and
 * failing ones, forks, frozen states, and restarts that replay the log over cold pages.
 *
 * It mirrors no file: it drives the layer through keyspace.h alone.
 *
 *   COVE_SEED=n repeats one round; COVE_ROUNDS=n makes more of them. */
#include "ks_util.h"

#define KEYS 300
#define FIELDS 20
#define NUMBERED 3
#define DBS 6 /* the rest are forks */
#define NONE UINT32_MAX

struct bytes {
    uint32_t seed, n;
}; /* n NONE: not there */

struct mval {
    int kind; /* 0 none, 1 string, 2 hash */
    buf str;
    struct bytes fields[FIELDS];
    int64_t times[FIELDS]; /* of fields; 0: none */
    int64_t expire;
};
struct mdb {
    bool used;
    struct mval *v;
};

struct model {
    struct world *w;
    struct mdb dbs[DBS];
    buf log;
    size_t *ends; /* of each effect in log */
    size_t ends_n, ends_cap, log_base;
    uint64_t lsn;
    frozen *held;
    struct mdb held_dbs[DBS];
    uint64_t held_ids[DBS];
    int walking;
};

static uint64_t below(struct model *m, uint64_t n) {
    return rnd_below(&m->w->rnd, n);
}

static void fill(buf *out, struct bytes b) {
    out->n = 0;
    buf_reserve(out, b.n + 1);
    for (uint32_t i = 0; i < b.n; i++) out->p[i] = (uint8_t)('a' + (i * 7 + b.seed) % 26);
    out->n = b.n;
}

static slice key_bytes(buf *tmp, size_t i) {
    tmp->n = 0;
    buf_printf(tmp, "key-%zu", i);
    if (i % 40 == 3)
        while (tmp->n < 2000) buf_append_str(tmp, "-a-long-key");
    if (i % 150 == 11)
        while (tmp->n < 30000) buf_append_str(tmp, "-a-very-long-key");
    return slice_of(tmp);
}

/* ---- the map ----------------------------------------------------------------------- */

static void mval_clear(struct mval *v) {
    buf_free(&v->str);
    v->kind = 0;
    v->expire = -1;
    for (int i = 0; i < FIELDS; i++) v->fields[i].n = NONE;
}

static void mval_copy(struct mval *to, const struct mval *from) {
    mval_clear(to);
    *to = *from;
    to->str = BUF_INIT;
    buf_append_slice(&to->str, slice_of(&from->str));
}

static void mdb_make(struct mdb *d) {
    d->used = true;
    d->v = calloc(KEYS, sizeof(*d->v));
    for (int i = 0; i < KEYS; i++) mval_clear(&d->v[i]);
}

static void mdb_free(struct mdb *d) {
    if (!d->used) return;
    for (int i = 0; i < KEYS; i++) mval_clear(&d->v[i]);
    free(d->v);
    d->used = false;
}

static void mdb_copy(struct mdb *to, const struct mdb *from) {
    mdb_make(to);
    for (int i = 0; i < KEYS; i++) mval_copy(&to->v[i], &from->v[i]);
}

static const char *fork_name(int i) {
    static const char *const names[DBS] = {"", "", "", "fork-a", "fork-b", "fork-c"};
    return names[i];
}

static db *real_db(struct model *m, int i) {
    return i < NUMBERED ? keyspace_db(m->w->ks, i)
                        : keyspace_db_named(m->w->ks, slice_str(fork_name(i)));
}

static int some_db(struct model *m) {
    int i;
    do i = (int)below(m, DBS);
    while (!m->dbs[i].used);
    return i;
}

/* ---- comparing --------------------------------------------------------------------- */

static int fields_of(const struct mval *v) {
    int n = 0;
    for (int i = 0; i < FIELDS; i++) n += v->fields[i].n != NONE;
    return n;
}

/* OK when equal; ERR_COLD. */
static int compare_value(const struct entry *e, const struct mval *v) {
    buf got = BUF_INIT;
    int rc = OK;
    if (e->expire_ms != v->expire)
        test_fail(__FILE__, __LINE__, "expiry %" PRId64 ", expected %" PRId64,
                  e->expire_ms, v->expire);
    if (v->kind == 1) {
        CHECK_INT(e->value.type, TYPE_STRING);
        rc = string_read(&e->value, 0, UINT64_MAX, &got);
        if (rc == OK) {
            CHECK_INT(string_len(&e->value), v->str.n);
            CHECK(slice_eq(slice_of(&got), slice_of(&v->str)));
        }
    } else {
        CHECK_INT(e->value.type, TYPE_HASH);
        CHECK_INT(hash_len(&e->value), fields_of(v));
        for (int i = 0; i < FIELDS && rc == OK; i++) {
            char name[16], tmp[NUM_LL_MAX];
            int n = snprintf(name, sizeof(name), "field%d", i);
            slice val;
            int64_t expire_ms;
            rc = hash_get_timed(&e->value, slice_make(name, (size_t)n), &val, &expire_ms, tmp);
            if (rc == OK) {
                CHECK(v->fields[i].n != NONE);
                CHECK_INT(expire_ms, v->times[i]);
                fill(&got, v->fields[i]);
                CHECK(slice_eq(val, slice_of(&got)));
            } else if (rc == ERR_NOTFOUND) {
                CHECK(v->fields[i].n == NONE);
                rc = OK;
            }
        }
    }
    buf_free(&got);
    return rc;
}

static void compare_key(struct model *m, db *d, const struct mdb *md, size_t i) {
    buf key = BUF_INIT;
    key_bytes(&key, i);
    ks_wait *held = NULL;
    for (int round = 0;; round++) {
        CHECK(round < 1000);
        keyspace_want_reset(m->w->ks);
        struct entry e;
        int rc = keyspace_get(m->w->ks, d, slice_of(&key), KS_EXPIRED | KS_TOUCH, &e);
        if (rc == OK) {
            if (md->v[i].kind == 0) test_fail(__FILE__, __LINE__, "key %zu is there", i);
            rc = compare_value(&e, &md->v[i]);
        } else if (rc == ERR_NOTFOUND) {
            if (md->v[i].kind != 0)
                test_fail(__FILE__, __LINE__, "key %zu is missing", i);
            rc = OK;
        }
        if (rc == OK) break;
        CHECK_INT(rc, ERR_COLD);
        int fetched;
        ks_wait *next = world_wait(m->w, &fetched);
        keyspace_wait_end(m->w->ks, held);
        held = next;
    }
    keyspace_want_reset(m->w->ks);
    keyspace_wait_end(m->w->ks, held);
    buf_free(&key);
}

static void compare_counts(struct model *m) {
    for (int i = 0; i < DBS; i++) {
        if (!m->dbs[i].used) continue;
        uint64_t keys = 0, expires = 0;
        for (int k = 0; k < KEYS; k++) {
            keys += m->dbs[i].v[k].kind != 0;
            expires += m->dbs[i].v[k].kind != 0 && m->dbs[i].v[k].expire >= 0;
        }
        CHECK_INT(db_keys(real_db(m, i)), keys);
        CHECK_INT(db_expires(real_db(m, i)), expires);
    }
}

static void compare_all(struct model *m) {
    compare_counts(m);
    for (int i = 0; i < DBS; i++)
        for (size_t k = 0; m->dbs[i].used && k < KEYS; k++)
            compare_key(m, real_db(m, i), &m->dbs[i], k);
}

/* ---- changing ---------------------------------------------------------------------- */

static void log_effect(struct model *m, const effect *e) {
    effect_encode(&m->log, e);
    if (m->ends_n == m->ends_cap) {
        m->ends_cap = m->ends_cap == 0 ? 256 : m->ends_cap * 2;
        m->ends = realloc(m->ends, m->ends_cap * sizeof(*m->ends));
    }
    m->ends[m->ends_n++] = m->log.n;
}

static void apply(struct model *m, effect *e, bool there) {
    int rc = world_apply(m->w, e);
    CHECK_INT(rc, there ? OK : ERR_NOTFOUND);
    if (rc == OK) log_effect(m, e);
}

static struct bytes some_bytes(struct model *m) {
    struct bytes b = {(uint32_t)below(m, 1000000), (uint32_t)below(m, 60)};
    uint64_t x = below(m, 100);
    if (x < 12) b.n = (uint32_t)below(m, 1500);
    if (x < 5) b.n = (uint32_t)below(m, 10000);
    if (x < 1) b.n = (uint32_t)below(m, 300000);
    return b;
}

static int64_t some_expiry(struct model *m) {
    return below(m, 3) != 0 ? -1 : (int64_t)(1800000000000 + below(m, 1000000));
}

static void op_set(struct model *m, db *d, struct mdb *md, size_t k, slice key) {
    struct mval *v = &md->v[k];
    mval_clear(v);
    v->kind = 1;
    struct bytes b = some_bytes(m);
    fill(&v->str, b);
    if (below(m, 8) == 0) {
        v->str.n = 0;
        buf_printf(&v->str, "%u", b.seed);
    }
    v->expire = some_expiry(m);
    uint8_t tmp[8];
    slice args[2] = {slice_of(&v->str), effect_expiry(tmp, v->expire)};
    effect e = world_effect(ENTRY_SET, d, key, args, 2);
    apply(m, &e, true);
}

static void op_append(struct model *m, db *d, struct mdb *md, size_t k, slice key) {
    struct mval *v = &md->v[k];
    if (v->kind == 2) return;
    struct bytes b = some_bytes(m);
    if (b.n == 0) return;
    v->kind = 1;
    buf more = BUF_INIT;
    fill(&more, b);
    buf_append_slice(&v->str, slice_of(&more));
    slice arg = slice_of(&more);
    effect e = world_effect(STRING_APPEND, d, key, &arg, 1);
    e.target = EFFECT_VALUE;
    e.type = TYPE_STRING;
    apply(m, &e, true);
    buf_free(&more);
}

static void op_hset(struct model *m, db *d, struct mdb *md, size_t k, slice key) {
    struct mval *v = &md->v[k];
    if (v->kind == 1) return;
    v->kind = 2;
    slice args[2 * FIELDS];
    char names[FIELDS][16];
    buf vals[FIELDS];
    size_t n = 0;
    bool many = below(m, 4) == 0;
    for (int i = 0; i < FIELDS; i++) {
        if (!many && i != (int)below(m, FIELDS) && (n != 0 || i != FIELDS - 1)) continue;
        struct bytes b = some_bytes(m);
        if (b.n > 20000) b.n = 20000;
        v->fields[i] = b;
        v->times[i] = 0;
        vals[n / 2] = BUF_INIT;
        fill(&vals[n / 2], b);
        int len = snprintf(names[n / 2], 16, "field%d", i);
        args[n] = slice_make(names[n / 2], (size_t)len);
        args[n + 1] = slice_of(&vals[n / 2]);
        n += 2;
    }
    effect e = world_effect(HASH_SET, d, key, args, n);
    e.target = EFFECT_VALUE;
    e.type = TYPE_HASH;
    apply(m, &e, true);
    for (size_t i = 0; i < n / 2; i++) buf_free(&vals[i]);
}

static void op_hexpire(struct model *m, db *d, struct mdb *md, size_t k, slice key) {
    struct mval *v = &md->v[k];
    if (v->kind != 2) return;
    slice args[1 + FIELDS];
    char names[FIELDS][16];
    uint8_t tmp[8];
    int64_t at = some_expiry(m);
    size_t n = 0;
    args[n++] = effect_expiry(tmp, at);
    for (int i = 0; i < FIELDS; i++) {
        if (below(m, 2) != 0 && (n > 1 || i != FIELDS - 1)) continue;
        v->times[i] = at < 0 ? 0 : at;
        int len = snprintf(names[n - 1], 16, "field%d", i);
        args[n] = slice_make(names[n - 1], (size_t)len);
        n++;
    }
    effect e = world_effect(HASH_EXPIRE, d, key, args, n);
    e.target = EFFECT_VALUE;
    e.type = TYPE_HASH;
    apply(m, &e, true);
}

static void op_hdel(struct model *m, db *d, struct mdb *md, size_t k, slice key) {
    struct mval *v = &md->v[k];
    if (v->kind != 2) return;
    slice args[FIELDS];
    char names[FIELDS][16];
    size_t n = 0;
    bool all = below(m, 3) == 0;
    for (int i = 0; i < FIELDS; i++) {
        if (v->fields[i].n == NONE || (!all && below(m, 3) != 0)) continue;
        v->fields[i].n = NONE;
        int len = snprintf(names[n], 16, "field%d", i);
        args[n] = slice_make(names[n], (size_t)len);
        n++;
    }
    if (n == 0) return;
    if (fields_of(v) == 0) mval_clear(v);
    effect e = world_effect(HASH_DEL, d, key, args, n);
    e.target = EFFECT_VALUE;
    e.type = TYPE_HASH;
    apply(m, &e, true);
}

static void op_transfer(struct model *m, db *d, struct mdb *md, size_t k, slice key) {
    int to = some_db(m);
    size_t tk = (size_t)below(m, KEYS);
    if (&m->dbs[to] == md && tk == k) return;
    buf tkey = BUF_INIT;
    uint8_t id[8];
    put_u64(id, db_id(real_db(m, to)));
    slice args[2] = {slice_make(id, 8), key_bytes(&tkey, tk)};
    bool move = below(m, 2) == 0;
    effect e = world_effect(move ? ENTRY_MOVE : ENTRY_COPY, d, key, args, 2);
    bool there = md->v[k].kind != 0;
    apply(m, &e, there);
    if (there) {
        mval_copy(&m->dbs[to].v[tk], &md->v[k]);
        if (move) mval_clear(&md->v[k]);
    }
    buf_free(&tkey);
}

static void op_expire(struct model *m, db *d, struct mdb *md, size_t k, slice key) {
    int64_t at = some_expiry(m);
    uint8_t tmp[8];
    slice arg = effect_expiry(tmp, at);
    effect e = world_effect(ENTRY_EXPIRE, d, key, &arg, 1);
    apply(m, &e, md->v[k].kind != 0);
    if (md->v[k].kind != 0) md->v[k].expire = at;
}

static void op_del(struct model *m, db *d, struct mdb *md, size_t k, slice key) {
    effect e = world_effect(ENTRY_DEL, d, key, NULL, 0);
    apply(m, &e, md->v[k].kind != 0);
    mval_clear(&md->v[k]);
}

static void op_catalogue(struct model *m) {
    int a = (int)below(m, NUMBERED), b = (int)below(m, NUMBERED);
    uint8_t x[4], y[4], id[8];
    put_u32(x, (uint32_t)a);
    put_u32(y, (uint32_t)b);
    put_u64(id, keyspace_next_db_id(m->w->ks));
    bool flush = below(m, 3) == 0;
    slice args[2] = {slice_make(x, 4), flush ? slice_make(id, 8) : slice_make(y, 4)};
    effect e = {.target = EFFECT_CATALOGUE,
                .op = flush ? CATALOGUE_FLUSH : CATALOGUE_SWAP,
                .args = args,
                .argc = 2};
    apply(m, &e, true);
    if (flush) {
        mdb_free(&m->dbs[a]);
        mdb_make(&m->dbs[a]);
    } else {
        struct mdb t = m->dbs[a];
        m->dbs[a] = m->dbs[b];
        m->dbs[b] = t;
    }
}

static void change(struct model *m) {
    int i = some_db(m);
    db *d = real_db(m, i);
    struct mdb *md = &m->dbs[i];
    size_t k = (size_t)below(m, KEYS);
    buf key = BUF_INIT;
    slice s = key_bytes(&key, k);
    uint64_t x = below(m, 1000);
    if (x < 350)
        op_set(m, d, md, k, s);
    else if (x < 450)
        op_append(m, d, md, k, s);
    else if (x < 650)
        op_hset(m, d, md, k, s);
    else if (x < 690)
        op_hexpire(m, d, md, k, s);
    else if (x < 740)
        op_hdel(m, d, md, k, s);
    else if (x < 820)
        op_transfer(m, d, md, k, s);
    else if (x < 900)
        op_expire(m, d, md, k, s);
    else if (x < 996)
        op_del(m, d, md, k, s);
    else
        op_catalogue(m);
    buf_free(&key);
}

/* ---- larger events ----------------------------------------------------------------- */

static void between(void *cookie) {
    struct model *m = cookie;
    if (below(m, 4) == 0) change(m);
    if (below(m, 16) == 0) keyspace_drop_clean(m->w->ks);
    keyspace_reap(m->w->ks, 100);
}

static void checkpoint(struct model *m, bool fail) {
    frozen *f = keyspace_freeze(m->w->ks);
    size_t mark = m->ends_n;
    uint64_t good = m->w->checkpoints;
    world_checkpoint(m->w, f, 1 + (size_t)below(m, 40), fail, between, m);
    frozen_put(m->w->ks, f);
    if (m->w->checkpoints == good) return;
    /* What came before the moment of the freeze is in the pages. */
    size_t bytes = mark == 0 ? 0 : m->ends[mark - 1];
    buf_consume(&m->log, bytes);
    for (size_t i = mark; i < m->ends_n; i++) m->ends[i - mark] = m->ends[i] - bytes;
    m->ends_n -= mark;
}

static void fork_one(struct model *m) {
    int slot = NUMBERED + (int)below(m, DBS - NUMBERED);
    if (m->dbs[slot].used) {
        slice name = slice_str(fork_name(slot));
        effect e = {
            .target = EFFECT_CATALOGUE, .op = CATALOGUE_DROP, .args = &name, .argc = 1};
        apply(m, &e, true);
        mdb_free(&m->dbs[slot]);
        return;
    }
    int from = some_db(m);
    frozen *f = keyspace_freeze(m->w->ks);
    CHECK_INT(keyspace_fork_frozen(m->w->ks, f, db_id(real_db(m, from)),
                                   keyspace_next_db_id(m->w->ks), fork_name(slot), -1),
              OK);
    frozen_put(m->w->ks, f);
    mdb_copy(&m->dbs[slot], &m->dbs[from]);
    checkpoint(
        m,
        false); /* A fork has no effect of its own here: what follows needs it stored. */
}

/* A frozen state is kept for a while, and is then as it was. */
static void hold(struct model *m) {
    if (m->held == NULL) {
        m->held = keyspace_freeze(m->w->ks);
        for (int i = 0; i < DBS; i++) {
            if (!m->dbs[i].used) continue;
            mdb_copy(&m->held_dbs[i], &m->dbs[i]);
            m->held_ids[i] = db_id(real_db(m, i));
        }
        return;
    }
    for (int i = 0; i < DBS; i++) {
        if (!m->held_dbs[i].used) continue;
        CHECK_INT(keyspace_fork_frozen(m->w->ks, m->held, m->held_ids[i],
                                       keyspace_next_db_id(m->w->ks), "held", -1),
                  OK);
        slice name = SLICE("held");
        db *d = keyspace_db_named(m->w->ks, name);
        for (size_t k = 0; k < KEYS; k++) compare_key(m, d, &m->held_dbs[i], k);
        effect e = {
            .target = EFFECT_CATALOGUE, .op = CATALOGUE_DROP, .args = &name, .argc = 1};
        CHECK_INT(keyspace_apply(m->w->ks, &e, true), OK);
        mdb_free(&m->held_dbs[i]);
    }
    frozen_put(m->w->ks, m->held);
    m->held = NULL;
}

static void settle(struct model *m) {
    for (int rounds = 0; keyspace_pending(m->w->ks) != 0; rounds++) {
        CHECK(rounds < 1000000);
        keyspace_pending_step(m->w->ks);
        (void)world_pump_one(m->w);
    }
}

/* All memory is lost: the catalogue, and the log after it. */
static void restart(struct model *m) {
    struct world *w = m->w;
    if (m->held != NULL) hold(m);
    uint8_t before[20], after[20];
    bool digest = below(m, 2) == 0;
    if (digest) CHECK_INT(world_digest(w, before), OK);
    while (world_pump_one(w)) {
    }
    keyspace_free(w->ks);
    w->ks = world_keyspace(w);
    if (w->catalogue.n != 0) CHECK_INT(keyspace_load(w->ks, slice_of(&w->catalogue)), OK);
    buf args = BUF_INIT;
    reader r = reader_make(slice_of(&m->log));
    while (reader_left(&r) != 0) {
        effect e;
        CHECK_INT(effect_decode(&r, &e, &args), OK);
        CHECK_INT(keyspace_replay(w->ks, &e, ++m->lsn), OK);
        if (below(m, 20) == 0) keyspace_pending_step(w->ks);
        if (below(m, 10) == 0) (void)world_pump_one(w);
    }
    buf_free(&args);
    compare_counts(m);
    /* Some keys are read, and some changed, before all is applied. */
    for (int i = 0; i < 30; i++) {
        int at = some_db(m);
        compare_key(m, real_db(m, at), &m->dbs[at], (size_t)below(m, KEYS));
        if (below(m, 3) == 0) change(m);
    }
    if (digest && below(m, 2) == 0) CHECK_INT(world_digest(w, after), OK);
    settle(m);
    world_check(w);
}

/* Replay over cold pages comes to the same as the memory that was lost. */
static void restart_equal(struct model *m) {
    uint8_t before[20], after[20];
    struct world *w = m->w;
    if (m->held != NULL) hold(m);
    CHECK_INT(world_digest(w, before), OK);
    while (world_pump_one(w)) {
    }
    keyspace_free(w->ks);
    w->ks = world_keyspace(w);
    if (w->catalogue.n != 0) CHECK_INT(keyspace_load(w->ks, slice_of(&w->catalogue)), OK);
    buf args = BUF_INIT;
    reader r = reader_make(slice_of(&m->log));
    while (reader_left(&r) != 0) {
        effect e;
        CHECK_INT(effect_decode(&r, &e, &args), OK);
        CHECK_INT(keyspace_replay(w->ks, &e, ++m->lsn), OK);
    }
    buf_free(&args);
    CHECK_INT(world_digest(w, after), OK);
    CHECK(memcmp(before, after, 20) == 0);
    settle(m); /* What waits in databases that are empty or gone. */
    CHECK_INT(world_digest(w, after), OK);
    CHECK(memcmp(before, after, 20) == 0);
}

static void on_reach(void *cookie, location l) {
    struct world *w = cookie;
    CHECK(world_slot(w, l).n > 0);
    struct pack *p = &w->packs[location_pack(l) - 1];
    /* Reached slots are marked in a bit of their length that no slot needs. */
    p->slots[location_slot(l)].n |= (size_t)1 << 40;
}

/* What the catalogue does not reach may go: nothing misses it, not even pages that were
 * changed while it was written, and that keep their bases. */
static void collect(struct model *m) {
    struct world *w = m->w;
    if (m->held != NULL) hold(m);
    keyspace_want_reset(w->ks);
    checkpoint(m, false);
    reach *r = reach_create();
    CHECK_INT(reach_add(r, slice_of(&w->catalogue)), OK);
    location want;
    int rc;
    const size_t bit = (size_t)1 << 40;
    while ((rc = reach_step(r, 3, on_reach, w, &want)) != OK) {
        if (rc == ERR_AGAIN) continue;
        CHECK_INT(rc, ERR_COLD);
        struct slot *s = &w->packs[location_pack(want) - 1].slots[location_slot(want)];
        CHECK_INT(reach_feed(r, slice_make(s->p, s->n & ~bit)), OK);
    }
    /* A second tree that shares all of the first costs no read. */
    CHECK_INT(reach_add(r, slice_of(&w->catalogue)), OK);
    while ((rc = reach_step(r, 3, on_reach, w, &want)) == ERR_AGAIN) {
    }
    CHECK_INT(rc, OK);
    reach_free(r);
    for (size_t i = 0; i < w->packs_n; i++)
        for (size_t k = 0; k < w->packs[i].n; k++) {
            struct slot *s = &w->packs[i].slots[k];
            if (!(s->n & bit)) {
                memset(s->p, 0xEE, s->n);
            }
            s->n &= ~bit;
        }
}

static void round_of(uint64_t seed, int steps) {
    struct model m = {.w = world_new(seed)};
    struct type string = type_string;
    string.along = seed % 2 == 0 ? 0 : 5;
    m.w->types.by_id[TYPE_STRING] = &string;
    printf("# seed %" PRIu64 "\n", seed);
    fflush(stdout);
    for (int i = 0; i < NUMBERED; i++) {
        mdb_make(&m.dbs[i]);
        (void)keyspace_db(m.w->ks, i);
    }
    for (int step = 0; step < steps; step++) {
        m.w->fail_percent = below(&m, 10) == 0 ? 20 : 0;
        uint64_t x = below(&m, 1000);
        if (x < 940)
            change(&m);
        else if (x < 955)
            checkpoint(&m, below(&m, 3) == 0);
        else if (x < 970)
            keyspace_drop_clean(m.w->ks);
        else if (x < 978)
            hold(&m);
        else if (x < 984)
            fork_one(&m);
        else if (x < 988)
            restart(&m);
        else if (x < 990)
            restart_equal(&m);
        else if (x < 992)
            collect(&m);
        else if (x < 995)
            world_check(m.w);
        else
            while (keyspace_reap(m.w->ks, 1000)) {
            }
    }
    if (m.held != NULL) hold(&m);
    compare_all(&m);
    world_check(m.w);
    while (keyspace_reap(m.w->ks, 1000)) {
    }
    for (int i = 0; i < DBS; i++) mdb_free(&m.dbs[i]);
    buf_free(&m.log);
    free(m.ends);
    world_free(m.w);
}

TEST_LONG(
    "the keyspace equals a naive map through changes, checkpoints, eviction and restarts",
    300) {
    const char *rounds = getenv("COVE_ROUNDS");
    int n = rounds != NULL && *rounds != 0 ? atoi(rounds) : 12;
    uint64_t seed = test_seed(0);
    if (seed != 0) {
        round_of(seed, 3000);
        return;
    }
    for (int i = 0; i < n; i++) round_of(1000 + (uint64_t)i, 3000);
}
