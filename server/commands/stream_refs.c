/* stream_refs.c -- XDELEX and XACKDEL: entries deleted with regard to the groups that know them.
 *
 * KEEPREF leaves what groups have pending as it is, DELREF drops it too, ACKED deletes only what every
 * group has read and acknowledged. An id counts once: told again, it is one that is not there. */
#include <stdlib.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/stream_commands.h"

enum outcome { NOT_THERE = -1, DELETED = 1, STILL_NEEDED = 2 };

struct deletion {
    call *c;
    enum stream_refs refs;
    size_t first, n; /* the ids among the arguments */
    bool ack;        /* XACKDEL */
    struct stream_group g;
    /* Ids, rising, each once, and what becomes of each. */
    buf ids, outcomes;
    /* Those that effects are about. */
    buf acks, unrefs, gone;
    struct stream_finder finder;
};

/* ---- arguments ---------------------------------------------------------------------------------- */

bool stream_refs_option(call *c, size_t i, enum stream_refs *refs, bool *taken) {
    static const char *const words[] = {[REFS_KEEP] = "keepref", [REFS_DROP] = "delref", [REFS_ACKED] = "acked"};
    for (enum stream_refs r = REFS_KEEP; r <= REFS_ACKED; r++) {
        *taken = call_arg_is(c, i, words[r]);
        if (!*taken) continue;
        if (*refs != REFS_NONE) {
            reply_syntax(c);
            return false;
        }
        *refs = r;
        break;
    }
    return true;
}

static bool ids_block(struct deletion *d, size_t *i) {
    call *c = d->c;
    int64_t n;
    if (!call_int_in(c, *i + 1, 1, INT64_MAX, &n, "ERR Number of IDs must be a positive integer")) return false;
    if ((uint64_t)n > call_argc(c) - *i - 2) {
        reply_error(c, "ERR The `numids` parameter must match the number of arguments");
        return false;
    }
    d->first = *i + 2;
    d->n = (size_t)n;
    *i += d->n + 1;
    return true;
}

static bool parse_options(struct deletion *d, size_t from) {
    call *c = d->c;
    for (size_t i = from; i < call_argc(c); i++) {
        bool taken;
        if (!stream_refs_option(c, i, &d->refs, &taken)) return false;
        if (taken) continue;
        if (d->n == 0 && i + 1 < call_argc(c) && call_arg_is(c, i, "ids")) {
            if (!ids_block(d, &i)) return false;
            continue;
        }
        reply_syntax(c);
        return false;
    }
    if (d->n > 0) return true;
    reply_syntax(c);
    return false;
}

/* ---- the plan ----------------------------------------------------------------------------------- */

/* Is there a group that has not read it, or has it pending? After XACKDEL its own has not. */
static int needed(const struct deletion *d, const struct value *v, stream_id id, stream_id least, bool *yes) {
    *yes = stream_id_cmp(id, least) > 0;
    return *yes ? OK : stream_pending_any(v, id, d->ack ? d->g.number : 0, yes);
}

static int plan_one(struct deletion *d, const struct value *v, const uint8_t *raw, stream_id least,
                    int8_t *outcome) {
    stream_id id = stream_id_read(raw);
    struct stream_entry e;
    struct stream_pending p;
    bool keep = false, any = false;
    *outcome = NOT_THERE;
    int rc = d->ack ? stream_pending_get(v, &d->g, id, &p) : OK;
    if (rc == ERR_NOTFOUND) return OK;
    if (rc == OK) rc = stream_find(v, &d->finder, id, &e);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    bool there = rc == OK;
    rc = OK;
    if (d->refs == REFS_DROP) rc = stream_pending_any(v, id, 0, &any);
    if (rc == OK && d->refs == REFS_ACKED) rc = needed(d, v, id, least, &keep);
    if (rc != OK) return rc;
    if (any) buf_append(&d->unrefs, raw, STREAM_ID_BYTES);
    else if (d->ack) buf_append(&d->acks, raw, STREAM_ID_BYTES);
    if (there && !keep) buf_append(&d->gone, raw, STREAM_ID_BYTES);
    /* As in Redis, what is needed is told so even if the entry itself has gone. */
    if (keep) *outcome = STILL_NEEDED;
    else if (d->ack || there) *outcome = DELETED;
    return OK;
}

