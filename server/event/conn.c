/* conn.c -- connections over sockets: the conn_ops of a connected fd.
 *
 * A conn may be closed inside its own callback: the callback is the last thing that is
 * done with it, and the loop drops what is still to come for its fd. */
#include "event/conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "event/loop_internal.h"

struct socket_conn {
    struct conn base;
    bool broken;   /* The kernel would not watch the fd: every call answers ERR_IO. */
    timer *report; /* Tells the user so, in a later turn. */
};

static long socket_read(conn *c, void *p, size_t n) {
    assert(n > 0);
    if (((struct socket_conn *)c)->broken) return ERR_IO;
    for (;;) {
        ssize_t got = recv(c->fd, p, n, 0);
        if (got >= 0) return (long)got;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return ERR_AGAIN;
        if (errno != EINTR) return ERR_IO;
    }
}

static long socket_writev(conn *c, const struct iovec *iov, int count) {
    assert(count > 0);
    if (((struct socket_conn *)c)->broken) return ERR_IO;
    /* send() and not write(): a peer that has gone must not raise SIGPIPE. */
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                       .msg_iovlen = (size_t)(count > IOV_MAX ? IOV_MAX : count)};
    for (;;) {
        ssize_t put = count == 1 ? send(c->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                                 : sendmsg(c->fd, &m, MSG_NOSIGNAL);
        if (put >= 0) return (long)put;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return ERR_AGAIN;
        if (errno != EINTR) return ERR_IO;
    }
}

static void socket_ready(void *cookie, int fd, unsigned ready) {
    conn *c = cookie;
    assert(c->fd == fd);
    assert(c->ready != NULL);
    c->ready(c->cookie, ready);
}

static void socket_report(void *cookie) {
    struct socket_conn *s = cookie;
    s->report = NULL;
    s->base.ready(s->base.cookie, LOOP_READ | LOOP_WRITE);
}

static void socket_interest(conn *c, unsigned mask) {
    struct socket_conn *s = (struct socket_conn *)c;
    if (s->broken) return;
    if (loop_watch(c->loop, c->fd, mask, socket_ready, c) == OK) return;
    /* Out of watches or of kernel memory. The user learns it where it learns of all
     * errors: its next read or write fails. */
    s->broken = true;
    loop_unwatch(c->loop, c->fd);
    s->report = loop_timer(c->loop, 0, socket_report, s);
}

static void socket_close(conn *c) {
    struct socket_conn *s = (struct socket_conn *)c;
    loop_timer_cancel(c->loop, s->report);
    loop_unwatch(c->loop, c->fd);
    (void)close(c->fd); /* Nothing is to be done about a failure; the fd is gone. */
    mem_free(s);
}

static const struct conn_ops socket_ops = {
    .read = socket_read,
    .writev = socket_writev,
    .interest = socket_interest,
    .close = socket_close,
};

static void write_each(struct conn_write *w, size_t n) {
    for (size_t i = 0; i < n; i++) w[i].result = w[i].c->ops->writev(w[i].c, &w[i].part, 1);
}

void conn_write_many(struct conn_write *w, size_t n) {
    struct ring_send sends[CONN_WRITES_MAX];
    assert(n > 0 && n <= CONN_WRITES_MAX);
    bool plain = n > 1; /* One alone costs less without the ring. */
    for (size_t i = 0; i < n && plain; i++) {
        assert(w[i].c->loop == w[0].c->loop);
        plain = w[i].c->ops == &socket_ops && !((struct socket_conn *)w[i].c)->broken;
        sends[i] = (struct ring_send){.fd = w[i].c->fd, .p = w[i].part.iov_base, .n = w[i].part.iov_len};
    }
    if (!plain || !ring__send(loop__ring(w[0].c->loop), sends, n)) {
        write_each(w, n);
        return;
    }
    for (size_t i = 0; i < n; i++) w[i].result = sends[i].result;
}

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

static void address_print(const union address *a, socklen_t bytes, char *out,
                          size_t room) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
        snprintf(out, room, "%s:%d", host, ntohs(a->in.sin_port));
    } else if (a->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
        snprintf(out, room, "[%s]:%d", host, ntohs(a->in6.sin6_port));
    } else if (a->any.sa_family == AF_UNIX && bytes > sizeof(sa_family_t)) {
        int path = (int)strnlen(a->un.sun_path, bytes - sizeof(sa_family_t));
        /* A path may fill all of sun_path; what does not fit is cut, ":0" stays. */
        if (path > (int)room - 3) path = (int)room - 3;
        snprintf(out, room, "%.*s:0", path, a->un.sun_path);
    } else {
        snprintf(out, room, "?:0");
    }
}

static void conn_name(conn *c) {
    union address a;
    socklen_t n = sizeof(a);
    memset(&a, 0, sizeof(a));
    if (getsockname(c->fd, &a.any, &n) != 0) a.any.sa_family = AF_UNSPEC;
    address_print(&a, n, c->self, sizeof(c->self));
    if (c->local) {
        /* The other end of a Unix socket has no name; the socket's file stands for it. */
        memcpy(c->peer, c->self, sizeof(c->peer));
        return;
    }
    n = sizeof(a);
    memset(&a, 0, sizeof(a));
    if (getpeername(c->fd, &a.any, &n) != 0) a.any.sa_family = AF_UNSPEC;
    address_print(&a, n, c->peer, sizeof(c->peer));
}

conn *conn_from_fd(loop *l, int fd, bool local) {
    assert(fd >= 0);
    struct socket_conn *s = mem_calloc(1, sizeof(*s));
    s->base.ops = &socket_ops;
    s->base.loop = l;
    s->base.fd = fd;
    s->base.local = local;
    if (!local) {
        int yes = 1;
        /* Without it replies are late, not wrong; a peer that is gone shows in read. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    }
    conn_name(&s->base);
    return &s->base;
}

int conn_pair(loop *l, conn **one, conn **other) {
    int fd[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) != 0) return ERR_IO;
    *one = conn_from_fd(l, fd[0], true);
    *other = conn_from_fd(l, fd[1], true);
    return OK;
}

void conn_keepalive(conn *c, int seconds) {
    if (c->fd < 0 || c->local || seconds <= 0) return;
    int yes = 1, probes = 3, between = seconds / 3 > 0 ? seconds / 3 : 1;
    /* Without it a dead peer is found later; no reason to refuse the connection. */
    (void)setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof(between));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}
