/* conn_test.c -- listeners and connections, with real client sockets on loopback. */
#include "event/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "event/loop_internal.h"
#include "test.h"

#define CONNS_MAX 64

struct server { /* echoes; a byte 'q' closes the connection from inside its callback */
    loop *loop;
    listener *listener;
    conn *conns[CONNS_MAX];
    size_t accepted, closed;
    bool close_listener; /* from within the accept callback */
};

struct server_conn {
    struct server *server;
    conn *conn;
};

static void server_ready(void *cookie, unsigned ready) {
    struct server_conn *sc = cookie;
    char bytes[512];
    CHECK((ready & LOOP_READ) != 0);
    long n = sc->conn->ops->read(sc->conn, bytes, sizeof(bytes));
    if (n == ERR_AGAIN) return;
    if (n <= 0 || bytes[0] == 'q') {
        sc->conn->ops->close(sc->conn);
        sc->server->closed++;
        free(sc);
        return;
    }
    struct iovec iov[2] = {{bytes, 1}, {bytes + 1, (size_t)n - 1}};
    CHECK_INT(sc->conn->ops->writev(sc->conn, iov, 2), n);
}

static void server_accept(void *cookie, conn *c) {
    struct server *s = cookie;
    struct server_conn *sc = calloc(1, sizeof(*sc));
    CHECK(sc != NULL);
    CHECK(s->accepted < CONNS_MAX);
    *sc = (struct server_conn){s, c};
    s->conns[s->accepted++] = c;
    c->ready = server_ready;
    c->cookie = sc;
    c->ops->interest(c, LOOP_READ);
    if (s->close_listener) {
        listener_close(s->listener);
        s->listener = NULL;
    }
}

static void server_start(struct server *s, const char *host) {
    memset(s, 0, sizeof(*s));
    CHECK_INT(loop_create(clock_real(), &s->loop), OK);
    CHECK_INT(listener_tcp(s->loop, host, 0, 511, server_accept, s, &s->listener), OK);
    CHECK(listener_port(s->listener) > 0);
}

static void server_end(struct server *s) {
    listener_close(s->listener);
    loop_free(s->loop); /* asserts that nothing is left */
}

