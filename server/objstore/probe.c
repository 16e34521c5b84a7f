/* probe.c -- asks a store to prove what the log is built on.
 *
 *   create    8 creators of each of 2 names at once: one wins, and its bytes are there
 *   steps     one after the other, on a name of its own (the table below)
 *   count     4 writers take turns at one object by If-Match, 5 increments each; each has
 *             a number of its own in it, so that a lost update is seen by its writer
 *   clean     everything is deleted again
 *
 * A store that retries inside may answer "exists already" about its own success: so such
 * an answer is never taken as a refusal before the object has been read back. A request
 * without an outcome is sent again a few times. */
#include "objstore/probe.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

#define RACE_NAMES 2
#define RACE_CREATORS 8
#define WRITERS 4
#define INCREMENTS 5
#define WRITER_TRIES_MAX 400 /* 20 wins need about 50 when all goes well. */
#define STEP_TRIES_MAX 5
#define BODY_MAX 64
#define NAME_MAX_ 64

struct probe;
struct call {
    struct probe *p;
    obj_req r;
    char name[NAME_MAX_], body[BODY_MAX];
    unsigned index, tries;
    unsigned confirmed; /* a writer's own number */
    bool writing;
};

struct probe {
    objstore *s;
    void (*done)(void *cookie, int rc, const char *why);
    void *cookie;
    char prefix[NAME_MAX_ - 16];
    int rc;
    char why[256];
    size_t step;
    char etag_old[OBJ_ETAG_MAX], etag[OBJ_ETAG_MAX];
    unsigned pending;
    void (*next)(struct probe *p); /* when nothing is pending */
    struct call race[RACE_NAMES * RACE_CREATORS], one, writers[WRITERS];
};

/* The first failure stands. */
static void probe_fail(struct probe *p, int rc, const char *why) {
    if (p->rc != OK) return;
    p->rc = rc;
    snprintf(p->why, sizeof(p->why), "%s", why);
}
static void probe_broken(struct probe *p, const char *why) {
    probe_fail(p, ERR_UNSUPPORTED, why);
}
static void probe_error(struct probe *p, int rc) {
    const char *why = objstore_why(p->s);
    probe_fail(p, rc, why[0] != '\0' ? why : err_text(rc));
}

static bool unsettled(int rc) { return rc == ERR_TIMEOUT || rc == ERR_AGAIN; }

static void call_send(struct probe *p, struct call *c, enum obj_op op, const char *suffix,
                      obj_done *done) {
    int n = snprintf(c->name, sizeof(c->name), "%s%s", p->prefix, suffix);
    assert(n > 0 && (size_t)n < sizeof(c->name));
    c->p = p;
    c->r.op = op;
    c->r.name = c->name;
    c->r.body = slice_str(op <= OBJ_PUT_MATCH ? c->body : "");
    c->r.offset = c->r.length = 0;
    c->r.after = "";
    c->r.hedge_ms = 0;
    c->r.done = done;
    c->r.cookie = c;
    p->pending++;
    objstore_submit(p->s, &c->r);
}

static void call_over(struct call *c) {
    struct probe *p = c->p;
    assert(p->pending > 0);
    if (--p->pending == 0) p->next(p);
}

static void race_start(struct probe *p);
static void race_check(struct probe *p);
static void steps_run(struct probe *p);
static void count_start(struct probe *p);
static void count_check(struct probe *p);
static void clean(struct probe *p);

void objstore_probe(objstore *s, rnd *r,
                    void (*done)(void *cookie, int rc, const char *why), void *cookie) {
    struct probe *p = mem_calloc(1, sizeof(*p));
    p->s = s;
    p->done = done;
    p->cookie = cookie;
    snprintf(p->prefix, sizeof(p->prefix), "probe/%016" PRIx64 "-", rnd_u64(r));
    race_start(p);
}

/* -- Many creators of one name ------------------------------------------------------- */

static void race_created(obj_req *r) {
    struct call *c = r->cookie;
    if (r->rc != OK && r->rc != ERR_PRECOND && !unsettled(r->rc))
        probe_error(c->p, r->rc);
    call_over(c);
}

