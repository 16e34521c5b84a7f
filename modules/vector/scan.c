/* scan.c -- a walk over all elements of a set, in steps. */
#include "modules/vector/scan.h"

#define RESTARTS_MAX                                                                     \
    4 /* A set that changes all the time must not keep a walk from its end. */
#define PAGES_AHEAD                                                                      \
    32 /* Cold pages of one round: half a megabyte, and 32 requests at once. */
/* Work in rough nanoseconds: an element's own, and its bytes from memory. */
#define STEP_WORK 1000000
#define ELEMENT_WORK 40
#define BYTES_PER_WORK 8

bool scan_resume(struct scan *s, const struct vset *set) {
    bool other = s->uid != set->shape.uid || s->version != set->version;
    if (s->begun && (!other || s->restarts >= RESTARTS_MAX)) return false;
    if (s->begun) s->restarts++;
    s->begun = true;
    s->ended = false;
    s->cursor = s->elements = 0;
    s->uid = set->shape.uid;
    s->version = set->version;
    return true;
}

static int visit_page(struct scan *s, slice page, const struct vset *set, scan_each *each,
                      void *cookie, uint64_t *work) {
    struct element e;
    for (uint32_t off = tpage_next(page.p, 0); off != TPAGE_NONE;
         off = tpage_next(page.p, off)) {
        slice record = tpage_val(page.p, off);
        if (!element_read(&set->shape, record, &e)) return ERR_CORRUPT;
        int rc = each(cookie, tpage_key(page.p, off), &e);
        if (rc != OK) return rc;
        s->elements++;
        *work += ELEMENT_WORK + record.n / BYTES_PER_WORK;
    }
    return OK;
}

/* Asks for pages from the cursor on. A page covers as much of the hashes as its
 * neighbours, or half or twice of it: steps of the smaller kind meet nearly all of them,
 * some twice. */
static void ask_ahead(const struct scan *s, call *c, const struct value *v) {
    uint64_t pages = v->pager->ops->pages(v->obj), at = s->cursor;
    unsigned bits = 1;
    while (bits < 63 && (uint64_t)1 << bits < pages) bits++;
    uint64_t step = (uint64_t)1 << (64 - bits);
    for (int i = 0; i < 2 * PAGES_AHEAD; i++) {
        if (keyspace_wanted(call_keyspace(c)) >= PAGES_AHEAD) return;
        (void)table_need_from(v->pager, v->obj, at,
                              1); /* Cold or not: it is asked for. */
        if (at > UINT64_MAX - step) return;
        at += step;
    }
}

int scan_step(struct scan *s, call *c, const struct value *v, const struct vset *set,
              command_fn *again, scan_each *each, void *cookie) {
    uint64_t work = 0;
    s->steps++;
    while (!s->ended) {
        uint64_t cursor = s->cursor;
        slice page;
        int rc = table_page(v->pager, v->obj, &cursor, &page);
        if (rc == ERR_COLD) {
            s->cold_rounds++;
            ask_ahead(s, c, v);
            return rc;
        }
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        if (rc == OK) rc = visit_page(s, page, set, each, cookie, &work);
        if (rc == ERR_NOTFOUND) cursor = 0; /* no page at all */
        else if (rc != OK) return rc;
        s->cursor = cursor;
        s->ended = cursor == 0;
        if (!s->ended && work >= STEP_WORK && call_may_park(c)) {
            parked_resume(call_park(c, again, NULL, NULL));
            return ERR_AGAIN;
        }
    }
    return OK;
}
