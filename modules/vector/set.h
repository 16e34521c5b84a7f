/* set.h -- the vector set type: elements in a paged hash table, facts about all of them
 * in its root.
 *
 *   table: element name -> record: node u64 | norm f32 | range f32 | flags u32 | vector |
 * attribute
 *
 * `node` counts insertions: an update is one, too, so it breaks ties and answers
 * hnsw-max-node-uid. */
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
};
/* Of a value of this type. */
void vset_read(const struct value *v, struct vset *out);

struct element {
    uint64_t node;
    struct point point;
    bool has_attribute;
    slice attribute;
};
/* False: the record is damaged. Borrows it. */
bool element_read(const struct vset_shape *s, slice record, struct element *out);
/* OK, ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT. */
int vset_find(const struct value *v, const struct vset_shape *s, slice name,
              struct element *out);
/* Whether name, vector and attribute fit one entry. */
bool vset_fits(const struct vset_shape *s, size_t name, size_t attribute);

/* For restore: a new set, and elements as they were stored. */
object *vset_make(pager *p, const struct vset_shape *s);
int vset_put(pager *p, object *o, slice name, uint64_t node, const struct point *point,
             const slice *attribute);

extern const struct type vset_type;
int vset_dump(struct value *v, buf *out);
int vset_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version);
extern const uint8_t vset_rdb_types[];

#endif
