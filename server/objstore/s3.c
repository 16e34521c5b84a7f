/* s3.c -- S3 as an object store: the thread, the two queues, and their hand-over.
 *
 *        the loop                                     the store's thread
 *     submit() --------> inbox (lock, wakeup) ------> s3_op_start()
 *                                                        calls, attempts, retries, hedges
 *                                                        (s3_op, s3_multi, s3_call,
 * s3_retry) curl multi (s3_net) deliver() <------- outbox (lock, eventfd) <-----
 * op_done() r->done()
 *
 * Invariants
 *  1. An op is in one place: the inbox, the thread's `live`, the outbox, or `ready`
 * (taken from the outbox by the loop). Each ends in done(), once.
 *  2. stats and why belong to the loop; the engine belongs to the thread; the two queues,
 *     `told` and `stop` are all that they share, under `lock`.
 *  3. The loop never waits for the network: submit() takes the lock for a few
 * instructions.
 *
 * Only objstore_s3_create() waits (for credentials), and objstore_free() (for the thread
 * to see that it should stop; it cancels what is under way and does not wait for
 * answers).
 *
 * Completions wake the loop through an eventfd and not a post: a watch can be taken back,
 * so that nothing of a freed store is left in the loop. One wake-up a batch. */
#include "objstore/s3.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "objstore/s3_op.h"

#define CONNECTIONS_DEFAULT 64u
#define ATTEMPTS_DEFAULT 5u
#define TIMEOUT_DEFAULT_MS 10000u
#define CREATE_WAIT_US                                                                   \
    30000000u /* Three exchanges of credentials, the slowest of 10 s. */
#define IDLE_WAIT_US 10000000u

struct s3_store {
    objstore base;
    loop *loop;
    logger *log;
    char describe[S3_BUCKET_MAX + S3_PREFIX_MAX + 8];
    pthread_t thread;
    bool thread_runs;
    int event_fd;
    list ready;             /* the loop's */
    bool delivering, freed; /* free() from within a done() */

    struct s3_engine engine; /* the thread's */
    list live;

    pthread_mutex_t lock;
    list inbox, outbox;
    bool told; /* the eventfd is set, or deliver() is about to look */
    bool stop;
};

static void s3_submit(objstore *base, obj_req *r);
static void s3_close(objstore *base);
static const char *s3_describe(objstore *base);
static const struct objstore_ops s3_ops = {s3_submit, s3_close, s3_describe};

static void *thread_main(void *cookie);
static void op_done(s3_op *o);
static void deliver(void *cookie, int fd, unsigned ready);
static void deliver_one(struct s3_store *s, s3_op *o);

static void lock(struct s3_store *s) {
    int rc = pthread_mutex_lock(&s->lock);
    assert(rc == 0);
    (void)rc;
}

static void unlock(struct s3_store *s) {
    int rc = pthread_mutex_unlock(&s->lock);
    assert(rc == 0);
    (void)rc;
}

/* Moves all of `from` behind what `to` holds. */
static void list_move_all(list *from, list *to) {
    for (list *n; (n = list_first(from)) != NULL;) {
        list_remove(n);
        list_push_back(to, n);
    }
}

/* -- life -----------------------------------------------------------------------------
 */

