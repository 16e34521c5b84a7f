/* background.c -- commands that the server runs by itself, beside those of clients.
 *
 * A handler that leaves something to be done asks for it with call_later(): a command that is in no table, so
 * that no client can call it, runs soon on the same database and key. It is a handler like any other: it may
 * wait for cold pages, park, have work done by a worker, and its effects are logged; it has all rights, its reply
 * goes nowhere, and nothing waits for its durability. It runs in a client without a connection.
 *
 * One that waits is known by its database, command and key, and waits once. While it runs another of the same
 * may wait, for what changes meanwhile, but does not run beside it. */
#include <assert.h>

#include "base/mem.h"
#include "event/pool.h"
#include "exec/exec_internal.h"

#define BACKGROUND_MAX 4096   /* Waiting ones; what is refused is asked for again by the next change. */
#define BACKGROUND_RETRY_MS 1000 /* After an error reply (the store is stalled, the opening goes on). */


struct task {
    list link;
    const struct command *cmd;
    uint64_t db;
    slice argv[2]; /* the command's name, borrowed, and the key, owned */
};

static bool same(const struct task *t, const struct command *cmd, uint64_t db_of, slice key) {
    return t->cmd == cmd && t->db == db_of && slice_eq(t->argv[1], key);
}

static void task_free(struct task *t) {
    if (t == NULL) return;
    list_remove(&t->link);
    mem_free((void *)(uintptr_t)t->argv[1].p);
    mem_free(t);
}

static struct task *running(const exec *x, const struct task *like) {
    for (int i = 0; i < BACKGROUND_CLIENTS; i++) {
        struct task *t = x->background[i] == NULL ? NULL : x->background[i]->task;
        if (t != NULL && same(t, like->cmd, like->db, like->argv[1])) return t;
    }
    return NULL;
}

/* The first that is not under way already. */
static struct task *next_task(exec *x) {
    LIST_FOR(n, &x->tasks) {
        struct task *t = LIST_ENTRY(n, struct task, link);
        if (running(x, t) == NULL) return t;
    }
    return NULL;
}

static client *idle_client(exec *x) {
    for (int i = 0; i < BACKGROUND_CLIENTS; i++) {
        if (x->background[i] == NULL) x->background[i] = client__create_background(x);
        if (x->background[i]->task == NULL) return x->background[i];
    }
    return NULL;
}

static void go_on(void *cookie) {
    exec *x = cookie;
    x->background_posted = false;
    if (x->stopped) return;
    exec__refresh_time(x);
    /* One that ends at once makes its client idle again; a turn runs so many at most. */
    for (int i = 0; i < BACKGROUND_CLIENTS; i++) {
        struct task *t = next_task(x);
        client *c = t == NULL ? NULL : idle_client(x);
        if (c == NULL) return;
        x->tasks_n--;
        list_remove(&t->link);
        list_init(&t->link);
        c->task = t;
        c->db = keyspace_db_id(x->deps.keyspace, t->db);
        if (c->db == NULL || db_dropped(c->db)) background__ended(c);
        else if (dispatch__background(c, t->cmd, t->argv, 2)) background__ended(c);
    }
}

static void post(exec *x) {
    if (x->background_posted || x->stopped) return;
    x->background_posted = true;
    loop_post(x->deps.loop, go_on, x);
}

static void retry(void *cookie) {
    exec *x = cookie;
    x->background_timer = NULL;
    post(x);
}

void background__ended(client *c) {
    exec *x = c->exec;
    struct task *t = c->task;
    bool failed = c->out.n > 0 && c->out.p[0] == '-';
    if (failed && x->background_timer == NULL)
        log_line(x->deps.log, LOG_NOTICE, "%s in the background: %.*s", t->cmd->name, (int)(c->out.n - 1),
                 (const char *)c->out.p + 1);
    c->out.n = 0;
    c->task = NULL;
    bool dropped = c->db == NULL || db_dropped(c->db);
    if (failed && !dropped && !x->stopped && x->tasks_n < BACKGROUND_MAX) {
        list_push_back(&x->tasks, &t->link);
        x->tasks_n++;
        if (x->background_timer == NULL)
            x->background_timer = loop_timer(x->deps.loop, BACKGROUND_RETRY_MS * 1000, retry, x);
        return;
    }
    task_free(t);
    if (x->tasks_n > 0) post(x);
}

void call_later(call *c, const struct command *cmd, slice key) {
    exec *x = c->exec;
    uint64_t in = db_id(c->client->db);
    if (x->tasks_n >= BACKGROUND_MAX || x->stopped) return;
    LIST_FOR(n, &x->tasks)
        if (same(LIST_ENTRY(n, struct task, link), cmd, in, key)) return;
    struct task *t = mem_calloc(1, sizeof(*t));
    uint8_t *copy = mem_alloc(key.n + 1);
    if (key.n > 0) memcpy(copy, key.p, key.n);
    list_init(&t->link);
    t->cmd = cmd;
    t->db = in;
    t->argv[0] = slice_str(cmd->name);
    t->argv[1] = slice_make(copy, key.n);
    list_push_back(&x->tasks, &t->link);
    x->tasks_n++;
    post(x);
}

void background__init(exec *x) { list_init(&x->tasks); }

void background__close(exec *x) {
    for (int i = 0; i < BACKGROUND_CLIENTS; i++)
        if (x->background[i] != NULL) dispatch__cancel(x->background[i]);
}

void background__free(exec *x) {
    if (x->background_timer != NULL) loop_timer_cancel(x->deps.loop, x->background_timer);
    for (int i = 0; i < BACKGROUND_CLIENTS; i++) {
        if (x->background[i] == NULL) continue;
        task_free(x->background[i]->task);
        client__free(x->background[i]);
    }
    while (!list_empty(&x->tasks)) task_free(LIST_ENTRY(x->tasks.next, struct task, link));
}

/* ---- work on a worker ---------------------------------------------------------------------------- */

struct work {
    job job;
    void (*fn)(void *cookie);
    command_fn *again;
    void *cookie;
    void (*canceled)(void *cookie);
    parked *parked;
    bool gone, done;
};

static void work_run(job *j) {
    struct work *w = (struct work *)(void *)j;
    w->fn(w->cookie);
}

static void work_done(job *j) {
    struct work *w = (struct work *)(void *)j;
    w->done = true;
    if (!w->gone) {
        parked_resume(w->parked);
        return;
    }
    if (w->canceled != NULL) w->canceled(w->cookie);
    mem_free(w);
}

static int work_again(call *c) {
    struct work *w = c->cookie;
    c->cookie = w->cookie;
    c->resume_fn = w->again;
    mem_free(w);
    return c->resume_fn(c);
}

/* The client has gone: while the worker still sees the cookie, or when it has ended. */
static void work_gone(void *cookie) {
    struct work *w = cookie;
    w->gone = true;
    if (!w->done) return;
    if (w->canceled != NULL) w->canceled(w->cookie);
    mem_free(w);
}

void call_work(call *c, void (*work)(void *cookie), command_fn *again, void *cookie,
               void (*canceled)(void *cookie)) {
    struct work *w = mem_calloc(1, sizeof(*w));
    assert(c->exec->deps.pool != NULL);
    *w = (struct work){.job = {.work = work_run, .done = work_done}, .fn = work, .again = again,
                       .cookie = cookie, .canceled = canceled};
    w->parked = call_park(c, work_again, w, work_gone);
    pool_submit(c->exec->deps.pool, &w->job);
}
