/* scan.h -- a walk over all elements of a set, in steps.
 *
 * A step ends when about a millisecond of work is done (the client is parked and goes on
 * in the next turn) or at a page that is not in memory (it is asked for, with those
 * behind it). Between steps others run: when the set has changed meanwhile the walk
 * begins anew, a few times; then it goes on, and sees each element that stays exactly
 * once, as it was when its page was read. */
#ifndef COVE_VECTOR_SCAN_H
#define COVE_VECTOR_SCAN_H

#include "modules/vector/commands.h"

struct scan {
    uint64_t uid, version;
    uint32_t page; /* of vectors: the next */
    bool attributes; /* the walk asks for them: set before the first step */
    bool begun, ended;
    unsigned restarts;
    uint64_t elements, steps; /* for PROFILE */
};

/* Called at the begin of each step, with the set as it is now. True: what has been
 * gathered must be forgotten, for the walk begins at the first element. */
bool scan_resume(struct scan *s, const struct vset *set);

/* The element is borrowed during the call; its attribute is in memory, if the walk asks for
 * attributes. Not 0: an error, which ends the walk. */
typedef int scan_each(void *cookie, const struct value *v, const struct element *e);
/* One step. OK: the walk is at its end. ERR_COLD, ERR_AGAIN (parked; `again` will run):
 * to be returned by the handler. */
int scan_step(struct scan *s, call *c, const struct value *v, const struct vset *set,
              command_fn *again, scan_each *each, void *cookie);

#endif
