/* glob.c -- glob_match: Redis's patterns over bytes.
 *
 * One star needs to be remembered, the last: if what follows a star fails to match at every
 * later place, no longer stretch for an earlier star can help. So there is no recursion, and
 * a hostile pattern costs pattern * text steps, not an exponential number of them. */
#include "base/num.h"

static inline unsigned fold(unsigned c, bool nocase) {
    return nocase && c - 'A' < 26u ? c | 0x20 : c;
}

/* Whether c is in the class whose '[' is just before p; *next is what follows its ']'. A
 * class without end reaches to the end of the pattern. */
static bool class_has(const uint8_t *p, const uint8_t *end, unsigned c, bool nocase,
                      const uint8_t **next) {
    bool not = p < end && *p == '^', hit = false;
    if (not) p++;
    c = fold(c, nocase);
    while (p < end && *p != ']') {
        if (*p == '\\' && end - p >= 2) {
            hit |= fold(p[1], nocase) == c;
            p += 2;
        } else if (end - p >= 3 && p[1] == '-') {
            unsigned a = fold(p[0], nocase), b = fold(p[2], nocase);
            hit |= a <= b ? a <= c && c <= b : b <= c && c <= a;
            p += 3;
        } else {
            hit |= fold(*p++, nocase) == c;
        }
    }
    *next = p < end ? p + 1 : end;
    return hit != not;
}

/* Whether the one element of the pattern at p, not a star, takes c. */
static bool element_takes(const uint8_t *p, const uint8_t *end, unsigned c, bool nocase,
                          const uint8_t **next) {
    if (*p == '[') return class_has(p + 1, end, c, nocase, next);
    if (*p == '\\' && end - p >= 2) p++;
    else if (*p == '?') {
        *next = p + 1;
        return true;
    }
    *next = p + 1;
    return fold(*p, nocase) == fold(c, nocase);
}

bool glob_match(slice pattern, slice text, bool nocase) {
    if (pattern.n == 0) return text.n == 0;
    const uint8_t *p = pattern.p, *end = p + pattern.n;
    const uint8_t *star = NULL; /* What follows the last star, */
    size_t at = 0, retry = 0;   /* and where in the text that is tried. */
    while (at < text.n) {
        const uint8_t *next;
        if (p < end && *p == '*') {
            star = ++p;
            retry = at;
            if (star == end) return true;
        } else if (p < end && element_takes(p, end, text.p[at], nocase, &next)) {
            p = next;
            at++;
        } else if (star != NULL) {
            p = star;
            at = ++retry;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*') p++;
    return p == end;
}
