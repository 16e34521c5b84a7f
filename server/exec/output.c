/* output.c -- a client's replies: they leave behind durability gates, so many bytes a turn.
 *
 *      sent | pieces, whole buffers that a command has filled | out, to which all others write
 *           ^ the first's out_sent                            ^ out_base
 *
 * Invariants
 *  1. Bytes leave in the order of the requests; no byte from a closed gate's offset on leaves before
 *     the gate's LSN is durable at the client's level.
 *  2. Gates stand in rising order of offset and of LSN: a reply behind a higher one needs none.
 *  3. No byte leaves after the process was stopped, until the tier knows that the store is still ours.
 *
 * Why pieces: a reply of a gigabyte in one buffer is moved when it grows, and takes a turn of its own to be freed. */
#include <assert.h>

#include "base/mem.h"
#include "exec/exec_internal.h"

#define PIECE_BYTES_MIN 4096 /* Less than that is copied to out. */
#define FLUSH_IOVECS 8
#define FLUSH_SMALL_BYTES ((size_t)16 << 10) /* Sent together with others': a million bytes at most. */
#define FLUSH_TURN_BYTES ((size_t)256 << 10) /* One client's in a turn: a tenth of a millisecond and more. */

void client__queue_out(client *c) {
    if (!c->dead && list_empty(&c->out_link)) list_push_back(&c->exec->out_pending, &c->out_link);
}

/* ---- gates ------------------------------------------------------------------------------------ */

uint64_t client__gate_lsn(const client *c) {
    if (c->gates_n == 0) return 0;
    return c->gates[(c->gates_head + c->gates_n - 1) % GATES_MAX].lsn;
}

void client__add_gate(client *c, uint64_t from, uint64_t lsn) {
    if (lsn <= client__gate_lsn(c)) return; /* Behind a higher gate already. */
    tier_want_durable(c->exec->deps.tier, lsn);
    if (c->gates == NULL) c->gates = mem_alloc(GATES_MAX * sizeof(*c->gates));
    if (c->gates_n == GATES_MAX) { /* Later than needed is safe. */
        c->gates[(c->gates_head + GATES_MAX - 1) % GATES_MAX].lsn = lsn;
        return;
    }
    assert(c->gates_n == 0 ||
           c->gates[(c->gates_head + c->gates_n - 1) % GATES_MAX].from <= from);
    c->gates[(c->gates_head + c->gates_n) % GATES_MAX] = (struct gate){from, lsn};
    c->gates_n++;
    if (list_empty(&c->gated_link)) list_push_back(&c->exec->gated, &c->gated_link);
}

/* Opens what is durable; returns how many bytes may leave now. */
static size_t open_gates(client *c) {
    uint64_t durable = tier_durable(c->exec->deps.tier, c->ack);
    while (c->gates_n > 0 && c->gates[c->gates_head].lsn <= durable) {
        c->gates_head = (c->gates_head + 1) % GATES_MAX;
        c->gates_n--;
    }
    size_t unsent = client__unsent(c);
    if (c->gates_n == 0) {
        list_remove(&c->gated_link);
        return unsent;
    }
    uint64_t sent = client__out_end(c) - unsent;
    assert(c->gates[c->gates_head].from >= sent);
    return (size_t)(c->gates[c->gates_head].from - sent);
}

/* ---- pieces ----------------------------------------------------------------------------------- */

static void push_piece(client *c, buf *b) {
    struct piece *p = mem_alloc(sizeof(*p));
    p->bytes = *b;
    *b = BUF_INIT;
    list_push_back(&c->pieces, &p->link);
    c->pieces_bytes += p->bytes.n;
    c->out_base += p->bytes.n;
}

static void drop_piece(client *c, struct piece *p) {
    c->pieces_bytes -= p->bytes.n;
    list_remove(&p->link);
    buf_free(&p->bytes);
    mem_free(p);
}

void client__append(client *c, buf *whole) {
    if (whole->n < PIECE_BYTES_MIN) {
        buf_append_slice(&c->out, slice_of(whole));
        buf_free(whole);
        return;
    }
    if (c->out.n > 0) push_piece(c, &c->out);
    push_piece(c, whole);
}

/* A reply that came in pieces begins with one. */
void client__cut(client *c, uint64_t end) {
    while (c->out_base > end) {
        struct piece *last = LIST_ENTRY(c->pieces.prev, struct piece, link);
        assert(!list_empty(&c->pieces) && c->out_base - last->bytes.n >= end);
        c->out_base -= last->bytes.n;
        c->out.n = 0;
        drop_piece(c, last);
    }
    c->out.n = (size_t)(end - c->out_base);
}

void client__free_output(client *c) {
    while (!list_empty(&c->pieces)) drop_piece(c, LIST_ENTRY(c->pieces.next, struct piece, link));
    buf_free(&c->out);
    mem_free(c->gates);
}

