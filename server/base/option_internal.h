/* option_internal.h -- between the registry of options and the kinds of their values. */
#ifndef COVE_BASE_OPTION_INTERNAL_H
#define COVE_BASE_OPTION_INTERNAL_H

#include "base/option.h"

#define OPTION_WHY_MAX 512 /* A sentence made for one failure; the longest list enum words. */

/* A row and the field that holds its value. */
struct bound {
    const struct option *row;
    void *field;
    int (*changed)(void *cookie, const struct option *row, const char **why);
    void *cookie;
    bool seen; /* A file or the command line has set it. */
};

/* Gives the field its initial value; what it held before is not looked at. */
void option__init(struct bound *b);
void option__clear(struct bound *b); /* Frees what the field owns. */
/* From words, as a line has them. On failure nothing has changed, and *why is a constant or
 * made in `room`. */
int option__set(struct bound *b, const slice *words, size_t count, bool append,
                const char **why, char room[OPTION_WHY_MAX]);
/* From one text, as CONFIG SET has it and option__print prints it. */
int option__set_text(struct bound *b, slice text, const char **why, char room[OPTION_WHY_MAX]);
void option__print(const struct bound *b, buf *out);

#endif
