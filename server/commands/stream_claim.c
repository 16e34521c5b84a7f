/* stream_claim.c -- XCLAIM and XAUTOCLAIM: pending entries become another consumer's. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/stream_commands.h"

struct claiming {
    call *c;
    struct entry e;
    struct stream_group g;
    int64_t min_idle, retry, time, now;
    bool force, just_id;
    stream_id last;
    size_t ids_end; /* the argument after the last id */
    size_t n;       /* claimed */
    struct stream_delivery d;
    struct stream_finder finder;
};

static int find_group(struct claiming *k, bool *replied) {
    call *c = k->c;
    slice key = call_arg(c, 1), group = call_arg(c, 2);
    *replied = true;
    int rc = call_read_type(c, key, TYPE_STREAM, &k->e);
    if (rc == OK) rc = stream_group_get(&k->e.value, group, &k->g);
    if (rc == ERR_NOTFOUND)
        return reply_errorf(c, "NOGROUP No such key '%.*s' or consumer group '%.*s'", (int)key.n,
                            (const char *)key.p, (int)group.n, (const char *)group.p);
    *replied = false;
    return rc;
}

static void note_gone(struct claiming *k, stream_id id) {
    uint8_t raw[STREAM_ID_BYTES];
    stream_id_put(raw, id);
    buf_append(&k->d.gone, raw, sizeof(raw));
}

static int write_claimed(struct claiming *k, stream_id id, struct stream_entry *e) {
    k->n++;
    return k->just_id ? stream_reply_id(k->c, id) : stream_reply_entry(k->c, e);
}

static void start_delivery(struct claiming *k) {
    k->d.key = call_arg(k->c, 1);
    k->d.group = call_arg(k->c, 2);
    k->d.consumer = call_arg(k->c, 3);
}

/* Who claims nothing is not seen, and not made. */
static int apply(struct claiming *k) {
    struct stream_consumer was;
    const struct value *v = &k->e.value;
    slice gone[2] = {k->d.group, slice_of(&k->d.gone)};
    int rc = OK;
    if (k->d.records.n > 0) {
        rc = stream_delivery_init(k->c, v, &k->g, &k->d, true, &was);
        if (rc == OK && gone[1].n > 0) rc = stream_delivery_need(v, &k->d);
        return rc == OK ? stream_delivery_apply(k->c, &k->d) : rc;
    }
    if (k->d.moved) {
        slice args[3] = {k->d.group, slice_make(k->d.cursor, STREAM_ID_BYTES),
                         slice_make(k->d.cursor + STREAM_ID_BYTES, 8)};
        rc = gone[1].n > 0 ? stream_need(v, STREAM_ACK, gone, 2) : OK;
        if (rc == OK) rc = call_value(k->c, TYPE_STREAM, STREAM_GROUP_SET, k->d.key, args, 3);
    }
    if (rc == OK && gone[1].n > 0) rc = call_value(k->c, TYPE_STREAM, STREAM_ACK, k->d.key, gone, 2);
    return rc;
}

/* ---- XCLAIM ------------------------------------------------------------------------------------- */

static bool claim_options(struct claiming *k) {
    call *c = k->c;
    for (size_t i = k->ids_end; i < call_argc(c); i++) {
        bool more = i + 1 < call_argc(c);
        if (call_arg_is(c, i, "force")) {
            k->force = true;
        } else if (call_arg_is(c, i, "justid")) {
            k->just_id = true;
        } else if (more && call_arg_is(c, i, "idle")) {
            if (!call_int_in(c, ++i, INT64_MIN, INT64_MAX, &k->time,
                             "ERR Invalid IDLE option argument for XCLAIM")) return false;
            k->time = (int64_t)((uint64_t)k->now - (uint64_t)k->time); /* Wraps; nonsense is mended below. */
        } else if (more && call_arg_is(c, i, "time")) {
            if (!call_int_in(c, ++i, INT64_MIN, INT64_MAX, &k->time,
                             "ERR Invalid TIME option argument for XCLAIM")) return false;
        } else if (more && call_arg_is(c, i, "retrycount")) {
            if (!call_int_in(c, ++i, INT64_MIN, INT64_MAX, &k->retry,
                             "ERR Invalid RETRYCOUNT option argument for XCLAIM")) return false;
        } else if (more && call_arg_is(c, i, "lastid")) {
            if (!stream_parse_id(c, call_arg(c, ++i), 0, &k->last)) return false;
        } else {
            slice word = call_arg(c, i);
            reply_errorf(c, "ERR Unrecognized XCLAIM option '%.*s'", (int)word.n, (const char *)word.p);
            return false;
        }
    }
    if (k->time < 0 || k->time > k->now) k->time = k->now;
    return true;
}

