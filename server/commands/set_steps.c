/* set_steps.c -- very many members of a set answered, chosen by lot, and removed, in steps (call_steps()).
 *
 * A step looks at some members of the set as it is, and writes those that are chosen into the reply. SPOP makes a copy,
 * which shares its pages: the step takes what it has chosen out of that, or, where most members go, fills it anew with
 * what stays. At the end the copy takes the set's place.
 *
 * Two ways to choose, as in set_random.c: a walk that takes each member with the probability that makes it come out
 * even, and single draws without those that came before. */
#include "base/hash.h"
#include "base/mem.h"
#include "commands/set_commands.h"
#include "resp/write.h"
#include "types/set.h"

#define READ_IN_A_STEP 4096
#define DRAWN_IN_A_STEP 128 /* Each may be in a page of its own, which is copied. */
#define DRAWS_PER_MEMBER 32 /* So many draws without luck, and it begins again as a walk. */

/* What a step that comes to nothing puts back. */
struct progress {
    rnd rnd;
    uint64_t cursor, left, wanted; /* members to come, and of these to be taken */
    uint64_t draws;
    bool begun, sized, ended;
};

struct choosing {
    struct set_choice how;
    uint64_t len, seed;
    bool draw, refill;  /* refill: the copy gets what stays */
    struct progress p;
    uint64_t *slots;    /* hashes of members that were drawn; at most half full, 0 is free */
    size_t mask;
    uint64_t **filled;  /* by this step */
    size_t filled_n;
    buf out, named;     /* named: members of this step's effect */
    uint64_t named_n;
    bool copied, stored;
};

static void restart(void *work) {
    struct choosing *g = work;
    if (g->slots != NULL) memset(g->slots, 0, (g->mask + 1) * sizeof(*g->slots));
    g->out.n = g->named.n = 0;
    g->filled_n = 0;
    g->copied = g->stored = false;
    g->p = (struct progress){.left = g->len, .wanted = g->how.n};
    rnd_seed(&g->p.rnd, g->seed);
}

static void choosing_free(void *work) {
    struct choosing *g = work;
    mem_free(g->slots);
    mem_free(g->filled);
    buf_free(&g->out);
    buf_free(&g->named);
    mem_free(g);
}

/* ---- choosing ----------------------------------------------------------------------------------------- */

static void name(struct choosing *g, slice member) {
    buf_bytes(&g->named, member);
    g->named_n++;
}

static int see(void *cookie, slice member) {
    struct choosing *g = cookie;
    if (g->p.left == 0) return ERR_CORRUPT; /* More members than the set says it has. */
    bool taken = rnd_below(&g->p.rnd, g->p.left--) < g->p.wanted;
    if (taken) {
        g->p.wanted--;
        resp_bulk(&g->out, member);
    }
    if (g->copied && taken != g->refill) name(g, member);
    return OK;
}

static int walk_on(struct choosing *g, const struct value *v) {
    int rc = set_scan(v, &g->p.cursor, g->how.pop && g->how.n < g->len ? STEP_ELEMENTS : READ_IN_A_STEP, see, g);
    if (rc != OK || g->p.cursor != 0) return rc;
    g->p.ended = true;
    return g->p.left == 0 && g->p.wanted == 0 ? OK : ERR_CORRUPT;
}

/* Notes the hash; false: it is there. */
static bool fill(struct choosing *g, uint64_t hash) {
    if (hash == 0) hash = 1;
    for (size_t i = hash & g->mask;; i = (i + 1) & g->mask) {
        if (g->slots[i] == hash) return false;
        if (g->slots[i] != 0) continue;
        g->slots[i] = hash;
        g->filled[g->filled_n++] = &g->slots[i];
        return true;
    }
}

static int draw_on(struct choosing *g, const struct value *v) {
    bool cold = false;
    for (size_t i = 0; i < DRAWN_IN_A_STEP && g->p.wanted > 0; i++) {
        char tmp[NUM_LL_MAX];
        slice member;
        if (g->p.draws++ == g->how.n * DRAWS_PER_MEMBER) {
            g->draw = false;
            return ERR_PRECOND;
        }
        int rc = set_random(v, rnd_u64(&g->p.rnd), &member, tmp);
        cold |= rc == ERR_COLD; /* Those of the others too are asked for. */
        if (rc == ERR_COLD) continue;
        if (rc != OK) return rc;
        if (!fill(g, hash_xx(member.p, member.n, g->seed))) continue;
        g->p.wanted--;
        resp_bulk(&g->out, member);
        if (g->copied) name(g, member);
    }
    g->p.ended = g->p.wanted == 0;
    return cold ? ERR_COLD : OK;
}

