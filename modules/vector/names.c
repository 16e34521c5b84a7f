/* names.c -- from names to slots: a linear hash table of (tag, slot) pairs.
 *
 * A bucket's page has first all tags, then the slots; there is none for an empty bucket. With 2^L + s buckets, those
 * below s and the last s go by L + 1 bits of the tag, the others by L; one is split, or two are joined, as names come
 * and go. Names themselves lie in the records: a look at a name that is there meets its page of vectors, a look at one
 * that is not meets none, but for equal tags. */
#include <assert.h>
#include <stdio.h>

#include "modules/vector/store.h"

#define PAIR 8
#define BUCKETS_MAX (1u << 31) /* Tags have 32 bits. */

uint32_t vset__tag(const struct value *v, slice name) {
    return (uint32_t)(v->pager->ops->hash(v->pager, name) >> 32);
}

static uint32_t buckets(const struct value *v) { return get_u32(vset__meta(v) + VSET_AT_BUCKETS); }
static void set_buckets(struct value *v, uint32_t n) { put_u32(vset__meta_mut(v) + VSET_AT_BUCKETS, n); }

/* The greatest power of two that is not above n. */
static uint32_t power(uint32_t n) {
    assert(n > 0);
    return 1u << (31 - __builtin_clz(n));
}

static uint32_t bucket_of(uint32_t tag, uint32_t n) {
    uint32_t half = power(n), b = tag & (2 * half - 1);
    return b < n ? b : tag & (half - 1);
}

static bool too_full(uint64_t count, uint32_t n) { return count > (uint64_t)n * VSET_LOAD_MOST && n < BUCKETS_MAX; }
static bool too_empty(uint64_t count, uint32_t n) { return n > 1 && count < (uint64_t)n * VSET_LOAD_LEAST; }

bool vset__names_stored_ok(uint64_t count, uint32_t n) {
    return n >= 1 && n <= BUCKETS_MAX && !too_full(count, n) && !too_empty(count, n);
}

/* ---- pages --------------------------------------------------------------------------------------------------- */

static bool bucket_ok(slice page) { return page.n > 0 && page.n % PAIR == 0; }

static int get_bucket(const struct value *v, uint32_t b, slice *page) {
    int rc = v->pager->ops->get_ok(v->pager, v->obj, vset_page(VSET_NAMES, b), bucket_ok, page);
    if (rc != ERR_NOTFOUND) return rc;
    *page = slice_make(NULL, 0);
    return OK;
}

static uint32_t tag_at(slice page, size_t i) { return get_u32(page.p + 4 * i); }
static uint32_t slot_at(slice page, size_t i) { return get_u32(page.p + 4 * (page.n / PAIR + i)); }

/* The first pair from i on with this tag; the number of pairs when there is none. */
static size_t next_match(slice page, uint32_t tag, size_t i) {
    size_t n = page.n / PAIR;
    for (; i + 8 <= n; i += 8) { /* The inner loop of every lookup: compilers make vectors of it. */
        uint32_t any = 0, t[8];
        memcpy(t, page.p + 4 * i, sizeof(t));
        for (unsigned k = 0; k < 8; k++) any |= (uint32_t)(t[k] == tag);
        if (any != 0) break;
    }
    for (; i < n; i++)
        if (tag_at(page, i) == tag) break;
    return i;
}

/* The pair of this tag and slot. */
static int locate(const struct value *v, uint32_t tag, uint32_t slot, uint32_t *b, slice *page, size_t *at) {
    *b = bucket_of(tag, buckets(v));
    int rc = get_bucket(v, *b, page);
    if (rc != OK) return rc;
    size_t i = next_match(*page, tag, 0), n = page->n / PAIR;
    while (i < n && slot_at(*page, i) != slot) i = next_match(*page, tag, i + 1);
    *at = i;
    return i < n ? OK : ERR_CORRUPT;
}

