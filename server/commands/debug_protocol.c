/* debug_protocol.c -- DEBUG PROTOCOL: one reply of each shape, for tests of clients. */
#include "commands/debug.h"
#include "resp/write.h"

static int show_string(call *c) { return reply_bulk(c, SLICE("Hello World")); }
static int show_integer(call *c) { return reply_int(c, 12345); }
static int show_double(call *c) { return reply_double(c, 3.141); }
static int show_null(call *c) { return reply_null(c); }
static int show_true(call *c) { return reply_bool(c, true); }
static int show_false(call *c) { return reply_bool(c, false); }

static int show_bignum(call *c) {
    resp_bignum(call_out(c), call_proto(c), SLICE("1234567999999999999999999999999999999"));
    return OK;
}

static int show_array(call *c) {
    reply_array(c, 3);
    for (int i = 0; i < 3; i++) reply_int(c, i);
    return OK;
}

static int show_set(call *c) {
    reply_set(c, 3);
    for (int i = 0; i < 3; i++) reply_int(c, i);
    return OK;
}

static int show_map(call *c) {
    reply_map(c, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(c, i);
        reply_bool(c, i == 1);
    }
    return OK;
}

/* An attribute is no reply: one follows it. RESP2 has only that one. */
static int show_attrib(call *c) {
    if (call_proto(c) >= 3) {
        resp_attribute(call_out(c), 1);
        reply_bulk_str(c, "key-popularity");
        reply_array(c, 2);
        reply_bulk_str(c, "key:123");
        reply_int(c, 90);
    }
    return reply_bulk_str(c, "Some real reply following the attribute");
}

/* Nor is a push. */
static int show_push(call *c) {
    if (call_proto(c) < 3) return reply_error(c, "ERR RESP2 is not supported by this command");
    resp_push(call_out(c), 3, 2);
    reply_bulk_str(c, "server-cpu-usage");
    reply_int(c, 42);
    return reply_bulk_str(c, "Some real reply following the push reply");
}

static int show_verbatim(call *c) {
    return reply_verbatim(c, "txt", SLICE("This is a verbatim\nstring"));
}

int debug_protocol(call *c) {
    static const struct { const char *name; command_fn *fn; } shapes[] = {
        {"string", show_string}, {"integer", show_integer}, {"double", show_double},
        {"null", show_null},     {"array", show_array},     {"set", show_set},
        {"map", show_map},       {"attrib", show_attrib},   {"push", show_push},
        {"bignum", show_bignum}, {"verbatim", show_verbatim}, {"true", show_true},
        {"false", show_false}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        if (call_arg_is(c, 2, shapes[i].name)) return shapes[i].fn(c);
    }
    return reply_error(c, "ERR Wrong protocol type name. Please use one of the following: "
                          "string|integer|double|null|array|set|map|attrib|push|verbatim|true|"
                          "false");
}
