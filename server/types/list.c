/* list.c -- the list type: reading it, and its effects. */
#include "types/list.h"

#include <assert.h>
#include <stdio.h>

#include "base/listpack.h"
#include "types/digest.h"
#include "types/list_internal.h"

#define INLINE_AGAIN (INLINE_BYTES_MAX / 2) /* A leaf this small, left alone, is inline again. */

/* ---- looking ------------------------------------------------------------------------------ */

int list__inline(const struct value *v, slice *lp) {
    if (v->kind == VALUE_NONE || v->kind == VALUE_OBJECT) return ERR_NOTFOUND;
    if (v->kind != VALUE_RAW) return ERR_CORRUPT;
    *lp = v->raw;
    return lp_check(v->raw, true); /* It may have come from the store. */
}

static bool list_stored_ok(const struct stored_value *s) {
    if (s->aux != 0 || s->kind == VALUE_INT) return false;
    return s->kind != VALUE_OBJECT || (!s->hashed && list__meta_ok(s->bytes));
}

uint64_t list_len(const struct value *v) {
    if (v->kind == VALUE_OBJECT) return get_u64(v->pager->ops->meta(v->obj) + 4);
    if (v->kind != VALUE_RAW || lp_check(v->raw, false) != OK) return 0;
    return lp_count(v->raw);
}

int list_get(const struct value *v, uint64_t index, slice *out, char tmp[NUM_LL_MAX]) {
    struct list_path path = {.first = 0};
    slice lp;
    if (index >= list_len(v)) return ERR_NOTFOUND;
    int rc = list__inline(v, &lp);
    if (rc == ERR_NOTFOUND) {
        rc = list__descend(v, index, &path);
        if (rc == OK) rc = list__leaf(v, &path, &lp);
    }
    if (rc != OK) return rc;
    size_t at = lp_seek(lp, (long)(index - path.first));
    if (at == 0) return ERR_CORRUPT;
    *out = lp_get_bytes(lp, at, tmp);
    return OK;
}

int list_need_push(const struct value *v, bool head) {
    struct list_path path;
    if (v->kind != VALUE_OBJECT) return OK;
    int rc = list__descend(v, head ? 0 : list_len(v), &path);
    return rc == OK ? v->pager->ops->need(v->pager, v->obj, path.leaf) : rc;
}

/* Elements [off, off + n) of a leaf that begins at position `base`. */
static int each_in(slice lp, uint64_t base, uint64_t off, uint64_t n, bool backward,
                   list_each_fn *each, void *cookie) {
    uint64_t i = backward ? off + n - 1 : off;
    size_t at = lp_seek(lp, (long)i);
    for (; n > 0; n--) {
        char tmp[NUM_LL_MAX];
        if (at == 0) return ERR_CORRUPT;
        int rc = each(cookie, base + i, lp_get_bytes(lp, at, tmp));
        if (rc != 0) return rc;
        if (n == 1) break;
        at = backward ? lp_prev(lp, at) : lp_next(lp, at);
        i = backward ? i - 1 : i + 1;
    }
    return OK;
}

static int need_range(const struct value *v, uint64_t first, uint64_t n) {
    uint64_t pages = v->pager->ops->pages(v->obj);
    int cold = OK;
    while (n > 0) {
        struct list_path path;
        if (pages-- == 0) return ERR_CORRUPT; /* One comes twice: this could go on for ever. */
        int rc = list__descend(v, first, &path);
        if (rc != OK) return rc;
        rc = v->pager->ops->need(v->pager, v->obj, path.leaf);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
        uint64_t some = path.first + path.count - first;
        if (some == 0) return ERR_CORRUPT;
        if (some >= n) break;
        first += some;
        n -= some;
    }
    return cold;
}

int list_each(const struct value *v, uint64_t first, uint64_t n, bool backward,
              list_each_fn *each, void *cookie) {
    slice lp;
    assert(first + n <= list_len(v));
    if (n == 0) return OK;
    int rc = list__inline(v, &lp);
    if (rc == OK) return each_in(lp, 0, first, n, backward, each, cookie);
    if (rc != ERR_NOTFOUND) return rc;
    rc = n == 1 ? OK : need_range(v, first, n); /* A single one is asked for as it is read. */
    while (rc == OK && n > 0) {
        struct list_path path;
        rc = list__descend(v, backward ? first + n - 1 : first, &path);
        if (rc == OK) rc = list__leaf(v, &path, &lp);
        if (rc != OK) return rc;
        uint64_t from = first > path.first ? first : path.first;
        uint64_t end = path.first + path.count < first + n ? path.first + path.count : first + n;
        if (end <= from) return ERR_CORRUPT;
        rc = each_in(lp, path.first, from - path.first, end - from, backward, each, cookie);
        n -= end - from;
        if (!backward) first = end;
    }
    return rc;
}

