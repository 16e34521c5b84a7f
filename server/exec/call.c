/* call.c -- what handlers use: arguments, replies, keys, effects, parking. */
#include "exec/call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/num.h"
#include "exec/exec_internal.h"
#include "resp/write.h"

/* ---- arguments ------------------------------------------------------------------------------- */

size_t call_argc(const call *c) { return c->argc; }
slice call_arg(const call *c, size_t i) {
    assert(i < c->argc);
    return c->argv[i];
}
const slice *call_argv(const call *c) { return c->argv; }
bool call_arg_is(const call *c, size_t i, const char *word) {
    return i < c->argc && slice_is(c->argv[i], word);
}
const struct command *call_command(const call *c) { return c->cmd; }
exec *call_exec(const call *c) { return c->exec; }
client *call_client(const call *c) { return c->client; }
db *call_db(const call *c) { return c->client->db; }
int call_proto(const call *c) { return c->client->proto; }
bool call_in_multi(const call *c) { return c->in_multi; }
uint64_t call_mono_us(const call *c) { return clock_mono_us(loop_clock(c->exec->deps.loop)); }
uint64_t call_share_us(const call *c, uint64_t most) { return loop_share_us(c->exec->deps.loop, most); }
int64_t call_now_ms(const call *c) { return c->now_ms; }
rnd *call_rnd(const call *c) { return c->exec->deps.rnd; }
keyspace *call_keyspace(const call *c) { return c->exec->deps.keyspace; }
tier *call_tier(const call *c) { return c->exec->deps.tier; }

bool call_int_in(call *c, size_t i, int64_t min, int64_t max, int64_t *out, const char *error) {
    int64_t v;
    if (i < c->argc && num_parse_ll(c->argv[i], &v) && v >= min && v <= max) {
        *out = v;
        return true;
    }
    reply_error(c, error != NULL ? error : "ERR value is not an integer or out of range");
    return false;
}

bool call_int(call *c, size_t i, int64_t *out) {
    return call_int_in(c, i, INT64_MIN, INT64_MAX, out, NULL);
}

bool call_double(call *c, size_t i, double *out) {
    if (i < c->argc && num_parse_double(c->argv[i], out)) return true;
    reply_error(c, "ERR value is not a valid float");
    return false;
}

/* ---- replies ----------------------------------------------------------------------------------- */

buf *call_out(call *c) { return c->out; }
int reply_ok(call *c) {
    buf_append(c->out, "+OK\r\n", 5);
    return OK;
}
int reply_status(call *c, const char *text) {
    resp_status(c->out, text);
    return OK;
}
int reply_error(call *c, const char *text) {
    resp_error(c->out, text);
    c->errored = true;
    if (!c->client->background) exec_count_error(c->exec, slice_str(text));
    return OK;
}
int reply_errorf(call *c, const char *fmt, ...) {
    char text[1024]; /* What a client sent is quoted at most in part. */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\r' || text[n - 1] == '\n')) text[--n] = '\0';
    return reply_error(c, text);
}
int reply_int(call *c, int64_t v) {
    resp_int(c->out, v);
    return OK;
}
int reply_bool(call *c, bool v) {
    resp_bool(c->out, call_proto(c), v);
    return OK;
}
int reply_bulk(call *c, slice s) {
    resp_bulk(c->out, s);
    return OK;
}
int reply_bulk_str(call *c, const char *s) {
    resp_bulk_str(c->out, s);
    return OK;
}
int reply_bulk_int(call *c, int64_t v) {
    resp_bulk_int(c->out, v);
    return OK;
}
int reply_null(call *c) {
    resp_null(c->out, call_proto(c));
    return OK;
}
int reply_null_array(call *c) {
    resp_null_array(c->out, call_proto(c));
    return OK;
}
int reply_double(call *c, double v) {
    resp_double(c->out, call_proto(c), v);
    return OK;
}
int reply_array(call *c, size_t n) {
    resp_array(c->out, n);
    return OK;
}
int reply_map(call *c, size_t pairs) {
    resp_map(c->out, call_proto(c), pairs);
    return OK;
}
int reply_set(call *c, size_t n) {
    resp_set(c->out, call_proto(c), n);
    return OK;
}
int reply_empty_array(call *c) { return reply_array(c, 0); }
int reply_verbatim(call *c, const char *ext, slice s) {
    resp_verbatim(c->out, call_proto(c), ext, s);
    return OK;
}
int reply_take(call *c, buf *whole) {
    assert(whole->n > 0);
    if (c->out == &c->client->out) {
        client__append(c->client, whole);
    } else { /* EXEC gathers its replies. */
        buf_append_slice(c->out, slice_of(whole));
        buf_free(whole);
    }
    c->taken = true;
    return OK;
}
int reply_wrongtype(call *c) {
    return reply_error(c, "WRONGTYPE Operation against a key holding the wrong kind of value");
}
int reply_syntax(call *c) { return reply_error(c, "ERR syntax error"); }
int reply_arity(call *c) {
    return reply_errorf(c, "ERR wrong number of arguments for '%s' command",
                        commands_full_name(c->exec->commands, c->cmd));
}
int reply_unknown_subcommand(call *c) {
    char name[64];
    size_t n = c->argv[0].n < sizeof(name) - 1 ? c->argv[0].n : sizeof(name) - 1;
    for (size_t i = 0; i < n; i++) {
        uint8_t b = c->argv[0].p[i];
        name[i] = (char)(b >= 'a' && b <= 'z' ? b - 32 : b);
    }
    name[n] = '\0';
    slice sub = c->argv[1];
    return reply_errorf(c, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                        (int)(sub.n < 128 ? sub.n : 128), (const char *)sub.p, name);
}
int reply_help(call *c, const char *const *lines) {
    size_t n = 0;
    while (lines[n] != NULL) n++;
    char head[128];
    slice name = c->argv[0];
    snprintf(head, sizeof(head), "%.*s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
             (int)(name.n < 32 ? name.n : 32), (const char *)name.p);
    for (char *p = head; *p != ' ' && *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 32);
    }
    reply_array(c, n + 3);
    resp_status(c->out, head);
    for (size_t i = 0; i < n; i++) resp_status(c->out, lines[i]);
    resp_status(c->out, "HELP");
    resp_status(c->out, "    Prints this help.");
    return OK;
}

