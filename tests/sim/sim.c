/* sim.c -- the world of simulations (sim.h). */
#include "sim.h"

#include "base/mem.h"
#include "test.h"
#include "tier/tier_internal.h"

static char text_store[] = "mem:", text_empty[] = "";

sim *sim_create(uint64_t seed) {
    sim *s = mem_calloc(1, sizeof(*s));
    clock_manual_init(&s->clock, 1700000000000000ull, 1000000);
    rnd_seed(&s->rnd, seed);
    s->world = mem_world_create(rnd_u64(&s->rnd));
    int rc = loop_create(&s->clock.base, &s->store_loop);
    CHECK_INT(rc, OK);
    return s;
}

void sim_free(sim *s) {
    while (s->nodes_count > 0) sim_node_kill(s->nodes[0]);
    mem_world_free(s->world);
    loop_free(s->store_loop);
    mem_free(s);
}

static void node_durable(void *cookie) {
    sim_node *n = cookie;
    if (n->durable != NULL) n->durable(n->cookie);
}

static void node_fatal(void *cookie, int status, const char *why) {
    sim_node *n = cookie;
    n->fatal = true;
    n->fatal_status = status;
    snprintf(n->why, sizeof(n->why), "%s", why);
}

sim_node *sim_node_create(sim *s) { return sim_node_create_cached(s, text_empty, 0); }

sim_node *sim_node_create_cached(sim *s, char *cache_dir, int64_t cache_bytes) {
    static const struct tier_hooks hooks = {.durable = node_durable, .fatal = node_fatal};
    CHECK(s->nodes_count < 16);
    sim_node *n = mem_calloc(1, sizeof(*n));
    n->s = s;
    rnd_seed(&n->rnd, rnd_u64(&s->rnd));
    n->ks_config = (struct keyspace_config){.databases = 4, .maxmemory_samples = 5,
                                            .maxmemory_policy = POLICY_NOEVICTION,
                                            .tiering = true, .lfu_log_factor = 10,
                                            .lfu_decay_time = 1, .active_expire_effort = 1};
    n->ks_config.types = (struct type_config){.hash_max_listpack_entries = 128,
                                              .hash_max_listpack_value = 64,
                                              .proto_max_bulk_len = 512 << 20};
    n->config = (struct tier_config){.store = text_store, .store_endpoint = text_empty,
                                     .store_region = text_empty, .store_path_style = text_empty,
                                     .store_ca_file = text_empty,
                                     .cache_dir = cache_dir, .cache_size = cache_bytes,
                                     .commit_spacing_ms = -1,
                                     .checkpoint_log_bytes = 64 << 20,
                                     .checkpoint_interval_s = 60,
                                     .max_transaction_bytes = 1 << 30, .stall_ms = 30000,
                                     .backlog_bytes = 256 << 20, .gc_grace_s = 600,
                                     .gc_compact_percent = 40,
                                     .ack = ACK_STORE};
    type_add(&n->types, &type_string);
    type_add(&n->types, &type_hash);
    CHECK_INT(loop_create(&s->clock.base, &n->loop), OK);
    CHECK_INT(pool_create(n->loop, 0, &n->pool), OK);
    n->store = objstore_mem_create(s->world, s->store_loop);
    n->ks = keyspace_create(&n->ks_config, &n->types, &s->clock.base, &n->rnd, s->log);
    CHECK_INT(tier_create(n->loop, n->pool, n->store, n->ks, &n->config, &n->rnd, s->log, &hooks,
                          n, &n->tier), OK);
    s->nodes[s->nodes_count++] = n;
    return n;
}

void sim_node_kill(sim_node *n) {
    sim *s = n->s;
    tier_halt(n->tier);
    objstore_free(n->store);
    pool_free(n->pool);
    tier_free(n->tier);
    keyspace_free(n->ks);
    loop_free(n->loop);
    size_t i = 0;
    while (s->nodes[i] != n) i++;
    s->nodes[i] = s->nodes[--s->nodes_count];
    mem_free(n);
}

static void node_opened(void *cookie, int rc, const char *why) {
    sim_node *n = cookie;
    n->opened = rc == OK;
    n->failed = rc != OK;
    n->open_rc = rc;
    snprintf(n->why, sizeof(n->why), "%s", why);
}

void sim_open(sim_node *n) { tier_open(n->tier, node_opened, n); }

void sim_step(sim *s, uint64_t us) {
    clock_manual_advance(&s->clock, us);
    loop_turn(s->store_loop, 0);
    for (size_t i = 0; i < s->nodes_count; i++) {
        if (!s->nodes[i]->stopped) loop_turn(s->nodes[i]->loop, 0);
    }
}

bool sim_until(sim *s, const bool *flag, unsigned seconds) {
    uint64_t end = clock_mono_us(&s->clock.base) + (uint64_t)seconds * 1000000;
    while (!*flag && clock_mono_us(&s->clock.base) < end) sim_step(s, 200);
    return *flag;
}

