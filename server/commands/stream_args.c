/* stream_args.c -- ids as arguments and in replies, and deliveries to a consumer. */
#include <errno.h>
#include <stdlib.h>

#include "commands/stream_commands.h"
#include "resp/write.h"

#define ID_TEXT_MAX 127

/* ---- ids as arguments ---------------------------------------------------------------------------- */

static bool invalid(call *c) {
    if (c != NULL) reply_error(c, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

/* As Redis reads it: what is no plain number may still be one to strtoull ("+1", " 1", "01"). */
static bool parse_u64(slice s, uint64_t *out) {
    char text[ID_TEXT_MAX + 1], *end;
    int64_t plain;
    if (num_parse_ll(s, &plain)) {
        *out = (uint64_t)plain;
        return plain >= 0;
    }
    if (s.n == 0) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && end != text;
}

static bool parse(slice s, uint64_t missing_seq, stream_id *id, bool *any_seq) {
    if (s.n == 0 || s.n > ID_TEXT_MAX) return false;
    const uint8_t *nul = memchr(s.p, '\0', s.n); /* The text ends there, to Redis. */
    if (nul != NULL) s.n = (size_t)(nul - s.p);
    const uint8_t *dash = memchr(s.p, '-', s.n);
    slice ms = dash == NULL ? s : slice_make(s.p, (size_t)(dash - s.p));
    if (any_seq != NULL) *any_seq = false;
    if (!parse_u64(ms, &id->ms)) return false;
    id->seq = missing_seq;
    if (dash == NULL) return true;
    slice seq = slice_make(dash + 1, s.n - ms.n - 1);
    if (any_seq != NULL && slice_eq(seq, SLICE("*"))) {
        id->seq = 0;
        *any_seq = true;
        return true;
    }
    return parse_u64(seq, &id->seq);
}

bool stream_parse_id(call *c, slice s, uint64_t missing_seq, stream_id *id) {
    return parse(s, missing_seq, id, NULL) || invalid(c);
}

bool stream_parse_new_id(call *c, slice s, stream_id *id, bool *any_seq) {
    return parse(s, 0, id, any_seq) || invalid(c);
}

bool stream_parse_edge(call *c, slice s, uint64_t missing_seq, stream_id *id) {
    bool low = slice_eq(s, SLICE("-"));
    if (!low && !slice_eq(s, SLICE("+"))) return stream_parse_id(c, s, missing_seq, id);
    *id = low ? STREAM_ID_MIN : STREAM_ID_MAX;
    return true;
}

static bool parse_end(call *c, slice s, uint64_t missing_seq, stream_id *id, bool *exclusive) {
    *exclusive = s.n > 1 && s.p[0] == '(';
    if (!*exclusive) return stream_parse_edge(c, s, missing_seq, id);
    return stream_parse_id(c, slice_make(s.p + 1, s.n - 1), missing_seq, id);
}

bool stream_parse_from(call *c, slice s, stream_id *id) {
    bool exclusive;
    if (!parse_end(c, s, 0, id, &exclusive)) return false;
    if (!exclusive || stream_id_up(id)) return true;
    reply_error(c, "ERR invalid start ID for the interval");
    return false;
}

bool stream_parse_to(call *c, slice s, stream_id *id) {
    bool exclusive;
    if (!parse_end(c, s, UINT64_MAX, id, &exclusive)) return false;
    if (!exclusive || stream_id_down(id)) return true;
    reply_error(c, "ERR invalid end ID for the interval");
    return false;
}

bool stream_parse_ids(call *c, size_t first, size_t n, buf *ids) {
    for (size_t i = first; i < first + n; i++) {
        uint8_t raw[STREAM_ID_BYTES];
        stream_id id;
        if (!stream_parse_id(c, call_arg(c, i), 0, &id)) return false;
        stream_id_put(raw, id);
        buf_append(ids, raw, sizeof(raw));
    }
    return true;
}

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, STREAM_ID_BYTES); }

static bool rising(const buf *ids) {
    for (size_t at = STREAM_ID_BYTES; at < ids->n; at += STREAM_ID_BYTES)
        if (by_bytes(ids->p + at - STREAM_ID_BYTES, ids->p + at) >= 0) return false;
    return true;
}

void stream_sort_ids(buf *ids) {
    size_t n = ids->n / STREAM_ID_BYTES, kept = 0;
    if (n < 2 || rising(ids)) return; /* As a rule they come in order. */
    qsort(ids->p, n, STREAM_ID_BYTES, by_bytes);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = ids->p + i * STREAM_ID_BYTES;
        uint8_t *to = ids->p + kept * STREAM_ID_BYTES;
        if (kept > 0 && memcmp(to - STREAM_ID_BYTES, p, STREAM_ID_BYTES) == 0) continue;
        memmove(to, p, STREAM_ID_BYTES);
        kept++;
    }
    ids->n = kept * STREAM_ID_BYTES;
}

