/* tier_internal.h -- what the files of this folder share: struct tier and its parts.
 *
 *   txn.c         transactions: effects are applied, gathered, framed into the batch
 *   log.c         the batch becomes segments; segments are PUT; the durable LSN advances
 *   own.c         the manifest: claim, rewrite, validate; the end when ownership is lost
 *   open.c        claim, read the tail, fence, validate; replay.c then applies it
 *   checkpoint.c  a frozen state becomes packs and roots, then a manifest
 *   read.c        locations become bytes: footers, range reads, checksums
 *   pin.c         snapshots, forks, restore
 *   gc.c          what nothing reaches is deleted
 *   trim.c        the log before the roots is deleted
 *   compact.c     packs that are mostly dead are written anew
 *   io.c          one request to the store, with patience
 *   cache.c, local.c   the local disk: slots read before, and the log of ack disk
 *
 * The invariants L1 to L13 are those of the design; they are named where they are kept. */
#ifndef COVE_TIER_TIER_INTERNAL_H
#define COVE_TIER_TIER_INTERNAL_H

#include <assert.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "tier/manifest.h"
#include "tier/pack.h"
#include "tier/roots.h"
#include "tier/segment.h"
#include "tier/tier.h"

enum tier_state { TIER_NEW, TIER_OPENING, TIER_SERVING, TIER_CLOSING, TIER_CLOSED, TIER_DEAD };

/* ---- io.c: one request ------------------------------------------------------------------- */

#define IO_FOR_EVER 0u
#define IO_TRIES 8u          /* About 6 s of patience. */
#define IO_BACKOFF_MIN_US 50000u
#define IO_BACKOFF_MAX_US 2000000u

typedef struct io io;
struct io {
    obj_req req;
    tier *t;
    list node;               /* in tier.ios */
    char name[OBJ_NAME_MAX + 1];
    char match[OBJ_ETAG_MAX]; /* PUT_MATCH: the etag, the same at every attempt */
    unsigned attempts, tries;
    bool refused;            /* counted in tier.refused */
    timer *wait;
    uint64_t start_us;       /* of the attempt under way */
    void (*done)(io *o);     /* look at req.rc, req.out; o is freed when this returns */
    void *cookie;
    void *owned;             /* freed with it */
};
io *io_create(tier *t, enum obj_op op, const char *name, void (*done)(io *o), void *cookie);
/* Sends; sends again after ERR_TIMEOUT, ERR_AGAIN, ERR_IO, ERR_FULL (and, for ever, ERR_AUTH) up to `tries`
 * times. When the tier is dead nothing is sent and done is not called. */
void io_send(io *o, unsigned tries);
void io_free(io *o);

/* ---- the log ------------------------------------------------------------------------------ */

struct log_mark {            /* a confirmed or replayed segment, for trimming */
    uint64_t seq, epoch, last_lsn /* parts included; 0: no records */, bytes;
    uint64_t hash, records;  /* rolling, after it */
    uint8_t chain[DIGEST_BYTES];
    bool immortal;           /* L6 */
};

enum out_state { OUT_FILLING, OUT_QUEUED, OUT_PACKING, OUT_PACKED, OUT_SENT, OUT_CONFIRMED };
struct out_segment {
    list node;
    tier *t;
    enum out_state state;
    buf raw, object;
    struct segment_header h;
    uint64_t done_lsn;       /* the last transaction that ends in it */
    uint64_t hash, records;  /* rolling, after it */
    size_t bytes;
    uint64_t born_us, sealed_us;
    unsigned reads;          /* times its name has been read back */
    job pack;
};

