/* access.c -- the time, and the 24 bits of an entry that tell when or how often it was
 * used.
 *
 * LRU policies: seconds modulo 2^24. LFU policies: 16 bits of minutes, 8 bits of a
 * counter that grows with the logarithm of the accesses and decays with time. Both as
 * Redis 7.0 has them, so that OBJECT IDLETIME, OBJECT FREQ and the options behave as
 * people know. The bits are not part of the data: they are written in place, and a page
 * does not become dirty by them. */
#include "keyspace/keyspace_internal.h"

#define CLOCK_BITS 0xFFFFFFu
#define LFU_INITIAL 5u

uint64_t ks__now_ms(keyspace *ks) {
    if (!ks->now_fresh) {
        ks->now_ms = clock_wall_ms(ks->clock);
        ks->now_fresh = true;
    }
    return ks->now_ms;
}

static bool by_frequency(const keyspace *ks) {
    return ks->config->maxmemory_policy == POLICY_VOLATILE_LFU ||
           ks->config->maxmemory_policy == POLICY_ALLKEYS_LFU;
}

static uint32_t seconds(keyspace *ks) {
    return (uint32_t)(ks__now_ms(ks) / 1000) & CLOCK_BITS;
}
static uint32_t minutes(keyspace *ks) {
    return (uint32_t)(ks__now_ms(ks) / 60000) & 0xFFFF;
}

uint32_t access__initial(keyspace *ks) {
    return by_frequency(ks) ? minutes(ks) << 8 | LFU_INITIAL : seconds(ks);
}

static uint32_t decayed(keyspace *ks, uint32_t access) {
    uint32_t counter = access & 0xFF, then = access >> 8 & 0xFFFF;
    uint32_t passed = (minutes(ks) - then) & 0xFFFF;
    if (ks->config->lfu_decay_time <= 0) return counter;
    uint64_t periods = passed / (uint64_t)ks->config->lfu_decay_time;
    return periods >= counter ? 0 : counter - (uint32_t)periods;
}

uint32_t access__touched(keyspace *ks, uint32_t access) {
    if (!by_frequency(ks)) return seconds(ks);
    uint32_t counter = decayed(ks, access);
    if (counter < 255) {
        double above = counter > LFU_INITIAL ? counter - LFU_INITIAL : 0;
        double chance = 1.0 / (above * (double)ks->config->lfu_log_factor + 1);
        if (rnd_unit(ks->rnd) < chance) counter++;
    }
    return minutes(ks) << 8 | counter;
}

uint64_t keyspace_idle_s(keyspace *ks, const struct entry *e) {
    return (seconds(ks) - e->access) & CLOCK_BITS;
}

uint8_t keyspace_freq(keyspace *ks, const struct entry *e) {
    return (uint8_t)decayed(ks, e->access);
}

void keyspace_set_access(keyspace *ks, struct entry *e, int64_t idle_s, int freq) {
    if (by_frequency(ks)) {
        if (freq < 0) return;
        e->access = minutes(ks) << 8 | (uint32_t)(freq & 0xFF);
    } else {
        if (idle_s < 0) return;
        uint64_t idle = (uint64_t)idle_s > CLOCK_BITS ? CLOCK_BITS : (uint64_t)idle_s;
        e->access = (seconds(ks) - (uint32_t)idle) & CLOCK_BITS;
    }
    put_u32(e->access_at, e->access);
}
