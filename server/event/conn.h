/* conn.h -- connections (TCP, Unix, later TLS) behind one interface, and listeners. */
#ifndef COVE_EVENT_CONN_H
#define COVE_EVENT_CONN_H

#include <stddef.h>
#include <sys/uio.h>

#include "event/loop.h"

typedef struct conn conn;
typedef struct listener listener;

/* A conn is a table of functions plus state; sockets are one kind, a simulated pipe
 * another. All calls are from the loop. */
struct conn_ops {
    /* Bytes read (> 0), 0 at end of stream, ERR_AGAIN, ERR_IO. */
    long (*read)(conn *c, void *p, size_t n);
    long (*writev)(conn *c, const struct iovec *iov, int count); /* > 0, ERR_AGAIN, ERR_IO */
    void (*interest)(conn *c, unsigned mask);                    /* LOOP_READ | LOOP_WRITE */
    void (*close)(conn *c); /* Frees c; no callback afterwards. */
};
struct conn {
    const struct conn_ops *ops;
    loop *loop;
    void (*ready)(void *cookie, unsigned ready); /* set by the user of the conn */
    void *cookie;
    bool local;          /* Unix socket */
    char peer[72];       /* "127.0.0.1:5000", "/tmp/sock:0" */
    char self[72];
    int fd;              /* -1 when there is none */
};

conn *conn_from_fd(loop *l, int fd, bool local); /* Takes a connected, nonblocking fd. */
/* Writes of several connections of one loop, each as by writev with one part, but that errno says nothing: in one call of
 * the kernel where it can. At most CONN_WRITES_MAX. */
#define CONN_WRITES_MAX 64
struct conn_write {
    conn *c;
    struct iovec part;
    long result;
};
void conn_write_many(struct conn_write *w, size_t n);
/* Two ends of one connection within the process. ERR_IO: errno is set. */
int conn_pair(loop *l, conn **one, conn **other);

/* Accepts until told otherwise; each connection is handed over owned. Errors of accept()
 * are survived (EMFILE: backs off 100 ms). */
typedef void listener_fn(void *cookie, conn *c);
/* host: a numeric address or "*"; port 0 picks one (listener_port). ERR_EXISTS: the address
 * is taken; ERR_IO: anything else, errno is set. */
int listener_tcp(loop *l, const char *host, int port, int backlog, listener_fn *fn,
                 void *cookie, listener **out);
/* perm 0: the umask decides. An old socket file is replaced; umask before bind. */
int listener_unix(loop *l, const char *path, int perm, int backlog, listener_fn *fn,
                  void *cookie, listener **out);
int listener_port(const listener *l);
void listener_close(listener *l);
void conn_keepalive(conn *c, int seconds);

#endif