bool sim_open_wait(sim_node *n) {
    sim_open(n);
    uint64_t end = clock_mono_us(&n->s->clock.base) + 600000000ull;
    while (!n->opened && !n->failed && clock_mono_us(&n->s->clock.base) < end)
        sim_step(n->s, 500);
    return n->opened;
}

struct answer {
    bool there;
    int rc;
};

static void answered(void *cookie, int rc) {
    struct answer *a = cookie;
    a->there = true;
    a->rc = rc;
}

int sim_checkpoint(sim_node *n) {
    struct answer a = {false, OK};
    tier_checkpoint(n->tier, answered, &a);
    if (!sim_until(n->s, &a.there, 600)) return ERR_TIMEOUT;
    return a.rc;
}

bool sim_settle(sim_node *n) {
    tier_want_durable(n->tier, tier_lsn(n->tier));
    uint64_t end = clock_mono_us(&n->s->clock.base) + 600000000ull;
    while (tier_durable(n->tier, ACK_STORE) < tier_lsn(n->tier) && !n->fatal &&
           clock_mono_us(&n->s->clock.base) < end)
        sim_step(n->s, 500);
    return tier_durable(n->tier, ACK_STORE) == tier_lsn(n->tier);
}

/* Waits for what the last call wanted; false when the node ended meanwhile. The wait is returned, to be
 * ended when the command has run again. */
static ks_wait *wait_cold(sim_node *n, int *rc) {
    struct answer a = {false, OK};
    ks_wait *w = keyspace_wait(n->ks, answered, &a);
    uint64_t end = clock_mono_us(&n->s->clock.base) + 600000000ull;
    while (!a.there && !n->fatal && clock_mono_us(&n->s->clock.base) < end)
        sim_step(n->s, 300);
    if (!a.there) {
        keyspace_wait_end(n->ks, w);
        *rc = ERR_FENCED;
        return NULL;
    }
    *rc = a.rc;
    return w;
}

int sim_get(sim_node *n, db *d, const char *key, buf *out) {
    ks_wait *held = NULL;
    for (;;) {
        struct entry e;
        keyspace_want_reset(n->ks);
        int rc = keyspace_get(n->ks, d, slice_str(key), 0, &e);
        if (rc == OK) {
            const struct type *t = n->types.by_id[e.value.type];
            buf dump = BUF_INIT;
            rc = t->dump(&e.value, &dump);
            if (rc == OK) buf_append_slice(out, slice_of(&dump));
            buf_free(&dump);
        }
        if (held != NULL) keyspace_wait_end(n->ks, held);
        held = NULL;
        if (rc != ERR_COLD) return rc;
        held = wait_cold(n, &rc);
        if (rc != OK) {
            if (held != NULL) keyspace_wait_end(n->ks, held);
            return rc;
        }
    }
}

int sim_effect(sim_node *n, effect *e) {
    ks_wait *held = NULL;
    for (;;) {
        keyspace_want_reset(n->ks);
        int rc = tier_effect(n->tier, e);
        if (held != NULL) keyspace_wait_end(n->ks, held);
        held = NULL;
        if (rc != ERR_COLD) return rc;
        tier_txn *x = tier_txn_suspend(n->tier);
        held = wait_cold(n, &rc);
        tier_txn_resume(n->tier, x);
        if (rc != OK) {
            if (held != NULL) keyspace_wait_end(n->ks, held);
            return rc;
        }
    }
}

uint64_t sim_set(sim_node *n, db *d, const char *key, slice value) {
    slice args[2] = {value, slice_make(NULL, 0)};
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_SET, .db = db_id(d), .key = slice_str(key),
                .args = args, .argc = 2};
    tier_txn_begin(n->tier);
    int rc = sim_effect(n, &e);
    uint64_t lsn = tier_txn_end(n->tier);
    CHECK_INT(rc, OK);
    return lsn;
}

uint64_t sim_del(sim_node *n, db *d, const char *key) {
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = db_id(d), .key = slice_str(key)};
    tier_txn_begin(n->tier);
    int rc = sim_effect(n, &e);
    uint64_t lsn = tier_txn_end(n->tier);
    CHECK(rc == OK || rc == ERR_NOTFOUND);
    return lsn;
}

int sim_digest(sim_node *n, uint8_t digest[20]) {
    ks_wait *held = NULL;
    for (;;) {
        keyspace_want_reset(n->ks);
        memset(digest, 0, 20);
        int rc = keyspace_digest(n->ks, digest);
        if (held != NULL) keyspace_wait_end(n->ks, held);
        held = NULL;
        if (rc != ERR_COLD) return rc;
        held = wait_cold(n, &rc);
        if (rc != OK) {
            if (held != NULL) keyspace_wait_end(n->ks, held);
            return rc;
        }
    }
}
