/* inner_client.c -- writes commands as RESP, reads replies as RESP2. What it reads was written by this same
 * process: a reply that cannot be read ends the connection. */
#include "inner_client.h"

#include "base/mem.h"
#include "base/num.h"
#include "resp/write.h"

#define READ_BYTES (64u << 10)
#define DEPTH_MAX 4

struct asked {
    inner_done *done;
    void *cookie;
};

struct inner_client {
    conn *c;
    buf out, in;
    size_t sent;
    struct asked *asked; /* a ring */
    size_t first, n, cap;
    bool ended;
};

struct parsed { /* replies of one answer, in one run; items are indices until it does not move any more */
    struct inner_reply *at;
    size_t n, cap;
};

static size_t add(struct parsed *p, size_t n) {
    size_t first = p->n;
    if (p->n + n > p->cap) {
        p->cap = (p->n + n) * 2;
        p->at = mem_realloc(p->at, p->cap * sizeof(*p->at));
    }
    memset(p->at + first, 0, n * sizeof(*p->at));
    p->n += n;
    return first;
}

/* OK; ERR_AGAIN: not whole yet; ERR_CORRUPT. */
static int parse(struct parsed *p, size_t at, reader *r, unsigned depth) {
    const uint8_t *end = memchr(r->p, '\n', reader_left(r));
    if (end == NULL) return ERR_AGAIN;
    slice line = slice_make(r->p, (size_t)(end - r->p));
    if (line.n < 2 || line.p[line.n - 1] != '\r') return ERR_CORRUPT;
    char kind = (char)line.p[0];
    slice rest = slice_make(line.p + 1, line.n - 2);
    int64_t num = 0;
    r->p = end + 1;
    p->at[at].kind = kind;
    if (kind == '+' || kind == '-') {
        p->at[at].text = rest;
        return OK;
    }
    if (!num_parse_ll(rest, &num)) return ERR_CORRUPT;
    p->at[at].num = num;
    if (kind == ':') return OK;
    if (kind != '$' && kind != '*') return ERR_CORRUPT;
    if (num < 0) {
        p->at[at].kind = 0;
        return OK;
    }
    if (kind == '$') {
        if (reader_left(r) < 2 || (uint64_t)num > reader_left(r) - 2) return ERR_AGAIN;
        p->at[at].text = read_raw(r, (size_t)num);
        (void)read_raw(r, 2);
        return OK;
    }
    if (depth == DEPTH_MAX || (uint64_t)num > UINT32_MAX) return ERR_CORRUPT;
    if ((uint64_t)num > reader_left(r)) return ERR_AGAIN; /* An item has a byte at least. */
    size_t first = add(p, (size_t)num);
    p->at[at].count = (size_t)num;
    p->at[at].num = (int64_t)first;
    for (size_t i = 0; i < (size_t)num; i++) {
        int rc = parse(p, first + i, r, depth + 1);
        if (rc != OK) return rc;
    }
    return OK;
}

static struct asked next_asked(inner_client *i) {
    struct asked a = i->asked[i->first];
    i->first = (i->first + 1) % i->cap;
    i->n--;
    return a;
}

static void end(inner_client *i) {
    if (i->ended) return;
    i->ended = true;
    i->c->ops->interest(i->c, 0);
    while (i->n > 0) {
        struct asked a = next_asked(i);
        a.done(a.cookie, NULL);
    }
}

/* Answers what has come whole. */
static void answer(inner_client *i) {
    struct parsed p = {NULL, 0, 0};
    reader r = reader_make(slice_of(&i->in));
    int rc = OK;
    while (rc == OK && i->n > 0 && reader_left(&r) > 0) {
        const uint8_t *start = r.p;
        p.n = 0;
        size_t root = add(&p, 1);
        rc = parse(&p, root, &r, 0);
        if (rc != OK) {
            r.p = start;
            break;
        }
        for (size_t k = 0; k < p.n; k++)
            if (p.at[k].kind == '*') p.at[k].items = p.at + p.at[k].num;
        struct asked a = next_asked(i);
        a.done(a.cookie, &p.at[root]);
    }
    mem_free(p.at);
    buf_consume(&i->in, (size_t)(r.p - i->in.p));
    if (rc == ERR_CORRUPT) end(i);
}

static void ready(void *cookie, unsigned mask);

static void flush(inner_client *i) {
    while (!i->ended && i->sent < i->out.n) {
        struct iovec v = {i->out.p + i->sent, i->out.n - i->sent};
        long n = i->c->ops->writev(i->c, &v, 1);
        if (n == ERR_AGAIN) break;
        if (n <= 0) {
            end(i);
            return;
        }
        i->sent += (size_t)n;
    }
    if (i->sent == i->out.n) i->out.n = i->sent = 0;
    if (!i->ended) i->c->ops->interest(i->c, LOOP_READ | (i->out.n > 0 ? LOOP_WRITE : 0));
}

static void ready(void *cookie, unsigned mask) {
    inner_client *i = cookie;
    if (mask & LOOP_READ) {
        for (;;) {
            buf_reserve(&i->in, READ_BYTES);
            long n = i->c->ops->read(i->c, i->in.p + i->in.n, i->in.cap - i->in.n);
            if (n == ERR_AGAIN) break;
            if (n <= 0) {
                answer(i);
                end(i);
                return;
            }
            i->in.n += (size_t)n;
        }
        answer(i);
    }
    if (!i->ended) flush(i);
}

inner_client *inner_client_create(conn *c) {
    inner_client *i = mem_calloc(1, sizeof(*i));
    i->c = c;
    c->ready = ready;
    c->cookie = i;
    c->ops->interest(c, LOOP_READ);
    return i;
}

void inner_client_free(inner_client *i) {
    if (i == NULL) return;
    i->c->ops->close(i->c);
    buf_free(&i->out);
    buf_free(&i->in);
    mem_free(i->asked);
    mem_free(i);
}

void inner_client_send(inner_client *i, const slice *argv, size_t argc, inner_done *done, void *cookie) {
    if (i->n == i->cap) {
        size_t cap = i->cap == 0 ? 64 : i->cap * 2;
        struct asked *wide = mem_alloc(cap * sizeof(*wide));
        for (size_t k = 0; k < i->n; k++) wide[k] = i->asked[(i->first + k) % i->cap];
        mem_free(i->asked);
        i->asked = wide;
        i->first = 0;
        i->cap = cap;
    }
    i->asked[(i->first + i->n++) % i->cap] = (struct asked){done, cookie};
    resp_array(&i->out, argc);
    for (size_t k = 0; k < argc; k++) resp_bulk(&i->out, argv[k]);
    /* Written when the loop says so: done() never runs inside. */
    if (!i->ended) i->c->ops->interest(i->c, LOOP_READ | LOOP_WRITE);
}

size_t inner_client_waiting(const inner_client *i) { return i->n; }
size_t inner_client_unsent(const inner_client *i) { return i->out.n - i->sent; }
