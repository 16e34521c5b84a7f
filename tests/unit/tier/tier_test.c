/* tier_test.c -- the whole tier over a store in memory: one scenario a test. */
#include "sim/sim.c"

#include "tier/tier.h"

static slice text(char out[64], const char *prefix, unsigned i) {
    return slice_make(out, (size_t)snprintf(out, 64, "%s-%u", prefix, i));
}

/* A value of n bytes that says which it is. */
static void big(buf *out, unsigned i, size_t n) {
    out->n = 0;
    while (out->n < n) buf_printf(out, "%u,", i * 7919u + (unsigned)out->n);
    out->n = n;
}

static void expect(sim_node *n, db *d, const char *key, slice want) {
    buf got = BUF_INIT, dump = BUF_INIT;
    int rc = sim_get(n, d, key, &got);
    if (rc != OK) test_fail(__FILE__, __LINE__, "%s: %s", key, err_text(rc));
    struct value v = {.type = TYPE_STRING, .kind = VALUE_RAW, .raw = want};
    CHECK_INT(type_string.dump(&v, &dump), OK);
    if (!slice_eq(slice_of(&got), slice_of(&dump)))
        test_fail(__FILE__, __LINE__, "%s is not \"%.*s\"", key, (int)(want.n > 40 ? 40 : want.n),
                  (const char *)want.p);
    buf_free(&got);
    buf_free(&dump);
}

static void expect_none(sim_node *n, db *d, const char *key) {
    buf got = BUF_INIT;
    CHECK_INT(sim_get(n, d, key, &got), ERR_NOTFOUND);
    buf_free(&got);
}

static sim_node *open_one(sim *s) {
    sim_node *n = sim_node_create(s);
    if (!sim_open_wait(n)) test_fail(__FILE__, __LINE__, "open: %s", n->why);
    return n;
}

static sim_node *restart(sim_node *n) {
    sim *s = n->s;
    sim_node_kill(n);
    return open_one(s);
}

TEST("an empty store opens, twice") {
    sim *s = sim_create(1);
    sim_node *n = open_one(s);
    CHECK_INT(tier_lsn(n->tier), tier_durable(n->tier, ACK_STORE));
    n = restart(n);
    CHECK_INT(n->tier->m.epoch, 2);
    sim_free(s);
}

TEST("a write is durable only once it is in the store, and is there after a crash") {
    sim *s = sim_create(2);
    sim_node *n = open_one(s);
    uint64_t lsn = sim_set(n, keyspace_db(n->ks, 0), "a", SLICE("1"));
    CHECK_INT(tier_lsn(n->tier), lsn);
    CHECK(tier_durable(n->tier, ACK_STORE) < lsn);
    CHECK_INT(tier_durable(n->tier, ACK_MEMORY), lsn);
    CHECK_INT(tier_key_lsn(n->tier, keyspace_hash(keyspace_db(n->ks, 0), SLICE("a"))), lsn);
    CHECK(sim_settle(n));
    n = restart(n);
    expect(n, keyspace_db(n->ks, 0), "a", SLICE("1"));
    CHECK(tier_lsn(n->tier) >= lsn + ((uint64_t)1 << 32) - 1); /* L13 */
    sim_free(s);
}

TEST("what was not durable at a crash may be absent, and nothing else") {
    sim *s = sim_create(3);
    sim_node *n = open_one(s);
    sim_set(n, keyspace_db(n->ks, 0), "a", SLICE("1"));
    CHECK(sim_settle(n));
    sim_set(n, keyspace_db(n->ks, 0), "a", SLICE("2")); /* never sealed */
    n = restart(n);
    expect(n, keyspace_db(n->ks, 0), "a", SLICE("1"));
    sim_free(s);
}

TEST("a transaction longer than a segment is whole or absent") {
    sim *s = sim_create(4);
    sim_node *n = open_one(s);
    db *d = keyspace_db(n->ks, 0);
    buf v = BUF_INIT;
    sim_set(n, d, "before", SLICE("x"));
    for (unsigned round = 0; round < 2; round++) {
        tier_txn_begin(n->tier);
        for (unsigned i = 0; i < 30; i++) { /* 30 x 900 KB: four segments */
            char key[64];
            text(key, "k", i);
            big(&v, i + round, 900000);
            slice args[2] = {slice_of(&v), slice_make(NULL, 0)};
            effect e = {.target = EFFECT_ENTRY, .op = ENTRY_SET, .db = db_id(d),
                        .key = slice_str(key), .args = args, .argc = 2};
            CHECK_INT(tier_effect(n->tier, &e), OK);
        }
        tier_txn_end(n->tier);
        if (round == 0) CHECK(sim_settle(n));
        if (round == 0) CHECK(n->tier->stats.segments > 2);
    }
    /* Of the second some segments arrive, the last does not. */
    for (int i = 0; i < 100000 && n->tier->log.confirm_seq + 2 > n->tier->log.next_seq; i++) {
        log_pump(n->tier);
        sim_step(s, 10);
    }
    sim_node_kill(n);
    for (int i = 0; i < 100; i++) sim_step(s, 100);
    n = open_one(s);
    d = keyspace_db(n->ks, 0);
    unsigned round = 9;
    for (unsigned i = 0; i < 30; i++) {
        char key[64];
        buf got = BUF_INIT;
        text(key, "k", i);
        CHECK_INT(sim_get(n, d, key, &got), OK);
        if (round == 9) {
            big(&v, i, 900000);
            struct value x = {.type = TYPE_STRING, .kind = VALUE_RAW, .raw = slice_of(&v)};
            buf dump = BUF_INIT;
            CHECK_INT(type_string.dump(&x, &dump), OK);
            round = slice_eq(slice_of(&dump), slice_of(&got)) ? 0 : 1;
            buf_free(&dump);
        }
        big(&v, i + round, 900000);
        expect(n, d, key, slice_of(&v));
        buf_free(&got);
    }
    buf_free(&v);
    sim_free(s);
}

