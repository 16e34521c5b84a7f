/* table.c -- the tier's options and metrics: one row and one sentence each. */
#include <stddef.h>

#include "base/num.h"
#include "tier/tier_internal.h"

static const char *const ack_words[] = {"memory", "disk", "store", NULL};


#define TEXT(name_, field, initial_, doc_)                                                      \
    {.name = name_, .kind = OPTION_STRING, .flags = OPTION_IMMUTABLE,                            \
     .offset = offsetof(struct tier_config, field), .initial = initial_, .doc = doc_}
#define NUMBER(name_, field, flags_, initial_, min_, max_, doc_)                                 \
    {.name = name_, .kind = OPTION_INT, .flags = flags_,                                         \
     .offset = offsetof(struct tier_config, field), .initial = initial_, .min = min_,            \
     .max = max_, .doc = doc_}
#define BYTES(name_, field, flags_, initial_, min_, doc_)                                        \
    {.name = name_, .kind = OPTION_MEMORY, .flags = flags_,                                      \
     .offset = offsetof(struct tier_config, field), .initial = initial_, .min = min_,            \
     .max = INT64_MAX, .doc = doc_}

const struct option tier_options[] = {
    TEXT("store", store, "file:./data",
         "Where the data lives: file:FOLDER, or s3://BUCKET/PREFIX."),
    TEXT("store-endpoint", store_endpoint, "",
         "The address of an S3-compatible server, such as http://127.0.0.1:9000; empty: AWS."),
    TEXT("store-region", store_region, "us-east-1", "The region that requests are signed for."),
    TEXT("store-path-style", store_path_style, "auto",
         "Whether the bucket's name goes into the path: yes, no, or auto, which decides by the endpoint."),
    TEXT("store-ca-file", store_ca_file, "",
         "The certificates, a PEM file, that the server's own is verified with; empty: the system's."),
    NUMBER("read-lease", read_lease_ms, OPTION_IMMUTABLE, "0", 0, 3600000,
           "How many milliseconds reads go on without having validated ownership; 0: without limit."),
    {.name = "ack", .kind = OPTION_ENUM, .offset = offsetof(struct tier_config, ack),
     .initial = "store", .words = ack_words,
     .doc = "When a write is answered: once it is in the store, on the local disk, or in memory."},
    NUMBER("commit-spacing", commit_spacing_ms, OPTION_IMMUTABLE, "-1", -1, 60000,
           "The least milliseconds between commits while one is in flight; -1: 0 for file, 50 for s3."),
    NUMBER("commit-stall", stall_ms, 0, "30000", 100, 86400000,
           "After this many milliseconds without a confirmation new writes are refused."),
    BYTES("commit-backlog", backlog_bytes, 0, "256mb", 1 << 20,
          "With this many bytes unconfirmed new writes are refused."),
    TEXT("cache-dir", cache_dir, "",
         "A folder on a local disk for the disk cache and the local log; empty: neither."),
    BYTES("cache-size", cache_size, OPTION_IMMUTABLE, "1gb", 0,
          "How many bytes the disk cache may take; 0: no cache, only the local log."),
    BYTES("checkpoint-log-bytes", checkpoint_log_bytes, 0, "64mb", 0,
          "A checkpoint starts when the log has grown by this since the last; 0: not for this."),
    NUMBER("checkpoint-interval", checkpoint_interval_s, 0, "60", 0, 86400,
           "A checkpoint starts this many seconds after the last, if anything changed; 0: never."),
    BYTES("max-transaction-bytes", max_transaction_bytes, 0, "1gb", 1 << 20,
          "The largest change that is accepted."),
    NUMBER("gc-grace", gc_grace_s, 0, "600", 0, 31536000,
           "Objects are deleted this many seconds after nothing reaches them any more."),
    NUMBER("gc-compact-percent", gc_compact_percent, 0, "40", 0, 100,
           "Packs with less live bytes than this are rewritten; 100: all with dead ones; 0: none."),
};
const size_t tier_options_count = sizeof(tier_options) / sizeof(tier_options[0]);

/* ---- metrics ---- */

static void print_u64(buf *out, uint64_t v) {
    char text[NUM_LL_MAX];
    buf_append(out, text, num_print_ull(text, v));
}

#define PRINT(name, expression)                                                                  \
    static void name(void *state, buf *out) {                                                    \
        tier *t = state;                                                                         \
        print_u64(out, (uint64_t)(expression));                                                  \
    }
