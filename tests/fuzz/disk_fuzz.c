/* disk_fuzz.c -- what a node finds on its local disk: the local log of ack disk, or the disk cache.
 *
 * The first byte says which (1: the cache), and (8) that checksums, and the log's place behind the
 * store's, are to be made right, so that what lies behind them is reached. A store with a few keys is
 * opened with the file beside it: whatever the bytes say, the node opens, has the keys of the store
 * that no whole local log speaks of, and takes writes. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/sim.c"

#include "base/hash.h"

#define LOCAL_HEADER 64u
#define CACHE_HEADER 128u
#define KEYS 4
#define CACHE_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void test_fail(const char *file, int line, const char *fmt, ...) {
    (void)file;
    (void)line;
    (void)fmt;
    abort();
}

/* A folder of this input alone; what the node left goes with it. */
static void folder_gone(const char *dir) {
    char path[600];
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        (void)unlink(path); /* The two dots are none of its files. */
    }
    closedir(d);
    CHECK_INT(rmdir(dir), 0);
}

static void file_put(const char *dir, const char *name, const buf *bytes) {
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, bytes->p, bytes->n) == (ssize_t)bytes->n);
    CHECK_INT(close(fd), 0);
}

/* Behind the store's log of epoch 1, whose rolling hash that is. */
static void repair_local(buf *b, uint64_t hash) {
    if (b->n < LOCAL_HEADER) return;
    put_u32(b->p, 0x4c4c5643u);
    put_u32(b->p + 4, 1);
    put_u64(b->p + 8, 1);
    put_u64(b->p + 16, hash);
    put_u32(b->p + 60, crc32c(0, b->p, 60));
    for (size_t at = LOCAL_HEADER; b->n - at > 8;) {
        uint32_t n = get_u32(b->p + at);
        if (n > b->n - at - 8) return;
        put_u32(b->p + at + 4, crc32c(0, b->p + at + 8, n));
        at += 8 + (size_t)n;
    }
}

static void repair_cache(buf *b) {
    for (size_t at = 0; at + CACHE_HEADER <= b->n; at += 64)
        if (get_u32(b->p + at) == 0x53435643u)
            put_u32(b->p + at + 124, crc32c(0, b->p + at, 124));
}

static void value_of(int i, buf *out) {
    out->n = 0;
    for (int k = 0; k < 600; k++) buf_u32(out, (uint32_t)(i + 1) * 2654435761u * (uint32_t)(k + 1));
}

static slice key_of(char tmp[16], int i) {
    return slice_make(tmp, (size_t)snprintf(tmp, 16, "key%d", i));
}

/* The store, written by epoch 1; the rolling hash of its log. */
static uint64_t fill(sim *s) {
    sim_node *n = sim_node_create(s);
    buf v = BUF_INIT;
    char tmp[16];
    CHECK(sim_open_wait(n));
    for (int i = 0; i < KEYS; i++) {
        value_of(i, &v);
        (void)key_of(tmp, i);
        (void)sim_set(n, keyspace_db(n->ks, 0), tmp, slice_of(&v));
    }
    CHECK_INT(sim_checkpoint(n), OK);
    (void)sim_set(n, keyspace_db(n->ks, 0), "last", SLICE("1"));
    CHECK(sim_settle(n));
    uint64_t hash = n->tier->log.hash;
    sim_node_kill(n);
    buf_free(&v);
    return hash;
}

static void use(sim_node *n, bool cache) {
    buf got = BUF_INIT;
    char tmp[16];
    /* A local log that meets the store's may say anything of the keys. */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KEYS; i++) {
            got.n = 0;
            (void)key_of(tmp, i);
            int rc = sim_get(n, keyspace_db(n->ks, 0), tmp, &got);
            CHECK(!cache || rc == OK);
        }
        keyspace_drop_clean(n->ks);
        for (int i = 0; i < 20; i++) sim_step(n->s, 100);
    }
    /* And of this key too: its counts may not be what its effects make. */
    slice args[2] = {SLICE("2"), slice_make(NULL, 0)};
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_SET, .db = db_id(keyspace_db(n->ks, 0)),
                .key = SLICE("more"), .args = args, .argc = 2};
    tier_txn_begin(n->tier);
    int rc = sim_effect(n, &e);
    (void)tier_txn_end(n->tier);
    CHECK(rc == OK || (!cache && rc == ERR_CORRUPT));
    CHECK(sim_settle(n));
    buf_free(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    bool cache = (data[0] & 1) != 0, repair = (data[0] & 8) != 0;
    char dir[64] = "/tmp/cove-disk-fuzz-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    sim *s = sim_create(1);
    uint64_t hash = fill(s);
    buf bytes = BUF_INIT;
    buf_append(&bytes, data + 1, size - 1);
    if (repair && cache) repair_cache(&bytes);
    if (repair && !cache) repair_local(&bytes, hash);
    if (bytes.n > 0) file_put(dir, cache ? "slots" : "local-0000000000000001-00000000.log", &bytes);
    sim_node *n = sim_node_create_cached(s, dir, cache ? CACHE_BYTES : 0);
    if (!cache) n->config.ack = ACK_DISK;
    CHECK(sim_open_wait(n));
    use(n, cache);
    sim_node_kill(n);
    sim_free(s);
    buf_free(&bytes);
    folder_gone(dir);
    return 0;
}
