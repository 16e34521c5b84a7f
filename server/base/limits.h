/* limits.h -- sizes, limits and format versions of everything that is stored or sent: one
 * table, so that one place answers "how large may it get, and why". */
#ifndef COVE_BASE_LIMITS_H
#define COVE_BASE_LIMITS_H

#define COVE_VERSION "0.1.0"
#define REDIS_VERSION "7.4.0" /* What INFO and HELLO answer; clients switch on it. */

/* Formats in the store. A reader refuses a version or a feature bit that it does not know. */
#define FORMAT_SEGMENT 1
#define FORMAT_PACK 1
#define FORMAT_ROOTS 1
#define FORMAT_MANIFEST 1
#define FORMAT_CACHE 1

#define KEY_BYTES_MAX 65535          /* A key lives inside a directory page. */
#define INLINE_BYTES_MAX 1024        /* Larger values get pages of their own. */
#define PAGE_BYTES 65536             /* A chunk, a leaf, a node: the unit of residency. */
#define TABLE_PAGE_BYTES 16384       /* A hash-table page splits above this: what one cold
                                      * point read has to fetch and unpack. */
#define PAGE_BYTES_MAX (4 << 20)     /* No stored page is larger; checked when one is read. */
#define META_BYTES_MAX 256           /* A type's own root bytes in an object. */
#define PACK_SLOTS_MAX 65536
#define PACK_BYTES_TARGET (16 << 20) /* Uploaded when it has grown to this. */
#define SEGMENT_BYTES_MAX (16 << 20) /* One PUT; the log never uses multipart. */
#define MANIFEST_BYTES_MAX 65536
#define LOG_WINDOW_MAX 16            /* PUTs of the log in flight. */
#define UNDURABLE_SLOTS 65536        /* Keys whose last change is not durable, by hash. */
#define NAME_BYTES_MAX 128           /* Snapshot and database names. */

#endif
