/* clock.h -- time behind an interface: the kernel's, or one that a test moves by hand. */
#ifndef COVE_BASE_CLOCK_H
#define COVE_BASE_CLOCK_H

#include <stdint.h>

typedef struct clock_source clock_source;
struct clock_source {
    uint64_t (*wall_us)(clock_source *c); /* Microseconds since 1970. */
    uint64_t (*mono_us)(clock_source *c); /* Monotonic, any start. */
};

clock_source *clock_real(void); /* Stateless; shared by all. */

/* A clock that stands still until it is moved. */
typedef struct clock_manual {
    clock_source base;
    uint64_t wall, mono;
} clock_manual;
void clock_manual_init(clock_manual *c, uint64_t wall_us, uint64_t mono_us);
void clock_manual_advance(clock_manual *c, uint64_t us); /* Moves both. */

static inline uint64_t clock_wall_us(clock_source *c) { return c->wall_us(c); }
static inline uint64_t clock_wall_ms(clock_source *c) { return c->wall_us(c) / 1000; }
static inline uint64_t clock_mono_us(clock_source *c) { return c->mono_us(c); }

#endif
