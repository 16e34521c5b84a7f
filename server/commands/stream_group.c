/* stream_group.c -- groups of consumers made, moved and dropped; what is pending acknowledged, listed. */
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/stream_commands.h"

/* ---- XGROUP ------------------------------------------------------------------------------------- */

static int no_group_for(call *c, slice group, slice key) {
    return reply_errorf(c, "NOGROUP No such consumer group '%.*s' for key name '%.*s'", (int)group.n,
                        (const char *)group.p, (int)key.n, (const char *)key.p);
}

static int no_key(call *c) {
    return reply_error(c, "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may "
                          "want to use the MKSTREAM option to create an empty stream automatically.");
}

static bool group_options(call *c, bool create, bool *make, int64_t *read) {
    for (size_t i = 5; i < call_argc(c); i++) {
        if (create && call_arg_is(c, i, "mkstream")) {
            *make = true;
        } else if (call_arg_is(c, i, "entriesread") && i + 1 < call_argc(c)) {
            if (!call_int(c, ++i, read)) return false;
            if (*read >= 0 || *read == STREAM_READ_UNKNOWN) continue;
            reply_error(c, "ERR value for ENTRIESREAD must be positive or -1");
            return false;
        } else {
            stream_reply_subcommand_syntax(c);
            return false;
        }
    }
    return true;
}

static int set_group(call *c, slice name, stream_id id, int64_t read) {
    uint8_t raw[STREAM_ID_BYTES], count[8];
    stream_id_put(raw, id);
    put_u64(count, (uint64_t)read);
    slice args[3] = {name, slice_make(raw, sizeof(raw)), slice_make(count, 8)};
    return call_value(c, TYPE_STREAM, STREAM_GROUP_SET, call_arg(c, 2), args, 3);
}

static int group_create(call *c) {
    struct entry e;
    struct stream_group g;
    stream_id id = STREAM_ID_MIN;
    bool make = false;
    int64_t read = STREAM_READ_UNKNOWN;
    if (!group_options(c, true, &make, &read)) return OK;
    int rc = call_write_type(c, call_arg(c, 2), TYPE_STREAM, &e);
    if (rc == ERR_NOTFOUND && !make) return no_key(c);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (call_argc(c) > 8) return stream_reply_subcommand_syntax(c);
    bool there = rc == OK, last = slice_eq(call_arg(c, 4), SLICE("$"));
    if (last && there) id = stream_head(&e.value).last;
    if (!last && !stream_parse_id(c, call_arg(c, 4), 0, &id)) return OK;
    if (!stream_name_ok(c, call_arg(c, 3))) return OK;
    rc = there ? stream_group_get(&e.value, call_arg(c, 3), &g) : ERR_NOTFOUND;
    if (rc == OK) return reply_error(c, "BUSYGROUP Consumer Group name already exists");
    if (rc == ERR_NOTFOUND) rc = set_group(c, call_arg(c, 3), id, read);
    if (rc != OK) return rc;
    call_notify(c, 't', "xgroup-create", call_arg(c, 2));
    return reply_ok(c);
}

/* The group that most subcommands name. OK, and *replied when it is not there. */
static int find_group(call *c, struct entry *e, struct stream_group *g, bool *replied) {
    *replied = true;
    int rc = call_write_type(c, call_arg(c, 2), TYPE_STREAM, e);
    if (rc == ERR_NOTFOUND) return no_key(c);
    if (rc == OK) rc = stream_group_get(&e->value, call_arg(c, 3), g);
    if (rc == ERR_NOTFOUND) return no_group_for(c, call_arg(c, 3), call_arg(c, 2));
    *replied = false;
    return rc;
}

static int group_setid(call *c) {
    struct entry e;
    struct stream_group g;
    stream_id id;
    bool make = false, replied;
    int64_t read = STREAM_READ_UNKNOWN;
    if (!group_options(c, false, &make, &read)) return OK;
    int rc = find_group(c, &e, &g, &replied);
    if (rc != OK || replied) return rc;
    if (call_argc(c) != 5 && call_argc(c) != 7) return stream_reply_subcommand_syntax(c);
    if (slice_eq(call_arg(c, 4), SLICE("$"))) id = stream_head(&e.value).last;
    else if (!stream_parse_edge(c, call_arg(c, 4), 0, &id)) return OK;
    rc = set_group(c, call_arg(c, 3), id, read);
    if (rc != OK) return rc;
    call_notify(c, 't', "xgroup-setid", call_arg(c, 2));
    return reply_ok(c);
}

