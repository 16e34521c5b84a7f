/* s3_call.c -- the life of a call:
 *
 *     start -> [no keys: wait for them] -> sent -> answer -> s3_judge()
 *                                           ^                  |
 *                                           +--- paused <- RETRY, CLOCK, CREDS
 *                                                          DONE -> done()
 *
 * A hedge is a second, identical attempt that leaves when the first has been silent for
 * hedge_ms. The first answer that decides wins and the other is canceled; an error of one
 * only matters when the other has failed too.
 *
 * Invariants
 *  1. done() runs once, and never from within s3_call_start().
 *  2. When done() runs, no exchange of the call is under way: the body may be freed. */
#include "objstore/s3_call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "objstore/s3_xml.h"

#define CREDS_AGAIN_US (60 * 1000000ull) /* after a refresh that failed, with time left  \
                                          */
#define CREDS_URGENT_US (5 * 1000000ull) /* the same, close to the end */
#define CREDS_ANSWER_MAX 65536u

static void attempt_done(struct s3_http *h);
static void creds_answered(struct s3_http *h);

static void wipe_string(char **s) {
    if (*s != NULL) explicit_bzero(*s, strlen(*s));
    mem_free(*s);
    *s = NULL;
}

void s3_engine_init(struct s3_engine *e) {
    list_init(&e->calls);
    s3_bucket_init(&e->bucket);
    e->creds_next_us = UINT64_MAX;
    e->creds_wanted = true;
    e->creds_rc = ERR_AGAIN;
}

void s3_engine_deinit(struct s3_engine *e) {
    assert(list_empty(&e->calls));
    if (e->net != NULL) s3_net_cancel(e->net, &e->creds_http);
    if (e->creds_http.answer.p != NULL)
        explicit_bzero(e->creds_http.answer.p, e->creds_http.answer.cap);
    s3_http_deinit(&e->creds_http);
    wipe_string(&e->creds_url);
}

static uint64_t now_us(struct s3_engine *e) {
    return clock_mono_us(e->clock);
}

static uint64_t store_wall_us(struct s3_engine *e) {
    return (uint64_t)((int64_t)clock_wall_us(e->clock) + e->clock_offset_us);
}

static bool keys_usable(struct s3_engine *e, struct s3_keys *k) {
    return s3_creds_keys(e->creds, k) && s3_creds_expiry_us(e->creds) > store_wall_us(e);
}

static void put_header(struct s3_attempt *a, size_t *n, const char *name,
                       const char *value) {
    assert(*n < sizeof(a->headers) / sizeof(*a->headers));
    a->headers[(*n)++] = (struct s3_pair){name, value};
}

static char *take_buf(buf *b) {
    buf_u8(b, 0);
    return (char *)b->p;
}

/* Headers, signature and URL of one attempt. */
static void attempt_build(s3_call *c, struct s3_attempt *a, const struct s3_keys *k) {
    struct s3_engine *e = c->engine;
    buf path = BUF_INIT, url = BUF_INIT, auth = BUF_INIT;
    size_t n = 0;
    wipe_string(&a->token);
    wipe_string(&a->auth);
    wipe_string(&a->url);
    s3_sign_date(store_wall_us(e), a->date);
    put_header(a, &n, "host", e->place.host);
    put_header(a, &n, "x-amz-date", a->date);
    put_header(a, &n, "x-amz-content-sha256", c->payload);
    if (k->token[0] != 0) {
        a->token = mem_strdup(k->token);
        put_header(a, &n, "x-amz-security-token", a->token);
    }
    for (size_t i = 0; i < c->extra_count; i++)
        put_header(a, &n, c->extra[i].name, c->extra[i].value);

    s3_place_path(&e->place, c->key, &path);
    buf_printf(&url, "%s://%s", e->place.tls ? "https" : "http", e->place.host);
    buf_append_slice(&url, slice_of(&path));
    if (c->query_count > 0) buf_u8(&url, '?');
    s3_sign_query(c->query, c->query_count, &url);
    a->url = take_buf(&url);
    char *p = take_buf(&path);
    struct s3_sign in = {.method = c->method,
                         .path = p,
                         .query = c->query,
                         .query_count = c->query_count,
                         .headers = a->headers,
                         .header_count = n,
                         .payload = c->payload,
                         .date = a->date,
                         .region = e->place.region,
                         .service = "s3",
                         .access = k->access,
                         .secret = k->secret};
    s3_sign(&in, &auth);
    mem_free(p);
    a->auth = take_buf(&auth);
    put_header(a, &n, "authorization", a->auth);
    a->http.headers = a->headers;
    a->http.header_count = n;
    a->http.url = a->url;
}

