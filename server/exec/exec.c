/* exec.c -- the exec itself: setup, the end of each turn, the cron, and what others ask of clients. */
#include "exec/exec.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "exec/exec_internal.h"
#include "resp/write.h"

#define CRON_US 100000
#define ROOM_RETRY_US 400
#define REAP_BUDGET_US 500
#define FLUSH_US 300 /* Of a turn, for writing replies: a look at the clock after each call of the kernel. */
#define WAKE_BUDGET_US 500 /* Of a turn, for clients that waited; a pipeline of theirs counts whole. */
#define IDLE_TRIM_US 2000000 /* An idle client gives its buffers back. */

static const char *const enable_words[] = {"no", "yes", "local", NULL};

#define F(field) offsetof(struct exec_config, field)
const struct option exec_options[] = {
    {"port", NULL, OPTION_INT, OPTION_IMMUTABLE, F(port), "6379", 0, 65535, NULL, NULL,
     "TCP port to listen on; 0 listens on no TCP port."},
    {"bind", NULL, OPTION_STRING, OPTION_MULTI | OPTION_IMMUTABLE, F(bind), "127.0.0.1 -::1", 0, 0,
     NULL, NULL, "Addresses to listen on; one that starts with a dash may be unavailable."},
    {"tcp-backlog", NULL, OPTION_INT, OPTION_IMMUTABLE, F(tcp_backlog), "511", 0, 65535, NULL, NULL,
     "Connections that the kernel holds before they are accepted."},
    {"timeout", NULL, OPTION_INT, 0, F(timeout), "0", 0, INT32_MAX, NULL, NULL,
     "Seconds after which an idle client is closed; 0 never."},
    {"tcp-keepalive", NULL, OPTION_INT, 0, F(tcp_keepalive), "300", 0, INT32_MAX, NULL, NULL,
     "Seconds between probes of a silent connection."},
    {"maxclients", NULL, OPTION_INT, 0, F(maxclients), "10000", 1, UINT32_MAX, NULL, NULL,
     "Clients served at the same time."},
    {"hz", NULL, OPTION_INT, 0, F(hz), "10", 0, INT32_MAX, NULL, NULL,
     "Background rounds a second."},
    {"client-query-buffer-limit", NULL, OPTION_MEMORY, 0, F(query_buffer_limit), "1gb", 1048576,
     INT64_MAX, NULL, NULL, "Bytes of requests held for one client before it is closed."},
    {"slowlog-max-len", NULL, OPTION_INT, 0, F(slowlog_max_len), "128", 0, INT64_MAX, NULL, NULL,
     "Entries that the slow log keeps."},
    {"slowlog-log-slower-than", NULL, OPTION_INT, 0, F(slowlog_log_slower_than), "10000", -1,
     INT64_MAX, NULL, NULL, "Microseconds above which a command enters the slow log; -1 never."},
    {"unixsocket", NULL, OPTION_STRING, OPTION_IMMUTABLE, F(unixsocket), "", 0, 0, NULL, NULL,
     "Path of a Unix socket to listen on as well."},
    {"unixsocketperm", NULL, OPTION_OCTAL, OPTION_IMMUTABLE, F(unixsocketperm), "0", 0, 0777, NULL,
     NULL, "Permissions of the Unix socket, in octal."},
    {"requirepass", NULL, OPTION_STRING, OPTION_SECRET, F(requirepass), "", 0, 0, NULL, NULL,
     "Password that clients have to give with AUTH."},
    {"protected-mode", NULL, OPTION_BOOL, 0, F(protected_mode), "yes", 0, 0, NULL, NULL,
     "Without a password, serve only connections from this machine."},
    {"enable-debug-command", NULL, OPTION_ENUM, OPTION_IMMUTABLE, F(enable_debug_command), "no", 0,
     0, enable_words, NULL, "Who may use DEBUG: no, yes, or local connections."},
    {"enable-module-command", NULL, OPTION_ENUM, OPTION_IMMUTABLE, F(enable_module_command), "no",
     0, 0, enable_words, NULL, "Who may use MODULE: no, yes, or local connections."},
    {"enable-protected-configs", NULL, OPTION_ENUM, OPTION_IMMUTABLE, F(enable_protected_configs),
     "no", 0, 0, enable_words, NULL,
     "Who may change protected options with CONFIG SET: no, yes, or local connections."},
};
const size_t exec_options_count = sizeof(exec_options) / sizeof(*exec_options);

