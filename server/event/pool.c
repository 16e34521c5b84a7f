/* pool.c -- worker threads behind one queue, completions in batches.
 *
 *      loop: pool_submit --> todo --> worker: work() --> finished --> loop: done()
 *
 * Invariants
 *  1. A job is in exactly one place: todo, in a worker's hands, finished, or done.
 *  2. At most one pool_deliver() is posted: the worker that finishes first posts it,
 *     others add to the batch, and it takes all there is.
 *  3. pending is the loop's alone; what the workers share is under `lock`.
 *  4. A turn's done()s end after DELIVER_US: the rest of the batch is put back in front, and
 *     comes in the next turn.
 *
 * Without threads, pool_deliver() itself runs work() before done(): the same order each
 * time, in a later turn than the submit. */
#include "event/pool.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>

#include "base/mem.h"
#include "event/loop_internal.h"

#define DELIVER_US 500 /* Half of what a turn may take. */

struct jobs { /* first in, first out */
    job *first, *last;
};

struct pool {
    loop *loop;
    int threads_count;
    size_t pending;

    pthread_mutex_t lock;
    pthread_cond_t more;     /* todo has a job, or stop is set */
    pthread_cond_t progress; /* finished has a job; only pool_free() waits for it */
    struct jobs todo, finished;
    bool posted, stop;

    pthread_t threads[];
};

static void jobs_push(struct jobs *q, job *j) {
    j->next = NULL;
    if (q->last != NULL) q->last->next = j;
    else q->first = j;
    q->last = j;
}

static job *jobs_pop(struct jobs *q) {
    job *j = q->first;
    if (j == NULL) return NULL;
    q->first = j->next;
    if (q->first == NULL) q->last = NULL;
    j->next = NULL;
    return j;
}

static void pool_lock(pool *p) {
    int rc = pthread_mutex_lock(&p->lock);
    assert(rc == 0);
    (void)rc;
}

static void pool_unlock(pool *p) {
    int rc = pthread_mutex_unlock(&p->lock);
    assert(rc == 0);
    (void)rc;
}

static void jobs_put_back(struct jobs *q, struct jobs *front) {
    if (front->first == NULL) return;
    front->last->next = q->first;
    if (q->last == NULL) q->last = front->last;
    q->first = front->first;
}

/* On the loop: runs done() of a whole batch. What done() submits is for a later batch. */
static void pool_deliver(void *cookie) {
    pool *p = cookie;
    pool_lock(p);
    p->posted = false;
    struct jobs *from = p->threads_count == 0 ? &p->todo : &p->finished;
    struct jobs batch = *from;
    *from = (struct jobs){NULL, NULL};
    pool_unlock(p);
    clock_source *clock = loop_clock(p->loop);
    uint64_t start = clock_mono_us(clock);
    for (job *j = jobs_pop(&batch); j != NULL; j = jobs_pop(&batch)) {
        if (p->threads_count == 0) j->work(j);
        assert(p->pending > 0);
        p->pending--;
        j->done(j);
        if (batch.first != NULL && clock_mono_us(clock) - start >= DELIVER_US) break;
    }
    if (batch.first == NULL) return;
    pool_lock(p);
    jobs_put_back(from, &batch);
    bool post = !p->posted;
    p->posted = true;
    pool_unlock(p);
    if (post) loop_post(p->loop, pool_deliver, p);
}

static void *pool_worker(void *cookie) {
    pool *p = cookie;
    pool_lock(p);
    for (;;) {
        job *j = jobs_pop(&p->todo);
        if (j == NULL) {
            if (p->stop) break;
            pthread_cond_wait(&p->more, &p->lock);
            continue;
        }
        pool_unlock(p);
        j->work(j);
        pool_lock(p);
        jobs_push(&p->finished, j);
        pthread_cond_signal(&p->progress);
        if (!p->posted) {
            /* Under the lock, so that pool_free() cannot come between and miss it. */
            p->posted = true;
            loop_post(p->loop, pool_deliver, p);
        }
    }
    pool_unlock(p);
    return NULL;
}

static void pool_stop_threads(pool *p, int count) {
    pool_lock(p);
    p->stop = true;
    pthread_cond_broadcast(&p->more);
    pool_unlock(p);
    for (int i = 0; i < count; i++) {
        int rc = pthread_join(p->threads[i], NULL);
        assert(rc == 0);
        (void)rc;
    }
}

static void pool_release(pool *p) {
    pthread_cond_destroy(&p->progress);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

int pool_create(loop *l, int threads, pool **out) {
    assert(threads >= 0);
    pool *p = mem_calloc(1, sizeof(*p) + (size_t)threads * sizeof(p->threads[0]));
    p->loop = l;
    int rc = pthread_mutex_init(&p->lock, NULL);
    assert(rc == 0);
    rc = pthread_cond_init(&p->more, NULL);
    assert(rc == 0);
    rc = pthread_cond_init(&p->progress, NULL);
    assert(rc == 0);

    /* Signals are the loop's: a worker inherits a mask that blocks all of them. */
    sigset_t all, before;
    sigfillset(&all);
    rc = pthread_sigmask(SIG_SETMASK, &all, &before);
    assert(rc == 0);
    int started = 0;
    p->threads_count = threads;
    while (started < threads &&
           pthread_create(&p->threads[started], NULL, pool_worker, p) == 0) {
        /* For top and gdb. */
        (void)pthread_setname_np(p->threads[started], "cove-worker");
        started++;
    }
    rc = pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert(rc == 0);
    if (started < threads) {
        pool_stop_threads(p, started);
        pool_release(p);
        return ERR_IO;
    }
    *out = p;
    return OK;
}

void pool_submit(pool *p, job *j) {
    assert(j->work != NULL);
    assert(j->done != NULL);
    bool post = false;
    p->pending++;
    pool_lock(p);
    jobs_push(&p->todo, j);
    if (p->threads_count > 0) {
        pthread_cond_signal(&p->more);
    } else if (!p->posted) {
        p->posted = true;
        post = true;
    }
    pool_unlock(p);
    if (post) loop_post(p->loop, pool_deliver, p);
}

size_t pool_pending(const pool *p) { return p->pending; }

void pool_free(pool *p) {
    if (p == NULL) return;
    /* done() may submit more; that is waited for, too. */
    while (p->pending > 0) {
        if (p->threads_count > 0) {
            pool_lock(p);
            while (p->finished.first == NULL) pthread_cond_wait(&p->progress, &p->lock);
            pool_unlock(p);
        }
        pool_deliver(p);
    }
    pool_stop_threads(p, p->threads_count);
    assert(p->todo.first == NULL && p->finished.first == NULL);
    loop__unpost(p->loop, pool_deliver, p);
    pool_release(p);
}
