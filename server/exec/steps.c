/* steps.c -- writes of many elements, done in steps while the loop goes on.
 *
 * Such a command builds its result beside the data, in a database that no client can select, by ordinary
 * effects, a few hundred elements in each turn of the loop; then one effect moves it to its key. Until then
 * nothing of it is seen, and a crash leaves nothing but what the next such command sweeps away.
 *
 * Invariants
 *  1. What the command reads is watched, as by WATCH. When it changes, all that was built is dropped and the
 *     command begins again: so its result is that of one moment, the last one.
 *  2. After STEPS_TRIES beginnings it is done in one turn, as it would have been without steps: so it ends.
 *  3. A run of a handler makes one step: it may be cold before its first effect, and never after it.
 *
 * Why not a lock of the keys: readers of the old contents, and all commands on other keys, would wait for
 * the slowest. Why not a snapshot of the sources: a result of long ago would overwrite what others have
 * written since, from data that they have changed since. */
#include <assert.h>

#include "base/mem.h"
#include "exec/exec_internal.h"

#define STEPS_TRIES 3
#define STEP_US 300
#define STEP_ELEMENTS_MIN 32
#define STEPS_HELD_MS 1 /* While CLIENT PAUSE holds writes up. */

struct steps {
    exec *x;
    const struct steps_job *ops;
    void *work;
    const slice *keys; /* the command's arguments */
    size_t n;
    list watched;
    bool changed, made, in_one_turn; /* made: there is something beside the data */
    bool settled;
    void (*worked)(void *work, void *cookie); /* when a worker has something of it */
    unsigned tries;
    size_t elements; /* of the next step: each may be in a page of its own, which is cold in the processor's caches */
    uint8_t name[8];
};

static slice name_of(const struct steps *s) { return slice_make(s->name, sizeof(s->name)); }
static db *workshop(const struct steps *s) { return keyspace_workshop(s->x->deps.keyspace); }

/* ---- a command's life ----------------------------------------------------------------------------- */

static effect drop_effect(const struct steps *s) {
    return (effect){.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = db_id(workshop(s)), .key = name_of(s)};
}

/* The command has ended, or its client has gone, perhaps inside another's command: what it has left is swept
 * up by the cron. */
static void steps_free(void *state) {
    struct steps *s = state;
    multi__unwatch(s->x, &s->watched);
    s->x->steps_n--;
    s->ops->free(s->work);
    mem_free(s);
}

static int steps_go(call *c);

static int park(call *c, uint64_t ms) {
    parked *p = call_park(c, steps_go, NULL, NULL);
    if (ms == 0) parked_resume(p);
    else parked_timeout(p, ms);
    return ERR_AGAIN;
}

/* Drops what was built. The next run begins again. */
static int begin_again(struct steps *s, call *c) {
    if (s->made) {
        effect e = drop_effect(s);
        int rc = call_effect(c, &e);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        s->made = false;
    }
    s->changed = false;
    multi__unwatch(s->x, &s->watched);
    s->in_one_turn = ++s->tries == STEPS_TRIES;
    s->ops->restart(s->work);
    return park(c, 0);
}

static int watch_all(struct steps *s, call *c) {
    if (!list_empty(&s->watched)) return OK;
    bool cold = false;
    for (size_t i = 0; i < s->n && !s->settled; i++) {
        int rc = multi__watch(s->x, &s->watched, &s->changed, c->client->db, s->keys[i]);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK) return rc;
    }
    if (cold) multi__unwatch(s->x, &s->watched);
    return cold ? ERR_COLD : OK;
}

/* Eviction may have deleted it, or a snapshot's restore. */
static bool lost(const struct steps *s, int *rc) {
    struct entry e;
    *rc = OK;
    if (!s->made) return false;
    *rc = keyspace_get(s->x->deps.keyspace, workshop(s), name_of(s), KS_EXPIRED, &e);
    if (*rc != ERR_NOTFOUND) return false;
    *rc = OK;
    return true;
}

static void measure(struct steps *s, uint64_t us) {
    size_t n = us == 0 ? STEP_ELEMENTS : s->elements * STEP_US / us;
    if (n > s->elements + s->elements / 4) n = s->elements + s->elements / 4 + 1;
    s->elements = n < STEP_ELEMENTS_MIN ? STEP_ELEMENTS_MIN : n > STEP_ELEMENTS ? STEP_ELEMENTS : n;
}

static int one_step(struct steps *s, call *c, bool *done) {
    uint64_t began = call_mono_us(c);
    int rc = s->ops->step(c, s->work, done);
    if (rc == OK) measure(s, call_mono_us(c) - began);
    return rc;
}

