/* json.h -- one field of a JSON object, without reading more of it than is needed. */
#ifndef COVE_VECTOR_JSON_H
#define COVE_VECTOR_JSON_H

#include "base/bytes.h"
#include "modules/vector/arena.h"

enum json_kind { JSON_NULL, JSON_NUMBER, JSON_STRING, JSON_ARRAY };

/* A scalar, or an array of them: what a filter computes with. */
struct json_value {
    enum json_kind kind;
    double number;                  /* true and false are 1 and 0 */
    slice text;                     /* borrowed from the JSON, or in the arena */
    const struct json_value *items; /* in the arena */
    size_t count;
};

/* The value of the first field `name` of the object; names are compared as they are
 * written. False: there is none, it is an object or an array that holds one, or the text
 * is not JSON as far as it had to be read. */
bool json_field(slice json, slice name, struct arena *a, struct json_value *out);

/* Reads a string whose quote has just been passed: *p is moved behind the closing one.
 * Escapes are decoded: \n \r \t, and for all others the character itself. False: it has
 * no end. */
bool json_string(const uint8_t **p, const uint8_t *end, uint8_t quote, struct arena *a,
                 slice *out);

#endif