PRINT(print_lsn, t->lsn)
PRINT(print_durable, t->durable)
PRINT(print_durable_disk, tier_durable(t, ACK_DISK))
PRINT(print_epoch, t->m.epoch)
PRINT(print_seq, t->log.next_seq)
PRINT(print_log_start, t->m.log_start)
PRINT(print_in_flight, t->log.in_flight)
PRINT(print_backlog, t->log.backlog)
PRINT(print_since, t->log.since_checkpoint)
PRINT(print_running, t->checkpoint != NULL)
PRINT(print_last_ms, t->checkpoint_ms)
PRINT(print_last_lsn, t->m.checkpoint_lsn)
PRINT(print_pending, keyspace_pending(t->ks))
PRINT(print_packs, t->packs.count)
PRINT(print_footers, t->packs.footer_bytes)
PRINT(print_reads, t->reads_in_flight)
PRINT(print_pins, t->pins_count)
PRINT(print_refused, t->refused > 0)
PRINT(print_put, t->store->stats.requests[OBJ_PUT] + t->store->stats.requests[OBJ_PUT_ABSENT] +
                     t->store->stats.requests[OBJ_PUT_MATCH])
PRINT(print_get, t->store->stats.requests[OBJ_GET])
PRINT(print_head, t->store->stats.requests[OBJ_HEAD])
PRINT(print_list, t->store->stats.requests[OBJ_LIST])
PRINT(print_delete, t->store->stats.requests[OBJ_DELETE])
PRINT(print_retries, t->store->stats.retries)
PRINT(print_hedges, t->store->stats.hedges)
PRINT(print_up, t->store->stats.bytes_up)
PRINT(print_down, t->store->stats.bytes_down)

static void print_errors(void *state, buf *out) {
    tier *t = state;
    uint64_t n = 0;
    for (int i = 0; i < OBJ_OPS; i++) n += t->store->stats.errors[i];
    print_u64(out, n);
}

static void print_name(void *state, buf *out) { buf_append_str(out, tier_store_name(state)); }

static void print_status(void *state, buf *out) {
    tier *t = state;
    buf_append_str(out, t->checkpoint_status == OK ? "ok" : err_name(t->checkpoint_status));
}

/* Requests so far, at list price (us-east-1, standard), spread over a month of 730 hours, and what
 * the packs keep stored. */
static void print_cost(void *state, buf *out) {
    tier *t = state;
    const struct objstore_stats *s = &t->store->stats;
    double writes = (double)(s->requests[OBJ_PUT] + s->requests[OBJ_PUT_ABSENT] +
                             s->requests[OBJ_PUT_MATCH] + s->requests[OBJ_LIST]);
    double reads = (double)(s->requests[OBJ_GET] + s->requests[OBJ_HEAD]);
    double hours = (double)(tier_mono_us(t) - t->created_us) / 3.6e9, stored = 0;
    if (hours < 1.0 / 60) hours = 1.0 / 60;
    for (size_t i = 0; i < t->packs.count; i++) stored += (double)t->packs.at[i]->line.bytes;
    double month = (writes * 5e-6 + reads * 4e-7) / hours * 730 + stored / 1e9 * 0.023;
    buf_printf(out, "%.2f", t->s3 ? month : 0.0);
}

#define STAT(section_, name_, field, doc_)                                                       \
    {.section = section_, .name = name_, .offset = offsetof(struct tier, stats.field), .doc = doc_}
#define SHOWN(section_, name_, print_, doc_)                                                     \
    {.section = section_, .name = name_, .print = print_, .doc = doc_}

