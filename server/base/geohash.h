/* geohash.h -- points on the earth as numbers of 52 bits, and distances between them.
 *
 * The bits of longitude and latitude stand in turns, so that near points often have near numbers: a cell is all
 * points whose numbers share their first bits. Byte compatible with Redis: latitudes go to 85.05 degrees only, as in
 * web maps. */
#ifndef COVE_BASE_GEOHASH_H
#define COVE_BASE_GEOHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GEO_LON_MAX 180.0
#define GEO_LAT_MAX 85.05112878
#define GEO_BITS 26 /* of each coordinate */

struct geo_point {
    double lon, lat;
};

static inline bool geo_valid(struct geo_point p) { /* false for what is no number, too */
    return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX && p.lat <= GEO_LAT_MAX;
}

uint64_t geo_encode(struct geo_point p); /* p is valid */
/* The middle of the cell; any number is one. */
struct geo_point geo_decode(uint64_t bits);
/* The usual text of 11 letters, which counts latitudes to 90 degrees. */
void geo_text(struct geo_point p, char out[11]);
double geo_distance(struct geo_point a, struct geo_point b); /* in metres */

/* A circle, or a box that is as wide and high at its middle as it says. In metres. */
struct geo_shape {
    struct geo_point at;
    bool box;
    double radius, width, height;
};
/* Is it within? *distance from the middle, if so. */
bool geo_within(const struct geo_shape *s, struct geo_point p, double *distance);

/* Ranges of numbers, from `first` to `end` (not included), that together hold all of the shape: the cell of
 * its middle and those around it that it touches, none of them twice. */
#define GEO_CELLS_MAX 9
struct geo_cell {
    uint64_t first, end;
};
size_t geo_cover(const struct geo_shape *s, struct geo_cell out[GEO_CELLS_MAX]);

#endif
