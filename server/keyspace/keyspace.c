/* keyspace.c -- making and freeing a keyspace; its options and metrics. */
#include "keyspace/keyspace.h"

#include "base/mem.h"
#include "keyspace/keyspace_internal.h"

keyspace *keyspace_create(const struct keyspace_config *config,
                          const struct type_set *types, clock_source *clock, rnd *r,
                          logger *log) {
    keyspace *ks = mem_calloc(1, sizeof(*ks));
    ks->pager.ops = &object__pager_ops;
    ks->config = config;
    ks->types = types;
    ks->clock = clock;
    ks->rnd = r;
    ks->log = log;
    ks->next_db_id = DB_ID_FIRST;
    rnd_bytes(r, ks->secret, sizeof(ks->secret));
    list_init(&ks->dbs);
    list_init(&ks->gone);
    list_init(&ks->dropped);
    list_init(&ks->clean);
    list_init(&ks->clean_last);
    list_init(&ks->waits_ready);
    list_init(&ks->waits_outside);
    list_init(&ks->waits_fresh);
    list_init(&ks->waits_begun);
    keyspace_limit_fetches(ks, SIZE_MAX, 1);
    list_init(&ks->loads);
    list_init(&ks->frozens);
    list_init(&ks->kept);
    return ks;
}

void keyspace_set_hooks(keyspace *ks, const struct keyspace_hooks *hooks, void *cookie) {
    if (hooks->fetch != NULL) {
        ks->hooks.fetch = hooks->fetch;
        ks->cookies.fetch = cookie;
    }
    if (hooks->changed != NULL) {
        ks->hooks.changed = hooks->changed;
        ks->cookies.changed = cookie;
    }
    if (hooks->changed_db != NULL) {
        ks->hooks.changed_db = hooks->changed_db;
        ks->cookies.changed_db = cookie;
    }
    if (hooks->want_checkpoint != NULL) {
        ks->hooks.want_checkpoint = hooks->want_checkpoint;
        ks->cookies.want_checkpoint = cookie;
    }
}

void keyspace_free(keyspace *ks) {
    if (ks == NULL) return;
    assert(ks->walk == NULL && list_empty(&ks->frozens) && list_empty(&ks->kept)); /* Those are put before. */
    db__clear_all(ks);
    wait__drop_all(ks);
    for (list *l; (l = list_first(&ks->dbs)) != NULL;) {
        list_remove(l);
        mem_free(LIST_ENTRY(l, db, link));
    }
    assert(list_empty(&ks->gone));
    for (list *l; (l = list_first(&ks->dropped)) != NULL;) {
        list_remove(l);
        mem_free(LIST_ENTRY(l, db, link));
    }
    while (part__reap_step(ks)) {
    }
    mem_free(ks->reap.p);
    buf_free(&ks->scratch);
    buf_free(&ks->tmp);
    buf_free(&ks->slot);
    mem_free(ks);
}

struct keyspace_stats *keyspace_stats(keyspace *ks) {
    return &ks->stats;
}

/* ---- options ----------------------------------------------------------------------- */

#define AT(field) offsetof(struct keyspace_config, field)
#define TYPES_AT(field) (AT(types) + offsetof(struct type_config, field))

/* In the order of enum maxmemory_policy. */
static const char *const policies[] = {
    "volatile-lru",   "volatile-lfu", "volatile-random",
    "volatile-ttl",   "allkeys-lru",  "allkeys-lfu",
    "allkeys-random", "noeviction",   NULL};

#define INT(name, alias, flags, at, initial, min, max, doc)                              \
    { name, alias, OPTION_INT, flags, at, initial, min, max, NULL, NULL, doc }
#define MEMORY(name, alias, at, initial, min, max, doc)                                  \
    { name, alias, OPTION_MEMORY, 0, at, initial, min, max, NULL, NULL, doc }

