/* rnd_test.c -- the generator against its published stream, bounds and evenness. */
#include "test.h"

#include "base/err.h"
#include "base/rnd.h"

TEST("xoshiro256** gives the stream of its authors' code") {
    /* From the state 1, 2, 3, 4, as the tests of other implementations have it. */
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240,
                                    1216172134540287360, 607988272756665600,
                                    16172922978634559625u, 8476171486693032832,
                                    10595114339597558777u, 2904607092377533576};
    rnd r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) CHECK(rnd_u64(&r) == want[i]);
}

TEST("seeding is SplitMix64") {
    /* The first outputs of SplitMix64 from 1234567. */
    rnd r;
    rnd_seed(&r, 1234567);
    CHECK(r.s[0] == 6457827717110365317u);
    CHECK(r.s[1] == 3203168211198807973u);
    CHECK(r.s[2] == 9817491932198370423u);
    CHECK(r.s[3] == 4593380528125082431u);
}

TEST("one seed is one stream, and two seeds are two") {
    rnd a, b, c;
    rnd_seed(&a, 9);
    rnd_seed(&b, 9);
    rnd_seed(&c, 10);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t v = rnd_u64(&a);
        CHECK(v == rnd_u64(&b));
        same += v == rnd_u64(&c);
    }
    CHECK_INT(same, 0);
}

TEST("numbers below n are below n and even") {
    rnd r;
    rnd_seed(&r, 3);
    int hits[10] = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t v = rnd_below(&r, 10);
        CHECK(v < 10);
        hits[v]++;
    }
    /* 10,000 each; ten standard deviations are about 950. */
    for (int i = 0; i < 10; i++) CHECK(hits[i] > 9050 && hits[i] < 10950);
    for (int i = 0; i < 1000; i++) CHECK_INT(rnd_below(&r, 1), 0);
    uint64_t huge = ((uint64_t)1 << 63) + 1;
    for (int i = 0; i < 1000; i++) CHECK(rnd_below(&r, huge) < huge);
}

TEST("units lie in [0, 1) and have their mean in the middle") {
    rnd r;
    rnd_seed(&r, 4);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        double v = rnd_unit(&r);
        CHECK(v >= 0 && v < 1);
        sum += v;
    }
    CHECK(sum > 49000 && sum < 51000);
}

TEST("bytes fill just what they should") {
    rnd r;
    rnd_seed(&r, 5);
    for (size_t n = 0; n < 30; n++) {
        uint8_t bytes[32], any = 0;
        memset(bytes, 0, sizeof(bytes));
        for (int i = 0; i < 20; i++) {
            rnd_bytes(&r, bytes, n);
            for (size_t k = 0; k < n; k++) any |= bytes[k];
        }
        CHECK(n == 0 || any == 0xff || n < 2);
        for (size_t k = n; k < sizeof(bytes); k++) CHECK_INT(bytes[k], 0);
    }
}

TEST("the kernel's seeds differ") {
    rnd a, b;
    CHECK_INT(rnd_seed_os(&a), OK);
    CHECK_INT(rnd_seed_os(&b), OK);
    CHECK(memcmp(&a, &b, sizeof(a)) != 0);
}