const struct metric tier_metrics[] = {
    SHOWN("Tier", "tier_lsn", print_lsn, "The last LSN given to a transaction."),
    SHOWN("Tier", "tier_durable_lsn", print_durable, "Everything up to this LSN is in the store."),
    SHOWN("Tier", "tier_disk_lsn", print_durable_disk, "Everything up to this LSN is on a disk."),
    SHOWN("Tier", "tier_epoch", print_epoch, "This owner's term of office."),
    SHOWN("Tier", "tier_log_seq", print_seq, "The number of the next log segment."),
    SHOWN("Tier", "tier_log_start", print_log_start, "The first log segment that is needed."),
    SHOWN("Tier", "tier_log_in_flight", print_in_flight, "Segments on their way."),
    SHOWN("Tier", "tier_log_backlog_bytes", print_backlog, "Bytes not confirmed yet."),
    SHOWN("Tier", "tier_log_since_checkpoint_bytes", print_since, "Log since the last checkpoint."),
    STAT("Tier", "tier_log_segments", segments, "Segments confirmed."),
    STAT("Tier", "tier_log_bytes", log_bytes, "Their bytes as stored."),
    STAT("Tier", "tier_checkpoints", checkpoints, "Checkpoints published."),
    STAT("Tier", "tier_checkpoint_failures", checkpoint_failures, "Checkpoints that failed."),
    SHOWN("Tier", "tier_checkpoint_running", print_running, "1 while a checkpoint runs."),
    SHOWN("Tier", "tier_checkpoint_lsn", print_last_lsn, "The LSN of the last checkpoint."),
    SHOWN("Tier", "tier_checkpoint_ms", print_last_ms, "The time of the last checkpoint's state."),
    SHOWN("Tier", "tier_checkpoint_status", print_status, "How the last checkpoint ended."),
    SHOWN("Tier", "tier_pending_effects", print_pending, "Replayed effects that wait for their pages."),
    SHOWN("Tier", "tier_packs", print_packs, "Packs in the pack table."),
    SHOWN("Tier", "tier_footer_bytes", print_footers, "Bytes of pack footers in memory."),
    STAT("Tier", "tier_packs_written", packs_written, "Packs written."),
    STAT("Tier", "tier_pack_bytes_written", pack_bytes_written, "Their bytes."),
    STAT("Tier", "tier_slots_written", slots_written, "Pages, deltas and nodes written."),
    STAT("Tier", "tier_slots_read", slots_read, "Slots read from the store."),
    STAT("Tier", "tier_slots_read_cache", slots_read_cache, "Slots read from the disk cache."),
    STAT("Tier", "tier_reads_merged", reads_merged, "Requests saved by reading neighbours at once."),
    STAT("Tier", "tier_slots_corrupt", slots_corrupt, "Slots that arrived damaged and were read again."),
    STAT("Tier", "tier_footers_read", footers_read, "Pack footers read from the store."),
    STAT("Tier", "tier_footer_lines_read", footer_lines_read, "Single lines of them, where not all fit in memory."),
    SHOWN("Tier", "tier_reads_in_flight", print_reads, "Reads of slots under way."),
    STAT("Tier", "tier_cache_bytes", cache_bytes, "Bytes in the disk cache."),
    STAT("Tier", "tier_local_lost", local_lost, "Transactions of a local log that were set aside."),
    SHOWN("Tier", "tier_snapshots", print_pins, "Snapshots."),
    STAT("Tier", "tier_open_us", open_us, "How long the opening took."),
    STAT("Tier", "tier_open_segments", open_segments, "Log segments read by it."),
    STAT("Tier", "tier_open_records", open_records, "Transactions replayed by it."),
    STAT("Tier", "tier_gc_runs", gc_runs, "Garbage collections."),
    STAT("Tier", "tier_gc_live", gc_live, "Live data objects in the last one."),
    STAT("Tier", "tier_gc_dead", gc_dead, "Dead data objects in the last one."),
    STAT("Tier", "tier_gc_dead_bytes", gc_dead_bytes, "Bytes of those that the pack table knew."),
    STAT("Tier", "tier_gc_deleted", gc_deleted, "Data objects deleted."),
    STAT("Tier", "tier_compact_packs", compact_packs, "Packs rewritten without their dead slots."),
    STAT("Tier", "tier_compact_bytes_saved", compact_bytes_saved, "Bytes that this saved."),
    STAT("Tier", "tier_compact_failures", compact_failures, "Packs that could not be rewritten."),
    STAT("Tier", "tier_log_deleted", log_deleted, "Log segments deleted."),
    STAT("Tier", "tier_log_swept", log_swept, "Log segments that had come back, and were deleted."),
    SHOWN("Store", "store_name", print_name, "The store."),
    SHOWN("Store", "store_refused", print_refused, "1 while the store refuses for good."),
    SHOWN("Store", "store_requests_put", print_put, "PUT requests."),
    SHOWN("Store", "store_requests_get", print_get, "GET requests."),
    SHOWN("Store", "store_requests_head", print_head, "HEAD requests."),
    SHOWN("Store", "store_requests_list", print_list, "LIST requests."),
    SHOWN("Store", "store_requests_delete", print_delete, "DELETE requests."),
    SHOWN("Store", "store_errors", print_errors, "Requests that failed."),
    SHOWN("Store", "store_retries", print_retries, "Attempts beyond the first."),
    SHOWN("Store", "store_hedges", print_hedges, "Second requests sent because the first was slow."),
    SHOWN("Store", "store_bytes_written", print_up, "Bytes sent."),
    SHOWN("Store", "store_bytes_read", print_down, "Bytes received."),
    SHOWN("Store", "store_cost_month_usd", print_cost, "A month at this rate and S3's list price."),
};
const size_t tier_metrics_count = sizeof(tier_metrics) / sizeof(tier_metrics[0]);
