/* expire.c -- the EXPIRE family, TTL and PERSIST.
 *
 * A time given is made absolute here, at once: the effect holds unix milliseconds, so that replay reads
 * no clock. A time in the past removes the key, as an effect of its own. */
#include "base/num.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "resp/write.h"

#define EXPIRE_NX 1u
#define EXPIRE_XX 2u
#define EXPIRE_GT 4u
#define EXPIRE_LT 8u

static bool expire_flags(call *c, unsigned *flags) {
    static const struct { const char *word; unsigned flag; } words[] = {
        {"nx", EXPIRE_NX}, {"xx", EXPIRE_XX}, {"gt", EXPIRE_GT}, {"lt", EXPIRE_LT}};
    *flags = 0;
    for (size_t i = 3; i < call_argc(c); i++) {
        unsigned found = 0;
        for (size_t w = 0; w < 4; w++) {
            if (call_arg_is(c, i, words[w].word)) found = words[w].flag;
        }
        if (found == 0) {
            slice o = call_arg(c, i);
            reply_errorf(c, "ERR Unsupported option %.*s", (int)(o.n < 512 ? o.n : 512), (const char *)o.p);
            return false;
        }
        *flags |= found;
    }
    if ((*flags & EXPIRE_NX) != 0 && (*flags & (EXPIRE_XX | EXPIRE_GT | EXPIRE_LT)) != 0) {
        reply_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*flags & EXPIRE_GT) != 0 && (*flags & EXPIRE_LT) != 0) {
        reply_error(c, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* value in seconds or ms, relative or absolute -> unix ms; false when it does not fit. */
bool command_expire_at(int64_t value, bool seconds, bool absolute, int64_t now_ms, int64_t *out) {
    if (seconds) {
        if (value > INT64_MAX / 1000 || value < INT64_MIN / 1000) return false;
        value *= 1000;
    }
    if (!absolute && value > 0 && value > INT64_MAX - now_ms) return false;
    *out = absolute ? value : value + now_ms;
    return true;
}

static bool wanted(unsigned flags, int64_t current, int64_t at) {
    bool never = current < 0;
    if ((flags & EXPIRE_NX) != 0 && !never) return false;
    if ((flags & EXPIRE_XX) != 0 && never) return false;
    if ((flags & EXPIRE_GT) != 0 && (never || at <= current)) return false;
    if ((flags & EXPIRE_LT) != 0 && !never && at >= current) return false;
    return true;
}

static int expire_generic(call *c, bool seconds, bool absolute) {
    int64_t value, at;
    unsigned flags;
    struct entry e;
    slice key = call_arg(c, 1);
    if (!expire_flags(c, &flags)) return OK;
    if (!call_int(c, 2, &value)) return OK;
    if (!command_expire_at(value, seconds, absolute, call_now_ms(c), &at)) {
        return reply_errorf(c, "ERR invalid expire time in '%s' command", call_command(c)->name);
    }
    int rc = call_write(c, key, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    if (!wanted(flags, e.expire_ms, at)) return reply_int(c, 0);
    if (at <= call_now_ms(c)) {
        if ((rc = call_del(c, key)) != OK) return rc;
        call_notify(c, 'g', "del", key);
    } else {
        if ((rc = call_expire(c, key, at)) != OK) return rc;
        call_notify(c, 'g', "expire", key);
    }
    return reply_int(c, 1);
}

static int cmd_expire(call *c) { return expire_generic(c, true, false); }
static int cmd_pexpire(call *c) { return expire_generic(c, false, false); }
static int cmd_expireat(call *c) { return expire_generic(c, true, true); }
static int cmd_pexpireat(call *c) { return expire_generic(c, false, true); }

static int ttl_generic(call *c, bool ms, bool absolute) {
    struct entry e;
    int rc = call_look(c, call_arg(c, 1), &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, -2);
    if (rc != OK) return rc;
    if (e.expire_ms < 0) return reply_int(c, -1);
    int64_t left = absolute ? e.expire_ms : e.expire_ms - call_now_ms(c);
    if (left < 0) left = 0;
    return reply_int(c, ms ? left : (left + (absolute ? 0 : 500)) / 1000);
}

static int cmd_ttl(call *c) { return ttl_generic(c, false, false); }
static int cmd_pttl(call *c) { return ttl_generic(c, true, false); }
static int cmd_expiretime(call *c) { return ttl_generic(c, false, true); }
static int cmd_pexpiretime(call *c) { return ttl_generic(c, true, true); }

static int cmd_persist(call *c) {
    struct entry e;
    int rc = call_write(c, call_arg(c, 1), &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    if (e.expire_ms < 0) return reply_int(c, 0);
    if ((rc = call_expire(c, call_arg(c, 1), -1)) != OK) return rc;
    call_notify(c, 'g', "persist", call_arg(c, 1));
    return reply_int(c, 1);
}

#define SET_ROW(n, f, s, text)                                                               \
    {.name = n, .fn = f, .arity = -3, .flags = CMD_WRITE | CMD_FAST, .group = GROUP_GENERIC, \
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = s, .summary = text, .complexity = "O(1)"}
#define GET_ROW(n, f, s, hints, text)                                                        \
    {.name = n, .fn = f, .arity = 2, .flags = CMD_READONLY | CMD_FAST, .group = GROUP_GENERIC, \
     .keys = ONE_KEY(KEY_RO | KEY_ACCESS), .since = s, .summary = text, .complexity = "O(1)",  \
     .tips = hints}
#define CHANGES "nondeterministic_output"
static const struct command rows[] = {
    SET_ROW("expire", cmd_expire, "1.0.0", "Set a key's time to live in seconds"),
    SET_ROW("pexpire", cmd_pexpire, "2.6.0", "Set a key's time to live in milliseconds"),
    SET_ROW("expireat", cmd_expireat, "1.2.0", "Set the expiration for a key as a UNIX timestamp"),
    SET_ROW("pexpireat", cmd_pexpireat, "2.6.0",
            "Set the expiration for a key as a UNIX timestamp specified in milliseconds"),
    GET_ROW("ttl", cmd_ttl, "1.0.0", CHANGES, "Get the time to live for a key in seconds"),
    GET_ROW("pttl", cmd_pttl, "2.6.0", CHANGES, "Get the time to live for a key in milliseconds"),
    GET_ROW("expiretime", cmd_expiretime, "7.0.0", NULL, "Get the expiration Unix timestamp for a key"),
    GET_ROW("pexpiretime", cmd_pexpiretime, "7.0.0", NULL,
            "Get the expiration Unix timestamp for a key in milliseconds"),
    {.name = "persist", .fn = cmd_persist, .arity = 2, .flags = CMD_WRITE | CMD_FAST,
     .group = GROUP_GENERIC, .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = "2.2.0",
     .summary = "Remove the expiration from a key", .complexity = "O(1)"},
};
const struct command_family family_expire = {rows, sizeof(rows) / sizeof(*rows)};