/* ---- replies ------------------------------------------------------------------------------------- */

slice stream_print_id(stream_id id, char tmp[2 * NUM_LL_MAX + 1]) {
    size_t n = num_print_ull(tmp, id.ms);
    tmp[n++] = '-';
    return slice_make(tmp, n + num_print_ull(tmp + n, id.seq));
}

int stream_reply_id(call *c, stream_id id) {
    char tmp[2 * NUM_LL_MAX + 1];
    return reply_bulk(c, stream_print_id(id, tmp));
}

int stream_write_entry(buf *out, struct stream_entry *e) {
    struct stream_pair pair;
    char text[2 * NUM_LL_MAX + 1];
    resp_array(out, 2);
    resp_bulk(out, stream_print_id(e->id, text));
    resp_array(out, 2 * e->fields);
    for (uint64_t i = 0; i < e->fields; i++) {
        if (!stream_entry_pair(e, &pair)) return ERR_CORRUPT;
        resp_bulk(out, pair.field);
        resp_bulk(out, pair.value);
    }
    return OK;
}

int stream_reply_entry(call *c, struct stream_entry *e) { return stream_write_entry(call_out(c), e); }

bool stream_name_ok(call *c, slice name) {
    if (name.n <= STREAM_NAME_MAX) return true;
    reply_error(c, "ERR the name exceeds the maximum size of a group's or a consumer's name");
    return false;
}

int stream_reply_subcommand_syntax(call *c) {
    slice name = call_arg(c, 0), sub = call_arg(c, 1);
    char upper[16];
    size_t n = name.n < sizeof(upper) ? name.n : sizeof(upper);
    for (size_t i = 0; i < n; i++) {
        uint8_t b = name.p[i];
        upper[i] = (char)(b >= 'a' && b <= 'z' ? b - 32 : b);
    }
    return reply_errorf(c, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %.*s HELP.",
                        sub.n < 128 ? (int)sub.n : 128, (const char *)sub.p, (int)n, upper);
}

/* ---- deliveries ---------------------------------------------------------------------------------- */

int stream_delivery_init(call *c, const struct value *v, const struct stream_group *g,
                         struct stream_delivery *d, bool active, struct stream_consumer *was) {
    uint64_t now = (uint64_t)call_now_ms(c);
    int rc = stream_consumer_get(v, g, d->consumer, was);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    d->fresh = rc == ERR_NOTFOUND;
    if (d->fresh) *was = (struct stream_consumer){.active = UINT64_MAX};
    put_u64(d->times, now);
    put_u64(d->times + 8, active ? now : was->active);
    return OK;
}

void stream_delivery_add(struct stream_delivery *d, stream_id id, uint64_t time, uint64_t count) {
    uint8_t record[STREAM_RECORD_BYTES];
    stream_id_put(record, id);
    put_u64(record + STREAM_ID_BYTES, time);
    put_u64(record + STREAM_ID_BYTES + 8, count);
    buf_append(&d->records, record, sizeof(record));
}

void stream_delivery_cursor(struct stream_delivery *d, stream_id last, int64_t read) {
    stream_id_put(d->cursor, last);
    put_u64(d->cursor + STREAM_ID_BYTES, (uint64_t)read);
    d->moved = true;
}

void stream_delivery_args(const struct stream_delivery *d, slice args[5]) {
    args[0] = d->group;
    args[1] = d->consumer;
    args[2] = slice_make(d->times, sizeof(d->times));
    args[3] = slice_make(d->cursor, d->moved ? sizeof(d->cursor) : 0);
    args[4] = slice_of(&d->records);
}

int stream_delivery_need(const struct value *v, const struct stream_delivery *d) {
    slice args[5], gone[2] = {d->group, slice_of(&d->gone)};
    int rc = d->gone.n > 0 ? stream_need(v, STREAM_ACK, gone, 2) : OK;
    stream_delivery_args(d, args);
    return rc == OK ? stream_need(v, STREAM_PEND, args, 5) : rc;
}

int stream_delivery_apply(call *c, const struct stream_delivery *d) {
    slice args[5], gone[2] = {d->group, slice_of(&d->gone)};
    int rc = d->gone.n > 0 ? call_value(c, TYPE_STREAM, STREAM_ACK, d->key, gone, 2) : OK;
    stream_delivery_args(d, args);
    if (rc == OK) rc = call_value(c, TYPE_STREAM, STREAM_PEND, d->key, args, 5);
    if (rc == OK && d->fresh) call_notify(c, 't', "xgroup-createconsumer", d->key);
    return rc;
}

void stream_delivery_free(struct stream_delivery *d) {
    buf_free(&d->records);
    buf_free(&d->gone);
}
