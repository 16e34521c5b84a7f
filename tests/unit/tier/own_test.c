/* own_test.c -- an owner that was stopped: what it may answer when it goes on. */
#include "sim/sim.c"

#include "tier/tier.h"

#define SECOND 1000000

static void steps(sim *s, uint64_t us) {
    for (uint64_t i = 0; i < us / 10000; i++) sim_step(s, 10000);
}

static sim_node *open_one(sim *s) {
    sim_node *n = sim_node_create(s);
    if (!sim_open_wait(n)) test_fail(__FILE__, __LINE__, "open: %s", n->why);
    return n;
}

static void stop(sim_node *n, bool stopped) {
    n->stopped = stopped;
    objstore_mem_pause(n->store, stopped);
}

static const struct mem_faults fast = {.latency_min_us = 1000, .latency_max_us = 5000,
                                       .late_max_us = SECOND, .timeout_us = SECOND};

TEST("an owner that is run all the time is never in doubt, and asks the store nothing") {
    sim *s = sim_create(31);
    sim_node *n = open_one(s);
    CHECK(sim_settle(n));
    uint64_t gets = n->store->stats.requests[OBJ_GET];
    for (int i = 0; i < 300; i++) {
        sim_step(s, 100000);
        CHECK(tier_may_answer(n->tier));
    }
    CHECK_INT(n->store->stats.requests[OBJ_GET], gets);
    CHECK_INT(n->tier->doubt.stops, 0);
    sim_free(s);
}

TEST("stopped for long and still the owner: it answers nothing until it has validated, then all") {
    sim *s = sim_create(32);
    sim_node *n = open_one(s);
    mem_world_set_faults(s->world, &fast);
    stop(n, true);
    steps(s, 900000);
    stop(n, false);
    CHECK(tier_may_answer(n->tier)); /* Too short for anything. */
    stop(n, true);
    steps(s, 1100000);
    stop(n, false);
    CHECK(!tier_may_answer(n->tier)); /* Even before its loop has turned. */
    uint64_t gets = n->store->stats.requests[OBJ_GET];
    steps(s, 100000);
    CHECK(tier_may_answer(n->tier));
    CHECK_INT(n->store->stats.requests[OBJ_GET], gets + 1);
    CHECK(!n->fatal);
    sim_free(s);
}

TEST("the validation's answer is from before a second stop: it counts for nothing") {
    sim *s = sim_create(33);
    sim_node *n = open_one(s);
    mem_world_set_faults(s->world, &fast);
    stop(n, true);
    steps(s, 2 * SECOND);
    n->stopped = false;
    objstore_mem_pause(n->store, false);
    CHECK(!tier_may_answer(n->tier));
    sim_step(s, 100); /* The request is sent. */
    CHECK_INT(n->tier->doubt.sent_stops, 1);
    n->stopped = true; /* What it sent goes on; the answer comes while nobody is there. */
    steps(s, 2 * SECOND);
    n->stopped = false;
    uint64_t gets = n->store->stats.requests[OBJ_GET];
    CHECK(!tier_may_answer(n->tier));
    steps(s, 100000);
    CHECK(tier_may_answer(n->tier));
    CHECK(n->store->stats.requests[OBJ_GET] > gets);
    sim_free(s);
}

TEST("a validation that comes after the read-lease is over holds replies back until then, and refuses nothing") {
    sim *s = sim_create(35);
    sim_node *n = sim_node_create(s);
    n->config.read_lease_ms = 600;
    CHECK(sim_open_wait(n));
    mem_world_set_faults(s->world, &fast);
    steps(s, 5 * SECOND);
    CHECK(tier_may_answer(n->tier));
    struct mem_faults away = fast;
    away.lose_request = 1;
    mem_world_set_faults(s->world, &away);
    steps(s, SECOND);
    for (int i = 0; i < 10; i++) {
        CHECK(!tier_may_answer(n->tier));
        CHECK_INT(tier_read_ok(n->tier), OK);
        steps(s, SECOND);
    }
    mem_world_set_faults(s->world, &fast);
    steps(s, 5 * SECOND);
    for (int i = 0; i < 20; i++) {
        CHECK(tier_may_answer(n->tier));
        steps(s, SECOND / 4);
    }
    CHECK(!n->fatal);
    sim_free(s);
}

TEST("a store that does not answer keeps it silent; when it does, it goes on") {
    sim *s = sim_create(34);
    sim_node *n = open_one(s);
    struct mem_faults away = fast;
    away.lose_request = 1;
    mem_world_set_faults(s->world, &away);
    stop(n, true);
    steps(s, 2 * SECOND);
    stop(n, false);
    for (int i = 0; i < 60; i++) {
        CHECK(!tier_may_answer(n->tier));
        steps(s, SECOND);
    }
    mem_world_set_faults(s->world, &fast);
    steps(s, 5 * SECOND);
    CHECK(tier_may_answer(n->tier));
    sim_free(s);
}

TEST("its write had reached the store when it was stopped, and another has come: it answers nothing, ever") {
    sim *s = sim_create(35);
    sim_node *old = open_one(s);
    mem_world_set_faults(s->world, &fast);
    CHECK(sim_settle(old));
    size_t segments = mem_world_count(s->world, "log/");
    uint64_t lsn = sim_set(old, keyspace_db(old->ks, 0), "k", SLICE("v"));
    tier_want_durable(old->tier, lsn);
    while (mem_world_count(s->world, "log/") == segments) sim_step(s, 100);
    CHECK(tier_durable(old->tier, ACK_STORE) < lsn); /* There, and it does not know yet. */
    old->stopped = true;
    sim_node *newer = open_one(s);
    buf got = BUF_INIT;
    CHECK_INT(sim_get(newer, keyspace_db(newer->ks, 0), "k", &got), OK);
    buf_free(&got);
    sim_set(newer, keyspace_db(newer->ks, 0), "k", SLICE("w"));
    CHECK(sim_settle(newer));
    steps(s, 1500000);
    old->stopped = false;
    bool confirmed = false;
    for (int i = 0; i < 500 && !old->fatal; i++) {
        CHECK(!tier_may_answer(old->tier));
        confirmed |= tier_durable(old->tier, ACK_STORE) >= lsn;
        sim_step(s, 1000);
    }
    CHECK(confirmed); /* It did learn that its write is stored. */
    CHECK(old->fatal);
    CHECK_INT(old->fatal_status, 3);
    CHECK(strstr(old->why, "another owner") != NULL);
    CHECK(!tier_may_answer(old->tier));
    CHECK(!newer->fatal && tier_may_answer(newer->tier));
    sim_free(s);
}