/* An id of the command, once however often it is told. */
struct claim {
    uint8_t id[STREAM_ID_BYTES];
    bool known, pending, gone, claimed;
    struct stream_pending p;
};

static int by_id(const void *a, const void *b) {
    return memcmp(((const struct claim *)a)->id, ((const struct claim *)b)->id, STREAM_ID_BYTES);
}

static int claim_one(struct claiming *k, struct claim *one) {
    struct stream_entry e;
    stream_id id = stream_id_read(one->id);
    const struct value *v = &k->e.value;
    if (!one->known) {
        int rc = stream_pending_get(v, &k->g, id, &one->p);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        one->known = true;
        one->pending = rc == OK;
    }
    int rc = stream_find(v, &k->finder, id, &e);
    if (rc == ERR_NOTFOUND) {
        one->gone = one->pending;
        return OK;
    }
    if (rc != OK) return rc;
    if (!one->pending && !k->force) return OK;
    if (one->pending && k->min_idle != 0 && k->now - (int64_t)one->p.time < k->min_idle) return OK;
    /* As in Redis: what FORCE makes pending counts one delivery before this one. */
    if (!one->pending) one->p.count = 1;
    one->pending = one->claimed = true;
    one->p.time = (uint64_t)k->time;
    if (k->retry >= 0) one->p.count = (uint64_t)k->retry;
    else if (!k->just_id) one->p.count++;
    return write_claimed(k, id, &e);
}

static int claim_all(struct claiming *k, struct claim *claims, size_t n) {
    size_t mark = reply_deferred(k->c);
    for (size_t i = 5; i < k->ids_end; i++) {
        struct claim key;
        stream_id id;
        if (!stream_parse_id(NULL, call_arg(k->c, i), 0, &id)) return ERR_CORRUPT;
        stream_id_put(key.id, id);
        struct claim *one = bsearch(&key, claims, n, sizeof(*claims), by_id);
        assert(one != NULL);
        int rc = claim_one(k, one);
        if (rc != OK) return rc;
    }
    for (size_t i = 0; i < n; i++) {
        stream_id id = stream_id_read(claims[i].id);
        if (claims[i].gone) note_gone(k, id);
        if (claims[i].claimed) stream_delivery_add(&k->d, id, claims[i].p.time, claims[i].p.count);
    }
    if (stream_id_cmp(k->last, k->g.last) > 0) stream_delivery_cursor(&k->d, k->last, k->g.read);
    int rc = apply(k);
    if (rc == OK) reply_deferred_array(k->c, mark, k->n);
    return rc;
}

/* ---- very many ids, in steps --------------------------------------------------------------------- */

#define CLAIM_STEPS_FROM 512 /* ids; a millisecond */
#define CLAIMED_IN_A_STEP 128
#define NOTED_IN_A_STEP 2048

struct long_claim {
    struct stream_job job;
    struct claiming k;
    struct claim *claims, *changed[CLAIMED_IN_A_STEP], were[CLAIMED_IN_A_STEP]; /* by this step */
    size_t n, at, noted; /* at: the next argument; noted: claims that are noted in d, once all ids have been looked at */
    bool begun;
};

static int claim_part(struct long_claim *l, struct claiming *k) {
    size_t some = 0;
    int rc = OK;
    for (; l->at + some < k->ids_end && some < CLAIMED_IN_A_STEP && rc == OK; some++) {
        struct claim key;
        stream_id id;
        if (!stream_parse_id(NULL, call_arg(k->c, l->at + some), 0, &id)) return ERR_CORRUPT;
        stream_id_put(key.id, id);
        struct claim *one = bsearch(&key, l->claims, l->n, sizeof(key), by_id);
        assert(one != NULL);
        l->changed[some] = one;
        l->were[some] = *one;
        rc = claim_one(k, one);
    }
    if (rc == OK) l->at += some;
    else while (some-- > 0) *l->changed[some] = l->were[some]; /* One may have changed twice. */
    return rc;
}

