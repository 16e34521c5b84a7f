/* fs_read.c -- FS.READ, FS.STAT, FS.LS, FS.INFO: looking, without a change. */
#include "modules/files/fs.h"

#include <stdio.h>

/* ---- READ -------------------------------------------------------------------------- */

/* What one reply may hold: as much as the largest bulk string of the protocol. */
#define READ_BYTES_MAX (512ull << 20)

struct read_options {
    bool meta, range, lines;
    uint64_t offset, len; /* len UINT64_MAX: to the end */
    uint64_t first, last;
};

static bool read_lines_option(call *c, size_t i, struct read_options *r) {
    int64_t first, last;
    if (!call_int(c, i, &first) || !call_int(c, i + 1, &last)) return false;
    if (first < 1 || last < first) {
        (void)reply_error(c,
                          "EINVAL lines are counted from 1, the first before the last");
        return false;
    }
    r->first = (uint64_t)first;
    r->last = (uint64_t)last;
    r->lines = true;
    return true;
}

/* [OFFSET o] [LEN n] | [LINES a b] [WITHMETA]. False after an error reply. */
static bool read_options(call *c, struct read_options *r) {
    *r = (struct read_options){.len = UINT64_MAX};
    for (size_t i = 3; i < call_argc(c); i++) {
        size_t more = call_argc(c) - i - 1;
        if (call_arg_is(c, i, "withmeta")) {
            r->meta = true;
        } else if (call_arg_is(c, i, "offset") && more >= 1) {
            if (!fs_size(c, ++i, &r->offset)) return false;
            r->range = true;
        } else if (call_arg_is(c, i, "len") && more >= 1) {
            int64_t n;
            if (!call_int(c, ++i, &n)) return false;
            if (n < 0) return (void)fs_error(c, FS_EINVAL), false;
            r->len = (uint64_t)n;
            r->range = true;
        } else if (call_arg_is(c, i, "lines") && more >= 2) {
            if (!read_lines_option(c, i + 1, r)) return false;
            i += 2;
        } else {
            (void)reply_syntax(c);
            return false;
        }
    }
    if (!r->lines || !r->range) return true;
    (void)reply_syntax(c);
    return false;
}

/* The search for lines goes on where it was when a page was cold. */
static int read_lines(call *c, const struct volume *v, const struct inode *f,
                      const struct read_options *r, uint64_t *offset, uint64_t *len) {
    struct line_search *s = call_state(c);
    if (s == NULL) {
        s = mem_calloc(1, sizeof(*s));
        call_set_state(c, s, mem_free);
    }
    return volume_lines(v, f, r->first, r->last, s, offset, len);
}

int cmd_fs_read(call *c) {
    struct volume v;
    struct path p;
    struct fs_walk w;
    struct read_options r;
    if (!read_options(c, &r) || !fs_path(c, 2, &p)) return OK;
    int rc = fs_open(c, false, &v);
    if (rc == OK) rc = fs_walk(&v, &p, &w);
    if (rc != OK) return rc;
    if (w.found == FS_NOT_DIR) return fs_error(c, FS_ENOTDIR);
    if (w.found == FS_MISSING) return fs_error(c, FS_ENOENT);
    if (w.at.type == INODE_DIR) return fs_error(c, FS_EISDIR);
    uint64_t offset = r.offset < w.at.size ? r.offset : w.at.size;
    uint64_t len = w.at.size - offset;
    if (r.lines) {
        rc = read_lines(c, &v, &w.at, &r, &offset, &len);
        if (rc != OK) return rc;
    } else if (r.len < len) {
        len = r.len;
    }
    if (len > READ_BYTES_MAX) {
        return reply_error(
            c, "EINVAL more than 512 MiB: read it in parts with OFFSET and LEN");
    }
    buf *out = call_out(c);
    if (r.meta) {
        reply_array(c, 3);
        reply_int(c, (int64_t)w.at.version);
        reply_int(c, (int64_t)w.at.size);
    }
    resp_bulk_head(out, (size_t)len);
    rc = volume_read(&v, &w.at, offset, len, out);
    if (rc == OK) buf_append(out, "\r\n", 2);
    return rc;
}

/* ---- STAT and INFO ----------------------------------------------------------------- */

int cmd_fs_stat(call *c) {
    struct volume v;
    struct path p;
    struct fs_walk w;
    /* NOFOLLOW is about links, which no path has yet: it changes nothing. */
    if (call_argc(c) > 4 || (call_argc(c) == 4 && !call_arg_is(c, 3, "nofollow"))) {
        return reply_syntax(c);
    }
    if (!fs_path(c, 2, &p)) return OK;
    int rc = fs_open(c, false, &v);
    if (rc != OK) return rc;
    if (v.obj == NULL) return reply_null(c);
    rc = fs_walk(&v, &p, &w);
    if (rc != OK) return rc;
    if (w.found == FS_NOT_DIR) return fs_error(c, FS_ENOTDIR);
    if (w.found == FS_MISSING) return reply_null(c);
    fs_reply_stat(c, &w.at);
    return OK;
}

