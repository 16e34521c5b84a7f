/* num.c -- numbers and text, exactly as Redis reads and prints them.
 *
 * Reading a double: nearly all scores are short decimals. A decimal of at most 15 digits is
 * an exact double, and so is a power of ten up to 10^22; their quotient is rounded once, by
 * the processor, and so is right (Clinger 1990). All else goes through strtod. */
#include "base/num.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Reading integers. ----------------------------------------------------------------- */

/* Digits only, no leading zero except "0" itself. */
static bool parse_digits(const uint8_t *p, size_t n, uint64_t *out) {
    if (n == 0 || n > 20) return false;
    if (p[0] == '0') {
        *out = 0;
        return n == 1;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)p[i] - '0';
        if (digit > 9) return false;
        /* Nineteen digits always fit; the twentieth may not. */
        if (i == 19 && (v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - digit)) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

bool num_parse_ull(slice s, uint64_t *out) { return parse_digits(s.p, s.n, out); }

bool num_parse_ll(slice s, int64_t *out) {
    uint64_t v;
    if (s.n == 0) return false;
    if (s.p[0] != '-') {
        if (!parse_digits(s.p, s.n, &v) || v > INT64_MAX) return false;
        *out = (int64_t)v;
        return true;
    }
    /* "-0" is no integer: it would not be printed as it was read. */
    if (!parse_digits(s.p + 1, s.n - 1, &v) || v == 0 || v > (uint64_t)INT64_MAX + 1)
        return false;
    *out = (int64_t)(0 - v);
    return true;
}

bool num_parse_memory(slice s, uint64_t *out) {
    static const struct { const char *word; uint64_t unit; } units[] = {
        {"", 1},           {"b", 1},           {"k", 1000},        {"kb", 1u << 10},
        {"m", 1000000},    {"mb", 1u << 20},   {"g", 1000000000},  {"gb", 1u << 30},
    };
    size_t digits = 0;
    uint64_t v = 0;
    while (digits < s.n && isdigit(s.p[digits])) {
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[digits] - '0'), &v))
            return false;
        digits++;
    }
    if (digits == 0) return false;
    slice unit = slice_make(s.p + digits, s.n - digits);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (slice_is(unit, units[i].word))
            return !__builtin_mul_overflow(v, units[i].unit, out);
    return false;
}

/* --- Reading doubles. ------------------------------------------------------------------ */

/* "-12.345" of at most 15 digits. */
static bool parse_short_decimal(slice s, double *out) {
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    size_t i = s.n > 0 && s.p[0] == '-', digits = 0, point = 0;
    bool negative = i == 1, dot = false;
    int64_t v = 0;
    if (s.n > 17) return false;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)s.p[i] - '0';
        if (s.p[i] == '.' && !dot) {
            dot = true;
            point = digits;
        } else if (digit <= 9 && digits < 15) {
            v = v * 10 + digit;
            digits++;
        } else {
            return false;
        }
    }
    if (digits == 0) return false;
    double d = (double)v / tens[dot ? digits - point : 0];
    *out = negative ? -d : d;
    return true;
}

/* A NUL-terminated copy for strtod, or false when it would not take all of it. */
static bool copy_text(slice s, char text[NUM_DOUBLE_MAX]) {
    if (s.n == 0 || s.n >= NUM_DOUBLE_MAX || isspace(s.p[0])) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    return true;
}

bool num_parse_double(slice s, double *out) {
    char text[NUM_DOUBLE_MAX], *end;
    if (parse_short_decimal(s, out)) return true;
    if (!copy_text(s, text)) return false;
    errno = 0;
    double v = strtod(text, &end);
    if ((size_t)(end - text) != s.n || isnan(v)) return false;
    if (errno == ERANGE && (isinf(v) || fpclassify(v) == FP_ZERO)) return false;
    *out = v;
    return true;
}

bool num_parse_long_double(slice s, long double *out) {
    char text[NUM_DOUBLE_MAX], *end;
    if (!copy_text(s, text)) return false;
    errno = 0;
    long double v = strtold(text, &end);
    if ((size_t)(end - text) != s.n || isnan(v)) return false;
    if (errno == ERANGE && (isinf(v) || fpclassify(v) == FP_ZERO)) return false;
    *out = v;
    return true;
}

/* --- Printing. ------------------------------------------------------------------------- */

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

