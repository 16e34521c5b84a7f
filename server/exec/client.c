/* client.c -- a connection's life, and its requests (output.c: its replies).
 *
 * The query buffer does not move while a request of the batch has not ended. */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "exec/exec_internal.h"
#include "resp/write.h"

static void client_ready(void *cookie, unsigned ready);

static client *client_new(exec *x, conn *link) {
    client *c = mem_calloc(1, sizeof(*c));
    c->exec = x;
    c->conn = link;
    c->db = keyspace_db(x->deps.keyspace, 0);
    c->proto = 2;
    c->ack = (enum ack)x->deps.tier_config->ack;
    access__login(c);
    c->created_us = c->active_us = x->now_us;
    list_init(&c->out_link);
    list_init(&c->pieces);
    list_init(&c->wait_link);
    list_init(&c->gated_link);
    list_init(&c->watch_head);
    list_init(&c->link);
    return c;
}

client *client__create_background(exec *x) {
    client *c = client_new(x, NULL);
    c->background = true;
    c->authenticated = true;
    c->ack = ACK_MEMORY; /* Nobody waits for its replies. */
    return c;
}

client *client__create(exec *x, conn *link) {
    client *c = client_new(x, link);
    c->id = ++x->next_client_id;
    list_push_back(&x->clients, &c->link);
    x->stats.clients++;
    if (x->stats.clients > x->stats.maxclients_seen) x->stats.maxclients_seen = x->stats.clients;
    link->ready = client_ready;
    link->cookie = c;
    client__interest(c);
    return c;
}

void client__close(client *c) {
    if (c->dead) return;
    if (c->call_active && c->call.txn != NULL && !c->exec->stopped) {
        /* A transaction that has begun is finished, whoever has gone. */
        if (c->conn != NULL) c->conn->ops->close(c->conn);
        c->conn = NULL;
        return;
    }
    c->dead = true;
    dispatch__cancel(c);
    list_remove(&c->link);
    list_push_back(&c->exec->dead, &c->link);
    list_remove(&c->out_link);
    list_remove(&c->gated_link);
    if (c->conn != NULL) {
        c->conn->ops->close(c->conn);
        c->conn = NULL;
    }
}

void client__free(client *c) {
    multi__discard(c);
    multi__unwatch_all(c);
    resp_parser_deinit(&c->parser);
    buf_free(&c->query);
    buf_free(&c->ahead);
    client__free_output(c);
    mem_free(c->args);
    mem_free(c->name);
    mem_free(c->lib_name);
    mem_free(c->lib_ver);
    list_remove(&c->link);
    assert(c->background || c->exec->stats.clients > 0);
    if (!c->background) c->exec->stats.clients--;
    mem_free(c);
}

/* Clients are freed here only, at the end of a turn, so that no handler meets a freed one. */
bool client__free_dead(exec *x) {
    for (list *n = x->dead.next; n != &x->dead;) {
        client *c = LIST_ENTRY(n, client, link);
        n = n->next;
        if (!c->in_process) client__free(c);
    }
    return !list_empty(&x->dead);
}

/* ---- input ------------------------------------------------------------------------------------ */

static size_t gated_bytes(const client *c) {
    return c->gates_n == 0 ? 0 : client__unsent(c);
}

/* Reads while nothing waits and not too much is held; writes while the socket is full. */
void client__interest(client *c) {
    if (c->dead || c->conn == NULL) return;
    bool reading = (c->state == CLIENT_READY && gated_bytes(c) <= GATED_PAUSE_BYTES) ||
                   c->close_after ||
                   (c->state == CLIENT_PARKED && c->blocked != NULL && c->ahead.n < QUERY_READ_BYTES);
    if (c->read_ended) reading = false;
    unsigned mask = (reading ? LOOP_READ : 0u) | (c->write_wanted ? LOOP_WRITE : 0u);
    if (mask == c->interest) return;
    c->interest = mask;
    c->conn->ops->interest(c->conn, mask);
}

/* The client has said all that it will. What it is owed still leaves: a reply may wait for the store,
 * and `printf ... | nc` ends its side at once. */
static void end_of_input(client *c) {
    if (client__unsent(c) == 0) {
        client__close(c);
        return;
    }
    c->read_ended = c->close_after = true;
    client__interest(c);
}

/* Reads once; false when there is nothing more now. */
static bool read_more(client *c) {
    exec *x = c->exec;
    size_t want = QUERY_READ_BYTES;
    size_t missing = resp_want(&c->parser, slice_make(c->query.p + c->query_pos,
                                                      c->query.n - c->query_pos));
    if (missing > want) want = missing;
    if (c->query.n + want > (size_t)x->deps.config->query_buffer_limit + QUERY_READ_BYTES) {
        log_line(x->deps.log, LOG_WARNING, "Closing client that reached max query buffer length");
        client__close(c);
        return false;
    }
    if (buf_try_reserve(&c->query, want) != OK) {
        client__close(c);
        return false;
    }
    size_t room = c->query.cap - c->query.n;
    if (room > QUERY_READ_MAX) room = QUERY_READ_MAX;
    long n = c->conn->ops->read(c->conn, c->query.p + c->query.n, room);
    x->stats.reads++;
    if (n == ERR_AGAIN) return false;
    if (n == 0) {
        end_of_input(c);
        return false;
    }
    if (n < 0) {
        client__close(c);
        return false;
    }
    c->query.n += (size_t)n;
    x->stats.input_bytes += (uint64_t)n;
    c->active_us = x->now_us;
    return (size_t)n == room;
}

