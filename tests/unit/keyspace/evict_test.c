/* evict_test.c -- pages that their type calls lasting leave memory after others, and pages that a command holds while
 * it waits stay. */
#include "tests/unit/keyspace/ks_util.h"

#define PAGES 128u /* every eighth is lasting */
#define LASTING (PAGES / 8)
#define OTHERS (PAGES - LASTING)
#define BYTES 4096u
#define SECOND 3u  /* not lasting */

static bool paged_ok(const struct stored_value *s) { return s->kind == VALUE_OBJECT && !s->hashed; }

/* args: u64 index: that page is made. */
static int paged_apply(struct value *v, const effect *e) {
    uint8_t *to;
    if (v->kind == VALUE_NONE) {
        v->obj = v->pager->ops->make(v->pager, false, 0);
        v->kind = VALUE_OBJECT;
    }
    int rc = v->pager->ops->mut(v->pager, v->obj, get_u64(e->args[0].p), BYTES, &to);
    if (rc == OK) memset(to, (int)e->args[0].p[0], BYTES);
    return rc;
}

static int paged_check(struct value *v, char why[160]) {
    (void)v;
    (void)why;
    return OK;
}

static const struct type paged = {.id = TYPE_VOLUME, .name = "paged", .stored_ok = paged_ok, .apply = paged_apply,
                                  .check = paged_check, .lasting = 1};

static const slice key = {(const uint8_t *)"paged", 5};

/* All of its pages are in the store, and in memory. */
static struct world *world_paged(uint64_t seed) {
    struct world *w = world_new(seed);
    type_add(&w->types, &paged);
    for (uint64_t i = 0; i < PAGES; i++) {
        uint8_t index[8];
        put_u64(index, i);
        slice arg = slice_make(index, sizeof(index));
        effect e = {.target = EFFECT_VALUE, .type = TYPE_VOLUME, .db = db_id(keyspace_db(w->ks, 0)), .key = key,
                    .args = &arg, .argc = 1};
        CHECK_INT(world_apply(w, &e), OK);
    }
    frozen *f = keyspace_freeze(w->ks);
    world_checkpoint(w, f, 1000, false, NULL, NULL);
    frozen_put(w->ks, f);
    CHECK_INT(keyspace_stats(w->ks)->pages_dirty, 0);
    return w;
}

static struct value value_of(struct world *w) {
    struct entry e;
    ks_wait *held = NULL;
    int rc;
    keyspace_want_reset(w->ks);
    while ((rc = keyspace_get(w->ks, keyspace_db(w->ks, 0), key, 0, &e)) == ERR_COLD) {
        ks_wait *next = world_wait(w, &rc);
        CHECK_INT(rc, OK);
        keyspace_wait_end(w->ks, held);
        held = next;
    }
    keyspace_wait_end(w->ks, held);
    CHECK_INT(rc, OK);
    return e.value;
}

/* Pages in memory: lasting ones, others. */
static void count(struct world *w, size_t *lasting, size_t *others) {
    struct value v = value_of(w);
    struct entry e = {.value = v};
    size_t kinds[8];
    keyspace_entry_kinds(&e, kinds);
    *lasting = *others = 0;
    for (unsigned k = 0; k < 8; k++) *(k == 0 ? lasting : others) += kinds[k] / BYTES;
}

/* Reads a page, which is fetched when it is cold: was it? */
static bool read_page(struct world *w, uint64_t index) {
    ks_wait *held = NULL;
    slice page;
    bool cold = false;
    for (;;) {
        struct value v = value_of(w);
        int rc = v.pager->ops->get(v.pager, v.obj, index, &page);
        if (rc == OK) break;
        CHECK_INT(rc, ERR_COLD);
        cold = true;
        ks_wait *next = world_wait(w, &rc);
        CHECK_INT(rc, OK);
        keyspace_wait_end(w->ks, held);
        held = next;
    }
    keyspace_wait_end(w->ks, held);
    CHECK_INT(page.n, BYTES);
    CHECK_INT(page.p[100], index);
    return cold;
}

static void make_room(struct world *w, size_t bytes) {
    w->config.maxmemory = (int64_t)bytes;
    int rc;
    while ((rc = keyspace_make_room(w->ks, NULL, NULL)) == ERR_AGAIN) {
    }
    CHECK_INT(rc, OK);
}

/* For so many bytes of pages less than there are. */
static size_t room_without(size_t pages) {
    size_t mark = mem_used() - pages * BYTES;
    return mark + mark / 31; /* It stops a thirty-second below. */
}

