/* tier_test.c -- random histories of the whole tier over a store with faults.
 *
 * Every transaction also sets the key "n" of database 0 to its number, so a recovered state says of
 * which prefix of the history it is; it must then be that prefix exactly: no acknowledged
 * transaction missing, none half, in every database, fork and snapshot.
 *
 *   COVE_SEED=n    one history alone         COVE_ROUNDS=n   how many more seeds        */
#include "sim.c"

#include <stdlib.h>

#define NUMBERS 3
#define KEYS 12
#define FORKS 2
#define PINS 3
#define HISTORY_MAX 6000
#define NOTHING 0u

typedef uint32_t table[KEYS]; /* values by key; NOTHING: absent */

struct state {
    table number[NUMBERS];
    bool forked[FORKS], pinned[PINS];
    table fork[FORKS];
    struct {
        table number[NUMBERS];
        bool counted; /* "n" was there */
        uint32_t n;
    } pin[PINS];
};

struct history {
    sim_node *former; /* was stopped while another opened the store: must not answer */
    struct state *at;      /* at[i]: after transaction i */
    uint64_t *lsn;
    uint32_t count, acked; /* acked: transactions whose LSN was durable at some time */
    uint32_t safety;
    rnd rnd;
    sim *s;
    sim_node *owner;
    bool faults;
    const char *what;
    size_t rewritten;      /* times that packs were */
};

static struct history *history_create(uint64_t seed) {
    struct history *h = mem_calloc(1, sizeof(*h));
    h->at = mem_calloc(HISTORY_MAX + 1, sizeof(*h->at));
    h->lsn = mem_calloc(HISTORY_MAX + 1, sizeof(*h->lsn));
    rnd_seed(&h->rnd, seed);
    h->s = sim_create(rnd_u64(&h->rnd));
    return h;
}

static void history_free(struct history *h) {
    sim_free(h->s);
    mem_free(h->at);
    mem_free(h->lsn);
    mem_free(h);
}

static unsigned draw(struct history *h, unsigned n) { return (unsigned)rnd_below(&h->rnd, n); }

/* Mostly small; some have pages of their own. */
static void value_of(uint32_t v, buf *out) {
    size_t n = v % 17 == 0 ? 70000 + v % 5000 : v % 5 == 0 ? 2000 : 20;
    out->n = 0;
    while (out->n < n) buf_printf(out, "%u.", v);
}

static void key_of(unsigned k, char out[16]) { snprintf(out, 16, "k%u", k); }
static void name_of(const char *what, unsigned i, char out[32]) { snprintf(out, 32, "%s%u", what, i); }

/* ---- writing ------------------------------------------------------------------------------------ */

static void acknowledge(void *cookie) {
    struct history *h = cookie;
    uint64_t durable = tier_durable(h->owner->tier, ACK_STORE);
    while (h->acked < h->count && h->lsn[h->acked + 1] != 0 && h->lsn[h->acked + 1] <= durable)
        h->acked++;
}

static int put(struct history *h, db *d, const char *key, slice value) {
    slice args[2] = {value, slice_make(NULL, 0)};
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_SET, .db = db_id(d), .key = slice_str(key),
                .args = args, .argc = 2};
    return sim_effect(h->owner, &e);
}

static db *any_db(struct history *h, struct state *x, table **t) {
    sim_node *n = h->owner;
    unsigned i = draw(h, NUMBERS + FORKS);
    char name[32];
    if (i >= NUMBERS && x->forked[i - NUMBERS]) {
        name_of("fork", i - NUMBERS, name);
        *t = &x->fork[i - NUMBERS];
        db *d = keyspace_db_named(n->ks, slice_str(name));
        CHECK(d != NULL);
        return d;
    }
    *t = &x->number[i % NUMBERS];
    return keyspace_db(n->ks, (int)(i % NUMBERS));
}

