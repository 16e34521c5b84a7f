/* tier.h -- the log, checkpoints, recovery, ownership, snapshots, garbage collection.
 *
 * design: the log is the database until a checkpoint turns it into pages; every object but the
 * manifest is immutable; a write is acknowledged when the segment that holds it is in the store. */
#ifndef COVE_TIER_TIER_H
#define COVE_TIER_TIER_H

#include "base/log.h"
#include "base/metric.h"
#include "base/option.h"
#include "base/rnd.h"
#include "event/pool.h"
#include "keyspace/keyspace.h"
#include "objstore/objstore.h"

typedef struct tier tier;

enum ack { ACK_MEMORY = 0, ACK_DISK = 1, ACK_STORE = 2 };

struct tier_config { /* option table: tier_options */
    char *store, *store_endpoint, *store_region, *store_path_style, *store_ca_file;
    char *cache_dir;
    int64_t cache_size, commit_spacing_ms /* -1: by store */, read_lease_ms;
    int64_t checkpoint_log_bytes, checkpoint_interval_s, max_transaction_bytes;
    int64_t stall_ms, backlog_bytes, gc_grace_s, gc_compact_percent;
    int ack;
};
extern const struct option tier_options[];
extern const size_t tier_options_count;
extern const struct metric tier_metrics[];
extern const size_t tier_metrics_count;

struct tier_hooks {
    /* durable positions moved: look at the gates. */
    void (*durable)(void *cookie);
    /* Ownership is lost, or the log failed for good: no gated reply may go out any more; close and
     * exit with `status` (3: deposed) after logging `why`. */
    void (*fatal)(void *cookie, int status, const char *why);
};

/* Everything is borrowed. store_dir_sync: the file store's objstore_file_sync_all, or NULL. */
int tier_create(loop *l, pool *p, objstore *store, keyspace *ks, const struct tier_config *config,
                rnd *r, logger *log, const struct tier_hooks *hooks, void *cookie, tier **out);
/* Claims the store and replays the log's tail: done(OK), or an error and a sentence. */
void tier_open(tier *t, void (*done)(void *cookie, int rc, const char *why), void *cookie);
/* Seals and waits for what is in flight, checkpoints when asked to, releases; then done(). */
void tier_close(tier *t, bool checkpoint, void (*done)(void *cookie, int rc), void *cookie);
void tier_free(tier *t);

/* ---- transactions ----------------------------------------------------------------------------- */

/* May a write be taken now? OK, or an error and the reply's text ("TRYAGAIN ...", "MISCONF ...",
 * "READONLY ...", "LOADING ..."). O(1). */
int tier_admit(tier *t, const char **reply);
/* Between begin and end a transaction's effects are applied and gathered; end gives them one LSN and
 * hands them to the batch: 0 when there were none. Nothing else may run between. A transaction that
 * pauses for a cold page (EXEC) stays open: tier_txn_suspend/resume keep its effects aside. */
void tier_txn_begin(tier *t);
int tier_effect(tier *t, effect *e); /* keyspace_apply() and gather; errors are keyspace_apply's */
uint64_t tier_txn_end(tier *t);
typedef struct tier_txn tier_txn;
tier_txn *tier_txn_suspend(tier *t);
void tier_txn_resume(tier *t, tier_txn *x);
/* The time that effects of this transaction should use: never behind the log's. */
int64_t tier_now_ms(tier *t);

/* ---- durability --------------------------------------------------------------------------------- */

uint64_t tier_lsn(tier *t);                       /* last given */
uint64_t tier_durable(tier *t, enum ack level);   /* everything up to here is that safe */
/* Somebody waits until lsn is in the store: it is sent as soon as the spacing allows. What nobody waits
 * for (ack memory) may gather for a tenth of a second. */
void tier_want_durable(tier *t, uint64_t lsn);
/* The highest LSN that changed a key with this hash and may not be durable yet (a collision only
 * delays); the last that changed the database as a whole, or the catalogue. */
