/* hll.c -- the PF commands: strings that count different elements (base/hll.h).
 *
 * A string that grows while it is sparse is logged whole; of a dense one, only the bytes that changed. */
#include "base/hll.h"

#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "types/string.h"

#define SPANS_MAX 64 /* changed parts of a dense string that are logged one by one */
#define TAKEN_MAX (1u << 20) /* bytes of a damaged string that are looked at */
#define SPAN_GAP 16  /* bytes that two changed parts may lie apart and count as one */

static size_t sparse_max(const call *c) {
    int64_t n = exec_deps(call_exec(c))->keyspace_config->types.hll_sparse_max_bytes;
    return n > TAKEN_MAX ? TAKEN_MAX : (size_t)n; /* What is good is never as long. */
}

/* What these functions answer besides the usual: the string is none, or one whose registers are damaged. */
#define NOT_HLL ERR_SYNTAX
#define DAMAGED ERR_RANGE

static int damaged(int rc) { return rc == ERR_CORRUPT ? DAMAGED : rc; }

/* The reply to an error of the string; or what the handler returns. */
static int refuse(call *c, int rc) {
    if (rc == NOT_HLL) return reply_error(c, "WRONGTYPE Key is not a valid HyperLogLog string value.");
    if (rc == DAMAGED) return reply_error(c, "INVALIDOBJ Corrupted HLL object detected");
    return rc;
}

/* The string of an entry into *h. Of a sparse one that is far too long to be good, its head alone, which has no
 * register: who looks for one finds damage. */
static int take(const struct entry *e, buf *h) {
    uint64_t n = string_len(&e->value);
    h->n = 0;
    int rc = string_read(&e->value, 0, n <= TAKEN_MAX ? n : HLL_HEAD_BYTES, h);
    if (rc != OK) return rc;
    return hll_check(slice_of(h)) == OK ? OK : NOT_HLL;
}

/* ---- writing ------------------------------------------------------------------------------------- */

static int put_span(call *c, slice key, const buf *h, size_t from, size_t to) {
    uint8_t at[8];
    put_u64(at, from);
    slice args[2] = {slice_make(at, 8), slice_make(h->p + from, to - from)};
    return call_value(c, TYPE_STRING, STRING_SETRANGE, key, args, 2);
}

/* Where they differ, and neither is longer. */
static int put_changes(call *c, slice key, slice was, const buf *h) {
    size_t span[SPANS_MAX][2], n = 0;
    for (size_t i = 0; i < was.n; i++) {
        if (was.p[i] == h->p[i]) continue;
        bool near = n > 0 && (i - span[n - 1][1] < SPAN_GAP || n == SPANS_MAX);
        if (!near) span[n++][0] = i;
        span[n - 1][1] = i + 1;
    }
    int rc = OK;
    for (size_t i = 0; i < n && rc == OK; i++) rc = put_span(c, key, h, span[i][0], span[i][1]);
    return rc;
}

/* `was`: the string before, empty for a new key. OBJECT ENCODING of such a string is "raw", however
 * short it is: one that was changed in place. */
static int put(call *c, slice key, slice was, const buf *h) {
    slice now = slice_of(h);
    if (was.n == h->n && h->n > STRING_EMBSTR_MAX) return put_changes(c, key, was, h);
    bool twice = h->n <= STRING_EMBSTR_MAX;
    slice first = twice ? SLICE("") : now;
    int rc = call_value(c, TYPE_STRING, STRING_SET, key, &first, 1);
    if (rc == OK && twice) rc = call_value(c, TYPE_STRING, STRING_APPEND, key, &now, 1);
    return rc;
}

/* ---- PFADD, PFCOUNT, PFMERGE ---------------------------------------------------------------------- */

static int add_all(call *c, buf *h, bool *changed) {
    size_t max = sparse_max(c);
    int rc = 0;
    for (size_t i = 2; i < call_argc(c) && rc >= 0; i++) {
        rc = hll_add(h, call_arg(c, i), max);
        *changed |= rc > 0;
    }
    if (*changed) hll_cache_drop(h);
    return rc < 0 ? damaged(rc) : OK;
}

static int put_added(call *c, slice key, slice was, const buf *h) {
    int rc = put(c, key, was, h);
    if (rc == OK) call_notify(c, '$', "pfadd", key);
    return rc;
}

static int cmd_pfadd(call *c) {
    struct entry e;
    slice key = call_arg(c, 1);
    buf h = BUF_INIT, was = BUF_INIT;
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    bool changed = rc == ERR_NOTFOUND;
    if (changed) {
        hll_new(&h);
        rc = OK;
    } else if (rc == OK && (rc = take(&e, &h)) == OK) {
        buf_append_slice(&was, slice_of(&h));
    }
    if (rc == OK) rc = add_all(c, &h, &changed);
    if (changed && (rc == OK || rc == DAMAGED)) { /* What is before the damage stays added, as in Redis. */
        int put_rc = put_added(c, key, slice_of(&was), &h);
        if (put_rc != OK) rc = put_rc;
    }
    buf_free(&h);
    buf_free(&was);
    return rc == OK ? reply_int(c, changed) : refuse(c, rc);
}

