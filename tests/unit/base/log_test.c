/* log_test.c -- the form of a log line, levels, rotation, damage. */
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

static char folder[] = "/tmp/cove-log-XXXXXX";
static char path[64], moved[64];

static void setup(void) {
    setenv("TZ", "UTC", 1);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(moved, sizeof(moved), "%s/log.1", folder);
}

static void teardown(void) {
    unlink(path);
    unlink(moved);
    CHECK_INT(rmdir(folder), 0);
}

static const char *content(const char *from) {
    static char text[8192];
    FILE *f = fopen(from, "r");
    CHECK(f != NULL);
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    return text;
}

TEST("a line has process, role, time, level and text") {
    setup();
    clock_manual m;
    clock_manual_init(&m, 1700000000123456, 0); /* 14 Nov 2023 22:13:20.123 */
    logger *l = NULL;
    CHECK_INT(logger_create(path, LOG_DEBUG, &m.base, &l), OK);
    log_line(l, LOG_DEBUG, "a %d", 1);
    log_line(l, LOG_VERBOSE, "b");
    log_line(l, LOG_NOTICE, "c");
    log_line(l, LOG_WARNING, "d");
    char want[512];
    int n = 0;
    static const char *rest[] = {". a 1", "- b", "* c", "# d"};
    for (int i = 0; i < 4; i++)
        n += snprintf(want + n, sizeof(want) - (size_t)n, "%d:M 14 Nov 2023 22:13:20.123 %s\n",
                      (int)getpid(), rest[i]);
    CHECK_STR(content(path), want);
    logger_free(l);
    teardown();
}

TEST("lines under the level are not written, and the level may change") {
    setup();
    logger *l = NULL;
    CHECK_INT(logger_create(path, LOG_WARNING, clock_real(), &l), OK);
    log_line(l, LOG_NOTICE, "hidden");
    CHECK_STR(content(path), "");
    logger_set_level(l, LOG_NOTICE);
    log_line(l, LOG_NOTICE, "shown");
    CHECK(strstr(content(path), "* shown\n") != NULL);
    log_line(NULL, LOG_WARNING, "swallowed");
    logger_free(l);
    teardown();
}

TEST("a file that was moved away is opened anew") {
    setup();
    logger *l = NULL;
    CHECK_INT(logger_create(path, LOG_NOTICE, clock_real(), &l), OK);
    log_line(l, LOG_NOTICE, "first");
    CHECK_INT(rename(path, moved), 0);
    log_line(l, LOG_NOTICE, "second");
    CHECK(strstr(content(moved), "first\n") != NULL);
    CHECK(strstr(content(moved), "second") == NULL);
    CHECK(strstr(content(path), "second\n") != NULL);
    CHECK_INT(logger_set_path(l, moved), OK);
    log_line(l, LOG_NOTICE, "third");
    CHECK(strstr(content(moved), "third\n") != NULL);
    logger_free(l);
    teardown();
}

TEST("text cannot forge a line, and a long one is cut") {
    setup();
    logger *l = NULL;
    CHECK_INT(logger_create(path, LOG_NOTICE, clock_real(), &l), OK);
    log_line(l, LOG_NOTICE, "%s", "x\n1:M forged\r\x1b[31m");
    log_line(l, LOG_NOTICE, "%5000s|", "");
    const char *text = content(path);
    const char *first = strchr(text, '\n');
    CHECK(first != NULL);
    CHECK(strstr(text, "x 1:M forged  [31m\n") != NULL);
    const char *second = strchr(first + 1, '\n');
    CHECK(second != NULL && second[1] == 0);
    CHECK(second - first < 2100);
    logger_free(l);
    teardown();
}

TEST("a path that cannot be opened is an error, and the old file stays") {
    setup();
    logger *l = NULL;
    CHECK_INT(logger_create("/nowhere/at/all", LOG_NOTICE, clock_real(), &l), ERR_IO);
    CHECK(l == NULL);
    CHECK_INT(logger_create(path, LOG_NOTICE, clock_real(), &l), OK);
    CHECK_INT(logger_set_path(l, "/nowhere/at/all"), ERR_IO);
    log_line(l, LOG_NOTICE, "still here");
    CHECK(strstr(content(path), "still here\n") != NULL);
    logger_free(l);
    logger_free(NULL);
    teardown();
}

TEST("damage is logged, counted and returned") {
    setup();
    logger *l = NULL;
    CHECK_INT(logger_create(path, LOG_WARNING, clock_real(), &l), OK);
    unsigned long long before = corrupt_count();
    CHECK_INT(corrupt(l, "segment_open", "log/17", 42), ERR_CORRUPT);
    CHECK_INT(corrupt(NULL, "segment_open", NULL, 0), ERR_CORRUPT);
    CHECK_INT(corrupt_count() - before, 2);
    CHECK(strstr(content(path), "segment_open") != NULL);
    CHECK(strstr(content(path), "log/17 at byte 42") != NULL);
    logger_free(l);
    teardown();
}
