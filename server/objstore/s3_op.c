/* s3_op.c -- see s3_op.h. Each operation has a start (what to send) and an end (what the
 * answer means). An obj_req's outcome is decided here and in s3_retry.c, nowhere else.
 *
 * If-Match and its etag. RFC 9110 and AWS put the etag in quotes. RADOS Gateway 16
 * compares the bare bytes, so that a quoted etag never matches there. What is sent:
 *   - the quoted form, unless the store has shown that it wants the bare one;
 *   - after a 412, and only when the answers are a RADOS Gateway's and no quoted etag has
 *     ever matched: the bare form, once. If that matches, it is what the store wants.
 * Both forms name the same version, so neither can match where the other should not, and
 * a store of another make never sees the form that it might not understand. */
#include "objstore/s3_op.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "objstore/s3_xml.h"

#define LIST_ANSWER_MAX ((size_t)8 << 20) /* 1000 keys, each with room for its escapes.  \
                                           */
#define SMALL_ANSWER_MAX ((size_t)65536)

static void op_answered(s3_call *c);

s3_op *s3_op_create(obj_req *r) {
    s3_op *o = mem_calloc(1, sizeof(*o));
    o->r = r;
    return o;
}

void s3_op_free(s3_op *o) {
    if (o == NULL) return;
    s3_call_deinit(&o->call);
    s3_multi_free(o->multi);
    mem_free(o);
}

void s3_op_cancel(s3_op *o) {
    s3_call_cancel(&o->call);
    if (o->multi != NULL) s3_multi_cancel(o->multi);
    o->r->rc = ERR_CANCELED;
}

void s3_op__count(s3_op *o, s3_call *c) {
    o->retries += c->retries;
    o->hedges += c->hedges;
    o->bytes_up += c->bytes_up;
    o->bytes_down += c->bytes_down;
    c->retries = c->hedges = 0;
    c->bytes_up = c->bytes_down = 0;
    if (c->why[0] != 0) snprintf(o->why, sizeof(o->why), "%s", c->why);
}

void s3_op__finish(s3_op *o, int rc) {
    assert(o->call.state == S3_CALL_IDLE);
    o->r->rc = rc;
    if (rc == OK || rc == ERR_PRECOND || rc == ERR_NOTFOUND) o->why[0] = 0;
    o->done(o);
}

static void fail(s3_op *o, int rc, const char *why) {
    snprintf(o->why, sizeof(o->why), "%s", why);
    s3_op__finish(o, rc);
}

static void put_extra(s3_call *c, const char *name, const char *value) {
    assert(c->extra_count < S3_EXTRA_MAX);
    c->extra[c->extra_count++] = (struct s3_pair){name, value};
}

static void put_query(s3_call *c, const char *name, const char *value) {
    assert(c->query_count < sizeof(c->query) / sizeof(*c->query));
    c->query[c->query_count++] = (struct s3_pair){name, value};
}

/* The etag as the store wants it in If-Match. False when it cannot be one. */
static bool spell_etag(s3_op *o, bool bare) {
    const char *from = o->r->etag;
    size_t n = strnlen(from, OBJ_ETAG_MAX);
    if (n == 0 || n == OBJ_ETAG_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)from[i] < 0x21 || (uint8_t)from[i] > 0x7E) return false;
    }
    bool quoted = n >= 2 && from[0] == '"' && from[n - 1] == '"';
    if (bare && quoted) {
        memcpy(o->etag, from + 1, n - 2);
        o->etag[n - 2] = 0;
    } else if (bare || quoted) {
        memcpy(o->etag, from, n + 1);
    } else {
        snprintf(o->etag, sizeof(o->etag), "\"%s\"", from);
    }
    return true;
}

static void start_put(s3_op *o) {
    obj_req *r = o->r;
    s3_call *c = &o->call;
    if (r->body.n > S3_PUT_BYTES_MAX) {
        fail(o, ERR_IO, "the object is too large for one conditional PUT");
        return;
    }
    c->method = "PUT";
    c->write = true;
    c->body = r->body;
    c->answer_max = SMALL_ANSWER_MAX;
    c->hedge_ms = r->hedge_ms;
    if (r->op == OBJ_PUT_ABSENT) put_extra(c, "if-none-match", "*");
    if (r->op == OBJ_PUT_MATCH) put_extra(c, "if-match", o->etag);
    s3_call_start(o->engine, c);
}

