/* hll.c -- the PF commands: strings that count different elements (base/hll.h).
 *
 * A string that grows while it is sparse is logged whole; of a dense one, only the bytes that changed. */
#include "base/hll.h"

#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "types/string.h"

#define SPANS_MAX 64 /* changed parts of a dense string that are logged one by one */
#define SPAN_GAP 16  /* bytes that two changed parts may lie apart and count as one */

static size_t sparse_max(const call *c) {
    int64_t n = exec_deps(call_exec(c))->keyspace_config->types.hll_sparse_max_bytes;
    return n > (int64_t)HLL_SPARSE_BYTES_MAX ? HLL_SPARSE_BYTES_MAX : (size_t)n;
}

static int corrupted(call *c) { return reply_error(c, "INVALIDOBJ Corrupted HLL object detected"); }

/* The string of an entry into *h. True: it is one of ours; else *rc is what the handler returns. */
static bool take(call *c, const struct entry *e, buf *h, int *rc) {
    static const char other[] = "WRONGTYPE Key is not a valid HyperLogLog string value.";
    uint64_t n = string_len(&e->value);
    h->n = 0;
    bool possible = n >= HLL_HEAD_BYTES && n <= HLL_SPARSE_BYTES_MAX;
    *rc = string_read(&e->value, 0, possible ? n : HLL_HEAD_BYTES, h);
    if (*rc != OK) return false;
    if (hll_check(slice_of(h)) != OK) *rc = reply_error(c, other);
    else if (!possible) *rc = corrupted(c);
    else return true;
    return false;
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
    for (size_t i = 2; i < call_argc(c); i++) {
        int rc = hll_add(h, call_arg(c, i), max);
        if (rc < 0) return rc;
        *changed |= rc > 0;
    }
    if (*changed) hll_cache_drop(h);
    return OK;
}

static int cmd_pfadd(call *c) {
    struct entry e;
    slice key = call_arg(c, 1);
    buf h = BUF_INIT, was = BUF_INIT;
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    bool changed = rc == ERR_NOTFOUND, ours = changed;
    if (changed) hll_new(&h);
    else if (rc == OK) ours = take(c, &e, &h, &rc);
    if (ours) {
        if (!changed) buf_append_slice(&was, slice_of(&h));
        rc = add_all(c, &h, &changed);
        if (rc == OK && changed && (rc = put(c, key, slice_of(&was), &h)) == OK)
            call_notify(c, '$', "pfadd", key);
        if (rc == OK) rc = reply_int(c, changed);
        else if (rc == ERR_CORRUPT) rc = corrupted(c);
    }
    buf_free(&h);
    buf_free(&was);
    return rc;
}

/* Raises regs to what the keys from argument `first` on have. `dense`: one of them was. False: *rc. */
static bool merge_keys(call *c, size_t first, uint8_t regs[HLL_REGISTERS], bool *dense, int *rc) {
    buf h = BUF_INIT;
    bool cold = false, going = true;
    for (size_t i = first; i < call_argc(c) && going; i++) {
        struct entry e;
        *rc = call_read_type(c, call_arg(c, i), TYPE_STRING, &e);
        if (*rc == ERR_NOTFOUND) continue;
        going = *rc == OK && take(c, &e, &h, rc);
        if (*rc == ERR_COLD) going = cold = true; /* Ask for the others too. */
        else if (going && (*dense |= hll_dense(slice_of(&h)), hll_merge(regs, slice_of(&h)) != OK)) {
            *rc = corrupted(c);
            going = false;
        }
    }
    buf_free(&h);
    if (going && cold) *rc = ERR_COLD;
    return going && !cold;
}

/* Counts, and keeps the count in the string when the store takes writes now. */
static int count_one(call *c, slice key, buf *h, uint64_t *count) {
    if (hll_cached(slice_of(h), count)) return OK;
    uint8_t regs[HLL_REGISTERS] = {0};
    const char *why;
    int rc = hll_merge(regs, slice_of(h));
    if (rc != OK) return rc;
    *count = hll_estimate(regs);
    hll_cache(h, *count);
    if (tier_admit(call_tier(c), &why) != OK) return OK;
    return put_span(c, key, h, HLL_HEAD_BYTES - 8, HLL_HEAD_BYTES);
}

