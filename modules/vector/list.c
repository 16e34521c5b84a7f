/* list.c -- VRANDMEMBER and VRANGE: names of elements. */
#include <stdlib.h>

#include "modules/vector/scan.h"

/* ---- VRANDMEMBER: a draw at a time -------------------------------------------------
 * A slot is drawn, and drawn again when it is free: each element is as likely as the others.
 * Where most slots are free, or most elements are wanted, all are walked instead. */

#define DRAWS 64 /* made together, so that their cold pages come in one round */
#define DRAWS_PER_STEP 4096   /* under a millisecond */
#define REPEATS_MAX 1000000000 /* A reply of more would not fit anything. */
#define RARE 4 /* Distinct draws are cheap while they are under a quarter of all. */
#define SPARSE 16        /* slots for an element: so many draws would find one. */
#define MISSES_MAX ((uint64_t)1 << 24)
#define SPARSE_MAX 65536 /* Names of all elements of a sparse set are kept; of more it is not worth it. */

struct draws {
    uint64_t left, made;      /* names still wanted; written to out */
    uint64_t misses;          /* free slots drawn since the last that was not */
    bool distinct;
    uint64_t r[DRAWS];        /* drawn, but not looked up yet */
    size_t r_n;
    uint64_t *seen, seen_cap; /* hashes of names, for distinct ones; 0: a free place */
    buf out;
    /* A sample of a walk over all, each element as likely as the others. */
    bool walk, walked;
    struct scan scan;
    struct name { uint8_t *p; size_t n; } *names;
    uint64_t names_n, names_max, met;
    rnd *rnd;
};

static void names_free(struct draws *d) {
    for (uint64_t i = 0; i < d->names_n; i++) mem_free(d->names[i].p);
    d->names_n = 0;
}

static void draws_free(void *state) {
    struct draws *d = state;
    names_free(d);
    mem_free(d->names);
    mem_free(d->seen);
    buf_free(&d->out);
    mem_free(d);
}

static struct name name_copy(slice s) {
    struct name n = {mem_alloc(s.n + 1), s.n};
    if (s.n > 0) memcpy(n.p, s.p, s.n);
    return n;
}

static int sample_one(void *cookie, const struct value *v, const struct element *e) {
    struct draws *d = cookie;
    (void)v;
    d->met++;
    if (d->names_n < d->names_max) {
        d->names[d->names_n++] = name_copy(e->name);
        return OK;
    }
    uint64_t at = rnd_below(d->rnd, d->met);
    if (at >= d->names_max) return OK;
    mem_free(d->names[at].p);
    d->names[at] = name_copy(e->name);
    return OK;
}

static int sample(call *c, struct draws *d, const struct entry *e,
                  const struct vset *set) {
    if (scan_resume(&d->scan, set)) {
        names_free(d);
        d->met = 0;
    }
    int rc = scan_step(&d->scan, c, &e->value, set, cmd_vrandmember, sample_one, d);
    d->walked = rc == OK;
    return rc;
}

static void take(struct draws *d, slice name) {
    resp_bulk(&d->out, name);
    d->made++;
    d->left--;
}

/* From the names of the walk: all of them, or as many as are wanted with repeats. */
static void take_walked(struct draws *d) {
    if (d->names_n == 0) d->left = 0;
    for (size_t i = 0; i < DRAWS && d->left > 0; i++) {
        const struct name *n = &d->names[d->distinct ? d->made : rnd_below(d->rnd, d->names_n)];
        take(d, slice_make(n->p, n->n));
        if (d->distinct && d->made == d->names_n) d->left = 0;
    }
}

/* False: it has been drawn before. Equal hashes of different names only cost another
 * draw. */
static bool first_time(struct draws *d, slice name) {
    uint64_t h = hash_xx(name.p, name.n, 0) | 1;
    for (uint64_t i = h >> 1 & (d->seen_cap - 1);; i = (i + 1) & (d->seen_cap - 1)) {
        if (d->seen[i] == h) return false;
        if (d->seen[i] != 0) continue;
        d->seen[i] = h;
        return true;
    }
}