static void note_part(struct long_claim *l) {
    struct stream_job *j = &l->job;
    for (size_t some = 0; some < NOTED_IN_A_STEP && l->noted < l->n; some++) {
        const struct claim *one = &l->claims[l->noted++];
        if (one->gone) buf_append(&j->d.gone, one->id, STREAM_ID_BYTES);
        if (one->claimed) stream_delivery_add(&j->d, stream_id_read(one->id), one->p.time, one->p.count);
    }
    j->pend = j->d.records.n > 0;
}

static int claim_gather(call *c, struct stream_job *j, const struct value *v, bool *all) {
    struct long_claim *l = (struct long_claim *)j;
    struct stream_consumer was;
    struct claiming k = l->k;
    k.c = c;
    k.e.value = *v;
    int rc = stream_group_get(v, call_arg(c, 2), &k.g);
    if (rc == ERR_NOTFOUND) return ERR_PRECOND;
    if (rc == OK && !l->begun) rc = stream_delivery_init(c, v, &k.g, &j->d, true, &was);
    if (rc == OK && l->at < k.ids_end) rc = claim_part(l, &k);
    else if (rc == OK) note_part(l);
    if (rc != OK) return rc;
    l->begun = true;
    j->n += k.n;
    *all = l->at == k.ids_end && l->noted == l->n;
    return OK;
}

static void claim_head(call *c, struct stream_job *j) { reply_array(c, j->n); }

static void claim_free(struct stream_job *j) {
    mem_free(((struct long_claim *)j)->claims);
    mem_free(j);
}

static void claim_restart(struct stream_job *j) {
    struct long_claim *l = (struct long_claim *)j;
    l->at = 5;
    l->noted = 0;
    l->begun = j->pend = false;
    for (size_t i = 0; i < l->n; i++) l->claims[i].known = l->claims[i].pending = l->claims[i].gone = l->claims[i].claimed = false;
}

/* Takes the claims. */
static int claim_in_steps(struct claiming *k, struct claim *claims, size_t n) {
    struct long_claim *l = mem_calloc(1, sizeof(*l));
    l->job = (struct stream_job){.gather = claim_gather, .head = claim_head, .restart = claim_restart, .free = claim_free,
                                 .key = call_argv(k->c) + 1, .d = k->d};
    l->k = *k;
    l->claims = claims;
    l->n = n;
    claim_restart(&l->job);
    return stream_in_steps(k->c, &l->job);
}

static int claim(struct claiming *k, buf *ids) {
    call *c = k->c;
    bool replied;
    int rc = find_group(k, &replied);
    if (rc != OK || replied) return rc;
    if (!call_int_in(c, 4, INT64_MIN, INT64_MAX, &k->min_idle,
                     "ERR Invalid min-idle-time argument for XCLAIM")) return OK;
    if (k->min_idle < 0) k->min_idle = 0;
    for (k->ids_end = 5; k->ids_end < call_argc(c); k->ids_end++) {
        uint8_t raw[STREAM_ID_BYTES];
        stream_id id;
        if (!stream_parse_id(NULL, call_arg(c, k->ids_end), 0, &id)) break;
        stream_id_put(raw, id);
        buf_append(ids, raw, sizeof(raw));
    }
    if (!claim_options(k) || !stream_name_ok(c, call_arg(c, 3))) return OK;
    start_delivery(k);
    stream_sort_ids(ids);
    size_t n = ids->n / STREAM_ID_BYTES;
    struct claim *claims = mem_calloc(n + 1, sizeof(*claims));
    for (size_t i = 0; i < n; i++) memcpy(claims[i].id, ids->p + i * STREAM_ID_BYTES, STREAM_ID_BYTES);
    bool moves = stream_id_cmp(k->last, STREAM_ID_MIN) > 0;
    if (k->ids_end - 5 >= CLAIM_STEPS_FROM && !moves && call_may_step(c)) return claim_in_steps(k, claims, n);
    rc = claim_all(k, claims, n);
    mem_free(claims);
    return rc;
}

