/* string.c -- the string type. */
#include "types/string.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "types/digest.h"
#include "types/rdb.h"

#define CHANGED_IN_PLACE 1u /* of value.aux: OBJECT ENCODING says raw, however short */
#define META_BYTES 8
#define LENGTH_STORED_MAX (STRING_LENGTH_MAX * 2) /* what an offset and bytes come to */
#define GROW_ROUND 64 /* Chunks that grow do so in steps of at least this. */

/* ---- looking ------------------------------------------------------------------------------ */

static bool string_stored_ok(const struct stored_value *s) {
    if (s->aux > CHANGED_IN_PLACE) return false;
    if (s->kind != VALUE_OBJECT) return true;
    return !s->hashed && s->bytes.n == META_BYTES && get_u64(s->bytes.p) <= LENGTH_STORED_MAX;
}

static uint64_t object_len(const struct value *v) {
    assert(v->pager->ops->meta_bytes(v->obj) == META_BYTES);
    return get_u64(v->pager->ops->meta(v->obj));
}

uint64_t string_len(const struct value *v) {
    char tmp[NUM_LL_MAX];
    switch ((enum value_kind)v->kind) {
    case VALUE_NONE: return 0;
    case VALUE_INT: return num_print_ll(tmp, v->num);
    case VALUE_RAW: return v->raw.n;
    case VALUE_OBJECT: return object_len(v);
    }
    return 0;
}

bool string_slice(const struct value *v, char tmp[NUM_LL_MAX], slice *out) {
    switch ((enum value_kind)v->kind) {
    case VALUE_NONE: *out = SLICE(""); return true;
    case VALUE_INT: *out = slice_make(tmp, num_print_ll(tmp, v->num)); return true;
    case VALUE_RAW: *out = v->raw; return true;
    case VALUE_OBJECT: return false;
    }
    return false;
}

/* Asks for the chunks that [offset, offset + len) lies in. */
static int need_range(const struct value *v, uint64_t offset, uint64_t len) {
    int rc = OK;
    if (len == 0) return OK;
    for (uint64_t i = offset / PAGE_BYTES; i <= (offset + len - 1) / PAGE_BYTES; i++) {
        int one = v->pager->ops->need(v->pager, v->obj, i);
        if (one == ERR_COLD) rc = ERR_COLD; /* The others are asked for as well. */
        else if (one != OK) return one;
    }
    return rc;
}

int string_read(const struct value *v, uint64_t offset, uint64_t len, buf *out) {
    uint64_t total = string_len(v);
    if (offset >= total) return OK;
    if (len > total - offset) len = total - offset;
    char tmp[NUM_LL_MAX];
    slice s;
    if (string_slice(v, tmp, &s)) {
        buf_append(out, s.p + offset, (size_t)len);
        return OK;
    }
    int rc = need_range(v, offset, len);
    if (rc != OK) return rc;
    if (buf_try_reserve(out, (size_t)len) != OK) return ERR_NOMEM;
    while (len > 0) {
        size_t at = (size_t)(offset % PAGE_BYTES), n = PAGE_BYTES - at;
        if (n > len) n = (size_t)len;
        slice page = slice_make(NULL, 0);
        rc = v->pager->ops->get(v->pager, v->obj, offset / PAGE_BYTES, &page);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        size_t there = page.n > at ? page.n - at : 0;
        if (there > n) there = n;
        if (there > 0) memcpy(out->p + out->n, page.p + at, there);
        memset(out->p + out->n + there, 0, n - there);
        out->n += n;
        offset += n;
        len -= n;
    }
    return OK;
}

bool string_number(const struct value *v, int64_t *out) {
    if (v->kind == VALUE_INT) *out = v->num;
    return v->kind == VALUE_INT || (v->kind == VALUE_RAW && num_parse_ll(v->raw, out));
}

/* ---- changing ----------------------------------------------------------------------------- */

static void drop_object(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
    v->obj = NULL;
}

static void set_raw(struct value *v, slice bytes) {
    drop_object(v);
    v->type = TYPE_STRING;
    v->kind = VALUE_RAW;
    v->raw = bytes;
}

/* Writes bytes at offset; the chunks are resident. Bytes that a chunk gains before the offset are
 * zero. Grown chunks get a little more than they need, for the next time. */
