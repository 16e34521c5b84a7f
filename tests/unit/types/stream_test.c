/* stream_test.c -- streams against naive arrays, with cold pages; dump and restore; damaged payloads. */
#include "test.h"

#include "base/mem.h"
#include "tests/model/toy_pager.c"
#include "types/rdb.h"
#include "types/stream.h"

#define ENTRIES_MAX 20000
#define GROUPS 3
#define CONSUMERS 4
#define PENDING_MAX 4000

struct item {
    stream_id id;
    unsigned fields, number;
};
struct waiting {
    stream_id id;
    int consumer;
    uint64_t time, count;
};
struct group {
    bool there, consumer[CONSUMERS];
    stream_id last;
    int64_t read;
    struct waiting p[PENDING_MAX];
    size_t n;
};
struct model {
    struct item e[ENTRIES_MAX];
    size_t n;
    uint64_t added;
    stream_id last, deleted;
    struct group g[GROUPS];
};

struct run {
    struct toy t;
    struct value v;
    struct model *m;
    buf store;
    rnd r;
};

static const char *const group_names[GROUPS] = {"", "workers", "a longer name"};
static const char *const consumer_names[CONSUMERS] = {"alice", "bob", "", "17"};

static uint64_t below(struct run *x, uint64_t n) { return rnd_below(&x->r, n); }

static void apply(struct run *x, uint8_t op, const slice *args, size_t argc) {
    CHECK_INT(toy_apply(&x->t, &type_stream, &x->v, &x->store, op, args, argc), OK);
}

static slice raw(stream_id id, uint8_t to[STREAM_ID_BYTES]) {
    stream_id_put(to, id);
    return slice_make(to, STREAM_ID_BYTES);
}

/* ---- entries ------------------------------------------------------------------------------ */

/* Fields "f0".. and values that tell the entry; of some, long ones. */
static size_t item_args(const struct item *it, slice *args, char (*text)[200]) {
    for (unsigned i = 0; i < it->fields; i++) {
        unsigned k = 2 * i;
        args[k] = slice_make(text[k], (size_t)snprintf(text[k], 200, "f%u", i + (it->number % 7 == 0)));
        args[k + 1] = slice_make(text[k + 1], (size_t)snprintf(text[k + 1], 200, "%u", it->number));
        if (it->number % 5 == 0) {
            args[k + 1] = slice_make(text[k + 1], (size_t)snprintf(text[k + 1], 200, "%0150u", it->number));
        }
    }
    return 2 * it->fields;
}

static void add_entry(struct run *x) {
    struct model *m = x->m;
    static unsigned number;
    uint8_t id[STREAM_ID_BYTES];
    slice args[21];
    char text[20][200];
    CHECK(m->n < ENTRIES_MAX);
    struct item it = {m->last, 1 + (unsigned)below(x, 3) % 3, number++};
    if (below(x, 3) == 0) it.id.ms += 1 + below(x, 1000), it.id.seq = below(x, 3);
    else it.id.seq += 1 + below(x, 3);
    if (below(x, 50) == 0) it.fields = 10;
    args[0] = raw(it.id, id);
    apply(x, STREAM_ADD, args, 1 + item_args(&it, args + 1, text));
    m->e[m->n++] = it;
    m->last = it.id;
    m->added++;
}

static void delete_some(struct run *x) {
    struct model *m = x->m;
    buf ids = BUF_INIT;
    size_t kept = 0;
    for (size_t i = 0; i < m->n; i++) {
        uint8_t id[STREAM_ID_BYTES];
        if (ids.n < 20 * STREAM_ID_BYTES && below(x, m->n) < 8) {
            raw(m->e[i].id, id);
            buf_append(&ids, id, sizeof(id));
            if (stream_id_cmp(m->e[i].id, m->deleted) > 0) m->deleted = m->e[i].id;
            continue;
        }
        m->e[kept++] = m->e[i];
    }
    m->n = kept;
    slice arg = slice_of(&ids);
    if (ids.n > 0) apply(x, STREAM_DELETE, &arg, 1);
    buf_free(&ids);
}

