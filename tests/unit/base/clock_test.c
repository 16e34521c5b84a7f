/* clock_test.c -- the kernel's clock and the one moved by hand. */
#include "test.h"

#include <time.h>

#include "base/clock.h"

TEST("the real clock tells today's time and does not go back") {
    clock_source *c = clock_real();
    uint64_t seconds = (uint64_t)time(NULL);
    uint64_t wall = clock_wall_us(c) / 1000000;
    CHECK(wall + 2 >= seconds && wall <= seconds + 2);
    CHECK(clock_wall_ms(c) / 1000 + 2 >= seconds);
    uint64_t last = clock_mono_us(c);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_us(c);
        CHECK(now >= last);
        last = now;
    }
}

TEST("the manual clock stands still until it is moved") {
    clock_manual m;
    clock_manual_init(&m, 5000000, 70);
    clock_source *c = &m.base;
    CHECK_INT(clock_wall_us(c), 5000000);
    CHECK_INT(clock_wall_ms(c), 5000);
    CHECK_INT(clock_mono_us(c), 70);
    clock_manual_advance(&m, 30);
    CHECK_INT(clock_wall_us(c), 5000030);
    CHECK_INT(clock_mono_us(c), 100);
}
