/* tpage.h -- one page of a hash table: a flat run of bytes that maps keys to values.
 *
 *   header | buckets of 64 bytes: 20 tags, 20 offsets | entries, 8-byte aligned offsets
 *
 * The directory of a database and every large hash, set and vector set are made of these. A page
 * is position independent: it is stored as it lies in memory. A lookup touches one bucket (one
 * cache line; the next ones only when it has overflowed) and the entry. An entry remembers whether
 * it changed since the page's base was written, and a removed one stays as a tombstone until the
 * next base, so that a checkpoint can write only the changes (tpage_delta).
 *
 * All functions take the hash, whose low bits pick the bucket and tag (the high bits picked
 * the page). Bytes from the store go through tpage_check() once; after that no function reads
 * outside [p, p + n). */
#ifndef COVE_TYPES_TPAGE_H
#define COVE_TYPES_TPAGE_H

#include "base/bytes.h"
#include "base/err.h"

#define TPAGE_NONE 0u

/* Bytes of an empty page with room for a few small entries. */
size_t tpage_min_bytes(void);
void tpage_init(uint8_t *p, size_t n); /* an empty page over n bytes */
int tpage_check(slice page);           /* deep; OK or ERR_CORRUPT */
size_t tpage_count(const uint8_t *p);  /* live entries */
size_t tpage_used(const uint8_t *p);   /* bytes in use: header, buckets, live entries */
/* At most what an entry takes: the room that a rebuild has to leave for it. */
size_t tpage_entry_bytes(size_t key_bytes, size_t val_bytes);

/* Offset of the entry or TPAGE_NONE. */
uint32_t tpage_find(const uint8_t *p, uint64_t hash, slice key);
slice tpage_key(const uint8_t *p, uint32_t off);
slice tpage_val(const uint8_t *p, uint32_t off);
/* The value's bytes for writing in place at the same length; marks the entry changed. */
uint8_t *tpage_val_mut(uint8_t *p, uint32_t off);
/* The value's bytes for writing in place without marking (access clock bits). */
uint8_t *tpage_val_touch(uint8_t *p, uint32_t off);
/* A bit of the entry for what the page's owner likes; a put takes it away. Stored with the entry. */
bool tpage_marked(const uint8_t *p, uint32_t off);
void tpage_mark(uint8_t *p, uint32_t off); /* right after tpage_put() */
/* Prefetches the bucket's cache line; the header's is read. */
void tpage_prefetch(const uint8_t *p, uint64_t hash);
/* Prefetches the entry that the bucket's tags point at; the bucket's line is read. */
void tpage_prefetch_entry(const uint8_t *p, uint64_t hash);

/* Adds or replaces; the value's n bytes are left for the caller to write at *off. OK, or
 * ERR_LIMIT when the page's bytes do not suffice: rebuild it larger (tpage_rebuild) or split. */
int tpage_put(uint8_t *p, uint64_t hash, slice key, size_t n, uint32_t *off, bool *added);
bool tpage_del(uint8_t *p, uint64_t hash, slice key);

/* Walks live entries in layout order: start with 0, ends with TPAGE_NONE. */
uint32_t tpage_next(const uint8_t *p, uint32_t off);

/* A compact copy with room for `room` more bytes of entries into out (emptied first). `hash`
 * recomputes hashes; keep(cookie, hash) chooses (NULL: all): a split makes two copies. Change marks and
 * tombstones are kept unless `clean`. A page made by a split or with clean has no base. */
typedef uint64_t tpage_hash_fn(void *cookie, slice key);
void tpage_rebuild(const uint8_t *p, size_t room, tpage_hash_fn *hash, void *cookie,
                   int side /* -1 all, else the value of bit `bit` counted from the top */,
                   unsigned bit, bool clean, buf *out);

/* The bytes that a rebuild with the marks kept and this room makes: at most PAGE_BYTES_MAX, or it may
 * not be asked for. O(entries). */
size_t tpage_rebuilt_bytes(const uint8_t *p, size_t room);
/* After tpage_check(): is every entry found by its hash? */
int tpage_check_hashes(const uint8_t *p, tpage_hash_fn *hash, void *cookie);

/* Changes since the base: the changed entries and the removed keys. Appends to out. */
void tpage_delta(const uint8_t *p, buf *out);
size_t tpage_delta_bytes(const uint8_t *p); /* how large that would be; O(1), may overestimate */
/* base + delta -> out, with the change marks set as they were. ERR_CORRUPT. */
int tpage_merge(slice base, slice delta, tpage_hash_fn *hash, void *cookie, buf *out);
/* The page itself has just become the base: clears marks, forgets tombstones. */
void tpage_set_base(uint8_t *p);

#endif