/* ---- the job ------------------------------------------------------------------------------------------ */

static int apply_named(call *c, struct choosing *g) {
    if (g->named_n == 0) return OK;
    uint8_t op = !g->refill ? SET_REM : g->stored ? SET_ADD : SET_STORE;
    slice *members = mem_try_alloc(g->named_n * sizeof(*members));
    if (members == NULL) return ERR_NOMEM;
    reader r = reader_make(slice_of(&g->named));
    for (uint64_t i = 0; i < g->named_n; i++) members[i] = read_bytes(&r);
    int rc = call_steps_value(c, TYPE_SET, op, members, g->named_n);
    mem_free(members);
    if (rc == OK) g->stored = true;
    return rc;
}

/* Room for all, judged by the first ones: a reply that grows would be copied again and again. */
static int size_reply(struct choosing *g) {
    uint64_t got = g->how.n - g->p.wanted;
    if (got == 0 || g->p.sized) return OK;
    g->p.sized = true;
    return buf_try_reserve(&g->out, (size_t)(g->out.n / got + 2) * g->p.wanted);
}

static int choose(call *c, struct choosing *g, const struct value *v) {
    struct progress was = g->p;
    size_t out = g->out.n;
    g->named.n = g->named_n = g->filled_n = 0;
    int rc = g->draw ? draw_on(g, v) : walk_on(g, v);
    if (rc == OK) rc = size_reply(g);
    if (rc == OK) rc = apply_named(c, g);
    if (rc == OK) return OK;
    g->p = was;
    g->out.n = out;
    while (g->filled_n > 0) *g->filled[--g->filled_n] = 0; /* The last one first: those before lie as they did. */
    return rc;
}

static int begin(struct choosing *g, int proto) {
    g->p.begun = true;
    if (g->how.as_set) resp_set(&g->out, proto, g->how.n);
    else resp_array(&g->out, g->how.n);
    return OK;
}

static int step(call *c, void *work, bool *done) {
    struct choosing *g = work;
    struct entry e;
    slice key = call_arg(c, 1);
    *done = g->p.ended;
    if (*done) return OK;
    if (!g->p.begun) return begin(g, call_proto(c));
    if (g->how.pop && g->how.n < g->len && !g->copied) {
        int rc = call_steps_copy(c, key);
        g->copied = rc == OK;
        return rc == ERR_NOTFOUND ? ERR_PRECOND : rc;
    }
    int rc = call_peek(c, key, &e);
    if (rc == ERR_NOTFOUND) return ERR_PRECOND;
    if (rc != OK) return rc;
    if (e.value.type != TYPE_SET || set_len(&e.value) != g->len) return ERR_PRECOND;
    rc = choose(c, g, &e.value);
    if (rc == OK && g->p.ended && !g->how.pop) call_steps_settled(c);
    return rc;
}

static int finish(call *c, void *work) {
    struct choosing *g = work;
    slice key = call_arg(c, 1);
    int rc = OK;
    if (g->how.pop) rc = g->copied ? call_steps_take(c, key) : call_del(c, key);
    if (rc != OK) return rc;
    if (g->how.pop) call_notify(c, 's', "spop", key);
    if (g->how.pop && !g->copied) call_notify(c, 'g', "del", key);
    return reply_take(c, &g->out);
}

int set_choose_in_steps(call *c, const struct value *v, struct set_choice how) {
    static const struct steps_job ops = {step, finish, restart, choosing_free};
    struct choosing *g = mem_calloc(1, sizeof(*g));
    g->how = how;
    g->len = set_len(v);
    g->draw = how.n <= g->len / 3;
    g->refill = how.n > g->len / 2;
    g->seed = rnd_u64(call_rnd(c));
    if (g->draw) {
        for (g->mask = 15; g->mask < 2 * how.n;) g->mask = 2 * g->mask + 1;
        g->slots = mem_try_calloc(g->mask + 1, sizeof(*g->slots));
        g->filled = mem_alloc(DRAWN_IN_A_STEP * sizeof(*g->filled));
        g->draw = g->slots != NULL; /* A walk needs none. */
    }
    restart(g);
    return call_steps(c, &ops, g, call_argv(c) + 1, 1);
}