/* ---- effects ------------------------------------------------------------------------------ */

static void set_inline(struct value *v) {
    v->raw = slice_of(v->scratch);
    v->type = TYPE_LIST;
    v->kind = VALUE_RAW;
    v->obj = NULL;
}

/* The first element of a list, or what an inline one holds, becomes an object. */
static int become_object(struct value *v, slice lp) {
    object *o = list__make(v, lp);
    if (o == NULL) return ERR_NOMEM;
    v->obj = o;
    v->type = TYPE_LIST;
    v->kind = VALUE_OBJECT;
    return OK;
}

int list__grow(struct value *v, const slice *args, size_t argc, bool head) {
    slice lp;
    if (v->kind == VALUE_OBJECT) return list__push(v, args, argc, head);
    int rc = list__inline(v, &lp);
    if (rc == OK) {
        if (lp.p != v->scratch->p) {
            v->scratch->n = 0;
            buf_append_slice(v->scratch, lp);
        }
    } else if (rc == ERR_NOTFOUND) {
        lp_new(v->scratch);
    } else {
        return rc;
    }
    size_t done = 0, count = lp_count(slice_of(v->scratch));
    for (; done < argc; done++, count++) {
        size_t bytes = v->scratch->n;
        if (bytes + lp_entry_bytes(args[done]) > INLINE_BYTES_MAX) break;
        if (count > 0 && !list__fits(v, bytes, count, args[done].n)) break;
        if (head) lp_prepend(v->scratch, args[done]);
        else lp_append(v->scratch, args[done]);
    }
    if (done == argc) {
        set_inline(v);
        return OK;
    }
    if (count == 0) lp_append(v->scratch, args[done++]);
    rc = become_object(v, slice_of(v->scratch));
    return rc == OK ? list__push(v, args + done, argc - done, head) : rc;
}

static int apply_push(struct value *v, const effect *e, bool head) {
    if (e->argc == 0) return ERR_CORRUPT;
    for (size_t i = 0; i < e->argc; i++)
        if (e->args[i].n > LIST_ELEMENT_MAX) return ERR_CORRUPT;
    return list__grow(v, e->args, e->argc, head);
}

/* An inline list as an object, for what it cannot hold. */
static int out_of_line(struct value *v) {
    slice lp;
    int rc = list__inline(v, &lp);
    return rc == OK ? become_object(v, lp) : rc == ERR_NOTFOUND ? OK : rc;
}

static int apply_at(struct value *v, const effect *e) {
    bool insert = e->op == LIST_INSERT;
    if (e->argc != 2 || e->args[0].n != 8 || e->args[1].n > LIST_ELEMENT_MAX) return ERR_CORRUPT;
    uint64_t pos = get_u64(e->args[0].p), len = list_len(v);
    slice element = e->args[1], lp;
    if (v->kind == VALUE_NONE || pos > len || (!insert && pos == len)) return ERR_CORRUPT;
    if (v->kind == VALUE_RAW) {
        int rc = list__inline(v, &lp);
        if (rc != OK) return rc;
        bool fits = lp.n + lp_entry_bytes(element) <= INLINE_BYTES_MAX;
        if (!fits || (insert && !list__fits(v, lp.n, len, element.n))) {
            rc = out_of_line(v);
            if (rc != OK) return rc;
        } else {
            v->scratch->n = 0;
            buf_append_slice(v->scratch, lp);
            size_t at = lp_seek(lp, (long)pos);
            if (pos == len) lp_append(v->scratch, element);
            else if (insert) lp_insert(v->scratch, at, element);
            else lp_replace(v->scratch, at, element);
            set_inline(v);
            return OK;
        }
    }
    struct list_path path;
    int rc = list__descend(v, pos, &path);
    if (rc == OK) rc = list__leaf(v, &path, &lp);
    if (rc != OK) return rc;
    return insert ? list__insert(v, pos, element) : list__replace(v, pos, element);
}

/* The ranges of a LIST_DELETE: from the last to the first, apart, within the list. *all: they leave
 * nothing. */
static int check_ranges(struct value *v, slice ranges, bool *all) {
    uint64_t end = list_len(v), left = end;
    if (ranges.n == 0 || ranges.n % LIST_RANGE_BYTES != 0) return ERR_CORRUPT;
    for (size_t i = 0; i < ranges.n; i += LIST_RANGE_BYTES) {
        uint64_t first = get_u64(ranges.p + i), n = get_u64(ranges.p + i + 8);
        if (n == 0 || first >= end || n > end - first) return ERR_CORRUPT;
        left -= n;
        end = first;
    }
    *all = left == 0;
    return OK;
}

