/* log.c -- log lines: one write a line, so that lines of threads never mix.
 *
 * A log that is rotated by renaming is noticed at the next line: the path no longer leads to
 * the open file, and is opened anew. Logging is rare, so a spinning lock and two stat calls a
 * line are cheap enough. Control bytes are replaced, so that text from outside cannot forge
 * a line. */
#include "base/log.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

#define LINE_MAX_BYTES 2048 /* Longer lines are cut: a log is not for data. */

struct logger {
    clock_source *clock;
    atomic_int level;
    atomic_flag busy; /* Guards path and fd. */
    char *path;       /* NULL: standard output. */
    int fd;           /* -1: could not be opened anew; tried again at the next line. */
};

/* How many times stored bytes were found damaged, in the life of the process. */
static atomic_ullong corruptions;

static void lock(logger *l) {
    while (atomic_flag_test_and_set_explicit(&l->busy, memory_order_acquire)) {
    }
}

static void unlock(logger *l) { atomic_flag_clear_explicit(&l->busy, memory_order_release); }

static int open_log(const char *path) {
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static void close_log(logger *l) {
    if (l->path != NULL && l->fd >= 0) close(l->fd);
    mem_free(l->path);
    l->path = NULL;
    l->fd = -1;
}

int logger_create(const char *path, enum log_level level, clock_source *clock, logger **out) {
    assert(clock != NULL && out != NULL);
    logger *l = mem_calloc(1, sizeof(*l));
    l->clock = clock;
    atomic_init(&l->level, (int)level);
    atomic_flag_clear(&l->busy);
    l->fd = STDOUT_FILENO;
    int rc = logger_set_path(l, path);
    if (rc != OK) {
        mem_free(l);
        return rc;
    }
    *out = l;
    return OK;
}

void logger_free(logger *l) {
    if (l == NULL) return;
    close_log(l);
    mem_free(l);
}

void logger_set_level(logger *l, enum log_level level) {
    atomic_store_explicit(&l->level, (int)level, memory_order_relaxed);
}

int logger_set_path(logger *l, const char *path) {
    bool to_file = path != NULL && path[0] != 0;
    int fd = to_file ? open_log(path) : STDOUT_FILENO;
    if (fd < 0) return ERR_IO;
    lock(l);
    close_log(l);
    l->path = to_file ? mem_strdup(path) : NULL;
    l->fd = fd;
    unlock(l);
    return OK;
}

/* Opens the file anew when the path does not lead to it any more. */
static void follow_path(logger *l) {
    struct stat there, ours;
    if (l->path == NULL) return;
    if (l->fd >= 0 && stat(l->path, &there) == 0 && fstat(l->fd, &ours) == 0 &&
        there.st_ino == ours.st_ino && there.st_dev == ours.st_dev)
        return;
    int fd = open_log(l->path);
    if (fd < 0) return; /* The old file, if any, is better than none. */
    if (l->fd >= 0) close(l->fd);
    l->fd = fd;
}

static size_t put_head(char *line, size_t room, uint64_t wall_us, enum log_level level) {
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    char when[64] = "?";
    if (localtime_r(&seconds, &tm) != NULL) strftime(when, sizeof(when), "%d %b %Y %T", &tm);
    int n = snprintf(line, room, "%d:M %s.%03u %c ", (int)getpid(), when,
                     (unsigned)(wall_us / 1000 % 1000), ".-*#"[level]);
    assert(n > 0 && (size_t)n < room);
    return (size_t)n;
}

void log_line(logger *l, enum log_level level, const char *fmt, ...) {
    if (l == NULL || (int)level < atomic_load_explicit(&l->level, memory_order_relaxed)) return;
    assert(level <= LOG_WARNING);
    char line[LINE_MAX_BYTES];
    size_t head = put_head(line, sizeof(line), clock_wall_us(l->clock), level);
    size_t room = sizeof(line) - head - 1; /* Room for the newline. */
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line + head, room, fmt, ap);
    va_end(ap);
    if (n < 0) return;
    size_t bytes = head + ((size_t)n < room ? (size_t)n : room - 1);
    for (size_t i = head; i < bytes; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) line[i] = ' ';
    line[bytes++] = '\n';
    lock(l);
    follow_path(l);
    if (l->fd >= 0) {
        /* There is nobody to tell that the log cannot be written. */
        ssize_t done = write(l->fd, line, bytes);
        (void)done;
    }
    unlock(l);
}

int corrupt(logger *l, const char *where, const char *object, unsigned long long offset) {
    atomic_fetch_add_explicit(&corruptions, 1, memory_order_relaxed);
    log_line(l, LOG_WARNING, "Damaged data: %s, in %s at byte %llu", where,
             object == NULL ? "(unnamed)" : object, offset);
    return ERR_CORRUPT;
}

unsigned long long corrupt_count(void) {
    return atomic_load_explicit(&corruptions, memory_order_relaxed);
}
