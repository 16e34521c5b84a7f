/* s3_net.c -- the only file that sees libcurl.
 *
 * Timeouts are our own, and not curl's: curl counts the time an exchange waits for a free
 * connection, and knows no deadline that moves with progress. An exchange's deadline is
 * timeout_us after its start plus 1 us a byte carried (1 MB/s): a large body on a slow
 * line is fine, a stuck one is not. An exchange that is late is taken out of the multi
 * handle, which closes its connection.
 *
 * HTTP/1.1 only: one exchange a connection, so a stuck connection stops one request, and
 * a hedge goes elsewhere by itself. */
#include "objstore/s3_net.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#define ERROR_BODY_MAX 65536u /* Enough for any <Error>; the rest is not read. */
#define EASY_IDLE_MAX 64u
#define ANSWER_STEP ((size_t)16 << 20) /* A Content-Length reserves no more than this.   \
                                        */
#define CURL_BUFFER 131072L
#define CONNECT_TIMEOUT_MAX_MS 3000L
#define KEEP_IDLE_S 20L /* Servers close idle connections after 20 to 60 s. */

struct s3_net {
    CURLM *multi;
    clock_source *clock;
    list waiting, running;
    unsigned count, connections;
    CURL *idle[EASY_IDLE_MAX];
    unsigned idle_count;
    char *ca_file;
};

int s3_net_create(clock_source *clock, unsigned connections, const char *ca_file,
                  s3_net **out) {
    assert(connections > 0);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return ERR_IO;
    s3_net *n = mem_calloc(1, sizeof(*n));
    n->multi = curl_multi_init();
    if (n->multi == NULL) {
        mem_free(n);
        curl_global_cleanup();
        return ERR_NOMEM;
    }
    n->clock = clock;
    n->connections = connections;
    n->ca_file = mem_strdup(ca_file == NULL ? "" : ca_file);
    list_init(&n->waiting);
    list_init(&n->running);
    curl_multi_setopt(n->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(n->multi, CURLMOPT_MAXCONNECTS, (long)connections + 4);
    *out = n;
    return OK;
}

void s3_net_free(s3_net *n) {
    if (n == NULL) return;
    assert(list_empty(&n->waiting));
    assert(list_empty(&n->running));
    while (n->idle_count > 0) curl_easy_cleanup(n->idle[--n->idle_count]);
    curl_multi_cleanup(n->multi);
    curl_global_cleanup();
    mem_free(n->ca_file);
    mem_free(n);
}

void s3_http_deinit(struct s3_http *h) {
    assert(!h->queued && !h->running);
    buf_free(&h->answer);
}

static void progress(struct s3_http *h, size_t bytes) {
    h->deadline_us += bytes;
}

static size_t send_body(char *to, size_t size, size_t count, void *cookie) {
    struct s3_http *h = cookie;
    size_t n = size * count, left = h->body.n - h->sent;
    if (n > left) n = left;
    if (n > 0) memcpy(to, h->body.p + h->sent, n);
    h->sent += n;
    h->bytes_up += n;
    progress(h, n);
    return n;
}

/* curl sends a body again when a kept connection turned out to be closed. */
static int rewind_body(void *cookie, curl_off_t offset, int origin) {
    struct s3_http *h = cookie;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > h->body.n) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    h->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t take_body(char *from, size_t size, size_t count, void *cookie) {
    struct s3_http *h = cookie;
    size_t n = size * count;
    bool good = h->status >= 200 && h->status < 300;
    size_t most = good ? h->answer_max : ERROR_BODY_MAX;
    h->bytes_down += n;
    progress(h, n);
    if (n > most - h->answer.n) {
        if (!good) return n; /* The start of an error says enough. */
        h->net = S3_NET_LIMIT;
        return 0;
    }
    /* The length comes from the network: it is checked against what was asked for, and
     * reserves at most ANSWER_STEP before bytes have really come. */
    if (h->answer.n == 0 && h->answer_total != UINT64_MAX) {
        size_t hint = h->answer_total > most ? most : (size_t)h->answer_total;
        if (hint > ANSWER_STEP) hint = ANSWER_STEP;
        if (hint > n && buf_try_reserve(&h->answer, hint) != OK) return 0;
    }
    if (buf_try_reserve(&h->answer, n) != OK) return 0;
    buf_append(&h->answer, from, n);
    return n;
}

/* The value of header `name` in the line, blanks cut; false when it is another header. */
static bool header_value(slice line, const char *name, slice *v) {
    size_t n = strlen(name);
    if (line.n <= n || line.p[n] != ':' || !slice_is(slice_make(line.p, n), name))
        return false;
    const uint8_t *p = line.p + n + 1, *end = line.p + line.n;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (end > p && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ')) end--;
    *v = slice_make(p, (size_t)(end - p));
    return true;
}

static bool digits(const uint8_t **p, const uint8_t *end, uint64_t *out) {
    const uint8_t *start = *p;
    uint64_t v = 0;
    while (*p < end && **p >= '0' && **p <= '9') {
        uint64_t d = (uint64_t)(**p - '0');
        if (v > (UINT64_MAX - d) / 10) return false;
        v = v * 10 + d;
        (*p)++;
    }
    *out = v;
    return *p > start;
}

/* "bytes 0-9/100" or "bytes *" "/100". */
static void take_range(struct s3_http *h, slice v) {
    const uint8_t *p = v.p, *end = v.p + v.n;
    uint64_t first = 0, last = 0, total = 0;
    if (v.n < 8 || memcmp(p, "bytes ", 6) != 0) return;
    p += 6;
    if (*p == '*') {
        p++;
    } else {
        if (!digits(&p, end, &first) || p == end || *p++ != '-') return;
        if (!digits(&p, end, &last)) return;
    }
    if (p == end || *p++ != '/' || !digits(&p, end, &total) || p != end) return;
    h->range_first = first;
    h->range_total = total;
}

static void take_text(slice v, char *out, size_t room) {
    out[0] = 0;
    if (v.n >= room) return;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < 0x21 || v.p[i] > 0x7E) return;
    }
    memcpy(out, v.p, v.n);
    out[v.n] = 0;
}