static int change_key(struct history *h, struct state *x, uint32_t v) {
    table *t, *to;
    db *d = any_db(h, x, &t), *other = any_db(h, x, &to);
    unsigned k = draw(h, KEYS), k2 = draw(h, KEYS);
    char key[16], key2[16];
    key_of(k, key);
    key_of(k2, key2);
    unsigned what = draw(h, 10);
    if (what < 6) {
        buf b = BUF_INIT;
        value_of(v, &b);
        int rc = put(h, d, key, slice_of(&b));
        buf_free(&b);
        (*t)[k] = v;
        return rc;
    }
    if (what < 8) {
        effect e = {.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = db_id(d), .key = slice_str(key)};
        int rc = sim_effect(h->owner, &e);
        if (rc == ERR_FENCED) return rc;
        CHECK_INT(rc, (*t)[k] == NOTHING ? ERR_NOTFOUND : OK);
        (*t)[k] = NOTHING;
        return OK;
    }
    if (d == other && k == k2) return OK;
    uint8_t id[8];
    put_u64(id, db_id(other));
    slice args[2] = {slice_make(id, 8), slice_str(key2)};
    effect e = {.target = EFFECT_ENTRY, .op = what == 8 ? ENTRY_MOVE : ENTRY_COPY, .db = db_id(d),
                .key = slice_str(key), .args = args, .argc = 2};
    int rc = sim_effect(h->owner, &e);
    if (rc == ERR_FENCED) return rc;
    CHECK_INT(rc, (*t)[k] == NOTHING ? ERR_NOTFOUND : OK);
    if (rc == OK) {
        (*to)[k2] = (*t)[k];
        if (what == 8) (*t)[k] = NOTHING;
    }
    return OK;
}

/* What needs a moment comes first in its transaction. False: not now. */
static bool change_snapshots(struct history *h, struct state *x, uint32_t v) {
    sim_node *n = h->owner;
    unsigned i = draw(h, PINS), f = draw(h, FORKS);
    char pin_name[32], fork_name[32], safety[NAME_BYTES_MAX + 1];
    name_of("pin", i, pin_name);
    name_of("fork", f, fork_name);
    struct snapshot_info info;
    int rc;
    switch (draw(h, 6)) {
    case 0:
    case 1:
        rc = tier_snapshot_create(n->tier, slice_str(pin_name), false, &info);
        if (rc == ERR_COLD) return false;
        CHECK_INT(rc, x->pinned[i] ? ERR_EXISTS : OK);
        if (rc != OK) return true;
        x->pinned[i] = true;
        memcpy(x->pin[i].number, x->number, sizeof(x->number));
        x->pin[i].counted = v > 1;
        x->pin[i].n = v - 1;
        return true;
    case 2:
        rc = tier_snapshot_delete(n->tier, slice_str(pin_name));
        CHECK_INT(rc, x->pinned[i] ? OK : ERR_NOTFOUND);
        x->pinned[i] = false;
        return true;
    case 3:
        rc = tier_snapshot_fork(n->tier, slice_str(pin_name), keyspace_db(n->ks, 1),
                                slice_str(fork_name));
        CHECK_INT(rc, !x->pinned[i] ? ERR_NOTFOUND : x->forked[f] ? ERR_EXISTS : OK);
        if (rc != OK) return true;
        x->forked[f] = true;
        memcpy(x->fork[f], x->pin[i].number[1], sizeof(table));
        return true;
    case 4:
        rc = tier_db_drop(n->tier, slice_str(fork_name));
        CHECK_INT(rc, x->forked[f] ? OK : ERR_NOTFOUND);
        x->forked[f] = false;
        return true;
    default:
        if (!x->pinned[i]) return true;
        rc = tier_snapshot_restore(n->tier, slice_str(pin_name), safety);
        if (rc == ERR_COLD) return false;
        CHECK_INT(rc, OK);
        memcpy(x->number, x->pin[i].number, sizeof(x->number));
        /* The safety snapshot is looked at, and goes. */
        CHECK_INT(tier_snapshot_info(n->tier, slice_str(safety), &info), OK);
        CHECK_INT(tier_snapshot_delete(n->tier, slice_str(safety)), OK);
        return true;
    }
}

