/* exec_internal.h -- what the files of exec share: clients, calls, the exec itself.
 *
 * A client's life: conn -> query buffer -> a batch of parsed requests -> calls, in order -> output
 * buffer behind gates -> conn. While a request waits (for a page, for room, for a time), the batch
 * stands still and nothing is read: its arguments stay slices of the query buffer. */
#ifndef COVE_EXEC_EXEC_INTERNAL_H
#define COVE_EXEC_EXEC_INTERNAL_H

#include "base/list.h"
#include "exec/exec.h"
#include "resp/parse.h"

#define BATCH_MAX 64            /* Requests parsed before the first runs: enough to hide misses. */
#define GATES_MAX 1024          /* Closed gates of one client; further ones merge into the last. */
#define QUERY_READ_BYTES 16384  /* One read; more when a large argument is on its way. */
#define QUERY_READ_MAX ((size_t)256 << 10) /* But not more: some tenths of a millisecond. */
#define QUERY_KEEP_BYTES 32768  /* A larger query buffer is freed when it is empty. */
#define OUT_KEEP_BYTES 65536
#define FREE_ASIDE_BYTES ((size_t)4 << 20) /* Half a millisecond, when the kernel takes them back. */
#define GATED_PAUSE_BYTES ((size_t)64 << 20) /* Held output above which a client is not read. */
/* A turn that has taken so long begins no further request of a client that had one. As long as the loop delivers what
 * is ready (loop.c): if it were shorter, each client that comes between the two would be cut off after one request, and
 * its replies would leave one by one. */
#define TURN_REQUESTS_US 400
#define GO_ON_US 400 /* For the requests that were left over, at the end of a turn. */
#define READ_BYTES_PER_EVENT ((size_t)32 << 10) /* One client's share of a turn: some 300 requests. */
#define ERROR_PREFIXES_MAX 128

struct request {
    size_t first, argc; /* in client.args */
    const struct command *cmd; /* of that name; NULL: there is none */
    uint64_t hash;      /* when hashed: its argv[1]'s keyspace_hash() */
    bool hashed;
};

struct gate { /* bytes of the output stream from `from` on wait for `lsn` */
    uint64_t from, lsn;
};

struct piece {
    list link;
    buf bytes;
};

enum client_state {
    CLIENT_READY,
    CLIENT_WAIT_PAGES,  /* ks_wait under way */
    CLIENT_WAIT_ROOM,   /* in exec.room_waiters */
    CLIENT_WAIT_LOCK,   /* in exec.lock_waiters */
    CLIENT_WAIT_PAUSE,  /* in exec.pause_waiters */
    CLIENT_WAIT_COLD,   /* in exec.cold_waiters */
    CLIENT_PARKED       /* call_park() */
};

struct parked {
    client *client;
    command_fn *fn;
    void *cookie;
    void (*canceled)(void *cookie);
    timer *timeout;
    bool resuming;
    list orphan; /* resuming, and its client has gone: in exec.orphans */
};

struct call {
    exec *exec;
    client *client;
    const struct command *cmd;
    const slice *argv;
    size_t argc;
    db *db;
    buf *out;
    int proto;
    bool in_multi, errored, unlogged, begun;
    bool taken;               /* its reply is in pieces */
    bool in_one_turn;         /* steps.c: it has begun again too often */
    uint64_t gate;            /* the highest LSN that the reply must wait for */
    bool first_hashed;        /* first_hash is argv[1]'s keyspace_hash(): mostly that is the key */
    uint64_t first_hash;
    int64_t now_ms;
    void *state;
    void (*state_free)(void *state);
    void *cookie;             /* of a resumed call */
    command_fn *resume_fn;    /* what a resumed call runs in place of its row's handler */
    int fault;                /* EXEC: the page that a command waited for cannot be read */
    bool keep_txn;            /* leave the transaction open across ERR_COLD */
    bool next_turn;           /* ERR_COLD: it is no page that it waits for, but the next turn */
    bool in_turns;            /* It has waited for one. */
    tier_txn *txn;
    uint64_t start_us;
    uint64_t run_us;          /* when it was run last */
    uint64_t cold_rounds;     /* times that it waited for pages */
};

struct queued { /* one command inside MULTI; owns its arguments */
    const struct command *cmd;
    slice *argv;
    size_t argc;
    uint8_t *bytes;
};

struct client {
    list link, out_link, wait_link, gated_link, watch_head;
    uint64_t id;
    exec *exec;
    conn *conn;
    db *db;
    enum client_state state;
    int proto;
    enum ack ack;
    acl_user *user;
    bool authenticated, closing, close_after, no_evict, no_touch, dead, in_process, in_out_list;
    bool write_wanted, reply_skip_next;
    bool read_ended;          /* nothing more comes; closed once out has left */
    unsigned interest;
    enum client_reply reply_mode;
    char *name, *lib_name, *lib_ver;
    uint64_t created_us, active_us;
    uint64_t total_commands;
    const struct command *last_cmd;

