/* string.h -- strings: what handlers ask of them, and the effects they make.
 *
 * An integer in its shortest form is a VALUE_INT; up to INLINE_BYTES_MAX bytes are VALUE_RAW; a
 * longer string is a dense object: chunks of PAGE_BYTES (absent chunks, and what a chunk lacks at
 * its end, are zero bytes), and the length, a u64, as its meta. */
#ifndef COVE_TYPES_STRING_H
#define COVE_TYPES_STRING_H

#include "base/num.h"
#include "types/value.h"

#define STRING_EMBSTR_MAX 44 /* OBJECT ENCODING: up to here "embstr", unless changed in place */

enum string_op { /* stored: never renumbered */
    STRING_APPEND = 1,   /* bytes */
    STRING_SETRANGE = 2, /* u64 offset, bytes; zero bytes up to the offset */
    STRING_INCRBY = 3,   /* i64, 8 bytes; the handler has made sure of number and overflow */
    STRING_SET = 4       /* bytes; the key's expiry stays */
};
#define STRING_LENGTH_MAX ((uint64_t)1 << 40) /* Replay refuses more; handlers refuse sooner. */

/* All of these take a value of kind VALUE_NONE for the empty string. */
uint64_t string_len(const struct value *v);
/* True: the string is not paged, and *out is its bytes (an integer is printed into tmp). */
bool string_slice(const struct value *v, char tmp[NUM_LL_MAX], slice *out);
/* Appends bytes [offset, offset + len), cut at the end, to *out. OK, ERR_COLD (all that it needs is
 * asked for), ERR_NOMEM, ERR_CORRUPT. */
int string_read(const struct value *v, uint64_t offset, uint64_t len, buf *out);
/* True: the string is an integer in its shortest form. */
bool string_number(const struct value *v, int64_t *out);
/* Makes v this string, whatever it was. A short one borrows `bytes`. OK or ERR_NOMEM, having
 * changed nothing. */
int string_set_value(struct value *v, slice bytes);

#endif