/* ---- end of turn --------------------------------------------------------------------------------- */

static void evict_one(void *cookie, db *d, slice key) {
    exec *x = cookie;
    buf copy = BUF_INIT; /* The slice may lie in the page that the effect changes. */
    buf_append_slice(&copy, key);
    effect e = {.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = db_id(d), .key = slice_of(&copy)};
    tier_txn_begin(x->deps.tier);
    if (tier_effect(x->deps.tier, &e) == OK) keyspace_stats(x->deps.keyspace)->evicted_keys++;
    tier_txn_end(x->deps.tier);
    buf_free(&copy);
}

void exec__make_room(exec *x) {
    if (x->loading) return;
    x->room_rc = keyspace_make_room(x->deps.keyspace,
                                    x->locked_by == NULL && !exec__paused(x) ? evict_one : NULL, x);
}

static void room_retry(void *cookie) {
    exec *x = cookie;
    x->room_timer = NULL;
    exec__refresh_time(x);
    exec__make_room(x);
    if (x->room_rc != ERR_AGAIN) exec__wake(x, &x->room_waiters, loop_share_us(x->deps.loop, WAKE_BUDGET_US));
}

static bool before_sleep(void *cookie) {
    exec *x = cookie;
    bool busy = false;
    if (!x->loading && keyspace_maxmemory(x->deps.keyspace) != SIZE_MAX) exec__make_room(x);
    if (!list_empty(&x->room_waiters)) {
        if (x->room_rc != ERR_AGAIN) {
            exec__wake(x, &x->room_waiters, loop_share_us(x->deps.loop, WAKE_BUDGET_US));
            busy = true; /* What they wrote is sealed in the next turn: do not sleep over it. */
        } else if (x->room_timer == NULL) {
            x->room_timer = loop_timer(x->deps.loop, ROOM_RETRY_US, room_retry, x);
        }
    }
    if (x->locked_by == NULL && !x->loading && !list_empty(&x->lock_waiters)) {
        exec__wake(x, &x->lock_waiters, loop_share_us(x->deps.loop, WAKE_BUDGET_US));
        busy = true;
    }
    if (x->pause_until_ms == 0 && !list_empty(&x->pause_waiters)) {
        exec__wake(x, &x->pause_waiters, loop_share_us(x->deps.loop, WAKE_BUDGET_US));
        busy = true;
    }
    busy |= block__go_on(x);
    busy |= keyspace_reap(x->deps.keyspace, loop_share_us(x->deps.loop, REAP_BUDGET_US));
    return busy;
}

/* After the tier has sealed its batch: replies that need not wait leave now, as many as there is time for. */
static bool flush_clients(void *cookie) {
    exec *x = cookie;
    clock_source *clock = loop_clock(x->deps.loop);
    uint64_t start = clock_mono_us(clock), share = loop_share_us(x->deps.loop, FLUSH_US);
    bool more = false;
    while (!list_empty(&x->out_pending) && !more && tier_may_answer(x->deps.tier)) {
        if (client__flush_many(&x->out_pending) == 0) {
            client *c = LIST_ENTRY(x->out_pending.next, client, out_link);
            list_remove(&c->out_link);
            client__flush(c);
        }
        more = !list_empty(&x->out_pending) && clock_mono_us(clock) - start >= share;
    }
    client__free_dead(x);
    return more;
}

void exec_durable(void *cookie) {
    exec *x = cookie;
    if (x->stopped) return;
    for (list *n = x->gated.next; n != &x->gated;) {
        client *c = LIST_ENTRY(n, client, gated_link);
        n = n->next;
        client__queue_out(c);
    }
}

