/* option_value_test.c -- every kind of option: what it reads, refuses and prints. */
#include "test.h"

#include "base/mem.h"
#include "base/option.h"

union field {
    bool flag;
    int64_t number;
    char *text;
    int word;
};

static const char *const words[] = {"no", "yes", "local", NULL};

struct tried {
    const char *text;
    const char *printed; /* NULL: refused, with the sentence `why`. */
    const char *why;
};

static void try_all(enum option_kind kind, unsigned flags, const char *initial, long long min,
                    long long max, const struct tried *tries, size_t count) {
    union field field;
    struct option row = {"x", NULL, kind, flags, 0, initial, min, max, words, NULL, "A row."};
    options *o = options_create();
    options_add(o, &row, 1, &field, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        slice line[] = {SLICE("x"), slice_str(tries[i].text)};
        buf before = BUF_INIT, after = BUF_INIT;
        const char *why = NULL;
        buf_reserve(&after, 1);
        options_print(o, &row, &before);
        int rc = options_set(o, line, 2, false, false, &why);
        options_print(o, &row, &after);
        if (tries[i].printed != NULL) {
            CHECK_INT(rc, OK);
            CHECK_SLICE(slice_of(&after), tries[i].printed);
            /* What is printed is read again as the same. */
            line[1] = slice_of(&after);
            CHECK_INT(options_set(o, line, 2, false, false, &why), OK);
            before.n = 0;
            options_print(o, &row, &before);
            CHECK(slice_eq(slice_of(&before), slice_of(&after)));
        } else {
            CHECK_INT(rc, ERR_SYNTAX);
            CHECK_STR(why, tries[i].why);
            CHECK(slice_eq(slice_of(&before), slice_of(&after)));
        }
        buf_free(&before);
        buf_free(&after);
    }
    options_free(o);
}
#define TRY(kind, flags, initial, min, max, ...)                                             \
    do {                                                                                     \
        static const struct tried tries_[] = {__VA_ARGS__};                                  \
        try_all(kind, flags, initial, min, max, tries_, sizeof(tries_) / sizeof(*tries_));   \
    } while (0)

TEST("a bool is yes or no in any case") {
    static const char why[] = "argument must be 'yes' or 'no'";
    TRY(OPTION_BOOL, 0, "no", 0, 0, {"yes", "yes", NULL}, {"NO", "no", NULL}, {"1", NULL, why},
        {"", NULL, why}, {"true", NULL, why}, {"yess", NULL, why});
}

TEST("an integer is whole and within its bounds") {
    static const char why[] = "argument couldn't be parsed into an integer";
    static const char range[] = "argument must be between -5 and 100 inclusive";
    TRY(OPTION_INT, 0, "0", -5, 100, {"100", "100", NULL}, {"-5", "-5", NULL}, {"-6", NULL, range},
        {"101", NULL, range}, {"1.5", NULL, why}, {"", NULL, why}, {"10kb", NULL, why},
        {" 1", NULL, why}, {"99999999999999999999", NULL, why});
}

TEST("memory takes units and prints bytes") {
    static const char why[] = "argument must be a memory value";
    TRY(OPTION_MEMORY, 0, "0", 0, 1LL << 40, {"100", "100", NULL}, {"1kb", "1024", NULL},
        {"2G", "2000000000", NULL}, {"-1", NULL, why}, {"x", NULL, why}, {"1tb", NULL, why},
        {"18446744073709551615", NULL, why}, {"", NULL, why},
        {"2000gb", NULL, "argument must be between 0 and 1099511627776 inclusive"});
}

TEST("a share is a percentage or memory") {
    static const char why[] = "argument must be a memory or percent value";
    TRY(OPTION_PERCENT_OR_MEMORY, 0, "0", -100, INT64_MAX, {"10%", "10%", NULL},
        {"100%", "100%", NULL}, {"1mb", "1048576", NULL}, {"0%", "0", NULL}, {"0", "0", NULL},
        {"101%", NULL, "percentage argument must be less or equal to 100"}, {"-5%", NULL, why},
        {"%", NULL, why}, {"-5", NULL, why}, {"1.5%", NULL, why});
}

TEST("an octal number is printed in octal") {
    static const char why[] = "argument couldn't be parsed as an octal number";
    TRY(OPTION_OCTAL, 0, "0", 0, 0777, {"755", "755", NULL}, {"0644", "644", NULL},
        {"777", "777", NULL}, {"8", NULL, why}, {"", NULL, why}, {"-1", NULL, why},
        {"1000", NULL, "argument must be between 0 and 777 inclusive"},
        {"7777777777777777777777", NULL, why});
}

TEST("a word is one of its list, in any case") {
    static const char why[] = "argument(s) must be one of the following: no, yes, local";
    TRY(OPTION_ENUM, 0, "local", 0, 0, {"YES", "yes", NULL}, {"local", "local", NULL},
        {"", NULL, why}, {"loca", NULL, why}, {"locals", NULL, why});
}

TEST("a text is kept as it is, without control characters") {
    static const char why[] = "argument must not contain control characters";
    TRY(OPTION_STRING, 0, "first", 0, 0, {"", "", NULL}, {"a b", "a b", NULL},
        {"\xc3\xa9", "\xc3\xa9", NULL}, {"a\nb", NULL, why}, {"\x7f", NULL, why}, {"\t", NULL, why});
    union field field;
    struct option row = {"x", NULL, OPTION_STRING, 0, 0, NULL, 0, 0, NULL, NULL, "A row."};
    options *o = options_create();
    options_add(o, &row, 1, &field, NULL, NULL);
    CHECK_STR(field.text, "");
    slice line[] = {SLICE("x"), SLICE("a\0b"), SLICE("c")};
    const char *text_why;
    CHECK_INT(options_set(o, line, 2, true, false, &text_why), ERR_SYNTAX);
    CHECK_INT(options_set(o, line, 3, true, false, &text_why), ERR_SYNTAX);
    CHECK_STR(text_why, "wrong number of arguments");
    options_free(o);
}

TEST("a text of several words joins them, and a later line takes its place") {
    union field field;
    struct option row = {"bind", NULL, OPTION_STRING, OPTION_MULTI, 0, "127.0.0.1 -::1", 0, 0, NULL, NULL, "A row."};
    options *o = options_create();
    options_add(o, &row, 1, &field, NULL, NULL);
    CHECK_STR(field.text, "127.0.0.1 -::1");
    slice line[] = {SLICE("bind"), SLICE("10.0.0.1"), SLICE("::1")};
    const char *why;
    CHECK_INT(options_set(o, line, 3, true, false, &why), OK);
    CHECK_STR(field.text, "10.0.0.1 ::1");
    CHECK_INT(options_set(o, line, 2, true, false, &why), OK);
    CHECK_STR(field.text, "10.0.0.1");
    options_free(o);
}
