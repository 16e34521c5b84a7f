/* expr.h -- the filter language of VSIM and VSEARCH: ".year > 1980 and 'sf' in .tags".
 *
 * An expression is compiled once and evaluated against the JSON attribute of each
 * candidate. */
#ifndef COVE_VECTOR_EXPR_H
#define COVE_VECTOR_EXPR_H

#include "base/bytes.h"

typedef struct expr expr;

/* Compiles the text up to its first NUL byte. NULL: a syntax error, and *near is the part
 * of the text that the error message quotes. */
expr *expr_compile(slice text, slice *near);
slice expr_text(const expr *e); /* that it was compiled from */
void expr_free(expr *e); /* Like free(): NULL is fine. */
/* Whether the element with this attribute passes. Not reentrant: e keeps what it works
 * with. */
bool expr_match(expr *e, slice json);

#endif
