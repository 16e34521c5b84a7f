/* resp_fuzz.c -- requests, cut anywhere, are the requests of the whole.
 *
 * The first byte picks the limits, the next four seed the cuts; what follows is what a
 * client sent. It is parsed twice, by parsers that live through many requests: in one
 * piece, and in pieces, each state of the buffer being a copy of its own with no byte to
 * spare, so that a pointer kept from the last state, or a read past the end, is seen. */
#include <stdlib.h>

#include "base/rnd.h"
#include "resp/parse.h"

#define REQUESTS_MAX                                                                     \
    100000 /* The input is short; more means that nothing was consumed. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

static void note_request(buf *log, size_t used, const slice *argv, size_t argc) {
    buf_u64(log, used);
    buf_u64(log, argc);
    for (size_t i = 0; i < argc; i++) buf_bytes(log, argv[i]);
}

static void note_end(buf *log, int rc, const struct resp_parser *p) {
    buf_u64(log, (uint64_t)(int64_t)rc);
    if (rc == ERR_SYNTAX) buf_append_str(log, p->error);
}

static void parse_whole(slice in, const struct resp_limits *limits, buf *log) {
    struct resp_parser p = {0};
    int rc = OK;
    for (int i = 0; rc == OK; i++) {
        slice *argv = NULL;
        size_t used = 0, argc = 0;
        need(i < REQUESTS_MAX);
        rc = resp_parse(&p, in, limits, &used, &argv, &argc);
        if (rc == OK) {
            need(used > 0 && used <= in.n);
            note_request(log, used, argv, argc);
            in = slice_make(in.p + used, in.n - used);
        }
    }
    note_end(log, rc, &p);
    resp_parser_deinit(&p);
}

static size_t next_cut(rnd *r, size_t left) {
    uint64_t most = rnd_below(r, 8) == 0 ? left : 1 + rnd_below(r, 24);
    size_t n = 1 + (size_t)rnd_below(r, most);
    return n < left ? n : left;
}

static void parse_pieces(slice in, const struct resp_limits *limits, rnd *r, buf *log) {
    struct resp_parser p = {0};
    size_t start = 0, have = 0;
    int rc = OK;
    for (;;) {
        slice *argv = NULL;
        size_t used = 0, argc = 0, n = have - start;
        uint8_t *copy = malloc(n > 0 ? n : 1);
        need(copy != NULL);
        if (n > 0) memcpy(copy, in.p + start, n);
        rc = resp_parse(&p, slice_make(copy, n), limits, &used, &argv, &argc);
        if (rc == OK) {
            note_request(log, used, argv, argc);
            start += used;
        }
        size_t want = rc == ERR_AGAIN ? resp_want(&p, slice_make(copy, n)) : 0;
        free(copy);
        if (rc == ERR_SYNTAX || (rc == ERR_AGAIN && have == in.n)) break;
        if (rc == OK && rnd_below(r, 4) == 0) resp_parser_trim(&p);
        if (rc != ERR_AGAIN) continue;
        need(want <= 2 || want - 2 <= limits->bulk_max);
        have += next_cut(r, in.n - have);
    }
    note_end(log, rc, &p);
    resp_parser_deinit(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct resp_limits limits[] = {
        {512u << 20, INT32_MAX},
        {RESP_UNAUTH_BULK_MAX, RESP_UNAUTH_ARGS_MAX},
        {UINT64_MAX, UINT64_MAX},
        {64, 100},
    };
    if (size < 5) return 0;
    buf whole = BUF_INIT, pieces = BUF_INIT;
    slice in = slice_make(data + 5, size - 5);
    const struct resp_limits *l = &limits[data[0] % 4];
    rnd r;
    rnd_seed(&r, get_u32(data + 1));
    parse_whole(in, l, &whole);
    parse_pieces(in, l, &r, &pieces);
    need(slice_eq(slice_of(&whole), slice_of(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
