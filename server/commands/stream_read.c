/* stream_read.c -- XREAD and XREADGROUP, which may wait.
 *
 * All that is answered is read, and all deliveries are gathered, before the first effect. A client
 * that waits keeps the ids that "$" stood for; when it is run again, the key that has changed alone
 * counts. */
#include <assert.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/stream_commands.h"

#define BLOCKED_COUNT 1000 /* entries for a client that has waited, unless it said how many */

struct reading {
    bool grouped, noack, blocking;
    int64_t timeout_ms, count;
    slice group, consumer;
    const slice *keys, *ids;
    size_t n, limit; /* limit: bytes of the output at which it is TOO_MANY */
};

struct target { /* one stream of the command */
    stream_id after;
    bool history, newest; /* an id of XREADGROUP; ">" */
    bool served;
    stream_id last; /* the group's then, and */
    int64_t read;
    struct stream_delivery delivery;
};

struct waiting { /* what outlives the wait: the ids, as they were told or stood for */
    size_t n;
    stream_id ids[];
};

/* ---- arguments ---------------------------------------------------------------------------------- */

static bool only_group(call *c, bool grouped, const char *option) {
    if (grouped) return true;
    reply_errorf(c, "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.", option);
    return false;
}

static bool parse_options(call *c, struct reading *r) {
    size_t i = 1, argc = call_argc(c);
    for (; i < argc; i++) {
        size_t more = argc - 1 - i;
        if (call_arg_is(c, i, "block") && more > 0) {
            if (!call_int_in(c, ++i, INT64_MIN, INT64_MAX, &r->timeout_ms,
                             "ERR timeout is not an integer or out of range")) return false;
            r->blocking = true;
            if (r->timeout_ms >= 0) continue;
            reply_error(c, "ERR timeout is negative");
            return false;
        } else if (call_arg_is(c, i, "count") && more > 0) {
            if (!call_int(c, ++i, &r->count)) return false;
            if (r->count < 0) r->count = 0;
        } else if (call_arg_is(c, i, "streams") && more > 0) {
            break;
        } else if (call_arg_is(c, i, "group") && more >= 2) {
            if (!only_group(c, r->grouped, "GROUP")) return false;
            r->group = call_arg(c, i + 1);
            r->consumer = call_arg(c, i + 2);
            i += 2;
        } else if (call_arg_is(c, i, "noack")) {
            if (!only_group(c, r->grouped, "NOACK")) return false;
            r->noack = true;
        } else {
            reply_syntax(c);
            return false;
        }
    }
    if (i >= argc) {
        reply_syntax(c);
        return false;
    }
    r->n = (argc - i - 1) / 2;
    r->keys = call_argv(c) + i + 1;
    r->ids = r->keys + r->n;
    if ((argc - i - 1) % 2 == 0) return true;
    reply_error(c, "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
    return false;
}

static bool parse_reading(call *c, struct reading *r) {
    if (!parse_options(c, r)) return false;
    if (!r->grouped) return true;
    if (r->group.p == NULL) {
        reply_error(c, "ERR Missing GROUP option for XREADGROUP");
        return false;
    }
    return stream_name_ok(c, r->consumer);
}

static int no_group(call *c, slice key, slice group) {
    return reply_errorf(c, "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP option",
                        (int)key.n, (const char *)key.p, (int)group.n, (const char *)group.p);
}

/* OK: *t is there, or an error was replied (*replied). */
static int parse_target(call *c, const struct reading *r, size_t i, struct target *t, bool *replied) {
    struct entry e;
    struct stream_group g;
    slice id = r->ids[i];
    *replied = true;
    int rc = call_read_type(c, r->keys[i], TYPE_STREAM, &e);
    bool there = rc == OK;
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (r->grouped) {
        rc = there ? stream_group_get(&e.value, r->group, &g) : ERR_NOTFOUND;
        if (rc == ERR_NOTFOUND) return no_group(c, r->keys[i], r->group);
        if (rc != OK) return rc;
    }
    bool dollar = slice_eq(id, SLICE("$"));
    t->newest = slice_eq(id, SLICE(">"));
    if (dollar && r->grouped)
        return reply_error(c, "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the "
                              "history of this consumer by specifying a proper ID, or use the > ID to get new "
                              "messages. The $ ID would just return an empty result set.");
    if (t->newest && !r->grouped)
        return reply_error(c, "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
                              "<group> <consumer> option.");
    t->history = r->grouped && !t->newest;
    if (dollar) t->after = there ? stream_head(&e.value).last : STREAM_ID_MIN;
    else if (!t->newest && !stream_parse_id(c, id, 0, &t->after)) return OK;
    *replied = false;
    return OK;
}

/* ---- one stream --------------------------------------------------------------------------------- */

#define TOO_MANY 2 /* XREAD: for one turn */

struct serving {
    call *c;
    const struct value *v;
    const struct reading *r;
    struct stream_group g;
    struct target *t;
    struct stream_delivery *d;
    struct stream_finder finder;
    uint64_t now, left; /* left: entries still wanted */
    stream_id at;       /* the last one */
    size_t n;
};

/* A new entry: the group has come to it, and it is pending from now on. */
static int deliver(void *cookie, struct stream_entry *e) {
    struct serving *s = cookie;
    struct stream_group *g = &s->g;
    if (s->r->grouped && stream_id_cmp(e->id, g->last) > 0) {
        bool unsure = g->read == STREAM_READ_UNKNOWN;
        int rc = unsure ? OK : stream_deleted_after(s->v, e->id, &unsure);
        if (rc == OK && !unsure) g->read++;
        else if (rc == OK && stream_head(s->v).added > 0) rc = stream_read_at(s->v, e->id, &g->read);
        if (rc != OK) return rc;
        g->last = e->id;
        stream_delivery_cursor(s->d, g->last, g->read);
    }
    if (s->r->grouped && !s->r->noack) stream_delivery_add(s->d, e->id, s->now, 1);
    s->n++;
    s->at = e->id;
    int rc = stream_reply_entry(s->c, e);
    return rc != OK ? rc : call_out(s->c)->n >= s->r->limit ? TOO_MANY : OK;
}

#define HISTORY_ENDS 1

/* What is pending for the consumer already. */
static int deliver_again(void *cookie, const struct stream_pending *p) {
    struct serving *s = cookie;
    struct stream_entry e;
    if (s->left == 0) return HISTORY_ENDS;
    s->left--;
    s->n++;
    s->at = p->id;
    int rc = stream_find(s->v, &s->finder, p->id, &e);
    if (rc == ERR_NOTFOUND) {
        reply_array(s->c, 2);
        stream_reply_id(s->c, p->id);
        return reply_null_array(s->c);
    }
    if (rc != OK) return rc;
    stream_delivery_add(s->d, p->id, s->now, p->count + 1);
    return stream_reply_entry(s->c, &e);
}

static int serve_entries(struct serving *s, const struct stream_consumer *consumer, bool known) {
    size_t mark = reply_deferred(s->c);
    stream_id from = s->t->after;
    uint64_t count = (uint64_t)s->r->count;
    bool any = stream_id_up(&from);
    int rc = OK;
    s->left = count == 0 ? UINT64_MAX : count;
    if (!any) from = STREAM_ID_MIN; /* As in Redis, the greatest id is followed by the least. */
    bool bounded = s->r->limit != SIZE_MAX && s->left > READ_STEPS_FROM;
    if (bounded) count = READ_STEPS_FROM;
    if (!s->t->history) rc = stream_each(s->v, from, STREAM_ID_MAX, count, false, deliver, s);
    else if (known) rc = stream_pending_each(s->v, &s->g, consumer, from, deliver_again, s);
    if (rc == HISTORY_ENDS) rc = OK;
    if (rc == OK && bounded && s->n == READ_STEPS_FROM) rc = TOO_MANY;
    if (rc == OK) reply_deferred_array(s->c, mark, s->n);
    return rc;
}

static int serve_stream(struct serving *s, slice key) {
    struct stream_consumer consumer = {0};
    struct stream_delivery *d = s->d = &s->t->delivery;
    *d = (struct stream_delivery){.key = key, .group = s->r->group, .consumer = s->r->consumer};
    int rc = OK;
    if (s->r->grouped) rc = stream_delivery_init(s->c, s->v, &s->g, d, true, &consumer);
    if (rc != OK) return rc;
    s->t->served = true;
    if (call_proto(s->c) == 2) reply_array(s->c, 2);
    reply_bulk(s->c, key);
    rc = serve_entries(s, &consumer, !d->fresh);
    if (rc == OK && s->r->grouped && s->r->n > 1) rc = stream_delivery_need(s->v, d);
    return rc;
}

/* Is there something for the client? again: it has waited for this key. */
static int wants(struct serving *s, bool again, bool *serve) {
    struct stream_head h = stream_head(s->v);
    stream_id top = h.last;
    if (s->t->newest) s->t->after = s->g.last;
    *serve = s->t->history;
    if (s->t->history || (h.length == 0 && !again)) return OK;
    int rc = again ? OK : stream_last(s->v, &top);
    if (rc == OK) *serve = stream_id_cmp(top, s->t->after) > 0;
    return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

/* A stream that is named twice goes on from where the first of them has brought the group. What is
 * pending is for both what it was before the command. */
static void go_on(struct serving *s, const struct target *all, size_t i) {
    for (size_t k = i; k-- > 0;) {
        if (!all[k].served || !slice_eq(s->r->keys[k], s->r->keys[i])) continue;
        s->g.last = all[k].last;
        s->g.read = all[k].read;
        return;
    }
}

/* ---- very many entries of one stream, in steps ---------------------------------------------------- */

#define SERVED_IN_A_STEP 1024

struct long_reading {
    struct stream_job job;
    struct reading r;
    struct target t;
    bool begun;
    struct stream_group g;
    struct stream_consumer consumer;
    stream_id from;
    uint64_t left, now;
};

static int long_begin(call *c, struct long_reading *l, const struct value *v) {
    int rc = stream_group_get(v, l->r.group, &l->g);
    if (rc == OK) rc = stream_delivery_init(c, v, &l->g, &l->job.d, true, &l->consumer);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_PRECOND : rc;
    l->from = l->t.history ? l->t.after : l->g.last;
    if (!stream_id_up(&l->from)) l->from = STREAM_ID_MIN;
    l->left = l->r.count == 0 ? UINT64_MAX : (uint64_t)l->r.count;
    l->now = (uint64_t)call_now_ms(c);
    l->begun = true;
    return OK;
}

static int long_gather(call *c, struct stream_job *j, const struct value *v, bool *all) {
    struct long_reading *l = (struct long_reading *)j;
    int rc = l->begun ? OK : long_begin(c, l, v);
    if (rc != OK) return rc;
    uint64_t part = l->left < SERVED_IN_A_STEP ? l->left : SERVED_IN_A_STEP;
    struct serving s = {.c = c, .v = v, .r = &l->r, .g = l->g, .t = &l->t, .d = &j->d, .now = l->now, .left = part};
    if (!l->t.history) rc = stream_each(v, l->from, STREAM_ID_MAX, part, false, deliver, &s);
    else if (!j->d.fresh) rc = stream_pending_each(v, &l->g, &l->consumer, l->from, deliver_again, &s);
    if (rc != OK && rc != HISTORY_ENDS) return rc;
    l->g = s.g;
    l->left -= s.n;
    j->n += s.n;
    l->from = s.at;
    *all = s.n < part || l->left == 0 || !stream_id_up(&l->from);
    return OK;
}

static void long_head(call *c, struct stream_job *j) {
    if (call_proto(c) == 2) {
        reply_array(c, 1);
        reply_array(c, 2);
    } else {
        reply_map(c, 1);
    }
    reply_bulk(c, *j->key);
    reply_array(c, j->n);
}

static void long_restart(struct stream_job *j) { ((struct long_reading *)j)->begun = false; }
static void long_free(struct stream_job *j) { mem_free(j); }

static int read_in_steps(call *c, const struct reading *r, const struct target *t) {
    struct long_reading *l = mem_calloc(1, sizeof(*l));
    l->job = (struct stream_job){.gather = long_gather, .head = long_head, .restart = long_restart, .free = long_free,
                                 .key = r->keys, .pend = true};
    l->job.d = (struct stream_delivery){.key = *r->keys, .group = r->group, .consumer = r->consumer};
    l->r = *r;
    l->t = *t;
    return stream_in_steps(c, &l->job);
}

/* Are so many entries to be delivered? */
static int are_many(const struct serving *s, bool *many) {
    const struct reading *r = s->r;
    struct stream_consumer consumer;
    uint64_t n = stream_head(s->v).length;
    *many = false;
    if (!r->grouped || r->n > 1 || !call_may_step(s->c)) return OK;
    if (s->t->history) {
        int rc = stream_consumer_get(s->v, &s->g, r->consumer, &consumer);
        if (rc != OK) return rc == ERR_NOTFOUND ? OK : rc;
        n = consumer.pending;
    } else if (s->g.read >= 0 && (uint64_t)s->g.read <= stream_head(s->v).added) {
        n = stream_head(s->v).added - (uint64_t)s->g.read;
    }
    *many = n >= STREAM_STEPS_FROM && (r->count == 0 || r->count >= STREAM_STEPS_FROM);
    return OK;
}

/* ---- the commands ------------------------------------------------------------------------------- */

static int try_stream(call *c, const struct reading *r, size_t i, struct target *all, bool again) {
    struct target *t = &all[i];
    struct entry e;
    bool serve, many = false;
    int rc = call_read_type(c, r->keys[i], TYPE_STREAM, &e);
    if (rc == ERR_NOTFOUND || (again && rc == ERR_TYPE)) return OK;
    if (rc != OK) return rc;
    struct serving s = {.c = c, .v = &e.value, .r = r, .t = t, .now = (uint64_t)call_now_ms(c)};
    if (r->grouped) rc = stream_group_get(&e.value, r->group, &s.g);
    if (rc != OK) return rc;
    if (r->grouped) go_on(&s, all, i);
    rc = wants(&s, again, &serve);
    if (rc == OK && serve && !again) rc = are_many(&s, &many);
    if (rc == OK && many) return read_in_steps(c, r, t);
    if (rc == OK && serve) rc = serve_stream(&s, r->keys[i]);
    t->last = s.g.last;
    t->read = s.g.read;
    return rc;
}

static int block(call *c, const struct reading *r, const struct target *t) {
    uint64_t us = (uint64_t)r->timeout_ms > UINT64_MAX / 4000 ? UINT64_MAX / 4 : (uint64_t)r->timeout_ms * 1000;
    if (!r->blocking || !call_may_park(c)) return reply_null_array(c);
    if (call_state(c) == NULL) {
        struct waiting *w = mem_alloc(sizeof(*w) + r->n * sizeof(w->ids[0]));
        w->n = r->n;
        for (size_t i = 0; i < r->n; i++) w->ids[i] = t[i].after;
        call_set_state(c, w, mem_free);
    }
    return r->grouped ? call_block_or_gone(c, r->keys, r->n, us) : call_block(c, r->keys, r->n, us);
}

/* The key that has changed, after a wait: its group may be gone, or it is itself. *replied: so it is. */
static int still_there(call *c, const struct reading *r, slice key, bool *replied) {
    struct entry e;
    struct stream_group g;
    if (!r->grouped) return OK;
    *replied = true;
    int rc = call_peek(c, key, &e);
    if (rc == ERR_NOTFOUND || (rc == OK && e.value.type != TYPE_STREAM))
        return reply_error(c, "UNBLOCKED the stream key no longer exists");
    if (rc == OK) rc = stream_group_get(&e.value, r->group, &g);
    if (rc == ERR_NOTFOUND)
        return reply_error(c, "NOGROUP the consumer group this client was blocked on no longer exists");
    *replied = false;
    return rc;
}

static int finish(call *c, const struct reading *r, struct target *t, size_t served, size_t mark) {
    if (call_proto(c) == 2) reply_deferred_array(c, mark, served);
    else reply_deferred_map(c, mark, served);
    int rc = OK;
    for (size_t i = 0; i < r->n && rc == OK && r->grouped; i++) {
        if (t[i].served) rc = stream_delivery_apply(c, &t[i].delivery);
    }
    assert(rc != ERR_COLD || r->n == 1); /* One effect asks for what it needs before it changes anything. */
    return rc;
}

static int read_again(call *c, struct reading *r, struct target *t, slice ready) {
    const struct waiting *w = call_state(c);
    bool replied = false;
    int rc = still_there(c, r, ready, &replied);
    if (rc != OK || replied) return rc;
    assert(w != NULL && w->n == r->n);
    if (r->count == 0) r->count = BLOCKED_COUNT;
    size_t mark = reply_deferred(c);
    size_t i = 0;
    while (i < r->n && !slice_eq(r->keys[i], ready)) i++;
    assert(i < r->n);
    t[i].after = w->ids[i];
    t[i].newest = r->grouped;
    rc = try_stream(c, r, i, t, true);
    if (rc != OK) return rc;
    if (t[i].served) return finish(c, r, t, 1, mark);
    call_out(c)->n = mark;
    return block(c, r, t);
}

/* XREAD of very many entries: from the beginning, in steps. */
static int read_long(call *c, const struct reading *r, struct target *t) {
    struct stream_part *parts = mem_alloc(r->n * sizeof(*parts));
    struct value *values = mem_alloc(r->n * sizeof(*values));
    size_t n = 0;
    int rc = OK;
    for (size_t i = 0; i < r->n && rc == OK; i++) {
        struct entry e;
        struct serving s = {.c = c, .v = &e.value, .r = r, .t = &t[i]};
        bool serve = false;
        rc = call_peek(c, r->keys[i], &e);
        if (rc == OK) rc = wants(&s, false, &serve);
        if (rc == ERR_NOTFOUND) rc = OK;
        if (rc != OK || !serve) continue;
        parts[n] = (struct stream_part){.key = r->keys[i], .from = t[i].after, .to = STREAM_ID_MAX,
                                        .left = r->count == 0 ? UINT64_MAX : (uint64_t)r->count};
        if (!stream_id_up(&parts[n].from)) parts[n].from = STREAM_ID_MIN;
        values[n++] = e.value;
    }
    if (rc == OK) rc = stream_read_in_steps(c, values, parts, n);
    mem_free(parts);
    mem_free(values);
    return rc;
}

static int read_first(call *c, struct reading *r, struct target *t) {
    size_t served = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool replied;
        int rc = parse_target(c, r, i, &t[i], &replied);
        if (rc != OK || replied) return rc;
    }
    size_t mark = reply_deferred(c);
    if (!r->grouped && call_may_step(c)) r->limit = mark + READ_STEPS_FROM_BYTES;
    for (size_t i = 0; i < r->n; i++) {
        int rc = try_stream(c, r, i, t, false);
        if (rc == TOO_MANY) {
            call_out(c)->n = mark;
            return read_long(c, r, t);
        }
        if (rc != OK) return rc;
        served += t[i].served;
    }
    if (served > 0) return finish(c, r, t, served, mark);
    call_out(c)->n = mark;
    return block(c, r, t);
}

static int read_streams(call *c, bool grouped) {
    struct reading r = {.grouped = grouped, .limit = SIZE_MAX};
    slice ready;
    if (!parse_reading(c, &r)) return OK;
    struct target *t = mem_calloc(r.n + 1, sizeof(*t));
    int rc = call_ready_key(c, &ready) ? read_again(c, &r, t, ready) : read_first(c, &r, t);
    for (size_t i = 0; i < r.n; i++) stream_delivery_free(&t[i].delivery);
    mem_free(t);
    return rc;
}

static int cmd_xread(call *c) { return read_streams(c, false); }
static int cmd_xreadgroup(call *c) { return read_streams(c, true); }

#define READ_KEYS(from)                                                                           \
    {{.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_KEYWORD, .pos = (from), .keyword = "STREAMS",    \
      .find = KEYS_RANGE, .last = -1, .step = 1, .limit = 2}}
static const struct command rows[] = {
    {.name = "xread", .fn = cmd_xread, .arity = -4, .flags = CMD_BLOCKING | CMD_READONLY | CMD_MOVABLEKEYS,
     .group = GROUP_STREAM, .keys = READ_KEYS(1), .since = "5.0.0",
     .summary = "Return never seen elements in multiple streams, with IDs greater than the ones reported "
                "by the caller for each stream. Can block.",
     .complexity = "For each stream mentioned: O(N) with N being the number of elements being returned, "
                   "it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option "
                   "is used, XADD will pay O(M) time in order to serve the M clients blocked on the "
                   "stream getting new data."},
    {.name = "xreadgroup", .fn = cmd_xreadgroup, .arity = -7,
     .flags = CMD_BLOCKING | CMD_WRITE | CMD_MOVABLEKEYS, .group = GROUP_STREAM, .keys = READ_KEYS(4),
     .since = "5.0.0",
     .summary = "Return new entries from a stream using a consumer group, or access the history of the "
                "pending entries for a given consumer. Can block.",
     .complexity = "For each stream mentioned: O(M) with M being the number of elements returned. If M is "
                   "constant (e.g. always asking for the first 10 elements with COUNT), you can consider "
                   "it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in "
                   "order to serve the N clients blocked on the stream getting new data."},
};
const struct command_family family_stream_read = {rows, sizeof(rows) / sizeof(*rows)};