static int change_db(struct history *h, struct state *x) {
    sim_node *n = h->owner;
    unsigned a = draw(h, NUMBERS), b = draw(h, NUMBERS), what = draw(h, 4), f = draw(h, FORKS);
    if (what < 2 && x->forked[f]) {
        char name[32];
        name_of("fork", f, name);
        memset(x->fork[f], 0, sizeof(table));
        return tier_db_flush(n->tier, keyspace_db_named(n->ks, slice_str(name)));
    }
    if (what < 3) {
        memset(x->number[a], 0, sizeof(table));
        return tier_db_flush(n->tier, keyspace_db(n->ks, (int)a));
    }
    table t;
    memcpy(t, x->number[a], sizeof(t));
    memcpy(x->number[a], x->number[b], sizeof(t));
    memcpy(x->number[b], t, sizeof(t));
    return tier_db_swap(n->tier, (int)a, (int)b);
}

/* "n" moves with database 0: every transaction ends by setting it anew, and by clearing it elsewhere it
 * never is compared there. */
static void transact(struct history *h) {
    sim_node *n = h->owner;
    const char *reply;
    if (h->count >= HISTORY_MAX || tier_admit(n->tier, &reply) != OK) return;
    uint32_t v = h->count + 1;
    struct state x = h->at[h->count];
    tier_txn_begin(n->tier);
    unsigned what = draw(h, 40);
    int rc = OK;
    if (what == 0 || what == 39) {
        rc = change_db(h, &x);
    } else if (what < 4) {
        if (!change_snapshots(h, &x, v)) {
            tier_txn_end(n->tier);
            return;
        }
    } else {
        for (unsigned i = draw(h, 4) + 1; i > 0 && rc == OK; i--) rc = change_key(h, &x, v);
    }
    char digits[16];
    size_t digits_n = (size_t)snprintf(digits, sizeof(digits), "%u", v);
    if (rc == OK) rc = put(h, keyspace_db(n->ks, 0), "n", slice_make(digits, digits_n));
    if (n->fatal || rc == ERR_FENCED) return; /* the process has ended inside a transaction */
    CHECK_INT(rc, OK);
    h->at[v] = x;
    h->count = v;
    h->lsn[v] = 0;
    uint64_t lsn = tier_txn_end(n->tier);
    CHECK(lsn != 0);
    h->lsn[v] = lsn;
    if (draw(h, 8) != 0) tier_want_durable(n->tier, lsn); /* most clients wait, some do not */
    acknowledge(h);
}

/* ---- checking ----------------------------------------------------------------------------------- */

static void expect_table(struct history *h, db *d, const table t, const char *what) {
    sim_node *n = h->owner;
    buf want = BUF_INIT, got = BUF_INIT, value = BUF_INIT;
    for (unsigned k = 0; k < KEYS; k++) {
        char key[16];
        key_of(k, key);
        got.n = want.n = 0;
        int rc = sim_get(n, d, key, &got);
        if (rc == ERR_FENCED) break;
        if (t[k] == NOTHING) {
            if (rc != ERR_NOTFOUND)
                test_fail(__FILE__, __LINE__, "%s: %s of %s is there: %s (n %u)", h->what, key, what,
                          err_text(rc), h->count);
            continue;
        }
        if (rc != OK)
            test_fail(__FILE__, __LINE__, "%s: %s of %s: %s, expected value %u (n %u)", h->what, key, what,
                      err_text(rc), t[k], h->count);
        value_of(t[k], &value);
        struct value v = {.type = TYPE_STRING, .kind = VALUE_RAW, .raw = slice_of(&value)};
        CHECK_INT(type_string.dump(&v, &want), OK);
        if (!slice_eq(slice_of(&want), slice_of(&got)))
            test_fail(__FILE__, __LINE__, "%s: %s of %s is not value %u (n %u)", h->what, key, what,
                      t[k], h->count);
    }
    buf_free(&want);
    buf_free(&got);
    buf_free(&value);
}

