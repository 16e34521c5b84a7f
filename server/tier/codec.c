/* codec.c -- zstd at level 1, for anything over 4 KiB that it makes smaller. */
#include "tier/codec.h"

#include <assert.h>
#include <zstd.h>

#include "base/mem.h"

struct codec_state {
    ZSTD_CCtx *context;
};

codec_state *codec_state_create(void) {
    codec_state *s = mem_calloc(1, sizeof(*s));
    s->context = ZSTD_createCCtx();
    return s;
}

void codec_state_free(codec_state *s) {
    if (s == NULL) return;
    ZSTD_freeCCtx(s->context);
    mem_free(s);
}

uint8_t codec_pack(codec_state *s, slice raw, buf *out) {
    if (raw.n > CODEC_MIN_BYTES) {
        size_t start = out->n, room = ZSTD_compressBound(raw.n), n;
        buf_reserve(out, room);
        if (s != NULL && s->context != NULL)
            n = ZSTD_compressCCtx(s->context, out->p + start, room, raw.p, raw.n, 1);
        else
            n = ZSTD_compress(out->p + start, room, raw.p, raw.n, 1);
        if (!ZSTD_isError(n) && n < raw.n) {
            out->n = start + n;
            return CODEC_ZSTD;
        }
        assert(out->n == start);
    }
    buf_append_slice(out, raw);
    return CODEC_PLAIN;
}

#define PIECES 8 /* That are tried, from all over it. */
#define PIECE_BYTES 4096
#define PIECES_OF (256u << 10) /* For less, pieces would cost about what they save. */

static bool hardly_shrinks(slice raw) {
    uint8_t room[PIECE_BYTES + PIECE_BYTES / 4]; /* More than ZSTD_compressBound(). */
    size_t step = raw.n / PIECES + raw.n / PIECES / PIECES; /* The last one ends within it. */
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t sum = 0;
    assert(step * (PIECES - 1) + PIECE_BYTES <= raw.n);
    for (size_t i = 0; context != NULL && i < PIECES; i++) {
        size_t n = ZSTD_compressCCtx(context, room, sizeof(room), raw.p + step * i, PIECE_BYTES, 1);
        sum += ZSTD_isError(n) ? PIECE_BYTES : n;
    }
    ZSTD_freeCCtx(context);
    return context != NULL && sum >= (size_t)PIECES * PIECE_BYTES / 8 * 7;
}

uint8_t codec_pack_brief(slice raw, buf *out) {
    if (raw.n < PIECES_OF || !hardly_shrinks(raw)) return codec_pack(NULL, raw, out);
    buf_append_slice(out, raw);
    return CODEC_PLAIN;
}

int codec_unpack(uint8_t codec, slice stored, size_t raw_bytes, buf *out) {
    if (codec == CODEC_PLAIN) {
        if (stored.n != raw_bytes) return ERR_CORRUPT;
        if (buf_try_reserve(out, raw_bytes) != OK) return ERR_NOMEM;
        buf_append_slice(out, stored);
        return OK;
    }
    if (codec != CODEC_ZSTD) return ERR_CORRUPT;
    if (buf_try_reserve(out, raw_bytes + 1) != OK) return ERR_NOMEM;
    size_t n = ZSTD_decompress(out->p + out->n, raw_bytes, stored.p, stored.n);
    if (ZSTD_isError(n) || n != raw_bytes) return ERR_CORRUPT;
    out->n += n;
    return OK;
}
