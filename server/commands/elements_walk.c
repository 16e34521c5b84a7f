/* elements_walk.c -- very many elements of a hash, a set or a sorted set answered, in steps (call_read_in_steps()). */
#include "base/mem.h"
#include "base/num.h"
#include "commands/elements.h"
#include "resp/write.h"

struct long_walk {
    struct walk w;
    uint64_t cursor, left;
};

bool walk_is_long(const call *c, uint64_t count, uint64_t len) {
    return (count < len ? count : len) >= READ_STEPS_FROM && call_may_step(c);
}

size_t walk_limit(const call *c, const buf *out) {
    return call_may_step(c) ? out->n + READ_STEPS_FROM_BYTES : SIZE_MAX;
}

/* A page of the value is written as a whole: the cursor stands between pages. */
static int step(call *c, void *work, const struct value *v, size_t n, buf *out, bool *all) {
    struct long_walk *l = work;
    struct walk was = l->w;
    uint64_t cursor = l->cursor, ahead = l->cursor;
    (void)c;
    if (n > l->left) n = (size_t)l->left;
    l->w.seen = 0;
    l->w.out = out;
    l->w.limit = SIZE_MAX;
    int rc = l->w.scan(v, &cursor, n, &l->w);
    if (rc != OK) l->w = was;
    if (rc == ERR_COLD) {
        struct walk ask = {.scan = was.scan, .out = out, .all = true};
        (void)was.scan(v, &ahead, n * READ_AHEAD, &ask);
    }
    if (rc != OK) return rc;
    l->cursor = cursor;
    if (l->left != UINT64_MAX) l->left -= l->w.seen < l->left ? l->w.seen : l->left;
    *all = cursor == 0 || l->left == 0;
    return OK;
}

static void head(call *c, void *work, buf *out) {
    const struct long_walk *l = work;
    char text[NUM_LL_MAX];
    switch (l->w.reply) {
    case WALK_MAP: resp_map(out, call_proto(c), l->w.n / 2); return;
    case WALK_SET: resp_set(out, call_proto(c), l->w.n); return;
    case WALK_ARRAY: resp_array(out, l->w.n); return;
    case WALK_SCAN:
        resp_array(out, 2);
        resp_bulk(out, slice_make(text, num_print_ull(text, l->cursor)));
        resp_array(out, l->w.n);
        return;
    }
}

int walk_in_steps(call *c, const struct value *v, const struct walk *w, uint64_t cursor, uint64_t count) {
    static const struct read_job ops = {.step = step, .head = head, .free = mem_free};
    struct long_walk *l = mem_alloc(sizeof(*l));
    *l = (struct long_walk){*w, cursor, count};
    l->w.n = 0;
    return call_read_in_steps(c, &ops, l, v, 1);
}