static void cron(void *cookie) {
    exec *x = cookie;
    x->cron = loop_timer(x->deps.loop, CRON_US, cron, x);
    exec__refresh_time(x);
    observe__sample(x);
    if (x->cron_paused) return;
    const char *why;
    if (!x->loading && x->locked_by == NULL && !exec__paused(x) && tier_admit(x->deps.tier, &why) == OK) {
        if (x->ks_config->active_expire) exec__expire(x);
        steps__sweep(x);
    }
    if (x->loading && !list_empty(&x->lock_waiters)) exec__wake(x, &x->lock_waiters, UINT64_MAX);
    if (x->pause_until_ms != 0 && (uint64_t)x->wall_ms >= x->pause_until_ms) exec_unpause(x);
    uint64_t idle_us = (uint64_t)x->deps.config->timeout * 1000000;
    for (list *n = x->clients.next; n != &x->clients;) {
        client *c = LIST_ENTRY(n, client, link);
        n = n->next;
        if (x->now_us - c->active_us > IDLE_TRIM_US) client__trim(c);
        if (idle_us != 0 && c->state == CLIENT_READY && x->now_us - c->active_us > idle_us) {
            log_line(x->deps.log, LOG_VERBOSE, "Closing idle client");
            client__close(c);
        }
    }
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void changed(void *cookie, db *d, slice key) {
    multi__touched(cookie, d, key);
    block__touched(cookie, d, key);
}
static void changed_db(void *cookie, db *d) {
    multi__touched_db(cookie, d);
    block__touched_db(cookie);
}
const struct keyspace_hooks exec_keyspace_hooks = {.changed = changed, .changed_db = changed_db};

exec *exec_create(const struct exec_deps *deps) {
    exec *x = mem_calloc(1, sizeof(*x));
    x->deps = *deps;
    x->ks_config = (struct keyspace_config *)(uintptr_t)deps->keyspace_config;
    x->commands = deps->commands;
    x->loading = true;
    list *heads[] = {&x->clients, &x->out_pending, &x->gated, &x->room_waiters, &x->lock_waiters,
                     &x->pause_waiters, &x->cold_waiters, &x->dead, &x->slow, &x->refusals,
                     &x->orphans};
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) list_init(heads[i]);
    for (size_t i = 0; i < WATCH_SLOTS; i++) list_init(&x->watch_slots[i]);
    block__init(x);
    background__init(x);
    exec__refresh_time(x);
    x->start_wall_ms = (uint64_t)x->wall_ms;
    x->start_mono_us = x->now_us;
    x->start_memory = mem_used();
    exec_new_replication_id(x);
    list_init(&x->arrived);
    loop_after_delivery(deps->loop, arrive__run, x);
    loop_before_sleep(deps->loop, before_sleep, x);
    loop_before_sleep(deps->loop, flush_clients, x);
    x->cron = loop_timer(deps->loop, CRON_US, cron, x);
    return x;
}

void exec_free(exec *x) {
    if (x == NULL) return;
    exec_close_clients(x);
    client__free_dead(x);
    background__free(x);
    while (!list_empty(&x->orphans)) {
        parked *p = LIST_ENTRY(x->orphans.next, parked, orphan);
        list_remove(&p->orphan);
        mem_free(p);
    }
    block__free(x);
    if (x->cron != NULL) loop_timer_cancel(x->deps.loop, x->cron);
    if (x->room_timer != NULL) loop_timer_cancel(x->deps.loop, x->room_timer);
    exec_slow_reset(x);
    exec_forget_refusals(x);
    mem_free(x);
}

void exec_close_clients(exec *x) {
    x->stopped = true;
    background__close(x);
    while (!list_empty(&x->clients)) client__close(LIST_ENTRY(x->clients.next, client, link));
}

