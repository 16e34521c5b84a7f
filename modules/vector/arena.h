/* arena.h -- memory that is given back all at once: what one evaluation of a filter
 * needs. */
#ifndef COVE_VECTOR_ARENA_H
#define COVE_VECTOR_ARENA_H

#include "base/mem.h"

struct arena_block {
    struct arena_block *next;
    size_t used, size;
};

struct arena {
    struct arena_block *first; /* kept across resets */
};

#define ARENA_BLOCK 4096

/* 8-byte aligned; good until the next reset. */
static inline void *arena_alloc(struct arena *a, size_t bytes) {
    bytes = (bytes + 7) & ~(size_t)7;
    struct arena_block *b = a->first;
    if (b == NULL || b->size - b->used < bytes) {
        size_t size = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
        b = mem_alloc(sizeof(*b) + size);
        b->next = a->first;
        b->used = 0;
        b->size = size;
        a->first = b;
    }
    void *p = (char *)(b + 1) + b->used;
    b->used += bytes;
    return p;
}

/* Frees all but one block. */
static inline void arena_reset(struct arena *a) {
    struct arena_block *b = a->first;
    if (b == NULL) return;
    while (b->next != NULL) {
        struct arena_block *next = b->next;
        b->next = next->next;
        mem_free(next);
    }
    b->used = 0;
}

static inline void arena_deinit(struct arena *a) {
    arena_reset(a);
    mem_free(a->first);
    a->first = NULL;
}

#endif
