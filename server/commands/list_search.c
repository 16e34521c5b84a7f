/* list_search.c -- LINSERT, LREM and LPOS: elements found by what they are. */
#include "commands/list_commands.h"
#include "resp/write.h"

struct search {
    slice what;
    uint64_t found;    /* LINSERT: where */
    uint64_t skip;     /* matches to come before the first that counts */
    uint64_t left;     /* matches wanted; 0: all */
    uint64_t n;        /* matches so far */
    buf *out;          /* their positions are written here, when it is there */
    buf ranges;        /* LREM: positions as ranges, in the order in which they came */
};

#define SEARCH_ENDS 1

static int see_pivot(void *cookie, uint64_t index, slice element) {
    struct search *s = cookie;
    if (!slice_eq(element, s->what)) return 0;
    s->found = index;
    return SEARCH_ENDS;
}

int cmd_linsert(call *c) {
    struct entry e;
    bool after = call_arg_is(c, 2, "after");
    uint8_t pos[8];
    if (!after && !call_arg_is(c, 2, "before")) return reply_syntax(c);
    int rc = call_write_type(c, call_arg(c, 1), TYPE_LIST, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    if (!list_elements_ok(c, 4)) return OK;
    struct search s = {.what = call_arg(c, 3)};
    uint64_t len = list_len(&e.value);
    rc = list_each(&e.value, 0, len, false, see_pivot, &s);
    if (rc == OK) return reply_int(c, -1);
    if (rc != SEARCH_ENDS) return rc;
    put_u64(pos, s.found + after);
    slice args[2] = {slice_make(pos, 8), call_arg(c, 4)};
    rc = call_value(c, TYPE_LIST, LIST_INSERT, call_arg(c, 1), args, 2);
    if (rc != OK) return rc;
    call_notify(c, 'l', "linsert", call_arg(c, 1));
    return reply_int(c, (int64_t)len + 1);
}

static int see_removed(void *cookie, uint64_t index, slice element) {
    struct search *s = cookie;
    if (!slice_eq(element, s->what)) return 0;
    uint8_t *last = s->n == 0 ? NULL : s->ranges.p + s->ranges.n - LIST_RANGE_BYTES;
    if (last != NULL && get_u64(last) + get_u64(last + 8) == index) {
        put_u64(last + 8, get_u64(last + 8) + 1);
    } else if (last != NULL && get_u64(last) == index + 1) { /* Backward. */
        put_u64(last, index);
        put_u64(last + 8, get_u64(last + 8) + 1);
    } else {
        buf_u64(&s->ranges, index);
        buf_u64(&s->ranges, 1);
    }
    s->n++;
    return s->n == s->left ? SEARCH_ENDS : 0;
}

static void reverse_ranges(buf *b) {
    uint8_t tmp[LIST_RANGE_BYTES];
    for (size_t i = 0, k = b->n; i + LIST_RANGE_BYTES < k; i += LIST_RANGE_BYTES) {
        k -= LIST_RANGE_BYTES;
        memcpy(tmp, b->p + i, LIST_RANGE_BYTES);
        memcpy(b->p + i, b->p + k, LIST_RANGE_BYTES);
        memcpy(b->p + k, tmp, LIST_RANGE_BYTES);
    }
}

int cmd_lrem(call *c) {
    struct entry e;
    int64_t count;
    if (!call_int(c, 2, &count)) return OK;
    int rc = call_write_type(c, call_arg(c, 1), TYPE_LIST, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    struct search s = {.what = call_arg(c, 3),
                       .left = count < 0 ? 0 - (uint64_t)count : (uint64_t)count};
    uint64_t len = list_len(&e.value);
    rc = list_each(&e.value, 0, len, count < 0, see_removed, &s);
    if (rc == SEARCH_ENDS) rc = OK;
    if (rc == OK && s.n > 0) {
        if (count >= 0) reverse_ranges(&s.ranges);
        slice arg = slice_of(&s.ranges);
        rc = call_value(c, TYPE_LIST, LIST_DELETE, call_arg(c, 1), &arg, 1);
    }
    buf_free(&s.ranges);
    if (rc != OK) return rc;
    if (s.n > 0) call_notify(c, 'l', "lrem", call_arg(c, 1));
    if (s.n == len) call_notify(c, 'g', "del", call_arg(c, 1));
    return reply_int(c, (int64_t)s.n);
}

static int see_position(void *cookie, uint64_t index, slice element) {
    struct search *s = cookie;
    if (!slice_eq(element, s->what)) return 0;
    if (s->skip > 0) {
        s->skip--;
        return 0;
    }
    s->n++;
    resp_int(s->out, (int64_t)index);
    return s->n == s->left ? SEARCH_ENDS : 0;
}

static bool lpos_options(call *c, int64_t *rank, int64_t *count, int64_t *most) {
    for (size_t i = 3; i < call_argc(c); i += 2) {
        bool more = i + 1 < call_argc(c);
        if (more && call_arg_is(c, i, "rank")) {
            if (!call_int_in(c, i + 1, -INT64_MAX, INT64_MAX, rank, NULL)) return false;
            if (*rank != 0) continue;
            reply_error(c, "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                           "second ... or use negative to start from the end of the list");
            return false;
        } else if (more && call_arg_is(c, i, "count")) {
            if (!call_int_in(c, i + 1, 0, INT64_MAX, count, "ERR COUNT can't be negative")) return false;
        } else if (more && call_arg_is(c, i, "maxlen")) {
            if (!call_int_in(c, i + 1, 0, INT64_MAX, most, "ERR MAXLEN can't be negative")) return false;
        } else {
            reply_syntax(c);
            return false;
        }
    }
    return true;
}

int cmd_lpos(call *c) {
    struct entry e;
    int64_t rank = 1, count = -1, most = 0;
    if (!lpos_options(c, &rank, &count, &most)) return OK;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_LIST, &e);
    if (rc == ERR_NOTFOUND) return count >= 0 ? reply_empty_array(c) : reply_null(c);
    if (rc != OK) return rc;
    size_t mark = reply_deferred(c);
    struct search s = {.what = call_arg(c, 2), .out = call_out(c),
                       .skip = (rank < 0 ? 0 - (uint64_t)rank : (uint64_t)rank) - 1,
                       .left = count < 0 ? 1 : (uint64_t)count};
    uint64_t len = list_len(&e.value), n = len;
    if (most > 0 && (uint64_t)most < n) n = (uint64_t)most;
    rc = list_each(&e.value, rank < 0 ? len - n : 0, n, rank < 0, see_position, &s);
    if (rc != OK && rc != SEARCH_ENDS) return rc;
    if (count >= 0) reply_deferred_array(c, mark, s.n);
    else if (s.n == 0) reply_null(c);
    return OK;
}
