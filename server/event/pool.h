/* pool.h -- worker threads with completions back on the loop.
 *
 * work() runs on a worker and sees only what the job points to, immutable meanwhile; done()
 * runs on the loop, exactly once, never inside pool_submit(). With threads == 0 work() runs
 * on the loop in a later turn (simulation): same order of callbacks from the same seed. */
#ifndef COVE_EVENT_POOL_H
#define COVE_EVENT_POOL_H

#include <stddef.h>

#include "event/loop.h"

typedef struct pool pool;
typedef struct job job;
struct job {
    void (*work)(job *j);
    void (*done)(job *j); /* May free the job. */
    job *next;            /* the pool's */
};

int pool_create(loop *l, int threads, pool **out);
void pool_free(pool *p); /* Waits for running jobs and delivers their done(). */
void pool_submit(pool *p, job *j);
size_t pool_pending(const pool *p); /* submitted, done() not yet run */

#endif
