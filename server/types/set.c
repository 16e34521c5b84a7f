/* set.c -- the set type: reading it, and its effects. */
#include "types/set.h"

#include <assert.h>
#include <stdio.h>

#include "base/intset.h"
#include "base/listpack.h"
#include "types/digest.h"
#include "types/set_build.h"
#include "types/table.h"

int set_member_ok(slice member) { return member.n > KEY_BYTES_MAX ? ERR_LIMIT : OK; }

/* ---- looking ------------------------------------------------------------------------------ */

static bool set_stored_ok(const struct stored_value *s) {
    if (s->aux > SET_AUX_TABLE || s->kind == VALUE_INT) return false;
    if (s->kind != VALUE_OBJECT) return true;
    if (s->bytes.n != SET_META_BYTES || (!s->hashed && s->aux != 0)) return false;
    uint64_t members = get_u64(s->bytes.p + 1);
    return s->bytes.p[0] == (s->hashed ? SET_OBJECT_TABLE : SET_OBJECT_INTSET) && members > 0 &&
           members <= VALUE_COUNT_MAX;
}

static const uint8_t *object_meta(const struct value *v) {
    assert(v->pager->ops->meta_bytes(v->obj) == SET_META_BYTES);
    return v->pager->ops->meta(v->obj);
}

static bool is_table(const struct value *v) {
    return v->kind == VALUE_OBJECT && object_meta(v)[0] == SET_OBJECT_TABLE;
}

int set__form(const struct value *v, enum set_form *form, slice *small) {
    *small = slice_make(NULL, 0);
    *form = v->kind == VALUE_NONE ? SET_EMPTY : SET_TABLE;
    if (v->kind == VALUE_NONE || is_table(v)) return OK;
    if (v->kind == VALUE_RAW && (v->aux & SET_AUX_TABLE) != 0) {
        *form = SET_LISTPACK;
        *small = v->raw;
        return lp_check(*small, true);
    }
    *form = SET_INTSET;
    if (v->kind == VALUE_RAW) {
        *small = v->raw;
    } else {
        int rc = v->pager->ops->get(v->pager, v->obj, 0, small);
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    }
    return intset_check(*small, false);
}

uint64_t set_len(const struct value *v) {
    if (v->kind == VALUE_OBJECT) return get_u64(object_meta(v) + 1);
    if (v->kind != VALUE_RAW) return 0;
    if ((v->aux & SET_AUX_TABLE) == 0)
        return intset_check(v->raw, false) == OK ? intset_count(v->raw) : 0;
    return lp_check(v->raw, false) == OK ? lp_count(v->raw) : 0;
}

int set_has(const struct value *v, slice member) {
    enum set_form form;
    slice small, unused;
    int64_t number;
    int rc = set__form(v, &form, &small);
    if (rc != OK) return rc;
    bool there = false;
    switch (form) {
    case SET_EMPTY: break;
    case SET_TABLE: return table_get(v->pager, v->obj, member, &unused);
    case SET_INTSET:
        there = member.n < NUM_LL_MAX && num_parse_ll(member, &number) && intset_has(small, number);
        break;
    case SET_LISTPACK:
        there = lp_first(small) != 0 && lp_find(small, lp_first(small), member, 0) != 0;
        break;
    }
    return there ? OK : ERR_NOTFOUND;
}

struct through { /* from a table's entries to members */
    set_each_fn *each;
    void *cookie;
};

static int table_entry(void *cookie, slice key, slice val) {
    const struct through *t = cookie;
    (void)val; /* It is empty. */
    return t->each(t->cookie, key);
}

int set_scan(const struct value *v, uint64_t *cursor, size_t count, set_each_fn *each,
             void *cookie) {
    enum set_form form;
    slice small;
    char tmp[NUM_LL_MAX];
    int rc = set__form(v, &form, &small);
    if (rc != OK) return rc;
    if (form == SET_TABLE) {
        struct through t = {each, cookie};
        return table_scan(v->pager, v->obj, cursor, count, table_entry, &t);
    }
    if (form == SET_INTSET) {
        for (size_t i = 0; i < intset_count(small) && rc == 0; i++)
            rc = each(cookie, slice_make(tmp, num_print_ll(tmp, intset_at(small, i))));
    } else if (form == SET_LISTPACK) {
        for (size_t at = lp_first(small); at != 0 && rc == 0; at = lp_next(small, at))
            rc = each(cookie, lp_get_bytes(small, at, tmp));
    }
    if (rc == 0) *cursor = 0;
    return rc;
}

