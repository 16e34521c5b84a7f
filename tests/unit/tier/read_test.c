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

/* Some packs with hundreds of pages each, and nothing in memory; so many bytes of footers fit. */
static sim_node *packs_made(sim *s, size_t footers, size_t request) {
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
    again->tier->packs.footer_bytes_max = footers;
    again->tier->packs.request_bytes = request;
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
    sim_node *n = packs_made(s, 1, 64);
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

TEST("the first read has all footers come, and its own one with what lies before it") {
    for (unsigned before = 0; before < 2; before++) {
        sim *s = sim_create(53);
        sim_node *n = packs_made(s, 1 << 20, before == 0 ? 0 : 1 << 20);
        const struct tier_stats *t = &n->tier->stats;
        uint64_t gets = n->store->stats.requests[OBJ_GET];
        CHECK_INT(look(n, KEYS - 1), OK);
        CHECK_INT(t->footers_read, PACKS);
        CHECK(t->slots_read > 2);
        CHECK_INT(n->store->stats.requests[OBJ_GET] - gets, PACKS + t->slots_read - t->reads_merged - before);
        for (unsigned i = 0; i < KEYS; i += 7) CHECK_INT(look(n, i), OK);
        CHECK_INT(t->footers_read, PACKS);
        CHECK_INT(t->slots_corrupt, 0);
        sim_free(s);
    }
}

TEST("a damaged slot that came with its footer is read again, and a damaged footer too") {
    for (unsigned which = 0; which < 2; which++) {
        sim *s = sim_create(54);
        sim_node *n = packs_made(s, 1 << 20, 1 << 20);
        const struct pack_line *line = &n->tier->packs.at[n->tier->packs.count - 1]->line;
        uint64_t at = which == 0 ? line->footer_offset - 20 : line->footer_offset + 20;
        CHECK_INT(mem_world_flip(s->world, line->name, at), OK);
        CHECK_INT(look(n, KEYS - 1), ERR_CORRUPT);
        CHECK_INT(mem_world_flip(s->world, line->name, at), OK);
        CHECK_INT(look(n, KEYS - 1), OK);
        sim_free(s);
    }
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
    sim_node *n = packs_made(s, 1, 64);
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
