/* info.h -- what the files of INFO share. */
#ifndef COVE_COMMANDS_INFO_H
#define COVE_COMMANDS_INFO_H

#include "exec/exec.h"

/* The rows of Server, Clients, Memory and CPU (info_server.c), and of Persistence, Stats and
 * Replication (info_stats.c). Their state is the exec. */
extern const struct metric info_server_metrics[], info_stats_metrics[];
extern const size_t info_server_metrics_count, info_stats_metrics_count;

/* What a row prints. */
void info_print_u64(buf *out, uint64_t v);
void info_print_zero(void *state, buf *out);
void info_print_human(buf *out, uint64_t bytes); /* "1.50M" */
void info_print_option(exec *x, const char *name, buf *out); /* as CONFIG GET answers it */
/* A value of another section, 0 when there is none: what the tier counts, under Redis's names. */
uint64_t info_value(exec *x, const char *section, const char *name);

/* A function for a row, of an expression over the exec *x. */
#define INFO_U64(fn, expression)                                                             \
    static void fn(void *state, buf *out) {                                                  \
        exec *x = state;                                                                     \
        (void)x;                                                                             \
        info_print_u64(out, (uint64_t)(expression));                                         \
    }
#define INFO_HUMAN(fn, expression)                                                           \
    static void fn(void *state, buf *out) {                                                  \
        exec *x = state;                                                                     \
        (void)x;                                                                             \
        info_print_human(out, (uint64_t)(expression));                                       \
    }
#define INFO_TEXT(fn, expression)                                                            \
    static void fn(void *state, buf *out) {                                                  \
        exec *x = state;                                                                     \
        (void)x;                                                                             \
        buf_append_str(out, expression);                                                     \
    }

#endif
