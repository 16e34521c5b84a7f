/* parse_test.c -- requests out of a buffer: what they yield, wherever reads cut them,
 * what is refused and in which words, and what may not allocate. */
#include "resp/parse.h"

#include <stdlib.h>

#include "base/mem.h"
#include "test.h"

static const struct resp_limits limits = {512u << 20, INT32_MAX};
static const struct resp_limits unauth = {RESP_UNAUTH_BULK_MAX, RESP_UNAUTH_ARGS_MAX};

static void append_request(buf *out, const slice *argv, size_t argc) {
    buf_printf(out, "%zu", argc);
    for (size_t i = 0; i < argc; i++) {
        buf_printf(out, "|%zu:", argv[i].n);
        buf_append_slice(out, argv[i]);
    }
    buf_append_str(out, ";");
}

/* Parses `in`, of which only the first `cut` bytes are there at first; every state of the
 * input is a copy of its own, to its last byte. Gives the requests as text. */
static void parse_cut(slice in, size_t cut, buf *out) {
    struct resp_parser p = {0};
    size_t start = 0, have = cut;
    for (;;) {
        size_t n = have - start, used = 0, argc = 0;
        uint8_t *copy = malloc(n + (n == 0));
        slice *argv = NULL;
        CHECK(copy != NULL);
        if (n > 0) memcpy(copy, in.p + start, n);
        int rc = resp_parse(&p, slice_make(copy, n), &limits, &used, &argv, &argc);
        if (rc == OK) {
            CHECK(used > 0 && used <= n);
            append_request(out, argv, argc);
            start += used;
        }
        size_t want = rc == ERR_AGAIN ? resp_want(&p, slice_make(copy, n)) : 0;
        free(copy);
        if (rc == ERR_SYNTAX) {
            buf_append_str(out, p.error);
            break;
        }
        if (rc == ERR_AGAIN && have == in.n) break;
        if (rc == ERR_AGAIN) {
            CHECK(want <= in.n - have);
            have = in.n;
        }
    }
    resp_parser_deinit(&p);
}

static void check_parses(slice in, const char *want) {
    for (size_t cut = 0; cut <= in.n; cut++) {
        buf got = BUF_INIT;
        parse_cut(in, cut, &got);
        CHECK_SLICE(slice_of(&got), want);
        buf_free(&got);
    }
}

TEST("a multibulk yields its arguments") {
    check_parses(SLICE("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"), "2|3:GET|3:key;");
    check_parses(SLICE("*1\r\n$0\r\n\r\n"), "1|0:;");
    check_parses(SLICE("*1\r\n$12\r\nhello\r\nworld\r\n"), "1|12:hello\r\nworld;");
}

TEST("a pipeline yields the same requests wherever it is cut") {
    check_parses(
        SLICE("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\nPING\r\n*0\r\n*1\r\n$4\r\nPING\r\n"
              "\r\n*-1\r\n set \"a b\"  'c d'\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n"
              "$10\r\n0123456789\r\n*1\r\n$4\r\nQUIT\r\n"),
        "2|3:GET|3:key;1|4:PING;0;1|4:PING;0;0;3|3:set|3:a b|3:c d;"
        "3|3:SET|1:a|10:0123456789;1|4:QUIT;");
}

TEST("an error ends a pipeline wherever it is cut") {
    check_parses(SLICE("PING\r\n*1\r\n$4\r\nPING\r\n*x\r\n"),
                 "1|4:PING;1|4:PING;Protocol error: invalid multibulk length");
    check_parses(SLICE("*2\r\n$3\r\nGET\r\n:3\r\nkey\r\n"),
                 "Protocol error: expected '$', got ':'");
    check_parses(SLICE("*1\r\n$-5\r\n"), "Protocol error: invalid bulk length");
    check_parses(SLICE("set \"a\r\n"), "Protocol error: unbalanced quotes in request");
}

TEST("inline quotes and escapes are undone") {
    check_parses(SLICE("a \"\\x41\\n\\\"\\\\q\" 'it\\'s \\n' \"\" ''\r\n"),
                 "5|1:a|5:A\n\"\\q|7:it's \\n|0:|0:;");
    check_parses(SLICE("x\"y z\" p'q r'\n"), "2|4:xy z|4:pq r;");
    check_parses(SLICE("\t \v  one\ttwo \r\n"), "2|3:one|3:two;");
    check_parses(SLICE("a \"b\"c\r\n"), "Protocol error: unbalanced quotes in request");
    check_parses(SLICE("a 'b'c\r\n"), "Protocol error: unbalanced quotes in request");
    check_parses(SLICE("a \"b\\\"\r\n"), "Protocol error: unbalanced quotes in request");
    check_parses(SLICE("a 'b\\'\r\n"), "Protocol error: unbalanced quotes in request");
    check_parses(SLICE("\"\\x4\" \"\\xzz\"\r\n"), "2|2:x4|3:xzz;");
    check_parses(SLICE("\n"), "0;");
    check_parses(SLICE("   \r\n"), "0;");
}

