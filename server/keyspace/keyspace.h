/* keyspace.h -- databases: keys, values, expiry, residency, eviction, forks.
 *
 * The whole keyspace is one persistent (copy-on-write) tree of reference-counted parts:
 *
 *   database root -> nodes -> directory pages -> entries -> objects -> nodes -> pages
 *
 * A part with one reference is changed in place; a shared one is copied on the first write by
 * either side. So a checkpoint, a snapshot, a fork and COPY all start by taking one reference:
 * O(1), whatever the size. A page is resident (bytes in memory) or cold (only its location); it is
 * clean when its location holds exactly these bytes. Only clean pages leave memory (L10).
 *
 * All functions are called from the loop. What needs a cold page records it as wanted and answers
 * ERR_COLD, having changed nothing; keyspace_wait() then fetches what was wanted. */
#ifndef COVE_KEYSPACE_KEYSPACE_H
#define COVE_KEYSPACE_KEYSPACE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/option.h"
#include "base/metric.h"
#include "base/rnd.h"
#include "types/value.h"

typedef struct keyspace keyspace;
typedef struct db db;

/* Where a page is stored: pack number << 32 | slot. 0: nowhere. */
typedef uint64_t location;
static inline location location_make(uint32_t pack, uint32_t slot) {
    return (uint64_t)pack << 32 | slot;
}
static inline uint32_t location_pack(location l) { return (uint32_t)(l >> 32); }
static inline uint32_t location_slot(location l) { return (uint32_t)l; }

enum maxmemory_policy {
    POLICY_VOLATILE_LRU, POLICY_VOLATILE_LFU, POLICY_VOLATILE_RANDOM, POLICY_VOLATILE_TTL,
    POLICY_ALLKEYS_LRU, POLICY_ALLKEYS_LFU, POLICY_ALLKEYS_RANDOM, POLICY_NOEVICTION
};

struct keyspace_config { /* option table: keyspace_options */
    int64_t maxmemory, maxmemory_samples, databases;
    /* No option. Where clean pages leave memory when maxmemory is 0 (with tiering), so that a cache
     * does not grow until the kernel ends the process; nothing is refused or deleted there. 0: never. */
    int64_t cache_bytes;
    int maxmemory_policy;
    bool tiering, active_expire;
    int64_t lfu_log_factor, lfu_decay_time, active_expire_effort;
    struct type_config types;
};
extern const struct option keyspace_options[];
extern const size_t keyspace_options_count;
extern const struct metric keyspace_metrics[];
extern const size_t keyspace_metrics_count;

struct keyspace_stats { /* metrics: keyspace_metrics */
    uint64_t pages_resident, pages_dirty, pages_total, bytes_pages, bytes_dirty;
    uint64_t hits, misses, expired_keys, expired_fields, evicted_keys, evicted_pages;
    uint64_t reads_hot, reads_cold; /* commands' page accesses: in memory, or fetched */
    uint64_t fetches, fetch_errors;
};

/* A fetch of one page or node, for the tier. Owned by the keyspace; the tier answers each exactly
 * once with keyspace_fetched(), never inside fetch(). */
struct fetch {
    location base, delta; /* delta 0: none */
    void *target;         /* the keyspace's */
    void *tier;           /* the tier's */
};

struct keyspace_hooks { /* filled in by those above; const; any may be NULL */
    void (*fetch)(void *cookie, struct fetch *f);
    /* A key was changed by an effect of a live command (not by replay): WATCH, tracking. */
    void (*changed)(void *cookie, db *d, slice key);
    /* A whole database was emptied, exchanged or replaced. */
    void (*changed_db)(void *cookie, db *d);
    /* More dirty memory than is good, or nothing clean left to drop: start a checkpoint. */
    void (*want_checkpoint)(void *cookie);
};

/* config, clock, rnd and log are borrowed. types: the built-in ones and the modules', borrowed. */
keyspace *keyspace_create(const struct keyspace_config *config, const struct type_set *types,
                          clock_source *clock, rnd *r, logger *log);
/* May be called by several: each non-NULL member replaces that hook, with its own cookie. */
void keyspace_set_hooks(keyspace *ks, const struct keyspace_hooks *hooks, void *cookie);
void keyspace_free(keyspace *ks);
struct keyspace_stats *keyspace_stats(keyspace *ks);

/* ---- databases ---------------------------------------------------------------------------- */

