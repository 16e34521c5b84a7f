/* geo.c -- points as members of a sorted set, whose scores are their geohashes (base/geohash.h): added and told.
 * Searching is in geo_search.c. */
#include "commands/geo_commands.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/zset_commands.h"

/* ---- arguments ---------------------------------------------------------------------------------- */

bool geo_take_point(call *c, size_t i, struct geo_point *p) {
    if (!call_double(c, i, &p->lon) || !call_double(c, i + 1, &p->lat)) return false;
    if (geo_valid(*p)) return true;
    reply_errorf(c, "ERR invalid longitude,latitude pair %f,%f", p->lon, p->lat);
    return false;
}

bool geo_take_unit(call *c, size_t i, double *metres) {
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t k = 0; k < sizeof(units) / sizeof(*units); k++) {
        *metres = units[k].metres;
        if (call_arg_is(c, i, units[k].name)) return true;
    }
    reply_error(c, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

struct geo_point geo_point_of(double score) {
    bool whole = score >= 0 && score < 18446744073709551616.0;
    return geo_decode(whole ? (uint64_t)score : 0);
}

/* ---- GEOADD -------------------------------------------------------------------------------------- */

static int cmd_geoadd(call *c) {
    struct zset_add how = {.event = "zadd"};
    size_t at = 2;
    for (; at < call_argc(c); at++) {
        if (call_arg_is(c, at, "nx")) how.nx = true;
        else if (call_arg_is(c, at, "xx")) how.xx = true;
        else if (call_arg_is(c, at, "ch")) how.ch = true;
        else break;
    }
    size_t n = (call_argc(c) - at) / 3;
    if ((call_argc(c) - at) % 3 != 0 || n == 0 || (how.nx && how.xx)) return reply_syntax(c);
    double *scores = mem_try_alloc(n * sizeof(*scores));
    slice *members = mem_try_alloc(n * sizeof(*members));
    int rc = scores == NULL || members == NULL ? ERR_NOMEM : OK;
    bool good = true;
    for (size_t i = 0; i < n && rc == OK && good; i++) {
        struct geo_point p;
        good = geo_take_point(c, at + 3 * i, &p);
        if (good) scores[i] = (double)geo_encode(p);
        members[i] = call_arg(c, at + 3 * i + 2);
    }
    if (rc == OK && good) rc = zset_add_pairs(c, &how, scores, members, n);
    mem_free(scores);
    mem_free(members);
    return rc;
}

/* ---- points told --------------------------------------------------------------------------------- */

/* To the nearest even digit. */
void geo_reply_distance(call *c, double d) {
    char text[NUM_LL_MAX + 8];
    long long n = llrint(d * 10000);
    int len = snprintf(text, sizeof(text), "%lld.%04lld", n / 10000, n % 10000);
    reply_bulk(c, slice_make(text, (size_t)len));
}

void geo_reply_point(call *c, struct geo_point p) {
    double xy[2] = {p.lon, p.lat};
    reply_array(c, 2);
    for (unsigned i = 0; i < 2; i++) {
        char text[NUM_DOUBLE_MAX];
        slice s = slice_make(text, num_print_long_double(text, xy[i]));
        if (call_proto(c) < 3) {
            reply_bulk(c, s);
            continue;
        }
        buf_append_str(call_out(c), ",");
        buf_append_slice(call_out(c), s);
        buf_append_str(call_out(c), "\r\n");
    }
}

static int read_zset(call *c, struct entry *e) {
    int rc = call_read_type(c, call_arg(c, 1), TYPE_ZSET, e);
    if (rc == ERR_NOTFOUND) e->value = (struct value){.kind = VALUE_NONE};
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int cmd_geodist(call *c) {
    struct entry e;
    double metres = 1, one, other;
    if (call_argc(c) > 5) return reply_syntax(c);
    if (call_argc(c) == 5 && !geo_take_unit(c, 4, &metres)) return OK;
    int rc = read_zset(c, &e);
    if (rc != OK) return rc;
    rc = zset_score(&e.value, call_arg(c, 2), &one);
    int rc2 = zset_score(&e.value, call_arg(c, 3), &other);
    if (rc == ERR_COLD || rc2 == ERR_COLD) return ERR_COLD;
    if (rc == ERR_NOTFOUND || (rc == OK && rc2 == ERR_NOTFOUND)) return reply_null(c);
    if (rc != OK || rc2 != OK) return rc != OK ? rc : rc2;
    geo_reply_distance(c, geo_distance(geo_point_of(one), geo_point_of(other)) / metres);
    return OK;
}

static int tell_points(call *c, bool text) {
    struct entry e;
    int rc = read_zset(c, &e), cold = OK;
    if (rc != OK) return rc;
    reply_array(c, call_argc(c) - 2);
    for (size_t i = 2; i < call_argc(c); i++) {
        double score;
        char hash[11];
        rc = zset_score(&e.value, call_arg(c, i), &score);
        if (rc == ERR_COLD) cold = rc;
        else if (rc == ERR_NOTFOUND && text) reply_null(c);
        else if (rc == ERR_NOTFOUND) reply_null_array(c);
        else if (rc != OK) return rc;
        else if (!text) geo_reply_point(c, geo_point_of(score));
        else {
            geo_text(geo_point_of(score), hash);
            reply_bulk(c, slice_make(hash, sizeof(hash)));
        }
    }
    return cold; /* What was written is taken back then. */
}

static int cmd_geohash(call *c) { return tell_points(c, true); }
static int cmd_geopos(call *c) { return tell_points(c, false); }

/* ---- the table ------------------------------------------------------------------------------------- */

#define G .group = GROUP_GEO
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
static const char *const geoadd_history[] = {
    "6.2.0", "Added the `CH`, `NX` and `XX` options.",
    NULL};
static const struct command rows[] = {
    {.name = "geoadd", .fn = cmd_geoadd, .arity = -5, .flags = CMD_WRITE | CMD_DENYOOM, G,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = "3.2.0",
     .summary = "Add one or more geospatial items in the geospatial index represented using a sorted set",
     .complexity = "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
     .history = geoadd_history},
    {.name = "geodist", .fn = cmd_geodist, .arity = -4, .flags = CMD_READONLY, G,
     .keys = READ, .since = "3.2.0",
     .summary = "Returns the distance between two members of a geospatial index",
     .complexity = "O(log(N))"},
    {.name = "geohash", .fn = cmd_geohash, .arity = -2, .flags = CMD_READONLY, G,
     .keys = READ, .since = "3.2.0",
     .summary = "Returns members of a geospatial index as standard geohash strings",
     .complexity = "O(log(N)) for each member requested, where N is the number of elements in the sorted "
                   "set."},
    {.name = "geopos", .fn = cmd_geopos, .arity = -2, .flags = CMD_READONLY, G,
     .keys = READ, .since = "3.2.0",
     .summary = "Returns longitude and latitude of members of a geospatial index",
     .complexity = "O(N) where N is the number of members requested."},
};
const struct command_family family_geo = {rows, sizeof(rows) / sizeof(*rows)};
