/* roots.c -- encodes and checks the roots object. */
#include "tier/roots.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tier/codec.h"

#define ROOTS_MAGIC 0x54525643u /* "CVRT" */
#define PACK_LINE_MIN 30        /* The least bytes that a stored line takes: bounds counts. */
#define PIN_LINE_MIN 35
#define INTENT_LINE_MIN 9

void roots_encode(const struct roots *r, buf *out) {
    buf raw = BUF_INIT;
    buf_u64(&raw, r->lsn);
    buf_u64(&raw, r->time_ms);
    buf_u32(&raw, r->next_pack);
    buf_bytes(&raw, r->parent);
    buf_bytes(&raw, r->catalogue);
    buf_varint(&raw, r->packs_count);
    for (size_t i = 0; i < r->packs_count; i++) {
        const struct pack_line *k = &r->packs[i];
        buf_u32(&raw, k->number);
        buf_u32(&raw, k->slots);
        buf_bytes(&raw, slice_str(k->name));
        buf_u64(&raw, k->bytes);
        buf_u64(&raw, k->footer_offset);
        buf_u32(&raw, k->footer_crc);
    }
    buf_varint(&raw, r->pins_count);
    for (size_t i = 0; i < r->pins_count; i++) {
        const struct pin_line *p = &r->pins[i];
        buf_bytes(&raw, p->name);
        buf_bytes(&raw, p->parent);
        buf_u64(&raw, p->lsn);
        buf_u64(&raw, p->time_ms);
        buf_u64(&raw, p->keys);
        buf_u64(&raw, p->databases);
        buf_bytes(&raw, p->catalogue);
    }
    buf_varint(&raw, r->intents_count);
    for (size_t i = 0; i < r->intents_count; i++) {
        buf_bytes(&raw, slice_str(r->intents[i].name));
        buf_u64(&raw, r->intents[i].time_ms);
    }
    size_t start = out->n;
    uint8_t header[ROOTS_HEADER_BYTES] = {0};
    buf_append(out, header, sizeof(header));
    uint8_t codec = codec_pack(NULL, slice_of(&raw), out);
    uint8_t *h = out->p + start;
    put_u32(h, ROOTS_MAGIC);
    put_u16(h + 4, FORMAT_ROOTS);
    put_u16(h + 6, ROOTS_HEADER_BYTES);
    h[12] = codec;
    put_u64(h + 16, raw.n);
    put_u64(h + 24, out->n - start - ROOTS_HEADER_BYTES);
    put_u64(h + 32, hash_xx(h + ROOTS_HEADER_BYTES, out->n - start - ROOTS_HEADER_BYTES, 0));
    put_u32(h + 60, crc32c(0, h, 60));
    buf_free(&raw);
}

static int decode_packs(struct roots *out, reader *r) {
    uint64_t n = read_varint(r);
    /* The count comes from the store: check it against the bytes left before it sizes memory. */
    if (r->bad || n > reader_left(r) / PACK_LINE_MIN) return ERR_CORRUPT;
    if (n == 0) return OK;
    out->packs = mem_try_calloc((size_t)n, sizeof(*out->packs));
    if (out->packs == NULL) return ERR_NOMEM;
    out->packs_count = (size_t)n;
    uint32_t last = 0;
    for (size_t i = 0; i < n; i++) {
        struct pack_line *k = &out->packs[i];
        k->number = read_u32(r);
        k->slots = read_u32(r);
        slice name = read_bytes(r);
        k->bytes = read_u64(r);
        k->footer_offset = read_u64(r);
        k->footer_crc = read_u32(r);
        if (r->bad || name.n > DATA_NAME_MAX || k->number <= last || k->number >= out->next_pack)
            return ERR_CORRUPT;
        memcpy(k->name, name.p, name.n);
        if (pack_line_check(k) != OK) return ERR_CORRUPT;
        last = k->number;
    }
    return OK;
}

