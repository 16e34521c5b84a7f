/* loop.c -- one turn after another: wait, deliver, fire timers, run posts, run the hooks.
 *
 *      +--> wait --> fds that are ready --> delivered --> timers that are due --> posts --> hooks --+
 *      |    (as long as nothing is due)                                                            |
 *      +--------------------------------------------------------------------------------------------+
 *
 * Invariants
 *  1. What a callback asks for (a watch, a timer, a post) runs in a later turn, or later
 *     in this one, never inside the call that asked.
 *  2. After loop_unwatch(fd) nothing is delivered for that watch, even if it was ready in
 *     the same batch and its number has been reused since: each watch has a generation,
 *     the back end hands it back, and they must agree.
 *  3. A timer made while timers fire waits for the next turn, and so does a post made
 *     while posts run: no turn is endless.
 *  4. A post never gets lost between the last look at the queue and the sleep: `asleep`
 *     is set under the queue's lock, and who finds it set wakes the back end. One wake-up
 *     for any number of posts, none at all while the loop is awake. */
#include "event/loop.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "event/loop_internal.h"

#define LOOP_READY_MAX 512 /* fds a turn; the rest is reported in the next. */
#define LOOP_HOOKS_MAX 8
/* Ready fds are served so long; then timers, posts and hooks have their turn. Less than half of what a
 * turn may take: what clients wrote is sealed, and replies leave, every millisecond. What is begun just
 * before the end of a share goes on behind it, once for each kind of work: so the shares end well below. */
#define DELIVER_US 400
#define DELIVER_HELD_US 100 /* When posts wait from the turn before. */
#define HOLD_US 250         /* Posts that come so late in a turn wait for the next one. */
#define POSTS_US 450        /* After so long a turn no further post is begun. */
#define TURN_US 650 /* What a turn is to take, all in all. */
#define CPU_READ_US 250

struct watch {
    loop_fd_fn *fn; /* NULL: not watched */
    void *cookie;
    unsigned mask;
    uint32_t generation;
};

struct timer {
    uint64_t due_us;
    uint64_t seq; /* Ties fire in the order in which they were made. */
    size_t index; /* in the heap */
    void (*fn)(void *cookie);
    void *cookie;
};

struct post {
    void (*fn)(void *cookie);
    void *cookie;
};

struct posts {
    struct post *p;
    size_t n, cap;
};

struct loop {
    clock_source *clock;
    struct loop_backend *backend;
    struct ring *ring; /* NULL: none */
    uint64_t now_us, wall_ms;
    uint64_t cpu_us, cpu_read_at_us; /* the thread's CPU time, when it was read last */
    bool in_turn, stop, awake_again; /* awake_again: a hook forbids the next sleep. */

    struct watch *watches; /* by fd */
    size_t watches_cap, watches_count;
    uint32_t generation;
    struct loop_ready ready[LOOP_READY_MAX];
    int ready_n, ready_at; /* what the back end told; from ready_at on not yet delivered */

    timer **heap;
    size_t heap_n, heap_cap;
    uint64_t timer_seq;

    pthread_mutex_t lock; /* Guards `queued` and `asleep`. */
    struct posts queued;
    bool asleep;
    struct posts running; /* The loop's own: swapped with `queued`, kept to be reused. */
    size_t running_at;    /* from here on not yet run */
    bool posts_held;      /* They were all left to the next turn. */

    struct post delivered; /* fn NULL: none */
    struct {
        bool (*fn)(void *cookie);
        void *cookie;
    } hooks[LOOP_HOOKS_MAX];
    size_t hooks_n;

    struct loop_stats stats;
};

/* -- life -- */

loop *loop__create_over(clock_source *clock, struct loop_backend *backend) {
    loop *l = mem_calloc(1, sizeof(*l));
    l->clock = clock;
    l->backend = backend;
    int rc = pthread_mutex_init(&l->lock, NULL);
    assert(rc == 0);
    (void)rc;
    return l;
}

int loop_create(clock_source *clock, loop **out) {
    struct loop_backend *backend;
    int rc = loop__epoll_create(&backend);
    if (rc != OK) return rc;
    *out = loop__create_over(clock, backend);
    (*out)->ring = ring__create();
    return OK;
}

void loop_free(loop *l) {
    if (l == NULL) return;
    assert(!l->in_turn);
    assert(l->heap_n == 0);
    assert(l->watches_count == 0);
    l->backend->free(l->backend);
    ring__free(l->ring);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->watches);
    mem_free(l->heap);
    mem_free(l->queued.p);
    mem_free(l->running.p);
    mem_free(l);
}

