/* main.c -- wires the server together, starts it, ends it.
 *
 *   configure -> log, daemon, pid file -> loop, workers, store -> keyspace, tier, exec, modules
 *             -> listen -> probe and open the store (clients see -LOADING) -> serve -> close      */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "boot.h"
#include "commands/commands.h"
#include "event/conn.h"
#include "event/pool.h"
#include "exec/exec.h"
#include "module.h"
#include "objstore/probe.h"
#include "tier/manifest.h"
#include "transfer.h"

#define WORKERS 2      /* The tier's: they are done in milliseconds, and commits wait for them. */
#define LONG_WORKERS 2 /* For call_work(), which may take seconds. */
#define MODULES_MAX 32
#define LISTENERS_MAX 18

struct app {
    struct process_config process;
    struct exec_config exec_config;
    struct acl_config acl_config;
    struct keyspace_config ks_config;
    struct tier_config tier_config;
    void *compat;
    options *options;
    commands *commands;
    acl *acl;
    metrics *metrics;
    struct type_set types;
    logger *log;
    rnd rnd, tier_rnd;
    uint8_t secret[32];
    loop *loop;
    pool *pool, *long_pool;
    objstore *store;
    obj_req manifest; /* is there one in a folder? */
    keyspace *ks;
    tier *tier;
    exec *exec;
    listener *listeners[LISTENERS_MAX];
    int listeners_n;
    void *module_state[MODULES_MAX];
    struct module_name module_names[MODULES_MAX];
    size_t modules_n;
    int signal_fd, exit_status;
    bool opened, closing, users_configured;
    char config_file[4096];
    char *import_path, *export_path; /* instead of serving clients */
    transfer *transfer;
    int transfer_status;
    bool transferred;
};

static bool transfers(const struct app *a) { return a->import_path != NULL || a->export_path != NULL; }

static void app_exit(struct app *a, int status) {
    a->exit_status = status;
    loop_stop(a->loop);
}

/* ---- ending -------------------------------------------------------------------------------------- */

static void closed(void *cookie, int rc) {
    struct app *a = cookie;
    if (rc != OK) log_line(a->log, LOG_WARNING, "The store was not closed cleanly: %s", err_text(rc));
    log_line(a->log, LOG_WARNING, "Cove is now ready to exit, bye bye...");
    app_exit(a, rc != OK && transfers(a) ? 1 : a->transfer_status);
}

static void shutdown_now(void *cookie, bool save, bool now) {
    struct app *a = cookie;
    (void)now;
    if (a->closing) return;
    a->closing = true;
    boot_notify_supervisor("STOPPING=1\n");
    for (int i = 0; i < a->listeners_n; i++) listener_close(a->listeners[i]);
    a->listeners_n = 0;
    if (!a->transferred) log_line(a->log, LOG_WARNING, "User requested shutdown...");
    if (!a->opened) {
        app_exit(a, a->transfer_status);
        return;
    }
    tier_close(a->tier, save, closed, a);
}

static void fatal(void *cookie, int status, const char *why) {
    struct app *a = cookie;
    log_line(a->log, LOG_WARNING, "%s", why);
    exec_close_clients(a->exec);
    app_exit(a, status);
}

static void got_signal(void *cookie, int fd, unsigned ready) {
    struct app *a = cookie;
    struct signalfd_siginfo info;
    (void)ready;
    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) return;
    if (info.ssi_signo == SIGHUP) return;
    log_line(a->log, LOG_WARNING, "Received SIG%s scheduling shutdown...",
             info.ssi_signo == SIGINT ? "INT" : "TERM");
    if (a->closing && info.ssi_signo == SIGINT) {
        log_line(a->log, LOG_WARNING, "You insist... exiting now.");
        app_exit(a, 1);
        return;
    }
    if (transfers(a)) a->transfer_status = 1; /* It is not through. */
    shutdown_now(a, true, false);
}

/* ---- a file in or out ------------------------------------------------------------------------------ */

static void transferred(void *cookie, int rc) {
    struct app *a = cookie;
    if (rc != OK) a->transfer_status = 1;
    a->transferred = true;
    shutdown_now(a, true, false);
}

/* ---- opening --------------------------------------------------------------------------------------- */

