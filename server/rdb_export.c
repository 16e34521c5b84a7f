/* rdb_export.c -- all keys of the numbered databases as an RDB file.
 *
 *   SELECT, SCAN -> for each key PEXPIRETIME and DUMP -> records -> checksum -> fsync, rename
 *
 * The version in the header is the least that can express all values; it is known at the end, and the
 * checksum covers it: the file is read once more for that. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "rdb_file.h"
#include "types/rdb.h"

#define PROGRESS_US 5000000
#define SCAN_COUNT "128"
#define DUMP_FOOTER_BYTES 10
#define COPY_BYTES (256u << 10)
#define HEADER_BYTES 9
#define NO_PAYLOAD "ERR not supported for a value of this type" /* what DUMP answers for a volume */
#define OP_AUX 0xFA
#define OP_EXPIRE_MS 0xFC
#define OP_SELECT 0xFE
#define OP_END 0xFF

struct rdb_export {
    logger *log;
    char *path, *part; /* the file, and what it is called until it is whole */
    FILE *f;
    int64_t databases;
    unsigned version;
    /* from start() on */
    loop *l;
    inner_client *client;
    void (*done)(void *cookie, int rc);
    void *cookie;
    timer *next;
    int64_t db;
    bool db_written;
    buf cursor;
    size_t in_flight;
    struct asked_key { buf key; int64_t expire_ms; } *keys; /* of one SCAN's answer */
    size_t keys_n, keys_at;
    uint64_t written, left_out, shown_us;
    int rc;
};

static void ask_scan(struct rdb_export *x);

static void fail(struct rdb_export *x, const char *what) {
    if (x->rc != OK) return;
    x->rc = ERR_IO;
    log_line(x->log, LOG_WARNING, "export: %s: %s", x->part, what);
}

static void put(struct rdb_export *x, const void *p, size_t n) {
    if (x->rc == OK && n > 0 && fwrite(p, n, 1, x->f) != 1) fail(x, strerror(errno));
}

static void put_buf(struct rdb_export *x, buf *b) {
    put(x, b->p, b->n);
    b->n = 0;
}

static void put_aux(struct rdb_export *x, const char *name, const char *value) {
    buf b = BUF_INIT;
    buf_u8(&b, OP_AUX);
    rdb_write_string(&b, slice_str(name));
    rdb_write_string(&b, slice_str(value));
    put_buf(x, &b);
    buf_free(&b);
}

int rdb_export_open(const char *path, int64_t databases, logger *log, struct rdb_export **out, char why[256]) {
    struct rdb_export *x = mem_calloc(1, sizeof(*x));
    x->log = log;
    x->databases = databases;
    x->version = RDB_VERSION;
    x->path = mem_strdup(path);
    buf part = BUF_INIT;
    buf_printf(&part, "%s.tmp", path);
    x->part = slice_strdup(slice_of(&part));
    buf_free(&part);
    x->f = fopen(x->part, "w+be");
    if (x->f == NULL) {
        snprintf(why, 256, "%.150s: %.90s", x->part, strerror(errno));
        rdb_export_free(x);
        return ERR_IO;
    }
    put(x, "REDIS0000", HEADER_BYTES);
    put_aux(x, "redis-ver", REDIS_VERSION);
    put_aux(x, "redis-bits", "64");
    put_aux(x, "cove-ver", COVE_VERSION);
    *out = x;
    return OK;
}

static void forget_keys(struct rdb_export *x) {
    for (size_t i = 0; i < x->keys_n; i++) buf_free(&x->keys[i].key);
    mem_free(x->keys);
    x->keys = NULL;
    x->keys_n = x->keys_at = 0;
}

void rdb_export_free(struct rdb_export *x) {
    if (x == NULL) return;
    if (x->next != NULL) loop_timer_cancel(x->l, x->next);
    if (x->f != NULL) { /* It did not get whole. */
        (void)fclose(x->f);
        (void)unlink(x->part);
    }
    forget_keys(x);
    buf_free(&x->cursor);
    mem_free(x->path);
    mem_free(x->part);
    mem_free(x);
}

