/* bitfield.c -- BITFIELD and BITFIELD_RO: integers of any width at any bit of a string.
 *
 * All operations are read before the first is done, and all pages asked for. Then each that
 * changes something is an effect of the bytes it stands in, and the next one sees it. */
#include <assert.h>

#include "base/mem.h"
#include "commands/bitmap_commands.h"
#include "commands/commands.h"
#include "types/string.h"

enum field_op { FIELD_GET, FIELD_SET, FIELD_INCRBY };
enum overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field {
    enum field_op op;
    enum overflow overflow;
    bool sign;
    int bits;
    uint64_t offset;
    int64_t arg;
};

static uint64_t first_byte(const struct field *f) { return f->offset / 8; }
static uint64_t last_byte(const struct field *f) { return (f->offset + (uint64_t)f->bits - 1) / 8; }

/* ---- reading the arguments ---------------------------------------------------------------------- */

static bool field_type(call *c, size_t i, struct field *f) {
    slice s = call_arg(c, i);
    int64_t bits = 0;
    f->sign = s.n > 0 && s.p[0] == 'i';
    bool ok = s.n > 1 && (f->sign || s.p[0] == 'u') &&
              num_parse_ll(slice_make(s.p + 1, s.n - 1), &bits);
    f->bits = ok && bits >= 1 && bits <= (f->sign ? 64 : 63) ? (int)bits : 0;
    if (f->bits > 0) return true;
    reply_error(c, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                   "supported but i64 is.");
    return false;
}

