/* read.c -- locations become bytes: pack table, footer, range read, checksum, unpacking.
 *
 *   queued -> footer (if it is not in memory) -> slot, from the local disk or the store -> a worker
 *   checks and unpacks (the store's own that has read it, if it has such) -> done
 *
 * Where a request costs something, a footer comes with what lies before it, up to what the request costs: the roots of
 * what a checkpoint wrote, which are what is asked for first. And the first read of all asks for the footers of the
 * newest packs too, so that those that follow need not wait for them.
 *
 * Where memory does not hold all footers, only the slot's line of it may be read (packs_line_alone). That
 * line has no checksum of its own: if it, or what it leads to, is not right, the whole footer is asked.
 *
 * Where a request costs something, what one turn of the loop asks for waits for its end (read_pump):
 * slots of one pack that lie close together are one request. If it fails, each is read alone.
 *
 * Damaged bytes are read again from the store; damaged there too: ERR_CORRUPT, which names the object
 * in the log and never turns into an empty answer. A pack may be rewritten under another name meanwhile
 * (compact.c): when the old object is gone, the read begins again with the new one. */
#include <stdlib.h>

#include "tier/tier_internal.h"

#define READ_ATTEMPTS 4
#define READ_HEDGE_MS 100
#define READ_GAP_BYTES (32u << 10)   /* read in vain rather than asked for apart: < 1 ms at 50 MB/s */
#define READ_SPAN_BYTES (1u << 20)   /* of one request for several slots */
#define FOOTERS_AHEAD_MAX 128        /* of 16 MB: about 2 GB, for 0.00005 dollars */

struct part {
    struct read_op *op;
    location at;             /* 0: there is no such part */
    struct pack_line line;   /* a copy: the table may change meanwhile */
    uint64_t offset;
    uint32_t bytes, crc;
    buf stored, raw;
    unsigned attempts;
    bool cached;             /* `stored` came from the local disk */
    bool bad;                /* the worker found it damaged */
    bool unpacked;           /* `raw`, `bad` and unpack_rc tell about `stored` */
    int unpack_rc;           /* other than ERR_CORRUPT */
    bool waiting;            /* for the footer */
    bool alone;              /* offset, bytes and crc are from a line that was read by itself */
    bool whole;              /* that went wrong: from the whole footer only */
    list node;               /* in pack.waiting, or in tier.reads_ready */
};

struct span { /* slots that one request reads */
    uint64_t offset, end;
    size_t count;
    struct part *parts[];
};

struct read_op {
    tier *t;
    list node;               /* in tier.reads or tier.reads_queue */
    struct part part[2];
    unsigned left;           /* parts whose stored bytes are to come */
    int rc;
    read_done *done;
    void *cookie;
    timer *later;
    job unpack;
};

static void read_begin(void *cookie);
static void part_footer(struct part *p);
static void footer_get(tier *t, struct pack *k, uint64_t before);
static void footers_ahead(tier *t);
static void footer_got(io *o);
static void part_line(struct part *p, const struct pack *k);
static void part_got_line(io *o);
static void part_place(struct part *p);
static void part_slot(struct part *p, uint64_t from, slice have);
static void part_take(struct part *p, const uint8_t *stored);
static void part_ready(struct part *p);
static void part_send(struct part *p);
static void span_got(io *o);
static void part_got_cached(void *cookie, int rc, slice stored);
static void part_unpack_work(obj_req *r);
static void part_got_slot(io *o);
static void part_settled(struct part *p, int rc);
static void read_unpack_work(job *j);
static void read_unpack_done(job *j);
static void read_unpacked(struct read_op *op);
static void read_end(struct read_op *op);

static void read_free(struct read_op *op) {
    if (op->later != NULL) loop_timer_cancel(op->t->loop, op->later);
    list_remove(&op->node);
    for (int i = 0; i < 2; i++) {
        list_remove(&op->part[i].node);
        buf_free(&op->part[i].stored);
        buf_free(&op->part[i].raw);
    }
    mem_free(op);
}

