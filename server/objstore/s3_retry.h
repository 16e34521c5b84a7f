/* s3_retry.h -- the one place that decides what an answer of the store means, and
 * whether, when and how the request is sent again. Pure: the caller brings time and
 * chance. */
#ifndef COVE_OBJSTORE_S3_RETRY_H
#define COVE_OBJSTORE_S3_RETRY_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/rnd.h"

#define S3_WHY_MAX 256
#define S3_CODE_MAX 64

enum s3_end {                 /* how the exchange itself went */
              S3_NET_OK,      /* an HTTP answer, whole */
              S3_NET_CONNECT, /* no connection: nothing was sent */
              S3_NET_TLS,     /* the other side's certificate or our trust does not fit */
              S3_NET_BROKEN,  /* the connection ended before the answer did */
              S3_NET_TIMEOUT,
              S3_NET_LIMIT /* the answer is larger than asked for */
};

struct s3_answer { /* borrowed */
    enum s3_end net;
    long status;
    const char *code;    /* <Code> of the error body; "" when there is none */
    const char *message; /* <Message>, or curl's words when net is not S3_NET_OK */
    const char *region;  /* x-amz-bucket-region or <Region>; "" */
    long retry_after_s;  /* -1: not said */
};

/* A token bucket over all requests of a store: what stops a storm of retries. A retry
 * pays, a success puts one back; when it is empty, errors go to the caller at once. */
#define S3_TOKENS_MAX 500
#define S3_TOKENS_RETRY 5
#define S3_TOKENS_TIMEOUT 10
#define S3_TOKENS_HEDGE_FLOOR                                                            \
    (S3_TOKENS_MAX / 2) /* below: the store has trouble enough */
struct s3_bucket {
    int tokens;
};
void s3_bucket_init(struct s3_bucket *b);
bool s3_bucket_hedge(struct s3_bucket *b); /* Pays for a hedge, if there is plenty. */

/* One request, over all its attempts. */
struct s3_try {
    bool write; /* it changes the store: an unknown outcome must be told as such */
    unsigned attempts_max, attempts;
    bool unknown; /* some attempt may have taken effect, or may yet */
    bool clock_learned, creds_renewed;
};

enum s3_act {
    S3_ACT_DONE,  /* rc is the outcome */
    S3_ACT_RETRY, /* after delay_ms */
    S3_ACT_CLOCK, /* learn the clock's offset from the answer's Date; then at once */
    S3_ACT_CREDS  /* fetch credentials anew; then at once */
};
struct s3_verdict {
    enum s3_act act;
    int rc;
    unsigned delay_ms;
    bool fresh;   /* on a new connection */
    bool refused; /* why was written: a sentence for the operator */
};

/* Judges the answer to attempt t->attempts (1 for the first) and updates t and b. `what`
 * names the request's place ("bucket b", for sentences). */
struct s3_verdict s3_judge(struct s3_try *t, struct s3_bucket *b, rnd *r,
                           const struct s3_answer *a, const char *bucket,
                           char why[S3_WHY_MAX]);

#endif
