/* hash.c -- the hash type: reading it, and its effects. */
#include "types/hash.h"

#include <assert.h>

#include "base/listpack.h"
#include "types/hash_build.h"
#include "types/table.h"

#define RANDOM_TRIES 32 /* Then it is likely that most fields have expired. */

int hash_pair_ok(slice field, slice value) {
    if (field.n > KEY_BYTES_MAX || value.n > TABLE_ENTRY_MAX - KEY_BYTES_MAX) return ERR_LIMIT;
    return OK;
}

/* ---- looking ------------------------------------------------------------------------------ */

static const uint8_t *object_meta(const struct value *v) {
    assert(v->pager->ops->meta_bytes(v->obj) == HASH_META_BYTES);
    return v->pager->ops->meta(v->obj);
}

bool hash__is_table(const struct value *v) {
    return v->kind == VALUE_OBJECT && object_meta(v)[0] == HASH_OBJECT_TABLE;
}

int hash__listpack(const struct value *v, slice *lp) {
    if (v->kind == VALUE_NONE || hash__is_table(v)) return ERR_NOTFOUND;
    if (v->kind == VALUE_RAW) {
        *lp = v->raw;
    } else {
        int rc = v->pager->ops->get(v->pager, v->obj, 0, lp);
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    }
    /* It may have come from the store. The check walks it once, as the search does that
     * follows. */
    int rc = lp_check(*lp, true);
    return rc == OK && lp_count(*lp) % hash__step(hash_timed(v)) != 0 ? ERR_CORRUPT : rc;
}

bool hash_timed(const struct value *v) {
    return v->kind != VALUE_NONE && (v->aux & HASH_AUX_EXPIRES) != 0;
}

/* Before now; but nothing has expired where there is no clock. */
static bool has_expired(const struct value *v, int64_t expire_ms) {
    return expire_ms != 0 && expire_ms < v->now_ms;
}

uint64_t hash_len(const struct value *v) {
    if (v->kind == VALUE_OBJECT) return get_u64(object_meta(v) + 1);
    if (v->kind != VALUE_RAW || lp_check(v->raw, false) != OK) return 0;
    return lp_count(v->raw) / hash__step(hash_timed(v));
}

static int get_any(const struct value *v, slice field, slice *val, int64_t *expire_ms,
                   char tmp[NUM_LL_MAX]) {
    if (hash__is_table(v)) {
        slice stored;
        bool marked;
        int rc = table_get_marked(v->pager, v->obj, field, &stored, &marked);
        return rc != OK ? rc : hash__entry(stored, marked, val, expire_ms);
    }
    slice lp;
    int rc = hash__listpack(v, &lp);
    if (rc != OK) return rc;
    size_t at = hash__lp_find(lp, hash_timed(v), field);
    if (at == 0) return ERR_NOTFOUND;
    *expire_ms = hash__lp_expiry(lp, hash_timed(v), at);
    *val = lp_get_bytes(lp, lp_next(lp, at), tmp);
    return OK;
}

int hash_get_timed(const struct value *v, slice field, slice *val, int64_t *expire_ms,
                   char tmp[NUM_LL_MAX]) {
    slice unused;
    int rc = get_any(v, field, val != NULL ? val : &unused, expire_ms, tmp);
    return rc == OK && has_expired(v, *expire_ms) ? ERR_NOTFOUND : rc;
}

int hash_get(const struct value *v, slice field, slice *val, char tmp[NUM_LL_MAX]) {
    int64_t expire_ms;
    return hash_get_timed(v, field, val, &expire_ms, tmp);
}

int hash_need(const struct value *v, slice field) {
    if (v->kind != VALUE_OBJECT) return OK;
    if (hash__is_table(v)) return table_need(v->pager, v->obj, field);
    return v->pager->ops->need(v->pager, v->obj, 0);
}

struct scan {
    const struct value *v;
    hash__each_fn *each;
    hash_each_fn *live; /* or this one, of those that have not expired */
    void *cookie;
};

static int scan_entry(void *cookie, slice field, slice stored, bool marked) {
    const struct scan *s = cookie;
    slice val;
    int64_t expire_ms;
    int rc = hash__entry(stored, marked, &val, &expire_ms);
    return rc != OK ? rc : s->each(s->cookie, field, val, expire_ms);
}

int hash__scan(const struct value *v, uint64_t *cursor, size_t count, hash__each_fn *each,
               void *cookie) {
    struct scan s = {.each = each, .cookie = cookie};
    if (hash__is_table(v)) return table_scan_marked(v->pager, v->obj, cursor, count, scan_entry, &s);
    slice lp;
    bool timed = hash_timed(v);
    int rc = hash__listpack(v, &lp);
    if (rc == ERR_NOTFOUND) {
        *cursor = 0;
        return OK;
    }
    if (rc != OK) return rc;
    for (size_t at = lp_first(lp); at != 0; at = hash__lp_next(lp, timed, at)) {
        char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
        rc = each(cookie, lp_get_bytes(lp, at, field_tmp), lp_get_bytes(lp, lp_next(lp, at), val_tmp),
                  hash__lp_expiry(lp, timed, at));
        if (rc != 0) return rc;
    }
    *cursor = 0;
    return OK;
}

