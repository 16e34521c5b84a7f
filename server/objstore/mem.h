/* mem.h -- an object store in memory with seeded latency and faults, for simulation.
 *
 * A request has a time at which it takes effect and a time at which its reply arrives,
 * drawn from the seed. It may take effect and lose its reply, lose itself, or take effect
 * long after its sender gave up or died. Several objstore handles may share one world
 * (two owners). */
#ifndef COVE_OBJSTORE_MEM_H
#define COVE_OBJSTORE_MEM_H

#include "base/rnd.h"
#include "event/loop.h"
#include "objstore/objstore.h"

struct mem_faults { /* probabilities 0..1; times in us */
    double lose_request, lose_reply, late, fail, throttle, truncate, flip;
    double full, denied; /* of PUTs: ERR_FULL, ERR_AUTH */
    uint64_t latency_min_us, latency_max_us, late_max_us, timeout_us;
};
typedef struct mem_world mem_world;

mem_world *mem_world_create(uint64_t seed);
void mem_world_free(mem_world *w); /* After its handles, before their loops. */
void mem_world_set_faults(mem_world *w, const struct mem_faults *f);
/* objstore_free() answers what is still out with ERR_CANCELED. Requests whose effect is
 * still to come keep coming after the handle is freed. */
objstore *objstore_mem_create(mem_world *w, loop *l);
/* For checkers: the bytes of an object now, or an empty slice with found = false. */
slice mem_world_peek(mem_world *w, const char *name, bool *found);
size_t mem_world_count(mem_world *w, const char *prefix);
/* Damage: replaces one byte of a stored object; ERR_NOTFOUND. */
int mem_world_flip(mem_world *w, const char *name, size_t offset);
/* Pause a handle: nothing it sent takes effect until it is resumed (a stopped process),
 * and no answer is delivered. */
void objstore_mem_pause(objstore *s, bool paused);

#endif