/* One call; the state must be fit for the next request afterwards. */
static int parse_once(struct resp_parser *p, slice in, const struct resp_limits *l,
                      size_t *argc) {
    size_t used = 0;
    slice *argv = NULL;
    return resp_parse(p, in, l, &used, &argv, argc);
}

static void check_fails(slice in, const struct resp_limits *l, const char *error) {
    struct resp_parser p = {0};
    size_t argc = 0;
    CHECK_INT(parse_once(&p, in, l, &argc), ERR_SYNTAX);
    CHECK_STR(p.error, error);
    CHECK_INT(parse_once(&p, SLICE("*1\r\n$4\r\nPING\r\n"), l, &argc), OK);
    CHECK_INT(argc, 1);
    resp_parser_deinit(&p);
}

TEST("numbers are read as strictly as Redis does") {
    const char *invalid = "Protocol error: invalid multibulk length";
    check_fails(SLICE("*\r\n"), &limits, invalid);
    check_fails(SLICE("*+1\r\n"), &limits, invalid);
    check_fails(SLICE("*01\r\n"), &limits, invalid);
    check_fails(SLICE("* 1\r\n"), &limits, invalid);
    check_fails(SLICE("*1 \r\n"), &limits, invalid);
    check_fails(SLICE("*-0\r\n"), &limits, invalid);
    check_fails(SLICE("*2147483648\r\n"), &limits, invalid);
    check_fails(SLICE("*99999999999999999999999\r\n"), &limits, invalid);
    check_fails(SLICE("*3000000000\r\n"), &unauth, invalid);
    invalid = "Protocol error: invalid bulk length";
    check_fails(SLICE("*1\r\n$\r\n"), &limits, invalid);
    check_fails(SLICE("*1\r\n$blabla\r\n"), &limits, invalid);
    check_fails(SLICE("*1\r\n$04\r\nPING\r\n"), &limits, invalid);
    check_fails(SLICE("*1\r\n$-1\r\n"), &limits, invalid);
    check_fails(SLICE("*1\r\n$536870913\r\n"), &limits, invalid);
    check_fails(SLICE("*1\r\n$9223372036854775808\r\n"), &limits, invalid);
    check_fails(SLICE("*1\r\n\r\n"), &limits, "Protocol error: expected '$', got '\r'");
}

TEST("a client that has not authenticated gets little, and is told so") {
    struct resp_parser p = {0};
    size_t argc = 0;
    check_fails(SLICE("*11\r\n"), &unauth,
                "Protocol error: unauthenticated multibulk length");
    check_fails(SLICE("*1\r\n$16385\r\n"), &unauth,
                "Protocol error: unauthenticated bulk length");
    CHECK_INT(parse_once(&p, SLICE("*10\r\n$16384\r\n"), &unauth, &argc), ERR_AGAIN);
    resp_parser_deinit(&p);
}

TEST("a line may have 64 KB and not a byte more, in one piece or in many") {
    static const struct {
        const char *start, *error;
    } cases[] = {
        {"x", "Protocol error: too big inline request"},
        {"*1", "Protocol error: too big mbulk count string"},
        {"*1\r\n$1", "Protocol error: too big bulk count string"},
    };
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        slice start = slice_str(cases[c].start);
        size_t line = c == 2 ? 4 : 0; /* where the long line begins */
        buf in = BUF_INIT;
        buf_append_slice(&in, start);
        while (in.n < line + RESP_LINE_MAX) buf_u8(&in, '1');
        struct resp_parser p = {0};
        size_t argc = 0;
        CHECK_INT(parse_once(&p, slice_of(&in), &limits, &argc), ERR_AGAIN);
        resp_parser_deinit(&p);
        /* The end of the line at the last place where it may be: no longer too big. */
        buf_append_str(&in, "\r\n");
        int rc = parse_once(&p, slice_of(&in), &limits, &argc);
        CHECK_INT(strstr(p.error, "too big") != NULL, c == 0);
        CHECK_INT(rc, ERR_SYNTAX);
        resp_parser_deinit(&p);
        in.n -= 2;
        buf_u8(&in, '1');
        check_fails(slice_of(&in), &limits, cases[c].error);
        buf_append_str(&in, "\r\n");
        check_fails(slice_of(&in), &limits, cases[c].error);
        buf_free(&in);
    }
}