static int cmd_xclaim(call *c) {
    struct claiming k = {.c = c, .retry = -1, .time = -1, .now = call_now_ms(c)};
    buf ids = BUF_INIT;
    int rc = claim(&k, &ids);
    buf_free(&ids);
    stream_delivery_free(&k.d);
    return rc;
}

/* ---- XAUTOCLAIM --------------------------------------------------------------------------------- */

#define ATTEMPTS 10 /* entries looked at, for each that may be claimed */
#define CLAIMS_END 1
#define CLAIMS_PART 2

struct sweep {
    struct claiming *k;
    int64_t count, attempts;
    uint64_t part;  /* entries that may be looked at before CLAIMS_PART, at `next` */
    stream_id next; /* where the next call goes on */
};

static int sweep_one(void *cookie, const struct stream_pending *p) {
    struct sweep *s = cookie;
    struct claiming *k = s->k;
    struct stream_entry e;
    if (s->attempts == 0 || s->count == 0) {
        s->next = p->id;
        return CLAIMS_END;
    }
    if (s->part-- == 0) {
        s->next = p->id;
        return CLAIMS_PART;
    }
    s->attempts--;
    int rc = stream_find(&k->e.value, &k->finder, p->id, &e);
    if (rc == ERR_NOTFOUND) {
        note_gone(k, p->id);
        s->count--;
        return OK;
    }
    if (rc != OK) return rc;
    if (k->min_idle != 0 && k->now - (int64_t)p->time < k->min_idle) return OK;
    s->count--;
    stream_delivery_add(&k->d, p->id, (uint64_t)k->now, p->count + !k->just_id);
    return write_claimed(k, p->id, &e);
}

/* ---- the same in steps --------------------------------------------------------------------------- */

#define SWEPT_IN_A_STEP 1024

struct long_sweep {
    struct stream_job job;
    struct claiming k;
    struct sweep s;
    stream_id from;
    int64_t count;
    bool begun;
};

static int sweep_gather(call *c, struct stream_job *j, const struct value *v, bool *all) {
    struct long_sweep *l = (struct long_sweep *)j;
    struct stream_consumer was;
    struct claiming k = l->k;
    struct sweep s = l->s;
    k.c = c;
    k.e.value = *v;
    k.n = 0;
    s.k = &k;
    s.part = SWEPT_IN_A_STEP;
    s.next = STREAM_ID_MIN;
    int rc = stream_group_get(v, call_arg(c, 2), &k.g);
    if (rc == ERR_NOTFOUND) return ERR_PRECOND;
    if (rc == OK && !l->begun) {
        k.now = call_now_ms(c);
        rc = stream_delivery_init(c, v, &k.g, &j->d, true, &was);
    }
    if (rc != OK) return rc;
    k.d = j->d;
    rc = stream_pending_each(v, &k.g, NULL, l->s.next, sweep_one, &s);
    j->d = k.d; /* Its buffers may have grown. */
    if (rc != OK && rc != CLAIMS_END && rc != CLAIMS_PART) return rc;
    *all = rc != CLAIMS_PART;
    l->s = s;
    l->k.now = k.now;
    l->begun = true;
    j->n += k.n;
    j->pend = j->d.records.n > 0;
    return OK;
}

static void sweep_head(call *c, struct stream_job *j) {
    reply_array(c, 3);
    stream_reply_id(c, ((struct long_sweep *)j)->s.next);
    reply_array(c, j->n);
}

static void reply_gone(call *c, slice gone) {
    reply_array(c, gone.n / STREAM_ID_BYTES);
    for (size_t i = 0; i < gone.n; i += STREAM_ID_BYTES) stream_reply_id(c, stream_id_read(gone.p + i));
}

static void sweep_tail(call *c, struct stream_job *j) { reply_gone(c, slice_of(&j->d.gone)); }
static void sweep_free(struct stream_job *j) { mem_free(j); }
static void sweep_restart(struct stream_job *j) {
    struct long_sweep *l = (struct long_sweep *)j;
    l->s = (struct sweep){.count = l->count, .attempts = l->count * ATTEMPTS, .next = l->from};
    l->begun = j->pend = false;
}

