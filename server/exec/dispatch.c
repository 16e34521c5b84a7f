/* dispatch.c -- one request from its name to its reply.
 *
 *   find -> may it run (arity, auth, loading, transaction, pause, lock, ownership, memory)
 *        -> run inside a transaction of the tier -> gate the reply
 *
 * A handler that answers ERR_COLD has changed nothing: its client waits for the pages and the
 * handler runs again from the start. But for EXEC and those that hold their database (call_hold()): what they have
 * changed stands, their transaction is set aside, and they go on from where they were. */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "exec/exec_internal.h"
#include "resp/write.h"

#define LOADING_WAIT_US 1000000 /* Commands wait so long for the opening before -LOADING. */
#define ROOM_CHECK_EVERY 32  /* Commands between two looks at the memory in use. */

static void wait_done(void *cookie, int rc);
static void calm_done(void *cookie, int rc);

/* One reading of the monotonic clock a command; the wall clock follows once a millisecond. */
void exec__refresh_time(exec *x) {
    clock_source *clock = loop_clock(x->deps.loop);
    x->now_us = clock_mono_us(clock);
    if (x->wall_ms == 0 || x->now_us - x->wall_read_us >= 500) {
        x->wall_ms = (int64_t)clock_wall_ms(clock);
        x->wall_read_us = x->now_us;
    }
}

/* ---- may it run ------------------------------------------------------------------------------- */

static void reply_unknown(struct call *c) {
    buf line = BUF_INIT;
    slice name = c->argv[0];
    buf_printf(&line, "ERR unknown command '%.*s', with args beginning with: ",
               (int)(name.n < 128 ? name.n : 128), (const char *)name.p);
    size_t head = line.n;
    for (size_t i = 1; i < c->argc && line.n < head + 128; i++) {
        size_t room = head + 128 - line.n;
        size_t n = c->argv[i].n < room ? c->argv[i].n : room;
        buf_printf(&line, "'%.*s' ", (int)n, (const char *)c->argv[i].p);
    }
    buf_u8(&line, 0);
    reply_error(c, (char *)line.p);
    buf_free(&line);
}

/* The first words of an HTTP request. A web page can make a browser send one here, with commands in its
 * body: nothing behind these words is run. */
static bool refuse_http(struct call *c) {
    if (!slice_is(c->argv[0], "post") && !slice_is(c->argv[0], "host:")) return false;
    log_line(c->exec->deps.log, LOG_WARNING,
             "A client sent an HTTP request (a line that starts with POST or Host:). If a web page has made "
             "a browser do so, this is an attack. The connection is closed.");
    client__close(c->client);
    return true;
}

/* The row, or a subcommand's when there are some; NULL after an error reply. */
static const struct command *find_command(struct call *c, const struct command *cmd) {
    if (cmd == NULL) {
        if (!refuse_http(c)) reply_unknown(c);
        return NULL;
    }
    c->cmd = cmd;
    if (cmd->subcommands == NULL || c->argc < 2) return cmd;
    const struct command *sub = commands_find_sub(cmd, c->argv[1]);
    if (sub != NULL) return sub;
    reply_unknown_subcommand(c);
    return NULL;
}

static bool arity_ok(const struct command *cmd, size_t argc) {
    return cmd->arity >= 0 ? argc == (size_t)cmd->arity : argc >= (size_t)-cmd->arity;
}

/* EXEC needs whatever its queued commands need. */
static unsigned effective_flags(const struct call *c) {
    return c->cmd->flags | (c->cmd->fn == cmd_exec ? c->client->queue_flags : 0u);
}

static bool enabled(const struct call *c, int setting) {
    return setting == ENABLE_YES || (setting == ENABLE_LOCAL && client_local(c->client));
}

/* A key that may be made is longer than one can be. Told before anything runs, so that no command is
 * half done; a key that is only looked for is not there. */
