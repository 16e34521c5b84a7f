/* s3_call.h -- one logical request to S3: signed, sent, hedged, tried again; and the
 * engine that all calls of a store share. Everything here runs in the store's own thread.
 */
#ifndef COVE_OBJSTORE_S3_CALL_H
#define COVE_OBJSTORE_S3_CALL_H

#include "base/log.h"
#include "objstore/s3_creds.h"
#include "objstore/s3_net.h"
#include "objstore/s3_place.h"

#define S3_EXTRA_MAX 4

enum s3_etag_style { /* how If-Match wants its etag: found out, never configured */
                     S3_ETAG_UNKNOWN, /* quoted, until the store shows that it wants
                                         otherwise */
                     S3_ETAG_QUOTED,
                     S3_ETAG_BARE /* RADOS Gateway before 18 compares the bare bytes */
};

typedef struct s3_call s3_call;
struct s3_attempt {
    struct s3_http http;
    s3_call *call;
    bool active;
    char date[17];
    char *token, *auth, *url; /* owned; the token and the signature are wiped */
    struct s3_pair headers[S3_EXTRA_MAX + 6];
};

struct s3_call {
    /* The owner's, borrowed until done. */
    const char *method;
    char key[S3_KEY_MAX + 1]; /* the whole key, with the prefix; "" is the bucket */
    struct s3_pair query[6];
    size_t query_count;
    struct s3_pair extra[S3_EXTRA_MAX]; /* more headers, names in lower case */
    size_t extra_count;
    slice body;
    size_t answer_max;
    bool write;            /* see struct s3_try */
    bool xml;              /* a 200 may carry an <Error> */
    unsigned attempts_max; /* 0: the engine's */
    unsigned hedge_ms;
    void (*done)(s3_call *c); /* may start or free any call, this one too */
    void *cookie;
    /* Set before done. */
    int rc;
    const struct s3_http *answer; /* NULL when no exchange decided */
    bool ambiguous;               /* an earlier attempt may have taken effect */
    char code[S3_CODE_MAX];
    char why[S3_WHY_MAX]; /* "" or a sentence */
    unsigned retries, hedges;
    uint64_t bytes_up, bytes_down;
    /* s3_call.c's own. */
    struct s3_engine *engine;
    struct s3_attempt attempt[2]; /* the second is the hedge */
    struct s3_try tried;
    char payload[65];
    list node;
    enum { S3_CALL_IDLE, S3_CALL_SENT, S3_CALL_PAUSED, S3_CALL_NO_KEYS } state;
    uint64_t due_us; /* of the next attempt, or of the hedge */
    bool fresh;
};

struct s3_engine {
    struct s3_place place;
    s3_net *net;
    s3_creds *creds;
    clock_source *clock;
    logger *log;
    rnd rnd;
    struct s3_bucket bucket;
    unsigned attempts_max, timeout_ms;
    int64_t clock_offset_us; /* the store's clock less ours, once it complained */
    bool ceph;
    enum s3_etag_style etag_style;
    list calls; /* all under way */
    struct s3_http creds_http;
    struct s3_pair creds_headers[4];
    char *creds_url;
    bool creds_asking;      /* an exchange for credentials is under way */
    bool creds_wanted;      /* look for credentials at the next turn */
    uint64_t creds_next_us; /* wall: the next time to look */
    bool creds_told;        /* their source has been logged */
    char creds_why[256];
    int creds_rc; /* of the last look: OK, ERR_AGAIN under way, ERR_AUTH */
};

void s3_engine_init(struct s3_engine *e);   /* After its settings above have been made. */
void s3_engine_deinit(struct s3_engine *e); /* All calls are done or canceled. */
/* One turn: waits for something to happen, at most until until_us. */
void s3_engine_poll(struct s3_engine *e, uint64_t until_us);
void s3_engine_want_creds(struct s3_engine *e);

void s3_call_start(struct s3_engine *e, s3_call *c);
void s3_call_cancel(s3_call *c); /* also when it is not under way */
void s3_call_deinit(s3_call *c); /* Frees and wipes what attempts left. */

#endif
