/* pack.c -- encodes and checks packs; the pack table. */
#include "tier/pack.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tier/codec.h"

#define PACK_MAGIC 0x4b505643u /* "CVPK" */

/* The footer behind the slots, and the header. */
static void pack_finish(uint32_t slots, buf *footer, buf *out, struct pack_line *line) {
    line->slots = slots;
    line->footer_offset = out->n;
    line->footer_crc = crc32c(0, footer->p, footer->n);
    buf_append_slice(out, slice_of(footer));
    buf_free(footer);
    line->bytes = out->n;
    uint8_t *h = out->p;
    put_u32(h, PACK_MAGIC);
    put_u16(h + 4, FORMAT_PACK);
    put_u16(h + 6, PACK_HEADER_BYTES);
    put_u32(h + 12, slots);
    put_u64(h + 16, line->footer_offset);
    put_u32(h + 24, line->footer_crc);
    put_u32(h + 60, crc32c(0, h, 60));
}

void pack_encode(slice raw, const uint32_t *lengths, uint32_t slots, buf *out,
                 struct pack_line *line) {
    assert(slots > 0 && slots <= PACK_SLOTS_MAX);
    assert(out->n == 0);
    codec_state *codec = codec_state_create();
    buf footer = BUF_INIT;
    size_t at = 0;
    buf_reserve(out, PACK_HEADER_BYTES + raw.n / 2);
    out->n = PACK_HEADER_BYTES;
    memset(out->p, 0, PACK_HEADER_BYTES);
    for (uint32_t i = 0; i < slots; i++) {
        assert(lengths[i] <= raw.n - at);
        size_t start = out->n;
        buf_u8(out, CODEC_PLAIN);
        buf_u32(out, lengths[i]);
        uint8_t how = codec_pack(codec, slice_make(raw.p + at, lengths[i]), out);
        out->p[start] = how;
        buf_u64(&footer, start);
        buf_u32(&footer, (uint32_t)(out->n - start));
        buf_u32(&footer, crc32c(0, out->p + start, out->n - start));
        at += lengths[i];
    }
    assert(at == raw.n);
    codec_state_free(codec);
    pack_finish(slots, &footer, out, line);
}

int pack_line_check(const struct pack_line *line) {
    if (line->slots == 0 || line->slots > PACK_SLOTS_MAX) return ERR_CORRUPT;
    if (line->footer_offset < PACK_HEADER_BYTES || line->footer_offset > line->bytes)
        return ERR_CORRUPT;
    if (line->bytes - line->footer_offset != (uint64_t)line->slots * PACK_LINE_BYTES)
        return ERR_CORRUPT;
    if (!data_parse_name(line->name, NULL, NULL)) return ERR_CORRUPT;
    return OK;
}

/* Bytes 0: a slot that compaction left out. */
static bool line_in_bounds(const struct pack_line *line, const uint8_t *p) {
    uint64_t offset = get_u64(p);
    uint32_t bytes = get_u32(p + 8);
    return bytes == 0 ||
           (bytes >= PACK_SLOT_HEADER_BYTES && bytes <= PAGE_BYTES_MAX + PAGE_BYTES &&
            offset >= PACK_HEADER_BYTES && offset <= line->footer_offset &&
            bytes <= line->footer_offset - offset);
}

int pack_footer_check(const struct pack_line *line, slice footer) {
    if (footer.n != (size_t)line->slots * PACK_LINE_BYTES) return ERR_CORRUPT;
    if (crc32c(0, footer.p, footer.n) != line->footer_crc) return ERR_CORRUPT;
    for (uint32_t i = 0; i < line->slots; i++)
        if (!line_in_bounds(line, footer.p + (size_t)i * PACK_LINE_BYTES)) return ERR_CORRUPT;
    return OK;
}

int pack_slot(const struct pack_line *line, slice footer, uint32_t slot, uint64_t *offset,
              uint32_t *bytes, uint32_t *crc) {
    if (slot >= line->slots) return ERR_CORRUPT;
    const uint8_t *p = footer.p + (size_t)slot * PACK_LINE_BYTES;
    *offset = get_u64(p);
    *bytes = get_u32(p + 8);
    *crc = get_u32(p + 12);
    return *bytes == 0 ? ERR_CORRUPT : OK;
}