static int write_bucket(struct value *v, uint32_t b, const buf *tags, const buf *slots) {
    uint8_t *to;
    if (tags->n == 0) return v->pager->ops->drop(v->pager, v->obj, vset_page(VSET_NAMES, b));
    int rc = v->pager->ops->mut(v->pager, v->obj, vset_page(VSET_NAMES, b), tags->n + slots->n, &to);
    if (rc != OK) return rc;
    memcpy(to, tags->p, tags->n);
    memcpy(to + tags->n, slots->p, slots->n);
    return OK;
}

/* ---- looking ------------------------------------------------------------------------------------------------- */

int vset__names_find(const struct value *v, const struct vset_shape *s, slice name, struct element *out) {
    slice page;
    uint32_t tag = vset__tag(v, name);
    int rc = get_bucket(v, bucket_of(tag, buckets(v)), &page);
    if (rc != OK) return rc;
    int answer = ERR_NOTFOUND;
    for (size_t i = next_match(page, tag, 0); i < page.n / PAIR; i = next_match(page, tag, i + 1)) {
        uint32_t slot = slot_at(page, i);
        rc = slot < get_u32(vset__meta(v) + VSET_AT_SLOTS) ? vset_slot(v, s, slot, out) : ERR_CORRUPT;
        if (rc == OK && slice_eq(out->name, name)) return OK;
        if (rc == ERR_COLD) answer = rc;
        else if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    }
    return answer;
}

int vset__names_count(const struct value *v, uint32_t tag, uint32_t slot, unsigned *n) {
    slice page;
    int rc = get_bucket(v, bucket_of(tag, buckets(v)), &page);
    if (rc != OK) return rc;
    *n = 0;
    for (size_t i = next_match(page, tag, 0); i < page.n / PAIR; i = next_match(page, tag, i + 1))
        *n += slot_at(page, i) == slot;
    return OK;
}

/* ---- changing ------------------------------------------------------------------------------------------------ */

int vset__names_add(struct value *v, uint32_t tag, uint32_t slot) {
    slice page;
    uint8_t *to;
    uint32_t b = bucket_of(tag, buckets(v));
    int rc = get_bucket(v, b, &page);
    if (rc != OK) return rc;
    size_t n = page.n / PAIR;
    rc = v->pager->ops->mut(v->pager, v->obj, vset_page(VSET_NAMES, b), page.n + PAIR, &to);
    if (rc != OK) return rc;
    memmove(to + 4 * n + 4, to + 4 * n, 4 * n);
    put_u32(to + 4 * n, tag);
    put_u32(to + 8 * n + 4, slot);
    return OK;
}

int vset__names_move(struct value *v, uint32_t tag, uint32_t from, uint32_t to) {
    slice page;
    uint32_t b;
    size_t at;
    uint8_t *p;
    int rc = locate(v, tag, from, &b, &page, &at);
    if (rc == OK) rc = v->pager->ops->mut(v->pager, v->obj, vset_page(VSET_NAMES, b), page.n, &p);
    if (rc == OK) put_u32(p + page.n / 2 + 4 * at, to);
    return rc;
}

int vset__names_remove(struct value *v, uint32_t tag, uint32_t slot) {
    slice page;
    uint32_t b;
    size_t at;
    uint8_t *p;
    int rc = locate(v, tag, slot, &b, &page, &at);
    if (rc != OK) return rc;
    uint64_t index = vset_page(VSET_NAMES, b);
    size_t last = page.n / PAIR - 1;
    if (last == 0) return v->pager->ops->drop(v->pager, v->obj, index);
    rc = v->pager->ops->mut(v->pager, v->obj, index, page.n, &p);
    if (rc != OK) return rc;
    /* The last pair comes into its place. */
    uint8_t *slots = p + 4 * (last + 1);
    memcpy(p + 4 * at, p + 4 * last, 4);
    memcpy(slots + 4 * at, slots + 4 * last, 4);
    memmove(p + 4 * last, slots, 4 * last);
    return v->pager->ops->mut(v->pager, v->obj, index, page.n - PAIR, &p);
}

/* ---- growing and shrinking ----------------------------------------------------------------------------------- */

