/* transfer.h -- a process that takes an RDB file in, or writes one, instead of serving clients. */
#ifndef COVE_TRANSFER_H
#define COVE_TRANSFER_H

#include "base/log.h"
#include "exec/exec.h"

typedef struct transfer transfer;

/* One of both paths; what can be known of the file is looked at. OK, or an error and a sentence. */
int transfer_open(const char *import, const char *export, int64_t databases, logger *log, transfer **out,
                  char why[256]);
/* Once the store is open. done() once, not inside. */
void transfer_start(transfer *t, loop *l, exec *x, void (*done)(void *cookie, int rc), void *cookie);
void transfer_free(transfer *t); /* or NULL; before the loop and the exec */

#endif
