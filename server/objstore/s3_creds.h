/* s3_creds.h -- credentials from the standard places, in the standard order:
 *
 *   1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   2. web identity: AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE (read anew at each
 * refresh)
 *   3. the shared files: AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, then
 * AWS_CONFIG_FILE or ~/.aws/config; the profile is AWS_PROFILE or "default"
 *   4. container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *   5. instance metadata, version 2 only, unless AWS_EC2_METADATA_DISABLED=true
 *
 * A machine without a socket: it says what to ask, and is told what was answered, so that
 * the same code serves the start (waiting) and a refresh (beside the transfers). */
#ifndef COVE_OBJSTORE_S3_CREDS_H
#define COVE_OBJSTORE_S3_CREDS_H

#include "base/bytes.h"
#include "base/err.h"
#include "objstore/s3_sign.h"

typedef struct s3_creds s3_creds;

struct s3_keys { /* borrowed until the next call that changes them */
    const char *access, *secret;
    const char *token; /* "" when there is none */
};
struct s3_ask { /* borrowed until s3_creds_answer() */
    const char *method, *url;
    struct s3_pair headers[4];
    size_t header_count;
    slice body;
    uint64_t timeout_us;
};

s3_creds *s3_creds_create(const char *region);
void s3_creds_free(s3_creds *c); /* Wipes. */

/* Looks anew, from the first place on. OK: keys are there. ERR_AGAIN: s3_creds_ask() and
 * s3_creds_answer() until that answers otherwise. ERR_AUTH and a sentence: there are
 * none, or a named place cannot be used. Keys that were there stay until better ones
 * come. */
int s3_creds_find(s3_creds *c, char why[256]);
void s3_creds_ask(s3_creds *c, struct s3_ask *out);
/* got: an answer came. OK, ERR_AGAIN (ask again), ERR_AUTH and a sentence. */
int s3_creds_answer(s3_creds *c, bool got, long status, slice body, char why[256]);

bool s3_creds_keys(const s3_creds *c, struct s3_keys *out); /* false: none (yet) */
/* When to look again: UINT64_MAX when the keys do not expire. */
#define S3_CREDS_ADVISORY_US (15 * 60 * 1000000ull)
#define S3_CREDS_MANDATORY_US (10 * 60 * 1000000ull)
uint64_t s3_creds_expiry_us(const s3_creds *c);
const char *s3_creds_source(const s3_creds *c); /* "environment", ...; for the log */

/* The keys of one profile in the text of a shared file; config files call their sections
 * "profile NAME". ERR_NOTFOUND; ERR_SYNTAX: half a pair, or values that cannot be keys.
 */
int s3_creds_parse_file(s3_creds *c, slice text, const char *profile, bool config);

#endif
