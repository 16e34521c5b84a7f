/* load.c -- pages between memory and the store.
 *
 * What comes from the store is checked whole before it becomes part of the tree: after
 * that, code trusts it. What goes there has no pointers: an object is stored as the root
 * that lies behind its pointer (object.c), brought up to date. */
#include "keyspace/keyspace_internal.h"

#include <stdio.h>

#include "base/mem.h"

/* ---- in ---------------------------------------------------------------------------- */

static int check_entries(const keyspace *ks, const uint8_t *page) {
    for (uint32_t off = tpage_next(page, 0); off != TPAGE_NONE;
         off = tpage_next(page, off)) {
        struct head h;
        slice val = tpage_val(page, off);
        if (head__check(val) != OK) return ERR_CORRUPT;
        head_read(val, &h);
        if (!head__type_ok(ks, &h)) return ERR_CORRUPT;
    }
    return OK;
}

static int read_tpage(keyspace *ks, const part *p, slice base, slice delta, buf *out) {
    if (p->delta != 0) {
        int rc = tpage_merge(base, delta, ks__tpage_hash, ks, out);
        if (rc != OK) return rc;
    } else {
        if (tpage_check(base) != OK) return ERR_CORRUPT;
        buf_append_slice(out, base);
        if (tpage_check_hashes(out->p, ks__tpage_hash, ks) != OK) return ERR_CORRUPT;
        tpage_set_base(out->p);
    }
    return p->kind == PART_DIR ? check_entries(ks, out->p) : OK;
}

static int read_page(keyspace *ks, part *p, slice base, slice delta) {
    if (base.n > PAGE_BYTES_MAX || delta.n > PAGE_BYTES_MAX) return ERR_CORRUPT;
    buf out = BUF_INIT;
    if (part_is_tpage(p)) {
        int rc = read_tpage(ks, p, base, delta, &out);
        if (rc != OK) {
            buf_free(&out);
            return rc;
        }
    } else {
        buf_append_slice(&out, base);
    }
    size_t n = out.n;
    uint8_t *blob = mem_realloc(out.p, n == 0 ? 1 : n);
    part__set_blob(ks, p, blob, n);
    if (p->kind == PART_DIR) dir__page_scan(ks, p);
    p->flags |= PART_FRESH | PART_USED;
    if (p->kind == PART_CHUNK) p->flags |= PART_DOUBTED;
    return OK;
}

int load__read(keyspace *ks, part *p, slice base, slice delta) {
    assert(part_is_cold(p) && part_is_clean(p));
    if (!part_is_node(p)) return read_page(ks, p, base, delta);
    int rc = node__read(ks, p, base);
    if (rc == OK && p->delta != 0) along__install(ks, p, delta, &p->bytes);
    return rc;
}

int load__install(keyspace *ks, part *p, slice base, slice delta) {
    int rc = load__read(ks, p, base, delta);
    if (rc != ERR_CORRUPT) return rc;
    char where[64];
    (void)snprintf(where, sizeof(where), "pack %u slot %u", location_pack(p->base),
                   location_slot(p->base));
    return corrupt(ks->log, part_is_node(p) ? "node" : "page", where, 0);
}

/* ---- out --------------------------------------------------------------------------- */

/* Puts the objects' roots, as they are now, in place of the pointers of a copy of a page.
 */
static void settle_roots(uint8_t *page) {
    for (uint32_t off = tpage_next(page, 0); off != TPAGE_NONE;
         off = tpage_next(page, off)) {
        struct head h;
        slice val = tpage_val(page, off);
        head_read(val, &h);
        if (h.kind != VALUE_OBJECT) continue;
        const object *o = payload_object(h.payload);
        if (o == NULL) continue; /* Nobody has looked at it: the stored root is right. */
        assert(o->trie.root == NULL || part__written(o->trie.root));
        object__root_write(o, tpage_val_touch(page, off) + (h.payload.p - val.p));
    }
}

void page__write_full(keyspace *ks, const part *p, buf *out) {
    assert(p->blob != NULL);
    if (!part_is_tpage(p)) {
        buf_append(out, p->blob, p->bytes);
        return;
    }
    tpage_rebuild(p->blob, 0, ks__tpage_hash, ks, -1, 0, true, &ks->slot);
    tpage_set_base(ks->slot.p);
    if (p->flags & PART_ROOTS) settle_roots(ks->slot.p);
    buf_append_slice(out, slice_of(&ks->slot));
}

void page__write_delta(keyspace *ks, const part *p, buf *out) {
    assert(part_is_tpage(p));
    if (!(p->flags & PART_ROOTS)) {
        tpage_delta(p->blob, out);
        return;
    }
    ks->slot.n = 0;
    buf_append(&ks->slot, p->blob, p->bytes);
    settle_roots(ks->slot.p);
    tpage_delta(ks->slot.p, out);
}