static int plan(struct deletion *d, const struct value *v) {
    stream_id least = STREAM_ID_MAX;
    int cold = OK, rc = d->refs == REFS_ACKED ? stream_groups_least(v, &least) : OK;
    for (size_t i = 0; i < d->ids.n && (rc == OK || rc == ERR_COLD); i += STREAM_ID_BYTES) {
        int8_t outcome;
        if (rc == ERR_COLD) cold = rc;
        rc = plan_one(d, v, d->ids.p + i, least, &outcome);
        buf_append(&d->outcomes, &outcome, 1);
    }
    return rc == OK ? cold : rc;
}

static int carry_out(struct deletion *d, const struct value *v) {
    call *c = d->c;
    slice key = call_arg(c, 1), acks[2] = {call_arg(c, 2), slice_of(&d->acks)};
    slice unrefs = slice_of(&d->unrefs), gone = slice_of(&d->gone);
    int rc = acks[1].n > 0 ? stream_need(v, STREAM_ACK, acks, 2) : OK;
    if (rc == OK && unrefs.n > 0) rc = stream_need(v, STREAM_UNREF, &unrefs, 1);
    if (rc == OK && gone.n > 0) rc = stream_need(v, STREAM_DELETE, &gone, 1);
    if (rc == OK && acks[1].n > 0) rc = call_value(c, TYPE_STREAM, STREAM_ACK, key, acks, 2);
    if (rc == OK && unrefs.n > 0) rc = call_value(c, TYPE_STREAM, STREAM_UNREF, key, &unrefs, 1);
    if (rc == OK && gone.n > 0) rc = call_value(c, TYPE_STREAM, STREAM_DELETE, key, &gone, 1);
    if (rc == OK && gone.n > 0) call_notify(c, 't', "xdel", key);
    return rc;
}

/* ---- the commands ------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, STREAM_ID_BYTES); }

/* In the order of the arguments. A deleted entry is not there a second time, nor is an acknowledged one. */
static int answer(struct deletion *d, size_t from, size_t n) {
    for (size_t i = from; i < from + n; i++) {
        uint8_t raw[STREAM_ID_BYTES];
        stream_id id;
        if (!stream_parse_id(NULL, call_arg(d->c, d->first + i), 0, &id)) return ERR_CORRUPT;
        stream_id_put(raw, id);
        const uint8_t *at = bsearch(raw, d->ids.p, d->ids.n / STREAM_ID_BYTES, STREAM_ID_BYTES, by_bytes);
        int8_t *outcome = (int8_t *)d->outcomes.p + (size_t)(at - d->ids.p) / STREAM_ID_BYTES;
        reply_int(d->c, *outcome);
        if (d->ack || *outcome == DELETED) *outcome = NOT_THERE;
    }
    return OK;
}

static int answer_nothing(const struct deletion *d) {
    reply_array(d->c, d->n);
    for (size_t i = 0; i < d->n; i++) reply_int(d->c, NOT_THERE);
    return OK;
}

/* ---- very many ids, in steps --------------------------------------------------------------------- */

#define DELETE_STEPS_FROM 256 /* ids; a millisecond */
#define PLANNED_IN_A_STEP 64
#define ANSWERED_IN_A_STEP 1024

struct long_deletion {
    struct stream_job job;
    struct deletion d; /* its acks, unrefs and gone are the job's, but for a step */
    size_t at, answered;
};

/* As plan(), of some ids: they rise. */
static int plan_part(struct long_deletion *l, struct deletion *d, const struct value *v) {
    size_t planned = d->outcomes.n, some = 0;
    stream_id least = STREAM_ID_MAX;
    int cold = OK, rc = d->refs == REFS_ACKED ? stream_groups_least(v, &least) : OK;
    for (; some < PLANNED_IN_A_STEP && l->at + some * STREAM_ID_BYTES < d->ids.n && (rc == OK || rc == ERR_COLD); some++) {
        int8_t outcome;
        if (rc == ERR_COLD) cold = rc;
        rc = plan_one(d, v, d->ids.p + l->at + some * STREAM_ID_BYTES, least, &outcome);
        buf_append(&d->outcomes, &outcome, 1);
    }
    if (rc == OK) rc = cold;
    if (rc == OK) l->at += some * STREAM_ID_BYTES;
    else d->outcomes.n = planned;
    return rc;
}