static void opened(void *cookie, int rc, const char *why) {
    struct app *a = cookie;
    if (rc != OK) {
        log_line(a->log, LOG_WARNING, "The store %s cannot be opened: %s",
                 a->store->ops->describe(a->store), why);
        app_exit(a, rc == ERR_FENCED ? 3 : 1);
        return;
    }
    a->opened = true;
    exec_set_loading(a->exec, false);
    log_line(a->log, LOG_NOTICE, "The store is %s", a->store->ops->describe(a->store));
    if (transfers(a)) {
        transfer_start(a->transfer, a->loop, a->exec, transferred, a);
        return;
    }
    log_line(a->log, LOG_NOTICE, "Ready to accept connections");
    boot_notify_supervisor("STATUS=Ready to accept connections\nREADY=1\n");
}

static void probed(void *cookie, int rc, const char *why) {
    struct app *a = cookie;
    if (rc != OK) {
        opened(a, rc, why);
        return;
    }
    tier_open(a->tier, opened, a);
}

static void got_manifest(obj_req *r) {
    struct app *a = r->cookie;
    buf_free(&r->out);
    if (r->rc == OK) probed(a, OK, "");
    else objstore_probe(a->store, &a->tier_rnd, probed, a);
}

/* A store has to show what it can. A folder has done so when its manifest was first written, and does
 * not change: the probe's hundred fsyncs would be most of the time that a start takes. Behind an
 * endpoint something else may answer tomorrow. */
static void open_store(struct app *a) {
    if (strncmp(a->tier_config.store, "s3:", 3) == 0) {
        objstore_probe(a->store, &a->tier_rnd, probed, a);
        return;
    }
    a->manifest = (obj_req){.op = OBJ_HEAD, .name = MANIFEST_NAME, .after = "",
                            .done = got_manifest, .cookie = a};
    objstore_submit(a->store, &a->manifest);
}

static int listen_tcp(struct app *a) {
    char *words = mem_strdup(a->exec_config.bind), *save = NULL;
    int tried = 0, rc = OK;
    for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        bool optional = w[0] == '-';
        const char *host = strcmp(w + optional, "::*") == 0 ? "::" : w + optional;
        if (a->listeners_n == LISTENERS_MAX) break;
        tried++;
        int got = listener_tcp(a->loop, host, (int)a->exec_config.port,
                               (int)a->exec_config.tcp_backlog, exec_accept, a->exec,
                               &a->listeners[a->listeners_n]);
        if (got == OK) {
            a->listeners_n++;
            continue;
        }
        if (optional && got != ERR_EXISTS) continue;
        log_line(a->log, LOG_WARNING, "Could not create server TCP listening socket %s:%lld: %s", host,
                 (long long)a->exec_config.port, got == ERR_EXISTS ? "Address already in use" : strerror(errno));
        rc = got;
        break;
    }
    mem_free(words);
    if (rc == OK && tried > 0 && a->listeners_n == 0) rc = ERR_IO;
    if (rc != OK) log_line(a->log, LOG_WARNING, "Failed listening on port %lld (TCP), aborting.",
                           (long long)a->exec_config.port);
    return rc;
}

static int listen_all(struct app *a) {
    int rc = a->exec_config.port != 0 ? listen_tcp(a) : OK;
    if (rc != OK || a->exec_config.unixsocket[0] == '\0') return rc;
    rc = listener_unix(a->loop, a->exec_config.unixsocket, (int)a->exec_config.unixsocketperm,
                       (int)a->exec_config.tcp_backlog, exec_accept, a->exec,
                       &a->listeners[a->listeners_n]);
    if (rc == OK) a->listeners_n++;
    else log_line(a->log, LOG_WARNING, "Failed opening Unix socket: bind: %s", strerror(errno));
    return rc;
}

/* ---- building --------------------------------------------------------------------------------------- */

/* Loglevel may change while running; what belongs to a folder alone needs no hook. */
static int process_changed(void *cookie, const struct option *row, const char **why) {
    struct app *a = cookie;
    if (strcmp(row->name, "loglevel") == 0) {
        logger_set_level(a->log, (enum log_level)a->process.loglevel);
    } else if (strcmp(row->name, "dir") == 0 && chdir(a->process.dir) != 0) {
        *why = strerror(errno);
        return ERR_IO;
    }
    return OK;
}

static int exec_changed(void *cookie, const struct option *row, const char **why) {
    struct app *a = cookie;
    (void)why;
    if (strcmp(row->name, "requirepass") == 0) acl_requirepass(a->acl, a->exec_config.requirepass);
    return OK;
}

static commands *command_table(void) {
    commands *t = commands_create();
    commands_add_rows(t);
    for (int i = 0; cove_modules[i] != NULL; i++) {
        commands_add_module(t, cove_modules[i]->name, cove_modules[i]->commands,
                            cove_modules[i]->commands_count);
    }
    return t;
}