static int scan_live(void *cookie, slice field, slice val, int64_t expire_ms) {
    const struct scan *s = cookie;
    return has_expired(s->v, expire_ms) ? 0 : s->live(s->cookie, field, val);
}

int hash_scan(const struct value *v, uint64_t *cursor, size_t count, hash_each_fn *each,
              void *cookie) {
    struct scan s = {.v = v, .live = each, .cookie = cookie};
    return hash__scan(v, cursor, count, scan_live, &s);
}

int hash_each(const struct value *v, hash_each_fn *each, void *cookie) {
    uint64_t cursor = 0;
    return hash_scan(v, &cursor, SIZE_MAX, each, cookie);
}

static int count_one(void *cookie, slice field, slice val) {
    (void)field;
    (void)val;
    ++*(uint64_t *)cookie;
    return 0;
}

int hash_live(const struct value *v, uint64_t *n) {
    *n = hash_timed(v) ? 0 : hash_len(v);
    return hash_timed(v) ? hash_each(v, count_one, n) : OK;
}

/* One of the fields that have not expired; those that have stand in front. */
static int random_small(const struct value *v, uint64_t r, slice lp, slice *field,
                        char field_tmp[NUM_LL_MAX], slice *val, char val_tmp[NUM_LL_MAX]) {
    bool timed = hash_timed(v);
    size_t fields = lp_count(lp) / hash__step(timed), at = fields == 0 ? 0 : lp_first(lp);
    while (at != 0 && has_expired(v, hash__lp_expiry(lp, timed, at))) {
        at = hash__lp_next(lp, timed, at);
        fields--;
    }
    if (at == 0) return ERR_NOTFOUND;
    for (uint64_t skip = r % fields; skip > 0; skip--) at = hash__lp_next(lp, timed, at);
    *field = lp_get_bytes(lp, at, field_tmp);
    if (val != NULL) *val = lp_get_bytes(lp, lp_next(lp, at), val_tmp);
    return OK;
}

struct nth { /* the pair that is wanted, counted from 0 */
    uint64_t left;
    slice field, val;
};

static int take_nth(void *cookie, slice field, slice val) {
    struct nth *n = cookie;
    n->field = field;
    n->val = val;
    return n->left-- == 0;
}

/* Drawing has met only fields that have expired: they are left out by walking. */
static int random_by_walk(const struct value *v, uint64_t r, slice *field, slice *val) {
    struct nth n = {0};
    uint64_t live;
    int rc = hash_live(v, &live);
    if (rc != OK) return rc;
    if (live == 0) return ERR_NOTFOUND;
    n.left = r % live;
    rc = hash_each(v, take_nth, &n);
    if (rc != 1) return rc == OK ? ERR_CORRUPT : rc;
    *field = n.field; /* They lie in a page, which stays. */
    *val = n.val;
    return OK;
}

int hash_random(const struct value *v, uint64_t r, slice *field, char field_tmp[NUM_LL_MAX],
                slice *val, char val_tmp[NUM_LL_MAX]) {
    slice lp, unused, stored;
    if (!hash__is_table(v)) {
        int rc = hash__listpack(v, &lp);
        return rc != OK ? rc : random_small(v, r, lp, field, field_tmp, val, val_tmp);
    }
    if (val == NULL) val = &unused;
    for (unsigned i = 0; i < RANDOM_TRIES; i++) {
        bool marked;
        int64_t expire_ms;
        int rc = table_random_marked(v->pager, v->obj, r, field, &stored, &marked);
        if (rc == OK) rc = hash__entry(stored, marked, val, &expire_ms);
        if (rc != OK || !has_expired(v, expire_ms)) return rc;
        r = r * 6364136223846793005u + 1442695040888963407u;
    }
    return random_by_walk(v, r >> 16, field, val);
}

/* ---- effects ------------------------------------------------------------------------------ */

static void drop_object(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
    v->obj = NULL;
    v->kind = VALUE_NONE;
}

/* Puts the listpack of b back to where the value keeps one: the same page if it has one and still
 * needs it. */
static int put_back(struct value *v, struct hash_build *b) {
    pager *p = v->pager;
    bool stays = v->kind == VALUE_OBJECT && b->table == NULL && b->count > 0 &&
                 b->lp.n > INLINE_BYTES_MAX / 2;
    if (!stays) {
        struct value before = *v;
        int rc = hash_build_end(b);
        if (rc == OK) drop_object(&before);
        else *v = before;
        return rc;
    }
    uint8_t *to;
    int rc = p->ops->mut(p, v->obj, 0, b->lp.n, &to);
    if (rc == OK) {
        v->aux = b->aux;
        hash__note_first(v, slice_of(&b->lp));
        memcpy(to, b->lp.p, b->lp.n);
        put_u64(p->ops->meta_mut(p, v->obj) + 1, b->count);
    }
    hash_build_drop(b);
    return rc;
}

