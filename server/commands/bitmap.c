/* bitmap.c -- strings as arrays of bits: SETBIT and GETBIT, and the table of the family.
 *
 * A bit that is set is logged as the byte it stands in, so that the effect needs one page. */
#include "commands/bitmap_commands.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "types/string.h"

bool bit_offset(call *c, size_t i, int bits, uint64_t *out) {
    slice s = call_arg(c, i);
    int64_t max = exec_deps(call_exec(c))->keyspace_config->types.proto_max_bulk_len;
    int64_t offset, times = 1;
    if (bits > 0 && s.n > 0 && s.p[0] == '#') {
        times = bits;
        s = slice_make(s.p + 1, s.n - 1);
    }
    if (!num_parse_ll(s, &offset) || offset < 0 || __builtin_mul_overflow(offset, times, &offset) ||
        offset >> 3 >= max) {
        reply_error(c, "ERR bit offset is not an integer or out of range");
        return false;
    }
    *out = (uint64_t)offset;
    return true;
}

int bit_read(const struct value *v, uint64_t at, size_t n, uint8_t out[9]) {
    buf b = BUF_INIT;
    int rc = string_read(v, at, n, &b);
    memset(out, 0, 9);
    if (rc == OK && b.n > 0) memcpy(out, b.p, b.n);
    buf_free(&b);
    return rc;
}

int bit_write(call *c, slice key, uint64_t at, const uint8_t *bytes, size_t n) {
    uint8_t offset[8];
    put_u64(offset, at);
    slice args[2] = {slice_make(offset, 8), slice_make(bytes, n)};
    return call_value(c, TYPE_STRING, STRING_SETRANGE, key, args, 2);
}

bool bit_must_change(const struct value *v, uint64_t at) {
    struct value copy = *v;
    return string_len(v) <= at || strcmp(type_string.encoding(&copy), "raw") != 0;
}

bool bit_unit(call *c, size_t i, bool *bit) {
    *bit = call_arg_is(c, i, "bit");
    if (*bit || call_arg_is(c, i, "byte")) return true;
    reply_syntax(c);
    return false;
}

static int cmd_setbit(call *c) {
    struct entry e;
    uint64_t offset;
    int64_t on;
    uint8_t bytes[9];
    slice key = call_arg(c, 1);
    if (!bit_offset(c, 2, 0, &offset)) return OK;
    if (!call_int_in(c, 3, 0, 1, &on, "ERR bit is not an integer or out of range")) return OK;
    int rc = call_write_type(c, key, TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) memset(&e.value, 0, sizeof(e.value));
    else if (rc != OK) return rc;
    if ((rc = bit_read(&e.value, offset / 8, 1, bytes)) != OK) return rc;
    unsigned shift = 7 - (unsigned)(offset % 8);
    bool was = (bytes[0] >> shift & 1) != 0;
    bool told = string_len(&e.value) <= offset / 8 || was != (on != 0);
    if (told || bit_must_change(&e.value, offset / 8)) {
        bytes[0] = (uint8_t)((bytes[0] & ~(1u << shift)) | (unsigned)on << shift);
        if ((rc = bit_write(c, key, offset / 8, bytes, 1)) != OK) return rc;
    }
    if (told) call_notify(c, '$', "setbit", key);
    return reply_int(c, was);
}

static int cmd_getbit(call *c) {
    struct entry e;
    uint64_t offset;
    uint8_t bytes[9];
    if (!bit_offset(c, 2, 0, &offset)) return OK;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK || (rc = bit_read(&e.value, offset / 8, 1, bytes)) != OK) return rc;
    return reply_int(c, bytes[0] >> (7 - offset % 8) & 1);
}

/* BITFIELD with nothing but GETs only reads. */
static unsigned bitfield_key_flags(const slice *argv, size_t argc) {
    for (size_t i = 2; i < argc;) {
        if (slice_is(argv[i], "get") && i + 2 < argc) i += 3;
        else if (slice_is(argv[i], "overflow") && i + 1 < argc) i += 2;
        else return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    }
    return KEY_RO | KEY_ACCESS;
}

#define W CMD_WRITE | CMD_DENYOOM
#define G .group = GROUP_BITMAP
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
static const struct command rows[] = {
    {.name = "setbit", .fn = cmd_setbit, .arity = 4, .flags = W, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE), .since = "2.2.0",
     .summary = "Sets or clears the bit at offset in the string value stored at key",
     .complexity = "O(1)"},
    {.name = "getbit", .fn = cmd_getbit, .arity = 3, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = READ, .since = "2.2.0",
     .summary = "Returns the bit value at offset in the string value stored at key",
     .complexity = "O(1)"},
    {.name = "bitcount", .fn = cmd_bitcount, .arity = -2, .flags = CMD_READONLY, G, .keys = READ,
     .since = "2.6.0", .summary = "Count set bits in a string", .complexity = "O(N)"},
    {.name = "bitpos", .fn = cmd_bitpos, .arity = -3, .flags = CMD_READONLY, G, .keys = READ,
     .since = "2.8.7", .summary = "Find first bit set or clear in a string",
     .complexity = "O(N)"},
    {.name = "bitop", .fn = cmd_bitop, .arity = -4, .flags = W, G,
     .keys = {KEY_AT(KEY_OW | KEY_UPDATE, 2, 0, 1), KEY_AT(KEY_RO | KEY_ACCESS, 3, -1, 1)},
     .since = "2.6.0", .summary = "Perform bitwise operations between strings",
     .complexity = "O(N)"},
    {.name = "bitfield", .fn = cmd_bitfield, .arity = -2, .flags = W, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS),
     .key_flags = bitfield_key_flags, .since = "3.2.0",
     .summary = "Perform arbitrary bitfield integer operations on strings",
     .complexity = "O(1) for each subcommand specified"},
    {.name = "bitfield_ro", .fn = cmd_bitfield_ro, .arity = -2, .flags = CMD_READONLY | CMD_FAST,
     G, .keys = READ, .since = "6.0.0",
     .summary = "Perform arbitrary bitfield integer operations on strings. Read-only variant of "
                "BITFIELD",
     .complexity = "O(1) for each subcommand specified"},
};
const struct command_family family_bitmap = {rows, sizeof(rows) / sizeof(*rows)};