#define LOG_SPARES 2 /* One fills while another is packed. */
struct tier_log {
    struct out_segment *filling;
    buf spare[LOG_SPARES];   /* large ones, for the records of segments that grow; those that are there come first */
    list queue;              /* OUT_QUEUED, oldest first: full, waiting for the window */
    list flight;             /* OUT_PACKING .. OUT_CONFIRMED, by seq */
    unsigned in_flight;      /* not confirmed */
    uint64_t first_seq;      /* of this owner's: all from here on are data */
    uint64_t next_seq;       /* of the next segment to be sealed */
    uint64_t confirm_seq;    /* the lowest not confirmed: L3 */
    uint8_t chain[DIGEST_BYTES]; /* after the last segment whose header is made */
    uint64_t hash, records;  /* rolling, after the last record framed */
    uint64_t last_seal_us;
    timer *due;
    size_t backlog;          /* bytes not confirmed */
    uint64_t since_checkpoint; /* bytes framed since the last freeze */
    struct log_mark *marks;  /* from the manifest's log start on, by seq */
    size_t marks_count, marks_cap;
    unsigned window;
    uint64_t spacing_us;
    uint64_t wanted_lsn; /* somebody waits until this is durable */
    uint64_t due_at;
    bool started;
};

/* ---- pins ---------------------------------------------------------------------------------- */

typedef struct pin pin;
struct point {               /* a moment that can become a checkpoint */
    frozen *f;
    uint64_t lsn, wall_ms;   /* the state after this LSN */
    char parent[NAME_BYTES_MAX + 1];
    pin **pins;              /* those that existed then: references */
    size_t pins_count;
};
struct pin {
    unsigned refs;
    char name[NAME_BYTES_MAX + 1], parent[NAME_BYTES_MAX + 1];
    uint64_t lsn, time_ms, keys, databases;
    buf catalogue;           /* stored; or empty while */
    struct point *point;     /* the moment is still in memory only */
    bool listed;             /* in the roots that the manifest names */
    list hot;                /* in tier.hot_pins while point is not NULL */
};

/* ---- the whole ----------------------------------------------------------------------------- */

struct waiter { /* a callback of a public function */
    struct waiter *next;
    void (*done)(void *cookie, int rc);
    void *cookie;
};

struct tier_txn {
    buf bytes;               /* encoded effects */
    buf hashes;              /* u64 each: keys touched */
    size_t count;
    bool catalogue;
};

struct tier_stats {
    uint64_t lsn, durable_lsn, log_seq, epoch, checkpoints, checkpoint_failures, backlog;
    uint64_t segments, log_bytes, packs_written, pack_bytes_written, slots_written;
    uint64_t slots_read, slots_read_cache, reads_merged, slots_corrupt, footers_read, footer_lines_read;
    uint64_t gc_runs, gc_live, gc_dead, gc_dead_bytes, gc_deleted, log_deleted, log_swept;
    uint64_t compact_packs, compact_bytes_saved, compact_failures;
    uint64_t open_us, open_segments, open_records;
    uint64_t cache_bytes, local_lost;
};

struct opening;
struct checkpoint;
struct gc;
struct compact;
struct trim;
struct sweep;
struct cache;
struct local;

struct tier {
    loop *loop;
    pool *pool;
    objstore *store;
    keyspace *ks;
    const struct tier_config *config;
    rnd *rnd;
    logger *logger;
    struct tier_hooks hooks;
    void *cookie;
    enum tier_state state;
    bool halted;             /* nothing may be sent or called any more: being freed */
    bool s3;

    list ios;
    size_t jobs;             /* submitted to the pool, not yet done */
    size_t refused;          /* writes that the store has refused and that are sent again: MISCONF */
    char refused_why[256];
    char reply[400];

    struct manifest m;       /* as last written or read by this owner */
    char etag[OBJ_ETAG_MAX];
    struct own_write *writing; /* a manifest on its way; one at a time */
    timer *lease;
    uint64_t validated_us;
    struct own_doubt {       /* after a stop, or a lease: own.c */
        bool open;           /* nothing is answered */
        uint64_t seen_us;    /* when it last looked at the clock */
        uint64_t stops, sent_stops; /* seen; and when the validation under way was sent */
        uint64_t slow_logged_us;
        timer *beat, *again;
    } doubt;
    uint64_t data_counter;   /* of the next data object's name (L8) */

    struct tier_txn txn;     /* the open one */
    bool txn_open;
    size_t txn_suspended;
    uint64_t lsn, durable, durable_disk, log_wall_ms;
    uint64_t catalogue_lsn;
    uint64_t *undurable;     /* UNDURABLE_SLOTS */
    struct tier_log log;

