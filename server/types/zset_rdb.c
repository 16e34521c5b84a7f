/* zset_rdb.c -- sorted sets as RDB payloads.
 *
 * What restore takes is built anew, member by member, so that nothing of a payload but its strings and
 * numbers gets into the server. A payload of single members is read twice: the encoding follows from all
 * of them, and what a listpack makes of a score from the encoding. */
#include <assert.h>
#include <math.h>

#include "base/listpack.h"
#include "types/rdb.h"
#include "types/ziplist.h"
#include "types/zset_internal.h"

const uint8_t zset_rdb_types[] = {RDB_ZSET, RDB_ZSET_2, RDB_ZSET_ZIPLIST, RDB_ZSET_LISTPACK, RDB_END};

/* ---- dump ---------------------------------------------------------------------------------- */

static int dump_pair(void *cookie, slice member, double score) {
    rdb_write_string(cookie, member);
    rdb_write_double(cookie, score);
    return 0;
}

static int pack_pair(void *cookie, slice member, double score) {
    char text[NUM_DOUBLE_MAX];
    lp_append(cookie, member);
    lp_append(cookie, slice_make(text, zset_packed_text(text, score)));
    return 0;
}

int zset_dump(struct value *v, buf *out) {
    slice lp;
    int rc = zset__inline(v, &lp);
    bool flat = zset_packed(v);
    if (rc == OK && flat) {
        buf_u8(out, RDB_ZSET_LISTPACK);
        rdb_write_string(out, lp);
        return OK;
    }
    if (rc != OK && v->kind != VALUE_OBJECT) return ERR_CORRUPT;
    buf packed = BUF_INIT;
    uint64_t len = zset_len(v);
    size_t start = out->n;
    if (flat) {
        lp_new(&packed);
        rc = zset_each(v, 0, len, false, pack_pair, &packed);
        buf_u8(out, RDB_ZSET_LISTPACK);
        rdb_write_string(out, slice_of(&packed));
    } else {
        buf_u8(out, RDB_ZSET_2);
        rdb_write_len(out, len);
        rc = zset_each(v, 0, len, true, dump_pair, out); /* The last first, as in Redis. */
    }
    buf_free(&packed);
    if (rc != OK) out->n = start;
    return rc;
}

/* ---- restore ------------------------------------------------------------------------------ */

struct zset_build {
    struct value v; /* what is built; the caller's changes at the end only */
    buf scratch;    /* its inline bytes, while it has some */
};

static int add(struct zset_build *b, slice member, double score) {
    uint64_t had = zset_len(&b->v);
    if (zset_member_ok(member) != OK || isnan(score)) return ERR_CORRUPT;
    int rc = zset__put(&b->v, member, score);
    return rc == OK && zset_len(&b->v) == had ? ERR_CORRUPT : rc; /* A member twice. */
}

static int read_pair(uint8_t rdb_type, reader *r, buf *store, slice *member, double *score) {
    int rc = rdb_read_string(r, store, member);
    if (rc != OK) return rc;
    *score = rdb_type == RDB_ZSET_2 ? rdb_read_double(r) : rdb_read_double_text(r);
    return r->bad ? ERR_CORRUPT : OK;
}

static int restore_pairs(struct zset_build *b, uint8_t rdb_type, reader *r) {
    uint64_t n = rdb_read_count(r, rdb_type == RDB_ZSET_2 ? 9 : 2);
    if (r->bad || n == 0) return ERR_CORRUPT;
    reader first = *r;
    buf store = BUF_INIT;
    slice member;
    double score;
    size_t longest = 0;
    int rc = OK;
    for (uint64_t i = 0; i < n && rc == OK; i++) {
        rc = read_pair(rdb_type, &first, &store, &member, &score);
        if (rc == OK && member.n > longest) longest = member.n;
    }
    if (!zset__listpack_allows(&b->v, n, longest)) b->v.aux = ZSET_AUX_SKIPLIST;
    for (uint64_t i = 0; i < n && rc == OK; i++) {
        rc = read_pair(rdb_type, r, &store, &member, &score);
        if (rc == OK) rc = add(b, member, score);
    }
    buf_free(&store);
    return rc;
}

struct flat { /* elements that come one by one: a member, its score, a member... */
    struct zset_build *b;
    buf member;
    bool has_member;
};

static int flat_next(void *cookie, slice bytes) {
    struct flat *f = cookie;
    double score;
    f->has_member = !f->has_member;
    if (!f->has_member)
        return num_parse_double(bytes, &score) ? add(f->b, slice_of(&f->member), score) : ERR_CORRUPT;
    f->member.n = 0;
    buf_append_slice(&f->member, bytes);
    return OK;
}

static int each_packed(slice lp, flat_each *each, void *cookie) {
    if (lp.n > LP_BYTES_MAX || lp_check(lp, true) != OK) return ERR_CORRUPT;
    int rc = OK;
    for (size_t at = lp_first(lp); at != 0 && rc == OK; at = lp_next(lp, at)) {
        char tmp[NUM_LL_MAX];
        rc = each(cookie, lp_get_bytes(lp, at, tmp));
    }
    return rc;
}

/* A listpack stays one, however long its members are, when they are not too many. */
static int restore_flat(struct zset_build *b, slice blob, bool ziplist) {
    struct flat f = {b, BUF_INIT, false};
    int rc = ziplist ? ziplist_each(blob, flat_next, &f) : each_packed(blob, flat_next, &f);
    buf_free(&f.member);
    uint64_t n = zset_len(&b->v);
    if (rc == OK && (f.has_member || n == 0)) rc = ERR_CORRUPT;
    b->v.aux = (uint8_t)(zset__listpack_allows(&b->v, n, 0) ? 0 : ZSET_AUX_SKIPLIST);
    return rc;
}

int zset_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version) {
    (void)rdb_version; /* A type byte always meant the same. */
    assert(v->kind == VALUE_NONE);
    struct zset_build b = {.v = *v};
    buf store = BUF_INIT;
    slice blob;
    int rc;
    b.v.scratch = &b.scratch;
    b.v.type = TYPE_ZSET;
    b.v.aux = 0;
    if (rdb_type == RDB_ZSET || rdb_type == RDB_ZSET_2) {
        rc = restore_pairs(&b, rdb_type, r);
    } else {
        rc = rdb_read_string(r, &store, &blob);
        if (rc == OK && rdb_type == RDB_ZSET_LISTPACK) rc = restore_flat(&b, blob, false);
        else if (rc == OK && rdb_type == RDB_ZSET_ZIPLIST) rc = restore_flat(&b, blob, true);
        else if (rc == OK) rc = ERR_CORRUPT;
    }
    buf_free(&store);
    return value_take_built(v, &b.v, &b.scratch, rc);
}
