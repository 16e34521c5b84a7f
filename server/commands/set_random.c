/* set_random.c -- SRANDMEMBER and SPOP: one member, several different ones, or (SRANDMEMBER) several
 * with repeats.
 *
 * A draw may meet a cold page, and then the command runs again. So that it asks for the same pages each
 * time, and comes to an end, its chance is drawn once and kept with the call.
 *
 * Different members, two ways: when a good part of the set is wanted, or the set is small, one
 * walk that takes each member with the probability that makes it come out even (Knuth's algorithm
 * S); else single draws, with those that came before left out. SPOP collects what is drawn, and what its
 * effect says is names: those that go, or, when nearly all do, those that stay. */
#include "base/hash.h"
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/set_commands.h"
#include "commands/elements.h"
#include "resp/write.h"
#include "types/set.h"

#define WALK_MEMBERS 1024     /* A set of at most this many is walked. */
#define DRAWS_PER_MEMBER 32   /* So many draws without luck, and the walk is taken after all. */
#define KEEP_SHARE 5          /* SPOP of all but a fifth of what goes stores what stays. */

/* Members that must outlive the pages they came from: bytes one after the other, and their ends. */
struct names {
    buf bytes, ends;
    size_t n;
};

static void names_add(struct names *s, slice member) {
    buf_append_slice(&s->bytes, member);
    buf_u64(&s->ends, s->bytes.n);
    s->n++;
}

static void names_clear(struct names *s) { s->bytes.n = s->ends.n = s->n = 0; }

static void names_free(struct names *s) {
    buf_free(&s->bytes);
    buf_free(&s->ends);
}

/* As slices, mem_free() them; NULL: no memory. */
static slice *names_slices(const struct names *s) {
    slice *list = mem_try_alloc((s->n + 1) * sizeof(*list));
    size_t from = 0;
    for (size_t i = 0; list != NULL && i < s->n; i++) {
        size_t to = (size_t)get_u64(s->ends.p + 8 * i);
        list[i] = slice_make(s->bytes.p == NULL ? NULL : s->bytes.p + from, to - from);
        from = to;
    }
    return list;
}

/* ---- different members -------------------------------------------------------------------------- */

struct selection {
    rnd rnd;
    uint64_t left, wanted;     /* members to come, and of these to be taken */
    struct names *taken, *rest; /* rest: or NULL */
};

static int select_member(void *cookie, slice member) {
    struct selection *s = cookie;
    if (s->left == 0) return ERR_CORRUPT; /* More members than the set says it has. */
    if (rnd_below(&s->rnd, s->left--) < s->wanted) {
        names_add(s->taken, member);
        s->wanted--;
    } else if (s->rest != NULL) {
        names_add(s->rest, member);
    }
    return 0;
}

static int by_walk(call *c, const struct value *v, uint64_t n, struct names *taken,
                   struct names *rest) {
    struct selection s = {.rnd = elements_chance(c), .left = set_len(v), .wanted = n, .taken = taken,
                          .rest = rest};
    int rc = set_each(v, select_member, &s);
    if (rc != OK) return rc;
    return s.wanted == 0 && s.left == 0 ? OK : ERR_CORRUPT;
}

/* The hashes of members that were drawn: open addressing, at most half full; 0 is free. */
struct drawn {
    uint64_t *slots;
    size_t mask;
};

static bool drawn_add(struct drawn *d, uint64_t hash) {
    if (hash == 0) hash = 1;
    for (size_t i = hash & d->mask;; i = (i + 1) & d->mask) {
        if (d->slots[i] == hash) return false;
        if (d->slots[i] != 0) continue;
        d->slots[i] = hash;
        return true;
    }
}

/* ERR_LIMIT: too many draws without luck. */
static int by_draws(call *c, const struct value *v, uint64_t n, struct names *taken) {
    rnd r = elements_chance(c);
    uint64_t seed = rnd_u64(&r), got = 0, draws = 0;
    struct drawn d = {.mask = 16};
    while (d.mask < 2 * n) d.mask *= 2;
    d.slots = mem_try_calloc(d.mask, sizeof(*d.slots));
    if (d.slots == NULL) return ERR_NOMEM;
    d.mask--;
    int rc = OK, cold = OK;
    while (got < n && rc == OK) {
        char tmp[NUM_LL_MAX];
        slice member;
        if (draws++ == n * DRAWS_PER_MEMBER) {
            rc = ERR_LIMIT;
            break;
        }
        rc = set_random(v, rnd_u64(&r), &member, tmp);
        if (rc == ERR_COLD) { /* Counted, so that about as many pages are asked for as needed. */
            cold = ERR_COLD;
            got++;
            rc = OK;
        } else if (rc == OK && drawn_add(&d, hash_xx(member.p, member.n, seed))) {
            names_add(taken, member);
            got++;
        }
    }
    mem_free(d.slots);
    return rc != OK ? rc : cold;
}

/* n different members into *taken; n is at most all. With `rest` the others come there. */
static int different(call *c, const struct value *v, uint64_t n, struct names *taken,
                     struct names *rest) {
    uint64_t length = set_len(v);
    if (rest == NULL && length > WALK_MEMBERS && n <= length / 3) {
        int rc = by_draws(c, v, n, taken);
        if (rc != ERR_LIMIT) return rc;
        names_clear(taken);
    }
    return by_walk(c, v, n, taken, rest);
}

/* ---- SRANDMEMBER -------------------------------------------------------------------------------- */

static int one(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    slice member;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_SET, &e);
    if (rc == OK) {
        rnd r = elements_chance(c);
        rc = set_random(&e.value, rnd_u64(&r), &member, tmp);
    }
    if (rc == ERR_NOTFOUND) return reply_null(c);
    return rc != OK ? rc : reply_bulk(c, member);
}