int set_each(const struct value *v, set_each_fn *each, void *cookie) {
    uint64_t cursor = 0;
    return set_scan(v, &cursor, SIZE_MAX, each, cookie);
}

int set_random(const struct value *v, uint64_t r, slice *member, char tmp[NUM_LL_MAX]) {
    enum set_form form;
    slice small, unused;
    int rc = set__form(v, &form, &small);
    if (rc != OK) return rc;
    if (form == SET_TABLE) return table_random(v->pager, v->obj, r, member, &unused);
    uint64_t count = set_len(v);
    if (count == 0) return ERR_NOTFOUND;
    if (form == SET_INTSET)
        *member = slice_make(tmp, num_print_ll(tmp, intset_at(small, (size_t)(r % count))));
    else *member = lp_get_bytes(small, lp_seek(small, (long)(r % count)), tmp);
    return OK;
}

/* ---- effects ------------------------------------------------------------------------------ */

static void drop_object(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
    v->obj = NULL;
    v->kind = VALUE_NONE;
}

/* Puts what b has built in the place of what the value was: the same page if it is a page now and
 * before. Frees b. */
static int put_back(struct value *v, struct set_build *b) {
    pager *p = v->pager;
    bool stays = v->kind == VALUE_OBJECT && !is_table(v) && b->table == NULL && b->count > 0 &&
                 (b->aux & SET_AUX_TABLE) == 0 && b->small.n > INLINE_BYTES_MAX / 2;
    if (!stays) {
        struct value before = *v;
        int rc = set_build_end(b);
        if (rc == OK) drop_object(&before);
        else *v = before;
        return rc;
    }
    uint8_t *to;
    int rc = p->ops->mut(p, v->obj, 0, b->small.n, &to);
    if (rc == OK) {
        memcpy(to, b->small.p, b->small.n);
        put_u64(p->ops->meta_mut(p, v->obj) + 1, b->count);
    }
    set_build_drop(b);
    return rc;
}

/* Asks at once for the pages of all members of the effect. */
static int need_members(struct value *v, const effect *e) {
    int rc = OK;
    for (size_t i = 0; i < e->argc; i++) {
        int one = table_need(v->pager, v->obj, e->args[i]);
        if (one == ERR_COLD) rc = ERR_COLD;
        else if (one != OK) return one;
    }
    return rc;
}

static int add_to_table(struct value *v, const effect *e) {
    struct set_build b = {.v = v, .table = v->obj, .count = set_len(v), .aux = v->aux};
    int rc = need_members(v, e);
    for (size_t i = 0; i < e->argc && rc == OK; i++) {
        bool added;
        rc = set_build_add(&b, e->args[i], &added);
    }
    if (b.count != set_len(v))
        put_u64(v->pager->ops->meta_mut(v->pager, v->obj) + 1, b.count);
    v->aux = b.aux;
    return rc;
}

static int add_members(struct set_build *b, const effect *e) {
    for (size_t i = 0; i < e->argc; i++) {
        bool added;
        int rc = set_build_add(b, e->args[i], &added);
        if (rc == OK) continue;
        set_build_drop(b);
        return rc;
    }
    return put_back(b->v, b);
}

/* Starts from the small set that v is. */
static int start_build(struct value *v, struct set_build *b) {
    enum set_form form;
    slice small;
    *b = (struct set_build){.v = v, .small = BUF_INIT, .aux = v->kind == VALUE_NONE ? 0 : v->aux};
    int rc = set__form(v, &form, &small);
    if (rc != OK || form == SET_EMPTY) return rc;
    buf_append_slice(&b->small, small);
    b->count = form == SET_INTSET ? intset_count(small) : lp_count(small);
    return OK;
}

static int apply_add(struct value *v, const effect *e) {
    struct set_build b;
    if (is_table(v)) return add_to_table(v, e);
    int rc = start_build(v, &b);
    return rc == OK ? add_members(&b, e) : rc;
}

static int apply_store(struct value *v, const effect *e) {
    struct set_build b = {.v = v, .small = BUF_INIT};
    return add_members(&b, e);
}