/* Ceph's request ids look like "tx0000...-00..-1a2b-default". */
static bool ceph_id(slice v) {
    return v.n > 20 && memcmp(v.p, "tx0000", 6) == 0 && memchr(v.p, '-', v.n) != NULL;
}

static void forget_answer(struct s3_http *h) {
    h->etag[0] = h->region[0] = 0;
    h->answer_total = h->range_total = UINT64_MAX;
    h->range_first = 0;
    h->date_us = 0;
    h->retry_after_s = -1;
    h->answer.n = 0;
}

static size_t take_header(char *from, size_t size, size_t count, void *cookie) {
    struct s3_http *h = cookie;
    slice line = slice_make(from, size * count), v;
    uint64_t num = 0;
    if (line.n > 5 && memcmp(line.p, "HTTP/", 5) == 0) {
        forget_answer(h); /* A 100 Continue may have come before. */
        curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &h->status);
    } else if (header_value(line, "etag", &v)) {
        take_text(v, h->etag, sizeof(h->etag));
    } else if (header_value(line, "content-length", &v)) {
        const uint8_t *p = v.p;
        if (digits(&p, v.p + v.n, &num) && p == v.p + v.n) h->answer_total = num;
    } else if (header_value(line, "content-range", &v)) {
        take_range(h, v);
    } else if (header_value(line, "x-amz-bucket-region", &v)) {
        take_text(v, h->region, sizeof(h->region));
    } else if (header_value(line, "date", &v)) {
        if (!s3_parse_http_date(v, &h->date_us)) h->date_us = 0;
    } else if (header_value(line, "retry-after", &v)) {
        const uint8_t *p = v.p;
        if (digits(&p, v.p + v.n, &num) && num < 3600) h->retry_after_s = (long)num;
    } else if (header_value(line, "server", &v)) {
        if (v.n >= 4 && memmem(v.p, v.n, "Ceph", 4) != NULL) h->ceph = true;
    } else if (header_value(line, "x-amz-request-id", &v)) {
        if (ceph_id(v)) h->ceph = true;
    }
    return line.n;
}