TEST("after a checkpoint the data comes from packs, and the log before is not read") {
    sim *s = sim_create(5);
    sim_node *n = open_one(s);
    char key[64], value[64];
    buf v = BUF_INIT;
    for (unsigned i = 0; i < 2000; i++) {
        text(key, "key", i);
        sim_set(n, keyspace_db(n->ks, 0), key, text(value, "value", i));
    }
    for (unsigned i = 0; i < 20; i++) {
        text(key, "big", i);
        big(&v, i, 100000);
        sim_set(n, keyspace_db(n->ks, 1), key, slice_of(&v));
    }
    CHECK_INT(sim_checkpoint(n), OK);
    CHECK(n->tier->stats.packs_written > 0);
    CHECK(n->tier->m.log_start == n->tier->log.confirm_seq);
    uint8_t before[20], after[20];
    CHECK_INT(sim_digest(n, before), OK);
    n = restart(n);
    CHECK_INT(n->tier->stats.open_records, 0);
    CHECK_INT(db_keys(keyspace_db(n->ks, 0)), 2000);
    CHECK_INT(db_keys(keyspace_db(n->ks, 1)), 20);
    for (unsigned i = 0; i < 2000; i += 37) {
        text(key, "key", i);
        expect(n, keyspace_db(n->ks, 0), key, text(value, "value", i));
    }
    for (unsigned i = 0; i < 20; i++) {
        text(key, "big", i);
        big(&v, i, 100000);
        expect(n, keyspace_db(n->ks, 1), key, slice_of(&v));
    }
    CHECK(n->tier->stats.slots_read > 0);
    CHECK_INT(sim_digest(n, after), OK);
    CHECK(memcmp(before, after, 20) == 0);
    buf_free(&v);
    sim_free(s);
}

TEST("changes after a checkpoint, memory dropped in between, and a second checkpoint") {
    sim *s = sim_create(6);
    sim_node *n = open_one(s);
    char key[64], value[64];
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < 500; i++) {
            text(key, "key", i * (round + 1) % 900);
            sim_set(n, keyspace_db(n->ks, 0), key, text(value, "value", i + round));
            if (i % 7 == 0) {
                text(key, "key", i);
                sim_del(n, keyspace_db(n->ks, 0), key);
            }
        }
        CHECK_INT(sim_checkpoint(n), OK);
        keyspace_drop_clean(n->ks);
        if (round % 2 == 1) {
            uint8_t before[20], after[20];
            sim_set(n, keyspace_db(n->ks, 0), "tail", text(value, "tail", round));
            CHECK(sim_settle(n));
            CHECK_INT(sim_digest(n, before), OK);
            n = restart(n);
            CHECK_INT(sim_digest(n, after), OK);
            CHECK(memcmp(before, after, 20) == 0);
            char why[160];
            if (keyspace_check(n->ks, why) != OK) test_fail(__FILE__, __LINE__, "%s", why);
        }
    }
    sim_free(s);
}

TEST("an owner that was taken over writes nothing and ends with status 3") {
    sim *s = sim_create(7);
    sim_node *a = open_one(s);
    sim_set(a, keyspace_db(a->ks, 0), "k", SLICE("a"));
    CHECK(sim_settle(a));
    uint64_t durable = tier_durable(a->tier, ACK_STORE);
    objstore_mem_pause(a->store, true);
    tier_want_durable(a->tier, sim_set(a, keyspace_db(a->ks, 0), "k", SLICE("lost")));
    for (int i = 0; i < 50; i++) sim_step(s, 100);
    sim_node *b = open_one(s);
    sim_set(b, keyspace_db(b->ks, 0), "k", SLICE("b"));
    CHECK(sim_settle(b));
    objstore_mem_pause(a->store, false);
    CHECK(sim_until(s, &a->fatal, 10));
    CHECK_INT(a->fatal_status, 3);
    CHECK_INT(tier_durable(a->tier, ACK_STORE), durable);
    const char *reply;
    CHECK_INT(tier_admit(a->tier, &reply), ERR_FENCED);
    CHECK(strncmp(reply, "READONLY", 8) == 0);
    sim_node_kill(a);
    b = restart(b);
    expect(b, keyspace_db(b->ks, 0), "k", SLICE("b"));
    sim_free(s);
}