db *keyspace_db(keyspace *ks, int number);            /* 0..databases-1; made when first asked */
/* A database that no client can select: what is built beside the data, to be moved there at once. */
db *keyspace_workshop(keyspace *ks);
db *keyspace_db_named(keyspace *ks, slice name);      /* a fork, or NULL */
db *keyspace_db_id(keyspace *ks, uint64_t id);        /* or NULL */
uint64_t db_id(const db *d);
int db_number(const db *d);                           /* -1: a fork */
const char *db_name(const db *d);                     /* "" for numbered ones */
/* A db pointer stays good for the keyspace's life. This fork was dropped (changed_db() tells it): it is
 * empty, and effects on it are ERR_CORRUPT; select another. */
bool db_dropped(const db *d);
uint64_t db_keys(const db *d);                        /* DBSIZE: exact, without loading */
uint64_t db_expires(const db *d);
void keyspace_each_db(keyspace *ks, void (*each)(void *cookie, db *d), void *cookie);
/* The id that the next new database gets; ids are never reused. */
uint64_t keyspace_next_db_id(keyspace *ks);

enum catalogue_op { /* op of EFFECT_CATALOGUE; 1..31 are the keyspace's, 32.. the tier's */
    CATALOGUE_FLUSH = 1, /* args: u32 number, u64 new id: the number points at an empty database */
    CATALOGUE_SWAP = 2,  /* args: u32 number, u32 number */
    CATALOGUE_DROP = 3,  /* args: name */
    CATALOGUE_CLEAR = 4, /* args: name, u64 new id: FLUSH for a fork, which keeps its name */
    CATALOGUE_FORK = 32, /* see tier.h */
    CATALOGUE_PIN = 33, CATALOGUE_UNPIN = 34, CATALOGUE_RESTORE = 35
};

/* ---- reading ------------------------------------------------------------------------------ */

#define KS_TOUCH 1u     /* update the access clock */
#define KS_EXPIRED 2u   /* also answer entries whose time has come (entry.expired says so) */
#define KS_COUNT 4u     /* count a hit or a miss */

struct entry {
    db *db;
    uint64_t hash;
    slice key;             /* the caller's */
    struct value value;    /* borrowed until the next change of the keyspace */
    int64_t expire_ms;     /* -1: none */
    bool expired;
    uint32_t access;       /* the access clock's bits, see keyspace_idle/freq */
    uint8_t *access_at;    /* the keyspace's */
};
/* OK, ERR_NOTFOUND, ERR_COLD, ERR_CORRUPT, ERR_IO (the store could not be read). */
int keyspace_get(keyspace *ks, db *d, slice key, unsigned flags, struct entry *out);
/* For who knows the key's keyspace_hash(). */
int keyspace_get_hashed(keyspace *ks, db *d, slice key, uint64_t hash, unsigned flags, struct entry *out);
uint64_t keyspace_hash(db *d, slice key);
/* Prefetches what a lookup of key will touch; cheap; ignores cold. */
void keyspace_prefetch(db *d, slice key);
/* The same for up to PREFETCH_MAX keys, step by step for all of them, so that their cache misses
 * overlap; then for the element that is named of each key's value, and the score (a text) that it is to
 * get; p NULL: none. Fills in the hashes. */
#define PREFETCH_MAX 64
struct keyspace_ahead {
    db *db;
    slice key, element, score;
    uint64_t hash; /* the key's keyspace_hash() */
};
void keyspace_prefetch_many(struct keyspace_ahead *a, size_t n);
uint64_t keyspace_idle_s(keyspace *ks, const struct entry *e);
uint8_t keyspace_freq(keyspace *ks, const struct entry *e);
void keyspace_set_access(keyspace *ks, struct entry *e, int64_t idle_s, int freq); /* -1: leave */

/* SCAN's walk, in hash order from *cursor (0 first; 0 at the end): about `count` live entries. The
 * entry passed is valid during the call. Stops when each() is not 0, and returns that. */
typedef int keyspace_each(void *cookie, const struct entry *e);
int keyspace_scan(keyspace *ks, db *d, uint64_t *cursor, size_t count, keyspace_each *each,
                  void *cookie);
/* A roughly uniform live key into out; ERR_NOTFOUND when there is none. */
int keyspace_random(keyspace *ks, db *d, buf *out);

/* A value as it is now, for who reads it in many turns: changes go past it. Keeps its pages' descriptors, not what is in
 * memory of them. O(1). */
