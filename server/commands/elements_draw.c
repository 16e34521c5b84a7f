/* elements_draw.c -- very many elements drawn with repeats from a hash, a set or a sorted set, in steps
 * (call_read_in_steps()). */
#include "base/mem.h"
#include "commands/elements.h"
#include "resp/write.h"

struct draws {
    rnd rnd;
    uint64_t left, n;
    bool pairs;
    elements_draw_fn *one;
};

/* A step that is cold asks for the pages of many draws, and is begun again with the same chance. */
static int step(call *c, void *work, const struct value *v, size_t n, buf *out, bool *all) {
    struct draws *d = work;
    rnd r = d->rnd;
    uint64_t some = 0, most = n < d->left ? n : d->left;
    size_t until = out->n + READ_PIECE_BYTES;
    int rc = OK;
    for (; rc == OK && some < most && out->n < until; some++) rc = d->one(v, &r, d->pairs, call_proto(c), out);
    if (rc == ERR_NOTFOUND) { /* All fields have expired: so it was before the first one. */
        d->n = d->left = some = 0;
        rc = OK;
    }
    if (rc == ERR_COLD) {
        r = d->rnd;
        for (uint64_t i = 0; i < READ_AHEAD * most && i < d->left; i++) (void)d->one(v, &r, d->pairs, call_proto(c), out);
    }
    if (rc != OK) return rc;
    d->rnd = r;
    d->left -= some;
    *all = d->left == 0;
    return OK;
}

static void head(call *c, void *work, buf *out) {
    const struct draws *d = work;
    resp_array(out, (size_t)(d->pairs && call_proto(c) < 3 ? 2 * d->n : d->n));
}

bool elements_draws_are_many(const call *c, uint64_t n) { return n >= READ_STEPS_FROM && call_may_step(c); }

int elements_draw_in_steps(call *c, const struct value *v, uint64_t n, bool pairs, elements_draw_fn *one) {
    static const struct read_job ops = {.step = step, .head = head, .free = mem_free};
    struct draws *d = mem_alloc(sizeof(*d));
    *d = (struct draws){.left = n, .n = n, .pairs = pairs, .one = one};
    rnd_seed(&d->rnd, rnd_u64(call_rnd(c)));
    return call_read_in_steps(c, &ops, d, v, 1);
}