/* Raises regs to what the keys from argument `first` on have. `dense`: one of them was. The error is that of
 * the first key that has one; so an error behind a cold key waits until that has been seen. */
static int merge_keys(call *c, size_t first, uint8_t regs[HLL_REGISTERS], bool *dense) {
    buf h = BUF_INIT;
    bool cold = false;
    int rc = OK;
    for (size_t i = first; i < call_argc(c) && rc == OK; i++) {
        struct entry e;
        rc = call_read_type(c, call_arg(c, i), TYPE_STRING, &e);
        if (rc == OK && (rc = take(&e, &h)) == OK) {
            *dense |= hll_dense(slice_of(&h));
            rc = damaged(hll_merge(regs, slice_of(&h)));
        }
        cold |= rc == ERR_COLD;
        if (rc == ERR_COLD || rc == ERR_NOTFOUND) rc = OK; /* Ask for the others too. */
    }
    buf_free(&h);
    return cold ? ERR_COLD : rc;
}

/* Counts, and keeps the count in the string when the store takes writes now. */
static int count_one(call *c, slice key, buf *h, uint64_t *count) {
    if (hll_cached(slice_of(h), count)) return OK;
    uint8_t regs[HLL_REGISTERS] = {0};
    const char *why;
    int rc = damaged(hll_merge(regs, slice_of(h)));
    if (rc != OK) return rc;
    *count = hll_estimate(regs);
    hll_cache(h, *count);
    if (tier_admit(call_tier(c), &why) != OK) return OK;
    return put_span(c, key, h, HLL_HEAD_BYTES - 8, HLL_HEAD_BYTES);
}

static int count_many(call *c, uint64_t *count) {
    uint8_t regs[HLL_REGISTERS] = {0};
    bool dense = false;
    int rc = merge_keys(c, 1, regs, &dense);
    if (rc == OK) *count = hll_estimate(regs);
    return rc;
}

static int cmd_pfcount(call *c) {
    struct entry e;
    slice key = call_arg(c, 1);
    uint64_t count = 0;
    buf h = BUF_INIT;
    int rc;
    if (call_argc(c) > 2) {
        rc = count_many(c, &count);
    } else if ((rc = call_read_type(c, key, TYPE_STRING, &e)) == ERR_NOTFOUND) {
        rc = OK;
    } else if (rc == OK && (rc = take(&e, &h)) == OK) {
        rc = count_one(c, key, &h, &count);
    }
    buf_free(&h);
    return rc == OK ? reply_int(c, (int64_t)count) : refuse(c, rc);
}

static int raise_all(call *c, const uint8_t regs[HLL_REGISTERS], bool dense, buf *h) {
    size_t max = sparse_max(c);
    int rc = dense ? hll_make_dense(h) : OK;
    for (unsigned i = 0; i < HLL_REGISTERS && rc >= 0; i++)
        if (regs[i] > 0) rc = hll_raise(h, i, regs[i], max);
    hll_cache_drop(h);
    return rc < 0 ? damaged(rc) : OK;
}

static int cmd_pfmerge(call *c) {
    struct entry e;
    slice key = call_arg(c, 1);
    uint8_t regs[HLL_REGISTERS] = {0};
    bool dense = false;
    int rc = call_write(c, key, &e); /* One whose time has come goes first. */
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if ((rc = merge_keys(c, 1, regs, &dense)) != OK) return refuse(c, rc);
    buf h = BUF_INIT, was = BUF_INIT;
    rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) {
        hll_new(&h);
        rc = OK;
    } else if (rc == OK && (rc = take(&e, &was)) == OK) {
        buf_append_slice(&h, slice_of(&was));
    }
    if (rc == OK) rc = raise_all(c, regs, dense, &h);
    if (rc == OK) rc = put_added(c, key, slice_of(&was), &h);
    buf_free(&h);
    buf_free(&was);
    return rc == OK ? reply_ok(c) : refuse(c, rc);
}

/* ---- for tests of the form ------------------------------------------------------------------------ */

static int debug_registers(call *c, const buf *h) {
    uint8_t regs[HLL_REGISTERS] = {0};
    int rc = damaged(hll_merge(regs, slice_of(h)));
    if (rc != OK) return rc;
    reply_array(c, HLL_REGISTERS);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) reply_int(c, regs[i]);
    return OK;
}

static int debug_runs(call *c, const struct entry *e, const buf *h) {
    if (hll_dense(slice_of(h))) return reply_error(c, "ERR HLL encoding is not sparse");
    if (string_len(&e->value) > TAKEN_MAX) return DAMAGED;
    buf text = BUF_INIT;
    hll_runs(slice_of(h), &text);
    int rc = reply_bulk(c, slice_of(&text));
    buf_free(&text);
    return rc;
}

