/* set_check.c -- walks every invariant of a vector set (store.h numbers them). */
#include <stdio.h>

#include "modules/vector/store.h"

struct walk {
    const struct value *v;
    const struct vset *set;
    uint64_t count, attributes, placed, pages;
    char *why;
};

static int say(char why[160], const char *what, uint64_t number) {
    snprintf(why, 160, "vector set: %s %llu", what, (unsigned long long)number);
    return ERR_CORRUPT;
}

static int check_element(struct walk *w, const struct element *e) {
    const struct vset_shape *s = &w->set->shape;
    unsigned pairs;
    uint32_t place;
    slice attribute;
    int rc = vset__names_count(w->v, vset__tag(w->v, e->name), e->slot, &pairs);
    if (rc == OK && pairs != 1) return say(w->why, "another number of names than one leads to slot", e->slot);
    int found = vset_attribute(w->v, e->slot, &attribute);
    if (found == OK && (!e->has_attribute || e->attribute_apart != vset__apart(attribute.n)))
        return say(w->why, "an attribute that is not what is said of it, of slot", e->slot);
    if (found == ERR_NOTFOUND && e->has_attribute) return say(w->why, "no attribute of slot", e->slot);
    vset__note(found == ERR_NOTFOUND ? OK : found, &rc);
    vset__note(vset_place(w->v, e->slot, &place), &rc);
    if (rc == ERR_CORRUPT) return say(w->why, "a damaged page is met from slot", e->slot);
    if (rc != OK) return rc;
    w->placed += place != 0;
    w->count++;
    w->attributes += e->has_attribute;
    if (e->node > w->set->last_node || e->slot >= w->set->slots) return say(w->why, "numbers too high in slot", e->slot);
    for (uint32_t i = 0; s->quant == QUANT_INT8 && i < s->dim; i++)
        if (e->point.bytes[i] == 0x80) return say(w->why, "a component too low in slot", e->slot);
    return OK;
}

static int check_vectors(struct walk *w) {
    const struct vset_shape *s = &w->set->shape;
    struct element e;
    slice page;
    int cold = OK;
    for (uint64_t i = 0; vset__next(w->v, VSET_VECTORS, &i) == OK; i++) {
        if (i >= vset_pages(w->set)) return say(w->why, "a page of vectors too high,", i);
        int rc = vset__vectors(w->v, s, (uint32_t)i, &page);
        if (rc == ERR_CORRUPT) return say(w->why, "damaged page of vectors", i);
        if (rc == ERR_COLD) cold = rc;
        if (rc != OK) continue;
        w->pages++;
        for (uint32_t row = 0; row < rows_n(page); row++) {
            rc = vset__row(s, page, (uint32_t)i, row, &e) ? check_element(w, &e) : OK;
            if (rc == ERR_COLD) cold = rc;
            else if (rc != OK) return rc;
        }
    }
    return cold;
}

static int check_roomy(const struct walk *w) {
    const uint8_t *meta = vset__meta(w->v), *roomy = meta + VSET_AT_ROOMY;
    uint32_t n = meta[VSET_AT_ROOMY_N];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t page = get_u32(roomy + 4 * (size_t)i);
        if (page + 1 >= vset_pages(w->set)) return say(w->why, "listed as having room is page", page);
        for (uint32_t k = 0; k < i; k++)
            if (get_u32(roomy + 4 * (size_t)k) == page) return say(w->why, "listed twice is page", page);
    }
    return OK;
}

/* Pages that nobody answers for, when there is no index. */
static int check_pages(const struct walk *w, uint64_t known) {
    static const uint8_t none[VSET_INDEX_META] = {0};
    uint64_t all = w->v->pager->ops->pages(w->v->obj);
    bool index = memcmp(vset_index_meta(w->v), none, sizeof(none)) != 0;
    return known == all || (index && known < all) ? OK : say(w->why, "other pages than there are:", known);
}

int vset_check(struct value *v, char why[160]) {
    struct vset set;
    struct vset_census names, attributes, places;
    vset_read(v, &set);
    struct walk w = {.v = v, .set = &set, .why = why};
    int rc = vset__names_check(v, &set, &names, why);
    if (rc == OK || rc == ERR_COLD) vset__note(vset__attributes_check(v, &set, &attributes, why), &rc);
    if (rc == OK || rc == ERR_COLD) vset__note(vset__places_check(v, &set, &places, why), &rc);
    if (rc == OK || rc == ERR_COLD) vset__note(check_vectors(&w), &rc);
    if (rc == OK) rc = check_roomy(&w);
    if (rc != OK) return rc;
    if (set.count == 0 || w.count != set.count || names.rows != set.count)
        return say(why, "elements are not as many as counted:", w.count);
    if (w.attributes != set.attributes || attributes.rows != set.attributes)
        return say(why, "attributes are not as many as counted:", w.attributes);
    if (places.rows != w.placed) return say(why, "places of free slots:", places.rows - w.placed);
    return check_pages(&w, names.pages + w.pages + attributes.pages + places.pages);
}