static void start_get(s3_op *o) {
    obj_req *r = o->r;
    s3_call *c = &o->call;
    c->method = "GET";
    c->hedge_ms = r->hedge_ms;
    c->answer_max = S3_OBJECT_BYTES_MAX;
    if (r->length > 0) {
        uint64_t last = r->offset + (r->length - 1);
        snprintf(o->range, sizeof(o->range), "bytes=%" PRIu64 "-%" PRIu64, r->offset,
                 last);
        put_extra(c, "range", o->range);
        if (r->length < c->answer_max) c->answer_max = (size_t)r->length;
    }
    s3_call_start(o->engine, c);
}

static void start_head(s3_op *o) {
    o->call.method = "HEAD";
    o->call.hedge_ms = o->r->hedge_ms;
    s3_call_start(o->engine, &o->call);
}

static void start_delete(s3_op *o) {
    o->call.method = "DELETE";
    o->call.write = true;
    o->call.answer_max = SMALL_ANSWER_MAX;
    s3_call_start(o->engine, &o->call);
}

static void start_list(s3_op *o) {
    s3_call *c = &o->call;
    c->method = "GET";
    c->key[0] = 0;
    c->answer_max = LIST_ANSWER_MAX;
    c->hedge_ms = o->r->hedge_ms;
    c->query_count = 0;
    put_query(c, "list-type", "2");
    put_query(c, "encoding-type", "url");
    put_query(c, "max-keys", "1000");
    put_query(c, "prefix", o->prefix);
    if (o->start[0] != 0) put_query(c, "start-after", o->start);
    s3_call_start(o->engine, c);
}

static void start_list_first(s3_op *o) {
    struct s3_engine *e = o->engine;
    const char *after = o->r->after == NULL ? "" : o->r->after;
    snprintf(o->prefix, sizeof(o->prefix), "%s%s", e->place.prefix, o->r->name);
    if (*after != 0) snprintf(o->start, sizeof(o->start), "%s%s", e->place.prefix, after);
    start_list(o);
}

void s3_op_start(s3_op *o, struct s3_engine *e) {
    obj_req *r = o->r;
    o->engine = e;
    o->call.done = op_answered;
    o->call.cookie = o;
    snprintf(o->call.key, sizeof(o->call.key), "%s%s", e->place.prefix, r->name);
    switch (r->op) {
    case OBJ_PUT:
    case OBJ_PUT_ABSENT:
    case OBJ_PUT_MATCH:
        if (r->op == OBJ_PUT_MATCH && !spell_etag(o, e->etag_style == S3_ETAG_BARE)) {
            fail(o, ERR_PRECOND, "");
        } else if (r->body.n > S3_MULTIPART_OVER &&
                   (r->op == OBJ_PUT || (r->op == OBJ_PUT_ABSENT && e->place.aws))) {
            s3_multi_start(o);
        } else {
            start_put(o);
        }
        return;
    case OBJ_GET: start_get(o); return;
    case OBJ_HEAD: start_head(o); return;
    case OBJ_LIST: start_list_first(o); return;
    case OBJ_DELETE: start_delete(o); return;
    }
}

static void end_put(s3_op *o, int rc) {
    struct s3_engine *e = o->engine;
    obj_req *r = o->r;
    if (r->op == OBJ_PUT_MATCH) {
        /* An absent name matches no etag: 404 on AWS, 412 on others. */
        if (rc == ERR_NOTFOUND) rc = ERR_PRECOND;
        bool open = e->etag_style == S3_ETAG_UNKNOWN;
        if (rc == ERR_PRECOND && open && e->ceph && !o->other_etag) {
            o->other_etag = true;
            (void)spell_etag(o, true); /* It was fine before. */
            o->call.extra_count = 0;
            start_put(o);
            return;
        }
        if (rc == OK && open) {
            e->etag_style = o->other_etag ? S3_ETAG_BARE : S3_ETAG_QUOTED;
            if (o->other_etag)
                log_line(e->log, LOG_VERBOSE, "s3: If-Match takes bare etags here");
        }
    } else if (rc == ERR_NOTFOUND) {
        rc = ERR_IO;
        snprintf(o->why, sizeof(o->why), "the store answered 404 to a PUT");
    }
    if (rc == OK) memcpy(r->etag, o->call.answer->etag, sizeof(r->etag));
    s3_op__finish(o, rc);
}