static int client_connect(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void turn_until(struct server *s, const size_t *counter, size_t want) {
    for (int i = 0; *counter < want; i++) {
        CHECK(i < 1000);
        loop_turn(s->loop, 100);
    }
}

static void client_echo(struct server *s, int fd, const char *text) {
    char got[64] = "";
    size_t n = strlen(text), have = 0;
    CHECK_INT(send(fd, text, n, 0), n);
    for (int i = 0; have < n; i++) {
        CHECK(i < 1000);
        loop_turn(s->loop, 100);
        ssize_t r = recv(fd, got + have, sizeof(got) - 1 - have, MSG_DONTWAIT);
        if (r > 0) have += (size_t)r;
    }
    CHECK_STR(got, text);
}

TEST("a listener on port 0 accepts a client, and bytes go both ways") {
    struct server s;
    char name[72];
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    server_start(&s, "127.0.0.1");
    int fd = client_connect(listener_port(s.listener));
    turn_until(&s, &s.accepted, 1);
    conn *c = s.conns[0];
    CHECK(!c->local);
    snprintf(name, sizeof(name), "127.0.0.1:%d", listener_port(s.listener));
    CHECK_STR(c->self, name);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(name, sizeof(name), "127.0.0.1:%d", ntohs(a.sin_port));
    CHECK_STR(c->peer, name);
    client_echo(&s, fd, "hello");
    client_echo(&s, fd, "again");
    close(fd);
    turn_until(&s, &s.closed, 1);
    server_end(&s);
}

TEST("a connection may be closed inside its own callback") {
    struct server s;
    char byte;
    server_start(&s, "*");
    int fd = client_connect(listener_port(s.listener));
    turn_until(&s, &s.accepted, 1);
    CHECK_INT(send(fd, "q", 1, 0), 1);
    turn_until(&s, &s.closed, 1);
    loop_turn(s.loop, 0);
    CHECK_INT(recv(fd, &byte, 1, 0), 0);
    close(fd);
    server_end(&s);
}

TEST("many clients are accepted in one turn") {
    struct server s;
    int fds[50];
    server_start(&s, "127.0.0.1");
    for (int i = 0; i < 50; i++) fds[i] = client_connect(listener_port(s.listener));
    loop_turn(s.loop, 1000);
    CHECK_INT(s.accepted, 50);
    for (int i = 0; i < 50; i++) close(fds[i]);
    turn_until(&s, &s.closed, 50);
    server_end(&s);
}

TEST("a listener may be closed by the callback of an accept") {
    struct server s;
    server_start(&s, "127.0.0.1");
    s.close_listener = true;
    int port = listener_port(s.listener);
    int fds[2] = {client_connect(port), client_connect(port)};
    turn_until(&s, &s.accepted, 1);
    CHECK(s.listener == NULL);
    close(fds[0]);
    close(fds[1]);
    turn_until(&s, &s.closed, 1);
    CHECK_INT(s.accepted, 1);
    server_end(&s);
}

TEST("an address that is taken is ERR_EXISTS, nonsense is ERR_IO") {
    struct server s;
    listener *other = NULL;
    server_start(&s, "127.0.0.1");
    int port = listener_port(s.listener);
    CHECK_INT(listener_tcp(s.loop, "127.0.0.1", port, 5, server_accept, &s, &other),
              ERR_EXISTS);
    CHECK_INT(errno, EADDRINUSE);
    CHECK_INT(listener_tcp(s.loop, "no.such.host", 0, 5, server_accept, &s, &other),
              ERR_IO);
    CHECK_INT(listener_tcp(s.loop, "127.0.0.1", 65536, 5, server_accept, &s, &other),
              ERR_IO);
    CHECK_INT(listener_tcp(s.loop, "192.0.2.1", 0, 5, server_accept, &s, &other), ERR_IO);
    CHECK_INT(errno, EADDRNOTAVAIL);
    CHECK(other == NULL);
    server_end(&s);
}

TEST("without a free fd the listener waits, does not spin, and goes on later") {
    struct server s;
    struct rlimit before, few;
    server_start(&s, "127.0.0.1");
    int fd = client_connect(listener_port(s.listener));
    int lowest = dup(fd);
    CHECK(lowest >= 0);
    close(lowest);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)lowest;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    int turns = 0;
    uint64_t end = loop_now_us(s.loop) + 250000;
    while (loop_now_us(s.loop) < end) {
        loop_turn(s.loop, 50);
        turns++;
    }
    CHECK_INT(s.accepted, 0);
    CHECK(turns < 30);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    turn_until(&s, &s.accepted, 1);
    client_echo(&s, fd, "late");
    close(fd);
    turn_until(&s, &s.closed, 1);
    server_end(&s);
}

