/* string.c -- SET in all its forms, MSET, MSETEX, and those that answer what they change (string_read.c: those that
 * only read). */
#include "types/string.h"

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keys_turns.h"
#include "commands/keyspecs.h"
#include "commands/string_commands.h"
#include "resp/write.h"

bool string_fits(call *c, uint64_t length) {
    int64_t max = exec_deps(call_exec(c))->keyspace_config->types.proto_max_bulk_len;
    if (length <= (uint64_t)max) return true;
    reply_error(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

/* ---- SET --------------------------------------------------------------------------------------- */

#define SET_NX 1u
#define SET_XX 2u
#define SET_GET 4u
#define SET_KEEPTTL 8u
#define SET_PERSIST 16u
/* Of these four, one; told twice, its last value counts. */
#define SET_EX 32u
#define SET_PX 64u
#define SET_EXAT 128u
#define SET_PXAT 256u
#define SET_EXPIRE (SET_EX | SET_PX | SET_EXAT | SET_PXAT)
/* One of these six at most, and that once. */
#define SET_IF(how) (512u << (how))
#define SET_IFS (SET_IF(IF_EQ) | SET_IF(IF_NE) | SET_IF(IF_DIGEST_EQ) | SET_IF(IF_DIGEST_NE))
#define SET_WHEN (SET_NX | SET_XX | SET_IFS)

struct set_options {
    unsigned flags;
    size_t expire_at; /* The argument with the time, which is judged after all else. */
    enum string_condition how; /* with one of SET_IFS, and the argument to compare with */
    size_t match_at;
};

/* The options of SET, GETEX and MSETEX from argument `i` on, those of `allowed`. False after a reply. */
static bool set_options(call *c, size_t i, unsigned allowed, struct set_options *o) {
    static const struct { const char *word; unsigned flag, against; } words[] = {
        {"nx", SET_NX, SET_WHEN & ~SET_NX},
        {"xx", SET_XX, SET_WHEN & ~SET_XX},
        {"ifeq", SET_IF(IF_EQ), SET_WHEN},
        {"ifne", SET_IF(IF_NE), SET_WHEN},
        {"ifdeq", SET_IF(IF_DIGEST_EQ), SET_WHEN},
        {"ifdne", SET_IF(IF_DIGEST_NE), SET_WHEN},
        {"get", SET_GET, 0},
        {"keepttl", SET_KEEPTTL, SET_EXPIRE | SET_PERSIST},
        {"persist", SET_PERSIST, SET_EXPIRE | SET_KEEPTTL},
        {"ex", SET_EX, (SET_EXPIRE & ~SET_EX) | SET_KEEPTTL | SET_PERSIST},
        {"px", SET_PX, (SET_EXPIRE & ~SET_PX) | SET_KEEPTTL | SET_PERSIST},
        {"exat", SET_EXAT, (SET_EXPIRE & ~SET_EXAT) | SET_KEEPTTL | SET_PERSIST},
        {"pxat", SET_PXAT, (SET_EXPIRE & ~SET_PXAT) | SET_KEEPTTL | SET_PERSIST},
    };
    for (; i < call_argc(c); i++) {
        size_t w = 0;
        while (w < sizeof(words) / sizeof(*words) && !call_arg_is(c, i, words[w].word)) w++;
        unsigned flag = w < sizeof(words) / sizeof(*words) ? words[w].flag & allowed : 0;
        bool timed = (flag & SET_EXPIRE) != 0, compared = (flag & SET_IFS) != 0;
        if (flag == 0 || (o->flags & words[w].against) != 0 ||
            ((timed || compared) && i + 1 == call_argc(c))) {
            reply_syntax(c);
            return false;
        }
        o->flags |= flag;
        if (compared) (void)string_condition(call_arg(c, i), &o->how); /* It is one. */
        if (timed) o->expire_at = ++i;
        if (compared) o->match_at = ++i;
    }
    return true;
}

static bool expire_time(call *c, size_t at, bool seconds, bool absolute, int64_t *expire_ms) {
    int64_t v;
    if (!call_int(c, at, &v)) return false;
    if (v > 0 && command_expire_at(v, seconds, absolute, call_now_ms(c), expire_ms)) return true;
    reply_errorf(c, "ERR invalid expire time in '%s' command", call_command(c)->name);
    return false;
}

/* -1 when none was told. False after a reply. */
static bool set_expire_time(call *c, const struct set_options *o, int64_t *expire_ms) {
    *expire_ms = -1;
    return (o->flags & SET_EXPIRE) == 0 ||
           expire_time(c, o->expire_at, (o->flags & (SET_EX | SET_EXAT)) != 0,
                       (o->flags & (SET_EXAT | SET_PXAT)) != 0, expire_ms);
}

/* The key is set, or removed when its time has passed already (an absolute one). */
static int set_now(call *c, slice key, slice value, int64_t expire_ms) {
    int rc;
    if (expire_ms >= 0 && expire_ms <= call_now_ms(c)) {
        rc = call_del(c, key);
        return rc == ERR_NOTFOUND ? OK : rc;
    }
    if ((rc = call_set_string(c, key, value, expire_ms)) != OK) return rc;
    call_notify(c, '$', "set", key);
    if (expire_ms >= 0) call_notify(c, 'g', "expire", key);
    return OK;
}

/* Does the condition, or the lack of one, let the key be set? e is NULL for a key that is not
 * there. ERR_SYNTAX after an error reply. */
static int set_allowed(call *c, const struct set_options *o, const struct entry *e, bool *allowed) {
    *allowed = true;
    if ((o->flags & SET_NX) != 0) *allowed = e == NULL;
    if ((o->flags & SET_XX) != 0) *allowed = e != NULL;
    if ((o->flags & SET_IFS) == 0) return OK;
    *allowed = o->how == IF_NE || o->how == IF_DIGEST_NE;
    if (e == NULL) return OK;
    if (e->value.type != TYPE_STRING) return ERR_TYPE;
    return string_meets(c, &e->value, o->how, call_arg(c, o->match_at), allowed);
}

static int set_with_options(call *c, const struct set_options *o, int64_t expire_ms) {
    struct entry e;
    slice key = call_arg(c, 1);
    size_t mark = call_out(c)->n;
    int rc = call_write(c, key, &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    bool exists = rc == OK, allowed;
    if ((rc = set_allowed(c, o, exists ? &e : NULL, &allowed)) != OK) return rc == ERR_SYNTAX ? OK : rc;
    if (exists && (o->flags & SET_GET) != 0) {
        if (e.value.type != TYPE_STRING) return ERR_TYPE;
        if ((rc = string_reply(c, &e.value)) != OK) return rc;
    } else if ((o->flags & SET_GET) != 0) {
        reply_null(c);
    }
    if (!allowed) return (o->flags & SET_GET) != 0 ? OK : reply_null(c);
    if (exists && (o->flags & SET_KEEPTTL) != 0) expire_ms = e.expire_ms;
    if ((rc = set_now(c, key, call_arg(c, 2), expire_ms)) != OK) {
        call_out(c)->n = mark;
        return rc;
    }
    return (o->flags & SET_GET) != 0 ? OK : reply_ok(c);
}

static int set_plainly(call *c, slice value, int64_t expire_ms) {
    bool over = expire_ms >= 0 && expire_ms <= call_now_ms(c);
    if (!over && string_is_long(c, value)) return string_set_in_steps(c, value, expire_ms);
    int rc = set_now(c, call_arg(c, 1), value, expire_ms);
    return rc == OK ? reply_ok(c) : rc;
}

static int cmd_set(call *c) {
    struct set_options o = {0};
    int64_t expire_ms;
    if (!set_options(c, 3, ~SET_PERSIST, &o) || !set_expire_time(c, &o, &expire_ms)) return OK;
    if ((o.flags & ~SET_EXPIRE) != 0) return set_with_options(c, &o, expire_ms);
    return set_plainly(c, call_arg(c, 2), expire_ms);
}

static int cmd_setnx(call *c) {
    struct entry e;
    int rc = call_write(c, call_arg(c, 1), &e);
    if (rc == OK) return reply_int(c, 0);
    if (rc != ERR_NOTFOUND) return rc;
    rc = set_now(c, call_arg(c, 1), call_arg(c, 2), -1);
    return rc == OK ? reply_int(c, 1) : rc;
}

static int setex_generic(call *c, bool seconds) {
    int64_t at;
    return expire_time(c, 2, seconds, false, &at) ? set_plainly(c, call_arg(c, 3), at) : OK;
}

static int cmd_setex(call *c) { return setex_generic(c, true); }
static int cmd_psetex(call *c) { return setex_generic(c, false); }

/* ---- GETSET, GETDEL, GETEX ----------------------------------------------------------------------- */

static int cmd_getset(call *c) {
    struct entry e;
    size_t mark = call_out(c)->n;
    int rc = call_write_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    rc = rc == OK ? string_reply(c, &e.value) : reply_null(c);
    if (rc == OK) rc = set_now(c, call_arg(c, 1), call_arg(c, 2), -1);
    if (rc != OK) call_out(c)->n = mark;
    return rc;
}

static int cmd_getdel(call *c) {
    struct entry e;
    size_t mark = call_out(c)->n;
    int rc = call_write_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK || (rc = string_reply(c, &e.value)) != OK) return rc;
    if ((rc = call_del(c, call_arg(c, 1))) != OK) call_out(c)->n = mark;
    call_notify(c, 'g', "del", call_arg(c, 1));
    return rc;
}

/* A key that is not there answers before a time that makes no sense. */
static int cmd_getex(call *c) {
    struct entry e;
    struct set_options o = {0};
    int64_t at;
    slice key = call_arg(c, 1);
    size_t mark = call_out(c)->n;
    if (!set_options(c, 2, SET_EXPIRE | SET_PERSIST, &o)) return OK;
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK || !set_expire_time(c, &o, &at)) return rc;
    int64_t had = e.expire_ms;
    if ((rc = string_reply(c, &e.value)) != OK) return rc;
    if (at >= 0 && at <= call_now_ms(c)) rc = call_del(c, key);
    else if (at >= 0) rc = call_expire(c, key, at);
    else if ((o.flags & SET_PERSIST) != 0 && had >= 0) rc = call_expire(c, key, -1);
    if (rc != OK) call_out(c)->n = mark;
    return rc;
}

/* ---- many keys ------------------------------------------------------------------------------------- */

/* All keys' pages first, those of arguments first, first + 2... below `end`, so that what follows cannot
 * stop half way. *existing: how many there are. */
static int mset_need(call *c, size_t first, size_t end, size_t *existing) {
    bool cold = false;
    *existing = 0;
    for (size_t i = first; i + 1 < end; i += 2) {
        struct entry e;
        int rc = call_peek(c, call_arg(c, i), &e);
        if (rc == ERR_COLD) cold = true;
        else if (rc == OK) ++*existing;
        else if (rc != ERR_NOTFOUND) return rc;
    }
    return cold ? ERR_COLD : OK;
}

/* argv[i] and what it is set to, until `expire_ms`, or as long as before (SET_KEEPTTL). */
static int mset_one(call *c, size_t i, unsigned flags, int64_t expire_ms) {
    int64_t at = expire_ms;
    if ((flags & SET_KEEPTTL) != 0) {
        struct entry e;
        int rc = call_peek(c, call_arg(c, i), &e);
        if (rc == OK) at = e.expire_ms;
        else if (rc != ERR_NOTFOUND) return rc;
    }
    return set_now(c, call_arg(c, i), call_arg(c, i + 1), at);
}

static bool mset_allowed(unsigned flags, size_t existing, size_t pairs) {
    return ((flags & SET_NX) == 0 || existing == 0) && ((flags & SET_XX) == 0 || existing == pairs);
}

static int mset_one_of_many(call *c, struct keys_work *w, size_t i) {
    w->bytes += call_arg(c, i + 1).n;
    return mset_one(c, i, w->flags, w->time_ms);
}

static bool mset_many_allowed(const struct keys_work *w) {
    return mset_allowed(w->flags, w->existing, (w->end - w->first) / 2);
}

static int mset_answer_ok(call *c, struct keys_work *w) {
    (void)w;
    return reply_ok(c);
}

static int mset_answer_whether(call *c, struct keys_work *w) { return reply_int(c, !w->refused); }

/* The pairs of arguments from `first` on, below `end`. MSET answers OK; the others, which may be refused, 1 or 0. */
static int mset_pairs(call *c, size_t first, size_t end, unsigned flags, int64_t expire_ms, bool ok) {
    size_t existing, pairs = (end - first) / 2;
    if (keys_are_many(pairs)) {
        struct keys_work w = {.first = first, .per = 2, .end = end, .one = mset_one_of_many, .flags = flags,
                              .time_ms = expire_ms, .finish = ok ? mset_answer_ok : mset_answer_whether,
                              .allowed = (flags & (SET_NX | SET_XX)) != 0 ? mset_many_allowed : NULL};
        return keys_in_turns(c, &w);
    }
    int rc = mset_need(c, first, end, &existing);
    if (rc != OK) return rc;
    if (!mset_allowed(flags, existing, pairs)) return reply_int(c, 0);
    for (size_t i = first; rc == OK && i + 1 < end; i += 2) rc = mset_one(c, i, flags, expire_ms);
    if (rc != OK) return rc;
    return ok ? reply_ok(c) : reply_int(c, 1);
}

static int mset_all(call *c, unsigned flags) {
    if (call_state(c) != NULL) return keys_go_on(c);
    if (call_argc(c) % 2 == 0) return reply_arity(c);
    return mset_pairs(c, 1, call_argc(c), flags, -1, flags == 0);
}

static int cmd_mset(call *c) { return mset_all(c, 0); }
static int cmd_msetnx(call *c) { return mset_all(c, SET_NX); }

static int cmd_msetex(call *c) {
    struct set_options o = {0};
    int64_t pairs, expire_ms;
    if (call_state(c) != NULL) return keys_go_on(c);
    if (!call_int_in(c, 1, 1, INT32_MAX, &pairs, "ERR invalid numkeys value")) return OK;
    if ((size_t)pairs > (call_argc(c) - 2) / 2) return reply_error(c, "ERR wrong number of key-value pairs");
    size_t end = 2 + 2 * (size_t)pairs;
    if (!set_options(c, end, SET_NX | SET_XX | SET_KEEPTTL | SET_EXPIRE, &o) ||
        !set_expire_time(c, &o, &expire_ms)) return OK;
    return mset_pairs(c, 2, end, o.flags, expire_ms, false);
}

/* SET reads its key only with GET, or to compare it. */
static unsigned set_key_flags(const slice *argv, size_t argc) {
    enum string_condition how;
    for (size_t i = 3; i < argc; i++) {
        if (slice_is(argv[i], "get") || string_condition(argv[i], &how)) {
            return KEY_RW | KEY_ACCESS | KEY_UPDATE;
        }
    }
    return KEY_OW | KEY_UPDATE;
}

#define W CMD_WRITE | CMD_DENYOOM
#define G .group = GROUP_STRING
static const char *const set_history[] = {
    "2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options.",
    "6.0.0", "Added the `KEEPTTL` option.",
    "6.2.0", "Added the `GET`, `EXAT` and `PXAT` option.",
    "7.0.0", "Allowed the `NX` and `GET` options to be used together.",
    "8.4.0", "Added the `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE` options.", NULL};
static const struct command rows[] = {
    {.name = "get", .fn = cmd_get, .arity = 2, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RO | KEY_ACCESS), .since = "1.0.0", .summary = "Get the value of a key", .complexity = "O(1)"},
    {.name = "set", .fn = cmd_set, .arity = -3, .flags = W, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS),
     .key_flags = set_key_flags, .since = "1.0.0", .history = set_history,
     .summary = "Set the string value of a key", .complexity = "O(1)"},
    {.name = "setnx", .fn = cmd_setnx, .arity = 3, .flags = W | CMD_FAST, G, .keys = ONE_KEY(KEY_OW | KEY_INSERT),
     .since = "1.0.0", .summary = "Set the value of a key, only if the key does not exist", .complexity = "O(1)"},
    {.name = "setex", .fn = cmd_setex, .arity = 4, .flags = W, G, .keys = ONE_KEY(KEY_OW | KEY_UPDATE),
     .since = "2.0.0", .summary = "Set the value and expiration of a key", .complexity = "O(1)"},
    {.name = "psetex", .fn = cmd_psetex, .arity = 4, .flags = W, G, .keys = ONE_KEY(KEY_OW | KEY_UPDATE),
     .since = "2.6.0", .summary = "Set the value and expiration in milliseconds of a key", .complexity = "O(1)"},
    {.name = "getset", .fn = cmd_getset, .arity = 3, .flags = W | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE), .since = "1.0.0",
     .summary = "Set the string value of a key and return its old value", .complexity = "O(1)"},
    {.name = "getdel", .fn = cmd_getdel, .arity = 2, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_DELETE), .since = "6.2.0",
     .summary = "Get the value of a key and delete the key", .complexity = "O(1)"},
    {.name = "getex", .fn = cmd_getex, .arity = -2, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE), .since = "6.2.0",
     .summary = "Get the value of a key and optionally set its expiration", .complexity = "O(1)"},
    {.name = "mget", .fn = cmd_mget, .arity = -2, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = ALL_KEYS(KEY_RO | KEY_ACCESS), .since = "1.0.0", .summary = "Get the values of all the given keys",
     .complexity = "O(N) where N is the number of keys to retrieve.", .tips = "request_policy:multi_shard"},
    {.name = "mset", .fn = cmd_mset, .arity = -3, .flags = W, G, .keys = EVERY_SECOND(KEY_OW | KEY_UPDATE),
     .since = "1.0.1", .summary = "Set multiple keys to multiple values",
     .complexity = "O(N) where N is the number of keys to set.",
     .tips = "request_policy:multi_shard,response_policy:all_succeeded"},
    {.name = "msetnx", .fn = cmd_msetnx, .arity = -3, .flags = W, G, .keys = EVERY_SECOND(KEY_OW | KEY_INSERT),
     .since = "1.0.1", .summary = "Set multiple keys to multiple values, only if none of the keys exist",
     .complexity = "O(N) where N is the number of keys to set.",
     .tips = "request_policy:multi_shard,response_policy:agg_min"},
    {.name = "msetex", .fn = cmd_msetex, .arity = -4, .flags = W, G,
     .keys = {{.flags = KEY_OW | KEY_UPDATE, .begin = KEYS_INDEX, .pos = 1, .find = KEYS_KEYNUM,
               .keynum_idx = 0, .keynum_first = 1, .keynum_step = 2}},
     .since = "8.4.0",
     .summary = "Atomically sets multiple string keys with a shared expiration in a single operation.",
     .complexity = "O(N) where N is the number of keys to set.",
     .tips = "request_policy:multi_shard,response_policy:all_succeeded"},
};
const struct command_family family_string = {rows, sizeof(rows) / sizeof(*rows)};
