/* pack.h -- the bytes of one data object with up to 65,536 slots, and the table of packs.
 *
 *   0  magic u32 | version u16 | header bytes u16 | features u32 | slots u32
 *  16  footer offset u64 | footer crc32c u32 | room for encryption | header crc32c at 60
 *  64  slots: codec u8 | raw bytes u32 | bytes
 *  ..  footer: (offset u64, bytes u32, crc32c u32) a slot
 *
 * A slot is read alone: its line of the footer says where it is and what it must hash to. */
#ifndef COVE_TIER_PACK_H
#define COVE_TIER_PACK_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/list.h"
#include "tier/manifest.h"

#define PACK_HEADER_BYTES 64
#define PACK_LINE_BYTES 16
#define PACK_SLOT_HEADER_BYTES 5

struct pack_line { /* one line of the pack table, as it is stored */
    uint32_t number, slots;
    char name[DATA_NAME_MAX + 1];
    uint64_t bytes, footer_offset;
    uint32_t footer_crc;
};

/* raw holds `slots` pages one after the other, of these lengths. Fills all of *line but number
 * and name. Runs on a worker. */
void pack_encode(slice raw, const uint32_t *lengths, uint32_t slots, buf *out,
                 struct pack_line *line);
int pack_line_check(const struct pack_line *line); /* ERR_CORRUPT: its numbers do not fit */
int pack_footer_check(const struct pack_line *line, slice footer);
/* One line of a footer, read without the rest: its numbers are in bounds, but no checksum speaks for them
 * before the slot's own does. ERR_CORRUPT: then only the whole footer tells. */
int pack_footer_line(const struct pack_line *line, slice stored, uint64_t *offset, uint32_t *bytes,
                     uint32_t *crc);
/* Where a slot lies, from a checked footer. ERR_CORRUPT: no such slot. */
int pack_slot(const struct pack_line *line, slice footer, uint32_t slot, uint64_t *offset,
              uint32_t *bytes, uint32_t *crc);
/* Checks and unpacks one slot; appends. ERR_CORRUPT, ERR_NOMEM. */
int pack_slot_unpack(slice stored, uint32_t crc, buf *out);

/* ---- compaction: the same slot numbers, only the live ones with bytes ---- */

struct pack_use { /* what a map of live slots, one bit each, makes of a pack */
    uint64_t first, end;   /* the bytes that hold all live slots */
    uint64_t live_bytes, all_bytes;
    uint32_t live_slots;
};
struct pack_use pack_measure(const struct pack_line *line, slice footer, const uint8_t *live);
/* Appends an object that holds the live slots as they are stored. `stored`: the bytes of the old one
 * from use->first to use->end. Every slot is checked before it is copied, and the new object after.
 * Fills all of *line but number and name. Runs on a worker. ERR_CORRUPT, ERR_NOMEM. */
int pack_compact(const struct pack_line *old, slice footer, const uint8_t *live,
                 const struct pack_use *use, slice stored, buf *out, struct pack_line *line);

/* ---- the table: pack number -> object, sorted by number ---- */

struct pack {
    struct pack_line line;
    buf footer;     /* cached; empty: not in memory */
    list lru;       /* in packs.lru when the footer is cached */
    list waiting;   /* reads that wait for the footer (read.c) */
    bool fetching;
    uint32_t lines_read; /* one by one, since the footer was last not in memory */
    uint32_t judged; /* slots that lived when it was last found not worth rewriting */
};
#define PACKS_FOOTER_BYTES_MAX (32u << 20) /* Footers of about 64 GB of packs. */
/* What a request costs, in bytes that could be read instead: of a folder, and of a bucket. */
#define PACK_REQUEST_BYTES_FILE (4u << 10)
#define PACK_REQUEST_BYTES_S3 (256u << 10)

struct packs {
    struct pack **at;
    size_t count, cap;
    uint32_t next;       /* the next new number; numbers are not used again while referred to */
    list lru;
    size_t footer_bytes, footer_bytes_max;
    size_t request_bytes; /* what a request costs, in bytes */
};
void packs_init(struct packs *p);
void packs_deinit(struct packs *p);
struct pack *packs_find(struct packs *p, uint32_t number); /* or NULL */
/* ERR_CORRUPT: the number is taken or impossible. */
int packs_add(struct packs *p, const struct pack_line *line);
void packs_remove(struct packs *p, uint32_t number);
/* Keeps a checked footer (takes it) and drops the least used ones past the bound. */
void packs_keep_footer(struct packs *p, struct pack *k, buf *footer);
void packs_touch(struct packs *p, struct pack *k);
/* k's footer is not in memory: shall one line of it be read alone? While the footers fit, no. Beyond that
 * each that comes drives another one out, and under reads without order most are gone before they are
 * asked for twice: then lines are read until the whole would have been as cheap. */
bool packs_line_alone(struct packs *p, struct pack *k);
/* The object with the same slots that takes the place of k's; takes its checked footer. Nobody waits
 * for the footer of the old one. */
void packs_swap(struct packs *p, struct pack *k, const struct pack_line *line, buf *footer);
void packs_check(const struct packs *p); /* asserts its invariants */

#endif
