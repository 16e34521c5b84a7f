/* test.h -- unit tests: TEST("a sentence") { ... } registers itself; each runs in a process of
 * its own with a time limit, prints a TAP line, and a summary closes the run.
 *
 *   build/tests/unit/base/num_test            all
 *   build/tests/unit/base/num_test word       those whose sentence holds the word
 *   TEST_FORK=0 ...                           in this process (for a debugger)            */
#ifndef COVE_TESTS_TEST_H
#define COVE_TESTS_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef void test_fn(void);
void test_register(const char *name, test_fn *fn, int timeout_s);
void test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));

#define TEST_CAT_(a, b) a##b
#define TEST_CAT(a, b) TEST_CAT_(a, b)
#define TEST_LONG(name, timeout_s)                                                           \
    static void TEST_CAT(test_body_, __LINE__)(void);                                        \
    __attribute__((constructor)) static void TEST_CAT(test_reg_, __LINE__)(void) {           \
        test_register(name, TEST_CAT(test_body_, __LINE__), timeout_s);                      \
    }                                                                                        \
    static void TEST_CAT(test_body_, __LINE__)(void)
#define TEST(name) TEST_LONG(name, 60)

#define CHECK(cond)                                                                          \
    do {                                                                                     \
        if (!(cond)) test_fail(__FILE__, __LINE__, "%s", #cond);                             \
    } while (0)
#define CHECK_INT(got, want)                                                                 \
    do {                                                                                     \
        int64_t got_ = (int64_t)(got), want_ = (int64_t)(want);                              \
        if (got_ != want_)                                                                   \
            test_fail(__FILE__, __LINE__, "%s is %" PRId64 ", expected %" PRId64, #got, got_, \
                      want_);                                                                \
    } while (0)
#define CHECK_STR(got, want)                                                                 \
    do {                                                                                     \
        const char *got_ = (got), *want_ = (want);                                           \
        if (strcmp(got_, want_) != 0)                                                        \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #got, got_, want_); \
    } while (0)
/* Any slice against a string literal. */
#define CHECK_SLICE(got, want)                                                               \
    do {                                                                                     \
        slice got_ = (got);                                                                  \
        const char *want_ = (want);                                                          \
        if (got_.n != strlen(want_) || (got_.n != 0 && memcmp(got_.p, want_, got_.n) != 0))                   \
            test_fail(__FILE__, __LINE__, "%s is \"%.*s\", expected \"%s\"", #got,            \
                      (int)got_.n, (const char *)got_.p, want_);                             \
    } while (0)

#endif