static void expect_state(struct history *h) {
    sim_node *n = h->owner;
    const struct state *x = &h->at[h->count];
    char name[32];
    for (unsigned i = 0; i < NUMBERS; i++) {
        name_of("db", i, name);
        expect_table(h, keyspace_db(n->ks, (int)i), x->number[i], name);
    }
    for (unsigned i = 0; i < FORKS; i++) {
        name_of("fork", i, name);
        db *d = keyspace_db_named(n->ks, slice_str(name));
        if ((d != NULL) != x->forked[i])
            test_fail(__FILE__, __LINE__, "%s: %s is %s", h->what, name, d ? "there" : "absent");
        if (d != NULL) expect_table(h, d, x->fork[i], name);
    }
    for (unsigned i = 0; i < PINS; i++) {
        struct snapshot_info info;
        name_of("pin", i, name);
        int rc = tier_snapshot_info(n->tier, slice_str(name), &info);
        if ((rc == OK) != x->pinned[i])
            test_fail(__FILE__, __LINE__, "%s: snapshot %s: %s", h->what, name, err_text(rc));
    }
    char why[160];
    if (keyspace_check(n->ks, why) != OK) test_fail(__FILE__, __LINE__, "%s: %s", h->what, why);
}

/* The number of the last transaction that the recovered state holds. */
static uint32_t recovered(struct history *h) {
    buf got = BUF_INIT, want = BUF_INIT;
    int rc = sim_get(h->owner, keyspace_db(h->owner->ks, 0), "n", &got);
    uint32_t found = UINT32_MAX;
    if (rc == ERR_NOTFOUND) found = 0;
    else if (rc != OK) test_fail(__FILE__, __LINE__, "%s: n: %s", h->what, err_text(rc));
    for (uint32_t v = h->count; v >= 1 && found == UINT32_MAX; v--) {
        char digits[16];
        size_t n = (size_t)snprintf(digits, sizeof(digits), "%u", v);
        struct value x = {.type = TYPE_STRING, .kind = VALUE_INT, .num = v};
        want.n = 0;
        (void)n;
        CHECK_INT(type_string.dump(&x, &want), OK);
        if (slice_eq(slice_of(&want), slice_of(&got))) found = v;
    }
    if (found == UINT32_MAX) test_fail(__FILE__, __LINE__, "%s: n was never written", h->what);
    buf_free(&got);
    buf_free(&want);
    return found;
}

static void quiet(struct history *h) {
    struct mem_faults f = {.latency_min_us = 300, .latency_max_us = 3000, .late_max_us = 1000000,
                           .timeout_us = 200000};
    mem_world_set_faults(h->s->world, &f);
}

static void weather(struct history *h) {
    struct mem_faults f = {.latency_min_us = 300, .latency_max_us = 1000 + draw(h, 30000),
                           .late_max_us = 3000000, .timeout_us = 100000 + draw(h, 400000)};
    if (h->faults) {
        f.lose_request = 0.01 * draw(h, 8);
        f.lose_reply = 0.01 * draw(h, 8);
        f.late = 0.01 * draw(h, 8);
        f.fail = 0.01 * draw(h, 6);
        f.throttle = 0.01 * draw(h, 6);
        f.truncate = 0.005 * draw(h, 6);
        f.flip = 0.005 * draw(h, 6);
    }
    mem_world_set_faults(h->s->world, &f);
}

