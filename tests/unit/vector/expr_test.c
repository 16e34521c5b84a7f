/* expr_test.c -- the filter language, as recorded from Redis; its edges; and no bound
 * passed. */
#include "test.h"

#include "base/mem.h"
#include "base/rnd.h"
#include "filter_cases.h"
#include "modules/vector/expr.h"

static const char film[] =
    "{\"year\":1984,\"rating\":8.5,\"name\":\"The Matrix\",\"ok\":true,\"no\":false,"
    "\"tags\":[\"sf\",\"action\",5],\"nul\":null,\"obj\":{\"x\":1},\"empty\":\"\","
    "\"under_score\":1,"
    "\"da-sh\":2,\"s5\":\"5\",\"nested\":[[1]],\"esc\":\"a\\\"b\",\"uni\":\"caf\\u00e9\","
    "\"neg\":-3}";
static const char odd[] =
    "{\"a\":1,\"b\":\"x\",\"e\":0.00001,\"dup\":1,\"dup\":2,\"arr\":[1,[2,3],\"q\"],"
    "\"arro\":[1,{\"z\":1}],\"arrn\":[1,null],\"t\":true,\"f\":false,\"sp\" : 5 "
    ",\"p\":+7,"
    "\"big\":123456789012345678901234567890,\"neg\":-0,\"s1\":\"1\",\"emp\":[], "
    "\"k\\u0061\":3,\"\303\251\":4}";

/* "match", "none", or the quoted text, in *out. */
static void run(slice filter, slice json, char out[512]) {
    slice near;
    expr *e = expr_compile(filter, &near);
    if (e == NULL) {
        snprintf(out, 512, "%.*s", (int)near.n, (const char *)near.p);
        return;
    }
    bool first = expr_match(e, json);
    CHECK_INT(expr_match(e, json), first); /* Nothing is left over from the first time. */
    snprintf(out, 512, "%s", first ? MATCH : NONE);
    expr_free(e);
}

static int wrong;
static void expect(const char *filter, const char *json, const char *want) {
    char got[512];
    run(slice_str(filter), slice_str(json), got);
    if (strcmp(got, want) == 0) return;
    printf("# filter \"%s\": got \"%s\", expected \"%s\"\n", filter, got, want);
    wrong++;
}

TEST("every recorded filter over a film answers as recorded") {
    wrong = 0;
    for (size_t i = 0; i < sizeof(film_cases) / sizeof(*film_cases); i++)
        expect(film_cases[i].filter, film, film_cases[i].want);
    CHECK_INT(wrong, 0);
}

TEST("every recorded filter over odds and ends answers as recorded") {
    wrong = 0;
    for (size_t i = 0; i < sizeof(odd_cases) / sizeof(*odd_cases); i++)
        expect(odd_cases[i].filter, odd, odd_cases[i].want);
    CHECK_INT(wrong, 0);
}

static void repeated(char *to, char c, int n, const char *tail) {
    memset(to, c, (size_t)n);
    snprintf(to + n, 1024, "%s", tail);
}

TEST("a number of 255 characters is one; a longer one is quoted from where it was left") {
    char text[2048];
    wrong = 0;
    repeated(text, '9', 250, " > 1");
    expect(text, odd, MATCH);
    repeated(text, '9', 255, " > 1");
    expect(text, odd, MATCH);
    repeated(text, '9', 300, " > 1");
    expect(text, odd, text + 255);
    text[0] = '.';
    repeated(text + 1, 'a', 300, "");
    expect(text, odd, NONE);
    CHECK_INT(wrong, 0);
}

TEST("a filter ends at its first NUL byte") {
    char got[512];
    run(slice_make(".a == 1\0 garbage (", 18), slice_str(odd), got);
    CHECK_STR(got, MATCH);
    run(slice_make("\0.a", 3), slice_str(odd), got);
    CHECK_STR(got, "");
}

TEST("null is a word of its own, and equal to nothing but null") {
    wrong = 0;
    expect("null == null", film, MATCH);
    expect(".nul == .nul", film, MATCH);
    expect(".nul == 0", film, NONE);
    expect(".nul != 0", film, MATCH);
    expect(".nul == ''", film, NONE);
    expect("not .nul", film, MATCH);
    expect("null in .tags", film, NONE);
    expect("null in .x", "{\"x\":[1,null]}", MATCH);
    expect("(.nul == null)", film,
           "(.nul == null)"); /* The run of the word is "null)". */
    CHECK_INT(wrong, 0);
}

TEST("strings are decoded, and found in one another") {
    wrong = 0;
    expect("'a\\nb' == \"a\\nb\"", film, MATCH);
    expect("'it\\'s' == \"it's\"", film, MATCH);
    expect("'\\q' == 'q'", film, MATCH);
    expect("'rix' in .name", film, MATCH);
    expect("'RIX' in .name", film, NONE);
    expect("'' in ''", film, MATCH);
    expect("5 in '5'", film, NONE);
    expect("'5' in 5", film, NONE);
    CHECK_INT(wrong, 0);
}

TEST("attributes that are no JSON fail selectors, not constants") {
    static const char *const bad[] = {"",        "{bad",  "[1]",  "\"a\"", "{\"a\"",
                                      "{\"a\":", "{a:1}", "null", "{"};
    wrong = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        expect("1", bad[i], MATCH);
        expect(".a", bad[i], NONE);
        expect("not .a", bad[i], NONE);
    }
    CHECK_INT(wrong, 0);
}

TEST("a long filter needs no more than memory") {
    buf b = BUF_INIT;
    for (int i = 0; i < 20000; i++) buf_append_str(&b, "(.a + ");
    buf_append_str(&b, "1");
    for (int i = 0; i < 20000; i++) buf_append_str(&b, ")");
    slice near;
    expr *e = expr_compile(slice_of(&b), &near);
    CHECK(e != NULL);
    CHECK(expr_match(e, slice_str(odd)));
    expr_free(e);
    buf_free(&b);
}

TEST("random tokens are compiled or refused, and the quoted text is a part of the "
     "filter") {
    static const char *const words[] = {
        ".a", ".b",  "1",    "-1", "'x'", "\"y", "[1,2]", "[",    "]",  "(", ")",  "and",
        "or", "not", "in",   "==", "!=",  "<",   ">=",    "+",    "-",  "*", "**", "/",
        "%",  "!",   "null", " ",  ",",   "\\",  ".",     "\xC3", "e5", "0"};
    rnd r;
    rnd_seed(&r, 11);
    int compiled = 0;
    for (int i = 0; i < 60000; i++) {
        buf b = BUF_INIT;
        for (uint64_t n = 1 + rnd_below(&r, 8); n > 0; n--)
            buf_append_str(&b, words[rnd_below(&r, sizeof(words) / sizeof(*words))]);
        slice near = {NULL, 0};
        expr *e = expr_compile(slice_of(&b), &near);
        if (e != NULL) {
            compiled++;
            (void)expr_match(e, slice_str(odd));
        } else {
            CHECK(near.p >= b.p && near.p + near.n == b.p + b.n);
        }
        expr_free(e);
        buf_free(&b);
    }
    CHECK(compiled > 1000);
}
