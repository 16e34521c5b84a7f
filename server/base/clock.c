/* clock.c -- the kernel's clock, and one that a test moves. */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t now_us(clockid_t which) {
    struct timespec t;
    int rc = clock_gettime(which, &t);
    assert(rc == 0);
    (void)rc;
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t real_wall(clock_source *c) {
    (void)c;
    return now_us(CLOCK_REALTIME);
}

static uint64_t real_mono(clock_source *c) {
    (void)c;
    return now_us(CLOCK_MONOTONIC);
}

clock_source *clock_real(void) {
    /* Holds no state and is never written; the interface's pointer is not const because
     * other clocks have state. */
    static const clock_source real = {real_wall, real_mono};
    return (clock_source *)(uintptr_t)&real;
}

static uint64_t manual_wall(clock_source *c) { return ((clock_manual *)(void *)c)->wall; }
static uint64_t manual_mono(clock_source *c) { return ((clock_manual *)(void *)c)->mono; }

void clock_manual_init(clock_manual *c, uint64_t wall_us, uint64_t mono_us) {
    *c = (clock_manual){{manual_wall, manual_mono}, wall_us, mono_us};
}

void clock_manual_advance(clock_manual *c, uint64_t us) {
    c->wall += us;
    c->mono += us;
}