    buf query;
    buf ahead;                /* read while it waited for keys: follows what is in query */
    size_t query_pos;         /* of the first byte that is not in the batch */
    struct resp_parser parser;
    slice *args;
    size_t args_n, args_cap;
    struct request batch[BATCH_MAX];
    size_t batch_n, batch_next;
    bool bad_protocol;        /* the batch is followed by parser.error */

    list pieces;              /* output.c: of replies that came in them; they leave before what is in out */
    size_t pieces_bytes;
    buf out;
    uint64_t out_base;        /* stream offset of out.p[0] */
    size_t out_sent;          /* bytes of the first piece, or of out, already written */
    struct gate *gates;       /* ring of GATES_MAX, made when first needed */
    size_t gates_head, gates_n;

    bool multi, multi_dirty;  /* multi_dirty: an error while queueing */
    bool watch_dirty;
    struct queued *queue;
    size_t queue_n, queue_cap;
    size_t queue_bytes;
    unsigned queue_flags;     /* of all queued commands */

    struct call call;         /* the request being run, or waiting */
    bool call_active;
    ks_wait *wait, *held_wait;/* fetching; fetched, pinned until the command has run again */
    struct parked *parked;
    struct blocked *blocked;  /* block.c: what it waits for, until its call ends */
    int wait_rc;
    struct task *task;        /* background.c: the client has no connection, and runs this */
    bool background;
};

struct watched_key {
    list by_owner, by_hash;
    bool *dirty; /* the owner's: set when the key changes */
    db *db;
    uint64_t hash;
    slice key; /* owned */
    bool expired_at_watch, absent_at_watch; /* absent: also when it had expired */
};

struct error_count {
    char prefix[48];
    uint64_t count;
};

#define WATCH_SLOTS 4096
#define BACKGROUND_CLIENTS 2  /* Commands under way at a time: while one waits for a worker, another runs. */
#define BACKGROUND_LOOK_US 20000 /* Between looks whether one that was held up may go on. */
#define BLOCKED_SLOTS 1024
#define RATE_SAMPLES 16 /* Rounds of the cron that the rates of INFO are means of. */

struct rates {
    uint64_t last[3], samples[RATE_SAMPLES][3], at_us;
    size_t next;
};

struct exec {
    struct exec_deps deps;
    commands *commands;
    struct exec_stats stats;
    struct keyspace_config *ks_config;
    list clients, out_pending, gated, room_waiters, lock_waiters, pause_waiters, cold_waiters, dead;
    uint64_t next_client_id;
    bool loading, stopped;
    uint64_t start_wall_ms, start_mono_us;
    uint64_t now_us;          /* monotonic, read after each command */
    int64_t wall_ms;
    uint64_t wall_read_us;
    client *locked_by;        /* a suspended transaction's client */
    db *locked_db;
    uint64_t pause_until_ms;
    bool pause_writes_only;
    timer *cron, *room_timer;
    list watch_slots[WATCH_SLOTS];
    size_t watched;
    size_t steps_n;           /* steps.c: commands under way */
    uint64_t steps_next;      /* and the next one's number */
    list blocked_slots[BLOCKED_SLOTS]; /* block.c */
    list arrived;             /* arrive.c: clients whose requests have been read, and run at the end of the delivery */
    size_t arrived_n;
    list ready_keys, unblocked;
    uint64_t go_on_until_us; /* while block__go_on() lets clients go on; else 0 */
    size_t blocked_n;
    bool serving;
    struct error_count errors[ERROR_PREFIXES_MAX];
    size_t errors_n;
    void (*shutdown)(void *cookie, bool save, bool now);
    void *shutdown_cookie;
    int room_rc;
    unsigned room_countdown;
    struct rates rates;
    size_t start_memory;
    bool cron_paused;
    bool evict_always, cold_checkpoint; /* cold.c */
    char replication_id[41];
    list refusals;            /* struct refusal of access.c */
    size_t refusals_n;
    char refusal[512];        /* the last one's sentence */
    uint64_t genpass_counter;
    list slow;                /* struct slow of observe.c */
    size_t slow_n;
    uint64_t slow_next;
    list orphans;             /* struct parked, until their resume_now() */
    list tasks, tasks_failed; /* background.c: to be run, and to be tried again by the timer */
    size_t tasks_n;           /* of both */
    client *background[BACKGROUND_CLIENTS];
    bool background_posted;
    timer *background_timer;
};

/* client.c */
client *client__create(exec *x, conn *c);
client *client__create_background(exec *x);  /* without a connection; in no list */
void client__free(client *c);
void client__process(client *c);
bool client__turn_is_over(const exec *x);    /* no further request of a client is begun */
void client__close(client *c);               /* at the end of the turn */
void client__interest(client *c);
void client__trim(client *c);                /* gives back what an idle client does not need */
bool client__free_dead(exec *x);

