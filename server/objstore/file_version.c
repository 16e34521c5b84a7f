/* file_version.c -- objects that are replaced by If-Match, without a lock.
 *
 *   DIR/M                    version 0, made by put-if-absent; later only a mark that the
 *                            name is taken
 *   DIR/M.v/d-<v>-<nonce>    the bytes of version v: 16 hex digits each
 *   DIR/M.v/t-<v>-<nonce>    the token, an empty file: its name says which is current
 *   DIR/M.v/x-<v>-<nonce>    the token of an object that has been deleted
 *
 * The etag is <v>-<nonce>; of version 0, the nonce is a hash of the content. To replace v
 * by v+1 a writer writes d-<v+1>-<its nonce>, syncs it and the folder, and then renames
 * the token from t-<v>-<nonce> to t-<v+1>-<its nonce>. That rename is the comparison and
 * the exchange in one system call. Then it syncs the folder and answers OK.
 *
 * Why a stopped writer can do no harm, however long it stops, between any two calls
 *  a. M.v comes into being by the rename of a folder that holds t-0, which fails on a
 *     folder that is not empty; and M.v has a token for as long as the object has been
 *     replaced and lives. So t-0 is put there once. Every other token name is made by the
 *     rename of its one predecessor, to a name with a nonce that nobody else uses. Hence:
 *     at any moment there is exactly one token, versions only grow, and a token name,
 *     once gone, is gone for ever.
 *  b. A writer that read etag E wins only by renaming the token named E. If anyone else
 *     has replaced or deleted the object since, that name is gone for ever, rename
 *     answers ENOENT, and the writer has lost, whenever it wakes. (Numbered files made by
 *     link(2) would not do: the number that follows a stale etag is free again once old
 *     versions are removed.)
 *  c. Bytes are complete, synced and in a synced entry before a token names them, and a
 *     file d-... is never written again. It is removed only if its version is lower than
 *     that of a version that has won, less one; by b no token can then come to name it. A
 *     sleeper that removes late removes just those names.
 *  d. A reader takes the highest token that it sees. A listing shows a name only if it
 *     was there at some moment of the listing: so that version was current at a moment of
 *     the request. If its bytes are gone by the time they are opened, it looks again. A
 *     listing that runs while tokens are renamed may miss all: then it looks again, and
 *     "no token" is believed only from rmdir(2), which removes none but an empty folder.
 *
 * One exception: an object that is deleted and created again with the very same bytes has
 * the etag of its first life again (as in S3). Objects that are replaced carry a nonce.
 *
 * After a power loss, when no process is left to hold an etag, unsynced renames may be
 * undone one by one, and an older token may stand beside a newer: again the highest
 * counts, and the next winner removes the others. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "objstore/file_internal.h"

/* "t-", 16 hex digits, "-", 16 hex digits. */
#define ENTRY_BYTES 35

static bool hex16(const char *p, uint64_t *out) {
    uint64_t v = 0;
    for (int i = 0; i < 16; i++) {
        char ch = p[i];
        if (ch >= '0' && ch <= '9') v = v << 4 | (uint64_t)(ch - '0');
        else if (ch >= 'a' && ch <= 'f') v = v << 4 | (uint64_t)(ch - 'a' + 10);
        else return false;
    }
    *out = v;
    return true;
}

static bool entry_parse(const char *name, char *kind, uint64_t *version,
                        uint64_t *nonce) {
    if (strlen(name) != ENTRY_BYTES || name[1] != '-' || name[18] != '-') return false;
    *kind = name[0];
    return hex16(name + 2, version) && hex16(name + 19, nonce);
}

static void entry_path(struct file_call *c, char out[FILE_PATH_MAX], const char *name,
                       char kind, uint64_t version, uint64_t nonce) {
    file__path(out, "%s/%s.v/%c-%016" PRIx64 "-%016" PRIx64, c->s->dir, name, kind,
               version, nonce);
}

static int token_see(void *cookie, const char *name) {
    struct file_token *t = cookie;
    char kind;
    uint64_t version, nonce;
    if (!entry_parse(name, &kind, &version, &nonce) || (kind != 't' && kind != 'x'))
        return 0;
    if (t->found && version <= t->version) return 0;
    *t = (struct file_token){true, kind == 'x', version, nonce};
    return 0;
}

