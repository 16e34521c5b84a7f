/* boot_compat.c -- directives of Redis 7.0 that have no meaning here: accepted, checked for their form,
 * kept, and answered by CONFIG GET, so that an unchanged redis.conf starts the server and tools that
 * read the configuration find what they expect. */
#include "base/mem.h"
#include "base/num.h"
#include "boot.h"

#define BOOLS 47
#define INTS 37
#define STRINGS 39
#define ENUMS 7

struct compat_config {
    bool b[BOOLS];
    int64_t i[INTS];
    char *s[STRINGS];
    int e[ENUMS];
};

void *compat_config_create(void) { return mem_calloc(1, sizeof(struct compat_config)); }

/* Several words, kept as one text with spaces between. */
static int words_set(void *field, const slice *words, size_t count, bool append, const char **why) {
    char **s = field;
    buf text = BUF_INIT;
    (void)why; /* Any words are fine. */
    if (append && *s != NULL && (*s)[0] != '\0') buf_append_str(&text, *s);
    for (size_t i = 0; i < count; i++) {
        if (text.n > 0 && words[i].n > 0) buf_append_str(&text, " ");
        buf_append_slice(&text, words[i]);
    }
    mem_free(*s);
    *s = slice_strdup(slice_of(&text));
    buf_free(&text);
    return OK;
}
static void words_print(const void *field, buf *out) {
    const char *s = *(char *const *)field;
    if (s != NULL) buf_append_str(out, s);
}
static void words_clear(void *field) {
    char **s = field;
    mem_free(*s);
    *s = NULL;
}
static const struct option_custom words_option = {words_set, words_print, words_clear};

/* Pairs of seconds and changes; "" switches it off. */
static int save_set(void *field, const slice *words, size_t count, bool append, const char **why) {
    bool off = count == 1 && words[0].n == 0;
    for (size_t i = 0; i < count && !off; i++) {
        int64_t v;
        if (count % 2 != 0 || !num_parse_ll(words[i], &v) || v < (i % 2 == 0 ? 1 : 0) || v > INT32_MAX) {
            *why = "Invalid save parameters";
            return ERR_SYNTAX;
        }
    }
    return words_set(field, words, count, append && !off, why);
}
static const struct option_custom save_option = {save_set, words_print, words_clear};

static void text_take(char **s, buf *text) {
    mem_free(*s);
    *s = slice_strdup(slice_of(text));
    buf_free(text);
}

/* ---- notify-keyspace-events: classes in Redis's order ------------------------------------------ */

#define EVENT_CLASSES "g$lshzxetd" /* what A stands for */

static int events_set(void *field, const slice *words, size_t count, bool append, const char **why) {
    static const char all[] = EVENT_CLASSES "KEmn";
    bool set[sizeof(all)] = {false};
    (void)append; /* One line says it all. */
    for (size_t w = 0; w < count; w++) {
        for (size_t i = 0; i < words[w].n; i++) {
            const char *at = strchr(all, words[w].p[i]);
            if (words[w].p[i] == 'A') {
                for (size_t k = 0; k < sizeof(EVENT_CLASSES) - 1; k++) set[k] = true;
            } else if (at == NULL || *at == '\0') {
                *why = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
                return ERR_SYNTAX;
            } else {
                set[at - all] = true;
            }
        }
    }
    buf text = BUF_INIT;
    size_t full = 0;
    for (size_t k = 0; k < sizeof(EVENT_CLASSES) - 1; k++) full += set[k];
    if (full == sizeof(EVENT_CLASSES) - 1) buf_u8(&text, 'A');
    for (size_t k = full == sizeof(EVENT_CLASSES) - 1 ? full : 0; k < sizeof(all) - 1; k++) {
        if (set[k]) buf_u8(&text, (uint8_t)all[k]);
    }
    text_take(field, &text);
    return OK;
}
static const struct option_custom events_option = {events_set, words_print, words_clear};

/* ---- client-output-buffer-limit: class, hard limit, soft limit, seconds ----------------------------- */

#define CLASSES 3
static const char *const class_names[CLASSES] = {"normal", "slave", "pubsub"};

struct output_limits { uint64_t v[CLASSES][3]; };

