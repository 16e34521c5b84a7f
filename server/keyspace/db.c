/* db.c -- databases: numbers, names and ids, and the catalogue effects that move them.
 *
 * Number n starts as database id n + 1, made empty when somebody first asks: so that the
 * log and its replay agree without an effect. All other ids come from next_db_id, from
 * DB_ID_FIRST on, and are never reused.
 *
 * A db struct stays for good: FLUSHDB and SWAPDB change what it holds, so that whoever
 * has selected a number may keep its pointer; a dropped fork stays as an empty one that
 * no effect can reach (db_dropped tells). What was emptied or dropped while effects still
 * wait for it lives on in keyspace.gone until they are applied. */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

static db *make(keyspace *ks, uint64_t id, int number, const char *name) {
    assert(strlen(name) <= NAME_BYTES_MAX);
    db *d = mem_calloc(1, sizeof(*d));
    d->ks = ks;
    d->id = id;
    d->number = number;
    memcpy(d->name, name, strlen(name) + 1);
    d->dir.leaf = PART_DIR;
    list_push_back(&ks->dbs, &d->link);
    ks->dbs_count++;
    if (number >= 0) {
        assert(ks->numbers[number] == NULL);
        ks->numbers[number] = d;
    }
    if (id >= ks->next_db_id) ks->next_db_id = id + 1;
    return d;
}

db *db__create(keyspace *ks, uint64_t id, int number, const char *name) {
    assert(keyspace_db_id(ks, id) == NULL);
    return make(ks, id, number, name);
}

void db__settle(keyspace *ks, db *d) {
    if (!d->gone || d->pending != 0) return;
    list_remove(&d->link);
    if (ks->last_db == d) ks->last_db = NULL;
    part__put(ks, d->dir.root);
    d->dir.root = NULL;
    d->keys = d->expires = 0;
    if (d->dropped)
        list_push_back(&ks->dropped, &d->link);
    else
        mem_free(d);
}

void db__release(keyspace *ks, db *d) {
    assert(!d->gone);
    assert(d->number < 0);
    d->dropped = d->name[0] != 0;
    d->name[0] = 0;
    d->gone = true;
    ks->dbs_count--;
    list_remove(&d->link);
    list_push_back(&ks->gone, &d->link);
    db__settle(ks, d);
}

db *keyspace_db(keyspace *ks, int number) {
    assert(number >= 0 && number < DB_NUMBERS_MAX);
    db *d = ks->numbers[number];
    return d != NULL ? d : db__create(ks, (uint64_t)number + 1, number, "");
}

db *keyspace_workshop(keyspace *ks) { return keyspace_db(ks, DB_WORKSHOP); }

db *keyspace_db_named(keyspace *ks, slice name) {
    if (name.n == 0) return NULL;
    LIST_FOR(l, &ks->dbs) {
        db *d = LIST_ENTRY(l, db, link);
        if (slice_eq(slice_str(d->name), name)) return d;
    }
    return NULL;
}

db *keyspace_db_id(keyspace *ks, uint64_t id) {
    if (id - 1 < DB_NUMBERS_MAX && ks->numbers[id - 1] != NULL &&
        ks->numbers[id - 1]->id == id)
        return ks->numbers[id - 1];
    if (ks->last_db != NULL && ks->last_db->id == id && !ks->last_db->gone)
        return ks->last_db;
    LIST_FOR(l, &ks->dbs) {
        db *d = LIST_ENTRY(l, db, link);
        if (d->id == id) return ks->last_db = d;
    }
    return NULL;
}

/* Of effects: also a numbered one that nobody has asked for yet, and one that is gone,
 * but that waiting effects still need. */
db *db__for_effect(keyspace *ks, uint64_t id) {
    db *d = keyspace_db_id(ks, id);
    if (d != NULL) return d;
    LIST_FOR(l, &ks->gone) {
        d = LIST_ENTRY(l, db, link);
        if (d->id == id) return d;
    }
    if (id - 1 < DB_NUMBERS_MAX && ks->numbers[id - 1] == NULL)
        return keyspace_db(ks, (int)id - 1);
    return NULL;
}

/* Exchanges what two databases hold, but not their numbers and names. */
static void swap_contents(db *a, db *b) {
    db t = *a;
    a->id = b->id;
    a->keys = b->keys;
    a->expires = b->expires;
    a->dir = b->dir;
    a->expire_cursor = b->expire_cursor;
    a->random_kept = false;
    a->pending = b->pending;
    b->id = t.id;
    b->keys = t.keys;
    b->expires = t.expires;
    b->dir = t.dir;
    b->expire_cursor = t.expire_cursor;
    b->random_kept = false;
    b->pending = t.pending;
}

/* d becomes empty, under a new id; what it held goes. */
static void renew(keyspace *ks, db *d, uint64_t id) {
    db *old = db__create(ks, id, -1, "");
    swap_contents(d, old);
    db__release(ks, old);
}

uint64_t db_id(const db *d) {
    return d->id;
}
bool db_dropped(const db *d) {
    return d->dropped;
}
int db_number(const db *d) {
    return d->number;
}
const char *db_name(const db *d) {
    return d->name;
}
uint64_t db_keys(const db *d) {
    return d->keys;
}
uint64_t db_expires(const db *d) {
    return d->expires;
}
uint64_t keyspace_next_db_id(keyspace *ks) {
    return ks->next_db_id;
}