TEST("an owner finds out at a checkpoint, too") {
    sim *s = sim_create(8);
    sim_node *a = open_one(s);
    sim_set(a, keyspace_db(a->ks, 0), "k", SLICE("a"));
    CHECK(sim_settle(a));
    sim_node *b = open_one(s);
    tier_want_checkpoint(a->tier);
    CHECK(sim_until(s, &a->fatal, 10));
    CHECK_INT(a->fatal_status, 3);
    expect(b, keyspace_db(b->ks, 0), "k", SLICE("a"));
    sim_free(s);
}

TEST("with a read lease an owner that cannot validate stops reading, and a claimant waits") {
    sim *s = sim_create(9);
    sim_node *a = sim_node_create(s);
    a->config.read_lease_ms = 3000;
    CHECK(sim_open_wait(a));
    for (int i = 0; i < 1000; i++) {
        sim_step(s, 10000);
        CHECK(tier_may_answer(a->tier));
    }
    objstore_mem_pause(a->store, true);
    uint64_t claimed = clock_mono_us(&s->clock.base);
    sim_node *b = open_one(s);
    CHECK(clock_mono_us(&s->clock.base) - claimed >= 3000000);
    CHECK(!tier_may_answer(a->tier));
    CHECK(tier_may_answer(b->tier));
    CHECK_INT(tier_read_ok(a->tier), OK); /* It does not know yet. */
    objstore_mem_pause(a->store, false);
    CHECK(sim_until(s, &a->fatal, 10));
    CHECK_INT(a->fatal_status, 3);
    CHECK_INT(tier_read_ok(a->tier), ERR_FENCED);
    sim_free(s);
}

static void closed(void *cookie, int rc) {
    sim_node *n = cookie;
    n->closed = true;
    n->close_rc = rc;
}

TEST("a clean close checkpoints and releases; the next opening waits for nobody") {
    sim *s = sim_create(10);
    sim_node *n = sim_node_create(s);
    n->config.read_lease_ms = 60000;
    CHECK(sim_open_wait(n));
    sim_set(n, keyspace_db(n->ks, 0), "k", SLICE("v"));
    tier_close(n->tier, true, closed, n);
    CHECK(sim_until(s, &n->closed, 30));
    CHECK_INT(n->close_rc, OK);
    uint64_t start = clock_mono_us(&s->clock.base);
    n = restart(n);
    CHECK(clock_mono_us(&s->clock.base) - start < 1000000);
    CHECK_INT(n->tier->stats.open_records, 0);
    expect(n, keyspace_db(n->ks, 0), "k", SLICE("v"));
    sim_free(s);
}

TEST("a store that refuses for long: writes get TRYAGAIN, hot reads go on, then all is well again") {
    sim *s = sim_create(11);
    sim_node *n = open_one(s);
    const char *reply;
    objstore_mem_pause(n->store, true);
    tier_want_durable(n->tier, sim_set(n, keyspace_db(n->ks, 0), "k", SLICE("v")));
    for (int i = 0; i < 100; i++) sim_step(s, 200000);
    CHECK_INT(tier_admit(n->tier, &reply), OK);
    for (int i = 0; i < 100; i++) sim_step(s, 200000);
    CHECK_INT(tier_admit(n->tier, &reply), ERR_AGAIN);
    CHECK(strncmp(reply, "TRYAGAIN", 8) == 0);
    expect(n, keyspace_db(n->ks, 0), "k", SLICE("v"));
    objstore_mem_pause(n->store, false);
    CHECK(sim_settle(n));
    CHECK_INT(tier_admit(n->tier, &reply), OK);
    sim_free(s);
}

struct calm {
    bool there;
};
static void calm_done(void *cookie, int rc) {
    struct calm *c = cookie;
    CHECK_INT(rc, OK);
    c->there = true;
}

/* Until nothing is pending after an opening: what takes a moment answers ERR_COLD before. */
static void calm(sim_node *n) {
    struct calm c = {false};
    tier_wait(n->tier, calm_done, &c);
    CHECK(sim_until(n->s, &c.there, 60));
}

static uint64_t snapshot(sim_node *n, const char *name) {
    struct snapshot_info info;
    calm(n);
    tier_txn_begin(n->tier);
    int rc = tier_snapshot_create(n->tier, slice_str(name), false, &info);
    uint64_t lsn = tier_txn_end(n->tier);
    CHECK_INT(rc, OK);
    CHECK_INT(info.lsn, lsn);
    return lsn;
}

static int fork_to(sim_node *n, const char *name, int number, const char *to) {
    tier_txn_begin(n->tier);
    int rc = tier_snapshot_fork(n->tier, slice_str(name), keyspace_db(n->ks, number),
                                slice_str(to));
    tier_txn_end(n->tier);
    return rc;
}