static int limits_group(struct output_limits *l, const slice *w, const char **why) {
    int class = -1;
    for (int i = 0; i < CLASSES; i++) {
        if (slice_is(w[0], class_names[i]) || (i == 1 && slice_is(w[0], "replica"))) class = i;
    }
    if (class < 0) {
        *why = "Invalid client class specified in buffer limit configuration.";
        return ERR_SYNTAX;
    }
    int64_t seconds;
    if (!num_parse_memory(w[1], &l->v[class][0]) || !num_parse_memory(w[2], &l->v[class][1]) ||
        !num_parse_ll(w[3], &seconds) || seconds < 0) {
        *why = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        return ERR_SYNTAX;
    }
    l->v[class][2] = (uint64_t)seconds;
    return OK;
}

static int limits_parse(struct output_limits *l, const slice *words, size_t count, const char **why) {
    if (count == 0 || count % 4 != 0) {
        *why = "Wrong number of arguments in buffer limit configuration.";
        return ERR_SYNTAX;
    }
    int rc = OK;
    for (size_t i = 0; i < count && rc == OK; i += 4) rc = limits_group(l, words + i, why);
    return rc;
}

static int limits_set(void *field, const slice *words, size_t count, bool append, const char **why) {
    char **s = field;
    struct output_limits l = {{{0}}};
    buf store = BUF_INIT, text = BUF_INIT;
    slice *old = NULL;
    size_t old_n = 0;
    const char *ignored;
    (void)append; /* A class that is not named keeps what it had. */
    if (*s != NULL && option_split_line(slice_str(*s), &store, &old, &old_n) == OK && old_n > 0) {
        (void)limits_parse(&l, old, old_n, &ignored); /* Our own print: always well formed. */
    }
    mem_free(old);
    buf_free(&store);
    int rc = limits_parse(&l, words, count, why);
    if (rc != OK) return rc;
    for (int i = 0; i < CLASSES; i++) {
        buf_printf(&text, "%s%s %llu %llu %llu", i > 0 ? " " : "", class_names[i],
                   (unsigned long long)l.v[i][0], (unsigned long long)l.v[i][1],
                   (unsigned long long)l.v[i][2]);
    }
    text_take(s, &text);
    return OK;
}
static const struct option_custom limits_option = {limits_set, words_print, words_clear};

static const char *const words_appendfsync[] = {"everysec", "always", "no", NULL};
static const char *const words_cluster_preferred_endpoint_type[] = {"ip", "hostname", "unknown-endpoint", NULL};
static const char *const words_oom_score_adj[] = {"no", "yes", "relative", "absolute", NULL};
static const char *const words_propagation_error_behavior[] = {"ignore", "panic", "panic-on-replicas", NULL};
static const char *const words_repl_diskless_load[] = {"disabled", "on-empty-db", "swapdb", NULL};
static const char *const words_sanitize_dump_payload[] = {"no", "yes", "clients", NULL};
static const char *const words_tls_auth_clients[] = {"no", "yes", "optional", NULL};