static void store_destroy(struct s3_store *s) {
    s3_engine_deinit(&s->engine);
    s3_net_free(s->engine.net);
    s3_creds_free(s->engine.creds);
    if (s->event_fd >= 0) close(s->event_fd);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* Asks for credentials and waits: the thread does not run yet, so this drives the engine.
 */
static int wait_for_creds(struct s3_store *s, char why[256]) {
    struct s3_engine *e = &s->engine;
    uint64_t end = clock_mono_us(e->clock) + CREATE_WAIT_US;
    while (e->creds_rc == ERR_AGAIN && clock_mono_us(e->clock) < end)
        s3_engine_poll(e, end);
    if (e->creds_rc == OK) return OK;
    snprintf(why, 256, "%s",
             e->creds_rc == ERR_AGAIN ? "credentials did not come in time"
                                      : e->creds_why);
    return ERR_AUTH;
}

static int start_thread(struct s3_store *s) {
    sigset_t all, old;
    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&s->thread, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    s->thread_runs = rc == 0;
    return rc == 0 ? OK : ERR_IO;
}

static void warn_of_plain_http(struct s3_store *s) {
    const struct s3_place *p = &s->engine.place;
    if (p->tls || p->local) return;
    log_line(s->log, LOG_WARNING,
             "s3: http to %s: requests are signed, but anybody on the way "
             "can read them; use https",
             p->host);
}

int objstore_s3_create(loop *l, const struct s3_config *c, rnd *r, logger *log,
                       objstore **out, char why[256]) {
    struct s3_place place;
    why[0] = 0;
    int rc = s3_place_init(&place, c, why);
    if (rc != OK) return rc;
    struct s3_store *s = mem_calloc(1, sizeof(*s));
    struct s3_engine *e = &s->engine;
    s->base.ops = &s3_ops;
    s->loop = l;
    s->log = log;
    snprintf(s->describe, sizeof(s->describe), "s3://%s/%s", place.bucket, place.prefix);
    size_t n = strlen(s->describe);
    if (s->describe[n - 1] == '/') s->describe[n - 1] = 0;
    list_init(&s->ready);
    list_init(&s->live);
    list_init(&s->inbox);
    list_init(&s->outbox);
    pthread_mutex_init(&s->lock, NULL);
    s->event_fd = -1;

    e->place = place;
    e->clock = loop_clock(l);
    e->log = log;
    e->attempts_max = c->attempts_max == 0 ? ATTEMPTS_DEFAULT : c->attempts_max;
    e->timeout_ms = c->timeout_ms == 0 ? TIMEOUT_DEFAULT_MS : c->timeout_ms;
    rnd_seed(&e->rnd, rnd_u64(r));
    s3_engine_init(e);
    e->creds = s3_creds_create(place.region);
    rc = s3_net_create(e->clock,
                       c->connections_max == 0 ? CONNECTIONS_DEFAULT : c->connections_max,
                       c->ca_file, &e->net);
    if (rc != OK) {
        snprintf(why, 256, "libcurl does not start");
        goto fail;
    }
    rc = wait_for_creds(s, why);
    if (rc != OK) goto fail;
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rc = s->event_fd < 0 ? ERR_IO : loop_watch(l, s->event_fd, LOOP_READ, deliver, s);
    if (rc == OK) rc = start_thread(s);
    if (rc != OK) {
        if (s->event_fd >= 0) loop_unwatch(l, s->event_fd);
        snprintf(why, 256, "no thread or event for the store");
        goto fail;
    }
    warn_of_plain_http(s);
    *out = &s->base;
    return OK;
fail:
    store_destroy(s);
    return rc;
}

static void cancel_all(struct s3_store *s, list *l) {
    for (list *n; (n = list_first(l)) != NULL;) {
        s3_op *o = LIST_ENTRY(n, s3_op, node);
        s3_op_cancel(o);
        list_remove(n);
        list_push_back(&s->ready, n);
    }
}

static void s3_close(objstore *base) {
    struct s3_store *s = (struct s3_store *)base;
    assert(!s->freed);
    lock(s);
    s->stop = true;
    unlock(s);
    s3_net_wakeup(s->engine.net);
    pthread_join(s->thread, NULL);
    loop_unwatch(s->loop, s->event_fd);
    /* No thread, no lock: everything is the loop's now. */
    list_move_all(&s->outbox, &s->ready);
    cancel_all(s, &s->live);
    cancel_all(s, &s->inbox);
    s->freed = true;
    for (list *n; (n = list_first(&s->ready)) != NULL;)
        deliver_one(s, LIST_ENTRY(n, s3_op, node));
    if (!s->delivering)
        store_destroy(s); /* Else deliver() does, below us on the stack. */
}

static const char *s3_describe(objstore *base) {
    return ((struct s3_store *)base)->describe;
}

/* -- the loop's side ------------------------------------------------------------------
 */

static void s3_submit(objstore *base, obj_req *r) {
    struct s3_store *s = (struct s3_store *)base;
    assert(!s->freed);
    assert(r->done != NULL);
    assert(r->op == OBJ_LIST || objstore_name_ok(r->name));
    assert(strlen(r->name) <= OBJ_NAME_MAX);
    assert(r->after == NULL || strlen(r->after) <= OBJ_NAME_MAX);
    assert(r->length == 0 || r->offset <= UINT64_MAX - r->length);
    s3_op *o = s3_op_create(r);
    o->done = op_done;
    o->cookie = s;
    r->impl = o;
    r->rc = OK;
    s->base.stats.requests[r->op]++;
    lock(s);
    bool first = list_empty(&s->inbox);
    list_push_back(&s->inbox, &o->node);
    unlock(s);
    if (first) s3_net_wakeup(s->engine.net);
}

static void deliver_one(struct s3_store *s, s3_op *o) {
    obj_req *r = o->r;
    struct objstore_stats *st = &s->base.stats;
    list_remove(&o->node);
    if (r->rc != OK && r->rc != ERR_PRECOND && r->rc != ERR_NOTFOUND &&
        r->rc != ERR_CANCELED) {
        st->errors[r->op]++;
        if (strcmp(s->base.why, o->why) != 0 && o->why[0] != 0) {
            log_line(s->log, LOG_WARNING, "s3: %s: %s", s->describe, o->why);
            memcpy(s->base.why, o->why, sizeof(s->base.why));
        }
    }
    st->retries += o->retries;
    st->hedges += o->hedges;
    st->bytes_up += o->bytes_up;
    st->bytes_down += o->bytes_down;
    s3_op_free(o);
    r->impl = NULL;
    r->done(r);
}

static void deliver(void *cookie, int fd, unsigned ready) {
    struct s3_store *s = cookie;
    uint64_t count;
    (void)ready;
    ssize_t n = read(fd, &count, sizeof(count));
    (void)n; /* Nothing to read: a late event; the outbox says what there is. */
    lock(s);
    s->told = false;
    list_move_all(&s->outbox, &s->ready);
    unlock(s);
    s->delivering = true;
    for (list *node; (node = list_first(&s->ready)) != NULL;) {
        deliver_one(s, LIST_ENTRY(node, s3_op, node));
    }
    s->delivering = false;
    if (s->freed) store_destroy(s);
}

/* -- the thread's side ----------------------------------------------------------------
 */

static void op_done(s3_op *o) {
    struct s3_store *s = o->cookie;
    list_remove(&o->node);
    lock(s);
    bool tell = !s->told;
    s->told = true;
    list_push_back(&s->outbox, &o->node);
    unlock(s);
    if (tell) {
        uint64_t one = 1;
        ssize_t n = write(s->event_fd, &one, sizeof(one));
        assert(n == (ssize_t)sizeof(one));
        (void)n;
    }
}

static void *thread_main(void *cookie) {
    struct s3_store *s = cookie;
    for (;;) {
        list fresh;
        list_init(&fresh);
        lock(s);
        bool stop = s->stop;
        if (!stop) list_move_all(&s->inbox, &fresh);
        unlock(s);
        if (stop) return NULL;
        for (list *n; (n = list_first(&fresh)) != NULL;) {
            list_remove(n);
            list_push_back(&s->live, n);
            s3_op_start(LIST_ENTRY(n, s3_op, node), &s->engine);
        }
        s3_engine_poll(&s->engine, clock_mono_us(s->engine.clock) + IDLE_WAIT_US);
    }
}
