/* manifest.h -- the object "M": who owns the store, where the log begins, where the roots are.
 *
 * The only object that changes, always by If-Match on the version last seen (L7). */
#ifndef COVE_TIER_MANIFEST_H
#define COVE_TIER_MANIFEST_H

#include "base/bytes.h"
#include "base/err.h"
#include "tier/segment.h"

#define MANIFEST_NAME "M"
#define DATA_NAME_MAX 63

enum manifest_state { MANIFEST_OWNED = 1, MANIFEST_RELEASED = 2 };

struct manifest {
    uint64_t version, nonce; /* L7 */
    uint64_t epoch, owner;
    uint8_t state;
    uint32_t window;         /* PUTs of the log in flight; never lowered (L4) */
    uint64_t lease_ms;       /* the owner's read-lease: a claimant waits it out */
    /* The log from here on is not in the roots; the state of the chain before it. */
    uint64_t log_start, log_epoch, log_hash, log_records;
    uint8_t chain[DIGEST_BYTES];
    /* Delete intents for the log: what is below trim_seq was unreachable at trim_ms already;
     * below log_floor nothing but fences is left. */
    uint64_t log_floor, trim_seq, trim_ms;
    uint64_t checkpoint_lsn, checkpoint_ms, lsn_max;
    /* Names of this epoch with a counter from here on may be in use before anything refers
     * to them (L9). */
    uint64_t data_pending;
    char roots[DATA_NAME_MAX + 1]; /* "" before the first checkpoint */
    uint64_t roots_bytes, roots_hash;
};

void manifest_encode(const struct manifest *m, buf *out);
int manifest_decode(slice bytes, struct manifest *out); /* ERR_CORRUPT, ERR_UNSUPPORTED */

/* "data/<epoch 8 hex>-<counter 8 hex>-<random 16 hex>": used once, ever (L8). */
void data_name(uint64_t epoch, uint64_t counter, uint64_t random, char out[DATA_NAME_MAX + 1]);
bool data_parse_name(const char *name, uint64_t *epoch, uint64_t *counter);

#endif