static void trim(struct run *x, size_t gone) {
    struct model *m = x->m;
    uint8_t id[STREAM_ID_BYTES];
    if (gone > m->n) gone = m->n;
    if (gone == 0) return;
    slice arg = raw(gone == m->n && below(x, 2) == 0 ? STREAM_ID_MAX : m->e[gone - 1].id, id);
    memmove(m->e, m->e + gone, (m->n - gone) * sizeof(m->e[0]));
    m->n -= gone;
    apply(x, STREAM_TRIM, &arg, 1);
}

/* ---- groups ------------------------------------------------------------------------------- */

static void set_group(struct run *x, int i) {
    struct group *g = &x->m->g[i];
    uint8_t id[STREAM_ID_BYTES], read[8];
    g->there = true;
    g->last = x->m->n > 0 && below(x, 2) == 0 ? x->m->e[below(x, x->m->n)].id : STREAM_ID_MIN;
    g->read = (int64_t)below(x, 50) - 1;
    put_u64(read, (uint64_t)g->read);
    slice args[3] = {slice_str(group_names[i]), raw(g->last, id), slice_make(read, 8)};
    apply(x, STREAM_GROUP_SET, args, 3);
}

static void drop_group(struct run *x, int i) {
    slice name = slice_str(group_names[i]);
    memset(&x->m->g[i], 0, sizeof(x->m->g[i]));
    apply(x, STREAM_GROUP_DROP, &name, 1);
}

static void model_pend(struct group *g, const struct waiting *w) {
    size_t at = 0;
    while (at < g->n && stream_id_cmp(g->p[at].id, w->id) < 0) at++;
    if (at == g->n || stream_id_cmp(g->p[at].id, w->id) != 0) {
        CHECK(g->n < PENDING_MAX);
        memmove(g->p + at + 1, g->p + at, (g->n - at) * sizeof(*w));
        g->n++;
    }
    g->p[at] = *w;
}

/* Some entries, pending or not, go to a consumer. */
static void pend(struct run *x, int i) {
    struct model *m = x->m;
    struct group *g = &m->g[i];
    buf records = BUF_INIT;
    uint8_t times[16], cursor[STREAM_ID_BYTES + 8];
    int c = (int)below(x, CONSUMERS);
    size_t from = m->n == 0 ? 0 : below(x, m->n), n = below(x, 12);
    bool moved = below(x, 2) == 0;
    for (size_t k = from; k < from + n && k < m->n && g->n + 1 < PENDING_MAX; k++) {
        uint8_t id[STREAM_ID_BYTES];
        struct waiting w = {m->e[k].id, c, below(x, 10000), 1 + below(x, 5)};
        raw(w.id, id);
        buf_append(&records, id, sizeof(id));
        buf_u64(&records, w.time);
        buf_u64(&records, w.count);
        model_pend(g, &w);
    }
    g->consumer[c] = true;
    put_u64(times, 1000);
    put_u64(times + 8, 1000);
    if (moved) {
        g->last = m->last;
        g->read = 77;
        stream_id_put(cursor, g->last);
        put_u64(cursor + STREAM_ID_BYTES, 77);
    }
    slice args[5] = {slice_str(group_names[i]), slice_str(consumer_names[c]), slice_make(times, 16),
                     slice_make(cursor, moved ? sizeof(cursor) : 0), slice_of(&records)};
    apply(x, STREAM_PEND, args, 5);
    buf_free(&records);
}

static void ack(struct run *x, int i) {
    struct group *g = &x->m->g[i];
    buf ids = BUF_INIT;
    size_t kept = 0;
    for (size_t k = 0; k < g->n; k++) {
        uint8_t id[STREAM_ID_BYTES];
        if (below(x, g->n) < 10) {
            raw(g->p[k].id, id);
            buf_append(&ids, id, sizeof(id));
            if (below(x, 5) == 0) buf_append(&ids, id, sizeof(id));
            continue;
        }
        g->p[kept++] = g->p[k];
    }
    g->n = kept;
    slice args[2] = {slice_str(group_names[i]), slice_of(&ids)};
    apply(x, STREAM_ACK, args, 2);
    buf_free(&ids);
}

