/* exec.h -- clients, dispatch, replies held for durability, MULTI, and what INFO tells. */
#ifndef COVE_EXEC_EXEC_H
#define COVE_EXEC_EXEC_H

#include "base/metric.h"
#include "base/option.h"
#include "event/conn.h"
#include "exec/acl.h"
#include "exec/call.h"

struct exec_config { /* option table: exec_options */
    int64_t port, tcp_backlog, timeout, tcp_keepalive, maxclients, hz;
    int64_t query_buffer_limit, slowlog_max_len, slowlog_log_slower_than;
    char *bind, *unixsocket, *requirepass, *proc_title;
    int64_t unixsocketperm;
    bool protected_mode;
    int enable_debug_command, enable_module_command, enable_protected_configs; /* no yes local */
    int ack_default_unused;
};
#define ENABLE_NO 0
#define ENABLE_YES 1
#define ENABLE_LOCAL 2
extern const struct option exec_options[];
extern const size_t exec_options_count;

struct exec_stats {
    uint64_t connections, rejected_connections, commands, input_bytes, output_bytes;
    uint64_t reads, writes; /* of connections, by system calls */
    uint64_t clients, clients_blocked, clients_gated, gated_bytes, parks_cold, client_closed_protocol;
    uint64_t cold_commands, hot_commands; /* under DEBUG EVICT-ALWAYS, of those that read a page */
    uint64_t maxclients_seen, expired_seen, reads_gated;
    uint64_t denied[ACL_DENIED_AUTH + 1]; /* by verdict */
};

struct module_name { const char *name; int version; };
struct exec_deps { /* all borrowed */
    loop *loop;
    struct pool *pool; /* for call_work(): not the tier's, whose jobs are short */
    keyspace *keyspace;
    tier *tier;
    options *options;
    commands *commands; /* all rows are there, and renamed */
    acl *acl;           /* the users of the configuration are there */
    const struct acl_config *acl_config;
    uint8_t secret[32]; /* from the kernel: what ACL GENPASS is made of */
    metrics *metrics;
    rnd *rnd;
    logger *log;
    const struct exec_config *config;
    const struct keyspace_config *keyspace_config;
    const struct tier_config *tier_config;
    const struct type_set *types;
    const char *config_file; /* "" when there is none */
    char run_id[41];
    const struct module_name *modules;
    size_t modules_count;
};

/* After tier_create(): at the end of a turn the tier seals its batch before replies are looked at. */
exec *exec_create(const struct exec_deps *deps);
void exec_free(exec *x);
const struct exec_deps *exec_deps(const exec *x);
commands *exec_commands(exec *x);
struct exec_stats *exec_stats(exec *x);

/* A new connection (a listener's callback). Takes c. */
void exec_accept(void *cookie, conn *c);
/* Opening is done: commands are answered with data from now on (before: -LOADING). */
void exec_set_loading(exec *x, bool loading);
bool exec_loading(const exec *x);
/* Hooks for keyspace and tier, with the exec as cookie. */
extern const struct keyspace_hooks exec_keyspace_hooks; /* changed, changed_db only */
void exec_durable(void *cookie);
/* Stops answering and closes every client: gated replies are dropped. */
void exec_close_clients(exec *x);

/* SHUTDOWN: asks main to end; done by the hook that main set. */
void exec_on_shutdown(exec *x, void (*fn)(void *cookie, bool save, bool now), void *cookie);
void exec_request_shutdown(exec *x, bool save, bool now);
uint64_t exec_start_time_ms(const exec *x);
uint64_t exec_start_mono_us(const exec *x);

/* ---- clients, for the CLIENT family and INFO -------------------------------------------------- */

