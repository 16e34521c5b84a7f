/* stream_read.c -- how far a group has come, as far as that can be told: the counts of XINFO. */
#include "types/stream_internal.h"

/* The first entry's id; 0-0 when there is none. */
static int first_or_zero(const struct value *v, stream_id *id) {
    int rc = stream_first(v, id);
    if (rc != ERR_NOTFOUND) return rc;
    *id = STREAM_ID_MIN;
    return OK;
}

static bool is_zero(stream_id id) { return id.ms == 0 && id.seq == 0; }

int stream_read_at(const struct value *v, stream_id id, int64_t *n) {
    struct stream_head h = stream_head(v);
    stream_id first;
    int order = stream_id_cmp(id, h.last);
    *n = h.added == 0 ? 0 : (int64_t)h.added;
    if (h.added == 0 || order == 0 || (h.length == 0 && order < 0)) return OK;
    *n = STREAM_READ_UNKNOWN;
    if (order > 0) return OK;
    int rc = first_or_zero(v, &first);
    if (rc != OK) return rc;
    if (!is_zero(h.max_deleted) && stream_id_cmp(h.max_deleted, first) >= 0) return OK;
    order = stream_id_cmp(id, first);
    if (order <= 0) *n = (int64_t)(h.added - h.length) + (order == 0);
    return OK;
}

int stream_deleted_after(const struct value *v, stream_id id, bool *any) {
    struct stream_head h = stream_head(v);
    stream_id first;
    *any = false;
    if (h.length == 0 || is_zero(h.max_deleted) || stream_id_cmp(id, h.max_deleted) > 0) return OK;
    int rc = first_or_zero(v, &first);
    if (rc == OK) *any = stream_id_cmp(first, h.max_deleted) <= 0;
    return rc;
}
