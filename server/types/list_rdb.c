/* list_rdb.c -- lists as RDB payloads.
 *
 * A node of a payload that passes every check stays a node, so that what was dumped comes back as it
 * was; what is larger than a page, or was written in an older form, is pushed element by element. */
#include <assert.h>

#include "base/listpack.h"
#include "types/list_internal.h"
#include "types/rdb.h"
#include "types/ziplist.h"

#define NODE_PLAIN 1
#define NODE_PACKED 2

const uint8_t list_rdb_types[] = {RDB_LIST, RDB_LIST_ZIPLIST, RDB_LIST_QUICKLIST,
                                  RDB_LIST_QUICKLIST_2, RDB_END};

static void dump_node(buf *out, slice lp) {
    rdb_write_len(out, NODE_PACKED);
    rdb_write_string(out, lp);
}

static int dump_object(struct value *v, buf *out, uint64_t *nodes) {
    uint64_t len = list_len(v);
    int rc = OK;
    *nodes = 0;
    for (uint64_t pos = 0; pos < len;) {
        struct list_path path;
        slice lp;
        int one = list__descend(v, pos, &path);
        if (one != OK) return one;
        one = list__leaf(v, &path, &lp);
        if (one == ERR_COLD) rc = one; /* The others are asked for as well. */
        else if (one != OK) return one;
        else if (rc == OK && out != NULL) dump_node(out, lp);
        pos = path.first + path.count;
        if (++*nodes > v->pager->ops->pages(v->obj)) return ERR_CORRUPT; /* One comes twice. */
    }
    return rc;
}

int list_dump(struct value *v, buf *out) {
    slice lp;
    uint64_t nodes;
    int rc = list__inline(v, &lp);
    if (rc == OK) {
        buf_u8(out, RDB_LIST_QUICKLIST_2);
        rdb_write_len(out, 1);
        dump_node(out, lp);
        return OK;
    }
    if (rc != ERR_NOTFOUND || v->kind == VALUE_NONE) return ERR_CORRUPT;
    rc = dump_object(v, NULL, &nodes);
    if (rc != OK) return rc;
    buf_u8(out, RDB_LIST_QUICKLIST_2);
    rdb_write_len(out, nodes);
    return dump_object(v, out, &nodes);
}

/* ---- restore ------------------------------------------------------------------------------ */

struct list_build {
    struct value v;    /* what is built; the caller's changes at the end only */
    buf scratch;       /* its inline bytes, while it has some */
};

static int add(void *cookie, slice element) {
    struct list_build *b = cookie;
    if (element.n > LIST_ELEMENT_MAX) return ERR_CORRUPT;
    return list__grow(&b->v, &element, 1, false);
}

static int add_node(struct list_build *b, slice lp) {
    struct value *v = &b->v;
    if (lp_check(lp, true) != OK) return ERR_CORRUPT;
    if (lp_count(lp) == 0) return OK;
    if (lp.n > PAGE_BYTES) {
        int rc = OK;
        for (size_t at = lp_first(lp); at != 0 && rc == OK; at = lp_next(lp, at)) {
            char tmp[NUM_LL_MAX];
            rc = add(b, lp_get_bytes(lp, at, tmp));
        }
        return rc;
    }
    if (v->kind == VALUE_OBJECT) return list__append_leaf(v, lp);
    bool first = v->kind == VALUE_NONE;
    if (first && lp.n <= INLINE_BYTES_MAX) {
        b->scratch.n = 0;
        buf_append_slice(&b->scratch, lp);
        v->raw = slice_of(&b->scratch);
        v->kind = VALUE_RAW;
        return OK;
    }
    object *o = list__make(v, first ? lp : v->raw);
    if (o == NULL) return ERR_NOMEM;
    v->obj = o;
    v->kind = VALUE_OBJECT;
    return first ? OK : list__append_leaf(v, lp);
}

/* A ziplist is a node of its own. */
static int add_to_node(void *cookie, slice element) {
    if (element.n > LIST_ELEMENT_MAX) return ERR_CORRUPT;
    lp_append(cookie, element);
    return OK;
}

static int add_ziplist(struct list_build *b, slice zl) {
    buf lp = BUF_INIT;
    lp_new(&lp);
    int rc = ziplist_each(zl, add_to_node, &lp);
    if (rc == OK) rc = add_node(b, slice_of(&lp));
    buf_free(&lp);
    return rc;
}

static int restore_one(struct list_build *b, uint8_t rdb_type, reader *r, buf *store) {
    slice s;
    uint64_t container = NODE_PACKED;
    if (rdb_type == RDB_LIST_QUICKLIST_2) container = rdb_read_len(r);
    if (r->bad || (container != NODE_PACKED && container != NODE_PLAIN)) return ERR_CORRUPT;
    int rc = rdb_read_string(r, store, &s);
    if (rc != OK) return rc;
    if (rdb_type == RDB_LIST || container == NODE_PLAIN) return add(b, s);
    return rdb_type == RDB_LIST_QUICKLIST_2 ? add_node(b, s) : add_ziplist(b, s);
}

int list_restore(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version) {
    (void)rdb_version; /* A type byte always meant the same. */
    assert(v->kind == VALUE_NONE);
    struct list_build b = {.v = *v};
    buf store = BUF_INIT;
    uint64_t n = 1;
    b.v.scratch = &b.scratch;
    b.v.type = TYPE_LIST;
    if (rdb_type != RDB_LIST_ZIPLIST) {
        n = rdb_read_count(r, rdb_type == RDB_LIST_QUICKLIST_2 ? 2 : 1);
    }
    int rc = r->bad ? ERR_CORRUPT : OK;
    for (uint64_t i = 0; i < n && rc == OK; i++) rc = restore_one(&b, rdb_type, r, &store);
    buf_free(&store);
    if (rc == OK && b.v.kind == VALUE_NONE) rc = ERR_CORRUPT; /* An empty list. */
    return value_take_built(v, &b.v, &b.scratch, rc);
}
