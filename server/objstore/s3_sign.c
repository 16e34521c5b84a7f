/* s3_sign.c -- Signature Version 4, from AWS's description of it.
 *
 *     key       = HMAC(HMAC(HMAC(HMAC("AWS4" secret, day), region), service),
 * "aws4_request") text      = "AWS4-HMAC-SHA256" date day/region/service/aws4_request
 * sha256(canonical) canonical = method, path, query, headers, names of the headers, hash
 * of the payload signature = hex HMAC(key, text)
 *
 * Why not libcurl's own: the versions of today's distributions sign unsorted queries,
 * empty values and names with '=' wrongly. */
#include "objstore/s3_sign.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char hex_digits[] = "0123456789abcdef";

static void put_hex(const uint8_t *p, size_t n, char *out) {
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = hex_digits[p[i] >> 4];
        out[2 * i + 1] = hex_digits[p[i] & 15];
    }
    out[2 * n] = 0;
}

static void sha256(const void *p, size_t n, uint8_t out[32]) {
    unsigned got = 0;
    int ok = EVP_Digest(n == 0 ? "" : p, n, out, &got, EVP_sha256(), NULL);
    assert(ok == 1);
    assert(got == 32);
}

static void hmac(const void *key, size_t key_n, const void *p, size_t n,
                 uint8_t out[32]) {
    unsigned got = 0;
    const uint8_t *ok = HMAC(EVP_sha256(), key, (int)key_n, p, n, out, &got);
    assert(ok != NULL);
    assert(got == 32);
}

void s3_sign_hash(slice body, char out[65]) {
    uint8_t sum[32];
    sha256(body.p, body.n, sum);
    put_hex(sum, sizeof(sum), out);
}

void s3_encode(slice s, bool keep_slash, buf *out) {
    static const char upper[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                     c == '~' || (keep_slash && c == '/');
        if (plain) {
            buf_u8(out, c);
        } else {
            char e[3] = {'%', upper[c >> 4], upper[c & 15]};
            buf_append(out, e, 3);
        }
    }
}

static int pair_order(const void *a, const void *b) {
    const struct s3_pair *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c != 0 ? c : strcmp(x->value, y->value);
}

static size_t sorted(const struct s3_pair *in, size_t count, struct s3_pair *out) {
    assert(count <= S3_PAIRS_MAX);
    if (count > 0) memcpy(out, in, count * sizeof(*in));
    qsort(out, count, sizeof(*out), pair_order);
    return count;
}

void s3_sign_query(const struct s3_pair *query, size_t count, buf *out) {
    /* Sorted by the plain names: all that we send sort alike when encoded. */
    struct s3_pair q[S3_PAIRS_MAX];
    sorted(query, count, q);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buf_u8(out, '&');
        s3_encode(slice_str(q[i].name), false, out);
        buf_u8(out, '=');
        s3_encode(slice_str(q[i].value), false, out);
    }
}

/* The value with outer blanks cut and inner runs of them made one. */
static void put_trimmed(const char *v, buf *out) {
    bool blank = false, any = false;
    for (; *v != 0; v++) {
        if (*v == ' ' || *v == '\t') {
            blank = any;
            continue;
        }
        if (blank) buf_u8(out, ' ');
        blank = false;
        any = true;
        buf_u8(out, (uint8_t)*v);
    }
}

static void put_names(const struct s3_pair *h, size_t count, buf *out) {
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buf_u8(out, ';');
        buf_append_str(out, h[i].name);
    }
}

static void signing_key(const struct s3_sign *in, uint8_t key[32]) {
    char first[512];
    int n = snprintf(first, sizeof(first), "AWS4%s", in->secret);
    assert(n > 0 && (size_t)n < sizeof(first));
    hmac(first, (size_t)n, in->date, 8, key);
    hmac(key, 32, in->region, strlen(in->region), key);
    hmac(key, 32, in->service, strlen(in->service), key);
    hmac(key, 32, "aws4_request", 12, key);
    explicit_bzero(first, sizeof(first));
}

