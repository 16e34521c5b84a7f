/* matches.h -- what filters have said of the elements of a set, kept beside it (struct pager_note): the same filter
 * comes again with another vector, and to read an attribute takes longer than to scan a code.
 *
 * Of each filter there are two bits a slot, known and yes, in runs of as many slots as a page of attributes has. A run
 * belongs to a version of the set. When the set is another, a run whose page still has the same bytes stays: so a
 * filter is asked again only where something has changed (and where an attribute is too long to lie in that page). */
#ifndef COVE_VECTOR_MATCHES_H
#define COVE_VECTOR_MATCHES_H

#include "modules/vector/expr.h"
#include "modules/vector/set.h"

#define MATCHES_FILTERS 8 /* of a set; the one that was not asked for longest gives way: 2.5 bytes a slot for all */
#define MATCHES_KEY 65

struct matches;
void matches_key(const expr *e, char key[MATCHES_KEY]); /* of what has the same text */
/* Those of the filter with this key; made when there are none. Borrowed until the command ends, or waits. */
struct matches *matches_of(const struct value *v, const struct vset *set, const char key[MATCHES_KEY]);
/* Does the slot's attribute pass? No: it has none. *asked counts attributes read. ERR_COLD: it has been asked for. */
int matches_ask(struct matches *m, const struct value *v, expr *e, uint32_t slot, bool *yes, uint64_t *asked);
/* How many elements of the set as it is now pass, when that is known without a look; else false. */
bool matches_count(const struct matches *m, uint64_t *count);
/* What share of the elements passes, as it was sampled last, if few have changed since. */
bool matches_share(const struct matches *m, const struct vset *set, double *share);
void matches_share_set(struct matches *m, double share);
/* Have so many attributes been read for the filter that all of them would not be much more? */
bool matches_asked_often(const struct matches *m, const struct vset *set);
/* Appends to out the slots (u32) from *slot on that pass, until `work` attributes have been read or 64 times as many
 * slots were looked at; *slot: where to go on, the set's slots: all is done. ERR_COLD: what a step needs has been
 * asked for, and nothing is appended twice. */
int matches_list(struct matches *m, const struct value *v, const struct vset *set, expr *e, uint32_t *slot,
                 uint64_t work, buf *out, uint64_t *asked);

#endif