uint64_t client_id(const client *c);
client *exec_client_by_id(exec *x, uint64_t id);
void exec_each_client(exec *x, void (*each)(void *cookie, client *c), void *cookie);
size_t exec_client_count(const exec *x);
int client_proto(const client *c);
void client_set_proto(client *c, int proto);
const char *client_name(const client *c);
void client_set_name(client *c, slice name);
void client_set_lib(client *c, slice name, slice version); /* NULL .p: leave */
const char *client_peer(const client *c);
const char *client_self(const client *c);
uint64_t client_age_s(const client *c);
db *client_db(client *c);
void client_select(client *c, db *d);
/* Who has not authenticated is `default`, and may do nothing while that user has a password or is off. */
bool client_needs_auth(const client *c);
const acl_user *client_user(const client *c);
/* AUTH: true, and it is that user from now on; false: the refusal has been noted. */
bool client_authenticate(client *c, slice name, slice password, const char *command);
enum ack client_ack(const client *c);
void client_set_ack(client *c, enum ack level);
void client_set_no_evict(client *c, bool on);
void client_set_no_touch(client *c, bool on);
enum client_reply { CLIENT_REPLY_ON, CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP };
void client_set_reply(client *c, enum client_reply mode);
void client_close_after_reply(client *c);
void client_kill(client *c); /* closed at the end of the turn */
/* Unblocks a parked client (CLIENT UNBLOCK): false when it is not blocked that way. */
bool client_unblock(client *c, bool with_error);
/* The line of CLIENT LIST, without the newline. */
void client_describe(client *c, buf *out);
void client_reset(client *c); /* RESET */
/* CLIENT PAUSE: until wall ms; writes only, or all. */
void exec_pause(exec *x, uint64_t until_ms, bool writes_only);
void exec_unpause(exec *x);
bool client_local(const client *c);

/* ---- users ---------------------------------------------------------------------------------------- */

acl *exec_acl(exec *x);
/* Nobody is u any more; NULL: nobody is anybody but `default`. These clients are closed, and `self`
 * when it has its reply. */
void exec_drop_user(exec *x, const acl_user *u, client *self);
struct acl_refusal { /* one entry of ACL LOG; borrowed during the call */
    enum acl_verdict verdict;
    bool in_multi;
    slice object, user;
    const char *client;
    uint64_t count, age_ms;
};
/* The newest first, at most `most`; returns how many. each may be NULL. */
size_t exec_each_refusal(exec *x, size_t most, void (*each)(void *cookie, const struct acl_refusal *r),
                         void *cookie);
void exec_forget_refusals(exec *x);
void exec_genpass(exec *x, char *out, size_t digits);

/* ---- errors and slow log, for INFO and SLOWLOG --------------------------------------------------- */

void exec_count_error(exec *x, slice message); /* by its first word */
void exec_each_error(exec *x, void (*each)(void *cookie, const char *prefix, uint64_t count),
                     void *cookie);
void exec_reset_errors(exec *x);

struct slow_command { /* one entry of the slow log; borrowed during the call */
    uint64_t id, time_s, usec;
    const slice *argv; /* cut short */
    size_t argc;
    const char *client, *name;
};
size_t exec_slow_count(const exec *x);
/* The newest first, at most `most`. */
void exec_each_slow(exec *x, size_t most, void (*each)(void *cookie, const struct slow_command *s),
                    void *cookie);
void exec_slow_reset(exec *x);

/* ---- for INFO and DEBUG -------------------------------------------------------------------------- */

struct exec_rates { uint64_t commands, input_bytes, output_bytes; }; /* a second, of late */
struct exec_rates exec_rates(const exec *x);
/* The largest buffers of the clients there are. */
void exec_client_buffers(const exec *x, size_t *query_max, size_t *out_max);
uint64_t exec_client_memory(const exec *x); /* of all clients and their buffers */
size_t exec_start_memory(const exec *x); /* bytes in use when the exec was made */
void exec_set_active_expire(exec *x, bool on);
void exec_pause_cron(exec *x, bool paused);
void exec_set_evict_always(exec *x, bool on); /* every command meets a cold keyspace */
const char *exec_replication_id(const exec *x);
void exec_new_replication_id(exec *x);

/* ---- transactions --------------------------------------------------------------------------------- */

bool client_in_multi(const client *c);
int cmd_multi(call *c);
int cmd_exec(call *c);
int cmd_discard(call *c);
int cmd_watch(call *c);
int cmd_unwatch(call *c);


#endif
