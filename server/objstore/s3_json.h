/* s3_json.h -- one string field of a flat JSON object: what metadata services answer. */
#ifndef COVE_OBJSTORE_S3_JSON_H
#define COVE_OBJSTORE_S3_JSON_H

#include "base/bytes.h"
#include "base/err.h"

/* The string value of member `name` of the object doc, decoded, into out with a NUL: OK;
 * ERR_NOTFOUND (absent, or not a string); ERR_SYNTAX malformed; ERR_LIMIT longer than
 * room. Strings are ASCII (others are ERR_SYNTAX); nested values are stepped over, 32
 * deep. */
int s3_json_field(slice doc, const char *name, char *out, size_t room);

#endif