static void attempt_start(s3_call *c, struct s3_attempt *a, const struct s3_keys *k,
                          bool fresh) {
    struct s3_engine *e = c->engine;
    assert(!a->active);
    attempt_build(c, a, k);
    a->call = c;
    a->active = true;
    a->http.method = c->method;
    a->http.body = c->body;
    a->http.answer_max = c->answer_max;
    a->http.timeout_us = (uint64_t)e->timeout_ms * 1000;
    a->http.direct = e->place.local;
    a->http.fresh = fresh;
    a->http.done = attempt_done;
    a->http.cookie = a;
    s3_net_start(e->net, &a->http);
}

/* Sends the next attempt, or waits for keys. */
static void call_send(s3_call *c) {
    struct s3_engine *e = c->engine;
    struct s3_keys k;
    if (!keys_usable(e, &k)) {
        c->state = S3_CALL_NO_KEYS;
        s3_engine_want_creds(e);
        return;
    }
    if (c->tried.attempts > 0) c->retries++;
    c->tried.attempts++;
    c->state = S3_CALL_SENT;
    c->due_us = c->hedge_ms == 0 ? UINT64_MAX : now_us(e) + (uint64_t)c->hedge_ms * 1000;
    attempt_start(c, &c->attempt[0], &k, c->fresh);
}

void s3_call_start(struct s3_engine *e, s3_call *c) {
    assert(c->state == S3_CALL_IDLE);
    assert(c->method != NULL && c->done != NULL);
    c->engine = e;
    c->rc = OK;
    c->answer = NULL;
    c->code[0] = c->why[0] = 0;
    c->fresh = false;
    c->tried = (struct s3_try){.write = c->write, .attempts_max = c->attempts_max};
    if (c->attempts_max == 0) c->tried.attempts_max = e->attempts_max;
    /* TLS keeps the body from harm on its way; without it the signature has to. */
    if (e->place.tls)
        memcpy(c->payload, S3_UNSIGNED, sizeof(S3_UNSIGNED));
    else
        s3_sign_hash(c->body, c->payload);
    list_push_back(&e->calls, &c->node);
    call_send(c);
}

void s3_call_cancel(s3_call *c) {
    if (c->state == S3_CALL_IDLE) return;
    for (int i = 0; i < 2; i++) {
        if (c->attempt[i].active) s3_net_cancel(c->engine->net, &c->attempt[i].http);
        c->attempt[i].active = false;
    }
    list_remove(&c->node);
    c->state = S3_CALL_IDLE;
}

void s3_call_deinit(s3_call *c) {
    assert(c->state == S3_CALL_IDLE);
    for (int i = 0; i < 2; i++) {
        struct s3_attempt *a = &c->attempt[i];
        wipe_string(&a->token);
        wipe_string(&a->auth);
        wipe_string(&a->url);
        s3_http_deinit(&a->http);
    }
}

static void call_finish(s3_call *c, int rc, const struct s3_http *answer) {
    s3_call_cancel(c);
    c->rc = rc;
    c->answer = answer;
    c->ambiguous = c->tried.unknown;
    c->done(c);
}

/* The status that an <Error> in a 200 would have had. */
static long status_of_code(const char *code) {
    static const struct {
        const char *code;
        long status;
    } known[] = {{"PreconditionFailed", 412}, {"ConditionalRequestConflict", 409},
                 {"SlowDown", 503},           {"NoSuchUpload", 404},
                 {"NoSuchBucket", 404},       {"AccessDenied", 403},
                 {"InvalidPart", 400},        {"InvalidPartOrder", 400},
                 {"EntityTooSmall", 400}};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(code, known[i].code) == 0) return known[i].status;
    }
    return 500;
}

