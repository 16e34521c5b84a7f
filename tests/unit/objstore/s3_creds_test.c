/* s3_creds_test.c -- where credentials come from, and where a bucket is. */
#include "objstore/s3_creds.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/s3_place.h"
#include "test.h"

/* Each test has a process of its own, and so an environment of its own. */
static char dir[64];
static char why[256];

static s3_creds *fresh(void) {
    static const char *const vars[] = {"AWS_ACCESS_KEY_ID",
                                       "AWS_SECRET_ACCESS_KEY",
                                       "AWS_SESSION_TOKEN",
                                       "AWS_PROFILE",
                                       "AWS_SHARED_CREDENTIALS_FILE",
                                       "AWS_CONFIG_FILE",
                                       "AWS_ROLE_ARN",
                                       "AWS_WEB_IDENTITY_TOKEN_FILE",
                                       "AWS_ROLE_SESSION_NAME",
                                       "AWS_ENDPOINT_URL_STS",
                                       "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                       "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                       "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                       "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                       "AWS_EC2_METADATA_DISABLED",
                                       "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                       "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                       "AWS_ENDPOINT_URL_S3",
                                       "AWS_ENDPOINT_URL",
                                       "AWS_REGION",
                                       "AWS_DEFAULT_REGION"};
    for (size_t i = 0; i < sizeof(vars) / sizeof(*vars); i++) unsetenv(vars[i]);
    snprintf(dir, sizeof(dir), "/tmp/s3-creds.XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    setenv("HOME", dir, 1);
    return s3_creds_create("us-east-1");
}

static void end(s3_creds *c) {
    char cmd[128];
    s3_creds_free(c);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    CHECK_INT(system(cmd), 0);
}

static const char *file(const char *name, const char *text) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/.aws", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fputs(text, f);
    fclose(f);
    return path;
}

static void check_keys(s3_creds *c, const char *access, const char *secret,
                       const char *token) {
    struct s3_keys k;
    CHECK(s3_creds_keys(c, &k));
    CHECK_STR(k.access, access);
    CHECK_STR(k.secret, secret);
    CHECK_STR(k.token, token);
}