static int cmd_pfcount(call *c) {
    slice key = call_arg(c, 1);
    uint64_t count = 0;
    int rc;
    if (call_argc(c) > 2) {
        uint8_t regs[HLL_REGISTERS] = {0};
        bool dense = false;
        if (!merge_keys(c, 1, regs, &dense, &rc)) return rc;
        return reply_int(c, (int64_t)hll_estimate(regs));
    }
    struct entry e;
    buf h = BUF_INIT;
    rc = call_read_type(c, key, TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc == OK && take(c, &e, &h, &rc)) {
        rc = count_one(c, key, &h, &count);
        if (rc == OK) rc = reply_int(c, (int64_t)count);
        else if (rc == ERR_CORRUPT) rc = corrupted(c);
    }
    buf_free(&h);
    return rc;
}

static int raise_all(call *c, const uint8_t regs[HLL_REGISTERS], bool dense, buf *h) {
    size_t max = sparse_max(c);
    int rc = dense ? hll_make_dense(h) : OK;
    for (unsigned i = 0; i < HLL_REGISTERS && rc >= 0; i++)
        if (regs[i] > 0) rc = hll_raise(h, i, regs[i], max);
    hll_cache_drop(h);
    return rc < 0 ? rc : OK;
}

static int cmd_pfmerge(call *c) {
    struct entry e;
    slice key = call_arg(c, 1);
    uint8_t regs[HLL_REGISTERS] = {0};
    bool dense = false, ours = true;
    int rc = call_write(c, key, &e); /* One whose time has come goes first. */
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (!merge_keys(c, 1, regs, &dense, &rc)) return rc;
    buf h = BUF_INIT, was = BUF_INIT;
    rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) hll_new(&h);
    else if (rc != OK || !take(c, &e, &was, &rc)) ours = false;
    else buf_append_slice(&h, slice_of(&was));
    if (ours) {
        rc = raise_all(c, regs, dense, &h);
        if (rc == OK && (rc = put(c, key, slice_of(&was), &h)) == OK) {
            call_notify(c, '$', "pfadd", key);
            rc = reply_ok(c);
        } else if (rc == ERR_CORRUPT) {
            rc = corrupted(c);
        }
    }
    buf_free(&h);
    buf_free(&was);
    return rc;
}

/* ---- for tests of the form ------------------------------------------------------------------------ */

static int debug_registers(call *c, const buf *h) {
    uint8_t regs[HLL_REGISTERS] = {0};
    int rc = hll_merge(regs, slice_of(h));
    if (rc != OK) return rc;
    reply_array(c, HLL_REGISTERS);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) reply_int(c, regs[i]);
    return OK;
}

static int debug_runs(call *c, const buf *h) {
    if (hll_dense(slice_of(h))) return reply_error(c, "ERR HLL encoding is not sparse");
    buf text = BUF_INIT;
    int rc = hll_runs(slice_of(h), &text);
    if (rc == OK) rc = reply_bulk(c, slice_of(&text));
    buf_free(&text);
    return rc;
}

static int debug_dense(call *c, slice key, buf *h, bool tell) {
    bool dense = hll_dense(slice_of(h));
    buf was = BUF_INIT;
    buf_append_slice(&was, slice_of(h));
    int rc = hll_make_dense(h);
    if (rc == OK && !dense) rc = put(c, key, slice_of(&was), h);
    buf_free(&was);
    if (rc != OK) return rc;
    return tell ? reply_int(c, !dense) : debug_registers(c, h);
}

static int cmd_pfdebug(call *c) {
    struct entry e;
    slice key = call_arg(c, 2);
    buf h = BUF_INIT;
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR The specified key does not exist");
    if (rc == OK && take(c, &e, &h, &rc)) {
        bool dense = hll_dense(slice_of(&h));
        if (call_arg_is(c, 1, "getreg")) rc = debug_dense(c, key, &h, false);
        else if (call_arg_is(c, 1, "decode")) rc = debug_runs(c, &h);
        else if (call_arg_is(c, 1, "encoding")) rc = reply_status(c, dense ? "dense" : "sparse");
        else if (call_arg_is(c, 1, "todense")) rc = debug_dense(c, key, &h, true);
        else rc = reply_errorf(c, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)(call_arg(c, 1).n < 128 ? call_arg(c, 1).n : 128),
                               (const char *)call_arg(c, 1).p);
        if (rc == ERR_CORRUPT) rc = corrupted(c);
    }
    buf_free(&h);
    return rc;
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
