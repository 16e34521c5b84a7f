/* catalogue.c -- the databases as stored: written from a frozen state, loaded, forked
 * from.
 *
 *     u32 magic, u8 version, 16 bytes secret, u64 next id, varint databases,
 *     database: u64 id, u32 number + 1, bytes name, u64 keys, u64 expires, u8 root,
 *               u64 base, u64 delta
 *     root: 0 none, 1 a page, 2 a node; 4: may hold objects
 *
 * The secret keys the hashes of every table below, also of objects, which move from
 * database to database: so it is one for all. */
#include "keyspace/keyspace_internal.h"

#define CATALOGUE_MAGIC 0x534B5643u /* "CVKS" */
#define CATALOGUE_VERSION 1
#define CATALOGUE_DB_BYTES 46 /* At least, of one database. */

void frozen_catalogue(frozen_walk *w, buf *out) {
    const frozen *f = walk__frozen(w);
    buf_u32(out, CATALOGUE_MAGIC);
    buf_u8(out, CATALOGUE_VERSION);
    buf_append(out, walk__secret(w), 16);
    buf_u64(out, f->next_db_id);
    buf_varint(out, f->count);
    for (size_t i = 0; i < f->count; i++) {
        const struct frozen_db *d = &f->dbs[i];
        const part *root = d->root;
        buf_u64(out, d->id);
        buf_u32(out, (uint32_t)(d->number + 1));
        buf_bytes(out, slice_str(d->name));
        buf_u64(out, d->keys);
        buf_u64(out, d->expires);
        if (root == NULL) {
            buf_u8(out, ROOT_NONE);
            buf_u64(out, 0);
            buf_u64(out, 0);
            continue;
        }
        assert(part__written(root));
        unsigned kind = part_is_node(root) ? ROOT_NODE : ROOT_PAGE;
        buf_u8(out,
               (uint8_t)(kind | (root->flags & PART_ROOTS ? ROOT_HOLDS_OBJECTS : 0)));
        buf_u64(out, part__at(root));
        buf_u64(out, part__delta_at(root));
    }
}

/* ---- reading ----------------------------------------------------------------------- */

int catalogue__open(slice bytes, struct catalogue *c) {
    c->r = reader_make(bytes);
    if (read_u32(&c->r) != CATALOGUE_MAGIC || read_u8(&c->r) != CATALOGUE_VERSION)
        return ERR_CORRUPT;
    slice secret = read_raw(&c->r, sizeof(c->secret));
    if (c->r.bad) return ERR_CORRUPT;
    memcpy(c->secret, secret.p, sizeof(c->secret));
    c->next_db_id = read_u64(&c->r);
    c->left = read_varint(&c->r);
    if (c->r.bad || c->left > reader_left(&c->r) / CATALOGUE_DB_BYTES) return ERR_CORRUPT;
    return OK;
}

int catalogue__next(struct catalogue *c, struct catalogue_db *d) {
    if (c->left == 0) return reader_left(&c->r) == 0 ? ERR_NOTFOUND : ERR_CORRUPT;
    c->left--;
    d->id = read_u64(&c->r);
    uint32_t number = read_u32(&c->r);
    slice name = read_bytes(&c->r);
    d->keys = read_u64(&c->r);
    d->expires = read_u64(&c->r);
    unsigned root = read_u8(&c->r);
    d->base = read_u64(&c->r);
    d->delta = read_u64(&c->r);
    if (c->r.bad || number > DB_NUMBERS_MAX || name.n > NAME_BYTES_MAX)
        return ERR_CORRUPT;
    if (memchr(name.p, 0, name.n) != NULL || (name.n == 0) != (number != 0))
        return ERR_CORRUPT;
    if (d->id == 0 || d->id >= c->next_db_id || d->expires > d->keys) return ERR_CORRUPT;
    if (d->keys > UINT64_MAX / 4 || root > (ROOT_NODE | ROOT_HOLDS_OBJECTS))
        return ERR_CORRUPT;
    d->root = root & 3u;
    d->holds_objects = (root & ROOT_HOLDS_OBJECTS) != 0;
    if (d->root > ROOT_NODE || (d->root == ROOT_NONE) != (d->base == 0))
        return ERR_CORRUPT;
    if (d->delta != 0 && d->root != ROOT_PAGE) return ERR_CORRUPT;
    d->number = (int)number - 1;
    memcpy(d->name, name.p, name.n);
    d->name[name.n] = 0;
    return OK;
}

