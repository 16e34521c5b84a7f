/* top.h -- the best k of a stream of candidates.
 *
 * A heap whose root is the worst that is kept. Order: distance, NaN last; equals by age
 * of insertion (node). What is kept of a candidate is copied. */
#ifndef COVE_VECTOR_TOP_H
#define COVE_VECTOR_TOP_H

#include "base/bytes.h"

struct top_item {
    double distance;
    uint64_t node;
    uint8_t *bytes;  /* owned: name, attribute, vector */
    size_t name_n, attribute_n, vector_n;
    float norm, range;
    bool has_attribute;
};

struct top {
    struct top_item *items;
    size_t n, cap, k;
};

void top_deinit(struct top *t);
void top_clear(struct top *t);
/* Would it be among the best k? Cheap; to be asked before add. */
bool top_wants(const struct top *t, double distance, uint64_t node);
/* Takes it in, and the worst out when there are more than k. Its three parts are
 * copied. */
void top_add(struct top *t, const struct top_item *facts, slice name, slice attribute,
             slice vector);
void top_sort(struct top *t); /* best first; nothing may be added any more */

static inline slice top_name(const struct top_item *i) {
    return slice_make(i->bytes, i->name_n);
}
static inline slice top_attribute(const struct top_item *i) {
    return slice_make(i->bytes + i->name_n, i->attribute_n);
}
static inline const uint8_t *top_vector(const struct top_item *i) {
    return i->bytes + i->name_n + i->attribute_n;
}

#endif