/* What all groups have pending in a range, and what else: none of it afterwards. */
static void unref(struct run *x) {
    struct model *m = x->m;
    stream_id from = m->n > 0 ? m->e[below(x, m->n)].id : STREAM_ID_MIN;
    stream_id to = {from.ms + below(x, 3000), 1};
    size_t expected = 0;
    buf ids = BUF_INIT;
    uint8_t id[STREAM_ID_BYTES];
    for (int i = 0; i < GROUPS; i++) {
        struct group *g = &m->g[i];
        size_t kept = 0;
        for (size_t k = 0; g->there && k < g->n; k++) {
            stream_id one = g->p[k].id;
            if (stream_id_cmp(one, from) >= 0 && stream_id_cmp(one, to) <= 0) expected++;
            else g->p[kept++] = g->p[k];
        }
        g->n = kept;
    }
    int rc;
    toy_chill(&x->t);
    while ((rc = stream_pending_ids(&x->v, from, to, &ids)) == ERR_COLD) {
        CHECK(toy_fetch(&x->t) > 0);
        ids.n = 0;
    }
    CHECK_INT(rc, OK);
    CHECK_INT(ids.n / STREAM_ID_BYTES, expected);
    raw(from, id);
    buf_append(&ids, id, sizeof(id));
    slice arg = slice_of(&ids);
    apply(x, STREAM_UNREF, &arg, 1);
    buf_free(&ids);
}

static void drop_consumer(struct run *x, int i) {
    struct group *g = &x->m->g[i];
    int c = (int)below(x, CONSUMERS);
    size_t kept = 0;
    if (!g->consumer[c]) return;
    for (size_t k = 0; k < g->n; k++)
        if (g->p[k].consumer != c) g->p[kept++] = g->p[k];
    g->n = kept;
    g->consumer[c] = false;
    slice args[2] = {slice_str(group_names[i]), slice_str(consumer_names[c])};
    apply(x, STREAM_CONSUMER_DROP, args, 2);
}

/* ---- comparing ---------------------------------------------------------------------------- */

struct walk {
    struct run *x;
    size_t next, calls;
    bool backward;
};

static int walk_one(void *cookie, struct stream_entry *e) {
    struct walk *w = cookie;
    const struct item *it = &w->x->m->e[w->next];
    slice args[20];
    char text[20][200];
    CHECK(w->next < w->x->m->n);
    CHECK(stream_id_cmp(e->id, it->id) == 0);
    CHECK_INT(e->fields, it->fields);
    item_args(it, args, text);
    for (unsigned i = 0; i < it->fields; i++) {
        struct stream_pair pair;
        CHECK(stream_entry_pair(e, &pair));
        CHECK(slice_eq(pair.field, args[2 * i]));
        CHECK(slice_eq(pair.value, args[2 * i + 1]));
    }
    w->next += w->backward ? (size_t)-1 : 1;
    w->calls++;
    return 0;
}

