/* geo_search.c -- the points of a sorted set within a circle or a box: GEORADIUS, GEOSEARCH and their kin.
 *
 * A search asks the sorted set for the scores of a few cells that hold the shape, and looks at each point in
 * them. */
#include <stdlib.h>

#include "commands/commands.h"
#include "commands/geo_commands.h"
#include "commands/keyspecs.h"
#include "commands/zset_commands.h"

/* ---- arguments ------------------------------------------------------------------------- */

enum form { RADIUS, RADIUS_MEMBER, SEARCH, SEARCH_STORE };
enum order { ANY_ORDER, ASC, DESC };

struct found {
    struct geo_point p;
    double distance, score;
    size_t at; /* of its member, in the names */
};

struct search {
    call *c;
    enum form form;
    bool may_store;
    struct value v;
    struct geo_shape shape;
    double metres;         /* of the unit */
    bool distances, hashes, points, any, store_distances;
    bool from_member, from_point, by_radius, by_box;
    enum order order;
    int64_t count;         /* 0: all */
    size_t store;          /* argument; 0: none */
    struct zset_result names;
    buf found;
    size_t n;
};

static bool take_number(call *c, size_t i, double *out, const char *error) {
    if (num_parse_double(call_arg(c, i), out)) return true;
    reply_error(c, error);
    return false;
}

static bool take_radius(struct search *s, size_t i) {
    struct geo_shape *shape = &s->shape;
    if (!take_number(s->c, i, &shape->radius, "ERR need numeric radius")) return false;
    if (shape->radius < 0) {
        reply_error(s->c, "ERR radius cannot be negative");
        return false;
    }
    if (!geo_take_unit(s->c, i + 1, &s->metres)) return false;
    shape->radius *= s->metres;
    return true;
}

static bool take_box(struct search *s, size_t i) {
    struct geo_shape *shape = &s->shape;
    if (!take_number(s->c, i, &shape->width, "ERR need numeric width") ||
        !take_number(s->c, i + 1, &shape->height, "ERR need numeric height")) return false;
    if (shape->width < 0 || shape->height < 0) {
        reply_error(s->c, "ERR height or width cannot be negative");
        return false;
    }
    if (!geo_take_unit(s->c, i + 2, &s->metres)) return false;
    shape->width *= s->metres;
    shape->height *= s->metres;
    shape->box = true;
    return true;
}

/* The point of a member; of a key that is not there, none is needed. *rc: what else ends the command. */
static bool take_member(struct search *s, size_t i, int *rc) {
    double score;
    if (s->v.kind == VALUE_NONE) return true;
    *rc = zset_score(&s->v, call_arg(s->c, i), &score);
    if (*rc == OK) s->shape.at = geo_point_of(score);
    if (*rc == ERR_NOTFOUND) *rc = reply_error(s->c, "ERR could not decode requested zset member");
    else if (*rc == OK) return true;
    return false;
}

/* The words that each form has. How many arguments it takes with it; -1 after an error, or *rc. */
static int take_search_word(struct search *s, size_t i, int *rc) {
    call *c = s->c;
    size_t left = call_argc(c) - i - 1;
    if (left >= 1 && !s->from_point && call_arg_is(c, i, "frommember")) {
        s->from_member = true;
        return take_member(s, i + 1, rc) ? 1 : -1;
    }
    if (left >= 2 && !s->from_member && call_arg_is(c, i, "fromlonlat")) {
        s->from_point = true;
        return geo_take_point(c, i + 1, &s->shape.at) ? 2 : -1;
    }
    if (left >= 2 && !s->by_box && call_arg_is(c, i, "byradius")) {
        s->by_radius = true;
        return take_radius(s, i + 1) ? 2 : -1;
    }
    if (left >= 3 && !s->by_radius && call_arg_is(c, i, "bybox")) {
        s->by_box = true;
        return take_box(s, i + 1) ? 3 : -1;
    }
    if (s->form == SEARCH_STORE && call_arg_is(c, i, "storedist")) {
        s->store_distances = true;
        return 0;
    }
    reply_syntax(c);
    return -1;
}

