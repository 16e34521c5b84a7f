/* rdb_import.c -- the keys of an RDB file, sent as RESTORE commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"
#include "rdb_file.h"

#define WINDOW_BYTES ((size_t)8 << 20) /* sent and not answered */
#define WINDOW_COMMANDS 512
#define PROGRESS_US 5000000
#define KEY_SHOWN 64

struct sent { /* a command under way, in order */
    size_t bytes;
    bool restores;
    uint8_t key[KEY_SHOWN];
    uint8_t key_n;
};

struct rdb_import {
    logger *log;
    int fd;
    slice file;
    struct rdb_walk walk;
    uint64_t keys_all;
    /* from start() on */
    loop *l;
    inner_client *client;
    void (*done)(void *cookie, int rc);
    void *cookie;
    timer *next;
    uint64_t db, keys, stored, expired, shown_us; /* keys: sent; stored: answered */
    struct sent sent[WINDOW_COMMANDS];
    size_t first, in_flight, in_flight_bytes;
    bool at_end, saving;
    int rc;
};

static void import_step(void *cookie);

static int refuse(char why[256], const char *path, const char *what) {
    snprintf(why, 256, "%.150s: %.90s", path, what);
    return ERR_CORRUPT;
}

/* The whole file, before anything is changed. */
static int look_through(struct rdb_import *m, int64_t databases, const char *path, char why[256]) {
    enum rdb_item_kind kind = RDB_ITEM_OTHER;
    int rc = rdb_walk_start(&m->walk, m->file);
    while (rc == OK && kind != RDB_ITEM_END) {
        struct rdb_item item;
        rc = rdb_walk_next(&m->walk, &kind, &item);
        if (rc != OK || kind != RDB_ITEM_KEY) continue;
        m->keys_all++;
        if (item.db >= (uint64_t)databases) {
            snprintf(why, 256, "%.100s has keys in database %llu, and there are only %lld: set databases", path,
                     (unsigned long long)item.db, (long long)databases);
            return ERR_SYNTAX;
        }
    }
    if (rc != OK) return refuse(why, path, m->walk.why);
    if (m->walk.functions > 0)
        log_line(m->log, LOG_WARNING, "import: %llu function libraries are left out: there are none here",
                 (unsigned long long)m->walk.functions);
    rdb_walk_end(&m->walk);
    return rdb_walk_start(&m->walk, m->file);
}

int rdb_import_open(const char *path, int64_t databases, logger *log, struct rdb_import **out, char why[256]) {
    struct rdb_import *m = mem_calloc(1, sizeof(*m));
    struct stat st;
    m->log = log;
    m->fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = m->fd < 0 || fstat(m->fd, &st) != 0 ? refuse(why, path, strerror(errno))
             : !S_ISREG(st.st_mode)              ? refuse(why, path, "not a file")
             : st.st_size == 0                   ? refuse(why, path, "the file is empty")
                                                 : OK;
    if (rc == OK) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, m->fd, 0);
        if (p == MAP_FAILED) rc = refuse(why, path, strerror(errno));
        else m->file = slice_make(p, (size_t)st.st_size);
    }
    if (rc == OK) {
        (void)madvise((void *)(uintptr_t)m->file.p, m->file.n, MADV_SEQUENTIAL); /* Slower without. */
        rc = look_through(m, databases, path, why);
    }
    if (rc != OK) {
        rdb_import_free(m);
        return rc;
    }
    log_line(log, LOG_NOTICE, "import: %s is whole: %llu keys in %zu bytes, RDB version %u", path,
             (unsigned long long)m->keys_all, m->file.n, m->walk.version);
    *out = m;
    return OK;
}

void rdb_import_free(struct rdb_import *m) {
    if (m == NULL) return;
    if (m->next != NULL) loop_timer_cancel(m->l, m->next);
    rdb_walk_end(&m->walk);
    if (m->file.p != NULL) (void)munmap((void *)(uintptr_t)m->file.p, m->file.n);
    if (m->fd >= 0) (void)close(m->fd);
    mem_free(m);
}

/* ---- sending ------------------------------------------------------------------------------------- */

static void later(struct rdb_import *m) {
    if (m->next == NULL) m->next = loop_timer(m->l, 0, import_step, m);
}

static void answered(void *cookie, const struct inner_reply *reply) {
    struct rdb_import *m = cookie;
    struct sent *s = &m->sent[m->first];
    m->first = (m->first + 1) % WINDOW_COMMANDS;
    m->in_flight--;
    m->in_flight_bytes -= s->bytes;
    m->stored += s->restores && reply != NULL && reply->kind != '-';
    if (m->rc == OK && (reply == NULL || reply->kind == '-')) {
        slice text = reply == NULL ? SLICE("the connection ended") : reply->text;
        m->rc = ERR_IO;
        log_line(m->log, LOG_WARNING, "import: stopped at %.*s after %llu of %llu keys: %.*s", (int)s->key_n,
                 (const char *)s->key, (unsigned long long)m->stored,
                 (unsigned long long)m->keys_all, (int)text.n, (const char *)text.p);
    }
    later(m);
}

