/* debug_data.c -- the part of DEBUG that looks at data, makes some, or drops memory. */
#include <assert.h>

#include "base/mem.h"
#include "base/num.h"
#include "commands/debug.h"
#include "resp/write.h"
#include "types/digest.h"

/* ---- RELOAD, LOADAOF ---------------------------------------------------------------------------- */

struct reload {
    parked *parked;
    int rc;
    bool gone;
};

static void reload_done(void *cookie, int rc) {
    struct reload *r = cookie;
    r->rc = rc;
    if (r->gone) mem_free(r);
    else parked_resume(r->parked);
}

static int reload_reply(call *c) {
    struct reload *r = call_cookie(c);
    int rc = r->rc;
    mem_free(r);
    return rc == OK ? reply_ok(c) : reply_errorf(c, "ERR the reload failed: %s", err_text(rc));
}

static void reload_canceled(void *cookie) { ((struct reload *)cookie)->gone = true; }

static int reload(call *c) {
    if (!call_may_park(c)) return reply_error(c, "ERR a reload is not possible inside MULTI");
    struct reload *r = mem_calloc(1, sizeof(*r));
    r->parked = call_park(c, reload_reply, r, reload_canceled);
    tier_reload(call_tier(c), reload_done, r);
    return ERR_AGAIN;
}

/* The options are about a file that has to be written or replaced; the store needs neither. */
int debug_reload(call *c) {
    for (size_t i = 2; i < call_argc(c); i++) {
        if (call_arg_is(c, i, "merge") || call_arg_is(c, i, "noflush") ||
            call_arg_is(c, i, "nosave")) continue;
        return reply_error(c, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE "
                              "options.");
    }
    return reload(c);
}

int debug_loadaof(call *c) { return reload(c); }

int debug_drop_clean(call *c) {
    bool first = call_argc(c) == 3 && call_arg_is(c, 2, "first");
    if (call_argc(c) == 3 && !first) return reply_syntax(c);
    keyspace *ks = call_keyspace(c);
    return reply_int(c, (int64_t)(first ? keyspace_drop_clean_first(ks) : keyspace_drop_clean(ks)));
}

int debug_check(call *c) {
    char why[160] = "";
    int rc = keyspace_check(call_keyspace(c), why);
    return rc == OK ? reply_ok(c) : reply_errorf(c, "ERR the check failed: %s", why);
}

/* ---- looking ------------------------------------------------------------------------------------ */

static const struct type *type_of(call *c, const struct entry *e) {
    return exec_deps(call_exec(c))->types->by_id[e->value.type];
}

int debug_object(call *c) {
    struct entry e;
    if (call_argc(c) == 4 && !call_arg_is(c, 3, "fast")) return reply_syntax(c);
    int rc = call_peek(c, call_arg(c, 2), &e);
    if (rc != OK) return rc;
    buf payload = BUF_INIT;
    rc = type_of(c, &e)->dump(&e.value, &payload);
    if (rc == OK) {
        buf line = BUF_INIT;
        const void *at = e.value.kind == VALUE_OBJECT ? (const void *)e.value.obj : e.access_at;
        buf_printf(&line,
                   "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%lu "
                   "lru_seconds_idle:%llu",
                   at, type_of(c, &e)->encoding(&e.value), payload.n - 1, (unsigned long)e.access,
                   (unsigned long long)keyspace_idle_s(call_keyspace(c), &e));
        resp_status_slice(call_out(c), slice_of(&line));
        buf_free(&line);
    }
    buf_free(&payload);
    return rc;
}

int debug_listpack(call *c) {
    struct entry e;
    int rc = call_peek(c, call_arg(c, 2), &e);
    if (rc != OK) return rc;
    const char *encoding = type_of(c, &e)->encoding(&e.value);
    if (strcmp(encoding, "listpack") != 0) {
        return reply_error(c, "ERR Not a listpack encoded object.");
    }
    log_line(exec_deps(call_exec(c))->log, LOG_NOTICE, "DEBUG LISTPACK: %llu elements, %zu bytes",
             (unsigned long long)type_of(c, &e)->length(&e.value),
             keyspace_entry_bytes(call_keyspace(c), &e));
    return reply_status(c, "Listpack structure printed in the log");
}