static int group_destroy(call *c) {
    struct entry e;
    struct stream_group g;
    slice name = call_arg(c, 3);
    int rc = call_write_type(c, call_arg(c, 2), TYPE_STREAM, &e);
    if (rc == ERR_NOTFOUND) return no_key(c);
    if (rc == OK) rc = stream_group_get(&e.value, name, &g);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc == OK) rc = call_value(c, TYPE_STREAM, STREAM_GROUP_DROP, call_arg(c, 2), &name, 1);
    if (rc != OK) return rc;
    call_notify(c, 't', "xgroup-destroy", call_arg(c, 2));
    return reply_int(c, 1);
}

static int group_createconsumer(call *c) {
    struct entry e;
    struct stream_group g;
    struct stream_consumer was;
    bool replied;
    struct stream_delivery d = {.key = call_arg(c, 2), .group = call_arg(c, 3), .consumer = call_arg(c, 4)};
    int rc = find_group(c, &e, &g, &replied);
    if (rc != OK || replied || !stream_name_ok(c, d.consumer)) return rc;
    rc = stream_delivery_init(c, &e.value, &g, &d, false, &was);
    if (rc == OK && !d.fresh) return reply_int(c, 0);
    if (rc == OK) rc = stream_delivery_apply(c, &d);
    return rc == OK ? reply_int(c, 1) : rc;
}

static int group_delconsumer(call *c) {
    struct entry e;
    struct stream_group g;
    struct stream_consumer was;
    bool replied;
    slice args[2] = {call_arg(c, 3), call_arg(c, 4)};
    int rc = find_group(c, &e, &g, &replied);
    if (rc != OK || replied) return rc;
    rc = stream_consumer_get(&e.value, &g, args[1], &was);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc == OK) rc = call_value(c, TYPE_STREAM, STREAM_CONSUMER_DROP, call_arg(c, 2), args, 2);
    if (rc != OK) return rc;
    call_notify(c, 't', "xgroup-delconsumer", call_arg(c, 2));
    return reply_int(c, (int64_t)was.pending);
}

static int group_help(call *c) {
    static const char *const lines[] = {
        "CREATE <key> <groupname> <id|$> [option]", "    Create a new consumer group. Options are:",
        "    * MKSTREAM", "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read", "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>", "    Remove the specified consumer.",
        "DESTROY <key> <groupname>", "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.", NULL};
    return reply_help(c, lines);
}

/* ---- XACK --------------------------------------------------------------------------------------- */

/* Counts those that are pending. */
static int count_pending(const struct value *v, const struct stream_group *g, slice ids, int64_t *n) {
    int cold = OK;
    for (size_t i = 0; i < ids.n; i += STREAM_ID_BYTES) {
        struct stream_pending p;
        int rc = stream_pending_get(v, g, stream_id_read(ids.p + i), &p);
        if (rc == OK) ++*n;
        else if (rc == ERR_COLD) cold = rc;
        else if (rc != ERR_NOTFOUND) return rc;
    }
    return cold;
}

/* Very many of them. */
struct long_ack {
    struct stream_job job;
    buf ids;
    size_t at;
};

static int ack_gather(call *c, struct stream_job *j, const struct value *v, bool *all) {
    struct long_ack *a = (struct long_ack *)j;
    struct stream_group g;
    size_t left = a->ids.n - a->at, most = STEP_ELEMENTS * STREAM_ID_BYTES;
    slice some = slice_make(a->ids.p + a->at, left < most ? left : most);
    int rc = stream_group_get(v, call_arg(c, 2), &g);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_PRECOND : rc;
    for (size_t i = 0; i < some.n && (rc == OK || rc == ERR_NOTFOUND); i += STREAM_ID_BYTES) {
        struct stream_pending p;
        rc = stream_pending_get(v, &g, stream_id_read(some.p + i), &p);
        if (rc == OK) buf_append(&j->d.gone, some.p + i, STREAM_ID_BYTES);
    }
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    a->at += some.n;
    *all = a->at == a->ids.n;
    return OK;
}

