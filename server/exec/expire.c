/* expire.c -- what has expired and nobody has met is removed, by effects, a slice in each round of the cron:
 * keys, and fields of hashes. */
#include "base/mem.h"
#include "exec/exec_internal.h"
#include "types/hash.h"

#define EXPIRE_PER_CRON 400
#define FIELDS_PER_EFFECT 256
#define FIELDS_US 500 /* For the fields of all hashes in one round. */

struct round {
    exec *x;
    uint64_t start; /* of the work on fields; 0: not begun */
};

static void expire_key(void *cookie, db *d, slice key) {
    exec *x = ((struct round *)cookie)->x;
    buf copy = BUF_INIT;
    buf_append_slice(&copy, key);
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = db_id(d), .key = slice_of(&copy)};
    tier_txn_begin(x->deps.tier);
    /* Else cold or gone: it goes when somebody meets it again. */
    if (tier_effect(x->deps.tier, &e) == OK) keyspace_stats(x->deps.keyspace)->expired_keys++;
    tier_txn_end(x->deps.tier);
    buf_free(&copy);
}

/* The fields that were found, n of them one after the other in `found`. */
static bool remove_fields(exec *x, db *d, slice key, slice found, size_t n) {
    slice fields[FIELDS_PER_EFFECT];
    reader r = reader_make(found);
    for (size_t i = 0; i < n; i++) fields[i] = read_bytes(&r);
    effect e = {.target = EFFECT_VALUE, .type = TYPE_HASH, .op = HASH_DEL, .db = db_id(d), .key = key,
                .args = fields, .argc = n};
    tier_txn_begin(x->deps.tier);
    int rc = tier_effect(x->deps.tier, &e);
    tier_txn_end(x->deps.tier);
    if (rc == OK) keyspace_stats(x->deps.keyspace)->expired_fields += n;
    return rc == OK;
}

static void expire_fields(void *cookie, db *d, slice borrowed) {
    struct round *r = cookie;
    exec *x = r->x;
    buf key = BUF_INIT, found = BUF_INIT;
    size_t n = 0;
    if (r->start == 0) r->start = clock_mono_us(loop_clock(x->deps.loop));
    buf_append_slice(&key, borrowed); /* It may lie in the page that the effect changes. */
    while (clock_mono_us(loop_clock(x->deps.loop)) - r->start < FIELDS_US) {
        struct entry e;
        found.n = 0;
        if (keyspace_get(x->deps.keyspace, d, slice_of(&key), 0, &e) != OK) break;
        if (e.value.type != TYPE_HASH) break;
        if (hash_due(&e.value, x->wall_ms, FIELDS_PER_EFFECT, &found, &n) != OK || n == 0) break;
        if (!remove_fields(x, d, slice_of(&key), slice_of(&found), n)) break;
    }
    buf_free(&key);
    buf_free(&found);
}

void exec__expire(exec *x) {
    struct round r = {.x = x};
    keyspace_expire_cycle(x->deps.keyspace, EXPIRE_PER_CRON, expire_key, expire_fields, &r);
    keyspace_want_reset(x->deps.keyspace); /* Nobody waits for what was cold. */
}