static size_t print_digits(char *out, uint64_t v) {
    char tmp[20];
    size_t at = sizeof(tmp);
    while (v >= 100) {
        at -= 2;
        memcpy(tmp + at, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        at -= 2;
        memcpy(tmp + at, pairs + 2 * v, 2);
    } else {
        tmp[--at] = (char)('0' + v);
    }
    memcpy(out, tmp + at, sizeof(tmp) - at);
    return sizeof(tmp) - at;
}

size_t num_print_ull(char out[NUM_LL_MAX], uint64_t v) { return print_digits(out, v); }

size_t num_print_ll(char out[NUM_LL_MAX], int64_t v) {
    if (v >= 0) return print_digits(out, (uint64_t)v);
    out[0] = '-';
    return 1 + print_digits(out + 1, 0 - (uint64_t)v);
}

static size_t put_text(char *out, const char *text) {
    size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

/* NaN, infinities, zeros and integers up to `whole_max`; 0 for others. */
static size_t print_special(char *out, double v, double whole_max) {
    if (isnan(v)) return put_text(out, "nan");
    if (isinf(v)) return put_text(out, v > 0 ? "inf" : "-inf");
    if (v == 0) return put_text(out, signbit(v) ? "-0" : "0");
    if (fabs(v) <= whole_max && v == (double)(int64_t)v) return num_print_ll(out, (int64_t)v);
    return 0;
}

size_t num_print_double(char out[NUM_DOUBLE_MAX], double v) {
    /* Up to 17 digits %.17g prints an integer in full. */
    size_t n = print_special(out, v, 1e16);
    if (n > 0) return n;
    int printed = snprintf(out, NUM_DOUBLE_MAX, "%.17g", v);
    assert(printed > 0 && printed < NUM_DOUBLE_MAX);
    return (size_t)printed;
}

size_t num_print_long_double(char out[NUM_DOUBLE_MAX], long double v) {
    if (isnan(v)) return put_text(out, "nan");
    if (isinf(v)) return put_text(out, v > 0 ? "inf" : "-inf");
    int printed = snprintf(out, NUM_DOUBLE_MAX, "%.17Lf", v);
    assert(printed > 0 && printed < NUM_DOUBLE_MAX);
    size_t n = (size_t)printed;
    while (out[n - 1] == '0') n--;
    if (out[n - 1] == '.') n--;
    if (n == 2 && out[0] == '-' && out[1] == '0') return put_text(out, "0");
    return n;
}

/* --- The shortest text that reads back. ------------------------------------------------ */

/* d.ddd * 10^exponent, of `count` digits. */
struct decimal {
    char digits[20];
    int count, exponent;
};

/* The nearest decimal of `count` digits. */
static struct decimal decimal_of(double v, int count) {
    struct decimal d;
    char text[40];
    int n = snprintf(text, sizeof(text), "%.*e", count - 1, v);
    assert(n > 0 && n < (int)sizeof(text));
    const char *e = memchr(text, 'e', (size_t)n);
    assert(e != NULL);
    d.exponent = (int)strtol(e + 1, NULL, 10);
    d.count = count;
    d.digits[0] = text[0];
    if (count > 1) memcpy(d.digits + 1, text + 2, (size_t)count - 1);
    return d;
}

static double decimal_value(const struct decimal *d) {
    char text[40];
    int n = snprintf(text, sizeof(text), "%.*se%d", d->count, d->digits,
                     d->exponent - d->count + 1);
    assert(n > 0 && n < (int)sizeof(text));
    return strtod(text, NULL);
}

/* The decimal one unit of its last digit above. */
static struct decimal decimal_above(struct decimal d) {
    int i = d.count - 1;
    while (i >= 0 && d.digits[i] == '9') d.digits[i--] = '0';
    if (i >= 0) {
        d.digits[i]++;
    } else {
        d.digits[0] = '1';
        d.exponent++;
    }
    return d;
}

/* Fewest digits that read back as v > 0; of those the nearest.
 * A decimal of up to 15 digits survives the way through a normal double and back, so 15
 * digits find every shorter one, with zeros at its end. Subnormals have less precision and
 * are tried from one digit on. At a power of two the doubles below lie twice as dense as
 * those above: the nearest decimal may be just outside on the one side while the next, a bit
 * further away, is inside on the other. */
static struct decimal decimal_shortest(double v) {
    struct decimal d;
    int fewest = v < DBL_MIN ? 1 : 15, power;
    bool power_of_two = frexp(v, &power) == 0.5;
    for (int count = fewest; count < 17; count++) {
        d = decimal_of(v, count);
        if (decimal_value(&d) == v) goto found;
        if (!power_of_two) continue;
        d = decimal_above(d);
        if (decimal_value(&d) == v) goto found;
    }
    d = decimal_of(v, 17);
found:
    while (d.count > 1 && d.digits[d.count - 1] == '0') d.count--;
    return d;
}

size_t num_print_shortest(char out[NUM_DOUBLE_MAX], double v) {
    /* Integers of 62 bits are printed in full, digits beyond the precision included. */
    size_t n = print_special(out, v, 0x1p62);
    if (n > 0) return n;
    if (v < 0) {
        out[n++] = '-';
        v = -v;
    }
    struct decimal d = decimal_shortest(v);
    int count = d.count, k = d.exponent - count + 1; /* v = digits * 10^k */
    int size = d.exponent < 0 ? -d.exponent : d.exponent;
    size_t digits = (size_t)count;
    if (k >= 0 && size < count + 7) { /* A plain integer. */
        memcpy(out + n, d.digits, digits);
        memset(out + n + digits, '0', (size_t)k);
        return n + digits + (size_t)k;
    }
    if (k < 0 && (k > -7 || size < 4)) { /* A plain decimal. */
        int whole = count + k;
        if (whole > 0) {
            memcpy(out + n, d.digits, (size_t)whole);
            n += (size_t)whole;
            out[n++] = '.';
            memcpy(out + n, d.digits + whole, (size_t)-k);
            return n + (size_t)-k;
        }
        n += put_text(out + n, "0.");
        memset(out + n, '0', (size_t)-whole);
        n += (size_t)-whole;
        memcpy(out + n, d.digits, digits);
        return n + digits;
    }
    out[n++] = d.digits[0];
    if (count > 1) {
        out[n++] = '.';
        memcpy(out + n, d.digits + 1, digits - 1);
        n += digits - 1;
    }
    out[n++] = 'e';
    out[n++] = d.exponent < 0 ? '-' : '+';
    return n + print_digits(out + n, (uint64_t)size);
}
