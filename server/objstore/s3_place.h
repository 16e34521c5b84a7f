/* s3_place.h -- where a bucket is: endpoint, addressing, region, and URLs of its keys. */
#ifndef COVE_OBJSTORE_S3_PLACE_H
#define COVE_OBJSTORE_S3_PLACE_H

#include "objstore/s3.h"
#include "objstore/s3_sign.h"

#define S3_HOST_MAX 320
#define S3_REGION_MAX 64
#define S3_BUCKET_MAX 128
#define S3_PREFIX_MAX 512
#define S3_KEY_MAX (S3_PREFIX_MAX + 1 + OBJ_NAME_MAX)

struct s3_place {
    bool tls;
    bool local; /* the endpoint is this machine */
    bool aws;   /* the endpoint is AWS itself */
    bool path_style;
    char host[S3_HOST_MAX]; /* of the Host header: with the bucket, with a port */
    char bucket[S3_BUCKET_MAX];
    char prefix[S3_PREFIX_MAX + 1]; /* "" or ends with a slash */
    char region[S3_REGION_MAX];
};

/* From the configuration, else the environment (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
 * AWS_REGION, AWS_DEFAULT_REGION), else AWS in us-east-1. ERR_SYNTAX and a sentence. */
int s3_place_init(struct s3_place *p, const struct s3_config *c, char why[256]);
/* Appends the encoded path of key; "" is the bucket itself. */
void s3_place_path(const struct s3_place *p, const char *key, buf *out);

#endif
