/* loop_internal.h -- what stands between the loop and the kernel, shared inside event/.
 *
 * A back end knows three things: which fds are of interest, how to wait for them, and how
 * to be woken. Everything else (timers, posts, hooks, who is called) is the loop's, so
 * that epoll, io_uring and a simulated back end give the same order of callbacks. */
#ifndef COVE_EVENT_LOOP_INTERNAL_H
#define COVE_EVENT_LOOP_INTERNAL_H

#include <stddef.h>

#include "event/loop.h"

struct loop_ready {
    int fd;
    uint32_t generation; /* as given to set(): tells a reused fd from its ancestor */
    unsigned ready;      /* LOOP_READ | LOOP_WRITE; an error or hang-up sets both */
};

struct loop_backend {
    /* The interest in fd goes from `old` to `mask`; 0 is none, and old == 0 adds.
     * Removing (mask == 0) cannot fail. Otherwise OK or ERR_IO with errno set. */
    int (*set)(struct loop_backend *b, int fd, unsigned old, unsigned mask,
               uint32_t generation);
    /* Fills at most max entries; waits at most wait_us (-1: for ever, 0: polls). Returns
     * how many; 0 also when woken or interrupted. */
    int (*wait)(struct loop_backend *b, struct loop_ready *out, int max, int64_t wait_us);
    /* From any thread: the wait that runs now, or else the next one, returns at once. */
    void (*wake)(struct loop_backend *b);
    void (*free)(struct loop_backend *b);
};

int loop__epoll_create(struct loop_backend **out); /* ERR_IO when the kernel refuses. */

/* ring.c: sends, many in one call. NULL: the kernel has no io_uring, or refuses it. */
#define RING_SENDS_MAX 64
struct ring;
struct ring_send {
    int fd;
    const void *p;
    size_t n;
    long result; /* bytes taken, ERR_AGAIN or ERR_IO */
};
struct ring *ring__create(void);
void ring__free(struct ring *r);
bool ring__works(const struct ring *r); /* r may be NULL */
/* False: nothing was done, and nothing ever will be with this ring. At most RING_SENDS_MAX. */
bool ring__send(struct ring *r, struct ring_send *s, size_t n);
struct ring *loop__ring(loop *l);

/* The loop takes the back end, and frees it. */
loop *loop__create_over(clock_source *clock, struct loop_backend *backend);

/* Forgets all posts of (fn, cookie) that have not run; on the loop's thread only. */
void loop__unpost(loop *l, void (*fn)(void *cookie), void *cookie);

#endif
