/* pin.c -- snapshots, forks and restore: catalogue effects, each O(1) whatever the size.
 *
 *   PIN      name, time, keys, databases, parent      a snapshot of the state before its transaction
 *   UNPIN    name
 *   FORK     new id, name, source id, snapshot        a new database that shares the snapshot's pages
 *   RESTORE  snapshot, (number, new id, source id)...  all numbers at once point at forks
 *
 * A snapshot starts as a moment in memory (keyspace_freeze). The next checkpoint writes exactly that
 * moment; from then on it is a stored catalogue. After a crash before that, replay stands at the
 * same moment again when it meets the effect, and freezes it again. So FORK and RESTORE find the same
 * snapshot in either form, live and at replay, and a roots object lists the snapshots as they were
 * at its LSN: what replay still needs is there even if it has been deleted since.
 *
 * PIN is the first effect of its transaction: its state is the one after the LSN before. */
#include <stdio.h>

#include "tier/tier_internal.h"

#define NO_SOURCE UINT64_MAX     /* the snapshot has no such database: the new one is empty */
#define RESTORE_LINE_BYTES 20

pin *pin_create(slice name, slice parent, uint64_t lsn) {
    assert(name.n > 0 && name.n <= NAME_BYTES_MAX && parent.n <= NAME_BYTES_MAX);
    pin *p = mem_calloc(1, sizeof(*p));
    p->refs = 1;
    p->lsn = lsn;
    memcpy(p->name, name.p, name.n);
    if (parent.n > 0) memcpy(p->parent, parent.p, parent.n);
    list_init(&p->hot);
    return p;
}

void pin_put(tier *t, pin *p) {
    assert(p->refs > 0);
    if (--p->refs > 0) return;
    list_remove(&p->hot);
    point_free(t, p->point);
    buf_free(&p->catalogue);
    mem_free(p);
}

void pin_add(tier *t, pin *p) {
    assert(t->pins_count == 0 || t->pins[t->pins_count - 1]->lsn <= p->lsn);
    t->pins = mem_realloc(t->pins, (t->pins_count + 1) * sizeof(*t->pins));
    t->pins[t->pins_count++] = p;
}

pin *pin_find(tier *t, slice name) {
    for (size_t i = 0; i < t->pins_count; i++) {
        if (slice_eq(slice_str(t->pins[i]->name), name)) return t->pins[i];
    }
    return NULL;
}

static void pin_remove(tier *t, pin *p) {
    size_t i = 0;
    while (t->pins[i] != p) i++;
    memmove(t->pins + i, t->pins + i + 1, (t->pins_count - i - 1) * sizeof(*t->pins));
    t->pins_count--;
    pin_put(t, p);
}

void pins_deinit(tier *t) {
    while (t->pins_count > 0) pin_remove(t, t->pins[t->pins_count - 1]);
    mem_free(t->pins);
    t->pins = NULL;
}

typedef void pin_each_fn(void *cookie, uint64_t id, int number, const char *name, uint64_t keys);

static int pin_each_db(pin *p, pin_each_fn *each, void *cookie) {
    if (p->point != NULL) {
        frozen_each_db(p->point->f, each, cookie);
        return OK;
    }
    return catalogue_each_db(slice_of(&p->catalogue), each, cookie);
}

/* ---- applying ---------------------------------------------------------------------------------- */

static int fork_one(tier *t, pin *p, uint64_t source, uint64_t id, const char *name, int number) {
    int rc = p->point != NULL
                 ? keyspace_fork_frozen(t->ks, p->point->f, source, id, name, number)
                 : keyspace_fork_catalogue(t->ks, slice_of(&p->catalogue), source, id, name, number);
    return rc == ERR_NOTFOUND ? OK : rc; /* it has been made, empty */
}