/* `n` draws, one independent of the other: the cold pages of all are asked for at once. */
static int with_repeats(call *c, const struct value *v, uint64_t n) {
    rnd r = elements_chance(c);
    int cold = OK;
    reply_array(c, (size_t)n);
    for (uint64_t i = 0; i < n; i++) {
        char tmp[NUM_LL_MAX];
        slice member;
        int rc = set_random(v, rnd_u64(&r), &member, tmp);
        if (rc == ERR_COLD) cold = ERR_COLD;
        else if (rc != OK) return rc;
        else if (cold == OK) reply_bulk(c, member);
    }
    return cold;
}

static int draw_one(const struct value *v, rnd *r, bool pairs, int proto, buf *out) {
    char tmp[NUM_LL_MAX];
    slice member;
    (void)pairs;
    (void)proto;
    int rc = set_random(v, rnd_u64(r), &member, tmp);
    if (rc == OK) resp_bulk(out, member);
    return rc;
}

static int reply_names(call *c, const slice *list, size_t n, bool as_set) {
    if (as_set) reply_set(c, n);
    else reply_array(c, n);
    for (size_t i = 0; i < n; i++) reply_bulk(c, list[i]);
    return OK;
}

int cmd_srandmember(call *c) {
    struct entry e;
    int64_t count;
    bool pairs; /* Never: it has no word for them. */
    if (call_argc(c) > 3) return reply_syntax(c);
    if (call_argc(c) == 2) return one(c);
    if (!elements_draw_options(c, NULL, &count, &pairs)) return OK;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_SET, &e);
    if (rc == ERR_NOTFOUND || (rc == OK && count == 0)) return reply_empty_array(c);
    if (rc != OK) return rc;
    if (count < 0 && elements_draws_are_many(c, (uint64_t)-count))
        return elements_draw_in_steps(c, &e.value, (uint64_t)-count, false, draw_one);
    if (count < 0) return with_repeats(c, &e.value, (uint64_t)-count);
    uint64_t most = set_len(&e.value) < (uint64_t)count ? set_len(&e.value) : (uint64_t)count;
    if (most >= STEPS_FROM && call_may_step(c))
        return set_choose_in_steps(c, &e.value, (struct set_choice){.n = most});
    if ((uint64_t)count >= set_len(&e.value)) return set_reply_all(c, &e.value, false);
    struct names taken = {.n = 0};
    slice *list = NULL;
    rc = different(c, &e.value, (uint64_t)count, &taken, NULL);
    if (rc == OK && (list = names_slices(&taken)) == NULL) rc = ERR_NOMEM;
    if (rc == OK) reply_names(c, list, taken.n, false);
    mem_free(list);
    names_free(&taken);
    return rc;
}

/* ---- SPOP --------------------------------------------------------------------------------------- */

static int pop_all(call *c, const struct value *v) {
    slice key = call_arg(c, 1);
    int rc = set_reply_now(c, v);
    if (rc != OK || (rc = call_del(c, key)) != OK) return rc;
    call_notify(c, 's', "spop", key);
    call_notify(c, 'g', "del", key);
    return OK;
}

static int pop_some(call *c, const struct value *v, uint64_t n) {
    slice key = call_arg(c, 1), *list = NULL, *stay = NULL;
    struct names taken = {.n = 0}, rest = {.n = 0};
    bool keep = (set_len(v) - n) * KEEP_SHARE <= n;
    int rc = different(c, v, n, &taken, keep ? &rest : NULL);
    if (rc != OK) goto out;
    rc = ERR_NOMEM;
    if ((list = names_slices(&taken)) == NULL || (stay = names_slices(&rest)) == NULL) goto out;
    if (keep) rc = set_change(c, SET_STORE, key, stay, rest.n);
    else rc = set_change(c, SET_REM, key, list, taken.n);
    if (rc != OK) goto out;
    call_notify(c, 's', "spop", key);
    reply_names(c, list, taken.n, true);
out:
    mem_free(list);
    mem_free(stay);
    names_free(&taken);
    names_free(&rest);
    return rc;
}

static int pop_one(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    slice key = call_arg(c, 1), member;
    buf kept = BUF_INIT;
    int rc = call_write_type(c, key, TYPE_SET, &e);
    if (rc == OK) {
        rnd r = elements_chance(c);
        rc = set_random(&e.value, rnd_u64(&r), &member, tmp);
    }
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    buf_append_slice(&kept, member); /* The effect removes it from where it stands. */
    member = slice_of(&kept);
    bool last = set_len(&e.value) == 1;
    rc = set_change(c, SET_REM, key, &member, 1);
    if (rc == OK) {
        call_notify(c, 's', "spop", key);
        if (last) call_notify(c, 'g', "del", key);
        reply_bulk(c, member);
    }
    buf_free(&kept);
    return rc;
}

int cmd_spop(call *c) {
    struct entry e;
    int64_t count;
    if (call_argc(c) > 3) return reply_syntax(c);
    if (call_argc(c) == 2) return pop_one(c);
    if (!call_int_in(c, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return OK;
    int rc = call_write_type(c, call_arg(c, 1), TYPE_SET, &e);
    if (rc == ERR_NOTFOUND || (rc == OK && count == 0)) return reply_set(c, 0);
    if (rc != OK) return rc;
    uint64_t most = set_len(&e.value) < (uint64_t)count ? set_len(&e.value) : (uint64_t)count;
    if (most >= SET_POP_STEPS_FROM && call_may_step(c))
        return set_choose_in_steps(c, &e.value, (struct set_choice){.n = most, .as_set = true, .pop = true});
    if ((uint64_t)count >= set_len(&e.value)) return pop_all(c, &e.value);
    return pop_some(c, &e.value, (uint64_t)count);
}
