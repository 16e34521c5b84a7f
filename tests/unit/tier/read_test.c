/* read_test.c -- reads where the footers of the packs do not all fit in memory. */
#include "sim/sim.c"

#include "tier/tier_internal.h"

#define KEYS 600
#define PACKS 4

static void name_of(char out[32], unsigned i) { (void)snprintf(out, 32, "key-%u", i); }

static void value_of(buf *out, unsigned i) {
    out->n = 0;
    for (unsigned k = 0; k < 900; k++) buf_u64(out, (uint64_t)i << 32 | k);
}

/* Some packs with hundreds of pages each, and nothing in memory but one small footer. */
static sim_node *packs_made(sim *s) {
    sim_node *n = sim_node_create(s);
    CHECK(sim_open_wait(n));
    buf value = BUF_INIT;
    for (unsigned i = 0; i < KEYS; i++) {
        char key[32];
        name_of(key, i);
        value_of(&value, i);
        CHECK(sim_set(n, keyspace_db(n->ks, 0), key, slice_of(&value)) > 0);
        if (i % (KEYS / PACKS) == KEYS / PACKS - 1) CHECK_INT(sim_checkpoint(n), OK);
    }
    buf_free(&value);
    sim_node_kill(n);
    sim_node *again = sim_node_create(s);
    CHECK(sim_open_wait(again));
    again->tier->packs.footer_bytes_max = 1;
    again->tier->packs.request_bytes = 64;
    return again;
}

static int look(sim_node *n, unsigned i) {
    char key[32];
    buf got = BUF_INIT, want = BUF_INIT, dump = BUF_INIT;
    name_of(key, i);
    int rc = sim_get(n, keyspace_db(n->ks, 0), key, &got);
    if (rc == OK) {
        value_of(&want, i);
        struct value v = {.type = TYPE_STRING, .kind = VALUE_RAW, .raw = slice_of(&want)};
        CHECK_INT(type_string.dump(&v, &dump), OK);
        CHECK(slice_eq(slice_of(&got), slice_of(&dump)));
    }
    buf_free(&got);
    buf_free(&want);
    buf_free(&dump);
    return rc;
}

TEST("lines of footers are read alone where the footers do not fit, and lead to the same slots") {
    sim *s = sim_create(51);
    sim_node *n = packs_made(s);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < KEYS; i += 5) CHECK_INT(look(n, i * 7 % KEYS), OK);
        CHECK(keyspace_drop_clean(n->ks) > 0);
    }
    const struct tier_stats *t = &n->tier->stats;
    printf("# %llu footers, %llu lines, %llu slots\n", (unsigned long long)t->footers_read,
           (unsigned long long)t->footer_lines_read, (unsigned long long)t->slots_read);
    CHECK(t->footer_lines_read > 20);
    CHECK_INT(t->slots_corrupt, 0);
    packs_check(&n->tier->packs);
    sim_free(s);
}

/* Every line of every footer in the store, or its bytes, one bit wrong. */
static void flip_footers(sim_node *n) {
    for (size_t k = 0; k < n->tier->packs.count; k++) {
        const struct pack_line *line = &n->tier->packs.at[k]->line;
        for (uint64_t at = line->footer_offset; at < line->bytes; at += PACK_LINE_BYTES)
            CHECK_INT(mem_world_flip(n->s->world, line->name, at + 12), OK); /* the slot's checksum */
    }
}

TEST("a damaged line is an error that names it, and is forgotten when the store is right again") {
    sim *s = sim_create(52);
    sim_node *n = packs_made(s);
    CHECK_INT(look(n, 1), OK);
    keyspace_drop_clean(n->ks);
    flip_footers(n);
    int bad = 0;
    for (unsigned i = 0; i < KEYS; i += 11) {
        int rc = look(n, i);
        CHECK(rc == OK || rc == ERR_CORRUPT);
        bad += rc == ERR_CORRUPT;
    }
    CHECK(bad > 0);
    CHECK(n->tier->stats.footer_lines_read > 0);
    flip_footers(n);
    keyspace_drop_clean(n->ks);
    for (unsigned i = 0; i < KEYS; i += 11) CHECK_INT(look(n, i), OK);
    sim_free(s);
}