static bool key_too_long(const struct call *c) {
    size_t longest = 0;
    if ((c->cmd->flags & CMD_WRITE) == 0) return false;
    for (size_t i = 1; i < c->argc; i++) {
        if (c->argv[i].n > longest) longest = c->argv[i].n;
    }
    if (longest <= KEY_BYTES_MAX) return false;
    struct key_ref *keys = mem_alloc(c->argc * sizeof(*keys));
    int n = command_keys(c->cmd, c->argv, c->argc, keys, c->argc);
    bool found = false;
    for (int i = 0; i < n && (size_t)i < c->argc; i++) {
        bool made = (keys[i].flags & KEY_OW) != 0 ||
                    (keys[i].flags & KEY_INSERT) != 0 ||
                    ((keys[i].flags & KEY_RW) != 0 && (c->cmd->flags & CMD_DENYOOM) != 0);
        if (made && c->argv[keys[i].pos].n > KEY_BYTES_MAX) found = true;
    }
    mem_free(keys);
    return found;
}

/* An error text, or NULL: it may run. */
static const char *refusal(struct call *c) {
    exec *x = c->exec;
    client *cl = c->client;
    unsigned flags = effective_flags(c);
    const char *why = NULL;
    if (client_needs_auth(cl) && (flags & CMD_NO_AUTH) == 0) return "NOAUTH Authentication required.";
    if ((c->cmd->flags & CMD_PROTECTED) != 0) { /* What EXEC runs was asked when it was queued. */
        bool debug = strcmp(c->cmd->name, "debug") == 0;
        int setting = debug ? x->deps.config->enable_debug_command
                            : x->deps.config->enable_module_command;
        if (!enabled(c, setting)) {
            return debug ? "ERR DEBUG command not allowed. If the enable-debug-command option is set "
                           "to \"local\", you can run it from a local connection, otherwise you need "
                           "to set this option in the configuration file, and then restart the "
                           "server."
                         : "ERR MODULE command not allowed. If the enable-module-command option is "
                           "set to \"local\", you can run it from a local connection, otherwise you "
                           "need to set this option in the configuration file, and then restart the "
                           "server.";
        }
    }
    if (!cl->background && (why = access__refusal(c)) != NULL) return why;
    if (db_dropped(cl->db) && c->cmd->group != GROUP_CONNECTION) {
        return "ERR the selected database has been dropped: SELECT another one";
    }
    if (x->loading && (flags & CMD_LOADING) == 0) {
        return "LOADING Redis is loading the dataset in memory";
    }
    if (arity_ok(c->cmd, c->argc) && key_too_long(c)) return "ERR key exceeds the maximum size of a key";
    if ((flags & CMD_WRITE) != 0 && tier_admit(x->deps.tier, &why) != OK) return why;
    if ((flags & CMD_READONLY) != 0 && tier_read_ok(x->deps.tier) != OK) {
        return "READONLY the store has another owner";
    }
    return NULL;
}

static const char out_of_memory[] = "OOM command not allowed when used memory > 'maxmemory'.";

/* Memory for a command that may need it: OK, ERR_LIMIT (refuse), ERR_AGAIN (wait). */
static int room_for(struct call *c) {
    exec *x = c->exec;
    if ((effective_flags(c) & CMD_DENYOOM) == 0 || x->ks_config->maxmemory == 0) return OK;
    if (x->room_rc != OK || x->room_countdown-- == 0) {
        x->room_countdown = ROOM_CHECK_EVERY;
        exec__make_room(x);
    }
    return x->room_rc;
}

/* A transaction of another waits, with half of it done: nobody is to see or change that. And one at a time: who is to
 * hold a database, waits even if it is another one. */
static bool locked_out(const struct call *c) {
    const exec *x = c->exec;
    return x->locked_by != NULL && x->locked_by != c->client &&
           (c->db == x->locked_db || (effective_flags(c) & (CMD_WRITE | CMD_WHOLE_DB)) != 0 ||
            c->cmd->fn == cmd_exec || c->keep_txn);
}

static bool paused(const struct call *c) {
    const exec *x = c->exec;
    return exec__paused(x) && c->cmd->group != GROUP_CONNECTION &&
           ((effective_flags(c) & (CMD_WRITE | CMD_MAY_REPLICATE)) != 0 || !x->pause_writes_only);
}

