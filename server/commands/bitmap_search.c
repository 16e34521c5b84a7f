/* bitmap_search.c -- BITCOUNT and BITPOS: a string, or a range of its bytes or bits, from page to
 * page. */
#include "base/mem.h"
#include "commands/bitmap_commands.h"
#include "commands/commands.h"
#include "types/string.h"

/* Bits [from, to) of the string, from < to. */
struct range {
    uint64_t from, to;
};

/* Turns start and end as given (negative ones count from the end) into bits of a string of `length`
 * bytes. False: the range is empty. */
static bool range_of(int64_t start, int64_t end, bool bit, uint64_t length, struct range *r) {
    int64_t unit = bit ? 1 : 8, total = (int64_t)length * (bit ? 8 : 1);
    if (start < 0) start += total;
    if (end < 0) end += total;
    if (start < 0) start = 0;
    if (end < 0) end = 0;
    if (end >= total) end = total - 1;
    if (start > end) return false;
    *r = (struct range){(uint64_t)(start * unit), (uint64_t)((end + 1) * unit)};
    return true;
}

/* The bytes of the next part of *r, up to the end of a page; the bits outside of the range are made
 * `fill`. *r moves behind it, whether it is cold or not. */
static int next_part(const struct value *v, struct range *r, bool fill, buf *part) {
    uint64_t at = r->from / 8, end = (r->to + 7) / 8;
    uint64_t stop = (at / PAGE_BYTES + 1) * PAGE_BYTES;
    if (stop > end) stop = end;
    part->n = 0;
    int rc = string_read(v, at, stop - at, part);
    if (rc == OK && part->n != stop - at) rc = ERR_CORRUPT;
    if (rc == OK) {
        uint8_t head = (uint8_t)~(0xFFu >> r->from % 8); /* bits before the range */
        uint8_t tail = (uint8_t)(stop * 8 > r->to ? 0xFFu >> r->to % 8 : 0);
        uint8_t *first = part->p, *last = part->p + part->n - 1;
        *first = fill ? *first | head : (uint8_t)(*first & ~head);
        *last = fill ? *last | tail : (uint8_t)(*last & ~tail);
    }
    r->from = stop * 8;
    if (r->from > r->to) r->from = r->to;
    return rc;
}

/* ---- BITCOUNT ----------------------------------------------------------------------------------- */

static uint64_t count_word(uint64_t w) {
    w -= w >> 1 & 0x5555555555555555u;
    w = (w & 0x3333333333333333u) + (w >> 2 & 0x3333333333333333u);
    w = (w + (w >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return w * 0x0101010101010101u >> 56;
}

static uint64_t count_bits(slice s) {
    uint64_t n = 0;
    for (; s.n >= 8; s = slice_make(s.p + 8, s.n - 8)) n += count_word(get_u64(s.p));
    for (size_t i = 0; i < s.n; i++) n += count_word(s.p[i]);
    return n;
}

static int count_range(call *c, const struct value *v, struct range r) {
    uint64_t n = 0;
    int cold = OK;
    buf part = BUF_INIT;
    while (r.from < r.to) {
        int rc = next_part(v, &r, false, &part);
        if (rc == OK) n += count_bits(slice_of(&part));
        else cold = rc; /* Cold: the other pages are asked for as well. */
        if (rc != OK && rc != ERR_COLD) break;
    }
    buf_free(&part);
    return cold != OK ? cold : reply_int(c, (int64_t)n);
}

int cmd_bitcount(call *c) {
    struct entry e;
    struct range r;
    int64_t start = 0, end = -1;
    bool bit = false;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    if (call_argc(c) == 3 || call_argc(c) > 5) return reply_syntax(c);
    if (call_argc(c) > 3) {
        if (!call_int(c, 2, &start) || !call_int(c, 3, &end)) return OK;
        if (start < 0 && end < 0 && start > end) return reply_int(c, 0);
        if (call_argc(c) == 5 && !bit_unit(c, 4, &bit)) return OK;
    }
    if (!range_of(start, end, bit, string_len(&e.value), &r)) return reply_int(c, 0);
    return count_range(c, &e.value, r);
}

/* ---- BITPOS ------------------------------------------------------------------------------------- */

/* The first bit that is `bit`, counted from the first of s; -1: none. */
static int64_t first_bit(slice s, bool bit) {
    const uint8_t skip = bit ? 0x00 : 0xFF;
    const uint64_t skip_word = bit ? 0 : UINT64_MAX;
    size_t i = 0;
    while (i + 8 <= s.n && get_u64(s.p + i) == skip_word) i += 8;
    while (i < s.n && s.p[i] == skip) i++;
    if (i == s.n) return -1;
    uint8_t b = (uint8_t)(s.p[i] ^ skip);
    int64_t at = (int64_t)i * 8;
    for (; (b & 0x80) == 0; b = (uint8_t)(b << 1)) at++;
    return at;
}

/* How many pages the command asks for when it meets a cold one: few at first, as the bit may be near,
 * and twice as many each time it comes back. */
static size_t ahead(call *c) {
    size_t *rounds = call_state(c);
    if (rounds == NULL) {
        rounds = mem_alloc(sizeof(*rounds));
        *rounds = 2;
        call_set_state(c, rounds, mem_free);
    }
    return *rounds *= 2;
}

static int find_in(call *c, const struct value *v, struct range r, bool bit, int64_t *found) {
    buf part = BUF_INIT;
    int rc = OK;
    *found = -1;
    while (r.from < r.to && *found < 0 && rc == OK) {
        int64_t base = (int64_t)(r.from / 8 * 8);
        rc = next_part(v, &r, !bit, &part);
        if (rc == OK && (*found = first_bit(slice_of(&part), bit)) >= 0) *found += base;
    }
    if (rc == ERR_COLD) {
        for (size_t more = ahead(c); more > 0 && r.from < r.to; more--) {
            int one = next_part(v, &r, !bit, &part);
            if (one != OK && one != ERR_COLD) rc = one;
        }
    }
    buf_free(&part);
    return rc;
}

int cmd_bitpos(call *c) {
    struct entry e;
    struct range r;
    int64_t bit, start = 0, end = -1, found;
    bool by_bit = false;
    size_t argc = call_argc(c);
    if (!call_int(c, 2, &bit)) return OK;
    if (bit != 0 && bit != 1) return reply_error(c, "ERR The bit argument must be 1 or 0.");
    int rc = call_read_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, bit == 1 ? -1 : 0);
    if (rc != OK) return rc;
    if (argc > 6) return reply_syntax(c);
    if (argc > 3 && !call_int(c, 3, &start)) return OK;
    if (argc == 6 && !bit_unit(c, 5, &by_bit)) return OK;
    if (argc > 4 && !call_int(c, 4, &end)) return OK;
    if (!range_of(start, end, by_bit, string_len(&e.value), &r)) return reply_int(c, -1);
    rc = find_in(c, &e.value, r, bit == 1, &found);
    if (rc != OK) return rc;
    /* A string goes on with zeros, unless it was said where to stop. */
    if (found < 0 && bit == 0 && argc <= 4) found = (int64_t)r.to;
    return reply_int(c, found);
}