static int apply_pin(tier *t, const effect *e, uint64_t lsn) {
    if (e->argc != 5 || e->args[0].n == 0 || e->args[0].n > NAME_BYTES_MAX || e->args[1].n != 8 ||
        e->args[2].n != 8 || e->args[3].n != 8 || e->args[4].n > NAME_BYTES_MAX || lsn == 0)
        return ERR_CORRUPT;
    if (pin_find(t, e->args[0]) != NULL) return ERR_EXISTS;
    assert(keyspace_pending(t->ks) == 0);
    pin *p = pin_create(e->args[0], e->args[4], lsn);
    p->time_ms = get_u64(e->args[1].p);
    p->keys = get_u64(e->args[2].p);
    p->databases = get_u64(e->args[3].p);
    p->point = point_take(t, lsn - 1);
    list_push_back(&t->hot_pins, &p->hot);
    pin_add(t, p);
    return OK;
}

static int apply_fork(tier *t, const effect *e) {
    if (e->argc != 4 || e->args[0].n != 8 || e->args[1].n == 0 ||
        e->args[1].n > NAME_BYTES_MAX || e->args[2].n != 8)
        return ERR_CORRUPT;
    pin *p = pin_find(t, e->args[3]);
    if (p == NULL) return ERR_NOTFOUND;
    char name[NAME_BYTES_MAX + 1] = "";
    memcpy(name, e->args[1].p, e->args[1].n);
    return fork_one(t, p, get_u64(e->args[2].p), get_u64(e->args[0].p), name, -1);
}

static int empty_number(tier *t, uint32_t number, uint64_t id, uint64_t lsn, bool live) {
    uint8_t a[4], b[8];
    put_u32(a, number);
    put_u64(b, id);
    slice args[2] = {slice_make(a, 4), slice_make(b, 8)};
    effect e = {.target = EFFECT_CATALOGUE, .op = CATALOGUE_FLUSH, .args = args, .argc = 2};
    return live ? keyspace_apply(t->ks, &e, true) : keyspace_replay(t->ks, &e, lsn);
}

static int apply_restore(tier *t, const effect *e, uint64_t lsn, bool live) {
    if (e->argc != 2 || e->args[1].n % RESTORE_LINE_BYTES != 0) return ERR_CORRUPT;
    pin *p = pin_find(t, e->args[0]);
    if (p == NULL) return ERR_NOTFOUND;
    for (size_t i = 0; i < e->args[1].n; i += RESTORE_LINE_BYTES) {
        const uint8_t *line = e->args[1].p + i;
        uint32_t number = get_u32(line);
        uint64_t id = get_u64(line + 4), source = get_u64(line + 12);
        if (number > INT32_MAX) return ERR_CORRUPT;
        int rc = source == NO_SOURCE ? empty_number(t, number, id, lsn, live)
                                     : fork_one(t, p, source, id, "", (int)number);
        if (rc != OK) return rc;
    }
    memcpy(t->parent, p->name, sizeof(t->parent));
    return OK;
}

int pin_apply(tier *t, effect *e, uint64_t lsn, bool live) {
    int rc = ERR_CORRUPT;
    switch (e->op) {
    case CATALOGUE_PIN:
        assert(!live || t->txn.count == 0);
        rc = apply_pin(t, e, lsn);
        break;
    case CATALOGUE_UNPIN: {
        pin *p = e->argc == 1 ? pin_find(t, e->args[0]) : NULL;
        rc = p == NULL ? ERR_NOTFOUND : OK;
        if (p != NULL) pin_remove(t, p);
        break;
    }
    case CATALOGUE_FORK:
        rc = apply_fork(t, e);
        break;
    case CATALOGUE_RESTORE:
        rc = apply_restore(t, e, lsn, live);
        break;
    }
    /* What was possible then is possible now: else the log or the roots are damaged. */
    return rc == OK || live ? rc : ERR_CORRUPT;
}

/* ---- making -------------------------------------------------------------------------------------- */

static void info_of(tier *t, const pin *p, struct snapshot_info *out) {
    *out = (struct snapshot_info){.name = p->name, .lsn = p->lsn, .time_ms = p->time_ms,
                                  .keys = p->keys, .durable = p->listed && p->lsn <= t->durable,
                                  .databases = (size_t)p->databases, .parent = p->parent};
}