static void race_start(struct probe *p) {
    p->next = race_check;
    for (unsigned i = 0; i < RACE_NAMES * RACE_CREATORS; i++) {
        struct call *c = &p->race[i];
        snprintf(c->body, sizeof(c->body), "creator %u", i);
        call_send(p, c, OBJ_PUT_ABSENT, i % RACE_NAMES == 0 ? "race0" : "race1",
                  race_created);
    }
}

static void race_read(obj_req *r);

static void race_check(struct probe *p) {
    p->next = race_check;
    unsigned name = p->one.index;
    if (p->rc != OK) {
        clean(p);
    } else if (name == RACE_NAMES) {
        steps_run(p);
    } else {
        call_send(p, &p->one, OBJ_GET, name == 0 ? "race0" : "race1", race_read);
    }
}

static void race_judge(struct probe *p, unsigned name, slice body) {
    unsigned winners = 0, authors = 0;
    bool author_refused = false;
    for (unsigned i = name; i < RACE_NAMES * RACE_CREATORS; i += RACE_NAMES) {
        bool won = p->race[i].r.rc == OK;
        bool author = slice_eq(body, slice_str(p->race[i].body));
        winners += won;
        authors += author;
        if (author && !won) author_refused = true;
    }
    if (winners > 1) {
        probe_broken(p,
                     "several clients created the same object at once: the store accepts "
                     "If-None-Match but does not keep it");
    } else if (authors != 1 || (winners == 1 && author_refused)) {
        probe_broken(p,
                     "an object does not hold the bytes of the client that created it");
    }
}

/* Somebody was told that the name exists. */
static bool race_answered(const struct probe *p, unsigned name) {
    for (unsigned i = name; i < RACE_NAMES * RACE_CREATORS; i += RACE_NAMES) {
        if (!unsettled(p->race[i].r.rc)) return true;
    }
    return false;
}

static void race_read(obj_req *r) {
    struct call *c = r->cookie;
    struct probe *p = c->p;
    if (r->rc == OK) {
        race_judge(p, c->index++, slice_of(&r->out));
        c->tries = 0;
    } else if (!unsettled(r->rc) && r->rc != ERR_NOTFOUND) {
        probe_error(p, r->rc);
    } else if (++c->tries >= STEP_TRIES_MAX) {
        if (r->rc == ERR_NOTFOUND && race_answered(p, c->index)) {
            probe_broken(p, "an object that was created is not there");
        } else {
            probe_error(p, r->rc == ERR_NOTFOUND ? ERR_TIMEOUT : r->rc);
        }
    }
    buf_free(&r->out);
    call_over(c);
}

/* -- One step after the other -------------------------------------------------------- */

enum want {
    WANT_DONE,     /* OK, or a refusal that the next GET explains */
    WANT_BODY,     /* a GET of exactly these bytes; its etag is kept */
    WANT_LISTED,
    WANT_REFUSED
};
enum etag_kind { ETAG_NONE, ETAG_CURRENT, ETAG_STALE, ETAG_WRONG };

