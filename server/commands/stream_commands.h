/* stream_commands.h -- what the stream commands share (stream_args.c, stream_refs.c). */
#ifndef COVE_COMMANDS_STREAM_COMMANDS_H
#define COVE_COMMANDS_STREAM_COMMANDS_H

#include "exec/call.h"
#include "types/stream.h"

/* ---- ids as arguments: false after an error reply, unless c is NULL ------------------------------ */

/* "ms" (then seq is `missing_seq`) or "ms-seq". */
bool stream_parse_id(call *c, slice s, uint64_t missing_seq, stream_id *id);
/* "ms-*" too: *any_seq. */
bool stream_parse_new_id(call *c, slice s, stream_id *id, bool *any_seq);
/* "-", "+" too. */
bool stream_parse_edge(call *c, slice s, uint64_t missing_seq, stream_id *id);
/* An end of an interval: the id itself, or the one beside it for "(id". */
bool stream_parse_from(call *c, slice s, stream_id *id);
bool stream_parse_to(call *c, slice s, stream_id *id);
/* n arguments from `first` on as ids, in one run of bytes. */
bool stream_parse_ids(call *c, size_t first, size_t n, buf *ids);
void stream_sort_ids(buf *ids); /* rising, each once */

/* What is done about references of groups to an entry that is to go (stream_refs.c). */
enum stream_refs { REFS_NONE, REFS_KEEP, REFS_DROP, REFS_ACKED };
/* Is one of the words at i? False after an error reply: it is the second. */
bool stream_refs_option(call *c, size_t i, enum stream_refs *refs, bool *taken);

/* ---- lookups and replies ------------------------------------------------------------------------- */

/* Printed as in replies: "ms-seq". */
slice stream_print_id(stream_id id, char tmp[2 * NUM_LL_MAX + 1]);
int stream_reply_id(call *c, stream_id id);
int stream_reply_entry(call *c, struct stream_entry *e); /* [id, [field, value, ...]] */
int stream_write_entry(buf *out, struct stream_entry *e);
/* As an array of at most `count` (0: all) entries. In one turn, or in many: `return stream_reply_range(...)`, with no
 * reply begun. */
int stream_reply_now(call *c, const struct value *v, stream_id from, stream_id to, uint64_t count, bool backward);
int stream_reply_range(call *c, const struct value *v, stream_id from, stream_id to, uint64_t count,
                       bool backward);
/* Very many entries of several streams, as XREAD answers them: `return stream_read_in_steps(...)`. */
struct stream_part {
    slice key; /* borrowed for the command's time */
    stream_id from, to;
    uint64_t left, told; /* entries wanted still, and told */
};
int stream_read_in_steps(call *c, const struct value *values, const struct stream_part *parts, size_t n);
/* A name that no group or consumer can have: false, and an error reply. */
bool stream_name_ok(call *c, slice name);
/* "unknown subcommand or wrong number of arguments". */
int stream_reply_subcommand_syntax(call *c);

/* ---- deliveries ---------------------------------------------------------------------------------- */

/* What a consumer gets, gathered before it becomes an effect. */
struct stream_delivery {
    slice key, group, consumer;
    uint8_t times[16], cursor[STREAM_ID_BYTES + 8];
    bool moved;          /* cursor: the group's */
    bool fresh;          /* the consumer is made */
    buf records, gone;   /* gone: ids that are pending no longer */
};
/* The consumer is seen now; active: it gets something. *has: what it was before, if it was there. */
int stream_delivery_init(call *c, const struct value *v, const struct stream_group *g,
                         struct stream_delivery *d, bool active, struct stream_consumer *was);
void stream_delivery_add(struct stream_delivery *d, stream_id id, uint64_t time, uint64_t count);
void stream_delivery_cursor(struct stream_delivery *d, stream_id last, int64_t read);
void stream_delivery_args(const struct stream_delivery *d, slice args[5]); /* STREAM_PEND's */
int stream_delivery_need(const struct value *v, const struct stream_delivery *d);
int stream_delivery_apply(call *c, const struct stream_delivery *d);
void stream_delivery_free(struct stream_delivery *d);

/* ---- many entries, in steps (stream_steps.c) ------------------------------------------------------- */

/* Ids, entries that are pending or are delivered: as many take some milliseconds. */
#define STREAM_STEPS_FROM 2048

struct stream_job {
    /* Looks at some more entries: writes what is answered with reply_*(), and what is to change to d, unrefs, ids and
     * n. *all: there are no more. Whatever it answers but OK, it has to begin where it has begun: they and the reply
     * are put back, and the rest is its own. ERR_PRECOND: the command begins again. */
    int (*gather)(call *c, struct stream_job *j, const struct value *v, bool *all);
    void (*head)(call *c, struct stream_job *j); /* writes what comes before the replies of gather() */
    void (*tail)(call *c, struct stream_job *j); /* and behind them; may be NULL */
    void (*restart)(struct stream_job *j);
    void (*free)(struct stream_job *j);
    const slice *key;         /* an argument */
    struct stream_delivery d; /* records, when `pend`, and gone */
    bool pend;
    buf unrefs, ids;          /* of entries that no group has pending any longer, and that are deleted */
    size_t n;
    /* stream_steps.c's. */
    buf out;
    bool gathered, copied;
    size_t at;                /* bytes of d.gone, then of d.records, unrefs and ids, that are applied */
};
/* `return stream_in_steps(...)`, having changed nothing. Takes the job, which free() frees. */
int stream_in_steps(call *c, struct stream_job *j);

#endif