static void walk(struct run *x, size_t first, size_t n, bool backward) {
    struct model *m = x->m;
    struct walk w = {x, backward ? first + n - 1 : first, 0, backward};
    stream_id from = STREAM_ID_MIN, to = STREAM_ID_MAX;
    uint64_t count = below(x, 2) == 0 ? n : 0;
    if (n == 0) return;
    if (first > 0 || below(x, 2) == 0) from = m->e[first].id;
    if (first + n < m->n || below(x, 2) == 0) to = m->e[first + n - 1].id;
    if (count > 0 && !backward) to = STREAM_ID_MAX;
    if (count > 0 && backward) from = STREAM_ID_MIN;
    int rc;
    toy_chill(&x->t);
    while ((rc = stream_each(&x->v, from, to, count, backward, walk_one, &w)) == ERR_COLD) {
        CHECK_INT(w.calls, 0);
        CHECK(toy_fetch(&x->t) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(w.calls, n);
}

struct pending_walk {
    const struct group *g;
    int consumer; /* -1: any */
    size_t next, calls;
};

static int see_pending(void *cookie, const struct stream_pending *p) {
    struct pending_walk *w = cookie;
    while (w->next < w->g->n && w->consumer >= 0 && w->g->p[w->next].consumer != w->consumer) w->next++;
    CHECK(w->next < w->g->n);
    const struct waiting *want = &w->g->p[w->next++];
    CHECK(stream_id_cmp(p->id, want->id) == 0);
    CHECK_INT(p->time, want->time);
    CHECK_INT(p->count, want->count);
    w->calls++;
    return 0;
}

static void compare_group(struct run *x, int i) {
    const struct group *want = &x->m->g[i];
    struct stream_group g;
    size_t consumers = 0;
    int rc = stream_group_get(&x->v, slice_str(group_names[i]), &g);
    CHECK_INT(rc, want->there ? OK : ERR_NOTFOUND);
    if (!want->there) return;
    CHECK(stream_id_cmp(g.last, want->last) == 0);
    CHECK_INT(g.read, want->read);
    CHECK_INT(g.pending, want->n);
    struct pending_walk all = {want, -1, 0, 0};
    CHECK_INT(stream_pending_each(&x->v, &g, NULL, STREAM_ID_MIN, see_pending, &all), OK);
    CHECK_INT(all.calls, want->n);
    for (int c = 0; c < CONSUMERS; c++) {
        struct stream_consumer one;
        size_t own = 0;
        rc = stream_consumer_get(&x->v, &g, slice_str(consumer_names[c]), &one);
        CHECK_INT(rc, want->consumer[c] ? OK : ERR_NOTFOUND);
        if (rc != OK) continue;
        consumers++;
        for (size_t k = 0; k < want->n; k++) own += want->p[k].consumer == c;
        CHECK_INT(one.pending, own);
        struct pending_walk w = {want, c, 0, 0};
        CHECK_INT(stream_pending_each(&x->v, &g, &one, STREAM_ID_MIN, see_pending, &w), OK);
        CHECK_INT(w.calls, own);
    }
    CHECK_INT(g.consumers, consumers);
    stream_id last;
    rc = stream_pending_last(&x->v, &g, &last);
    CHECK_INT(rc, want->n > 0 ? OK : ERR_NOTFOUND);
    if (rc == OK) CHECK(stream_id_cmp(last, want->p[want->n - 1].id) == 0);
}

/* Which group still needs an entry. */
static void compare_needs(struct run *x) {
    struct model *m = x->m;
    stream_id least = STREAM_ID_MAX, got;
    for (int i = 0; i < GROUPS; i++)
        if (m->g[i].there && stream_id_cmp(m->g[i].last, least) < 0) least = m->g[i].last;
    CHECK_INT(stream_groups_least(&x->v, &got), OK);
    CHECK(stream_id_cmp(got, least) == 0);
    for (int n = 0; n < 20 && m->n > 0; n++) {
        stream_id id = m->e[below(x, m->n)].id;
        bool in_any = false, in_others = false, any;
        struct stream_group g = {.number = 0};
        if (m->g[0].there) CHECK_INT(stream_group_get(&x->v, slice_str(group_names[0]), &g), OK);
        for (int i = 0; i < GROUPS; i++) {
            for (size_t k = 0; m->g[i].there && k < m->g[i].n; k++) {
                if (stream_id_cmp(m->g[i].p[k].id, id) != 0) continue;
                in_any = true;
                if (i > 0) in_others = true;
            }
        }
        CHECK_INT(stream_pending_any(&x->v, id, 0, &any), OK);
        CHECK_INT(any, in_any);
        CHECK_INT(stream_pending_any(&x->v, id, g.number, &any), OK);
        CHECK_INT(any, in_others);
    }
}

static void check(struct value *v) {
    char why[160] = "";
    int rc = type_stream.check(v, why);
    if (rc != OK) printf("# %s\n", why);
    CHECK_INT(rc, OK);
}

static void compare(struct run *x) {
    struct model *m = x->m;
    if (x->v.kind == VALUE_NONE) return;
    struct stream_head h = stream_head(&x->v);
    CHECK_INT(h.length, m->n);
    CHECK_INT(h.added, m->added);
    CHECK(stream_id_cmp(h.last, m->last) == 0);
    CHECK(stream_id_cmp(h.max_deleted, m->deleted) == 0);
    walk(x, 0, m->n, false);
    walk(x, 0, m->n, true);
    if (m->n > 0) {
        size_t first = below(x, m->n);
        walk(x, first, 1 + below(x, m->n - first), below(x, 2) == 0);
    }
    toy_warm(&x->t);
    for (int i = 0; i < GROUPS; i++) compare_group(x, i);
    compare_needs(x);
    check(&x->v);
}

static void start(struct run *x, uint64_t seed, unsigned cold, int64_t entries, int64_t bytes) {
    memset(x, 0, sizeof(*x));
    toy_init(&x->t, seed, cold);
    x->t.config.stream_node_max_entries = entries;
    x->t.config.stream_node_max_bytes = bytes;
    x->m = mem_calloc(1, sizeof(*x->m));
    x->v = toy_value(&x->t, TYPE_STREAM);
    rnd_seed(&x->r, seed + 1);
}

static void drop(struct value *v) {
    if (v->kind == VALUE_OBJECT) v->pager->ops->free(v->pager, v->obj);
    v->kind = VALUE_NONE;
}

static void end(struct run *x) {
    drop(&x->v);
    buf_free(&x->store);
    mem_free(x->m);
    toy_deinit(&x->t);
}

static void step(struct run *x, bool growing) {
    int g = (int)below(x, GROUPS);
    bool there = x->m->g[g].there;
    switch (below(x, 15)) {
    case 0: delete_some(x); break;
    case 1: trim(x, below(x, growing ? 4 : 60)); break;
    case 2: if (!there || below(x, 4) == 0) set_group(x, g); break;
    case 3: if (there && below(x, 12) == 0) drop_group(x, g); break;
    case 4:
    case 5: if (there) pend(x, g); break;
    case 6: if (there) ack(x, g); break;
    case 7: if (there && below(x, 4) == 0) drop_consumer(x, g); break;
    case 8: if (x->m->added > 0) unref(x); break;
    default:
        for (uint64_t n = 1 + below(x, growing ? 20 : 3); n > 0; n--) add_entry(x);
    }
}

static void model_run(uint64_t seed, int64_t entries, int64_t bytes, int steps, size_t limit) {
    struct run x;
    start(&x, seed, 30, entries, bytes);
    bool growing = true;
    add_entry(&x);
    for (int i = 0; i < steps; i++) {
        if (x.m->n > limit) growing = false;
        if (x.m->n < limit / 4) growing = true;
        step(&x, growing);
        if (i % 30 == 0) compare(&x);
    }
    compare(&x);
    trim(&x, x.m->n);
    compare(&x);
    add_entry(&x);
    for (int i = 0; i < GROUPS; i++)
        if (x.m->g[i].there) drop_group(&x, i);
    compare(&x);
    end(&x);
}

TEST("blocks as Redis fills them") { model_run(1, 100, 4096, 1500, 4000); }
TEST("blocks of three entries") { model_run(2, 3, 0, 1500, 2500); }
TEST("blocks of one entry: the tree grows, and shrinks") { model_run(3, 1, 0, 1200, 2500); }
TEST("blocks up to a page") { model_run(4, 0, 0, 600, 4000); }

TEST("an append to a large stream asks for one page, a cut for none of those that go") {
    struct run x;
    uint8_t id[STREAM_ID_BYTES];
    start(&x, 8, 100, 10, 0);
    for (int i = 0; i < 3000; i++) add_entry(&x);
    struct stream_entry e;
    int rc;
    while ((rc = stream_get(&x.v, x.m->e[1500].id, &e)) == ERR_COLD) CHECK(toy_fetch(&x.t) > 0);
    CHECK_INT(rc, OK);
    size_t fetched = 0;
    slice args[3] = {raw((stream_id){x.m->last.ms + 1, 0}, id), SLICE("f"), SLICE("v")};
    toy_chill(&x.t);
    while (stream_need(&x.v, STREAM_ADD, args, 3) == ERR_COLD) fetched += toy_fetch(&x.t);
    CHECK(fetched <= 3);
    toy_chill(&x.t);
    fetched = 0;
    slice cut = raw(x.m->e[2004].id, id);
    while ((rc = stream_need(&x.v, STREAM_TRIM, &cut, 1)) == ERR_COLD) fetched += toy_fetch(&x.t);
    CHECK_INT(rc, OK);
    CHECK(fetched <= 6); /* The tree, and the block of the cut; 200 blocks go. */
    end(&x);
}

TEST("a stream may have nothing, and remains") {
    struct run x;
    start(&x, 9, 0, 100, 4096);
    set_group(&x, 1);
    check(&x.v);
    CHECK_INT(x.v.kind, VALUE_OBJECT);
    CHECK_INT(type_stream.length(&x.v), 0);
    CHECK_STR(type_stream.encoding(&x.v), "stream");
    stream_id id;
    CHECK_INT(stream_first(&x.v, &id), ERR_NOTFOUND);
    CHECK_INT(stream_last(&x.v, &id), ERR_NOTFOUND);
    end(&x);
}

static int apply_rc(struct run *x, uint8_t op, const slice *args, size_t argc) {
    return toy_apply(&x->t, &type_stream, &x->v, &x->store, op, args, argc);
}

TEST("effects that make no sense are refused, and change nothing") {
    struct run x;
    uint8_t id[STREAM_ID_BYTES], twice[2 * STREAM_ID_BYTES], times[16] = {0}, eight[8] = {0};
    start(&x, 10, 0, 100, 4096);
    slice one[5] = {raw(STREAM_ID_MIN, id), SLICE("f"), SLICE("v"), SLICE(""), SLICE("")};
    CHECK_INT(apply_rc(&x, STREAM_ADD, one, 3), ERR_CORRUPT); /* 0-0 is not above 0-0 */
    CHECK_INT(apply_rc(&x, STREAM_TRIM, one, 1), ERR_CORRUPT);
    for (int i = 0; i < 300; i++) add_entry(&x);
    set_group(&x, 1);
    CHECK_INT(apply_rc(&x, STREAM_ADD, one, 3), ERR_CORRUPT);
    raw((stream_id){UINT64_MAX, 1}, id);
    CHECK_INT(apply_rc(&x, STREAM_ADD, one, 2), ERR_CORRUPT);
    CHECK_INT(apply_rc(&x, STREAM_ADD, one, 1), ERR_CORRUPT);
    CHECK_INT(apply_rc(&x, STREAM_DELETE, one, 1), ERR_CORRUPT); /* no entry's */
    raw(x.m->e[1].id, twice);
    raw(x.m->e[1].id, twice + STREAM_ID_BYTES);
    slice same = slice_make(twice, sizeof(twice)), odd = slice_make(twice, 15);
    CHECK_INT(apply_rc(&x, STREAM_DELETE, &same, 1), ERR_CORRUPT);
    CHECK_INT(apply_rc(&x, STREAM_DELETE, &odd, 1), ERR_CORRUPT);
    slice nobody = SLICE("nobody");
    CHECK_INT(apply_rc(&x, STREAM_GROUP_DROP, &nobody, 1), ERR_CORRUPT);
    slice pending[5] = {nobody, SLICE("c"), slice_make(times, 16), SLICE(""), SLICE("")};
    CHECK_INT(apply_rc(&x, STREAM_PEND, pending, 5), ERR_CORRUPT);
    pending[0] = slice_str(group_names[1]);
    pending[4] = slice_make(twice, 31);
    CHECK_INT(apply_rc(&x, STREAM_PEND, pending, 5), ERR_CORRUPT);
    pending[4] = SLICE("");
    pending[3] = slice_make(eight, 8);
    CHECK_INT(apply_rc(&x, STREAM_PEND, pending, 5), ERR_CORRUPT);
    slice gone[2] = {pending[0], SLICE("c")};
    CHECK_INT(apply_rc(&x, STREAM_CONSUMER_DROP, gone, 2), ERR_CORRUPT);
    CHECK_INT(apply_rc(&x, 99, one, 1), ERR_CORRUPT);
    uint8_t *name = mem_calloc(1, STREAM_NAME_MAX + 1);
    slice group[3] = {slice_make(name, STREAM_NAME_MAX + 1), raw(STREAM_ID_MIN, id), slice_make(eight, 8)};
    CHECK_INT(apply_rc(&x, STREAM_GROUP_SET, group, 3), ERR_CORRUPT);
    mem_free(name);
    compare(&x);
    end(&x);
}

TEST("the largest entry has a block of its own, and a larger one does not fit") {
    struct run x;
    uint8_t id[STREAM_ID_BYTES];
    start(&x, 11, 0, 100, 4096);
    size_t n = PAGE_BYTES_MAX - 200;
    uint8_t *large = mem_calloc(1, PAGE_BYTES_MAX);
    slice args[3] = {raw((stream_id){1, 1}, id), SLICE("f"), slice_make(large, n)};
    CHECK(stream_entry_fits(args + 1, 2));
    CHECK_INT(apply_rc(&x, STREAM_ADD, args, 3), OK);
    raw((stream_id){1, 2}, id);
    CHECK_INT(apply_rc(&x, STREAM_ADD, args, 3), OK);
    check(&x.v);
    CHECK_INT(stream_head(&x.v).blocks, 2);
    args[2].n = PAGE_BYTES_MAX;
    CHECK(!stream_entry_fits(args + 1, 2));
    CHECK_INT(apply_rc(&x, STREAM_ADD, args, 3), ERR_CORRUPT);
    mem_free(large);
    end(&x);
}

/* ---- payloads ----------------------------------------------------------------------------- */

static int restore(struct toy *t, uint8_t type, slice payload, struct value *w) {
    *w = toy_value(t, TYPE_STREAM);
    reader r = reader_make(payload);
    int rc = type_stream.restore(w, type, &r, RDB_VERSION);
    if (rc != OK || reader_left(&r) == 0) return rc;
    drop(w);
    return ERR_CORRUPT;
}

static void damage(struct toy *t, const buf *dump) {
    rnd rn;
    rnd_seed(&rn, 77);
    for (int i = 0; i < 2000; i++) {
        uint8_t *copy = mem_alloc(dump->n);
        memcpy(copy, dump->p, dump->n);
        copy[rnd_below(&rn, dump->n)] = (uint8_t)rnd_u64(&rn);
        size_t n = rnd_below(&rn, 3) == 0 ? 1 + rnd_below(&rn, dump->n - 1) : dump->n;
        struct value w;
        if (restore(t, dump->p[0], slice_make(copy + 1, n - 1), &w) == OK) check(&w);
        drop(&w);
        mem_free(copy);
    }
}

static void round_trip(uint64_t seed, int64_t entries, int steps) {
    struct run x;
    start(&x, seed, 30, entries, 4096);
    for (int i = 0; i < steps; i++) step(&x, true);
    add_entry(&x);
    buf dump = BUF_INIT, again = BUF_INIT;
    uint8_t a[20] = {0}, b[20] = {0};
    int rc;
    toy_chill(&x.t);
    while ((rc = type_stream.dump(&x.v, &dump)) == ERR_COLD) {
        CHECK_INT(dump.n, 0);
        CHECK(toy_fetch(&x.t) > 0);
    }
    CHECK_INT(rc, OK);
    CHECK_INT(dump.p[0], RDB_STREAM_LISTPACKS_2);
    toy_warm(&x.t);
    x.t.cold_percent = 0;
    CHECK_INT(type_stream.digest(&x.v, a), OK);
    drop(&x.v);
    CHECK_INT(restore(&x.t, dump.p[0], slice_make(dump.p + 1, dump.n - 1), &x.v), OK);
    compare(&x);
    CHECK_INT(type_stream.digest(&x.v, b), OK);
    CHECK(memcmp(a, b, 20) == 0);
    CHECK_INT(type_stream.dump(&x.v, &again), OK);
    CHECK(slice_eq(slice_of(&again), slice_of(&dump)));
    damage(&x.t, &dump);
    buf_free(&again);
    buf_free(&dump);
    end(&x);
}

TEST("dump and restore give the same stream, block by block; damaged payloads are refused or sound") {
    round_trip(20, 100, 10);
    round_trip(21, 3, 120);
    round_trip(22, 100, 300);
}

/* One block, one group, one consumer, one pending entry, as Redis 5.0, 7.0 and 7.2 write them. */
static void old_payload(buf *out, uint8_t type, unsigned consumers) {
    static const slice args[2] = {{(const uint8_t *)"f", 1}, {(const uint8_t *)"v", 1}};
    static const uint64_t more[] = {5, 0, 0, 0, 9}; /* first id, greatest deleted id, entries added */
    uint8_t id[STREAM_ID_BYTES];
    buf lp = BUF_INIT;
    raw((stream_id){5, 0}, id);
    stream_block_new(&lp, args, 2);
    rdb_write_len(out, 1);
    rdb_write_raw_string(out, slice_make(id, sizeof(id)));
    rdb_write_string(out, slice_of(&lp));
    rdb_write_len(out, 1);
    rdb_write_len(out, 5);
    rdb_write_len(out, 0);
    for (int i = 0; i < 5 && type != RDB_STREAM_LISTPACKS; i++) rdb_write_len(out, more[i]);
    rdb_write_len(out, 1);
    rdb_write_string(out, SLICE("g"));
    rdb_write_len(out, 5);
    rdb_write_len(out, 0);
    if (type != RDB_STREAM_LISTPACKS) rdb_write_len(out, 8);
    rdb_write_len(out, 1);
    buf_append(out, id, sizeof(id));
    buf_u64(out, 1234);
    rdb_write_len(out, 3);
    rdb_write_len(out, consumers);
    for (unsigned i = 0; i < consumers; i++) {
        rdb_write_string(out, i == 0 ? SLICE("alice") : SLICE("bob"));
        buf_u64(out, 777);
        if (type == RDB_STREAM_LISTPACKS_3) buf_u64(out, 555);
        rdb_write_len(out, 1);
        buf_append(out, id, sizeof(id));
    }
    buf_free(&lp);
}

TEST("payloads of Redis 5.0 and of 7.2 are read; a pending entry is exactly one consumer's") {
    static const uint8_t types[] = {RDB_STREAM_LISTPACKS, RDB_STREAM_LISTPACKS_2, RDB_STREAM_LISTPACKS_3};
    struct toy t;
    toy_init(&t, 1, 0);
    for (int i = 0; i < 3; i++) {
        struct value v;
        struct stream_group g;
        struct stream_consumer c;
        struct stream_pending p;
        buf payload = BUF_INIT;
        old_payload(&payload, types[i], 1);
        CHECK_INT(restore(&t, types[i], slice_of(&payload), &v), OK);
        check(&v);
        CHECK_INT(stream_head(&v).added, i == 0 ? 1 : 9);
        CHECK_INT(stream_group_get(&v, SLICE("g"), &g), OK);
        CHECK_INT(g.read, i == 0 ? 1 : 8);
        CHECK_INT(stream_consumer_get(&v, &g, SLICE("alice"), &c), OK);
        CHECK_INT(c.seen, 777);
        CHECK_INT(c.active, i == 2 ? 555 : 777);
        CHECK_INT(stream_pending_get(&v, &g, (stream_id){5, 0}, &p), OK);
        CHECK_INT(p.time, 1234);
        CHECK_INT(p.count, 3);
        CHECK_INT(p.consumer, c.number);
        drop(&v);
        for (unsigned consumers = 0; consumers < 3; consumers += 2) {
            payload.n = 0;
            old_payload(&payload, types[i], consumers);
            CHECK_INT(restore(&t, types[i], slice_of(&payload), &v), ERR_CORRUPT);
        }
        buf_free(&payload);
    }
    toy_deinit(&t);
}
