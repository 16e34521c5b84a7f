/* glob_test.c -- patterns, against examples and a recursive twin. */
#include "test.h"

#include "base/num.h"
#include "base/rnd.h"

static bool match(const char *pattern, const char *text) {
    return glob_match(slice_str(pattern), slice_str(text), false);
}

TEST("each element takes what it should") {
    CHECK(match("", "") && !match("", "a") && !match("a", ""));
    CHECK(match("abc", "abc") && !match("abc", "abd") && !match("abc", "ab") && !match("ab", "abc"));
    CHECK(match("h?llo", "hello") && !match("h?llo", "hllo"));
    CHECK(match("*", "") && match("*", "anything") && match("**", "") && match("***", "x"));
    CHECK(match("h*llo", "hllo") && match("h*llo", "heeeello") && !match("h*llo", "hell"));
    CHECK(match("*a*b", "xxaxxb") && !match("*a*b", "xxaxx") && match("*ab", "aab"));
    CHECK(match("a*", "a") && match("*a", "a") && !match("a*b*c", "abcd"));
}

TEST("classes have ranges, either way round, and may be negated") {
    CHECK(match("h[ae]llo", "hello") && !match("h[ae]llo", "hillo"));
    CHECK(match("h[^e]llo", "hallo") && !match("h[^e]llo", "hello"));
    CHECK(match("[a-c]", "b") && match("[c-a]", "b") && !match("[a-c]", "d"));
    CHECK(match("[\\]]", "]") && match("[\\-x]", "-") && !match("[\\a-c]", "b"));
    /* Redis takes the bracket for the end of a range, and then the class has no end. */
    CHECK(!match("[a-]", "-") && match("[a-]", "a") && match("[a-]", "]"));
    CHECK(!match("[]", "a") && match("[^]", "a"));
    CHECK(match("[a", "a") && match("[^a", "b") && !match("[", "["));
}

TEST("a backslash takes the next byte as it is") {
    CHECK(match("\\*", "*") && !match("\\*", "x"));
    CHECK(match("a\\?", "a?") && !match("a\\?", "ab"));
    CHECK(match("\\\\", "\\") && match("a\\", "a\\"));
    CHECK(match("\\[a]", "[a]"));
}

TEST("without case letters match in any case, classes included") {
    CHECK(glob_match(SLICE("HeL*"), SLICE("hElLo"), true));
    CHECK(!glob_match(SLICE("HeL*"), SLICE("hello"), false));
    CHECK(glob_match(SLICE("[A-C]"), SLICE("b"), true));
    CHECK(glob_match(SLICE("[a-c]"), SLICE("B"), true));
    CHECK(!glob_match(SLICE("[a-c]"), SLICE("B"), false));
}

TEST("bytes are bytes: NUL and above 127") {
    CHECK(glob_match(SLICE("a\0?"), SLICE("a\0\xff"), false));
    CHECK(glob_match(SLICE("[\x80-\xff]"), SLICE("\xc3"), false));
    CHECK(!glob_match(SLICE("a\0b"), SLICE("a\0c"), false));
}

TEST_LONG("a hostile pattern takes no exponential time", 5) {
    static char text[50000], pattern[1001];
    memset(text, 'a', sizeof(text));
    for (int i = 0; i < 1000; i += 2) memcpy(pattern + i, "*a", 2);
    pattern[1000] = 'b';
    CHECK(!glob_match(slice_make(pattern, 1001), slice_make(text, sizeof(text)), false));
}

/* The definition: a star takes nothing, or a byte and tries again. */
static bool twin(const char *p, const char *t) {
    if (*p == 0) return *t == 0;
    if (*p == '*') return twin(p + 1, t) || (*t != 0 && twin(p, t + 1));
    if (*t == 0) return false;
    if (*p == '?' || *p == *t) return twin(p + 1, t + 1);
    return false;
}

TEST("random patterns agree with the definition") {
    rnd r;
    rnd_seed(&r, 5);
    int hits = 0;
    for (int i = 0; i < 200000; i++) {
        char p[9] = {0}, t[9] = {0};
        for (size_t k = 0, n = (size_t)rnd_below(&r, 8); k < n; k++) p[k] = "ab*?"[rnd_below(&r, 4)];
        for (size_t k = 0, n = (size_t)rnd_below(&r, 8); k < n; k++) t[k] = "ab"[rnd_below(&r, 2)];
        bool want = twin(p, t);
        hits += want;
        if (match(p, t) != want)
            test_fail(__FILE__, __LINE__, "\"%s\" on \"%s\": expected %d", p, t, want);
    }
    CHECK(hits > 10000);
}