/* output.c */
void client__flush(client *c);               /* writes what the gates let through */
/* Those of the first ones in the list that have little to send, together. Returns how many: 0 when the first is none. */
size_t client__flush_many(list *pending);
void client__queue_out(client *c);           /* flush at the end of the turn */
void client__add_gate(client *c, uint64_t from, uint64_t lsn);
uint64_t client__gate_lsn(const client *c);
void client__append(client *c, buf *whole);  /* behind all that is there; takes the bytes */
/* Takes back what a command has written: all from the offset on where it began. */
void client__cut(client *c, uint64_t end);
void client__free_output(client *c);
void client__trim_output(client *c);
/* The offset in the stream of the next byte, and how many have not been written before that. */
static inline uint64_t client__out_end(const client *c) { return c->out_base + c->out.n; }
static inline size_t client__unsent(const client *c) { return c->pieces_bytes + c->out.n - c->out_sent; }

/* arrive.c */
void arrive__parse(client *c);               /* what the query buffer holds, up to BATCH_MAX requests */
void arrive__look_ahead(client *const *clients, size_t count); /* of at most BATCH_MAX requests together */
/* True: what has been read of it runs at the end of the delivery, with that of others. False: it is for the caller. */
bool arrive__later(client *c);
void arrive__run(void *cookie);

/* dispatch.c */
/* Runs request i of the batch (or goes on with the waiting one). True: it has ended, go on with the
 * next; false: it waits. */
bool dispatch__request(client *c, const struct request *r);
bool dispatch__again(client *c);             /* after a wait */
/* The same for a command that is in no table, by the server itself. */
bool dispatch__background(client *c, const struct command *cmd, const slice *argv, size_t argc);
void dispatch__cancel(client *c);            /* the client goes away while it waits */
int dispatch__run(struct call *c);           /* the handler, and the standard reply for an error */
void dispatch__unlock(exec *x);
void dispatch__count_blocked(client *c, bool more); /* INFO's blocked_clients */
void exec__refresh_time(exec *x);
/* Lets the clients of a list go on, in order, for so long; the rest stays in the list. */
void exec__wake(exec *x, list *waiters, uint64_t budget_us);
void exec__make_room(exec *x);
void exec__expire(exec *x); /* expire.c: a slice of what has expired is removed */
bool exec__paused(const exec *x);            /* CLIENT PAUSE: no key goes by itself */

/* cold.c */
/* True: the command belongs on cold_waiters. */
bool cold__must_wait(exec *x, unsigned flags);
/* A command has ended that found so many pages in memory. */
void cold__count(exec *x, bool waited, uint64_t found);

/* background.c */
void background__init(exec *x);
void background__close(exec *x); /* What is under way is given up; nothing begins any more. */
void background__free(exec *x);
void background__ended(client *c); /* The call of a client without a connection has ended. */
/* May a run that has begun take its next step? ERR_AGAIN: not now; ERR_NOTFOUND: its database has gone. */
int background__may_go_on(client *c);
void exec__free_aside(exec *x, buf *b);  /* On a worker, when it is very large: the kernel takes its time. */
bool background__find_db(client *c); /* c->db: the one of the task, whatever its number is now */

/* block.c */
void block__init(exec *x);
void block__free(exec *x);
void block__touched(exec *x, db *d, slice key);
void block__touched_db(exec *x);
void block__serve(exec *x);                  /* after a command: those who wait for what it changed */
/* Its next requests run at the end of a turn, before more is read from it. */
void block__go_on_later(client *c);
bool block__go_on(exec *x);                  /* at the end of a turn; true: something ran */
void block__process_first(client *c);
void block__forget(client *c);               /* its call has ended */
bool block__unblock(client *c, bool with_error);

/* access.c */
enum acl_verdict access__ask(struct call *c); /* may it run? a refusal is noted */
const char *access__refusal(struct call *c);  /* the same: NULL, or the sentence */
void access__login(client *c);               /* a new connection, or RESET */

/* observe.c */
void observe__sample(exec *x);               /* in each round of the cron */
void observe__slow(const struct call *c, uint64_t usec);

/* multi.c */
void multi__queue(client *c, const struct command *cmd, const slice *argv, size_t argc);
void multi__discard(client *c);
void multi__unwatch_all(client *c);
/* Sets *dirty when the key of the database changes, until the list is unwatched. ERR_COLD. */
int multi__watch(exec *x, list *owner, bool *dirty, db *d, slice key);
void multi__unwatch(exec *x, list *owner);
void steps__sweep(exec *x); /* steps.c: from the cron */
void multi__touched(exec *x, db *d, slice key);
void multi__touched_db(exec *x, db *d);

#endif
