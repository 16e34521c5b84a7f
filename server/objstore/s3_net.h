/* s3_net.h -- HTTP exchanges over one curl multi handle. Driven by one thread.
 *
 * An exchange is a struct of its owner. It is done exactly once, from s3_net_poll(), or
 * never when it was canceled. At most `connections` are on the wire; others wait in
 * order. */
#ifndef COVE_OBJSTORE_S3_NET_H
#define COVE_OBJSTORE_S3_NET_H

#include "base/clock.h"
#include "base/list.h"
#include "objstore/objstore.h"
#include "objstore/s3_retry.h"
#include "objstore/s3_sign.h"

struct s3_http {
    /* The owner's, borrowed until done. */
    const char *method; /* GET HEAD PUT POST DELETE */
    const char *url;
    const struct s3_pair *headers; /* Host among them */
    size_t header_count;
    slice body;          /* of PUT and POST */
    size_t answer_max;   /* a larger body of a good answer is S3_NET_LIMIT */
    uint64_t timeout_us; /* without progress; 1 MB/s is the least progress */
    bool direct;         /* no proxy, whatever the environment says */
    bool fresh;          /* a new connection */
    void (*done)(struct s3_http *h);
    void *cookie;
    /* Set before done. */
    enum s3_end net;
    char error[128]; /* curl's words when net is not S3_NET_OK */
    long status;
    buf answer;            /* the owner frees it with s3_http_deinit() */
    uint64_t answer_total; /* Content-Length, also of HEAD; UINT64_MAX: not said */
    uint64_t range_total;  /* of Content-Range; UINT64_MAX: not said */
    uint64_t range_first;
    char etag[OBJ_ETAG_MAX]; /* "" when absent or too long */
    char region[64];         /* x-amz-bucket-region */
    bool ceph;               /* the answer's headers are those of a RADOS Gateway */
    uint64_t date_us;        /* 0: none that can be read */
    uint64_t bytes_up, bytes_down;
    long retry_after_s;
    /* s3_net.c's own. */
    list node;
    void *easy, *header_list;
    size_t sent;
    uint64_t deadline_us;
    bool queued, running;
};

typedef struct s3_net s3_net;

int s3_net_create(clock_source *clock, unsigned connections, const char *ca_file,
                  s3_net **out);
void s3_net_free(s3_net *n); /* No exchange may be under way. */
void s3_net_start(s3_net *n, struct s3_http *h);
void s3_net_cancel(s3_net *n, struct s3_http *h); /* Also when it is not under way. */
/* Waits at most until `until_us` (monotonic), or s3_net_wakeup(); then runs what is done.
 */
void s3_net_poll(s3_net *n, uint64_t until_us);
void s3_net_wakeup(s3_net *n);          /* From any thread. */
void s3_http_deinit(struct s3_http *h); /* Frees and wipes the answer. */

#endif
