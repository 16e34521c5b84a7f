/* hash_random.c -- HRANDFIELD: one field, several different ones, or several with repeats.
 *
 * A draw may meet a cold page, and then the command runs again. So that it asks for the same pages
 * each time, and comes to an end, its chance is drawn once and kept with the call.
 *
 * Different fields, two ways: when a good part of the hash is wanted, or the hash is small, one
 * walk that takes each pair with the probability that makes it come out even (Knuth's algorithm
 * S); else single draws, with those that came before left out. */
#include "base/hash.h"
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/hash_commands.h"
#include "commands/elements.h"
#include "resp/write.h"
#include "types/hash.h"

#define WALK_PAIRS 1024       /* A hash of at most this many is walked. */
#define DRAWS_PER_FIELD 32    /* So many draws without luck, and the walk is taken after all. */

static void write_pair(call *c, bool with_values, slice field, slice val) {
    if (with_values && call_proto(c) >= 3) reply_array(c, 2);
    reply_bulk(c, field);
    if (with_values) reply_bulk(c, val);
}

static void write_head(call *c, bool with_values, uint64_t pairs) {
    reply_array(c, with_values && call_proto(c) < 3 ? pairs * 2 : pairs);
}

static int draw(const struct value *v, rnd *r, slice *field, char field_tmp[NUM_LL_MAX], slice *val,
                char val_tmp[NUM_LL_MAX]) {
    return hash_random(v, rnd_u64(r), field, field_tmp, val, val_tmp);
}

/* `n` draws, one independent of the other: the cold pages of all are asked for at once. */
static int with_repeats(call *c, const struct value *v, uint64_t n, bool with_values) {
    rnd r = elements_chance(c);
    int cold = OK;
    size_t mark = call_out(c)->n;
    write_head(c, with_values, n);
    for (uint64_t i = 0; i < n; i++) {
        char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
        slice field, val;
        int rc = draw(v, &r, &field, field_tmp, &val, val_tmp);
        if (rc == ERR_NOTFOUND) { /* All fields have expired. */
            call_out(c)->n = mark;
            return reply_empty_array(c);
        }
        if (rc == ERR_COLD) cold = ERR_COLD;
        else if (rc != OK) return rc;
        else if (cold == OK) write_pair(c, with_values, field, val);
    }
    return cold;
}

static int draw_one(const struct value *v, rnd *r, bool pairs, int proto, buf *out) {
    char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
    slice field, val;
    int rc = draw(v, r, &field, field_tmp, &val, val_tmp);
    if (rc != OK) return rc;
    if (pairs && proto >= 3) resp_array(out, 2);
    resp_bulk(out, field);
    if (pairs) resp_bulk(out, val);
    return OK;
}

struct selection {
    call *call;
    rnd rnd;
    bool with_values;
    uint64_t left, wanted; /* pairs to come, and of these to be taken */
};

static int select_pair(void *cookie, slice field, slice val) {
    struct selection *s = cookie;
    if (s->left == 0) return ERR_CORRUPT; /* More pairs than the hash says it has. */
    if (rnd_below(&s->rnd, s->left) < s->wanted) {
        write_pair(s->call, s->with_values, field, val);
        s->wanted--;
    }
    s->left--;
    return 0;
}

static int by_walk(call *c, const struct value *v, uint64_t n, bool with_values) {
    uint64_t live;
    int rc = hash_live(v, &live);
    if (rc != OK) return rc;
    if (n > live) n = live;
    struct selection s = {.call = c, .rnd = elements_chance(c), .with_values = with_values, .left = live,
                          .wanted = n};
    write_head(c, with_values, n);
    rc = hash_each(v, select_pair, &s);
    if (rc != OK) return rc;
    return s.wanted == 0 ? OK : ERR_CORRUPT;
}

/* The hashes of fields that were drawn: open addressing, at most half full; 0 is free. */
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
static int by_draws(call *c, const struct value *v, uint64_t n, bool with_values) {
    rnd r = elements_chance(c);
    uint64_t seed = rnd_u64(&r), taken = 0, draws = 0;
    struct drawn d = {.mask = 16};
    while (d.mask < 2 * n) d.mask *= 2;
    d.slots = mem_try_calloc(d.mask, sizeof(*d.slots));
    if (d.slots == NULL) return ERR_NOMEM;
    d.mask--;
    int rc = OK, cold = OK;
    write_head(c, with_values, n);
    while (taken < n && rc == OK) {
        char field_tmp[NUM_LL_MAX], val_tmp[NUM_LL_MAX];
        slice field, val;
        if (draws++ == n * DRAWS_PER_FIELD) {
            rc = ERR_LIMIT;
            break;
        }
        rc = draw(v, &r, &field, field_tmp, &val, val_tmp);
        if (rc == ERR_COLD) { /* Counted, so that about as many pages are asked for as needed. */
            cold = ERR_COLD;
            taken++;
            rc = OK;
        } else if (rc == ERR_NOTFOUND) {
            rc = ERR_LIMIT; /* All fields have expired; the walk finds none. */
        } else if (rc == OK && drawn_add(&d, hash_xx(field.p, field.n, seed))) {
            write_pair(c, with_values, field, val);
            taken++;
        }
    }
    mem_free(d.slots);
    return rc != OK ? rc : cold;
}

static int different(call *c, const struct value *v, uint64_t n, bool with_values) {
    uint64_t length = hash_len(v);
    if (n > length) n = length;
    if (length > WALK_PAIRS && n <= length / 3) {
        size_t mark = call_out(c)->n;
        int rc = by_draws(c, v, n, with_values);
        if (rc != ERR_LIMIT) return rc;
        call_out(c)->n = mark;
    }
    return by_walk(c, v, n, with_values);
}

static int one(call *c) {
    struct entry e;
    char tmp[NUM_LL_MAX];
    slice field;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_HASH, &e);
    if (rc == OK) {
        rnd r = elements_chance(c);
        rc = hash_random(&e.value, rnd_u64(&r), &field, tmp, NULL, NULL);
    }
    if (rc == ERR_NOTFOUND) return reply_null(c);
    return rc != OK ? rc : reply_bulk(c, field);
}

int cmd_hrandfield(call *c) {
    struct entry e;
    int64_t count;
    bool with_values;
    if (call_argc(c) == 2) return one(c);
    if (!elements_draw_options(c, "withvalues", &count, &with_values)) return OK;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_HASH, &e);
    if (rc == ERR_NOTFOUND || (rc == OK && count == 0)) return reply_empty_array(c);
    if (rc != OK) return rc;
    if (count < 0 && elements_draws_are_many(c, (uint64_t)-count))
        return elements_draw_in_steps(c, &e.value, (uint64_t)-count, with_values, draw_one);
    return count < 0 ? with_repeats(c, &e.value, (uint64_t)-count, with_values)
                     : different(c, &e.value, (uint64_t)count, with_values);
}