const struct option keyspace_options[] = {
    MEMORY("maxmemory", NULL, AT(maxmemory), "0", 0, INT64_MAX,
           "Bytes of memory that data may take; 0: clean pages leave at 3/4 of the machine's, no write is refused."),
    {"maxmemory-policy", NULL, OPTION_ENUM, 0, AT(maxmemory_policy), "noeviction", 0, 0,
     policies, NULL,
     "Which keys are deleted when nothing clean is left to drop at maxmemory."},
    INT("maxmemory-samples", NULL, 0, AT(maxmemory_samples), "5", 1, 64,
        "Keys compared to find one to delete under maxmemory-policy."),
    INT("databases", NULL, OPTION_IMMUTABLE, AT(databases), "16", 1, DB_WORKSHOP,
        "Number of databases that SELECT takes by number."),
    {"tiering", NULL, OPTION_BOOL, 0, AT(tiering), "yes", 0, 0, NULL, NULL,
     "Clean pages leave memory at maxmemory and are fetched again from the store."},
    {"active-expire", NULL, OPTION_BOOL, OPTION_HIDDEN, AT(active_expire), "yes", 0, 0,
     NULL, NULL,
     "Expired keys are looked for in the background (DEBUG SET-ACTIVE-EXPIRE)."},
    INT("active-expire-effort", NULL, 0, AT(active_expire_effort), "1", 1, 10,
        "How much work each look for expired keys may be."),
    INT("lfu-log-factor", NULL, 0, AT(lfu_log_factor), "10", 0, INT32_MAX,
        "The higher, the more accesses it takes to saturate a key's LFU counter."),
    INT("lfu-decay-time", NULL, 0, AT(lfu_decay_time), "1", 0, INT32_MAX,
        "Minutes after which an idle key's LFU counter falls by one; 0 for never."),
    INT("hash-max-listpack-entries", "hash-max-ziplist-entries", 0,
        TYPES_AT(hash_max_listpack_entries), "512", 0, INT64_MAX,
        "Fields up to which a hash is one listpack."),
    MEMORY("hash-max-listpack-value", "hash-max-ziplist-value",
        TYPES_AT(hash_max_listpack_value), "64", 0, INT64_MAX,
        "Bytes of a field or value up to which a hash is one listpack."),
    INT("list-max-listpack-size", "list-max-ziplist-size", 0,
        TYPES_AT(list_max_listpack_size), "-2", INT32_MIN, INT32_MAX,
        "Entries of a list's node, or, negative, its size class: -1 to -5 for 4 to 64 "
        "kb."),
    INT("list-compress-depth", NULL, 0, TYPES_AT(list_compress_depth), "0", 0, INT32_MAX,
        "Nodes at each end of a list that are never compressed; 0 for no compression."),
    INT("set-max-intset-entries", NULL, 0, TYPES_AT(set_max_intset_entries), "512", 0,
        INT64_MAX, "Integers up to which a set is one sorted array."),
    INT("set-max-listpack-entries", NULL, 0, TYPES_AT(set_max_listpack_entries), "128", 0,
        INT64_MAX, "Members up to which a set is one listpack."),
    MEMORY("set-max-listpack-value", NULL, TYPES_AT(set_max_listpack_value), "64", 0,
        INT64_MAX, "Bytes of a member up to which a set is one listpack."),
    INT("zset-max-listpack-entries", "zset-max-ziplist-entries", 0,
        TYPES_AT(zset_max_listpack_entries), "128", 0, INT64_MAX,
        "Members up to which a sorted set is one listpack."),
    MEMORY("zset-max-listpack-value", "zset-max-ziplist-value",
        TYPES_AT(zset_max_listpack_value), "64", 0, INT64_MAX,
        "Bytes of a member up to which a sorted set is one listpack."),
    MEMORY("hll-sparse-max-bytes", NULL, TYPES_AT(hll_sparse_max_bytes), "3000", 0, INT64_MAX,
           "Bytes up to which a HyperLogLog stays sparse."),
    MEMORY("stream-node-max-bytes", NULL, TYPES_AT(stream_node_max_bytes), "4096", 0, INT32_MAX,
           "Bytes of a stream's node; 0 for no limit."),
    INT("stream-node-max-entries", NULL, 0, TYPES_AT(stream_node_max_entries), "100", 0,
        INT64_MAX, "Entries of a stream's node; 0 for no limit."),
    MEMORY("proto-max-bulk-len", NULL, TYPES_AT(proto_max_bulk_len), "512mb", 1 << 20,
           INT64_MAX, "Bytes of one string, and of one argument of a command."),
};
const size_t keyspace_options_count =
    sizeof(keyspace_options) / sizeof(keyspace_options[0]);

/* ---- metrics ----------------------------------------------------------------------- */

#define ROW(section, name, field, doc)                                                   \
    { section, name, offsetof(struct keyspace_stats, field), NULL, doc }

const struct metric keyspace_metrics[] = {
    ROW("Stats", "expired_keys", expired_keys,
        "Keys deleted because their time had come."),
    ROW("Stats", "expired_subkeys", expired_fields,
        "Fields of hashes removed because their time had come."),
    ROW("Stats", "evicted_keys", evicted_keys, "Keys deleted by maxmemory-policy."),
    ROW("Stats", "keyspace_hits", hits, "Lookups that found their key."),
    ROW("Stats", "keyspace_misses", misses, "Lookups that found no key."),
    ROW("Tier", "pages_total", pages_total, "Pages known, in memory or not."),
    ROW("Tier", "pages_resident", pages_resident, "Pages in memory."),
    ROW("Tier", "pages_dirty", pages_dirty,
        "Pages in memory that changed since they were stored."),
    ROW("Tier", "bytes_pages", bytes_pages, "Bytes of the pages in memory."),
    ROW("Tier", "bytes_dirty", bytes_dirty, "Bytes of the changed ones."),
    ROW("Tier", "evicted_pages", evicted_pages, "Clean pages dropped from memory."),
    ROW("Tier", "reads_hot", reads_hot, "Page accesses answered from memory."),
    ROW("Tier", "reads_cold", reads_cold, "Page accesses that had to be fetched first."),
    ROW("Tier", "page_fetches", fetches, "Pages and nodes asked from the store."),
    ROW("Tier", "page_fetch_errors", fetch_errors, "Fetches that failed."),
};
const size_t keyspace_metrics_count =
    sizeof(keyspace_metrics) / sizeof(keyspace_metrics[0]);