/* The answer's body becomes the request's. */
static void take_answer(s3_op *o) {
    struct s3_attempt *a = &o->call.attempt[o->call.answer == &o->call.attempt[1].http];
    assert(o->call.answer == &a->http);
    o->r->out = a->http.answer;
    a->http.answer = BUF_INIT;
}

static void end_get(s3_op *o, int rc) {
    obj_req *r = o->r;
    const struct s3_http *h = o->call.answer;
    if (rc == ERR_RANGE && r->length > 0) {
        /* Beyond the end: nothing there, and that is an answer. */
        r->size = h->range_total;
        if (r->size != UINT64_MAX) {
            s3_op__finish(o, OK);
            return;
        }
        o->past_end = true;
        o->call.extra_count = 0;
        start_head(o);
        return;
    }
    if (rc != OK) {
        s3_op__finish(o, rc == ERR_RANGE ? ERR_IO : rc);
        return;
    }
    uint64_t got = h->answer.n, want = got, size = got;
    bool fits = true;
    if (h->status == 206) {
        size = h->range_total;
        fits = r->length > 0 && size != UINT64_MAX && h->range_first == r->offset &&
               r->offset < size;
        if (fits) want = size - r->offset < r->length ? size - r->offset : r->length;
    } else if (r->length > 0) {
        fits = r->offset == 0 && got <= r->length; /* All of a small object. */
    }
    if (!fits || got != want) {
        fail(o, ERR_IO, "the store's answer is not the range that was asked for");
        return;
    }
    r->size = size;
    memcpy(r->etag, h->etag, sizeof(r->etag));
    take_answer(o);
    s3_op__finish(o, OK);
}

static void end_head(s3_op *o, int rc) {
    obj_req *r = o->r;
    const struct s3_http *h = o->call.answer;
    if (rc == ERR_RANGE) rc = ERR_IO;
    if (rc == OK && h->answer_total == UINT64_MAX) {
        fail(o, ERR_IO, "the store did not say how large the object is");
        return;
    }
    if (rc == OK) {
        r->size = h->answer_total;
        memcpy(r->etag, h->etag, sizeof(r->etag));
    }
    s3_op__finish(o, rc);
}

static void end_list(s3_op *o, int rc) {
    obj_req *r = o->r;
    struct s3_xml_list l;
    if (rc != OK) {
        s3_op__finish(o, rc == ERR_NOTFOUND || rc == ERR_RANGE ? ERR_IO : rc);
        return;
    }
    if (s3_xml_list(slice_of(&o->call.answer->answer), o->engine->place.prefix, &l) !=
        OK) {
        fail(o, ERR_IO, "the store's list is malformed, or not in order");
        return;
    }
    bool fits = l.last.n <= S3_KEY_MAX && (l.last.n == 0 || memchr(l.last.p, 0, l.last.n) == NULL);
    if (l.count == 0 && l.more && fits) {
        /* A page of other people's names only: go on behind it. */
        assert(l.last.p != NULL); /* A list that has more names its last. */
        memcpy(o->start, l.last.p, l.last.n);
        o->start[l.last.n] = 0;
        s3_xml_list_free(&l);
        start_list(o);
        return;
    }
    if (l.count == 0 && l.more) {
        s3_xml_list_free(&l);
        fail(o, ERR_IO, "the store's list has names that cannot be stepped over");
        return;
    }
    r->out = l.names;
    r->more = l.more;
    l.names = BUF_INIT;
    s3_xml_list_free(&l);
    s3_op__finish(o, OK);
}

static void op_answered(s3_call *c) {
    s3_op *o = c->cookie;
    int rc = c->rc;
    s3_op__count(o, c);
    if (rc != OK && c->answer == NULL) { /* No credentials. */
        s3_op__finish(o, rc);
        return;
    }
    switch (o->r->op) {
    case OBJ_PUT:
    case OBJ_PUT_ABSENT:
    case OBJ_PUT_MATCH: end_put(o, rc); return;
    case OBJ_GET:
        if (o->past_end)
            end_head(o, rc);
        else
            end_get(o, rc);
        return;
    case OBJ_HEAD: end_head(o, rc); return;
    case OBJ_LIST: end_list(o, rc); return;
    case OBJ_DELETE:
        s3_op__finish(o, rc == ERR_NOTFOUND ? OK : rc == ERR_RANGE ? ERR_IO : rc);
        return;
    }
}
