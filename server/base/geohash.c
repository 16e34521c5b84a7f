/* geohash.c -- see geohash.h. */
#include "base/geohash.h"

#include <math.h>

#define EARTH_RADIUS 6372797.560856
#define MAP_HALF 20037726.37 /* metres from the middle to the edge of a web map */
#define CELLS ((double)((uint64_t)1 << GEO_BITS))
#define SLACK (1 + 1e-9) /* What arithmetic may have lost of an angle. */

static double radians(double degrees) { return degrees * (M_PI / 180.0); }
static double degrees(double radians) { return radians / (M_PI / 180.0); }

/* ---- numbers ---------------------------------------------------------------------------------- */

/* The bits of x at even places. */
static uint64_t spread(uint32_t x) {
    uint64_t v = x;
    v = (v | v << 16) & 0x0000FFFF0000FFFFu;
    v = (v | v << 8) & 0x00FF00FF00FF00FFu;
    v = (v | v << 4) & 0x0F0F0F0F0F0F0F0Fu;
    v = (v | v << 2) & 0x3333333333333333u;
    return (v | v << 1) & 0x5555555555555555u;
}

static uint32_t gather(uint64_t v) {
    v &= 0x5555555555555555u;
    v = (v | v >> 1) & 0x3333333333333333u;
    v = (v | v >> 2) & 0x0F0F0F0F0F0F0F0Fu;
    v = (v | v >> 4) & 0x00FF00FF00FF00FFu;
    v = (v | v >> 8) & 0x0000FFFF0000FFFFu;
    return (uint32_t)(v | v >> 16);
}

static uint64_t encode(struct geo_point p, double lat_max) {
    double x = (p.lon + GEO_LON_MAX) / (2 * GEO_LON_MAX) * CELLS, y = (p.lat + lat_max) / (2 * lat_max) * CELLS;
    return spread((uint32_t)y) | spread((uint32_t)x) << 1;
}

uint64_t geo_encode(struct geo_point p) { return encode(p, GEO_LAT_MAX); }

/* The middle between the edges of cell i. */
static double middle(uint32_t i, double max) {
    double low = -max + i / CELLS * (2 * max), high = -max + ((double)i + 1) / CELLS * (2 * max);
    double at = (low + high) / 2;
    return at > max ? max : at < -max ? -max : at;
}

struct geo_point geo_decode(uint64_t bits) {
    return (struct geo_point){middle(gather(bits >> 1), GEO_LON_MAX), middle(gather(bits), GEO_LAT_MAX)};
}

void geo_text(struct geo_point p, char out[11]) {
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = encode(p, 90);
    for (unsigned i = 0; i < 10; i++) out[i] = letters[bits >> (52 - (i + 1) * 5) & 31];
    out[10] = letters[0]; /* 52 bits are ten letters and a bit. */
}

/* ---- distances -------------------------------------------------------------------------------- */

static double lat_distance(double a, double b) { return EARTH_RADIUS * fabs(radians(b) - radians(a)); }

double geo_distance(struct geo_point a, struct geo_point b) {
    double v = sin((radians(b.lon) - radians(a.lon)) / 2);
    if (v == 0) return lat_distance(a.lat, b.lat);
    double u = sin((radians(b.lat) - radians(a.lat)) / 2);
    double h = u * u + cos(radians(a.lat)) * cos(radians(b.lat)) * v * v;
    return 2.0 * EARTH_RADIUS * asin(sqrt(h));
}

bool geo_within(const struct geo_shape *s, struct geo_point p, double *distance) {
    if (s->box) {
        struct geo_point beside = {s->at.lon, p.lat};
        if (lat_distance(p.lat, s->at.lat) > s->height / 2) return false;
        if (geo_distance(p, beside) > s->width / 2) return false;
    }
    *distance = geo_distance(s->at, p);
    return s->box || *distance <= s->radius;
}

/* ---- cells ------------------------------------------------------------------------------------ */