uint64_t tier_key_lsn(tier *t, uint64_t hash);
uint64_t tier_db_lsn(tier *t, db *d);
/* Ask right before anything is sent to a client. False: the process had been stopped for a second or more,
 * or the read-lease is over; it has to see first whether the store is still its own. What is ready waits for a
 * later turn, and there will be one. Or the store is another's: nothing is ever answered any more. */
bool tier_may_answer(tier *t);
/* Reads: OK, or ERR_FENCED: the store is another owner's. */
int tier_read_ok(tier *t);

/* ---- checkpoints -------------------------------------------------------------------------------- */

/* Starts one now, or joins the one that will start next; done runs on the loop once it is durable. */
void tier_checkpoint(tier *t, void (*done)(void *cookie, int rc), void *cookie);
bool tier_checkpoint_running(tier *t);
uint64_t tier_checkpoint_time_ms(tier *t);        /* of the last good one: LASTSAVE */
int tier_checkpoint_status(tier *t);              /* of the last one */

/* Runs done() once nothing is pending: no effects that wait for pages since the opening, no
 * suspended transaction. Not inside. */
void tier_wait(tier *t, void (*done)(void *cookie, int rc), void *cookie);
void tier_wait_cancel(tier *t, void *cookie); /* done() does not run for this cookie */
/* For keyspace_set_hooks(), with the tier as cookie; tier_create() sets them itself. Whoever sets hooks
 * of its own later passes these two on. */
void tier_fetch(void *cookie, struct fetch *f);
void tier_want_checkpoint(void *cookie);

/* ---- snapshots and forks ------------------------------------------------------------------------- */

struct snapshot_info {
    const char *name;
    uint64_t lsn, time_ms, keys;
    bool durable;      /* its pages are in the store, no log is needed */
    size_t databases;
    const char *parent; /* "" or the snapshot that this one was restored or forked from */
};
/* These make effects: call them inside a transaction, refused inside MULTI by the caller. */
/* A snapshot is the state before its transaction, so it must be its first effect: else
 * ERR_UNSUPPORTED. ERR_COLD with nothing wanted: tier_wait(). ERR_EXISTS, whether nx or not. */
int tier_snapshot_create(tier *t, slice name, bool nx, struct snapshot_info *out);
int tier_snapshot_delete(tier *t, slice name);                                     /* ERR_NOTFOUND */
int tier_snapshot_info(tier *t, slice name, struct snapshot_info *out);
void tier_snapshot_each(tier *t, void (*each)(void *cookie, const struct snapshot_info *i),
                        void *cookie); /* oldest first */
/* May answer ERR_COLD: wait for tier_wait() and run again. ERR_NOTFOUND; ERR_EXISTS (the name). */
int tier_snapshot_fork(tier *t, slice snapshot, db *selected, slice name);
int tier_snapshot_restore(tier *t, slice snapshot, char safety[NAME_BYTES_MAX + 1]);
int tier_db_drop(tier *t, slice name);
/* FLUSHDB, of a fork too; SWAPDB. */
int tier_db_flush(tier *t, db *d);
int tier_db_swap(tier *t, int a, int b);

/* ---- garbage collection --------------------------------------------------------------------------- */

/* A run; one that is asked for while another is under way comes after it. done() on the loop, not
 * inside: OK; ERR_AGAIN (not serving, or too many wait); else what ended it. */
struct gc_result { uint64_t objects_live, objects_dead, bytes_dead, objects_deleted; };
void tier_gc(tier *t, bool dry_run, void (*done)(void *cookie, int rc, const struct gc_result *r),
             void *cookie);

/* DEBUG: drop all memory and read everything back from the store (RELOAD, LOADAOF). */
void tier_reload(tier *t, void (*done)(void *cookie, int rc), void *cookie);

/* The sum of store traffic, and what it costs a month at list price, is in the metrics. */
const char *tier_store_name(tier *t);

#endif
