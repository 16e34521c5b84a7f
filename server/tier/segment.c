/* segment.c -- encodes and checks log objects. Pure; nothing read is trusted. */
#include "tier/segment.h"

#include <assert.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/limits.h"
#include "tier/codec.h"

#define SEGMENT_MAGIC 0x47535643u /* "CVSG" */
/* A batch is closed at 8 MiB and one record more of 4 MiB may follow. */
#define SEGMENT_RAW_MAX SEGMENT_BYTES_MAX

void segment_name(uint64_t seq, char out[SEGMENT_NAME_BYTES]) {
    snprintf(out, SEGMENT_NAME_BYTES, "log/%016llx", (unsigned long long)seq);
}

bool segment_parse_name(const char *name, uint64_t *seq) {
    if (strncmp(name, "log/", 4) != 0 || strlen(name) != 20) return false;
    uint64_t v = 0;
    for (const char *p = name + 4; *p != '\0'; p++) {
        unsigned digit;
        if (*p >= '0' && *p <= '9') digit = (unsigned)(*p - '0');
        else if (*p >= 'a' && *p <= 'f') digit = (unsigned)(*p - 'a') + 10;
        else return false;
        v = v << 4 | digit;
    }
    *seq = v;
    return true;
}

void segment_encode_header(const struct segment_header *h, uint8_t out[SEGMENT_HEADER_BYTES]) {
    memset(out, 0, SEGMENT_HEADER_BYTES);
    put_u32(out, SEGMENT_MAGIC);
    put_u16(out + 4, FORMAT_SEGMENT);
    put_u16(out + 6, SEGMENT_HEADER_BYTES);
    put_u32(out + 8, 0);
    out[12] = h->kind;
    out[13] = h->codec;
    put_u64(out + 16, h->epoch);
    put_u64(out + 24, h->seq);
    put_u64(out + 32, h->nonce);
    put_u64(out + 40, h->first_lsn);
    put_u64(out + 48, h->last_lsn);
    put_u32(out + 56, h->records);
    put_u64(out + 64, h->raw_bytes);
    put_u64(out + 72, h->stored_bytes);
    put_u64(out + 80, h->payload_hash);
    memcpy(out + 88, h->chain, DIGEST_BYTES);
    put_u64(out + 104, h->wall_ms);
    put_u32(out + 124, crc32c(0, out, 124));
}

int segment_decode_header(slice bytes, struct segment_header *out) {
    const uint8_t *p = bytes.p;
    if (bytes.n < SEGMENT_HEADER_BYTES || get_u32(p) != SEGMENT_MAGIC) return ERR_CORRUPT;
    if (get_u32(p + 124) != crc32c(0, p, 124)) return ERR_CORRUPT;
    if (get_u16(p + 4) != FORMAT_SEGMENT || get_u16(p + 6) != SEGMENT_HEADER_BYTES ||
        get_u32(p + 8) != 0)
        return ERR_UNSUPPORTED;
    struct segment_header h = {
        .kind = p[12], .codec = p[13],
        .epoch = get_u64(p + 16), .seq = get_u64(p + 24), .nonce = get_u64(p + 32),
        .first_lsn = get_u64(p + 40), .last_lsn = get_u64(p + 48), .records = get_u32(p + 56),
        .raw_bytes = get_u64(p + 64), .stored_bytes = get_u64(p + 72),
        .payload_hash = get_u64(p + 80), .wall_ms = get_u64(p + 104)
    };
    memcpy(h.chain, p + 88, DIGEST_BYTES);
    if (h.kind < SEGMENT_DATA || h.kind > SEGMENT_FILL) return ERR_CORRUPT;
    if (h.raw_bytes > SEGMENT_RAW_MAX || h.stored_bytes > SEGMENT_RAW_MAX) return ERR_CORRUPT;
    if (h.first_lsn > h.last_lsn) return ERR_CORRUPT;
    *out = h;
    return OK;
}

void segment_digest(const uint8_t header[SEGMENT_HEADER_BYTES], uint8_t out[DIGEST_BYTES]) {
    put_u64(out, hash_xx(header, SEGMENT_HEADER_BYTES, 1));
    put_u64(out + 8, hash_xx(header, SEGMENT_HEADER_BYTES, 2));
}

void segment_pack(struct segment_header *h, slice raw, buf *out) {
    assert(raw.n <= SEGMENT_RAW_MAX);
    size_t start = out->n;
    h->codec = codec_pack_brief(raw, out);
    h->raw_bytes = raw.n;
    h->stored_bytes = out->n - start;
    h->payload_hash = hash_xx(out->n > start ? out->p + start : NULL, out->n - start, 0);
}

int segment_check(slice object, uint64_t seq, struct segment_header *out) {
    struct segment_header h;
    int rc = segment_decode_header(object, &h);
    if (rc != OK) return rc;
    if (h.seq != seq || object.n - SEGMENT_HEADER_BYTES != h.stored_bytes) return ERR_CORRUPT;
    if (hash_xx(h.stored_bytes > 0 ? object.p + SEGMENT_HEADER_BYTES : NULL,
                (size_t)h.stored_bytes, 0) != h.payload_hash)
        return ERR_CORRUPT;
    *out = h;
    return OK;
}

int segment_unpack(slice object, const struct segment_header *h, buf *out) {
    assert(object.n == SEGMENT_HEADER_BYTES + h->stored_bytes);
    return codec_unpack(h->codec,
                        slice_make(object.p + SEGMENT_HEADER_BYTES, (size_t)h->stored_bytes),
                        (size_t)h->raw_bytes, out);
}

void record_append(buf *out, enum record_kind kind, uint64_t lsn, uint64_t wall_ms, slice body) {
    assert(body.n <= RECORD_BODY_MAX);
    buf_reserve(out, RECORD_HEADER_BYTES + body.n);
    uint8_t *p = out->p + out->n;
    put_u32(p, (uint32_t)(RECORD_HEADER_BYTES - 8 + body.n));
    p[8] = (uint8_t)kind;
    put_u64(p + 9, lsn);
    put_u64(p + 17, wall_ms);
    if (body.n > 0) memcpy(p + RECORD_HEADER_BYTES, body.p, body.n);
    put_u32(p + 4, crc32c(0, p + 8, RECORD_HEADER_BYTES - 8 + body.n));
    out->n += RECORD_HEADER_BYTES + body.n;
}

int record_next(reader *r, struct record *out) {
    if (reader_left(r) == 0) return ERR_NOTFOUND;
    const uint8_t *start = r->p;
    uint32_t n = read_u32(r), sum = read_u32(r);
    if (r->bad || n < RECORD_HEADER_BYTES - 8 || n > RECORD_HEADER_BYTES - 8 + RECORD_BODY_MAX)
        return ERR_CORRUPT;
    slice rest = read_raw(r, n);
    if (r->bad || crc32c(0, rest.p, rest.n) != sum) return ERR_CORRUPT;
    out->kind = rest.p[0];
    out->lsn = get_u64(rest.p + 1);
    out->wall_ms = get_u64(rest.p + 9);
    out->body = slice_make(rest.p + 17, rest.n - 17);
    out->bytes = slice_make(start, 8 + (size_t)n);
    if (out->kind < RECORD_TXN || out->kind > RECORD_CHECK) return ERR_CORRUPT;
    if (out->kind == RECORD_CHECK && out->body.n != 16) return ERR_CORRUPT;
    return OK;
}

uint64_t record_hash(uint64_t hash, slice record_bytes) {
    return hash_xx(record_bytes.p, record_bytes.n, hash);
}