static void fill(sim_node *n, int number, unsigned count, const char *what) {
    char key[64], value[64];
    for (unsigned i = 0; i < count; i++) {
        text(key, "k", i);
        sim_set(n, keyspace_db(n->ks, number), key, text(value, what, i));
    }
}

static void expect_fill(sim_node *n, db *d, unsigned count, const char *what) {
    char key[64], value[64];
    CHECK(d != NULL);
    CHECK_INT(db_keys(d), count);
    for (unsigned i = 0; i < count; i++) {
        text(key, "k", i);
        expect(n, d, key, text(value, what, i));
    }
}

/* The same story with a crash, a checkpoint, or nothing at each of its joints. */
static void snapshot_story(uint64_t seed, unsigned joints) {
    sim *s = sim_create(seed);
    sim_node *n = open_one(s);
    unsigned at = 0;
#define JOINT()                                                                              \
    do {                                                                                     \
        unsigned what = joints >> (2 * at++) & 3;                                            \
        if (what & 1) CHECK_INT(sim_checkpoint(n), OK);                                      \
        if (what & 2) {                                                                      \
            CHECK(sim_settle(n));                                                            \
            n = restart(n);                                                                  \
        }                                                                                    \
    } while (0)
    fill(n, 0, 300, "old");
    fill(n, 1, 10, "one");
    JOINT();
    snapshot(n, "snap");
    JOINT();
    fill(n, 0, 200, "new");
    sim_del(n, keyspace_db(n->ks, 1), "k-3");
    JOINT();
    CHECK_INT(fork_to(n, "snap", 0, "branch"), OK);
    CHECK_INT(fork_to(n, "snap", 0, "branch"), ERR_EXISTS);
    CHECK_INT(fork_to(n, "nosuch", 0, "other"), ERR_NOTFOUND);
    JOINT();
    expect_fill(n, keyspace_db_named(n->ks, SLICE("branch")), 300, "old");
    sim_set(n, keyspace_db_named(n->ks, SLICE("branch")), "mine", SLICE("m"));
    char safety[NAME_BYTES_MAX + 1];
    calm(n);
    tier_txn_begin(n->tier);
    CHECK_INT(tier_snapshot_restore(n->tier, SLICE("snap"), safety), OK);
    tier_txn_end(n->tier);
    JOINT();
    expect_fill(n, keyspace_db(n->ks, 0), 300, "old");
    expect_fill(n, keyspace_db(n->ks, 1), 10, "one");
    struct snapshot_info info;
    CHECK_INT(tier_snapshot_info(n->tier, slice_str(safety), &info), OK);
    CHECK_INT(tier_snapshot_info(n->tier, SLICE("snap"), &info), OK);
    CHECK_INT(info.keys, 310);
    tier_txn_begin(n->tier);
    CHECK_INT(tier_snapshot_delete(n->tier, SLICE("snap")), OK);
    tier_txn_end(n->tier);
    JOINT();
    CHECK_INT(tier_snapshot_info(n->tier, SLICE("snap"), &info), ERR_NOTFOUND);
    expect(n, keyspace_db_named(n->ks, SLICE("branch")), "mine", SLICE("m"));
    calm(n);
    tier_txn_begin(n->tier);
    CHECK_INT(tier_snapshot_restore(n->tier, slice_str(safety), safety), OK);
    CHECK_INT(tier_db_drop(n->tier, SLICE("branch")), OK);
    tier_txn_end(n->tier);
    JOINT();
    CHECK(keyspace_db_named(n->ks, SLICE("branch")) == NULL);
    CHECK_INT(db_keys(keyspace_db(n->ks, 1)), 9);
    expect(n, keyspace_db(n->ks, 0), "k-5", SLICE("new-5"));
    expect(n, keyspace_db(n->ks, 0), "k-250", SLICE("old-250"));
    expect_none(n, keyspace_db(n->ks, 1), "k-3");
#undef JOINT
    sim_free(s);
}

TEST_LONG("snapshot, fork, restore and delete, with crashes and checkpoints between", 300) {
    snapshot_story(20, 0);
    snapshot_story(21, 0x1555);
    snapshot_story(22, 0x2aaa);
    snapshot_story(23, 0x3fff);
    for (uint64_t seed = 0; seed < 24; seed++) {
        rnd r;
        rnd_seed(&r, seed);
        snapshot_story(100 + seed, (unsigned)rnd_u64(&r));
    }
}

struct gc_answer {
    bool there;
    int rc;
    struct gc_result result;
};
static void gc_answered(void *cookie, int rc, const struct gc_result *r) {
    struct gc_answer *a = cookie;
    a->there = true;
    a->rc = rc;
    a->result = *r;
}
static struct gc_result collect(sim_node *n, bool dry) {
    struct gc_answer a = {0};
    tier_gc(n->tier, dry, gc_answered, &a); /* Behind one that runs by itself. */
    CHECK(sim_until(n->s, &a.there, 600));
    CHECK_INT(a.rc, OK);
    return a.result;
}