int pack_footer_line(const struct pack_line *line, slice stored, uint64_t *offset, uint32_t *bytes,
                     uint32_t *crc) {
    if (stored.n != PACK_LINE_BYTES || !line_in_bounds(line, stored.p)) return ERR_CORRUPT;
    return pack_slot(line, stored, 0, offset, bytes, crc);
}

int pack_slot_unpack(slice stored, uint32_t crc, buf *out) {
    if (stored.n < PACK_SLOT_HEADER_BYTES || crc32c(0, stored.p, stored.n) != crc)
        return ERR_CORRUPT;
    uint32_t raw = get_u32(stored.p + 1);
    if (raw > PAGE_BYTES_MAX) return ERR_CORRUPT;
    return codec_unpack(stored.p[0],
                        slice_make(stored.p + PACK_SLOT_HEADER_BYTES,
                                   stored.n - PACK_SLOT_HEADER_BYTES),
                        raw, out);
}

/* ---- compaction ------------------------------------------------------------------------------- */

static bool is_live(const uint8_t *live, uint32_t slot) { return live[slot / 8] >> slot % 8 & 1; }

struct pack_use pack_measure(const struct pack_line *line, slice footer, const uint8_t *live) {
    struct pack_use u = {.first = UINT64_MAX};
    for (uint32_t i = 0; i < line->slots; i++) {
        uint64_t offset;
        uint32_t bytes, crc;
        if (pack_slot(line, footer, i, &offset, &bytes, &crc) != OK) continue;
        u.all_bytes += bytes;
        if (!is_live(live, i)) continue;
        u.live_slots++;
        u.live_bytes += bytes;
        if (offset < u.first) u.first = offset;
        if (offset + bytes > u.end) u.end = offset + bytes;
    }
    return u;
}

/* Is each live slot of the new object the one of the old? */
static int pack_compare(const struct pack_line *old, slice footer, const uint8_t *live,
                        const struct pack_line *line, slice object) {
    slice now = slice_make(object.p + line->footer_offset,
                           (size_t)(line->bytes - line->footer_offset));
    if (pack_footer_check(line, now) != OK) return ERR_CORRUPT;
    buf raw = BUF_INIT;
    int rc = OK;
    for (uint32_t i = 0; i < line->slots && rc == OK; i++) {
        uint64_t offset, was;
        uint32_t bytes, crc, bytes_was, crc_was;
        bool there = pack_slot(line, now, i, &offset, &bytes, &crc) == OK;
        if (!is_live(live, i)) {
            if (there) rc = ERR_CORRUPT;
            continue;
        }
        if (!there || pack_slot(old, footer, i, &was, &bytes_was, &crc_was) != OK ||
            bytes != bytes_was || crc != crc_was)
            rc = ERR_CORRUPT;
        raw.n = 0;
        if (rc == OK) rc = pack_slot_unpack(slice_make(object.p + offset, bytes), crc, &raw);
    }
    buf_free(&raw);
    return rc;
}

int pack_compact(const struct pack_line *old, slice footer, const uint8_t *live,
                 const struct pack_use *use, slice stored, buf *out, struct pack_line *line) {
    assert(out->n == 0 && use->live_slots > 0);
    if (stored.n != use->end - use->first) return ERR_CORRUPT;
    buf lines = BUF_INIT;
    buf_reserve(out, PACK_HEADER_BYTES + (size_t)use->live_bytes);
    memset(out->p, 0, PACK_HEADER_BYTES);
    out->n = PACK_HEADER_BYTES;
    for (uint32_t i = 0; i < old->slots; i++) {
        uint64_t offset, at = 0;
        uint32_t bytes = 0, crc = 0;
        if (is_live(live, i)) {
            int rc = pack_slot(old, footer, i, &offset, &bytes, &crc);
            if (rc == OK && crc32c(0, stored.p + (offset - use->first), bytes) != crc)
                rc = ERR_CORRUPT;
            if (rc != OK) {
                buf_free(&lines);
                return rc;
            }
            at = out->n;
            buf_append(out, stored.p + (offset - use->first), bytes);
        }
        buf_u64(&lines, at);
        buf_u32(&lines, bytes);
        buf_u32(&lines, crc);
    }
    pack_finish(old->slots, &lines, out, line);
    return pack_compare(old, footer, live, line, slice_of(out));
}