static int look_up(const struct value *v, const struct vset *set, uint64_t r, struct element *e) {
    return vset_slot(v, &set->shape, (uint32_t)((r >> 32) * set->slots >> 32), e);
}

static int draw_batch(call *c, struct draws *d, const struct entry *e, const struct vset *set) {
    const struct value *v = &e->value;
    struct element el;
    int answer = OK;
    if (d->r_n == 0) {
        d->r_n = d->left < DRAWS ? (size_t)d->left : DRAWS;
        for (size_t i = 0; i < d->r_n; i++) d->r[i] = rnd_u64(call_rnd(c));
    }
    for (size_t i = 0; i < d->r_n; i++) {
        int rc = look_up(v, set, d->r[i], &el);
        if (rc == ERR_COLD) answer = ERR_COLD;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
    }
    if (answer != OK) return answer;
    for (size_t i = 0; i < d->r_n; i++) {
        /* Free: another draw. So many in a row are no chance: the root counts more than there is. */
        if (look_up(v, set, d->r[i], &el) != OK) {
            if (++d->misses > MISSES_MAX) return ERR_CORRUPT;
            continue;
        }
        d->misses = 0;
        if (!d->distinct || first_time(d, el.name)) take(d, el.name);
    }
    d->r_n = 0;
    return OK;
}

static struct draws *draws_start(call *c, int64_t count, const struct vset *set) {
    struct draws *d = mem_calloc(1, sizeof(*d));
    bool sparse = set->slots / SPARSE > set->count && set->count <= SPARSE_MAX;
    d->distinct = count > 0;
    d->rnd = call_rnd(c);
    d->left = count > 0 ? (uint64_t)count : (uint64_t)-count;
    if (d->distinct && d->left > set->count) d->left = set->count;
    if (sparse || (d->distinct && d->left * RARE > set->count)) {
        d->walk = true;
        d->names_max = d->distinct ? d->left : set->count;
        d->names = mem_calloc((size_t)d->names_max, sizeof(*d->names));
    } else if (d->distinct) {
        for (d->seen_cap = 16; d->seen_cap < 4 * d->left;) d->seen_cap *= 2;
        d->seen = mem_calloc((size_t)d->seen_cap, sizeof(*d->seen));
    }
    call_set_state(c, d, draws_free);
    return d;
}

static int draw_all(call *c, struct draws *d, const struct entry *e, const struct vset *set) {
    size_t drawn = 0;
    while (d->left > 0) {
        int rc = OK;
        /* Others may have taken elements away since the first step. */
        if (d->distinct && !d->walk && d->made >= set->count) break;
        if (!d->walk) rc = draw_batch(c, d, e, set);
        else if (!d->walked) rc = sample(c, d, e, set);
        else take_walked(d);
        if (rc != OK) return rc;
        drawn += DRAWS;
        if (d->left > 0 && drawn >= DRAWS_PER_STEP && call_may_park(c)) {
            parked_resume(call_park(c, cmd_vrandmember, NULL, NULL));
            return ERR_AGAIN;
        }
    }
    return OK;
}

int cmd_vrandmember(call *c) {
    struct entry e;
    struct vset set;
    int64_t count = 1;
    bool many = call_argc(c) == 3;
    if (call_argc(c) > 3) return reply_arity(c);
    if (many && !num_parse_ll(call_arg(c, 2), &count))
        return reply_error(c, "ERR COUNT value is not an integer");
    if (count < -REPEATS_MAX) return reply_error(c, "ERR COUNT value is out of range");
    struct draws *d = call_state(c);
    int rc = vset_open(c, d != NULL, &e, &set);
    if (rc == ERR_NOTFOUND) return many ? reply_empty_array(c) : reply_null(c);
    if (rc != OK) return rc;
    if (count == 0) return reply_empty_array(c);
    if (d == NULL) d = draws_start(c, many ? count : -1, &set);
    rc = draw_all(c, d, &e, &set);
    if (rc != OK) return rc;
    if (many) reply_array(c, (size_t)d->made);
    buf_append(call_out(c), d->out.p, d->out.n);
    return OK;
}

/* ---- VRANGE: a walk over all names, the first of which are kept -------------------- */

