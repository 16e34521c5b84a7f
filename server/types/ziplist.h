/* ziplist.h -- reading the two flat encodings that older Redis versions put into RDB payloads. */
#ifndef COVE_TYPES_ZIPLIST_H
#define COVE_TYPES_ZIPLIST_H

#include "base/bytes.h"
#include "base/err.h"

/* Called for each element; what is not OK ends the walk and is returned. */
typedef int flat_each(void *cookie, slice bytes);

/* All elements of a ziplist, numbers as text. Hostile input: ERR_CORRUPT, perhaps after some
 * calls. */
int ziplist_each(slice zl, flat_each *each, void *cookie);
/* Fields and values of a zipmap, in turns. */
int zipmap_each(slice zm, flat_each *each, void *cookie);

#endif