static int sweep_in_steps(struct claiming *k, stream_id from, int64_t count) {
    struct long_sweep *l = mem_calloc(1, sizeof(*l));
    l->job = (struct stream_job){.gather = sweep_gather, .head = sweep_head, .tail = sweep_tail,
                                 .restart = sweep_restart, .free = sweep_free, .key = call_argv(k->c) + 1,
                                 .d = k->d};
    l->k = *k;
    l->from = from;
    l->count = count;
    sweep_restart(&l->job);
    return stream_in_steps(k->c, &l->job);
}

static int auto_claim(struct claiming *k, stream_id from, int64_t count) {
    call *c = k->c;
    if (k->g.pending >= STREAM_STEPS_FROM && count >= STREAM_STEPS_FROM / ATTEMPTS && call_may_step(c))
        return sweep_in_steps(k, from, count);
    struct sweep s = {.k = k, .count = count, .attempts = count * ATTEMPTS, .part = UINT64_MAX};
    buf entries = BUF_INIT, *out = call_out(c);
    size_t mark = out->n;
    size_t array = reply_deferred(c);
    int rc = stream_pending_each(&k->e.value, &k->g, NULL, from, sweep_one, &s);
    if (rc == OK || rc == CLAIMS_END) rc = apply(k);
    if (rc != OK) return rc;
    /* The cursor comes before the entries, and is known after them. */
    reply_deferred_array(c, array, k->n);
    buf_append(&entries, out->p + mark, out->n - mark);
    out->n = mark;
    reply_array(c, 3);
    stream_reply_id(c, s.next);
    buf_append_slice(out, slice_of(&entries));
    buf_free(&entries);
    reply_gone(c, slice_of(&k->d.gone));
    return OK;
}

static int parse_auto_claim(struct claiming *k) {
    call *c = k->c;
    stream_id from;
    int64_t count = 100;
    bool replied;
    if (!call_int_in(c, 4, INT64_MIN, INT64_MAX, &k->min_idle,
                     "ERR Invalid min-idle-time argument for XAUTOCLAIM")) return OK;
    if (k->min_idle < 0) k->min_idle = 0;
    if (!stream_parse_from(c, call_arg(c, 5), &from)) return OK;
    for (size_t i = 6; i < call_argc(c); i++) {
        if (i + 1 < call_argc(c) && call_arg_is(c, i, "count")) {
            if (!call_int_in(c, ++i, 1, INT64_MAX / STREAM_ID_BYTES, &count, "ERR COUNT must be > 0")) return OK;
        } else if (call_arg_is(c, i, "justid")) {
            k->just_id = true;
        } else {
            return reply_syntax(c);
        }
    }
    int rc = find_group(k, &replied);
    if (rc != OK || replied) return rc;
    if (!stream_name_ok(c, call_arg(c, 3))) return OK;
    start_delivery(k);
    return auto_claim(k, from, count);
}

static int cmd_xautoclaim(call *c) {
    struct claiming k = {.c = c, .now = call_now_ms(c)};
    int rc = parse_auto_claim(&k);
    stream_delivery_free(&k.d);
    return rc;
}

static const char *const history[] = {
    "7.0.0", "Added an element to the reply array, containing deleted entries the command cleared from the PEL",
    NULL};
static const struct command rows[] = {
    {.name = "xclaim", .fn = cmd_xclaim, .arity = -6, .flags = CMD_WRITE | CMD_FAST, .group = GROUP_STREAM,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = "5.0.0", .tips = "nondeterministic_output",
     .summary = "Changes (or acquires) ownership of a message in a consumer group, as if the message was "
                "delivered to the specified consumer.",
     .complexity = "O(log N) with N being the number of messages in the PEL of the consumer group."},
    {.name = "xautoclaim", .fn = cmd_xautoclaim, .arity = -6, .flags = CMD_WRITE | CMD_FAST,
     .group = GROUP_STREAM, .keys = ONE_KEY(KEY_RW | KEY_DELETE), .since = "6.2.0",
     .tips = "nondeterministic_output", .history = history,
     .summary = "Changes (or acquires) ownership of messages in a consumer group, as if the messages were "
                "delivered to the specified consumer.",
     .complexity = "O(1) if COUNT is small."},
};
const struct command_family family_stream_claim = {rows, sizeof(rows) / sizeof(*rows)};
