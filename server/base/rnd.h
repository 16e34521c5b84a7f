/* rnd.h -- seeded pseudo-random numbers (xoshiro256**, Blackman and Vigna).
 *
 * Every use of chance draws from a struct rnd that was handed to it, so that a run can be
 * repeated from one seed. Only main seeds one from the kernel. */
#ifndef COVE_BASE_RND_H
#define COVE_BASE_RND_H

#include <stddef.h>
#include <stdint.h>

typedef struct rnd {
    uint64_t s[4];
} rnd;

void rnd_seed(rnd *r, uint64_t seed);
int rnd_seed_os(rnd *r); /* From the kernel; OK or ERR_IO. */
uint64_t rnd_u64(rnd *r);
uint64_t rnd_below(rnd *r, uint64_t n); /* 0..n-1 without bias; n > 0. */
double rnd_unit(rnd *r);                /* [0, 1) */
void rnd_bytes(rnd *r, void *p, size_t n);

#endif
