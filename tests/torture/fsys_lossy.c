/* fsys_lossy.c -- see the header.
 *
 * Nodes (files and folders) are numbered and live until the end. A folder has two tables
 * of entries: as the process sees it, and as it is on the disk. Changes go into the first
 * at once, and as a record into one list; fsync of a folder moves its records to the
 * second table. Records apply blindly, in the order in which they were made, so that any
 * subset of them gives some tree:
 *
 *   add     (folder, name) is this node
 *   remove  (folder, name) is gone, if it is this node
 *   move    both at once; synced with the folder moved into. An earlier, unsynced add of
 *           the source is taken back by it: no journal shows a move and then what it
 *           moved away. */
#include "torture/fsys_lossy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rnd.h"

#define SECTOR 512
#define FILES_MAX 64
#define PARTS_MAX 32

struct entry {
    char *name;
    int node;
};
struct table {
    struct entry *v;
    size_t n, cap;
};
struct bytes {
    uint8_t *p;
    size_t n;
};
struct node {
    bool folder;
    struct table seen, disk;
    struct bytes seen_bytes, disk_bytes;
};
enum change_kind { CHANGE_ADD, CHANGE_REMOVE, CHANGE_MOVE };
struct change {
    enum change_kind kind;
    int folder, from_folder, node;
    char *name, *from_name;
};
struct open_file {
    bool used;
    int node;
    char path[256];
};
struct fsys_lossy {
    fsys table;
    struct node *nodes;
    size_t nodes_n, nodes_cap;
    struct change *changes;
    size_t changes_n, changes_cap;
    struct open_file files[FILES_MAX];
    long calls, fail_at, stop_at, skipped;
    int fail_err;
    bool stop_effect;
    enum lossy_sync skip;
};

static void *grow(void *p, size_t n, size_t *cap, size_t size) {
    if (n < *cap) return p;
    *cap = *cap == 0 ? 16 : *cap * 2;
    return mem_realloc(p, *cap * size);
}

static fsys_lossy *self(fsys *f) { return (fsys_lossy *)(void *)f; }

/* -- Tables and nodes ---------------------------------------------------------------- */

static int table_get(const struct table *t, const char *name) {
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->v[i].name, name) == 0) return t->v[i].node;
    }
    return -1;
}

static void table_set(struct table *t, const char *name, int node) {
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->v[i].name, name) == 0) {
            t->v[i].node = node;
            return;
        }
    }
    t->v = grow(t->v, t->n, &t->cap, sizeof(*t->v));
    t->v[t->n++] = (struct entry){mem_strdup(name), node};
}

static void table_remove(struct table *t, const char *name, int node) {
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->v[i].name, name) != 0 || t->v[i].node != node) continue;
        mem_free(t->v[i].name);
        t->v[i] = t->v[--t->n];
        return;
    }
}

static void table_free(struct table *t) {
    for (size_t i = 0; i < t->n; i++) mem_free(t->v[i].name);
    mem_free(t->v);
    *t = (struct table){0};
}

static void table_copy(struct table *to, const struct table *from) {
    table_free(to);
    for (size_t i = 0; i < from->n; i++) table_set(to, from->v[i].name, from->v[i].node);
}

static void bytes_set(struct bytes *b, const void *p, size_t n) {
    mem_free(b->p);
    b->p = mem_alloc(n + 1);
    if (n > 0) memcpy(b->p, p, n);
    b->n = n;
}

static int node_new(fsys_lossy *f, bool folder) {
    f->nodes = grow(f->nodes, f->nodes_n, &f->nodes_cap, sizeof(*f->nodes));
    f->nodes[f->nodes_n] = (struct node){.folder = folder};
    return (int)f->nodes_n++;
}

/* The folder that holds the last part of path, and that part; -errno. */
static int path_walk(fsys_lossy *f, const char *path, char last[256]) {
    if (path[0] != '/') return -EINVAL;
    int at = 0;
    for (;;) {
        while (*path == '/') path++;
        size_t n = strcspn(path, "/");
        if (n >= 256) return -ENAMETOOLONG;
        memcpy(last, path, n);
        last[n] = '\0';
        path += n;
        while (*path == '/') path++;
        if (!f->nodes[at].folder) return -ENOTDIR;
        if (*path == '\0') return at;
        at = table_get(&f->nodes[at].seen, last);
        if (at < 0) return -ENOENT;
    }
}

