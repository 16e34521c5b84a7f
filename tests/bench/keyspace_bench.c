/* keyspace_bench.c -- the keyspace alone: nanoseconds per get and set, bytes per key.
 *
 *   COVE_KEYS=n build/tests/bench/keyspace_bench    16-byte keys, 64-byte values, 1 M of
 * them */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "keyspace/keyspace.h"
#include "test.h"

#define BATCH 16 /* Keys prefetched before they are looked up, as a pipeline is. */

static slice key_of(char key[17], uint64_t i) {
    (void)snprintf(key, 17, "key:%012llu", (unsigned long long)i);
    return slice_make(key, 16);
}

static void set(keyspace *ks, db *d, uint64_t i, const uint8_t *val) {
    char key[17];
    slice args[2] = {slice_make(val, 64), slice_make(NULL, 0)};
    effect e = {.target = EFFECT_ENTRY,
                .op = ENTRY_SET,
                .db = db_id(d),
                .key = key_of(key, i),
                .args = args,
                .argc = 2};
    if (keyspace_apply(ks, &e, true) != OK) abort();
}

/* CPU time: the machine may have other work. */
static uint64_t cpu_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report(const char *what, uint64_t start, uint64_t n) {
    printf("# %-28s %7.1f ns\n", what, (double)(cpu_ns() - start) / (double)n);
}

TEST_LONG("keyspace: nanoseconds per get and set, bytes per key", 600) {
    const char *keys_wanted = getenv("COVE_KEYS");
    uint64_t n = keys_wanted != NULL ? strtoull(keys_wanted, NULL, 10) : 1000000;
    struct keyspace_config config;
    memset(&config, 0, sizeof(config));
    struct type_set types;
    memset(&types, 0, sizeof(types));
    type_add(&types, &type_string);
    rnd r;
    rnd_seed(&r, 1);
    config.maxmemory_policy = POLICY_NOEVICTION;
    keyspace *ks = keyspace_create(&config, &types, clock_real(), &r, NULL);
    db *d = keyspace_db(ks, 0);
    uint8_t val[64] = {1};
    char(*keys)[17] = malloc(n * sizeof(*keys));
    for (uint64_t i = 0; i < n; i++) key_of(keys[i], rnd_below(&r, n));
    size_t before = mem_used();
    uint64_t start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) set(ks, d, i, val);
    report("set, new key", start, n);
    printf("# %-28s %7.1f\n", "bytes per key", (double)(mem_used() - before) / (double)n);
    start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) set(ks, d, rnd_below(&r, n), val);
    report("set, same size", start, n);
    uint64_t found = 0;
    start = cpu_ns();
    for (uint64_t i = 0; i < n; i++) {
        struct entry e;
        found +=
            keyspace_get(ks, d, slice_make(keys[i], 16), KS_TOUCH | KS_COUNT, &e) == OK;
    }
    report("get", start, n);
    start = cpu_ns();
    for (uint64_t i = 0; i + BATCH <= n; i += BATCH) {
        for (uint64_t k = i; k < i + BATCH; k++)
            keyspace_prefetch(d, slice_make(keys[k], 16));
        for (uint64_t k = i; k < i + BATCH; k++) {
            struct entry e;
            found += keyspace_get(ks, d, slice_make(keys[k], 16), KS_TOUCH | KS_COUNT,
                                  &e) == OK;
        }
    }
    report("get, prefetched by 16", start, n);
    if (found < 2 * n - BATCH) abort();
    free(keys);
    keyspace_free(ks);
}
