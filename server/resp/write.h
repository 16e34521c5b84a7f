/* write.h -- RESP2 and RESP3 replies into a buffer: pure functions.
 *
 * `proto` is 2 or 3 and decides the shape: a map is a flat array in RESP2, a double a bulk
 * string, null "$-1", a push an array. Simple strings and errors turn CR and LF into
 * spaces, so that no text that quotes a user can inject a reply. */
#ifndef COVE_RESP_WRITE_H
#define COVE_RESP_WRITE_H

#include "base/bytes.h"

void resp_status(buf *b, const char *text);            /* +OK */
void resp_status_slice(buf *b, slice text);
void resp_error(buf *b, const char *text);             /* text without the dash: "ERR ..." */
void resp_error_slice(buf *b, slice text);
void resp_int(buf *b, int64_t v);
void resp_bulk(buf *b, slice s);
void resp_bulk_str(buf *b, const char *s);
void resp_bulk_int(buf *b, int64_t v);                 /* the number as a bulk string */
void resp_bulk_head(buf *b, size_t n);                 /* "$n\r\n"; the caller adds bytes, CRLF */
void resp_null(buf *b, int proto);                     /* $-1 or _ */
void resp_null_array(buf *b, int proto);               /* *-1 or _ */
void resp_array(buf *b, size_t n);
void resp_map(buf *b, int proto, size_t pairs);
void resp_set(buf *b, int proto, size_t n);
void resp_push(buf *b, int proto, size_t n);
void resp_attribute(buf *b, size_t pairs);             /* RESP3 only */
void resp_bool(buf *b, int proto, bool v);             /* :1 :0 or #t #f */
void resp_double(buf *b, int proto, double v);         /* as Redis 7.0: %.17g */
void resp_double_shortest(buf *b, int proto, double v);/* as vector sets */
void resp_bignum(buf *b, int proto, slice digits);
void resp_verbatim(buf *b, int proto, const char *ext, slice s); /* ext: 3 letters */

#endif
