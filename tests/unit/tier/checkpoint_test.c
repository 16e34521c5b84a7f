/* checkpoint_test.c -- what checkpoints take of memory, what they let go of, and collections beside them. */
#include "sim/sim.c"

#include "tier/tier_internal.h"

static void random_value(sim *s, buf *out, size_t n) {
    out->n = 0;
    while (out->n < n) buf_u8(out, (uint8_t)rnd_u64(&s->rnd));
}

/* Writes 12 MB of keys, checkpoints them, reads all back; answers how many packs that made. */
static uint64_t packs_under(int64_t maxmemory, uint64_t seed) {
    sim *s = sim_create(seed);
    sim_node *n = sim_node_create(s);
    CHECK(sim_open_wait(n));
    db *d = keyspace_db(n->ks, 0);
    char key[32];
    buf value = BUF_INIT;
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "key-%u", i);
        random_value(s, &value, 12000);
        CHECK(sim_set(n, d, key, slice_of(&value)) > 0);
    }
    n->ks_config.maxmemory = maxmemory;
    uint64_t before = n->tier->stats.packs_written;
    CHECK_INT(sim_checkpoint(n), OK);
    CHECK_INT(keyspace_stats(n->ks)->pages_dirty, 0);
    uint64_t packs = n->tier->stats.packs_written - before;
    CHECK(keyspace_drop_clean(n->ks) > 0);
    buf got = BUF_INIT;
    for (unsigned i = 0; i < 1000; i += 7) {
        (void)snprintf(key, sizeof(key), "key-%u", i);
        got.n = 0;
        CHECK_INT(sim_get(n, d, key, &got), OK);
        CHECK(got.n > 12000);
    }
    buf_free(&got);
    buf_free(&value);
    sim_free(s);
    return packs;
}

TEST("packs are smaller where little memory is allowed, so that three of them fit into it") {
    CHECK_INT(packs_under(0, 1), 2);                    /* 8 MiB each */
    CHECK(packs_under((int64_t)256 << 20, 2) <= 2);
    uint64_t small = packs_under((int64_t)36 << 20, 3); /* 1 MiB each */
    CHECK(small >= 11 && small <= 13);
    uint64_t least = packs_under((int64_t)1 << 20, 4);  /* not below 512 KiB */
    CHECK(least >= 20 && least <= 25);
}

TEST_LONG("a long run of writes does not keep its log, its data, or memory about them", 120) {
    sim *s = sim_create(33);
    sim_node *n = sim_node_create(s);
    n->config.gc_grace_s = 5;
    n->config.checkpoint_interval_s = 5;
    CHECK(sim_open_wait(n));
    size_t log_max = 0, data_max = 0, marks_max = 0;
    buf v = BUF_INIT;
    for (unsigned i = 0; i < 300; i++) { /* five minutes, forty segments a second */
        for (unsigned k = 0; k < 40; k++) {
            char key[64];
            (void)snprintf(key, sizeof(key), "k-%u", (i * 40 + k) % 97);
            random_value(s, &v, 2000);
            tier_want_durable(n->tier, sim_set(n, keyspace_db(n->ks, 0), key, slice_of(&v)));
            for (int j = 0; j < 5; j++) sim_step(s, 5000);
        }
        size_t log = mem_world_count(s->world, "log/"), data = mem_world_count(s->world, "data/");
        if (log > log_max) log_max = log;
        if (data > data_max) data_max = data;
        if (n->tier->log.marks_count > marks_max) marks_max = n->tier->log.marks_count;
    }
    CHECK(n->tier->stats.segments > 10000);
    CHECK(log_max < 1500);   /* of about 30 s */
    CHECK(marks_max < 500);  /* since the last checkpoint */
    CHECK(data_max < 40);
    CHECK(n->tier->stats.gc_deleted > 50);
    buf_free(&v);
    sim_free(s);
}

/* Time goes on within a turn of the loop, as it does outside simulations. */
static uint64_t ticking_mono(clock_source *c) {
    clock_manual *m = (clock_manual *)(void *)c;
    return m->mono++;
}

static void not_awaited(void *cookie, int rc) {
    (void)cookie;
    (void)rc;
}

static void collected(void *cookie, int rc, const struct gc_result *r) {
    bool *there = cookie;
    CHECK_INT(rc, OK);
    (void)r;
    *there = true;
}

TEST("a collection that a checkpoint overtakes is not followed by the next one at once") {
    sim *s = sim_create(32);
    sim_node *n = sim_node_create(s);
    CHECK(sim_open_wait(n));
    n->config.gc_grace_s = 86400;
    for (int i = 0; i < 40; i++) sim_step(s, 500000); /* The pause after the start is over. */
    s->clock.base.mono_us = ticking_mono;
    for (unsigned round = 0; round < 60; round++) { /* Some end within it. */
        bool there = false;
        uint64_t runs = n->tier->stats.gc_runs, checkpoints = n->tier->stats.checkpoints;
        for (unsigned i = 0; i < 50; i++) {
            char key[32];
            (void)snprintf(key, sizeof(key), "key-%u", i);
            CHECK(sim_set(n, keyspace_db(n->ks, 0), key, round % 2 == 0 ? SLICE("v") : SLICE("w")) > 0);
        }
        tier_checkpoint(n->tier, not_awaited, NULL);
        for (unsigned i = 0; i < round; i++) sim_step(s, 1000);
        tier_gc(n->tier, false, collected, &there);
        CHECK(sim_until(s, &there, 600));
        for (int i = 0; i < 500; i++) sim_step(s, 10000);
        CHECK_INT(n->tier->stats.gc_runs - runs, 1);
        CHECK(n->tier->stats.checkpoints - checkpoints <= 2);
    }
    sim_free(s);
}
