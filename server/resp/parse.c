/* parse.c -- requests out of a byte buffer, for the common case of many small ones.
 *
 *      *2\r\n $3\r\nGET\r\n $3\r\nkey\r\n
 *      |      |   |                   pos, all offsets: from the request's first byte
 *      count  bulk_len, then the bytes
 *
 * Invariants
 *  1. What a request yields depends on its bytes and the limits alone, not on where reads
 *     have cut it: every test looks at a fixed window (RESP_LINE_MAX), never at "all that
 *     has come so far" (tests/fuzz/resp_fuzz.c).
 *  2. No announced number allocates: args grows by what has arrived.
 *  3. After every return but ERR_AGAIN the parser is between requests: nothing of the
 *     last request, whole, empty or broken, is seen by the next (resp_reset()).
 *
 * While a request is partial, the buffer may move between calls. So an argument's place
 * is kept as an offset, in the slice's pointer field, and turned into a pointer when the
 * last one is there. Redis checks neither the byte after a line's CR nor the two after
 * a bulk; nor do we.
 *
 * Left: SIMD scanning for CR. A header is 4 bytes long, its digits must be read one by
 * one anyway, and after it the next CR's place is known. */
#include "resp/parse.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/num.h"

#define ARGS_FIRST 8       /* 128 bytes: most commands fit. */
#define ARGS_KEEP 1024     /* 16 KB stay with a client from request to request. */
#define STORE_KEEP 4096

/* -- common -- */

void resp_parser_deinit(struct resp_parser *p) {
    mem_free(p->args);
    buf_free(&p->inline_store);
    memset(p, 0, sizeof(*p));
}

void resp_parser_trim(struct resp_parser *p) {
    assert(!p->inside);
    if (p->argv_cap > ARGS_KEEP) {
        mem_free(p->args);
        p->args = NULL;
        p->argv_cap = 0;
    }
    if (p->inline_store.cap > STORE_KEEP) buf_free(&p->inline_store);
    p->inline_store.n = 0;
}

static void resp_reset(struct resp_parser *p) {
    p->inside = false;
    p->is_inline = false;
    p->args_left = 0;
    p->bulk_len = -1;
    p->pos = 0;
    p->argc = 0;
}

static int resp_fail(struct resp_parser *p, const char *text) {
    resp_reset(p);
    snprintf(p->error, sizeof(p->error), "Protocol error: %s", text);
    return ERR_SYNTAX;
}

/* The number of arguments is the client's choice, and so this may fail. */
static int args_grow(struct resp_parser *p) {
    size_t cap = p->argv_cap == 0 ? ARGS_FIRST : p->argv_cap * 2;
    slice *args = mem_try_realloc(p->args, cap * sizeof(*args));
    if (args == NULL) return ERR_NOMEM;
    p->args = args;
    p->argv_cap = cap;
    return OK;
}

/* An argument of n bytes, at `offset` from the request's (or the store's) first byte. */
static inline int args_add(struct resp_parser *p, size_t offset, size_t n) {
    if (p->argc == p->argv_cap && args_grow(p) != OK) return ERR_NOMEM;
    p->args[p->argc++] = (slice){(const uint8_t *)(uintptr_t)offset, n};
    return OK;
}

/* The request is whole: offsets become pointers. */
static int resp_finish(struct resp_parser *p, const uint8_t *base, size_t bytes,
                       size_t *used, slice **argv, size_t *argc) {
    size_t n = p->argc;
    for (size_t i = 0; i < n; i++) p->args[i].p = base + (uintptr_t)p->args[i].p;
    *used = bytes;
    *argv = p->args;
    *argc = n;
    resp_reset(p);
    return OK;
}

/* -- inline -- */

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Within double quotes, at a backslash: what it stands for, in *c. Returns how many bytes
 * it takes; 0 at the end of the line (the backslash is then itself). */