static void open_owner(struct history *h) {
    for (int tries = 0;; tries++) {
        sim_node *n = sim_node_create(h->s);
        n->config.checkpoint_interval_s = draw(h, 3) == 0 ? 1 : 60;
        n->config.checkpoint_log_bytes = draw(h, 3) == 0 ? 200000 : 64 << 20;
        n->config.gc_grace_s = draw(h, 2) == 0 ? 0 : 2;
        n->config.gc_compact_percent = draw(h, 4) == 0 ? 40 : 100;
        n->durable = acknowledge;
        n->cookie = h;
        h->owner = n;
        if (sim_open_wait(n)) break;
        if (!h->faults || tries == 50) test_fail(__FILE__, __LINE__, "%s: %s", h->what, n->why);
        sim_node_kill(n);
    }
    /* Acknowledged is acknowledged, whatever came later; nobody else acknowledges any more. */
    uint32_t acked = h->acked, got = recovered(h);
    if (got < acked)
        test_fail(__FILE__, __LINE__, "%s: %u acknowledged, %u recovered", h->what, acked, got);
    h->count = h->acked = got;
    expect_state(h);
}

/* ---- histories ------------------------------------------------------------------------------------ */

static void collect_done(void *cookie, int rc, const struct gc_result *r) {
    (void)cookie;
    (void)rc;
    (void)r;
}

static void live(struct history *h, unsigned steps) {
    uint64_t rewritten = h->owner->tier->stats.compact_packs;
    for (unsigned i = 0; i < steps && !h->owner->fatal; i++) {
        unsigned what = draw(h, 100);
        if (what < 60) transact(h);
        if (h->owner->fatal) break;
        if (what == 60) keyspace_drop_clean(h->owner->ks);
        if (what == 61) tier_want_checkpoint(h->owner->tier);
        if (what == 62 || what == 65) tier_gc(h->owner->tier, false, collect_done, NULL);
        if (what == 63) weather(h);
        if (what == 64) for (int k = 0; k < 20; k++) sim_step(h->s, 100000);
        sim_step(h->s, draw(h, 4) == 0 ? draw(h, 20000) : draw(h, 500));
        if (h->former != NULL) CHECK(!tier_may_answer(h->former->tier));
        if (h->owner->tier->stats.compact_packs > rewritten) h->rewritten++;
        rewritten = h->owner->tier->stats.compact_packs;
        log_check(h->owner->tier);
        packs_check(&h->owner->tier->packs);
    }
}

static size_t crash_history(uint64_t seed, bool faults) {
    char what[64];
    snprintf(what, sizeof(what), "seed %llu%s", (unsigned long long)seed, faults ? " with faults" : "");
    struct history *h = history_create(seed * 2 + faults);
    h->what = what;
    h->faults = faults;
    weather(h);
    open_owner(h);
    for (unsigned life = 0; life < 6; life++) {
        live(h, 30 + draw(h, 250));
        if (h->owner->fatal) test_fail(__FILE__, __LINE__, "%s: %s", what, h->owner->why);
        if (draw(h, 4) == 0) expect_state(h);
        sim_node_kill(h->owner);
        for (unsigned i = draw(h, 10); i > 0; i--) sim_step(h->s, draw(h, 100000));
        weather(h);
        open_owner(h);
    }
    /* All is well in the end: settled, stored, read back alike. */
    quiet(h);
    uint8_t before[20], after[20];
    CHECK_INT(sim_checkpoint(h->owner), OK);
    CHECK_INT(sim_digest(h->owner, before), OK);
    sim_node_kill(h->owner);
    open_owner(h);
    CHECK_INT(sim_digest(h->owner, after), OK);
    if (memcmp(before, after, 20) != 0) test_fail(__FILE__, __LINE__, "%s: digests differ", what);
    size_t rewritten = h->rewritten;
    history_free(h);
    return rewritten;
}

