/* recall.h -- how many of the true nearest a search finds, measured on the set's own elements.
 *
 * A sampled element is searched for with many more clusters than a search takes, wide error bounds and exact
 * distances: as good as a scan of all. The rank of each true neighbour's cluster, in the order in which a search
 * would take the clusters, gives the whole curve of recall against probes at once. The element itself does
 * not count. In steps, for the loop. */
#ifndef COVE_VECTOR_RECALL_H
#define COVE_VECTOR_RECALL_H

#include "modules/vector/ivf.h"

#define RECALL_KS 3      /* curves: for the nearest, 10, 100 */
#define RECALL_TARGETS 4 /* 0.80, 0.90, 0.95, 0.99 */
#define RECALL_PROBES_MAX 2048

typedef struct recall recall;
/* With k 0 for the curves; else how good searches for k with so many probes are. */
recall *recall_create(uint32_t samples, uint32_t k, uint32_t probes);
void recall_free(recall *r); /* NULL is fine. */
/* ERR_AGAIN: after some tenths of a millisecond; ERR_COLD; OK: it is done. The index is ready. */
int recall_step(recall *r, const struct value *v, const struct vset *set, rnd *chance);
/* The least probes that reach each target: [curve][target]. */
void recall_curves(const recall *r, uint16_t probes[RECALL_KS][RECALL_TARGETS]);
double recall_mean(const recall *r);
uint32_t recall_samples(const recall *r); /* done */

/* What has been measured last (VECTOR_PROBES), for k and a target; something sensible when nothing has. */
uint32_t recall_probes(const struct value *v, uint32_t k, double target);
uint32_t recall_rows(const struct value *v); /* that were in the index then; 0: nothing has been measured */

#endif
