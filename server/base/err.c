/* err.c -- names and sentences of the error codes. */
#include "base/err.h"

const char *err_name(int err) {
    switch (err) {
#define X(number, name, text)                                                                \
    case number: return #name;
        ERR_LIST(X)
#undef X
    default: return "ERR_?";
    }
}

const char *err_text(int err) {
    switch (err) {
#define X(number, name, text)                                                                \
    case number: return text;
        ERR_LIST(X)
#undef X
    default: return "unknown error";
    }
}