static int steps_go(call *c) {
    struct steps *s = c->state;
    exec *x = s->x;
    bool done = false;
    int rc;
    if (exec__paused(x)) return park(c, STEPS_HELD_MS);
    if (s->in_one_turn) { /* From its beginning, as if there were no steps. */
        c->in_one_turn = true;
        c->resume_fn = NULL;
        call_set_state(c, NULL, NULL);
        return c->cmd->fn(c);
    }
    if (lost(s, &rc)) {
        s->made = false;
        s->changed = true;
    }
    if (rc != OK) return rc;
    if (s->changed) return begin_again(s, c);
    rc = watch_all(s, c);
    if (rc == OK) rc = one_step(s, c, &done);
    if (rc == ERR_PRECOND) return begin_again(s, c);
    if (rc != OK) return rc;
    return done ? s->ops->finish(c, s->work) : park(c, 0);
}

/* ---- what handlers use ---------------------------------------------------------------------------- */

bool call_may_step(const call *c) { return call_may_park(c) && !c->in_one_turn && c->state == NULL; }

/* What commands left behind that ended in a crash, or whose clients went away. */
void steps__sweep(exec *x) {
    db *d = keyspace_workshop(x->deps.keyspace);
    if (x->steps_n > 0 || db_keys(d) == 0) return;
    tier_txn_begin(x->deps.tier);
    (void)tier_db_flush(x->deps.tier, d); /* Else in the next round. */
    tier_txn_end(x->deps.tier);
}

int call_steps(call *c, const struct steps_job *ops, void *work, const slice *keys, size_t n) {
    exec *x = c->exec;
    assert(call_may_step(c));
    struct steps *s = mem_calloc(1, sizeof(*s));
    *s = (struct steps){.x = x, .ops = ops, .work = work, .keys = keys, .n = n, .elements = STEP_ELEMENTS / 2};
    list_init(&s->watched);
    put_u64(s->name, x->steps_next++);
    x->steps_n++;
    call_set_state(c, s, steps_free);
    return park(c, 0);
}

size_t call_steps_elements(const call *c) { return ((const struct steps *)c->state)->elements; }

void call_steps_settled(call *c) {
    struct steps *s = c->state;
    assert(!s->made);
    s->settled = true;
    multi__unwatch(s->x, &s->watched);
}

static int steps_worked(call *c) {
    struct steps *s = c->state;
    s->worked(s->work, c->cookie);
    c->cookie = NULL;
    c->resume_fn = steps_go;
    return steps_go(c);
}

int call_steps_work(call *c, void (*fn)(void *cookie), void *cookie, void (*canceled)(void *cookie),
                    void (*worked)(void *work, void *cookie)) {
    struct steps *s = c->state;
    s->worked = worked;
    call_work(c, fn, steps_worked, cookie, canceled);
    return ERR_AGAIN;
}

int call_steps_value(call *c, uint8_t type, uint8_t op, const slice *args, size_t argc) {
    struct steps *s = c->state;
    effect e = {.target = EFFECT_VALUE, .type = type, .op = op, .db = db_id(workshop(s)), .key = name_of(s),
                .args = args, .argc = argc};
    int rc = call_effect(c, &e);
    if (rc == OK) s->made = true;
    return rc;
}

static int transfer(call *c, uint8_t op, db *from, slice key, db *to, slice to_key) {
    uint8_t id[8];
    put_u64(id, db_id(to));
    slice args[2] = {slice_make(id, sizeof(id)), to_key};
    effect e = {.target = EFFECT_ENTRY, .op = op, .db = db_id(from), .key = key, .args = args, .argc = 2};
    return call_effect(c, &e);
}

int call_steps_copy(call *c, slice key) {
    struct steps *s = c->state;
    int rc = transfer(c, ENTRY_COPY, c->client->db, key, workshop(s), name_of(s));
    if (rc == OK) s->made = true;
    return rc;
}

int call_steps_look(call *c, struct value *v) {
    struct steps *s = c->state;
    struct entry e;
    *v = (struct value){.kind = VALUE_NONE};
    if (!s->made) return OK;
    int rc = keyspace_get(s->x->deps.keyspace, workshop(s), name_of(s), KS_EXPIRED, &e);
    if (rc == OK) *v = e.value;
    return rc == ERR_NOTFOUND ? OK : rc;
}

int call_steps_length(call *c, uint64_t *n) {
    struct value v;
    int rc = call_steps_look(c, &v);
    *n = rc == OK && v.kind != VALUE_NONE ? c->exec->deps.types->by_id[v.type]->length(&v) : 0;
    return rc;
}

int call_steps_take(call *c, slice key) {
    struct steps *s = c->state;
    assert(s->made);
    int rc = transfer(c, ENTRY_MOVE, workshop(s), name_of(s), c->client->db, key);
    if (rc == OK) s->made = false;
    return rc;
}
