/* file_list.c -- the walks of the directory store: LIST, the sync at open, tmp/.
 *
 * Names come in the order of their bytes, as from S3. Within a folder a subfolder "a"
 * sorts as "a/": behind "a-b" and "a.b", before "a0". Each page of a list reads its
 * folders anew. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "objstore/file.h"
#include "objstore/file_internal.h"

#define WALK_DEPTH_MAX (OBJ_NAME_MAX / 2 + 1)

struct names { /* of one folder */
    char **v;
    size_t n, cap;
};

static int names_add(void *cookie, const char *name) {
    struct names *s = cookie;
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 64 : s->cap * 2;
        s->v = mem_realloc(s->v, s->cap * sizeof(*s->v));
    }
    s->v[s->n++] = mem_strdup(name);
    return 0;
}

static void names_free(struct names *s) {
    for (size_t i = 0; i < s->n; i++) mem_free(s->v[i]);
    mem_free(s->v);
}

static int names_cmp(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool starts_with(const char *s, const char *start) {
    return strncmp(s, start, strlen(start)) == 0;
}

/* -- LIST ---------------------------------------------------------------------------- */

struct walk {
    struct file_call *c;
    const char *prefix, *after;
    size_t count;
    bool full;
};

/* A folder (path with a slash at its end) is worth a look when names in it can match. */
static bool walk_wants_folder(const struct walk *w, const char *path) {
    if (!starts_with(path, w->prefix) && !starts_with(w->prefix, path)) return false;
    return starts_with(w->after, path) || strcmp(path, w->after) > 0;
}

static int walk_file(struct walk *w, const struct names *names, const char *entry,
                     const char *path) {
    if (!starts_with(path, w->prefix) || strcmp(path, w->after) <= 0) return OK;
    if (!objstore_name_ok(path)) return OK; /* Not ours. */
    char versions[FILE_PATH_MAX];
    file__path(versions, "%s.v/", entry);
    const char *key = versions;
    if (bsearch(&key, names->v, names->n, sizeof(*names->v), names_cmp) != NULL) {
        struct file_token t;
        int rc = file__token_read(w->c, path, &t);
        if (rc != OK) return rc;
        if (t.found && t.dead) return OK;
    }
    if (w->count == OBJ_LIST_MAX) {
        w->full = true;
        return OK;
    }
    buf_append(&w->c->r->out, path, strlen(path) + 1);
    w->count++;
    return OK;
}

static int walk_folder(struct walk *w, const char *path, int depth) {
    struct file_store *s = w->c->s;
    struct names names = {0};
    char full[FILE_PATH_MAX], child[FILE_PATH_MAX];
    file__path(full, "%s/%s", s->dir, path);
    int e = s->fs->list(s->fs, full, names_add, &names);
    /* Folders are never removed by the store; but a list need not fail over one that
     * was. */
    int rc = e < 0 && e != -ENOENT ? file__fail(w->c, "list", full, e) : OK;
    qsort(names.v == NULL ? (void *)&names : (void *)names.v, names.n, sizeof(*names.v),
          names_cmp);
    for (size_t i = 0; i < names.n && rc == OK && !w->full; i++) {
        const char *entry = names.v[i];
        if (strlen(path) + strlen(entry) > OBJ_NAME_MAX) continue;
        file__path(child, "%s%s", path, entry);
        if (!ends_with(entry, "/")) {
            rc = walk_file(w, &names, entry, child);
        } else if (!ends_with(entry, ".v/") && strcmp(child, "tmp/") != 0 &&
                   depth < WALK_DEPTH_MAX && walk_wants_folder(w, child)) {
            rc = walk_folder(w, child, depth + 1);
        }
    }
    names_free(&names);
    return rc;
}

int file__list(struct file_call *c) {
    struct walk w = {.c = c, .prefix = c->r->name, .after = c->r->after};
    if (w.after == NULL) w.after = "";
    int rc = walk_folder(&w, "", 0);
    c->r->more = w.full;
    return rc;
}

/* -- The sync at open ---------------------------------------------------------------- */

/* Bottom up: a folder is synced when all below it is. Of the files only those in .v/ and the
 * few at the top: elsewhere a name is made after its bytes were synced (file.c, 1), and a
 * thousand fsyncs for a long log would be paid for at every start. */
static int sync_folder(struct file_call *c, const char *path, bool files, int depth) {
    fsys *fs = c->s->fs;
    struct names names = {0};
    char child[FILE_PATH_MAX];
    int e = fs->list(fs, path, names_add, &names);
    int rc = e < 0 ? file__fail(c, "list", path, e) : OK;
    for (size_t i = 0; i < names.n && rc == OK; i++) {
        const char *entry = names.v[i];
        size_t n = strlen(entry);
        if (strlen(path) + n + 2 > FILE_PATH_MAX) continue; /* Not a name of ours. */
        bool folder = ends_with(entry, "/");
        file__path(child, "%s/%.*s", path, (int)(folder ? n - 1 : n), entry);
        if (folder && depth < WALK_DEPTH_MAX &&
            !(depth == 0 && strcmp(entry, "tmp/") == 0)) {
            /* The log has no folders below it, and thousands of names. */
            rc = depth == 0 && strcmp(entry, "log/") == 0
                     ? file__sync(c, child, O_RDONLY | O_DIRECTORY)
                     : sync_folder(c, child, files || ends_with(entry, ".v/"), depth + 1);
        } else if (!folder && (files || depth == 0)) {
            rc = file__sync(c, child, O_RDONLY);
        }
    }
    names_free(&names);
    return rc == OK ? file__sync(c, path, O_RDONLY | O_DIRECTORY) : rc;
}

int file__sync_tree(struct file_call *c) {
    return sync_folder(c, c->s->dir, false, 0);
}

int objstore_file_sync_all(objstore *base) {
    struct file_store *s = (struct file_store *)base;
    struct file_call c = {.s = s};
    int rc = file__sync_tree(&c);
    if (rc == OK) rc = file__sync_folder_of(&c, s->dir);
    if (rc != OK) memcpy(base->why, c.why, sizeof(base->why));
    return rc;
}

/* -- tmp/ ---------------------------------------------------------------------------- */

/* Whether a process lives is asked of /proc through the same table; of our own number
 * nothing can be left but by an earlier life (in a container each life has the same).
 * Should a living process lose its file, its request fails without having happened. */
static bool tmp_is_dead(struct file_call *c, const char *entry) {
    fsys *fs = c->s->fs;
    char path[32];
    char *end = NULL;
    long pid = strtol(entry, &end, 10);
    if (end == entry || *end != '-' || pid <= 0) return false; /* Not ours. */
    if (pid == (long)getpid()) return true;
    snprintf(path, sizeof(path), "/proc/%ld", pid);
    int fd = fs->open(fs, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0) (void)fs->close(fs, fd); /* Opened only to see that it is there. */
    return fd == -ENOENT;
}

static void tmp_remove_folder(struct file_call *c, const char *path) {
    fsys *fs = c->s->fs;
    struct names names = {0};
    char child[FILE_PATH_MAX];
    (void)fs->list(fs, path, names_add, &names);
    for (size_t i = 0; i < names.n; i++) {
        if (strlen(path) + strlen(names.v[i]) + 2 > FILE_PATH_MAX) continue;
        file__path(child, "%s/%s", path, names.v[i]);
        (void)fs->unlink(fs, child);
    }
    (void)fs->rmdir(fs, path);
    names_free(&names);
}

/* What cannot be removed now is tried again at the next start. */
void file__clean_tmp(struct file_call *c) {
    fsys *fs = c->s->fs;
    struct names names = {0};
    char tmp[FILE_PATH_MAX], path[FILE_PATH_MAX];
    file__path(tmp, "%s/tmp", c->s->dir);
    (void)fs->list(fs, tmp, names_add, &names);
    for (size_t i = 0; i < names.n; i++) {
        char *entry = names.v[i];
        if (!tmp_is_dead(c, entry)) continue;
        bool folder = ends_with(entry, "/");
        if (folder) entry[strlen(entry) - 1] = '\0';
        file__path(path, "%s/%s", tmp, entry);
        if (folder) tmp_remove_folder(c, path);
        else (void)fs->unlink(fs, path);
    }
    names_free(&names);
}
