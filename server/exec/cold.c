/* cold.c -- DEBUG EVICT-ALWAYS: every command meets data that is in the store alone.
 *
 * Before a command that reads or writes, what is dirty is checkpointed, and then all clean pages leave
 * memory. For tests: it shows what only cold pages show, at the price of a checkpoint for each write. */
#include "exec/exec_internal.h"

static void stored(void *cookie, int rc) {
    exec *x = cookie;
    (void)rc; /* Who waits asks again, and so would see that something is still dirty. */
    x->cold_checkpoint = false;
    exec__refresh_time(x);
    exec__wake(x, &x->cold_waiters, UINT64_MAX);
}

void exec_set_evict_always(exec *x, bool on) { x->evict_always = on; }

void cold__count(exec *x, bool waited, uint64_t found) {
    if (waited) x->stats.cold_commands++;
    else if (found > 0) x->stats.hot_commands++;
}

bool cold__must_wait(exec *x, unsigned flags) {
    if (!x->evict_always || (flags & (CMD_READONLY | CMD_WRITE)) == 0) return false;
    if (keyspace_stats(x->deps.keyspace)->pages_dirty == 0) {
        (void)keyspace_drop_clean(x->deps.keyspace);
        return false;
    }
    if (!x->cold_checkpoint) {
        x->cold_checkpoint = true;
        tier_checkpoint(x->deps.tier, stored, x);
    }
    return true;
}