/* The elements are written after the place where the head will be, then moved: at most 24 bytes of
 * head, and one memmove of what follows. */
size_t reply_deferred(call *c) { return c->out->n; }

static void insert_head(call *c, size_t mark, const buf *head) {
    size_t tail = c->out->n - mark;
    buf_reserve(c->out, head->n);
    memmove(c->out->p + mark + head->n, c->out->p + mark, tail);
    memcpy(c->out->p + mark, head->p, head->n);
    c->out->n += head->n;
}
void reply_deferred_array(call *c, size_t mark, size_t n) {
    buf head = BUF_INIT;
    resp_array(&head, n);
    insert_head(c, mark, &head);
    buf_free(&head);
}
void reply_deferred_map(call *c, size_t mark, size_t pairs) {
    buf head = BUF_INIT;
    resp_map(&head, call_proto(c), pairs);
    insert_head(c, mark, &head);
    buf_free(&head);
}
void reply_deferred_set(call *c, size_t mark, size_t n) {
    buf head = BUF_INIT;
    resp_set(&head, call_proto(c), n);
    insert_head(c, mark, &head);
    buf_free(&head);
}

/* ---- keys ---------------------------------------------------------------------------------------- */

static void note_gate(call *c, uint64_t hash) {
    if (c->client->ack == ACK_MEMORY) return;
    uint64_t lsn = tier_key_lsn(c->exec->deps.tier, hash);
    if (lsn > c->gate) c->gate = lsn;
    uint64_t whole = tier_db_lsn(c->exec->deps.tier, c->client->db);
    if (whole > c->gate) c->gate = whole;
}

/* Arguments stay where and as they are while a command runs, so the place tells. */
static bool is_first_arg(const call *c, slice key) {
    return c->argc > 1 && key.p == c->argv[1].p && key.n == c->argv[1].n;
}

static uint64_t hash_of(call *c, db *d, slice key) {
    if (!is_first_arg(c, key)) return keyspace_hash(d, key);
    if (!c->first_hashed) c->first_hash = keyspace_hash(d, key);
    c->first_hashed = true;
    return c->first_hash;
}

static int lookup(call *c, db *d, slice key, unsigned flags, struct entry *out) {
    if (c->client->no_touch) flags &= ~KS_TOUCH;
    uint64_t hash = hash_of(c, d, key);
    int rc = keyspace_get_hashed(c->exec->deps.keyspace, d, key, hash, flags, out);
    if (rc == OK) out->value.now_ms = c->now_ms;
    if (rc == OK) note_gate(c, out->hash);
    else if (rc == ERR_NOTFOUND) note_gate(c, hash); /* A removal may undo. */
    return rc;
}

/* Whoever meets a key whose time has come removes it, also by reading, unless no write is taken now or
 * clients are paused: the data then stay as they are but for what writes that still run do. */
static int lookup_live(call *c, db *d, slice key, unsigned flags, struct entry *out) {
    const char *why;
    int rc = lookup(c, d, key, flags | KS_EXPIRED, out);
    if (rc != OK || !out->expired) return rc;
    if (exec__paused(c->exec) && (c->cmd->flags & CMD_WRITE) == 0) return ERR_NOTFOUND;
    if (tier_admit(c->exec->deps.tier, &why) != OK) return ERR_NOTFOUND;
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = db_id(d), .key = key};
    rc = call_effect(c, &e);
    if (rc != OK) return rc;
    keyspace_stats(c->exec->deps.keyspace)->expired_keys++;
    call_notify(c, 'x', "expired", key);
    return ERR_NOTFOUND;
}

