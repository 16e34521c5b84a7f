/* kmeans.h -- clusters of vectors, for the index: pure functions on arrays, for workers.
 *
 * Euclidean, on float rows; the caller has rotated or normalised them as it likes. Every call is
 * deterministic for its seed and gives each row one cluster; degenerate rows (all equal, fewer distinct than
 * k) still come out as k parts of about equal size, cut by position: no row is ever lost. */
#ifndef COVE_VECTOR_KMEANS_H
#define COVE_VECTOR_KMEANS_H

#include "base/bytes.h"

struct kmeans_rows {
    const float *x; /* n rows of dim floats */
    size_t n;
    uint32_t dim;
};

/* The mean of all: dim floats. */
void kmeans_mean(const struct kmeans_rows *rows, float *out);
/* Balanced: the size of a part adds a penalty to its distance, so that none is more than about `most` rows
 * (k * most >= n is asserted; after the last pass parts over `most` give those rows to the next
 * nearest with room that lose least by it). No part is empty while another has two rows. k-means++ seeds on a sample; at most `passes` passes. part: n
 * numbers below k; centroids: k x dim floats, the means of their parts. O(n k dim passes). */
void kmeans(const struct kmeans_rows *rows, uint32_t k, size_t most, unsigned passes, uint64_t seed,
            uint32_t *part, float *centroids);

/* Hierarchical: parts of about `target` rows, at most 2 * target, however many rows there are: wide first
 * (at most 64 ways at a time), each part again until small enough. Returns the number of parts; *centroids
 * (parts x dim floats) is allocated for the caller. part: n numbers. Parts that lie near one another get numbers
 * near one another (the order of the tree). */
size_t kmeans_tree(const struct kmeans_rows *rows, size_t target, unsigned passes, uint64_t seed,
                   uint32_t *part, float **centroids);

#endif