static void set_method(CURL *e, const struct s3_http *h) {
    if (strcmp(h->method, "GET") == 0) {
        curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
    } else if (strcmp(h->method, "HEAD") == 0) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (strcmp(h->method, "DELETE") == 0) {
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, "DELETE");
    } else {
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, h->method);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)h->body.n);
    }
}

static void set_options(s3_net *n, CURL *e, struct s3_http *h) {
    long connect_ms = (long)(h->timeout_us / 1000);
    if (connect_ms > CONNECT_TIMEOUT_MAX_MS) connect_ms = CONNECT_TIMEOUT_MAX_MS;
    if (connect_ms < 1) connect_ms = 1;
    curl_easy_setopt(e, CURLOPT_URL, h->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, CURL_BUFFER);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, CURL_BUFFER);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, KEEP_IDLE_S);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (n->ca_file[0] != 0) curl_easy_setopt(e, CURLOPT_CAINFO, n->ca_file);
    if (h->direct) curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    if (h->fresh) {
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    }
    curl_easy_setopt(e, CURLOPT_READFUNCTION, send_body);
    curl_easy_setopt(e, CURLOPT_READDATA, h);
    curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, rewind_body);
    curl_easy_setopt(e, CURLOPT_SEEKDATA, h);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(e, CURLOPT_PRIVATE, h);
    set_method(e, h);
}

/* curl keeps a copy of each line; ours is wiped, since one carries the session token. */
static struct curl_slist *make_headers(const struct s3_http *h) {
    struct curl_slist *l = NULL, *more;
    /* No round trip for "100 Continue" before a body. */
    l = curl_slist_append(NULL, "Expect:");
    if (l == NULL) return NULL;
    for (size_t i = 0; i < h->header_count; i++) {
        buf line = BUF_INIT;
        buf_printf(&line, "%s: %s", h->headers[i].name, h->headers[i].value);
        buf_u8(&line, 0);
        more = curl_slist_append(l, (const char *)line.p);
        explicit_bzero(line.p, line.n);
        buf_free(&line);
        if (more == NULL) {
            curl_slist_free_all(l);
            return NULL;
        }
        l = more;
    }
    return l;
}

static void free_headers(struct curl_slist *l) {
    for (struct curl_slist *i = l; i != NULL; i = i->next)
        explicit_bzero(i->data, strlen(i->data));
    curl_slist_free_all(l);
}

static void launch(s3_net *n, struct s3_http *h) {
    CURL *e = n->idle_count > 0 ? n->idle[--n->idle_count] : curl_easy_init();
    struct curl_slist *headers = e == NULL ? NULL : make_headers(h);
    h->easy = e;
    h->header_list = headers;
    h->queued = false;
    h->running = true;
    h->deadline_us = clock_mono_us(n->clock) + h->timeout_us;
    n->count++;
    list_push_back(&n->running, &h->node);
    bool ok = headers != NULL;
    if (ok) {
        set_options(n, e, h);
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
        ok = curl_multi_add_handle(n->multi, e) == CURLM_OK;
    }
    if (!ok) { /* No memory: late at once, and done in the next turn. */
        if (headers != NULL) free_headers(headers);
        if (e != NULL) curl_easy_cleanup(e);
        h->easy = h->header_list = NULL;
        h->deadline_us = 0;
    }
}

