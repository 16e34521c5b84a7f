/* s3_op.h -- one obj_req on its way through S3: the calls it takes, and what they mean.
 */
#ifndef COVE_OBJSTORE_S3_OP_H
#define COVE_OBJSTORE_S3_OP_H

#include "objstore/s3_call.h"

#define S3_MULTIPART_OVER ((size_t)64 << 20) /* Smaller bodies are one PUT. */
#define S3_PART_BYTES ((size_t)16 << 20) /* A part that fails costs no more than this.   \
                                          */
#define S3_PARTS_MAX 10000u
#define S3_PARTS_INFLIGHT 4u                  /* Leaves connections to the log. */
#define S3_PUT_BYTES_MAX ((size_t)5 << 30)    /* S3's limit of one PUT. */
#define S3_OBJECT_BYTES_MAX ((size_t)1 << 30) /* A GET of a whole object reads no more.  \
                                               */

struct s3_multi;
typedef struct s3_op s3_op;
struct s3_op {
    obj_req *r;
    void (*done)(s3_op *o); /* r->rc and what belongs to it are set */
    void *cookie;
    list node;            /* the owner's */
    char why[S3_WHY_MAX]; /* "" or a sentence about the refusal */
    unsigned retries, hedges;
    uint64_t bytes_up, bytes_down;
    /* s3_op.c's and s3_multi.c's own. */
    struct s3_engine *engine;
    s3_call call;
    char range[64], etag[OBJ_ETAG_MAX + 2], start[S3_KEY_MAX + 1], prefix[S3_KEY_MAX + 1];
    bool other_etag; /* the second spelling is on its way */
    bool past_end;   /* a GET beyond the end: only the size is wanted */
    struct s3_multi *multi;
};

s3_op *s3_op_create(obj_req *r); /* On any thread. */
void s3_op_start(s3_op *o, struct s3_engine *e);
void s3_op_cancel(s3_op *o); /* done() will not run; r->rc becomes ERR_CANCELED. */
void s3_op_free(s3_op *o);
/* For s3_op.c and s3_multi.c. */
void s3_op__count(s3_op *o, s3_call *c); /* Adds a finished call's figures. */
void s3_op__finish(s3_op *o, int rc);

void s3_multi_start(s3_op *o);
void s3_multi_cancel(struct s3_multi *m);
void s3_multi_free(struct s3_multi *m);

#endif
