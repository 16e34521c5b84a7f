/* wait.c -- cold parts: wanted by a command, fetched once for all who wait, kept for
 * them.
 *
 *   command -ks__want-> wanted -keyspace_wait-> ks_wait -> item -+-> load -> fetch
 *                                               ks_wait -> item -+
 *
 * A wait pins all its parts, cold or not, until it is ended; and the directory pages
 * through which objects were reached, for without them the object would have to be found
 * anew. A load pins its part, so that a wait may be ended while the fetch is under way.
 */
#include "keyspace/keyspace_internal.h"

#include "base/mem.h"

struct item {  /* one part that a wait needs */
    list link; /* load.items, while under way */
    ks_wait *wait;
    part *part;
};

struct ks_wait {
    list link; /* keyspace.waits_ready, when nothing is missing any more */
    void (*done)(void *cookie, int rc);
    void *cookie;
    int rc;
    size_t left, count;
    struct item items[];
};

struct load {
    struct fetch fetch; /* first: the tier's pointer is ours */
    list link;          /* keyspace.loads */
    list items;
    part *part;
};

/* ---- wanting ----------------------------------------------------------------------- */

int ks__want(keyspace *ks, part *p, part *home) {
    assert(part_is_cold(p));
    for (size_t i = 0; i < ks->wanted.n; i++)
        if (ks->wanted.p[i] == p) return ERR_COLD;
    part__pin(p);
    parts__push(&ks->wanted, p);
    ks->stats.reads_cold++;
    if (home == NULL) return ERR_COLD;
    for (size_t i = 0; i < ks->homes.n; i++)
        if (ks->homes.p[i] == home) return ERR_COLD;
    part__pin(home);
    parts__push(&ks->homes, home);
    return ERR_COLD;
}

void keyspace_want_reset(keyspace *ks) {
    ks->now_fresh = false;
    for (size_t i = 0; i < ks->wanted.n; i++) part__unpin(ks, ks->wanted.p[i]);
    for (size_t i = 0; i < ks->homes.n; i++) part__unpin(ks, ks->homes.p[i]);
    ks->wanted.n = ks->homes.n = 0;
}

size_t keyspace_wanted(const keyspace *ks) {
    return ks->wanted.n;
}

/* ---- waiting ----------------------------------------------------------------------- */

static struct load *load_start(keyspace *ks, part *p) {
    assert(ks->hooks.fetch != NULL);
    struct load *l = mem_calloc(1, sizeof(*l));
    l->part = p;
    l->fetch.base = p->base;
    l->fetch.delta = p->delta;
    l->fetch.target = l;
    list_init(&l->items);
    list_push_back(&ks->loads, &l->link);
    part__pin(p);
    p->load = l;
    ks->stats.fetches++;
    return l;
}

ks_wait *keyspace_wait(keyspace *ks, void (*done)(void *cookie, int rc), void *cookie) {
    size_t count = ks->wanted.n + ks->homes.n;
    ks_wait *w = mem_calloc(1, sizeof(*w) + count * sizeof(struct item));
    list_init(&w->link);
    w->done = done;
    w->cookie = cookie;
    w->count = count;
    struct parts wanted = ks->wanted, homes = ks->homes;
    memset(&ks->wanted, 0, sizeof(ks->wanted)); /* The pins are the wait's now. */
    memset(&ks->homes, 0, sizeof(ks->homes));
    for (size_t i = 0; i < count; i++) {
        struct item *it = &w->items[i];
        list_init(&it->link);
        it->wait = w;
        it->part = i < wanted.n ? wanted.p[i] : homes.p[i - wanted.n];
        if (part_is_cold(it->part) && i < wanted.n) w->left++;
    }
    /* All is counted before the first fetch begins. */
    for (size_t i = 0; i < wanted.n; i++) {
        struct item *it = &w->items[i];
        if (!part_is_cold(it->part)) continue;
        bool start = it->part->load == NULL;
        struct load *l = start ? load_start(ks, it->part) : it->part->load;
        list_push_back(&l->items, &it->link);
        if (start) ks->hooks.fetch(ks->cookies.fetch, &l->fetch);
    }
    if (w->left == 0) list_push_back(&ks->waits_ready, &w->link);
    mem_free(wanted.p);
    mem_free(homes.p);
    return w;
}

void keyspace_wait_end(keyspace *ks, ks_wait *w) {
    if (w == NULL) return;
    list_remove(&w->link);
    for (size_t i = 0; i < w->count; i++) {
        list_remove(&w->items[i].link);
        part__unpin(ks, w->items[i].part);
    }
    mem_free(w);
}

void wait__call_ready(keyspace *ks) {
    /* done() may end this wait, or any other one. */
    for (list *l; (l = list_first(&ks->waits_ready)) != NULL;) {
        list_remove(l);
        ks_wait *w = LIST_ENTRY(l, ks_wait, link);
        w->done(w->cookie, w->rc);
    }
}

void keyspace_fetched(keyspace *ks, struct fetch *f, int rc, slice base, slice delta) {
    struct load *l = f->target;
    part *p = l->part;
    assert(p->load == l && part_is_cold(p));
    /* Nobody owns it any more: what came is not needed. */
    if (rc == OK && p->refs != 0) rc = load__install(ks, p, base, delta);
    if (rc != OK) ks->stats.fetch_errors++;
    p->load = NULL;
    for (list *i; (i = list_first(&l->items)) != NULL;) {
        list_remove(i);
        ks_wait *w = LIST_ENTRY(i, struct item, link)->wait;
        if (w->rc == OK) w->rc = rc;
        if (--w->left == 0) list_push_back(&ks->waits_ready, &w->link);
    }
    list_remove(&l->link);
    part__unpin(ks, p);
    mem_free(l);
    wait__call_ready(ks);
}

/* At the end of the keyspace: the tier has answered or will never answer. */
void wait__drop_all(keyspace *ks) {
    keyspace_want_reset(ks);
    for (list *n; (n = list_first(&ks->loads)) != NULL;) {
        struct load *l = LIST_ENTRY(n, struct load, link);
        list_remove(n);
        for (list *i; (i = list_first(&l->items)) != NULL;) list_remove(i);
        l->part->load = NULL;
        part__unpin(ks, l->part);
        mem_free(l);
    }
    mem_free(ks->wanted.p);
    mem_free(ks->homes.p);
}
