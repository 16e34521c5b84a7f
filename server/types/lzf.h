/* lzf.h -- the LZF format (Marc Lehmann), in which RDB payloads hold long strings.
 *
 *     000lllll               a run of l + 1 bytes as they are
 *     lllooooo oooooooo      l + 2 bytes (l < 7) from o + 1 bytes back
 *     111ooooo llllllll oooooooo   l + 9 bytes from o + 1 bytes back                   */
#ifndef COVE_TYPES_LZF_H
#define COVE_TYPES_LZF_H

#include "base/bytes.h"
#include "base/err.h"

#define LZF_RATIO_MAX 88 /* 264 bytes from 3: no input grows by more. */

/* Bytes written; 0 when it does not fit in cap, or in is too short or too long for the format. */
size_t lzf_compress(slice in, uint8_t *out, size_t cap);
/* Exactly n bytes into out, or ERR_CORRUPT. */
int lzf_decompress(slice in, uint8_t *out, size_t n);

#endif