int catalogue_each_db(slice catalogue,
                      void (*each)(void *cookie, uint64_t id, int number,
                                   const char *name, uint64_t keys),
                      void *cookie) {
    struct catalogue c;
    struct catalogue_db d;
    int rc = catalogue__open(catalogue, &c);
    if (rc != OK) return rc;
    while ((rc = catalogue__next(&c, &d)) == OK)
        each(cookie, d.id, d.number, d.name, d.keys);
    return rc == ERR_NOTFOUND ? OK : rc;
}

static part *root_of(keyspace *ks, const struct catalogue_db *d) {
    if (d->root == ROOT_NONE) return NULL;
    uint8_t kind = PART_DIR | (d->root == ROOT_NODE ? PART_NODE : 0);
    part *p = part__cold(ks, kind, 0, d->base, d->delta);
    if (d->holds_objects) p->flags |= PART_ROOTS;
    return p;
}

/* ---- load and fork ----------------------------------------------------------------- */

static int corrupt_catalogue(keyspace *ks) {
    return corrupt(ks->log, "catalogue", "", 0);
}

/* All of it makes sense: ids and numbers stand once. */
static int check_all(slice bytes) {
    struct catalogue c, c2;
    struct catalogue_db d, d2;
    int rc = catalogue__open(bytes, &c);
    if (rc != OK) return rc;
    while ((rc = catalogue__next(&c, &d)) == OK) {
        /* Quadratic, over a few databases and forks. */
        c2 = c;
        while ((rc = catalogue__next(&c2, &d2)) == OK) {
            if (d.id == d2.id || (d.number >= 0 && d.number == d2.number))
                return ERR_CORRUPT;
            if (d.number < 0 && strcmp(d.name, d2.name) == 0) return ERR_CORRUPT;
        }
        if (rc != ERR_NOTFOUND) return rc;
    }
    return rc == ERR_NOTFOUND ? OK : rc;
}

int keyspace_load(keyspace *ks, slice catalogue) {
    if (check_all(catalogue) != OK) return corrupt_catalogue(ks);
    assert(ks->walk == NULL);
    db__clear_all(ks);
    struct catalogue c;
    struct catalogue_db stored;
    int rc = catalogue__open(catalogue, &c);
    assert(rc == OK);
    memcpy(ks->secret, c.secret, sizeof(ks->secret));
    while ((rc = catalogue__next(&c, &stored)) == OK) {
        db *d = stored.number >= 0 ? db__numbered(ks, stored.number, stored.id)
                                   : db__create(ks, stored.id, -1, stored.name);
        d->keys = stored.keys;
        d->expires = stored.expires;
        d->dir.root = root_of(ks, &stored);
    }
    assert(rc == ERR_NOTFOUND);
    if (ks->next_db_id < c.next_db_id) ks->next_db_id = c.next_db_id;
    return OK;
}

int keyspace_fork_frozen(keyspace *ks, frozen *f, uint64_t source, uint64_t id,
                         const char *name, int number) {
    db *d;
    part *root = NULL;
    const struct frozen_db *from = NULL;
    for (size_t i = 0; i < f->count; i++)
        if (f->dbs[i].id == source) from = &f->dbs[i];
    if (from != NULL && from->root != NULL) root = part__ref(from->root);
    int rc = db__attach(ks, id, name, number, &d);
    if (rc != OK) {
        part__put(ks, root);
        return rc;
    }
    if (from != NULL) {
        d->keys = from->keys;
        d->expires = from->expires;
        d->dir.root = root;
    }
    db__tell(ks, d);
    return from == NULL ? ERR_NOTFOUND : OK;
}

int keyspace_fork_catalogue(keyspace *ks, slice catalogue, uint64_t source, uint64_t id,
                            const char *name, int number) {
    struct catalogue c;
    struct catalogue_db stored;
    if (check_all(catalogue) != OK || catalogue__open(catalogue, &c) != OK)
        return corrupt_catalogue(ks);
    /* One store has one secret for ever; another one would find nothing in these pages.
     */
    if (memcmp(c.secret, ks->secret, sizeof(c.secret)) != 0) return corrupt_catalogue(ks);
    int found;
    while ((found = catalogue__next(&c, &stored)) == OK)
        if (stored.id == source) break;
    db *d;
    int rc = db__attach(ks, id, name, number, &d);
    if (rc != OK) return rc;
    if (found == OK) {
        d->keys = stored.keys;
        d->expires = stored.expires;
        d->dir.root = root_of(ks, &stored);
    }
    db__tell(ks, d);
    return found;
}
