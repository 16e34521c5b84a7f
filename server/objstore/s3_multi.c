/* s3_multi.c -- objects over 64 MiB, in parts.
 *
 *     create -> parts (S3_PARTS_INFLIGHT at once) -> complete -> done
 *         any failure -> abort -> done with the failure
 *
 * The condition of a put-if-absent rides on the last step alone: an object comes into
 * being there and nowhere else. Whether it did is as unknown after a lost answer as with
 * one PUT; S3 then forgets the upload, so "no such upload" after an attempt that may have
 * worked is ERR_TIMEOUT. A conflict (409) at the end means that the parts have to be sent
 * again: the caller hears ERR_AGAIN and does so.
 *
 * Only AWS is trusted with that last condition. RADOS Gateway 16 accepts it and
 * overwrites, and the probe at start does not upload 64 MiB to find out what others do.
 * Elsewhere a put-if-absent of any size is one PUT, whose condition the probe has seen
 * kept. */
#include "objstore/s3_op.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "objstore/s3_xml.h"

#define UPLOAD_ID_MAX 1024
#define ANSWER_MAX ((size_t)65536)

struct part {
    s3_call call;
    char number[12];
    unsigned index;
    bool active;
};

struct s3_multi {
    s3_op *op;
    char upload[UPLOAD_ID_MAX];
    size_t part_bytes;
    unsigned parts, next, finished;
    char (*etags)[OBJ_ETAG_MAX];
    struct part part[S3_PARTS_INFLIGHT];
    buf body; /* of the Complete */
    int rc;   /* the failure, while the abort runs */
};

static void multi_created(s3_call *c);
static void multi_send_parts(struct s3_multi *m);
static void multi_part_done(s3_call *c);
static void multi_complete(struct s3_multi *m);
static void multi_completed(s3_call *c);
static void multi_headed(s3_call *c);
static void multi_fail(struct s3_multi *m, int rc);
static void multi_aborted(s3_call *c);

static void cancel_parts(struct s3_multi *m) {
    for (unsigned i = 0; i < S3_PARTS_INFLIGHT; i++) {
        s3_call_cancel(&m->part[i].call);
        m->part[i].active = false;
    }
}

void s3_multi_cancel(struct s3_multi *m) {
    cancel_parts(m);
}

void s3_multi_free(struct s3_multi *m) {
    if (m == NULL) return;
    for (unsigned i = 0; i < S3_PARTS_INFLIGHT; i++) s3_call_deinit(&m->part[i].call);
    mem_free(m->etags);
    buf_free(&m->body);
    mem_free(m);
}

/* The operation's own call, for the steps that stand alone. */
static s3_call *step(struct s3_multi *m, const char *method, void (*done)(s3_call *c)) {
    s3_call *c = &m->op->call;
    assert(c->state == S3_CALL_IDLE);
    c->method = method;
    c->query_count = c->extra_count = 0;
    c->body = slice_make(NULL, 0);
    c->answer_max = ANSWER_MAX;
    c->write = true;
    c->xml = false;
    c->hedge_ms = 0;
    c->attempts_max = 0;
    c->done = done;
    c->cookie = m;
    return c;
}

void s3_multi_start(s3_op *o) {
    struct s3_multi *m = mem_calloc(1, sizeof(*m));
    size_t n = o->r->body.n;
    m->op = o;
    m->part_bytes = S3_PART_BYTES;
    while (n / m->part_bytes >= S3_PARTS_MAX) m->part_bytes *= 2;
    m->parts = (unsigned)((n + m->part_bytes - 1) / m->part_bytes);
    assert(m->parts >= 1 && m->parts <= S3_PARTS_MAX);
    m->etags = mem_calloc(m->parts, sizeof(*m->etags));
    o->multi = m;
    s3_call *c = step(m, "POST", multi_created);
    c->query[c->query_count++] = (struct s3_pair){"uploads", ""};
    s3_call_start(o->engine, c);
}

static void multi_created(s3_call *c) {
    struct s3_multi *m = c->cookie;
    s3_op *o = m->op;
    s3_op__count(o, c);
    if (c->rc != OK) {
        /* Nothing of the object exists yet: an upload left behind is not it. */
        int rc = c->rc == ERR_TIMEOUT || c->rc == ERR_PRECOND ? ERR_AGAIN : c->rc;
        s3_op__finish(o, rc == ERR_NOTFOUND || rc == ERR_RANGE ? ERR_IO : rc);
        return;
    }
    slice doc = slice_of(&c->answer->answer);
    if (s3_xml_field(doc, "UploadId", m->upload, sizeof(m->upload)) != OK ||
        m->upload[0] == 0) {
        snprintf(o->why, sizeof(o->why), "the store began an upload without an id");
        s3_op__finish(o, ERR_IO);
        return;
    }
    multi_send_parts(m);
}

