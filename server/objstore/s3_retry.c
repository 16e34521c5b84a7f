/* s3_retry.c -- retries, in one place.
 *
 * Every answer falls into one row of a table, by (status, code). A row says whether the
 * request may have happened, whether another attempt can help, and what the caller hears
 * if not. Three rules then decide:
 *
 *  1. A write of which one attempt may have happened is never answered with an error that
 *     says it did not: such an end is ERR_TIMEOUT. Only OK and ERR_PRECOND stand by
 *     themselves, since the caller of a conditional PUT reads back after either.
 *  2. Delays double from 50 ms (1 s when throttled) up to 20 s, and are drawn from the
 * whole of [half, full], so that a crowd of writers does not come back as a crowd.
 *  3. All retries pay from one bucket. When it is empty the error goes out at once: more
 *     requests are not what an ailing store needs. */
#include "objstore/s3_retry.h"

#include <assert.h>
#include <stdio.h>

#define DELAY_FIRST_MS 50u
#define DELAY_THROTTLED_MS 1000u
#define DELAY_MAX_MS 20000u

enum kind {
    K_OK,
    K_PRECOND,
    K_NOTFOUND,
    K_RANGE,
    K_AGAIN,    /* did not happen; later it may */
    K_THROTTLE, /* the same, and slower */
    K_UNKNOWN,  /* may have happened */
    K_TIMEOUT,  /* the same, and costs more to try again */
    K_CLOCK,
    K_CREDS,
    K_AUTH, /* refused until an operator acts */
    K_FULL, /* the same, as there is no room */
    K_FAIL  /* did not happen, and will not */
};

struct row {
    long status;      /* 0: any */
    const char *code; /* NULL: any */
    enum kind kind;
    const char *why; /* %s: the bucket */
};

/* The first row that fits counts. */
static const struct row rows[] = {
    {403, "RequestTimeTooSkewed", K_CLOCK,
     "the clock of this machine and the store's differ too much (RequestTimeTooSkewed)"},
    {403, "InvalidAccessKeyId", K_CREDS,
     "the store does not know this access key (InvalidAccessKeyId): check the "
     "credentials"},
    {403, "SignatureDoesNotMatch", K_AUTH,
     "the secret key does not fit the access key (SignatureDoesNotMatch)"},
    {0, "ExpiredToken", K_CREDS, "the session token has expired (ExpiredToken)"},
    {0, "InvalidToken", K_CREDS, "the session token is not valid (InvalidToken)"},
    {0, "TokenRefreshRequired", K_CREDS, "the session token has to be renewed"},
    {0, "QuotaExceeded", K_FULL, "the quota of bucket %s is used up (QuotaExceeded)"},
    {0, "NoSuchBucket", K_AUTH, "bucket %s does not exist (NoSuchBucket)"},
    {0, "InvalidBucketName", K_AUTH, "%s is not a bucket's name (InvalidBucketName)"},
    {0, "AuthorizationHeaderMalformed", K_AUTH,
     "the request was signed for another region"},
    {0, "IllegalLocationConstraintException", K_AUTH, "bucket %s is in another region"},
    {0, "PermanentRedirect", K_AUTH, "bucket %s is in another region"},
    {301, NULL, K_AUTH, "bucket %s is in another region, or has another endpoint"},
    {302, NULL, K_AUTH, "the endpoint redirects elsewhere"},
    {307, NULL, K_AUTH, "bucket %s is in another region, or has another endpoint"},
    {308, NULL, K_AUTH, "bucket %s is in another region, or has another endpoint"},
    {401, NULL, K_AUTH, "the store refused the credentials"},
    {403, "AccessDenied", K_AUTH,
     "access to bucket %s is denied (AccessDenied): check its policy and the "
     "credentials"},
    {403, NULL, K_AUTH,
     "access to bucket %s is denied: check its policy and the credentials"},
    {404, NULL, K_NOTFOUND, NULL},
    {409, "BucketAlreadyExists", K_FAIL, "the store answered a conflict"},
    {409, NULL, K_AGAIN, "the store answers conflicts (409)"},
    {412, NULL, K_PRECOND, NULL},
    {416, NULL, K_RANGE, NULL},
    {400, "RequestTimeout", K_UNKNOWN, "the store did not get the request in time"},
    {400, "IncompleteBody", K_AGAIN, "the store got a part of the request only"},
    {400, "BadDigest", K_AGAIN,
     "the bytes changed on their way to the store (BadDigest)"},
    {400, "XAmzContentSHA256Mismatch", K_AGAIN,
     "the bytes changed on their way to the store"},
    {400, "SlowDown", K_THROTTLE, "the store asks for fewer requests (SlowDown)"},
    {429, NULL, K_THROTTLE, "the store asks for fewer requests (429)"},
    {503, "SlowDown", K_THROTTLE, "the store asks for fewer requests (SlowDown)"},
    {507, NULL, K_FULL, "the store has no room left (507)"},
    {501, NULL, K_FAIL, "the store does not implement what was asked of it (501)"},
    {505, NULL, K_FAIL, "the store does not speak HTTP/1.1"},
    {408, NULL, K_UNKNOWN, "the store did not get the request in time"},
};

