/* set_rdb.c -- sets as RDB payloads.
 *
 * What restore takes is built anew, member by member; only an intset that passed every check is
 * taken as it is. */
#include <assert.h>

#include "base/intset.h"
#include "base/listpack.h"
#include "base/num.h"
#include "types/rdb.h"
#include "types/set.h"
#include "types/set_build.h"

const uint8_t set_rdb_types[] = {RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK, RDB_END};

struct dump {
    buf *out;
    uint64_t left; /* of the members that the payload promises */
};

static int dump_member(void *cookie, slice member) {
    struct dump *d = cookie;
    if (d->left-- == 0) return ERR_CORRUPT;
    rdb_write_string(d->out, member);
    return 0;
}

int set_dump(struct value *v, buf *out) {
    enum set_form form;
    slice small;
    int rc = set__form(v, &form, &small);
    if (rc != OK) return rc;
    if (form == SET_INTSET) {
        buf_u8(out, RDB_SET_INTSET);
        rdb_write_string(out, small);
        return OK;
    }
    size_t start = out->n;
    buf_u8(out, RDB_SET);
    struct dump d = {out, set_len(v)};
    rdb_write_len(out, d.left);
    rc = set_each(v, dump_member, &d);
    if (rc == OK && d.left != 0) rc = ERR_CORRUPT;
    if (rc != OK) out->n = start;
    return rc;
}

/* ---- restore ------------------------------------------------------------------------------ */

static int add_new(struct set_build *b, slice member) {
    bool added = false;
    if (set_member_ok(member) != OK) return ERR_CORRUPT;
    int rc = set_build_add(b, member, &added);
    return rc == OK && !added ? ERR_CORRUPT : rc; /* A member twice. */
}

static int restore_members(struct set_build *b, reader *r) {
    uint64_t count = rdb_read_count(r, 1);
    if (r->bad || count == 0) return ERR_CORRUPT;
    buf store = BUF_INIT;
    int rc = OK;
    for (uint64_t i = 0; i < count && rc == OK; i++) {
        slice member;
        rc = rdb_read_string(r, &store, &member);
        if (rc == OK) rc = add_new(b, member);
    }
    buf_free(&store);
    return rc;
}

static int restore_intset(struct set_build *b, slice s) {
    if (intset_check(s, true) != OK || intset_count(s) == 0) return ERR_CORRUPT;
    if (set_build_fits(b->v, intset_count(s)) && s.n <= PAGE_BYTES) {
        buf_append_slice(&b->small, s);
        b->count = intset_count(s);
        return OK;
    }
    int rc = OK;
    for (size_t i = 0; i < intset_count(s) && rc == OK; i++) {
        char tmp[NUM_LL_MAX];
        rc = add_new(b, slice_make(tmp, num_print_ll(tmp, intset_at(s, i))));
    }
    return rc;
}

static int restore_listpack(struct set_build *b, slice lp) {
    if (lp.n > LP_BYTES_MAX || lp_check(lp, true) != OK || lp_count(lp) == 0) return ERR_CORRUPT;
    int rc = OK;
    for (size_t at = lp_first(lp); at != 0 && rc == OK; at = lp_next(lp, at)) {
        char tmp[NUM_LL_MAX];
        rc = add_new(b, lp_get_bytes(lp, at, tmp));
    }
    return rc;
}

int set_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version) {
    (void)rdb_version; /* A type byte always meant the same. */
    assert(v->kind == VALUE_NONE);
    struct set_build b = {.v = v, .small = BUF_INIT};
    buf store = BUF_INIT;
    slice blob;
    int rc;
    if (rdb_type == RDB_SET) {
        rc = restore_members(&b, r);
    } else {
        rc = rdb_read_string(r, &store, &blob);
        if (rc == OK && rdb_type == RDB_SET_INTSET) rc = restore_intset(&b, blob);
        else if (rc == OK && rdb_type == RDB_SET_LISTPACK) rc = restore_listpack(&b, blob);
        else if (rc == OK) rc = ERR_CORRUPT;
    }
    buf_free(&store);
    if (rc == OK) return set_build_end(&b);
    set_build_drop(&b);
    return rc;
}
