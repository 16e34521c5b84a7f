/* hash_fields.c -- hash commands whose fields are counted, "FIELDS n field...", and which give or take values:
 * HGETDEL, HGETEX, HSETEX.
 *
 * Fields are dealt with one after the other, so that a field told twice is seen the second time as the first
 * has left it. */
#include "base/num.h"
#include "commands/commands.h"
#include "commands/hash_commands.h"
#include "commands/keyspecs.h"
#include "types/hash.h"

bool hash_fields_at(call *c, size_t at, const char *bad_count, size_t *first, size_t *end) {
    int64_t n;
    if (!call_arg_is(c, at, "fields") || at + 1 >= call_argc(c)) {
        reply_error(c, "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!call_int_in(c, at + 1, 1, INT32_MAX, &n, bad_count)) return false;
    *first = at + 2;
    *end = call_argc(c);
    if ((uint64_t)n == *end - *first) return true;
    reply_error(c, "ERR The `numfields` parameter must match the number of arguments");
    return false;
}

bool hash_expire_time(call *c, size_t at, bool seconds, bool absolute, int64_t *expire_ms) {
    int64_t v;
    if (!call_int(c, at, &v)) return false;
    if (v < 0) {
        reply_error(c, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (command_expire_at(v, seconds, absolute, call_now_ms(c), expire_ms) &&
        *expire_ms <= HASH_EXPIRE_MAX) return true;
    reply_errorf(c, "ERR invalid expire time in '%s' command", call_command(c)->name);
    return false;
}

int hash_field_now(call *c, slice field, slice *val, int64_t *expire_ms, char tmp[NUM_LL_MAX]) {
    struct entry e;
    int rc = call_peek(c, call_arg(c, 1), &e);
    return rc == OK ? hash_get_timed(&e.value, field, val, expire_ms, tmp) : rc;
}

int hash_expire_field(call *c, slice field, int64_t expire_ms) {
    uint8_t tmp[8];
    slice args[2] = {slice_make(NULL, 0), field};
    slice key = call_arg(c, 1);
    if (expire_ms != 0 && expire_ms <= call_now_ms(c)) {
        return call_value(c, TYPE_HASH, HASH_DEL, key, &field, 1);
    }
    if (expire_ms != 0) {
        put_u64(tmp, (uint64_t)expire_ms);
        args[0] = slice_make(tmp, 8);
    }
    return call_value(c, TYPE_HASH, HASH_EXPIRE, key, args, 2);
}

/* EX, PX, EXAT or PXAT at argument `at`, with its time behind it. */
static bool time_option(const call *c, size_t at, bool *seconds, bool *absolute) {
    *absolute = call_arg_is(c, at, "exat") || call_arg_is(c, at, "pxat");
    *seconds = call_arg_is(c, at, "ex") || call_arg_is(c, at, "exat");
    return *absolute || *seconds || call_arg_is(c, at, "px");
}

/* Each field is told and removed before the next is looked at: told twice, it is nil the second time. */
static int cmd_hgetdel(call *c) {
    struct entry e;
    size_t first, end;
    bool any = false;
    int rc = hash_for_writing(c, &e);
    if (rc != OK || !hash_fields_at(c, 2, HASH_BAD_COUNT, &first, &end)) return rc;
    if (e.value.kind != VALUE_NONE && (rc = hash_need_args(c, &e.value, first, 1)) != OK) return rc;
    reply_array(c, end - first);
    for (size_t i = first; i < end; i++) {
        char tmp[NUM_LL_MAX];
        slice s, field = call_arg(c, i);
        int64_t expire_ms;
        rc = hash_field_now(c, field, &s, &expire_ms, tmp);
        if (rc == ERR_NOTFOUND) {
            reply_null(c);
            continue;
        }
        if (rc != OK) return rc;
        reply_bulk(c, s);
        if ((rc = call_value(c, TYPE_HASH, HASH_DEL, call_arg(c, 1), &field, 1)) != OK) return rc;
        any = true;
    }
    if (any) call_notify(c, 'h', "hdel", call_arg(c, 1));
    if (any && call_peek(c, call_arg(c, 1), &e) == ERR_NOTFOUND) call_notify(c, 'g', "del", call_arg(c, 1));
    return OK;
}

/* ---- HGETEX ------------------------------------------------------------------------------------- */

static int get_and_expire(call *c, slice field, bool change, int64_t at) {
    char tmp[NUM_LL_MAX];
    slice s;
    int64_t had;
    int rc = hash_field_now(c, field, &s, &had, tmp);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    reply_bulk(c, s);
    if (!change || had == at) return OK;
    return hash_expire_field(c, field, at);
}

static int cmd_hgetex(call *c) {
    struct entry e;
    size_t at = 2, first, end;
    int64_t expire_ms = 0;
    bool seconds, absolute;
    int rc = hash_for_writing(c, &e);
    if (rc != OK) return rc;
    bool persist = call_arg_is(c, 2, "persist"), timed = time_option(c, 2, &seconds, &absolute);
    if (timed && !hash_expire_time(c, 3, seconds, absolute, &expire_ms)) return OK;
    at += timed ? 2 : persist;
    if (timed && expire_ms == 0) expire_ms = 1; /* Long ago, and 0 means none. */
    if (!hash_fields_at(c, at, HASH_BAD_COUNT, &first, &end)) return OK;
    if (e.value.kind != VALUE_NONE && (rc = hash_need_args(c, &e.value, first, 1)) != OK) return rc;
    reply_array(c, end - first);
    for (size_t i = first; i < end; i++) {
        rc = get_and_expire(c, call_arg(c, i), timed || persist, expire_ms);
        if (rc != OK) return rc;
    }
    if (timed) call_notify(c, 'h', "hexpire", call_arg(c, 1));
    if (persist) call_notify(c, 'h', "hpersist", call_arg(c, 1));
    return OK;
}

/* ---- HSETEX ------------------------------------------------------------------------------------- */

struct hsetex {
    bool fnx, fxx, keep, timed;
    int64_t expire_ms;
    size_t first, end; /* fields and values */
};

static bool hsetex_error(call *c, const char *text) {
    reply_error(c, text);
    return false;
}

/* One option at *i, which moves behind it. */
static bool hsetex_option(call *c, size_t *i, struct hsetex *o) {
    bool seconds, absolute, fnx = call_arg_is(c, *i, "fnx"), keep = call_arg_is(c, *i, "keepttl");
    if (fnx || call_arg_is(c, *i, "fxx")) {
        if (o->fnx || o->fxx) return hsetex_error(c, "ERR Only one of FXX or FNX arguments can be specified");
        o->fnx = fnx;
        o->fxx = !fnx;
    } else if (keep || time_option(c, *i, &seconds, &absolute)) {
        if (o->keep || o->timed)
            return hsetex_error(
                c, "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
        o->keep = keep;
        o->timed = !keep;
        if (!keep && !hash_expire_time(c, ++*i, seconds, absolute, &o->expire_ms)) return false;
    } else {
        slice a = call_arg(c, *i);
        reply_errorf(c, "ERR unknown argument: %.*s", (int)(a.n < 128 ? a.n : 128), (const char *)a.p);
        return false;
    }
    ++*i;
    return true;
}

/* False after a reply. */
static bool hsetex_options(call *c, struct hsetex *o) {
    size_t i = 2;
    int64_t n;
    while (i < call_argc(c) && !call_arg_is(c, i, "fields")) {
        if (!hsetex_option(c, &i, o)) return false;
    }
    if (i + 1 >= call_argc(c)) {
        reply_arity(c);
        return false;
    }
    if (!call_int_in(c, i + 1, 1, INT32_MAX, &n, "ERR invalid number of fields")) return false;
    o->first = i + 2;
    o->end = call_argc(c);
    if ((uint64_t)n * 2 == o->end - o->first) return true;
    reply_arity(c);
    return false;
}

/* OK and whether the condition lets the fields be set. */
static int hsetex_allowed(call *c, const struct value *v, const struct hsetex *o, bool *allowed) {
    *allowed = true;
    for (size_t i = o->first; i < o->end && (o->fnx || o->fxx) && *allowed; i += 2) {
        char tmp[NUM_LL_MAX];
        int rc = v->kind == VALUE_NONE ? ERR_NOTFOUND : hash_get(v, call_arg(c, i), NULL, tmp);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        *allowed = (rc == OK) == o->fxx;
    }
    return OK;
}

/* What expired and has not been removed yet has no expiry that could be kept. */
static int forget_expired(call *c, const struct hsetex *o) {
    for (size_t i = o->first; i < o->end; i += 2) {
        char tmp[NUM_LL_MAX];
        struct entry e;
        int64_t at = 0;
        int rc = call_peek(c, call_arg(c, 1), &e);
        if (rc == ERR_NOTFOUND) return OK;
        e.value.now_ms = 0;
        if (rc == OK) rc = hash_get_timed(&e.value, call_arg(c, i), NULL, &at, tmp);
        if (rc == OK && at != 0 && at < call_now_ms(c)) rc = hash_expire_field(c, call_arg(c, i), 0);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
    }
    return OK;
}

/* A time that has passed removes the fields. */
static int hsetex_set(call *c, const struct hsetex *o) {
    bool past = o->timed && o->expire_ms <= call_now_ms(c);
    int rc = o->keep ? forget_expired(c, o) : OK;
    if (rc == OK && !past) {
        rc = hash_set_pairs(c, o->keep ? HASH_SET_KEEP : HASH_SET, call_argv(c) + o->first,
                            o->end - o->first);
    }
    for (size_t i = o->first; rc == OK && i < o->end && o->timed; i += 2) {
        slice field = call_arg(c, i);
        rc = past ? call_value(c, TYPE_HASH, HASH_DEL, call_arg(c, 1), &field, 1)
                  : hash_expire_field(c, field, o->expire_ms);
    }
    if (rc != OK) return rc;
    call_notify(c, 'h', "hset", call_arg(c, 1));
    if (o->timed) call_notify(c, 'h', "hexpire", call_arg(c, 1));
    return reply_int(c, 1);
}

static int cmd_hsetex(call *c) {
    struct entry e;
    struct hsetex o = {0};
    bool allowed;
    if (!hsetex_options(c, &o)) return OK;
    int rc = hash_for_writing(c, &e);
    if (rc != OK || !hash_pairs_ok(c, o.first)) return rc;
    if (e.value.kind != VALUE_NONE && (rc = hash_need_args(c, &e.value, o.first, 2)) != OK) return rc;
    if ((rc = hsetex_allowed(c, &e.value, &o, &allowed)) != OK) return rc;
    return allowed ? hsetex_set(c, &o) : reply_int(c, 0);
}

#define G .group = GROUP_HASH
static const struct command rows[] = {
    {.name = "hgetdel", .fn = cmd_hgetdel, .arity = -5, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_DELETE), .since = "8.0.0",
     .summary = "Returns the value of a field and deletes it from the hash.",
     .complexity = "O(N) where N is the number of specified fields"},
    {.name = "hgetex", .fn = cmd_hgetex, .arity = -5, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE), .since = "8.0.0",
     .summary = "Get the value of one or more fields of a given hash key, and optionally set their "
                "expiration.",
     .complexity = "O(N) where N is the number of specified fields"},
    {.name = "hsetex", .fn = cmd_hsetex, .arity = -6, .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = "8.0.0",
     .summary = "Set the value of one or more fields of a given hash key, and optionally set their "
                "expiration.",
     .complexity = "O(N) where N is the number of fields being set."},
};
const struct command_family family_hash_fields = {rows, sizeof(rows) / sizeof(*rows)};