/* The wait list that the request belongs on now, or NULL: it may run. */
static list *must_wait(struct call *c, enum client_state *state) {
    exec *x = c->exec;
    unsigned flags = effective_flags(c);
    if (x->loading && (flags & CMD_LOADING) == 0 && !client_needs_auth(c->client) &&
        x->now_us - x->start_mono_us < LOADING_WAIT_US) {
        *state = CLIENT_WAIT_LOCK; /* Opening mostly takes milliseconds: no error for that. */
        return &x->lock_waiters;
    }
    if (locked_out(c)) {
        *state = CLIENT_WAIT_LOCK;
        return &x->lock_waiters;
    }
    if (paused(c)) {
        *state = CLIENT_WAIT_PAUSE;
        return &x->pause_waiters;
    }
    if (cold__must_wait(x, flags)) {
        *state = CLIENT_WAIT_COLD;
        return &x->cold_waiters;
    }
    return NULL;
}

/* What the server runs by itself is no client. */
void dispatch__count_blocked(client *c, bool more) {
    if (c->background) return;
    if (more) c->exec->stats.clients_blocked++;
    else c->exec->stats.clients_blocked--;
}

static void enter_wait(client *c, list *waiters, enum client_state state) {
    c->state = state;
    if (state == CLIENT_WAIT_PAUSE) dispatch__count_blocked(c, true);
    list_push_back(waiters, &c->wait_link);
    client__interest(c);
}

/* ---- running ---------------------------------------------------------------------------------- */

static void standard_error(struct call *c, int rc) {
    switch (rc) {
    case ERR_TYPE: reply_wrongtype(c); return;
    case ERR_CORRUPT: reply_error(c, "IOERR stored data is damaged, see the server's log"); return;
    case ERR_NOTFOUND: reply_error(c, "ERR no such key"); return;
    case ERR_FENCED: reply_error(c, "READONLY the store has another owner"); return;
    case ERR_LIMIT: reply_error(c, "ERR over a limit"); return;
    case ERR_UNSUPPORTED: reply_error(c, "ERR not supported for a value of this type"); return;
    default: reply_errorf(c, "IOERR the store could not be read: %s", err_text(rc)); return;
    }
}

/* Runs the handler once; makes the standard reply for an error. OK, ERR_COLD or ERR_AGAIN. */
int dispatch__run(struct call *c) {
    size_t mark = c->out->n;
    int rc = c->resume_fn != NULL ? c->resume_fn(c) : c->cmd->fn(c);
    if (rc == OK) {
        assert(c->out->n > mark || c->taken || c->client->close_after || c->client->dead);
        return OK;
    }
    if (rc == ERR_COLD || rc == ERR_AGAIN) {
        c->out->n = mark;
        return rc;
    }
    c->out->n = mark;
    standard_error(c, rc);
    return OK;
}

static void account(struct call *c) {
    exec *x = c->exec;
    if (c->client->background) { /* Its row is in no table. */
        exec__refresh_time(x);
        return;
    }
    struct command_stats *s = commands_stats(x->commands, c->cmd);
    uint64_t before = c->start_us;
    exec__refresh_time(x);
    s->calls++;
    uint64_t usec = x->now_us > before ? x->now_us - before : 0;
    s->usec += usec;
    observe__slow(c, usec);
    if (c->errored) s->failed++;
    x->stats.commands++;
    c->client->total_commands++;
}

static void call_end_state(struct call *c) {
    if (c->state != NULL && c->state_free != NULL) c->state_free(c->state);
    c->state = NULL;
    c->state_free = NULL;
    block__forget(c->client);
}

/* The reply of a finished call: suppressed, or gated. */
static void finish_reply(client *c, uint64_t mark, uint64_t gate) {
    if (c->background) return;
    bool muted = c->reply_mode != CLIENT_REPLY_ON;
    if (c->reply_mode == CLIENT_REPLY_SKIP) {
        if (c->reply_skip_next) c->reply_skip_next = false; /* CLIENT REPLY SKIP itself. */
        else c->reply_mode = CLIENT_REPLY_ON;
    }
    if (muted) {
        client__cut(c, mark);
        return;
    }
    if (gate > tier_durable(c->exec->deps.tier, c->ack)) {
        client__add_gate(c, mark, gate);
        c->exec->stats.reads_gated++;
    }
}

/* The keys of the requests that follow in the batch are asked for in the same round: else a pipeline
 * of cold keys would pay one round trip each. As many as there is room for beside others' pages. */
