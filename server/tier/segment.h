/* segment.h -- the bytes of one log object: a header of 128 bytes and a run of records.
 *
 *   0  magic u32 | version u16 | header bytes u16 | features u32 | kind u8 | codec u8 | 0 u16
 *  16  epoch | seq | nonce | first lsn | last lsn                            (u64 each)
 *  56  records u32 | 0 u32 | raw bytes | stored bytes | hash of the payload   (u64 each)
 *  88  digest of the chain so far, 16 bytes | wall ms | room for encryption, 12 bytes
 * 124  crc32c of the bytes before
 *
 * A record: bytes u32 | crc32c u32 | kind u8 | lsn u64 | wall ms u64 | body. `bytes` and the
 * checksum cover what follows them. */
#ifndef COVE_TIER_SEGMENT_H
#define COVE_TIER_SEGMENT_H

#include "base/bytes.h"
#include "base/err.h"

#define SEGMENT_HEADER_BYTES 128
#define SEGMENT_NAME_BYTES 24
#define DIGEST_BYTES 16
#define RECORD_HEADER_BYTES 25
/* A transaction's record is cut into parts of this: so a segment never outgrows one PUT. */
#define RECORD_BODY_MAX (4u << 20)

enum segment_kind { SEGMENT_DATA = 1, SEGMENT_FENCE = 2, SEGMENT_FILL = 3 };
enum record_kind {
    RECORD_TXN = 1,   /* a transaction, or the last part of one: encoded effects */
    RECORD_PART = 2,  /* the beginning of one that is cut: goes on in the next record */
    RECORD_CHECK = 3  /* u64 records so far, u64 rolling hash over them */
};

struct segment_header {
    uint8_t kind, codec;
    uint64_t epoch, seq, nonce, first_lsn, last_lsn;
    uint32_t records;
    uint64_t raw_bytes, stored_bytes, payload_hash;
    uint8_t chain[DIGEST_BYTES];
    uint64_t wall_ms;
};

struct record {
    uint8_t kind;
    uint64_t lsn, wall_ms;
    slice body;  /* borrowed */
    slice bytes; /* the whole record: what the rolling hash covers */
};

void segment_name(uint64_t seq, char out[SEGMENT_NAME_BYTES]);
/* False when it is not the name of a segment. */
bool segment_parse_name(const char *name, uint64_t *seq);

void segment_encode_header(const struct segment_header *h, uint8_t out[SEGMENT_HEADER_BYTES]);
/* ERR_CORRUPT; ERR_UNSUPPORTED: written by a newer version. bytes may be longer. */
int segment_decode_header(slice bytes, struct segment_header *out);
void segment_digest(const uint8_t header[SEGMENT_HEADER_BYTES], uint8_t out[DIGEST_BYTES]);

/* Appends the stored form of `raw` to out and fills the payload's fields of h. */
void segment_pack(struct segment_header *h, slice raw, buf *out);
/* Checks header, name, length and payload hash of a whole object. Does not unpack. */
int segment_check(slice object, uint64_t seq, struct segment_header *out);
/* The records' bytes of a checked object; appends to out. */
int segment_unpack(slice object, const struct segment_header *h, buf *out);

void record_append(buf *out, enum record_kind kind, uint64_t lsn, uint64_t wall_ms, slice body);
/* OK; ERR_NOTFOUND at the end; ERR_CORRUPT. */
int record_next(reader *r, struct record *out);
uint64_t record_hash(uint64_t hash, slice record_bytes);

#endif
