/* scan.c -- a walk over all elements of a set, in steps. */
#include "modules/vector/scan.h"

#include "modules/vector/store.h"

/* A set that changes all the time must not keep a walk from its end. */
#define RESTARTS_MAX 4
/* Cold pages of one round: a megabyte, and 16 requests at once. */
#define PAGES_AHEAD 16
/* Work in rough nanoseconds: a page's own, an element's own, and its bytes from memory. A step has so much of it at
 * most, less when the turn has no more time; the clock is looked at now and then. */
#define STEP_WORK 1000000
#define STEP_US 300
#define LOOK_WORK 20000
#define PAGE_WORK 50
#define ELEMENT_WORK 40
#define BYTES_PER_WORK 8

bool scan_resume(struct scan *s, const struct vset *set) {
    bool other = s->uid != set->shape.uid || s->version != set->version;
    if (s->begun && (!other || s->restarts >= RESTARTS_MAX)) return false;
    if (s->begun) s->restarts++;
    s->begun = true;
    s->ended = false;
    s->page = 0;
    s->elements = 0;
    s->uid = set->shape.uid;
    s->version = set->version;
    return true;
}

static int visit_page(struct scan *s, const struct value *v, slice page, const struct vset *set, scan_each *each,
                      void *cookie, uint64_t *work) {
    struct element e;
    size_t bytes = quant_bytes(set->shape.quant, set->shape.dim);
    for (uint32_t row = 0; row < rows_n(page); row++) {
        if (!vset__row(&set->shape, page, s->page, row, &e)) continue;
        int rc = each(cookie, v, &e);
        if (rc != OK) return rc;
        s->elements++;
        *work += ELEMENT_WORK + bytes / BYTES_PER_WORK;
    }
    return OK;
}

/* The page that is next, and its attributes if they are asked for. */
static int open_page(const struct scan *s, const struct value *v, const struct vset *set, uint32_t page, slice *out) {
    int rc = vset__vectors(v, &set->shape, page, out);
    return rc == OK && s->attributes ? vset__attributes_need(v, &set->shape, *out, page) : rc;
}

/* Moves to the first page from *page on that is there; false: there is none. */
static bool next_page(const struct value *v, const struct vset *set, uint32_t *page) {
    uint64_t i = *page;
    if (vset__next(v, VSET_VECTORS, &i) != OK || i >= vset_pages(set)) return false;
    *page = (uint32_t)i;
    return true;
}

/* Asks for pages from the next on. Of a page that is cold itself it is not known which attributes are long. */
static void ask_ahead(const struct scan *s, call *c, const struct value *v, const struct vset *set) {
    uint32_t rows = vset_rows(&set->shape), page = s->page;
    for (int i = 0; i < 2 * PAGES_AHEAD && next_page(v, set, &page); i++, page++) {
        slice p;
        if (keyspace_wanted(call_keyspace(c)) >= PAGES_AHEAD) return;
        if (open_page(s, v, set, page, &p) != ERR_COLD || !s->attributes) continue;
        for (uint32_t slot = page * rows; slot / rows == page; slot += VSET_ATTRIBUTE_ROWS)
            (void)vset_attribute_need(v, slot); /* Cold or not: it is asked for. */
        (void)vset_attribute_need(v, page * rows + rows - 1);
    }
}

int scan_step(struct scan *s, call *c, const struct value *v, const struct vset *set,
              command_fn *again, scan_each *each, void *cookie) {
    uint64_t work = 0, looked = 0, until_us = call_mono_us(c) + call_share_us(c, STEP_US);
    s->steps++;
    while (!s->ended && next_page(v, set, &s->page)) {
        slice page;
        int rc = open_page(s, v, set, s->page, &page);
        if (rc == ERR_COLD) ask_ahead(s, c, v, set);
        if (rc == ERR_COLD) return rc;
        if (rc == OK) rc = visit_page(s, v, page, set, each, cookie, &work);
        if (rc != OK) return rc;
        work += PAGE_WORK;
        s->page++;
        bool over = work >= STEP_WORK;
        if (!over && work - looked >= LOOK_WORK) {
            looked = work;
            over = call_mono_us(c) >= until_us;
        }
        if (over && next_page(v, set, &s->page) && call_may_park(c)) {
            parked_resume(call_park(c, again, NULL, NULL));
            return ERR_AGAIN;
        }
    }
    s->ended = true;
    return OK;
}
