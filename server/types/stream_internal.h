/* stream_internal.h -- the parts of a stream, shared by stream.c (entries), stream_find.c, stream_edit.c (changes of
 * entries), stream_group.c, stream_pend.c (changes of groups), stream_refs.c, stream_check.c and
 * stream_rdb.c. */
#ifndef COVE_TYPES_STREAM_INTERNAL_H
#define COVE_TYPES_STREAM_INTERNAL_H

#include "types/stream.h"

/* The meta, after the tree's. */
#define SM_FORMAT 64      /* u8 STREAM_FORMAT; seven zero bytes */
#define SM_LENGTH 72      /* u64 live entries */
#define SM_ADDED 80       /* u64 entries ever added */
#define SM_LAST 88        /* id */
#define SM_DELETED 104    /* id: the greatest that was deleted */
#define SM_TAIL_PAGE 120  /* u64 page of the last block, plus one; 0: it has to be looked for */
#define SM_TAIL_ID 128    /* its id */
#define SM_TAIL_LIVE 144  /* u64: its live entries; what the tree says of them is of no account */
#define SM_BLOCKS 152     /* u64 */
#define SM_GROUPS 160     /* u64 */
#define SM_NEXT_GROUP 168 /* u64 number of the next group; from 1 on */
#define STREAM_META_BYTES 176
#define STREAM_FORMAT 1

#define STREAM_KEY_MAX 1024
struct stream_key {
    uint8_t p[STREAM_KEY_MAX];
    size_t n;
};
slice stream__key(struct stream_key *k, uint8_t kind);
slice stream__key_u64(struct stream_key *k, uint64_t v); /* these add to it, and answer it */
slice stream__key_id(struct stream_key *k, stream_id id);
slice stream__key_name(struct stream_key *k, slice name);
bool stream__has_prefix(slice key, slice prefix);

static inline const uint8_t *stream__meta(const struct value *v) {
    return v->pager->ops->meta(v->obj);
}
static inline uint64_t stream__meta_u64(const struct value *v, unsigned at) {
    return get_u64(stream__meta(v) + at);
}
static inline void stream__meta_set(struct value *v, unsigned at, uint64_t n) {
    put_u64(v->pager->ops->meta_mut(v->pager, v->obj) + at, n);
}
static inline void stream__meta_set_id(struct value *v, unsigned at, stream_id id) {
    stream_id_put(v->pager->ops->meta_mut(v->pager, v->obj) + at, id);
}

int stream__make(struct value *v); /* an empty stream, if there is none */
int stream__block_floor(const struct value *v, stream_id id, struct stream_block_at *b);
/* A block as the last one; its id is above all others'. What stood as the last is written down. */
int stream__block_add(struct value *v, stream_id id, slice lp, uint64_t live);
/* ERR_COLD, and nothing has changed. */
int stream__add(struct value *v, stream_id id, const slice *args, size_t argc);

/* The halves of apply() for entries: ask, and do. args have been checked by stream__args_ok(). */
int stream__need_add(const struct value *v, const slice *args, size_t argc);
int stream__need_trim(const struct value *v, stream_id to);
int stream__trim(struct value *v, stream_id to);
int stream__need_delete(const struct value *v, slice ids);
int stream__delete(struct value *v, slice ids);

/* And for groups. */
int stream__need_group(const struct value *v, uint8_t op, const slice *args);
int stream__apply_group(struct value *v, uint8_t op, const slice *args);
int stream__put_group(struct value *v, slice name, const struct stream_group *g);
int stream__put_consumer(struct value *v, const struct stream_group *g, slice name,
                         const struct stream_consumer *c);
/* Makes the row of its name too. */
int stream__new_consumer(struct value *v, struct stream_group *g, slice name, uint64_t seen,
                         uint64_t active, struct stream_consumer *c);
int stream__put_pending(struct value *v, const struct stream_group *g,
                        const struct stream_pending *p);
/* The ids are pending no longer, if they were. */
int stream__need_ack(const struct value *v, const struct stream_group *g, slice ids);
int stream__ack(struct value *v, slice name, struct stream_group *g, slice ids);
int stream__need_unref(const struct value *v, slice ids); /* in any group */
int stream__unref(struct value *v, slice ids);
/* Notes it under its consumer. */
int stream__put_own(struct value *v, const struct stream_group *g, const struct stream_pending *p);

int stream__check(struct value *v, char why[160]);
extern const uint8_t stream_rdb_types[];
int stream_dump(struct value *v, buf *out);
int stream_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version);

#endif