TEST("an announced number allocates nothing") {
    struct resp_parser p = {0};
    size_t argc = 0, before = mem_used();
    slice in = SLICE("*2147483647\r\n$536870912\r\nx");
    CHECK_INT(parse_once(&p, in, &limits, &argc), ERR_AGAIN);
    CHECK(mem_used() - before <= 1024);
    CHECK(p.argv_cap <= 8);
    CHECK_INT(resp_want(&p, in), 536870912 + 2 - 1);
    resp_parser_deinit(&p);
}

TEST("resp_want() says how much of the bulk is missing") {
    struct resp_parser p = {0};
    size_t argc = 0;
    CHECK_INT(parse_once(&p, SLICE("*1\r\n$1"), &limits, &argc), ERR_AGAIN);
    CHECK_INT(resp_want(&p, SLICE("*1\r\n$1")), 0);
    CHECK_INT(parse_once(&p, SLICE("*1\r\n$10\r\nabc"), &limits, &argc), ERR_AGAIN);
    CHECK_INT(resp_want(&p, SLICE("*1\r\n$10\r\nabc")), 9);
    CHECK_INT(parse_once(&p, SLICE("*1\r\n$10\r\nabcdefghij\r"), &limits, &argc),
              ERR_AGAIN);
    CHECK_INT(resp_want(&p, SLICE("*1\r\n$10\r\nabcdefghij\r")), 1);
    CHECK_INT(parse_once(&p, SLICE("*1\r\n$10\r\nabcdefghij\r\n"), &limits, &argc), OK);
    resp_parser_deinit(&p);
}

TEST("a request of 100,000 arguments is parsed, and its memory is given back") {
    struct resp_parser p = {0};
    buf in = BUF_INIT;
    size_t used = 0, argc = 0, count = 100000;
    slice *argv = NULL;
    buf_printf(&in, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) buf_printf(&in, "$1\r\n%zu\r\n", i % 10);
    for (size_t have = 0; have < in.n; have += 16384)
        CHECK_INT(resp_parse(&p, slice_make(in.p, have), &limits, &used, &argv, &argc),
                  ERR_AGAIN);
    CHECK_INT(resp_parse(&p, slice_of(&in), &limits, &used, &argv, &argc), OK);
    CHECK_INT(used, in.n);
    CHECK_INT(argc, count);
    for (size_t i = 0; i < count; i++)
        CHECK(argv[i].n == 1 && *argv[i].p == '0' + i % 10);
    CHECK(p.argv_cap >= count);
    resp_parser_trim(&p);
    CHECK_INT(p.argv_cap, 0);
    CHECK_INT(parse_once(&p, SLICE("*1\r\n$4\r\nPING\r\n"), &limits, &argc), OK);
    CHECK_INT(argc, 1);
    resp_parser_deinit(&p);
    buf_free(&in);
}

TEST("when there is no memory for the arguments the request is refused") {
    struct resp_parser p = {0};
    size_t argc = 0;
    mem_fail_at(1);
    CHECK_INT(parse_once(&p, SLICE("*1\r\n$4\r\nPING\r\n"), &limits, &argc), ERR_SYNTAX);
    mem_fail_at(0);
    CHECK_STR(p.error, "Protocol error: out of memory");
    CHECK_INT(parse_once(&p, SLICE("*1\r\n$4\r\nPING\r\n"), &limits, &argc), OK);
    resp_parser_deinit(&p);
}

TEST("empty requests leave nothing behind for the next") {
    static const char *const empty[] = {"\r\n",    "\n",      "*0\r\n",
                                        "*-1\r\n", "*-9\r\n", "  \r\n"};
    const size_t n = sizeof(empty) / sizeof(empty[0]);
    struct resp_parser p = {0};
    for (size_t i = 0; i < n * n; i++) {
        buf in = BUF_INIT;
        slice *argv = NULL;
        size_t used = 0, argc = 9, first = strlen(empty[i / n]),
               second = strlen(empty[i % n]);
        buf_append_str(&in, empty[i / n]);
        buf_append_str(&in, empty[i % n]);
        buf_append_str(&in, "*1\r\n$4\r\nPING\r\n");
        CHECK_INT(resp_parse(&p, slice_of(&in), &limits, &used, &argv, &argc), OK);
        CHECK(argc == 0 && used == first);
        slice rest = slice_make(in.p + first, in.n - first);
        CHECK_INT(resp_parse(&p, rest, &limits, &used, &argv, &argc), OK);
        CHECK(argc == 0 && used == second);
        rest = slice_make(rest.p + second, rest.n - second);
        CHECK_INT(resp_parse(&p, rest, &limits, &used, &argv, &argc), OK);
        CHECK_INT(argc, 1);
        CHECK_SLICE(argv[0], "PING");
        buf_free(&in);
    }
    resp_parser_deinit(&p);
}