TEST("a listener can be closed while it waits for a free fd") {
    struct server s;
    struct rlimit before, few;
    server_start(&s, "127.0.0.1");
    int fd = client_connect(listener_port(s.listener));
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 3;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    loop_turn(s.loop, 1000);
    CHECK_INT(s.accepted, 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(fd);
    server_end(&s); /* asserts that no timer is left */
}

TEST("a Unix listener has the permissions asked for, replaces and removes its file") {
    struct server s = {.accepted = 0};
    char dir[] = "/tmp/cove-conn-XXXXXX", path[64], name[72];
    struct stat st;
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/sock", dir);
    CHECK_INT(loop_create(clock_real(), &s.loop), OK);
    for (int round = 0; round < 2; round++) {
        /* The second finds the file of the first, whose end it does not survive. */
        listener *old = s.listener;
        CHECK_INT(listener_unix(s.loop, path, 0700, 5, server_accept, &s, &s.listener),
                  OK);
        listener_close(old);
    }
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0700);
    CHECK_INT(listener_port(s.listener), 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_INT(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    turn_until(&s, &s.accepted, 1);
    CHECK(s.conns[0]->local);
    snprintf(name, sizeof(name), "%s:0", path);
    CHECK_STR(s.conns[0]->peer, name);
    CHECK_STR(s.conns[0]->self, name);
    conn_keepalive(s.conns[0], 300);
    client_echo(&s, fd, "unix");
    close(fd);
    turn_until(&s, &s.closed, 1);
    server_end(&s);
    CHECK(lstat(path, &st) != 0);
    CHECK_INT(rmdir(dir), 0);
}

TEST("a Unix listener does not replace what is not a socket") {
    struct server s = {.accepted = 0};
    char path[] = "/tmp/cove-conn-XXXXXX", longer[200];
    listener *l = NULL;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    CHECK_INT(loop_create(clock_real(), &s.loop), OK);
    CHECK_INT(listener_unix(s.loop, path, 0, 5, server_accept, &s, &l), ERR_EXISTS);
    CHECK_INT(access(path, F_OK), 0);
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    CHECK_INT(listener_unix(s.loop, longer, 0, 5, server_accept, &s, &l), ERR_IO);
    CHECK_INT(errno, ENAMETOOLONG);
    CHECK_INT(unlink(path), 0);
    loop_free(s.loop);
}

struct pair {
    conn *conn;
    unsigned ready;
};

static void pair_ready(void *cookie, unsigned ready) {
    ((struct pair *)cookie)->ready |= ready;
}

TEST("a connection tells when it would block, when it can go on, and when its peer is "
     "gone") {
    loop *l = NULL;
    struct pair p = {NULL, 0};
    int fd[2];
    char bytes[65536] = "";
    struct iovec iov = {bytes, sizeof(bytes)};
    CHECK_INT(loop_create(clock_real(), &l), OK);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    p.conn = conn_from_fd(l, fd[0], true);
    p.conn->ready = pair_ready;
    p.conn->cookie = &p;
    CHECK_INT(p.conn->ops->read(p.conn, bytes, 1), ERR_AGAIN);
    long n, sent = 0;
    while ((n = p.conn->ops->writev(p.conn, &iov, 1)) > 0) sent += n;
    CHECK_INT(n, ERR_AGAIN);
    p.conn->ops->interest(p.conn, LOOP_READ | LOOP_WRITE);
    loop_turn(l, 0);
    CHECK_INT(p.ready, 0);
    while (sent > 0) {
        ssize_t r = recv(fd[1], bytes, sizeof(bytes), 0);
        CHECK(r > 0);
        sent -= (long)r;
    }
    loop_turn(l, 1000);
    CHECK_INT(p.ready, LOOP_WRITE);
    close(fd[1]);
    loop_turn(l, 1000);
    CHECK_INT(p.ready, LOOP_READ | LOOP_WRITE);
    CHECK_INT(p.conn->ops->writev(p.conn, &iov, 1), ERR_IO); /* and no SIGPIPE */
    CHECK_INT(p.conn->ops->read(p.conn, bytes, 1), 0);
    p.conn->ops->close(p.conn);
    loop_free(l);
}

TEST("a connection that cannot be watched says so in a later turn") {
    loop *l = NULL;
    struct pair p = {NULL, 0};
    char byte;
    CHECK_INT(loop_create(clock_real(), &l), OK);
    int fd = open("/dev/null", O_RDWR); /* epoll refuses it */
    CHECK(fd >= 0);
    p.conn = conn_from_fd(l, fd, true);
    p.conn->ready = pair_ready;
    p.conn->cookie = &p;
    p.conn->ops->interest(p.conn, LOOP_READ);
    CHECK_INT(p.ready, 0);
    loop_turn(l, -1);
    CHECK_INT(p.ready, LOOP_READ | LOOP_WRITE);
    CHECK_INT(p.conn->ops->read(p.conn, &byte, 1), ERR_IO);
    p.conn->ops->interest(p.conn, LOOP_READ);
    p.conn->ops->close(p.conn);
    loop_free(l);
}

TEST("small replies are not held back, and keep-alive is set as asked") {
    struct server s;
    int value = 0;
    socklen_t n = sizeof(value);
    server_start(&s, "127.0.0.1");
    int fd = client_connect(listener_port(s.listener));
    turn_until(&s, &s.accepted, 1);
    CHECK_INT(getsockopt(s.conns[0]->fd, IPPROTO_TCP, TCP_NODELAY, &value, &n), 0);
    CHECK(value != 0);
    conn_keepalive(s.conns[0], 300);
    CHECK_INT(getsockopt(s.conns[0]->fd, SOL_SOCKET, SO_KEEPALIVE, &value, &n), 0);
    CHECK(value != 0);
    CHECK_INT(getsockopt(s.conns[0]->fd, IPPROTO_TCP, TCP_KEEPINTVL, &value, &n), 0);
    CHECK_INT(value, 100);
    close(fd);
    turn_until(&s, &s.closed, 1);
    server_end(&s);
}

TEST("IPv6 addresses are listened on and written in brackets") {
    struct server s = {.accepted = 0};
    char name[72];
    CHECK_INT(loop_create(clock_real(), &s.loop), OK);
    int rc = listener_tcp(s.loop, "::1", 0, 5, server_accept, &s, &s.listener);
    if (rc != OK) {
        /* A machine without IPv6 refuses the family or has no such address. */
        CHECK(errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
        printf("# this machine has no IPv6: %s\n", strerror(errno));
        loop_free(s.loop);
        return;
    }
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    a.sin6_port = htons((uint16_t)listener_port(s.listener));
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK_INT(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    turn_until(&s, &s.accepted, 1);
    snprintf(name, sizeof(name), "[::1]:%d", listener_port(s.listener));
    CHECK_STR(s.conns[0]->self, name);
    close(fd);
    turn_until(&s, &s.closed, 1);
    server_end(&s);
}

/* To one that reads, one that is full, one whose peer has gone, and one with more than fits. */
static void write_to_four(loop *l) {
    enum { LARGE = 8 << 20 };
    uint8_t *bytes = calloc(1, LARGE), got[8];
    conn *near[4], *far[4];
    struct conn_write w[4];
    for (int i = 0; i < 4; i++) {
        CHECK_INT(conn_pair(l, &near[i], &far[i]), OK);
        w[i] = (struct conn_write){.c = near[i], .part = {bytes, 5}, .result = 77};
    }
    bytes[0] = 'x';
    while (near[1]->ops->writev(near[1], &(struct iovec){bytes, 4096}, 1) > 0) continue;
    far[2]->ops->close(far[2]);
    w[3].part.iov_len = LARGE;
    conn_write_many(w, 4);
    CHECK_INT(w[0].result, 5);
    CHECK_INT(w[1].result, ERR_AGAIN);
    CHECK_INT(w[2].result, ERR_IO);
    CHECK(w[3].result > 0 && w[3].result < LARGE);
    CHECK_INT(far[0]->ops->read(far[0], got, sizeof(got)), 5);
    CHECK_INT(got[0], 'x');
    for (int i = 0; i < 4; i++) {
        near[i]->ops->close(near[i]);
        if (i != 2) far[i]->ops->close(far[i]);
    }
    free(bytes);
}

TEST("several connections are written to at once, and each has its own result") {
    loop *l;
    CHECK_INT(loop_create(clock_real(), &l), OK);
    if (loop__ring(l) == NULL) printf("# this kernel has no io_uring\n");
    for (int i = 0; i < 3; i++) write_to_four(l);
    loop_free(l);
}

TEST("they are where the kernel has no io_uring, too") {
    struct loop_backend *backend;
    CHECK_INT(loop__epoll_create(&backend), OK);
    loop *l = loop__create_over(clock_real(), backend);
    CHECK(loop__ring(l) == NULL);
    write_to_four(l);
    loop_free(l);
}