static int path_node(fsys_lossy *f, const char *path) {
    char last[256];
    int folder = path_walk(f, path, last);
    if (folder < 0 || last[0] == '\0') return folder;
    int node = table_get(&f->nodes[folder].seen, last);
    return node < 0 ? -ENOENT : node;
}

/* -- Changes of entries -------------------------------------------------------------- */

static void change_free(struct change *c) {
    mem_free(c->name);
    mem_free(c->from_name);
}

static void change_apply(fsys_lossy *f, const struct change *c, bool disk) {
    struct node *to = &f->nodes[c->folder];
    struct table *t = disk ? &to->disk : &to->seen;
    if (c->kind == CHANGE_REMOVE) {
        table_remove(t, c->name, c->node);
        return;
    }
    if (c->kind == CHANGE_MOVE) {
        struct node *from = &f->nodes[c->from_folder];
        table_remove(disk ? &from->disk : &from->seen, c->from_name, c->node);
    }
    table_set(t, c->name, c->node);
}

static void change_make(fsys_lossy *f, enum change_kind kind, int folder,
                        const char *name, int node, int from_folder,
                        const char *from_name) {
    f->changes = grow(f->changes, f->changes_n, &f->changes_cap, sizeof(*f->changes));
    struct change *c = &f->changes[f->changes_n++];
    *c = (struct change){kind, folder, from_folder, node, mem_strdup(name),
                         from_name == NULL ? NULL : mem_strdup(from_name)};
    change_apply(f, c, false);
}

/* Takes change i to the disk, or drops it. */
static void change_settle(fsys_lossy *f, size_t i, bool keep) {
    struct change c = f->changes[i];
    f->changes_n--;
    memmove(&f->changes[i], &f->changes[i + 1], (f->changes_n - i) * sizeof(c));
    if (keep) change_apply(f, &c, true);
    for (size_t k = i; keep && c.kind == CHANGE_MOVE && k-- > 0;) {
        struct change *e = &f->changes[k];
        if (e->kind == CHANGE_REMOVE || e->folder != c.from_folder || e->node != c.node ||
            strcmp(e->name, c.from_name) != 0) continue;
        change_free(e);
        f->changes_n--;
        memmove(e, e + 1, (f->changes_n - k) * sizeof(c));
        break;
    }
    change_free(&c);
}

static void folder_sync(fsys_lossy *f, int folder) {
    for (size_t i = 0; i < f->changes_n;) {
        if (f->changes[i].folder != folder) {
            i++;
            continue;
        }
        size_t before = f->changes_n;
        change_settle(f, i, true);
        /* A move may have taken one back that stood before it. */
        i -= before - f->changes_n - 1;
    }
}

/* -- Calls --------------------------------------------------------------------------- */

enum gate { GATE_DO, GATE_FAIL, GATE_DO_AND_FAIL };

static enum gate gate(fsys_lossy *f, int *err) {
    f->calls++;
    *err = EIO;
    if (f->stop_at != 0 && f->calls >= f->stop_at) {
        return f->calls == f->stop_at && f->stop_effect ? GATE_DO_AND_FAIL : GATE_FAIL;
    }
    if (f->fail_at != 0 && f->calls == f->fail_at) {
        *err = f->fail_err;
        return GATE_FAIL;
    }
    return GATE_DO;
}

#define GATE(f, does)                                                                    \
    int err_;                                                                            \
    enum gate gate_ = gate((f), &err_);                                                  \
    if (gate_ == GATE_FAIL) return -err_;                                                \
    if (gate_ == GATE_DO_AND_FAIL) {                                                     \
        (void)(does);                                                                    \
        return -err_;                                                                    \
    }                                                                                    \
    return (does)

static int do_open(fsys_lossy *f, const char *path, int flags) {
    char last[256];
    int folder = path_walk(f, path, last);
    if (folder < 0) return folder;
    int node = last[0] == '\0' ? folder : table_get(&f->nodes[folder].seen, last);
    if (node >= 0 && (flags & O_EXCL) != 0) return -EEXIST;
    if (node < 0 && (flags & O_CREAT) == 0) return -ENOENT;
    if (node < 0) {
        node = node_new(f, false);
        change_make(f, CHANGE_ADD, folder, last, node, -1, NULL);
    }
    if ((flags & O_DIRECTORY) != 0 && !f->nodes[node].folder) return -ENOTDIR;
    for (int i = 0; i < FILES_MAX; i++) {
        struct open_file *o = &f->files[i];
        if (o->used) continue;
        *o = (struct open_file){.used = true, .node = node};
        snprintf(o->path, sizeof(o->path), "%.255s", path);
        return i;
    }
    return -EMFILE;
}

