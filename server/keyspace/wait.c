/* wait.c -- cold parts: wanted by a command, fetched once for all who wait, kept for
 * them.
 *
 *   command -ks__want-> wanted -keyspace_wait-> ks_wait -> item -+-> load -> fetch
 *                                               ks_wait -> item -+
 *
 * A wait pins all its parts, cold or not, until it is ended; and the directory pages
 * through which objects were reached, for without them the object would have to be found
 * anew. A load pins its part, so that a wait may be ended while the fetch is under way.
 *
 * Many may want more than can be fetched at once. Then it is not first come, first served:
 * one client that asks for a thousand pages would hold up all that ask for one.
 *
 *   keyspace_wait -> outside -> fresh -> begun -> begun -> ... (all fetches under way)
 *                 room        |        |        |
 *                             v        v        v  one fetch each, from fresh and from
 *                             fetches under way    begun by turns
 *
 * Invariants
 *  1. At most fetches_max fetches are under way.
 *  2. A wait gets its first page after at most two others for each wait that came in before
 *     it and has none yet; then one a round. Neither kind can starve the other. (Where the
 *     store reads neighbours with one request, a run of them counts as one page.)
 *  3. A load that has not begun belongs to an item that its wait has not passed, so some
 *     wait comes to it; a load that nobody waits for does not begin.
 *  4. The parts of admitted waits fit into their share of the memory, or there is one wait:
 *     a wait asks for all its room at once, so none holds memory against another. */
#include "keyspace/keyspace_internal.h"

#include "base/limits.h"
#include "base/mem.h"

/* Of maxmemory, for what waits hold: the rest stays for what is hot, and what is dirty. */
#define HELD_SHARE 4
#define HOLD_MAX 1024 /* pages of a command that asks for them by hold(): 64 MiB; each is looked for among them */
#define HOLD_LEAST 8
/* Of that, for pages that are asked for ahead: who needs just one has room besides. */
#define AHEAD_SHARE 2

struct item {  /* one part that a wait needs */
    list link; /* load.items, while under way */
    ks_wait *wait;
    part *part;
};

struct ks_wait {
    list link; /* keyspace.waits_ready, when nothing is missing any more */
    list turn; /* keyspace.waits_outside, waits_fresh or waits_begun: there is more to fetch */
    void (*done)(void *cookie, int rc);
    void *cookie;
    int rc;
    bool admitted;
    size_t left, count;
    size_t wanted, next; /* items [next, wanted) may have loads that have not begun */
    size_t run;          /* neighbours begun in this turn of it, if it goes on with another */
    struct item items[];
};

