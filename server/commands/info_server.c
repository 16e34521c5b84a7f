/* info_server.c -- INFO's rows about the process: Server, Clients, Memory, CPU.
 *
 * Names and order are those of Redis 7.0, because clients and dashboards parse them. What has no
 * meaning here is shown as Redis shows it when the thing is not in use. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "commands/info.h"

/* ---- Server ------------------------------------------------------------------------------------- */

INFO_TEXT(print_redis_version, REDIS_VERSION)
INFO_TEXT(print_cove_version, COVE_VERSION)
INFO_TEXT(print_sha1, "00000000")
INFO_TEXT(print_mode, "standalone")
INFO_U64(print_arch_bits, sizeof(void *) * 8)
INFO_TEXT(print_monotonic_clock, "POSIX clock_gettime")
INFO_TEXT(print_multiplexing_api, loop_sends_together(exec_deps(x)->loop) ? "epoll+io_uring" : "epoll")
INFO_TEXT(print_atomicvar_api, "c11-builtin")
INFO_U64(print_process_id, getpid())
INFO_TEXT(print_run_id, exec_deps(x)->run_id)
INFO_U64(print_tcp_port, exec_deps(x)->config->port)
INFO_U64(print_server_time, clock_wall_us(loop_clock(exec_deps(x)->loop)))
INFO_U64(print_hz, exec_deps(x)->config->hz)
INFO_U64(print_lru_clock, clock_wall_ms(loop_clock(exec_deps(x)->loop)) / 1000 & 0xFFFFFF)

static uint64_t uptime_s(exec *x) {
    return (clock_mono_us(loop_clock(exec_deps(x)->loop)) - exec_start_mono_us(x)) / 1000000;
}
INFO_U64(print_uptime_s, uptime_s(x))
INFO_U64(print_uptime_days, uptime_s(x) / 86400)

static void print_build_id(void *state, buf *out) {
    (void)state;
    buf_printf(out, "%016llx", (unsigned long long)hash_xx(COVE_VERSION, strlen(COVE_VERSION), 0));
}

static void print_os(void *state, buf *out) {
    struct utsname name;
    (void)state;
    if (uname(&name) == 0) buf_printf(out, "%s %s %s", name.sysname, name.release, name.machine);
}

