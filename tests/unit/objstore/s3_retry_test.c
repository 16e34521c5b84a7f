/* s3_retry_test.c -- what answers mean, and when a request is sent again. */
#include "objstore/s3_retry.h"

#include "test.h"

struct judge {
    struct s3_try t;
    struct s3_bucket b;
    rnd r;
    char why[S3_WHY_MAX];
};

static void setup(struct judge *j, bool write, unsigned attempts) {
    memset(j, 0, sizeof(*j));
    j->t.write = write;
    j->t.attempts_max = attempts;
    s3_bucket_init(&j->b);
    rnd_seed(&j->r, 1);
}

static struct s3_verdict answer(struct judge *j, enum s3_end net, long status,
                                const char *code) {
    struct s3_answer a = {net, status, code, "words", "", -1};
    j->t.attempts++;
    return s3_judge(&j->t, &j->b, &j->r, &a, "buck", j->why);
}

/* The outcome of a write with no attempts left, by its only answer. */
static void check_rc(bool write, enum s3_end net, long status, const char *code,
                     int want) {
    struct judge j;
    setup(&j, write, 0);
    j.t.clock_learned = j.t.creds_renewed = true;
    struct s3_verdict v = answer(&j, net, status, code);
    CHECK_INT(v.act, S3_ACT_DONE);
    if (v.rc != want) {
        test_fail(__FILE__, __LINE__, "%ld %s is %s, expected %s", status, code,
                  err_name(v.rc), err_name(want));
    }
}

TEST("the outcome of each answer") {
    check_rc(true, S3_NET_OK, 200, "", OK);
    check_rc(true, S3_NET_OK, 204, "", OK);
    check_rc(true, S3_NET_OK, 412, "PreconditionFailed", ERR_PRECOND);
    check_rc(true, S3_NET_OK, 409, "ConditionalRequestConflict", ERR_AGAIN);
    check_rc(true, S3_NET_OK, 409, "OperationAborted", ERR_AGAIN);
    check_rc(true, S3_NET_OK, 503, "SlowDown", ERR_AGAIN);
    check_rc(true, S3_NET_OK, 503, "", ERR_TIMEOUT); /* Who knows what a proxy did. */
    check_rc(true, S3_NET_OK, 500, "InternalError", ERR_TIMEOUT);
    check_rc(false, S3_NET_OK, 500, "InternalError", ERR_IO);
    check_rc(true, S3_NET_OK, 404, "NoSuchKey", ERR_NOTFOUND);
    check_rc(true, S3_NET_OK, 404, "NoSuchBucket", ERR_AUTH);
    check_rc(true, S3_NET_OK, 403, "AccessDenied", ERR_AUTH);
    check_rc(true, S3_NET_OK, 403, "", ERR_AUTH);
    check_rc(true, S3_NET_OK, 403, "RequestTimeTooSkewed", ERR_AUTH);
    check_rc(true, S3_NET_OK, 400, "ExpiredToken", ERR_AUTH);
    check_rc(true, S3_NET_OK, 400, "InvalidArgument", ERR_IO);
    check_rc(true, S3_NET_OK, 301, "PermanentRedirect", ERR_AUTH);
    check_rc(true, S3_NET_OK, 307, "", ERR_AUTH);
    check_rc(true, S3_NET_OK, 501, "NotImplemented", ERR_IO);
    check_rc(true, S3_NET_OK, 507, "XMinioStorageFull", ERR_FULL);
    check_rc(true, S3_NET_OK, 403, "QuotaExceeded", ERR_FULL);
    check_rc(false, S3_NET_OK, 416, "InvalidRange", ERR_RANGE);
    check_rc(true, S3_NET_CONNECT, 0, "", ERR_AGAIN);
    check_rc(true, S3_NET_BROKEN, 0, "", ERR_TIMEOUT);
    check_rc(true, S3_NET_TIMEOUT, 0, "", ERR_TIMEOUT);
    check_rc(true, S3_NET_TLS, 0, "", ERR_AUTH);
    check_rc(false, S3_NET_LIMIT, 200, "", ERR_IO);
}