static void multi_send_parts(struct s3_multi *m) {
    slice body = m->op->r->body;
    for (unsigned i = 0; i < S3_PARTS_INFLIGHT && m->next < m->parts; i++) {
        struct part *p = &m->part[i];
        if (p->active) continue;
        s3_call *c = &p->call;
        size_t at = (size_t)m->next * m->part_bytes;
        size_t n = body.n - at < m->part_bytes ? body.n - at : m->part_bytes;
        p->index = m->next++;
        p->active = true;
        snprintf(p->number, sizeof(p->number), "%u", p->index + 1);
        c->method = "PUT";
        memcpy(c->key, m->op->call.key, sizeof(c->key));
        c->query[0] = (struct s3_pair){"partNumber", p->number};
        c->query[1] = (struct s3_pair){"uploadId", m->upload};
        c->query_count = 2;
        c->body = slice_make(body.p + at, n);
        c->answer_max = ANSWER_MAX;
        c->done = multi_part_done;
        c->cookie = m;
        s3_call_start(m->op->engine, c);
    }
}

static void multi_part_done(s3_call *c) {
    struct s3_multi *m = c->cookie;
    struct part *p = NULL;
    for (unsigned i = 0; i < S3_PARTS_INFLIGHT; i++) {
        if (c == &m->part[i].call) p = &m->part[i];
    }
    assert(p != NULL && p->active);
    p->active = false;
    s3_op__count(m->op, c);
    if (c->rc != OK || c->answer->etag[0] == 0) {
        int rc = c->rc == OK ? ERR_IO : c->rc;
        /* A part is not the object: whatever became of it, the object does not exist. */
        if (rc == ERR_TIMEOUT || rc == ERR_NOTFOUND || rc == ERR_PRECOND) rc = ERR_AGAIN;
        multi_fail(m, rc == ERR_RANGE ? ERR_IO : rc);
        return;
    }
    memcpy(m->etags[p->index], c->answer->etag, OBJ_ETAG_MAX);
    if (++m->finished == m->parts)
        multi_complete(m);
    else
        multi_send_parts(m);
}

static void put_escaped(buf *b, const char *s) {
    for (; *s != 0; s++) {
        if (*s == '"')
            buf_append_str(b, "&quot;");
        else if (*s == '&')
            buf_append_str(b, "&amp;");
        else if (*s == '<')
            buf_append_str(b, "&lt;");
        else
            buf_u8(b, (uint8_t)*s);
    }
}

static void multi_complete(struct s3_multi *m) {
    s3_call *c = step(m, "POST", multi_completed);
    buf *b = &m->body;
    b->n = 0;
    buf_append_str(b, "<CompleteMultipartUpload>");
    for (unsigned i = 0; i < m->parts; i++) {
        buf_printf(b, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
        put_escaped(b, m->etags[i]);
        buf_append_str(b, "</ETag></Part>");
    }
    buf_append_str(b, "</CompleteMultipartUpload>");
    c->body = slice_of(b);
    c->xml = true;
    c->query[c->query_count++] = (struct s3_pair){"uploadId", m->upload};
    if (m->op->r->op == OBJ_PUT_ABSENT) {
        c->extra[c->extra_count++] = (struct s3_pair){"if-none-match", "*"};
    }
    s3_call_start(m->op->engine, c);
}

static void multi_completed(s3_call *c) {
    struct s3_multi *m = c->cookie;
    s3_op *o = m->op;
    s3_op__count(o, c);
    int rc = c->rc;
    if (rc == OK) {
        char etag[OBJ_ETAG_MAX];
        slice doc = slice_of(&c->answer->answer);
        if (s3_xml_field(doc, "ETag", etag, sizeof(etag)) != OK) {
            /* A 200 that does not say what it made: it may have made it. */
            snprintf(o->why, sizeof(o->why),
                     "the store's answer to a finished upload is malformed");
            s3_op__finish(o, ERR_TIMEOUT);
            return;
        }
        memcpy(o->r->etag, etag, sizeof(etag));
        if (etag[0] != 0) {
            s3_op__finish(o, OK);
            return;
        }
        /* RADOS Gateway leaves it empty here. */
        c = step(m, "HEAD", multi_headed);
        c->write = false;
        s3_call_start(o->engine, c);
        return;
    }
    /* Somebody swept the upload away, or it has been ended: by an attempt whose answer is lost,
     * perhaps one that libcurl sent again by itself when a kept connection had died. */
    if (rc == ERR_NOTFOUND) rc = ERR_TIMEOUT;
    if (rc == ERR_TIMEOUT) {
        /* Not aborted: the store may be at work on it. */
        s3_op__finish(o, ERR_TIMEOUT);
        return;
    }
    multi_fail(m, rc == ERR_RANGE ? ERR_IO : rc);
}

/* The object is stored, whatever this says; without an etag it is just not known. */
static void multi_headed(s3_call *c) {
    struct s3_multi *m = c->cookie;
    if (c->rc == OK) memcpy(m->op->r->etag, c->answer->etag, OBJ_ETAG_MAX);
    c->why[0] = 0;
    s3_op__count(m->op, c);
    s3_op__finish(m->op, OK);
}

static void multi_fail(struct s3_multi *m, int rc) {
    cancel_parts(m);
    m->rc = rc;
    s3_call *c = step(m, "DELETE", multi_aborted);
    c->attempts_max = 2; /* Best effort; the bucket's lifecycle rule gets the rest. */
    c->query[c->query_count++] = (struct s3_pair){"uploadId", m->upload};
    s3_call_start(m->op->engine, c);
}

static void multi_aborted(s3_call *c) {
    struct s3_multi *m = c->cookie;
    c->why[0] = 0;
    s3_op__count(m->op, c);
    s3_op__finish(m->op, m->rc);
}
