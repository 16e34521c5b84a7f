/* local_test.c -- the local log of ack disk: a crash while the store is away, and what may be lost. */
#include "sim/sim.c"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static void folder(void) {
    snprintf(dir, sizeof(dir), "/tmp/cove-local-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
}

static unsigned files(const char *prefix, bool remove_them) {
    unsigned count = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 || e->d_name[0] == '.') continue;
        count++;
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (remove_them) unlink(path);
    }
    closedir(d);
    return count;
}

static void folder_gone(void) {
    (void)files("", true);
    CHECK_INT(rmdir(dir), 0);
}

static sim_node *node_of(sim *s) {
    sim_node *n = sim_node_create_cached(s, dir, 0);
    n->config.ack = ACK_DISK;
    if (!sim_open_wait(n)) test_fail(__FILE__, __LINE__, "open: %s", n->why);
    return n;
}

static void set(sim_node *n, unsigned i) {
    char key[32], value[32];
    snprintf(key, sizeof(key), "k%u", i);
    int len = snprintf(value, sizeof(value), "v%u", i);
    uint64_t lsn = sim_set(n, keyspace_db(n->ks, 0), key, slice_make(value, (size_t)len));
    for (int k = 0; k < 100 && tier_durable(n->tier, ACK_DISK) < lsn; k++) sim_step(n->s, 100);
    CHECK(tier_durable(n->tier, ACK_DISK) >= lsn);
}

static void expect_set(sim_node *n, unsigned i) {
    char key[32], value[32];
    buf got = BUF_INIT, want = BUF_INIT;
    snprintf(key, sizeof(key), "k%u", i);
    int len = snprintf(value, sizeof(value), "v%u", i);
    struct value x = {.type = TYPE_STRING, .kind = VALUE_RAW,
                      .raw = slice_make(value, (size_t)len)};
    CHECK_INT(type_string.dump(&x, &want), OK);
    int rc = sim_get(n, keyspace_db(n->ks, 0), key, &got);
    if (rc != OK || !slice_eq(slice_of(&got), slice_of(&want)))
        test_fail(__FILE__, __LINE__, "%s: %s", key, err_text(rc));
    buf_free(&got);
    buf_free(&want);
}

TEST("what is on the local disk alone survives a crash, twice in a row, and reaches the store") {
    folder();
    sim *s = sim_create(1);
    sim_node *n = node_of(s);
    for (unsigned i = 0; i < 20; i++) set(n, i);
    CHECK(sim_settle(n));
    objstore_mem_pause(n->store, true);
    for (unsigned i = 20; i < 60; i++) set(n, i);
    CHECK(tier_durable(n->tier, ACK_STORE) < tier_lsn(n->tier));
    sim_node_kill(n);
    n = node_of(s);
    objstore_mem_pause(n->store, true); /* and again before the store has it */
    for (unsigned i = 0; i < 60; i++) expect_set(n, i);
    for (unsigned i = 60; i < 70; i++) set(n, i);
    sim_node_kill(n);
    n = node_of(s);
    for (unsigned i = 0; i < 70; i++) expect_set(n, i);
    CHECK_INT(n->tier->stats.local_lost, 0);
    CHECK(sim_settle(n));
    sim_node_kill(n);
    (void)files("", true); /* the disk is gone; the store has all */
    n = node_of(s);
    for (unsigned i = 0; i < 70; i++) expect_set(n, i);
    sim_free(s);
    folder_gone();
}

TEST("a local log that another owner has gone past is set aside, not replayed") {
    folder();
    sim *s = sim_create(2);
    sim_node *n = node_of(s);
    set(n, 1);
    CHECK(sim_settle(n));
    objstore_mem_pause(n->store, true);
    set(n, 2);
    sim_node_kill(n);
    sim_node *other = sim_node_create(s);
    CHECK(sim_open_wait(other));
    sim_set(other, keyspace_db(other->ks, 0), "k3", SLICE("v3"));
    CHECK(sim_settle(other));
    sim_node_kill(other);
    n = node_of(s);
    expect_set(n, 1);
    expect_set(n, 3);
    buf got = BUF_INIT;
    CHECK_INT(sim_get(n, keyspace_db(n->ks, 0), "k2", &got), ERR_NOTFOUND);
    CHECK_INT(files("lost-", false), 1);
    CHECK(n->tier->stats.local_lost > 0);
    sim_free(s);
    folder_gone();
}

TEST("a torn end of the local log is where it ends") {
    folder();
    sim *s = sim_create(3);
    sim_node *n = node_of(s);
    objstore_mem_pause(n->store, true);
    for (unsigned i = 0; i < 10; i++) set(n, i);
    sim_node_kill(n);
    DIR *d = opendir(dir);
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, "local-", 6) != 0) continue;
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        FILE *f = fopen(path, "r+");
        CHECK(f != NULL);
        CHECK_INT(fseek(f, 0, SEEK_END), 0);
        long size = ftell(f);
        fclose(f);
        CHECK_INT(truncate(path, size - 3), 0);
    }
    closedir(d);
    n = node_of(s);
    for (unsigned i = 0; i < 9; i++) expect_set(n, i);
    buf got = BUF_INIT;
    CHECK_INT(sim_get(n, keyspace_db(n->ks, 0), "k9", &got), ERR_NOTFOUND);
    sim_free(s);
    folder_gone();
}

TEST("files that the store has all of are removed as new ones are begun") {
    folder();
    sim *s = sim_create(4);
    sim_node *n = node_of(s);
    buf v = BUF_INIT;
    while (v.n < 900000) buf_u64(&v, v.n * 77777);
    for (unsigned i = 0; i < 250; i++) { /* 225 MB */
        sim_set(n, keyspace_db(n->ks, 0), "big", slice_of(&v));
        if (i % 10 == 0) CHECK(sim_settle(n));
        else for (int k = 0; k < 5; k++) sim_step(s, 300);
    }
    CHECK(sim_settle(n));
    sim_set(n, keyspace_db(n->ks, 0), "end", SLICE("x"));
    CHECK(sim_settle(n));
    CHECK(files("local-", false) <= 2);
    buf_free(&v);
    sim_free(s);
    folder_gone();
}

TEST("a disk that cannot be written switches the local log off; writes wait for the store") {
    snprintf(dir, sizeof(dir), "/proc/no/such/folder");
    sim *s = sim_create(5);
    sim_node *n = node_of(s);
    uint64_t lsn = sim_set(n, keyspace_db(n->ks, 0), "k", SLICE("v"));
    for (int k = 0; k < 3; k++) sim_step(s, 10);
    CHECK(tier_durable(n->tier, ACK_DISK) < lsn);
    CHECK(sim_settle(n));
    CHECK(tier_durable(n->tier, ACK_DISK) >= lsn);
    sim_free(s);
}
