/* transfer.c -- the client that a file's keys go through. */
#include "transfer.h"

#include <errno.h>

#include "base/mem.h"
#include "rdb_file.h"

struct transfer {
    logger *log;
    struct rdb_import *import;
    struct rdb_export *export;
    inner_client *client;
};

int transfer_open(const char *import, const char *export, int64_t databases, logger *log, transfer **out,
                  char why[256]) {
    transfer *t = mem_calloc(1, sizeof(*t));
    t->log = log;
    int rc = import != NULL ? rdb_import_open(import, databases, log, &t->import, why)
                            : rdb_export_open(export, databases, log, &t->export, why);
    if (rc != OK) mem_free(t);
    else *out = t;
    return rc;
}

void transfer_start(transfer *t, loop *l, exec *x, void (*done)(void *cookie, int rc), void *cookie) {
    conn *ours, *theirs;
    if (conn_pair(l, &ours, &theirs) != OK) {
        log_line(t->log, LOG_WARNING, "%s", strerror(errno));
        done(cookie, ERR_IO);
        return;
    }
    exec_accept(x, theirs);
    t->client = inner_client_create(ours);
    if (t->import != NULL) rdb_import_start(t->import, l, t->client, done, cookie);
    else rdb_export_start(t->export, l, t->client, done, cookie);
}

void transfer_free(transfer *t) {
    if (t == NULL) return;
    rdb_import_free(t->import);
    rdb_export_free(t->export);
    inner_client_free(t->client);
    mem_free(t);
}
