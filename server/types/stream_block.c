/* stream_block.c -- see stream_block.h. */
#include "types/stream_block.h"

#define FLAG_DELETED 1
#define FLAG_SAME_FIELDS 2
#define HEAD 3         /* elements before an entry's own: flags, ms, seq */

/* ---- ids ---------------------------------------------------------------------------------- */

void stream_id_put(uint8_t to[STREAM_ID_BYTES], stream_id id) {
    put_u64(to, __builtin_bswap64(id.ms));
    put_u64(to + 8, __builtin_bswap64(id.seq));
}

stream_id stream_id_read(const uint8_t *p) {
    return (stream_id){__builtin_bswap64(get_u64(p)), __builtin_bswap64(get_u64(p + 8))};
}

int stream_id_cmp(stream_id a, stream_id b) {
    if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

bool stream_id_up(stream_id *id) {
    if (id->seq == UINT64_MAX && id->ms == UINT64_MAX) return false;
    if (++id->seq == 0) id->ms++;
    return true;
}

bool stream_id_down(stream_id *id) {
    if (id->seq == 0 && id->ms == 0) return false;
    if (id->seq-- == 0) id->ms--;
    return true;
}

/* ---- walking ------------------------------------------------------------------------------ */

static bool get_int(slice lp, size_t at, int64_t *v) {
    if (at == 0) return false;
    struct lp_value x = lp_get(lp, at);
    *v = x.num;
    return x.is_int;
}

/* The integer at *at, which moves on. */
static bool read_int(slice lp, size_t *at, int64_t *v) {
    if (!get_int(lp, *at, v)) return false;
    *at = lp_next(lp, *at);
    return true;
}

static size_t skip(slice lp, size_t at, uint64_t n) {
    while (n-- > 0 && at != 0) at = lp_next(lp, at);
    return at;
}

int stream_block_open(slice lp, stream_id master, struct stream_cursor *c) {
    int64_t live, deleted, fields, zero;
    size_t at = lp_first(lp);
    if (!read_int(lp, &at, &live) || !read_int(lp, &at, &deleted) || !read_int(lp, &at, &fields)) {
        return ERR_CORRUPT;
    }
    if (live < 0 || deleted < 0 || fields < 0 || (uint64_t)fields > lp.n) return ERR_CORRUPT;
    *c = (struct stream_cursor){.lp = lp, .master = master, .live = (uint64_t)live,
                                .deleted = (uint64_t)deleted, .fields = (uint64_t)fields,
                                .field_at = at};
    at = skip(lp, at, c->fields);
    if (!read_int(lp, &at, &zero) || zero != 0) return ERR_CORRUPT;
    c->first = c->at = at;
    return OK;
}

/* The head of the entry at `at`: all but where it ends. */
static bool read_head(const struct stream_cursor *c, size_t at, struct stream_entry *e) {
    int64_t ms, seq, fields = (int64_t)c->fields;
    *e = (struct stream_entry){.lp = c->lp, .flags_at = at, .field_at = c->field_at};
    uint8_t flags = c->lp.p[at]; /* In one byte: others take its place without a move. */
    if (flags > (FLAG_DELETED | FLAG_SAME_FIELDS)) return false;
    at = lp_next(c->lp, at);
    if (!read_int(c->lp, &at, &ms) || !read_int(c->lp, &at, &seq)) return false;
    e->same = flags & FLAG_SAME_FIELDS;
    e->deleted = flags & FLAG_DELETED;
    if (!e->same && !read_int(c->lp, &at, &fields)) return false;
    if (fields < 0 || (uint64_t)fields > c->lp.n) return false;
    e->fields = (uint64_t)fields;
    e->id = (stream_id){c->master.ms + (uint64_t)ms, c->master.seq + (uint64_t)seq};
    e->value_at = at;
    return at != 0;
}

int stream_block_next(struct stream_cursor *c, struct stream_entry *e) {
    int64_t count;
    if (c->at == 0) return ERR_NOTFOUND;
    if (!read_head(c, c->at, e)) return ERR_CORRUPT;
    size_t at = skip(c->lp, e->value_at, e->same ? e->fields : 2 * e->fields);
    uint64_t elements = e->same ? HEAD + e->fields : HEAD + 1 + 2 * e->fields;
    if (!read_int(c->lp, &at, &count) || count < 0 || (uint64_t)count != elements) return ERR_CORRUPT;
    c->at = e->end = at;
    return OK;
}

int stream_block_prev(struct stream_cursor *c, struct stream_entry *e) {
    int64_t count;
    if (c->at == c->first) return ERR_NOTFOUND;
    size_t at = c->at == 0 ? lp_last(c->lp) : lp_prev(c->lp, c->at);
    if (!get_int(c->lp, at, &count) || count < HEAD || (uint64_t)count > c->lp.n) return ERR_CORRUPT;
    for (; count > 0 && at > c->first; count--) at = lp_prev(c->lp, at);
    if (count > 0 || at < c->first || !read_head(c, at, e)) return ERR_CORRUPT;
    e->end = c->at;
    c->at = at;
    return OK;
}

bool stream_entry_pair(struct stream_entry *e, struct stream_pair *out) {
    size_t *field = e->same ? &e->field_at : &e->value_at;
    if (*field == 0) return false;
    out->field = lp_get_bytes(e->lp, *field, out->tmp[0]);
    *field = lp_next(e->lp, *field);
    if (e->value_at == 0) return false;
    out->value = lp_get_bytes(e->lp, e->value_at, out->tmp[1]);
    e->value_at = lp_next(e->lp, e->value_at);
    return true;
}

bool stream_block_ok(slice lp) {
    struct stream_cursor c;
    struct stream_entry e;
    uint64_t live = 0, deleted = 0;
    int rc;
    if (lp_check(lp, true) != OK || stream_block_open(lp, STREAM_ID_MIN, &c) != OK) return false;
    while ((rc = stream_block_next(&c, &e)) == OK) {
        if (e.deleted) deleted++;
        else live++;
    }
    return rc == ERR_NOTFOUND && live > 0 && live == c.live && deleted == c.deleted;
}

bool stream_block_ordered(slice lp, stream_id master, stream_id last) {
    struct stream_cursor c;
    struct stream_entry e;
    stream_id before = master;
    int rc = stream_block_open(lp, master, &c);
    for (bool first = true; rc == OK; first = false) {
        rc = stream_block_next(&c, &e);
        if (rc != OK) break;
        int order = stream_id_cmp(e.id, before);
        if (order < 0 || (order == 0 && !first) || stream_id_cmp(e.id, last) > 0) return false;
        before = e.id;
    }
    return rc == ERR_NOTFOUND;
}

/* ---- changing ----------------------------------------------------------------------------- */

/* The later one first: it may grow. */
static void set_counts(buf *lp, uint64_t live, uint64_t deleted) {
    size_t first = lp_first(slice_of(lp));
    lp_replace_int(lp, lp_next(slice_of(lp), first), (int64_t)deleted);
    lp_replace_int(lp, first, (int64_t)live);
}

/* A value that is empty has no bytes to look like a number. */
static void append_head(buf *lp, int64_t flags, stream_id master, stream_id id) {
    lp_append_int(lp, flags);
    lp_append_int(lp, (int64_t)(id.ms - master.ms));
    lp_append_int(lp, (int64_t)(id.seq - master.seq));
}

void stream_block_new(buf *lp, const slice *args, size_t argc) {
    int64_t fields = (int64_t)(argc / 2);
    lp_new(lp);
    lp_append_int(lp, 1);
    lp_append_int(lp, 0);
    lp_append_int(lp, fields);
    for (size_t i = 0; i < argc; i += 2) lp_append(lp, args[i]);
    lp_append_int(lp, 0);
    append_head(lp, FLAG_SAME_FIELDS, STREAM_ID_MIN, STREAM_ID_MIN);
    for (size_t i = 0; i < argc; i += 2) lp_append(lp, args[i + 1]);
    lp_append_int(lp, HEAD + fields);
}

static bool same_fields(const struct stream_cursor *c, const slice *args, size_t argc) {
    size_t at = c->field_at;
    if (c->fields != argc / 2) return false;
    for (size_t i = 0; i < argc; i += 2, at = lp_next(c->lp, at))
        if (at == 0 || !lp_equals(c->lp, at, args[i])) return false;
    return true;
}

static int64_t elements_of(bool same, size_t argc) {
    return same ? HEAD + (int64_t)(argc / 2) : HEAD + 1 + (int64_t)argc;
}

size_t stream_block_grows(const struct stream_cursor *c, stream_id id, const slice *args, size_t argc,
                          bool *same) {
    *same = same_fields(c, args, argc);
    size_t n = lp_entry_bytes_int((int64_t)c->live + 1) - lp_entry_bytes_int((int64_t)c->live);
    n += lp_entry_bytes_int(0) + lp_entry_bytes_int((int64_t)(id.ms - c->master.ms)) +
         lp_entry_bytes_int((int64_t)(id.seq - c->master.seq)) + lp_entry_bytes_int(elements_of(*same, argc));
    if (!*same) n += lp_entry_bytes_int((int64_t)(argc / 2));
    for (size_t i = *same; i < argc; i += 1 + *same) n += lp_entry_bytes(args[i]);
    return n;
}

void stream_block_append(buf *lp, const struct stream_cursor *c, stream_id id, const slice *args, size_t argc,
                         bool same) {
    set_counts(lp, c->live + 1, c->deleted);
    append_head(lp, same ? FLAG_SAME_FIELDS : 0, c->master, id);
    if (!same) lp_append_int(lp, (int64_t)(argc / 2));
    for (size_t i = same; i < argc; i += 1 + same) lp_append(lp, args[i]);
    lp_append_int(lp, elements_of(same, argc));
}

static void mark(buf *lp, const struct stream_entry *e) { /* An integer of one byte remains one. */
    lp_replace_int(lp, e->flags_at, FLAG_DELETED | (e->same ? FLAG_SAME_FIELDS : 0));
}

int stream_block_delete(buf *lp, stream_id master, stream_id id) {
    struct stream_cursor c;
    struct stream_entry e;
    int rc = stream_block_open(slice_of(lp), master, &c);
    while (rc == OK && (rc = stream_block_next(&c, &e)) == OK) {
        if (stream_id_cmp(e.id, id) != 0) continue;
        if (e.deleted) return ERR_NOTFOUND;
        if (c.live == 0) return ERR_CORRUPT;
        mark(lp, &e);
        set_counts(lp, c.live - 1, c.deleted + 1);
        return OK;
    }
    return rc;
}

int stream_block_delete_to(buf *lp, stream_id master, stream_id last, uint64_t *deleted) {
    struct stream_cursor c;
    struct stream_entry e;
    *deleted = 0;
    int rc = stream_block_open(slice_of(lp), master, &c);
    while (rc == OK && (rc = stream_block_next(&c, &e)) == OK) {
        if (stream_id_cmp(e.id, last) > 0) break;
        if (e.deleted) continue;
        mark(lp, &e);
        c.lp = slice_of(lp);
        ++*deleted;
    }
    if (rc == ERR_CORRUPT || *deleted > c.live) return ERR_CORRUPT;
    set_counts(lp, c.live - *deleted, c.deleted + *deleted);
    return OK;
}
