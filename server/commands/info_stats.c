/* info_stats.c -- INFO's rows about the data: Persistence, Stats, Replication.
 *
 * Redis's words for what Cove does: a checkpoint is the save and the rewrite, the log in the store is
 * the append only file. What expired, what was found and what was evicted the keyspace counts
 * itself. */
#include "commands/info.h"

/* ---- Persistence -------------------------------------------------------------------------------- */

static tier *tier_of(exec *x) { return exec_deps(x)->tier; }
static uint64_t counted(exec *x, const char *name) { return info_value(x, "Tier", name); }

/* LSNs begin anew at epoch << 32 with each opening, which has replayed what the checkpoint lacked. */
static uint64_t changes(exec *x) {
    uint64_t last = tier_lsn(tier_of(x)), saved = counted(x, "tier_checkpoint_lsn");
    uint64_t begun = (counted(x, "tier_epoch") << 32) - 1;
    if (saved >= begun) return last > saved ? last - saved : 0;
    return (last > begun ? last - begun : 0) + counted(x, "tier_open_records");
}

/* Before the first checkpoint: the start, as in Redis. */
static uint64_t saved_ms(exec *x) {
    uint64_t ms = tier_checkpoint_time_ms(tier_of(x));
    return ms != 0 ? ms : exec_start_time_ms(x);
}
INFO_U64(print_loading, exec_loading(x))
INFO_U64(print_changes, changes(x))
INFO_U64(print_saving, tier_checkpoint_running(tier_of(x)))
INFO_U64(print_saved_s, saved_ms(x) / 1000)
INFO_TEXT(print_saved_status, tier_checkpoint_status(tier_of(x)) == OK ? "ok" : "err")
INFO_U64(print_saves, counted(x, "tier_checkpoints"))
INFO_U64(print_save_failures,
         tier_checkpoint_status(tier_of(x)) == OK ? 0 : counted(x, "tier_checkpoint_failures"))
INFO_U64(print_log_bytes, counted(x, "tier_log_since_checkpoint_bytes"))
INFO_U64(print_log_buffer, counted(x, "tier_log_backlog_bytes"))
INFO_TEXT(print_log_status, info_value(x, "Store", "store_refused") == 0 ? "ok" : "err")
INFO_U64(print_loaded, counted(x, "tier_open_records"))
INFO_TEXT(print_minus_one, "-1")

static void print_one(void *state, buf *out) {
    (void)state;
    buf_u8(out, '1');
}

/* ---- Stats -------------------------------------------------------------------------------------- */

static void kbps(buf *out, uint64_t bytes) { buf_printf(out, "%.2f", (double)bytes / 1024); }

static void add_errors(void *cookie, const char *prefix, uint64_t count) {
    (void)prefix;
    *(uint64_t *)cookie += count;
}
static uint64_t errors(exec *x) {
    uint64_t sum = 0;
    exec_each_error(x, add_errors, &sum);
    return sum;
}
INFO_U64(print_connections, exec_stats(x)->connections)
INFO_U64(print_commands, exec_stats(x)->commands)
INFO_U64(print_ops, exec_rates(x).commands)
INFO_U64(print_input, exec_stats(x)->input_bytes)
INFO_U64(print_output, exec_stats(x)->output_bytes)
INFO_U64(print_reads, exec_stats(x)->reads)
INFO_U64(print_writes, exec_stats(x)->writes)
INFO_U64(print_rejected, exec_stats(x)->rejected_connections)
INFO_U64(print_errors, errors(x))
INFO_U64(print_denied_auth, exec_stats(x)->denied[ACL_DENIED_AUTH])
INFO_U64(print_denied_command, exec_stats(x)->denied[ACL_DENIED_COMMAND])
INFO_U64(print_denied_key, exec_stats(x)->denied[ACL_DENIED_KEY])
INFO_U64(print_denied_channel, exec_stats(x)->denied[ACL_DENIED_CHANNEL])
INFO_U64(print_parks, exec_stats(x)->parks_cold)
INFO_U64(print_cold_commands, exec_stats(x)->cold_commands)
INFO_U64(print_hot_commands, exec_stats(x)->hot_commands)
INFO_U64(print_reads_gated, exec_stats(x)->reads_gated)

static void print_input_kbps(void *state, buf *out) { kbps(out, exec_rates(state).input_bytes); }
static void print_output_kbps(void *state, buf *out) { kbps(out, exec_rates(state).output_bytes); }
static void print_no_kbps(void *state, buf *out) {
    (void)state;
    kbps(out, 0);
}
static void print_stale_perc(void *state, buf *out) {
    (void)state;
    buf_append_str(out, "0.00");
}

