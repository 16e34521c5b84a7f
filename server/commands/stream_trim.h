/* stream_trim.h -- what XADD and XTRIM take off a stream's head. */
#ifndef COVE_COMMANDS_STREAM_TRIM_H
#define COVE_COMMANDS_STREAM_TRIM_H

#include "commands/stream_commands.h"

enum trim_by { TRIM_NONE, TRIM_MAXLEN, TRIM_MINID };
#define TRIM_LIMIT_DEFAULT (-1)
struct trim {
    enum trim_by by;
    bool approx, limited;  /* "~"; LIMIT was given */
    int64_t maxlen, limit; /* limit 0: none */
    stream_id minid;
    enum stream_refs refs;
};
/* MAXLEN, MINID, LIMIT, KEEPREF, DELREF or ACKED at *i, which moves to its last word; *taken false: it is none of them. */
bool trim_option(call *c, size_t *i, struct trim *t, bool *taken);
bool trim_options_end(call *c, struct trim *t, bool required);

struct trim_plan {
    uint64_t gone;  /* entries */
    stream_id to;   /* the last one at the head, or an id behind it that is before the next */
    bool head;      /* some go at the head */
    buf ids;        /* of those behind one that stays (ACKED) */
    buf unrefs;     /* what groups have pending no longer (DELREF) */
};
/* To be freed whatever it answers. */
int trim_plan(const struct value *v, const struct trim *t, struct trim_plan *p);
int trim_need(const struct value *v, const struct trim_plan *p);
int trim_apply(call *c, slice key, const struct trim_plan *p); /* nothing when nothing goes */
void trim_plan_free(struct trim_plan *p);

#endif