/* ---- the end of the file ----------------------------------------------------------------------- */

static int checksum(struct rdb_export *x, uint64_t *crc) {
    uint8_t *bytes = mem_alloc(COPY_BYTES);
    size_t n;
    *crc = 0;
    rewind(x->f);
    while ((n = fread(bytes, 1, COPY_BYTES, x->f)) > 0) *crc = crc64(*crc, bytes, n);
    mem_free(bytes);
    return ferror(x->f) ? ERR_IO : OK;
}

static void finish(struct rdb_export *x) {
    char header[16];
    uint8_t end = OP_END, tail[8];
    uint64_t crc;
    put(x, &end, 1);
    snprintf(header, sizeof(header), "REDIS%04u", x->version);
    rewind(x->f);
    put(x, header, HEADER_BYTES);
    if (x->rc == OK && checksum(x, &crc) != OK) fail(x, strerror(errno));
    if (x->rc != OK) return;
    put_u64(tail, crc);
    if (fseek(x->f, 0, SEEK_END) != 0) fail(x, strerror(errno));
    put(x, tail, sizeof(tail));
    if (x->rc == OK && (fflush(x->f) != 0 || fsync(fileno(x->f)) != 0)) fail(x, strerror(errno));
    if (x->rc != OK) return;
    (void)fclose(x->f); /* It is on the disk. */
    x->f = NULL;
    if (rename(x->part, x->path) != 0) {
        fail(x, strerror(errno));
        return;
    }
    log_line(x->log, LOG_NOTICE, "export: %llu keys are in %s, RDB version %u",
             (unsigned long long)x->written, x->path, x->version);
    if (x->left_out == 0) return;
    log_line(x->log, LOG_WARNING, "export: %llu keys are left out: RDB has no type that could hold them",
             (unsigned long long)x->left_out);
    x->rc = ERR_UNSUPPORTED;
}

static void all_done(void *cookie) {
    struct rdb_export *x = cookie;
    x->next = NULL;
    if (x->rc == OK) finish(x);
    x->done(x->cookie, x->rc);
}

/* ---- keys ------------------------------------------------------------------------------------------ */

static void write_key(struct rdb_export *x, const struct asked_key *k, slice dump) {
    buf b = BUF_INIT;
    if (dump.n <= DUMP_FOOTER_BYTES) {
        fail(x, "a payload without a value");
        return;
    }
    unsigned version = get_u16(dump.p + dump.n - DUMP_FOOTER_BYTES);
    if (version > x->version) x->version = version;
    if (!x->db_written) {
        buf_u8(&b, OP_SELECT);
        rdb_write_len(&b, (uint64_t)x->db);
        x->db_written = true;
    }
    if (k->expire_ms >= 0) {
        buf_u8(&b, OP_EXPIRE_MS);
        buf_u64(&b, (uint64_t)k->expire_ms);
    }
    buf_u8(&b, dump.p[0]);
    rdb_write_string(&b, slice_of(&k->key));
    put_buf(x, &b);
    put(x, dump.p + 1, dump.n - 1 - DUMP_FOOTER_BYTES);
    buf_free(&b);
    x->written++;
}

static void show(struct rdb_export *x) {
    uint64_t now = loop_now_us(x->l);
    if (now - x->shown_us < PROGRESS_US) return;
    x->shown_us = now;
    log_line(x->log, LOG_NOTICE, "export: %llu keys", (unsigned long long)x->written);
}