void read_start(tier *t, location base, location delta, read_done *done, void *cookie) {
    assert(base != 0);
    struct read_op *op = mem_calloc(1, sizeof(*op));
    op->t = t;
    op->done = done;
    op->cookie = cookie;
    op->part[0].at = base;
    op->part[1].at = delta;
    for (int i = 0; i < 2; i++) {
        op->part[i].op = op;
        list_init(&op->part[i].node);
    }
    list_push_back(&t->reads_queue, &op->node);
    if (t->reads_in_flight < t->reads_max) read_begin(op);
}

static void read_begin(void *cookie) {
    struct read_op *op = cookie;
    tier *t = op->t;
    list_remove(&op->node);
    list_push_back(&t->reads, &op->node);
    t->reads_in_flight++;
    op->left = op->part[1].at != 0 ? 2 : 1;
    unsigned parts = op->left;
    for (unsigned i = 0; i < parts; i++) part_footer(&op->part[i]);
}

static struct pack *part_pack(struct part *p) {
    return packs_find(&p->op->t->packs, location_pack(p->at));
}

static void part_footer(struct part *p) {
    tier *t = p->op->t;
    struct pack *k = part_pack(p);
    if (k == NULL) {
        log_line(t->logger, LOG_WARNING, "pack %u is not in the table", location_pack(p->at));
        part_settled(p, ERR_CORRUPT);
        return;
    }
    if (k->footer.n > 0) {
        packs_touch(&t->packs, k);
        part_slot(p, 0, slice_make(NULL, 0));
        return;
    }
    p->alone = !p->whole && location_slot(p->at) < k->line.slots &&
               packs_line_alone(&t->packs, k);
    if (p->alone) {
        part_line(p, k);
        return;
    }
    list_push_back(&k->waiting, &p->node);
    p->waiting = true;
    if (k->fetching) return;
    p->attempts++;
    footer_get(t, k, t->reads_merge ? t->packs.request_bytes : 0);
    footers_ahead(t);
}

static void footer_get(tier *t, struct pack *k, uint64_t before) {
    uint64_t slots = k->line.footer_offset - PACK_HEADER_BYTES;
    k->fetching = true;
    io *o = io_create(t, OBJ_GET, k->line.name, footer_got, k);
    o->req.offset = k->line.footer_offset - (before < slots ? before : slots);
    o->req.length = k->line.bytes - o->req.offset;
    if (t->s3) o->req.hedge_ms = READ_HEDGE_MS;
    io_send(o, IO_TRIES);
}

static void footers_ahead(tier *t) {
    struct packs *p = &t->packs;
    size_t room = p->footer_bytes < p->footer_bytes_max ? p->footer_bytes_max - p->footer_bytes : 0, n = 0;
    if (t->footers_asked || !t->reads_merge) return;
    t->footers_asked = true;
    for (size_t i = p->count; i > 0 && n < FOOTERS_AHEAD_MAX; i--) {
        struct pack *k = p->at[i - 1];
        size_t bytes = (size_t)k->line.slots * PACK_LINE_BYTES;
        if (k->footer.n > 0 || k->fetching || bytes > room) continue;
        room -= bytes;
        footer_get(t, k, 0);
        n++;
    }
}

/* The footer, and behind it in `before` what lies before it in the pack. */
static int footer_take(tier *t, struct pack *k, io *o, buf *before) {
    uint64_t n = k->line.footer_offset - o->req.offset;
    if (o->req.out.n <= n) return ERR_CORRUPT;
    slice footer = slice_make(o->req.out.p + n, o->req.out.n - (size_t)n);
    int rc = pack_footer_check(&k->line, footer);
    if (rc != OK) return rc;
    buf alone = BUF_INIT;
    buf_append_slice(&alone, footer);
    o->req.out.n = (size_t)n;
    *before = o->req.out;
    o->req.out = BUF_INIT;
    t->stats.footers_read++;
    packs_keep_footer(&t->packs, k, &alone);
    return OK;
}

