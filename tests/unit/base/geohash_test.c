/* geohash_test.c -- points as numbers, and that the cells of a search hold all that is within its shape. */
#include "test.h"

#include <math.h>

#include "base/geohash.h"
#include "base/rnd.h"

#define ROUNDS 4000
#define POINTS 200

TEST("numbers, texts and distances are those of Redis") {
    struct geo_point palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};
    char text[11];
    CHECK(geo_encode(palermo) == 3479099956230698u);
    CHECK(geo_encode(catania) == 3479447370796909u);
    palermo = geo_decode(3479099956230698u);
    catania = geo_decode(3479447370796909u);
    CHECK(fabs(geo_distance(palermo, catania) - 166274.1516) < 0.0001);
    geo_text(palermo, text);
    CHECK(memcmp(text, "sqc8b49rny0", 11) == 0);
    CHECK(geo_encode((struct geo_point){-180, -GEO_LAT_MAX}) == 0);
    CHECK(geo_distance(palermo, palermo) == 0);
}

TEST("a point comes back within a metre, and what is outside of the map is no point") {
    rnd r;
    rnd_seed(&r, 1);
    for (int i = 0; i < ROUNDS; i++) {
        struct geo_point p = {rnd_unit(&r) * 360 - 180, (rnd_unit(&r) * 2 - 1) * GEO_LAT_MAX};
        CHECK(geo_valid(p));
        CHECK(geo_distance(p, geo_decode(geo_encode(p))) < 1);
    }
    CHECK(!geo_valid((struct geo_point){180.01, 0}));
    CHECK(!geo_valid((struct geo_point){0, -85.06}));
    CHECK(!geo_valid((struct geo_point){NAN, 0}));
    CHECK(!geo_valid((struct geo_point){0, NAN}));
    for (int i = 0; i < ROUNDS; i++) CHECK(geo_valid(geo_decode(rnd_u64(&r))));
}

/* A point near the middle, at most about `far` away. */
static struct geo_point near(rnd *r, struct geo_point at, double far) {
    double degrees = far / 111000, wide = degrees / cos(at.lat * M_PI / 180);
    struct geo_point p = {at.lon + (rnd_unit(r) * 2 - 1) * wide, at.lat + (rnd_unit(r) * 2 - 1) * degrees};
    p.lon -= 360 * floor((p.lon + 180) / 360);
    if (p.lat > GEO_LAT_MAX) p.lat = GEO_LAT_MAX - 1e-6;
    if (p.lat < -GEO_LAT_MAX) p.lat = -GEO_LAT_MAX;
    return p;
}

TEST("every point within a shape is in one of its cells, and in no two; few others are") {
    rnd r;
    rnd_seed(&r, 2);
    uint64_t within = 0, small = 0, narrow = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct geo_shape s = {.at = {rnd_unit(&r) * 360 - 180, (rnd_unit(&r) * 2 - 1) * 85}, .box = i % 2 == 1};
        double size = pow(10, rnd_unit(&r) * 7.4);
        struct geo_cell cells[GEO_CELLS_MAX];
        s.radius = size;
        s.width = 2 * size * rnd_unit(&r);
        s.height = 2 * size * rnd_unit(&r);
        size_t n = geo_cover(&s, cells);
        CHECK(n >= 1 && n <= GEO_CELLS_MAX);
        for (int k = 0; k < POINTS; k++) {
            double distance;
            uint64_t bits = geo_encode(near(&r, s.at, size * 1.2));
            if (!geo_within(&s, geo_decode(bits), &distance)) continue;
            size_t in = 0;
            for (size_t c = 0; c < n; c++) in += bits >= cells[c].first && bits < cells[c].end;
            CHECK_INT(in, 1);
            within++;
        }
        if (size > 1e5 || fabs(s.at.lat) > 60) continue;
        small++;
        double side = 360 / sqrt((double)((uint64_t)1 << 52) / (double)(cells[0].end - cells[0].first));
        narrow += side * 111000 * cos(s.at.lat * M_PI / 180) < 20 * size;
    }
    CHECK(within > ROUNDS * POINTS / 5);
    CHECK(small > 100 && narrow > small * 9 / 10);
}
