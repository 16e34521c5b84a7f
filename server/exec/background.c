/* background.c -- commands that the server runs by itself, beside those of clients.
 *
 * A handler that leaves something to be done asks for it with call_later(): a command that is in no table, so
 * that no client can call it or hear of it, runs soon on the same database and key. It is a handler like any
 * other: it may wait for cold pages, park, have work done by a worker, and its effects are logged; it has all
 * rights, its reply goes nowhere, and nothing waits for its durability.
 *
 *      call_later --> tasks --> a client without a connection --> done
 *                       ^                   | an error
 *                       +-- timer -- tasks_failed
 *
 * Invariants
 *  1. The same database, command and key stands once in tasks and tasks_failed together, and runs once at a
 *     time: what comes while it runs is one more, afterwards.
 *  2. A task's database is an id: FLUSHALL ends what runs on the old data, and SWAPDB moves it along.
 *  3. Nothing is changed inside another's transaction, in a CLIENT PAUSE, or while the store refuses writes:
 *     a run in steps looks before each of them, and keeps what it has.
 *  4. What waits is lost with the process. The next change of the key asks again.
 *
 * Why a client without a connection: waits, parking and the lock are kept by client, and so all work here as
 * they are. A pair of connections would bring parsing, replies and a gate for each, only to drop them, and a
 * name by which to call the command, which would have to be hidden everywhere from everybody else. */
#include <assert.h>

#include "base/mem.h"
#include "event/pool.h"
#include "exec/exec_internal.h"

#define BACKGROUND_MAX 4096   /* Waiting ones; what is refused is asked for again by the next change. */
#define RETRY_MS 1000         /* After an error reply (no memory, the store is stalled); twice that after */
#define RETRY_DOUBLINGS_MAX 6 /* each further one, up to about a minute. */

struct task {
    list link;
    const struct command *cmd;
    uint64_t db;
    slice argv[2];  /* the command's name, borrowed, and the key, owned */
    unsigned fails; /* one after the other */
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

static bool waits(exec *x, const struct command *cmd, uint64_t db_of, slice key) {
    LIST_FOR(n, &x->tasks)
        if (same(LIST_ENTRY(n, struct task, link), cmd, db_of, key)) return true;
    LIST_FOR(n, &x->tasks_failed)
        if (same(LIST_ENTRY(n, struct task, link), cmd, db_of, key)) return true;
    return false;
}

static bool runs(const exec *x, const struct task *like) {
    for (int i = 0; i < BACKGROUND_CLIENTS; i++) {
        const struct task *t = x->background[i] == NULL ? NULL : x->background[i]->task;
        if (t != NULL && same(t, like->cmd, like->db, like->argv[1])) return true;
    }
    return false;
}

/* The first that is not under way already. */
static struct task *next_task(exec *x) {
    LIST_FOR(n, &x->tasks) {
        struct task *t = LIST_ENTRY(n, struct task, link);
        if (!runs(x, t)) return t;
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

bool background__find_db(client *c) {
    db *d = keyspace_db_id(c->exec->deps.keyspace, c->task->db);
    if (d == NULL || db_dropped(d)) return false;
    c->db = d;
    return true;
}

int background__may_go_on(client *c) {
    exec *x = c->exec;
    const char *why;
    if (!background__find_db(c)) return ERR_NOTFOUND;
    exec__refresh_time(x);
    if (exec__paused(x)) return ERR_AGAIN;
    bool writes = (c->call.cmd->flags & CMD_WRITE) != 0;
    return writes && tier_admit(x->deps.tier, &why) != OK ? ERR_AGAIN : OK;
}

/* ---- running ---------------------------------------------------------------------------------- */

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
        if (!background__find_db(c) || dispatch__background(c, t->cmd, t->argv, 2)) background__ended(c);
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
    while (!list_empty(&x->tasks_failed)) {
        list *n = x->tasks_failed.next;
        list_remove(n);
        list_push_back(&x->tasks, n);
    }
    post(x);
}

/* Takes t. One line in the log for all that fail until the timer fires. */
static void again_later(exec *x, struct task *t, slice error) {
    if (x->background_timer == NULL) {
        unsigned doublings = t->fails < RETRY_DOUBLINGS_MAX ? t->fails : RETRY_DOUBLINGS_MAX;
        x->background_timer = loop_timer(x->deps.loop, ((uint64_t)RETRY_MS * 1000) << doublings, retry, x);
        log_line(x->deps.log, LOG_NOTICE, "%s in the background: %.*s", t->cmd->name, (int)error.n,
                 (const char *)error.p);
    }
    if (x->tasks_n >= BACKGROUND_MAX || waits(x, t->cmd, t->db, t->argv[1])) {
        task_free(t);
        return;
    }
    t->fails++;
    list_push_back(&x->tasks_failed, &t->link);
    x->tasks_n++;
}

void background__ended(client *c) {
    exec *x = c->exec;
    struct task *t = c->task;
    c->task = NULL;
    size_t n = c->out.n;
    bool failed = n > 3 && c->out.p[0] == '-';
    c->out.n = 0;
    if (failed && !x->stopped) again_later(x, t, slice_make(c->out.p + 1, n - 3)); /* without CR LF */
    else task_free(t);
    if (!list_empty(&x->tasks)) post(x);
}

void call_later(call *c, const struct command *cmd, slice key) {
    exec *x = c->exec;
    uint64_t in = db_id(c->client->db);
    if (x->tasks_n >= BACKGROUND_MAX || x->stopped || waits(x, cmd, in, key)) return;
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

/* ---- life --------------------------------------------------------------------------------------- */

void background__init(exec *x) {
    list_init(&x->tasks);
    list_init(&x->tasks_failed);
}

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
    while (!list_empty(&x->tasks_failed)) task_free(LIST_ENTRY(x->tasks_failed.next, struct task, link));
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

struct leftover {
    job job;
    buf bytes;
};

static void leftover_free(job *j) { buf_free(&((struct leftover *)(void *)j)->bytes); }
static void leftover_done(job *j) { mem_free(j); }

void exec__free_aside(exec *x, buf *b) {
    if (b->cap < FREE_ASIDE_BYTES || x->deps.pool == NULL) {
        buf_free(b);
        return;
    }
    struct leftover *l = mem_alloc(sizeof(*l));
    *l = (struct leftover){.job = {.work = leftover_free, .done = leftover_done}, .bytes = *b};
    *b = BUF_INIT;
    pool_submit(x->deps.pool, &l->job);
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
