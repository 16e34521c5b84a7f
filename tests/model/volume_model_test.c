/* volume_model_test.c -- volumes against a naive tree in memory, with pages that
 * become cold at random before every operation. */
#include "test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "modules/files/volume.h"
#include "toy_pager.c"

/* ---- the naive tree ---------------------------------------------------------------- */

struct node {
    char name[VOLUME_NAME_MAX + 1];
    bool dir;
    buf content;
    uint64_t mode, version;
    struct node *parent, *child, *next;
};

static struct node *node_new(struct node *parent, const char *name, bool dir,
                             uint64_t mode) {
    struct node *n = mem_calloc(1, sizeof(*n));
    snprintf(n->name, sizeof(n->name), "%s", name);
    n->dir = dir;
    n->mode = mode;
    n->parent = parent;
    if (parent != NULL) {
        n->next = parent->child;
        parent->child = n;
    }
    return n;
}

static void node_unlink(struct node *n) {
    struct node **at = &n->parent->child;
    while (*at != n) at = &(*at)->next;
    *at = n->next;
    n->next = n->parent = NULL;
}

static void node_link(struct node *n, struct node *parent, const char *name) {
    if (name != n->name) snprintf(n->name, sizeof(n->name), "%s", name);
    n->parent = parent;
    n->next = parent->child;
    parent->child = n;
}

static void node_free(struct node *n) {
    while (n->child != NULL) {
        struct node *c = n->child;
        n->child = c->next;
        node_free(c);
    }
    buf_free(&n->content);
    mem_free(n);
}

static struct node *node_find(struct node *dir, const char *name) {
    for (struct node *n = dir->child; n != NULL; n = n->next)
        if (strcmp(n->name, name) == 0) return n;
    return NULL;
}

static size_t node_count(const struct node *n) {
    size_t sum = 1;
    for (const struct node *c = n->child; c != NULL; c = c->next) sum += node_count(c);
    return sum;
}

static bool is_above(const struct node *above, const struct node *n) {
    for (; n != NULL; n = n->parent)
        if (n == above) return true;
    return false;
}

static struct node *node_copy(const struct node *from, struct node *parent,
                              const char *name, uint64_t version) {
    struct node *n = node_new(parent, name, from->dir, from->mode);
    n->version = version;
    buf_append_slice(&n->content, slice_of(&from->content));
    for (const struct node *c = from->child; c != NULL; c = c->next)
        node_copy(c, n, c->name, version);
    return n;
}