TEST("collections that are asked for at the same time run one after the other") {
    sim *s = sim_create(31);
    sim_node *n = open_one(s);
    fill(n, 0, 200, "v");
    CHECK_INT(sim_checkpoint(n), OK);
    uint64_t runs = n->tier->stats.gc_runs;
    struct gc_answer a[3] = {0}, late[2] = {0};
    for (int i = 0; i < 3; i++) tier_gc(n->tier, i == 1, gc_answered, &a[i]);
    CHECK(!a[0].there);
    for (int i = 0; i < 3; i++) {
        CHECK(sim_until(n->s, &a[i].there, 600));
        CHECK_INT(a[i].rc, OK);
        CHECK(i == 2 || !a[2].there);
        CHECK(a[i].result.objects_live > 0);
    }
    CHECK_INT(n->tier->stats.gc_runs - runs, 3);
    for (int i = 0; i < 2; i++) tier_gc(n->tier, false, gc_answered, &late[i]);
    sim_free(s); /* Neither is answered, and nothing is left. */
    CHECK(!late[0].there && !late[1].there);
}

TEST_LONG("what nothing reaches is deleted after the grace period, and nothing else", 120) {
    sim *s = sim_create(30);
    sim_node *n = open_one(s);
    n->config.gc_grace_s = 100;
    fill(n, 0, 200, "old");
    CHECK_INT(sim_checkpoint(n), OK);
    snapshot(n, "keep");
    for (unsigned round = 0; round < 5; round++) {
        buf v = BUF_INIT;
        big(&v, round, 300000);
        for (unsigned i = 0; i < 5; i++) {
            char key[64];
            text(key, "big", i);
            sim_set(n, keyspace_db(n->ks, 2), key, slice_of(&v));
        }
        CHECK_INT(sim_checkpoint(n), OK);
        buf_free(&v);
    }
    size_t objects = mem_world_count(s->world, "data/"), logs = mem_world_count(s->world, "log/");
    struct gc_result r = collect(n, true);
    CHECK(r.objects_dead > 3);
    CHECK_INT(mem_world_count(s->world, "data/"), objects);
    r = collect(n, false);
    CHECK_INT(r.objects_deleted, 0); /* only intended */
    CHECK_INT(sim_checkpoint(n), OK);
    r = collect(n, false);
    CHECK_INT(r.objects_deleted, 0); /* too young */
    for (int i = 0; i < 120; i++) sim_step(s, 1000000);
    CHECK_INT(sim_checkpoint(n), OK);
    r = collect(n, false);
    CHECK(n->tier->stats.gc_deleted > 3); /* by this run or by one before it */
    CHECK(mem_world_count(s->world, "data/") < objects);
    for (int round = 0; round < 3; round++) {
        sim_set(n, keyspace_db(n->ks, 3), "x", SLICE("y"));
        for (int i = 0; i < 120; i++) sim_step(s, 1000000);
        CHECK_INT(sim_checkpoint(n), OK);
        for (int i = 0; i < 100; i++) sim_step(s, 10000);
    }
    CHECK(mem_world_count(s->world, "log/") < logs);
    CHECK_INT(fork_to(n, "keep", 0, "f"), OK);
    CHECK(sim_settle(n));
    n = restart(n);
    expect_fill(n, keyspace_db(n->ks, 0), 200, "old");
    expect_fill(n, keyspace_db_named(n->ks, SLICE("f")), 200, "old");
    CHECK_INT(db_keys(keyspace_db(n->ks, 2)), 5);
    uint8_t digest[20];
    CHECK_INT(sim_digest(n, digest), OK);
    sim_free(s);
}

static uint64_t data_bytes(sim_node *n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n->tier->packs.count; i++) sum += n->tier->packs.at[i]->line.bytes;
    return sum;
}

static void random_value(sim *s, buf *out, size_t n) {
    out->n = 0;
    while (out->n < n) buf_u64(out, rnd_u64(&s->rnd));
}

/* A pack of which one value in ten is still wanted, half of those by a snapshot alone. */
static sim_node *mostly_dead(sim *s, buf *want) {
    sim_node *n = open_one(s);
    n->config.gc_grace_s = 100;
    char key[64];
    buf v = BUF_INIT;
    for (unsigned i = 0; i < 60; i++) {
        text(key, "b", i);
        random_value(s, &v, 80000);
        if (i == 7 || i == 8) buf_append_slice(want, slice_of(&v));
        sim_set(n, keyspace_db(n->ks, i % 10 == 8 ? 1 : 0), key, slice_of(&v));
    }
    for (unsigned i = 0; i < 60; i++) {
        text(key, "b", i);
        if (i % 10 != 7 && i % 10 != 8) sim_del(n, keyspace_db(n->ks, 0), key);
    }
    CHECK_INT(sim_checkpoint(n), OK);
    for (unsigned i = 0; i < 60; i++) { /* dead at once, in the pack of what lives */
        text(key, "c", i);
        random_value(s, &v, 80000);
        sim_set(n, keyspace_db(n->ks, 0), key, slice_of(&v));
    }
    for (unsigned i = 0; i < 6; i++) {
        text(key, "d", i);
        sim_set(n, keyspace_db(n->ks, 0), key, slice_make(want->p, 80000));
    }
    CHECK_INT(sim_checkpoint(n), OK);
    snapshot(n, "keep");
    CHECK_INT(sim_checkpoint(n), OK);
    for (unsigned i = 0; i < 60; i++) {
        text(key, "c", i);
        sim_del(n, keyspace_db(n->ks, 0), key);
    }
    tier_txn_begin(n->tier);
    CHECK_INT(tier_snapshot_delete(n->tier, SLICE("keep")), OK);
    tier_txn_end(n->tier);
    snapshot(n, "kept");
    CHECK_INT(sim_checkpoint(n), OK);
    tier_txn_begin(n->tier);
    CHECK_INT(tier_db_flush(n->tier, keyspace_db(n->ks, 1)), OK);
    tier_txn_end(n->tier);
    CHECK_INT(sim_checkpoint(n), OK);
    buf_free(&v);
    return n;
}