struct ring *loop__ring(loop *l) { return l->ring; }

bool loop_sends_together(const loop *l) { return ring__works(l->ring); }

/* -- time -- */

/* Outside of a turn (during set-up) the last turn's time may be long gone. */
static void loop_read_clock(loop *l) {
    l->now_us = clock_mono_us(l->clock);
    l->wall_ms = clock_wall_ms(l->clock);
}

uint64_t loop_now_us(loop *l) {
    if (!l->in_turn) loop_read_clock(l);
    return l->now_us;
}

uint64_t loop_share_us(loop *l, uint64_t most) {
    uint64_t took = l->in_turn ? clock_mono_us(l->clock) - l->now_us : 0;
    uint64_t left = took < TURN_US ? TURN_US - took : 0, least = most / 10;
    return left > most ? most : left < least ? least : left;
}

uint64_t loop_wall_ms(loop *l) {
    if (!l->in_turn) loop_read_clock(l);
    return l->wall_ms;
}

clock_source *loop_clock(loop *l) { return l->clock; }

/* Not the clock of clock.h: it measures what the work cost, and decides nothing. */
static uint64_t loop_cpu_us(void) {
    struct timespec t;
    int rc = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    assert(rc == 0);
    (void)rc;
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* -- fds -- */

static void watches_grow(loop *l, size_t fd) {
    size_t cap = l->watches_cap == 0 ? 64 : l->watches_cap;
    while (cap <= fd) cap *= 2;
    l->watches = mem_realloc(l->watches, cap * sizeof(*l->watches));
    memset(l->watches + l->watches_cap, 0, (cap - l->watches_cap) * sizeof(*l->watches));
    l->watches_cap = cap;
}

int loop_watch(loop *l, int fd, unsigned mask, loop_fd_fn *fn, void *cookie) {
    assert(fd >= 0);
    assert(fn != NULL);
    assert((mask & ~(LOOP_READ | LOOP_WRITE)) == 0);
    if (mask == 0) {
        loop_unwatch(l, fd);
        return OK;
    }
    if ((size_t)fd >= l->watches_cap) watches_grow(l, (size_t)fd);
    struct watch *w = &l->watches[fd];
    bool fresh = w->fn == NULL;
    if (fresh || w->mask != mask) {
        uint32_t generation = fresh ? l->generation + 1 : w->generation;
        unsigned old = fresh ? 0 : w->mask;
        int rc = l->backend->set(l->backend, fd, old, mask, generation);
        if (rc != OK) return rc;
        w->generation = generation;
        w->mask = mask;
        if (fresh) {
            l->generation = generation;
            l->watches_count++;
        }
    }
    w->fn = fn;
    w->cookie = cookie;
    return OK;
}

void loop_unwatch(loop *l, int fd) {
    assert(fd >= 0);
    if ((size_t)fd >= l->watches_cap || l->watches[fd].fn == NULL) return;
    struct watch *w = &l->watches[fd];
    (void)l->backend->set(l->backend, fd, w->mask, 0, w->generation); /* Cannot fail. */
    *w = (struct watch){.fn = NULL};
    assert(l->watches_count > 0);
    l->watches_count--;
}

/* What does not fit into the turn comes first in the next one: all that the back end told
 * is delivered before it is asked again, so no fd is passed over for another. */
static void loop_deliver(loop *l) {
    uint64_t until = l->posts_held ? DELIVER_HELD_US : DELIVER_US;
    while (l->ready_at < l->ready_n) {
        const struct loop_ready r = l->ready[l->ready_at++];
        assert(r.fd >= 0);
        if ((size_t)r.fd >= l->watches_cap) continue;
        const struct watch *w = &l->watches[r.fd];
        /* Callbacks before this one may have closed the fd, or lost interest. */
        if (w->fn == NULL || w->generation != r.generation) continue;
        unsigned ready = r.ready & w->mask;
        if (ready == 0) continue;
        w->fn(w->cookie, r.fd, ready);
        if (clock_mono_us(l->clock) - l->now_us >= until) return;
    }
}

/* -- timers: a binary heap, the earliest on top -- */

static bool timer_before(const timer *a, const timer *b) {
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->seq < b->seq;
}

static void heap_place(loop *l, size_t i, timer *t) {
    l->heap[i] = t;
    t->index = i;
}

static void heap_up(loop *l, size_t i, timer *t) {
    while (i > 0 && timer_before(t, l->heap[(i - 1) / 2])) {
        heap_place(l, i, l->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_place(l, i, t);
}

static void heap_down(loop *l, size_t i, timer *t) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->heap_n) break;
        if (child + 1 < l->heap_n && timer_before(l->heap[child + 1], l->heap[child]))
            child++;
        if (!timer_before(l->heap[child], t)) break;
        heap_place(l, i, l->heap[child]);
        i = child;
    }
    heap_place(l, i, t);
}

