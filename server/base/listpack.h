/* listpack.h -- listpacks, byte compatible with Redis (antirez, listpack.md).
 *
 * A listpack is one flat run of bytes: u32 total bytes, u16 count, entries, 0xFF. Here it
 * lives in a buf owned by the caller (lp_new fills it), so that it may be moved anywhere.
 * Positions are byte offsets; 0 means "none" (an entry never starts there). Reading
 * functions take a slice that passed lp_check once: bytes from outside go through lp_check
 * first, after which no function reads outside. */
#ifndef COVE_BASE_LISTPACK_H
#define COVE_BASE_LISTPACK_H

#include "base/bytes.h"
#include "base/err.h"

#define LP_BYTES_MAX ((size_t)1 << 30)

struct lp_value {
    bool is_int;
    int64_t num;   /* when is_int */
    slice str;     /* else; borrowed from the listpack */
};

void lp_new(buf *lp); /* An empty listpack of 7 bytes. */
/* OK or ERR_CORRUPT. Deep walks every entry; what passes shallow may be counted, and no more. */
int lp_check(slice lp, bool deep);
size_t lp_count(slice lp);         /* O(1), or O(n) over 65,534 entries. */
size_t lp_first(slice lp);
size_t lp_last(slice lp);
size_t lp_next(slice lp, size_t pos);
size_t lp_prev(slice lp, size_t pos);
size_t lp_seek(slice lp, long index); /* negative: from the end; 0 when out of range */
struct lp_value lp_get(slice lp, size_t pos);
/* The value as bytes; integers are printed into tmp (NUM_LL_MAX). */
slice lp_get_bytes(slice lp, size_t pos, char *tmp);
bool lp_equals(slice lp, size_t pos, slice bytes);
/* From pos, compare, skip `skip` entries, and so on; 0 when not found. */
size_t lp_find(slice lp, size_t pos, slice bytes, unsigned skip);

/* What an entry of it takes. */
size_t lp_entry_bytes(slice bytes);
size_t lp_entry_bytes_int(int64_t v);
/* Bytes that look like an integer are stored as one, as Redis does. */
void lp_append(buf *lp, slice bytes);
void lp_append_int(buf *lp, int64_t v);
void lp_prepend(buf *lp, slice bytes);
void lp_insert(buf *lp, size_t pos, slice bytes);      /* before pos */
void lp_insert_after(buf *lp, size_t pos, slice bytes);
void lp_replace(buf *lp, size_t pos, slice bytes);     /* the entry stays at pos */
void lp_replace_int(buf *lp, size_t pos, int64_t v);
/* Deletes `count` entries from pos; returns the position of what follows, or 0. */
size_t lp_delete(buf *lp, size_t pos, size_t count);

#endif
