/* cache_test.c -- the disk cache: hit, restart, wrap, damage, a disk that fails. */
#include "sim/sim.c"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void folder(void) {
    snprintf(dir, sizeof(dir), "/tmp/cove-cache-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
}

static void folder_gone(void) {
    char path[128];
    snprintf(path, sizeof(path), "%s/slots", dir);
    unlink(path);
    CHECK_INT(rmdir(dir), 0);
}

static sim_node *node_of(sim *s, int64_t bytes) {
    sim_node *n = sim_node_create_cached(s, dir, bytes);
    if (!sim_open_wait(n)) test_fail(__FILE__, __LINE__, "open: %s", n->why);
    return n;
}

static void value_of(unsigned i, buf *out) {
    out->n = 0;
    for (unsigned k = 0; k < 6000; k++) buf_u32(out, (i + 1) * 2654435761u * (k + 1));
}

static void fill(sim_node *n, unsigned count) {
    buf v = BUF_INIT;
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key%u", i);
        value_of(i, &v);
        sim_set(n, keyspace_db(n->ks, 0), key, slice_of(&v));
    }
    buf_free(&v);
    CHECK_INT(sim_checkpoint(n), OK);
}

static void expect(sim_node *n, unsigned count) {
    buf v = BUF_INIT, want = BUF_INIT, got = BUF_INIT;
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key%u", i);
        value_of(i, &v);
        struct value x = {.type = TYPE_STRING, .kind = VALUE_RAW, .raw = slice_of(&v)};
        want.n = got.n = 0;
        CHECK_INT(type_string.dump(&x, &want), OK);
        CHECK_INT(sim_get(n, keyspace_db(n->ks, 0), key, &got), OK);
        CHECK(slice_eq(slice_of(&want), slice_of(&got)));
    }
    buf_free(&v);
    buf_free(&want);
    buf_free(&got);
}

TEST("what was read once comes from the disk, also after a restart") {
    folder();
    sim *s = sim_create(1);
    sim_node *n = node_of(s, 16 << 20);
    fill(n, 100);
    keyspace_drop_clean(n->ks);
    expect(n, 100);
    for (int i = 0; i < 300; i++) sim_step(s, 100);
    CHECK_INT(n->tier->stats.slots_read_cache, 0);
    uint64_t read = n->tier->stats.slots_read;
    CHECK(read >= 100);
    keyspace_drop_clean(n->ks);
    expect(n, 100);
    CHECK(n->tier->stats.slots_read_cache >= 100);
    CHECK_INT(n->tier->stats.slots_read, read);
    sim_node_kill(n);
    n = node_of(s, 16 << 20);
    expect(n, 100);
    CHECK(n->tier->stats.slots_read_cache >= 100);
    CHECK(n->tier->stats.slots_read < 10);
    sim_free(s);
    folder_gone();
}

TEST_LONG("a cache smaller than the data wraps, stays within its size, and never lies", 120) {
    folder();
    sim *s = sim_create(2);
    sim_node *n = node_of(s, 1 << 20);
    fill(n, 150); /* 3.6 MB */
    for (int round = 0; round < 4; round++) {
        keyspace_drop_clean(n->ks);
        expect(n, 150);
        if (round == 2) {
            sim_node_kill(n);
            n = node_of(s, 1 << 20);
        }
    }
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/slots", dir);
    CHECK_INT(stat(path, &st), 0);
    CHECK(st.st_size <= 1 << 20);
    CHECK(n->tier->stats.cache_bytes <= 1 << 20);
    CHECK(n->tier->stats.cache_bytes > 1 << 19);
    /* The newest are there: reading backwards hits. */
    uint64_t hits = n->tier->stats.slots_read_cache;
    for (int i = 0; i < 300; i++) sim_step(s, 100);
    keyspace_drop_clean(n->ks);
    buf got = BUF_INIT;
    CHECK_INT(sim_get(n, keyspace_db(n->ks, 0), "key149", &got), OK);
    CHECK(n->tier->stats.slots_read_cache > hits);
    buf_free(&got);
    sim_free(s);
    folder_gone();
}

TEST("a cache whose bytes rot is read past, byte by byte") {
    folder();
    sim *s = sim_create(3);
    sim_node *n = node_of(s, 4 << 20);
    fill(n, 40);
    keyspace_drop_clean(n->ks);
    expect(n, 40);
    for (int i = 0; i < 300; i++) sim_step(s, 100);
    sim_node_kill(n);
    char path[128];
    snprintf(path, sizeof(path), "%s/slots", dir);
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < size; at += 1777) {
        uint8_t b;
        CHECK_INT(pread(fd, &b, 1, at), 1);
        b ^= 0x55;
        CHECK_INT(pwrite(fd, &b, 1, at), 1);
    }
    close(fd);
    n = node_of(s, 4 << 20);
    expect(n, 40);
    CHECK(n->tier->stats.slots_read >= 30);
    sim_free(s);
    folder_gone();
}

TEST("a folder that cannot be used switches the cache off and nothing else") {
    snprintf(dir, sizeof(dir), "/proc/no/such/folder");
    sim *s = sim_create(4);
    sim_node *n = node_of(s, 4 << 20);
    fill(n, 10);
    keyspace_drop_clean(n->ks);
    expect(n, 10);
    sim_free(s);
}
