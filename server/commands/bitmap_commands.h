/* bitmap_commands.h -- what the files of the bit commands share. */
#ifndef COVE_COMMANDS_BITMAP_COMMANDS_H
#define COVE_COMMANDS_BITMAP_COMMANDS_H

#include "exec/call.h"

int cmd_bitfield(call *c); /* bitfield.c */
int cmd_bitfield_ro(call *c);
int cmd_bitcount(call *c); /* bitmap_search.c */
int cmd_bitpos(call *c);
int cmd_bitop(call *c); /* bitop.c */

/* Argument i as a bit's offset. bits > 0: "#n" is n times so many bits. False after a reply. */
bool bit_offset(call *c, size_t i, int bits, uint64_t *out);
/* Bytes [at, at + n) of the string, n at most 9; what lies behind its end is zero. */
int bit_read(const struct value *v, uint64_t at, size_t n, uint8_t out[9]);
int bit_write(call *c, slice key, uint64_t at, const uint8_t *bytes, size_t n);
/* What Redis would have to make of the string before it could change a bit up to byte `at`: longer,
 * or raw (OBJECT ENCODING shows it). */
bool bit_must_change(const struct value *v, uint64_t at);
/* "BIT" or "BYTE". False after a reply. */
bool bit_unit(call *c, size_t i, bool *bit);

#endif