static void read_error(s3_call *c, const struct s3_http *h, struct s3_answer *a,
                       char region[S3_REGION_MAX]) {
    char root[S3_XML_NAME_MAX + 1];
    slice doc = slice_of(&h->answer);
    bool good = h->status >= 200 && h->status < 300;
    *a = (struct s3_answer){h->net,   h->status, c->code,
                            h->error, h->region, h->retry_after_s};
    c->code[0] = region[0] = 0;
    if (h->net != S3_NET_OK || doc.n == 0 || (good && !c->xml)) return;
    s3_xml_root(doc, root);
    if (strcmp(root, "Error") != 0) return;
    if (s3_xml_field(doc, "Code", c->code, sizeof(c->code)) != OK) c->code[0] = 0;
    for (char *p = c->code; *p != 0; p++) {
        if (*p < 0x21 || *p > 0x7E) *p = '?'; /* It goes into the log. */
    }
    if (good) a->status = status_of_code(c->code);
    if (a->region[0] == 0 && s3_xml_field(doc, "Region", region, S3_REGION_MAX) == OK &&
        strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(region)) {
        a->region = region;
    }
    /* A region that is ours is no hint. */
    if (strcmp(a->region, c->engine->place.region) == 0) a->region = "";
}

static bool decides(int rc) {
    return rc == OK || rc == ERR_PRECOND || rc == ERR_NOTFOUND || rc == ERR_RANGE;
}

static void attempt_done(struct s3_http *h) {
    struct s3_attempt *a = h->cookie;
    s3_call *c = a->call;
    struct s3_engine *e = c->engine;
    struct s3_attempt *other = &c->attempt[a == &c->attempt[0]];
    struct s3_answer answer;
    char region[S3_REGION_MAX];
    assert(a->active && c->state == S3_CALL_SENT);
    a->active = false;
    c->bytes_up += h->bytes_up;
    c->bytes_down += h->bytes_down;
    if (h->ceph) e->ceph = true;
    read_error(c, h, &answer, region);

    struct s3_try tried = c->tried;
    if (other->active) tried.attempts_max = 0; /* The other one may yet answer. */
    struct s3_verdict v =
        s3_judge(&tried, &e->bucket, &e->rnd, &answer, e->place.bucket, c->why);
    if (other->active && !(v.act == S3_ACT_DONE && decides(v.rc))) {
        c->tried.unknown = tried.unknown;
        return;
    }
    tried.attempts_max = c->tried.attempts_max;
    c->tried = tried;
    if (!v.refused) c->why[0] = 0;
    c->fresh = v.fresh;
    switch (v.act) {
    case S3_ACT_DONE: call_finish(c, v.rc, h); return;
    case S3_ACT_RETRY:
        c->state = S3_CALL_PAUSED;
        c->due_us = now_us(e) + (uint64_t)v.delay_ms * 1000;
        return;
    case S3_ACT_CLOCK:
        if (h->date_us != 0)
            e->clock_offset_us = (int64_t)h->date_us - (int64_t)clock_wall_us(e->clock);
        log_line(e->log, LOG_WARNING,
                 "s3: the store's clock is %lld s ahead of this machine's",
                 (long long)(e->clock_offset_us / 1000000));
        c->state = S3_CALL_PAUSED;
        c->due_us = 0;
        return;
    case S3_ACT_CREDS:
        c->state = S3_CALL_NO_KEYS;
        s3_engine_want_creds(e);
        return;
    }
}

static void call_hedge(s3_call *c) {
    struct s3_engine *e = c->engine;
    struct s3_keys k;
    c->due_us = UINT64_MAX;
    if (c->attempt[1].active || !c->attempt[0].active || !keys_usable(e, &k)) return;
    /* Not on the wire yet: a second one would only wait behind the first. */
    if (!c->attempt[0].http.running || !s3_bucket_hedge(&e->bucket)) return;
    c->hedges++;
    attempt_start(c, &c->attempt[1], &k, false);
}

/* Whatever is due now. Calls may be started and finished by it: begin again after each.
 */
static void run_due(struct s3_engine *e) {
    uint64_t now = now_us(e);
    for (bool again = true; again;) {
        again = false;
        LIST_FOR(node, &e->calls) {
            s3_call *c = LIST_ENTRY(node, s3_call, node);
            if (c->due_us > now || c->state == S3_CALL_NO_KEYS) continue;
            if (c->state == S3_CALL_SENT)
                call_hedge(c);
            else
                call_send(c);
            again = true;
            break;
        }
    }
}

static uint64_t next_due(struct s3_engine *e) {
    uint64_t due = UINT64_MAX;
    LIST_FOR(node, &e->calls) {
        s3_call *c = LIST_ENTRY(node, s3_call, node);
        if (c->state != S3_CALL_NO_KEYS && c->due_us < due) due = c->due_us;
    }
    return due;
}

/* Credentials */

void s3_engine_want_creds(struct s3_engine *e) {
    if (!e->creds_asking) e->creds_wanted = true;
}