typedef struct ks_kept ks_kept;
ks_kept *keyspace_keep(keyspace *ks, const struct value *v);
/* NULL: the store may lose its pages; look the key up and keep what it holds now. */
const struct value *kept_value(const ks_kept *k);
void keyspace_keep_end(ks_kept *k); /* NULL is fine */
/* What is kept now is good no longer: the tier begins to look for what can be deleted from the store. */
void keyspace_keep_anew(keyspace *ks);

/* ---- changing ----------------------------------------------------------------------------- */

/* Applies e and fills in its counts. For commands: through tier_effect(), which also logs it.
 * OK; ERR_COLD; ERR_NOTFOUND (DEL, EXPIRE, MOVE, COPY of a key that is not there: nothing
 * done); ERR_CORRUPT (RESTORE of a bad payload; nothing done). `live`: not a replay. */
int keyspace_apply(keyspace *ks, effect *e, bool live);
/* Expiry is the caller's duty: a handler that meets an expired entry makes ENTRY_DEL first. Finds up to
 * `max` expired keys in resident pages, a slice of work at a time; each() makes the effect, and counts
 * it in the stats. inner() is called for values inside of which something has expired, as their types
 * say (type.due). */
size_t keyspace_expire_cycle(keyspace *ks, size_t max, void (*each)(void *cookie, db *d, slice key),
                             void (*inner)(void *cookie, db *d, slice key), void *cookie);

/* ---- cold pages --------------------------------------------------------------------------- */

typedef struct ks_wait ks_wait;
/* Forget what was wanted so far (before a command runs). */
void keyspace_want_reset(keyspace *ks);
size_t keyspace_wanted(const keyspace *ks);
/* Has a command that waits anyway room for one more page, that those after it will need? So all who
 * wait share what waits may hold of maxmemory. */
bool keyspace_want_more(const keyspace *ks);
/* Fetches all that was wanted since the reset and calls done() once, on the loop, not inside: OK, or
 * the first error. The pages stay in memory until keyspace_wait_end(): call it after the command
 * has been run again (or canceled: then done() does not run). */
/* Who waits for what: what cannot be fetched at once is fetched in turns, one page for each wait, and
 * a wait that has none yet comes soon; so one page is not held up by those who ask for many. Waits
 * whose pages do not fit beside those of others begin later, in the order they came. */
ks_wait *keyspace_wait(keyspace *ks, void (*done)(void *cookie, int rc), void *cookie);
void keyspace_wait_end(keyspace *ks, ks_wait *w);
/* At most so many fetches are handed to the hook at a time (no limit before it is called). Enough to
 * keep the store busy, and not more: who asks next is behind them. A wait may have up to `run` slots
 * that lie together in one pack for one turn: more than 1 where they are one request. */
void keyspace_limit_fetches(keyspace *ks, size_t max, size_t run);
/* The tier's answer: base and delta as stored (owned by the caller, borrowed during the call). */
void keyspace_fetched(keyspace *ks, struct fetch *f, int rc, slice base, slice delta);

/* ---- memory ------------------------------------------------------------------------------- */

/* Drops clean pages until memory is under maxmemory, for some tenths of a millisecond. Then, when
 * nothing clean is left and the policy allows it, answers keys to delete through each(). OK: under the
 * limit, or nothing to do; ERR_LIMIT: over it, commands that need memory must be refused;
 * ERR_AGAIN: over it, call again next turn (a checkpoint, or waits that hold pages, are under way). */
int keyspace_make_room(keyspace *ks, void (*each)(void *cookie, db *d, slice key), void *cookie);
size_t keyspace_maxmemory(const keyspace *ks); /* maxmemory, or cache_bytes; SIZE_MAX: neither */
/* Drops every clean, unpinned page now (DEBUG EVICT-ALWAYS, tests). Returns pages dropped. */
size_t keyspace_drop_clean(keyspace *ks);
/* The same, but those stay that leave memory last (struct type: lasting). */
size_t keyspace_drop_clean_first(keyspace *ks);
/* Frees detached parts in slices: true while there is more. Called from before-sleep. */
bool keyspace_reap(keyspace *ks, uint64_t budget_us);
/* Bytes of an entry with all its resident pages (MEMORY USAGE). */
size_t keyspace_entry_bytes(keyspace *ks, const struct entry *e);
/* Of these the pages' own, by their index modulo 8, where the value is dense; 0 for others. */
void keyspace_entry_kinds(const struct entry *e, size_t bytes[8]);

