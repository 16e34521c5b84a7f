/* mem.h -- counted memory over jemalloc.
 *
 * mem_alloc and its kin abort when there is no memory: they are for sizes that the program
 * chose. Sizes that a client, the network or the store chose go through mem_try_*, which
 * return NULL. Safe from any thread. */
#ifndef COVE_BASE_MEM_H
#define COVE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* Asks for memory that will be read soon. */
static inline void mem_ahead(const void *p, size_t n) {
    for (size_t i = 0; i < n; i += 64) __builtin_prefetch((const char *)p + i);
}

void *mem_alloc(size_t bytes);
void *mem_calloc(size_t count, size_t size);
void *mem_realloc(void *p, size_t bytes); /* NULL is fine, as in realloc. */
void *mem_try_alloc(size_t bytes);
void *mem_try_calloc(size_t count, size_t size); /* Checks count * size. */
void *mem_try_realloc(void *p, size_t bytes);
void mem_free(void *p); /* Like free(): NULL is fine. */
char *mem_strdup(const char *s);

/* A block of `had` bytes serves `bytes` as well: mem_realloc() would leave it where it is. */
bool mem_same_block(size_t had, size_t bytes);
size_t mem_usable(const void *p); /* What the allocator really gave. */
size_t mem_used(void);            /* Bytes allocated now, all threads; O(threads). */
size_t mem_used_peak(void);       /* Highest mem_used() seen by mem_used(). */
size_t mem_rss(void);             /* Resident bytes of the process, from the kernel. */
void mem_purge(void);             /* Give free pages back to the kernel. */

/* Data is to stay under so many bytes (0: no limit): decides whether huge pages are worth their
 * waste. Costs nothing when nothing changes. */
void mem_limit(size_t bytes);

/* From now on freed pages go back to the kernel within a second or two, also when idle. Once, after
 * the process has forked for the last time. */
void mem_background(void);

/* Torture: the k-th mem_try_* from now fails (1 = the next); 0 switches it off. */
void mem_fail_at(long k);

#endif