TEST("after an attempt that may have happened, no failure of a write says that it did "
     "not") {
    static const struct {
        long status;
        const char *code;
        int want;
    } later[] = {{503, "SlowDown", ERR_TIMEOUT},
                 {403, "AccessDenied", ERR_TIMEOUT},
                 {507, "", ERR_TIMEOUT},
                 {409, "", ERR_TIMEOUT},
                 {400, "InvalidArgument", ERR_TIMEOUT},
                 {404, "", ERR_TIMEOUT},
                 {412, "", ERR_PRECOND},
                 {200, "", OK}};
    for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++) {
        struct judge j;
        setup(&j, true, 2);
        struct s3_verdict v = answer(&j, S3_NET_BROKEN, 0, "");
        CHECK_INT(v.act, S3_ACT_RETRY);
        CHECK(v.fresh);
        v = answer(&j, S3_NET_OK, later[i].status, later[i].code);
        CHECK_INT(v.act, S3_ACT_DONE);
        CHECK_INT(v.rc, later[i].want);
    }
}

TEST("delays grow, are jittered, and have an end") {
    struct judge j;
    setup(&j, true, 100);
    unsigned most = 50;
    for (int i = 0; i < 20; i++) {
        struct s3_verdict v = answer(&j, S3_NET_CONNECT, 0, "");
        CHECK_INT(v.act, S3_ACT_RETRY);
        CHECK(v.delay_ms >= most / 2 && v.delay_ms <= most);
        most = most * 2 > 20000 ? 20000 : most * 2;
    }
    setup(&j, true, 100);
    struct s3_verdict v = answer(&j, S3_NET_OK, 503, "SlowDown");
    CHECK(v.delay_ms >= 500 && v.delay_ms <= 1000);
}

TEST("the attempts of a request, and the bucket of all, both have a bottom") {
    struct judge j;
    setup(&j, false, 3);
    CHECK_INT(answer(&j, S3_NET_OK, 500, "").act, S3_ACT_RETRY);
    CHECK_INT(answer(&j, S3_NET_OK, 500, "").act, S3_ACT_RETRY);
    CHECK_INT(answer(&j, S3_NET_OK, 500, "").act, S3_ACT_DONE);
    CHECK_INT(j.b.tokens, S3_TOKENS_MAX - 2 * S3_TOKENS_RETRY);
    setup(&j, false, 1000);
    int retries = 0;
    while (answer(&j, S3_NET_TIMEOUT, 0, "").act == S3_ACT_RETRY) retries++;
    CHECK_INT(retries, S3_TOKENS_MAX / S3_TOKENS_TIMEOUT);
    CHECK(!s3_bucket_hedge(&j.b));
    CHECK_INT(answer(&j, S3_NET_OK, 200, "").act, S3_ACT_DONE);
    CHECK_INT(j.b.tokens, 1);
}

TEST("a clock is learnt once, and credentials are renewed once") {
    struct judge j;
    setup(&j, true, 5);
    CHECK_INT(answer(&j, S3_NET_OK, 403, "RequestTimeTooSkewed").act, S3_ACT_CLOCK);
    struct s3_verdict v = answer(&j, S3_NET_OK, 403, "RequestTimeTooSkewed");
    CHECK_INT(v.act, S3_ACT_DONE);
    CHECK_INT(v.rc, ERR_AUTH);
    CHECK(strstr(j.why, "clock") != NULL);
    setup(&j, true, 5);
    CHECK_INT(answer(&j, S3_NET_OK, 400, "ExpiredToken").act, S3_ACT_CREDS);
    CHECK_INT(answer(&j, S3_NET_OK, 400, "ExpiredToken").act, S3_ACT_DONE);
}

TEST("sentences name the bucket, the code and the region") {
    struct judge j;
    setup(&j, true, 1);
    (void)answer(&j, S3_NET_OK, 404, "NoSuchBucket");
    CHECK_STR(j.why, "bucket buck does not exist (NoSuchBucket)");
    (void)answer(&j, S3_NET_OK, 400, "WeirdThing");
    CHECK_STR(j.why, "the store refused the request (400 WeirdThing)");
    (void)answer(&j, S3_NET_CONNECT, 0, "");
    CHECK_STR(j.why, "cannot connect to the store: words");
    struct s3_answer a = {S3_NET_OK, 301, "PermanentRedirect", "", "eu-west-3", -1};
    (void)s3_judge(&j.t, &j.b, &j.r, &a, "buck", j.why);
    CHECK_STR(j.why,
              "bucket buck is in another region: the store names region eu-west-3, set "
              "store-region");
}