static void write_digest(call *c, const uint8_t digest[20]) {
    char hex[41];
    for (size_t i = 0; i < 20; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[40] = '\0';
    reply_status(c, hex);
}

int debug_digest(call *c) {
    uint8_t digest[20] = {0};
    int rc = keyspace_digest(call_keyspace(c), digest);
    if (rc == OK) write_digest(c, digest);
    return rc;
}

/* A value's own digest; whether it has an expiry is part of it, as in Redis. */
int debug_digest_value(call *c) {
    int cold = OK;
    reply_array(c, call_argc(c) - 2);
    for (size_t i = 2; i < call_argc(c); i++) {
        struct entry e;
        uint8_t digest[20] = {0};
        int rc = call_peek(c, call_arg(c, i), &e);
        if (rc == OK) rc = type_of(c, &e)->digest(&e.value, digest);
        if (rc == OK && e.expire_ms >= 0) digest_xor(digest, "!!expire!!", 10);
        if (rc == ERR_COLD) cold = ERR_COLD;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
        write_digest(c, digest);
    }
    return cold;
}

/* ---- POPULATE: in steps, each a transaction of its own ------------------------------------------ */

#define POPULATE_STEP 1000       /* Keys of one step. */
#define POPULATE_STEP_BYTES (4 << 20)
#define POPULATE_RETRY_MS 5      /* When the log is behind. */
#define POPULATE_VALUE_MAX (16 << 20)

struct populate {
    uint64_t next, count;
    char *prefix;
    size_t bytes; /* 0: as long as it is */
};

static void populate_free(void *p) {
    mem_free(((struct populate *)p)->prefix);
    mem_free(p);
}

static int populate_key(call *c, const struct populate *p) {
    struct entry e;
    buf key = BUF_INIT, value = BUF_INIT;
    buf_printf(&key, "%s:%llu", p->prefix, (unsigned long long)p->next);
    buf_printf(&value, "value:%llu", (unsigned long long)p->next);
    if (p->bytes > value.n) {
        size_t more = p->bytes - value.n;
        buf_reserve(&value, more);
        memset(value.p + value.n, 0, more);
        value.n = p->bytes;
    } else if (p->bytes != 0) {
        value.n = p->bytes;
    }
    int rc = call_write(c, slice_of(&key), &e);
    if (rc == ERR_NOTFOUND) rc = call_set_string(c, slice_of(&key), slice_of(&value), -1);
    buf_free(&key);
    buf_free(&value);
    return rc;
}

/* One step. OK: all are made; ERR_AGAIN: there is more. */
static int populate_some(call *c, struct populate *p, size_t most) {
    size_t bytes = 0;
    while (p->next < p->count) {
        int rc = populate_key(c, p);
        if (rc != OK) return rc;
        p->next++;
        bytes += p->bytes;
        if (--most == 0 || bytes >= POPULATE_STEP_BYTES) break;
    }
    return p->next < p->count ? ERR_AGAIN : OK;
}

static int populate_again(call *c) {
    struct populate *p = call_state(c);
    const char *why;
    assert(p != NULL);
    bool admitted = tier_admit(call_tier(c), &why) == OK;
    int rc = admitted ? populate_some(c, p, POPULATE_STEP) : ERR_AGAIN;
    if (rc == OK) return reply_ok(c);
    if (rc != ERR_AGAIN) return rc;
    parked *w = call_park(c, populate_again, NULL, NULL);
    if (admitted) parked_resume(w);
    else parked_timeout(w, POPULATE_RETRY_MS);
    return ERR_AGAIN;
}

int debug_populate(call *c) {
    int64_t count, bytes = 0;
    const char *why = NULL;
    if (call_state(c) != NULL && call_may_park(c)) return populate_again(c);
    if (!call_int(c, 2, &count)) return OK;
    if (count < 0) return reply_error(c, "ERR value is out of range, must be positive");
    if (call_argc(c) == 5 && !call_int_in(c, 4, 0, POPULATE_VALUE_MAX, &bytes, NULL)) return OK;
    if (tier_admit(call_tier(c), &why) != OK) return reply_error(c, why);
    struct populate *p = mem_calloc(1, sizeof(*p));
    p->count = (uint64_t)count;
    p->bytes = (size_t)bytes;
    p->prefix = call_argc(c) > 3 ? slice_strdup(call_arg(c, 3)) : mem_strdup("key");
    call_set_state(c, p, populate_free);
    if (call_may_park(c)) return populate_again(c);
    int rc = populate_some(c, p, SIZE_MAX);
    while (rc == ERR_AGAIN) rc = populate_some(c, p, SIZE_MAX);
    return rc == OK ? reply_ok(c) : rc;
}