static enum kind classify(const struct s3_answer *a, const char **why) {
    *why = NULL;
    switch (a->net) {
    case S3_NET_OK: break;
    case S3_NET_CONNECT: *why = "cannot connect to the store"; return K_AGAIN;
    case S3_NET_TLS: *why = "no trusted connection to the store"; return K_AUTH;
    case S3_NET_BROKEN: *why = "the connection to the store broke"; return K_UNKNOWN;
    case S3_NET_TIMEOUT: *why = "the store did not answer in time"; return K_TIMEOUT;
    case S3_NET_LIMIT: *why = "the store sent more than it was asked for"; return K_FAIL;
    }
    if (a->status >= 200 && a->status < 300) return K_OK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].status != 0 && rows[i].status != a->status) continue;
        if (rows[i].code != NULL && strcmp(rows[i].code, a->code) != 0) continue;
        *why = rows[i].why;
        return rows[i].kind;
    }
    /* An error of the server's own, or of a proxy before it: it may have happened. */
    if (a->status >= 500) {
        *why = "the store answers errors of its own";
        return K_UNKNOWN;
    }
    *why = "the store refused the request";
    return K_FAIL;
}

static void say(const struct s3_answer *a, const char *text, const char *bucket,
                char why[S3_WHY_MAX]) {
    const char *mark = strstr(text, "%s");
    int n;
    if (mark == NULL)
        n = snprintf(why, S3_WHY_MAX, "%s", text);
    else
        n = snprintf(why, S3_WHY_MAX, "%.*s%s%s", (int)(mark - text), text, bucket,
                     mark + 2);
    size_t at = n < 0 ? 0 : (size_t)n;
    if (at >= S3_WHY_MAX) return;
    if (a->net != S3_NET_OK) {
        snprintf(why + at, S3_WHY_MAX - at, ": %s", a->message);
    } else if (a->region[0] != 0) {
        snprintf(why + at, S3_WHY_MAX - at,
                 ": the store names region %s, set store-region", a->region);
    } else if (a->code[0] != 0 && strstr(text, a->code) == NULL) {
        snprintf(why + at, S3_WHY_MAX - at, " (%ld %s)", a->status, a->code);
    } else if (a->code[0] == 0) {
        snprintf(why + at, S3_WHY_MAX - at, " (%ld)", a->status);
    }
}

void s3_bucket_init(struct s3_bucket *b) {
    b->tokens = S3_TOKENS_MAX;
}

static bool pay(struct s3_bucket *b, int cost) {
    if (b->tokens < cost) return false;
    b->tokens -= cost;
    return true;
}

bool s3_bucket_hedge(struct s3_bucket *b) {
    return b->tokens >= S3_TOKENS_HEDGE_FLOOR && pay(b, S3_TOKENS_RETRY);
}

static unsigned delay(const struct s3_try *t, enum kind k, const struct s3_answer *a,
                      rnd *r) {
    unsigned first = k == K_THROTTLE ? DELAY_THROTTLED_MS : DELAY_FIRST_MS;
    unsigned shift = t->attempts > 0 ? t->attempts - 1 : 0;
    unsigned full = shift > 9 ? DELAY_MAX_MS : first << shift;
    if (full > DELAY_MAX_MS) full = DELAY_MAX_MS;
    if (a->retry_after_s > 0 && a->retry_after_s <= (long)(DELAY_MAX_MS / 1000)) {
        unsigned asked = (unsigned)a->retry_after_s * 1000;
        if (asked > full) full = asked;
    }
    return full / 2 + (unsigned)rnd_below(r, full / 2 + 1);
}

static int final_rc(const struct s3_try *t, enum kind k) {
    switch (k) {
    case K_OK: return OK;
    case K_PRECOND: return ERR_PRECOND;
    case K_NOTFOUND: return t->unknown && t->write ? ERR_TIMEOUT : ERR_NOTFOUND;
    case K_RANGE: return ERR_RANGE;
    case K_AGAIN:
    case K_THROTTLE: return t->unknown && t->write ? ERR_TIMEOUT : ERR_AGAIN;
    case K_UNKNOWN: return t->write ? ERR_TIMEOUT : ERR_IO;
    case K_TIMEOUT: return ERR_TIMEOUT;
    case K_CLOCK:
    case K_CREDS:
    case K_AUTH: return t->unknown && t->write ? ERR_TIMEOUT : ERR_AUTH;
    case K_FULL: return t->unknown && t->write ? ERR_TIMEOUT : ERR_FULL;
    case K_FAIL: return t->unknown && t->write ? ERR_TIMEOUT : ERR_IO;
    }
    return ERR_IO;
}

struct s3_verdict s3_judge(struct s3_try *t, struct s3_bucket *b, rnd *r,
                           const struct s3_answer *a, const char *bucket,
                           char why[S3_WHY_MAX]) {
    assert(t->attempts >= 1);
    assert(b->tokens >= 0 && b->tokens <= S3_TOKENS_MAX);
    const char *text = NULL;
    enum kind k = classify(a, &text);
    struct s3_verdict v = {S3_ACT_DONE, OK, 0, false, text != NULL};
    if (text != NULL) say(a, text, bucket, why);
    if (k == K_UNKNOWN || k == K_TIMEOUT) t->unknown = true;
    if (k == K_OK && b->tokens < S3_TOKENS_MAX) b->tokens++;

    bool more = t->attempts < t->attempts_max;
    if (k == K_CLOCK && !t->clock_learned) {
        t->clock_learned = true;
        v.act = S3_ACT_CLOCK;
    } else if (k == K_CREDS && !t->creds_renewed) {
        t->creds_renewed = true;
        v.act = S3_ACT_CREDS;
    } else if (more &&
               (k == K_AGAIN || k == K_THROTTLE || k == K_UNKNOWN || k == K_TIMEOUT) &&
               pay(b, k == K_TIMEOUT ? S3_TOKENS_TIMEOUT : S3_TOKENS_RETRY)) {
        v.act = S3_ACT_RETRY;
        v.delay_ms = delay(t, k, a, r);
        v.fresh = a->net != S3_NET_OK;
    }
    v.rc = final_rc(t, k);
    return v;
}