/* False: this one, or one before it, says that it goes no further. */
static bool fine(struct rdb_export *x, const struct inner_reply *r) {
    x->in_flight--;
    if (r == NULL) {
        fail(x, "the connection ended");
    } else if (r->kind == '-') {
        char what[160];
        snprintf(what, sizeof(what), "%.*s", (int)r->text.n, (const char *)r->text.p);
        fail(x, what);
    }
    if (x->rc == OK) return true;
    if (x->in_flight == 0 && x->next == NULL) x->next = loop_timer(x->l, 0, all_done, x);
    return false;
}

static void ask(struct rdb_export *x, const slice *argv, size_t argc, inner_done *fn) {
    x->in_flight++;
    inner_client_send(x->client, argv, argc, fn, x);
}

static void got_expiry(void *cookie, const struct inner_reply *r) {
    struct rdb_export *x = cookie;
    if (fine(x, r)) x->keys[x->keys_at].expire_ms = r->num;
}

static void got_dump(void *cookie, const struct inner_reply *r) {
    struct rdb_export *x = cookie;
    const struct asked_key *k = &x->keys[x->keys_at++];
    if (x->rc == OK && r != NULL && r->kind == '-' && slice_eq(r->text, SLICE(NO_PAYLOAD))) {
        x->in_flight--;
        x->left_out++;
    } else if (!fine(x, r)) {
        return;
    } else if (r->kind == '$') {
        write_key(x, k, r->text);
    }
    show(x);
    if (x->keys_at == x->keys_n) ask_scan(x);
}

static void got_selected(void *cookie, const struct inner_reply *r) {
    struct rdb_export *x = cookie;
    if (!fine(x, r)) return;
    x->cursor.n = 0;
    buf_append_str(&x->cursor, "0");
    x->db_written = false;
    x->keys_n = x->keys_at = 0;
    ask_scan(x);
}

static void next_db(struct rdb_export *x) {
    char number[NUM_LL_MAX];
    x->db++;
    if (x->db == x->databases) {
        if (x->next == NULL) x->next = loop_timer(x->l, 0, all_done, x);
        return;
    }
    slice select[2] = {SLICE("SELECT"), slice_make(number, num_print_ll(number, x->db))};
    ask(x, select, 2, got_selected);
}

static void got_scan(void *cookie, const struct inner_reply *r) {
    struct rdb_export *x = cookie;
    if (!fine(x, r)) return;
    if (r->kind != '*' || r->count != 2 || r->items[1].kind != '*') {
        fail(x, "SCAN answers something else");
        if (x->next == NULL) x->next = loop_timer(x->l, 0, all_done, x);
        return;
    }
    x->cursor.n = 0;
    buf_append_slice(&x->cursor, r->items[0].text);
    size_t n = r->items[1].count;
    x->keys = mem_calloc(n + 1, sizeof(*x->keys));
    x->keys_n = n;
    for (size_t i = 0; i < n; i++) {
        slice key = r->items[1].items[i].text;
        slice expiry[2] = {SLICE("PEXPIRETIME"), key}, dump[2] = {SLICE("DUMP"), key};
        x->keys[i].expire_ms = -1;
        buf_append_slice(&x->keys[i].key, key);
        ask(x, expiry, 2, got_expiry);
        ask(x, dump, 2, got_dump);
    }
    if (n == 0) ask_scan(x);
}

/* The next keys, or the next database. */
static void ask_scan(struct rdb_export *x) {
    bool begun = x->keys != NULL;
    forget_keys(x);
    if (begun && slice_is(slice_of(&x->cursor), "0")) {
        next_db(x);
        return;
    }
    slice argv[4] = {SLICE("SCAN"), slice_of(&x->cursor), SLICE("COUNT"), SLICE(SCAN_COUNT)};
    ask(x, argv, 4, got_scan);
}

void rdb_export_start(struct rdb_export *x, loop *l, inner_client *client, void (*done)(void *cookie, int rc),
                      void *cookie) {
    x->l = l;
    x->client = client;
    x->done = done;
    x->cookie = cookie;
    x->db = -1;
    x->shown_us = loop_now_us(l);
    next_db(x);
}