static void content_resize(buf *b, size_t n) {
    buf_reserve(b, n + 1);
    if (n > b->n) memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

/* ---- both -------------------------------------------------------------------------- */

struct world {
    struct toy toy;
    struct value value;
    struct node *root;
    uint64_t version, now;
    rnd r;
};

static struct volume volume_of(struct world *w) {
    return (struct volume){w->value.pager, w->value.obj};
}

/* Runs it again until nothing is cold. */
#define WARM(w, rc, call)                                                                \
    while (((rc) = (call)) == ERR_COLD) CHECK(toy_fetch(&(w)->toy) > 0)

static uint64_t ino_of(struct world *w, const struct node *n) {
    uint64_t ino;
    uint8_t type;
    int rc;
    if (n->parent == NULL) return VOLUME_ROOT;
    uint64_t dir = ino_of(w, n->parent);
    struct volume v = volume_of(w);
    WARM(w, rc, volume_entry(&v, dir, slice_str(n->name), &ino, &type));
    CHECK_INT(rc, OK);
    CHECK_INT(type, n->dir ? INODE_DIR : INODE_FILE);
    return ino;
}

struct args {
    uint8_t numbers[6][8];
    slice args[6];
    size_t n;
};
static void arg_u64(struct args *a, uint64_t v) {
    put_u64(a->numbers[a->n], v);
    a->args[a->n] = slice_make(a->numbers[a->n], 8);
    a->n++;
}
static void arg_str(struct args *a, const char *s) {
    a->args[a->n++] = slice_str(s);
}

/* Applies, and the version goes up by one exactly when it works. */
static int run(struct world *w, enum volume_op op, const struct args *a) {
    struct volume_info info;
    buf store = BUF_INIT;
    int rc =
        toy_apply(&w->toy, &type_volume, &w->value, &store, (uint8_t)op, a->args, a->n);
    buf_free(&store);
    if (rc == OK) w->version++;
    struct volume v = volume_of(w);
    volume_info(&v, &info);
    CHECK_INT(info.version, w->version);
    return rc;
}

static void begin(struct world *w, struct args *a) {
    a->n = 0;
    arg_u64(a, ++w->now);
}

static int run_write(struct world *w, uint64_t base, const char *names, uint64_t mode,
                     uint64_t offset, slice data) {
    struct args a;
    begin(w, &a);
    arg_u64(&a, base);
    arg_str(&a, names);
    arg_u64(&a, mode);
    arg_u64(&a, offset);
    a.args[a.n++] = data;
    return run(w, VOLUME_WRITE, &a);
}

/* ---- comparing --------------------------------------------------------------------- */

struct listed {
    struct node *dir;
    char last[VOLUME_NAME_MAX + 1];
    size_t n, stop_after;
};

static int list_one(void *cookie, slice name, uint64_t ino, uint8_t type) {
    struct listed *l = cookie;
    char text[VOLUME_NAME_MAX + 1] = "";
    memcpy(text, name.p, name.n);
    CHECK(strcmp(text, l->last) > 0);
    struct node *n = node_find(l->dir, text);
    CHECK(n != NULL && ino > VOLUME_ROOT);
    CHECK_INT(type, n->dir ? INODE_DIR : INODE_FILE);
    memcpy(l->last, text, sizeof(text));
    l->n++;
    return l->n % 7 == 6 ? 1 : 0;
}

static void compare_list(struct world *w, uint64_t ino, struct node *dir, size_t count) {
    struct listed l = {.dir = dir};
    struct volume v = volume_of(w);
    int rc;
    do {
        size_t before = l.n;
        /* After a cold page as well as after a stop it goes on behind the last name. */
        while ((rc = volume_list(&v, ino, slice_str(l.last), list_one, &l)) == ERR_COLD)
            CHECK(toy_fetch(&w->toy) > 0);
        CHECK(rc == OK || l.n > before);
    } while (rc == OK && l.n % 7 == 6 && l.n < count);
    CHECK_INT(l.n, count);
}

static void compare_content(struct world *w, const struct inode *i,
                            const struct node *n) {
    struct volume v = volume_of(w);
    buf got = BUF_INIT;
    int rc;
    uint64_t offset = rnd_below(&w->r, 3) == 0 ? 0 : rnd_below(&w->r, i->size + 1);
    uint64_t len = rnd_below(&w->r, 3) == 0 ? i->size - offset
                                            : rnd_below(&w->r, i->size - offset + 1);
    WARM(w, rc, volume_read(&v, i, offset, len, &got));
    CHECK_INT(rc, OK);
    CHECK_INT(got.n, len);
    CHECK(len == 0 || memcmp(got.p, n->content.p + offset, (size_t)len) == 0);
    buf_free(&got);
    /* Lines, found the slow way. */
    uint64_t first = 1 + rnd_below(&w->r, 4), last = first + rnd_below(&w->r, 4);
    uint64_t start = n->content.n, end = n->content.n, line = 1;
    if (rnd_below(&w->r, 4) == 0) last = UINT64_MAX;
    if (first == 1) start = 0;
    for (size_t k = 0; k < n->content.n; k++) {
        if (n->content.p[k] != '\n') continue;
        if (line == last) {
            end = k + 1;
            break;
        }
        if (++line == first) start = k + 1;
    }
    struct line_search s = {0};
    WARM(w, rc, volume_lines(&v, i, first, last, &s, &offset, &len));
    CHECK_INT(rc, OK);
    CHECK_INT(offset, start);
    CHECK_INT(len, end - start);
}

static void compare(struct world *w, struct node *n) {
    struct volume v = volume_of(w);
    struct inode i;
    int rc;
    uint64_t ino = ino_of(w, n);
    toy_chill(&w->toy);
    WARM(w, rc, volume_inode(&v, ino, &i));
    CHECK_INT(rc, OK);
    CHECK_INT(i.type, n->dir ? INODE_DIR : INODE_FILE);
    CHECK_INT(i.mode, n->mode);
    CHECK_INT(i.version, n->version);
    size_t count = 0, folders = 0;
    for (struct node *c = n->child; c != NULL; c = c->next) {
        count++;
        folders += c->dir;
        compare(w, c);
    }
    CHECK_INT(i.size, n->dir ? count : n->content.n);
    CHECK_INT(i.nlink, n->dir ? 2 + folders : 1);
    toy_chill(&w->toy);
    if (n->dir)
        compare_list(w, ino, n, count);
    else
        compare_content(w, &i, n);
}

static uint64_t bytes_below(const struct node *n) {
    uint64_t sum = n->content.n;
    for (const struct node *c = n->child; c != NULL; c = c->next) sum += bytes_below(c);
    return sum;
}

static void compare_all(struct world *w) {
    char why[160] = "";
    struct volume v = volume_of(w);
    struct volume_info info;
    int rc;
    if (w->value.kind == VALUE_NONE) return;
    compare(w, w->root);
    toy_chill(&w->toy);
    WARM(w, rc, volume_check(&w->value, why));
    CHECK_STR(why, "");
    CHECK_INT(rc, OK);
    toy_warm(&w->toy);
    CHECK_INT(volume_check(&w->value, why), OK);
    volume_info(&v, &info);
    CHECK_INT(info.inodes, node_count(w->root));
    CHECK_INT(info.bytes, bytes_below(w->root));
}

/* ---- random operations ------------------------------------------------------------- */

static struct node *pick(struct world *w) {
    size_t left = (size_t)rnd_below(&w->r, node_count(w->root));
    struct node *n = w->root;
    while (left > 0) { /* The left-th in preorder. */
        left--;
        for (n = n->child;; n = n->next) {
            size_t inside = node_count(n);
            if (left < inside) break;
            left -= inside;
        }
    }
    return n;
}

static struct node *pick_dir(struct world *w) {
    struct node *n = pick(w);
    return n->dir ? n : n->parent;
}

static void pick_name(struct world *w, char name[VOLUME_NAME_MAX + 1]) {
    int n = snprintf(name, VOLUME_NAME_MAX + 1, "%c%d", 'a' + (int)rnd_below(&w->r, 4),
                     (int)rnd_below(&w->r, 30));
    if (rnd_below(&w->r, 10) == 0) {
        memset(name + n, 'x', (size_t)(VOLUME_NAME_MAX - n));
        name[VOLUME_NAME_MAX] = '\0';
    }
}

/* Sizes around the borders, and letters with newlines. */
static void pick_data(struct world *w, buf *out) {
    static const size_t around[] = {0, 10, VOLUME_INLINE_MAX, VOLUME_CHUNK,
                                    2 * VOLUME_CHUNK};
    size_t n = around[rnd_below(&w->r, 5)];
    if (n > 0) n = n - 5 + (size_t)rnd_below(&w->r, 10);
    if (rnd_below(&w->r, 2) == 0) n = (size_t)rnd_below(&w->r, 6000);
    content_resize(out, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t b = rnd_below(&w->r, 2000);
        out->p[i] = b == 0 ? '\n' : (uint8_t)('a' + b % 26);
    }
}

static uint64_t pick_offset(struct world *w, size_t size) {
    switch (rnd_below(&w->r, 4)) {
    case 0: return size;
    case 1: return rnd_below(&w->r, size + 1);
    case 2: return rnd_below(&w->r, 3) * VOLUME_CHUNK;
    default: return rnd_below(&w->r, 200000);
    }
}

static void model_write(struct world *w, struct node *f, uint64_t offset, slice data) {
    if (offset == VOLUME_REPLACE) {
        f->content.n = 0;
        buf_append_slice(&f->content, data);
    } else if (data.n > 0) {
        size_t end = (size_t)offset + data.n;
        if (end > f->content.n) content_resize(&f->content, end);
        memcpy(f->content.p + offset, data.p, data.n);
    }
    f->version = w->version;
}

static void do_write(struct world *w) {
    struct node *n = pick(w);
    buf data = BUF_INIT;
    char names[3 * VOLUME_NAME_MAX + 3], a[VOLUME_NAME_MAX + 1], b[VOLUME_NAME_MAX + 1];
    uint64_t mode = rnd_below(&w->r, 3) == 0 ? rnd_below(&w->r, 010000) : VOLUME_NO_MODE;
    pick_data(w, &data);
    pick_name(w, a);
    pick_name(w, b);
    uint64_t offset =
        rnd_below(&w->r, 3) == 0 ? VOLUME_REPLACE : pick_offset(w, n->content.n);
    bool two = rnd_below(&w->r, 5) == 0;
    snprintf(names, sizeof(names), two ? "%s/%s" : "%s", a, b);
    if (n->dir) {
        bool there = node_find(n, a) != NULL;
        int rc = run_write(w, ino_of(w, n), names, mode, offset, slice_of(&data));
        CHECK_INT(rc, there ? ERR_CORRUPT : OK);
        if (!there) {
            n->version = w->version;
            struct node *dir = two ? node_new(n, a, true, VOLUME_MODE_DIR) : n;
            dir->version = w->version;
            struct node *f = node_new(dir, two ? b : a, false, VOLUME_MODE_FILE);
            if (mode != VOLUME_NO_MODE) f->mode = mode;
            model_write(w, f, offset, slice_of(&data));
        }
    } else {
        CHECK_INT(run_write(w, ino_of(w, n), "", mode, offset, slice_of(&data)), OK);
        if (mode != VOLUME_NO_MODE) n->mode = mode;
        model_write(w, n, offset, slice_of(&data));
    }
    buf_free(&data);
}

static void do_truncate(struct world *w) {
    struct node *n = pick(w);
    struct args a;
    begin(w, &a);
    size_t size = (size_t)pick_offset(w, n->content.n);
    arg_u64(&a, ino_of(w, n));
    arg_u64(&a, size);
    int rc = run(w, VOLUME_TRUNCATE, &a);
    CHECK_INT(rc, n->dir ? ERR_CORRUPT : OK);
    if (rc != OK) return;
    content_resize(&n->content, size);
    n->version = w->version;
}

static void do_mkdir(struct world *w) {
    struct node *n = pick_dir(w);
    char a[VOLUME_NAME_MAX + 1];
    struct args args;
    begin(w, &args);
    pick_name(w, a);
    arg_u64(&args, ino_of(w, n));
    arg_str(&args, a);
    arg_u64(&args, 0750);
    bool there = node_find(n, a) != NULL;
    CHECK_INT(run(w, VOLUME_MKDIR, &args), there ? ERR_CORRUPT : OK);
    if (there) return;
    n->version = w->version;
    node_new(n, a, true, 0750)->version = w->version;
}

static void do_rm(struct world *w) {
    struct node *n = pick(w);
    bool recursive = rnd_below(&w->r, 2) == 0;
    /* A large part of the tree goes seldom, all of it very seldom. */
    if (node_count(n) > 20 && rnd_below(&w->r, 12) != 0) return;
    struct args a;
    begin(w, &a);
    struct node *dir = n->parent != NULL ? n->parent : n;
    arg_u64(&a, ino_of(w, dir));
    arg_str(&a, n->parent != NULL ? n->name : "");
    arg_u64(&a, recursive);
    bool refused = n->parent != NULL && n->dir && n->child != NULL && !recursive;
    CHECK_INT(run(w, VOLUME_RM, &a), refused ? ERR_CORRUPT : OK);
    if (refused) return;
    dir->version = w->version;
    if (n->parent != NULL) {
        node_unlink(n);
        node_free(n);
        return;
    }
    while (n->child != NULL) {
        struct node *c = n->child;
        node_unlink(c);
        node_free(c);
    }
}

static void do_mv(struct world *w) {
    struct node *n = pick(w), *to = pick(w), *to_dir = pick_dir(w);
    char name[VOLUME_NAME_MAX + 1];
    bool exchange = rnd_below(&w->r, 2) == 0;
    pick_name(w, name);
    if (n->parent == NULL || to->parent == NULL) return;
    if (rnd_below(&w->r, 2) == 0) { /* Onto something. */
        to_dir = to->parent;
        memcpy(name, to->name, sizeof(name));
    } else {
        to = node_find(to_dir, name);
    }
    struct args a;
    begin(w, &a);
    arg_u64(&a, ino_of(w, n->parent));
    arg_str(&a, n->name);
    arg_u64(&a, ino_of(w, to_dir));
    arg_str(&a, name);
    arg_u64(&a, exchange);
    bool ok = n != to && !is_above(n, to_dir);
    if (exchange)
        ok = ok && to != NULL && !is_above(to, n->parent);
    else if (to != NULL)
        ok = ok && to->dir == n->dir && to->child == NULL;
    CHECK_INT(run(w, VOLUME_MV, &a), ok ? OK : ERR_CORRUPT);
    if (!ok) return;
    struct node *from_dir = n->parent;
    char old[VOLUME_NAME_MAX + 1];
    memcpy(old, n->name, sizeof(old));
    from_dir->version = to_dir->version = n->version = w->version;
    node_unlink(n);
    if (to != NULL) {
        node_unlink(to);
        if (!exchange) {
            node_free(to);
        } else {
            to->version = w->version;
            node_link(to, from_dir, old);
        }
    }
    node_link(n, to_dir, name);
}

static void do_cp(struct world *w) {
    struct node *n = pick(w), *to = pick(w), *to_dir = pick_dir(w);
    char name[VOLUME_NAME_MAX + 1];
    pick_name(w, name);
    if (node_count(n) > 30) return;
    if (to->parent != NULL && rnd_below(&w->r, 2) == 0) {
        to_dir = to->parent;
        memcpy(name, to->name, sizeof(name));
    } else {
        to = node_find(to_dir, name);
    }
    struct args a;
    begin(w, &a);
    arg_u64(&a, ino_of(w, n));
    arg_u64(&a, ino_of(w, to_dir));
    arg_str(&a, name);
    bool ok = to != NULL ? !to->dir && !n->dir && to != n : !is_above(n, to_dir);
    CHECK_INT(run(w, VOLUME_CP, &a), ok ? OK : ERR_CORRUPT);
    if (!ok) return;
    if (to != NULL) {
        to->content.n = 0;
        buf_append_slice(&to->content, slice_of(&n->content));
        to->version = w->version;
        return;
    }
    to_dir->version = w->version;
    node_copy(n, to_dir, name, w->version);
}

static void world_init(struct world *w, uint64_t seed, unsigned cold) {
    memset(w, 0, sizeof(*w));
    toy_init(&w->toy, seed, cold);
    w->value = toy_value(&w->toy, TYPE_VOLUME);
    w->root = node_new(NULL, "", true, VOLUME_MODE_DIR);
    rnd_seed(&w->r, seed + 1);
}

static void world_deinit(struct world *w) {
    if (w->value.kind == VALUE_OBJECT) w->toy.base.ops->free(&w->toy.base, w->value.obj);
    node_free(w->root);
    toy_deinit(&w->toy);
}

static void random_run(uint64_t seed, unsigned cold, int ops) {
    struct world w;
    world_init(&w, seed, cold);
    struct args a;
    begin(&w, &a);
    arg_u64(&a, VOLUME_ROOT);
    arg_str(&a, "");
    arg_u64(&a, VOLUME_MODE_DIR);
    CHECK_INT(run(&w, VOLUME_MKDIR, &a), OK);
    w.root->version = w.version;
    for (int i = 0; i < ops; i++) {
        bool large = node_count(w.root) > 250;
        switch (rnd_below(&w.r, 12)) {
        case 0:
        case 1:
        case 2:
        case 3: do_write(&w); break;
        case 4: do_truncate(&w); break;
        case 5: do_mkdir(&w); break;
        case 6:
        case 7: do_mv(&w); break;
        case 8:
        case 9:
            if (!large) do_cp(&w);
            break;
        default: do_rm(&w); break;
        }
        if (i % 100 == 99) compare_all(&w);
    }
    compare_all(&w);
    world_deinit(&w);
}

TEST_LONG("a volume does what a naive tree does, all pages in memory", 120) {
    random_run(11, 0, 1500);
}
TEST_LONG("a volume does what a naive tree does, with a third of its pages cold", 120) {
    for (uint64_t seed = 20; seed < 23; seed++) random_run(seed, 33, 700);
}
TEST_LONG("a volume does what a naive tree does, with every page cold", 120) {
    random_run(31, 100, 600);
}

/* ---- many chunks ------------------------------------------------------------------- */

#define CHUNKS 3000u

static uint8_t byte_of(uint64_t chunk, unsigned round) {
    return (uint8_t)(1 + (chunk * 7 + round) % 250);
}

static void check_chunks(struct world *w, const char *name, uint64_t chunks,
                         unsigned round, uint64_t changed_every) {
    struct volume v = volume_of(w);
    struct inode i;
    uint64_t ino;
    uint8_t type;
    int rc;
    WARM(w, rc, volume_entry(&v, VOLUME_ROOT, slice_str(name), &ino, &type));
    CHECK_INT(rc, OK);
    WARM(w, rc, volume_inode(&v, ino, &i));
    CHECK_INT(i.size, (chunks - 1) * VOLUME_CHUNK + 1);
    for (uint64_t c = 0; c < chunks; c += 37) {
        buf got = BUF_INIT;
        uint64_t n = c + 1 < chunks ? 2 : 1;
        WARM(w, rc, volume_read(&v, &i, c * VOLUME_CHUNK, n, &got));
        CHECK_INT(rc, OK);
        bool changed = changed_every != 0 && c % changed_every == 0;
        CHECK_INT(got.p[0], byte_of(c, changed ? round + 1 : round));
        if (n == 2) CHECK_INT(got.p[1], 0);
        buf_free(&got);
    }
}

static int run_cp(struct world *w, uint64_t ino, const char *name) {
    struct args a;
    begin(w, &a);
    arg_u64(&a, ino);
    arg_u64(&a, VOLUME_ROOT);
    arg_str(&a, name);
    return run(w, VOLUME_CP, &a);
}

static int run_rm(struct world *w, const char *name) {
    struct args a;
    begin(w, &a);
    arg_u64(&a, VOLUME_ROOT);
    arg_str(&a, name);
    arg_u64(&a, 1);
    return run(w, VOLUME_RM, &a);
}

static void check_whole(struct world *w) {
    char why[160] = "";
    toy_warm(&w->toy);
    int rc = volume_check(&w->value, why);
    CHECK_STR(why, "");
    CHECK_INT(rc, OK);
}

TEST_LONG("copies share chunks, writes part them, and removals give every page back",
          120) {
    struct world w;
    uint8_t b;
    world_init(&w, 41, 60);
    CHECK_INT(run_write(&w, VOLUME_ROOT, "a", VOLUME_NO_MODE, VOLUME_REPLACE, SLICE("")),
              OK);
    uint64_t a = VOLUME_ROOT + 1;
    for (uint64_t c = 0; c < CHUNKS; c++) {
        b = byte_of(c, 0);
        CHECK_INT(
            run_write(&w, a, "", VOLUME_NO_MODE, c * VOLUME_CHUNK, slice_make(&b, 1)),
            OK);
    }
    uint64_t pages = w.toy.base.ops->pages(w.value.obj);
    CHECK(pages >= CHUNKS);
    CHECK_INT(run_cp(&w, a, "b"), OK);
    CHECK_INT(run_cp(&w, a, "c"), OK);
    CHECK(w.toy.base.ops->pages(w.value.obj) < pages + 30);
    check_whole(&w);
    uint64_t bino = a + 1;
    for (uint64_t c = 0; c < CHUNKS; c += 5) {
        b = byte_of(c, 1);
        CHECK_INT(
            run_write(&w, bino, "", VOLUME_NO_MODE, c * VOLUME_CHUNK, slice_make(&b, 1)),
            OK);
    }
    check_whole(&w);
    check_chunks(&w, "a", CHUNKS, 0, 0);
    check_chunks(&w, "b", CHUNKS, 0, 5);
    check_chunks(&w, "c", CHUNKS, 0, 0);
    CHECK_INT(run_rm(&w, "a"), OK);
    check_whole(&w);
    check_chunks(&w, "b", CHUNKS, 0, 5);
    check_chunks(&w, "c", CHUNKS, 0, 0);
    /* The content is replaced: what is shared with c stays. */
    CHECK_INT(run_write(&w, bino, "", VOLUME_NO_MODE, VOLUME_REPLACE, SLICE("small")),
              OK);
    check_whole(&w);
    check_chunks(&w, "c", CHUNKS, 0, 0);
    CHECK_INT(run_rm(&w, "b"), OK);
    CHECK_INT(run_rm(&w, "c"), OK);
    check_whole(&w);
    /* The tree has one key; the rest are lists of free pages. */
    CHECK(w.toy.base.ops->pages(w.value.obj) < CHUNKS / 20);
    world_deinit(&w);
}

/* ---- damage ------------------------------------------------------------------------ */

TEST("an effect that makes no sense changes nothing") {
    struct world w;
    world_init(&w, 51, 0);
    CHECK_INT(
        run_write(&w, VOLUME_ROOT, "d/f", VOLUME_NO_MODE, VOLUME_REPLACE, SLICE("x")),
        OK);
    uint8_t before[20] = {0}, after[20];
    CHECK_INT(volume_digest(&w.value, before), OK);
    rnd_seed(&w.r, 52);
    for (int i = 0; i < 20000; i++) {
        struct args a = {.n = 0};
        size_t n = (size_t)rnd_below(&w.r, 7);
        uint8_t op = (uint8_t)rnd_below(&w.r, 9);
        for (size_t k = 0; k < n; k++) {
            static const char *const names[] = {"",   "d",   "f",   ".",
                                                "..", "a/b", "d/f", "//"};
            if (k == 0 || rnd_below(&w.r, 3) > 0)
                arg_u64(&a, rnd_below(&w.r, 5) == 0 ? rnd_u64(&w.r) : rnd_below(&w.r, 6));
            else
                arg_str(&a, names[rnd_below(&w.r, 8)]);
        }
        struct value fresh = toy_value(&w.toy, TYPE_VOLUME);
        effect e = {.target = EFFECT_VALUE,
                    .type = TYPE_VOLUME,
                    .op = op,
                    .key = SLICE("k"),
                    .args = a.args,
                    .argc = a.n};
        int rc = type_volume.apply(rnd_below(&w.r, 2) == 0 ? &fresh : &w.value, &e);
        CHECK(rc == OK || rc == ERR_CORRUPT);
        if (fresh.kind == VALUE_OBJECT) w.toy.base.ops->free(&w.toy.base, fresh.obj);
        memset(after, 0, sizeof(after));
        CHECK_INT(volume_digest(&w.value, after), OK);
        if (rc == ERR_CORRUPT) CHECK(memcmp(before, after, 20) == 0);
        memcpy(before, after, 20);
        if (i % 1000 == 0) check_whole(&w);
    }
    check_whole(&w);
    world_deinit(&w);
}