static struct open_file *file_at(fsys_lossy *f, int fd) {
    return fd >= 0 && fd < FILES_MAX && f->files[fd].used ? &f->files[fd] : NULL;
}

static long do_pwrite(fsys_lossy *f, int fd, const void *p, size_t n, uint64_t offset) {
    struct open_file *o = file_at(f, fd);
    if (o == NULL) return -EBADF;
    struct bytes *b = &f->nodes[o->node].seen_bytes;
    size_t end = (size_t)offset + n;
    if (end > b->n) {
        b->p = mem_realloc(b->p, end + 1);
        memset(b->p + b->n, 0, end - b->n);
        b->n = end;
    }
    memcpy(b->p + offset, p, n);
    return (long)n;
}

static long do_pread(fsys_lossy *f, int fd, void *p, size_t n, uint64_t offset) {
    struct open_file *o = file_at(f, fd);
    if (o == NULL) return -EBADF;
    if (f->nodes[o->node].folder) return -EISDIR;
    struct bytes *b = &f->nodes[o->node].seen_bytes;
    if (offset >= b->n) return 0;
    if (n > b->n - offset) n = b->n - (size_t)offset;
    memcpy(p, b->p + offset, n);
    return (long)n;
}

static enum lossy_sync sync_kind(fsys_lossy *f, const struct open_file *o) {
    if (!f->nodes[o->node].folder) return LOSSY_SYNC_FILE;
    const struct change *c = NULL;
    for (size_t i = 0; i < f->changes_n; i++) {
        if (f->changes[i].folder == o->node) c = &f->changes[i];
    }
    size_t n = strlen(o->path);
    if (c == NULL) return LOSSY_SYNC_NONE;
    if (n > 2 && strcmp(o->path + n - 2, ".v") == 0) {
        return c->kind == CHANGE_MOVE ? LOSSY_SYNC_VERSION_TOKEN
                                      : LOSSY_SYNC_VERSION_DATA;
    }
    if (strstr(o->path, "/tmp/") != NULL) return LOSSY_SYNC_VERSION_INIT;
    return f->nodes[c->node].folder && c->kind != CHANGE_REMOVE ? LOSSY_SYNC_MADE
                                                                 : LOSSY_SYNC_ENTRY;
}

static int do_fsync(fsys_lossy *f, int fd) {
    struct open_file *o = file_at(f, fd);
    if (o == NULL) return -EBADF;
    struct node *node = &f->nodes[o->node];
    if (f->skip != LOSSY_SYNC_NONE && sync_kind(f, o) == f->skip) {
        f->skipped++;
        return 0;
    }
    if (node->folder) folder_sync(f, o->node);
    else bytes_set(&node->disk_bytes, node->seen_bytes.p, node->seen_bytes.n);
    return 0;
}

static int do_close(fsys_lossy *f, int fd) {
    struct open_file *o = file_at(f, fd);
    if (o == NULL) return -EBADF;
    o->used = false;
    return 0;
}

static int64_t do_size(fsys_lossy *f, int fd) {
    struct open_file *o = file_at(f, fd);
    if (o == NULL) return -EBADF;
    if (f->nodes[o->node].folder) return -EISDIR;
    return (int64_t)f->nodes[o->node].seen_bytes.n;
}

static int do_link(fsys_lossy *f, const char *from, const char *to) {
    char last[256];
    int node = path_node(f, from), folder = path_walk(f, to, last);
    if (node < 0) return node;
    if (folder < 0) return folder;
    if (f->nodes[node].folder) return -EPERM;
    if (table_get(&f->nodes[folder].seen, last) >= 0) return -EEXIST;
    change_make(f, CHANGE_ADD, folder, last, node, -1, NULL);
    return 0;
}

static int do_rename(fsys_lossy *f, const char *from, const char *to) {
    char last[256], from_last[256];
    int from_folder = path_walk(f, from, from_last), folder = path_walk(f, to, last);
    if (from_folder < 0) return from_folder;
    if (folder < 0) return folder;
    int node = table_get(&f->nodes[from_folder].seen, from_last);
    int old = table_get(&f->nodes[folder].seen, last);
    if (node < 0) return -ENOENT;
    if (old == node) return 0;
    if (old >= 0 && f->nodes[node].folder && !f->nodes[old].folder) return -ENOTDIR;
    if (old >= 0 && !f->nodes[node].folder && f->nodes[old].folder) return -EISDIR;
    if (old >= 0 && f->nodes[old].folder && f->nodes[old].seen.n > 0) return -ENOTEMPTY;
    change_make(f, CHANGE_MOVE, folder, last, node, from_folder, from_last);
    return 0;
}