static void expect_mostly_dead(sim_node *n, const buf *want) {
    char key[64];
    CHECK_INT(db_keys(keyspace_db(n->ks, 0)), 12);
    expect(n, keyspace_db(n->ks, 0), "b-7", slice_make(want->p, 80000));
    for (unsigned i = 0; i < 6; i++) {
        text(key, "d", i);
        expect(n, keyspace_db(n->ks, 0), key, slice_make(want->p, 80000));
    }
    if (keyspace_db_named(n->ks, SLICE("f")) == NULL)
        CHECK_INT(fork_to(n, "kept", 1, "f"), OK);
    expect(n, keyspace_db_named(n->ks, SLICE("f")), "b-8", slice_make(want->p + 80000, 80000));
    CHECK(n->tier->stats.slots_corrupt == 0);
}

TEST_LONG("a pack that is mostly dead is rewritten; data, snapshots and a crash between do not notice", 120) {
    for (unsigned crash = 0; crash < 3; crash++) {
        sim *s = sim_create(50 + crash);
        buf want = BUF_INIT;
        sim_node *n = mostly_dead(s, &want);
        uint64_t before = data_bytes(n);
        keyspace_drop_clean(n->ks);
        collect(n, false);
        CHECK(n->tier->stats.compact_packs >= 1);
        CHECK_INT(n->tier->stats.compact_failures, 0);
        CHECK(data_bytes(n) < before / 2);
        if (crash == 1) { /* The store still knows the old object. */
            n = restart(n);
            n->config.gc_grace_s = 100;
            CHECK_INT(data_bytes(n), before);
            expect_mostly_dead(n, &want);
            CHECK_INT(sim_checkpoint(n), OK);
            collect(n, false);
            CHECK(n->tier->stats.compact_packs >= 1);
        }
        CHECK_INT(sim_checkpoint(n), OK);
        if (crash == 2) n = restart(n);
        n->config.gc_grace_s = 100;
        CHECK(data_bytes(n) < before / 2);
        expect_mostly_dead(n, &want);
        size_t objects = mem_world_count(s->world, "data/");
        for (int i = 0; i < 3; i++) {
            collect(n, false);
            CHECK_INT(sim_checkpoint(n), OK);
            for (int k = 0; k < 120; k++) sim_step(s, 1000000);
        }
        CHECK(mem_world_count(s->world, "data/") < objects);
        CHECK(n->tier->stats.gc_deleted > 0);
        /* Nothing more to gain: the second time it is left alone. */
        uint64_t packs = n->tier->stats.compact_packs;
        collect(n, false);
        CHECK_INT(n->tier->stats.compact_packs, packs);
        keyspace_drop_clean(n->ks);
        expect_mostly_dead(n, &want);
        n = restart(n);
        expect_mostly_dead(n, &want);
        buf_free(&want);
        sim_free(s);
    }
}

struct slot_read {
    bool there;
    int rc;
    size_t bytes;
};
static void slot_was_read(void *cookie, int rc, slice base, slice delta) {
    struct slot_read *r = cookie;
    (void)delta;
    *r = (struct slot_read){true, rc, base.n};
}

static void footer_from(sim *s, const struct pack_line *line, buf *out) {
    bool found;
    slice whole = mem_world_peek(s->world, line->name, &found);
    CHECK(found && whole.n == line->bytes);
    buf_append(out, whole.p + line->footer_offset, (size_t)(line->bytes - line->footer_offset));
}