int file__token_read(struct file_call *c, const char *name, struct file_token *t) {
    fsys *fs = c->s->fs;
    char folder[FILE_PATH_MAX];
    file__path(folder, "%s/%s.v", c->s->dir, name);
    for (int i = 0; i < FILE_TRIES_MAX; i++) {
        *t = (struct file_token){0};
        int e = fs->list(fs, folder, token_see, t);
        if (e == -ENOENT || e == -ENOTDIR) return OK;
        if (e < 0) return file__fail(c, "list", folder, e);
        if (t->found) return OK;
        e = fs->rmdir(fs, folder);
        if (e >= 0 || e == -ENOENT) return OK;
        if (e != -ENOTEMPTY && e != -EEXIST) return file__fail(c, "read", folder, e);
    }
    snprintf(c->why, sizeof(c->why), "%.200s has no token", folder);
    return ERR_IO;
}

int file__open_current(struct file_call *c, const char *name, struct file_token *t,
                       int *fd) {
    fsys *fs = c->s->fs;
    char path[FILE_PATH_MAX];
    for (int i = 0; i < FILE_TRIES_MAX; i++) {
        int rc = file__token_read(c, name, t);
        if (rc != OK) return rc;
        if (t->found && t->dead) return ERR_NOTFOUND;
        bool plain = !t->found || t->version == 0;
        if (plain) file__path(path, "%s/%s", c->s->dir, name);
        else entry_path(c, path, name, 'd', t->version, t->nonce);
        *fd = fs->open(fs, path, O_RDONLY, 0);
        if (*fd >= 0) return OK;
        if (*fd != -ENOENT && *fd != -ENOTDIR) return file__fail(c, "open", path, *fd);
        if (!t->found) return ERR_NOTFOUND;
    }
    return file__fail(c, "open", path, -ENOENT);
}

/* -- Replacing ----------------------------------------------------------------------- */

static void match_prune(struct file_call *c, const char *name, uint64_t version);

/* The etag of an object that has not been replaced yet. */
static int plain_token(struct file_call *c, const char *name, struct file_token *t) {
    fsys *fs = c->s->fs;
    char path[FILE_PATH_MAX];
    uint64_t size;
    file__path(path, "%s/%s", c->s->dir, name);
    int fd = fs->open(fs, path, O_RDONLY, 0);
    if (fd == -ENOENT || fd == -ENOTDIR) return ERR_PRECOND;
    if (fd < 0) return file__fail(c, "open", path, fd);
    int rc = fs->size(fs, fd) == -EISDIR ? ERR_PRECOND
                                         : file__hash_file(c, fd, &size, &t->nonce);
    (void)fs->close(fs, fd); /* It was only read. */
    return rc;
}

/* Puts NAME.v in place with the token of version 0, unless it is there. */
static int versions_begin(struct file_call *c, const char *name, uint64_t nonce) {
    fsys *fs = c->s->fs;
    char made[FILE_PATH_MAX], token[FILE_PATH_MAX], folder[FILE_PATH_MAX];
    file__path(folder, "%s/%s.v", c->s->dir, name);
    int e = -EEXIST;
    for (int i = 0; i < FILE_TRIES_MAX && e == -EEXIST; i++) {
        file__tmp_path(c->s, made);
        e = fs->mkdir(fs, made, 0777);
    }
    if (e < 0) return file__fail(c, "make folder", made, e);
    int n = snprintf(token, sizeof(token), "%s/t-%016d-%016" PRIx64, made, 0, nonce);
    assert(n > 0 && (size_t)n < sizeof(token));
    int rc = file__write(c, token, (slice){NULL, 0});
    if (rc == ERR_EXISTS) rc = file__fail(c, "create", token, -EEXIST);
    if (rc == OK) rc = file__sync(c, made, O_RDONLY | O_DIRECTORY);
    if (rc == OK) {
        e = fs->rename(fs, made, folder);
        if (e >= 0) return OK;
        if (e != -ENOTEMPTY && e != -EEXIST) rc = file__fail(c, "rename to", folder, e);
    }
    (void)fs->unlink(fs, token); /* The next start removes what this does not. */
    (void)fs->rmdir(fs, made);
    return rc;
}

static int data_write(struct file_call *c, const char *name, uint64_t version,
                      uint64_t *nonce, char path[FILE_PATH_MAX]) {
    int rc = ERR_EXISTS;
    for (int i = 0; i < FILE_TRIES_MAX && rc == ERR_EXISTS; i++) {
        *nonce = file__nonce(c->s);
        entry_path(c, path, name, 'd', version, *nonce);
        rc = file__write(c, path, c->r->body);
    }
    if (rc == ERR_EXISTS) return file__fail(c, "create", path, -EEXIST);
    if (rc != OK) return rc;
    rc = file__sync_folder_of(c, path);
    if (rc != OK) (void)c->s->fs->unlink(c->s->fs, path); /* A later winner removes it. */
    return rc;
}