static void want_ahead(client *c) {
    exec *x = c->exec;
    if (c->multi || c->call.txn != NULL) return;
    for (size_t i = c->batch_next + 1; i < c->batch_n && keyspace_want_more(x->deps.keyspace); i++) {
        struct entry e;
        const slice *argv = c->args + c->batch[i].first;
        const struct command *cmd = c->batch[i].cmd;
        if (cmd == NULL || cmd->keys[0].begin != KEYS_INDEX || cmd->subcommands != NULL) continue;
        if ((size_t)cmd->keys[0].pos >= c->batch[i].argc) continue;
        (void)keyspace_get(x->deps.keyspace, c->db, argv[cmd->keys[0].pos], KS_EXPIRED, &e);
    }
}

static bool start_page_wait(client *c) {
    keyspace *ks = c->exec->deps.keyspace;
    if (keyspace_wanted(ks) == 0) { /* A snapshot waits until nothing is half done. */
        c->state = CLIENT_WAIT_PAGES;
        tier_wait(c->exec->deps.tier, calm_done, c);
        client__interest(c);
        return false;
    }
    want_ahead(c);
    c->exec->stats.parks_cold++;
    c->call.cold_rounds++;
    c->state = CLIENT_WAIT_PAGES;
    c->wait = keyspace_wait(ks, wait_done, c);
    client__interest(c);
    return false;
}

static void release_wait(client *c) {
    if (c->held_wait != NULL) keyspace_wait_end(c->exec->deps.keyspace, c->held_wait);
    c->held_wait = NULL;
}

/* It goes on in the next turn. */
static int wait_for_turn(struct call *k) {
    k->next_turn = false;
    k->in_turns = true;
    parked_resume(call_park(k, k->resume_fn != NULL ? k->resume_fn : k->cmd->fn, k->cookie, NULL));
    return ERR_AGAIN;
}

/* Runs c->call inside a transaction. True: it has ended. */
static bool run_call(client *c) {
    struct call *k = &c->call;
    exec *x = c->exec;
    tier *t = x->deps.tier;
    uint64_t mark = client__out_end(c);
    keyspace_want_reset(x->deps.keyspace);
    k->begun = true;
    k->run_us = x->now_us;
    if (k->txn != NULL) {
        tier_txn_resume(t, k->txn);
        k->txn = NULL;
    } else {
        tier_txn_begin(t);
    }
    k->now_ms = tier_now_ms(t);
    uint64_t found = keyspace_stats(x->deps.keyspace)->reads_hot;
    int rc = dispatch__run(k);
    if (x->evict_always && rc != ERR_COLD)
        cold__count(x, c->held_wait != NULL, keyspace_stats(x->deps.keyspace)->reads_hot - found);
    bool others = x->locked_by != NULL && x->locked_by != c;
    assert(rc != ERR_COLD || !k->keep_txn || !others || k->next_turn);
    if (rc == ERR_COLD && k->keep_txn && !others) {
        k->txn = tier_txn_suspend(t);
        x->locked_by = c;
        x->locked_db = c->db;
    } else {
        uint64_t lsn = tier_txn_end(t);
        if (lsn > k->gate) k->gate = lsn;
        if (x->locked_by == c) dispatch__unlock(x);
    }
    release_wait(c);
    if (rc == ERR_COLD && k->next_turn) rc = wait_for_turn(k);
    if (rc == ERR_COLD) return start_page_wait(c);
    if (rc == ERR_AGAIN) {
        assert(c->parked != NULL);
        c->state = CLIENT_PARKED;
        dispatch__count_blocked(c, true);
        client__interest(c);
        return false;
    }
    if ((k->cmd->flags & CMD_WHOLE_DB) != 0) {
        uint64_t last = tier_lsn(t); /* It may have seen any key. */
        if (c->ack != ACK_MEMORY && last > k->gate) k->gate = last;
    }
    finish_reply(c, mark, k->gate);
    account(k);
    call_end_state(k);
    c->call_active = false;
    block__serve(x);
    return true;
}

/* Who waits for the lock goes on at the end of the turn, so that wakes do not nest. */
void dispatch__unlock(exec *x) {
    x->locked_by = NULL;
    x->locked_db = NULL;
}

