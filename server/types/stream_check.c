/* stream_check.c -- the invariants of a stream, walked.
 *
 *  1. Blocks hold the entries that the tree says, in order; ids are not above the last one.
 *  2. The meta knows the number of entries, blocks and groups.
 *  3. A pending entry is one of its consumer's, and the other way round; groups and consumers know
 *     how many they have. A number of a consumer has its name. */
#include <stdio.h>

#include "types/stream_internal.h"

struct checking {
    const struct value *v;
    char *why;
    const struct stream_group *g;
    uint64_t groups, consumers, pending, own, length, blocks;
};

static int bad(struct checking *c, const char *what) {
    snprintf(c->why, 160, "stream: %s", what);
    return ERR_CORRUPT;
}

static int check_blocks(struct checking *c) {
    struct stream_head h = stream_head(c->v);
    struct stream_block_at b;
    struct stream_cursor cursor;
    struct stream_entry e;
    stream_id id = STREAM_ID_MIN, last = STREAM_ID_MIN;
    int rc;
    while ((rc = stream_block_from(c->v, id, &b)) == OK) {
        slice lp;
        rc = stream_block_read(c->v, &b, &lp);
        if (rc == ERR_CORRUPT) return bad(c, "a block is damaged");
        if (rc != OK) return rc;
        if (c->blocks > 0 && stream_id_cmp(b.id, last) <= 0) return bad(c, "blocks overlap");
        if (!stream_block_ok(lp) || !stream_block_ordered(lp, b.id, h.last))
            return bad(c, "entries are out of order");
        if (stream_block_open(lp, b.id, &cursor) != OK || cursor.live != b.live)
            return bad(c, "a block has another number of entries");
        while (stream_block_next(&cursor, &e) == OK) last = e.id;
        c->length += b.live;
        c->blocks++;
        id = b.id;
        if (!stream_id_up(&id)) break;
    }
    if (rc != OK && rc != ERR_NOTFOUND) return rc == ERR_CORRUPT ? bad(c, "the blocks are lost") : rc;
    if (c->length != h.length) return bad(c, "the number of entries is wrong");
    if (c->blocks != h.blocks) return bad(c, "the number of blocks is wrong");
    if (stream__meta_u64(c->v, SM_TAIL_PAGE) == 0) return OK;
    rc = stream__block_floor(c->v, STREAM_ID_MAX, &b);
    if (rc != OK || b.page + 1 != stream__meta_u64(c->v, SM_TAIL_PAGE) ||
        stream_id_cmp(b.id, stream_id_read(stream__meta(c->v) + SM_TAIL_ID)) != 0)
        return bad(c, "the last block is another one");
    return OK;
}

static int check_pending(void *cookie, const struct stream_pending *p) {
    struct checking *c = cookie;
    struct stream_consumer owner;
    slice name;
    int rc = stream_consumer_name(c->v, c->g, p->consumer, &name);
    if (rc == OK) rc = stream_consumer_get(c->v, c->g, name, &owner);
    if (rc == ERR_COLD) return rc;
    if (rc != OK || owner.number != p->consumer) return bad(c, "a pending entry is nobody's");
    c->pending++;
    return OK;
}

static int check_own(void *cookie, const struct stream_pending *p) {
    (void)p;
    ((struct checking *)cookie)->own++;
    return OK;
}

static int check_consumer(void *cookie, slice name, const struct stream_consumer *one) {
    struct checking *c = cookie;
    slice other;
    uint64_t before = c->own;
    int rc = stream_consumer_name(c->v, c->g, one->number, &other);
    if (rc == ERR_COLD) return rc;
    if (rc != OK || !slice_eq(name, other) || one->number >= c->g->next_consumer)
        return bad(c, "a consumer has another name");
    rc = stream_pending_each(c->v, c->g, one, STREAM_ID_MIN, check_own, c);
    if (rc == ERR_COLD) return rc;
    if (rc != OK || c->own - before != one->pending)
        return bad(c, "a consumer has another number of pending entries");
    c->consumers++;
    return OK;
}

static int check_group(void *cookie, slice name, const struct stream_group *g) {
    struct checking *c = cookie;
    (void)name;
    c->g = g;
    c->consumers = c->pending = c->own = 0;
    c->groups++;
    if (g->number >= stream__meta_u64(c->v, SM_NEXT_GROUP)) return bad(c, "a group has a number of the future");
    int rc = stream_pending_each(c->v, g, NULL, STREAM_ID_MIN, check_pending, c);
    if (rc == OK) rc = stream_consumers_each(c->v, g, check_consumer, c);
    if (rc == ERR_CORRUPT && c->why[0] == '\0') return bad(c, "a row of a group is damaged");
    if (rc != OK) return rc;
    if (c->pending != g->pending || c->own != g->pending || c->consumers != g->consumers)
        return bad(c, "a group counts wrong");
    return OK;
}

int stream__check(struct value *v, char why[160]) {
    struct checking c = {.v = v, .why = why};
    why[0] = '\0';
    if (v->kind != VALUE_OBJECT) return bad(&c, "it is no object");
    int rc = btree_check(v->pager, v->obj, why);
    if (rc == OK) rc = check_blocks(&c);
    if (rc == OK) rc = stream_groups_each(v, check_group, &c);
    if (rc == ERR_CORRUPT && why[0] == '\0') return bad(&c, "a row is damaged");
    if (rc != OK) return rc;
    return c.groups == stream_head(v).groups ? OK : bad(&c, "the number of groups is wrong");
}
