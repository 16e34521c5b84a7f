/* arrive.c -- requests between their reading and their running.
 *
 *   read of one client, of the next, ... -> parsed, all of them -> looked up ahead, together -> run
 *
 * A request that misses the processor's cache waits for memory as long as twenty others take to run. Those
 * of a pipeline are known together; those of clients that send one at a time are when the loop has delivered
 * what is ready: so clients are read first, and run behind that. What a turn has no time for goes on at its
 * end, with the rest of long pipelines (block__go_on). */
#include <assert.h>

#include "base/mem.h"
#include "exec/exec_internal.h"

#define PIPELINE_REQUESTS 4 /* Who has more looks ahead alone, and runs at once. */
#define ARRIVED_MOST 64
#define GROUP_REQUESTS 16 /* Enough for waits to overlap; what more bring near would push out what the first did. */

/* ---- parsing ---------------------------------------------------------------------------------- */

static void batch_add(client *c, const slice *argv, size_t argc) {
    if (c->args_n + argc > c->args_cap) {
        size_t cap = c->args_cap == 0 ? 64 : c->args_cap;
        while (cap < c->args_n + argc) cap *= 2;
        c->args = mem_realloc(c->args, cap * sizeof(*c->args));
        c->args_cap = cap;
    }
    memcpy(c->args + c->args_n, argv, argc * sizeof(*argv));
    c->batch[c->batch_n++] = (struct request){
        .first = c->args_n, .argc = argc, .cmd = commands_find(c->exec->commands, argv[0])};
    c->args_n += argc;
}

void arrive__parse(client *c) {
    struct resp_limits limits = {(uint64_t)c->exec->ks_config->types.proto_max_bulk_len, INT32_MAX};
    if (client_needs_auth(c)) {
        limits.args_max = 10;
        limits.bulk_max = 16384;
    }
    c->batch_n = c->batch_next = c->args_n = 0;
    if (c->ahead.n > 0) {
        buf_append_slice(&c->query, slice_of(&c->ahead));
        buf_free(&c->ahead);
    }
    while (c->batch_n < BATCH_MAX && c->query_pos < c->query.n) {
        slice in = slice_make(c->query.p + c->query_pos, c->query.n - c->query_pos), *argv;
        size_t used, argc;
        int rc = resp_parse(&c->parser, in, &limits, &used, &argv, &argc);
        if (rc == ERR_AGAIN) break;
        if (rc != OK) {
            c->bad_protocol = true;
            break;
        }
        c->query_pos += used;
        if (argc > 0) batch_add(c, argv, argc);
        /* Inline words lie in the parser's store, which the next request reuses. AUTH changes the
         * limits for what follows. */
        bool is_inline = argc > 0 && (argv[0].p < c->query.p || argv[0].p >= c->query.p + c->query.n);
        if (is_inline || client_needs_auth(c)) break;
    }
}

/* ---- looking ahead ---------------------------------------------------------------------------- */

static void name_request(const client *c, const struct request *r, struct keyspace_ahead *a) {
    const slice *argv = c->args + r->first;
    *a = (struct keyspace_ahead){.db = c->db, .key = argv[1]};
    if (r->cmd == NULL || r->cmd->element == 0 || r->cmd->element >= r->argc) return;
    a->element = argv[r->cmd->element];
    if (r->cmd->element > 2) a->score = argv[r->cmd->element - 1];
}

void arrive__look_ahead(client *const *clients, size_t count) {
    struct keyspace_ahead ahead[BATCH_MAX];
    size_t n = 0;
    for (size_t k = 0; k < count; k++) {
        const client *c = clients[k];
        for (size_t i = 0; i < c->batch_n; i++) {
            assert(n < BATCH_MAX || c->batch[i].argc < 2);
            if (c->batch[i].argc > 1) name_request(c, &c->batch[i], &ahead[n++]);
        }
    }
    if (n == 0) return;
    keyspace_prefetch_many(ahead, n);
    n = 0;
    for (size_t k = 0; k < count; k++) {
        client *c = clients[k];
        for (size_t i = 0; i < c->batch_n; i++) {
            struct request *r = &c->batch[i];
            if (r->argc < 2) continue;
            r->hashed = !c->exec->loading; /* Loading brings the secret of the hashes. */
            r->hash = ahead[n++].hash;
        }
    }
}

/* ---- running ---------------------------------------------------------------------------------- */

/* Takes clients that have at most GROUP_REQUESTS requests together off the list. */
static void take_group(exec *x, list *to) {
    client *group[GROUP_REQUESTS];
    size_t n = 0, requests = 0;
    while (n < GROUP_REQUESTS && !list_empty(&x->arrived)) {
        client *c = LIST_ENTRY(x->arrived.next, client, wait_link);
        assert(c->state == CLIENT_READY);
        if (n > 0 && requests + c->batch_n > GROUP_REQUESTS) break; /* It is the next one's first. */
        list_remove(&c->wait_link);
        list_push_back(to, &c->wait_link);
        requests += c->batch_n;
        group[n++] = c;
    }
    if (requests > 1) arrive__look_ahead(group, n);
}

void arrive__run(void *cookie) {
    exec *x = cookie;
    list group;
    list_init(&group);
    while (!list_empty(&x->arrived)) {
        take_group(x, &group);
        exec__refresh_time(x); /* The first one's time is its own. */
        while (!list_empty(&group)) {
            client *c = LIST_ENTRY(group.next, client, wait_link);
            list_remove(&c->wait_link);
            if (client__turn_is_over(x)) block__go_on_later(c);
            else client__process(c);
        }
    }
    x->arrived_n = 0;
}

bool arrive__later(client *c) {
    exec *x = c->exec;
    assert(c->state == CLIENT_READY && list_empty(&c->wait_link));
    if (c->batch_next == c->batch_n) arrive__parse(c);
    if (c->batch_n == 0 || c->batch_n > PIPELINE_REQUESTS) {
        if (c->batch_n > 0) arrive__look_ahead(&c, 1);
        return false;
    }
    list_push_back(&x->arrived, &c->wait_link);
    if (++x->arrived_n >= ARRIVED_MOST) arrive__run(x);
    return true;
}