int vset__names_need_add(const struct value *v, uint32_t tag, uint64_t count) {
    uint32_t n = buckets(v);
    slice page;
    int rc = get_bucket(v, bucket_of(tag, n), &page);
    if (rc == OK && page.n + PAIR > PAGE_BYTES_MAX) rc = ERR_LIMIT;
    if (too_full(count + 1, n)) vset__note(get_bucket(v, n - power(n), &page), &rc);
    return rc;
}

int vset__names_need_remove(const struct value *v, uint64_t count) {
    uint32_t n = buckets(v);
    slice low, high;
    if (!too_empty(count - 1, n)) return OK;
    int rc = get_bucket(v, n - 1, &high), other = get_bucket(v, n - 1 - power(n - 1), &low);
    vset__note(other, &rc);
    if (rc == OK && low.n + high.n > PAGE_BYTES_MAX) rc = ERR_CORRUPT;
    return rc;
}

static void take_pair(buf *tags, buf *slots, slice page, size_t i) {
    buf_u32(tags, tag_at(page, i));
    buf_u32(slots, slot_at(page, i));
}

int vset__names_grow(struct value *v, uint64_t count) {
    uint32_t n = buckets(v);
    if (!too_full(count, n)) return OK;
    uint32_t bit = power(n), from = n - bit;
    buf tags[2] = {BUF_INIT, BUF_INIT}, slots[2] = {BUF_INIT, BUF_INIT};
    slice page;
    int rc = get_bucket(v, from, &page);
    if (rc != OK) return rc;
    for (size_t i = 0; i < page.n / PAIR; i++) {
        unsigned side = (tag_at(page, i) & bit) != 0;
        take_pair(&tags[side], &slots[side], page, i);
    }
    for (unsigned side = 0; side < 2 && rc == OK; side++)
        rc = write_bucket(v, side == 0 ? from : n, &tags[side], &slots[side]);
    for (unsigned side = 0; side < 2; side++) {
        buf_free(&tags[side]);
        buf_free(&slots[side]);
    }
    if (rc == OK) set_buckets(v, n + 1);
    return rc;
}

int vset__names_shrink(struct value *v, uint64_t count) {
    uint32_t n = buckets(v);
    if (!too_empty(count, n)) return OK;
    uint32_t pair[2] = {n - 1 - power(n - 1), n - 1};
    buf tags = BUF_INIT, slots = BUF_INIT;
    int rc = OK;
    for (unsigned k = 0; k < 2 && rc == OK; k++) {
        slice page;
        rc = get_bucket(v, pair[k], &page);
        for (size_t i = 0; rc == OK && i < page.n / PAIR; i++) take_pair(&tags, &slots, page, i);
    }
    if (rc == OK) rc = write_bucket(v, pair[0], &tags, &slots);
    if (rc == OK) rc = v->pager->ops->drop(v->pager, v->obj, vset_page(VSET_NAMES, pair[1]));
    buf_free(&tags);
    buf_free(&slots);
    if (rc == OK) set_buckets(v, n - 1);
    return rc;
}

/* ---- checking ------------------------------------------------------------------------------------------------ */

static int say(char why[160], uint32_t b, const char *what) {
    snprintf(why, 160, "vector set: bucket %u %s", b, what);
    return ERR_CORRUPT;
}

int vset__names_check(const struct value *v, const struct vset *s, struct vset_census *out, char why[160]) {
    int cold = OK;
    uint32_t n = buckets(v);
    *out = (struct vset_census){0};
    if (!vset__names_stored_ok(s->count, n)) return say(why, n, "is one too many, or too few");
    for (uint64_t at = 0; vset__next(v, VSET_NAMES, &at) == OK; at++) {
        slice page;
        uint32_t b = (uint32_t)at;
        if (at >= n) return say(why, n, "is the first of none");
        int rc = get_bucket(v, b, &page);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return say(why, b, "is damaged");
        for (size_t i = 0; rc == OK && i < page.n / PAIR; i++) {
            if (bucket_of(tag_at(page, i), n) != b) return say(why, b, "has a pair of another");
            if (slot_at(page, i) >= s->slots) return say(why, b, "leads to a slot that never was");
        }
        if (rc != OK) continue;
        out->pages++;
        out->rows += page.n / PAIR;
    }
    return cold;
}
