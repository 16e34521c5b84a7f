/* num_test.c -- numbers and text, against what Redis accepts and prints. */
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/rnd.h"

static bool ll(const char *text, int64_t *out) { return num_parse_ll(slice_str(text), out); }

TEST("integers are read when they would be printed alike") {
    static const char *good[] = {"0", "1", "-1", "10", "9223372036854775807",
                                 "-9223372036854775808", "1234567890123456789"};
    static const char *bad[] = {"", "-", "+1", " 1", "1 ", "01", "-0", "00", "1.0", "1e3", "0x10",
                                "a", "--1", "9223372036854775808", "-9223372036854775809",
                                "18446744073709551616", "99999999999999999999",
                                "123456789012345678901"};
    int64_t v;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        CHECK(ll(good[i], &v));
        CHECK_INT(v, strtoll(good[i], NULL, 10));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (ll(bad[i], &v)) test_fail(__FILE__, __LINE__, "\"%s\" was read", bad[i]);
    CHECK(!num_parse_ll(slice_make("1\0", 2), &v));
    CHECK(num_parse_ll(slice_make("123", 2), &v) && v == 12);
}

TEST("unsigned integers go up to 2^64 - 1") {
    uint64_t v;
    CHECK(num_parse_ull(SLICE("18446744073709551615"), &v) && v == UINT64_MAX);
    CHECK(num_parse_ull(SLICE("0"), &v) && v == 0);
    CHECK(!num_parse_ull(SLICE("18446744073709551616"), &v));
    CHECK(!num_parse_ull(SLICE("18446744073709551620"), &v));
    CHECK(!num_parse_ull(SLICE("99999999999999999999"), &v));
    CHECK(!num_parse_ull(SLICE("-1"), &v));
    CHECK(!num_parse_ull(SLICE(""), &v));
}

static void check_ll(int64_t v) {
    char out[NUM_LL_MAX], want[32];
    size_t n = num_print_ll(out, v);
    snprintf(want, sizeof(want), "%" PRId64, v);
    CHECK_SLICE(slice_make(out, n), want);
    int64_t back;
    CHECK(num_parse_ll(slice_make(out, n), &back) && back == v);
}

TEST("integers of every size are printed and read back") {
    for (int bits = 0; bits < 64; bits++)
        for (int delta = -1; delta <= 1; delta++) {
            int64_t v = (int64_t)(((uint64_t)1 << bits) + (uint64_t)(int64_t)delta);
            check_ll(v);
            check_ll((int64_t)(0 - (uint64_t)v));
        }
    rnd r;
    rnd_seed(&r, 1);
    for (int i = 0; i < 100000; i++) check_ll((int64_t)(rnd_u64(&r) >> rnd_below(&r, 64)));
    char out[NUM_LL_MAX];
    CHECK_SLICE(slice_make(out, num_print_ull(out, UINT64_MAX)), "18446744073709551615");
}

static bool dbl(const char *text, double *out) { return num_parse_double(slice_str(text), out); }

TEST("doubles are read as strtod reads them, whole") {
    static const char *good[] = {"0", "-0", "1", "-1.5", ".5", "5.", "1e5", "1E-5", "0x10", "+1",
                                 "inf", "-inf", "+inf", "Infinity", "3.14159265358979",
                                 "123456789012345", "1234567890123456", "0.000000000000001",
                                 "1e-310", "1.7976931348623157e308", "-0.0", "000012.500",
                                 "9007199254740993", "0.1234567890123456789"};
    static const char *bad[] = {"", " 1", "1 ", "1e", "-", ".", "+", "nan", "-nan", "1e400", "-1e400",
                                "1e-400", "abc", "1,5", "1..5", "1.5.", "--1", "\n1", "0x", "1_0"};
    double v;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        double want = strtod(good[i], NULL);
        if (!dbl(good[i], &v) || memcmp(&v, &want, sizeof(v)) != 0)
            test_fail(__FILE__, __LINE__, "\"%s\" was read as %.17g", good[i], v);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (dbl(bad[i], &v)) test_fail(__FILE__, __LINE__, "\"%s\" was read", bad[i]);
    CHECK(!num_parse_double(slice_make("1\0", 2), &v));
    CHECK(!num_parse_double(slice_make(NULL, 0), &v));
    CHECK(num_parse_double(slice_make("1.2599", 4), &v) && v == 1.25);
}

