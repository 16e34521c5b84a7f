/* io_test.c -- a store that answers writes with an error: which of them wait, and what new ones are told. */
#include "sim/sim.c"

#include "tier/tier.h"

#define SECOND 1000000

static void steps(sim *s, unsigned seconds) {
    for (unsigned i = 0; i < seconds * 20; i++) sim_step(s, SECOND / 20);
}

static void expect(sim_node *n, const char *key) {
    buf got = BUF_INIT;
    int rc = sim_get(n, keyspace_db(n->ks, 0), key, &got);
    if (rc != OK) test_fail(__FILE__, __LINE__, "%s: %s", key, err_text(rc));
    buf_free(&got);
}

static uint64_t write_one(sim_node *n, const char *key) {
    uint64_t lsn = sim_set(n, keyspace_db(n->ks, 0), key, SLICE("v"));
    tier_want_durable(n->tier, lsn);
    return lsn;
}

static const struct mem_faults fast = {.latency_min_us = 1000, .latency_max_us = 5000,
                                       .late_max_us = SECOND, .timeout_us = SECOND};

static void refused(const struct mem_faults *faults, const char *why) {
    sim *s = sim_create(21);
    sim_node *n = sim_node_create(s);
    const char *reply;
    CHECK(sim_open_wait(n));
    mem_world_set_faults(s->world, faults);
    uint64_t lsn = write_one(n, "waits");
    CHECK_INT(tier_admit(n->tier, &reply), OK); /* Nobody has said no yet. */
    steps(s, 1);
    CHECK_INT(tier_admit(n->tier, &reply), ERR_AUTH);
    if (strncmp(reply, "MISCONF ", 8) != 0 || strstr(reply, why) == NULL) {
        test_fail(__FILE__, __LINE__, "%s, expected %s", reply, why);
    }
    expect(n, "waits"); /* Reads go on. */
    steps(s, 100);      /* Longer than a stall: the reason is still the better answer. */
    CHECK_INT(tier_admit(n->tier, &reply), ERR_AUTH);
    CHECK(tier_durable(n->tier, ACK_STORE) < lsn);
    /* Then nothing answers at all: no reason to think that it would be taken now. */
    struct mem_faults away = fast;
    away.lose_request = 1;
    mem_world_set_faults(s->world, &away);
    steps(s, 20);
    CHECK_INT(tier_admit(n->tier, &reply), ERR_AUTH);
    mem_world_set_faults(s->world, &fast);
    steps(s, 5);
    CHECK_INT(tier_admit(n->tier, &reply), OK);
    CHECK(tier_durable(n->tier, ACK_STORE) >= lsn);
    CHECK_INT(n->tier->refused, 0);
    write_one(n, "after");
    CHECK(sim_settle(n));
    sim_node_kill(n);
    n = sim_node_create(s);
    CHECK(sim_open_wait(n));
    expect(n, "waits");
    expect(n, "after");
    sim_free(s);
}

TEST("no room: new writes are refused at once with the reason, the one under way waits and is done later") {
    struct mem_faults f = fast;
    f.full = 1;
    refused(&f, "no room left");
}

TEST("no rights: the same") {
    struct mem_faults f = fast;
    f.denied = 1;
    refused(&f, "credentials or permission");
}

TEST("an error that may pass is no reason to refuse: writes are admitted until the stall") {
    sim *s = sim_create(22);
    sim_node *n = sim_node_create(s);
    const char *reply;
    CHECK(sim_open_wait(n));
    struct mem_faults f = fast;
    f.fail = 1;
    mem_world_set_faults(s->world, &f);
    write_one(n, "waits");
    steps(s, 20);
    CHECK_INT(tier_admit(n->tier, &reply), OK);
    steps(s, 20);
    CHECK_INT(tier_admit(n->tier, &reply), ERR_AGAIN);
    sim_free(s);
}

TEST("no room for a checkpoint: writes are refused while it is tried, and go on after that") {
    sim *s = sim_create(23);
    sim_node *n = sim_node_create(s);
    const char *reply;
    CHECK(sim_open_wait(n));
    write_one(n, "k");
    CHECK(sim_settle(n));
    struct mem_faults f = fast;
    f.full = 1;
    mem_world_set_faults(s->world, &f);
    tier_want_checkpoint(n->tier);
    steps(s, 2);
    CHECK_INT(tier_admit(n->tier, &reply), ERR_AUTH);
    mem_world_set_faults(s->world, &fast);
    steps(s, 10);
    CHECK_INT(tier_admit(n->tier, &reply), OK);
    CHECK_INT(sim_checkpoint(n), OK);
    CHECK_INT(n->tier->refused, 0);
    sim_free(s);
}