static int take_word(struct search *s, size_t i, int *rc) {
    call *c = s->c;
    bool more = i + 1 < call_argc(c);
    if (call_arg_is(c, i, "withdist")) s->distances = true;
    else if (call_arg_is(c, i, "withhash")) s->hashes = true;
    else if (call_arg_is(c, i, "withcoord")) s->points = true;
    else if (call_arg_is(c, i, "any")) s->any = true;
    else if (call_arg_is(c, i, "asc")) s->order = ASC;
    else if (call_arg_is(c, i, "desc")) s->order = DESC;
    else if (more && call_arg_is(c, i, "count")) {
        if (!call_int(c, i + 1, &s->count)) return -1;
        if (s->count > 0) return 1;
        reply_error(c, "ERR COUNT must be > 0");
        return -1;
    } else if (s->form >= SEARCH) return take_search_word(s, i, rc);
    else if (more && s->may_store && (call_arg_is(c, i, "store") || call_arg_is(c, i, "storedist"))) {
        s->store = i + 1;
        s->store_distances = call_arg_is(c, i, "storedist");
        return 1;
    } else {
        reply_syntax(c);
        return -1;
    }
    return 0;
}

static bool options_agree(const struct search *s) {
    call *c = s->c;
    const slice name = call_arg(c, 0);
    if (s->store > 0 && (s->distances || s->hashes || s->points)) {
        reply_errorf(c, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                     s->form == SEARCH_STORE ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    } else if (s->form >= SEARCH && !s->from_member && !s->from_point) {
        reply_errorf(c, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s", (int)name.n,
                     (const char *)name.p);
    } else if (s->form >= SEARCH && !s->by_radius && !s->by_box) {
        reply_errorf(c, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", (int)name.n,
                     (const char *)name.p);
    } else if (s->any && s->count == 0) {
        reply_error(c, "ERR the ANY argument requires COUNT argument");
    } else {
        return true;
    }
    return false;
}

/* False after a reply, or with *rc. */
static bool take_arguments(struct search *s, int *rc) {
    call *c = s->c;
    size_t at = s->form == RADIUS ? 6 : s->form == RADIUS_MEMBER ? 5 : s->form == SEARCH ? 2 : 3;
    if (s->form == RADIUS && !geo_take_point(c, 2, &s->shape.at)) return false;
    if (s->form == RADIUS_MEMBER && !take_member(s, 2, rc)) return false;
    bool sized = s->form == RADIUS || (s->form == RADIUS_MEMBER && s->v.kind != VALUE_NONE);
    if (sized && !take_radius(s, at - 2)) return false;
    if (s->form == SEARCH_STORE) s->store = 1;
    while (at < call_argc(c)) {
        int taken = take_word(s, at, rc);
        if (taken < 0) return false;
        at += 1 + (size_t)taken;
    }
    return options_agree(s);
}

/* ---- finding ---------------------------------------------------------------------------- */

#define ENOUGH 1 /* ends a walk before its end */

static int see_point(void *cookie, slice member, double score) {
    struct search *s = cookie;
    struct found f = {.p = geo_point_of(score), .score = score, .at = s->n};
    if (!geo_within(&s->shape, f.p, &f.distance)) return 0;
    zset_result_add(&s->names, member, score);
    buf_append(&s->found, &f, sizeof(f));
    s->n++;
    return s->any && s->n == (uint64_t)s->count ? ENOUGH : 0;
}

/* Walks the cells; what is cold is asked for in all of them. */
static int find(struct search *s) {
    struct geo_cell cells[GEO_CELLS_MAX];
    size_t n = geo_cover(&s->shape, cells);
    bool cold = false;
    for (size_t i = 0; i < n; i++) {
        struct zset_edge low = {.cut = ZSET_BELOW_SCORE, .score = (double)cells[i].first};
        struct zset_edge high = {.cut = ZSET_BELOW_SCORE, .score = (double)cells[i].end};
        uint64_t first, end;
        int rc = zset_seek(&s->v, &low, &first), rc2 = zset_seek(&s->v, &high, &end);
        if (rc == OK) rc = rc2;
        if (rc == OK && end > first) rc = zset_each(&s->v, first, end - first, false, see_point, s);
        if (rc == ENOUGH) break;
        if (rc == ERR_COLD) cold = true;
        else if (rc != OK) return rc;
    }
    return cold ? ERR_COLD : OK;
}

static int nearer(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}
static int farther(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->distance != y->distance) return x->distance > y->distance ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void answer(const struct search *s, const struct found *found, size_t n) {
    call *c = s->c;
    size_t parts = (size_t)s->distances + s->hashes + s->points;
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) {
        if (parts > 0) reply_array(c, parts + 1);
        reply_bulk(c, zset_result_member(&s->names, found[i].at));
        if (s->distances) geo_reply_distance(c, found[i].distance / s->metres);
        if (s->hashes) reply_int(c, (int64_t)found[i].score);
        if (s->points) geo_reply_point(c, found[i].p);
    }
}

