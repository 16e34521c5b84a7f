/* s3_place.c -- see s3_place.h.
 *
 * Addressing "auto": the bucket goes into the host name (what AWS wants), but into the
 * path when the host is an address or localhost, when the bucket is no DNS label, or has
 * a dot (a certificate's wildcard covers one label only). */
#include "objstore/s3_place.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static const char *first_set(const char *a, const char *b, const char *c, const char *d) {
    if (a != NULL && *a != 0) return a;
    if (b != NULL && *b != 0) return b;
    if (c != NULL && *c != 0) return c;
    return d;
}

static bool all_of(const char *s, size_t n, const char *also) {
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || (c != 0 && strchr(also, c) != NULL);
        if (!ok) return false;
    }
    return n > 0;
}

static bool dns_label(const char *s) {
    size_t n = strlen(s);
    if (n < 3 || n > 63 || s[0] == '-' || s[n - 1] == '-') return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] >= 'A' && s[i] <= 'Z') return false;
    }
    return all_of(s, n, "-");
}

/* A host without its port: is it an address, and is it this machine? */
static bool host_is_address(const char *host, bool *local) {
    char plain[S3_HOST_MAX];
    uint8_t bin[16];
    size_t n = strlen(host);
    *local = strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
             strcmp(host, "[::1]") == 0;
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        memcpy(plain, host + 1, n - 2);
        plain[n - 2] = 0;
        return inet_pton(AF_INET6, plain, bin) == 1;
    }
    return *local || inet_pton(AF_INET, host, bin) == 1;
}

/* http(s)://host[:port][/] into its parts. */
static int parse_endpoint(const char *url, bool *tls, char host[S3_HOST_MAX],
                          long *port) {
    if (strncmp(url, "https://", 8) == 0) {
        *tls = true;
        url += 8;
    } else if (strncmp(url, "http://", 7) == 0) {
        *tls = false;
        url += 7;
    } else {
        return ERR_SYNTAX;
    }
    size_t n = *url == '[' ? strcspn(url, "]") + 1 : strcspn(url, ":/");
    if (n == 0 || n > 253 || n > strlen(url)) return ERR_SYNTAX;
    if (!all_of(url, n, *url == '[' ? "[]:." : ".-_")) return ERR_SYNTAX;
    memcpy(host, url, n);
    host[n] = 0;
    url += n;
    *port = 0;
    if (*url == ':') {
        char *end;
        *port = strtol(url + 1, &end, 10);
        if (end == url + 1 || *port < 1 || *port > 65535) return ERR_SYNTAX;
        url = end;
    }
    if (*url == '/') url++;
    return *url == 0 ? OK : ERR_SYNTAX;
}

static int bad(char why[256], const char *fmt, const char *arg) MUST_USE;
static int bad(char why[256], const char *fmt, const char *arg) {
    const char *mark = strstr(fmt, "%s");
    snprintf(why, 256, "%.*s%.100s%s", (int)(mark - fmt), fmt, arg, mark + 2);
    return ERR_SYNTAX;
}

static int init_names(struct s3_place *p, const struct s3_config *c, char why[256]) {
    size_t n = strlen(c->bucket);
    if (n < 1 || n >= S3_BUCKET_MAX || !all_of(c->bucket, n, ".-_")) {
        return bad(why, "\"%s\" is not a bucket's name", c->bucket);
    }
    memcpy(p->bucket, c->bucket, n + 1);
    const char *prefix = c->prefix == NULL ? "" : c->prefix;
    n = strlen(prefix);
    if (n >= S3_PREFIX_MAX) return bad(why, "the prefix \"%s...\" is too long", prefix);
    for (size_t i = 0; i < n; i++) {
        uint8_t ch = (uint8_t)prefix[i];
        if (ch < 0x21 || ch == 0x7F) return bad(why, "\"%s\" is not a prefix", prefix);
    }
    memcpy(p->prefix, prefix, n + 1);
    if (n > 0 && p->prefix[n - 1] != '/') memcpy(p->prefix + n, "/", 2);
    const char *region = first_set(c->region, getenv("AWS_REGION"),
                                   getenv("AWS_DEFAULT_REGION"), "us-east-1");
    n = strlen(region);
    if (n >= S3_REGION_MAX || !all_of(region, n, "-")) {
        return bad(why, "\"%s\" is not a region", region);
    }
    memcpy(p->region, region, n + 1);
    return OK;
}

static int choose_style(struct s3_place *p, const char *style, bool address,
                        char why[256]) {
    if (style == NULL || *style == 0 || strcmp(style, "auto") == 0) {
        p->path_style = address || !dns_label(p->bucket);
    } else if (strcmp(style, "yes") == 0) {
        p->path_style = true;
    } else if (strcmp(style, "no") == 0) {
        p->path_style = false;
    } else {
        return bad(why, "path style is auto, yes or no, not \"%s\"", style);
    }
    return OK;
}

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), t = strlen(tail);
    return n > t && strcmp(s + n - t, tail) == 0;
}

int s3_place_init(struct s3_place *p, const struct s3_config *c, char why[256]) {
    char host[S3_HOST_MAX], own[S3_HOST_MAX];
    long port = 0;
    memset(p, 0, sizeof(*p));
    int rc = init_names(p, c, why);
    if (rc != OK) return rc;
    const char *url = first_set(c->endpoint, getenv("AWS_ENDPOINT_URL_S3"),
                                getenv("AWS_ENDPOINT_URL"), NULL);
    if (url == NULL) {
        bool china = strncmp(p->region, "cn-", 3) == 0;
        snprintf(own, sizeof(own), "https://s3.%s.amazonaws.com%s", p->region,
                 china ? ".cn" : "");
        url = own;
    }
    if (parse_endpoint(url, &p->tls, host, &port) != OK) {
        return bad(why, "the endpoint \"%s\" is not http(s)://host[:port]", url);
    }
    p->aws = ends_with(host, ".amazonaws.com") || ends_with(host, ".amazonaws.com.cn");
    bool address = host_is_address(host, &p->local);
    rc = choose_style(p, c->path_style, address, why);
    if (rc != OK) return rc;
    /* The scheme's own port is left out, as HTTP clients do in the Host header. */
    char tail[16] = "";
    if (port != 0 && port != (p->tls ? 443 : 80))
        snprintf(tail, sizeof(tail), ":%ld", port);
    int n =
        snprintf(p->host, sizeof(p->host), "%s%s%.250s%s", p->path_style ? "" : p->bucket,
                 p->path_style ? "" : ".", host, tail);
    if (n < 0 || (size_t)n >= sizeof(p->host)) {
        return bad(why, "the endpoint \"%s\" is too long", url);
    }
    return OK;
}

void s3_place_path(const struct s3_place *p, const char *key, buf *out) {
    buf_u8(out, '/');
    if (p->path_style) {
        s3_encode(slice_str(p->bucket), false, out);
        if (*key != 0) buf_u8(out, '/');
    }
    s3_encode(slice_str(key), true, out);
}