static void footer_got(io *o) {
    tier *t = o->t;
    struct pack *k = o->cookie;
    int rc = o->req.rc;
    buf before = BUF_INIT;
    k->fetching = false;
    if (rc == OK) rc = footer_take(t, k, o, &before);
    if (rc == ERR_NOTFOUND) rc = ERR_CORRUPT;
    list *n, ready;
    list_init(&ready);
    while ((n = list_first(&k->waiting)) != NULL) {
        list_remove(n);
        list_push_back(&ready, n);
    }
    while ((n = list_first(&ready)) != NULL) {
        struct part *p = LIST_ENTRY(n, struct part, node);
        list_remove(n);
        p->waiting = false;
        if (rc == OK) {
            part_slot(p, o->req.offset, slice_of(&before));
        } else if (rc == ERR_CORRUPT && p->attempts < READ_ATTEMPTS) {
            if (p->attempts == 0) p->attempts = 1;
            part_footer(p); /* one of them reads it again */
        } else {
            if (rc == ERR_CORRUPT)
                (void)corrupt(t->logger, "footer", k->line.name, k->line.footer_offset);
            part_settled(p, rc);
        }
    }
    buf_free(&before);
}

static void part_line(struct part *p, const struct pack *k) {
    tier *t = p->op->t;
    p->line = k->line;
    p->attempts = 0;
    io *o = io_create(t, OBJ_GET, p->line.name, part_got_line, p);
    o->req.offset = p->line.footer_offset + (uint64_t)location_slot(p->at) * PACK_LINE_BYTES;
    o->req.length = PACK_LINE_BYTES;
    if (t->s3) o->req.hedge_ms = READ_HEDGE_MS;
    io_send(o, IO_TRIES);
}

static void part_got_line(io *o) {
    struct part *p = o->cookie;
    int rc = o->req.rc;
    if (rc == OK) {
        o->t->stats.footer_lines_read++;
        rc = pack_footer_line(&p->line, slice_of(&o->req.out), &p->offset, &p->bytes, &p->crc);
    }
    if (rc == OK) {
        part_place(p);
    } else if (rc == ERR_CORRUPT || rc == ERR_NOTFOUND) {
        p->whole = true;
        part_footer(p);
    } else {
        part_settled(p, rc);
    }
}

/* have: bytes of the pack from there on, which may hold the slot. */
static void part_slot(struct part *p, uint64_t from, slice have) {
    tier *t = p->op->t;
    struct pack *k = part_pack(p);
    assert(k != NULL && k->footer.n > 0);
    p->alone = false;
    p->line = k->line;
    p->attempts = 0;
    int rc = pack_slot(&k->line, slice_of(&k->footer), location_slot(p->at), &p->offset,
                       &p->bytes, &p->crc);
    if (rc != OK) {
        log_line(t->logger, LOG_WARNING, "%s has no slot %u", k->line.name, location_slot(p->at));
        part_settled(p, rc);
        return;
    }
    if (p->offset < from || p->offset - from > have.n || p->bytes > have.n - (p->offset - from)) part_place(p);
    else part_take(p, have.p + (p->offset - from));
}

/* It came with others: checked, and unpacked, like them. */
static void part_take(struct part *p, const uint8_t *stored) {
    p->attempts++;
    p->cached = p->unpacked = false;
    buf_append(&p->stored, stored, p->bytes);
    p->op->t->stats.slots_read++;
    part_settled(p, OK);
}

/* Where the slot lies is known. */
static void part_place(struct part *p) {
    tier *t = p->op->t;
    if (!cache_get(t, &p->line, location_slot(p->at), p->bytes, p->crc, part_got_cached, p))
        part_ready(p);
}

static void part_ready(struct part *p) {
    tier *t = p->op->t;
    if (t->reads_merge) list_push_back(&t->reads_ready, &p->node);
    else part_send(p);
}

static void part_send(struct part *p) {
    tier *t = p->op->t;
    p->attempts++;
    p->cached = p->unpacked = false;
    io *o = io_create(t, OBJ_GET, p->line.name, part_got_slot, p);
    o->req.work = part_unpack_work;
    o->req.offset = p->offset;
    o->req.length = p->bytes;
    if (t->s3) o->req.hedge_ms = READ_HEDGE_MS;
    io_send(o, IO_TRIES);
}

