/* s3_sign_test.c -- Signature Version 4 against the examples that AWS publishes: those of
 * the S3 documentation ("Authenticating Requests: Using the Authorization Header"), of
 * the key's derivation, and the plain cases of the signing test suite. */
#include "objstore/s3_sign.h"

#include "test.h"

#define S3_ACCESS "AKIAIOSFODNN7EXAMPLE"
#define S3_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

/* Ends the test unless the signature, which is the last thing in the header, is `want`.
 */
static void check_signature(const struct s3_sign *in, const char *want) {
    buf out = BUF_INIT;
    s3_sign(in, &out);
    CHECK(out.n > 64);
    CHECK_SLICE(slice_make(out.p + out.n - 64, 64), want);
    buf_free(&out);
}

static struct s3_sign s3_example(const char *method, const char *path,
                                 const char *payload) {
    return (struct s3_sign){.method = method,
                            .path = path,
                            .payload = payload,
                            .date = "20130524T000000Z",
                            .region = "us-east-1",
                            .service = "s3",
                            .access = S3_ACCESS,
                            .secret = S3_SECRET};
}

TEST("the GET Object example, with a range") {
    const struct s3_pair h[] = {{"host", "examplebucket.s3.amazonaws.com"},
                                {"range", "bytes=0-9"},
                                {"x-amz-content-sha256", S3_HASH_EMPTY},
                                {"x-amz-date", "20130524T000000Z"}};
    struct s3_sign in = s3_example("GET", "/test.txt", S3_HASH_EMPTY);
    in.headers = h;
    in.header_count = 4;
    buf out = BUF_INIT;
    s3_sign(&in, &out);
    CHECK_SLICE(
        slice_of(&out),
        "AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    buf_free(&out);
}

TEST("the PUT Object example, with headers in any order and a $ in the name") {
    char hash[65];
    s3_sign_hash(SLICE("Welcome to Amazon S3."), hash);
    CHECK_STR(hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    const struct s3_pair h[] = {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                {"x-amz-date", "20130524T000000Z"},
                                {"host", "examplebucket.s3.amazonaws.com"},
                                {"x-amz-content-sha256", hash},
                                {"date", "Fri, 24 May 2013 00:00:00 GMT"}};
    buf path = BUF_INIT;
    buf_u8(&path, '/');
    s3_encode(SLICE("test$file.text"), true, &path);
    buf_u8(&path, 0);
    struct s3_sign in = s3_example("PUT", (const char *)path.p, hash);
    in.headers = h;
    in.header_count = 5;
    check_signature(&in,
                    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    buf_free(&path);
}

TEST("the GET Bucket Lifecycle example: a parameter without a value") {
    const struct s3_pair h[] = {{"host", "examplebucket.s3.amazonaws.com"},
                                {"x-amz-content-sha256", S3_HASH_EMPTY},
                                {"x-amz-date", "20130524T000000Z"}};
    const struct s3_pair q[] = {{"lifecycle", ""}};
    struct s3_sign in = s3_example("GET", "/", S3_HASH_EMPTY);
    in.headers = h;
    in.header_count = 3;
    in.query = q;
    in.query_count = 1;
    check_signature(&in,
                    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST("the List Objects example: parameters are sorted") {
    const struct s3_pair h[] = {{"host", "examplebucket.s3.amazonaws.com"},
                                {"x-amz-content-sha256", S3_HASH_EMPTY},
                                {"x-amz-date", "20130524T000000Z"}};
    const struct s3_pair q[] = {{"prefix", "J"}, {"max-keys", "2"}};
    struct s3_sign in = s3_example("GET", "/", S3_HASH_EMPTY);
    in.headers = h;
    in.header_count = 3;
    in.query = q;
    in.query_count = 2;
    check_signature(&in,
                    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* The suite's keys, date and service; only host and x-amz-date are signed. */
static void suite(const char *method, const struct s3_pair *q, size_t n,
                  const char *want) {
    static const struct s3_pair h[] = {{"host", "example.amazonaws.com"},
                                       {"x-amz-date", "20150830T123600Z"}};
    struct s3_sign in = {.method = method,
                         .path = "/",
                         .query = q,
                         .query_count = n,
                         .headers = h,
                         .header_count = 2,
                         .payload = S3_HASH_EMPTY,
                         .date = "20150830T123600Z",
                         .region = "us-east-1",
                         .service = "service",
                         .access = "AKIDEXAMPLE",
                         .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
    check_signature(&in, want);
}

TEST("suite: get-vanilla") {
    suite("GET", NULL, 0,
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}
TEST("suite: post-vanilla") {
    suite("POST", NULL, 0,
          "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}
TEST("suite: get-vanilla-query-order-key-case") {
    const struct s3_pair q[] = {{"Param2", "value2"}, {"Param1", "value1"}};
    suite("GET", q, 2,
          "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}
TEST("suite: get-vanilla-empty-query-key") {
    const struct s3_pair q[] = {{"Param1", "value1"}};
    suite("GET", q, 1,
          "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb");
}

TEST("what is encoded, and what is not") {
    buf b = BUF_INIT;
    s3_encode(SLICE("aZ09-._~/ =+*%\xC3\xA9"), true, &b);
    CHECK_SLICE(slice_of(&b), "aZ09-._~/%20%3D%2B%2A%25%C3%A9");
    b.n = 0;
    s3_encode(SLICE("a/b"), false, &b);
    CHECK_SLICE(slice_of(&b), "a%2Fb");
    b.n = 0;
    const struct s3_pair q[] = {
        {"uploadId", "a=b&c"}, {"partNumber", "1"}, {"uploads", ""}};
    s3_sign_query(q, 3, &b);
    CHECK_SLICE(slice_of(&b), "partNumber=1&uploadId=a%3Db%26c&uploads=");
    buf_free(&b);
}

TEST("dates there and back") {
    char d[17];
    uint64_t t = 0;
    s3_sign_date(1369353600000000ull, d);
    CHECK_STR(d, "20130524T000000Z");
    CHECK(s3_parse_http_date(SLICE("Fri, 24 May 2013 00:00:00 GMT"), &t));
    CHECK_INT(t, 1369353600000000ll);
    CHECK(s3_parse_iso_date(SLICE("2013-05-24T00:00:01Z"), &t));
    CHECK_INT(t, 1369353601000000ll);
    CHECK(s3_parse_iso_date(SLICE("2013-05-24T00:00:01.123Z"), &t));
    CHECK_INT(t, 1369353601000000ll);
    CHECK(s3_parse_iso_date(SLICE("2024-02-29T12:00:00Z"), &t));
    CHECK_INT(t, 1709208000000000ll);
    CHECK(!s3_parse_http_date(SLICE("Fri, 24 Mayo 2013"), &t));
    CHECK(!s3_parse_http_date(SLICE("Fri, 24 ayJ 2013 00:00:00 GMT"), &t));
    CHECK(!s3_parse_http_date(SLICE(""), &t));
    CHECK(!s3_parse_http_date(SLICE("Fri, 24 May 2013 00:00:0"), &t));
    CHECK(!s3_parse_http_date(SLICE("Fri, 24 May 2013 00:00:00 CET"), &t));
    CHECK(!s3_parse_http_date(SLICE("Fri, -4 May 2013 00:00:00 GMT"), &t));
    CHECK(!s3_parse_http_date(SLICE("Fri, 24 May +013 00:00:00 GMT"), &t));
    CHECK(s3_parse_iso_date(SLICE("2013-05-24T00:00:01+00:00"), &t));
    CHECK(!s3_parse_iso_date(SLICE("2013-05-24T00:00:01"), &t));
    CHECK(!s3_parse_iso_date(SLICE("2013-05-24T00:00:01.12"), &t));
    CHECK(!s3_parse_iso_date(SLICE("2013-05- 4T00:00:01Z"), &t));
    CHECK(!s3_parse_iso_date(SLICE("2013-13-24T00:00:01Z"), &t));
    CHECK(!s3_parse_iso_date(SLICE("2013-05-24T00:00:01+02:00"), &t));
    CHECK(!s3_parse_iso_date(SLICE("yesterday"), &t));
}
