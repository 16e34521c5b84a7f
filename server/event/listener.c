/* listener.c -- listening sockets: TCP and Unix.
 *
 * accept() fails for two kinds of reasons. The connection's own (it was reset while it
 * waited, a firewall refused it): the next one is tried. Ours (no fd left, no memory):
 * the fd would stay readable and the loop would spin, so the listener looks away for
 * ACCEPT_BACKOFF_US. */
#include "event/conn.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

#define ACCEPTS_MAX 1000 /* an event; others have their turn between */
#define ACCEPT_BACKOFF_US 100000

struct listener {
    loop *loop;
    int fd;
    bool local;
    listener_fn *fn;
    void *cookie;
    timer *backoff; /* not watched until it fires */
    bool *closed;   /* set by listener_close() for an accept loop that is running */
    char *path;     /* Unix: the file to remove, if it is still (dev, ino) */
    dev_t dev;
    ino_t ino;
};

static void listener_accept(void *cookie, int fd, unsigned ready);

static void listener_resume(void *cookie) {
    listener *l = cookie;
    l->backoff = NULL;
    if (loop_watch(l->loop, l->fd, LOOP_READ, listener_accept, l) != OK)
        l->backoff = loop_timer(l->loop, ACCEPT_BACKOFF_US, listener_resume, l);
}

static void listener_back_off(listener *l) {
    assert(l->backoff == NULL);
    loop_unwatch(l->loop, l->fd);
    l->backoff = loop_timer(l->loop, ACCEPT_BACKOFF_US, listener_resume, l);
}

static bool accept_error_is_ours(int error) {
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return false;
    default:
        return true; /* EMFILE, ENFILE, ENOBUFS, ENOMEM, and what we do not know. */
    }
}

static void listener_accept(void *cookie, int fd, unsigned ready) {
    listener *l = cookie;
    bool closed = false;
    (void)ready;
    l->closed = &closed;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (got >= 0) {
            l->fn(l->cookie, conn_from_fd(l->loop, got, l->local));
            if (closed) return; /* l is gone. */
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) break;
        if (accept_error_is_ours(errno)) {
            listener_back_off(l);
            break;
        }
    }
    l->closed = NULL;
}

/* Takes fd, which is bound. */
static int listener_start(loop *on, int fd, int backlog, listener_fn *fn, void *cookie,
                          listener **out) {
    assert(fn != NULL);
    if (listen(fd, backlog) != 0) goto fail;
    listener *l = mem_calloc(1, sizeof(*l));
    l->loop = on;
    l->fd = fd;
    l->fn = fn;
    l->cookie = cookie;
    if (loop_watch(on, fd, LOOP_READ, listener_accept, l) != OK) {
        mem_free(l);
        goto fail;
    }
    *out = l;
    return OK;
fail:;
    int saved = errno;
    close(fd);
    errno = saved;
    return saved == EADDRINUSE ? ERR_EXISTS : ERR_IO;
}

/* A socket bound to the address, or -1 with errno set. */
static int listener_bind(const struct addrinfo *a) {
    int yes = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0) goto fail;
    /* "*" and "::*" are two listeners of one port: IPv6 must leave IPv4 alone. */
    if (a->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) != 0)
        goto fail;
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0) goto fail;
    return fd;
fail:;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int listener_tcp(loop *l, const char *host, int port, int backlog, listener_fn *fn,
                 void *cookie, listener **out) {
    if (port < 0 || port > 65535) {
        errno = EINVAL;
        return ERR_IO;
    }
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    if (strcmp(host, "*") == 0) host = "0.0.0.0";
    else if (strcmp(host, "::*") == 0) host = "::";
    snprintf(service, sizeof(service), "%d", port);
    int rc = getaddrinfo(host, service, &hints, &found);
    if (rc != 0) {
        if (rc != EAI_SYSTEM) errno = EINVAL; /* Not an address. */
        return ERR_IO;
    }
    int fd = listener_bind(found);
    int saved = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        errno = saved;
        return saved == EADDRINUSE ? ERR_EXISTS : ERR_IO;
    }
    return listener_start(l, fd, backlog, fn, cookie, out);
}

int listener_unix(loop *on, const char *path, int perm, int backlog, listener_fn *fn,
                  void *cookie, listener **out) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(a.sun_path)) {
        errno = n == 0 ? EINVAL : ENAMETOOLONG;
        return ERR_IO;
    }
    memcpy(a.sun_path, path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return ERR_IO;
    /* Only a socket is replaced: a slip in the configuration must not cost a file. */
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) (void)unlink(path);
    /* The umask makes the file with its final mode: a chmod() after bind() would leave it
     * open to others for a moment. */
    mode_t before = 0;
    if (perm != 0) before = umask((mode_t)(~perm & 0777));
    int rc = bind(fd, (const struct sockaddr *)&a, sizeof(a));
    int saved = errno;
    if (perm != 0) (void)umask(before);
    if (rc != 0) {
        close(fd);
        errno = saved;
        return saved == EADDRINUSE ? ERR_EXISTS : ERR_IO;
    }
    rc = listener_start(on, fd, backlog, fn, cookie, out);
    if (rc != OK) {
        saved = errno;
        (void)unlink(path);
        errno = saved;
        return rc;
    }
    listener *l = *out;
    l->local = true;
    if (lstat(path, &st) == 0) {
        l->path = mem_strdup(path);
        l->dev = st.st_dev;
        l->ino = st.st_ino;
    }
    return OK;
}

int listener_port(const listener *l) {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage room;
    } a;
    socklen_t n = sizeof(a);
    memset(&a, 0, sizeof(a));
    if (getsockname(l->fd, &a.any, &n) != 0) return 0;
    if (a.any.sa_family == AF_INET) return ntohs(a.in.sin_port);
    if (a.any.sa_family == AF_INET6) return ntohs(a.in6.sin6_port);
    return 0; /* Unix sockets have none. */
}

void listener_close(listener *l) {
    struct stat st;
    if (l == NULL) return;
    if (l->closed != NULL) *l->closed = true;
    loop_timer_cancel(l->loop, l->backoff);
    loop_unwatch(l->loop, l->fd);
    (void)close(l->fd);
    /* Another server may have put its own socket there since. */
    if (l->path != NULL && lstat(l->path, &st) == 0 && st.st_dev == l->dev &&
        st.st_ino == l->ino)
        (void)unlink(l->path);
    mem_free(l->path);
    mem_free(l);
}
