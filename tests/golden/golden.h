/* golden.h -- bytes that a version wrote once, and every later one must read.
 *
 * They are files under tests/golden/data. COVE_GOLDEN_WRITE=1 writes those that are not there yet;
 * one that is there is never written again: a changed form gets a new name beside it. */
#ifndef COVE_TESTS_GOLDEN_H
#define COVE_TESTS_GOLDEN_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "test.h"

/* The bytes kept under that name. `made`, if not NULL: what this version writes. */
static inline void golden_file(const char *name, const buf *made, buf *kept) {
    char path[256];
    snprintf(path, sizeof(path), "tests/golden/data/%s", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL && errno == ENOENT && made != NULL && getenv("COVE_GOLDEN_WRITE") != NULL) {
        f = fopen(path, "wb");
        CHECK(f != NULL);
        CHECK(fwrite(made->p, 1, made->n, f) == made->n);
        CHECK(fclose(f) == 0);
        f = fopen(path, "rb");
    }
    if (f == NULL) test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
    uint8_t chunk[4096];
    size_t n;
    kept->n = 0;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) buf_append(kept, chunk, n);
    CHECK(fclose(f) == 0);
}

/* The same, and what this version writes is that, byte for byte. */
static inline void golden_same(const char *name, const buf *made, buf *kept) {
    golden_file(name, made, kept);
    size_t at = 0, least = made->n < kept->n ? made->n : kept->n;
    while (at < least && made->p[at] == kept->p[at]) at++;
    if (at != made->n || at != kept->n)
        test_fail(__FILE__, __LINE__, "%s: %zu bytes written, %zu kept, different from byte %zu on",
                  name, made->n, kept->n, at);
}

#endif
