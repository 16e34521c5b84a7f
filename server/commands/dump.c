/* dump.c -- DUMP and RESTORE: a value as bytes that another server reads.
 *
 *     RDB type | payload | u16 RDB version | u64 CRC-64 of all before it      (little endian)
 *
 * What RESTORE is given is hostile. The checksum keeps accidents away, not attackers: the type's
 * restore() checks every byte before it believes it. */
#include "base/hash.h"
#include "base/num.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/restore.h"
#include "resp/write.h"
#include "types/rdb.h"

#define FOOTER_BYTES 10
#define VERSION_MAX 12 /* Up to Redis 7.4; what a type does not know it refuses itself. */

static int cmd_dump(call *c) {
    struct entry e;
    int rc = call_read(c, call_arg(c, 1), &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    buf out = BUF_INIT;
    rc = exec_deps(call_exec(c))->types->by_id[e.value.type]->dump(&e.value, &out);
    if (rc == OK) {
        bool times = out.p[0] == RDB_HASH_METADATA || out.p[0] == RDB_HASH_LISTPACK_EX;
        buf_u16(&out, times ? RDB_VERSION_HASH_TIMES : RDB_VERSION);
        buf_u64(&out, crc64(0, out.p, out.n));
        reply_bulk(c, slice_of(&out));
    }
    buf_free(&out);
    return rc;
}

/* The payload without its footer; false: the version is wrong. */
static bool version_ok(slice dump, slice *payload) {
    if (dump.n < FOOTER_BYTES) return false;
    *payload = slice_make(dump.p, dump.n - FOOTER_BYTES);
    return get_u16(dump.p + payload->n) <= VERSION_MAX;
}

static bool sum_ok(slice dump) { return get_u64(dump.p + dump.n - 8) == crc64(0, dump.p, dump.n - 8); }

static int reply_bad_footer(call *c) { return reply_error(c, "ERR DUMP payload version or checksum are wrong"); }

struct restore_options {
    bool replace, absttl;
    int64_t idle_s, freq; /* -1: not given */
};

/* False after a reply. */
static bool restore_options(call *c, struct restore_options *o) {
    *o = (struct restore_options){.idle_s = -1, .freq = -1};
    for (size_t i = 4; i < call_argc(c); i++) {
        bool more = i + 1 < call_argc(c);
        if (call_arg_is(c, i, "replace")) {
            o->replace = true;
        } else if (call_arg_is(c, i, "absttl")) {
            o->absttl = true;
        } else if (more && o->freq == -1 && call_arg_is(c, i, "idletime")) {
            if (!call_int(c, ++i, &o->idle_s)) return false;
            if (o->idle_s < 0) {
                reply_error(c, "ERR Invalid IDLETIME value, must be >= 0");
                return false;
            }
        } else if (more && o->idle_s == -1 && call_arg_is(c, i, "freq")) {
            if (!call_int(c, ++i, &o->freq)) return false;
            if (o->freq < 0 || o->freq > 255) {
                reply_error(c, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                return false;
            }
        } else {
            reply_syntax(c);
            return false;
        }
    }
    return true;
}

static int set_access(call *c, slice key, const struct restore_to *to) {
    struct entry e;
    if (to->idle_s == -1 && to->freq == -1) return OK;
    int rc = call_peek(c, key, &e);
    if (rc == OK) keyspace_set_access(call_keyspace(c), &e, to->idle_s, (int)to->freq);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* A value whose time has passed is made all the same and then removed, so that an old value goes. */
int restore_end(call *c, const struct restore_to *to) {
    slice key = call_arg(c, 1);
    int rc;
    if (to->expire_ms >= 0 && to->expire_ms <= call_now_ms(c)) {
        if ((rc = call_del(c, key)) != OK) return rc;
        call_notify(c, 'g', "del", key);
        return reply_ok(c);
    }
    if ((rc = set_access(c, key, to)) != OK) return rc;
    call_notify(c, 'g', "restore", key);
    return reply_ok(c);
}

/* The effect tries the payload before it changes anything. */
static int restore_value(call *c, slice payload, const struct restore_to *to) {
    uint8_t tmp[8];
    slice args[2] = {payload, effect_expiry(tmp, to->expire_ms)};
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_RESTORE, .db = db_id(call_db(c)), .key = call_arg(c, 1),
                .args = args, .argc = 2};
    int rc = call_effect(c, &e);
    if (rc == ERR_CORRUPT) return reply_error(c, "ERR Bad data format");
    if (rc == ERR_NOMEM) return reply_error(c, "OOM the payload does not fit into memory");
    return rc == OK ? restore_end(c, to) : rc;
}

static int cmd_restore(call *c) {
    struct restore_options o;
    struct entry old;
    int64_t ttl;
    slice payload;
    if (!restore_options(c, &o)) return OK;
    int rc = call_write(c, call_arg(c, 1), &old);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == OK && !o.replace) return reply_error(c, "BUSYKEY Target key name already exists.");
    if (!call_int(c, 2, &ttl)) return OK;
    if (ttl < 0) return reply_error(c, "ERR Invalid TTL value, must be >= 0");
    if (!version_ok(call_arg(c, 3), &payload)) return reply_bad_footer(c);
    bool many = restore_many(c, payload);
    if (!many && !sum_ok(call_arg(c, 3))) return reply_bad_footer(c);
    if (!o.absttl && ttl > INT64_MAX - call_now_ms(c)) {
        return reply_error(c, "ERR Invalid TTL value, must be >= 0");
    }
    struct restore_to to = {.replace = o.replace, .idle_s = o.idle_s, .freq = o.freq,
                            .expire_ms = ttl == 0 ? -1 : o.absttl ? ttl : ttl + call_now_ms(c)};
    return many ? restore_in_steps(c, &to, payload) : restore_value(c, payload, &to);
}

static const struct command rows[] = {
    {.name = "dump", .fn = cmd_dump, .arity = 2, .flags = CMD_READONLY, .group = GROUP_GENERIC,
     .keys = ONE_KEY(KEY_RO | KEY_ACCESS), .since = "2.6.0",
     .summary = "Return a serialized version of the value stored at the specified key.",
     .complexity = "O(N) where N is the size of the value.",
     .tips = "nondeterministic_output"},
    {.name = "restore", .fn = cmd_restore, .arity = -4, .flags = CMD_WRITE | CMD_DENYOOM,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS, .group = GROUP_GENERIC,
     .keys = ONE_KEY(KEY_OW | KEY_UPDATE), .since = "2.6.0",
     .summary = "Create a key using the provided serialized value, previously obtained using DUMP.",
     .complexity = "O(N) where N is the size of the payload."},
};
const struct command_family family_dump = {rows, sizeof(rows) / sizeof(*rows)};
