/* parse.h -- RESP requests out of a byte buffer: pure functions, no client, no I/O.
 *
 * A request is a multibulk ("*2\r\n$3\r\nGET\r\n...") or an inline line. Arguments are
 * slices of the caller's buffer; only the inline form, whose quotes must be undone, has a
 * store of its own. Parsing is resumable: a partial request keeps its place, so that a
 * 512 MB argument is not scanned again with each read. Limits are Redis's: inline and
 * count lines <= 64 KB, multibulk <= INT32_MAX (10 unauthenticated), bulk <= bulk_max
 * (16,384 unauthenticated); argv grows as arguments arrive, not as announced. */
#ifndef COVE_RESP_PARSE_H
#define COVE_RESP_PARSE_H

#include "base/bytes.h"
#include "base/err.h"

#define RESP_LINE_MAX 65536 /* An inline request, or a line that announces a count. */
/* The limits of a client that has yet to authenticate; each has its own error text. */
#define RESP_UNAUTH_ARGS_MAX 10
#define RESP_UNAUTH_BULK_MAX 16384

struct resp_limits {
    uint64_t bulk_max;
    uint64_t args_max;
};

struct resp_parser { /* zero-initialise; resp_parser_deinit() */
    bool inside;               /* within a multibulk */
    int64_t args_left;
    int64_t bulk_len;          /* -1: its header has not been read */
    size_t pos;                /* next byte to look at, from the request's first byte */
    size_t argc, argv_cap;
    slice *args;               /* while partial .p is an offset; see parse.c */
    buf inline_store;
    bool is_inline;
    char error[160];           /* "Protocol error: ..." after ERR_SYNTAX */
};

void resp_parser_deinit(struct resp_parser *p);
/* in: the unread bytes, starting at a request's first byte (also while it is partial).
 * OK: a request; *used is its length in bytes, argv[0..argc) are slices into `in` or the
 * inline store, valid until the next call; *argc may be 0 (an empty request: skip it).
 * ERR_AGAIN: more bytes are needed; resp_want() tells how many at least.
 * ERR_SYNTAX: p->error holds the text after "-ERR "; the connection is to be closed. */
int resp_parse(struct resp_parser *p, slice in, const struct resp_limits *limits,
               size_t *used, slice **argv, size_t *argc);
/* Bytes missing to finish the bulk being read, or 0 when not known. A client announced
 * that number: check it before it sizes anything. */
size_t resp_want(const struct resp_parser *p, slice in);
/* Gives back what an unusually large request left behind (for clients that idle). Between
 * requests only; argv of the last one is then gone. */
void resp_parser_trim(struct resp_parser *p);

#endif