/* From token t to the next. ERR_PRECOND: someone else was first. */
static int match_exchange(struct file_call *c, const struct file_token *t) {
    const char *name = c->r->name;
    fsys *fs = c->s->fs;
    char data[FILE_PATH_MAX], from[FILE_PATH_MAX], to[FILE_PATH_MAX];
    uint64_t version = t->version + 1, nonce;
    int rc = t->found ? OK : versions_begin(c, name, t->nonce);
    if (rc == OK && t->version == 0) {
        /* Before there is a version 1, M.v itself is durable, whoever made it. */
        file__path(to, "%s/%s.v", c->s->dir, name);
        rc = file__sync_folder_of(c, to);
    }
    if (rc == OK) rc = data_write(c, name, version, &nonce, data);
    if (rc != OK) return rc;
    entry_path(c, from, name, 't', t->version, t->nonce);
    entry_path(c, to, name, 't', version, nonce);
    int e = fs->rename(fs, from, to);
    if (e == -EIO)
        return file__fail_commit(c, "rename to", to, e); /* The data may be in use. */
    if (e < 0) {
        (void)fs->unlink(fs, data); /* A later winner removes it. */
        return e == -ENOENT ? ERR_PRECOND : file__fail_commit(c, "rename to", to, e);
    }
    if (file__sync_folder_of(c, to) != OK) return ERR_TIMEOUT;
    file__etag(c->r->etag, version, nonce);
    match_prune(c, name, version);
    return OK;
}

/* What the caller will now find instead, perhaps its own, must be durable: invariant 3 of
 * file.c. */
static int match_refuse(struct file_call *c, const char *name, bool replaced) {
    fsys *fs = c->s->fs;
    char path[FILE_PATH_MAX];
    file__path(path, "%s/%s%s", c->s->dir, name, replaced ? ".v/" : "");
    if (replaced) return file__sync_folder_of(c, path) == OK ? ERR_PRECOND : ERR_TIMEOUT;
    *strrchr(path, '/') = '\0';
    int fd = fs->open(fs, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd == -ENOENT || fd == -ENOTDIR) return ERR_PRECOND; /* Nothing was ever there. */
    int e = fd < 0 ? fd : fs->fsync(fs, fd);
    if (fd >= 0) (void)fs->close(fs, fd); /* Nothing was written through it. */
    return e < 0 ? (void)file__fail(c, "sync", path, e), ERR_TIMEOUT : ERR_PRECOND;
}

int file__match(struct file_call *c, bool any) {
    const char *name = c->r->name;
    char etag[OBJ_ETAG_MAX];
    for (int i = 0; i < FILE_TRIES_MAX; i++) {
        struct file_token t;
        int rc = file__token_read(c, name, &t);
        if (rc == OK && !t.found) rc = plain_token(c, name, &t);
        if (rc == ERR_PRECOND && any) break;
        if (rc == ERR_PRECOND) return match_refuse(c, name, false);
        if (rc != OK) return rc;
        if (any && t.dead) break;
        file__etag(etag, t.version, t.nonce);
        bool try = !t.dead && (any || strcmp(etag, c->r->etag) == 0);
        rc = try ? match_exchange(c, &t) : ERR_PRECOND;
        if (rc != ERR_PRECOND) return rc;
        if (any) continue;
        return match_refuse(c, name, t.found || try);
    }
    snprintf(c->why, sizeof(c->why), "%.100s is replaced too often", name);
    return ERR_AGAIN;
}

/* -- Removing ------------------------------------------------------------------------ */

struct prune {
    struct file_call *c;
    const char *name;
    uint64_t below_data, below_token;
};

static int prune_see(void *cookie, const char *entry) {
    struct prune *p = cookie;
    fsys *fs = p->c->s->fs;
    char kind, path[FILE_PATH_MAX];
    uint64_t version, nonce;
    if (!entry_parse(entry, &kind, &version, &nonce)) return 0;
    if (version >= (kind == 'd' ? p->below_data : p->below_token)) return 0;
    entry_path(p->c, path, p->name, kind, version, nonce);
    (void)fs->unlink(fs, path); /* If not now, after the next replacement. */
    return 0;
}

static void match_prune(struct file_call *c, const char *name, uint64_t version) {
    struct prune p = {c, name, version - 1, version};
    char folder[FILE_PATH_MAX];
    file__path(folder, "%s/%s.v", c->s->dir, name);
    (void)c->s->fs->list(c->s->fs, folder, prune_see, &p); /* As above. */
}