    struct packs packs;
    pin **pins;              /* by LSN */
    size_t pins_count;
    list hot_pins;
    char parent[NAME_BYTES_MAX + 1];

    struct opening *opening;
    struct checkpoint *checkpoint;
    struct waiter *checkpoint_next; /* for the one that starts next */
    bool checkpoint_wanted;
    timer *checkpoint_timer;
    timer *pending_timer;
    uint64_t checkpoint_ms, checkpoint_us;
    int checkpoint_status;
    uint64_t checkpoint_lsn_changed; /* t->lsn at the last good one */
    struct waiter *calm;     /* waiting for tier_wait */

    list reads;              /* read.c */
    size_t reads_in_flight, reads_max;
    list reads_queue;
    list reads_ready;        /* parts that read_pump() sends */
    bool reads_merge, footers_asked;
    struct gc *gc;
    struct compact *compact;
    uint64_t data_held;      /* the counter of a data name that the next roots may name; or MAX */
    struct trim *trim;
    struct sweep *sweep;
    uint64_t *fences;        /* numbers below the floor that are known to be fences, ascending */
    size_t fences_count;
    uint64_t trim_done;      /* of the log, only fences are left below */
    struct intent_line *intents;
    size_t intents_count;
    uint64_t gc_us, gc_checkpoints; /* when the last run was, and the checkpoints until then */
    uint64_t gc_written, gc_stored; /* pack bytes written until then; and in the table */
    uint64_t gc_due_ms;      /* a published intent is old enough then; or MAX */
    struct cache *cache;
    struct local *local;

    struct closing {
        bool active, checkpoint, checkpoint_asked, checkpointed, release_asked, released;
        void (*done)(void *cookie, int rc);
        void *cookie;
        int rc;
        timer *poll;
        uint64_t deadline_us;
    } closing;
    uint64_t created_us;
    struct tier_stats stats;
};

static inline uint64_t tier_mono_us(tier *t) { return clock_mono_us(loop_clock(t->loop)); }
static inline uint64_t tier_wall_ms(tier *t) { return clock_wall_ms(loop_clock(t->loop)); }
static inline bool tier_gone(const tier *t) { return t->halted || t->state == TIER_DEAD; }