static int delete_inline(struct value *v, slice ranges) {
    slice lp;
    int rc = list__inline(v, &lp);
    if (rc != OK) return rc;
    v->scratch->n = 0;
    buf_append_slice(v->scratch, lp);
    for (size_t i = 0; i < ranges.n; i += LIST_RANGE_BYTES) {
        size_t at = lp_seek(slice_of(v->scratch), (long)get_u64(ranges.p + i));
        lp_delete(v->scratch, at, get_u64(ranges.p + i + 8));
    }
    set_inline(v);
    return OK;
}

/* A list that is one small leaf goes back to the directory page. */
static int come_inline(struct value *v) {
    struct list_path path;
    slice lp;
    if (v->pager->ops->pages(v->obj) > 1) return OK;
    int rc = list__descend(v, 0, &path);
    if (rc != OK || path.height > 0 || list__leaf(v, &path, &lp) != OK) return OK;
    if (lp.n > INLINE_AGAIN) return OK;
    v->scratch->n = 0;
    buf_append_slice(v->scratch, lp);
    v->pager->ops->free(v->pager, v->obj);
    set_inline(v);
    return OK;
}

/* What a single element needs is asked for as it is deleted. */
static int need_ranges(struct value *v, slice ranges) {
    int cold = OK;
    if (ranges.n == LIST_RANGE_BYTES && get_u64(ranges.p + 8) == 1) return OK;
    for (size_t i = 0; i < ranges.n; i += LIST_RANGE_BYTES) {
        int rc = list__need_delete(v, get_u64(ranges.p + i), get_u64(ranges.p + i + 8));
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
    }
    return cold;
}

static int apply_delete(struct value *v, const effect *e) {
    bool all;
    if (e->argc != 1 || v->kind == VALUE_NONE) return ERR_CORRUPT;
    slice ranges = e->args[0];
    int rc = check_ranges(v, ranges, &all);
    if (rc != OK) return rc;
    if (all) {
        if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
        v->obj = NULL;
        v->kind = VALUE_NONE;
        return OK;
    }
    if (v->kind == VALUE_RAW) return delete_inline(v, ranges);
    rc = need_ranges(v, ranges);
    if (rc != OK) return rc;
    for (size_t i = 0; i < ranges.n; i += LIST_RANGE_BYTES) {
        rc = list__delete(v, get_u64(ranges.p + i), get_u64(ranges.p + i + 8));
        if (rc != OK) return rc;
    }
    return come_inline(v);
}

static int list_apply(struct value *v, const effect *e) {
    switch (e->op) {
    case LIST_PUSH_HEAD: return apply_push(v, e, true);
    case LIST_PUSH_TAIL: return apply_push(v, e, false);
    case LIST_INSERT:
    case LIST_SET: return apply_at(v, e);
    case LIST_DELETE: return apply_delete(v, e);
    }
    return ERR_CORRUPT;
}

/* ---- as a whole --------------------------------------------------------------------------- */

static const char *list_encoding(struct value *v) {
    (void)v;
    return "quicklist";
}

static uint64_t list_length(struct value *v) { return list_len(v); }

static int digest_element(void *cookie, uint64_t index, slice element) {
    (void)index;
    digest_mix(cookie, element.p, element.n);
    return 0;
}

static int list_digest(struct value *v, uint8_t digest[20]) {
    uint8_t sum[20];
    memcpy(sum, digest, 20); /* A cold page may end the walk. */
    digest_start(sum, DIGEST_LIST);
    int rc = list_each(v, 0, list_len(v), false, digest_element, sum);
    if (rc == OK) memcpy(digest, sum, 20);
    return rc;
}

static int list_check(struct value *v, char why[160]) {
    slice lp;
    if (v->kind == VALUE_OBJECT) return list__check(v, why);
    if (list__inline(v, &lp) == OK && lp_count(lp) > 0) return OK;
    snprintf(why, 160, "list: its listpack is damaged");
    return ERR_CORRUPT;
}

const struct type type_list = {
    .id = TYPE_LIST,
    .name = "list",
    .stored_ok = list_stored_ok,
    .apply = list_apply,
    .dump = list_dump,
    .restore = list_restore,
    .rdb_types = list_rdb_types,
    .encoding = list_encoding,
    .length = list_length,
    .digest = list_digest,
    .check = list_check,
};