int file__remove(struct file_call *c, const char *name, struct file_token *t) {
    fsys *fs = c->s->fs;
    char from[FILE_PATH_MAX], to[FILE_PATH_MAX];
    for (int i = 0; i < FILE_TRIES_MAX; i++) {
        struct file_token next = {true, true, t->version + 1, file__nonce(c->s)};
        if (!t->found) return OK;
        if (t->dead) { /* By someone whose fsync may have failed. */
            entry_path(c, to, name, 'x', t->version, t->nonce);
            return file__sync_folder_of(c, to) == OK ? OK : ERR_TIMEOUT;
        }
        entry_path(c, from, name, 't', t->version, t->nonce);
        entry_path(c, to, name, 'x', next.version, next.nonce);
        int e = fs->rename(fs, from, to);
        if (e >= 0) {
            *t = next;
            return file__sync_folder_of(c, to) == OK ? OK : ERR_TIMEOUT;
        }
        if (e != -ENOENT) return file__fail_commit(c, "rename to", to, e);
        int rc = file__token_read(c, name, t);
        if (rc != OK) return rc;
    }
    snprintf(c->why, sizeof(c->why), "%.100s is replaced too often", name);
    return ERR_AGAIN;
}

struct burial {
    const struct file_token *t;
    bool seen;        /* the token */
    buf others;       /* NUL-terminated names */
};

static int burial_see(void *cookie, const char *entry) {
    struct burial *b = cookie;
    char kind;
    uint64_t version, nonce;
    if (!entry_parse(entry, &kind, &version, &nonce)) return 0;
    if (kind == 'x' && version == b->t->version && nonce == b->t->nonce) b->seen = true;
    else buf_append(&b->others, entry, strlen(entry) + 1);
    return 0;
}

/* Empties M.v but for the dead token. The names are of one listing, hence of one folder,
 * and are removed only if the dead token was among them: a sleeper that finds the folder
 * of another life of the object leaves it alone. ERR_NOTFOUND then. */
static int bury_versions(struct file_call *c, const char *folder,
                         const struct file_token *t) {
    struct burial b = {t, false, BUF_INIT};
    fsys *fs = c->s->fs;
    char path[FILE_PATH_MAX];
    int e = fs->list(fs, folder, burial_see, &b);
    int rc = e == -ENOENT || (e >= 0 && !b.seen) ? ERR_NOTFOUND : OK;
    if (e < 0 && e != -ENOENT) rc = file__fail(c, "list", folder, e);
    for (size_t at = 0; rc == OK && at < b.others.n;) {
        const char *entry = (const char *)b.others.p + at;
        at += strlen(entry) + 1;
        file__path(path, "%s/%s", folder, entry);
        e = fs->unlink(fs, path);
        if (e < 0 && e != -ENOENT) rc = file__fail(c, "delete", path, e);
    }
    buf_free(&b.others);
    return rc == OK ? file__sync(c, folder, O_RDONLY | O_DIRECTORY) : rc;
}

/* In this order, each step durable before the next, so that neither the file NAME nor an
 * older token can come back without the dead token that outranks them. A crash in between
 * leaves the dead token: the object is absent, and cannot be created until a delete has
 * finished the work. (Only a delete may do it: whoever else, asleep before the unlink of
 * NAME, could remove what has been created since.) */
int file__bury(struct file_call *c, const char *name, const struct file_token *t) {
    fsys *fs = c->s->fs;
    char path[FILE_PATH_MAX], folder[FILE_PATH_MAX], token[FILE_PATH_MAX];
    if (!t->found) return OK;
    assert(t->dead);
    file__path(path, "%s/%s", c->s->dir, name);
    file__path(folder, "%s/%s.v", c->s->dir, name);
    entry_path(c, token, name, 'x', t->version, t->nonce);
    int e = fs->unlink(fs, path);
    if (e < 0 && e != -ENOENT) return file__fail(c, "delete", path, e);
    int rc = file__sync_folder_of(c, path);
    if (rc == OK) rc = bury_versions(c, folder, t);
    if (rc != OK) return rc == ERR_NOTFOUND ? OK : rc;
    e = fs->unlink(fs, token);
    if (e < 0 && e != -ENOENT) return file__fail(c, "delete", token, e);
    /* The bytes of a late writer may be in it, until it finds that it has lost. (Should
     * it die before, the name is unusable and says so.) */
    e = fs->rmdir(fs, folder);
    if (e < 0 && e != -ENOENT && e != -ENOTEMPTY)
        return file__fail(c, "delete", folder, e);
    return file__sync_folder_of(c, folder);
}