static void add_options(struct app *a) {
    a->options = options_create();
    a->metrics = metrics_create();
    a->commands = command_table();
    a->acl = acl_create(a->commands, &a->acl_config);
    a->compat = compat_config_create();
    options_add(a->options, process_options, process_options_count, &a->process, process_changed, a);
    options_add(a->options, exec_options, exec_options_count, &a->exec_config, exec_changed, a);
    options_add(a->options, acl_options, acl_options_count, &a->acl_config, NULL, NULL);
    options_add(a->options, keyspace_options, keyspace_options_count, &a->ks_config, NULL, NULL);
    options_add(a->options, tier_options, tier_options_count, &a->tier_config, NULL, NULL);
    options_add(a->options, compat_options, compat_options_count, a->compat, NULL, NULL);
    type_add(&a->types, &type_string);
    type_add(&a->types, &type_hash);
    type_add(&a->types, &type_list);
    type_add(&a->types, &type_set);
    type_add(&a->types, &type_zset);
    type_add(&a->types, &type_stream);
    for (int i = 0; cove_modules[i] != NULL; i++) {
        const module *m = cove_modules[i];
        a->module_names[a->modules_n++] = (struct module_name){m->name, m->version};
        if (m->setup != NULL) a->module_state[i] = m->setup(a->options, a->metrics);
        for (size_t t = 0; m->types != NULL && m->types[t] != NULL; t++) type_add(&a->types, m->types[t]);
    }
}

static int check_config(struct app *a) {
    if (a->tier_config.commit_spacing_ms < 0) { /* By store; shown so from now on. */
        a->tier_config.commit_spacing_ms = strncmp(a->tier_config.store, "s3:", 3) == 0 ? 50 : 0;
    }
    if (a->tier_config.ack == ACK_DISK && a->tier_config.cache_dir[0] == '\0') {
        log_line(a->log, LOG_WARNING, "ack disk needs a local log: set cache-dir to a folder on a disk");
        return ERR_SYNTAX;
    }
    return OK;
}

/* Users are in the configuration, or in a file of their own; never in both. */
static int load_users(struct app *a) {
    buf why = BUF_INIT;
    if (transfers(a)) { /* Nobody but this process is a client. */
        const slice all[] = {SLICE("on"), SLICE("nopass"), SLICE("allkeys"), SLICE("allchannels"),
                             SLICE("allcommands")};
        const char *reason = "";
        int rc = acl_set_user(a->acl, SLICE("default"), all, sizeof(all) / sizeof(*all), &reason, &why);
        buf_free(&why);
        return rc;
    }
    if (!acl_user_declared(acl_default(a->acl))) acl_requirepass(a->acl, a->exec_config.requirepass);
    if (a->acl_config.file[0] != '\0' && a->users_configured) {
        log_line(a->log, LOG_WARNING, "Configuring users in redis.conf and at the same time an ACL file "
                                      "is invalid: define either an ACL file or users, but not both");
        return ERR_SYNTAX;
    }
    int rc = commands_load_users(a->acl, &a->acl_config, a->exec_config.requirepass, NULL, NULL, &why);
    if (rc != OK) {
        log_line(a->log, LOG_WARNING, "Aborting startup because of ACL errors: %.*s", (int)why.n,
                 (const char *)why.p);
    }
    buf_free(&why);
    return rc;
}

static int build(struct app *a) {
    char why[256] = "";
    if (transfers(a) && transfer_open(a->import_path, a->export_path, a->ks_config.databases, a->log,
                                      &a->transfer, why) != OK) {
        log_line(a->log, LOG_WARNING, "%s", why);
        return ERR_IO;
    }
    int rc = rnd_seed_os(&a->rnd);
    if (rc != OK) return rc;
    rnd_seed(&a->tier_rnd, rnd_u64(&a->rnd));
    rnd own; /* Nothing else is drawn from it: what clients see of the others tells nothing about it. */
    if ((rc = rnd_seed_os(&own)) != OK) return rc;
    rnd_bytes(&own, a->secret, sizeof(a->secret));
    if ((rc = loop_create(clock_real(), &a->loop)) != OK) return rc;
    if ((rc = pool_create(a->loop, WORKERS, &a->pool)) != OK) return rc;
    if ((rc = pool_create(a->loop, LONG_WORKERS, &a->long_pool)) != OK) return rc;
    rc = boot_store(a->loop, &a->tier_config, &a->tier_rnd, a->log, &a->store, why);
    if (rc != OK) {
        log_line(a->log, LOG_WARNING, "%s", why[0] != '\0' ? why : err_text(rc));
        return rc;
    }
    a->ks = keyspace_create(&a->ks_config, &a->types, clock_real(), &a->rnd, a->log);
    return OK;
}

