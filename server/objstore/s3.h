/* s3.h -- S3 over libcurl: the only folder that sees libcurl. See s3.c for the design.
 *
 * One thread drives curl_multi; completions come back on the loop. SigV4 of our own; keep
 * alive; HTTPS verified; retries with jittered backoff and a token budget in one place;
 * credentials from environment, shared files, container and instance metadata, refreshed
 * off the loop, never logged.
 *
 * Requests under way at objstore_free() are done inside it with ERR_CANCELED: whether a write
 * among them happened, or happens yet, is not known. */
#ifndef COVE_OBJSTORE_S3_H
#define COVE_OBJSTORE_S3_H

#include "base/log.h"
#include "base/rnd.h"
#include "event/loop.h"
#include "objstore/objstore.h"

struct s3_config { /* borrowed during create; "" and 0: the default */
    const char *bucket, *prefix;   /* prefix without a leading or trailing slash; may be "" */
    const char *endpoint;          /* "": AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS; else
                                    * http(s)://host[:port] */
    const char *region;            /* "": AWS_REGION, AWS_DEFAULT_REGION, us-east-1 */
    const char *path_style;        /* "auto", "yes", "no" */
    const char *ca_file;           /* "" : the system's */
    unsigned connections_max;
    unsigned attempts_max;         /* per request, the first included */
    unsigned timeout_ms;           /* of one attempt, without progress */
};

/* Blocking: finds credentials. ERR_AUTH and a sentence in why when there are none. */
int objstore_s3_create(loop *l, const struct s3_config *c, rnd *r, logger *log, objstore **out,
                       char why[256]);

#endif