TEST("neighbours of one pack that are wanted at once are one request; damage among them is found") {
    for (unsigned damage = 0; damage < 2; damage++) {
        sim *s = sim_create(56);
        sim_node *n = open_one(s);
        buf v = BUF_INIT, footer = BUF_INIT;
        for (unsigned i = 0; i < 20; i++) {
            char key[64];
            text(key, "b", i);
            random_value(s, &v, 10000);
            sim_set(n, keyspace_db(n->ks, 0), key, slice_of(&v));
        }
        CHECK_INT(sim_checkpoint(n), OK);
        struct pack_line line = n->tier->packs.at[0]->line;
        footer_from(s, &line, &footer);
        uint64_t offset;
        uint32_t bytes, crc, slots = line.slots;
        CHECK(slots >= 8 && slots <= 64);
        CHECK_INT(pack_slot(&line, slice_of(&footer), 3, &offset, &bytes, &crc), OK);
        if (damage == 1) CHECK_INT(mem_world_flip(s->world, line.name, offset + 9), OK);
        struct slot_read r[64] = {{0}};
        uint64_t gets = n->store->stats.requests[OBJ_GET];
        for (uint32_t i = slots; i-- > 0;)
            read_start(n->tier, location_make(line.number, i), 0, slot_was_read, &r[i]);
        for (uint32_t i = 0; i < slots; i++) {
            CHECK(sim_until(s, &r[i].there, 30));
            CHECK_INT(r[i].rc, damage == 1 && i == 3 ? ERR_CORRUPT : OK);
        }
        gets = n->store->stats.requests[OBJ_GET] - gets;
        CHECK_INT(gets, damage == 1 ? 4 : 1); /* the damaged one again and again, alone */
        CHECK_INT(n->tier->stats.reads_merged, slots - 1);
        buf_free(&v);
        buf_free(&footer);
        sim_free(s);
    }
}

static void swept(obj_req *r) { *(bool *)r->cookie = true; }

TEST("a read under way on an object that is replaced and deleted begins again with the new one") {
    sim *s = sim_create(54);
    buf want = BUF_INIT, footer = BUF_INIT, footer_now = BUF_INIT;
    sim_node *n = mostly_dead(s, &want);
    struct packs *p = &n->tier->packs;
    struct pack_line old[16], now = {0};
    size_t count = p->count;
    CHECK(count <= 16);
    for (size_t i = 0; i < count; i++) old[i] = p->at[i]->line;
    collect(n, false);
    struct pack *k = NULL;
    const struct pack_line *was = NULL;
    for (size_t i = 0; i < count; i++) {
        struct pack *x = packs_find(p, old[i].number);
        if (x == NULL || strcmp(x->line.name, old[i].name) == 0) continue;
        k = x;
        was = &old[i];
    }
    CHECK(k != NULL);
    now = k->line;
    footer_from(s, was, &footer);
    footer_from(s, &now, &footer_now);
    uint64_t offset;
    uint32_t slot = 0, bytes, crc;
    while (pack_slot(&now, slice_of(&footer_now), slot, &offset, &bytes, &crc) != OK) slot++;
    packs_swap(p, k, was, &footer); /* back to the moment before */
    objstore_mem_pause(n->store, true);
    struct slot_read r = {0};
    read_start(n->tier, location_make(now.number, slot), 0, slot_was_read, &r);
    packs_swap(p, k, &now, &footer_now);
    objstore *other = objstore_mem_create(s->world, s->store_loop);
    bool gone = false;
    obj_req del = {.op = OBJ_DELETE, .name = was->name, .after = "", .done = swept, .cookie = &gone};
    objstore_submit(other, &del);
    CHECK(sim_until(s, &gone, 10));
    CHECK_INT(del.rc, OK);
    objstore_mem_pause(n->store, false);
    CHECK(sim_until(s, &r.there, 10));
    CHECK_INT(r.rc, OK);
    CHECK(r.bytes > 0);
    objstore_free(other);
    buf_free(&want);
    sim_free(s);
}

static bool deposit(sim *s, const char *name, slice bytes) {
    objstore *other = objstore_mem_create(s->world, s->store_loop);
    bool put = false;
    obj_req r = {.op = OBJ_PUT_ABSENT, .name = name, .after = "", .body = bytes, .done = swept,
                 .cookie = &put};
    objstore_submit(other, &r);
    CHECK(sim_until(s, &put, 10));
    objstore_free(other);
    return r.rc == OK;
}

TEST("a segment that a former owner makes again below the floor is swept, fences stay") {
    sim *s = sim_create(55);
    sim_node *n = open_one(s);
    char name[SEGMENT_NAME_BYTES], foreign[] = "log/what";
    n->config.gc_grace_s = 0;
    fill(n, 0, 5, "v");
    CHECK(sim_settle(n));
    uint64_t seq = n->tier->log.confirm_seq - 1;
    segment_name(seq, name);
    bool found;
    buf bytes = BUF_INIT;
    buf_append_slice(&bytes, mem_world_peek(s->world, name, &found));
    CHECK(found);
    n = restart(n); /* more fences */
    n->config.gc_grace_s = 0;
    fill(n, 0, 5, "w");
    CHECK(sim_settle(n));
    for (int i = 0; i < 3; i++) {
        CHECK_INT(sim_checkpoint(n), OK);
        for (int k = 0; k < 100; k++) sim_step(s, 10000);
    }
    CHECK(n->tier->trim_done > seq);
    mem_world_peek(s->world, name, &found);
    CHECK(!found);
    collect(n, false);
    size_t left = mem_world_count(s->world, "log/"), fences = n->tier->fences_count;
    CHECK(fences > 0 && fences <= left);
    CHECK(deposit(s, name, slice_of(&bytes)));
    CHECK(deposit(s, foreign, slice_of(&bytes)));
    uint64_t gets = n->store->stats.requests[OBJ_GET];
    collect(n, false);
    CHECK_INT(n->tier->stats.log_swept, 1);
    CHECK_INT(mem_world_count(s->world, "log/"), left + 1);
    mem_world_peek(s->world, name, &found);
    CHECK(!found);
    CHECK(n->store->stats.requests[OBJ_GET] - gets < 8); /* fences are not read again */
    CHECK_INT(n->tier->fences_count, fences);
    n = restart(n);
    expect_fill(n, keyspace_db(n->ks, 0), 5, "w");
    buf_free(&bytes);
    sim_free(s);
}