static void part_got_cached(void *cookie, int rc, slice stored) {
    struct part *p = cookie;
    if (rc != OK) {
        part_ready(p);
        return;
    }
    p->cached = true;
    buf_append_slice(&p->stored, stored);
    p->op->t->stats.slots_read_cache++;
    part_settled(p, OK);
}

static void part_unpack(struct part *p, slice stored) {
    p->raw.n = 0;
    p->bad = false;
    p->unpack_rc = OK;
    int rc = stored.n == p->bytes ? pack_slot_unpack(stored, p->crc, &p->raw) : ERR_CORRUPT;
    if (rc == ERR_CORRUPT) p->bad = true;
    else p->unpack_rc = rc;
}

/* On a thread of the store's. */
static void part_unpack_work(obj_req *r) {
    io *o = r->cookie;
    part_unpack(o->cookie, slice_of(&r->out));
}

static void part_got_slot(io *o) {
    struct part *p = o->cookie;
    int rc = o->req.rc;
    struct pack *k = rc == ERR_NOTFOUND ? part_pack(p) : NULL;
    if (k != NULL && strcmp(k->line.name, p->line.name) != 0) {
        part_footer(p);
        return;
    }
    if (rc == OK) {
        p->stored = o->req.out;
        o->req.out = BUF_INIT;
        p->unpacked = o->req.worked;
        o->t->stats.slots_read++;
    }
    part_settled(p, rc == ERR_NOTFOUND ? ERR_CORRUPT : rc);
}

static void part_settled(struct part *p, int rc) {
    struct read_op *op = p->op;
    assert(op->left > 0);
    if (rc != OK && op->rc == OK) op->rc = rc;
    if (--op->left > 0) return;
    /* All from a thread of the store's: this is a later turn than start(), and nothing is left to do
     * for a worker. */
    bool unpacked = op->rc == OK;
    for (int i = 0; i < 2; i++)
        if (op->part[i].at != 0 && !op->part[i].unpacked) unpacked = false;
    if (unpacked) {
        read_unpacked(op);
        return;
    }
    op->unpack.work = read_unpack_work;
    op->unpack.done = read_unpack_done;
    tier_job(op->t, &op->unpack); /* With an error too: done() is never called inside start(). */
}

static void read_unpack_work(job *j) {
    struct read_op *op = LIST_ENTRY(j, struct read_op, unpack);
    if (op->rc != OK) return;
    for (int i = 0; i < 2; i++)
        if (op->part[i].at != 0 && !op->part[i].unpacked)
            part_unpack(&op->part[i], slice_of(&op->part[i].stored));
}

static void read_unpack_done(job *j) {
    struct read_op *op = LIST_ENTRY(j, struct read_op, unpack);
    if (tier_job_done(op->t)) read_unpacked(op);
}

static void read_unpacked(struct read_op *op) {
    tier *t = op->t;
    bool again[2] = {false, false};
    for (int i = 0; i < 2 && op->rc == OK; i++) {
        struct part *p = &op->part[i];
        if (p->at == 0) continue;
        if (p->unpack_rc != OK) op->rc = p->unpack_rc;
        if (!p->bad) continue;
        t->stats.slots_corrupt++;
        if (p->attempts >= READ_ATTEMPTS)
            op->rc = corrupt(t->logger, "slot", p->line.name, p->offset);
        else
            again[i] = true;
    }
    if (op->rc == OK && (again[0] || again[1])) {
        op->left = (unsigned)again[0] + (unsigned)again[1];
        for (int i = 0; i < 2; i++) {
            if (!again[i]) continue;
            buf_free(&op->part[i].stored);
            if (op->part[i].alone) {
                op->part[i].whole = true;
                part_footer(&op->part[i]);
            } else {
                part_send(&op->part[i]);
            }
        }
        return;
    }
    read_end(op);
}

