/* volume.c -- the volume type: its operations, each one plan of edits.
 *
 * The handlers have looked at everything before they make an effect. What does not fit
 * here came from a damaged log: ERR_CORRUPT, and nothing has changed. */
#include "modules/files/volume.h"

#include <assert.h>

#include "modules/files/volume_plan.h"

struct op { /* one effect being applied */
    struct edits e;
    const effect *effect;
    uint64_t now_ns, version;
};

static bool number(const struct op *o, size_t i, uint64_t *out) {
    if (i >= o->effect->argc || o->effect->args[i].n != 8) return false;
    *out = get_u64(o->effect->args[i].p);
    return true;
}

static void changed(const struct op *o, struct inode *i) {
    i->version = o->version;
    i->ctime_ns = o->now_ns;
}
static void modified(const struct op *o, struct inode *i) {
    changed(o, i);
    i->mtime_ns = o->now_ns;
}

/* ERR_NOTFOUND means a damaged effect here. */
static int inode_of(const struct op *o, uint64_t ino, enum inode_type type,
                    struct inode *out) {
    int rc = volume_inode(&o->e.v, ino, out);
    if (rc == OK && out->type != (uint8_t)type) rc = ERR_CORRUPT;
    return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

static struct inode new_inode(struct op *o, enum inode_type type, uint16_t mode,
                              uint64_t parent) {
    struct inode i = {.ino = o->e.info.next_ino++,
                      .type = (uint8_t)type,
                      .mode = mode,
                      .nlink = type == INODE_DIR ? 2 : 1,
                      .parent = type == INODE_DIR ? parent : 0};
    modified(o, &i);
    o->e.info.inodes++;
    return i;
}

/* A folder gains or loses an entry; the caller adds the folder's inode. */
static void dir_gains(struct inode *dir, uint8_t type) {
    dir->size++;
    if (type == INODE_DIR) dir->nlink++;
}
static void dir_loses(struct inode *dir, uint8_t type) {
    assert(dir->size > 0);
    dir->size--;
    if (type == INODE_DIR) dir->nlink--;
}

/* ---- making ------------------------------------------------------------------------ */

/* Makes the names below `base`, all but the last as folders. The inode of the last is the
 * caller's to add. ERR_CORRUPT: no name, or the first is there. */
static int make_names(struct op *o, uint64_t base, slice names, enum inode_type type,
                      uint16_t mode, struct inode *last) {
    struct inode dir;
    slice name, next;
    uint64_t ino;
    uint8_t there;
    if (path_check_names(names) != PATH_OK || !path_next(&names, &name))
        return ERR_CORRUPT;
    int rc = inode_of(o, base, INODE_DIR, &dir);
    if (rc != OK) return rc;
    rc = volume_entry(&o->e.v, base, name, &ino, &there);
    if (rc != ERR_NOTFOUND) return rc == OK ? ERR_CORRUPT : rc;
    modified(o, &dir);
    for (;;) {
        bool more = path_next(&names, &next);
        enum inode_type as = more ? INODE_DIR : type;
        struct inode i = new_inode(o, as, more ? VOLUME_MODE_DIR : mode, dir.ino);
        edits_entry(&o->e, dir.ino, name, i.ino, i.type);
        dir_gains(&dir, i.type);
        edits_inode(&o->e, &dir);
        dir = i;
        if (!more) break;
        name = next;
    }
    *last = dir;
    return OK;
}

/* time, folder, names, mode */
static int op_mkdir(struct op *o, bool fresh) {
    uint64_t base, mode;
    struct inode i;
    if (o->effect->argc != 4 || !number(o, 1, &base) || !number(o, 3, &mode) ||
        mode > 07777)
        return ERR_CORRUPT;
    slice names = o->effect->args[2];
    if (names.n == 0) {
        if (!fresh || base != VOLUME_ROOT) return ERR_CORRUPT;
        int rc = inode_of(o, base, INODE_DIR, &i);
        if (rc != OK) return rc;
        i.mode = (uint16_t)mode;
        changed(o, &i);
        edits_inode(&o->e, &i);
        return OK;
    }
    int rc = make_names(o, base, names, INODE_DIR, (uint16_t)mode, &i);
    if (rc == OK) edits_inode(&o->e, &i);
    return rc;
}

/* time, file, "", mode, offset, data; or time, folder, names, mode, offset, data */
static int op_write(struct op *o) {
    uint64_t base, mode, offset;
    struct inode f;
    if (o->effect->argc != 6 || !number(o, 1, &base) || !number(o, 3, &mode) ||
        !number(o, 4, &offset))
        return ERR_CORRUPT;
    slice names = o->effect->args[2], data = o->effect->args[5];
    if (mode != VOLUME_NO_MODE && mode > 07777) return ERR_CORRUPT;
    if (data.n > VOLUME_FILE_MAX) return ERR_CORRUPT;
    if (offset != VOLUME_REPLACE && offset > VOLUME_FILE_MAX - data.n) return ERR_CORRUPT;
    int rc = names.n == 0 ? inode_of(o, base, INODE_FILE, &f)
                          : make_names(o, base, names, INODE_FILE, VOLUME_MODE_FILE, &f);
    if (rc != OK) return rc;
    if (mode != VOLUME_NO_MODE) f.mode = (uint16_t)mode;
    rc = offset == VOLUME_REPLACE ? plan_replace(&o->e, &f, data)
                                  : plan_write(&o->e, &f, offset, data);
    if (rc != OK) return rc;
    modified(o, &f);
    edits_inode(&o->e, &f);
    return OK;
}

/* time, file, size */
static int op_truncate(struct op *o) {
    uint64_t ino, size;
    struct inode f;
    if (o->effect->argc != 3 || !number(o, 1, &ino) || !number(o, 2, &size) ||
        size > VOLUME_FILE_MAX)
        return ERR_CORRUPT;
    int rc = inode_of(o, ino, INODE_FILE, &f);
    if (rc == OK) rc = plan_resize(&o->e, &f, size);
    if (rc != OK) return rc;
    modified(o, &f);
    edits_inode(&o->e, &f);
    return OK;
}

/* ---- walking a tree ---------------------------------------------------------------- */

struct tree_item {
    uint64_t from, to, to_parent; /* to: the copy, for CP */
};
struct tree_walk {
    struct op *o;
    buf items; /* of struct tree_item, still to be visited */
    struct tree_item at;
    bool copy;
};

static void walk_push(struct tree_walk *w, uint64_t from, uint64_t to,
                      uint64_t to_parent) {
    struct tree_item i = {from, to, to_parent};
    buf_append(&w->items, &i, sizeof(i));
}

static int walk_entry(void *cookie, slice name, uint64_t ino, uint8_t type) {
    struct tree_walk *w = cookie;
    if (!w->copy) {
        edits_entry_del(&w->o->e, w->at.from, name);
        walk_push(w, ino, 0, 0);
        return OK;
    }
    uint64_t to = w->o->e.info.next_ino++;
    edits_entry(&w->o->e, w->at.to, name, to, type);
    walk_push(w, ino, to, w->at.to);
    return OK;
}

static int walk_remove(struct tree_walk *w, const struct inode *i) {
    struct edits *e = &w->o->e;
    if (i->type == INODE_FILE) {
        int rc = plan_drop(e, i);
        if (rc != OK) return rc;
        e->info.bytes -= i->size;
    }
    e->info.inodes--;
    edits_inode_del(e, i->ino);
    return OK;
}

static int walk_copy(struct tree_walk *w, const struct inode *i) {
    struct edits *e = &w->o->e;
    struct inode copy = *i;
    copy.ino = w->at.to;
    modified(w->o, &copy);
    if (i->type == INODE_DIR) {
        copy.parent = w->at.to_parent;
    } else {
        copy.size = 0;
        copy.nlink = 1;
        int rc = plan_clone(e, i, &copy);
        if (rc != OK) return rc;
    }
    e->info.inodes++;
    edits_inode(e, &copy);
    return OK;
}

/* Visits all that was pushed and what lies below. Goes on after a cold page, so that
 * many are asked for at once. A tree that has rings (damaged) ends by its number of
 * inodes. */
static int walk_tree(struct tree_walk *w) {
    struct volume_info info;
    int cold = OK;
    volume_info(&w->o->e.v, &info);
    for (uint64_t visits = 0; w->items.n > 0; visits++) {
        struct inode i;
        if (visits > info.inodes) return ERR_CORRUPT;
        w->items.n -= sizeof(w->at);
        memcpy(&w->at, w->items.p + w->items.n, sizeof(w->at));
        int rc = volume_inode(&w->o->e.v, w->at.from, &i);
        if (rc == OK && i.type == INODE_DIR)
            rc = volume_list(&w->o->e.v, i.ino, slice_make(NULL, 0), walk_entry, w);
        if (rc == OK) rc = w->copy ? walk_copy(w, &i) : walk_remove(w, &i);
        if (rc == ERR_COLD)
            cold = ERR_COLD;
        else if (rc != OK)
            return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    }
    return cold;
}

/* ---- removing, moving, copying ----------------------------------------------------- */

static int find_entry(const struct op *o, uint64_t dir, slice name, uint64_t *ino,
                      uint8_t *type) {
    if (name.n == 0 || name.n > VOLUME_NAME_MAX) return ERR_CORRUPT;
    if (memchr(name.p, '/', name.n) != NULL) return ERR_CORRUPT;
    return path_check_names(name) == PATH_OK ? volume_entry(&o->e.v, dir, name, ino, type)
                                             : ERR_CORRUPT;
}

static int remove_all(struct op *o, struct inode *dir) {
    struct tree_walk w = {.o = o, .at = {.from = dir->ino}};
    int cold = volume_list(&o->e.v, dir->ino, slice_make(NULL, 0), walk_entry, &w);
    int rc = cold == OK || cold == ERR_COLD ? walk_tree(&w) : cold;
    buf_free(&w.items);
    dir->size = 0;
    dir->nlink = 2;
    return rc == OK ? cold : rc;
}

static int remove_one(struct op *o, struct inode *dir, slice name, bool recursive) {
    struct tree_walk w = {.o = o};
    struct inode i;
    uint64_t ino;
    uint8_t type;
    int rc = find_entry(o, dir->ino, name, &ino, &type);
    if (rc == OK) rc = volume_inode(&o->e.v, ino, &i);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    if (i.type == INODE_DIR && i.size > 0 && !recursive) return ERR_CORRUPT;
    walk_push(&w, ino, 0, 0);
    rc = walk_tree(&w);
    buf_free(&w.items);
    edits_entry_del(&o->e, dir->ino, name);
    if (dir->size == 0) return ERR_CORRUPT;
    dir_loses(dir, type);
    return rc;
}

/* time, folder, name, recursive */
static int op_rm(struct op *o) {
    uint64_t parent, recursive;
    struct inode dir;
    if (o->effect->argc != 4 || !number(o, 1, &parent) || !number(o, 3, &recursive))
        return ERR_CORRUPT;
    slice name = o->effect->args[2];
    int rc = inode_of(o, parent, INODE_DIR, &dir);
    if (rc != OK) return rc;
    rc = name.n == 0 ? remove_all(o, &dir) : remove_one(o, &dir, name, recursive != 0);
    if (rc != OK) return rc;
    modified(o, &dir);
    edits_inode(&o->e, &dir);
    return OK;
}

struct mv {
    struct inode from_dir, to_dir; /* The same inode: only from_dir counts. */
    struct inode moved, there;
    bool same_dir, has_there;
};

/* What stands where the moved one goes is removed. */
static int mv_replace(struct op *o, struct mv *m) {
    if (m->there.type != m->moved.type) return ERR_CORRUPT;
    if (m->there.type == INODE_DIR && m->there.size > 0) return ERR_CORRUPT;
    if (m->there.type == INODE_FILE) {
        int rc = plan_drop(&o->e, &m->there);
        if (rc != OK) return rc;
        o->e.info.bytes -= m->there.size;
    }
    edits_inode_del(&o->e, m->there.ino);
    o->e.info.inodes--;
    return OK;
}

static int not_below(const struct op *o, const struct inode *i, uint64_t dir) {
    int above = i->type == INODE_DIR ? volume_is_above(&o->e.v, i->ino, dir) : 0;
    return above == 1 ? ERR_CORRUPT : above;
}

static int mv_look(struct op *o, struct mv *m, uint64_t from, slice name, uint64_t to,
                   slice to_name) {
    uint64_t ino;
    uint8_t type;
    m->same_dir = from == to;
    if (m->same_dir && slice_eq(name, to_name)) return ERR_CORRUPT;
    int rc = inode_of(o, from, INODE_DIR, &m->from_dir);
    if (rc == OK) rc = inode_of(o, to, INODE_DIR, &m->to_dir);
    if (rc == OK) rc = find_entry(o, from, name, &ino, &type);
    if (rc == OK) rc = inode_of(o, ino, type, &m->moved);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    rc = find_entry(o, to, to_name, &ino, &type);
    m->has_there = rc == OK;
    if (rc == OK) rc = inode_of(o, ino, type, &m->there);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    return not_below(o, &m->moved, to);
}

/* time, folder, name, folder, name, exchange */
static int op_mv(struct op *o) {
    uint64_t from, to, exchange;
    struct mv m = {0};
    if (o->effect->argc != 6 || !number(o, 1, &from) || !number(o, 3, &to) ||
        !number(o, 5, &exchange))
        return ERR_CORRUPT;
    slice name = o->effect->args[2], to_name = o->effect->args[4];
    int rc = mv_look(o, &m, from, name, to, to_name);
    if (rc != OK) return rc;
    struct inode *a = &m.from_dir, *b = m.same_dir ? &m.from_dir : &m.to_dir;
    if (a->size == 0 || (m.has_there && b->size < 1 + (uint64_t)m.same_dir))
        return ERR_CORRUPT;
    if (exchange != 0) {
        if (!m.has_there) return ERR_CORRUPT;
        rc = not_below(o, &m.there, from);
    } else if (m.has_there) {
        rc = mv_replace(o, &m);
    }
    if (rc != OK) return rc;
    dir_loses(a, m.moved.type);
    if (m.has_there) dir_loses(b, m.there.type);
    dir_gains(b, m.moved.type);
    if (m.moved.type == INODE_DIR) m.moved.parent = to;
    if (exchange != 0) {
        dir_gains(a, m.there.type);
        if (m.there.type == INODE_DIR) m.there.parent = from;
        edits_entry(&o->e, from, name, m.there.ino, m.there.type);
        changed(o, &m.there);
        edits_inode(&o->e, &m.there);
    } else {
        edits_entry_del(&o->e, from, name);
    }
    edits_entry(&o->e, to, to_name, m.moved.ino, m.moved.type);
    changed(o, &m.moved);
    modified(o, a);
    modified(o, b);
    edits_inode(&o->e, &m.moved);
    edits_inode(&o->e, a);
    if (!m.same_dir) edits_inode(&o->e, b);
    return OK;
}

/* A file over a file: the content alone. */
static int cp_over(struct op *o, const struct inode *from, uint64_t to) {
    struct inode f;
    int rc = inode_of(o, to, INODE_FILE, &f);
    if (rc == OK && (from->type != INODE_FILE || from->ino == to)) rc = ERR_CORRUPT;
    if (rc == OK) rc = plan_drop(&o->e, &f);
    if (rc != OK) return rc;
    o->e.info.bytes -= f.size;
    f.size = 0;
    rc = plan_clone(&o->e, from, &f);
    modified(o, &f);
    edits_inode(&o->e, &f);
    return rc;
}

static int cp_new(struct op *o, const struct inode *from, struct inode *dir, slice name) {
    struct tree_walk w = {.o = o, .copy = true};
    uint64_t to = o->e.info.next_ino++;
    int rc = not_below(o, from, dir->ino);
    if (rc != OK) return rc;
    edits_entry(&o->e, dir->ino, name, to, from->type);
    dir_gains(dir, from->type);
    modified(o, dir);
    edits_inode(&o->e, dir);
    walk_push(&w, from->ino, to, dir->ino);
    rc = walk_tree(&w);
    buf_free(&w.items);
    return rc;
}

/* time, inode, folder, name */
static int op_cp(struct op *o) {
    uint64_t ino, to, there;
    uint8_t type;
    struct inode from, dir;
    if (o->effect->argc != 4 || !number(o, 1, &ino) || !number(o, 2, &to))
        return ERR_CORRUPT;
    slice name = o->effect->args[3];
    int rc = volume_inode(&o->e.v, ino, &from);
    if (rc == OK) rc = inode_of(o, to, INODE_DIR, &dir);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    rc = find_entry(o, to, name, &there, &type);
    if (rc == OK) return cp_over(o, &from, there);
    return rc == ERR_NOTFOUND ? cp_new(o, &from, &dir, name) : rc;
}

/* ---- the type ---------------------------------------------------------------------- */

static object *volume_make(pager *p, uint64_t now_ns) {
    struct key k;
    uint8_t val[INODE_BYTES];
    object *o = p->ops->make(p, false, META_SIZE);
    struct inode root = {.ino = VOLUME_ROOT,
                         .type = INODE_DIR,
                         .mode = VOLUME_MODE_DIR,
                         .nlink = 2,
                         .mtime_ns = now_ns,
                         .ctime_ns = now_ns,
                         .version = 1,
                         .parent = VOLUME_ROOT};
    if (o == NULL) return NULL;
    inode_write(&root, val);
    int rc = btree_init(p, o);
    if (rc == OK) {
        rc = btree_put(p, o, key_of(&k, VOLUME_ROOT, KEY_INODE),
                       slice_make(val, sizeof(val)));
    }
    if (rc != OK) {
        p->ops->free(p, o);
        return NULL;
    }
    uint8_t *meta = p->ops->meta_mut(p, o);
    put_u32(meta + META_FORMAT, VOLUME_FORMAT);
    put_u32(meta + META_FORMAT + 4, 0);
    put_u64(meta + META_NEXT, VOLUME_ROOT + 1);
    put_u64(meta + META_INODES, 1);
    put_u64(meta + META_BYTES, 0);
    put_u64(meta + META_VERSION, 0);
    return o;
}

static int run(struct op *o, bool fresh) {
    switch (o->effect->op) {
    case VOLUME_MKDIR: return op_mkdir(o, fresh);
    case VOLUME_WRITE: return op_write(o);
    case VOLUME_TRUNCATE: return op_truncate(o);
    case VOLUME_RM: return op_rm(o);
    case VOLUME_MV: return op_mv(o);
    case VOLUME_CP: return op_cp(o);
    }
    return ERR_CORRUPT;
}

static bool volume_stored_ok(const struct stored_value *s) {
    if (s->kind != VALUE_OBJECT || s->aux != 0 || s->hashed || s->bytes.n != META_SIZE)
        return false;
    const uint8_t *meta = s->bytes.p;
    uint64_t next = get_u64(meta + META_NEXT), inodes = get_u64(meta + META_INODES);
    return btree_meta_ok(meta) && btree_count(meta) > 0 &&
           get_u32(meta + META_FORMAT) == VOLUME_FORMAT && next <= VALUE_COUNT_MAX &&
           inodes > 0 && inodes < next;
}

static int volume_apply(struct value *v, const effect *e) {
    struct op o = {.effect = e};
    bool fresh = v->kind == VALUE_NONE;
    if (!number(&o, 0, &o.now_ns)) return ERR_CORRUPT;
    struct volume at = {v->pager, fresh ? volume_make(v->pager, o.now_ns) : v->obj};
    if (at.obj == NULL) return ERR_NOMEM;
    edits_begin(&o.e, &at);
    o.version = ++o.e.info.version;
    int rc = run(&o, fresh);
    if (rc == OK) rc = edits_ready(&o.e);
    if (rc == OK) rc = edits_commit(&o.e);
    edits_free(&o.e);
    if (rc != OK) {
        if (fresh) v->pager->ops->free(v->pager, at.obj);
        return rc;
    }
    v->type = TYPE_VOLUME;
    v->kind = VALUE_OBJECT;
    v->obj = at.obj;
    return OK;
}

static int volume_dump(struct value *v, buf *out) {
    (void)v;
    (void)out;
    return ERR_UNSUPPORTED; /* Redis's dump format has no type that could hold one. */
}

static int volume_restore(struct value *v, uint8_t rdb_type, reader *r,
                          unsigned rdb_version) {
    (void)v;
    (void)rdb_type;
    (void)r;
    (void)rdb_version;
    return ERR_CORRUPT;
}

static const char *volume_encoding(struct value *v) {
    (void)v;
    return "volume";
}

static uint64_t volume_length(struct value *v) {
    struct volume_info info;
    volume_info(&(struct volume){v->pager, v->obj}, &info);
    return info.inodes;
}

static const uint8_t volume_rdb_types[] = {0xFF};

const struct type type_volume = {
    .id = TYPE_VOLUME,
    .name = "volume",
    .stored_ok = volume_stored_ok,
    .apply = volume_apply,
    .dump = volume_dump,
    .restore = volume_restore,
    .rdb_types = volume_rdb_types,
    .encoding = volume_encoding,
    .length = volume_length,
    .digest = volume_digest,
    .check = volume_check,
};
