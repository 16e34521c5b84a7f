/* ring.c -- the sends of a turn in one call of the kernel, over io_uring.
 *
 * Invariants
 *  1. Nothing is under way between two calls: a send that would wait is refused (MSG_DONTWAIT) and not kept, so all
 *     are done when the call returns. An fd may be closed, and bytes may move, at any other time.
 *  2. The kernel takes the sends in their order.
 *  3. A ring that has failed is not used again; what it did not do is told as ERR_AGAIN.
 *
 * Why only sends: tests/bench/sends_bench.c measures what they cost in one call and each in its own. Receives in one
 * call as well brought nothing beyond that, and with all of it left to io_uring (multishot receives into buffers of the
 * kernel's choice) every request would be copied once more. */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "event/loop_internal.h"

struct ring {
    struct io_uring uring;
    bool failed;
};

struct ring *ring__create(void) {
    struct ring *r = mem_calloc(1, sizeof(*r));
    if (io_uring_queue_init(RING_SENDS_MAX, &r->uring, 0) == 0) return r;
    mem_free(r);
    return NULL;
}

void ring__free(struct ring *r) {
    if (r == NULL) return;
    io_uring_queue_exit(&r->uring);
    mem_free(r);
}

bool ring__works(const struct ring *r) { return r != NULL && !r->failed; }

static long result_of(int res) {
    if (res > 0) return res;
    return res == -EAGAIN || res == -EINTR ? ERR_AGAIN : ERR_IO;
}

bool ring__send(struct ring *r, struct ring_send *s, size_t n) {
    assert(n > 0 && n <= RING_SENDS_MAX);
    if (!ring__works(r)) return false;
    for (size_t i = 0; i < n; i++) {
        struct io_uring_sqe *e = io_uring_get_sqe(&r->uring);
        assert(e != NULL); /* The queue is empty between two calls. */
        io_uring_prep_send(e, s[i].fd, s[i].p, s[i].n, MSG_NOSIGNAL | MSG_DONTWAIT);
        io_uring_sqe_set_data64(e, i);
        s[i].result = ERR_AGAIN;
    }
    int taken = io_uring_submit_and_wait(&r->uring, (unsigned)n);
    r->failed = taken != (int)n;
    for (int done = 0; done < taken; done++) {
        struct io_uring_cqe *e;
        if (io_uring_wait_cqe(&r->uring, &e) != 0) {
            r->failed = true;
            break;
        }
        size_t i = (size_t)io_uring_cqe_get_data64(e);
        assert(i < n);
        s[i].result = result_of(e->res);
        io_uring_cqe_seen(&r->uring, e);
    }
    return true;
}
