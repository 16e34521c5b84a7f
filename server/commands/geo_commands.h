/* geo_commands.h -- what the files of the GEO commands share (geo.c). */
#ifndef COVE_COMMANDS_GEO_COMMANDS_H
#define COVE_COMMANDS_GEO_COMMANDS_H

#include "base/geohash.h"
#include "exec/call.h"

/* Arguments i and i + 1 as a point, argument i as a unit; false after an error. */
bool geo_take_point(call *c, size_t i, struct geo_point *p);
bool geo_take_unit(call *c, size_t i, double *metres);
/* A score that GEOADD did not make is some point all the same. */
struct geo_point geo_point_of(double score);
void geo_reply_distance(call *c, double d); /* with four digits behind its point */
void geo_reply_point(call *c, struct geo_point p);

#endif