int cmd_fs_info(call *c) {
    struct volume v;
    struct volume_info info;
    int rc = fs_open(c, false, &v);
    if (rc != OK) return rc;
    if (v.obj == NULL) return fs_error(c, FS_ENOENT);
    volume_info(&v, &info);
    reply_map(c, 3);
    reply_bulk_str(c, "inodes");
    reply_int(c, (int64_t)info.inodes);
    reply_bulk_str(c, "bytes");
    reply_int(c, (int64_t)info.bytes);
    reply_bulk_str(c, "version");
    return reply_int(c, (int64_t)info.version);
}

/* ---- LS ---------------------------------------------------------------------------- */

#define LS_COUNT 1000
#define LS_COUNT_MAX                                                                     \
    100000 /* Names looked at in one call: a listing does not hold the loop. */

struct ls {
    slice after, glob;
    bool stat, has_glob;
    size_t count, seen; /* names to look at, and looked at */
    bool more;
    buf found; /* u64 inode, u16 length and bytes of the name, ... */
    size_t found_n;
    uint8_t last[VOLUME_NAME_MAX];
    size_t last_n;
};

/* A cursor is "0", or a dot and the last name that was looked at. */
static bool ls_cursor(slice s, struct ls *l) {
    if (slice_eq(s, SLICE("0"))) return true;
    if (s.n < 2 || s.p[0] != '.' || s.n - 1 > VOLUME_NAME_MAX) return false;
    l->after = slice_make(s.p + 1, s.n - 1);
    return true;
}

/* [CURSOR c] [COUNT n] [WITHSTAT] [GLOB g]. False after an error reply. */
static bool ls_options(call *c, struct ls *l) {
    *l = (struct ls){.count = LS_COUNT};
    for (size_t i = 3; i < call_argc(c); i++) {
        bool more = i + 1 < call_argc(c);
        if (call_arg_is(c, i, "withstat")) {
            l->stat = true;
        } else if (call_arg_is(c, i, "cursor") && more) {
            if (!ls_cursor(call_arg(c, ++i), l)) {
                (void)reply_error(c, "ERR invalid cursor");
                return false;
            }
        } else if (call_arg_is(c, i, "count") && more) {
            int64_t n;
            if (!call_int(c, ++i, &n)) return false;
            if (n < 1) return (void)reply_syntax(c), false;
            l->count = n < LS_COUNT_MAX ? (size_t)n : LS_COUNT_MAX;
        } else if (call_arg_is(c, i, "glob") && more) {
            l->glob = call_arg(c, ++i);
            l->has_glob = true;
        } else {
            (void)reply_syntax(c);
            return false;
        }
    }
    return true;
}

static int ls_one(void *cookie, slice name, uint64_t ino, uint8_t type) {
    struct ls *l = cookie;
    (void)type;
    if (l->seen == l->count) {
        l->more = true;
        return 1;
    }
    l->seen++;
    memcpy(l->last, name.p, name.n);
    l->last_n = name.n;
    if (l->has_glob && !glob_match(l->glob, name, false)) return 0;
    buf_u64(&l->found, ino);
    buf_u16(&l->found, (uint16_t)name.n);
    buf_append_slice(&l->found, name);
    l->found_n++;
    return 0;
}

static int ls_reply_found(call *c, const struct volume *v, const struct ls *l) {
    reader r = reader_make(slice_of(&l->found));
    int cold = OK;
    reply_array(c, l->found_n);
    while (reader_left(&r) > 0) {
        struct inode i;
        uint64_t ino = read_u64(&r);
        size_t n = read_u16(&r);
        slice name = read_raw(&r, n);
        if (!l->stat) {
            reply_bulk(c, name);
            continue;
        }
        int rc = volume_inode(v, ino, &i);
        if (rc == ERR_COLD) {
            cold = rc; /* The others are asked for as well. */
            continue;
        }
        if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
        reply_array(c, 2);
        reply_bulk(c, name);
        fs_reply_stat(c, &i);
    }
    return cold;
}

static int ls_reply(call *c, const struct volume *v, struct ls *l, uint64_t dir) {
    int rc = volume_list(v, dir, l->after, ls_one, l);
    if (rc != OK && rc != 1) return rc;
    reply_array(c, 2);
    if (l->more) {
        uint8_t cursor[1 + VOLUME_NAME_MAX] = {'.'};
        memcpy(cursor + 1, l->last, l->last_n);
        reply_bulk(c, slice_make(cursor, 1 + l->last_n));
    } else {
        reply_bulk_str(c, "0");
    }
    return ls_reply_found(c, v, l);
}

int cmd_fs_ls(call *c) {
    struct volume v;
    struct path p;
    struct fs_walk w;
    struct ls l;
    if (!ls_options(c, &l) || !fs_path(c, 2, &p)) return OK;
    int rc = fs_open(c, false, &v);
    if (rc != OK) return rc;
    if (v.obj == NULL) return fs_error(c, FS_ENOENT);
    rc = fs_walk(&v, &p, &w);
    if (rc != OK) return rc;
    if (w.found == FS_MISSING) return fs_error(c, FS_ENOENT);
    if (w.found == FS_NOT_DIR || w.at.type != INODE_DIR) return fs_error(c, FS_ENOTDIR);
    rc = ls_reply(c, &v, &l, w.at.ino);
    buf_free(&l.found);
    return rc;
}
