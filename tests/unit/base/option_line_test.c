/* option_line_test.c -- a line of a configuration file into words. */
#include "test.h"

#include "base/mem.h"
#include "base/option.h"
#include "base/rnd.h"

/* The words with | around each; "!" when the line is malformed. */
static void check_split(slice line, const char *want) {
    buf store = BUF_INIT, out = BUF_INIT;
    slice *words;
    size_t count;
    buf_reserve(&out, 1);
    if (option_split_line(line, &store, &words, &count) == OK) {
        for (size_t i = 0; i < count; i++) {
            buf_u8(&out, '|');
            buf_append_slice(&out, words[i]);
        }
    } else {
        CHECK(words == NULL && count == 0);
        buf_u8(&out, '!');
    }
    CHECK_SLICE(slice_of(&out), want);
    mem_free(words);
    buf_free(&store);
    buf_free(&out);
}

TEST("words are parted by blanks") {
    check_split(SLICE("port 6379"), "|port|6379");
    check_split(SLICE("  a\t\tb \r\n"), "|a|b");
    check_split(SLICE(""), "");
    check_split(SLICE(" \t "), "");
    check_split(SLICE("a\\nb"), "|a\\nb");
    check_split(SLICE("a b c d e f g h i j"), "|a|b|c|d|e|f|g|h|i|j");
}

TEST("double quotes hold blanks and escapes") {
    check_split(SLICE("a \"b c\" d"), "|a|b c|d");
    check_split(SLICE("\"\""), "|");
    check_split(SLICE("\"\\n\\r\\t\\b\\a\\\\\\\"\\q\""), "|\n\r\t\b\a\\\"q");
    check_split(SLICE("\"\\x41\\x7a\\xGG\\x4\""), "|AzxGGx4");
    check_split(SLICE("pre\"fix ed\""), "|prefix ed");
    check_split(SLICE("\"it's\""), "|it's");
}

TEST("single quotes hold all but a quoted quote") {
    check_split(SLICE("'b c' d"), "|b c|d");
    check_split(SLICE("'\\n\"x\\''"), "|\\n\"x'");
    check_split(SLICE("''"), "|");
}

TEST("unbalanced quotes are malformed") {
    check_split(SLICE("\"abc"), "!");
    check_split(SLICE("'abc"), "!");
    check_split(SLICE("a \""), "!");
    check_split(SLICE("\"a\"b"), "!");
    check_split(SLICE("'a'b"), "!");
    check_split(SLICE("\"a\"\"b\""), "!");
    check_split(SLICE("\"a\\\""), "!");
    check_split(SLICE("\"a\\"), "!");
    check_split(SLICE("'a\\'"), "!");
}

TEST("bytes of any kind come through, and none are read outside") {
    buf store = BUF_INIT;
    slice *words;
    size_t count;
    CHECK_INT(option_split_line(SLICE("a\0b \"\\x00\""), &store, &words, &count), OK);
    CHECK_INT(count, 2);
    CHECK_INT(words[0].n, 3);
    CHECK(words[1].n == 1 && words[1].p[0] == 0);
    mem_free(words);
    buf_free(&store);
    rnd r;
    rnd_seed(&r, 6);
    for (int i = 0; i < 50000; i++) {
        size_t n = (size_t)rnd_below(&r, 12);
        uint8_t *line = mem_alloc(n); /* Exact, for the sanitizer. */
        for (size_t k = 0; k < n; k++) line[k] = (uint8_t)"ab \"'\\x4n"[rnd_below(&r, 9)];
        if (option_split_line(slice_make(line, n), &store, &words, &count) == OK) mem_free(words);
        buf_free(&store);
        mem_free(line);
    }
}
