/* codec.h -- compression of what is stored: one byte says how. */
#ifndef COVE_TIER_CODEC_H
#define COVE_TIER_CODEC_H

#include "base/bytes.h"
#include "base/err.h"

enum codec { CODEC_PLAIN = 0, CODEC_ZSTD = 1 };
#define CODEC_MIN_BYTES 4096 /* Below this zstd's own cost is not worth the bytes. */

typedef struct codec_state codec_state; /* What one thread reuses between calls. */
codec_state *codec_state_create(void);
void codec_state_free(codec_state *s);

/* Appends raw, compressed if that helps, and says which. s may be NULL. */
uint8_t codec_pack(codec_state *s, slice raw, buf *out);
/* The same for what is not stored for long: where pieces of it show that an eighth at most would be saved, as of floats,
 * it is plain. */
uint8_t codec_pack_brief(slice raw, buf *out);
/* Appends exactly raw_bytes, or ERR_CORRUPT; ERR_NOMEM. The caller has bounded raw_bytes. */
int codec_unpack(uint8_t codec, slice stored, size_t raw_bytes, buf *out);

#endif
