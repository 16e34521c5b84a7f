/* list_search.c -- LINSERT, LREM and LPOS: elements found by what they are.
 *
 * What is far from where the search begins, in a long list, is looked for in steps (call_steps()), and very many
 * elements are removed in steps: from a copy, which shares its pages and takes the list's place. */
#include "base/mem.h"
#include "commands/list_commands.h"
#include "resp/write.h"

#define LOOKED_AT_ONCE 32768 /* elements: less than a millisecond */
#define LOOKED_IN_A_STEP 16384
#define REMOVED_IN_A_STEP (128 * LIST_RANGE_BYTES) /* Each range may be in a page of its own. */

struct search {
    list_each_fn *see;
    int (*end)(call *c, struct search *s); /* what comes of it: does it, and answers */
    slice what;
    uint64_t len;         /* of the list */
    uint64_t first, want; /* where it is looked for */
    bool backward;
    uint64_t rank;        /* matches before the first that counts */
    uint64_t most;        /* matches wanted; 0: all */
    /* How far it is. */
    uint64_t at, n;       /* elements looked at, and matches that count */
    uint64_t skipped;
    uint64_t found;       /* LINSERT: where */
    buf out;              /* LPOS: positions, as they are answered */
    buf ranges;           /* LREM: positions, in the order in which they are removed */
    bool over, copied;
    size_t removed;       /* bytes of ranges */
};

#define SEARCH_ENDS 1

static void reverse_ranges(buf *b) {
    uint8_t tmp[LIST_RANGE_BYTES];
    for (size_t i = 0, k = b->n; i + LIST_RANGE_BYTES < k; i += LIST_RANGE_BYTES) {
        k -= LIST_RANGE_BYTES;
        memcpy(tmp, b->p + i, LIST_RANGE_BYTES);
        memcpy(b->p + i, b->p + k, LIST_RANGE_BYTES);
        memcpy(b->p + k, tmp, LIST_RANGE_BYTES);
    }
}

/* Looks on, at so many elements. */
static int look(struct search *s, const struct value *v, uint64_t some) {
    uint64_t left = s->want - s->at, n = left < some ? left : some;
    uint64_t first = s->first + (s->backward ? left - n : s->at);
    int rc = n == 0 ? OK : list_each(v, first, n, s->backward, s->see, s);
    if (rc != OK && rc != SEARCH_ENDS) return rc;
    s->at += n;
    s->over = rc == SEARCH_ENDS || s->at == s->want;
    if (s->over && !s->backward) reverse_ranges(&s->ranges); /* The last one goes first. */
    return OK;
}

static void again(void *work) {
    struct search *s = work;
    s->at = s->n = s->skipped = s->removed = 0;
    s->out.n = s->ranges.n = 0;
    s->over = s->copied = false;
}

static void search_free(struct search *s) {
    buf_free(&s->out);
    buf_free(&s->ranges);
}

/* ---- in steps ------------------------------------------------------------------------------------- */

/* The ranges at `at`, so many that they go together. */
static slice some_ranges(const struct search *s, size_t at) {
    size_t left = s->ranges.n - at, most = REMOVED_IN_A_STEP;
    return slice_make(s->ranges.p + at, left < most ? left : most);
}

static int remove_step(call *c, struct search *s) {
    slice key = call_arg(c, 1), arg = some_ranges(s, s->removed);
    if (!s->copied) {
        int rc = call_steps_copy(c, key);
        s->copied = rc == OK;
        return rc == ERR_NOTFOUND ? ERR_PRECOND : rc;
    }
    int rc = call_steps_value(c, TYPE_LIST, LIST_DELETE, &arg, 1);
    if (rc == OK) s->removed += arg.n;
    return rc;
}

static int step(call *c, void *work, bool *done) {
    struct search *s = work;
    struct entry e;
    if (!s->over) {
        int rc = call_peek(c, call_arg(c, 1), &e);
        if (rc == ERR_NOTFOUND) return ERR_PRECOND;
        if (rc != OK) return rc;
        if (e.value.type != TYPE_LIST || list_len(&e.value) != s->len) return ERR_PRECOND;
        return look(s, &e.value, LOOKED_IN_A_STEP);
    }
    *done = s->ranges.n <= REMOVED_IN_A_STEP || s->removed == s->ranges.n;
    return *done ? OK : remove_step(c, s);
}

static int finish(call *c, void *work) {
    struct search *s = work;
    return s->end(c, s);
}

static void work_free(void *work) {
    search_free(work);
    mem_free(work);
}

