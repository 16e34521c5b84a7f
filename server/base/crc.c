/* crc.c -- CRC-32C (Castagnoli) and CRC-64 (Jones), both reflected.
 *
 * Slicing by 8 (Kounavis and Berry): table k holds what a byte does to the crc from k bytes
 * further away, so that eight look-ups that do not wait for each other take in eight bytes.
 * A crc is linear: the entry for a byte is the xor of the entries of its bits. Each table is
 * therefore written as the entries of its eight bits, and the compiler does the rest.
 *
 * Where the processor has the crc32 instruction (SSE 4.2), crc32c uses it; crc32c_plain is
 * its twin without. */
#include "base/hash.h"

#include <string.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "base/bytes.h"

#define BIT(i, b, v) (((i) >> (b) & 1) != 0 ? (v) : 0)
#define ENTRY(i, a, b, c, d, e, f, g, h)                                                     \
    (BIT(i, 0, a) ^ BIT(i, 1, b) ^ BIT(i, 2, c) ^ BIT(i, 3, d) ^ BIT(i, 4, e) ^              \
     BIT(i, 5, f) ^ BIT(i, 6, g) ^ BIT(i, 7, h))
#define E4(i, ...)                                                                           \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__),         \
        ENTRY((i) + 3, __VA_ARGS__)
#define E16(i, ...)                                                                          \
    E4(i, __VA_ARGS__), E4((i) + 4, __VA_ARGS__), E4((i) + 8, __VA_ARGS__),                  \
        E4((i) + 12, __VA_ARGS__)
#define E64(i, ...)                                                                          \
    E16(i, __VA_ARGS__), E16((i) + 16, __VA_ARGS__), E16((i) + 32, __VA_ARGS__),             \
        E16((i) + 48, __VA_ARGS__)
#define TABLE(...)                                                                           \
    { E64(0, __VA_ARGS__), E64(64, __VA_ARGS__), E64(128, __VA_ARGS__), E64(192, __VA_ARGS__) }

/* Polynomial 0x1edc6f41, reflected 0x82f63b78. */
static const uint32_t table32[8][256] = {
    TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu,
          0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
    TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u,
          0x3fc5f181u, 0x7f8be302u, 0xff17c604u, 0xfbc3faf9u),
    TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u,
          0x70a27d8au, 0xe144fb14u, 0xc76580d9u, 0x8b277743u),
    TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u,
          0xe964b13du, 0xd725148bu, 0xaba65fe7u, 0x52a0c93fu),
    TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u,
          0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu),
    TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu,
          0xc00c303eu, 0x85f4168du, 0x0e045bebu, 0x1c08b7d6u),
    TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u,
          0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u),
    TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau,
          0x847609b4u, 0x0d006599u, 0x1a00cb32u, 0x34019664u),
};

/* Polynomial 0xad93d23594c935a9, reflected 0x95ac9329ac4bc9b5. */
static const uint64_t table64[8][256] = {
    TABLE(0x7ad870c830358979u, 0xf5b0e190606b12f2u,
          0xc038e5739841b68fu, 0xab28ecb46814fe75u,
          0x7d08ff3b88be6f81u, 0xfa11fe77117cdf02u,
          0xdf7adabd7a6e2d6fu, 0x95ac9329ac4bc9b5u),
    TABLE(0x89e99ffd73bddf69u, 0x388a19a9bfec2db9u,
          0x711433537fd85b72u, 0xe22866a6ffb0b6e4u,
          0xef09eb1ea7f6fea3u, 0xf54af06e177a6e2du,
          0xc1ccc68f76634f31u, 0xa8c0ab4db4510d09u),
    TABLE(0xf4125129ce4038beu, 0xc37d8400c417e217u,
          0xada22e52d0b85745u, 0x701d7af6f9e73de1u,
          0xe03af5edf3ce7bc2u, 0xeb2ccd88bf0b64efu,
          0xfd00bd4226815ab5u, 0xd1585cd715952601u),
    TABLE(0x8ce168638c796306u, 0x329bf69440655567u,
          0x6537ed2880caaaceu, 0xca6fda510195559cu,
          0xbf8692f15bbd3853u, 0x545403b1efede3cdu,
          0xa8a80763dfdbc79au, 0x7a092894e7201c5fu),
    TABLE(0x3504e58b9ba6dd1eu, 0x6a09cb17374dba3cu,
          0xd413962e6e9b7478u, 0x837e0a0f85a17b9bu,
          0x2da5324c53d5645du, 0x5b4a6498a7aac8bau,
          0xb694c9314f559174u, 0x4670b431c63cb183u),
    TABLE(0xe39d1389931b9354u, 0xec6301407ea0b5c3u,
          0xf39f24d3a5d6f8edu, 0xcc676ff4133a62b1u,
          0xb397f9bb7ee35609u, 0x4c76d525a5513f79u,
          0x98edaa4b4aa27ef2u, 0x1a8272c5cdd36e8fu),
    TABLE(0x62a95de6e302eff2u, 0xc552bbcdc605dfe4u,
          0xa1fc51c8d49c2ca3u, 0x68a185c2f1afca2du,
          0xd1430b85e35f945au, 0x89df31589e28bbdfu,
          0x38e744e264c6e4d5u, 0x71ce89c4c98dc9aau),
    TABLE(0x381d0015c96f4444u, 0x703a002b92de8888u,
          0xe074005725bd1110u, 0xebb126fd13edb14bu,
          0xfc3b6ba97f4cf1fdu, 0xd32ff101a60e7091u,
          0x8d06c450148b7249u, 0x3154aef3718177f9u),
};

uint32_t crc32c_plain(uint32_t crc, const void *data, size_t n) {
    const uint8_t *p = data;
    crc = ~crc;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v = get_u64(p) ^ crc;
        crc = table32[7][v & 255] ^ table32[6][v >> 8 & 255] ^ table32[5][v >> 16 & 255] ^
              table32[4][v >> 24 & 255] ^ table32[3][v >> 32 & 255] ^
              table32[2][v >> 40 & 255] ^ table32[1][v >> 48 & 255] ^ table32[0][v >> 56];
    }
    for (; n > 0; n--) crc = crc >> 8 ^ table32[0][(crc ^ *p++) & 255];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t n) {
    const uint8_t *p = data;
    uint64_t wide = ~crc;
    for (; n >= 8; p += 8, n -= 8) wide = _mm_crc32_u64(wide, get_u64(p));
    uint32_t narrow = (uint32_t)wide;
    for (; n > 0; n--) narrow = _mm_crc32_u8(narrow, *p++);
    return ~narrow;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, data, n);
#endif
    return crc32c_plain(crc, data, n);
}

uint64_t crc64(uint64_t crc, const void *data, size_t n) {
    const uint8_t *p = data;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v = get_u64(p) ^ crc;
        crc = table64[7][v & 255] ^ table64[6][v >> 8 & 255] ^ table64[5][v >> 16 & 255] ^
              table64[4][v >> 24 & 255] ^ table64[3][v >> 32 & 255] ^
              table64[2][v >> 40 & 255] ^ table64[1][v >> 48 & 255] ^ table64[0][v >> 56];
    }
    for (; n > 0; n--) crc = crc >> 8 ^ table64[0][(crc ^ *p++) & 255];
    return crc;
}