static bool reject(struct call *k, const char *why) {
    client *c = k->client;
    uint64_t mark = client__out_end(c);
    if (why != NULL && k->cmd != NULL && k->cmd->fn == cmd_exec) {
        multi__discard(c);
        multi__unwatch_all(c);
        reply_errorf(k, "EXECABORT Transaction discarded because of: %s",
                     strncmp(why, "ERR ", 4) == 0 ? why + 4 : why);
    } else if (why != NULL) {
        reply_error(k, why);
    }
    if (k->cmd != NULL && !c->background) commands_stats(c->exec->commands, k->cmd)->rejected++;
    if (c->multi) c->multi_dirty = true;
    finish_reply(c, mark, 0);
    c->call_active = false;
    return true;
}

/* Everything between a found command and its run; again from here after a wait. */
static bool admit_and_run(client *c) {
    struct call *k = &c->call;
    enum client_state state;
    list *waiters = must_wait(k, &state);
    if (waiters != NULL) {
        enter_wait(c, waiters, state);
        return false;
    }
    const char *why = refusal(k);
    if (why != NULL) return reject(k, why);
    int room = room_for(k);
    if (room == ERR_LIMIT) {
        return reject(k, out_of_memory);
    }
    if (room == ERR_AGAIN) {
        enter_wait(c, &c->exec->room_waiters, CLIENT_WAIT_ROOM);
        return false;
    }
    return run_call(c);
}

/* It has been admitted, and waited for pages or for something else. Who waits for keys is served only when
 * nobody holds the lock (block__serve), and stays in the order of that. */
static bool go_on(client *c) {
    if (c->call.in_turns && c->call.txn == NULL && paused(&c->call)) { /* It has done nothing yet. */
        release_wait(c);
        enter_wait(c, &c->exec->pause_waiters, CLIENT_WAIT_PAUSE);
        return false;
    }
    if (!locked_out(&c->call) || c->blocked != NULL) return run_call(c);
    release_wait(c); /* The other may need the room; what leaves meanwhile is fetched again. */
    enter_wait(c, &c->exec->lock_waiters, CLIENT_WAIT_LOCK);
    return false;
}

static bool queue_in_multi(struct call *k) {
    client *c = k->client;
    uint64_t mark = client__out_end(c);
    const char *why = refusal(k);
    if (why == NULL && (k->cmd->flags & CMD_NO_MULTI) != 0) {
        why = "ERR Command not allowed inside a transaction";
    }
    if (why == NULL && room_for(k) == ERR_LIMIT) why = out_of_memory;
    if (why != NULL) return reject(k, why);
    multi__queue(c, k->cmd, k->argv, k->argc);
    resp_status(&c->out, "QUEUED");
    finish_reply(c, mark, 0);
    c->call_active = false;
    return true;
}

bool dispatch__request(client *c, const struct request *r) {
    exec *x = c->exec;
    const slice *argv = c->args + r->first;
    size_t argc = r->argc;
    struct call *k = &c->call;
    assert(!c->call_active);
    *k = (struct call){.exec = x, .client = c, .argv = argv, .argc = argc, .db = c->db,
                          .out = &c->out, .proto = c->proto, .start_us = x->now_us,
                          .now_ms = x->wall_ms, .first_hashed = r->hashed, .first_hash = r->hash};
    c->call_active = true;
    const struct command *cmd = find_command(k, r->cmd);
    if (cmd == NULL) {
        k->cmd = NULL;
        return reject(k, NULL);
    }
    k->cmd = cmd;
    c->last_cmd = cmd;
    if (!arity_ok(cmd, argc)) {
        if (cmd->fn == cmd_exec) return reject(k, "ERR wrong number of arguments for 'exec' command");
        reply_arity(k);
        return reject(k, NULL);
    }
    if (c->multi && (cmd->flags & CMD_NOT_QUEUED) == 0) return queue_in_multi(k);
    return admit_and_run(c);
}

bool dispatch__background(client *c, const struct command *cmd, const slice *argv, size_t argc) {
    exec *x = c->exec;
    struct call *k = &c->call;
    assert(!c->call_active && c->background);
    *k = (struct call){.exec = x, .client = c, .cmd = cmd, .argv = argv, .argc = argc, .db = c->db,
                       .out = &c->out, .proto = 2, .start_us = x->now_us, .now_ms = x->wall_ms};
    c->call_active = true;
    return admit_and_run(c);
}