TEST("lasting pages leave memory when no others are left") {
    struct world *w = world_paged(1);
    size_t lasting, others;
    count(w, &lasting, &others);
    CHECK_INT(lasting, LASTING);
    CHECK_INT(others, OTHERS);
    make_room(w, room_without(OTHERS / 2));
    count(w, &lasting, &others);
    CHECK_INT(lasting, LASTING);
    CHECK(others > OTHERS / 4 && others <= OTHERS / 2);
    make_room(w, room_without(others + LASTING / 2));
    count(w, &lasting, &others);
    CHECK_INT(others, 0);
    CHECK(lasting > 0 && lasting <= LASTING / 2);
    world_check(w);
    world_free(w);
}

TEST("an index that nobody asks leaves in the end, what is asked now and then stays") {
    struct world *w = world_paged(2);
    size_t lasting, others, fetched = 0, cold = 0, room = room_without(PAGES / 2);
    make_room(w, room);
    for (unsigned i = 0; i < 20000; i++) {
        fetched += read_page(w, 8 * (i * 5 % LASTING) + 1 + i % 7);
        if (i % 100 == 0) cold += read_page(w, 0);
        make_room(w, room);
        if (i != 2000) continue;
        count(w, &lasting, &others); /* Many times all that there is has been read. */
        CHECK_INT(lasting, LASTING);
    }
    count(w, &lasting, &others);
    CHECK(fetched > 10000);
    CHECK_INT(lasting, 1);
    CHECK_INT(cold, 0);
    world_check(w);
    world_free(w);
}

TEST("dropping what goes first leaves the lasting ones") {
    struct world *w = world_paged(3);
    size_t lasting, others;
    CHECK_INT(keyspace_drop_clean_first(w->ks), OTHERS);
    count(w, &lasting, &others);
    CHECK_INT(lasting, LASTING);
    CHECK_INT(others, 0);
    CHECK(keyspace_drop_clean(w->ks) > LASTING);
    count(w, &lasting, &others);
    CHECK_INT(lasting + others, 0);
    CHECK(read_page(w, 8)); /* It has come back as what it was. */
    CHECK(read_page(w, SECOND));
    CHECK_INT(keyspace_drop_clean_first(w->ks), 1);
    CHECK(!read_page(w, 8));
    world_check(w);
    world_free(w);
}

static void never(void *cookie, int rc) {
    (void)cookie;
    (void)rc;
}

TEST("what is held stays while its command waits, and no more than others can spare") {
    struct world *w = world_paged(4);
    CHECK(keyspace_drop_clean(w->ks) > PAGES / 2);
    CHECK(read_page(w, 1) && read_page(w, SECOND));
    struct value v = value_of(w);
    keyspace_want_reset(w->ks);
    CHECK_INT(v.pager->ops->hold(v.pager, v.obj, 1), OK);
    CHECK_INT(v.pager->ops->hold(v.pager, v.obj, 1), OK);
    CHECK_INT(v.pager->ops->hold(v.pager, v.obj, PAGES), OK); /* There is no such page. */
    CHECK_INT(v.pager->ops->hold(v.pager, v.obj, 5), ERR_COLD);
    CHECK_INT(v.pager->ops->hold(v.pager, v.obj, 5), ERR_COLD);
    ks_wait *wait = keyspace_wait(w->ks, never, NULL);
    CHECK_INT(keyspace_drop_clean_first(w->ks), 1); /* SECOND */
    while (world_pump_one(w)) {
    }
    keyspace_reap(w->ks, 100);
    CHECK_INT(keyspace_drop_clean_first(w->ks), 0);
    CHECK(!read_page(w, 1) && !read_page(w, 5));
    keyspace_wait_end(w->ks, wait);
    CHECK_INT(keyspace_drop_clean_first(w->ks), 2);
    w->config.maxmemory = 10 << 20; /* A quarter of that is forty pages of the largest. */
    v = value_of(w);
    keyspace_want_reset(w->ks);
    uint64_t n = 0;
    while (n < PAGES && v.pager->ops->hold(v.pager, v.obj, n) == ERR_COLD) n++;
    CHECK(n >= 35 && n <= 40);
    CHECK_INT(v.pager->ops->hold(v.pager, v.obj, n), ERR_LIMIT);
    CHECK_INT(v.pager->ops->hold(v.pager, v.obj, 0), ERR_COLD); /* It is asked for already. */
    keyspace_want_reset(w->ks);
    w->config.maxmemory = 1;
    CHECK_INT(v.pager->ops->hold(v.pager, v.obj, 0), ERR_COLD);
    keyspace_want_reset(w->ks);
    world_check(w);
    world_free(w);
}
