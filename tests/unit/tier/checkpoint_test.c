/* checkpoint_test.c -- what a checkpoint may take: of memory, and of the loop. */
#include "sim/sim.c"

#include "tier/tier_internal.h"

/* Writes 12 MB of keys, checkpoints them, reads all back; answers how many packs that made. */
static uint64_t packs_under(int64_t maxmemory, uint64_t seed) {
    sim *s = sim_create(seed);
    sim_node *n = sim_node_create(s);
    CHECK(sim_open_wait(n));
    db *d = keyspace_db(n->ks, 0);
    char key[32];
    uint8_t value[12000];
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "key-%u", i);
        for (size_t k = 0; k < sizeof(value); k++) value[k] = (uint8_t)rnd_u64(&s->rnd);
        CHECK(sim_set(n, d, key, slice_make(value, sizeof(value))) > 0);
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
        CHECK(got.n > sizeof(value));
    }
    buf_free(&got);
    sim_free(s);
    return packs;
}

TEST("packs are smaller where little memory is allowed, so that three of them fit into it") {
    CHECK_INT(packs_under(0, 1), 2);                    /* 8 MiB each */
    CHECK(packs_under((int64_t)256 << 20, 2) <= 2);
    uint64_t small = packs_under((int64_t)24 << 20, 3); /* 1 MiB each */
    CHECK(small >= 11 && small <= 13);
    uint64_t least = packs_under((int64_t)1 << 20, 4);  /* not below 512 KiB */
    CHECK(least >= 20 && least <= 25);
}
