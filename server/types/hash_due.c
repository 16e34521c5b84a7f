/* hash_due.c -- finding the fields that have expired.
 *
 * A small hash has them in front. A table is walked page by page, a few pages in a look, and what the walk has
 * seen is the time of the next one. Pages that are not in memory are left where they are: what
 * has expired there is not seen by anybody, and goes when the pages have come for some other reason. */
#include "base/listpack.h"
#include "types/hash.h"
#include "types/hash_build.h"
#include "types/tpage.h"

#define PAGES_A_LOOK 8      /* of 64 KiB: some 5,000 entries, about 100 us. */
#define FIELD_BYTES_MAX 262144 /* So much is enough for one effect. */
#define COLD_AGAIN_MS 10000 /* What was not in memory is looked for again then. */

int64_t hash__due(const struct stored_value *s) {
    if (!(s->aux & HASH_AUX_EXPIRES)) return INT64_MAX;
    if (s->kind == VALUE_OBJECT) return 0;
    if (lp_check(s->bytes, true) != OK || lp_count(s->bytes) % 3 != 0) return INT64_MAX;
    size_t at = lp_first(s->bytes);
    int64_t first = at == 0 ? 0 : hash__lp_expiry(s->bytes, true, at);
    return first == 0 ? INT64_MAX : first;
}

static int64_t later(int64_t now) { return now + COLD_AGAIN_MS; }

static int due_small(const struct value *v, int64_t now, size_t max, buf *fields, size_t *n) {
    slice lp;
    int64_t next = INT64_MAX;
    int rc = hash__listpack(v, &lp);
    if (rc == OK) {
        for (size_t at = lp_first(lp); at != 0; at = hash__lp_next(lp, true, at)) {
            char tmp[NUM_LL_MAX];
            int64_t expire_ms = hash__lp_expiry(lp, true, at);
            if (expire_ms != 0 && expire_ms < next) next = expire_ms; /* It is told anew when fields go. */
            if (expire_ms == 0 || expire_ms >= now || *n == max) break;
            buf_bytes(fields, lp_get_bytes(lp, at, tmp));
            ++*n;
        }
    } else {
        next = later(now); /* Cold, or damaged: whoever reads it says so. */
    }
    if (v->kind == VALUE_OBJECT) v->pager->ops->look(v->obj)->at_ms = next;
    return rc == ERR_COLD ? OK : rc;
}

/* False: there is no room for more. */
static bool due_page(slice page, int64_t now, size_t max, buf *fields, size_t *n, int64_t *least) {
    for (uint32_t off = tpage_next(page.p, 0); off != TPAGE_NONE; off = tpage_next(page.p, off)) {
        slice val;
        int64_t expire_ms;
        if (hash__entry(tpage_val(page.p, off), tpage_marked(page.p, off), &val, &expire_ms) != OK)
            continue; /* Damaged: whoever reads it says so. */
        if (expire_ms == 0) continue;
        if (expire_ms >= now) {
            if (expire_ms < *least) *least = expire_ms;
            continue;
        }
        if (*n == max || fields->n > FIELD_BYTES_MAX) return false;
        buf_bytes(fields, tpage_key(page.p, off));
        ++*n;
    }
    return true;
}

static int due_table(const struct value *v, int64_t now, size_t max, buf *fields, size_t *n) {
    pager *p = v->pager;
    struct pager_look *l = p->ops->look(v->obj);
    if (l->cursor == 0) l->least_ms = INT64_MAX;
    for (unsigned i = 0; i < PAGES_A_LOOK; i++) {
        slice page;
        unsigned depth = UINT32_MAX;
        int rc = p->ops->hget(p, v->obj, l->cursor, &page, &depth);
        if (rc != OK && rc != ERR_COLD && rc != ERR_NOTFOUND) return rc;
        if (rc == OK && !due_page(page, now, max, fields, n, &l->least_ms)) return OK;
        if (rc == ERR_COLD && later(now) < l->least_ms) l->least_ms = later(now);
        uint64_t end = depth >= 64 ? l->cursor : l->cursor | UINT64_MAX >> depth;
        /* Where no page is known, nothing behind it is. */
        if (rc == ERR_NOTFOUND || depth > 64 || end == UINT64_MAX) {
            l->cursor = 0;
            l->at_ms = l->least_ms;
            return OK;
        }
        l->cursor = end + 1;
    }
    return OK;
}

int hash_due(const struct value *v, int64_t now, size_t max, buf *fields, size_t *n) {
    *n = 0;
    if (!hash_timed(v)) return OK;
    bool table = v->kind == VALUE_OBJECT && v->pager->ops->meta(v->obj)[0] == HASH_OBJECT_TABLE;
    return table ? due_table(v, now, max, fields, n) : due_small(v, now, max, fields, n);
}