static void tier_durable_hook(void *cookie) {
    struct app *a = cookie;
    if (a->exec != NULL) exec_durable(a->exec);
}
static void tier_fatal_hook(void *cookie, int status, const char *why) { fatal(cookie, status, why); }

static int build_upper(struct app *a) {
    static const struct tier_hooks hooks = {.durable = tier_durable_hook, .fatal = tier_fatal_hook};
    struct exec_deps d = {.loop = a->loop, .pool = a->long_pool, .keyspace = a->ks, .options = a->options,
                          .commands = a->commands, .acl = a->acl, .acl_config = &a->acl_config,
                          .metrics = a->metrics, .rnd = &a->rnd, .log = a->log,
                          .config = &a->exec_config, .keyspace_config = &a->ks_config,
                          .tier_config = &a->tier_config, .types = &a->types,
                          .config_file = a->config_file, .modules = a->module_names,
                          .modules_count = a->modules_n};
    memcpy(d.secret, a->secret, sizeof(d.secret));
    for (int i = 0; i < 40; i++) d.run_id[i] = "0123456789abcdef"[rnd_below(&a->rnd, 16)];
    int rc = tier_create(a->loop, a->pool, a->store, a->ks, &a->tier_config, &a->tier_rnd, a->log,
                         &hooks, a, &a->tier);
    if (rc != OK) return rc;
    d.tier = a->tier;
    a->exec = exec_create(&d);
    keyspace_set_hooks(a->ks, &exec_keyspace_hooks, a->exec);
    exec_on_shutdown(a->exec, shutdown_now, a);
    commands_add_metrics(a->exec);
    metrics_add(a->metrics, keyspace_metrics, keyspace_metrics_count, keyspace_stats(a->ks));
    metrics_add(a->metrics, tier_metrics, tier_metrics_count, a->tier);
    return OK;
}

static int watch_signals(struct app *a) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return ERR_IO;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* A file over the limit is a failed write, and no reason to die. */
    a->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return a->signal_fd < 0 ? ERR_IO : OK;
}

#ifdef COVE_SANITIZE
/* Frees everything, so that a leak shows. Otherwise the kernel is faster at it. */
static void free_all(struct app *a) {
    exec_free(a->exec);
    pool_free(a->long_pool);
    acl_free(a->acl);
    commands_free(a->commands);
    tier_free(a->tier);
    objstore_free(a->store);
    keyspace_free(a->ks);
    pool_free(a->pool);
    if (a->loop != NULL && a->signal_fd >= 0) loop_unwatch(a->loop, a->signal_fd);
    loop_free(a->loop);
    for (int i = 0; cove_modules[i] != NULL; i++) {
        if (cove_modules[i]->teardown != NULL) cove_modules[i]->teardown(a->module_state[i]);
    }
    metrics_free(a->metrics);
    options_free(a->options);
    mem_free(a->compat);
    mem_free(a->import_path);
    mem_free(a->export_path);
    logger_free(a->log);
    if (a->signal_fd >= 0) close(a->signal_fd);
    mem_free(a);
}
#endif

static void teardown(struct app *a) {
    transfer_free(a->transfer);
    if (a->loop != NULL && a->signal_fd >= 0) loop_unwatch(a->loop, a->signal_fd);
    for (int i = 0; i < a->listeners_n; i++) listener_close(a->listeners[i]);
    if (a->process.pidfile != NULL && a->process.pidfile[0] != '\0') unlink(a->process.pidfile);
    if (a->exec_config.unixsocket != NULL && a->exec_config.unixsocket[0] != '\0') {
        unlink(a->exec_config.unixsocket);
    }
}

/* Directives of Redis that are kept without an effect, and whose effect somebody would miss. */
static void warn_of_missing(struct app *a) {
    static const char *const names[] = {"tls-port", "cluster-enabled", "replicaof"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const struct option *row = options_find(a->options, slice_str(names[i]));
        buf now = BUF_INIT, initial = BUF_INIT;
        if (row == NULL) continue;
        options_print(a->options, row, &now);
        options_print_initial(a->options, row, &initial);
        if (!slice_eq(slice_of(&now), slice_of(&initial))) {
            log_line(a->log, LOG_WARNING, "%s is set to %.*s and has no effect: the server does not do that",
                     names[i], (int)now.n, (const char *)now.p);
        }
        buf_free(&now);
        buf_free(&initial);
    }
}