static void ack_head(call *c, struct stream_job *j) { reply_int(c, (int64_t)(j->d.gone.n / STREAM_ID_BYTES)); }
static void ack_restart(struct stream_job *j) { ((struct long_ack *)j)->at = 0; }
static void ack_free(struct stream_job *j) {
    buf_free(&((struct long_ack *)j)->ids);
    mem_free(j);
}

static int ack_in_steps(call *c, buf *ids) {
    struct long_ack *a = mem_calloc(1, sizeof(*a));
    a->job = (struct stream_job){.gather = ack_gather, .head = ack_head, .restart = ack_restart, .free = ack_free,
                                 .key = call_argv(c) + 1};
    a->job.d.group = call_arg(c, 2);
    a->ids = *ids;
    *ids = BUF_INIT;
    return stream_in_steps(c, &a->job);
}

static int ack(call *c, buf *ids) {
    struct entry e;
    struct stream_group g;
    int64_t n = 0;
    int rc = call_read_type(c, call_arg(c, 1), TYPE_STREAM, &e);
    if (rc == OK) rc = stream_group_get(&e.value, call_arg(c, 2), &g);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK || !stream_parse_ids(c, 3, call_argc(c) - 3, ids)) return rc;
    stream_sort_ids(ids);
    if (ids->n >= STREAM_STEPS_FROM * STREAM_ID_BYTES && call_may_step(c)) return ack_in_steps(c, ids);
    rc = count_pending(&e.value, &g, slice_of(ids), &n);
    slice args[2] = {call_arg(c, 2), slice_of(ids)};
    if (rc == OK && n > 0) rc = call_value(c, TYPE_STREAM, STREAM_ACK, call_arg(c, 1), args, 2);
    return rc == OK ? reply_int(c, n) : rc;
}

static int cmd_xack(call *c) {
    buf ids = BUF_INIT;
    int rc = ack(c, &ids);
    buf_free(&ids);
    return rc;
}

/* ---- XPENDING ----------------------------------------------------------------------------------- */

struct listing {
    call *c;
    const struct value *v;
    const struct stream_group *g;
    stream_id to;
    int64_t count, min_idle, now;
    size_t n;
    uint64_t part;  /* entries that may be looked at before LISTING_PARTS, at `next` */
    stream_id next;
};
#define LISTING_ENDS 1
#define LISTING_PARTS 2

static int count_consumer(void *cookie, slice name, const struct stream_consumer *one) {
    struct listing *l = cookie;
    if (one->pending == 0) return OK;
    reply_array(l->c, 2);
    reply_bulk(l->c, name);
    reply_bulk_int(l->c, (int64_t)one->pending);
    l->n++;
    return OK;
}

static int first_id(void *cookie, const struct stream_pending *p) {
    *(stream_id *)cookie = p->id;
    return LISTING_ENDS;
}

static int pending_summary(struct listing *l) {
    call *c = l->c;
    stream_id first, last;
    reply_array(c, 4);
    reply_int(c, (int64_t)l->g->pending);
    if (l->g->pending == 0) {
        reply_null(c);
        reply_null(c);
        return reply_null_array(c);
    }
    int rc = stream_pending_each(l->v, l->g, NULL, STREAM_ID_MIN, first_id, &first);
    if (rc != LISTING_ENDS) return rc == OK ? ERR_CORRUPT : rc;
    rc = stream_pending_last(l->v, l->g, &last);
    if (rc != OK) return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
    stream_reply_id(c, first);
    stream_reply_id(c, last);
    size_t mark = reply_deferred(c);
    rc = stream_consumers_each(l->v, l->g, count_consumer, l);
    if (rc == OK) reply_deferred_array(c, mark, l->n);
    return rc;
}

static int list_one(void *cookie, const struct stream_pending *p) {
    struct listing *l = cookie;
    int64_t idle = l->now - (int64_t)p->time;
    slice name;
    if (l->count == 0 || stream_id_cmp(p->id, l->to) > 0) return LISTING_ENDS;
    if (l->part-- == 0) {
        l->next = p->id;
        return LISTING_PARTS;
    }
    if (l->min_idle != 0 && idle < l->min_idle) return OK;
    int rc = stream_consumer_name(l->v, l->g, p->consumer, &name);
    if (rc != OK) return rc;
    l->count--;
    l->n++;
    reply_array(l->c, 4);
    stream_reply_id(l->c, p->id);
    reply_bulk(l->c, name);
    reply_int(l->c, idle < 0 ? 0 : idle);
    return reply_int(l->c, (int64_t)p->count);
}

