/* tpage_tags.h -- which of a bucket's 20 tag bytes equal one: the inner loop of every lookup.
 *
 * SSE2 is part of every x86-64, so it needs no flags of its own; the plain twin serves other
 * machines, and the test that compares the two. Both read exactly 32 bytes from `tags`: a
 * bucket has 64. */
#ifndef COVE_TYPES_TPAGE_TAGS_H
#define COVE_TYPES_TPAGE_TAGS_H

#include <stdint.h>

#define TPAGE_SLOTS 20

/* Bit i is set when tags[i] == tag. */
static inline uint32_t tpage_tags_plain(const uint8_t *tags, uint8_t tag) {
    uint32_t mask = 0;
    for (unsigned i = 0; i < TPAGE_SLOTS; i++) mask |= (uint32_t)(tags[i] == tag) << i;
    return mask;
}

#ifdef __SSE2__
#include <emmintrin.h>
static inline uint32_t tpage_tags_match(const uint8_t *tags, uint8_t tag) {
    __m128i want = _mm_set1_epi8((char)tag);
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)tags);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(tags + 16));
    uint32_t a = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(low, want));
    uint32_t b = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(high, want));
    return a | (b & 0xF) << 16;
}
#else
static inline uint32_t tpage_tags_match(const uint8_t *tags, uint8_t tag) {
    return tpage_tags_plain(tags, tag);
}
#endif

#endif