static int store(const struct search *s, const struct found *found, size_t n) {
    struct zset_result to = {.n = 0};
    for (size_t i = 0; i < n; i++) {
        double score = s->store_distances ? found[i].distance / s->metres : found[i].score;
        zset_result_add(&to, zset_result_member(&s->names, found[i].at), score);
    }
    zset_result_sort(&to);
    int rc = zset_result_store(s->c, call_arg(s->c, s->store), &to,
                               s->form >= SEARCH ? "geosearchstore" : "georadiusstore");
    zset_result_free(&to);
    return rc;
}

static int run(struct search *s) {
    int rc = s->v.kind == VALUE_NONE ? OK : find(s);
    if (rc != OK) return rc;
    struct found *found = (struct found *)(void *)s->found.p;
    size_t n = s->n;
    if (s->order == ANY_ORDER && s->count > 0 && !s->any) s->order = ASC;
    if (s->order != ANY_ORDER && n > 1) qsort(found, n, sizeof(*found), s->order == ASC ? nearer : farther);
    if (s->count > 0 && (uint64_t)s->count < n) n = (size_t)s->count;
    if (s->store > 0) return store(s, found, n);
    answer(s, found, n);
    return OK;
}

static int search(call *c, enum form form, bool may_store) {
    struct search s = {.c = c, .form = form, .may_store = may_store, .metres = 1};
    bool writes = may_store || form == SEARCH_STORE;
    int rc = zset_find_all(c, call_argv(c) + (form == SEARCH_STORE ? 2 : 1), 1, writes, false, &s.v);
    if (rc != OK) return rc;
    if (take_arguments(&s, &rc) && rc == OK) rc = run(&s);
    zset_result_free(&s.names);
    buf_free(&s.found);
    return rc;
}

static int cmd_georadius(call *c) { return search(c, RADIUS, true); }
static int cmd_georadius_ro(call *c) { return search(c, RADIUS, false); }
static int cmd_georadiusbymember(call *c) { return search(c, RADIUS_MEMBER, true); }
static int cmd_georadiusbymember_ro(call *c) { return search(c, RADIUS_MEMBER, false); }
static int cmd_geosearch(call *c) { return search(c, SEARCH, false); }
static int cmd_geosearchstore(call *c) { return search(c, SEARCH_STORE, false); }

/* ---- the table ------------------------------------------------------------------------------------- */

#define G .group = GROUP_GEO
#define STORED(word, from)                                                                            \
    {.flags = KEY_OW | KEY_UPDATE, .begin = KEYS_KEYWORD, .keyword = (word), .pos = (from),                \
     .find = KEYS_RANGE, .last = 0, .step = 1}
