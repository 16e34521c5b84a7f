/* hash_expire.c -- the HEXPIRE family, HTTL's, and HPERSIST: fields of hashes with a time of their own.
 *
 * A time given is made absolute at once, so that replay reads no clock. One in the past removes the field. Field
 * after field, as in hash_fields.c. */
#include "commands/commands.h"
#include "commands/hash_commands.h"
#include "commands/keyspecs.h"
#include "types/hash.h"

/* What is answered for a field. */
enum { NO_FIELD = -2, NO_EXPIRY = -1, NOT_DONE = 0, DONE = 1, REMOVED = 2 };
enum condition { ALWAYS, NX, XX, GT, LT };

static enum condition condition_at(const call *c, size_t i) {
    static const char *const words[] = {[NX] = "nx", [XX] = "xx", [GT] = "gt", [LT] = "lt"};
    for (unsigned w = NX; w <= LT; w++) {
        if (call_arg_is(c, i, words[w])) return (enum condition)w;
    }
    return ALWAYS;
}

/* A field without an expiry lives for ever. */
static bool wanted(enum condition how, int64_t had, int64_t at) {
    switch (how) {
    case ALWAYS: return true;
    case NX: return had == 0;
    case XX: return had != 0;
    case GT: return had != 0 && at > had;
    case LT: return had == 0 || at < had;
    }
    return false;
}

static int expire_one(call *c, slice field, enum condition how, int64_t at) {
    char tmp[NUM_LL_MAX];
    int64_t had;
    int rc = hash_field_now(c, field, NULL, &had, tmp);
    if (rc == ERR_NOTFOUND) return reply_int(c, NO_FIELD);
    if (rc != OK) return rc;
    if (!wanted(how, had, at)) return reply_int(c, NOT_DONE);
    bool past = at <= call_now_ms(c);
    if ((rc = hash_expire_field(c, field, at == 0 ? 1 : at)) != OK) return rc;
    call_notify(c, 'h', past ? "hdel" : "hexpire", call_arg(c, 1));
    return reply_int(c, past ? REMOVED : DONE);
}

static int expire_generic(call *c, bool seconds, bool absolute) {
    struct entry e;
    size_t first, end;
    int64_t at;
    int rc = hash_for_writing(c, &e);
    if (rc != OK || !hash_expire_time(c, 2, seconds, absolute, &at)) return rc;
    enum condition how = condition_at(c, 3);
    if (!hash_fields_at(c, how == ALWAYS ? 3 : 4, "ERR Parameter `numFields` should be greater than 0",
                        &first, &end)) return OK;
    if (e.value.kind != VALUE_NONE && (rc = hash_need_args(c, &e.value, first, 1)) != OK) return rc;
    reply_array(c, end - first);
    for (size_t i = first; i < end && rc == OK; i++) rc = expire_one(c, call_arg(c, i), how, at);
    return rc;
}

static int cmd_hexpire(call *c) { return expire_generic(c, true, false); }
static int cmd_hpexpire(call *c) { return expire_generic(c, false, false); }
static int cmd_hexpireat(call *c) { return expire_generic(c, true, true); }
static int cmd_hpexpireat(call *c) { return expire_generic(c, false, true); }

static int cmd_hpersist(call *c) {
    struct entry e;
    size_t first, end;
    bool any = false;
    int rc = hash_for_writing(c, &e);
    if (rc != OK || !hash_fields_at(c, 2, HASH_BAD_COUNT, &first, &end)) return rc;
    if (e.value.kind != VALUE_NONE && (rc = hash_need_args(c, &e.value, first, 1)) != OK) return rc;
    reply_array(c, end - first);
    for (size_t i = first; i < end; i++) {
        char tmp[NUM_LL_MAX];
        int64_t had;
        rc = hash_field_now(c, call_arg(c, i), NULL, &had, tmp);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        bool timed = rc == OK && had != 0;
        if (timed && (rc = hash_expire_field(c, call_arg(c, i), 0)) != OK) return rc;
        reply_int(c, timed ? DONE : rc == OK ? NO_EXPIRY : NO_FIELD);
        any |= timed;
    }
    if (any) call_notify(c, 'h', "hpersist", call_arg(c, 1));
    return OK;
}

