/* set_build.c -- making a set member by member. */
#include "types/set_build.h"

#include "base/intset.h"
#include "base/listpack.h"
#include "base/num.h"
#include "types/table.h"

#define MEMBER_OVERHEAD 12 /* of a member in a listpack: a header and a length, at most */
#define LISTPACK_TRY 512   /* An intset of more members is no small listpack either. */

bool set_build_fits(const struct value *v, uint64_t count) {
    uint64_t most = (uint64_t)v->config->set_max_intset_entries;
    return count <= (most < INTSET_COUNT_MAX ? most : INTSET_COUNT_MAX);
}

static int table_add(struct set_build *b, slice member, bool *added) {
    int rc = table_put(b->v->pager, b->table, member, slice_make(NULL, 0), added);
    if (rc == OK) b->count += *added;
    return rc;
}

static int start_table(struct set_build *b) {
    pager *p = b->v->pager;
    b->table = p->ops->make(p, true, SET_META_BYTES);
    b->count = 0;
    return b->table == NULL ? ERR_NOMEM : OK;
}

static int intset_to_table(struct set_build *b) {
    buf was = b->small;
    b->small = BUF_INIT;
    int rc = start_table(b);
    for (size_t i = 0; rc == OK && i < intset_count(slice_of(&was)); i++) {
        char tmp[NUM_LL_MAX];
        bool added;
        size_t n = num_print_ll(tmp, intset_at(slice_of(&was), i));
        rc = table_add(b, slice_make(tmp, n), &added);
    }
    buf_free(&was);
    return rc;
}

/* It is no intset any more: a listpack if that is small enough, else a table. */
static int leave_intset(struct set_build *b) {
    buf lp = BUF_INIT;
    b->aux |= SET_AUX_TABLE;
    if (b->table != NULL) return OK;
    size_t count = b->small.n == 0 ? 0 : intset_count(slice_of(&b->small));
    bool small = count <= LISTPACK_TRY;
    if (small) lp_new(&lp);
    for (size_t i = 0; small && i < count; i++) {
        lp_append_int(&lp, intset_at(slice_of(&b->small), i));
        small = lp.n <= INLINE_BYTES_MAX;
    }
    if (!small) {
        buf_free(&lp);
        return intset_to_table(b);
    }
    buf_free(&b->small);
    b->small = lp;
    return OK;
}

static int listpack_to_table(struct set_build *b) {
    buf was = b->small;
    slice lp = slice_of(&was);
    b->small = BUF_INIT;
    int rc = start_table(b);
    for (size_t at = lp_first(lp); rc == OK && at != 0; at = lp_next(lp, at)) {
        char tmp[NUM_LL_MAX];
        bool added;
        rc = table_add(b, lp_get_bytes(lp, at, tmp), &added);
    }
    buf_free(&was);
    return rc;
}

static int listpack_add(struct set_build *b, slice member, bool *added) {
    slice lp = slice_of(&b->small);
    size_t first = lp_first(lp);
    *added = first == 0 || lp_find(lp, first, member, 0) == 0;
    if (!*added) return OK;
    if (lp.n + member.n + MEMBER_OVERHEAD > INLINE_BYTES_MAX) {
        int rc = listpack_to_table(b);
        return rc == OK ? table_add(b, member, added) : rc;
    }
    lp_append(&b->small, member);
    b->count++;
    return OK;
}

int set_build_add(struct set_build *b, slice member, bool *added) {
    int64_t number = 0;
    bool is_number = member.n < NUM_LL_MAX && num_parse_ll(member, &number);
    int rc = OK;
    if ((b->aux & SET_AUX_TABLE) == 0 && !is_number) rc = leave_intset(b);
    if (rc != OK) return rc;
    if (b->table != NULL) {
        rc = table_add(b, member, added);
        if (!set_build_fits(b->v, b->count)) b->aux |= SET_AUX_TABLE;
        return rc;
    }
    if ((b->aux & SET_AUX_TABLE) != 0) return listpack_add(b, member, added);
    if (b->small.n == 0) intset_new(&b->small);
    *added = intset_add(&b->small, number);
    b->count += *added;
    if (!set_build_fits(b->v, b->count)) return leave_intset(b);
    return b->small.n > PAGE_BYTES ? intset_to_table(b) : OK;
}

int set_build_end(struct set_build *b) {
    struct value *v = b->v;
    v->type = TYPE_SET;
    v->aux = b->aux;
    int rc = value_become(v, b->count, slice_of(&b->small), &b->table, SET_OBJECT_INTSET, SET_OBJECT_TABLE);
    set_build_drop(b);
    return rc;
}

void set_build_drop(struct set_build *b) {
    if (b->table != NULL) b->v->pager->ops->free(b->v->pager, b->table);
    b->table = NULL;
    buf_free(&b->small);
}
