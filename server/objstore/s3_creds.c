/* s3_creds.c -- see s3_creds.h.
 *
 * Rules
 *  1. A place that is named (a variable, an existing file) and cannot be used is refused
 * with a sentence. Going on to the next would sign as somebody else.
 *  2. Keys are replaced whole, when all their parts have come and look like keys.
 *  3. No sentence holds a secret; all of them are wiped before their memory is freed. */
#include "objstore/s3_creds.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/mem.h"
#include "objstore/s3_json.h"
#include "objstore/s3_xml.h"

#define ACCESS_MAX 128
#define SECRET_MAX 256
#define TOKEN_MAX 16384
#define URL_MAX 512
#define FILE_MAX ((size_t)1 << 20)
#define METADATA_TIMEOUT_US 1000000u /* Elsewhere than on an instance nobody answers. */
#define STS_TIMEOUT_US 10000000u

enum step {
    STEP_NONE,
    STEP_CONTAINER,
    STEP_IMDS_TOKEN,
    STEP_IMDS_ROLE,
    STEP_IMDS_KEYS,
    STEP_STS
};

struct parts {
    char access[ACCESS_MAX + 1], secret[SECRET_MAX + 1], token[TOKEN_MAX + 1];
    uint64_t expiry_us;
};

struct s3_creds {
    char region[64];
    struct parts keys;
    bool have;
    const char *source;
    enum step step;
    char url[URL_MAX];
    char base[URL_MAX];       /* of the instance metadata service */
    char auth[TOKEN_MAX + 1]; /* a container's or the metadata service's own token */
    buf body;                 /* of the question to STS */
};

s3_creds *s3_creds_create(const char *region) {
    s3_creds *c = mem_calloc(1, sizeof(*c));
    snprintf(c->region, sizeof(c->region), "%s", region);
    c->source = "none";
    c->keys.expiry_us = UINT64_MAX;
    return c;
}

static void wipe_buf(buf *b) {
    if (b->p != NULL) explicit_bzero(b->p, b->cap);
    buf_free(b);
}

void s3_creds_free(s3_creds *c) {
    if (c == NULL) return;
    wipe_buf(&c->body);
    explicit_bzero(c, sizeof(*c));
    mem_free(c);
}

bool s3_creds_keys(const s3_creds *c, struct s3_keys *out) {
    if (!c->have) return false;
    *out = (struct s3_keys){c->keys.access, c->keys.secret, c->keys.token};
    return true;
}

uint64_t s3_creds_expiry_us(const s3_creds *c) {
    return c->keys.expiry_us;
}
const char *s3_creds_source(const s3_creds *c) {
    return c->source;
}

static bool set(const char *v) {
    return v != NULL && *v != 0;
}

/* One part of the keys: printable, without blanks (it becomes part of a header). */
static bool put_part(char *out, size_t room, slice v) {
    if (v.n >= room) return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < 0x21 || v.p[i] > 0x7E) return false;
    }
    if (v.n > 0) memcpy(out, v.p, v.n);
    out[v.n] = 0;
    return true;
}

static int adopt(s3_creds *c, struct parts *p, const char *source) {
    if (p->access[0] == 0 || p->secret[0] == 0) return ERR_SYNTAX;
    if (strchr(p->access, '/') != NULL || strchr(p->access, ',') != NULL)
        return ERR_SYNTAX;
    c->keys = *p;
    c->have = true;
    c->source = source;
    c->step = STEP_NONE;
    return OK;
}

static int refuse(char why[256], const char *text, const char *arg) MUST_USE;
static int refuse(char why[256], const char *text, const char *arg) {
    snprintf(why, 256, "%s%s%.150s", text, *arg != 0 ? ": " : "", arg);
    return ERR_AUTH;
}

