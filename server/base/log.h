/* log.h -- log lines, in Redis's form: "pid:role day month year time.ms level text".
 *
 * A struct logger is handed to whoever logs. Safe from any thread. Never pass secrets. */
#ifndef COVE_BASE_LOG_H
#define COVE_BASE_LOG_H

#include "base/clock.h"

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

typedef struct logger logger;

/* path "" or NULL: standard output. The file is opened anew when it has been moved away.
 * `clock` is borrowed. On failure to open: ERR_IO and *out is left alone. */
int logger_create(const char *path, enum log_level level, clock_source *clock, logger **out);
void logger_free(logger *l);
void logger_set_level(logger *l, enum log_level level);
int logger_set_path(logger *l, const char *path);
/* A NULL logger swallows the line (tests). */
void log_line(logger *l, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Damage in stored bytes: logged, counted, one place to set a breakpoint. Returns
 * ERR_CORRUPT so that callers may `return corrupt(...)`. */
int corrupt(logger *l, const char *where, const char *object, unsigned long long offset);
unsigned long long corrupt_count(void);

#endif
