/* s3_sign.h -- AWS Signature Version 4: the Authorization header of one request.
 *
 * Pure: no clock, no state. Paths are encoded once and not normalised, as S3 wants it. */
#ifndef COVE_OBJSTORE_S3_SIGN_H
#define COVE_OBJSTORE_S3_SIGN_H

#include "base/bytes.h"

#define S3_PAIRS_MAX 24 /* headers, or query parameters, of one request */
#define S3_UNSIGNED "UNSIGNED-PAYLOAD"
#define S3_HASH_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct s3_pair {              /* borrowed strings */
    const char *name, *value; /* a header's name in lower case; a query's not encoded */
};

struct s3_sign { /* all borrowed */
    const char *method;
    const char *path; /* encoded, begins with a slash */
    const struct s3_pair *query;
    size_t query_count;
    const struct s3_pair
        *headers; /* all that are signed, host and x-amz-date among them */
    size_t header_count;
    const char *payload; /* hex SHA-256 of the body, or S3_UNSIGNED */
    const char *date;    /* 20130524T000000Z */
    const char *region, *service;
    const char *access, *secret;
};

/* Appends "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...", no NUL. */
void s3_sign(const struct s3_sign *in, buf *out);
/* Appends "a=b&c=d", encoded and sorted as in the signature; nothing for no parameters.
 */
void s3_sign_query(const struct s3_pair *query, size_t count, buf *out);
/* Appends s percent-encoded: all but A-Z a-z 0-9 - . _ ~ and, when keep_slash, '/'. */
void s3_encode(slice s, bool keep_slash, buf *out);
/* The hex SHA-256 of a body. */
void s3_sign_hash(slice body, char out[65]);
/* The date of a request at wall_us since 1970, and back from an HTTP Date header's form
 * ("Fri, 24 May 2013 00:00:00 GMT"); false when it is not one. */
void s3_sign_date(uint64_t wall_us, char out[17]);
bool s3_parse_http_date(slice text, uint64_t *wall_us);
/* "2013-05-24T00:00:00Z", as credentials' expiry has it; fractions are dropped. */
bool s3_parse_iso_date(slice text, uint64_t *wall_us);

#endif