static bool overflow_type(call *c, size_t i, enum overflow *how) {
    if (call_arg_is(c, i, "wrap")) *how = OVERFLOW_WRAP;
    else if (call_arg_is(c, i, "sat")) *how = OVERFLOW_SAT;
    else if (call_arg_is(c, i, "fail")) *how = OVERFLOW_FAIL;
    else {
        reply_error(c, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* *writes: any but GET; *highest: the last byte that these reach. False after a reply. */
static bool parse(call *c, struct field *list, size_t *n, bool *writes, uint64_t *highest) {
    enum overflow how = OVERFLOW_WRAP;
    size_t argc = call_argc(c);
    for (size_t i = 2; i < argc; i++) {
        size_t left = argc - i - 1;
        struct field *f = &list[*n];
        *f = (struct field){.overflow = how};
        if (left >= 1 && call_arg_is(c, i, "overflow")) {
            if (!overflow_type(c, ++i, &how)) return false;
            continue;
        }
        if (left >= 2 && call_arg_is(c, i, "get")) f->op = FIELD_GET;
        else if (left >= 3 && call_arg_is(c, i, "set")) f->op = FIELD_SET;
        else if (left >= 3 && call_arg_is(c, i, "incrby")) f->op = FIELD_INCRBY;
        else {
            reply_syntax(c);
            return false;
        }
        if (!field_type(c, i + 1, f) || !bit_offset(c, i + 2, f->bits, &f->offset)) return false;
        i += 2;
        if (f->op != FIELD_GET) {
            if (!call_int(c, ++i, &f->arg)) return false;
            *writes = true;
            if (last_byte(f) > *highest) *highest = last_byte(f);
        }
        ++*n;
    }
    return true;
}

/* ---- numbers ------------------------------------------------------------------------------------ */

/* The first bit is the highest, in a byte and in a number. */
static int64_t number_at(const uint8_t *bytes, const struct field *f) {
    uint64_t v = 0;
    assert(f->bits >= 1 && f->bits <= 64);
    for (unsigned i = 0, at = (unsigned)(f->offset % 8); i < (unsigned)f->bits; i++, at++)
        v = v << 1 | (uint64_t)(bytes[at / 8] >> (7 - at % 8) & 1);
    if (f->sign && f->bits < 64) {
        uint64_t top = (uint64_t)1 << (f->bits - 1);
        v = (v ^ top) - top;
    }
    return (int64_t)v;
}

static void put_number(uint8_t *bytes, const struct field *f, int64_t number) {
    for (unsigned i = 0, at = (unsigned)(f->offset % 8); i < (unsigned)f->bits; i++, at++) {
        unsigned bit = (unsigned)((uint64_t)number >> ((unsigned)f->bits - 1 - i) & 1);
        unsigned shift = 7 - at % 8;
        bytes[at / 8] = (uint8_t)((bytes[at / 8] & ~(1u << shift)) | bit << shift);
    }
}

/* base + by as a number of the field's type; true: it did not fit, and *out is what the overflow
 * makes of it. */
static bool fit(const struct field *f, int64_t base, int64_t by, int64_t *out) {
    int64_t max = f->sign ? INT64_MAX >> (64 - f->bits) : INT64_MAX >> (63 - f->bits);
    int64_t min = f->sign ? -max - 1 : 0;
    bool carry = __builtin_add_overflow(base, by, out);
    bool over = carry ? by > 0 : *out > max;
    bool under = carry ? by < 0 : *out < min;
    /* SET: 64 bits without a sign, more than any field has. With one, what lies further below the field's greatest
     * number than 64 bits can say is above it in Redis 7. */
    if (f->sign ? f->bits < 64 && base < max - INT64_MAX : base < 0) {
        over = true;
        under = false;
    }
    if (!over && !under) return false;
    if (f->overflow == OVERFLOW_SAT) {
        *out = over ? max : min;
    } else if (f->bits < 64) {
        uint64_t sum = ((uint64_t)base + (uint64_t)by) & (((uint64_t)1 << f->bits) - 1);
        uint64_t top = (uint64_t)1 << (f->bits - 1);
        *out = (int64_t)(f->sign ? (sum ^ top) - top : sum);
    }
    return true;
}

/* ---- doing it ----------------------------------------------------------------------------------- */

static int current(call *c, struct entry *e) {
    int rc = call_peek(c, call_arg(c, 1), e);
    if (rc == ERR_NOTFOUND) memset(&e->value, 0, sizeof(e->value));
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int do_field(call *c, const struct field *f, bool *changed) {
    struct entry e;
    uint8_t bytes[9];
    size_t n = (size_t)(last_byte(f) - first_byte(f) + 1);
    int rc = current(c, &e);
    if (rc == OK) rc = bit_read(&e.value, first_byte(f), n, bytes);
    if (rc != OK) return rc;
    int64_t was = number_at(bytes, f), now;
    if (f->op == FIELD_GET) return reply_int(c, was);
    bool overflows = f->op == FIELD_SET ? fit(f, f->arg, 0, &now) : fit(f, was, f->arg, &now);
    if (overflows && f->overflow == OVERFLOW_FAIL) return reply_null(c);
    if (now != was) {
        put_number(bytes, f, now);
        if ((rc = bit_write(c, call_arg(c, 1), first_byte(f), bytes, n)) != OK) return rc;
        *changed = true;
    }
    return reply_int(c, f->op == FIELD_SET ? was : now);
}

/* The string as long as the operations need it, and raw. *grown: it was shorter. */
static int make_room(call *c, uint64_t highest, bool *grown) {
    struct entry e;
    uint8_t bytes[9];
    int rc = current(c, &e);
    if (rc != OK) return rc;
    *grown = string_len(&e.value) <= highest;
    if (!bit_must_change(&e.value, highest)) return OK;
    if ((rc = bit_read(&e.value, highest, 1, bytes)) != OK) return rc;
    return bit_write(c, call_arg(c, 1), highest, bytes, 1);
}

static int need_pages(call *c, const struct value *v, const struct field *list, size_t n) {
    bool cold = false;
    (void)c;
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[9];
        int rc = bit_read(v, first_byte(&list[i]), last_byte(&list[i]) - first_byte(&list[i]) + 1,
                          bytes);
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK) return rc;
    }
    return cold ? ERR_COLD : OK;
}

static int do_all(call *c, const struct field *list, size_t n, bool writes, uint64_t highest) {
    struct entry e;
    bool changed = false, grown = false;
    slice key = call_arg(c, 1);
    int rc = writes ? call_write_type(c, key, TYPE_STRING, &e)
                    : call_read_type(c, key, TYPE_STRING, &e);
    if (rc == OK) rc = need_pages(c, &e.value, list, n);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (writes && (rc = make_room(c, highest, &grown)) != OK) return rc;
    reply_array(c, n);
    for (size_t i = 0; i < n; i++)
        if ((rc = do_field(c, &list[i], &changed)) != OK) return rc;
    if (changed || grown) call_notify(c, '$', "setbit", key);
    return OK;
}

static int run(call *c, bool read_only) {
    bool writes = false;
    uint64_t highest = 0;
    size_t n = 0;
    struct field *list = mem_alloc((call_argc(c) + 1) * sizeof(*list));
    int rc = OK;
    if (parse(c, list, &n, &writes, &highest)) {
        if (read_only && writes) reply_error(c, "ERR BITFIELD_RO only supports the GET subcommand");
        else rc = do_all(c, list, n, writes, highest);
    }
    mem_free(list);
    return rc;
}

int cmd_bitfield(call *c) { return run(c, false); }
int cmd_bitfield_ro(call *c) { return run(c, true); }