#define B(n) offsetof(struct compat_config, b[n])
#define I(n) offsetof(struct compat_config, i[n])
#define S(n) offsetof(struct compat_config, s[n])
#define E(n) offsetof(struct compat_config, e[n])
const struct option compat_options[] = {
    {"active-defrag-cycle-max", NULL, OPTION_INT, OPTION_IGNORED, I(0), "25", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"active-defrag-cycle-min", NULL, OPTION_INT, OPTION_IGNORED, I(1), "1", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"active-defrag-ignore-bytes", NULL, OPTION_MEMORY, OPTION_IGNORED, I(2), "104857600", -100, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"active-defrag-max-scan-fields", NULL, OPTION_INT, OPTION_IGNORED, I(3), "1000", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"active-defrag-threshold-lower", NULL, OPTION_INT, OPTION_IGNORED, I(4), "10", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"active-defrag-threshold-upper", NULL, OPTION_INT, OPTION_IGNORED, I(5), "100", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"activedefrag", NULL, OPTION_BOOL, OPTION_IGNORED, B(0), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"activerehashing", NULL, OPTION_BOOL, OPTION_IGNORED, B(1), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"always-show-logo", NULL, OPTION_BOOL, OPTION_IGNORED | OPTION_IMMUTABLE, B(2), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"aof-disable-auto-gc", NULL, OPTION_BOOL, OPTION_IGNORED, B(3), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"aof-load-truncated", NULL, OPTION_BOOL, OPTION_IGNORED, B(4), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"aof-rewrite-incremental-fsync", NULL, OPTION_BOOL, OPTION_IGNORED, B(5), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"aof-timestamp-enabled", NULL, OPTION_BOOL, OPTION_IGNORED, B(6), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"aof-use-rdb-preamble", NULL, OPTION_BOOL, OPTION_IGNORED, B(7), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"aof_rewrite_cpulist", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(0), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"appenddirname", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(1), "appendonlydir", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"appendfilename", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(2), "appendonly.aof", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"appendfsync", NULL, OPTION_ENUM, OPTION_IGNORED, E(0), "everysec", 0, 0, words_appendfsync, NULL,
     "Redis's fsync policy: kept, without effect, see ack."},
    {"appendonly", NULL, OPTION_BOOL, OPTION_IGNORED, B(8), "no", 0, 0, NULL, NULL,
     "Redis's append-only file: kept, without effect, every write is in the store's log."},
    {"auto-aof-rewrite-min-size", NULL, OPTION_MEMORY, OPTION_IGNORED, I(6), "67108864", -100, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"auto-aof-rewrite-percentage", NULL, OPTION_INT, OPTION_IGNORED, I(7), "100", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"bgsave_cpulist", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(3), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"bind-source-addr", NULL, OPTION_CUSTOM, OPTION_IGNORED, S(4), "", 0, 0, NULL, &words_option,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"bio_cpulist", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(5), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"busy-reply-threshold", "lua-time-limit", OPTION_INT, OPTION_IGNORED, I(8), "5000", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"client-output-buffer-limit", NULL, OPTION_CUSTOM, OPTION_IGNORED, S(6), "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", 0, 0, NULL, &limits_option,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-allow-pubsubshard-when-down", NULL, OPTION_BOOL, OPTION_IGNORED, B(9), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-allow-reads-when-down", NULL, OPTION_BOOL, OPTION_IGNORED, B(10), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-allow-replica-migration", NULL, OPTION_BOOL, OPTION_IGNORED, B(11), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-announce-bus-port", NULL, OPTION_INT, OPTION_IGNORED, I(9), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-announce-hostname", NULL, OPTION_STRING, OPTION_IGNORED, S(7), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-announce-ip", NULL, OPTION_STRING, OPTION_IGNORED, S(8), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-announce-port", NULL, OPTION_INT, OPTION_IGNORED, I(10), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-announce-tls-port", NULL, OPTION_INT, OPTION_IGNORED, I(11), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-config-file", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(9), "nodes.conf", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-enabled", NULL, OPTION_BOOL, OPTION_IGNORED | OPTION_IMMUTABLE, B(12), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-link-sendbuf-limit", NULL, OPTION_MEMORY, OPTION_IGNORED, I(12), "0", -100, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-migration-barrier", NULL, OPTION_INT, OPTION_IGNORED, I(13), "1", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-node-timeout", NULL, OPTION_INT, OPTION_IGNORED, I(14), "15000", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-port", NULL, OPTION_INT, OPTION_IGNORED | OPTION_IMMUTABLE, I(15), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-preferred-endpoint-type", NULL, OPTION_ENUM, OPTION_IGNORED, E(1), "ip", 0, 0, words_cluster_preferred_endpoint_type, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-replica-no-failover", "cluster-slave-no-failover", OPTION_BOOL, OPTION_IGNORED, B(13), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-replica-validity-factor", "cluster-slave-validity-factor", OPTION_INT, OPTION_IGNORED, I(16), "10", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"cluster-require-full-coverage", NULL, OPTION_BOOL, OPTION_IGNORED, B(14), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"crash-log-enabled", NULL, OPTION_BOOL, OPTION_IGNORED, B(15), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"crash-memcheck-enabled", NULL, OPTION_BOOL, OPTION_IGNORED, B(16), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"dbfilename", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE | OPTION_PROTECTED, S(10), "dump.rdb", 0, 0, NULL, NULL,
     "Redis's snapshot file: kept, without effect."},
    {"disable-thp", NULL, OPTION_BOOL, OPTION_IGNORED | OPTION_IMMUTABLE, B(17), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"dynamic-hz", NULL, OPTION_BOOL, OPTION_IGNORED, B(18), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"io-threads", NULL, OPTION_INT, OPTION_IGNORED | OPTION_IMMUTABLE, I(17), "1", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"io-threads-do-reads", NULL, OPTION_BOOL, OPTION_IGNORED | OPTION_IMMUTABLE, B(19), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"jemalloc-bg-thread", NULL, OPTION_BOOL, OPTION_IGNORED, B(20), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"latency-monitor-threshold", NULL, OPTION_INT, OPTION_IGNORED, I(18), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"latency-tracking", NULL, OPTION_BOOL, OPTION_IGNORED, B(21), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"latency-tracking-info-percentiles", NULL, OPTION_CUSTOM, OPTION_IGNORED, S(11), "50 99 99.9", 0, 0, NULL, &words_option,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"lazyfree-lazy-eviction", NULL, OPTION_BOOL, OPTION_IGNORED, B(22), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"lazyfree-lazy-expire", NULL, OPTION_BOOL, OPTION_IGNORED, B(23), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"lazyfree-lazy-server-del", NULL, OPTION_BOOL, OPTION_IGNORED, B(24), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"lazyfree-lazy-user-del", NULL, OPTION_BOOL, OPTION_IGNORED, B(25), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"lazyfree-lazy-user-flush", NULL, OPTION_BOOL, OPTION_IGNORED, B(26), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"masterauth", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_SECRET, S(12), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"masteruser", NULL, OPTION_STRING, OPTION_IGNORED, S(13), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"maxmemory-clients", NULL, OPTION_PERCENT_OR_MEMORY, OPTION_IGNORED, I(19), "0", -100, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"min-replicas-max-lag", "min-slaves-max-lag", OPTION_INT, OPTION_IGNORED, I(20), "10", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"min-replicas-to-write", "min-slaves-to-write", OPTION_INT, OPTION_IGNORED, I(21), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"no-appendfsync-on-rewrite", NULL, OPTION_BOOL, OPTION_IGNORED, B(27), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"notify-keyspace-events", NULL, OPTION_CUSTOM, OPTION_IGNORED, S(14), "", 0, 0, NULL, &events_option,
     "Which keyspace events are published."},
    {"oom-score-adj", NULL, OPTION_ENUM, OPTION_IGNORED, E(2), "no", 0, 0, words_oom_score_adj, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"oom-score-adj-values", NULL, OPTION_CUSTOM, OPTION_IGNORED, S(15), "0 200 800", 0, 0, NULL, &words_option,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"proc-title-template", NULL, OPTION_STRING, OPTION_IGNORED, S(16), "{title} {listen-addr} {server-mode}", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"propagation-error-behavior", NULL, OPTION_ENUM, OPTION_IGNORED, E(3), "ignore", 0, 0, words_propagation_error_behavior, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"rdb-del-sync-files", NULL, OPTION_BOOL, OPTION_IGNORED, B(28), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"rdb-save-incremental-fsync", NULL, OPTION_BOOL, OPTION_IGNORED, B(29), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"rdbchecksum", NULL, OPTION_BOOL, OPTION_IGNORED | OPTION_IMMUTABLE, B(30), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"rdbcompression", NULL, OPTION_BOOL, OPTION_IGNORED, B(31), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-backlog-size", NULL, OPTION_MEMORY, OPTION_IGNORED, I(22), "1048576", -100, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-backlog-ttl", NULL, OPTION_INT, OPTION_IGNORED, I(23), "3600", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-disable-tcp-nodelay", NULL, OPTION_BOOL, OPTION_IGNORED, B(32), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-diskless-load", NULL, OPTION_ENUM, OPTION_IGNORED, E(4), "disabled", 0, 0, words_repl_diskless_load, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-diskless-sync", NULL, OPTION_BOOL, OPTION_IGNORED, B(33), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-diskless-sync-delay", NULL, OPTION_INT, OPTION_IGNORED, I(24), "5", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-diskless-sync-max-replicas", NULL, OPTION_INT, OPTION_IGNORED, I(25), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-ping-replica-period", "repl-ping-slave-period", OPTION_INT, OPTION_IGNORED, I(26), "10", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"repl-timeout", NULL, OPTION_INT, OPTION_IGNORED, I(27), "60", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-announce-ip", "slave-announce-ip", OPTION_STRING, OPTION_IGNORED, S(17), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-announce-port", "slave-announce-port", OPTION_INT, OPTION_IGNORED, I(28), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-announced", NULL, OPTION_BOOL, OPTION_IGNORED, B(34), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-ignore-disk-write-errors", NULL, OPTION_BOOL, OPTION_IGNORED, B(35), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-ignore-maxmemory", "slave-ignore-maxmemory", OPTION_BOOL, OPTION_IGNORED, B(36), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-lazy-flush", "slave-lazy-flush", OPTION_BOOL, OPTION_IGNORED, B(37), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-priority", "slave-priority", OPTION_INT, OPTION_IGNORED, I(29), "100", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-read-only", "slave-read-only", OPTION_BOOL, OPTION_IGNORED, B(38), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replica-serve-stale-data", "slave-serve-stale-data", OPTION_BOOL, OPTION_IGNORED, B(39), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"replicaof", "slaveof", OPTION_CUSTOM, OPTION_IGNORED, S(18), "", 0, 0, NULL, &words_option,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"sanitize-dump-payload", NULL, OPTION_ENUM, OPTION_IGNORED, E(5), "no", 0, 0, words_sanitize_dump_payload, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"save", NULL, OPTION_CUSTOM, OPTION_IGNORED | OPTION_MULTI, S(19), "3600 1 300 100 60 10000", 0, 0, NULL, &save_option,
     "Redis's snapshot intervals: kept, without effect, every write is in the store's log."},
    {"server_cpulist", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(20), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"set-proc-title", NULL, OPTION_BOOL, OPTION_IGNORED | OPTION_IMMUTABLE, B(40), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"shutdown-on-sigint", NULL, OPTION_CUSTOM, OPTION_IGNORED, S(21), "default", 0, 0, NULL, &words_option,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"shutdown-on-sigterm", NULL, OPTION_CUSTOM, OPTION_IGNORED, S(22), "default", 0, 0, NULL, &words_option,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"shutdown-timeout", NULL, OPTION_INT, OPTION_IGNORED, I(30), "10", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"socket-mark-id", NULL, OPTION_INT, OPTION_IGNORED | OPTION_IMMUTABLE, I(31), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"stop-writes-on-bgsave-error", NULL, OPTION_BOOL, OPTION_IGNORED, B(41), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"syslog-enabled", NULL, OPTION_BOOL, OPTION_IGNORED | OPTION_IMMUTABLE, B(42), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"syslog-facility", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(23), "local0", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"syslog-ident", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_IMMUTABLE, S(24), "redis", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-auth-clients", NULL, OPTION_ENUM, OPTION_IGNORED, E(6), "yes", 0, 0, words_tls_auth_clients, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-ca-cert-dir", NULL, OPTION_STRING, OPTION_IGNORED, S(25), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-ca-cert-file", NULL, OPTION_STRING, OPTION_IGNORED, S(26), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-cert-file", NULL, OPTION_STRING, OPTION_IGNORED, S(27), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-ciphers", NULL, OPTION_STRING, OPTION_IGNORED, S(28), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-ciphersuites", NULL, OPTION_STRING, OPTION_IGNORED, S(29), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-client-cert-file", NULL, OPTION_STRING, OPTION_IGNORED, S(30), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-client-key-file", NULL, OPTION_STRING, OPTION_IGNORED, S(31), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-client-key-file-pass", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_SECRET, S(32), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-cluster", NULL, OPTION_BOOL, OPTION_IGNORED, B(43), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-dh-params-file", NULL, OPTION_STRING, OPTION_IGNORED, S(33), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-key-file", NULL, OPTION_STRING, OPTION_IGNORED, S(34), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-key-file-pass", NULL, OPTION_STRING, OPTION_IGNORED | OPTION_SECRET, S(35), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-port", NULL, OPTION_INT, OPTION_IGNORED | OPTION_IMMUTABLE, I(32), "0", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-prefer-server-ciphers", NULL, OPTION_BOOL, OPTION_IGNORED, B(44), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-protocols", NULL, OPTION_STRING, OPTION_IGNORED, S(36), "", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-replication", NULL, OPTION_BOOL, OPTION_IGNORED, B(45), "no", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-session-cache-size", NULL, OPTION_INT, OPTION_IGNORED, I(33), "20480", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-session-cache-timeout", NULL, OPTION_INT, OPTION_IGNORED, I(34), "300", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tls-session-caching", NULL, OPTION_BOOL, OPTION_IGNORED, B(46), "yes", 0, 0, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"tracking-table-max-keys", NULL, OPTION_INT, OPTION_IGNORED, I(35), "1000000", 0, INT64_MAX, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"ignore-warnings", NULL, OPTION_CUSTOM, OPTION_IGNORED, S(37), "", 0, 0, NULL, &words_option,
     "Warnings that are not to stop the start."},
    {"maxmemory-eviction-tenacity", NULL, OPTION_INT, OPTION_IGNORED, I(36), "10", 0, 100, NULL, NULL,
     "An option of Redis that has no meaning here: accepted, and its value kept."},
    {"loadmodule", NULL, OPTION_CUSTOM, OPTION_IGNORED | OPTION_HIDDEN | OPTION_IMMUTABLE | OPTION_MULTI, S(38), "", 0, 0, NULL, &words_option,
     "A directive of Redis that is accepted and kept, and has no effect yet."},
};
const size_t compat_options_count = sizeof(compat_options) / sizeof(*compat_options);