#define KEPT_SPARE 1024 /* Names over the limit before the last ones are dropped. */

struct bound {
    slice name;
    bool open, endless; /* endless: - or + */
};

struct range {
    struct scan scan;
    struct bound from, to; /* borrow the arguments */
    uint64_t limit;
    struct name *names;
    size_t n, cap;
};

static void range_clear(struct range *r, size_t keep) {
    while (r->n > keep) mem_free(r->names[--r->n].p);
}

static void range_free(void *state) {
    struct range *r = state;
    range_clear(r, 0);
    mem_free(r->names);
    mem_free(r);
}

static int by_name(const void *a, const void *b) {
    const struct name *x = a, *y = b;
    return slice_cmp(slice_make(x->p, x->n), slice_make(y->p, y->n));
}

static void range_trim(struct range *r) {
    if (r->n > 1) qsort(r->names, r->n, sizeof(*r->names), by_name);
    if (r->n > r->limit) range_clear(r, (size_t)r->limit);
}

static int range_one(void *cookie, const struct value *v, const struct element *e) {
    struct range *r = cookie;
    slice name = e->name;
    (void)v;
    int low = r->from.endless ? 1 : slice_cmp(name, r->from.name);
    int high = r->to.endless ? -1 : slice_cmp(name, r->to.name);
    if (low < 0 || (low == 0 && r->from.open) || high > 0 || (high == 0 && r->to.open))
        return OK;
    if (r->n == r->cap) {
        r->cap = r->cap == 0 ? 64 : r->cap * 2;
        r->names = mem_realloc(r->names, r->cap * sizeof(*r->names));
    }
    r->names[r->n++] = name_copy(name);
    if (r->limit < UINT32_MAX && r->n >= 2 * r->limit + KEPT_SPARE) range_trim(r);
    return OK;
}

static bool parse_bound(slice arg, struct bound *out) {
    *out = (struct bound){.name = slice_make(NULL, 0)};
    if (arg.n == 1 && (arg.p[0] == '-' || arg.p[0] == '+')) {
        out->endless = true;
        return true;
    }
    if (arg.n < 2 || (arg.p[0] != '[' && arg.p[0] != '(')) return false;
    out->open = arg.p[0] == '(';
    out->name = slice_make(arg.p + 1, arg.n - 1);
    return true;
}

static const char *parse_range(call *c, struct range *r) {
    int64_t count = -1;
    slice from = call_arg(c, 2), to = call_arg(c, 3);
    if (call_argc(c) == 5 && !num_parse_ll(call_arg(c, 4), &count))
        return "ERR invalid COUNT value";
    r->limit = count < 0 ? UINT64_MAX : (uint64_t)count;
    if (!parse_bound(from, &r->from)) return "ERR invalid start range format";
    if (!parse_bound(to, &r->to)) return "ERR invalid end range format";
    if ((r->from.endless && from.p[0] != '-') || (r->to.endless && to.p[0] != '+'))
        return "ERR '-' can only be used as first argument, '+' only as second";
    return NULL;
}

int cmd_vrange(call *c) {
    struct entry e;
    struct vset set;
    struct range *r = call_state(c);
    bool again = r != NULL;
    if (call_argc(c) > 5) return reply_arity(c);
    if (r == NULL) {
        r = mem_calloc(1, sizeof(*r));
        call_set_state(c, r, range_free);
        const char *error = parse_range(c, r);
        if (error != NULL) return reply_error(c, error);
    }
    int rc = vset_open(c, again, &e, &set);
    if (rc == ERR_NOTFOUND) return reply_empty_array(c);
    if (rc != OK) return rc;
    if (r->limit == 0) return reply_empty_array(c);
    if (scan_resume(&r->scan, &set)) range_clear(r, 0);
    rc = scan_step(&r->scan, c, &e.value, &set, cmd_vrange, range_one, r);
    if (rc != OK) return rc;
    range_trim(r);
    reply_array(c, r->n);
    for (size_t i = 0; i < r->n; i++)
        reply_bulk(c, slice_make(r->names[i].p, r->names[i].n));
    return OK;
}