/* tier.c */
void tier_fatal(tier *t, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void tier_job(tier *t, job *j);  /* counts; the job's done() must call tier_job_done() first */
bool tier_job_done(tier *t);     /* false: the tier is gone, only free what the job owns */
void tier_data_name(tier *t, char out[DATA_NAME_MAX + 1]); /* a new name; counts up */
void tier_pending_start(tier *t);
void waiter_add(struct waiter **head, void (*done)(void *cookie, int rc), void *cookie);
void waiters_run(struct waiter *head, int rc);
void waiters_drop(struct waiter **head);
/* Stops everything and calls nobody any more; then pool_free() and tier_free() are safe. */
void tier_halt(tier *t);

/* txn.c */
void txn_note_effect(tier *t, const effect *e); /* encodes it and notes its keys */
void txn_log(tier *t, slice effects, uint64_t lsn, uint64_t wall_ms);
void txn_raise(tier *t, slice hashes, uint64_t lsn);

/* log.c */
void log_init(tier *t);
void log_deinit(tier *t);
void log_start(tier *t, uint64_t next_seq); /* the tail is fenced: data may be sent */
void log_record(tier *t, enum record_kind kind, uint64_t lsn, uint64_t wall_ms, slice body);
void log_pump(tier *t);
void log_tick(tier *t); /* now and then: gives back what no load needs any more */
bool log_idle(const tier *t);     /* nothing framed that is not confirmed */
uint64_t log_oldest_us(const tier *t); /* when the oldest unconfirmed was sealed; 0: none */
void log_mark_add(tier *t, const struct log_mark *m);
void log_marks_prune(tier *t);
void log_check(const tier *t);    /* asserts the invariants */

/* own.c */
typedef void own_done(tier *t, int rc);
/* Writes *m over the version last seen: OK, or fatal when another owner has come, or an error
 * after IO_TRIES. */
void own_write(tier *t, struct manifest *m, own_done *done);
/* Reads M again and calls done(OK) if this owner still holds it; else fatal (or the error). */
void own_validate(tier *t, own_done *done);
void own_serve(tier *t);      /* serving begins: the lease, and the look for stops */
void own_deinit(tier *t);

/* open.c, replay.c */
struct tail { /* a segment of the tail as read */
    uint64_t seq;
    struct segment_header h;
    bool dead;               /* of an epoch that had ended: L5 */
    buf object;
};
void open_free(tier *t);
void open_finish(tier *t, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
typedef struct replay replay;
replay *replay_start(tier *t, struct tail *tails, size_t count, void (*done)(tier *t, int rc));
void replay_free(replay *r);
uint64_t replay_hash(const replay *r); /* rolling, after the last whole transaction */
int replay_effects(tier *t, slice effects, uint64_t lsn, buf *args);

/* checkpoint.c */
void checkpoint_free(tier *t);
void checkpoint_consider(tier *t); /* starts one if a trigger says so */
void point_free(tier *t, struct point *p);
struct point *point_take(tier *t, uint64_t lsn); /* freezes now */
bool tier_calm(const tier *t);    /* no pending effects, no open or suspended transaction */

/* read.c */
/* Slots read at a time. Over a network 256 x 16 KB a round trip of 20 ms are 200 MB/s; a folder keeps
 * its threads busy with few, and what is asked for next waits behind them all. */
#define READS_FAR_MAX 256
#define READS_NEAR_MAX 16
#define READS_RUN_MAX 16  /* Neighbours that one request reads: pages of READ_SPAN_BYTES. */
typedef struct read_op read_op;
typedef void read_done(void *cookie, int rc, slice base, slice delta);
/* Reads one or two slots; done() once, not inside. */
void read_start(tier *t, location base, location delta, read_done *done, void *cookie);
void read_pump(tier *t);         /* at the end of a turn: what it asked for is sent */
void read_deinit(tier *t);

/* pin.c */
pin *pin_find(tier *t, slice name);
void pin_put(tier *t, pin *p);
void pin_add(tier *t, pin *p);    /* takes the reference */
pin *pin_create(slice name, slice parent, uint64_t lsn);
int pin_apply(tier *t, effect *e, uint64_t lsn, bool live); /* CATALOGUE_FORK .. RESTORE */
void pins_deinit(tier *t);

/* gc.c */
void gc_free(tier *t);
void gc_consider(tier *t);
/* These intents are published: when is the first of them old enough? */
void gc_expect(tier *t, const struct intent_line *intents, size_t count);

/* trim.c */
void trim_intend(tier *t, struct manifest *m); /* the log's delete intents in the next manifest */
void trim_start(tier *t);         /* deletes log segments whose intent is old enough */
void sweep_start(tier *t, void (*done)(tier *t)); /* and what has come back below the floor */
void trim_free(tier *t);

/* compact.c */
struct live_map { /* what a collection has marked; borrowed */
    const struct pack_line *packs; /* of the published roots */
    size_t count;
    const uint32_t *live;    /* live slots, by line of packs */
    const uint8_t *bits;     /* live slots of all lines, a bit each */
    const size_t *bits_at;   /* where those of a line begin in it */
};
/* Rewrites what is worth it; done() once, not inside. */
void compact_start(tier *t, const struct live_map *map, void (*done)(tier *t));
void compact_free(tier *t);

/* cache.c */
void cache_open(tier *t);
void cache_close(tier *t);
/* False: not there. Else done(OK, bytes) or done(ERR_NOTFOUND), once, not inside. */
typedef void cache_done(void *cookie, int rc, slice stored);
bool cache_get(tier *t, const struct pack_line *line, uint32_t slot, uint32_t bytes, uint32_t crc,
               cache_done *done, void *cookie);
void cache_put(tier *t, const struct pack_line *line, uint32_t slot, slice stored);

/* local.c */
/* Logs again what an earlier run of this server kept here and the store has not; then done(). `hash`: the rolling hash after the store's last transaction, `last_lsn`. */
void local_recover(tier *t, uint64_t last_lsn, uint64_t hash, void (*done)(tier *t));
void local_append(tier *t, slice record, uint64_t lsn);
void local_pump(tier *t);
void local_close(tier *t);
bool local_on(const tier *t);

#endif