static void read_end(struct read_op *op) {
    tier *t = op->t;
    for (int i = 0; i < 2 && op->rc == OK; i++) {
        struct part *p = &op->part[i];
        if (p->at != 0 && !p->cached)
            cache_put(t, &p->line, location_slot(p->at), slice_of(&p->stored));
    }
    slice base = op->rc == OK ? slice_of(&op->part[0].raw) : slice_make(NULL, 0);
    slice delta = op->rc == OK ? slice_of(&op->part[1].raw) : slice_make(NULL, 0);
    t->reads_in_flight--;
    op->done(op->cookie, op->rc, base, delta);
    read_free(op);
    list *n;
    while (!tier_gone(t) && t->reads_in_flight < t->reads_max &&
           (n = list_first(&t->reads_queue)) != NULL)
        read_begin(LIST_ENTRY(n, struct read_op, node));
}

/* ---- several slots, one request ------------------------------------------------------------------ */

static int part_order(const void *a, const void *b) {
    const struct part *const *x = a, *const *y = b;
    int name = strcmp((*x)->line.name, (*y)->line.name);
    if (name != 0) return name;
    return (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

static void span_send(tier *t, struct part **parts, size_t count, uint64_t end) {
    if (count == 1) {
        part_send(parts[0]);
        return;
    }
    struct span *s = mem_alloc(sizeof(*s) + count * sizeof(struct part *));
    *s = (struct span){.offset = parts[0]->offset, .end = end, .count = count};
    memcpy(s->parts, parts, count * sizeof(struct part *));
    io *o = io_create(t, OBJ_GET, parts[0]->line.name, span_got, s);
    o->owned = s;
    o->req.offset = s->offset;
    o->req.length = s->end - s->offset;
    if (t->s3) o->req.hedge_ms = READ_HEDGE_MS;
    t->stats.reads_merged += count - 1;
    io_send(o, IO_TRIES);
}

void read_pump(tier *t) {
    size_t n = 0;
    LIST_FOR(l, &t->reads_ready) n++;
    if (n == 0) return;
    struct part **parts = mem_alloc(n * sizeof(struct part *));
    for (size_t i = 0; i < n; i++) {
        list *l = list_first(&t->reads_ready);
        list_remove(l);
        parts[i] = LIST_ENTRY(l, struct part, node);
    }
    qsort(parts, n, sizeof(struct part *), part_order);
    for (size_t i = 0, k; i < n; i = k) {
        uint64_t end = parts[i]->offset + parts[i]->bytes;
        for (k = i + 1; k < n; k++) {
            const struct part *p = parts[k];
            uint64_t last = p->offset + p->bytes;
            if (strcmp(p->line.name, parts[i]->line.name) != 0 ||
                p->offset > end + READ_GAP_BYTES || last - parts[i]->offset > READ_SPAN_BYTES)
                break;
            if (last > end) end = last;
        }
        span_send(t, parts + i, k - i, end);
    }
    mem_free(parts);
}

static void span_got(io *o) {
    const struct span *s = o->cookie;
    bool whole = o->req.rc == OK && o->req.out.n == s->end - s->offset;
    for (size_t i = 0; i < s->count; i++) {
        struct part *p = s->parts[i];
        if (!whole) {
            part_send(p);
            continue;
        }
        part_take(p, o->req.out.p + (p->offset - s->offset));
    }
}

void read_deinit(tier *t) {
    list *n;
    while ((n = list_first(&t->reads)) != NULL) read_free(LIST_ENTRY(n, struct read_op, node));
    while ((n = list_first(&t->reads_queue)) != NULL)
        read_free(LIST_ENTRY(n, struct read_op, node));
}

/* ---- the keyspace's fetches ------------------------------------------------------------------- */

static void fetch_done(void *cookie, int rc, slice base, slice delta) {
    struct fetch *f = cookie;
    tier *t = f->tier;
    keyspace_fetched(t->ks, f, rc, base, delta);
}

void tier_fetch(void *cookie, struct fetch *f) {
    tier *t = cookie;
    f->tier = t;
    read_start(t, f->base, f->delta, fetch_done, f);
}
