/* probe.h -- does this store keep the promises that the log relies on?
 *
 * Parallel creators of one name (exactly one may win, and the content is the winner's),
 * If-Match with the right, a wrong and a stale etag, racing increments by If-Match, read
 * after write, list after write. Objects live under "probe/<random>-" and are deleted
 * again. */
#ifndef COVE_OBJSTORE_PROBE_H
#define COVE_OBJSTORE_PROBE_H

#include "base/rnd.h"
#include "objstore/objstore.h"

/* done runs once on the loop: OK; ERR_UNSUPPORTED when a promise is broken; or the
 * store's own error. `why` is one sentence fit for the log. */
void objstore_probe(objstore *s, rnd *r,
                    void (*done)(void *cookie, int rc, const char *why), void *cookie);

#endif