static void detach(s3_net *n, struct s3_http *h) {
    assert(h->running);
    list_remove(&h->node);
    h->running = false;
    n->count--;
    if (h->easy == NULL) return;
    curl_multi_remove_handle(n->multi, h->easy);
    curl_easy_reset(h->easy);
    if (n->idle_count < EASY_IDLE_MAX)
        n->idle[n->idle_count++] = h->easy;
    else
        curl_easy_cleanup(h->easy);
    free_headers(h->header_list);
    h->easy = h->header_list = NULL;
}

void s3_net_start(s3_net *n, struct s3_http *h) {
    assert(!h->queued && !h->running);
    forget_answer(h);
    h->net = S3_NET_OK;
    h->error[0] = 0;
    h->status = 0;
    h->ceph = false;
    h->sent = 0;
    h->bytes_up = h->bytes_down = 0;
    h->queued = true;
    list_push_back(&n->waiting, &h->node);
}

void s3_net_cancel(s3_net *n, struct s3_http *h) {
    if (h->running) detach(n, h);
    if (h->queued) list_remove(&h->node);
    h->queued = false;
}

static enum s3_end meaning(CURLcode c, const struct s3_http *h) {
    if (h->net == S3_NET_LIMIT) return S3_NET_LIMIT;
    switch ((int)c) {
    case CURLE_OK: return S3_NET_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR: return S3_NET_CONNECT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR: return S3_NET_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return h->bytes_up == 0 && h->status == 0 ? S3_NET_CONNECT : S3_NET_TIMEOUT;
    default: return S3_NET_BROKEN;
    }
}

static void finish(s3_net *n, struct s3_http *h, enum s3_end net, const char *error) {
    detach(n, h);
    h->net = net;
    snprintf(h->error, sizeof(h->error), "%s", error);
    h->done(h);
}

static bool finish_done(s3_net *n) {
    CURLMsg *m;
    int left;
    bool any = false;
    while ((m = curl_multi_info_read(n->multi, &left)) != NULL) {
        if (m->msg != CURLMSG_DONE) continue;
        struct s3_http *h = NULL;
        CURLcode c = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&h);
        assert(h != NULL && h->running);
        finish(n, h, meaning(c, h), curl_easy_strerror(c));
        any = true;
    }
    return any;
}

static void finish_late(s3_net *n) {
    uint64_t now = clock_mono_us(n->clock);
    /* done() may start and cancel exchanges: begin again after each. */
    for (bool again = true; again;) {
        again = false;
        LIST_FOR(node, &n->running) {
            struct s3_http *h = LIST_ENTRY(node, struct s3_http, node);
            if (h->deadline_us > now) continue;
            finish(n, h, S3_NET_TIMEOUT, "no answer in time");
            again = true;
            break;
        }
    }
}

static void launch_waiting(s3_net *n) {
    while (n->count < n->connections && !list_empty(&n->waiting)) {
        list *first = list_first(&n->waiting);
        list_remove(first);
        launch(n, LIST_ENTRY(first, struct s3_http, node));
    }
}

void s3_net_poll(s3_net *n, uint64_t until_us) {
    int running;
    launch_waiting(n);
    curl_multi_perform(n->multi, &running);
    if (finish_done(n)) until_us = 0; /* The owner has something to do first. */
    LIST_FOR(node, &n->running) {
        uint64_t d = LIST_ENTRY(node, struct s3_http, node)->deadline_us;
        if (d < until_us) until_us = d;
    }
    uint64_t now = clock_mono_us(n->clock);
    bool more = !list_empty(&n->waiting) && n->count < n->connections;
    uint64_t wait_ms = until_us <= now || more ? 0 : (until_us - now) / 1000 + 1;
    curl_multi_poll(n->multi, NULL, 0, wait_ms > 60000 ? 60000 : (int)wait_ms, NULL);
    curl_multi_perform(n->multi, &running);
    (void)finish_done(n);
    finish_late(n);
    launch_waiting(n);
}

void s3_net_wakeup(s3_net *n) {
    curl_multi_wakeup(n->multi);
}