static const struct step {
    enum obj_op op;
    const char *suffix, *body;
    enum etag_kind etag;
    enum want want;
    const char *why;
} steps[] = {
    {OBJ_PUT_ABSENT, "steps", "one", ETAG_NONE, WANT_DONE, "a new object was refused"},
    {OBJ_GET, "steps", "one", ETAG_NONE, WANT_BODY,
     "a read right after a write does not show the write"},
    {OBJ_LIST, "steps", "", ETAG_NONE, WANT_LISTED,
     "a list right after a write does not show the object"},
    {OBJ_PUT_ABSENT, "steps", "two", ETAG_NONE, WANT_REFUSED,
     "the store ignores If-None-Match: an object was overwritten"},
    {OBJ_PUT_MATCH, "steps", "three", ETAG_CURRENT, WANT_DONE,
     "a replacement with the right etag was refused"},
    {OBJ_GET, "steps", "three", ETAG_NONE, WANT_BODY,
     "a replacement by If-Match with the right etag did not happen"},
    {OBJ_PUT_MATCH, "steps", "four", ETAG_STALE, WANT_REFUSED,
     "the store ignores If-Match: a stale etag replaced an object"},
    {OBJ_PUT_MATCH, "steps", "five", ETAG_WRONG, WANT_REFUSED,
     "the store ignores If-Match: a wrong etag replaced an object"},
    {OBJ_PUT_MATCH, "absent", "six", ETAG_CURRENT, WANT_REFUSED,
     "the store ignores If-Match: it created an object"},
    {OBJ_GET, "steps", "three", ETAG_NONE, WANT_BODY,
     "a refused write changed the object"},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* The same form, but never given out: one letter or digit near the middle is another. */
static void etag_spoil(char *etag) {
    for (size_t i = strlen(etag) / 2; i > 0; i--) {
        char ch = etag[i];
        bool plain = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f');
        if (!plain) continue;
        etag[i] = ch == '0' ? '1' : '0';
        return;
    }
    snprintf(etag, OBJ_ETAG_MAX, "\"00000000000000000000000000000000\"");
}

static void step_done(obj_req *r);

static void steps_run(struct probe *p) {
    p->next = steps_run;
    if (p->rc != OK) {
        clean(p);
        return;
    }
    if (p->step == STEPS) {
        count_start(p);
        return;
    }
    const struct step *st = &steps[p->step];
    struct call *c = &p->one;
    snprintf(c->body, sizeof(c->body), "%s", st->body);
    memcpy(c->r.etag, st->etag == ETAG_STALE ? p->etag_old : p->etag, sizeof(c->r.etag));
    if (st->etag == ETAG_WRONG) etag_spoil(c->r.etag);
    call_send(p, c, st->op, st->suffix, step_done);
}

static bool listed(const buf *out, const char *name) {
    for (size_t at = 0; at < out->n;) {
        const char *entry = (const char *)out->p + at;
        size_t n = strnlen(entry, out->n - at);
        if (n == strlen(name) && memcmp(entry, name, n) == 0) return true;
        at += n + 1;
    }
    return false;
}

static bool step_holds(struct probe *p, const struct step *st, const obj_req *r) {
    switch (st->want) {
    case WANT_DONE:
        return r->rc == OK || r->rc == ERR_PRECOND;
    case WANT_BODY:
        if (r->rc != OK || !slice_eq(slice_of(&r->out), slice_str(st->body)))
            return false;
        memcpy(p->etag_old, p->etag, sizeof(p->etag));
        memcpy(p->etag, r->etag, sizeof(p->etag));
        return true;
    case WANT_LISTED:
        return r->rc == OK && listed(&r->out, r->name);
    case WANT_REFUSED:
        return r->rc == ERR_PRECOND || r->rc == ERR_NOTFOUND;
    }
    return false;
}

static void step_done(obj_req *r) {
    struct call *c = r->cookie;
    struct probe *p = c->p;
    const struct step *st = &steps[p->step];
    bool answered = r->rc == OK || r->rc == ERR_PRECOND || r->rc == ERR_NOTFOUND;
    if (!answered) {
        if (!unsettled(r->rc) || ++c->tries >= STEP_TRIES_MAX) probe_error(p, r->rc);
    } else if (step_holds(p, st, r)) {
        p->step++;
        c->tries = 0;
    } else {
        probe_broken(p, st->why);
    }
    buf_free(&r->out);
    call_over(c);
}

/* -- Racing increments --------------------------------------------------------------- */

static void count_created(obj_req *r);
static void count_race(struct probe *p);
static void writer_go(struct call *c, slice body);
static void writer_done(obj_req *r);

static void count_print(char out[BODY_MAX], const unsigned n[WRITERS]) {
    snprintf(out, BODY_MAX, "%u %u %u %u", n[0], n[1], n[2], n[3]);
}

static bool count_parse(slice body, unsigned n[WRITERS]) {
    if (body.n != 2 * WRITERS - 1) return false;
    for (size_t i = 0; i < body.n; i++) {
        uint8_t ch = body.p[i];
        if (i % 2 == 1 ? ch != ' ' : ch < '0' || ch > '0' + INCREMENTS) return false;
        if (i % 2 == 0) n[i / 2] = (unsigned)(ch - '0');
    }
    return true;
}
_Static_assert(INCREMENTS < 10 && WRITERS == 4, "count_print and count_parse");

static void count_start(struct probe *p) {
    const unsigned zero[WRITERS] = {0};
    p->next = count_race;
    count_print(p->one.body, zero);
    call_send(p, &p->one, OBJ_PUT_ABSENT, "count", count_created);
}

static void count_created(obj_req *r) {
    struct call *c = r->cookie;
    if (r->rc != OK && r->rc != ERR_PRECOND) {
        if (unsettled(r->rc) && ++c->tries < STEP_TRIES_MAX) c->p->next = count_start;
        else probe_error(c->p, r->rc);
    }
    call_over(c);
}

static void count_race(struct probe *p) {
    if (p->rc != OK) {
        clean(p);
        return;
    }
    p->next = count_check;
    for (unsigned i = 0; i < WRITERS; i++) {
        p->writers[i].index = i;
        call_send(p, &p->writers[i], OBJ_GET, "count", writer_done);
    }
}

static void writer_done(obj_req *r) {
    struct call *c = r->cookie;
    struct probe *p = c->p;
    bool wrote = c->writing;
    buf out = r->out; /* The request may be on its way again before this returns. */
    int rc = r->rc;
    r->out = BUF_INIT;
    c->writing = false;
    bool settled = rc == OK || (wrote && (rc == ERR_PRECOND || rc == ERR_NOTFOUND));
    if (!settled && !unsettled(rc)) {
        if (rc == ERR_NOTFOUND)
            probe_broken(p, "an object that was created is not there");
        else probe_error(p, rc);
    }
    if (wrote && rc == OK) c->confirmed++;
    if (p->rc == OK && ++c->tries > WRITER_TRIES_MAX) {
        probe_fail(p, ERR_AGAIN,
                   "replacing one object from several clients makes no progress");
    }
    if (p->rc == OK && !wrote && rc == OK) {
        writer_go(c, slice_of(&out));
    } else if (p->rc == OK) {
        call_send(p, c, OBJ_GET, "count", writer_done);
    }
    buf_free(&out);
    call_over(c);
}

/* The counts were read: add one to ours, unless it has all. */
static void writer_go(struct call *c, slice body) {
    struct probe *p = c->p;
    unsigned n[WRITERS];
    if (!count_parse(body, n)) {
        probe_broken(
            p, "an object that is replaced by If-Match holds bytes that nobody wrote");
    } else if (n[c->index] < c->confirmed) {
        probe_broken(
            p, "a replacement by If-Match was confirmed and then lost: the store does "
               "not compare and replace in one step");
    } else if (n[c->index] < INCREMENTS) {
        c->confirmed = n[c->index]; /* Or one more, when we were not told. */
        n[c->index]++;
        count_print(c->body, n);
        c->writing = true;
        call_send(p, c, OBJ_PUT_MATCH, "count", writer_done);
    }
}

static void count_read(obj_req *r) {
    struct call *c = r->cookie;
    struct probe *p = c->p;
    unsigned n[WRITERS], sum = 0;
    if (r->rc == OK && count_parse(slice_of(&r->out), n)) {
        for (unsigned i = 0; i < WRITERS; i++) sum += n[i];
        if (sum != WRITERS * INCREMENTS) probe_broken(p, "racing increments were lost");
        p->next = clean;
    } else if (r->rc == OK) {
        probe_broken(
            p, "an object that is replaced by If-Match holds bytes that nobody wrote");
    } else if (!unsettled(r->rc) || ++c->tries >= STEP_TRIES_MAX) {
        probe_error(p, r->rc);
    }
    buf_free(&r->out);
    call_over(c);
}

static void count_check(struct probe *p) {
    p->next = count_check;
    if (p->rc != OK) {
        clean(p);
        return;
    }
    call_send(p, &p->one, OBJ_GET, "count", count_read);
}

/* -- The end ------------------------------------------------------------------------- */

static void clean_done(obj_req *r) { call_over(r->cookie); }

static void probe_end(struct probe *p) {
    p->done(p->cookie, p->rc, p->rc == OK ? "" : p->why);
    mem_free(p);
}

/* What cannot be deleted stays: small, and of a name that nobody else uses. */
static void clean(struct probe *p) {
    static const char *const names[] = {"race0", "race1", "steps", "absent", "count"};
    p->next = probe_end;
    if (p->rc == ERR_CANCELED) { /* The store is being closed. */
        probe_end(p);
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        call_send(p, &p->race[i], OBJ_DELETE, names[i], clean_done);
    }
}
