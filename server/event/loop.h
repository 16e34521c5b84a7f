/* loop.h -- the event loop: readiness, timers, posts from other threads, end-of-turn hooks.
 *
 * One loop, one thread. The back end, epoll, is a struct loop_backend, so that a simulated one can stand in; what
 * connections send leaves over io_uring where the kernel has it (ring.c says why no more than that). A callback runs
 * exactly once per event, never inside the call that asked for it. Nothing here may block. */
#ifndef COVE_EVENT_LOOP_H
#define COVE_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

typedef struct loop loop;
typedef struct timer timer;

/* clock is borrowed. ERR_IO when the kernel refuses. */
int loop_create(clock_source *clock, loop **out);
void loop_free(loop *l); /* All timers and watches must be gone. */
void loop_run(loop *l);  /* Until loop_stop(). */
void loop_stop(loop *l);
/* One turn: waits at most max_wait_ms (-1: until something happens; 0: polls). */
void loop_turn(loop *l, int max_wait_ms);

/* The time read once at the start of the turn. */
uint64_t loop_now_us(loop *l);      /* monotonic */
uint64_t loop_wall_ms(loop *l);
clock_source *loop_clock(loop *l);

/* How long work that can wait may go on in this turn: at most `most`, less when the turn has gone on for
 * long already, but a tenth of it in any case, so that nothing starves. Several kinds of such work may come
 * together in one turn, and it is to stay under a millisecond. Reads the clock. */
uint64_t loop_share_us(loop *l, uint64_t most);

/* fd readiness, level triggered. One watch an fd. Masks are LOOP_READ | LOOP_WRITE. */
#define LOOP_READ 1u
#define LOOP_WRITE 2u
typedef void loop_fd_fn(void *cookie, int fd, unsigned ready);
int loop_watch(loop *l, int fd, unsigned mask, loop_fd_fn *fn, void *cookie); /* or change */
void loop_unwatch(loop *l, int fd); /* No event for fd is delivered after this. */

/* One-shot timers. The handle is dead once it has fired or been canceled. */
timer *loop_timer(loop *l, uint64_t delay_us, void (*fn)(void *cookie), void *cookie);
void loop_timer_cancel(loop *l, timer *t);

/* Runs fn on the loop in its next turn, or in one after it when there is much to do, in the order of the posts; the only
 * function safe from other threads. */
void loop_post(loop *l, void (*fn)(void *cookie), void *cookie);

/* fn runs in every turn when all that is ready has been delivered, or as much of it as there is time for; before timers.
 * One for a loop. */
void loop_after_delivery(loop *l, void (*fn)(void *cookie), void *cookie);

/* fn runs at the end of every turn, before the loop sleeps, in the order added (seal the
 * log's batch, flush clients). At most 8. Returns true from fn: do not sleep now. */
void loop_before_sleep(loop *l, bool (*fn)(void *cookie), void *cookie);

/* The kernel has io_uring, lets us, and has not failed at it: conn_write_many() is one call. */
bool loop_sends_together(const loop *l);

/* Longest turn, and the count over 1 ms and 5 ms, in the loop thread's own CPU time. */
struct loop_stats {
    uint64_t turns, turn_cpu_us_max, turns_over_1ms, turns_over_5ms;
};
void loop_get_stats(loop *l, struct loop_stats *out);
void loop_reset_stats(loop *l);

#endif
