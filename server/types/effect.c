/* effect.c -- effects as bytes.
 *
 *     u8 target, in its top bit whether counts follow; u8 op; u8 type (VALUE only);
 *     varint db (not CATALOGUE); i8 keys, expires, src_keys, src_expires (when told);
 *     bytes key (not CATALOGUE); varint argc; bytes args... */
#include "types/effect.h"

#include <assert.h>

#include "base/limits.h"
#include "types/value.h"

#define HAS_COUNTS 0x80u

#define HEAD_MAX (3 + VARINT_MAX + 4 + VARINT_MAX) /* All but the key and the arguments. */

static uint8_t *put_bytes(uint8_t *p, slice s) { /* as buf_bytes() */
    p = put_varint(p, s.n);
    if (s.n > 0) memcpy(p, s.p, s.n);
    return p + s.n;
}

void effect_encode(buf *out, const effect *e) {
    assert(e->target >= EFFECT_ENTRY && e->target <= EFFECT_CATALOGUE);
    assert(e->argc <= EFFECT_ARGS_MAX && e->key.n <= KEY_BYTES_MAX);
    bool counts = e->keys != 0 || e->expires != 0 || e->src_keys != 0 || e->src_expires != 0;
    size_t most = HEAD_MAX + VARINT_MAX + e->key.n;
    for (size_t i = 0; i < e->argc; i++) most += VARINT_MAX + e->args[i].n;
    buf_reserve(out, most);
    uint8_t *p = out->p + out->n;
    *p++ = (uint8_t)(e->target | (counts ? HAS_COUNTS : 0));
    *p++ = e->op;
    if (e->target == EFFECT_VALUE) *p++ = e->type;
    if (e->target != EFFECT_CATALOGUE) p = put_varint(p, e->db);
    if (counts) {
        *p++ = (uint8_t)e->keys;
        *p++ = (uint8_t)e->expires;
        *p++ = (uint8_t)e->src_keys;
        *p++ = (uint8_t)e->src_expires;
    }
    if (e->target != EFFECT_CATALOGUE) p = put_bytes(p, e->key);
    p = put_varint(p, e->argc);
    for (size_t i = 0; i < e->argc; i++) p = put_bytes(p, e->args[i]);
    out->n = (size_t)(p - out->p);
    assert(out->n <= out->cap);
}

/* One key is made or goes away, so no count changes by more than one. */
static int8_t read_count(reader *r) {
    uint8_t v = read_u8(r);
    if (v != 0 && v != 1 && v != 0xFF) r->bad = true;
    return (int8_t)(v == 0xFF ? -1 : v);
}

int effect_decode(reader *r, effect *e, buf *args) {
    *e = (effect){0};
    uint8_t head = read_u8(r);
    e->target = head & (uint8_t)~HAS_COUNTS;
    e->op = read_u8(r);
    if (r->bad || e->target < EFFECT_ENTRY || e->target > EFFECT_CATALOGUE || e->op == 0)
        return ERR_CORRUPT;
    if (e->target == EFFECT_VALUE) {
        e->type = read_u8(r);
        if (e->type == 0 || e->type >= TYPES_MAX) return ERR_CORRUPT;
    }
    if (e->target != EFFECT_CATALOGUE) e->db = read_varint(r);
    if (head & HAS_COUNTS) {
        e->keys = read_count(r);
        e->expires = read_count(r);
        e->src_keys = read_count(r);
        e->src_expires = read_count(r);
    }
    if (e->target != EFFECT_CATALOGUE) e->key = read_bytes(r);
    uint64_t argc = read_varint(r);
    if (r->bad || e->key.n > KEY_BYTES_MAX) return ERR_CORRUPT;
    /* Every argument takes at least the byte of its length: check that before it sizes
     * the array. */
    if (argc > EFFECT_ARGS_MAX || argc > reader_left(r)) return ERR_CORRUPT;
    args->n = 0;
    buf_reserve(args, (size_t)argc * sizeof(slice));
    slice *list = (slice *)(void *)args->p;
    for (size_t i = 0; i < argc; i++) {
        list[i] = read_bytes(r);
        if (r->bad) return ERR_CORRUPT;
    }
    args->n = (size_t)argc * sizeof(slice);
    e->args = argc == 0 ? NULL : list;
    e->argc = (size_t)argc;
    return OK;
}