TEST("the short way of reading a decimal is exact") {
    rnd r;
    rnd_seed(&r, 2);
    for (int i = 0; i < 300000; i++) {
        char text[40];
        int digits = (int)rnd_below(&r, 16);
        uint64_t v = rnd_u64(&r) >> rnd_below(&r, 50);
        int n = snprintf(text, sizeof(text), "%s%" PRIu64 ".%0*" PRIu64,
                         rnd_below(&r, 2) == 0 ? "-" : "", v % 100000000, digits,
                         rnd_u64(&r) % 10000000);
        double got, want = strtod(text, NULL);
        CHECK(num_parse_double(slice_make(text, (size_t)n), &got));
        if (memcmp(&got, &want, sizeof(got)) != 0)
            test_fail(__FILE__, __LINE__, "\"%s\" was read as %.17g", text, got);
    }
}

TEST("a text of more than 5,119 bytes is no number, one just below is") {
    static char text[6000];
    double v;
    memset(text, '0', sizeof(text));
    text[1] = '.';
    text[0] = '1';
    CHECK(num_parse_double(slice_make(text, NUM_DOUBLE_MAX - 1), &v) && v == 1);
    CHECK(!num_parse_double(slice_make(text, NUM_DOUBLE_MAX), &v));
}

TEST("long doubles are read and printed for people") {
    static const char *pairs[][2] = {
        {"3.0e3", "3000"}, {"10.50", "10.5"}, {"-0", "0"}, {"-0.0", "0"}, {"5.0e3", "5000"},
        {"0.1", "0.1"}, {"1.23456789", "1.23456789"}, {"-1.25", "-1.25"}, {"100", "100"},
        {"1e20", "100000000000000000000"}, {"17179869184.5", "17179869184.5"}, {"inf", "inf"},
        {"-inf", "-inf"}, {"1e-18", "0"}, {"-1e-18", "0"}, {"1e-17", "0.00000000000000001"},
    };
    char out[NUM_DOUBLE_MAX];
    long double v;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        CHECK(num_parse_long_double(slice_str(pairs[i][0]), &v));
        CHECK_SLICE(slice_make(out, num_print_long_double(out, v)), pairs[i][1]);
    }
    CHECK(!num_parse_long_double(SLICE(""), &v));
    CHECK(!num_parse_long_double(SLICE(" 1"), &v));
    CHECK(!num_parse_long_double(SLICE("nan"), &v));
    CHECK(!num_parse_long_double(SLICE("1e5000"), &v));
    CHECK(!num_parse_long_double(SLICE("1e-5000"), &v));
    CHECK(!num_parse_long_double(SLICE("1x"), &v));
}

TEST("the largest long double fits") {
    char out[NUM_DOUBLE_MAX];
    size_t n = num_print_long_double(out, -LDBL_MAX);
    CHECK_INT(n, 1 + 4933);
    CHECK(memcmp(out, "-118973149535723176502126", 25) == 0);
}