void keyspace_each_db(keyspace *ks, void (*each)(void *cookie, db *d), void *cookie) {
    for (int i = 0; i < DB_NUMBERS_MAX;
         i++) /* In the order of their numbers, then forks. */
        if (ks->numbers[i] != NULL) each(cookie, ks->numbers[i]);
    list *next;
    for (list *l = ks->dbs.next; l != &ks->dbs; l = next) {
        next = l->next;
        db *d = LIST_ENTRY(l, db, link);
        if (d->number < 0) each(cookie, d);
    }
}

void db__tell(keyspace *ks, db *d) {
    if (ks->hooks.changed_db != NULL) ks->hooks.changed_db(ks->cookies.changed_db, d);
}

db *db__numbered(keyspace *ks, int number, uint64_t id) {
    db *d = ks->numbers[number];
    if (d == NULL) d = make(ks, id, number, "");
    assert(d->keys == 0 && d->dir.root == NULL);
    d->id = id; /* While loading, another number may still have it. */
    if (id >= ks->next_db_id) ks->next_db_id = id + 1;
    return d;
}

void db__clear_all(keyspace *ks) {
    pending__free(ks);
    list *next;
    for (list *l = ks->dbs.next; l != &ks->dbs; l = next) {
        next = l->next;
        db *d = LIST_ENTRY(l, db, link);
        assert(d->pending == 0);
        if (d->number < 0) {
            db__release(ks, d);
            continue;
        }
        part__put(ks, d->dir.root);
        d->dir.root = NULL;
        d->keys = d->expires = 0;
        d->random_kept = false;
        d->id = (uint64_t)d->number + 1;
    }
    ks->last_db = NULL;
    ks->next_db_id = DB_ID_FIRST;
}

int db__attach(keyspace *ks, uint64_t id, const char *name, int number, db **out) {
    size_t n = strlen(name);
    if (n > NAME_BYTES_MAX || number >= DB_NUMBERS_MAX || (n == 0) != (number >= 0))
        return ERR_RANGE;
    if (n != 0 && keyspace_db_named(ks, slice_str(name)) != NULL) return ERR_EXISTS;
    if (keyspace_db_id(ks, id) != NULL || id == 0) return ERR_EXISTS;
    if (number >= 0) {
        db *d = keyspace_db(ks, number); /* So that its first id counts as used. */
        if (d->id == id) return ERR_EXISTS;
        renew(ks, d, id);
        *out = d;
        return OK;
    }
    *out = db__create(ks, id, number, name);
    return OK;
}

/* ---- catalogue effects ------------------------------------------------------------- */

static int number_arg(const effect *e, size_t i, int *out) {
    if (i >= e->argc || e->args[i].n != 4) return ERR_CORRUPT;
    uint32_t n = get_u32(e->args[i].p);
    if (n >= DB_NUMBERS_MAX) return ERR_CORRUPT;
    *out = (int)n;
    return OK;
}

static int flush(keyspace *ks, const effect *e) {
    int number;
    if (number_arg(e, 0, &number) != OK || e->argc != 2 || e->args[1].n != 8)
        return ERR_CORRUPT;
    db *d;
    if (db__attach(ks, get_u64(e->args[1].p), "", number, &d) != OK) return ERR_CORRUPT;
    db__tell(ks, d);
    return OK;
}

static int clear(keyspace *ks, const effect *e) {
    if (e->argc != 2 || e->args[1].n != 8) return ERR_CORRUPT;
    db *d = keyspace_db_named(ks, e->args[0]);
    if (d == NULL) return ERR_NOTFOUND;
    uint64_t id = get_u64(e->args[1].p);
    if (id == 0 || keyspace_db_id(ks, id) != NULL) return ERR_CORRUPT;
    renew(ks, d, id);
    db__tell(ks, d);
    return OK;
}

static int swap(keyspace *ks, const effect *e) {
    int a, b;
    if (number_arg(e, 0, &a) != OK || number_arg(e, 1, &b) != OK || e->argc != 2)
        return ERR_CORRUPT;
    db *one = keyspace_db(ks, a), *other = keyspace_db(ks, b);
    if (one == other) return OK;
    swap_contents(one, other);
    db__tell(ks, one);
    db__tell(ks, other);
    return OK;
}

int db__catalogue(keyspace *ks, const effect *e) {
    switch (e->op) {
    case CATALOGUE_FLUSH: return flush(ks, e);
    case CATALOGUE_SWAP: return swap(ks, e);
    case CATALOGUE_CLEAR: return clear(ks, e);
    case CATALOGUE_DROP: {
        if (e->argc != 1) return ERR_CORRUPT;
        db *d = keyspace_db_named(ks, e->args[0]);
        if (d == NULL) return ERR_NOTFOUND;
        d->dropped = true;
        db__tell(ks, d); /* While it still has its name. */
        db__release(ks, d);
        return OK;
    }
    default:
        return e->op >= CATALOGUE_FORK ? OK : ERR_CORRUPT; /* Those are the tier's. */
    }
}
