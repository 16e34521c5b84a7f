/* lzf.c -- LZF, both ways. */
#include "types/lzf.h"

#define TABLE_BITS 13
#define LITERAL_MAX 32u
#define OFFSET_MAX 8192u
#define MATCH_MAX 264u
#define INPUT_MAX (UINT32_MAX - 1024u)

static inline uint32_t three(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

struct output {
    uint8_t *p;
    size_t n, cap;
};

/* The bytes between two matches; false when they do not fit. */
static bool put_literals(struct output *o, const uint8_t *p, size_t n) {
    while (n > 0) {
        size_t run = n < LITERAL_MAX ? n : LITERAL_MAX;
        if (o->cap - o->n < run + 1) return false;
        o->p[o->n++] = (uint8_t)(run - 1);
        memcpy(o->p + o->n, p, run);
        o->n += run;
        p += run;
        n -= run;
    }
    return true;
}

static bool put_match(struct output *o, size_t length, size_t back) {
    size_t offset = back - 1, l = length - 2;
    if (o->cap - o->n < (l < 7 ? 2u : 3u)) return false;
    o->p[o->n++] = (uint8_t)((l < 7 ? l : 7) << 5 | offset >> 8);
    if (l >= 7) o->p[o->n++] = (uint8_t)(l - 7);
    o->p[o->n++] = (uint8_t)offset;
    return true;
}

size_t lzf_compress(slice in, uint8_t *out, size_t cap) {
    if (in.n < 4 || in.n > INPUT_MAX) return 0;
    uint32_t seen[1 << TABLE_BITS]; /* position + 1 of the last time three such bytes stood */
    memset(seen, 0, sizeof(seen));
    struct output o = {out, 0, cap};
    size_t at = 0, literal = 0;
    while (at + 2 < in.n) {
        uint32_t key = three(in.p + at);
        uint32_t *slot = &seen[(key * 2654435761u) >> (32 - TABLE_BITS)];
        size_t before = *slot;
        *slot = (uint32_t)at + 1;
        size_t back = at + 1 - before;
        if (before == 0 || back > OFFSET_MAX || three(in.p + before - 1) != key) {
            at++;
            continue;
        }
        size_t length = 3, most = in.n - at < MATCH_MAX ? in.n - at : MATCH_MAX;
        while (length < most && in.p[before - 1 + length] == in.p[at + length]) length++;
        if (!put_literals(&o, in.p + literal, at - literal)) return 0;
        if (!put_match(&o, length, back)) return 0;
        at += length;
        literal = at;
    }
    if (!put_literals(&o, in.p + literal, in.n - literal)) return 0;
    return o.n;
}

int lzf_decompress(slice in, uint8_t *out, size_t n) {
    size_t i = 0, o = 0;
    while (i < in.n) {
        size_t control = in.p[i++];
        if (control < LITERAL_MAX) {
            size_t run = control + 1;
            if (in.n - i < run || n - o < run) return ERR_CORRUPT;
            memcpy(out + o, in.p + i, run);
            i += run;
            o += run;
            continue;
        }
        size_t length = control >> 5;
        if (length == 7) {
            if (i == in.n) return ERR_CORRUPT;
            length += in.p[i++];
        }
        if (i == in.n) return ERR_CORRUPT;
        size_t back = ((control & 31) << 8 | in.p[i++]) + 1;
        length += 2;
        if (back > o || n - o < length) return ERR_CORRUPT;
        for (size_t k = 0; k < length; k++, o++) out[o] = out[o - back]; /* They may overlap. */
    }
    return o == n ? OK : ERR_CORRUPT;
}