static void start_build(struct value *v, slice lp, struct hash_build *b) {
    *b = (struct hash_build){.v = v, .lp = BUF_INIT};
    if (lp.n == 0) return;
    b->aux = v->aux & HASH_AUX_EXPIRES;
    buf_append_slice(&b->lp, lp);
    b->count = lp_count(lp) / hash__step(hash_timed(v));
}

static int need_fields(struct value *v, const effect *e, size_t first, size_t step) {
    int rc = OK;
    for (size_t i = first; i < e->argc; i += step) {
        int one = hash_need(v, e->args[i]);
        if (one == ERR_COLD) rc = ERR_COLD; /* The others are asked for as well. */
        else if (one != OK) return one;
    }
    return rc;
}

/* One effect, field by field: sets them, or gives them an expiry. */
static int change_fields(struct hash_build *b, const effect *e, int64_t expire_ms) {
    bool added;
    int rc = OK;
    if (e->op == HASH_EXPIRE) {
        for (size_t i = 1; i < e->argc && rc == OK; i++) rc = hash_build_expire(b, e->args[i], expire_ms);
        return rc;
    }
    for (size_t i = 0; i < e->argc && rc == OK; i += 2) {
        rc = hash_build_set(b, e->args[i], e->args[i + 1], expire_ms, &added);
    }
    return rc;
}

static int change_table(struct value *v, const effect *e, int64_t expire_ms) {
    pager *p = v->pager;
    struct hash_build b = {.v = v, .table = v->obj, .count = hash_len(v), .aux = v->aux};
    int rc = OK;
    if (e->op == HASH_EXPIRE) rc = need_fields(v, e, 1, 1);
    else if (e->argc > 2) rc = need_fields(v, e, 0, 2); /* A single pair asks as it is put. */
    if (rc != OK) return rc;
    rc = change_fields(&b, e, expire_ms);
    if (b.count != hash_len(v)) put_u64(p->ops->meta_mut(p, v->obj) + 1, b.count);
    v->aux = b.aux;
    return rc;
}

static int apply_change(struct value *v, const effect *e, int64_t expire_ms) {
    if (hash__is_table(v)) return change_table(v, e, expire_ms);
    slice lp = slice_make(NULL, 0);
    int rc = hash__listpack(v, &lp);
    if (rc == ERR_NOTFOUND && e->op == HASH_EXPIRE) return OK;
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    struct hash_build b;
    start_build(v, lp, &b);
    rc = change_fields(&b, e, expire_ms);
    if (rc == OK) return put_back(v, &b);
    hash_build_drop(&b);
    return rc;
}

static int apply_set(struct value *v, const effect *e) {
    if (e->argc == 0 || e->argc % 2 != 0) return ERR_CORRUPT;
    for (size_t i = 0; i < e->argc; i += 2)
        if (hash_pair_ok(e->args[i], e->args[i + 1]) != OK) return ERR_CORRUPT;
    return apply_change(v, e, e->op == HASH_SET_KEEP ? HASH_KEEP : 0);
}

static int apply_expire(struct value *v, const effect *e) {
    uint64_t at = 0;
    if (e->argc < 2 || (e->args[0].n != 0 && e->args[0].n != 8)) return ERR_CORRUPT;
    if (e->args[0].n == 8) {
        at = get_u64(e->args[0].p);
        if (at == 0 || at > (uint64_t)HASH_EXPIRE_MAX) return ERR_CORRUPT;
    }
    if (v->kind == VALUE_NONE) return OK;
    return apply_change(v, e, (int64_t)at);
}

static int del_in_table(struct value *v, const effect *e) {
    pager *p = v->pager;
    uint64_t count = hash_len(v);
    int rc = need_fields(v, e, 0, 1);
    if (rc != OK) return rc;
    /* A count that is too low, from the store, does not wrap. */
    for (size_t i = 0; i < e->argc && rc == OK && count > 0; i++) {
        bool removed;
        rc = table_del(p, v->obj, e->args[i], &removed);
        count -= removed;
    }
    if (count == 0) drop_object(v);
    else if (count != hash_len(v)) put_u64(p->ops->meta_mut(p, v->obj) + 1, count);
    return rc;
}

static int apply_del(struct value *v, const effect *e) {
    if (v->kind == VALUE_NONE) return OK;
    if (hash__is_table(v)) return del_in_table(v, e);
    slice lp;
    int rc = hash__listpack(v, &lp);
    if (rc != OK) return rc;
    struct hash_build b;
    start_build(v, lp, &b);
    uint64_t had = b.count;
    for (size_t i = 0; i < e->argc && b.count > 0; i++) {
        size_t at = hash__lp_find(slice_of(&b.lp), hash_timed(v), e->args[i]);
        if (at == 0) continue;
        lp_delete(&b.lp, at, hash__step(hash_timed(v)));
        b.count--;
    }
    if (b.count == had) {
        hash_build_drop(&b);
        return OK;
    }
    return put_back(v, &b);
}

int hash__apply(struct value *v, const effect *e) {
    switch (e->op) {
    case HASH_SET:
    case HASH_SET_KEEP: return apply_set(v, e);
    case HASH_EXPIRE: return apply_expire(v, e);
    case HASH_DEL: return apply_del(v, e);
    }
    return ERR_CORRUPT;
}