static void print_gcc(void *state, buf *out) {
    (void)state;
#ifdef __GNUC__
    buf_printf(out, "%d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#else
    buf_append_str(out, "0.0.0");
#endif
}

static void print_supervised(void *state, buf *out) { info_print_option(state, "supervised", out); }

static void print_executable(void *state, buf *out) {
    char path[4096];
    (void)state;
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
    if (n > 0) buf_append(out, path, (size_t)n);
}

/* Redis shows an absolute path. */
static void print_config_file(void *state, buf *out) {
    const char *file = exec_deps(state)->config_file;
    char dir[4096];
    if (file[0] != '\0' && file[0] != '/' && getcwd(dir, sizeof(dir)) != NULL) {
        buf_printf(out, "%s/", dir);
    }
    buf_append_str(out, file);
}

/* ---- Clients ------------------------------------------------------------------------------------ */

static size_t query_max(exec *x) {
    size_t query, reply;
    exec_client_buffers(x, &query, &reply);
    return query;
}
static size_t reply_max(exec *x) {
    size_t query, reply;
    exec_client_buffers(x, &query, &reply);
    return reply;
}
INFO_U64(print_connected, exec_client_count(x))
INFO_U64(print_maxclients, exec_deps(x)->config->maxclients)
INFO_U64(print_query_max, query_max(x))
INFO_U64(print_reply_max, reply_max(x))
INFO_U64(print_blocked, exec_stats(x)->clients_blocked)
INFO_U64(print_maxclients_seen, exec_stats(x)->maxclients_seen)

/* ---- Memory ------------------------------------------------------------------------------------- */

static uint64_t peak(void) {
    uint64_t used = mem_used(), most = mem_used_peak();
    return most > used ? most : used;
}
static uint64_t pages(exec *x) { return keyspace_stats(exec_deps(x)->keyspace)->bytes_pages; }
static uint64_t overhead(exec *x) {
    uint64_t used = mem_used();
    return used > pages(x) ? used - pages(x) : 0;
}
static uint64_t system_memory(void) {
    long n = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    return n > 0 && bytes > 0 ? (uint64_t)n * (uint64_t)bytes : 0;
}
static void ratio(buf *out, double a, double b) { buf_printf(out, "%.2f", b > 0 ? a / b : 0.0); }

INFO_U64(print_used, mem_used())
INFO_HUMAN(print_used_human, mem_used())
INFO_U64(print_rss, mem_rss())
INFO_HUMAN(print_rss_human, mem_rss())
INFO_U64(print_peak, peak())
INFO_HUMAN(print_peak_human, peak())
INFO_U64(print_overhead, overhead(x))
INFO_U64(print_startup, exec_start_memory(x))
INFO_U64(print_dataset, pages(x))
INFO_U64(print_system, system_memory())
INFO_HUMAN(print_system_human, system_memory())
INFO_HUMAN(print_zero_human, 0)
INFO_U64(print_cache_limit, keyspace_maxmemory(exec_deps(x)->keyspace))
INFO_U64(print_maxmemory, exec_deps(x)->keyspace_config->maxmemory)
INFO_HUMAN(print_maxmemory_human, exec_deps(x)->keyspace_config->maxmemory)
INFO_U64(print_clients_memory, exec_client_memory(x))
INFO_U64(print_backlog, info_value(x, "Tier", "tier_log_backlog_bytes"))
#ifdef COVE_SANITIZE
INFO_TEXT(print_allocator, "libc")
#else
INFO_TEXT(print_allocator, "jemalloc")
#endif

static void print_peak_perc(void *state, buf *out) {
    (void)state;
    buf_printf(out, "%.2f%%", peak() > 0 ? 100.0 * (double)mem_used() / (double)peak() : 0.0);
}
static void print_dataset_perc(void *state, buf *out) {
    double net = (double)mem_used() - (double)exec_start_memory(state);
    double part = net > 0 ? 100.0 * (double)pages(state) / net : 0.0;
    buf_printf(out, "%.2f%%", part > 100 ? 100.0 : part);
}
static void print_policy(void *state, buf *out) {
    info_print_option(state, "maxmemory-policy", out);
}
static void print_fragmentation(void *state, buf *out) {
    (void)state;
    ratio(out, (double)mem_rss(), (double)mem_used());
}
static void print_fragmentation_bytes(void *state, buf *out) {
    (void)state;
    buf_printf(out, "%lld", (long long)mem_rss() - (long long)mem_used());
}
static void print_one(void *state, buf *out) {
    (void)state;
    ratio(out, 1, 1);
}

/* ---- CPU ---------------------------------------------------------------------------------------- */

static void print_cpu(buf *out, int who, bool user) {
    struct rusage u;
    if (getrusage(who, &u) != 0) memset(&u, 0, sizeof(u));
    struct timeval t = user ? u.ru_utime : u.ru_stime;
    buf_printf(out, "%ld.%06ld", (long)t.tv_sec, (long)t.tv_usec);
}
#define CPU_ROW(fn, who, user)                                                               \
    static void fn(void *state, buf *out) {                                                  \
        (void)state;                                                                         \
        print_cpu(out, who, user);                                                           \
    }
CPU_ROW(print_cpu_sys, RUSAGE_SELF, false)
CPU_ROW(print_cpu_user, RUSAGE_SELF, true)
CPU_ROW(print_cpu_sys_children, RUSAGE_CHILDREN, false)
CPU_ROW(print_cpu_user_children, RUSAGE_CHILDREN, true)
CPU_ROW(print_cpu_sys_main, RUSAGE_THREAD, false)
CPU_ROW(print_cpu_user_main, RUSAGE_THREAD, true)

/* ---- the table ---------------------------------------------------------------------------------- */

#define SERVER(n, fn, doc) {"Server", n, 0, fn, doc}
#define CLIENTS(n, fn, doc) {"Clients", n, 0, fn, doc}
#define MEMORY(n, fn, doc) {"Memory", n, 0, fn, doc}
#define CPU(n, fn, doc) {"CPU", n, 0, fn, doc}
#define NONE info_print_zero
const struct metric info_server_metrics[] = {
    SERVER("redis_version", print_redis_version, "The Redis whose commands are spoken."),
    SERVER("redis_git_sha1", print_sha1, "Not kept."),
    SERVER("redis_git_dirty", NONE, "Not kept."),
    SERVER("redis_build_id", print_build_id, "Of this version."),
    SERVER("cove_version", print_cove_version, "Cove's own version."),
    SERVER("redis_mode", print_mode, "Always standalone."),
    SERVER("os", print_os, "The kernel."),
    SERVER("arch_bits", print_arch_bits, "Bits of a pointer."),
    SERVER("monotonic_clock", print_monotonic_clock, "Where time comes from."),
    SERVER("multiplexing_api", print_multiplexing_api, "How readiness is waited for."),
    SERVER("atomicvar_api", print_atomicvar_api, "How threads count."),
    SERVER("gcc_version", print_gcc, "The compiler."),
    SERVER("process_id", print_process_id, "Of the server."),
    SERVER("process_supervised", print_supervised, "Who supervises the process."),
    SERVER("run_id", print_run_id, "Drawn by lot at each start."),
    SERVER("tcp_port", print_tcp_port, "The port listened on."),
    SERVER("server_time_usec", print_server_time, "The time of day in microseconds."),
    SERVER("uptime_in_seconds", print_uptime_s, "Seconds since the start."),
    SERVER("uptime_in_days", print_uptime_days, "Days since the start."),
    SERVER("hz", print_hz, "Background rounds a second."),
    SERVER("configured_hz", print_hz, "The same."),
    SERVER("lru_clock", print_lru_clock, "The access clock in seconds."),
    SERVER("executable", print_executable, "The program's path."),
    SERVER("config_file", print_config_file, "The configuration file's path."),
    SERVER("io_threads_active", NONE, "Always 0: one thread serves clients."),

    CLIENTS("connected_clients", print_connected, "Connections."),
    CLIENTS("cluster_connections", NONE, "Always 0."),
    CLIENTS("maxclients", print_maxclients, "Connections allowed."),
    CLIENTS("client_recent_max_input_buffer", print_query_max, "The largest query buffer."),
    CLIENTS("client_recent_max_output_buffer", print_reply_max, "The largest reply buffer."),
    CLIENTS("blocked_clients", print_blocked, "Clients in a blocking command."),
    CLIENTS("tracking_clients", NONE, "Always 0."),
    CLIENTS("clients_in_timeout_table", NONE, "Always 0."),
    CLIENTS("maxclients_seen", print_maxclients_seen, "The most connections at a time."),

    MEMORY("used_memory", print_used, "Bytes allocated."),
    MEMORY("used_memory_human", print_used_human, "The same, to read."),
    MEMORY("used_memory_rss", print_rss, "Resident bytes of the process."),
    MEMORY("used_memory_rss_human", print_rss_human, "The same, to read."),
    MEMORY("used_memory_peak", print_peak, "The most bytes allocated."),
    MEMORY("used_memory_peak_human", print_peak_human, "The same, to read."),
    MEMORY("used_memory_peak_perc", print_peak_perc, "Allocated, in percent of the peak."),
    MEMORY("used_memory_overhead", print_overhead, "What is not in pages."),
    MEMORY("used_memory_startup", print_startup, "Allocated at the start."),
    MEMORY("used_memory_dataset", print_dataset, "Bytes of resident pages."),
    MEMORY("used_memory_dataset_perc", print_dataset_perc, "Pages, in percent since the start."),
    MEMORY("allocator_allocated", print_used, "Bytes allocated."),
    MEMORY("allocator_active", print_rss, "Resident bytes of the process."),
    MEMORY("allocator_resident", print_rss, "Resident bytes of the process."),
    MEMORY("total_system_memory", print_system, "Of the machine."),
    MEMORY("total_system_memory_human", print_system_human, "The same, to read."),
    MEMORY("used_memory_lua", NONE, "No scripts."),
    MEMORY("used_memory_vm_eval", NONE, "No scripts."),
    MEMORY("used_memory_lua_human", print_zero_human, "No scripts."),
    MEMORY("used_memory_scripts_eval", NONE, "No scripts."),
    MEMORY("number_of_cached_scripts", NONE, "No scripts."),
    MEMORY("number_of_functions", NONE, "No functions."),
    MEMORY("number_of_libraries", NONE, "No functions."),
    MEMORY("used_memory_vm_functions", NONE, "No functions."),
    MEMORY("used_memory_vm_total", NONE, "No scripts, no functions."),
    MEMORY("used_memory_vm_total_human", print_zero_human, "The same, to read."),
    MEMORY("used_memory_functions", NONE, "No functions."),
    MEMORY("used_memory_scripts", NONE, "No scripts."),
    MEMORY("used_memory_scripts_human", print_zero_human, "The same, to read."),
    MEMORY("maxmemory", print_maxmemory, "The limit; 0 is none."),
    MEMORY("maxmemory_human", print_maxmemory_human, "The same, to read."),
    MEMORY("cache_limit", print_cache_limit, "Where clean pages leave: maxmemory, or else three quarters of the machine's."),
    MEMORY("maxmemory_policy", print_policy, "What is deleted at the limit; pages are dropped before."),
    MEMORY("allocator_frag_ratio", print_one, "Not known."),
    MEMORY("allocator_frag_bytes", NONE, "Not known."),
    MEMORY("allocator_rss_ratio", print_one, "Not known."),
    MEMORY("allocator_rss_bytes", NONE, "Not known."),
    MEMORY("rss_overhead_ratio", print_one, "Not known."),
    MEMORY("rss_overhead_bytes", NONE, "Not known."),
    MEMORY("mem_fragmentation_ratio", print_fragmentation, "Resident to allocated."),
    MEMORY("mem_fragmentation_bytes", print_fragmentation_bytes, "Resident less allocated."),
    MEMORY("mem_not_counted_for_evict", NONE, "Always 0."),
    MEMORY("mem_replication_backlog", NONE, "No replicas."),
    MEMORY("mem_total_replication_buffers", NONE, "No replicas."),
    MEMORY("mem_clients_slaves", NONE, "No replicas."),
    MEMORY("mem_clients_normal", print_clients_memory, "Clients and their buffers."),
    MEMORY("mem_cluster_links", NONE, "No cluster."),
    MEMORY("mem_aof_buffer", print_backlog, "The log's bytes on their way."),
    MEMORY("mem_allocator", print_allocator, "The allocator."),
    MEMORY("active_defrag_running", NONE, "Always 0."),
    MEMORY("lazyfree_pending_objects", NONE, "Always 0."),
    MEMORY("lazyfreed_objects", NONE, "Always 0."),

    CPU("used_cpu_sys", print_cpu_sys, "Seconds in the kernel."),
    CPU("used_cpu_user", print_cpu_user, "Seconds in the program."),
    CPU("used_cpu_sys_children", print_cpu_sys_children, "Of child processes."),
    CPU("used_cpu_user_children", print_cpu_user_children, "Of child processes."),
    CPU("used_cpu_sys_main_thread", print_cpu_sys_main, "Of the loop's thread."),
    CPU("used_cpu_user_main_thread", print_cpu_user_main, "Of the loop's thread."),
};
const size_t info_server_metrics_count =
    sizeof(info_server_metrics) / sizeof(*info_server_metrics);