struct load {
    struct fetch fetch; /* first: the tier's pointer is ours */
    list link;          /* keyspace.loads */
    list items;
    part *part;
    bool begun;
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

static bool among(const struct parts *v, const part *p) {
    for (size_t i = 0; i < v->n; i++)
        if (v->p[i] == p) return true;
    return false;
}

int ks__hold(keyspace *ks, part *p, part *home) {
    if (among(&ks->wanted, p)) return ERR_COLD;
    if (among(&ks->homes, p)) return OK;
    size_t limit = keyspace_maxmemory(ks) / HELD_SHARE / PAGE_BYTES;
    if (limit > HOLD_MAX) limit = HOLD_MAX;
    if (limit < HOLD_LEAST) limit = HOLD_LEAST;
    if (ks->wanted.n + ks->homes.n >= limit) return ERR_LIMIT;
    if (part_is_cold(p)) return ks__want(ks, p, home);
    part__pin(p);
    parts__push(&ks->homes, p);
    return OK;
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

static void fetch_pump(keyspace *ks);

/* ---- waiting ----------------------------------------------------------------------- */

static struct load *load_create(keyspace *ks, part *p) {
    assert(ks->hooks.fetch != NULL);
    struct load *l = mem_calloc(1, sizeof(*l));
    l->part = p;
    list_init(&l->items);
    list_push_back(&ks->loads, &l->link);
    part__pin(p);
    p->load = l;
    return l;
}

/* The load has ended: who waited for it knows. */
static void load_end(keyspace *ks, struct load *l, int rc) {
    part *p = l->part;
    p->load = NULL;
    for (list *i; (i = list_first(&l->items)) != NULL;) {
        list_remove(i);
        ks_wait *w = LIST_ENTRY(i, struct item, link)->wait;
        if (w->rc == OK) w->rc = rc;
        if (--w->left > 0) continue;
        list_remove(&w->turn);
        list_push_back(&ks->waits_ready, &w->link);
    }
    list_remove(&l->link);
    part__unpin(ks, p);
    mem_free(l);
}

ks_wait *keyspace_wait(keyspace *ks, void (*done)(void *cookie, int rc), void *cookie) {
    size_t count = ks->wanted.n + ks->homes.n;
    ks_wait *w = mem_calloc(1, sizeof(*w) + count * sizeof(struct item));
    list_init(&w->link);
    list_init(&w->turn);
    w->done = done;
    w->cookie = cookie;
    w->count = count;
    w->wanted = ks->wanted.n;
    struct parts wanted = ks->wanted, homes = ks->homes;
    memset(&ks->wanted, 0, sizeof(ks->wanted)); /* The pins are the wait's now. */
    memset(&ks->homes, 0, sizeof(ks->homes));
    for (size_t i = 0; i < count; i++) {
        struct item *it = &w->items[i];
        list_init(&it->link);
        it->wait = w;
        it->part = i < wanted.n ? wanted.p[i] : homes.p[i - wanted.n];
        if (i >= wanted.n || !part_is_cold(it->part)) continue;
        struct load *l = it->part->load;
        if (l == NULL) l = load_create(ks, it->part);
        list_push_back(&l->items, &it->link);
        w->left++;
    }
    mem_free(wanted.p);
    mem_free(homes.p);
    ks->waits++;
    list_push_back(w->left == 0 ? &ks->waits_ready : &ks->waits_outside,
                   w->left == 0 ? &w->link : &w->turn);
    fetch_pump(ks);
    return w;
}

void keyspace_wait_end(keyspace *ks, ks_wait *w) {
    if (w == NULL) return;
    list_remove(&w->link);
    list_remove(&w->turn);
    for (size_t i = 0; i < w->count; i++) {
        part *p = w->items[i].part;
        list_remove(&w->items[i].link);
        struct load *l = p->load;
        if (l != NULL && !l->begun && list_empty(&l->items)) load_end(ks, l, OK);
        part__unpin(ks, p);
    }
    assert(ks->waits > 0);
    ks->waits--;
    if (w->admitted) ks->waits_held -= w->count;
    mem_free(w);
    fetch_pump(ks);
}

/* ---- whose turn it is --------------------------------------------------------------- */

void keyspace_limit_fetches(keyspace *ks, size_t max, size_t run) {
    assert(max > 0 && run > 0);
    ks->fetches_max = max;
    ks->fetch_run = run;
}

/* Cold pages are taken to be like those in memory. */
static uint64_t page_bytes(const keyspace *ks) {
    uint64_t n = ks->stats.pages_resident;
    return n == 0 ? TABLE_PAGE_BYTES : ks->stats.bytes_pages / n + 1;
}

uint64_t wait__held_bytes(const keyspace *ks) {
    return ks->waits_held * page_bytes(ks);
}

/* The parts that waits may hold. */
static size_t held_max(const keyspace *ks) {
    size_t limit = keyspace_maxmemory(ks);
    return limit == SIZE_MAX ? limit : limit / HELD_SHARE / page_bytes(ks);
}

bool keyspace_want_more(const keyspace *ks) {
    size_t max = held_max(ks) / AHEAD_SHARE, n = ks->wanted.n;
    return n < max / (ks->waits + 1) && ks->waits_held + n < max;
}

static void admit(keyspace *ks) {
    list *l = list_first(&ks->waits_outside);
    if (l == NULL) return;
    for (size_t max = held_max(ks); l != NULL; l = list_first(&ks->waits_outside)) {
        ks_wait *w = LIST_ENTRY(l, ks_wait, turn);
        if (ks->waits_held != 0 && ks->waits_held + w->count > max) return;
        w->admitted = true;
        ks->waits_held += w->count;
        list_remove(l);
        list_push_back(&ks->waits_fresh, l);
    }
}

/* The next load of this wait that has not begun, or NULL: there is none. */
static struct load *next_load(ks_wait *w) {
    for (; w->next < w->wanted; w->next++) {
        struct load *l = w->items[w->next].part->load;
        if (l != NULL && !l->begun) return l;
    }
    return NULL;
}

/* Slots that lie together were written one after the other, perhaps with a node between. */
static bool neighbours(location a, location b) {
    return location_pack(a) == location_pack(b) && location_slot(b) > location_slot(a) &&
           location_slot(b) - location_slot(a) <= 2;
}

/* To the end of the line; or it stays in front for as long as it asks for neighbours. */
static void turn_over(keyspace *ks, ks_wait *w, location at) {
    const struct load *l = next_load(w);
    if (l == NULL) return;
    if (++w->run < ks->fetch_run && neighbours(at, l->part->base)) {
        list_push_front(&ks->waits_begun, &w->turn);
        ks->turn_of_begun = true;
        return;
    }
    w->run = 0;
    list_push_back(&ks->waits_begun, &w->turn);
}

static ks_wait *next_wait(keyspace *ks) {
    list *fresh = list_first(&ks->waits_fresh), *begun = list_first(&ks->waits_begun);
    list *l = fresh == NULL || (begun != NULL && ks->turn_of_begun) ? begun : fresh;
    if (l == NULL) return NULL;
    ks->turn_of_begun = l == fresh;
    list_remove(l);
    return LIST_ENTRY(l, ks_wait, turn);
}

static void fetch_pump(keyspace *ks) {
    ks_wait *w;
    admit(ks);
    while (ks->fetches_begun < ks->fetches_max && (w = next_wait(ks)) != NULL) {
        struct load *l = next_load(w);
        if (l == NULL) continue;
        part *p = l->part;
        location at = p->base;
        l->begun = true;
        turn_over(ks, w, at);
        if (p->refs == 0) { /* Nobody owns it any more, and the store may have lost it. */
            load_end(ks, l, OK);
            continue;
        }
        l->fetch = (struct fetch){.base = p->base, .delta = p->delta, .target = l};
        ks->fetches_begun++;
        ks->stats.fetches++;
        ks->hooks.fetch(ks->cookies.fetch, &l->fetch);
    }
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
    assert(p->load == l && l->begun && part_is_cold(p));
    assert(ks->fetches_begun > 0);
    ks->fetches_begun--;
    /* Nobody owns it any more: what came is not needed. */
    if (rc == OK && p->refs != 0) rc = load__install(ks, p, base, delta);
    if (rc != OK) ks->stats.fetch_errors++;
    load_end(ks, l, rc);
    wait__call_ready(ks);
    fetch_pump(ks);
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