/* ---- waiting ----------------------------------------------------------------------------------- */

/* The wait is over: goes on with the request, then with the rest of the batch. */
bool dispatch__again(client *c) {
    assert(c->call_active);
    enum client_state was = c->state;
    if (was == CLIENT_WAIT_PAUSE) dispatch__count_blocked(c, false);
    c->state = CLIENT_READY;
    exec__refresh_time(c->exec);
    if (c->background && !background__find_db(c)) {
        dispatch__cancel(c);
        background__ended(c);
        return true;
    }
    bool ended;
    if (c->wait_rc != OK) {
        uint64_t mark = client__out_end(c);
        int rc = c->wait_rc;
        c->wait_rc = OK;
        release_wait(c);
        if (c->call.txn != NULL) { /* EXEC answers it for the command that met it, and goes on. */
            c->call.fault = rc;
            ended = run_call(c);
        } else {
            standard_error(&c->call, rc);
            finish_reply(c, mark, 0);
            call_end_state(&c->call);
            c->call_active = false;
            ended = true;
        }
    } else {
        c->call.db = c->db;
        ended = c->call.begun ? go_on(c) : admit_and_run(c);
    }
    if (!ended) return false;
    if (c->background) {
        background__ended(c);
        return true;
    }
    if (c->conn == NULL) { /* It went away while its transaction was being finished. */
        client__close(c);
        return true;
    }
    if (c->batch_next < c->batch_n) c->batch_next++;
    client__interest(c);
    client__process(c);
    return true;
}

static void calm_done(void *cookie, int rc) {
    client *c = cookie;
    assert(c->state == CLIENT_WAIT_PAGES && c->wait == NULL);
    c->wait_rc = rc;
    dispatch__again(c);
}

static void wait_done(void *cookie, int rc) {
    client *c = cookie;
    assert(c->state == CLIENT_WAIT_PAGES && c->wait != NULL);
    c->held_wait = c->wait;
    c->wait = NULL;
    c->wait_rc = rc;
    dispatch__again(c);
}

/* Who still has to wait joins the list again at its end; who was not come to stays in front. */
void exec__wake(exec *x, list *waiters, uint64_t budget_us) {
    clock_source *clock = loop_clock(x->deps.loop);
    uint64_t start = clock_mono_us(clock);
    list now;
    list_init(&now);
    while (!list_empty(waiters)) {
        list *n = waiters->next;
        list_remove(n);
        list_push_back(&now, n);
    }
    while (!list_empty(&now)) {
        client *c = LIST_ENTRY(now.next, client, wait_link);
        list_remove(&c->wait_link);
        dispatch__again(c);
        if (clock_mono_us(clock) - start >= budget_us) break;
    }
    while (!list_empty(&now)) {
        list *n = now.prev;
        list_remove(n);
        list_push_front(waiters, n);
    }
}

void dispatch__cancel(client *c) {
    exec *x = c->exec;
    if (c->state == CLIENT_WAIT_PAUSE) dispatch__count_blocked(c, false);
    list_remove(&c->wait_link);
    if (c->wait != NULL) keyspace_wait_end(x->deps.keyspace, c->wait);
    c->wait = NULL;
    tier_wait_cancel(x->deps.tier, c);
    release_wait(c);
    if (c->parked != NULL) {
        parked *p = c->parked;
        c->parked = NULL;
        if (p->timeout != NULL) loop_timer_cancel(x->deps.loop, p->timeout);
        p->timeout = NULL;
        dispatch__count_blocked(c, false);
        if (p->canceled != NULL) p->canceled(p->cookie);
        p->client = NULL;
        if (!p->resuming) mem_free(p);
        else list_push_back(&x->orphans, &p->orphan);
    }
    /* A suspended transaction is finished first (client__close), but for the end of the process. */
    assert(!c->call_active || c->call.txn == NULL || x->stopped);
    if (c->call_active) call_end_state(&c->call);
    c->call_active = false;
    if (x->locked_by == c) dispatch__unlock(x);
    c->state = CLIENT_READY;
}
