/* zset_steps.c -- ranks of a sorted set removed, or stored under another key, in steps (call_steps()). */
#include "base/mem.h"
#include "commands/zset_commands.h"

struct ranks {
    slice key;            /* the sorted set's */
    const char *event;
    uint64_t first, n, at; /* at: how many are done */
    bool copied;
};

static void restart(void *work) {
    struct ranks *r = work;
    r->at = 0;
    r->copied = false;
}

static struct ranks *ranks_of(slice key, uint64_t first, uint64_t n, const char *event) {
    struct ranks *r = mem_calloc(1, sizeof(*r));
    *r = (struct ranks){.key = key, .event = event, .first = first, .n = n};
    return r;
}

static uint64_t part_of(const struct ranks *r, uint64_t most) { return r->n - r->at < most ? r->n - r->at : most; }

/* ---- removing: from a copy, which takes the place of the key's ---------------------------------------- */

static int remove_step(call *c, void *work, bool *done) {
    struct ranks *r = work;
    uint8_t at[2][8];
    int rc;
    *done = r->at == r->n;
    if (*done) return OK;
    if (!r->copied) {
        rc = call_steps_copy(c, r->key);
        r->copied = rc == OK;
        return rc == ERR_NOTFOUND ? ERR_PRECOND : rc;
    }
    put_u64(at[0], r->first);
    uint64_t n = part_of(r, 2 * call_steps_elements(c)); /* Neighbours go together. */
    put_u64(at[1], n);
    slice args[2] = {slice_make(at[0], 8), slice_make(at[1], 8)};
    rc = call_steps_value(c, TYPE_ZSET, ZSET_REM_RANKS, args, 2);
    if (rc == OK) r->at += n;
    return rc;
}

static int remove_finish(call *c, void *work) {
    const struct ranks *r = work;
    int rc = call_steps_take(c, r->key);
    if (rc != OK) return rc;
    call_notify(c, 'z', r->event, r->key);
    return reply_int(c, (int64_t)r->n);
}

int zset_remove_in_steps(call *c, const slice *key, uint64_t first, uint64_t n, const char *event) {
    static const struct steps_job ops = {remove_step, remove_finish, restart, mem_free};
    return call_steps(c, &ops, ranks_of(*key, first, n, event), key, 1);
}

/* ---- storing ------------------------------------------------------------------------------------------ */

static int store_step(call *c, void *work, bool *done) {
    struct ranks *r = work;
    struct zset_result part = {.n = 0};
    struct entry e;
    *done = r->at == r->n;
    if (*done) return OK;
    int rc = call_peek(c, r->key, &e);
    if (rc == ERR_NOTFOUND) return ERR_PRECOND;
    if (rc != OK) return rc;
    if (e.value.type != TYPE_ZSET || zset_len(&e.value) < r->first + r->n) return ERR_PRECOND;
    rc = zset_each(&e.value, r->first + r->at, part_of(r, call_steps_elements(c)), false, zset_result_each, &part);
    if (rc == OK) rc = zset_result_add_step(c, &part);
    if (rc == OK) r->at += part.n;
    zset_result_free(&part);
    return rc;
}

static int store_finish(call *c, void *work) {
    const struct ranks *r = work;
    return zset_result_take(c, call_arg(c, 1), r->n, r->event);
}

int zset_store_in_steps(call *c, const slice *from, uint64_t first, uint64_t n, const char *event) {
    static const struct steps_job ops = {store_step, store_finish, restart, mem_free};
    return call_steps(c, &ops, ranks_of(*from, first, n, event), from, 1);
}
