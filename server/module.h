/* module.h -- the one door for modules: a module is one const struct.
 *
 * A module brings commands, types, options and metrics, and uses what the headers below offer to
 * handlers and types; it includes nothing else of the server. */
#ifndef COVE_MODULE_H
#define COVE_MODULE_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/listpack.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/num.h"
#include "base/option.h"
#include "base/rnd.h"
#include "resp/write.h"
#include "types/btree.h"
#include "types/digest.h"
#include "types/rdb.h"
#include "types/table.h"
#include "types/tpage.h"
#include "types/value.h"
#include "exec/call.h"

typedef struct module {
    const char *name;     /* MODULE LIST */
    int version;
    const struct command *commands;
    size_t commands_count;
    const struct type *const *types; /* NULL-terminated, or NULL */
    /* Options and metrics: made before the configuration is read. setup() may be NULL; the state it
     * returns is handed to teardown(). */
    void *(*setup)(options *o, metrics *m);
    void (*teardown)(void *state);
} module;

/* Every module of this build, NULL-terminated (modules.c beside main.c). */
extern const module *const cove_modules[];

#endif