static int decode_pins(struct roots *out, reader *r) {
    uint64_t n = read_varint(r);
    if (r->bad || n > reader_left(r) / PIN_LINE_MIN) return ERR_CORRUPT;
    if (n == 0) return OK;
    out->pins = mem_try_calloc((size_t)n, sizeof(*out->pins));
    if (out->pins == NULL) return ERR_NOMEM;
    out->pins_count = (size_t)n;
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        struct pin_line *p = &out->pins[i];
        p->name = read_bytes(r);
        p->parent = read_bytes(r);
        p->lsn = read_u64(r);
        p->time_ms = read_u64(r);
        p->keys = read_u64(r);
        p->databases = read_u64(r);
        p->catalogue = read_bytes(r);
        if (r->bad || p->name.n == 0 || p->name.n > NAME_BYTES_MAX ||
            p->parent.n > NAME_BYTES_MAX || p->lsn < last || p->lsn > out->lsn)
            return ERR_CORRUPT;
        last = p->lsn;
    }
    return OK;
}

static int decode_intents(struct roots *out, reader *r) {
    uint64_t n = read_varint(r);
    if (r->bad || n > reader_left(r) / INTENT_LINE_MIN) return ERR_CORRUPT;
    if (n == 0) return OK;
    out->intents = mem_try_calloc((size_t)n, sizeof(*out->intents));
    if (out->intents == NULL) return ERR_NOMEM;
    out->intents_count = (size_t)n;
    for (size_t i = 0; i < n; i++) {
        struct intent_line *d = &out->intents[i];
        slice name = read_bytes(r);
        d->time_ms = read_u64(r);
        if (r->bad || name.n > DATA_NAME_MAX) return ERR_CORRUPT;
        memcpy(d->name, name.p, name.n);
        /* Only data may be named here: this list leads to deletes. */
        if (!data_parse_name(d->name, NULL, NULL)) return ERR_CORRUPT;
        if (i > 0 && strcmp(out->intents[i - 1].name, d->name) >= 0) return ERR_CORRUPT;
    }
    return OK;
}

int roots_decode(slice object, struct roots *out) {
    *out = (struct roots){0};
    const uint8_t *h = object.p;
    if (object.n < ROOTS_HEADER_BYTES || get_u32(h) != ROOTS_MAGIC) return ERR_CORRUPT;
    if (get_u32(h + 60) != crc32c(0, h, 60)) return ERR_CORRUPT;
    if (get_u16(h + 4) != FORMAT_ROOTS || get_u16(h + 6) != ROOTS_HEADER_BYTES ||
        get_u32(h + 8) != 0)
        return ERR_UNSUPPORTED;
    uint64_t raw_bytes = get_u64(h + 16), stored = get_u64(h + 24);
    if (stored != object.n - ROOTS_HEADER_BYTES || raw_bytes > ROOTS_BYTES_MAX) return ERR_CORRUPT;
    slice body = slice_make(h + ROOTS_HEADER_BYTES, (size_t)stored);
    if (hash_xx(body.p, body.n, 0) != get_u64(h + 32)) return ERR_CORRUPT;
    int rc = codec_unpack(h[12], body, (size_t)raw_bytes, &out->raw);
    if (rc != OK) goto fail;
    reader r = reader_make(slice_of(&out->raw));
    out->lsn = read_u64(&r);
    out->time_ms = read_u64(&r);
    out->next_pack = read_u32(&r);
    out->parent = read_bytes(&r);
    out->catalogue = read_bytes(&r);
    rc = ERR_CORRUPT;
    if (r.bad || out->parent.n > NAME_BYTES_MAX || out->next_pack == 0) goto fail;
    if ((rc = decode_packs(out, &r)) != OK) goto fail;
    if ((rc = decode_pins(out, &r)) != OK) goto fail;
    if ((rc = decode_intents(out, &r)) != OK) goto fail;
    rc = ERR_CORRUPT;
    if (r.bad || reader_left(&r) != 0) goto fail;
    return OK;
fail:
    roots_deinit(out);
    return rc;
}

void roots_deinit(struct roots *r) {
    mem_free(r->packs);
    mem_free(r->pins);
    mem_free(r->intents);
    buf_free(&r->raw);
    *r = (struct roots){0};
}