static int do_unlink(fsys_lossy *f, const char *path, bool folder_wanted) {
    char last[256];
    int folder = path_walk(f, path, last);
    if (folder < 0) return folder;
    int node = table_get(&f->nodes[folder].seen, last);
    if (node < 0) return -ENOENT;
    if (f->nodes[node].folder != folder_wanted) return folder_wanted ? -ENOTDIR : -EISDIR;
    if (folder_wanted && f->nodes[node].seen.n > 0) return -ENOTEMPTY;
    change_make(f, CHANGE_REMOVE, folder, last, node, -1, NULL);
    return 0;
}

static int do_mkdir(fsys_lossy *f, const char *path) {
    char last[256];
    int folder = path_walk(f, path, last);
    if (folder < 0) return folder;
    if (last[0] == '\0' || table_get(&f->nodes[folder].seen, last) >= 0) return -EEXIST;
    change_make(f, CHANGE_ADD, folder, last, node_new(f, true), -1, NULL);
    return 0;
}

/* Over a copy: each() may change the folder, as with a real one. */
static int do_list(fsys_lossy *f, const char *path,
                   int (*each)(void *cookie, const char *name), void *cookie) {
    int node = path_node(f, path);
    if (node < 0) return node;
    if (!f->nodes[node].folder) return -ENOTDIR;
    struct table copy = {0};
    table_copy(&copy, &f->nodes[node].seen);
    for (size_t i = 0; i < copy.n; i++) {
        char name[260];
        bool folder = f->nodes[copy.v[i].node].folder;
        snprintf(name, sizeof(name), "%.255s%s", copy.v[i].name, folder ? "/" : "");
        if (each(cookie, name) != 0) break;
    }
    table_free(&copy);
    return 0;
}

static int lossy_open(fsys *f, const char *path, int flags, int mode) {
    (void)mode;
    int err;
    enum gate g = gate(self(f), &err);
    if (g == GATE_FAIL) return -err;
    int fd = do_open(self(f), path, flags);
    if (g == GATE_DO) return fd;
    if (fd >= 0) (void)do_close(self(f), fd);
    return -err;
}
static long lossy_pwrite(fsys *f, int fd, const void *p, size_t n, uint64_t offset) {
    GATE(self(f), do_pwrite(self(f), fd, p, n, offset));
}
static long lossy_pread(fsys *f, int fd, void *p, size_t n, uint64_t offset) {
    GATE(self(f), do_pread(self(f), fd, p, n, offset));
}
static int lossy_fsync(fsys *f, int fd) { GATE(self(f), do_fsync(self(f), fd)); }
static int lossy_close(fsys *f, int fd) { GATE(self(f), do_close(self(f), fd)); }
static int64_t lossy_size(fsys *f, int fd) { GATE(self(f), do_size(self(f), fd)); }
static int lossy_link(fsys *f, const char *from, const char *to) {
    GATE(self(f), do_link(self(f), from, to));
}
static int lossy_rename(fsys *f, const char *from, const char *to) {
    GATE(self(f), do_rename(self(f), from, to));
}
static int lossy_unlink(fsys *f, const char *path) {
    GATE(self(f), do_unlink(self(f), path, false));
}
static int lossy_rmdir(fsys *f, const char *path) {
    GATE(self(f), do_unlink(self(f), path, true));
}
static int lossy_mkdir(fsys *f, const char *path, int mode) {
    (void)mode;
    GATE(self(f), do_mkdir(self(f), path));
}
static int lossy_list(fsys *f, const char *path,
                      int (*each)(void *cookie, const char *name), void *cookie) {
    int err;
    if (gate(self(f), &err) != GATE_DO) return -err;
    return do_list(self(f), path, each, cookie);
}

/* -- Public -------------------------------------------------------------------------- */