static void send(struct rdb_import *m, const slice *argv, size_t argc, slice key) {
    struct sent *s = &m->sent[(m->first + m->in_flight++) % WINDOW_COMMANDS];
    s->bytes = 0;
    s->restores = slice_is(argv[0], "restore");
    for (size_t i = 0; i < argc; i++) s->bytes += argv[i].n;
    s->key_n = (uint8_t)(key.n < KEY_SHOWN ? key.n : KEY_SHOWN);
    if (s->key_n > 0) memcpy(s->key, key.p, s->key_n);
    m->in_flight_bytes += s->bytes;
    inner_client_send(m->client, argv, argc, answered, m);
}

static void send_key(struct rdb_import *m, const struct rdb_item *item) {
    char number[NUM_LL_MAX], ttl[NUM_LL_MAX], access[NUM_LL_MAX];
    if (item->db != m->db) {
        slice select[2] = {SLICE("SELECT"), slice_make(number, num_print_ull(number, item->db))};
        m->db = item->db;
        send(m, select, 2, select[0]);
    }
    buf payload = BUF_INIT; /* as DUMP makes it */
    buf_u8(&payload, item->type);
    buf_append_slice(&payload, item->payload);
    buf_u16(&payload, (uint16_t)m->walk.version);
    buf_u64(&payload, crc64(0, payload.p, payload.n));
    slice argv[8] = {SLICE("RESTORE"), item->key,
                     slice_make(ttl, num_print_ll(ttl, item->expire_ms < 0 ? 0 : item->expire_ms)),
                     slice_of(&payload), SLICE("REPLACE"), SLICE("ABSTTL")};
    size_t argc = 6;
    if (item->freq >= 0 || item->idle_s >= 0) {
        argv[argc++] = item->freq >= 0 ? SLICE("FREQ") : SLICE("IDLETIME");
        argv[argc++] = slice_make(access, num_print_ll(access, item->freq >= 0 ? item->freq : item->idle_s));
    }
    send(m, argv, argc, item->key);
    m->keys++;
    buf_free(&payload);
}

static void show(struct rdb_import *m) {
    uint64_t now = loop_now_us(m->l);
    if (now - m->shown_us < PROGRESS_US) return;
    m->shown_us = now;
    log_line(m->log, LOG_NOTICE, "import: %llu of %llu keys", (unsigned long long)m->keys,
             (unsigned long long)m->keys_all);
}

static void send_more(struct rdb_import *m) {
    while (!m->at_end && m->rc == OK && m->in_flight + 2 <= WINDOW_COMMANDS &&
           m->in_flight_bytes < WINDOW_BYTES) {
        enum rdb_item_kind kind;
        struct rdb_item item;
        m->rc = rdb_walk_next(&m->walk, &kind, &item);
        if (m->rc != OK) {
            log_line(m->log, LOG_WARNING, "import: the file has changed meanwhile: %s", m->walk.why);
        } else if (kind == RDB_ITEM_END) {
            m->at_end = true;
        } else if (kind == RDB_ITEM_KEY && item.expire_ms >= 0 && item.expire_ms <= (int64_t)loop_wall_ms(m->l)) {
            m->expired++;
        } else if (kind == RDB_ITEM_KEY) {
            send_key(m, &item);
        }
    }
}

static void import_step(void *cookie) {
    struct rdb_import *m = cookie;
    m->next = NULL;
    if (!m->saving) send_more(m);
    show(m);
    if (m->in_flight > 0) return;
    if (m->rc == OK && !m->at_end) {
        later(m);
        return;
    }
    if (m->rc == OK && !m->saving) {
        slice save = SLICE("SAVE");
        m->saving = true;
        send(m, &save, 1, save);
        return;
    }
    if (m->rc == OK)
        log_line(m->log, LOG_NOTICE, "import: %llu keys are in the store; %llu had expired",
                 (unsigned long long)m->keys, (unsigned long long)m->expired);
    m->done(m->cookie, m->rc);
}

void rdb_import_start(struct rdb_import *m, loop *l, inner_client *client, void (*done)(void *cookie, int rc),
                      void *cookie) {
    m->l = l;
    m->client = client;
    m->done = done;
    m->cookie = cookie;
    m->shown_us = loop_now_us(l);
    /* Nobody waits for a single reply; the checkpoint at the end does. */
    slice ack[3] = {SLICE("CLIENT"), SLICE("ACK"), SLICE("memory")};
    send(m, ack, 3, ack[0]);
}