static int delete_gather(call *c, struct stream_job *j, const struct value *v, bool *all) {
    struct long_deletion *l = (struct long_deletion *)j;
    struct deletion *d = &l->d;
    int rc = d->ack ? stream_group_get(v, call_arg(c, 2), &d->g) : OK;
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_PRECOND : rc;
    d->c = c;
    d->finder = (struct stream_finder){.open = false};
    if (l->at < d->ids.n) {
        d->acks = j->d.gone;
        d->unrefs = j->unrefs;
        d->gone = j->ids;
        rc = plan_part(l, d, v);
        j->d.gone = d->acks; /* They may lie elsewhere now. */
        j->unrefs = d->unrefs;
        j->ids = d->gone;
        return rc;
    }
    size_t left = d->n - l->answered, some = left < ANSWERED_IN_A_STEP ? left : ANSWERED_IN_A_STEP;
    rc = answer(d, l->answered, some);
    l->answered += some;
    *all = l->answered == d->n;
    return rc;
}

static void delete_head(call *c, struct stream_job *j) { reply_array(c, ((struct long_deletion *)j)->d.n); }

static void delete_restart(struct stream_job *j) {
    struct long_deletion *l = (struct long_deletion *)j;
    l->at = l->answered = l->d.outcomes.n = 0;
}

static void delete_free(struct stream_job *j) {
    struct long_deletion *l = (struct long_deletion *)j;
    buf_free(&l->d.ids);
    buf_free(&l->d.outcomes);
    mem_free(j);
}

/* Takes its ids. */
static int delete_in_steps(struct deletion *d) {
    struct long_deletion *l = mem_calloc(1, sizeof(*l));
    l->job = (struct stream_job){.gather = delete_gather, .head = delete_head, .restart = delete_restart,
                                 .free = delete_free, .key = call_argv(d->c) + 1};
    if (d->ack) l->job.d.group = call_arg(d->c, 2);
    l->d = *d;
    d->ids = BUF_INIT;
    return stream_in_steps(d->c, &l->job);
}

static int delete(struct deletion *d) {
    struct entry e;
    if (!parse_options(d, d->ack ? 3 : 2) || !stream_parse_ids(d->c, d->first, d->n, &d->ids)) return OK;
    int rc = call_write_type(d->c, call_arg(d->c, 1), TYPE_STREAM, &e);
    if (rc == OK && d->ack) rc = stream_group_get(&e.value, call_arg(d->c, 2), &d->g);
    if (rc == ERR_NOTFOUND) return answer_nothing(d);
    if (rc != OK) return rc;
    stream_sort_ids(&d->ids);
    if (d->n >= DELETE_STEPS_FROM && call_may_step(d->c)) return delete_in_steps(d);
    rc = plan(d, &e.value);
    if (rc == OK) rc = carry_out(d, &e.value);
    if (rc != OK) return rc;
    reply_array(d->c, d->n);
    return answer(d, 0, d->n);
}

static int run(call *c, bool ack) {
    struct deletion d = {.c = c, .ack = ack};
    int rc = delete(&d);
    buf_free(&d.ids);
    buf_free(&d.outcomes);
    buf_free(&d.acks);
    buf_free(&d.unrefs);
    buf_free(&d.gone);
    return rc;
}

static int cmd_xdelex(call *c) { return run(c, false); }
static int cmd_xackdel(call *c) { return run(c, true); }

#define G .group = GROUP_STREAM
static const struct command rows[] = {
    {.name = "xdelex", .fn = cmd_xdelex, .arity = -5, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "8.2.0",
     .summary = "Deletes entries from a stream, and says of each what became of it: groups' references to it "
                "are kept, dropped, or keep it.",
     .complexity = "O(1) for each single item to delete in the stream, regardless of the stream size."},
    {.name = "xackdel", .fn = cmd_xackdel, .arity = -6, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE | KEY_DELETE), .since = "8.2.0",
     .summary = "Acknowledges messages for a consumer group, and deletes their entries from the stream as "
                "XDELEX does.",
     .complexity = "O(1) for each entry ID processed."},
};
const struct command_family family_stream_refs = {rows, sizeof(rows) / sizeof(*rows)};