static void count_db(void *cookie, uint64_t id, int number, const char *name, uint64_t keys) {
    uint64_t *n = cookie;
    (void)id;
    (void)number;
    (void)name;
    n[0]++;
    n[1] += keys;
}

static void count_live_db(void *cookie, db *d) {
    count_db(cookie, 0, 0, "", db_keys(d));
}

static int snapshot_make(tier *t, slice name) {
    uint64_t counts[2] = {0, 0}; /* databases, keys */
    uint8_t time[8], keys[8], databases[8];
    keyspace_each_db(t->ks, count_live_db, counts);
    put_u64(time, (uint64_t)tier_now_ms(t));
    put_u64(keys, counts[1]);
    put_u64(databases, counts[0]);
    slice args[5] = {name, slice_make(time, 8), slice_make(keys, 8), slice_make(databases, 8),
                     slice_str(t->parent)};
    effect e = {.target = EFFECT_CATALOGUE, .op = CATALOGUE_PIN, .args = args, .argc = 5};
    return tier_effect(t, &e);
}

static bool name_ok(slice name) { return name.n > 0 && name.n <= NAME_BYTES_MAX; }

/* A moment needs all that is there: nothing half done, nothing that waits for its page. */
static bool may_freeze(tier *t) {
    return t->txn_suspended == 0 && keyspace_pending(t->ks) == 0;
}

int tier_snapshot_create(tier *t, slice name, bool nx, struct snapshot_info *out) {
    assert(t->txn_open);
    (void)nx; /* What EXISTS means to the caller is its affair. */
    if (!name_ok(name)) return ERR_SYNTAX;
    if (pin_find(t, name) != NULL) return ERR_EXISTS;
    if (t->txn.count > 0) return ERR_UNSUPPORTED;
    if (!may_freeze(t)) return ERR_COLD; /* tier_wait */
    int rc = snapshot_make(t, name);
    if (rc == OK) info_of(t, pin_find(t, name), out);
    return rc;
}

int tier_snapshot_delete(tier *t, slice name) {
    slice args[1] = {name};
    effect e = {.target = EFFECT_CATALOGUE, .op = CATALOGUE_UNPIN, .args = args, .argc = 1};
    return tier_effect(t, &e);
}

int tier_snapshot_info(tier *t, slice name, struct snapshot_info *out) {
    pin *p = pin_find(t, name);
    if (p == NULL) return ERR_NOTFOUND;
    info_of(t, p, out);
    return OK;
}

void tier_snapshot_each(tier *t, void (*each)(void *cookie, const struct snapshot_info *i),
                        void *cookie) {
    for (size_t i = 0; i < t->pins_count; i++) {
        struct snapshot_info info;
        info_of(t, t->pins[i], &info);
        each(cookie, &info);
    }
}

struct find_source {
    int number;
    const char *name;
    uint64_t id;
};

static void find_source(void *cookie, uint64_t id, int number, const char *name, uint64_t keys) {
    struct find_source *f = cookie;
    (void)keys;
    if (f->number >= 0 ? number == f->number : strcmp(name, f->name) == 0) f->id = id;
}

int tier_snapshot_fork(tier *t, slice snapshot, db *selected, slice name) {
    assert(t->txn_open);
    if (!name_ok(name)) return ERR_SYNTAX;
    pin *p = pin_find(t, snapshot);
    if (p == NULL) return ERR_NOTFOUND;
    if (keyspace_db_named(t->ks, name) != NULL) return ERR_EXISTS;
    struct find_source f = {db_number(selected), db_name(selected), NO_SOURCE};
    int rc = pin_each_db(p, find_source, &f);
    if (rc != OK) return rc;
    uint8_t id[8], source[8];
    put_u64(id, keyspace_next_db_id(t->ks));
    put_u64(source, f.id);
    slice args[4] = {slice_make(id, 8), name, slice_make(source, 8), snapshot};
    effect e = {.target = EFFECT_CATALOGUE, .op = CATALOGUE_FORK, .args = args, .argc = 4};
    return tier_effect(t, &e);
}

