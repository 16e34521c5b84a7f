/* num.h -- numbers and text, exactly as Redis reads and prints them.
 *
 * Parsers take the whole slice or fail; they never read past it. Printers write no NUL
 * and return the length. */
#ifndef COVE_BASE_NUM_H
#define COVE_BASE_NUM_H

#include "base/bytes.h"

#define NUM_LL_MAX 21        /* "-9223372036854775808" and a spare byte. */
/* A double or long double in any of the forms below: the largest long double has 4,933
 * digits before its point. */
#define NUM_DOUBLE_MAX 5120

/* Redis's string2ll: no leading zeros, no plus, no spaces, fits int64. */
bool num_parse_ll(slice s, int64_t *out);
bool num_parse_ull(slice s, uint64_t *out);
/* strtod over the whole slice; no leading space, no NaN, no overflow to infinity, no
 * empty slice; "inf" and "-inf" are fine (Redis's getDoubleFromObject). */
bool num_parse_double(slice s, double *out);
bool num_parse_long_double(slice s, long double *out);
/* "100", "100kb", "1gb", "5m": Redis's memtoull. */
bool num_parse_memory(slice s, uint64_t *out);

size_t num_print_ll(char out[NUM_LL_MAX], int64_t v);
size_t num_print_ull(char out[NUM_LL_MAX], uint64_t v);
/* %.17g with "inf", "-inf", "nan" as Redis 7.0 puts doubles on the wire. */
size_t num_print_double(char out[NUM_DOUBLE_MAX], double v);
/* Redis's human-friendly long double (INCRBYFLOAT): %.17Lf with trailing zeros cut. */
size_t num_print_long_double(char out[NUM_DOUBLE_MAX], long double v);
/* The shortest text that reads back as v, in the notation of fpconv as vector sets answer
 * (spec: redis-vector-sets, "Double text"). */
size_t num_print_shortest(char out[NUM_DOUBLE_MAX], double v);

/* Redis's glob: * ? [set] [^set] [a-z] \x. Iterative: time is O(pattern * text). */
bool glob_match(slice pattern, slice text, bool nocase);

#endif