int call_read(call *c, slice key, struct entry *out) {
    return lookup_live(c, c->client->db, key, KS_TOUCH | KS_COUNT, out);
}
int call_look(call *c, slice key, struct entry *out) {
    return lookup_live(c, c->client->db, key, KS_COUNT, out);
}
int call_peek(call *c, slice key, struct entry *out) {
    return lookup_live(c, c->client->db, key, 0, out);
}
int call_write_db(call *c, db *d, slice key, struct entry *out) {
    return lookup_live(c, d, key, KS_TOUCH, out);
}
int call_write(call *c, slice key, struct entry *out) {
    return call_write_db(c, c->client->db, key, out);
}
int call_read_type(call *c, slice key, uint8_t type, struct entry *out) {
    int rc = call_read(c, key, out);
    return rc == OK && out->value.type != type ? ERR_TYPE : rc;
}
int call_write_type(call *c, slice key, uint8_t type, struct entry *out) {
    int rc = call_write(c, key, out);
    return rc == OK && out->value.type != type ? ERR_TYPE : rc;
}

/* ---- effects -------------------------------------------------------------------------------------- */

int call_effect(call *c, effect *e) {
    e->hashed = c->first_hashed && is_first_arg(c, e->key);
    e->hash = c->first_hash;
    return tier_effect(c->exec->deps.tier, e);
}

int call_set_string(call *c, slice key, slice value, int64_t expire_ms) {
    uint8_t tmp[8];
    slice args[2] = {value, effect_expiry(tmp, expire_ms)};
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_SET, .db = db_id(c->client->db), .key = key,
                .args = args, .argc = 2};
    return call_effect(c, &e);
}
int call_del(call *c, slice key) {
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = db_id(c->client->db), .key = key};
    return call_effect(c, &e);
}
int call_expire(call *c, slice key, int64_t expire_ms) {
    uint8_t tmp[8];
    slice args[1] = {effect_expiry(tmp, expire_ms)};
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_EXPIRE, .db = db_id(c->client->db), .key = key,
                .args = args, .argc = 1};
    return call_effect(c, &e);
}
int call_value(call *c, uint8_t type, uint8_t op, slice key, const slice *args, size_t argc) {
    effect e = {.target = EFFECT_VALUE, .type = type, .op = op, .db = db_id(c->client->db),
                .key = key, .args = args, .argc = argc};
    return call_effect(c, &e);
}
void call_notify(call *c, char event_class, const char *event, slice key) {
    (void)c; /* Nobody can listen before pub/sub is there. */
    (void)event_class;
    (void)event;
    (void)key;
}

/* ---- longer work ------------------------------------------------------------------------------------ */

void *call_state(call *c) { return c->state; }
void call_set_state(call *c, void *state, void (*free_fn)(void *state)) {
    if (c->state != NULL && c->state != state && c->state_free != NULL) c->state_free(c->state);
    c->state = state;
    c->state_free = free_fn;
}
uint64_t call_cold_rounds(const call *c) { return c->client->call.cold_rounds; }
bool call_may_park(const call *c) { return !c->in_multi; }
void *call_cookie(const call *c) { return c->cookie; }

int call_next_turn(call *c) {
    assert(c->state != NULL);
    c->client->call.next_turn = true; /* In MULTI it is EXEC that waits. */
    return ERR_COLD;
}

void call_hold(call *c) { c->client->call.keep_txn = true; }

parked *call_park(call *c, command_fn *fn, void *cookie, void (*canceled)(void *cookie)) {
    assert(call_may_park(c) && c->client->parked == NULL);
    parked *p = mem_calloc(1, sizeof(*p));
    p->client = c->client;
    p->fn = fn;
    p->cookie = cookie;
    p->canceled = canceled;
    list_init(&p->orphan);
    c->client->parked = p;
    return p;
}

static void park_timeout(void *arg);

/* False: later, or never. */
static bool go_on_in_background(client *c, parked *p) {
    int rc = background__may_go_on(c);
    if (rc == OK) return true;
    p->resuming = false;
    if (rc == ERR_AGAIN) {
        p->timeout = loop_timer(c->exec->deps.loop, BACKGROUND_LOOK_US, park_timeout, p);
        return false;
    }
    dispatch__cancel(c);
    background__ended(c);
    return false;
}

static void resume_now(void *arg) {
    parked *p = arg;
    client *c = p->client;
    if (c == NULL) { /* The client went away between the resume and now. */
        list_remove(&p->orphan);
        mem_free(p);
        return;
    }
    assert(c->parked == p && c->state == CLIENT_PARKED);
    if (c->background && !go_on_in_background(c, p)) return;
    c->parked = NULL;
    dispatch__count_blocked(c, false);
    c->call.resume_fn = p->fn;
    c->call.cookie = p->cookie;
    mem_free(p);
    dispatch__again(c);
}

void parked_resume(parked *p) {
    if (p->resuming) return;
    p->resuming = true;
    loop *l = p->client->exec->deps.loop;
    if (p->timeout != NULL) loop_timer_cancel(l, p->timeout);
    p->timeout = NULL;
    loop_post(l, resume_now, p);
}

static void park_timeout(void *arg) {
    parked *p = arg;
    p->timeout = NULL;
    parked_resume(p);
}

void parked_timeout(parked *p, uint64_t ms) {
    assert(p->timeout == NULL);
    p->timeout = loop_timer(p->client->exec->deps.loop, ms * 1000, park_timeout, p);
}