void s3_sign(const struct s3_sign *in, buf *out) {
    assert(strlen(in->date) == 16);
    struct s3_pair h[S3_PAIRS_MAX];
    sorted(in->headers, in->header_count, h);

    buf canon = BUF_INIT;
    buf_printf(&canon, "%s\n%s\n", in->method, in->path);
    s3_sign_query(in->query, in->query_count, &canon);
    buf_u8(&canon, '\n');
    for (size_t i = 0; i < in->header_count; i++) {
        buf_printf(&canon, "%s:", h[i].name);
        put_trimmed(h[i].value, &canon);
        buf_u8(&canon, '\n');
    }
    buf_u8(&canon, '\n');
    put_names(h, in->header_count, &canon);
    buf_printf(&canon, "\n%s", in->payload);

    char hash[65];
    s3_sign_hash(slice_of(&canon), hash);
    explicit_bzero(canon.p, canon.n); /* May hold a session token. */
    buf_free(&canon);

    buf scope = BUF_INIT, text = BUF_INIT;
    buf_printf(&scope, "%.8s/%s/%s/aws4_request", in->date, in->region, in->service);
    buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.*s\n%s", in->date, (int)scope.n,
               (const char *)scope.p, hash);
    uint8_t key[32], mac[32];
    char signature[65];
    signing_key(in, key);
    hmac(key, 32, text.p, text.n, mac);
    explicit_bzero(key, sizeof(key));
    put_hex(mac, sizeof(mac), signature);

    buf_printf(out, "AWS4-HMAC-SHA256 Credential=%s/%.*s, SignedHeaders=", in->access,
               (int)scope.n, (const char *)scope.p);
    put_names(h, in->header_count, out);
    buf_printf(out, ", Signature=%s", signature);
    buf_free(&scope);
    buf_free(&text);
}

/* Dates: days from the civil calendar (Hinnant's algorithm), so that no time zone and no
 * global of the C library takes part. */
static int64_t days_from_civil(int y, int m, int d) {
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool civil_to_us(int y, int mo, int d, int h, int mi, int s, uint64_t *wall_us) {
    if (y < 1970 || y > 9999 || mo < 1 || mo > 12 || d < 1 || d > 31) return false;
    if (h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60) return false;
    int64_t t = days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + s;
    *wall_us = (uint64_t)t * 1000000;
    return true;
}

void s3_sign_date(uint64_t wall_us, char out[17]) {
    time_t t = (time_t)(wall_us / 1000000);
    struct tm tm;
    gmtime_r(&t, &tm);
    size_t n = strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm);
    assert(n == 16);
}

static int read_digits(reader *r, int n) {
    int v = 0;
    for (; n > 0; n--) {
        uint8_t digit = read_u8(r);
        if (digit < '0' || digit > '9') r->bad = true;
        else v = v * 10 + (digit - '0');
    }
    return v;
}

static void read_word(reader *r, const char *word) {
    if (!slice_eq(read_raw(r, strlen(word)), slice_str(word))) r->bad = true;
}

/* hh:mm:ss */
static void read_time(reader *r, int *h, int *mi, int *s) {
    *h = read_digits(r, 2);
    read_word(r, ":");
    *mi = read_digits(r, 2);
    read_word(r, ":");
    *s = read_digits(r, 2);
}

bool s3_parse_http_date(slice text, uint64_t *wall_us) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    reader r = reader_make(text);
    int h, mi, sec, month = 0;
    (void)read_raw(&r, 3); /* The day of the week says nothing new. */
    read_word(&r, ", ");
    int d = read_digits(&r, 2);
    read_word(&r, " ");
    slice name = read_raw(&r, 3);
    for (int i = 0; i < 12; i++)
        if (slice_eq(name, slice_make(months + 3 * i, 3))) month = i + 1;
    read_word(&r, " ");
    int y = read_digits(&r, 4);
    read_word(&r, " ");
    read_time(&r, &h, &mi, &sec);
    read_word(&r, " GMT");
    return !r.bad && reader_left(&r) == 0 && civil_to_us(y, month, d, h, mi, sec, wall_us);
}

bool s3_parse_iso_date(slice text, uint64_t *wall_us) {
    reader r = reader_make(text);
    int h, mi, sec;
    int y = read_digits(&r, 4);
    read_word(&r, "-");
    int mo = read_digits(&r, 2);
    read_word(&r, "-");
    int d = read_digits(&r, 2);
    read_word(&r, "T");
    read_time(&r, &h, &mi, &sec);
    if (r.bad) return false;
    if (reader_left(&r) > 0 && *r.p == '.') { /* A fraction of a second: left out. */
        do r.p++;
        while (reader_left(&r) > 0 && *r.p >= '0' && *r.p <= '9');
    }
    slice zone = slice_make(r.p, reader_left(&r));
    if (!slice_eq(zone, SLICE("Z")) && !slice_eq(zone, SLICE("+00:00"))) return false;
    return civil_to_us(y, mo, d, h, mi, sec, wall_us);
}