static void creds_settled(struct s3_engine *e, int rc) {
    uint64_t wall = store_wall_us(e), expiry = s3_creds_expiry_us(e->creds);
    bool first = e->creds_rc == ERR_AGAIN && !e->creds_told;
    e->creds_rc = rc;
    e->creds_next_us = UINT64_MAX;
    if (rc == OK) {
        e->creds_told = true;
        log_line(e->log, first ? LOG_NOTICE : LOG_VERBOSE, "s3: credentials from %s",
                 s3_creds_source(e->creds));
        if (expiry != UINT64_MAX) {
            uint64_t early =
                expiry > S3_CREDS_ADVISORY_US ? expiry - S3_CREDS_ADVISORY_US : 0;
            /* Keys that live shorter than that are renewed in the middle of what is left.
             */
            e->creds_next_us =
                early > wall ? early
                             : wall + (expiry > wall ? (expiry - wall) / 2 : 0) + 1000000;
        }
    } else {
        log_line(e->log, LOG_WARNING, "s3: %s", e->creds_why);
        bool urgent = expiry < wall + S3_CREDS_MANDATORY_US;
        if (expiry != UINT64_MAX)
            e->creds_next_us = wall + (urgent ? CREDS_URGENT_US : CREDS_AGAIN_US);
    }
    /* Calls that wait go on with what there is, or end. */
    for (bool again = true; again;) {
        again = false;
        LIST_FOR(node, &e->calls) {
            s3_call *c = LIST_ENTRY(node, s3_call, node);
            struct s3_keys k;
            if (c->state != S3_CALL_NO_KEYS) continue;
            if (keys_usable(e, &k)) {
                call_send(c);
            } else {
                snprintf(c->why, sizeof(c->why), "%s",
                         rc == OK ? "the credentials have expired" : e->creds_why);
                call_finish(c, c->tried.unknown && c->write ? ERR_TIMEOUT : ERR_AUTH,
                            NULL);
            }
            again = true;
            break;
        }
    }
}

static void creds_ask(struct s3_engine *e) {
    struct s3_ask ask;
    struct s3_http *h = &e->creds_http;
    s3_creds_ask(e->creds, &ask);
    wipe_string(&e->creds_url);
    e->creds_url = mem_strdup(ask.url);
    h->method = ask.method;
    h->url = e->creds_url;
    h->body = ask.body;
    h->answer_max = CREDS_ANSWER_MAX;
    h->timeout_us = ask.timeout_us;
    h->direct = strncmp(ask.url, "https://", 8) != 0;
    h->fresh = false;
    h->done = creds_answered;
    h->cookie = e;
    memcpy(e->creds_headers, ask.headers, sizeof(e->creds_headers));
    h->headers = e->creds_headers;
    h->header_count = ask.header_count;
    e->creds_asking = true;
    s3_net_start(e->net, h);
}

static void creds_answered(struct s3_http *h) {
    struct s3_engine *e = h->cookie;
    int rc = s3_creds_answer(e->creds, h->net == S3_NET_OK, h->status,
                             slice_of(&h->answer), e->creds_why);
    if (h->answer.p != NULL) explicit_bzero(h->answer.p, h->answer.cap);
    e->creds_asking = false;
    if (rc == ERR_AGAIN)
        creds_ask(e);
    else
        creds_settled(e, rc);
}

/* True when the matter was settled here and now. */
static bool run_creds(struct s3_engine *e) {
    if (e->creds_asking) return false;
    if (!e->creds_wanted && e->creds_next_us > store_wall_us(e)) return false;
    e->creds_wanted = false;
    int rc = s3_creds_find(e->creds, e->creds_why);
    if (rc == ERR_AGAIN)
        creds_ask(e);
    else
        creds_settled(e, rc);
    return rc != ERR_AGAIN;
}

void s3_engine_poll(struct s3_engine *e, uint64_t until_us) {
    run_due(e);
    if (run_creds(e)) until_us = 0; /* Whoever waits for it should not wait on. */
    uint64_t now = now_us(e), wall = store_wall_us(e), due = next_due(e);
    if (due < until_us) until_us = due;
    if (!e->creds_asking && e->creds_next_us != UINT64_MAX) {
        uint64_t in = e->creds_next_us > wall ? e->creds_next_us - wall : 0;
        if (now + in < until_us) until_us = now + in;
    }
    if (e->creds_wanted) until_us = 0;
    s3_net_poll(e->net, until_us);
    run_due(e);
}