fsys_lossy *fsys_lossy_create(void) {
    fsys_lossy *f = mem_calloc(1, sizeof(*f));
    f->table = (fsys){
        .open = lossy_open,     .pwrite = lossy_pwrite, .pread = lossy_pread,
        .fsync = lossy_fsync,   .close = lossy_close,   .size = lossy_size,
        .link = lossy_link,     .rename = lossy_rename, .unlink = lossy_unlink,
        .mkdir = lossy_mkdir,   .rmdir = lossy_rmdir,   .list = lossy_list,
    };
    (void)node_new(f, true);
    return f;
}

void fsys_lossy_free(fsys_lossy *f) {
    if (f == NULL) return;
    for (size_t i = 0; i < f->nodes_n; i++) {
        table_free(&f->nodes[i].seen);
        table_free(&f->nodes[i].disk);
        mem_free(f->nodes[i].seen_bytes.p);
        mem_free(f->nodes[i].disk_bytes.p);
    }
    for (size_t i = 0; i < f->changes_n; i++) change_free(&f->changes[i]);
    mem_free(f->nodes);
    mem_free(f->changes);
    mem_free(f);
}

fsys *fsys_lossy_table(fsys_lossy *f) { return &f->table; }
long fsys_lossy_calls(const fsys_lossy *f) { return f->calls; }
long fsys_lossy_skipped(const fsys_lossy *f) { return f->skipped; }

void fsys_lossy_fail_at(fsys_lossy *f, long k, int err) {
    f->fail_at = k == 0 ? 0 : f->calls + k;
    f->fail_err = err;
}

void fsys_lossy_stop_at(fsys_lossy *f, long k, bool effect) {
    f->stop_at = k == 0 ? 0 : f->calls + k;
    f->stop_effect = effect;
}

void fsys_lossy_skip(fsys_lossy *f, enum lossy_sync kind) { f->skip = kind; }

static void crash_bytes(struct node *node, rnd *r, uint64_t mood) {
    struct bytes *seen = &node->seen_bytes, *disk = &node->disk_bytes;
    if (seen->n == disk->n && (seen->n == 0 || memcmp(seen->p, disk->p, seen->n) == 0))
        return;
    size_t low = seen->n < disk->n ? seen->n : disk->n;
    size_t high = seen->n > disk->n ? seen->n : disk->n;
    size_t n = mood == 0   ? disk->n
               : mood == 1 ? seen->n
                           : low + rnd_below(r, high - low + 1);
    uint8_t *p = mem_calloc(1, n + 1);
    for (size_t at = 0; at < n; at += SECTOR) {
        bool kept = mood == 0 ? false : mood == 1 ? true : rnd_below(r, 2) == 0;
        const struct bytes *b = kept ? seen : disk;
        size_t k = n - at < SECTOR ? n - at : SECTOR;
        if (at < b->n) memcpy(p + at, b->p + at, k < b->n - at ? k : b->n - at);
    }
    bytes_set(disk, p, n);
    mem_free(p);
}

/* One crash in five loses all, one keeps all: both are likely on a real machine. */
void fsys_lossy_crash(fsys_lossy *f, uint64_t seed) {
    rnd r;
    rnd_seed(&r, seed);
    uint64_t entries = rnd_below(&r, 5), data = rnd_below(&r, 5);
    while (f->changes_n > 0) {
        bool keep = entries == 0 ? false : entries == 1 ? true : rnd_below(&r, 2) == 0;
        change_settle(f, 0, keep);
    }
    for (size_t i = 0; i < f->nodes_n; i++) {
        struct node *node = &f->nodes[i];
        if (node->folder) {
            table_copy(&node->seen, &node->disk);
        } else {
            crash_bytes(node, &r, data);
            bytes_set(&node->seen_bytes, node->disk_bytes.p, node->disk_bytes.n);
        }
    }
    memset(f->files, 0, sizeof(f->files));
    f->fail_at = f->stop_at = 0;
}

int fsys_lossy_open_files(const fsys_lossy *f) {
    int n = 0;
    for (int i = 0; i < FILES_MAX; i++) n += f->files[i].used;
    return n;
}

static void dump(const fsys_lossy *f, int node, int depth) {
    const struct table *t = &f->nodes[node].seen;
    for (size_t i = 0; i < t->n; i++) {
        const struct node *child = &f->nodes[t->v[i].node];
        printf("# %*s%s%s %zu\n", depth * 2, "", t->v[i].name, child->folder ? "/" : "",
               child->seen_bytes.n);
        if (child->folder && depth < PARTS_MAX) dump(f, t->v[i].node, depth + 1);
    }
}

void fsys_lossy_dump(const fsys_lossy *f) { dump(f, 0, 0); }