struct restore_lines {
    buf lines;
    uint64_t next_id;
};

static void restore_line(struct restore_lines *r, int number, uint64_t source) {
    for (size_t i = 0; i < r->lines.n; i += RESTORE_LINE_BYTES) {
        if (get_u32(r->lines.p + i) == (uint32_t)number) return; /* the snapshot's stands first */
    }
    buf_u32(&r->lines, (uint32_t)number);
    buf_u64(&r->lines, r->next_id++);
    buf_u64(&r->lines, source);
}

static void restore_stored(void *cookie, uint64_t id, int number, const char *name,
                           uint64_t keys) {
    (void)name;
    (void)keys;
    if (number >= 0) restore_line(cookie, number, id);
}

static void restore_absent(void *cookie, db *d) {
    if (db_number(d) >= 0) restore_line(cookie, db_number(d), NO_SOURCE);
}

int tier_snapshot_restore(tier *t, slice snapshot, char safety[NAME_BYTES_MAX + 1]) {
    assert(t->txn_open);
    if (t->txn.count > 0) return ERR_UNSUPPORTED;
    pin *p = pin_find(t, snapshot);
    if (p == NULL) return ERR_NOTFOUND;
    if (!may_freeze(t)) return ERR_COLD;
    struct restore_lines r = {BUF_INIT, keyspace_next_db_id(t->ks)};
    int rc = pin_each_db(p, restore_stored, &r);
    if (rc != OK) {
        buf_free(&r.lines);
        return rc;
    }
    keyspace_each_db(t->ks, restore_absent, &r);
    /* The name of the safety snapshot is cut to fit, and counted up until it is free. */
    uint64_t now = (uint64_t)tier_now_ms(t);
    do {
        snprintf(safety, NAME_BYTES_MAX + 1, "before-%.96s-%llu", p->name,
                 (unsigned long long)now++);
    } while (pin_find(t, slice_str(safety)) != NULL);
    rc = snapshot_make(t, slice_str(safety));
    if (rc == OK) {
        slice args[2] = {slice_str(p->name), slice_of(&r.lines)};
        effect e = {.target = EFFECT_CATALOGUE, .op = CATALOGUE_RESTORE, .args = args, .argc = 2};
        rc = tier_effect(t, &e);
        assert(rc == OK); /* Everything was looked at before the first effect. */
    }
    buf_free(&r.lines);
    return rc;
}

int tier_db_drop(tier *t, slice name) {
    slice args[1] = {name};
    effect e = {.target = EFFECT_CATALOGUE, .op = CATALOGUE_DROP, .args = args, .argc = 1};
    return tier_effect(t, &e);
}

int tier_db_flush(tier *t, db *d) {
    uint8_t number[4], id[8];
    bool fork = db_number(d) < 0;
    if (!fork) put_u32(number, (uint32_t)db_number(d));
    put_u64(id, keyspace_next_db_id(t->ks));
    slice args[2] = {fork ? slice_str(db_name(d)) : slice_make(number, 4), slice_make(id, 8)};
    effect e = {.target = EFFECT_CATALOGUE, .op = fork ? CATALOGUE_CLEAR : CATALOGUE_FLUSH,
                .args = args, .argc = 2};
    return tier_effect(t, &e);
}

int tier_db_swap(tier *t, int a, int b) {
    uint8_t first[4], second[4];
    put_u32(first, (uint32_t)a);
    put_u32(second, (uint32_t)b);
    slice args[2] = {slice_make(first, 4), slice_make(second, 4)};
    effect e = {.target = EFFECT_CATALOGUE, .op = CATALOGUE_SWAP, .args = args, .argc = 2};
    return tier_effect(t, &e);
}
