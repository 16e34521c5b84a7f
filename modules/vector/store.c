/* store.c -- pages of vectors: records in slots, and where there is room for another. */
#include "modules/vector/store.h"

#include <assert.h>

#define RECORD_ATTRIBUTE 1u
#define RECORD_ZERO 2u
#define RECORD_APART 4u
#define AT_NORM 8
#define AT_RANGE 12
#define AT_NAME_N 16
#define AT_FLAGS 18

#define AHEAD_BYTES 1024 /* The processor sees itself what follows. */

int vset__next(const struct value *v, enum vset_kind kind, uint64_t *i) {
    uint64_t at;
    while (*i <= UINT64_MAX / 16) { /* Far above every slot; from a damaged root there may be pages near the end of numbers. */
        int rc = v->pager->ops->next(v->pager, v->obj, vset_page(kind, *i), &at);
        if (rc != OK) return rc;
        *i = at / 8 + (at % 8 > (uint64_t)kind);
        if (at % 8 == (uint64_t)kind) return OK;
    }
    return ERR_NOTFOUND;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static bool vectors_ok(slice page) {
    if (!rows_ok(page)) return false;
    uint64_t fixed = VSET_RECORD_BYTES + (uint64_t)rows_width(page);
    for (uint32_t i = 0; i < rows_n(page); i++) {
        slice r = rows_get(page, i);
        if (r.n != 0 && (r.n < fixed || r.n != fixed + get_u16(r.p + AT_NAME_N))) return false;
    }
    return true;
}

static bool fits(const struct vset_shape *s, slice page) {
    uint32_t rows = vset_rows(s);
    return rows_width(page) == quant_bytes(s->quant, s->dim) && rows_n(page) <= rows && rows_live(page) < rows;
}

int vset__vectors(const struct value *v, const struct vset_shape *s, uint32_t page, slice *out) {
    int rc = v->pager->ops->get_ok(v->pager, v->obj, vset_page(VSET_VECTORS, page), vectors_ok, out);
    return rc != OK || fits(s, *out) ? rc : ERR_CORRUPT;
}

static float get_f32(const uint8_t *p) {
    float v;
    memcpy(&v, p, 4);
    return v;
}

bool vset__row(const struct vset_shape *s, slice vectors, uint32_t page, uint32_t row, struct element *out) {
    slice r = rows_get(vectors, row);
    if (r.n == 0) return false;
    uint32_t flags = get_u16(r.p + AT_FLAGS);
    size_t bytes = rows_width(vectors);
    *out = (struct element){.name = slice_make(r.p + VSET_RECORD_BYTES + bytes, r.n - VSET_RECORD_BYTES - bytes),
                            .slot = page * vset_rows(s) + row,
                            .node = get_u64(r.p),
                            .point = {.bytes = r.p + VSET_RECORD_BYTES,
                                      .norm = get_f32(r.p + AT_NORM),
                                      .range = get_f32(r.p + AT_RANGE),
                                      .zero = (flags & RECORD_ZERO) != 0},
                            .has_attribute = (flags & RECORD_ATTRIBUTE) != 0,
                            .attribute_apart = (flags & RECORD_APART) != 0};
    return true;
}

int vset_slot(const struct value *v, const struct vset_shape *s, uint32_t slot, struct element *out) {
    uint32_t rows = vset_rows(s);
    slice page;
    int rc = vset__vectors(v, s, slot / rows, &page);
    if (rc != OK) return rc;
    return vset__row(s, page, slot / rows, slot % rows, out) ? OK : ERR_NOTFOUND;
}

void vset_slots(const struct value *v, const struct vset_shape *s, const uint32_t *slot, size_t n, struct vset_got *out) {
    struct pager_got page[PAGER_MANY];
    uint64_t index[PAGER_MANY];
    uint32_t rows = vset_rows(s);
    assert(n <= PAGER_MANY);
    for (size_t i = 0; i < n; i++) index[i] = vset_page(VSET_VECTORS, slot[i] / rows);
    v->pager->ops->get_many(v->pager, v->obj, index, n, vectors_ok, page);
    for (size_t i = 0; i < n; i++)
        if (page[i].rc == OK) rows_ahead(page[i].page, slot[i] % rows);
    for (size_t i = 0; i < n; i++) {
        out[i].rc = page[i].rc == OK && !fits(s, page[i].page) ? ERR_CORRUPT : page[i].rc;
        if (out[i].rc != OK) continue;
        slice r = rows_get(page[i].page, slot[i] % rows);
        mem_ahead(r.p, r.n < AHEAD_BYTES ? r.n : AHEAD_BYTES);
    }
    for (size_t i = 0; i < n; i++) {
        if (out[i].rc == OK && !vset__row(s, page[i].page, slot[i] / rows, slot[i] % rows, &out[i].e))
            out[i].rc = ERR_NOTFOUND;
    }
}

size_t vset_slots_here(const struct value *v, const struct vset_shape *s, const uint32_t *slot, size_t n) {
    uint64_t index[PAGER_MANY] = {0};
    slice page[PAGER_MANY];
    size_t here = 0;
    assert(n <= PAGER_MANY);
    for (size_t i = 0; i < n; i++) index[i] = vset_page(VSET_VECTORS, slot[i] / vset_rows(s));
    v->pager->ops->near(v->obj, index, n, page);
    for (size_t i = 0; i < n; i++) here += page[i].p != NULL;
    return here;
}

int vset_slot_hold(const struct value *v, const struct vset_shape *s, uint32_t slot) {
    return v->pager->ops->hold(v->pager, v->obj, vset_page(VSET_VECTORS, slot / vset_rows(s)));
}

int vset_find(const struct value *v, const struct vset_shape *s, slice name, uint32_t *slot, struct element *out) {
    if (name.n > KEY_BYTES_MAX) return ERR_NOTFOUND;
    int rc = vset__names_find(v, s, name, out);
    if (rc == OK && slot != NULL) *slot = out->slot;
    return rc;
}

int vset__attributes_need(const struct value *v, const struct vset_shape *s, slice page, uint32_t number) {
    int rc = OK;
    struct element e;
    uint32_t asked = UINT32_MAX;
    for (uint32_t row = 0; row < rows_n(page); row++) {
        if (!vset__row(s, page, number, row, &e) || !e.has_attribute) continue;
        if (!e.attribute_apart && asked == e.slot / VSET_ATTRIBUTE_ROWS) continue;
        asked = e.slot / VSET_ATTRIBUTE_ROWS;
        vset__note(vset_attribute_need(v, e.slot), &rc);
    }
    return rc;
}

static int tell_page(const struct value *v, const struct vset_shape *s, slice page, uint32_t number, vset_each_fn *each,
                     void *cookie) {
    struct element e;
    for (uint32_t row = 0; row < rows_n(page); row++) {
        slice attribute;
        if (!vset__row(s, page, number, row, &e)) continue;
        int rc = e.has_attribute ? vset_attribute(v, e.slot, &attribute) : OK;
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
        rc = each(cookie, &e, e.has_attribute ? &attribute : NULL);
        if (rc != OK) return rc;
    }
    return OK;
}

int vset_each(const struct value *v, vset_each_fn *each, void *cookie) {
    struct vset set;
    slice page;
    int rc = OK;
    vset_read(v, &set);
    uint32_t pages = vset_pages(&set);
    for (uint64_t i = 0; (rc == OK || rc == ERR_COLD) && vset__next(v, VSET_VECTORS, &i) == OK && i < pages; i++) {
        int one = vset__vectors(v, &set.shape, (uint32_t)i, &page);
        if (one == OK) one = vset__attributes_need(v, &set.shape, page, (uint32_t)i);
        vset__note(one, &rc);
    }
    for (uint64_t i = 0; rc == OK && vset__next(v, VSET_VECTORS, &i) == OK && i < pages; i++) {
        rc = vset__vectors(v, &set.shape, (uint32_t)i, &page);
        if (rc == OK) rc = tell_page(v, &set.shape, page, (uint32_t)i, each, cookie);
    }
    return rc;
}

uint32_t vset_slot_next(const struct value *v, const struct vset *set, uint32_t slot) {
    uint32_t rows = vset_rows(&set->shape);
    uint64_t page = slot / rows;
    if (slot >= set->slots || vset__next(v, VSET_VECTORS, &page) != OK || page >= vset_pages(set)) return set->slots;
    if (page == slot / rows) return slot;
    uint64_t first = page * rows;
    return first < set->slots ? (uint32_t)first : set->slots;
}

/* ---- room ---------------------------------------------------------------------------------------------------- */

static uint32_t roomy_page(const uint8_t *meta, uint32_t i) { return get_u32(meta + VSET_AT_ROOMY + 4 * (size_t)i); }

/* A free row of the page for a record of so many bytes. ERR_LIMIT: there is none. */
static int room_in(const struct value *v, const struct vset_shape *s, uint32_t page, size_t bytes, uint32_t *row) {
    slice p;
    uint32_t rows = vset_rows(s);
    int rc = vset__vectors(v, s, page, &p);
    *row = 0;
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    if (rows_live(p) >= rows - 1 || p.n + bytes > VSET_VECTORS_MOST) return ERR_LIMIT;
    *row = rows_free(p, rows);
    assert(*row < rows);
    return OK;
}

int vset__room(const struct value *v, const struct vset *s, size_t name, struct vset_room *out) {
    const uint8_t *meta = vset__meta(v);
    uint32_t rows = vset_rows(&s->shape), pages = vset_pages(s), page, row, roomy = meta[VSET_AT_ROOMY_N];
    size_t bytes = VSET_RECORD_BYTES + quant_bytes(s->shape.quant, s->shape.dim) + name;
    int rc = ERR_LIMIT;
    *out = (struct vset_room){.skip = false};
    if (roomy > 0) {
        page = roomy_page(meta, roomy - 1);
        rc = room_in(v, &s->shape, page, bytes, &row);
        out->skip = rc == ERR_LIMIT;
    }
    if (rc == ERR_LIMIT && pages > 0) {
        page = pages - 1;
        rc = room_in(v, &s->shape, page, bytes, &row);
    }
    if (rc == ERR_LIMIT) {
        if (pages >= UINT32_MAX / rows) return ERR_LIMIT;
        page = pages;
        row = 0;
        rc = OK;
    }
    if (rc == OK) out->slot = page * rows + row;
    return rc;
}

int vset__room_beside(const struct value *v, const struct vset_shape *s, uint32_t slot, struct vset_room *out) {
    slice p;
    uint32_t rows = vset_rows(s), page = slot / rows;
    int rc = vset__vectors(v, s, page, &p);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    *out = (struct vset_room){.slot = page * rows + rows_free(p, rows)};
    assert(out->slot / rows == page && out->slot != slot);
    return OK;
}

void vset__roomy(struct value *v, const struct vset_shape *s, uint32_t slot) {
    uint8_t *meta = vset__meta_mut(v);
    uint32_t rows = vset_rows(s), page = slot / rows, n = meta[VSET_AT_ROOMY_N];
    if (n == VSET_ROOMY_MAX || page == (get_u32(meta + VSET_AT_SLOTS) - 1) / rows) return;
    for (uint32_t i = 0; i < n; i++)
        if (roomy_page(meta, i) == page) return;
    put_u32(meta + VSET_AT_ROOMY + 4 * (size_t)n, page);
    meta[VSET_AT_ROOMY_N]++;
}

/* ---- changing ------------------------------------------------------------------------------------------------ */

static void write_flags(uint8_t *record, const struct element *e) {
    put_u16(record + AT_FLAGS, (uint16_t)((e->has_attribute ? RECORD_ATTRIBUTE : 0) | (e->point.zero ? RECORD_ZERO : 0) |
                                          (e->attribute_apart ? RECORD_APART : 0)));
}

int vset__fill(struct value *v, const struct vset_shape *s, const struct vset_room *at, const struct element *e) {
    uint8_t *to, *meta = vset__meta_mut(v);
    slice p;
    size_t bytes = quant_bytes(s->quant, s->dim);
    uint32_t rows = vset_rows(s), page = at->slot / rows, roomy = meta[VSET_AT_ROOMY_N];
    if (at->skip) roomy--;
    int rc = rows_put(v->pager, v->obj, vset_page(VSET_VECTORS, page), (uint32_t)bytes, at->slot % rows, rows,
                      VSET_RECORD_BYTES + bytes + e->name.n, &to);
    if (rc != OK) return rc;
    put_u64(to, e->node);
    memcpy(to + AT_NORM, &e->point.norm, 4);
    memcpy(to + AT_RANGE, &e->point.range, 4);
    put_u16(to + AT_NAME_N, (uint16_t)e->name.n);
    write_flags(to, e);
    memcpy(to + VSET_RECORD_BYTES, e->point.bytes, bytes);
    if (e->name.n > 0) memcpy(to + VSET_RECORD_BYTES + bytes, e->name.p, e->name.n);
    rc = v->pager->ops->get(v->pager, v->obj, vset_page(VSET_VECTORS, page), &p);
    if (rc != OK) return rc;
    /* Only the page at the end of the list is filled from it. */
    if (roomy > 0 && roomy_page(meta, roomy - 1) == page && rows_live(p) >= rows - 1) roomy--;
    meta[VSET_AT_ROOMY_N] = (uint8_t)roomy;
    if (at->slot >= get_u32(meta + VSET_AT_SLOTS)) put_u32(meta + VSET_AT_SLOTS, at->slot + 1);
    return OK;
}

int vset__flag(struct value *v, const struct vset_shape *s, const struct element *e) {
    uint32_t rows = vset_rows(s);
    uint64_t index = vset_page(VSET_VECTORS, e->slot / rows);
    slice p;
    uint8_t *to;
    int rc = v->pager->ops->get(v->pager, v->obj, index, &p);
    if (rc == OK) rc = v->pager->ops->mut(v->pager, v->obj, index, p.n, &to);
    if (rc != OK) return rc;
    slice record = rows_get(slice_make(to, p.n), e->slot % rows);
    assert(record.n > 0);
    write_flags(to + (record.p - to), e);
    return OK;
}

int vset__clear(struct value *v, const struct vset_shape *s, uint32_t slot) {
    uint32_t rows = vset_rows(s);
    return rows_cut(v->pager, v->obj, vset_page(VSET_VECTORS, slot / rows), slot % rows);
}