/* How many degrees of longitude the shape reaches to each side; 180: all of them. */
static double reach(const struct geo_shape *s, double lat_reach) {
    double up = fabs(s->at.lat) + lat_reach, share;
    if (up >= 90) return 180;
    if (s->box) { /* It is widest, in degrees, where it is nearest to a pole. */
        double angle = s->width / 2 / EARTH_RADIUS;
        if (angle >= M_PI) return 180;
        share = sin(angle / 2) / cos(radians(up));
        return share >= 1 ? 180 : degrees(2 * asin(share)) * SLACK;
    }
    share = sin(s->radius / EARTH_RADIUS) / cos(radians(s->at.lat));
    return share >= 1 ? 180 : degrees(asin(share)) * SLACK;
}

/* The cell of a coordinate, of 2^step cells from -max to max; it may lie outside. */
static int64_t cell_of(double at, double max, unsigned step) {
    return (int64_t)floor((at + max) / (2 * max) * (double)((uint64_t)1 << step));
}

struct span {
    int64_t low, mid, high;
};

static struct span span_of(double at, double reach, double max, unsigned step) {
    int64_t last = ((int64_t)1 << step) - 1;
    struct span s = {cell_of(at - reach, max, step), cell_of(at, max, step), cell_of(at + reach, max, step)};
    if (s.mid > last) s.mid = last;
    return s;
}

static bool adjacent(struct span s) { return s.mid - s.low <= 1 && s.high - s.mid <= 1; }

/* A first guess of how fine the cells may be, that of Redis: the order of a search's results, where none is asked
 * for, follows from the cells. A cell is to be half as wide as the shape at least, by a map's measure, and wider
 * near the poles. */
static unsigned step_guess(const struct geo_shape *s) {
    double radius = s->box ? hypot(s->width / 2, s->height / 2) : s->radius, up = fabs(s->at.lat);
    if (radius == 0) return GEO_BITS;
    int step = radius < MAP_HALF ? (int)ceil(log2(MAP_HALF / radius)) - 1 : -1;
    step -= (up > 66) + (up > 80);
    return step < 1 ? 1 : step > GEO_BITS ? GEO_BITS : (unsigned)step;
}

size_t geo_cover(const struct geo_shape *s, struct geo_cell out[GEO_CELLS_MAX]) {
    static const int8_t order[GEO_CELLS_MAX][2] = {{0, 0},  {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                                                   {1, 1},  {-1, 1}, {1, -1}, {-1, -1}};
    double lat_reach = degrees((s->box ? s->height / 2 : s->radius) / EARTH_RADIUS) * SLACK;
    if (!(lat_reach < 180)) lat_reach = 180;
    double lon_reach = reach(s, lat_reach);
    unsigned step = step_guess(s);
    struct span x, y;
    for (;; step--) { /* With two cells each way every cell is one's own or next to it. */
        x = span_of(s->at.lon, lon_reach, GEO_LON_MAX, step);
        y = span_of(s->at.lat, lat_reach, GEO_LAT_MAX, step);
        if (step == 1 || (adjacent(x) && adjacent(y))) break;
    }
    size_t n = 0;
    for (unsigned i = 0; i < GEO_CELLS_MAX; i++) {
        int64_t cx = x.mid + order[i][0], cy = y.mid + order[i][1], cells = (int64_t)1 << step;
        if (cx < x.low || cx > x.high || cy < y.low || cy > y.high || cy < 0 || cy >= cells) continue;
        cx = (cx + cells) % cells; /* Around the earth. */
        unsigned shift = 2 * (GEO_BITS - step);
        uint64_t bits = spread((uint32_t)cy) | spread((uint32_t)cx) << 1;
        struct geo_cell cell = {bits << shift, (bits + 1) << shift};
        bool twice = false;
        for (size_t k = 0; k < n; k++) twice |= out[k].first == cell.first;
        if (!twice) out[n++] = cell;
    }
    return n;
}