static int debug_dense(call *c, slice key, buf *h, bool tell) {
    bool dense = hll_dense(slice_of(h));
    buf was = BUF_INIT;
    buf_append_slice(&was, slice_of(h));
    int rc = damaged(hll_make_dense(h));
    if (rc == OK && !dense) rc = put(c, key, slice_of(&was), h);
    buf_free(&was);
    if (rc != OK) return rc;
    return tell ? reply_int(c, !dense) : debug_registers(c, h);
}

static int debug_unknown(call *c) {
    slice name = call_arg(c, 1);
    buf text = BUF_INIT;
    buf_append_str(&text, "ERR Unknown PFDEBUG subcommand '");
    buf_append(&text, name.p, strnlen((const char *)name.p, name.n)); /* as Redis prints it */
    buf_append(&text, "'", 2); /* and its NUL */
    (void)reply_error(c, (const char *)text.p);
    buf_free(&text);
    return OK;
}

static int cmd_pfdebug(call *c) {
    struct entry e;
    slice key = call_arg(c, 2);
    buf h = BUF_INIT;
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR The specified key does not exist");
    if (rc == OK && (rc = take(&e, &h)) == OK) {
        bool dense = hll_dense(slice_of(&h));
        if (call_arg_is(c, 1, "getreg")) rc = debug_dense(c, key, &h, false);
        else if (call_arg_is(c, 1, "decode")) rc = debug_runs(c, &e, &h);
        else if (call_arg_is(c, 1, "encoding")) rc = reply_status(c, dense ? "dense" : "sparse");
        else if (call_arg_is(c, 1, "todense")) rc = debug_dense(c, key, &h, true);
        else rc = debug_unknown(c);
    }
    buf_free(&h);
    return refuse(c, rc);
}

/* Sparse and dense hold the same registers, and estimates are as good as they should be. */
static bool self_test(void) {
    buf sparse = BUF_INIT, dense = BUF_INIT;
    bool good = true;
    uint64_t next = 1;
    hll_new(&sparse);
    hll_new(&dense);
    (void)hll_make_dense(&dense);
    for (uint64_t n = 1; n <= 100000 && good; n++) {
        uint8_t element[8];
        put_u64(element, n);
        bool a = hll_add(&sparse, slice_make(element, 8), HLL_SPARSE_BYTES_MAX) > 0;
        bool b = hll_add(&dense, slice_make(element, 8), 0) > 0;
        good = a == b;
        if (n != next || !good) continue;
        uint8_t x[HLL_REGISTERS] = {0}, y[HLL_REGISTERS] = {0};
        good = hll_merge(x, slice_of(&sparse)) == OK && hll_merge(y, slice_of(&dense)) == OK &&
               memcmp(x, y, HLL_REGISTERS) == 0;
        double off = (double)hll_estimate(x) - (double)n;
        good = good && (off < 0 ? -off : off) <= 1 + (double)n * 0.04; /* five standard errors */
        next *= 10;
    }
    buf_free(&sparse);
    buf_free(&dense);
    return good;
}

static int cmd_pfselftest(call *c) {
    return self_test() ? reply_ok(c) : reply_error(c, "ERR TESTFAILED registers or estimates are off");
}

#define W CMD_WRITE | CMD_DENYOOM
#define G .group = GROUP_HYPERLOGLOG
static const struct command rows[] = {
    {.name = "pfadd", .fn = cmd_pfadd, .arity = -2, .flags = W | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_INSERT), .since = "2.8.9",
     .summary = "Adds the specified elements to the specified HyperLogLog.",
     .complexity = "O(1) to add every element."},
    {.name = "pfcount", .fn = cmd_pfcount, .arity = -2, .flags = CMD_READONLY | CMD_MAY_REPLICATE, G,
     .keys = ALL_KEYS(KEY_RW | KEY_ACCESS), .since = "2.8.9",
     .summary = "Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s).",
     .complexity = "O(1) with a very small average constant time when called with a single key. O(N) with N "
                   "being the number of keys, and much bigger constant times, when called with multiple "
                   "keys."},
    {.name = "pfmerge", .fn = cmd_pfmerge, .arity = -2, .flags = W, G,
     .keys = {KEY_AT(KEY_RW | KEY_ACCESS | KEY_INSERT, 1, 0, 1), KEY_AT(KEY_RO | KEY_ACCESS, 2, -1, 1)},
     .since = "2.8.9", .summary = "Merge N different HyperLogLogs into a single one.",
     .complexity = "O(N) to merge N HyperLogLogs, but with high constant times."},
    {.name = "pfdebug", .fn = cmd_pfdebug, .arity = 3, .flags = W | CMD_ADMIN, G,
     .keys = SUB_KEY(KEY_RW | KEY_ACCESS), .since = "2.8.9",
     .summary = "Internal commands for debugging HyperLogLog values", .complexity = "N/A"},
    {.name = "pfselftest", .fn = cmd_pfselftest, .arity = 1, .flags = CMD_ADMIN, G, .since = "2.8.9",
     .summary = "An internal command for testing HyperLogLog values", .complexity = "N/A"},
};
const struct command_family family_hll = {rows, sizeof(rows) / sizeof(*rows)};
