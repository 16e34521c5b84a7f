/* stream_find.c -- entries of ids that rise, one after the other: what is pending, what is deleted. */
#include "types/stream_internal.h"

static int open_block(const struct value *v, struct stream_finder *f, stream_id id) {
    struct stream_block_at b;
    slice lp;
    f->open = f->any = false;
    int rc = stream__block_floor(v, id, &b);
    if (rc == OK) rc = stream_block_read(v, &b, &lp);
    if (rc == OK) rc = stream_block_open(lp, b.id, &f->cursor);
    if (rc != OK) return rc;
    f->block = b.id;
    f->open = true;
    return OK;
}

/* Goes on in the open block to the first entry that is not before `id`. ERR_NOTFOUND: there is none. */
static int go_on(struct stream_finder *f, stream_id id) {
    int rc = OK;
    while (rc == OK && (!f->any || stream_id_cmp(f->at.id, id) < 0)) {
        rc = stream_block_next(&f->cursor, &f->at);
        f->any = rc == OK;
    }
    return rc;
}

int stream_find(const struct value *v, struct stream_finder *f, stream_id id, struct stream_entry *e) {
    struct stream_block_at b;
    int rc = OK;
    if (f->open && stream_id_cmp(id, f->last) < 0) f->open = false;
    f->last = id;
    if (!f->open) rc = open_block(v, f, id);
    if (rc == OK) rc = go_on(f, id);
    if (rc == ERR_NOTFOUND && f->open) { /* The block has ended: is it in a later one? */
        rc = stream__block_floor(v, id, &b);
        if (rc == OK && stream_id_cmp(b.id, f->block) <= 0) return ERR_NOTFOUND;
        if (rc == OK) rc = open_block(v, f, id);
        if (rc == OK) rc = go_on(f, id);
    }
    if (rc != OK) return rc;
    if (stream_id_cmp(f->at.id, id) != 0 || f->at.deleted) return ERR_NOTFOUND;
    *e = f->at;
    return OK;
}
