/* sim.h -- one world for simulations: a store with faults, a clock moved by hand, and nodes: each a
 * loop, a pool without threads, a keyspace and a tier. One thread, one seed, one history. */
#ifndef COVE_TESTS_SIM_SIM_H
#define COVE_TESTS_SIM_SIM_H

#include "event/loop.h"
#include "event/pool.h"
#include "keyspace/keyspace.h"
#include "objstore/mem.h"
#include "tier/tier.h"

typedef struct sim sim;
typedef struct sim_node sim_node;

struct sim_node {
    sim *s;
    loop *loop;
    pool *pool;
    objstore *store;
    keyspace *ks;
    tier *tier;
    rnd rnd;
    struct keyspace_config ks_config;
    struct tier_config config;
    struct type_set types;
    bool stopped; /* its loop does not turn, as under SIGSTOP */
    bool opened, failed, fatal, closed;
    int open_rc, fatal_status, close_rc;
    char why[512];
    void (*durable)(void *cookie);
    void *cookie;
};

struct sim {
    clock_manual clock;
    mem_world *world;
    loop *store_loop;     /* requests to the store outlive the nodes that sent them */
    sim_node *nodes[16];
    size_t nodes_count;
    rnd rnd;
    logger *log;
};

sim *sim_create(uint64_t seed);
void sim_free(sim *s);
/* A new process: not opened yet. config may be changed before sim_open(). */
sim_node *sim_node_create(sim *s);
sim_node *sim_node_create_cached(sim *s, char *cache_dir, int64_t cache_bytes);
/* As kill -9: what it sent to the store goes on by itself. Frees n. */
void sim_node_kill(sim_node *n);
void sim_open(sim_node *n);
/* Moves the clock by `us` and lets everybody run. */
void sim_step(sim *s, uint64_t us);
/* Steps until *flag, at most `seconds` of simulated time; false: it did not come. */
bool sim_until(sim *s, const bool *flag, unsigned seconds);
bool sim_open_wait(sim_node *n);
/* Checkpoints, and waits for it. */
int sim_checkpoint(sim_node *n);
/* Everything so far is durable in the store. */
bool sim_settle(sim_node *n);

/* Reads a key, fetching what is cold: OK and the value appended, or ERR_NOTFOUND, or an error. */
int sim_get(sim_node *n, db *d, const char *key, buf *out);
/* A transaction of one SET or DEL; its LSN, 0 for a DEL of nothing. Fetches what is cold. */
uint64_t sim_set(sim_node *n, db *d, const char *key, slice value);
uint64_t sim_del(sim_node *n, db *d, const char *key);
/* Applies an effect inside an open transaction, waiting for cold pages. */
int sim_effect(sim_node *n, effect *e);
int sim_digest(sim_node *n, uint8_t digest[20]);

#endif