static size_t inline_escape(const uint8_t *q, const uint8_t *end, uint8_t *c) {
    if (end - q >= 4 && q[1] == 'x' && hex_digit(q[2]) >= 0 && hex_digit(q[3]) >= 0) {
        *c = (uint8_t)(hex_digit(q[2]) * 16 + hex_digit(q[3]));
        return 4;
    }
    if (end - q < 2) return 0;
    switch (q[1]) {
    case 'n': *c = '\n'; break;
    case 'r': *c = '\r'; break;
    case 't': *c = '\t'; break;
    case 'b': *c = '\b'; break;
    case 'a': *c = '\a'; break;
    default: *c = q[1]; break;
    }
    return 2;
}

/* One word, from q on, appended to the store, its quotes undone. Returns the byte after
 * it; NULL when a quote is not closed, or is closed but not followed by a space. */
static const uint8_t *inline_word(const uint8_t *q, const uint8_t *end, buf *store) {
    uint8_t quote = 0;
    while (q < end) {
        uint8_t c = *q;
        size_t step = 1;
        if (quote == 0) {
            if (c == ' ' || c == '\n' || c == '\r' || c == '\t') return q;
            if (c == '"' || c == '\'') {
                quote = c;
                q++;
                continue;
            }
        } else if (c == quote) {
            q++;
            return q == end || is_space(*q) ? q : NULL;
        } else if (c == '\\' && quote == '"') {
            size_t n = inline_escape(q, end, &c);
            if (n > 0) step = n;
        } else if (c == '\\' && end - q >= 2 && q[1] == '\'') {
            c = '\'';
            step = 2;
        }
        buf_u8(store, c);
        q += step;
    }
    return quote == 0 ? q : NULL;
}

static int inline_parse(struct resp_parser *p, slice in, size_t *used, slice **argv,
                        size_t *argc) {
    size_t window = in.n > RESP_LINE_MAX + 1 ? RESP_LINE_MAX + 1 : in.n;
    const uint8_t *newline = memchr(in.p, '\n', window);
    if (newline == NULL) {
        if (in.n > RESP_LINE_MAX) return resp_fail(p, "too big inline request");
        return ERR_AGAIN;
    }
    const uint8_t *q = in.p, *end = newline;
    if (end > q && end[-1] == '\r') end--;
    resp_reset(p);
    p->is_inline = true;
    p->inline_store.n = 0;
    /* A word never grows: with room for the line, the store does not move. */
    buf_reserve(&p->inline_store, (size_t)(end - q) + 1);
    for (;;) {
        while (q < end && is_space(*q)) q++;
        if (q == end) break;
        size_t start = p->inline_store.n;
        q = inline_word(q, end, &p->inline_store);
        if (q == NULL) return resp_fail(p, "unbalanced quotes in request");
        if (args_add(p, start, p->inline_store.n - start) != OK)
            return resp_fail(p, "out of memory");
    }
    size_t bytes = (size_t)(newline - in.p) + 1;
    return resp_finish(p, p->inline_store.p, bytes, used, argv, argc);
}

/* -- multibulk -- */

/* The line at q, any byte and then a number; *next is the byte after it. OK; ERR_AGAIN:
 * not whole yet; ERR_LIMIT: too long; ERR_SYNTAX: not a number. */
static int line_number_slow(const uint8_t *q, const uint8_t *end, int64_t *v,
                            const uint8_t **next) {
    size_t left = (size_t)(end - q);
    size_t window = left > RESP_LINE_MAX + 1 ? RESP_LINE_MAX + 1 : left;
    const uint8_t *cr = memchr(q, '\r', window);
    if (cr == NULL) return left > RESP_LINE_MAX ? ERR_LIMIT : ERR_AGAIN;
    if (end - cr < 2) return ERR_AGAIN;
    *next = cr + 2;
    if (cr == q) return ERR_SYNTAX;
    return num_parse_ll(slice_make(q + 1, (size_t)(cr - q) - 1), v) ? OK : ERR_SYNTAX;
}

/* The same, for what nearly all lines are: one to nine digits, there as a whole. */
static inline int line_number(const uint8_t *q, const uint8_t *end, int64_t *v,
                              const uint8_t **next) {
    if (q == end) return ERR_AGAIN;
    const uint8_t *d = q + 1, *digits_end = end - q > 10 ? q + 10 : end;
    uint32_t n = 0;
    unsigned digit;
    while (d < digits_end && (digit = (unsigned)*d - '0') <= 9) {
        n = n * 10 + digit;
        d++;
    }
    if (end - d >= 2 && *d == '\r' && d > q + 1 && (q[1] != '0' || d == q + 2)) {
        *v = n;
        *next = d + 2;
        return OK;
    }
    return line_number_slow(q, end, v, next);
}