static int write_chunks(pager *p, object *o, uint64_t offset, slice bytes, bool growing) {
    while (bytes.n > 0) {
        uint64_t index = offset / PAGE_BYTES;
        size_t at = (size_t)(offset % PAGE_BYTES), n = PAGE_BYTES - at;
        if (n > bytes.n) n = bytes.n;
        slice page = slice_make(NULL, 0);
        int rc = p->ops->get(p, o, index, &page);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        size_t size = page.n;
        if (size < at + n) {
            size = at + n;
            if (growing) size = (size + size / 8 + GROW_ROUND - 1) & ~(size_t)(GROW_ROUND - 1);
            if (size > PAGE_BYTES) size = PAGE_BYTES;
        }
        uint8_t *to;
        rc = p->ops->mut(p, o, index, size, &to);
        if (rc != OK) return rc;
        memcpy(to + at, bytes.p, n);
        bytes = slice_make(bytes.p + n, bytes.n - n);
        offset += n;
    }
    return OK;
}

static int make_object(struct value *v, slice bytes, object **out) {
    pager *p = v->pager;
    object *o = p->ops->make(p, false, META_BYTES);
    if (o == NULL) return ERR_NOMEM;
    int rc = write_chunks(p, o, 0, bytes, false);
    if (rc != OK) {
        p->ops->free(p, o);
        return rc;
    }
    put_u64(p->ops->meta_mut(p, o), bytes.n);
    *out = o;
    return OK;
}

int string_set_value(struct value *v, slice bytes) {
    int64_t num;
    if (bytes.n > INLINE_BYTES_MAX) {
        object *o;
        int rc = make_object(v, bytes, &o);
        if (rc != OK) return rc;
        drop_object(v);
        v->type = TYPE_STRING;
        v->kind = VALUE_OBJECT;
        v->obj = o;
    } else {
        set_raw(v, bytes);
        if (bytes.n < NUM_LL_MAX && num_parse_ll(bytes, &num)) {
            v->kind = VALUE_INT;
            v->num = num;
        }
    }
    v->aux = 0;
    return OK;
}

/* Bytes written over, or past, what there is: SETRANGE, and APPEND to something. */
static int write_at(struct value *v, uint64_t offset, slice bytes) {
    uint64_t had = string_len(v);
    if (offset > STRING_LENGTH_MAX || bytes.n > STRING_LENGTH_MAX) return ERR_CORRUPT;
    uint64_t will = offset + bytes.n > had ? offset + bytes.n : had;
    if (bytes.n == 0) will = had;
    char tmp[NUM_LL_MAX];
    slice old;
    if (string_slice(v, tmp, &old) && will <= INLINE_BYTES_MAX) {
        buf *s = v->scratch;
        s->n = 0;
        buf_reserve(s, (size_t)will + 1);
        if (old.n != 0) memcpy(s->p, old.p, old.n);
        memset(s->p + old.n, 0, (size_t)will - old.n);
        if (bytes.n != 0) memcpy(s->p + offset, bytes.p, bytes.n);
        s->n = (size_t)will;
        set_raw(v, slice_of(s));
        v->aux = CHANGED_IN_PLACE;
        return OK;
    }
    pager *p = v->pager;
    object *o = v->obj;
    int rc = v->kind == VALUE_OBJECT ? need_range(v, offset, bytes.n) : make_object(v, old, &o);
    if (rc != OK) return rc;
    rc = write_chunks(p, o, offset, bytes, true);
    if (rc != OK) {
        if (v->kind != VALUE_OBJECT) p->ops->free(p, o);
        return rc;
    }
    if (will != had) put_u64(p->ops->meta_mut(p, o), will);
    v->type = TYPE_STRING;
    v->kind = VALUE_OBJECT;
    v->obj = o;
    v->aux = CHANGED_IN_PLACE;
    return OK;
}

static int apply_append(struct value *v, slice bytes) {
    if (v->kind == VALUE_NONE) return string_set_value(v, bytes);
    return write_at(v, string_len(v), bytes);
}

static int apply_incrby(struct value *v, int64_t by) {
    int64_t now = 0;
    if (v->kind != VALUE_NONE && !string_number(v, &now)) return ERR_CORRUPT;
    if (__builtin_add_overflow(now, by, &now)) return ERR_CORRUPT;
    v->type = TYPE_STRING;
    v->kind = VALUE_INT;
    v->num = now;
    v->aux = 0;
    return OK;
}

static int string_apply(struct value *v, const effect *e) {
    switch (e->op) {
    case STRING_APPEND:
        if (e->argc != 1) return ERR_CORRUPT;
        return apply_append(v, e->args[0]);
    case STRING_SETRANGE:
        if (e->argc != 2 || e->args[0].n != 8) return ERR_CORRUPT;
        return write_at(v, get_u64(e->args[0].p), e->args[1]);
    case STRING_INCRBY:
        if (e->argc != 1 || e->args[0].n != 8) return ERR_CORRUPT;
        return apply_incrby(v, (int64_t)get_u64(e->args[0].p));
    case STRING_SET:
        if (e->argc != 1) return ERR_CORRUPT;
        return string_set_value(v, e->args[0]);
    }
    return ERR_CORRUPT;
}