/* ---- checkpoints, snapshots, forks (used by tier) ---------------------------------------------- */

typedef struct frozen frozen; /* all databases at one moment; reference counted */
frozen *keyspace_freeze(keyspace *ks); /* O(databases); refs 1 */
frozen *frozen_ref(frozen *f);
void frozen_put(keyspace *ks, frozen *f);
uint64_t frozen_keys(const frozen *f);

/* The walk that writes what is dirty under a frozen state, children before parents, a slot at a
 * time. next: OK and the slot's bytes appended to *out (a page, a delta, or a node); ERR_NOTFOUND at
 * the end. After each OK: frozen_walk_placed() with the slot's location, before the next. O(dirty).
 * Only one walk at a time. The bytes of a placed slot become clean once the pack they went to is
 * confirmed: frozen_walk_confirmed(pack), O(1), and then frozen_walk_settle() in slices, which answers
 * true while there is more. A walk that is freed makes clean what is confirmed and leaves the rest
 * dirty. */
typedef struct frozen_walk frozen_walk;
frozen_walk *frozen_walk_start(keyspace *ks, frozen *f);
int frozen_walk_next(frozen_walk *w, buf *out);
void frozen_walk_placed(frozen_walk *w, location l);
void frozen_walk_confirmed(frozen_walk *w, uint32_t pack);
bool frozen_walk_settle(frozen_walk *w, uint64_t budget_us);
void frozen_walk_free(frozen_walk *w);

/* The catalogue of a frozen state whose walk has ended: numbers, names, ids, counts, secrets, roots
 * (locations). Small. Appends to out. */
void frozen_catalogue(frozen_walk *w, buf *out);
/* At open: the databases as stored; what there was is dropped. ERR_CORRUPT, having changed nothing. */
int keyspace_load(keyspace *ks, slice catalogue);
/* Calls each() for every location that catalogues' trees reach -- for garbage collection. What several
 * share is read once, however many there are. A struct that lives across cold reads: step() answers
 * ERR_COLD with the location of a node (or of a page that holds objects) in *want; give its bytes to
 * feed(). ERR_AGAIN after max locations; OK at the end: then more may be added. */
typedef struct reach reach;
reach *reach_create(void);
int reach_add(reach *r, slice catalogue); /* ERR_CORRUPT: nothing of it was added */
int reach_step(reach *r, size_t max, void (*each)(void *cookie, location l), void *cookie,
               location *want);
int reach_feed(reach *r, slice node);
void reach_free(reach *r);

/* A new database `id`, named `name` ("" and number >= 0: takes that number), equal to database
 * `source` of a frozen state or of a stored catalogue. O(1). ERR_NOTFOUND: no such source (then
 * the database is made empty and OK is not returned); ERR_EXISTS: the name is taken. */
int keyspace_fork_frozen(keyspace *ks, frozen *f, uint64_t source, uint64_t id, const char *name,
                         int number);
int keyspace_fork_catalogue(keyspace *ks, slice catalogue, uint64_t source, uint64_t id,
                            const char *name, int number);
/* number -> id pairs and keys per database of a frozen state or a catalogue. */
void frozen_each_db(frozen *f, void (*each)(void *cookie, uint64_t id, int number, const char *name,
                                            uint64_t keys), void *cookie);
int catalogue_each_db(slice catalogue, void (*each)(void *cookie, uint64_t id, int number,
                                                    const char *name, uint64_t keys), void *cookie);

/* Replay before the pages are loaded: counts change at once; the effect waits for its key's page
 * (copied; in LSN order) and is applied when the page is loaded, before anybody sees it.
 * An effect whose pages are all resident is applied at once. ERR_CORRUPT: impossible effect. */
int keyspace_replay(keyspace *ks, const effect *e, uint64_t lsn);
size_t keyspace_pending(const keyspace *ks);          /* effects waiting */
/* Loads and applies the oldest ones: a slice of work; asks for pages by itself. */
void keyspace_pending_step(keyspace *ks);

/* Walks all invariants of resident data; ERR_CORRUPT and a sentence. */
int keyspace_check(keyspace *ks, char why[160]);
/* A digest of all data, for tests and DEBUG DIGEST. ERR_COLD. */
int keyspace_digest(keyspace *ks, uint8_t digest[20]);

#endif