static int search_in_steps(call *c, const struct search *s) {
    static const struct steps_job ops = {step, finish, again, work_free};
    struct search *own = mem_alloc(sizeof(*own));
    *own = *s;
    again(own);
    return call_steps(c, &ops, own, call_argv(c) + 1, 1);
}

/* Finds, and does what comes of it. */
static int search(call *c, struct search *s, const struct value *v) {
    bool may = call_may_step(c);
    int rc = look(s, v, may ? LOOKED_AT_ONCE : UINT64_MAX);
    if (rc == OK && may && (!s->over || s->ranges.n > REMOVED_IN_A_STEP)) return search_in_steps(c, s);
    if (rc == OK) rc = s->end(c, s);
    search_free(s);
    return rc;
}

/* ---- LINSERT -------------------------------------------------------------------------------------- */

static int see_pivot(void *cookie, uint64_t index, slice element) {
    struct search *s = cookie;
    if (!slice_eq(element, s->what)) return 0;
    s->found = index;
    s->n = 1;
    return SEARCH_ENDS;
}

static int insert(call *c, struct search *s) {
    uint8_t pos[8];
    if (s->n == 0) return reply_int(c, -1);
    put_u64(pos, s->found + call_arg_is(c, 2, "after"));
    slice args[2] = {slice_make(pos, 8), call_arg(c, 4)};
    int rc = call_value(c, TYPE_LIST, LIST_INSERT, call_arg(c, 1), args, 2);
    if (rc != OK) return rc;
    call_notify(c, 'l', "linsert", call_arg(c, 1));
    return reply_int(c, (int64_t)s->len + 1);
}

int cmd_linsert(call *c) {
    struct entry e;
    if (!call_arg_is(c, 2, "after") && !call_arg_is(c, 2, "before")) return reply_syntax(c);
    int rc = call_write_type(c, call_arg(c, 1), TYPE_LIST, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    if (!list_elements_ok(c, 4)) return OK;
    uint64_t len = list_len(&e.value);
    struct search s = {.see = see_pivot, .end = insert, .what = call_arg(c, 3), .len = len, .want = len};
    return search(c, &s, &e.value);
}

/* ---- LREM ----------------------------------------------------------------------------------------- */

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
    return s->n == s->most ? SEARCH_ENDS : 0;
}

static int remove_found(call *c, struct search *s) {
    slice key = call_arg(c, 1), arg = slice_of(&s->ranges);
    int rc = OK;
    if (s->copied) rc = call_steps_take(c, key);
    else if (s->n > 0) rc = call_value(c, TYPE_LIST, LIST_DELETE, key, &arg, 1);
    if (rc != OK) return rc;
    if (s->n > 0) call_notify(c, 'l', "lrem", key);
    if (s->n == s->len) call_notify(c, 'g', "del", key);
    return reply_int(c, (int64_t)s->n);
}

int cmd_lrem(call *c) {
    struct entry e;
    int64_t count;
    if (!call_int(c, 2, &count)) return OK;
    int rc = call_write_type(c, call_arg(c, 1), TYPE_LIST, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    uint64_t len = list_len(&e.value);
    struct search s = {.see = see_removed, .end = remove_found, .what = call_arg(c, 3), .len = len, .want = len,
                       .backward = count < 0, .most = count < 0 ? 0 - (uint64_t)count : (uint64_t)count};
    return search(c, &s, &e.value);
}

/* ---- LPOS ----------------------------------------------------------------------------------------- */

static int see_position(void *cookie, uint64_t index, slice element) {
    struct search *s = cookie;
    if (!slice_eq(element, s->what)) return 0;
    if (s->skipped < s->rank) {
        s->skipped++;
        return 0;
    }
    s->n++;
    resp_int(&s->out, (int64_t)index);
    return s->n == s->most ? SEARCH_ENDS : 0;
}

static int answer_one(call *c, struct search *s) {
    if (s->n == 0) return reply_null(c);
    buf_append_slice(call_out(c), slice_of(&s->out));
    return OK;
}

static int answer_all(call *c, struct search *s) {
    reply_array(c, s->n);
    buf_append_slice(call_out(c), slice_of(&s->out));
    return OK;
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
    uint64_t len = list_len(&e.value), n = most > 0 && (uint64_t)most < len ? (uint64_t)most : len;
    struct search s = {.see = see_position, .end = count < 0 ? answer_one : answer_all, .what = call_arg(c, 2),
                       .len = len, .first = rank < 0 ? len - n : 0, .want = n, .backward = rank < 0,
                       .rank = (rank < 0 ? 0 - (uint64_t)rank : (uint64_t)rank) - 1,
                       .most = count < 0 ? 1 : (uint64_t)count};
    return search(c, &s, &e.value);
}