/* "*count\r\n". On OK the parser is inside, with args_left arguments to come. */
static int multibulk_begin(struct resp_parser *p, slice in,
                           const struct resp_limits *limits) {
    int64_t count = 0;
    const uint8_t *next = NULL;
    int rc = line_number(in.p, in.p + in.n, &count, &next);
    if (rc == ERR_AGAIN) return ERR_AGAIN;
    if (rc == ERR_LIMIT) return resp_fail(p, "too big mbulk count string");
    if (rc != OK || count > INT32_MAX) return resp_fail(p, "invalid multibulk length");
    if (count > 0 && (uint64_t)count > limits->args_max)
        return resp_fail(p, limits->args_max == RESP_UNAUTH_ARGS_MAX
                                ? "unauthenticated multibulk length"
                                : "invalid multibulk length");
    resp_reset(p);
    if (p->argv_cap > ARGS_KEEP || p->inline_store.cap > STORE_KEEP) resp_parser_trim(p);
    p->inside = true;
    p->args_left = count > 0 ? count : 0; /* "*0" and "*-1" are empty requests. */
    p->pos = (size_t)(next - in.p);
    return OK;
}

/* "$length\r\n" at q, into bulk_len. */
static inline int bulk_begin(struct resp_parser *p, const uint8_t *q, const uint8_t *end,
                             const struct resp_limits *limits, const uint8_t **next) {
    int64_t len = 0;
    int rc = line_number(q, end, &len, next);
    if (rc == ERR_AGAIN) return ERR_AGAIN;
    if (rc == ERR_LIMIT) return resp_fail(p, "too big bulk count string");
    if (*q != '$') {
        char text[32];
        snprintf(text, sizeof(text), "expected '$', got '%c'", *q);
        return resp_fail(p, text);
    }
    if (rc != OK || len < 0) return resp_fail(p, "invalid bulk length");
    if ((uint64_t)len > limits->bulk_max)
        return resp_fail(p, limits->bulk_max == RESP_UNAUTH_BULK_MAX
                                ? "unauthenticated bulk length"
                                : "invalid bulk length");
    p->bulk_len = len;
    return OK;
}

int resp_parse(struct resp_parser *p, slice in, const struct resp_limits *limits,
               size_t *used, slice **argv, size_t *argc) {
    if (!p->inside) {
        if (in.n == 0) return ERR_AGAIN;
        if (in.p[0] != '*') return inline_parse(p, in, used, argv, argc);
        int rc = multibulk_begin(p, in, limits);
        if (rc != OK) return rc;
    }
    assert(in.n >= p->pos);
    const uint8_t *q = in.p + p->pos, *end = in.p + in.n;
    while (p->args_left > 0) {
        if (p->bulk_len < 0) {
            int rc = bulk_begin(p, q, end, limits, &q);
            if (rc == ERR_AGAIN) break;
            if (rc != OK) return rc;
        }
        /* bulk_len is at most INT64_MAX: the sum is right in 64 bits without a sign. */
        if ((uint64_t)(end - q) < (uint64_t)p->bulk_len + 2) break;
        if (args_add(p, (size_t)(q - in.p), (size_t)p->bulk_len) != OK)
            return resp_fail(p, "out of memory");
        q += p->bulk_len + 2;
        p->bulk_len = -1;
        p->args_left--;
    }
    p->pos = (size_t)(q - in.p);
    if (p->args_left > 0) return ERR_AGAIN;
    return resp_finish(p, in.p, p->pos, used, argv, argc);
}

size_t resp_want(const struct resp_parser *p, slice in) {
    if (!p->inside || p->bulk_len < 0) return 0;
    assert(in.n >= p->pos);
    uint64_t need = (uint64_t)p->bulk_len + 2, have = in.n - p->pos;
    return need > have ? (size_t)(need - have) : 0;
}