TEST("the environment comes first; half of a pair is refused") {
    s3_creds *c = fresh();
    file(".aws/credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=G\n");
    setenv("AWS_ACCESS_KEY_ID", "AK", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    CHECK_STR(why, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
    setenv("AWS_SECRET_ACCESS_KEY", "s3cret", 1);
    setenv("AWS_SESSION_TOKEN", "tok", 1);
    CHECK_INT(s3_creds_find(c, why), OK);
    check_keys(c, "AK", "s3cret", "tok");
    CHECK(s3_creds_expiry_us(c) == UINT64_MAX);
    setenv("AWS_SECRET_ACCESS_KEY", "s3\ncret", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    CHECK(strstr(why, "cret") == NULL);
    check_keys(c, "AK", "s3cret", "tok"); /* The old ones stay. */
    end(c);
}

TEST("profiles of the shared files") {
    s3_creds *c = fresh();
    file(".aws/credentials",
         "# c\n[default]\r\n aws_access_key_id = A1\r\naws_secret_access_key=S=1/+\r\n"
         "[ other ]\naws_access_key_id=A2\naws_secret_access_key=S2\n"
         "aws_session_token=T2\n[half]\naws_access_key_id=A3\n");
    CHECK_INT(s3_creds_find(c, why), OK);
    check_keys(c, "A1", "S=1/+", "");
    setenv("AWS_PROFILE", "other", 1);
    CHECK_INT(s3_creds_find(c, why), OK);
    check_keys(c, "A2", "S2", "T2");
    setenv("AWS_PROFILE", "half", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    CHECK(strstr(why, "half there") != NULL);
    setenv("AWS_PROFILE", "nobody", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    CHECK(strstr(why, "nobody") != NULL);
    file(".aws/config",
         "[nobody]\naws_access_key_id=X\naws_secret_access_key=X\n"
         "[profile nobody]\naws_access_key_id=A4\naws_secret_access_key=S4");
    CHECK_INT(s3_creds_find(c, why), OK);
    check_keys(c, "A4", "S4", "");
    end(c);
}

TEST("a file that is named, or there, and cannot be read is refused") {
    s3_creds *c = fresh();
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/no/such/file", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    CHECK(strstr(why, "/no/such/file") != NULL);
    setenv("AWS_SHARED_CREDENTIALS_FILE", dir, 1); /* A folder. */
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    CHECK(strstr(why, "cannot read") != NULL);
    end(c);
}

TEST("nothing anywhere, and metadata switched off") {
    s3_creds *c = fresh();
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    CHECK(strstr(why, "no credentials") != NULL);
    end(c);
}

static int reply(s3_creds *c, const char *body) {
    return s3_creds_answer(c, true, 200, slice_str(body), why);
}

#define KEYS_JSON(access)                                                                \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" access "\",\"SecretAccessKey\":\"SI\","   \
    "\"Token\":\"TI\",\"Expiration\":\"2013-05-24T00:00:00Z\"}"

TEST("instance metadata, version 2: a token, the role, its keys") {
    s3_creds *c = fresh();
    struct s3_ask ask;
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:99/", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AGAIN);
    s3_creds_ask(c, &ask);
    CHECK_STR(ask.method, "PUT");
    CHECK_STR(ask.url, "http://127.0.0.1:99/latest/api/token");
    CHECK_STR(ask.headers[0].value, "21600");
    CHECK_INT(reply(c, "session=="), ERR_AGAIN);
    s3_creds_ask(c, &ask);
    CHECK_STR(ask.method, "GET");
    CHECK_STR(ask.url, "http://127.0.0.1:99/latest/meta-data/iam/security-credentials/");
    CHECK_STR(ask.headers[0].value, "session==");
    CHECK_INT(reply(c, "my-role\n"), ERR_AGAIN);
    s3_creds_ask(c, &ask);
    CHECK_STR(ask.url,
              "http://127.0.0.1:99/latest/meta-data/iam/security-credentials/my-role");
    CHECK_INT(reply(c, KEYS_JSON("AI")), OK);
    check_keys(c, "AI", "SI", "TI");
    CHECK_INT(s3_creds_expiry_us(c), 1369353600000000ll);
    CHECK_STR(s3_creds_source(c), "instance metadata");
    end(c);
}

TEST("metadata that cannot be true is refused, and the old keys stay") {
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"Code\":\"Failed\"}",
                                      "<html>",
                                      KEYS_JSON("A\\n"),
                                      KEYS_JSON("A/B"),
                                      "{\"AccessKeyId\":\"A\"}"};
    s3_creds *c = fresh();
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:99/k", 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic x y", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AGAIN);
    struct s3_ask ask;
    s3_creds_ask(c, &ask);
    CHECK_STR(ask.url, "http://127.0.0.1:99/k");
    CHECK_STR(ask.headers[0].value, "Basic x y");
    CHECK_INT(reply(c, KEYS_JSON("AC")), OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK_INT(s3_creds_find(c, why), ERR_AGAIN);
        CHECK_INT(reply(c, bad[i]), ERR_AUTH);
        check_keys(c, "AC", "SI", "TI");
    }
    CHECK_INT(s3_creds_find(c, why), ERR_AGAIN);
    CHECK_INT(s3_creds_answer(c, true, 500, (slice){0}, why), ERR_AUTH);
    CHECK_INT(s3_creds_find(c, why), ERR_AGAIN);
    CHECK_INT(s3_creds_answer(c, false, 0, (slice){0}, why), ERR_AUTH);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example.com/k", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/k", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AUTH);
    end(c);
}

TEST("web identity: the token file is exchanged for keys") {
    s3_creds *c = fresh();
    struct s3_ask ask;
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file("token", "a.b+c\n"), 1);
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/x", 1);
    CHECK_INT(s3_creds_find(c, why), ERR_AGAIN);
    s3_creds_ask(c, &ask);
    CHECK_STR(ask.method, "POST");
    CHECK_STR(ask.url, "https://sts.us-east-1.amazonaws.com/");
    CHECK_SLICE(
        ask.body,
        "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx"
        "&RoleSessionName=cove&Version=2011-06-15&WebIdentityToken=a.b%2Bc");
    CHECK_INT(
        reply(c,
              "<R><Result><Credentials><AccessKeyId>AW</AccessKeyId><SecretAccessKey>SW"
              "</SecretAccessKey><SessionToken>TW</"
              "SessionToken><Expiration>2013-05-24T00:00:00Z"
              "</Expiration></Credentials></Result></R>"),
        OK);
    check_keys(c, "AW", "SW", "TW");
    end(c);
}

/* -- places ----------------------------------------------------------------------------
 */

TEST("addressing: in the host where that works, else in the path") {
    end(fresh());
    /* A blank in a prefix is refused; elsewhere it is encoded. */
    struct s3_place p;
    struct s3_config c = {.bucket = "b", .prefix = "a b", .endpoint = ""};
    CHECK_INT(s3_place_init(&p, &c, why), ERR_SYNTAX);
    c.prefix = "p";
    c.bucket = "my-bucket";
    CHECK_INT(s3_place_init(&p, &c, why), OK);
    CHECK_STR(p.host, "my-bucket.s3.us-east-1.amazonaws.com");
    CHECK(p.tls && p.aws && !p.path_style && !p.local);
}

TEST("endpoints and regions from configuration and environment") {
    static const struct {
        const char *bucket, *endpoint, *region, *style, *host;
        bool path;
    } rows[] = {
        {"my-bucket", "", "eu-west-1", "auto", "my-bucket.s3.eu-west-1.amazonaws.com",
         false},
        {"my-bucket", "", "cn-north-1", "auto",
         "my-bucket.s3.cn-north-1.amazonaws.com.cn", false},
        {"my.bucket", "", "", "auto", "s3.us-east-1.amazonaws.com", true},
        {"My_Bucket", "", "", "auto", "s3.us-east-1.amazonaws.com", true},
        {"my-bucket", "http://127.0.0.1:9000", "", "auto", "127.0.0.1:9000", true},
        {"my-bucket", "http://localhost", "", "auto", "localhost", true},
        {"my-bucket", "http://[::1]:80/", "", "auto", "[::1]", true},
        {"my-bucket", "https://s3.example.com:443", "", "auto",
         "my-bucket.s3.example.com", false},
        {"my-bucket", "https://s3.example.com:8443", "", "yes", "s3.example.com:8443",
         true},
        {"my-bucket", "https://s3.example.com", "", "no", "my-bucket.s3.example.com",
         false}};
    end(fresh());
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct s3_place p;
        struct s3_config c = {.bucket = rows[i].bucket,
                              .endpoint = rows[i].endpoint,
                              .region = rows[i].region,
                              .path_style = rows[i].style};
        int rc = s3_place_init(&p, &c, why);
        if (rc != OK) test_fail(__FILE__, __LINE__, "%s", why);
        CHECK_STR(p.host, rows[i].host);
        CHECK_INT(p.path_style, rows[i].path);
        CHECK_STR(p.prefix, "");
    }
    struct s3_place p;
    struct s3_config c = {.bucket = "bkt", .prefix = "x/y", .endpoint = "", .region = ""};
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
    setenv("AWS_DEFAULT_REGION", "eu-a-1", 1);
    CHECK_INT(s3_place_init(&p, &c, why), OK);
    CHECK_STR(p.host, "127.0.0.1:1");
    CHECK_STR(p.region, "eu-a-1");
    CHECK_STR(p.prefix, "x/y/");
    setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2", 1);
    setenv("AWS_REGION", "eu-b-1", 1);
    CHECK_INT(s3_place_init(&p, &c, why), OK);
    CHECK_STR(p.host, "127.0.0.1:2");
    CHECK_STR(p.region, "eu-b-1");
    c.endpoint = "http://127.0.0.1:3";
    c.region = "eu-c-1";
    CHECK_INT(s3_place_init(&p, &c, why), OK);
    CHECK_STR(p.host, "127.0.0.1:3");
    CHECK_STR(p.region, "eu-c-1");
}

TEST("configuration that cannot be meant is refused") {
    static const struct s3_config bad[] = {{.bucket = ""},
                                           {.bucket = "a/b"},
                                           {.bucket = "b", .endpoint = "s3.example.com"},
                                           {.bucket = "b", .endpoint = "http://"},
                                           {.bucket = "b", .endpoint = "http://h:0"},
                                           {.bucket = "b", .endpoint = "http://h:99999"},
                                           {.bucket = "b", .endpoint = "http://h/p"},
                                           {.bucket = "b", .endpoint = "http://u@h"},
                                           {.bucket = "b", .endpoint = "ftp://h"},
                                           {.bucket = "b", .region = "a b"},
                                           {.bucket = "b", .path_style = "maybe"},
                                           {.bucket = "b", .prefix = "a\nb"},
                                           {.bucket = "b", .endpoint = "http://[::1"}};
    end(fresh());
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct s3_place p;
        why[0] = 0;
        CHECK_INT(s3_place_init(&p, &bad[i], why), ERR_SYNTAX);
        CHECK(why[0] != 0);
    }
}