#define READ ONE_KEY(KEY_RO | KEY_ACCESS)
static const char *const georadius_history[] = {
    "6.2.0", "Added the `ANY` option for `COUNT`.",
    "7.0.0", "Added support for uppercase unit names.",
    NULL};
static const char *const georadiusbymember_history[] = {
    "7.0.0", "Added support for uppercase unit names.",
    NULL};
static const char *const georadius_ro_history[] = {
    "6.2.0", "Added the `ANY` option for `COUNT`.",
    NULL};
static const char *const geosearch_history[] = {
    "7.0.0", "Added support for uppercase unit names.",
    NULL};
static const char *const geosearchstore_history[] = {
    "7.0.0", "Added support for uppercase unit names.",
    NULL};
static const struct command rows[] = {
    {.name = "georadius", .fn = cmd_georadius, .arity = -6, .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS, G,
     .keys = {KEY_AT(KEY_RO | KEY_ACCESS, 1, 0, 1), STORED("STORE", 6), STORED("STOREDIST", 6)}, .since = "3.2.0",
     .summary = "Query a sorted set representing a geospatial index to fetch members matching a given "
                "maximum distance from a point",
     .complexity = "O(N+log(M)) where N is the number of elements inside the bounding box of the "
                   "circular area delimited by center and radius and M is the number of items inside the "
                   "index.",
     .history = georadius_history},
    {.name = "georadiusbymember", .fn = cmd_georadiusbymember, .arity = -5, .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS, G,
     .keys = {KEY_AT(KEY_RO | KEY_ACCESS, 1, 0, 1), STORED("STORE", 5), STORED("STOREDIST", 5)}, .since = "3.2.0",
     .summary = "Query a sorted set representing a geospatial index to fetch members matching a given "
                "maximum distance from a member",
     .complexity = "O(N+log(M)) where N is the number of elements inside the bounding box of the "
                   "circular area delimited by center and radius and M is the number of items inside the "
                   "index.",
     .history = georadiusbymember_history},
    {.name = "georadius_ro", .fn = cmd_georadius_ro, .arity = -6, .flags = CMD_READONLY, G,
     .keys = READ, .since = "3.2.10",
     .summary = "A read-only variant for GEORADIUS",
     .complexity = "O(N+log(M)) where N is the number of elements inside the bounding box of the "
                   "circular area delimited by center and radius and M is the number of items inside the "
                   "index.",
     .history = georadius_ro_history},
    {.name = "georadiusbymember_ro", .fn = cmd_georadiusbymember_ro, .arity = -5, .flags = CMD_READONLY, G,
     .keys = READ, .since = "3.2.10",
     .summary = "A read-only variant for GEORADIUSBYMEMBER",
     .complexity = "O(N+log(M)) where N is the number of elements inside the bounding box of the "
                   "circular area delimited by center and radius and M is the number of items inside the "
                   "index."},
    {.name = "geosearch", .fn = cmd_geosearch, .arity = -7, .flags = CMD_READONLY, G,
     .keys = READ, .since = "6.2.0",
     .summary = "Query a sorted set representing a geospatial index to fetch members inside an area of a "
                "box or a circle.",
     .complexity = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area "
                   "around the shape provided as the filter and M is the number of items inside the shape",
     .history = geosearch_history},
    {.name = "geosearchstore", .fn = cmd_geosearchstore, .arity = -8, .flags = CMD_WRITE | CMD_DENYOOM, G,
     .keys = {KEY_AT(KEY_OW | KEY_UPDATE, 1, 0, 1), KEY_AT(KEY_RO | KEY_ACCESS, 2, 0, 1)}, .since = "6.2.0",
     .summary = "Query a sorted set representing a geospatial index to fetch members inside an area of a "
                "box or a circle, and store the result in another key.",
     .complexity = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area "
                   "around the shape provided as the filter and M is the number of items inside the shape",
     .history = geosearchstore_history},
};
const struct command_family family_geo_search = {rows, sizeof(rows) / sizeof(*rows)};
