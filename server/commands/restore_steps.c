/* restore_steps.c -- RESTORE of a set, a hash or a sorted set of many elements, in steps (call_steps()).
 *
 * The checksum is computed a part at a time, then the elements are added a part at a time. What is found to
 * be wrong with them ends it, and what was made of them goes. */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "commands/restore.h"
#include "types/hash.h"
#include "types/rdb.h"
#include "types/set.h"
#include "types/zset.h"

#define CHECKED_IN_A_STEP ((size_t)512 << 10) /* Some tenths of a millisecond of CRC-64. */

struct restoring {
    struct restore_to to;
    slice payload; /* with its type; the version and the checksum follow */
    uint64_t crc;
    size_t checked; /* bytes that are in crc */
    reader r;       /* behind the elements that are made */
    uint64_t n, at; /* elements, and those that are made */
    bool bad_sum, bad;
};

static void begin(void *work) {
    struct restoring *s = work;
    s->r = reader_make(s->payload);
    (void)read_u8(&s->r);
    s->n = rdb_read_count(&s->r, 1);
    s->at = 0;
}

static void check_part(struct restoring *s) {
    size_t all = s->payload.n + 2, n = all - s->checked;
    if (n > CHECKED_IN_A_STEP) n = CHECKED_IN_A_STEP;
    s->crc = crc64(s->crc, s->payload.p + s->checked, n);
    s->checked += n;
    s->bad_sum = s->checked == all && s->crc != get_u64(s->payload.p + all);
}

/* ---- elements ------------------------------------------------------------------------------------- */

/* What one element is in the arguments of an effect. */
static size_t args_of(uint8_t rdb_type) { return rdb_type == RDB_SET ? 1 : 2; }

/* The next n elements, each argument behind its length. */
static int read_part(uint8_t rdb_type, reader *r, uint64_t n, buf *bytes) {
    buf store = BUF_INIT, member = BUF_INIT;
    slice one;
    uint8_t raw[8];
    int rc = OK;
    for (uint64_t i = 0; i < n && rc == OK; i++) {
        rc = rdb_read_string(r, &store, &one);
        if (rc != OK) break;
        if (rdb_type == RDB_ZSET_2) { /* There the score comes second, in the effect first. */
            member.n = 0;
            buf_append_slice(&member, one);
            buf_bytes(bytes, zset_score_arg(raw, rdb_read_double(r)));
            one = slice_of(&member);
        }
        buf_bytes(bytes, one);
        if (rdb_type != RDB_HASH) continue;
        rc = rdb_read_string(r, &store, &one);
        if (rc == OK) buf_bytes(bytes, one);
    }
    buf_free(&store);
    buf_free(&member);
    return rc == OK && r->bad ? ERR_CORRUPT : rc;
}

static int by_bytes(const void *a, const void *b) { return slice_cmp(*(const slice *)a, *(const slice *)b); }

/* A ZSET_ADD is of members that are all different. */
static bool all_different(const slice *args, size_t n, slice *members) {
    for (size_t i = 0; i < n; i++) members[i] = args[2 * i + 1];
    qsort(members, n, sizeof(*members), by_bytes);
    for (size_t i = 1; i < n; i++)
        if (slice_eq(members[i - 1], members[i])) return false;
    return true;
}

static bool args_ok(uint8_t rdb_type, const slice *args, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double score;
        if (rdb_type == RDB_SET && set_member_ok(args[i]) != OK) return false;
        if (rdb_type == RDB_HASH && hash_pair_ok(args[2 * i], args[2 * i + 1]) != OK) return false;
        if (rdb_type != RDB_ZSET_2) continue;
        memcpy(&score, args[2 * i].p, sizeof(score));
        if (isnan(score) || zset_member_ok(args[2 * i + 1]) != OK) return false;
    }
    return true;
}

static int make_part(call *c, uint8_t rdb_type, slice bytes, size_t n) {
    static const struct { uint8_t rdb_type, type, op; } effects[] = {
        {RDB_SET, TYPE_SET, SET_ADD}, {RDB_HASH, TYPE_HASH, HASH_SET}, {RDB_ZSET_2, TYPE_ZSET, ZSET_ADD}};
    slice args[2 * STEP_ELEMENTS], members[STEP_ELEMENTS];
    reader r = reader_make(bytes);
    size_t k = 0;
    for (size_t i = 0; i < n * args_of(rdb_type); i++) args[i] = read_bytes(&r);
    if (!args_ok(rdb_type, args, n)) return ERR_CORRUPT;
    if (rdb_type == RDB_ZSET_2 && !all_different(args, n, members)) return ERR_CORRUPT;
    while (effects[k].rdb_type != rdb_type) k++;
    return call_steps_value(c, effects[k].type, effects[k].op, args, n * args_of(rdb_type));
}

static int step(call *c, void *work, bool *done) {
    struct restoring *s = work;
    uint8_t rdb_type = s->payload.p[0];
    if (s->checked < s->payload.n + 2) {
        check_part(s);
        return OK;
    }
    *done = s->bad_sum || s->bad || s->at == s->n;
    if (*done) return OK;
    buf bytes = BUF_INIT;
    reader r = s->r;
    uint64_t n = s->n - s->at < STEP_ELEMENTS ? s->n - s->at : STEP_ELEMENTS;
    int rc = read_part(rdb_type, &r, n, &bytes);
    if (rc == OK) rc = make_part(c, rdb_type, slice_of(&bytes), (size_t)n);
    buf_free(&bytes);
    if (rc == OK) {
        s->r = r;
        s->at += n;
    }
    s->bad = rc == ERR_CORRUPT;
    return s->bad ? OK : rc;
}

/* ---- the end -------------------------------------------------------------------------------------- */

static int finish(call *c, void *work) {
    struct restoring *s = work;
    struct entry e;
    uint64_t n = 0;
    if (s->bad_sum) return reply_error(c, "ERR DUMP payload version or checksum are wrong");
    int rc = call_steps_length(c, &n);
    if (rc != OK) return rc;
    /* A member twice: there are fewer than were told. */
    if (s->bad || n != s->n || reader_left(&s->r) != 0) return reply_error(c, "ERR Bad data format");
    rc = call_write(c, call_arg(c, 1), &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == OK && !s->to.replace) return reply_error(c, "BUSYKEY Target key name already exists.");
    rc = call_steps_take(c, call_arg(c, 1));
    if (rc == OK && s->to.expire_ms >= 0) rc = call_expire(c, call_arg(c, 1), s->to.expire_ms);
    return rc == OK ? restore_end(c, &s->to) : rc;
}

bool restore_many(call *c, slice payload) {
    reader r = reader_make(payload);
    uint8_t rdb_type = read_u8(&r);
    if (rdb_type != RDB_SET && rdb_type != RDB_HASH && rdb_type != RDB_ZSET_2) return false;
    uint64_t n = rdb_read_count(&r, 1);
    return !r.bad && n >= STEPS_FROM && call_may_step(c);
}

int restore_in_steps(call *c, const struct restore_to *to, slice payload) {
    static const struct steps_job ops = {step, finish, begin, mem_free};
    struct restoring *s = mem_calloc(1, sizeof(*s));
    s->to = *to;
    s->payload = payload;
    begin(s);
    return call_steps(c, &ops, s, call_argv(c) + 1, 1);
}