/* ---- Replication -------------------------------------------------------------------------------- */

INFO_TEXT(print_role, "master")
INFO_TEXT(print_no_failover, "no-failover")
INFO_TEXT(print_replid, exec_replication_id(x))
INFO_TEXT(print_replid2, "0000000000000000000000000000000000000000")
INFO_U64(print_offset, tier_lsn(tier_of(x)))

/* ---- the table ---------------------------------------------------------------------------------- */

#define SAVED(n, fn, doc) {"Persistence", n, 0, fn, doc}
#define STATS(n, fn, doc) {"Stats", n, 0, fn, doc}
#define REPLICATION(n, fn, doc) {"Replication", n, 0, fn, doc}
#define NONE info_print_zero
const struct metric info_stats_metrics[] = {
    SAVED("loading", print_loading, "1 while the store is being opened."),
    SAVED("async_loading", NONE, "Always 0."),
    SAVED("current_cow_peak", NONE, "Always 0: no process is forked."),
    SAVED("current_cow_size", NONE, "Always 0."),
    SAVED("current_cow_size_age", NONE, "Always 0."),
    SAVED("current_fork_perc", print_stale_perc, "Always 0."),
    SAVED("current_save_keys_processed", NONE, "Always 0."),
    SAVED("current_save_keys_total", NONE, "Always 0."),
    SAVED("rdb_changes_since_last_save", print_changes, "Transactions since the checkpoint."),
    SAVED("rdb_bgsave_in_progress", print_saving, "1 while a checkpoint runs."),
    SAVED("rdb_last_save_time", print_saved_s, "Unix time of the last checkpoint."),
    SAVED("rdb_last_bgsave_status", print_saved_status, "How the last checkpoint ended."),
    SAVED("rdb_last_bgsave_time_sec", print_minus_one, "Not kept."),
    SAVED("rdb_current_bgsave_time_sec", print_minus_one, "Not kept."),
    SAVED("rdb_saves", print_saves, "Checkpoints since the start."),
    SAVED("rdb_last_cow_size", NONE, "Always 0."),
    SAVED("rdb_last_load_keys_expired", NONE, "Always 0: expired keys are removed later."),
    SAVED("rdb_last_load_keys_loaded", print_loaded, "Transactions replayed by the opening."),
    SAVED("aof_enabled", print_one, "Always 1: every write goes to the log in the store."),
    SAVED("aof_rewrite_in_progress", print_saving, "1 while a checkpoint runs."),
    SAVED("aof_rewrite_scheduled", NONE, "Always 0."),
    SAVED("aof_last_rewrite_time_sec", print_minus_one, "Not kept."),
    SAVED("aof_current_rewrite_time_sec", print_minus_one, "Not kept."),
    SAVED("aof_last_bgrewrite_status", print_saved_status, "How the last checkpoint ended."),
    SAVED("aof_rewrites", print_saves, "Checkpoints since the start."),
    SAVED("aof_rewrites_consecutive_failures", print_save_failures, "Failed checkpoints, after one that failed."),
    SAVED("aof_last_write_status", print_log_status, "Whether the store takes the log."),
    SAVED("aof_last_cow_size", NONE, "Always 0."),
    SAVED("module_fork_in_progress", NONE, "Always 0."),
    SAVED("module_fork_last_cow_size", NONE, "Always 0."),
    SAVED("aof_current_size", print_log_bytes, "Bytes of log since the checkpoint."),
    SAVED("aof_base_size", NONE, "Always 0."),
    SAVED("aof_pending_rewrite", NONE, "Always 0."),
    SAVED("aof_buffer_length", print_log_buffer, "Bytes of log on their way."),
    SAVED("aof_pending_bio_fsync", NONE, "Always 0."),
    SAVED("aof_delayed_fsync", NONE, "Always 0."),

    STATS("total_connections_received", print_connections, "Connections accepted."),
    STATS("total_commands_processed", print_commands, "Commands run."),
    STATS("instantaneous_ops_per_sec", print_ops, "Commands a second, of late."),
    STATS("total_net_input_bytes", print_input, "Bytes read from clients."),
    STATS("total_net_output_bytes", print_output, "Bytes written to clients."),
    STATS("total_net_repl_input_bytes", NONE, "No replicas."),
    STATS("total_net_repl_output_bytes", NONE, "No replicas."),
    STATS("instantaneous_input_kbps", print_input_kbps, "KiB a second read, of late."),
    STATS("instantaneous_output_kbps", print_output_kbps, "KiB a second written, of late."),
    STATS("instantaneous_input_repl_kbps", print_no_kbps, "No replicas."),
    STATS("instantaneous_output_repl_kbps", print_no_kbps, "No replicas."),
    STATS("rejected_connections", print_rejected, "Connections refused."),
    STATS("sync_full", NONE, "No replicas."),
    STATS("sync_partial_ok", NONE, "No replicas."),
    STATS("sync_partial_err", NONE, "No replicas."),
    STATS("expired_stale_perc", print_stale_perc, "Not estimated."),
    STATS("expired_time_cap_reached_count", NONE, "Not counted."),
    STATS("expire_cycle_cpu_milliseconds", NONE, "Not counted."),
    STATS("evicted_clients", NONE, "Always 0."),
    STATS("total_eviction_exceeded_time", NONE, "Not counted."),
    STATS("current_eviction_exceeded_time", NONE, "Not counted."),
    STATS("pubsub_channels", NONE, "No channels."),
    STATS("pubsub_patterns", NONE, "No patterns."),
    STATS("pubsubshard_channels", NONE, "No channels."),
    STATS("latest_fork_usec", NONE, "Always 0: no process is forked."),
    STATS("total_forks", NONE, "Always 0."),
    STATS("migrate_cached_sockets", NONE, "Always 0."),
    STATS("slave_expires_tracked_keys", NONE, "No replicas."),
    STATS("active_defrag_hits", NONE, "Always 0."),
    STATS("active_defrag_misses", NONE, "Always 0."),
    STATS("active_defrag_key_hits", NONE, "Always 0."),
    STATS("active_defrag_key_misses", NONE, "Always 0."),
    STATS("total_active_defrag_time", NONE, "Always 0."),
    STATS("current_active_defrag_time", NONE, "Always 0."),
    STATS("tracking_total_keys", NONE, "Always 0."),
    STATS("tracking_total_items", NONE, "Always 0."),
    STATS("tracking_total_prefixes", NONE, "Always 0."),
    STATS("unexpected_error_replies", NONE, "Always 0."),
    STATS("total_error_replies", print_errors, "Error replies."),
    STATS("dump_payload_sanitizations", NONE, "Not counted: every payload is checked."),
    STATS("total_reads_processed", print_reads, "Reads from clients' connections."),
    STATS("total_writes_processed", print_writes, "Writes to clients' connections."),
    STATS("io_threaded_reads_processed", NONE, "Always 0."),
    STATS("io_threaded_writes_processed", NONE, "Always 0."),
    STATS("reply_buffer_shrinks", NONE, "Not counted."),
    STATS("reply_buffer_expands", NONE, "Not counted."),
    STATS("acl_access_denied_auth", print_denied_auth, "Wrong passwords."),
    STATS("acl_access_denied_cmd", print_denied_command, "Commands that the user may not run."),
    STATS("acl_access_denied_key", print_denied_key, "Keys that the user may not touch."),
    STATS("acl_access_denied_channel", print_denied_channel, "Channels that the user may not use."),
    STATS("commands_parked_cold", print_parks, "Times a command waited for pages."),
    STATS("evict_always_cold", print_cold_commands, "Under DEBUG EVICT-ALWAYS: commands that had to fetch."),
    STATS("evict_always_hot", print_hot_commands, "Under it: those that found what they read in memory."),
    STATS("replies_gated", print_reads_gated, "Replies that waited for durability."),

    REPLICATION("role", print_role, "Always master."),
    REPLICATION("connected_slaves", NONE, "No replicas."),
    REPLICATION("master_failover_state", print_no_failover, "No replicas."),
    REPLICATION("master_replid", print_replid, "Drawn by lot at each start."),
    REPLICATION("master_replid2", print_replid2, "None."),
    REPLICATION("master_repl_offset", print_offset, "The last LSN."),
    REPLICATION("second_repl_offset", print_minus_one, "None."),
    REPLICATION("repl_backlog_active", NONE, "No replicas."),
    REPLICATION("repl_backlog_size", NONE, "No replicas."),
    REPLICATION("repl_backlog_first_byte_offset", NONE, "No replicas."),
    REPLICATION("repl_backlog_histlen", NONE, "No replicas."),
};
const size_t info_stats_metrics_count = sizeof(info_stats_metrics) / sizeof(*info_stats_metrics);