static int start(struct app *a) {
    int rc;
    if (chdir(a->process.dir) != 0) {
        fprintf(stderr, "Can't chdir to '%s': %s\n", a->process.dir, strerror(errno));
        return ERR_IO;
    }
    if (a->process.daemonize && !transfers(a) && boot_daemonize() != OK) return ERR_IO;
    a->ks_config.cache_bytes = boot_memory_bytes() / 4 * 3;
    if (a->ks_config.maxmemory > 0) mem_limit((size_t)a->ks_config.maxmemory);
    mem_background();
    if ((rc = logger_create(a->process.logfile, (enum log_level)a->process.loglevel, clock_real(),
                            &a->log)) != OK) {
        fprintf(stderr, "Can't open the log file '%s'\n", a->process.logfile);
        return rc;
    }
    log_line(a->log, LOG_NOTICE, "Cove %s (speaks Redis %s) starting, PID: %d, port: %lld", COVE_VERSION,
             REDIS_VERSION, (int)getpid(), (long long)a->exec_config.port);
    if (a->config_file[0] != '\0') {
        log_line(a->log, LOG_NOTICE, "save, appendonly, appendfsync and dbfilename have no effect here: "
                                     "every write is in the store's log");
    }
    warn_of_missing(a);
    if ((rc = watch_signals(a)) != OK || (rc = check_config(a)) != OK || (rc = load_users(a)) != OK ||
        (rc = build(a)) != OK ||
        (rc = build_upper(a)) != OK) return rc;
    if ((rc = loop_watch(a->loop, a->signal_fd, LOOP_READ, got_signal, a)) != OK) return rc;
    if (transfers(a)) {
        open_store(a);
        return OK;
    }
    if ((rc = listen_all(a)) != OK) return rc;
    if (a->process.pidfile[0] == '\0' && a->process.daemonize) {
        mem_free(a->process.pidfile);
        a->process.pidfile = mem_strdup("/var/run/redis.pid");
    }
    if (a->process.pidfile[0] != '\0' && boot_write_pidfile(a->process.pidfile) != OK) {
        log_line(a->log, LOG_WARNING, "Failed to write PID file %s: %s", a->process.pidfile, strerror(errno));
    }
    open_store(a);
    return OK;
}

/* The command table against itself: what the style tests run. */
static int self_check(commands *t) {
    char why[256] = "";
    int rc = commands_check(t, why);
    printf("%zu commands: %s\n", commands_count(t), rc == OK ? "ok" : why);
    return rc == OK ? 0 : 1;
}

static void usage(void) {
    puts("Usage: cove-server [/path/to/redis.conf] [--option value ...]\n"
         "       cove-server [/path/to/redis.conf] [--option value ...] --import dump.rdb | --export dump.rdb\n"
         "       cove-server --version | --help | --sample-config | --self-check\n"
         "Options are those of Redis 7.0 and Cove's own, see redis.conf.sample.");
}

/* Threads of the store may be at work still: what exit() would take apart, libraries' too, is theirs. */
static int leave(struct app *a, bool started, int status) {
    teardown(a);
#ifdef COVE_SANITIZE
    if (started) free_all(a);
    return status;
#else
    (void)started;
    (void)fflush(NULL); /* The log; what cannot be written now is lost either way. */
    _exit(status);
#endif
}

int main(int argc, char **argv) {
    struct app *a = mem_calloc(1, sizeof(*a));
    a->signal_fd = -1;
    add_options(a);
    if (argc == 2 && (strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "--version") == 0)) {
        printf("Cove server v=%s redis=%s\n", COVE_VERSION, REDIS_VERSION);
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        usage();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--sample-config") == 0) return commands_print_sample(a->options);
    if (argc == 2 && strcmp(argv[1], "--self-check") == 0) return self_check(a->commands);
    struct boot boot = {.options = a->options, .commands = a->commands, .acl = a->acl};
    if (boot_configure(&boot, argc, argv, a->config_file, sizeof(a->config_file)) != OK) return 1;
    a->users_configured = boot.users_n > 0;
    a->import_path = boot.import;
    a->export_path = boot.export;
    if (start(a) != OK) return leave(a, false, 1);
    loop_run(a->loop);
    return leave(a, true, a->exit_status);
}