static void idle_day(int64_t grace) {
    sim *s = sim_create(31);
    sim_node *n = open_one(s);
    n->config.gc_grace_s = grace;
    fill(n, 0, 50, "v");
    CHECK_INT(sim_checkpoint(n), OK);
    for (unsigned i = 0; i < 5; i++) { /* garbage: data, roots, log, and packs to be rewritten */
        if (i == 0) fill(n, 1, 50, "w");
        fill(n, 0, 50 + 100 * i, "w");
        CHECK_INT(sim_checkpoint(n), OK);
    }
    n->config.gc_compact_percent = 100;
    for (int i = 0; i < 7200; i++) sim_step(s, 1000000); /* what there is to collect is collected */
    CHECK(n->tier->stats.gc_deleted > 0);
    CHECK(n->tier->stats.log_deleted > 0);
    CHECK(n->tier->stats.compact_packs > 0);
    uint64_t before = 0, after = 0;
    for (int i = 0; i < OBJ_OPS; i++) before += n->store->stats.requests[i];
    for (int i = 0; i < 86400; i++) sim_step(s, 1000000);
    for (int i = 0; i < OBJ_OPS; i++) after += n->store->stats.requests[i];
    CHECK_INT(after, before);
    sim_free(s);
}

TEST_LONG("an idle owner collects what there is, then sends nothing for a day", 120) {
    idle_day(0);
    idle_day(600);
    idle_day(3000); /* deleted long after the last checkpoint */
}

static uint64_t writes(sim_node *n) {
    const uint64_t *r = n->store->stats.requests;
    return r[OBJ_PUT] + r[OBJ_PUT_ABSENT] + r[OBJ_PUT_MATCH];
}

TEST_LONG("CREATE and FORK cost one small write each, however much there is and is dirty", 120) {
    for (unsigned count = 10; count <= 20000; count *= 2000) {
        sim *s = sim_create(32);
        sim_node *n = open_one(s);
        fill(n, 0, count, "v");
        CHECK(sim_settle(n));
        uint64_t puts = writes(n), gets = n->store->stats.requests[OBJ_GET],
                 bytes = n->store->stats.bytes_up;
        snapshot(n, "s");
        CHECK(sim_settle(n));
        CHECK_INT(fork_to(n, "s", 0, "f"), OK);
        CHECK(sim_settle(n));
        CHECK_INT(writes(n) - puts, 2);
        CHECK_INT(n->store->stats.requests[OBJ_GET] - gets, 0);
        CHECK(n->store->stats.bytes_up - bytes < 1000);
        sim_free(s);
    }
}

TEST("a damaged log segment refuses to open and names it") {
    sim *s = sim_create(40);
    sim_node *n = open_one(s);
    fill(n, 0, 10, "v");
    CHECK(sim_settle(n));
    char name[SEGMENT_NAME_BYTES];
    segment_name(n->tier->log.confirm_seq - 1, name);
    sim_node_kill(n);
    CHECK_INT(mem_world_flip(s->world, name, SEGMENT_HEADER_BYTES + 30), OK);
    n = sim_node_create(s);
    CHECK(!sim_open_wait(n));
    CHECK_INT(n->open_rc, ERR_CORRUPT);
    CHECK(strstr(n->why, name) != NULL);
    sim_free(s);
}

TEST("a damaged pack is an error, never an empty answer") {
    sim *s = sim_create(41);
    sim_node *n = open_one(s);
    fill(n, 0, 50, "v");
    CHECK_INT(sim_checkpoint(n), OK);
    struct pack_line line = n->tier->packs.at[0]->line;
    n = restart(n);
    for (size_t i = PACK_HEADER_BYTES; i < line.footer_offset; i++)
        CHECK_INT(mem_world_flip(s->world, line.name, i), OK);
    buf got = BUF_INIT;
    CHECK_INT(sim_get(n, keyspace_db(n->ks, 0), "k-1", &got), ERR_CORRUPT);
    for (size_t i = PACK_HEADER_BYTES; i < line.footer_offset; i++)
        CHECK_INT(mem_world_flip(s->world, line.name, i), OK);
    expect(n, keyspace_db(n->ks, 0), "k-1", SLICE("v-1"));
    buf_free(&got);
    sim_free(s);
}
