/* write_test.c -- replies, byte for byte, in both protocols. */
#include "resp/write.h"

#include <math.h>

#include "test.h"

/* The call writes `want` into an empty buffer, and again behind what is there. */
#define WRITES(call, want)                                                               \
    do {                                                                                 \
        buf out_ = BUF_INIT, *b = &out_;                                                 \
        call;                                                                            \
        CHECK_SLICE(slice_of(b), want);                                                  \
        call;                                                                            \
        CHECK_SLICE(slice_of(b), want want);                                             \
        buf_free(b);                                                                     \
    } while (0)

TEST("status and error lines") {
    WRITES(resp_status(b, "OK"), "+OK\r\n");
    WRITES(resp_status_slice(b, SLICE("PONG")), "+PONG\r\n");
    WRITES(resp_status_slice(b, slice_make(NULL, 0)), "+\r\n");
    WRITES(resp_error(b, "ERR no"), "-ERR no\r\n");
    WRITES(resp_error_slice(b, SLICE("WRONGTYPE x")), "-WRONGTYPE x\r\n");
}

TEST("a line cannot be ended by its text") {
    WRITES(resp_status(b, "a\r\n+b"), "+a  +b\r\n");
    WRITES(resp_error(b, "ERR unknown 'x\r\n:1\n'"), "-ERR unknown 'x  :1 '\r\n");
    WRITES(resp_bignum(b, 3, SLICE("1\r\n2")), "(1  2\r\n");
}

TEST("integers") {
    WRITES(resp_int(b, 0), ":0\r\n");
    WRITES(resp_int(b, 9), ":9\r\n");
    WRITES(resp_int(b, 10), ":10\r\n");
    WRITES(resp_int(b, -1), ":-1\r\n");
    WRITES(resp_int(b, INT64_MAX), ":9223372036854775807\r\n");
    WRITES(resp_int(b, INT64_MIN), ":-9223372036854775808\r\n");
}

TEST("bulk strings") {
    WRITES(resp_bulk(b, SLICE("a\r\nb")), "$4\r\na\r\nb\r\n");
    WRITES(resp_bulk(b, slice_make(NULL, 0)), "$0\r\n\r\n");
    WRITES(resp_bulk_str(b, "0123456789"), "$10\r\n0123456789\r\n");
    WRITES(resp_bulk_int(b, -42), "$3\r\n-42\r\n");
    WRITES(resp_bulk_head(b, 1000000), "$1000000\r\n");
}

TEST("a bulk string larger than the buffer, with every byte") {
    uint8_t bytes[4096];
    buf out = BUF_INIT;
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)i;
    resp_bulk(&out, slice_make(bytes, sizeof(bytes)));
    CHECK_INT(out.n, 7 + sizeof(bytes) + 2);
    CHECK(memcmp(out.p, "$4096\r\n", 7) == 0);
    CHECK(memcmp(out.p + 7, bytes, sizeof(bytes)) == 0);
    CHECK(memcmp(out.p + 7 + sizeof(bytes), "\r\n", 2) == 0);
    buf_free(&out);
}

TEST("nulls") {
    WRITES(resp_null(b, 2), "$-1\r\n");
    WRITES(resp_null(b, 3), "_\r\n");
    WRITES(resp_null_array(b, 2), "*-1\r\n");
    WRITES(resp_null_array(b, 3), "_\r\n");
}

TEST("aggregates are flat arrays in RESP2 and have their own sigils in RESP3") {
    WRITES(resp_array(b, 0), "*0\r\n");
    WRITES(resp_array(b, 12), "*12\r\n");
    WRITES(resp_map(b, 2, 3), "*6\r\n");
    WRITES(resp_map(b, 3, 3), "%3\r\n");
    WRITES(resp_set(b, 2, 3), "*3\r\n");
    WRITES(resp_set(b, 3, 3), "~3\r\n");
    WRITES(resp_push(b, 2, 3), "*3\r\n");
    WRITES(resp_push(b, 3, 3), ">3\r\n");
    WRITES(resp_attribute(b, 1), "|1\r\n");
}

TEST("booleans") {
    WRITES(resp_bool(b, 2, true), ":1\r\n");
    WRITES(resp_bool(b, 2, false), ":0\r\n");
    WRITES(resp_bool(b, 3, true), "#t\r\n");
    WRITES(resp_bool(b, 3, false), "#f\r\n");
}

TEST("doubles have 17 digits, as in Redis 7.0") {
    WRITES(resp_double(b, 2, 3), "$1\r\n3\r\n");
    WRITES(resp_double(b, 3, 3), ",3\r\n");
    WRITES(resp_double(b, 2, 0.1), "$19\r\n0.10000000000000001\r\n");
    WRITES(resp_double(b, 3, 0.1), ",0.10000000000000001\r\n");
    WRITES(resp_double(b, 3, -0.0), ",-0\r\n");
    WRITES(resp_double(b, 3, 1e300), ",1.0000000000000001e+300\r\n");
}

TEST("doubles that are no numbers") {
    WRITES(resp_double(b, 2, (double)INFINITY), "$3\r\ninf\r\n");
    WRITES(resp_double(b, 2, -(double)INFINITY), "$4\r\n-inf\r\n");
    WRITES(resp_double(b, 3, (double)INFINITY), ",inf\r\n");
    WRITES(resp_double(b, 3, -(double)INFINITY), ",-inf\r\n");
    WRITES(resp_double(b, 2, (double)NAN), "$3\r\nnan\r\n");
    WRITES(resp_double(b, 3, -(double)NAN), ",nan\r\n");
}

TEST("doubles as vector sets answer them are the shortest text") {
    WRITES(resp_double_shortest(b, 2, 0.1), "$3\r\n0.1\r\n");
    WRITES(resp_double_shortest(b, 3, 0.1), ",0.1\r\n");
}

TEST("big numbers and verbatim strings") {
    WRITES(resp_bignum(b, 2, SLICE("1234567999999999999999999999999999999")),
           "$37\r\n1234567999999999999999999999999999999\r\n");
    WRITES(resp_bignum(b, 3, SLICE("12345678901234567890")), "(12345678901234567890\r\n");
    WRITES(resp_verbatim(b, 2, "txt", SLICE("a\nb")), "$3\r\na\nb\r\n");
    WRITES(resp_verbatim(b, 3, "txt", SLICE("a\nb")), "=7\r\ntxt:a\nb\r\n");
    WRITES(resp_verbatim(b, 3, "mkd", slice_make(NULL, 0)), "=4\r\nmkd:\r\n");
}
