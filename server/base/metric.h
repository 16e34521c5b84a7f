/* metric.h -- metric tables: each folder declares what it counts, one row and one sentence
 * each; INFO and the tests read them.
 *
 * A row points by offset at a uint64_t in its owner's struct, or has a function. Sections
 * are INFO's: "Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU",
 * "Modules", "Commandstats", "Errorstats", "Cluster", "Keyspace", and Cove's own: "Store",
 * "Tier", "Forks". */
#ifndef COVE_BASE_METRIC_H
#define COVE_BASE_METRIC_H

#include "base/bytes.h"

struct metric {
    const char *section;
    const char *name;
    size_t offset;                                   /* used when print is NULL */
    void (*print)(void *state, buf *out);            /* writes the value's text */
    const char *doc;
};

typedef struct metrics metrics;

metrics *metrics_create(void);
void metrics_free(metrics *m);
void metrics_add(metrics *m, const struct metric *table, size_t count, void *state);
/* A section whose lines are made by code (Keyspace, Commandstats). */
void metrics_add_section(metrics *m, const char *section,
                         void (*print)(void *state, buf *out), void *state);
/* Appends "# Section\r\nname:value\r\n..." for the section; false when there is none. */
bool metrics_print_section(metrics *m, const char *section, buf *out);
void metrics_sections(metrics *m, void (*each)(void *cookie, const char *section), void *cookie);

#endif