/* The same in steps. */
#define LISTED_IN_A_STEP 2048
struct long_listing {
    struct stream_job job;
    struct listing l;
    stream_id from, at; /* at: of the next step */
    int64_t count;
    const slice *consumer;
};

static int listing_gather(call *c, struct stream_job *j, const struct value *v, bool *all) {
    struct long_listing *g = (struct long_listing *)j;
    struct stream_group group;
    struct stream_consumer of;
    struct listing l = g->l;
    int rc = stream_group_get(v, call_arg(c, 2), &group);
    if (rc == OK && g->consumer != NULL) rc = stream_consumer_get(v, &group, *g->consumer, &of);
    if (rc == ERR_NOTFOUND) return ERR_PRECOND;
    if (rc != OK) return rc;
    l.c = c;
    l.v = v;
    l.g = &group;
    l.n = 0;
    l.part = LISTED_IN_A_STEP;
    rc = stream_pending_each(v, &group, g->consumer != NULL ? &of : NULL, g->at, list_one, &l);
    if (rc != OK && rc != LISTING_ENDS && rc != LISTING_PARTS) return rc;
    *all = rc != LISTING_PARTS;
    g->at = l.next;
    g->l.count = l.count;
    j->n += l.n;
    return OK;
}

static void listing_head(call *c, struct stream_job *j) { reply_array(c, j->n); }
static void listing_free(struct stream_job *j) { mem_free(j); }
static void listing_restart(struct stream_job *j) {
    struct long_listing *g = (struct long_listing *)j;
    g->at = g->from;
    g->l.count = g->count;
}

static int list_in_steps(const struct listing *l, stream_id from, const slice *consumer) {
    struct long_listing *g = mem_calloc(1, sizeof(*g));
    g->job = (struct stream_job){.gather = listing_gather, .head = listing_head, .restart = listing_restart,
                                 .free = listing_free, .key = call_argv(l->c) + 1};
    g->l = *l;
    g->from = g->at = from;
    g->count = l->count;
    g->consumer = consumer;
    return stream_in_steps(l->c, &g->job);
}

static int pending_list(struct listing *l, stream_id from, const slice *consumer) {
    struct stream_consumer of;
    uint64_t some = l->g->pending;
    int rc = OK;
    if (consumer != NULL) rc = stream_consumer_get(l->v, l->g, *consumer, &of);
    if (rc == ERR_NOTFOUND) return reply_empty_array(l->c);
    if (rc != OK) return rc;
    if (consumer != NULL) some = of.pending;
    if (l->min_idle == 0 && (uint64_t)l->count < some) some = (uint64_t)l->count;
    if (some >= STREAM_STEPS_FROM && l->count > 0 && call_may_step(l->c)) return list_in_steps(l, from, consumer);
    l->part = UINT64_MAX;
    size_t mark = reply_deferred(l->c);
    rc = stream_pending_each(l->v, l->g, consumer == NULL ? NULL : &of, from, list_one, l);
    if (rc == OK || rc == LISTING_ENDS) {
        reply_deferred_array(l->c, mark, l->n);
        return OK;
    }
    return rc;
}