TEST("memory sizes have their units") {
    static const struct { const char *text; uint64_t bytes; } good[] = {
        {"0", 0}, {"100", 100}, {"7b", 7}, {"1k", 1000}, {"1kb", 1024}, {"2M", 2000000},
        {"2Mb", 2097152}, {"3g", 3000000000u}, {"3GB", 3221225472u},
        {"18446744073709551615", UINT64_MAX}, {"007", 7},
    };
    static const char *bad[] = {"", "b", "kb", "-1", "+1", "1.5gb", "1 kb", "1tb", "1kbb", "x", "1kx",
                                "18446744073709551616", "18446744073709551615k", "99999999999gb"};
    uint64_t v;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        CHECK(num_parse_memory(slice_str(good[i].text), &v));
        CHECK(v == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (num_parse_memory(slice_str(bad[i]), &v))
            test_fail(__FILE__, __LINE__, "\"%s\" was read as %" PRIu64, bad[i], v);
}

struct printed {
    double v;
    const char *text;
};

TEST("doubles on the wire have 17 digits") {
    static const struct printed cases[] = {
        {1, "1"}, {-2.5, "-2.5"}, {0.1, "0.10000000000000001"}, {3.3, "3.2999999999999998"},
        {0, "0"}, {-0.0, "-0"}, {1e16, "10000000000000000"}, {1e17, "1e+17"}, {1e20, "1e+20"},
        {123456789012345680.0, "1.2345678901234568e+17"}, {99999999, "99999999"},
        {-1234567890123, "-1234567890123"}, {1e-5, "1.0000000000000001e-05"},
        {INFINITY, "inf"}, {-INFINITY, "-inf"}, {NAN, "nan"}, {17179869184.0, "17179869184"},
    };
    char out[NUM_DOUBLE_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        CHECK_SLICE(slice_make(out, num_print_double(out, cases[i].v)), cases[i].text);
    rnd r;
    rnd_seed(&r, 3);
    for (int i = 0; i < 100000; i++) {
        double v = ldexp((double)(int64_t)rnd_u64(&r), -(int)rnd_below(&r, 70));
        char want[64];
        snprintf(want, sizeof(want), "%.17g", v);
        CHECK_SLICE(slice_make(out, num_print_double(out, v)), want);
    }
}

TEST("the shortest text has the notation of vector sets") {
    static const struct printed cases[] = {
        {1, "1"}, {0.5, "0.5"}, {0.887717992067337, "0.887717992067337"},
        {123456.7890625, "1.234567890625e+5"}, {9.999999747378752e-6, "9.999999747378752e-6"},
        {1.0000000116860974e-7, "1.0000000116860974e-7"}, {999999986991104, "999999986991104"},
        {99999998430674944, "99999998430674944"}, {0.1f, "0.10000000149011612"}, {-0.0, "-0"},
        {1.401298464324817e-45, "1.401298464324817e-45"}, {16777216, "16777216"}, {-2.5, "-2.5"},
        {0.3, "0.3"}, {1e10, "10000000000"}, {1e18, "1000000000000000000"}, {1e19, "1e+19"},
        {1e21, "1e+21"}, {1.5e300, "1.5e+300"}, {1e-6, "0.000001"}, {1e-7, "1e-7"},
        {1.25e-5, "1.25e-5"}, {0.00125, "0.00125"}, {12345.678, "12345.678"},
        {1234.5678901, "1234.5678901"}, {5e-324, "5e-324"}, {DBL_MIN, "2.2250738585072014e-308"},
        {DBL_MAX, "1.7976931348623157e+308"}, {0x1p-44, "5.684341886080802e-14"},
        {INFINITY, "inf"}, {-INFINITY, "-inf"}, {NAN, "nan"}, {-1e-7, "-1e-7"},
    };
    char out[NUM_DOUBLE_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        CHECK_SLICE(slice_make(out, num_print_shortest(out, cases[i].v)), cases[i].text);
}

TEST("the shortest text reads back as the same double, and no shorter one does") {
    rnd r;
    rnd_seed(&r, 4);
    for (int i = 0; i < 60000; i++) {
        uint64_t bits = rnd_u64(&r);
        if (i % 3 == 1) bits &= (uint64_t)0xfff << 52; /* Powers of two. */
        if (i % 3 == 2) bits &= UINT64_MAX << 29;      /* Floats. */
        double v, back;
        memcpy(&v, &bits, sizeof(v));
        if (!isfinite(v)) continue;
        char out[NUM_DOUBLE_MAX], fewer[64];
        size_t n = num_print_shortest(out, v);
        CHECK(num_parse_double(slice_make(out, n), &back));
        CHECK(memcmp(&v, &back, sizeof(v)) == 0);
        int digits = 0, zeros = 0;
        for (size_t k = 0; k < n && out[k] != 'e'; k++) {
            if (out[k] < '0' || out[k] > '9' || (digits == 0 && out[k] == '0')) continue;
            digits++;
            zeros = out[k] == '0' ? zeros + 1 : 0;
        }
        digits -= zeros;
        if (digits <= 1 || fabs(v) <= 0x1p62) continue;
        snprintf(fewer, sizeof(fewer), "%.*e", digits - 2, v);
        CHECK(strtod(fewer, NULL) != v);
    }
}