/* ---- as a whole --------------------------------------------------------------------------- */

/* All bytes: borrowed, or read into *store. */
static int whole(struct value *v, char tmp[NUM_LL_MAX], buf *store, slice *out) {
    if (string_slice(v, tmp, out)) return OK;
    int rc = string_read(v, 0, string_len(v), store);
    *out = slice_of(store);
    return rc;
}

static int string_dump(struct value *v, buf *out) {
    char tmp[NUM_LL_MAX];
    buf store = BUF_INIT;
    slice s;
    int rc = whole(v, tmp, &store, &s);
    if (rc == OK && buf_try_reserve(out, s.n + 16) != OK) rc = ERR_NOMEM;
    if (rc == OK) {
        buf_u8(out, RDB_STRING);
        rdb_write_string(out, s);
    }
    buf_free(&store);
    return rc;
}

static int string_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version) {
    (void)rdb_version; /* This type never changed. */
    assert(v->kind == VALUE_NONE);
    if (rdb_type != RDB_STRING) return ERR_CORRUPT;
    buf store = BUF_INIT;
    slice s;
    int rc = rdb_read_string(r, &store, &s);
    if (rc == OK && s.n <= INLINE_BYTES_MAX) { /* It may borrow nothing of `store`. */
        v->scratch->n = 0;
        buf_append_slice(v->scratch, s);
        s = slice_of(v->scratch);
    }
    if (rc == OK) rc = string_set_value(v, s);
    buf_free(&store);
    return rc;
}

static const char *string_encoding(struct value *v) {
    if (v->kind == VALUE_INT) return "int";
    if (v->kind == VALUE_RAW && v->raw.n <= STRING_EMBSTR_MAX && !(v->aux & CHANGED_IN_PLACE))
        return "embstr";
    return "raw";
}

static uint64_t string_length(struct value *v) { return string_len(v); }

static int string_digest(struct value *v, uint8_t digest[20]) {
    char tmp[NUM_LL_MAX];
    buf store = BUF_INIT;
    slice s;
    int rc = whole(v, tmp, &store, &s);
    if (rc == OK) {
        digest_start(digest, DIGEST_STRING);
        digest_mix(digest, s.p, s.n);
    }
    buf_free(&store);
    return rc;
}

static int check_chunks(struct value *v, char why[160]) {
    pager *p = v->pager;
    uint64_t len = object_len(v);
    uint64_t chunks = (len + PAGE_BYTES - 1) / PAGE_BYTES, found = 0;
    for (uint64_t i = 0; i < chunks; i++) {
        slice page;
        int rc = p->ops->get(p, v->obj, i, &page);
        if (rc == ERR_NOTFOUND) continue;
        if (rc != OK) return rc;
        found++;
        uint64_t want = i + 1 < chunks ? PAGE_BYTES : len - i * PAGE_BYTES;
        bool clean = page.n <= PAGE_BYTES;
        for (uint64_t k = want; clean && k < page.n; k++) clean = page.p[k] == 0;
        if (clean) continue;
        snprintf(why, 160, "string: chunk %llu has %zu bytes, or not zero past the end",
                 (unsigned long long)i, page.n);
        return ERR_CORRUPT;
    }
    if (found == p->ops->pages(v->obj)) return OK;
    snprintf(why, 160, "string: %llu chunks, of which %llu lie within its length",
             (unsigned long long)p->ops->pages(v->obj), (unsigned long long)found);
    return ERR_CORRUPT;
}

static int string_check(struct value *v, char why[160]) {
    if (v->kind != VALUE_OBJECT) {
        if (v->kind != VALUE_RAW || v->raw.n <= INLINE_BYTES_MAX) return OK;
        snprintf(why, 160, "string: %zu bytes inline", v->raw.n);
        return ERR_CORRUPT;
    }
    return check_chunks(v, why);
}

static const uint8_t string_rdb_types[] = {RDB_STRING, RDB_END};

const struct type type_string = {
    .id = TYPE_STRING,
    .name = "string",
    .stored_ok = string_stored_ok,
    .apply = string_apply,
    .dump = string_dump,
    .restore = string_restore,
    .rdb_types = string_rdb_types,
    .encoding = string_encoding,
    .length = string_length,
    .digest = string_digest,
    .check = string_check,
};