static int del_in_table(struct value *v, const effect *e) {
    pager *p = v->pager;
    uint64_t count = set_len(v);
    int rc = need_members(v, e);
    if (rc != OK) return rc;
    /* A count that is too low, from the store, does not wrap. */
    for (size_t i = 0; i < e->argc && rc == OK && count > 0; i++) {
        bool removed;
        rc = table_del(p, v->obj, e->args[i], &removed);
        count -= removed;
    }
    if (count == 0) drop_object(v);
    else if (count != set_len(v)) put_u64(p->ops->meta_mut(p, v->obj) + 1, count);
    return rc;
}

static bool build_del(struct set_build *b, slice member) {
    int64_t number;
    if ((b->aux & SET_AUX_TABLE) == 0)
        return member.n < NUM_LL_MAX && num_parse_ll(member, &number) &&
               intset_del(&b->small, number);
    size_t at = lp_find(slice_of(&b->small), lp_first(slice_of(&b->small)), member, 0);
    if (at != 0) lp_delete(&b->small, at, 1);
    return at != 0;
}

static int apply_rem(struct value *v, const effect *e) {
    struct set_build b;
    if (v->kind == VALUE_NONE) return OK;
    if (is_table(v)) return del_in_table(v, e);
    int rc = start_build(v, &b);
    if (rc != OK) return rc;
    uint64_t had = b.count;
    for (size_t i = 0; i < e->argc && b.count > 0; i++) b.count -= build_del(&b, e->args[i]);
    if (b.count != had) return put_back(v, &b);
    set_build_drop(&b);
    return OK;
}

static int set_apply(struct value *v, const effect *e) {
    if (e->argc == 0) return ERR_CORRUPT;
    for (size_t i = 0; i < e->argc && e->op != SET_REM; i++)
        if (set_member_ok(e->args[i]) != OK) return ERR_CORRUPT;
    switch (e->op) {
    case SET_ADD: return apply_add(v, e);
    case SET_REM: return apply_rem(v, e);
    case SET_STORE: return apply_store(v, e);
    }
    return ERR_CORRUPT;
}

/* ---- as a whole --------------------------------------------------------------------------- */

static const char *set_encoding(struct value *v) {
    return v->aux & SET_AUX_TABLE ? "hashtable" : "intset";
}

static uint64_t set_length(struct value *v) { return set_len(v); }

static int digest_member(void *cookie, slice member) {
    digest_xor(cookie, member.p, member.n);
    return 0;
}

static int set_digest(struct value *v, uint8_t digest[20]) {
    uint8_t sum[20];
    memcpy(sum, digest, 20); /* A cold page may end the walk. */
    digest_start(sum, DIGEST_SET);
    int rc = set_each(v, digest_member, sum);
    if (rc == OK) memcpy(digest, sum, 20);
    return rc;
}

/* No member of a listpack twice; of an intset in order. */
static int check_small(enum set_form form, slice small) {
    if (form == SET_INTSET) return intset_check(small, true);
    for (size_t at = lp_first(small); at != 0; at = lp_next(small, at)) {
        char tmp[NUM_LL_MAX];
        size_t next = lp_next(small, at);
        if (next != 0 && lp_find(small, next, lp_get_bytes(small, at, tmp), 0) != 0)
            return ERR_CORRUPT;
    }
    return OK;
}

static int set_check(struct value *v, char why[160]) {
    enum set_form form;
    slice small;
    uint64_t count = 0;
    int rc = set__form(v, &form, &small);
    if (rc == OK && form != SET_EMPTY && form != SET_TABLE) rc = check_small(form, small);
    if (rc == ERR_CORRUPT) snprintf(why, 160, "set: its root, intset or listpack is damaged");
    if (rc != OK) return rc;
    if (form == SET_TABLE) {
        rc = table_check(v->pager, v->obj, &count, why);
        if (rc != OK) return rc;
    } else if (form != SET_EMPTY) {
        count = form == SET_INTSET ? intset_count(small) : lp_count(small);
    }
    if (count == set_len(v) && count > 0) return OK;
    snprintf(why, 160, "set: %llu members found, %llu expected", (unsigned long long)count,
             (unsigned long long)set_len(v));
    return ERR_CORRUPT;
}

const struct type type_set = {
    .id = TYPE_SET,
    .name = "set",
    .stored_ok = set_stored_ok,
    .apply = set_apply,
    .dump = set_dump,
    .restore = set_restore,
    .rdb_types = set_rdb_types,
    .encoding = set_encoding,
    .length = set_length,
    .digest = set_digest,
    .check = set_check,
};