static void heap_remove(loop *l, timer *t) {
    size_t i = t->index;
    assert(i < l->heap_n);
    assert(l->heap[i] == t);
    timer *last = l->heap[--l->heap_n];
    if (last == t) return;
    if (i > 0 && timer_before(last, l->heap[(i - 1) / 2])) heap_up(l, i, last);
    else heap_down(l, i, last);
}

timer *loop_timer(loop *l, uint64_t delay_us, void (*fn)(void *cookie), void *cookie) {
    assert(fn != NULL);
    if (l->heap_n == l->heap_cap) {
        l->heap_cap = l->heap_cap == 0 ? 32 : l->heap_cap * 2;
        l->heap = mem_realloc(l->heap, l->heap_cap * sizeof(timer *));
    }
    uint64_t now = loop_now_us(l);
    timer *t = mem_alloc(sizeof(*t));
    t->due_us = delay_us > UINT64_MAX - now ? UINT64_MAX : now + delay_us;
    t->seq = l->timer_seq++;
    t->fn = fn;
    t->cookie = cookie;
    heap_up(l, l->heap_n++, t);
    return t;
}

void loop_timer_cancel(loop *l, timer *t) {
    if (t == NULL) return;
    heap_remove(l, t);
    mem_free(t);
}

static void loop_fire_timers(loop *l) {
    /* A timer made from here on is due now at the earliest and has a higher seq: it sorts
     * behind all that were due before, and ends the loop. */
    uint64_t seq_end = l->timer_seq;
    while (l->heap_n > 0) {
        timer *t = l->heap[0];
        if (t->due_us > l->now_us || t->seq >= seq_end) break;
        void (*fn)(void *) = t->fn;
        void *cookie = t->cookie;
        heap_remove(l, t);
        mem_free(t);
        fn(cookie);
    }
}

/* -- posts -- */

static void loop_lock(loop *l) {
    int rc = pthread_mutex_lock(&l->lock);
    assert(rc == 0);
    (void)rc;
}

static void loop_unlock(loop *l) {
    int rc = pthread_mutex_unlock(&l->lock);
    assert(rc == 0);
    (void)rc;
}

void loop_post(loop *l, void (*fn)(void *cookie), void *cookie) {
    assert(fn != NULL);
    loop_lock(l);
    struct posts *q = &l->queued;
    if (q->n == q->cap) {
        q->cap = q->cap == 0 ? 32 : q->cap * 2;
        q->p = mem_realloc(q->p, q->cap * sizeof(*q->p));
    }
    q->p[q->n++] = (struct post){fn, cookie};
    bool wake = l->asleep;
    l->asleep = false;
    loop_unlock(l);
    if (wake) l->backend->wake(l->backend);
}

static void posts_forget(struct posts *q, void (*fn)(void *cookie), void *cookie) {
    for (size_t i = 0; i < q->n; i++)
        if (q->p[i].fn == fn && q->p[i].cookie == cookie) q->p[i].fn = NULL;
}

void loop__unpost(loop *l, void (*fn)(void *cookie), void *cookie) {
    loop_lock(l);
    posts_forget(&l->queued, fn, cookie);
    loop_unlock(l);
    posts_forget(&l->running, fn, cookie); /* When called from a post. */
}

static bool loop_is_late(loop *l, uint64_t us) { return clock_mono_us(l->clock) - l->now_us >= us; }

/* What does not fit into the turn comes first in the next one. A turn that was long before they began leaves them all to
 * the next, which has time for them. */
static void loop_run_posts(loop *l) {
    loop_lock(l);
    l->asleep = false;
    if (l->running_at == l->running.n) {
        struct posts batch = l->queued;
        l->queued = l->running;
        l->queued.n = 0;
        l->running = batch;
        l->running_at = 0;
    }
    loop_unlock(l);
    l->posts_held = l->running.n > l->running_at && !l->posts_held && loop_is_late(l, HOLD_US);
    if (l->posts_held) return;
    while (l->running_at < l->running.n) {
        const struct post p = l->running.p[l->running_at++];
        if (p.fn != NULL) p.fn(p.cookie);
        if (loop_is_late(l, POSTS_US)) break;
    }
}