void client__trim_output(client *c) {
    if (c->out.n == 0 && c->out.cap > 0) buf_free(&c->out);
    if (c->gates_n > 0) return;
    mem_free(c->gates);
    c->gates = NULL;
    c->gates_head = 0;
}

/* ---- sending ---------------------------------------------------------------------------------- */

static void out_consumed(client *c) {
    while (!list_empty(&c->pieces)) {
        struct piece *first = LIST_ENTRY(c->pieces.next, struct piece, link);
        if (c->out_sent < first->bytes.n) return;
        c->out_sent -= first->bytes.n;
        drop_piece(c, first);
    }
    if (c->out_sent < c->out.n) {
        /* What is left is moved once for each time that it has halved. */
        if (c->out_sent < OUT_KEEP_BYTES || c->out_sent < c->out.n / 2) return;
        buf_consume(&c->out, c->out_sent);
        c->out_base += c->out_sent;
    } else {
        c->out_base += c->out.n;
        c->out.n = 0;
        if (c->out.cap > OUT_KEEP_BYTES) exec__free_aside(c->exec, &c->out);
    }
    c->out_sent = 0;
}

/* At most `most` of what is unsent. */
static int gather(client *c, size_t most, struct iovec v[FLUSH_IOVECS]) {
    size_t skip = c->out_sent;
    int n = 0;
    for (list *l = c->pieces.next; n < FLUSH_IOVECS && most > 0; l = l->next) {
        const buf *b = l == &c->pieces ? &c->out : &LIST_ENTRY(l, struct piece, link)->bytes;
        size_t part = b->n - skip < most ? b->n - skip : most;
        if (part > 0) v[n++] = (struct iovec){b->p + skip, part};
        most -= part;
        skip = 0;
        if (l == &c->pieces) break;
    }
    return n;
}

/* OK: all that may leave now has left; ERR_AGAIN: the rest follows when the socket takes it, or in the next turn. */
static int send_some(client *c) {
    size_t may = c->gates_n > 0 ? open_gates(c) : client__unsent(c), turn = FLUSH_TURN_BYTES;
    while (may > 0) {
        struct iovec v[FLUSH_IOVECS];
        if (turn == 0) return ERR_AGAIN;
        int count = gather(c, may < turn ? may : turn, v);
        long n = c->conn->ops->writev(c->conn, v, count);
        c->exec->stats.writes++;
        if (n == ERR_AGAIN) return ERR_AGAIN;
        if (n <= 0) return ERR_IO;
        c->out_sent += (size_t)n;
        may -= (size_t)n;
        turn -= (size_t)n;
        c->exec->stats.output_bytes += (uint64_t)n;
        if (!list_empty(&c->pieces)) out_consumed(c);
    }
    return OK;
}

static void flushed(client *c, int rc) {
    if (rc == ERR_IO) {
        client__close(c);
        return;
    }
    if (rc == OK) out_consumed(c);
    c->write_wanted = rc == ERR_AGAIN;
    client__interest(c);
    if (c->close_after && client__unsent(c) == 0) client__close(c);
}

void client__flush(client *c) {
    if (c->dead || c->conn == NULL) return;
    if (!tier_may_answer(c->exec->deps.tier)) {
        c->write_wanted = false;
        client__interest(c);
        client__queue_out(c);
        return;
    }
    flushed(c, send_some(c));
}

/* All that may leave now lies in one place, and is not much. */
static bool has_one_part(client *c, struct iovec *part) {
    if (c->dead || c->conn == NULL || !list_empty(&c->pieces)) return false;
    size_t may = c->gates_n > 0 ? open_gates(c) : client__unsent(c);
    *part = (struct iovec){c->out.p + c->out_sent, may};
    return may > 0 && may <= FLUSH_SMALL_BYTES;
}

/* One client's replies that come while another's are sent wait for their turn: the bytes do not move before. */
size_t client__flush_many(list *pending) {
    struct conn_write w[CONN_WRITES_MAX];
    client *who[CONN_WRITES_MAX];
    size_t n = 0;
    while (n < CONN_WRITES_MAX && !list_empty(pending)) {
        client *c = LIST_ENTRY(pending->next, client, out_link);
        if (!has_one_part(c, &w[n].part)) break;
        list_remove(&c->out_link);
        w[n].c = c->conn;
        who[n++] = c;
    }
    if (n > 0) conn_write_many(w, n);
    for (size_t i = 0; i < n; i++) {
        client *c = who[i];
        c->exec->stats.writes++;
        if (c->dead || c->conn == NULL) continue;
        if (w[i].result > 0) {
            c->out_sent += (size_t)w[i].result;
            c->exec->stats.output_bytes += (uint64_t)w[i].result;
        }
        bool all = w[i].result == (long)w[i].part.iov_len;
        flushed(c, all ? OK : w[i].result > 0 || w[i].result == ERR_AGAIN ? ERR_AGAIN : ERR_IO);
    }
    return n;
}
