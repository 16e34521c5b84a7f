/* beside.c -- what is kept beside the vectors: attributes, and a place for each slot. */
#include <stdio.h>

#include "modules/vector/store.h"

#define PLACES_STEP 64 /* A page of places grows by so many. */

/* ---- attributes ---------------------------------------------------------------------------------------------- */

static uint64_t shared_page(uint32_t slot) {
    return vset_page(VSET_ATTRIBUTES, 2 * (uint64_t)(slot / VSET_ATTRIBUTE_ROWS));
}
static uint64_t own_page(uint32_t slot) { return vset_page(VSET_ATTRIBUTES, 2 * (uint64_t)slot + 1); }

bool vset__apart(size_t attribute) { return attribute > VSET_ATTRIBUTE_APART; }

static bool shared_ok(slice page) { return rows_ok(page) && rows_width(page) == 0 && rows_n(page) <= VSET_ATTRIBUTE_ROWS; }
static bool own_ok(slice page) { return vset__apart(page.n); }

int vset__attributes_page(const struct value *v, uint32_t slot, slice *page) {
    return v->pager->ops->get_ok(v->pager, v->obj, shared_page(slot), shared_ok, page);
}

int vset_attribute(const struct value *v, uint32_t slot, slice *out) {
    slice page;
    int rc = vset__attributes_page(v, slot, &page);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == OK) {
        slice record = rows_get(page, slot % VSET_ATTRIBUTE_ROWS);
        if (record.n > 0) {
            *out = slice_make(record.p + 1, record.n - 1);
            return OK;
        }
    }
    return v->pager->ops->get_ok(v->pager, v->obj, own_page(slot), own_ok, out);
}

int vset_attribute_need(const struct value *v, uint32_t slot) {
    slice page;
    int rc = vset__attributes_page(v, slot, &page), own = v->pager->ops->get_ok(v->pager, v->obj, own_page(slot), own_ok, &page);
    if (rc == ERR_NOTFOUND) rc = OK;
    vset__note(own == ERR_NOTFOUND ? OK : own, &rc);
    return rc;
}

int vset__attribute_look(const struct value *v, uint32_t slot, bool has) {
    slice attribute;
    int rc = vset_attribute_need(v, slot);
    if (rc != OK) return rc;
    return (vset_attribute(v, slot, &attribute) == OK) == has ? OK : ERR_CORRUPT;
}

int vset__attribute_put(struct value *v, uint32_t slot, slice attribute) {
    uint8_t *to;
    if (vset__apart(attribute.n)) {
        int rc = v->pager->ops->mut(v->pager, v->obj, own_page(slot), attribute.n, &to);
        if (rc == OK) memcpy(to, attribute.p, attribute.n);
        return rc;
    }
    int rc = rows_put(v->pager, v->obj, shared_page(slot), 0, slot % VSET_ATTRIBUTE_ROWS, VSET_ATTRIBUTE_ROWS,
                      attribute.n + 1, &to);
    if (rc != OK) return rc;
    to[0] = 0;
    if (attribute.n > 0) memcpy(to + 1, attribute.p, attribute.n);
    return OK;
}

int vset__attribute_cut(struct value *v, uint32_t slot) {
    slice page;
    int rc = vset__attributes_page(v, slot, &page);
    if (rc == OK && rows_get(page, slot % VSET_ATTRIBUTE_ROWS).n > 0)
        return rows_cut(v->pager, v->obj, shared_page(slot), slot % VSET_ATTRIBUTE_ROWS);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    return v->pager->ops->drop(v->pager, v->obj, own_page(slot));
}

/* ---- places -------------------------------------------------------------------------------------------------- */

static uint64_t place_page(uint32_t slot) { return vset_page(VSET_PLACES, slot / VSET_PLACE_ROWS); }
static bool places_ok(slice page) { return page.n > 0 && page.n % 4 == 0 && page.n <= 4 * (size_t)VSET_PLACE_ROWS; }

static int get_places(const struct value *v, uint32_t slot, slice *page) {
    int rc = v->pager->ops->get_ok(v->pager, v->obj, place_page(slot), places_ok, page);
    if (rc != ERR_NOTFOUND) return rc;
    *page = slice_make(NULL, 0);
    return OK;
}

static uint32_t place_at(slice page, uint32_t slot) {
    size_t at = 4 * (size_t)(slot % VSET_PLACE_ROWS);
    return at < page.n ? get_u32(page.p + at) : 0;
}

int vset_place(const struct value *v, uint32_t slot, uint32_t *place) {
    slice page;
    int rc = get_places(v, slot, &page);
    if (rc == OK) *place = place_at(page, slot);
    return rc;
}

int vset_place_need(const struct value *v, uint32_t slot) {
    slice page;
    return get_places(v, slot, &page);
}

int vset_place_set(struct value *v, uint32_t slot, uint32_t place) {
    slice page;
    uint8_t *to;
    int rc = get_places(v, slot, &page);
    if (rc != OK || place_at(page, slot) == place) return rc;
    uint32_t row = slot % VSET_PLACE_ROWS;
    size_t n = 4 * (size_t)(row / PLACES_STEP + 1) * PLACES_STEP;
    rc = v->pager->ops->mut(v->pager, v->obj, place_page(slot), page.n > n ? page.n : n, &to);
    if (rc == OK) put_u32(to + 4 * (size_t)row, place);
    return rc;
}

/* ---- checking ------------------------------------------------------------------------------------------------ */

static int say(char why[160], const char *what, uint64_t number) {
    snprintf(why, 160, "vector set: %s %llu", what, (unsigned long long)number);
    return ERR_CORRUPT;
}

int vset__attributes_check(const struct value *v, const struct vset *s, struct vset_census *out, char why[160]) {
    int cold = OK;
    *out = (struct vset_census){0};
    for (uint64_t i = 0; vset__next(v, VSET_ATTRIBUTES, &i) == OK; i++) {
        slice page;
        bool own = i % 2 != 0;
        uint64_t slot = own ? i / 2 : i / 2 * VSET_ATTRIBUTE_ROWS;
        if (slot >= s->slots) return say(why, "attributes of a slot that never was,", slot);
        int rc = v->pager->ops->get_ok(v->pager, v->obj, vset_page(VSET_ATTRIBUTES, i), own ? own_ok : shared_ok, &page);
        if (rc == ERR_CORRUPT) return say(why, "damaged attributes of slots from", slot);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return rc;
        else *out = (struct vset_census){out->pages + 1, out->rows + (own ? 1 : rows_live(page))};
    }
    return cold;
}

/* Rows: places that are not 0. */
int vset__places_check(const struct value *v, const struct vset *s, struct vset_census *out, char why[160]) {
    int cold = OK;
    *out = (struct vset_census){0};
    for (uint64_t i = 0; vset__next(v, VSET_PLACES, &i) == OK; i++) {
        slice page;
        uint64_t slot = i * VSET_PLACE_ROWS;
        if (slot >= s->slots) return say(why, "places of slots that never were,", slot);
        int rc = get_places(v, (uint32_t)slot, &page);
        if (rc == ERR_COLD) cold = rc;
        else if (rc != OK) return say(why, "damaged places of slots from", slot);
        for (uint32_t k = 0; rc == OK && k < page.n / 4; k++) out->rows += get_u32(page.p + 4 * (size_t)k) != 0;
        out->pages += rc == OK;
    }
    return cold;
}