static int cmd_xpending(call *c) {
    struct listing l = {.c = c, .now = call_now_ms(c)};
    struct entry e;
    struct stream_group g;
    stream_id from = STREAM_ID_MIN;
    const slice *consumer = NULL;
    size_t argc = call_argc(c), at = 3;
    if (argc != 3 && (argc < 6 || argc > 9)) return reply_syntax(c);
    if (argc >= 6) {
        if (call_arg_is(c, 3, "idle")) {
            if (!call_int(c, 4, &l.min_idle)) return OK;
            if (argc < 8) return reply_syntax(c);
            at += 2;
        }
        if (!call_int(c, at + 2, &l.count)) return OK;
        if (l.count < 0) l.count = 0;
        if (!stream_parse_from(c, call_arg(c, at), &from)) return OK;
        if (!stream_parse_to(c, call_arg(c, at + 1), &l.to)) return OK;
        if (at + 3 < argc) consumer = call_argv(c) + at + 3;
    }
    slice key = call_arg(c, 1), group = call_arg(c, 2);
    int rc = call_read_type(c, key, TYPE_STREAM, &e);
    if (rc == OK) rc = stream_group_get(&e.value, group, &g);
    if (rc == ERR_NOTFOUND)
        return reply_errorf(c, "NOGROUP No such key '%.*s' or consumer group '%.*s'", (int)key.n,
                            (const char *)key.p, (int)group.n, (const char *)group.p);
    if (rc != OK) return rc;
    l.v = &e.value;
    l.g = &g;
    return argc == 3 ? pending_summary(&l) : pending_list(&l, from, consumer);
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define G .group = GROUP_STREAM
#define SUB CMD_WRITE, .categories = CAT_STREAM, G
static const char *const create_history[] = {"7.0.0", "Added the `entries_read` named argument.", NULL};
static const char *const setid_history[] = {"7.0.0", "Added the optional `entries_read` argument.", NULL};
static const char *const pending_history[] = {
    "6.2.0", "Added the `IDLE` option and exclusive range intervals.", NULL};
static const struct command group_subcommands[] = {
    {.name = "create", .fn = group_create, .arity = -5, .flags = CMD_DENYOOM | SUB, .history = create_history,
     .keys = SUB_KEY(KEY_RW | KEY_INSERT), .since = "5.0.0", .summary = "Create a consumer group.",
     .complexity = "O(1)"},
    {.name = "createconsumer", .fn = group_createconsumer, .arity = 5, .flags = CMD_DENYOOM | SUB,
     .keys = SUB_KEY(KEY_RW | KEY_INSERT), .since = "6.2.0",
     .summary = "Create a consumer in a consumer group.", .complexity = "O(1)"},
    {.name = "delconsumer", .fn = group_delconsumer, .arity = 5, .flags = SUB,
     .keys = SUB_KEY(KEY_RW | KEY_DELETE), .since = "5.0.0",
     .summary = "Delete a consumer from a consumer group.", .complexity = "O(1)"},
    {.name = "destroy", .fn = group_destroy, .arity = 4, .flags = SUB, .keys = SUB_KEY(KEY_RW | KEY_DELETE),
     .since = "5.0.0", .summary = "Destroy a consumer group.",
     .complexity = "O(N) where N is the number of entries in the group's pending entries list (PEL)."},
    {.name = "help", .fn = group_help, .arity = 2, .flags = CMD_LOADING | CMD_STALE, .categories = CAT_STREAM,
     G, .since = "5.0.0", .summary = "Show helpful text about the different subcommands",
     .complexity = "O(1)"},
    {.name = "setid", .fn = group_setid, .arity = -5, .flags = SUB, .history = setid_history,
     .keys = SUB_KEY(KEY_RW | KEY_UPDATE), .since = "5.0.0",
     .summary = "Set a consumer group to an arbitrary last delivered ID value.", .complexity = "O(1)"},
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "xgroup", .fn = NULL, .arity = -2, .flags = 0, G, .since = "5.0.0",
     .summary = "A container for consumer groups commands", .complexity = "Depends on subcommand.",
     .subcommands = group_subcommands},
    {.name = "xack", .fn = cmd_xack, .arity = -4, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_UPDATE), .since = "5.0.0",
     .summary = "Marks a pending message as correctly processed, effectively removing it from the pending "
                "entries list of the consumer group. Return value of the command is the number of "
                "messages successfully acknowledged, that is, the IDs we were actually able to resolve in "
                "the PEL.",
     .complexity = "O(1) for each message ID processed."},
    {.name = "xpending", .fn = cmd_xpending, .arity = -3, .flags = CMD_READONLY, G,
     .keys = ONE_KEY(KEY_RO | KEY_ACCESS), .since = "5.0.0", .tips = "nondeterministic_output",
     .history = pending_history,
     .summary = "Return information and entries from a stream consumer group pending entries list, that "
                "are messages fetched but never acknowledged.",
     .complexity = "O(N) with N being the number of elements returned, so asking for a small fixed number "
                   "of entries per call is O(1). O(M), where M is the total number of entries scanned "
                   "when used with the IDLE filter. When the command returns just the summary and the "
                   "list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time "
                   "for iterating every consumer."},
};
const struct command_family family_stream_group = {rows, sizeof(rows) / sizeof(*rows)};