static int from_env(s3_creds *c, char why[256]) {
    const char *access = getenv("AWS_ACCESS_KEY_ID"),
               *secret = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("AWS_SESSION_TOKEN");
    struct parts p = {.expiry_us = UINT64_MAX};
    if (!set(access) && !set(secret)) return ERR_NOTFOUND;
    if (!set(access))
        return refuse(why, "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not", "");
    if (!set(secret))
        return refuse(why, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not", "");
    bool ok = put_part(p.access, sizeof(p.access), slice_str(access)) &&
              put_part(p.secret, sizeof(p.secret), slice_str(secret)) &&
              put_part(p.token, sizeof(p.token), slice_str(set(token) ? token : "")) &&
              adopt(c, &p, "environment") == OK;
    explicit_bzero(&p, sizeof(p));
    return ok ? OK
              : refuse(why, "the keys in AWS_ACCESS_KEY_ID and its kin are malformed",
                       "");
}

/* A whole small file; wipe_buf() it. ERR_NOTFOUND when there is none. */
static int read_whole(const char *path, buf *out, char why[256]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return ERR_NOTFOUND;
    if (fd < 0) {
        char text[64];
        snprintf(text, sizeof(text), "cannot read (%.40s)", strerror(errno));
        return refuse(why, text, path);
    }
    int rc = OK;
    buf_reserve(out, FILE_MAX + 1);
    for (;;) {
        ssize_t n = read(fd, out->p + out->n, FILE_MAX + 1 - out->n);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = refuse(why, "cannot read", path);
        if (n <= 0) break;
        out->n += (size_t)n;
        if (out->n > FILE_MAX) {
            rc = refuse(why, "too long for its purpose", path);
            break;
        }
    }
    close(fd);
    if (rc != OK) wipe_buf(out);
    return rc;
}

static slice trim(slice s) {
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r')) s.p++, s.n--;
    while (s.n > 0 &&
           (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* "[default]", "[name]", or in a config file "[profile name]". */
static bool is_section(slice line, const char *profile, bool config) {
    if (line.n < 2 || line.p[line.n - 1] != ']') return false;
    slice name = trim(slice_make(line.p + 1, line.n - 2));
    if (slice_eq(name, slice_str(profile)))
        return !config || strcmp(profile, "default") == 0;
    if (!config || name.n < 9 || memcmp(name.p, "profile", 7) != 0) return false;
    if (name.p[7] != ' ' && name.p[7] != '\t') return false;
    return slice_eq(trim(slice_make(name.p + 8, name.n - 8)), slice_str(profile));
}

/* One line of the profile; false when a value cannot be part of a key. */
static bool take_line(slice line, struct parts *p) {
    const uint8_t *eq = memchr(line.p, '=', line.n);
    if (eq == NULL) return true;
    slice name = trim(slice_make(line.p, (size_t)(eq - line.p)));
    slice value = trim(slice_make(eq + 1, (size_t)(line.p + line.n - eq - 1)));
    if (slice_is(name, "aws_access_key_id"))
        return put_part(p->access, sizeof(p->access), value);
    if (slice_is(name, "aws_secret_access_key"))
        return put_part(p->secret, sizeof(p->secret), value);
    if (slice_is(name, "aws_session_token"))
        return put_part(p->token, sizeof(p->token), value);
    return true;
}

int s3_creds_parse_file(s3_creds *c, slice text, const char *profile, bool config) {
    struct parts p = {.expiry_us = UINT64_MAX};
    bool inside = false, good = true;
    while (text.n > 0 && good) {
        const uint8_t *nl = memchr(text.p, '\n', text.n);
        size_t n = nl == NULL ? text.n : (size_t)(nl - text.p);
        slice line = trim(slice_make(text.p, n));
        n += nl != NULL;
        text = slice_make(text.p + n, text.n - n);
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';') continue;
        if (line.p[0] == '[')
            inside = is_section(line, profile, config);
        else if (inside)
            good = take_line(line, &p);
    }
    int rc = ERR_SYNTAX;
    if (good && p.access[0] == 0 && p.secret[0] == 0)
        rc = ERR_NOTFOUND;
    else if (good)
        rc = adopt(c, &p, "shared file");
    explicit_bzero(&p, sizeof(p));
    return rc;
}

static int from_file(s3_creds *c, const char *var, const char *under_home,
                     const char *profile, bool config, char why[256]) {
    char path[URL_MAX];
    const char *named = getenv(var), *home = getenv("HOME");
    if (!set(named) && !set(home)) return ERR_NOTFOUND;
    int n = set(named) ? snprintf(path, sizeof(path), "%s", named)
                       : snprintf(path, sizeof(path), "%s/%s", home, under_home);
    if (n < 0 || (size_t)n >= sizeof(path))
        return refuse(why, "the path is too long", path);
    buf text = BUF_INIT;
    int rc = read_whole(path, &text, why);
    if (rc == ERR_NOTFOUND && set(named))
        return refuse(why, "there is no such file", path);
    if (rc != OK) return rc;
    rc = s3_creds_parse_file(c, slice_of(&text), profile, config);
    wipe_buf(&text);
    if (rc != ERR_SYNTAX) return rc;
    return refuse(why, "the profile's keys are malformed or only half there", path);
}

static int from_files(s3_creds *c, char why[256]) {
    const char *profile = getenv("AWS_PROFILE");
    bool named = set(profile);
    if (!named) profile = "default";
    int rc = from_file(c, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", profile,
                       false, why);
    if (rc != ERR_NOTFOUND) return rc;
    rc = from_file(c, "AWS_CONFIG_FILE", ".aws/config", profile, true, why);
    if (rc == ERR_NOTFOUND && named) {
        return refuse(why, "no keys in the shared files for the profile in AWS_PROFILE",
                      profile);
    }
    return rc;
}

static int from_web_identity(s3_creds *c, char why[256]) {
    const char *path = getenv("AWS_WEB_IDENTITY_TOKEN_FILE"),
               *arn = getenv("AWS_ROLE_ARN");
    const char *name = getenv("AWS_ROLE_SESSION_NAME"),
               *sts = getenv("AWS_ENDPOINT_URL_STS");
    if (!set(path)) return ERR_NOTFOUND;
    if (!set(arn))
        return refuse(why, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not", "");
    buf token = BUF_INIT;
    int rc = read_whole(path, &token, why);
    if (rc == ERR_NOTFOUND) return refuse(why, "there is no web identity token", path);
    if (rc != OK) return rc;
    if (set(sts))
        snprintf(c->url, sizeof(c->url), "%s", sts);
    else
        snprintf(c->url, sizeof(c->url), "https://sts.%s.amazonaws.com/", c->region);
    wipe_buf(&c->body);
    slice t = slice_of(&token);
    while (t.n > 0 && t.p[t.n - 1] <= ' ') t.n--;
    struct s3_pair q[] = {{"Action", "AssumeRoleWithWebIdentity"},
                          {"Version", "2011-06-15"},
                          {"RoleArn", arn},
                          {"RoleSessionName", set(name) ? name : "cove"}};
    s3_sign_query(q, sizeof(q) / sizeof(*q), &c->body);
    buf_append_str(&c->body, "&WebIdentityToken=");
    s3_encode(t, false, &c->body);
    wipe_buf(&token);
    c->step = STEP_STS;
    return ERR_AGAIN;
}

/* Plain http may carry keys only where it does not leave the machine. */
static bool container_host_ok(const char *url) {
    static const char *const fine[] = {"http://169.254.170.2",  "http://169.254.170.23",
                                       "http://[fd00:ec2::23]", "http://localhost",
                                       "http://127.0.0.1",      "http://[::1]"};
    if (strncmp(url, "https://", 8) == 0) return true;
    for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
        size_t n = strlen(fine[i]);
        if (strncmp(url, fine[i], n) != 0) continue;
        if (url[n] == '/' || url[n] == ':' || url[n] == 0) return true;
    }
    return false;
}

static int from_container(s3_creds *c, char why[256]) {
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (!set(relative) && !set(full)) return ERR_NOTFOUND;
    int n = set(relative)
                ? snprintf(c->url, sizeof(c->url), "http://169.254.170.2%s", relative)
                : snprintf(c->url, sizeof(c->url), "%s", full);
    if (n < 0 || (size_t)n >= sizeof(c->url) || !container_host_ok(c->url)) {
        return refuse(
            why,
            "keys may not come from there; AWS_CONTAINER_CREDENTIALS_FULL_URI is "
            "https, or this machine",
            set(full) ? full : "");
    }
    c->auth[0] = 0;
    bool ok = true;
    if (set(file)) {
        buf text = BUF_INIT;
        int rc = read_whole(file, &text, why);
        if (rc == ERR_NOTFOUND) return refuse(why, "there is no such token file", file);
        if (rc != OK) return rc;
        slice t = slice_of(&text);
        while (t.n > 0 && t.p[t.n - 1] <= ' ') t.n--;
        ok = put_part(c->auth, sizeof(c->auth), t);
        wipe_buf(&text);
    } else if (set(token)) {
        /* A scheme and a token with a blank between are allowed here. */
        ok = strlen(token) < sizeof(c->auth) && strpbrk(token, "\r\n") == NULL;
        if (ok) memcpy(c->auth, token, strlen(token) + 1);
    }
    if (!ok) return refuse(why, "the container's authorization token is malformed", "");
    c->step = STEP_CONTAINER;
    return ERR_AGAIN;
}

static int from_instance(s3_creds *c, char why[256]) {
    const char *off = getenv("AWS_EC2_METADATA_DISABLED");
    const char *base = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (set(off) && slice_is(slice_str(off), "true")) return ERR_NOTFOUND;
    if (!set(base)) {
        bool v6 = set(mode) && slice_is(slice_str(mode), "ipv6");
        base = v6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    }
    size_t n = strlen(base);
    while (n > 0 && base[n - 1] == '/') n--;
    if (n == 0 || n > URL_MAX / 2) {
        return refuse(why, "AWS_EC2_METADATA_SERVICE_ENDPOINT is malformed", "");
    }
    memcpy(c->base, base, n);
    c->base[n] = 0;
    snprintf(c->url, sizeof(c->url), "%.256s/latest/api/token", c->base);
    c->step = STEP_IMDS_TOKEN;
    return ERR_AGAIN;
}

int s3_creds_find(s3_creds *c, char why[256]) {
    int (*const places[])(s3_creds *, char *) = {from_env, from_web_identity, from_files,
                                                 from_container, from_instance};
    c->step = STEP_NONE;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        int rc = places[i](c, why);
        if (rc != ERR_NOTFOUND) return rc;
    }
    return refuse(
        why,
        "no credentials in the environment, the shared files, or a container's or "
        "instance's metadata",
        "");
}

void s3_creds_ask(s3_creds *c, struct s3_ask *out) {
    assert(c->step != STEP_NONE);
    memset(out, 0, sizeof(*out));
    out->method = c->step == STEP_STS          ? "POST"
                  : c->step == STEP_IMDS_TOKEN ? "PUT"
                                               : "GET";
    out->url = c->url;
    out->timeout_us = c->step == STEP_STS ? STS_TIMEOUT_US : METADATA_TIMEOUT_US;
    switch (c->step) {
    case STEP_NONE: break;
    case STEP_CONTAINER:
        if (c->auth[0] != 0)
            out->headers[out->header_count++] =
                (struct s3_pair){"Authorization", c->auth};
        break;
    case STEP_IMDS_TOKEN:
        out->headers[out->header_count++] =
            (struct s3_pair){"X-aws-ec2-metadata-token-ttl-seconds", "21600"};
        break;
    case STEP_IMDS_ROLE:
    case STEP_IMDS_KEYS:
        out->headers[out->header_count++] =
            (struct s3_pair){"X-aws-ec2-metadata-token", c->auth};
        break;
    case STEP_STS:
        out->headers[out->header_count++] =
            (struct s3_pair){"Content-Type", "application/x-www-form-urlencoded"};
        out->body = slice_of(&c->body);
        break;
    }
}

static int take_json(s3_creds *c, slice body, const char *source, char why[256]) {
    struct parts p = {.expiry_us = UINT64_MAX};
    char when[64], code[32];
    int rc = s3_json_field(body, "Code", code, sizeof(code));
    bool ok = rc == ERR_NOTFOUND || (rc == OK && strcmp(code, "Success") == 0);
    ok = ok && s3_json_field(body, "AccessKeyId", p.access, sizeof(p.access)) == OK;
    ok = ok && s3_json_field(body, "SecretAccessKey", p.secret, sizeof(p.secret)) == OK;
    rc = s3_json_field(body, "Token", p.token, sizeof(p.token));
    ok = ok && (rc == OK || rc == ERR_NOTFOUND);
    rc = s3_json_field(body, "Expiration", when, sizeof(when));
    if (rc == OK)
        ok = ok && s3_parse_iso_date(slice_str(when), &p.expiry_us);
    else
        ok = ok && rc == ERR_NOTFOUND;
    ok = ok && put_part(p.token, sizeof(p.token), slice_str(p.token)) &&
         put_part(p.access, sizeof(p.access), slice_str(p.access)) &&
         put_part(p.secret, sizeof(p.secret), slice_str(p.secret)) &&
         adopt(c, &p, source) == OK;
    explicit_bzero(&p, sizeof(p));
    return ok ? OK : refuse(why, "malformed keys came from", source);
}

static int take_sts(s3_creds *c, slice body, char why[256]) {
    struct parts p = {.expiry_us = UINT64_MAX};
    char when[64];
    bool ok = s3_xml_field(body, "AccessKeyId", p.access, sizeof(p.access)) == OK &&
              s3_xml_field(body, "SecretAccessKey", p.secret, sizeof(p.secret)) == OK &&
              s3_xml_field(body, "SessionToken", p.token, sizeof(p.token)) == OK &&
              s3_xml_field(body, "Expiration", when, sizeof(when)) == OK &&
              s3_parse_iso_date(slice_str(when), &p.expiry_us) &&
              adopt(c, &p, "web identity") == OK;
    explicit_bzero(&p, sizeof(p));
    return ok ? OK
              : refuse(why, "malformed keys came from", "the security token service");
}

static int take_role(s3_creds *c, slice body, char why[256]) {
    const uint8_t *nl = body.n == 0 ? NULL : memchr(body.p, '\n', body.n);
    slice role = trim(slice_make(body.p, nl == NULL ? body.n : (size_t)(nl - body.p)));
    char name[129];
    if (role.n == 0 || !put_part(name, sizeof(name), role) ||
        strpbrk(name, "/?#%") != NULL) {
        return refuse(why, "the instance metadata names no role", "");
    }
    snprintf(c->url, sizeof(c->url),
             "%.256s/latest/meta-data/iam/security-credentials/%s", c->base, name);
    c->step = STEP_IMDS_KEYS;
    return ERR_AGAIN;
}

int s3_creds_answer(s3_creds *c, bool got, long status, slice body, char why[256]) {
    enum step step = c->step;
    assert(step != STEP_NONE);
    if (!got || status != 200) {
        char text[32];
        snprintf(text, sizeof(text), "%ld", got ? status : 0);
        c->step = STEP_NONE;
        if (step == STEP_CONTAINER)
            return refuse(why, "no keys from the container's metadata", text);
        if (step == STEP_STS)
            return refuse(why, "no keys from the security token service", text);
        return refuse(
            why,
            "no credentials in the environment or the shared files, and none from "
            "instance metadata",
            got ? text : "nobody answers there");
    }
    switch (step) {
    case STEP_NONE: break;
    case STEP_CONTAINER: return take_json(c, body, "container metadata", why);
    case STEP_IMDS_TOKEN:
        if (body.n == 0 || !put_part(c->auth, sizeof(c->auth), trim(body))) break;
        snprintf(c->url, sizeof(c->url),
                 "%.256s/latest/meta-data/iam/security-credentials/", c->base);
        c->step = STEP_IMDS_ROLE;
        return ERR_AGAIN;
    case STEP_IMDS_ROLE: return take_role(c, body, why);
    case STEP_IMDS_KEYS: return take_json(c, body, "instance metadata", why);
    case STEP_STS: return take_sts(c, body, why);
    }
    return refuse(why, "the instance metadata is malformed", "");
}
