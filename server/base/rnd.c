/* rnd.c -- xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64. */
#include "base/rnd.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"

static inline uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

/* The state must not be all zero, and near seeds must not give near states: SplitMix64 is a
 * bijection of 64 bits per step, so at most one of the four words can be zero. */
void rnd_seed(rnd *r, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r->s[i] = z ^ (z >> 31);
    }
}

int rnd_seed_os(rnd *r) {
    uint8_t *p = (uint8_t *)r->s;
    for (size_t got = 0; got < sizeof(r->s);) {
        ssize_t n = getrandom(p + got, sizeof(r->s) - got, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return ERR_IO;
        got += (size_t)n;
    }
    if ((r->s[0] | r->s[1] | r->s[2] | r->s[3]) == 0) r->s[0] = 1;
    return OK;
}

uint64_t rnd_u64(rnd *r) {
    uint64_t *s = r->s;
    uint64_t out = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

/* Lemire's multiplication: the high half of x * n is uniform once those x are thrown away
 * whose low half falls under 2^64 mod n. */
uint64_t rnd_below(rnd *r, uint64_t n) {
    assert(n > 0);
    __extension__ typedef unsigned __int128 wide;
    wide m = (wide)rnd_u64(r) * n;
    if ((uint64_t)m < n) {
        uint64_t floor = (0 - n) % n;
        while ((uint64_t)m < floor) m = (wide)rnd_u64(r) * n;
    }
    return (uint64_t)(m >> 64);
}

double rnd_unit(rnd *r) { return (double)(rnd_u64(r) >> 11) * 0x1p-53; }

void rnd_bytes(rnd *r, void *p, size_t n) {
    uint8_t *out = p;
    while (n > 0) {
        uint64_t v = rnd_u64(r);
        size_t take = n < 8 ? n : 8;
        memcpy(out, &v, take);
        out += take;
        n -= take;
    }
}
