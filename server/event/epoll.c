/* epoll.c -- the loop's back end over epoll, with an eventfd to wake it.
 *
 * Level triggered: an fd that is still readable is reported again, so a user may stop
 * reading after its share and lose nothing. The kernel carries fd and generation for us
 * in the 64 bits of epoll_data. */
#include "event/loop_internal.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

#define EPOLL_BATCH_MAX 512 /* 6 KB of events; more are reported by the next wait. */

/* No fd has the number -1, and so the waker's mark cannot be mistaken. */
#define EPOLL_WAKER UINT64_MAX

struct epoll_backend {
    struct loop_backend base;
    int epoll_fd, wake_fd;
    struct epoll_event events[EPOLL_BATCH_MAX];
};

static int epoll_backend_set(struct loop_backend *b, int fd, unsigned old, unsigned mask,
                             uint32_t generation) {
    struct epoll_backend *e = (struct epoll_backend *)b;
    struct epoll_event ev = {.events = 0};
    assert(fd >= 0 && old != mask);
    if ((mask & LOOP_READ) != 0) ev.events |= EPOLLIN;
    if ((mask & LOOP_WRITE) != 0) ev.events |= EPOLLOUT;
    ev.data.u64 = (uint64_t)generation << 32 | (uint32_t)fd;
    int op = mask == 0 ? EPOLL_CTL_DEL : old == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(e->epoll_fd, op, fd, &ev) == 0) return OK;
    /* A removal fails only when the fd was closed first, which removed it as well. */
    return mask == 0 ? OK : ERR_IO;
}

static int epoll_backend_wait(struct loop_backend *b, struct loop_ready *out, int max,
                              int64_t wait_us) {
    struct epoll_backend *e = (struct epoll_backend *)b;
    int wait_ms = -1;
    /* Rounded up: a wait that ends before its timer is due would spin. */
    if (wait_us >= 0) {
        int64_t ms = wait_us / 1000 + (wait_us % 1000 != 0);
        wait_ms = ms > INT_MAX ? INT_MAX : (int)ms;
    }
    if (max > EPOLL_BATCH_MAX) max = EPOLL_BATCH_MAX;
    int got = epoll_wait(e->epoll_fd, e->events, max, wait_ms);
    if (got < 0) {
        assert(errno == EINTR);
        return 0;
    }
    int count = 0;
    for (int i = 0; i < got; i++) {
        uint64_t mark = e->events[i].data.u64;
        uint32_t bits = e->events[i].events;
        if (mark == EPOLL_WAKER) {
            uint64_t n;
            (void)!read(e->wake_fd, &n, sizeof(n)); /* Only resets the counter. */
            continue;
        }
        unsigned ready = 0;
        if ((bits & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) ready |= LOOP_READ;
        if ((bits & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) ready |= LOOP_WRITE;
        out[count++] = (struct loop_ready){.fd = (int)(uint32_t)mark,
                                           .generation = (uint32_t)(mark >> 32),
                                           .ready = ready};
    }
    return count;
}

static void epoll_backend_wake(struct loop_backend *b) {
    struct epoll_backend *e = (struct epoll_backend *)b;
    uint64_t one = 1;
    ssize_t n;
    do n = write(e->wake_fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, hence the wait is awake already. */
    assert(n == (ssize_t)sizeof(one) || errno == EAGAIN);
}

static void epoll_backend_free(struct loop_backend *b) {
    struct epoll_backend *e = (struct epoll_backend *)b;
    if (e->epoll_fd >= 0) close(e->epoll_fd);
    if (e->wake_fd >= 0) close(e->wake_fd);
    mem_free(e);
}

int loop__epoll_create(struct loop_backend **out) {
    struct epoll_backend *e = mem_calloc(1, sizeof(*e));
    e->base = (struct loop_backend){.set = epoll_backend_set,
                                    .wait = epoll_backend_wait,
                                    .wake = epoll_backend_wake,
                                    .free = epoll_backend_free};
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->epoll_fd < 0 || e->wake_fd < 0) goto fail;
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = EPOLL_WAKER};
    if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->wake_fd, &ev) != 0) goto fail;
    *out = &e->base;
    return OK;
fail:;
    int saved = errno;
    epoll_backend_free(&e->base);
    errno = saved;
    return ERR_IO;
}