static void protocol_error(client *c) {
    buf line = BUF_INIT;
    buf_printf(&line, "ERR %s", c->parser.error);
    resp_error_slice(&c->out, slice_of(&line));
    buf_free(&line);
    c->exec->stats.client_closed_protocol++;
    c->close_after = true;
    client__queue_out(c);
}

static void query_consumed(client *c) {
    if (c->query_pos == 0) return;
    if (c->query_pos == c->query.n) {
        c->query.n = 0;
        if (c->query.cap > QUERY_KEEP_BYTES) exec__free_aside(c->exec, &c->query);
    } else {
        buf_consume(&c->query, c->query_pos);
    }
    c->query_pos = 0;
}

void client__trim(client *c) {
    if (c->state != CLIENT_READY || c->in_process || c->batch_next < c->batch_n) return;
    if (c->query.n == 0 && c->query.cap > 0) {
        buf_free(&c->query);
        resp_parser_trim(&c->parser);
        mem_free(c->args);
        c->args = NULL;
        c->args_n = c->args_cap = 0;
        c->batch_n = c->batch_next = 0;
    }
    client__trim_output(c);
}

bool client__turn_is_over(const exec *x) {
    uint64_t until = x->go_on_until_us != 0 ? x->go_on_until_us : loop_now_us(x->deps.loop) + TURN_REQUESTS_US;
    return x->now_us >= until;
}

/* The rest of its requests would make the turn too long: there is a rest, and no other list knows the client. */
static bool has_to_stop(const client *c) {
    return client__turn_is_over(c->exec) && c->state == CLIENT_READY && !c->dead &&
           (c->batch_next < c->batch_n || c->query_pos < c->query.n) && list_empty(&c->wait_link);
}

/* Runs requests until the buffer is empty, one has to wait, or the turn has taken long. */
void client__process(client *c) {
    if (c->in_process) return; /* A resumed call ended inside its own processing. */
    c->in_process = true;
    while (!c->dead && !c->close_after && c->state == CLIENT_READY) {
        if (c->batch_next == c->batch_n) {
            if (c->bad_protocol) {
                protocol_error(c);
                break;
            }
            arrive__parse(c);
            if (c->batch_n == 0) {
                if (c->bad_protocol) continue;
                break;
            }
            if (c->batch_n > 1) arrive__look_ahead(&c, 1);
        }
        struct request *r = &c->batch[c->batch_next];
        if (dispatch__request(c, r)) c->batch_next++;
        if (has_to_stop(c)) {
            block__go_on_later(c);
            break;
        }
    }
    if (!c->dead && c->batch_next == c->batch_n) query_consumed(c);
    c->in_process = false;
    if (client__unsent(c) > 0 || c->close_after) client__queue_out(c);
}

/* While a client waits for keys its query buffer stands still; but that it goes away must be seen, or
 * it would be given what nobody reads. */
static void read_ahead(client *c) {
    buf_reserve(&c->ahead, QUERY_READ_BYTES);
    long n = c->conn->ops->read(c->conn, c->ahead.p + c->ahead.n, c->ahead.cap - c->ahead.n);
    c->exec->stats.reads++;
    if (n == ERR_AGAIN) return;
    if (n <= 0) {
        client__close(c);
        return;
    }
    c->ahead.n += (size_t)n;
    c->exec->stats.input_bytes += (uint64_t)n;
    client__interest(c);
}

static void client_ready(void *cookie, unsigned ready) {
    client *c = cookie;
    exec__refresh_time(c->exec);
    block__process_first(c);
    if ((ready & LOOP_WRITE) != 0) client__flush(c);
    /* The flush may have met the end: of the client, or of its connection under a transaction. */
    if (c->dead || c->conn == NULL || (ready & LOOP_READ) == 0) return;
    if (c->state == CLIENT_READY && !list_empty(&c->wait_link)) return; /* It has requests that wait for their turn. */
    if (c->close_after) { /* What still comes is thrown away until the reply has left. */
        char sink[4096];
        long n = c->conn->ops->read(c->conn, sink, sizeof(sink));
        if (n <= 0 && n != ERR_AGAIN) client__close(c);
        return;
    }
    if (c->state == CLIENT_PARKED && c->blocked != NULL) {
        read_ahead(c);
        return;
    }
    client__interest(c);
    if ((c->interest & LOOP_READ) == 0) return;
    uint64_t until = c->exec->stats.input_bytes + READ_BYTES_PER_EVENT;
    while (!c->dead && c->state == CLIENT_READY && c->exec->stats.input_bytes < until) {
        bool more = read_more(c);
        if (c->dead) return;
        if (!more && arrive__later(c)) break;
        client__process(c);
        if (!more || !list_empty(&c->wait_link)) break;
    }
}