/* ---- the table -------------------------------------------------------------------------------- */

void packs_init(struct packs *p) {
    /* 0 in a location means "nowhere". */
    *p = (struct packs){.next = 1, .footer_bytes_max = PACKS_FOOTER_BYTES_MAX,
                        .request_bytes = PACK_REQUEST_BYTES_FILE};
    list_init(&p->lru);
}

void packs_deinit(struct packs *p) {
    for (size_t i = 0; i < p->count; i++) {
        buf_free(&p->at[i]->footer);
        mem_free(p->at[i]);
    }
    mem_free(p->at);
    packs_init(p);
}

static size_t packs_index(const struct packs *p, uint32_t number) {
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->at[mid]->line.number < number) low = mid + 1;
        else high = mid;
    }
    return low;
}

struct pack *packs_find(struct packs *p, uint32_t number) {
    size_t i = packs_index(p, number);
    return i < p->count && p->at[i]->line.number == number ? p->at[i] : NULL;
}

int packs_add(struct packs *p, const struct pack_line *line) {
    if (line->number == 0 || line->number == UINT32_MAX) return ERR_CORRUPT;
    if (packs_find(p, line->number) != NULL) return ERR_CORRUPT;
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 64 : p->cap * 2;
        p->at = mem_realloc(p->at, p->cap * sizeof(*p->at));
    }
    struct pack *k = mem_calloc(1, sizeof(*k));
    k->line = *line;
    list_init(&k->lru);
    list_init(&k->waiting);
    size_t i = packs_index(p, line->number);
    memmove(p->at + i + 1, p->at + i, (p->count - i) * sizeof(*p->at));
    p->at[i] = k;
    p->count++;
    if (p->next <= line->number) p->next = line->number + 1;
    return OK;
}

void packs_remove(struct packs *p, uint32_t number) {
    size_t i = packs_index(p, number);
    assert(i < p->count && p->at[i]->line.number == number);
    struct pack *k = p->at[i];
    assert(list_empty(&k->waiting));
    p->footer_bytes -= k->footer.n;
    list_remove(&k->lru);
    buf_free(&k->footer);
    mem_free(k);
    memmove(p->at + i, p->at + i + 1, (p->count - i - 1) * sizeof(*p->at));
    p->count--;
}

void packs_touch(struct packs *p, struct pack *k) {
    list_remove(&k->lru);
    list_push_front(&p->lru, &k->lru);
}

bool packs_line_alone(struct packs *p, struct pack *k) {
    assert(k->footer.n == 0);
    size_t bytes = (size_t)k->line.slots * PACK_LINE_BYTES;
    if (k->fetching || p->footer_bytes + bytes <= p->footer_bytes_max ||
        k->lines_read >= bytes / p->request_bytes)
        return false;
    k->lines_read++;
    return true;
}

void packs_keep_footer(struct packs *p, struct pack *k, buf *footer) {
    assert(k->footer.n == 0 && footer->n > 0);
    k->lines_read = 0;
    k->footer = *footer;
    *footer = BUF_INIT;
    p->footer_bytes += k->footer.n;
    packs_touch(p, k);
    while (p->footer_bytes > p->footer_bytes_max && p->lru.prev != &k->lru) {
        struct pack *old = LIST_ENTRY(p->lru.prev, struct pack, lru);
        list_remove(&old->lru);
        p->footer_bytes -= old->footer.n;
        buf_free(&old->footer);
    }
}

void packs_swap(struct packs *p, struct pack *k, const struct pack_line *line, buf *footer) {
    assert(k->line.number == line->number && k->line.slots == line->slots);
    assert(!k->fetching && list_empty(&k->waiting));
    list_remove(&k->lru);
    p->footer_bytes -= k->footer.n;
    buf_free(&k->footer);
    k->line = *line;
    k->judged = 0;
    packs_keep_footer(p, k, footer);
}

void packs_check(const struct packs *p) {
    size_t footers = 0;
    for (size_t i = 0; i < p->count; i++) {
        assert(i == 0 || p->at[i - 1]->line.number < p->at[i]->line.number);
        assert(p->at[i]->line.number < p->next);
        footers += p->at[i]->footer.n;
    }
    assert(footers == p->footer_bytes);
}