static bool loopback(const conn *c) {
    return c->local || strncmp(c->peer, "127.", 4) == 0 || strncmp(c->peer, "[::1]", 5) == 0 ||
           strncmp(c->peer, "::1", 3) == 0;
}

static void refuse(exec *x, conn *c, const char *line) {
    struct iovec v = {(void *)(uintptr_t)line, strlen(line)};
    (void)c->ops->writev(c, &v, 1); /* Best effort: the connection ends either way. */
    c->ops->close(c);
    x->stats.rejected_connections++;
}

void exec_accept(void *cookie, conn *c) {
    exec *x = cookie;
    if (x->stopped) {
        c->ops->close(c);
        return;
    }
    if (x->stats.clients >= (uint64_t)x->deps.config->maxclients) {
        refuse(x, c, "-ERR max number of clients reached\r\n");
        return;
    }
    if (x->deps.config->protected_mode && acl_user_nopass(acl_default(x->deps.acl)) && !loopback(c)) {
        refuse(x, c,
               "-DENIED this server is in protected mode: no password is set, so it serves only "
               "clients on its own machine. Set a password with requirepass, or protected-mode no "
               "if the network is trusted.\r\n");
        return;
    }
    if (x->deps.config->tcp_keepalive > 0 && !c->local) {
        conn_keepalive(c, (int)x->deps.config->tcp_keepalive);
    }
    exec__refresh_time(x);
    x->stats.connections++;
    client__create(x, c);
}

const struct exec_deps *exec_deps(const exec *x) { return &x->deps; }
commands *exec_commands(exec *x) { return x->commands; }
struct exec_stats *exec_stats(exec *x) { return &x->stats; }
void exec_set_loading(exec *x, bool loading) {
    x->loading = loading; /* Who waited for this goes on at the end of the turn. */
}
bool exec_loading(const exec *x) { return x->loading; }
uint64_t exec_start_time_ms(const exec *x) { return x->start_wall_ms; }
uint64_t exec_start_mono_us(const exec *x) { return x->start_mono_us; }
void exec_on_shutdown(exec *x, void (*fn)(void *cookie, bool save, bool now), void *cookie) {
    x->shutdown = fn;
    x->shutdown_cookie = cookie;
}
void exec_request_shutdown(exec *x, bool save, bool now) {
    if (x->shutdown != NULL) x->shutdown(x->shutdown_cookie, save, now);
}

void exec_pause(exec *x, uint64_t until_ms, bool writes_only) {
    if (x->pause_until_ms != 0 && !x->pause_writes_only) writes_only = false;
    if (until_ms > x->pause_until_ms) x->pause_until_ms = until_ms;
    x->pause_writes_only = writes_only;
}

bool exec__paused(const exec *x) {
    return x->pause_until_ms != 0 && (uint64_t)x->wall_ms < x->pause_until_ms;
}

void exec_unpause(exec *x) {
    x->pause_until_ms = 0; /* The waiters go on at the end of the turn: not inside a command. */
}

/* ---- errors ----------------------------------------------------------------------------------------- */

void exec_count_error(exec *x, slice message) {
    size_t n = 0;
    while (n < message.n && n < sizeof(x->errors[0].prefix) - 1 && message.p[n] != ' ') n++;
    for (size_t i = 0; i < x->errors_n; i++) {
        if (strlen(x->errors[i].prefix) == n && memcmp(x->errors[i].prefix, message.p, n) == 0) {
            x->errors[i].count++;
            return;
        }
    }
    if (x->errors_n == ERROR_PREFIXES_MAX) return;
    struct error_count *e = &x->errors[x->errors_n++];
    memcpy(e->prefix, message.p, n);
    e->prefix[n] = '\0';
    e->count = 1;
}

void exec_each_error(exec *x, void (*each)(void *cookie, const char *prefix, uint64_t count),
                     void *cookie) {
    for (size_t i = 0; i < x->errors_n; i++) each(cookie, x->errors[i].prefix, x->errors[i].count);
}

void exec_reset_errors(exec *x) { x->errors_n = 0; }