/* An owner is stopped in the middle of its work, another opens and works, the first goes on. */
static size_t takeover_history(uint64_t seed, bool faults) {
    char what[64];
    snprintf(what, sizeof(what), "seed %llu%s, two owners", (unsigned long long)seed,
             faults ? " with faults" : "");
    struct history *h = history_create(seed * 2 + faults + 1000000);
    h->what = what;
    h->faults = faults;
    weather(h);
    open_owner(h);
    for (unsigned life = 0; life < 4; life++) {
        live(h, 20 + draw(h, 150));
        if (h->owner->fatal) test_fail(__FILE__, __LINE__, "%s: %s", what, h->owner->why);
        sim_node *old = h->owner;
        objstore_mem_pause(old->store, true);
        old->stopped = draw(h, 2) == 0; /* The process, or only its requests. */
        uint64_t stopped_us = clock_mono_us(&h->s->clock.base);
        old->durable = NULL; /* What it confirms from here on is checked below. */
        weather(h);
        uint32_t had = h->count;
        uint64_t *lsn = mem_calloc(had + 2, sizeof(*lsn));
        memcpy(lsn, h->lsn, (had + 1) * sizeof(*lsn));
        open_owner(h);
        /* The first of its transactions that the new owner does not have: never to be confirmed. */
        uint64_t lost = h->count < had ? lsn[h->count + 1] : UINT64_MAX;
        mem_free(lsn);
        live(h, draw(h, 60));
        objstore_mem_pause(old->store, false);
        if (old->stopped) { /* Long enough to be noticed: then it answers nothing at all any more. */
            while (clock_mono_us(&h->s->clock.base) - stopped_us <= 1000000) sim_step(h->s, 100000);
            h->former = old;
        }
        old->stopped = false;
        live(h, 20 + draw(h, 100));
        h->former = NULL;
        if (tier_durable(old->tier, ACK_STORE) >= lost)
            test_fail(__FILE__, __LINE__, "%s: the former owner acknowledged", what);
        if (!old->fatal) { /* It has had nothing to send: its next write finds out. */
            slice args[2] = {SLICE("stale"), slice_make(NULL, 0)};
            effect e = {.target = EFFECT_ENTRY, .op = ENTRY_SET, .db = db_id(keyspace_db(old->ks, 3)),
                        .key = SLICE("z"), .args = args, .argc = 2};
            tier_txn_begin(old->tier);
            (void)tier_effect(old->tier, &e); /* cold is fine: then there is nothing to send */
            uint64_t stale = tier_txn_end(old->tier);
            tier_want_checkpoint(old->tier);
            if (stale != 0 && stale < lost) lost = stale;
            if (stale != 0 && !sim_until(h->s, &old->fatal, 120))
                test_fail(__FILE__, __LINE__, "%s: the former owner did not find out", what);
        }
        if (old->fatal) CHECK_INT(old->fatal_status, 3);
        if (tier_durable(old->tier, ACK_STORE) >= lost)
            test_fail(__FILE__, __LINE__, "%s: the former owner acknowledged", what);
        sim_node_kill(old);
        if (h->owner->fatal) test_fail(__FILE__, __LINE__, "%s: %s", what, h->owner->why);
    }
    sim_node_kill(h->owner);
    quiet(h);
    open_owner(h);
    size_t rewritten = h->rewritten;
    history_free(h);
    return rewritten;
}

/* Packs are rewritten in every tenth history at least, or this tests less than it says. */
static void each_seed(unsigned count, size_t (*run)(uint64_t seed, bool faults), bool faults) {
    const char *one = getenv("COVE_SEED"), *rounds = getenv("COVE_ROUNDS");
    if (one != NULL && one[0] != '\0') {
        run(strtoull(one, NULL, 10), faults);
        return;
    }
    if (rounds != NULL && rounds[0] != '\0') count *= (unsigned)strtoul(rounds, NULL, 10);
    size_t rewritten = 0;
    for (uint64_t seed = 1; seed <= count; seed++) rewritten += run(seed, faults);
    CHECK(rewritten >= count / 10);
}

TEST_LONG("crashes in a calm world: a prefix, and all that was acknowledged", 3600) {
    each_seed(40, crash_history, false);
}
TEST_LONG("crashes with lost, late, failed and damaged requests", 3600) {
    each_seed(80, crash_history, true);
}
TEST_LONG("two owners in a calm world never both acknowledge", 3600) {
    each_seed(40, takeover_history, false);
}
TEST_LONG("two owners with lost, late, failed and damaged requests", 3600) {
    each_seed(80, takeover_history, true);
}
