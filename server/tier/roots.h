/* roots.h -- what a manifest points at: the catalogue of databases, the pack table, the pins
 * and the delete intents, in one immutable object that each checkpoint writes anew. */
#ifndef COVE_TIER_ROOTS_H
#define COVE_TIER_ROOTS_H

#include "tier/pack.h"

#define ROOTS_BYTES_MAX (1u << 30) /* 10 million packs: 80 TB. Checked before it sizes anything. */
#define ROOTS_HEADER_BYTES 64

struct pin_line { /* a snapshot whose pages are stored */
    slice name, parent, catalogue;
    uint64_t lsn, time_ms, keys, databases;
};
struct intent_line { /* an object that nothing reaches since time_ms */
    char name[DATA_NAME_MAX + 1];
    uint64_t time_ms;
};

struct roots {
    uint64_t lsn, time_ms;
    uint32_t next_pack;
    slice parent;    /* the snapshot that the present was last restored from, or empty */
    slice catalogue;
    struct pack_line *packs;
    size_t packs_count;
    struct pin_line *pins;
    size_t pins_count;
    struct intent_line *intents;
    size_t intents_count;
    buf raw;         /* decode: what the slices borrow from */
};

/* Appends the object's bytes. */
void roots_encode(const struct roots *r, buf *out);
/* Everything is checked. ERR_CORRUPT, ERR_UNSUPPORTED, ERR_NOMEM; on failure *out is empty. */
int roots_decode(slice object, struct roots *out);
void roots_deinit(struct roots *r); /* of a decoded one */

#endif