/* Seconds are rounded up. */
static int ttl_generic(call *c, bool ms, bool absolute) {
    struct entry e;
    size_t first, end;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_HASH, &e);
    bool there = rc == OK;
    if ((!there && rc != ERR_NOTFOUND) || !hash_fields_at(c, 2, HASH_BAD_COUNT, &first, &end)) {
        return there || rc == ERR_NOTFOUND ? OK : rc;
    }
    if (there && (rc = hash_need_args(c, &e.value, first, 1)) != OK) return rc;
    reply_array(c, end - first);
    for (size_t i = first; i < end; i++) {
        char tmp[NUM_LL_MAX];
        int64_t at = 0;
        rc = there ? hash_get_timed(&e.value, call_arg(c, i), NULL, &at, tmp) : ERR_NOTFOUND;
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        if (rc == ERR_NOTFOUND || at == 0) {
            reply_int(c, rc == OK ? NO_EXPIRY : NO_FIELD);
            continue;
        }
        int64_t left = absolute ? at : at - call_now_ms(c);
        reply_int(c, ms ? left : (left + 999) / 1000);
    }
    return OK;
}

static int cmd_httl(call *c) { return ttl_generic(c, false, false); }
static int cmd_hpttl(call *c) { return ttl_generic(c, true, false); }
static int cmd_hexpiretime(call *c) { return ttl_generic(c, false, true); }
static int cmd_hpexpiretime(call *c) { return ttl_generic(c, true, true); }

#define N_FIELDS "O(N) where N is the number of specified fields"
#define SET_ROW(n, f, a, text)                                                               \
    {.name = n, .fn = f, .arity = a, .flags = CMD_WRITE | CMD_FAST, .group = GROUP_HASH,     \
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = "7.4.0", .summary = text, .complexity = N_FIELDS}
#define GET_ROW(n, f, hints, text)                                                           \
    {.name = n, .fn = f, .arity = -5, .flags = CMD_READONLY | CMD_FAST, .group = GROUP_HASH, \
     .keys = ONE_KEY(KEY_RO | KEY_ACCESS), .since = "7.4.0", .summary = text,                \
     .complexity = N_FIELDS, .tips = hints}
#define CHANGES "nondeterministic_output"
static const struct command rows[] = {
    SET_ROW("hexpire", cmd_hexpire, -6,
            "Set expiry for hash field using relative time to expire (seconds)"),
    SET_ROW("hpexpire", cmd_hpexpire, -6,
            "Set expiry for hash field using relative time to expire (milliseconds)"),
    SET_ROW("hexpireat", cmd_hexpireat, -6,
            "Set expiry for hash field using an absolute Unix timestamp (seconds)"),
    SET_ROW("hpexpireat", cmd_hpexpireat, -6,
            "Set expiry for hash field using an absolute Unix timestamp (milliseconds)"),
    SET_ROW("hpersist", cmd_hpersist, -5, "Removes the expiration time for each specified field"),
    GET_ROW("httl", cmd_httl, CHANGES, "Returns the TTL in seconds of a hash field."),
    GET_ROW("hpttl", cmd_hpttl, CHANGES, "Returns the TTL in milliseconds of a hash field."),
    GET_ROW("hexpiretime", cmd_hexpiretime, NULL,
            "Returns the expiration time of a hash field as a Unix timestamp, in seconds."),
    GET_ROW("hpexpiretime", cmd_hpexpiretime, NULL,
            "Returns the expiration time of a hash field as a Unix timestamp, in msec."),
};
const struct command_family family_hash_expire = {rows, sizeof(rows) / sizeof(*rows)};
