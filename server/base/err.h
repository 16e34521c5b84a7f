/* err.h -- operating errors: one list gives number, name and sentence.
 *
 * A function that can fail for reasons outside the program returns one of these; OK is
 * zero, errors are negative. A broken invariant is not an error: it asserts. */
#ifndef COVE_BASE_ERR_H
#define COVE_BASE_ERR_H

#define MUST_USE __attribute__((warn_unused_result))

#define ERR_LIST(X)                                                                          \
    X(0, OK, "ok")                                                                           \
    X(-1, ERR_NOMEM, "out of memory")                                                        \
    X(-2, ERR_IO, "input or output failed")                                                  \
    X(-3, ERR_AGAIN, "not now, try again")                                                   \
    X(-4, ERR_TIMEOUT, "no answer in time, the outcome is unknown")                          \
    X(-5, ERR_NOTFOUND, "not found")                                                         \
    X(-6, ERR_EXISTS, "exists already")                                                      \
    X(-7, ERR_PRECOND, "a condition of the request did not hold")                            \
    X(-8, ERR_FENCED, "another owner holds the store")                                       \
    X(-9, ERR_CORRUPT, "stored bytes are damaged")                                           \
    X(-10, ERR_LIMIT, "over a limit")                                                        \
    X(-11, ERR_SYNTAX, "malformed")                                                          \
    X(-12, ERR_TYPE, "wrong type")                                                           \
    X(-13, ERR_AUTH, "refused: credentials or permission")                                   \
    X(-14, ERR_CANCELED, "canceled")                                                         \
    X(-15, ERR_COLD, "a page is not in memory; it has been asked for")                       \
    X(-16, ERR_RANGE, "out of range")                                                        \
    X(-17, ERR_UNSUPPORTED, "not supported here")                                            \
    X(-18, ERR_FULL, "no room left")

enum err {
#define X(number, name, text) name = number,
    ERR_LIST(X)
#undef X
};

/* "ERR_IO" and "input or output failed"; "ERR_?" for a number that is not in the list. */
const char *err_name(int err);
const char *err_text(int err);

#endif
