/* set.h -- the vector set type: facts about all elements in its root, elements in slots.
 *
 * An element lives in a slot, a number that is free again when the element goes away or is given another vector
 * (then it has another slot, of the same page of vectors: so a walk over these pages meets every element that
 * stays once). How slots and names are kept: store.h.
 *
 * `node` counts insertions: an update is one, too, so it breaks ties and answers hnsw-max-node-uid. */
#ifndef COVE_VECTOR_SET_H
#define COVE_VECTOR_SET_H

#include "modules/vector/quant.h"
#include "module.h"

enum vset_op {                 /* stored */
               VECTOR_ADD = 1, /* args: element, f32 vector as given, shape
                                  (vset_shape_write), [attribute] */
               VECTOR_REM = 2, /* args: element */
               VECTOR_ATTR = 3 /* args: element, attribute (empty: remove it) */
};

/* What the first VADD decides. */
struct vset_shape {
    enum quant quant;
    enum vector_metric metric;
    uint32_t dim;       /* stored */
    uint32_t input_dim; /* before the projection; 0: there is none */
    uint32_t m;
    uint64_t uid;
};
#define VSET_SHAPE_BYTES 24
void vset_shape_write(uint8_t out[VSET_SHAPE_BYTES], const struct vset_shape *s);

struct vset {
    struct vset_shape shape;
    uint64_t count, attributes, last_node;
    uint64_t version; /* of the content: any change makes it another */
    uint32_t slots;   /* one more than the highest that was ever used */
};
/* Of a value of this type. */
void vset_read(const struct value *v, struct vset *out);

/* Borrowed until any page or object changes. */
struct element {
    slice name;
    uint32_t slot;
    uint64_t node;
    struct point point;
    bool has_attribute;
    bool attribute_apart; /* in a page of its own */
};
/* OK, ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT. slot may be NULL: out says it, too. */
int vset_find(const struct value *v, const struct vset_shape *s, slice name, uint32_t *slot, struct element *out);
int vset_slot(const struct value *v, const struct vset_shape *s, uint32_t slot, struct element *out);
/* The same for n slots, at most VSET_MANY, side by side (see get_many in pager.h); what is there is on its way into the
 * processor's cache. */
#define VSET_MANY PAGER_MANY
struct vset_got {
    int rc;
    struct element e;
};
void vset_slots(const struct value *v, const struct vset_shape *s, const uint32_t *slot, size_t n, struct vset_got *out);
/* The attribute of the slot's element; ERR_NOTFOUND: it has none. */
int vset_attribute(const struct value *v, uint32_t slot, slice *out);
/* Ask for what those need, when something is cold; OK also when there is nothing. The first may be ERR_LIMIT: as
 * pager_ops.hold() says. */
/* How many of them, at most VSET_MANY, lie in pages that are in memory, and have been used there. */
size_t vset_slots_here(const struct value *v, const struct vset_shape *s, const uint32_t *slot, size_t n);
int vset_slot_hold(const struct value *v, const struct vset_shape *s, uint32_t slot);
int vset_attribute_need(const struct value *v, uint32_t slot);

/* The first slot from this one on in a page that is there (it may be free all the same); set->slots: none. So a walk
 * over slots takes as long as there are pages, whatever the root says of slots. */
uint32_t vset_slot_next(const struct value *v, const struct vset *set, uint32_t slot);

/* A number beside each slot, for an index: 0 in a free slot, and in one that has just been filled. */
int vset_place(const struct value *v, uint32_t slot, uint32_t *place);
int vset_place_set(struct value *v, uint32_t slot, uint32_t place);
int vset_place_need(const struct value *v, uint32_t slot);
/* Bytes of the root that are an index's own; zero in a new set. */
#define VSET_INDEX_META 128
const uint8_t *vset_index_meta(const struct value *v);
uint8_t *vset_index_meta_mut(struct value *v);

/* All elements in the order of their slots, when all pages are in memory (ERR_COLD: they have been asked for).
 * attribute is NULL when there is none. Anything but 0 from each ends the walk. */
typedef int vset_each_fn(void *cookie, const struct element *e, const slice *attribute);
int vset_each(const struct value *v, vset_each_fn *each, void *cookie);

/* Whether name and attribute are short enough. */
bool vset_fits(size_t name, size_t attribute);

/* For restore: a new set, and elements as they were stored. ERR_EXISTS: the name is there. */
int vset_make(struct value *v, const struct vset_shape *s);
int vset_put(struct value *v, slice name, uint64_t node, const struct point *point, const slice *attribute);

extern const struct type vset_type;
int vset_check(struct value *v, char why[160]);
int vset_dump(struct value *v, buf *out);
int vset_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version);
extern const uint8_t vset_rdb_types[];

#endif