/* -- hooks -- */

void loop_after_delivery(loop *l, void (*fn)(void *cookie), void *cookie) {
    assert(fn != NULL && l->delivered.fn == NULL);
    l->delivered = (struct post){fn, cookie};
}

void loop_before_sleep(loop *l, bool (*fn)(void *cookie), void *cookie) {
    assert(fn != NULL);
    assert(l->hooks_n < LOOP_HOOKS_MAX);
    l->hooks[l->hooks_n].fn = fn;
    l->hooks[l->hooks_n++].cookie = cookie;
    l->awake_again = true; /* It runs before the first sleep, too. */
}

static void loop_run_hooks(loop *l) {
    l->awake_again = false;
    for (size_t i = 0; i < l->hooks_n; i++)
        if (l->hooks[i].fn(l->hooks[i].cookie)) l->awake_again = true;
}

/* -- turns -- */

/* How long the turn may wait; says so to whoever posts, when it is going to. */
static int64_t loop_wait_us(loop *l, int max_wait_ms) {
    int64_t wait = max_wait_ms < 0 ? -1 : (int64_t)max_wait_ms * 1000;
    if (l->awake_again || l->stop || l->running_at < l->running.n) wait = 0;
    if (wait != 0 && l->heap_n > 0) {
        uint64_t now = clock_mono_us(l->clock), due = l->heap[0]->due_us;
        uint64_t left = due > now ? due - now : 0;
        if (left > INT64_MAX) left = INT64_MAX;
        if (wait < 0 || (int64_t)left < wait) wait = (int64_t)left;
    }
    if (wait == 0) return 0;
    loop_lock(l);
    if (l->queued.n > 0) wait = 0;
    else l->asleep = true;
    loop_unlock(l);
    return wait;
}

/* The thread's CPU time is a system call: it is read at most every CPU_READ_US, and at the end of turns
 * that took longer than that. A shorter turn's time counts as all CPU time; a longer one's may include what
 * the thread used in the CPU_READ_US before it. */
static void loop_begin_count(loop *l) {
    if (l->now_us - l->cpu_read_at_us < CPU_READ_US) return;
    l->cpu_us = loop_cpu_us();
    l->cpu_read_at_us = l->now_us;
}

static void loop_count_turn(loop *l) {
    uint64_t end_us = clock_mono_us(l->clock), cpu_us = end_us - l->now_us;
    if (cpu_us >= CPU_READ_US) {
        uint64_t now = loop_cpu_us();
        if (now - l->cpu_us < cpu_us) cpu_us = now - l->cpu_us;
        l->cpu_us = now;
        l->cpu_read_at_us = end_us;
    }
    l->stats.turns++;
    if (cpu_us > l->stats.turn_cpu_us_max) l->stats.turn_cpu_us_max = cpu_us;
    if (cpu_us > 1000) l->stats.turns_over_1ms++;
    if (cpu_us > 5000) l->stats.turns_over_5ms++;
}

void loop_turn(loop *l, int max_wait_ms) {
    assert(!l->in_turn);
    if (l->ready_at == l->ready_n) {
        int64_t wait_us = loop_wait_us(l, max_wait_ms);
        l->ready_n = l->backend->wait(l->backend, l->ready, LOOP_READY_MAX, wait_us);
        l->ready_at = 0;
        assert(l->ready_n >= 0 && l->ready_n <= LOOP_READY_MAX);
    }
    loop_read_clock(l);
    loop_begin_count(l);
    l->in_turn = true;
    loop_deliver(l);
    if (l->delivered.fn != NULL) l->delivered.fn(l->delivered.cookie);
    loop_fire_timers(l);
    loop_run_posts(l);
    loop_run_hooks(l);
    l->in_turn = false;
    loop_count_turn(l);
}

void loop_run(loop *l) {
    while (!l->stop) loop_turn(l, -1);
    l->stop = false;
}

void loop_stop(loop *l) { l->stop = true; }

void loop_get_stats(loop *l, struct loop_stats *out) { *out = l->stats; }

void loop_reset_stats(loop *l) { l->stats = (struct loop_stats){0}; }
