/* err_test.c -- error codes have names and sentences. */
#include "test.h"

#include "base/err.h"

TEST("every code has its name and its sentence") {
#define X(number, code, text)                                                                \
    CHECK_INT(code, number);                                                                 \
    CHECK_STR(err_name(number), #code);                                                      \
    CHECK_STR(err_text(number), text);
    ERR_LIST(X)
#undef X
}

TEST("a number that is no code is named so") {
    CHECK_STR(err_name(1), "ERR_?");
    CHECK_STR(err_name(-1000), "ERR_?");
    CHECK(strlen(err_text(-1000)) > 0);
}

TEST("OK is zero and all others are negative") {
#define X(number, code, text) CHECK((code) == 0 ? #code[0] == 'O' : (code) < 0);
    ERR_LIST(X)
#undef X
}
